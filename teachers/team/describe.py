"""The describer: the situation in labelled lines, for each role those that matter for its decision.

Invariant: a role's text is a function of the situation and of the order from above, and holds nothing that
does not bear on that role's answer, so that equal decisions are equal questions (STEVE-2's describer keeps
keywords, arXiv 2404.04619 section 3.2). `teachers.endpoint.reader` reads these lines back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from teachers.roles import Phase, Subtask
from teachers.team.map_text import write_map
from teachers.team.orders import phases, subtasks
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.mirror import COLUMNS
from worlds.voxel.tasks.material_collection import plan_for

CELL = 8.0
"""Blocks: as finely as a manager is told places."""
WALKED = ("explore", "search", "approach", "mine")
"""Phases in which the body walks."""
TOLD = 12
"""Things told of each kind."""


def manager_text(situation: VoxelSituation, critique: str = "") -> str:
    """The task, the world, the team, the subtasks that there are, and which body gets nowhere."""
    poses = situation.facts["bodies"]
    near = [f"{i} near x {_cell(pose[0])} z {_cell(pose[2])}" for i, pose in enumerate(poses, start=1)]
    return _lines(
        ("Role", "manager"),
        ("Task", situation.observation.goal.text),
        *_aim(situation),
        ("World", _size(situation)),
        ("Bodies", "; ".join(near) if len(near) > 1 else "1"),
        ("Critic", critique),
        ("Subtasks", " | ".join(subtasks(situation))),
    )


def conductor_text(situation: VoxelSituation, subtask: Subtask, critique: str = "") -> str:
    """The subtask, and what decides the phase: what is in sight, known, carried, lacking, within reach, and
    what failed."""
    facts = situation.facts
    in_frame = {thing["name"] for thing in facts["visible"]} & _of_use(situation)
    lacking = plan_for(facts["wanted"], facts["inventory"], situation.workplaces).raw
    return _lines(
        ("Role", f"conductor of body {situation.body + 1}"),
        ("Subtask", subtask.text),
        ("Region", subtask.region),
        *_aim(situation),
        ("In the frame", ", ".join(sorted(in_frame))),
        ("Places known", "yes" if len(situation.targets) else "no"),
        ("Carried", _items(facts["inventory"], alphabetically=True)),
        ("Within reach", ", ".join(sorted(situation.workplaces & {"crafting_table", "furnace"}))),
        ("Lacking", _items(lacking)),
        ("Critic", critique),
        ("Phases", " | ".join(phases(situation))),
    )  # fmt: skip


def actor_text(
    situation: VoxelSituation, phase: Phase, critique: str = "", lessons: Sequence[str] = ()
) -> str:
    """All that the next skill depends on; `lessons` are the critic's, from earlier attempts."""
    facts, observation = situation.facts, situation.observation
    x, y, z = (float(v) for v in facts["pose"][:3])
    feet = math.floor(y + 0.3)
    heading, rows = write_map(situation.ground, x, z, feet)
    seen = [
        f"{thing['name']} {COLUMNS[thing['column']]} at {thing['distance']:.1f} blocks, x "
        f"{thing['position'][0]:.1f} z {thing['position'][2]:.1f}"
        for thing in facts["visible"][:TOLD]
    ]
    nearest = sorted(situation.targets.tolist(), key=lambda point: situation.distance_to(*point))
    turns = [
        f"{turn.action} ({turn.outcome}, heading {turn.heading_deg:.0f})" for turn in observation.history
    ]
    others = situation.others.items()
    unseen = situation.unseen(phase.region) if phase.region else None
    said = [
        f"round {m['round']}: body {m['sender']} to body {m['receiver']}: {m['text']}"
        for m in facts.get("messages", ())[-TOLD:]
    ]
    return _lines(
        ("Role", f"actor of body {situation.body + 1}"),
        ("Task", observation.goal.text),
        *_aim(situation),
        ("Phase", phase.text),
        ("Region", phase.region),
        ("Plan", "; ".join(phase.steps)),
        ("World", _size(situation)),
        ("Place", f"x {x:.2f} y {y:.2f} z {z:.2f}, heading {float(facts['pose'][3]):.0f}"),
        ("In the frame", "; ".join(seen)),
        ("Places known", "; ".join(f"x {px:.2f} z {pz:.2f}" for px, pz in nearest[:TOLD])),
        ("Reached within", f"{facts['reach']:g} blocks"),
        ("Shut", ", ".join(map(str, situation.tried)) if phase.name in WALKED else ""),
        ("Unseen", f"x {unseen[0]:.1f} z {unseen[1]:.1f}" if unseen else ""),
        ("Decision", f"{facts['iteration'] + 1}" if said else ""),
        ("Carried", _items(facts["inventory"], alphabetically=True)),
        ("Status", observation.status.words),
        ("Last turns", "; ".join(turns)),
        ("Others", "; ".join(f"body {n} x {ox:.1f} z {oz:.1f}" for n, (ox, oz) in others)),
        ("Said", "; ".join(said)),
        ("Critic", critique),
        ("Lessons", " / ".join(lessons)),
        ("Legal actions", " | ".join(observation.actions)),
        ("Map", "\n".join([heading, *rows])),
    )


def _aim(situation: VoxelSituation) -> tuple[tuple[str, str], ...]:
    facts = situation.facts
    return (
        ("Family", situation.family),
        ("About", str(facts["target"])),
        ("Wanted", _items(facts["wanted"])),
    )


def _of_use(situation: VoxelSituation) -> set[str]:
    """Names that could decide a phase: the target, and what a list can be made of."""
    mined = {a.removeprefix("mine ") for a in situation.observation.actions if a.startswith("mine ")}
    return {str(situation.facts["target"]), *mined}


def _items(items: dict[str, int], alphabetically: bool = False) -> str:
    """A list keeps its order, which is the one in which it is worked off; what is carried has none."""
    pairs = sorted(items.items()) if alphabetically else items.items()
    return ", ".join(f"{count} {name}" for name, count in pairs)


def _size(situation: VoxelSituation) -> str:
    size_x, size_z, size_y = situation.facts["size"]
    return f"{size_x} by {size_z} blocks, {size_y} high"


def _cell(value: float) -> int:
    return int(value // CELL * CELL)


def _lines(*pairs: tuple[str, str]) -> str:
    return "\n".join(f"{name}: {_one_line(name, text)}" for name, text in pairs if text)


def _one_line(name: str, text: str) -> str:
    """Words from a world or a message cannot begin a line of their own; the map alone has lines."""
    return text if name == "Map" else " ".join(text.split())

"""The keys of the voxel world's `Mirror.facts`: the contract between the world and its teachers.

| key | value |
|---|---|
| `blocks` | uint8 (X, Z, Y) block ids, the true world |
| `known` | bool (X, Z) columns that any body has had in view so far |
| `seen` | bool (X, Z) columns that the own body has had in view so far |
| `pose` | (x, y, z, yaw_deg, pitch_deg) of the own body |
| `bodies` | list of (x, y, z, yaw_deg, pitch_deg) of all bodies, the own one included |
| `suite` | e.g. "voxel/goal_name" |
| `target` | name of the block, landmark or animal that the task is about ("" if none) |
| `targets` | float (n, 3) positions x, y, z of all its true instances |
| `reach` | distance (blocks, horizontal) at which the target counts as reached |
| `frame_size` | pixels on a side of the frame in which things are in sight |
| `visible` | list of {name, column 0..4, distance (blocks), pixels, position}: named things in the frame |
| `seen_targets` | float (n, 3) instances of the target that were in view at some time in this episode |
| `recent_targets` | float (n, 3) instances in view at one of the last `HISTORY_TURNS` decisions or now |
| `actions` | the legal action texts |
| `notes` | the legal notes |
| `inventory` | item name -> count |
| `containers` | list of {`cell` (x, z, y), `items`, `counts` (27 slots each), `smelt_ticks`}: all there are |
| `wanted` | item name -> count, for material collection |
| `iteration`, `max_iterations` | int |
| `size` | (X, Z, Y) |

A member of a crew has `messages` too ({`round`, `sender`, `receiver`, `text`} of all it sent or heard), and
`turns`: of each body, in the order of `bodies`, the (action, outcome) of its last `HISTORY_TURNS` decisions.

Notes of the voxel world: "see none" or "see COLUMN DISTANCE" with COLUMN in `COLUMNS` and DISTANCE in
`DISTANCES`, about the task's target (for material collection: about the next needed resource).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worlds.types import Mirror, Observation

if TYPE_CHECKING:
    from worlds.voxel.perception import Thing
    from worlds.voxel.skills_body import Body
    from worlds.voxel.tasks.common import Task

COLUMNS = ("far-left", "left", "centre", "right", "far-right")
DISTANCES = ("near", "far")
NEAR = 6.0
"""Blocks: nearer is "near". No further bound: at twice that distance a 64x64 frame does not tell 13 blocks
from 15, and a note that cannot be read off the frame would teach guessing."""

NOTES: tuple[str, ...] = (
    "see none",
    *(f"see {column} {distance}" for column in COLUMNS for distance in DISTANCES),
)


def note_for(column: int, distance: float) -> str:
    """The note about something in frame column 0..4 at `distance` blocks."""
    return f"see {COLUMNS[column]} {DISTANCES[distance >= NEAR]}"


def build_mirror(
    suite: str,
    task: Task,
    observation: Observation,
    things: list[Thing],
    seen_targets: NDArray[np.float64],
    recent_targets: NDArray[np.float64],
    iteration: int,
) -> Mirror:
    """The mirror of the present state; `things` are those of the present frame, nearest first."""
    body, state = task.body, task.body.state
    poses = [
        (*(float(v) for v in state.position[body.b, a]), float(state.yaw_deg[body.b, a]), float(pitch))
        for a, pitch in enumerate(state.pitch_deg[body.b])
    ]
    facts = {
        "blocks": body.blocks.copy(),
        "known": state.seen[body.b].any(axis=0),
        "seen": state.seen[body.b, body.a].copy(),
        "pose": poses[body.a],
        "bodies": poses,
        "suite": suite,
        "target": task.about(),
        "targets": task.targets(),
        "reach": task.reach,
        "frame_size": body.frame_size,
        "visible": [thing.as_fact() for thing in things],
        "seen_targets": seen_targets,
        "recent_targets": recent_targets,
        "actions": observation.actions,
        "notes": observation.notes,
        "inventory": dict(observation.status.inventory),
        "containers": _containers(body),
        "wanted": dict(task.wanted),
        "iteration": iteration,
        "max_iterations": task.max_iterations,
        "size": body.blocks.shape,
    }
    return Mirror("voxel", facts, _as_text(facts, observation, things))


def _containers(body: Body) -> list[dict[str, Any]]:
    """Of the body's world, with what lies in them."""
    state, b = body.state, body.b
    return [
        {
            "cell": tuple(state.container_cell[b, c].tolist()),
            "items": state.container_item[b, c].tolist(),
            "counts": state.container_count[b, c].tolist(),
            "smelt_ticks": int(state.smelt_ticks[b, c]),
        }
        for c in np.flatnonzero(state.container_cell[b, :, 0] >= 0)
    ]


def _as_text(facts: dict[str, Any], observation: Observation, things: list[Thing]) -> str:
    """The same, short, for language-model teachers."""
    x, y, z, yaw, _ = facts["pose"]
    lines = [
        f"Task: {observation.goal.text}. Decision {facts['iteration']} of {facts['max_iterations']}.",
        f"You stand at x {x:.1f} y {y:.1f} z {z:.1f}, heading {yaw:.0f} degrees clockwise from north (-z).",
    ]
    if facts["target"]:
        places = "; ".join(f"x {tx:.1f} z {tz:.1f}" for tx, _, tz in facts["targets"][:6].tolist())
        lines.append(
            f"Instances of {facts['target']}: {places or 'none'}. Reached within {facts['reach']} blocks."
        )
    seen = "; ".join(f"{t.name} {COLUMNS[t.column]} at {t.distance:.0f} blocks" for t in things[:8])
    lines.append(f"In the frame: {seen or 'nothing named'}.")
    if facts["inventory"] or facts["wanted"]:
        lines.append(f"Carried: {facts['inventory']}. Wanted: {facts['wanted']}.")
    last = "; ".join(f"{turn.action} ({turn.outcome})" for turn in observation.history)
    lines.append(f"So far: {last or 'nothing'}. Legal actions: {', '.join(observation.actions)}.")
    return "\n".join(lines)

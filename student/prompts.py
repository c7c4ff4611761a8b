"""What the student may see, as text: the only way from an `Observation` to a `Prompt`.

Invariant: the prompt is a function of its arguments, and of an observation it uses nothing that a player
could not perceive. The frame comes first and the goal last, so that views of one frame share a prefix, and
the goal's words stand right before the reply, as they do in grounding.

Of the sounds it tells the one that the goal is about (`Goal.sound`): what matters for the task, as STEVE-2's
describer filters by keywords (arXiv 2404.04619, section 3.2). Four calls of bystanders cost a fifth of the
tokens, and could leave out a faint call that is the goal.
"""

from __future__ import annotations

from collections.abc import Sequence

from student.types import Prompt
from worlds.directions import BEARINGS, COMPASS, octant
from worlds.types import Observation, Sound, Status, Turn

IMAGE = "<image>"
HISTORY = 8
CELL_BLOCKS = 4.0
"""Own position is told in cells of this many blocks."""
LOUDNESS = ((0.5, "loud"), (0.2, "soft"), (0.0, "faint"))
ITEMS_TOLD = 6


def sound_text(sound: Sound) -> str:
    """ "moo ahead-left soft"."""
    loudness = next(word for bound, word in LOUDNESS if sound.loudness >= bound)
    return f"{sound.name} {BEARINGS[octant(sound.bearing_deg)]} {loudness}"


def turn_text(turn: Turn, heading_deg: float, memory_notes: bool = True) -> str:
    """One past decision: where it looked, as seen from the present heading, then note and action worded as in
    a reply; an outcome of "ok" goes unsaid."""
    looked = BEARINGS[octant(turn.heading_deg - heading_deg)]
    note = turn.note if memory_notes else ""
    outcome = "" if turn.outcome == "ok" else turn.outcome
    return " ".join(part for part in (looked, note, turn.action, outcome) if part)


def status_text(status: Status, memory_notes: bool = True) -> str:
    """Compass, coarse position, what is carried, and the world's remarks; without own notes, none that come
    of them."""
    parts = [COMPASS[octant(status.heading_deg)]]
    if any(status.position):
        parts.append("at " + " ".join(str(int(status.position[axis] // CELL_BLOCKS)) for axis in (0, 2)))
    carried = sorted(status.inventory.items(), key=lambda item: (-item[1], item[0]))[:ITEMS_TOLD]
    if carried:
        parts.append("carrying " + " ".join(f"{count} {name}" for name, count in carried))
    if remarks := status.remarks if memory_notes else status.words:
        parts.append(remarks)
    return " ".join(parts)


def build_prompt(
    observation: Observation, role: str = "actor", order: str = "", memory_notes: bool = True
) -> Prompt:
    """The prompt of `role` ("manager", "conductor" or "actor"); `order` is the upstream role's text. One
    `<image>` stands for the frame, a second one, within the goal, for the goal image."""
    goal = observation.goal
    images = (observation.frame,) if goal.image is None else (observation.frame, goal.image)
    last = goal_text(goal.text, goal.image is not None, heard_text(goal.sound, observation.sounds))
    text = f"{prefix_text(observation, role, order, memory_notes)} {last}"
    return Prompt(text, images, observation.notes, observation.actions)


def prefix_text(
    observation: Observation, role: str = "actor", order: str = "", memory_notes: bool = True
) -> str:
    """All of a prompt but its goal."""
    heading_deg = observation.status.heading_deg
    turns = [turn_text(turn, heading_deg, memory_notes) for turn in observation.history[-HISTORY:]]
    parts = [" ".join([IMAGE, role, *turns])]
    parts += [status_text(observation.status, memory_notes)]
    parts += [f"order {order}"] if order else []
    return " ; ".join(parts)


def heard_text(name: str | None, sounds: Sequence[Sound]) -> str:
    """The loudest sound called `name`, e.g. "hear moo ahead-left soft" ("": none is heard)."""
    matching = [sound for sound in sounds if sound.name == name]
    return f"hear {sound_text(max(matching, key=lambda sound: sound.loudness))}" if matching else ""


def goal_text(text: str, pictured: bool, heard: str = "") -> str:
    """The last part of a prompt; `heard` is what `heard_text` says of the goal's sound."""
    goal = f"goal {IMAGE} {text} :" if pictured else f"goal {text} :"
    return f"; {heard} {goal}" if heard else goal

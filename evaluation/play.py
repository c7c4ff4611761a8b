"""`retort play`: a person in the student's place, seeing what it sees and choosing among its actions.

Invariant: only the `Observation` is shown, never the mirror, so what one finds hard here is hard for the
student too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from worlds.base import retrieve, split_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec, Frame, Observation

SCALE = 8
"""Saved frames are enlarged by this factor, so that a person can see the pixels."""


def play_episode(
    suite: str, index: int, difficulty: int, frames: Path | None, commands: Sequence[str] | None
) -> None:
    """Play one train episode of `suite`; `commands` None reads the keyboard, line by line.

    Raises ValueError for a suite that no world has.
    """
    console = Console()
    world = make_world(suite)
    world.reset(options={"episode": EpisodeSpec(suite, "train", index, difficulty)})
    if frames is not None:
        frames.mkdir(parents=True, exist_ok=True)
    source = iter(commands) if commands is not None else _keyboard(console)
    goal = world.observe().goal
    console.print(f"[bold]{escape(goal.text)}[/bold]  (q ends, a number or a text acts)")
    if goal.image is not None and frames is not None:
        _enlarged(goal.image).save(frames / "goal.png")
    elif goal.image is not None:
        console.print(_blocks(goal.image))
    _show(console, world.observe(), frames, 0)
    for line in map(str.strip, source):
        if not line:
            continue
        if line in ("q", "quit"):
            break
        reply = _as_reply(line, world.observe())
        if split_reply(reply)[1] not in world.observe().actions:
            nearest = retrieve(reply, world.observe().actions)
            console.print(f"{line!r} is not an action here; the nearest is {nearest!r}", markup=False)
            continue
        _, _, terminated, truncated, info = world.step(reply)
        console.print(f"{info['outcome']} ({info['ticks']} ticks), metric {info['metric']:.2f}")
        _show(console, world.observe(), frames, world.iteration)
        if terminated or truncated:
            won = "success" if info["success"] else "no success"
            console.print(f"[bold]{won} after {world.iteration} decisions[/bold]")
            break
    world.close()


def _keyboard(console: Console) -> Iterator[str]:
    while True:
        try:
            yield console.input("> ")
        except (EOFError, KeyboardInterrupt):
            return


def _as_reply(line: str, seen: Observation) -> str:
    if line.isdecimal() and int(line) < len(seen.actions):
        return seen.actions[int(line)]
    return line


def _show(console: Console, seen: Observation, frames: Path | None, iteration: int) -> None:
    if frames is None:
        console.print(_blocks(seen.frame))
    else:
        _enlarged(seen.frame).save(frames / f"{iteration:03d}.png")
    status = seen.status
    x, y, z = status.position
    console.print(f"heading {status.heading_deg:.0f} deg, at {x:.0f} {y:.0f} {z:.0f} {status.remarks}")
    if status.inventory:
        console.print("carrying " + ", ".join(f"{n} {name}" for name, n in status.inventory.items()))
    for sound in seen.sounds:
        console.print(f"you hear {sound.name} at {sound.bearing_deg:.0f} deg, loudness {sound.loudness:.2f}")
    console.print("  ".join(f"{i}:{action}" for i, action in enumerate(seen.actions)))


def _enlarged(frame: Frame) -> Image.Image:
    picture = Image.fromarray(frame)
    return picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.NEAREST)


def _blocks(frame: Frame) -> Text:
    """The frame as half-block characters: two pixels, one above the other, per character."""
    text = Text()
    pixels = frame[: frame.shape[0] // 2 * 2].astype(np.int64)
    for upper, lower in zip(pixels[0::2], pixels[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append(
                "▀", style=f"rgb({above[0]},{above[1]},{above[2]}) on rgb({below[0]},{below[1]},{below[2]})"
            )
        text.append("\n")
    return text

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

from worlds.adapters.own import own_errors_told
from worlds.base import World, retrieve, split_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec, Frame, Observation

SCALE = 8
"""Saved frames are enlarged by this factor, so that a person can see the pixels."""


def play_episode(
    suite: str, index: int, difficulty: int, frames: Path | None, commands: Sequence[str] | None
) -> None:
    """Play one train episode of `suite`; `commands` None reads the keyboard, line by line.

    Raises ValueError for a suite that no world has, and for a folder that cannot be made.
    """
    with own_errors_told(suite):
        _play(EpisodeSpec(suite, "train", index, difficulty), frames, commands)


def _play(episode: EpisodeSpec, frames: Path | None, commands: Sequence[str] | None) -> None:
    console = Console()
    world = make_world(episode.suite)
    world.reset(options={"episode": episode})
    if frames is not None:
        try:
            frames.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"the folder {frames} cannot be made ({error.strerror}): choose another place with "
                "--frames FOLDER"
            ) from error
    source = iter(commands) if commands is not None else _keyboard(console)
    goal = world.observe().goal
    console.print(f"[bold]{escape(goal.text)}[/bold]  (q ends, a number or a text acts)")
    if goal.image is not None and frames is not None:
        _enlarged(goal.image).save(frames / "goal.png")
    elif goal.image is not None:
        console.print(_blocks(goal.image))
    _show(console, world, frames)
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
        _show(console, world, frames)
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


def _show(console: Console, world: World, frames: Path | None) -> None:
    seen = world.observe()
    if frames is None:
        console.print(_blocks(seen.frame))
    else:
        _enlarged(seen.frame).save(frames / f"{world.iteration:03d}.png")
    status, told = seen.status, []
    if world.compass:
        told.append(f"heading {status.heading_deg:.0f} deg")
    if any(status.position):
        told.append("at " + " ".join(f"{blocks:.0f}" for blocks in status.position))
    if status.remarks:
        told.append(status.remarks)
    if told:
        console.print(", ".join(told))
    if status.inventory:
        console.print("carrying " + ", ".join(f"{n} {name}" for name, n in status.inventory.items()))
    for sound in seen.sounds:
        console.print(f"you hear {sound.name} at {sound.bearing_deg:.0f} deg, loudness {sound.loudness:.2f}")
    console.print(_in_lines([f"{i}:{action}" for i, action in enumerate(seen.actions)], console.width))


def _in_lines(names: Sequence[str], width: int) -> str:
    """`names` side by side; lines end between two of them."""
    lines = [""]
    for name in names:
        beside = f"{lines[-1]}  {name}".strip()
        if len(beside) <= width:
            lines[-1] = beside
        else:
            lines.append(name)
    return "\n".join(lines).strip()


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

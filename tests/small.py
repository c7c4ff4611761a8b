"""Sizes and words of the small students that several files test with."""

from __future__ import annotations

from pathlib import Path

NOTES = ("see none", "see left near", "see left far", "see right near")
ACTIONS = ("turn left 45", "turn left 90", "forward 2", "goto pumpkin")
SIZES = {"hidden": 32, "layers": 2, "heads": 2, "intermediate": 48}


def save_knowing(suite: str, folder: Path) -> Path:
    """Save a tiny random student that has the suite's notes and actions as tokens; returns `folder`."""
    from student.config import StudentConfig
    from student.student import Student
    from worlds.make import make_world

    world = make_world(suite)
    world.reset(seed=0)
    seen = world.observe()
    config = StudentConfig(dtype="float32", device="cpu")
    phrases = [*seen.notes, *seen.actions]
    Student.fresh(config, phrases=phrases, hidden=32, layers=1, heads=2, intermediate=64).save(
        folder, {"title": "tiny"}
    )
    return folder

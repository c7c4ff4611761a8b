"""Sizes and words of the small students that several files test with."""

from __future__ import annotations

NOTES = ("see none", "see left near", "see left far", "see right near")
ACTIONS = ("turn left 45", "turn left 90", "forward 2", "goto pumpkin")
SIZES = {"hidden": 32, "layers": 2, "heads": 2, "intermediate": 48}

"""A tiny grounding source: coloured squares on a dark ground; near ones are large."""

from __future__ import annotations

import numpy as np

from worlds.grounding import UNSEEN, GroundingBatch, Question
from worlds.types import SPLIT_CODES, Sound, Split, Status

COLOURS = {"red": (230, 30, 30), "green": (30, 200, 30), "blue": (40, 60, 240)}
WAYS = ("left", "centre", "right")


class Squares:
    """Each colour is in a frame with probability 1/2, each in one of three columns, near or far."""

    class_names = tuple(COLOURS)
    notes = (UNSEEN, *(f"see {way} {far}" for way in WAYS for far in ("near", "far")))
    actions = ("turn left 45", "forward 2")

    def sample(self, count: int, seed: int, split: Split) -> GroundingBatch:
        rng = np.random.default_rng([seed, SPLIT_CODES[split]])
        frames = rng.integers(0, 40, (count, 64, 64, 3), dtype=np.uint8)
        classes = np.zeros((count, 8, 8, 3), np.uint8)
        pictures = np.zeros((3, 64, 64, 3), np.uint8)
        questions: list[list[Question]] = []
        for index, colour in enumerate(COLOURS.values()):
            pictures[index, 12:52, 12:52] = colour
        for frame, cells in zip(frames, classes, strict=True):
            answers = []
            for index, (way, colour) in enumerate(zip(rng.permutation(3), COLOURS.values(), strict=True)):
                size = int(rng.choice([6, 12]))
                top, left = int(rng.integers(0, 64 - size)), int(2 + way * 21 + rng.integers(0, 20 - size))
                if rng.random() < 0.5:
                    answers.append(UNSEEN)
                    continue
                frame[top : top + size, left : left + size] = colour
                cells[top // 8 : (top + size - 1) // 8 + 1, left // 8 : (left + size - 1) // 8 + 1, index] = 1
                answers.append(f"see {WAYS[way]} {'near' if size > 6 else 'far'}")
            shown = int(rng.integers(3))
            asked = [Question(f"find {name}", answer) for name, answer in zip(COLOURS, answers, strict=True)]
            asked.append(Question("find this", answers[shown], "pictured", shown))
            asked.append(Question("find the red you hear", answers[0], "heard", sound="red"))
            questions.append(asked)
        return GroundingBatch(
            frames, classes, self.class_names, questions, [(Sound("red", 40.0, 0.5),)] * count,
            [Status(90.0)] * count, [""] * count, pictures,
        )  # fmt: skip

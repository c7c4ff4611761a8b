"""Samples to ledger records and back.

Invariant: `decode(encode(sample, order)) == sample`, images byte for byte. Images are raw bytes with their
shapes, all in one column in the order in which they were seen: a frame is also the last sample's
`next_frame`, and the segment's compression then stores it once.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ledger.records import Record
from student.types import Prompt, Sample
from worlds.types import Frame

CHUNK_BITS, POSITION_BITS, STEP_BITS = 20, 26, 16
PLAIN = tuple(
    field.name for field in fields(Sample) if field.name not in ("sample_id", "prompt", "next_frame")
)


def order_of(chunk: int, position: int = 0, step: int = 0) -> int:
    """The place in the training order of the sample at `step` of the episode at `position` of a chunk;
    `order_of(chunk)` is the bound below which all earlier chunks lie."""
    assert 0 <= chunk < 1 << CHUNK_BITS
    assert 0 <= position < 1 << POSITION_BITS
    assert 0 <= step < 1 << STEP_BITS
    return (chunk << POSITION_BITS | position) << STEP_BITS | step


def encode(sample: Sample, order: int = 0) -> Record:
    """The ledger record of a sample."""
    images = sample.prompt.images + (() if sample.next_frame is None else (sample.next_frame,))
    columns = {name: getattr(sample, name) for name in PLAIN}
    columns |= {
        "text": sample.prompt.text,
        "notes": list(sample.prompt.notes),
        "actions": list(sample.prompt.actions),
        "images": [image.tobytes() for image in images],
        "image_shapes": [size for image in images for size in image.shape],
        "has_next": sample.next_frame is not None,
    }
    return Record(sample.sample_id, columns, order)


def decode(record: Record) -> Sample:
    """The sample of a record that was read with all its columns."""
    columns = record.columns
    sizes = np.reshape(columns["image_shapes"], (-1, 3))
    images: list[Frame] = [
        np.frombuffer(data, dtype=np.uint8).reshape(shape)
        for data, shape in zip(columns["images"], sizes, strict=True)
    ]
    next_frame = images.pop() if columns["has_next"] else None
    prompt = Prompt(columns["text"], tuple(images), tuple(columns["notes"]), tuple(columns["actions"]))
    plain = {name: columns[name] for name in PLAIN}
    return Sample(sample_id=record.sample_id, prompt=prompt, next_frame=next_frame, **plain)

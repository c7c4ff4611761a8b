"""Frames as PNG, for a model that sees, and packed small, for a memory that travels with every state."""

from __future__ import annotations

import base64
import io
from functools import lru_cache

import numpy as np

from worlds.types import Frame

QUALITY = 85
"""JPEG's: a frame of 64x64 packs into about 2 KiB."""


def png(frame_HW3: Frame) -> bytes:
    """Equal frames give equal bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame_HW3).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def packed(frame_HW3: Frame) -> str:
    """The frame as text, with the losses of JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame_HW3).save(buffer, "JPEG", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()


@lru_cache(maxsize=256)
def unpacked(text: str) -> Frame:
    """The frame (H, W, 3) of a packed one; not to be written to."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(text)), formats=("JPEG",)) as image:
        frame = np.asarray(image.convert("RGB"))
    frame.flags.writeable = False
    return frame

"""Frames as they come over the wire.

Invariant: a picture's size is looked at before its pixels are decoded, and only PNG and JPEG are tried.
"""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
from PIL import Image

from serve.problems import Problem
from worlds.types import Frame

FORMATS = ("PNG", "JPEG")
LEAST_SIDE = 8
DATA_URI = "base64,"


def decode_frame(text: str, max_pixels: int) -> Frame:
    """The (H, W, 3) uint8 frame of a base64 string or data URI. Raises `Problem` for anything else."""
    encoded = text.partition(DATA_URI)[2] if text.startswith("data:") else text
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, f"a frame is not base64 ({error})") from error
    return decode_image(data, max_pixels)


def decode_image(data: bytes, max_pixels: int) -> Frame:
    """The (H, W, 3) uint8 frame of PNG or JPEG bytes. Raises `Problem` for anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise Problem(413, f"a frame of {width}x{height} is too large: at most {max_pixels} pixels")
            if min(width, height) < LEAST_SIDE:
                raise Problem(422, f"a frame of {width}x{height} is too small: at least {LEAST_SIDE} a side")
            return np.asarray(image.convert("RGB"), np.uint8)
    except Problem:
        raise
    except Image.DecompressionBombError as error:  # its size is beyond what PIL opens at all
        raise Problem(413, f"a frame is too large: at most {max_pixels} pixels") from error
    except Exception as error:  # PIL's decoders raise what they like on damaged bytes
        raise Problem(422, "a frame is no whole PNG or JPEG picture") from error


def encode_frame(frame: Frame) -> str:
    """A frame (H, W, 3) uint8 as a base64 PNG: the inverse of `decode_frame`, to the bit."""
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")

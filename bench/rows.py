"""What every benchmark ends in, and what a long one says meanwhile."""

from __future__ import annotations

import sys
import time
from typing import Any


def row(
    name: str, value: float, unit: str, peer: str = "", peer_value: float = 0.0, digits: int = 3
) -> dict[str, Any]:
    """One measurement beside its peer's ("": it has none); `ratio` is value by peer value."""
    return {
        "name": name,
        "value": round(value, digits),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, digits),
        "ratio": round(value / peer_value, 3) if peer_value else None,
    }


def say(what: str) -> None:
    """Tell whoever waits, on stderr, that stdout may be read by a program."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)

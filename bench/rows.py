"""The rows that every benchmark ends in."""

from __future__ import annotations

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

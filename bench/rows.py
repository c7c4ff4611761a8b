"""What benchmarks share: the rows that each ends in, and a port."""

from __future__ import annotations

import socket
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


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

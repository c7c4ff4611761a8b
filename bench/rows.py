"""What benchmarks share: the rows that each ends in, and a port."""

from __future__ import annotations

import random
import socket
from typing import Any

OWN_PORTS = range(20_000, 32_000)
"""Above the ports of Ray's workers and below those of outgoing connections: what is free here stays free
until a server binds it."""


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
    """A port of this machine that nothing listens on. Raises RuntimeError where none is found."""
    for port in random.SystemRandom().sample(OWN_PORTS, 50):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port among {OWN_PORTS.start} to {OWN_PORTS.stop - 1}")

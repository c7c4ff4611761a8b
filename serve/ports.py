"""Ports of this machine."""

from __future__ import annotations

import random
import socket

OWN_PORTS = range(20_000, 30_000)
"""Above the ports of Ray's workers, below those of Ray Serve's replicas and of outgoing connections: what is
free here stays free until a server binds it."""


def free_ports(count: int, besides: int = 0) -> list[int]:
    """`count` ports of this machine, not `besides`, that nothing listens on. Raises RuntimeError where they
    are not found."""
    found: list[int] = []
    for port in random.SystemRandom().sample(OWN_PORTS, 50 * count):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != besides:
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"no free port among {OWN_PORTS.start} to {OWN_PORTS.stop - 1}")


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def check_port(host: str, port: int) -> None:
    """Raise ValueError where `host`:`port` cannot be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"{host}:{port} cannot be served ({error.strerror}): choose another with port=..."
            ) from error

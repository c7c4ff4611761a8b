"""Ports of this machine."""

from __future__ import annotations

import random
import socket

OWN_PORTS = range(20_000, 30_000)
"""Above the ports of Ray's workers, below those of Ray Serve's replicas and of outgoing connections: what is
free here stays free until a server binds it."""


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

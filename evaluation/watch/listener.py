"""The playground's port.

Invariant: a port in use is said in a sentence, before anything is served. Imports nothing privileged, so that
`retort serve` may look before it starts.
"""

from __future__ import annotations

import socket

from evaluation.watch.config import WatchConfig


def listen(config: WatchConfig) -> socket.socket:
    """A socket on the port. Raises ValueError where it is taken."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family)
    except OSError as error:
        raise ValueError(
            f"{config.host}:{config.port} cannot be listened on ({error.strerror}): choose another port for "
            "the playground with port=... (watch.port=... beside serve)"
        ) from error

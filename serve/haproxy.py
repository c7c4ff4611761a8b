"""Starts HAProxy for Ray Serve with its side doors closed: a program, run in HAProxy's place.

Ray writes a configuration whose counters and statistics listen on every interface, and whose answer for a
replica that died is a bare 500. Invariant: HAProxy runs only on a configuration in which both listen on
loopback; where Ray's is not as expected, it does not run. It ends with the process that started it, however
that ends, so it never keeps a dead server's port.

Usage: python haproxy.py BINARY [HAProxy's arguments, `-f CONFIG` among them]. Standard library alone.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
SIDE_DOORS = re.compile(r"^((?:frontend prometheus|listen stats)\n\s+bind )\*?:(\d+)$", re.MULTILINE)
ERROR_FILES = re.compile(r"^(\s+errorfile 50[234] ).*$", re.MULTILINE)
GONE = (
    '{"type":"about:blank","title":"Service Unavailable","status":503,'
    '"detail":"the process that was asked has ended, or none is there yet: ask again"}'
)
GONE_RESPONSE = (
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Content-Type: application/problem+json\r\n"
    "Retry-After: 1\r\n"
    f"Content-Length: {len(GONE)}\r\n"
    "\r\n"
    f"{GONE}"
)


def closed(config: str, error_file: Path) -> str:
    """Ray's `config` with the side doors on loopback, and `error_file` as what HAProxy itself answers.

    Raises ValueError where the doors are not found as they are known."""
    config, found = SIDE_DOORS.subn(r"\g<1>127.0.0.1:\2", config)
    if found != 2:
        raise ValueError(f"{found} side doors in Ray's configuration of HAProxy, not 2: serve with front=ray")
    return ERROR_FILES.sub(rf"\g<1>{error_file}", config)


def main(binary: str, *arguments: str) -> None:
    """Becomes HAProxy. Raises ValueError as `closed` does."""
    written = Path(arguments[arguments.index("-f") + 1])
    error_file = written.with_name("503.http")
    error_file.write_bytes(GONE_RESPONSE.encode())
    written.write_text(closed(written.read_text(), error_file))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execv(binary, [binary, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])

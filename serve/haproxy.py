"""Starts HAProxy for Ray Serve on a configuration of our own making: a program, run in HAProxy's place.

Ray writes a configuration whose counters and statistics listen on every interface, and that answers in Ray's
words, with a bare 500 or 404, where a replica died or none is known yet. Invariant: HAProxy runs only with
these changed (`mended`), and not at all where Ray's configuration is not as it is known. It ends with the
process that started it, however that ends, so it never keeps a dead server's port.

Usage: python haproxy.py BINARY HOST HEAD_S [HAProxy's arguments, `-f CONFIG` among them]. Standard library
alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
NO_LONGER = "{ status 404 } { res.hdr(content-type) -m beg text/plain }"
"""What Ray says while the last replica leaves. A 404 of ours is a problem document."""
PROBLEMS = {
    503: ("Service Unavailable", "the process that was asked has ended, or none is there yet: ask again"),
    400: ("Bad Request", "this is no HTTP request, or its head is too long"),
    408: ("Request Timeout", "the head of a request comes sooner here"),
}
RAYS_HEADERS = ("x-request-id", "x-request-timeout-seconds", "serve_multiplexed_model_id")
"""By these a caller would command Ray, or break it: it takes the first for UTF-8."""
COMPRESSION = "sec-websocket-extensions"
"""Without it nothing comes compressed: 64 KiB could unfold to 64 MiB before anybody counts them."""
_FLAGS = re.MULTILINE
SIDE_DOORS = re.compile(r"^((?:frontend prometheus|listen stats)\n\s+bind )\*?:(\d+)$", _FLAGS)
SERVED = re.compile(r"^(frontend http_frontend\n\s+bind )\S+:(\d+)$", _FLAGS)
ERROR_FILES = re.compile(r"^(\s+errorfile )50[234] .*$", _FLAGS)
NOBODY = re.compile(r"^(backend default_backend\n\s+http-request )return status 404 .*$", _FLAGS)
DEFAULTS = re.compile(r"^defaults\n", _FLAGS)


def mended(config: str, host: str, head_s: int, folder: Path) -> str:
    """Ray's `config` with the side doors on loopback, the served address on `host`, `head_s` for the head of
    a request, and the problem documents in `folder` as what HAProxy itself answers.

    Raises ValueError where it is not as it is known."""

    def change(pattern: re.Pattern[str], by: str, times: int) -> None:
        nonlocal config
        config, found = pattern.subn(by, config)
        if found != times:
            raise ValueError(
                f"Ray's configuration of HAProxy has {found} of {pattern.pattern!r}, not {times}: serve with "
                "front=ray"
            )

    change(SIDE_DOORS, r"\g<1>127.0.0.1:\2", 2)
    rays = "".join(f"\n    http-request del-header {name}" for name in (*RAYS_HEADERS, COMPRESSION))
    rays += f"\n    http-response deny deny_status 503 if {NO_LONGER}"
    change(SERVED, rf"\g<1>{f'[{host}]' if ':' in host else host}:\2{rays}", 1)
    change(ERROR_FILES, "", 3)
    change(NOBODY, r"\1deny deny_status 503", 1)
    own = "".join(f"    errorfile {status} {folder / f'{status}.http'}\n" for status in PROBLEMS)
    own += "".join(f"    errorfile {status} {folder / '503.http'}\n" for status in (502, 504))
    change(DEFAULTS, f"defaults\n    timeout http-request {head_s}s\n{own}", 1)
    return config


def response(status: int) -> bytes:
    """A whole HTTP response with a problem document."""
    title, detail = PROBLEMS[status]
    # As `serve.problems` has it, which this program cannot import.
    error = {"message": detail, "type": title, "param": None, "code": str(status)}
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": error}
    body = json.dumps(problem).encode()
    retry = "Retry-After: 1\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\n{retry}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def main(binary: str, host: str, head_s: str, *arguments: str) -> None:
    """Becomes HAProxy. Raises ValueError as `mended` does."""
    written = Path(arguments[arguments.index("-f") + 1])
    for status in PROBLEMS:
        written.with_name(f"{status}.http").write_bytes(response(status))
    written.write_text(mended(written.read_text(), host, int(head_s), written.parent))
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before it could be watched
        sys.exit(1)
    os.execv(binary, [binary, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])

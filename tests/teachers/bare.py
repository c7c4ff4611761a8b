"""A bare HTTP server that answers with given bytes."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def bare(
    body: bytes | list[bytes],
    status: int = 200,
    others: Mapping[str, tuple[bytes, int]] | None = None,
    pause_s: float = 0.0,
) -> Iterator[str]:
    """Its address: every POST gets `body` (parts `pause_s` apart) and `status`, one whose path ends in a key
    of `others` the bytes and the status of that."""
    parts = [body] if isinstance(body, bytes) else body

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            own = ((told, s) for end, (told, s) in (others or {}).items() if self.path.endswith(end))
            told, answered = next(own, (None, status))
            self.send_response(answered)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            with contextlib.suppress(OSError):
                for part in parts if told is None else [told]:
                    self.wfile.write(part)
                    time.sleep(pause_s)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()

"""How the playground is hosted. Imports without torch and Ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serve.config import check_access


@dataclass
class WatchConfig:
    """`student` is the URL that `python retort.py serve` prints, asked with the API key in the environment
    variable `key_env` where that is set; over https its certificate is verified by the system's authorities
    and those of the PEM file `ca`. `teacher` lets a page ask for the teacher's opinion. Decisions are
    drawn at `temperature` from `seed`, as an evaluation draws them. Uploaded pictures are cut to squares of
    `frame_size` pixels, the worlds' own. At most `max_episodes` are kept, each until `expiry_s` after its
    last use; the student has `timeout_s` to answer. A body has at most `max_body_mib`, a picture
    `max_pixels`. `keys` is a file that `python retort.py key` writes; without it only loopback is served.
    `tls_cert` and `tls_key` are PEM files."""

    student: str = "http://127.0.0.1:8000"
    key_env: str = "RETORT_KEY"
    ca: str = ""
    host: str = "127.0.0.1"
    port: int = 8001
    teacher: bool = True
    temperature: float = 0.5
    seed: int = 0
    frame_size: int = 64
    max_episodes: int = 16
    expiry_s: float = 1800.0
    timeout_s: float = 30.0
    max_body_mib: float = 16.0
    max_pixels: int = 2**24
    keys: str = ""
    tls_cert: str = ""
    tls_key: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for what cannot be hosted."""
        if not _is_url(self.student):
            raise ValueError(
                f"watch.student={self.student} is no URL: give the one that `python retort.py serve` prints, "
                "such as http://127.0.0.1:8000"
            )
        if self.ca and not Path(self.ca).is_file():
            raise ValueError(f"watch.ca={self.ca} is no file: name a PEM file, or leave it out")
        if self.temperature < 0:
            raise ValueError("watch.temperature is 0 (always the best action) or more")
        if self.frame_size < 16 or self.frame_size % 8:
            raise ValueError(f"watch.frame_size={self.frame_size} must be a multiple of 8, at least 16")
        if self.max_episodes < 1 or self.max_pixels < 1:
            raise ValueError("watch.max_episodes and watch.max_pixels are at least 1")
        if min(self.expiry_s, self.timeout_s, self.max_body_mib) <= 0:
            raise ValueError("watch.expiry_s, watch.timeout_s and watch.max_body_mib are more than 0")
        check_access("watch", self.host, self.port, self.keys, self.tls_cert, self.tls_key)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or half an IPv6 address
        return False

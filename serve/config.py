"""How the student is served. Imports without torch and Ray."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

ROLES = ("manager", "conductor", "actor")
Front = Literal["auto", "haproxy", "ray"]


@dataclass
class ServeConfig:
    """`replicas` processes serve at least; with `max_replicas` more than that, Ray Serve adds processes while
    each holds more than `target_queue` requests for `upscale_delay_s`, and lets them go where fewer have been
    enough for `downscale_delay_s`. A replica decides up to `max_batch` observations at once,
    but fewer where that would take more than `target_s`, keeps `max_queue` waiting and refuses more (429).
    `deadline_s` is of one request. At most `max_sessions` are kept, `max_sessions_per_key` of one API key,
    each until `session_expiry_s` after its last use. `roles` maps a role to the model that is asked when a
    request of that role names none (others: the first model). Checkpoint folders that an administrator
    offers are within `models_under`, and at most `max_versions` are served at once. `keys` is a file that
    `python retort.py key` writes; without it only loopback may be served. `tls_cert` and `tls_key` are PEM
    files. `front` is what stands before the replicas (`serve.front`; "auto": HAProxy where it is installed
    and no TLS is asked for, else Ray's own proxy). `cpus` and `gpus` are of each replica."""

    host: str = "127.0.0.1"
    port: int = 8000
    replicas: int = 1
    max_replicas: int = 0
    target_queue: float = 16.0
    upscale_delay_s: float = 30.0
    downscale_delay_s: float = 600.0
    max_batch: int = 32
    max_queue: int = 128
    target_s: float = 0.5
    deadline_s: float = 10.0
    max_body_mib: float = 16.0
    max_pixels: int = 2**20
    temperature: float = 0.0
    max_sessions: int = 1000
    max_sessions_per_key: int = 250
    session_expiry_s: float = 600.0
    roles: dict[str, str] = field(default_factory=dict)
    models_under: str = "runs"
    max_versions: int = 8
    keys: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    front: Front = "auto"
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for what cannot be served."""
        counts = ("replicas", "max_batch", "max_queue", "max_pixels", "max_versions")
        for name in (*counts, "max_sessions", "max_sessions_per_key"):
            if getattr(self, name) < 1:
                raise ValueError(f"serve.{name}={getattr(self, name)} must be at least 1")
        if self.max_replicas and self.max_replicas < self.replicas:
            raise ValueError("serve.max_replicas is 0 (no autoscaling) or at least serve.replicas")
        for name in ("target_s", "deadline_s", "max_body_mib", "target_queue", "cpus", "session_expiry_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"serve.{name}={getattr(self, name)} must be more than 0")
        for name in ("upscale_delay_s", "downscale_delay_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"serve.{name} is 0 or more")
        if self.gpus < 0:
            raise ValueError("serve.gpus is 0 or more")
        if self.temperature < 0:
            raise ValueError("serve.temperature is 0 (always the best action) or more")
        if self.front not in get_args(Front):
            raise ValueError(f"serve.front={self.front!r}: choose {', '.join(get_args(Front))}")
        if self.front == "haproxy" and self.tls_cert:
            raise ValueError(
                "serve.front=haproxy cannot offer TLS: leave front out, or let what is before it"
            )
        if unknown := sorted(set(self.roles) - set(ROLES)):
            raise ValueError(f"serve.roles names {unknown[0]!r}: a role is one of {', '.join(ROLES)}")
        check_access("serve", self.host, self.port, self.keys, self.tls_cert, self.tls_key)


def check_access(what: str, host: str, port: int, keys: str, tls_cert: str, tls_key: str) -> None:
    """Raise ValueError, naming the key of `what` ("serve", "watch"), where it may not or cannot listen so:
    beyond loopback only with keys, and the files are there."""
    if not 0 < port < 65536:
        raise ValueError(f"{what}.port={port} is no port: choose 1 to 65535")
    if bool(tls_cert) != bool(tls_key):
        raise ValueError(f"{what}.tls_cert and {what}.tls_key belong together: give both, or none")
    for name, file in (("keys", keys), ("tls_cert", tls_cert), ("tls_key", tls_key)):
        if file and not Path(file).is_file():
            raise ValueError(f"{what}.{name}={file} is no file: name one, or leave it out")
    if not keys and not is_loopback(host):
        raise ValueError(
            f"{what}.host={host} is reachable from elsewhere: make a key with `python retort.py key NAME "
            f"--file keys.json` and {what} with keys=keys.json, or keep to 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether nothing but this machine reaches a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

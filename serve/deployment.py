"""The student under Ray Serve: replicas behind one HTTP port.

Invariant: a replica answers only once its model is loaded, and on its way out it finishes what it has taken.
"""

from __future__ import annotations

import logging
import math
import os
import ssl
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import HTTPOptions

from serve.catalogue import first_catalogue
from serve.config import ServeConfig
from serve.front import Front
from serve.keeper import Keeper, SharedCatalogues, SharedSessions
from serve.ports import check_port
from student.config import StudentConfig
from student.fingerprint import fingerprint

APP = "retort"
DRAIN_S = 20.0
HEALTH_S = 5.0


@serve.ingress()
class StudentReplica:
    """One process with the models and the HTTP application over them, as the keeper's catalogue has them now:
    what was served first may be gone."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, config: ServeConfig, keeper: Any
    ) -> None:
        import torch

        from serve.fleet import Fleet

        torch.set_num_threads(max(1, math.floor(config.cpus)))
        self._keeper = keeper
        self._fleet = Fleet(config, await SharedCatalogues(keeper).current())

    def __serve_build_asgi_app__(self) -> Any:
        """Ray Serve asks for it after the constructor."""
        from serve.http import make_app
        from serve.keys import KeyRing, read_keys

        keys = self._fleet.config.keys
        ring = KeyRing(read_keys(Path(keys)) if keys else None)
        return make_app(self._fleet, ring, SharedSessions(self._keeper), SharedCatalogues(self._keeper))

    async def __del__(self) -> None:
        await self._fleet.drain()


def check(config: ServeConfig, students: Collection[str]) -> None:
    """Raise ValueError, before anything is started, where the port is taken, a file of keys or a certificate
    is damaged, or a role's model is none of `students`."""
    for role, model in config.roles.items():
        if model not in students:
            raise ValueError(f"serve.roles.{role}={model} is not served: choose among {', '.join(students)}")
    if config.keys:
        from serve.keys import read_keys

        read_keys(Path(config.keys))  # said here, not by a replica that keeps dying
    if config.tls_cert:
        _check_certificate(config.tls_cert, config.tls_key)
    check_port(config.host, config.port)


def start(config: ServeConfig, students: Mapping[str, StudentConfig], front: Front) -> str:
    """Serve on the Ray cluster that this process has joined, behind `front`; returns the URL once it answers.
    `students` are the models by name, the default first.

    Raises ValueError as `check` does, and where the replicas do not fit on the cluster."""
    check(config, students)
    _check_room(config)
    # It tells of an address without its s, and of settings that it has taken as if it had not.
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    tls = {"ssl_certfile": _path(config.tls_cert), "ssl_keyfile": _path(config.tls_key)}
    options = {"host": front.host, "port": config.port, "request_timeout_s": None}
    serve.start(http_options=HTTPOptions(**options, **(tls if config.tls_cert else {})))
    scale: dict[str, Any] = {"num_replicas": config.replicas}
    if config.max_replicas > config.replicas:
        scale = {
            "autoscaling_config": {
                "min_replicas": config.replicas,
                "max_replicas": config.max_replicas,
                "target_ongoing_requests": config.target_queue,
                "upscale_delay_s": config.upscale_delay_s,
                "downscale_delay_s": config.downscale_delay_s,
            }
        }
    # Above what a replica takes it answers 429 itself, so Serve must not hold requests back before it.
    replica = serve.deployment(StudentReplica).options(
        name="student",
        max_ongoing_requests=2 * (config.max_queue + config.max_batch),
        health_check_period_s=HEALTH_S,
        graceful_shutdown_timeout_s=max(DRAIN_S, 2 * config.deadline_s),
        ray_actor_options={"num_cpus": config.cpus, "num_gpus": config.gpus},
        **scale,
    )
    resolved = replace(
        config, keys=_path(config.keys) or "", models_under=os.path.abspath(config.models_under)
    )
    folders = {name: student.folder().resolve() for name, student in students.items()}
    catalogue = first_catalogue(
        [
            (name, replace(student, path=str(folders[name])), fingerprint(folders[name]))
            for name, student in students.items()
        ]
    )
    keeper = serve.deployment(Keeper).options(
        name="keeper", max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0}
    )
    serve.run(replica.bind(resolved, keeper.bind(resolved, catalogue)), name=APP, route_prefix="/")
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'https' if config.tls_cert else 'http'}://{host}:{config.port}"


def stop() -> None:
    """Finish what was taken, then end; other applications on a cluster that was joined go on."""
    serve.delete(APP)


def _path(name: str) -> str | None:
    return os.path.abspath(name) if name else None


def _check_certificate(certificate: str, key: str) -> None:
    try:
        # A password that is asked for would be waited for, by a process that nobody sees.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"serve.tls_cert={certificate} and serve.tls_key={key} are no certificate and its key: give PEM "
            f"files, the key's without a password ({error})"
        ) from error


def _check_room(config: ServeConfig) -> None:
    """A replica that cannot be placed would be waited for without a word."""
    have = ray.cluster_resources()
    for name, each in (("CPU", config.cpus), ("GPU", config.gpus)):
        there = have.get(name, 0.0)
        if config.replicas * each > there + 1e-6:
            raise ValueError(
                f"{config.replicas} replicas of {each:g} {name}s do not fit on {there:g}: lower replicas or "
                f"{name.lower()}s"
            )

"""Joining or starting a Ray cluster.

Invariant: Ray listens on every interface, so its token authentication, on by default, stays on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError

from cluster.run import RunFailed

ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20
NICENESS = {"RAY_worker_niceness": "5"}
"""Of the workers of a cluster that is started here, in place of 15: behind the driver and Ray itself, with
room between a learner and the players, who give way to it (`actors.ray_parts.YIELD`; 19 is the most)."""
# What workers must know of this process: where compiled code is cached, and that one thread is enough.
PASSED_ON = ("NUMBA_CACHE_DIR", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "RETORT_DEBUG")


@contextmanager
def told(what: str) -> Iterator[None]:
    """A border to Ray: what it raises ends the command with a sentence, not with a traceback."""
    try:
        yield
    except GetTimeoutError as error:
        raise RunFailed(
            f"{what}: no process of Ray's answered in time. Look at worker-*.err in the logs of its session "
            "(/tmp/ray/session_latest/logs on each node) for one that could not start"
        ) from error
    except (RuntimeError, TimeoutError, RayError) as error:
        raise RunFailed(f"{what}: {error}") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        # Ray raises a bare one where a node does not start in time.
        raise RunFailed(f"{what}: {error}") from error


def start_ray(object_store_mb: int, settings: Mapping[str, str] | None = None) -> None:
    """Join the cluster that RAY_ADDRESS names, else start one with Ray's token authentication and with
    `settings` (environment variables of Ray's; where neither they nor the user's own have it, `NICENESS`)."""
    if "RAY_ADDRESS" not in os.environ:
        os.environ.update({**NICENESS, **os.environ, **(settings or {})})
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # What the user's PYTHONPATH holds (their own world, say) is there in the workers too.
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    runtime = {"env_vars": {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, **environment}}
    with told(
        "Ray cannot be started or joined (`python retort.py doctor` looks at token, /dev/shm and memory)"
    ):
        if "RAY_ADDRESS" in os.environ:
            ray.init(runtime_env=runtime, logging_level=logging.WARNING)
            return
        ray.init(
            address="local",  # with none, Ray would join whatever `ray start` left on this machine
            include_dashboard=False,
            object_store_memory=object_store_mb * MIB,
            runtime_env=runtime,
            logging_level=logging.WARNING,
            log_to_driver="RETORT_DEBUG" in os.environ,
        )

"""A bare Ray Serve application: reads the body, answers at once. `python -m bench.echo_server PORT FRONT`."""

from __future__ import annotations

import sys

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from starlette.requests import Request

from cluster.ending import Ending
from cluster.ray_start import start_ray
from serve.config import ServeConfig
from serve.front import make_front


class Echo:
    """Says how long the body is."""

    async def __call__(self, request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}


def main(port: int, front: str) -> None:
    """Serve on loopback until SIGINT or SIGTERM."""
    before = make_front(ServeConfig(port=port, front=front))  # type: ignore[arg-type]  # it looks itself
    start_ray(128, before.settings)
    serve.start(http_options=HTTPOptions(host=before.host, port=port))
    serve.run(serve.deployment(Echo).options(max_ongoing_requests=256).bind())
    Ending().wait()
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

"""The student over HTTP, beside what bounds it and what one would write in an afternoon.

In one run, on the same observations, one model thread: the model alone in this process, a bare Ray Serve
application that reads the same bodies and decides nothing (behind Ray's own proxy, and behind what ours
stands behind), a plain FastAPI server in front of `generate()`, and ours. The clients run in this process, so
they take their share of the same cores from all.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import numpy as np
import ray
import torch

from bench.rows import row
from cluster.ray_start import start_ray
from serve import deployment
from serve.config import ServeConfig
from serve.front import make_front
from serve.ports import free_port
from serve.wire import ActRequest, BatchRequest, from_observation
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student
from worlds.make import make_world
from worlds.types import Observation

SUITE = "voxel/goal_name"
CLIENTS = (1, 4, 16, 64)
BATCH = 16
MEASURE_S = 6.0
WARM_S = 1.5
OVERHEAD_MS = 8.0
"""The limit that one client's median may lie above the model's own."""
JSON = {"Content-Type": "application/json"}


def run() -> list[dict[str, Any]]:
    """Rows `serve_rps_cN`, `serve_p50_ms_cN`, `serve_p99_ms_cN` for N clients, beside the plain server's;
    `model_alone_b16`, `echo_rps_cN` (bare Ray Serve), `serve_ceiling_c16` (its peer is 1/(1/echo + 1/model)),
    `echo_same_front_rps_cN` and `serve_ceiling_same_front_c16` (the same with the echo behind what ours
    stands behind), `serve_vs_plain_c16`, `serve_batch16_observations_per_s`, `serve_overhead_ms_c1`."""
    seen = observations(32)
    bodies = [ActRequest(observation=from_observation(one)).model_dump_json().encode() for one in seen]
    batches = [
        BatchRequest(
            requests=tuple(ActRequest(observation=from_observation(o)) for o in seen[i : i + BATCH])
        ).model_dump_json().encode()
        for i in range(0, len(seen), BATCH)
    ]  # fmt: skip
    alone = {size: _model_alone(seen, size) for size in (1, BATCH)}
    with _server("plain_server") as url:
        plain = {count: _measure(f"{url}/v1/act", bodies, count) for count in CLIENTS}
    echo = {}
    for asked in ("ray", "auto"):
        with _server("echo_server", asked) as url:
            echo[asked] = {count: _measure(url, bodies, count) for count in CLIENTS}
    config = ServeConfig(port=free_port(), cpus=1.0)
    front = make_front(config)
    start_ray(128, front.settings)
    url = deployment.start(config, {"voxel": StudentConfig(path="voxel", device="cpu")}, front)
    ours = {count: _measure(f"{url}/v1/act", bodies, count) for count in CLIENTS}
    many = _measure(f"{url}/v1/act/batch", batches, 1)
    deployment.stop()
    ray.shutdown()
    rows = []
    for count, found in ours.items():
        for name, told, unit in (
            ("rps", "rps", "requests/s"),
            ("p50", "p50_ms", "ms"),
            ("p99", "p99_ms", "ms"),
        ):
            peer = "FastAPI + generate"
            rows.append(row(f"serve_{told}_c{count}", found[name], unit, peer, plain[count][name]))
    rows.append(row("model_alone_b16", alone[BATCH]["rate"], "observations/s"))
    for asked, suffix in (("ray", ""), ("auto", "_same_front")):
        rows += [
            row(f"echo{suffix}_rps_c{count}", one["rps"], "requests/s") for count, one in echo[asked].items()
        ]
        ceiling = 1 / (1 / echo[asked][BATCH]["rps"] + 1 / alone[BATCH]["rate"])
        rows.append(
            row(
                f"serve_ceiling{suffix}_c16", ours[BATCH]["rps"], "requests/s", "1/(1/echo + 1/model)",
                ceiling,
            )
        )  # fmt: skip
    rows.append(
        row("serve_vs_plain_c16", ours[BATCH]["rps"], "requests/s", "FastAPI + generate", plain[BATCH]["rps"])
    )
    rows.append(
        row(
            "serve_batch16_observations_per_s", BATCH * many["rps"], "observations/s",
            "model alone, batches of 16", alone[BATCH]["rate"],
        )
    )  # fmt: skip
    overhead = ours[1]["p50"] - alone[1]["p50"]
    rows.append(row("serve_overhead_ms_c1", overhead, "ms at p50", "limit", OVERHEAD_MS))
    return rows


def observations(count: int) -> list[Observation]:
    """`count` of them along one episode of turning and walking, so that histories have all lengths."""
    world = make_world(SUITE)
    world.reset(seed=0)
    seen = []
    for index in range(count):
        seen.append(world.observe())
        action = seen[-1].actions[index % len(seen[-1].actions)]
        _, _, over, truncated, _ = world.step(f"{seen[-1].notes[0]} | {action}")
        if over or truncated:
            world.reset(seed=index + 1)
    world.close()
    return seen


def _model_alone(seen: Sequence[Observation], size: int) -> dict[str, float]:
    """Observations per second, and the median time of a call in ms, in this process on one thread."""
    torch.set_num_threads(1)
    student = Student.load(StudentConfig(path="voxel", device="cpu"))
    prompts = [build_prompt(one) for one in seen]
    times = []
    end = time.perf_counter() + WARM_S + MEASURE_S
    while time.perf_counter() < end:
        for start in range(0, len(prompts), size):
            began = time.perf_counter()
            student.decide(prompts[start : start + size], 0.0, [0] * size)
            times.append(time.perf_counter() - began)
    settled = times[len(times) // 5 :]
    return {"rate": size * len(settled) / sum(settled), "p50": 1e3 * float(np.median(settled))}


def _measure(url: str, bodies: Sequence[bytes], clients: int) -> dict[str, float]:
    """Requests per second and latencies (ms) of `clients` that ask one after the other, each on its own
    connection. Raises ValueError where one is refused."""
    return asyncio.run(_ask(url, bodies, clients))


async def _ask(url: str, bodies: Sequence[bytes], clients: int) -> dict[str, float]:
    times: list[float] = []
    begins = time.perf_counter() + WARM_S
    ends = begins + MEASURE_S

    async def one(number: int) -> None:
        async with httpx2.AsyncClient(timeout=60.0) as client:
            index = number
            while (began := time.perf_counter()) < ends:
                response = await client.post(url, content=bodies[index % len(bodies)], headers=JSON)
                if response.status_code != 200:
                    raise ValueError(f"{url} answered {response.status_code}: {response.text[:200]}")
                if began >= begins:
                    times.append(time.perf_counter() - began)
                index += clients

    await asyncio.gather(*(one(number) for number in range(clients)))
    took = 1e3 * np.array(times)
    return {
        "rps": len(times) / (time.perf_counter() - begins),
        "p50": float(np.percentile(took, 50)),
        "p99": float(np.percentile(took, 99)),
    }


@contextlib.contextmanager
def _server(module: str, *arguments: str) -> Iterator[str]:
    """The URL of `python -m bench.MODULE PORT ARGUMENTS`, which runs meanwhile, once it answers."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", f"bench.{module}", str(port), *arguments])
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                if httpx2.get(f"{url}/docs").status_code == 200:
                    break
            except httpx2.HTTPError:
                pass
            if process.poll() is not None or time.monotonic() > end:
                raise ValueError(f"bench.{module} did not start")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)

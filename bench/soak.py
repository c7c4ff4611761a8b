"""Ten minutes under load while replicas are killed: no wrong answer, hardly a failed one, no growing memory.

Two replicas of the student behind Ray Serve; clients ask at a fixed pace, 0.8 of what was measured just
before, through `serve.client.Client`; every minute one replica's process is killed. Every answer is compared
with the model's own in this process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
import psutil
import ray
from pydantic import ValidationError

from bench.rows import row, say
from bench.serve import observations
from cluster.ray_start import start_ray
from serve import deployment
from serve.client import Client, Refused
from serve.config import ServeConfig
from serve.front import make_front
from serve.ports import free_port
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student
from worlds.types import Observation

MINUTES = 10.0
LOAD = 0.8
KILL_EVERY_S = 60.0
CLIENTS = 12
CALIBRATION_S = 15.0
SETTLED_S = 120.0
"""Memory is looked at from here on: imports and caches are filled by then."""
FAILED_LIMIT = 0.001
REPLICAS = 2
REST = ("ray::ServeReplica", "ray::ServeController", "ray::ProxyActor", "ray::HAProxyManager", "haproxy.cfg")


@dataclass
class Tally:
    """What the clients met."""

    answered: int = 0
    wrong: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def run() -> list[dict[str, Any]]:
    """Rows `soak_requests`, `soak_wrong`, `soak_failed_share` (beside its limit), `soak_p50_ms`,
    `soak_p99_ms`, `soak_kills`, and `soak_memory_growth`: the services' resident memory at the end over that
    after two minutes, minus 1."""
    seen = observations(64)
    model = Student.load(StudentConfig(path="voxel", device="cpu"))
    wanted = [
        (decision.note, decision.action)
        for decision in model.decide([build_prompt(one) for one in seen], 0.0, [0] * len(seen))
    ]
    del model
    config = ServeConfig(port=free_port(), cpus=0.75, replicas=REPLICAS)
    front = make_front(config)
    start_ray(128, front.settings)
    url = deployment.start(config, {"voxel": StudentConfig(path="voxel", device="cpu")}, front)
    free = Tally()
    _ask(url, seen, wanted, free, 0.0, CALIBRATION_S)
    pace = LOAD * free.answered / CALIBRATION_S
    say(f"{MINUTES:g} minutes at {pace:.1f} requests/s ...")
    tally, memory, kills = Tally(), list[tuple[float, float]](), list[int]()
    stop = threading.Event()
    with ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(_watch, stop, memory, kills)
        _ask(url, seen, wanted, tally, pace, 60 * MINUTES)
        stop.set()
        watching.result()
    deployment.stop()
    ray.shutdown()
    for reason in sorted(set(tally.failed)):
        print(f"failed {tally.failed.count(reason)} times: {reason}")
    total = tally.answered + len(tally.failed)
    settled = [used for at, used in memory if at >= SETTLED_S] or [used for _, used in memory]
    edge = max(1, len(settled) // 5)
    growth = float(np.median(settled[-edge:]) / np.median(settled[:edge]) - 1)
    took = 1e3 * np.array(tally.seconds)
    return [
        row("soak_requests", total, f"requests at {pace:.1f}/s, {LOAD:g} of what it can"),
        row("soak_wrong", tally.wrong, "answers"),
        row("soak_failed_share", len(tally.failed) / max(1, total), "", "limit", FAILED_LIMIT, digits=6),
        row("soak_p50_ms", float(np.percentile(took, 50)), "ms"),
        row("soak_p99_ms", float(np.percentile(took, 99)), "ms, the waits for killed replicas included"),
        row("soak_kills", len(kills), f"replicas in {MINUTES:g} min"),
        row("soak_memory_growth", growth, "of all serving processes", digits=4),
    ]


def _ask(
    url: str,
    seen: Sequence[Observation],
    wanted: Sequence[tuple[str, str]],
    tally: Tally,
    pace: float,
    for_s: float,
) -> None:
    """`CLIENTS` threads ask for `for_s` seconds, together `pace` times a second (0: as fast as they can)."""
    began = time.monotonic()

    def one(number: int) -> None:
        with Client(url, retries=8) as client:
            turn = number
            while (now := time.monotonic() - began) < for_s:
                if pace and now < turn / pace:
                    time.sleep(min(turn / pace - now, for_s - now))
                    continue
                asked = time.monotonic()
                place = turn % len(seen)
                try:
                    answer = client.act(seen[place])
                except (Refused, httpx2.HTTPError, ValidationError) as error:
                    with tally.lock:
                        tally.failed.append(f"{type(error).__name__}: {error}"[:200])
                else:
                    with tally.lock:
                        tally.answered += 1
                        tally.wrong += (answer.note, answer.action) != wanted[place]
                        tally.seconds.append(time.monotonic() - asked)
                turn += CLIENTS

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _watch(stop: threading.Event, memory: list[tuple[float, float]], kills: list[int]) -> None:
    """Every two seconds the memory, every minute a kill."""
    began = time.monotonic()
    while not stop.wait(2.0):
        now = time.monotonic() - began
        serving = _serving()
        if len(serving["student"]) == REPLICAS:  # while one is being replaced, the sum says nothing
            memory.append((now, _resident(pid for pids in serving.values() for pid in pids)))
        if now >= KILL_EVERY_S * (len(kills) + 1) and len(serving["student"]) == REPLICAS:
            # Always the youngest: the other lives all the time, so that its memory would show a leak.
            kills.append(max(serving["student"], key=lambda pid: psutil.Process(pid).create_time()))
            os.kill(kills[-1], signal.SIGKILL)
            say(f"minute {now / 60:.0f}: process {kills[-1]} killed")


def _serving() -> dict[str, list[int]]:
    """Process ids of the live serving processes: replicas of the student, and the rest. They are found by
    their titles below this process, which started the cluster: Ray's list of actors needs its dashboard."""
    found: dict[str, list[int]] = {"student": [], "rest": []}
    for process in psutil.Process().children(recursive=True):
        try:
            title = "".join(process.cmdline())
        except psutil.Error:  # it ended meanwhile
            continue
        if "ServeReplica:retort:student" in title:
            found["student"].append(process.pid)
        elif any(one in title for one in REST):
            found["rest"].append(process.pid)
    return found


def _resident(pids: Any) -> float:
    total = 0.0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total

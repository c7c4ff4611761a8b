"""Replicas come with load and go without it, on a real Ray Serve; nobody who asks meanwhile is refused."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
import websockets.sync.client
from served import replicas, served, until
from serving import observations
from tiny import ACTIONS

from serve.client import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
OPEN = 4
"""Connections that are held: load that costs no processor, however busy the machine is."""
KEYS = ("max_replicas=2", "target_queue=2", "upscale_delay_s=0", "downscale_delay_s=1")


def deciding(url: str) -> int:
    """Replicas that have decided something."""
    text = httpx2.get(f"{url}/metrics").text
    told = re.findall(r'^retort_decisions_total\{.*replica="(\w+)".*\} (\d+)', text, re.MULTILINE)
    return len({replica for replica, count in told if int(count)})


def test_load_brings_a_replica_and_its_absence_lets_it_go(folder: Path, tmp_path: Path) -> None:
    seen = observations(8)
    with served(folder, tmp_path / "log", *KEYS) as (process, url), ThreadPoolExecutor(1) as beside:
        assert len(replicas(process)) == 1
        stop = threading.Event()

        def ask() -> int:
            asked = 0
            with Client(url, retries=8) as client:
                while not stop.wait(0.2):
                    assert client.act(seen[asked % len(seen)]).action in ACTIONS
                    asked += 1
            return asked

        asking = beside.submit(ask)
        try:
            with ExitStack() as held:
                for _ in range(OPEN):
                    address = url.replace("http", "ws") + "/v1/session"
                    socket = held.enter_context(websockets.sync.client.connect(address))
                    socket.send(json.dumps({"goal": {"text": "red"}, "actions": list(ACTIONS)}))
                    assert json.loads(socket.recv(timeout=20))["decisions"] == 0
                until(lambda: len(replicas(process)) == 2)
                until(lambda: deciding(url) == 2)
            until(lambda: len(replicas(process)) == 1)
            time.sleep(1.0)
        finally:
            stop.set()
        assert asking.result() > 0  # raises where it was refused

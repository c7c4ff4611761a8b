"""What one would write in an afternoon, as the peer of `bench serve`: FastAPI in front of `generate()`.

One process, one decision at a time, no batching: `python -m bench.plain_server PORT`.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI

from serve.wire import ActRequest, to_observation
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student


def make_app() -> FastAPI:
    """The application; its one model is used by one request at a time."""
    torch.set_num_threads(1)
    student = Student.load(StudentConfig(path="voxel", device="cpu", decode="generate"))
    app, lock = FastAPI(), threading.Lock()

    @app.post("/v1/act")
    def act(request: ActRequest) -> dict[str, Any]:
        prompt = build_prompt(to_observation(request.observation, 2**20), request.role)
        with lock:
            decision = student.decide([prompt], 0.0, [0])[0]
        return {"action": decision.action}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")

"""One rank of the tests in `test_learner_ranks`: `python rank_program.py JOBS.json`; rank 0 prints JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from tiny import tiny_config, tiny_samples, tiny_student

from learner import checkpoint
from learner.engine import leave_process_group
from learner.learner import Learner
from learner.replay import ReplayPool


def main() -> None:
    """Each job: make a learner, restore a checkpoint if one is named, train, save after version 2 if asked
    to."""
    torch.set_num_threads(1)
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if ranks > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{sys.argv[1]}.meet{ranks}", rank=rank, world_size=ranks
        )
    results = []
    for job in jobs:
        learner = Learner(tiny_config(obs_weight=0.1, **job["config"]), tiny_student(), tiny_student())
        if job["restore"]:
            whole = checkpoint.latest(Path(job["restore"]))
            assert whole is not None
            learner.restore(whole)
        losses = []
        for version in range(learner.version, job["until"]):
            pool = ReplayPool(samples=tiny_samples(10 * version, seed=1))
            metrics = learner.train(tiny_samples(10, seed=100 + version), pool)
            losses += learner.losses
            if job["save"] and learner.version == 2:
                learner.save(Path(job["save"]))
        weights = learner.weights()
        norm = float(sum(value.square().sum() for value in weights.values()))
        results.append({"losses": losses, "norm": norm, "metrics": metrics})
        learner.close()
    if rank == 0:
        print("RESULTS " + json.dumps(results))
    if ranks > 1:
        dist.barrier()
    leave_process_group()


if __name__ == "__main__":
    main()

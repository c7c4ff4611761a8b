"""ZeRO 0, 1, 2, 3 and 1 or 2 ranks give the same losses, and a checkpoint of one serves all others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("rank_program.py")
STAGES: list[dict[str, Any]] = [
    {"zero_stage": 0},
    {"zero_stage": 1},
    {"zero_stage": 2},
    {"zero_stage": 2, "offload": True},
    {"zero_stage": 3},
    {"zero_stage": 3, "offload": True},
]


def launch(folder: Path, ranks: int, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run the jobs in `ranks` new processes (gloo); the results of rank 0."""
    folder.mkdir()
    plan = folder / "jobs.json"
    plan.write_text(
        json.dumps([{"restore": "", "save": "", "until": 2, **job} for job in jobs]), encoding="utf-8"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(plan)],
            env={
                **os.environ,
                "RANK": str(rank),
                "WORLD_SIZE": str(ranks),
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": f"{PROGRAM.parents[1]}:{PROGRAM.parents[2]}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    try:
        outputs = [process.communicate(timeout=280) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * ranks, outputs[0][1][-3000:]
    line = next(line for line in outputs[0][0].splitlines() if line.startswith("RESULTS "))
    results: list[dict[str, Any]] = json.loads(line.removeprefix("RESULTS "))
    return results


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_stage_on_one_or_two_ranks_gives_the_same_losses(tmp_path: Path) -> None:
    shm = set(Path("/dev/shm").glob("deepspeed*"))
    saved = [str(tmp_path / f"saved{index}") for index in range(len(STAGES))]
    jobs = [{"config": config, "save": save} for config, save in zip(STAGES, saved, strict=True)]
    # Two ranks: each stage from the start, and stage 1 from what stage 3 saved.
    two = launch(tmp_path / "two", 2, [*jobs, {"config": STAGES[1], "restore": saved[4], "until": 3}])
    # One rank: three stages from the start, then three from what two ranks saved under another stage.
    crossed = [(0, 2), (3, 1), (4, 0)]
    one = launch(
        tmp_path / "one",
        1,
        [
            {"config": STAGES[0], "until": 3},
            *({"config": STAGES[index]} for index in (2, 4)),
            *({"config": STAGES[to], "restore": saved[of], "until": 3} for of, to in crossed),
        ],
    )
    whole = one[0]
    early = len(one[1]["losses"])
    for result in (*one[1:3], *two[:-1]):
        assert result["losses"] == pytest.approx(whole["losses"][:early], abs=2e-5)
        for name in ("loss_dpo", "loss_obs", "health_chosen_logprob", "pair_share", "diagnostic_margin"):
            assert result["metrics"][name] == pytest.approx(two[0]["metrics"][name], rel=1e-3, abs=1e-4)
    for result in (*one[3:], two[-1]):
        assert result["losses"] == pytest.approx(whole["losses"][early:], abs=2e-5)
        assert result["norm"] == pytest.approx(whole["norm"], rel=1e-5)
    assert set(Path("/dev/shm").glob("deepspeed*")) <= shm

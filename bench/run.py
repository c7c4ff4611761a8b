"""`retort bench STAGE`: run one stage's measurements and print them.

Every stage module has `run() -> list[dict]` with rows {name, value, unit, peer, peer_value, ratio}.
"""

from __future__ import annotations

import importlib
import json

STAGES = ("world", "decide", "learner", "pipeline", "serve", "soak", "teacher")


def run_bench(stage: str, as_json: bool) -> None:
    """Measure `stage`; with `as_json` the last line of stdout is one JSON list.

    Raises ValueError for an unknown stage.
    """
    if stage not in STAGES:
        raise ValueError(f"there is no benchmark {stage!r}: choose one of {', '.join(STAGES)}")
    rows = importlib.import_module(f"bench.{stage}").run()
    for row in rows:
        peer = f"  ({row['ratio']:.2f} x {row['peer']}: {row['peer_value']:,.4g})" if row["peer"] else ""
        print(f"{row['name']:32} {row['value']:>14,.4g} {row['unit']}{peer}")
    if as_json:
        print(json.dumps(rows))

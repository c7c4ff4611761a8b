"""Recovery checkpoints: everything the learner needs to go on, in one folder of safetensors and JSON.

Invariant: a folder that `latest` returns is whole: it is written under another name, flushed to the disk and
then renamed, and the checksums in its `state.json` are verified before it is chosen. It holds full
(unpartitioned) fp32 tensors, so it can be resumed under any ZeRO stage and on any number of ranks; nothing
in it is pickled.

    step-00000150/weights.safetensors    the trained parameters, the observation head among them
                  moments.safetensors    Adam's exp_avg and exp_avg_sq
                  reference.json         the reference policy's log-probabilities by sample id
                  state.json             step, version, Adam's count, who wrote it, checksums (written last)
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

PREFIX = "step-"
PART = ".part-"


@dataclass(frozen=True)
class LearnerState:
    """What a checkpoint holds. `reference` maps a sample id to its (chosen, rejected) log-probabilities;
    `about` are JSON facts for the reader (config, ranks), never read back."""

    step: int
    version: int
    adam_count: float
    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    reference: Mapping[str, tuple[float, float]]
    about: Mapping[str, Any]


def save(parent: Path, state: LearnerState, keep: int = 2) -> Path:
    """Write `parent/step-N` whole or not at all, then remove all but the `keep` newest. Raises OSError (disk
    full)."""
    target = parent / f"{PREFIX}{state.step:08d}"
    part = parent / f"{PART}{target.name}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        save_file(
            {name: value.contiguous() for name, value in state.weights.items()}, part / "weights.safetensors"
        )
        save_file(
            {name: value.contiguous() for name, value in state.moments.items()}, part / "moments.safetensors"
        )
        (part / "reference.json").write_text(json.dumps(dict(state.reference)), encoding="utf-8")
        facts = {
            "step": state.step,
            "version": state.version,
            "adam_count": state.adam_count,
            "about": dict(state.about),
            "checksums": {path.name: _checksum(path) for path in sorted(part.iterdir())},
        }
        (part / "state.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        for path in (*part.iterdir(), part):
            _flush(path)
        if target.exists():
            shutil.rmtree(target)
        os.replace(part, target)
        _flush(parent)
    except SafetensorError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OSError(f"{target} could not be written: {error}") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    for old in sorted(parent.glob(f"{PREFIX}*"))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def latest(parent: Path) -> Path | None:
    """The newest whole checkpoint in `parent`; None if there is none. Half-written or damaged ones are
    passed over."""
    return next(
        (folder for folder in sorted(parent.glob(f"{PREFIX}*"), reverse=True) if is_whole(folder)), None
    )


def is_whole(folder: Path) -> bool:
    """Whether `state.json` is there and every file has the checksum that it names."""
    try:
        checksums: dict[str, str] = json.loads((folder / "state.json").read_text(encoding="utf-8"))[
            "checksums"
        ]
        return all(_checksum(folder / name) == value for name, value in checksums.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def load(folder: Path) -> LearnerState:
    """Read a checkpoint. Raises ValueError when it is not whole."""
    if not is_whole(folder):
        raise ValueError(
            f"{folder} is no whole checkpoint (a file is missing or damaged); "
            "resume from another one, or start a new run."
        )
    facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    reference = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    return LearnerState(
        step=int(facts["step"]),
        version=int(facts["version"]),
        adam_count=float(facts["adam_count"]),
        weights=load_file(folder / "weights.safetensors"),
        moments=load_file(folder / "moments.safetensors"),
        reference={key: (float(chosen), float(rejected)) for key, (chosen, rejected) in reference.items()},
        about=facts["about"],
    )


def _checksum(path: Path) -> str:
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(2**22):
            digest.update(chunk)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Which student: a checkpoint folder and how it is used. Imports without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

USAGE = "retort.json"
"""In a checkpoint folder: how its student is asked."""
ASKED = ("decode", "memory_notes", "max_reply_tokens")
"""What `USAGE` holds: a student that was trained one way must not be asked another."""
Precision = Literal["auto", "float32", "bfloat16"]
Decode = Literal["score", "generate"]
"""The best legal candidate; or free text, and then the nearest legal action."""
BASES = Path(__file__).parent / "base"


@dataclass
class StudentConfig:
    """`path` is a folder that Transformers' image-text-to-text classes load, or the name of a shipped base
    model ("voxel", "babyai"). `lora` is the rank of low-rank adapters on the language model (0: train it
    whole). `memory_notes=False` leaves the agent's own notes out of its prompts. `dtype` "auto" is bfloat16
    on CUDA and float32 on CPU; `device` "auto" is CUDA where there is one."""

    path: str = "voxel"
    freeze_vision: bool = True
    lora: int = 0
    decode: Decode = "score"
    memory_notes: bool = True
    dtype: Precision = "auto"
    device: str = "auto"
    max_reply_tokens: int = 24

    def __post_init__(self) -> None:
        if self.lora < 0 or self.max_reply_tokens < 1:
            raise ValueError("student.lora is 0 (none) or a rank, and student.max_reply_tokens at least 1")

    def folder(self) -> Path:
        """The checkpoint folder. Raises ValueError, with a sentence, where there is none."""
        shipped = BASES / self.path
        folder = shipped if (shipped / "config.json").is_file() else Path(self.path)
        if not (folder / "config.json").is_file():
            names = sorted(entry.name for entry in BASES.glob("*") if (entry / "config.json").is_file())
            raise ValueError(
                f"student.path={self.path!r} is neither a folder with a config.json nor a shipped base model "
                f"({', '.join(names) or 'none is here: run `python retort.py pretrain` first'}); "
                "set student.path to one."
            )
        return folder


def write_usage(config: StudentConfig, folder: Path) -> None:
    """Write `USAGE` into a checkpoint folder."""
    usage = {name: getattr(config, name) for name in ASKED}
    (folder / USAGE).write_text(json.dumps(usage, indent=1) + "\n", encoding="utf-8")


def as_saved(config: StudentConfig) -> StudentConfig:
    """`config`, asked as its checkpoint says; one without `USAGE` (another tool's) as `config` says.

    Raises ValueError where there is no checkpoint, or its `USAGE` is damaged."""
    file = config.folder() / USAGE
    if not file.is_file():
        return config
    try:
        usage = json.loads(file.read_text("utf-8"))
        asked = {name: usage[name] for name in ASKED}
        if asked["decode"] not in get_args(Decode):
            raise ValueError(f"decode={asked['decode']!r}")
        return replace(
            config,
            decode=asked["decode"],
            memory_notes=bool(asked["memory_notes"]),
            max_reply_tokens=int(asked["max_reply_tokens"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} does not say how this student is asked ({error}): export it anew, or delete the file, "
            "and it is asked as the student of the run or server is"
        ) from error

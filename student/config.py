"""Which student: a checkpoint folder and how it is used. Imports without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BASES = Path(__file__).parent / "base"


@dataclass
class StudentConfig:
    """`path` is a folder that Transformers' image-text-to-text classes load, or the name of a shipped base
    model ("voxel", "babyai"). `lora` is the rank of low-rank adapters on the language model (0: train it
    whole). `decode` is "score" (the best legal candidate) or "generate" (free text, then retrieval).
    `memory_notes=False` leaves the agent's own notes out of its history. `dtype` "auto" is bfloat16 on
    CUDA and float32 on CPU; `device` "auto" is CUDA where there is one."""

    path: str = "voxel"
    freeze_vision: bool = True
    lora: int = 0
    decode: Literal["score", "generate"] = "score"
    memory_notes: bool = True
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
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

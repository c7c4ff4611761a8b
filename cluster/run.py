"""The run folder: everything that one run writes, and nothing outside of it.

Layout: `config.yaml`, `prompts.json` (hashes), `metrics.jsonl`, `tensorboard/`, `ledger/`, `checkpoints/`
(recovery, ours to read), `export/` (`from_pretrained` folders, for others to read), `scores/` (one file each,
as they come), `evaluation.json`, `report.html`.

Invariant: a small file is either whole or absent (written beside, then renamed).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


class RunFailed(RuntimeError):
    """A run cannot go on; the message says why and what to do, for the person at the command line."""


class RunPaused(Exception):
    """A run ends well before its end: a budget is spent. All that was done is kept; the message says how to
    go on."""


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run's folder."""

    path: Path

    @classmethod
    def create(cls, root: Path, name: str) -> RunFolder:
        """A fresh folder `root/name-YYYYmmdd-HHMMSS[-n]`.

        Raises ValueError, with a sentence, where the folder cannot be written.
        """
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for attempt in range(100):
            suffix = f"-{attempt}" if attempt else ""
            path = root / f"{name}-{stamp}{suffix}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise ValueError(
                    f"the run folder {path} cannot be made ({error.strerror}): choose another place "
                    "with runs_dir=FOLDER"
                ) from error
            return cls(path)
        raise ValueError(f"{root} already holds 100 runs named {name}-{stamp}: choose another name=")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run. Raises ValueError where `path` holds no `config.yaml`."""
        if not (path / "config.yaml").is_file():
            raise ValueError(
                f"{path} is no run folder: it holds no config.yaml (a run folder is what `train` prints)"
            )
        return cls(path)

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def prompts_file(self) -> Path:
        """Hashes of the prompts that the run began with, where its teacher is asked over an endpoint."""
        return self.path / "prompts.json"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def scores(self) -> Path:
        return self.path / "scores"

    @property
    def evaluation_file(self) -> Path:
        return self.path / "evaluation.json"

    def export(self, name: str) -> Path:
        """The `from_pretrained` folder of one model of this run ("student", "reference")."""
        return self.path / "export" / name

    def exported(self, name: str) -> Path:
        """`export(name)`. Raises ValueError where the run has not got that far."""
        folder = self.export(name)
        if not (folder / "config.json").is_file():
            raise ValueError(
                f"{self.path} has no exported {name} yet: finish the run with "
                f"`python retort.py train --resume {self.path}`, or do without its {name}"
            )
        return folder

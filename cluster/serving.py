"""`retort serve`: a run's student, or any checkpoint folder, behind Ray Serve until it is interrupted.

Invariant: what cannot be served is said before anything is started.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from yaml import YAMLError  # type: ignore[import-untyped]

from cluster.config import load_config
from cluster.run import RunFolder
from serve.config import ServeConfig
from student.config import StudentConfig

OBJECT_STORE_MB = 128


def run_serve(target: str, overrides: Sequence[str]) -> None:
    """Serve until SIGINT or SIGTERM, then finish what was taken.

    Raises ValueError for an unknown key, a port in use, or a folder that holds no student."""
    config = serve_config(overrides)
    student, name = find_student(target)
    from student.student import Student

    Student.load(student)
    from cluster.ray_start import start_ray, told

    start_ray(OBJECT_STORE_MB)
    import ray

    from serve import deployment

    console = Console()
    try:
        with told("the student cannot be served"):
            url = deployment.start(config, student, name)
        console.print(
            f"serving {name} at {url}/v1/act (interface: {url}/docs); Ctrl-C ends it",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        _wait_for_the_end()
        console.print("finishing what was taken ...")
        deployment.stop()
    finally:
        ray.shutdown()


def serve_config(overrides: Sequence[str]) -> ServeConfig:
    """The serving config with `key=value` overrides. Raises ValueError, with a sentence."""
    for override in overrides:
        if "=" not in override:
            raise ValueError(f"the override {override!r} has no '=': write key=value, such as port=8001")
    try:
        layers = OmegaConf.merge(OmegaConf.structured(ServeConfig), OmegaConf.from_dotlist(list(overrides)))
        config = OmegaConf.to_object(layers)
    except (OmegaConfBaseException, YAMLError) as error:
        raise ValueError(f"serve cannot take {' '.join(overrides)}: {str(error).splitlines()[0]}") from error
    assert isinstance(config, ServeConfig)
    return config


def find_student(target: str) -> tuple[StudentConfig, str]:
    """(the student, its name) of a run folder, a checkpoint folder or a shipped base model.

    Raises ValueError where there is none."""
    path = Path(target)
    if not (path / "config.yaml").is_file():
        config = StudentConfig(path=target)
        return config, config.folder().name
    folder = RunFolder.open(path)
    export = folder.export("student")
    if not (export / "config.json").is_file():
        raise ValueError(
            f"{path} has no exported student yet: finish it with `python retort.py train --resume {path}`"
        )
    trained = load_config(folder.config_file).student
    return replace(trained, path=str(export), lora=0), path.resolve().name


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()

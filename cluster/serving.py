"""`retort serve`: runs' students, or any checkpoint folders, behind Ray Serve until it is interrupted.

Invariant: what cannot be served is said before anything is started; a playground beside it ends with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from cluster.config import load_config
from cluster.ending import Ending
from cluster.overrides import compose
from cluster.run import RunFolder
from cluster.watching import check_playground, playground, split_overrides, student_of
from serve.catalogue import NAME
from serve.config import ServeConfig
from serve.front import make_front
from student.config import StudentConfig, as_saved

OBJECT_STORE_MB = 128


def run_serve(targets: Sequence[str], overrides: Sequence[str], watch: bool = False) -> None:
    """Serve until SIGINT or SIGTERM, then finish what was taken. (One that comes before anything is served
    ends the process with status 128 and its number.) The first target is the default model. With `watch`, a
    playground runs beside it, and `watch.KEY=VALUE` among the overrides are its own.

    Raises ValueError for an unknown key, a port in use, a folder that holds no student, or a certificate by
    which the playground could not verify the server."""
    own, beside = split_overrides(overrides, watch)
    config = compose(ServeConfig, [], own)
    students = find_students(targets)
    from serve import deployment

    deployment.check(config, students)
    if watch:
        check_playground(config, beside)
    from student.student import Student

    for student in students.values():
        Student.load(student)
    import ray

    from cluster.ray_start import start_ray, told

    console = Console()
    console.print("starting: it takes up to two minutes ...")
    front = make_front(config)
    ending = Ending()
    ending.mind()
    try:
        start_ray(OBJECT_STORE_MB, front.settings)
        ending.mind()  # Ray has put its own handlers in place, under which the process aborts
        with told("the student cannot be served"):
            url = deployment.start(config, students, front)
        console.print(
            f"serving {', '.join(students)} at {url}/v1/act (interface: {url}/docs); Ctrl-C ends it",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        with playground([*student_of(config), *beside]) if watch else nullcontext():
            ending.wait()
        console.print("finishing what was taken ...")
        deployment.stop()
    except SystemExit as end:
        if "RAY_ADDRESS" in os.environ:  # what was begun does not end with this process
            deployment.stop()
        raise SystemExit(ending.status) from end  # Ray ends with a status of its own
    finally:
        ray.shutdown()


def find_students(targets: Sequence[str]) -> dict[str, StudentConfig]:
    """The students by name. Raises ValueError where there is none, or two have one name."""
    students: dict[str, StudentConfig] = {}
    for target in targets:
        student, name = find_student(target)
        if not re.fullmatch(NAME, name):
            raise ValueError(f"{name!r} is no name for a model (letters, digits, . - _): rename the folder")
        if name in students:
            raise ValueError(f"two of the students are named {name}: give one of the folders another name")
        students[name] = student
    return students


def find_student(target: str) -> tuple[StudentConfig, str]:
    """(the student, its name) of a run folder, a checkpoint folder or a shipped base model.

    Raises ValueError where there is none."""
    path = Path(target)
    if not (path / "config.yaml").is_file():
        try:
            config = as_saved(StudentConfig(path=target))
        except ValueError as error:
            raise ValueError(f"{target} is no run folder (it has no config.yaml), and {error}") from error
        return config, config.folder().name
    folder = RunFolder.open(path)
    export = folder.exported("student")
    trained = load_config(folder.config_file).student
    return replace(trained, path=str(export), lora=0), path.resolve().name

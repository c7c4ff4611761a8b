"""A tiny student in a folder, and the HTTP interface over it in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import HERE, served_app
from starlette.testclient import TestClient
from tiny import tiny_student

from serve.config import ServeConfig
from student.config import StudentConfig


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("served") / "tiny"
    tiny_student().save(target, {"title": "tiny"})
    return target


@pytest.fixture(scope="session")
def student(folder: Path) -> StudentConfig:
    return StudentConfig(path=str(folder), dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def client(student: StudentConfig) -> Iterator[TestClient]:
    config = ServeConfig(max_body_mib=0.25, max_pixels=64 * 64)
    with TestClient(served_app(student, config), HERE, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiny students, a to d; what a test adds is there for the others of its file."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate("abcd"):
        tiny_student(seed).save(root / name, {"title": name})
    return root

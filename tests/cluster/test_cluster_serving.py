"""`retort serve`: what cannot be served is said before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from serving import self_signed

from cluster.serving import run_serve
from serve.ports import free_port
from student.student import Student


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: Any) -> None:
        pytest.fail("something was started")

    monkeypatch.setattr("cluster.ray_start.start_ray", started)
    monkeypatch.setattr(Student, "load", started)


def refused(overrides: Sequence[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run_serve(["voxel"], overrides)


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused([f"port={taken.getsockname()[1]}"], "choose another with port=")


def test_keys_and_certificates_that_are_none(tmp_path: Path) -> None:
    port = f"port={free_port()}"
    certificate, key = self_signed(tmp_path)
    damaged = tmp_path / "damaged"
    damaged.write_text("{")
    refused([port, f"keys={damaged}"], "no file of API keys")
    refused([port, f"tls_cert={damaged}", f"tls_key={key}"], "no certificate and its key")
    refused([port, f"tls_cert={certificate}", f"tls_key={damaged}"], "no certificate and its key")
    (tmp_path / "other").mkdir()
    refused([port, f"tls_cert={certificate}", f"tls_key={self_signed(tmp_path / 'other')[1]}"], "its key")


def test_a_model_of_a_role_and_a_folder_that_are_not_there(tmp_path: Path) -> None:
    refused([f"port={free_port()}", "roles={manager: big}"], "choose among voxel")
    with pytest.raises(ValueError, match=r"no run folder .* nor a shipped base model"):
        run_serve([str(tmp_path)], [])

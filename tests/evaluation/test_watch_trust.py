"""The playground asks a student over TLS only where its certificate is verified, and says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from listening import running
from serving import self_signed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cluster.watching import check_playground, student_of
from evaluation.watch.config import WatchConfig
from evaluation.watch.student import RemoteStudent
from serve.config import ServeConfig
from serve.keys import add_key
from serve.ports import free_port
from serve.problems import Problem


async def models(request: Request) -> Response:
    return JSONResponse({"data": [{"id": "tiny", "version": "1"}]})


STUDENT = Starlette(routes=[Route("/v1/models", models)])


def about(url: str, ca: str) -> dict[str, str]:
    student = RemoteStudent(url, "", "SOME_KEY", 5.0, ca)
    try:
        return student.about()
    finally:
        student.close()


@pytest.mark.parametrize("signer", ["", "An authority"])
def test_a_student_is_asked_under_its_certificates_name_alone(tmp_path: Path, signer: str) -> None:
    certificate, key = map(str, self_signed(tmp_path, "localhost", signer))
    with running(STUDENT, ssl_certfile=certificate, ssl_keyfile=key) as url:
        named = url.replace("127.0.0.1", "localhost")
        for asked, ca in ((url, certificate), (named, "")):
            with pytest.raises(Problem) as refused:
                about(asked, ca)
            assert refused.value.status == 502
            for words in (asked, "cannot be verified", "student=https://NAME:PORT", "ca=FILE"):
                assert words in refused.value.detail
        assert about(named, certificate)["model"] == "tiny"


def server(tmp_path: Path, name: str, **settings: Any) -> ServeConfig:
    certificate, key = self_signed(tmp_path, name)
    return ServeConfig(tls_cert=str(certificate), tls_key=str(key), **settings)


def test_a_name_that_the_certificate_lacks_is_said_before_anything_is_started(tmp_path: Path) -> None:
    port = f"port={free_port()}"
    own = server(tmp_path, "student.example")
    with pytest.raises(ValueError, match=r"as 127\.0\.0\.1's .*watch\.student"):
        check_playground(own, [port])
    check_playground(own, [port, "student=https://student.example:8000"])
    open_to_all = {"keys": str(tmp_path / "keys.json"), "host": "0.0.0.0"}
    add_key(tmp_path / "keys.json", "test", ["act"], 0)
    check_playground(server(tmp_path, "127.0.0.1", **open_to_all), [port])
    other, _ = self_signed(tmp_path, "127.0.0.1")
    check_playground(ServeConfig(), [port])
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(ValueError, match="holds no certificates"):
        check_playground(server(tmp_path, "127.0.0.1"), [port, f"ca={tmp_path / 'none.pem'}"])
    with pytest.raises(ValueError, match="no file"):
        WatchConfig(ca=str(tmp_path / "missing.pem"))
    mixed = ServeConfig(tls_cert=str(other), tls_key=str(tmp_path / "none.pem"))
    with pytest.raises(ValueError, match="no certificate and its key"):
        check_playground(mixed, [port])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_a_playground_finds_the_server_beside_it(host: str, url: str) -> None:
    assert student_of(ServeConfig(host=host)) == [f"student={url}"]

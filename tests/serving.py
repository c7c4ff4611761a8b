"""What the tests of serving share: observations, the requests that they make, refusals, and a certificate."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tiny import ACTIONS, NOTES

from serve.catalogue import Catalogue, first_catalogue
from serve.catalogues import CatalogueTable
from serve.config import ServeConfig
from serve.fleet import Fleet
from serve.http import make_app
from serve.keys import KeyRing
from serve.sessions import SessionTable
from serve.wire import ActRequest, from_observation
from student.config import StudentConfig
from student.fingerprint import fingerprint
from worlds.types import Goal, Observation, Sound, Status, Turn

HERE = "http://127.0.0.1"
"""Under this name a server without keys answers."""
SOCKET = "ws://127.0.0.1/v1/session"
JSON = {"Content-Type": "application/json"}
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def table() -> SessionTable:
    return SessionTable(limit=3, per_key=3, expiry_s=60.0, busy_s=20.0)


def catalogue(**students: StudentConfig) -> Catalogue:
    return first_catalogue([(name, one, fingerprint(one.folder())) for name, one in students.items()])


def served_app(
    student: StudentConfig,
    config: ServeConfig | None = None,
    keys: KeyRing | None = None,
    name: str = "tiny",
) -> FastAPI:
    """The interface over `student`, in this process."""
    first = catalogue(**{name: student})
    fleet = Fleet(config or ServeConfig(), first)
    return make_app(fleet, keys or KeyRing(None), table(), CatalogueTable(first))


def observations(count: int) -> list[Observation]:
    rng = np.random.default_rng(7)

    def frame() -> Any:
        return rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)

    return [
        Observation(
            frame=frame(),
            goal=Goal("red", frame() if rng.random() < 0.3 else None, "moo" if rng.random() < 0.3 else None),
            status=Status(
                float(rng.uniform(0, 360)),
                (1.0, 2.0, float(rng.uniform(0, 50))),
                {"red": 2},
                words=("", "in water")[int(rng.integers(2))],
                recalled=("", "see red", "see blue")[int(rng.integers(3))],
            ),
            sounds=(Sound("moo", float(rng.uniform(-180, 180)), float(rng.random())),),
            history=tuple(
                Turn(NOTES[0], ACTIONS[int(a)], "ok", 45.0) for a in rng.integers(0, 4, rng.integers(4))
            ),
            actions=ACTIONS[: int(rng.integers(2, 5))],
            notes=NOTES if rng.random() < 0.8 else (),
        )
        for _ in range(count)
    ]


def self_signed(folder: Path, name: str = "127.0.0.1", signer: str = "") -> tuple[Path, Path]:
    """The files of a certificate of `name` and its key; signed by an unknown authority if `signer` is one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, signer)]) if signer else subject
    now = datetime.datetime.now(datetime.UTC)
    try:
        known: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        known = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([known]), False)
        .sign(ec.generate_private_key(ec.SECP256R1()) if signer else key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return folder / "certificate.pem", folder / "key.pem"


def body(observation: Observation, **settings: Any) -> str:
    return ActRequest(observation=from_observation(observation), **settings).model_dump_json()


def problem(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["detail"]
    return document


def student_of(folders: Path, name: str) -> StudentConfig:
    """One of the students in the fixture `folders`."""
    return StudentConfig(path=str(folders / name), dtype="float32", device="cpu")


def settings(folders: Path, **more: Any) -> ServeConfig:
    """Of a server that may be offered them."""
    return ServeConfig(models_under=str(folders), max_versions=3, **more)


def answered_by(client: TestClient, **request: Any) -> str:
    """MODEL@VERSION that answers a request."""
    answer = client.post("/v1/act", content=body(observations(1)[0], **request), headers=JSON)
    assert answer.status_code == 200, answer.text
    return f"{answer.json()['model']}@{answer.json()['version']}"

"""API keys: printed once, kept as hashes, checked by scope and rate."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from serve.config import ServeConfig
from serve.keys import KeyRing, add_key, read_keys
from serve.problems import Problem


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def refusal(ring: KeyRing, header: str | None, scope: str = "act") -> int:
    with pytest.raises(Problem) as refused:
        ring.check(header, scope)
    return refused.value.status


def test_the_file_holds_no_key_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys = [add_key(file, name, ["act"], 0) for name in ("ann", "bob")]
    assert len(set(keys)) == 2
    assert not any(key.removeprefix("retort_") in file.read_text() for key in keys)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ring = KeyRing(read_keys(file))
    assert [ring.check(f"Bearer {key}", "act") for key in keys] == ["ann", "bob"]
    with pytest.raises(ValueError, match="ann"):
        add_key(file, "ann", ["act"], 0)
    with pytest.raises(ValueError, match="fly"):
        add_key(file, "cat", ["fly"], 0)


def test_without_a_known_key_or_its_scope_nothing_is_done(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "ann", ["act"], 0)
    ring = KeyRing(read_keys(tmp_path / "keys.json"))
    assert refusal(ring, None) == 401
    assert refusal(ring, "Bearer retort_guess") == 401
    assert refusal(ring, f"Basic {key}") == 401
    assert refusal(ring, f"Bearer {key}", "admin") == 403
    assert KeyRing(None).check(None, "admin") == ""
    assert refusal(KeyRing([]), f"Bearer {key}") == 401


def test_a_rate_is_kept_and_recovers(tmp_path: Path) -> None:
    header = "Bearer " + add_key(tmp_path / "keys.json", "ann", ["act"], 6)
    clock = Clock()
    ring = KeyRing(read_keys(tmp_path / "keys.json"), clock)
    for _ in range(6):
        ring.check(header, "act")
    with pytest.raises(Problem) as refused:
        ring.check(header, "act")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "10")
    clock.now += 10
    ring.check(header, "act")
    assert refusal(ring, header) == 429


def test_replicas_grant_a_keys_rate_together(tmp_path: Path) -> None:
    header = "Bearer " + add_key(tmp_path / "keys.json", "ann", ["act"], 6)
    rare = "Bearer " + add_key(tmp_path / "keys.json", "bob", ["act"], 1)
    clock = Clock()
    rings = [KeyRing(read_keys(tmp_path / "keys.json"), clock) for _ in range(3)]
    for ring in rings:
        ring.share(3)
        for _ in range(2):
            ring.check(header, "act")
        assert refusal(ring, header) == 429
        ring.check(rare, "act")  # a part of one request is none: each grants one
    clock.now += 30
    for ring in rings:
        ring.check(header, "act")
        assert refusal(ring, header) == refusal(ring, rare) == 429


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none is no folder"):
        add_key(tmp_path / "none" / "keys.json", "ann", ["act"], 0)


@pytest.mark.parametrize("content", ["", "{}", '{"keys": [{"name": "a"}]}', "[1]"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"keys\.json"):
        read_keys(file)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org"])
def test_nothing_but_loopback_is_served_without_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="reachable from elsewhere"):
        ServeConfig(host=host)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": []}))
    ServeConfig(host=host, keys=str(file))  # an empty file of keys lets nobody in
    for safe in ("127.0.0.1", "localhost", "::1"):
        ServeConfig(host=safe)

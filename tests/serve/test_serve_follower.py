"""How replicas keep up with what all should serve, and what is said of those that cannot."""

from __future__ import annotations

import asyncio
import itertools
import logging
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from serving import HERE, answered_by, catalogue, settings, student_of, table
from starlette.testclient import TestClient

from serve.catalogue import Catalogue
from serve.catalogues import CatalogueTable, Failure, Wanted
from serve.fleet import Fleet
from serve.follower import Follower
from serve.http import make_app
from serve.keys import KeyRing
from serve.meters import Meters
from serve.problems import Problem
from student.config import StudentConfig
from student.fingerprint import fingerprint


def test_a_keeper_that_forgot_is_told_again_and_a_conflict_is_refused(folders: Path) -> None:
    first = catalogue(tiny=student_of(folders, "a"))
    fleet = Fleet(settings(folders), first)

    async def run() -> Catalogue:
        shared = CatalogueTable(first)
        follower = Follower(fleet, shared, Meters(fleet), print)
        student, version = fleet.student_at("b", "tiny")
        await shared.change(first.offering("tiny", version, student, 1.0))
        with pytest.raises(Problem, match="somebody else"):
            await shared.change(first.offering("tiny", version, student, 0.5))
        await follower.sync()
        reborn = CatalogueTable(first)
        await Follower(fleet, reborn, Meters(fleet), print).sync()
        return (await reborn.sync("another", first, None, b"")).catalogue

    found = asyncio.run(run())
    assert found == fleet.catalogue
    assert found.models[0].versions[0].name == fingerprint(folders / "b")


def test_a_load_goes_on_while_nobody_can_be_told_of_it(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = catalogue(tiny=student_of(folders, "a"))
    fleet = Fleet(settings(folders), first)
    heard: list[int] = []

    class Shared(CatalogueTable):
        async def sync(
            self, replica: str, serving: Catalogue, failure: Failure | None, metrics: bytes
        ) -> Wanted:
            heard.append(serving.revision)
            if len(heard) == 2:  # the first word while it loads
                raise Problem(503, "being replaced")
            return await super().sync(replica, serving, failure, metrics)

    monkeypatch.setattr("serve.follower.HEARTBEAT_S", 0.01)
    load = Fleet._load
    monkeypatch.setattr(Fleet, "_load", lambda *asked: (time.sleep(0.2), load(*asked))[1])

    async def run() -> None:
        shared = Shared(first)
        student, version = fleet.student_at("b", "tiny")
        await shared.change(first.offering("tiny", version, student, 1.0))
        await Follower(fleet, shared, Meters(fleet), print).sync()

    asyncio.run(run())
    assert len(heard) > 3
    assert (fleet.catalogue.revision, heard[-1]) == (2, 2)


def test_a_version_that_cannot_be_loaded_is_told_and_the_old_one_serves_on(
    folders: Path, tmp_path: Path
) -> None:
    first = catalogue(tiny=student_of(folders, "a"))
    fleet = Fleet(settings(folders), first)
    gone = StudentConfig(path=str(tmp_path / "gone"), device="cpu")

    async def run() -> dict[str, Any]:
        shared = CatalogueTable(first)
        follower = Follower(fleet, shared, Meters(fleet), print)
        await shared.change(first.offering("tiny", "0" * 12, gone, 0.5))
        await follower.sync()
        return {name: state.trouble for name, state in (await shared.states()).items()}

    (trouble,) = asyncio.run(run()).values()
    assert "cannot be served" in trouble
    assert fleet.catalogue == first


def test_what_cannot_be_loaded_is_tried_ever_more_seldom_and_what_is_new_at_once(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = catalogue(tiny=student_of(folders, "a"))
    fleet = Fleet(settings(folders), first)
    late = tmp_path / "late"
    version = fingerprint(folders / "b")
    now, tried = 0.0, list[float]()
    hold = Fleet._hold

    async def counted(self: Fleet, place: Any, student: StudentConfig) -> None:
        if place[1] != fingerprint(folders / "a"):
            tried.append(now)
        await hold(self, place, student)

    monkeypatch.setattr(Fleet, "_hold", counted)

    async def run() -> None:
        nonlocal now
        shared = CatalogueTable(first)
        follower = Follower(fleet, shared, Meters(fleet), lambda _: None, lambda: now)
        missing = first.offering("tiny", version, replace(student_of(folders, "b"), path=str(late)), 0.5)
        await shared.change(missing)
        for _ in range(800):  # as `run` does
            await follower.sync()
            now += 0.5
        waits = [after - before for before, after in itertools.pairwise(tried)]
        assert waits[:8] == [0.5, 1, 2, 4, 8, 16, 32, 60]
        assert set(waits[8:]) == {60.0}
        # Another reason is said, another catalogue tried at once and from short waits on.
        late.mkdir()
        (late / "config.json").write_text("{")
        await _after(120.0, follower)
        await shared.change(missing.offering("tiny", version, student_of(folders, "gone"), 0.5))
        began, count = now, len(tried)
        await _after(4.0, follower)
        assert tried[count:] == [began, began + 0.5, began + 1.5, began + 3.5]
        shutil.copytree(folders / "b", folders / "gone")
        await _after(4.0, follower)
        assert fleet.catalogue.revision == 3

    async def _after(seconds: float, follower: Follower) -> None:
        nonlocal now
        ends = now + seconds
        while now < ends:
            await follower.sync()
            now += 0.5

    try:
        with caplog.at_level(logging.WARNING, logger="ray.serve"):
            asyncio.run(run())
    finally:
        shutil.rmtree(folders / "gone", ignore_errors=True)
    said = [one.getMessage() for one in caplog.records if "cannot be served" in one.getMessage()]
    assert [one[:10] for one in said] == ["revision 2", "revision 2", "revision 3"], said


def test_a_replica_that_is_behind_changes_what_all_should_serve(folders: Path, tmp_path: Path) -> None:
    """It cannot load what was offered elsewhere; its own administrator takes that out again."""
    first = catalogue(tiny=student_of(folders, "a"))
    shared = CatalogueTable(first)
    gone = StudentConfig(path=str(tmp_path / "gone"), device="cpu")
    asyncio.run(shared.change(first.offering("tiny", "0" * 12, gone, 0.5)))
    app = make_app(Fleet(settings(folders), first), KeyRing(None), table(), shared)
    with TestClient(app, HERE) as client:
        assert client.get("/v1/models").json()["data"][0]["versions"][0]["share"] == 1.0
        left = client.delete("/v1/models/tiny", params={"version": "0" * 12})
        assert (left.status_code, left.json()["revision"]) == (200, 3), left.text
        assert client.put("/v1/models/tiny", json={"folder": "b"}).status_code == 200
        assert answered_by(client) == f"tiny@{fingerprint(folders / 'b')}"


def test_an_older_catalogue_does_not_take_the_place_of_a_later_one(folders: Path) -> None:
    first = catalogue(tiny=student_of(folders, "a"))
    fleet = Fleet(settings(folders), first)
    student, version = fleet.student_at("b", "tiny")
    second = first.offering("tiny", version, student, 0.5)
    third = second.without("tiny", version)

    async def run() -> None:
        await asyncio.gather(fleet.follow(third), fleet.follow(second))

    asyncio.run(run())
    assert fleet.catalogue == third
    assert [service.version for service in fleet.services] == [fingerprint(folders / "a")]


def test_a_change_waits_for_a_replica_that_could_not_serve_the_one_before(folders: Path) -> None:
    """It has said why; that is no answer to what it should serve now."""
    first = catalogue(tiny=student_of(folders, "a"))
    shared, config = CatalogueTable(first), settings(folders)
    one, other = Fleet(config, first), Fleet(config, first)
    other._following = one._following  # in one process Transformers cannot load two students at once
    app = make_app(one, KeyRing(None), table(), shared)
    beside = Follower(other, shared, Meters(other), lambda _: None)

    async def run() -> list[tuple[int, set[tuple[int, str]]]]:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=HERE, timeout=90) as client:

            async def offered(folder: str) -> tuple[int, set[tuple[int, str]]]:
                answer = await client.put("/v1/models/tiny", json={"folder": folder})
                states = answer.json()["replicas"].values()
                return answer.status_code, {(state["revision"], state["trouble"]) for state in states}

            hold = other._hold

            async def holding(place: Any, student: StudentConfig) -> None:
                if place[1] == fingerprint(folders / "b"):
                    raise Problem(422, "no room")
                await hold(place, student)

            other._hold = holding  # type: ignore[method-assign]
            await beside.sync()
            following = asyncio.create_task(beside.run())
            told = [await offered(folder) for folder in "bcbd"]
            following.cancel()
            return told

    assert asyncio.run(run()) == [
        (202, {(2, ""), (1, "no room")}),  # b
        (200, {(3, "")}),  # c
        (202, {(4, ""), (3, "no room")}),  # b
        (200, {(5, "")}),  # d
    ]

"""A policy server answers with the weights that it was asked for, and with no others."""

from __future__ import annotations

import pytest
import torch
from toy import ACTIONS, NOTES, ToyStudent

from actors.policy import KEPT, PolicyServer
from learner.publish import WeightSnapshot, snapshot
from student.types import Prompt


def prompt() -> Prompt:
    frame = torch.zeros(16, 16, 3, dtype=torch.uint8).numpy()
    frame[:, 8], frame[8:, 2] = (0, 255, 0), (255, 0, 0)
    return Prompt("find green", (frame,), NOTES, ACTIONS)


def weights(version: int, skill: float) -> WeightSnapshot:
    return snapshot(version, {"skill": torch.tensor([skill])})


def confidence(server: PolicyServer, version: int | None) -> float:
    (decision,) = server.decide(version, [prompt()], 0.0, [0], version=version or 0)
    assert decision.version == (version or 0)
    return decision.alternatives[0][1]


def test_each_call_is_answered_by_the_version_it_names() -> None:
    server = PolicyServer(lambda: ToyStudent(0.5))
    first = confidence(server, None)
    server.load(weights(1, 1.0))
    server.load(weights(2, 2.0))
    one, two = confidence(server, 1), confidence(server, 2)
    assert first < one < two
    assert (confidence(server, 1), confidence(server, None), confidence(server, 2)) == (one, first, two)


def test_old_versions_are_let_go_even_while_one_is_active() -> None:
    server = PolicyServer(lambda: ToyStudent())
    server.load(weights(1, 1.0))
    confidence(server, 1)
    for version in range(2, KEPT + 2):
        server.load(weights(version, float(version)))
    assert not server.has(1)
    assert all(server.has(version) for version in range(2, KEPT + 2))
    with pytest.raises(KeyError):
        confidence(server, 1)
    assert confidence(server, KEPT + 1) > confidence(server, 2)


def test_versions_in_turn_are_answered_though_there_are_more_than_are_kept() -> None:
    server = PolicyServer(lambda: ToyStudent(), kept=2)
    said: dict[int, set[float]] = {}
    for version in [1, 2, 3, 1, 3, 2, 1]:
        if not server.has(version):
            server.load(weights(version, float(version)))
        said.setdefault(version, set()).add(confidence(server, version))
    assert all(len(values) == 1 for values in said.values())
    assert max(said[1]) < max(said[2]) < max(said[3])
    assert [server.has(version) for version in (1, 2, 3)] == [True, True, False], "the last used two"


def test_damaged_weights_are_refused() -> None:
    server = PolicyServer(lambda: ToyStudent())
    damaged = weights(1, 1.0)
    damaged.tensors["skill"][0] = 9.0
    with pytest.raises(ValueError, match="do not match their checksum"):
        server.load(damaged)
    assert not server.has(1)

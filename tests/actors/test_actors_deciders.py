"""Who decides: nobody unprivileged looks at a mirror, no server mixes the weights of two versions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import tiny_samples, tiny_student
from torch import Tensor
from toy import ACTIONS, NOTES, SUITE, ToyStudent

from actors.policies import BlankPolicy, LabelPolicy, RandomPolicy, StudentPolicy
from actors.policy import PolicyServer
from actors.teacher import Given, TeacherReplica
from actors.types import Answer, Policy, State
from learner.publish import WeightSnapshot, snapshot
from student.types import Prompt
from teachers.types import Label
from worlds.types import Goal, Mirror, Observation, Status

SKY = np.zeros((16, 16, 3), np.uint8)


class Forbidden:
    """In a mirror's or an observation's place: whoever asks it anything is caught."""

    def __getattr__(self, name: str) -> None:
        raise PermissionError(f"somebody looked at {name}")


def states(count: int, seed: int = 0, forbidden: bool = True) -> list[State]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        frame = SKY.copy()
        frame[:, rng.integers(9)] = (0, 255, 0)
        frame[8:, rng.integers(9)] = (255, 0, 0)
        seen = Observation(frame, Goal("go"), Status(), (), (), ACTIONS, NOTES)
        prompt = Prompt("go", (frame, frame), NOTES, ACTIONS)
        hidden = Forbidden() if forbidden else None
        found.append(State(SUITE, "actor", hidden or seen, hidden or Mirror("toy", {}, ""), prompt))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    "policy",
    [
        StudentPolicy(ToyStudent(2.0), 3),
        BlankPolicy(StudentPolicy(ToyStudent(2.0))),
        RandomPolicy(),
        BlankPolicy(RandomPolicy()),
    ],
)
def test_the_unprivileged_decide_from_the_prompt_and_the_seed(policy: Policy) -> None:
    assert not policy.privileged
    asked, seeds = states(40), list(range(40))
    together = policy.act(asked, 1.0, seeds)
    for state, seed, decision in zip(asked, seeds, together, strict=True):
        assert policy.act([state], 1.0, [seed]) == [decision]
        assert decision.action in ACTIONS
    assert len({decision.action for decision in together}) > 2


def test_a_teacher_that_acts_leaves_to_chance_what_it_cannot_label_and_counts_it() -> None:
    class Shaky:
        name = "expert"

        def version(self, suite: str) -> str:
            return "1"

        def ask(self, asked: list[State]) -> Answer:
            reasons = ["", "lost", "", "lost", ""]
            labels = [
                Label("actor", "wait", "see here", valid=not reason, reason=reason) for reason in reasons
            ]
            return Given([*labels[:4], Label("actor", "wait", valid=False)])

    policy, asked = LabelPolicy(Shaky()), states(5, forbidden=False)  # type: ignore[arg-type]
    decisions = policy.act(asked, 0.0, list(range(5)))
    by_chance = RandomPolicy().act(asked, 0.0, list(range(5)))
    for row in (0, 2):
        assert (decisions[row].action, decisions[row].note) == ("wait", "see here")
    assert [decisions[row] for row in (1, 3, 4)] == [by_chance[row] for row in (1, 3, 4)]
    assert policy.refused == {"lost": 2, "it had none": 1}


def test_teachers_answer_in_order_and_are_made_once_however_many_ask() -> None:
    made: list[str] = []

    class Picky:
        version = "p1"

        def label(self, observation: object, mirror: Mirror, role: str) -> Label:
            index = mirror.facts["index"]
            if index % 5 == 3:
                raise KeyError(index)
            return Label(
                "actor", str(index), valid=index % 7 != 2, reason="unanswered: busy" * (index % 7 == 2)
            )

    def make(suite: str) -> Picky:
        made.append(suite)
        return Picky()

    replica = TeacherReplica("expert", make, threads=4)
    states = [State(SUITE, "actor", None, Mirror("toy", {"index": i}, ""), None) for i in range(60)]  # type: ignore[arg-type]
    labels = replica.ask(states)()
    assert made == [SUITE]
    for index, label in enumerate(labels):
        if index % 5 == 3:
            assert not label.valid
            assert label.reason == f"the expert raised KeyError: {index}"
        else:
            assert (label.action, label.valid) == (str(index), index % 7 != 2)
    assert replica.unanswered == "busy"


def published(version: int, base: dict[str, Tensor], rng: np.random.Generator) -> WeightSnapshot:
    """Weights of which some tensors, drawn at random, are new."""
    moved = {n: v + float(rng.normal()) if rng.random() < 0.5 else v.clone() for n, v in base.items()}
    frozen = snapshot(version, moved)
    for value in moved.values():
        value.add_(1.0)  # the learner goes on
    return frozen


@pytest.mark.parametrize("seed", range(3))
def test_after_any_loads_and_questions_the_weights_are_those_of_the_version_asked_for(seed: int) -> None:
    rng, student = np.random.default_rng(seed), tiny_student()
    first = {name: value.clone() for name, value in student.weights().items()}
    server, prompt = PolicyServer(lambda: student, kept=2), tiny_samples(1)[0].prompt
    known: dict[int, WeightSnapshot] = {}  # the one used last comes last
    for _ in range(40):
        version = int(rng.integers(5))
        if rng.random() < 0.4:  # a version that is published anew, too: its learner had to begin again
            known.pop(version, None)
            known[version] = published(version, first, rng)
            server.load(known[version])
            known = dict(list(known.items())[-2:])
        assert [server.has(number) for number in range(5)] == [number in known for number in range(5)]
        asked = None if rng.random() < 0.2 else version
        if asked is not None and asked not in known:
            with pytest.raises(KeyError):
                server.decide(asked, [prompt], 0.0, [0], 7)
            continue
        (decision,) = server.decide(asked, [prompt], 0.0, [0], 7)
        assert decision.version == 7
        wanted = first if asked is None else known[asked].tensors
        assert all(torch.equal(value, wanted[name]) for name, value in student.weights().items())
        if asked is not None:
            known[asked] = known.pop(asked)


@pytest.mark.parametrize("seed", range(3))
def test_what_changed_since_the_last_version_is_all_that_has_to_travel(seed: int) -> None:
    """A reader that takes the changes in alone has every version to the bit, whichever it skips."""
    rng, base = (
        np.random.default_rng(seed),
        {name: value.clone() for name, value in tiny_student().weights().items()},
    )
    base["a scalar"], base["turned"] = torch.tensor(1.5), torch.arange(6.0).reshape(2, 3).T
    reader: dict[str, Tensor] = {}
    digests: dict[str, str] = {}
    for version in range(8):
        now = published(version, base, rng)
        now.verify()
        base = {name: value.clone() for name, value in now.tensors.items()}
        if rng.random() < 0.4:
            continue
        changes = now.changed_since(digests)
        assert set(changes) == {
            n for n, v in now.tensors.items() if n not in reader or not torch.equal(v, reader[n])
        }
        reader |= changes
        digests = dict(now.digests)
        assert reader.keys() == now.tensors.keys()
        assert all(torch.equal(reader[name], value) for name, value in now.tensors.items())

"""Episodes: who acts, what is paired, and that batching changes nothing."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numba
import numpy as np
import pytest
import toy
from numba.core.event import Listener, install_listener
from toy import ToyStudent, ToyTeacher, ToyWorld, specs

from actors.codec import decode, encode, order_of
from actors.policies import BlankPolicy, LabelPolicy, RandomPolicy, StudentPolicy
from actors.ray_parts import AHEAD, Compiling, RemoteAnswer, RemoteLabeler
from actors.rollout import Rollout
from actors.teacher import TeacherReplica
from actors.types import Assignment, EpisodeFailure, EpisodeResult, PlaySettings, State
from student.types import Decision, Prompt, Sample
from teachers.types import Label
from worlds.base import split_reply
from worlds.types import EpisodeSpec, Goal


def teacher(**settings: object) -> TeacherReplica:
    return TeacherReplica("teacher", lambda _: ToyTeacher(**settings))  # type: ignore[arg-type]


def play(
    count: int = 12,
    width: int = 4,
    settings: PlaySettings | None = None,
    policy: object = None,
    labeler: object = None,
    mischief: dict[int, str] | None = None,
    reverse: bool = False,
) -> list[EpisodeResult]:
    rollout = Rollout(lambda _: ToyWorld(mischief), width, run_seed=7)
    wanted = specs(count)
    outcomes = rollout.collect(
        wanted[::-1] if reverse else wanted,
        policy or StudentPolicy(ToyStudent(1.0), 3),  # type: ignore[arg-type]
        labeler or teacher(),  # type: ignore[arg-type]
        settings or PlaySettings(version=3, mix=0.3, temperature=1.0, trace=True),
    )
    return outcomes[::-1] if reverse else outcomes  # type: ignore[return-value]


def samples(outcomes: list[EpisodeResult]) -> list[Sample]:
    return [sample for outcome in outcomes for sample in outcome.samples]


def test_an_episode_does_not_depend_on_its_batch() -> None:
    alone, together, reversed_ = play(width=1), play(width=7), play(width=5, reverse=True)
    assert [encode(s) for s in samples(alone)] == [encode(s) for s in samples(together)]
    assert [encode(s) for s in samples(alone)] == [encode(s) for s in samples(reversed_)]
    assert len({s.sample_id for s in samples(alone)}) == len(samples(alone)) > 30


class Distant:
    """A teacher whose labels are there only once somebody waits for them; `told` says what came when."""

    name = "teacher"

    def __init__(self, told: list[str] | None = None) -> None:
        self._near = teacher()
        self.told = [] if told is None else told

    def version(self, suite: str) -> str:
        return self._near.version(suite)

    def ask(self, states: list[State]) -> object:
        given, told = self._near.ask(states), self.told
        told.append("asked")

        class Later:
            def __call__(self) -> list[Label]:
                told.append("waited")
                return given()

            def ready(self) -> bool:
                return False

        return Later()


def test_worlds_go_on_while_an_episode_that_ended_wants_its_labels() -> None:
    """For the labels of no more episodes than are played at a time; what comes of it is the same."""
    width, count = 3, 12
    settings = PlaySettings(version=3, temperature=1.0, trace=True)
    distant, left, begun = Distant(), list[tuple[int, int]](), list[EpisodeSpec]()

    class Watched(ToyWorld):
        def _begin(self, episode: EpisodeSpec) -> Goal:
            begun.append(episode)
            return super()._begin(episode)

    rollout = Rollout(lambda _: Watched(), width, run_seed=7)
    student = StudentPolicy(ToyStudent(1.0), 3)
    found = {}
    for outcome in rollout.play(specs(count), student, distant, settings):  # type: ignore[arg-type]
        left.append((len(found), len(begun)))
        found[outcome.spec] = outcome
    assert left[0][1] > width
    assert all(begun_by - out <= 2 * width + 1 for out, begun_by in left)
    near = play(count, width, settings)
    far = [found[spec] for spec in specs(count)]
    assert [encode(s) for s in samples(far)] == [encode(s) for s in samples(near)]  # type: ignore[arg-type]


def test_where_one_assignment_leaves_worlds_free_the_next_one_begins() -> None:
    """Each is played by its own; what comes of it is the same; those of one job are asked in one batch."""
    width, steps, made = 4, list[tuple[str, int]](), list[ToyWorld]()

    def make(_: str) -> ToyWorld:
        made.append(ToyWorld())
        return made[-1]

    class Named(ToyStudent):
        def __init__(self, skill: float, called: str) -> None:
            super().__init__(skill)
            self.called = called

        def decide(self, prompts: list[Prompt], *rest: object) -> list[Decision]:  # type: ignore[override]
            steps.append((self.called, len(prompts)))
            return super().decide(prompts, *rest)  # type: ignore[arg-type]

    plans = [
        (0, 0, specs(6), PlaySettings(version=0, temperature=1.0)),
        (1, 1, specs(2, 50), PlaySettings(version=1, temperature=1.0)),
        (2, 1, specs(7, 60), PlaySettings(version=1, temperature=1.0)),
    ]
    given = [
        Assignment(
            number, job, tuple(wanted), StudentPolicy(Named(1.0 + job, f"job {job}"), job), teacher(), how
        )
        for number, job, wanted, how in plans
    ]
    left = list(
        Rollout(make, width, run_seed=7).serve(lambda: [given.pop(0)] if given else [])  # one a step
    )
    numbers = [number for number, _ in left]
    assert numbers != sorted(numbers)
    assert len(made) == width
    both = [sum(size for _, size in pair) for pair in pairwise(steps) if pair[0][0] != pair[1][0]]
    assert max(both) == width, "two jobs at once fill the worlds"
    for number, job, wanted, how in plans:
        alone = Rollout(make, width, run_seed=7).collect(
            wanted, StudentPolicy(ToyStudent(1.0 + job), job), teacher(), how
        )
        beside = {outcome.spec: outcome for at, outcome in left if at == number}
        assert set(beside) == set(wanted)
        for outcome in alone:
            other = beside[outcome.spec]
            assert [encode(s) for s in samples([other])] == [encode(s) for s in samples([outcome])]  # type: ignore[list-item]


@pytest.mark.parametrize("mix", [0.99, 1.0])
def test_teachers_are_waited_for_once_all_jobs_have_asked_and_students_decided(mix: float) -> None:
    """Where the teacher moves: two jobs wait at the same time, and the student's own replies (a pure
    demonstration needs none) are made meanwhile."""
    told: list[str] = []

    class Telling(ToyStudent):
        def decide(self, *asked: object) -> list[Decision]:  # type: ignore[override]
            told.append("decided")
            return super().decide(*asked)  # type: ignore[arg-type]

    given = [
        Assignment(
            job,
            job,
            tuple(specs(2, 50 * job)),
            StudentPolicy(Telling(1.0)),
            Distant(told),  # type: ignore[arg-type]
            PlaySettings(mix=mix, temperature=1.0),
        )
        for job in range(2)
    ]
    rollout = Rollout(lambda _: ToyWorld(), 4, run_seed=7)
    list(rollout.serve(lambda: [given.pop() for _ in list(given)]))
    one = ["asked", "decided"] if mix < 1 else ["asked"]
    assert told[: 2 * len(one) + 2] == [*one, *one, "waited", "waited"]


def test_a_hosts_open_questions_are_counted_over_all_its_jobs() -> None:
    counts = {"open": 0, "most": 0}

    class Near:
        def __init__(self) -> None:
            self.handle = self
            self.label_batch = self

        def remote(self, *_: object) -> object:
            counts["open"] += 1
            counts["most"] = max(counts["most"], counts["open"])
            return object()

        def get(self, _: object) -> list[Label]:
            counts["open"] -= 1
            return []

    shared: deque[RemoteAnswer] = deque()
    labelers = [RemoteLabeler("teacher", Near(), shared) for _ in range(3)]  # type: ignore[arg-type]
    for turn in range(40):
        labelers[turn % 3].ask([])
    assert counts["most"] == AHEAD


def test_mixing_follows_its_probability_and_names_who_acted() -> None:
    who = [s.executed for s in samples(play(60, settings=PlaySettings(mix=0.3, temperature=1.0)))]
    share = who.count("teacher") / len(who)
    assert set(who) == {"teacher", "student"}
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(who))


def test_pairs_are_built_against_the_student_and_never_within_a_tie() -> None:
    found = samples(play(40, settings=PlaySettings(temperature=3.0)))
    ties = pairs = 0
    for sample in found:
        note, action = split_reply(sample.chosen)
        pixels = sample.prompt.images[0][12]
        at = int(pixels[:, 0].argmax())
        gap = (int(pixels[:, 1].argmax()) if pixels[:, 1].any() else at) - at
        assert action == ("done" if gap == 0 else "go right" if gap > 0 else "go left")
        assert note
        if sample.rejected:
            pairs += 1
            rejected = split_reply(sample.rejected)[1]
            assert rejected != action
            assert not (abs(gap) == 1 and rejected == "wait")
        else:
            ties += 1
    assert pairs > 20
    assert ties > 20


def test_the_next_frame_is_the_one_that_the_chosen_action_led_to() -> None:
    outcomes = play(30, settings=PlaySettings(temperature=2.0, trace=True))
    shown = 0
    for outcome in outcomes:
        for sample, following, step in zip(outcome.samples, outcome.samples[1:], outcome.trace, strict=False):
            moved, chosen = split_reply(step.reply)[1], split_reply(sample.chosen)[1]
            assert (sample.next_frame is not None) == (chosen == moved)
            if sample.next_frame is not None:
                shown += 1
                assert np.array_equal(sample.next_frame, following.prompt.images[0])
    assert shown > 20


def test_a_demonstration_asks_the_student_nothing_and_succeeds() -> None:
    class Nobody:
        name, learns, privileged = "student", True, False

        def act(self, *_: object) -> list[Decision]:
            raise AssertionError("a demonstration needs no student")

    outcomes = play(policy=Nobody(), settings=PlaySettings(mix=1.0))
    assert all(outcome.success and outcome.model_calls == 0 for outcome in outcomes)
    assert all(s.executed == "teacher" and not s.rejected and s.beta == 1.0 for s in samples(outcomes))


def test_policies_rank_as_they_should() -> None:
    rate = {}
    settings = PlaySettings()
    for name, policy in {
        "teacher": LabelPolicy(teacher()),
        "student": StudentPolicy(ToyStudent(5.0)),
        "blank": BlankPolicy(StudentPolicy(ToyStudent(5.0))),
        "random": RandomPolicy(),
    }.items():
        rollout = Rollout(lambda _: ToyWorld(), 8, run_seed=0)
        outcomes = rollout.collect(specs(40), policy, None, settings)
        assert not samples(outcomes)  # type: ignore[arg-type]
        assert policy.name == name
        rate[name] = sum(isinstance(o, EpisodeResult) and o.success for o in outcomes) / 40
    assert rate["teacher"] == rate["student"] == 1.0
    assert rate["blank"] == 0.0
    assert rate["random"] < 0.3


def test_only_the_privileged_are_given_mirrors() -> None:
    class Nosy(RandomPolicy):
        def act(self, states: list[State], *rest: object) -> list[Decision]:  # type: ignore[override]
            assert all(state.mirror is None for state in states)
            return super().act(states, *rest)  # type: ignore[arg-type]

    assert len(Rollout(lambda _: ToyWorld(), 2, 0).collect(specs(3), Nosy(), None, PlaySettings())) == 3


def test_a_world_that_raises_fails_its_own_episode_alone_and_is_not_used_again() -> None:
    made: list[ToyWorld] = []

    def make(_: str) -> ToyWorld:
        made.append(ToyWorld({5: "raise"}))
        return made[-1]

    outcomes = Rollout(make, 3, 7, attempts=2).collect(
        specs(12), StudentPolicy(ToyStudent(0.0)), teacher(), PlaySettings(mix=1.0)
    )
    failures = [o for o in outcomes if isinstance(o, EpisodeFailure)]
    sound = play(12, settings=PlaySettings(mix=1.0))
    steps = sound[5].decisions
    assert steps > 2, "episode 5 must last long enough to break"
    assert [failure.spec.index for failure in failures] == [5]
    assert "at step 2 raised RuntimeError: the corridor collapsed" in failures[0].reason
    assert [world.closed for world in made].count(True) == 2, "each try breaks a world of its own"
    assert [o.decisions for o in outcomes if isinstance(o, EpisodeResult)] == [
        o.decisions for o in sound if o.spec.index != 5
    ]


def test_an_episode_that_broke_its_world_once_is_played_in_a_fresh_one() -> None:
    broken = {5: "raise once"}
    rollout = Rollout(lambda _: ToyWorld(broken), 3, 7)
    assert [type(o) for o in rollout.collect(specs(8), RandomPolicy(), None, PlaySettings())] == [
        EpisodeResult
    ] * 8


def test_a_puzzled_teacher_spoils_its_own_states_alone() -> None:
    outcomes = play(8, labeler=teacher(puzzled=[2]), settings=PlaySettings(mix=0.5, temperature=1.0))
    for outcome in outcomes:
        for sample in outcome.samples:
            assert sample.valid == (outcome.spec.index != 2)
            if not sample.valid:
                assert "raised ValueError: I have never seen such a corridor" in sample.reason
                assert sample.executed == "student"
                assert not sample.rejected


def test_the_upper_role_orders_the_lower_one() -> None:
    settings = PlaySettings(mix=1.0, roles=("conductor", "actor"))
    found = samples(play(4, settings=settings))
    assert [s.role for s in found[:4]] == ["conductor", "actor", "conductor", "actor"]
    for upper, lower in zip(found[::2], found[1::2], strict=True):
        assert f"order {upper.chosen}" in lower.prompt.text
        assert upper.step == lower.step
        assert upper.next_frame is None
    outcome = play(1, settings=PlaySettings(mix=1.0, roles=("conductor", "actor"), trace=True))[0]
    assert len(outcome.trace) == outcome.decisions
    assert all(step.label is not None and step.label.role == "actor" for step in outcome.trace)


@pytest.mark.parametrize("with_next", [True, False])
def test_the_codec_gives_back_what_it_took(with_next: bool) -> None:
    found = [s for s in samples(play()) if (s.next_frame is not None) == with_next]
    for sample in found:
        record = encode(sample, order_of(2, 3, sample.step))
        again = decode(record)
        assert encode(again, record.order) == record
        assert again.prompt.text == sample.prompt.text
        assert all(
            np.array_equal(a, b) for a, b in zip(again.prompt.images, sample.prompt.images, strict=True)
        )
    assert found


def test_the_training_order_is_chunk_then_episode_then_step() -> None:
    places = [order_of(c, e, s) for c in range(3) for e in (0, 1, 70_000) for s in (0, 1, 500)]
    assert places == sorted(set(places))
    assert order_of(1, 70_000, 500) < order_of(2) < 2**63


def test_the_player_says_what_it_does() -> None:
    rollout = Rollout(lambda _: ToyWorld(pause_s=0.001), 4, 0)
    rollout.collect(specs(6), RandomPolicy(), None, PlaySettings())
    assert rollout.progress.stage == "idle"
    assert rollout.progress.seconds["simulator"] > rollout.progress.seconds["policy"] > 0


def test_progress_names_the_episode_and_its_assignment() -> None:
    """Two jobs may play the same episode: a hang is one's alone."""
    seen = list[tuple[int, EpisodeSpec | None]]()

    class Watched(ToyWorld):
        def _begin(self, episode: EpisodeSpec) -> Goal:
            seen.append((rollout.progress.number, rollout.progress.spec))
            return super()._begin(episode)

    rollout = Rollout(lambda _: Watched(), 4, run_seed=7)
    given = [
        Assignment(number, number, tuple(specs(2)), StudentPolicy(ToyStudent(1.0)), None, PlaySettings())
        for number in (5, 9)
    ]
    list(rollout.serve(lambda: [given.pop(0)] if given else []))
    assert seen == [(number, spec) for number in (5, 9) for spec in specs(2)]


def test_a_world_that_waits_for_its_compiler_is_seen_to_and_gets_its_time_back() -> None:
    rollout = Rollout(toy.make_world, 1, 0)
    rollout.enter("simulator", specs(1)[0])
    began, compiling, depths = rollout.progress.since_s, Compiling(rollout), []

    class Witness(Listener):
        def on_start(self, event: object) -> None:
            depths.append(compiling.depth)

        on_end = on_start

    with install_listener("numba:compile", compiling), install_listener("numba:compile", Witness()):
        numba.njit(lambda x: x + 1)(1)
    assert depths[0] == 1
    assert compiling.depth == 0
    assert rollout.progress.since_s > began
    assert (rollout.progress.stage, rollout.progress.spec) == ("simulator", specs(1)[0])

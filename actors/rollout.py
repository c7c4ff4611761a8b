"""Plays episodes: worlds in lockstep, who acts, who labels, and the samples that come of it.

Invariants: every spec leaves `serve` exactly once, as a result or as a failure; an episode depends on its
spec, the run's seed, the settings and the policy, never on which other episodes are played beside it; a
world that raised is never used again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from actors.samples import Advice, Turn, sample_of
from actors.types import (
    Assignment,
    EpisodeFailure,
    EpisodeOutcome,
    EpisodeResult,
    Labeler,
    PlaySettings,
    Policy,
    Progress,
    State,
    TraceStep,
    derive_seed,
)
from student.prompts import build_prompt
from student.types import Decision, Sample
from teachers.types import Role
from worlds.base import World, join_reply
from worlds.types import EpisodeSpec, Mirror, Outcome


@dataclass(frozen=True)
class _Ticket:
    """An episode that wants a world: of which assignment, played by whom, for the how-manieth time."""

    spec: EpisodeSpec
    number: int
    cast: _Cast
    attempt: int = 1


@dataclass
class _Seat:
    """A world and the episode it is in; `now` holds the turns of the present step, one per role."""

    world: World
    ticket: _Ticket
    turns: list[Turn] = field(default_factory=list)
    now: list[Turn] = field(default_factory=list)
    step: int = 0
    ticks: int = 0
    model_calls: int = 0
    success: bool = False
    metric: float = 0.0
    over: bool = False
    broken: str = ""

    @property
    def spec(self) -> EpisodeSpec:
        """The episode."""
        return self.ticket.spec


class _Guard:
    """The border to a world: what it raises ends its own episode, and no other."""

    def __init__(self, seat: _Seat, doing: str) -> None:
        self._seat = seat
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._seat.broken = f"{self._doing} at step {self._seat.step} raised {type(error).__name__}: {error}"
        return True


class Rollout:
    """A player with up to `width` worlds at a time, made by `make_world(suite)` and kept between calls.
    `memory_notes` is the student's setting (whether prompts carry its own notes). An episode that broke its
    world is tried again in a fresh one, `attempts` times in all. `progress` may be read from another thread.
    """

    def __init__(
        self,
        make_world: Callable[[str], World],
        width: int,
        run_seed: int,
        memory_notes: bool = True,
        attempts: int = 2,
    ) -> None:
        self.progress = Progress()
        self.attempts = attempts
        self.width = width
        self.run_seed = run_seed
        self.memory_notes = memory_notes
        self._make_world = make_world
        self._spare: dict[str, list[World]] = {}
        self._warm: set[str] = set()

    def collect(
        self, specs: Sequence[EpisodeSpec], policy: Policy, labeler: Labeler | None, settings: PlaySettings
    ) -> list[EpisodeOutcome]:
        """All outcomes, in the order of `specs`."""
        found = {outcome.spec: outcome for outcome in self.play(specs, policy, labeler, settings)}
        return [found[spec] for spec in specs]

    def play(
        self, specs: Sequence[EpisodeSpec], policy: Policy, labeler: Labeler | None, settings: PlaySettings
    ) -> Iterator[EpisodeOutcome]:
        """Play these episodes and no others; see `serve`. Without a labeler there are no samples."""
        given = [Assignment(0, 0, tuple(specs), policy, labeler, settings)]
        for _, outcome in self.serve(lambda: [given.pop()] if given else []):
            yield outcome

    def serve(self, more: Callable[[], Sequence[Assignment]]) -> Iterator[tuple[int, EpisodeOutcome]]:
        """Play what `more` gives until it gives nothing while nothing is left. It is asked before every step:
        where the last episodes of one assignment leave worlds free, those of the next begin.

        Yields (assignment's number, outcome): each episode once it has ended and its labels are there (others
        are played on meanwhile, until as many want theirs as are played at a time). Whatever a policy or a
        labeler raises goes through; a world's errors end in `EpisodeFailure`.
        """
        waiting, seats, ended = deque[_Ticket](), list[_Seat](), deque[_Seat]()
        try:
            while True:
                for assignment in more():
                    cast = self._cast(assignment, [*(seat.ticket for seat in seats), *waiting])
                    waiting.extend(_Ticket(spec, assignment.number, cast) for spec in assignment.specs)
                if not (waiting or seats or ended):
                    return
                while waiting and len(seats) < self.width:
                    seats.append(self._sit(waiting.popleft()))
                self._step_all(seats)
                for seat in [seat for seat in seats if seat.over or seat.broken]:
                    seats.remove(seat)
                    self._stand(seat)
                    if seat.broken and seat.ticket.attempt < self.attempts:
                        waiting.append(replace(seat.ticket, attempt=seat.ticket.attempt + 1))
                        continue
                    ended.append(seat)
                must_wait = not (seats or waiting)
                while ended and (
                    must_wait or len(ended) > self.width or ended[0].ticket.cast.labelled(ended[0])
                ):
                    must_wait = False  # once: more may have come meanwhile
                    seat = ended.popleft()
                    outcome = seat.ticket.cast.outcome(seat)
                    self.enter("idle")
                    yield seat.ticket.number, outcome
        finally:
            for seat in seats:
                self._stand(seat)
            self.enter("idle")

    def enter(self, stage: str, spec: EpisodeSpec | None = None, number: int = 0) -> None:
        """Say what is being done from now on (`Progress`)."""
        now, progress = time.monotonic(), self.progress
        seconds = progress.seconds
        if progress.since_s:
            seconds[progress.stage] = seconds.get(progress.stage, 0.0) + now - progress.since_s
        self.progress = Progress(stage, spec, number, now, seconds)

    def enter_world(self, ticket: _Ticket) -> None:
        """ "start" until a suite has made its first step in this process: its code may be compiling."""
        stage = "simulator" if ticket.spec.suite in self._warm else "start"
        self.enter(stage, ticket.spec, ticket.number)

    def close(self) -> None:
        """Close the worlds."""
        for worlds in self._spare.values():
            for world in worlds:
                world.close()
        self._spare.clear()

    def _cast(self, assignment: Assignment, tickets: Sequence[_Ticket]) -> _Cast:
        """Who plays an assignment: who plays its job already, so that they are asked in one batch."""
        there = (ticket.cast for ticket in tickets if ticket.cast.job == assignment.job)
        return next(there, None) or _Cast(
            self, assignment.job, assignment.policy, assignment.labeler, assignment.settings
        )

    def _sit(self, ticket: _Ticket) -> _Seat:
        spec = ticket.spec
        self.enter_world(ticket)
        spare = self._spare.get(spec.suite) if ticket.attempt == 1 else None
        seat = _Seat(spare.pop() if spare else self._make_world(spec.suite), ticket)
        with _Guard(seat, "the reset"):
            seat.world.reset(options={"episode": spec})
        return seat

    def _step_all(self, seats: Sequence[_Seat]) -> None:
        """One step of every episode: each cast decides for its own in one batch. Teachers answer all of
        them at the same time."""
        casts: dict[_Cast, list[_Seat]] = {}
        for seat in seats:
            if not seat.broken:
                casts.setdefault(seat.ticket.cast, []).append(seat)
        deciding = [cast.decide(own) for cast, own in casts.items()]
        while deciding:
            deciding = [one for one in deciding if next(one, None) is not None]
        for seat in seats:
            if not seat.broken:
                self._step(seat)

    def _step(self, seat: _Seat) -> None:
        self.enter_world(seat.ticket)
        turn = seat.now[-1]
        with _Guard(seat, f"the reply {turn.reply!r}"):
            _, _, terminated, truncated, info = seat.world.step(turn.reply)
            outcome = Outcome(info["outcome"], info["ticks"], info["retrieved"])
            turn.happened(outcome, seat.world.observe().frame)
            seat.turns += seat.now
            seat.step += 1
            seat.ticks += outcome.ticks
            seat.success, seat.metric = bool(info["success"]), float(info["metric"])
            seat.over = terminated or truncated
            self._warm.add(seat.spec.suite)

    def _stand(self, seat: _Seat) -> None:
        """A sound world goes back on the shelf (its next reset begins anew); a broken one is closed."""
        if seat.broken:
            with suppress(Exception):
                seat.world.close()
        else:
            self._spare.setdefault(seat.spec.suite, []).append(seat.world)


@dataclass(frozen=True, eq=False)
class _Cast:
    """Who takes part in the episodes of one job."""

    rollout: Rollout
    job: int
    policy: Policy
    labeler: Labeler | None
    settings: PlaySettings

    def decide(self, seats: list[_Seat]) -> Iterator[Role]:
        """Fill `seat.now`: the roles speak from the top down, each in one batch. Yields the role whenever the
        teacher has been asked and may be waited for."""
        for seat in seats:
            seat.now = []
        for role in self.settings.roles:
            states = [state for seat in seats if (state := self._state(seat, role))]
            seats = [seat for seat in seats if not seat.broken]
            if not seats:
                return
            self.rollout.enter("teacher")
            advice = Advice(self.labeler.ask(states)) if self.labeler is not None else None
            # A pair needs the student's reply also where the teacher moves; a pure demonstration has none.
            paired = self.policy.learns and self.settings.mix < 1
            decisions = self._asked(seats, states, role, range(len(seats))) if paired else {}
            yield role
            self.rollout.enter("teacher")
            taught = [
                advice is not None and self._coin(seat) and advice.labels[row].valid
                for row, seat in enumerate(seats)
            ]
            if not paired:
                alone = [row for row in range(len(seats)) if not taught[row]]
                decisions = self._asked(seats, states, role, alone)
            states = [replace(state, mirror=None) for state in states]  # a mirror is big, and has been read
            for row, seat in enumerate(seats):
                seat.model_calls += row in decisions
                seat.now.append(
                    self._turn(Turn(states[row], seat.step, decisions.get(row), advice, row), taught[row])
                )

    def _asked(
        self, seats: Sequence[_Seat], states: Sequence[State], role: Role, rows: Sequence[int]
    ) -> dict[int, Decision]:
        """What the policy decides in these rows."""
        if not rows:
            return {}
        self.rollout.enter("policy")
        seeds = [self._seed(seats[row], role) for row in rows]
        answers = self.policy.act([states[row] for row in rows], self.settings.temperature, seeds)
        return dict(zip(rows, answers, strict=True))

    def labelled(self, seat: _Seat) -> bool:
        """Whether the labels of an episode's last step are there: those before were asked for earlier."""
        last = seat.turns[-len(self.settings.roles) :]
        return bool(seat.broken) or all(turn.advice is None or turn.advice.ready for turn in last)

    def outcome(self, seat: _Seat) -> EpisodeOutcome:
        """What became of the episode; waits for its labels."""
        if seat.broken:
            return EpisodeFailure(seat.spec, seat.broken)
        self.rollout.enter("teacher")
        samples: tuple[Sample, ...] = ()
        if self.labeler is not None:
            version = self.labeler.version(seat.spec.suite)
            learns = self.policy.learns
            samples = tuple(sample_of(turn, seat.spec, self.settings, version, learns) for turn in seat.turns)
        acting = seat.turns[len(self.settings.roles) - 1 :: len(self.settings.roles)]
        trace = tuple(
            TraceStep(turn.state.observation, turn.reply, turn.decision, turn.label, turn.outcome)
            for turn in acting
        )
        return EpisodeResult(
            spec=seat.spec,
            success=seat.success,
            metric=seat.metric,
            decisions=seat.step,
            model_calls=seat.model_calls,
            ticks=seat.ticks,
            legal_mass=float(np.mean([d.legal_mass for t in seat.turns if (d := t.decision)] or [1.0])),
            samples=samples,
            trace=trace if self.settings.trace else (),
        )

    def _state(self, seat: _Seat, role: Role) -> State | None:
        self.rollout.enter_world(seat.ticket)
        with _Guard(seat, "observing"):
            observation = seat.world.observe()
            mirrored = self.labeler is not None or self.policy.privileged
            mirror = self._told(seat.world.mirror(), seat.spec.suite) if mirrored else None
            order = seat.now[-1].text if seat.now else ""
            prompt = build_prompt(observation, role, order, self.rollout.memory_notes)
            return State(seat.spec.suite, role, observation, mirror, prompt)
        return None

    def _told(self, mirror: Mirror, suite: str) -> Mirror:
        """The mirror with the lessons of its suite."""
        lessons = tuple(lesson for lesson in self.settings.lessons if lesson.suite == suite)
        return replace(mirror, facts={**mirror.facts, "lessons": lessons}) if lessons else mirror

    def _turn(self, turn: Turn, taught: bool) -> Turn:
        label = turn.label if taught else None
        if label is not None:
            assert self.labeler is not None
            turn.executed, turn.text = self.labeler.name, label.action
            turn.reply = join_reply(label.note, label.action)
        else:
            assert turn.decision is not None
            turn.executed, turn.text = self.policy.name, turn.decision.action
            turn.reply = join_reply(turn.decision.note, turn.decision.action)
        return turn

    def _coin(self, seat: _Seat) -> bool:
        """Whether the teacher moves in this step: one toss for all roles."""
        return np.random.default_rng(self._seed(seat, "mix")).random() < self.settings.mix

    def _seed(self, seat: _Seat, purpose: str) -> int:
        return derive_seed(self.rollout.run_seed, seat.spec, seat.step, purpose)

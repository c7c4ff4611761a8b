"""The loop: chunks of episodes are produced, recorded in the ledger, trained on, and published, in order.

Invariants: every sample that was produced is trained on exactly once in the fresh stream, or settled in the
ledger with a reason; chunk c trains only when all its episodes have ended; the ledger's state is settled
after the checkpoint that covers it is on the disk, so that a kill at any point loses no sample, and a resume
trains on none twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from actors.codec import decode, encode, order_of
from actors.types import EpisodeFailure, EpisodeOutcome, EpisodeResult, PlaySettings
from cluster.config import RunConfig
from cluster.metrics import MetricsLog
from cluster.plan import Chunk, drawn, may_produce
from cluster.ports import Job, Learning, Rollouts
from cluster.reflection import Reflection
from cluster.replay import LedgerPool
from cluster.run import RunFailed, RunPaused
from cluster.tally import ChunkTally, entry_of, refusals, won
from cluster.watch import Watch
from ledger import Ledger
from ledger.records import sample_id
from student.types import Sample
from teachers.backends.types import Halted, Unanswered, Verdict
from teachers.curriculum import Kind, Tally
from teachers.types import UNANSWERED
from worlds.types import EpisodeSpec

LEASE_S = 24 * 3600.0
OWNER = "learner"
WAIT_S = 0.25
TRAIN_S = 2 * 3600.0
"""A version that takes longer than this is not coming: a rank hangs."""
STAGES = ("simulator", "policy", "teacher", "start")
"""What a player spends its time in (`actors.types.Progress`); "start" is a suite's first step."""
FAILED_SHARE = 0.2
"""A chunk of which more episodes than this failed stops the run: the world, not a seed, is broken."""


class Distiller:
    """Runs the chunks of one phase. `offset` is the index of its first chunk in the plan: versions of the
    phase's learner count from 0."""

    def __init__(
        self,
        config: RunConfig,
        chunks: Sequence[Chunk],
        rollouts: Rollouts,
        learning: Learning,
        ledger: Ledger,
        metrics: MetricsLog,
        watch: Watch,
        verdict: Callable[[], Verdict | None] = lambda: None,
        reflection: Reflection | None = None,
    ) -> None:
        self._config = config
        self._verdict = verdict
        self._reflection = reflection or Reflection(ledger, None, 0)
        self._chunks = {chunk.index: chunk for chunk in chunks}
        self._first = chunks[0].index
        self._rollouts = rollouts
        self._learning = learning
        self._ledger = ledger
        self._metrics = metrics
        self._watch = watch
        self._pool = LedgerPool(ledger, config.learner.replay_weights, config.learner.replay_cache_mib)
        self._tallies = {chunk.index: ChunkTally() for chunk in chunks}
        self._positions = {
            chunk.index: {spec: position for position, spec in enumerate(chunk.specs)} for chunk in chunks
        }
        self._submitted = self._first
        self._fresh: list[Sample] = []
        self._spent: Mapping[str, float] = {}

    @property
    def _current(self) -> int:
        """Index of the chunk that trains next."""
        return self._first + self._learning.version

    def run(self) -> None:
        """Produce and train until every chunk has been trained on. Raises RunFailed where too many
        episodes of a chunk fail, the teacher cannot be asked, or a version is not trained within `TRAIN_S`;
        RunPaused where the teacher's budget is spent."""
        self._catch_up()
        last = max(self._chunks)
        training, trains_until = False, 0.0
        began, waited = time.monotonic(), {"rollouts": 0.0, "learner": 0.0}
        while self._current <= last:
            self._mind_teacher(training)
            self._submit()
            chunk = self._chunks[self._current]
            if not training and self._complete(chunk.index):
                self._train(chunk)
                training, trains_until = True, time.monotonic() + TRAIN_S
            tick = time.monotonic()
            self._take(0.0 if training else WAIT_S)
            waited["learner" if training else "rollouts"] += time.monotonic() - tick
            if training:
                tick = time.monotonic()
                metrics = self._learning.poll(WAIT_S)
                waited["learner"] += time.monotonic() - tick
                if metrics is not None:
                    training = False
                    self._finish(chunk, metrics, time.monotonic() - began, waited)
                    began, waited = time.monotonic(), {"rollouts": 0.0, "learner": 0.0}
                elif time.monotonic() > trains_until:
                    raise RunFailed(
                        f"the learner did not train chunk {chunk.name} within {TRAIN_S:.0f} s: a rank hangs, "
                        "or learner.steps_per_version is too much here; look at run.log, then --resume"
                    )
            slowest = "learner" if training else self._slowest(self._stages())
            self._watch.episodes(chunk.name, len(self._tallies[chunk.index].ended), len(chunk.specs), slowest)

    def _mind_teacher(self, training: bool) -> None:
        """End where the teacher may not be asked any more, once the version in training is saved and what was
        asked before is answered: a call that is under way is paid, and its answer is recorded."""
        verdict = self._verdict()
        if verdict is not None and verdict.kind != "spent":
            raise RunFailed(verdict.reason)
        if verdict is None or training:
            return
        while verdict.in_flight:  # the desk counts none for longer than a timeout
            self._take(WAIT_S)
            verdict = self._verdict() or verdict
        raise RunPaused(verdict.reason)

    def _take(self, wait_s: float) -> None:
        """Take what the players have done, waiting for it so long at most."""
        for index, outcome in self._rollouts.results(wait_s):
            self._record(self._chunks[index], outcome)

    # -- producing ----------------------------------------------------------------------------

    def _submit(self) -> None:
        """Queue every chunk that the staleness bound allows to be produced now."""
        while self._submitted in self._chunks:
            chunk = self._chunks[self._submitted]
            if not may_produce(chunk, self._current, self._config.distil.staleness):
                return
            chunk = self._draw(chunk)
            ended = self._tallies[chunk.index].ended
            specs = tuple(spec for position, spec in enumerate(chunk.specs) if position not in ended)
            if specs:
                self._rollouts.submit(self._job(chunk, specs))
            self._submitted += 1

    def _job(self, chunk: Chunk, specs: tuple[EpisodeSpec, ...]) -> Job:
        """These episodes of a chunk, played with the newest weights."""
        settings = PlaySettings(
            version=self._learning.version if chunk.reached_by == "student" else chunk.index - self._first,
            mix=chunk.mix,
            temperature=chunk.temperature,
            roles=self._config.distil.roles,  # type: ignore[arg-type]
            lessons=self._reflection.known(chunk.index - self._config.distil.staleness),
        )
        return Job(chunk.index, specs, chunk.reached_by, chunk.labelled_by, settings)

    def _draw(self, chunk: Chunk) -> Chunk:
        """Choose an adaptive chunk's episodes, from the chunks that had ended at the latest when it could
        first be produced: so a resumed run, or one on another machine, chooses the same."""
        if not chunk.adaptive:
            return chunk
        counts: Counter[tuple[Kind, bool]] = Counter()
        for index in range(self._first, chunk.index - self._config.distil.staleness):
            for position in range(len(self._chunks[index].specs)):
                entry = self._ledger.metadata(f"outcome/{index}/{position}")
                if entry is not None:
                    counts[Kind(*entry[:2]), won(entry)] += 1
        kinds = {kind for kind, _ in counts}
        tallies = {k: Tally(counts[k, True], counts[k, True] + counts[k, False]) for k in kinds}
        chunk = drawn(self._config, chunk, tallies)
        self._chunks[chunk.index] = chunk
        self._positions[chunk.index] = {spec: position for position, spec in enumerate(chunk.specs)}
        return chunk

    def _record(self, chunk: Chunk, outcome: EpisodeOutcome) -> None:
        """Take an episode's samples into the ledger, or its failure into the books."""
        tally = self._tallies[chunk.index]
        position = self._positions[chunk.index][outcome.spec]
        if isinstance(outcome, EpisodeResult) and self._unanswered(chunk, outcome):
            return
        tally.ended.add(position)
        if isinstance(outcome, EpisodeFailure):
            tally.failed += 1
            key = f"quarantine/{chunk.index}/{position}"
            self._ledger.put_metadata({key: {"episode": str(outcome.spec), "reason": outcome.reason}})
            self._watch.say(f"quarantined {outcome.spec}: {outcome.reason}")
            if tally.failed > FAILED_SHARE * len(chunk.specs) and tally.failed > 2:
                raise RunFailed(
                    f"{tally.failed} of {len(chunk.specs)} episodes of chunk {chunk.name} failed, the last "
                    f"with: {outcome.reason}. The world or the teacher is broken, not a seed: mend it, then "
                    "go on with --resume."
                )
            return
        entry = entry_of(outcome)
        self._ledger.put_metadata({f"outcome/{chunk.index}/{position}": entry})
        samples = outcome.samples
        if chunk.phase == "reference":
            samples = tuple(_demonstrated(sample, outcome.spec.seed) for sample in samples)
        self._ledger.append(
            [encode(sample, order_of(chunk.index, position, place)) for place, sample in enumerate(samples)]
        )
        tally.add(entry)

    def _unanswered(self, chunk: Chunk, outcome: EpisodeResult) -> bool:
        """Whether labels are missing that may be had later: the episode is then played again, by this run, or
        where no more questions may be asked, by one that resumes it."""
        reason = next((s.reason for s in outcome.samples if s.reason.startswith(UNANSWERED)), None)
        if reason is None:
            return False
        if self._verdict() is None:
            self._watch.say(
                f"{outcome.spec} is played again: its teacher gave {reason.removeprefix(UNANSWERED)}"
            )
            self._rollouts.submit(self._job(chunk, (outcome.spec,)))
        return True

    def _complete(self, index: int) -> bool:
        return len(self._tallies[index].ended) == len(self._chunks[index].specs)

    # -- training -----------------------------------------------------------------------------

    def _train(self, chunk: Chunk) -> None:
        """Claim the chunk's samples and hand them to the learner."""
        ids = self._claim(chunk)
        samples = [decode(record) for record in self._ledger.read(ids)]
        valid = [sample for sample in samples if sample.valid]
        refused = refusals(samples)
        if not valid and not len(self._pool):
            # Nothing is settled: what the ledger holds of this chunk stays as it came.
            raise RunFailed(
                f"chunk {chunk.name} gave nothing to train on: {refused or 'no episode ended well'}. Mend "
                "what gives the labels and start a new run: the episodes of this one are played already"
            )
        for reason in {sample.reason for sample in samples if not sample.valid}:
            ids = [s.sample_id for s in samples if not s.valid and s.reason == reason]
            self._ledger.settle(ids, "filtered", reason or "invalid label", OWNER)
        if refused:
            self._watch.say(f"chunk {chunk.name}: {refused}{'' if valid else ', only earlier ones are'}")
        self._fresh = valid
        steps = round(chunk.epochs * len(valid) / self._config.learner.batch)
        # 0 would be the learner's own number of steps: a small chunk must not get that many epochs.
        self._learning.start(valid, self._pool, max(1, steps) if chunk.epochs else 0)
        self._look_back(chunk, samples)

    def _look_back(self, chunk: Chunk, samples: Sequence[Sample]) -> None:
        """At a chunk and at earlier ones about which the critic could not be asked before."""
        owed = [
            self._chunks[index]
            for index in range(self._first, chunk.index + 1)
            if self._chunks[index].reached_by == "student" and self._reflection.owes(index)
        ]
        for one in owed:
            found = samples if one is chunk else self._samples_of(one)
            try:
                learnt = self._reflection.look_back(one.index, one.specs, found)
            except (Halted, Unanswered) as error:
                self._watch.say(f"chunk {one.name}: the critic could not look back yet ({error})")
                return
            if learnt:
                self._watch.say(f"chunk {one.name}: the critic drew {learnt} lessons from failed attempts")

    def _samples_of(self, chunk: Chunk) -> list[Sample]:
        low, high = order_of(chunk.index), order_of(chunk.index + 1)
        return [decode(record) for batch in self._ledger.scan(since=low, before=high) for record in batch]

    def _finish(
        self, chunk: Chunk, metrics: Mapping[str, float], seconds: float, waited: Mapping[str, float]
    ) -> None:
        """The version is trained and its checkpoint saved: settle, publish, report."""
        ids = [sample.sample_id for sample in self._fresh]
        self._ledger.settle(ids, "trained", owner=OWNER, metadata={"trained_chunks": chunk.index + 1})
        # Only now: a version replays older chunks, never itself.
        self._pool.extend(self._fresh)
        self._rollouts.publish(self._learning.snapshot())
        tally = self._tallies[chunk.index]
        self._metrics.write("learn", chunk.index, {**metrics, "phase": chunk.phase})
        if tally.episodes:
            self._metrics.write("rollout", chunk.index, tally.figures(chunk))
        times = self._times(chunk, seconds, waited)
        self._metrics.write("time", chunk.index, times)
        self._watch.version(chunk, metrics, tally.successes, tally.episodes, times)

    def _times(self, chunk: Chunk, seconds: float, waited: Mapping[str, float]) -> dict[str, Any]:
        stages = self._stages()
        self._spent = self._rollouts.seconds()
        if waited["learner"] >= waited["rollouts"]:
            bottleneck = "learner"
        else:
            bottleneck = self._slowest(stages)
        times: dict[str, Any] = {f"s_{name}": round(value, 2) for name, value in stages.items()}
        times |= {f"s_wait_{name}": round(value, 2) for name, value in waited.items()}
        return times | {"s_all": round(seconds, 2), "phase": chunk.phase, "bottleneck": bottleneck}

    def _stages(self) -> dict[str, float]:
        """Seconds that the players spent in each stage since the last version."""
        spent = self._rollouts.seconds()
        return {name: spent.get(name, 0.0) - self._spent.get(name, 0.0) for name in STAGES}

    @staticmethod
    def _slowest(stages: Mapping[str, float]) -> str:
        name = max(stages, key=lambda stage: stages[stage])
        return "simulator (its code is being compiled)" if name == "start" else name

    # -- resuming -----------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Take over what an earlier process left: settle what its last checkpoint covers, fill the replay
        pool, and know which episodes need not be played again."""
        lost = self._ledger.reopen(order_of(self._current))
        if lost:
            self._watch.say(
                f"the checkpoint that had learnt from {lost} samples is gone or damaged: "
                "they are trained on again"
            )
        if self._learning.version:
            self._rollouts.publish(self._learning.snapshot())
        for index, chunk in sorted(self._chunks.items()):
            tally = self._tallies[index]
            low, high = order_of(index), order_of(index + 1)
            places = self._ledger.orders(low, high)
            tally.ended = {(place - low) >> _STEP_BITS for place in places}
            failed = {p for p in range(len(chunk.specs)) if self._ledger.metadata(f"quarantine/{index}/{p}")}
            if index >= self._current:
                for position in sorted(tally.ended - failed):
                    tally.add(self._ledger.metadata(f"outcome/{index}/{position}") or ())
                tally.failed = len(failed)
            tally.ended |= failed
            if index < self._current:
                tally.ended = set(range(len(chunk.specs)))
                ids = self._claim(chunk)
                if ids:
                    metadata = {"trained_chunks": index + 1}
                    self._ledger.settle(ids, "trained", owner=OWNER, metadata=metadata)
        for batch in self._ledger.scan(["suite", "valid"], before=order_of(self._current)):
            for record in batch:
                if record.order >= order_of(self._first) and record.columns["valid"]:
                    self._pool.add_record(record.sample_id, record.columns["suite"])
        self._submitted = self._current

    def _claim(self, chunk: Chunk) -> list[str]:
        count = sum(self._ledger.counts(order_of(chunk.index + 1)).values())
        return self._ledger.claim(count, LEASE_S, OWNER, before=order_of(chunk.index + 1))


_STEP_BITS = order_of(0, 1).bit_length() - 1


def _demonstrated(sample: Sample, seed: int) -> Sample:
    """A demonstration under a name of its own: where the expert is the teacher, the relabelled sample would
    have the same one, and the ledger would take it for known."""
    episode = f"{sample.episode}/demonstration"
    name = sample_id(sample.suite, seed, episode, sample.step, sample.role, sample.teacher_version)
    return replace(sample, episode=episode, sample_id=name)

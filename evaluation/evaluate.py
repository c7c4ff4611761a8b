"""Plays policies on held-out episodes and sums up what came of it.

Invariant: all policies of a suite play the same episodes, once each, with frozen weights and the
same seeds; an episode that broke its world is counted as failed and named, never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from actors.policies import LabelPolicy
from actors.rollout import Rollout
from actors.types import EpisodeFailure, EpisodeResult, Labeler, PlaySettings, Policy
from actors.types import TraceStep as Step
from evaluation.config import EvaluationConfig
from evaluation.records import Score, Trace, TraceStep, data_uri
from student.prompts import status_text
from teachers.team.memory import Memory
from worlds.base import World, split_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec, Split


def episodes(config: EvaluationConfig, suite: str) -> list[EpisodeSpec]:
    """The held-out episodes of a suite."""
    split: Split = "test" if config.split == "test" else "validation"
    return [EpisodeSpec(suite, split, index, config.difficulty) for index in range(config.episodes)]


def evaluate(
    config: EvaluationConfig,
    suite: str,
    name: str,
    policy: Policy,
    frame_size: int,
    seed: int,
    memory_notes: bool,
) -> Score:
    """The score of the policy called `name` on one suite."""
    rollout = Rollout(partial(make_world, frame_size=frame_size), config.batch, seed, memory_notes)
    outcomes = rollout.collect(
        episodes(config, suite), policy, None, PlaySettings(temperature=config.temperature)
    )
    rollout.close()
    good = [outcome for outcome in outcomes if isinstance(outcome, EpisodeResult)]
    return Score.of(
        suite,
        name,
        # A broken episode counts against the policy that broke it.
        [isinstance(outcome, EpisodeResult) and outcome.success for outcome in outcomes],
        [outcome.metric if isinstance(outcome, EpisodeResult) else 0.0 for outcome in outcomes],
        [outcome.decisions for outcome in good],
        rollout.progress.seconds.get("policy", 0.0),
        sum(outcome.model_calls for outcome in good),
        [f"{bad.spec}: {bad.reason}" for bad in outcomes if isinstance(bad, EpisodeFailure)],
        policy.refused if isinstance(policy, LabelPolicy) else {},
    )


def record(
    config: EvaluationConfig,
    suites: Sequence[str],
    name: str,
    policy: Policy,
    labeler: Labeler,
    frame_size: int,
    seed: int,
    memory_notes: bool,
    memories: tuple[Memory, ...] = (),
) -> list[Trace]:
    """Traces of the first `config.traced` episodes of each suite, the teacher's label under each decision;
    `memories` are told to the teacher."""
    settings = PlaySettings(temperature=config.temperature, trace=True, lessons=memories)
    traces = []
    for suite in suites:
        rollout = Rollout(partial(make_world, frame_size=frame_size), config.traced, seed, memory_notes)
        specs = episodes(config, suite)[: config.traced]
        for outcome in rollout.collect(specs, policy, labeler, settings):
            if not isinstance(outcome, EpisodeFailure):
                traces.append(_trace(outcome, name, frame_size, memory_notes))
        rollout.close()
    return traces


def _trace(episode: EpisodeResult, policy: str, frame_size: int, memory_notes: bool) -> Trace:
    """Replay the episode's replies in a fresh world, which gives the same states, to see it from above."""
    world = make_world(episode.spec.suite, frame_size)
    world.reset(options={"episode": episode.spec})
    steps = []
    for step in episode.trace:
        steps.append(shown(step, world.overview()[1], memory_notes))
        world.step(step.reply)
    trace = trace_of(world, policy, episode.success, episode.metric, steps)
    world.close()
    return trace


def shown(step: Step, map_xy: tuple[float, float], memory_notes: bool = True) -> TraceStep:
    """The step for a page; `map_xy` is the place from above before it."""
    seen, decision, label = step.observation, step.decision, step.label
    note, action = (decision.note, decision.action) if decision is not None else split_reply(step.reply)
    alternatives = decision.alternatives if decision is not None else ()
    return TraceStep(
        frame=data_uri(seen.frame),
        note=note,
        action=action,
        outcome=step.outcome.text,
        alternatives=[(text, float(np.exp(logprob))) for text, logprob in alternatives],
        teacher_note=label.note if label else "",
        teacher_action=label.action if label else "",
        teacher_equal=list(label.equally_good) if label else [],
        sounds=[f"{s.name} {s.bearing_deg:+.0f} deg ({s.loudness:.2f})" for s in seen.sounds],
        heading_deg=seen.status.heading_deg,
        map_xy=map_xy,
        status=status_text(seen.status, memory_notes),
        said=list(label.said) if label else [],
    )


def trace_of(world: World, policy: str, success: bool, metric: float, steps: list[TraceStep]) -> Trace:
    """The trace of the steps that brought the world where it stands."""
    above, end_xy = world.overview()
    goal = world.observe().goal
    return Trace(
        suite=world.episode.suite,
        policy=policy,
        index=world.episode.index,
        goal=goal.text,
        goal_image=data_uri(goal.image) if goal.image is not None else "",
        success=success,
        metric=metric,
        top_down=data_uri(above),
        end_xy=end_xy,
        steps=steps,
    )

"""What the playground does, without HTTP: opens episodes, steps them, shows pictures to the student.

Invariant: worlds and teachers work one at a time (the simulator's buffers are a process's), the student is
asked outside of that; a world or a teacher that raises ends its own episode with a sentence, and no other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from PIL import Image, ImageOps

from evaluation.records import data_uri
from evaluation.watch.config import WatchConfig
from evaluation.watch.episode import HostedEpisode
from evaluation.watch.student import RemoteStudent
from evaluation.watch.table import EpisodeTable
from evaluation.watch.wire import Catalogue, Look, LookRequest, OpenRequest, Scene, StepRequest, SuiteInfo
from serve.images import decode_frame
from serve.problems import Problem
from teachers.make import make_teacher
from worlds.base import World
from worlds.make import make_world, suites
from worlds.types import EpisodeSpec, Frame, Goal, Observation, Status

log = logging.getLogger(__name__)


class Playground:
    """The episodes of one process. All methods raise `Problem` for what they refuse. `owner`: who asks."""

    def __init__(self, config: WatchConfig, student: RemoteStudent) -> None:
        self.config, self.student = config, student
        self.table = EpisodeTable(config.max_episodes, config.expiry_s)
        self._simulator = threading.Lock()
        self._suites = suites()
        self._candidates = lru_cache(maxsize=None)(self._opening)

    def catalogue(self) -> Catalogue:
        """What can be asked for."""
        entries = [SuiteInfo(name=name, difficulties=levels) for name, levels in self._suites.items()]
        config = self.config
        return Catalogue(
            suites=entries, teacher=config.teacher, temperature=config.temperature, student=config.student
        )

    def open(self, owner: str, request: OpenRequest) -> Scene:
        """Begin an episode: 403 for a teacher where there is none, 422 for one that does not exist."""
        spec = self._spec(request)
        if request.teacher and not self.config.teacher:
            raise Problem(403, "teacher: this playground was started with teacher=false")
        with self._simulating(f"the episode {spec.suite} {spec.split} {spec.index} cannot begin", 422):
            episode = HostedEpisode(
                spec,
                self._begin(spec),
                make_teacher(spec.suite) if request.teacher else None,
                self.config.temperature,
                self.config.seed,
            )
            name = self.table.add(owner, episode)
            return episode.scene(name)

    def scene(self, owner: str, name: str) -> Scene:
        """The episode as it stands."""
        with self.table.use(name, owner) as episode, self._playing(owner, name):
            return episode.scene(name)

    def ask(self, owner: str, name: str) -> Scene:
        """Have the student decide in the present state."""
        with self.table.use(name, owner) as episode:
            episode.ask(self.student)
            with self._playing(owner, name):
                return episode.scene(name)

    def step(self, owner: str, name: str, request: StepRequest) -> Scene:
        """Carry one decision out: 409 where the page has seen another state, else see `HostedEpisode.act`."""
        with self.table.use(name, owner) as episode:
            if request.decisions != len(episode.turns):
                raise Problem(
                    409,
                    f"decisions: this episode has had {len(episode.turns)}, the page saw {request.decisions}",
                )
            if request.action is None:
                episode.ask(self.student)
            with self._playing(owner, name):
                episode.act(request.action)
                return episode.scene(name)

    def look(self, request: LookRequest) -> Look:
        """The student's decision on a picture of one's own, with the actions that open the first episode of a
        suite."""
        frame = self._square(decode_frame(request.frame, self.config.max_pixels))
        if request.suite not in self._suites:
            raise self._unknown(request.suite)
        actions, notes = self._candidates(request.suite)
        seen = Observation(frame, Goal(request.goal), Status(), (), (), actions, notes)
        decision = self.student.decide(seen, 0.0, 0)
        return Look(frame=data_uri(frame), decision=decision)

    def _spec(self, request: OpenRequest) -> EpisodeSpec:
        levels = self._suites.get(request.suite)
        if levels is None:
            raise self._unknown(request.suite)
        if request.difficulty not in levels:
            told = ", ".join(map(str, levels))
            raise Problem(422, f"difficulty: {request.suite} has {told}, not {request.difficulty}")
        return EpisodeSpec(request.suite, request.split, request.index, request.difficulty)

    def _unknown(self, suite: str) -> Problem:
        return Problem(422, f"suite: {suite!r} is not offered here; GET /api/catalogue lists what is")

    def _begin(self, spec: EpisodeSpec) -> World:
        world = make_world(spec.suite, self.config.frame_size)
        world.reset(options={"episode": spec})
        return world

    def _opening(self, suite: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The actions and notes of a suite's first episode."""
        with self._simulating(f"{suite} cannot begin", 422):
            seen = self._begin(EpisodeSpec(suite, "train", 0, self._suites[suite][0])).observe()
            return seen.actions, seen.notes

    def _square(self, frame: Frame) -> Frame:
        """The middle of a picture, as large as the worlds' frames."""
        size = (self.config.frame_size, self.config.frame_size)
        fitted = ImageOps.fit(Image.fromarray(frame), size, Image.Resampling.BOX)
        return np.asarray(fitted, np.uint8)

    @contextmanager
    def _playing(self, owner: str, name: str) -> Iterator[None]:
        try:
            with self._simulating("this episode's world broke", 410):
                yield
        except Problem as problem:
            if problem.status == 410:
                self.table.close(name, owner)
            raise

    @contextmanager
    def _simulating(self, failed: str, status: int) -> Iterator[None]:
        """The border to worlds and teachers: what they raise becomes a `Problem`, and is logged."""
        with self._simulator:
            try:
                yield
            except Problem:
                raise
            except Exception as error:
                log.exception(failed)
                raise Problem(
                    status, f"{failed} ({type(error).__name__}: {error}): choose another"
                ) from error

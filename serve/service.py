"""One student as a service: observations in, decisions out, whatever carries them.

Invariant: the decision on an observation is that of `Student.decide` on its prompt in this process.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from serve.batcher import Batcher
from serve.config import ServeConfig
from serve.problems import Problem
from serve.wire import ActRequest, ActResponse, to_observation, to_response
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student
from student.types import Prompt
from worlds.base import join_reply
from worlds.types import Goal, Observation, Status

PICTURES = 16
"""The pictures of one request have so many times `max_pixels` pixels at most."""


class Service:
    """One version of a model, with its batcher."""

    def __init__(self, config: ServeConfig, student: StudentConfig, model: str, version: str) -> None:
        self.config, self.model, self.version = config, model, version
        self._users = 0
        self._student = Student.load(student)
        self._memory_notes = student.memory_notes
        self._prove()
        self.batcher = Batcher(
            self._student.decide, config.max_batch, config.max_queue, config.deadline_s, config.target_s
        )

    @property
    def idle(self) -> bool:
        """Whether nobody who chose this version still waits for it."""
        return not self._users

    @contextmanager
    def used(self) -> Iterator[None]:
        """From the choice of this version to its answer: until then it is not let go."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    def _prove(self) -> None:
        """Decide once: weights that cannot are refused here. Raises ValueError."""
        seen = Observation(np.zeros((64, 64, 3), np.uint8), Goal("go"), Status(), (), (), ("go", "stay"), ())
        decision = self._student.decide([build_prompt(seen)], 0.0, [0])[0]
        if not math.isfinite(decision.logprob):
            raise ValueError("its log-probabilities are not finite numbers")

    def prompts(self, requests: Sequence[ActRequest]) -> list[Prompt]:
        """What the student is shown. Raises `Problem` for a picture that is none, or for too many."""
        prompts, pixels, most = list[Prompt](), 0, PICTURES * self.config.max_pixels
        for request in requests:
            seen = to_observation(request.observation, self.config.max_pixels)
            prompts.append(build_prompt(seen, request.role, request.order, self._memory_notes))
            pixels += sum(image.shape[0] * image.shape[1] for image in prompts[-1].images)
            if pixels > most:
                raise Problem(413, f"the pictures of one request have at most {most} pixels together")
        return prompts

    async def act(self, requests: Sequence[ActRequest], prompts: Sequence[Prompt]) -> list[ActResponse]:
        """The decisions, in order. Raises `Problem` for what cannot be decided (see `Batcher.ask`)."""
        warmth = [
            self.config.temperature if request.temperature is None else request.temperature
            for request in requests
        ]
        decisions = await self.batcher.ask(prompts, warmth, [request.seed for request in requests])
        return [
            to_response(decision, request.alternatives, self.model, self.version)
            for decision, request in zip(decisions, requests, strict=True)
        ]

    def tokens(self, prompt: Prompt, answer: ActResponse) -> tuple[int, int]:
        """How many tokens the prompt and the reply have."""
        visual = self._student.visual_tokens(prompt.images)
        reply = self._student.encode_reply(join_reply(answer.note, answer.action))
        return len(self._student.encode_prompts([prompt], visual)[0]), len(reply)

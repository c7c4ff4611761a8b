"""Which endpoint is asked, how hard, and for how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EndpointConfig:
    """An OpenAI-compatible chat-completions endpoint. The key is read from `key_file`, else from the
    environment variable OPENAI_API_KEY. What a model does not take can be left out or named otherwise:
    `temperature` (null: not sent), `token_field`, `structure` (how the JSON schema is asked for).

    A question waits at most `timeout_s` for one answer and is tried at most `tries` times; a label, with all
    its questions, is given up after `patience_s` seconds (an outage included). An answer that does not do is
    sent back with the reason at most `repairs` times. `in_flight` (calls at once), `requests_per_minute` and
    `tokens_per_minute` hold over all replicas, `replica_*` for each (0: no limit; `replica_in_flight` is one
    always). `budget_tokens` and `budget_money` pause the run (0: none); prices are per million tokens.
    `recording` is the file of calls ("": `calls.sqlite` of the run folder). `images` shows the actor's
    frame to the model. `embeddings` is the model of the endpoint's `/embeddings` by whose likeness the skill
    module finds a skill ("": the local embedding), `embeddings_floor` the least cosine that counts, which
    depends on that model. `team_calls=False` asks for the actor alone, with the scripted manager and
    conductor above it. After each round a critic looks back at `reflections` failed attempts (0: at none),
    and `lessons` of what it says are told to the actor with each later question, with the frames of
    `lesson_frames` of them where `images` are shown.
    """

    url: str = "http://127.0.0.1:8399/v1"
    model: str = "retort-scripted"
    key_file: str = ""
    temperature: float | None = 0.0
    max_tokens: int = 1024
    token_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    structure: Literal["json_schema", "json_object", "none"] = "json_schema"
    images: bool = True
    embeddings: str = ""
    embeddings_floor: float = 0.8
    team_calls: bool = True
    reflections: int = 0
    lessons: int = 3
    lesson_frames: int = 1
    timeout_s: float = 30.0
    tries: int = 8
    patience_s: float = 75.0
    repairs: int = 4
    in_flight: int = 0
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    replica_in_flight: int = 64
    replica_requests_per_minute: int = 0
    replica_tokens_per_minute: int = 0
    budget_tokens: int = 0
    budget_money: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0
    recording: str = ""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"teacher.endpoint.url is {self.url!r}; it begins with http:// or https://")
        if not self.model:
            raise ValueError("teacher.endpoint.model is empty; name the model to ask")
        ones = (self.tries, self.replica_in_flight, self.max_tokens)
        if min(self.timeout_s, self.patience_s) <= 0 or min(ones) < 1:
            raise ValueError(
                "teacher.endpoint.timeout_s and patience_s are positive, tries, replica_in_flight and "
                "max_tokens at least 1"
            )
        if self.patience_s < self.timeout_s:
            raise ValueError(
                f"teacher.endpoint.patience_s={self.patience_s:g} is less than timeout_s={self.timeout_s:g}: "
                "a label would be given up before one answer may be; raise it, or lower timeout_s"
            )
        if self.reflections and not self.lessons:
            raise ValueError(
                f"teacher.endpoint.reflections={self.reflections} with lessons=0 pays for lessons that "
                "nobody is told: set lessons to 1 or more, or reflections to 0"
            )
        if not -1 <= self.embeddings_floor <= 1:
            raise ValueError("teacher.endpoint.embeddings_floor is a cosine, -1 to 1")
        counts = (self.repairs, self.temperature or 0.0, self.reflections, self.lessons, self.lesson_frames)
        if min(counts) < 0:
            raise ValueError(
                "teacher.endpoint.repairs, temperature, reflections, lessons and lesson_frames are 0 or more"
            )
        limits = (
            self.in_flight, self.requests_per_minute, self.tokens_per_minute,
            self.replica_requests_per_minute, self.replica_tokens_per_minute, self.budget_tokens,
            self.budget_money, self.price_in, self.price_out,
        )  # fmt: skip
        if min(limits) < 0:
            raise ValueError("teacher.endpoint's limits, budgets and prices are 0 (none) or more")
        if self.budget_money and not (self.price_in or self.price_out):
            raise ValueError(
                "teacher.endpoint.budget_money needs price_in and price_out (per million tokens)"
            )

    @property
    def lines(self) -> int:
        """Calls that one replica can have under way at once."""
        return min(self.replica_in_flight, self.in_flight or self.replica_in_flight)

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Of one call."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6

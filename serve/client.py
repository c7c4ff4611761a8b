"""A small typed client.

    with Client("http://127.0.0.1:8000") as client:
        decision = client.act(observation)

Invariant: what is sent is `serve.wire`'s, so an `Observation` of any world goes as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2 as httpx

from serve.wire import ActRequest, ActResponse, BatchRequest, BatchResponse, from_observation
from worlds.types import Observation


class Refused(RuntimeError):
    """The server refused; `status` is HTTP's, `retry_after_s` is how long to wait where it says so."""

    def __init__(self, status: int, detail: str, retry_after_s: float | None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.retry_after_s = status, retry_after_s


class Client:
    """A connection to one server; `key` is an API key."""

    def __init__(self, url: str, key: str = "", timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)

    def act(self, observation: Observation, **settings: Any) -> ActResponse:
        """The student's decision; `settings` are the other fields of `ActRequest`. Raises Refused."""
        request = ActRequest(observation=from_observation(observation), **settings)
        return ActResponse.model_validate_json(self._post("/v1/act", request.model_dump_json()))

    def act_batch(self, observations: Sequence[Observation], **settings: Any) -> list[ActResponse]:
        """The decisions on several observations, in order. Raises Refused."""
        requests = tuple(ActRequest(observation=from_observation(o), **settings) for o in observations)
        body = BatchRequest(requests=requests).model_dump_json()
        return BatchResponse.model_validate_json(self._post("/v1/act/batch", body)).responses

    def models(self) -> list[dict[str, Any]]:
        """What is served. Raises Refused."""
        found: list[dict[str, Any]] = self._taken(self._http.get("/v1/models")).json()["data"]
        return found

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _post(self, path: str, body: str) -> bytes:
        response = self._http.post(path, content=body, headers={"Content-Type": "application/json"})
        return bytes(self._taken(response).content)

    @staticmethod
    def _taken(response: Any) -> Any:
        if response.status_code < 400:
            return response
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = response.text[:200]
        wait = response.headers.get("Retry-After")
        raise Refused(response.status_code, detail, float(wait) if wait else None)

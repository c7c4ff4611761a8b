"""A small typed client.

    with Client("http://127.0.0.1:8000") as client:
        decision = client.act(observation)

Invariant: what is sent is `serve.wire`'s, so an `Observation` of any world goes as it is. A decision changes
nothing on the server, so one that got lost on the way (a replica died, a queue was full) is asked for again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx2 as httpx

from serve.wire import ActRequest, ActResponse, BatchRequest, BatchResponse, from_observation
from worlds.types import Observation

BACKOFF_S = 0.1
CHANGE_S = 300.0
"""A change of the models is answered when all replicas have loaded them."""


class Refused(RuntimeError):
    """The server refused; `status` is HTTP's, `retry_after_s` is how long to wait where it says so."""

    def __init__(self, status: int, detail: str, retry_after_s: float | None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.retry_after_s = status, retry_after_s


class Client:
    """A connection to one server; `key` is an API key. A decision is asked for up to `retries` times again
    while the server is busy or no process of it is there (429, 503, after the time that it names, if that is
    within `timeout_s`), and while what stands before it answers in its place (5xx or 404 without a problem
    document) or nothing does. `transport` is httpx's (None: the network)."""

    def __init__(
        self,
        url: str,
        key: str = "",
        timeout_s: float = 30.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self._retries, self._timeout_s = retries, timeout_s

    def act(self, observation: Observation, **settings: Any) -> ActResponse:
        """The student's decision; `settings` are the other fields of `ActRequest`. Raises Refused."""
        request = ActRequest(observation=from_observation(observation), **settings)
        return ActResponse.model_validate_json(self._decided("/v1/act", request.model_dump_json()))

    def act_batch(self, observations: Sequence[Observation], **settings: Any) -> list[ActResponse]:
        """The decisions on several observations, in order. Raises Refused."""
        requests = tuple(ActRequest(observation=from_observation(o), **settings) for o in observations)
        body = BatchRequest(requests=requests).model_dump_json()
        return BatchResponse.model_validate_json(self._decided("/v1/act/batch", body)).responses

    def models(self) -> list[dict[str, Any]]:
        """What is served. Raises Refused."""
        found: list[dict[str, Any]] = _taken(self._http.get("/v1/models")).json()["data"]
        return found

    def offer(self, model: str, folder: str, share: float = 1.0) -> dict[str, Any]:
        """Serve a checkpoint folder as a version of `model` (`serve.model_routes.Offer`); says what is served
        then. Raises Refused."""
        offered = {"folder": folder, "share": share}
        changed: dict[str, Any] = _taken(
            self._http.put(f"/v1/models/{quote(model, safe='')}", json=offered, timeout=CHANGE_S)
        ).json()
        return changed

    def retire(self, model: str, version: str = "") -> dict[str, Any]:
        """Take out a version, or the model; says what is served then. Raises Refused."""
        named = {"version": version} if version else {}
        changed: dict[str, Any] = _taken(
            self._http.delete(f"/v1/models/{quote(model, safe='')}", params=named, timeout=CHANGE_S)
        ).json()
        return changed

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _decided(self, path: str, body: str) -> bytes:
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            wait = BACKOFF_S * 2**attempt * (0.5 + random.random())
            try:
                response = self._http.post(path, content=body, headers={"Content-Type": "application/json"})
            except httpx.TransportError:
                if last:
                    raise
            else:
                if last or not _passing(response):
                    return bytes(_taken(response).content)
                wait = max(wait, _wait_s(response) or 0.0)
                if wait > self._timeout_s:
                    _taken(response)  # raises: who asks would rather know
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def _passing(response: httpx.Response) -> bool:
    """Whether the refusal says nothing about the request."""
    kind = response.headers.get("Content-Type", "")
    ours = kind.startswith("application/problem+json")
    # Ray's own proxy, once the replicas have left.
    gone = response.status_code == 404 and kind.startswith("text/plain")
    return response.status_code in (429, 503) or gone or (response.status_code >= 500 and not ours)


def _taken(response: httpx.Response) -> httpx.Response:
    if response.status_code < 400:
        return response
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text[:200]
    raise Refused(response.status_code, detail, _wait_s(response))


def _wait_s(response: httpx.Response) -> float | None:
    """How long the server says to wait; None where it says nothing, or a date."""
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None

"""The student, reached through `/v1/act` and nothing else.

Invariant: whatever goes wrong between here and there becomes a `Problem` whose sentence says what to do.
"""

from __future__ import annotations

import ssl

import httpx2 as httpx
from pydantic import ValidationError

from evaluation.watch.trust import WHAT_TO_GIVE, trusting
from serve.client import Client, Refused
from serve.problems import Problem
from serve.wire import ActResponse
from worlds.types import Observation


class RemoteStudent:
    """A served student; `key` ("": none) came from the environment variable `key_env`, `ca` is whom to trust
    over https beside the system's authorities. Raises ValueError where that file holds no certificates."""

    def __init__(self, url: str, key: str, key_env: str, timeout_s: float, ca: str = "") -> None:
        self._url, self._key_env = url, key_env
        transport = httpx.HTTPTransport(verify=trusting(ca)) if ca else None
        # The page itself waits, and shows it.
        self._client = Client(url, key, timeout_s, retries=0, transport=transport)

    def decide(self, seen: Observation, temperature: float, seed: int, model: str = "") -> ActResponse:
        """Its decision with the probabilities of all actions; by `model` (MODEL@VERSION) as long as that is
        served. Raises `Problem`: 429 and 504 as it said them, 502 for what it refused or garbled, 503 where
        it does not answer."""
        asked = {"temperature": temperature, "seed": seed, "alternatives": len(seen.actions)}
        try:
            try:
                return self._client.act(seen, model=model, **asked)
            except Refused as error:
                if error.status != 404 or not model:
                    raise
                return self._client.act(seen, **asked)
        except (Refused, httpx.HTTPError, ValidationError) as error:
            raise self._problem(error) from error

    def about(self) -> dict[str, str]:
        """The `model` and its `version`. Raises `Problem` as `decide`."""
        try:
            first = self._client.models()[0]
            return {"model": str(first["id"]), "version": str(first["version"])}
        except (Refused, httpx.HTTPError) as error:
            raise self._problem(error) from error
        except (ValueError, LookupError, TypeError) as error:
            raise self._garbled() from error

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _problem(self, error: Exception) -> Problem:
        if isinstance(error, ValidationError):
            return self._garbled()
        if (reason := _unverified(error)) is not None:
            return Problem(
                502, f"the certificate of {self._url} cannot be verified ({reason}): {WHAT_TO_GIVE}"
            )
        if not isinstance(error, Refused):
            return Problem(
                503,
                f"no student answers at {self._url} ({type(error).__name__}): start one with `python "
                "retort.py serve RUN`, or start the playground with student=URL",
            )
        if error.status in (429, 503):
            wait = max(1, round(error.retry_after_s or 1))
            why = "has too much to do" if error.status == 429 else "is being replaced"
            return Problem(error.status, f"the student {why}", {"Retry-After": str(wait)})
        if error.status == 504:
            return Problem(504, "the student did not decide within its deadline: try again")
        if error.status in (401, 403):
            return Problem(
                502,
                f"the student asks for an API key with the scope act: put one into the environment variable "
                f"{self._key_env} and start the playground again",
            )
        return Problem(502, f"the student at {self._url} refused: {error}")

    def _garbled(self) -> Problem:
        return Problem(502, f"what answers at {self._url} is no Retort student: start with student=URL")


def _unverified(error: BaseException | None) -> str | None:
    """Why a certificate was refused, where that is what `error` came from."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None

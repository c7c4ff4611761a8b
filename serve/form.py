"""A request as a form: pictures as the bytes that they are, and the rest as JSON.

Invariant: a form is the `ActRequest` that one gets by writing its pictures into the JSON.
"""

from __future__ import annotations

import base64
import json

from pydantic import ValidationError

from serve.problems import Problem, where_and_why
from serve.wire import ActRequest


def from_form(text: str, frame: bytes, goal_image: bytes | None) -> ActRequest:
    """The request whose JSON, without the pictures, is `text`. Raises `Problem` (422) for anything else."""
    try:
        fields = json.loads(text)
        observation = fields["observation"]
        observation["frame"] = _text(frame)
        if goal_image is not None:
            observation["goal"]["image"] = _text(goal_image)
    except json.JSONDecodeError as error:
        raise Problem(422, f"request: no JSON ({error})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Problem(
            422, "request: not the JSON of an ActRequest with an observation (and its goal)"
        ) from error
    try:
        return ActRequest.model_validate(fields)
    except ValidationError as error:
        raise Problem(422, f"request: {where_and_why(error)}") from error


def _text(picture: bytes) -> str:
    return base64.b64encode(picture).decode("ascii")

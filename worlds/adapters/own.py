"""Suites "own/MODULE" and "own/MODULE/ANYTHING": MODULE is the user's, and it defines `make_world`,
`make_teacher` and `make_expert`.

Invariant: only a module that the suite names is imported, from where the run starts (a Ray
`working_dir` carries it to all nodes) or from PYTHONPATH.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def from_own_module(suite: str, function: str) -> Callable[..., Any]:
    """The `function` of the module that `suite` names. Raises ValueError if there is none."""
    name = suite.partition("/")[2].partition("/")[0]
    if not name.isidentifier():
        raise ValueError(
            f"suite {suite!r} names no module: write own/MODULE, with MODULE.py beside retort.py."
        )
    try:
        module = importlib.import_module(name)
    except SyntaxError as error:
        raise ValueError(
            f"the module {name!r} of suite {suite!r} is not Python: line {error.lineno}, {error.msg}."
        ) from error
    except ModuleNotFoundError as error:
        if error.name != name:
            raise ValueError(
                f"the module {name!r} of suite {suite!r} cannot be imported: {error}."
            ) from error
        raise ValueError(
            f"suite {suite!r} names the module {name!r}, which cannot be imported: put {name}.py beside "
            "retort.py or on PYTHONPATH."
        ) from error
    if not callable(getattr(module, function, None)):
        raise ValueError(
            f"module {name!r} of suite {suite!r} has no function {function}(suite, ...): add it."
        )
    found: Callable[..., Any] = getattr(module, function)
    return found

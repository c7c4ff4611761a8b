"""Suites "own/MODULE" and "own/MODULE/ANYTHING": MODULE is the user's, and it defines `make_world`,
`make_teacher` and `make_expert`.

Invariant: only a module that the suite names is imported, from where the run starts (a Ray
`working_dir` carries it to all nodes) or from PYTHONPATH.
"""

from __future__ import annotations

import importlib
import importlib.util
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORLDS = Path(__file__).resolve().parents[1]


def from_own_module(suite: str, function: str) -> Callable[..., Any]:
    """The `function` of the module that `suite` names. Raises ValueError if there is none."""
    name = _module_of(suite)
    if not name.isidentifier():
        raise ValueError(
            f"suite {suite!r} names no module: write own/MODULE, with MODULE.py beside retort.py."
        )
    with own_errors_told(suite):
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


@contextmanager
def own_errors_told(suite: str) -> Iterator[None]:
    """What the user's own code raises in here becomes a ValueError with its file and line (the traceback is
    that error's cause). Errors of other suites pass, and so do the sentences of Retort's own worlds."""
    try:
        yield
    except Exception as error:
        steps = traceback.extract_tb(error.__traceback__)
        line = _line_within(suite, steps) if suite.startswith("own/") else ""
        if not line or (isinstance(error, ValueError) and WORLDS in Path(steps[-1].filename).parents):
            raise
        raise ValueError(
            f"the code of suite {suite!r} failed: {type(error).__name__}: {error} ({line}). Mend it there; "
            "RETORT_DEBUG=1 shows the whole traceback."
        ) from error


def _line_within(suite: str, steps: traceback.StackSummary) -> str:
    """The innermost step in the user's module or package ("": none is)."""
    spec = importlib.util.find_spec(_module_of(suite))
    if spec is None or spec.origin is None:
        return ""
    file = Path(spec.origin).resolve()
    package = file.parent if spec.submodule_search_locations else file
    for step in reversed(steps):
        place = Path(step.filename).resolve()
        if package in (place, *place.parents):
            return f"{place}, line {step.lineno}"
    return ""


def _module_of(suite: str) -> str:
    return suite.partition("/")[2].partition("/")[0]

"""Dataclass configs from `key=value` overrides.

Invariant: what cannot be composed is refused in a sentence that names the key; a number is finite, and a
list holds plain values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

T = TypeVar("T")


def compose(kind: type[T], layers: Sequence[DictConfig], overrides: Sequence[str], hint: str = "") -> T:
    """A `kind` of its defaults, then `layers`, then `overrides`.

    Raises ValueError for anything that cannot be composed; `hint` says where the keys are told."""
    merged, given = OmegaConf.structured(kind), ""
    try:
        for layer in layers:
            for given in map(str, layer):
                merged = OmegaConf.merge(merged, OmegaConf.masked_copy(layer, given))
        for override in overrides:
            given = override.partition("=")[0]
            merged = OmegaConf.merge(merged, _parse(override))
        given = ""
        # Before there are objects: their own checks take a number for one that can be compared.
        _refuse_values(OmegaConf.to_container(merged, resolve=True))
        config = OmegaConf.to_object(merged)
    except (OmegaConfBaseException, TypeError) as error:  # TypeError: a mapping where a list is meant
        raise ValueError(_sentence(error, given, hint)) from error
    assert isinstance(config, kind)
    return config


def switches(layer: DictConfig) -> DictConfig:
    """YAML 1.1 reads the words on and off as booleans: `learner.bf16=off` means the word."""
    value = OmegaConf.select(layer, "learner.bf16")
    if isinstance(value, bool):
        OmegaConf.update(layer, "learner.bf16", "on" if value else "off")
    return layer


def _parse(override: str) -> DictConfig:
    if "=" not in override:
        raise ValueError(f"the override {override!r} has no '=': write key=value, such as seed=1")
    try:
        return switches(OmegaConf.from_dotlist([override]))
    except YAMLError as error:
        raise ValueError(
            f"the value of the override {override!r} is not readable as YAML: close its brackets and quotes, "
            "and put quotes around special characters"
        ) from error


def _refuse_values(part: Any, key: str = "") -> None:
    """Raise ValueError, with its key, for a number that is none (NaN) or has no end, and for a list in which
    there are others."""
    if isinstance(part, dict):
        for name, value in part.items():
            _refuse_values(value, f"{key}.{name}" if key else str(name))
    elif isinstance(part, (list, tuple)):
        for value in part:
            if isinstance(value, (list, tuple, dict)):
                raise ValueError(f"{key} holds {value!r}: write its values in one list, such as [A, B]")
            _refuse_values(value, key)
    elif isinstance(part, float) and not math.isfinite(part):
        raise ValueError(f"{key}={part} is no number to compute with: set a finite one")


def _sentence(error: Any, given: str, hint: str) -> str:
    """`given` is the key in hand: of a whole part or list OmegaConf names none."""
    key = getattr(error, "full_key", "") or given
    first = str(error).splitlines()[0]
    return f"the config key {key!r} cannot be set: {first}{hint}" if key else first + hint

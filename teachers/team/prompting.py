"""The prompts: files that people read and edit, and the hash that tells which ones a label came from.

Invariant: `prompts_hash` changes with any byte of any prompt or reply schema, and enters the teacher's
version and so every sample's identity.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from teachers.team import replies

FOLDER = Path(__file__).parent / "prompts"
BOUNDS = ("maxLength", "minLength", "maxItems", "minItems")


@cache
def _prompts() -> dict[str, str]:
    """All of them, read at once: what is sent and what is hashed are the same."""
    return {file.stem: file.read_text(encoding="utf-8").strip() for file in sorted(FOLDER.glob("*.md"))}


def prompt(name: str) -> str:
    """The text of `prompts/NAME.md`."""
    return _prompts()[name]


@cache
def schema(reply: type[BaseModel]) -> str:
    """A reply's JSON schema as text, its fields in the order in which a model is to write them (the thought
    first); without the bounds that strict structured outputs do not take: pydantic holds them afterwards."""
    return json.dumps(_unbound(reply.model_json_schema()))


def _unbound(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_unbound(item) for item in tree]
    if isinstance(tree, dict):
        return {key: _unbound(value) for key, value in tree.items() if key not in BOUNDS}
    return tree


@cache
def prompts_hash() -> str:
    """Eight hex digits over all prompts and schemas."""
    told = [f"{name} {text}" for name, text in _prompts().items()]
    told += [schema(reply) for reply in replies.ALL]
    return _digest("\0".join(told))


def prompt_hashes() -> dict[str, str]:
    """Eight hex digits of each prompt file and each reply schema, by name: what a run folder keeps."""
    hashes = {f"{name}.md": _digest(text) for name, text in _prompts().items()}
    return hashes | {reply.__name__: _digest(schema(reply)) for reply in replies.ALL}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

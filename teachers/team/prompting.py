"""The prompts: files that people read and edit, and the hash that tells which ones a label came from.

Invariant: `prompts_hash` changes with any byte of any prompt or reply schema, and enters the teacher's
version and so every sample's identity.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from teachers.team import replies

FOLDER = Path(__file__).parent / "prompts"


@cache
def prompt(name: str) -> str:
    """The text of `prompts/NAME.md`."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


@cache
def schema(reply: type[BaseModel]) -> str:
    """A reply's JSON schema as canonical text."""
    return json.dumps(reply.model_json_schema(), sort_keys=True)


@cache
def prompts_hash() -> str:
    """Eight hex digits over all prompts and schemas."""
    told = [file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.md"))]
    told += [schema(reply) for reply in replies.ALL]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:8]

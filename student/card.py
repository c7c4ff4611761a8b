"""The model card: what a checkpoint folder is, who made it how, and how well it sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEAD = """---
library_name: transformers
pipeline_tag: image-text-to-text
license: apache-2.0
---

# {title}

A small vision-language model in the LLaVA layout ({parameters:,} parameters: {vision} vision tower, MLP
projector, {text} language model), made by Retort.

Load it with `student.student.Student.load(StudentConfig(path=...))`, or with
`AutoModelForImageTextToText.from_pretrained(folder)` after `import student.encoder`. A prompt is the text of
`student/prompts.py`; a reply is `note | action`.
"""


def render(facts: Mapping[str, Any], model: Any) -> str:
    """The card as Markdown. `facts` is written out as a table, in order; its "title" is the heading."""
    head = _HEAD.format(
        title=facts.get("title", "Retort student"),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        vision=model.config.vision_config.model_type,
        text=model.config.text_config.model_type,
    )
    rows = [f"| {name} | {_shown(value)} |" for name, value in facts.items() if name != "title"]
    return "\n".join([head, "| fact | value |", "|---|---|", *rows, ""])


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")

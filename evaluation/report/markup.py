"""What the report's tables have in common."""

from __future__ import annotations

import html


def table(name: str, rows: str) -> str:
    """A table of these rows in a box that scrolls sideways where the page is too narrow, by keyboard too."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(name)}">'
        f"<table>{rows}</table></div>"
    )

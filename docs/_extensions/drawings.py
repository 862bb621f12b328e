"""Drawings that stand in the page itself, so that they take the colours of its theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive


class Drawing(Directive):
    """``drawing:: file.svg``, relative to the folder of the documentation."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file."""
        env = self.state.document.settings.env
        path = Path(env.srcdir) / self.arguments[0]
        env.note_dependency(str(path))
        svg = path.read_text(encoding="utf-8")
        return [nodes.raw("", f'<div class="drawing">{svg}</div>', format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("drawing", Drawing)
    return {"parallel_read_safe": True}

"""Pages of Markdown: their Python blocks, run one after the other as a reader would."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", flags=re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Code of each block, and what stands under it, if anything."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def run(page: Path, namespace: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Run the blocks in one namespace: what each is said to print, and what it prints."""
    for code, said in blocks(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page.name, "exec"), namespace)
        yield said, printed.getvalue()

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


def blocks(page: Path | str) -> list[tuple[str, str]]:
    """Code of each block of a page or text, and what stands under it, if anything."""
    return _BLOCK.findall(page if isinstance(page, str) else page.read_text(encoding="utf-8"))


def sections(page: Path) -> dict[str, str]:
    """Text of a page by title; what comes before the first section has none."""
    first, *others = page.read_text(encoding="utf-8").split("\n## ")
    return {"": first} | {
        title: rest for title, _, rest in (each.partition("\n") for each in others)
    }


def run(page: Path | str, namespace: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Run the blocks in one namespace: what each is said to print, and what it prints."""
    for code, said in blocks(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, getattr(page, "name", "page"), "exec"), namespace)
        yield said, printed.getvalue()

"""README and docs tell the truth: their Python blocks print what stands under them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
BLOCKS = [
    (page, code, output)
    for page in PAGES
    for code, output in re.findall(
        r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?",
        (ROOT / page).read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if output or page == "README.md"  # what docs show no output of, such as a progress bar, varies
]


@pytest.mark.parametrize(("page", "code", "output"), BLOCKS)
def test_block_prints_what_stands_under_it(page, code, output):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, page, "exec"), {})
    assert printed.getvalue().split() == output.split()


def test_there_are_blocks_with_output():
    assert {page for page, _, output in BLOCKS if output} >= {
        "README.md",
        "docs/cross_validation.md",
    }


def test_continuous_integration_runs_the_command_of_the_readme():
    command = re.search(r'^pip install "\.\[test\]" && pytest.*$', README, flags=re.MULTILINE)
    assert command is not None
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")

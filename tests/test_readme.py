"""The README tells the truth: its Python blocks print what stands under them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", README, flags=re.DOTALL)


@pytest.mark.parametrize(("code", "output"), BLOCKS)
def test_block_prints_what_stands_under_it(code, output):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue().split() == output.split()


def test_there_are_blocks_with_output():
    assert any(output for _, output in BLOCKS)


def test_continuous_integration_runs_the_command_of_the_readme():
    command = re.search(r'^pip install "\.\[test\]" && pytest.*$', README, flags=re.MULTILINE)
    assert command is not None
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")

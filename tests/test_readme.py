"""README and docs tell the truth: their Python blocks run, and print what stands under them."""

import re

import pytest
from pages import PAGES, ROOT, blocks, run, sections

from skfactor.datasets import make_panel

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Pages about what not every supported release of a library has.
NEEDS = {"progress.md": "sklearn.callback"}
SLOW = {"scaling.md"}
# Of this page each section needs libraries of its own, which the tests do not come with.
OTHERS = ROOT / "docs" / "with_other_libraries.md"
# Pages about other programs are run where their calls are compared, by the tests of the docs.
SHOWN = [
    pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.name in SLOW else [])
    for page in PAGES
    if blocks(page) and page != OTHERS and not page.name.startswith("from_")
]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The Parquet files that pages read."""
    X, y = make_panel(n_features=2, random_state=0, return_X_y=True)
    X.columns = ["size", "value"]
    rows = X.assign(ret=y).rename_axis(["date", "permno"]).reset_index()
    (tmp_path / "panel").mkdir()
    rows["date"] = rows["date"].dt.to_timestamp()
    rows.to_parquet(tmp_path / "panel/0.parquet")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", SHOWN)
def test_blocks_print_what_stands_under_them(page):
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    for said, printed in run(page, {}):
        if said:  # what is shown without output, such as a progress bar, may print anything
            assert printed.split() == said.split()


@pytest.mark.filterwarnings("ignore")  # other libraries warn of what is to come in them
@pytest.mark.parametrize("title", [title for title in sections(OTHERS) if title])
def test_sections_about_other_libraries_print_what_stands_under_them(title):
    beginning, section = sections(OTHERS)[""], sections(OTHERS)[title]
    for name in re.findall(r"^(?:from|import) (\w+)", section, flags=re.MULTILINE):
        pytest.importorskip(name, reason=f"the tests do not come with {name}")
    for said, printed in run(beginning + section, {}):
        assert printed.split() == said.split()


def test_there_are_blocks_with_output():
    shown = {page.name for page in PAGES for _, output in blocks(page) if output}
    assert shown >= {"README.md", "getting_started.md", "cross_validation.md"}


def test_continuous_integration_runs_the_command_of_the_readme():
    command = re.search(r'^pip install "\.\[test\]" && pytest.*$', README, flags=re.MULTILINE)
    assert command is not None
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")

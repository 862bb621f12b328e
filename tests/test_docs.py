"""The documentation is complete: every public name, every source, every call of other programs."""

import ast
import contextlib
import importlib.util
import inspect
import re
import struct
import tomllib
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pages import ROOT, run
from sklearn.base import BaseEstimator

DOCS = ROOT / "docs"
REFERENCE = (DOCS / "api" / "index.rst").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# Programs that the tests have, whose calls are run beside ours.
INSTALLED = {"linearmodels", "statsmodels"}


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


public_names = load(DOCS / "_extensions" / "public_names.py")


# --- the API reference --------------------------------------------------------------------------


def listed_names():
    """Full names in the lists of the API reference."""
    module, names = None, []
    for line in REFERENCE.splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif re.fullmatch(r"   \w+", line):
            names.append(f"{module}.{line.strip()}")
    return names


def test_the_api_reference_has_every_public_name_once():
    listed = listed_names()
    assert len(listed) == len(set(listed))
    assert set(listed) == set(public_names.pages().values())


def test_every_public_module_says_what_is_public():
    modules = public_names.public_modules()
    assert {"skfactor", "skfactor.linear_model", "skfactor.frames"} <= set(modules)
    for module in modules:
        assert importlib.import_module(module).__all__


def test_the_links_of_estimators_lead_to_their_pages():
    estimators = 0
    for path, page in public_names.pages().items():
        module, name = path.rsplit(".", 1)
        public = getattr(importlib.import_module(module), name)
        if inspect.isclass(public) and issubclass(public, BaseEstimator):
            # Without __init__: some need arguments, none of which matters here.
            assert public.__new__(public)._get_doc_link().endswith(f"/api/{page}.html")
            estimators += 1
    assert estimators > 10


# --- sources ------------------------------------------------------------------------------------


def test_the_mathematics_page_has_every_source_of_the_code():
    doi = re.compile(r"doi\.org/(10\.[^\s>`\]]+)")
    page = (DOCS / "mathematics.md").read_text(encoding="utf-8")
    code = "".join(path.read_text("utf-8") for path in (ROOT / "skfactor").rglob("*.py"))
    cited = {found.rstrip(".,") for found in doi.findall(code)}
    assert len(cited) > 20
    assert {found for found in cited if found not in page} == set()


# --- calls of other programs --------------------------------------------------------------------


def rows_of_calls(text):
    """Program, what for, its call and ours, of the tables that follow on a block."""
    program, rows = None, []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| what |"):
            program = cells[1]
        elif not line.startswith("|"):
            program = None
        elif program and not line.startswith("|-"):
            calls = [re.search(r"`(.+?)`", cell).group(1) for cell in cells[1:]]
            rows.append((program, cells[0], *calls))
    return rows


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=page.stem,
            # Its minimizer takes seconds.
            marks=[pytest.mark.slow] if page.stem == "from_linearmodels" else [],
        )
        for page in sorted(DOCS.glob("from_*.md"))
    ],
)
def test_calls_side_by_side_give_the_same_numbers(page):
    text = page.read_text(encoding="utf-8")
    pieces = re.split(r"```python\n.*?```\n", text, flags=re.DOTALL)[1:]
    namespace, n_rows = {}, 0
    for (said, printed), piece in zip(run(page, namespace), pieces, strict=True):
        if said:
            assert printed.split() == said.split()
        for program, what, theirs, ours in rows_of_calls(piece):
            number = eval(ours, namespace)
            n_rows += 1
            if program in INSTALLED:
                expected = np.asarray(eval(theirs, namespace), dtype=np.float64)
                actual = np.asarray(number, dtype=np.float64)
                assert_allclose(actual, expected, rtol=1e-5, atol=1e-12, err_msg=what)
    assert n_rows > 5


# --- arguments in tables ------------------------------------------------------------------------


def signatures():
    """Signatures under each public name, of functions, classes and methods, with their owner."""
    found = {}
    for path in public_names.pages():
        module, name = path.rsplit(".", 1)
        public = getattr(importlib.import_module(module), name)
        members = inspect.getmembers(public, callable) if inspect.isclass(public) else []
        methods = [(key, member) for key, member in members if not key.startswith("_")]
        for key, member in [(name, public), *methods]:
            with contextlib.suppress(ValueError, TypeError):  # warnings have no signature
                found.setdefault(key, []).append((public, inspect.signature(member)))
    return found


def arguments_in_tables(text):
    """(called or None, argument, value or None) of the code in tables: in the last column, if the
    others are of other programs, else in all."""
    header = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not line.startswith("|"):
            header = None
            continue
        header = header or cells
        ours = cells[-1:] if header[-1] == "skfactor" else cells
        for code in re.findall(r"`([^`]+)`", " ".join(ours)):
            yield from _arguments(code)


def _arguments(code):
    try:  # as the arguments of a call, which they are where no call is around them
        tree = ast.parse(f"_({code}None)" if code.endswith("=") else f"_({code})", mode="eval")
    except SyntaxError:
        return
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", None))
        for keyword in call.keywords:
            value = getattr(keyword.value, "value", None)
            text = value if isinstance(value, str) else None
            yield None if name == "_" else name, keyword.arg, text


def accepts(public, argument, value):
    """Whether a class lets a parameter have a text; others are not asked."""
    constraints = getattr(public, "_parameter_constraints", {}).get(argument)
    options = [c.options for c in constraints or () if hasattr(c, "options")]
    return value is None or not options or any(value in some for some in options)


def mistakes_in_tables(text, known):
    for called, argument, value in arguments_in_tables(text):
        if called is not None and called not in known:
            continue  # of another library
        owners = known[called] if called else [pair for pairs in known.values() for pair in pairs]
        # Names that all their owners hand on, such as formats to pandas.
        handed_on = called and all(
            any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
            for _, signature in owners
        )
        takers = [
            public for public, signature in owners if handed_on or argument in signature.parameters
        ]
        if not any(accepts(public, argument, value) for public in takers):
            yield f"{called or ''}({argument}={value!r})"


def test_arguments_in_tables_exist():
    known, n_arguments = signatures(), 0
    for page in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        n_arguments += len(list(arguments_in_tables(text)))
        assert list(mistakes_in_tables(text, known)) == [], page.name
    assert n_arguments > 40


def test_arguments_that_do_not_exist_are_found():
    table = """| to have | skfactor |
|---|---|
| two | `method=`, `output="joint"`, `ouput=` |
| sort | `PortfolioSorter(5, close="left").fit_transform(X)` |
| fit | `PortfolioSorter(5).fit_transform(X, univers=nyse)`, `rebalance_month=7` |
"""
    assert list(mistakes_in_tables(table, signatures())) == [
        "(output='joint')",
        "(ouput=None)",
        "PortfolioSorter(close='left')",
        "fit_transform(univers=None)",
    ]


# --- the build ----------------------------------------------------------------------------------


def test_continuous_integration_builds_the_documentation_as_contributors_do():
    command = re.search(r"^sphinx-build -W .*$", CONTRIBUTING, flags=re.MULTILINE)
    assert command is not None
    assert 'grep "^sphinx-build' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_no_code_stands_in_a_fence_that_is_not_run():
    fences = {
        fence
        for page in DOCS.glob("*.md")
        for fence in re.findall(r"^```(\S+)", page.read_text("utf-8"), flags=re.MULTILINE)
        if not fence.startswith("{")
    }
    assert fences == {"python", "text", "bash"}


def test_every_page_is_in_a_table_of_contents():
    pages = {page.stem: page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")}
    entries = set()
    for text in pages.values():
        for listed in re.findall(r"```{toctree}\n(.*?)```", text, flags=re.DOTALL):
            entries |= {re.sub(r".*<(.*)>", r"\1", line) for line in listed.splitlines()}
    assert set(pages) - entries == {"index"}


@pytest.mark.parametrize("path", sorted((DOCS / "drawings").glob("*.svg")), ids=lambda p: p.stem)
def test_drawings_say_what_they_show_and_take_the_colours_of_the_page(path):
    svg = ElementTree.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert svg.find(f"{space}title").text
    assert svg.find(f"{space}desc").text
    assert svg.get("fill") == "currentColor"


def test_the_picture_of_the_readme_is_that_of_its_script(tmp_path):
    figure = load(DOCS / "picture.py").draw(tmp_path / "picture.png")
    prices, premia = figure.axes
    assert len(prices.collections[0].get_offsets()) == 18
    assert len(premia.patches) == 2 * 5
    sizes = []
    for folder in (tmp_path, DOCS):
        header = (folder / "picture.png").read_bytes()[:24]
        sizes.append(struct.unpack(">II", header[16:]))
    assert sizes[0] == sizes[1]


def test_the_citation_has_the_version_and_the_licence_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {project['version']}\n" in citation
    assert f"license: {project['license']}\n" in citation


def test_every_page_that_shows_a_formula_says_that_formulas_are_code():
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "skfactor" / "formula.py"]
    showing = [page for page in pages if "FormulaRegressor(" in page.read_text(encoding="utf-8")]
    assert len(showing) >= 2
    for page in showing:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert re.search(r"(are|as) code.*(from a stranger|you do not trust)", text), page.name

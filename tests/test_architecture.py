"""The house rules, read from the source: who may import whom, docstrings, mirrors."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = "skfactor"
ROOT = Path(__file__).parents[1]
# Floor of every part of the package; a part is a module or a subpackage right below it.
FLOORS = {
    part: floor
    for floor, parts in enumerate(
        [
            ["_typing", "exceptions"],
            ["_kernels"],
            [
                "_sklearn",
                "_warn",
                "_dates",
                "_calendar",
                "_panel",
                "_validation",
                "_per_date",
                "_base",
                "_formula_text",
                "_fitting",
                "_limits",
            ],
            ["_passes", "_risk_model"],
            ["frames", "preprocessing", "inference", "metrics", "datasets"],
            ["linear_model", "decomposition"],
            ["risk", "portfolios", "model_selection"],
            ["plotting", "summary", "formula", "distributed", "report"],
            ["__init__"],
        ]
    )
    for part in parts
}
KERNEL_IMPORTS = {
    "numpy",
    "scipy",
    "skfactor._typing",
    "skfactor._kernels",
    *sys.stdlib_module_names,
}
OPTIONAL = {
    "matplotlib",
    "polars",
    "narwhals",
    "pyarrow",
    "dask",
    "distributed",
    "pandas_datareader",
    "linearmodels",
    "rich",
}
# Tests that look at the whole and mirror no single source file.
WHOLE = {
    f"test_{name}.py"
    for name in (
        "architecture",
        "cluster",
        "common",
        "costs",
        "docs",
        "doctests",
        "examples",
        "metadata_routing",
        "html",
        "mistakes",
        "pipelines",
        "readme",
    )
}


# --- reading imports from source ----------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """One imported module or name, as ``module`` or ``module.name``."""

    module: str  # what stands after "import", or after "from"
    name: str | None  # what stands after "from ... import"
    line: int
    at_import_time: bool  # runs when the module is imported
    relative: bool = False

    @property
    def path(self) -> str:
        return self.module if self.name is None else f"{self.module}.{self.name}"


def imports_of(source: str) -> list[Import]:
    """All imports of a source text, those inside functions included."""
    return list(_walk(ast.parse(source), at_import_time=True))


def _walk(node: ast.AST, at_import_time: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, None, child.lineno, at_import_time)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                module = child.module or ""
                yield Import(module, alias.name, child.lineno, at_import_time, child.level > 0)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _walk(child, at_import_time=False)
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            yield from _walk(ast.Module(child.body, []), at_import_time=False)
            yield from _walk(ast.Module(child.orelse, []), at_import_time)
        else:
            yield from _walk(child, at_import_time)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def part_of(path: str) -> str:
    """The part of the package that a dotted path lies in: skfactor._kernels.ranks -> _kernels."""
    pieces = path.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def _belongs(path: str, prefixes: set[str]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}.") for prefix in prefixes)


# --- the rules, each a list of complaints about one module --------------------------------------


def floor_complaints(module: str, source: str) -> list[str]:
    """Imports from a higher floor, or of a part that has no floor."""
    complaints = []
    own = part_of(module)
    for each in imports_of(source):
        if each.path.split(".")[0] != PACKAGE:
            continue
        part = part_of(each.path)
        if part not in FLOORS:
            complaints.append(f"{module}:{each.line} imports {each.path}, which has no floor")
        elif FLOORS[part] > FLOORS[own]:
            complaints.append(f"{module}:{each.line} imports {each.path} from a higher floor")
    return complaints


def kernel_complaints(module: str, source: str) -> list[str]:
    """Imports of a kernel other than NumPy, SciPy, the standard library and its own floor."""
    return [
        f"{module}:{each.line} imports {each.path}: a kernel knows arrays only"
        for each in imports_of(source)
        if not _belongs(each.path, KERNEL_IMPORTS)
    ]


def optional_complaints(module: str, source: str) -> list[str]:
    """Optional libraries imported when the module is."""
    return [
        f"{module}:{each.line} imports {each.path}, which is optional, outside a function"
        for each in imports_of(source)
        if each.at_import_time and each.module.split(".")[0] in OPTIONAL
    ]


def private_sklearn_complaints(module: str, source: str) -> list[str]:
    """Private names of scikit-learn anywhere but in the one file for them."""
    if module == f"{PACKAGE}._sklearn":
        return []
    return [
        f"{module}:{each.line} imports {each.path}, a private name; _sklearn.py is for those"
        for each in imports_of(source)
        if each.path.split(".")[0] == "sklearn"
        and any(piece.startswith("_") for piece in each.path.split("."))
    ]


def relative_complaints(module: str, source: str) -> list[str]:
    """Relative imports."""
    return [
        f"{module}:{each.line} imports relatively" for each in imports_of(source) if each.relative
    ]


def import_graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Modules of the package that each module imports when it is imported itself."""
    graph: dict[str, set[str]] = {module: set() for module in sources}
    for module, source in sources.items():
        for each in imports_of(source):
            if not each.at_import_time:
                continue
            for path in (each.path, each.module):
                if path in sources and path != module:
                    graph[module].add(path)
                    break
    return graph


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or an empty list."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


RULES = [
    floor_complaints,
    optional_complaints,
    private_sklearn_complaints,
    relative_complaints,
]


# --- the source ---------------------------------------------------------------------------------


def _module_name(file: Path) -> str:
    pieces = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(pieces[:-1] if pieces[-1] == "__init__" else pieces)


SOURCES = {
    _module_name(file): file.read_text(encoding="utf-8")
    for file in sorted((ROOT / PACKAGE).rglob("*.py"))
}
KERNELS = {name: text for name, text in SOURCES.items() if part_of(name) == "_kernels"}


def test_the_source_is_found():
    assert {"skfactor", "skfactor._kernels.moments", "skfactor.preprocessing"} <= set(SOURCES)
    assert len(KERNELS) > 5


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("module", SOURCES)
def test_source_follows_the_rule(module, rule):
    assert rule(module, SOURCES[module]) == []


@pytest.mark.parametrize("module", KERNELS)
def test_kernel_imports_only_numpy_scipy_and_kernels(module):
    assert kernel_complaints(module, KERNELS[module]) == []


def test_every_part_of_the_package_has_a_floor():
    assert {part_of(module) for module in SOURCES} <= set(FLOORS)


def test_no_modules_import_each_other_in_a_circle():
    assert find_cycle(import_graph(SOURCES)) == []


# --- public names -------------------------------------------------------------------------------

PUBLIC_MODULES = [
    name for name in SOURCES if not any(piece.startswith("_") for piece in name.split("."))
]
PUBLIC_NAMES = sorted(
    {
        (documented.__module__, name)
        for module in map(import_module, PUBLIC_MODULES)
        for name in getattr(module, "__all__", [])
        if callable(documented := getattr(module, name))
    }
)


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_public_module_says_which_names_are_public(module):
    names = import_module(module).__all__
    assert list(names) == sorted(names)
    assert all(hasattr(import_module(module), name) for name in names)


def lacks_examples(documented: object) -> bool:
    """Whether an object's own docstring has no Examples section with a doctest in it."""
    lines = inspect.cleandoc(getattr(documented, "__doc__", None) or "").splitlines()
    if "Examples" not in lines:
        return True
    start = lines.index("Examples")
    underlined = lines[start + 1 : start + 2] == ["-" * len("Examples")]
    return not (underlined and any(line.startswith(">>> ") for line in lines[start + 2 :]))


@pytest.mark.parametrize(("module", "name"), PUBLIC_NAMES)
def test_public_name_has_an_example(module, name):
    documented = getattr(import_module(module), name)
    # Warnings are documented where they arise; a doctest of one would show nothing.
    if inspect.isclass(documented) and issubclass(documented, Warning):
        assert documented.__doc__
    else:
        assert not lacks_examples(documented)


# --- tests mirror the source --------------------------------------------------------------------


def mirrored_by(test: Path) -> list[Path]:
    """Source files, relative to the package, that a test file may stand for.

    A form of the data may have a file of its own: test_fama_macbeth_wide stands for fama_macbeth.
    Examples are beside the package, under the same path.
    """
    name = test.name.removeprefix("test_").replace("_wide.py", ".py")
    folder = Path(*("_kernels" if part == "kernels" else part for part in test.parts[:-1]))
    return [folder / name, folder / f"_{name}", folder / Path(name).stem / "__init__.py"]


TEST_FILES = sorted(
    file.relative_to(ROOT / "tests")
    for file in (ROOT / "tests").rglob("test_*.py")
    if file.name not in WHOLE
)


@pytest.mark.parametrize("test", TEST_FILES, ids=str)
def test_test_file_mirrors_a_source_file(test):
    roots = (ROOT / PACKAGE, ROOT)
    assert any((root / source).exists() for root in roots for source in mirrored_by(test))


def test_every_kernel_has_a_test_file():
    tested = {source for test in TEST_FILES for source in mirrored_by(test)}
    kernels = {
        Path("_kernels", f"{name.split('.')[2]}.py") for name in KERNELS if name.count(".") == 2
    }
    assert kernels - tested == set()


# --- the rules themselves can fail --------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (floor_complaints, "skfactor._panel", "from skfactor.preprocessing import Winsorizer"),
        (floor_complaints, "skfactor._typing", "import skfactor._kernels.moments"),
        (floor_complaints, "skfactor.inference.grs", "from skfactor import FamaMacBeth"),
        (floor_complaints, "skfactor._panel", "def f():\n    from skfactor import linear_model"),
        (floor_complaints, "skfactor._panel", "from skfactor.helpers import f"),
        (kernel_complaints, "skfactor._kernels.ranks", "import pandas as pd"),
        (kernel_complaints, "skfactor._kernels.ranks", "from sklearn.utils import check_array"),
        (kernel_complaints, "skfactor._kernels.ranks", "from skfactor._panel import Labels"),
        (kernel_complaints, "skfactor._kernels.ranks", "def f():\n    import pandas"),
        (optional_complaints, "skfactor._base", "import polars as pl"),
        (optional_complaints, "skfactor._base", "from matplotlib import pyplot"),
        (optional_complaints, "skfactor._base", "try:\n    import rich\nexcept ImportError: ..."),
        (optional_complaints, "skfactor._base", "class A:\n    import dask.dataframe"),
        (private_sklearn_complaints, "skfactor._base", "from sklearn.base import _fit_context"),
        (private_sklearn_complaints, "skfactor._base", "import sklearn.utils._set_output"),
        (private_sklearn_complaints, "skfactor._base", "from sklearn.utils import _tags"),
        (relative_complaints, "skfactor._base", "from . import _panel"),
        (relative_complaints, "skfactor._base", "from ._panel import Panel"),
    ],
)
def test_rule_notices_a_violation(rule, module, source):
    assert len(rule(module, source)) == 1


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (floor_complaints, "skfactor.preprocessing._ranker", "from skfactor._panel import Panel"),
        (floor_complaints, "skfactor.linear_model._gmm", "import skfactor.inference as i"),
        (floor_complaints, "skfactor.inference._grs", "import statsmodels.api"),
        (kernel_complaints, "skfactor._kernels.ranks", "import numpy.typing\nimport scipy.linalg"),
        (kernel_complaints, "skfactor._kernels.ranks", "from __future__ import annotations"),
        (kernel_complaints, "skfactor._kernels.ranks", "from skfactor._kernels import segments"),
        (optional_complaints, "skfactor._base", "def f():\n    import polars"),
        (optional_complaints, "skfactor._base", "if TYPE_CHECKING:\n    import polars"),
        (optional_complaints, "skfactor.distributed", "from skfactor.distributed import fit"),
        (private_sklearn_complaints, "skfactor._sklearn", "from sklearn.base import _fit_context"),
        (private_sklearn_complaints, "skfactor._base", "from skfactor._sklearn import Interval"),
        (relative_complaints, "skfactor._base", "from skfactor._panel import Panel"),
    ],
)
def test_rule_lets_good_source_pass(rule, module, source):
    assert rule(module, source) == []


def test_a_circle_of_imports_is_noticed():
    sources = {
        "skfactor.a": "from skfactor.b import f",
        "skfactor.b": "from skfactor import c",
        "skfactor.c": "import skfactor.a",
    }
    assert set(find_cycle(import_graph(sources))) == set(sources)


@pytest.mark.parametrize(
    "guarded", ["def f():\n    import skfactor.a", "if TYPE_CHECKING:\n    import skfactor.a"]
)
def test_an_import_that_does_not_run_makes_no_circle(guarded):
    assert (
        find_cycle(import_graph({"skfactor.a": "import skfactor.b", "skfactor.b": guarded})) == []
    )


@pytest.mark.parametrize(
    "docstring",
    [
        None,
        "Sort.",
        "Sort.\n\n    Examples\n    --------\n    None yet.\n    ",
        "Sort.\n\n    Examples:\n    >>> sort()\n    ",
    ],
)
def test_a_docstring_without_examples_is_noticed(docstring):
    def sort():
        return None

    sort.__doc__ = docstring
    assert lacks_examples(sort)


@pytest.mark.parametrize(
    ("test", "source"),
    [
        ("kernels/test_ranks.py", "_kernels/ranks.py"),
        ("preprocessing/test_winsorizer.py", "preprocessing/_winsorizer.py"),
        ("test_panel.py", "_panel.py"),
        ("test_metrics.py", "metrics/__init__.py"),
    ],
)
def test_the_mirror_of_a_test_file(test, source):
    assert Path(source) in mirrored_by(Path(test))

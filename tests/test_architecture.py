"""The house rules, read from the source: who may import whom, docstrings, mirrors."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

PACKAGE = "skfactor"
ROOT = Path(__file__).parents[1]
# The parts of the package, each a module or a subpackage right below it, and what each may import
# from beside itself.
ARRAYS = "_typing exceptions _kernels _definite _collinear"
ROWS = (
    f"{ARRAYS} _results _warn _limits _dates _calendar _spans _panel _groups _undated _validation "
    "_sklearn"
)
FITS = (
    f"{ROWS} _known_targets _fitting _per_date _base _passes _risk_model _fitted preprocessing "
    "inference"
)
MAY_IMPORT = {
    part: set(others.split())
    for part, others in {
        # Aliases of arrays, warnings, formulas on arrays (NumPy and SciPy only), inverses.
        "_typing": "",
        "exceptions": "",
        "_warn": "exceptions",
        "_results": "",
        "_limits": "_typing exceptions",
        "_kernels": "_typing",
        "_definite": "_typing _kernels",
        "_collinear": "_typing _kernels",
        "_formula_text": "exceptions",
        # What is a date, and how dates of several inputs match; private names of scikit-learn; who
        # is on which date; numbers or a clear error; how a fit runs.
        "_dates": "_typing exceptions",
        "_calendar": "_typing exceptions _dates",
        "_spans": "_typing exceptions _dates _calendar",
        "_sklearn": "_typing exceptions _kernels",
        "_known_targets": "_typing _sklearn",
        "_panel": "_typing exceptions _kernels _warn _limits _dates _calendar",
        "_groups": "_typing _dates _panel",
        "_undated": "_typing exceptions _warn _dates",
        "_validation": (
            "_typing exceptions _kernels _warn _limits _dates _calendar _panel _undated _sklearn"
        ),
        "_fitting": ROWS,
        # Fit and transform of the transformers; the records in which a fit or a risk model is
        # handed to whoever asks.
        "_per_date": ROWS,
        "_base": f"{ROWS} _fitting _per_date",
        "_passes": f"{ROWS} _fitting",
        "_risk_model": ROWS,
        "_fitted": "_risk_model",
        # From prices to panels; data; transformers; errors and tests; forecasts scored; premia and
        # latent factors estimated.
        "frames": ROWS,
        "datasets": ROWS,
        "preprocessing": f"{ROWS} _fitting _per_date _base",
        "inference": f"{ROWS} _fitting _fitted _passes",
        "metrics": f"{ROWS} _fitting _fitted inference",
        "decomposition": FITS,
        "linear_model": f"{FITS} decomposition",
        # Risk of portfolios; sorts, positions, hedges and attribution; splits by date, predictions
        # out of sample, the leak test.
        "risk": f"{FITS} linear_model decomposition",
        "portfolios": f"{FITS} linear_model decomposition risk",
        "model_selection": f"{FITS} linear_model decomposition metrics",
        # What shows fitted models, writes them down, and spreads them over machines.
        "plotting": f"{FITS} linear_model decomposition metrics portfolios risk model_selection",
        "summary": f"{FITS} linear_model decomposition metrics portfolios risk model_selection",
        "formula": f"{ROWS} _fitting _per_date _base _formula_text linear_model",
        "distributed": f"{FITS} datasets linear_model decomposition metrics model_selection",
        "report": f"{FITS} linear_model metrics portfolios risk plotting summary",
        "__init__": f"{FITS} linear_model decomposition risk portfolios model_selection formula",
    }.items()
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
    "arch",
    "skfolio",
    "cvx",
    "cvxpy",
    "pypfopt",
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
        "fuzz",
        "metadata_routing",
        "html",
        "lags",
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


@cache
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


def part_complaints(module: str, source: str) -> list[str]:
    """Imports from a part of the package that the table does not name."""
    own = part_of(module)
    return [
        f"{module}:{each.line} imports {each.path}, which MAY_IMPORT does not name for {own}"
        for each in imports_of(source)
        if each.path.split(".")[0] == PACKAGE and part_of(each.path) not in MAY_IMPORT[own] | {own}
    ]


def kernel_complaints(module: str, source: str) -> list[str]:
    """Imports of a kernel other than NumPy, SciPy, the standard library and other kernels."""
    if part_of(module) != "_kernels":
        return []
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


def rounding_complaints(module: str, source: str) -> list[str]:
    """Thresholds of rounding that a module keeps for itself."""
    if module in {f"{PACKAGE}._kernels.rounding", f"{PACKAGE}._kernels.weighted_chi2"}:
        return []  # the place for them, and the grid of an integral
    return [
        f"{module}:{node.lineno} keeps a threshold; _kernels/rounding.py is for those"
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, float)
        if 0.0 < each.value <= 1e-4
    ]


def private_complaints(module: str, source: str) -> list[str]:
    """Private attributes of other objects than self, but for those of a class of the module."""
    if module == f"{PACKAGE}._sklearn":
        return []  # the place for those of scikit-learn
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    own |= {
        node.target.id
        for node in nodes
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    read = [
        (node.lineno, ast.unparse(node.value), node.attr)
        for node in nodes
        if isinstance(node, ast.Attribute)
    ]
    read += [
        (node.lineno, ast.unparse(node.args[0]), node.args[1].value)
        for node in nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"getattr", "hasattr", "setattr"}
        if isinstance(node.args[1], ast.Constant)
    ]
    return [
        f"{module}:{line} reads {name} of {whose}, which is private"
        for line, whose, name in read
        if name.startswith("_") and not name.startswith("__")
        if whose not in {"self", "cls", "super()"} and name not in own
    ]


def warning_complaints(module: str, source: str) -> list[str]:
    """`warnings.catch_warnings` and filters: they are those of all threads of the process."""
    if module == f"{PACKAGE}._limits":
        return []  # where a filter is set once and asks which thread it is in
    return [
        f"{module}:{node.lineno} has {name}; use muted or with_warnings, which know their thread"
        for node in ast.walk(ast.parse(source))
        for name in (getattr(node, "attr", ""), getattr(node, "id", ""))
        if name in {"catch_warnings", "simplefilter", "filterwarnings"}
    ]


# What checkers are told to pass over, and what follows on it.
EXCEPTION = re.compile(r"#\s*(?:type: ignore(?:\[[\w,-]*\])?|noqa(?:: *[A-Z]+\d+)*)(?P<why>.*)")


def exception_complaints(module: str, source: str) -> list[str]:
    """Exceptions from lint and types without a reason behind them, or in the comment above."""
    complaints, explained = [], False
    for number, line in enumerate(source.splitlines(), 1):
        found = EXCEPTION.search(line)
        if found:  # of several in a row the first one says it
            explained = explained or bool(re.search(r"[a-z]{2}", found["why"]))
            if not explained:
                complaints.append(f"{module}:{number} has an exception without a reason")
        else:
            explained = line.lstrip().startswith("# ")
    return complaints


def n_names(name: str, source: str) -> int:
    """How often a name stands in the code."""
    return sum(isinstance(x, ast.Name) and x.id == name for x in ast.walk(ast.parse(source)))


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
    part_complaints,
    kernel_complaints,
    optional_complaints,
    private_sklearn_complaints,
    relative_complaints,
    rounding_complaints,
    private_complaints,
    warning_complaints,
    exception_complaints,
]
# Fewer places than this have no type.
MOST_ANY = 390


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


def test_the_source_follows_the_rules():
    assert [
        complaint
        for module, source in SOURCES.items()
        for rule in RULES
        for complaint in rule(module, source)
    ] == []


def test_few_places_have_no_type():
    assert n_names("Any", "x: Any = f(Any, 'Any')  # Any") == 2
    assert sum(n_names("Any", source) for source in SOURCES.values()) < MOST_ANY


def test_the_table_has_every_part_and_no_circle():
    assert {part_of(module) for module in SOURCES} <= set(MAY_IMPORT)
    assert set().union(*MAY_IMPORT.values()) <= set(MAY_IMPORT)
    assert find_cycle(MAY_IMPORT) == []


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


def test_public_modules_say_which_names_are_public():
    for module in PUBLIC_MODULES:
        names = import_module(module).__all__
        assert list(names) == sorted(names), module
        assert all(hasattr(import_module(module), name) for name in names), module


def lacks_examples(documented: object) -> bool:
    """Whether an object's own docstring has no Examples section with a doctest in it."""
    lines = inspect.cleandoc(getattr(documented, "__doc__", None) or "").splitlines()
    if "Examples" not in lines:
        return True
    start = lines.index("Examples")
    underlined = lines[start + 1 : start + 2] == ["-" * len("Examples")]
    return not (underlined and any(line.startswith(">>> ") for line in lines[start + 2 :]))


def test_public_names_have_examples():
    for module, name in PUBLIC_NAMES:
        documented = getattr(import_module(module), name)
        # Warnings are documented where they arise; a doctest of one would show nothing.
        if inspect.isclass(documented) and issubclass(documented, Warning):
            assert documented.__doc__, name
        else:
            assert not lacks_examples(documented), name


# --- tests mirror the source --------------------------------------------------------------------


# Private folders, by the names of those of their tests.
PRIVATE = {"kernels": "_kernels", "passes": "_passes"}


def mirrored_by(test: Path) -> list[Path]:
    """Source files, relative to the package, that a test file may stand for.

    A form of the data may have a file of its own: test_fama_macbeth_wide stands for fama_macbeth.
    Examples are beside the package, under the same path.
    """
    name = test.name.removeprefix("test_").replace("_wide.py", ".py")
    folder = Path(*(PRIVATE.get(part, part) for part in test.parts[:-1]))
    return [folder / name, folder / f"_{name}", folder / Path(name).stem / "__init__.py"]


TEST_FILES = sorted(
    file.relative_to(ROOT / "tests")
    for file in (ROOT / "tests").rglob("test_*.py")
    if file.name not in WHOLE
)


def test_test_files_mirror_source_files():
    for test in TEST_FILES:
        sources = [root / source for root in (ROOT / PACKAGE, ROOT) for source in mirrored_by(test)]
        assert any(source.exists() for source in sources), test


def test_every_kernel_has_a_test_file():
    tested = {source for test in TEST_FILES for source in mirrored_by(test)}
    kernels = {
        Path("_kernels", f"{name.split('.')[2]}.py") for name in KERNELS if name.count(".") == 2
    }
    assert kernels - tested == set()


# --- the rules themselves can fail --------------------------------------------------------------


def test_rules_notice_violations():
    for rule, module, source in [
        (part_complaints, "_panel", "from skfactor.preprocessing import Winsorizer"),
        (part_complaints, "_typing", "import skfactor._kernels.moments"),
        (part_complaints, "inference.grs", "from skfactor import FamaMacBeth"),
        (part_complaints, "inference.grs", "from skfactor._base import PanelTransformer"),
        (part_complaints, "_panel", "def f():\n    from skfactor import linear_model"),
        (part_complaints, "_panel", "from skfactor.helpers import f"),
        (kernel_complaints, "_kernels.ranks", "import pandas as pd"),
        (kernel_complaints, "_kernels.ranks", "from sklearn.utils import check_array"),
        (kernel_complaints, "_kernels.ranks", "from skfactor._panel import Labels"),
        (kernel_complaints, "_kernels.ranks", "def f():\n    import pandas"),
        (optional_complaints, "_base", "import polars as pl"),
        (optional_complaints, "_base", "from matplotlib import pyplot"),
        (optional_complaints, "_base", "try:\n    import rich\nexcept ImportError: ..."),
        (optional_complaints, "_base", "class A:\n    import dask.dataframe"),
        (private_sklearn_complaints, "_base", "from sklearn.base import _fit_context"),
        (private_sklearn_complaints, "_base", "import sklearn.utils._set_output"),
        (private_sklearn_complaints, "_base", "from sklearn.utils import _tags"),
        (relative_complaints, "_base", "from . import _panel"),
        (relative_complaints, "_base", "from ._panel import Panel"),
        (rounding_complaints, "inference._grs", "_TINY: float = 4.0 * 1e-13"),
        (private_complaints, "inference._grs", "model._factors"),
        (private_complaints, "inference._grs", "self.first_pass_._factors"),
        (private_complaints, "inference._grs", "getattr(model, '_factors', None)"),
        (private_complaints, "inference._grs", "FamaMacBeth._parameter_constraints"),
        (warning_complaints, "summary", "with warnings.catch_warnings(record=True): f()"),
        (warning_complaints, "summary", "from warnings import simplefilter\nsimplefilter('error')"),
        (exception_complaints, "_base", "x = f()  # type: ignore[arg-type]"),
        (exception_complaints, "_base", "# Why.\ny = 1\nx = f()  # noqa: E731"),
    ]:
        assert len(rule(f"{PACKAGE}.{module}", source)) == 1, source


def test_rules_let_good_source_pass():
    for rule, module, source in [
        (part_complaints, "preprocessing._ranker", "from skfactor._panel import Panel"),
        (part_complaints, "linear_model._gmm", "import skfactor.inference as i"),
        (part_complaints, "inference._grs", "from skfactor.inference._rank import f"),
        (part_complaints, "inference._grs", "import statsmodels.api"),
        (kernel_complaints, "_kernels.ranks", "import numpy.typing\nimport scipy.linalg"),
        (kernel_complaints, "_kernels.ranks", "from __future__ import annotations"),
        (kernel_complaints, "_kernels.ranks", "from skfactor._kernels import segments"),
        (kernel_complaints, "_base", "import pandas as pd"),
        (optional_complaints, "_base", "def f():\n    import polars"),
        (optional_complaints, "_base", "if TYPE_CHECKING:\n    import polars"),
        (optional_complaints, "distributed", "from skfactor.distributed import fit"),
        (private_sklearn_complaints, "_sklearn", "from sklearn.base import _fit_context"),
        (private_sklearn_complaints, "_base", "from skfactor._sklearn import Interval"),
        (relative_complaints, "_base", "from skfactor._panel import Panel"),
        (rounding_complaints, "inference._grs", "_SHARE = 0.05\nx = EPSILON"),
        (rounding_complaints, "_kernels.rounding", "_TINY = 1e-13"),
        (private_complaints, "inference._grs", "self._x + cls._x + super()._x + x.__dict__ + x.y_"),
        (private_complaints, "_panel", "def _f(self): ...\nother._f()"),
        (private_complaints, "_panel", "class A:\n    _x: int\nother._x"),
        (private_complaints, "_sklearn", "estimator._skl_callbacks"),
        (exception_complaints, "_base", "x = f()  # type: ignore[arg-type]  # checked before"),
        (exception_complaints, "_base", "# Why.\nx = f()  # noqa: E731"),
        (exception_complaints, "_base", "a  # noqa: N802 -- why\nb  # noqa: N802"),
    ]:
        assert rule(f"{PACKAGE}.{module}", source) == [], source


def test_a_circle_of_imports_is_noticed():
    sources = {
        "skfactor.a": "from skfactor.b import f",
        "skfactor.b": "from skfactor import c",
        "skfactor.c": "import skfactor.a",
    }
    assert set(find_cycle(import_graph(sources))) == set(sources)


def test_an_import_that_does_not_run_makes_no_circle():
    for guarded in ["def f():\n    import skfactor.a", "if TYPE_CHECKING:\n    import skfactor.a"]:
        sources = {"skfactor.a": "import skfactor.b", "skfactor.b": guarded}
        assert find_cycle(import_graph(sources)) == []


def test_a_docstring_without_examples_is_noticed():
    def sort():
        return None

    for docstring in [
        None,
        "Sort.",
        "Sort.\n\n    Examples\n    --------\n    None yet.\n    ",
        "Sort.\n\n    Examples:\n    >>> sort()\n    ",
    ]:
        sort.__doc__ = docstring
        assert lacks_examples(sort)


def test_the_mirror_of_a_test_file():
    for test, source in [
        ("kernels/test_ranks.py", "_kernels/ranks.py"),
        ("preprocessing/test_winsorizer.py", "preprocessing/_winsorizer.py"),
        ("test_panel.py", "_panel.py"),
        ("test_metrics.py", "metrics/__init__.py"),
    ]:
        assert Path(source) in mirrored_by(Path(test))

"""Public names with what nobody expects: only documented errors leave them, nothing is changed.

Entry points are found from the public names, arguments by their names, so new ones are fuzzed too.
``SKFACTOR_FUZZ_SECONDS=600 python -m pytest tests/test_fuzz.py -m slow -s`` runs it longer.
"""

from __future__ import annotations

import inspect
import linecache
import os
import pickle
import pkgutil
import signal
import time
import traceback
import warnings
from collections import Counter
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

import skfactor
from skfactor import (
    BiasCorrectedFamaMacBeth,
    FactorBetas,
    FactorZScorer,
    FamaMacBeth,
    LinearFactorGMM,
    RidgeFamaMacBeth,
    TradedFactorModel,
)
from skfactor.datasets import make_panel, make_two_pass
from skfactor.exceptions import LookaheadError
from skfactor.formula import FormulaRegressor

# What is not called, and why.
LEFT_OUT = {
    "fetch_french": "asks a server; tests/datasets/test_french_library.py attacks it",
    "fetch_french_tables": "asks a server",
    "skfactor.distributed": "starts a scheduler for each call",
    "skfolio_prior": "needs a package that the tests do not",
    "cvxrisk_model": "needs a package that the tests do not",
    "skfactor.plotting": "draws, which takes seconds",
}
# Methods of every estimator that are scikit-learn's own.
SCIKIT_LEARNS = {name for name in dir(BaseEstimator) if not name.startswith("_")} | {
    "get_metadata_routing",
    "set_output",
    "set_callbacks",
}
MOST_SECONDS = 30.0  # of a processor, for one call
DOCUMENTED = (ValueError, TypeError, AttributeError, OSError, LookaheadError)

X, Y = make_panel(n_dates=8, n_assets=12, n_features=3, random_state=0, return_X_y=True)
F, R = make_two_pass(n_periods=40, n_assets=6, n_factors=2, random_state=0, return_X_y=True)
FORECASTS = Y + 0.01 * np.random.default_rng(0).normal(size=len(Y))
SECTORS = np.where(np.arange(len(X)) % 3, "a", "b")
SCALARS = [0, 1, -1, 2, 3, 0.5, 1.5, -0.0, 5e-324, 1e-300, 1e300, np.inf, -np.inf, np.nan, None]
SCALARS += [True, "", "foo", "auto", "x1", [], {}, (), [0], ["x1"], object(), np.array(1.0), b""]
SCALARS += [np.arange(3), pd.NaT, pd.Timestamp("2010-01-31"), pd.Series(dtype=float), 1j, 10**30]


def _models():
    return [
        FamaMacBeth().fit(X, Y),
        FamaMacBeth().fit(F, R),
        FamaMacBeth(betas=FactorBetas(window=20)).fit(F, R),
        RidgeFamaMacBeth().fit(X, Y),
        BiasCorrectedFamaMacBeth(min_reliability=0.0).fit(F, R),
        TradedFactorModel().fit(F, R),
        LinearFactorGMM().fit(F, R),
        FactorBetas().fit(F, R),
        FormulaRegressor("x1 + x2", FamaMacBeth()).fit(X, Y),
        make_pipeline(FactorZScorer(), FamaMacBeth()).fit(X, Y),
        FamaMacBeth().fit(_zoned(X), _zoned(Y)),
        FactorBetas().fit(_zoned(F), _zoned(R)),
    ]


def _zoned(data):
    zoned = data.index.get_level_values(0).to_timestamp().tz_localize("Europe/Berlin")
    if data.index.nlevels > 1:
        both = [zoned, data.index.get_level_values(1)]
        zoned = pd.MultiIndex.from_arrays(both, names=data.index.names)
    return data.set_axis(zoned)


def panels():
    return [X, Y.to_frame("y"), X.to_numpy(), F, R, X[["x1"]], _zoned(X), X.reset_index(drop=True)]


def series():
    return [Y, FORECASTS, Y.to_numpy(), R, R.iloc[:, 0], R.to_numpy(), F.iloc[:, 0], _zoned(Y)]


# What suits a parameter of a name; anything else takes a scalar.
SUITING = {
    "X factors exposures characteristics prices frames factor_returns": panels,
    "y y_true y_pred returns expected_returns labels series risk_free": series,
    "weights sample_weight": series,
    "dates": lambda: [X.index.get_level_values(0), X.index.get_level_values(0).to_timestamp(), 1],
    "assets": lambda: [X.index.get_level_values(1), np.arange(len(X))],
    "groupby groups": lambda: [SECTORS, pd.Categorical(SECTORS), np.arange(len(X)) % 4],
    "universe": lambda: [np.arange(len(X)) % 2 == 0],
    "index": lambda: [X.index, F.index],
    "sets": lambda: [{"a": ["x1"], "b": ["x1", "x2"]}, {"a": list(F.columns)}],
    "formula": lambda: ["x1 + x2", "x1", "y ~ x1"],
    "regressor estimator": lambda: [FamaMacBeth(), LinearRegression(), FactorZScorer()],
    "models": lambda: [
        [FamaMacBeth().fit(X, Y)],
        [FamaMacBeth().fit(_zoned(X), _zoned(Y)), FamaMacBeth().fit(F, R)],
        {"a": FactorBetas().fit(F, R), "b": FactorBetas().fit(_zoned(F), _zoned(R))},
    ],
}
SUITING = {name: make for names, make in SUITING.items() for name in names.split()}


def damaged(data, rng):
    """Data with one thing wrong with it, or a little of it, or in another container."""
    if not hasattr(data, "shape") or not data.shape or len(data) < 2:
        return data
    n, frame = len(data), isinstance(data, pd.DataFrame | pd.Series)
    numeric = np.issubdtype(np.asarray(data).dtype, np.floating)
    kind = rng.integers(14)
    if kind == 0:
        return data[:0]
    if kind == 1:
        return data[:1]
    if kind == 2:
        return data[: n // 2]
    if kind == 3:
        return data.iloc[rng.permutation(n)] if frame else data[rng.permutation(n)]
    if kind == 4 and numeric:
        return data * 10.0 ** rng.choice([-200, -160, 12, 155, 200, 300])
    if kind == 5 and numeric:
        return data * np.nan
    if kind == 6 and numeric:
        return data * 0.0
    if kind == 7 and numeric and frame:
        return data.where(rng.random(data.shape) < rng.choice([0.1, 0.5, 0.9]))
    if kind == 8 and numeric and frame and data.ndim == 2:
        scale = np.ones(data.shape[1])
        scale[0] = 1e12
        return data * scale
    if kind == 9 and frame:
        return data.astype(object)
    if kind == 10 and frame and numeric:
        return data.astype(pd.SparseDtype(np.float64))
    if kind == 11 and frame:
        return data.astype("Float64") if numeric else data
    if kind == 12 and frame:
        return pd.concat([data, data[:3]])
    if kind == 13 and frame and isinstance(data.index, pd.MultiIndex):
        return data.xs(data.index[0][0], level=0, drop_level=False)
    return np.asarray(data)


def entry_points():
    """Public functions and classes by their names."""
    found = {}
    for module in pkgutil.walk_packages(skfactor.__path__, "skfactor."):
        if "._" in module.name or module.name in LEFT_OUT or module.name == "skfactor.exceptions":
            continue
        members = import_module(module.name)
        for name in getattr(members, "__all__", []):
            if name not in LEFT_OUT and not name.startswith("load_"):
                found[name] = getattr(members, name)
    found.update({name: getattr(skfactor, name) for name in skfactor.__all__ if name[0].isupper()})
    return found


def methods_of(thing):
    """Public methods with names, unless they are scikit-learn's or pandas' own."""
    names = [name for name in dir(type(thing)) if not name.startswith("_")]
    for name in names:
        raw = inspect.getattr_static(type(thing), name)
        if name in SCIKIT_LEARNS or isinstance(raw, property) or name.endswith("_request"):
            continue
        try:
            method = getattr(thing, name)
        except AttributeError:
            continue
        module = getattr(inspect.unwrap(method), "__module__", "") if callable(method) else ""
        if (module or "").startswith("skfactor"):
            yield name, method


def models_in(value):
    """Estimators among arguments, in their lists and dicts too."""
    if isinstance(value, BaseEstimator):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from models_in(part)


class TooLong(BaseException):
    """A call that does not end."""


def _too_long(*_):
    raise TooLong


class Fuzzer:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.points = entry_points()
        self.models = _models()
        self.calls, self.faults, self.outcomes = Counter(), {}, Counter()
        self.folder = TemporaryDirectory()
        file = Path(self.folder.name, "panel.parquet")
        X.assign(y=Y).to_parquet(file)
        self.paths = [file, str(file), Path(self.folder.name), Path(self.folder.name, "no")]

    def argument(self, name, default):
        rng = self.rng
        if name == "model" or (name == "estimator" and rng.random() < 0.3):
            chosen = self.models[rng.integers(len(self.models))]
            return chosen if rng.random() < 0.9 else clone(chosen)
        if name == "path":
            return self.paths[rng.integers(len(self.paths))]
        if name in SUITING and rng.random() < 0.93:
            pool = SUITING[name]()
            first = rng.random() < 0.4
            chosen = pool[0 if first else rng.integers(len(pool))]
            return damaged(chosen, rng) if rng.random() < 0.35 else chosen
        if isinstance(default, str) and rng.random() < 0.3:
            return default + "x"
        return SCALARS[rng.integers(len(SCALARS))]

    def arguments(self, function, rate):
        """Arguments of a call; those that have a default at a rate."""
        given = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
                continue
            required = parameter.default is parameter.empty
            if required or self.rng.random() < rate:
                given[name] = self.argument(name, parameter.default)
        return given

    def attempt(self, point, function, rate=0.15):
        """Call it; count what happens, and keep what should not."""
        given = self.arguments(function, rate)
        read = list(models_in(given))
        before = [pickle.dumps(model) for model in read]
        state = np.geterr()
        self.calls[point] += 1
        result = None
        try:
            signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
            result = function(**given)
            if inspect.isgenerator(result):
                result = next(result, None)
            self.outcomes["results"] += 1
        except (Exception, TooLong) as error:  # noqa: BLE001 - each is looked at
            complaint = undocumented(error)
            self.outcomes["faults" if complaint else "documented errors"] += 1
            if complaint:
                self.report(point, complaint, given, error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
        if np.geterr() != state:
            self.report(point, "changes the error state of NumPy", given, None)
        if [pickle.dumps(model) for model in read] != before:
            self.report(point, "changes a model that it reads", given, None)
        return result

    def report(self, point, complaint, given, error):
        where = traceback.format_exception(error)[-6:] if error else []
        self.faults.setdefault(
            (point, complaint), f"{point}: {complaint}\n{given}\n{''.join(where)}"
        )

    def step(self):
        names = sorted(self.points)
        name = names[self.rng.integers(len(names))]
        function = self.points[name]
        rate = self.rng.choice([0.0, 0.1, 0.3])
        if inspect.isclass(function) and issubclass(function, pd.DataFrame):
            return
        if (
            inspect.isclass(function)
            and not hasattr(function, "fit")
            and not hasattr(function, "split")
        ):
            return  # results, which functions make
        thing = self.attempt(name, function, rate)
        if thing is None:
            return
        if hasattr(thing, "fit"):
            self.attempt(f"{name}.fit", thing.fit, rate)
        for method, bound in methods_of(thing):
            if self.rng.random() < 0.4:
                self.attempt(f"{name}.{method}", bound, rate)

    def summary(self):
        points, calls = len(self.calls), sum(self.calls.values())
        counts = ", ".join(f"{n} {what}" for what, n in sorted(self.outcomes.items()))
        return (
            f"{calls} calls of {points} entry points: {counts}; {len(self.faults)} kinds of faults"
        )


def undocumented(error):
    """What is wrong with an error, or nothing: one of ours says itself what was found."""
    kind = type(error).__name__
    if not isinstance(error, DOCUMENTED):
        return f"{kind} at {_place(error)}"
    file, line = _place(error)
    # scikit-learn checks parameters and shapes in its own words, and joblib numbers of jobs.
    worded = any(f"/{name}/" in file for name in ("skfactor", "sklearn", "joblib"))
    if worded and linecache.getline(file, line).strip().startswith(("raise", "check_")):
        return ""
    return f"bare {kind} at {file}:{line}"


def _place(error):
    last = traceback.extract_tb(error.__traceback__)[-1]
    return last.filename, last.lineno


def run(seed, seconds, most):
    fuzzer = Fuzzer(seed)
    end = time.monotonic() + seconds
    handler = signal.signal(signal.SIGPROF, _too_long)
    with warnings.catch_warnings(), fuzzer.folder:
        warnings.simplefilter("ignore")  # of what is drawn at random most warns of something
        for _ in range(most):
            fuzzer.step()
            if time.monotonic() > end:
                break
    signal.signal(signal.SIGPROF, handler)
    print(fuzzer.summary())
    return fuzzer


def test_new_public_names_are_attacked_too():
    found = entry_points()
    assert {"FamaMacBeth", "ic", "iter_parquet", "premia_table", "long_short"} <= set(found)
    assert not set(found) & set(LEFT_OUT)


def test_what_nobody_expects_gives_documented_errors_and_changes_nothing():
    fuzzer = run(seed=16, seconds=60.0, most=60)
    assert len(fuzzer.calls) > 40
    assert not fuzzer.faults, "\n\n".join(fuzzer.faults.values())


@pytest.mark.slow
def test_and_so_do_many_more_calls():
    # As many calls on every machine, unless one asks for longer.
    asked = os.environ.get("SKFACTOR_FUZZ_SECONDS")
    seed = int(os.environ.get("SKFACTOR_FUZZ_SEED", "1"))
    fuzzer = run(seed=seed, seconds=float(asked or "inf"), most=10**9 if asked else 500)
    assert not fuzzer.faults, "\n\n".join(fuzzer.faults.values())

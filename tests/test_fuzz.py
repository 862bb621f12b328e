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
import re
import signal
import time
import traceback
import warnings
from collections import Counter
from contextlib import suppress
from functools import cache, cached_property, partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import ThreadpoolController

import skfactor
from skfactor import (
    BiasCorrectedFamaMacBeth,
    CrossSectionalTargetRegressor,
    FactorBetas,
    FactorInteractions,
    FactorNeutralizer,
    FactorZScorer,
    FamaMacBeth,
    FundamentalFactorModel,
    LinearFactorGMM,
    PooledRegression,
    RidgeFamaMacBeth,
    ShrinkageSDF,
    ThreePassPremia,
    TradedFactorModel,
)
from skfactor.datasets import make_panel, make_two_pass
from skfactor.decomposition import InstrumentedPCA, ReturnPCA, RiskPremiumPCA
from skfactor.exceptions import LookaheadError
from skfactor.formula import FormulaRegressor
from skfactor.metrics import evaluate_forecasts
from skfactor.model_selection import FactorSetSearchCV, WalkForwardSplit, walk_forward_predict
from skfactor.portfolios import PortfolioSorter
from skfactor.risk import EWMCovariance, FactorRiskModel, RiskModel, SpecificRisk

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
MACRO = X.assign(m=Y.groupby(level=0).transform("mean"))
FORECASTS = Y + 0.01 * np.random.default_rng(0).normal(size=len(Y))
SECTORS = np.where(np.arange(len(X)) % 3, "a", "b")
SCALARS = [0, 1, -1, 2, 3, 0.5, 1.5, -0.0, 5e-324, 1e-300, 1e300, np.inf, -np.inf, np.nan, None]
SCALARS += [True, "", "foo", "auto", "x1", [], {}, (), [0], ["x1"], object(), np.array(1.0), b""]
SCALARS += [np.arange(3), pd.NaT, pd.Timestamp("2010-01-31"), pd.Series(dtype=float), 1j, 10**30]


@cache
def pickled_models():
    """Fitted models of every kind, as bytes."""
    # That package sets a filter for its own warnings where it is imported.
    with suppress(ImportError):
        import_module("arch.bootstrap")
    few, groups = {"random_state": 0}, {"groupby": SECTORS}
    sets = {"max_size": 2, "cv": WalkForwardSplit(n_splits=2), "scoring": "rank_ic"}
    fitted = [
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
        PooledRegression().fit(X, Y),
        FundamentalFactorModel().fit(X, Y, **groups),
        FactorRiskModel(specific=SpecificRisk(20)).fit(X, Y, **groups),
        InstrumentedPCA().fit(X, Y),
        ReturnPCA(2).fit(R),
        RiskPremiumPCA(2).fit(R),
        ThreePassPremia(2).fit(F, R),
        ShrinkageSDF().fit(F),
        EWMCovariance(20, correlation_halflife=None, n_simulations=20, **few).fit(F),
        SpecificRisk(20).fit(R),
        FactorSetSearchCV(FamaMacBeth(), **sets).fit(X, Y),
        CrossSectionalTargetRegressor(LinearRegression(), FactorZScorer()).fit(X, Y),
        FactorNeutralizer(against=["x1"]).fit(X),
        FactorInteractions(["m"]).fit(MACRO),
        PortfolioSorter(2).fit(X),
    ]
    return [pickle.dumps(model) for model in fitted]


def _zoned(data):
    zoned = data.index.get_level_values(0).to_timestamp().tz_localize("Europe/Berlin")
    if data.index.nlevels > 1:
        both = [zoned, data.index.get_level_values(1)]
        zoned = pd.MultiIndex.from_arrays(both, names=data.index.names)
    return data.set_axis(zoned)


def panels():
    return [X, F, Y.to_frame("y"), X.to_numpy(), R, X[["x1"]], _zoned(X), X.reset_index(drop=True)]


def series():
    return [Y, R, FORECASTS, Y.to_numpy(), R.iloc[:, 0], R.to_numpy(), F.iloc[:, 0], _zoned(Y)]


def risk_models():
    whole = FactorBetas().fit(F, R).risk_model()
    bare = RiskModel(whole.exposures, whole.factor_covariance, whole.specific_variance)
    return [whole, bare, ReturnPCA(2).fit(R).risk_model()]


def accounts():
    assets = X.index.get_level_values(1).unique()
    ends = pd.to_datetime(["2008-12-31", "2009-12-31"])
    index = pd.MultiIndex.from_product([ends, assets], names=["date", "asset"])
    numbers = np.random.default_rng(0).normal(size=(len(index), 2))
    return [pd.DataFrame(numbers, index, ["book", "sales"])]


@cache
def _walk():
    return walk_forward_predict(FamaMacBeth(), X, Y, return_estimator=True)[1]


# What suits a parameter of a name, for a panel and for wide returns first; else it is a scalar.
SUITING = {
    "X factors exposures characteristics prices frames factor_returns df": panels,
    "y y_true y_pred returns expected_returns labels series risk_free residuals": series,
    "benchmark new factors_a factors_b": lambda: [F, F[["f1"]], F["f2"], R.iloc[:, :2]],
    "weights sample_weight": series,
    "dates": lambda: [X.index.get_level_values(0), X.index.get_level_values(0).to_timestamp(), 1],
    "assets": lambda: [X.index.get_level_values(1), np.arange(len(X))],
    "groupby groups": lambda: [SECTORS, pd.Categorical(SECTORS), np.arange(len(X)) % 4],
    "universe": lambda: [np.arange(len(X)) % 2 == 0],
    "index": lambda: [X.index, F.index],
    "accounts": accounts,
    "sets": lambda: [{"a": ["x1"], "b": ["x1", "x2"]}, {"a": list(F.columns)}],
    "formula": lambda: ["x1 + x2", "x1", "y ~ x1"],
    "regressor estimator": lambda: [FamaMacBeth(), LinearRegression(), FactorZScorer()],
    "forecasts": lambda: [{"a": FORECASTS, "b": -FORECASTS}, {"a": Y}],
    "evaluation": lambda: [evaluate_forecasts(Y, FORECASTS, n_quantiles=3)],
    "fits": lambda: [_walk()],
    "kind": lambda: [object(), type],
    "scoring": lambda: ["rank_ic", "r2_zero", "ic", "pricing_rmse"],
    "cv": lambda: [WalkForwardSplit(n_splits=2), 2],
    "inferences": lambda: [FamaMacBeth().fit(X, Y).inference()],
    "factor_covariance": lambda: [F.cov(), F.cov().to_numpy()],
    "specific_variance": lambda: [R.var(), R.var().to_numpy()],
    "feature": lambda: ["x1", 0],
    "models": lambda: [
        [FamaMacBeth().fit(X, Y)],
        [FamaMacBeth().fit(_zoned(X), _zoned(Y)), FamaMacBeth().fit(F, R)],
        dict(zip("abc", risk_models(), strict=True)),
        {"a": FactorBetas().fit(F, R), "b": FactorBetas().fit(_zoned(F), _zoned(R))},
    ],
}
SUITING = {name: make for names, make in SUITING.items() for name in names.split()}
# What may come as other keywords.
OPTIONS = {"n_draws": 19, "random_state": 0, "by": "asset", "block_length": 3.0, "lags": 2}


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
    if not type(thing).__module__.startswith("skfactor"):
        return
    names = [name for name in dir(type(thing)) if not name.startswith("_")]
    for name in names:
        raw = inspect.getattr_static(type(thing), name)
        if name in SCIKIT_LEARNS or name.endswith("_request"):
            continue
        if isinstance(raw, property | cached_property):
            yield name, partial(getattr, thing, name)
            continue
        try:
            method = getattr(thing, name)
        except AttributeError:
            continue
        module = getattr(inspect.unwrap(method), "__module__", "") if callable(method) else ""
        if (module or "").startswith("skfactor"):
            yield name, method


@cache
def texts_of(function):
    """Texts that its parameters take, by their names, as its documentation has them."""
    listed = re.findall(r"^(\w+) : \{(.*?)\}", inspect.getdoc(function) or "", re.M | re.S)
    return {name: re.findall(r"[\"']([\w -]+)[\"']", options) for name, options in listed}


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
        self.models = [pickle.loads(model) for model in pickled_models()]
        self.calls, self.faults, self.outcomes = Counter(), {}, Counter()
        self.answered = set()
        self.form, self.damage = 0, 0.35
        self.folder = TemporaryDirectory()
        file = Path(self.folder.name, "panel.parquet")
        X.assign(y=Y).to_parquet(file)
        self.paths = [file, str(file), Path(self.folder.name), Path(self.folder.name, "no")]

    def argument(self, name, default, texts):
        rng = self.rng
        if name in {"model", "model_a", "model_b", "search"} or (
            name in {"estimator", "betas"} and rng.random() < 0.3
        ):
            chosen = self.models[rng.integers(len(self.models))]
            return chosen if rng.random() < 0.9 else clone(chosen)
        if name == "path":
            return self.paths[rng.integers(len(self.paths))]
        if name in SUITING and rng.random() < 0.93:
            pool = SUITING[name]()
            likely = rng.random() < 0.6
            place = min(self.form, len(pool) - 1) if likely else rng.integers(len(pool))
            return damaged(pool[place], rng) if rng.random() < self.damage else pool[place]
        if texts and rng.random() < 0.6:
            return texts[rng.integers(len(texts))]
        if isinstance(default, str) and rng.random() < 0.3:
            return default + "x"
        return SCALARS[rng.integers(len(SCALARS))]

    def arguments(self, function, rate):
        """Arguments of a call, in order and by name; those that have a default at a rate."""
        several, given = [], {}
        if isinstance(function, partial):
            return several, given
        texts = texts_of(getattr(function, "__func__", function))
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                several = [self.argument("X", None, ()) for _ in range(self.rng.integers(4))]
            elif parameter.kind is parameter.VAR_KEYWORD:
                if name == "options" and self.rng.random() < rate:
                    option = list(OPTIONS)[self.rng.integers(len(OPTIONS))]
                    chosen = [OPTIONS[option], self.argument(option, None, ())]
                    given[option] = chosen[self.rng.integers(2)]
            elif parameter.default is parameter.empty or self.rng.random() < rate:
                given[name] = self.argument(name, parameter.default, texts.get(name))
        return several, given

    def attempt(self, point, function, rate=0.15):
        """Call it; count what happens, and keep what should not."""
        several, given = self.arguments(function, rate)
        fits = point.rpartition(".")[-1].startswith(("fit", "partial_fit"))
        own = getattr(function, "__self__", None)
        read = list(models_in([several, given])) + list(models_in(own))
        before = [pickle.dumps(model) for model in read]
        state, filters, threads = np.geterr(), list(warnings.filters), blas_threads()
        self.calls[point] += 1
        result, failed = None, False
        try:
            signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
            result = function(*several, **given)
            if inspect.isgenerator(result):
                result = next(result, None)
            self.outcomes["results"] += 1
            self.answered.add(point)
        except (Exception, TooLong) as error:  # noqa: BLE001 - each is looked at
            complaint, failed = undocumented(error), True
            self.outcomes["faults" if complaint else "documented errors"] += 1
            if complaint:
                self.report(point, complaint, given, error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
        for what, kept in {
            "the error state of NumPy": np.geterr() == state,
            "the filters of warnings": warnings.filters == filters,
            "the threads of BLAS": blas_threads() == threads,
        }.items():
            if not kept:
                self.report(point, f"changes {what}", given, None)
        # A fit changes its own model, unless it fails; a transform after it may fail too.
        changes = fits and (not failed or point.endswith(".fit_transform"))
        kept = zip(read, before, strict=True)
        if any(pickle.dumps(m) != was for m, was in kept if not changes or m is not own):
            self.report(point, "changes a model that it reads", given, None)
        return result

    def report(self, point, complaint, given, error):
        where = "".join(traceback.format_exception(error)[-6:] if error else [])
        shown = {name: repr(value)[:300] for name, value in given.items()}
        self.faults.setdefault((point, complaint), f"{point}: {complaint}\n{shown}\n{where}")

    def step(self):
        rate = self.rng.choice([0.0, 0.1, 0.3])
        self.form, self.damage = self.rng.integers(2), self.rng.choice([0.1, 0.4])
        if self.rng.random() < 0.25:  # a model that is fitted well
            made = pickled_models()
            thing = pickle.loads(made[self.rng.integers(len(made))])
            self.attempt_methods(type(thing).__name__, thing, rate)
            return
        names = sorted(self.points)
        name = names[self.rng.integers(len(names))]
        function = self.points[name]
        if inspect.isclass(function) and not self.is_made_by_hand(function):
            return  # results, which functions make
        thing = self.attempt(name, function, rate)
        if thing is None:
            return
        if hasattr(thing, "fit"):
            self.attempt(f"{name}.fit", thing.fit, rate)
        self.attempt_methods(name, thing, rate)

    @staticmethod
    def is_made_by_hand(made):
        return made is RiskModel or hasattr(made, "fit") or hasattr(made, "split")

    def attempt_methods(self, name, thing, rate):
        for method, bound in methods_of(thing):
            if self.rng.random() < 0.4:
                self.attempt(f"{name}.{method}", bound, rate)
        if type(thing).__module__.startswith("skfactor"):
            self.attempt(f"{name}.__repr__", partial(repr, thing))

    def summary(self):
        points, calls = len(self.calls), sum(self.calls.values())
        counts = ", ".join(f"{n} {what}" for what, n in sorted(self.outcomes.items()))
        return (
            f"{calls} calls of {points} entry points, of which {len(self.answered)} answered at "
            f"least once: {counts}; {len(self.faults)} kinds of faults"
        )


def blas_threads():
    """Threads that libraries of linear algebra use."""
    return [(library.filepath, library.num_threads) for library in libraries().lib_controllers]


@cache
def libraries():
    return ThreadpoolController()


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
    if os.environ.get("SKFACTOR_FUZZ_SECONDS"):
        print("never answered:", *sorted(set(fuzzer.calls) - fuzzer.answered))
    return fuzzer


def test_new_public_names_are_attacked_too():
    found = entry_points()
    assert {"FamaMacBeth", "ic", "iter_parquet", "premia_table", "long_short"} <= set(found)
    assert not set(found) & set(LEFT_OUT)


def test_what_nobody_expects_gives_documented_errors_and_changes_nothing():
    fuzzer = run(seed=16, seconds=60.0, most=40)
    assert len(fuzzer.calls) > 40
    assert not fuzzer.faults, "\n\n".join(fuzzer.faults.values())


@pytest.mark.slow
def test_and_so_do_many_more_calls():
    # As many calls on every machine, unless one asks for longer.
    asked = os.environ.get("SKFACTOR_FUZZ_SECONDS")
    seed = int(os.environ.get("SKFACTOR_FUZZ_SEED", "1"))
    fuzzer = run(seed=seed, seconds=float(asked or "inf"), most=10**9 if asked else 300)
    assert not fuzzer.faults, "\n\n".join(fuzzer.faults.values())

"""Callbacks of scikit-learn: progress over dates, alone, in a Pipeline and in a search."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from reference_premia import characteristics, random_two_pass, to_long
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline

import skfactor
from skfactor import (
    CrossSectionalTargetRegressor,
    FactorBetas,
    FactorZScorer,
    FamaMacBeth,
    InstrumentedPCA,
    ReturnPCA,
    RiskPremiumPCA,
    Winsorizer,
)
from skfactor.formula import FormulaRegressor

X, Y = characteristics()
DATES = X.index.get_level_values("date").unique()
FACTORS, RETURNS = random_two_pass(np.random.default_rng(0))
PUBLIC = [getattr(skfactor, name) for name in skfactor.__all__]
ESTIMATORS = [each for each in PUBLIC if each is not FormulaRegressor]  # tested below


class Recorder:
    """A callback that is handed down to inner estimators and writes down what it is told."""

    max_propagation_depth = None

    def __init__(self):
        self.events = []
        self.fitted = []

    def _write(self, hook, estimator, context):
        level, parent = 0, context.parent
        while parent is not None:
            level, parent = level + 1, parent.parent
        self.events.append((hook, level, type(estimator).__name__, context.task_name))

    def setup(self, estimator, context):
        self._write("setup", estimator, context)

    def on_fit_task_begin(self, estimator, context):
        self._write("begin", estimator, context)
        self.max_subtasks = context.max_subtasks or getattr(self, "max_subtasks", 0)

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self._write("end", estimator, context)
        if fitted_estimator is not None:
            self.fitted.append((fitted_estimator, X))

    def teardown(self, estimator, context):
        self._write("teardown", estimator, context)

    def count(self, hook, task_name):
        return sum((event[0], event[3]) == (hook, task_name) for event in self.events)


def _monitors():
    return [thread for thread in threading.enumerate() if "Progress" in type(thread).__name__]


@pytest.fixture
def recorder():
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    return Recorder()


# --- FamaMacBeth --------------------------------------------------------------------------------


def test_a_panel_has_a_subtask_a_date(recorder):
    model = FamaMacBeth().set_callbacks(recorder).fit(X, Y)
    assert recorder.max_subtasks == len(DATES)
    assert recorder.count("begin", "date") == recorder.count("end", "date") == len(DATES)
    assert recorder.events[:2] == [
        ("setup", 0, "FamaMacBeth", "fit"),
        ("begin", 0, "FamaMacBeth", "fit"),
    ]
    assert recorder.events[-2:] == [
        ("end", 0, "FamaMacBeth", "fit"),
        ("teardown", 0, "FamaMacBeth", "fit"),
    ]
    ((fitted, data),) = recorder.fitted
    assert_array_equal(fitted.predict(data), model.predict(X))


@pytest.mark.parametrize("n_features", [2, 20])
@pytest.mark.parametrize("shuffled", [False, True])
def test_blocks_of_dates_add_up_to_all_and_change_nothing(recorder, n_features, shuffled):
    # Large enough for threads with few features, for a matrix product per date with many.
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(150), range(2000)], names=["date", "asset"])
    frame = pd.DataFrame(rng.normal(size=(len(index), n_features)), index).add_prefix("x")
    y = pd.Series(rng.normal(size=len(index)), index)
    if shuffled:
        order = rng.permutation(len(index))
        frame, y = frame.iloc[order], y.iloc[order]
    model = FamaMacBeth().set_callbacks(recorder).fit(frame, y)
    assert recorder.count("end", "date") == recorder.max_subtasks == 150
    assert_array_equal(model.lambdas_, FamaMacBeth().fit(frame, y).lambdas_)


@pytest.mark.parametrize(
    ("n_dates", "n_subtasks", "name"), [(1000, 1000, "date"), (2501, 834, "3 dates")]
)
def test_of_very_many_dates_several_make_a_subtask(recorder, n_dates, n_subtasks, name):
    rng = np.random.default_rng(0)
    dates = np.repeat(np.arange(n_dates), 4)
    FamaMacBeth().set_callbacks(recorder).fit(
        rng.normal(size=(len(dates), 1)), rng.normal(size=len(dates)), dates=dates
    )
    assert recorder.max_subtasks == recorder.count("end", name) == n_subtasks


def test_the_wide_form_has_a_subtask_a_date(recorder):
    FamaMacBeth().set_callbacks(recorder).fit(FACTORS, RETURNS)
    assert recorder.max_subtasks == recorder.count("end", "date") == len(FACTORS)


def test_each_call_of_partial_fit_reports_its_dates(recorder):
    model = FamaMacBeth().set_callbacks(recorder)
    first = X.index.get_level_values("date") <= DATES.sort_values()[2]
    for rows, n_dates in ((first, 3), (~first, len(DATES))):
        model.partial_fit(X[rows], Y[rows])
        assert recorder.count("end", "date") == n_dates
    assert recorder.count("setup", "fit") == recorder.count("teardown", "fit") == 2


def test_a_fit_that_fails_is_torn_down_and_keeps_its_callbacks(recorder):
    model = FamaMacBeth().fit(X, Y)
    before = vars(model).copy()
    model.set_callbacks(recorder)
    constant = X.assign(x0=1.0)
    with pytest.raises(ValueError, match="constant everywhere"):
        model.fit(constant, Y)
    assert recorder.count("setup", "fit") == recorder.count("teardown", "fit") == 1
    assert recorder.count("end", "fit") == 0
    assert vars(model.set_callbacks()) == before
    model.set_callbacks(recorder).fit(X, Y)
    assert recorder.count("end", "date") == 2 * len(DATES)


def test_a_callback_does_not_end_a_fit_early(recorder):
    class Stop(Recorder):
        def on_fit_task_end(self, estimator, context):
            return True

    model = FamaMacBeth().set_callbacks(Stop()).fit(X, Y)
    assert_array_equal(model.premia_, FamaMacBeth().fit(X, Y).premia_)


def test_without_callbacks_nothing_of_them_is_there(recorder):
    assert not [name for name in vars(FamaMacBeth().fit(X, Y)) if "callback" in name]
    assert len(pickle.dumps(FamaMacBeth().fit(X, Y))) < 20_000


# --- every estimator ----------------------------------------------------------------------------


def _fit(estimator):
    panels = (
        skfactor.FundamentalFactorModel
        | skfactor.FamaMacBeth
        | skfactor.RidgeFamaMacBeth
        | skfactor.PooledRegression
    )
    if isinstance(estimator, panels | CrossSectionalTargetRegressor):
        wide = isinstance(estimator, skfactor.BiasCorrectedFamaMacBeth)
        return estimator.fit(FACTORS, RETURNS) if wide else estimator.fit(X, Y)
    if isinstance(estimator, InstrumentedPCA | skfactor.InstrumentedPCACV):
        return estimator.fit(X, Y)
    if isinstance(estimator, skfactor.FactorInteractions):
        return estimator.fit(X.assign(rate=X.groupby(level="date").transform("mean")["x0"]))
    if isinstance(estimator, skfactor.FactorRiskModel):
        return estimator.set_params(specific=skfactor.SpecificRisk()).fit(X, Y)
    if isinstance(estimator, skfactor.EWMCovariance | skfactor.SpecificRisk):
        return estimator.fit(FACTORS)
    if isinstance(estimator, skfactor.ShrinkageSDF):
        return estimator.fit(RETURNS)
    if isinstance(estimator, ReturnPCA | RiskPremiumPCA):
        return estimator.set_params(n_components=2).fit(RETURNS)
    per_date = hasattr(estimator, "transform") and not isinstance(estimator, FactorBetas)
    return estimator.fit(X) if per_date else estimator.fit(FACTORS, RETURNS)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: each.__name__)
def test_every_estimator_tells_that_its_fit_begins_and_ends(recorder, estimator):
    _fit(estimator().set_callbacks(recorder))
    own = [event[0] for event in recorder.events if event[1] == 0]
    assert own == ["setup", "begin", "end", "teardown"]


def test_a_formula_and_a_target_hand_callbacks_to_their_regressor(recorder):
    for n_fits, model in enumerate(
        [FormulaRegressor("x0 + x1", FamaMacBeth()), CrossSectionalTargetRegressor(FamaMacBeth())],
        start=1,
    ):
        model.set_callbacks(recorder).fit(X, Y)
        assert ("end", 1, "FamaMacBeth", "fit") in recorder.events
        assert ("end", 2, "FamaMacBeth", "date") in recorder.events
        assert recorder.count("end", "date") == n_fits * len(DATES)
    failing = CrossSectionalTargetRegressor(FamaMacBeth()).set_callbacks(recorder)
    with pytest.raises(ValueError, match="constant everywhere"):
        failing.fit(X.assign(x0=1.0), Y)
    assert recorder.count("setup", "fit") == recorder.count("teardown", "fit") == 3


# --- pipelines and searches ---------------------------------------------------------------------


def _pipeline():
    return make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())


def test_a_pipeline_hands_callbacks_to_all_steps_without_a_warning(recorder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _pipeline().set_callbacks(recorder).fit(X, Y)
    steps = [event[2] for event in recorder.events if event[0] == "begin" and event[1] == 1]
    assert steps == ["Winsorizer", "FactorZScorer", "FamaMacBeth"]
    assert recorder.count("end", "date") == len(DATES)


def test_two_passes_in_a_pipeline(recorder):
    long_X, long_y = to_long(FACTORS, RETURNS)
    make_pipeline(FactorBetas(), FamaMacBeth()).set_callbacks(recorder).fit(long_X, long_y)
    assert recorder.count("end", "date") == len(FACTORS)


def test_a_search_counts_the_dates_of_every_fit(recorder):
    grid = {"winsorizer__lower": [0.01, 0.1]}
    search = GridSearchCV(_pipeline(), grid, cv=KFold(2)).set_callbacks(recorder)
    search.fit(X, Y)
    n_dates = 2 * sum(
        X.iloc[train].index.get_level_values("date").nunique() for train, _ in KFold(2).split(X)
    )
    assert recorder.count("end", "date") == n_dates + len(DATES)
    expected = GridSearchCV(_pipeline(), grid, cv=KFold(2)).fit(X, Y)
    assert_array_equal(
        search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )


# --- scikit-learn's own progress bar ------------------------------------------------------------


@pytest.fixture
def progress_bar():
    callback = pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    return callback.ProgressBar(max_propagation_depth=None)


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (FamaMacBeth, ["FamaMacBeth - fit"]),
        (_pipeline, ["Pipeline - fit", "FamaMacBeth - fit #2"]),
        (
            lambda: GridSearchCV(_pipeline(), {"winsorizer__lower": [0.01, 0.1]}, cv=KFold(2)),
            ["GridSearchCV - fit", "FamaMacBeth - fit #2"],
        ),
    ],
    ids=["alone", "pipeline", "search"],
)
def test_the_progress_bar_ends_at_all(progress_bar, capsys, monkeypatch, make, lines):
    monkeypatch.setenv("COLUMNS", "200")
    make().set_callbacks(progress_bar).fit(X, Y)
    printed = capsys.readouterr().out
    for line in lines:
        assert line in printed
    assert printed.count("100%") == printed.count("━━ ") > 0
    assert not _monitors()


@pytest.mark.parametrize("make", [FamaMacBeth, lambda: make_pipeline(Winsorizer(), FamaMacBeth())])
def test_the_progress_bar_of_a_fit_that_fails_does_not_linger(progress_bar, make):
    with pytest.raises(ValueError, match="constant everywhere"):
        make().set_callbacks(progress_bar).fit(X.assign(x0=1.0), Y)
    assert not _monitors()


# --- scikit-learn without callbacks -------------------------------------------------------------


def test_a_scikit_learn_without_callbacks_fits_as_well():
    pytest.importorskip("sklearn.callback", reason="this scikit-learn has none to leave out")
    script = """if True:
        import builtins
        import_module = builtins.__import__

        def without_callbacks(name, globals=None, *args, **kwargs):
            asking = (globals or {}).get("__name__", "")
            if name.startswith("sklearn.callback") and asking.startswith("skfactor"):
                raise ImportError(name)
            return import_module(name, globals, *args, **kwargs)

        builtins.__import__ = without_callbacks
        import test_sklearn
        from skfactor import CrossSectionalTargetRegressor, FamaMacBeth
        assert not hasattr(FamaMacBeth(), "set_callbacks")
        fitted = test_sklearn._pipeline().fit(test_sklearn.X, test_sklearn.Y)
        CrossSectionalTargetRegressor(FamaMacBeth()).fit(test_sklearn.X, test_sklearn.Y)
        FamaMacBeth().fit(test_sklearn.FACTORS, test_sklearn.RETURNS)
        print(fitted[-1].premia_.to_list())
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert eval(run.stdout) == _pipeline().fit(X, Y)[-1].premia_.to_list()


def test_models_of_scikit_learn_and_cross_validation_need_no_callbacks():
    model = CrossSectionalTargetRegressor(LinearRegression())
    assert np.isfinite(cross_validate(model, X, Y, cv=KFold(2))["test_score"]).all()

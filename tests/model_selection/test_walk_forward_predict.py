"""walk_forward_predict: against a loop over dates, labels, metadata, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from reference_premia import random_two_pass
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfactor import FactorZScorer, FamaMacBeth, TradedFactorModel, Winsorizer
from skfactor.datasets import make_panel
from skfactor.frames import forward_returns
from skfactor.metrics import rank_ic, rank_ic_scorer
from skfactor.model_selection import (
    PurgedKFold,
    WalkForwardSplit,
    check_no_lookahead,
    compare_factor_sets,
    walk_forward_predict,
)

X, Y = make_panel(
    n_dates=24, n_assets=20, n_features=3, missing=0.1, random_state=0, return_X_y=True
)
DATES = X.index.get_level_values("date")
ARRAYS = X.to_numpy(), Y.to_numpy()
MONTHLY = WalkForwardSplit(None, test_size=1, min_train_size=12, purge=1)
FACTORS, RETURNS = random_two_pass(np.random.default_rng(0), n_periods=40)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def _per_date():
    return make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())


def _loop(make_model, n_train=12, purge=1):
    """One model per date, fitted on all dates that lie more than the purge before it."""
    months = DATES.unique().sort_values()
    predicted = {}
    for k in range(n_train + purge, len(months)):
        past, now = DATES.isin(months[: k - purge]), months[k] == DATES
        model = make_model().fit(X[past], Y[past])
        predicted[k] = pd.Series(model.predict(X[now]), X.index[now])
    return pd.concat(predicted.values()).rename("expected_return")


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make_model",
    [
        _per_date,
        FamaMacBeth,
        lambda: make_pipeline(StandardScaler(), LinearRegression()),
    ],
)
def test_every_date_is_predicted_by_a_model_of_the_dates_before(make_model):
    expected = _loop(make_model)
    assert_series_equal(walk_forward_predict(make_model(), X, Y, cv=MONTHLY), expected)


def test_the_default_splits_are_five_blocks():
    predicted = walk_forward_predict(FamaMacBeth(), X, Y)
    tests = [test for _, test in WalkForwardSplit().split(X)]
    assert_index_equal(predicted.index, X.index[np.concatenate(tests)])


def test_jobs_give_the_same_numbers():
    predicted = walk_forward_predict(_per_date(), X, Y, cv=MONTHLY)
    with parallel_config(backend="threading"):
        by_two = walk_forward_predict(_per_date(), X, Y, cv=MONTHLY, n_jobs=2)
    assert_series_equal(by_two, predicted)


def test_wide_returns_are_predicted_by_date_and_asset():
    cv = WalkForwardSplit(3, test_size=4)
    predicted = walk_forward_predict(FamaMacBeth(), FACTORS, RETURNS, cv=cv)
    assert_index_equal(predicted.index, FACTORS.index[28:])
    assert_index_equal(predicted.columns, RETURNS.columns)
    for start in (28, 32, 36):
        model = FamaMacBeth().fit(FACTORS.iloc[:start], RETURNS.iloc[:start])
        for k in range(start, start + 4):
            assert_allclose(predicted.iloc[k - 28], model.expected_returns_)


def test_one_asset_over_time_is_a_series():
    single = RETURNS.iloc[:, 0]
    predicted = walk_forward_predict(TradedFactorModel(), FACTORS, single)
    assert isinstance(predicted, pd.Series)
    assert_index_equal(predicted.index, FACTORS.index[-30:])
    table = single.to_frame()
    assert_series_equal(
        walk_forward_predict(LinearRegression(), FACTORS, table),
        walk_forward_predict(LinearRegression(), FACTORS, single),
    )


# --- labels -------------------------------------------------------------------------------------


def test_the_order_of_the_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(len(X))
    expected = walk_forward_predict(_per_date(), X, Y, cv=MONTHLY)
    for change in (lambda data: data.iloc[order], lambda data: data.iloc[order].swaplevel()):
        predicted = walk_forward_predict(_per_date(), change(X), change(Y), cv=MONTHLY)
        assert predicted.index.get_level_values("date").is_monotonic_increasing
        predicted = predicted.reorder_levels(X.index.names).reindex(expected.index)
        assert_series_equal(predicted, expected)


def test_splits_in_any_order_are_put_in_order_of_their_dates():
    splits = list(MONTHLY.split(X))[::-1]
    expected = walk_forward_predict(FamaMacBeth(), X, Y, cv=MONTHLY)
    assert_series_equal(walk_forward_predict(FamaMacBeth(), X, Y, cv=splits), expected)


def test_labels_come_from_x_or_y_or_the_dates():
    expected = walk_forward_predict(FamaMacBeth(), X, Y, cv=MONTHLY)
    by_y = walk_forward_predict(FamaMacBeth(), ARRAYS[0], Y, cv=MONTHLY)
    assert_series_equal(by_y, expected)
    by_pairs = walk_forward_predict(FamaMacBeth(), *ARRAYS, cv=MONTHLY, dates=X.index)
    assert_series_equal(by_pairs, expected)
    by_dates = walk_forward_predict(FamaMacBeth(), *ARRAYS, cv=MONTHLY, dates=DATES)
    assert_series_equal(by_dates, expected.droplevel("asset"))
    text = DATES.strftime("%Y-%m").to_list()
    by_text = walk_forward_predict(FamaMacBeth(), *ARRAYS, cv=MONTHLY, dates=text)
    assert_array_equal(by_text.index, expected.index.get_level_values("date").strftime("%Y-%m"))
    assert_allclose(by_text, expected)


def test_wide_arrays_are_numbered_by_asset():
    dates = FACTORS.index
    expected = walk_forward_predict(FamaMacBeth(), FACTORS, RETURNS)
    predicted = walk_forward_predict(FamaMacBeth(), FACTORS, RETURNS.to_numpy())
    assert_frame_equal(predicted, expected.set_axis(range(8), axis=1), check_column_type=False)
    arrays = FACTORS.to_numpy(), RETURNS.to_numpy()
    assert_allclose(walk_forward_predict(FamaMacBeth(), *arrays, dates=dates), expected)


def test_nothing_is_changed():
    features, target, model = X.copy(deep=True), Y.copy(deep=True), FamaMacBeth()
    walk_forward_predict(model, features, target, cv=MONTHLY)
    assert_frame_equal(features, X)
    assert_series_equal(target, Y)
    assert not hasattr(model, "premia_")


# --- metadata -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["arrays", "polars"])
def test_routed_dates_reach_every_step_and_the_splitter(kind, routing):
    data = ARRAYS if kind == "arrays" else (pl.DataFrame(ARRAYS[0]), ARRAYS[1])
    expected = walk_forward_predict(_per_date(), X, Y, cv=MONTHLY)
    predicted = walk_forward_predict(_per_date(), *data, cv=MONTHLY, dates=DATES)
    assert_series_equal(predicted, expected.droplevel("asset"))
    ordinary = walk_forward_predict(LinearRegression(), *data, cv=MONTHLY, dates=DATES)
    expected = walk_forward_predict(LinearRegression(), X, Y, cv=MONTHLY)
    assert_series_equal(ordinary, expected.droplevel("asset"))
    splits = list(MONTHLY.split(X))
    listed = walk_forward_predict(LinearRegression(), *data, cv=splits, dates=DATES)
    assert_series_equal(listed, ordinary)


def test_routed_groups_reach_the_steps_in_fit_and_predict(routing):
    assets = X.index.get_level_values("asset")
    industry = np.where(assets < "A10", "low", "high")
    model = make_pipeline(FactorZScorer(), FamaMacBeth())
    predicted = walk_forward_predict(model, X, Y, cv=MONTHLY, params={"groupby": industry})
    scores = FactorZScorer().fit_transform(X, groupby=industry)
    assert_series_equal(predicted, walk_forward_predict(FamaMacBeth(), scores, Y, cv=MONTHLY))


def test_a_search_predicts_by_its_best_estimator_with_the_dates(routing):
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    search = GridSearchCV(
        pipeline, {"factorzscorer__ddof": [0]}, scoring=rank_ic_scorer, cv=WalkForwardSplit(2)
    )
    found = walk_forward_predict(search, *ARRAYS, cv=MONTHLY, dates=DATES)
    expected = walk_forward_predict(pipeline, X, Y, cv=MONTHLY)
    assert_allclose(found, expected.to_numpy(), rtol=1e-9)


def test_assets_label_predictions_and_reach_the_steps_that_ask(routing):
    assets = X.index.get_level_values("asset")
    expected = walk_forward_predict(FamaMacBeth(), X, Y, cv=MONTHLY)
    found = walk_forward_predict(FamaMacBeth(), *ARRAYS, cv=MONTHLY, dates=DATES, assets=assets)
    assert_series_equal(found, expected, check_freq=False, check_index_type=False)
    twice = assets.where(assets != assets[1], assets[0])
    with pytest.raises(ValueError, match=r"pairs occur more than once"):
        walk_forward_predict(FamaMacBeth(), *ARRAYS, dates=DATES, assets=twice)


def test_assets_go_to_fit_without_routing():
    class AsksForAssets(FamaMacBeth):
        def fit(self, X, y, sample_weight=None, dates=None, assets=None):
            assert len(assets) == len(X)
            return super().fit(X, y, dates=dates)

    assets = X.index.get_level_values("asset").to_numpy(dtype=object)
    found = walk_forward_predict(AsksForAssets(), *ARRAYS, dates=DATES, assets=assets)
    assert found.index.names == ["date", "asset"]


def test_no_rows_raise():
    with pytest.raises(ValueError, match="walk_forward_predict was given no rows"):
        walk_forward_predict(FamaMacBeth(), X.iloc[:0], Y.iloc[:0])


def test_without_routing_parameters_go_to_fit():
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    predicted = walk_forward_predict(
        FamaMacBeth(), X, Y, cv=MONTHLY, params={"sample_weight": weights}
    )
    (train, test), *_ = MONTHLY.split(X)
    model = FamaMacBeth().fit(X.iloc[train], Y.iloc[train], sample_weight=weights[train])
    assert_allclose(predicted.iloc[: len(test)], model.predict(X.iloc[test]))
    with pytest.raises(ValueError, match=r"Steps of this Pipeline ask for dates.*enable_metadata"):
        walk_forward_predict(_per_date(), *ARRAYS, dates=DATES)


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cv", [PurgedKFold(3), KFold(3), 5, TimeSeriesSplit(7)])
def test_training_on_tested_or_later_dates_raises(cv):
    with pytest.raises(ValueError, match=r"cv trains on rows up to .*not walking forward"):
        walk_forward_predict(FamaMacBeth(), X, Y, cv=cv)


def test_dates_that_are_tested_twice_raise():
    cv = WalkForwardSplit(3, test_size=4, step=2)
    with pytest.raises(ValueError, match=r"cv tests 2011-07 more than once.*step as long as"):
        walk_forward_predict(FamaMacBeth(), X, Y, cv=cv)


def test_rows_without_dates_raise():
    with pytest.raises(
        ValueError, match=r"walk_forward_predict needs the date of each row.*dates="
    ):
        walk_forward_predict(FamaMacBeth(), *ARRAYS)


def test_errors_of_the_estimator_are_not_swallowed():
    class Failing(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            raise RuntimeError("no fit today")

    with pytest.raises(RuntimeError, match="no fit today"):
        walk_forward_predict(Failing(), X, Y)


# --- returns over several dates -----------------------------------------------------------------


def noise(horizon):
    """Returns over a horizon that nothing predicts, and a persistent characteristic."""
    rng = np.random.default_rng(0)
    months = pd.period_range("2000-01", periods=120, freq="M", name="date")
    one = pd.DataFrame(0.1 * rng.normal(size=(120, 60)), months).rename_axis(columns="asset")
    features = pd.DataFrame(rng.normal(size=(60, 25)), one.columns)
    target = forward_returns(one, horizon=horizon).stack().dropna()
    X = features.loc[target.index.get_level_values("asset")].set_axis(target.index)
    return X, target


def test_overlapping_targets_are_purged_or_refused():
    X, y = noise(12)
    cv = WalkForwardSplit(20)
    seen = walk_forward_predict(LinearRegression(), X, y, cv=WalkForwardSplit(20, test_size=4))
    message = r"horizon=12 dates overlap.*are 1 apart.*Pass purge=11 to the splitter"
    with pytest.raises(ValueError, match=message):
        walk_forward_predict(LinearRegression(), X, y, cv=cv, horizon=12)
    purged = WalkForwardSplit(20, test_size=4, purge=11)
    fair = walk_forward_predict(LinearRegression(), X, y, cv=purged, horizon=12)
    assert rank_ic(y[seen.index], seen) > rank_ic(y[fair.index], fair) + 0.05
    assert abs(rank_ic(y[fair.index], fair)) < 0.1


def test_the_default_splits_purge_the_horizon():
    expected = walk_forward_predict(FamaMacBeth(), X, Y, cv=WalkForwardSplit(purge=2))
    found = walk_forward_predict(FamaMacBeth(), X, Y, horizon=3)
    assert_series_equal(found, expected)
    with pytest.raises(ValueError, match="horizon=0 has to be a whole number"):
        walk_forward_predict(FamaMacBeth(), X, Y, horizon=0)
    assert check_no_lookahead(FamaMacBeth(), X, Y, horizon=3) == ()
    with pytest.raises(ValueError, match="Pass purge=2"):
        check_no_lookahead(FamaMacBeth(), X, Y, cv=WalkForwardSplit(2), horizon=3)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_gap_is_needed_before_and_after_the_test(side):
    place = DATES.codes if hasattr(DATES, "codes") else pd.factorize(DATES, sort=True)[0]
    half = place.max() // 2
    early, late = np.flatnonzero(place < half), np.flatnonzero(place >= half)
    folds = [(early, late) if side == "before" else (late, early)]
    with pytest.raises(ValueError, match=r"are 1 apart.*Pass purge=1"):
        compare_factor_sets([["x1"], ["x2"]], X, Y, cv=folds, horizon=2)
    near = np.flatnonzero((place < half - 1) if side == "before" else (place >= half + 1))
    folds = [(near, late) if side == "before" else (near, early)]
    assert len(compare_factor_sets([["x1"], ["x2"]], X, Y, cv=folds, horizon=2)) == 2

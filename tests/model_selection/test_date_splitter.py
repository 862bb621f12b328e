"""What every splitter by date shares: where dates come from, and all that takes a splitter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference_premia import random_two_pass, to_long
from sklearn import config_context
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 -- it is imported for what it does
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.linear_model import Lasso, LassoCV, LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline

from skfactor import FactorSelector, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.datasets import make_panel
from skfactor.model_selection import CombinatorialPurgedKFold, PurgedKFold, WalkForwardSplit

X, Y = make_panel(
    n_dates=30, n_assets=40, n_features=3, missing=0.1, random_state=0, return_X_y=True
)
DATES = X.index.get_level_values("date")
ARRAYS = X.to_numpy(), Y.to_numpy()
SPLITTERS = [
    WalkForwardSplit(4, purge=1),
    PurgedKFold(4, purge=1, embargo=1),
    CombinatorialPurgedKFold(4, 2, purge=1),
]
CV = SPLITTERS[0]

every_splitter = pytest.mark.parametrize("cv", SPLITTERS, ids=lambda cv: type(cv).__name__)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def _per_date():
    return make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())


def _by_hand(estimator, cv=CV, features=X, target=Y):
    """Out-of-sample R squared of each fold, the rows looked up by the labels of their dates."""
    dates = features.index.get_level_values("date")
    scores = []
    for train, test in cv.split(features):
        train, test = (dates.isin(dates[rows].unique()) for rows in (train, test))
        assert not (train & test).any()
        model = clone(estimator).fit(features[train], target[train])
        scores.append(r2_score(target[test], model.predict(features[test])))
    return scores


def assert_same_splits(left, right):
    for a, b in zip(left, right, strict=True):
        for rows, same in zip(a, b, strict=True):
            assert_array_equal(rows, same)


# --- where the dates come from ------------------------------------------------------------------


STAMPS = DATES.to_timestamp()
FORMS = {
    "index of X": (X, None, None),
    "index of y": (ARRAYS[0], Y, None),
    "groups": (ARRAYS[0], ARRAYS[1], DATES),
    "timestamps": (ARRAYS[0], None, STAMPS),
    "zoned": (ARRAYS[0], None, STAMPS.tz_localize("America/New_York")),
    "integers": (ARRAYS[0], None, (DATES.year * 100 + DATES.month).to_numpy()),
    "ISO text": (ARRAYS[0], None, DATES.strftime("%Y-%m").to_list()),
    "date objects": (ARRAYS[0], None, STAMPS.date),
    "asset first": (X.swaplevel(), Y.swaplevel(), None),
    "an index of dates": (X.droplevel("asset"), None, None),
    "a frame of polars": (pl.DataFrame(ARRAYS[0]), pl.Series(ARRAYS[1]), STAMPS),
    "integer level": (X.set_axis(X.index.set_levels(range(2000, 2030), level="date")), None, None),
    "lists": (ARRAYS[0].tolist(), None, DATES.strftime("%Y%m").to_list()),
}


@every_splitter
@pytest.mark.parametrize("form", FORMS)
def test_dates_come_from_wherever_they_are(cv, form):
    features, target, groups = FORMS[form]
    assert_same_splits(cv.split(features, target, groups), cv.split(X))
    assert cv.get_n_splits(features, target, groups) == len(list(cv.split(X)))


@every_splitter
@pytest.mark.parametrize("kind", ["periods", "timestamps", "unnamed text", "named text", "years"])
def test_rows_that_are_periods_have_dates_too(cv, kind):
    factors, returns = random_two_pass(np.random.default_rng(0), n_periods=30)
    dates = {
        "periods": factors.index,
        "timestamps": factors.index.to_timestamp(),
        "unnamed text": pd.Index(factors.index.strftime("%Y-%m"), name=None),
        "named text": pd.Index(factors.index.strftime("%Y-%m"), name="month"),
        "years": pd.Index(list(range(1990, 2020)), name="year"),
    }[kind]
    wide = factors.set_axis(dates), returns.set_axis(dates)
    order = np.random.default_rng(1).permutation(30)
    shuffled = wide[0].iloc[order], wide[1].iloc[order]
    for (train, test), (expected_train, expected_test) in zip(
        cv.split(*shuffled), cv.split(np.zeros((30, 1)), groups=np.arange(30)), strict=True
    ):
        assert_array_equal(order[train], expected_train)
        assert_array_equal(order[test], expected_test)


@every_splitter
def test_dates_left_among_the_columns_are_named(cv):
    left = X.reset_index()
    told = r"'date' and 'asset' of X .*X\.set_index\(\['date', 'asset'\]\)\. Or pass .* groups="
    with pytest.raises(ValueError, match=told):
        next(cv.split(left))
    assert_same_splits(cv.split(left.set_index(["date", "asset"])), cv.split(X))


@every_splitter
def test_the_order_of_the_rows_does_not_matter(cv):
    order = np.random.default_rng(0).permutation(len(X))
    for (train, test), (expected_train, expected_test) in zip(
        cv.split(X.iloc[order]), cv.split(X), strict=True
    ):
        for rows, expected in ((train, expected_train), (test, expected_test)):
            assert_array_equal(np.sort(order[rows]), np.sort(expected))
            assert DATES[order[rows]].is_monotonic_increasing


@every_splitter
def test_sets_are_flat_arrays_of_whole_dates_in_order(cv):
    for rows in (rows for pair in cv.split(X, Y) for rows in pair):
        assert rows.ndim == 1
        assert np.issubdtype(rows.dtype, np.integer)
        assert DATES[rows].is_monotonic_increasing
        assert len(rows) == DATES.isin(DATES[rows]).sum()


@every_splitter
def test_nothing_is_changed(cv):
    features, target = X.copy(deep=True), Y.copy(deep=True)
    groups = DATES.year.to_numpy() * 100 + DATES.month.to_numpy()
    before = groups.copy()
    first = list(cv.split(features, target, groups))
    first[0][0][:] = -1
    assert_same_splits(list(cv.split(features, target, groups))[1:], first[1:])
    assert_frame_equal(features, X)
    assert_series_equal(target, Y)
    assert_array_equal(groups, before)
    assert clone(cv, safe=False).__dict__ == cv.__dict__


# --- consumers in scikit-learn ------------------------------------------------------------------


@every_splitter
def test_cross_val_score(cv):
    assert_allclose(cross_val_score(_per_date(), X, Y, cv=cv), _by_hand(_per_date(), cv))


@every_splitter
def test_cross_validate_returns_the_splits(cv):
    result = cross_validate(FamaMacBeth(), X, Y, cv=cv, return_indices=True)
    assert_allclose(result["test_score"], _by_hand(FamaMacBeth(), cv))
    for train, test in zip(*result["indices"].values(), strict=True):
        assert not set(DATES[train]) & set(DATES[test])


def test_cross_val_predict_takes_the_folds_that_test_each_row_once():
    cv = PurgedKFold(5, purge=1)
    predicted = cross_val_predict(FamaMacBeth(), X, Y, cv=cv)
    for train, test in cv.split(X):
        model = FamaMacBeth().fit(X.iloc[train], Y.iloc[train])
        assert_allclose(predicted[test], model.predict(X.iloc[test]))


@every_splitter
def test_grid_search(cv):
    grid = {"winsorizer__lower": [0.0, 0.2]}
    search = GridSearchCV(_per_date(), grid, cv=cv).fit(X, Y)
    for lower, mean in zip([0.0, 0.2], search.cv_results_["mean_test_score"], strict=True):
        estimator = _per_date().set_params(winsorizer__lower=lower)
        assert_allclose(mean, np.mean(_by_hand(estimator, cv)))


def test_grid_search_over_lists_of_factors():
    sets = [["x1"], ["x3", "x2"], None]
    pipeline = make_pipeline(FactorSelector(), FactorZScorer(), FamaMacBeth())
    search = GridSearchCV(pipeline, {"factorselector__factors": sets}, cv=CV).fit(X, Y)
    for factors, mean in zip(sets, search.cv_results_["mean_test_score"], strict=True):
        kept = X if factors is None else X[factors]
        expected = _by_hand(make_pipeline(FactorZScorer(), FamaMacBeth()), features=kept)
        assert_allclose(mean, np.mean(expected))


@every_splitter
def test_halving_grid_search(cv):
    grid = {"winsorizer__lower": [0.0, 0.1, 0.2]}
    search = HalvingGridSearchCV(_per_date(), grid, cv=cv, min_resources=360, random_state=0)
    with pytest.warns(
        UserWarning, match=r"drawn at random, \d+% of them: each date has.*resource="
    ) as told:
        results = search.fit(X, Y).cv_results_
    assert all("drawn at random" in str(each.message) for each in told)
    assert results["iter"].max() == 1
    assert np.isfinite(results["mean_test_score"]).all()


def test_sequential_feature_selection_finds_the_only_factor_that_is_priced():
    rng = np.random.default_rng(0)
    dates = DATES.year * 12 + DATES.month
    month = pd.Series(rng.normal(size=dates.max() + 1))[dates].to_numpy()
    features = X.assign(market=month)  # a factor that says nothing of an unseen month
    target = 0.1 * X.iloc[:, 1] + month + 0.01 * rng.normal(size=len(X))
    selector = SequentialFeatureSelector(LinearRegression(), n_features_to_select=1, cv=CV)
    assert list(selector.fit(features, target).get_support()) == [False, False, False, True]
    selector = SequentialFeatureSelector(FamaMacBeth(), n_features_to_select=1, cv=CV)
    assert list(selector.fit(X, 0.1 * X.iloc[:, 1]).get_support()) == [False, True, False]


def test_learning_curve_grows_from_the_first_dates_on():
    sizes, _, scores = learning_curve(
        FamaMacBeth(), X, Y, cv=CV, train_sizes=[0.5, 1.0], error_score="raise"
    )
    first = next(CV.split(X))[0]
    assert sizes[1] == len(first)
    rows = [(train[: sizes[0]], test) for train, test in CV.split(X)]
    for (train, test), score in zip(rows, scores[0], strict=True):
        assert DATES[train].max() < DATES[test].min()
        model = FamaMacBeth().fit(X.iloc[train], Y.iloc[train])
        assert_allclose(score, r2_score(Y.iloc[test], model.predict(X.iloc[test])))


@every_splitter
def test_recursive_elimination_takes_dates_as_groups(cv):
    selector = RFECV(LinearRegression(), cv=cv).fit(X, Y, groups=DATES)
    best = _by_hand(LinearRegression(), cv)
    assert_allclose(selector.cv_results_["mean_test_score"][-1], np.mean(best))
    with pytest.raises(ValueError, match=r"needs the date of each row.*dates as groups="):
        RFECV(LinearRegression(), cv=cv).fit(X, Y)


@every_splitter
def test_lasso_takes_a_list_of_splits(cv):
    splits = list(cv.split(X))
    lasso = LassoCV(cv=splits, alphas=[1e-3]).fit(X, Y)
    errors = [
        np.mean(
            (Y.iloc[test] - Lasso(1e-3).fit(X.iloc[train], Y.iloc[train]).predict(X.iloc[test]))
            ** 2
        )
        for train, test in splits
    ]
    assert_allclose(lasso.mse_path_.ravel(), errors)


def test_nested_searches_split_the_dates_of_the_outer_training_set():
    search = GridSearchCV(
        _per_date(), {"winsorizer__lower": [0.0, 0.2]}, cv=PurgedKFold(3, purge=1)
    )
    scores = cross_val_score(search, X, Y, cv=CV, error_score="raise")
    assert_allclose(scores, _by_hand(search))


@every_splitter
def test_wide_data(cv):
    factors, returns = random_two_pass(np.random.default_rng(0), n_periods=80)
    model = FamaMacBeth()
    expected = []
    for train, test in cv.split(factors, returns):
        fitted = clone(model).fit(factors.iloc[train], returns.iloc[train])
        expected.append(fitted.score(factors.iloc[test], returns.iloc[test]))
    assert_allclose(cross_val_score(model, factors, returns, cv=cv), expected)
    long_X, _ = to_long(factors, returns)
    dates = long_X.index.get_level_values("date")
    for (rows, _), (train, _) in zip(cv.split(long_X), cv.split(factors), strict=True):
        assert_array_equal(dates[rows].unique(), factors.index[train])


# --- metadata routing ---------------------------------------------------------------------------


@every_splitter
def test_routed_dates_reach_the_splitter_and_the_estimator(cv, routing):
    routed = cross_val_score(FamaMacBeth(), *ARRAYS, cv=cv, params={"dates": DATES})
    assert_allclose(routed, _by_hand(FamaMacBeth(), cv))
    selector = RFECV(FamaMacBeth(), cv=cv).fit(*ARRAYS, dates=DATES)
    expected = np.mean(_by_hand(FamaMacBeth(), cv))
    assert_allclose(selector.cv_results_["mean_test_score"][-1], expected)


@every_splitter
def test_routed_groups_of_assets_never_reach_the_splitter(cv, routing):
    assets = X.index.get_level_values("asset")
    industry = assets.map(dict(zip(assets.unique(), range(40), strict=True))).to_numpy() % 3
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    params = {"groupby": industry}
    found = cross_validate(
        pipeline, X, Y, cv=cv, params=params, return_indices=True, scoring=_r2_with(industry)
    )
    for rows, (train, _) in zip(found["indices"]["train"], cv.split(X), strict=True):
        assert_array_equal(rows, train)
    with pytest.raises(TypeError, match="groups"):
        cross_validate(pipeline, X, Y, cv=cv, params={"groups": industry})


def _r2_with(industry):
    """A scorer that hands the rows' industries to the pipeline's transform."""
    by_row = pd.Series(industry, X.index)

    def score(estimator, features, target):
        predicted = estimator.predict(features, groupby=by_row[features.index])
        return r2_score(target, predicted)

    return score


# --- failures -----------------------------------------------------------------------------------


@every_splitter
@pytest.mark.parametrize("data", [ARRAYS, (X.reset_index(drop=True), Y.reset_index(drop=True))])
def test_rows_without_dates_raise(cv, data):
    with pytest.raises(ValueError, match=r"needs the date of each row.*dates as groups="):
        next(cv.split(*data))


@every_splitter
def test_wide_rows_that_are_only_numbered_raise(cv):
    factors, returns = (
        data.reset_index(drop=True) for data in random_two_pass(np.random.default_rng(0))
    )
    for rows in (slice(None), [5, 9, 3, 2, 8]):
        with pytest.raises(ValueError, match=r"\(DataFrame and DataFrame\) has dates"):
            next(cv.split(factors.iloc[rows], returns.iloc[rows]))


NUMBERED = X.set_axis(pd.MultiIndex.from_arrays(X.index.codes, names=["when", "who"]))


@every_splitter
@pytest.mark.parametrize(
    ("features", "target", "groups", "message"),
    [
        (X, Y.iloc[::-1], None, "X and y have different indexes: row 0"),
        (X, None, ["oil"] * len(X), "'oil' is free text, which does not sort as time does"),
        (X, None, DATES[:5], "inconsistent numbers of samples"),
        (ARRAYS[0], None, STAMPS.where(np.arange(len(X)) != 3), "Some rows have no date"),
        (X, None, np.arange(len(X)) % 3, "pairs occur more than once"),
        (NUMBERED, None, None, "Cannot tell which index level holds the dates"),
    ],
    ids=["other order", "text", "too few", "missing", "industries", "levels"],
)
def test_mistakes_about_dates_raise(cv, features, target, groups, message):
    with pytest.raises(ValueError, match=message):
        next(cv.split(features, target, groups))


@pytest.mark.parametrize(
    "splitter", [WalkForwardSplit(2), PurgedKFold(2), CombinatorialPurgedKFold(3, 1)]
)
@pytest.mark.parametrize(
    "index",
    [
        pd.PeriodIndex([], freq="M"),
        pd.MultiIndex.from_arrays([pd.PeriodIndex([], freq="M"), []], names=["date", "asset"]),
    ],
)
def test_empty_frames_raise(splitter, index):
    X = pd.DataFrame({"x": []}, index=index, dtype=float)
    for rows in (X, X["x"], X.to_numpy()):
        with pytest.raises(ValueError, match="was given no rows"):
            next(splitter.split(rows, groups=[] if rows is not X else None))

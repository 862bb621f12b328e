"""Sets of characteristics from moments: equal to refitting every set in every fold."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import random_panel
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from skfactor import FamaMacBeth, PooledRegression, RidgeFamaMacBeth
from skfactor.exceptions import RankDeficientWarning
from skfactor.metrics import ic_by_date, r2_zero, r2_zero_scorer
from skfactor.model_selection import (
    CombinatorialPurgedKFold,
    FactorSetSearchCV,
    PurgedKFold,
    WalkForwardSplit,
)
from skfactor.model_selection._set_engines import slope_t_score

SCORES = ("r2", "r2_zero", "ic", "icir", "slope_t")


class DateKFold:
    """scikit-learn's GroupKFold by the dates of the rows."""

    def split(self, X, y=None, groups=None):
        yield from GroupKFold(3).split(X, y, groups=X.index.get_level_values("date"))

    def get_n_splits(self, X=None, y=None, groups=None):
        return 3


SPLITTERS = [
    WalkForwardSplit(3, purge=1),
    PurgedKFold(3, purge=1),
    CombinatorialPurgedKFold(3, 2),
    WalkForwardSplit(3, train_size=5),
    DateKFold(),
]


def panel(seed, n_features, missing=0.08, n_dates=14):
    rng = np.random.default_rng(seed)
    X = random_panel(rng, n_dates, 36, n_features, missing=missing)
    signal = (X.fillna(X.mean()) / X.std()).to_numpy() @ rng.normal(size=n_features)
    y = pd.Series(0.01 * signal + 0.05 * rng.normal(size=len(X)), X.index)
    y[rng.random(len(y)) < 0.05] = np.nan
    return X, y


def refit(model, X, y, folds, columns, **fit_params):
    """Scores of every kind by fold, and the model of all rows; None if there is none."""
    X, scores = X[columns], {name: [] for name in SCORES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is compared are the numbers
        try:
            for train, test in folds:
                fitted = clone(model).fit(X.iloc[train], y.iloc[train], **fit_params)
                chosen, actual = X.iloc[test], y.iloc[test]
                predicted = fitted.predict(chosen)
                correlations = ic_by_date(actual, predicted).dropna()
                scores["r2"].append(fitted.score(chosen, actual))
                scores["r2_zero"].append(r2_zero(actual, predicted))
                scores["ic"].append(correlations.mean())
                scores["icir"].append(correlations.mean() / correlations.std())
                if hasattr(fitted, "lambdas_"):
                    scores["slope_t"].append(slope_t_score(fitted, chosen, actual))
            return scores, clone(model).fit(X, y, **fit_params)
        except ValueError:
            return None, None


def some_sets(n_columns):
    """Every set, or of very many some of every size."""
    every = list(product([False, True], repeat=n_columns))[1:]
    if len(every) <= 15:
        return every
    rng = np.random.default_rng(n_columns)
    return [every[-1], *(every[i] for i in rng.choice(len(every) - 1, 19, replace=False))]


def assert_equal_to_refitting(model, X, y, cv, **options):
    searches = {
        name: FactorSetSearchCV(model, scoring=name, cv=cv, refit=False, **options)
        for name in SCORES
        if name != "slope_t" or not isinstance(model, PooledRegression)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # of dates with few assets
        for search in searches.values():
            assert search.fit(X, y).engine_ == "moments"
    n_columns = X.shape[1]
    rows = X if not options.get("common_rows") else X[X.notna().all(axis=1)]
    folds = cv_of(cv, X, y, rows)
    assert len(searches["r2"].sets_) == 2**n_columns - 1
    n_failed = 0
    for chosen in some_sets(n_columns):
        columns = list(X.columns[list(chosen)])
        expected, fitted = refit(model, rows, y[rows.index], folds, columns)
        for name, search in searches.items():
            row = search.results_.loc[" + ".join(columns)]
            found = row["score"].filter(like="split")
            if fitted is None:
                n_failed += 1
                assert np.isnan(found).any()
                continue
            assert_allclose(found, expected[name], rtol=1e-10, atol=1e-12)
            premia = row["premium"][columns]
            assert_allclose(premia, fitted.coef_, rtol=1e-9, atol=1e-13)
            slopes = fitted.record_.slopes.lambdas
            assert row["set", "n_dates"] == slopes.notna().all(axis=1).sum()
    return n_failed


def cv_of(cv, X, y, rows):
    """Folds of some rows by the dates that the folds of all rows have."""
    dates, own = (frame.index.get_level_values("date") for frame in (X, rows))
    return [
        tuple(np.flatnonzero(own.isin(dates[part].unique())) for part in fold)
        for fold in cv.split(X, y)
    ]


@pytest.mark.parametrize("splitter", range(len(SPLITTERS)))
def test_every_set_is_scored_as_if_it_were_refitted(splitter):
    X, y = panel(splitter, 3)
    assert assert_equal_to_refitting(FamaMacBeth(), X, y, SPLITTERS[splitter]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 20, 4))
def test_unbalanced_panels_are_scored_as_if_every_set_were_refitted(seed):
    X, y = panel(100 + seed, 2 + seed % 5)
    assert_equal_to_refitting(FamaMacBeth(), X, y, SPLITTERS[seed % len(SPLITTERS)])


@pytest.mark.parametrize(
    "model",
    [
        FamaMacBeth(fit_intercept=False),
        FamaMacBeth(premia_window=3),
        FamaMacBeth(premia_halflife=2.5),
        FamaMacBeth(min_assets=17),
        RidgeFamaMacBeth(0.1),
        RidgeFamaMacBeth(1e-6),
        RidgeFamaMacBeth(0.1, fit_intercept=False),
        RidgeFamaMacBeth(0.0),
        PooledRegression(),
        PooledRegression(fit_intercept=False),
        PooledRegression(date_effects=True),
        PooledRegression(date_effects=True, fit_intercept=False),
    ],
    ids=str,
)
def test_every_model_of_a_panel_is_fitted_as_if_it_were_refitted(model):
    X, y = panel(7, 3, missing=0.04)
    assert_equal_to_refitting(model, X, y, PurgedKFold(2))


def test_pooled_sets_are_fitted_as_if_they_were_refitted():
    for seed, effects in ((0, False), (1, True)):
        model = PooledRegression(date_effects=effects)
        X, y = panel(40 + seed, 3, missing=0.1)
        X["late"] = (X.index.get_level_values("date") > X.index[-1][0]) * 1.0
        splitter = WalkForwardSplit(2)
        X["macro"] = X.groupby("date")["x0"].transform("mean")
        columns = ["x0", "x1", "x2"] + (["macro"] if not effects else [])
        assert_equal_to_refitting(model, X[columns], y, splitter)
        # Collinear columns, and such as keep few digits.
        X, y = panel(50 + seed, 2, missing=0.0)
        X["sum"] = X["x0"] + X["x1"] / 10.0
        n_scores = len(SCORES) - 1
        assert assert_equal_to_refitting(model, X, y, PurgedKFold(2)) == n_scores
        noise = np.random.default_rng(0).normal(size=len(X))
        X["sum"] += 1e-5 * noise * X["x0"].std()
        search = FactorSetSearchCV(model, cv=PurgedKFold(3)).fit(X, y)
        expected, _ = refit(model, X, y, list(PurgedKFold(3).split(X, y)), list(X))
        found = search.results_.loc["x0 + x1 + sum", "score"].filter(like="split")
        assert_allclose(found, expected["r2"], rtol=1e-8)


def test_pooled_sets_are_weighted_and_streamed():
    X, y = panel(10, 3, missing=0.0)
    weights = pd.Series(np.random.default_rng(0).random(len(X)), X.index)
    search = FactorSetSearchCV(PooledRegression(), scoring="r2_zero", cv=PurgedKFold(3))
    search.fit(X, y, sample_weight=weights)
    for train, test in PurgedKFold(3).split(X, y):
        model = PooledRegression().fit(X.iloc[train], y.iloc[train], weights.iloc[train])
        expected = r2_zero_scorer(model, X.iloc[test], y.iloc[test])
        found = search.results_.loc["x0 + x1 + x2", "score"].filter(like="split")
        assert np.isclose(found, expected, rtol=1e-10).any()
    dates = X.index.get_level_values("date")
    early = dates < sorted(set(dates))[len(set(dates)) // 2]
    parts = [search.read_moments(X[p], y[p], weights[p]) for p in (early, ~early)]
    streamed = clone(search).fit_moments(parts[1] + parts[0])
    assert_allclose(streamed.results_["score"], search.results_["score"], rtol=1e-10)
    with pytest.raises(ValueError, match="'slope_t' is about the slopes of each date"):
        FactorSetSearchCV(PooledRegression(), scoring="slope_t").fit(X, y)


def test_common_rows_are_those_complete_in_all_columns():
    X, y = panel(8, 3, missing=0.1)
    assert_equal_to_refitting(FamaMacBeth(), X, y, PurgedKFold(2), common_rows=True)


def test_columns_that_miss_the_same_rows_are_a_pattern():
    X, y = panel(9, 3, missing=0.0)
    X.iloc[::3, 1:] = np.nan
    X.iloc[::5, 0] = np.nan
    assert_equal_to_refitting(FamaMacBeth(), X, y, PurgedKFold(2))


def test_weights_are_those_of_the_fit_and_not_of_the_score():
    X, y = panel(10, 3, missing=0.05)
    weights = pd.Series(np.random.default_rng(0).random(len(X)), X.index)
    weights.iloc[::7] = 0.0
    cv = list(PurgedKFold(3).split(X, y))
    search = FactorSetSearchCV(FamaMacBeth(), scoring="r2_zero", cv=cv)
    search.fit(X, y, sample_weight=weights)
    for columns in (["x0"], ["x0", "x2"], ["x0", "x1", "x2"]):
        expected = []
        for train, test in cv:
            model = FamaMacBeth().fit(
                X.iloc[train][columns], y.iloc[train], sample_weight=weights.iloc[train]
            )
            expected.append(r2_zero_scorer(model, X.iloc[test][columns], y.iloc[test]))
        row = search.results_.loc[" + ".join(columns)]
        assert_allclose(row["score"].filter(like="split"), expected, rtol=1e-10)
    best = FamaMacBeth().fit(X[list(search.best_set_)], y, sample_weight=weights)
    assert_allclose(search.best_estimator_.coef_, best.coef_, rtol=1e-12)


def test_collinear_columns_cost_only_the_sets_that_have_them():
    X, y = panel(11, 2, missing=0.0)
    X["sum"] = X["x0"] + X["x1"] / 10.0
    assert assert_equal_to_refitting(FamaMacBeth(), X, y, PurgedKFold(2)) == len(SCORES)


def test_near_collinear_columns_keep_their_digits():
    X, y = panel(12, 3, missing=0.0)
    noise = np.random.default_rng(0).normal(size=len(X))
    X["near"] = X["x0"] + X["x1"] / 10.0 + 1e-6 * noise * X["x0"].std()
    cv = PurgedKFold(3)
    search = FactorSetSearchCV(FamaMacBeth(), scoring="r2", cv=cv).fit(X, y)
    columns = ["x0", "x1", "near"]
    expected, _ = refit(FamaMacBeth(), X, y, list(cv.split(X, y)), columns)
    found = search.results_.loc["x0 + x1 + near", "score"].filter(like="split")
    assert_allclose(found, expected["r2"], rtol=1e-8)


def test_dates_that_are_too_thin_for_a_set_are_left_out_as_by_refitting():
    X, y = panel(13, 3, missing=0.0)
    dates = X.index.get_level_values("date")
    first = dates == dates.min()
    few = np.flatnonzero(first)[3:]  # three assets are left on the first date
    X, y = X.drop(X.index[few]), y.drop(y.index[few])
    assert_equal_to_refitting(FamaMacBeth(), X, y, PurgedKFold(2))
    with pytest.warns(RankDeficientWarning):  # of the best set's own fit, if it is large
        search = FactorSetSearchCV(FamaMacBeth(), candidates=[list(X)], cv=PurgedKFold(3)).fit(X, y)
    n_dates = len(dates.unique())
    assert_array_equal(search.results_["set", "n_dates"], [n_dates - 1])


def test_single_precision_is_as_in_a_fit():
    X, y = panel(14, 3, missing=0.0)
    X = X.astype(np.float32)
    assert_equal_to_refitting(FamaMacBeth(), X, y, PurgedKFold(2))


def test_row_order_and_level_order_do_not_matter():
    X, y = panel(15, 3)
    search = FactorSetSearchCV(FamaMacBeth(), scoring="ic", cv=PurgedKFold(3))
    before = search.fit(X, y).results_
    order = np.random.default_rng(0).permutation(len(X))
    after = search.fit(X.iloc[order].swaplevel(), y.iloc[order].swaplevel()).results_
    pd.testing.assert_frame_equal(before, after.loc[before.index], rtol=1e-10)

"""Sets of factors in wide form from moments: equal to refitting every set in every fold."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from skfactor import FactorBetas, FamaMacBeth, TradedFactorModel
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference import grs_test
from skfactor.metrics import cross_sectional_r2_score, pricing_rmse
from skfactor.model_selection import (
    CombinatorialPurgedKFold,
    FactorSetSearchCV,
    PurgedKFold,
    WalkForwardSplit,
)

SCORES = ("cross_sectional_r2", "neg_pricing_rmse", "sharpe")
SPLITTERS = [WalkForwardSplit(3), PurgedKFold(3, purge=1), CombinatorialPurgedKFold(3, 2)]


def sample(seed, n_factors=3, n_assets=9, n_dates=90):
    rng = np.random.default_rng(seed)
    index = pd.period_range("2000-01", periods=n_dates, freq="M", name="date")
    factors = 0.005 + 0.04 * rng.normal(size=(n_dates, n_factors))
    returns = factors @ rng.normal(size=(n_factors, n_assets))
    returns += 0.03 * rng.normal(size=returns.shape)
    names = [f"f{k}" for k in range(n_factors)]
    return pd.DataFrame(factors, index, names), pd.DataFrame(returns, index)


def refit(model, X, y, folds):
    """Scores of every kind by fold, and the model of all rows; None if there is none."""
    scores = {name: [] for name in SCORES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is compared are the numbers
        try:
            for train, test in folds:
                fitted = clone(model).fit(X.iloc[train], y.iloc[train])
                predicted, actual = fitted.predict(X.iloc[test]), y.iloc[test]
                scores["cross_sectional_r2"].append(cross_sectional_r2_score(actual, predicted))
                scores["neg_pricing_rmse"].append(-pricing_rmse(actual, predicted))
                past = X.iloc[train]
                weights = np.linalg.solve(np.atleast_2d(np.cov(past.T)), past.mean())
                earned = X.iloc[test] @ weights
                scores["sharpe"].append(earned.mean() / earned.std())
            return scores, clone(model).fit(X, y)
        except ValueError:
            return None, None


def some_sets(n_columns):
    """Every set, or of very many some of every size."""
    every = list(product([False, True], repeat=n_columns))[1:]
    if len(every) <= 15:
        return every
    rng = np.random.default_rng(n_columns)
    return [every[-1], *(every[i] for i in rng.choice(len(every) - 1, 11, replace=False))]


def assert_equal_to_refitting(model, X, y, cv):
    searches = {
        name: FactorSetSearchCV(model, scoring=name, cv=cv, refit=False).fit(X, y)
        for name in SCORES
    }
    assert {search.engine_ for search in searches.values()} == {"moments"}
    folds = list(cv.split(X, y))
    for chosen in some_sets(X.shape[1]):
        columns = list(X.columns[list(chosen)])
        expected, fitted = refit(model, X[columns], y, folds)
        for name, search in searches.items():
            row = search.results_.loc[" + ".join(columns)]
            found = row["score"].filter(like="split")
            if fitted is None:
                assert found.isna().any()
                continue
            assert_allclose(found, expected[name], rtol=1e-10, atol=1e-12)
            premia = fitted.premia_[columns]
            assert_allclose(row["premium"][columns], premia, rtol=1e-9, atol=1e-14)
            mean, covariance = X[columns].mean(), np.cov(X[columns].T, ddof=0)
            sharpe2 = mean @ np.linalg.solve(np.atleast_2d(covariance), mean)
            assert_allclose(row["sharpe2", "estimate"], sharpe2, rtol=1e-9)
            if isinstance(model, TradedFactorModel):
                test = grs_test(X[columns], y)
                assert_allclose(row["grs"], [test.statistic, test.p_value], rtol=1e-8)


@pytest.mark.parametrize(
    "model",
    [
        FamaMacBeth(),
        FamaMacBeth(fit_intercept=False),
        FamaMacBeth(betas=FactorBetas()),
        FamaMacBeth(weighting="wls"),
        FamaMacBeth(weighting="wls", fit_intercept=False),
        FamaMacBeth(weighting="gls"),
        FamaMacBeth(weighting="gls", fit_intercept=False),
        FamaMacBeth(premia_window=12),
        FamaMacBeth(premia_halflife=12),
        TradedFactorModel(),
    ],
    ids=str,
)
def test_every_model_of_the_wide_form_is_fitted_as_if_it_were_refitted(model):
    assert_equal_to_refitting(model, *sample(0), PurgedKFold(3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 10, 4))
def test_wide_samples_are_scored_as_if_every_set_were_refitted(seed):
    factors, returns = sample(10 + seed, n_factors=2 + seed % 5, n_assets=12 + seed)
    for model in (FamaMacBeth(weighting=["ols", "wls", "gls"][seed % 3]), TradedFactorModel()):
        assert_equal_to_refitting(model, factors, returns, SPLITTERS[seed % 3])


def test_rows_in_any_order_are_the_same():
    factors, returns = sample(1)
    order = np.random.default_rng(0).permutation(len(factors))
    model = FamaMacBeth(premia_halflife=12)
    search = FactorSetSearchCV(model, cv=WalkForwardSplit(3))
    before = search.fit(factors, returns).results_
    after = search.fit(factors.iloc[order], returns.iloc[order]).results_
    pd.testing.assert_frame_equal(before, after, rtol=1e-10)


def test_near_collinear_factors_are_fitted_by_qr_and_collinear_ones_are_nan():
    factors, returns = sample(2)
    noise = np.random.default_rng(0).normal(size=len(factors))
    factors["near"] = factors["f0"] - factors["f1"] + 1e-6 * noise
    cv = PurgedKFold(3)
    search = FactorSetSearchCV(FamaMacBeth(), cv=cv).fit(factors, returns)
    columns = ["f0", "f1", "near"]
    expected, _ = refit(FamaMacBeth(), factors[columns], returns, list(cv.split(factors)))
    found = search.results_.loc["f0 + f1 + near", "score"].filter(like="split")
    assert_allclose(found, expected["cross_sectional_r2"], rtol=1e-6)
    factors["near"] = factors["f0"] - factors["f1"]
    with pytest.warns(RankDeficientWarning, match="2 of 15 sets cannot"):
        search.fit(factors, returns)
    failed = search.results_[search.results_["score", "mean"].isna()]
    assert list(failed.index) == ["f0 + f1 + near", "f0 + f1 + f2 + near"]


def test_an_asset_that_is_a_factor_has_no_weight_in_wls():
    factors, returns = sample(3)
    returns[0] = factors["f0"]
    search = FactorSetSearchCV(FamaMacBeth(weighting="wls"), cv=PurgedKFold(3))
    with pytest.warns(RankDeficientWarning, match="4 of 7 sets"):
        search.fit(factors, returns)
    assert "f0" not in search.best_set_


def test_missing_returns_are_refitted_and_that_is_said():
    factors, returns = sample(4, n_factors=2)
    returns.iloc[:20, 0] = np.nan
    cv = PurgedKFold(3)
    search = FactorSetSearchCV(FamaMacBeth(), cv=cv).fit(factors, returns)
    assert search.engine_ == "refit"
    assert "own samples" in search.reason_
    expected, _ = refit(FamaMacBeth(), factors[["f1"]], returns, list(cv.split(factors)))
    found = search.results_.loc["f1", "score"].filter(like="split")
    assert_allclose(found, expected["cross_sectional_r2"], rtol=1e-10)

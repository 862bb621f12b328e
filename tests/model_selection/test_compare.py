"""Comparison of factor sets: scores against folds by hand, a planted signal, mistakes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth
from skfactor.datasets import load_french, make_panel
from skfactor.inference import cross_sectional_r2, grs_test
from skfactor.metrics import ic_scorer, r2_zero_scorer, rank_ic, rank_ic_scorer
from skfactor.model_selection import compare_factor_sets

SETS = {"first": ["x1", "x2"], "second": ["x3"], "third": ["x4", "x5"]}


@pytest.fixture(scope="module")
def panel():
    return make_panel(40, 60, random_state=0, return_X_y=True)


@pytest.fixture(scope="module")
def folds(panel):
    dates = panel[0].index.get_level_values("date")
    return list(GroupKFold(4).split(*panel, groups=dates))


@pytest.fixture(scope="module")
def french():
    data = load_french()
    returns = data.filter(regex="^S[135][VM]").sub(data["RF"], axis=0)
    return data[["MktRF", "SMB", "HML", "Mom"]], returns


WIDE_SETS = {"CAPM": ["MktRF"], "FF3": ["MktRF", "SMB", "HML"], "Mom": ["MktRF", "Mom"]}


# --- known values -------------------------------------------------------------------------------


def test_scores_are_those_of_cross_validation_and_the_best_comes_first(panel, folds):
    X, y = panel
    table = compare_factor_sets(SETS, X, y, cv=folds)
    splits = [f"split{k}" for k in range(4)]
    for name, columns in SETS.items():
        expected = cross_val_score(FamaMacBeth(), X[columns], y, cv=folds, scoring=rank_ic_scorer)
        assert_allclose(table.loc[name, "score"][splits], expected, rtol=1e-12)
        assert_allclose(table.loc[name, ("score", "mean")], expected.mean(), rtol=1e-12)
    assert table[("score", "mean")].is_monotonic_decreasing


@pytest.mark.parametrize("scoring", [ic_scorer, r2_zero_scorer, "r2"])
def test_scores_from_moments_are_those_of_refitting(panel, folds, scoring):
    X, y = panel
    for estimator in (FamaMacBeth(), make_pipeline(FactorZScorer(), FamaMacBeth())):
        table = compare_factor_sets(SETS, X, y, cv=folds, scoring=scoring, estimator=estimator)
        assert table.attrs == {"scored_by": "moments", "reason": ""}
        for name, columns in SETS.items():
            expected = cross_val_score(
                estimator,
                X[columns],
                y,
                cv=folds,
                scoring=None if scoring == "r2" else scoring,
            )
            found = table.loc[name, "score"].filter(like="split")
            assert_allclose(found, expected, rtol=1e-10)


def test_what_is_refitted_says_why(panel, folds, french):
    table = compare_factor_sets(SETS, *panel, cv=folds)
    assert table.attrs == {"scored_by": "refitting", "reason": "the score needs rows"}
    table = compare_factor_sets(
        SETS, *panel, cv=folds, scoring=ic_scorer, estimator=LinearRegression()
    )
    assert table.attrs["reason"] == "panels of LinearRegression are not fitted from moments"
    assert compare_factor_sets(WIDE_SETS, *french, cv=KFold(3)).attrs["scored_by"] == "moments"


def test_differences_are_paired_by_fold(panel, folds):
    table = compare_factor_sets(SETS, *panel, cv=folds, reference="second")
    scores = table["score"].drop(columns="mean")
    for name in ("first", "third"):
        difference = scores.loc[name] - scores.loc["second"]
        assert_allclose(table.loc[name, ("difference", "mean")], difference.mean(), rtol=1e-12)
        assert_allclose(table.loc[name, ("difference", "std_error")], difference.sem(), rtol=1e-12)
        t = difference.mean() / difference.sem()
        assert_allclose(table.loc[name, ("difference", "t_value")], t, rtol=1e-12)
    assert table.loc["second", "difference"].isna().all()
    to_the_best = compare_factor_sets(SETS, *panel, cv=folds)
    assert to_the_best["difference"].iloc[0].isna().all()
    assert (to_the_best[("difference", "mean")].iloc[1:] < 0.0).all()


def test_a_panel_has_premia_and_no_pricing_tests(panel, folds):
    X, y = panel
    table = compare_factor_sets(SETS, X, y, cv=folds)
    assert list(table.columns.get_level_values(0).unique()) == ["score", "difference", "t_value"]
    for name, columns in SETS.items():
        expected = FamaMacBeth().fit(X[columns], y).inference().t_values
        found = table.loc[name, "t_value"].dropna()
        assert_allclose(found[expected.index], expected, rtol=1e-12)
        assert set(found.index) == set(expected.index)


def test_wide_statistics_are_those_of_inference(french):
    factors, returns = french
    table = compare_factor_sets(WIDE_SETS, factors, returns, cv=KFold(3))
    for name, columns in WIDE_SETS.items():
        row, chosen = table.loc[name], factors[columns]
        model = FamaMacBeth().fit(chosen, returns)
        r2, grs = cross_sectional_r2(model), grs_test(chosen, returns)
        assert_allclose(row["r2"], [r2.r2, r2.std_error], rtol=1e-12)
        assert_allclose(row["grs"], [grs.statistic, grs.p_value], rtol=1e-12)
        t_values = model.inference().t_values
        assert_allclose(row["t_value"].dropna()[t_values.index], t_values, rtol=1e-12)
        scores = cross_val_score(FamaMacBeth(), chosen, returns, cv=KFold(3))
        assert_allclose(row["score"]["mean"], scores.mean(), rtol=1e-10)
        covariance = np.cov(chosen.T, ddof=0).reshape(len(columns), -1)
        mean = chosen.mean().to_numpy()
        sharpe2 = mean @ np.linalg.solve(covariance, mean)
        assert_allclose(row["sharpe2"]["estimate"], sharpe2, rtol=1e-10)


def test_sets_with_a_factor_that_is_not_traded_have_no_grs(french):
    factors, returns = french
    table = compare_factor_sets(
        WIDE_SETS, factors, returns, cv=KFold(3), traded=["MktRF", "SMB", "HML"]
    )
    assert table.loc["Mom", "grs"].isna().all()
    assert table.loc[["CAPM", "FF3"], "grs"].notna().all(axis=None)
    assert np.isfinite(table.loc["Mom", ("sharpe2", "estimate")])
    assert np.isnan(table.loc["Mom", ("sharpe2", "std_error")])
    none = compare_factor_sets(WIDE_SETS, factors, returns, cv=KFold(3), traded=False)
    assert "grs" not in none.columns.get_level_values(0)


def test_missing_returns_leave_out_pricing_tests_and_say_why(french):
    factors, returns = french
    holes = returns.mask(np.random.default_rng(0).random(returns.shape) < 0.01)
    with pytest.warns(UserWarning, match="There is no") as caught:
        table = compare_factor_sets(WIDE_SETS, factors, holes, cv=KFold(3))
    messages = sorted(str(each.message) for each in caught)
    assert len(messages) == 2
    assert messages[0].startswith("There is no grs of ['CAPM', 'FF3', 'Mom']: returns has missing")
    assert messages[1].startswith("There is no r2 of ['CAPM', 'FF3', 'Mom']: ")
    assert caught[0].filename == __file__
    groups = list(table.columns.get_level_values(0).unique())
    assert groups == ["score", "difference", "t_value", "sharpe2"]


# --- what it takes ------------------------------------------------------------------------------


def test_lists_are_named_by_their_columns(panel, folds):
    named = compare_factor_sets([["x1", "x2"], ["x3"]], *panel, cv=folds)
    assert sorted(named.index) == ["x1 + x2", "x3"]


def test_default_folds_walk_forward(panel):
    table = compare_factor_sets(SETS, *panel)
    assert table["score"].shape[1] == 1 + 5


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        make_pipeline(FactorZScorer(), FamaMacBeth()),
        GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2),
    ],
    ids=["no inference", "pipeline", "search"],
)
def test_any_estimator_is_compared_and_premia_are_there_if_it_has_them(panel, folds, estimator):
    X, y = panel
    table = compare_factor_sets(SETS, X, y, estimator=estimator, cv=folds)
    expected = cross_val_score(estimator, X[["x3"]], y, cv=folds, scoring=rank_ic_scorer)
    assert_allclose(table.loc["second", ("score", "mean")], expected.mean(), rtol=1e-12)
    has_premia = "t_value" in table.columns.get_level_values(0)
    assert has_premia == hasattr(estimator, "steps")


def test_scoring_may_be_any(panel, folds):
    X, y = panel
    by_name = compare_factor_sets(SETS, X, y, cv=folds, scoring="neg_mean_squared_error")
    assert (by_name["score"] < 0.0).all(axis=None)


@pytest.mark.parametrize("scoring", [["r2"], {"r2": "r2"}, ("r2", rank_ic_scorer), 1])
def test_several_scores_raise(panel, folds, scoring):
    with pytest.raises(ValueError, match=r"has to be one score.*Call compare_factor_sets once"):
        compare_factor_sets(SETS, *panel, cv=folds, scoring=scoring)


def test_a_set_without_a_score_comes_last(panel, folds):
    X, y = panel
    sets = {"constant": ["x1"], "signal": ["x2"]}

    class ConstantOnX1(BaseEstimator):
        def fit(self, X, y):
            self.model_ = (DummyRegressor() if list(X) == ["x1"] else Ridge()).fit(X, y)
            return self

        def predict(self, X):
            return self.model_.predict(X)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a correlation with a constant is not defined
        table = compare_factor_sets(sets, X, y, estimator=ConstantOnX1(), cv=folds)
    assert list(table.index) == ["signal", "constant"]


def test_one_set_has_no_differences(panel, folds):
    table = compare_factor_sets({"only": ["x1"]}, *panel, cv=folds)
    assert "difference" not in table.columns.get_level_values(0)


def test_input_and_estimator_are_not_modified(panel, folds):
    X, y = panel
    before, estimator = X.copy(deep=True), FamaMacBeth()
    compare_factor_sets(SETS, X, y, estimator=estimator, cv=folds)
    pd.testing.assert_frame_equal(X, before)
    assert not hasattr(estimator, "premia_")


# --- a planted signal ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_planted_signal_is_ranked_first():
    # Monthly IC 0.1 in 60 dates x 100 assets is about as clear as 0.05 in the 100 x 300 of
    # benchmarks/planted_signal.py, which counts 200 panels.
    first = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        index = pd.MultiIndex.from_product(
            [pd.period_range("2000-01", periods=60, freq="M"), range(100)], names=["date", "asset"]
        )
        X = pd.DataFrame(rng.normal(size=(len(index), 3)), index=index, columns=["s", "a", "b"])
        y = 0.1 * X["s"] + np.sqrt(1 - 0.1**2) * rng.normal(size=len(X))
        dates = X.index.get_level_values("date")
        cv = list(GroupKFold(2).split(X, y, groups=dates))
        table = compare_factor_sets({"a": ["a"], "b": ["b"], "signal": ["s"]}, X, y, cv=cv)
        by_rank_ic = max("sab", key=lambda name: rank_ic(y, X[name]))
        first.append((table.index[0] == "signal", by_rank_ic == "s"))
    assert np.all(first)


# --- what raises --------------------------------------------------------------------------------


def test_folds_that_share_a_date_raise(panel):
    with pytest.raises(ValueError, match=r"The date .* is in train and in test of fold 0"):
        compare_factor_sets(SETS, *panel, cv=KFold(3, shuffle=True, random_state=0))


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"a": ["x1", "size"]}, r"The set 'a' names \['size'\]; X has \['x1'"),
        ({"a": []}, "Each set is a list of columns of X"),
        ({"a": "x1"}, "Each set is a list of columns of X; found 'x1'"),
        (["x1", "x2"], "Each set is a list of columns of X; found 'x1'"),
        ({}, "There are no sets"),
        ([], "There are no sets"),
        ("x1", "has to be a dict or a list"),
        (3, "has to be a dict or a list"),
        ({"a": ["x1", "x1"]}, "occurs twice"),
        ([["x1"], ["x1"]], "occurs twice"),
    ],
)
def test_sets_are_checked(panel, sets, message):
    with pytest.raises(ValueError, match=message):
        compare_factor_sets(sets, *panel)


def test_other_mistakes_raise(panel, french, folds):
    X, y = panel
    with pytest.raises(ValueError, match=r"reference='FF5' is not one of the sets \['first'"):
        compare_factor_sets(SETS, X, y, cv=folds, reference="FF5")
    with pytest.raises(ValueError, match="X has to be a DataFrame"):
        compare_factor_sets(SETS, X.to_numpy(), y, cv=folds)
    with pytest.raises(ValueError, match="X and y have different indexes"):
        compare_factor_sets(SETS, X, y[::-1], cv=folds)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        compare_factor_sets(SETS, X, y[:-1], cv=folds)
    with pytest.raises(ValueError, match=r"traded=\['GDP'\] has to be"):
        compare_factor_sets(WIDE_SETS, *french, traded=["GDP"])
    with pytest.raises(ValueError, match="occur more than once"):
        compare_factor_sets(SETS, X[["x1", "x1", "x2", "x3", "x4", "x5"]], y, cv=folds)


def test_scores_of_this_package_are_found_by_name():
    X, y = make_panel(n_dates=20, n_assets=20, n_features=2, random_state=0, return_X_y=True)
    sets = {"one": ["x1"], "both": ["x1", "x2"]}
    expected = compare_factor_sets(sets, X, y, scoring=rank_ic_scorer)
    pd.testing.assert_frame_equal(compare_factor_sets(sets, X, y, scoring="rank_ic"), expected)
    with pytest.raises(ValueError, match=r"scoring='rank_icc' is not a scorer"):
        compare_factor_sets(sets, X, y, scoring="rank_icc")

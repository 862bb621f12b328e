"""FamaMacBeth on rolling betas: each date is explained by what was known before it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference_premia import random_two_pass, to_long
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from skfactor import FactorBetas, FamaMacBeth
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference import j_test

ROLLING = [
    {"window": 24},
    {"window": 24, "min_periods": 12, "lag": 2},
    {"expanding": True, "halflife": 12.0},
    {"window": 24, "lag": 0, "shrinkage": "vasicek"},
]


@pytest.fixture
def data():
    return random_two_pass(np.random.default_rng(0), n_assets=10)


@pytest.fixture
def unbalanced():
    X, y = random_two_pass(np.random.default_rng(1), n_assets=10, missing=0.02)
    y.iloc[:30, 0] = np.nan
    y.iloc[40:, 1] = np.nan
    return X, y


def by_loop(betas, y, lag, weights=None):
    """One statsmodels regression per date on the betas of ``lag`` dates before."""
    names = ["const", *betas.columns]
    slopes, unexplained = pd.DataFrame(np.nan, y.index, names), {}
    for t in range(lag, len(y)):
        x = sm.add_constant(betas.loc[y.index[t - lag]], has_constant="add")
        r = y.iloc[t]
        kept = r.notna() & x.notna().all(axis=1)
        w = np.ones(len(r)) if weights is None else weights.loc[y.index[t - lag]]
        kept &= np.isfinite(w)
        unexplained[y.index[t]] = r, x
        if kept.sum() >= len(names):
            fit = sm.WLS(r[kept], x[kept], weights=pd.Series(w, r.index)[kept]).fit()
            slopes.loc[y.index[t]] = fit.params
    premia = slopes.mean()
    errors = pd.DataFrame({date: r - x @ premia for date, (r, x) in unexplained.items()})
    return slopes, errors.mean(axis=1)


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", ROLLING)
@pytest.mark.parametrize("name", ["data", "unbalanced"])
def test_dates_are_explained_by_the_betas_known_before_them(name, parameters, request):
    X, y = request.getfixturevalue(name)
    first_pass = FactorBetas(**parameters)
    betas = first_pass.fit(X, y).rolling_betas_
    model = FamaMacBeth(betas=first_pass).fit(X, y)
    slopes, errors = by_loop(betas, y, first_pass.lag)
    assert slopes.notna().all(axis=1).sum() > 20
    assert slopes.isna().all(axis=1).sum() > 2
    assert_allclose(model.lambdas_, slopes, rtol=1e-8, atol=1e-12)
    assert_allclose(model.premia_, slopes.mean(), rtol=1e-8, atol=1e-12)
    assert_frame_equal(model.betas_, betas.loc[y.index[-1]], check_names=False)
    expected = model.premia_["const"] + model.betas_ @ model.premia_[list(X.columns)]
    assert_series_equal(model.expected_returns_, expected, check_names=False)
    assert_allclose(model.pricing_errors_, errors, rtol=1e-8, atol=1e-12)
    assert_array_equal(model.predict(X[:2]), np.tile(model.expected_returns_, (2, 1)))
    assert np.isfinite(model.score(X, y))


@pytest.mark.parametrize("parameters", ROLLING)
def test_the_long_pipeline_gives_the_slopes_of_the_wide_form(unbalanced, parameters):
    X, y = unbalanced
    wide = FamaMacBeth(betas=FactorBetas(**parameters)).fit(X, y)
    long_X, long_y = to_long(X, y)
    pipeline = make_pipeline(FactorBetas(**parameters), FamaMacBeth())
    rows = np.random.default_rng(0).permutation(len(long_X))
    for fitted in (
        pipeline.fit(long_X, long_y),
        pipeline.fit(long_X.iloc[rows], long_y.iloc[rows]),
    ):
        assert_allclose(fitted[-1].lambdas_, wide.lambdas_, rtol=1e-8, atol=1e-12)
        assert_allclose(fitted[-1].premia_, wide.premia_, rtol=1e-9, atol=1e-13)


def test_betas_that_do_not_change_leave_the_errors_of_the_whole_sample():
    X, _ = random_two_pass(np.random.default_rng(3))
    betas = np.random.default_rng(4).normal(size=(6, 2))
    y = pd.DataFrame(X.to_numpy() @ betas.T + 0.001 * np.arange(6), X.index)
    model = FamaMacBeth(betas=FactorBetas(24)).fit(X, y)
    expected = FamaMacBeth().fit(X, y)
    assert_allclose(model.lambdas_[24:], expected.lambdas_[24:], rtol=1e-7, atol=1e-12)
    later = (y - model.expected_returns_)[24:].mean()
    assert_allclose(model.pricing_errors_, later, atol=1e-12)


def test_wls_weighs_by_the_residuals_of_the_windows(unbalanced):
    X, y = unbalanced
    first_pass = FactorBetas(24, min_periods=12)
    fitted = first_pass.fit(X, y)
    weights = {}
    for t, date in enumerate(y.index):
        rows = slice(max(t - 23, 0), t + 1)
        residuals = y.iloc[rows] - X.iloc[rows] @ fitted.rolling_betas_.loc[date].T
        weights[date] = 1.0 / (residuals - residuals.mean()).pow(2).mean()
    weights = pd.DataFrame(weights).T
    slopes, _ = by_loop(fitted.rolling_betas_, y, 1, weights)
    model = FamaMacBeth(betas=first_pass, weighting="wls").fit(X, y)
    assert_allclose(model.lambdas_, slopes, rtol=1e-8, atol=1e-12)
    with pytest.raises(ValueError, match=r"'gls' is for betas of the whole sample.*'wls'"):
        FamaMacBeth(betas=first_pass, weighting="gls").fit(X, y)


def test_wls_raises_where_a_window_has_no_residuals():
    X, _ = random_two_pass(np.random.default_rng(3))
    y = pd.DataFrame(np.zeros((60, 4)), X.index)
    with pytest.raises(ValueError, match=r"residuals of some windows have no variance"):
        FamaMacBeth(betas=FactorBetas(24), weighting="wls").fit(X, y)


# --- warm-up ------------------------------------------------------------------------------------


def test_the_warm_up_is_no_failure_but_what_follows_it_is(data):
    X, y = data
    first_pass = FactorBetas(24)
    model = FamaMacBeth(betas=first_pass, rank_deficient="raise").fit(X, y)
    assert_array_equal(model.lambdas_["const"].isna(), np.arange(60) < 24)
    assert_array_equal(model.cross_sections_["n_assets"], np.where(np.arange(60) < 24, 0, 10))
    y = y.copy()
    y.iloc[45, 2:] = np.nan
    with pytest.warns(RankDeficientWarning, match=r"premia of 1 of 60 dates are NaN.*2003-10"):
        FamaMacBeth(betas=FactorBetas(24, min_periods=20)).fit(X, y)


def test_a_warm_up_that_never_ends_raises(data):
    X, y = data
    with pytest.raises(ValueError, match=r"none of the 10 asset.*of 80, of 60 in all"):
        FamaMacBeth(betas=FactorBetas(80)).fit(X, y)
    with pytest.raises(ValueError, match=r"premia of 60 of 60 dates cannot be estimated"):
        FamaMacBeth(betas=FactorBetas(24, lag=40)).fit(X, y)


# --- what follows -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({"window": 24}, r"rolling \(window=24\)"),
        ({"expanding": True}, "expanding"),
        ({"halflife": 12.0}, r"weighted \(halflife=12.0\)"),
        ({"shrinkage": "vasicek"}, r"shrunk \(shrinkage='vasicek'\)"),
    ],
)
def test_errors_are_those_of_fama_and_macbeth_and_the_summary_says_why(data, parameters, kind):
    model = FamaMacBeth(betas=FactorBetas(**parameters)).fit(*data)
    inference = model.inference()
    assert inference.covariance == "fama-macbeth"
    slopes = model.lambdas_.dropna()
    assert_allclose(inference.std_errors, slopes.std() / np.sqrt(len(slopes)), rtol=1e-10)
    said = " ".join(str(model.summary()).split())
    assert "fama-macbeth" in said.lower()
    assert "betas of the whole sample" in said
    for covariance in ("shanken", "gmm", "krs"):
        with pytest.raises(ValueError, match=rf"{covariance}.*these are {kind}.*'fama-macbeth'"):
            model.inference(covariance)
    with pytest.raises(ValueError, match=rf"betas of the whole sample.*these are {kind}"):
        j_test(model)
    with pytest.raises(ValueError, match=rf"portfolio_betas needs .*these are {kind}"):
        model.portfolio_betas(pd.Series({"asset0": 1.0}))


def test_the_window_is_tuned_by_grid_search(data):
    X, y = data
    search = GridSearchCV(
        FamaMacBeth(betas=FactorBetas()), {"betas__window": [None, 12, 24]}, cv=KFold(3)
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.first_pass_.window == search.best_params_["betas__window"]


def test_arrays_and_rows_in_any_order_give_the_same_slopes(unbalanced):
    X, y = unbalanced
    model = FamaMacBeth(betas=FactorBetas(24, min_periods=12))
    expected = model.fit(X, y).lambdas_
    arrays = FamaMacBeth(betas=FactorBetas(24, min_periods=12)).fit(X.to_numpy(), y.to_numpy())
    assert_array_equal(arrays.lambdas_, expected)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = FamaMacBeth(betas=FactorBetas(24, min_periods=12)).fit(X.iloc[order], y.iloc[order])
    assert_frame_equal(shuffled.lambdas_, expected, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_panel_has_a_warm_up_until_exposures_are_known(data, fit_intercept):
    long_X, long_y = to_long(*data)
    rng = np.random.default_rng(0)
    exposures = pd.DataFrame(rng.normal(size=(len(long_X), 2)), long_X.index, ["size", "momentum"])
    dates = long_X.index.get_level_values("date")
    early = dates < dates.unique()[11]
    exposures.loc[early, "momentum"] = np.nan
    order = rng.permutation(len(exposures))
    model = FamaMacBeth(fit_intercept=fit_intercept, rank_deficient="raise")
    for rows in (np.arange(len(exposures)), order):
        model.fit(exposures.iloc[rows], long_y.iloc[rows])
        assert_array_equal(model.lambdas_["size"].isna(), np.arange(60) < 11)
    with pytest.raises(ValueError, match=r"premia of 11 of 60 dates cannot be estimated"):
        model.fit(exposures.fillna(0.0), long_y.where(~early))
    with pytest.raises(ValueError, match=r"premia of 1 of 60 dates cannot be estimated"):
        model.fit(exposures, long_y.where(dates != dates.unique()[30]))


# --- factors among the assets -------------------------------------------------------------------


def exactly(table):
    """The same numbers as fractions."""
    return np.array([[Fraction(value) for value in row] for row in np.asarray(table).tolist()])


def solve_exactly(matrix, right):
    """Solutions of a linear system of fractions, by elimination."""
    rows = np.hstack([matrix, right])
    n = len(rows)
    for i in range(n):
        rows[i] = rows[i] / rows[i, i]
        for j in range(n):
            if j != i:
                rows[j] = rows[j] - rows[j, i] * rows[i]
    return rows[:, n:]


def gls_by_returns(X, y, fit_intercept):
    """Premia with the inverse covariance of the returns as weights, without rounding."""
    f, r = exactly(X), exactly(y)
    means = r.sum(axis=0) / Fraction(len(r))
    f, r = f - f.sum(axis=0) / Fraction(len(f)), r - means
    columns = solve_exactly(f.T @ f, f.T @ r).T
    if fit_intercept:
        columns = np.hstack([np.full((len(columns), 1), Fraction(1)), columns])
    weighted = solve_exactly(r.T @ r, columns)
    premia = solve_exactly(columns.T @ weighted, weighted.T @ means[:, None])
    return premia[:, 0].astype(np.float64)


@pytest.mark.parametrize("added", [["f0"], ["f0", "f1"], ["f0", "f1", "f2"]])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gls_takes_traded_factors_as_test_assets(added, fit_intercept):
    X, y = random_two_pass(np.random.default_rng(3))
    X.columns = ["f0", "f1", "f2"][: X.shape[1]]
    added = [name for name in added if name in X]
    y = y.join(X[added].add_prefix("traded "))
    model = FamaMacBeth(weighting="gls", fit_intercept=fit_intercept).fit(X, y)
    assert_allclose(model.premia_, gls_by_returns(X, y, fit_intercept), rtol=1e-9)
    if len(added) == X.shape[1] and not fit_intercept:
        assert_allclose(model.premia_, X.mean(), rtol=1e-10)


def test_gls_leaves_out_dates_without_a_factor():
    X, y = random_two_pass(np.random.default_rng(3))
    X.iloc[7, 0] = np.nan
    model = FamaMacBeth(weighting="gls").fit(X, y)
    without = FamaMacBeth(weighting="gls").fit(X.drop(X.index[7]), y.drop(X.index[7]))
    assert_allclose(model.lambdas_.drop(X.index[7]), without.lambdas_, rtol=1e-9)


@pytest.mark.parametrize("what", ["a factor", "too few returns"])
def test_wls_names_the_assets_that_have_no_residuals(what):
    X, y = random_two_pass(np.random.default_rng(3))
    if what == "a factor":
        y["asset1"] = X.iloc[:, 0]
    else:
        y.loc[y.index[X.shape[1] + 1] :, "asset1"] = np.nan
    with pytest.raises(ValueError, match=r"of 1 assets have no variance \(\['asset1'\]\)"):
        FamaMacBeth(weighting="wls").fit(X, y)
    if what == "a factor":
        with pytest.raises(ValueError, match=r"residuals of some windows have no variance"):
            FamaMacBeth(betas=FactorBetas(24), weighting="wls").fit(X, y)


@pytest.mark.parametrize("parameters", [{}, {"halflife": 24.0}, {"shrinkage": "vasicek"}])
@pytest.mark.parametrize("factors_missing", [0, 5])
def test_pricing_errors_are_about_averages_over_all_dates_of_an_asset(parameters, factors_missing):
    X, y = random_two_pass(np.random.default_rng(3), missing=0.1)
    X.iloc[:factors_missing, 0] = np.nan
    model = FamaMacBeth(betas=FactorBetas(**parameters)).fit(X, y)
    assert_allclose(model.pricing_errors_, y.mean() - model.expected_returns_, atol=1e-15)

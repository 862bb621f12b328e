"""Betas of portfolios, and slopes seen as portfolios."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal
from reference import random_panel
from reference_premia import (
    first_pass_loop,
    french_two_pass,
    portfolio_variance_by_pairs,
    random_two_pass,
    to_long,
)

from skfactor import FactorBetas, FamaMacBeth
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning


@pytest.fixture
def data():
    return random_two_pass(np.random.default_rng(0))


@pytest.fixture
def panel():
    return random_panel(np.random.default_rng(0), n_features=2)


WEIGHTS = pd.Series({"asset1": 0.7, "asset4": 0.5, "asset6": -0.2})


# --- betas of portfolios ------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_complete_returns_give_the_regression_of_the_portfolio_itself(data, fit_intercept):
    X, y = data
    model = FamaMacBeth(betas=FactorBetas(fit_intercept=fit_intercept)).fit(X, y)
    table = model.portfolio_betas(WEIGHTS)
    portfolio = y[WEIGHTS.index] @ WEIGHTS
    expected = sm.OLS(portfolio, sm.add_constant(X) if fit_intercept else X).fit()
    names = list(X.columns)
    assert_allclose(table["beta"], expected.params[names], rtol=1e-10)
    assert_allclose(table["std_error"], expected.bse[names], rtol=1e-10)
    assert_allclose(table["t_value"], expected.tvalues[names], rtol=1e-10)
    assert_allclose(table["p_value"], expected.pvalues[names], rtol=1e-9)
    assert list(table.index) == names
    assert table.index.name == "factor"


def test_french_portfolios_of_portfolios_agree_with_their_own_regressions():
    X, y = french_two_pass()
    weights = pd.DataFrame(
        {"small minus big": {"S1V1": 1.0, "S5V1": -1.0}, "average": 1.0 / y.shape[1]},
        index=y.columns,
    ).fillna(0.0)
    table = FamaMacBeth().fit(X, y).portfolio_betas(weights)
    assert table.index.names == ["portfolio", "factor"]
    for name, column in weights.items():
        expected = sm.OLS(y @ column, sm.add_constant(X)).fit()
        assert_allclose(table.loc[name, "beta"], expected.params[X.columns], rtol=1e-9)
        assert_allclose(table.loc[name, "std_error"], expected.bse[X.columns], rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_unbalanced_returns_give_the_sum_over_pairs_of_assets(seed):
    X, y = random_two_pass(np.random.default_rng(seed), n_assets=20, missing=0.3)
    table = FamaMacBeth().fit(X, y).portfolio_betas(WEIGHTS)
    passes = first_pass_loop(X, y)
    assert_allclose(table["beta"], WEIGHTS @ passes["betas"].loc[WEIGHTS.index], rtol=1e-10)
    variance = portfolio_variance_by_pairs(X, passes["residuals"], WEIGHTS)
    assert_allclose(table["std_error"], np.sqrt(np.diag(variance)), rtol=1e-9)


def test_one_asset_has_its_own_beta_and_error():
    X, y = random_two_pass(np.random.default_rng(1), missing=0.3)
    model = FamaMacBeth().fit(X, y)
    table = model.portfolio_betas(pd.Series({"asset5": 1.0}))
    assert_allclose(table["beta"], model.betas_.loc["asset5"])
    assert_allclose(table["std_error"], model.first_pass_.std_errors_.loc["asset5"], rtol=1e-11)


def test_a_missing_factor_leaves_out_its_date(data):
    X, y = (frame.copy() for frame in data)
    X.iloc[5, 0] = np.nan
    table = FamaMacBeth().fit(X, y).portfolio_betas(WEIGHTS)
    without = FamaMacBeth().fit(X.drop(X.index[5]), y.drop(X.index[5]))
    assert_frame_equal(table, without.portfolio_betas(WEIGHTS), rtol=1e-10)


def test_the_scale_order_and_zeros_of_weights_do_what_they_say(data):
    model = FamaMacBeth().fit(*data)
    table = model.portfolio_betas(WEIGHTS)
    assert_frame_equal(model.portfolio_betas(WEIGHTS[::-1]), table, rtol=1e-12)
    padded = WEIGHTS.reindex([f"asset{i}" for i in range(8)], fill_value=0.0)
    assert_frame_equal(model.portfolio_betas(padded), table)
    double = model.portfolio_betas(2.0 * WEIGHTS)
    assert_allclose(double[["beta", "std_error"]], 2.0 * table[["beta", "std_error"]])
    assert_allclose(double[["t_value", "p_value"]], table[["t_value", "p_value"]], rtol=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (WEIGHTS.rename({"asset4": "IBM"}), r"assets \['IBM'\] of the weights were not in fit"),
        (WEIGHTS.replace(0.5, np.nan), r"weights hold NaN or infinite values; pass 0"),
        (WEIGHTS.to_numpy(), r"weights is a ndarray; pass a Series or DataFrame"),
        (WEIGHTS.to_dict(), r"weights is a dict; pass a Series or DataFrame"),
        (pd.Series({"asset7": 1.0}), r"assets \['asset7'\] have no betas: too few"),
    ],
)
def test_weights_that_cannot_be_used_raise(data, weights, message):
    X, y = data
    with pytest.warns(RankDeficientWarning, match="betas of 1 of 8"):
        model = FamaMacBeth().fit(X, y.assign(asset7=np.nan))
    with pytest.raises(ValueError, match=message):
        model.portfolio_betas(weights)


def test_assets_that_never_met_have_no_portfolio(data):
    X, y = data
    early = np.arange(60) < 30
    y = y.assign(asset1=y["asset1"].where(early), asset4=y["asset4"].where(~early))
    with pytest.raises(ValueError, match=r"fewer than 4 dates in common"):
        FamaMacBeth().fit(X, y).portfolio_betas(WEIGHTS)


def test_a_panel_has_no_portfolio_betas(data):
    model = FamaMacBeth().fit(*_exposures_of(data))
    with pytest.raises(ValueError, match=r"portfolio_betas needs the wide form"):
        model.portfolio_betas(WEIGHTS)


# --- slopes as portfolios -----------------------------------------------------------------------


def _exposures_of(data):
    long_X, long_y = to_long(*data)
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=long_X.shape), long_X.index, long_X.columns), long_y


def _weights(index):
    weights = pd.Series(np.random.default_rng(2).uniform(0.1, 3.0, len(index)), index)
    weights.iloc[::9] = 0.0
    return weights


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_slope_portfolios_have_unit_exposures_and_earn_the_slopes(panel, weighted, fit_intercept):
    y = pd.Series(np.random.default_rng(1).normal(size=len(panel)), panel.index)
    w = _weights(panel.index) if weighted else None
    model = FamaMacBeth(fit_intercept=fit_intercept).fit(panel, y, sample_weight=w)
    portfolios = model.slope_portfolios(panel, sample_weight=w)
    assert_index_equal(portfolios.index, panel.index)
    assert list(portfolios.columns) == list(model.lambdas_.columns)
    design = panel.assign(const=1.0)[list(portfolios.columns)].fillna(0.0)
    for date in model.dates_:
        a = portfolios.xs(date, level="date")
        x = design.xs(date, level="date")
        assert_allclose(a.T.to_numpy() @ x.to_numpy(), np.eye(a.shape[1]), atol=1e-12)
        earned = a.T.to_numpy() @ y.xs(date, level="date").to_numpy()
        assert_allclose(earned, model.lambdas_.loc[date], rtol=1e-9, atol=1e-12)
    left_out = panel.isna().any(axis=1) if w is None else panel.isna().any(axis=1) | (w == 0.0)
    assert_array_equal((portfolios == 0.0).all(axis=1), left_out)


def test_weights_of_portfolios_have_the_closed_form(panel):
    model = FamaMacBeth().fit(panel, panel["x0"] + panel["x1"] ** 2)
    portfolios = model.slope_portfolios(panel)
    date = model.dates_[2]
    x = panel.xs(date, level="date").dropna().assign(const=1.0)[["const", "x0", "x1"]].to_numpy()
    a = portfolios.xs(date, level="date")
    a = a[(a != 0.0).any(axis=1)]
    assert_allclose(a.T, np.linalg.inv(x.T @ x) @ x.T, rtol=1e-8, atol=1e-14)
    assert_allclose(a.sum(), [1.0, 0.0, 0.0], atol=1e-14)


def test_wide_betas_give_the_portfolios_of_every_period(data):
    X, y = data
    model = FamaMacBeth().fit(X, y)
    portfolios = model.slope_portfolios(model.betas_)
    assert_index_equal(portfolios.index, y.columns)
    assert_allclose(y @ portfolios, model.lambdas_, rtol=1e-9, atol=1e-14)


def test_rows_dates_and_containers_do_not_matter(panel):
    model = FamaMacBeth().fit(panel, panel["x0"] ** 2)
    expected = model.slope_portfolios(panel)
    order = np.random.default_rng(3).permutation(len(panel))
    assert_frame_equal(model.slope_portfolios(panel.iloc[order]), expected.iloc[order])
    assert_frame_equal(model.slope_portfolios(panel.swaplevel()), expected.swaplevel())
    dates = panel.index.get_level_values("date")
    plain = model.slope_portfolios(panel.reset_index(drop=True), dates=dates)
    assert_array_equal(plain, expected)
    today = panel[dates == dates.max()].droplevel("date")
    one = model.slope_portfolios(today, dates="2030-01-31")
    assert_array_equal(one, expected[dates == dates.max()])


def test_a_date_that_cannot_be_estimated_has_no_portfolios(panel):
    y = panel["x0"] ** 2
    dates = panel.index.get_level_values("date")
    spoiled = panel.assign(x1=panel["x1"].where(dates != dates.max(), 3.0 * panel["x0"]))
    portfolios = FamaMacBeth().fit(panel, y).slope_portfolios(spoiled)
    complete = spoiled.notna().all(axis=1)
    there = dates == dates.max()
    assert portfolios[there & complete].isna().all(axis=None)
    assert portfolios[~there].notna().all(axis=None)


def test_plain_arrays_are_one_cross_section():
    x = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.warns(NoDatesWarning):
        model = FamaMacBeth().fit(x, x[:, 0] + 1.0)
    portfolios = model.slope_portfolios(x)
    design = np.column_stack([np.ones(30), x])
    assert_allclose(portfolios, np.linalg.pinv(design).T, rtol=1e-9, atol=1e-15)


# Of assets with few returns, beside what is tested.
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning")
def test_pairwise_covariances_that_are_not_definite_do_not_end_in_a_numpy_warning():
    # Half of the returns are missing: what pairs of assets share need not make a covariance.
    rng = np.random.default_rng(1446)
    X, y = random_two_pass(rng, int(rng.integers(12, 40)), 5, n_factors=1, missing=0.5)
    weights = pd.Series(rng.normal(size=5), y.columns)
    variance = portfolio_variance_by_pairs(X, first_pass_loop(X, y)["residuals"], weights)
    assert variance.item() < 0.0
    model = FamaMacBeth().fit(X, y)
    with contextlib.suppress(ValueError):  # a clear refusal is as good as NaN
        assert model.portfolio_betas(weights)["std_error"].isna().all()

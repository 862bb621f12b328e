"""Squared Sharpe ratios of factors and of portfolios that mimic them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth
from skfactor.datasets import load_french, make_panel
from skfactor.model_selection._factor_set_statistics import in_sample_statistics, squared_sharpe

FRENCH = load_french()
FACTORS = FRENCH[["MktRF", "SMB", "HML"]]
RETURNS = FRENCH.filter(regex="^S[135][VM]").sub(FRENCH["RF"], axis=0)


def statistics(traded, base=None):
    base = pd.concat([FACTORS[traded], RETURNS], axis=1) if base is None else base
    model = FamaMacBeth().fit(FACTORS, RETURNS)
    return in_sample_statistics(model, FACTORS, RETURNS, base, traded)


def test_of_one_factor_it_is_the_square_of_its_t_value_over_the_dates():
    mkt = FRENCH["MktRF"]
    found, error = squared_sharpe(mkt.to_numpy()[:, None])
    ratio = mkt.mean() / mkt.std(ddof=0)
    assert_allclose(found, ratio**2, rtol=1e-12)
    # Delta method on mean and variance, with the sample's own third and fourth moments.
    z = (mkt - mkt.mean()) / mkt.std(ddof=0)
    influence = 2 * ratio * (z - ratio * (z**2 - 1) / 2)
    assert_allclose(error, np.sqrt((influence**2).mean() / len(mkt)), rtol=1e-10)


def test_the_error_is_the_spread_over_samples():
    rng = np.random.default_rng(0)
    draws = [squared_sharpe(rng.normal(0.3, 1.0, size=(400, 2))) for _ in range(400)]
    estimates, errors = np.array(draws).T
    assert_allclose(errors.mean(), estimates.std(), rtol=0.1)


def test_mimicked_factors_are_fitted_values_of_a_regression_on_returns():
    base = pd.concat([FACTORS[["MktRF"]], RETURNS], axis=1)
    parts = {"MktRF": FACTORS["MktRF"]}
    for name in ("SMB", "HML"):
        fit = sm.OLS(FACTORS[name], sm.add_constant(base)).fit()
        parts[name] = base @ fit.params[base.columns]
    expected, _ = squared_sharpe(pd.DataFrame(parts).to_numpy())
    figures = statistics(["MktRF"]).figures
    assert_allclose(figures["sharpe2", "estimate"], expected, rtol=1e-8)
    assert ("sharpe2", "std_error") not in figures
    assert not any(group == "grs" for group, _ in figures)


def test_a_factor_among_the_returns_mimics_itself():
    base = pd.concat([FACTORS, RETURNS], axis=1)
    traded = statistics(list(FACTORS)).figures["sharpe2", "estimate"]
    assert_allclose(statistics([], base).figures["sharpe2", "estimate"], traded, rtol=1e-8)


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        (RETURNS.mask(RETURNS.quantile(0.01) > RETURNS), "missing values"),
        (pd.DataFrame(np.random.default_rng(0).normal(size=(len(RETURNS), 900))), "need more than"),
    ],
)
def test_what_cannot_be_mimicked_says_why(base, reason):
    found = statistics([], base.set_axis(FACTORS.index))
    assert reason in found.absent["sharpe2"]


def test_a_panel_has_premia_only():
    X, y = make_panel(12, 40, random_state=0, return_X_y=True)
    model = make_pipeline(FactorZScorer(), FamaMacBeth()).fit(X, y)
    found = in_sample_statistics(model, X, y, None, [])
    assert {group for group, _ in found.figures} == {"t_value"}
    assert found.absent == {}

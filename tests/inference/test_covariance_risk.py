"""Prices of covariance risk by numerical derivatives, and sequential removal of factors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference_premia import (
    french_two_pass,
    jackknife,
    long_run_by_pairs,
    mispriced,
    random_two_pass,
    weighted_moments,
    weights_of_assets,
)
from scipy import stats

from skfactor import FamaMacBeth
from skfactor.inference import price_of_covariance_risk, screen_factors
from skfactor.inference._covariance_risk import CovarianceRisk
from skfactor.inference._two_pass import (
    correctly_specified_influence,
    misspecification_robust_influence,
)

each_model = pytest.mark.parametrize("zero_beta", [True, False])
each_weighting = pytest.mark.parametrize("weighting", ["ols", "wls", "gls"])


def weighted_prices(p, factors, returns, weighting, zero_beta):
    mean, _, covariance, variance, cross = weighted_moments(p, factors, returns)
    w = weights_of_assets(weighting, covariance, variance, cross)
    x = np.column_stack([np.ones((len(mean), int(zero_beta))), cross])
    return np.linalg.solve(x.T @ w @ x, x.T @ w @ mean)


@each_model
@each_weighting
def test_influence_is_the_derivative_with_respect_to_the_dates_weights(weighting, zero_beta):
    factors, returns = mispriced()
    risk = CovarianceRisk(returns, factors, weighting, zero_beta)
    even = np.full(120, 1 / 120)
    expected = weighted_prices(even, factors, returns, weighting, zero_beta)
    assert_allclose(risk.premia, expected, rtol=1e-9)
    derivative = jackknife(weighted_prices, 120, factors, returns, weighting, zero_beta)
    assert_allclose(misspecification_robust_influence(risk), derivative, rtol=1e-5, atol=1e-6)


@each_weighting
def test_prices_are_premia_over_the_covariance_of_the_factors(weighting):
    factors, returns = mispriced()
    model = FamaMacBeth(weighting=weighting).fit(factors, returns)
    prices = price_of_covariance_risk(model).premia
    expected = np.linalg.solve(np.cov(factors.T, ddof=0), model.premia_[1:])
    assert_allclose(prices[1:], expected, rtol=1e-9)
    assert_allclose(prices.iloc[0], model.premia_.iloc[0], rtol=1e-9)


@pytest.mark.parametrize("kind", ["gmm", "krs"])
@pytest.mark.parametrize("kernel", ["bartlett", "quadratic-spectral"])
def test_errors_are_those_of_the_influence(kind, kernel):
    factors, returns = mispriced()
    risk = CovarianceRisk(returns, factors, "ols", True)
    influence = {"gmm": correctly_specified_influence, "krs": misspecification_robust_influence}
    series = influence[kind](risk)
    expected = long_run_by_pairs(series, np.arange(120), kernel, 4.0) / (120 - 3)
    found = price_of_covariance_risk(
        FamaMacBeth().fit(factors, returns), kind, kernel=kernel, bandwidth=4
    )
    assert_allclose(found.cov, expected, rtol=1e-8, atol=1e-12)
    assert found.bandwidth == 4.0


def test_fama_macbeth_errors_are_those_of_the_slopes_on_covariances():
    factors, returns = mispriced()
    model = FamaMacBeth().fit(factors, returns)
    found = price_of_covariance_risk(model, "fama-macbeth")
    f, r = factors - factors.mean(axis=0), returns - returns.mean(axis=0)
    x = np.column_stack([np.ones(8), r.T @ f / 120])
    slopes = np.linalg.lstsq(x, returns.T, rcond=None)[0]
    assert_allclose(found.cov, np.cov(slopes) / 120, rtol=1e-8)
    assert found.df == 119


def test_shanken_and_gmm_agree_where_residuals_are_independent_of_the_factors():
    rng = np.random.default_rng(0)
    X, y = random_two_pass(rng, n_periods=100_000, n_assets=6)
    model = FamaMacBeth().fit(X, y)
    found = [price_of_covariance_risk(model, kind).std_errors for kind in ("shanken", "gmm")]
    assert_allclose(found[0], found[1], rtol=0.02)


def test_a_useless_factor_is_removed_and_the_priced_one_kept():
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(60):
        betas = 1.0 + rng.normal(size=(10, 1))
        factor = 0.01 + 0.04 * rng.normal(size=(600, 1))
        returns = factor @ betas.T + 0.02 * rng.normal(size=(600, 10))
        factors = np.hstack([factor, rng.normal(size=(600, 1))])
        kept.append(tuple(screen_factors(FamaMacBeth().fit(factors, returns)).kept))
    assert kept.count(("x0",)) >= 54


def test_screening_says_what_it_did():
    X, y = french_two_pass()
    found = screen_factors(FamaMacBeth().fit(X, y))
    assert found.kept == ["HML", "Mom"]
    assert found.steps.notna().sum(axis=1).tolist() == [5, 4, 3]
    assert_allclose(found.steps["threshold"].iloc[0], stats.chi2.ppf(1 - 0.05 / 4, 1))
    last = found.steps.iloc[-1]
    assert (last[found.kept] > last["threshold"]).all()


def test_screening_prewhitens():
    model = FamaMacBeth().fit(*french_two_pass())
    options = {"kernel": "bartlett", "bandwidth": 3}
    plain, white = (screen_factors(model, prewhiten=p, **options).steps for p in (False, True))
    assert_allclose(white["threshold"].iloc[0], plain["threshold"].iloc[0])
    first = [steps.iloc[0].drop("threshold").astype(float) for steps in (plain, white)]
    assert np.isfinite(first[1]).all()
    assert not np.allclose(*first, rtol=1e-6)


def test_mistakes_raise():
    X, y = french_two_pass()
    model = FamaMacBeth().fit(X, y)
    with pytest.raises(ValueError, match=r"'white' is unknown"):
        price_of_covariance_risk(model, "white")
    with pytest.raises(ValueError, match=r"significance=5 has to lie between 0 and 1"):
        screen_factors(model, significance=5)
    short = FamaMacBeth().fit(X[:20], y[:20])
    with pytest.raises(ValueError, match=r"covariance of 18 assets and needs more dates; found 20"):
        screen_factors(short)

"""Rank tests against statsmodels, the authors' formula written out, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from reference_premia import FACTORS, french_two_pass, long_run_by_pairs
from scipy import linalg, stats
from statsmodels.multivariate.cancorr import CanCorr

from skfactor.inference._grs import read_factor_sample
from skfactor.inference._rank import _covariance_roots, _rank_deviations, rank_test

KP = {"method": "kleibergen-paap"}


@pytest.fixture(scope="module")
def french():
    factors, returns = french_two_pass()
    return factors[FACTORS[:3]], returns.iloc[:, :7]


def _draw(seed, n_periods=300, n_assets=6, useless=0, heteroskedastic=False):
    """Two factors with betas, and more without."""
    rng = np.random.default_rng(seed)
    betas = np.random.default_rng(99).normal(1.0, 0.5, size=(2, n_assets))
    factors = rng.normal(size=(n_periods, 2 + useless))
    noise = rng.normal(size=(n_periods, n_assets))
    if heteroskedastic:
        noise *= np.abs(factors[:, -1:])
    return factors, factors[:, :2] @ betas + noise


def _as_kleibergen_and_paap_write_it(factors, returns, rank, kernel=None, lags=0):
    """Theorem 1 with the full covariance of vec(Theta) and their bases A and B."""
    t, k = factors.shape
    n = returns.shape[1]
    f, r = factors - factors.mean(axis=0), returns - returns.mean(axis=0)
    v_f = f.T @ f / t
    pi = np.linalg.solve(v_f, f.T @ r / t)
    residuals = r - f @ pi
    g = np.linalg.cholesky(v_f).T
    f_inverse = np.linalg.inv(np.linalg.cholesky(residuals.T @ residuals / t))
    theta = g @ pi @ f_inverse.T
    x, y = f @ np.linalg.inv(v_f) @ g.T, residuals @ f_inverse.T
    series = np.array([np.kron(b, a) for a, b in zip(x, y, strict=True)])
    omega = long_run_by_pairs(series, np.arange(t), kernel, lags)
    u, _, vt = np.linalg.svd(theta)
    v = vt.T
    u22, v22 = u[rank:, rank:], v[rank:, rank:]
    a = u[:, rank:] @ np.linalg.inv(u22) @ linalg.sqrtm(u22 @ u22.T)
    b = linalg.sqrtm(v22 @ v22.T) @ np.linalg.inv(v22.T) @ v[:, rank:].T
    both = np.kron(b, a.T)
    deviation = both @ theta.ravel(order="F")
    statistic = t * deviation @ np.linalg.solve(both @ omega @ both.T, deviation)
    return statistic, (k - rank) * (n - rank)


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 1, 2, None])
def test_cragg_donald_is_a_sum_of_canonical_correlations(french, rank):
    factors, returns = french
    test = rank_test(factors, returns, rank, fit_intercept=False)
    rho = CanCorr(returns.to_numpy(), factors.to_numpy()).cancorr
    q = 2 if rank is None else rank
    expected = len(factors) * np.sum((rho**2 / (1.0 - rho**2))[q:])
    assert_allclose(test.statistic, expected, rtol=1e-8)
    assert test.df == ((3 - q) * (7 - q),)
    assert_allclose(test.p_value, stats.chi2.sf(expected, test.df[0]), rtol=1e-6, atol=1e-300)
    assert test.null == f"the betas have a rank of at most {q}, full rank is 3"


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize(("kernel", "lags"), [(None, 0), ("bartlett", 3)])
def test_kleibergen_paap_is_the_authors_formula(french, rank, kernel, lags):
    factors, returns = (frame.to_numpy()[:120] for frame in french)
    returns = returns[:, :4]
    expected, df = _as_kleibergen_and_paap_write_it(factors, returns, rank, kernel, lags)
    bandwidth = None if kernel is None else lags
    test = rank_test(
        factors, returns, rank, fit_intercept=False, kernel=kernel, bandwidth=bandwidth, **KP
    )
    assert_allclose(test.statistic, expected, rtol=1e-8)
    assert test.df == (df,)


@pytest.mark.parametrize("method", ["cragg-donald", "kleibergen-paap"])
def test_with_a_zero_beta_rate_it_is_the_test_of_returns_over_one_asset(french, method):
    factors, returns = french
    over = returns.iloc[:, 1:].sub(returns.iloc[:, 0], axis=0)
    expected = rank_test(factors, over, fit_intercept=False, method=method)
    test = rank_test(factors, returns, method=method)
    assert_allclose(test.statistic, expected.statistic, rtol=1e-9)
    assert test.df == expected.df == (6 - 3 + 1,)
    assert test.null.startswith("the betas' differences across assets have a rank of at most 2")


@pytest.mark.parametrize(
    ("options", "covariance"),
    [
        ({}, {"cov_type": "HC0"}),
        (
            {"kernel": "bartlett", "bandwidth": 5},
            {"cov_type": "HAC", "cov_kwds": {"maxlags": 5, "use_correction": False}},
        ),
    ],
)
def test_rank_zero_of_one_asset_is_the_wald_test_that_its_betas_are_zero(
    french, options, covariance
):
    factors, returns = french[0], french[1]["S1V1"]
    fit = sm.OLS(returns, sm.add_constant(factors)).fit(**covariance)
    expected = fit.wald_test(np.eye(4)[1:], use_f=False, scalar=True).statistic
    test = rank_test(factors, returns, 0, fit_intercept=False, **KP, **options)
    assert_allclose(test.statistic, expected, rtol=1e-8)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_with_an_identity_for_the_covariance_kleibergen_paap_is_cragg_donald(french, rank):
    sample = read_factor_sample(*french)
    roots = _covariance_roots(sample)
    x, y = roots.standardized(sample)
    deviations, series = _rank_deviations(roots.standardized_betas(), x, y, rank)
    expected = rank_test(*french, rank, fit_intercept=False).statistic
    assert_allclose(len(x) * deviations @ deviations, expected, rtol=1e-10)
    assert series.shape == (len(x), len(deviations))
    # What is estimated in the standardized coordinates has covariance I.
    assert_allclose(x.T @ x / len(x), np.eye(3), atol=1e-10)
    assert_allclose(y.T @ y / len(y), np.eye(7), atol=1e-10)


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cragg-donald", "kleibergen-paap"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_useless_factor_is_told_and_real_ones_are_not_doubted(method, fit_intercept):
    options = {"method": method, "fit_intercept": fit_intercept}
    useless = np.array(
        [rank_test(*_draw(seed, useless=1), **options).p_value for seed in range(400)]
    )
    assert 0.92 <= np.mean(useless > 0.05) <= 0.98
    assert all(rank_test(*_draw(seed), **options).p_value < 1e-6 for seed in range(20))


def test_only_kleibergen_paap_stands_residuals_that_vary_with_the_factor():
    draws = [_draw(seed, useless=1, heteroskedastic=True) for seed in range(200)]
    rejected = {
        method: np.mean([rank_test(*draw, method=method).p_value < 0.05 for draw in draws])
        for method in ("cragg-donald", "kleibergen-paap")
    }
    assert rejected["cragg-donald"] > 0.3
    assert rejected["kleibergen-paap"] < 0.1


@pytest.mark.parametrize("method", ["cragg-donald", "kleibergen-paap"])
def test_mixing_factors_or_assets_gives_the_same_statistic(french, method):
    factors, returns = (frame.to_numpy() for frame in french)
    rng = np.random.default_rng(1)
    mixed = rank_test(
        factors @ rng.normal(size=(3, 3)),
        returns @ rng.normal(size=(7, 7)),
        fit_intercept=False,
        method=method,
    )
    expected = rank_test(factors, returns, fit_intercept=False, method=method)
    assert_allclose(mixed.statistic, expected.statistic, rtol=1e-7)
    units = rank_test(factors * [1.0, 1e-18, 1e9], returns, fit_intercept=False, method=method)
    assert_allclose(units.statistic, expected.statistic, rtol=1e-7)


def test_a_zero_beta_rate_makes_betas_that_are_all_alike_useless():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(300, 1))
    returns = factors + rng.normal(size=(300, 5))
    assert rank_test(factors, returns, fit_intercept=False).p_value < 1e-10
    assert rank_test(factors, returns).p_value > 0.05


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [-1, 3, 1.5, True])
def test_a_rank_that_is_not_below_full_raises(french, rank):
    with pytest.raises(ValueError, match="has to be a whole number from 0 to 2"):
        rank_test(*french, rank)


def test_fewer_assets_than_factors_raise():
    factors, returns = _draw(0, useless=1)
    with pytest.raises(ValueError, match="from 0 to 1: there are 2 differences of assets"):
        rank_test(factors, returns[:, :3])
    with pytest.raises(ValueError, match="zero-beta rate needs at least 2 assets"):
        rank_test(factors, returns[:, 0])
    with pytest.raises(ValueError, match="needs more than 15 dates, found 12"):
        rank_test(factors[:12], returns[:12], 0, **KP)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "anderson"}, "'anderson' is neither 'cragg-donald' nor 'kleibergen-paap'"),
        ({"kernel": "bartlett"}, "is for method='kleibergen-paap'"),
        ({**KP, "bandwidth": 3}, "bandwidth=3 needs a kernel"),
    ],
)
def test_options_that_mean_nothing_raise(options, message):
    with pytest.raises(ValueError, match=message):
        rank_test(*_draw(0), **options)


def test_an_asset_that_is_a_factor_raises():
    factors, returns = _draw(0)
    with pytest.raises(ValueError, match="residual covariance of the assets is singular"):
        rank_test(factors, np.c_[returns, factors[:, 0]], fit_intercept=False)

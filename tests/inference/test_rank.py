"""Rank tests against statsmodels, the authors' formula written out, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from reference_premia import FACTORS, french_two_pass, long_run_by_pairs
from scipy import linalg, stats
from statsmodels.multivariate.cancorr import CanCorr

from skfactor.inference._rank import rank_test

KP = {"method": "kleibergen-paap", "small_sample": False}
CD = {"method": "cragg-donald"}


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
    test = rank_test(factors, returns, rank, fit_intercept=False, **CD)
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


@pytest.mark.parametrize("options", [CD, KP])
def test_with_a_fit_intercept_rate_it_is_the_test_of_returns_over_one_asset(french, options):
    factors, returns = french
    over = returns.iloc[:, 1:].sub(returns.iloc[:, 0], axis=0)
    expected = rank_test(factors, over, fit_intercept=False, **options)
    test = rank_test(factors, returns, **options)
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


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("options", [CD, KP, {}], ids=["cragg-donald", "asymptotic", "wild"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_useless_factor_is_told_and_real_ones_are_not_doubted(options, fit_intercept):
    options = {**options, "fit_intercept": fit_intercept}
    n_draws = 300 if options.get("method") else 80
    useless = np.array(
        [rank_test(*_draw(seed, useless=1), **options).p_value for seed in range(n_draws)]
    )
    assert 0.91 <= np.mean(useless > 0.05) <= 0.985
    p_values = [rank_test(*_draw(seed), **options).p_value for seed in range(20)]
    assert max(p_values) <= (1e-6 if options.get("method") else 0.005)


@pytest.mark.slow
def test_only_kleibergen_paap_stands_residuals_that_vary_with_the_factor():
    draws = [_draw(seed, useless=1, heteroskedastic=True) for seed in range(40)]
    rejected = [
        np.mean([rank_test(*draw, **options).p_value < 0.05 for draw in draws])
        for options in (CD, KP, {})
    ]
    assert rejected[0] > 0.3
    assert max(rejected[1:]) <= 0.125


def test_the_bootstrap_draws_from_the_best_fit_of_the_rank(french):
    # One sample after the other, with the authors' formula.
    factors, returns = (frame.to_numpy()[:50] for frame in french)
    returns = returns[:, :5]
    f, r = factors - factors.mean(axis=0), returns - returns.mean(axis=0)
    betas = np.linalg.lstsq(f, r, rcond=None)[0]
    root_f, root_e = (np.linalg.cholesky(x.T @ x / 50) for x in (f, r - f @ betas))
    u, s, vt = np.linalg.svd(root_f.T @ betas @ np.linalg.inv(root_e).T)
    low = np.linalg.inv(root_f).T @ (u[:, :2] * s[:2] @ vt[:2]) @ root_e.T
    signs = np.random.default_rng(4).choice([-1.0, 1.0], size=(19, 50))
    drawn = [
        _as_kleibergen_and_paap_write_it(factors, f @ low + sign[:, None] * (r - f @ low), 2)[0]
        for sign in signs
    ]
    observed, df = _as_kleibergen_and_paap_write_it(factors, returns, 2)
    test = rank_test(factors, returns, fit_intercept=False, n_draws=19, random_state=4)
    assert_allclose(test.statistic, observed, rtol=1e-9)
    assert test.p_value == (1 + np.sum(np.array(drawn) >= observed)) / 20
    assert (test.distribution, test.df) == ("wild bootstrap", (df,))
    assert "wild bootstrap(3) = " in str(test)


def test_the_bootstrap_can_be_repeated_and_does_not_see_the_order_of_rows_and_assets(french):
    factors, returns = (frame[:120] for frame in french)
    expected = rank_test(factors, returns.iloc[:, :5])
    shuffled = np.random.default_rng(0).permutation(120)
    again = rank_test(factors.iloc[shuffled], returns.iloc[shuffled, [3, 1, 4, 0, 2]])
    assert again.p_value == expected.p_value
    other = rank_test(factors, returns.iloc[:, :5], random_state=1, n_draws=999)
    assert other.statistic == expected.statistic
    assert abs(other.p_value - expected.p_value) < 0.1


@pytest.mark.parametrize("bandwidth", ["newey-west", "andrews", 4])
@pytest.mark.parametrize("prewhiten", [False, True])
def test_with_a_kernel_neither_the_order_of_assets_nor_units_matter(french, bandwidth, prewhiten):
    factors, returns = (frame[:200] for frame in french)
    options = {"kernel": "bartlett", "bandwidth": bandwidth, "prewhiten": prewhiten}
    expected = rank_test(factors, returns, **options)
    assert expected.distribution == "chi2"
    order = [3, 1, 6, 0, 2, 5, 4]
    found = rank_test(factors * [1.0, 1e-3, 1e6], 100.0 * returns.iloc[:, order], **options)
    assert_allclose(found.statistic, expected.statistic, rtol=1e-8)


@pytest.mark.parametrize("options", [CD, KP])
def test_mixing_factors_or_assets_gives_the_same_statistic(french, options):
    factors, returns = (frame.to_numpy() for frame in french)
    rng = np.random.default_rng(1)
    mixed = rank_test(
        factors @ rng.normal(size=(3, 3)),
        returns @ rng.normal(size=(7, 7)),
        fit_intercept=False,
        **options,
    )
    expected = rank_test(factors, returns, fit_intercept=False, **options)
    assert_allclose(mixed.statistic, expected.statistic, rtol=1e-7)
    units = rank_test(factors * [1.0, 1e-18, 1e9], returns, fit_intercept=False, **options)
    assert_allclose(units.statistic, expected.statistic, rtol=1e-7)


def test_a_fit_intercept_rate_makes_betas_that_are_all_alike_useless():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(300, 1))
    returns = factors + rng.normal(size=(300, 5))
    assert rank_test(factors, returns, fit_intercept=False, **KP).p_value < 1e-10
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
        ({"method": "anderson"}, "'anderson' is neither 'kleibergen-paap' nor 'cragg-donald'"),
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


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"small_sample": "F"}, "small_sample='F' is unknown; it is 'auto', True, False or 'wild'"),
        ({"small_sample": 1}, "small_sample=1 is unknown"),
        ({"small_sample": "wild", **CD}, "'wild' is for method='kleibergen-paap' without a kern"),
        ({"small_sample": "wild", "kernel": "bartlett"}, "random signs leave no serial dependence"),
        ({"n_draws": 10}, r"n_draws=10 has to be a whole number from 19 to"),
        ({"n_draws": 99.0}, r"n_draws=99.0 has to be a whole number"),
        ({"random_state": None}, r"random_state=None has to be a whole number"),
        ({"kernel": "bartlett", **CD}, "kernel or bandwidth is for method='kleibergen-paap'"),
        ({"prewhiten": True}, "prewhiten=True needs a kernel"),
    ],
)
def test_options_that_do_not_go_together_raise(french, options, match):
    with pytest.raises(ValueError, match=match):
        rank_test(*french, **options)

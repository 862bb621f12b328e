"""Long-run covariance against statsmodels, linearmodels and loops over pairs of dates."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from linearmodels.asset_pricing.covariance import KernelCovariance
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.stats.sandwich_covariance import S_hac_simple, weights_bartlett

from skfactor._kernels.long_run import (
    KERNELS,
    lag_weights,
    long_run_covariance,
    on_calendar,
)

law = settings(deadline=None, max_examples=30)
each_kernel = pytest.mark.parametrize("kernel", KERNELS)


def persistent(rng, n, p=3, rho=0.6):
    """A mean-zero autocorrelated series (n, p)."""
    shocks = rng.normal(size=(n, p)) @ rng.normal(size=(p, p))
    series = np.zeros((n, p))
    for t in range(n):
        series[t] = (rho * series[t - 1] if t else 0.0) + shocks[t]
    return series - series.mean(axis=0)


def weight(kernel, lag, bandwidth):
    """The weight of a lag, written as in the papers."""
    if lag == 0:
        return 1.0
    if kernel == "quadratic-spectral":
        if bandwidth == 0:
            return 0.0
        z = 6 * np.pi * lag / bandwidth / 5
        return 3 / z**2 * (np.sin(z) / z - np.cos(z))
    x = lag / (bandwidth + 1)
    if x >= 1:
        return 0.0
    if kernel == "bartlett":
        return 1 - x
    return 1 - 6 * x**2 + 6 * x**3 if x <= 0.5 else 2 * (1 - x) ** 3


def pairs_of_dates(series, positions, kernel, bandwidth):
    """Sum over all pairs of dates, weighted by their distance."""
    total = np.zeros((series.shape[1],) * 2)
    for t, here in enumerate(positions):
        for s, there in enumerate(positions):
            total += weight(kernel, abs(here - there), bandwidth) * np.outer(series[t], series[s])
    return total / len(series)


# --- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "bandwidth", "expected"),
    [
        ("bartlett", 3, [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        ("parzen", 3, [1.0, 0.71875, 0.25, 0.03125, 0.0, 0.0]),
        ("bartlett", 0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("parzen", 0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("quadratic-spectral", 0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_weights_of_lags(kernel, bandwidth, expected):
    assert_allclose(lag_weights(kernel, bandwidth, 5), expected, atol=1e-15)


@each_kernel
@pytest.mark.parametrize("bandwidth", [0.5, 1, 2.7, 12])
def test_weights_equal_the_formulas_of_the_papers(kernel, bandwidth):
    expected = [weight(kernel, lag, bandwidth) for lag in range(31)]
    assert_allclose(lag_weights(kernel, bandwidth, 30), expected, atol=1e-13)


@pytest.mark.parametrize("x", [1e-9, 2.6e-4, 2.7e-4, 1e-3])
def test_quadratic_spectral_weight_near_zero_is_smooth(x):
    # The Taylor series to z^4, whose next term is below rounding here.
    z = 6 * np.pi * x / 5
    found = KERNELS["quadratic-spectral"].weight(np.array([x]))
    assert_allclose(found, 1 - z**2 / 10 + z**4 / 280, rtol=1e-9)


# --- the calendar -------------------------------------------------------------------------------


def test_dates_without_a_gap_stay_as_they_are():
    series = np.arange(6.0).reshape(3, 2)
    assert on_calendar(series, np.array([4, 5, 6])) is series


def test_absent_dates_are_zeros():
    series = np.array([[1.0], [2.0], [3.0]])
    assert_array_equal(
        on_calendar(series, np.array([2, 3, 6])), [[1.0], [2.0], [0.0], [0.0], [3.0]]
    )


# --- covariance ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lags", [0, 1, 4, 12])
def test_bartlett_equals_statsmodels(lags):
    series = persistent(np.random.default_rng(0), 120)
    found = long_run_covariance(series, np.arange(120), "bartlett", lags)
    expected = S_hac_simple(series, nlags=lags, weights_func=weights_bartlett) / 120
    assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("lags", [1, 6])
def test_variance_of_a_mean_equals_the_newey_west_error_of_a_regression_on_one(lags):
    series = persistent(np.random.default_rng(0), 90, p=1)[:, 0]
    fit = sm.OLS(series + 0.5, np.ones(90)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    found = long_run_covariance(series[:, None], np.arange(90), "bartlett", lags)
    assert_allclose(found[0, 0] / 90, fit.bse[0] ** 2, rtol=1e-11)


@pytest.mark.parametrize("bandwidth", [1, 5, 20])
@each_kernel
def test_every_kernel_equals_linearmodels(kernel, bandwidth):
    series = persistent(np.random.default_rng(0), 100)
    theirs = KernelCovariance(series, jacobian=np.eye(3), kernel=kernel, bandwidth=bandwidth).s
    found = long_run_covariance(series, np.arange(100), kernel, bandwidth)
    assert_allclose(found, theirs, rtol=1e-10, atol=1e-12)


@each_kernel
@pytest.mark.parametrize("bandwidth", [0, 1, 3.5, 9])
def test_gaps_count_as_distance(kernel, bandwidth):
    rng = np.random.default_rng(0)
    series = persistent(rng, 25, p=2)
    positions = np.sort(rng.permutation(60)[:25]) + 7
    found = long_run_covariance(series, positions, kernel, bandwidth)
    assert_allclose(found, pairs_of_dates(series, positions, kernel, bandwidth), rtol=1e-10)


@each_kernel
def test_dropping_a_date_does_not_close_its_gap(kernel):
    series = persistent(np.random.default_rng(0), 40, p=1, rho=0.9)
    kept = np.delete(np.arange(40), [10, 11, 12, 25])
    with_gaps = long_run_covariance(series[kept], kept, kernel, 3)
    closed = long_run_covariance(series[kept], np.arange(36), kernel, 3)
    assert_allclose(with_gaps, pairs_of_dates(series[kept], kept, kernel, 3), rtol=1e-10)
    assert abs(with_gaps / closed - 1.0).max() > 1e-3


@each_kernel
@pytest.mark.parametrize("positions", [np.arange(50), np.arange(50) * 3], ids=["dense", "gaps"])
def test_no_lags_are_the_iid_covariance(kernel, positions):
    series = persistent(np.random.default_rng(0), 50)
    iid = long_run_covariance(series, positions)
    assert_allclose(iid, np.cov(series.T, ddof=0), rtol=1e-12)
    assert_allclose(long_run_covariance(series, positions, kernel, 0), iid, rtol=1e-11, atol=1e-13)


@each_kernel
def test_more_lags_than_dates_are_allowed(kernel):
    series = persistent(np.random.default_rng(0), 6, p=2)
    found = long_run_covariance(series, np.arange(6), kernel, 30)
    assert_allclose(found, pairs_of_dates(series, np.arange(6), kernel, 30), rtol=1e-9, atol=1e-12)


@law
@given(
    seed=st.integers(0, 2**32 - 1),
    kernel=st.sampled_from(sorted(KERNELS)),
    bandwidth=st.just(0.0) | st.floats(1e-3, 40.0),
    gaps=st.booleans(),
)
def test_long_run_covariance_is_symmetric_and_not_negative(seed, kernel, bandwidth, gaps):
    rng = np.random.default_rng(seed)
    series = persistent(rng, 30)
    positions = np.sort(rng.permutation(70)[:30]) if gaps else np.arange(30)
    found = long_run_covariance(series, positions, kernel, bandwidth)
    assert_array_equal(found, found.T)
    assert np.linalg.eigvalsh(found).min() >= -1e-10 * np.trace(found)


@law
@given(seed=st.integers(0, 2**32 - 1), kernel=st.sampled_from(sorted(KERNELS)))
def test_linear_combinations_reversed_time_and_the_first_date_do_not_matter(seed, kernel):
    rng = np.random.default_rng(seed)
    series, combine = persistent(rng, 40), rng.normal(size=(3, 2))
    positions = np.sort(rng.permutation(70)[:40])
    found = long_run_covariance(series, positions, kernel, 4)
    size = np.abs(found).max()
    combined = long_run_covariance(series @ combine, positions, kernel, 4)
    assert_allclose(combined, combine.T @ found @ combine, rtol=0, atol=1e-10 * size * 9)
    backward = long_run_covariance(series[::-1], 1_000 - positions[::-1], kernel, 4)
    assert_allclose(backward, found, rtol=0, atol=1e-11 * size)


def test_columns_of_very_different_size_keep_their_digits():
    series = persistent(np.random.default_rng(0), 300)
    size = np.array([1e-9, 1.0, 1e9])
    found = long_run_covariance(series * size, np.arange(300), "bartlett", 5)
    expected = long_run_covariance(series, np.arange(300), "bartlett", 5) * np.outer(size, size)
    assert_allclose(found, expected, rtol=1e-9)

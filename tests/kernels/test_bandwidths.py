"""Automatic bandwidths against the rules written as loops."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from skfactor._kernels.bandwidths import (
    andrews_bandwidth,
    newey_west_bandwidth,
    rule_of_thumb_bandwidth,
)
from skfactor._kernels.long_run import KERNELS, long_run_covariance, prewhitened

each_kernel = pytest.mark.parametrize("kernel", KERNELS)


def persistent(rng, n, p=3, rho=0.6):
    """A mean-zero autocorrelated series (n, p)."""
    shocks = rng.normal(size=(n, p)) @ rng.normal(size=(p, p))
    series = np.zeros((n, p))
    for t in range(n):
        series[t] = (rho * series[t - 1] if t else 0.0) + shocks[t]
    return series - series.mean(axis=0)


# --- automatic bandwidth ------------------------------------------------------------------------


def newey_west_1994(series, positions, kernel, weights):
    """The rule of Newey and West (1994), one pair of dates after the other."""
    q, constant, exponent = {
        "bartlett": (1, 1.1447, 2 / 9),
        "parzen": (2, 2.6614, 4 / 25),
        "quadratic-spectral": (2, 1.3221, 2 / 25),
    }[kernel]
    scalar, n = series @ weights, len(series)
    pilot = int(np.floor(4 * (n / 100) ** exponent))
    s0 = sq = 0.0
    for t in range(n):
        for s in range(n):
            lag = abs(positions[t] - positions[s])
            if lag <= pilot:
                s0 += scalar[t] * scalar[s] / n
                sq += lag**q * scalar[t] * scalar[s] / n
    bandwidth = constant * ((sq / s0) ** 2) ** (1 / (2 * q + 1)) * n ** (1 / (2 * q + 1))
    return bandwidth if kernel == "quadratic-spectral" else float(np.floor(bandwidth))


@each_kernel
@pytest.mark.parametrize("n", [20, 100, 330])
@pytest.mark.parametrize("rho", [-0.4, 0.3, 0.9])
def test_automatic_bandwidth_equals_the_rule_written_as_a_loop(kernel, n, rho):
    rng = np.random.default_rng(n)
    series, weights = persistent(rng, n, rho=rho), np.array([0.0, 1.0, 2.0])
    found = newey_west_bandwidth(series, np.arange(n), kernel, weights)
    assert isinstance(found, float)
    assert_allclose(found, newey_west_1994(series, np.arange(n), kernel, weights), rtol=1e-9)


@each_kernel
def test_automatic_bandwidth_counts_gaps_as_distance(kernel):
    rng = np.random.default_rng(0)
    series, weights = persistent(rng, 60, rho=0.8), np.ones(3)
    positions = np.sort(rng.permutation(100)[:60])
    found = newey_west_bandwidth(series, positions, kernel, weights)
    assert_allclose(found, newey_west_1994(series, positions, kernel, weights), rtol=1e-9)


@each_kernel
def test_automatic_bandwidth_is_larger_for_a_persistent_series(kernel):
    rng = np.random.default_rng(0)
    calm, persisting = (persistent(rng, 400, p=1, rho=rho) for rho in (0.0, 0.95))
    one = np.ones(1)
    found = [newey_west_bandwidth(each, np.arange(400), kernel, one) for each in (calm, persisting)]
    assert found[0] + 3 < found[1]


@each_kernel
def test_automatic_bandwidth_does_not_depend_on_units(kernel):
    series = persistent(np.random.default_rng(0), 150)
    weights = np.ones(3)
    expected = newey_west_bandwidth(series, np.arange(150), kernel, weights)
    found = newey_west_bandwidth(1e-4 * series, np.arange(150) + 10, kernel, weights)
    assert_allclose(found, expected, rtol=1e-9)


@each_kernel
def test_automatic_bandwidth_of_zeros_is_zero(kernel):
    assert newey_west_bandwidth(np.zeros((20, 2)), np.arange(20), kernel, np.ones(2)) == 0.0


@each_kernel
@pytest.mark.parametrize("n", [2, 3])
def test_automatic_bandwidth_of_a_few_dates_is_finite(kernel, n):
    series = persistent(np.random.default_rng(0), n, p=1)
    assert np.isfinite(newey_west_bandwidth(series, np.arange(n), kernel, np.ones(1)))


# --- Andrews, rule of thumb, prewhitening -------------------------------------------------------


def andrews_1991(series, kernel, weights):
    """Equations (6.2) and (6.4) of Andrews (1991), one column after the other, by statsmodels."""
    numerator = denominator = 0.0
    for column, weight in zip(series.T, weights, strict=True):
        fit = sm.OLS(column[1:], sm.add_constant(column[:-1])).fit()
        rho, variance = fit.params[1], fit.ssr / (len(column) - 1)
        denominator += weight * variance**2 / (1 - rho) ** 4
        scale = (1 - rho) ** 6 * (1 + rho) ** 2 if kernel == "bartlett" else (1 - rho) ** 8
        numerator += weight * 4 * rho**2 * variance**2 / scale
    alpha, n = numerator / denominator, len(series)
    return {
        "bartlett": 1.1447 * (alpha * n) ** (1 / 3) - 1,
        "parzen": 2.6614 * (alpha * n) ** (1 / 5) - 1,
        "quadratic-spectral": 1.3221 * (alpha * n) ** (1 / 5),
    }[kernel]


@each_kernel
@pytest.mark.parametrize("rho", [-0.4, 0.3, 0.8])
def test_andrews_bandwidth_equals_the_equations(kernel, rho):
    series, weights = persistent(np.random.default_rng(3), 250, rho=rho), np.array([0.0, 1.0, 2.0])
    found = andrews_bandwidth(series, np.arange(250), kernel, weights)
    assert_allclose(found, max(andrews_1991(series, kernel, weights), 0.0), rtol=1e-9)


@each_kernel
def test_andrews_bandwidth_of_zeros_is_zero(kernel):
    with np.errstate(invalid="ignore"):
        assert andrews_bandwidth(np.zeros((20, 2)), np.arange(20), kernel, np.ones(2)) == 0.0


@pytest.mark.parametrize(("n", "lags"), [(20, 2), (100, 4), (819, 6)])
def test_rule_of_thumb(n, lags):
    assert rule_of_thumb_bandwidth(n) == lags


def test_prewhitening_leaves_an_autoregression_white_and_puts_it_back():
    rng = np.random.default_rng(0)
    phi, n = np.array([[0.5, 0.2], [0.0, 0.3]]), 40_000
    series = np.zeros((n, 2))
    shocks = rng.normal(size=(n, 2))
    for t in range(1, n):
        series[t] = phi @ series[t - 1] + shocks[t]
    residuals, _, recolor = prewhitened(series, np.arange(n))
    inverse = np.linalg.inv(np.eye(2) - phi)
    assert_allclose(recolor, inverse, atol=0.06)
    assert np.abs(residuals[1:].T @ residuals[:-1] / n).max() < 0.02
    found = long_run_covariance(series, np.arange(n), "bartlett", 3.0, prewhiten=True)
    assert_allclose(found, inverse @ inverse.T, rtol=0.1)


def test_prewhitening_of_a_unit_root_is_capped():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(300, 1)), axis=0) + 100.0
    _, _, recolor = prewhitened(walk, np.arange(300))
    assert_allclose(recolor, 1 / (1 - 0.97))
    # What lies below the cap stays: .97 is a cap and no factor.
    near = np.zeros((4_000, 1))
    for t in range(1, len(near)):
        near[t] = 0.95 * near[t - 1] + np.sin(t * t)
    _, _, recolor = prewhitened(near, np.arange(len(near)))
    phi = (near[1:] * near[:-1]).sum() / (near[:-1] ** 2).sum()
    assert 0.9 < phi < 0.97
    assert_allclose(recolor, 1 / (1 - phi))


def test_prewhitening_pairs_only_neighbouring_dates():
    series = persistent(np.random.default_rng(0), 60)
    positions = np.delete(np.arange(64), [10, 20, 30, 40])
    residuals, kept, _ = prewhitened(series, positions)
    assert len(residuals) == len(kept) == 60 - 1 - 4
    assert not set(kept) & {0, 11, 21, 31, 41}


@each_kernel
@pytest.mark.parametrize("rho", [0.985, 1.0, -0.99])
def test_andrews_rule_holds_for_persistent_series(kernel, rho):
    # Series whose fitted root is rho, by Andrews' (6.2) and (6.4) as they stand.
    rng = np.random.default_rng(0)
    series = persistent(rng, 4_000, p=1, rho=0.5)
    past = series[:-1] - series[:-1].mean()
    noise = series[1:] - series[1:].mean()
    noise -= past * (past * noise).sum() / (past**2).sum()
    pairs = np.column_stack([past, rho * past + noise]).reshape(-1, 1)
    positions = np.arange(0, len(pairs)) + np.arange(len(pairs)) // 2  # a gap after each pair
    found = andrews_bandwidth(pairs, positions, kernel, np.ones(1))
    offset = KERNELS[kernel].offset
    if rho == 1.0:
        assert found == len(pairs) - 1
        return
    alpha = 4 * rho**2 / ((1 - rho) ** 2 * (1 + rho) ** 2)
    width = 1.1447 * (alpha * len(pairs)) ** (1 / 3)
    if kernel != "bartlett":
        constant = {"parzen": 2.6614, "quadratic-spectral": 1.3221}[kernel]
        width = constant * (4 * rho**2 / (1 - rho) ** 4 * len(pairs)) ** 0.2
    assert_allclose(found, min(width - offset, len(pairs) - 1), rtol=1e-6)

"""Exponentially weighted covariances against sums date by date, and simulated biases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.exponential import (
    adjust_eigenfactors,
    effective_number,
    eigenfactor_bias,
    exponential_covariance,
    exponential_means,
    exponential_variances,
    exponential_weights,
    fill_gaps,
    join_volatilities,
    mean_ratios,
)


def _by_dates(values, halflife, lags, center):
    """The covariance as a sum of terms of pairs of dates."""
    n = len(values)
    decay = 0.5 ** (1.0 / halflife)
    weights = decay ** np.arange(n - 1.0, -1.0, -1.0)
    mean = weights @ values / weights.sum() * center
    total = np.zeros((values.shape[1],) * 2)
    for t in range(n):
        for j in range(-lags, lags + 1):
            if 0 <= t - abs(j) < n:
                kernel = (1.0 - abs(j) / (lags + 1.0)) * decay ** (abs(j) / 2.0)
                pair = np.outer(values[t] - mean, values[t - abs(j)] - mean)
                total += weights[t] * kernel * (pair if j >= 0 else pair.T)
    return total / weights.sum()


@pytest.mark.parametrize("lags", [0, 1, 5])
@pytest.mark.parametrize("center", [False, True])
def test_covariances_equal_sums_over_pairs_of_dates(lags, center):
    values = np.random.default_rng(0).normal(0.1, 1.0, (40, 3))
    filled = fill_gaps(values, np.ones(40))
    found, _ = exponential_covariance(filled, 12.0, lags, center=center)
    assert_allclose(found, _by_dates(values, 12.0, lags, center), rtol=1e-12)


def test_a_covariance_with_lags_is_never_indefinite():
    rng = np.random.default_rng(0)
    for _ in range(20):
        filled = fill_gaps(rng.normal(size=(60, 40)), np.ones(60))
        found, _ = exponential_covariance(filled, 10.0, 5, center=True)
        assert np.linalg.eigvalsh(found)[0] > -1e-12


@pytest.mark.parametrize("lags", [0, 2, 5])
def test_variances_of_all_dates_equal_sums_of_each(lags):
    values = np.random.default_rng(1).normal(size=(30, 2))
    found = exponential_variances(values, 9.0, lags, 4)
    assert np.isnan(found[:3]).all()
    for t in (3, 10, 29):
        for i in range(2):
            expected = _by_dates(values[: t + 1, [i]], 9.0, lags, False)
            assert_allclose(found[t, i], expected[0, 0], rtol=1e-12)


def test_variances_of_known_processes_have_the_variance_of_their_sums():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1501, 400))
    iid = exponential_variances(noise, 84.0, 5, 2)[-1]
    assert abs(iid.mean() - 1.0) < 0.02
    moving = exponential_variances(noise[1:] - 0.3 * noise[:-1], 84.0, 5, 2)[-1]
    # Bartlett's target: gamma_0 + 2 (5 / 6) gamma_1
    assert abs(moving.mean() - (1.09 - 2 * 5 / 6 * 0.3)) < 0.02


def test_gaps_leave_positive_variances_and_means_of_what_is_there():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(200, 30))
    values[1:] -= 0.9 * values[:-1]
    values[rng.random(values.shape) < 0.4] = np.nan
    found = exponential_variances(values, 5.0, 5, 2)
    assert (found[np.isfinite(found)] > 0.0).all()
    means = exponential_means(values, 5.0)
    weights = exponential_weights(200, 5.0)
    known = np.isfinite(values[:, 0])
    assert_allclose(means[-1, 0], np.average(values[known, 0], weights=weights[known]))


def test_a_short_history_is_filled_from_the_longer_ones():
    rng = np.random.default_rng(3)
    truth = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, 0.2], [0.3, 0.2, 1.0]])
    values = rng.multivariate_normal(np.zeros(3), truth, 4000) * [1.0, 2.0, 5.0]
    gaps = values.copy()
    gaps[:2000, 1] = np.nan
    gaps[::7, 2] = np.nan
    filled = fill_gaps(gaps, np.ones(4000))
    found, _ = exponential_covariance(filled, None, 0, center=True)
    # by maximum likelihood for monotone histories: a regression on what is always there
    late = gaps[2000:, :2]
    slope = np.cov(late.T)[0, 1] / np.var(late[:, 0], ddof=1)
    rest = np.var(late[:, 1] - slope * late[:, 0])
    expected = slope**2 * np.var(gaps[:, 0]) + rest
    assert_allclose(found[1, 1], expected, rtol=5e-3)
    assert_allclose(found[0, 1], slope * np.var(gaps[:, 0]), rtol=5e-3)
    assert_allclose(found / np.outer([1, 2, 5], [1, 2, 5]), truth, atol=0.06)
    assert np.isfinite(filled.values).all()
    observed = np.isfinite(gaps)
    assert_allclose(filled.values[observed], gaps[observed])


def test_many_short_histories_are_not_explained_by_chance():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(500, 30))
    gaps = values.copy()
    gaps[:470, 0] = np.nan  # 30 dates, and 29 others to explain them with
    found, _ = exponential_covariance(fill_gaps(gaps, np.ones(500)), None, 0, center=True)
    assert 0.4 < found[0, 0] < 2.0
    assert np.linalg.eigvalsh(found)[0] > 0.1


def test_simulated_biases_equal_known_ones_and_literal_samples():
    spectrum = np.linspace(1.0, 10.0, 10)
    found = eigenfactor_bias(spectrum, 100, 4000, np.random.default_rng(0))
    known = [1.1508, 1.1617, 1.1500, 1.1262, 1.0961, 1.0618, 1.0236, 0.9819, 0.9350, 0.8771]
    assert_allclose(found, known, atol=0.004)
    rng = np.random.default_rng(1)
    total = np.zeros(10)
    for _ in range(1500):
        sample = np.cov((np.sqrt(spectrum) * rng.normal(size=(100, 10))).T)
        values, vectors = np.linalg.eigh(sample)
        total += np.einsum("ik,i->k", vectors**2, spectrum) / values
    assert_allclose(found, np.sqrt(total / 1500), atol=0.01)


def test_adjusted_volatilities_are_those_of_eigenfactors_times_gamma():
    rng = np.random.default_rng(0)
    covariance = np.cov(rng.normal(size=(60, 6)).T)
    covariance = np.block([[covariance, covariance[:, :1]], [covariance[:1], covariance[:1, :1]]])
    adjusted, bias = adjust_eigenfactors(covariance, 60.0, 1.4, 200, np.random.default_rng(0))
    values, vectors = np.linalg.eigh(covariance)
    gamma = 1.4 * (bias - 1.0) + 1.0
    assert_allclose(np.diag(vectors.T @ adjusted @ vectors), gamma**2 * values, atol=1e-14)
    assert bias[0] == 1.0  # a factor that is another one has no variance of its own


def test_volatilities_and_correlations_of_two_covariances():
    first, second = np.array([[4.0, 1.0], [1.0, 9.0]]), np.array([[1.0, 0.5], [0.5, 1.0]])
    assert_allclose(join_volatilities(np.diag(first), second), [[4.0, 3.0], [3.0, 9.0]])


def test_effective_numbers():
    assert effective_number(np.ones(7)) == 7.0
    assert effective_number(exponential_weights(10_000, 84.0)) == pytest.approx(242.4, abs=0.1)


@pytest.mark.parametrize("n_columns", [4, 300])
def test_few_and_many_columns_have_the_variances_and_ratios_of_a_loop(n_columns):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, n_columns))
    values[rng.random(values.shape) < 0.05] = np.nan
    weights = rng.random(values.shape)
    found = exponential_variances(values, 10.0, 2, 5)
    for i in (0, n_columns - 1):
        alone = exponential_variances(values[:, [i]], 10.0, 2, 5)[:, 0]
        assert_allclose(found[:, i], alone, rtol=1e-12)
    for given in (None, weights):
        expected = np.full(59, np.nan)
        for t in range(1, 60):
            ratios, w = [], []
            for i in range(n_columns):
                past = values[:t, i]
                known = np.isfinite(past)
                if known.sum() >= 5 and np.isfinite(values[t, i]):
                    decay = (0.5 ** (np.arange(t - 1.0, -1.0, -1.0) / 10.0))[known]
                    variance = decay @ past[known] ** 2 / decay.sum()
                    ratios.append(values[t, i] ** 2 / variance)
                    w.append(1.0 if given is None else given[t, i])
            if ratios:
                expected[t - 1] = np.average(ratios, weights=w)
        assert_allclose(mean_ratios(values, 10.0, 5, given), expected, rtol=1e-11)

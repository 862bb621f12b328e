"""Shrunk betas against the formulas, one beta at a time."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.shrinkage import shrink_blume, shrink_vasicek


def draw(shape=(5, 9)):
    rng = np.random.default_rng(0)
    betas = 1.0 + 0.4 * rng.normal(size=shape)
    betas[rng.random(shape) < 0.2] = np.nan
    return betas, np.where(np.isnan(betas), np.nan, rng.uniform(0.05, 0.6, shape))


def test_vasicek_is_the_posterior_mean():
    betas, errors = draw()
    expected = np.full(betas.shape, np.nan)
    for t, row in enumerate(betas):
        mean, variance = np.nanmean(row), np.nanvar(row, ddof=1)
        precision = 1.0 / errors[t] ** 2, 1.0 / variance
        expected[t] = (row * precision[0] + mean * precision[1]) / sum(precision)
    found = betas.copy()
    shrink_vasicek(found, errors)
    assert_allclose(found, expected, rtol=1e-13)
    one = betas[2].copy()
    shrink_vasicek(one, errors[2])
    assert_allclose(one, expected[2], rtol=1e-13)


def test_a_variance_net_of_noise_draws_further():
    betas, errors = draw()
    found, textbook = betas.copy(), betas.copy()
    shrink_vasicek(found, errors, net=True)
    shrink_vasicek(textbook, errors)
    for t, row in enumerate(betas):
        mean = np.nanmean(row)
        variance = max(np.nanvar(row, ddof=1) - np.nanmean(errors[t] ** 2), 0.0)
        share = variance / (variance + errors[t] ** 2)
        assert_allclose(found[t], mean + share * (row - mean), rtol=1e-13)
        known = np.isfinite(row)
        assert (np.abs(found[t] - mean) < np.abs(textbook[t] - mean))[known].all()
    noise = np.array([0.9, 1.0, 1.1])  # vary less than their errors say
    shrink_vasicek(noise, np.full(3, 0.5), net=True)
    assert_allclose(noise, 1.0, rtol=1e-14)
    nothing = np.full((2, 3), np.nan)
    shrink_vasicek(nothing, nothing.copy(), net=True)
    assert np.isnan(nothing).all()


def test_a_variance_net_of_noise_is_nearer_to_the_truth():
    # The textbook's takes the errors of the betas for differences between assets.
    rng, loss = np.random.default_rng(1), []
    true = 1.0 + 0.3 * rng.normal(size=(200, 100))
    errors = rng.uniform(0.2, 0.6, true.shape)
    betas = true + errors * rng.normal(size=true.shape)
    for net in (False, True):
        found = betas.copy()
        shrink_vasicek(found, errors, net=net)
        loss.append(np.sqrt(np.mean((found - true) ** 2)))
    assert loss[1] < 0.97 * loss[0] < 0.9 * np.sqrt(np.mean((betas - true) ** 2))


def test_vasicek_keeps_exact_betas_and_takes_hopeless_ones_to_the_mean():
    betas = np.array([0.5, 1.0, 1.8])
    found = betas.copy()
    shrink_vasicek(found, np.array([0.0, 1e9, 0.0]))
    assert_allclose(found, [0.5, betas.mean(), 1.8], rtol=1e-12)


def test_vasicek_leaves_one_asset_and_equal_betas_alone_and_nan_without_an_error():
    one = np.array([[1.7, np.nan], [np.nan, np.nan], [1.2, 1.2], [0.7, 0.9]])
    found = one.copy()
    errors = np.array([[0.3, np.nan], [np.nan, np.nan], [0.0, 0.0], [0.1, np.nan]])
    shrink_vasicek(found, errors)
    assert_allclose(found[:3], one[:3], rtol=1e-15)
    assert_array_equal(np.isnan(found[3]), [False, True])


def test_blume_is_two_thirds_and_a_third_of_one():
    betas = np.array([1.0, 0.4, 1.9, np.nan])
    shrink_blume(betas)
    assert_allclose(betas, [1.0, 0.6, 1.6, np.nan], rtol=1e-14)

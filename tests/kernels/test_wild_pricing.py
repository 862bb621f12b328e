"""Drawn pricing errors, one sample and one regression at a time."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from skfactor._kernels.wild_bootstrap import random_signs
from skfactor._kernels.wild_pricing import (
    AlphaStatistics,
    autoregressive,
    signed,
    squared_distances,
    unleveraged,
)


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    factors = 0.3 + rng.normal(size=(50, 2))
    return factors, rng.normal(size=(3, 50, 4)) + factors @ rng.normal(size=(2, 4))


def test_statistics_of_alphas_are_those_of_regressions(sample):
    factors, draws = sample
    design = sm.add_constant(factors)
    for returns, found in zip(draws, AlphaStatistics(factors).statistics(draws), strict=True):
        fits = [sm.OLS(r, design).fit() for r in returns.T]
        alphas = np.array([fit.params[0] for fit in fits])
        influence = np.array([np.linalg.pinv(design)[0] * fit.resid for fit in fits])
        covariance = influence @ influence.T
        assert_allclose(np.diag(covariance), [fit.HC0_se[0] ** 2 for fit in fits])
        assert_allclose(found, alphas @ np.linalg.solve(covariance, alphas), rtol=1e-9)


def test_residuals_under_the_hypothesis_are_those_without_a_constant(sample):
    factors, (returns, *_) = sample
    found = AlphaStatistics(factors).null_residuals(returns)
    assert_allclose(found, np.array([sm.OLS(r, factors).fit().resid for r in returns.T]).T)


def test_residuals_are_divided_by_what_regressions_leave_of_their_variance(sample):
    factors, (returns, *_) = sample
    fits = [sm.OLS(r, sm.add_constant(factors)).fit() for r in returns.T]
    residuals = np.array([fit.resid for fit in fits]).T
    left = np.sqrt(1.0 - fits[0].get_influence().hat_matrix_diag)
    centred = factors - factors.mean(axis=0)
    assert_allclose(unleveraged(centred, residuals), residuals / left[:, None])


def test_distances_are_those_of_their_definition(sample):
    factors, draws = sample
    centred = factors - factors.mean(axis=0)
    for returns, found in zip(draws, squared_distances(centred, draws), strict=True):
        mean, inverse = returns.mean(axis=0), np.linalg.inv(np.cov(returns.T, ddof=0))
        loadings = (returns - mean).T @ centred / len(returns)
        weighed = loadings.T @ inverse
        errors = mean - loadings @ np.linalg.solve(weighed @ loadings, weighed @ mean)
        assert_allclose(found, errors @ inverse @ errors, rtol=1e-9)


def test_paths_follow_the_autoregression_of_each_asset_and_start_anew_after_a_gap():
    rng, n = np.random.default_rng(1), 400
    residuals = np.zeros((n, 2))
    for t in range(1, n):
        residuals[t] = [0.6, -0.3] * residuals[t - 1] + rng.normal(size=2)
    follows = np.arange(n) > 0
    follows[200] = False
    signs = np.vstack([np.ones(n), random_signs(200, n, 3)])
    paths = autoregressive(residuals, follows, signs)
    assert_allclose(paths[0], residuals, rtol=1e-9, atol=1e-12)  # all innovations as they were
    root = np.array([0.6, -0.3])
    for k in range(2):
        path = paths[1:, :, k]
        found = np.mean(path[:, 1:200] * path[:, :199]) / np.mean(path[:, :199] ** 2)
        assert abs(found - root[k]) < 0.1
    # The date after the gap does not depend on those before it.
    assert_allclose(np.abs(paths[:, 200]), np.abs(residuals[[200]]).repeat(201, axis=0))
    # Nearly explosive ones stay bounded.
    walk = np.cumsum(rng.normal(size=(n, 1)), axis=0)
    assert np.abs(autoregressive(walk, follows, signs)).max() < 50.0 * np.abs(walk).max()


def test_signs_are_the_same_for_all_assets_of_a_date(sample):
    _, (returns, *_) = sample
    signs = random_signs(5, len(returns), 0)
    drawn = signed(returns, signs)
    assert_allclose(drawn / returns, np.repeat(signs[:, :, None], 4, axis=2))

"""Shrunken prices of risk against inverses and regressions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from skfactor._kernels.shrunk_sdf import (
    contiguous_folds,
    cross_sectional_r2,
    flat_wishart,
    penalties,
    ridge_path,
)

RETURNS = np.random.default_rng(0).normal(0.1, 1.0, (50, 6)) @ np.diag([3, 2, 1, 1, 0.5, 0.2])


def test_the_covariance_keeps_its_trace_and_moves_to_a_multiple_of_the_identity():
    shrunk, sample = flat_wishart(RETURNS), np.cov(RETURNS.T)
    assert np.trace(shrunk) == pytest.approx(np.trace(sample))
    assert_allclose(
        shrunk - np.diag(np.diag(shrunk)), (50 / 56) * (sample - np.diag(np.diag(sample)))
    )
    assert flat_wishart(RETURNS[:, :1]) == pytest.approx(np.var(RETURNS[:, 0], ddof=1))


def test_coefficients_are_a_ridge_regression_of_means_on_covariances():
    covariance, mean = flat_wishart(RETURNS), RETURNS.mean(axis=0)
    path, errors, freedom = ridge_path(covariance, mean, np.array([0.1, 2.0]), 50)
    root = np.linalg.cholesky(covariance).T
    for k, penalty in enumerate((0.1, 2.0)):
        target = np.linalg.solve(root.T, mean)
        ridge = Ridge(alpha=penalty, fit_intercept=False).fit(root, target)
        assert_allclose(path[:, k], ridge.coef_, rtol=1e-9)
        inverse = np.linalg.inv(covariance + penalty * np.eye(6))
        assert_allclose(errors[:, k], np.sqrt(np.diag(inverse) / 50), rtol=1e-10)
        assert freedom[k] == pytest.approx(np.trace(covariance @ inverse))
    r2 = cross_sectional_r2(covariance, mean, path)
    assert r2[0] == pytest.approx(
        1 - np.sum((mean - covariance @ path[:, 0]) ** 2) / np.sum(mean**2)
    )
    assert r2[0] > r2[1]


def test_the_penalty_is_that_of_the_expected_sharpe_ratio():
    # Under the prior b ~ N(0, k^2 / (P tr S) I) the squared Sharpe ratio a year is k^2.
    covariance = flat_wishart(RETURNS)
    penalty = penalties(np.array([0.4]), covariance, 50, 12.0)[0]
    prior_variance = 1.0 / (50 * penalty)
    assert 12.0 * prior_variance * np.trace(covariance) == pytest.approx(0.4**2)


def test_folds_are_in_a_row_and_the_last_is_longer():
    assert contiguous_folds(11, 3) == [slice(0, 3), slice(3, 6), slice(6, 11)]

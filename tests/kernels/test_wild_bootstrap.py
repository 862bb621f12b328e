"""The wild bootstrap's statistics, one sample and one regression at a time."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.wild_bootstrap import (
    BetaEquality,
    random_signs,
    share_as_large,
    wald_statistics,
)


def draw(missing=0.0, n_dates=40, n_assets=5):
    rng = np.random.default_rng(0)
    factors = 0.3 + rng.normal(size=(n_dates, 3))
    returns = rng.normal(size=(n_assets, 3)) @ factors.T + rng.normal(size=(n_assets, n_dates))
    returns[rng.random(returns.shape) < missing] = np.nan
    return factors, returns


def robust_wald(factors, returns, k, differences):
    """White's covariance across assets, an asset's own dates each, by statsmodels."""
    n_assets, n_dates = returns.shape
    betas, influence = np.zeros(n_assets), np.zeros((n_assets, n_dates))
    for i, r in enumerate(returns):
        seen = np.isfinite(r)
        fit = sm.OLS(r[seen], sm.add_constant(factors[seen])).fit()
        operator = np.linalg.pinv(sm.add_constant(factors[seen]))
        betas[i] = fit.params[k + 1]
        influence[i, seen] = operator[k + 1] * fit.resid
    if differences:
        contrast = np.eye(n_assets)[1:] - np.eye(n_assets)[0]
        betas, influence = contrast @ betas, contrast @ influence
    return betas @ np.linalg.solve(influence @ influence.T, betas)


@pytest.mark.parametrize("differences", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("k", [0, 2])
def test_statistics_of_drawn_samples_are_those_of_regressions(k, missing, differences):
    factors, returns = draw(missing)
    seen = np.isfinite(returns)
    test = BetaEquality.of(factors, seen, k, differences)
    left = test.null_residuals(np.nan_to_num(returns))
    assert_array_equal(left[~seen], 0.0)
    signs = np.vstack([np.ones(40), random_signs(3, 40, 1)])
    found = wald_statistics(*test.estimate(left, signs))
    assert_allclose(found[0], robust_wald(factors, returns, k, differences), rtol=1e-9)
    for sign, statistic in zip(signs, found, strict=True):
        sample = np.where(seen, left * sign, np.nan)
        assert_allclose(statistic, robust_wald(factors, sample, k, differences), rtol=1e-9)


def test_residuals_under_the_hypothesis_leave_out_the_factor():
    factors, returns = draw()
    others = sm.add_constant(factors[:, :2])
    alone = [sm.OLS(r, others).fit().resid for r in returns]
    test = BetaEquality.of(factors, np.isfinite(returns), 2, False)
    assert_allclose(test.null_residuals(returns), alone, atol=1e-12)
    # With a common beta the same, but for a multiple that all assets share.
    shared = BetaEquality.of(factors, np.isfinite(returns), 2, True).null_residuals(returns)
    assert_allclose(shared[1:] - shared[0], np.array(alone)[1:] - alone[0], atol=1e-12)
    pooled = sm.OLS(
        returns.ravel(),
        np.column_stack([np.kron(np.eye(5), others), np.tile(factors[:, 2], 5)]),
    ).fit()
    assert_allclose(shared.ravel(), pooled.resid, atol=1e-12)


def test_the_p_value_counts_the_observed_statistic_and_batches_change_nothing():
    signs = random_signs(99, 12, 0)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert_array_equal(signs, random_signs(99, 12, 0))
    sums = signs.sum(axis=1)
    for observed in (np.inf, 3.0, -20.0):
        expected = (1 + np.sum(sums >= observed)) / 100
        for n_assets in (1, 10**6):  # all at once, one by one
            share = share_as_large(lambda s: s.sum(axis=1), observed, signs, n_assets)
            assert share == expected

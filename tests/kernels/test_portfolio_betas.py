"""Errors of a portfolio's betas against sums over pairs of assets, one date at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from reference_premia import first_pass_loop, portfolio_variance_by_pairs, random_two_pass

from skfactor._kernels.portfolio_betas import portfolio_beta_covariance


def test_the_covariance_is_the_sum_over_pairs_of_assets():
    X, y = random_two_pass(np.random.default_rng(0), missing=0.3)
    weights = pd.Series([0.7, 0.5, -0.2], y.columns[:3])
    residuals = first_pass_loop(X, y)["residuals"][weights.index]
    found, free = portfolio_beta_covariance(
        residuals.to_numpy(), X.to_numpy(), weights.to_numpy(), True
    )
    assert_allclose(found, portfolio_variance_by_pairs(X, residuals, weights), rtol=1e-9)
    observed = residuals.notna().astype(int)
    assert free == int((observed.T @ observed).to_numpy().min()) - X.shape[1] - 1


def test_assets_with_too_few_common_dates_have_none():
    factors = np.random.default_rng(0).normal(size=(8, 1))
    residuals = np.ones((8, 2))
    residuals[:4, 0] = residuals[6:, 1] = np.nan
    found, free = portfolio_beta_covariance(residuals, factors, np.ones(2), True)
    assert free == 0
    assert np.isnan(found).all()

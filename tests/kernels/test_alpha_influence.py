"""Influence of dates on alphas against numerical derivatives of weighted regressions."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm
from numpy.testing import assert_allclose

from skfactor._kernels.alpha_influence import alpha_influence


def test_influence_is_the_derivative_of_the_alphas_by_the_weight_of_a_period():
    rng = np.random.default_rng(0)
    factors = 0.5 + rng.normal(size=(30, 2))
    returns = factors @ rng.normal(size=(2, 3)) + rng.normal(size=(30, 3))
    returns[:7, 0] = np.nan
    sample = np.full(30, 1.0 / 30.0)

    def alphas(weights):
        fits = []
        for y in returns.T:
            known = ~np.isnan(y)
            x = sm.add_constant(factors[known])
            fits.append(sm.WLS(y[known], x, weights=weights[known]).fit().params[0])
        return np.array(fits)

    residuals = np.full_like(returns, np.nan)
    for i, y in enumerate(returns.T):
        known = ~np.isnan(y)
        residuals[known, i] = sm.OLS(y[known], sm.add_constant(factors[known])).fit().resid
    influence = alpha_influence(factors, residuals)
    for t in (0, 6, 7, 29):
        step = 1e-5 * (np.eye(30)[t] - sample)
        numerical = (alphas(sample + step) - alphas(sample - step)) / 2e-5
        assert_allclose(influence[t], numerical, rtol=1e-6, atol=1e-9)

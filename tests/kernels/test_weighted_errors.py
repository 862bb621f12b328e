"""Errors of weights that forget, from moments, against matrices written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.cholesky import cholesky
from skfactor._kernels.cross_moments import complete_rows, masked_cross_moments
from skfactor._kernels.least_squares import solve_least_squares
from skfactor._kernels.weighted_errors import forgetting_variances, sandwich


def test_the_sandwich_is_that_of_each_matrix():
    rng = np.random.default_rng(0)
    root, meat = rng.normal(size=(2, 7, 4, 4))
    gram, meat = root @ root.transpose(0, 2, 1), meat @ meat.transpose(0, 2, 1)
    factor = cholesky(gram.transpose(1, 2, 0), 4)
    lower = [[meat[:, i, j] for j in range(i + 1)] for i in range(4)]
    diagonals, trace = sandwich(factor, lower)
    inverse = np.linalg.inv(gram)
    assert_allclose(diagonals, np.einsum("sij,sjk,ski->is", inverse, meat, inverse), rtol=1e-8)
    assert_allclose(trace, np.einsum("sij,sji->s", inverse, meat), rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_variances_from_moments_are_those_of_the_design(fit_intercept, missing):
    rng = np.random.default_rng(1)
    factors, returns = 0.3 + rng.normal(size=(2, 50)), rng.normal(size=(5, 50))
    returns[rng.random(returns.shape) < missing] = np.nan
    returns[4, 2:] = np.nan  # thin
    weights = 0.5 ** (np.arange(49, -1, -1) / 6.0)
    moments, squared = (masked_cross_moments(factors, returns, w) for w in (weights, weights**2))
    fits = solve_least_squares(
        moments,
        lambda i: complete_rows(factors, returns[i], weights),
        fit_intercept=fit_intercept,
        min_rows=4,
        resolution=2e-16,
    )
    variances, spent, free = forgetting_variances(fits, moments, squared, fit_intercept)
    assert np.isnan(variances[4]).all()
    for i in range(4):
        seen = np.isfinite(returns[i])
        x = np.vstack([np.ones((int(fit_intercept), seen.sum())), factors[:, seen]]).T
        w = weights[seen]
        operator = np.linalg.solve(x.T @ (w[:, None] * x), x.T * w)
        assert_allclose(variances[i], np.diag(operator @ operator.T)[-2:], rtol=1e-10)
        maker = np.eye(len(x)) - x @ operator
        assert_allclose(w.sum() - spent[i], np.trace(maker.T @ (w[:, None] * maker)), rtol=1e-10)
        assert_allclose(free[i], w.sum() ** 2 / (w @ w) - x.shape[1], rtol=1e-12)

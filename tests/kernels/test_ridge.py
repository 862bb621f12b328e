"""Ridge regressions by segment against scikit-learn's Ridge on standardized columns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

from skfactor._kernels.cross_moments import complete_rows, segment_cross_moments
from skfactor._kernels.least_squares import solve_least_squares
from skfactor._kernels.ridge import solve_ridge

EPS = float(np.finfo(np.float64).eps)


def solve(x, y, offsets, weights=None, *, alpha, fit_intercept=True, min_rows=2, solver=None):
    def rows(s):
        run = slice(offsets[s], offsets[s + 1])
        return complete_rows(x[:, run], y[run], None if weights is None else weights[run])

    parameters = {"fit_intercept": fit_intercept, "min_rows": min_rows, "resolution": EPS}
    moments = segment_cross_moments(x, y, offsets, weights)
    if solver is not None:
        return solver(moments, rows, **parameters)
    return solve_ridge(moments, rows, alpha=alpha, **parameters)


def by_scikit_learn(x, y, w, alpha, fit_intercept):
    """Coefficients of one segment, in units of the columns."""
    complete = np.isfinite(x).all(axis=0) & np.isfinite(y) & (w > 0.0)
    x, y, w = x[:, complete], y[complete], w[complete] / w[complete].sum()
    center = x @ w if fit_intercept else np.zeros(len(x))
    scale = np.sqrt((x - center[:, None]) ** 2 @ w)
    z = (x - center[:, None]) / np.where(scale > 1e-12 * np.abs(center), scale, np.inf)[:, None]
    model = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(z.T, y, w)
    slopes = model.coef_ / scale if scale.all() else model.coef_ / np.where(scale, scale, 1.0)
    if not fit_intercept:
        return slopes, model.score(z.T, y, w)
    return np.append(model.intercept_ - center @ slopes, slopes), model.score(z.T, y, w)


def draw(rng, lengths, k, missing=0.02):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    x = rng.normal(size=(k, offsets[-1])) * 10.0 ** rng.uniform(-3, 3, k)[:, None]
    x += rng.normal(size=k)[:, None] * 3.0
    y = rng.normal(size=offsets[-1]) + x[0] / x[0].std()
    x[rng.random(x.shape) < missing] = np.nan
    y[rng.random(y.shape) < missing] = np.nan
    return x, y, offsets


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 50.0])
def test_segments_equal_scikit_learn(fit_intercept, weighted, k, alpha):
    rng = np.random.default_rng(k)
    x, y, offsets = draw(rng, [40, 15, 300], k)  # a segment of fewer rows than columns, too
    weights = rng.uniform(0.1, 3.0, len(y)) * (rng.random(len(y)) < 0.9) if weighted else None
    fits = solve(x, y, offsets, weights, alpha=alpha, fit_intercept=fit_intercept)
    assert fits.solved.all()
    w = np.ones(len(y)) if weights is None else weights
    for s, (start, stop) in enumerate(pairwise(offsets)):
        run = slice(start, stop)
        expected, r2 = by_scikit_learn(x[:, run], y[run], w[run], alpha, fit_intercept)
        assert_allclose(fits.coefficients[s], expected, rtol=1e-8, atol=1e-10 * abs(expected).max())
        if fit_intercept:
            assert_allclose(fits.r2[s], r2, rtol=1e-9)


@pytest.mark.parametrize("alpha", [1e-9, 1e-6])
@pytest.mark.parametrize("k", [4, 30])
def test_a_small_penalty_on_nearly_collinear_columns_keeps_its_digits(alpha, k):
    rng = np.random.default_rng(0)
    x, y, offsets = draw(rng, [60, 90], k, missing=0.0)
    x[1] = x[0] + 1e-5 * np.std(x[0]) * x[1] / np.std(x[1])
    fits = solve(x, y, offsets, alpha=alpha)
    for s, (start, stop) in enumerate(pairwise(offsets)):
        run = slice(start, stop)
        expected, r2 = by_scikit_learn(x[:, run], y[run], np.ones(stop - start), alpha, True)
        assert_allclose(fits.coefficients[s], expected, rtol=1e-6)
        assert_allclose(fits.r2[s], r2, rtol=1e-9)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), log_alpha=st.floats(-3.0, 3.0))
def test_a_larger_penalty_makes_shorter_slopes(seed, log_alpha):
    x, y, offsets = draw(np.random.default_rng(seed), [30, 12], 5, missing=0.0)
    lengths = []
    for alpha in (10.0**log_alpha, 10.0 ** (log_alpha + 0.5)):
        fits = solve(x, y, offsets, alpha=alpha)
        spread = np.array([x[:, a:b].std(axis=1) for a, b in pairwise(offsets)])
        lengths.append(np.linalg.norm(fits.coefficients[:, 1:] * spread, axis=1))
    assert (lengths[1] < lengths[0]).all()


def test_a_penalty_that_vanishes_is_least_squares():
    x, y, offsets = draw(np.random.default_rng(0), [50, 200], 4)
    plain = solve(x, y, offsets, alpha=None, min_rows=5, solver=solve_least_squares)
    fits = solve(x, y, offsets, alpha=1e-13)
    assert_allclose(fits.coefficients, plain.coefficients, rtol=1e-10)
    assert_allclose(fits.r2, plain.r2, rtol=1e-12)
    assert_allclose(fits.condition, plain.condition, rtol=1e-9)
    assert_allclose(fits.n_parameters, plain.n_parameters, rtol=1e-10)


def test_effective_parameters_are_the_trace_of_the_hat_matrix():
    rng = np.random.default_rng(0)
    x, y, offsets = draw(rng, [40], 6, missing=0.0)
    fits = solve(x, y, offsets, alpha=0.3)
    step = np.array([solve(x, y + e, offsets, alpha=0.3).coefficients[0] for e in np.eye(40)])
    sensitivity = (step - fits.coefficients[0])[:, :, None] * np.vstack([np.ones(40), x])[None]
    trace = np.einsum("nkn->", sensitivity)  # of d fitted_i / d y_i
    assert_allclose(fits.n_parameters, [trace], rtol=1e-8)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_a_constant_regressor_has_slope_zero_and_leaves_the_others_alone(level):
    x, y, offsets = draw(np.random.default_rng(0), [40, 30], 3, missing=0.0)
    without = solve(x[:2], y, offsets, alpha=0.5)
    x[2] = level
    fits = solve(x, y, offsets, alpha=0.5)
    assert_array_equal(fits.coefficients[:, 3], 0.0)
    assert_allclose(fits.coefficients[:, :3], without.coefficients, rtol=1e-10)
    assert_allclose(fits.r2, without.r2, rtol=1e-12)
    assert_allclose(fits.n_parameters, without.n_parameters, rtol=1e-12)


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_segments_without_any_variation_or_rows_are_nan(level):
    x, y, offsets = draw(np.random.default_rng(0), [30, 30, 1, 5], 2, missing=0.0)
    x[:, 30:60] = level
    x[0, 61:] = np.nan
    fits = solve(x, y, offsets, alpha=1.0)
    assert_array_equal(fits.deficient, [False, True, False, False])
    assert_array_equal(fits.thin, [False, False, True, True])
    for values in (fits.coefficients, fits.r2[:, None], fits.condition[:, None]):
        assert_array_equal(np.isnan(values).all(axis=1), [False, True, True, True])
    assert np.isfinite(fits.coefficients[0]).all()

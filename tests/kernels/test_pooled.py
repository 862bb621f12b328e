"""One regression over all segments, from their cross-moments."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.cross_moments import segment_cross_moments
from skfactor._kernels.pooled import (
    add_moments,
    demeaned,
    place_moments,
    pool_moments,
    solve_pooled,
    without_means,
)

EPS = float(np.finfo(float).eps)


def _rows(seed=0, n=60, k=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((k, n)) + 5.0, rng.standard_normal(n), rng.uniform(0.5, 2.0, n)


def _moments(x, y, offsets, w=None):
    return segment_cross_moments(x, y, np.array(offsets), w)


def _same(a, b):
    for name in ("n_rows", "weight", "mean", "products"):
        assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-12, atol=1e-12)


def test_moments_of_segments_pool_to_those_of_all_rows():
    x, y, w = _rows()
    _same(pool_moments(_moments(x, y, [0, 10, 25, 60], w)), _moments(x, y, [0, 60], w))


def test_moments_of_parts_add_up_to_those_of_both():
    x, y, w = _rows()
    first, second = (
        _moments(x[:, p], y[p], [0, 15, 30], w[p]) for p in (slice(0, 30), slice(30, 60))
    )
    order = np.r_[0:15, 30:45, 15:30, 45:60]
    _same(add_moments(first, second), _moments(x[:, order], y[order], [0, 30, 60], w[order]))
    # ... of segments that are in one of them alone, too
    placed = add_moments(
        place_moments(first, np.array([0, 2]), 3), place_moments(second, np.array([2, 1]), 3)
    )
    both = [0, *range(15, 30), *range(30, 45)]
    assert_allclose(placed.mean[:-1, 0], np.average(x[:, :15], axis=1, weights=w[:15]))
    assert_allclose(placed.weight[2], w[both[1:]].sum())


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_solution_and_influence_are_those_of_the_rows(fit_intercept):
    x, y, w = _rows()
    z = np.vstack([np.ones(60), x]) if fit_intercept else x
    inverse = np.linalg.inv((z * w) @ z.T)
    expected = inverse @ (z * w) @ y
    offsets = [0, 10, 25, 60]
    moments = _moments(x, y, offsets, w)
    for rows in (None, lambda _: (x, y, w)):
        found = solve_pooled(
            pool_moments(moments), rows, fit_intercept=fit_intercept, resolution=EPS
        )
        assert_allclose(found.coefficients, expected, rtol=1e-10)
        assert_allclose(found.unscaled, inverse, rtol=1e-9)
    left = y - expected @ z
    own = inverse @ (z * w * left)
    assert_allclose(
        found.influence_of_scores(*found.scores_of_rows(x, y, w)).T, own, rtol=1e-8, atol=1e-12
    )
    summed = np.add.reduceat(own, offsets[:-1], axis=1)
    assert_allclose(found.influence(moments).T, summed, rtol=1e-8, atol=1e-12)
    assert_allclose(found.residual_squares(moments), w @ left**2, rtol=1e-12)


def test_close_columns_are_solved_from_the_rows_and_refused_without():
    x, y, w = _rows()
    x[2] = x[0] + 1e-6 * np.random.default_rng(1).standard_normal(60)
    z = np.vstack([np.ones(60), x]) * np.sqrt(w)
    expected = np.linalg.lstsq(z.T, y * np.sqrt(w), rcond=None)[0]
    total = _moments(x, y, [0, 60], w)
    found = solve_pooled(total, lambda _: (x, y, w), fit_intercept=True, resolution=EPS)
    assert_allclose(found.coefficients, expected, rtol=1e-7)
    _, r = np.linalg.qr(z.T)
    root = np.linalg.inv(r)
    assert_allclose(found.unscaled[1:, 1:], (root @ root.T)[1:, 1:], rtol=1e-6)
    without = solve_pooled(total, None, fit_intercept=True, resolution=EPS)
    assert np.isnan(without.slopes).all()
    x[2] = x[0]
    total = _moments(x, y, [0, 60], w)
    found = solve_pooled(total, lambda _: (x, y, w), fit_intercept=True, resolution=EPS)
    assert np.isnan(found.slopes).all()


def test_deviations_from_means():
    x, y, _ = _rows()
    codes = np.repeat([0, 1, 2], [10, 15, 35])
    moments = _moments(x, y, [0, 10, 25, 60])
    deviations = demeaned(x, moments.mean[:-1], codes)
    sums = np.array([deviations[:, codes == s].sum(axis=1) for s in range(3)])
    assert_allclose(sums, 0.0, atol=1e-12)
    pooled = pool_moments(without_means(moments)).products[:-1, :-1, 0]
    assert_allclose(pooled, deviations @ deviations.T, rtol=1e-12)

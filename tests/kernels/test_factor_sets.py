"""Sweeps over sets of columns: against least squares of each set, and QR where digits are lost."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.cross_moments import complete_rows, segment_cross_moments
from skfactor._kernels.factor_sets import (
    Sweeper,
    needs_rows,
    plan_sets,
    shrink_triangle,
    solve_triangle,
    standardize,
    triangle_of_rows,
)
from skfactor._kernels.least_squares import solve_least_squares
from skfactor._kernels.ridge import solve_ridge

EPS = np.finfo(np.float64).eps


def every_set(n_columns):
    return np.array(list(product([False, True], repeat=n_columns)))[1:]


def data(rng, n_columns=5, n_segments=4, n_rows=40):
    x = rng.normal(size=(n_columns, n_segments * n_rows)) + rng.normal(size=(n_columns, 1))
    y = x.sum(axis=0) + rng.normal(size=x.shape[1])
    return x, y, np.arange(n_segments + 1) * n_rows


def swept(x, y, offsets, members, fit_intercept=True):
    scaled = standardize(segment_cross_moments(x, y, offsets), fit_intercept)
    slopes, pivots = Sweeper().sweep(
        scaled.correlation, scaled.target, plan_sets(members), len(members)
    )
    return slopes / np.where(scaled.norm > 0.0, scaled.norm, 1.0), pivots


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_slopes_of_every_set_are_those_of_least_squares(fit_intercept):
    x, y, offsets = data(np.random.default_rng(0))
    members = every_set(5)
    slopes, pivots = swept(x, y, offsets, members, fit_intercept)
    for i, chosen in enumerate(members):
        assert_array_equal(slopes[i, ~chosen], 0.0)
        for s, (start, stop) in enumerate(pairwise(offsets)):
            columns = x[chosen, start:stop]
            if fit_intercept:
                columns = np.vstack([columns, np.ones(stop - start)])
            expected = np.linalg.lstsq(columns.T, y[start:stop], rcond=None)[0]
            assert_allclose(slopes[i, chosen, s], expected[: chosen.sum()], rtol=1e-11)
            correlation = np.corrcoef(x[chosen, start:stop]).reshape(chosen.sum(), -1)
            if fit_intercept:
                smallest = np.diag(np.linalg.cholesky(correlation)).min() ** 2
                assert_allclose(pivots[i, s], smallest, rtol=1e-10)


def test_sets_in_any_number_and_order_are_the_same():
    rng = np.random.default_rng(1)
    x, y, offsets = data(rng)
    members = every_set(5)
    slopes, pivots = swept(x, y, offsets, members)
    some = rng.permutation(len(members))[:11]
    assert_allclose(swept(x, y, offsets, members[some])[0], slopes[some], rtol=1e-12)
    assert_allclose(swept(x, y, offsets, members[some])[1], pivots[some], rtol=1e-12)
    sweeper = Sweeper()  # its memory holds what an earlier call left
    scaled = standardize(segment_cross_moments(x, y, offsets), True)
    for rows in (members, members[:3], members[5:]):
        again, _ = sweeper.sweep(scaled.correlation, scaled.target, plan_sets(rows), len(rows))
        assert_allclose(again, swept(x, y, offsets, rows)[0] * scaled.norm, rtol=1e-12)


def test_a_collinear_column_touches_only_the_sets_that_have_it():
    x, y, offsets = data(np.random.default_rng(2))
    members = every_set(5)
    before, _ = swept(x, y, offsets, members)
    x[4] = 3.0  # constant: its correlations are NaN
    with np.errstate(all="ignore"):
        after, pivots = swept(x, y, offsets, members)
    assert_array_equal(after[~members[:, 4]], before[~members[:, 4]])
    assert not (pivots[members[:, 4]] >= 1e-4).any()
    assert needs_rows(segment_cross_moments(x, y, offsets), True).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_triangles_are_as_exact_as_qr_of_the_rows(fit_intercept, weighted):
    rng = np.random.default_rng(3)
    x, y, offsets = data(rng, n_segments=1)
    x[3] = x[0] - x[1] + 1e-6 * rng.normal(size=x.shape[1])  # condition about 1e6
    w = rng.random(len(y)) + 0.1 if weighted else None
    members = every_set(5)
    triangle = triangle_of_rows(x, y, w, fit_intercept)
    found = solve_triangle(triangle, members, fit_intercept, EPS)
    for i, chosen in enumerate(members):
        columns = x[chosen]
        if fit_intercept:
            columns = np.vstack([columns, np.ones(len(y))])
        root = np.ones(len(y)) if w is None else np.sqrt(w)
        q, r = np.linalg.qr((columns * root).T)
        expected = np.linalg.solve(r, q.T @ (y * root))[: chosen.sum()]
        assert_allclose(found[i, chosen], expected, rtol=1e-8)
        assert_array_equal(found[i, ~chosen], 0.0)
        # ... and the same decision and digits as the package's own fallback.
        own = solve_least_squares(
            segment_cross_moments(x[chosen], y, offsets, w),
            lambda _, c=chosen: complete_rows(x[c], y, w),
            fit_intercept=fit_intercept,
            min_rows=1,
            resolution=EPS,
        )
        slopes = own.coefficients[0, -chosen.sum() :]
        assert_allclose(found[i, chosen], slopes, rtol=1e-7)


def test_a_triangle_says_which_sets_are_short_of_rank():
    rng = np.random.default_rng(4)
    x, y, _ = data(rng, n_segments=1)
    x[3] = x[0] - x[1]
    x[4] = 1.0
    members = every_set(5)
    found = solve_triangle(triangle_of_rows(x, y, None, True), members, True, EPS)
    deficient = members[:, 4] | members[:, [0, 1, 3]].all(axis=1)
    assert_array_equal(np.isnan(found).any(axis=1), deficient)
    few = solve_triangle(triangle_of_rows(x[:, :3], y[:3], None, True), members, True, EPS)
    assert np.isnan(few[members.sum(axis=1) > 2]).any(axis=1).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge_of_a_triangle_is_ridge_of_the_rows(fit_intercept):
    rng = np.random.default_rng(5)
    x, y, offsets = data(rng, n_segments=1)
    x[3], x[4] = x[0], 7.0
    w = rng.random(len(y)) + 0.1
    members = every_set(5)
    triangle = triangle_of_rows(x, y, w, fit_intercept)
    found = shrink_triangle(triangle, float(w.sum()), members, 1e-5, EPS)
    for i, chosen in enumerate(members):
        own = solve_ridge(
            segment_cross_moments(x[chosen], y, offsets, w),
            lambda _, c=chosen: complete_rows(x[c], y, w),
            alpha=1e-5,
            fit_intercept=fit_intercept,
            min_rows=1,
            resolution=EPS,
        )
        slopes = own.coefficients[0, -chosen.sum() :]
        assert_allclose(found[i, chosen], slopes, rtol=1e-7, atol=1e-12)

"""Residuals on columns and group dummies against statsmodels, one regression after the other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.cells import cells_of_dates
from skfactor._kernels.neutralize import neutralize
from skfactor._kernels.segments import Segments

NAN = np.nan
LENGTHS = {"short": [9, 30, 1, 22, 14], "long": [400, 250], "mixed": [8, 700, 12]}


def draw(rng, regime, n_groups=3, missing=0.05):
    """Columns (5, n) of different level and spread, dates and groups; rows lie by date."""
    offsets = np.concatenate([[0], np.cumsum(LENGTHS[regime])])
    columns = rng.normal(size=(5, offsets[-1])) * 10.0 ** rng.uniform(-2, 2, 5)[:, None]
    columns += rng.normal(size=5)[:, None] * 3.0
    columns[3:] += 0.5 * columns[:2]
    columns[rng.random(columns.shape) < missing] = NAN
    groups = None if n_groups == 1 else rng.integers(0, n_groups, offsets[-1])
    return columns, offsets, groups


def run(columns, offsets, groups, targets, against, weights=None, **rule):
    """Residuals (P, n) in the order of the rows, NaN in columns that are no targets."""
    cells = cells_of_dates(
        Segments(offsets),
        slice(0, len(offsets) - 1),
        groups,
        1 if groups is None else max(groups) + 1,
    )
    order = np.arange(offsets[-1]) if cells.order is None else cells.order
    block, out = columns[:, order], np.full(columns.shape, NAN)
    w = None if weights is None else weights[order]
    found = neutralize(
        block, np.array(targets), np.array(against, dtype=int), cells, w, out,
        **{"centered": True, "min_rows": 0} | rule,
    )  # fmt: skip
    residuals = np.full(columns.shape, NAN)
    residuals[:, order] = out
    return residuals, found


def by_statsmodels(columns, offsets, groups, targets, against, weights=None, centered=True):
    groups = np.zeros(offsets[-1], dtype=int) if groups is None else groups
    weights = np.ones(offsets[-1]) if weights is None else weights
    residuals = np.full(columns.shape, NAN)
    for start, stop in pairwise(offsets):
        x, g, w = columns[:, start:stop], groups[start:stop], weights[start:stop]
        for k in targets:
            known = np.isfinite(x[[k, *against]]).all(axis=0)
            fitted = known & (w > 0.0)
            dummies = (g == np.unique(g[fitted])[:, None]) * 1.0
            z = np.vstack([x[against], dummies] if centered else [x[against]]).T
            if fitted.sum() < z.shape[1] or np.linalg.matrix_rank(z[fitted]) < z.shape[1]:
                continue
            left = x[k].copy()
            if z.shape[1]:
                fit = sm.WLS(x[k][fitted], z[fitted], weights=w[fitted]).fit(method="qr")
                left -= z @ fit.params
            known &= dummies.any(axis=0) | (not centered)
            residuals[k, start:stop] = np.where(known, left, NAN)
    return residuals


@pytest.mark.parametrize("regime", LENGTHS)
@pytest.mark.parametrize("n_groups", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("against", [[], [3], [4, 3]])
def test_residuals_equal_statsmodels(regime, n_groups, weighted, against):
    rng = np.random.default_rng(n_groups)
    columns, offsets, groups = draw(rng, regime, n_groups)
    weights = None
    if weighted:
        weights = rng.uniform(0.1, 9.0, offsets[-1]) * (rng.random(offsets[-1]) < 0.9)
    found, _ = run(columns, offsets, groups, [0, 1, 2], against, weights)
    expected = by_statsmodels(columns, offsets, groups, [0, 1, 2], against, weights)
    spread = np.nanstd(columns, axis=1)[:, None]
    assert_allclose(found / spread, expected / spread, rtol=0, atol=1e-11)
    assert np.isfinite(found[:3]).mean() > 0.5


@pytest.mark.parametrize("regime", LENGTHS)
def test_without_a_constant_residuals_equal_statsmodels(regime):
    columns, offsets, _ = draw(np.random.default_rng(0), regime, 1)
    found, _ = run(columns, offsets, None, [0, 1, 2], [3, 4], centered=False)
    expected = by_statsmodels(columns, offsets, None, [0, 1, 2], [3, 4], centered=False)
    spread = np.nanstd(columns, axis=1)[:, None]
    assert_allclose(found / spread, expected / spread, rtol=0, atol=1e-11)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    regime=st.sampled_from(list(LENGTHS)),
    level=st.sampled_from([0.0, 1.0, 1e4, 1e7]),
    near=st.sampled_from([1.0, 1e-3, 1e-6]),
)
def test_residuals_are_orthogonal_to_regressors_and_dummies(seed, regime, level, near):
    rng = np.random.default_rng(seed)
    columns, offsets, groups = draw(rng, regime, missing=0.0)
    columns /= columns.std(axis=1, keepdims=True)
    columns[4] = columns[3] + near * columns[4]  # nearly collinear
    columns[:3] += level
    weights = rng.uniform(0.1, 2.0, offsets[-1])
    residuals, found = run(columns, offsets, groups, [0, 1, 2], [3, 4], weights)
    z = columns[3:] - columns[3:].mean(axis=1, keepdims=True)
    for s, (start, stop) in enumerate(pairwise(offsets)):
        if found.thin[s].any():
            assert np.isnan(residuals[:3, start:stop]).all()
            continue
        r = residuals[:3, start:stop]
        dummies = groups[start:stop] == np.arange(3)[:, None]
        for regressor in (*z[:, start:stop], *dummies):
            product = r @ (weights[start:stop] * regressor)
            # Values of such a level are themselves known to this many digits only.
            assert_allclose(product / (stop - start), 0.0, atol=1e-11 + 1e-15 * level)


def test_each_column_uses_all_rows_that_are_complete_for_it():
    rng = np.random.default_rng(0)
    columns, offsets, groups = draw(rng, "short")
    together, found = run(columns, offsets, groups, [0, 1, 2], [3])
    for k in range(3):
        alone, one = run(columns, offsets, groups, [k], [3])
        assert_array_equal(together[k], alone[k])
        assert_array_equal(found.slopes[:, k], one.slopes[:, 0])
        assert_array_equal(found.intercepts[:, k], one.intercepts[:, 0])


def test_slopes_and_intercepts_give_the_residuals():
    columns, offsets, _ = draw(np.random.default_rng(0), "long", 1)
    residuals, found = run(columns, offsets, None, [1, 2], [0, 3])
    for s, (start, stop) in enumerate(pairwise(offsets)):
        x = columns[:, start:stop]
        fitted = found.intercepts[s][:, None] + found.slopes[s] @ x[[0, 3]]
        assert_allclose(residuals[[1, 2], start:stop], x[[1, 2]] - fitted, atol=1e-10)


def test_a_lone_row_and_a_column_in_the_span_leave_exact_zeros():
    rng = np.random.default_rng(0)
    columns, offsets, groups = draw(rng, "long", missing=0.0)
    columns[0] = 1e3 + 0.1 * columns[3] - 7.0 * columns[4] + 0.3 * groups
    columns[2] = 0.1
    groups[5] = 3
    weights = rng.uniform(0.1, 1.0, offsets[-1])
    residuals, found = run(columns, offsets, groups, [0, 1, 2], [3, 4], weights)
    assert_array_equal(residuals[[0, 2]], 0.0)
    assert residuals[1, 5] == 0.0
    assert np.count_nonzero(residuals[1] == 0.0) == 1
    assert not found.deficient.any()


@pytest.mark.parametrize("level", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("regime", ["short", "long"])
def test_collinear_regressors_are_found_and_leave_nan(level, regime):
    columns, offsets, groups = draw(np.random.default_rng(0), regime, missing=0.0)
    last = slice(offsets[-2], offsets[-1])
    columns[3] += level
    columns[4, last] = 0.3 * columns[3, last] + groups[last]  # collinear given the dummies
    _, found = run(columns, offsets, groups, [0, 1], [3, 4])
    assert found.deficient[-1].all()
    assert not found.deficient[:-1].any()
    residuals, found = run(columns, offsets, None, [0, 1], [3, 4])
    assert not found.deficient.any()  # without the dummies it is not
    assert np.isfinite(residuals[:2, last]).all()


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_a_regressor_that_is_constant_within_groups_is_collinear(level):
    columns, offsets, groups = draw(np.random.default_rng(0), "long", missing=0.0)
    columns[3] = level * (1.0 + groups)
    residuals, found = run(columns, offsets, groups, [0, 1], [3])
    assert found.deficient.all()
    assert np.isnan(residuals).all()
    assert np.isnan(found.slopes).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("against", [[], [0]])
def test_a_level_far_above_the_spread_leaves_the_residuals_as_they_are(weighted, against):
    # Eighths are exact at this level; only a mean is rounded there, which a second one mends.
    rng = np.random.default_rng(1)
    x, e = rng.integers(-1000, 1000, size=(2, 400)) / 8.0
    columns, offsets = np.array([x, 3.0 * x + e]), np.array([0, 400])
    weights = rng.integers(1, 50, size=400) / 7.0 if weighted else None
    expected, _ = run(columns, offsets, None, [1], against, weights)
    residuals, _ = run(columns + 2.0**30, offsets, None, [1], against, weights)
    assert_allclose(residuals[1] / e.std(), expected[1] / e.std(), rtol=0, atol=1e-13)


def test_thin_dates_are_found_and_leave_nan():
    columns, offsets, groups = draw(np.random.default_rng(0), "short", missing=0.0)
    groups[:9] = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    columns[0, 4:9] = NAN  # four rows in two groups: enough for one slope, not for three
    columns[1, :9] = NAN
    for against, thin in (([3], False), ([2, 3, 4], True)):
        residuals, found = run(columns, offsets, groups, [0, 1], against)
        assert found.thin[0].tolist() == [thin, False]  # nothing failed where nothing is known
        assert np.isnan(residuals[0, :4]).all() == thin
    assert found.thin[2, 0]  # a single row
    residuals, found = run(columns, offsets, groups, [0, 1], [], min_rows=10)
    assert found.thin[:, 0].tolist() == [True, False, True, False, False]
    assert np.isnan(residuals[0, :9]).all()


def test_a_group_of_zero_weights_has_no_residuals_and_a_row_of_zero_weight_has():
    columns, offsets, groups = draw(np.random.default_rng(0), "long", missing=0.0)
    weights = np.ones(offsets[-1])
    weights[:400][groups[:400] == 1] = 0.0
    weights[500] = 0.0
    residuals, found = run(columns, offsets, groups, [0], [3], weights)
    assert found.weightless.ravel().tolist() == [True, False]
    assert_array_equal(np.isnan(residuals[0, :400]), groups[:400] == 1)
    assert np.isfinite(residuals[0, 400:]).all()


def test_float32_columns_are_fitted_in_float64():
    columns, offsets, groups = draw(np.random.default_rng(0), "long", missing=0.0)
    single = columns.astype(np.float32)
    found, _ = run(single, offsets, groups, [0, 1, 2], [3, 4])
    expected, _ = run(single.astype(np.float64), offsets, groups, [0, 1, 2], [3, 4])
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)

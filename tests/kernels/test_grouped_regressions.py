"""Regressions on groups against statsmodels, date by date."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.grouped_regressions import GroupedRows, group_portfolios, regress_on_groups
from skfactor._kernels.segments import Segments
from skfactor._kernels.threads import report_nothing

N_DATES, N_ASSETS, N_STYLES = 4, 90, 3


def _rows(n_groups, seed=0, level=1.0):
    rng = np.random.default_rng(seed)
    n = N_DATES * N_ASSETS
    x = rng.normal(size=(n, N_STYLES)) + level
    y = 0.1 * rng.standard_t(3, size=n) + x @ [0.1, 0.2, 0.3]
    groups = np.array([rng.integers(0, k, n) for k in n_groups], dtype=int).reshape(-1, n)
    caps = rng.lognormal(size=n)
    segments = Segments(np.arange(0, n + 1, N_ASSETS))
    return GroupedRows(x, y, groups, n_groups, caps, np.sqrt(caps), segments)


def _design(rows, s):
    run = slice(s * N_ASSETS, (s + 1) * N_ASSETS)
    dummies = [np.eye(k)[codes[run]] for k, codes in zip(rows.n_groups, rows.groups, strict=True)]
    return run, dummies, np.hstack([np.ones((N_ASSETS, 1)), *dummies, rows.values[run]])


def _constrained(rows, s):
    """Coefficients by statsmodels' constrained weighted least squares."""
    run, dummies, z = _design(rows, s)
    constraints, start = [], 1
    for each in dummies:
        row = np.zeros(z.shape[1])
        row[start : start + each.shape[1]] = rows.caps[run] @ each / rows.caps[run].sum()
        constraints.append(row)
        start += each.shape[1]
    model = sm.GLM(rows.target[run], z, var_weights=rows.weights[run])
    if not constraints:
        return model.fit().params
    return model.fit_constrained((np.array(constraints), np.zeros(len(constraints)))).params


@pytest.mark.parametrize("n_groups", [(), (5,), (5, 3)], ids=["none", "one", "two"])
def test_coefficients_equal_constrained_least_squares(n_groups):
    rows = _rows(n_groups)
    fits, residuals = regress_on_groups(rows, robust=False, done=report_nothing)
    portfolios = group_portfolios(rows)
    for s in range(N_DATES):
        run, _, z = _design(rows, s)
        expected = _constrained(rows, s)
        assert_allclose(fits.coefficients[s], expected, atol=1e-14)
        assert_allclose(residuals[run], rows.target[run] - z @ expected, atol=1e-14)
        assert_allclose(portfolios[run].T @ rows.target[run], expected, atol=1e-14)
        w, y = rows.weights[run], rows.target[run]
        total = w @ (y - np.average(y, weights=w)) ** 2
        assert_allclose(fits.r2[s], 1.0 - w @ residuals[run] ** 2 / total)
        assert fits.n_parameters[s] == 1 + sum(k - 1 for k in n_groups) + N_STYLES


@pytest.mark.parametrize("n_groups", [(), (5,), (5, 3)], ids=["none", "one", "two"])
def test_robust_residuals_equal_those_of_huber_on_scaled_rows(n_groups):
    rows = _rows(n_groups)
    fits, residuals = regress_on_groups(rows, robust=True, done=report_nothing)
    assert fits.converged.all()
    for s in range(N_DATES):
        run, dummies, z = _design(rows, s)
        if dummies:  # all dummies of the first family, and of the others but one
            others = [each[:, 1:] for each in dummies[1:]]
            z = np.hstack([dummies[0], *others, rows.values[run]])
        root = np.sqrt(rows.weights[run])
        huber = sm.robust.norms.HuberT(1.345)
        model = sm.RLM(rows.target[run] * root, z * root[:, None], M=huber)
        found = model.fit(tol=1e-14, maxiter=1000, conv="coefs")
        assert_allclose(residuals[run], found.resid / root, atol=1e-11)
        effects = fits.coefficients[s, 1 : 1 + sum(n_groups)]
        if len(n_groups) == 1:  # the constraint holds with the capitalizations as they were
            share = rows.caps[run] @ dummies[0] / rows.caps[run].sum()
            assert abs(share @ effects) < 1e-15


def test_columns_far_from_zero_lose_no_digits():
    near, far = _rows((5,)), _rows((5,))
    far = GroupedRows(
        near.values + 1e6, near.target, near.groups, (5,), near.caps, near.weights, near.segments
    )
    expected, _ = regress_on_groups(near, robust=False, done=report_nothing)
    found, _ = regress_on_groups(far, robust=False, done=report_nothing)
    assert_allclose(found.coefficients[:, 1:], expected.coefficients[:, 1:], atol=1e-8)


def test_a_column_that_the_groups_explain_is_collinear():
    rows = _rows((5,))
    for column in (rows.groups[0] + 1e4, np.full(len(rows.target), 0.3)):
        x = rows.values.copy()
        x[:, 1] = column
        bad = GroupedRows(x, rows.target, rows.groups, (5,), rows.caps, rows.weights, rows.segments)
        fits, residuals = regress_on_groups(bad, robust=False, done=report_nothing)
        assert fits.deficient.all()
        assert np.isnan(fits.coefficients).all()
        assert np.isnan(residuals).all()
        assert_array_equal(fits.collinear.constant, [1])


def test_rows_in_any_order_have_the_same_regressions():
    rows = _rows((5, 3))
    order = np.random.default_rng(1).permutation(len(rows.target))
    back = np.argsort(order)
    place = np.concatenate([np.sort(back[s * N_ASSETS : (s + 1) * N_ASSETS]) for s in range(4)])
    mixed = GroupedRows(
        rows.values[order],
        rows.target[order],
        rows.groups[:, order],
        rows.n_groups,
        rows.caps[order],
        rows.weights[order],
        Segments(rows.segments.offsets, place),
    )
    for robust in (False, True):
        expected, left = regress_on_groups(rows, robust=robust, done=report_nothing)
        found, mixed_left = regress_on_groups(mixed, robust=robust, done=report_nothing)
        assert_allclose(found.coefficients, expected.coefficients, atol=1e-12)
        assert_allclose(mixed_left, left[order], atol=1e-12)

"""Least squares by segment against QR and statsmodels: accuracy, rank, condition numbers."""

from __future__ import annotations

from fractions import Fraction
from operator import mul

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import qr_least_squares

from skfactor._kernels import least_squares as module
from skfactor._kernels.cross_moments import (
    complete_rows,
    masked_cross_moments,
    segment_cross_moments,
)
from skfactor._kernels.least_squares import slope_weights, solve_least_squares

NAN = np.nan
law = settings(deadline=None, max_examples=30)
# Rows a segment that make sums over many segments (few rows) and matrix products (many).
SIZES = [15, 40, 2_500]


def solve(x, y, n=None, weights=None, *, fit_intercept=True, min_rows=None, dtype=np.float64):
    """Regress y on x (rows, K), given as equal segments of n rows."""
    values, y = np.ascontiguousarray(x.T, dtype=dtype), y.astype(dtype)
    offsets = np.arange(0, len(y) + 1, n or len(y))
    moments = segment_cross_moments(values, y, offsets, weights)

    def rows(s):
        here = slice(offsets[s], offsets[s + 1])
        return complete_rows(values[:, here], y[here], None if weights is None else weights[here])

    return solve_least_squares(
        moments,
        rows,
        fit_intercept=fit_intercept,
        min_rows=x.shape[1] + fit_intercept if min_rows is None else min_rows,
        resolution=np.finfo(dtype).eps,
    )


def draw(rng, n_segments, n, k):
    x = rng.normal(size=(n_segments * n, k))
    y = 0.5 + x @ rng.normal(size=k) + rng.normal(size=len(x))
    return x, y


def assert_solved_accurately(found, x, y, n, *, fit_intercept=True, weights=None, tolerance=1e-6):
    """Coefficients as by QR, in units of what they do to the fitted values."""
    assert not found.thin.any()
    assert not found.deficient.any()
    for s, coefficients in enumerate(found.coefficients):
        here = slice(s * n, (s + 1) * n)
        w = None if weights is None else weights[here]
        expected = qr_least_squares(x[here], y[here], w, fit_intercept=fit_intercept)
        difference = coefficients - expected
        slopes = difference[1:] if fit_intercept else difference
        unit = x[here].std(axis=0) if fit_intercept else np.sqrt((x[here] ** 2).mean(axis=0))
        size = y[here].std() + np.abs(expected[-len(unit) :] * unit).max()
        assert_allclose(slopes * unit / size, 0.0, atol=tolerance)
        if fit_intercept:
            at_the_mean = difference[0] + x[here].mean(axis=0) @ slopes
            assert_allclose(at_the_mean / y[here].std(), 0.0, atol=tolerance)


# --- known values -------------------------------------------------------------------------------


def test_a_line_through_three_points():
    found = solve(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 2.0, 6.0]))
    assert_allclose(found.coefficients, [[0.5, 2.5]])
    assert_allclose(found.r2, [1 - 1.5 / 14])
    assert_array_equal(found.n_rows, [3])
    assert_allclose(found.condition, [1.0])
    assert found.solved.all()


def test_a_line_through_the_origin():
    found = solve(np.array([[1.0], [2.0]]), np.array([1.0, 3.0]), fit_intercept=False)
    assert_allclose(found.coefficients, [[1.4]])
    assert_allclose(found.r2, [1.4**2 * 5 / 10])  # about zero, not about the mean


def test_as_many_rows_as_coefficients_fit_exactly():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3))
    found = solve(x, 2.0 + x @ [1.0, -1.0, 3.0])
    assert_allclose(found.coefficients, [[2.0, 1.0, -1.0, 3.0]], rtol=1e-9)
    assert_allclose(found.r2, [1.0])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("k", [1, 3, 6])
def test_coefficients_and_r2_equal_those_of_statsmodels(k, n, weighted, fit_intercept):
    rng = np.random.default_rng(0)
    x, y = draw(rng, 4, n, k)
    weights = rng.random(len(y)) + 0.1 if weighted else None
    found = solve(x, y, n, weights, fit_intercept=fit_intercept)
    for s in range(4):
        here = slice(s * n, (s + 1) * n)
        exog = sm.add_constant(x[here]) if fit_intercept else x[here]
        fit = sm.WLS(y[here], exog, weights=1.0 if weights is None else weights[here]).fit()
        assert_allclose(found.coefficients[s], fit.params, rtol=1e-9, atol=1e-12)
        assert_allclose(found.r2[s], fit.rsquared, rtol=1e-9)
        assert found.n_rows[s] == n


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_targets_that_have_all_regressors_in_common_are_solved_at_once(k, weighted, fit_intercept):
    rng = np.random.default_rng(0)
    common, targets = rng.normal(size=(k, 60)), rng.normal(size=(4, 60))
    weights = rng.random(60) + 0.5 if weighted else None
    found = solve_least_squares(
        masked_cross_moments(common, targets, weights),
        lambda s: complete_rows(common, targets[s], weights),
        fit_intercept=fit_intercept,
        min_rows=k + fit_intercept,
        resolution=2.0**-52,
    )
    assert found.pivots.shape == (k, 1)
    w = None if weights is None else np.tile(weights, 4)
    each = solve(np.tile(common.T, (4, 1)), targets.ravel(), 60, w, fit_intercept=fit_intercept)
    for what in ("coefficients", "r2", "condition", "slope_variances", "total", "solved"):
        assert_allclose(getattr(found, what), getattr(each, what), rtol=1e-9, err_msg=what)


@pytest.mark.parametrize("collinear", [True, False])
def test_regressors_in_common_may_be_collinear_or_too_few(collinear):
    rng = np.random.default_rng(0)
    common, targets = rng.normal(size=(3, 10)), rng.normal(size=(5, 10))
    if collinear:
        common[2] = common[0] - 2.0 * common[1]
    found = solve_least_squares(
        masked_cross_moments(common, targets),
        lambda s: complete_rows(common, targets[s], None),
        fit_intercept=True,
        min_rows=4 if collinear else 11,
        resolution=2.0**-52,
    )
    assert (found.deficient if collinear else found.thin).all()
    for what in ("coefficients", "r2", "condition", "slope_variances"):
        table = getattr(found, what)
        assert len(table) == 5
        assert np.isnan(table).all()


@pytest.mark.parametrize("n", SIZES)
def test_incomplete_and_weightless_rows_are_left_out(n):
    rng = np.random.default_rng(0)
    x, y = draw(rng, 3, n, 2)
    weights = rng.random(len(y)) + 0.1
    bad = rng.permutation(len(y))[: len(y) // 5]
    x[bad[::3], 0], y[bad[1::3]], weights[bad[2::3]] = NAN, NAN, 0.0
    found = solve(x, y, n, weights)
    for s in range(3):
        rows = np.setdiff1d(np.arange(s * n, (s + 1) * n), bad)
        assert found.n_rows[s] == len(rows)
        expected = qr_least_squares(x[rows], y[rows], weights[rows])
        assert_allclose(found.coefficients[s], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_float32_data_are_solved_in_float64(n):
    rng = np.random.default_rng(0)
    x, y = (array.astype(np.float32) for array in draw(rng, 3, n, 2))
    found = solve(x, y, n, dtype=np.float32)
    assert found.coefficients.dtype == np.float64
    assert_solved_accurately(found, x.astype(float), y.astype(float), n, tolerance=1e-10)


def test_a_target_of_zeros_has_no_r2_and_is_silent():
    x = np.random.default_rng(0).normal(size=(20, 2))
    found = solve(x, np.zeros(20))
    assert_array_equal(found.coefficients, [[0.0, 0.0, 0.0]])
    assert_array_equal(found.r2, [NAN])


# --- badly conditioned regressors ---------------------------------------------------------------


def _shifted(x):
    return x + 1e6


def _scaled(x):
    return x * np.array([1e-8, 1.0, 1e8])


def _correlated(x):
    x = x.copy()
    x[:, 1] = 0.999999 * x[:, 0] + np.sqrt(1 - 0.999999**2) * x[:, 1]
    return x


def _nearly_equal(x):
    x = x.copy()
    x[:, 1] = x[:, 0] + 1e-5 * x[:, 1]
    return x


def _far(x):
    return x + 1e8


DIFFICULTIES = {
    "shifted by 1e6": _shifted,
    "scaled by 1e-8 and 1e8": _scaled,
    "correlated 0.999999": _correlated,
    "equal but for 1e-5": _nearly_equal,
    "mean 1e8 times the spread": _far,
    "shifted and correlated": lambda x: _shifted(_correlated(x)),
    "scaled and correlated": lambda x: _scaled(_correlated(x)),
    "scaled and shifted": lambda x: _scaled(_shifted(x)),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("difficulty", DIFFICULTIES.values(), ids=DIFFICULTIES)
def test_difficult_regressors_are_solved_as_by_qr(difficulty, n, weighted):
    rng = np.random.default_rng(0)
    x, y = draw(rng, 4, n, 3)
    x = difficulty(x)
    weights = rng.random(len(y)) + 0.1 if weighted else None
    found = solve(x, y, n, weights)
    assert_solved_accurately(found, x, y, n, weights=weights)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    "difficulty", [_scaled, _correlated, _nearly_equal], ids=lambda f: f.__name__
)
def test_difficult_regressors_through_the_origin_are_solved_as_by_qr(difficulty, n):
    x, y = draw(np.random.default_rng(0), 4, n, 3)
    x = difficulty(x)
    found = solve(x, y, n, fit_intercept=False)
    assert_solved_accurately(found, x, y, n, fit_intercept=False)


def off_exact(coefficients, terms, y):
    """Coefficients minus the solution of the normal equations in fractions, which round nothing."""
    columns = [[Fraction(value) for value in column] for column in [*terms.T, y]]
    k = len(columns) - 1
    rows = [[sum(map(mul, a, b)) for b in columns] for a in columns[:k]]
    for i in range(k):  # Gauss and Jordan; a Gram matrix of full rank needs no pivoting
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(k):
            if j != i:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    return np.array(
        [float(Fraction(c) - row[k]) for c, row in zip(coefficients, rows, strict=True)]
    )


@law
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([8, 60, 2_500]),
    gap=st.integers(0, 16).map(lambda digits: 10.0**-digits),
    shift=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
)
def test_regressors_are_solved_accurately_or_reported(seed, n, gap, shift):
    x, y = draw(np.random.default_rng(seed), 1, n, 3)
    x[:, 2] = x[:, 0] - 2.0 * x[:, 1] + gap * x[:, 2]
    x = x + shift
    found = solve(x, y)
    if not found.deficient[0]:
        terms = np.column_stack([np.ones(n), x])
        difference = terms.astype(np.longdouble) @ off_exact(found.coefficients[0], terms, y)
        # Coefficients that cancel in the fit have no more digits than their own rounding leaves.
        rounding = 1e-15 * (np.abs(terms) @ np.abs(found.coefficients[0])).max()
        assert_allclose(difference.astype(float), 0.0, atol=1e-6 + 10.0 * rounding)
    assert found.deficient[0] or gap > 1e-16 * (1 + shift)


@pytest.mark.parametrize("n", SIZES)
def test_a_difficult_segment_does_not_disturb_its_neighbours(n):
    x, y = draw(np.random.default_rng(0), 3, n, 3)
    alone = solve(x, y, n)
    x[n : 2 * n, 2] = x[n : 2 * n, 0]
    found = solve(x, y, n)
    assert_array_equal(found.deficient, [False, True, False])
    assert_array_equal(found.solved, [True, False, True])
    assert_allclose(found.coefficients[[0, 2]], alone.coefficients[[0, 2]], rtol=1e-12)


# --- rank ---------------------------------------------------------------------------------------


def _sum_of_others(x):
    return np.column_stack([x[:, :2], x[:, 0] + x[:, 1]])


def _inexact_sum(x):
    return np.column_stack([x[:, :2], 0.1 * x[:, 0] + 0.7 * x[:, 1]])


COLLINEAR = {
    "twice the same": lambda x: x[:, [0, 1, 0]],
    "sum of others": _sum_of_others,
    "sum of others up to rounding": _inexact_sum,
    "sum of others, shifted": lambda x: _sum_of_others(x) + 1e6,
    "sum of shifted others": lambda x: _inexact_sum(x + 1e6),
    "sum of others, scaled": lambda x: _sum_of_others(x) * [1e-8, 1.0, 1e8],
    "dummies of all groups": lambda x: np.eye(3)[np.arange(len(x)) % 3],
    "zeros": lambda x: x * [1.0, 0.0, 1.0],
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("collinear", COLLINEAR.values(), ids=COLLINEAR)
def test_collinear_regressors_are_deficient_and_have_no_numbers(collinear, n, weighted):
    rng = np.random.default_rng(0)
    x, y = draw(rng, 4, n, 3)
    weights = rng.random(len(y)) + 0.1 if weighted else None
    found = solve(collinear(x), y, n, weights)
    assert found.deficient.all()
    assert not found.thin.any()
    assert not found.solved.any()
    assert np.isnan(found.coefficients).all()
    assert np.isnan(found.r2).all()
    assert np.isnan(found.condition).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [4, 10, 30, 100, 333, 2_500])
@pytest.mark.parametrize("value", [1.0, 0.1, 0.7, -1 / 3, 1e6, 1e6 / 3, 1e-9 / 7])
def test_a_constant_regressor_is_deficient_with_an_intercept(value, n, weighted):
    rng = np.random.default_rng(0)
    x, y = draw(rng, 4, n, 3)
    x[:, 1] = value
    weights = rng.random(len(y)) + 0.1 if weighted else None
    found = solve(x, y, n, weights)
    assert found.deficient.all()
    assert np.isnan(found.coefficients).all()


@pytest.mark.parametrize("n", [30, 2_500])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_large_constant_that_differs_by_rounding_is_deficient(n, dtype):
    x, y = draw(np.random.default_rng(0), 4, n, 3)
    large = np.full(len(x), 1e6, dtype=dtype)
    large[::3] = np.nextafter(large[::3], dtype(0))
    x[:, 1] = large
    assert solve(x, y, n, dtype=dtype).deficient.all()


@pytest.mark.parametrize("n", SIZES)
def test_a_constant_regressor_is_the_level_without_an_intercept(n):
    x, y = draw(np.random.default_rng(0), 4, n, 2)
    with_level = np.column_stack([np.full(len(x), 0.1), x])
    found = solve(with_level, y, n, fit_intercept=False)
    expected = solve(x, y, n).coefficients * [10.0, 1.0, 1.0]
    assert_allclose(found.coefficients, expected, rtol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_rows_than_asked_for_are_thin(n):
    x, y = draw(np.random.default_rng(0), 4, n, 3)
    found = solve(x, y, n)
    assert found.thin.all()
    assert not found.deficient.any()
    assert np.isnan(found.coefficients).all()
    assert np.isnan(found.condition).all()


def test_min_rows_counts_complete_rows():
    x, y = draw(np.random.default_rng(0), 2, 10, 2)
    x[0, 0] = NAN
    found = solve(x, y, 10, min_rows=10)
    assert_array_equal(found.thin, [True, False])
    assert_array_equal(found.n_rows, [9, 10])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_rows_than_coefficients_are_never_solved(n):
    x, y = draw(np.random.default_rng(0), 4, n, 3)
    found = solve(x, y, n, min_rows=1)
    assert found.deficient.all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_segment_without_complete_rows_is_thin_and_silent(fit_intercept):
    x, y = draw(np.random.default_rng(0), 2, 8, 2)
    y[:8] = NAN
    found = solve(x, y, 8, fit_intercept=fit_intercept)
    assert_array_equal(found.thin, [True, False])
    assert_array_equal(found.n_rows, [0, 8])


# --- many regressors ----------------------------------------------------------------------------

MANY = module._MANY_REGRESSORS + 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [40, 2_500])
def test_many_regressors_are_solved_as_by_qr(n, weighted):
    rng = np.random.default_rng(0)
    x, y = draw(rng, 3, n, MANY)
    x = (x + 5.0) * 10.0 ** np.linspace(-8, 8, MANY)
    weights = rng.random(len(y)) + 0.1 if weighted else None
    found = solve(x, y, n, weights)
    assert_solved_accurately(found, x, y, n, weights=weights, tolerance=1e-8)


def test_many_regressors_of_which_some_segments_are_collinear_or_thin():
    n = 60
    x, y = draw(np.random.default_rng(0), 4, n, MANY)
    x[:n, 5] = x[:n, 3] - x[:n, 4]
    x[n : 2 * n, 7] = 0.0
    y[2 * n + 5 : 3 * n] = NAN
    found = solve(x, y, n)
    assert_array_equal(found.deficient, [True, True, False, False])
    assert_array_equal(found.thin, [False, False, True, False])
    assert_solved_accurately(solve(x[3 * n :], y[3 * n :]), x[3 * n :], y[3 * n :], n)
    assert_allclose(found.coefficients[3], solve(x[3 * n :], y[3 * n :]).coefficients[0], rtol=1e-9)


def test_either_factorization_gives_the_same_answer(monkeypatch):
    x, y = draw(np.random.default_rng(0), 5, 30, 4)
    together = solve(x, y, 30)
    monkeypatch.setattr(module, "_MANY_REGRESSORS", 0)
    each = solve(x, y, 30)
    assert_allclose(each.coefficients, together.coefficients, rtol=1e-11)
    assert_allclose(each.condition, together.condition, rtol=1e-11)


# --- condition numbers --------------------------------------------------------------------------


def condition(x, weights=None, *, fit_intercept=True):
    w = np.ones(len(x)) if weights is None else weights
    if fit_intercept:
        x = x - np.average(x, axis=0, weights=w)
    x = x * np.sqrt(w)[:, None]
    return np.linalg.cond(x / np.linalg.norm(x, axis=0))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("closeness", [0.0, 0.9, 0.9999, 0.99999999])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 18])
def test_condition_numbers_are_those_of_standardized_regressors(
    k, closeness, weighted, fit_intercept
):
    rng = np.random.default_rng(k)
    x, y = draw(rng, 3, 50, k)
    x[:, -1] = closeness * x[:, 0] + np.sqrt(1 - closeness**2) * x[:, -1]
    x = 3.0 * x + 1.0
    weights = rng.random(len(y)) + 0.1 if weighted else None
    found = solve(x, y, 50, weights, fit_intercept=fit_intercept).condition
    for s in range(3):
        here = slice(50 * s, 50 * (s + 1))
        w = None if weights is None else weights[here]
        expected = condition(x[here], w, fit_intercept=fit_intercept)
        assert_allclose(found[s], expected, rtol=1e-6)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_orthogonal_regressors_have_condition_one(k):
    x = np.array([[(row >> column & 1) * 2.0 - 1.0 for column in range(k)] for row in range(2**k)])
    found = solve(x, np.arange(2.0**k))
    assert_allclose(found.condition, [1.0], rtol=1e-7)


@pytest.mark.parametrize("correlation", [-0.49, 0.2, 0.5, 0.99])
def test_three_equally_correlated_regressors(correlation):
    # Eigenvalues 1 + 2r once and 1 - r twice, where the trigonometric formula has a double root.
    root = np.linalg.cholesky(np.full((3, 3), correlation) + (1 - correlation) * np.eye(3))
    cube = np.array([[(row >> column & 1) * 2.0 - 1.0 for column in range(3)] for row in range(8)])
    found = solve(cube @ root.T, np.arange(8.0))
    eigenvalues = sorted([1 + 2 * correlation, 1 - correlation])
    assert_allclose(found.condition, np.sqrt(eigenvalues[1] / eigenvalues[0]), rtol=1e-7)


# --- laws ---------------------------------------------------------------------------------------


@law
@given(seed=st.integers(0, 2**32 - 1), n=st.sampled_from([10, 400]), k=st.integers(1, 5))
def test_residuals_are_orthogonal_to_regressors(seed, n, k):
    x, y = draw(np.random.default_rng(seed), 1, n, k)
    coefficients = solve(x, y).coefficients[0]
    residuals = y - coefficients[0] - x @ coefficients[1:]
    assert_allclose(x.T @ residuals / n, 0.0, atol=1e-9)
    assert_allclose(residuals.mean(), 0.0, atol=1e-10)


@law
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.floats(-10, 10),
    factor=st.sampled_from([-100.0, 0.01, 3.0]),
)
def test_slopes_follow_units_and_condition_and_r2_do_not(seed, shift, factor):
    x, y = draw(np.random.default_rng(seed), 1, 40, 3)
    before, after = solve(x, y), solve(factor * x + shift, y)
    assert_allclose(after.coefficients[:, 1:] * factor, before.coefficients[:, 1:], rtol=1e-7)
    assert_allclose(after.r2, before.r2, rtol=1e-9)
    assert_allclose(after.condition, before.condition, rtol=1e-8)


@law
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1e-6, 1.0, 1e9]))
def test_the_size_of_weights_does_not_matter(seed, size):
    rng = np.random.default_rng(seed)
    x, y = draw(rng, 1, 40, 3)
    weights = rng.random(40) + 0.1
    expected = solve(x, y, weights=weights)
    found = solve(x, y, weights=size * weights)
    assert_allclose(found.coefficients, expected.coefficients, rtol=1e-8)
    assert_allclose(found.r2, expected.r2, rtol=1e-9)


def test_a_whole_weight_counts_a_row_so_many_times():
    rng = np.random.default_rng(0)
    x, y = draw(rng, 1, 12, 2)
    times = rng.integers(1, 4, size=12)
    expected = solve(np.repeat(x, times, axis=0), np.repeat(y, times))
    found = solve(x, y, weights=times.astype(float))
    assert_allclose(found.coefficients, expected.coefficients, rtol=1e-10)
    assert_allclose(found.r2, expected.r2, rtol=1e-10)


# --- slopes as portfolios -----------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "difficulty", [lambda x: x, *DIFFICULTIES.values()], ids=["plain", *DIFFICULTIES]
)
def test_slope_weights_have_unit_exposure_and_give_the_coefficients(
    difficulty, weighted, fit_intercept
):
    rng = np.random.default_rng(0)
    x, y = draw(rng, 1, 30, 3)
    x = difficulty(x)
    if not fit_intercept and np.linalg.cond(x / np.linalg.norm(x, axis=0)) > 1e7:
        fit_intercept = True  # a level that far away is a constant
    w = rng.random(30) + 0.1 if weighted else None
    found = slope_weights(x.T, w, fit_intercept, np.finfo(float).eps)
    exposures = np.column_stack([np.ones(30), x]) if fit_intercept else x
    # In units of each regressor's own spread; a sum of rounded exposures has no more digits.
    unit = np.linalg.norm(exposures, axis=0)
    assert_allclose(found @ exposures / unit * unit[:, None] - np.eye(len(found)), 0.0, atol=1e-2)
    expected = qr_least_squares(x, y, w, fit_intercept=fit_intercept)
    assert_allclose((found @ y - expected) * unit, 0.0, atol=1e-6 * unit.max())


def test_slope_weights_of_plain_exposures_are_exact():
    x = np.random.default_rng(0).normal(size=(30, 3))
    found = slope_weights(x.T, None, True, np.finfo(float).eps)
    exposures = np.column_stack([np.ones(30), x])
    assert_allclose(found @ exposures, np.eye(4), atol=1e-13)
    assert_allclose(found, np.linalg.pinv(exposures), atol=1e-13)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_slope_weights_of_deficient_exposures_are_missing(fit_intercept):
    x = np.random.default_rng(0).normal(size=(2, 10))
    found = slope_weights(x[[0, 0, 1]], None, fit_intercept, np.finfo(float).eps)
    assert found.shape == (3 + fit_intercept, 10)
    assert np.isnan(found).all()


# --- variances of the slopes --------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_slope_variances_are_the_diagonal_of_the_inverse(k, fit_intercept):
    x, y = draw(np.random.default_rng(9), 3, 60, k)
    units = np.logspace(-6, 6, k)  # in which statsmodels' inverse would lose its digits
    found = solve(x * units, y, 60, fit_intercept=fit_intercept)
    for s in range(3):
        here = slice(60 * s, 60 * (s + 1))
        design = sm.add_constant(x[here]) if fit_intercept else x[here]
        fitted = sm.OLS(y[here], design).fit()
        expected = np.diag(fitted.normalized_cov_params)[-k:] / units**2
        assert_allclose(found.slope_variances[s], expected, rtol=1e-10)


def test_slope_variances_are_nan_where_there_are_no_slopes():
    x, y = draw(np.random.default_rng(9), 2, 30, 2)
    x[:30, 1] = x[:30, 0]
    found = solve(x, y, 30)
    assert_array_equal(np.isnan(found.slope_variances), [[True, True], [False, False]])

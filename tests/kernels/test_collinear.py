"""Sets of collinear columns, against what they were made of."""

from __future__ import annotations

import numpy as np
import pytest

from skfactor._kernels.collinear import find_collinear

N = 60


def _columns(rng):
    """Full dummies of two kinds, three that combine to 7, five free ones and a constant."""
    regions, sectors = (np.eye(n)[rng.permutation(np.arange(N) % n)] for n in (3, 4))
    free = rng.standard_normal((N, 5))
    made = 7.0 - 2e5 * free[:, 0] + 3.0 * free[:, 1]
    return np.column_stack([regions, free, sectors, made, np.full(N, 0.1)]).T


def _found(result):
    return [(list(s.columns), s.n_superfluous, s.is_level) for s in result.sets]


REGIONS, SECTORS, MADE = [0, 1, 2], [8, 9, 10, 11], [3, 4, 12]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", range(3))
def test_smallest_sets_are_told_apart_in_any_order(order, weighted):
    rng = np.random.default_rng(order)
    x = _columns(rng)
    w = rng.uniform(0.5, 2.0, N) if weighted else None
    shuffled = rng.permutation(len(x)) if order else np.arange(len(x))
    result = find_collinear(x[shuffled], w, fit_intercept=True)
    back = sorted((sorted(shuffled[c].tolist()), n, level) for c, n, level in _found(result))
    assert back == [(REGIONS, 1, True), (MADE, 1, True), (SECTORS, 1, True)]
    assert shuffled[result.constant].tolist() == [13]


def test_without_an_intercept_a_constant_is_a_column_like_others():
    x = _columns(np.random.default_rng(0))
    result = find_collinear(x, fit_intercept=False)
    assert _found(result) == [([*range(5), *SECTORS, 12, 13], 3, False)]
    assert not len(result.constant)
    assert find_collinear(np.vstack([x[3:6], 0.0 * x[:1]]), fit_intercept=False).constant == [3]


def test_combinations_of_centred_columns_are_zero_and_no_level():
    x = _columns(np.random.default_rng(0))[:-1]
    centred = x - x.mean(axis=1, keepdims=True)
    expected = [(REGIONS, 1, False), (MADE, 1, False), (SECTORS, 1, False)]
    assert _found(find_collinear(centred, fit_intercept=True)) == expected


def test_two_columns_too_many_are_counted():
    a, b = np.random.default_rng(0).standard_normal((2, N))
    x = np.array([a, b, a + b, a - b, a * b])
    assert _found(find_collinear(x, fit_intercept=True)) == [([0, 1, 2, 3], 2, False)]


def test_independent_columns_have_no_sets_and_few_rows_make_one():
    x = np.random.default_rng(0).standard_normal((4, N))
    assert _found(find_collinear(x, fit_intercept=True)) == []
    assert _found(find_collinear(x[:, :3], fit_intercept=False)) == [([0, 1, 2, 3], 1, False)]


@pytest.mark.parametrize("distance", [1e-7, 1e-5])
def test_what_is_nearly_collinear_counts_below_the_tolerance(distance):
    a, b, c = np.random.default_rng(0).standard_normal((3, N))
    x = np.array([a, a + distance * b, c + 0.5 * a])
    assert _found(find_collinear(x, fit_intercept=True)) == []
    near = _found(find_collinear(x, fit_intercept=True, tolerance=1e-6))
    assert near == ([([0, 1], 1, False)] if distance < 1e-6 else [])


def test_single_precision_rounds_more():
    a, b = np.random.default_rng(0).standard_normal((2, N))
    rounded = np.array([a, b, a + 3.0 * b], dtype=np.float32).astype(np.float64)
    assert _found(find_collinear(rounded, fit_intercept=True)) == []
    single = float(np.finfo(np.float32).eps)
    found = _found(find_collinear(rounded, fit_intercept=True, resolution=single))
    assert found == [([0, 1, 2], 1, False)]

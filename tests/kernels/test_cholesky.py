"""Factorizations of many small matrices at once against NumPy, one matrix at a time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.cholesky import cholesky, inverse_diagonals, solve_cholesky


def draw(size, n_matrices=7):
    """Matrices (K, K, S) of variables in different units."""
    x = np.random.default_rng(size).normal(size=(n_matrices, 3 * size, size))
    x *= 10.0 ** np.arange(size)
    return np.einsum("sti,stj->ijs", x, x)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_solutions_and_inverses_are_those_of_numpy(size):
    gram = draw(size)
    target = np.random.default_rng(0).normal(size=(size, gram.shape[2]))
    factor = cholesky(gram, size)
    inverses = np.linalg.inv(np.moveaxis(gram, 2, 0))
    assert_allclose(solve_cholesky(factor, target), np.einsum("sij,js->is", inverses, target))
    assert_allclose(inverse_diagonals(factor), np.einsum("sii->is", inverses))
    lower = np.linalg.cholesky(np.moveaxis(gram, 2, 0))
    diagonal = np.einsum("iis->is", gram)
    assert_allclose(factor.pivots, np.einsum("sii->is", lower) ** 2 / diagonal)


def test_only_the_lower_triangle_is_read_and_nothing_is_written():
    gram = draw(3)
    lists = [[gram[i, j].copy() for j in range(i + 1)] for i in range(3)]
    target = [np.ones(7) for _ in range(3)]
    found = solve_cholesky(cholesky(lists, 3), target)
    assert_allclose(found, solve_cholesky(cholesky(gram, 3), np.ones((3, 7))), rtol=1e-15)
    for i in range(3):
        assert_allclose(lists[i], gram[i, : i + 1], rtol=0.0)
        assert_allclose(target[i], 1.0, rtol=0.0)


def test_pivots_tell_which_matrices_are_not_positive_definite():
    one = np.ones(4)
    off = np.array([0.0, 1.0, 2.0, np.nan])
    with np.errstate(invalid="ignore", divide="ignore"):
        pivots = cholesky([[one], [off, one]], 2).pivots
    assert_allclose(pivots, [[1.0] * 4, [1.0, 0.0, -3.0, -1.0]])

"""Cholesky factorization of very many small matrices at once: every entry is an array over all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from skfactor._typing import Float64Array


@dataclass(frozen=True)
class Cholesky:
    """Lower triangles L of S matrices L L' (K, K), entry by entry."""

    below: list[list[Float64Array]]  # below[i][j] (S,) for j < i
    inverse_diagonal: list[Float64Array]  # K arrays (S,)
    pivots: Float64Array  # (K, S) squared pivots over the matrix' diagonal; -1 where undefined


def cholesky(gram: Float64Array | Sequence[Sequence[Float64Array]], size: int) -> Cholesky:
    """Factorize the matrices with entries ``gram[i][j]`` (S,), of which j <= i are read.

    A matrix that is not positive definite has a pivot that is not positive, and NaN in L.
    """
    below: list[list[Float64Array]] = [[] for _ in range(size)]
    inverse: list[Float64Array] = []
    pivots: list[Float64Array] = []
    for j in range(size):
        pivot = _less_products(gram[j][j], below[j], below[j])
        pivots.append(pivot / gram[j][j])
        inverse.append(1.0 / np.sqrt(pivot))
        for i in range(j + 1, size):
            below[i].append(_less_products(gram[i][j], below[i], below[j]) * inverse[j])
    return Cholesky(below, inverse, np.nan_to_num(np.array(pivots), copy=False, nan=-1.0))


def solve_cholesky(
    factor: Cholesky, target: Float64Array | Sequence[Float64Array]
) -> list[Float64Array]:
    """Solutions of the S systems with right-hand sides ``target[i]`` (S,): K arrays (S,)."""
    below, inverse = factor.below, factor.inverse_diagonal
    solution: list[Float64Array] = []
    for entries, scale, value in zip(below, inverse, target, strict=True):
        solution.append(_less_products(value, entries, solution) * scale)
    for i in reversed(range(len(solution))):
        later = [entries[i] for entries in below[i + 1 :]]
        solution[i] = _less_products(solution[i], later, solution[i + 1 :]) * inverse[i]
    return solution


def inverse_diagonals(factor: Cholesky) -> list[Float64Array]:
    """Diagonals of the S inverse matrices: K arrays (S,)."""
    below, scales = factor.below, factor.inverse_diagonal
    diagonals = []
    for j, first in enumerate(scales):
        # Column j of the inverse of L; the inverse matrix sums the squares over its rows.
        column = [first]
        for i in range(j + 1, len(scales)):
            known = sum(a * b for a, b in zip(below[i][j:], column, strict=True))
            column.append(-known * scales[i])
        diagonals.append(np.asarray(sum(entry * entry for entry in column)))
    return diagonals


def _less_products(
    value: Float64Array, left: Iterable[Float64Array], right: Iterable[Float64Array]
) -> Float64Array:
    """``value`` less the products, a new array unless there are none."""
    rest = None
    for a, b in zip(left, right, strict=True):
        product = a * b
        rest = np.subtract(value if rest is None else rest, product, out=product)
    return value if rest is None else rest

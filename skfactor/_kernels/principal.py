"""Principal components of returns (T, N), by the smaller side, with and without missing cells."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh, eigvalsh

from skfactor._kernels.rounding import EPSILON, PIVOT_UNITS, RANK_UNITS, TINY
from skfactor._typing import BoolArray, Float64Array

# Vectors up to this part of all count as few.
_FEW = 10


def leading_directions(
    x: Float64Array, n: int, *, all_values: bool = True
) -> tuple[Float64Array, Float64Array]:
    """Eigenvalues of X'X, descending, and the first n eigenvectors (N, n).

    All min(T, N) eigenvalues, or the first n. Through the smaller of X'X and XX'. A direction
    without variation is zero if it comes from the longer side.
    """
    gram = x.T @ x if x.shape[1] <= x.shape[0] else x @ x.T
    m = len(gram)
    # All values and a few vectors are found faster one after the other than with all vectors.
    apart = all_values and n < m // _FEW
    first = 0 if all_values and not apart else m - n
    values, vectors = eigh(gram, subset_by_index=[first, m - 1], check_finite=False)
    if apart:
        values = eigvalsh(gram, overwrite_a=True, check_finite=False)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1][:, :n]
    if x.shape[1] > x.shape[0]:
        lengths = np.sqrt(values[:n])
        there = lengths > np.sqrt(RANK_UNITS * EPSILON) * lengths[:1]
        vectors = x.T @ vectors
        vectors = np.where(there, vectors / np.where(there, lengths, 1.0), 0.0)
    return values, np.ascontiguousarray(vectors)


def pairwise_moments(x: Float64Array) -> tuple[Float64Array, int]:
    """Means (N, N) of products over what each pair of columns has in common, NaN left out.

    And how many pairs have nothing in common; their mean is put to 0.
    """
    observed = np.isfinite(x)
    filled, mask = np.where(observed, x, 0.0), observed.astype(np.float64)
    common, moments = mask.T @ mask, filled.T @ filled
    none = common == 0.0
    moments /= np.where(none, 1.0, common)
    return moments, int(np.count_nonzero(np.triu(none)))


def scores(x: Float64Array, loadings: Float64Array) -> Float64Array:
    """Slopes (T, K) of each row on the loadings (N, K), over what is observed of the row.

    NaN where a row has too little to tell them.
    """
    n_factors = loadings.shape[1]
    out = np.full((len(x), n_factors), np.nan)
    missing = ~np.isfinite(x)
    partial = missing.any(axis=1)
    # All in the same way where nothing is missing: a row must not depend on how many there are.
    if not partial.all():
        weights = np.linalg.solve(loadings.T @ loadings, loadings.T).T
        out[~partial] = x[~partial] @ weights
    if partial.any():
        a, b = np.triu_indices(n_factors)
        mask = (~missing[partial]).astype(np.float64)
        filled = np.where(missing[partial], 0.0, x[partial])
        grams = _symmetric(mask @ (loadings[:, a] * loadings[:, b]), n_factors)
        out[partial] = _solve_regular(grams, (filled @ loadings)[..., None])[..., 0]
    return out


def regress_observed(x: Float64Array, regressors: Float64Array) -> Float64Array:
    """Coefficients (Q, N) of each column on regressors (T, Q), over what is observed of it.

    Rows on which a regressor is NaN are left out; NaN where a column has too little.
    """
    known = np.isfinite(regressors).all(axis=1)
    if not known.all():
        x, regressors = x[known], regressors[known]
    n = regressors.shape[1]
    observed = np.isfinite(x)
    if observed.all():  # all columns have the same cross-products
        gram = regressors.T @ regressors
        return np.asarray(_solve_regular(gram[None], (regressors.T @ x)[None])[0])
    a, b = np.triu_indices(n)
    products = regressors[:, a] * regressors[:, b]
    grams = _symmetric(observed.T.astype(np.float64) @ products, n)
    targets = np.where(observed, x, 0.0).T @ regressors
    return _solve_regular(grams, targets[..., None])[..., 0].T


def column_means(x: Float64Array) -> Float64Array:
    """Means (N,) of columns over what is observed of them."""
    means: Float64Array = x.mean(axis=0)
    return means if np.isfinite(means).all() else np.nanmean(x, axis=0)


def column_variances(x: Float64Array) -> Float64Array:
    """Variances (N,) of columns over what is observed of them, divisor their number."""
    return np.asarray(np.nanvar(x, axis=0) if np.isnan(x).any() else x.var(axis=0))


def _symmetric(halves: Float64Array, size: int) -> Float64Array:
    """Matrices (S, size, size) from their upper triangles, row by row."""
    a, b = np.triu_indices(size)
    out = np.empty((len(halves), size, size))
    out[:, a, b] = halves
    out[:, b, a] = halves
    return out


def _solve_regular(grams: Float64Array, right: Float64Array) -> Float64Array:
    """Solutions (S, Q, M) of the systems that have one, for right sides (S, Q, M); else NaN."""
    out = np.full(right.shape, np.nan)
    scale = np.sqrt(np.einsum("sii->si", grams))
    scale = np.where(scale > 0.0, scale, 1.0)
    unit = grams / scale[:, :, None] / scale[:, None, :]
    regular: BoolArray = np.linalg.eigvalsh(unit)[:, 0] > PIVOT_UNITS * grams.shape[1]
    scale = scale[regular][..., None]
    out[regular] = np.linalg.solve(unit[regular], right[regular] / scale) / scale
    return out


def fill_by_iteration(
    x: Float64Array,
    n: int,
    *,
    stretch: float,
    center: bool,
    max_iter: int,
    tol: float,
    start: Float64Array | None = None,
) -> tuple[Float64Array, float]:
    """X (T, N) with missing cells replaced by what its first n components say of them.

    Components are those of X with ``stretch`` times its means added; with ``center`` they explain
    deviations from the means. Iterated until the cells change by less than ``tol`` of all values'
    size; the last change comes with the result.
    """
    missing = ~np.isfinite(x)
    filled = np.where(missing, column_means(x), x) if start is None else start.copy()
    change = np.inf
    for _ in range(max_iter):
        mean = filled.mean(axis=0)
        _, vectors = leading_directions(filled + stretch * mean, n, all_values=False)
        level = mean if center else 0.0
        fitted = (filled - level) @ vectors @ vectors.T + level
        moved = float(np.linalg.norm((fitted - filled)[missing]))
        change = moved / max(float(np.linalg.norm(filled)), TINY)
        filled[missing] = fitted[missing]
        if change < tol:
            break
    return filled, change


def fill_by_complete_columns(
    x: Float64Array, n: int, *, stretch: float, center: bool
) -> Float64Array:
    """X with missing cells replaced by their regression on the components of complete columns.

    NaN stays in columns that have too few observations for the regression.
    """
    missing = ~np.isfinite(x)
    tall = x[:, ~missing.any(axis=0)]
    _, vectors = leading_directions(tall + stretch * tall.mean(axis=0), n, all_values=False)
    regressors = tall @ vectors
    if center:
        regressors = np.column_stack([np.ones(len(x)), regressors])
    return np.where(missing, regressors @ regress_observed(x, regressors), x)

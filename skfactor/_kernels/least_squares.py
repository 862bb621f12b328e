"""Least squares in many segments at once, from their cross-moments, with the rank decided by QR.

The normal equations are centred, scaled to correlations and solved by a Cholesky factorization
whose entries are arrays over all segments. Its smallest squared pivot is about 1 / cond^2 and comes
for free: where it says that digits are lost, the segment is solved again from its data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.linalg import lapack, solve_triangular

from skfactor._kernels.cholesky import cholesky, inverse_diagonals, solve_cholesky
from skfactor._kernels.collinear import Collinear, find_collinear
from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.records import Record
from skfactor._kernels.regressors import full_rank_qr, weighted_regressors
from skfactor._kernels.rounding import SAFE_PIVOT, SAFE_SPREAD
from skfactor._kernels.segments import Segments
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray

# Above this many regressors a factorization for each segment beats one over arrays of segments.
_MANY_REGRESSORS = 16

# The complete rows of one segment: x (K, m), y (m,), weights (m,) or None.
Rows = Callable[[int], tuple[Float64Array, Float64Array, Float64Array | None]]


@dataclass(frozen=True)
class LeastSquares(Record):
    """One regression per segment; NaN where it is thin or deficient, or a regressor was dropped."""

    coefficients: Float64Array  # (S, K), or (S, 1 + K) with the intercept first
    n_rows: IntArray  # (S,)
    total: Float64Array  # (S,) sum of squares, centred with an intercept, uncentred without
    explained: Float64Array  # (S,) what the regressors explain of it
    correlation: Float64Array  # (K, K, S) of the regressors, about 0 without an intercept
    norm: Float64Array  # (K, S) roots of the sums of squares of the same
    pivots: Float64Array  # (K, S) squared, of the correlations' Cholesky factor
    # ... these three are (..., 1) where the regressors are the same in all segments
    condition_by_qr: dict[int, float]  # of the segments that were solved from their data
    thin: BoolArray  # (S,) fewer rows than asked for
    deficient: BoolArray  # (S,) collinear or constant regressors
    collinear: Collinear | None = None  # which they are in the first of these segments

    @property
    def solved(self) -> BoolArray:
        """Segments with an estimate (S,)."""
        return ~(self.thin | self.deficient)

    @cached_property
    def r2(self) -> Float64Array:
        """Share of the sum of squares that is explained (S,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.solved, self.explained / self.total, np.nan)

    @cached_property
    def condition(self) -> Float64Array:
        """Condition numbers (S,) of the standardized regressors in the 2-norm."""
        condition = np.empty(len(self.n_rows))
        condition[:] = _condition_numbers(self.correlation, self.pivots)
        condition[list(self.condition_by_qr)] = list(self.condition_by_qr.values())
        condition[~self.solved] = np.nan
        return condition

    @cached_property
    def slope_variances(self) -> Float64Array:
        """Variances (S, K) of the slopes where the errors have variance one: diag((X'X)^-1)."""
        variances = np.empty((len(self.norm), len(self.n_rows)))
        variances[...] = _inverse_diagonals(self.correlation) / self.norm**2
        variances[:, ~self.solved] = np.nan
        return variances.T

    @property
    def n_parameters(self) -> Float64Array:
        """Coefficients that each segment spends (S,)."""
        n_parameters = np.full(len(self.n_rows), float(self.coefficients.shape[1]))
        n_parameters[self.solved] = (~np.isnan(self.coefficients[self.solved])).sum(axis=1)
        return n_parameters


def solve_least_squares(
    moments: CrossMoments,
    rows: Rows,
    *,
    fit_intercept: bool,
    min_rows: int | Float64Array,
    resolution: float,
    drop: bool = False,
) -> LeastSquares:
    """Regress the last variable of the moments on the others in every segment.

    ``rows`` fetches a segment's data where its moments do not suffice. Fewer than ``min_rows``
    rows (of all segments, or of each) are thin. ``resolution`` is the machine epsilon of the data:
    regressors that differ from collinear ones by no more than rounding are deficient. With ``drop``
    those that depend on regressors before them are left out instead, and have no coefficient.
    """
    products = moments.products
    if not fit_intercept:
        level = moments.mean[:, None] * moments.mean
        level *= moments.weight
        products = np.add(level, products, out=np.empty_like(products))
        del level  # of many regressors each of these takes GB
    gram, cross, total = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    if moments.alike:
        gram = gram[:, :, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt(np.einsum("iis->is", gram))
        correlation = np.divide(gram, norm, out=np.empty_like(gram))
        correlation /= norm[:, None]
        standardized = cross / norm
        slopes, pivots = solve_standardized(correlation, standardized)
        explained = dot_in_order(slopes, standardized)
        slopes /= norm
    thin = moments.n_rows < min_rows
    deficient = np.zeros(len(total), dtype=bool)
    safe = pivots.min(axis=0) >= SAFE_PIVOT
    if fit_intercept:
        # What is left of a level that centring took off: a constant column leaves only rounding.
        level = moments.weight * moments.mean[:-1] ** 2
        safe = safe & (norm**2 >= SAFE_SPREAD * level).all(axis=0)
    condition_by_qr, used = {}, np.ones(slopes.shape, dtype=bool)
    for s in np.flatnonzero(~(safe | thin)):
        x, y, w = rows(int(s))
        solution = _solve_from_rows(x, y, w, fit_intercept, resolution)
        if solution is None and drop:
            used[:, s] = independent_regressors(x, w, fit_intercept, resolution)
            if used[:, s].any():
                solution = _solve_from_rows(x[used[:, s]], y, w, fit_intercept, resolution)
        deficient[s] = solution is None
        if solution is not None:
            slopes[~used[:, s], s] = 0.0
            slopes[used[:, s], s], explained[s], condition_by_qr[int(s)] = solution
    slopes[:, thin | deficient] = np.nan
    collinear = None
    if deficient.any():
        x, _, w = rows(int(deficient.argmax()))
        collinear = find_collinear(x, w, fit_intercept=fit_intercept, resolution=resolution)
    coefficients = slopes
    if fit_intercept:
        level = moments.mean[-1] - dot_in_order(moments.mean[:-1], slopes)
        coefficients = np.vstack([level, slopes])
    coefficients[int(fit_intercept) :][~used] = np.nan
    return LeastSquares(
        coefficients.T,
        moments.n_rows,
        total,
        explained,
        correlation,
        norm,
        pivots,
        condition_by_qr,
        thin,
        deficient,
        collinear,
    )


def dot_in_order(left: Float64Array, right: Float64Array) -> Float64Array:
    """Sums (S,) of products over the regressors (K, S), to the last bit whatever the S.

    Those of ``einsum`` depend on it, so that one segment alone would differ from one among others.
    """
    total: Float64Array = left[0] * right[0]
    for a, b in zip(left[1:], right[1:], strict=True):
        total += a * b
    return total


def solve_standardized(
    correlation: Float64Array, standardized: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Solve systems (K, K, S) for right-hand sides (K, S), or for several of them, (K, C, S).

    Returns the solutions and the squared pivots (K, S), negative where a system has no solution.
    One system (K, K, 1) is solved for all right-hand sides, and its pivots are (K, 1).
    """
    n_systems = correlation.shape[-1]
    if n_systems == 1 and standardized.shape[-1] > 1:
        slopes, pivots = _cholesky_each(correlation, standardized[..., None])
        return slopes[..., 0], pivots
    if len(correlation) > _MANY_REGRESSORS:
        return _cholesky_each(correlation, standardized)
    return _cholesky_together(correlation, standardized)


def _cholesky_together(
    correlation: Float64Array, standardized: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """One factorization whose entries are arrays over all systems."""
    factor = cholesky(correlation, len(standardized))
    return np.array(solve_cholesky(factor, standardized)), factor.pivots


def _inverse_diagonals(correlation: Float64Array) -> Float64Array:
    """Diagonals (K, S) of the inverses of matrices (K, K, S); NaN where one is not definite."""
    n, n_systems = correlation.shape[1:]
    if n_systems > 1 and n <= _MANY_REGRESSORS:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.array(inverse_diagonals(cholesky(correlation, n)))
    diagonals = np.full(correlation.shape[1:], np.nan)
    for s in np.flatnonzero(np.isfinite(correlation).all(axis=(0, 1))):
        factor, info = lapack.dpotrf(correlation[:, :, s])
        if info == 0:
            inverted, _ = lapack.dtrtri(factor)
            diagonals[:, s] = np.einsum("jk,jk->j", inverted, inverted)
    return diagonals


def _cholesky_each(
    correlation: Float64Array, standardized: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """One LAPACK call per system."""
    slopes = np.full(standardized.shape, np.nan)
    pivots = np.full(correlation.shape[1:], -1.0)
    for s in np.flatnonzero(np.isfinite(correlation).all(axis=(0, 1))):
        factor, solution, info = lapack.dposv(correlation[:, :, s], standardized[..., s])
        if info == 0:
            slopes[..., s], pivots[:, s] = solution, np.diagonal(factor) ** 2
    return slopes, pivots


def _condition_numbers(correlation: Float64Array, pivots: Float64Array) -> Float64Array:
    """Condition numbers (S,) of standardized regressors; NaN where a pivot is not positive."""
    n, n_segments = pivots.shape
    condition = np.full(n_segments, np.nan)
    positive = pivots.min(axis=0) > 0.0
    if not positive.all():
        correlation, pivots = correlation[:, :, positive], pivots[:, positive]
    # A routine called for each matrix would double the time of a fit to many short segments.
    if n == 1:
        condition[positive] = 1.0
    elif n == 2:
        # The second pivot is 1 - r^2, without the cancellation of 1 - |r|.
        condition[positive] = (1.0 + np.abs(correlation[0, 1])) / np.sqrt(pivots[1])
    elif n == 3:
        condition[positive] = _condition_of_three(correlation, pivots)
    else:
        eigenvalues = np.linalg.eigvalsh(correlation.transpose(2, 0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            condition[positive] = np.sqrt(eigenvalues[:, -1] / eigenvalues[:, 0])
    return condition


def _condition_of_three(correlation: Float64Array, pivots: Float64Array) -> Float64Array:
    """Condition number for three regressors by the trigonometric formula of the eigenvalues."""
    a, b, c = correlation[0, 1], correlation[0, 2], correlation[1, 2]
    radius = np.sqrt((a * a + b * b + c * c) / 3.0)
    with np.errstate(invalid="ignore"):
        angle = np.arccos(np.clip(a * b * c / radius**3, -1.0, 1.0)) / 3.0
    angle = np.nan_to_num(angle)  # uncorrelated regressors: the radius is zero
    largest = 1.0 + 2.0 * radius * np.cos(angle)
    middle = 1.0 + 2.0 * radius * np.cos(angle - 2.0 * np.pi / 3.0)
    # The smallest one from the determinant: the formula would lose its digits to cancellation.
    smallest = pivots.prod(axis=0) / (largest * middle)
    condition: Float64Array = np.sqrt(largest / smallest)
    return condition


@dataclass(frozen=True)
class _Factorization:
    """QR of the standardized regressors of one segment."""

    q: Float64Array  # (m, K)
    r: Float64Array  # (K, K)
    norm: Float64Array  # (K,) of the centred regressors
    mean: Float64Array  # (K,) taken off them; 0 without an intercept
    root: Float64Array  # (m,) square roots of the weights
    condition: float


def _factorize(
    x: Float64Array, w: Float64Array | None, fit_intercept: bool, resolution: float
) -> _Factorization | None:
    """Factorization of the regressors x (K, m), or None if their rank is deficient."""
    k, m = x.shape
    root = np.ones(m) if w is None else np.sqrt(w)
    each = weighted_regressors(x, w, root, fit_intercept=fit_intercept, resolution=resolution)
    if m < k + fit_intercept:
        return None
    found = full_rank_qr(each.columns, each.norm, each.noise)
    if found is None:
        return None
    q, r, condition = found
    return _Factorization(q, r, each.norm, each.mean, root, condition)


def independent_regressors(
    x: Float64Array, w: Float64Array | None, fit_intercept: bool, resolution: float
) -> BoolArray:
    """Which of the regressors x (K, m) are neither constant nor combinations of those before them.

    Together they have full rank.
    """
    k, m = x.shape
    root = np.ones(m) if w is None else np.sqrt(w)
    each = weighted_regressors(x, w, root, fit_intercept=fit_intercept, resolution=resolution)
    z, norm, noise = each.columns, each.norm, each.noise
    kept: list[int] = []
    basis, left, limit = np.empty((min(k, m), m)), np.full(k, np.inf), 0.0
    for j in map(int, np.flatnonzero(norm > noise)):
        if len(kept) == m - fit_intercept:
            break
        rest, so_far = z[j] / norm[j], basis[: len(kept)]
        for _ in range(2):  # the second time what rounding left
            rest = rest - (so_far @ rest) @ so_far
        length = float(np.sqrt(rest @ rest))
        needed = max(limit, float(k * noise[j] / norm[j]))
        if length > needed:
            basis[len(kept)], left[j], limit = rest / length, length, needed
            kept.append(j)
    # Each is far enough from the others, but all together may not be: the closest one goes.
    while kept and _factorize(x[kept], w, fit_intercept, resolution) is None:
        kept.remove(int(left.argmin()))
        left[left.argmin()] = np.inf
    return np.isin(np.arange(k), kept)


def _solve_from_rows(
    x: Float64Array,
    y: Float64Array,
    w: Float64Array | None,
    fit_intercept: bool,
    resolution: float,
) -> tuple[Float64Array, float, float] | None:
    """Slopes, explained sum of squares and condition number by QR; None without full rank."""
    factors = _factorize(x, w, fit_intercept, resolution)
    if factors is None:
        return None
    if fit_intercept:
        y = y - np.average(y, weights=w)
    projected = factors.q.T @ (y * factors.root)
    slopes = solve_triangular(factors.r, projected, check_finite=False) / factors.norm
    return slopes, float(projected @ projected), factors.condition


def slope_weights(
    x: Float64Array, w: Float64Array | None, fit_intercept: bool, resolution: float
) -> Float64Array:
    """Weights (P, m) that turn targets into the coefficients on regressors x (K, m).

    With X the regressors and the constant they are (X'WX)^-1 X'W; NaN if the rank is deficient.
    """
    factors = _factorize(x, w, fit_intercept, resolution)
    if factors is None:
        return np.full((len(x) + fit_intercept, x.shape[1]), np.nan)
    slopes = solve_triangular(factors.r, factors.q.T * factors.root, check_finite=False)
    slopes = slopes / factors.norm[:, None]
    if not fit_intercept:
        return slopes
    shares = factors.root**2 / (factors.root**2).sum()
    return np.vstack([shares - factors.mean @ slopes, slopes])


def segment_slope_weights(
    values: FloatArray,
    segments: Segments,
    weights: Float64Array | None,
    fit_intercept: bool,
    drop: bool = False,
) -> Float64Array:
    """`slope_weights` (n_rows, P) of the segments of values (n_rows, K); 0 for incomplete rows.

    With ``drop`` as in `solve_least_squares`.
    """
    out = np.zeros((len(values), values.shape[1] + fit_intercept))
    resolution = float(np.finfo(values.dtype).eps)
    for start, stop in pairwise(segments.offsets):
        rows = np.arange(start, stop) if segments.order is None else segments.order[start:stop]
        complete = np.isfinite(values[rows]).all(axis=1)
        if weights is not None:
            complete &= weights[rows] > 0.0
        kept = rows[complete]
        w = None if weights is None else weights[kept]
        x = values[kept].astype(np.float64)
        if not len(kept):
            continue
        used = np.ones(x.shape[1], dtype=bool)
        if drop and _factorize(x.T, w, fit_intercept, resolution) is None:
            used = independent_regressors(x.T, w, fit_intercept, resolution)
        out[kept] = np.nan
        if used.any():
            const = np.ones(int(fit_intercept), dtype=bool)
            columns = np.concatenate([const, used])
            found = slope_weights(x[:, used].T, w, fit_intercept, resolution).T
            out[np.ix_(kept, np.flatnonzero(columns))] = found
    return out

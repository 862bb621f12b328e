"""Centred cross-products of regressors and target, for every segment or every masked series.

Everything a least-squares fit needs of the data, in one pass over it, accumulated in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations_with_replacement, pairwise
from typing import Literal

import numpy as np

from skfactor._kernels.masked_sums import masked_sums
from skfactor._kernels.rounding import FIVE_DIGITS_LOST
from skfactor._kernels.segments import chunks
from skfactor._kernels.threads import Done, Run, report_nothing, run_in_turn, run_on_threads
from skfactor._typing import Float64Array, FloatArray, IntArray

# Sums over many segments win below this many (rows per segment) x (regressors squared), BLAS above.
_BLAS_FROM = 15_000
# The product of a matrix with itself goes to a routine of its own, which is slow for few variables.
_SYRK_FROM = 24
# Matrices of more variables lie one after the other, as the routines take them that solve each.
_APART_FROM = 48
# Products of common regressors that are held at one time, in numbers, of which making them takes
# some copies. Where there are more, each series is multiplied by itself.
_MOST_TERMS = 2**24
# Values of a run of short segments: its sums of products stay in the cache of one processor.
_RUN = 160_000


@dataclass(frozen=True)
class CrossMoments:
    """Cross-moments of the complete rows, the target being the last of P = K + 1 variables."""

    n_rows: IntArray  # (S,) complete rows of positive weight
    weight: Float64Array  # (S,) sum of their weights
    mean: Float64Array  # (P, S)
    products: Float64Array  # (P, P, S) weighted sums of products about the mean
    alike: bool = False  # all that is not of the target is known to be the same in every segment


def _empty(n_segments: int, n_variables: int) -> CrossMoments:
    if n_variables > _APART_FROM:
        products = np.zeros((n_segments, n_variables, n_variables)).transpose(1, 2, 0)
    else:
        products = np.zeros((n_variables, n_variables, n_segments))
    return CrossMoments(
        np.zeros(n_segments, dtype=np.intp),
        np.zeros(n_segments),
        np.zeros((n_variables, n_segments)),
        products,
    )


def segment_cross_moments(
    values: FloatArray,
    target: FloatArray,
    offsets: IntArray,
    weights: Float64Array | None = None,
    done: Done = report_nothing,
) -> CrossMoments:
    """Cross-moments of values (K, n) and target (n,) in each segment of rows that lie in runs.

    A row with a NaN in any variable, or of zero weight, is left out. ``done`` is called with
    numbers of segments that are done.
    """
    n_segments, n_regressors = len(offsets) - 1, len(values)
    moments = _empty(n_segments, n_regressors + 1)
    with np.errstate(invalid="ignore", over="ignore"):
        if offsets[-1] * n_regressors**2 >= _BLAS_FROM * n_segments:
            _run(run_in_turn, _fill_by_products, moments, values, target, offsets, weights, done)
            for s in _center(moments):
                rows = slice(offsets[s], offsets[s + 1])
                w = None if weights is None else weights[rows]
                _recentre(moments, int(s), *complete_rows(values[:, rows], target[rows], w))
        else:
            _run(run_on_threads, _fill_by_sums, moments, values, target, offsets, weights, done)
    return moments


def _run(
    run: Run,
    fill: Callable[..., None],
    moments: CrossMoments,
    values: FloatArray,
    target: FloatArray,
    offsets: IntArray,
    weights: Float64Array | None,
    done: Done,
) -> None:
    """Fill the moments of runs of segments, each in one go."""
    runs = list(chunks(offsets, len(values) + 1, _RUN))
    run(
        [partial(fill, moments, values, target, offsets, weights, which) for which in runs],
        values.size,
        lambda number: done(runs[number].stop - runs[number].start),
    )


def _fill_by_products(
    moments: CrossMoments,
    values: FloatArray,
    target: FloatArray,
    offsets: IntArray,
    weights: Float64Array | None,
    which: slice,
) -> None:
    """Raw sums and products, one matrix product a segment; `_center` makes moments of them."""
    bounds = offsets[which.start : which.stop + 1]
    k, longest = len(values), int(np.diff(bounds).max())
    # Regressors, target and a one in each row, in the memory order of the values: copied along
    # memory, and one product gives all sums.
    order: Literal["C", "F"] = "C" if values.strides[0] > values.strides[-1] else "F"
    scratch = np.empty((k + 2, longest), order=order)
    for s, (start, stop) in enumerate(pairwise(bounds), which.start):
        data = scratch[:, : stop - start]
        data[:k], data[k], data[k + 1] = values[:, start:stop], target[start:stop], 1.0
        _sum_products(moments, s, data, None if weights is None else weights[start:stop])


def _fill_by_series(
    moments: CrossMoments,
    common: Float64Array,
    targets: Float64Array,
    weights: Float64Array | None,
) -> None:
    """Raw sums and products of common regressors with targets, one matrix product a target."""
    k = len(common)
    data = np.empty((k + 2, common.shape[1]))
    for s, target in enumerate(targets):
        data[:k], data[k], data[k + 1] = common, target, 1.0
        _sum_products(moments, s, data, weights)


def _sum_products(
    moments: CrossMoments, s: int, data: Float64Array, w: Float64Array | None
) -> None:
    """Raw sums and products of regressors, target and a one (P + 1, m), which is overwritten."""
    product = _products(data, w)
    if not np.isfinite(product).all():
        # Zeros in place of the incomplete rows leave every sum as it should be.
        data[:, ~np.isfinite(np.ones(len(data)) @ data)] = 0.0
        product = _products(data, w)
    moments.mean[:, s], moments.products[:, :, s] = product[:, -1], product[:, :-1]
    counted = data[-1] if w is None else w * data[-1]
    moments.weight[s], moments.n_rows[s] = counted.sum(), np.count_nonzero(counted)


def _products(data: Float64Array, w: Float64Array | None) -> Float64Array:
    """Products of all variables but the last, the one, with all variables (P, P + 1)."""
    if w is None and len(data) > _SYRK_FROM:
        whole: Float64Array = data @ data.T
        return whole[:-1]
    left = data[:-1] if w is None else data[:-1] * w
    product: Float64Array = left @ data.T
    return product


def _center(moments: CrossMoments) -> IntArray:
    """Turn raw sums and products into means and products about the mean, in place.

    Returns the segments where too much cancelled: they are to be centred from their data.
    """
    raw = _diagonal(moments.products).copy()
    moments.mean[...] /= np.where(moments.weight > 0.0, moments.weight, 1.0)
    scaled = moments.mean * moments.weight
    for i, mean in enumerate(moments.mean):
        moments.products[i] -= mean * scaled
    cancelled = _diagonal(moments.products) < FIVE_DIGITS_LOST * raw
    return np.flatnonzero(cancelled.any(axis=0))


def _diagonal(products: Float64Array) -> Float64Array:
    """Sums of squares (P, S), a view."""
    diagonal: Float64Array = np.einsum("iis->is", products)
    return diagonal


def complete_rows(
    x: FloatArray, y: FloatArray, w: Float64Array | None
) -> tuple[Float64Array, Float64Array, Float64Array | None]:
    """The rows of one segment that enter its regression, copied as float64 (K, m), (m,), (m,)."""
    complete = np.isfinite(x).all(axis=0) & np.isfinite(y)
    if w is not None:
        complete &= w > 0.0
        w = w[complete]
    return x[:, complete].astype(np.float64), y[complete].astype(np.float64), w


def _recentre(
    moments: CrossMoments, s: int, x: Float64Array, y: Float64Array, w: Float64Array | None
) -> None:
    """Moments of one segment from its data, centred before they are multiplied."""
    data = np.vstack([x, y])
    total = np.zeros(len(data))
    for _ in range(2):  # the second pass takes off what rounding left of the mean
        mean = np.average(data, axis=1, weights=w)
        data -= mean[:, None]
        total += mean
    moments.mean[:, s] = total
    moments.products[:, :, s] = (data if w is None else data * w) @ data.T


def _fill_by_sums(
    moments: CrossMoments,
    values: FloatArray,
    target: FloatArray,
    offsets: IntArray,
    weights: Float64Array | None,
    which: slice,
) -> None:
    """Moments of many short segments: two passes over a chunk that stays in cache."""
    n_variables = len(values) + 1
    bounds = offsets[which.start : which.stop + 1]
    rows, starts, lengths = (
        slice(bounds[0], bounds[-1]),
        bounds[:-1] - bounds[0],
        np.diff(bounds),
    )
    data = np.empty((n_variables, int(bounds[-1] - bounds[0])))
    data[:-1], data[-1] = values[:, rows], target[rows]
    complete = np.isfinite(np.ones(n_variables) @ data)
    w = None if weights is None else weights[rows]
    if w is not None:
        complete &= w > 0.0
    incomplete = np.flatnonzero(~complete)
    data[:, incomplete] = 0.0
    n_rows = np.add.reduceat(complete.astype(np.intp), starts) if incomplete.size else lengths
    total = n_rows.astype(np.float64)
    if w is not None:
        w = np.where(complete, w, 0.0)
        total = np.add.reduceat(w, starts)
    divisor = np.where(total > 0.0, total, 1.0)
    product = np.empty(data.shape[1])
    for i, column in enumerate(data):
        weighted = column if w is None else column * w
        mean = np.add.reduceat(weighted, starts) / divisor
        column -= np.repeat(mean, lengths)
        column[incomplete] = 0.0
        moments.mean[i, which] = mean
        for j in range(i + 1):
            np.multiply(column, data[j], out=product)
            if w is not None:
                product *= w
            sums = np.add.reduceat(product, starts)
            moments.products[i, j, which] = moments.products[j, i, which] = sums
    moments.n_rows[which], moments.weight[which] = n_rows, total


def masked_cross_moments(
    common: Float64Array, targets: Float64Array, weights: Float64Array | None = None
) -> CrossMoments:
    """Cross-moments of common regressors (K, T) with each of the targets (S, T), NaN left out.

    ``weights`` (T,) are positive and common too.
    """
    n_regressors, n_series = len(common), len(targets)
    moments = _empty(n_series, n_regressors + 1)
    # Without any rows there is nothing to centre.
    center = common.mean(axis=1) if common.size else np.zeros(n_regressors)
    shifted = common - center[:, None]
    if shifted.size * (n_regressors + 1) > 2 * _MOST_TERMS and not np.isfinite(targets).all():
        with np.errstate(invalid="ignore", over="ignore"):
            _fill_by_series(moments, shifted, targets, weights)
        return _about_center(moments, shifted, targets, weights, center)
    left, right = np.array(list(combinations_with_replacement(range(n_regressors), 2))).T
    # Their sums over the observed part of a target are its moments: rows, sums, products.
    one = np.ones((1, common.shape[1]))
    terms = np.concatenate([one, shifted, shifted[left] * shifted[right]])
    if weights is not None:
        terms = np.concatenate([terms * weights, one])
    sums, cross, squares = masked_sums(targets, terms, n_regressors + 1, weights)
    moments.weight[:] = sums[0]
    moments.n_rows[:] = np.rint(sums[0 if weights is None else -1])
    moments.mean[:-1], moments.mean[-1] = sums[1 : n_regressors + 1], cross[0]
    products = sums[n_regressors + 1 :][: len(left)]
    moments.products[left, right] = moments.products[right, left] = products
    moments.products[:-1, -1] = moments.products[-1, :-1] = cross[1:]
    moments.products[-1, -1] = squares
    alike = sums.shape[1] == 1
    return _about_center(moments, shifted, targets, weights, center, alike=alike)


def _about_center(
    moments: CrossMoments,
    shifted: Float64Array,
    targets: Float64Array,
    weights: Float64Array | None,
    center: Float64Array,
    *,
    alike: bool = False,
) -> CrossMoments:
    """Moments from raw sums of regressors that were shifted by a center."""
    recentred = _center(moments)
    for s in recentred:
        _recentre(moments, int(s), *complete_rows(shifted, targets[s], weights))
    moments.mean[:-1] += center[:, None]
    return replace(moments, alike=alike and not recentred.size)

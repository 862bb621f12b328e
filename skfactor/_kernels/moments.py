"""Count, mean and sum of squared deviations of every column in every segment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skfactor._kernels.rounding import ROUNDING_UNITS, TWO_DIGITS_LOST
from skfactor._kernels.segments import (
    Segments,
    map_segments,
    reduce_segments,
    spread,
)
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray

# Segments are worked on one by one if they hold this many values, else many in one call.
_WORTH_A_CALL = 30_000


@dataclass(frozen=True)
class Moments:
    """Moments of the finite values, each (n_segments, n_columns); ``mean`` is NaN where none is."""

    count: Float64Array
    mean: Float64Array
    sum_squares: Float64Array  # about the mean


def segment_moments(values: FloatArray, segments: Segments) -> Moments:
    """Moments of values (n_columns, n_rows) by segment, NaN left out, accumulated in float64."""
    shape = (len(segments), len(values))
    moments = Moments(np.empty(shape), np.empty(shape), np.empty(shape))

    def fill(block: FloatArray, offsets: IntArray, columns: slice, which: slice) -> None:
        if block.size >= _WORTH_A_CALL * (len(offsets) - 1):
            parts = _moments_one_by_one(block, offsets)
        else:
            parts = _moments_together(block, offsets)
        moments.count[which, columns] = parts.count
        moments.mean[which, columns] = parts.mean
        moments.sum_squares[which, columns] = parts.sum_squares

    with np.errstate(invalid="ignore", divide="ignore"):
        reduce_segments(fill, values, segments)
    return moments


def segment_counts(values: FloatArray, segments: Segments) -> Float64Array:
    """Number of values (n_segments, n_columns) that are not NaN."""
    counts = np.empty((len(segments), len(values)))

    def fill(block: FloatArray, offsets: IntArray, columns: slice, which: slice) -> None:
        for k, column in zip(range(*columns.indices(len(values))), block, strict=True):
            missing = np.isnan(column).astype(np.float64)
            counts[which, k] = np.diff(offsets) - np.add.reduceat(missing, offsets[:-1])

    reduce_segments(fill, values, segments)
    return counts


def _moments_one_by_one(block: FloatArray, offsets: IntArray) -> Moments:
    n_columns, longest = len(block), int(np.diff(offsets).max())
    scratch, ones = np.empty((n_columns, longest)), np.ones(longest)
    shape = (len(offsets) - 1, n_columns)
    count, mean, sum_squares = np.empty(shape), np.empty(shape), np.empty(shape)
    for s, (start, stop) in enumerate(pairwise(offsets)):
        n = stop - start
        x = scratch[:, :n]
        x[...] = block[:, start:stop]
        shift = _first_finite(x)
        x -= shift[:, None]
        # A product with ones is the fastest sum there is, and NaN or not shows in it.
        total = x @ ones[:n]
        missing = None
        counts = np.full(n_columns, float(n))
        if not np.isfinite(total).all():
            missing = np.isnan(x)
            counts -= np.count_nonzero(missing, axis=1)
            np.copyto(x, 0.0, where=missing)
            total = x @ ones[:n]
        raw = np.einsum("ij,ij->i", x, x)
        average = total / counts
        squares = raw - total * average
        for k in np.flatnonzero(squares < TWO_DIGITS_LOST * raw):
            deviation = x[k] - average[k]
            if missing is not None:
                deviation[missing[k]] = 0.0
            squares[k] = deviation @ deviation
        count[s], mean[s], sum_squares[s] = counts, shift + average, squares
    return Moments(count, mean, sum_squares)


def _first_finite(x: Float64Array) -> Float64Array:
    """A finite value of each column (0 where there is none), near which sums do not cancel."""
    first = x[:, 0].copy()
    for k in np.flatnonzero(np.isnan(first)):
        finite = np.flatnonzero(np.isfinite(x[k]))
        first[k] = x[k, finite[0]] if finite.size else 0.0
    return first


def _moments_together(block: FloatArray, offsets: IntArray) -> Moments:
    starts, lengths = offsets[:-1], np.diff(offsets)
    shape = (len(starts), len(block))
    count, mean, sum_squares = np.empty(shape), np.empty(shape), np.empty(shape)
    for k, column in enumerate(block):
        x = column.astype(np.float64)
        total = np.add.reduceat(x, starts)
        counts: Float64Array = lengths.astype(np.float64)
        missing = None
        if not np.isfinite(total).all():
            missing = np.isnan(x)
            counts = counts - np.add.reduceat(missing.astype(np.float64), starts)
            x[missing] = 0.0
            total = np.add.reduceat(x, starts)
        average = total / counts
        x -= np.repeat(average, lengths)
        x *= x
        if missing is not None:
            x[missing] = 0.0
        count[:, k], mean[:, k] = counts, average
        sum_squares[:, k] = np.add.reduceat(x, starts)
    return Moments(count, mean, sum_squares)


def standard_deviation(moments: Moments, ddof: int, resolution: float) -> Float64Array:
    """Standard deviation with divisor n - ddof; exactly 0 where all that varies is rounding.

    ``resolution`` is the machine epsilon of the values. NaN where a column has no value.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        divisor = np.where(moments.count > ddof, moments.count - ddof, np.nan)
        rounding = ROUNDING_UNITS * resolution * np.abs(moments.mean)
        # The average squared deviation, whatever ddof: it exists for a single value too.
        constant = moments.sum_squares <= moments.count * rounding**2
        deviation = np.where(constant, 0.0, np.sqrt(moments.sum_squares / divisor))
        return np.where(np.isnan(moments.mean), np.nan, deviation)


def vary_between_segments_only(values: FloatArray, segments: Segments) -> BoolArray:
    """Columns (n_columns,) that are constant within each segment, and not over all of them.

    Judged by the segments with two values or more, of which there have to be two.
    """
    resolution = float(np.finfo(values.dtype).eps)
    found: BoolArray = np.zeros(len(values), dtype=bool)
    several = np.flatnonzero(segments.lengths >= 2)
    if len(several) < 2:
        return found
    # A few segments clear almost every column; only the others are looked at in all.
    runs = [segments.slices[s] for s in several[:50]]
    rows = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    rows = rows if segments.order is None else segments.order[rows]
    few = Segments(np.cumsum([0, *(run.stop - run.start for run in runs)]))
    suspects = _constant_within(segment_moments(values[:, rows], few), resolution)
    for k in np.flatnonzero(suspects):
        moments = segment_moments(values[k : k + 1], segments)
        if _constant_within(moments, resolution)[0]:
            means = moments.mean[moments.count >= 2.0]
            rounding = ROUNDING_UNITS * resolution * np.abs(means).max(initial=0.0)
            found[k] = len(means) > 1 and bool(np.ptp(means) > rounding)
    return found


def _constant_within(moments: Moments, resolution: float) -> BoolArray:
    """Columns (n_columns,) without spread wherever a segment has several values of them."""
    varies = (moments.count >= 2.0) & (standard_deviation(moments, 0, resolution) > 0.0)
    return np.asarray(~varies.any(axis=0))


def weighted_mean(values: FloatArray, segments: Segments, weights: Float64Array) -> Float64Array:
    """Weighted mean of the finite values (n_segments, n_columns); NaN where they have no weight."""
    mean = np.empty((len(segments), len(values)))
    ordered_weights = segments.take(weights)

    def fill(block: FloatArray, offsets: IntArray, columns: slice, which: slice) -> None:
        start = segments.offsets[which.start]
        weight = ordered_weights[start : start + offsets[-1]]
        finite = np.isfinite(block)
        total = np.add.reduceat(finite * weight, offsets[:-1], axis=1)
        weighted = np.add.reduceat(np.where(finite, block, 0.0) * weight, offsets[:-1], axis=1)
        mean[which, columns] = (weighted / total).T

    with np.errstate(invalid="ignore", divide="ignore"):
        reduce_segments(fill, values, segments)
    return mean


def rescale_segments(
    values: FloatArray,
    segments: Segments,
    center: Float64Array,
    factor: Float64Array,
    limits: Float64Array | None,
    out: FloatArray,
) -> None:
    """Write (value - center) * factor to ``out``, NaN kept in place.

    ``values`` and ``out`` are (n_columns, n_rows), ``center`` and ``factor`` (n_segments,
    n_columns). ``limits`` (n_columns,) clips the result to +-limit.
    """

    def write(
        block: FloatArray, offsets: IntArray, columns: slice, which: slice, target: FloatArray
    ) -> None:
        if len(offsets) > 2 and block.size >= _WORTH_A_CALL * (len(offsets) - 1):
            for s, (start, stop) in enumerate(pairwise(offsets)):
                one = slice(which.start + s, which.start + s + 1)
                write(
                    block[:, start:stop],
                    np.array([0, stop - start]),
                    columns,
                    one,
                    target[:, start:stop],
                )
            return
        # In the target itself where it has the precision, else in float64 beside it.
        scaled = target if target.dtype == np.float64 else np.empty(target.shape)
        np.subtract(block, spread(center[which, columns], offsets), out=scaled)
        scaled *= spread(factor[which, columns], offsets)
        if limits is not None:
            bound = limits[columns, None]
            np.clip(scaled, -bound, bound, out=scaled)
        if scaled is not target:
            target[...] = scaled

    map_segments(write, values, segments, out)

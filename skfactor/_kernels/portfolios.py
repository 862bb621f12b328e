"""Portfolios: labels from breakpoints, weighted means of labelled rows, weights that drift."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from skfactor._kernels.segments import Segments, are_long, map_segments, spread
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray

# Values handled at once: this many stay in cache.
_BLOCK = 2**15


def assign_labels(
    values: FloatArray,
    segments: Segments,
    breakpoints: Float64Array,
    out: FloatArray,
    *,
    closed: str = "right",
) -> None:
    """Write the label 1, ..., m + 1 of each value (n_rows,) by breakpoints (n_segments, m).

    The label is one more than the breakpoints below the value; with ``closed="left"`` those equal
    to it count too. NaN where the value or one of the segment's breakpoints is.
    """
    beyond = np.greater if closed == "right" else np.greater_equal
    counter = np.uint8 if breakpoints.shape[1] < 255 else np.int32

    def count(block: FloatArray, bounds: FloatArray, target: FloatArray) -> None:
        """Labels of a block (1, n) by bounds (m, n) or (m, 1)."""
        passed = np.zeros(block.shape, dtype=counter)
        for bound in bounds:
            passed += beyond(block, bound)
        missing = np.isnan(block)  # the target may be the block's own memory
        np.add(passed, 1.0, out=target, casting="unsafe")
        target[missing] = np.nan

    def write(
        block: FloatArray, offsets: IntArray, columns: slice, which: slice, target: FloatArray
    ) -> None:
        del columns  # there is one
        bounds = breakpoints[which]
        if are_long(offsets):
            for bound, (start, stop) in zip(bounds, pairwise(offsets), strict=True):
                rows = slice(start, stop)
                count(block[:, rows], bound[:, None], target[:, rows])
        else:
            count(block, spread(bounds, offsets), target)
        undefined = np.isnan(bounds).any(axis=1)
        if undefined.any():
            target[:, np.repeat(undefined, np.diff(offsets))] = np.nan

    map_segments(write, values[None], segments, out[None])


def cell_means(
    values: Float64Array,
    rows: IntArray,
    columns: IntArray,
    shape: tuple[int, int],
    weights: Float64Array | None = None,
) -> tuple[Float64Array, BoolArray]:
    """Weighted means of values (n,) in the cells of a table, and where weights sum to zero.

    A value with a negative column, or without a value or weight, is left out. A cell without any,
    or whose weights sum to zero, has the mean NaN.
    """
    n_rows, n_columns = shape
    n_cells = n_rows * n_columns
    present = np.zeros(n_cells, dtype=np.int64)
    total, summed = np.zeros(n_cells), np.zeros(n_cells)
    # Blocks that stay in cache, but not shorter than what is added up over the table for each.
    step = max(_BLOCK, n_cells)
    for start in range(0, len(values), step):
        block = slice(start, start + step)
        r, column = values[block], columns[block]
        cell = rows[block] * np.int64(n_columns) + column
        w = None if weights is None else weights[block]
        kept = (column >= 0) & np.isfinite(r)
        if not kept.all():
            r, cell, w = r[kept], cell[kept], None if w is None else w[kept]
        present += np.bincount(cell, minlength=n_cells)
        if w is None:
            summed += np.bincount(cell, r, minlength=n_cells)
            continue
        w = np.where(np.isnan(w), 0.0, w)
        total += np.bincount(cell, w, minlength=n_cells)
        summed += np.bincount(cell, w * r, minlength=n_cells)
    if weights is None:
        total[:] = present
    weightless = (present > 0) & (total == 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = summed / total
    means[total == 0.0] = np.nan
    return means.reshape(shape), weightless.reshape(shape)


def drifted_weights(
    weights: Float64Array,
    returns: Float64Array,
    segments: Segments,
    assets: IntArray,
    reset: BoolArray,
) -> Float64Array:
    """Weights (n_rows,) that are those given on the dates of a reset and grow with returns after.

    Segments are the dates, ascending; ``assets`` (n_rows,) says whose row it is, ``reset``
    (n_dates,) when the given weights count. An asset without a return, or without a row, has no
    weight from then on until the next reset; before the first reset no asset has one.
    """
    held = np.full(int(assets.max()) + 1, np.nan)
    out = np.empty(len(weights))
    for date, (start, stop) in enumerate(pairwise(segments.offsets)):
        rows = slice(start, stop) if segments.order is None else segments.order[start:stop]
        who = assets[rows]
        now = weights[rows] if reset[date] else held[who]
        out[rows] = now
        held.fill(np.nan)
        held[who] = now * (1.0 + returns[rows])
    return out

"""Sums over trailing windows of many series, by the blocks of van Herk (1992) and Gil and Werman.

Time is cut into blocks as long as the window. A window is then a suffix of one block and a prefix
of the next, so that one addition per date gives all its sums, whatever its length. Nothing is ever
subtracted: differences of prefix sums keep the rounding of whatever was in the sum before.

References
----------
.. [1] van Herk, M. (1992), "A Fast Algorithm for Local Minimum and Maximum Filters on Rectangular
   and Octagonal Kernels", Pattern Recognition Letters 13(7), 517-521.
   https://doi.org/10.1016/0167-8655(92)90069-C
.. [2] Gil, J. and M. Werman (1993), "Computing 2-D Min, Median, and Max Filters", IEEE
   Transactions on Pattern Analysis and Machine Intelligence 15(5), 504-507.
   https://doi.org/10.1109/34.211471
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skfactor._typing import BoolArray, Float64Array, IntArray

# Series worked on together, and windows solved together: their sums stay in cache.
_SERIES = 128
_WINDOWS = 8192
# Sums of one block of dates that are held at one time, for as many series.
_MOST_SUMS = 2**26


@dataclass(frozen=True)
class Window:
    """Which dates a window holds, and how it weighs them."""

    length: int  # dates; as long as the sample for windows that expand
    min_rows: int  # observations without which a window has no estimate
    ages: Float64Array | None = None  # (T,) ascending; a step of one halves the weight
    only_observed: bool = False  # windows end only where the series is observed


@dataclass(frozen=True)
class WindowSums:
    """Weighted sums over the windows of some series that end on some dates.

    With D = [1, f - center] (or f without a constant) and z = y - level: the products of D in the
    order (0, 0), (1, 0), (1, 1), (2, 0), ..., then those of D with z, then, if asked for, the
    squares of z and the weights.
    """

    dates: slice
    series: slice
    wanted: BoolArray  # (dates, series) windows with enough observations; the sums are of these
    sums: Float64Array  # (n_sums, n_wanted)
    n_rows: IntArray  # (n_wanted,)
    center: Float64Array  # (K,)
    level: Float64Array  # (n_wanted,)


@dataclass(frozen=True)
class _Block:
    """The factors of one block and the one before, about a center of their own.

    Around a bad tick the center, a median, stays where the other values are.
    """

    past: slice  # dates of the block before
    dates: slice
    center: Float64Array  # (K,)
    pairs: Float64Array  # (past + dates, n_pairs) products of D with itself, weighted
    design: Float64Array  # (past + dates, n_design) D, weighted
    weights: Float64Array | None  # (past + dates,) of the past dates at its end, else 1
    decay: Float64Array | None  # (dates,) weight of the date before relative to each date
    fade: Float64Array | None  # (dates,) weight of the past block's end relative to each date


def known_dates(factors: Float64Array) -> BoolArray:
    """Dates on which no factor is missing (T,)."""
    known: BoolArray = np.logical_and.reduce(np.isfinite(factors), axis=0)
    return known


def count_rows(
    factors: Float64Array, returns: Float64Array, window: Window
) -> tuple[BoolArray, IntArray, BoolArray]:
    """What is observed (T, N), the observations of each window, and which windows have enough."""
    observed = np.isfinite(returns) & known_dates(factors)[:, None]
    n_rows = np.cumsum(observed, axis=0, dtype=np.int32)
    n_rows[window.length :] -= n_rows[: -window.length].copy()
    wanted = n_rows >= window.min_rows
    if window.only_observed:
        wanted &= observed
    return observed, n_rows, wanted


def _blocks(factors: Float64Array, window: Window, with_constant: bool) -> list[_Block]:
    known = known_dates(factors)
    n_dates = factors.shape[1]
    found = []
    for start in range(0, n_dates, window.length):
        past = slice(max(start - window.length, 0), start)
        dates = slice(start, min(start + window.length, n_dates))
        x, usable = factors[:, past.start : dates.stop], known[past.start : dates.stop]
        center = np.zeros(len(x))
        if with_constant and usable.any():
            center = np.median(x[:, usable], axis=1)
        design = np.where(usable, x - center[:, None], 0.0)
        if with_constant:
            design = np.vstack([np.ones(design.shape[1]), design])
        pairs = np.array([design[i] * design[j] for i in range(len(design)) for j in range(i + 1)])
        weights = decay = fade = None
        if window.ages is not None:
            ages, before = window.ages[dates], window.ages[max(start - 1, 0)]
            weights = np.ones(design.shape[1])
            weights[: start - past.start] = np.exp2(window.ages[past] - before)
            pairs, design = pairs * weights, design * weights
            decay = np.exp2(np.concatenate([[before], ages[:-1]]) - ages)
            fade = np.exp2(before - ages)
        found.append(_Block(past, dates, center, pairs.T, design.T, weights, decay, fade))
    return found


def window_sums(
    factors: Float64Array,
    returns: Float64Array,
    window: Window,
    *,
    with_constant: bool,
    squares: bool = False,
) -> Iterator[WindowSums]:
    """Sums over the windows of common factors (K, T) and returns (T, N), NaN left out.

    ``squares`` asks for the sums of squared returns too, about a level near each window, and of
    the weights.
    """
    blocks = _blocks(factors, window, with_constant)
    n_sums = (len(factors) + 1) * (len(factors) + 4) // 2
    step = min(_SERIES, max(1, _MOST_SUMS // (n_sums * window.length)))
    for start in range(0, returns.shape[1], step):
        series = slice(start, min(start + step, returns.shape[1]))
        y = np.array(returns[:, series], order="C")
        observed, n_rows, wanted = count_rows(factors, y, window)
        y[~observed] = np.nan
        for block in blocks:
            if wanted[block.dates].any():
                yield from _sums_of_block(
                    block, series, y, wanted, n_rows, with_constant and squares, squares
                )


def _sums_of_block(
    block: _Block,
    series: slice,
    y: Float64Array,
    wanted: BoolArray,
    n_rows: IntArray,
    about_level: bool,
    squares: bool,
) -> Iterator[WindowSums]:
    here = slice(block.past.start, block.dates.stop)
    level = _lower_median(y[here]) if about_level else np.zeros(y.shape[1])
    z = y[here] - level
    observed = np.isfinite(z)
    mask = observed.astype(np.float64)
    z[~observed] = 0.0
    n_past, length = block.dates.start - here.start, len(mask)
    # What a window takes from the block before; nothing if that holds nothing.
    past = slice(0, n_past if observed[:n_past].any() else 0)
    suffix = _products(block, z, mask, past, squares)
    for s in reversed(range(past.stop - 1)):
        suffix[s] += suffix[s + 1]
    step = max(_WINDOWS // y.shape[1], 1)
    before = None
    for first in range(n_past, length, step):
        rows = slice(first, min(first + step, length))
        dates = slice(here.start + rows.start, here.start + rows.stop)
        start, prefix = rows.start - n_past, _products(block, z, mask, rows, squares)
        if before is not None:
            _add(prefix[0], before, block.decay, start)
        for s in range(1, len(prefix)):
            _add(prefix[s], prefix[s - 1], block.decay, start + s)
        before = prefix[-1].copy()
        chosen = wanted[dates]
        if not chosen.any():
            continue
        # The window that ends on date s of this block starts on date s + 1 of the one before.
        left = suffix[start + 1 : start + 1 + len(prefix)]
        if len(left) and block.fade is not None:
            left = left * block.fade[start : start + len(left), None, None]
        sums = np.empty((prefix.shape[1], len(prefix), prefix.shape[2]))
        np.add(prefix[: len(left)].swapaxes(0, 1), left.swapaxes(0, 1), out=sums[:, : len(left)])
        sums[:, len(left) :] = prefix[len(left) :].swapaxes(0, 1)
        flat = sums.reshape(len(sums), -1)
        if not chosen.all():
            flat = flat.take(np.flatnonzero(chosen), axis=1)
        levels = np.broadcast_to(level, chosen.shape)[chosen]
        yield WindowSums(dates, series, chosen, flat, n_rows[dates][chosen], block.center, levels)


def _products(
    block: _Block, z: Float64Array, mask: Float64Array, rows: slice, squares: bool
) -> Float64Array:
    """What each date adds to the sums (dates, n_sums, series)."""
    n_pairs = block.pairs.shape[1]
    n_known = n_pairs + block.design.shape[1]
    products = np.empty((rows.stop - rows.start, n_known + 2 * squares, z.shape[1]))
    np.multiply(block.pairs[rows, :, None], mask[rows, None], out=products[:, :n_pairs])
    np.multiply(block.design[rows, :, None], z[rows, None], out=products[:, n_pairs:n_known])
    if squares:
        np.multiply(z[rows], z[rows], out=products[:, -2])
        products[:, -1] = mask[rows]
        if block.weights is not None:
            products[:, -2:] *= block.weights[rows, None, None]
    return products


def _add(sums: Float64Array, before: Float64Array, decay: Float64Array | None, date: int) -> None:
    sums += before if decay is None else before * decay[date]


def _lower_median(values: Float64Array) -> Float64Array:
    """A value in the middle of each column (n_columns,), NaN left out; 0 for empty ones."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    middle = ordered[np.maximum(count - 1, 0) // 2, np.arange(values.shape[1])]
    return np.where(count > 0, middle, 0.0)

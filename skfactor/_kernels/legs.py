"""The two legs of every cross-section: weights of the assets at its top and at its bottom."""

from __future__ import annotations

import numpy as np

from skfactor._kernels.lines import lines_of_segments
from skfactor._kernels.orders import sort_lines
from skfactor._kernels.segments import chunks
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray


def leg_weights(
    values: FloatArray, offsets: IntArray, n_places: IntArray, proportional: bool
) -> Float64Array:
    """Weights (n,) that sum to 1 over the highest values of each run and to -1 over the lowest.

    A leg has ``n_places`` (S,), at most half of the run; 0 is none. Values tied for the last
    places have equal shares in them, and ties that reach into both legs cancel. With
    ``proportional`` an asset weighs in its leg by its distance from the median. All weights of a
    run are 0 where a leg is left without any. NaN counts in nothing.
    """
    weights = np.empty(len(values))
    for chunk in chunks(offsets, 1):
        bounds = offsets[chunk.start : chunk.stop + 1]
        rows = slice(bounds[0], bounds[-1])
        for lines in lines_of_segments(bounds - bounds[0]):
            table = lines.read(values[None, rows])[:, 0]
            _weigh_lines(table, n_places[chunk][lines.which], proportional)
            lines.write(table[:, None], weights[None, rows])
    return weights


def _weigh_lines(lines: FloatArray, n_places: IntArray, proportional: bool) -> None:
    """Replace the values of each of the lines (n_lines, n) by their weights."""
    missing = np.isnan(lines)
    held = ~missing if missing.any() else None
    lines[missing] = np.inf
    count = lines.shape[1] - np.count_nonzero(missing, axis=1)
    place, ordered = sort_lines(lines, held)
    shares = _shares_of_places(ordered, count, n_places)
    if proportional:
        # The median of the highest half: those halfway have no weight, none has the wrong sign.
        shares *= _distances(ordered, count)
    long, short = np.maximum(shares, 0.0), np.maximum(-shares, 0.0)
    total_long, total_short = long.sum(axis=1), short.sum(axis=1)
    both = (total_long > 0.0) & (total_short > 0.0)
    long /= np.where(both, total_long, np.inf)[:, None]
    short /= np.where(both, total_short, np.inf)[:, None]
    lines.reshape(-1)[place] = (long - short).reshape(-1)


def _shares_of_places(ordered: FloatArray, count: IntArray, n_places: IntArray) -> Float64Array:
    """Share of each of the ascending values in the highest places less that in the lowest ones."""
    n = ordered.shape[1]
    # Values before each and those that it is tied with.
    below: Float64Array = np.arange(n, dtype=np.float64)[None]
    size: Float64Array = np.ones((1, 1))
    first = np.ones(ordered.shape, dtype=bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=first[:, 1:])
    if not first.all():
        starts = np.flatnonzero(first)
        lengths = np.diff(starts, append=ordered.size)
        below = np.repeat((starts % n).astype(np.float64), lengths).reshape(ordered.shape)
        size = np.repeat(lengths.astype(np.float64), lengths).reshape(ordered.shape)
    places, above = n_places[:, None], count[:, None] - below - size
    high = np.clip((places - above) / size, 0.0, 1.0)
    shares: Float64Array = high - np.clip((places - below) / size, 0.0, 1.0)
    shares[~_held(n, count)] = 0.0
    return shares


def _distances(ordered: FloatArray, count: IntArray) -> Float64Array:
    """Distances of the ascending values from the median of their line, 0 beyond ``count``."""
    each = np.arange(len(ordered))
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, ordered.shape[1] - 1)
    known = np.where(_held(ordered.shape[1], count), ordered, 0.0)
    median = known[each, low] / 2.0 + known[each, high] / 2.0
    distances: Float64Array = np.abs(known - median[:, None])
    return distances


def _held(n: int, count: IntArray) -> BoolArray:
    held: BoolArray = np.arange(n) < count[:, None]
    return held

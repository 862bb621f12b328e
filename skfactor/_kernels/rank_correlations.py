"""Spearman's correlation of two variables in every segment.

Only the order of values counts, so a sort by a coarse key goes first: values are squeezed into
65,536 buckets, for which NumPy has a radix sort, and the few neighbours left out of order are
swapped. That takes half the time of sorting the values themselves.
"""

from __future__ import annotations

import numpy as np

from skfactor._kernels.correlations import each_tile, held_values, row_products
from skfactor._typing import BoolArray, Float64Array, IntArray

_BUCKETS = 2**16
# In shorter lines sorting the values themselves is faster.
_SHORT_LINE = 100
# Neighbours in a bucket are in order after a few swaps, unless the buckets suit the values badly.
_MOST_SWAPS = 12


def segment_rank_correlations(x: Float64Array, y: Float64Array, offsets: IntArray) -> Float64Array:
    """Correlation (S,) of the average ranks of complete x (n,) and y (n,) whose rows lie in runs.

    NaN where one of them is constant.
    """
    correlations = np.empty(len(offsets) - 1)

    def fill(a: Float64Array, b: Float64Array, lengths: IntArray, which: IntArray) -> None:
        correlations[which] = _correlate_ranks(a, b, lengths)

    each_tile(fill, x, y, offsets)
    return correlations


def _correlate_ranks(x: Float64Array, y: Float64Array, lengths: IntArray) -> Float64Array:
    """Rank correlations of lines (n_lines, n), of which the first ``lengths`` values count."""
    held = held_values(x, lengths)
    place_x, ranks_x = _ranks_in_order(x, lengths, held)
    place_y, ranks_y = _ranks_in_order(y, lengths, held)
    ranks = np.empty(y.size)
    ranks[place_y] = ranks_y.reshape(-1)
    products = row_products(ranks_x, ranks.take(place_x).reshape(x.shape))
    squares_x, squares_y = row_products(ranks_x, ranks_x), row_products(ranks_y, ranks_y)
    varies = (squares_x > 0.0) & (squares_y > 0.0)
    root = np.sqrt(squares_x * squares_y, where=varies, out=np.full(len(x), np.nan))
    return np.clip(products / root, -1.0, 1.0)


def _ranks_in_order(
    lines: Float64Array, lengths: IntArray, held: BoolArray | None
) -> tuple[IntArray, Float64Array]:
    """Places of the values of all lines in ascending order, and their ranks about the mean rank.

    Places (n_lines * n,) count from the first line; ranks are (n_lines, n), zero beyond a line.
    """
    if held is not None:
        lines[~held] = np.inf
    place, ordered = _sorted_lines(lines, held)
    n = lines.shape[1]
    ranks = np.arange(1.0, n + 1.0) - (lengths[:, None] + 1) / 2.0
    equal = ordered[:, 1:] == ordered[:, :-1]
    if held is not None:
        ranks[~held] = 0.0
        equal &= held[:, 1:]
    tied = np.flatnonzero(equal.any(axis=1))
    if tied.size:
        first = np.ones((len(tied), n), dtype=bool)
        np.logical_not(equal[tied], out=first[:, 1:])
        starts = np.flatnonzero(first)
        sizes = np.diff(starts, append=first.size)
        # The average of the ranks of a tie is that of its first and its last.
        flat = ranks[tied].reshape(-1)
        averages = (flat[starts] + flat[starts + sizes - 1]) / 2.0
        ranks[tied] = np.repeat(averages, sizes).reshape(first.shape)
    return place, ranks


def _sorted_lines(lines: Float64Array, held: BoolArray | None) -> tuple[IntArray, Float64Array]:
    """Places (n_lines * n,) of the values in order, line by line, and the values (n_lines, n)."""
    n_lines, n = lines.shape
    if n < _SHORT_LINE:
        table = lines.argsort(axis=1)
    else:
        table = _buckets(lines, held).argsort(axis=1, kind="stable")  # by radix
    table += (np.arange(n_lines) * n)[:, None]
    place = table.reshape(-1)
    ordered = lines.reshape(-1).take(place)
    falls = np.zeros((n_lines, n), dtype=bool)
    for _ in range(_MOST_SWAPS):
        np.less(ordered[1:], ordered[:-1], out=falls.reshape(-1)[:-1])
        falls[:, -1] = False  # the next value is that of another line
        left = np.flatnonzero(falls)
        if not left.size:
            return place, ordered.reshape(n_lines, n)
        left = left[np.diff(left, prepend=-2) > 1]  # pairs that do not overlap
        for values in (place, ordered):
            values[left], values[left + 1] = values[left + 1], values[left]
    wrong = np.flatnonzero(falls.any(axis=1))
    order = lines[wrong].argsort(axis=1)
    table[wrong] = order + (wrong * n)[:, None]
    ordered = ordered.reshape(n_lines, n)
    ordered[wrong] = np.take_along_axis(lines[wrong], order, axis=1)
    return place, ordered


def _buckets(lines: Float64Array, held: BoolArray | None) -> IntArray:
    """Buckets (n_lines, n) that ascend with the values, narrow where values are dense."""
    known = lines if held is None else np.where(held, lines, 0.0)
    n = lines.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):
        share = known - known.sum(axis=1, keepdims=True) / n
        # z / (1 + |z|) in units of the mean deviation: between -1 and 1 however heavy the tails.
        size = np.abs(share)
        size += size.sum(axis=1, keepdims=True) / n
        share /= size
        share *= _BUCKETS // 2 - 1
        share += _BUCKETS // 2
        buckets: IntArray = share.astype(np.uint16)
    if held is not None:
        buckets[~held] = _BUCKETS - 1
    return buckets

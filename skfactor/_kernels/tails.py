"""Order statistics near both ends of long segments, by selection.

A sorted sample of a column gives thresholds that the ranks in question almost surely lie beyond;
only the values beyond them are sorted (Floyd and Rivest, 1975, doi:10.1145/360680.360691).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from skfactor._typing import FloatArray, IntArray

# Shorter segments are sorted whole, and so are columns where more than this share of a segment
# lies beyond the thresholds, or where the ranks are further than the second from either end.
_LONG_SEGMENT, _MOST_KEPT, _TAIL = 1_000, 0.4, 0.12
# Values drawn of each column of a segment: this many, but not more than every fifth.
_SAMPLE, _STEP = 800, 5


def tail_statistics(
    block: FloatArray, offsets: IntArray, count: IntArray, ranks: IntArray
) -> FloatArray | None:
    """Order statistics (R, S, C) of the given ranks (R, S, C), or None if sorting is better.

    ``block`` (C, n) holds the S segments and ``count`` (S, C) says how many of their values are
    not NaN. Ranks count from 0 for the smallest.
    """
    low = ranks < count // 2
    from_end = count - 1 - ranks
    deepest_low = np.where(low, ranks, 0).max(axis=0)
    deepest_high = np.where(low, 0, from_end).max(axis=0)
    deep = np.maximum(deepest_low, deepest_high) > _TAIL * count
    if deep.any() or np.diff(offsets).min() < _LONG_SEGMENT:
        return None
    thresholds = _thresholds(block, offsets, count, deepest_low, deepest_high)
    candidates, kept = _beyond(block, offsets, *thresholds)
    place = np.clip(np.where(low, ranks, kept - 1 - from_end), 0, np.maximum(kept - 1, 0))
    n_segments, n_columns = count.shape
    lines = np.arange(n_segments)[:, None] + n_segments * np.arange(n_columns)
    picked: FloatArray = candidates[lines, place]
    # The result itself shows whether the thresholds were right.
    right = np.where(
        low,
        (ranks < kept) & (picked <= thresholds[0]),
        (from_end < kept) & (picked >= thresholds[1]),
    ).all(axis=0)
    if np.count_nonzero(right) < right.size // 2:
        return None
    for s, k in np.argwhere(~right):
        whole = np.sort(block[k, offsets[s] : offsets[s + 1]])
        picked[:, s, k] = whole[ranks[:, s, k]]
    return picked


def _thresholds(
    block: FloatArray,
    offsets: IntArray,
    count: IntArray,
    deepest_low: IntArray,
    deepest_high: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Values (S, C) that the given ranks from either end are beyond, most probably."""
    n_segments, n_columns = count.shape
    n_drawn = min(_SAMPLE, int(np.diff(offsets).min()) // _STEP)
    # Single precision, about a value of the column, is enough and sorts twice as fast.
    sample = np.empty((n_segments, n_columns, n_drawn), dtype=np.float32)
    about = block[:, offsets[:-1]].T
    about = np.where(np.isnan(about), about.dtype.type(0.0), about)
    with np.errstate(over="ignore", invalid="ignore"):
        for s, (start, stop) in enumerate(pairwise(offsets)):
            step = (stop - start) // n_drawn
            drawn = block[:, start : start + step * n_drawn : step]
            np.subtract(drawn, about[s, :, None], out=sample[s], casting="same_kind")
    sample.sort(axis=2)  # NaN goes last
    known = n_drawn - np.count_nonzero(np.isnan(sample), axis=2)

    def value(deepest: IntArray, from_end: bool) -> FloatArray:
        expected = (deepest + 2) * (known / np.maximum(count, 1))
        margin = 3.0 * np.sqrt(expected) + 2.0
        depth = np.minimum((expected + margin).astype(np.intp), known - 1)
        place = np.maximum(known - 1 - depth if from_end else depth, 0)
        found: FloatArray = about + np.take_along_axis(sample, place[:, :, None], axis=2)[:, :, 0]
        return found

    return value(deepest_low, False), value(deepest_high, True)


def _beyond(
    block: FloatArray, offsets: IntArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Values beyond the thresholds in ascending lines (C * S, longest), and their numbers (S, C).

    A column of a segment with too many of them has none.
    """
    beyond = np.empty(block.shape, dtype=bool)
    above = np.empty(block.shape, dtype=bool)
    kept = np.empty(low.shape, dtype=np.intp)
    for s, (start, stop) in enumerate(pairwise(offsets)):
        rows = slice(start, stop)
        np.less_equal(block[:, rows], low[s, :, None], out=beyond[:, rows])
        np.greater_equal(block[:, rows], high[s, :, None], out=above[:, rows])
    beyond |= above
    for s, (start, stop) in enumerate(pairwise(offsets)):
        kept[s] = [np.count_nonzero(column[start:stop]) for column in beyond]
        for k in np.flatnonzero(kept[s] > _MOST_KEPT * (stop - start)):
            beyond[k, start:stop] = False
            kept[s, k] = 0
    lengths = kept.T.reshape(-1, 1)
    candidates = np.full((len(lengths), max(int(kept.max()), 1)), np.nan, dtype=block.dtype)
    candidates[np.arange(candidates.shape[1]) < lengths] = block[beyond]
    candidates.sort(axis=1)
    return candidates, kept

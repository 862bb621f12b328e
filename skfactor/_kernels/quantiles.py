"""Quantiles of every column in every segment, sorting no more of it than they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from skfactor._kernels.lines import lines_of_segments
from skfactor._kernels.segments import (
    Segments,
    are_long,
    map_segments,
    reduce_segments,
    spread,
)
from skfactor._kernels.threads import run_on_threads
from skfactor._typing import Float64Array, FloatArray, IntArray

Interpolation = Literal["linear", "order_statistic"]
Side = Literal["lower", "upper"]
Levels: TypeAlias = Sequence[tuple[float, Side]]

# 1 / Phi^-1(3/4): the median absolute deviation of normal values times this is their deviation.
MAD_TO_STD = 1.4826
# A level times a count is a whole number up to this share of the count: 10 * (1 - 0.9) is 1.
_LEVEL_ROUNDING = 1e-12
# The same where values are interpolated, which nothing but rounding may move off a value.
_PLACE_ROUNDING = 4 * np.finfo(np.float64).eps
# Lines from this length on are not sorted whole for ranks within this share of either end.
_LONG_LINE, _TAIL = 1_000, 0.12
# Values drawn of such a line to find out where its tails start.
_SAMPLE = 256


def _ranks(
    count: IntArray, level: float, side: Side, interpolation: Interpolation
) -> tuple[IntArray, Float64Array]:
    """Rank (from 0) among ``count`` sorted values that a quantile starts from, and the rest."""
    last = np.maximum(count - 1, 0)
    if interpolation == "linear":
        place = last * level
        nearest = np.rint(place)
        place = np.where(np.abs(place - nearest) <= _PLACE_ROUNDING * last, nearest, place)
        whole = place.astype(np.intp)
        return whole, place - whole
    tail = level if side == "lower" else 1.0 - level
    cut = np.minimum((count * (tail + _LEVEL_ROUNDING)).astype(np.intp), last)
    return (cut if side == "lower" else last - cut), np.zeros(len(count))


def _quantiles_of_lines(
    lines: FloatArray, count: IntArray, levels: Levels, interpolation: Interpolation
) -> list[Float64Array]:
    """Quantiles of the ``count`` finite values of each of the ``lines`` (n_lines, n).

    The lines are overwritten.
    """
    last = np.maximum(count - 1, 0)
    places = [_ranks(count, level, side, interpolation) for level, side in levels]
    ranks = np.array([r for whole, _ in places for r in (whole, np.minimum(whole + 1, last))])
    statistics = _tail_statistics(lines, count, ranks)
    if statistics is None:
        lines.sort(axis=1)  # NaN goes last
        statistics = np.take_along_axis(lines, ranks.T, axis=1).T
    quantiles = []
    for (_, fraction), below, above in zip(
        places, statistics[::2].astype(np.float64), statistics[1::2], strict=True
    ):
        # The two forms meet at 1/2 and each is exact at its own end, as in numpy.quantile.
        step = above - below
        value = np.where(fraction < 0.5, below + step * fraction, above - step * (1.0 - fraction))
        quantiles.append(np.where(count > 0, value, np.nan))
    return quantiles


def _tail_statistics(lines: FloatArray, count: IntArray, ranks: IntArray) -> FloatArray | None:
    """Order statistics of the given ranks (R, n_lines) where all lie in the tails, else None.

    A sorted sample of each line gives thresholds that the ranks in question almost surely lie
    beyond; only the values beyond them are sorted (Floyd and Rivest, 1975,
    doi:10.1145/360680.360691). None too if a threshold fails, which the result itself shows.
    """
    n_lines, n = lines.shape
    low = ranks < count // 2
    from_end = count - 1 - ranks
    deepest_low = np.where(low, ranks, 0).max(axis=0)
    deepest_high = np.where(low, 0, from_end).max(axis=0)
    if n < _LONG_LINE or max(deepest_low.max(), deepest_high.max()) > _TAIL * count.min():
        return None
    sample = np.sort(lines[:, :: n // _SAMPLE], axis=1)
    drawn = sample.shape[1] - np.count_nonzero(np.isnan(sample), axis=1)
    if not drawn.all():
        return None
    each = np.arange(n_lines)

    def beyond(deepest: IntArray) -> IntArray:
        expected = (deepest + 2) * (drawn / count)
        margin = 3.0 * np.sqrt(expected) + 2.0
        depth: IntArray = np.minimum((expected + margin).astype(np.intp), drawn - 1)
        return depth

    low_threshold = sample[each, beyond(deepest_low)]
    high_threshold = sample[each, drawn - 1 - beyond(deepest_high)]
    tails = lines <= low_threshold[:, None]
    tails |= lines >= high_threshold[:, None]
    places = np.flatnonzero(tails)
    kept = np.diff(np.searchsorted(places, np.arange(n_lines + 1) * n))
    candidates = np.full((n_lines, int(kept.max())), np.nan, dtype=lines.dtype)
    candidates[np.arange(candidates.shape[1]) < kept[:, None]] = lines.reshape(-1)[places]
    candidates.sort(axis=1)
    picked = candidates[each, np.clip(np.where(low, ranks, kept - 1 - from_end), 0, kept - 1)]
    confirmed = np.where(low, picked <= low_threshold, picked >= high_threshold)
    enough = np.where(low, ranks, from_end) < kept
    return picked if bool((confirmed & enough).all()) else None


def segment_quantiles(
    values: FloatArray,
    segments: Segments,
    levels: Levels,
    interpolation: Interpolation = "linear",
    deviations_from: Float64Array | None = None,
) -> list[Float64Array]:
    """Quantiles of values (n_columns, n_rows): one table (n_segments, n_columns) a level.

    NaN values are left out; a column without any gets NaN. ``deviations_from`` (n_segments,
    n_columns) asks for the quantiles of the absolute deviations from that table instead.
    ``"linear"`` is the default of ``numpy.quantile``; ``"order_statistic"`` takes the value that
    leaves ``floor(share * n)`` values beyond it, the ``side`` says on which side.
    """

    def of_lines(lines: FloatArray, count: IntArray) -> list[Float64Array]:
        return _quantiles_of_lines(lines, count, levels, interpolation)

    return _reduce_lines(of_lines, len(levels), values, segments, deviations_from)


def segment_order_statistics(
    values: FloatArray, segments: Segments, ranks: Sequence[int]
) -> list[Float64Array]:
    """Order statistics of values (n_columns, n_rows): one table (n_segments, n_columns) a rank.

    NaN values are left out. Ranks count from 0 for the smallest and back from -1 for the largest;
    a segment with too few values for a rank gets NaN.
    """

    def of_lines(lines: FloatArray, count: IntArray) -> list[Float64Array]:
        lines.sort(axis=1)  # NaN goes last
        places = [rank if rank >= 0 else count + rank for rank in ranks]
        each = np.arange(len(lines))
        return [
            np.where(
                (place >= 0) & (place < count),
                lines[each, np.clip(place, 0, np.maximum(count - 1, 0))].astype(np.float64),
                np.nan,
            )
            for place in places
        ]

    return _reduce_lines(of_lines, len(ranks), values, segments)


def _reduce_lines(
    of_lines: Callable[[FloatArray, IntArray], list[Float64Array]],
    n_tables: int,
    values: FloatArray,
    segments: Segments,
    deviations_from: Float64Array | None = None,
) -> list[Float64Array]:
    """Tables (n_segments, n_columns) of what a function makes of lines (n_lines, n) to sort."""
    tables = [np.empty((len(segments), len(values))) for _ in range(n_tables)]

    def fill(block: FloatArray, offsets: IntArray, columns: slice, which: slice) -> None:
        for lines in lines_of_segments(offsets):
            cube, chosen = lines.read(block), which.start + lines.which
            if deviations_from is not None:
                cube -= deviations_from[chosen, columns, None].astype(cube.dtype)
                np.abs(cube, out=cube)
            flat = cube.reshape(-1, lines.longest)
            for table, result in zip(tables, of_lines(flat, _count(flat)), strict=True):
                table[chosen, columns] = result.reshape(len(chosen), -1)

    if tables:
        with np.errstate(invalid="ignore"):
            reduce_segments(fill, values, segments, run_on_threads)
    return tables


def _count(lines: FloatArray) -> IntArray:
    """Number of values in each of the lines (n_lines, n) that are not NaN."""
    n, missing = lines.shape[1], np.isnan(lines)
    if not missing.any():
        return np.full(len(lines), n)
    count: IntArray = n - np.count_nonzero(missing, axis=1)
    return count


def segment_median(
    values: FloatArray, segments: Segments, deviations_from: Float64Array | None = None
) -> Float64Array:
    """Median (n_segments, n_columns), or median absolute deviation from a table."""
    return segment_quantiles(values, segments, [(0.5, "lower")], "linear", deviations_from)[0]


def clip_segments(
    values: FloatArray,
    segments: Segments,
    lower: Float64Array,
    upper: Float64Array,
    out: FloatArray,
) -> None:
    """Clip values (n_columns, n_rows) to bounds (n_segments, n_columns); NaN kept in place."""
    # Bounds in the values' own type, so that a value clipped again is not moved by rounding.
    lower, upper = lower.astype(values.dtype), upper.astype(values.dtype)

    def write(
        block: FloatArray, offsets: IntArray, columns: slice, which: slice, target: FloatArray
    ) -> None:
        low, high = lower[which, columns], upper[which, columns]
        if are_long(offsets):
            for s, (start, stop) in enumerate(pairwise(offsets)):
                rows = slice(start, stop)
                np.clip(block[:, rows], low[s, :, None], high[s, :, None], out=target[:, rows])
        else:
            np.clip(block, spread(low, offsets), spread(high, offsets), out=target)

    map_segments(write, values, segments, out)

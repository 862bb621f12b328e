"""Quantiles of every column in every segment, sorting no more of it than they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from skfactor._kernels.lines import lines_of_segments
from skfactor._kernels.rounding import LEVEL_ROUNDING, PLACE_ROUNDING
from skfactor._kernels.segments import (
    Segments,
    are_long,
    map_segments,
    reduce_segments,
    spread,
)
from skfactor._kernels.tails import tail_statistics
from skfactor._kernels.threads import run_on_threads
from skfactor._typing import Float64Array, FloatArray, IntArray

Interpolation = Literal["linear", "order_statistic"]
Side = Literal["lower", "upper"]
Levels: TypeAlias = Sequence[tuple[float, Side]]

# 1 / Phi^-1(3/4): the median absolute deviation of normal values times this is their deviation.
MAD_TO_STD = 1.4826


def _ranks(
    count: IntArray, level: float, side: Side, interpolation: Interpolation
) -> tuple[IntArray, Float64Array]:
    """Rank (from 0) among ``count`` sorted values that a quantile starts from, and the rest."""
    last = np.maximum(count - 1, 0)
    if interpolation == "linear":
        place = last * level
        nearest = np.rint(place)
        place = np.where(np.abs(place - nearest) <= PLACE_ROUNDING * last, nearest, place)
        whole = place.astype(np.intp)
        return whole, place - whole
    tail = level if side == "lower" else 1.0 - level
    cut = np.minimum((count * (tail + LEVEL_ROUNDING)).astype(np.intp), last)
    return (cut if side == "lower" else last - cut), np.zeros(len(count))


class _Quantiles:
    """The quantiles of given levels, as numbers between two order statistics each."""

    def __init__(self, levels: Levels, interpolation: Interpolation) -> None:
        self._levels, self._interpolation = levels, interpolation

    def of_lines(self, lines: FloatArray, count: IntArray) -> list[Float64Array]:
        """Quantiles of the ``count`` finite values of each of the lines (n_lines, n).

        The lines are overwritten.
        """
        ranks, fractions = self._places(count)
        lines.sort(axis=1)  # NaN goes last
        return self._between(np.take_along_axis(lines, ranks.T, axis=1).T, fractions, count)

    def of_tails(self, block: FloatArray, offsets: IntArray) -> list[Float64Array] | None:
        """Quantiles (S, C) of a block (C, n) if they lie in the tails of long segments."""
        missing = np.isnan(block)
        count = np.repeat(np.diff(offsets)[:, None], len(block), axis=1)
        if missing.any():
            for s, (start, stop) in enumerate(pairwise(offsets)):
                count[s] -= [np.count_nonzero(column[start:stop]) for column in missing]
        ranks, fractions = self._places(count)
        statistics = tail_statistics(block, offsets, count, ranks)
        return None if statistics is None else self._between(statistics, fractions, count)

    def _places(self, count: IntArray) -> tuple[IntArray, list[Float64Array]]:
        """Ranks of two order statistics for each level, and how far from the first it lies."""
        places = [_ranks(count, *level, self._interpolation) for level in self._levels]
        last = np.maximum(count - 1, 0)
        ranks = np.array([r for whole, _ in places for r in (whole, np.minimum(whole + 1, last))])
        return ranks, [fraction for _, fraction in places]

    @staticmethod
    def _between(
        statistics: FloatArray, fractions: list[Float64Array], count: IntArray
    ) -> list[Float64Array]:
        quantiles = []
        for fraction, below, above in zip(
            fractions, statistics[::2].astype(np.float64), statistics[1::2], strict=True
        ):
            # The two forms meet at 1/2 and each is exact at its own end, as in numpy.quantile.
            step = above - below
            value = np.where(
                fraction < 0.5, below + step * fraction, above - step * (1.0 - fraction)
            )
            quantiles.append(np.where(count > 0, value, np.nan))
        return quantiles


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
    quantiles = _Quantiles(levels, interpolation)
    shortcut = quantiles.of_tails if deviations_from is None else None
    return _reduce_lines(
        quantiles.of_lines, len(levels), values, segments, deviations_from, shortcut
    )


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
    shortcut: Callable[[FloatArray, IntArray], list[Float64Array] | None] | None = None,
) -> list[Float64Array]:
    """Tables (n_segments, n_columns) of what a function makes of lines (n_lines, n) to sort.

    Unless a shortcut finds them from a block (n_columns, n_rows) and the offsets in it.
    """
    tables = [np.empty((len(segments), len(values))) for _ in range(n_tables)]

    def fill(block: FloatArray, offsets: IntArray, columns: slice, which: slice) -> None:
        found = None if shortcut is None else shortcut(block, offsets)
        if found is not None:
            for table, result in zip(tables, found, strict=True):
                table[which, columns] = result
            return
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


def trim_segments(
    values: FloatArray,
    segments: Segments,
    lower: Float64Array,
    upper: Float64Array,
    out: FloatArray,
) -> None:
    """Values (n_columns, n_rows) with NaN for those beyond bounds (n_segments, n_columns)."""
    lower, upper = lower.astype(values.dtype), upper.astype(values.dtype)

    def write(
        block: FloatArray, offsets: IntArray, columns: slice, which: slice, target: FloatArray
    ) -> None:
        inside = block >= spread(lower[which, columns], offsets)  # nothing is, where a bound is NaN
        inside &= block <= spread(upper[which, columns], offsets)
        np.copyto(target, block)
        np.copyto(target, np.nan, where=~inside)

    map_segments(write, values, segments, out)


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

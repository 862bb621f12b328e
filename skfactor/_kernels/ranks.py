"""Ranks of every column in every segment, and the scores that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri

from skfactor._kernels.lines import lines_of_segments
from skfactor._kernels.orders import sort_lines, tied_ranks
from skfactor._kernels.segments import Segments, map_segments
from skfactor._typing import Float64Array, FloatArray, IntArray

# From average ranks (from 1) and the number of values among which they are taken.
Score: TypeAlias = Callable[[Float64Array, IntArray], Float64Array]

# Values ranked at once: few, because each takes several integers beside it.
_TILE = 100_000


def uniform_score(rank: Float64Array, count: IntArray) -> Float64Array:
    """Ranks evenly spaced from -1 to 1; the rank of a single value is 0."""
    # 2 (r - 1) / (n - 1) - 1 on one fraction, which is antisymmetric to the last digit.
    scores: Float64Array = (2.0 * rank - (count + 1.0)) / np.maximum(count - 1, 1)
    return scores


def percent_score(rank: Float64Array, count: IntArray) -> Float64Array:
    """Share of the values that are not above, 1 for the highest."""
    scores: Float64Array = rank / np.maximum(count, 1)
    return scores


def normal_score(rank: Float64Array, count: IntArray) -> Float64Array:
    """Quantiles of the normal distribution at (r - 1/2) / n."""
    # The smaller tail, so that scores are antisymmetric too.
    upper = 2.0 * rank > count + 1.0
    tail = np.where(upper, count - rank + 0.5, rank - 0.5) / np.maximum(count, 1)
    scores: Float64Array = ndtri(tail)
    return np.where(upper, -scores, scores)


def rank_of_uniform(score: Float64Array, count: int) -> Float64Array:
    """Invert `uniform_score`."""
    return (score * (count - 1.0) + count + 1.0) / 2.0


def rank_of_percent(score: Float64Array, count: int) -> Float64Array:
    """Invert `percent_score`."""
    return score * count


def rank_of_normal(score: Float64Array, count: int) -> Float64Array:
    """Invert `normal_score`."""
    rank: Float64Array = ndtr(score) * count + 0.5
    return rank


def rank_segments(
    values: FloatArray, segments: Segments, score: Score, out: FloatArray, ties: str = "average"
) -> None:
    """Write the scores of the ranks of values (n_columns, n_rows); NaN kept in place.

    ``ties`` is as in `tied_ranks`, or "first": equal values rank in the order of their rows.
    """

    def write(
        block: FloatArray, offsets: IntArray, columns: slice, which: slice, target: FloatArray
    ) -> None:
        del columns, which
        for lines in lines_of_segments(offsets):
            cube = lines.read(block)
            flat = cube.reshape(-1, lines.longest)
            step = max(_TILE // lines.longest, 1)
            for first in range(0, len(flat), step):
                _score_lines(flat[first : first + step], score, ties)
            lines.write(cube, target)

    map_segments(write, values, segments, out, whole_segments=True)


def _score_lines(lines: FloatArray, score: Score, ties: str) -> None:
    """Replace the values of each of the lines (n_lines, n) by scores of their ranks, NaN kept."""
    n_lines, n = lines.shape
    missing = np.isnan(lines)
    held, count = None, np.full(n_lines, n)
    if missing.any():
        held = ~missing
        count = np.count_nonzero(held, axis=1)
        lines[missing] = np.inf
    if ties == "first":
        order = np.argsort(lines, axis=1, kind="stable")
        place = (order + (np.arange(n_lines) * n)[:, None]).reshape(-1)
        scores = score(np.arange(1.0, n + 1.0), count[:, None]).astype(lines.dtype)
    else:
        place, ordered = sort_lines(lines, held)
        scores = _scores_of_ordered(ordered, count, score, ties).astype(lines.dtype)
    lines.reshape(-1)[place] = scores.reshape(-1)
    if held is not None:
        lines[missing] = np.nan


def _scores_of_ordered(
    ordered: FloatArray, count: IntArray, score: Score, ties: str
) -> Float64Array:
    """Scores (n_lines, n) of lines of ascending values, ``count`` (n_lines,) of which are held."""
    n = ordered.shape[1]
    if ties == "dense":
        ranks = tied_ranks(ordered, ties)
        highest = ranks[np.arange(len(ranks)), np.maximum(count - 1, 0)].astype(np.int64)
        return score(ranks, highest[:, None])
    counts, which = np.unique(count, return_inverse=True)
    scores: Float64Array = score(np.arange(1.0, n + 1.0), counts[:, None])[which]
    equal = ordered[:, 1:] == ordered[:, :-1]
    fill = np.maximum(n - count - 1, 0)  # what stands for NaN is equal too
    if np.count_nonzero(equal) > fill.sum():
        tied = np.flatnonzero(np.count_nonzero(equal, axis=1) > fill)
        scores[tied] = score(tied_ranks(ordered[tied], ties), count[tied, None])
    return scores


@dataclass(frozen=True)
class RankTable:
    """What is known of a sample to rank other values among it: its values and their ranks."""

    values: Float64Array  # distinct, ascending
    ranks: Float64Array  # of each
    count: int

    def rank(self, values: FloatArray) -> Float64Array:
        """Ranks of values (n,): linear between those of the sample, that of its ends beyond it."""
        if not self.count:
            return np.full(len(values), np.nan)
        known, last = self.values, len(self.values) - 1
        x = np.clip(values.astype(np.float64), known[0], known[-1])
        above = np.minimum(np.searchsorted(known, x), last)
        below = np.where(known[above] > x, above - 1, above)
        # In halves, because the distance of two large values may be beyond the largest number,
        # unless that makes it zero.
        with np.errstate(over="ignore"):
            whole = np.isfinite(known[above] - known[below])
        unit = np.where(whole, 1.0, 0.5)
        low = known[below] * unit
        gap = known[above] * unit - low
        share = np.divide(x * unit - low, gap, out=np.zeros(len(x)), where=gap > 0.0)
        rank = self.ranks[below] + share * (self.ranks[above] - self.ranks[below])
        return np.where(np.isnan(x), np.nan, rank)

    def value(self, rank: Float64Array) -> Float64Array:
        """Values (n,) at given ranks, linear between those of the sample: the inverse of `rank`."""
        if not self.count:
            return np.full(len(rank), np.nan)
        return np.interp(rank, self.ranks, self.values)


def rank_table(values: FloatArray, ties: str = "average") -> RankTable:
    """Table of a sample (n,), its NaN left out; ``ties`` is as in `tied_ranks`."""
    known, counts = np.unique(values[~np.isnan(values)].astype(np.float64), return_counts=True)
    if ties == "dense":
        counts = np.ones_like(counts)
    ends = np.cumsum(counts)
    share = {"average": 0.5, "min": 1.0, "max": 0.0, "dense": 0.0}[ties]
    return RankTable(known, ends - share * (counts - 1), int(counts.sum()))

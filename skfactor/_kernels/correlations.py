"""Second moments of two variables in every segment, and quantiles from ranks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.stats import rankdata

from skfactor._kernels.segments import are_long, chunks
from skfactor._kernels.threads import run_in_turn, run_on_threads
from skfactor._typing import BoolArray, Float64Array, IntArray

# Spread below so many units in the last place of the values is rounding, not variation.
_ROUNDING_UNITS = 8.0


@dataclass(frozen=True)
class PairMoments:
    """Moments of x and y by segment, each (S,); sums of squares and products are centred."""

    n_rows: IntArray
    mean_x: Float64Array
    mean_y: Float64Array
    sum_xx: Float64Array
    sum_yy: Float64Array
    sum_xy: Float64Array

    @property
    def varies(self) -> BoolArray:
        """Whether both variables vary by more than rounding (S,)."""
        return _varies(self.n_rows, self.mean_x, self.sum_xx) & _varies(
            self.n_rows, self.mean_y, self.sum_yy
        )

    @property
    def correlation(self) -> Float64Array:
        """Correlation of x and y (S,), NaN where one of them does not vary."""
        with np.errstate(invalid="ignore", divide="ignore"):
            # Roots one by one: the product of tiny sums of squares would underflow.
            ratio = self.sum_xy / np.sqrt(self.sum_xx) / np.sqrt(self.sum_yy)
        return np.where(self.varies, np.clip(ratio, -1.0, 1.0), np.nan)

    @property
    def slope(self) -> Float64Array:
        """Slope of y on x and a constant (S,), NaN where x does not vary."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self.sum_xy / self.sum_xx
        return np.where(_varies(self.n_rows, self.mean_x, self.sum_xx), ratio, np.nan)


def _varies(n_rows: IntArray, mean: Float64Array, sum_squares: Float64Array) -> BoolArray:
    rounding = _ROUNDING_UNITS * np.finfo(np.float64).eps * np.abs(mean)
    varies: BoolArray = sum_squares > n_rows * rounding**2
    return varies


def segment_pair_moments(x: Float64Array, y: Float64Array, offsets: IntArray) -> PairMoments:
    """Moments of complete x (n,) and y (n,) whose rows lie in runs."""
    n_rows = np.diff(offsets)
    sums = np.empty((5, len(n_rows)))

    def fill(which: slice) -> None:
        bounds = offsets[which.start : which.stop + 1]
        rows = slice(bounds[0], bounds[-1])
        by_segment = _one_by_one if are_long(bounds - bounds[0]) else _together
        sums[:, which] = by_segment(x[rows], y[rows], bounds - bounds[0])

    tasks = [partial(fill, which) for which in chunks(offsets, 2)]
    # Short calls, one a segment, only wait for each other on threads.
    (run_in_turn if are_long(offsets) else run_on_threads)(tasks, x.size)
    return PairMoments(n_rows, *sums)


def _one_by_one(x: Float64Array, y: Float64Array, offsets: IntArray) -> Float64Array:
    """Means, sums of squares and of products (5, S), long segments one after the other."""
    longest = int(np.diff(offsets).max())
    ones, scratch = np.ones(longest), np.empty((2, longest))
    sums = np.empty((5, len(offsets) - 1))
    for s, (start, stop) in enumerate(pairwise(offsets)):
        n = stop - start
        # A product with ones is the fastest sum there is.
        mean_x, mean_y = x[start:stop] @ ones[:n] / n, y[start:stop] @ ones[:n] / n
        a = np.subtract(x[start:stop], mean_x, out=scratch[0, :n])
        b = np.subtract(y[start:stop], mean_y, out=scratch[1, :n])
        sums[:, s] = mean_x, mean_y, a @ a, b @ b, a @ b
    return sums


def _together(x: Float64Array, y: Float64Array, offsets: IntArray) -> Float64Array:
    """The same for a chunk of short segments that stays in cache."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    mean_x, mean_y = np.add.reduceat(x, starts) / lengths, np.add.reduceat(y, starts) / lengths
    a, b = x - np.repeat(mean_x, lengths), y - np.repeat(mean_y, lengths)
    squares_x, squares_y = np.add.reduceat(a * a, starts), np.add.reduceat(b * b, starts)
    a *= b
    return np.array([mean_x, mean_y, squares_x, squares_y, np.add.reduceat(a, starts)])


def quantile_numbers(ranks: Float64Array, offsets: IntArray, n_quantiles: int) -> IntArray:
    """Quantile of each row within its segment, 1 to ``n_quantiles``, from average ranks (n,).

    Without ties these are the intervals between linearly interpolated quantiles, closed on the
    right, as in ``pandas.qcut``; tied rows share the quantile of their average rank.
    """
    spread = np.maximum(np.diff(offsets) - 1, 1).astype(np.float64)
    # Ranks are multiples of one half, so that a share that is a whole number is one exactly.
    share = (ranks - 1.0) * n_quantiles / np.repeat(spread, np.diff(offsets))
    numbers: IntArray = np.maximum(np.ceil(share), 1.0).astype(np.intp)
    return numbers


def quantile_means(
    values: Float64Array,
    quantiles: IntArray,
    offsets: IntArray,
    n_quantiles: int,
    weights: Float64Array | None = None,
) -> Float64Array:
    """Mean of values (n,) by segment and quantile (S, n_quantiles); NaN where there is no row."""
    lengths = np.diff(offsets)
    cells = np.repeat(np.arange(len(lengths)) * n_quantiles - 1, lengths) + quantiles
    size = len(lengths) * n_quantiles
    weighted = values if weights is None else values * weights
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Float64Array = np.bincount(cells, weighted, size) / np.bincount(cells, weights, size)
    return means.reshape(-1, n_quantiles)


def average_ranks(values: Float64Array, offsets: IntArray) -> Float64Array:
    """Ranks 1 to n within each segment of values (K, n) without NaN; ties have their average."""
    ranks = np.empty(values.shape)
    for start, stop in pairwise(offsets):
        ranks[:, start:stop] = rankdata(values[:, start:stop], axis=1)
    return ranks

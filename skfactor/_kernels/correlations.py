"""Means, squares and products of two variables in every segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from skfactor._kernels.lines import lines_of_segments
from skfactor._kernels.rounding import EPSILON, ROUNDING_UNITS, TWO_DIGITS_LOST
from skfactor._kernels.segments import chunks
from skfactor._kernels.threads import run_on_threads
from skfactor._typing import BoolArray, Float64Array, IntArray

# Values of a tile: both variables, their ranks and the order of them stay in cache.
_TILE = 160_000
# Runs of this many rows on average are worked on one by one.
_LONG_RUN = 1_000


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
    rounding = ROUNDING_UNITS * EPSILON * np.abs(mean)
    varies: BoolArray = sum_squares > n_rows * rounding**2
    return varies


def segment_pair_moments(x: Float64Array, y: Float64Array, offsets: IntArray) -> PairMoments:
    """Moments of complete x (n,) and y (n,) whose rows lie in runs."""
    n_rows = np.diff(offsets)
    if x.size >= _LONG_RUN * len(n_rows):
        return PairMoments(n_rows, *_sums_one_by_one(x, y, offsets))
    sums = np.empty((5, len(n_rows)))

    def fill(a: Float64Array, b: Float64Array, lengths: IntArray, which: IntArray) -> None:
        held = held_values(a, lengths)
        means = []
        for line in (a, b):
            if held is not None:
                line[~held] = 0.0
            mean = line.sum(axis=1) / lengths
            line -= mean[:, None]
            if held is not None:
                line[~held] = 0.0
            means.append(mean)
        sums[:, which] = *means, row_products(a, a), row_products(b, b), row_products(a, b)

    each_tile(fill, x, y, offsets)
    return PairMoments(n_rows, *sums)


def _sums_one_by_one(x: Float64Array, y: Float64Array, offsets: IntArray) -> Float64Array:
    """Means and centred sums (5, S) where a call for every run is worth while."""
    n_rows = np.diff(offsets)
    one = np.ones(int(n_rows.max()))
    raw = np.empty((5, len(n_rows)))
    for s, (start, stop) in enumerate(pairwise(offsets)):
        a, b, ones = x[start:stop], y[start:stop], one[: stop - start]
        raw[:, s] = a @ ones, b @ ones, a @ a, b @ b, a @ b
    mean_x, mean_y = raw[:2] / n_rows
    squares_x, squares_y = raw[2:4] - n_rows * np.array([mean_x, mean_y]) ** 2
    sums = np.array([mean_x, mean_y, squares_x, squares_y, raw[4] - n_rows * mean_x * mean_y])
    # Elsewhere the values are centred first.
    for run in np.flatnonzero((sums[2:4] < TWO_DIGITS_LOST * raw[2:4]).any(axis=0)):
        rows = slice(offsets[run], offsets[run + 1])
        a, b = x[rows] - mean_x[run], y[rows] - mean_y[run]
        sums[2:, run] = a @ a, b @ b, a @ b
    return sums


def each_tile(
    function: Callable[[Float64Array, Float64Array, IntArray, IntArray], None],
    x: Float64Array,
    y: Float64Array,
    offsets: IntArray,
) -> None:
    """Call ``function(x, y, lengths, which)`` for tiles of segments that stay in cache.

    In a tile x and y are lines (n_lines, longest) of the segments ``which``, its own to change,
    with NaN after their ``lengths`` values.
    """

    def work(chunk: slice) -> None:
        bounds = offsets[chunk.start : chunk.stop + 1]
        rows = slice(bounds[0], bounds[-1])
        for lines in lines_of_segments(bounds - bounds[0]):
            a: Float64Array = lines.read(x[None, rows])[:, 0].astype(np.float64, copy=False)
            b: Float64Array = lines.read(y[None, rows])[:, 0].astype(np.float64, copy=False)
            step = max(_TILE // lines.longest, 1)
            for first in range(0, len(a), step):
                tile = slice(first, first + step)
                which = chunk.start + lines.which[tile]
                function(a[tile], b[tile], lines.lengths[tile], which)

    run_on_threads([partial(work, chunk) for chunk in chunks(offsets, 2)], x.size)


def held_values(lines: Float64Array, lengths: IntArray) -> BoolArray | None:
    """Where lines (n_lines, longest) hold a value, None where all do."""
    longest = lines.shape[1]
    return None if (lengths == longest).all() else np.arange(longest) < lengths[:, None]


def row_products(a: Float64Array, b: Float64Array) -> Float64Array:
    """Sum of a * b along each line (n_lines,)."""
    products: Float64Array = np.einsum("ij,ij->i", a, b)
    return products

"""Spearman's correlation of two variables in every segment."""

from __future__ import annotations

import numpy as np

from skfactor._kernels.correlations import each_tile, held_values, row_products
from skfactor._kernels.orders import sort_lines, tied_ranks
from skfactor._typing import BoolArray, Float64Array, IntArray


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
    place, ordered = sort_lines(lines, held)
    n = lines.shape[1]
    ranks = np.arange(1.0, n + 1.0) - (lengths[:, None] + 1) / 2.0
    equal = ordered[:, 1:] == ordered[:, :-1]
    if held is not None:
        equal &= held[:, 1:]
    tied = np.flatnonzero(equal.any(axis=1))
    if tied.size:
        ranks[tied] = tied_ranks(ordered[tied]) - (lengths[tied, None] + 1) / 2.0
    if held is not None:
        ranks[~held] = 0.0
    return place, ranks

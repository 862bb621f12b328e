"""Correlations of two variables in every segment where each row counts with a weight.

A weight is a number of rows: a row of weight 2 counts as two equal rows, in ranks too.
"""

from __future__ import annotations

import numpy as np

from skfactor._kernels.rounding import EPSILON, ROUNDING_UNITS
from skfactor._typing import Float64Array, IntArray


def segment_weighted_correlations(
    x: Float64Array, y: Float64Array, weights: Float64Array, offsets: IntArray
) -> Float64Array:
    """Correlation (S,) of complete x (n,) and y (n,) whose rows lie in runs; weights are positive.

    NaN where one of them is constant.
    """
    starts, lengths = offsets[:-1], np.diff(offsets)
    weights = _scaled(weights, offsets)
    total = np.add.reduceat(weights, starts)
    deviations, varies = [], np.ones(len(starts), dtype=bool)
    for values in (x, y):
        mean = np.add.reduceat(weights * values, starts) / total
        deviation = values - np.repeat(mean, lengths)
        square = np.add.reduceat(weights * deviation**2, starts)
        rounding = ROUNDING_UNITS * EPSILON * np.abs(mean)
        varies &= square > total * rounding**2
        root = np.repeat(np.sqrt(square), lengths)
        deviations.append(np.divide(deviation, root, out=np.zeros(len(root)), where=root > 0.0))
    products = np.add.reduceat(weights * deviations[0] * deviations[1], starts)
    return np.where(varies, np.clip(products, -1.0, 1.0), np.nan)


def segment_weighted_rank_correlations(
    x: Float64Array, y: Float64Array, weights: Float64Array, offsets: IntArray
) -> Float64Array:
    """The same of ranks, which count weights: of values below, and half of those that are equal."""
    weights = _scaled(weights, offsets)
    ranks_x, ranks_y = (_weighted_ranks(values, weights, offsets) for values in (x, y))
    return segment_weighted_correlations(ranks_x, ranks_y, weights, offsets)


def _scaled(weights: Float64Array, offsets: IntArray) -> Float64Array:
    """Weights by the largest of their run, so that sums neither overflow nor vanish."""
    largest: Float64Array = np.maximum.reduceat(weights, offsets[:-1])
    return weights / np.repeat(largest, np.diff(offsets))


def _weighted_ranks(values: Float64Array, weights: Float64Array, offsets: IntArray) -> Float64Array:
    lengths = np.diff(offsets)
    runs = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((values, runs))
    ordered = values[order]
    first = np.empty(len(values), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    first[offsets[:-1]] = True
    tie = np.cumsum(first) - 1
    tied = np.bincount(tie, weights[order])
    middle = np.cumsum(tied) - tied / 2.0
    below = middle[tie[offsets[:-1]]] - tied[tie[offsets[:-1]]] / 2.0  # in the runs before
    ranks = np.empty(len(values))
    ranks[order] = middle[tie] - np.repeat(below, lengths)
    return ranks

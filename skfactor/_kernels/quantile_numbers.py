"""In which quantile of its run a value lies: the one rule by which all portfolios are formed."""

from __future__ import annotations

import numpy as np

from skfactor._kernels.portfolios import assign_labels
from skfactor._kernels.quantiles import segment_quantiles
from skfactor._kernels.segments import Segments
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray


def quantile_numbers(values: Float64Array, offsets: IntArray, n_quantiles: int) -> IntArray:
    """Quantile of each of the values (n,) within its run, 1 to ``n_quantiles``; none is NaN.

    Quantiles lie between linearly interpolated breakpoints, as in ``numpy.quantile``, and are
    closed on the right, as in ``pandas.qcut``: equal values are never divided. A run of equal
    values has no quantiles, its numbers are 0.
    """
    segments = Segments(offsets)
    levels = [(k / n_quantiles, "lower") for k in range(1, n_quantiles)]
    tables = segment_quantiles(values[None], segments, levels)  # type: ignore[arg-type]  # mypy takes the side for any text
    breakpoints = np.column_stack([table[:, 0] for table in tables])
    numbers = np.empty(len(values))
    assign_labels(values, segments, breakpoints, numbers)
    numbers[np.repeat(~segments_vary(values, segments), segments.lengths)] = 0.0
    whole: IntArray = numbers.astype(np.intp)
    return whole


def segments_vary(values: FloatArray, segments: Segments) -> BoolArray:
    """Which segments of values (n_rows,) hold two that differ; NaN is left out."""
    ordered = values if segments.order is None else values[segments.order]
    starts = segments.offsets[:-1]
    varies: BoolArray = np.fmin.reduceat(ordered, starts) < np.fmax.reduceat(ordered, starts)
    return varies

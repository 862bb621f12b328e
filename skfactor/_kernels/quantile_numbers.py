"""In which quantile of its segment a value lies, by its rank."""

from __future__ import annotations

import numpy as np

from skfactor._kernels.ranks import rank_segments
from skfactor._kernels.segments import Segments
from skfactor._typing import Float64Array, IntArray


def quantile_numbers(values: Float64Array, offsets: IntArray, n_quantiles: int) -> IntArray:
    """Quantile of each of the values (n,) within its run, 1 to ``n_quantiles``; none is NaN.

    Without ties these are the intervals between linearly interpolated quantiles, closed on the
    right, as in ``pandas.qcut``; tied values share the quantile of their average rank.
    """

    def number(rank: Float64Array, count: IntArray) -> Float64Array:
        # Ranks are multiples of one half, so that a share that is a whole number is one exactly.
        share = (rank - 1.0) * n_quantiles / np.maximum(count - 1, 1)
        return np.maximum(np.ceil(share), 1.0)

    numbers = np.empty((1, len(values)))
    rank_segments(values[None], Segments(offsets), number, numbers)
    whole: IntArray = numbers[0].astype(np.intp)
    return whole

"""Missing values of every column filled with one value per segment."""

from __future__ import annotations

import numpy as np

from skfactor._kernels.segments import Segments, map_segments, spread
from skfactor._typing import Float64Array, FloatArray, IntArray


def fill_segments(
    values: FloatArray, segments: Segments, fill: Float64Array, out: FloatArray
) -> None:
    """Write values (n_columns, n_rows) with NaN replaced by that of fill (n_segments, n_columns).

    ``out`` may be ``values``.
    """
    fill = fill.astype(values.dtype)

    def write(
        block: FloatArray, offsets: IntArray, columns: slice, which: slice, target: FloatArray
    ) -> None:
        missing = np.isnan(block)
        if target is not block:
            target[...] = block
        if missing.any():
            np.copyto(target, spread(fill[which, columns], offsets), where=missing)

    map_segments(write, values, segments, out)

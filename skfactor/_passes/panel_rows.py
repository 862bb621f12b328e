"""The validated rows of a panel: what a fit reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skfactor._kernels.segments import Segments
from skfactor._panel import Panel
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PanelRows:
    """Rows of a panel, by reference."""

    exposures: FloatArray  # (n_rows, K)
    returns: Float64Array  # (n_rows,)
    weights: Float64Array | None  # (n_rows,)
    segments: Segments  # rows of each date, all together without dates
    dates: pd.Index | None  # one per segment
    panel: Panel | None = None  # who the rows are, where all of them are here
    index: pd.Index | None = None  # of the rows, if they had one

    def __len__(self) -> int:
        return len(self.returns)

    def of_dates(self, which: slice) -> PanelRows:
        """The rows of some dates, in the order of these if not of all."""
        if which == slice(0, len(self.segments)):
            return self
        offsets = self.segments.offsets[which.start : which.stop + 1]
        run, order = slice(offsets[0], offsets[-1]), self.segments.order
        rows: slice | IntArray = run if order is None else order[run]
        return PanelRows(
            self.exposures[rows],
            self.returns[rows],
            None if self.weights is None else self.weights[rows],
            Segments(offsets - offsets[0]),
            None if self.dates is None else self.dates[which],
        )

    @property
    def date_codes(self) -> IntArray:
        """Place of each row's date (n_rows,)."""
        return np.zeros(len(self), dtype=np.intp) if self.panel is None else self.panel.dates.codes

    @property
    def used(self) -> BoolArray:
        """Rows that are complete and have a weight (n_rows,)."""
        used: BoolArray = np.isfinite(self.exposures).all(axis=1) & np.isfinite(self.returns)
        return used if self.weights is None else used & (self.weights > 0.0)

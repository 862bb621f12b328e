"""Rows of a panel of characteristics: their sums by date, and what else is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from skfactor._calendar import rows_of_dates
from skfactor._kernels.instrumented import DateSums, date_sums
from skfactor._kernels.segments import Segments, one_segment
from skfactor._kernels.threads import Done, report_nothing
from skfactor._limits import single_blas_thread
from skfactor._panel import Panel
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray
from skfactor._validation import numbers, raise_if_repeated


@dataclass(frozen=True, eq=False)
class Rows:
    """Validated rows of a panel."""

    features: FloatArray  # (n_rows, L) characteristics
    returns: Float64Array  # (n_rows,)
    weights: Float64Array | None  # (n_rows,)
    panel: Panel | None
    add_constant: bool  # whether a characteristic of ones comes after the others

    @property
    def segments(self) -> Segments:
        """The rows of each date."""
        return one_segment(len(self.features)) if self.panel is None else self.panel.segments

    @property
    def dates(self) -> pd.Index:
        """The dates (T,), numbered where there are none."""
        return pd.RangeIndex(1) if self.panel is None else self.panel.dates.labels

    def sums(self, segments: Segments, done: Done = report_nothing) -> DateSums:
        """Sums over the rows of each segment."""
        return date_sums(
            self.features,
            self.returns,
            self.weights,
            segments,
            add_constant=self.add_constant,
            done=done,
        )

    @single_blas_thread
    def halves(self, rng: np.random.RandomState) -> list[DateSums]:
        """Sums of two random halves of the assets, of rows where they are not known."""
        segments, n_rows = self.segments, len(self.features)
        codes: IntArray = np.arange(n_rows)
        n = n_rows
        if self.panel is not None and self.panel.assets is not None:
            codes, n = self.panel.assets.codes, len(self.panel.assets)
        is_first = np.zeros(n, dtype=bool)
        is_first[rng.permutation(n)[: n // 2]] = True
        order = np.arange(n_rows) if segments.order is None else segments.order
        halves = []
        for half in (is_first[codes], ~is_first[codes]):
            kept = half[order]
            ends = np.concatenate([[0], np.cumsum(kept)])[segments.offsets]
            halves.append(self.sums(Segments(ends, order[kept])))
        return halves

    def look_up(self, factors: object) -> pd.DataFrame:
        """Observed factors (T, M) on the dates."""
        labels = self.dates
        if factors is None:
            return pd.DataFrame(index=pd.RangeIndex(len(labels)))
        if isinstance(factors, pd.Series):
            factors = factors.to_frame()
        if not isinstance(factors, pd.DataFrame):
            raise ValueError(
                f"factors is a {type(factors).__name__}; pass a DataFrame with the dates in its "
                "index, one row per date."
            )
        if self.panel is None:
            raise ValueError(
                "factors= are looked up by date, and the rows have none. Index X or y by (date, "
                "asset), or pass dates=."
            )
        raise_if_repeated(factors.columns, "factors")
        index = factors.index
        if pd.api.types.is_integer_dtype(labels) and pd.api.types.is_integer_dtype(index):
            # Numbers are dates here, whatever they are called.
            index, labels = (pd.Index(each.to_numpy(), name="date") for each in (index, labels))
        places = rows_of_dates(index, labels, ("factors", "X"))
        values = numbers(factors, "factors")[places]
        missing: BoolArray = np.asarray(np.isnan(values).any(axis=1))
        if missing.any():
            first = labels[missing][0]
            raise ValueError(f"factors has missing values, first on {first}. Fill or drop them.")
        return pd.DataFrame(values, columns=factors.columns)

    @single_blas_thread
    def specific_variances(self, paths: Float64Array) -> pd.DataFrame | None:
        """Mean squared residual and number of residuals of each asset; None without assets.

        ``paths`` (T, L) are the coefficients of the characteristics on each date.
        """
        if self.panel is None or self.panel.assets is None:
            return None
        assets = self.panel.assets
        count, squares = np.zeros(len(assets), dtype=np.intp), np.zeros(len(assets))
        for s, index in rows_of_segments(self.segments):
            fitted = self.features[index] @ paths[s, : self.features.shape[1]]
            residuals = self.returns[index] - fitted
            if self.add_constant:
                residuals -= paths[s, -1]
            known = np.isfinite(residuals)
            if self.weights is not None:
                known &= self.weights[index] > 0.0
            codes = assets.codes[index][known]  # each asset once, as the rows are of one date
            count[codes] += 1
            squares[codes] += residuals[known] ** 2
        with np.errstate(invalid="ignore"):
            return pd.DataFrame({"variance": squares / count, "n_dates": count}, assets.labels)


def rows_of_segments(segments: Segments) -> Iterator[tuple[int, slice | IntArray]]:
    """Number of each segment and its rows."""
    for s, (start, stop) in enumerate(pairwise(segments.offsets)):
        yield s, slice(start, stop) if segments.order is None else segments.order[start:stop]

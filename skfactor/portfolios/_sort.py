"""Sort the rows of each date into portfolios, by each column alone or within those before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skfactor._kernels.portfolios import assign_labels
from skfactor._kernels.quantile_numbers import segments_vary
from skfactor._kernels.segments import Segments, segments_from_codes
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray
from skfactor.portfolios._breakpoints import Rule


@dataclass(frozen=True)
class Sorted:
    """Labels of all rows, their breakpoints, and where there are none."""

    labels: FloatArray  # (n_features, n_rows); 1, 2, ... or NaN
    tables: list[Float64Array]  # (n_dates, n_cells * (n_portfolios - 1)) for each feature
    sparse: BoolArray  # (n_dates,)


def sort_rows(
    columns: FloatArray,
    codes: IntArray,
    segments: Segments,
    rules: Sequence[Rule],
    *,
    dependent: bool,
    closed: str,
    universe: BoolArray | None = None,
    learned: Sequence[Float64Array] | None = None,
) -> Sorted:
    """Label values (n_features, n_rows) by breakpoints of their date, or by learned ones.

    ``codes`` number the dates from 0 without gaps and ``segments`` are theirs. In a dependent sort
    a column has breakpoints in each cell, that is each combination of labels of those before.
    Values that are all equal have no breakpoints.
    """
    n_dates = len(segments)
    labels = np.empty(columns.shape, dtype=columns.dtype)
    tables, sparse = [], np.zeros(n_dates, dtype=bool)
    n_cells = 1
    cells: IntArray = np.zeros(len(codes), dtype=np.int64)
    for k, (rule, x) in enumerate(zip(rules, columns, strict=True)):
        which: IntArray = np.arange(n_dates)
        if dependent and k:
            x = np.where(cells < 0, np.nan, x).astype(columns.dtype)
            places = codes.astype(np.int64) * n_cells + np.maximum(cells, 0)
            segments, which = segments_from_codes(places)
        table = np.full((n_dates * n_cells, rule.n_portfolios - 1), np.nan)
        if learned is not None:
            table = learned[k].reshape(table.shape)
        else:
            reference = x if universe is None else np.where(universe, x, np.nan).astype(x.dtype)
            enough = _counts(reference, segments) >= rule.fewest
            if rule.kind != "breakpoints":
                enough &= segments_vary(reference, segments)
            table[which[enough]] = rule.table(reference, segments, closed)[enough]
            if not enough.all():
                sparse[which[~enough & (_counts(x, segments) > 0)] // n_cells] = True
        assign_labels(x, segments, table[which], labels[k], closed=closed)
        tables.append(table.reshape(n_dates, -1))
        if dependent:
            cells = combine_labels(np.stack([cells + 1.0, labels[k]]), [n_cells, rule.n_portfolios])
            n_cells *= rule.n_portfolios
    return Sorted(labels, tables, sparse)


def combine_labels(labels: FloatArray, n_portfolios: Sequence[int]) -> IntArray:
    """Cell 0, 1, ... of labels (n_features, n_rows), the last feature running fastest; or -1."""
    cells = np.zeros(labels.shape[1])
    for label, n in zip(labels, n_portfolios, strict=True):
        cells = cells * n + (label - 1.0)
    whole: IntArray = np.nan_to_num(cells, nan=-1.0).astype(np.int64)
    return whole


def _counts(values: FloatArray, segments: Segments) -> IntArray:
    """Values of each segment that are not missing."""
    missing = np.isnan(values)
    if not missing.any():
        return segments.lengths
    if segments.order is not None:
        missing = missing[segments.order]
    return segments.lengths - np.add.reduceat(missing, segments.offsets[:-1], dtype=np.intp)

"""Outcomes and predictions as complete pairs by date, or an error that says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.validation import check_array

from skfactor._groups import group_labels
from skfactor._kernels.segments import Segments, segments_from_codes
from skfactor._panel import Panel, check_same_rows, find_panel, is_time_series
from skfactor._typing import BoolArray, Float64Array, IntArray, RowLabels
from skfactor._validation import check_row_weights, raise_if_infinite, raise_if_sparse
from skfactor._warn import warn_user


@dataclass(frozen=True)
class Pairs:
    """Complete pairs in runs of one date, or of one date and group."""

    actual: Float64Array  # (n,)
    predicted: Float64Array  # (n,)
    offsets: IntArray  # (S + 1,) of runs that hold at least one pair
    run_dates: IntArray  # (S,) position of the run's date, ascending
    dates: pd.Index  # (T,) all dates, those without a pair included
    groups: pd.Index | None  # (G,)
    run_groups: IntArray | None  # (S,) position of the run's group
    weights: Float64Array | None  # (n,)

    @property
    def lengths(self) -> IntArray:
        """Pairs in each run (S,)."""
        return np.diff(self.offsets)

    def by_date(self, values: Float64Array) -> Float64Array:
        """Values of runs (S,) as one per date (T,): over groups, weighted by their pairs.

        NaN where no run of the date has a value.
        """
        defined = np.isfinite(values)
        size = self.lengths
        if self.weights is not None:
            size = np.add.reduceat(self.weights, self.offsets[:-1])
        weight = size * defined
        n_dates = len(self.dates)
        total = np.bincount(self.run_dates, np.where(defined, values, 0.0) * weight, n_dates)
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Float64Array = total / np.bincount(self.run_dates, weight, n_dates)
        return means

    @property
    def dates_of_rows(self) -> IntArray:
        """Position of each pair's date (n,)."""
        return np.repeat(self.run_dates, self.lengths)


def read_column(values: object, name: str, metric: str) -> Float64Array:
    """Values of one row each (n,); NaN is allowed.

    Raises ``ValueError`` for several columns, text and infinity.
    """
    column = _one_column(values, name, metric)
    raise_if_infinite(column[:, None], [name], name)
    return column


def _one_column(values: object, name: str, metric: str) -> Float64Array:
    array = read_numbers(values, name)
    if array.ndim == 2 and array.shape[1] > 1:
        raise ValueError(
            f"{name} has {array.shape[1]} columns. {metric} is for panels, one column and one row "
            "a date and asset: bring a table of one column per asset into that form with "
            "stack(). Tables are scored by cross_sectional_r2_score and pricing_rmse."
        )
    return array.reshape(-1)


def read_numbers(values: Any, name: str) -> Float64Array:
    """Values as float64 of one or two dimensions, without text; `complete_pairs` checks them."""
    array: Float64Array
    if _is_plain(values):
        array = values.to_numpy()
        return array
    if np.ndim(values) == 0:
        raise ValueError(f"{name} is a single number; it needs one value per row.")
    if not np.size(values):
        raise ValueError(f"{name} has no rows.")
    if isinstance(values, pd.DataFrame):
        raise_if_sparse(values, name)
    try:
        array = check_array(
            values, dtype=np.float64, ensure_2d=False, ensure_all_finite=False, input_name=name
        )
    except (ValueError, TypeError) as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(f"{name} does not hold numbers: {error}.") from error
    return array


def _is_plain(values: object) -> bool:
    """Whether values are a series of float64, in which there is nothing to convert."""
    return isinstance(values, pd.Series) and values.dtype == np.float64 and len(values) > 0


def check_same_shape(actual: Float64Array, predicted: Float64Array) -> None:
    """Raise unless outcomes and predictions have the same shape."""
    if len(actual) != len(predicted):
        longer, shorter = "y_true", "y_pred"
        if len(actual) < len(predicted):
            longer, shorter = shorter, longer
        raise ValueError(
            f"y_true has {len(actual)} rows and y_pred {len(predicted)}; each prediction needs its "
            "outcome. Rows are not aligned by label: of two Series pass "
            f"{longer}.loc[{shorter}.index]."
        )
    if actual.shape != predicted.shape:
        raise ValueError(
            f"y_true has shape {actual.shape} and y_pred {predicted.shape}; they need the same "
            "columns."
        )


def named_dates(panel: Panel) -> pd.Index:
    """All dates of a panel, under the name of their level or as ``"date"``."""
    labels = panel.dates.labels
    return labels.rename("date") if labels.name is None else labels


def panel_of(data: Any, other: Any, n_rows: int, dates: Any, assets: Any, metric: str) -> Panel:
    """Dates of the rows of data, from ``dates=``, its index or that of the other; or raise."""
    for labels, name in ((dates, "dates="), (assets, "assets=")):
        if labels is not None and np.ndim(labels) > 0 and len(labels) != n_rows:
            raise ValueError(f"{name} has {len(labels)} values, y_pred has {n_rows} rows.")
    panel = find_panel(data, other, n_rows=n_rows, dates=dates, assets=assets)
    if panel is not None:
        return panel
    found = f"{metric} compares assets within each date, and there are no dates"
    if is_time_series(data) or is_time_series(other):
        found = f"{metric} compares assets within each date, and here each date has one row"
    raise ValueError(
        f"{found}. Index y_true by (date, asset), or pass dates=; a scalar, such as dates=0, says "
        "that all rows are one cross-section."
    )


def read_pairs(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    metric: str,
    dates: RowLabels | None,
    groupby: RowLabels | None = None,
    sample_weight: ArrayLike | None = None,
) -> Pairs:
    """Pairs without NaN by date (and group); a row of zero weight is not a pair."""
    actual = _one_column(y_true, "y_true", metric)
    predicted = _one_column(y_pred, "y_pred", metric)
    check_same_shape(actual, predicted)
    check_same_rows(y_true, y_pred, "y_pred", x_name="y_true")
    n_rows = len(actual)
    panel = panel_of(y_true, y_pred, n_rows, dates, None, metric)
    weights = check_row_weights(sample_weight, y_true, n_rows, "sample_weight")
    segments, groups = panel.segments, None
    cells: IntArray = np.arange(len(panel.dates))
    if groupby is not None:
        labels = group_labels(groupby, y_true, n_rows, panel.assets, "y_true")
        groups = labels.labels
        codes = panel.dates.codes.astype(np.int64) * len(groups) + labels.codes
        segments, cells = segments_from_codes(codes)
    actual, predicted = _ordered(segments, actual), _ordered(segments, predicted)
    complete = complete_pairs(actual, predicted)
    if weights is not None:
        weights = _ordered(segments, weights)
        complete &= weights > 0.0
    offsets = segments.offsets
    if not complete.all():
        actual, predicted = actual[complete], predicted[complete]
        weights = None if weights is None else weights[complete]
        offsets, kept = _compressed(complete, offsets)
        cells = cells[kept]
    if not len(actual):
        raise ValueError("No row has both a y_true and a y_pred: one of them is NaN in every row.")
    n_groups = 1 if groups is None else len(groups)
    return Pairs(
        actual,
        predicted,
        offsets,
        cells // n_groups,
        named_dates(panel),
        groups,
        None if groups is None else cells % n_groups,
        weights,
    )


def _ordered(segments: Segments, values: Float64Array) -> Float64Array:
    if segments.order is None:
        return values
    taken: Float64Array = values.take(segments.order)
    return taken


def complete_pairs(actual: Float64Array, predicted: Float64Array) -> BoolArray:
    """Where neither is NaN; raise if one is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum is finite unless a value is not; only then it pays to look at each.
        if np.isfinite(actual.sum() + predicted.sum()):
            return np.ones(actual.shape, dtype=bool)
        for values, name in ((actual, "y_true"), (predicted, "y_pred")):
            table = values.reshape(len(values), -1)
            raise_if_infinite(table, pd.RangeIndex(table.shape[1]), name)
        return ~np.isnan(actual + predicted)


def _compressed(complete: BoolArray, offsets: IntArray) -> tuple[IntArray, IntArray]:
    """Offsets of the runs that keep a row, and which runs these are."""
    lengths = np.add.reduceat(complete.astype(np.intp), offsets[:-1])
    kept = np.flatnonzero(lengths)
    return np.concatenate(([0], np.cumsum(lengths[kept]))), kept


def defined_values(values: Float64Array, dates: pd.Index, metric: str, reason: str) -> Float64Array:
    """The values (T,) that are defined; one warning counts the dates of the others."""
    undefined = np.isnan(values)
    warn_of_dates(undefined, dates, metric, reason, "which are left out")
    return values[~undefined]


def warn_of_dates(
    undefined: BoolArray, dates: pd.Index, metric: str, reason: str, so: str = "and NaN there"
) -> None:
    """One warning that counts the dates (T,) on which a metric is undefined, if there are any."""
    if undefined.any():
        warn_user(
            f"{metric} is undefined on {int(undefined.sum())} of {len(undefined)} dates, {so}: "
            f"{reason} (first: {dates[undefined][0]}).",
            UndefinedMetricWarning,
        )

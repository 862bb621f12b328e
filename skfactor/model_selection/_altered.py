"""Data altered after a date, and what that changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skfactor._kernels.rounding import ROUNDING_UNITS
from skfactor._typing import BoolArray, Float64Array, IntArray

# Rows that are looked at before all others.
_FEW = 1000


def redraw(data: object, places: IntArray, rng: np.random.Generator, *, known: bool = False) -> Any:
    """A copy whose rows hold values drawn, column by column, from all rows.

    Drawn values are among those that the column may have: a 0 or 1 remains one, a positive number
    positive. A column with one value per date, such as a factor return, still has one.

    Parameters
    ----------
    data : DataFrame, Series, ndarray, sparse array or None
        (n_rows,) or (n_rows, n_columns).
    places : (n_rows,)
        Place of each row's date among the dates.
    rng : Generator
    known : bool, default=False
        Whether values are drawn from those that are not missing, as weights have to be.
    """
    if data is None:
        return None
    first = _first_rows(places)

    def draw(column: NDArray[np.generic]) -> IntArray:
        """For each row the one that its value is taken from."""
        if _has_one_value_per_date(column, first, places):
            source: IntArray = rng.choice(first, size=len(first))[places]
            return source
        if known and (missing := pd.isna(column)).any() and not missing.all():
            return rng.choice(np.flatnonzero(~missing), size=len(column))
        return rng.integers(len(column), size=len(column))

    if isinstance(data, pd.DataFrame) and len(set(data.dtypes)) != 1:
        columns = [_alter_series(data.iloc[:, k], draw) for k in range(data.shape[1])]
        altered = pd.concat(columns, axis=1)
        altered.columns = data.columns
        return altered
    if isinstance(data, pd.Series):
        return _alter_series(data, draw)
    values = np.array(_dense(data), order="K")
    for column in values.reshape(len(values), -1).T if values.ndim > 1 else [values]:
        column[:] = column[draw(column)]
    if isinstance(data, pd.DataFrame):
        altered = pd.DataFrame(values, data.index, data.columns, copy=False)
        return altered.astype(data.dtypes.iloc[0])
    return values


def splice(data: object, altered: object, later: BoolArray) -> Any:
    """A copy of the data whose ``later`` rows (n_rows,) are those of what `redraw` made of it."""
    if data is None:
        return None
    if isinstance(data, pd.DataFrame) and len(set(data.dtypes)) != 1:
        assert isinstance(altered, pd.DataFrame)
        columns = [splice(data.iloc[:, k], altered.iloc[:, k], later) for k in range(data.shape[1])]
        spliced = pd.concat(columns, axis=1)
        spliced.columns = data.columns
        return spliced
    if isinstance(data, pd.Series):
        assert isinstance(altered, pd.Series)
        own = np.arange(len(data))
        both = pd.concat([data, altered], ignore_index=True)
        return both.take(np.where(later, own + len(data), own)).set_axis(data.index)
    values, others = np.array(_dense(data), order="K"), np.asarray(_dense(altered))
    start = int(later.argmax()) if later.any() else len(later)
    # Sorted rows are fast.
    rows: slice | BoolArray = slice(start, None) if later[start:].all() else later
    values[rows] = others[rows]
    if isinstance(data, pd.DataFrame):
        spliced = pd.DataFrame(values, data.index, data.columns, copy=False)
        return spliced.astype(data.dtypes.iloc[0])
    return values


def _alter_series(column: pd.Series, draw: Callable[[NDArray[np.generic]], IntArray]) -> pd.Series:
    return column.take(draw(np.asarray(column))).set_axis(column.index)


def _first_rows(places: IntArray) -> IntArray:
    """First row (n_dates,) of each date."""
    first = np.full(int(places.max()) + 1, len(places), dtype=np.intp)
    np.minimum.at(first, places, np.arange(len(places)))
    return first


def _has_one_value_per_date(column: NDArray[np.generic], first: IntArray, places: IntArray) -> bool:
    # A look at some rows tells almost always.
    for rows in (slice(0, _FEW), slice(None)):
        own, of_date = column[rows], column[first[places[rows]]]
        if not ((own == of_date) | (pd.isna(own) & pd.isna(of_date))).all():
            return False
    return True


def largest_changes(before: ArrayLike, after: ArrayLike, size: float = 0.0) -> Float64Array:
    """Largest change in each row, (n_rows,); 0 within rounding, infinite where it has no size.

    Rounding is relative to the largest value of the column. A column of nothing but rounding
    errors is told by the largest value of all, or by ``size``, that of what was computed with.
    """
    left, right = _as_table(before), _as_table(after)
    if left.shape != right.shape:
        return np.full(len(left), np.inf)
    if left.dtype == object or right.dtype == object:
        differs = (left != right) & ~(pd.isna(left) & pd.isna(right))
        return np.where(differs.any(axis=1), np.inf, 0.0)
    if np.array_equal(left, right, equal_nan=True):
        return np.zeros(len(left))
    eps = max(np.finfo(table.dtype).eps for table in (left, right))
    with np.errstate(invalid="ignore"):
        change = np.abs(left.astype(np.float64) - right)
    scale = np.max(np.abs(left), axis=0, initial=0.0, where=np.isfinite(left))
    tolerance = np.sqrt(eps) * scale + ROUNDING_UNITS * eps * max(scale.max(initial=0.0), size)
    change[(change <= tolerance) | (left == right)] = 0.0
    change[np.isnan(left) & np.isnan(right)] = 0.0
    change[np.isnan(change)] = np.inf
    return np.asarray(change.max(axis=1, initial=0.0))


def largest(data: object) -> float:
    """Largest finite magnitude; 0 of what holds no numbers."""
    if data is None:
        return 0.0
    values = _as_table(data)
    if values.dtype == object:
        return 0.0
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def _as_table(output: object) -> Any:
    """Output of a step as an array (n_rows, n_columns) of floats, or of objects."""
    values = np.asarray(_dense(output))
    if values.dtype.kind in "biu":
        values = values.astype(np.float64)
    elif values.dtype.kind != "f":
        values = values.astype(object)
    return values.reshape(len(values), -1)


def _dense(data: object) -> Any:
    return data.toarray() if hasattr(data, "toarray") else data

"""Data altered after a date, and what that changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._kernels.rounding import ROUNDING_UNITS
from skfactor._typing import BoolArray, Float64Array, IntArray


def alter(data: object, later: BoolArray, places: IntArray, rng: np.random.Generator) -> Any:
    """A copy whose later rows hold values drawn, column by column, from all rows.

    Drawn values are among those that the column may have: a 0 or 1 remains one, a positive number
    positive. A column with one value per date, such as a factor return, still has one.

    Parameters
    ----------
    data : DataFrame, Series, ndarray, sparse array or None
        (n_rows,) or (n_rows, n_columns).
    later : (n_rows,)
        Rows to alter.
    places : (n_rows,)
        Place of each row's date among the dates.
    rng : Generator
    """
    if data is None:
        return None
    if isinstance(data, pd.DataFrame):
        columns = [alter(data.iloc[:, k], later, places, rng) for k in range(data.shape[1])]
        altered = pd.concat(columns, axis=1)
        altered.columns = data.columns
        return altered
    if isinstance(data, pd.Series):
        drawn = data.take(_draw(data.to_numpy(), later, places, rng))
        return drawn.set_axis(data.index)
    values = np.array(_dense(data))
    for column in values.reshape(len(values), -1).T if values.ndim > 1 else [values]:
        column[:] = column[_draw(column, later, places, rng)]
    return values


def _draw(column: Any, later: BoolArray, places: IntArray, rng: np.random.Generator) -> IntArray:
    """For each row, the row that its value is taken from."""
    rows = np.arange(len(column))
    first = np.unique(places, return_index=True)[1]
    of_date = column[first][places]
    if ((column == of_date) | (pd.isna(column) & pd.isna(of_date))).all():
        source = rng.choice(first, size=len(first))[places]
    else:
        source = rng.integers(len(column), size=len(column))
    return np.where(later, source, rows)


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


def _as_table(output: Any) -> Any:
    """Output of a step as an array (n_rows, n_columns) of floats, or of objects."""
    values = np.asarray(_dense(output))
    if values.dtype.kind in "biu":
        values = values.astype(np.float64)
    elif values.dtype.kind != "f":
        values = values.astype(object)
    return values.reshape(len(values), -1)


def _dense(data: object) -> Any:
    return data.toarray() if hasattr(data, "toarray") else data

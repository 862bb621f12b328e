"""Labels of portfolios, of any type and in one or several columns, as cells to count in."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pandas as pd

from skfactor._typing import IntArray

# Combinations of labels; more are not portfolios, but what was to be sorted.
_MOST_CELLS = 1_000_000
# Whole numbers below this one are exact as floats.
_EXACT = 2.0**53


def find_cells(labels: object) -> tuple[IntArray, pd.Index]:
    """Cell of each row, -1 where a label is missing, and what the cells are called.

    ``labels`` has one column, or several whose combinations are the cells.
    """
    columns = _columns(labels)
    coded = [_codes(values) for _, values in columns]
    names = ["portfolio" if name is None else name for name, _ in columns]
    if len(coded) == 1:
        codes, index = coded[0]
        return codes, index.rename(names[0])
    n_cells = prod(len(index) for _, index in coded)
    if n_cells > _MOST_CELLS:
        raise ValueError(
            f"The labels make {n_cells:,} portfolios: {[len(index) for _, index in coded]} in the "
            f"columns {names}. Labels are few, such as those of PortfolioSorter, and not the "
            "values that are sorted on."
        )
    cells: IntArray = np.zeros(len(coded[0][0]), dtype=np.int64)
    missing = np.zeros(len(cells), dtype=bool)
    for codes, index in coded:
        missing |= codes < 0
        cells = cells * len(index) + codes
    cells[missing] = -1
    return cells, pd.MultiIndex.from_product([index for _, index in coded], names=names)


def _columns(labels: object) -> list[tuple[Any, Any]]:
    if isinstance(labels, pd.Series):
        return [(labels.name, labels)]
    if isinstance(labels, pd.DataFrame):
        return [(name, labels.iloc[:, k]) for k, name in enumerate(labels.columns)]
    values = np.asarray(labels)
    names = getattr(labels, "columns", None)  # of a frame that is not pandas
    if values.ndim == 1:
        return [(getattr(labels, "name", None) or None, values)]
    if values.ndim != 2:
        raise ValueError(
            f"labels have one row per asset and date and one column or more; found shape "
            f"{values.shape}."
        )
    known = names if isinstance(names, list) else [None] * values.shape[1]
    if len(known) > 1 and known[0] is None:
        known = list(range(len(known)))
    return list(zip(known, values.T, strict=True))


def _codes(values: Any) -> tuple[IntArray, pd.Index]:
    """Code of each label, -1 where it is missing, and the labels, ascending."""
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), _whole(pd.Index(values.cat.categories))
    codes, labels = pd.factorize(pd.Index(values), sort=True)
    return codes, _whole(labels)


def _whole(labels: pd.Index) -> pd.Index:
    """Labels that are whole numbers as integers, whatever type they came in."""
    if not pd.api.types.is_numeric_dtype(labels.dtype) or pd.api.types.is_bool_dtype(labels.dtype):
        return labels
    numbers = labels.to_numpy(dtype=np.float64)
    exact = (numbers == np.floor(numbers)) & (np.abs(numbers) < _EXACT)
    return labels.astype(np.int64) if exact.all() else labels

"""Rows that nothing says the dates of: what is done with them, and how to say it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skfactor._dates import calendar_format, is_asset_name, is_date_name
from skfactor._warn import warn_user
from skfactor.exceptions import NoDatesWarning


def warn_undated(X: object, so: str, where: str = "") -> None:
    """Warn that there are no dates, so that something else is done; say where they may be.

    ``where`` says which part of the estimator has the parameter ``date_level``.
    """
    warn_user(
        f"No dates were found: {so}. {advice_on_dates(X)} date_level=None{where} says that this "
        "is meant.",
        NoDatesWarning,
    )


def warn_of_columns_left(X: object) -> None:
    """Warn of columns of X that look like its dates or assets, where rows are only numbered."""
    left = columns_left(X)
    if left:
        warn_user(
            f"No dates were found, and all columns are taken as factors. {left}", NoDatesWarning
        )


def advice_on_dates(X: object) -> str:
    """What to do about rows of X without dates, given what X looks like."""
    left = columns_left(X)
    if left:
        return left
    if isinstance(X, pd.DataFrame | pd.Series) and X.index.nlevels == 1:
        form = calendar_format(X.index)
        if form is not None and not X.index.is_unique:
            return (
                f"The integers in the index, such as {X.index[0]}, look like dates: name it with "
                f"X.rename_axis('date'), or convert it with pandas.to_datetime(dates.astype(str), "
                f"format={form!r})."
            )
    return "Index X or y by (date, asset), or pass dates=."


def columns_left(X: object) -> str:
    """What to do about columns of a frame that hold its dates or assets; empty if none do."""
    dates, assets = _named_columns(X)
    if not dates and not assets:
        return ""
    left = [*dates[:1], *assets[:1]]
    several = len(left) > 1
    found = f"The column{'s' if several else ''} {' and '.join(map(repr, left))} of X "
    found += f"look{'' if several else 's'} like labels of the rows and not like features"
    # Without a date nothing is won by the index, so that one is asked for.
    levels = repr(left) if dates else f"[<the dates>, {left[0]!r}]"
    if isinstance(X, pd.DataFrame):
        return f"{found}: set the index, X.set_index({levels})."
    passed = f"pass dates=X[{dates[0]!r}]" if dates else "pass dates="
    return f"{found}: {passed} and X.drop({left!r}), or X.to_pandas().set_index({levels})."


def _named_columns(X: object) -> tuple[list[Any], list[Any]]:
    """Columns of a frame, of any library, that look like dates, and those that name assets."""
    columns: Any = getattr(X, "columns", None)
    if isinstance(X, pd.DataFrame):
        timed = [name for name, dtype in X.dtypes.items() if _is_time_type(dtype)]
    elif columns is not None and hasattr(X, "schema") and hasattr(X.schema, "items"):  # of polars
        timed = [name for name, dtype in X.schema.items() if str(dtype).startswith("Date")]
    elif hasattr(X, "column_names"):  # of Arrow
        columns, timed = X.column_names, []
    else:
        return [], []
    dates = [name for name in columns if name in timed or is_date_name(name)]
    return dates, [name for name in columns if name not in dates and is_asset_name(name)]


def _is_time_type(dtype: Any) -> bool:
    return pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype)

"""Checks of what several functions of this package take: series by date, factors by name."""

from __future__ import annotations

import pandas as pd

from skfactor._panel import check_same_rows
from skfactor._validation import raise_if_repeated


def same_dates(
    left: pd.Series | pd.DataFrame, right: pd.Series | pd.DataFrame, names: tuple[str, str]
) -> None:
    """Raise ``ValueError`` if the rows of two inputs with these names are not the same dates."""
    if len(left) != len(right):
        raise ValueError(
            f"{names[0]} has {len(left)} rows, {names[1]} has {len(right)}. "
            "skfactor.frames.align_dates restricts them to common dates."
        )
    check_same_rows(left, right, names[1], x_name=names[0])


def factors_named(
    factors: pd.DataFrame, names: pd.Index, returns: pd.Series | pd.DataFrame
) -> pd.DataFrame:
    """Factors with these names, on the dates of the returns."""
    if not isinstance(factors, pd.DataFrame):
        raise TypeError(
            "The factor returns have to be a DataFrame by date and factor; found "
            f"{type(factors).__name__}."
        )
    raise_if_repeated(factors.columns, "the factor returns")
    unknown = [name for name in names if name not in factors.columns]
    if unknown:
        raise ValueError(
            f"The factors {unknown} are not among the factor returns: {list(factors.columns)}."
        )
    same_dates(returns, factors, ("returns", "the factor returns"))
    return factors[list(names)]

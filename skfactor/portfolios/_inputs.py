"""Checks of what several functions of this package take: series by date, factors by name."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skfactor._panel import check_same_rows
from skfactor._risk_model import RiskModel
from skfactor._typing import Float64Array
from skfactor._validation import numbers, raise_if_repeated


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
    factors: pd.DataFrame | None, names: pd.Index, returns: pd.Series | pd.DataFrame
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


def portfolio_of(
    returns: pd.Series | pd.DataFrame, weights: pd.Series | pd.DataFrame | None
) -> pd.Series:
    """Returns of the portfolio, NaN where an asset that it holds has none."""
    if isinstance(returns, pd.Series) and weights is None:
        return pd.Series(numbers(returns, "returns"), index=returns.index, name=returns.name)
    if not isinstance(returns, pd.DataFrame) or not isinstance(weights, pd.Series | pd.DataFrame):
        found = f"{type(returns).__name__} and {type(weights).__name__}"
        raise TypeError(
            "returns has to be a Series of the portfolio's returns, or a DataFrame of assets with "
            f"weights= by asset; found {found}."
        )
    held = _weights(returns, weights)
    products = held * numbers(returns, "returns")
    return pd.Series(np.where(held == 0.0, 0.0, products).sum(axis=1), index=returns.index)


def _weights(returns: pd.DataFrame, weights: pd.Series | pd.DataFrame) -> Float64Array:
    """Weights (n_dates, n_assets) or (1, n_assets) in order of the assets of returns."""
    wide = weights.to_frame().T if isinstance(weights, pd.Series) else weights
    raise_if_repeated(wide.columns, "weights")
    raise_if_repeated(returns.columns, "returns")
    unknown = wide.columns.difference(returns.columns)
    if len(unknown):
        raise ValueError(f"The assets {list(unknown)} of the weights are not in returns.")
    if isinstance(weights, pd.DataFrame):
        same_dates(returns, weights, ("returns", "weights"))
    values = numbers(wide, "weights")
    if np.isnan(values).any():
        raise ValueError("weights holds NaN. Pass 0 for no position.")
    held = np.zeros((len(values), returns.shape[1]))
    held[:, returns.columns.get_indexer(wide.columns)] = values
    return held


def exposures_of(
    model: RiskModel,
    returns: pd.Series | pd.DataFrame,
    weights: pd.Series | pd.DataFrame | None,
) -> pd.Series | pd.DataFrame:
    """Exposures of a portfolio in a risk model, by date if the weights are."""
    if weights is None:
        raise TypeError("A RiskModel knows the exposures of assets: pass weights= by asset.")
    if isinstance(weights, pd.DataFrame):
        same_dates(returns, weights, ("returns", "weights"))
    found: pd.Series | pd.DataFrame = model.portfolio_exposures(weights)
    return found

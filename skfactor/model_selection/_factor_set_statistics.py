"""What a set of factors says in sample: premia, pricing tests, the best Sharpe ratio."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from skfactor._fitted import fitted_parts
from skfactor._typing import Float64Array
from skfactor.inference import cross_sectional_r2, grs_test
from skfactor.inference._grs import read_factor_sample
from skfactor.linear_model import FamaMacBeth

# A column of the table: its group and its name.
Column = tuple[str, Any]


class Statistics:
    """Figures of one set by column, and why others are absent."""

    def __init__(self) -> None:
        self.figures: dict[Column, float] = {}
        self.absent: dict[str, str] = {}

    def add(self, group: str, figures: Callable[[], dict[Any, float]]) -> None:
        """Add the figures of a group, or the reason why they do not exist."""
        try:
            found = figures()
        except ValueError as error:
            self.absent[group] = str(error)
        else:
            self.figures |= {(group, name): value for name, value in found.items()}


def in_sample_statistics(
    model: BaseEstimator,
    factors: pd.DataFrame,
    y: ArrayLike,
    base: pd.DataFrame | None,
    traded: Sequence[Hashable],
) -> Statistics:
    """Statistics of a model fitted on all rows of its factors.

    ``base`` are the returns, of all assets and traded factors, that mimic factors which are not
    traded; None for a panel, whose columns are characteristics.
    """
    statistics = Statistics()
    final = next((part for part in fitted_parts(model) if hasattr(part, "inference")), None)
    if final is not None:
        statistics.add("t_value", lambda: final.inference().t_values.to_dict())
    if base is None:
        return statistics
    if isinstance(final, FamaMacBeth):
        statistics.add("r2", lambda: _r2(final))
    own = [name for name in factors.columns if name in traded]
    if len(own) == factors.shape[1]:
        statistics.add("grs", lambda: _grs(factors, y))
    statistics.add("sharpe2", lambda: _squared_sharpe(factors, own, base))
    return statistics


def _r2(model: FamaMacBeth) -> dict[str, float]:
    r2 = cross_sectional_r2(model)
    return {"estimate": r2.r2, "std_error": r2.std_error}


def _grs(factors: pd.DataFrame, returns: ArrayLike) -> dict[str, float]:
    test = grs_test(factors, returns)
    return {"statistic": test.statistic, "p_value": test.p_value}


def _squared_sharpe(
    factors: pd.DataFrame, traded: Sequence[Hashable], base: pd.DataFrame
) -> dict[str, float]:
    """Largest squared Sharpe ratio of the factors, mimicked where they are not traded."""
    if len(traded) == factors.shape[1]:
        sample = read_factor_sample(factors, factors)
        estimate, error = squared_sharpe(sample.factors)
        return {"estimate": estimate, "std_error": error}
    others = factors.drop(columns=list(traded))
    sample = read_factor_sample(others, base)
    if len(base) <= base.shape[1] + 1:
        raise ValueError(
            f"Portfolios of {base.shape[1]} returns that mimic a factor need more than "
            f"{base.shape[1] + 1} dates, found {len(base)}."
        )
    # Fitted values are the same whichever of collinear returns they are made of.
    weights = np.linalg.lstsq(sample.centred_returns, sample.centred_factors, rcond=None)[0]
    portfolios = sample.returns @ weights
    if traded:
        own = read_factor_sample(factors[list(traded)], base).factors
        portfolios = np.column_stack([own, portfolios])
    # The weights are estimated too, which the error for given returns leaves out.
    return {"estimate": squared_sharpe(portfolios)[0]}


def squared_sharpe(returns: Float64Array) -> tuple[float, float]:
    """Largest squared Sharpe ratio mu' V^-1 mu of returns (T, K), divisor T, and its error.

    The error is from the influence 2 u_t - u_t^2 + mu' V^-1 mu, with u_t = mu' V^-1 (r_t - mu).
    """
    mean = returns.mean(axis=0)
    centred = returns - mean
    u = centred @ np.linalg.solve(centred.T @ centred / len(centred), mean)
    squared = float(u @ u) / len(u)
    influence = 2.0 * u - u**2 + squared
    return squared, float(np.sqrt(np.mean(influence**2) / len(u)))

"""Hedges: factor portfolios that bring a portfolio's exposures to where they should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from skfactor._panel import time_index
from skfactor._passes.first_pass import table_of_betas
from skfactor._results import Result
from skfactor._risk_model import RiskModel
from skfactor._typing import IntArray
from skfactor._validation import is_among, numbers, raise_if_repeated
from skfactor.linear_model import FactorBetas
from skfactor.portfolios._inputs import (
    exposures_of,
    factors_named,
    portfolio_of,
    same_dates,
)


@dataclass(frozen=True, eq=False, repr=False)
class Hedge(Result):
    """A hedged portfolio, and what the hedge leaves.

    Made by `hedge`. Rows of series are dates in ascending order; on those of the warm-up of a
    rolling hedge, positions and hedged returns are NaN.

    Attributes
    ----------
    positions : DataFrame of shape (n_dates, n_hedged)
        What is held of each factor beside the portfolio, a unit of which has one unit of wealth.
    returns : Series of shape (n_dates,)
        Returns of the portfolio with its hedge.
    unhedged : Series of shape (n_dates,)
        Returns of the portfolio alone.
    betas : DataFrame of shape (n_factors, 4)
        Exposures of the unhedged returns: ``beta``, ``std_error``, ``t_value`` and ``p_value`` of
        their regression on all factors, over the dates that have hedged returns.
    remaining : DataFrame of shape (n_factors, 4)
        The same of the hedged returns.
    comparison : DataFrame of shape (2, 3)
        ``mean``, ``volatility`` and ``r2`` of the unhedged and of the hedged returns, over those
        dates.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.portfolios import hedge
    >>> french = load_french()
    >>> small_growth = french["S1V1"] - french["RF"]
    >>> hedged = hedge(french[["MktRF", "SMB", "HML"]], small_growth, names=["MktRF", "SMB"])
    >>> hedged.remaining["beta"].abs().round(3)
    factor
    MktRF    0.000
    SMB      0.000
    HML      0.184
    Name: beta, dtype: float64
    >>> hedged.comparison.round(4)
                mean  volatility      r2
    unhedged  0.0034      0.0762  0.8559
    hedged   -0.0060      0.0293  0.0285
    """

    positions: pd.DataFrame
    returns: pd.Series
    unhedged: pd.Series
    betas: pd.DataFrame
    remaining: pd.DataFrame
    comparison: pd.DataFrame

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        yield f"Returns of {len(self.returns)} dates, hedged by {self.positions.shape[1]} factors:"
        yield self.comparison
        yield "Exposures that remain:"
        yield self.remaining


def hedge(
    factors: pd.DataFrame,
    returns: pd.Series | pd.DataFrame,
    *,
    weights: pd.Series | pd.DataFrame | None = None,
    names: Sequence[str] | None = None,
    target: float | pd.Series = 0.0,
    betas: BaseEstimator | RiskModel | pd.Series | pd.DataFrame | None = None,
) -> Hedge:
    r"""Hold factor portfolios against a portfolio's exposures.

    With the exposures :math:`\beta_t` the hedge holds :math:`\beta^* - \beta_t` of each factor
    that is hedged, where :math:`\beta^*` is the target.

    Parameters
    ----------
    factors : DataFrame of shape (n_dates, n_factors)
        Returns of the factors. To hedge with them they have to be traded, and like the returns
        either in excess of the risk-free rate or long-short.
    returns : Series of shape (n_dates,) or DataFrame of shape (n_dates, n_assets)
        Returns of the portfolio; or of assets, with ``weights``.
    weights : Series of shape (n_assets,) or DataFrame of shape (n_dates, n_assets), optional
        Weights of the assets in the portfolio, for returns of assets and for a RiskModel: the
        same on all dates, or those with which the return of the same row is earned. Assets that are
        not named have a weight of 0.
    names : list of str, optional
        Factors to hedge; by default all. Exposures are those of the regression on all factors.
    target : float or Series of shape (n_hedged,), default=0.0
        Exposures that should remain, the same for all hedged factors or by factor.
    betas : estimator, RiskModel, Series (n_factors,) or DataFrame (n_dates, n_factors), optional
        How exposures are estimated from the portfolio's returns: a first pass such as
        `skfactor.FactorBetas`, whose default is in sample, one regression over all dates. Or
        known exposures, the same on all dates or those with which the return of the same row
        is earned: rolling ones, moved to the date from which on they are known, or those of the
        holdings. Where they are NaN there is no hedge. A `skfactor.risk.RiskModel` knows those of
        the assets, from which ``weights`` make the portfolio's.

    Returns
    -------
    Hedge

    Raises
    ------
    TypeError
        If returns, factors, weights, betas or target are not of the kinds above.
    ValueError
        If dates, assets or factors differ, weights are missing, or there are too few dates.

    Notes
    -----
    A date has a return of the portfolio if all assets that have a weight then have one.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.portfolios import hedge
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> weights = pd.Series(1.0 / returns.shape[1], returns.columns)
    >>> bool(hedge(factors, returns, weights=weights).remaining["beta"].abs().max() < 1e-12)
    True
    """
    if not isinstance(factors, pd.DataFrame):
        raise TypeError(
            f"factors has to be a DataFrame by date and factor; found {type(factors).__name__}."
        )
    is_portfolio = isinstance(betas, RiskModel) and isinstance(returns, pd.Series)
    portfolio = portfolio_of(returns, None if is_portfolio else weights)
    factors = factors_named(factors, factors.columns, portfolio)
    dates = time_index(portfolio)
    order: IntArray = np.arange(len(portfolio)) if dates is None else dates.argsort()
    portfolio = portfolio.iloc[order]
    factors = factors.iloc[order].set_axis(portfolio.index, axis=0)
    if isinstance(betas, RiskModel):
        betas = exposures_of(betas, returns, weights)
    if isinstance(betas, pd.Series | pd.DataFrame):
        exposures = _known(betas, returns, factors, order)
    elif betas is None or hasattr(betas, "transform"):
        exposures = _estimated(portfolio, factors, FactorBetas() if betas is None else betas)
    else:
        raise TypeError(
            "betas has to be a first pass such as FactorBetas(), a RiskModel, or exposures in a "
            f"Series or DataFrame; found {type(betas).__name__}."
        )
    wanted = _target(target, names, factors.columns)
    positions = wanted - exposures[wanted.index]
    hedged = portfolio + (positions * factors[wanted.index]).sum(axis=1, skipna=False)
    known = hedged.notna()
    if not known.any():
        raise ValueError("No date has a return, factor returns and exposures: nothing to hedge.")
    fits = [
        FactorBetas(fit_intercept=getattr(betas, "fit_intercept", True)).fit(
            factors[known], series[known]
        )
        for series in (portfolio, hedged)
    ]
    return Hedge(
        positions=positions,
        returns=hedged.rename("hedged"),
        unhedged=portfolio.rename("unhedged"),
        betas=_table_of(fits[0]),
        remaining=_table_of(fits[1]),
        comparison=pd.DataFrame(
            {
                "mean": [portfolio[known].mean(), hedged[known].mean()],
                "volatility": [portfolio[known].std(), hedged[known].std()],
                "r2": [fit.r2_.iloc[0] for fit in fits],
            },
            index=["unhedged", "hedged"],
        ),
    )


def _target(target: float | pd.Series, names: Sequence[str] | None, factors: pd.Index) -> pd.Series:
    """Exposure that each hedged factor should have."""
    if isinstance(names, str) or (names is not None and not isinstance(names, Iterable)):
        names = [names]
    hedged = list(factors) if names is None else list(names)
    unknown = [name for name in hedged if not is_among(name, factors)]
    if unknown or not hedged:
        raise ValueError(
            f"The factors {unknown or hedged} cannot be hedged; there are {list(factors)}."
        )
    if isinstance(target, pd.Series):
        lacking = [name for name in hedged if name not in target.index]
        if lacking or len(target) != len(hedged):
            raise ValueError(f"target has factors {list(target.index)}, hedged are {hedged}.")
        wanted = target[hedged].astype(np.float64)
    else:
        given: object = target
        if not isinstance(given, Real):
            raise TypeError(f"target={target!r} has to be a number, or a Series of one a factor.")
        wanted = pd.Series(float(given), index=hedged)
    if not np.isfinite(wanted).all():
        raise ValueError("target holds NaN or infinite values.")
    return wanted


def _estimated(
    portfolio: pd.Series, factors: pd.DataFrame, first_pass: BaseEstimator
) -> pd.DataFrame:
    """Exposures on each date (n_dates, n_factors), as the first pass gives them to its rows."""
    rows = pd.MultiIndex.from_product([factors.index, ["portfolio"]], names=["date", "asset"])
    X = factors.set_axis(rows, axis=0)
    exposures = clone(first_pass).fit(X, portfolio.set_axis(rows)).transform(X)
    return pd.DataFrame(np.asarray(exposures), index=factors.index, columns=factors.columns)


def _known(
    betas: pd.Series | pd.DataFrame,
    returns: pd.Series | pd.DataFrame,
    factors: pd.DataFrame,
    order: IntArray,
) -> pd.DataFrame:
    """Known exposures on each date (n_dates, n_factors), rows of the returns taken in order."""
    wide = betas.to_frame().T if isinstance(betas, pd.Series) else betas
    raise_if_repeated(wide.columns, "betas")
    lacking = [name for name in factors.columns if name not in wide.columns]
    if lacking:
        raise ValueError(f"betas has no exposures to the factors {lacking}.")
    values = numbers(wide[list(factors.columns)], "betas")
    if isinstance(betas, pd.DataFrame):
        same_dates(returns, betas, ("returns", "betas"))
        values = values[order]
    values = np.broadcast_to(values, factors.shape)
    return pd.DataFrame(values, index=factors.index, columns=factors.columns)


def _table_of(fit: FactorBetas) -> pd.DataFrame:
    """Betas of the one series with their errors and tests."""
    betas, errors = fit.betas_.to_numpy()[0], fit.std_errors_.to_numpy()[0]
    return table_of_betas(betas, errors, float(fit.df_.iloc[0]), fit.betas_.columns)

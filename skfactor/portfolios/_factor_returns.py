"""Factors as portfolios: long-short sorts, the Fama-French construction, slopes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length, has_fit_parameter

from skfactor._panel import find_panel, only_numbers_rows
from skfactor._sklearn import num_samples
from skfactor._typing import RowLabels
from skfactor._validation import which_columns
from skfactor.linear_model import FamaMacBeth
from skfactor.linear_model._panel_fit import PanelRegression
from skfactor.portfolios._returns import portfolio_returns
from skfactor.portfolios._sorter import PortfolioSorter

# Levels at which Fama and French divide size and every second characteristic.
_SIZE, _SECOND = (0.5,), (0.3, 0.7)
_UNDATED = (
    "Neither X nor returns say which dates their rows are of. Index them by (date, asset), or pass "
    "dates=."
)


def factor_returns(
    X: ArrayLike,
    returns: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    sorter: PortfolioSorter | None = None,
    low_minus_high: Sequence[Hashable] = (),
    universe: ArrayLike | None = None,
    groupby: RowLabels | None = None,
    lag: int = 0,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    date_level: str | int = "auto",
) -> pd.DataFrame:
    """Return of the highest minus the lowest portfolio of a sort by each characteristic.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_features)
        Characteristics known at the start of the period whose return stands in the same row; with
        ``lag=1``, known at its end.
    returns : Series or array-like of shape (n_rows,)
        Return of each row's asset, in decimals; an asset without one is left out for the period.
    weights : Series or array-like of shape (n_rows,), optional
        Weight of each row's asset, known as early as X. Equal by default.
    sorter : PortfolioSorter, optional
        How assets are sorted, by each column alone; by default into five portfolios.
    low_minus_high : sequence, default=()
        Names of the characteristics (positions in an array) whose factor is the lowest minus the
        highest portfolio, as for size and investment.
    universe : array-like of bool of shape (n_rows,), optional
        Which rows breakpoints are taken from.
    groupby : array-like of shape (n_rows,) or mapping from asset, optional
        Group of each row (or asset), such as its sector, within which assets are sorted.
    lag : int, default=0
        How many dates (with Periods: weeks, months ...) before its own each row takes X and weights
        from.
    dates, assets : array-like of shape (n_rows,), optional
        Date and asset of each row, if they are not in an index.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    DataFrame of shape (n_dates, n_features)
        Factor returns in decimals; NaN where one of the two portfolios has no return.

    Raises
    ------
    TypeError
        If ``sorter`` is something else than a PortfolioSorter.
    ValueError
        If the sorter combines columns or sorts one within another, ``low_minus_high`` names none
        of the columns, and as `portfolio_returns`.

    See Also
    --------
    portfolio_returns : The returns of all portfolios of a sort.

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.portfolios import PortfolioSorter, factor_returns
    >>> X, y = make_panel(n_dates=60, n_features=2, return_X_y=True, random_state=0)
    >>> factors = factor_returns(X, y, sorter=PortfolioSorter(10))
    >>> factors.mean().round(3)
    x1    0.039
    x2   -0.003
    dtype: float64
    >>> FactorBetas().fit(factors, y.unstack("asset")).betas_.shape
    (200, 2)
    """
    if sorter is not None and not isinstance(sorter, PortfolioSorter):
        raise TypeError(f"sorter has to be a PortfolioSorter; found {type(sorter).__name__}.")
    sorter = PortfolioSorter(date_level=date_level) if sorter is None else clone(sorter)
    if sorter.output != "each" or sorter.method != "independent":
        raise ValueError(
            "A factor is the highest minus the lowest portfolio of one column's own sort: pass a "
            "sorter with output='each' and method='independent', or build factors of combined "
            "portfolios from portfolio_returns."
        )
    dates = _row_dates(X, returns, dates, date_level)
    labels = sorter.fit_transform(X, dates=dates, assets=assets, universe=universe, groupby=groupby)
    names = X.columns if isinstance(X, pd.DataFrame) else sorter.get_feature_names_out()
    columns = np.asarray(labels).T
    known = list(names) if isinstance(X, pd.DataFrame) else list(range(len(columns)))
    turned = which_columns(low_minus_high, known, "low_minus_high")
    factors = {}
    for name, column, top, turn in zip(names, columns, sorter.n_portfolios_, turned, strict=True):
        table = portfolio_returns(
            pd.Series(column, index=getattr(X, "index", None)),
            returns,
            weights,
            lag=lag,
            dates=dates,
            assets=assets,
            date_level=date_level,
        ).reindex(columns=[1, top])
        factors[name] = table[1] - table[top] if turn else table[top] - table[1]
    return pd.DataFrame(factors)


def fama_french_factors(
    X: pd.DataFrame,
    returns: ArrayLike,
    factors: Mapping[str, object],
    weights: ArrayLike | None = None,
    *,
    size: Hashable = "size",
    low_minus_high: Sequence[str] = (),
    universe: ArrayLike | None = None,
    rebalance_month: int | None = None,
    lag: int = 0,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    date_level: str | int = "auto",
) -> pd.DataFrame:
    """Factors of Fama and French (1993, 2015): 2x3 sorts by size and a second characteristic.

    Assets are sorted independently at the median size and at the 30th and 70th percentile of the
    second characteristic, in the universe; the six portfolios are weighted by value. SMB is the
    average of the three small minus that of the three big portfolios, and the factor of the second
    characteristic the average of the two high minus that of the two low ones. With several second
    characteristics there is one such sort for each, and SMB is the average of theirs.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_features)
        Size and the other characteristics, known at the start of the period whose return stands
        in the same row; with ``lag=1``, known at its end.
    returns : Series or array-like of shape (n_rows,)
        Return of each row's asset, in decimals; an asset without one is left out for the period.
    factors : dict
        Name of each factor and its column of X: ``{"HML": "book_to_market", "UMD": "momentum"}``.
    weights : Series or array-like of shape (n_rows,), optional
        Weight of each row's asset, known as early as X. By default its size, which then has to be
        the market capitalization itself and not its logarithm.
    size : str, default="size"
        Column of the size.
    low_minus_high : list of str, default=()
        Factors that are low minus high, such as ``["CMA"]`` of the growth of assets.
    universe : array-like of bool of shape (n_rows,), optional
        Which rows breakpoints are taken from; in the original those listed on the NYSE.
    rebalance_month : int, optional
        Month at the end of which assets are sorted, 6 in the original, where portfolios of June
        are held from July on (``lag=1``). By default they are sorted on every date, as for UMD.
        Weights are those of each date either way.
    lag : int, default=0
        How many dates (with Periods: weeks, months ...) before its own each row takes X and weights
        from.
    dates, assets : array-like of shape (n_rows,), optional
        Date and asset of each row, if they are not in an index.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    DataFrame of shape (n_dates, 1 + n_factors)
        Returns of SMB and of the factors, in decimals; NaN where one of the six portfolios that
        they take has no return.

    Raises
    ------
    TypeError
        If X is not a DataFrame of pandas.
    ValueError
        If a column or factor is unknown, and as `portfolio_returns`.

    References
    ----------
    .. [1] Fama, E. F. and K. R. French (1993), "Common Risk Factors in the Returns on Stocks and
       Bonds", Journal of Financial Economics 33(1), 3-56.
       https://doi.org/10.1016/0304-405X(93)90023-5
    .. [2] Fama, E. F. and K. R. French (2015), "A Five-Factor Asset Pricing Model", Journal of
       Financial Economics 116(1), 1-22. https://doi.org/10.1016/j.jfineco.2014.10.010

    Examples
    --------
    >>> import numpy as np
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.portfolios import fama_french_factors
    >>> X, y = make_panel(n_dates=60, n_features=2, return_X_y=True, random_state=0)
    >>> X = X.assign(size=np.exp(5.0 + X["x2"]))
    >>> factors = fama_french_factors(X, y, {"HML": "x1"}, rebalance_month=6, lag=1)
    >>> factors.iloc[[0, -1]].round(3)
              SMB    HML
    date
    2010-01   NaN    NaN
    2014-12 -0.01  0.003
    """
    _check_names(X, factors, size, low_minus_high)
    seconds = list(dict.fromkeys(factors.values()))
    dates = _row_dates(X, returns, dates, date_level)
    sorter = PortfolioSorter(
        quantiles={size: _SIZE, **dict.fromkeys(seconds, _SECOND)},
        rebalance_month=rebalance_month,
        date_level=date_level,
    ).set_output(transform="pandas")
    labels = sorter.fit_transform(
        X[[size, *seconds]], dates=dates, assets=assets, universe=universe
    )
    weights = X[size] if weights is None else weights
    small_minus_big, columns = [], {}
    for name, second in factors.items():
        six = portfolio_returns(
            labels[[size, second]],
            returns,
            weights,
            lag=lag,
            dates=dates,
            assets=assets,
            date_level=date_level,
        )
        small = [six.get((1, level), np.nan) for level in (1, 2, 3)]
        big = [six.get((2, level), np.nan) for level in (1, 2, 3)]
        small_minus_big.append((sum(small) - sum(big)) / 3.0)
        sign = -1.0 if name in low_minus_high else 1.0
        columns[name] = sign * (small[2] + big[2] - small[0] - big[0]) / 2.0
    smb = sum(small_minus_big) / len(small_minus_big)
    return pd.DataFrame({"SMB": smb, **columns}, index=six.index)


def slope_factors(
    X: ArrayLike,
    returns: ArrayLike,
    *,
    model: FamaMacBeth | None = None,
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
) -> pd.DataFrame:
    """Returns of pure factor portfolios: the slopes of the regression of returns on each date.

    Each slope is the return of a zero-cost portfolio with exposure 1 to its characteristic and 0
    to the others (Fama, 1976); `FamaMacBeth.slope_portfolios` gives the weights.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_features)
        Exposures, known at the start of the period whose return stands in the same row.
    returns : Series or array-like of shape (n_rows,)
        Return of each row's asset, in decimals.
    model : FamaMacBeth, optional
        How the regressions are run; a model of the panel form.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row in its date's regression.
    dates : array-like of shape (n_rows,), optional
        Date of each row, if it is not in an index.

    Returns
    -------
    DataFrame of shape (n_dates, n_features)
        Factor returns in decimals for one unit of exposure; NaN on dates that cannot be estimated.

    Raises
    ------
    ValueError
        If there are no dates, returns have several columns, or none of the dates can be estimated.

    References
    ----------
    .. [1] Fama, E. F. (1976), Foundations of Finance, Basic Books, chapter 9.

    Examples
    --------
    >>> from skfactor import TradedFactorModel
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.portfolios import slope_factors
    >>> X, y = make_panel(n_dates=120, n_features=2, return_X_y=True, random_state=0)
    >>> factors = slope_factors(X, y)
    >>> TradedFactorModel().fit(factors, y.unstack("asset")).premia_.round(3)
    x1    0.009
    x2   -0.002
    Name: premium, dtype: float64
    """
    fitted: FamaMacBeth = FamaMacBeth() if model is None else clone(model)
    given: object = fitted
    if not isinstance(given, PanelRegression) or not has_fit_parameter(given, "sample_weight"):
        raise TypeError(
            "slope_factors needs a FamaMacBeth or a RidgeFamaMacBeth, which regress date by date; "
            f"found {type(fitted).__name__}. Transform X before, if it is for a pipeline."
        )
    shape = np.shape(returns)
    if not np.size(returns) or not np.size(X):
        raise ValueError("X or returns has no rows, so there is nothing to regress.")
    if len(shape) != 1:
        raise ValueError(
            f"returns has shape {shape}; pass one return per row of X. For wide returns, one "
            "column per asset, skfactor.frames.stack_characteristics makes such rows."
        )
    check_consistent_length(X, returns)
    panel = find_panel(X, returns, n_rows=shape[0], dates=dates, date_level=fitted.date_level)
    if panel is None:
        raise ValueError(_UNDATED)
    fitted.fit(X, returns, sample_weight=sample_weight, dates=dates)
    slopes: pd.DataFrame = fitted.lambdas_
    return slopes.iloc[:, 1:] if fitted.fit_intercept else slopes


def _row_dates(
    X: ArrayLike, returns: ArrayLike, dates: RowLabels | None, date_level: str | int
) -> Any:
    """What says the rows' dates: ``dates=``, X's own index, or that of the returns; else raise."""
    lost = not isinstance(X, pd.DataFrame) or only_numbers_rows(X.index)
    if dates is None and lost and isinstance(returns, pd.Series | pd.DataFrame):
        dates = None if only_numbers_rows(returns.index) else returns.index
    n_rows = num_samples(X)
    if n_rows and find_panel(X, n_rows=n_rows, dates=dates, date_level=date_level) is None:
        raise ValueError(_UNDATED)
    return dates


def _check_names(
    X: ArrayLike, factors: object, size: object, low_minus_high: Sequence[str]
) -> None:
    if not isinstance(X, pd.DataFrame):
        raise TypeError(
            f"X is a {type(X).__name__}; its columns are called by name: pass a pandas DataFrame."
        )
    if not isinstance(factors, Mapping) or not factors:
        raise ValueError(
            f'factors says which column each is made of, {{"HML": "value"}}; found {factors!r}.'
        )
    unknown = [name for name in [size, *factors.values()] if name not in X.columns]
    if unknown:
        raise ValueError(f"X has no columns {unknown}; it has {list(X.columns)}.")
    if "SMB" in factors or size in factors.values():
        raise ValueError("SMB is made of the size in any case. Leave both out of factors.")
    strange = [name for name in low_minus_high if name not in factors]
    if strange:
        raise ValueError(f"low_minus_high names {strange}; the factors are {list(factors)}.")

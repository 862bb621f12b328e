"""Prices to returns, returns to targets, wide frames to panels, dates to common ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from numbers import Integral
from typing import Any, Literal, TypeVar, TypeVarTuple, cast

import numpy as np
import pandas as pd

from skfactor._calendar import (
    by_date,
    intersection,
    match_dates,
    row_dates,
    rows_of_dates,
    span,
    to_periods,
    unique_row_dates,
)
from skfactor._dates import calendar_positions, find_date_level, has_every_period
from skfactor._kernels.look_up import find_assets
from skfactor._validation import is_one_of, numbers

Frame = TypeVar("Frame", pd.DataFrame, pd.Series)
Frames = TypeVarTuple("Frames")


def returns_from_prices(
    prices: Frame, freq: str | None = None, *, date_level: str | int = "auto"
) -> Frame:
    """Compute simple returns from prices, at any frequency, none of them across a gap.

    The price of a period is the last one there is in it. A return needs a price in its period
    and in the one before; nothing is filled forward.

    Parameters
    ----------
    prices : DataFrame of shape (n_dates, n_assets) or Series of shape (n_rows,)
        Positive prices, NaN where there is none, in any order: a wide frame indexed by datetimes or
        Periods, or one per row with a (date, asset) MultiIndex in either order.
    freq : str, optional
        Frequency of the returns, as pandas names periods: "M", "Q", "W", "D". By default that of
        a PeriodIndex, or from row to row of a DatetimeIndex.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    DataFrame of shape (n_periods - 1, n_assets) or Series of shape (n_returns,)
        Returns in decimals, from the second period on, with a PeriodIndex (with ``freq=None``:
        the kind of index that the prices have). Each week, month, quarter or year in between has
        its row, all NaN if there are no prices. Days are those that the prices have: where no
        asset has a row, the market was closed. For prices one per row, a Series of the same form
        with a row for each asset and period that has a price, in order; NaN where the period before
        has none.

    Raises
    ------
    TypeError
        If the index does not hold datetimes or Periods.
    ValueError
        If a price is not a positive and finite number, or a date (of an asset) is missing or
        occurs twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.frames import returns_from_prices
    >>> days = pd.to_datetime(["2024-01-05", "2024-01-31", "2024-02-28", "2024-04-30"])
    >>> prices = pd.DataFrame({"a": [9.0, 10.0, 11.0, 12.0], "b": [5.0, 5.0, 6.0, 3.0]}, days)
    >>> returns_from_prices(prices, "M")
               a    b
    2024-02  0.1  0.2
    2024-03  NaN  NaN
    2024-04  NaN  NaN
    """
    _check_frame(prices, "prices")
    returns: Any  # in the form of the prices
    if isinstance(prices.index, pd.MultiIndex):
        returns = _long_returns(prices, freq, date_level)
    elif isinstance(prices, pd.Series):
        returns = _wide_returns(prices.to_frame(), freq).iloc[:, 0]
    else:
        returns = _wide_returns(prices, freq)
    return returns  # type: ignore[no-any-return]  # Frame is one of the two types


def _long_returns(
    prices: pd.DataFrame | pd.Series, freq: str | None, date_level: str | int
) -> pd.Series:
    """Returns of prices one per row, in the form of the prices."""
    if isinstance(prices, pd.DataFrame):
        if prices.shape[1] != 1:
            raise ValueError(
                f"prices are indexed by {list(prices.index.names)} and have the columns "
                f"{list(prices.columns)}; one of them is the price. Pass it alone, such as "
                f"prices[{prices.columns[-1] if len(prices.columns) else 'close'!r}]."
            )
        prices = prices.iloc[:, 0]
    index = prices.index
    assert isinstance(index, pd.MultiIndex)
    row_dates(index, "prices", date_level)  # raises if one is missing
    level = find_date_level(index, date_level)
    if index.codes[1 - level].min() < 0:
        raise ValueError("Some rows of prices have no asset. Drop them, or name the asset.")
    if not index.is_unique:
        raise ValueError(
            f"The row {index[index.duplicated()][0]} of prices occurs more than once. Keep one, "
            "such as prices[~prices.index.duplicated()]."
        )
    names = list(index.names)
    wide = prices.unstack(1 - level)  # noqa: PD010 -- pivot_table would average duplicates
    returns = _wide_returns(wide, freq)
    known = wide.notna()
    if freq is not None:
        known = known.groupby(to_periods(known.index, freq)).any()
    rows = np.flatnonzero(known.reindex(returns.index, fill_value=False).to_numpy().ravel())
    stacked = pd.MultiIndex.from_product([returns.index, returns.columns])
    found = pd.Series(returns.to_numpy().ravel()[rows], index=stacked[rows], name="return")
    if level == 1:
        found = found.swaplevel().sort_index()
    return found.rename_axis(names)


def _wide_returns(prices: pd.DataFrame, freq: str | None) -> pd.DataFrame:
    if not isinstance(prices.index, pd.DatetimeIndex | pd.PeriodIndex):
        raise TypeError(
            "prices need datetimes or Periods as their index; found "
            f"{type(prices.index).__name__}. Convert it with pandas.to_datetime; of rows with "
            'columns for date, asset and price pass prices.set_index(["date", "asset"])["price"].'
        )
    text = [name for name, kind in prices.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise ValueError(
            f"The prices of {text[:5]} do not hold numbers. Convert them with pandas.to_numeric; "
            'of rows with columns for date, asset and price pass prices.set_index(["date", '
            '"asset"])["price"].'
        )
    order, _ = unique_row_dates(prices.index, "prices")
    bad = (prices <= 0.0) | (prices == np.inf)
    if bad.any(axis=None):
        raise ValueError(
            f"The prices of {list(prices.columns[bad.any()])} are not all positive and finite, "
            f"first on {prices.index[bad.any(axis=1)].min()}. Set what is not a price to NaN."
        )
    prices = prices.iloc[order]
    if freq is not None:
        prices = prices.groupby(to_periods(prices.index, freq)).last()
    index = prices.index
    if isinstance(index, pd.PeriodIndex) and has_every_period(index):
        prices = prices.reindex(pd.period_range(index[0], index[-1], name=index.name))
    return (prices / prices.shift(1) - 1.0).iloc[1:]


def _check_frame(data: object, name: str) -> None:
    if not isinstance(data, pd.DataFrame | pd.Series):
        raise TypeError(
            f"{name} has to be a DataFrame or a Series, whose index has the dates; found "
            f"{type(data).__name__}."
        )


def excess_returns(
    returns: Frame, risk_free: pd.Series, *, date_level: str | int = "auto"
) -> Frame:
    """Subtract the risk-free rate of its date from every return.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_assets) or Series of shape (n_rows,)
        Returns: a wide frame, or one per row with a (date, asset) MultiIndex in either order.
    risk_free : Series of shape (n_periods,)
        The risk-free rate of each period, in the units and at the frequency of the returns.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    DataFrame or Series
        As ``returns``, with the same index.

    Raises
    ------
    TypeError
        If ``risk_free`` is not a Series.
    ValueError
        If a date of the returns has no rate, or the dates cannot be matched.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.frames import excess_returns
    >>> french = load_french()
    >>> excess_returns(french[["NoDur", "Durbl"]], french["RF"]).tail(2)
              NoDur   Durbl
    date
    2017-02  0.0373  0.0064
    2017-03  0.0084  0.0004
    """
    _check_frame(returns, "returns")
    if not isinstance(risk_free, pd.Series):
        raise TypeError(
            f"risk_free has to be a Series of one rate per date; found {type(risk_free).__name__}. "
            "Select the column, such as french['RF']."
        )
    rates = risk_free.dropna()
    rows = rows_of_dates(rates.index, returns.index, ("risk_free", "returns"), date_level)
    return returns.sub(rates.to_numpy()[rows], axis=0)


def align_dates(*frames: *Frames) -> tuple[*Frames]:
    """Restrict wide frames or series to the dates that they share.

    Parameters
    ----------
    *frames : DataFrame or Series of shape (n_dates, ...)
        Rows are dates, in any order.

    Returns
    -------
    tuple of DataFrame or Series
        The inputs on their common dates, ascending, all with the same index. It is a PeriodIndex
        if one of the inputs has one, or if stamps match only by period; else the common dates.

    Raises
    ------
    TypeError
        If an input is neither a DataFrame nor a Series.
    ValueError
        If no date is common to all, or an input has several dates in one period. Messages count
        the inputs from 1.

    Notes
    -----
    Stamps are compared as they are and by the days, weeks (Monday to Sunday), months, quarters or
    years that they follow each other in. The way that matches more dates is taken.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.frames import align_dates
    >>> starts = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])
    >>> ends = pd.to_datetime(["2024-02-29", "2024-03-29", "2024-04-30"])
    >>> factors, returns = align_dates(
    ...     pd.DataFrame({"market": [0.01, 0.02, 0.03]}, starts),
    ...     pd.DataFrame({"a": [0.04, 0.05, 0.06]}, ends),
    ... )
    >>> factors.join(returns)
             market     a
    2024-02    0.02  0.04
    2024-03    0.03  0.05
    """
    if not frames:
        raise TypeError("Pass the DataFrames or Series to align.")
    inputs = {}
    # Cast, because a TypeVarTuple has no bound: they may be anything.
    for i, frame in enumerate(cast("tuple[object, ...]", frames), 1):
        if not isinstance(frame, pd.DataFrame | pd.Series):
            raise TypeError(
                f"Inputs have to be DataFrames or Series; input {i} is a {type(frame).__name__}."
            )
        inputs[f"input {i}"] = by_date(frame, f"input {i}")
    matched = match_dates({name: frame.index for name, frame in inputs.items()})
    common = intersection(matched)
    if len(common) == 0:
        spans = "; ".join(
            f"{name} goes {span(dates)}" for name, dates in zip(inputs, matched, strict=True)
        )
        raise ValueError(f"There is no date that all inputs have: {spans}.")
    names = [frame.index.name for frame in inputs.values() if frame.index.name is not None]
    common = common.rename(names[0] if names else None)
    aligned = tuple(
        frame.iloc[dates.get_indexer(common)].set_axis(common, axis=0)
        for frame, dates in zip(inputs.values(), matched, strict=True)
    )
    # Cast, because each has the type of the input in its place.
    return cast("tuple[*Frames]", aligned)


def repeat_factors(
    factors: pd.DataFrame, index: pd.Index, *, date_level: str | int = "auto"
) -> pd.DataFrame:
    """Repeat factor returns over the rows of a (date, asset) panel.

    Parameters
    ----------
    factors : DataFrame of shape (n_dates, n_factors)
        Factor returns, one row per date.
    index : Index of shape (n_rows,)
        The index of the panel, such as ``y.index``: date and asset, in either order.
    date_level : str or int, default="auto"
        Name or position of the date level of the index.

    Returns
    -------
    DataFrame of shape (n_rows, n_factors)
        The factors of each row's date, on ``index``: the long form of
        `skfactor.FactorBetas`.

    Raises
    ------
    TypeError
        If ``factors`` is not a DataFrame, or ``index`` is not a pandas index.
    ValueError
        If a date of the index is not among the factors, or the dates cannot be matched.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.frames import repeat_factors
    >>> factors = pd.DataFrame({"market": [0.01, 0.02]}, pd.period_range("2024-01", periods=2,
    ...                                                                  freq="M"))
    >>> ends = pd.to_datetime(["2024-01-31", "2024-02-29"])
    >>> repeat_factors(factors, pd.MultiIndex.from_product([["a", "b"], ends],
    ...                                                    names=["asset", "date"]))
                      market
    asset date
    a     2024-01-31    0.01
          2024-02-29    0.02
    b     2024-01-31    0.01
          2024-02-29    0.02
    """
    if not isinstance(index, pd.Index):
        raise TypeError(f"index has to be a pandas index; found {type(index).__name__}.")
    if not isinstance(factors, pd.DataFrame):
        raise TypeError(f"factors has to be a DataFrame; found {type(factors).__name__}.")
    rows = rows_of_dates(factors.index, index, ("factors", "index"), date_level)
    return factors.iloc[rows].set_axis(index, axis=0)


def stack_characteristics(
    characteristics: Mapping[str, pd.DataFrame], *, how: Literal["all", "any"] | None = "all"
) -> pd.DataFrame:
    """Stack wide frames, one per characteristic, to a (date, asset) panel.

    Parameters
    ----------
    characteristics : mapping of str to DataFrame of shape (n_dates, n_assets)
        One wide frame per characteristic. They need not have the same dates or assets.
    how : {"all", "any"} or None, default="all"
        Which rows to drop: those where all are NaN, where any is, or none.

    Returns
    -------
    DataFrame of shape (n_rows, n_characteristics)
        One column per characteristic; rows in order of (date, asset), the names of the levels.

    Raises
    ------
    TypeError
        If characteristics are not a mapping, or one is not a DataFrame.
    ValueError
        If there is no characteristic, a date or an asset occurs twice in one, or the dates cannot
        be matched.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.frames import stack_characteristics
    >>> months = pd.period_range("2024-01", periods=2, freq="M")
    >>> size = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, None]}, months)
    >>> value = pd.DataFrame({"a": [0.5, 0.6]}, months)
    >>> stack_characteristics({"size": size, "value": value})
                   size  value
    date    asset
    2024-01 a       1.0    0.5
            b       3.0    NaN
    2024-02 a       2.0    0.6
    """
    if not is_one_of(how, {"all", "any", None}):
        raise ValueError(f"how has to be 'all', 'any' or None; found {how!r}.")
    if not isinstance(characteristics, Mapping):
        raise TypeError(
            'characteristics has to be wide frames by name, {"size": frame}; found '
            f"{type(characteristics).__name__}."
        )
    if not characteristics:
        raise ValueError("There is no characteristic to stack.")
    frames = {}
    for name, frame in characteristics.items():
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"{name!r} has to be a wide DataFrame; found {type(frame).__name__}.")
        if not frame.columns.is_unique:
            repeated = frame.columns[frame.columns.duplicated()][0]
            raise ValueError(f"The asset {repeated!r} occurs more than once in {name!r}.")
        # Cast, because `by_date` returns what it is given, here a DataFrame.
        frames[name] = cast("pd.DataFrame", by_date(frame, repr(name)))
    matched = match_dates({repr(name): frame.index for name, frame in frames.items()})
    dates = reduce(lambda left, right: left.union(right), matched)
    assets = reduce(lambda left, right: left.union(right), [f.columns for f in frames.values()])
    assets = assets.sort_values()  # the union of equal indexes keeps their order
    values = {
        name: frame.set_axis(own, axis=0).reindex(index=dates, columns=assets).to_numpy().ravel()
        for (name, frame), own in zip(frames.items(), matched, strict=True)
    }
    index = pd.MultiIndex.from_product([dates, assets], names=["date", "asset"])
    panel = pd.DataFrame(values, index=index)
    return panel if how is None else panel.dropna(how=how)


def forward_returns(
    returns: Frame, periods: int = 1, *, horizon: int = 1, date_level: str | int = "auto"
) -> Frame:
    """Move to each row the return of the same asset that lies ahead, of one period or of several.

    ``periods=3`` is the return of the third period ahead alone; ``horizon=3`` is the compound
    return of the next three periods together.

    Parameters
    ----------
    returns : Series of shape (n_rows,) or DataFrame of shape (n_dates, n_assets)
        Returns with a (date, asset) MultiIndex in either order, or a wide frame.
    periods : int, default=1
        How far ahead the return begins, at least 1.
    horizon : int, default=1
        Number of periods whose simple returns are compounded, the first of them ``periods`` ahead.
        Such returns overlap from date to date: name the same horizon to
        `skfactor.model_selection.walk_forward_predict` and `skfactor.metrics.evaluate_forecasts`.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    Series or DataFrame
        As ``returns``, rows in the same order. A Series without a name is called
        "forward_return". NaN where the asset has no return on just that date, or on any one of the
        horizon, the last dates included.

    Raises
    ------
    ValueError
        If ``periods`` or ``horizon`` is not a positive integer, or a row has no date or asset or
        occurs twice.

    Notes
    -----
    Ahead is counted on one calendar for all assets, so an asset that pauses gets NaN and never a
    later return. With Periods of a week or longer it is their own calendar, else the dates that
    occur in the index.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.frames import forward_returns
    >>> index = pd.MultiIndex.from_tuples(
    ...     [("2024-01", "a"), ("2024-02", "a"), ("2024-03", "a"), ("2024-01", "b"),
    ...      ("2024-03", "b")], names=["date", "asset"])
    >>> forward_returns(pd.Series([0.01, 0.02, 0.03, 0.04, 0.05], index))
    date     asset
    2024-01  a        0.02
    2024-02  a        0.03
    2024-03  a         NaN
    2024-01  b         NaN
    2024-03  b         NaN
    Name: forward_return, dtype: float64
    """
    _check_frame(returns, "returns")
    for number, name in ((periods, "periods"), (horizon, "horizon")):
        if not isinstance(number, Integral) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} has to be an integer of at least 1; found {number!r}.")
    index = returns.index
    codes, dates = row_dates(index, "returns", date_level)
    assets, n_assets = np.zeros(len(index), dtype=np.int64), 1
    if isinstance(index, pd.MultiIndex):
        level = 1 - find_date_level(index, date_level)
        assets, labels = pd.factorize(index.get_level_values(level))
        if (assets < 0).any():
            raise ValueError("Some rows of returns have no asset. Drop them, or name the asset.")
        n_assets = len(labels)
    if not index.is_unique:
        raise ValueError(f"The row {index[index.duplicated()][0]} occurs more than once.")
    calendar = calendar_positions(dates)
    places = (calendar - calendar[0])[codes]
    found = [
        find_assets(places, places + periods + later, assets, n_assets)
        for later in range(int(horizon))
    ]
    placed: Any = returns.set_axis(pd.RangeIndex(len(index)), axis=0)
    ahead = placed.reindex(found[0])
    if horizon > 1:
        numbers(returns, "returns")  # or raise
        growth = 1.0 + placed.astype(np.float64)
        ahead = growth.reindex(found[0])
        for rows in found[1:]:
            ahead = ahead * growth.reindex(rows).to_numpy()
        ahead = ahead - 1.0
    ahead = ahead.set_axis(index, axis=0)
    if isinstance(ahead, pd.Series) and ahead.name is None:
        ahead = ahead.rename("forward_return")
    return ahead  # type: ignore[no-any-return]  # Frame is one of the two types

"""From weights to what they earn, trade and cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from skfactor._kernels.holdings import Account, account_holdings
from skfactor._panel import check_same_rows, find_panel, time_index
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor._validation import counted, is_one_of, numbers, raise_if_repeated


@dataclass(frozen=True, eq=False, repr=False)
class HeldPortfolio(Result):
    """What a portfolio earned, traded and cost on each date.

    Made by `hold_portfolio` and `long_short`. All series but the weights have one value per date
    and are shares of the wealth at its start.

    Attributes
    ----------
    weights : Series or DataFrame
        Weights that earned the returns, in the form of those passed in.
    returns : Series of shape (n_dates,)
        Returns before costs.
    turnover : Series of shape (n_dates,)
        What was bought plus what was sold; half of it is the one-way turnover. Building the first
        portfolio is part of it.
    costs : Series of shape (n_dates,)
        Costs of the trades.
    n_missing : Series of shape (n_dates,)
        Assets that had a weight and no return.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.portfolios import hold_portfolio
    >>> industries = load_french().loc["2016":, "NoDur":"Other"]
    >>> held = hold_portfolio(industries * 0.0 + 1.0 / 12.0, industries, costs=0.001)
    >>> held.to_frame().tail(2).round(4)
             return  turnover  cost  net_return
    date
    2017-02  0.0302    0.0150   0.0      0.0302
    2017-03  0.0013    0.0189   0.0      0.0013
    """

    weights: pd.Series | pd.DataFrame
    returns: pd.Series
    turnover: pd.Series
    costs: pd.Series
    n_missing: pd.Series

    @property
    def net_returns(self) -> pd.Series:
        """Returns after costs; wealth grows by 1 plus these."""
        return (self.returns - self.costs).rename("net_return")

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        missing = int(self.n_missing.sum())
        yield f"A portfolio held over {len(self.returns)} dates, {missing} positions without return"
        yield self.to_frame()

    def to_frame(self) -> pd.DataFrame:
        """One row per date: ``return``, ``turnover``, ``cost`` and ``net_return``."""
        return pd.concat([self.returns, self.turnover, self.costs, self.net_returns], axis=1)


def hold_portfolio(
    weights: pd.Series | pd.DataFrame,
    returns: pd.Series | pd.DataFrame,
    *,
    costs: float | pd.Series = 0.0,
    drift: bool = True,
    missing: str = "rescale",
    date_level: str | int = "auto",
) -> HeldPortfolio:
    """Account for holding the weights of each date over the return in the same row.

    Parameters
    ----------
    weights : Series of shape (n_rows,) or DataFrame of shape (n_dates, n_assets)
        Weights indexed by (date, asset), or a wide frame; 0, or no row, is not a position. They are
        shares of the wealth at the start of the date; the rest is held in cash.
    returns : Series or DataFrame
        Simple returns of the same rows. The return in a row is earned after its weight was set:
        where weights are dated by what they were made from, pass
        `skfactor.frames.forward_returns`.
    costs : float or Series of shape (n_assets,), default=0.0
        Cost of trading one unit, in decimals, of every or of each asset: 0.001 is 10 basis points
        of what is bought and of what is sold.
    drift : bool, default=True
        Whether trades start from the weights that the last date's returns left behind, or, as is
        sometimes done, from those that were set then.
    missing : {"rescale", "raise"}, default="rescale"
        What to do about a position without a return: leave it out, as if it had not been taken,
        and scale up the others of its leg (long or short), as an average over the leg's returns
        does; or raise. Where no position of a leg has a return, that of the portfolio is NaN.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    HeldPortfolio

    Raises
    ------
    ValueError
        If weights or costs hold NaN, rows differ, there are none, an asset that is held has a
        return below -1, or the portfolio loses all its wealth.

    Notes
    -----
    Costs are paid at the end of the date out of the wealth, and cash earns nothing (so returns in
    excess of the risk-free rate give excess returns): wealth grows by 1 + R - C, and a weight w
    becomes w (1 + r) / (1 + R - C). After a date whose return is NaN the drifted weights, and so
    the turnover and costs of the next date, are unknown and NaN.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.portfolios import hold_portfolio
    >>> months = pd.period_range("2024-01", periods=2, freq="M", name="date")
    >>> weights = pd.DataFrame({"a": [1.0, 1.0], "b": [-1.0, -1.0]}, index=months)
    >>> returns = pd.DataFrame({"a": [0.10, 0.02], "b": [0.0, 0.01]}, index=months)
    >>> hold_portfolio(weights, returns, costs=0.01).to_frame().round(4)
             return  turnover    cost  net_return
    date
    2024-01    0.10    2.0000  0.0200      0.0800
    2024-02    0.01     0.0926  0.0009     0.0091
    """
    if not is_one_of(missing, {"rescale", "raise"}):
        raise ValueError(f"missing={missing!r} has to be 'rescale' or 'raise'.")
    rows = _Rows.of(weights, returns, date_level)
    earned = rows.returns
    _raise_if_more_than_all_lost(rows)
    absent = (rows.weights != 0.0) & np.isnan(earned)
    n_dates = len(rows.dates)
    n_missing = np.bincount(rows.date_codes[absent], minlength=n_dates)
    if absent.any() and missing == "raise":
        raise ValueError(
            f"On {counted(np.count_nonzero(n_missing), 'date')} "
            f"{counted(np.count_nonzero(absent), 'position')} without a return. Pass "
            "missing='rescale' to leave them out."
        )
    held = rows.weights
    if absent.any():
        held = _without(absent, held, rows.date_codes, n_dates)
    account = _account(rows, held, _unit_costs(costs, rows.assets), drift)
    return HeldPortfolio(
        weights=rows.like(held, weights),
        returns=pd.Series(account.returns, index=rows.dates, name="return"),
        turnover=pd.Series(account.turnover, index=rows.dates, name="turnover"),
        costs=pd.Series(account.costs, index=rows.dates, name="cost"),
        n_missing=pd.Series(n_missing, index=rows.dates, name="n_missing"),
    )


@dataclass(frozen=True)
class _Rows:
    """Weights and returns of (date, asset) pairs, in any order."""

    weights: Float64Array  # (n_rows,)
    returns: Float64Array  # (n_rows,)
    date_codes: IntArray  # (n_rows,)
    asset_codes: IntArray  # (n_rows,)
    dates: pd.Index
    assets: pd.Index

    @classmethod
    def of(
        cls,
        weights: pd.Series | pd.DataFrame,
        returns: pd.Series | pd.DataFrame,
        date_level: str | int,
    ) -> Self:
        """Check weights and returns of the same form."""
        both = (weights, returns)
        for data, name in zip(both, ("weights", "returns"), strict=True):
            if np.ndim(data) and not np.size(data):
                raise ValueError(f"{name} is empty, so there is nothing to hold.")
        if all(isinstance(x, pd.Series) for x in both) and len(weights) != len(returns):
            raise ValueError(
                f"weights has {len(weights)} rows, returns has {len(returns)}. Rows are not "
                "aligned by label: pass returns.reindex(weights.index)."
            )
        if all(isinstance(data, pd.Series) for data in both):
            return cls._of_panel(*both, date_level)  # type: ignore[arg-type]  # just checked
        if all(isinstance(data, pd.DataFrame) for data in both):
            return cls._of_wide(*both)  # type: ignore[arg-type]  # just checked
        found = " and ".join(type(data).__name__ for data in both)
        raise TypeError(
            "weights and returns have to be two Series by (date, asset) or two wide DataFrames; "
            f"found {found}."
        )

    @classmethod
    def _of_panel(cls, weights: pd.Series, returns: pd.Series, date_level: str | int) -> Self:
        check_same_rows(weights, returns, "returns", x_name="weights")
        panel = find_panel(weights, n_rows=len(weights), date_level=date_level)
        if panel is None or panel.assets is None:
            raise ValueError("weights has to be indexed by (date, asset), or be a wide frame.")
        return cls(
            _weights(weights),
            numbers(returns, "returns"),
            panel.dates.codes,
            panel.assets.codes,
            panel.dates.labels,
            panel.assets.labels,
        )

    @classmethod
    def _of_wide(cls, weights: pd.DataFrame, returns: pd.DataFrame) -> Self:
        raise_if_repeated(weights.columns, "weights")
        raise_if_repeated(returns.columns, "returns")
        unknown = weights.columns.difference(returns.columns)
        if len(unknown):
            raise ValueError(f"The assets {list(unknown)} of weights are not in returns.")
        if len(weights) != len(returns):
            raise ValueError(
                f"weights has {len(weights)} dates, returns has {len(returns)}. "
                "skfactor.frames.align_dates restricts them to common dates."
            )
        check_same_rows(weights, returns, "returns", x_name="weights")
        dates = time_index(weights)
        if dates is None:
            raise ValueError("The rows of weights are only numbered. Set its dates as index.")
        order, (n_dates, n_assets) = dates.argsort(), weights.shape
        place = np.empty(n_dates, dtype=np.intp)
        place[order] = np.arange(n_dates)
        return cls(
            _weights(weights).ravel(),
            numbers(returns[weights.columns], "returns").ravel(),
            np.repeat(place, n_assets),
            np.tile(np.arange(n_assets), n_dates),
            dates[order],
            weights.columns,
        )

    def like(
        self, weights: Float64Array, model: pd.Series | pd.DataFrame
    ) -> pd.Series | pd.DataFrame:
        """Weights (n_rows,) in the form of those passed in."""
        if isinstance(model, pd.Series):
            return pd.Series(weights, index=model.index, name=model.name)
        return pd.DataFrame(weights.reshape(model.shape), model.index, model.columns)


def _raise_if_more_than_all_lost(rows: _Rows) -> None:
    """Raise if a position has a return that no asset can have."""
    lost = np.flatnonzero((rows.weights != 0.0) & (rows.returns < -1.0))
    if len(lost):
        first = lost[np.argmin(rows.date_codes[lost])]
        raise ValueError(
            f"{counted(len(lost), 'return')} below -1, more than a total loss; the first is "
            f"{rows.returns[first]:g} of {rows.assets[rows.asset_codes[first]]} on "
            f"{rows.dates[rows.date_codes[first]]}. Codes of missing returns such as -99 have to "
            "be NaN, and percents have to be divided by 100. (An excess return of a total loss "
            "may be below -1: clip it, returns.clip(lower=-1).)"
        )


def _weights(weights: pd.Series | pd.DataFrame) -> Float64Array:
    values = numbers(weights, "weights")
    if np.isnan(values).any():
        raise ValueError(f"weights holds {np.isnan(values).sum()} NaN. Pass 0 for no position.")
    return values


def _unit_costs(costs: float | pd.Series, assets: pd.Index) -> Float64Array:
    """Costs of trading one unit of each asset (n_assets,)."""
    if isinstance(costs, pd.Series):
        unknown = assets.difference(costs.index)
        if len(unknown):
            raise ValueError(f"costs has no value for the assets {list(unknown[:5])}.")
        values = numbers(costs.loc[assets], "costs")
    else:
        values = np.full(len(assets), costs, dtype=np.float64)
    if not (values >= 0.0).all() or np.isinf(values).any():
        raise ValueError("costs have to be finite and at least 0, such as 0.001 a unit traded.")
    return values


def _without(
    absent: BoolArray, weights: Float64Array, date_codes: IntArray, n_dates: int
) -> Float64Array:
    """Weights without the absent rows, the others of their legs scaled up to the same sum.

    Those of a leg of which nothing would be left stay as they are.
    """
    present = np.where(absent, 0.0, weights)
    out = weights.copy()
    for leg in (weights > 0.0, weights < 0.0):
        whole, left = (
            np.bincount(date_codes[leg], values[leg], minlength=n_dates)
            for values in (weights, present)
        )
        some = left != 0.0
        scale = np.divide(whole, left, out=np.zeros(n_dates), where=some)
        rows = leg & some[date_codes]
        out[rows] = (present * scale[date_codes])[rows]
    return out


def _account(rows: _Rows, weights: Float64Array, unit_costs: Float64Array, drift: bool) -> Account:
    """Account for the positions in order of dates; raise if nothing is left of the wealth."""
    held = np.flatnonzero(weights)
    held = held[np.argsort(rows.date_codes[held], kind="stable")]
    n_positions = np.bincount(rows.date_codes[held], minlength=len(rows.dates))
    offsets = np.concatenate(([0], np.cumsum(n_positions)))
    with np.errstate(divide="ignore", invalid="ignore"):
        account = account_holdings(
            weights[held], rows.returns[held], rows.asset_codes[held], offsets, unit_costs, drift
        )
    ruined = account.returns - account.costs <= -1.0
    if ruined.any() and drift:
        raise ValueError(
            f"On {rows.dates[ruined][0]} the portfolio loses all its wealth. Returns have to be in "
            "decimals (0.01 is one percent); else hold smaller positions."
        )
    return account

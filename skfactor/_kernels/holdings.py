"""What holding and trading the given weights earns and costs, date after date."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from skfactor._typing import Float64Array, IntArray


class Account(NamedTuple):
    """Per date (n_dates,), as shares of the wealth before trading."""

    returns: Float64Array
    turnover: Float64Array
    costs: Float64Array


def account_holdings(
    weights: Float64Array,
    returns: Float64Array,
    assets: IntArray,
    offsets: IntArray,
    unit_costs: Float64Array,
    drift: bool,
) -> Account:
    """Return, turnover and costs of weights (n_rows,) that are set at the start of each date.

    Rows are in order of dates, whose segments have the ``offsets``; ``assets`` are codes into
    ``unit_costs`` (n_assets,), the cost of trading one unit. Trades are the weights minus those
    that the last date left behind: w (1 + r) / (1 + R - C) with its return R and costs C, or w
    without ``drift``. Where a return is NaN so are those of its date and, with ``drift``, the
    trades of the next.
    """
    n_dates = len(offsets) - 1
    dates = np.repeat(np.arange(n_dates), np.diff(offsets))
    earned = _sums(weights * returns, dates, n_dates)
    left = weights * (1.0 + returns) if drift else weights
    date, now, before, unit = _trades(weights, left, dates, assets, unit_costs, n_dates)
    growth = 1.0 + earned if drift else np.ones(n_dates)
    starts = np.searchsorted(date, np.arange(n_dates + 1))
    if drift and unit.any():
        for t, (start, stop) in enumerate(pairwise(starts)):  # costs slow growth, which costs
            rows = slice(start, stop)
            trades = np.abs(now[rows] - before[rows] / (growth[t - 1] if t else 1.0))
            cost = trades @ unit[rows]
            growth[t] -= 0.0 if np.isnan(cost) else cost
    grown = np.concatenate(([1.0], growth[:-1]))
    trades = np.abs(now - before / grown[date])
    return Account(earned, _sums(trades, date, n_dates), _sums(trades * unit, date, n_dates))


def _sums(values: Float64Array, dates: IntArray, n_dates: int) -> Float64Array:
    """Sums of values (n,) by date (n_dates,)."""
    sums: Float64Array = np.bincount(dates, values, n_dates).astype(np.float64, copy=False)
    return sums


def _trades(
    weights: Float64Array,
    left: Float64Array,
    dates: IntArray,
    assets: IntArray,
    unit_costs: Float64Array,
    n_dates: int,
) -> tuple[IntArray, Float64Array, Float64Array, Float64Array]:
    """Of all who are held on a date or were on the one before, in order of dates.

    The date, the weight now, what was left of the one before, and the cost of trading one unit.
    """
    n_assets = np.int64(len(unit_costs))
    cells = dates.astype(np.int64) * n_assets + assets
    order = np.argsort(cells, kind="stable")  # of rows that are in order it takes one look
    cells = cells[order]
    place = np.minimum(np.searchsorted(cells, cells + n_assets), max(len(cells) - 1, 0))
    stays = cells[place] == cells + n_assets
    before = np.zeros(len(cells))
    before[place[stays]] = left[order][stays]
    sold = np.flatnonzero(~stays & (dates[order] < n_dates - 1))
    date = np.concatenate([dates[order], dates[order][sold] + 1])
    now = np.concatenate([weights[order], np.zeros(len(sold))])
    before = np.concatenate([before, left[order][sold]])
    unit = unit_costs[np.concatenate([assets[order], assets[order][sold]])]
    by_date = np.argsort(date, kind="stable")
    return date[by_date], now[by_date], before[by_date], unit[by_date]

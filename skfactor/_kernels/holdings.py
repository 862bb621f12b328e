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
    account = Account(*np.empty((3, len(offsets) - 1)))
    before = np.zeros(len(unit_costs))
    for date, (start, stop) in enumerate(pairwise(offsets)):
        held, w, r = assets[start:stop], weights[start:stop], returns[start:stop]
        trades = -before
        trades[held] += w
        np.abs(trades, out=trades)
        earned, cost = w @ r, trades @ unit_costs
        account.returns[date], account.costs[date] = earned, cost
        account.turnover[date] = trades.sum()
        before = np.zeros(len(unit_costs))
        if np.isnan(earned) and drift:
            before[:] = np.nan
            continue
        growth = 1.0 + earned - (0.0 if np.isnan(cost) else cost)
        before[held] = w * (1.0 + r) / growth if drift else w
    return account

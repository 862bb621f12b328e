"""When portfolios are formed, which formation a date uses, and where its assets were then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skfactor._dates import calendar_positions
from skfactor._kernels.look_up import find_assets
from skfactor._kernels.segments import segments_from_codes
from skfactor._panel import Labels, Panel
from skfactor._typing import BoolArray, IntArray

# More dates than any sample has, and a number that NumPy takes.
_MANY = 2**31


def check_schedule(lag: Any, every: Any, month: Any) -> None:
    """Raise ``ValueError`` unless the three are whole numbers in their range."""
    for name, value, least, most in (
        ("lag", lag, 0, _MANY),
        ("rebalance_every", every, 1, _MANY),
        ("rebalance_month", 1 if month is None else month, 1, 12),
    ):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            limits = f"from {least} " + ("on" if most == _MANY else f"to {most}")
            raise ValueError(f"{name} has to be a whole number {limits}; found {value!r}.")


def formation_dates(dates: pd.Index, every: int, month: int | None) -> BoolArray:
    """On which of the ascending dates portfolios are formed."""
    if month is None:
        on_schedule: BoolArray = np.arange(len(dates)) % every == 0
        return on_schedule
    if every != 1:
        raise ValueError(
            f"rebalance_every={every} and rebalance_month={month} are two schedules. Give one."
        )
    if not isinstance(dates, pd.DatetimeIndex | pd.PeriodIndex):
        raise ValueError(
            "rebalance_month needs datetimes or Periods, because other dates have no month; found "
            f"{dates[0]}. Convert them with pandas.to_datetime or pandas.PeriodIndex."
        )
    months: IntArray = np.asarray(dates.year * 12 + dates.month)
    last_of_month = np.append(np.diff(months) != 0, True)
    formed = last_of_month & np.equal(dates.month, month)
    if not formed.any():
        raise ValueError(
            f"None of the {len(dates)} dates from {dates[0]} to {dates[-1]} is in month {month}, "
            "so no portfolio is formed. Pass the rows of such a month too."
        )
    return formed


def formations_used(dates: pd.Index, formed: BoolArray, lag: int) -> IntArray:
    """Position of the last formation at least ``lag`` dates before each date, -1 where none is."""
    positions = calendar_positions(dates)
    known = np.searchsorted(positions, positions - lag, side="right") - 1
    last = np.where(formed, np.arange(len(dates)), -1)
    np.maximum.accumulate(last, out=last)
    used: IntArray = np.where(known >= 0, last[known], -1)
    return used


def same_assets(dates: Labels, assets: Labels, source: IntArray) -> IntArray:
    """For each row, the row of the same asset on the date ``source[date]``, -1 where none is."""
    return find_assets(dates.codes, source[dates.codes], assets.codes, len(assets))


def rows_on(panel: Panel, formed: BoolArray) -> Panel:
    """The panel of the rows on dates of formation."""
    place = np.cumsum(formed) - 1
    codes = place[panel.dates.codes[formed[panel.dates.codes]]]
    dates = Labels(codes, panel.dates.labels[formed])
    return Panel(dates, None, segments_from_codes(codes)[0])

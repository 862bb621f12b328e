"""Yearly and quarterly accounts on the rows of a panel, from when they were known."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skfactor._calendar import row_dates
from skfactor._dates import calendar_format, find_date_level, is_time
from skfactor._spans import Size, check_size, unit_of
from skfactor._typing import IntArray
from skfactor._validation import is_among

Frame = TypeVar("Frame", pd.DataFrame, pd.Series)
_Times = NDArray[np.datetime64]
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_DAYS = {"D": 1, "W": 7}


def carry_forward(
    accounts: Frame,
    index: pd.MultiIndex,
    *,
    lag: Size = "6ME",
    max_age: Size = "18ME",
    known_from: Hashable = None,
) -> Frame:
    """Give each row of a panel the latest accounts of its asset that were known on its date.

    Parameters
    ----------
    accounts : DataFrame of shape (n_accounts, n_columns) or Series
        Yearly or quarterly numbers, indexed by (date, asset), in either order: the date is the end
        of the period that they are about.
    index : MultiIndex of shape (n_rows,)
        The rows of the panel: date and asset, in either order. What is known at the end of a
        row's date counts as known.
    lag : int or offset, default="6ME"
        How long after their date accounts are known. An offset such as "6ME" or "90D", or a number
        of dates of the panel.
    max_age : int or offset, default="18ME"
        How long after their date accounts are used at most.
    known_from : label, optional
        A column of ``accounts`` with the date of publication. From then on they are known, and
        ``lag`` holds where it is missing. The column is not part of the result.

    Returns
    -------
    DataFrame or Series of shape (n_rows, n_columns)
        On ``index``, in its order; NaN where no accounts were known, or only too old ones. A
        number that the latest accounts lack is NaN, too: it is not taken from earlier ones.

    Raises
    ------
    TypeError
        If ``accounts`` or ``index`` are of another type.
    ValueError
        If dates are not datetimes or Periods, an asset has two accounts of one date (with
        ``known_from``: also known on the same date), accounts were published before their date, no
        asset is in both, or nothing is known on any row.

    Notes
    -----
    Months, quarters and years are counted by the calendar, as in the splitters of
    `skfactor.model_selection`: accounts of any day of December are known from the end of June on
    with "6ME". Where each month has one date, it stands for the end of its month, on whatever day
    it is stamped; daily rows have to reach the last day of June. Days and dates of publication are
    compared with the stamp itself (of Periods, with the end). A Period of ``accounts`` ends on its
    last day. The default is the rule of [1]_.

    References
    ----------
    .. [1] Fama, E. F. and K. R. French (1992), "The Cross-Section of Expected Stock Returns",
       Journal of Finance 47(2), 427-465. https://doi.org/10.1111/j.1540-6261.1992.tb04398.x

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.frames import carry_forward
    >>> years = pd.PeriodIndex(["2022", "2023"], freq="Y")
    >>> accounts = pd.DataFrame({"book": [10.0, 12.0]},
    ...     pd.MultiIndex.from_product([years, ["a"]], names=["date", "asset"]))
    >>> months = pd.period_range("2024-04", periods=4, freq="M")
    >>> index = pd.MultiIndex.from_product([months, ["a"]], names=["date", "asset"])
    >>> carry_forward(accounts, index)
                   book
    date    asset
    2024-04 a      10.0
    2024-05 a      10.0
    2024-06 a      12.0
    2024-07 a      12.0
    """
    if not isinstance(accounts, pd.DataFrame | pd.Series):
        raise TypeError(
            f"accounts has to be a DataFrame or a Series; found {type(accounts).__name__}."
        )
    for labels, name in ((accounts.index, "accounts"), (index, "index")):
        if not isinstance(labels, pd.MultiIndex):
            raise TypeError(
                f"The rows of {name} have to be indexed by date and asset; found "
                f"{type(labels).__name__}. Use set_index(['date', 'asset']), or "
                "skfactor.frames.panel_from_long."
            )
    for size, name in ((lag, "lag"), (max_age, "max_age")):
        check_size(size, name, minimum=0)
    date_of, dates, asset_of, assets = _rows(index, "index")
    # Cast, because just checked.
    from_date, account_dates, from_asset, account_assets = _rows(
        cast("pd.MultiIndex", accounts.index), "accounts"
    )
    asset_of_account = _match_assets(account_assets, assets)[from_asset]
    row_ends, ends = _ends(dates), _last_days(account_dates)
    known = _places(ends, dates, lag, "lag")[from_date]
    last = _places(ends, dates, max_age, "max_age", side="right")[from_date] - 1
    published = np.zeros(len(accounts), dtype=np.int64)
    values: Any = accounts
    if known_from is not None:
        times = _publication_dates(accounts, known_from, ends[from_date])
        told = ~np.isnat(times)
        known[told] = np.searchsorted(row_ends, times[told])
        published = times.astype(np.int64)
        values = accounts.drop(columns=[known_from])
    _check_unique(accounts.index, from_date, asset_of_account, published)
    rows = _latest(
        asset_of * np.int64(len(dates) + 1) + date_of,
        asset_of_account,
        known,
        last,
        np.lexsort((published, from_date, asset_of_account)),
        len(dates) + 1,
    )
    if (rows < 0).all():
        raise ValueError(
            "No accounts are known on any row: those of the assets of index go from "
            f"{account_dates[0]} to {account_dates[-1]}, the rows from {dates[0]} to {dates[-1]}, "
            f"with lag={lag!r} and max_age={max_age!r}."
        )
    carried = values.reset_index(drop=True).reindex(rows)
    return carried.set_axis(index, axis=0)  # type: ignore[no-any-return]  # a frame or a series, as the accounts


def _rows(index: pd.MultiIndex, name: str) -> tuple[IntArray, pd.Index, IntArray, pd.Index]:
    """Date and asset of each row: places in ascending dates, and in assets."""
    codes, dates = row_dates(index, name)
    if not is_time(dates):
        form = calendar_format(dates)
        how = "" if form is None else f"(dates.astype(str), format={form!r})"
        raise ValueError(
            f"The dates of {name} have to be datetimes or Periods; found {dates[0]!r}. Convert "
            f"them with pandas.to_datetime{how}, or read the table with "
            "skfactor.frames.panel_from_long."
        )
    level = 1 - find_date_level(index)
    assets_of = np.asarray(index.codes[level], dtype=np.int64)
    if assets_of.min() < 0:
        raise ValueError(f"Some rows of {name} have no asset. Drop them, or name the asset.")
    return codes.astype(np.int64), dates, assets_of, index.levels[level]


def _match_assets(of_accounts: pd.Index, assets: pd.Index) -> IntArray:
    """For each asset of the accounts its place among those of the rows, or -1."""
    found: IntArray = assets.get_indexer(of_accounts)
    if (found < 0).all():
        raise ValueError(
            f"No asset of accounts, such as {of_accounts[0]}, is in index, with assets such as "
            f"{assets[0]}. Bring them to one kind of code, of one type: they are "
            f"{of_accounts.dtype} and {assets.dtype}."
        )
    return found


def _ends(dates: pd.Index) -> _Times:
    """Last moment of each date."""
    if isinstance(dates, pd.PeriodIndex):
        dates = dates.end_time
    return np.asarray(pd.DatetimeIndex(dates).tz_localize(None), dtype="datetime64[ns]")


def _last_days(dates: pd.Index) -> _Times:
    """Stamps as they are, and the last day of each Period."""
    return (
        _ends(dates).astype("datetime64[D]") if isinstance(dates, pd.PeriodIndex) else _ends(dates)
    )


def _places(
    ends: _Times,
    dates: pd.Index,
    size: Size,
    name: str,
    side: Any = "left",
) -> IntArray:
    """First of the dates (n,) that lies the size after each end, or with "right" the one after."""
    row_ends = _ends(dates)
    if isinstance(size, int | np.integer):
        places = np.searchsorted(row_ends, ends).astype(np.int64) + int(size)
        return np.minimum(places + int(side == "right"), len(dates))
    unit, length = unit_of(size, name)
    kind = unit.partition("-")[0]
    if kind in _MONTHS:
        months = ends.astype("datetime64[M]") + np.timedelta64(length * _MONTHS[kind], "M")
        row_months = row_ends.astype("datetime64[M]")
        if (np.diff(row_months).astype(int) > 0).all():  # one date per month stands for its end
            return np.searchsorted(row_months, months, side=side).astype(np.int64)
        until = (months + np.timedelta64(1, "M")).astype("datetime64[D]")
        until -= np.timedelta64(int(side == "left"), "D")
        # From the last day on, or through its last moment.
        return np.searchsorted(row_ends, until).astype(np.int64)
    if kind in _DAYS:
        until = ends + np.timedelta64(length * _DAYS[kind], "D")
    elif kind == "B":
        until = np.busday_offset(ends.astype("datetime64[D]"), length, roll="backward")
    else:
        raise ValueError(f"{name}={size!r} is shorter than a day. Pass days, such as '90D'.")
    return np.searchsorted(row_ends, until, side=side).astype(np.int64)


def _publication_dates(accounts: Any, known_from: Hashable, ends: _Times) -> _Times:
    if isinstance(accounts, pd.Series) or not is_among(known_from, accounts.columns):
        found = "a Series" if isinstance(accounts, pd.Series) else list(accounts.columns)
        raise ValueError(f"known_from={known_from!r} is not a column of accounts: {found}.")
    column = pd.Index(accounts[known_from])
    if not is_time(column):
        raise ValueError(
            f"known_from={known_from!r} has to hold datetimes or Periods; found {column.dtype}. "
            "Convert it with pandas.to_datetime."
        )
    times = _last_days(column).astype("datetime64[ns]")
    early = times.astype("datetime64[D]") < ends.astype("datetime64[D]")
    if early.any():
        row = int(np.argmax(early))
        raise ValueError(
            f"{int(early.sum())} accounts were published before their own date, the first are "
            f"{accounts.index[row]}, on {column[row]}. Correct the date, or set it to NaT, where "
            "lag= holds."
        )
    return times


def _check_unique(
    index: pd.Index, dates_of: IntArray, assets_of: IntArray, published: IntArray
) -> None:
    keys = pd.DataFrame({"date": dates_of, "asset": assets_of, "published": published})
    again = keys.duplicated().to_numpy() & (assets_of >= 0)
    if again.any():
        raise ValueError(
            f"{int(again.sum())} accounts have the asset and the date of others, the first "
            f"are {index[int(np.argmax(again))]}. Keep one of each, such as "
            "accounts[~accounts.index.duplicated(keep='last')]."
        )


def _latest(
    rows: IntArray, assets: IntArray, known: IntArray, last: IntArray, order: IntArray, step: int
) -> IntArray:
    """For each row the number of its accounts, or -1; rows are asset times step plus place.

    ``order`` lists the accounts by asset, date and publication.
    """
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    keys = assets * np.int64(step) + np.minimum(known, step - 1)
    by_known = np.lexsort((rank, keys))
    by_known = by_known[assets[by_known] >= 0]
    # Earlier accounts that were published after later ones change nothing.
    best = order[np.maximum.accumulate(rank[by_known])]
    place = np.searchsorted(keys[by_known], rows, side="right") - 1
    found = best[np.maximum(place, 0)]
    asset, position = np.divmod(rows, step)
    valid = (place >= 0) & (assets[found] == asset) & (position <= last[found])
    return np.where(valid, found, -1)

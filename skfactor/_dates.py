"""What is a date, which index level holds the dates, and how far apart two of them are."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pandas as pd

from skfactor._typing import IntArray

_DATE_NAMES = frozenset(
    {
        *("date", "dates", "datetime", "day", "ds", "eom", "month", "period", "time"),
        *("timestamp", "year", "yyyymm", "yyyymmdd"),
    }
)
# Formats whose text sorts as time does: 2020, 2020-01, 2020-01-31, with a time of day, 202001, ...
_ISO_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?)?|\d{6}|\d{8}")


def find_date_level(index: pd.MultiIndex, date_level: str | int = "auto") -> int:
    """Position of the date level of a two-level (date, asset) index.

    It is the level named like a date, else the only level of datetimes or periods.
    """
    names = list(index.names)
    if index.nlevels != 2:
        raise ValueError(
            f"Rows of a panel carry two index levels, a date and an asset; found {index.nlevels}: "
            f"{names}. Drop the others with droplevel, or pass dates= and a plain index."
        )
    if date_level != "auto":
        if date_level in names:
            return names.index(date_level)
        if isinstance(date_level, int) and -2 <= date_level < 2:
            return date_level % 2
        raise ValueError(f"date_level={date_level!r} is not among the index levels {names}.")
    named = [i for i, name in enumerate(names) if str(name).lower() in _DATE_NAMES]
    if len(named) == 1:
        return named[0]
    timed = [i for i, level in enumerate(index.levels) if is_time(level)]
    if len(timed) == 1:
        return timed[0]
    kinds = [str(level.dtype) for level in index.levels]
    raise ValueError(
        f"Cannot tell which index level holds the dates: levels {names} of types {kinds}. "
        "Name the level 'date', or pass date_level=."
    )


def is_time(index: pd.Index) -> bool:
    """Whether an index is one of datetimes or periods."""
    return isinstance(index, pd.DatetimeIndex | pd.PeriodIndex)


def check_dates(labels: pd.Index) -> pd.Index:
    """Labels as dates: datetimes, Periods, whole numbers or ISO text; raise for anything else."""
    if isinstance(labels, pd.CategoricalIndex):
        labels = labels.astype(labels.categories.dtype)
    if labels.hasnans:
        raise ValueError(
            "Some dates are missing (NaT or NaN). Drop those rows, or give them a date."
        )
    if is_time(labels) or pd.api.types.is_integer_dtype(labels.dtype):
        return labels
    if pd.api.types.is_float_dtype(labels.dtype):
        whole = labels.astype(np.int64)
        fractions = labels[whole != labels]
        if len(fractions):
            raise ValueError(
                f"Dates are fractions such as {fractions[0]}; pass datetimes or integers."
            )
        return whole
    values = list(labels)
    if all(isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values):
        return labels.astype(np.int64)
    if all(isinstance(value, datetime.date) for value in values):
        return pd.DatetimeIndex(values, name=labels.name)
    if all(isinstance(value, str) for value in values):
        _check_iso_text(values)
        return labels
    unfit = next((v for v in values if not isinstance(v, str | datetime.date)), None)
    if unfit is None:
        text = next(value for value in values if isinstance(value, str))
        raise ValueError(
            f"Some dates are text, such as {text!r}, and others are not. Convert them with "
            "pandas.to_datetime first."
        )
    raise ValueError(
        f"Dates have to be datetimes, Periods, integers or ISO text; found {unfit!r} of type "
        f"{type(unfit).__name__}."
    )


def _check_iso_text(values: list[str]) -> None:
    for value in values:
        if not _ISO_DATE.fullmatch(value):
            raise ValueError(
                f"The date {value!r} is free text, which does not sort as time does. "
                "Convert dates with pandas.to_datetime or pandas.PeriodIndex first."
            )
        if re.sub(r"\d", "0", value) != re.sub(r"\d", "0", values[0]):
            raise ValueError(
                f"Dates are text of different formats, {values[0]!r} and {value!r}. "
                "Convert them with pandas.to_datetime first."
            )


def append_dates(known: pd.Index, new: pd.Index) -> pd.Index:
    """Dates followed by other ones, which have to be of the same kind, and new."""
    before, now = _kind(known), _kind(new)
    if before != now:
        raise ValueError(
            f"Dates are {now} here, and were {before} before. Convert them to one kind with "
            "pandas.to_datetime or pandas.PeriodIndex."
        )
    repeated = new[new.isin(known)]
    if len(repeated):
        raise ValueError(
            f"{len(repeated)} of these {len(new)} dates were there before, the first is "
            f"{repeated[0]}. Pass all rows of a date together, and each date once."
        )
    return known.append(new.rename(known.name))


def _kind(dates: pd.Index) -> str:
    """What dates are, in words; only those of one kind can be put in order."""
    if isinstance(dates, pd.PeriodIndex):
        return f"periods of frequency {dates.freqstr}"
    if isinstance(dates, pd.DatetimeIndex):
        return "times" if dates.tz is None else "times with a zone"
    if pd.api.types.is_integer_dtype(dates.dtype):
        return "integers"
    return f"text like {re.sub('[0-9]', '0', dates[0])!r}"


def is_dated(index: pd.Index) -> bool:
    """Whether a single-level index holds dates, by its type or by its name."""
    return is_time(index) or str(index.name).lower() in _DATE_NAMES


def only_counts(dates: pd.Index) -> bool:
    """Whether dates are no more than numbers of rows."""
    return isinstance(dates, pd.RangeIndex) and dates.name is None


def has_every_period(dates: pd.Index) -> bool:
    """Whether each period between two of the dates counts, also where nothing is observed.

    True for Periods of a week or longer. Days and shorter ones without data are taken for closed
    markets, and other dates do not say which of them are missing.
    """
    if not isinstance(dates, pd.PeriodIndex):
        return False
    first = dates[0]
    return bool(first.end_time - first.start_time > pd.Timedelta(days=6))


def calendar_positions(dates: pd.Index) -> IntArray:
    """Place of each of the ascending dates on the calendar, from 0: all lags are counted in these.

    The distance between two dates is in periods for Periods of a week or longer; for all others it
    is that of their ranks among these dates.
    """
    if has_every_period(dates):
        steps: IntArray = np.asarray(dates.asi8)  # type: ignore[attr-defined]  # of Periods
        steps = steps - steps[0]
        # Periods such as "3M" are numbered by their first month.
        positions: IntArray = steps // np.gcd.reduce(steps, initial=dates.freq.n)  # type: ignore[attr-defined]
        return positions
    return np.arange(len(dates))

"""Spans: lengths of time as a number of dates, or as an offset such as "24ME"."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from skfactor._calendar import to_periods
from skfactor._dates import calendar_format, calendar_positions, is_time
from skfactor._typing import IntArray

Offset: TypeAlias = str | pd.offsets.BaseOffset | datetime.timedelta
Size: TypeAlias = int | Offset

_DAY = pd.Timedelta(days=1).value
# The calendar unit that an offset counts in; where in the unit its stamp lies does not matter.
_UNITS = {
    **dict.fromkeys(["ME", "MS", "BME", "BMS"], "M"),
    **dict.fromkeys(["QE", "BQE", "QS", "BQS"], "Q"),
    **dict.fromkeys(["YE", "BYE", "YS", "BYS"], "Y"),
    **{unit: unit for unit in ("W", "D", "B", "h", "min", "s")},
}
_LETTERS = re.compile(r"(?<![-A-Za-z])[A-Za-z]+")  # of the units, not of their anchors
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


# Longer than any sample, and a number that NumPy takes.
_MANY = 2**31


@dataclass(frozen=True)
class Span:
    """A length on the axis on which the dates have these places."""

    places: IntArray  # (n_dates,), ascending
    length: int

    def first_in_window(self, last: int) -> int:
        """First date of a window of this length whose last date is at ``last``."""
        end = self.places[last] - self.length
        return int(np.searchsorted(self.places, end, side="right"))

    def first_near(self, date: int) -> int:
        """First date that lies at most this length before the one at ``date``."""
        return int(np.searchsorted(self.places, self.places[date] - self.length))

    def last_near(self, date: int) -> int:
        """Last date that lies at most this length after the one at ``date``."""
        end = self.places[date] + self.length
        return int(np.searchsorted(self.places, end, side="right")) - 1

    def is_covered(self, first: int, last: int) -> bool:
        """Whether the dates from ``first`` through ``last`` take up this length."""
        return bool(self.places[last] - self.places[first] + 1 >= self.length)


def check_count(value: object, name: str, *, minimum: int) -> None:
    """Raise if a parameter is not a whole number from a minimum on."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{name} is a number; found {value!r} of type {type(value).__name__}.")
    check_size(value, name, minimum=minimum)


def check_size(size: object, name: str, *, minimum: int) -> None:
    """Raise if a parameter is neither a whole number of dates from a minimum on nor an offset."""
    if isinstance(size, int | np.integer) and not isinstance(size, bool):
        if size < minimum:
            raise ValueError(f"{name}={size} has to be at least {minimum}.")
    elif isinstance(size, str | pd.offsets.BaseOffset | datetime.timedelta):
        unit_of(size, name)
    else:
        raise TypeError(
            f"{name} takes a number of dates, or an offset such as '24ME'; found {size!r} of type "
            f"{type(size).__name__}."
        )


def check_share(size: object, name: str, *, minimum: int) -> None:
    """Raise if a parameter is neither a size nor a fraction of the dates."""
    if not isinstance(size, float):
        check_size(size, name, minimum=minimum)
    elif not 0.0 < size < 1.0:
        raise ValueError(f"{name}={size} is a fraction of the dates, which lies between 0 and 1.")


def share_of_dates(size: Size | float, n_dates: int) -> Size:
    """A size, of a fraction the whole number of dates in it, at least one."""
    if not isinstance(size, float):
        return size
    # A share that is a whole number of dates may be a digit below it in floating point.
    return max(int(round(size * n_dates, 9)), 1)


def make_span(size: Size, name: str, dates: pd.Index) -> Span:
    """The span of a size among unique, ascending dates."""
    if isinstance(size, int | np.integer):
        return Span(np.arange(len(dates)), min(int(size), _MANY))
    unit, length = unit_of(size, name)
    if not is_time(dates):
        form = calendar_format(dates)
        how = "" if form is None else f"(dates.astype(str), format={form!r})"
        raise ValueError(
            f"{name}={size!r} is a length of time, but the dates are not datetimes or Periods: "
            f"{dates[0]}. Convert them with pandas.to_datetime{how}, or pass a number of dates."
        )
    try:
        if unit == "B":  # a weekend counts as the Monday after it
            days = to_periods(dates, "D").asi8.astype("datetime64[D]")
            return Span(np.busday_count("1970-01-01", days), length)
        return Span(np.asarray(to_periods(dates, unit).asi8), length)
    except ValueError as error:
        raise ValueError(f"{name}={size!r} does not fit the dates: {error}") from error


def make_gap(size: Size, name: str, dates: pd.Index) -> Span:
    """The span of a distance between dates; a number counts as lags and horizons do."""
    if isinstance(size, int | np.integer):
        return Span(calendar_positions(dates), min(int(size), _MANY))
    return make_span(size, name, dates)


def unit_of(size: Offset, name: str) -> tuple[str, int]:
    """Frequency of the periods that an offset counts, and their number."""
    try:
        if isinstance(size, str) and not set(_LETTERS.findall(size)) <= set(_UNITS):
            raise ValueError(size)  # older pandas still reads "24M"
        unit, length = _count(pd.tseries.frequencies.to_offset(size))
    except (ValueError, NotImplementedError) as error:
        raise ValueError(
            f"{name}={size!r} is not an offset that can be counted. Pass a number of dates, or "
            "weeks, months, quarters, years, (business) days or less, such as '24ME' or '30D'."
        ) from error
    if length < 1:
        raise ValueError(f"{name}={size!r} has to be a positive length of time.")
    return unit, length


def _count(offset: pd.offsets.BaseOffset) -> tuple[str, int]:
    if type(offset) is pd.offsets.DateOffset:
        return _count_parts(offset.n, dict(offset.kwds))
    if isinstance(offset, pd.offsets.Tick) and offset.nanos % _DAY == 0:
        return "D", offset.nanos // _DAY
    prefix, _, anchor = offset.rule_code.partition("-")
    if prefix not in _UNITS:
        raise ValueError(prefix)
    unit = _UNITS[prefix]
    if prefix.endswith("S") and anchor:  # named after its first month; a period after its last
        anchor = _MONTHS[_MONTHS.index(anchor) - 1]
    return f"{unit}-{anchor}" if anchor else unit, offset.n


def _count_parts(n: int, parts: dict[str, int]) -> tuple[str, int]:
    """Months or days of a ``DateOffset``."""
    for unit, lengths in (("M", {"years": 12, "months": 1}), ("D", {"weeks": 7, "days": 1})):
        if parts and set(parts) <= set(lengths):
            return unit, n * sum(lengths[part] * count for part, count in parts.items())
    raise ValueError(f"mixed parts {parts}")

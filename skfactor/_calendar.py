"""Dates of several inputs, matched by the period that they stand for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import reduce

import numpy as np
import pandas as pd
from pandas.api.types import is_scalar

from skfactor._dates import check_dates, find_date_level
from skfactor._typing import BoolArray, IntArray

_FREQUENCIES = ("D", "W", "M", "Q", "Y")  # from the finest on


def to_periods(index: pd.Index, freq: str) -> pd.PeriodIndex:
    """Periods that hold the dates; a zoned time belongs to the period of its local clock."""
    if not isinstance(freq, str):
        raise ValueError(f"freq={freq!r} has to be the name of a frequency, such as 'M'.")
    if isinstance(index, pd.PeriodIndex):
        if index.freqstr == freq:
            return index
        if index[0].asfreq(freq, how="start") != index[0].asfreq(freq, how="end"):
            raise ValueError(f"Periods of {index.freqstr} do not lie in one of {freq} each.")
        return index.asfreq(freq)
    return pd.DatetimeIndex(index).tz_localize(None).to_period(freq)


def row_dates(
    index: pd.Index, source: str, date_level: str | int = "auto"
) -> tuple[IntArray, pd.Index]:
    """Code of each row's date, and the dates: unique, ascending.

    ``source`` is what messages call the input.
    """
    if isinstance(index, pd.RangeIndex):
        raise ValueError(f"The index of {source} only numbers its rows. Set its dates as index.")
    if len(index) == 0:
        raise ValueError(f"There are no rows in {source}.")
    if isinstance(index, pd.MultiIndex):
        index = index.get_level_values(find_date_level(index, date_level))
    codes, labels = pd.factorize(index, sort=True)
    if (codes < 0).any():
        raise ValueError(f"Some rows of {source} have no date. Drop them, or give them a date.")
    return codes, check_dates(labels.rename(index.name))  # factorize drops the name


def unique_row_dates(index: pd.Index, source: str) -> tuple[IntArray, pd.Index]:
    """Order of the rows by date, and the dates; raise if a date occurs twice."""
    if isinstance(index, pd.MultiIndex):
        raise ValueError(
            f"The rows of {source} have to be dates; found the levels {list(index.names)}. "
            "Bring it into wide form with unstack."
        )
    codes, dates = row_dates(index, source)
    if len(dates) < len(index):
        raise ValueError(f"The date {_repeated(index)} occurs more than once in {source}.")
    return np.argsort(codes), dates


def by_date(frame: pd.DataFrame | pd.Series, source: str) -> pd.DataFrame | pd.Series:
    """Rows in order of their dates, each of which occurs once."""
    order, dates = unique_row_dates(frame.index, source)
    return frame.iloc[order].set_axis(dates, axis=0)


def rows_of_dates(
    table: pd.Index, rows: pd.Index, names: tuple[str, str], date_level: str | int = "auto"
) -> IntArray:
    """For each row, the position of its date in the table; raise if the table lacks one."""
    order, table_dates = unique_row_dates(table, names[0])
    codes, dates = row_dates(rows, names[1], date_level)
    known, wanted = match_dates({names[0]: table_dates, names[1]: dates})
    found = known.get_indexer(wanted)
    if (found < 0).any():
        missing = dates[found < 0]
        raise ValueError(
            f"{len(missing)} of the {len(dates)} dates of {names[1]} are not in {names[0]}, which "
            f"goes {span(known)}: {', '.join(map(str, missing[:5]))}"
            f"{', ...' if len(missing) > 5 else ''}. Drop them, or extend {names[0]}."
        )
    return order[found][codes]


def match_dates(inputs: Mapping[str, pd.Index]) -> list[pd.Index]:
    """Bring the dates of named inputs into one form, equal where they mean the same period.

    Each has unique, ascending dates, before and after. Where one has Periods, all get them. Where
    all are stamps they stay, unless more of them match by the period in which they follow each
    other. Other labels, such as 202401, match as they are.
    """
    indexes = list(inputs.values())
    kinds = {name: _kind(index) for name, index in inputs.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{kind} in {name}" for name, kind in kinds.items())
        raise ValueError(
            f"Dates are of different kinds: {found}. Convert them with pandas.to_datetime or "
            "pandas.PeriodIndex."
        )
    periods = {i.freqstr: n for n, i in inputs.items() if isinstance(i, pd.PeriodIndex)}
    if len(periods) > 1:
        found = ", ".join(f"{freq} in {name}" for freq, name in periods.items())
        raise ValueError(f"Periods are of different frequency: {found}. Bring them to one first.")
    if periods:
        return _in_periods(inputs, next(iter(periods)))
    spacings = [_spacing(i) for i in indexes if isinstance(i, pd.DatetimeIndex) and len(i) > 1]
    known = [spacing for spacing in spacings if spacing is not None]
    n_equal = len(intersection(indexes))
    if not known:
        return indexes
    freq = _FREQUENCIES[max(known)]
    try:
        by_period = _in_periods(inputs, freq)
    except ValueError:
        if n_equal:  # days beside months of which some have the same stamp
            return indexes
        raise
    return by_period if len(intersection(by_period)) > n_equal else indexes


def are_up_to(dates: pd.Index, date: Hashable) -> BoolArray:
    """Mask of the dates that are not after one; ``ValueError`` for what is none."""
    given = date
    if isinstance(dates, pd.PeriodIndex) and isinstance(date, pd.Timestamp):
        date = pd.Period(date.tz_localize(None), dates.freqstr)
    elif isinstance(dates, pd.DatetimeIndex) and isinstance(date, pd.Period):
        date = date.end_time.tz_localize(dates.tz)
    try:
        if is_scalar(date) and not pd.isna(date):  # type: ignore[call-overload]  # a scalar
            found: BoolArray = np.asarray(dates <= date)
            return found
    except (TypeError, ValueError):
        pass
    raise ValueError(f"date={given!r} is no date like those of fit, such as {dates[:1][0]}.")


def intersection(indexes: Sequence[pd.Index]) -> pd.Index:
    """Labels that are in all of the indexes."""
    return reduce(lambda left, right: left.intersection(right), indexes)


def span(dates: pd.Index) -> str:
    """First and last of ascending dates, for a message."""
    # Slices, as asked for one date pandas keeps its unit in an index that a model has, too.
    return f"from {dates[:1][0]} to {dates[-1:][0]}"


def _kind(index: pd.Index) -> str:
    if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        return "dates"
    return "integers" if pd.api.types.is_integer_dtype(index.dtype) else "text"


def _spacing(dates: pd.DatetimeIndex) -> int | None:
    """Finest frequency at which most dates lie in the period after the one before."""
    for place, freq in enumerate(_FREQUENCIES):
        steps = np.diff(to_periods(dates, freq).asi8)
        if steps.min() > 0 and np.median(steps) == 1:
            return place
    return None


def _in_periods(inputs: Mapping[str, pd.Index], freq: str) -> list[pd.Index]:
    converted: list[pd.Index] = []
    for name, index in inputs.items():
        periods = to_periods(index, freq)
        if not periods.is_unique:
            raise ValueError(
                f"{name} has several dates in the period {_repeated(periods)}, where the other "
                "has one date per period. Bring it to that frequency first."
            )
        converted.append(periods)
    return converted


def _repeated(index: pd.Index) -> object:
    return index[index.duplicated()][0]

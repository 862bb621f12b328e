"""What is a date, which index level holds the dates, and how far apart two of them are."""

from __future__ import annotations

import datetime
import re
from collections.abc import Hashable

import numpy as np
import pandas as pd

from skfactor._typing import IntArray

# Larger numbers have no exact float, so that a float may not be what was meant.
_LARGEST_DATE = 2.0**53
# Names without case and punctuation: in general, of calendar units, and of vendors.
_DATE_NAMES = frozenset(
    {
        *("asof", "date", "dates", "datetime", "dt", "ds", "period", "time", "timestamp", "ts"),
        *("day", "week", "month", "quarter", "year", "fyear"),
        *("eom", "eoq", "eoy", "monthend", "ym", "yearmonth", "yearmon", "yyyymm", "yyyymmdd"),
        *("caldt", "dlycaldt", "mthcaldt", "jdatem", "yyyyqq", "tradingday", "tradeday"),
    }
)
_ASSET_NAMES = frozenset(
    {
        *("asset", "company", "entity", "firm", "fund", "id", "identifier", "instrument", "name"),
        *("security", "stock", "symbol", "tic", "ticker", "bbgid", "cik", "code", "cusip", "figi"),
        *("gvkey", "iid", "isin", "lpermno", "ncusip", "permco", "permno", "ric", "secid"),
        *("sedol", "stkcd", "tscode", "windcode", "fundno", "crspfundno"),
        *("assetid", "companyid", "fundid", "firmid", "securityid", "stockid", "instrumentid"),
    }
)
_NAMED_DATE = re.compile(r".*(?<!up)(?<!man)(?<!candi)(date|datetime|timestamp)")
# Text that is a date wherever it stands: digits alone may be the code of a company.
_SEPARATED_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}.*)?)?")
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
    if not isinstance(date_level, Hashable):
        raise ValueError(f"date_level={date_level!r} has to be the name or position of a level.")
    if date_level != "auto":
        if date_level in names:
            return names.index(date_level)
        if isinstance(date_level, int) and -2 <= date_level < 2:
            return date_level % 2
        raise ValueError(f"date_level={date_level!r} is not among the index levels {names}.")
    exact = [i for i, name in enumerate(names) if _plain(name) in _DATE_NAMES]
    named = [i for i, name in enumerate(names) if is_date_name(name)]
    for found in (exact, named):
        if len(found) == 1:
            return found[0]
    timed = [i for i, level in enumerate(index.levels) if is_time(level)]
    if len(timed) == 1:
        return timed[0]
    kinds = [str(level.dtype) for level in index.levels]
    raise ValueError(
        f"Cannot tell which index level holds the dates: levels {names} of types {kinds}. "
        "Name the level 'date', or pass date_level=."
    )


def _plain(name: object) -> str:
    return re.sub(r"[^a-z]", "", str(name).lower())


def is_date_name(name: object) -> bool:
    """Whether an index level or a column of this name holds dates."""
    plain = _plain(name)
    return plain in _DATE_NAMES or bool(_NAMED_DATE.fullmatch(plain))


def is_asset_name(name: object) -> bool:
    """Whether an index level or a column of this name says which asset per row is of."""
    return _plain(name) in _ASSET_NAMES


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
        unfit = labels[~(np.abs(labels) < _LARGEST_DATE) | (np.round(labels) != labels)]
        if len(unfit):
            raise ValueError(
                f"Dates are no whole numbers, such as {unfit[0]}; pass datetimes or integers."
            )
        return labels.astype(np.int64)
    values = list(labels)
    if all(isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values):
        try:
            return labels.astype(np.int64)
        except OverflowError as error:
            raise ValueError(
                f"Dates are numbers as large as {max(values, key=abs)}; pass datetimes or integers "
                "such as 202401."
            ) from error
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


def dates_of_both(known: pd.Index, new: pd.Index, *, had: bool, has: bool) -> pd.Index:
    """Dates followed by other ones, as `append_dates`; without any they are numbered.

    Raises ``ValueError`` if one side ``had`` dates and the other has none, or the other way round.
    """
    if had != has:
        before, now = ("dates", "none") if had else ("no dates", "dates")
        raise ValueError(
            f"Earlier calls had {before}, but the rows have {now} here. Index X or y by (date, "
            "asset) in every call, or pass dates=."
        )
    return append_dates(known, new) if had else pd.RangeIndex(len(known) + len(new))


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
    """Whether a single-level index holds dates: by its type, its name, or text with separators."""
    return is_time(index) or is_date_name(index.name) or _is_date_like(index)


def _is_date_like(index: pd.Index) -> bool:
    """Whether labels of no special type are dates, each of them."""
    labels = _labels_of(index)
    if index.nlevels > 1 or not len(labels) or pd.api.types.is_numeric_dtype(labels.dtype):
        return False
    return _is_date(labels[0]) and all(map(_is_date, labels.unique()))


def _is_date(label: object) -> bool:
    if isinstance(label, str):
        return bool(_SEPARATED_DATE.fullmatch(label))
    return isinstance(label, datetime.date)


def _labels_of(index: pd.Index) -> pd.Index:
    """Labels of an index; of a categorical one those that occur."""
    if isinstance(index, pd.CategoricalIndex):
        return index.remove_unused_categories().categories
    return index


def repeats_text(index: pd.Index) -> bool:
    """Whether a single-level index of text, none of it dates, has a label more than once."""
    labels = _labels_of(index)
    if index.nlevels > 1 or pd.api.types.is_numeric_dtype(labels.dtype) or index.is_unique:
        return False
    return not is_dated(index) and any(isinstance(label, str) for label in labels)


def calendar_format(values: pd.Index) -> str | None:
    """Format of whole numbers that all look like months or days, such as 202401; None if not."""
    if not pd.api.types.is_integer_dtype(values.dtype) or not len(values):
        return None
    numbers = np.asarray(values, dtype=np.int64)
    for form, months in (("%Y%m", numbers), ("%Y%m%d", numbers // 100)):
        years, month = np.divmod(months, 100)
        days = numbers % 100 if form == "%Y%m%d" else np.ones(1)
        plausible = (years >= 1800) & (years < 2200) & (month >= 1) & (month <= 12)
        if plausible.all() and (days >= 1).all() and (days <= 31).all():
            return form
    return None


def only_counts(dates: pd.Index) -> bool:
    """Whether dates only number rows."""
    return isinstance(dates, pd.RangeIndex) and dates.name is None


# Frequencies of Periods that are so long whatever their multiple.
_WEEK_OR_LONGER = (pd.offsets.Week, pd.offsets.MonthEnd, pd.offsets.QuarterEnd, pd.offsets.YearEnd)


def has_every_period(dates: pd.Index) -> bool:
    """Whether each period between two of the dates counts, also where nothing is observed.

    True for Periods of a week or longer. Days and shorter ones without data are taken for closed
    markets, and other dates do not say which of them are missing.
    """
    if not isinstance(dates, pd.PeriodIndex):
        return False
    if isinstance(dates.freq, _WEEK_OR_LONGER):
        return True
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
        positions: IntArray = steps // np.gcd.reduce(steps, initial=dates.freq.n)  # type: ignore[attr-defined]  # of Periods
        return positions
    return np.arange(len(dates))

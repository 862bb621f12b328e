"""Who is on which date: the identity of rows, found in one place for the whole package.

Dates come from ``dates=``, else from the (date, asset) index of X, else, where a target is there,
from that of y: many scikit-learn steps strip X's index and leave y's. Rows are never aligned by
label, and row numbers are never dates.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from pandas.api.types import is_hashable

from skfactor._dates import check_dates, find_date_level, is_dated, repeats_text
from skfactor._kernels.segments import Segments, segments_from_codes
from skfactor._typing import IntArray, RowLabels

# Rows looked at together when finding out which labels occur.
_BLOCK = 2**16


@dataclass(frozen=True)
class Labels:
    """One label per row: ``labels[codes]``. Labels are unique, ascending, and all occur."""

    codes: IntArray  # (n_rows,)
    labels: pd.Index

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Panel:
    """Dates and, where they are known, assets of the rows of a panel."""

    dates: Labels
    assets: Labels | None
    segments: Segments  # one per date, in ascending order


def _dates_of_level(index: pd.MultiIndex, level: int) -> tuple[Labels, Segments]:
    """Dates and their segments from a level's codes: nothing of the panel's length is hashed."""
    codes: IntArray = np.asarray(index.codes[level])
    labels = check_dates(index.levels[level])
    if not labels.is_monotonic_increasing:
        codes, labels = ascending(codes, labels)
    segments, used = segments_from_codes(codes)
    if used[0] < 0:  # the code of a missing label sorts first
        raise ValueError(
            f"Some rows have no date in index level {index.names[level]!r}. Drop those rows, or "
            "give them a date."
        )
    return compact(codes, labels, used), segments


def _assets_of_level(index: pd.MultiIndex, level: int) -> Labels:
    codes, labels = np.asarray(index.codes[level]), index.levels[level]
    if codes.min() < 0:
        raise ValueError(
            f"Some rows have no asset in index level {index.names[level]!r}. Drop those rows, or "
            "give them an asset."
        )
    seen = np.zeros(len(labels), dtype=bool)
    for start in range(0, len(codes), _BLOCK):
        seen[codes[start : start + _BLOCK]] = True
        if seen.all():
            break
    found = compact(codes, labels, np.flatnonzero(seen))
    return Labels(*ascending(found.codes, found.labels))


def compact(codes: IntArray, labels: pd.Index, used: IntArray) -> Labels:
    """Labels without those that do not occur, as slicing leaves them in the levels of an index."""
    if len(used) == len(labels):
        return Labels(codes, labels)
    place = np.zeros(len(labels), dtype=codes.dtype)
    place[used] = np.arange(len(used))
    return Labels(place[codes], labels[used])


def ascending(codes: IntArray, labels: pd.Index) -> tuple[IntArray, pd.Index]:
    if labels.is_monotonic_increasing:
        return codes, labels
    try:
        order = labels.argsort()
    except TypeError:  # labels of several types: any order that does not depend on the rows
        order = labels.map(lambda label: (type(label).__name__, str(label))).argsort()
    place: IntArray = np.empty(len(order) + 1, dtype=codes.dtype)
    place[order] = np.arange(len(order))
    place[-1] = -1  # a missing label has the code -1 and keeps it
    return place[codes], labels[order]


def _labels_of_values(values: Any, n_rows: int, what: str, source: str) -> Labels:
    """Labels from one value per row, or one for all rows."""
    if np.ndim(values) == 0 and not isinstance(values, pd.Index | pd.Series):
        values = values[()] if isinstance(values, np.ndarray) else values
        if not is_hashable(values):
            raise ValueError(
                f"A {type(values).__name__} in {source.rstrip('=')} is no {what}. Pass one label a "
                "row, or one for all of them."
            )
        one = _check_kind(pd.Index([values]), what)
        return Labels(np.zeros(n_rows, dtype=np.intp), one)
    index = index_of_values(values)
    _check_length(index, n_rows, source)
    try:
        codes, labels = pd.factorize(index)
    except TypeError as error:
        raise ValueError(f"{source.rstrip('=')} has what is no label ({error}).") from error
    if (codes < 0).any():
        raise ValueError(
            f"Some rows have no {what} (missing in {source}). Drop those rows, or give them one."
        )
    return Labels(*ascending(codes, _check_kind(labels, what)))


def index_of_values(values: Any) -> pd.Index:
    """One value per row as an index; a Series' own index is not looked at."""
    if isinstance(values, pd.Index):
        return values
    if np.ndim(values) != 1:
        raise ValueError(
            f"The labels of rows have to be one-dimensional; found shape {np.shape(values)}."
        )
    return pd.Index(values if isinstance(values, pd.Series) else np.asarray(values))


def _check_length(index: pd.Index, n_rows: int, source: str) -> None:
    if len(index) != n_rows:
        raise ValueError(f"{source} has {len(index)} values, X has {n_rows} rows.")


def _check_kind(labels: pd.Index, what: str) -> pd.Index:
    return check_dates(labels) if what == "date" else labels


def _identity(index: pd.Index) -> pd.Index | None:
    """The index if it can say who a row is, None if it only numbers rows."""
    if isinstance(index, pd.RangeIndex):
        return None
    # A slice of row numbers, as cross-validation leaves it, has integers and no name.
    if index.name is None and index.nlevels == 1 and pd.api.types.is_integer_dtype(index.dtype):
        return None
    return index


def only_numbers_rows(index: pd.Index) -> bool:
    """Whether an index says nothing of its rows but their numbers."""
    return _identity(index) is None


def is_time_series(data: object) -> bool:
    """Whether the rows are indexed by dates that each occur once."""
    if not isinstance(data, pd.DataFrame | pd.Series):
        return False
    index = data.index
    return index.nlevels == 1 and is_dated(index) and index.is_unique


def _carries_dates(index: pd.Index, time_series: bool) -> bool:
    """Whether an index says by itself that its rows are a panel."""
    if isinstance(index, pd.MultiIndex):
        return True
    return is_dated(index) and (time_series or not index.is_unique)


def carries_dates(data: pd.DataFrame | pd.Series) -> bool:
    """Whether the index of data says which date per row is on, once or several times."""
    return _carries_dates(data.index, time_series=True)


def index_of(data: object) -> pd.Index | None:
    return _identity(data.index) if isinstance(data, pd.DataFrame | pd.Series) else None


def same_labels(left: pd.Index, right: pd.Index) -> bool:
    """Whether two indexes say the same of each row; a Period is the same as a Timestamp in it."""
    if left.is_(right):
        return True
    if len(left) != len(right) or left.nlevels != right.nlevels:
        return False
    if isinstance(left, pd.MultiIndex) and isinstance(right, pd.MultiIndex):
        return all(
            (same_labels(a, b) and np.array_equal(c, d))
            or same_labels(left.get_level_values(i), right.get_level_values(i))
            for i, (a, b, c, d) in enumerate(
                zip(left.levels, right.levels, left.codes, right.codes, strict=True)
            )
        )
    left, right = _comparable(left, right)
    return bool(left.equals(right))


def _comparable(left: pd.Index, right: pd.Index) -> tuple[pd.Index, pd.Index]:
    """Two levels in one type: Timestamps as the periods of the other, zones in one zone."""
    if isinstance(left, pd.PeriodIndex) and isinstance(right, pd.DatetimeIndex):
        return left, right.tz_localize(None).to_period(left.freqstr)
    if isinstance(left, pd.DatetimeIndex) and isinstance(right, pd.PeriodIndex):
        return left.tz_localize(None).to_period(right.freqstr), right
    zones = [getattr(index, "tz", None) for index in (left, right)]
    if isinstance(left, pd.DatetimeIndex) and isinstance(right, pd.DatetimeIndex) and all(zones):
        return left.tz_convert("UTC"), right.tz_convert("UTC")
    return left, right


def check_same_rows(X: object, y: object, name: str = "y", x_name: str = "X") -> None:
    """Raise if X and y both say who their rows are, and say it differently.

    ``name`` and ``x_name`` are what the message calls them.
    """
    x_index, y_index = index_of(X), index_of(y)
    if x_index is None or y_index is None:
        x_index, y_index = _ranges_of_one_name(X, y)
    if x_index is None or y_index is None or len(x_index) != len(y_index):
        return  # a difference in length is for scikit-learn's own check to tell
    if not same_labels(x_index, y_index):
        _raise_other_rows(x_index, y_index, name, x_name)


def _raise_other_rows(left: pd.Index, right: pd.Index, name: str, x_name: str) -> NoReturn:
    """Say how the labels of X (left) and of another input (right) differ, and how to correct it."""
    variable = name.removesuffix("=")
    if isinstance(left, pd.MultiIndex) and isinstance(right, pd.MultiIndex):
        swapped = right.swaplevel() if right.nlevels == 2 else right
        same = same_labels(left, swapped)
        if same or (left.names == swapped.names != right.names):
            order = "" if same else f".loc[{x_name}.index]"
            raise ValueError(
                f"{x_name} is indexed by {list(left.names)} and {name} by {list(right.names)}. "
                f"Pass {variable}.swaplevel(){order}."
            )
    row = _first_difference(left, right)
    found = (
        f"{x_name} and {name} have different indexes: row {row} is {left[row]} in {x_name} and "
        f"{right[row]} in {name}. Rows are not aligned by label"
    )
    if name.endswith("="):
        raise ValueError(
            f"{found}. If the values of {name} are in the order of {x_name}'s rows, pass "
            f"{variable}.to_numpy(); if not, {variable}.loc[{x_name}.index]."
        )
    hint = ""
    if name == "y" and not (right.is_monotonic_increasing or right.is_monotonic_decreasing):
        hint = (
            " (A permutation test shuffles y's index with its values: pass y without an index "
            "there.)"
        )
    raise ValueError(
        f"{found}: bring both into one order first, for example {name} = {name}.loc[{x_name}"
        f".index].{hint}"
    )


def _ranges_of_one_name(X: object, y: object) -> tuple[pd.Index | None, pd.Index | None]:
    """Indexes of which one is a range, as of years, if both are of integers and of one name.

    No dates, but if they differ, rows are not the same.
    """
    if not (isinstance(X, pd.DataFrame | pd.Series) and isinstance(y, pd.DataFrame | pd.Series)):
        return None, None
    left, right = X.index, y.index
    whole = all(i.nlevels == 1 and pd.api.types.is_integer_dtype(i.dtype) for i in (left, right))
    named = left.name is not None and left.name == right.name
    return (left, right) if whole and named else (None, None)


def _first_difference(left: pd.Index, right: pd.Index) -> int:
    if left.nlevels != right.nlevels:
        return 0
    differs = np.zeros(len(left), dtype=bool)
    for i in range(left.nlevels):
        a, b = _comparable(left.get_level_values(i), right.get_level_values(i))
        differs |= np.asarray(a.astype(object) != b.astype(object))
    return int(differs.argmax())


def find_panel(
    X: object,
    y: object = None,
    *,
    n_rows: int,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    date_level: str | int | None = "auto",
    time_series: bool = False,
) -> Panel | None:
    """Dates and assets of the rows of X, or None where nothing says that they are a panel.

    Parameters
    ----------
    X, y : object
        As the user passed them. Their indexes are looked at, X's first; y may be None.
    n_rows : int
        Number of rows of X.
    dates, assets : array-like of shape (n_rows,) or scalar, optional
        One date (asset) per row. A scalar date says that all rows are one cross-section.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a MultiIndex. None says that there are no dates.
    time_series : bool, default=False
        Whether an index of dates that each occur once makes a panel too, of one row per date.

    Raises
    ------
    ValueError
        If a date or asset is missing, an asset occurs twice on a date, X and y are indexed
        differently, the date level cannot be found, an index repeats text that is not a date, or
        ``date_level=None`` and there are dates.
    """
    check_same_rows(X, y)
    known = [index for index in (index_of(X), index_of(y)) if index is not None]
    if date_level is None:
        raise_if_dated(known, dates)
        return None
    index = next((index for index in known if _carries_dates(index, time_series)), None)
    if isinstance(dates, pd.MultiIndex):
        index, dates = dates, None
        _check_length(index, n_rows, "dates=")
    if dates is None and index is None:
        _raise_if_text_repeats(known)
        return None
    for values, name in ((dates, "dates="), (assets, "assets=")):
        check_same_rows(X, values, name)
    found_assets = None
    if isinstance(index, pd.MultiIndex) and (dates is None or index.nlevels == 2):
        try:
            level = find_date_level(index, date_level)
        except ValueError:
            if dates is None:
                raise
        else:
            if dates is None:
                found_dates, segments = _dates_of_level(index, level)
            if assets is None:
                found_assets = _assets_of_level(index, 1 - level)
    if dates is not None or not isinstance(index, pd.MultiIndex):
        source = "the index" if dates is None else "dates="
        values = index if dates is None else dates
        found_dates = _labels_of_values(values, n_rows, "date", source)
        segments, _ = segments_from_codes(found_dates.codes)
    if assets is not None:
        found_assets = _labels_of_values(assets, n_rows, "asset", "assets=")
    if found_assets is not None:
        _check_unique(found_dates, found_assets, passed=dates is not None)
    return Panel(found_dates, found_assets, segments)


def one_cross_section(X: pd.DataFrame, date_level: str | int | None) -> tuple[Hashable, pd.Index]:
    """Date, if there is one, and assets of rows indexed by asset or by (date, asset)."""
    if not len(X):
        raise ValueError("X has no rows; pass those of one date.")
    if X.index.nlevels == 1:
        return None, X.index
    panel = find_panel(X, n_rows=len(X), date_level=date_level)
    if panel is None or panel.assets is None or len(panel.dates) > 1:
        raise ValueError("X has several dates; pass the rows of one.")
    return panel.dates.labels[0], panel.assets.labels[panel.assets.codes]


def raise_if_dated(indexes: list[pd.Index], dates: RowLabels | None) -> None:
    """Raise if there are dates although ``date_level=None`` says that there are none."""
    found = None if dates is None else "dates= are passed"
    for index in indexes:
        if not _carries_dates(index, time_series=False):
            continue
        if isinstance(index, pd.MultiIndex):
            try:
                found = f"the index has the level {index.names[find_date_level(index)]!r}"
            except ValueError:  # two levels of something else
                continue
        else:
            found = f"the index holds them, such as {index[0]}"
    if found is not None:
        raise ValueError(
            f"date_level=None says that the rows have no dates, and {found}. Leave date_level out "
            "to work within each date, or leave out the dates, with reset_index(drop=True)."
        )


def _raise_if_text_repeats(indexes: list[pd.Index]) -> None:
    index = next((index for index in indexes if repeats_text(index)), None)
    if index is not None:
        label = index[index.duplicated()][0]
        raise ValueError(
            f"The index repeats {label!r} and other text that is not a date, so rows of several "
            "dates would be taken together. Index rows by (date, asset), or pass dates=; text is "
            "read as dates if it is written 2024-01 or 2024-01-31, or if the index is named 'date'."
        )


def raise_if_one_row_a_date(panel: Panel | None, n_rows: int, who: str) -> None:
    """Raise if each of several dates has one row, which has nothing to be compared with."""
    if panel is not None and 1 < n_rows == len(panel.dates):
        first, second = panel.dates.labels[:2]
        raise ValueError(
            f"{who} compares the assets of a date, and each of the {n_rows} dates ({first}, "
            f"{second}, ...) has one row. Pass all assets of each date together; stamps that "
            "differ by asset have to be rounded to the period that they share, with normalize() "
            "or to_period()."
        )


def _check_unique(dates: Labels, assets: Labels, *, passed: bool) -> None:
    """Raise if an asset occurs twice on a date; ``passed`` says that dates are those of dates=."""
    d, a = dates.codes, assets.codes
    if len(d) < 2:
        return
    # Rows sorted by both, either first, tell by comparison; others by a map of who is where.
    for major, minor in ((d, a), (a, d)):
        step = major[1:] > major[:-1]
        step |= (major[1:] == major[:-1]) & (minor[1:] > minor[:-1])
        if step.all():
            return
    cells = d.astype(np.int64) * len(assets)
    cells += a
    if len(dates) * len(assets) <= 16 * len(d) + 10**6:
        seen = np.zeros(len(dates) * len(assets), dtype=bool)
        seen[cells] = True
        unique = np.count_nonzero(seen) == len(d)
    else:
        unique = len(np.unique(cells)) == len(d)
    if not unique:
        cell, count = np.unique(cells, return_counts=True)
        first = int(cell[count > 1][0])
        date, asset = dates.labels[first // len(assets)], assets.labels[first % len(assets)]
        found = (
            f"{int((count > 1).sum())} (date, asset) pairs occur more than once, the first is "
            f"({date}, {asset})"
        )
        if passed:
            raise ValueError(
                f"{found}, {int(count[count > 1][0])} times. If dates= is coarser than the rows, "
                "such as months of daily rows, leave it out to work by day, or bring the rows to "
                "one per month and asset first; else remove the duplicates."
            )
        raise ValueError(
            f"{found}. Remove the duplicates, for example with X[~X.index.duplicated()]."
        )


def time_index(
    X: Any, y: object = None, dates: Any = None, date_level: str | int | None = "auto"
) -> pd.Index | None:
    """Dates of rows that are periods: ``dates=``, else the index of X, else that of y.

    None if rows are only numbered. Raises if a date is missing or occurs twice, if ``dates=``
    are not one per row, or with ``date_level=None``.
    """
    index = None
    if date_level is None:
        raise_if_dated([], dates)
    if dates is not None:
        index = index_of_values(dates)
        _check_length(index, len(X), "dates=")
    else:
        indexes = [data.index for data in (X, y) if isinstance(data, pd.DataFrame | pd.Series)]
        known = [index for index in indexes if _identity(index) is not None]
        known += [i for i in indexes if isinstance(i, pd.RangeIndex) and is_dated(i)]  # years
        # Integers without a name may be years or a selection of row numbers; as labels both serve.
        numbered = [i for i in indexes if not isinstance(i, pd.RangeIndex) and i.is_unique]
        index = next(iter(known + numbered), None)
    if index is None:
        return None
    if isinstance(index, pd.MultiIndex):
        raise ValueError(
            f"Rows are indexed by {list(index.names)}, but y has one column per asset: there each "
            "row is a period with one date as its index. Pass y with one column for a panel."
        )
    index = check_dates(index)
    if not index.is_unique:
        raise ValueError(f"The date {index[index.duplicated()][0]} occurs more than once.")
    return index


def asset_labels(
    X: object, *, n_rows: int, dates: object, assets: object, date_level: str | int | None
) -> Labels | None:
    """Assets of the rows of X from ``assets=`` or its (date, asset) index, or None."""
    if dates is None and assets is not None and not isinstance(index_of(X), pd.MultiIndex):
        return _labels_of_values(assets, n_rows, "asset", "assets=")
    panel = find_panel(X, n_rows=n_rows, dates=dates, assets=assets, date_level=date_level)
    return None if panel is None else panel.assets

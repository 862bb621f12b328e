"""From a table with columns for date and asset, as files and databases hold it, to a panel."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, cast

import numpy as np
import pandas as pd

from skfactor._calendar import to_periods
from skfactor._dates import calendar_format, check_dates, is_asset_name, is_date_name
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import is_among, is_one_of, raise_if_repeated
from skfactor._warn import warn_user

# The identifier of a row of CRSP, which also has tickers and codes of companies.
_ROW_KEYS = ("permno", "lpermno")
_RETURN_NAME = re.compile(
    r"(.*(return|ret)(s|x|xs|adj|excess|lag|lead|fwd|forward|rf)?)|(fwd|forward|excess|ex|x)ret.*"
)
# What vendors write where there is no number.
_CODES = (-99.0, -99.9, -99.99, -99.999, -999.0, -999.9, -999.99, -9999.0, -99999.0)
_CRSP_CODES = (-44.0, -55.0, -66.0, -77.0, -88.0)
# The middle absolute return of a period that no market has had, in decimals.
_TYPICAL_PERCENT = 0.4
_LOCAL_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4})")
_PERIOD = re.compile(r"(\d{4})[ :]?([mMqQ])(\d{1,2})")
_MONTH_FORMATS = ("%b %Y", "%B %Y", "%b-%Y", "%b%Y", "%Y/%m")
_DAY_FORMATS = ("%d%b%Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y/%m/%d")
_EXCEL = range(20000, 80000)  # days since 1899-12-30, of the years 1954 to 2119


def panel_from_long(
    df: pd.DataFrame,
    date: Hashable = "auto",
    asset: Hashable = "auto",
    *,
    freq: str | None = None,
) -> pd.DataFrame:
    r"""Index a table of one row per date and asset, with columns for both, by (date, asset).

    Parameters
    ----------
    df : DataFrame of shape (n_rows, n_columns)
        As read from a file or a database, rows in any order. Levels of its index count as columns.
    date, asset : label, default="auto"
        The columns that hold them. "auto" takes the only column that is named like a date or holds
        datetimes, and the only one that is named like an asset; ``permno`` before others.
        Dates may be datetimes, Periods, 202401, 20240131, 2024, or text such as 2024-01-31,
        31/01/2024, 01/31/2024, 31jan2024, 2024m1 and 2024q1.
    freq : str, optional
        Put rows on Periods of this frequency, "M" for months, so that stamps of one month that
        differ by asset are one date. By default stamps stay stamps; 202401, 2024m1 and 2024-01
        become months, 2024 becomes a year.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns - 2)
        The other columns, indexed by ``date`` and ``asset``, in order of both. Text that holds
        numbers is converted. Rows that are the same in every column are kept once.

    Raises
    ------
    TypeError
        If ``df`` is not a pandas DataFrame.
    ValueError
        If the columns cannot be found, a date or an asset is missing, dates are of several formats
        or ambiguous, assets are numbers and text, or an asset has different rows on a date.

    Warns
    -----
    UserWarning
        Of returns that look like percent, of codes such as -99 that stand for missing values, of
        text among numbers, of rows that occurred twice, and of stamps that differ by asset.
        Nothing but the text (NaN then) and the repeated rows is changed.

    See Also
    --------
    carry_forward : Yearly and quarterly accounts on such rows, as they were known.
    stack_characteristics : For wide frames, one per characteristic.

    Examples
    --------
    >>> import io
    >>> import pandas as pd
    >>> from skfactor.frames import panel_from_long
    >>> file = io.StringIO(
    ...     "permno,date,ret,mktcap\n10002,202401,0.02,7\n10001,202401,-0.01,5\n"
    ...     "10001,202402,0.03,6\n")
    >>> panel_from_long(pd.read_csv(file))
                    ret  mktcap
    date    asset
    2024-01 10001 -0.01       5
            10002  0.02       7
    2024-02 10001  0.03       6
    """
    _check_frame(df)
    if any(name is not None for name in df.index.names) or not _numbers_rows(df.index):
        df = df.reset_index()
    raise_if_repeated(df.columns, "df")
    if df.empty:
        raise ValueError(f"There are no rows in df, or no columns: its shape is {df.shape}.")
    date = _date_column(df, date)
    asset = _asset_column(df, asset, date)
    dates = _read_dates(df[date], date, freq)
    assets = _read_assets(df[asset], asset)
    kept = df.drop(columns=[date, asset])
    names = [
        name if name not in kept.columns else own
        for name, own in (("date", date), ("asset", asset))
    ]
    dates_of, date_labels = pd.factorize(dates, sort=True)
    assets_of, asset_labels = pd.factorize(assets, sort=True)
    _warn_of_stamps(date_labels, dates_of, assets_of, len(asset_labels))
    rows = _order(df, dates_of, assets_of, len(asset_labels), (date_labels, asset_labels))
    index = pd.MultiIndex(
        # Cast, because the stubs of pandas know lists of lists only.
        levels=cast("Any", [date_labels, asset_labels]),
        codes=cast("Any", [dates_of[rows], assets_of[rows]]),
        names=names,
        verify_integrity=False,
    )
    if not np.array_equal(rows, np.arange(len(df))):
        kept = kept.take(rows)
    panel = kept.set_axis(index, axis=0)
    panel = panel.assign(**_converted(panel)) if len(panel.columns) else panel
    for name in panel.columns:
        if pd.api.types.is_float_dtype(panel[name].dtype):
            _warn_of_units(panel[name].to_numpy(dtype=np.float64, na_value=np.nan), name)
    return panel


def _check_frame(df: object) -> None:
    if not isinstance(df, pd.DataFrame):
        todo = " Pass df.to_pandas()." if hasattr(df, "to_pandas") else ""
        raise TypeError(f"df has to be a pandas DataFrame; found {type(df).__name__}.{todo}")


def _numbers_rows(index: pd.Index) -> bool:
    return index.nlevels == 1 and pd.api.types.is_integer_dtype(index.dtype)


def _date_column(df: pd.DataFrame, date: Hashable) -> Hashable:
    if not is_one_of(date, ("auto",)):
        return _named(df, date, "date")
    found = [name for name in df.columns if is_date_name(name) or _is_time(df[name])]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(
            f"No column of df looks like a date: {list(df.columns)}. Name it, such as "
            f"date={df.columns[0]!r}."
        )
    raise ValueError(
        f"Several columns of df look like dates: {found}. Say which one the rows are of, such as "
        f"date={found[0]!r}."
    )


def _is_time(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.PeriodDtype) or pd.api.types.is_datetime64_any_dtype(column)


def _asset_column(df: pd.DataFrame, asset: Hashable, date: Hashable) -> Hashable:
    if not is_one_of(asset, ("auto",)):
        if asset == date:
            raise ValueError(f"date and asset both name the column {date!r}.")
        return _named(df, asset, "asset")
    others = [name for name in df.columns if name != date]
    found = [name for name in others if is_asset_name(name)]
    keys = [name for name in found if str(name).lower() in _ROW_KEYS]
    if len(keys) == 1 or len(found) == 1:
        return (keys or found)[0]
    if not found:
        text = [name for name in others if not pd.api.types.is_numeric_dtype(df[name])]
        raise ValueError(
            f"No column of df is named like an asset: {list(df.columns)}. Name it, such as "
            f"asset={(text or others or ['asset'])[0]!r}."
        )
    raise ValueError(
        f"Several columns of df look like assets: {found}. Say which one the rows are of, such as "
        f"asset={found[0]!r}."
    )


def _named(df: pd.DataFrame, name: Hashable, what: str) -> Hashable:
    if not is_among(name, df.columns):
        raise ValueError(f"{what}={name!r} is not a column of df: {list(df.columns)}.")
    return name


# --- dates and assets -----------------------------------------------------------------------------


def _read_dates(column: pd.Series, name: Hashable, freq: str | None) -> pd.Index:
    """Dates of the rows as datetimes or Periods; only distinct ones are looked at."""
    codes, labels = pd.factorize(column)
    if (codes < 0).any():
        raise ValueError(
            f"{int((codes < 0).sum())} rows of df have no date in {name!r}. Drop them with "
            f"df.dropna(subset=[{name!r}])."
        )
    try:
        read = _as_times(pd.Index(labels))
    except ValueError as error:
        raise ValueError(f"The dates in {name!r} cannot be read. {error}") from error
    if freq is not None:
        read = to_periods(read, freq)
    return read.take(codes)


def _as_times(labels: pd.Index) -> pd.Index:
    if isinstance(labels, pd.CategoricalIndex):
        labels = labels.astype(labels.categories.dtype)
    if isinstance(labels, pd.DatetimeIndex | pd.PeriodIndex):
        return labels
    kinds = {type(label) for label in labels}
    if kinds == {str}:
        return _times_of_text([label.strip() for label in labels])
    if str in kinds:
        text = next(label for label in labels if isinstance(label, str))
        other = next(label for label in labels if not isinstance(label, str))
        raise ValueError(
            f"Some are text, such as {text!r}, and others are not, such as {other!r}. Convert them "
            "to one type, such as with astype(str)."
        )
    return _times_of_numbers(check_dates(labels))


def _times_of_numbers(labels: pd.Index) -> pd.Index:
    if not pd.api.types.is_integer_dtype(labels.dtype):
        return labels
    form = calendar_format(labels)
    if form == "%Y%m":
        return pd.PeriodIndex(pd.to_datetime(labels.astype(str), format=form), freq="M")
    if form == "%Y%m%d":
        return _strict(labels.astype(str), form)
    if labels.min() >= 1800 and labels.max() < 2200:
        return pd.PeriodIndex(labels.astype(str), freq="Y")
    odd = next((each for each in labels if calendar_format(pd.Index([each])) is None), labels[0])
    serial = odd in _EXCEL
    how = "unit='D', origin='1899-12-30'" if serial else "format=..."
    raise ValueError(
        f"{odd} is not a date such as 202401, 20240131 or 2024"
        f"{', but may be a serial number of a spreadsheet' if serial else ''}. Convert the column "
        f"with pandas.to_datetime(column, {how})."
    )


def _times_of_text(labels: list[str]) -> pd.Index:
    if all(re.fullmatch(r"\d+(\.0)?", label) for label in labels):
        return _times_of_numbers(pd.Index([int(label.split(".")[0]) for label in labels]))
    if all(re.fullmatch(r"\d{4}-\d{2}", label) for label in labels):
        return pd.PeriodIndex(_strict(pd.Index(labels), "%Y-%m"), freq="M")
    parts = [_PERIOD.fullmatch(label) for label in labels]
    if all(parts):
        return _periods_of_text([part.groups() for part in parts if part is not None])
    local = [_LOCAL_DATE.fullmatch(label) for label in labels]
    if all(local):
        return _local_dates(labels, [match.groups() for match in local if match is not None])
    text = pd.Index(labels)
    if all(re.match(r"\d{4}-\d{2}-\d{2}", label) for label in labels):
        return _strict(text, "ISO8601")
    for form in _MONTH_FORMATS + _DAY_FORMATS:
        read = pd.to_datetime(text, format=form, errors="coerce")
        if not read.hasnans:
            stamps = pd.DatetimeIndex(read)
            return stamps.to_period("M") if form in _MONTH_FORMATS else stamps
    shapes = {re.sub(r"[A-Za-z]", "a", re.sub(r"\d", "0", label)): label for label in labels}
    raise ValueError(
        f"They are written {' and '.join(map(repr, list(shapes.values())[:2]))}. Bring them to one "
        "format and convert the column with pandas.to_datetime(column, format=...)."
    )


def _strict(labels: pd.Index, form: str) -> pd.DatetimeIndex:
    read = pd.to_datetime(labels, format=form, errors="coerce")
    if read.hasnans:
        raise ValueError(f"{labels[read.isna()][0]} is not a day of the calendar.")
    return pd.DatetimeIndex(read)


def _periods_of_text(parts: list[tuple[str, ...]]) -> pd.PeriodIndex:
    units = {unit.upper() for _, unit, _ in parts}
    if len(units) > 1:
        raise ValueError("Some are months and others quarters. Bring them to one frequency first.")
    unit = units.pop()
    largest = 12 if unit == "M" else 4
    odd = [f"{year}{unit}{number}" for year, _, number in parts if not 1 <= int(number) <= largest]
    if odd:
        raise ValueError(f"{odd[0]} is no {'month' if unit == 'M' else 'quarter'}.")
    months = [int(number) if unit == "M" else 3 * int(number) for _, _, number in parts]
    stamps = [f"{year}-{month:02d}" for (year, _, _), month in zip(parts, months, strict=True)]
    return pd.PeriodIndex(stamps, freq=unit)


def _local_dates(labels: list[str], parts: list[tuple[str, ...]]) -> pd.DatetimeIndex:
    """Days written with the day first or the month first, whichever all of them can be."""
    first = max(int(part[0]) for part in parts)
    second = max(int(part[2]) for part in parts)
    if first <= 12 and second <= 12:
        raise ValueError(
            f"{labels[0]} may have the day or the month first. Convert the column with "
            "pandas.to_datetime(column, format='%d/%m/%Y'), or '%m/%d/%Y'."
        )
    order = "%d-%m-%Y" if first > 12 else "%m-%d-%Y"
    return _strict(pd.Index([re.sub(r"[/.]", "-", label) for label in labels]), order)


def _read_assets(column: pd.Series, name: Hashable) -> pd.Series:
    missing = column.isna()
    if missing.any():
        raise ValueError(
            f"{int(missing.sum())} rows of df have no asset in {name!r}. Drop them with "
            f"df.dropna(subset=[{name!r}])."
        )
    if pd.api.types.is_float_dtype(column.dtype):  # whole numbers beside a missing one, once
        whole = column.astype(np.int64)
        if not (whole == column).all():
            raise ValueError(
                f"The assets in {name!r} are fractions such as {column[whole != column].iloc[0]}. "
                "Name another column, such as asset='permno'."
            )
        return whole
    if column.dtype == object:
        kinds = {type(each).__name__: each for each in pd.unique(column)}
        if len(kinds) > 1:
            found = ", ".join(f"{each!r} ({kind})" for kind, each in kinds.items())
            raise ValueError(
                f"The assets in {name!r} are of several types: {found}. The same asset would be "
                f"two. Convert them to one, such as df[{name!r}].astype(str)."
            )
    return column


def _warn_of_stamps(
    dates: pd.Index, dates_of: IntArray, assets_of: IntArray, n_assets: int
) -> None:
    """Warn of stamps within a month that differ by asset, where no asset has two in a month."""
    if not isinstance(dates, pd.DatetimeIndex) or len(dates) < 2:
        return
    months, labels = pd.factorize(to_periods(dates, "M"))
    if len(labels) == len(dates):
        return
    if len(dates_of) > n_assets * len(labels):  # more rows than months can have
        return
    cells = months[dates_of].astype(np.int64) * n_assets + assets_of
    pairs = np.unique(dates_of.astype(np.int64) * n_assets + assets_of)
    if len(np.unique(cells)) == len(pairs):
        several = int((np.bincount(months) > 1).sum())
        warn_user(
            f"No asset has two rows in a month, but {several} of {len(labels)} months have rows of "
            "several days, which are dates of their own. Pass freq='M' to make one date of each "
            "month."
        )


def _order(
    df: pd.DataFrame,
    dates_of: IntArray,
    assets_of: IntArray,
    n_assets: int,
    labels: tuple[pd.Index, pd.Index],
) -> IntArray:
    """Rows in order of date and asset, each pair once."""
    cells = dates_of.astype(np.int64) * n_assets + assets_of
    steps = np.diff(cells)
    if (steps > 0).all():
        return np.arange(len(df))
    rows: IntArray = np.argsort(cells, kind="stable")
    again = np.flatnonzero(np.diff(cells[rows]) == 0) + 1
    if not len(again):
        return rows
    repeated = df.iloc[rows].duplicated().to_numpy()
    differ = again[~repeated[again]]
    if len(differ):
        cell = int(cells[rows[differ[0]]])
        pair = f"({labels[0][cell // n_assets]}, {labels[1][cell % n_assets]})"
        raise ValueError(
            f"{len(differ)} rows of df have a date and an asset that others have, with other "
            f"values; the first is {pair}. Keep one of each, such as "
            "df.drop_duplicates([date, asset], keep='last'); of shares of several classes choose "
            "the asset that tells them apart."
        )
    warn_user(f"{len(again)} rows of df occurred twice, equal in every column, and are kept once.")
    return np.delete(rows, again)


# --- columns --------------------------------------------------------------------------------------


def _converted(panel: pd.DataFrame) -> dict[Any, pd.Series]:
    """Columns of text that hold numbers, as numbers."""
    converted = {}
    for name in panel.columns:
        column = panel[name]
        if not (pd.api.types.is_string_dtype(column.dtype) or column.dtype == object):
            continue
        distinct = column.dropna().unique()
        read = pd.to_numeric(pd.Series(distinct, dtype=object), errors="coerce")
        if not len(read) or read.notna().mean() <= 0.5 or _has_leading_zeros(distinct):
            continue
        converted[name] = pd.to_numeric(column, errors="coerce").astype(np.float64)
        lost = column.notna() & converted[name].isna()
        if lost.any():
            codes = sorted(map(str, column[lost].unique()))[:5]
            warn_user(
                f"The column {name!r} holds numbers and the text {', '.join(map(repr, codes))} in "
                f"{int(lost.sum())} rows, which is NaN now."
            )
    return converted


def _has_leading_zeros(values: Any) -> bool:
    """Whether values are codes such as 001690, which are not numbers."""
    return any(isinstance(each, str) and re.fullmatch(r"0\d+", each) for each in values)


def _warn_of_units(values: Float64Array, name: Hashable) -> None:
    """Warn of codes that stand for missing values, and of returns in percent."""
    if np.isnan(values).all():
        return
    is_return = bool(_RETURN_NAME.fullmatch(re.sub(r"[^a-z]", "", str(name).lower())))
    lowest = np.nanmin(values)
    if lowest > -1.0 and not is_return:
        return
    codes = (*_CODES, *_CRSP_CODES) if is_return else _CODES
    found = [code for code in codes if lowest <= code and (values == code).any()]
    if not is_return:  # sums of money may be -99, but hardly more than once and never lower
        found = [code for code in found if code == lowest and (values == code).sum() > 1]
    if found:
        n_rows = int(np.isin(values, found).sum())
        shown = ", ".join(f"{code:g}" for code in found)
        warn_user(
            f"The column {name!r} is {shown} in {n_rows} rows, as vendors write where there is no "
            f"value. If so, pass df.replace({{{name!r}: {found}}}, float('nan'))."
        )
        values = values[~np.isin(values, found)]
    if not is_return or not np.isfinite(values).any():
        return
    below = int((values < -1.0).sum())
    typical = float(np.nanmedian(np.abs(values)))
    if below or typical > _TYPICAL_PERCENT:
        why = f"{below} are below -1" if below else f"their typical size is {typical:.2g}"
        warn_user(
            f"The column {name!r} does not look like simple returns in decimals: {why}. If they "
            f"are in percent, divide by 100."
        )

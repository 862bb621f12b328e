"""Who is on which date."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pandas.testing import assert_index_equal
from reference import random_panel

from skfactor._dates import calendar_positions, check_dates, find_date_level
from skfactor._panel import check_same_rows, find_panel, is_time_series, time_index

MONTHS = pd.period_range("2020-01", periods=3, freq="M", name="date")
STAMPS = MONTHS.to_timestamp(how="end").normalize()
ASSETS = pd.Index(["x", "y"], name="asset")


def frame(index: pd.Index, n_columns: int = 1) -> pd.DataFrame:
    return pd.DataFrame(np.zeros((len(index), n_columns)), index=index)


def find(X, y=None, **arguments):
    return find_panel(X, y, n_rows=len(X), **arguments)


def dates_of(panel) -> list:
    return list(panel.dates.labels[panel.dates.codes])


def assets_of(panel) -> list:
    return list(panel.assets.labels[panel.assets.codes])


def product(dates: pd.Index, assets: pd.Index = ASSETS) -> pd.MultiIndex:
    return pd.MultiIndex.from_product([dates, assets], names=["date", "asset"])


# --- where dates come from ----------------------------------------------------------------------


def test_dates_come_from_the_argument_before_any_index():
    X = frame(product(MONTHS))
    panel = find(X, X[0], dates=[2001, 2002, 2003, 2004, 2005, 2006])
    assert dates_of(panel) == [2001, 2002, 2003, 2004, 2005, 2006]
    assert assets_of(panel) == ["x", "y"] * 3


def test_dates_come_from_x_before_y():
    X = frame(product(MONTHS))
    assert dates_of(find(X, X[0])) == list(X.index.get_level_values("date"))


@pytest.mark.parametrize("X", [np.zeros((6, 1)), pd.DataFrame(np.zeros((6, 1)))], ids=type)
def test_dates_come_from_y_where_x_lost_its_index(X):
    y = frame(product(MONTHS))[0]
    panel = find(X, y)
    assert dates_of(panel) == list(y.index.get_level_values("date"))
    assert assets_of(panel) == ["x", "y"] * 3


def test_nothing_dated_is_no_panel():
    assert find(np.zeros((6, 1))) is None
    assert find(frame(pd.Index(list("abcdef"), name="ticker"))) is None


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(6),
        pd.RangeIndex(6, name="date"),
        pd.Index([7, 3, 5, 1, 9, 2]),
        pd.Index([7, 7, 5, 5, 9, 9]),
    ],
    ids=["range", "named range", "selected rows", "resampled rows"],
)
def test_row_numbers_are_never_dates(index):
    assert find(frame(index)) is None
    assert find(frame(index), time_series=True) is None
    assert find(np.zeros((6, 1)), frame(index)[0]) is None


def test_row_numbers_of_y_do_not_contradict_the_index_of_x():
    X = frame(product(MONTHS))
    panel = find(X, pd.Series(np.zeros(6), index=[9, 8, 7, 6, 5, 4]))
    assert dates_of(panel) == list(X.index.get_level_values("date"))


@pytest.mark.parametrize("name", ["year", "yyyymm", "Date", "EOM"])
def test_named_integers_that_repeat_are_dates(name):
    panel = find(frame(pd.Index([2001, 2001, 2000], name=name)))
    assert dates_of(panel) == [2001, 2001, 2000]
    assert panel.assets is None


@pytest.mark.parametrize("dates", [STAMPS, MONTHS], ids=["stamps", "periods"])
def test_single_level_of_repeated_dates_makes_a_panel_without_assets(dates):
    panel = find(frame(dates.repeat(2)))
    assert dates_of(panel) == list(dates.repeat(2))
    assert panel.assets is None


@pytest.mark.parametrize("dates", [STAMPS, MONTHS], ids=["stamps", "periods"])
def test_single_level_of_dates_that_each_occur_once_is_a_time_series(dates):
    X = frame(dates)
    assert is_time_series(X)
    assert not is_time_series(frame(dates.repeat(2)))
    assert not is_time_series(frame(product(dates)))
    assert find(X) is None
    assert dates_of(find(X, time_series=True)) == list(dates)


@pytest.mark.parametrize(
    "scalar",
    [
        "2020-01-31",
        202001,
        datetime.date(2020, 1, 31),
        pd.Timestamp("2020-01-31"),
        np.datetime64("2020-01-31"),
        pd.Period("2020-01", "M"),
    ],
    ids=lambda scalar: type(scalar).__name__,
)
def test_scalar_date_is_that_of_all_rows(scalar):
    panel = find(frame(pd.Index(["AAPL", "MSFT"], name="ticker")), dates=scalar)
    assert len(panel.dates) == 1
    assert_array_equal(panel.dates.codes, [0, 0])
    assert_array_equal(panel.segments.offsets, [0, 2])


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        tuple,
        np.asarray,
        pd.Index,
        pd.Series,
        lambda dates: pd.Series(dates, index=range(10, 16)),
        pd.Categorical,
        lambda dates: dates.to_numpy().astype("datetime64[D]"),
        lambda dates: np.array(list(dates.date), dtype=object),
        lambda dates: dates.to_period("M"),
        lambda dates: dates.to_period("M").to_numpy(),
        lambda dates: dates.strftime("%Y-%m-%d"),
        lambda dates: dates.strftime("%Y-%m-%d").to_numpy(dtype=object),
        lambda dates: (dates.year * 100 + dates.month).to_numpy(),
        lambda dates: pd.array(dates.year * 100 + dates.month, dtype="Int64"),
        lambda dates: pl.Series(list(dates.date)),
        lambda dates: pa.array(dates.to_numpy()),
        lambda dates: pa.chunked_array([dates.to_numpy()[:2], dates.to_numpy()[2:]]),
        lambda dates: dates.tz_localize("America/New_York"),
    ],
    ids=[
        *("list", "tuple", "array", "index", "series", "series with other labels", "categorical"),
        *("datetime64", "python dates", "periods", "array of periods", "text", "array of text"),
        *("integers", "nullable integers", "polars", "arrow", "arrow chunks", "zoned"),
    ],
)
def test_dates_argument_may_be_any_array_like(wrap):
    panel = find(np.zeros((6, 1)), dates=wrap(STAMPS[[2, 0, 1, 0, 1, 2]]))
    assert_array_equal(panel.dates.codes, [2, 0, 1, 0, 1, 2])
    assert panel.dates.labels.is_monotonic_increasing


def test_whole_numbers_of_object_type_are_dates():
    panel = find(np.zeros((3, 1)), dates=np.array([2021, 2020, 2021], dtype=object))
    assert_array_equal(panel.dates.codes, [1, 0, 1])


def test_multi_index_as_dates_argument_gives_dates_and_assets():
    panel = find(np.zeros((6, 1)), dates=product(MONTHS).swaplevel())
    assert dates_of(panel) == list(MONTHS.repeat(2))
    assert assets_of(panel) == ["x", "y"] * 3


def test_assets_argument_gives_assets():
    panel = find(np.zeros((3, 1)), dates=[2001, 2001, 2002], assets=["q", "p", "p"])
    assert assets_of(panel) == ["q", "p", "p"]
    assert list(panel.assets.labels) == ["p", "q"]


def test_assets_argument_wins_over_the_index():
    panel = find(frame(product(MONTHS)), assets=list("qpqpqp"))
    assert assets_of(panel) == list("qpqpqp")


# --- which level holds the dates ----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("date", "dates", "time", "datetime", "timestamp", "month", "period", "eom", "ds"),
        *("yyyymm", "year", "Date", "MONTH"),
    ],
)
@pytest.mark.parametrize("position", [0, 1])
def test_date_level_is_found_by_name(name, position):
    names = ["permno", "permno"]
    names[position] = name
    index = pd.MultiIndex.from_product([[1, 2], [3, 4]], names=names)
    assert find_date_level(index) == position


@pytest.mark.parametrize(
    "dates", [STAMPS, MONTHS, STAMPS.tz_localize("UTC")], ids=lambda d: d.dtype
)
@pytest.mark.parametrize("names", [(None, None), ("permno", "when")])
def test_date_level_is_found_by_type(dates, names):
    index = pd.MultiIndex.from_product([[1, 2], dates], names=names)
    assert find_date_level(index) == 1
    assert find_date_level(index.swaplevel()) == 0


def test_name_decides_before_type():
    listed = pd.DatetimeIndex(["1980-12-12", "1986-03-13"])
    index = pd.MultiIndex.from_product([listed, [2001, 2002]], names=["listed", "year"])
    assert find_date_level(index) == 1


@pytest.mark.parametrize(
    ("levels", "names", "message"),
    [
        ([[1, 2], [3, 4]], ["a", "b"], r"levels \['a', 'b'\] of types \['int64', 'int64'\]"),
        ([[1, 2], [3, 4]], [None, None], r"levels \[None, None\]"),
        ([STAMPS, STAMPS], ["a", "b"], r"levels \['a', 'b'\] of types \['datetime64"),
        ([[1, 2], [3, 4]], ["date", "time"], r"levels \['date', 'time'\]"),
    ],
    ids=["integers", "unnamed", "two of datetimes", "two of such names"],
)
def test_ambiguous_date_level_raises_naming_the_levels(levels, names, message):
    index = pd.MultiIndex.from_product(levels, names=names)
    with pytest.raises(ValueError, match=rf"Cannot tell .*{message}.*pass date_level="):
        find(frame(index))


@pytest.mark.parametrize("date_level", ["b", 1, -1])
def test_date_level_overrides_what_the_names_say(date_level):
    index = pd.MultiIndex.from_product([[1, 2], [3, 4]], names=["date", "b"])
    assert find_date_level(index, date_level) == 1


@pytest.mark.parametrize("date_level", ["month", 2, -3])
def test_unknown_date_level_raises_naming_the_levels(date_level):
    with pytest.raises(ValueError, match=rf"date_level={date_level!r} is not among .*'asset'"):
        find(frame(product(MONTHS)), date_level=date_level)


@pytest.mark.parametrize("n_levels", [1, 3])
def test_another_number_of_levels_raises_naming_them(n_levels):
    index = pd.MultiIndex.from_arrays(
        [[1, 2]] * n_levels, names=["date", "asset", "book"][:n_levels]
    )
    with pytest.raises(ValueError, match=rf"found {n_levels}: \['date'.*droplevel, or pass dates="):
        find(frame(index))


def test_dates_argument_rescues_an_index_of_three_levels_or_unclear_ones():
    three = pd.MultiIndex.from_arrays([[1, 2]] * 3)
    unclear = pd.MultiIndex.from_arrays([[1, 2]] * 2)
    for index in (three, unclear):
        panel = find(frame(index), dates=[2001, 2001])
        assert dates_of(panel) == [2001, 2001]
        assert panel.assets is None


# --- rows and levels in any order ---------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), date_first=st.booleans())
def test_segments_hold_each_row_once_with_its_own_date_in_ascending_order(seed, date_first):
    X = random_panel(np.random.default_rng(seed), date_first=date_first)
    panel = find(X)
    rows = panel.segments.order if panel.segments.order is not None else np.arange(len(X))
    assert sorted(rows) == list(range(len(X)))
    row_dates = X.index.get_level_values("date")
    found = [
        row_dates[rows[start:stop]].unique()
        for start, stop in zip(panel.segments.offsets[:-1], panel.segments.offsets[1:], strict=True)
    ]
    assert [list(each) for each in found] == [[date] for date in sorted(row_dates.unique())]
    assert dates_of(panel) == list(row_dates)
    assert assets_of(panel) == list(X.index.get_level_values("asset"))


def test_labels_left_over_from_slicing_do_not_count():
    X = frame(product(MONTHS, pd.Index(list("xyz"), name="asset")))
    kept = X[(X.index.get_level_values(0) != MONTHS[1]) & (X.index.get_level_values(1) != "y")]
    assert len(kept.index.levels[0]) == 3
    panel = find(kept)
    assert list(panel.dates.labels) == [MONTHS[0], MONTHS[2]]
    assert list(panel.assets.labels) == ["x", "z"]
    assert dates_of(panel) == list(kept.index.get_level_values(0))
    assert assets_of(panel) == ["x", "z", "x", "z"]


def test_levels_that_are_not_sorted_are_put_in_order():
    index = pd.MultiIndex(
        levels=[STAMPS[[2, 0, 1]], ["y", "x"]],
        codes=[[0, 1, 2, 1], [0, 1, 0, 0]],
        names=["date", "asset"],
    )
    panel = find(frame(index))
    assert list(panel.dates.labels) == list(STAMPS)
    assert_array_equal(panel.dates.codes, [2, 0, 1, 0])
    assert list(panel.assets.labels) == ["x", "y"]
    assert_array_equal(panel.assets.codes, [1, 0, 1, 1])


def test_more_dates_than_small_codes_can_count():
    days = pd.date_range("2000-01-01", periods=40_000, freq="D")
    X = frame(product(days, pd.Index(["x"], name="asset")))
    shuffled = X.iloc[np.random.default_rng(0).permutation(len(X))]
    panel = find(shuffled)
    assert len(panel.dates) == 40_000
    assert dates_of(panel) == list(shuffled.index.get_level_values(0))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_asset_labels_of_several_types_are_allowed(order):
    labels = pd.Index([10, "b", 2, "a"], dtype=object)[order]
    panel = find(frame(product(STAMPS[:1], labels)))
    assert assets_of(panel) == list(labels)
    assert set(panel.assets.labels[:2]) == {10, 2}


# --- what may be a date -------------------------------------------------------------------------


def test_categorical_levels_sort_as_their_values():
    dates = pd.Categorical(STAMPS.repeat(2), categories=STAMPS[[1, 2, 0]])
    assets = pd.Categorical(["x", "y"] * 3, categories=["z", "y", "x"])
    index = pd.MultiIndex.from_arrays([dates, assets], names=["date", "asset"])
    panel = find(frame(index))
    assert_array_equal(panel.dates.codes, [0, 0, 1, 1, 2, 2])
    assert list(panel.dates.labels) == list(STAMPS)
    assert assets_of(panel) == ["x", "y"] * 3


def test_float_years_as_in_the_grunfeld_data_are_whole_numbers():
    data = sm.datasets.grunfeld.load_pandas().data.set_index(["firm", "year"])
    assert data.index.get_level_values("year").dtype == np.float64
    panel = find(data)
    assert pd.api.types.is_integer_dtype(panel.dates.labels.dtype)
    assert list(panel.dates.labels) == list(range(1935, 1955))
    assert len(panel.assets) == 11


def test_float_dates_with_a_fraction_raise():
    message = r"no whole numbers, such as 2020\.25; pass datetimes or integers"
    with pytest.raises(ValueError, match=message):
        check_dates(pd.Index([2020.25, 2020.5]))


@pytest.mark.parametrize(
    "text",
    [
        *("2020", "2020-02", "202002", "2020-02-29", "20200229", "2020-02-29 16:00"),
        *("2020-02-29T16:00:30", "2020-02-29 16:00:30.125"),
    ],
)
def test_iso_text_is_a_date(text):
    index = pd.Index([text])
    assert check_dates(index) is index


@pytest.mark.parametrize("text", ["Feb 2020", "29/02/2020", "2/2020", "2020-2", "29.02.2020", ""])
def test_free_text_raises(text):
    with pytest.raises(ValueError, match=rf"date {text!r} is free text.*pandas\.to_datetime"):
        check_dates(pd.Index([text]))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2020-02", "2020-02-29"),
        ("2020", "202002"),
        ("2020-02-29", "2020-02-29 16:00"),
        ("2020-02-29 16:00", "2020-02-29T09:00"),
    ],
)
def test_text_of_different_formats_raises_because_it_sorts_wrongly(left, right):
    with pytest.raises(ValueError, match=f"different formats, '{left}' and '{right}'"):
        check_dates(pd.Index([left, right]))


@pytest.mark.parametrize(
    ("dates", "found"),
    [([True, False], "True of type bool"), ([(2020, 1), (2020, 2)], "of type tuple")],
)
def test_other_types_of_dates_raise(dates, found):
    labels = pd.Index(dates, tupleize_cols=False, dtype=object)
    with pytest.raises(ValueError, match=rf"datetimes, Periods, integers or ISO text; .*{found}"):
        check_dates(labels)


@pytest.mark.parametrize("other", [pd.Timestamp("2020-01-31"), datetime.date(2020, 1, 31)])
@pytest.mark.parametrize("text", ["2020-02-29", "x"])
def test_text_among_other_dates_raises(other, text):
    for labels in ([other, text], [text, other]):
        with pytest.raises(
            ValueError, match=rf"Some dates are text, such as {text!r}, .*to_datetime"
        ):
            check_dates(pd.Index(labels, dtype=object))


def test_python_dates_in_a_level_are_dates():
    days = pd.Index([datetime.date(2020, 1, 31), datetime.date(2020, 2, 29)], name="date")
    panel = find(frame(product(days)))
    assert list(panel.dates.labels) == [pd.Timestamp("2020-01-31"), pd.Timestamp("2020-02-29")]


def test_zoned_dates_are_dates():
    zoned = STAMPS.tz_localize("Asia/Tokyo")
    panel = find(frame(product(zoned)))
    assert_index_equal(panel.dates.labels, zoned, check_names=False)


# --- what raises --------------------------------------------------------------------------------


def test_missing_date_in_the_index_raises():
    index = pd.MultiIndex.from_arrays([[STAMPS[0], pd.NaT], ["x", "y"]], names=["date", "asset"])
    with pytest.raises(ValueError, match="Some rows have no date in index level 'date'"):
        find(frame(index))


def test_missing_date_in_unsorted_levels_raises():
    index = pd.MultiIndex(
        levels=[STAMPS[[1, 0]], ["x"]], codes=[[0, 1, -1], [0, 0, 0]], names=["date", "asset"]
    )
    with pytest.raises(ValueError, match="Some rows have no date in index level 'date'"):
        find(frame(index))


@pytest.mark.parametrize("asset", [None, np.nan])
def test_missing_asset_in_the_index_raises(asset):
    index = pd.MultiIndex.from_arrays([STAMPS[:2], ["x", asset]], names=["date", "asset"])
    with pytest.raises(ValueError, match="Some rows have no asset in index level 'asset'"):
        find(frame(index))


@pytest.mark.parametrize(
    "dates", [[STAMPS[0], pd.NaT], [2020.0, np.nan], ["2020-01", None]], ids=["NaT", "NaN", "None"]
)
def test_missing_value_in_the_dates_argument_raises(dates):
    with pytest.raises(ValueError, match=r"Some rows have no date \(missing in dates=\)"):
        find(np.zeros((2, 1)), dates=dates)


def test_missing_value_in_the_assets_argument_raises():
    with pytest.raises(ValueError, match=r"Some rows have no asset \(missing in assets=\)"):
        find(np.zeros((2, 1)), dates=[1, 2], assets=["x", None])


@pytest.mark.parametrize("missing", [pd.NaT, np.nan, np.datetime64("NaT", "ns")])
def test_missing_scalar_date_raises(missing):
    with pytest.raises(ValueError, match="dates are missing"):
        find(np.zeros((2, 1)), dates=missing)


def test_missing_date_in_a_single_level_raises():
    index = pd.DatetimeIndex([STAMPS[0], STAMPS[0], pd.NaT])
    with pytest.raises(ValueError, match="no date"):
        find(frame(index))


@pytest.mark.parametrize("dates", [[1, 2], product(MONTHS)], ids=["list", "MultiIndex"])
def test_dates_argument_of_another_length_raises(dates):
    with pytest.raises(ValueError, match=rf"dates= has {len(dates)} values, X has 3 rows"):
        find(np.zeros((3, 1)), dates=dates)


def test_assets_argument_of_another_length_raises():
    with pytest.raises(ValueError, match="assets= has 1 values, X has 3 rows"):
        find(np.zeros((3, 1)), dates=[1, 2, 3], assets=["x"])


# --- an asset once a date -----------------------------------------------------------------------


def _rows(kind: str) -> pd.MultiIndex:
    """Rows of a unique panel in an order, or of a density, that is checked in its own way."""
    rng = np.random.default_rng(0)
    if kind == "sparse":  # each asset on one date: too many cells for a map of them
        return pd.MultiIndex.from_arrays(
            [rng.permutation(3_000), rng.permutation(3_000)], names=["year", "asset"]
        )
    index = pd.MultiIndex.from_product([range(2000, 2040), range(50)], names=["year", "asset"])
    if kind == "by asset":
        return index[np.argsort(index.get_level_values("asset"), kind="stable")]
    return index if kind == "by date" else index[rng.permutation(len(index))]


KINDS = ["by date", "by asset", "shuffled", "sparse"]


@pytest.mark.parametrize("kind", KINDS)
def test_unique_rows_pass(kind):
    index = _rows(kind)
    assert assets_of(find(frame(index))) == list(index.get_level_values("asset"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_twice", [1, 7])
def test_duplicate_rows_raise_with_their_number_and_the_first(kind, n_twice):
    index = _rows(kind)
    twice = index[[*range(len(index)), *range(100, 100 + n_twice)]]
    date, asset = min(index[100 : 100 + n_twice])
    with pytest.raises(
        ValueError, match=rf"^{n_twice} \(date, asset\) .*first is \({date}, {asset}\)"
    ):
        find(frame(twice))


def test_duplicates_next_to_each_other_in_sorted_rows_raise():
    index = _rows("by date")
    with pytest.raises(ValueError, match=r"^1 \(date, asset\) pairs occur more than once"):
        find(frame(index[[0, 1, 1, 2]]))


def test_duplicates_by_arguments_raise():
    with pytest.raises(ValueError, match=r"the first is \(2001, q\)"):
        find(np.zeros((3, 1)), dates=[2001, 2002, 2001], assets=["q", "q", "q"])


def test_dates_argument_coarser_than_the_rows_raises_and_says_so():
    days = pd.date_range("2020-01-01", periods=40, freq="D")
    X = frame(product(days))
    by_month = X.index.get_level_values("date").to_period("M")
    told = r"first is \(2020-01, x\), 31 times.*months of daily rows, leave it out to work by day"
    with pytest.raises(ValueError, match=told):
        find(X, dates=by_month)
    assert len(find(X).dates) == 40


def test_rows_without_known_assets_may_share_a_date():
    assert find(np.zeros((3, 1)), dates=[2001, 2001, 2001]).assets is None


# --- X and y say the same -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        lambda index: index[::-1],
        lambda index: index.droplevel("asset"),
        lambda index: index.set_levels(["v", "w"], level="asset"),
        lambda index: index.set_levels(MONTHS + 1, level="date"),
    ],
    ids=["reordered", "one level", "other assets", "other dates"],
)
def test_x_and_y_indexed_differently_raise(other):
    X = frame(product(MONTHS))
    y = pd.Series(np.zeros(6), index=other(X.index))
    with pytest.raises(ValueError, match=r"X and y have different indexes: row 0 is .*X\.index"):
        find(X, y)


@pytest.mark.parametrize("name", ["dates", "assets"])
@pytest.mark.parametrize(
    "other",
    [lambda index: index[::-1], lambda index: index.set_levels(MONTHS + 1, level="date")],
    ids=["reordered", "other dates"],
)
def test_an_argument_with_another_index_raises_and_says_what_to_pass(name, other):
    X = frame(product(MONTHS))
    values = pd.Series(X.index.get_level_values(name.removesuffix("s")), other(X.index))
    told = rf"X and {name}= have different indexes: row 0 is \(.* in X and \(.* in {name}=\."
    mend = rf".*pass {name}\.to_numpy\(\); if not, {name}\.loc\[X\.index\]\.$"
    with pytest.raises(ValueError, match=told + mend):
        find(X, **{name: values})
    panel = find(X, **{name: values.to_numpy()})
    assert dates_of(panel) == list(X.index.get_level_values("date"))


@pytest.mark.parametrize("dates", [MONTHS, STAMPS], ids=["periods", "stamps"])
def test_the_first_row_that_differs_is_named(dates):
    X, labels = frame(product(MONTHS)), product(dates).to_list()
    labels[3], labels[4] = labels[4], labels[3]
    y = pd.Series(np.zeros(6), index=pd.MultiIndex.from_tuples(labels, names=X.index.names))
    with pytest.raises(ValueError, match=r"row 3 is .*2020-02.* in X and .*2020-03.* in y"):
        check_same_rows(X, y)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (MONTHS, STAMPS),
        (STAMPS, MONTHS),
        (MONTHS.asfreq("Q").unique(), pd.DatetimeIndex(["2020-02-29"])),
        (MONTHS, STAMPS.tz_localize("America/New_York")),
        (STAMPS.tz_localize("UTC"), STAMPS.tz_localize("UTC").tz_convert("Asia/Tokyo")),
        (pd.Index([1935, 1936]), pd.Index([1935.0, 1936.0])),
        (STAMPS, pd.CategoricalIndex(STAMPS)),
    ],
    ids=[
        *("periods and stamps", "stamps and periods", "quarters and a month in it"),
        *("periods and zoned stamps", "two zones", "integers and floats", "categorical"),
    ],
)
def test_labels_that_mean_the_same_date_are_the_same(left, right):
    X, y = frame(product(left.rename("date"))), frame(product(right.rename("date")))[0]
    check_same_rows(X, y)
    check_same_rows(frame(left.rename("date")), frame(right.rename("date"))[0])


def test_stamps_outside_the_periods_of_x_raise():
    with pytest.raises(ValueError, match="different indexes"):
        check_same_rows(frame(product(MONTHS)), frame(product(STAMPS + pd.Timedelta(days=1)))[0])


def test_equal_labels_with_other_unused_levels_are_the_same():
    whole = frame(product(MONTHS))
    part = frame(product(MONTHS[:2]))
    check_same_rows(whole.iloc[:4], part[0])
    check_same_rows(part, whole[0].iloc[:4])


def test_a_difference_in_length_is_left_to_scikit_learn():
    X = frame(product(MONTHS))
    check_same_rows(X, X[0].iloc[:4])


# --- rows that are periods ----------------------------------------------------------------------


def test_time_index_is_that_of_x_before_that_of_y():
    assert_index_equal(time_index(frame(MONTHS), frame(STAMPS)), MONTHS)
    assert_index_equal(time_index(np.zeros((3, 1)), frame(STAMPS)), STAMPS)
    assert_index_equal(time_index(frame(pd.RangeIndex(3)), frame(STAMPS)), STAMPS)


def test_time_index_of_numbered_rows_is_none():
    assert time_index(np.zeros((3, 1)), np.zeros((3, 2))) is None
    assert time_index(frame(pd.RangeIndex(3))) is None


def test_time_index_takes_years_without_a_name():
    years = pd.Index([1990, 1991, 1993])
    assert_index_equal(time_index(frame(years)), years)


def test_time_index_of_a_panel_raises_and_says_what_to_pass():
    with pytest.raises(ValueError, match=r"indexed by \['date', 'asset'\].*y with one column"):
        time_index(frame(product(MONTHS)))


def test_time_index_with_a_date_twice_raises():
    with pytest.raises(ValueError, match="date 2020-02 occurs more than once"):
        time_index(frame(MONTHS[[0, 1, 1]]))


def test_time_index_with_a_missing_date_raises():
    with pytest.raises(ValueError, match="dates are missing"):
        time_index(frame(pd.DatetimeIndex([STAMPS[0], pd.NaT])))


def test_positions_of_periods_count_the_periods_between():
    months = pd.PeriodIndex(["2020-01", "2020-02", "2020-05", "2021-01"], freq="M")
    assert_array_equal(calendar_positions(months), [0, 1, 4, 12])


@pytest.mark.parametrize(
    "dates",
    [pd.DatetimeIndex(["2020-01-31", "2020-02-29", "2020-05-31"]), pd.Index([1, 7, 9])],
    ids=["stamps", "integers"],
)
def test_positions_of_other_dates_are_ranks(dates):
    assert_array_equal(calendar_positions(dates), [0, 1, 2])


@pytest.mark.parametrize("change", [lambda y: y[::-1], lambda y: y.sample(frac=1, random_state=0)])
def test_ranges_of_one_name_in_another_order_raise(change):
    X = frame(pd.RangeIndex(2000, 2006, name="year"))
    check_same_rows(X, X[0])
    check_same_rows(X, X[0].rename_axis("row")[::-1])
    with pytest.raises(ValueError, match="row 0 is 2000 in X and"):
        check_same_rows(X, change(X[0]))


def test_a_range_that_is_named_like_a_date_holds_the_dates_of_periods():
    X = frame(pd.RangeIndex(2000, 2006, name="year"))
    assert list(time_index(X)) == [2000, 2001, 2002, 2003, 2004, 2005]
    assert time_index(X.rename_axis("row")) is None
    months = pd.Series(np.zeros(6), pd.period_range("2020-01", periods=6, freq="M"))
    assert time_index(X, months).equals(months.index)  # dates that are not numbers come first
    years = months.set_axis(pd.period_range("2000", periods=6, freq="Y", name="year"))
    check_same_rows(X, years)
    assert is_time_series(X)
    assert not is_time_series(X.rename_axis("row"))


@pytest.mark.parametrize("n_rows", [5, 7])
def test_dates_of_periods_are_one_a_row(n_rows):
    with pytest.raises(ValueError, match=f"dates= has 6 values, X has {n_rows} rows"):
        time_index(np.zeros((n_rows, 2)), dates=np.arange(2000, 2006))

"""Spans: what a size means on a calendar, and which sizes raise."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skfactor._spans import check_count, check_size, make_span
from skfactor.model_selection import WalkForwardSplit

DAYS = pd.date_range("2000-01-01", "2012-12-31", freq="D")
law = settings(deadline=None, max_examples=30)


def _months(dates):
    return dates.year * 12 + dates.month


def _weeks(dates):
    """Number of the week that ends on Sunday; 1970-01-05 was a Monday."""
    return (dates - pd.Timestamp("1970-01-05")).days // 7


UNITS = {
    "ME": _months,
    "MS": _months,
    "BME": _months,
    "QE": lambda dates: dates.year * 4 + dates.quarter,
    "QS": lambda dates: dates.year * 4 + dates.quarter,
    "YE": lambda dates: dates.year,
    "YS": lambda dates: dates.year,
    "W": _weeks,
    "YE-JUN": lambda dates: dates.year + (dates.month > 6),
    "YS-JUL": lambda dates: dates.year + (dates.month > 6),
    "D": lambda dates: (dates - pd.Timestamp("2000-01-01")).days,
}


@pytest.mark.parametrize("unit", UNITS)
@law
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 20))
def test_offsets_count_the_calendar_units_in_which_the_dates_lie(unit, seed, length):
    rng = np.random.default_rng(seed)
    dates = DAYS[np.sort(rng.choice(len(DAYS), size=60, replace=False))]
    numbers = np.asarray(UNITS[unit](dates))
    at = int(rng.integers(60))
    span = make_span(f"{length}{unit}", "purge", dates)
    window = [i for i in range(60) if i <= at and numbers[at] - numbers[i] < length]
    near = [i for i in range(60) if abs(numbers[at] - numbers[i]) <= length]
    assert span.first_in_window(at) == window[0]
    assert (span.first_near(at), span.last_near(at)) == (near[0], near[-1])
    covered = [i for i in range(60) if numbers[i] - numbers[0] + 1 >= length]
    assert [i for i in range(60) if span.is_covered(0, i)] == covered


def test_a_month_is_the_same_whatever_its_stamp_and_whatever_the_size_is_written_as():
    first = pd.date_range("2019-01-01", periods=36, freq="MS")
    stamps = [first, first + pd.offsets.MonthEnd(), first + pd.offsets.BMonthEnd()]
    stamps += [first.tz_localize("Asia/Tokyo"), first.to_period("M")]
    sizes = ["5ME", "5MS", "5BME", pd.offsets.MonthEnd(5), pd.DateOffset(months=5)]
    for dates in stamps:
        for size in sizes:
            span = make_span(size, "purge", dates)
            assert (span.first_in_window(20), span.first_near(20), span.last_near(20)) == (
                16,
                15,
                25,
            )


@pytest.mark.parametrize(
    ("size", "same"),
    [
        (pd.DateOffset(years=1, months=2), "14ME"),
        (2 * pd.DateOffset(weeks=1, days=1), "16D"),
        (datetime.timedelta(days=30), "30D"),
        (pd.Timedelta("48h"), "2D"),
    ],
)
def test_the_same_length_in_other_words(size, same):
    left, right = make_span(size, "purge", DAYS), make_span(same, "purge", DAYS)
    assert left.length == right.length
    np.testing.assert_array_equal(left.places, right.places)


def test_business_days_do_not_count_weekends():
    dates = pd.DatetimeIndex(["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"])  # Thu - Tue
    span = make_span("1B", "purge", dates)
    assert [span.last_near(i) for i in range(4)] == [1, 2, 3, 3]
    assert make_span("1D", "purge", dates).last_near(1) == 1


def test_hours_count_within_days():
    dates = pd.date_range("2024-01-01", periods=10, freq="6h")
    assert make_span("12h", "purge", dates).first_near(5) == 3


@pytest.mark.parametrize("size", ["24M", "foo", "", pd.DateOffset(months=1, days=3), "1LWOM-3FRI"])
def test_what_cannot_be_counted_raises(size):
    with pytest.raises(ValueError, match=r"purge=.* is not an offset that can be counted.*'24ME'"):
        check_size(size, "purge", minimum=0)


@pytest.mark.parametrize("size", ["-2ME", "0D", pd.Timedelta(0), datetime.timedelta(days=-3)])
def test_offsets_have_to_be_positive(size):
    with pytest.raises(ValueError, match=r"step=.* has to be a positive length of time"):
        check_size(size, "step", minimum=1)


@pytest.mark.parametrize("size", [1.5, True, [3], None, np.nan])
def test_other_types_raise(size):
    with pytest.raises(TypeError, match=r"purge takes a number of dates, or an offset such as"):
        check_size(size, "purge", minimum=0)
    with pytest.raises(TypeError, match="n_splits is a number; found"):
        check_count(size, "n_splits", minimum=1)


def test_numbers_below_the_minimum_raise():
    with pytest.raises(ValueError, match="purge=-1 has to be at least 0"):
        check_size(-1, "purge", minimum=0)
    check_size(np.int64(0), "purge", minimum=0)


@pytest.mark.parametrize("dates", [pd.Index([202401, 202402]), pd.Index(["2024-01", "2024-02"])])
def test_offsets_need_dates_that_are_on_a_calendar(dates):
    with pytest.raises(ValueError, match=r"not datetimes or Periods: .*2024.*number of dates"):
        make_span("2ME", "purge", dates)
    assert make_span(2, "purge", dates).length == 2


@pytest.mark.parametrize(("form", "days"), [("%Y%m", ""), ("%Y%m%d", "15")])
def test_integers_that_look_like_dates_are_told_their_format(form, days):
    months = pd.period_range("2019-01", periods=30, freq="M")
    dates = pd.Index([int(month.strftime("%Y%m") + days) for month in months])
    X = pd.DataFrame(
        0.0, index=pd.MultiIndex.from_product([dates, [1, 2]], names=["month", "id"]), columns=["x"]
    )
    cv = WalkForwardSplit(3, test_size="6ME")
    advice = rf"pandas\.to_datetime\(dates\.astype\(str\), format='{form}'\)"
    told = rf"test_size='6ME' .*: {dates[0]}\. .*{advice}"
    with pytest.raises(ValueError, match=told):
        next(cv.split(X))
    mended = X.set_axis(X.index.set_levels(pd.to_datetime(dates.astype(str), format=form), level=0))
    assert [len(test) for _, test in cv.split(mended)] == [12, 12, 12]


def test_periods_longer_than_the_unit_raise():
    with pytest.raises(ValueError, match=r"purge='30D' does not fit the dates: Periods of M"):
        make_span("30D", "purge", pd.period_range("2024-01", periods=3, freq="M"))

"""Dates of several inputs are matched by the period that they stand for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skfactor._calendar import match_dates, row_dates, to_periods
from skfactor._dates import calendar_positions

MONTHS = pd.period_range("2024-01", periods=6, freq="M")
STARTS = MONTHS.to_timestamp()
ENDS = MONTHS.to_timestamp(how="end").normalize()


def test_stamps_that_are_equal_stay_as_they_are():
    left, right = match_dates({"a": ENDS, "b": ENDS[2:]})
    assert left is ENDS
    assert isinstance(right, pd.DatetimeIndex)


def test_labels_that_are_no_dates_stay_as_they_are():
    left, _ = match_dates({"a": pd.Index([202401, 202402]), "b": pd.Index([202402])})
    assert list(left) == [202401, 202402]


def test_one_input_of_periods_turns_all_into_periods():
    for dates in match_dates({"a": STARTS, "b": MONTHS, "c": ENDS}):
        pd.testing.assert_index_equal(dates, MONTHS)


def test_zoned_stamps_match_local_ones_by_their_clock():
    zoned = ENDS.tz_localize("Asia/Tokyo")
    left, right = match_dates({"a": zoned, "b": STARTS})
    pd.testing.assert_index_equal(left, right)


@pytest.mark.parametrize("freq", ["D", "W-SUN", "M", "Q-DEC", "Y-DEC"])
def test_stamps_are_matched_at_the_frequency_in_which_they_follow_each_other(freq):
    periods = pd.period_range("2000-01-01", periods=8, freq=freq)
    noon = periods.to_timestamp() + pd.Timedelta(hours=12)
    matched, _ = match_dates({"a": periods.to_timestamp(), "b": noon})
    pd.testing.assert_index_equal(matched, periods)


def test_gaps_do_not_hide_the_frequency():
    matched, _ = match_dates({"a": STARTS[[0, 1, 3, 4, 5]], "b": ENDS})
    assert matched.freqstr == "M"


def test_stamps_of_no_frequency_match_only_where_equal():
    odd = pd.to_datetime(["2024-01-01", "2024-01-06", "2024-03-20"])
    left, right = match_dates({"a": odd, "b": odd + pd.Timedelta(hours=1)})
    assert len(left.intersection(right)) == 0


def test_several_kinds_of_labels_are_named():
    with pytest.raises(ValueError, match="dates in a, integers in b, text in c"):
        match_dates({"a": MONTHS, "b": pd.Index([202401]), "c": pd.Index(["2024-01"])})


def test_several_frequencies_of_periods_are_named():
    with pytest.raises(ValueError, match="different frequency: M in a, Q-DEC in b"):
        match_dates({"a": MONTHS, "b": MONTHS.asfreq("Q").unique()})


def test_days_beside_months_without_an_equal_stamp_are_refused():
    days = pd.date_range("2024-01-02", periods=20)
    with pytest.raises(ValueError, match="days has several dates in the period 2024-01, where"):
        match_dates({"days": days, "months": STARTS})


def test_rows_get_the_code_of_their_date_in_ascending_order():
    index = pd.MultiIndex.from_product([["x", "y"], ENDS[[2, 0]]], names=["asset", "date"])
    codes, dates = row_dates(index, "y")
    assert list(codes) == [1, 0, 1, 0]
    assert list(dates) == list(ENDS[[0, 2]])
    assert dates.name == "date"


def test_free_text_is_no_date():
    with pytest.raises(ValueError, match="24' is free text"):
        row_dates(pd.Index(["Jan 24", "Feb 24"]), "y")


def test_months_are_counted_and_days_only_where_there_is_data():
    for freq in ("W", "M", "Y"):
        periods = pd.period_range("2024-01-01", periods=4, freq=freq)
        np.testing.assert_array_equal(calendar_positions(periods[[0, 1, 3]]), [0, 1, 3])
    np.testing.assert_array_equal(calendar_positions(STARTS[[0, 1, 3]]), [0, 1, 2])
    days = pd.PeriodIndex(["2024-03-01", "2024-03-04"], freq="D")
    np.testing.assert_array_equal(calendar_positions(days), [0, 1])


def test_periods_change_to_a_coarser_frequency():
    quarters = to_periods(MONTHS, "Q")
    assert list(quarters.astype(str)) == ["2024Q1"] * 3 + ["2024Q2"] * 3


def test_periods_do_not_change_to_a_finer_frequency():
    with pytest.raises(ValueError, match="Periods of M do not lie in one of D each"):
        to_periods(MONTHS, "D")

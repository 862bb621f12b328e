"""Dates of two calls, one after the other."""

import numpy as np
import pandas as pd
import pytest

from skfactor._dates import append_dates

MONTHS = pd.period_range("2020-01", periods=6, freq="M", name="month")


@pytest.mark.parametrize(
    "dates",
    [
        MONTHS,
        MONTHS.to_timestamp(),
        MONTHS.to_timestamp().tz_localize("Europe/Berlin"),
        pd.Index(range(2020, 2026)),
        pd.Index([f"2020-0{month}" for month in range(1, 7)]),
    ],
    ids=["periods", "times", "zoned", "integers", "text"],
)
def test_dates_of_one_kind_follow_each_other(dates):
    joined = append_dates(dates[3:], dates[:3].rename("other"))
    assert joined.equals(dates[[3, 4, 5, 0, 1, 2]])
    assert joined.name == dates.name
    assert joined.dtype == dates.dtype


def test_integers_of_two_sizes_follow_each_other():
    joined = append_dates(pd.Index([1, 2], dtype=np.int32), pd.Index([3], dtype=np.int64))
    assert list(joined) == [1, 2, 3]


@pytest.mark.parametrize(
    ("known", "new", "message"),
    [
        (
            MONTHS,
            MONTHS.asfreq("D"),
            "periods of frequency D here, and were periods of frequency M",
        ),
        (MONTHS, MONTHS.to_timestamp(), "times here, and were periods of frequency M before"),
        (MONTHS.to_timestamp(), pd.Index([202101]), "integers here, and were times before"),
        (
            MONTHS.to_timestamp(),
            pd.DatetimeIndex(["2021-01-31"], tz="UTC"),
            "times with a zone here, and were times before",
        ),
        (pd.Index(["2020-01"]), pd.Index(["2020-02-29"]), "text like '0000-00-00' here"),
        (MONTHS[:3], MONTHS[2:5], "1 of these 3 dates were there before, the first is 2020-03"),
    ],
)
def test_other_kinds_and_repeated_dates_raise(known, new, message):
    with pytest.raises(ValueError, match=message):
        append_dates(known, new)

"""Accounts on the rows of a panel: values by hand, a slow oracle, no lookahead, failures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skfactor.frames import carry_forward

MONTHS = pd.period_range("2020-01", "2022-12", freq="M")


def rows(dates, assets=("a",)):
    return pd.MultiIndex.from_product([dates, assets], names=["date", "asset"])


def stamped(day):
    return pd.to_datetime([day])


def accounts(dates, values, asset="a", **columns):
    index = pd.MultiIndex.from_arrays([dates, [asset] * len(values)], names=["date", "asset"])
    return pd.DataFrame({"book": values, **columns}, index)


def first_months(carried):
    """First and last month in which each value stands."""
    found = carried["book"].dropna().droplevel("asset")
    return {value: (str(g.index.min()), str(g.index.max())) for value, g in found.groupby(found)}


def test_yearly_accounts_are_known_six_months_later_for_at_most_a_year():
    years = pd.PeriodIndex(["2019", "2020"], freq="Y")
    carried = carry_forward(accounts(years, [1.0, 2.0]), rows(MONTHS))
    assert first_months(carried) == {1.0: ("2020-06", "2021-05"), 2.0: ("2021-06", "2022-06")}


def test_what_a_month_is_stamped_with_does_not_matter():
    expected = None
    for stamp in ("period", "start", "end", "B", "middle"):
        for account in ("Y", "2019-12-31", "2019-12-15"):
            dates = MONTHS
            if stamp == "start":
                dates = MONTHS.to_timestamp()
            elif stamp == "end":
                dates = MONTHS.to_timestamp(how="end").normalize()
            elif stamp == "B":
                dates = pd.date_range("2020-01-31", periods=36, freq="BME")
            elif stamp == "middle":
                dates = MONTHS.to_timestamp() + pd.Timedelta("14D")
            ends = pd.PeriodIndex(["2019"], freq="Y") if account == "Y" else stamped(account)
            values = carry_forward(accounts(ends, [1.0]), rows(dates))["book"].to_numpy()
            expected = values if expected is None else expected
            np.testing.assert_array_equal(values, expected)
    assert np.flatnonzero(~np.isnan(expected)).tolist() == list(range(5, 18))


def test_daily_rows_wait_for_the_last_day_of_the_month():
    days = pd.date_range("2020-06-01", "2021-07-31")
    found = carry_forward(accounts(pd.to_datetime(["2019-12-15"]), [1.0]), rows(days))["book"]
    known = found.dropna().index.get_level_values("date")
    assert (known.min(), known.max()) == (pd.Timestamp("2020-06-30"), pd.Timestamp("2021-06-30"))
    timed = days + pd.Timedelta("16h")
    found = carry_forward(accounts(pd.to_datetime(["2019-12-15"]), [1.0]), rows(timed))["book"]
    known = found.dropna().index.get_level_values("date")
    assert (known.min(), known.max()) == (
        pd.Timestamp("2020-06-30 16:00"),
        pd.Timestamp("2021-06-30 16:00"),
    )


def test_lags_in_days_business_days_quarters_and_dates():
    days = pd.date_range("2020-01-01", "2020-12-31")
    start = pd.to_datetime(["2020-01-31"])
    for lag, max_age, first, last in [
        ("10D", "20D", "2020-02-10", "2020-02-20"),
        ("2W", "3W", "2020-02-14", "2020-02-21"),
        ("3B", "5B", "2020-02-05", "2020-02-07"),
        ("1QE", "2QE", "2020-04-30", "2020-07-31"),
        (0, 5, "2020-01-31", "2020-02-05"),
        (3, 3, "2020-02-03", "2020-02-03"),
        (pd.Timedelta("10D"), pd.offsets.MonthEnd(2), "2020-02-10", "2020-03-31"),
    ]:
        found = carry_forward(accounts(start, [1.0]), rows(days), lag=lag, max_age=max_age)
        known = found["book"].dropna().index.get_level_values("date")
        assert (str(known.min().date()), str(known.max().date())) == (first, last), lag


def test_accounts_are_known_from_their_publication_and_by_the_lag_where_it_is_missing():
    dates = pd.to_datetime(["2019-12-31", "2020-12-31", "2021-12-31"])
    published = pd.to_datetime(["2020-03-15", "2021-02-28", None])
    table = accounts(dates, [1.0, 2.0, 3.0], rdq=published)
    carried = carry_forward(table, rows(MONTHS), known_from="rdq")
    assert list(carried.columns) == ["book"]
    assert first_months(carried) == {
        1.0: ("2020-03", "2021-01"),
        2.0: ("2021-02", "2022-05"),
        3.0: ("2022-06", "2022-12"),
    }
    # A stamp before the publication, though in its month, does not know it.
    starts = carry_forward(table, rows(MONTHS.to_timestamp()), known_from="rdq")["book"]
    known = starts.dropna().index.get_level_values("date")
    assert known.min() == pd.Timestamp("2020-04-01")


def test_restated_accounts_replace_from_their_own_publication_on():
    date = pd.to_datetime(["2019-12-31"] * 2)
    table = accounts(date, [1.0, 1.5], rdq=pd.to_datetime(["2020-03-15", "2020-09-10"]))
    carried = carry_forward(table, rows(MONTHS), known_from="rdq")
    assert first_months(carried) == {1.0: ("2020-03", "2020-08"), 1.5: ("2020-09", "2021-06")}
    # Earlier accounts that come out after later ones change nothing.
    late = accounts(
        pd.to_datetime(["2019-12-31", "2020-12-31"]),
        [1.0, 2.0],
        rdq=pd.to_datetime(["2021-06-15", "2021-03-15"]),
    )
    assert set(first_months(carry_forward(late, rows(MONTHS), known_from="rdq"))) == {2.0}


def slow(table, index, lag_months, age_months, known_from):
    """The rule row by row: the latest accounts by date among those that are known."""
    stated = list(table.assign(rdq=table.get("rdq", pd.NaT)).itertuples())
    found = []
    for date, asset in index:
        end, best = date.end_time, None
        for (ended, whose), book, published in stated:
            if whose != asset:
                continue
            age = (date.year - ended.year) * 12 + date.month - ended.month
            known = age >= lag_months if known_from is None else published <= end
            if known and age <= age_months and (best is None or ended > best[0]):
                best = (ended, book)
        found.append(np.nan if best is None else best[1])
    return np.array(found, dtype=float)


def test_a_slow_loop_over_rows_finds_the_same():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        quarters = pd.date_range("2019-03-31", periods=12, freq="QE")
        index = pd.MultiIndex.from_product([quarters, list("abcx")], names=["date", "asset"])
        table = pd.DataFrame({"book": rng.normal(size=len(index))}, index)
        delays = pd.to_timedelta(rng.integers(1, 300, len(table)), unit="D")
        table["rdq"] = index.get_level_values("date") + delays
        table.loc[rng.random(len(table)) < 0.2, "book"] = np.nan
        table = table.sample(frac=0.7, random_state=seed)
        panel = rows(MONTHS[:30:2], list("abcd"))
        panel = panel[rng.permutation(len(panel))[:40]]
        lag, age = int(rng.integers(1, 8)), int(rng.integers(8, 20))
        for known_from in (None, "rdq"):
            given = table if known_from else table[["book"]]
            size = f"{lag}ME"
            expected = slow(table, panel, lag, age, known_from)
            actual = carry_forward(
                given, panel, lag=size, max_age=f"{age}ME", known_from=known_from
            )
            np.testing.assert_array_equal(actual["book"], expected)
            flipped = carry_forward(
                given.swaplevel(), panel.swaplevel(), lag=size, max_age=f"{age}ME",
                known_from=known_from,
            )  # fmt: skip
            np.testing.assert_array_equal(flipped["book"], expected)
            assert flipped.index.equals(panel.swaplevel())


def test_nothing_published_later_changes_a_row():
    rng = np.random.default_rng(1)
    dates = pd.date_range("2019-03-31", periods=10, freq="QE")
    table = accounts(dates, rng.normal(size=10))
    table["rdq"] = dates + pd.to_timedelta(rng.integers(20, 200, 10), unit="D")
    panel = rows(MONTHS)
    before = carry_forward(table, panel, known_from="rdq")
    for month in MONTHS[3::7]:
        changed = table.copy()
        changed.loc[(table["rdq"] > month.end_time).to_numpy(), "book"] = 1e6
        after = carry_forward(changed, panel, known_from="rdq")
        upto = panel.get_level_values("date") <= month
        pd.testing.assert_frame_equal(after[upto], before[upto])


def test_a_series_stays_one_and_columns_of_other_types_are_carried():
    year = pd.PeriodIndex(["2019"], freq="Y")
    table = accounts(year, [1.0], sic=["steel"])
    series = carry_forward(table["book"], rows(MONTHS))
    assert series.name == "book"
    pd.testing.assert_series_equal(series, carry_forward(table, rows(MONTHS))["book"])
    assert set(carry_forward(table, rows(MONTHS))["sic"].dropna()) == {"steel"}


def test_mistakes_say_what_was_found_and_what_to_type():
    year = pd.PeriodIndex(["2019"], freq="Y")
    good, index = accounts(year, [1.0]), rows(MONTHS)
    early = accounts(pd.to_datetime(["2019-12-31"]), [1.0], rdq=pd.to_datetime(["2019-11-30"]))
    for table, panel, options, error, message in [
        (good, index, {"lag": "6M"}, ValueError, r"lag='6M' is not an offset"),
        (good, index, {"max_age": -1}, ValueError, r"max_age=-1 has to be at least 0"),
        (good, index, {"lag": "3h"}, ValueError, r"lag='3h' is shorter than a day"),
        (good, index, {"lag": 1.5}, TypeError, r"lag takes a number of dates, or an offset"),
        (good, index, {"lag": "18ME", "max_age": "6ME"}, ValueError, r"No accounts are known"),
        (good, rows(MONTHS - 60), {}, ValueError, r"No accounts are known on any row.*from 2019"),
        (good, rows(MONTHS, [7]), {}, ValueError, r"No asset of accounts, such as a,.*as 7"),
        (good, rows([202001, 202002]), {}, ValueError, r"have to be datetimes.*format='%Y%m'"),
        (pd.concat([good, good]), index, {}, ValueError, r"1 accounts have the asset and the date"),
        (good, index, {"known_from": "rdq"}, ValueError, r"known_from='rdq' is not a column"),
        (good["book"], index, {"known_from": "rdq"}, ValueError, r"of accounts: a Series"),
        (good, index, {"known_from": "book"}, ValueError, r"has to hold datetimes.*float64"),
        (early, index, {"known_from": "rdq"}, ValueError, r"1 accounts were published before"),
        (good.reset_index(), index, {}, TypeError, r"of accounts have to be indexed.*set_index"),
        (good, MONTHS, {}, TypeError, r"rows of index have to be indexed by date and asset"),
        (good.to_numpy(), index, {}, TypeError, r"accounts has to be a DataFrame"),
        (good.iloc[:0], index, {}, ValueError, r"no rows in accounts"),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            carry_forward(table, panel, **options)

"""Tables with columns for date and asset: every way to write a date, and every trap of a file."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pandas as pd
import pytest

from skfactor import FamaMacBeth
from skfactor.frames import panel_from_long

JAN, FEB = pd.Period("2024-01", "M"), pd.Period("2024-02", "M")
DAYS = list(pd.to_datetime(["2024-01-31", "2024-02-29"]))
# How January and February 2024 are written, and what they are read as.
WRITTEN = [
    ([202401, 202402], [JAN, FEB]),
    ([202401.0, 202402.0], [JAN, FEB]),
    (["202401", "202402"], [JAN, FEB]),
    (["2024-01", "2024-02"], [JAN, FEB]),
    (["2024m1", "2024m2"], [JAN, FEB]),  # Stata
    (["2024M01", "2024M02"], [JAN, FEB]),
    (["Jan 2024", "Feb 2024"], [JAN, FEB]),
    ([JAN, FEB], [JAN, FEB]),
    (["2024q1", "2024q3"], [pd.Period("2024Q1"), pd.Period("2024Q3")]),
    ([2024, 2025], [pd.Period("2024", "Y"), pd.Period("2025", "Y")]),
    ([20240131, 20240229], DAYS),
    (["20240131", "20240229"], DAYS),
    (["2024-01-31", "2024-02-29"], DAYS),
    (["2024/01/31", "2024/02/29"], DAYS),
    (["31/01/2024", "29/02/2024"], DAYS),
    (["01/31/2024", "02/29/2024"], DAYS),
    (["31.01.2024", "29.02.2024"], DAYS),
    (["31JAN2024", "29feb2024"], DAYS),  # SAS
    ([day.date() for day in DAYS], DAYS),
    (DAYS, DAYS),
    (["2024-01-31 16:00", "2024-02-29 16:00"], [day + pd.Timedelta("16h") for day in DAYS]),
]


def table(**columns):
    given = {"permno": [1, 2], "date": [202401, 202402], "size": [0.5, 0.7], **columns}
    return pd.DataFrame(given)


def warned(df, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        panel = panel_from_long(df, **options)
    return panel, [str(warning.message) for warning in caught]


def test_dates_are_read_however_they_are_written():
    for written, read in WRITTEN:
        panel, messages = warned(table(date=written))
        assert list(panel.index.get_level_values("date")) == read, written
        assert messages == []
        categories, _ = warned(table(date=pd.Categorical(written)))
        pd.testing.assert_frame_equal(categories, panel)


def test_dates_that_may_mean_two_things_or_nothing_raise_and_show_one():
    for written, message in [
        (["01/02/2024", "03/02/2024"], r"01/02/2024 may have the day or the month first.*%d/%m/%Y"),
        (["2024-01-31", "2024/02/29"], r"'2024-01-31' and '2024/02/29'.*one format"),
        (["2024-01-31", "soon"], r"'2024-01-31' and 'soon'"),
        (
            [202401, "2024-02"],
            r"Some are text, such as '2024-02', and others are not, such",
        ),
        ([45322, 45351], r"45322 is not a date.*spreadsheet.*origin='1899-12-30'"),
        ([20240230, 20240131], r"20240230 is not a day of the calendar"),
        (["2024-02-30", "2024-01-31"], r"2024-02-30 is not a day of the calendar"),
        (["2024m1", "2024q1"], r"months and others quarters"),
        (["2024m13", "2024m1"], r"2024M13 is no month"),
        ([202401.5, 202402], r"no whole numbers, such as 202401.5"),
        (["2024-01", None], r"1 rows of df have no date in 'date'.*dropna\(subset=\['date'\]\)"),
        ([JAN, "2024-02"], r"Some are text"),
    ]:
        with pytest.raises(ValueError, match=message):
            panel_from_long(table(date=written))


def test_rows_come_in_order_of_date_and_asset_as_pandas_sorts_them():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(200001, 200013), list("dacb")])
    df = pd.DataFrame({"x": rng.normal(size=48)}, index.set_names(["month", "ticker"]))
    df = df.reset_index().sample(frac=0.8, random_state=0)
    expected = df.assign(month=pd.PeriodIndex(df["month"].astype(str), freq="M"))
    expected = expected.rename(columns={"month": "date", "ticker": "asset"})
    expected = expected.set_index(["date", "asset"]).sort_index()
    before = df.copy()
    pd.testing.assert_frame_equal(panel_from_long(df), expected)
    pd.testing.assert_frame_equal(df, before)
    # Levels of an index count as columns, whatever their order.
    indexed = df.set_index(["ticker", "month"])
    pd.testing.assert_frame_equal(panel_from_long(indexed), expected)


def test_the_columns_are_found_by_name_or_type_or_are_told():
    days = pd.to_datetime(["2024-01-31", "2024-02-29"])
    crsp = table().assign(permco=[7, 7], ticker=["A", "B"])  # permno is what a row is of
    assert list(panel_from_long(crsp).columns) == ["size", "permco", "ticker"]
    typed = pd.DataFrame({"when": days, "gvkey": ["001690", "006066"], "at": [1.0, 2.0]})
    assert list(panel_from_long(typed).index.get_level_values("asset")) == ["001690", "006066"]
    told = pd.DataFrame({"t": [202401, 202402], "who": ["a", "b"], "date": [1.0, 2.0]})
    panel = panel_from_long(told, date="t", asset="who")
    assert panel.index.names == ["t", "asset"]  # the column "date" stays
    assert list(panel["date"]) == [1.0, 2.0]


def test_columns_that_cannot_be_told_raise_with_what_to_type():
    accounts = pd.DataFrame({"gvkey": [1], "datadate": ["2020-12-31"], "fyear": [2020], "x": [1.0]})
    for df, options, error, message in [
        (accounts, {}, ValueError, r"look like dates: \['datadate', 'fyear'\].*date='datadate'"),
        (accounts.drop(columns=["datadate", "fyear"]), {}, ValueError, r"No column .* like a date"),
        (table().assign(cusip="a", ticker="b").drop(columns="permno"), {}, ValueError,
         r"look like assets: \['cusip', 'ticker'\].*asset='cusip'"),
        (table().rename(columns={"permno": "who"}), {}, ValueError, r"named like an asset.*asset="),
        (table(), {"asset": "ticker"}, ValueError, r"asset='ticker' is not a column of df: "),
        (table(), {"date": "permno", "asset": "permno"}, ValueError, r"both name the column"),
        (table().iloc[:0], {}, ValueError, r"no rows in df.*\(0, 3\)"),
        (pd.DataFrame(), {}, ValueError, r"no rows in df"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"]), {}, ValueError, r"occur more than"),
        (table().to_numpy(), {}, TypeError, r"pandas DataFrame; found ndarray"),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            panel_from_long(df, **options)


def test_assets_of_one_type_are_kept_and_of_several_raise():
    floats = table(permno=[10001.0, 10002.0])
    assert list(panel_from_long(floats).index.get_level_values(1)) == [10001, 10002]
    for assets, message in [
        ([10001, "10001"], r"several types: 10001 \(int\), '10001' \(str\)"),
        ([0.5, 1.0], r"fractions such as 0.5"),
        ([1.0, None], r"1 rows of df have no asset in 'permno'"),
    ]:
        with pytest.raises(ValueError, match=message):
            panel_from_long(table(permno=assets))


def test_rows_that_are_the_same_are_kept_once_and_others_of_one_pair_raise():
    df = pd.concat([table(), table().iloc[:1]])
    panel, messages = warned(df)
    pd.testing.assert_frame_equal(panel, panel_from_long(table()))
    assert [message[:27] for message in messages] == ["1 rows of df occurred twice"]
    with pytest.raises(ValueError, match=r"1 rows .*other values; the first is \(2024-01, 1\)"):
        panel_from_long(pd.concat([table(), table(size=[0.6, 0.7]).iloc[:1]]))


def test_text_that_holds_numbers_becomes_numbers_and_codes_stay_text():
    df = pd.DataFrame(
        {
            "permno": [1, 2, 3, 4],
            "date": 202401,
            "ret": ["0.1", "C", "-0.2", " 0.3"],
            "gvkey": ["001690", "001691", "001692", "001693"],
            "sector": ["tech", "oil", "oil", "7"],
        }
    )
    panel, messages = warned(df, asset="permno")
    np.testing.assert_array_equal(panel["ret"], [0.1, np.nan, -0.2, 0.3])
    assert list(panel["gvkey"]) == list(df["gvkey"])
    assert list(panel["sector"]) == list(df["sector"])
    assert messages == [
        "The column 'ret' holds numbers and the text 'C' in 1 rows, which is NaN now."
    ]


def test_percent_and_codes_of_missing_values_are_told_and_left():
    rng = np.random.default_rng(0)
    base = pd.DataFrame({"permno": np.arange(200), "date": 202401})
    returns = rng.normal(0.01, 0.12, 200)
    coded = np.where(np.arange(200) < 3, -99.0, returns)
    for columns, expected in [
        ({"ret": returns, "mktcap": 1e3 * returns, "fwd_return": returns}, []),
        ({"ret_excess": 100 * returns}, ["'ret_excess' does not look like simple returns in dec"]),
        ({"RETX": np.abs(100 * returns)}, ["'RETX' does not look like simple returns in decimal"]),
        ({"ret": coded}, ["'ret' is -99 in 3 rows, as vendors write where there is no value. If"]),
        ({"ret": np.where(coded == -99, -66.0, coded)}, ["'ret' is -66 in 3 rows, as vendors"]),
        ({"bm": coded}, ["'bm' is -99 in 3 rows, as vendors"]),
        ({"income": np.where(np.arange(200) < 2, -99.0, 1e3 * returns)}, []),  # and lower ones
        ({"retained": 1e3 * returns, "sprtrn": returns}, []),
    ]:
        df = base.assign(**columns)
        panel, messages = warned(df)
        assert len(messages) == len(expected), (list(columns), messages)
        for message, start in zip(messages, expected, strict=True):
            assert message.startswith(f"The column {start}")
        np.testing.assert_array_equal(panel.to_numpy(), df[list(columns)].to_numpy())


def test_stamps_of_a_month_that_differ_by_asset_are_told_and_brought_together():
    df = table(date=["2024-01-30", "2024-01-31"]).assign(permno=[1, 2])
    later = table(date=["2024-02-29", "2024-02-29"]).assign(permno=[1, 2])
    df = pd.concat([df, later])
    panel, messages = warned(df)
    assert panel.index.get_level_values("date").nunique() == 3
    assert len(messages) == 1
    assert "1 of 2 months have rows of several days" in messages[0]
    assert "freq='M'" in messages[0]
    panel, messages = warned(df, freq="M")
    assert list(panel.index) == [(JAN, 1), (JAN, 2), (FEB, 1), (FEB, 2)]
    assert messages == []
    daily = table(date=["2024-01-30", "2024-01-31"]).assign(permno=[1, 1])
    assert warned(daily)[1] == []


def test_a_file_becomes_premia():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(200001, 200013), range(50)])
    df = pd.DataFrame({"beta": rng.normal(size=600)}, index.set_names(["yyyymm", "permno"]))
    df["ret"] = 0.01 + 0.005 * df["beta"]
    file = io.StringIO(df.sample(frac=1, random_state=0).to_csv())
    panel = panel_from_long(pd.read_csv(file))
    premia = FamaMacBeth().fit(panel[["beta"]], panel["ret"]).premia_
    np.testing.assert_allclose(premia, [0.01, 0.005])

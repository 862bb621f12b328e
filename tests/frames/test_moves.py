"""Moves from prices and wide frames to what estimators take: values, laws, failures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skfactor.datasets import load_french, load_stocks, make_panel
from skfactor.frames import (
    align_dates,
    excess_returns,
    forward_returns,
    repeat_factors,
    returns_from_prices,
    stack_characteristics,
)

MONTHS = pd.period_range("2024-01", periods=4, freq="M", name="date")
STOCKS, FRENCH = load_stocks(), load_french()
SEEDS = st.integers(0, 2**32 - 1)
law = settings(deadline=None, max_examples=30)


def wide(values, index=MONTHS, columns=("a", "b")):
    return pd.DataFrame(np.asarray(values, dtype=float), index, pd.Index(columns, name="asset"))


def shuffled(frame, seed):
    return frame.iloc[np.random.default_rng(seed).permutation(len(frame))]


class TestReturnsFromPrices:
    def test_a_return_is_the_ratio_of_the_last_prices_of_two_months(self):
        days = pd.to_datetime(["2024-01-02", "2024-01-30", "2024-02-01", "2024-02-29"])
        days = days.rename("date")
        prices = wide([[1.0, 7.0], [2.0, 8.0], [9.0, 10.0], [3.0, np.nan]], days)
        expected = wide([[0.5, 0.25]], MONTHS[1:2])  # b: the last one there is, on 2024-02-01
        pd.testing.assert_frame_equal(returns_from_prices(prices, "M"), expected)

    def test_a_month_without_prices_gets_a_row_and_no_return_spans_it(self):
        prices = wide([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]], MONTHS[[0, 1, 3]])
        expected = wide([[1.0, 1.0], [np.nan] * 2, [np.nan] * 2], MONTHS[1:])
        pd.testing.assert_frame_equal(returns_from_prices(prices), expected)

    def test_an_asset_without_a_price_in_a_month_loses_two_returns(self):
        prices = wide([[1.0, 1.0], [2.0, np.nan], [4.0, 4.0], [8.0, 5.0]])
        expected = wide([[1.0, np.nan], [1.0, np.nan], [1.0, 0.25]], MONTHS[1:])
        pd.testing.assert_frame_equal(returns_from_prices(prices), expected)

    def test_without_a_frequency_stamps_are_kept_and_returns_go_from_row_to_row(self):
        prices = STOCKS.iloc[:30]
        expected = prices.pct_change(fill_method=None).iloc[1:]
        pd.testing.assert_frame_equal(returns_from_prices(prices), expected)

    def test_monday_follows_friday_in_daily_returns(self):
        days = pd.to_datetime(["2024-03-01 16:00", "2024-03-04 10:00", "2024-03-04 16:00"])
        returns = returns_from_prices(wide([[1.0, 4.0], [7.0, 7.0], [2.0, 5.0]], days), "D")
        monday = pd.period_range("2024-03-04", periods=1, freq="D")
        pd.testing.assert_frame_equal(returns, wide([[1.0, 0.25]], monday))

    @pytest.mark.parametrize(("freq", "alias"), [("M", "ME"), ("Q", "QE"), ("W", "W")])
    def test_complete_prices_give_what_pandas_resamples(self, freq, alias):
        prices = STOCKS.loc["2021":, ["KO", "PG"]]
        expected = prices.resample(alias).last().pct_change(fill_method=None).iloc[1:]
        returns = returns_from_prices(prices, freq)
        assert returns.index.freqstr == pd.PeriodIndex(["2021"], freq=freq).freqstr
        np.testing.assert_allclose(returns, expected)

    @law
    @given(SEEDS)
    def test_the_order_of_rows_does_not_matter(self, seed):
        prices = STOCKS.iloc[:60, :2]
        expected = returns_from_prices(prices, "M")
        pd.testing.assert_frame_equal(returns_from_prices(shuffled(prices, seed), "M"), expected)

    def test_a_zoned_time_belongs_to_the_month_of_its_local_clock(self):
        days = pd.DatetimeIndex(["2024-01-31 20:00", "2024-02-29 20:00"], tz="America/New_York")
        returns = returns_from_prices(wide([[1.0, 1.0], [2.0, 3.0]], days), "M")
        assert list(returns.index) == [pd.Period("2024-02", "M")]

    @pytest.mark.parametrize("price", [0.0, -1.0, np.inf])
    def test_a_price_that_is_none_names_its_asset_and_date(self, price):
        prices = wide([[1.0, 1.0], [1.0, 1.0], [1.0, price], [1.0, 1.0]])
        with pytest.raises(ValueError, match=r"\['b'\] are not all positive .* first on 2024-03"):
            returns_from_prices(prices)

    def test_a_repeated_date_is_named(self):
        prices = wide(np.ones((4, 2)), MONTHS[[0, 1, 1, 2]])
        with pytest.raises(ValueError, match="date 2024-02 occurs more than once in prices"):
            returns_from_prices(prices)

    def test_text_for_dates_says_how_to_convert_it(self):
        with pytest.raises(TypeError, match=r"found Index\. Convert it with pandas.to_datetime"):
            returns_from_prices(wide(np.ones((4, 2)), MONTHS.astype(str)))

    def test_a_missing_date_and_an_empty_frame_are_refused(self):
        with pytest.raises(ValueError, match="rows of prices have no date"):
            returns_from_prices(wide(np.ones((2, 2)), pd.DatetimeIndex(["2024-01-31", None])))
        with pytest.raises(ValueError, match="There are no rows in prices"):
            returns_from_prices(wide(np.ones((0, 2)), MONTHS[:0]), "M")


class TestExcessReturns:
    RATES = pd.Series([0.1, 0.2, 0.3, 0.4], MONTHS)

    def test_a_wide_frame_loses_the_rate_of_the_month_in_every_column(self):
        returns = wide([[1.0, 2.0], [3.0, 4.0]], MONTHS[[3, 1]])
        expected = wide([[0.6, 1.6], [2.8, 3.8]], MONTHS[[3, 1]])
        pd.testing.assert_frame_equal(excess_returns(returns, self.RATES), expected)

    @pytest.mark.parametrize("names", [["date", "asset"], ["asset", "date"]])
    def test_a_panel_loses_the_rate_of_the_rows_date_in_either_order_of_levels(self, names):
        rows = {"date": MONTHS[[1, 0, 1]], "asset": ["a", "a", "b"]}
        index = pd.MultiIndex.from_arrays([rows[name] for name in names], names=names)
        returns = pd.Series([1.0, 2.0, 3.0], index, name="return")
        expected = pd.Series([0.8, 1.9, 2.8], index, name="return")
        pd.testing.assert_series_equal(excess_returns(returns, self.RATES), expected)

    def test_an_unnamed_date_level_of_text_needs_date_level(self):
        index = pd.MultiIndex.from_product([["2024-01", "2024-02"], ["a"]])
        rates = pd.Series([0.25, 0.5], ["2024-01", "2024-02"])
        returns = pd.Series([1.0, 1.0], index)
        with pytest.raises(ValueError, match="Cannot tell which index level holds the dates"):
            excess_returns(returns, rates)
        assert list(excess_returns(returns, rates, date_level=0)) == [0.75, 0.5]

    @law
    @given(SEEDS)
    def test_adding_the_rate_back_gives_the_returns(self, seed):
        returns = FRENCH[["NoDur", "Money"]]
        rates = shuffled(FRENCH["RF"], seed)
        excess = excess_returns(shuffled(returns, seed), rates)
        pd.testing.assert_frame_equal(excess.add(rates, axis=0).sort_index(), returns)

    @pytest.mark.parametrize("how", ["start", "end"])
    def test_month_stamps_find_the_rate_of_their_period(self, how):
        returns = wide(np.ones((4, 2)), MONTHS.to_timestamp(how=how))
        excess = excess_returns(returns, self.RATES)
        pd.testing.assert_index_equal(excess.index, returns.index)
        np.testing.assert_allclose(excess["a"], 1.0 - self.RATES)

    def test_dates_without_a_rate_are_counted_and_named(self):
        with pytest.raises(
            ValueError, match=r"2 of the 4 dates of returns .* to 2024-02: 2024-03, 2024-04\. Drop"
        ):
            excess_returns(wide(np.ones((4, 2))), self.RATES.iloc[:2])

    def test_a_missing_rate_is_no_rate(self):
        rates = self.RATES.mask(self.RATES == 0.3)
        with pytest.raises(ValueError, match=r"1 of the 4 dates .*: 2024-03\."):
            excess_returns(wide(np.ones((4, 2))), rates)

    def test_a_monthly_rate_is_not_taken_from_daily_returns(self):
        daily = wide(np.ones((40, 2)), pd.bdate_range("2024-01-01", periods=40))
        with pytest.raises(ValueError, match="returns has several dates in the period 2024-01"):
            excess_returns(daily, self.RATES)

    def test_a_frame_of_rates_says_to_select_the_column(self):
        with pytest.raises(TypeError, match=r"found DataFrame\. Select the column"):
            excess_returns(wide(np.ones((4, 2))), self.RATES.to_frame())


class TestAlignDates:
    def test_common_periods_are_kept_in_date_order(self):
        first = wide(np.arange(8).reshape(4, 2), MONTHS[[3, 0, 2, 1]])
        second = pd.Series([1.0, 2.0, 3.0], MONTHS[[2, 3, 1]], name="market")
        left, right = align_dates(first, second)
        pd.testing.assert_frame_equal(left, wide([[6, 7], [4, 5], [0, 1]], MONTHS[1:]))
        pd.testing.assert_series_equal(right, pd.Series([3.0, 1.0, 2.0], MONTHS[1:], name="market"))

    def test_common_stamps_stay_stamps(self):
        days = pd.bdate_range("2024-01-01", periods=6, name="date")
        left, right = align_dates(wide(np.ones((4, 2)), days[:4]), wide(np.ones((4, 2)), days[2:]))
        pd.testing.assert_index_equal(left.index, days[2:4])
        pd.testing.assert_index_equal(right.index, left.index)

    def test_daily_stamps_keep_only_the_days_that_monthly_stamps_name(self):
        daily = wide(np.ones((80, 2)), pd.bdate_range("2024-01-01", periods=80))
        monthly = wide(np.ones((3, 2)), pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-29"]))
        aligned, _ = align_dates(daily, monthly)
        assert list(aligned.index) == list(monthly.index)

    @pytest.mark.parametrize("freq", ["W", "M", "Q", "Y"])
    def test_period_starts_match_period_ends(self, freq):
        periods = pd.period_range("2001-01-01", periods=5, freq=freq)
        ends = periods.to_timestamp(how="end").normalize()
        left, right = align_dates(
            wide(np.ones((4, 2)), periods[:4].to_timestamp()), wide(np.ones((4, 2)), ends[1:])
        )
        pd.testing.assert_index_equal(left.index, periods[1:4])
        pd.testing.assert_index_equal(right.index, periods[1:4])

    def test_a_period_matches_any_day_in_it(self):
        days = pd.to_datetime(["2024-01-17", "2024-02-03", "2024-04-29"])
        left, right = align_dates(wide(np.ones((4, 2))), wide(np.ones((3, 2)), days))
        pd.testing.assert_index_equal(left.index, MONTHS[[0, 1, 3]])
        pd.testing.assert_index_equal(right.index, left.index)

    def test_last_business_days_match_last_days_also_where_most_are_equal(self):
        last = MONTHS.to_timestamp(how="end").normalize()  # 2024-03-31 is a Sunday
        business = pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30"])
        left, _ = align_dates(wide(np.ones((4, 2)), last), wide(np.ones((4, 2)), business))
        pd.testing.assert_index_equal(left.index, MONTHS, check_names=False)

    @law
    @given(SEEDS, st.lists(st.sets(st.integers(0, 9), min_size=6), min_size=1, max_size=3))
    def test_inputs_share_one_ascending_index_and_keep_the_value_of_each_date(self, seed, picks):
        values = pd.Series(np.arange(10.0), pd.period_range("2024-01", periods=10, freq="M"))
        inputs = [shuffled(values.iloc[sorted(pick)], seed) for pick in picks]
        common = sorted(set.intersection(*picks)) or None
        if common is None:
            with pytest.raises(ValueError, match="no date that all inputs have"):
                align_dates(*inputs)
            return
        for aligned in align_dates(*inputs):
            pd.testing.assert_series_equal(aligned, values.iloc[common], check_freq=False)

    def test_inputs_without_a_common_date_show_their_spans(self):
        with pytest.raises(
            ValueError, match="input 1 goes from 2024-01 to 2024-02; input 2 goes from 2024-03 to"
        ):
            align_dates(wide(np.ones((2, 2)), MONTHS[:2]), wide(np.ones((2, 2)), MONTHS[2:]))

    def test_a_repeated_date_names_the_input(self):
        with pytest.raises(ValueError, match="date 2024-02 occurs more than once in input 2"):
            align_dates(wide(np.ones((4, 2))), wide(np.ones((3, 2)), MONTHS[[0, 1, 1]]))

    def test_two_days_of_one_month_name_the_input(self):
        days = pd.to_datetime(["2024-01-10", "2024-01-20"])
        with pytest.raises(ValueError, match="input 2 has several dates in the period 2024-01"):
            align_dates(wide(np.ones((4, 2))), wide(np.ones((2, 2)), days))

    def test_what_is_no_wide_frame_is_refused(self):
        with pytest.raises(TypeError, match="input 2 is a ndarray"):
            align_dates(wide(np.ones((4, 2))), np.ones((4, 2)))
        with pytest.raises(ValueError, match=r"input 1 .* \['date', 'asset'\].*unstack"):
            align_dates(make_panel(2, 3, 1, random_state=0).target)
        with pytest.raises(TypeError, match="Pass the DataFrames or Series"):
            align_dates()


class TestRepeatFactors:
    FACTORS = pd.DataFrame({"market": [1.0, 2.0, 3.0, 4.0], "size": [5.0, 6.0, 7.0, 8.0]}, MONTHS)

    @pytest.mark.parametrize("names", [["date", "asset"], ["asset", "date"]])
    def test_each_row_gets_the_factors_of_its_date(self, names):
        rows = {"date": MONTHS[[2, 0, 2]], "asset": ["b", "a", "a"]}
        index = pd.MultiIndex.from_arrays([rows[name] for name in names], names=names)
        expected = pd.DataFrame({"market": [3.0, 1.0, 3.0], "size": [7.0, 5.0, 7.0]}, index)
        pd.testing.assert_frame_equal(repeat_factors(self.FACTORS, index), expected)

    @law
    @given(SEEDS)
    def test_neither_the_order_of_factors_nor_of_rows_matters(self, seed):
        y = make_panel(6, 4, 1, missing=0.3, random_state=seed).target
        factors = pd.DataFrame(
            {"f": np.arange(6.0)}, pd.period_range("2010-01", periods=6, freq="M")
        )
        expected = factors["f"].loc[y.index.get_level_values("date")].to_numpy()
        repeated = repeat_factors(shuffled(factors, seed), y.index)
        np.testing.assert_array_equal(repeated["f"], expected)
        index = shuffled(y, seed).index
        pd.testing.assert_frame_equal(repeat_factors(factors, index), repeated.loc[index])

    def test_stamps_in_the_panel_find_monthly_periods(self):
        ends = MONTHS.to_timestamp(how="end").normalize()
        index = pd.MultiIndex.from_product([["a", "b"], ends], names=["asset", "month"])
        repeated = repeat_factors(self.FACTORS, index)
        assert list(repeated["market"]) == [1.0, 2.0, 3.0, 4.0] * 2
        pd.testing.assert_index_equal(repeated.index, index)

    def test_a_single_cross_section_is_matched_by_the_spacing_of_the_factors(self):
        index = pd.MultiIndex.from_product([pd.to_datetime(["2024-02-29"]), ["a", "b"]])
        factors = self.FACTORS.set_axis(MONTHS.to_timestamp(), axis=0)
        assert list(repeat_factors(factors, index)["size"]) == [6.0, 6.0]

    def test_integer_months_match_as_they_are(self):
        factors = self.FACTORS.set_axis([202401, 202402, 202403, 202404], axis=0)
        index = pd.MultiIndex.from_product([[202404, 202401], [10001]], names=["yyyymm", "permno"])
        assert list(repeat_factors(factors, index)["market"]) == [4.0, 1.0]

    def test_missing_dates_are_listed(self):
        index = make_panel(7, 2, 1, start="2024-03", random_state=0).data.index
        with pytest.raises(
            ValueError,
            match=r"5 of the 7 dates of index are not in factors, which goes from 2024-01 to "
            r"2024-04: 2024-05, 2024-06, 2024-07, 2024-08, 2024-09\. Drop",
        ):
            repeat_factors(self.FACTORS, index)

    def test_no_more_than_five_missing_dates_are_listed(self):
        index = make_panel(8, 2, 1, start="2024-05", random_state=0).data.index
        with pytest.raises(ValueError, match=r"2024-08, 2024-09, \.\.\.\. Drop"):
            repeat_factors(self.FACTORS, index)

    def test_a_repeated_date_of_the_factors_is_named(self):
        factors = self.FACTORS.iloc[[0, 0, 1]]
        with pytest.raises(ValueError, match="date 2024-01 occurs more than once in factors"):
            repeat_factors(factors, make_panel(2, 2, 1, start="2024-01", random_state=0).data.index)

    def test_the_panel_itself_is_not_its_index(self):
        with pytest.raises(TypeError, match="index has to be a pandas index; found Series"):
            repeat_factors(self.FACTORS, make_panel(2, 2, 1, random_state=0).target)


class TestStackCharacteristics:
    SIZE = wide([[1.0, np.nan], [2.0, 3.0]], MONTHS[:2])
    VALUE = wide([[4.0, np.nan], [np.nan, 5.0]], MONTHS[1:3], columns=["c", "a"])

    def test_dates_and_assets_are_joined_and_empty_rows_dropped(self):
        panel = stack_characteristics({"value": self.VALUE, "size": self.SIZE})
        rows = [(0, "a"), (1, "a"), (1, "b"), (1, "c"), (2, "a")]
        index = pd.MultiIndex.from_tuples([(MONTHS[i], a) for i, a in rows])
        expected = pd.DataFrame(
            {
                "value": [np.nan, np.nan, np.nan, 4.0, 5.0],
                "size": [1.0, 2.0, 3.0, np.nan, np.nan],
            },
            index.set_names(["date", "asset"]),
        )
        pd.testing.assert_frame_equal(panel, expected)

    def test_how_says_which_rows_to_drop(self):
        two = {"size": self.SIZE, "more": self.SIZE.fillna(0.0)}
        lengths = {how: len(stack_characteristics(two, how=how)) for how in ("all", "any", None)}
        assert lengths == {"all": 4, "any": 3, None: 4}
        assert len(stack_characteristics({"size": self.SIZE}, how=None)) == 4
        assert len(stack_characteristics({"size": self.SIZE}, how="all")) == 3

    @law
    @given(SEEDS)
    def test_stacking_undoes_unstacking(self, seed):
        X = make_panel(5, 4, 2, missing=0.4, random_state=seed).data
        frames = {name: shuffled(X[name].unstack("asset"), seed) for name in X}  # noqa: PD010 -- pivot_table would average duplicates
        pd.testing.assert_frame_equal(stack_characteristics(frames), X)

    def test_the_order_of_columns_does_not_matter(self):
        panel = stack_characteristics({"size": self.SIZE, "value": self.VALUE})
        turned = {"size": self.SIZE[["b", "a"]], "value": self.VALUE[["a", "c"]]}
        pd.testing.assert_frame_equal(stack_characteristics(turned), panel)
        alone = stack_characteristics({"size": self.SIZE[["b", "a"]]})
        pd.testing.assert_frame_equal(alone, stack_characteristics({"size": self.SIZE}))

    def test_starts_and_ends_of_months_are_the_same_months(self):
        frames = {
            how: self.SIZE.set_axis(self.SIZE.index.to_timestamp(how=how), axis=0)
            for how in ("start", "end")
        }
        panel = stack_characteristics(frames)
        assert list(panel.index) == [
            (MONTHS[0], "a"),
            (MONTHS[1], "a"),
            (MONTHS[1], "b"),
        ]
        np.testing.assert_array_equal(panel["start"], panel["end"])

    def test_columns_keep_their_types(self):
        frames = {"small": self.SIZE.astype(np.float32), "industry": self.SIZE.astype(str)}
        assert stack_characteristics(frames)["small"].dtype == np.float32

    @pytest.mark.parametrize(
        ("characteristics", "error", "message"),
        [
            ({}, ValueError, "no characteristic to stack"),
            ({"size": SIZE["a"]}, TypeError, "'size' has to be a wide DataFrame; found Series"),
            ({"size": SIZE[["a", "a"]]}, ValueError, "asset 'a' occurs more than once in 'size'"),
            ({"size": SIZE.iloc[[0, 0]]}, ValueError, "date 2024-01 occurs .* in 'size'"),
            ({"size": SIZE.reset_index(drop=True)}, ValueError, "of 'size' only numbers its rows"),
        ],
    )
    def test_what_cannot_be_stacked_is_named(self, characteristics, error, message):
        with pytest.raises(error, match=message):
            stack_characteristics(characteristics)

    def test_an_unknown_how_is_named(self):
        with pytest.raises(ValueError, match="how has to be 'all', 'any' or None; found 'some'"):
            stack_characteristics({"size": self.SIZE}, how="some")


class TestForwardReturns:
    def panel(self, rows, names=("date", "asset")):
        index = pd.MultiIndex.from_tuples(rows, names=names)
        return pd.Series(np.arange(1.0, 1.0 + len(rows)), index)

    def test_a_gap_of_the_asset_is_not_jumped(self):
        returns = self.panel(
            [("2024-01", "a"), ("2024-01", "b"), ("2024-02", "a"), ("2024-03", "b")]
        )
        ahead = forward_returns(returns)
        np.testing.assert_array_equal(ahead, [3.0, np.nan, np.nan, np.nan])
        pd.testing.assert_index_equal(ahead.index, returns.index)
        assert ahead.name == "forward_return"

    def test_a_month_that_no_asset_has_is_a_gap_for_periods_but_not_for_stamps(self):
        periods = self.panel([(MONTHS[0], "a"), (MONTHS[2], "a"), (MONTHS[3], "a")])
        np.testing.assert_array_equal(forward_returns(periods), [np.nan, 3.0, np.nan])
        stamps = periods.set_axis(
            periods.index.set_levels(periods.index.levels[0].to_timestamp(), level=0)
        )
        np.testing.assert_array_equal(forward_returns(stamps), [2.0, 3.0, np.nan])

    def test_monday_follows_friday_for_days(self):
        days = pd.PeriodIndex(["2024-03-01", "2024-03-04"], freq="D")
        np.testing.assert_array_equal(
            forward_returns(wide(np.eye(2), days)), [[0, 1], [np.nan] * 2]
        )

    @law
    @given(SEEDS, st.integers(1, 7))
    def test_panel_and_wide_frame_agree_with_a_shift(self, seed, periods):
        y = make_panel(6, 5, 1, missing=0.3, random_state=seed).target
        frame = y.unstack("asset").reindex(pd.period_range("2010-01", periods=6, freq="M"))  # noqa: PD010 -- pivot_table would average duplicates
        expected = frame.shift(-periods)
        kept = shuffled(frame.dropna(how="all"), seed)
        pd.testing.assert_frame_equal(forward_returns(kept, periods), expected.loc[kept.index])
        rows = shuffled(y, seed)
        values = [expected.at[date, asset] for date, asset in rows.index]
        np.testing.assert_array_equal(forward_returns(rows, periods), values)

    @law
    @given(SEEDS)
    def test_the_order_of_levels_does_not_matter(self, seed):
        y = make_panel(5, 4, 1, missing=0.3, random_state=seed).target
        swapped = forward_returns(y.swaplevel())
        pd.testing.assert_series_equal(swapped.swaplevel(), forward_returns(y))

    @law
    @given(SEEDS)
    def test_steps_ahead_add_up_where_no_row_is_missing(self, seed):
        y = make_panel(5, 4, 1, random_state=seed).target
        pd.testing.assert_series_equal(
            forward_returns(forward_returns(y)), forward_returns(y, periods=2)
        )

    def test_name_and_type_are_kept(self):
        y = make_panel(3, 2, 1, random_state=0).target.astype(np.float32)
        ahead = forward_returns(y)
        assert ahead.name == "return"
        assert ahead.dtype == np.float32

    def test_the_input_is_not_changed(self):
        y = make_panel(3, 2, 1, random_state=0).target
        before = y.copy()
        forward_returns(y)
        pd.testing.assert_series_equal(y, before)

    @pytest.mark.parametrize("periods", [0, -1, 1.5])
    def test_looking_back_or_nowhere_is_refused(self, periods):
        with pytest.raises(ValueError, match=f"at least 1; found {periods}"):
            forward_returns(wide(np.ones((4, 2))), periods)

    def test_a_repeated_row_is_named(self):
        with pytest.raises(ValueError, match=r"row \('2024-01', 'a'\) occurs more than once"):
            forward_returns(self.panel([("2024-01", "a"), ("2024-02", "a"), ("2024-01", "a")]))

    def test_rows_without_date_or_asset_are_refused(self):
        with pytest.raises(ValueError, match="rows of returns have no asset"):
            forward_returns(self.panel([("2024-01", "a"), ("2024-02", None)]))
        with pytest.raises(ValueError, match="rows of returns have no date"):
            forward_returns(self.panel([("2024-01", "a"), (None, "a")]))

    def test_row_numbers_are_no_dates(self):
        with pytest.raises(ValueError, match="index of returns only numbers its rows"):
            forward_returns(wide(np.ones((4, 2)), pd.RangeIndex(4)))


# --- prices one per row ---------------------------------------------------------------------------


@pytest.mark.parametrize("freq", [None, "M"])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("as_frame", [False, True])
def test_prices_one_a_row_have_the_returns_of_wide_ones(freq, swapped, as_frame):
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2024-01-01", "2024-06-28", name="date")
    wide = pd.DataFrame(np.exp(rng.normal(size=(len(days), 3))), days, list("abc"))
    wide = wide.rename_axis(columns="ticker").mask(rng.random(wide.shape) < 0.2)
    wide.loc["2024-03", "b"] = np.nan
    wide = wide.dropna(how="all")
    long = wide.stack().dropna().rename("close")
    shuffled = long.sample(frac=1.0, random_state=0)
    if swapped:
        shuffled = shuffled.swaplevel()
    found = returns_from_prices(shuffled.to_frame() if as_frame else shuffled, freq)
    assert found.index.names == (["ticker", "date"] if swapped else ["date", "ticker"])
    assert found.index.is_monotonic_increasing
    back = found.unstack("ticker")  # noqa: PD010 -- pivot_table would average duplicates
    expected = returns_from_prices(wide, freq)
    pd.testing.assert_frame_equal(
        back.dropna(how="all"), expected.dropna(how="all"), check_names=False, check_freq=False
    )
    priced = wide.notna()
    if freq:
        priced = priced.groupby(wide.index.to_period(freq)).any()
    assert len(found) == priced.iloc[1:].to_numpy().sum()


def test_bad_prices_one_a_row_raise():
    days = pd.to_datetime(["2024-01-31", "2024-02-29"])
    index = pd.MultiIndex.from_product([days, ["a", "b"]], names=["date", "ticker"])
    prices = pd.Series([1.0, 2.0, 3.0, 4.0], index=index)
    with pytest.raises(ValueError, match=r"occurs more than once.*duplicated"):
        returns_from_prices(pd.concat([prices, prices.iloc[:1]]))
    with pytest.raises(ValueError, match=r"not all positive"):
        returns_from_prices(prices - 2.0)
    with pytest.raises(ValueError, match=r"columns \['close', 'volume'\].*Pass it alone"):
        returns_from_prices(pd.DataFrame({"close": prices, "volume": 1.0}))
    with pytest.raises(ValueError, match="no rows in prices"):
        returns_from_prices(prices.iloc[:0])
    with pytest.raises(ValueError, match="do not hold numbers"):
        returns_from_prices(pd.DataFrame({"ticker": ["a", "a"], "close": [1.0, 2.0]}, days))
    with pytest.raises(TypeError, match=r"set_index\(\[.date., .asset.\]\)"):
        returns_from_prices(prices.rename("price").reset_index())


# --- returns over several periods ---------------------------------------------------------------


@pytest.mark.parametrize("periods", [1, 2])
@pytest.mark.parametrize("long", [False, True])
def test_a_horizon_compounds_and_any_missing_period_makes_it_missing(periods, long):
    rng = np.random.default_rng(0)
    months = pd.period_range("2020-01", periods=10, freq="M", name="date")
    wide = pd.DataFrame(0.1 * rng.normal(size=(10, 3)), months, list("abc")).rename_axis(
        columns="asset"
    )
    wide.iloc[4, 1] = np.nan
    returns = wide.stack().dropna().sample(frac=1.0, random_state=0) if long else wide
    found = forward_returns(returns, periods, horizon=3)
    for label in returns.index:
        date, assets = (label[0], [label[1]]) if long else (label, list("abc"))
        for asset in assets:
            ahead = wide[asset].reindex([date + periods + j for j in range(3)])
            expected = np.prod(1.0 + ahead.to_numpy()) - 1.0
            value = found[label] if long else found.loc[date, asset]
            np.testing.assert_allclose(value, expected, rtol=1e-12)
    pd.testing.assert_index_equal(found.index, returns.index)


@pytest.mark.parametrize("horizon", [0, -1, 1.5, True, None])
def test_horizons_are_checked(horizon):
    months = pd.period_range("2020-01", periods=3, freq="M")
    with pytest.raises(ValueError, match=r"horizon has to be an integer of at least 1"):
        forward_returns(pd.DataFrame({"a": [0.1, 0.2, 0.3]}, months), horizon=horizon)


@pytest.mark.parametrize("function", [forward_returns, returns_from_prices])
@pytest.mark.parametrize("data", [np.ones((3, 2)), [1.0, 2.0], None, 1.0])
def test_what_has_no_index_raises(function, data):
    with pytest.raises(TypeError, match=r"has to be a DataFrame or a Series, whose index"):
        function(data)


def test_a_horizon_of_what_is_no_number_raises():
    months = pd.period_range("2020-01", periods=3, freq="M")
    with pytest.raises(ValueError, match="returns does not hold numbers"):
        forward_returns(pd.Series(["a", "b", "c"], months), horizon=2)

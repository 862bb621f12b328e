"""Bundled data are what their docstrings say, and what their source holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from linearmodels.datasets import french as linearmodels_french

from skfactor.datasets import load_factor_etfs, load_french, load_sp500, load_stocks

PRICE_LOADERS = [load_stocks, load_factor_etfs, load_sp500]


def test_french_holds_the_numbers_of_the_source():
    source = linearmodels_french.load()
    french = load_french()
    assert list(french.columns) == list(source.columns[1:])
    assert list(french.index) == list(pd.PeriodIndex(source["dates"], freq="M"))
    np.testing.assert_allclose(french, source.iloc[:, 1:], rtol=1e-12)


def test_french_has_every_month_of_its_span_as_a_period():
    dates = load_french().index
    expected = pd.period_range("1949-01", "2017-03", freq="M", name="date")
    pd.testing.assert_index_equal(dates, expected)
    assert len(dates) == 819


def test_french_is_in_decimals():
    # In October 1987 the market lost 23.2 percent more than bills earned.
    assert load_french().loc["1987-10", "MktRF"] == pytest.approx(-0.2324)


def test_french_portfolios_are_total_returns_and_the_market_is_not():
    french = load_french()
    industries = french.loc[:, "NoDur":"Other"].mean(axis=1)
    excess = industries - french["RF"]
    bills = french["RF"].mean()
    assert abs(excess.mean() - french["MktRF"].mean()) < bills / 3
    assert industries.mean() - french["MktRF"].mean() > bills


def test_french_is_complete():
    french = load_french()
    assert french.shape == (819, 35)
    assert french.notna().all(axis=None)
    assert set(french.dtypes) == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("load", "shape", "start"),
    [
        (load_stocks, (8313, 20), "1990-01-02"),
        (load_factor_etfs, (2264, 5), "2014-01-02"),
        (load_sp500, (8313, 1), "1990-01-02"),
    ],
)
def test_prices_have_the_documented_shape_and_span(load, shape, start):
    prices = load()
    assert prices.shape == shape
    assert prices.index[0] == pd.Timestamp(start)
    assert prices.index[-1] == pd.Timestamp("2022-12-28")


@pytest.mark.parametrize("load", PRICE_LOADERS)
def test_prices_are_positive_and_sorted_by_a_unique_day(load):
    prices = load()
    assert (prices > 0).all(axis=None)
    assert isinstance(prices.index, pd.DatetimeIndex)
    assert prices.index.name == "date"
    assert prices.index.is_monotonic_increasing
    assert prices.index.is_unique
    assert (prices.index.day_of_week < 5).all()


def test_stocks_are_adjusted_for_splits():
    # Apple split 4 for 1 on 2020-08-31; unadjusted it would have lost three quarters that day.
    returns = load_stocks()["AAPL"].pct_change(fill_method=None)
    assert returns.loc["2020-08-31"] == pytest.approx(0.034, abs=0.001)


def test_only_stocks_name_their_columns_axis():
    assert [load().columns.name for load in PRICE_LOADERS] == ["asset", None, None]


def test_the_index_is_the_market_of_the_factor_funds():
    etfs, market = load_factor_etfs(), load_sp500()
    returns = etfs.join(market, how="inner").pct_change(fill_method=None)
    assert len(returns) == len(etfs)
    assert returns.corr()["SP500"].drop("SP500").min() > 0.85


def test_every_call_reads_anew_so_that_changes_stay_with_the_caller():
    french = load_french()
    french["MktRF"] = 0.0
    assert load_french()["MktRF"].ne(0.0).any()

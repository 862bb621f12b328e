"""Factors by sorts, by the construction of Fama and French, and by slopes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference_portfolios import (
    average_by_label,
    hold,
    sort_by_date,
    two_by_three,
)

from skfactor import FactorBetas, FamaMacBeth, TradedFactorModel
from skfactor.datasets import make_panel
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.portfolios import (
    PortfolioSorter,
    factor_returns,
    fama_french_factors,
    portfolio_returns,
    slope_factors,
)

NAN = np.nan


@pytest.fixture
def market():
    """Characteristics and returns of 120 assets over 20 months, some missing; a listing."""
    X, y = make_panel(20, 120, 3, missing=0.1, start="2020-01", return_X_y=True, random_state=0)
    rng = np.random.default_rng(0)
    X = X.set_axis(["size", "value", "profit"], axis=1)
    X["size"] = np.exp(4.0 + X["size"])
    X["value"] = X["value"].where(rng.random(len(X)) > 0.05).round(1)
    y = y.where(rng.random(len(X)) > 0.05)
    nyse = pd.Series(X.index.get_level_values("asset") < "A060", index=X.index)
    return X, y, nyse


# --- long-short ---------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_a_factor_is_the_highest_minus_the_lowest_portfolio(market, weighted):
    X, y, nyse = market
    weights = X["size"] if weighted else None
    sorter = PortfolioSorter({"value": 4, "profit": 3})
    factors = factor_returns(X[["value", "profit"]], y, weights, sorter=sorter, universe=nyse)
    assert list(factors.columns) == ["value", "profit"]
    for name, n in (("value", 4), ("profit", 3)):
        labels = sort_by_date(X[name], [k / n for k in range(1, n)], nyse)
        table = average_by_label(labels, y, weights)
        assert_allclose(factors[name], table[n] - table[1], rtol=1e-11)


def test_quintiles_are_the_default_and_a_lag_moves_all_but_returns(market):
    X, y, _ = market
    factors = factor_returns(X[["profit"]], y, X["size"], lag=1)
    labels = PortfolioSorter(5).fit_transform(X[["profit"]])
    table = portfolio_returns(labels, y, X["size"], lag=1)
    assert_allclose(factors["profit"], table[5] - table[1], rtol=1e-12)
    assert np.isnan(factors["profit"].iloc[0])


def test_arrays_polars_and_lost_indexes_give_the_same_factors(market):
    X, y, _ = market
    expected = factor_returns(X, y).to_numpy()
    dates = X.index.get_level_values("date")
    assert_array_equal(factor_returns(X.to_numpy(), y.to_numpy(), dates=dates), expected)
    assert_array_equal(factor_returns(X.to_numpy(), y), expected)
    assert_array_equal(factor_returns(X.reset_index(drop=True), y), expected)
    frame = pl.from_pandas(X.reset_index(drop=True))
    found = factor_returns(frame, pl.Series(y.to_numpy()), dates=dates)
    assert_array_equal(found, expected)
    assert list(found.columns) == list(X.columns)


def test_a_factor_without_one_of_its_legs_is_missing(market):
    X, y, _ = market
    top = PortfolioSorter().fit_transform(X[["profit"]])["profit"] == 5
    factors = factor_returns(X[["profit"]], y.where(~top))
    assert factors["profit"].isna().all()


def test_what_is_not_a_sorter_is_named():
    X, y = make_panel(n_dates=3, n_assets=10, random_state=0, return_X_y=True)
    with pytest.raises(TypeError, match="sorter has to be a PortfolioSorter; found list"):
        factor_returns(X, y, sorter=[5])


def test_the_given_sorter_stays_unfitted(market):
    X, y, _ = market
    sorter = PortfolioSorter(3)
    factor_returns(X, y, sorter=sorter)
    assert not hasattr(sorter, "breakpoints_")


# --- Fama and French ----------------------------------------------------------------------------


def test_factors_equal_those_of_a_loop_over_dates(market):
    X, y, nyse = market
    expected = two_by_three(X["size"], X["value"], y, nyse)
    found = fama_french_factors(X, y, {"HML": "value"}, universe=nyse)
    assert list(found.columns) == ["SMB", "HML"]
    assert_allclose(found, expected, rtol=1e-10)


def test_five_factors_average_smb_over_the_sorts(market):
    X, y, nyse = market
    factors = {"RMW": "profit", "CMA": "value"}
    found = fama_french_factors(X, y, factors, low_minus_high=["CMA"], universe=nyse)
    rmw, cma = (two_by_three(X["size"], X[name], y, nyse) for name in factors.values())
    assert_allclose(found["RMW"], rmw["HML"], rtol=1e-10)
    assert_allclose(found["CMA"], -cma["HML"], rtol=1e-10)
    assert_allclose(found["SMB"], (rmw["SMB"] + cma["SMB"]) / 2, rtol=1e-10)


def test_portfolios_of_june_earn_returns_from_july_on(market):
    X, y, nyse = market
    found = fama_french_factors(X, y, {"HML": "value"}, universe=nyse, rebalance_month=6, lag=1)
    june = list(pd.PeriodIndex(["2020-06", "2021-06"], freq="M"))
    size = hold(sort_by_date(X["size"], [0.5], nyse), june)
    value = hold(sort_by_date(X["value"], [0.3, 0.7], nyse), june)
    index = X.index
    before = [(date - 1, asset) for date, asset in index]

    def lagged(series):
        return pd.Series([series.get(key, NAN) for key in before], index=index)

    table = average_by_label(lagged(size * 10 + value), y, lagged(X["size"]))
    small, big = (table[[10.0 * s + v for v in (1, 2, 3)]] for s in (1, 2))
    smb = small.mean(axis=1, skipna=False) - big.mean(axis=1, skipna=False)
    assert_allclose(found["SMB"], smb, rtol=1e-9)
    hml = (table[13.0] + table[23.0] - table[11.0] - table[21.0]) / 2
    assert_allclose(found["HML"], hml, rtol=1e-9)
    assert found["HML"].first_valid_index() == pd.Period("2020-07", "M")


def test_other_weights_than_size(market):
    X, y, _ = market
    by_log = X.assign(size=np.log(X["size"]))
    expected = fama_french_factors(X, y, {"HML": "value"})
    found = fama_french_factors(by_log, y, {"HML": "value"}, weights=X["size"])
    assert_allclose(found, expected, rtol=1e-12)


def test_an_empty_portfolio_makes_its_factors_missing(market):
    X, y, _ = market
    X = X.assign(value=X["size"])  # nothing is both small and of high value
    found = fama_french_factors(X, y, {"HML": "value"})
    assert found.isna().all(axis=None)
    assert len(found) == 20


# --- slopes -------------------------------------------------------------------------------------


def test_slope_factors_are_returns_of_slope_portfolios(market):
    X, y, _ = market
    rows = X.notna().all(axis=1) & y.notna()
    X, y = X[rows], y[rows]
    found = slope_factors(X, y)
    weights = FamaMacBeth().fit(X, y).slope_portfolios(X)
    expected = weights.mul(y, axis=0).groupby(level="date").sum().drop(columns="const")
    assert_allclose(found, expected, rtol=1e-8)
    assert list(found.columns) == list(X.columns)


def test_the_model_and_weights_of_the_regression_are_used(market):
    X, y, _ = market
    model = FamaMacBeth(fit_intercept=False)
    weights = np.sqrt(X["size"])
    found = slope_factors(X, y, model=model, sample_weight=weights)
    expected = FamaMacBeth(fit_intercept=False).fit(X, y, sample_weight=weights).lambdas_
    assert_frame_equal(found, expected)
    assert not hasattr(model, "lambdas_")


# --- straight into the models -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sorts", "fama-french", "slopes"])
def test_factors_go_straight_into_the_models(market, kind):
    X, y, nyse = market
    factors = {
        "sorts": lambda: factor_returns(X, y, X["size"]),
        "fama-french": lambda: fama_french_factors(X, y, {"HML": "value"}, universe=nyse),
        "slopes": lambda: slope_factors(X, y),
    }[kind]()
    assert isinstance(factors.index, pd.PeriodIndex)
    assert set(factors.dtypes) == {np.dtype(float)}
    returns = y.unstack("asset")  # noqa: PD010 -- pivot_table would average duplicates
    names = list(factors.columns)
    betas = FactorBetas().fit(factors, returns).betas_
    assert list(betas.columns) == names
    premia = FamaMacBeth().fit(factors, returns).premia_
    assert list(premia.index) == ["const", *names]
    assert np.isfinite(premia).all()
    ten = PortfolioSorter(10).fit_transform(X[["profit"]])
    traded = TradedFactorModel().fit(factors, portfolio_returns(ten, y))
    assert_allclose(traded.premia_, factors.mean(), rtol=1e-12)


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sorter", [PortfolioSorter(output="combined"), PortfolioSorter(method="dependent")]
)
def test_sorters_of_several_columns_raise(market, sorter):
    X, y, _ = market
    with pytest.raises(ValueError, match="highest minus the lowest portfolio of one column's own"):
        factor_returns(X, y, sorter=sorter)


@pytest.mark.parametrize(
    ("factors", "options", "message"),
    [
        ({"HML": "bm"}, {}, r"X has no columns \['bm'\]; it has \['size', 'value', 'profit'\]"),
        ({"HML": "value"}, {"size": "me"}, r"X has no columns \['me'\]"),
        ({"HML": "value"}, {"low_minus_high": ["CMA"]}, r"names \['CMA'\]; the factors are"),
        ({"SMB": "value"}, {}, "SMB is made of the size in any case"),
        ({"HML": "size"}, {}, "SMB is made of the size in any case"),
        ({}, {}, "factors says which column each is made of"),
        ("value", {}, "factors says which column each is made of"),
    ],
)
def test_names_that_are_not_there_raise(market, factors, options, message):
    X, y, _ = market
    with pytest.raises(ValueError, match=message):
        fama_french_factors(X, y, factors, **options)


def test_frames_other_than_pandas_raise_where_columns_are_named(market):
    X, y, _ = market
    with pytest.raises(TypeError, match="X is a ndarray"):
        fama_french_factors(X.to_numpy(), y, {"HML": "value"})


def test_rows_without_dates_raise(market):
    X, y, _ = market
    arrays = X.to_numpy(), y.to_numpy()
    for call in (factor_returns, slope_factors):
        with pytest.raises(ValueError, match=r"say which dates their rows are of"):
            call(*arrays)
    plain = X.reset_index(drop=True)
    with pytest.raises(ValueError, match=r"say which dates their rows are of"):
        fama_french_factors(plain, y.to_numpy(), {"HML": "value"})


def test_other_rows_raise(market):
    X, y, _ = market
    with pytest.raises(ValueError, match="labels and returns have different indexes"):
        factor_returns(X, y[::-1])
    with pytest.raises(ValueError, match=r"returns has shape .* pass one return per row of X"):
        slope_factors(X, y.unstack("asset"))  # noqa: PD010 -- pivot_table would average duplicates


def test_a_date_with_too_few_assets_is_missing_and_counted(market):
    X, y, _ = market
    few = X.index.get_level_values("date") == pd.Period("2020-05", "M")
    few &= X.index.get_level_values("asset") > "A003"
    with pytest.warns(UndefinedPortfolioWarning, match="1 of 20 dates, the first is 2020-05"):
        factors = factor_returns(X[~few], y[~few])
    assert factors.isna().all(axis=1).sum() == 1


@pytest.mark.parametrize(
    "function",
    [
        slope_factors,
        factor_returns,
        lambda X, y: fama_french_factors(X, y, {"HML": "value"}),
        lambda X, y: portfolio_returns(X["value"], y),
        lambda X, y: portfolio_returns(X["value"].to_numpy(), y.to_numpy(), dates=[]),
    ],
)
def test_empty_frames_raise(function):
    index = pd.MultiIndex.from_arrays([pd.PeriodIndex([], freq="M"), []], names=["date", "asset"])
    X = pd.DataFrame({"size": [], "value": []}, index=index, dtype=float)
    with pytest.raises(ValueError, match=r"no rows|0 sample"):
        function(X, X["value"])


def test_factors_may_be_low_minus_high_and_sorted_within_groups():
    X, y = make_panel(n_dates=5, n_assets=60, n_features=2, random_state=0, return_X_y=True)
    plain = factor_returns(X, y)
    turned = factor_returns(X, y, low_minus_high=["x2"])
    assert_frame_equal(turned, plain * [1.0, -1.0])
    arrays = factor_returns(X.to_numpy(), y, low_minus_high=[1])
    assert_allclose(arrays, turned)
    sector = pd.factorize(X.index.get_level_values("asset"), sort=True)[0] % 3
    labels = PortfolioSorter(5).fit_transform(X, groupby=sector)
    table = portfolio_returns(labels["x1"], y)
    neutral = factor_returns(X, y, groupby=sector)
    assert_allclose(neutral["x1"], table[5] - table[1])
    with pytest.raises(ValueError, match=r"low_minus_high"):
        factor_returns(X, y, low_minus_high=["size"])

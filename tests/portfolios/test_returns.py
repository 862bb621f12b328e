"""portfolio_returns against pandas loops and tidyfinance, its missing values, and what raises."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference_portfolios import average_by_label, buy_and_hold

from skfactor.datasets import make_panel
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.portfolios import PortfolioSorter, portfolio_returns

NAN = np.nan
GOLDEN = json.loads(Path(__file__).with_name("tidyfinance_reference.json").read_text("utf-8"))
law = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 2**32 - 1)


def sample(seed=0, n_dates=14, n_assets=30, missing=0.15, holes=0.05):
    """Labels, returns and weights of the same rows, each with holes of its own."""
    X, y = make_panel(
        n_dates, n_assets, 1, missing=missing, start="2020-01", return_X_y=True, random_state=seed
    )
    rng = np.random.default_rng(seed)
    labels = PortfolioSorter(3).fit_transform(X)["x1"].rename("size")
    labels[rng.random(len(y)) < holes] = NAN
    weights = pd.Series(rng.lognormal(size=len(y)), index=y.index)
    weights[rng.random(len(y)) < holes] = NAN
    y = y.where(rng.random(len(y)) > holes).clip(lower=-0.9)
    return labels, y, weights


def shift(series, lag):
    """Values of so many months before by (date, asset), found one by one."""
    index = series.index
    return pd.Series([series.get((d - lag, a), NAN) for d, a in index], index=index)


def assert_same_returns(found, expected):
    assert list(found.index) == list(expected.index)
    assert list(found.columns) == list(expected.columns)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_returns_equal_those_of_a_groupby(weighted, lag):
    labels, returns, weights = sample()
    given_weights = weights if weighted else None
    found = portfolio_returns(labels, returns, given_weights, lag=lag)
    then = [None if each is None else shift(each, lag) for each in (labels, given_weights)]
    assert_same_returns(found, average_by_label(then[0], returns, then[1]))
    assert found.columns.name == "size"


@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize("every", [2, 3, 50])
def test_weights_drift_between_rebalancing_dates(every, lag):
    _, returns, weights = sample(n_assets=60, missing=0.02, holes=0.02)
    X = make_panel(14, 60, 1, missing=0.02, start="2020-01", random_state=0).data
    labels = PortfolioSorter(3, rebalance_every=every).fit_transform(X)["x1"]
    found = portfolio_returns(labels, returns, weights, rebalance_every=every, lag=lag)
    dates = list(labels.index.unique("date"))
    # The labels of the last rebalancing, for assets that had a row so many months ago too.
    held = shift(labels, lag)
    formed = {d: dates[(i - lag) // every * every] for i, d in enumerate(dates) if i >= lag}
    start = pd.Series(
        [weights.get((formed.get(d), a), NAN) for d, a in labels.index], index=labels.index
    )
    resets = set(dates[lag::every])
    expected = buy_and_hold(held, returns, start, resets).reindex(columns=[1, 2, 3])
    assert_allclose(found, expected.reindex(found.index), rtol=1e-12)


def test_portfolios_of_june_are_bought_and_held():
    _, returns, weights = sample(n_dates=20)
    returns, weights = returns.fillna(0.0), weights.fillna(1.0)
    X = make_panel(20, 30, 1, missing=0.15, start="2020-01", random_state=0).data
    labels = PortfolioSorter(2, rebalance_month=6).fit_transform(X)["x1"]
    found = portfolio_returns(labels, returns, weights, rebalance_month=6, lag=1)
    assert found.loc[:"2020-06"].isna().all(axis=None)
    june = pd.Period("2020-06", "M")
    members = labels.xs(june)[lambda each: each == 2].index
    value = weights.xs(june)[members]
    wealth = []
    for month in pd.period_range("2020-07", "2020-09", freq="M"):
        returned = returns.xs(month).reindex(members)
        listed = pd.MultiIndex.from_product([[month - 1], members]).isin(labels.index)
        held = value[listed & returned.notna()]
        wealth.append((held * returned[held.index]).sum() / held.sum())
        value = value * (1.0 + returned)
    assert_allclose(found.loc["2020-07":"2020-09", 2], wealth, rtol=1e-12)


def test_bought_and_held_wealth_is_that_of_the_assets():
    dates = pd.period_range("2020-01", periods=6, freq="M")
    index = pd.MultiIndex.from_product([dates, list("abc")], names=["date", "asset"])
    returns = pd.Series(np.random.default_rng(0).normal(0.0, 0.1, 18), index=index)
    cap = pd.Series(np.tile([5.0, 3.0, 2.0], 6), index=index)
    one = pd.Series(1, index=index)
    found = portfolio_returns(one, returns, cap, rebalance_every=6)[1]
    wealth = (1.0 + returns.unstack("asset")).cumprod() @ [0.5, 0.3, 0.2]  # noqa: PD010 -- pivot_table would average duplicates
    assert_allclose((1.0 + found).cumprod(), wealth, rtol=1e-13)


@pytest.mark.parametrize("kind", ["ew", "vw"])
@pytest.mark.parametrize("sort", ["univariate", "july", "independent", "dependent"])
def test_returns_equal_those_of_tidyfinance(sort, kind):
    data = pd.DataFrame(GOLDEN["data"])
    data["date"] = pd.to_datetime(data["date"])
    data = data.rename(columns={"permno": "asset"}).set_index(["date", "asset"])
    # The other package drops rows that miss a characteristic before anything else.
    data = data.dropna(subset=["size"] if sort in ("univariate", "july") else ["size", "value"])
    weights = data["mktcap_lag"] if kind == "vw" else None
    universe = None
    if sort in ("univariate", "july"):
        month = 7 if sort == "july" else None
        sorter = PortfolioSorter(5, closed="left", rebalance_month=month)
        labels = sorter.fit_transform(data[["size"]])
    else:
        universe = data["exchange"] == "NYSE"
        sorter = PortfolioSorter(
            quantiles={"size": [0.5], "value": [0.3, 0.7]}, method=sort, closed="left"
        )
        labels = sorter.fit_transform(data[["size", "value"]], universe=universe)
    found = portfolio_returns(labels, data["ret_excess"], weights)
    if universe is not None:  # it averages over the portfolios of the first characteristic
        found = found.T.groupby(level="value").mean().T
    rows = pd.DataFrame(GOLDEN["returns"][sort][kind], columns=["date", "portfolio", "return"])
    rows["date"] = pd.to_datetime(rows["date"])
    expected = rows.pivot_table(
        index="date", columns="portfolio", values="return", dropna=False
    ).astype(float)
    assert len(expected) >= 15
    assert_allclose(found.loc[expected.index], expected, rtol=1e-12)


# --- labels of any kind -------------------------------------------------------------------------


def test_combinations_of_several_labels_are_portfolios():
    X, y = make_panel(5, 40, 2, missing=0.1, return_X_y=True, random_state=0)
    sorter = PortfolioSorter({"x1": 2, "x2": 3})
    each = portfolio_returns(sorter.fit_transform(X), y)
    assert each.columns.names == ["x1", "x2"]
    combined = sorter.set_params(output="combined").fit_transform(X)
    assert_array_equal(each, portfolio_returns(combined, y))
    assert [tuple(row) for row in sorter.portfolios_.to_numpy()] == list(each.columns)


def test_text_and_categories_are_labels_too():
    labels, returns, weights = sample()
    names = {1.0: "low", 2.0: "mid", 3.0: "top"}
    expected = portfolio_returns(labels, returns, weights)
    text = portfolio_returns(labels.map(names), returns, weights)
    assert list(text.columns) == ["low", "mid", "top"]
    assert_array_equal(text, expected)
    ordered = pd.Categorical(labels.map(names), ["top", "mid", "low", "none"], ordered=True)
    sorted_by_rank = portfolio_returns(pd.Series(ordered, labels.index), returns, weights)
    assert list(sorted_by_rank.columns) == ["top", "mid", "low", "none"]
    assert_array_equal(sorted_by_rank[["low", "mid", "top"]], expected)
    assert sorted_by_rank["none"].isna().all()


@pytest.mark.parametrize("values", [[-1.0, 0.5], [0.0, 70_000.0], [10.0, 11.0]])
def test_numbers_of_any_size_are_labels(values):
    labels, returns, _ = sample()
    renamed = labels.map({1.0: values[0], 3.0: values[1]})
    found = portfolio_returns(renamed, returns)
    assert list(found.columns) == values
    assert_array_equal(found, portfolio_returns(labels, returns)[[1, 3]])


def test_arrays_and_polars_with_dates_and_assets():
    labels, returns, weights = sample()
    dates, assets = (labels.index.get_level_values(i) for i in range(2))
    known = {"dates": dates, "assets": assets, "lag": 1}
    expected = portfolio_returns(labels, returns, weights, lag=1)
    arrays = [each.to_numpy() for each in (labels, returns, weights)]
    assert_array_equal(portfolio_returns(*arrays, **known), expected)
    frames = [pl.Series("size", each) for each in arrays]
    found = portfolio_returns(*frames, **known)
    assert_array_equal(found, expected)
    assert found.columns.name == "size"
    table = pl.DataFrame({"a": arrays[0], "b": arrays[0]})
    assert portfolio_returns(table, frames[1], **known).columns.names == ["a", "b"]


def test_labels_without_index_take_the_dates_of_the_returns():
    labels, returns, weights = sample()
    expected = portfolio_returns(labels, returns, weights, lag=1)
    assert_array_equal(portfolio_returns(labels.to_numpy(), returns, weights, lag=1), expected)


def test_nullable_numbers_are_read_as_missing():
    labels, returns, weights = (each.astype("Float64") for each in sample())
    assert returns.isna().any()
    expected = portfolio_returns(*sample())
    assert_array_equal(portfolio_returns(labels, returns, weights), expected)


# --- laws ---------------------------------------------------------------------------------------


@law
@given(seed=seeds, scale=st.floats(1e-6, 1e6), lag=st.integers(0, 2))
def test_order_of_rows_and_unit_of_weights_do_not_matter(seed, scale, lag):
    labels, returns, weights = sample(seed % 1000, n_dates=5)
    expected = portfolio_returns(labels, returns, weights, lag=lag)
    mixed = [each.sample(frac=1.0, random_state=1).swaplevel() for each in (labels, returns)]
    mixed.append((weights * scale).sample(frac=1.0, random_state=1).swaplevel())
    assert_frame_equal(portfolio_returns(*mixed, lag=lag), expected, rtol=1e-10)


@law
@given(seed=seeds)
def test_missing_is_never_zero(seed):
    labels, returns, weights = sample(seed % 1000, n_dates=4)
    complete = pd.concat([labels, returns, weights], axis=1).dropna().index
    kept = [each[complete] for each in (labels, returns, weights)]
    assert_frame_equal(
        portfolio_returns(labels, returns, weights), portfolio_returns(*kept), rtol=1e-12
    )
    constant = returns.where(returns.isna(), 0.07)
    assert_allclose(portfolio_returns(labels, constant, weights), 0.07, rtol=1e-12)


def test_input_is_not_modified():
    frames = sample()
    before = [each.copy(deep=True) for each in frames]
    portfolio_returns(*frames, lag=1)
    for each, old in zip(frames, before, strict=True):
        pd.testing.assert_series_equal(each, old)


def test_one_date_makes_one_row():
    labels, returns, weights = (each.loc[["2020-03"]] for each in sample())
    assert portfolio_returns(labels, returns, weights).shape == (1, 3)


# --- degenerate portfolios ----------------------------------------------------------------------


def test_weights_that_sum_to_zero_are_missing_and_counted_once():
    labels, returns, weights = sample()
    weights[labels == 2] = 0.0
    weights.loc[["2020-03"]] = NAN
    with pytest.warns(UndefinedPortfolioWarning, match=r"In 16 case\(s\).*is 2 on 2020-01: ") as w:
        found = portfolio_returns(labels, returns, weights)
    assert len(w) == 1
    assert found[2].isna().all()
    assert found.loc["2020-03"].isna().all()
    assert found.drop(index=pd.Period("2020-03", "M"))[[1, 3]].notna().all(axis=None)


def test_a_portfolio_without_assets_or_returns_is_missing_silently():
    labels, returns, _ = sample()
    labels = labels.where(~((labels == 1) & (labels.index.get_level_values(0) == "2020-02")))
    returns = returns.where(labels != 3)
    found = portfolio_returns(labels, returns)
    assert np.isnan(found.loc["2020-02", 1])
    assert found[3].isna().all()


# --- what raises --------------------------------------------------------------------------------


def test_rows_that_differ_raise():
    labels, returns, weights = sample()
    with pytest.raises(ValueError, match=r"returns has shape \(\d+,\) and labels have \d+ rows"):
        portfolio_returns(labels, returns[1:])
    with pytest.raises(ValueError, match=r"weights has shape .*reindex\(labels\.index\)"):
        portfolio_returns(labels, returns, weights[1:])
    with pytest.raises(ValueError, match="labels and returns have different indexes: row 0"):
        portfolio_returns(labels, returns[::-1])
    with pytest.raises(ValueError, match="returns and weights have different indexes"):
        portfolio_returns(labels.to_numpy(), returns, weights[::-1])
    with pytest.raises(ValueError, match="returns has shape"):
        portfolio_returns(labels, returns.unstack("asset"))  # noqa: PD010 -- pivot_table would average duplicates


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights", lambda w: -w.fillna(1.0), r"\d+ of the weights are negative"),
        ("weights", lambda w: w * np.inf, "weights contains infinity"),
        ("weights", lambda w: ["heavy"] * len(w), "weights does not hold numbers"),
        ("returns", lambda y: y * np.inf, "returns contains infinity"),
        ("labels", lambda labels: labels * NAN, "No row has a label"),
        ("labels", lambda labels: labels.to_numpy()[:, None, None], "found shape"),
        ("lag", lambda _: -1, "lag has to be a whole number from 0 on; found -1"),
        ("lag", lambda _: 1.5, "lag has to be a whole number"),
        ("rebalance_every", lambda _: 0, r"rebalance_every has to be .* from 1 on"),
        ("rebalance_every", lambda _: 2, "rows have another label than at the last rebalancing"),
        ("rebalance_month", lambda _: 13, r"rebalance_month .* from 1 to 12; found 13"),
    ],
)
def test_what_cannot_be_meant_raises(name, change, message):
    arguments = dict(zip(["labels", "returns", "weights"], sample(), strict=True))
    with pytest.raises(ValueError, match=message):
        portfolio_returns(**arguments | {name: change(arguments.get(name))})


def test_two_schedules_raise():
    with pytest.raises(ValueError, match="two schedules"):
        portfolio_returns(*sample(), rebalance_every=2, rebalance_month=6)


def test_weights_cannot_drift_by_more_than_all():
    _, returns, weights = sample()
    labels = pd.Series(1, index=returns.index)
    with pytest.raises(ValueError, match="Some returns are below -1"):
        portfolio_returns(labels, returns - 1.0, weights, rebalance_every=20)


def test_rows_without_dates_or_assets_raise():
    labels, returns, _ = (each.to_numpy() for each in sample())
    dates = sample()[0].index.get_level_values("date")
    with pytest.raises(ValueError, match=r"Neither labels nor returns.*stack_characteristics"):
        portfolio_returns(labels, returns)
    with pytest.raises(ValueError, match=r"need the asset of each row.*assets="):
        portfolio_returns(labels, returns, dates=dates, lag=1)


def test_an_asset_that_enters_while_weights_drift_waits_for_the_next_rebalancing():
    dates = pd.period_range("2020-01", periods=3, freq="M")
    index = pd.MultiIndex.from_product([dates, list("ab")], names=["date", "asset"])[
        [0, 2, 3, 4, 5]
    ]
    returns = pd.Series([0.1, 0.2, 0.6, 0.3, 0.7], index=index)
    found = portfolio_returns(pd.Series(1, index=index), returns, rebalance_every=2)
    assert_allclose(found[1], [0.1, 0.2, 0.5])


@pytest.mark.parametrize("high", [2.0, 40_000.0, 2.0**40])
@pytest.mark.parametrize("make", [np.array, pd.Series, lambda v: pd.Series(v, dtype="Float64")])
def test_whole_numbers_make_integer_columns_however_large(make, high):
    returns = portfolio_returns(make([1.0, high, 1.0, high]), np.ones(4), dates=[1, 1, 2, 2])
    assert returns.columns.dtype == np.int64
    assert list(returns.columns) == [1, int(high)]


def test_fractions_make_float_columns():
    returns = portfolio_returns(np.array([0.5, 40_000.0]), np.ones(2), dates=[1, 1])
    assert list(returns.columns) == [0.5, 40_000.0]


def test_values_that_are_no_labels_are_refused_before_memory_is_taken():
    X, y = make_panel(n_dates=8, n_assets=12, n_features=6, random_state=0, return_X_y=True)
    with pytest.raises(ValueError, match=r"782,757,789,696 portfolios"):
        portfolio_returns(X, y)
    n_rows = 20_000
    index = pd.MultiIndex.from_arrays(
        [np.arange(n_rows), np.zeros(n_rows)], names=["date", "asset"]
    )
    labels = pd.Series(np.arange(n_rows), index)
    with pytest.raises(ValueError, match="20,000 portfolios on 20,000 dates"):
        portfolio_returns(labels, labels * 0.0)


def test_a_lag_that_no_integer_holds_is_refused():
    X, y = make_panel(n_dates=3, n_assets=4, n_features=1, random_state=0, return_X_y=True)
    for name in ("lag", "rebalance_every"):
        with pytest.raises(ValueError, match=f"{name} has to be a whole number"):
            portfolio_returns(X["x1"], y, **{name: 10**30})

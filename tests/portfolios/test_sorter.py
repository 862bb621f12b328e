"""PortfolioSorter: known values, schedules, laws, containers, and what raises."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import random_panel
from reference_portfolios import exact_quantile, hold, label, sort_by_date, sort_within
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skfactor import Winsorizer
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.portfolios import PortfolioSorter

# Most of these rows are a sample without dates, which is meant.
pytestmark = pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")

NAN = np.nan
GOLDEN = json.loads(Path(__file__).with_name("tidyfinance_reference.json").read_text("utf-8"))
law = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def panel_with_ties(seed=0, n_assets=40, n_dates=5, decimals=0, **options):
    return random_panel(np.random.default_rng(seed), n_dates, n_assets, **options).round(decimals)


def monthly(n_dates=20, n_assets=12, seed=0, missing=0.1):
    """A panel of months from January 2020 on, assets entering and leaving, date first, sorted."""
    panel = random_panel(np.random.default_rng(seed), n_dates, n_assets, missing=missing)
    panel = panel.sort_index()
    months = pd.period_range("2020-01", periods=n_dates, freq="M")
    return panel.set_axis(panel.index.set_levels(months[: len(panel.index.levels[0])], level=0))


def column(values):
    return np.array(values, dtype=float)[:, None]


def tidyfinance_panel():
    data = pd.DataFrame(GOLDEN["data"])
    data["date"] = pd.to_datetime(data["date"])
    return data.rename(columns={"permno": "asset"}).set_index(["date", "asset"])


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("n_assets", [12, 11, 41, 101, 200])
def test_labels_equal_those_of_pandas_qcut(n, n_assets):
    values = np.random.default_rng(n_assets).normal(size=n_assets)
    labels = PortfolioSorter(n).fit_transform(column(values)).ravel()
    assert_array_equal(labels, pd.qcut(values, n, labels=False) + 1)


def test_labels_by_given_breakpoints_equal_those_of_pandas_cut():
    panel = panel_with_ties()
    bins = [-np.inf, -3.0, 0.0, 2.0, np.inf]
    for closed in ("right", "left"):
        labels = PortfolioSorter(breakpoints=bins[1:-1], closed=closed).fit_transform(panel)
        for name in panel:
            expected = pd.cut(panel[name], bins, labels=False, right=closed == "right") + 1
            assert_array_equal(labels[name], expected)


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("levels", [[0.2, 0.4, 0.6, 0.8], [0.3, 0.7], [0.5]])
def test_quantiles_with_ties_missing_values_and_a_universe_equal_those_of_pandas(levels, closed):
    panel = panel_with_ties()
    universe = pd.Series(panel.index.get_level_values("asset") < "asset020", index=panel.index)
    for mask in (None, universe):
        sorter = PortfolioSorter(quantiles=levels, closed=closed)
        labels = sorter.fit_transform(panel, universe=mask)
        for name in panel:
            assert_array_equal(labels[name], sort_by_date(panel[name], levels, mask, closed))


def test_labels_and_breakpoints_equal_those_of_tidyfinance():
    panel = tidyfinance_panel()
    nyse = panel["exchange"] == "NYSE"
    five = PortfolioSorter(5, closed="left").fit(panel[["size"]])
    tails = PortfolioSorter(quantiles=[0.3, 0.7], closed="left").fit(
        panel[["value"]], universe=nyse
    )
    first = GOLDEN["first_breakpoints"]
    assert_allclose(five.breakpoints_.iloc[0], first["five"], rtol=1e-15)
    assert_allclose(tails.breakpoints_.iloc[0], first["tails"], rtol=1e-15)
    expected = {name: np.array(values, float) for name, values in GOLDEN["labels"].items()}
    assert_array_equal(five.transform(panel[["size"]])["size"], expected["five"])
    labels = tails.transform(panel[["value"]], universe=nyse)["value"]
    assert_array_equal(labels, expected["tails"])


@pytest.mark.parametrize("percent", [10, 29, 57, 70])
def test_an_asset_on_the_breakpoint_is_not_moved_by_rounding(percent):
    # 0.29 * 100 is 28.999... in floating point; the breakpoint of 0, ..., 100 is 29 itself.
    values = column(range(101))
    for closed, n_low in (("right", percent + 1), ("left", percent)):
        labels = PortfolioSorter(quantiles=[percent / 100], closed=closed).fit_transform(values)
        assert (labels == 1.0).sum() == n_low


@pytest.mark.parametrize("closed", ["right", "left"])
def test_so_many_assets_at_the_bottom_and_top(closed):
    values = np.random.default_rng(0).permutation(20).astype(float)
    values[3] = NAN
    labels = PortfolioSorter(n_extreme=4, closed=closed).fit_transform(column(values)).ravel()
    ordered = np.sort(values[~np.isnan(values)])
    assert set(values[labels == 1.0]) == set(ordered[:4])
    assert set(values[labels == 3.0]) == set(ordered[-4:])
    assert (labels == 2.0).sum() == 11
    assert np.isnan(labels[3])


def test_tied_assets_at_the_end_of_an_extreme_portfolio_stay_together():
    values = column([1, 2, 2, 3, 4, 4, 5])
    low = PortfolioSorter(n_extreme=2).fit_transform(values).ravel()
    high = PortfolioSorter(n_extreme=2, closed="left").fit_transform(values).ravel()
    assert_array_equal(low, [1, 1, 1, 2, 2, 2, 3])
    assert_array_equal(high, [1, 2, 2, 2, 3, 3, 3])


def test_n_extreme_may_take_all_assets():
    assert_array_equal(
        PortfolioSorter(n_extreme=2).fit_transform(column([4, 1, 3, 2])).ravel(), [3, 1, 3, 1]
    )


def test_ties_may_leave_portfolios_empty_but_are_never_divided():
    labels = PortfolioSorter(4).fit_transform(column([1, 1, 1, 1, 1, 2, 3, 4])).ravel()
    assert_array_equal(labels, [1, 1, 1, 1, 1, 3, 4, 4])


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("rule", [{"n_portfolios": 4}, {"quantiles": [0.3]}, {"n_extreme": 2}])
def test_equal_values_have_no_label_and_are_counted(rule, closed):
    sorter = PortfolioSorter(**rule, closed=closed)
    with pytest.warns(UndefinedPortfolioWarning, match="or equal values only; no row has a label"):
        assert np.isnan(sorter.fit_transform(column([7] * 8))).all()
    panel = panel_with_ties(decimals=2, missing=0.0)
    constant = panel.index.get_level_values("date") == panel.index.levels[0][1]
    panel["x0"] = panel["x0"].where(~constant, 7.0)
    with pytest.warns(UndefinedPortfolioWarning, match="1 of 5 dates") as caught:
        labels = sorter.fit_transform(panel)
    assert len(caught) == 1
    assert labels.loc[constant, "x0"].isna().all()
    assert labels.loc[~constant, "x0"].notna().all()
    assert labels["x1"].notna().all()


def test_given_breakpoints_divide_equal_values_too():
    assert_array_equal(
        PortfolioSorter(breakpoints=[5.0]).fit_transform(column([7] * 8)), column([2] * 8)
    )


def test_a_cell_of_equal_values_has_no_label_in_a_dependent_sort():
    first = [1, 1, 1, 1, 2, 2, 2, 2]
    second = [5, 5, 5, 5, 1, 2, 3, 4]
    with pytest.warns(UndefinedPortfolioWarning, match="equal values only"):
        labels = PortfolioSorter(2, method="dependent").fit_transform(
            np.array([first, second], float).T
        )
    assert_array_equal(labels[:, 0], first)
    assert_array_equal(labels[:, 1], [NAN] * 4 + [1, 1, 2, 2])


def test_each_column_may_be_divided_in_its_own_way():
    panel = panel_with_ties(n_features=4)
    sorter = PortfolioSorter(
        3, quantiles={"x0": [0.5]}, breakpoints={"x2": [0.0]}, n_extreme={"x3": 2}
    )
    labels = sorter.fit_transform(panel)
    assert sorter.n_portfolios_ == [2, 3, 2, 3]
    one_by_one = {
        "x0": PortfolioSorter(2),
        "x1": PortfolioSorter(3),
        "x2": PortfolioSorter(breakpoints=[0.0]),
        "x3": PortfolioSorter(n_extreme=2),
    }
    for name, alone in one_by_one.items():
        assert_frame_equal(labels[[name]], alone.fit_transform(panel[[name]]))


def test_dependent_sort_divides_each_column_within_the_portfolios_of_those_before():
    panel = panel_with_ties(n_assets=150, n_features=3, decimals=1)
    sorter = PortfolioSorter({"x0": 2, "x1": 3, "x2": 2}, method="dependent")
    labels = sorter.fit_transform(panel)
    first = sort_by_date(panel["x0"], [0.5])
    second = sort_within(panel["x1"], [1 / 3, 2 / 3], first)
    third = sort_within(panel["x2"], [0.5], first * 10 + second)
    assert_array_equal(labels["x0"], first)
    assert_array_equal(labels["x1"], second)
    assert_array_equal(labels["x2"], third)


def test_combined_labels_number_the_portfolios():
    panel = panel_with_ties(n_assets=80)
    sorter = PortfolioSorter({"x0": 2, "x1": 3}, output="combined")
    combined = sorter.fit_transform(panel)
    each = PortfolioSorter({"x0": 2, "x1": 3}).fit_transform(panel)
    assert_array_equal(combined["portfolio"], (each["x0"] - 1) * 3 + each["x1"])
    known = combined["portfolio"].dropna().astype(int)
    assert_array_equal(sorter.portfolios_.loc[known], each.loc[known.index])
    assert list(sorter.get_feature_names_out()) == ["portfolio"]


def test_breakpoints_of_each_date_and_portfolio_are_kept():
    panel = panel_with_ties(n_assets=80)
    sorter = PortfolioSorter({"x0": 2, "x1": 3}, method="dependent").fit(panel)
    assert list(sorter.breakpoints_.columns) == [
        ("x0", 1, 1),
        *(("x1", within, point) for within in (1, 2) for point in (1, 2)),
    ]
    date = panel.index.unique("date").min()
    today = panel.xs(date, level="date")
    upper = today[today["x0"] > today["x0"].median()]["x1"]
    assert sorter.breakpoints_.loc[date, ("x0", 1, 1)] == today["x0"].median()
    assert_allclose(sorter.breakpoints_.loc[date, ("x1", 2, 2)], upper.quantile(2 / 3), rtol=1e-14)


# --- schedules ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize("every", [1, 4, 100])
def test_labels_are_held_and_lagged(every, lag):
    panel = monthly()
    dates = panel.index.unique("date")
    at_once = PortfolioSorter(3).fit_transform(panel)
    held = PortfolioSorter(3, rebalance_every=every, lag=lag).fit_transform(panel)
    for name in panel:
        assert_array_equal(held[name], hold(at_once[name], list(dates[::every]), lag))


def test_portfolios_of_june_are_held_from_july_on():
    panel = monthly()
    at_once = PortfolioSorter(3).fit_transform(panel)
    sorter = PortfolioSorter(3, rebalance_month=6, lag=1).fit(panel)
    june = pd.PeriodIndex(["2020-06", "2021-06"], freq="M")
    assert list(sorter.breakpoints_.index) == list(june)
    labels = sorter.transform(panel)
    for name in panel:
        assert_array_equal(labels[name], hold(at_once[name], list(june), 1))
    assert labels.loc[:"2020-06"].isna().all(axis=None)
    assert labels.loc["2020-07"].notna().any(axis=None)


def test_an_asset_that_enters_between_has_no_label_until_the_next_rebalancing():
    index = pd.MultiIndex.from_product([range(2000, 2005), list("abcd")], names=["year", "asset"])
    X = pd.DataFrame({"x": np.arange(20.0) % 7}, index=index)
    X = X.drop([(2000, "d"), (2001, "a")])
    labels = PortfolioSorter(2, rebalance_every=3).fit_transform(X)["x"]
    assert_array_equal(labels[2000], [1, 1, 2])
    assert_array_equal(labels[2001], [1, 2, NAN])  # a has left, d has entered
    assert_array_equal(labels[2002], [1, 1, 2, NAN])  # a is back
    assert labels[2003].notna().all()


def test_of_daily_dates_the_last_one_of_the_month_counts():
    days = pd.bdate_range("2021-05-03", "2021-07-30")
    index = pd.MultiIndex.from_product([days, list("abcd")], names=["date", "asset"])
    X = pd.DataFrame({"x": np.random.default_rng(0).normal(size=len(index))}, index=index)
    sorter = PortfolioSorter(2, rebalance_month=6).fit(X)
    assert list(sorter.breakpoints_.index) == [pd.Timestamp("2021-06-30")]


def test_a_lag_over_a_month_without_rows_takes_the_last_one_known():
    panel = monthly(6)
    at_once = PortfolioSorter(2).fit_transform(panel)
    gap = panel.drop(pd.Period("2020-04", "M"), level="date")
    lagged = PortfolioSorter(2, lag=1).fit_transform(gap)["x0"]
    march, april = at_once["x0"].loc["2020-03"], lagged.loc["2020-05"]
    assert_array_equal(april, march.reindex(april.index))


def test_all_labels_come_from_earlier_dates():
    panel = monthly()
    sorter = PortfolioSorter(3, rebalance_every=3, lag=2).fit(panel)
    cut = panel.loc[:"2020-12"]
    assert_frame_equal(sorter.transform(cut), sorter.transform(panel).loc[:"2020-12"])


# --- laws ---------------------------------------------------------------------------------------


@law
@given(seed=seeds, n=st.integers(2, 6), dependent=st.booleans(), lag=st.integers(0, 2))
def test_labels_depend_on_no_order_of_rows_or_levels(seed, n, dependent, lag):
    panel = panel_with_ties(seed, 60)
    sorter = PortfolioSorter(
        n, method="dependent" if dependent else "independent", lag=lag, breakpoints=None
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        expected = sorter.fit_transform(panel)
        shuffled = panel.sample(frac=1.0, random_state=seed % 2**32).swaplevel()
        found = sorter.fit_transform(shuffled).swaplevel().loc[panel.index]
    assert_frame_equal(found, expected)


@law
@given(seed=seeds, n=st.integers(2, 12))
def test_labels_only_depend_on_the_order_of_values(seed, n):
    values = np.random.default_rng(seed).normal(size=(97, 1))
    expected = PortfolioSorter(n, closed="right").fit_transform(values)
    # 96 intervals divided by n: where breakpoints fall on values, monotone functions keep labels.
    if 96 % n == 0:
        assert_array_equal(PortfolioSorter(n).fit_transform(np.exp(values)), expected)
    counts = np.bincount(expected.ravel().astype(int))[1:]
    assert len(counts) == n
    assert counts.max() - counts.min() <= 1


@law
@given(seed=seeds, level=st.integers(1, 99), n=st.integers(1, 60))
def test_a_single_breakpoint_is_the_exact_quantile(seed, level, n):
    values = pd.Series(np.random.default_rng(seed).integers(0, 30, size=max(n, 2)).astype(float))
    assume(values.max() > values.min())
    labels = PortfolioSorter(quantiles=[level / 100]).fit_transform(column(values)).ravel()
    point = exact_quantile(values, level / 100)
    apart = (values - point).abs().gt(1e-12) | values.eq(point)
    assert_array_equal(labels[apart], label(values, [point])[apart])


def test_reversed_values_have_reversed_labels():
    panel = panel_with_ties()
    right = PortfolioSorter(4).fit_transform(panel)
    left = PortfolioSorter(4, closed="left").fit_transform(-panel)
    assert_array_equal(right, 5.0 - left)


def test_dates_do_not_know_of_each_other():
    panel = panel_with_ties()
    whole = PortfolioSorter(3).fit_transform(panel)
    for date, today in panel.groupby(level="date"):
        alone = PortfolioSorter(3).fit(panel).transform(today)
        assert_frame_equal(alone, whole.loc[today.index])
        assert (whole.loc[today.index].index.get_level_values("date") == date).all()


# --- containers and pipelines -------------------------------------------------------------------


def test_arrays_with_dates_and_assets_get_the_labels_of_the_frame():
    panel = monthly()
    dates, assets = (panel.index.get_level_values(i) for i in range(2))
    sorter = PortfolioSorter(3, lag=1, rebalance_every=2)
    expected = sorter.fit_transform(panel)
    found = sorter.fit_transform(panel.to_numpy(), dates=dates, assets=assets)
    assert isinstance(found, np.ndarray)
    assert_array_equal(found, expected)
    assert_array_equal(sorter.transform(panel.to_numpy(), dates=dates, assets=assets), expected)


@pytest.mark.parametrize("output", ["each", "combined"])
def test_polars_in_polars_out(output):
    panel = monthly()
    frame = pl.from_pandas(panel.reset_index(drop=True))
    dates = panel.index.get_level_values("date")
    sorter = PortfolioSorter(2, output=output)
    found = sorter.fit_transform(frame, dates=dates)
    assert isinstance(found, pl.DataFrame)
    assert found.columns == list(sorter.get_feature_names_out())
    assert_array_equal(found.to_numpy(), sorter.fit_transform(panel))


def test_single_precision_stays_and_input_is_kept():
    panel = monthly().astype(np.float32)
    before = panel.copy(deep=True)
    for sorter in (PortfolioSorter(3), PortfolioSorter(3, lag=1, output="combined")):
        labels = sorter.fit_transform(panel)
        assert set(labels.dtypes) == {np.dtype(np.float32)}
    assert_frame_equal(panel, before)


def test_without_dates_breakpoints_are_learned():
    train, new = np.random.default_rng(0).normal(size=(2, 60, 2))
    for method in ("independent", "dependent"):
        sorter = PortfolioSorter({0: 2, 1: 3}, method=method).fit(train)
        together = sorter.transform(new)
        assert_array_equal(np.vstack([sorter.transform(row[None]) for row in new]), together)
        assert_array_equal(sorter.transform(train), sorter.fit_transform(train))
        low = new[:, 0] <= np.median(train[:, 0])
        assert_array_equal(together[:, 0], np.where(low, 1, 2))
    within = train[train[:, 0] <= np.median(train[:, 0]), 1]
    points = np.quantile(within, [1 / 3, 2 / 3])
    assert_array_equal(together[low, 1], 1 + np.searchsorted(points, new[low, 1]))


def test_in_a_pipeline_with_pandas_output():
    panel = monthly()
    pipeline = make_pipeline(Winsorizer(), PortfolioSorter(3, output="combined"))
    pipeline.set_output(transform="pandas")
    labels = pipeline.fit_transform(panel)
    assert list(labels.columns) == ["portfolio"]
    assert labels.index.equals(panel.index)
    assert_frame_equal(labels, PortfolioSorter(3, output="combined").fit_transform(panel))


def test_dates_assets_and_universe_are_routed():
    panel = monthly()
    dates, assets = (panel.index.get_level_values(i) for i in range(2))
    universe = assets < "asset009"
    expected = PortfolioSorter(3, lag=1).fit_transform(panel, universe=universe)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FunctionTransformer(np.asarray), PortfolioSorter(3, lag=1))
        routed = {"dates": dates, "assets": assets, "universe": universe}
        assert_array_equal(pipeline.fit_transform(panel, **routed), expected)
        assert_array_equal(pipeline.fit(panel, **routed).transform(panel, **routed), expected)


# --- too few assets -----------------------------------------------------------------------------


def test_dates_with_fewer_values_than_portfolios_are_missing_and_counted_once():
    panel = monthly(6, missing=0.0)
    few = panel.copy()
    few.loc[few.index.get_level_values("asset") > "asset002", "x0"] = NAN
    few.loc["2020-02", "x0"] = panel.loc["2020-02", "x0"].to_numpy()
    few.loc["2020-03", "x0"] = NAN  # not a single value: silent
    with pytest.warns(UndefinedPortfolioWarning, match=r"4 of 6 dates, the first is 2020-01, "):
        labels = PortfolioSorter(4).fit_transform(few)
    assert labels["x0"].notna().groupby("date").any().tolist() == [False, True, *[False] * 4]
    assert labels["x1"].notna().all()


@pytest.mark.parametrize(
    ("sorter", "fewest"),
    [
        (PortfolioSorter(4), 4),
        (PortfolioSorter(quantiles=[0.3, 0.7]), 3),
        (PortfolioSorter(n_extreme=3), 6),
    ],
)
def test_so_many_values_are_enough_and_one_less_is_not(sorter, fewest):
    enough = sorter.fit_transform(column(range(fewest)))
    assert enough.min() == 1.0
    assert enough.max() == sorter.n_portfolios_[0]
    with pytest.warns(UndefinedPortfolioWarning, match=rf"The sample has .* need \({fewest}\)"):
        assert np.isnan(sorter.fit_transform(column(range(fewest - 1)))).all()


def test_a_universe_without_values_on_a_date_leaves_it_without_labels():
    panel = monthly(4, missing=0.0)
    universe = panel.index.get_level_values("date") != pd.Period("2020-02", "M")
    with pytest.warns(UndefinedPortfolioWarning, match="1 of 4 dates, the first is 2020-02"):
        labels = PortfolioSorter(2).fit_transform(panel, universe=universe)
    assert_array_equal(labels.isna().any(axis=1), ~universe)


def test_a_portfolio_too_small_to_be_divided_has_no_labels_within():
    x = pd.DataFrame({"a": [1, 2, 3, 4.0], "b": [1, NAN, 3, 4.0]})
    with pytest.warns(UndefinedPortfolioWarning, match="The sample has fewer values"):
        labels = PortfolioSorter(2, method="dependent").fit_transform(x)
    assert_array_equal(labels, [[1, NAN], [1, NAN], [2, 1], [2, 2]])


def test_given_breakpoints_take_a_single_asset():
    assert PortfolioSorter(breakpoints=[0.0, 1.0]).fit_transform([[2.0]]) == 3.0


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"breakpoints": [1.0, 0.0]}, r"breakpoints has to be finite and ascending; found \[1.0"),
        ({"breakpoints": [1.0, 1.0]}, "ascending"),
        ({"breakpoints": [0.0, np.inf]}, "finite"),
        ({"breakpoints": []}, "a list of at least one number"),
        ({"breakpoints": ["low"]}, "breakpoints does not hold numbers"),
        ({"quantiles": [0.7, 0.3]}, "quantiles has to be finite and ascending"),
        ({"quantiles": [0.0, 0.5]}, "strictly between 0 and 1"),
        ({"quantiles": [30, 70]}, "strictly between 0 and 1"),
        ({"quantiles": [0.5], "breakpoints": [1.0]}, "quantiles and breakpoints all say .* 'x0'"),
        ({"quantiles": {"size": [0.5]}}, r"quantiles names \['size'\], .* among \['x0', 'x1'\]"),
        ({"n_portfolios": {"x0": 5}}, "n_portfolios says nothing of 'x1'"),
        ({"n_portfolios": {"x0": 5, "x1": 1}}, "a whole number from 2 on; found 1"),
        ({"n_portfolios": {"x0": 5, "x1": 2.5}}, "a whole number from 2 on; found 2.5"),
        ({"n_extreme": {"x0": 0}}, "n_extreme has to be a whole number from 1 on"),
        ({"rebalance_every": 3, "rebalance_month": 6}, "are two schedules"),
        ({"rebalance_month": 12}, "None of the 5 dates from 2020-01 to 2020-05 is in month 12"),
    ],
)
def test_parameters_that_cannot_be_meant_raise(options, message):
    with pytest.raises(ValueError, match=message):
        PortfolioSorter(**options).fit(monthly(5))


@pytest.mark.parametrize(
    ("universe", "message"),
    [
        ("nyse", r"universe has shape \(\)"),
        ([True, False], r"universe has shape \(2,\); it takes one True or False per row"),
        (np.full(48, "NYSE"), "something other than True and False"),
        (np.full(48, -2), "negative numbers"),
        (np.full(48, NAN), "something other than True and False"),
        (np.array([True, None] * 24), "Fill missing values"),
        (np.zeros(48, dtype=bool), "False for all rows"),
    ],
)
def test_universes_that_are_no_mask_raise(universe, message):
    values = np.random.default_rng(0).normal(size=(48, 1))
    with pytest.raises(ValueError, match=message):
        PortfolioSorter().fit(values, universe=universe)


def test_a_universe_in_another_order_raises():
    panel = monthly(4)
    universe = pd.Series(True, index=panel.index)[::-1]
    with pytest.raises(ValueError, match="X and universe have different indexes"):
        PortfolioSorter(2).fit(panel, universe=universe)


def test_a_universe_beside_given_breakpoints_raises():
    panel = monthly(4)
    with pytest.raises(ValueError, match="so a universe has no say"):
        PortfolioSorter(breakpoints=[0.0]).fit(panel, universe=np.ones(len(panel), dtype=bool))


def test_holding_labels_takes_dates_and_assets():
    panel = monthly(5)
    dates = panel.index.get_level_values("date")
    with pytest.raises(ValueError, match="lag and rebalancing need dates"):
        PortfolioSorter(lag=1).fit(panel.to_numpy())
    with pytest.raises(ValueError, match=r"needs the asset of each row.*assets="):
        PortfolioSorter(2, rebalance_every=2).fit(panel.to_numpy(), dates=dates)


def test_a_month_takes_dates_that_have_one():
    panel = monthly(5)
    numbered = panel.set_axis(panel.index.set_levels(range(5), level=0))
    with pytest.raises(ValueError, match=r"rebalance_month needs datetimes or Periods.*found 0"):
        PortfolioSorter(rebalance_month=6).fit(numbered)


def test_dates_lost_on_the_way_raise():
    panel = monthly(5)
    y = panel["x0"].fillna(0.0)
    with pytest.raises(ValueError, match=r"y is indexed by date but X \(ndarray\) is not"):
        PortfolioSorter(2).fit(panel.to_numpy(), y)
    with pytest.raises(ValueError, match="fitted on rows with dates, but X has none"):
        PortfolioSorter(2).fit(panel).transform(panel.reset_index(drop=True))
    with pytest.raises(ValueError, match="fitted without dates, on the whole sample"):
        PortfolioSorter(2).fit(panel.reset_index(drop=True)).transform(panel)


def test_a_failing_fit_leaves_the_earlier_one():
    panel = monthly(5)
    sorter = PortfolioSorter(2).fit(panel)
    expected = sorter.transform(panel)
    infinite = panel.assign(x0=np.inf)
    with pytest.raises(ValueError, match=r"infinity in \['x0'\]"):
        sorter.fit(infinite)
    assert_frame_equal(sorter.transform(panel), expected)


# --- sizes --------------------------------------------------------------------------------------


def test_columns_sorted_alone_cost_no_more_than_each_of_them():
    # 5 ** 20 combinations that nobody asked for.
    X = np.random.default_rng(0).normal(size=(200, 20))
    tracemalloc.start()
    sorter = PortfolioSorter(5).fit(X)
    labels = sorter.transform(X)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert sorter.breakpoints_.shape == (1, 80)
    assert not hasattr(sorter, "portfolios_")
    assert_array_equal(labels[:, [7]], PortfolioSorter(5).fit_transform(X[:, [7]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "combined"}, r"5 x 5 x .* = 9765625 portfolios, more than 1000000.*'each'"),
        ({"method": "dependent"}, r"9765624 breakpoints on each of 8 dates.*'dependent'.*60 rows"),
        ({"n_portfolios": 10**6}, r"9999990 breakpoints on each of 8 dates.*fewer portfolios"),
        ({"n_portfolios": 10**12}, r"n_portfolios=1000000000000 is more than 1000000"),
    ],
)
def test_more_portfolios_than_memory_holds_are_refused(options, message):
    X = np.random.default_rng(0).normal(size=(60, 10))
    with pytest.raises(ValueError, match=message):
        PortfolioSorter(**{"n_portfolios": 5, **options}).fit(X, dates=np.arange(60) % 8)


@pytest.mark.parametrize(
    "given", [{"breakpoints": [0.0]}, {"quantiles": {"x0": [0.5], "x1": [0.5]}}, {"n_extreme": 2}]
)
def test_a_number_of_portfolios_that_divides_no_column_raises(given):
    panel = panel_with_ties()
    with pytest.raises(ValueError, match=f"n_portfolios=5 divides no column: {next(iter(given))}"):
        PortfolioSorter(5, **given).fit(panel)
    n_portfolios = 3 if "n_extreme" in given else 2
    assert PortfolioSorter(**given).fit(panel).n_portfolios_ == [n_portfolios] * 2


# --- groups -------------------------------------------------------------------------------------


def test_sorts_within_groups_equal_those_of_each_group_alone():
    panel = random_panel(np.random.default_rng(5), n_dates=4, n_assets=150, n_features=2)
    number = pd.factorize(panel.index.get_level_values("asset"), sort=True)[0]
    sector = pd.Series(np.array(["oil", "banks", "rail"])[number % 3], panel.index)
    nyse = pd.Series(number % 2 == 0, panel.index)
    for method in ("independent", "dependent"):
        for mask in (None, nyse):
            for order in (panel, panel.sample(frac=1.0, random_state=0)):
                sorter = PortfolioSorter(3, method=method)
                given = {} if mask is None else {"universe": mask[order.index]}
                labels = sorter.fit_transform(order, groupby=sector[order.index], **given)
                for name in ("oil", "banks", "rail"):
                    rows = order[sector[order.index] == name]
                    own = {} if mask is None else {"universe": mask[rows.index]}
                    alone = clone(sorter).fit(rows, **own)
                    assert_frame_equal(labels.loc[rows.index], alone.transform(rows, **own))
                    of_group = sorter.breakpoints_.xs(name, level="group")
                    assert_frame_equal(of_group, alone.breakpoints_, check_freq=False)
                by_asset = dict(zip(panel.index.get_level_values("asset"), sector, strict=True))
                assert_frame_equal(sorter.transform(order, groupby=by_asset, **given), labels)


def test_groups_are_held_and_lagged_with_their_labels():
    panel = random_panel(np.random.default_rng(5), n_dates=6, n_assets=40, n_features=1).dropna()
    number = pd.factorize(panel.index.get_level_values("asset"), sort=True)[0]
    sector = pd.Series(number % 2, panel.index)
    held = PortfolioSorter(3, rebalance_every=3, lag=1).fit_transform(panel, groupby=sector)
    each = PortfolioSorter(3).fit_transform(panel, groupby=sector)["x0"]
    each = each.unstack("date")  # noqa: PD010 -- pivot_table would average duplicates
    dates = each.columns
    expected = each[[dates[0]] * 3 + [dates[3]] * 2].set_axis(dates[1:], axis=1)
    known = panel["x0"].unstack("date")[dates[1:]].notna()  # noqa: PD010 -- pivot_table would average duplicates
    expected = expected.where(known)
    found = held["x0"].unstack("date")  # noqa: PD010 -- pivot_table would average duplicates
    assert found[dates[0]].isna().all()
    np.testing.assert_array_equal(found[dates[1:]], expected)


def test_a_group_with_fewer_assets_than_portfolios_is_counted():
    panel = random_panel(np.random.default_rng(5), n_dates=3, n_assets=20, n_features=1).dropna()
    number = pd.factorize(panel.index.get_level_values("asset"), sort=True)[0]
    with pytest.warns(UndefinedPortfolioWarning, match=r"3 of 6 groups on dates, the first is"):
        labels = PortfolioSorter(4).fit_transform(panel, groupby=number < 2)
    assert labels[number < 2].isna().all(axis=None)
    assert labels[number >= 2].notna().all(axis=None)


def test_groups_need_dates_and_quantiles():
    panel = random_panel(np.random.default_rng(5), n_dates=3, n_assets=20, n_features=1).dropna()
    groups = np.arange(len(panel)) % 2
    with pytest.raises(ValueError, match=r"within each group of a date, and X has no dates"):
        PortfolioSorter(2, date_level=None).fit(panel.to_numpy(), groupby=groups)
    with pytest.raises(ValueError, match=r"breakpoints= are given, so groupby= has no say"):
        PortfolioSorter(breakpoints=[0.0]).fit(panel, groupby=groups)
    today = panel.xs(panel.index[0][0], level="date")
    scalar = PortfolioSorter(2).fit_transform(today, dates=0, groupby=np.arange(len(today)) % 2)
    assert scalar.notna().all(axis=None)

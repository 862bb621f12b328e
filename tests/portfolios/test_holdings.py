"""Held portfolios against wide pandas, and money to the cent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from reference import random_panel

from skfactor.datasets import load_stocks
from skfactor.frames import forward_returns, returns_from_prices
from skfactor.portfolios import HeldPortfolio, hold_portfolio

COSTS = 0.002


def account_in_pandas(weights, returns, costs):
    """Wide frames without a missing return of a position, step by step in money."""
    wealth, positions, rows = 1e6, pd.Series(0.0, weights.columns), {}
    for date in weights.index:
        wanted = weights.loc[date] * wealth
        traded = (wanted - positions).abs()
        cost = (traded * costs).sum()
        gain = (wanted * returns.loc[date].fillna(0.0)).sum()
        rows[date] = gain / wealth, traded.sum() / wealth, cost / wealth, (gain - cost) / wealth
        positions = wanted * (1.0 + returns.loc[date].fillna(0.0))
        wealth += gain - cost
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.set_axis(["return", "turnover", "cost", "net_return"], axis=1), wealth


@pytest.fixture
def panel():
    """Weights and returns by (date, asset), rows shuffled, assets entering and leaving."""
    panel = random_panel(np.random.default_rng(0), n_dates=12, n_features=2, missing=0.0)
    weights = panel["x0"].sub(panel["x0"].mean()) / 50.0
    return weights.where(weights.abs() > 0.01, 0.0), panel["x1"] / 500.0


def wide(series):
    frame = series.rename("value").reset_index()
    return frame.pivot_table("value", "date", "asset")


def test_a_panel_is_accounted_for_as_in_pandas(panel):
    weights, returns = panel
    held = hold_portfolio(weights, returns, costs=COSTS)
    expected, _ = account_in_pandas(wide(weights).fillna(0.0), wide(returns), COSTS)
    assert_frame_equal(held.to_frame(), expected, rtol=1e-12, check_names=False, check_freq=False)
    assert_series_equal(held.weights, weights)
    assert (held.n_missing == 0).all()


def test_wealth_adds_up_to_the_cent_over_years_of_daily_trading():
    returns = returns_from_prices(load_stocks().iloc[-800:])
    momentum = returns.rolling(20).mean().shift(1).iloc[20:]
    weights = momentum.rank(axis=1, pct=True).sub(0.5) / 5.0
    held = hold_portfolio(weights, returns.iloc[20:], costs=0.0005)
    _, wealth = account_in_pandas(weights, returns.iloc[20:], 0.0005)
    assert 1e6 * (1.0 + held.net_returns).prod() == pytest.approx(wealth, abs=0.01)


def test_wide_frames_and_panels_agree_in_any_order(panel):
    weights, returns = panel
    tall = hold_portfolio(weights, returns, costs=COSTS)
    frame, outcome = wide(weights).fillna(0.0), wide(returns)
    mixed = frame.sample(frac=1.0, random_state=0).sample(frac=1.0, axis=1, random_state=0)
    shuffled = hold_portfolio(mixed, outcome.loc[mixed.index], costs=COSTS)
    assert_frame_equal(shuffled.to_frame(), tall.to_frame(), rtol=1e-12, check_freq=False)
    assert_frame_equal(shuffled.weights, mixed)
    swapped = hold_portfolio(weights.swaplevel(), returns.swaplevel(), costs=COSTS)
    assert_frame_equal(swapped.to_frame(), tall.to_frame(), rtol=1e-12)


def test_each_asset_has_its_own_costs(panel):
    weights, returns = panel
    assets = weights.index.get_level_values("asset").unique()
    costs = pd.Series(np.linspace(0.0, 0.01, len(assets)), assets)
    held = hold_portfolio(weights, returns, costs=costs)
    frame = wide(weights).fillna(0.0)
    expected, _ = account_in_pandas(frame, wide(returns), costs[frame.columns])
    assert_allclose(held.costs, expected["cost"], rtol=1e-12)
    assert_allclose(held.net_returns, expected["net_return"], rtol=1e-10)


def test_without_drift_turnover_is_the_sum_of_changes(panel):
    weights, returns = panel
    frame = wide(weights).fillna(0.0)
    held = hold_portfolio(weights, returns, drift=False)
    changes = frame.sub(frame.shift(1, fill_value=0.0)).abs().sum(axis=1)
    assert_allclose(held.turnover, changes, rtol=1e-12)


def test_equal_weights_of_available_returns_are_their_average():
    returns = wide(random_panel(np.random.default_rng(1), n_dates=12, missing=0.3)["x0"]) / 100.0
    returns.iloc[4] = np.nan
    weights = pd.DataFrame(1.0 / returns.shape[1], returns.index, returns.columns)
    held = hold_portfolio(weights, returns)
    assert_allclose(held.returns, returns.mean(axis=1), rtol=1e-12)
    assert np.isnan(held.returns.iloc[4])
    assert_allclose(held.n_missing, returns.isna().sum(axis=1))
    known = returns.notna().any(axis=1)
    assert_allclose(held.weights.sum(axis=1), np.ones(len(returns)))
    assert (held.weights[known].where(returns[known].isna(), 0.0) == 0.0).all(axis=None)


def test_each_leg_is_scaled_up_for_itself():
    month = pd.Index(["2024-01"], name="date")
    weights = pd.DataFrame([[0.5, 0.5, -0.25, -0.75]], month, list("abcd"))
    returns = pd.DataFrame([[0.1, np.nan, np.nan, 0.2]], month, list("abcd"))
    held = hold_portfolio(weights, returns)
    assert held.weights.to_numpy().tolist() == [[1.0, 0.0, 0.0, -1.0]]
    assert held.returns.item() == pytest.approx(0.1 - 0.2)
    nothing = returns.assign(d=np.nan)
    assert np.isnan(hold_portfolio(weights, nothing).returns.item())


def test_the_last_date_of_forward_returns_is_unknown_and_nothing_else(panel):
    weights, returns = panel
    held = hold_portfolio(weights, forward_returns(returns), costs=COSTS)
    assert held.returns.isna().to_numpy().nonzero()[0].tolist() == [11]
    assert held.turnover.notna().all()


def test_dates_without_a_position_earn_what_cash_earns():
    index = pd.MultiIndex.from_product([[2001, 2002, 2003], ["a", "b"]], names=["year", "asset"])
    weights = pd.Series([1.0, -1.0, 0.0, 0.0, 1.0, -1.0], index)
    returns = pd.Series([0.5, 0.0, np.nan, np.nan, 0.1, 0.3], index)
    held = hold_portfolio(weights, returns)
    assert_allclose(held.returns, [0.5, 0.0, -0.2])
    assert_allclose(held.turnover, [2.0, 1.0 + 1.0 / 1.5, 2.0])
    assert_index_equal(held.returns.index, pd.Index([2001, 2002, 2003], name="year"))


def test_the_result_is_frozen_and_inputs_stay(panel):
    weights, returns = (data.copy() for data in panel)
    returns.iloc[:5] = np.nan
    before = weights.copy(), returns.copy()
    held = hold_portfolio(weights, returns)
    assert_series_equal(weights, before[0])
    assert_series_equal(returns, before[1])
    assert isinstance(held, HeldPortfolio)
    with pytest.raises(AttributeError):
        held.returns = None


def one_row(**changes):
    month = pd.PeriodIndex(["2024-01"], freq="M", name="date")
    arguments = {
        "weights": pd.DataFrame({"a": [1.0], "b": [-1.0]}, month),
        "returns": pd.DataFrame({"a": [0.1], "b": [0.0]}, month),
    }
    return arguments | changes


FRAME = one_row()["weights"]
SERIES = FRAME.stack()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weights": FRAME * np.nan}, ValueError, r"weights holds 2 NaN\. Pass 0 for no position"),
        ({"weights": FRAME.astype(str) + "x"}, ValueError, r"weights does not hold numbers"),
        ({"returns": FRAME * np.inf}, ValueError, r"returns holds 2 infinite values"),
        ({"weights": SERIES}, TypeError, r"two Series .* found Series and DataFrame"),
        ({"weights": FRAME.to_numpy()}, TypeError, r"found ndarray and DataFrame"),
        ({"returns": FRAME[["a"]]}, ValueError, r"assets \['b'\] of weights are not in returns"),
        (
            {"returns": FRAME.set_axis(pd.PeriodIndex(["2024-02"], freq="M"))},
            ValueError,
            r"weights and returns have different indexes: row 0 is 2024-01 in weights",
        ),
        ({"returns": pd.concat([FRAME, FRAME])}, ValueError, r"weights has 1 dates, returns has 2"),
        (
            {"weights": FRAME.reset_index(drop=True), "returns": FRAME.reset_index(drop=True)},
            ValueError,
            r"The rows of weights are only numbered",
        ),
        ({"weights": SERIES, "returns": SERIES.iloc[:1]}, ValueError, r"weights has 2 rows, ret"),
        (
            {"weights": SERIES, "returns": SERIES.iloc[::-1]},
            ValueError,
            r"weights and returns have different indexes",
        ),
        (
            {"weights": SERIES.droplevel(0), "returns": SERIES.droplevel(0)},
            ValueError,
            r"weights has to be indexed by \(date, asset\)",
        ),
        ({"costs": -0.1}, ValueError, r"costs have to be finite and at least 0"),
        ({"costs": np.nan}, ValueError, r"costs have to be finite and at least 0"),
        ({"costs": pd.Series({"a": 0.1})}, ValueError, r"no value for the assets \['b'\]"),
        ({"missing": "zero"}, ValueError, r"missing='zero' has to be 'rescale' or 'raise'"),
        ({"returns": FRAME * -0.6}, ValueError, r"On 2024-01 .* loses all its wealth"),
        ({"weights": FRAME.iloc[:0]}, ValueError, r"weights is empty"),
        ({"weights": None}, TypeError, r"found NoneType and DataFrame"),
        ({"returns": 0.1}, TypeError, r"found DataFrame and float"),
        ({"returns": FRAME.iloc[:0]}, ValueError, r"returns is empty"),
        (
            {"returns": FRAME * np.nan, "missing": "raise"},
            ValueError,
            "On 1 date 2 positions",
        ),
    ],
)
def test_a_mistake_raises_and_says_what_to_do(changes, error, message):
    with pytest.raises(error, match=message):
        hold_portfolio(**one_row(**changes))


@pytest.mark.parametrize("side", [0.01, -0.01])
@pytest.mark.parametrize("value", [-99.0, -1.5])
@pytest.mark.parametrize("stacked", [False, True])
def test_a_position_that_loses_more_than_all_raises_with_both_causes(side, value, stacked):
    months = pd.period_range("2024-01", periods=3, freq="M", name="date")
    weights = pd.DataFrame({"a": side, "b": 0.0}, index=months)
    returns = pd.DataFrame({"a": [0.1, value, value], "b": value}, index=months)
    if stacked:
        weights, returns = weights.stack(), returns.stack()
    message = rf"2 returns below -1.*is {value:g} of a on 2024-02.*-99.*percents"
    with pytest.raises(ValueError, match=message):
        hold_portfolio(weights, returns)
    total = returns.clip(lower=-1.0)
    assert hold_portfolio(weights, total).returns.iloc[1] == pytest.approx(-side)

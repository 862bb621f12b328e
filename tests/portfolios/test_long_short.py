"""Long-short weights against sorting each date in pandas, and laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import random_panel

from skfactor import FamaMacBeth
from skfactor.datasets import make_panel
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.frames import forward_returns
from skfactor.portfolios import hold_portfolio, long_short, long_short_weights


@pytest.fixture
def signal():
    """Distinct values by (date, asset), rows shuffled, a tenth missing."""
    return random_panel(np.random.default_rng(0), n_dates=8, n_assets=40)["x1"]


@pytest.fixture
def industries(signal):
    assets = signal.index.get_level_values("asset")
    return pd.Series(assets.str[-1].astype(int) % 3, signal.index)


def weights_in_pandas(signal, leg_size, weighting, industries=None):
    """One date, one group after the other: sort, take the ends, weigh."""
    out = pd.Series(0.0, signal.index)
    for _, day in signal.groupby(level="date"):
        groups = [day] if industries is None else [g for _, g in day.groupby(industries[day.index])]
        legs = []
        for group in groups:
            known = group.dropna().sort_values()
            n = leg_size if isinstance(leg_size, int) else max(int(len(known) * leg_size), 1)
            if len(known) < 2 * n:
                continue
            for leg, sign in ((known.iloc[-n:], 1.0), (known.iloc[:n], -1.0)):
                size = pd.Series(1.0, leg.index)
                if weighting == "signal":
                    size = (leg - known.median()).abs()
                legs.append((sign * n * size / size.sum(), n))
        total = sum(n for _, n in legs) / 2.0
        for leg, _ in legs:
            out[leg.index] = leg / total
    return out


@pytest.mark.parametrize("weighting", ["equal", "signal"])
@pytest.mark.parametrize("leg_size", [0.1, 0.3, 0.5, 1, 4])
@pytest.mark.parametrize("grouped", [False, True])
def test_weights_are_those_of_sorting_each_date_in_pandas(
    signal, industries, leg_size, weighting, grouped
):
    groups = industries if grouped else None
    weights = long_short_weights(signal, leg_size=leg_size, weighting=weighting, groupby=groups)
    expected = weights_in_pandas(signal, leg_size, weighting, groups)
    assert_series_equal(weights, expected.rename("weight"), rtol=1e-12)


@pytest.mark.parametrize("weighting", ["equal", "signal"])
def test_legs_balance_on_each_date_and_within_each_group(signal, industries, weighting):
    weights = long_short_weights(signal, leg_size=0.25, weighting=weighting, groupby=industries)
    by_date = weights.groupby(level="date")
    assert_allclose(by_date.apply(lambda w: w[w > 0.0].sum()), np.ones(8))
    assert_allclose(by_date.sum(), np.zeros(8), atol=1e-14)
    cells = weights.groupby([weights.index.get_level_values("date"), industries]).sum()
    assert_allclose(cells, np.zeros(len(cells)), atol=1e-14)


def test_nothing_is_held_without_an_expected_return(signal):
    assert (long_short_weights(signal, leg_size=0.5)[signal.isna()] == 0.0).all()


def test_rows_levels_and_containers_do_not_matter(signal, industries):
    weights = long_short_weights(signal, weighting="signal", groupby=industries)
    order = np.random.default_rng(1).permutation(len(signal))
    shuffled = long_short_weights(
        signal.iloc[order], weighting="signal", groupby=industries.iloc[order]
    )
    assert_series_equal(shuffled, weights.iloc[order], rtol=1e-13)
    swapped = long_short_weights(
        signal.swaplevel(), weighting="signal", groupby=industries.swaplevel()
    )
    assert_allclose(swapped, weights, rtol=1e-13)
    array = long_short_weights(
        signal.to_numpy(),
        weighting="signal",
        groupby=industries.to_numpy(),
        dates=signal.index.get_level_values("date"),
    )
    assert isinstance(array, np.ndarray)
    assert_allclose(array, weights, rtol=1e-13)


def test_one_cross_section_by_ticker():
    expected = pd.Series({"AAPL": 0.02, "MSFT": 0.01, "XOM": -0.01})
    weights = long_short_weights(expected, leg_size=1, dates="2024-01-31")
    assert weights.to_dict() == {"AAPL": 1.0, "MSFT": 0.0, "XOM": -1.0}


def test_tied_assets_share_the_places():
    index = pd.MultiIndex.from_product([[2024], list("abcde")], names=["year", "asset"])
    weights = long_short_weights(pd.Series([3.0, 2.0, 2.0, 1.0, 0.0], index), leg_size=2)
    assert weights.tolist() == [0.5, 0.25, 0.25, -0.5, -0.5]


def test_a_share_of_the_assets_is_rounded_down_as_decimals_are():
    index = pd.MultiIndex.from_product([[2024], range(100)], names=["year", "asset"])
    weights = long_short_weights(pd.Series(np.arange(100.0), index), leg_size=0.29)
    assert (weights > 0.0).sum() == 29  # although 0.29 * 100 is 28.999999999999996


def test_dates_that_hold_nothing_are_counted_in_one_warning(signal):
    dates = signal.index.get_level_values("date")
    first, second = sorted(dates.unique())[:2]
    thin = signal.mask(dates == first).mask(dates == second, 0.01)
    with pytest.warns(UndefinedPortfolioWarning, match=r"Nothing is held on 2 of 8 dates, first o"):
        weights = long_short_weights(thin)
    assert (weights[dates <= second] == 0.0).all()
    whole = long_short_weights(signal)
    assert_series_equal(weights[dates > second], whole[dates > second])


def test_one_call_is_the_two_functions(signal, industries):
    returns = random_panel(np.random.default_rng(0), n_dates=8, n_assets=40)["x0"] / 100.0
    options = {"leg_size": 0.2, "weighting": "signal"}
    account = {"costs": 0.001, "drift": False}
    held = long_short(signal, returns, groupby=industries, **options, **account)
    weights = long_short_weights(signal, groupby=industries, **options)
    expected = hold_portfolio(weights, returns, **account)
    assert_frame_equal(held.to_frame(), expected.to_frame())
    assert_series_equal(held.weights, expected.weights)
    again = long_short(signal.to_numpy(), returns, groupby=industries, **options, **account)
    assert_frame_equal(again.to_frame(), expected.to_frame())


def test_predictions_of_a_model_earn_the_difference_of_the_average_returns():
    X, y = make_panel(n_dates=30, n_assets=50, random_state=0, return_X_y=True)
    ahead = forward_returns(y).dropna()
    predicted = FamaMacBeth().fit(X.loc[ahead.index], ahead).predict(X.loc[ahead.index])
    held = long_short(predicted, ahead, leg_size=10)
    frame = pd.DataFrame({"predicted": predicted, "return": ahead})
    expected = frame.groupby(level="date").apply(
        lambda day: (
            day.nlargest(10, "predicted")["return"].mean()
            - day.nsmallest(10, "predicted")["return"].mean()
        )
    )
    assert_allclose(held.returns, expected, rtol=1e-10)


INDEX = pd.MultiIndex.from_product([["2024-01"], ["a", "b"]], names=["date", "asset"])
EXPECTED = pd.Series([0.1, 0.2], INDEX)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"leg_size": 0.6}, r"leg_size=0.6 has to be a share of the assets, above 0 and at most"),
        ({"leg_size": 0}, r"leg_size=0 has to be"),
        ({"leg_size": True}, r"leg_size=True has to be"),
        ({"leg_size": "10%"}, r"leg_size='10%' has to be"),
        ({"weighting": "value"}, r"weighting='value' has to be 'equal' or 'signal'"),
        ({"groupby": ["x"]}, r"groupby= has 1 labels, expected_returns has 2"),
        ({"groupby": EXPECTED.iloc[::-1]}, r"expected_returns and groupby have different indexes"),
        ({"expected_returns": EXPECTED.to_numpy()}, r"expected_returns has no dates"),
        ({"expected_returns": EXPECTED.to_frame().T}, r"found shape \(1, 2\).* stack\(\)"),
        ({"expected_returns": EXPECTED * np.inf}, r"expected_returns holds 2 infinite values"),
        ({"expected_returns": EXPECTED.astype(str) + "x"}, r"does not hold numbers"),
        ({"expected_returns": EXPECTED.iloc[[0, 0]]}, r"occur more than once"),
    ],
)
def test_a_mistake_raises_and_says_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        long_short_weights(**({"expected_returns": EXPECTED} | arguments))


@pytest.mark.parametrize(
    ("expected", "returns", "error", "message"),
    [
        (EXPECTED, EXPECTED.to_frame().T, ValueError, r"returns has to have one value per"),
        (
            EXPECTED,
            EXPECTED.iloc[:1],
            ValueError,
            r"has 2 values, returns has 1.*pass expected",
        ),
        (EXPECTED.iloc[:1], EXPECTED, ValueError, r"returns has 2.*pass returns.loc\[expected_ret"),
        (EXPECTED.iloc[:0], EXPECTED.iloc[:0], ValueError, "expected_returns has no rows"),
        (np.ones(2), np.ones(2), ValueError, r"nothing says the dates.*pass dates= and assets="),
        (EXPECTED, EXPECTED.iloc[::-1], ValueError, r"returns and expected_returns have different"),
    ],
)
def test_returns_of_other_rows_raise(expected, returns, error, message):
    with pytest.raises(error, match=message):
        long_short(expected, returns, leg_size=1)


def test_arrays_with_dates_and_assets_hold_what_series_do():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(2000, 2010), list("abcdef")], names=["year", "asset"])
    expected, returns = (pd.Series(column, index) for column in 0.1 * rng.normal(size=(2, 60)))
    order = rng.permutation(60)
    found = long_short(
        expected.to_numpy()[order],
        returns.to_numpy()[order],
        dates=index.get_level_values(0)[order],
        assets=index.get_level_values(1)[order],
        costs=0.001,
    )
    whole = long_short(expected, returns, costs=0.001)
    options = {"check_names": False, "check_index_type": False}
    assert_frame_equal(found.to_frame(), whole.to_frame(), **options)
    named = long_short(expected, returns.to_numpy(), costs=0.001)
    assert_frame_equal(named.to_frame(), whole.to_frame())
    with pytest.raises(ValueError, match="nothing says the assets"):
        long_short(expected.to_numpy(), returns.to_numpy(), dates=index.get_level_values(0))

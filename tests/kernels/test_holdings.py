"""Accounts of holdings against money counted in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.holdings import account_holdings


def count_money(weights, returns, unit_costs):
    """Trade positions in money, by exact arithmetic: (returns, turnover, costs) and the wealth.

    ``weights`` and ``returns`` are lists of dicts from asset to fraction, one per date.
    """
    wealth, positions, table = Fraction(1000), {}, []
    for targets, outcome in zip(weights, returns, strict=True):
        wanted = {asset: weight * wealth for asset, weight in targets.items()}
        traded = {
            asset: abs(wanted.get(asset, 0) - positions.get(asset, 0))
            for asset in wanted | positions
        }
        cost = sum((unit_costs[asset] * money for asset, money in traded.items()), Fraction(0))
        positions = {asset: money * (1 + outcome[asset]) for asset, money in wanted.items()}
        gain = sum(positions.values(), Fraction(0)) - sum(wanted.values(), Fraction(0))
        table.append((gain / wealth, Fraction(sum(traded.values())) / wealth, cost / wealth))
        wealth += gain - cost
    return [np.array(column, dtype=float) for column in zip(*table, strict=True)], wealth


def as_arrays(weights, returns):
    assets = np.array([asset for date in weights for asset in date], dtype=int)
    w = np.array([weight for date in weights for weight in date.values()], dtype=float)
    r = np.array(
        [outcome[asset] for date, outcome in zip(weights, returns, strict=True) for asset in date],
        dtype=float,
    )
    return w, r, assets, np.cumsum([0, *map(len, weights)])


N_ASSETS = 5
percents = st.integers(-20, 20).map(lambda number: Fraction(number, 100))
portfolios = st.dictionaries(st.integers(0, N_ASSETS - 1), percents.filter(bool), max_size=4)
outcomes = st.fixed_dictionaries(dict.fromkeys(range(N_ASSETS), percents))
prices = st.lists(
    st.integers(0, 100).map(lambda number: Fraction(number, 10_000)),
    min_size=N_ASSETS,
    max_size=N_ASSETS,
)


@given(st.lists(st.tuples(portfolios, outcomes), min_size=1, max_size=6), prices)
def test_drifting_weights_add_up_to_the_money(dates, unit_costs):
    weights, returns = zip(*dates, strict=True)
    (expected, wealth) = count_money(weights, returns, unit_costs)
    account = account_holdings(*as_arrays(weights, returns), np.array(unit_costs, float), True)
    for found, exact in zip(account, expected, strict=True):
        assert_allclose(found, exact, rtol=1e-12, atol=1e-15)
    growth = np.prod(1.0 + account.returns - account.costs)
    assert 1000.0 * growth == pytest.approx(float(wealth), rel=1e-13)


def test_without_drift_trades_are_differences_of_weights():
    weights = [{0: 0.6, 1: 0.4}, {0: 0.5, 2: 0.5}, {}]
    returns = [dict.fromkeys(range(3), 0.5)] * 3
    w, r, assets, offsets = as_arrays(weights, returns)
    account = account_holdings(w, r, assets, offsets, np.full(3, 0.01), False)
    assert_allclose(account.turnover, [1.0, 0.1 + 0.4 + 0.5, 1.0])
    assert_allclose(account.costs, 0.01 * account.turnover)
    assert_allclose(account.returns, [0.5, 0.5, 0.0])


def test_an_unknown_return_makes_the_next_trades_unknown_and_no_others():
    weights = [{0: 1.0}, {0: 1.0}, {0: 0.5}, {0: 0.5}]
    returns = [{0: 0.1}, {0: np.nan}, {0: 0.1}, {0: 0.2}]
    w, r, assets, offsets = as_arrays(weights, returns)
    account = account_holdings(w, r, assets, offsets, np.array([0.01]), True)
    assert_array_equal(np.isnan(account.returns), [False, True, False, False])
    assert_array_equal(np.isnan(account.turnover), [False, False, True, False])
    assert_array_equal(np.isnan(account.costs), [False, False, True, False])
    assert account.turnover[3] == pytest.approx(abs(0.5 - 0.5 * 1.1 / 1.05))
    fixed = account_holdings(w, r, assets, offsets, np.array([0.01]), False)
    assert_allclose(fixed.turnover, [1.0, 0.0, 0.5, 0.0])

"""Legs against sorting by hand, exact fractions for ties, and laws."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import REGIMES, random_offsets

from skfactor._kernels.legs import leg_weights as leg_weights_of_runs

few_values = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=9).map(np.array)


def leg_weights(values, n_places, proportional):
    """Of a single run."""
    offsets = np.array([0, len(values)])
    return leg_weights_of_runs(values, offsets, np.array([n_places]), proportional)


def places_by_all_orders(values, n_places):
    """Average over all orders that agree with the values of being among the first."""
    orders = [
        order
        for order in permutations(range(len(values)))
        if all(values[a] <= values[b] for a, b in pairwise(order))
    ]
    counts = [sum(i in order[:n_places] for order in orders) for i in range(len(values))]
    return [Fraction(count, len(orders)) for count in counts]


@given(st.lists(st.integers(0, 3).map(float), min_size=2, max_size=6), st.data())
def test_places_are_the_odds_of_breaking_ties_at_random(values, data):
    n_places = data.draw(st.integers(1, len(values) // 2))
    high = places_by_all_orders([-value for value in values], n_places)
    low = places_by_all_orders(values, n_places)
    shares = np.array([a - b for a, b in zip(high, low, strict=True)], float)
    long, short = shares.clip(min=0.0), (-shares).clip(min=0.0)
    expected = np.zeros(len(values))
    if long.any() and short.any():
        expected = long / long.sum() - short / short.sum()
    assert_allclose(leg_weights(np.array(values), n_places, False), expected)


@pytest.mark.parametrize("proportional", [True, False])
@pytest.mark.parametrize("regime", REGIMES)
def test_runs_do_not_know_of_each_other_and_missing_values_count_nowhere(regime, proportional):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = rng.normal(size=offsets[-1]).round(1)
    values[rng.random(len(values)) < 0.2] = np.nan
    n_places = np.array([np.isfinite(values[a:b]).sum() // 3 for a, b in pairwise(offsets)])
    found = leg_weights_of_runs(values, offsets, n_places, proportional)
    for place, (start, stop) in enumerate(pairwise(offsets)):
        known = np.isfinite(values[start:stop])
        expected = np.zeros(stop - start)
        if n_places[place]:
            alone = values[start:stop][known]
            expected[known] = leg_weights(alone, n_places[place], proportional)
        assert_allclose(found[start:stop], expected, atol=1e-14)


def test_equal_weights_of_distinct_values():
    weights = leg_weights(np.array([0.3, 0.1, 0.2, 0.5, 0.4]), 2, proportional=False)
    assert_array_equal(weights, [0.0, -0.5, -0.5, 0.5, 0.5])


def test_proportional_weights_are_distances_from_the_median():
    weights = leg_weights(np.array([1.0, 2.0, 4.0, 5.0, 9.0]), 2, proportional=True)
    assert_allclose(weights, [-3 / 5, -2 / 5, 0.0, 1 / 6, 5 / 6])


def test_ties_that_reach_into_both_legs_are_in_neither():
    weights = leg_weights(np.array([1.0, 2.0, 2.0, 2.0, 3.0]), 2, proportional=False)
    assert_array_equal(weights, [-1.0, 0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("proportional", [True, False])
def test_equal_values_have_no_legs(proportional):
    assert_array_equal(leg_weights(np.full(4, 0.3), 2, proportional), np.zeros(4))


@given(few_values, st.booleans(), st.data())
def test_legs_sum_to_one_or_are_empty_and_have_the_right_sign(values, proportional, data):
    n_places = data.draw(st.integers(1, len(values) // 2))
    weights = leg_weights(values, n_places, proportional)
    long, short = weights[weights > 0.0], weights[weights < 0.0]
    if weights.any():
        assert long.sum() == pytest.approx(1.0)
        assert short.sum() == pytest.approx(-1.0)
        assert values[weights > 0.0].min() > values[weights < 0.0].max()
    else:
        assert len(np.unique(values)) == 1 or proportional


@given(few_values, st.booleans(), st.data())
def test_legs_do_not_depend_on_order_level_or_sign(values, proportional, data):
    n_places = data.draw(st.integers(1, len(values) // 2))
    order = np.array(data.draw(st.permutations(range(len(values)))))
    weights = leg_weights(values, n_places, proportional)
    assert_allclose(leg_weights(values[order], n_places, proportional), weights[order])
    assert_allclose(leg_weights(4.0 * values + 8.0, n_places, proportional), weights)
    assert_allclose(leg_weights(-values, n_places, proportional), -weights)

"""Quantiles of values within their segment, against pandas."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference import REGIMES, random_offsets

from skfactor._kernels.quantile_numbers import quantile_numbers, segments_vary
from skfactor._kernels.segments import Segments

law = settings(deadline=None, max_examples=30)


@pytest.mark.parametrize("regime", REGIMES)
def test_each_segment_has_quantiles_of_its_own(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = rng.normal(size=offsets[-1]).round(1)
    found = quantile_numbers(values, offsets, 4)
    for start, stop in pairwise(offsets):
        alone = quantile_numbers(values[start:stop], np.array([0, stop - start]), 4)
        assert_array_equal(found[start:stop], alone)


@law
@given(n=st.integers(2, 60), n_quantiles=st.sampled_from([2, 4, 8]), seed=st.integers(0, 2**32 - 1))
def test_quantiles_without_ties_are_those_of_pandas(n, n_quantiles, seed):
    # Powers of two and whole numbers so far apart: pandas' edges have no rounding then.
    values = np.random.default_rng(seed).permutation(n) * float(n_quantiles)
    found = quantile_numbers(values, np.array([0, n]), n_quantiles)
    assert_array_equal(found, pd.qcut(values, n_quantiles, labels=False) + 1)


def test_a_value_on_the_edge_belongs_to_the_quantile_below():
    values, offsets = np.arange(1.0, 56.0), np.array([0, 55])
    found = quantile_numbers(values, offsets, 6)  # edges on every ninth value
    assert_array_equal(np.bincount(found), [0, 10, 9, 9, 9, 9, 9])


@law
@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=30).map(np.array),
    n_quantiles=st.integers(2, 10),
    scale=st.sampled_from([1.0, 0.1]),
)
def test_ties_are_assigned_as_by_breakpoints_of_numpy(values, n_quantiles, scale):
    values = values * scale
    found = quantile_numbers(values, np.array([0, len(values)]), n_quantiles)
    if len(np.unique(values)) == 1:
        assert_array_equal(found, 0)
        return
    exact = [Fraction(k * (len(values) - 1), n_quantiles) for k in range(1, n_quantiles)]
    ordered = np.sort(values)
    # Of tied or whole places the breakpoint is a value itself, which no rounding moves.
    points = [
        ordered[int(place)]
        if place == int(place) or ordered[int(place)] == ordered[int(place) + 1]
        else np.quantile(values, float(place / (len(values) - 1)))
        for place in exact
    ]
    assert_array_equal(found, 1 + np.searchsorted(points, values, side="left"))


@law
@given(values=st.lists(st.integers(0, 12), min_size=4, max_size=60), n_quantiles=st.integers(2, 4))
def test_ties_are_assigned_as_by_pandas(values, n_quantiles):
    values = np.array(values) * 12.0  # whole numbers for breakpoints
    edges = np.quantile(values, np.arange(n_quantiles + 1) / n_quantiles)
    if len(np.unique(edges)) == len(edges):  # what pandas asks for
        found = quantile_numbers(values, np.array([0, len(values)]), n_quantiles)
        assert_array_equal(found, pd.qcut(values, n_quantiles, labels=False) + 1)


def test_runs_of_equal_values_have_no_quantile():
    found = quantile_numbers(np.array([3.0, 3.0, 1.0, 2.0, 5.0]), np.array([0, 2, 4, 5]), 2)
    assert_array_equal(found, [0, 0, 1, 2, 0])


def test_segments_vary_where_two_values_differ():
    values = np.array([1.0, np.nan, 2.0, np.nan, 3.0, 3.0])
    assert_array_equal(
        segments_vary(values, Segments(np.array([0, 3, 4, 6]))), [True, False, False]
    )
    order = np.array([5, 4, 3, 2, 1, 0])
    assert_array_equal(
        segments_vary(values, Segments(np.array([0, 2, 4, 6]), order)), [False, False, False]
    )

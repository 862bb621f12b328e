"""Quantiles of values within their segment, against pandas."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference import REGIMES, random_offsets

from skfactor._kernels.quantile_numbers import quantile_numbers

law = settings(deadline=None, max_examples=50)


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
@given(values=st.lists(st.integers(0, 4), min_size=1, max_size=30), n_quantiles=st.integers(2, 10))
def test_ties_share_a_quantile_and_quantiles_keep_the_order(values, n_quantiles):
    found = quantile_numbers(np.array(values, dtype=float), np.array([0, len(values)]), n_quantiles)
    assert found.min() >= 1
    assert found.max() <= n_quantiles
    by_value = pd.Series(found).groupby(values).agg(["min", "max"])
    assert (by_value["min"] == by_value["max"]).all()
    assert by_value["min"].is_monotonic_increasing

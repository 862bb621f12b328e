"""Pair moments, quantile numbers and quantile means by segment, against NumPy, SciPy and pandas."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import REGIMES, random_offsets
from scipy import stats

from skfactor._kernels.correlations import (
    average_ranks,
    quantile_means,
    quantile_numbers,
    segment_pair_moments,
)

law = settings(deadline=None, max_examples=50)


def random_pairs(regime, level=0.0):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    x = rng.normal(size=offsets[-1])
    return x + level, 0.3 * x + rng.normal(size=offsets[-1]) - level, offsets


def runs(offsets):
    return [slice(start, stop) for start, stop in pairwise(offsets)]


@pytest.mark.parametrize("level", [0.0, 1e6])
@pytest.mark.parametrize("regime", REGIMES)
def test_correlation_and_slope_equal_those_of_scipy(regime, level):
    x, y, offsets = random_pairs(regime, level)
    moments = segment_pair_moments(x, y, offsets)
    assert_array_equal(moments.n_rows, np.diff(offsets))
    for s, rows in enumerate(runs(offsets)):
        assert_allclose(moments.mean_x[s], x[rows].mean(), rtol=1e-12, atol=1e-12)
        assert_allclose(moments.mean_y[s], y[rows].mean(), rtol=1e-12, atol=1e-12)
        if rows.stop - rows.start < 2:
            assert np.isnan(moments.correlation[s])
            assert np.isnan(moments.slope[s])
            continue
        fit = stats.linregress(x[rows], y[rows])
        tolerance = 1e-12 if level == 0.0 else 1e-6  # what is left of values of a million
        assert_allclose(moments.correlation[s], fit.rvalue, rtol=1e-8, atol=tolerance)
        assert_allclose(moments.slope[s], fit.slope, rtol=1e-8, atol=tolerance)


@pytest.mark.parametrize("n", [3, 400])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_a_constant_has_no_correlation_even_where_its_mean_rounds(n, value):
    x, y = np.full(n, value), np.arange(float(n))
    offsets = np.array([0, n])
    assert np.isnan(segment_pair_moments(x, y, offsets).correlation).all()
    assert np.isnan(segment_pair_moments(y, x, offsets).correlation).all()
    assert np.isnan(segment_pair_moments(x, y, offsets).slope).all()
    assert_array_equal(segment_pair_moments(y, np.zeros(n), offsets).slope, 0.0)


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_correlation_neither_underflows_nor_overflows(scale):
    x, y, offsets = random_pairs("long")
    expected = segment_pair_moments(x, y, offsets).correlation
    assert_allclose(segment_pair_moments(scale * x, scale * y, offsets).correlation, expected)


@pytest.mark.parametrize("regime", REGIMES)
def test_ranks_equal_those_of_scipy_ties_included(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = np.stack([rng.normal(size=offsets[-1]), rng.integers(0, 5, size=offsets[-1])])
    found = average_ranks(values, offsets)
    for rows in runs(offsets):
        assert_array_equal(found[:, rows], stats.rankdata(values[:, rows], axis=1))


@law
@given(n=st.integers(2, 60), n_quantiles=st.sampled_from([2, 4, 8]), seed=st.integers(0, 2**32 - 1))
def test_quantiles_without_ties_are_those_of_pandas(n, n_quantiles, seed):
    # Powers of two and whole numbers so far apart: pandas' edges have no rounding then.
    values = np.random.default_rng(seed).permutation(n) * float(n_quantiles)
    found = quantile_numbers(stats.rankdata(values), np.array([0, n]), n_quantiles)
    assert_array_equal(found, pd.qcut(values, n_quantiles, labels=False) + 1)


def test_a_value_on_the_edge_belongs_to_the_quantile_below():
    ranks, offsets = np.arange(1.0, 56.0), np.array([0, 55])
    found = quantile_numbers(ranks, offsets, 6)  # edges on every ninth value
    assert_array_equal(np.bincount(found), [0, 10, 9, 9, 9, 9, 9])


@law
@given(values=st.lists(st.integers(0, 4), min_size=1, max_size=30), n_quantiles=st.integers(2, 10))
def test_ties_share_a_quantile_and_quantiles_keep_the_order(values, n_quantiles):
    found = quantile_numbers(stats.rankdata(values), np.array([0, len(values)]), n_quantiles)
    assert found.min() >= 1
    assert found.max() <= n_quantiles
    by_value = pd.Series(found).groupby(values).agg(["min", "max"])
    assert (by_value["min"] == by_value["max"]).all()
    assert by_value["min"].is_monotonic_increasing


@pytest.mark.parametrize("weighted", [False, True])
def test_quantile_means_equal_those_of_a_groupby(weighted):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, "short")
    segment = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    values, weights = rng.normal(size=offsets[-1]), rng.random(offsets[-1]) + 0.1
    quantiles = rng.integers(1, 5, size=offsets[-1])
    w = weights if weighted else np.ones(offsets[-1])
    frame = pd.DataFrame({"s": segment, "q": quantiles, "wv": values * w, "w": w})
    sums = frame.groupby(["s", "q"]).sum()
    expected = (sums["wv"] / sums["w"]).unstack().to_numpy()  # noqa: PD010 -- of a series
    found = quantile_means(values, quantiles, offsets, 4, weights if weighted else None)
    assert np.isnan(expected).any()
    assert_allclose(found, expected, rtol=1e-12)

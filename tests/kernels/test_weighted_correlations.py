"""Weighted correlations against those of scipy for rows that are repeated."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from skfactor._kernels.correlations import segment_pair_moments
from skfactor._kernels.rank_correlations import segment_rank_correlations
from skfactor._kernels.weighted_correlations import (
    segment_weighted_correlations,
    segment_weighted_rank_correlations,
)

KINDS = [
    (segment_weighted_correlations, stats.pearsonr),
    (segment_weighted_rank_correlations, stats.spearmanr),
]


@pytest.mark.parametrize(("kernel", "oracle"), KINDS)
@given(seed=st.integers(0, 2**32 - 1), ties=st.booleans())
def test_a_row_of_weight_two_counts_twice(kernel, oracle, seed, ties):
    rng = np.random.default_rng(seed)
    offsets = np.array([0, 9, 12, 40])
    x, y = rng.normal(size=(2, 40)).round(0 if ties else 9)
    x[[9, 10]], y[[10, 11]] = [1.0, 2.0], [0.5, 3.0]  # of few rows none is constant
    weights = rng.integers(1, 5, size=40).astype(float)
    expected = []
    for start, stop in pairwise(offsets):
        rows = np.repeat(np.arange(start, stop), weights[start:stop].astype(int))
        expected.append(oracle(x[rows], y[rows]).statistic)
    for scale in (1.0, 1e-200, 1e200):
        assert_allclose(kernel(x, y, scale * weights, offsets), expected, atol=1e-12)


def test_equal_weights_are_none():
    rng = np.random.default_rng(0)
    offsets = np.arange(0, 501, 10)
    x, y = rng.normal(size=(2, 500)).round(1)
    weights = np.full(500, 0.3)
    plain = segment_pair_moments(x, y, offsets).correlation
    assert_allclose(segment_weighted_correlations(x, y, weights, offsets), plain, rtol=1e-10)
    ranked = segment_rank_correlations(x, y, offsets)
    assert_allclose(segment_weighted_rank_correlations(x, y, weights, offsets), ranked, atol=1e-12)


@pytest.mark.parametrize(("kernel", "oracle"), KINDS)
def test_constant_runs_have_none(kernel, oracle):
    x, y = np.full(6, 0.1), np.arange(6.0)
    found = kernel(x, y, np.linspace(0.1, 0.7, 6), np.array([0, 5, 6]))
    assert np.isnan(found).all()
    assert np.isnan(kernel(y, x, np.linspace(0.1, 0.7, 6), np.array([0, 6]))).all()

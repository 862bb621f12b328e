"""Rank correlations by segment against SciPy: all regimes, ties, and values that suit no bucket."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import REGIMES, random_offsets
from scipy import stats

from skfactor._kernels.rank_correlations import segment_rank_correlations

law = settings(deadline=None, max_examples=30)


def loop(x, y, offsets):
    """Correlation of ranks, segment by segment."""
    found = []
    for start, stop in pairwise(offsets):
        ranks = [stats.rankdata(values[start:stop]) for values in (x, y)]
        varies = all(np.ptp(rank) > 0 for rank in ranks)
        found.append(np.corrcoef(*ranks)[0, 1] if varies else np.nan)
    return found


def check(x, y, offsets):
    found = segment_rank_correlations(x, y, offsets)
    assert_allclose(found, loop(x, y, offsets), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("regime", REGIMES)
def test_correlations_equal_those_of_scipy(regime, decimals):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    x = rng.normal(size=offsets[-1])
    y = x + rng.standard_t(2, size=offsets[-1])
    if decimals is not None:
        x, y = x.round(decimals), y.round(decimals)
    check(x, y, offsets)


AWKWARD = {
    "heavy tails": lambda rng, n: rng.standard_cauchy(n),
    "one outlier": lambda rng, n: np.append(rng.normal(size=n - 1), 1e300),
    "huge": lambda rng, n: rng.uniform(-1.0, 1.0, n) * 1.7e308,
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-310,
    "far from zero": lambda rng, n: 1e12 + rng.normal(size=n),
    "few values": lambda rng, n: rng.integers(0, 3, n).astype(float),
    "ascending": lambda rng, n: np.sort(rng.normal(size=n)),
    "descending": lambda rng, n: -np.sort(rng.normal(size=n)),
    "zeros of both signs": lambda rng, n: rng.choice([0.0, -0.0, 1.0], n),
    "exponentials": lambda rng, n: np.exp(rng.uniform(-300, 300, n)),
    "neighbours in the last digit": lambda rng, n: 1.0 + rng.permutation(n) * 2.0**-52,
}


@pytest.mark.parametrize("n", [99, 100, 1_000])
@pytest.mark.parametrize("draw", AWKWARD.values(), ids=AWKWARD)
def test_values_that_suit_the_buckets_badly_are_sorted_too(draw, n):
    rng = np.random.default_rng(0)
    lengths = [n, n - 7, n, 3]  # lines of several lengths are filled up
    x = np.concatenate([draw(rng, m) for m in lengths])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    check(x, rng.normal(size=len(x)), offsets)
    check(rng.normal(size=len(x)), x, offsets)


@law
@given(
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=120, max_size=200)
)
def test_any_finite_values_are_ranked(values):
    x = np.array(values)
    check(x, np.arange(float(len(x))) % 17, np.array([0, len(x)]))


def test_a_constant_has_no_correlation():
    x, y = np.full(300, 0.1), np.arange(300.0)
    offsets = np.array([0, 150, 300])
    assert_array_equal(segment_rank_correlations(x, y, offsets), [np.nan, np.nan])
    assert_array_equal(segment_rank_correlations(y, x, offsets), [np.nan, np.nan])


def test_input_is_not_modified():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400))
    before = x.copy(), y.copy()
    segment_rank_correlations(x, y, np.array([0, 150, 400]))
    assert_array_equal([x, y], before)

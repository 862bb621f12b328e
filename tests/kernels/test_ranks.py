"""Ranks by segment against scipy, with ties, missing values and numbers that are hard to order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from reference import LAYOUTS, REGIMES, random_offsets
from scipy.stats import norm, rankdata

from skfactor._kernels import ranks as ranks_module
from skfactor._kernels.ranks import (
    normal_score,
    percent_score,
    rank_segments,
    rank_table,
    uniform_score,
)
from skfactor._kernels.segments import Segments

NAN = np.nan
LARGEST, SMALLEST = np.finfo(float).max, 5e-324
law = settings(deadline=None, max_examples=30)


def plain_rank(rank, count):
    return rank + 0.0 * count


def ranked(values, offsets, order=None, score=plain_rank):
    out = np.empty_like(values)
    rank_segments(values, Segments(offsets, order), score, out)
    return out


def by_scipy(values, offsets):
    parts = np.split(values, offsets[1:-1], axis=1)
    return np.hstack([rankdata(part, axis=1, nan_policy="omit") for part in parts])


def random_values(rng, offsets, missing=0.2):
    """Columns without ties, with some, with many, and one whose first segment is missing."""
    n = offsets[-1]
    normal = rng.normal(size=(4, n))
    values = np.vstack([normal[0], normal[1].round(2), normal[2].round(), normal[3]])
    values[rng.random(values.shape) < missing] = NAN
    values[-1, : offsets[1]] = NAN
    return values


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("regime", REGIMES)
def test_ranks_equal_those_of_scipy(regime, missing):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets, missing)
    assert_array_equal(ranked(values, offsets), by_scipy(values, offsets))


@pytest.mark.parametrize("regime", REGIMES)
def test_ranks_do_not_depend_on_the_order_of_rows(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    order = rng.permutation(offsets[-1])
    scattered = np.empty_like(values)
    scattered[:, order] = values
    found = ranked(scattered, offsets, order)
    assert_array_equal(found[:, order], by_scipy(values, offsets))


@pytest.mark.parametrize("regime", ["short", "long", "mixed"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_ranks_do_not_depend_on_memory_layout_and_may_replace_the_values(regime, layout):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = layout(random_values(rng, offsets))
    expected = by_scipy(values, offsets)
    rank_segments(values, Segments(offsets), plain_rank, values)
    assert_array_equal(values, expected)


def test_tiles_of_a_few_lines_give_the_same_ranks(monkeypatch):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, "short")
    values = random_values(rng, offsets)
    monkeypatch.setattr(ranks_module, "_TILE", 60)
    assert_array_equal(ranked(values, offsets), by_scipy(values, offsets))


def test_a_segment_of_more_rows_than_a_block_is_ranked_as_a_whole():
    values = np.random.default_rng(0).normal(size=(1, 700_001)).round(4)
    offsets = np.array([0, 700_000, 700_001])
    assert_array_equal(ranked(values, offsets), by_scipy(values, offsets))


hard = st.one_of(
    st.sampled_from([0.0, -0.0, NAN, LARGEST, -LARGEST, SMALLEST, -SMALLEST, 1e-310, 1.0]),
    st.sampled_from(np.nextafter(1.0, 2.0) + np.arange(5) * np.finfo(float).eps),
    st.floats(allow_infinity=False),
)


@law
@given(values=arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=hard))
def test_numbers_that_are_hard_to_order_are_ranked_as_by_scipy(values):
    offsets = np.array([0, values.shape[1]])
    assert_array_equal(ranked(values, offsets), by_scipy(values, offsets))


@law
@given(
    values=arrays(
        np.float32, st.integers(1, 40), elements=st.floats(width=32, allow_infinity=False)
    )
)
def test_single_precision_is_ranked_as_by_scipy(values):
    found = ranked(values[None], np.array([0, len(values)]))
    assert found.dtype == np.float32
    assert_array_equal(found[0], rankdata(values, nan_policy="omit"))


@pytest.mark.parametrize("n", [2, 33, 4_000])
def test_numbers_that_differ_in_their_last_bit_only_are_told_apart(n):
    values = 1.0 + np.random.default_rng(0).permutation(n) * np.finfo(float).eps
    assert_array_equal(ranked(values[None], np.array([0, n]))[0], rankdata(values))


def test_the_largest_number_ranks_before_missing_values():
    values = np.array([[NAN, LARGEST, NAN, 1.0, NAN], [NAN, NAN, NAN, NAN, LARGEST]])
    expected = [[NAN, 2, NAN, 1, NAN], [NAN, NAN, NAN, NAN, 1]]
    assert_array_equal(ranked(values, np.array([0, 5])), expected)


def test_negative_zero_ties_with_zero():
    values = np.array([[0.0, -0.0, 1.0, -SMALLEST, SMALLEST, -0.0]])
    assert_array_equal(ranked(values, np.array([0, 6])), [[3, 3, 6, 1, 5, 3]])


# --- scores -------------------------------------------------------------------------------------


@law
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 200))
@pytest.mark.parametrize(
    ("score", "formula"),
    [
        (uniform_score, lambda r, n: 2 * (r - 1) / (n - 1) - 1 if n > 1 else 0.0 * r),
        (percent_score, lambda r, n: r / n),
        (normal_score, lambda r, n: norm.ppf((r - 0.5) / n)),
    ],
)
def test_scores_are_those_of_the_formula(score, formula, seed, n):
    values = np.random.default_rng(seed).normal(size=n).round(1)
    found = ranked(values[None], np.array([0, n]), score=score)[0]
    assert_allclose(found, formula(rankdata(values), n), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("score", [uniform_score, normal_score])
def test_scores_of_negated_values_are_the_negated_scores(score):
    values = np.random.default_rng(0).normal(size=(1, 1_001)).round(3)
    offsets = np.array([0, 1_001])
    assert_array_equal(ranked(-values, offsets, score=score), -ranked(values, offsets, score=score))


# --- ranks among a sample that is kept ----------------------------------------------------------


def test_a_value_of_the_sample_has_its_average_rank_there():
    sample = np.array([3.0, 1.0, NAN, 1.0, 7.0, -0.0, 0.0])
    table = rank_table(sample)
    assert table.count == 6
    assert_array_equal(table.rank(sample), rankdata(sample, nan_policy="omit"))


def test_a_value_between_two_of_the_sample_has_a_rank_between_theirs():
    table = rank_table(np.array([0.0, 4.0, 4.0, 10.0]))
    found = table.rank(np.array([1.0, 2.0, 7.0, -50.0, 50.0, NAN]))
    assert_array_equal(found, [1.375, 1.75, 3.25, 1.0, 4.0, NAN])


def test_an_empty_sample_ranks_nothing():
    assert_array_equal(rank_table(np.array([NAN, NAN])).rank(np.array([1.0, NAN])), [NAN, NAN])


def test_a_sample_beyond_the_range_of_differences_ranks_without_overflow():
    table = rank_table(np.array([-LARGEST, LARGEST]))
    assert_array_equal(table.rank(np.array([-LARGEST, 0.0, LARGEST])), [1.0, 1.5, 2.0])
    table = rank_table(np.array([0.0, SMALLEST, 2 * SMALLEST]))
    assert_array_equal(table.rank(np.array([0.0, SMALLEST, 2 * SMALLEST])), [1.0, 2.0, 3.0])


@law
@given(sample=arrays(float, st.integers(1, 30), elements=hard))
def test_any_sample_is_ranked_among_itself_as_by_scipy(sample):
    assert_array_equal(rank_table(sample).rank(sample), rankdata(sample, nan_policy="omit"))

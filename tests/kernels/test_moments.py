"""Moments by segment against plain NumPy, in every regime, order and pattern of missing values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import LAYOUTS, REGIMES, by_segment, random_offsets

from skfactor._kernels import moments as moments_module
from skfactor._kernels import segments as segments_module
from skfactor._kernels.moments import (
    Moments,
    rescale_segments,
    segment_counts,
    segment_moments,
    standard_deviation,
    weighted_mean,
)
from skfactor._kernels.segments import Segments, one_segment

NAN = np.nan
EPS = np.finfo(np.float64).eps
law = settings(deadline=None, max_examples=30)


def random_values(rng, offsets, missing=0.2, n_columns=3):
    """Columns of different mean and spread, the last one without a value in some segments."""
    values = rng.normal(size=(n_columns, offsets[-1])) * 10.0 ** np.arange(n_columns)[:, None] + 5.0
    values[rng.random(values.shape) < missing] = NAN
    values[-1, offsets[0] : offsets[1]] = NAN
    return values


def sum_of_squares(finite):
    exact = finite.astype(np.longdouble)
    return float(((exact - exact.mean()) ** 2).sum())


def assert_moments_are_right(moments, values, offsets, rtol=1e-10):
    assert_array_equal(moments.count, np.nan_to_num(by_segment(len, values, offsets)))
    assert_allclose(moments.mean, by_segment(np.mean, values, offsets), rtol=rtol)
    expected = np.nan_to_num(by_segment(sum_of_squares, values, offsets))
    there = moments.count > 0
    assert_allclose(moments.sum_squares[there], expected[there], rtol=rtol, atol=1e-20)


@pytest.fixture(params=["one by one", "together"])
def way(request, monkeypatch):
    """Both ways of summing, whatever the size of the segments."""
    worth = 0 if request.param == "one by one" else np.inf
    monkeypatch.setattr(moments_module, "_WORTH_A_CALL", worth)


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("regime", REGIMES)
def test_counts_are_those_of_a_loop(regime, missing):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets, missing)
    expected = np.nan_to_num(by_segment(len, values, offsets))
    assert_array_equal(segment_counts(values, Segments(offsets)), expected)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("missing", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("regime", REGIMES)
def test_moments_equal_those_of_a_loop(regime, missing):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets, missing)
    assert_moments_are_right(segment_moments(values, Segments(offsets)), values, offsets)


@pytest.mark.parametrize("regime", REGIMES)
def test_moments_do_not_depend_on_the_order_of_rows(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    order = rng.permutation(offsets[-1])
    scattered = np.empty_like(values)
    scattered[:, order] = values
    found = segment_moments(scattered, Segments(offsets, order))
    assert_moments_are_right(found, values, offsets)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("regime", ["short", "long"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_moments_do_not_depend_on_memory_layout(regime, layout):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    assert_moments_are_right(segment_moments(layout(values), Segments(offsets)), values, offsets)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("regime", ["short", "long"])
def test_float32_values_are_summed_in_float64(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    single = (random_values(rng, offsets) + 1_000.0).astype(np.float32)
    found = segment_moments(single, Segments(offsets))
    assert found.mean.dtype == np.float64
    assert_moments_are_right(found, single.astype(np.float64), offsets)


@pytest.mark.parametrize("regime", ["short", "long", "mixed"])
def test_blocks_of_a_few_values_give_the_same_moments(regime, monkeypatch):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    monkeypatch.setattr(segments_module, "CHUNK", 90)
    assert_moments_are_right(segment_moments(values, Segments(offsets)), values, offsets)


@pytest.mark.parametrize("length", [3, 40_000])
def test_data_beyond_one_block_give_the_same_moments(length):
    offsets = np.arange(0, 240_001, length)
    values = np.random.default_rng(0).normal(size=(2, offsets[-1]))
    found = segment_moments(values, Segments(offsets))
    cube = values.reshape(2, -1, length)
    assert_allclose(found.mean, cube.mean(axis=2).T, rtol=1e-9, atol=1e-12)
    assert_allclose(found.sum_squares, cube.var(axis=2).T * length, rtol=1e-10)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [40, 700])
@pytest.mark.parametrize("position", [0, -1])
def test_a_missing_value_at_either_end_is_left_out(n, position):
    values = np.random.default_rng(0).normal(size=(1, n))
    values[0, position] = NAN
    offsets = np.array([0, n])
    assert_moments_are_right(segment_moments(values, one_segment(n)), values, offsets)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [30, 3_000])
def test_spread_far_below_the_mean_keeps_its_digits(n):
    # Multiples of 1/4 are exact below 2^50: the shift changes no deviation from the mean.
    small = np.random.default_rng(0).integers(-40, 40, size=(2, n)) / 4
    offsets = np.array([0, n])
    found = segment_moments(small + 2.0**30, one_segment(n))
    expected = by_segment(sum_of_squares, small, offsets)
    assert_allclose(found.sum_squares, expected, rtol=1e-9)
    assert_allclose(found.mean, 2.0**30 + small.mean(axis=1)[None], rtol=4 * EPS)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [30, 3_000])
def test_a_first_value_far_from_the_others_does_not_spoil_the_spread(n):
    values = np.random.default_rng(0).normal(size=(1, n))
    values[0, 0] = 1e9
    offsets = np.array([0, n])
    assert_moments_are_right(segment_moments(values, one_segment(n)), values, offsets, rtol=1e-12)
    values[0, 0] = NAN
    values[0, 1] = -1e9
    assert_moments_are_right(segment_moments(values, one_segment(n)), values, offsets, rtol=1e-12)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [1, 12, 500])
def test_a_column_without_values_has_no_mean_and_is_silent(n):
    found = segment_moments(np.full((2, n), NAN), one_segment(n))
    assert_array_equal(found.count, [[0.0, 0.0]])
    assert_array_equal(found.mean, [[NAN, NAN]])
    assert_array_equal(standard_deviation(found, 0, EPS), [[NAN, NAN]])


# --- standard deviation -------------------------------------------------------------------------


@pytest.mark.parametrize("ddof", [0, 1, 3])
def test_standard_deviation_has_divisor_n_less_ddof(ddof):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, "long")
    values = random_values(rng, offsets)
    found = standard_deviation(segment_moments(values, Segments(offsets)), ddof, EPS)
    expected = by_segment(lambda finite: finite.std(ddof=ddof), values, offsets)
    assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [1, 2, 30, 149, 150, 5_000])
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e6 / 7, 1e-300, 3e20])
def test_a_constant_has_deviation_zero(value, n):
    found = segment_moments(np.full((1, n), value), one_segment(n))
    assert standard_deviation(found, 0, EPS) == 0.0
    assert standard_deviation(found, 1, EPS) == 0.0


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [30, 5_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_constant_that_differs_by_rounding_has_deviation_zero(n, dtype):
    values = np.full((1, n), 1e6, dtype=dtype)
    values[0, ::3] = np.nextafter(values[0, ::3], dtype(0))
    values[0, ::7] = np.nextafter(values[0, ::7], dtype(np.inf))
    resolution = np.finfo(dtype).eps
    found = segment_moments(values, one_segment(n))
    assert found.sum_squares > 0.0
    assert standard_deviation(found, 0, resolution) == 0.0


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [30, 5_000])
def test_a_mean_a_hundred_million_times_the_spread_is_no_constant(n):
    values = 1e8 + np.random.default_rng(0).normal(size=(1, n))
    found = standard_deviation(segment_moments(values, one_segment(n)), 0, EPS)
    assert_allclose(found, values.astype(np.longdouble).std().astype(float), rtol=1e-7)


def test_fewer_values_than_ddof_have_no_deviation_unless_constant():
    moments = Moments(np.array([[2.0, 2.0]]), np.array([[1.5, 1.0]]), np.array([[0.5, 0.0]]))
    assert_array_equal(standard_deviation(moments, 2, EPS), [[NAN, 0.0]])


# --- weighted mean ------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("ordered", [True, False])
def test_weighted_mean_equals_that_of_a_loop(regime, ordered):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    weights = rng.random(offsets[-1])
    weights[rng.random(len(weights)) < 0.2] = 0.0
    order = None if ordered else rng.permutation(offsets[-1])
    found = weighted_mean(values, Segments(offsets, order), weights)
    rows = np.arange(offsets[-1]) if ordered else order
    expected = np.full_like(found, NAN)
    for s, (start, stop) in enumerate(pairwise(offsets)):
        x, w = values[:, rows[start:stop]], weights[rows[start:stop]]
        for k in range(len(x)):
            finite = np.isfinite(x[k])
            if w[finite].sum() > 0.0:
                expected[s, k] = np.average(x[k, finite], weights=w[finite])
    assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


# --- rescaling ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rescaling_applies_the_numbers_of_the_row_s_own_segment(regime, ordered, dtype):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets).astype(dtype)
    order = None if ordered else rng.permutation(offsets[-1])
    center, factor = rng.normal(size=(2, len(offsets) - 1, 3))
    out = np.empty_like(values)
    rescale_segments(values, Segments(offsets, order), center, factor, None, out)
    lengths = np.diff(offsets)
    at = slice(None) if ordered else order
    expected = np.empty(values.shape)
    spread_center, spread_factor = (np.repeat(t.T, lengths, axis=1) for t in (center, factor))
    expected[:, at] = (values[:, at] - spread_center) * spread_factor
    assert out.dtype == dtype
    assert_allclose(out, expected, rtol=1e-14 if dtype is np.float64 else 1e-6)


@pytest.mark.parametrize("regime", ["short", "long"])
def test_limits_clip_each_column_to_its_own(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    tables = np.zeros((len(offsets) - 1, 3)), np.ones((len(offsets) - 1, 3))
    out = np.empty_like(values)
    limits = np.array([0.5, np.inf, 3.0])
    rescale_segments(values, Segments(offsets), *tables, limits, out)
    assert_array_equal(out, np.clip(values, -limits[:, None], limits[:, None]))


@law
@given(seed=st.integers(0, 2**32 - 1), n=st.sampled_from([5, 60, 400]))
def test_moments_of_standardized_values_are_zero_and_one(seed, n):
    rng = np.random.default_rng(seed)
    offsets = np.array([0, n, 2 * n])
    values = rng.normal(size=(2, 2 * n)) * 3.0 + 100.0
    segments = Segments(offsets)
    moments = segment_moments(values, segments)
    out = np.empty_like(values)
    factor = 1.0 / standard_deviation(moments, 0, EPS)
    rescale_segments(values, segments, moments.mean, factor, None, out)
    again = segment_moments(out, segments)
    assert_allclose(again.mean, 0.0, atol=1e-11)
    assert_allclose(again.sum_squares, n, rtol=1e-11)

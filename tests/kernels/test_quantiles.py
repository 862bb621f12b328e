"""Quantiles by segment against numpy.nanquantile, and clipping, in every regime."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import LAYOUTS, REGIMES, by_segment, random_offsets

from skfactor._kernels import segments as segments_module
from skfactor._kernels.quantiles import (
    clip_segments,
    segment_median,
    segment_order_statistics,
    segment_quantiles,
)
from skfactor._kernels.segments import Segments, one_segment

NAN = np.nan
LEVELS = [(0.01, "lower"), (0.3, "lower"), (0.5, "lower"), (0.9, "upper"), (1.0, "upper")]
law = settings(deadline=None, max_examples=30)


def random_values(rng, offsets, missing=0.2, n_columns=3, ties=False):
    """Heavy-tailed columns, the last one without a value in the first segment."""
    values = rng.standard_t(df=3, size=(n_columns, offsets[-1])) * 10.0
    if ties:
        values = values.round(-1)
    values[rng.random(values.shape) < missing] = NAN
    values[-1, offsets[0] : offsets[1]] = NAN
    return values


def order_statistic(finite, level, side):
    """The value with floor(share * n) values beyond it, counted exactly."""
    share = Fraction(str(level)) if side == "lower" else 1 - Fraction(str(level))
    beyond = min(int(share * len(finite)), len(finite) - 1)
    ordered = np.sort(finite)
    return ordered[beyond] if side == "lower" else ordered[len(finite) - 1 - beyond]


def assert_quantiles_are_right(found, values, offsets, levels=LEVELS):
    for table, (level, _) in zip(found, levels, strict=True):
        expected = by_segment(lambda x, q=level: np.quantile(x, q), values, offsets)
        assert_allclose(table, expected, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("missing", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("regime", REGIMES)
def test_linear_quantiles_equal_those_of_numpy(regime, missing, ties):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets, missing, ties=ties)
    found = segment_quantiles(values, Segments(offsets), LEVELS)
    assert_quantiles_are_right(found, values, offsets)


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("regime", REGIMES)
def test_order_statistics_leave_the_share_of_values_beyond_them(regime, missing):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets, missing)
    levels = [(0.0, "lower"), (0.07, "lower"), (0.29, "lower"), (0.9, "upper"), (0.43, "upper")]
    found = segment_quantiles(values, Segments(offsets), levels, "order_statistic")
    for table, (level, side) in zip(found, levels, strict=True):
        expected = by_segment(
            lambda x, level=level, side=side: order_statistic(x, level, side), values, offsets
        )
        assert_array_equal(table, expected)


@pytest.mark.parametrize("regime", REGIMES)
def test_quantiles_do_not_depend_on_the_order_of_rows(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    order = rng.permutation(offsets[-1])
    scattered = np.empty_like(values)
    scattered[:, order] = values
    found = segment_quantiles(scattered, Segments(offsets, order), LEVELS)
    for table, expected in zip(
        found, segment_quantiles(values, Segments(offsets), LEVELS), strict=True
    ):
        assert_array_equal(table, expected)


@pytest.mark.parametrize("regime", ["short", "long", "mixed"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_memory_layout_does_not_matter_and_values_are_kept(regime, layout):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    given_values = layout(values)
    given_values.flags.writeable = False
    assert_quantiles_are_right(
        segment_quantiles(given_values, Segments(offsets), LEVELS), values, offsets
    )
    assert_array_equal(given_values, values)


@pytest.mark.parametrize("regime", REGIMES)
def test_float32_quantiles_are_interpolated_in_float64(regime):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets).astype(np.float32)
    found = segment_quantiles(values, Segments(offsets), LEVELS)
    assert_quantiles_are_right(found, values.astype(np.float64), offsets)


@pytest.mark.parametrize("regime", ["short", "long", "mixed"])
def test_blocks_of_a_few_values_give_the_same_quantiles(regime, monkeypatch):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets)
    monkeypatch.setattr(segments_module, "CHUNK", 90)
    found = segment_quantiles(values, Segments(offsets), LEVELS)
    assert_quantiles_are_right(found, values, offsets)


@law
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    level=st.floats(0.0, 1.0),
    missing=st.sampled_from([0.0, 0.3]),
)
def test_any_level_of_any_number_of_values(seed, n, level, missing):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, n))
    values[rng.random(values.shape) < missing] = NAN
    (found,) = segment_quantiles(values, one_segment(n), [(level, "lower")])
    expected = by_segment(lambda x: np.quantile(x, level), values, np.array([0, n]))
    assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("regime", REGIMES)
def test_order_statistics_by_rank_equal_those_of_sorted_values(regime, missing):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets, missing, ties=True)
    ranks = (0, 2, 7, -1, -3, -8)

    def ranked(finite, rank):
        ordered = np.sort(finite)
        return ordered[rank] if -len(ordered) <= rank < len(ordered) else NAN

    found = segment_order_statistics(values, Segments(offsets), ranks)
    for table, rank in zip(found, ranks, strict=True):
        expected = by_segment(lambda x, rank=rank: ranked(x, rank), values, offsets)
        assert_array_equal(table, expected)


@pytest.mark.parametrize("n", [36, 101, 301, 1001, 5001])
def test_a_quantile_that_falls_on_a_value_is_that_value(n):
    values = np.random.default_rng(n).normal(size=n)
    for percent in range(1, 100):
        place = Fraction(percent, 100) * (n - 1)
        if place.denominator == 1:
            # The level as users and numpy.linspace write it, a rounding apart.
            for level in (percent / 100, np.linspace(0, 1, 101)[percent]):
                (found,) = segment_quantiles(values[None], one_segment(n), [(level, "lower")])
                assert found == np.sort(values)[int(place)]


def test_no_levels_give_no_quantiles():
    assert segment_quantiles(np.zeros((2, 5)), one_segment(5), []) == []


def test_a_column_without_values_is_missing_and_silent():
    found = segment_quantiles(np.full((1, 2_000), NAN), one_segment(2_000), [(0.01, "lower")])
    assert_array_equal(found, [[[NAN]]])


# --- long lines: only their tails are sorted ----------------------------------------------------

TAILS = [(0.01, "lower"), (0.05, "lower"), (0.975, "upper")]


def _tricky(kind, n, rng):
    """Long columns whose regular sample says little about them."""
    values = rng.normal(size=n)
    if kind == "sample without the tails":  # every third, fourth, ... value is in the middle
        values *= 100.0
        values[:: n // 256] = 0.5
    elif kind == "sample of nothing but tails":
        values[:: n // 256] = rng.choice([-1e3, 1e3], size=len(values[:: n // 256]))
    elif kind == "sorted":
        values.sort()
    elif kind == "two values":
        values = np.sign(values)
    elif kind == "constant":
        values[:] = 3.0
    elif kind == "sample missing":
        values[:: max(n // 800, 2)] = NAN
    elif kind == "almost all missing":
        values[rng.permutation(n)[3:]] = NAN
    return values


@pytest.mark.parametrize(
    "kind",
    [
        *("normal", "sample without the tails", "sample of nothing but tails", "sorted"),
        *("two values", "constant", "sample missing", "almost all missing"),
    ],
)
@pytest.mark.parametrize("n", [1_000, 1_600, 4_321])
def test_tails_of_long_columns_equal_those_of_numpy(kind, n):
    rng = np.random.default_rng(0)
    values = np.array([_tricky(kind, n, rng), rng.standard_cauchy(size=n)])
    for interpolation in ("linear", "order_statistic"):
        found = segment_quantiles(values, one_segment(n), TAILS, interpolation)
        for table, (level, side) in zip(found, TAILS, strict=True):
            for k, column in enumerate(values):
                finite = column[np.isfinite(column)]
                expected = (
                    np.quantile(finite, level)
                    if interpolation == "linear"
                    else order_statistic(finite, level, side)
                )
                assert_allclose(table[0, k], expected, rtol=1e-14)


# --- medians ------------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_median_and_median_absolute_deviation(regime, dtype):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = random_values(rng, offsets).astype(dtype)
    segments = Segments(offsets)
    median = segment_median(values, segments)
    assert_allclose(median, by_segment(np.median, values, offsets), rtol=1e-14, atol=1e-14)
    deviation = segment_median(values, segments, deviations_from=median)
    expected = by_segment(lambda x: np.median(np.abs(x - np.median(x))), values, offsets)
    atol = 64.0 * np.finfo(dtype).eps  # a deviation is rounded in units of its value
    assert_allclose(deviation, expected, rtol=1e-5 if dtype is np.float32 else 1e-14, atol=atol)


def test_deviations_from_a_table_use_the_segment_s_own_entry():
    values = np.array([[1.0, 2.0, 4.0, 10.0, 20.0, 40.0]])
    table = np.array([[0.0], [100.0]])
    found = segment_median(values, Segments(np.array([0, 3, 6])), deviations_from=table)
    assert_array_equal(found, [[2.0], [80.0]])


# --- clipping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_values_are_clipped_to_the_bounds_of_their_own_segment(regime, ordered, layout):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = layout(random_values(rng, offsets))
    before = values.copy()
    order = None if ordered else rng.permutation(offsets[-1])
    lower, upper = np.sort(rng.normal(size=(2, len(offsets) - 1, 3)) * 5.0, axis=0)
    lower[0], upper[-1] = -np.inf, np.inf
    out = layout(np.empty_like(values))
    clip_segments(values, Segments(offsets, order), lower, upper, out)
    at = slice(None) if ordered else order
    low, high = (np.repeat(table.T, np.diff(offsets), axis=1) for table in (lower, upper))
    expected = before.copy()
    expected[:, at] = np.clip(before[:, at], low, high)
    assert_array_equal(out, expected)
    assert_array_equal(values, before)


def test_float32_values_are_clipped_to_bounds_of_their_own_type():
    values = np.array([[0.0, 1.0]], dtype=np.float32)
    out = np.empty_like(values)
    bound = np.array([[0.1]])
    clip_segments(values, one_segment(2), bound, bound, out)
    assert_array_equal(out, np.full((1, 2), np.float32(0.1)))

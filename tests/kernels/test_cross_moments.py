"""Cross-moments by segment and by masked series, against plain NumPy in long double."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import LAYOUTS

from skfactor._kernels import cross_moments as module
from skfactor._kernels.cross_moments import (
    complete_rows,
    masked_cross_moments,
    segment_cross_moments,
)

NAN = np.nan


@pytest.fixture(params=["sums", "products"])
def regime(request, monkeypatch):
    """Either way of computing, whatever the size of the data."""
    monkeypatch.setattr(module, "_BLAS_FROM", 10**12 if request.param == "sums" else 0)
    return request.param


def draw(rng, offsets, k=3, missing=0.15):
    values = rng.normal(size=(k, offsets[-1])) * 10.0 ** np.arange(k)[:, None] + 4.0
    target = rng.normal(size=offsets[-1]) - 2.0
    values[rng.random(values.shape) < missing / k] = NAN
    target[rng.random(len(target)) < missing / k] = NAN
    return values, target


def loop(values, target, offsets, weights=None):
    """Rows, weight, means and products of each segment, one after the other."""
    data = np.vstack([values, target]).astype(np.longdouble)
    weights = np.ones(offsets[-1]) if weights is None else weights
    p, n_segments = len(data), len(offsets) - 1
    n_rows, weight = np.zeros(n_segments, dtype=int), np.zeros(n_segments)
    mean, products = np.full((p, n_segments), NAN), np.zeros((p, p, n_segments))
    for s, (start, stop) in enumerate(pairwise(offsets)):
        x, w = data[:, start:stop], weights[start:stop]
        complete = np.isfinite(x).all(axis=0) & (w > 0)
        x, w = x[:, complete], w[complete].astype(np.longdouble)
        n_rows[s], weight[s] = len(w), w.sum()
        if len(w):
            center = (x @ w) / w.sum()
            deviation = x - center[:, None]
            mean[:, s], products[:, :, s] = center, (deviation * w) @ deviation.T
    return n_rows, weight, mean, products


def assert_moments_are_right(found, expected, rtol=1e-9):
    n_rows, weight, mean, products = expected
    assert_array_equal(found.n_rows, n_rows)
    assert_allclose(found.weight, weight, rtol=1e-12)
    there = n_rows > 0
    assert_allclose(found.mean[:, there], mean[:, there], rtol=1e-11, atol=1e-12)
    # A product is accurate relative to the spread of its two variables, as far as the rounding
    # of their values lets a spread be seen.
    spread = np.einsum("iis->is", products) + 1e-22 * weight * np.nan_to_num(mean) ** 2
    size = np.sqrt(np.where(spread > 0.0, spread, 1.0))
    difference = (found.products - products) / size / size[:, None]
    assert_allclose(difference, 0.0, rtol=0, atol=rtol)


def offsets_of(rng, kind):
    lengths = {
        "short": rng.integers(1, 30, size=50),
        "long": rng.integers(300, 900, size=4),
        "one row": np.ones(20, dtype=int),
    }[kind]
    return np.concatenate([[0], np.cumsum(lengths)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.2, 0.95])
@pytest.mark.parametrize("kind", ["short", "long", "one row"])
def test_moments_equal_those_of_a_loop(regime, kind, missing, weighted):
    rng = np.random.default_rng(0)
    offsets = offsets_of(rng, kind)
    values, target = draw(rng, offsets, missing=missing)
    weights = rng.random(offsets[-1]) if weighted else None
    if weighted:
        weights[rng.random(offsets[-1]) < 0.2] = 0.0
    found = segment_cross_moments(values, target, offsets, weights)
    assert_moments_are_right(found, loop(values, target, offsets, weights))


@pytest.mark.parametrize("k", [1, 2, 7])
def test_any_number_of_regressors(regime, k):
    rng = np.random.default_rng(0)
    offsets = offsets_of(rng, "short")
    values, target = draw(rng, offsets, k)
    found = segment_cross_moments(values, target, offsets)
    assert_moments_are_right(found, loop(values, target, offsets))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_memory_layout_does_not_matter_and_data_are_kept(regime, layout):
    rng = np.random.default_rng(0)
    offsets = offsets_of(rng, "short")
    values, target = draw(rng, offsets)
    weights = rng.random(offsets[-1])
    given_values, given_target = layout(values), target.copy()
    for array in (given_values, given_target, weights):
        array.flags.writeable = False
    found = segment_cross_moments(given_values, given_target, offsets, weights)
    assert_moments_are_right(found, loop(values, target, offsets, weights))
    assert_array_equal(given_values, values)
    assert_array_equal(given_target, target)


@pytest.mark.parametrize("types", [(np.float32, np.float32), (np.float32, np.float64)])
def test_float32_data_are_accumulated_in_float64(regime, types):
    rng = np.random.default_rng(0)
    offsets = offsets_of(rng, "long")
    values, target = draw(rng, offsets)
    values, target = (values + 1e3).astype(types[0]), target.astype(types[1])
    found = segment_cross_moments(values, target, offsets)
    assert found.products.dtype == np.float64
    assert_moments_are_right(found, loop(values, target, offsets))


@pytest.mark.parametrize("kind", ["short", "long"])
def test_blocks_of_a_few_values_give_the_same_moments(kind, monkeypatch):
    monkeypatch.setattr(module, "_BLAS_FROM", 10**12)
    monkeypatch.setattr(module, "_RUN", 120)
    rng = np.random.default_rng(0)
    offsets = offsets_of(rng, kind)
    values, target = draw(rng, offsets)
    weights = rng.random(offsets[-1])
    found = segment_cross_moments(values, target, offsets, weights)
    assert_moments_are_right(found, loop(values, target, offsets, weights))


def test_both_regimes_are_chosen_by_size():
    rng = np.random.default_rng(0)
    offsets = np.array([0, 2_000, 4_000])
    values, target = draw(rng, offsets)
    assert offsets[-1] * 9 > module._BLAS_FROM * 2
    found = segment_cross_moments(values, target, offsets)
    assert_moments_are_right(found, loop(values, target, offsets))


@pytest.mark.parametrize("shift", [1e6, 1e8, -1e11])
def test_means_far_above_the_spread_cost_no_digits(regime, shift):
    rng = np.random.default_rng(0)
    offsets = offsets_of(rng, "short")
    # Multiples of 1/8 are exact at this size: the deviations from the mean stay what they were.
    small = rng.integers(-50, 50, size=(4, offsets[-1])) / 8
    found = segment_cross_moments(small[:3] + shift, small[3], offsets)
    n_rows, weight, mean, products = loop(small[:3], small[3], offsets)
    mean[:3] += shift
    assert_moments_are_right(found, (n_rows, weight, mean, products), rtol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_an_incomplete_row_is_left_out_of_every_moment(regime, weighted):
    values = np.array([[1.0, NAN, 3.0, 5.0], [2.0, 2.0, 2.5, 7.0]])
    target = np.array([1.0, 1.0, NAN, 3.0])
    weights = np.array([2.0, 1.0, 1.0, 2.0]) if weighted else None
    found = segment_cross_moments(values, target, np.array([0, 4]), weights)
    factor = 2.0 if weighted else 1.0
    assert found.n_rows == 2
    assert found.weight == 2 * factor
    assert_allclose(found.mean[:, 0], [3.0, 4.5, 2.0])
    deviation = np.array([2.0, 2.5, 1.0])
    assert_allclose(found.products[:, :, 0], 2 * factor * np.outer(deviation, deviation))


def test_a_missing_weightless_row_does_not_spoil_its_segment(regime):
    values, target = np.array([[1.0, NAN, 3.0]]), np.array([1.0, 2.0, 2.0])
    found = segment_cross_moments(values, target, np.array([0, 3]), np.array([1.0, 0.0, 1.0]))
    assert found.n_rows == 2
    assert_allclose(found.products[:, :, 0], [[2.0, 1.0], [1.0, 0.5]])


def test_a_segment_without_complete_rows_is_empty_and_silent(regime):
    values, target = np.full((2, 5), NAN), np.arange(5.0)
    values[:, 3:] = [[1.0, 2.0], [4.0, 3.0]]
    found = segment_cross_moments(values, target, np.array([0, 3, 5]))
    assert_array_equal(found.n_rows, [0, 2])
    assert_array_equal(found.products[:, :, 0], np.zeros((3, 3)))


def test_complete_rows_are_a_copy_in_float64():
    x = np.array([[1, NAN, 3, 4], [1, 2, 3, 4]], dtype=np.float32)
    y, w = np.array([1.0, 2.0, NAN, 4.0]), np.array([1.0, 1.0, 1.0, 0.5])
    rows = complete_rows(x, y, w)
    assert [array.dtype for array in rows] == [np.float64] * 3
    assert_array_equal(rows[0], [[1, 4], [1, 4]])
    assert_array_equal(rows[1], [1, 4])
    assert_array_equal(rows[2], [1, 0.5])
    rows[0][...] = 0.0
    assert x[0, 0] == 1.0


def test_complete_rows_leave_out_weights_of_zero():
    x, y = np.arange(3.0)[None], np.arange(3.0)
    assert_array_equal(complete_rows(x, y, np.array([1.0, 0.0, 1.0]))[1], [0.0, 2.0])
    assert complete_rows(x, y, None)[2] is None


# --- masked series ------------------------------------------------------------------------------


def masked_loop(common, targets):
    n_periods, n_series = common.shape[1], len(targets)
    values, target = np.tile(common, n_series), targets.ravel()
    return loop(values, target, np.arange(n_series + 1) * n_periods)


@pytest.mark.parametrize("n_series", [1, 95, 96, 97, 300])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_masked_moments_equal_those_of_a_loop(n_series, missing):
    rng = np.random.default_rng(0)
    common = rng.normal(size=(3, 60)) + np.array([[0.0], [5.0], [-2.0]])
    targets = rng.normal(size=(n_series, 60)) + 1.0
    targets[rng.random(targets.shape) < missing] = NAN
    found = masked_cross_moments(common, targets)
    assert_moments_are_right(found, masked_loop(common, targets))


@pytest.mark.parametrize("weighted", [False, True])
def test_many_regressors_are_multiplied_series_by_series(monkeypatch, weighted):
    rng = np.random.default_rng(0)
    common, targets = rng.normal(size=(4, 60)) + 3.0, rng.normal(size=(7, 60)) + 1.0
    targets[rng.random(targets.shape) < 0.3] = NAN
    targets[0] = NAN
    weights = rng.uniform(1.0, 2.0, size=60) if weighted else None
    together = masked_cross_moments(common, targets, weights)
    monkeypatch.setattr(module, "_MOST_TERMS", 0)
    monkeypatch.setattr(module, "_APART_FROM", 1)
    found = masked_cross_moments(common, targets, weights)
    assert found.products.strides[-1] == max(found.products.strides)
    expected = together.n_rows, together.weight, together.mean, together.products
    assert_moments_are_right(found, expected)


def test_series_that_enter_and_leave_have_their_own_means():
    common = np.arange(6.0)[None]
    targets = np.array([[1.0, 2.0, 3.0, NAN, NAN, NAN], [NAN, NAN, NAN, 1.0, 5.0, 9.0]])
    found = masked_cross_moments(common, targets)
    assert_array_equal(found.n_rows, [3, 3])
    assert_allclose(found.mean, [[1.0, 4.0], [2.0, 5.0]])
    assert_allclose(found.products[0, 1], [2.0, 8.0])


@pytest.mark.parametrize("shift", [1e6, 1e8])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_masked_moments_keep_their_digits_under_large_means(shift, missing):
    rng = np.random.default_rng(0)
    common, targets = (rng.integers(-50, 50, size=(n, 80)) / 8 for n in (2, 7))
    targets[rng.random(targets.shape) < missing] = NAN
    found = masked_cross_moments(common + shift, targets + shift)
    n_rows, weight, mean, products = masked_loop(common, targets)
    assert_moments_are_right(found, (n_rows, weight, mean + shift, products), rtol=1e-8)


def test_a_series_in_a_short_window_far_from_the_common_mean_keeps_its_digits():
    common = np.concatenate([np.zeros(500), 1e7 + np.arange(12.0) ** 2])[None]
    targets = np.full((1, 512), NAN)
    targets[0, 500:] = np.random.default_rng(0).normal(size=12)
    assert_moments_are_right(
        masked_cross_moments(common, targets), masked_loop(common, targets), rtol=1e-8
    )


def test_an_empty_series_is_empty_and_silent():
    targets = np.array([[NAN] * 10, list(range(10))])
    found = masked_cross_moments(np.random.default_rng(0).normal(size=(2, 10)), targets)
    assert_array_equal(found.n_rows, [0, 10])
    assert_array_equal(found.products[:, :, 0], np.zeros((3, 3)))


def test_masked_data_are_kept():
    common, targets = np.ones((1, 5)), np.array([[1.0, NAN, 2.0, 3.0, 4.0]])
    for array in (common, targets):
        array.flags.writeable = False
    masked_cross_moments(common, targets)
    assert np.isnan(targets[0, 1])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n_series", "n_dates"), [(7, 250), (250, 30)])
def test_masked_sums_do_not_depend_on_the_memory_order(n_series, n_dates, weighted, order):
    # More lines than a block in one of the orders, and a stretch without anything missing.
    rng = np.random.default_rng(4)
    common, targets = rng.normal(size=(3, n_dates)), rng.normal(size=(n_series, n_dates))
    targets[2:4][rng.random((2, n_dates)) < 0.3] = np.nan
    weights = rng.random(n_dates) + 0.5 if weighted else None
    found = masked_cross_moments(common, np.asarray(targets, order=order), weights)
    for s, target in enumerate(targets):
        here = np.isfinite(target)
        data = np.vstack([common, target])[:, here]
        w = np.ones(here.sum()) if weights is None else weights[here]
        mean = np.average(data, axis=1, weights=w)
        centred = data - mean[:, None]
        assert found.n_rows[s] == here.sum()
        assert_allclose(found.weight[s], w.sum(), rtol=1e-14)
        assert_allclose(found.mean[:, s], mean, atol=1e-14)
        assert_allclose(found.products[:, :, s], centred * w @ centred.T, atol=1e-11)

"""Labels by breakpoints, means of cells and drifting weights against loops, in every regime."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import LAYOUTS, REGIMES, random_offsets

from skfactor._kernels import portfolios as module
from skfactor._kernels import segments as segments_module
from skfactor._kernels.portfolios import assign_labels, cell_means, drifted_weights
from skfactor._kernels.segments import Segments

NAN = np.nan


def random_sort(regime, n_breakpoints=3, dtype=float):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = rng.normal(size=offsets[-1]).round(1).astype(dtype)
    values[rng.random(len(values)) < 0.1] = NAN
    breakpoints = np.sort(rng.normal(size=(len(offsets) - 1, n_breakpoints)).round(1), axis=1)
    breakpoints[rng.random(len(breakpoints)) < 0.2] = NAN
    return values, offsets, breakpoints


def labels_in_a_loop(values, offsets, breakpoints, closed):
    side = "left" if closed == "right" else "right"
    expected = np.empty(len(values))
    for points, (start, stop) in zip(breakpoints, pairwise(offsets), strict=True):
        expected[start:stop] = 1 + np.searchsorted(points, values[start:stop], side=side)
        if np.isnan(points).any():
            expected[start:stop] = NAN
    return np.where(np.isnan(values), NAN, expected)


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("regime", REGIMES)
def test_labels_equal_those_of_searchsorted(regime, closed):
    values, offsets, breakpoints = random_sort(regime)
    out = np.empty(len(values))
    assign_labels(values, Segments(offsets), breakpoints, out, closed=closed)
    assert_array_equal(out, labels_in_a_loop(values, offsets, breakpoints, closed))


@pytest.mark.parametrize("n_breakpoints", [0, 1, 254, 255, 400])
def test_any_number_of_breakpoints(n_breakpoints):
    values, offsets, breakpoints = random_sort("mixed", n_breakpoints)
    out = np.empty(len(values))
    assign_labels(values * 100.0, Segments(offsets), breakpoints, out)
    assert_array_equal(out, labels_in_a_loop(values * 100.0, offsets, breakpoints, "right"))


@pytest.mark.parametrize("regime", ["short", "long", "mixed"])
def test_labels_do_not_depend_on_order_layout_or_blocks(regime, monkeypatch):
    values, offsets, breakpoints = random_sort(regime)
    expected = labels_in_a_loop(values, offsets, breakpoints, "right")
    order = np.random.default_rng(1).permutation(len(values))
    scattered, out = np.empty_like(values), np.empty_like(values)
    scattered[order] = values
    monkeypatch.setattr(segments_module, "CHUNK", 90)
    for layout in LAYOUTS.values():
        assign_labels(layout(scattered[None])[0], Segments(offsets, order), breakpoints, out)
        assert_array_equal(out[order], expected)


def test_single_precision_values_meet_breakpoints_in_double_precision():
    value = np.float32(0.1)  # 1.5e-9 above 0.1
    out = np.empty(1, dtype=np.float32)
    assign_labels(np.array([value]), Segments(np.array([0, 1])), np.array([[0.1]]), out)
    assert out == 2.0


@pytest.mark.parametrize("block", [7, 2**15])
def test_means_of_cells_equal_numpy_average(block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 4, 500).astype(np.int8), rng.integers(-1, 5, 500)
    values, weights = rng.normal(size=500), rng.lognormal(size=500)
    values[::7], weights[::5] = NAN, NAN
    for given in (None, weights):
        shares = np.ones(500) if given is None else given
        kept = np.isfinite(values) & np.isfinite(shares)
        inside = [[kept & (rows == i) & (columns == j) for j in range(5)] for i in range(4)]
        means, weightless = cell_means(values, rows, columns, (4, 6), given)
        expected = [[np.average(values[c], weights=shares[c]) for c in line] for line in inside]
        assert_allclose(means[:, :5], expected, rtol=1e-12)
        assert np.isnan(means[:, 5]).all()
        assert not weightless.any()


def test_cells_whose_weights_sum_to_zero_are_told_from_empty_ones():
    columns, values = np.array([0, 0, 1, 2, 3]), np.array([1.0, 2.0, 3.0, NAN, 4.0])
    weights = np.array([0.0, 0.0, 0.0, 1.0, NAN])
    means, weightless = cell_means(values, np.zeros(5, dtype=int), columns, (1, 5), weights)
    assert_array_equal(means, [[NAN] * 5])
    assert_array_equal(weightless, [[True, True, False, True, False]])


@pytest.mark.parametrize("shuffled", [False, True])
def test_weights_grow_with_returns_until_the_next_reset(shuffled):
    # Asset 1 has no return on the second date, asset 2 no row on the third.
    dates = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4])
    assets = np.array([0, 1, 2, 0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 2])
    returns = np.array([0.1, 0.2, 0.5, -0.5, NAN, 0, 1, 1, 0, 0, 0, 0, 0, 0.0])
    weights = np.arange(1.0, 15.0)
    expected = [1, 2, 3, 1.1, 2.4, 4.5, 0.55, NAN, 1.1, NAN, NAN, 12, 13, 14]
    reset = np.array([True, False, False, False, True])
    order = np.random.default_rng(0).permutation(14) if shuffled else np.arange(14)
    scattered = np.argsort(order)
    segments = Segments(np.array([0, 3, 6, 8, 11, 14]), scattered if shuffled else None)
    found = drifted_weights(weights[order], returns[order], segments, assets[order], reset)
    assert_allclose(found, np.array(expected)[order], rtol=1e-14)
    assert_array_equal(dates[order][segments.take(np.arange(14.0)).astype(int)], dates)


def test_nobody_has_a_weight_before_the_first_reset():
    segments = Segments(np.array([0, 1, 2]))
    found = drifted_weights(
        np.ones(2), np.zeros(2), segments, np.zeros(2, dtype=int), np.array([False, True])
    )
    assert_array_equal(found, [NAN, 1.0])

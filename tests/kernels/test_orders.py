"""The order of lines against NumPy's own sort, for values that suit the buckets and that do not."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from skfactor._kernels import orders as module
from skfactor._kernels.orders import sort_lines

law = settings(deadline=None, max_examples=30)
LARGEST = np.finfo(float).max


def check(lines, held=None):
    """Places are those of the values they come with, each once, and the values ascend."""
    before = lines.copy()
    place, ordered = sort_lines(lines, held)
    n_lines, n = lines.shape
    assert_array_equal(lines, before)
    assert_array_equal(ordered, np.sort(before, axis=1))
    assert_array_equal(lines.reshape(-1)[place].reshape(n_lines, n), ordered)
    assert_array_equal(
        np.sort(place.reshape(n_lines, n), axis=1).reshape(-1), np.arange(place.size)
    )


@pytest.mark.parametrize("n", [1, 2, 99, 100, 101, 5_000, 20_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "draw", ["normal", "standard_cauchy", "rounded", "constant", "one outlier"]
)
def test_lines_are_ordered(n, dtype, draw):
    rng = np.random.default_rng(0)
    lines = {
        "normal": lambda: rng.normal(1e6, 1.0, size=(3, n)),
        "standard_cauchy": lambda: rng.standard_cauchy(size=(3, n)),
        "rounded": lambda: rng.normal(size=(3, n)).round(1),
        "constant": lambda: np.full((3, n), 0.1),
        "one outlier": lambda: np.concatenate(
            [rng.normal(size=(3, n - 1)), np.full((3, 1), 1e30)], 1
        ),
    }[draw]()
    check(lines.astype(dtype))


@pytest.mark.parametrize("n", [7, 3_000, 30_000])
def test_what_fills_up_a_line_comes_last(n):
    rng = np.random.default_rng(0)
    lines = rng.normal(size=(4, n))
    held = rng.random((4, n)) < np.array([1.0, 0.9, 0.1, 0.0])[:, None]
    lines[~held] = np.inf
    check(lines, held)


hard = st.one_of(
    st.sampled_from([0.0, -0.0, LARGEST, -LARGEST, 5e-324, -5e-324, 1e-310, 1.0]),
    st.sampled_from(np.nextafter(1.0, 2.0) + np.arange(5) * np.finfo(float).eps),
    st.floats(allow_infinity=False, allow_nan=False),
)


@law
@given(lines=arrays(float, st.tuples(st.integers(1, 3), st.integers(100, 130)), elements=hard))
def test_any_finite_values_are_ordered(lines):
    check(lines)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("n", [300, 3_000, 12_000])
def test_a_cluster_within_one_bucket_costs_no_more_than_other_values(share, n):
    rng = np.random.default_rng(0)
    lines = rng.normal(size=(2, n))
    lines[0, rng.random(n) < share] *= 1e-8
    check(lines)
    tracemalloc.start()
    sort_lines(lines, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * lines.nbytes


def test_what_swaps_leave_out_of_order_is_sorted(monkeypatch):
    monkeypatch.setattr(module, "_MOST_SWAPS", 1)
    check(np.random.default_rng(0).standard_cauchy((3, 2_000)))

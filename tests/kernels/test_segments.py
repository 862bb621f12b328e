"""Segments: rows in runs, and functions of blocks of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference import LAYOUTS, REGIMES, random_offsets

from skfactor._kernels import segments as module
from skfactor._kernels.segments import (
    LONG_SEGMENT,
    Segments,
    are_long,
    chunks,
    map_segments,
    one_segment,
    reduce_segments,
    segments_from_codes,
    spread,
)

codes_of_rows = st.lists(st.integers(-3, 12), min_size=1, max_size=60).map(np.array)
law = settings(deadline=None, max_examples=30)


@pytest.fixture(params=[7, 100, None], ids=lambda size: f"chunk {size}")
def chunk_size(request, monkeypatch):
    """A few values at once, so that small data come in many blocks."""
    if request.param is not None:
        monkeypatch.setattr(module, "CHUNK", request.param)
    return module.CHUNK


@law
@given(codes=codes_of_rows)
def test_rows_of_equal_codes_are_together_in_their_old_order(codes):
    segments, found = segments_from_codes(codes)
    assert_array_equal(found, np.unique(codes))
    order = np.arange(len(codes)) if segments.order is None else segments.order
    expected = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    assert_array_equal(order, np.concatenate(expected))
    assert_array_equal(segments.lengths, [len(rows) for rows in expected])
    assert len(segments) == len(expected)


def test_rows_already_in_runs_are_not_reordered():
    segments, codes = segments_from_codes(np.array([1, 1, 4, 7, 7, 7]))
    assert segments.order is None
    assert_array_equal(segments.offsets, [0, 2, 3, 6])
    assert_array_equal(codes, [1, 4, 7])
    values = np.arange(6.0)
    assert segments.take(values) is values


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64])
def test_codes_of_any_integer_type(dtype):
    segments, codes = segments_from_codes(np.array([5, 0, 5, 2], dtype=dtype))
    assert_array_equal(segments.order, [1, 3, 0, 2])
    assert_array_equal(codes, [0, 2, 5])


def test_one_segment_holds_all_rows():
    segments = one_segment(5)
    assert_array_equal(segments.offsets, [0, 5])
    assert len(segments) == 1
    assert_array_equal(segments.lengths, [5])


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_take_gives_rows_in_the_order_of_the_segments(layout, dtype):
    values = layout(np.random.default_rng(0).normal(size=(3, 20)).astype(dtype))
    order = np.random.default_rng(1).permutation(20)
    segments = Segments(np.array([0, 8, 20]), order)
    assert segments.take(values).dtype == dtype
    assert_array_equal(segments.take(values), values[:, order])
    assert_array_equal(segments.take(values[0]), values[0, order])


@law
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40), n_columns=st.integers(1, 9))
def test_chunks_cover_each_segment_once_and_hold_no_more_than_fits(lengths, n_columns):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", 50)
        found = list(chunks(offsets, n_columns))
    covered = [s for which in found for s in range(which.start, which.stop)]
    assert covered == list(range(len(lengths)))
    for which in found:
        n_values = (offsets[which.stop] - offsets[which.start]) * n_columns
        assert n_values <= 50 or which.stop - which.start == 1


def test_chunks_of_more_columns_than_fit_are_single_segments():
    n_columns = module.CHUNK + 1
    assert list(chunks(np.array([0, 2, 3]), n_columns)) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("ordered", [True, False])
def test_reduce_sees_each_segment_whole_and_once(regime, ordered, chunk_size):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = rng.integers(0, 100, size=(3, offsets[-1])).astype(float)
    order = None if ordered else rng.permutation(offsets[-1])
    sums = np.zeros((len(offsets) - 1, 3))

    def add(block, block_offsets, columns, which):
        assert block_offsets[0] == 0
        assert block_offsets[-1] == block.shape[1]
        sums[which, columns] += np.add.reduceat(block, block_offsets[:-1], axis=1).T

    reduce_segments(add, values, Segments(offsets, order))
    expected = np.add.reduceat(values if ordered else values[:, order], offsets[:-1], axis=1).T
    assert_array_equal(sums, expected)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_map_writes_each_value_to_its_own_place(regime, ordered, layout, chunk_size):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = layout(rng.normal(size=(3, offsets[-1])))
    before = values.copy()
    order = None if ordered else rng.permutation(offsets[-1])
    numbers = np.arange(len(offsets) - 1.0)[:, None] + np.array([0.0, 1e3, 2e3])
    out = layout(np.full_like(values, np.nan))

    def add_numbers(block, block_offsets, columns, which, target):
        target[...] = block + spread(numbers[which, columns], block_offsets)

    map_segments(add_numbers, values, Segments(offsets, order), out)
    added = np.repeat(numbers.T, np.diff(offsets), axis=1)
    expected = before.copy()
    expected[:, slice(None) if ordered else order] += added
    assert_array_equal(out, expected)
    assert_array_equal(values, before)


def test_segments_of_very_many_values_come_column_by_column(monkeypatch):
    monkeypatch.setattr(module, "_LARGE", 30)
    seen = []
    values = np.zeros((3, 20))

    def note(block, offsets, columns, which):
        seen.append((block.shape, columns))

    reduce_segments(note, values, one_segment(20))
    assert seen == [((1, 20), slice(k, k + 1)) for k in range(3)]


def test_spread_repeats_a_row_of_the_table_over_its_segment():
    table = np.array([[1.0, 10.0], [2.0, 20.0]])
    assert_array_equal(spread(table, np.array([0, 1, 3])), [[1, 2, 2], [10, 20, 20]])


def test_spread_of_one_segment_broadcasts():
    values = np.zeros((2, 4)) + spread(np.array([[1.0, 10.0]]), np.array([0, 4]))
    assert_array_equal(values, [[1.0] * 4, [10.0] * 4])


@pytest.mark.parametrize(("length", "long"), [(LONG_SEGMENT - 1, False), (LONG_SEGMENT, True)])
def test_segments_are_long_by_their_average_length(length, long):
    assert are_long(np.array([0, 1, 2 * length])) is long

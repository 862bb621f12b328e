"""Order statistics of tails against a sort of everything."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skfactor._kernels import tails as module
from skfactor._kernels.tails import tail_statistics

OFFSETS = np.array([0, 1_000, 3_500, 6_000, 7_234])
NAN = np.nan


def ranks_of(count, shares=(0.0, 0.01, 0.1)):
    """The ranks at shares from either end."""
    low = [(count * share).astype(np.intp) for share in shares]
    return np.array([*low, *(np.maximum(count - 1 - rank, 0) for rank in low)])


def by_sorting(block, ranks):
    found = np.empty(ranks.shape, dtype=block.dtype)
    for s, (start, stop) in enumerate(pairwise(OFFSETS)):
        for k, column in enumerate(block):
            found[:, s, k] = np.sort(column[start:stop])[ranks[:, s, k]]
    return found


def counts(block):
    held = (~np.isnan(block)).astype(int)
    return np.add.reduceat(held, OFFSETS[:-1], axis=1).T


def columns(rng):
    """Columns that suit a sample and columns that do not."""
    n = OFFSETS[-1]
    drawn = np.sort(rng.normal(size=n))
    trended = np.linspace(-1.0, 1.0, n)
    ends = rng.normal(size=n)
    ends[OFFSETS[:-1, None] + np.arange(30)] = 50.0  # tails where the sample seldom looks
    return np.array(
        [
            rng.normal(size=n),
            rng.standard_cauchy(size=n) * 1e200,  # beyond single precision
            1e9 + rng.normal(size=n),
            rng.normal(size=n).round(1),
            (rng.random(n) < 0.5).astype(float),
            np.full(n, 0.1),
            drawn,
            trended,
            ends,
        ]
    )


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_statistics_are_those_of_a_sort(missing, dtype):
    rng = np.random.default_rng(0)
    block = columns(rng)[:, : OFFSETS[-1]]
    if dtype is np.float32:
        block = np.delete(block, 1, axis=0)
    block = block.astype(dtype)
    block[rng.random(block.shape) < missing] = NAN
    before = block.copy()
    count = counts(block)
    ranks = ranks_of(count)
    found = tail_statistics(block, OFFSETS, count, ranks)
    assert found.dtype == dtype
    assert_array_equal(found, by_sorting(before, ranks))
    assert_array_equal(block, before)


def test_a_view_of_some_rows_and_every_other_column_is_read_in_place():
    table = columns(np.random.default_rng(1))
    wide = np.concatenate([table[:, ::-1], table, table], axis=1)
    view = wide[::2, OFFSETS[-1] : 2 * OFFSETS[-1]]
    ranks = ranks_of(counts(view))
    assert_array_equal(
        tail_statistics(view, OFFSETS, counts(view), ranks), by_sorting(table[::2], ranks)
    )


def test_a_sample_that_misleads_is_noticed_and_its_column_sorted(monkeypatch):
    block = np.random.default_rng(0).normal(size=(5, OFFSETS[-1]))
    # Every value that is drawn of one column lies in the middle of it.
    for start, stop in pairwise(OFFSETS):
        block[3, start : stop : (stop - start) // 200] *= 1e-3
    count = counts(block)
    ranks = ranks_of(count)
    sorts = []
    whole = np.sort
    monkeypatch.setattr(module.np, "sort", lambda line: sorts.append(line) or whole(line))
    found = tail_statistics(block, OFFSETS, count, ranks)
    monkeypatch.undo()
    assert len(sorts) >= 4
    assert_array_equal(found, by_sorting(block, ranks))


def test_the_middle_and_short_segments_are_left_to_a_sort():
    block = np.random.default_rng(0).normal(size=(2, OFFSETS[-1]))
    count = counts(block)
    assert tail_statistics(block, OFFSETS, count, ranks_of(count, [0.4])) is None
    short = np.array([0, 900, OFFSETS[-1]])
    count = np.diff(short)[:, None].repeat(2, axis=1)
    assert tail_statistics(block, short, count, ranks_of(count)) is None


def test_a_segment_without_values_has_none():
    block = np.random.default_rng(0).normal(size=(2, OFFSETS[-1]))
    block[0, :1_000] = NAN
    count = counts(block)
    ranks = ranks_of(count)
    found = tail_statistics(block, OFFSETS, count, ranks)
    assert np.isnan(found[:, 0, 0]).all()
    assert_array_equal(found, by_sorting(block, ranks))


def test_constant_columns_alone_are_left_to_a_sort():
    block = np.full((2, OFFSETS[-1]), 3.0)
    assert tail_statistics(block, OFFSETS, counts(block), ranks_of(counts(block))) is None

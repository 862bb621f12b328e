"""Cells: rows of a date and group come together, and go back where they came from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skfactor._kernels.cells import cells_of_dates
from skfactor._kernels.segments import segments_from_codes

ORDERS = {"runs": np.sort, "shuffled": np.random.default_rng(2).permutation}
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
}


@pytest.mark.parametrize("n_groups", [None, 4, 30_000])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("arrange", ORDERS.values(), ids=ORDERS)
def test_each_cell_holds_the_rows_of_its_date_and_group(arrange, layout, n_groups):
    rng = np.random.default_rng(0)
    date = arrange(rng.integers(0, 7, size=200))
    group = None if n_groups is None else rng.integers(0, n_groups, size=200)
    labels = np.zeros(200, dtype=int) if group is None else group
    values = layout(np.vstack([date, labels, np.arange(200)]).astype(float))
    dates, _ = segments_from_codes(date)
    out = layout(np.zeros_like(values))
    seen = []
    for which in (slice(0, 1), slice(1, 5), slice(5, 7)):
        cells = cells_of_dates(dates, which, group, n_groups or 1)
        block = cells.take(values)
        for rows, d in zip(cells.cells.slices, cells.date_of_cell, strict=True):
            assert np.unique(block[:2, rows], axis=1).shape[1] == 1
            assert (block[0, rows] == which.start + d).all()
            seen.append(tuple(block[:2, rows.start]))
        for rows, d in zip(cells.dates.slices, range(which.start, which.stop), strict=True):
            assert (block[0, rows] == d).all()
            assert rows.stop - rows.start == (date == d).sum()
        cells.put(2.0 * block, out)
    assert len(seen) == len(set(seen)) == len(set(zip(date, labels, strict=True)))
    assert_array_equal(out, 2.0 * values)


def test_rows_that_lie_in_runs_are_not_copied():
    date = np.repeat([0, 1, 2], 5)
    group = np.tile([0, 0, 1, 1, 1], 3)
    values = np.arange(30.0).reshape(2, 15)
    dates, _ = segments_from_codes(date)
    cells = cells_of_dates(dates, slice(1, 3), group, 2)
    assert cells.in_place
    assert np.shares_memory(cells.take(values), values)
    assert_array_equal(cells.cells.lengths, [2, 3, 2, 3])
    assert_array_equal(cells.date_of_cell, [0, 0, 1, 1])

"""Rows of wanted cells, by a map and by a search, against a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skfactor._kernels.look_up import find_assets, find_rows


@pytest.mark.parametrize("n_cells", [60, 10**9])  # few enough for a map, and not
def test_rows_are_those_of_a_dictionary(n_cells):
    rng = np.random.default_rng(0)
    cells = rng.choice(min(n_cells, 10**5), 40, replace=False)
    wanted = np.concatenate([cells[::3], rng.integers(-5, 60, 100)])
    rows = {cell: row for row, cell in enumerate(cells.tolist())}
    expected = [rows.get(cell, -1) for cell in wanted.tolist()]
    assert_array_equal(find_rows(cells, wanted, n_cells), expected)


def test_the_same_asset_at_another_place():
    places, assets = np.array([2, 0, 1, 0, 3]), np.array([0, 1, 0, 0, 1])
    assert_array_equal(find_assets(places, places + 1, assets, 2), [-1, -1, 0, 2, -1])
    assert_array_equal(find_assets(places, places - 3, assets, 2), [-1, -1, -1, -1, 1])
    nothing = np.array([], dtype=np.int64)
    assert len(find_assets(nothing, nothing, nothing, 0)) == 0

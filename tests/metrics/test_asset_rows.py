"""Rows followed from date to date."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skfactor._kernels import look_up
from skfactor._panel import find_panel
from skfactor.metrics._asset_rows import asset_rows, check_lag


def rows_of(pairs, chosen=None):
    index = pd.MultiIndex.from_tuples(pairs, names=["date", "asset"])
    panel = find_panel(pd.Series(0.0, index=index), n_rows=len(pairs))
    return asset_rows(panel, np.arange(len(pairs)) if chosen is None else np.array(chosen), "it")


def test_rows_are_put_in_order_and_found_some_dates_before():
    rows = rows_of([(2, "b"), (1, "b"), (3, "a"), (1, "a"), (3, "b")])
    assert_array_equal(rows.rows, [3, 1, 0, 2, 4])
    later, before = rows.pairs(1)
    assert_array_equal(rows.rows[later], [0, 4])
    assert_array_equal(rows.rows[before], [1, 0])
    later, before = rows.pairs(2)
    assert_array_equal(rows.rows[later], [2, 4])
    assert_array_equal(rows.rows[before], [3, 1])


def test_rows_that_were_not_chosen_are_not_followed():
    later, _ = rows_of([(1, "a"), (2, "a"), (3, "a")], chosen=[0, 2]).pairs(1)
    assert later.size == 0


def test_lag_has_to_fit_the_sample():
    rows = rows_of([(1, "a"), (2, "a"), (3, "a")])
    check_lag(2, rows, "it")
    with pytest.raises(ValueError, match="lie 3 apart, and the sample has 3"):
        check_lag(3, rows, "it")


def test_a_search_finds_what_the_table_finds(monkeypatch):
    rng = np.random.default_rng(0)
    cells = [(date, asset) for date in range(9) for asset in "abcdefgh" if rng.random() < 0.6]
    rows = rows_of([cells[i] for i in rng.permutation(len(cells))])
    for lag in (1, 2, 8):
        by_table = rows.pairs(lag)
        with monkeypatch.context() as patch:
            patch.setattr(look_up, "_SPARSE", 0)
            patch.setattr(look_up, "_SMALL", 0)
            assert_array_equal(rows.pairs(lag), by_table)

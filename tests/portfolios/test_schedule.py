"""Where the rows of the same assets are on other dates, in both ways of looking them up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from reference import random_panel

from skfactor._kernels import look_up
from skfactor._panel import find_panel
from skfactor.portfolios._schedule import formations_used, same_assets


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_of_the_same_assets_equal_those_of_a_dictionary(sparse, monkeypatch):
    if sparse:
        monkeypatch.setattr(look_up, "_SPARSE", 0)
        monkeypatch.setattr(look_up, "_SMALL", 0)
    panel = random_panel(np.random.default_rng(0))
    found = find_panel(panel, n_rows=len(panel))
    source = np.array([-1, 0, 0, 2, 1, 5])
    rows = same_assets(found.dates, found.assets, source)
    where = {label: row for row, label in enumerate(panel.index)}
    dates = list(panel.index.unique("date").sort_values())
    expected = [
        where.get((dates[source[dates.index(date)]], asset), -1)
        if source[dates.index(date)] >= 0
        else -1
        for date, asset in panel.index
    ]
    assert_array_equal(rows, expected)
    assert (rows == -1).any()


def test_a_lag_counts_months_between_periods_and_dates_between_others():
    months = pd.PeriodIndex(["2020-01", "2020-02", "2020-05", "2020-06"], freq="M")
    everywhere = np.ones(4, dtype=bool)
    assert_array_equal(formations_used(months, everywhere, 2), [-1, -1, 1, 1])
    assert_array_equal(formations_used(pd.Index([1, 2, 5, 6]), everywhere, 2), [-1, -1, 0, 1])
    first_and_third = np.array([True, False, True, False])
    assert_array_equal(formations_used(months, first_and_third, 0), [0, 0, 2, 2])
    assert_array_equal(formations_used(months, first_and_third, 1), [-1, 0, 0, 2])

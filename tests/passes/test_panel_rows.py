"""Rows of a panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal

from skfactor._kernels.segments import one_segment
from skfactor._panel import find_panel
from skfactor._passes.panel_rows import PanelRows


def test_rows_know_their_dates_and_whether_they_are_used():
    X = pd.DataFrame({"a": [1.0, np.nan, 3.0, 4.0], "b": 1.0})
    y = np.array([1.0, 2.0, np.nan, 4.0])
    panel = find_panel(X, n_rows=4, dates=["2020-02", "2020-01", "2020-02", "2020-01"])
    weights = np.array([1.0, 1.0, 1.0, 0.0])
    found = panel.segments, panel.dates.labels, panel
    rows = PanelRows(X.to_numpy(), y, weights, *found)
    assert len(rows) == 4
    assert_array_equal(rows.date_codes, [1, 0, 1, 0])
    assert_array_equal(rows.used, [True, False, False, False])
    assert_array_equal(rows.segments.lengths, [2, 2])
    late = rows.of_dates(slice(1, 2))
    assert_array_equal(late.exposures[:, 0], [1.0, 3.0])
    assert_array_equal(late.weights, 1.0)
    assert list(late.dates) == [panel.dates.labels[1]]
    undated = PanelRows(X.to_numpy(), y, None, one_segment(4), None)
    assert_array_equal(undated.used, [True, False, False, True])
    assert_array_equal(undated.date_codes, 0)
    assert len(undated.segments) == 1

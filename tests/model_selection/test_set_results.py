"""Order and choice of sets that were tried."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skfactor.model_selection._set_results import choose, ranked


def test_sets_that_tie_within_rounding_are_sorted_by_size_and_nan_comes_last():
    order = ranked(np.array([0.5, 0.5 + 1e-14, np.nan, 0.7, 0.5]), np.array([2, 3, 1, 4, 1]))
    assert order.tolist() == [3, 4, 0, 1, 2]


def test_one_standard_error_is_that_of_the_best_set():
    table = pd.DataFrame(
        {
            ("set", "size"): [3, 2, 1, 1],
            ("score", "mean"): [0.50, 0.45, 0.41, 0.39],
            ("score", "std_error"): [0.10, 0.01, 0.01, 0.01],
        }
    )
    assert choose(table, "best") == 0
    assert choose(table, "one-se") == 2
    table["score", "std_error"] = np.nan  # of one fold
    assert choose(table, "one-se") == 0

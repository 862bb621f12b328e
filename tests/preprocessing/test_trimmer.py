"""Trimmer: what Winsorizer would move is missing, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from reference import random_panel

from skfactor import FamaMacBeth, Trimmer, Winsorizer
from skfactor.datasets import make_panel

NAN = np.nan
ONE_TO_TEN = np.arange(1.0, 11.0)[:, None]
OPTIONS = [
    {},
    {"lower": 0.1, "upper": None},
    {"lower": 0.2, "upper": 0.7, "interpolation": "order_statistic"},
    {"lower": -1.0, "upper": 1.5, "rule": "std"},
    {"lower": -2.0, "upper": None, "rule": "mad"},
]


# A sample without dates, which is meant.
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")
def test_one_to_ten_loses_the_tenth_on_either_side():
    for interpolation in ("linear", "order_statistic"):
        trimmer = Trimmer(0.1, 0.9, interpolation=interpolation)
        result = trimmer.fit_transform(ONE_TO_TEN).ravel()
        assert_array_equal(result, [NAN, 2, 3, 4, 5, 6, 7, 8, 9, NAN])
        # Without dates the bounds of the sample hold for other rows.
        assert_array_equal(trimmer.transform([[2.0], [9.0], [11.0]]).ravel(), [2.0, 9.0, NAN])


def test_values_are_missing_where_winsorizing_moves_them():
    for seed in range(3):
        X = random_panel(np.random.default_rng(seed))
        groups = np.random.default_rng(seed).integers(0, 2, len(X))
        for options in OPTIONS:
            for groupby in (None, groups):
                clipped = Winsorizer(**options).fit_transform(X, groupby=groupby)
                trimmed = Trimmer(**options).fit_transform(X, groupby=groupby)
                assert_frame_equal(trimmed, X.where(clipped == X))
                narrow = Trimmer(**options).fit_transform(X.astype("float32"), groupby=groupby)
                assert set(narrow.dtypes) == {np.dtype("float32")}


def test_trimmed_rows_are_left_out_of_premia():
    X, y = make_panel(n_dates=12, n_assets=40, random_state=0, return_X_y=True)
    trimmed = Trimmer(0.05, 0.95).fit_transform(X)
    kept = trimmed.notna().all(axis=1)
    assert 0.4 < kept.mean() < 0.95
    model, expected = FamaMacBeth().fit(trimmed, y), FamaMacBeth().fit(X[kept], y[kept])
    np.testing.assert_allclose(model.premia_, expected.premia_)


def test_bounds_in_the_wrong_order_raise_as_for_winsorizer():
    X = random_panel(np.random.default_rng(0))
    for options, message in [
        ({"lower": 0.9, "upper": 0.1}, r"0 <= lower <= upper <= 1"),
        ({"rule": "std"}, r"lower < 0 < upper"),
    ]:
        with pytest.raises(ValueError, match=message):
            Trimmer(**options).fit(X)

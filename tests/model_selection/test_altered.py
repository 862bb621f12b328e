"""Altered data, and what counts as a change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from reference_splits import panel_of_places
from scipy.sparse import csr_array

from skfactor.model_selection._altered import largest, largest_changes, redraw, splice

RNG = np.random.default_rng(0)
PANEL, PLACES = panel_of_places(40, RNG)
LATER = PLACES > 20
FRAME = pd.DataFrame(
    {
        "real": RNG.normal(size=len(PLACES)),
        "flag": RNG.integers(0, 2, len(PLACES)),
        "factor": RNG.normal(size=40)[PLACES],
        "industry": pd.Categorical(np.array(["oil", "steel"])[RNG.integers(0, 2, len(PLACES))]),
        "holed": np.where(RNG.random(len(PLACES)) < 0.3, np.nan, RNG.normal(size=len(PLACES))),
    },
    PANEL.index,
)


def _alter(data):
    return splice(data, redraw(data, PLACES, np.random.default_rng(1)), LATER)


def test_later_rows_change_and_hold_values_that_the_column_has():
    before = FRAME.copy(deep=True)
    altered = _alter(FRAME)
    assert_frame_equal(FRAME, before)
    assert_frame_equal(altered[~LATER], FRAME[~LATER])
    assert (altered.dtypes == FRAME.dtypes).all()
    for name in FRAME:
        assert not altered.loc[LATER, name].equals(FRAME.loc[LATER, name])
        assert altered[name].isin(FRAME[name]).all()
    spread = altered.groupby("date")[["factor", "real"]].agg(np.ptp)
    assert (spread["factor"] == 0).all()
    assert (spread["real"] > 0).any()


@pytest.mark.parametrize("columns", ["real", ["real", "flag", "factor"]])
def test_arrays_are_altered_as_frames_are(columns):
    expected = _alter(FRAME[columns])
    assert_array_equal(_alter(FRAME[columns].to_numpy()), expected)
    if expected.ndim == 2:
        assert_array_equal(_alter(csr_array(FRAME[columns].to_numpy())), expected)
    assert _alter(None) is None


def test_changes_are_those_beyond_rounding_for_each_row():
    before = np.array([[1.0, 1e6], [2.0, 0.0], [np.nan, 3.0], [np.inf, 4.0]])
    after = before + np.array([[0.25, 0.0], [1e-12, 1e-9], [0.0, -0.5], [0.0, 0.0]])
    assert_array_equal(largest_changes(before, after), [0.25, 0.0, 0.5, 0.0])
    assert_array_equal(
        largest_changes(before[:, 0], np.array([1.0, np.nan, 0.0, 7.0])),
        [0.0, np.inf, np.inf, np.inf],
    )
    assert_array_equal(largest_changes(before, after[:, :1]), [np.inf] * 4)
    single = before.astype(np.float32)
    assert_array_equal(largest_changes(single, single * np.float32(1 + 1e-6)), np.zeros(4))


def test_rounding_errors_alone_are_no_change():
    noise = np.array([1e-17, -3e-17])
    assert largest_changes(noise, -noise).all()
    assert not largest_changes(noise, -noise, size=0.1).any()
    assert not largest_changes(np.c_[noise, [1, 2]], np.c_[-noise, [1, 2]]).any()


def test_text_changes_or_not():
    before = np.array([["a", None], ["b", "c"]], dtype=object)
    after = np.array([["a", np.nan], ["b", "d"]], dtype=object)
    assert_array_equal(largest_changes(before, after), [0.0, np.inf])


def test_the_largest_number():
    assert largest(np.array([[1.0, -3.0], [np.nan, np.inf]])) == 3.0
    assert largest(None) == largest(np.array(["a"])) == 0.0

"""Folds and numbers of processes in every form, and what is neither."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from skfactor.model_selection._folds import check_n_jobs, read_cv


def test_folds_are_a_splitter_their_number_or_themselves():
    rows = np.arange(6)
    pairs = [(rows[:4], rows[4:]), ([0, 1], [2])]
    assert list(read_cv(iter(pairs)).split(rows)) == pairs
    assert read_cv(3).get_n_splits() == 3
    splitter = KFold(2)
    assert read_cv(splitter) is splitter
    masks = [(rows < 3, rows > 3)]
    assert list(read_cv(masks).split(rows)) == masks


@pytest.mark.parametrize("cv", [["x1"], np.arange(3), [([0, 1], [])], [(["a"], [1])], []])
def test_what_is_no_fold_is_named(cv):
    with pytest.raises(ValueError, match="cv holds"):
        read_cv(cv)


def test_numbers_of_processes():
    for good in (None, 1, -1, np.int64(2)):
        check_n_jobs(good)
    for bad in (0, 1.5, "two", np.arange(3), True):
        with pytest.raises(ValueError, match="n_jobs="):
            check_n_jobs(bad)

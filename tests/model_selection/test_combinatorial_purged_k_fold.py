"""CombinatorialPurgedKFold: the table of Lopez de Prado (2018), laws, and what raises."""

from __future__ import annotations

from collections import Counter
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference_splits import allowed_dates, panel_of_places

from skfactor.model_selection import CombinatorialPurgedKFold, PurgedKFold

law = settings(deadline=None, max_examples=30)


def test_two_of_six_folds_make_the_paths_of_the_book():
    # The first two of the five paths of section 12.4 there: the split that tests each fold.
    cv = CombinatorialPurgedKFold(6, 2)
    paths = np.zeros((6, 5), dtype=int)
    for split, (folds, ids) in enumerate(zip(cv.test_folds, cv.path_ids, strict=True)):
        paths[folds, ids] = split + 1
    assert paths[:, 0].tolist() == [1, 1, 2, 3, 4, 5]
    assert paths[:, 1].tolist() == [2, 6, 6, 7, 8, 9]
    assert (cv.n_paths, cv.get_n_splits()) == (5, 15)


@law
@given(
    n_folds=st.integers(2, 6),
    data=st.data(),
    extra=st.integers(0, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_dates_are_tested_as_often_as_promised_and_each_path_has_each_date_once(
    n_folds, data, extra, seed
):
    n_test = data.draw(st.integers(1, n_folds - 1))
    n = n_folds + extra
    X, places = panel_of_places(n, np.random.default_rng(seed))
    cv = CombinatorialPurgedKFold(n_folds, n_test)
    splits = list(cv.split(X))
    assert len(splits) == cv.get_n_splits(X) == comb(n_folds, n_test)
    counts = Counter(row for _, test in splits for row in test)
    assert set(counts.values()) == {comb(n_folds - 1, n_test - 1)}
    assert len(counts) == len(X)
    paths = np.full((cv.n_paths, len(X)), -1)
    for split, ((_, test), path) in enumerate(zip(splits, cv.row_paths(X), strict=True)):
        assert (paths[path, test] == -1).all()
        paths[path, test] = split
        assert (np.diff(places[test]) >= 0).all()
    assert (paths >= 0).all()
    for row in paths:  # a date of a path comes from one split
        assert len(set(zip(places, row, strict=True))) == n


@law
@given(
    n_folds=st.integers(3, 5),
    purge=st.integers(0, 2),
    embargo=st.integers(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_purge_and_embargo_hold_for_every_pair_of_dates(n_folds, purge, embargo, seed):
    X, places = panel_of_places(30, np.random.default_rng(seed))
    cv = CombinatorialPurgedKFold(n_folds, 2, purge=purge, embargo=embargo)
    for train, test in cv.split(X):
        tests = np.unique(places[test])
        allowed = allowed_dates(30, tests, purge, embargo)
        assert_array_equal(np.unique(places[train]), allowed)


def test_one_test_fold_is_the_purged_k_fold():
    X, _ = panel_of_places(23, np.random.default_rng(0))
    combined = CombinatorialPurgedKFold(4, 1, purge=2, embargo=1).split(X)
    for left, right in zip(combined, PurgedKFold(4, purge=2, embargo=1).split(X), strict=True):
        for a, b in zip(left, right, strict=True):
            assert_array_equal(a, b)


def test_the_representation_shows_what_was_chosen():
    cv = CombinatorialPurgedKFold(6, 2, purge="1ME")
    assert repr(cv) == "CombinatorialPurgedKFold(n_folds=6, n_test_folds=2, purge='1ME')"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, 3), ValueError, "n_test_folds=3 has to be less than n_folds=3"),
        ((1, 1), ValueError, "n_folds=1 has to be at least 2"),
        ((4, 0), ValueError, "n_test_folds=0 has to be at least 1"),
        ((4, 2.0), TypeError, "n_test_folds is a number; found 2.0"),
    ],
)
def test_bad_parameters_raise_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        CombinatorialPurgedKFold(*arguments)


def test_more_folds_than_dates_raise():
    X, _ = panel_of_places(5, np.random.default_rng(0))
    for call in (CombinatorialPurgedKFold(6, 2).split, CombinatorialPurgedKFold(6, 2).row_paths):
        with pytest.raises(ValueError, match="needs a date for each fold, but there are 5"):
            list(call(X))


def test_more_splits_than_memory_holds_are_gone_through_one_by_one():
    cv = CombinatorialPurgedKFold(30, 15)
    for name in ("test_folds", "path_ids"):
        with pytest.raises(ValueError, match="has 155117520 splits, too many to list"):
            getattr(cv, name)
    dates = pd.period_range("2000", periods=30, freq="Y")
    X = pd.DataFrame({"x": np.arange(30.0)}, index=dates)
    (train, test), paths = next(cv.split(X)), next(cv.row_paths(X))
    assert list(test) == list(range(15))
    assert list(train) == list(range(15, 30))
    assert list(paths) == [0] * 15

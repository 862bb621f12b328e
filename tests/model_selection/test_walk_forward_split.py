"""WalkForwardSplit: against scikit-learn's TimeSeriesSplit and a slow program; what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference_splits import panel_of_places, slow_walk
from sklearn.model_selection import TimeSeriesSplit

from skfactor.model_selection import WalkForwardSplit

law = settings(deadline=None, max_examples=100)
sizes = st.none() | st.integers(1, 12)


def _periods(n_dates, freq="M"):
    return pd.DataFrame({"x": np.arange(n_dates)}, pd.period_range("2000-01", None, n_dates, freq))


# --- known values -------------------------------------------------------------------------------


@law
@given(
    n=st.integers(2, 60),
    n_splits=st.integers(2, 8),
    test_size=sizes,
    purge=st.integers(0, 4),
)
def test_one_row_a_date_splits_as_scikit_learn_does(n, n_splits, test_size, purge):
    X = _periods(n)
    reference = TimeSeriesSplit(n_splits, test_size=test_size, gap=purge)
    cv = WalkForwardSplit(n_splits, test_size=test_size, purge=purge)
    try:
        expected = list(reference.split(X))
    except ValueError:
        with pytest.raises(ValueError, match="too few for"):
            list(cv.split(X))
        return
    found = list(cv.split(X))
    assert len(found) == n_splits
    for (train, test), (expected_train, expected_test) in zip(found, expected, strict=True):
        assert_array_equal(train, expected_train)
        assert_array_equal(test, expected_test)


@law
@given(
    n=st.integers(2, 60),
    seed=st.integers(0, 2**32 - 1),
    n_splits=st.integers(1, 6),
    test_size=sizes,
    train_size=sizes,
    min_train_size=sizes,
    step=sizes,
    purge=st.integers(0, 4),
)
def test_panels_split_as_the_slow_program_does(
    n, seed, n_splits, test_size, train_size, min_train_size, step, purge
):
    if train_size and min_train_size and min_train_size > train_size:
        train_size, min_train_size = min_train_size, train_size
    arguments = (n_splits, test_size, train_size, min_train_size, step, purge)
    expected = slow_walk(n, *arguments)
    names = ("n_splits", "test_size", "train_size", "min_train_size", "step", "purge")
    cv = WalkForwardSplit(**dict(zip(names, arguments, strict=True)))
    X, places = panel_of_places(n, np.random.default_rng(seed))
    if expected is None:
        with pytest.raises(ValueError, match="too few for"):
            list(cv.split(X))
        return
    for (train, test), (begin, end, first, last) in zip(cv.split(X), expected, strict=True):
        assert set(train) == set(np.flatnonzero((begin <= places) & (places <= end)))
        assert set(test) == set(np.flatnonzero((first <= places) & (places <= last)))
        assert (np.diff(places[train]) >= 0).all()
        assert (np.diff(places[test]) >= 0).all()


@pytest.mark.parametrize("form", ["periods", "month ends", "business month ends", "days"])
def test_offsets_count_calendar_months(form):
    X = _periods(48)
    if form == "month ends":
        X.index = X.index.to_timestamp(how="end").normalize()
    elif form == "business month ends":
        X.index = X.index.to_timestamp() + pd.offsets.BMonthEnd()
    elif form == "days":
        X = pd.DataFrame({"x": 0}, pd.bdate_range("2000-01-01", "2003-12-31"))
    months = (X.index.year - 2000) * 12 + X.index.month
    cv = WalkForwardSplit(2, test_size="6ME", train_size="24ME", purge="1ME")
    found = [(months[train], months[test]) for train, test in cv.split(X)]
    assert [(train.min(), train.max()) for train, _ in found] == [(12, 35), (18, 41)]
    assert [(test.min(), test.max()) for _, test in found] == [(37, 42), (43, 48)]


def test_a_window_of_days_is_complete_though_it_begins_on_a_weekend():
    X = pd.DataFrame({"x": 0}, pd.bdate_range("2024-01-01", "2024-03-29"))
    (train, test), *_ = WalkForwardSplit(3, test_size=1, train_size="5D").split(X)
    assert list(X.index[test].strftime("%a %d")) == ["Wed 27"]
    assert list(X.index[train].strftime("%a %d")) == ["Fri 22", "Mon 25", "Tue 26"]


def test_no_number_of_splits_makes_as_many_as_there_is_a_past_for():
    cv = WalkForwardSplit(None, test_size=1, min_train_size=24, purge=2)
    found = list(cv.split(_periods(36)))
    assert [list(test) for _, test in found] == [[date] for date in range(26, 36)]
    assert [len(train) for train, _ in found] == list(range(24, 34))
    assert cv.get_n_splits(_periods(36)) == 10


def test_a_minimum_lets_the_first_rolling_windows_be_incomplete():
    cv = WalkForwardSplit(None, test_size=2, train_size=6, min_train_size=2)
    assert [len(train) for train, _ in cv.split(_periods(12))] == [2, 4, 6, 6, 6]
    cv = WalkForwardSplit(None, test_size=2, train_size=6)
    assert [len(train) for train, _ in cv.split(_periods(12))] == [6, 6, 6]


def test_a_step_shorter_than_the_block_tests_dates_twice():
    cv = WalkForwardSplit(2, test_size=3, step=1)
    assert [list(test) for _, test in cv.split(_periods(8))] == [[4, 5, 6], [5, 6, 7]]


def test_the_representation_shows_what_was_chosen():
    assert repr(WalkForwardSplit()) == "WalkForwardSplit(n_splits=5)"
    cv = WalkForwardSplit(3, test_size="12ME", purge=1)
    assert repr(cv) == "WalkForwardSplit(n_splits=3, test_size='12ME', purge=1)"


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_splits": 12}, r"12 dates \(2000-01 to 2000-12\) are too few for .*n_splits=12"),
        ({"purge": 20}, r"purge=20\)\. Before the test block from 2000-11 on, 0 are left"),
        ({"purge": "5YE"}, r"too few for .*purge='5YE'.* 0 are left"),
        ({"test_size": "2YE"}, r"test block from 2000-01 on, 0 are left to train on.*fewer splits"),
        ({"train_size": 30}, "too few for .*train_size=30"),
        ({"n_splits": 2, "test_size": 2, "train_size": "2YE"}, "too few for .*train_size='2YE'"),
        ({"test_size": 2, "min_train_size": 11}, "block from 2000-11 on, 10 are left to train on"),
        ({"n_splits": None, "test_size": 12}, "too few for"),
        ({"train_size": 2, "min_train_size": 3}, "min_train_size longer than its train_size"),
    ],
)
def test_too_few_dates_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        list(WalkForwardSplit(**arguments).split(_periods(12)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_splits": 0}, ValueError, "n_splits=0 has to be at least 1"),
        ({"n_splits": "5ME"}, TypeError, "n_splits is a number; found '5ME'"),
        ({"n_splits": None}, ValueError, "n_splits=None needs test_size="),
        ({"test_size": 0}, ValueError, "test_size=0 has to be at least 1"),
        ({"step": "3 months"}, ValueError, "step='3 months' is not an offset"),
        ({"train_size": "a year"}, ValueError, "train_size='a year' is not an offset"),
        ({"purge": 0.1}, TypeError, "purge takes a number of dates"),
    ],
)
def test_bad_parameters_raise_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        WalkForwardSplit(**arguments)


def test_one_date_raises():
    X = _periods(1)
    with pytest.raises(ValueError, match=r"splits dates, but all rows are on one: 2000-01"):
        list(WalkForwardSplit().split(X))


def test_the_number_of_splits_needs_data_only_if_it_depends_on_it():
    assert WalkForwardSplit(4).get_n_splits() == 4
    with pytest.raises(ValueError, match="depends on the data: pass X"):
        WalkForwardSplit(None, test_size=1).get_n_splits()


def test_fractions_are_shares_of_the_dates():
    X, _ = panel_of_places(100, np.random.default_rng(0))
    for fraction, count in [(0.2, 20), (0.29, 29), (0.005, 1), (0.999, 99)]:
        for name in ("test_size", "step", "min_train_size", "train_size"):
            if fraction == 0.999 and name != "step":
                continue
            sizes = {"test_size": 2, name: fraction}
            counts = {"test_size": 2, name: count}
            splits = [WalkForwardSplit(2 if name != "step" else 1, **s) for s in (sizes, counts)]
            for ours, theirs in zip(*(split.split(X) for split in splits), strict=True):
                assert_array_equal(ours[0], theirs[0])
                assert_array_equal(ours[1], theirs[1])
    for fraction in (0.0, 1.0, 1.5, -0.1):
        with pytest.raises(ValueError, match=r"is a fraction of the dates, which lies between"):
            WalkForwardSplit(test_size=fraction)

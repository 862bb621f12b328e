"""PurgedKFold: against KFold, laws over every pair of dates, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference_splits import allowed_dates, panel_of_places
from sklearn.model_selection import KFold

from skfactor.model_selection import PurgedKFold

law = settings(deadline=None, max_examples=100)


@law
@given(
    n=st.integers(2, 40),
    n_splits=st.integers(2, 8),
    purge=st.integers(0, 5),
    embargo=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_date_is_tested_once_and_training_holds_all_that_may_be_there(
    n, n_splits, purge, embargo, seed
):
    X, places = panel_of_places(n, np.random.default_rng(seed))
    cv = PurgedKFold(n_splits, purge=purge, embargo=embargo)
    if n_splits > n:
        with pytest.raises(ValueError, match="needs a date for each fold"):
            list(cv.split(X))
        return
    tested = []
    expected = KFold(n_splits).split(np.arange(n))
    folds = cv.split(X)
    for _, dates in expected:
        allowed = allowed_dates(n, dates, purge, embargo)
        if not allowed:
            with pytest.raises(ValueError, match=rf"leaves none of the {n} dates .* to train on"):
                next(folds)
            return
        train, test = next(folds)
        assert_array_equal(np.unique(places[test]), dates)
        assert_array_equal(np.unique(places[train]), allowed)
        for rows in (train, test):
            assert (np.diff(places[rows]) >= 0).all()
            assert len(rows) == np.isin(places, places[rows]).sum()
        tested.extend(test)
    assert sorted(tested) == list(range(len(X)))


@law
@given(seed=st.integers(0, 2**32 - 1), days=st.integers(1, 40), embargo_months=st.integers(1, 4))
def test_offsets_keep_every_pair_of_dates_apart(seed, days, embargo_months):
    rng = np.random.default_rng(seed)
    calendar = pd.date_range("2018-01-01", "2021-12-31")
    dates = calendar[np.sort(rng.choice(len(calendar), 100, replace=False))]
    X = pd.DataFrame({"x": 0.0}, dates)
    cv = PurgedKFold(4, purge=f"{days}D", embargo=f"{embargo_months}ME")
    for train, test in cv.split(X):
        distance = np.abs(np.subtract.outer(dates[train], dates[test]))
        assert distance.min() > pd.Timedelta(days=days)
        end = dates[test[-1]]
        purged = dates[dates <= end + pd.Timedelta(days=days)][-1]
        months = (dates.year - purged.year) * 12 + dates.month - purged.month
        before = dates < dates[test[0]] - pd.Timedelta(days=days)
        after = (dates > purged) & (months > embargo_months)
        assert_array_equal(train, np.flatnonzero(before | after))


def test_the_representation_shows_what_was_chosen():
    assert repr(PurgedKFold()) == "PurgedKFold(n_splits=5)"
    assert repr(PurgedKFold(3, embargo="2ME")) == "PurgedKFold(n_splits=3, embargo='2ME')"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_splits": 1}, ValueError, "n_splits=1 has to be at least 2"),
        ({"n_splits": None}, TypeError, "n_splits is a number; found None"),
        ({"purge": -1}, ValueError, "purge=-1 has to be at least 0"),
        ({"embargo": "soon"}, ValueError, "embargo='soon' is not an offset"),
    ],
)
def test_bad_parameters_raise_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        PurgedKFold(**arguments)


@pytest.mark.parametrize("purge", [30, "5YE"])
def test_a_purge_longer_than_the_sample_raises(purge):
    X = pd.DataFrame({"x": 0.0}, pd.period_range("2020-01", periods=12, freq="M"))
    with pytest.raises(ValueError, match=r"leaves none of the 12 dates \(2020-01 to 2020-12\)"):
        list(PurgedKFold(purge=purge).split(X))


def test_one_date_raises():
    index = pd.MultiIndex.from_product([["2020-01"], list("abc")], names=["date", "asset"])
    with pytest.raises(ValueError, match="splits dates, but all rows are on one: 2020-01"):
        list(PurgedKFold(2).split(pd.DataFrame({"x": 0.0}, index)))

"""Moments of dates: they add up to those of all dates, and a search of them is one of all rows."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth, TradedFactorModel, Winsorizer
from skfactor.datasets import make_panel
from skfactor.metrics import rank_ic_scorer
from skfactor.model_selection import FactorSetSearchCV, PurgedKFold


@pytest.fixture(scope="module")
def panel():
    X, y = make_panel(n_dates=24, n_assets=30, random_state=0, return_X_y=True)
    return X.drop(columns="x5"), y


def in_parts(search, X, y, n_parts=4, **params):
    dates = X.index.get_level_values("date")
    places = np.array_split(dates.unique(), n_parts)
    parts = []
    for place in reversed(places):  # in any order
        rows = dates.isin(place)
        own = {name: values[rows] for name, values in params.items()}
        parts.append(search.read_moments(X[rows], y[rows], **own))
    return sum(parts)


def assert_same_search(search, X, y, **params):
    whole = search.fit(X, y, **params).results_
    moments = in_parts(search, X, y, **params)
    moments = pickle.loads(pickle.dumps(moments))
    parts = search.fit_moments(moments)
    pd.testing.assert_frame_equal(whole, parts.results_, rtol=1e-10)
    assert parts.transform(X).columns.tolist() == list(parts.best_set_)
    return parts


@pytest.mark.parametrize("score", ["r2", "ic", "slope_t"])
def test_parts_of_the_dates_give_the_numbers_of_one_fit(panel, score):
    search = FactorSetSearchCV(FamaMacBeth(), scoring=score, cv=PurgedKFold(3))
    assert_same_search(search, *panel)


def test_weights_and_missing_values_and_steps_stream_too(panel):
    X, y = panel
    X = X.mask(np.random.default_rng(0).random(X.shape) < 0.05)
    weights = pd.Series(np.random.default_rng(1).random(len(X)) + 0.1, X.index)
    search = FactorSetSearchCV(
        FamaMacBeth(), scoring="r2_zero", cv=PurgedKFold(3), common_rows=True
    )
    assert_same_search(search, X, y, sample_weight=weights)
    pipeline = make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())
    search = FactorSetSearchCV(pipeline, cv=PurgedKFold(3), common_rows=True)
    assert_same_search(search, X, y)


def test_dates_that_lose_digits_stream_too(panel):
    X, y = panel
    X = X.assign(near=X["x1"] - X["x2"])
    some = X.index.get_level_values("date") < "2011-06"
    X.loc[some, "near"] += 1e-6 * np.random.default_rng(0).normal(size=some.sum())
    X.loc[~some, "near"] += np.random.default_rng(0).normal(size=(~some).sum())
    search = FactorSetSearchCV(FamaMacBeth(), scoring="r2", cv=PurgedKFold(3))
    whole = search.fit(X, y).results_
    found = search.fit_moments(in_parts(search, X, y)).results_
    assert_allclose(found["score"], whole["score"].loc[found.index], rtol=1e-7)


def test_what_follows_from_moments_alone_works(panel):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth())
    search.fit_moments(search.read_moments(X, y))
    assert search.superior_to(["x1"], n_draws=20, random_state=0).n_sets == 14
    with pytest.raises(AttributeError, match="Fit FamaMacBeth to the columns"):
        search.predict(X)
    assert_allclose(
        search.results_.loc["x1 + x2", "premium"].dropna(),
        FamaMacBeth().fit(X[["x1", "x2"]], y).coef_,
    )


def test_mistakes_are_told(panel):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), cv=PurgedKFold(3))
    moments = search.read_moments(X, y)
    with pytest.raises(ValueError, match="were there before"):
        moments + moments
    with pytest.raises(ValueError, match="do not add up"):
        moments + search.read_moments(X[["x1"]], y)
    with pytest.raises(TypeError):
        1 + moments
    holes = X.mask(np.random.default_rng(0).random(X.shape) < 0.05)
    with pytest.raises(ValueError, match="pass common_rows=True"):
        search.read_moments(holes, y)
    with pytest.raises(ValueError, match="needs rows, and these are moments"):
        FactorSetSearchCV(FamaMacBeth(), scoring=rank_ic_scorer).fit_moments(moments)
    with pytest.raises(ValueError, match="there are no dates"):
        search.read_moments(X.to_numpy(), y.to_numpy())
    with pytest.raises(ValueError, match="one column per asset"):
        search.read_moments(X, pd.concat([y, y], axis=1))
    with pytest.raises(ValueError, match=r"cannot be fitted from moments: .*TradedFactorModel"):
        FactorSetSearchCV(TradedFactorModel()).read_moments(X, y)

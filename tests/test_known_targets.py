"""Rows without a target: kept by every step, left out by a last regressor that cannot know them."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference_premia import characteristics
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skfactor import CrossSectionalTargetRegressor, FactorRanker, FactorZScorer, FamaMacBeth
from skfactor._known_targets import known_rows, unknown_left_out
from skfactor.model_selection import WalkForwardSplit, walk_forward_predict

X, Y = characteristics()
HOLES = Y.mask(np.random.default_rng(0).random(len(Y)) < 0.3)
SEEN = {}


class Watch(TransformerMixin, BaseEstimator):
    """Hands features on and keeps those of its last fit."""

    def fit(self, X, y=None):
        SEEN["steps"] = X
        return self

    def transform(self, X):
        return X


class ZeroForMissing(RegressorMixin, BaseEstimator):
    """Takes a missing target for zero, as boosted trees do."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y, sample_weight=None):
        SEEN["rows"] = len(X), None if sample_weight is None else len(sample_weight)
        self.ridge_ = Ridge(self.alpha).fit(X, np.nan_to_num(y), sample_weight)
        return self

    def predict(self, X):
        return self.ridge_.predict(X)


def test_known_rows():
    assert known_rows(Y) is None
    assert known_rows([1, 2]) is None
    assert known_rows(np.full((3, 2), np.nan)) is None
    assert_array_equal(known_rows([1.0, None, np.nan, 2.0]), [0, 3])
    assert_array_equal(known_rows(pd.DataFrame({"y": [np.nan, 1.0]})), [1])
    with pytest.raises(ValueError, match="no value at all"):
        known_rows([np.nan, np.nan])


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: GridSearchCV(m, {}, cv=2)])
def test_only_the_last_regressor_leaves_rows_out(wrap):
    model = make_pipeline(FactorZScorer(), Watch(), ZeroForMissing()).fit(X, Y)
    whole = SEEN["steps"]
    model = wrap(clone(model))
    with unknown_left_out(model):
        model.fit(X, HOLES, zeroformissing__sample_weight=np.ones(len(X)))
    assert_allclose(SEEN["steps"], whole)
    known = HOLES.notna().to_numpy()
    assert SEEN["rows"] == (known.sum(), known.sum())
    expected = ZeroForMissing().fit(whole[known], HOLES[known]).predict(whole)
    assert_allclose(model.predict(X), expected)
    fitted = getattr(model, "best_estimator_", model)
    assert type(fitted[-1]) is ZeroForMissing
    assert_allclose(pickle.loads(pickle.dumps(model)).predict(X), expected)


def test_the_class_is_back_after_an_error():
    model = make_pipeline(FactorZScorer(), LinearRegression())
    with pytest.raises(ValueError, match="no value at all"), unknown_left_out(model):
        model.fit(X, HOLES * np.nan)
    assert type(model[-1]) is LinearRegression


def test_models_of_this_package_have_their_own_rules():
    model = FamaMacBeth()
    with unknown_left_out(model):
        assert type(model) is FamaMacBeth
        model.fit(X, HOLES)
    assert_allclose(model.premia_, FamaMacBeth().fit(X, HOLES).premia_)


def by_hand(regressor, cv):
    """Predictions on features ranked over all rows of their date."""
    ranks = FactorRanker().fit_transform(X)
    found = []
    for train, test in cv.split(X):
        known = train[HOLES.iloc[train].notna()]
        fitted = clone(regressor).fit(ranks.iloc[known], HOLES.iloc[known])
        found.append(pd.Series(fitted.predict(ranks.iloc[test]), index=X.index[test]))
    return pd.concat(found)


# Processes cannot import a class of this file by its name.
@pytest.mark.parametrize(
    ("regressor", "n_jobs"), [(ZeroForMissing(), None), (LinearRegression(), None), (Ridge(), 2)]
)
def test_walking_forward_predicts_all_rows_from_those_with_a_target(regressor, n_jobs):
    cv = WalkForwardSplit(2)
    pipeline = make_pipeline(FactorRanker(), regressor)
    found = walk_forward_predict(pipeline, X, HOLES, cv=cv, n_jobs=n_jobs)
    assert_allclose(found, by_hand(regressor, cv).loc[found.index])
    assert found.notna().all()


def test_a_transformed_target_keeps_its_holes_from_the_regressor():
    inner = make_pipeline(FactorZScorer(), Watch(), ZeroForMissing())
    model = CrossSectionalTargetRegressor(inner, FactorRanker()).fit(X, HOLES)
    whole = FactorZScorer().fit_transform(X)
    assert_allclose(SEEN["steps"], whole)
    known = HOLES.notna().to_numpy()
    ranks = FactorRanker().fit_transform(HOLES.to_frame("y"))["y"]
    expected = ZeroForMissing().fit(whole[known], ranks[known])
    assert_allclose(model.predict(X), expected.predict(whole))
    assert type(model.regressor_[-1]) is ZeroForMissing
    assert_allclose(model.score(X, HOLES), expected.score(whole[known], ranks[known]))

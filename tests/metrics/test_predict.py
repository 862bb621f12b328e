"""Who predicts and gets which metadata, in pipelines, searches and with names of their own."""

from __future__ import annotations

import numpy as np
import pytest
from reference_premia import characteristics
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth
from skfactor.metrics._predict import metadata_of, predictor

X, Y = characteristics()
DATES = X.index.get_level_values("date")
ARRAYS = X.to_numpy(), Y.to_numpy()


def search(inner):
    folds = list(GroupKFold(2).split(X, Y, groups=DATES))
    return GridSearchCV(inner, {}, cv=folds)


def test_the_best_estimator_of_a_search_predicts():
    twice = GridSearchCV(GridSearchCV(Ridge(), {}, cv=2), {}, cv=2)
    assert isinstance(predictor(twice.fit(*ARRAYS)), Ridge)
    model = Ridge().fit(*ARRAYS)
    assert predictor(model) is model


def test_metadata_go_to_what_asks_for_them_by_its_own_name():
    given = {"dates": DATES, "sample_weight": np.ones(len(X))}
    assert metadata_of("predict", make_pipeline(FactorZScorer(), Ridge()), given) == {}
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FactorZScorer(), FamaMacBeth()).fit(*ARRAYS, dates=DATES)
        assert list(metadata_of("predict", pipeline, given)) == ["dates"]
        assert metadata_of("predict", Ridge(), given) == {}
        assert metadata_of("predict", pipeline, {}) == {}
        renamed = make_pipeline(FactorZScorer().set_transform_request(dates="when"), Ridge())
        assert list(metadata_of("predict", renamed, {"when": DATES, **given})) == ["when"]


# scikit-learn 1.7 hands the dates to no step of a pipeline that scores itself.
@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores")
def test_a_search_predicts_with_metadata():
    with config_context(enable_metadata_routing=True):
        fitted = search(make_pipeline(FactorZScorer(), FamaMacBeth())).fit(*ARRAYS, dates=DATES)
        with pytest.raises(TypeError):
            fitted.predict(ARRAYS[0], dates=DATES)
        best = predictor(fitted)
        found = best.predict(ARRAYS[0], **metadata_of("predict", best, {"dates": DATES}))
    expected = make_pipeline(FactorZScorer(), FamaMacBeth()).fit(X, Y).predict(X)
    np.testing.assert_allclose(found, expected, rtol=1e-9)

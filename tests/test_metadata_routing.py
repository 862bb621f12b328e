"""Dates of arrays, passed as metadata: routed by scikit-learn, or to a step by its name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference_premia import characteristics, random_two_pass, to_long
from sklearn import config_context
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.feature_selection import RFE
from sklearn.impute import SimpleImputer
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import get_routing_for_object

from skfactor import FactorBetas, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.model_selection import WalkForwardSplit, walk_forward_predict

FOLDS = KFold(3)
X, Y = characteristics()
DATES = X.index.get_level_values("date")
ARRAYS = X.to_numpy(), Y.to_numpy()


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def _per_date():
    return make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())


def test_routed_dates_reach_every_step_of_a_pipeline_of_arrays(routing):
    pipeline = make_pipeline(SimpleImputer(), *_per_date())
    fitted = pipeline.fit(*ARRAYS, dates=DATES)
    by_index = _per_date().fit(X, Y)
    assert_allclose(fitted.predict(ARRAYS[0], dates=DATES), by_index.predict(X), rtol=1e-10)
    expected = by_index.score(X, Y)
    assert_allclose(fitted.score(*ARRAYS, dates=DATES), expected, rtol=1e-10)
    with pytest.raises(ValueError, match=r"Winsorizer was fitted on rows with dates.*routing"):
        fitted.predict(ARRAYS[0])


def test_routed_dates_reach_searches_folds_and_scorers(routing):
    params = {"dates": DATES}
    flat = make_pipeline(StandardScaler(), FamaMacBeth())
    routed = cross_validate(flat, *ARRAYS, cv=FOLDS, params=params)["test_score"]
    assert_allclose(routed, cross_validate(flat, X, Y, cv=FOLDS)["test_score"], rtol=1e-9)
    by_index = cross_validate(_per_date(), X, Y, cv=FOLDS)["test_score"]
    scorer = check_scoring(_per_date())
    if get_routing_for_object(scorer).consumes("score", ["dates"]):
        routed = cross_validate(_per_date(), *ARRAYS, cv=FOLDS, params=params)["test_score"]
        assert_allclose(routed, by_index, rtol=1e-9)
        search = GridSearchCV(_per_date(), {"winsorizer__lower": [0.05, 0.2]}, cv=FOLDS)
        by_argument = search.fit(*ARRAYS, dates=DATES).cv_results_["mean_test_score"]
        by_frame = search.fit(X, Y).cv_results_["mean_test_score"]
        assert_allclose(by_argument, by_frame, rtol=1e-9)
    else:  # older scikit-learn routes nothing to a pipeline's own score: told, not hidden
        with pytest.warns(UserWarning, match=r"Winsorizer was fitted on rows with dates, but X"):
            routed = cross_validate(_per_date(), *ARRAYS, cv=FOLDS, params=params)["test_score"]
        assert np.isnan(routed).all()


def test_cross_val_predict_routes_no_dates_to_predict_which_raises_where_they_are_needed(routing):
    params = {"dates": DATES}
    predicted = cross_val_predict(FamaMacBeth(), *ARRAYS, cv=FOLDS, params=params)
    expected = cross_val_predict(FamaMacBeth(), X, Y, cv=FOLDS)
    assert_allclose(predicted, expected, rtol=1e-10)
    with pytest.raises(ValueError, match=r"Winsorizer was fitted on rows with dates"):
        cross_val_predict(_per_date(), *ARRAYS, cv=FOLDS, params=params)


def test_routed_dates_help_the_consumers_that_lose_the_index(routing):
    expected = FamaMacBeth().fit(X, Y)
    bagged = BaggingRegressor(FamaMacBeth(), n_estimators=1, bootstrap=False)
    assert_allclose(bagged.fit(X, Y, dates=DATES).predict(X), expected.predict(X), rtol=1e-10)
    scaled = X / [1.0, 10.0, 100.0]
    selected = RFE(FamaMacBeth(), n_features_to_select=2).fit(scaled, Y, dates=DATES)
    coefficients = np.abs(FamaMacBeth().fit(scaled, Y).coef_)
    assert_array_equal(np.flatnonzero(~selected.support_), [coefficients.argmin()])
    target = TransformedTargetRegressor(FamaMacBeth(), transformer=StandardScaler())
    assert_allclose(target.fit(*ARRAYS, dates=DATES).predict(ARRAYS[0]), expected.predict(X))
    voted = VotingRegressor([("a", FamaMacBeth()), ("b", _per_date())]).fit(*ARRAYS, dates=DATES)
    assert_allclose(voted.estimators_[0].premia_, expected.premia_, rtol=1e-10)


def test_without_routing_dates_go_to_steps_and_into_searches():
    expected = FamaMacBeth().fit(X, Y)
    pipeline = make_pipeline(StandardScaler(), FamaMacBeth())
    fitted = pipeline.fit(*ARRAYS, famamacbeth__dates=DATES)
    assert_allclose(fitted.predict(ARRAYS[0]), expected.predict(X), rtol=1e-9)
    grid = {"fit_intercept": [True, False]}
    by_argument = GridSearchCV(FamaMacBeth(), grid, cv=FOLDS).fit(*ARRAYS, dates=DATES)
    by_index = GridSearchCV(FamaMacBeth(), grid, cv=FOLDS).fit(X, Y)
    assert_allclose(
        by_argument.cv_results_["mean_test_score"], by_index.cv_results_["mean_test_score"]
    )


def test_sample_weight_is_routed_on_request(routing):
    weights = np.random.default_rng(0).uniform(0.1, 2.0, len(X))
    model = FamaMacBeth().set_fit_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    fitted = make_pipeline(scaler, model).fit(X, Y, sample_weight=weights)
    expected = FamaMacBeth().fit(X, Y, sample_weight=weights)
    assert_allclose(fitted.predict(X), expected.predict(X), rtol=1e-9)
    assert not np.allclose(fitted.predict(X), FamaMacBeth().fit(X, Y).predict(X), rtol=1e-6)


def test_routed_dates_and_assets_reach_the_first_pass(routing):
    factors, returns = random_two_pass(np.random.default_rng(4))
    long_X, long_y = to_long(factors, returns)
    dates, assets = (long_X.index.get_level_values(i) for i in range(2))
    pipeline = make_pipeline(FactorBetas(), FamaMacBeth())
    pipeline.fit(long_X.to_numpy(), long_y.to_numpy(), dates=dates, assets=assets)
    assert_allclose(pipeline[-1].premia_, FamaMacBeth().fit(factors, returns).premia_, rtol=1e-12)


def test_groups_by_asset_are_never_taken_for_those_of_rows(routing):
    # More assets than occur, so that there are as many keys as rows, which scikit-learn indexes.
    number = {asset: i for i, asset in enumerate(X.index.levels[1])}
    rows = X.rename(index=number, level="asset")
    returns = Y.rename(index=number, level="asset")
    groups = {i: "ab"[i % 3 > 0] for i in range(len(X))}
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    by_row = rows.index.get_level_values("asset").map(groups).to_numpy()
    whole = pipeline.fit(rows, returns, groupby=groups)[-1].premia_
    assert_allclose(whole, pipeline.fit(rows, returns, groupby=by_row)[-1].premia_, rtol=1e-12)

    message = r"groupby= is a list of the rows of a fold.*Pass an array or a Series"
    with pytest.raises(ValueError, match=message):
        cross_validate(
            pipeline, rows, returns, cv=FOLDS, params={"groupby": groups}, error_score="raise"
        )
    search = GridSearchCV(pipeline, {"factorzscorer__ddof": [0, 1]}, cv=FOLDS, error_score="raise")
    with pytest.raises(ValueError, match=message):
        search.fit(rows, returns, groupby=groups)
    with pytest.raises(ValueError, match=message):
        cross_val_predict(pipeline, rows, returns, cv=FOLDS, params={"groupby": groups})

    # Of another length it stays whole, and labels of rows are cut with them.
    few = {i: groups[i] for i in number.values()}
    scores = [
        cross_validate(
            pipeline, rows, returns, cv=FOLDS, params={"groupby": labels}, error_score="raise"
        )["test_score"]
        for labels in (few, by_row)
    ]
    assert_allclose(*scores, rtol=1e-9)
    listed = pipeline.fit(rows, returns, groupby=list(by_row))[-1].premia_
    assert_allclose(listed, whole, rtol=1e-12)


def test_own_splits_leave_groups_by_asset_whole(routing):
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    groups = {asset: "ab"[i % 3 > 0] for i, asset in enumerate(X.index.levels[1])}
    padded = groups | {f"other{i}": "a" for i in range(len(X) - len(groups))}
    assert len(padded) == len(X)
    few, many = (
        walk_forward_predict(
            pipeline, X, Y, cv=WalkForwardSplit(2, test_size=2), params={"groupby": g}
        )
        for g in (groups, padded)
    )
    assert few.notna().any()
    assert_allclose(many, few, rtol=1e-12)

"""Scorers in scikit-learn's tools: dates from the index, from routing, and handed on to predict."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_premia import characteristics
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth, metrics
from skfactor.datasets import make_two_pass
from skfactor.metrics import (
    ForecastScorer,
    cross_sectional_r2_score,
    cross_sectional_r2_scorer,
    get_scorer,
    ic,
    ic_scorer,
    icir,
    icir_scorer,
    long_short_sharpe,
    long_short_sharpe_scorer,
    neg_pricing_rmse_scorer,
    neg_quantile_turnover_scorer,
    pricing_rmse,
    quantile_turnover,
    r2_zero,
    r2_zero_scorer,
    rank_autocorrelation,
    rank_autocorrelation_scorer,
    rank_ic,
    rank_ic_scorer,
)
from skfactor.model_selection import WalkForwardSplit

X, Y = characteristics()
DATES = X.index.get_level_values("date")
# scikit-learn cannot take rows of pandas 3's index of text.
ASSETS = X.index.get_level_values("asset").to_numpy(dtype=object)
ARRAYS = X.to_numpy(), Y.to_numpy()
FOLDS = list(GroupKFold(3).split(X, Y, groups=DATES))
PANEL = {
    ic_scorer: ic,
    rank_ic_scorer: rank_ic,
    icir_scorer: icir,
    r2_zero_scorer: r2_zero,
    ForecastScorer(long_short_sharpe, n_quantiles=3): (
        lambda y, p: long_short_sharpe(y, p, n_quantiles=3)
    ),
}
ALONE = {
    rank_autocorrelation_scorer: rank_autocorrelation,
    ForecastScorer(quantile_turnover, greater_is_better=False, n_quantiles=3): (
        lambda p: -quantile_turnover(p, n_quantiles=3)
    ),
}
panel_scorers = pytest.mark.parametrize("scorer", PANEL, ids=repr)
dated_scorers = pytest.mark.parametrize(
    "scorer", [s for s in PANEL if s is not r2_zero_scorer], ids=repr
)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def wide():
    return make_two_pass(random_state=0, return_X_y=True)


def by_hand(metric, estimator):
    """The metric of each fold, on labelled frames."""
    scores = []
    for train, test in FOLDS:
        fitted = clone(estimator).fit(X.iloc[train], Y.iloc[train])
        scores.append(metric(Y.iloc[test], fitted.predict(X.iloc[test])))
    return scores


# --- dates from the index -----------------------------------------------------------------------


@panel_scorers
def test_cross_validation_gives_the_metric_of_each_fold(scorer):
    found = cross_val_score(FamaMacBeth(), X, Y, cv=FOLDS, scoring=scorer)
    assert_allclose(found, by_hand(PANEL[scorer], FamaMacBeth()), rtol=1e-12)


@pytest.mark.parametrize("scorer", ALONE, ids=repr)
def test_metrics_of_predictions_alone_get_their_labels(scorer):
    found = cross_val_score(Ridge(), X, Y, cv=FOLDS, scoring=scorer)

    def labelled(y, p):
        return ALONE[scorer](pd.Series(p, index=y.index))

    assert_allclose(found, by_hand(labelled, Ridge()), rtol=1e-12)


@panel_scorers
def test_the_index_of_either_x_or_y_is_enough(scorer):
    model = FamaMacBeth().fit(X, Y)
    expected = scorer(model, X, Y)
    assert scorer(model, X, ARRAYS[1]) == expected
    plain = LinearRegression().fit(*ARRAYS)
    assert_allclose(scorer(plain, ARRAYS[0], Y), PANEL[scorer](Y, plain.predict(ARRAYS[0])))


def test_several_scores_and_a_grid_search():
    scoring = {"ic": ic_scorer, "rank_ic": rank_ic_scorer, "r2": "r2"}
    found = cross_validate(FamaMacBeth(), X, Y, cv=FOLDS, scoring=scoring)
    assert_allclose(found["test_ic"], by_hand(ic, FamaMacBeth()), rtol=1e-12)
    assert_allclose(found["test_rank_ic"], by_hand(rank_ic, FamaMacBeth()), rtol=1e-12)
    grid = {"ridge__alpha": [1.0, 1e6]}
    search = GridSearchCV(make_pipeline(Ridge()), grid, scoring=rank_ic_scorer, cv=FOLDS)
    search.fit(X, Y)
    for alpha, score in zip([1.0, 1e6], search.cv_results_["mean_test_score"], strict=True):
        assert_allclose(score, np.mean(by_hand(rank_ic, Ridge(alpha=alpha))), rtol=1e-12)
    assert search.score(X, Y) == rank_ic(Y, search.predict(X))


def test_a_selector_that_strips_the_index_of_x_is_scored_by_that_of_y():
    signal = X.assign(signal=Y + Y.std() * np.random.default_rng(0).normal(size=len(Y)))
    selector = SequentialFeatureSelector(
        LinearRegression(), n_features_to_select=1, scoring=rank_ic_scorer, cv=FOLDS
    )
    selector.fit(signal, Y)
    assert list(selector.get_feature_names_out()) == ["signal"]


class _CountsPredictions(BaseEstimator):
    def fit(self, X, y):
        self.calls_ = 0
        return self

    def predict(self, X):
        self.calls_ += 1
        return np.asarray(X)[:, 0]


def test_scorers_of_one_estimator_share_its_predictions():
    scoring = {"ic": ic_scorer, "rank_ic": rank_ic_scorer, "icir": icir_scorer}
    found = cross_validate(
        _CountsPredictions(), X, Y, cv=FOLDS, scoring=scoring, return_estimator=True
    )
    assert [estimator.calls_ for estimator in found["estimator"]] == [1, 1, 1]


# --- routed dates -------------------------------------------------------------------------------


@panel_scorers
def test_routed_dates_score_plain_arrays(scorer, routing):
    params = {"dates": DATES}
    found = cross_val_score(FamaMacBeth(), *ARRAYS, cv=FOLDS, scoring=scorer, params=params)
    assert_allclose(found, by_hand(PANEL[scorer], FamaMacBeth()), rtol=1e-9)


@panel_scorers
def test_routed_dates_reach_the_steps_that_predict_needs(scorer, routing):
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    params = {"dates": DATES}
    found = cross_val_score(pipeline, *ARRAYS, cv=FOLDS, scoring=scorer, params=params)
    assert_allclose(found, by_hand(PANEL[scorer], pipeline), rtol=1e-9)
    search = GridSearchCV(pipeline, {"factorzscorer__ddof": [0, 1]}, scoring=scorer, cv=FOLDS)
    search.fit(*ARRAYS, dates=DATES)
    assert_allclose(search.cv_results_["mean_test_score"][0], found.mean(), rtol=1e-12)


def test_routed_dates_split_fit_and_score(routing):
    pipeline, cv = make_pipeline(FactorZScorer(), FamaMacBeth()), WalkForwardSplit(3)
    params = {"dates": DATES}
    found = cross_val_score(pipeline, *ARRAYS, cv=cv, scoring=rank_ic_scorer, params=params)
    frames = cross_val_score(pipeline, X, Y, cv=cv, scoring=rank_ic_scorer)
    assert_allclose(found, frames, rtol=1e-9)


@pytest.mark.parametrize("scorer", ALONE, ids=repr)
def test_routed_assets_reach_the_metrics_that_follow_them(scorer, routing):
    params = {"dates": DATES, "assets": ASSETS}
    found = cross_val_score(Ridge(), *ARRAYS, cv=FOLDS, scoring=scorer, params=params)
    assert_allclose(found, cross_val_score(Ridge(), X, Y, cv=FOLDS, scoring=scorer), rtol=1e-12)


def test_groups_reach_predict_and_the_metric_only_if_it_asks(routing):
    group = np.where(np.unique(ASSETS)[10] > ASSETS, "a", "b")
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    params = {"dates": DATES, "groupby": group}
    model = pipeline.fit(*ARRAYS, **params)
    predicted = model.predict(ARRAYS[0], **params)
    across = rank_ic_scorer(model, *ARRAYS, **params)
    assert_allclose(across, rank_ic(Y, predicted), rtol=1e-12)
    within = ForecastScorer(rank_ic, within_groups=True)(model, *ARRAYS, **params)
    assert_allclose(within, rank_ic(Y, predicted, groupby=group), rtol=1e-12)
    assert within != across


def test_dates_may_be_given_to_a_scorer_without_routing():
    model = LinearRegression().fit(*ARRAYS)
    assert rank_ic_scorer(model, *ARRAYS, dates=DATES) == rank_ic_scorer(model, ARRAYS[0], Y)


def test_weights_are_scored_with_only_if_requested(routing):
    weight = np.random.default_rng(0).random(len(Y))
    params = {"dates": DATES, "sample_weight": weight}
    model = FamaMacBeth().set_fit_request(sample_weight=False)
    own = ForecastScorer(r2_zero).set_score_request(sample_weight=True)
    weighted = cross_val_score(model, *ARRAYS, cv=FOLDS, scoring=own, params=params)
    train, test = FOLDS[0]
    predicted = FamaMacBeth().fit(X.iloc[train], Y.iloc[train]).predict(X.iloc[test])
    expected = r2_zero(Y.iloc[test], predicted, sample_weight=weight[test])
    assert_allclose(weighted[0], expected, rtol=1e-9)


def test_a_request_leaves_the_shared_scorer_as_it_is(routing):
    weight = np.random.default_rng(0).random(len(Y)) ** 3
    params = {"dates": DATES, "sample_weight": weight}
    model = FamaMacBeth().set_fit_request(sample_weight=False)
    scoring = {"weighted": ic_scorer.set_score_request(sample_weight=True), "plain": ic_scorer}
    scores = cross_validate(model, *ARRAYS, cv=FOLDS, scoring=scoring, params=params)
    train, test = FOLDS[0]
    predicted = FamaMacBeth().fit(X.iloc[train], Y.iloc[train]).predict(X.iloc[test])
    expected = ic(Y.iloc[test], predicted, sample_weight=weight[test])
    assert_allclose(scores["test_weighted"][0], expected, rtol=1e-9)
    assert_allclose(scores["test_plain"][0], ic(Y.iloc[test], predicted), rtol=1e-9)


@pytest.mark.parametrize("metric", [ic, rank_ic, icir, long_short_sharpe, r2_zero])
def test_a_requested_weight_is_used(metric, routing):
    options = {"n_quantiles": 3} if metric is long_short_sharpe else {}
    weight = np.random.default_rng(0).random(len(Y)) ** 3
    scorer = ForecastScorer(metric, **options).set_score_request(sample_weight=True)
    model = FamaMacBeth().fit(*ARRAYS, dates=DATES)
    found = scorer(model, *ARRAYS, dates=DATES, sample_weight=weight)
    expected = metric(Y, model.predict(ARRAYS[0]), sample_weight=weight, **options)
    assert_allclose(found, expected, rtol=1e-9)
    assert found != scorer(model, *ARRAYS, dates=DATES)


@pytest.mark.parametrize("scorer", [neg_quantile_turnover_scorer, rank_autocorrelation_scorer])
def test_metadata_that_would_be_ignored_are_refused(scorer, routing):
    with pytest.raises(TypeError, match=r"has no use for \['sample_weight'\].*takes \['assets'"):
        clone(scorer, safe=False).set_score_request(sample_weight=True)
    with pytest.raises(TypeError, match="has no use for"):
        ForecastScorer(ic).set_score_request(cluster=True)
    with pytest.raises(TypeError, match="has no use for"):
        scorer(FamaMacBeth().fit(X, Y), X, Y, sample_weight=np.ones(len(Y)))
    ForecastScorer(ic).set_score_request(cluster=None)


def test_a_search_on_arrays_is_scored_inside_of_cross_validation(routing):
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    cv = WalkForwardSplit(2)
    search = GridSearchCV(pipeline, {"factorzscorer__ddof": [0]}, scoring=rank_ic_scorer, cv=cv)
    found = cross_validate(search, *ARRAYS, cv=cv, scoring=rank_ic_scorer, params={"dates": DATES})[
        "test_score"
    ]
    assert_allclose(found, cross_val_score(pipeline, X, Y, cv=cv, scoring=rank_ic_scorer))


# --- wide form ----------------------------------------------------------------------------------


def test_wide_scorers(wide):
    factors, returns = wide
    model = FamaMacBeth().fit(factors, returns)
    predicted = model.predict(factors)
    r2 = cross_sectional_r2_score(returns, predicted)
    assert cross_sectional_r2_scorer(model, factors, returns) == r2
    assert neg_pricing_rmse_scorer(model, factors, returns) == -pricing_rmse(returns, predicted)
    found = cross_val_score(
        FamaMacBeth(), factors, returns, cv=3, scoring=cross_sectional_r2_scorer
    )
    assert_allclose(found, cross_val_score(FamaMacBeth(), factors, returns, cv=3), rtol=1e-10)


@dated_scorers
def test_a_wide_target_in_a_panel_scorer_raises(scorer, wide):
    model = FamaMacBeth().fit(*wide)
    with pytest.raises(ValueError, match=r"y_true has \d+ columns.*for panels.*pricing_rmse"):
        scorer(model, *wide)


@pytest.mark.parametrize("scorer", [cross_sectional_r2_scorer, neg_pricing_rmse_scorer], ids=repr)
def test_a_panel_in_a_wide_scorer_raises(scorer):
    with pytest.raises(ValueError, match=r"compares the average returns.*rank_ic"):
        scorer(FamaMacBeth().fit(X, Y), X, Y)


# --- the objects --------------------------------------------------------------------------------


def test_they_print_what_they_are():
    assert repr(rank_ic_scorer) == "ForecastScorer(rank_ic)"
    assert repr(neg_pricing_rmse_scorer) == "ForecastScorer(pricing_rmse, greater_is_better=False)"
    grouped = ForecastScorer(icir, within_groups=True, method="spearman")
    assert repr(grouped) == "ForecastScorer(icir, within_groups=True, method='spearman')"


@pytest.mark.parametrize(
    "scorer", [rank_ic_scorer, long_short_sharpe_scorer, neg_quantile_turnover_scorer]
)
def test_they_can_be_sent_to_other_processes(scorer):
    assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)


def test_lost_dates_raise():
    with pytest.raises(ValueError, match="there are no dates"):
        rank_ic_scorer(LinearRegression().fit(*ARRAYS), *ARRAYS)
    tickers = X.set_axis([f"t{i}" for i in range(len(X))], axis=0)
    with pytest.raises(ValueError, match="there are no dates"):
        rank_ic_scorer(LinearRegression().fit(X, Y), tickers, ARRAYS[1])


def test_shuffled_rows_raise():
    with pytest.raises(ValueError, match="X and y have different indexes"):
        rank_ic_scorer(LinearRegression().fit(X, Y), X, Y[::-1])


def test_unknown_options_raise():
    with pytest.raises(TypeError, match=r"rank_ic has no parameters \['n_quantiles'\]"):
        ForecastScorer(rank_ic, n_quantiles=5)
    with pytest.raises(TypeError, match="r2_zero has no groupby"):
        ForecastScorer(r2_zero, within_groups=True)


def test_scorers_are_found_by_name():
    for name in ("ic", "rank_ic", "icir", "r2_zero", "long_short_sharpe", "cross_sectional_r2"):
        assert get_scorer(name) is getattr(metrics, f"{name}_scorer")
    assert get_scorer("r2") is not None  # of scikit-learn
    assert get_scorer(rank_ic_scorer) is rank_ic_scorer
    for wrong in ("rank_icc", None, 3):
        with pytest.raises(
            ValueError, match=r"is not a scorer: neither one of \['cross_sec.*get_sco"
        ):
            get_scorer(wrong)

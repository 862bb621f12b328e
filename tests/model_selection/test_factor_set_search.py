"""FactorSetSearchCV: what it finds, how it fits into scikit-learn, and what it says of mistakes."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skfactor import (
    FactorBetas,
    FactorNeutralizer,
    FactorZScorer,
    FamaMacBeth,
    TradedFactorModel,
    Winsorizer,
)
from skfactor.datasets import load_french, make_panel
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning
from skfactor.metrics import ic_scorer, r2_zero_scorer, rank_ic_scorer
from skfactor.model_selection import FactorSetSearchCV, PurgedKFold, WalkForwardSplit

CV = PurgedKFold(3)


@pytest.fixture(scope="module")
def panel():
    return make_panel(n_dates=40, n_assets=50, random_state=0, return_X_y=True)


@pytest.fixture(scope="module")
def french():
    data = load_french()
    returns = data.filter(regex="^S[135][VM]").sub(data["RF"], axis=0)
    return data[["MktRF", "SMB", "HML", "Mom"]], returns


# --- scikit-learn's checks ------------------------------------------------------------------------


# These checks feed arrays, and sometimes a single row.
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning")
@parametrize_with_checks([FactorSetSearchCV(FamaMacBeth(), max_size=1, cv=KFold(2))])
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


# --- what it finds --------------------------------------------------------------------------------


def test_a_planted_signal_is_found(panel):
    rng = np.random.default_rng(0)
    X, _ = panel
    y = 0.03 * X["x2"] - 0.03 * X["x4"] + 0.05 * rng.normal(size=len(X))
    for options in (
        {},
        {"rule": "one-se"},
        {"strategy": "forward"},
        {"strategy": "backward"},
        {"strategy": "beam", "beam_width": 3},
    ):
        search = FactorSetSearchCV(FamaMacBeth(), scoring="r2_zero", cv=CV, **options).fit(X, y)
        assert {"x2", "x4"} <= set(search.best_set_)
        assert search.results_["score", "mean"].is_monotonic_decreasing
    assert FactorSetSearchCV(FamaMacBeth(), rule="one-se", cv=CV).fit(X, y).best_set_ == (
        "x2",
        "x4",
    )


def test_results_say_what_was_tried(panel):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), scoring="ic", cv=CV, max_size=2).fit(X, y)
    table = search.results_
    assert search.n_sets_ == len(table) == len(search.sets_) == 15
    assert search.n_splits_ == 3
    assert search.engine_ == "moments"
    assert search.reason_ == ""
    splits = table["score"].filter(like="split")
    assert_allclose(table["score", "mean"], splits.mean(axis=1), rtol=1e-12)
    assert_allclose(table["score", "std_error"], splits.sem(axis=1), rtol=1e-10)
    assert table.index[search.best_index_] == " + ".join(search.best_set_)
    assert search.best_score_ == table["score", "mean"].max()
    for label, chosen in zip(table.index, search.sets_, strict=True):
        premia = table.loc[label, "premium"]
        assert tuple(premia.dropna().index) == chosen
        assert table.loc[label, ("set", "size")] == len(chosen)


def test_the_best_set_is_refitted_and_predicts(panel):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), scoring="ic", cv=CV).fit(X, y)
    chosen = X[list(search.best_set_)]
    model = FamaMacBeth().fit(chosen, y)
    assert_allclose(search.predict(X), model.predict(chosen), rtol=1e-12)
    assert_allclose(search.score(X, y), ic_scorer(model, chosen, y), rtol=1e-12)
    pd.testing.assert_frame_equal(search.transform(X), chosen)
    assert list(search.get_feature_names_out()) == list(search.best_set_)
    assert "Risk premia" in str(search.best_estimator_.summary())
    without = FactorSetSearchCV(FamaMacBeth(), cv=CV, refit=False).fit(X, y)
    assert not hasattr(without, "predict")
    assert not hasattr(without, "best_estimator_")


def test_ties_go_to_the_smaller_set(panel):
    X, y = panel
    X = X[["x1"]].assign(zero=0.0)
    model = FamaMacBeth(fit_intercept=False)
    with pytest.warns(RankDeficientWarning, match="2 of 3 sets"):
        search = FactorSetSearchCV(model, cv=CV).fit(X, y)
    assert search.best_set_ == ("x1",)


def test_given_sets_keep_their_names(french):
    sets = {"CAPM": ["MktRF"], "FF3": ["MktRF", "SMB", "HML"]}
    search = FactorSetSearchCV(TradedFactorModel(), candidates=sets).fit(*french)
    assert set(search.results_.index) == {"CAPM", "FF3"}
    assert search.superior_to("CAPM", n_draws=50, random_state=0).reference == "CAPM"
    always = FactorSetSearchCV(
        TradedFactorModel(), candidates=[["SMB"], ["HML"]], always=["MktRF"], cv=CV
    ).fit(*french)
    assert set(always.results_.index) == {"MktRF + SMB", "MktRF + HML"}


def test_a_search_of_groups(panel):
    X, y = panel
    search = FactorSetSearchCV(
        FamaMacBeth(), groups={"pair": ["x1", "x3"]}, always=["x5"], max_size=2, cv=CV
    ).fit(X, y)
    assert set(search.results_.index) == {"x5", "x1 + x3 + x5", "x2 + x5", "x4 + x5"}
    assert search.results_["set", "size"].max() == 2


# --- other scores and models ----------------------------------------------------------------------


def test_a_score_that_needs_rows_is_that_of_the_best_by_another(panel):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), scoring=rank_ic_scorer, n_candidates=4, cv=CV)
    search.fit(X, y)
    assert search.engine_ == "moments, then refit"
    assert search.n_sets_ == 31
    assert len(search.results_) == 4
    screened = FactorSetSearchCV(FamaMacBeth(), scoring="ic", cv=CV).fit(X, y).results_
    assert set(search.results_.index) == set(screened.index[:4])
    for label in search.results_.index:
        expected = cross_val_score(
            FamaMacBeth(), X[label.split(" + ")], y, cv=CV, scoring=rank_ic_scorer
        )
        row = search.results_.loc[label, "score"]
        assert_allclose(row.filter(like="split"), expected, rtol=1e-12)
        assert_allclose(row["screening"], screened.loc[label, ("score", "mean")], rtol=1e-12)


def test_steps_that_work_column_by_column_are_fitted_once(panel):
    X, y = panel
    pipeline = make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())
    search = FactorSetSearchCV(pipeline, scoring="r2_zero", cv=CV).fit(X, y)
    assert search.engine_ == "moments"
    for label in ("x1", "x2 + x4"):
        expected = cross_val_score(
            pipeline, X[label.split(" + ")], y, cv=CV, scoring=r2_zero_scorer
        )
        found = search.results_.loc[label, "score"].filter(like="split")
        assert_allclose(found, expected, rtol=1e-9)
    assert_allclose(search.predict(X), search.best_estimator_.predict(search.transform(X)))


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (make_pipeline(FactorNeutralizer(), FamaMacBeth()), "several columns or dates"),
        (make_pipeline(FactorZScorer(indicators=[]), FamaMacBeth()), "names columns"),
        (LinearRegression(), "panels of LinearRegression"),
    ],
)
def test_other_estimators_are_refitted_and_that_is_said(panel, pipeline, reason):
    X, y = panel
    X = X[["x1", "x2"]]
    search = FactorSetSearchCV(pipeline, scoring="r2", cv=CV).fit(X, y)
    assert search.engine_ == "refit"
    assert reason in search.reason_
    for label in search.results_.index:
        expected = cross_val_score(pipeline, X[label.split(" + ")], y, cv=CV)
        found = search.results_.loc[label, "score"].filter(like="split")
        assert_allclose(found, expected, rtol=1e-12)
    with pytest.warns(UserWarning, match="after those that they test"):
        test = search.superior_to("x1", n_draws=20, random_state=0)
    assert test.n_dates == 40


def test_a_long_two_pass_pipeline_estimates_the_betas_of_each_set():
    rng = np.random.default_rng(0)
    factors = pd.DataFrame(rng.normal(size=(40, 2)), pd.RangeIndex(1980, 2020, name="year"))
    betas = rng.normal(size=(2, 12))
    returns = factors.to_numpy() @ betas + rng.normal(size=(40, 12))
    y = pd.DataFrame(returns, factors.index).rename_axis(columns="asset").stack()
    X = factors.loc[y.index.get_level_values("year")].set_axis(y.index).rename(columns=str)
    pipeline = make_pipeline(FactorBetas(), FamaMacBeth())
    search = FactorSetSearchCV(pipeline, cv=CV).fit(X, y)
    assert search.engine_ == "refit"
    expected = cross_val_score(pipeline, X[["0"]], y, cv=CV)
    found = search.results_.loc["0", "score"].filter(like="split")
    assert_allclose(found, expected, rtol=1e-12)


# --- how it fits in -------------------------------------------------------------------------------


def test_it_nests(panel):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), max_size=2, scoring="ic", cv=PurgedKFold(2))
    scores = cross_val_score(search, X, y, cv=CV, scoring=ic_scorer)
    for (train, test), score in zip(CV.split(X, y), scores, strict=True):
        fitted = clone(search).fit(X.iloc[train], y.iloc[train])
        assert_allclose(ic_scorer(fitted, X.iloc[test], y.iloc[test]), score)
    grid = GridSearchCV(search, {"max_size": [1, 2]}, cv=CV).fit(X, y)
    assert grid.best_params_["max_size"] in (1, 2)
    pipeline = make_pipeline(FactorZScorer(), search, FamaMacBeth()).fit(X, y)
    assert pipeline[-1].n_features_in_ == len(pipeline[1].best_set_)


def test_containers_are_alike(panel):
    X, y = panel
    dates = X.index.get_level_values("date")
    search = FactorSetSearchCV(FamaMacBeth(), scoring="ic", cv=CV)
    expected = search.fit(X, y)
    codes = X.index.codes[0]
    arrays = clone(search).fit(X.to_numpy(), y.to_numpy(), dates=codes)
    assert arrays.best_set_ == tuple(list(X).index(name) for name in expected.best_set_)
    assert_allclose(arrays.results_["score", "mean"], expected.results_["score", "mean"])
    assert arrays.transform(X.to_numpy()).shape == (len(X), len(arrays.best_set_))
    frame = pl.DataFrame({name: X[name].to_numpy() for name in X})
    polars = clone(search).fit(frame, y.to_numpy(), dates=dates)
    assert polars.best_set_ == expected.best_set_
    assert polars.transform(frame).columns == list(expected.best_set_)
    assert_allclose(polars.predict(frame), expected.predict(X), rtol=1e-12)


def test_metadata_is_routed(panel):
    X, y = panel
    weights = np.random.default_rng(0).random(len(X))
    direct = FactorSetSearchCV(FamaMacBeth(), cv=CV).fit(X, y, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        model = FamaMacBeth().set_fit_request(sample_weight=True)
        search = FactorSetSearchCV(model, cv=CV)
        routed = search.fit(X, y, sample_weight=weights)
        pd.testing.assert_frame_equal(direct.results_, routed.results_)
        codes = X.index.codes[0]
        arrays = search.fit(X.to_numpy(), y.to_numpy(), sample_weight=weights, dates=codes)
        assert_allclose(arrays.best_score_, direct.best_score_)
        outer = cross_val_score(
            search,
            X.to_numpy(),
            y.to_numpy(),
            cv=PurgedKFold(2),
            params={"dates": codes, "sample_weight": weights},
        )
        assert np.isfinite(outer).all()
        groups = np.where(X["x1"] > 0, "a", "b")
        pipeline = make_pipeline(FactorZScorer().set_fit_request(groupby=True), FamaMacBeth())
        by_group = FactorSetSearchCV(pipeline, cv=CV, max_size=1).fit(X, y, groupby=groups)
        assert by_group.engine_ == "refit"
    with pytest.raises(ValueError, match="takes no dates; only metadata routing"):
        FactorSetSearchCV(make_pipeline(FactorZScorer(), FamaMacBeth()), cv=CV).fit(
            X.to_numpy(), y.to_numpy(), dates=codes
        )


def test_it_pickles_without_its_moments(panel):
    search = FactorSetSearchCV(FamaMacBeth(), cv=CV).fit(*panel)
    copy = pickle.loads(pickle.dumps(search))
    assert_allclose(copy.predict(panel[0]), search.predict(panel[0]))
    with pytest.raises(ValueError, match="was pickled"):
        copy.superior_to(["x1"])


def test_a_failed_fit_leaves_the_earlier_one(panel):
    search = FactorSetSearchCV(FamaMacBeth(), cv=CV).fit(*panel)
    before = search.best_set_
    with pytest.raises(ValueError, match="infinity"):
        search.fit(panel[0].assign(x1=np.inf), panel[1])
    assert search.best_set_ == before


def test_the_summary_says_that_the_best_score_is_biased(panel):
    search = FactorSetSearchCV(FamaMacBeth(), scoring="ic", cv=CV).fit(*panel)
    text = str(search.summary())
    assert "biased upwards: it is the largest of 31 scores" in text
    assert "cross_val_score(search" in text
    assert " + ".join(search.best_set_) in text
    assert "<table" in search.summary().as_html()


def test_progress_is_counted_in_sets(panel):
    callback = pytest.importorskip("sklearn.callback")
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), cv=CV, max_size=2)
    search.set_callbacks(callback.ProgressBar())
    assert search.fit(X, y).n_sets_ == 15
    assert search.set_params(strategy="forward").fit(X, y).n_sets_ == 9


# --- mistakes -------------------------------------------------------------------------------------


def test_mistakes_are_told(panel, french):
    X, y = panel

    def error(message, X=X, y=y, model=None, **options):
        search = FactorSetSearchCV(FamaMacBeth() if model is None else model, cv=CV)
        with pytest.raises(ValueError, match=message):
            search.set_params(**options).fit(X, y)

    few = X.index.get_level_values("asset") < "A04"
    error("max_size=4 needs 5 assets", X[few], y[few], max_size=4)
    error("candidates is empty", candidates=[])
    error("candidates= are the sets to try", candidates=[["x1"]], strategy="forward")
    error("candidates= are the sets to try", candidates=[["x1"]], max_size=1)
    error("Leave out groups", candidates=[["x1"]], groups=[["x1", "x2"]])
    error("always names", always=["nothing"])
    error("is in the groups", groups=[["x1", "x2"], ["x2", "x3"]])
    error("in always= and in the group", always=["x1"], groups=[["x1", "x2"]])
    error("does not follow from moments", scoring=rank_ic_scorer, screening="rank")
    error("in train and in test", cv=KFold(3, shuffle=True, random_state=0))
    error("infinity", X.assign(x1=np.inf))
    error("do not hold numbers", X.assign(x1="text"))
    error("occur more than once", X.set_axis(["x1", "x1", "x2", "x3", "x4"], axis=1))
    error("different indexes", X, y.iloc[::-1])
    error("None of the 1 sets", X[["x1"]].assign(x1=1.0), y)
    error("common_rows=True needs", model=LinearRegression(), common_rows=True)
    error("worked out from the moments", model=LinearRegression(), scoring="sharpe")
    search = FactorSetSearchCV(FamaMacBeth(), cv=CV).fit(X, y)
    with pytest.raises(ValueError, match="is not one of the sets that were tried"):
        search.superior_to("CAPM")
    wide = make_panel(30, 40, 20, random_state=0, return_X_y=True)[0]
    wide = pd.concat([wide, wide.add_prefix("z")], axis=1)
    error("There are 1,099,511,627,775 sets", wide, wide["x01"].rename(None))


def test_without_dates_rows_are_one_cross_section_and_that_warns(panel):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), cv=KFold(2), max_size=1)
    with pytest.warns(NoDatesWarning):
        search.fit(X.to_numpy(), y.to_numpy())
    assert "no dates" in search.reason_


def test_a_walk_forward_split_is_the_default(panel):
    X, y = panel
    default = FactorSetSearchCV(FamaMacBeth()).fit(X, y)
    named = FactorSetSearchCV(FamaMacBeth(), cv=WalkForwardSplit()).fit(X, y)
    pd.testing.assert_frame_equal(default.results_, named.results_)

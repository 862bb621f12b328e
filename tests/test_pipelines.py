"""The estimators inside scikit-learn's pipelines, searches and ensembles.

Whatever hands rows on with their dates gives the numbers of doing it by hand; whatever loses them
raises or warns, and says what to do.
"""

from __future__ import annotations

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference_premia import (
    FACTORS,
    characteristics,
    french_two_pass,
    random_two_pass,
    to_long,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.feature_selection import RFE, SelectKBest, SequentialFeatureSelector, f_regression
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    permutation_test_score,
)
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PolynomialFeatures,
    StandardScaler,
)

from skfactor import FactorBetas, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.exceptions import NoDatesWarning

LOST = r"y is indexed by date but X .* is not.*set_output\(transform=\"pandas\"\)"
FOLDS = KFold(3)

X, Y = characteristics()
DATES = X.index.get_level_values("date")
HOLED = X.mask(np.random.default_rng(1).random(X.shape) < 0.05)


@pytest.fixture
def pandas_output():
    with config_context(transform_output="pandas"):
        yield


def _per_date():
    return make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())


def _by_hand(features=X, target=Y):
    z_scored = FactorZScorer().fit_transform(Winsorizer(0.05, 0.95).fit_transform(features))
    return FamaMacBeth().fit(z_scored, target).predict(z_scored)


STEPS = {
    "impute": SimpleImputer(),
    "scale": StandardScaler(),
    "pca": PCA(2),
    "polynomials": PolynomialFeatures(2, include_bias=False),
    "select": SelectKBest(f_regression, k=2),
    "columns": ColumnTransformer([("a", StandardScaler(), ["x2"]), ("b", "passthrough", ["x0"])]),
    "union": FeatureUnion(
        [("a", StandardScaler()), ("b", PolynomialFeatures((2, 2), include_bias=False))]
    ),
}
# Steps that return frames whose index only numbers the rows, or arrays whatever they are told.
LOSING = {
    "bins": KBinsDiscretizer(3, encode="onehot-dense", strategy="kmeans", random_state=0),
    "function": FunctionTransformer(validate=True),
}


# --- steps before -------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["default", "pandas", "config"])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_before_fama_macbeth_may_lose_the_index_that_y_keeps(name, output):
    step, features = STEPS[name], HOLED if name == "impute" else X
    by_hand = np.asarray(clone(step).fit_transform(features, Y), dtype=float)
    expected = FamaMacBeth().fit(by_hand, Y.to_numpy(), dates=DATES)
    pipeline = clone(make_pipeline(step, FamaMacBeth()))
    if output == "pandas":
        pipeline.set_output(transform="pandas")
    with config_context(transform_output="pandas" if output == "config" else "default"):
        pipeline.fit(features, Y)
        assert_allclose(pipeline[-1].premia_, expected.premia_, rtol=1e-9)
        assert_allclose(pipeline.predict(features), expected.predict(by_hand), rtol=1e-9)
        assert_allclose(pipeline.score(features, Y), expected.score(by_hand, Y), rtol=1e-9)


@pytest.mark.parametrize("transformer", [Winsorizer(0.1, 0.9), FactorZScorer()])
@pytest.mark.parametrize("name", STEPS)
def test_a_per_date_step_needs_pandas_output_before_it(name, transformer, pandas_output):
    step, features = STEPS[name], HOLED if name == "impute" else X
    pipeline = clone(make_pipeline(step, transformer, FamaMacBeth()))
    with (
        config_context(transform_output="default"),
        pytest.raises(ValueError, match=LOST),
    ):
        pipeline.fit(features, Y)
    by_hand = pd.DataFrame(np.asarray(clone(step).fit_transform(features, Y)), X.index)
    expected = clone(transformer).fit_transform(by_hand)
    model = FamaMacBeth().fit(expected, Y)
    pipeline.fit(features, Y)
    assert_allclose(pipeline[-1].premia_, model.premia_, rtol=1e-9)
    assert_allclose(pipeline.predict(features), model.predict(expected), rtol=1e-9)
    later = features[DATES.isin(DATES.unique()[1:])]
    values = np.asarray(pipeline[0].transform(later))
    alone = clone(transformer).fit_transform(pd.DataFrame(values, later.index))
    assert_allclose(pipeline.predict(later), model.predict(alone), rtol=1e-9)


@pytest.mark.parametrize("name", LOSING)
# Transformers that return arrays are among these steps, and scikit-learn warns of them.
@pytest.mark.filterwarnings("ignore:When `set_output` is configured to be 'pandas'")
def test_steps_that_reset_the_index_raise_before_a_per_date_step(name, pandas_output):
    with pytest.raises(ValueError, match=LOST):
        make_pipeline(LOSING[name], Winsorizer(), FamaMacBeth()).fit(X, Y)
    model = FamaMacBeth(fit_intercept=False)
    pipeline = make_pipeline(LOSING[name], clone(model)).fit(X[["x0"]], Y)
    by_hand = np.asarray(clone(LOSING[name]).fit_transform(X[["x0"]]))
    assert_allclose(pipeline[-1].premia_, model.fit(by_hand, Y, dates=DATES).premia_)


def test_rows_without_dates_raise_after_a_fit_with_dates():
    pipeline = _per_date().fit(X, Y)
    for features in (X.reset_index(drop=True), X.reset_index()[["x0", "x1", "x2"]]):
        with pytest.raises(ValueError, match=r"Winsorizer was fitted on rows with dates.*set_outp"):
            pipeline.predict(features)


def test_per_date_steps_before_others_keep_their_dates(pandas_output):
    for output in ("default", "pandas"):
        with config_context(transform_output=output):
            pipeline = make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), PCA(2), FamaMacBeth())
            predicted = pipeline.fit(X, Y).predict(X)
    z_scored = FactorZScorer().fit_transform(Winsorizer(0.05, 0.95).fit_transform(X))
    rotated = pd.DataFrame(np.asarray(PCA(2).fit_transform(z_scored)), X.index)
    assert_allclose(predicted, FamaMacBeth().fit(rotated, Y).predict(rotated), rtol=1e-9)


@pytest.mark.parametrize(
    "step",
    [
        FeatureUnion([("w", Winsorizer(0.1, 0.9))]),
        ColumnTransformer([("z", FactorZScorer(), ["x1"]), ("w", Winsorizer(), ["x0", "x2"])]),
    ],
)
def test_columns_and_unions_of_per_date_steps_keep_dates_only_as_frames(step, pandas_output):
    pipeline = make_pipeline(step, FactorZScorer(), FamaMacBeth())
    with config_context(transform_output="default"), pytest.raises(ValueError, match=LOST):
        clone(pipeline).fit(X, Y)
    fitted = pipeline.fit(X, Y)
    by_hand = FactorZScorer().fit_transform(fitted[0].transform(X))
    assert_allclose(fitted[-1].premia_, FamaMacBeth().fit(by_hand, Y).premia_, rtol=1e-9)


def test_rows_levels_and_labels_do_not_change_a_pipeline():
    expected = _per_date().fit(X, Y)
    order = np.random.default_rng(2).permutation(len(X))
    names = {label: f"z{i:02d}" for i, label in enumerate(X.index.unique("asset")[::-1])}
    for change in (
        lambda data: data.iloc[order],
        lambda data: data.swaplevel(),
        lambda data: data.rename(index=names, level="asset"),
    ):
        fitted = _per_date().fit(change(X), change(Y))
        assert_allclose(fitted[-1].premia_, expected[-1].premia_, rtol=1e-10)
        predicted = pd.Series(expected.predict(X), X.index)
        assert_allclose(fitted.predict(change(X)), change(predicted), rtol=1e-10)


# --- meta-estimators ----------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_transformed_target_keeps_the_dates_of_x(output):
    with config_context(transform_output=output):
        scaled = TransformedTargetRegressor(_per_date(), transformer=StandardScaler()).fit(X, Y)
    assert_allclose(scaled.predict(X), _by_hand(), rtol=1e-9)  # least squares follow the units


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_voting_and_stacking_keep_the_dates_of_x(output):
    models = [("per date", _per_date()), ("raw", FamaMacBeth())]
    raw = FamaMacBeth().fit(X, Y).predict(X)
    with config_context(transform_output=output):
        voting = VotingRegressor(models).fit(X, Y)
        assert_allclose(voting.predict(X), (_by_hand() + raw) / 2.0, rtol=1e-9)
        stacked = StackingRegressor(models, LinearRegression(), cv=FOLDS)
        stacked = stacked.set_output(transform="default").fit(X, Y)
        assert_allclose(stacked.transform(X), np.column_stack([_by_hand(), raw]), rtol=1e-9)
        out_of_fold = [cross_val_predict(model, X, Y.to_numpy(), cv=FOLDS) for _, model in models]
        final = LinearRegression().fit(np.column_stack(out_of_fold), Y)
        assert_allclose(stacked.final_estimator_.coef_, final.coef_, rtol=1e-7)


@pytest.mark.parametrize(
    "consumer",
    [
        RFE(FamaMacBeth(), n_features_to_select=1),
        BaggingRegressor(FamaMacBeth(), n_estimators=1),
        StackingRegressor([("raw", FamaMacBeth())], FamaMacBeth(), cv=FOLDS),
    ],
    ids=["RFE", "Bagging", "final estimator"],
)
def test_consumers_that_lose_both_indexes_are_warned_about(consumer):
    with pytest.warns(NoDatesWarning, match=r"all rows are taken as one cross-section"):
        clone(consumer).fit(X, Y)


def test_sequential_selection_works_on_the_dates_of_y_and_raises_before_per_date_steps():
    selector = SequentialFeatureSelector(FamaMacBeth(), n_features_to_select=1, cv=FOLDS)
    chosen = selector.fit(X, Y).get_support()
    scores = [cross_val_score(FamaMacBeth(), X[[name]], Y, cv=FOLDS).mean() for name in X]
    assert_array_equal(np.flatnonzero(chosen), [np.argmax(scores)])
    selector.set_params(estimator=_per_date())
    with pytest.raises(ValueError, match=LOST):
        selector.fit(X, Y)


# --- searches and cross-validation --------------------------------------------------------------


def _fold_scores(pipeline):
    for train, test in FOLDS.split(X):
        fitted = clone(pipeline).fit(X.iloc[train], Y.iloc[train])
        yield fitted.score(X.iloc[test], Y.iloc[test]), fitted.predict(X.iloc[test])


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_cross_validation_and_grid_search_equal_a_loop(output):
    with config_context(transform_output=output):
        scores, predictions = zip(*_fold_scores(_per_date()), strict=True)
        assert_allclose(cross_val_score(_per_date(), X, Y, cv=FOLDS), scores)
        assert_allclose(cross_val_predict(_per_date(), X, Y, cv=FOLDS), np.concatenate(predictions))
        grid = {"winsorizer__lower": [0.05, 0.2], "famamacbeth__fit_intercept": [True, False]}
        search = GridSearchCV(_per_date(), grid, cv=FOLDS).fit(X, Y)
        by_hand = [
            np.mean([score for score, _ in _fold_scores(clone(_per_date()).set_params(**params))])
            for params in search.cv_results_["params"]
        ]
        assert_allclose(search.cv_results_["mean_test_score"], by_hand)
        best = clone(_per_date()).set_params(**search.cv_results_["params"][np.argmax(by_hand)])
        assert_allclose(search.predict(X), best.fit(X, Y).predict(X))


def test_permutations_of_columns_work_and_of_labels_raise():
    importance = permutation_importance(_per_date().fit(X, Y), X, Y, n_repeats=2, random_state=0)
    assert (importance.importances_mean > 0.0).all()
    with pytest.raises(ValueError, match=r"permutation test shuffles y's index with its values"):
        permutation_test_score(FamaMacBeth(), X, Y, cv=FOLDS, n_permutations=1)
    score, permuted, _ = permutation_test_score(
        FamaMacBeth(), X, Y.to_numpy(), cv=FOLDS, n_permutations=3, random_state=0
    )
    assert score > permuted.max()


# --- two passes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_factor_betas_are_learned_on_the_training_dates_only(output):
    factors, returns = random_two_pass(np.random.default_rng(3), n_periods=80)
    train = to_long(factors[:60], returns[:60])
    test = to_long(factors[60:], returns[60:])
    with config_context(transform_output=output):
        pipeline = make_pipeline(FactorBetas(), FamaMacBeth()).fit(*train)
        predicted = pipeline.predict(test[0])
    wide = FamaMacBeth().fit(factors[:60], returns[:60])
    assert_allclose(pipeline[-1].premia_, wide.premia_, rtol=1e-12)
    assert_allclose(predicted, np.tile(wide.expected_returns_, 20), rtol=1e-11)


def test_cross_validation_compares_sets_of_factors_in_wide_form():
    factors, returns = french_two_pass()
    scores = {}
    for names in (["MktRF"], FACTORS[:3], FACTORS):
        found = cross_val_score(FamaMacBeth(), factors[names], returns, cv=FOLDS)
        by_hand = []
        for train, test in FOLDS.split(factors):
            model = FamaMacBeth().fit(factors[names].iloc[train], returns.iloc[train])
            average = returns.iloc[test].mean()
            errors = average - model.expected_returns_
            by_hand.append(1.0 - (errors**2).sum() / ((average - average.mean()) ** 2).sum())
        assert_allclose(found, by_hand, rtol=1e-9)
        scores[len(names)] = found.mean()
    assert scores[4] > scores[1]  # momentum portfolios need momentum


def test_wide_form_works_in_searches_with_a_first_pass_to_tune():
    factors, returns = random_two_pass(np.random.default_rng(5), missing=0.1)
    search = GridSearchCV(
        FamaMacBeth(betas=FactorBetas()),
        {"betas__fit_intercept": [True, False], "premia_window": [None, 20]},
        cv=FOLDS,
        error_score="raise",
    )
    search.fit(factors, returns)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(factors).shape == returns.shape


# --- copies -------------------------------------------------------------------------------------


def _by_joblib(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return joblib.load(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("copy", [lambda model: pickle.loads(pickle.dumps(model)), _by_joblib])
def test_fitted_models_survive_pickle_and_joblib(copy):
    fitted = _per_date().fit(X, Y)
    again = copy(fitted)
    assert_array_equal(again.predict(X), fitted.predict(X))
    assert str(again[-1].summary()) == str(fitted[-1].summary())
    wide = FamaMacBeth(betas=FactorBetas()).fit(*random_two_pass(np.random.default_rng(6)))
    assert_array_equal(copy(wide).inference("shanken").cov, wide.inference("shanken").cov)


def test_clones_are_unfitted_with_the_same_parameters():
    fitted = FamaMacBeth(betas=FactorBetas(min_periods=7), premia_window=30)
    fitted.fit(*random_two_pass(np.random.default_rng(7)))
    again = clone(fitted)
    assert not hasattr(again, "premia_")
    assert again.get_params()["betas__min_periods"] == 7
    assert again.betas is not fitted.betas
    assert repr(again) == repr(fitted)


def test_threads_give_the_numbers_of_one():
    expected = cross_val_score(_per_date(), X, Y, cv=FOLDS)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert_array_equal(cross_val_score(_per_date(), X, Y, cv=FOLDS), expected)


# --- betas and characteristics together ---------------------------------------------------------


def betas_and_characteristics(seed=0):
    """Market return and two characteristics of each row, and returns; the first asset enters."""
    market, returns = random_two_pass(
        np.random.default_rng(seed), n_periods=40, n_assets=12, n_factors=1
    )
    returns.iloc[:20, 0] = np.nan
    features, target = to_long(market, returns)
    rng = np.random.default_rng(seed + 1)
    features["size"], features["value"] = rng.normal(size=(2, len(features)))
    return features[target.notna()], target[target.notna()]


def joined(kind, betas):
    scores = ["size", "value"]
    if kind == "columns":
        return ColumnTransformer(
            [("beta", betas, ["f0"]), ("scores", FactorZScorer(), scores)],
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")
    pick = [
        ColumnTransformer([("keep", "passthrough", names)], verbose_feature_names_out=False)
        for names in (["f0"], scores)
    ]
    return FeatureUnion(
        [
            ("beta", make_pipeline(pick[0], betas)),
            ("scores", make_pipeline(pick[1], FactorZScorer())),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


@pytest.mark.parametrize("kind", ["columns", "union"])
@pytest.mark.parametrize("lag", [1, 2])
def test_rolling_betas_join_characteristics_as_by_hand(kind, lag):
    features, target = betas_and_characteristics()
    betas = FactorBetas(window=12, min_periods=8, lag=lag)
    model = make_pipeline(joined(kind, betas), FamaMacBeth()).fit(features, target)
    known = betas.fit(features[["f0"]], target).rolling_betas_.groupby(level="asset").shift(lag)
    by_hand = FactorZScorer().fit_transform(features[["size", "value"]])
    by_hand.insert(0, "f0", known["f0"].reindex(features.index))
    expected = FamaMacBeth().fit(by_hand, target)
    assert list(model[-1].premia_.index) == ["const", "f0", "size", "value"]
    assert_array_equal(model[-1].lambdas_["f0"].isna(), np.arange(40) < 7 + lag)
    assert_allclose(model[-1].lambdas_, expected.lambdas_, rtol=1e-9, atol=1e-13)
    rows = np.random.default_rng(0).permutation(len(features))
    shuffled = clone(model).fit(features.iloc[rows], target.iloc[rows])
    assert_allclose(shuffled[-1].lambdas_, expected.lambdas_, rtol=1e-8, atol=1e-12)


def test_slopes_on_rolling_betas_know_nothing_of_later_returns():
    features, target = betas_and_characteristics()
    date = features.index.get_level_values("date")
    model = make_pipeline(joined("columns", FactorBetas(12, min_periods=8)), FamaMacBeth())
    slopes = clone(model).fit(features, target)[-1].lambdas_
    later = date >= date.unique()[30]
    spoilt_target = target.where(~later, -3.0 * target)
    spoilt = features.assign(f0=features["f0"].where(~later, 0.1 - features["f0"]))
    found = clone(model).fit(spoilt, spoilt_target)[-1].lambdas_
    assert_allclose(found[:30], slopes[:30], rtol=1e-9, atol=1e-13)
    assert not np.allclose(found[31:], slopes[31:])
    # The return of a date is explained by betas that it had no part in.
    once = target.where(date != date.unique()[30], 2.0 * target)
    found = clone(model).fit(features, once)[-1].lambdas_
    assert_allclose(found.iloc[30], 2.0 * slopes.iloc[30], rtol=1e-9)


def test_rolling_betas_of_arrays_find_routed_dates_and_assets():
    features, target = betas_and_characteristics()
    dates, assets = (features.index.get_level_values(name) for name in ("date", "asset"))
    betas = FactorBetas(12, min_periods=8)
    expected = make_pipeline(betas, FamaMacBeth()).fit(features[["f0"]], target)[-1].lambdas_
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(FactorBetas(12, min_periods=8), FamaMacBeth())
        arrays = features[["f0"]].to_numpy(), target.to_numpy()
        model.fit(*arrays, dates=dates, assets=assets)
    assert_allclose(model[-1].lambdas_, expected, rtol=1e-12)

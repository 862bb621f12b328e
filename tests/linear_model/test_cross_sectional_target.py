"""CrossSectionalTargetRegressor: targets transformed date by date, inside cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference_premia import characteristics, random_two_pass
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import check_scoring, make_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from skfactor import CrossSectionalTargetRegressor, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.exceptions import NoDatesWarning

X, Y = characteristics()
DATES = X.index.get_level_values("date")
FOLDS = KFold(3)
INDUSTRY = np.where(X.index.get_level_values("asset") < "asset020", "steel", "banks")


def _z_scores(y, by="date"):
    """Of pandas, with divisor n."""
    groups = y.groupby(by)
    return (y - groups.transform("mean")) / groups.transform("std", ddof=0)


class Recorder(RegressorMixin, BaseEstimator):
    """Keeps what it was fitted to."""

    def fit(self, X, y, dates=None):
        self.X_, self.y_, self.dates_ = X, y, dates
        return self

    def predict(self, X):
        return np.zeros(len(X))


class Ranker(TransformerMixin, BaseEstimator):
    """Ranks within the dates of the index, as pandas does; it has no inverse."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X.groupby("date").rank(pct=True)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


# --- what the regressor is fitted to ------------------------------------------------------------


def test_the_target_is_standardized_within_its_date_by_default():
    model = CrossSectionalTargetRegressor(Recorder()).fit(X, Y)
    assert_series_equal(model.regressor_.y_, _z_scores(Y), rtol=1e-10)
    assert model.regressor_.X_ is X
    assert isinstance(model.transformer_, FactorZScorer)


def test_any_transformer_that_reads_the_index_ranks_within_dates():
    model = CrossSectionalTargetRegressor(FamaMacBeth(), Ranker()).fit(X, Y)
    expected = FamaMacBeth().fit(X, Y.groupby("date").rank(pct=True))
    assert_frame_equal(model.regressor_.lambdas_, expected.lambdas_)
    assert_array_equal(model.predict(X), expected.predict(X))


def test_default_regressor_is_fama_macbeth():
    model = CrossSectionalTargetRegressor().fit(X, Y)
    assert_allclose(model.regressor_.premia_, FamaMacBeth().fit(X, _z_scores(Y)).premia_, rtol=1e-9)
    assert model.n_features_in_ == 3
    assert list(model.feature_names_in_) == list(X.columns)


def test_the_index_of_x_stands_in_for_that_of_y_and_the_other_way_round():
    expected = _z_scores(Y)
    by_x = CrossSectionalTargetRegressor(Recorder()).fit(X, Y.to_numpy())
    assert_series_equal(by_x.regressor_.y_, expected, check_names=False, rtol=1e-10)
    by_y = CrossSectionalTargetRegressor(Recorder()).fit(X.to_numpy(), Y)
    assert_series_equal(by_y.regressor_.y_, expected, rtol=1e-10)
    plain = Y.to_numpy(), DATES
    by_dates = CrossSectionalTargetRegressor(Recorder()).fit(X.to_numpy(), plain[0], dates=plain[1])
    assert_allclose(by_dates.regressor_.y_, expected, rtol=1e-10)
    assert by_dates.regressor_.dates_ is DATES


def test_polars_arrays_and_columns_of_one_give_the_same():
    expected = CrossSectionalTargetRegressor().fit(X, Y).regressor_.premia_
    frame, series = pl.from_pandas(X.reset_index(drop=True)), pl.Series(Y.to_numpy())
    for y in (series, Y.to_numpy()[:, None]):
        model = CrossSectionalTargetRegressor().fit(frame, y, dates=DATES)
        assert_allclose(model.regressor_.premia_, expected, rtol=1e-10)
    column = CrossSectionalTargetRegressor().fit(X, Y.to_frame())
    assert_allclose(column.regressor_.premia_, expected, rtol=1e-10)
    assert column.predict(X).shape == (len(X), 1)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_global_output_containers_change_nothing(output):
    expected = CrossSectionalTargetRegressor().fit(X, Y).predict(X)
    with config_context(transform_output=output):
        assert_array_equal(CrossSectionalTargetRegressor().fit(X, Y).predict(X), expected)


def test_missing_returns_are_left_out_and_input_is_not_changed():
    y = Y.mask(np.arange(len(Y)) % 7 == 0)
    before = y.copy()
    model = CrossSectionalTargetRegressor(Recorder()).fit(X, y, dates=DATES)
    expected = _z_scores(y)
    assert_series_equal(model.regressor_.y_, expected.dropna(), rtol=1e-10)
    assert_array_equal(model.regressor_.dates_, DATES[expected.notna()])
    assert_series_equal(y, before)


def test_the_parameters_are_cloned_and_reached_by_name():
    model = CrossSectionalTargetRegressor(FamaMacBeth(), Winsorizer())
    model.set_params(transformer__lower=0.1, regressor__fit_intercept=False).fit(X, Y)
    assert not hasattr(model.regressor, "premia_")
    assert not hasattr(model.transformer, "per_date_")
    assert "const" not in model.regressor_.premia_.index
    assert clone(model).transformer.lower == 0.1


# --- wide form ----------------------------------------------------------------------------------


@pytest.fixture
def wide():
    return random_two_pass(np.random.default_rng(0), n_assets=12, missing=0.05)


def test_wide_returns_are_clipped_at_the_percentiles_of_each_period(wide):
    factors, returns = wide
    model = CrossSectionalTargetRegressor(FamaMacBeth(), Winsorizer(0.1, 0.9)).fit(*wide)
    low, high = (returns.quantile(level, axis=1) for level in (0.1, 0.9))
    clipped = returns.clip(low, high, axis=0)
    assert not clipped.equals(returns)
    expected = FamaMacBeth().fit(factors, clipped)
    assert_frame_equal(model.regressor_.lambdas_, expected.lambdas_, rtol=1e-10)
    assert_series_equal(model.regressor_.pricing_errors_, expected.pricing_errors_, rtol=1e-8)
    assert_allclose(model.predict(factors), expected.predict(factors), rtol=1e-9)
    assert_allclose(model.score(factors, returns), expected.score(factors, clipped), rtol=1e-9)


def test_a_transformer_that_knows_no_dates_clips_at_the_percentiles_of_all(wide):
    factors, returns = wide
    pooled = FunctionTransformer(lambda r: r.clip(*np.nanpercentile(r, [1, 99])))
    model = CrossSectionalTargetRegressor(Recorder(), pooled).fit(factors, returns)
    low, high = np.nanpercentile(returns, [1, 99])
    assert_frame_equal(model.regressor_.y_, returns.clip(low, high))


def test_wide_arrays_are_cross_sections_by_their_rows(wide):
    factors, returns = (frame.to_numpy() for frame in wide)
    model = CrossSectionalTargetRegressor(Recorder()).fit(factors, returns)
    assert_allclose(model.regressor_.y_, _wide_scores(returns), rtol=1e-9)


def test_wide_rows_in_any_order_keep_it(wide):
    factors, returns = (frame.iloc[::-1] for frame in wide)
    model = CrossSectionalTargetRegressor(Recorder()).fit(factors, returns)
    assert_allclose(model.regressor_.y_, _wide_scores(returns.to_numpy()), rtol=1e-9)
    assert model.regressor_.y_.index.equals(returns.index)


def _wide_scores(returns):
    return scipy.stats.zscore(returns, axis=1, nan_policy="omit")


def test_wide_form_takes_no_groups_and_no_repeated_columns(wide):
    factors, returns = wide
    model = CrossSectionalTargetRegressor(FamaMacBeth())
    with pytest.raises(ValueError, match=r"\['groupby'\] are one value per row of a panel"):
        model.fit(factors, returns, groupby=np.arange(len(returns)))
    with pytest.raises(ValueError, match=r"columns \['a'\] of y occur more than once"):
        model.fit(factors, returns.set_axis(["a"] * returns.shape[1], axis=1))


def test_wide_dates_may_be_passed(wide):
    factors, returns = wide
    dates = factors.index[::-1]
    model = CrossSectionalTargetRegressor(FamaMacBeth())
    by_argument = model.fit(factors.to_numpy(), returns.to_numpy(), dates=dates).regressor_
    flipped = FamaMacBeth().fit(factors.set_axis(dates), _wide_scores(returns.to_numpy()))
    assert_allclose(by_argument.lambdas_, flipped.lambdas_, rtol=1e-9)
    assert by_argument.dates_.equals(flipped.dates_)


# --- cross-validation ---------------------------------------------------------------------------


def test_cross_validation_transforms_within_the_dates_of_each_fold():
    model = CrossSectionalTargetRegressor(FamaMacBeth(), FactorZScorer())
    scores = cross_val_score(model, X, Y, cv=FOLDS)
    expected = []
    for train, test in FOLDS.split(X):
        fitted = FamaMacBeth().fit(X.iloc[train], _z_scores(Y.iloc[train]))
        expected.append(fitted.score(X.iloc[test], _z_scores(Y.iloc[test])))
    assert_allclose(scores, expected, rtol=1e-9)


def test_rank_correlations_with_the_returns_themselves_choose_among_transformers():
    def information_coefficient(y, predicted):
        pairs = pd.DataFrame({"y": y, "p": predicted}, index=y.index).groupby("date")
        return pairs.apply(lambda date: date["y"].corr(date["p"], method="spearman")).mean()

    grid = {"transformer": [FactorZScorer(), Ranker(), None], "regressor__fit_intercept": [True]}
    search = GridSearchCV(
        CrossSectionalTargetRegressor(FamaMacBeth()),
        grid,
        cv=FOLDS,
        scoring=make_scorer(information_coefficient),
    ).fit(X, Y)
    found = search.cv_results_["mean_test_score"]
    assert np.isfinite(found).all()
    assert found[0] == found[2]
    train, test = next(FOLDS.split(X))
    ranks = Y.iloc[train].groupby("date").rank(pct=True)
    predicted = FamaMacBeth().fit(X.iloc[train], ranks).predict(X.iloc[test])
    expected = information_coefficient(Y.iloc[test], predicted)
    assert_allclose(search.cv_results_["split0_test_score"][1], expected, rtol=1e-9)


def test_a_pipeline_inside_and_a_pipeline_outside_agree():
    steps = [Winsorizer(0.05, 0.95), FactorZScorer()]
    inside = CrossSectionalTargetRegressor(make_pipeline(*steps, FamaMacBeth()), Ranker())
    outside = make_pipeline(*steps, CrossSectionalTargetRegressor(FamaMacBeth(), Ranker()))
    assert_allclose(inside.fit(X, Y).predict(X), outside.fit(X, Y).predict(X), rtol=1e-12)
    assert_allclose(inside.score(X, Y), outside.score(X, Y), rtol=1e-12)


def test_the_index_of_y_helps_where_a_step_strips_that_of_x():
    model = CrossSectionalTargetRegressor(make_pipeline(StandardScaler(), FamaMacBeth()))
    scores = cross_val_score(model, X, Y.to_numpy(), cv=FOLDS)
    assert_allclose(scores, cross_val_score(model, X, Y, cv=FOLDS), rtol=1e-9)


# --- metadata -----------------------------------------------------------------------------------


def test_groups_reach_the_transformer_without_routing():
    model = CrossSectionalTargetRegressor(Recorder()).fit(X, Y, groupby=INDUSTRY)
    expected = _z_scores(Y, ["date", pd.Series(INDUSTRY, Y.index)])
    assert_series_equal(model.regressor_.y_, expected, rtol=1e-9)


def test_sample_weight_and_step_parameters_reach_the_regressor_without_routing():
    weights = np.random.default_rng(0).uniform(0.1, 2.0, len(X))
    model = CrossSectionalTargetRegressor(FamaMacBeth()).fit(X, Y, sample_weight=weights)
    expected = FamaMacBeth().fit(X, _z_scores(Y), sample_weight=weights)
    assert_allclose(model.regressor_.premia_, expected.premia_, rtol=1e-9)
    score = model.score(X, Y, sample_weight=weights)
    assert_allclose(score, expected.score(X, _z_scores(Y), sample_weight=weights), rtol=1e-9)
    pipeline = make_pipeline(StandardScaler(), FamaMacBeth())
    arrays = X.to_numpy(), Y.to_numpy()
    model = CrossSectionalTargetRegressor(pipeline)
    model.fit(*arrays, dates=DATES, famamacbeth__dates=DATES, famamacbeth__sample_weight=weights)
    assert_allclose(model.predict(arrays[0]), expected.predict(X), rtol=1e-9)


def test_routed_metadata_reach_transformer_and_regressor(routing):
    arrays = X.to_numpy(), Y.to_numpy()
    weights = np.random.default_rng(0).uniform(0.1, 2.0, len(X))
    inner = make_pipeline(Winsorizer(), FamaMacBeth().set_fit_request(sample_weight=True))
    model = CrossSectionalTargetRegressor(inner)
    target = FactorZScorer(indicators=None)
    target = target.fit_transform(Y.to_frame(), groupby=INDUSTRY, weights=weights)["return"]
    # Winsorizer clips within the groups that are routed to it too.
    grouped = Winsorizer().fit_transform(X, groupby=INDUSTRY)
    expected = FamaMacBeth().fit(grouped, target, sample_weight=weights)
    params = {"dates": DATES, "groupby": INDUSTRY}
    model.fit(*arrays, **params, weights=weights, sample_weight=weights)
    assert_allclose(model.regressor_[-1].premia_, expected.premia_, rtol=1e-9)
    predicted = model.predict(arrays[0], **params)
    assert_allclose(predicted, expected.predict(grouped), rtol=1e-9)
    score = model.score(*arrays, **params, weights=weights)
    assert_allclose(score, expected.score(grouped, target), rtol=1e-9)


def test_routed_dates_are_split_in_cross_validation(routing):
    model = CrossSectionalTargetRegressor(FamaMacBeth())
    if not get_routing_for_object(check_scoring(model)).consumes("score", ["dates"]):
        pytest.skip("scikit-learn 1.7 routes nothing to the score of a meta-estimator")
    arrays = X.to_numpy(), Y.to_numpy()
    routed = cross_validate(model, *arrays, cv=FOLDS, params={"dates": DATES})["test_score"]
    assert_allclose(routed, cross_validate(model, X, Y, cv=FOLDS)["test_score"], rtol=1e-9)


def test_metadata_that_nobody_takes_raise():
    model = CrossSectionalTargetRegressor(FamaMacBeth()).fit(X, Y)
    with pytest.raises(TypeError, match="unexpected keyword argument 'seed'"):
        model.fit(X, Y, seed=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'dates'"):
        model.predict(X, dates=DATES)


def test_metadata_that_nobody_asks_for_raise(routing):
    with pytest.raises(TypeError, match="unexpected argument"):
        CrossSectionalTargetRegressor(FamaMacBeth()).fit(X, Y, seed=3)


# --- mistakes -----------------------------------------------------------------------------------


def test_without_dates_the_whole_target_is_one_cross_section_and_a_warning_says_so():
    model = CrossSectionalTargetRegressor(LinearRegression())
    with pytest.warns(NoDatesWarning, match="transformed over all rows together") as caught:
        model.fit(X.to_numpy(), Y.to_numpy())
    assert [warning.filename for warning in caught] == [__file__]
    pooled = (Y - Y.mean()) / Y.std(ddof=0)
    expected = LinearRegression().fit(X, pooled).predict(X)
    assert_allclose(model.predict(X.to_numpy()), expected, rtol=1e-9)
    assert "date_level=None of the transformer says that this is meant" in str(caught[0].message)
    meant = FactorZScorer(indicators=None, date_level=None)
    told = CrossSectionalTargetRegressor(LinearRegression(), meant)
    assert_allclose(told.fit(X.to_numpy(), Y.to_numpy()).predict(X.to_numpy()), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (Y[::-1], "X and y have different indexes"),
        (Y * np.inf, "y contains infinity"),
        (Y.astype(str) + "%", "y does not hold numbers"),
        (Y[:-1], "X has 258 rows and y has 257"),
        (pd.concat([Y, Y], axis=1, keys=["a", "b"]), "y has one column per asset"),
    ],
)
def test_a_target_that_makes_no_sense_raises(y, message):
    model = CrossSectionalTargetRegressor(FamaMacBeth())
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "transformer_")


def test_a_transformer_of_several_columns_raises():
    two = FunctionTransformer(lambda y: np.hstack([y, y]))
    with pytest.raises(ValueError, match=r"FunctionTransformer made \(\d+, 2\) of one column"):
        CrossSectionalTargetRegressor(FamaMacBeth(), two).fit(X, Y)


def test_dates_in_fit_but_not_in_score_raise():
    model = CrossSectionalTargetRegressor(FamaMacBeth()).fit(X, Y)
    with pytest.raises(ValueError, match="FactorZScorer was fitted on rows with dates, but X has"):
        model.score(X.to_numpy(), Y.to_numpy())


def test_a_regressor_without_score_gives_none():
    class NoScore(BaseEstimator):
        def fit(self, X, y):
            return self

        def predict(self, X):
            return X

    assert not hasattr(CrossSectionalTargetRegressor(NoScore()), "score")
    assert hasattr(CrossSectionalTargetRegressor(DummyRegressor()), "score")


def test_tags_are_those_of_the_regressor():
    tags = get_tags(CrossSectionalTargetRegressor(FamaMacBeth()))
    assert (tags.input_tags.allow_nan, tags.target_tags.multi_output) == (True, True)
    assert not get_tags(CrossSectionalTargetRegressor(LinearRegression())).input_tags.allow_nan


def test_a_transformer_of_scikit_learn_pools_the_dates():
    model = CrossSectionalTargetRegressor(Recorder(), QuantileTransformer(n_quantiles=50)).fit(X, Y)
    expected = QuantileTransformer(n_quantiles=50).fit_transform(Y.to_frame())[:, 0]
    assert_allclose(model.regressor_.y_, expected, rtol=1e-12)

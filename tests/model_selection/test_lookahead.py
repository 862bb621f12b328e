"""check_no_lookahead: everything of the package passes, planted leaks are named."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from reference_premia import random_two_pass, to_long
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

import skfactor
from skfactor import (
    CrossSectionalTargetRegressor,
    FactorBetas,
    FactorImputer,
    FactorSelector,
    FactorZScorer,
    FamaMacBeth,
    FormulaRegressor,
    FundamentalFactorModel,
    TradedFactorModel,
    Winsorizer,
)
from skfactor.datasets import make_panel
from skfactor.exceptions import LookaheadError
from skfactor.metrics import rank_ic_scorer
from skfactor.model_selection import PurgedKFold, WalkForwardSplit, check_no_lookahead

X, Y = make_panel(
    n_dates=24, n_assets=20, n_features=3, missing=0.1, random_state=0, return_X_y=True
)
ORDER = np.random.default_rng(0).permutation(len(X))
HOLED = X.mask(np.random.default_rng(1).random(X.shape) < 0.01)
WIDE = random_two_pass(np.random.default_rng(0), n_periods=64)
LONG = to_long(*WIDE)

PUBLIC = [getattr(skfactor, name) for name in skfactor.__all__]
ESTIMATORS = [each() for each in PUBLIC if each is not FormulaRegressor]
ESTIMATORS.append(FormulaRegressor("x1 + x2", FamaMacBeth()))
# The form of the data on which an estimator with its default parameters can be fitted.
RATE = pd.factorize(X.index.get_level_values("date"), sort=True)[0] ** 0.5
FORMS = {"FactorBetas": LONG, "FactorInteractions": (X.assign(rate=RATE), Y)}
FORMS |= dict.fromkeys(
    ["BiasCorrectedFamaMacBeth", "LinearFactorGMM", "ThreePassPremia", "TradedFactorModel"], WIDE
)
FORMS |= dict.fromkeys(
    ["ReturnPCA", "RiskPremiumPCA", "ShrinkageSDF", "ShrinkageSDFCV"], (WIDE[1], WIDE[1])
)


def _per_date(*steps):
    return make_pipeline(Winsorizer(0.05, 0.95), *steps, FactorZScorer(), FamaMacBeth())


# --- what passes --------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_no_estimator_of_the_package_looks_ahead(estimator):
    assert check_no_lookahead(estimator, *FORMS.get(type(estimator).__name__, (X, Y)), cuts=1) == ()


PIPELINES = {
    "per date": (_per_date(), X, Y),
    "shuffled rows": (_per_date(), X.iloc[ORDER], Y.iloc[ORDER]),
    "selected": (make_pipeline(FactorSelector(["x1", "x2"]), FactorZScorer(), FamaMacBeth()), X, Y),
    "scaled": (make_pipeline(StandardScaler(), FamaMacBeth()), X, Y),
    "components": (make_pipeline(StandardScaler(), PCA(2), FamaMacBeth()), X, Y),
    "best": (make_pipeline(SelectKBest(f_regression, k=2), LinearRegression()), X, Y),
    "filled": (make_pipeline(SimpleImputer(), LinearRegression()), HOLED, Y),
    "filled by neighbours": (make_pipeline(KNNImputer(), LinearRegression()), HOLED, Y),
    "forest": (RandomForestRegressor(5, random_state=0), X, Y),
    "columns": (
        make_pipeline(
            ColumnTransformer([("z", FactorZScorer(), ["x1"]), ("s", StandardScaler(), ["x3"])]),
            LinearRegression(),
        ),
        X,
        Y,
    ),
    "encoded": (
        make_pipeline(
            ColumnTransformer(
                [
                    ("one", OneHotEncoder(), ["asset"]),
                    ("t", TargetEncoder(cv=2, random_state=0), ["asset"]),
                ],
                remainder="passthrough",
            ),
            LinearRegression(),
        ),
        X.assign(asset=X.index.get_level_values("asset")),
        Y,
    ),
    "search": (
        GridSearchCV(_per_date(), {"winsorizer__lower": [0.0, 0.1]}, cv=PurgedKFold(2)),
        X,
        Y,
    ),
    "target": (TransformedTargetRegressor(FamaMacBeth(), transformer=StandardScaler()), X, Y),
    "no target": (make_pipeline(Winsorizer(), FactorZScorer()), X, None),
    "index of y": (make_pipeline(StandardScaler(), FamaMacBeth()), X.to_numpy(), Y),
    "target by date": (
        CrossSectionalTargetRegressor(make_pipeline(FactorZScorer(), FamaMacBeth())),
        X,
        Y,
    ),
    "two passes": (make_pipeline(FactorBetas(), FamaMacBeth()), *LONG),
    "two passes, rolling": (make_pipeline(FactorBetas(window=12), FamaMacBeth()), *LONG),
    "wide": (FamaMacBeth(), *WIDE),
    "wide rolling": (FamaMacBeth(betas=FactorBetas(window=12)), *WIDE),
    "wide expanding": (FamaMacBeth(betas=FactorBetas(expanding=True, halflife=20)), *WIDE),
    "wide gls": (FamaMacBeth(weighting="gls"), *WIDE),
    "wide holes": (
        FamaMacBeth(),
        *random_two_pass(np.random.default_rng(1), n_periods=48, missing=0.1),
    ),
    "wide selected": (make_pipeline(FactorSelector(["f1"]), FamaMacBeth()), *WIDE),
    "wide winsorized": (make_pipeline(Winsorizer(0.05, 0.95), FamaMacBeth()), *WIDE),
    "wide scaled": (make_pipeline(StandardScaler(), TradedFactorModel()), *WIDE),
    "one asset": (TradedFactorModel(), WIDE[0], WIDE[1]["asset0"]),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_no_honest_pipeline_looks_ahead(name):
    estimator, features, target = PIPELINES[name]
    assert check_no_lookahead(estimator, features, target, cuts=1) == ()


# --- what does not ------------------------------------------------------------------------------


class Step(TransformerMixin, BaseEstimator):
    """A transformer that passes rows on; what looks ahead derives from it."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


def test_betas_that_know_their_own_month_look_ahead():
    pipeline = make_pipeline(FactorBetas(window=12, lag=0), FamaMacBeth())
    (leak,) = check_no_lookahead(pipeline, *LONG, on_fail=None)
    assert (leak.step, leak.method) == ("factorbetas", "fit_transform")


class WholeSample(Step):
    def transform(self, X):
        return (X - X.mean()) / X.std()


class Centred(Step):
    def transform(self, X):
        def smooth(column):
            return column.rolling(3, center=True, min_periods=1).mean()

        return X.groupby(level="asset").transform(smooth)


class Trailing(Step):
    def transform(self, X):
        def smooth(column):
            return column.rolling(3, min_periods=1).mean()

        return X.groupby(level="asset").transform(smooth)


class FilledBackwards(Step):
    def transform(self, X):
        return X.groupby(level="asset").bfill().fillna(0.0)


class NextCharacteristic(Step):
    def transform(self, X):
        return X.groupby(level="asset").shift(-1).fillna(0.0)


class ShiftedReturns(Step):
    """Hands each row a return of its asset that fit has seen, by default the next."""

    def __init__(self, shift=-1):
        self.shift = shift

    def fit(self, X, y):
        self.returns_ = y.groupby(level="asset").shift(self.shift)
        return self

    def transform(self, X):
        return X.assign(shifted=self.returns_.reindex(X.index).fillna(0.0))


class ShiftedInTraining(Step):
    def fit_transform(self, X, y):
        return X.assign(shifted=y.groupby(level="asset").shift(-1).fillna(0.0))

    def transform(self, X):
        return X.assign(shifted=0.0)


LEAKS = {
    "whole sample": (WholeSample(), "transform"),
    "centred": (Centred(), "transform"),
    "filled backwards": (FilledBackwards(), "transform"),
    "next characteristic": (NextCharacteristic(), "transform"),
    "next return": (ShiftedReturns(), "fit_transform"),
    "return in three months": (ShiftedReturns(-3), "fit_transform"),
    "own return": (ShiftedReturns(0), "fit_transform"),
    "next return in training": (ShiftedInTraining(), "fit_transform"),
}


def _place(name, step):
    """A pipeline that holds the step, and the name that a report has to give."""
    return {
        "alone": (step, type(step).__name__),
        "first": (make_pipeline(step, FamaMacBeth()), type(step).__name__.lower()),
        "middle": (_per_date(step), type(step).__name__.lower()),
        "nested": (
            make_pipeline(make_pipeline(Winsorizer(), step), FamaMacBeth()),
            f"pipeline__{type(step).__name__.lower()}",
        ),
        "columns": (
            make_pipeline(
                ColumnTransformer([("w", Winsorizer(), ["x1"]), ("bad", step, ["x2", "x3"])]),
                LinearRegression(),
            ),
            "columntransformer__bad",
        ),
        "remainder": (
            ColumnTransformer([("w", Winsorizer(), ["x1"])], remainder=step),
            "remainder",
        ),
        "union": (
            make_pipeline(
                FeatureUnion([("fill", SimpleImputer()), ("bad", step)]), LinearRegression()
            ),
            "featureunion__bad",
        ),
    }[name]


def _check_is_found(leak, place):
    step, method = LEAKS[leak]
    estimator, name = _place(place, step)
    features = HOLED if leak == "filled backwards" else X
    (found,) = check_no_lookahead(estimator, features, Y, cuts=2, on_fail=None)
    assert (found.step, found.method) == (name, method)
    assert found.date <= found.cut
    assert found.change > 0


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found_and_its_step_is_named(leak):
    _check_is_found(leak, "middle")


@pytest.mark.parametrize("place", ["alone", "first", "nested", "columns", "remainder", "union"])
@pytest.mark.parametrize("leak", ["whole sample", "next return"])
def test_a_leak_is_found_wherever_its_step_is(leak, place):
    _check_is_found(leak, place)


@pytest.mark.parametrize("step", [Step(), Trailing(), ShiftedReturns(1)])
def test_a_step_that_looks_back_passes(step):
    assert check_no_lookahead(_per_date(step), X, Y, cuts=2) == ()


def test_all_steps_that_look_ahead_are_named():
    estimator = _per_date(WholeSample(), Centred())
    found = check_no_lookahead(estimator, X, Y, on_fail=None)
    assert [leak.step for leak in found] == ["wholesample", "centred"]


def test_a_step_inside_a_search_is_named():
    pipeline = _per_date(Centred())
    search = GridSearchCV(pipeline, {"winsorizer__lower": [0.0, 0.1]}, cv=PurgedKFold(2))
    (found,) = check_no_lookahead(search, X, Y, cuts=1, on_fail=None)
    assert found.step == "estimator__centred"
    target = TransformedTargetRegressor(pipeline)
    (found,) = check_no_lookahead(target, X, Y, cuts=1, on_fail=None)
    assert found.step == "regressor__centred"


def test_a_regressor_that_looks_at_the_rows_it_predicts_together_is_named():
    class Ranked(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.fitted_ = True
            return self

        def predict(self, X):
            return X["x1"].rank().to_numpy()

    with pytest.raises(LookaheadError, match="'Ranked' looks ahead: its predict of 2010-"):
        check_no_lookahead(Ranked(), X, Y)


def test_a_leak_that_only_shows_out_of_sample_is_found():
    class FirstSeen(RegressorMixin, BaseEstimator):
        """Honest while it has seen the dates; on others it averages the rows given together."""

        def fit(self, X, y):
            self.dates_, self.mean_ = X.index.unique("date"), y.mean()
            return self

        def predict(self, X):
            seen = X.index.get_level_values("date").isin(self.dates_)
            return np.where(seen, self.mean_, X["x1"].mean())

    cv = WalkForwardSplit(2, test_size=4)
    (found,) = check_no_lookahead(FirstSeen(), X, Y, cv=cv, on_fail=None, cuts=["2011-10"])
    assert found.step == "FirstSeen"


def test_wide_data_leaks_too():
    class Smoothed(Step):
        def transform(self, X):
            return X.rolling(3, center=True, min_periods=1).mean()

    (found,) = check_no_lookahead(make_pipeline(Smoothed(), FamaMacBeth()), *WIDE, on_fail=None)
    assert (found.step, found.method) == ("smoothed", "transform")


# --- the report ---------------------------------------------------------------------------------


def test_the_error_names_step_date_and_change_and_holds_the_leaks():
    estimator = _per_date(Centred())
    message = (
        r"'centred' looks ahead: its transform of 2010-12 changes by \d\.\d+ with rows after 2"
    )
    with pytest.raises(LookaheadError, match=message) as caught:
        check_no_lookahead(estimator, X, Y)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.leaks == check_no_lookahead(estimator, X, Y, on_fail=None)
    assert pickle.loads(pickle.dumps(caught.value)).leaks == caught.value.leaks
    with pytest.raises(
        LookaheadError, match=r"its fit_transform of .* with returns from 2010-12 on"
    ):
        check_no_lookahead(_per_date(ShiftedReturns()), X, Y)


def test_cuts_are_dates_or_a_number_of_them():
    def cuts_of(cuts, data=(X, Y)):
        (leak,) = check_no_lookahead(Centred(), *data, cuts=cuts, on_fail=None)
        return str(leak.cut)

    assert cuts_of(["2011-03"]) == "2011-03"
    assert cuts_of([pd.Period("2010-02", "M")]) == "2010-02"
    assert cuts_of(1) == "2010-12"
    stamped = [
        data.set_axis(data.index.set_levels(data.index.levels[0].to_timestamp(), level=0))
        for data in (X, Y)
    ]
    assert cuts_of(["2011-03"], stamped).startswith("2011-03-01")
    assert cuts_of([pd.Timestamp("2011-03-20")], stamped).startswith("2011-03-01")


def test_nothing_is_changed():
    features, target, estimator = X.copy(deep=True), Y.copy(deep=True), _per_date()
    check_no_lookahead(estimator, features, target)
    pd.testing.assert_frame_equal(features, X)
    pd.testing.assert_series_equal(target, Y)
    assert not hasattr(estimator[-1], "premia_")


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cuts": 0}, "cuts=0 has to be at least 1"),
        ({"cuts": ["2011-12"]}, "cut 2011-12 leaves no dates on one side .* 2010-01 to 2011-12"),
        ({"cuts": ["2009-12"]}, "cut 2009-12 leaves no dates on one side"),
        ({"on_fail": "warn"}, "on_fail='warn' is neither 'raise' nor None"),
        ({"cv": PurgedKFold(3)}, "not walking forward"),
    ],
)
def test_bad_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_no_lookahead(FamaMacBeth(), X, Y, **arguments)


def test_rows_without_dates_or_on_one_date_raise():
    with pytest.raises(ValueError, match=r"check_no_lookahead needs the date of each row"):
        check_no_lookahead(LinearRegression(), X.to_numpy(), Y.to_numpy())
    one = X.index.get_level_values("date") == "2010-01"
    with pytest.raises(ValueError, match=r"dates on both sides, but all rows are on one: 2010-01"):
        check_no_lookahead(FamaMacBeth(), X[one], Y[one])


def test_random_predictions_raise():
    with pytest.raises(ValueError, match=r"something else each time.*random_state"):
        check_no_lookahead(RandomForestRegressor(3), X, Y)


# --- metadata -----------------------------------------------------------------------------------

DATES = X.index.get_level_values("date")
ASSETS = X.index.get_level_values("asset").to_numpy(dtype=object)
ARRAYS = X.to_numpy(), Y.to_numpy()


class OverAllRows(TransformerMixin, BaseEstimator):
    """Takes statistics of all rows that it transforms, whatever their dates."""

    def fit(self, X, y=None, dates=None):
        return self

    def transform(self, X, dates=None):
        return (X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize("search", [False, True])
def test_arrays_with_dates_are_checked(routing, search):
    honest = make_pipeline(Winsorizer(), FactorZScorer(), FamaMacBeth())
    leaking = make_pipeline(Winsorizer(), OverAllRows(), FamaMacBeth())
    leaking[1].set_fit_request(dates=True).set_transform_request(dates=True)
    if search:
        cv = WalkForwardSplit(2)
        honest = GridSearchCV(honest, {}, scoring=rank_ic_scorer, cv=cv)
        leaking = GridSearchCV(leaking, {}, scoring=rank_ic_scorer, cv=cv)
    assert check_no_lookahead(honest, *ARRAYS, dates=DATES, assets=ASSETS) == ()
    with pytest.raises(LookaheadError, match="overallrows' looks ahead"):
        check_no_lookahead(leaking, *ARRAYS, dates=DATES)


def test_groups_reach_the_steps(routing):
    class AsksForGroups(FactorZScorer):
        def fit(self, X, y=None, dates=None, groupby=None, weights=None):
            assert len(groupby) == len(X)
            return super().fit(X, y, dates, groupby, weights)

    group = np.where(ASSETS[len(ASSETS) // 2] > ASSETS, "a", "b")
    pipeline = make_pipeline(AsksForGroups(), FamaMacBeth())
    assert check_no_lookahead(pipeline, X, Y, params={"groupby": group}) == ()


class ByWeightOfAll(TransformerMixin, BaseEstimator):
    """Takes the mean of the weights (or the number of rows of a label) over all dates."""

    def __init__(self, of="weights"):
        self.of = of

    def fit(self, X, y=None, weights=None, groupby=None):
        return self

    def transform(self, X, weights=None, groupby=None):
        if weights is None:  # fit_transform hands nothing on
            return X
        of_rows = np.asarray(weights) if self.of == "weights" else np.asarray(groupby) == "a"
        return X * of_rows.mean()


@pytest.mark.parametrize("of", ["weights", "groupby"])
def test_weights_and_labels_of_later_dates_are_found(routing, of):
    rng = np.random.default_rng(0)
    caps = pd.Series(rng.lognormal(size=len(X)), X.index)
    given = {"weights": caps, "groupby": rng.choice(["a", "b"], len(X))}
    leaking = ByWeightOfAll(of).set_fit_request(weights=True, groupby=True)
    leaking.set_transform_request(weights=True, groupby=True)
    model = make_pipeline(leaking, FamaMacBeth())
    (leak,) = check_no_lookahead(model, X, Y, params=given, on_fail=None)
    assert (leak.step, leak.method) == ("byweightofall", "transform")
    # Those of the row's own date are fine, and where none is missing none is altered to be.
    caps[::7] = np.nan
    exposures = X.mask(np.isnan(caps.to_numpy())[:, None] & np.ones(X.shape, dtype=bool))
    assert check_no_lookahead(FundamentalFactorModel(), exposures, Y, params=given) == ()


def test_dates_reach_a_step_alone_without_routing_and_no_pipeline():
    assert check_no_lookahead(FamaMacBeth(), *ARRAYS, dates=DATES) == ()
    with pytest.raises(ValueError, match=r"ask for dates.*enable_metadata_routing=True"):
        check_no_lookahead(_per_date(), *ARRAYS, dates=DATES)


@pytest.mark.parametrize(
    ("cuts", "message"), [([], "cuts is empty"), (["soon"], "are not dates such as 2010-01")]
)
def test_cuts_that_are_none_raise(cuts, message):
    with pytest.raises(ValueError, match=message):
        check_no_lookahead(FamaMacBeth(), X, Y, cuts=cuts)


def test_no_rows_raise():
    with pytest.raises(ValueError, match="check_no_lookahead was given no rows"):
        check_no_lookahead(FamaMacBeth(), X.iloc[:0], Y.iloc[:0])


def test_returns_that_are_missing_are_no_obstacle():
    holes = Y.mask(np.random.default_rng(0).random(len(Y)) < 0.3)
    complete = make_pipeline(FactorImputer(), LinearRegression())
    assert check_no_lookahead(complete, X, holes) == ()


def test_what_is_no_cut_and_no_metadata_is_refused():
    X, y = make_panel(n_dates=8, n_assets=6, random_state=0, return_X_y=True)
    for cuts in (pd.Timestamp("2010-04-01"), None, 1.5, np.array(1.0)):
        with pytest.raises(ValueError, match="has to be a number, or a list of dates"):
            check_no_lookahead(FamaMacBeth(), X, y, cuts=cuts)
    with pytest.raises(TypeError, match="params has to be a dict"):
        check_no_lookahead(FamaMacBeth(), X, y, params=1.0)
    with pytest.raises(ValueError, match="on_fail="):
        check_no_lookahead(FamaMacBeth(), X, y, on_fail=[])

"""Formulas: both syntaxes against the fit without one, the intercept, categories, and failures."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from linearmodels.asset_pricing import LinearFactorModel
from linearmodels.datasets import french
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import random_panel
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from skfactor import FactorBetas, FactorZScorer, FamaMacBeth, TradedFactorModel
from skfactor.formula import FormulaRegressor

PORTFOLIOS = ["NoDur", "Chems", "S1V1", "S5V5", "S1M1", "S5M5"]
FACTORS = ["MktRF", "HML", "Mom"]
TWO_SIDED = "NoDur + Chems + S1V1 + S5V5 + S1M1 + S5M5 ~ MktRF + HML + Mom"
FOLDS = KFold(3)
EXACT = {"rtol": 1e-12, "atol": 1e-15}


@pytest.fixture(scope="module")
def market():
    """Factors and excess returns of portfolios, one row per month."""
    data = french.load()
    data.iloc[:, 6:] = data.iloc[:, 6:].to_numpy() - data[["RF"]].to_numpy()
    return data.set_index(pd.PeriodIndex(data.pop("dates"), freq="M", name="date"))


@pytest.fixture
def panel():
    """Characteristics, an industry and a return, indexed by (date, asset)."""
    data = random_panel(np.random.default_rng(0), n_dates=8, n_assets=40, n_features=3, missing=0.0)
    industry = np.array(["fuel", "mines", "steel"])[data.index.codes[1] % 3]
    return pd.DataFrame(
        {
            "ret": data["x0"] + 0.1 * data["x2"] + 0.01 * (industry == "steel"),
            "beta": data["x1"],
            "size": np.exp(data["x2"] / data["x2"].std()),
            "industry": industry,
        }
    )


def by_hand(panel, *, all_categories=False):
    """The design of ``beta + np.log(size) + C(industry)``."""
    names = ["fuel", "mines", "steel"][0 if all_categories else 1 :]
    dummies = {f"C(industry)[T.{name}]": (panel["industry"] == name) * 1.0 for name in names}
    if all_categories:
        dummies = {name.replace("T.", ""): values for name, values in dummies.items()}
    return pd.DataFrame({"beta": panel["beta"], "np.log(size)": np.log(panel["size"]), **dummies})


PANEL = "ret ~ beta + np.log(size) + C(industry)"


# --- known values -------------------------------------------------------------------------------


def test_premia_are_those_that_linearmodels_prints_for_the_same_formula(market):
    model = FormulaRegressor(TWO_SIDED, FamaMacBeth(fit_intercept=False)).fit(market)
    assert_array_equal(model.regressor_.premia_.round(4), [0.0056, 0.0044, 0.0081])
    data = market.reset_index(drop=True)
    expected = LinearFactorModel.from_formula(TWO_SIDED, data).fit().risk_premia
    assert_allclose(model.regressor_.premia_, expected, rtol=1e-10)
    assert list(model.regressor_.premia_.index) == list(expected.index)


def test_premia_with_a_zero_beta_rate_are_those_that_linearmodels_prints(market):
    portfolios = market.filter(regex="^S[135][VM][135]$")
    model = FormulaRegressor("MktRF + HML + Mom", FamaMacBeth()).fit(market, portfolios)
    assert_array_equal(model.regressor_.premia_.round(4), [0.0024, 0.0050, 0.0042, 0.0081])


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_both_syntaxes_equal_the_fit_without_a_formula(market, fit_intercept):
    plain = FamaMacBeth(fit_intercept=fit_intercept)
    expected = clone(plain).fit(market[FACTORS], market[PORTFOLIOS])
    two_sided = FormulaRegressor(TWO_SIDED, plain).fit(market)
    one_sided = FormulaRegressor("MktRF + HML + Mom", plain).fit(market, market[PORTFOLIOS])
    with_tilde = FormulaRegressor("~ MktRF + HML + Mom", plain).fit(market, market[PORTFOLIOS])
    for model in (two_sided, one_sided, with_tilde):
        fitted = model.regressor_
        assert_series_equal(fitted.premia_, expected.premia_, rtol=1e-12)
        assert_frame_equal(fitted.lambdas_, expected.lambdas_, rtol=1e-12)
        assert_series_equal(fitted.pricing_errors_, expected.pricing_errors_, **EXACT)
        assert list(model.feature_names_in_) == FACTORS
        assert_allclose(model.predict(market), expected.predict(market[FACTORS]), **EXACT)
    score = expected.score(market[FACTORS], market[PORTFOLIOS])
    assert two_sided.score(market) == pytest.approx(score, rel=1e-12)
    assert one_sided.score(market, market[PORTFOLIOS]) == pytest.approx(score, rel=1e-12)


def test_a_panel_keeps_its_dates_and_equals_the_design_by_hand(panel):
    design = by_hand(panel)
    expected = FamaMacBeth().fit(design, panel["ret"])
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    assert_frame_equal(model.regressor_.lambdas_, expected.lambdas_, rtol=1e-12)
    assert_allclose(model.predict(panel), expected.predict(design), **EXACT)
    assert model.score(panel) == pytest.approx(expected.score(design, panel["ret"]), rel=1e-12)
    assert_array_equal(model.feature_names_in_, ["beta", "size", "industry"])
    assert model.n_features_in_ == 3


def test_without_an_intercept_every_category_has_a_column(panel):
    design = by_hand(panel, all_categories=True)
    expected = FamaMacBeth(fit_intercept=False).fit(design, panel["ret"])
    for formula in (PANEL, PANEL.replace("~", "~ 0 +"), PANEL + " - 1"):
        model = FormulaRegressor(formula, FamaMacBeth(fit_intercept=False)).fit(panel)
        assert_frame_equal(model.regressor_.lambdas_, expected.lambdas_, rtol=1e-12)


def test_the_intercept_that_rules_is_that_of_the_estimator_inside(panel):
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth(fit_intercept=False))
    model = FormulaRegressor(PANEL, pipeline).fit(panel)
    assert len(model.regressor_[-1].premia_) == 5
    target = TransformedTargetRegressor(LinearRegression(), func=np.exp, inverse_func=np.log)
    assert FormulaRegressor(PANEL, target).fit(panel).regressor_.n_features_in_ == 4
    search = GridSearchCV(LinearRegression(), {"fit_intercept": [True]}, cv=FOLDS)
    assert FormulaRegressor(PANEL, search).fit(panel).regressor_.n_features_in_ == 4


def test_a_regressor_without_intercept_takes_the_formula_at_its_word(panel):
    tree = DecisionTreeRegressor(max_depth=2)
    assert FormulaRegressor(PANEL, tree).fit(panel).regressor_.n_features_in_ == 4
    whole = FormulaRegressor(PANEL.replace("~", "~ 0 +"), tree).fit(panel)
    assert whole.regressor_.n_features_in_ == 5


def test_an_explicit_intercept_agrees_with_a_regressor_that_has_one(market):
    expected = FormulaRegressor(TWO_SIDED, FamaMacBeth()).fit(market).regressor_.premia_
    explicit = FormulaRegressor(TWO_SIDED.replace("~", "~ 1 +"), FamaMacBeth()).fit(market)
    assert_series_equal(explicit.regressor_.premia_, expected)


def test_one_return_on_the_left_is_one_dimensional(panel):
    model = FormulaRegressor("ret ~ beta", FamaMacBeth()).fit(panel)
    assert model.predict(panel).shape == (len(panel),)


def test_functions_and_names_in_backticks(panel):
    named = panel.rename(columns={"size": "market cap", "ret": "excess return"})
    formula = "`excess return` ~ np.log(`market cap`) + I(beta ** 2) + beta:np.log(`market cap`)"
    model = FormulaRegressor(formula, FamaMacBeth()).fit(named)
    log_size = np.log(panel["size"])
    design = pd.DataFrame({"a": log_size, "b": panel["beta"] ** 2, "c": panel["beta"] * log_size})
    expected = FamaMacBeth().fit(design, panel["ret"])
    assert_allclose(model.regressor_.lambdas_, expected.lambdas_, rtol=1e-10)


def test_a_column_may_have_the_name_of_a_function(panel):
    expected = FormulaRegressor("ret ~ beta", FamaMacBeth()).fit(panel).regressor_.premia_
    renamed = panel.rename(columns={"beta": "scale", "size": "C"})
    model = FormulaRegressor("ret ~ scale + C(industry) - C(industry)", FamaMacBeth())
    assert_allclose(model.fit(renamed).regressor_.premia_, expected, rtol=1e-12)


def test_the_first_pass_alone_takes_a_formula_and_does_not_predict(market):
    model = FormulaRegressor(TWO_SIDED, FactorBetas()).fit(market)
    expected = FactorBetas().fit(market[FACTORS], market[PORTFOLIOS]).betas_
    assert_frame_equal(model.regressor_.betas_, expected, rtol=1e-12)
    assert not hasattr(model, "predict")
    assert not hasattr(model, "score")


# --- new rows -----------------------------------------------------------------------------------


def test_predict_needs_no_returns_and_encodes_as_in_fit(panel):
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    expected = pd.Series(model.predict(panel), panel.index)
    new = panel.drop(columns="ret")
    steel = new[new["industry"] == "steel"]  # one category only
    assert_allclose(model.predict(steel), expected[steel.index], **EXACT)
    assert_allclose(model.predict(new[new.columns[::-1]]), expected, **EXACT)


def test_stateful_functions_remember_fit(panel):
    model = FormulaRegressor("ret ~ center(beta)", FamaMacBeth()).fit(panel)
    plain = FormulaRegressor("ret ~ beta", FamaMacBeth()).fit(panel)
    assert_allclose(model.predict(panel[:5]), plain.predict(panel[:5]), rtol=1e-10)


def test_row_order_does_not_matter(panel):
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    shuffled = panel.sample(frac=1.0, random_state=0)
    again = clone(model).fit(shuffled)
    assert_series_equal(again.regressor_.premia_, model.regressor_.premia_, rtol=1e-10)


# --- missing values and categories --------------------------------------------------------------


def test_rows_with_missing_numbers_are_kept_for_the_regressor_to_judge(panel):
    panel.iloc[3, 1] = np.nan
    panel.iloc[5, 0] = np.nan
    design = by_hand(panel)
    expected = FamaMacBeth().fit(design, panel["ret"])
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    assert_frame_equal(model.regressor_.lambdas_, expected.lambdas_, rtol=1e-12)
    assert_array_equal(np.flatnonzero(np.isnan(model.predict(panel))), [3])
    with pytest.raises(ValueError, match=r"X has missing values in 1 of"):
        FormulaRegressor(PANEL, FamaMacBeth(missing="raise")).fit(panel)


def test_a_missing_category_is_missing_and_not_the_first_one(panel):
    panel["industry"] = panel["industry"].astype(object)
    panel.iloc[[3, 7], 3] = [None, np.nan]
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    expected = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel.dropna())
    assert_series_equal(model.regressor_.premia_, expected.regressor_.premia_, rtol=1e-12)
    assert_array_equal(np.flatnonzero(np.isnan(model.predict(panel))), [3, 7])


@pytest.mark.parametrize("term", ["C(industry)", "industry", "beta:C(industry)"])
def test_a_category_never_seen_predicts_nan_without_a_word(panel, term):
    model = FormulaRegressor(f"ret ~ {term}", FamaMacBeth()).fit(panel)
    new = panel[:9].copy()
    expected = model.predict(new)
    new.iloc[4, 3] = "textiles"
    predicted = model.predict(new)
    assert_array_equal(np.flatnonzero(np.isnan(predicted)), [4])
    assert_allclose(np.delete(predicted, 4), np.delete(expected, 4), **EXACT)


def test_a_category_that_the_formula_fills_is_not_missing(panel):
    panel["industry"] = panel["industry"].astype(object)
    panel.iloc[::7, 3] = None
    filled = panel.assign(industry=panel["industry"].fillna("none"))
    model = FormulaRegressor("ret ~ C(industry.fillna('none'))", FamaMacBeth()).fit(panel)
    expected = FormulaRegressor("ret ~ C(industry)", FamaMacBeth()).fit(filled)
    assert_allclose(model.regressor_.premia_, expected.regressor_.premia_, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_text_of_any_dtype_is_categories(panel, dtype):
    expected = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    other = panel.astype({"industry": dtype})
    for formula in (PANEL, PANEL.replace("C(industry)", "industry")):
        model = FormulaRegressor(formula, FamaMacBeth()).fit(other)
        assert_allclose(model.predict(other), expected.predict(panel), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["object", "Float64"])
def test_numbers_of_any_dtype_are_numbers_and_not_categories(panel, dtype):
    expected = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel).regressor_.premia_
    other = panel.astype({"beta": dtype, "size": dtype, "ret": dtype})
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(other)
    assert_series_equal(model.regressor_.premia_, expected, rtol=1e-12)


# --- containers ---------------------------------------------------------------------------------


def test_a_polars_frame_with_dates(panel):
    expected = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    frame = pl.from_pandas(panel.reset_index(drop=True))
    dates = panel.index.get_level_values("date")
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(frame, dates=dates)
    premia = expected.regressor_.premia_
    assert_series_equal(model.regressor_.premia_, premia, rtol=1e-12)
    assert_allclose(model.predict(frame), expected.predict(panel), **EXACT)


def test_dates_that_repeat_in_a_single_level(panel):
    expected = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel).regressor_.premia_
    dated = panel.droplevel("asset")
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(dated)
    assert_series_equal(model.regressor_.premia_, expected, rtol=1e-12)


def test_the_frame_is_not_modified(panel):
    panel.iloc[3, 1] = np.nan
    before = panel.copy(deep=True)
    FormulaRegressor(PANEL, FamaMacBeth()).fit(panel).predict(panel)
    assert_frame_equal(panel, before, check_exact=True)


# --- metadata -----------------------------------------------------------------------------------


def test_without_routing_arguments_are_handed_on_as_they_are(panel):
    weights = panel["size"].to_numpy()
    direct = FamaMacBeth().fit(by_hand(panel), panel["ret"], sample_weight=weights)
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel, sample_weight=weights)
    assert_frame_equal(model.regressor_.lambdas_, direct.lambdas_, rtol=1e-12)
    plain = panel.reset_index(drop=True)
    dates = panel.index.get_level_values("date")
    by_argument = FormulaRegressor(PANEL, FamaMacBeth()).fit(plain, dates=dates)
    by_index = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    assert_allclose(by_argument.regressor_.lambdas_, by_index.regressor_.lambdas_, rtol=1e-12)
    expected = direct.score(by_hand(panel), panel["ret"], sample_weight=weights)
    assert model.score(panel, sample_weight=weights) == pytest.approx(expected, rel=1e-12)


def test_long_data_takes_dates_and_assets(market):
    returns = market[PORTFOLIOS].stack()
    long = market[FACTORS].loc[returns.index.get_level_values(0)].assign(ret=returns.to_numpy())
    dates, assets = (returns.index.get_level_values(level) for level in (0, 1))
    model = FormulaRegressor("ret ~ MktRF + HML + Mom", FactorBetas())
    model.fit(long.reset_index(drop=True), dates=dates, assets=assets)
    expected = FactorBetas().fit(market[FACTORS], market[PORTFOLIOS]).betas_
    assert_allclose(model.regressor_.betas_.loc[PORTFOLIOS], expected, rtol=1e-9)


def test_routed_metadata_reaches_every_step_that_requests_it(panel):
    formula = "ret ~ beta + np.log(size)"
    dates = panel.index.get_level_values("date").to_numpy()
    metadata = {"dates": dates, "groupby": panel["industry"], "weights": panel["size"]}
    plain = panel.reset_index(drop=True)
    metadata = {name: np.asarray(values) for name, values in metadata.items()}
    with config_context(enable_metadata_routing=True):
        last = FamaMacBeth().set_fit_request(sample_weight=True)
        last.set_score_request(sample_weight=True)
        pipeline = make_pipeline(SimpleImputer(), FactorZScorer(), last)
        model = FormulaRegressor(formula, pipeline)
        weights = plain["size"].to_numpy()
        model.fit(plain, **metadata, sample_weight=weights)
        predicted = model.predict(plain, **metadata)
    design = by_hand(panel).iloc[:, :2]
    scores = FactorZScorer().fit_transform(
        design, groupby=panel["industry"].to_numpy(), weights=panel["size"].to_numpy()
    )
    expected = FamaMacBeth().fit(scores, panel["ret"], sample_weight=weights)
    assert_allclose(model.regressor_[-1].lambdas_, expected.lambdas_, rtol=1e-10)
    assert_allclose(predicted, expected.predict(scores), rtol=1e-10)


def test_routed_dates_reach_the_formula_through_cross_validation_and_an_outer_pipeline(panel):
    formula = "ret ~ beta + np.log(size)"
    dates = panel.index.get_level_values("date").to_numpy()
    plain = panel.reset_index(drop=True)
    inner = FormulaRegressor(formula, make_pipeline(FamaMacBeth()))
    expected = cross_validate(inner, panel, cv=FOLDS)["test_score"]
    assert np.isfinite(expected).all()
    with config_context(enable_metadata_routing=True):
        outer = make_pipeline(FunctionTransformer(), inner)
        routed = cross_validate(outer, plain, cv=FOLDS, params={"dates": dates})["test_score"]
    assert_allclose(routed, expected, rtol=1e-10)


def test_metadata_that_nobody_requests_raises(panel):
    with config_context(enable_metadata_routing=True):
        model = FormulaRegressor(PANEL, FamaMacBeth())
        with pytest.raises(TypeError, match="unexpected argument"):
            model.fit(panel, colour="red")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        model.fit(panel, colour="red")


# --- a hyper-parameter --------------------------------------------------------------------------


def test_a_grid_search_over_factor_sets_scores_each_as_if_alone(market):
    sets = [["MktRF"], ["MktRF", "HML"], ["MktRF", "HML", "Mom"]]
    grid = {"formula": [" + ".join(names) for names in sets]}
    model = FormulaRegressor("MktRF", FamaMacBeth())
    search = GridSearchCV(model, grid, cv=FOLDS).fit(market, market[PORTFOLIOS])
    expected = [
        cross_validate(FamaMacBeth(), market[names], market[PORTFOLIOS], cv=FOLDS)["test_score"]
        for names in sets
    ]
    assert_allclose(search.cv_results_["mean_test_score"], np.mean(expected, axis=1), rtol=1e-10)
    left = {"formula": [f"{TWO_SIDED.split('~')[0]} ~ {f}" for f in grid["formula"]]}
    one_frame = GridSearchCV(model, left, cv=FOLDS).fit(market)
    for name in ("mean_test_score", "std_test_score"):
        assert_allclose(one_frame.cv_results_[name], search.cv_results_[name], rtol=1e-10)


def test_a_grid_search_reaches_the_parameters_of_the_regressor(panel):
    model = FormulaRegressor(PANEL, FamaMacBeth())
    grid = {"regressor__fit_intercept": [True, False]}
    search = GridSearchCV(model, grid, cv=FOLDS).fit(panel)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    # All categories without an intercept span what the others span with one.
    assert_allclose(*search.cv_results_["mean_test_score"], rtol=1e-9)


def test_cross_val_predict_with_the_returns_on_the_left(panel):
    predicted = cross_val_predict(FormulaRegressor(PANEL, FamaMacBeth()), panel, cv=FOLDS)
    expected = cross_val_predict(FamaMacBeth(), by_hand(panel), panel["ret"], cv=FOLDS)
    assert_allclose(predicted, expected, rtol=1e-10)


def test_a_lambda_and_a_builtin_are_no_columns(panel):
    formula = "ret ~ np.exp(beta.map(lambda v: min(v, 0.0)))"
    model = FormulaRegressor(formula, FamaMacBeth()).fit(panel)
    expected = FamaMacBeth().fit(np.exp(panel[["beta"]].clip(upper=0.0)), panel["ret"])
    assert_allclose(model.regressor_.premia_, expected.premia_, rtol=1e-12)


def test_clone_and_pickle(panel):
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(panel), model.predict(panel))
    assert copy.score(panel) == model.score(panel)
    unfitted = clone(model)
    assert not hasattr(unfitted, "regressor_")
    assert unfitted.get_params(deep=False)["formula"] == PANEL


def test_a_failed_fit_leaves_the_earlier_one(panel):
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    expected = model.predict(panel)
    with pytest.raises(ValueError, match="which X does not have"):
        model.fit(panel.drop(columns="beta"))
    assert_array_equal(model.predict(panel), expected)


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("ret ~ beta + momentum", r"names \['momentum'\], which X does not have; its columns are"),
        ("profit ~ beta", r"names \['profit'\], which X does not have.*'ret', 'beta', 'size'"),
        ("ret ~ smooth(beta)", r"names \['smooth'\], which X does not have"),
        ("ret ~ 1", r"names no factor; the columns of X are \['ret', 'beta'"),
        ("ret ~ beta - beta", "names no factor"),
        ("ret ~ beta +", "cannot be read: Operator `.` has insuf"),
        ("ret ~ ~ beta", "cannot be read"),
        ("ret ~ .", "cannot be read"),
        ("ret ~ np.log(beta size)", "cannot be read"),
        ("ret ~ {beta +}", "cannot be read"),
        ("ret ~ beta | size", "several parts on a side"),
        ("ret ~ 0 + beta", r"removes the intercept.*fit_intercept=True, which rules.*Take '0 \+'"),
        ("ret ~ beta - 1", r"removes the intercept.*set fit_intercept=False"),
        ("industry ~ beta", r"left side of .* has to hold returns, but \['industry'\] are categ"),
        ("ret - ret ~ beta", "has to hold returns, but it is empty"),
        ("ret ~ center(momentum)", r"names \['momentum'\], which X does not have"),
        ("ret ~ np.log(`market cap`)", r"names \['market cap'\], which X does not have"),
        ("ret ~ beta.nothing", r"names \['beta.nothing'\], which X does not have"),
        ("ret ~ beta.nothing()", "cannot be evaluated: Unable to evaluate factor `beta.nothing"),
    ],
)
def test_a_formula_that_cannot_be_fitted_says_why(panel, formula, message):
    with pytest.raises(ValueError, match=message):
        FormulaRegressor(formula, FamaMacBeth()).fit(panel)


def test_an_empty_formula_names_no_factor(panel):
    with pytest.raises(ValueError, match="names no factor"):
        FormulaRegressor("", FamaMacBeth()).fit(panel, panel["ret"])


def test_an_explicit_intercept_against_a_regressor_without_one_raises(panel):
    model = FormulaRegressor("ret ~ 1 + beta", FamaMacBeth(fit_intercept=False))
    with pytest.raises(ValueError, match=r"adds an intercept.*fit_intercept=False.*Take '1 \+'"):
        model.fit(panel)


def test_predict_names_the_column_that_is_missing(panel):
    model = FormulaRegressor(PANEL, FamaMacBeth()).fit(panel)
    with pytest.raises(ValueError, match=r"names \['size'\], which X does not have"):
        model.predict(panel.drop(columns="size"))
    with pytest.raises(ValueError, match=r"names \['ret'\], which X does not have"):
        model.score(panel.drop(columns="ret"))


def test_returns_have_to_be_given_once(panel):
    both = FormulaRegressor(PANEL, FamaMacBeth())
    with pytest.raises(ValueError, match=r"names the returns on its left side, and y was"):
        both.fit(panel, panel["ret"])
    with pytest.raises(ValueError, match="left side, and y was passed too"):
        both.fit(panel).score(panel, panel["ret"])
    neither = FormulaRegressor("beta", FamaMacBeth())
    with pytest.raises(ValueError, match=r"requires y to be passed.*asset1 \+ asset2 ~ beta"):
        neither.fit(panel)
    with pytest.raises(ValueError, match="requires y to be passed"):
        neither.fit(panel, panel["ret"]).score(panel)


def test_infinity_names_the_term(panel):
    panel.iloc[3, 2] = 0.0
    model = FormulaRegressor("ret ~ beta + np.log(size)", FamaMacBeth())
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=r"np\.log\(size\)"):
        model.fit(panel)


def test_arrays_have_no_names(panel):
    with pytest.raises(TypeError, match=r"needs a DataFrame.*found ndarray.*set_output"):
        FormulaRegressor("beta", FamaMacBeth()).fit(panel[["beta"]].to_numpy(), panel["ret"])


def test_a_column_called_intercept_raises(panel):
    renamed = panel.rename(columns={"beta": "Intercept"})
    with pytest.raises(ValueError, match="names a column like its constant"):
        FormulaRegressor("ret ~ Intercept + size", FamaMacBeth()).fit(renamed)


def test_returns_in_another_order_raise(panel):
    model = FormulaRegressor("beta", FamaMacBeth())
    with pytest.raises(ValueError, match="X and y have different indexes"):
        model.fit(panel, panel["ret"][::-1])


def test_repeated_columns_raise(panel):
    twice = pd.concat([panel, panel[["beta"]]], axis=1)
    with pytest.raises(ValueError, match=r"columns \['beta'\] of X occur more than once"):
        FormulaRegressor(PANEL, FamaMacBeth()).fit(twice)


def test_parameters_of_another_type_raise(panel):
    with pytest.raises(ValueError, match="'formula' parameter"):
        FormulaRegressor(3, FamaMacBeth()).fit(panel)
    with pytest.raises(ValueError, match="'regressor' parameter"):
        FormulaRegressor("beta", "ols").fit(panel)


def test_an_unfitted_model_does_not_predict(panel):
    with pytest.raises(NotFittedError):
        FormulaRegressor(PANEL, FamaMacBeth()).predict(panel)


# --- scikit-learn's own checks ------------------------------------------------------------------


class FormulaOfArrays(RegressorMixin, BaseEstimator):
    """Names the columns of an array, so that scikit-learn's checks can feed a formula."""

    def fit(self, X, y, sample_weight=None):
        X = validate_data(self, X, dtype=np.float64)
        frame = self._named(X)
        model = FormulaRegressor(" + ".join(frame.columns), LinearRegression())
        self.model_ = model.fit(frame, y, sample_weight=sample_weight)
        return self

    def predict(self, X):
        check_is_fitted(self)
        return self.model_.predict(self._named(validate_data(self, X, reset=False)))

    def score(self, X, y, sample_weight=None):
        frame = self._named(validate_data(self, X, reset=False))
        return self.model_.score(frame, y, sample_weight=sample_weight)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @staticmethod
    def _named(X):
        return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


_MARK = parametrize_with_checks([FormulaOfArrays()])


def _check_name(check):
    return getattr(check, "func", check).__name__


@pytest.mark.parametrize(
    ("estimator", "check"),
    # The check of array dispatch needs a process of its own, and there is nothing to dispatch.
    [pair for pair in _MARK.args[1] if "check_array_api" not in _check_name(pair[1])],
    **_MARK.kwargs,
)
def test_scikit_learn_check_passes_on_named_arrays(estimator, check):
    check(estimator)


# Those that look at parameters, tags and names, and feed no array.
DATA_FREE = {
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_partial_fit_n_features",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
}
_BARE = parametrize_with_checks([FormulaRegressor("x0 + x1", LinearRegression())])


@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for pair in _BARE.args[1] if _check_name(pair[1]) in DATA_FREE],
    **_BARE.kwargs,
)
def test_scikit_learn_check_that_feeds_no_array_passes(estimator, check):
    check(estimator)


def test_tags_are_those_of_the_regressor():
    tags = FormulaRegressor("x", FamaMacBeth()).__sklearn_tags__()
    assert tags.input_tags.allow_nan
    assert tags.target_tags.multi_output
    assert not FormulaRegressor("x", LinearRegression()).__sklearn_tags__().input_tags.allow_nan
    assert is_regressor(FormulaRegressor("x", DummyRegressor()))


def test_traded_factors_always_have_alphas():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=["a", "b", "f"])
    FormulaRegressor("a + b ~ f", TradedFactorModel()).fit(frame)
    with pytest.raises(ValueError, match=r"but TradedFactorModel always .* of the formula\.$"):
        FormulaRegressor("a + b ~ 0 + f", TradedFactorModel()).fit(frame)


def test_quoted_names_are_columns_and_empty_categories_none():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(2000, 2010), list("abcdefgh")], names=["year", "a"])
    frame = pd.DataFrame({"ret": rng.normal(size=80), "Mkt-RF": rng.normal(size=80)}, index)
    frame["cat"] = pd.Categorical(np.tile(["x", "y"], 40), categories=["x", "y", "gone"])
    model = FormulaRegressor("ret ~ Q('Mkt-RF') + cat", FamaMacBeth()).fit(frame)
    plain = FormulaRegressor("ret ~ `Mkt-RF` + cat", FamaMacBeth())
    plain.fit(frame.assign(cat=frame["cat"].astype(str)))
    assert_allclose(model.regressor_.premia_, plain.regressor_.premia_)
    assert list(model.feature_names_in_) == ["Mkt-RF", "cat"]
    assert_allclose(model.predict(frame), plain.predict(frame.assign(cat=frame["cat"].astype(str))))

"""FamaMacBeth on factors and assets side by side: two passes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from linearmodels.asset_pricing import LinearFactorModel
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from reference_premia import (
    FACTORS,
    first_pass_loop,
    french_two_pass,
    random_two_pass,
    second_pass_loop,
    to_long,
)
from sklearn.pipeline import make_pipeline

from skfactor import FactorBetas, FamaMacBeth
from skfactor.exceptions import RankDeficientWarning


@pytest.fixture(scope="module")
def french():
    return french_two_pass()


@pytest.fixture
def data():
    return random_two_pass(np.random.default_rng(0))


@pytest.fixture
def unbalanced():
    return random_two_pass(np.random.default_rng(1), missing=0.2)


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("zero_beta_rate", [True, False])
@pytest.mark.parametrize("factors", [["MktRF"], FACTORS[:3], FACTORS])
def test_french_portfolios_agree_with_linearmodels(french, factors, zero_beta_rate):
    X, y = french[0][factors], french[1]
    model = FamaMacBeth(fit_intercept=zero_beta_rate).fit(X, y)
    expected = LinearFactorModel(y, X, risk_free=zero_beta_rate).fit()
    assert_allclose(model.premia_, expected.risk_premia, rtol=1e-9)
    assert_allclose(model.betas_, expected.betas, rtol=1e-9)
    assert_allclose(model.pricing_errors_, expected.alphas, rtol=1e-9, atol=1e-14)
    assert list(model.premia_.index) == ["const"] * zero_beta_rate + factors
    assert list(model.betas_.index) == list(model.pricing_errors_.index) == list(y.columns)
    assert_index_equal(model.dates_, y.index)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_both_passes_agree_with_statsmodels_loops(seed, missing, fit_intercept):
    X, y = random_two_pass(np.random.default_rng(seed), n_assets=12, missing=missing)
    model = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
    betas = first_pass_loop(X, y)["betas"]
    slopes = second_pass_loop(betas, y, fit_intercept=fit_intercept)
    assert_allclose(model.betas_, betas, rtol=1e-10)
    assert_allclose(model.lambdas_, slopes, rtol=1e-9, atol=1e-13)
    assert_allclose(model.premia_, slopes.mean(), rtol=1e-9, atol=1e-13)
    level = slopes.mean()["const"] if fit_intercept else 0.0
    expected = level + betas @ slopes.mean()[list(X.columns)]
    assert_allclose(model.expected_returns_, expected, rtol=1e-9, atol=1e-13)
    assert_allclose(model.pricing_errors_, y.mean() - expected, atol=1e-12)
    assert_array_equal(model.cross_sections_["n_assets"], y.notna().sum(axis=1))


def test_premia_of_complete_returns_are_the_regression_of_average_returns(data):
    X, y = data
    model = FamaMacBeth().fit(X, y)
    design = np.column_stack([np.ones(len(model.betas_)), model.betas_])
    expected = np.linalg.lstsq(design, y.mean(), rcond=None)[0]
    assert_allclose(model.premia_, expected, rtol=1e-11)
    assert_allclose(design.T @ model.pricing_errors_, 0.0, atol=1e-15)


def test_traded_factors_without_noise_earn_their_own_averages():
    X, _ = random_two_pass(np.random.default_rng(3))
    betas = np.random.default_rng(4).normal(size=(6, 2))
    model = FamaMacBeth().fit(X, pd.DataFrame(X.to_numpy() @ betas.T, X.index))
    assert_allclose(model.premia_, [0.0, *X.mean()], atol=1e-15)
    assert_allclose(model.betas_, betas, rtol=1e-12)
    assert_allclose(model.pricing_errors_, 0.0, atol=1e-16)


# --- the long pipeline --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data", "unbalanced"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_long_pipeline_gives_the_premia_of_the_wide_form(name, fit_intercept, request):
    X, y = request.getfixturevalue(name)
    wide = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
    pipeline = make_pipeline(FactorBetas(), FamaMacBeth(fit_intercept=fit_intercept))
    long_X, long_y = to_long(X, y)
    keep = long_y.notna()
    shuffled = np.random.default_rng(0).permutation(int(keep.sum()))
    rows = long_X[keep].iloc[shuffled], long_y[keep].iloc[shuffled]
    for fitted in (pipeline.fit(long_X, long_y), pipeline.fit(*rows)):
        assert_allclose(fitted[-1].premia_, wide.premia_, rtol=1e-12, atol=1e-15)
        assert_allclose(fitted[-1].lambdas_, wide.lambdas_, rtol=1e-9, atol=1e-13)
        expected = np.tile(wide.expected_returns_, len(X))
        assert_allclose(fitted.predict(long_X), expected, rtol=1e-11, atol=1e-15)


# --- containers and dates -----------------------------------------------------------------------


def test_rows_in_any_order_and_assets_in_any_order_give_the_same_premia(unbalanced):
    X, y = unbalanced
    expected = FamaMacBeth().fit(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = FamaMacBeth().fit(X.iloc[order], y.iloc[order])
    assert_frame_equal(shuffled.lambdas_, expected.lambdas_, rtol=1e-9)
    assert_index_equal(shuffled.dates_, X.index)
    assert_series_equal(shuffled.pricing_errors_, expected.pricing_errors_, rtol=1e-9)
    backwards = FamaMacBeth().fit(X, y.iloc[:, ::-1])
    assert_series_equal(backwards.premia_, expected.premia_, rtol=1e-11)
    assert_frame_equal(backwards.betas_.iloc[::-1], expected.betas_, rtol=1e-11)


def test_rows_in_any_order_give_the_same_errors(data):
    X, y = data
    order = np.random.default_rng(0).permutation(len(X))
    for lags in ({}, {"kernel": "bartlett", "bandwidth": 3}):
        expected = FamaMacBeth().fit(X, y).inference(**lags)
        shuffled = FamaMacBeth().fit(X.iloc[order], y.iloc[order]).inference(**lags)
        assert_frame_equal(shuffled.cov, expected.cov, rtol=1e-9)


def test_arrays_give_the_numbers_of_frames_and_number_their_assets(unbalanced):
    X, y = unbalanced
    expected = FamaMacBeth().fit(X, y)
    model = FamaMacBeth().fit(X.to_numpy(), y.to_numpy())
    assert_allclose(model.lambdas_, expected.lambdas_, rtol=1e-11, atol=1e-15)
    assert list(model.betas_.columns) == ["x0", "x1"]
    assert list(model.betas_.index) == list(range(8))
    dated = FamaMacBeth().fit(X.to_numpy(), y.to_numpy(), dates=X.index)
    assert_index_equal(dated.dates_, X.index)
    assert_allclose(dated.premia_, expected.premia_, rtol=1e-11, atol=1e-15)


def test_polars_frames_give_the_numbers_and_the_asset_names_of_pandas(unbalanced):
    X, y = unbalanced
    expected = FamaMacBeth().fit(X, y)
    frames = [pl.from_pandas(data.reset_index(drop=True), nan_to_null=True) for data in (X, y)]
    model = FamaMacBeth().fit(*frames, dates=pl.Series(X.index.to_timestamp().to_numpy()))
    assert_allclose(model.lambdas_, expected.lambdas_, rtol=1e-11, atol=1e-15)
    assert list(model.betas_.index) == list(model.pricing_errors_.index) == list(y.columns)


def test_periods_and_stamps_are_matched_by_period(data):
    X, y = data
    expected = FamaMacBeth().fit(X, y).premia_
    for how in ("start", "end"):
        stamped = y.set_axis(y.index.to_timestamp(how=how))
        assert_series_equal(FamaMacBeth().fit(X, stamped).premia_, expected)
        assert_series_equal(FamaMacBeth().fit(X.set_axis(stamped.index), y).premia_, expected)


def test_input_is_not_changed_and_results_do_not_share_its_memory(data):
    X, y = data
    copies = X.copy(deep=True), y.copy(deep=True)
    model = FamaMacBeth().fit(X, y)
    before = model.inference("shanken").cov
    model.betas_.iloc[:], model.lambdas_.iloc[:] = 0.0, 0.0
    assert_frame_equal(X, copies[0], check_exact=True)
    assert_frame_equal(y, copies[1], check_exact=True)
    again = FamaMacBeth().fit(X, y)
    X.iloc[:], y.iloc[:] = 1.0, 1.0
    assert_frame_equal(again.inference("shanken").cov, before)


# --- predict, score -----------------------------------------------------------------------------


def test_predict_repeats_the_expected_returns(data):
    X, y = data
    model = FamaMacBeth().fit(X, y)
    predicted = model.predict(X.iloc[:3])
    assert type(predicted) is np.ndarray
    assert_array_equal(predicted, np.tile(model.expected_returns_, (3, 1)))
    found = model.expected_returns(model.betas_)
    assert_series_equal(found, model.expected_returns_)


def test_score_is_the_cross_sectional_r2_of_average_returns(unbalanced):
    X, y = unbalanced
    model = FamaMacBeth().fit(X, y)
    test_X, test_y = random_two_pass(np.random.default_rng(5), missing=0.3)
    for weights in (None, np.random.default_rng(6).uniform(0.1, 2.0, len(test_y))):
        w = np.ones(len(test_y)) if weights is None else weights
        average = test_y.mul(w, axis=0).sum() / test_y.notna().mul(w, axis=0).sum()
        errors = average - model.expected_returns_
        expected = 1.0 - (errors**2).sum() / ((average - average.mean()) ** 2).sum()
        assert_allclose(model.score(test_X, test_y, sample_weight=weights), expected, rtol=1e-11)


def test_score_leaves_out_assets_without_a_return(data):
    X, y = data
    model = FamaMacBeth().fit(X, y)
    errors = (y.mean() - model.expected_returns_).drop("asset3")
    average = y.mean().drop("asset3")
    expected = 1.0 - (errors**2).sum() / ((average - average.mean()) ** 2).sum()
    assert_allclose(model.score(X, y.assign(asset3=np.nan)), expected, rtol=1e-11)


def test_score_raises_on_other_assets(data):
    X, y = data
    model = FamaMacBeth().fit(X, y)
    with pytest.raises(ValueError, match=r"y has other assets than the 8 of fit"):
        model.score(X, y.iloc[:, ::-1])
    with pytest.raises(ValueError, match=r"y has other assets than the 8 of fit"):
        model.score(X, y.iloc[:, :5])


# --- parameters ---------------------------------------------------------------------------------


def test_the_first_pass_can_be_passed_and_is_cloned(data):
    X, y = data
    betas = FactorBetas(fit_intercept=False)
    model = FamaMacBeth(betas=betas).fit(X, y)
    assert not hasattr(betas, "betas_")
    assert_frame_equal(model.betas_, betas.fit(X, y).betas_)
    assert_allclose(model.betas_, first_pass_loop(X, y, fit_intercept=False)["betas"], rtol=1e-10)
    nested = FamaMacBeth(betas=FactorBetas()).set_params(betas__fit_intercept=False).fit(X, y)
    assert_series_equal(nested.premia_, model.premia_)


@pytest.mark.parametrize("as_arrays", [False, True])
@pytest.mark.parametrize(
    "betas", [None, FactorBetas(), FactorBetas(halflife=20.0, shrinkage="vasicek")]
)
def test_the_first_pass_is_what_fitting_it_alone_gives(unbalanced, betas, as_arrays):
    X, y = unbalanced
    if as_arrays:
        X, y = (frame.reset_index(drop=True) for frame in (X, y))
    model = FamaMacBeth(betas=betas).fit(*((X.to_numpy(), y.to_numpy()) if as_arrays else (X, y)))
    X = X.set_axis(model._names, axis=1)
    y = y.set_axis(model.betas_.index, axis=1)
    alone = (betas or FactorBetas()).fit(X, y)
    fitted = [(model.first_pass_, alone), (model.first_pass_.record_, alone.record_)]
    pairs = [
        (getattr(first, name), getattr(expected, name))
        for first, expected in fitted
        for name in vars(expected)
        if name not in {"feature_names_in_", "record_"}
    ]
    for first, expected in pairs:
        if isinstance(expected, pd.DataFrame):
            assert_frame_equal(first, expected)
        elif isinstance(expected, pd.Series):
            assert_series_equal(first, expected)
        elif isinstance(expected, np.ndarray):
            assert_array_equal(first, expected)
        else:
            assert first == expected
    assert_array_equal(model.first_pass_.feature_names_in_, alone.feature_names_in_)
    assert_frame_equal(model.first_pass_.residuals_, alone.residuals_)


def test_the_fit_of_another_kind_of_first_pass_is_called(data):
    class Doubled(FactorBetas):
        def fit(self, X, y=None, dates=None, assets=None):
            super().fit(X, y, dates, assets)
            self.betas_ *= 2.0
            return self

    X, y = data
    model = FamaMacBeth(betas=Doubled()).fit(X, y)
    assert_frame_equal(model.betas_, 2.0 * FactorBetas().fit(X, y).betas_)
    assert_allclose(model.coef_, FamaMacBeth().fit(X, y).coef_ / 2.0, rtol=1e-10)


@pytest.mark.parametrize(
    ("betas", "wrong", "match"),
    [
        (FactorBetas(missing="raise"), "NaN", r"y has missing values in 1 of 60 rows"),
        (None, "unknown factor", r"The factors \['Mom'\] have no value at all"),
        (None, "repeated asset", r"The columns \['asset1'\] of y occur more than once"),
        (FactorBetas(shrinkage="nothing"), "", r"'shrinkage' parameter of FactorBetas"),
        (FactorBetas(lag=3), "", r"lag=3 says when rolling betas are used"),
    ],
)
def test_the_first_pass_refuses_what_it_refuses_alone(data, betas, wrong, match):
    X, y = (frame.copy() for frame in data)
    if wrong == "NaN":
        y.iloc[7, 1] = np.nan
    elif wrong == "unknown factor":
        X["Mom"] = np.nan
    elif wrong == "repeated asset":
        y.columns = [*y.columns[:-1], "asset1"]
    for model in (betas or FactorBetas(), FamaMacBeth(betas=betas)):
        with pytest.raises(ValueError, match=match):
            model.fit(X, y)


def test_premia_window_and_halflife_average_the_slopes(data):
    X, y = data
    slopes = FamaMacBeth().fit(X, y).lambdas_
    window = FamaMacBeth(premia_window=12).fit(X, y)
    assert_allclose(window.premia_, slopes.iloc[-12:].mean(), rtol=1e-11)
    weights = 0.5 ** (np.arange(60)[::-1] / 6.0)
    weighted = FamaMacBeth(premia_halflife=6.0).fit(X, y)
    assert_allclose(weighted.premia_, weights @ slopes / weights.sum(), rtol=1e-11)
    average = y.mean() - weighted.expected_returns_
    assert_allclose(weighted.pricing_errors_, average, rtol=1e-12)


def test_min_assets_leaves_out_thin_dates(unbalanced):
    X, y = unbalanced
    thin = y.notna().sum(axis=1) < 6
    with pytest.warns(RankDeficientWarning, match=rf"{thin.sum()} of 60 dates.*fewer than 6"):
        model = FamaMacBeth(min_assets=6).fit(X, y)
    assert_array_equal(model.lambdas_["const"].isna(), thin)
    with pytest.raises(ValueError, match=rf"{thin.sum()} of 60 dates cannot be estimated"):
        FamaMacBeth(min_assets=6, rank_deficient="raise").fit(X, y)


@pytest.mark.parametrize("what", ["X", "y"])
def test_missing_raise_refuses_a_missing_factor_or_return(data, what):
    X, y = (frame.copy() for frame in data)
    (X if what == "X" else y).iloc[7, 1] = np.nan
    with pytest.raises(ValueError, match=rf"{what} has missing values in 1 of 60 rows.*'drop'"):
        FamaMacBeth(missing="raise").fit(X, y)


def test_a_missing_factor_drops_its_date_from_the_first_pass_only(data):
    X, y = (frame.copy() for frame in data)
    X.iloc[7, 1] = np.nan
    model = FamaMacBeth().fit(X, y)
    betas = first_pass_loop(X.drop(X.index[7]), y.drop(X.index[7]))["betas"]
    assert_allclose(model.betas_, betas, rtol=1e-10)
    assert_allclose(model.lambdas_, second_pass_loop(betas, y), rtol=1e-9, atol=1e-13)


def test_an_asset_with_too_few_returns_has_no_beta_and_the_rest_is_as_without_it(data):
    X, y = data
    thin = y["asset2"].where(np.arange(60) < 2)
    with pytest.warns(
        RankDeficientWarning, match=r"betas of 1 of 8 assets are NaN.*asset2"
    ) as seen:
        model = FamaMacBeth().fit(X, y.assign(asset2=thin))
    assert len(seen) == 1
    expected = FamaMacBeth().fit(X, y.drop(columns="asset2"))
    assert_allclose(model.premia_, expected.premia_, rtol=1e-11)
    assert model.betas_.loc["asset2"].isna().all()
    assert np.isnan(model.pricing_errors_["asset2"])
    assert_allclose(model.pricing_errors_.drop("asset2"), expected.pricing_errors_, atol=1e-15)
    assert np.isfinite(model.score(X, y))


def test_sample_weight_raises_in_wide_form(data):
    X, y = data
    with pytest.raises(ValueError, match=r"sample_weight weighs the rows of a panel"):
        FamaMacBeth().fit(X, y, sample_weight=np.ones(len(X)))


def test_a_first_pass_raises_in_panel_form(data):
    X, y = to_long(*data)
    with pytest.raises(ValueError, match=r"betas= is the first pass of the wide form"):
        FamaMacBeth(betas=FactorBetas()).fit(X, y)

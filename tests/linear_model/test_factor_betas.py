"""FactorBetas: one time-series regression per asset, in three forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from reference import random_panel
from reference_premia import first_pass_loop, random_two_pass, to_long
from sklearn.pipeline import make_pipeline

from skfactor import FactorBetas, FamaMacBeth
from skfactor.exceptions import RankDeficientWarning


@pytest.fixture
def data():
    return random_two_pass(np.random.default_rng(0))


@pytest.fixture
def unbalanced():
    return random_two_pass(np.random.default_rng(1), missing=0.3)


def _assert_same_fit(left, right):
    for name in ("betas_", "std_errors_", "residuals_"):
        frames = getattr(left, name), getattr(right, name)
        assert_frame_equal(*frames, check_names=False, check_freq=False, rtol=1e-10)
    for name in ("alphas_", "r2_", "n_periods_"):
        assert_series_equal(getattr(left, name), getattr(right, name), check_names=False)


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("missing", "n_factors"), [(0.0, 2), (0.3, 2), (0.3, 1), (0.1, 5)])
def test_every_attribute_agrees_with_a_statsmodels_loop(missing, n_factors, fit_intercept):
    X, y = random_two_pass(np.random.default_rng(2), n_factors=n_factors, missing=missing)
    betas = FactorBetas(fit_intercept=fit_intercept).fit(X, y)
    expected = first_pass_loop(X, y, fit_intercept=fit_intercept)
    assert_allclose(betas.betas_, expected["betas"], rtol=1e-10)
    assert_allclose(betas.std_errors_, expected["std_errors"], rtol=1e-10)
    assert_allclose(betas.alphas_, expected["others"]["alpha"], rtol=1e-9, atol=1e-14)
    assert_allclose(betas.r2_, expected["others"]["r2"], rtol=1e-9)
    assert_array_equal(betas.n_periods_, expected["others"]["n_periods"])
    assert_allclose(betas.residuals_, expected["residuals"], atol=1e-14)
    assert_array_equal(betas.residuals_.isna(), y.isna())
    assert list(betas.betas_.index) == list(y.columns)
    assert list(betas.betas_.columns) == list(X.columns)
    assert_index_equal(betas.residuals_.index, X.index)


@pytest.mark.parametrize("noise", [1e-4, 1e-7, 1e-10])
def test_errors_keep_their_digits_where_factors_explain_nearly_all(data, noise):
    X, y = data
    tracking = pd.DataFrame(X.to_numpy() @ np.ones((X.shape[1], y.shape[1])), X.index, y.columns)
    tracking += noise * y
    errors = FactorBetas().fit(X, tracking).std_errors_
    assert_allclose(errors, noise * FactorBetas().fit(X, y).std_errors_, rtol=1e-4)


def test_units_of_the_factors_do_not_cost_digits(data):
    X, y = data
    expected = FactorBetas().fit(X, y)
    scaled = FactorBetas().fit(X * [1e-8, 1e8], y)
    assert_allclose(scaled.betas_ * [1e-8, 1e8], expected.betas_, rtol=1e-11)
    assert_allclose(scaled.std_errors_ * [1e-8, 1e8], expected.std_errors_, rtol=1e-11)
    shifted = FactorBetas().fit(X + 1e5, y)
    assert_allclose(shifted.betas_, expected.betas_, rtol=1e-7)
    assert_allclose(shifted.std_errors_, expected.std_errors_, rtol=1e-7)


def test_an_asset_that_is_a_factor_has_beta_one(data):
    X, _ = data
    betas = FactorBetas().fit(X, X)
    assert_allclose(betas.betas_, np.eye(2), atol=1e-14)
    assert_allclose(betas.alphas_, 0.0, atol=1e-16)
    assert_allclose(betas.r2_, 1.0)


# --- the three forms ----------------------------------------------------------------------------


def test_long_and_wide_form_give_the_same_fit(unbalanced):
    X, y = unbalanced
    wide = FactorBetas().fit(X, y)
    long_X, long_y = to_long(X, y)
    _assert_same_fit(FactorBetas().fit(long_X, long_y), wide)
    _assert_same_fit(FactorBetas().fit(long_X.swaplevel(), long_y.swaplevel()), wide)
    rows = np.random.default_rng(0).permutation(int(long_y.notna().sum()))
    keep = long_y.notna()
    _assert_same_fit(FactorBetas().fit(long_X[keep].iloc[rows], long_y[keep].iloc[rows]), wide)
    dates, assets = (long_X.index.get_level_values(i) for i in range(2))
    arrays = FactorBetas().fit(long_X.to_numpy(), long_y.to_numpy(), dates=dates, assets=assets)
    assert_allclose(arrays.betas_, wide.betas_, rtol=1e-11)
    assert_index_equal(arrays.betas_.index, wide.betas_.index, check_names=False)


def test_one_series_is_one_asset_named_after_it(data):
    X, y = data
    wide = FactorBetas().fit(X, y)
    one = FactorBetas().fit(X, y["asset3"])
    assert_frame_equal(one.betas_, wide.betas_.loc[["asset3"]])
    assert_allclose(one.transform(X), np.tile(wide.betas_.loc["asset3"], (len(X), 1)))
    column = FactorBetas().fit(X, y[["asset3"]])
    assert_frame_equal(column.betas_, one.betas_)
    plain = FactorBetas().fit(X.to_numpy(), y["asset3"].to_numpy())
    assert_array_equal(plain.betas_, one.betas_)


def test_rows_of_the_wide_form_need_not_be_sorted(unbalanced):
    X, y = unbalanced
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = FactorBetas().fit(X.iloc[order], y.iloc[order])
    assert_frame_equal(shuffled.betas_, FactorBetas().fit(X, y).betas_, rtol=1e-10)
    assert_index_equal(shuffled.residuals_.index, X.index[order])


# --- transform ----------------------------------------------------------------------------------


def test_transform_looks_up_the_asset_of_the_row(unbalanced):
    X, y = unbalanced
    long_X, long_y = to_long(X, y)
    betas = FactorBetas()
    out = betas.fit_transform(long_X, long_y)
    assert_index_equal(out.index, long_X.index)
    assert list(out.columns) == list(X.columns) == list(betas.get_feature_names_out())
    expected = betas.betas_.loc[long_X.index.get_level_values("asset")]
    assert_array_equal(out, expected)
    order = np.random.default_rng(0).permutation(len(long_X))
    assert_frame_equal(betas.transform(long_X.iloc[order]), out.iloc[order])


def test_transform_knows_nothing_of_later_dates_and_of_unseen_assets(data):
    X, y = data
    first, later = to_long(X[:40], y[:40]), to_long(X[40:], y[40:])
    betas = FactorBetas().fit(*first)
    expected = FactorBetas().fit(X[:40], y[:40]).betas_
    assert_allclose(betas.transform(later[0]), np.tile(expected, (20, 1)), rtol=1e-11)
    renamed = later[0].rename(index={"asset0": "newcomer"}, level="asset")
    out = betas.transform(renamed)
    new = renamed.index.get_level_values("asset") == "newcomer"
    assert out[new].isna().all(axis=None)
    assert out[~new].notna().all(axis=None)


def test_transform_finds_assets_by_argument_and_index(data):
    long_X, long_y = to_long(*data)
    betas = FactorBetas().fit(long_X, long_y)
    expected = betas.transform(long_X).to_numpy()
    assets = long_X.index.get_level_values("asset")
    plain = long_X.to_numpy()
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert_array_equal(betas.transform(plain, assets=assets), expected)
    now = long_X.droplevel("date").iloc[:8]
    assert_array_equal(betas.transform(now, dates="2030-01", assets=now.index), expected[:8])


def test_transform_says_what_is_missing_where_assets_are_unknown(data):
    long_X, long_y = to_long(*data)
    betas = FactorBetas().fit(long_X, long_y)
    with pytest.raises(ValueError, match=r"fitted with assets, but .* none here.*set_output"):
        betas.transform(long_X.reset_index(drop=True))
    single = FactorBetas().fit(data[0], data[1]["asset0"])
    with pytest.raises(ValueError, match=r"fitted with one series, but the rows of X have assets"):
        single.transform(long_X)


def test_float32_stays_float32_and_numpy_stays_numpy(data):
    X, y = to_long(*data)
    frame = FactorBetas().fit_transform(X.astype(np.float32), y)
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    dates, assets = (X.index.get_level_values(i) for i in range(2))
    array = FactorBetas().fit_transform(X.to_numpy(), y.to_numpy(), dates=dates, assets=assets)
    assert type(array) is np.ndarray
    assert_allclose(array, frame, rtol=1e-6)


def test_polars_stays_polars(data):
    X, y = to_long(*data)
    dates, assets = (X.index.get_level_values(i) for i in range(2))
    frame = pl.from_pandas(X.reset_index(drop=True))
    out = FactorBetas().fit_transform(frame, pl.Series(y.to_numpy()), dates=dates, assets=assets)
    assert isinstance(out, pl.DataFrame)
    assert out.columns == list(X.columns)
    assert_array_equal(out, FactorBetas().fit_transform(X, y))


# --- few observations ---------------------------------------------------------------------------


def test_it_fits_from_one_observation_more_than_factors():
    X, y = random_two_pass(np.random.default_rng(3), n_periods=3)
    betas = FactorBetas().fit(X, y)
    design = np.column_stack([np.ones(3), X])
    assert_allclose(betas.betas_.T, np.linalg.solve(design, y)[1:], rtol=1e-9)
    assert_allclose(betas.residuals_, 0.0, atol=1e-14)
    assert betas.std_errors_.isna().all(axis=None)  # no degree of freedom is left
    with pytest.raises(ValueError, match=r"none of the 8 asset.* 8 with fewer than 3 observations"):
        FactorBetas().fit(X[:2], y[:2])


def test_min_periods_leaves_out_thin_assets(unbalanced):
    X, y = unbalanced
    counts = y.notna().sum()
    fewest = int(counts.max())
    thin = counts < fewest
    message = rf"betas of {thin.sum()} of 8 assets are NaN: .* fewer than {fewest} observations"
    with pytest.warns(RankDeficientWarning, match=message) as caught:
        betas = FactorBetas(min_periods=fewest).fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert_array_equal(betas.betas_.isna().all(axis=1), thin)
    assert_allclose(betas.betas_[~thin], FactorBetas().fit(X, y).betas_[~thin], rtol=1e-12)


@pytest.mark.parametrize("level", [0.0, 7.1])
def test_a_factor_constant_over_an_assets_dates_leaves_the_asset_without_betas(data, level):
    X, y = data
    X = X.assign(f1=X["f1"].where(np.arange(60) >= 30, level))
    y = y.assign(asset4=y["asset4"].where(np.arange(60) < 30))
    with pytest.warns(RankDeficientWarning, match=r"1 of 8 .* 1 with constant or coll.*asset4"):
        betas = FactorBetas().fit(X, y)
    assert betas.betas_.loc["asset4"].isna().all()
    expected = FactorBetas().fit(X, y.drop(columns="asset4")).betas_
    assert_allclose(betas.betas_.drop("asset4"), expected, rtol=1e-12)


def test_collinear_factors_raise(data):
    X, y = data
    with pytest.raises(ValueError, match=r"none of the 8 asset.*8 with constant or collinear"):
        FactorBetas().fit(X.assign(f2=X["f0"] - 2.0 * X["f1"]), y)


def test_missing_values_are_refused_on_demand(unbalanced):
    X, y = unbalanced
    with pytest.raises(ValueError, match=r"y has missing values in \d+ of 60 rows"):
        FactorBetas(missing="raise").fit(X, y)


def test_a_missing_factor_leaves_out_its_date(data):
    X, y = data
    holed = X.copy()
    holed.iloc[[3, 9], 0] = np.nan
    betas = FactorBetas().fit(holed, y)
    expected = FactorBetas().fit(X.drop(X.index[[3, 9]]), y.drop(X.index[[3, 9]]))
    assert_frame_equal(betas.betas_, expected.betas_, rtol=1e-10)
    assert_frame_equal(betas.std_errors_, expected.std_errors_, rtol=1e-10)
    assert betas.residuals_.iloc[[3, 9]].isna().all(axis=None)


# --- what raises --------------------------------------------------------------------------------


def test_exposures_given_as_factor_returns_raise(data):
    X, y = to_long(*data)
    X = X.assign(size=np.arange(len(X), dtype=float))
    with pytest.raises(ValueError, match=r"\['size'\] vary within a date.*FamaMacBeth directly"):
        FactorBetas().fit(X, y)


def test_dates_without_assets_raise(data):
    X, y = to_long(*data)
    dates, assets = (X.index.get_level_values(i) for i in range(2))
    with pytest.raises(ValueError, match=r"dates but no assets.*assets="):
        FactorBetas().fit(X.to_numpy(), y.to_numpy(), dates=dates)
    with pytest.raises(ValueError, match=r"assets= needs dates= too"):
        FactorBetas().fit(X.to_numpy(), y.to_numpy(), assets=assets)
    with pytest.raises(ValueError, match=r"one column per asset, so assets= would name them twice"):
        FactorBetas().fit(*data, assets=list("abcdefgh"))


# --- covariance ---------------------------------------------------------------------------------


def test_the_covariance_is_common_plus_specific(data):
    X, y = data
    betas = FactorBetas().fit(X, y)
    covariance = betas.covariance()
    b = betas.betas_.to_numpy()
    specific = np.diag(betas.residuals_.var(ddof=1))
    assert_allclose(covariance, b @ np.cov(X.T) @ b.T + specific, rtol=1e-12)
    assert_allclose(np.diag(covariance), y.var(), rtol=1e-12)
    assert list(covariance.index) == list(covariance.columns) == list(y.columns)
    assert np.linalg.eigvalsh(covariance).min() > 0.0


def test_the_covariance_of_unbalanced_returns_is_positive_definite(unbalanced):
    covariance = FactorBetas().fit(*unbalanced).covariance()
    assert_allclose(covariance, covariance.T, rtol=1e-13)
    assert np.linalg.eigvalsh(covariance).min() > 0.0


def test_no_halflife_is_too_short_to_be_judged():
    X, y = random_two_pass(np.random.default_rng(0))
    for window in (None, 20):
        with pytest.raises(ValueError, match="betas of none"):
            FactorBetas(window=window, halflife=5e-324).fit(X, y)


def test_factors_that_never_meet_have_no_betas():
    X, y = random_two_pass(np.random.default_rng(0))
    X = X.copy()
    X.iloc[: len(X) // 2, 0] = np.nan
    X.iloc[len(X) // 2 :, 1] = np.nan
    for model in (FactorBetas(), FactorBetas(window=20), FactorBetas(halflife=10)):
        with pytest.raises(ValueError, match="betas of none"):
            model.fit(X, y)


# --- regressors of each asset's own -------------------------------------------------------------


def _own_panel(seed=0, n_assets=7):
    """Long rows with the returns of the asset's local market and of its own industry."""
    data = random_panel(
        np.random.default_rng(seed), n_dates=30, n_assets=n_assets, n_features=3, missing=0.05
    )
    return data[["x0", "x1"]], data["x2"] + 2.0 * data["x0"]


def _dates(X):
    return X.index.get_level_values("date").unique().sort_values()


def _ols(x, y, fit_intercept, weights=None):
    rows = x.notna().all(axis=1) & y.notna()
    x, y = x[rows], y[rows]
    if len(y) < x.shape[1] + fit_intercept:
        return None
    if fit_intercept:
        x = sm.add_constant(x, has_constant="add")
    w = 1.0 if weights is None else weights[rows]
    return sm.WLS(y, x, weights=w, hasconst=fit_intercept).fit()


@pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning")
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_own_regressors_agree_with_a_loop_over_the_assets(fit_intercept):
    X, y = _own_panel()
    for halflife in (None, 9.0):
        model = FactorBetas(common_factors=False, fit_intercept=fit_intercept, halflife=halflife)
        model.fit(X, y)
        ages = np.arange(30.0) - 29.0
        weights = pd.Series(1.0 if halflife is None else 0.5 ** (-ages / halflife), _dates(X))
        for asset in model.betas_.index:
            x, r = X.xs(asset, level="asset"), y.xs(asset, level="asset")
            fit = _ols(x, r, fit_intercept, weights.reindex(x.index))
            betas = model.betas_.loc[asset]
            if fit is None:
                assert betas.isna().all()
                continue
            assert_allclose(betas, fit.params[["x0", "x1"]], rtol=1e-9)
            assert_allclose(model.alphas_[asset], fit.params.get("const", 0.0), atol=1e-9)
            assert_allclose(model.r2_[asset], fit.rsquared, rtol=1e-9)
            assert model.n_periods_[asset] == fit.nobs
            left = model.residuals_[asset].dropna().sort_index()
            assert_allclose(left, fit.resid.sort_index(), atol=1e-8)
            if halflife is None and fit.df_resid:
                assert_allclose(model.std_errors_.loc[asset], fit.bse[["x0", "x1"]], rtol=1e-8)
                assert model.df_[asset] == fit.df_resid
        found = model.transform(X)
        assert found.index.equals(X.index)
        expected = model.betas_.loc[X.index.get_level_values("asset")]
        assert_array_equal(found, expected)


def test_rolling_betas_on_own_regressors_agree_with_a_loop():
    X, y = _own_panel(1, n_assets=3)
    model = FactorBetas(8, min_periods=4, common_factors=False).fit(X, y)
    dates, statistics = _dates(X), model.rolling_statistics()
    n_known = 0
    for (date, asset), betas in model.rolling_betas_.iterrows():
        last = dates.get_loc(date)
        some = dates[max(last - 7, 0) : last + 1]
        x = X.xs(asset, level="asset").reindex(some)
        fit = _ols(x, y.xs(asset, level="asset").reindex(some), True)
        if fit is None or fit.nobs < 4:
            assert betas.isna().all()
            continue
        n_known += 1
        assert_allclose(betas, fit.params[["x0", "x1"]], rtol=1e-7)
        assert_allclose(statistics.alphas[date, asset], fit.params["const"], rtol=1e-6, atol=1e-8)
        assert_allclose(statistics.r2[date, asset], fit.rsquared, rtol=1e-7)
    assert n_known > 40
    # Each row has the betas that were known on the date before.
    known = model.rolling_betas_.groupby("asset").shift()
    assert_allclose(model.transform(X), known.loc[X.index])
    assert_array_equal(model.fit_transform(X, y), model.transform(X))
    shrunk = FactorBetas(8, min_periods=4, common_factors=False, shrinkage="vasicek").fit(X, y)
    assert shrunk.rolling_betas_.notna().to_numpy().sum() == 2 * n_known


@pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning")
def test_own_regressors_that_are_common_give_the_betas_of_common_factors():
    X, y = _own_panel(2, n_assets=6)
    market = pd.DataFrame(
        np.random.default_rng(0).normal(size=(30, 2)), _dates(X), columns=["m", "s"]
    )
    common = market.loc[X.index.get_level_values("date")].set_axis(X.index)
    for params in ({}, {"window": 12, "min_periods": 5}, {"shrinkage": "vasicek"}):
        own = FactorBetas(common_factors=False, **params).fit(common, y)
        expected = FactorBetas(**params).fit(common, y)
        for name in ("betas_", "std_errors_", "residuals_"):
            found = getattr(own, name), getattr(expected, name)
            assert_frame_equal(*found, rtol=1e-9, check_freq=False)
        assert_allclose(own.alphas_, expected.alphas_)
        assert_allclose(own.transform(common), expected.transform(common))
    two_pass = make_pipeline(FactorBetas(common_factors=False), FamaMacBeth()).fit(*_own_panel(2))
    assert np.isfinite(two_pass[-1].premia_).all()


def test_what_needs_common_factors_says_so():
    X, y = _own_panel()
    with pytest.raises(
        ValueError, match=r"vary within a date.*FactorBetas\(common_factors=False\)"
    ):
        FactorBetas().fit(X, y)
    model = FactorBetas(common_factors=False).fit(X, y)
    for call in (model.covariance, model.risk_model, model.standard_errors):
        with pytest.raises(ValueError, match="needs factors that all assets have in common"):
            call()
    assert_frame_equal(model.standard_errors("classical"), model.std_errors_)
    rng = np.random.default_rng(0)
    wide, returns = rng.normal(size=(30, 2)), rng.normal(size=(30, 5))
    message = r"common_factors=False is for rows of \(date, asset\)"
    with pytest.raises(ValueError, match=message):
        FactorBetas(common_factors=False).fit(wide, returns)
    with pytest.raises(ValueError, match=message):
        FamaMacBeth(betas=FactorBetas(common_factors=False)).fit(wide, returns)
    with pytest.raises(ValueError, match=message):
        FactorBetas(common_factors=False, date_level=None).fit(wide, returns[:, 0])

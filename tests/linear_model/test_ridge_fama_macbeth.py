"""RidgeFamaMacBeth against scikit-learn's Ridge, date by date."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import random_panel
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfactor import FactorZScorer, FamaMacBeth, RidgeFamaMacBeth
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning


def _panel(seed=0, n_features=4, **shape):
    data = random_panel(np.random.default_rng(seed), n_features=n_features + 1, **shape)
    names = list(data.columns)
    return data[names[:-1]], data[names[-1]].rename("return") / 10.0**n_features


@pytest.fixture
def panel():
    return _panel()


def ridge_loop(X, y, alpha, weights=None, fit_intercept=True):
    """Slopes in the units of X by scikit-learn: one Ridge per date on standardized exposures."""
    weights = pd.Series(1.0, y.index) if weights is None else weights
    lambdas = {}
    for date in sorted(X.index.unique("date")):
        rows = (X.index.get_level_values("date") == date) & X.notna().all(axis=1) & y.notna()
        x, r, w = X[rows], y[rows], weights[rows] / weights[rows].sum()
        scaler = StandardScaler(with_mean=fit_intercept)
        z = scaler.fit(x, sample_weight=w).transform(x)
        scale = scaler.scale_
        if not fit_intercept:
            scale = np.sqrt((x**2).mul(w, axis=0).sum()).to_numpy()
            z = x.to_numpy() / scale
        model = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(z, r, w)
        slopes = model.coef_ / scale
        const = [model.intercept_ - scaler.mean_ @ slopes] if fit_intercept else []
        lambdas[date] = [*const, *slopes]
    names = (["const"] if fit_intercept else []) + list(X.columns)
    return pd.DataFrame.from_dict(lambdas, orient="index", columns=names)


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 0.5, 20.0])
def test_slopes_equal_a_loop_of_scikit_learn_ridges(panel, fit_intercept, weighted, alpha):
    X, y = panel
    weights = None
    if weighted:
        weights = pd.Series(np.random.default_rng(1).uniform(0.1, 5.0, len(y)), y.index)
    model = RidgeFamaMacBeth(alpha, fit_intercept=fit_intercept).fit(X, y, sample_weight=weights)
    expected = ridge_loop(X, y, alpha, weights, fit_intercept)
    assert_allclose(model.lambdas_, expected, rtol=1e-9, atol=1e-12 * expected.abs().max().max())
    assert list(model.lambdas_.columns) == list(expected.columns)
    assert_allclose(model.premia_, expected.mean(), rtol=1e-9)


def test_more_characteristics_than_assets_equal_scikit_learn():
    X, y = _panel(n_features=94, n_assets=40, missing=0.0)
    X = X / X.std()
    model = RidgeFamaMacBeth(0.1).fit(X, y)
    assert (model.cross_sections_["n_assets"] < 94).all()
    assert_allclose(model.lambdas_, ridge_loop(X, y, 0.1), rtol=1e-8, atol=1e-12)
    with pytest.raises(ValueError, match="cannot be estimated: 6 with fewer than 95 assets"):
        FamaMacBeth().fit(X, y)


def test_uncorrelated_exposures_shrink_by_one_plus_alpha():
    index = pd.MultiIndex.from_product([[2020, 2021], list("abcd")], names=["date", "asset"])
    X = pd.DataFrame({"a": [1, 1, -1, -1] * 2, "b": [5, -5, 5, -5] * 2}, index=index, dtype=float)
    y = 0.02 + 0.03 * X["a"] - 0.01 * X["b"]
    for alpha in (0.25, 1.0):
        model = RidgeFamaMacBeth(alpha).fit(X, y)
        assert_allclose(model.premia_, [0.02, 0.03 / (1 + alpha), -0.01 / (1 + alpha)])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_without_a_penalty_it_is_fama_macbeth(panel, fit_intercept, weighted):
    X, y = panel
    weights = np.random.default_rng(1).uniform(0.1, 5.0, len(y)) if weighted else None
    plain = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y, sample_weight=weights)
    for alpha, rtol in ((0.0, 1e-10), (1e-14, 1e-8)):
        model = RidgeFamaMacBeth(alpha, fit_intercept=fit_intercept)
        model.fit(X, y, sample_weight=weights)
        assert_allclose(model.lambdas_, plain.lambdas_, rtol=rtol)
        assert_allclose(model.cross_sections_, plain.cross_sections_, rtol=rtol)
        assert_allclose(model.inference().std_errors, plain.inference().std_errors, rtol=rtol)


def test_adjusted_r2_counts_effective_coefficients(panel):
    X, y = panel
    sections = RidgeFamaMacBeth(0.5).fit(X, y).cross_sections_
    for date, section in sections.iterrows():
        complete = X.join(y).xs(date, level="date").dropna()
        z = StandardScaler().fit_transform(complete[X.columns])
        n = len(z)
        hat = z @ np.linalg.solve(z.T @ z + 0.5 * n * np.eye(4), z.T) + 1.0 / n
        left = complete["return"] - hat @ complete["return"]
        r2 = 1.0 - (left @ left) / (n * complete["return"].var(ddof=0))
        assert_allclose(section["r2"], r2, rtol=1e-9)
        adjusted = 1.0 - (1.0 - r2) * (n - 1) / (n - np.trace(hat))
        assert_allclose(section["adj_r2"], adjusted, rtol=1e-9)


# --- laws ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3), shift=st.floats(-100.0, 100.0))
def test_the_units_of_an_exposure_do_not_matter_to_predictions(seed, scale, shift):
    X, y = _panel(seed % 2**16, missing=0.0)
    other = X.assign(x0=scale * X["x0"] + shift)
    expected = RidgeFamaMacBeth(0.3).fit(X, y).predict(X)
    assert_allclose(RidgeFamaMacBeth(0.3).fit(other, y).predict(other), expected, rtol=1e-7)


def test_the_penalty_does_not_depend_on_the_number_of_assets(panel):
    X, y = panel
    twice = pd.concat([X, X.rename(index=lambda name: f"{name}'", level="asset")])
    y_twice = pd.concat([y, y]).set_axis(twice.index)
    expected = RidgeFamaMacBeth(0.7).fit(X, y)
    assert_allclose(RidgeFamaMacBeth(0.7).fit(twice, y_twice).lambdas_, expected.lambdas_)


def test_standardizing_before_changes_nothing_but_the_units(panel):
    X, y = panel
    complete = X.notna().all(axis=1) & y.notna()  # the same rows in both standardizations
    X, y = X[complete], y[complete]
    plain = RidgeFamaMacBeth(0.2).fit(X, y)
    scored = make_pipeline(FactorZScorer(), RidgeFamaMacBeth(0.2)).fit(X, y)[-1]
    deviations = X.groupby(level="date").std(ddof=0)
    assert_allclose(scored.lambdas_[X.columns], plain.lambdas_[X.columns] * deviations)


def test_row_order_does_not_matter_and_dates_may_be_arrays(panel):
    X, y = panel
    expected = RidgeFamaMacBeth().fit(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = RidgeFamaMacBeth().fit(X.iloc[order], y.iloc[order])
    assert_frame_equal(shuffled.lambdas_, expected.lambdas_)
    dates = X.index.get_level_values("date")
    arrays = RidgeFamaMacBeth().fit(X.to_numpy(), y.to_numpy(), dates=dates)
    assert_allclose(arrays.lambdas_, expected.lambdas_, rtol=1e-12)


def test_partial_fit_is_one_fit(panel):
    X, y = panel
    expected, model = RidgeFamaMacBeth(0.4).fit(X, y), RidgeFamaMacBeth(0.4)
    dates = X.index.get_level_values("date")
    for some in (dates < dates.unique().sort_values()[3], dates >= dates.unique().sort_values()[3]):
        model.partial_fit(X[some], y[some])
    assert_allclose(model.lambdas_, expected.lambdas_, rtol=1e-12)
    assert_allclose(model.premia_, expected.premia_, rtol=1e-12)


def test_window_and_halflife_average_the_last_dates(panel):
    X, y = panel
    lambdas = RidgeFamaMacBeth().fit(X, y).lambdas_
    model = RidgeFamaMacBeth(premia_window=2).fit(X, y)
    assert_series_equal(model.premia_, lambdas[-2:].mean(), check_names=False)
    weights = 0.5 ** (np.arange(len(lambdas))[::-1] / 3.0)
    model = RidgeFamaMacBeth(premia_halflife=3).fit(X, y)
    assert_allclose(model.premia_, weights @ lambdas / weights.sum())


# --- as an estimator ----------------------------------------------------------------------------


def test_predict_score_and_expected_returns_use_the_premia(panel):
    X, y = panel
    model = RidgeFamaMacBeth().fit(X, y)
    expected = model.intercept_ + X.to_numpy() @ model.coef_
    assert_allclose(model.predict(X), expected)
    assert_allclose(model.expected_returns(X), expected)
    known = np.isfinite(expected) & y.notna().to_numpy()
    left = y[known] - expected[known]
    r2 = 1.0 - left @ left / ((y[known] - y[known].mean()) ** 2).sum()
    assert_allclose(model.score(X, y), r2)


def test_alpha_is_tuned_by_a_grid_search():
    rng = np.random.default_rng(0)
    X, _ = _panel(n_features=20, n_dates=24, n_assets=30, missing=0.0)
    X = X / X.std()
    y = 0.05 * X["x0"] + pd.Series(rng.normal(size=len(X)), X.index)
    search = GridSearchCV(RidgeFamaMacBeth(), {"alpha": [0.0, 0.1, 1.0, 1e4]}, cv=GroupKFold(4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # alpha=0 needs more assets
        search.fit(X, y, groups=X.index.get_level_values("date"))
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_["alpha"] == [0.0, 0.1, 1.0, 1e4][np.argmax(scores)]
    assert scores[2] > scores[0]


def test_inference_and_summary_say_that_slopes_are_shrunk(panel):
    X, y = panel
    model = RidgeFamaMacBeth(0.5).fit(X, y)
    errors = model.lambdas_.std(ddof=1) / np.sqrt(len(model.lambdas_))
    assert_allclose(model.inference().std_errors, errors)
    text = model.summary().as_text()
    assert "shrunk by a penalty" in text
    assert "Penalty:" in text
    assert model.set_params(alpha=2.0).summary().as_text() == text
    with pytest.raises(ValueError, match="needs betas estimated by the model itself"):
        model.inference("shanken")


# --- degenerate dates ---------------------------------------------------------------------------


def test_an_exposure_that_is_constant_on_a_date_has_slope_zero_there(panel):
    X, y = panel
    day = X.index.get_level_values("date") == X.index.unique("date").min()
    X = X.assign(x1=X["x1"].where(~day, 7.0))
    model = RidgeFamaMacBeth(0.5).fit(X, y)
    without = RidgeFamaMacBeth(0.5).fit(X.drop(columns="x1")[day], y[day])
    first = model.lambdas_.iloc[0]
    assert first["x1"] == 0.0
    assert_allclose(first.drop("x1"), without.lambdas_.iloc[0])
    assert (model.lambdas_["x1"].iloc[1:] != 0.0).all()


def test_dates_without_variation_or_assets_are_counted_in_one_warning(panel):
    X, y = panel
    dates = X.index.get_level_values("date")
    days = sorted(dates.unique())
    X = X.mask(np.tile(dates == days[1], (X.shape[1], 1)).T, 3.0)
    on_third = dates == days[2]
    y = y.mask(on_third & (np.cumsum(on_third) > 1))
    message = "2 of 6 dates are NaN: 1 with fewer than 2 assets .*1 with collinear or constant"
    with pytest.warns(RankDeficientWarning, match=message) as record:
        model = RidgeFamaMacBeth().fit(X, y)
    assert len(record) == 1
    assert record[0].filename == __file__
    failed = model.lambdas_.isna().all(axis=1)
    assert_array_equal(failed, [False, True, True, False, False, False])
    assert_allclose(model.premia_, model.lambdas_.mean())
    with pytest.raises(ValueError, match="2 of 6 dates cannot be estimated"):
        RidgeFamaMacBeth(rank_deficient="raise").fit(X, y)


def test_collinear_exposures_share_a_premium(panel):
    X, y = panel
    model = RidgeFamaMacBeth(0.5).fit(X.assign(copy=X["x0"]), y)
    assert_allclose(model.lambdas_["copy"], model.lambdas_["x0"], rtol=1e-9)
    assert np.isfinite(model.lambdas_).all(axis=None)


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, pd.concat([y, y], axis=1)), "y has 2 columns, one per asset: RidgeFama"),
        (lambda X, y: (X.assign(x1=0.1), y), r"\['x1'\] are constant everywhere"),
        (
            lambda X, y: (X.assign(x1=X.index.get_level_values("date").day_of_year / 1.0), y),
            r"columns \['x1'\] vary over dates but not within any",
        ),
        (lambda X, y: (X, y * np.nan), "y holds no value at all"),
        (lambda X, y: (X.rename(columns={"x0": "const"}), y), "X has a column 'const'"),
        (lambda X, y: (X, y.iloc[::-1]), "different indexes"),
    ],
)
def test_mistakes_raise(panel, change, message):
    with pytest.raises(ValueError, match=message):
        RidgeFamaMacBeth().fit(*change(*panel))


def test_negative_penalties_raise(panel):
    with pytest.raises(ValueError, match="'alpha' parameter of RidgeFamaMacBeth must be"):
        RidgeFamaMacBeth(-1.0).fit(*panel)


def test_missing_values_are_refused_if_asked(panel):
    with pytest.raises(ValueError, match="missing values in"):
        RidgeFamaMacBeth(missing="raise").fit(*panel)


def test_a_column_of_returns_warns_and_is_fitted(panel):
    X, y = panel
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed") as record:
        model = RidgeFamaMacBeth().fit(X, y.to_frame())
    assert record[0].filename == __file__
    assert_allclose(model.premia_, RidgeFamaMacBeth().fit(X, y).premia_)


def test_rows_without_dates_are_one_cross_section_and_warn():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 30)), rng.normal(size=10)
    with pytest.warns(NoDatesWarning, match="taken as one cross-section") as record:
        model = RidgeFamaMacBeth().fit(X, y)
    assert record[0].filename == __file__
    assert model.lambdas_.shape == (1, 31)

"""FamaMacBeth on panels: exposures given, one regression per date."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import fama_macbeth_loop, random_panel
from reference_premia import grunfeld, petersen

from skfactor import FamaMacBeth
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning


def _panel(seed=0, **shape):
    data = random_panel(np.random.default_rng(seed), **{"n_features": 3} | shape)
    return data[["x0", "x1"]], data["x2"].rename("return") / 100.0


@pytest.fixture
def panel():
    return _panel()


def _weights(index, seed=0):
    return pd.Series(np.random.default_rng(seed).uniform(0.1, 5.0, len(index)), index)


# --- known values -------------------------------------------------------------------------------


def test_petersen_agrees_with_plm():
    # plm::pmg(y ~ x, index = c("year", "firm")) of R; Petersen prints .0313 (.0234), 1.0356 (.0333)
    model = FamaMacBeth().fit(*petersen())
    assert_allclose(model.premia_, [0.0312779653886, 1.0355861035897], rtol=1e-10)
    errors = model.inference().std_errors
    assert_allclose(errors, [0.0233564900111, 0.0333415904916], rtol=1e-10)
    assert list(model.premia_.index) == list(errors.index) == ["const", "x"]
    assert list(model.dates_) == list(range(1, 11))


def test_grunfeld_agrees_with_published_numbers():
    # Stata's xtfmb and R's plm::pmg, invest on mvalue and kstock, to the digits they print
    model = FamaMacBeth().fit(*grunfeld())
    assert_allclose(model.premia_["value"], 0.1306047, atol=5e-8)
    assert_allclose(model.premia_["capital"], 0.0729575, atol=5e-8)
    assert_allclose(model.premia_["const"], -14.756972, atol=5e-7)
    errors = model.inference().std_errors
    assert_allclose(errors["value"], 0.0093422, atol=5e-8)
    assert_allclose(errors["capital"], 0.0277398, atol=5e-8)
    assert_allclose(errors["const"], 7.287670, atol=5e-7)
    assert_allclose(model.cross_sections_["r2"].mean(), 0.8369, atol=5e-5)
    assert len(model.dates_) == 20


def test_grunfeld_joint_test_of_stata_is_hotelling_with_other_degrees_of_freedom():
    # Stata: F(2, 19) = 195.04 is W / 2; Hotelling's F is W (T - k) / (k (T - 1))
    test = FamaMacBeth().fit(*grunfeld()).inference().wald_test()
    assert_allclose(test.statistic * 19 / 18, 195.04, atol=5e-3)
    assert (test.distribution, test.df) == ("F", (2, 18))


@pytest.mark.parametrize("seed", range(20))
def test_slopes_agree_with_a_statsmodels_loop(seed):
    rng = np.random.default_rng(seed)
    X, y = _panel(
        seed,
        n_dates=int(rng.integers(3, 12)),
        n_assets=int(rng.integers(24, 60)),
        missing=float(rng.choice([0.0, 0.1, 0.25])),
        date_first=bool(seed % 2),
    )
    for fit_intercept in (True, False):
        model = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
        expected = fama_macbeth_loop(X, y, fit_intercept=fit_intercept)
        assert expected.notna().all(axis=None)
        assert_allclose(model.lambdas_, expected, rtol=1e-10, atol=1e-13)
        assert_allclose(model.premia_, expected.mean(), rtol=1e-10, atol=1e-13)
        assert list(model.lambdas_.index) == list(expected.index) == list(model.dates_)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weighted_slopes_agree_with_a_statsmodels_loop(panel, fit_intercept):
    X, y = panel
    weights = _weights(y.index)
    weights.iloc[::7] = 0.0
    model = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y, sample_weight=weights)
    expected = fama_macbeth_loop(X, y, weights, fit_intercept=fit_intercept)
    assert_allclose(model.lambdas_, expected, rtol=1e-10, atol=1e-13)
    unweighted = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
    assert not np.allclose(unweighted.lambdas_, expected)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_cross_sections_agree_with_statsmodels(panel, fit_intercept):
    X, y = panel
    table = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y).cross_sections_
    assert list(table.columns) == ["n_assets", "r2", "adj_r2", "condition_number"]
    for date, row in table.iterrows():
        x, r = X.xs(date, level="date"), y.xs(date, level="date")
        fit = sm.OLS(r, sm.add_constant(x) if fit_intercept else x, missing="drop").fit()
        assert row["n_assets"] == fit.nobs
        assert_allclose(row[["r2", "adj_r2"]], [fit.rsquared, fit.rsquared_adj], rtol=1e-9)
        used = x[x.notna().all(axis=1) & r.notna()]
        centered = used - used.mean() if fit_intercept else used
        singular = np.linalg.svd(centered / np.sqrt((centered**2).sum()), compute_uv=False)
        assert_allclose(row["condition_number"], singular[0] / singular[-1], rtol=1e-9)


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 20])
def test_every_number_of_exposures_agrees_with_a_statsmodels_loop(n_features):
    # The solver changes its way with the number of exposures.
    rng = np.random.default_rng(n_features)
    data = random_panel(rng, n_assets=70, n_features=n_features + 1, missing=0.0)
    data /= 10.0 ** np.arange(n_features + 1)
    X, y = data.iloc[:, :-1], data.iloc[:, -1]
    model = FamaMacBeth().fit(X, y)
    assert_allclose(model.lambdas_, fama_macbeth_loop(X, y), rtol=1e-10, atol=1e-12)
    assert model.cross_sections_["condition_number"].ge(1.0).all()


def test_float32_exposures_are_accumulated_in_float64(panel):
    X, y = panel
    single = X.astype(np.float32)
    expected = FamaMacBeth().fit(single.astype(np.float64), y)
    assert_allclose(FamaMacBeth().fit(single, y).lambdas_, expected.lambdas_, rtol=1e-9)


# --- missing values ---------------------------------------------------------------------------


def test_rows_without_a_value_are_dropped_or_refused(panel):
    X, y = panel
    complete = X.notna().all(axis=1) & y.notna()
    assert not complete.all()
    dropped, clean = FamaMacBeth().fit(X, y), FamaMacBeth().fit(X[complete], y[complete])
    assert_allclose(dropped.lambdas_, clean.lambdas_, rtol=1e-12)
    n_bad = int(X.isna().any(axis=1).sum())
    with pytest.raises(ValueError, match=rf"X has missing values in {n_bad} of {len(X)} rows"):
        FamaMacBeth(missing="raise").fit(X, y)
    with pytest.raises(ValueError, match=rf"y has missing values in .* of {len(X)} rows"):
        FamaMacBeth(missing="raise").fit(X.fillna(0.0), y)
    FamaMacBeth(missing="raise").fit(X[complete], y[complete])


# --- who is on which date -----------------------------------------------------------------------


def test_row_order_level_order_and_labels_do_not_matter(panel):
    X, y = panel
    expected = FamaMacBeth().fit(X, y)
    order = np.random.default_rng(1).permutation(len(X))
    names = {name: -i for i, name in enumerate(X.index.unique("asset"))}
    for again in (
        FamaMacBeth().fit(X.iloc[order], y.iloc[order]),
        FamaMacBeth().fit(X.swaplevel(), y.swaplevel()),
        FamaMacBeth().fit(*(data.rename(index=names, level="asset") for data in panel)),
        FamaMacBeth().fit(X.sort_index(level="asset"), y.sort_index(level="asset")),
        FamaMacBeth(date_level="when").fit(*(d.rename_axis(["when", "who"]) for d in panel)),
    ):
        assert_allclose(again.premia_, expected.premia_, rtol=1e-11)
        assert_allclose(again.lambdas_, expected.lambdas_, rtol=1e-9, atol=1e-14)


def _as_text(day):
    return day.strftime("%Y-%m-%d")


@pytest.mark.parametrize(
    "convert",
    [
        lambda day: day.to_period("M"),
        _as_text,
        lambda day: int(day.strftime("%Y%m")),
        lambda day: datetime.date(day.year, day.month, day.day),
        lambda day: day.to_pydatetime(),
        lambda day: float(day.strftime("%Y%m")),
    ],
    ids=["Period", "ISO text", "yyyymm", "datetime.date", "datetime", "whole floats"],
)
def test_every_kind_of_date_gives_the_same_premia(panel, convert):
    X, y = panel
    expected = FamaMacBeth().fit(X, y)
    dates = pd.Series([convert(day) for day in X.index.get_level_values("date")])
    by_argument = FamaMacBeth().fit(X.to_numpy(), y.to_numpy(), dates=dates)
    assert_array_equal(by_argument.lambdas_, expected.lambdas_)
    index = pd.MultiIndex.from_arrays([dates, X.index.get_level_values("asset")])
    index.names = ["date", "asset"]
    by_index = FamaMacBeth().fit(X.set_axis(index), y.set_axis(index))
    assert_array_equal(by_index.lambdas_, expected.lambdas_)


def test_dates_come_from_the_argument_then_x_then_y(panel):
    X, y = panel
    expected = FamaMacBeth().fit(X, y).lambdas_
    dates = X.index.get_level_values("date")
    plain_X, plain_y = X.reset_index(drop=True), y.reset_index(drop=True)
    for found in (
        FamaMacBeth().fit(X.to_numpy(), y.to_numpy(), dates=dates),
        FamaMacBeth().fit(plain_X, plain_y, dates=X.index),
        FamaMacBeth().fit(X, y.to_numpy()),
        FamaMacBeth().fit(X, plain_y),
        FamaMacBeth().fit(X.to_numpy(), y),
        FamaMacBeth().fit(plain_X, y),
        FamaMacBeth().fit(X.droplevel("asset"), y.to_numpy()),
    ):
        assert_array_equal(found.lambdas_, expected)
    other = (X.index.codes[0] + X.index.codes[1]) % 6  # still once an asset and date
    by_argument = FamaMacBeth().fit(X, y, dates=other).lambdas_
    by_hand = FamaMacBeth().fit(X.to_numpy(), y.to_numpy(), dates=other).lambdas_
    assert_array_equal(by_argument, by_hand)
    assert not np.allclose(by_argument, expected)


def test_polars_and_nullable_frames_give_the_same_numbers(panel):
    X, y = panel
    expected = FamaMacBeth().fit(X, y)
    dates = X.index.get_level_values("date")
    frame, series = pl.from_pandas(X.reset_index(drop=True)), pl.Series(y.to_numpy())
    model = FamaMacBeth().fit(frame, series, dates=pl.Series(dates.to_numpy()))
    assert_array_equal(model.lambdas_, expected.lambdas_)
    assert_allclose(model.predict(frame), expected.predict(X), rtol=1e-9, atol=1e-14)
    assert model.score(frame, series) == pytest.approx(expected.score(X, y), rel=1e-12)
    nullable = FamaMacBeth().fit(X.astype("Float64"), y.astype("Float64"))
    assert_array_equal(nullable.lambdas_, expected.lambdas_)


def test_without_dates_all_rows_are_one_cross_section_and_a_warning_says_so(panel):
    X, y = panel
    message = r"all rows are taken as one cross-section.*dates="
    with pytest.warns(NoDatesWarning, match=message) as caught:
        pooled = FamaMacBeth().fit(X.to_numpy(), y.to_numpy())
    assert [warning.filename for warning in caught] == [__file__]
    today = FamaMacBeth().fit(X.to_numpy(), y.to_numpy(), dates="2024-01-31")
    expected = sm.OLS(y.to_numpy(), sm.add_constant(X.to_numpy()), missing="drop").fit().params
    assert_allclose(pooled.premia_, expected, rtol=1e-10)
    assert_allclose(today.premia_, expected, rtol=1e-10)
    assert list(today.dates_) == ["2024-01-31"]


def test_a_time_series_of_one_asset_raises_and_names_the_estimators(panel):
    months = pd.period_range("2000-01", periods=30, freq="M")
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), months)
    with pytest.raises(ValueError, match=r"time series of one asset.*FactorBetas estimates"):
        FamaMacBeth().fit(X, X[0])


# --- predict, score, expected returns -----------------------------------------------------------


def test_predict_is_the_zero_beta_rate_plus_exposures_times_premia(panel):
    X, y = panel
    model = FamaMacBeth().fit(X, y)
    expected = model.premia_["const"] + X @ model.premia_[["x0", "x1"]]
    predicted = model.predict(X)
    assert type(predicted) is np.ndarray
    assert_allclose(predicted, expected, rtol=1e-12)
    assert_array_equal(np.isnan(predicted), X.isna().any(axis=1))
    assert_allclose([model.intercept_, *model.coef_], model.premia_)
    assert FamaMacBeth(fit_intercept=False).fit(X, y).intercept_ == 0.0


def test_a_target_of_one_column_is_a_panel_and_predictions_keep_its_shape(panel):
    X, y = panel
    model = FamaMacBeth().fit(X, y.to_frame())
    assert_series_equal(model.premia_, FamaMacBeth().fit(X, y).premia_)
    assert model.predict(X).shape == (len(X), 1)
    assert model.score(X, y.to_frame()) == FamaMacBeth().fit(X, y).score(X, y)


def test_score_is_the_r2_of_finite_pairs_and_takes_weights(panel):
    X, y = panel
    model = FamaMacBeth().fit(X, y)
    weights = _weights(y.index)
    known = X.notna().all(axis=1) & y.notna()
    for w in (None, weights):
        share = pd.Series(1.0, y.index) if w is None else w
        error = (share * (y - model.predict(X)) ** 2)[known].sum()
        center = np.average(y[known], weights=share[known])
        total = (share * (y - center) ** 2)[known].sum()
        assert_allclose(model.score(X, y, sample_weight=w), 1.0 - error / total, rtol=1e-12)


def test_expected_returns_are_labelled_and_found_by_name(panel):
    X, y = panel
    model = FamaMacBeth().fit(X, y)
    exposures = pd.DataFrame({"x1": [1.0, 2.0], "x0": [0.5, -1.0]}, index=["growth", "value"])
    expected = model.premia_["const"] + exposures @ model.premia_[["x1", "x0"]]
    found = model.expected_returns(exposures)
    assert_series_equal(found, expected.rename("expected_return"))
    one = model.expected_returns(exposures.loc["value"])
    assert_series_equal(one, found.loc[["value"]])
    assert_allclose(model.expected_returns(exposures[["x0", "x1"]].iloc[:1]), found.iloc[:1])
    with pytest.raises(ValueError, match=r"columns \['x0', 'size'\].*fitted on \['x0', 'x1'\]"):
        model.expected_returns(exposures.rename(columns={"x1": "size"})[["x0", "size"]])


# --- laws ---------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.01, 100.0),
    shift=st.floats(-10.0, 10.0),
    change=st.floats(-3.0, 3.0),
)
def test_premia_follow_a_change_of_units_and_of_the_returns(seed, scale, shift, change):
    X, y = _panel(seed, n_dates=4)
    base = FamaMacBeth().fit(X, y).lambdas_
    rescaled = FamaMacBeth().fit(X.assign(x0=scale * X["x0"] + shift), y).lambdas_
    assert_allclose(rescaled["x0"] * scale, base["x0"], rtol=1e-8, atol=1e-10)
    assert_allclose(rescaled["x1"], base["x1"], rtol=1e-8, atol=1e-10)
    assert_allclose(rescaled["const"] + rescaled["x0"] * shift, base["const"], rtol=1e-7, atol=1e-8)
    moved = FamaMacBeth().fit(X, y + 0.01 + change * X["x1"]).lambdas_
    assert_allclose(moved - base, [[0.01, 0.0, change]] * len(base), rtol=1e-8, atol=1e-9)


def test_dates_do_not_influence_each_other(panel):
    X, y = panel
    dates = X.index.get_level_values("date")
    changed = y.where(dates != dates.max(), 5.0 + 3.0 * y)
    before, after = FamaMacBeth().fit(X, y).lambdas_, FamaMacBeth().fit(X, changed).lambdas_
    assert_frame_equal(before.iloc[:-1], after.iloc[:-1], check_exact=True)
    assert not np.allclose(before.iloc[-1], after.iloc[-1])


def test_input_is_not_changed(panel):
    X, y = panel
    copies = X.copy(deep=True), y.copy(deep=True)
    model = FamaMacBeth().fit(X, y)
    model.lambdas_.iloc[:], model.premia_.iloc[:] = 0.0, 0.0
    model.predict(X)
    assert_frame_equal(X, copies[0], check_exact=True)
    assert_series_equal(y, copies[1], check_exact=True)


# --- columns that a date drops ------------------------------------------------------------------


def _deficient_panel(seed):
    """Four columns, of which dates have constant ones, copies and combinations of others."""
    data = random_panel(np.random.default_rng(seed), n_dates=14, n_features=5)
    X, y = data[["x0", "x1", "x2", "x3"]].copy(), data["x4"].rename("return") / 1e4
    dates = X.index.get_level_values("date")
    on = [X.index[dates == date] for date in dates.unique().sort_values()]
    X.loc[on[1], "x1"] = 7.0
    X.loc[on[2], "x3"] = X.loc[on[2], "x0"]
    X.loc[on[4], "x2"] = 0.3 * X.loc[on[4], "x0"] - 0.1 * X.loc[on[4], "x1"]
    X.loc[on[5], ["x0", "x3"]] = 0.0, 1e3
    X.loc[on[6], "x1"] = 100.0 - X.loc[on[6], "x0"]
    X.loc[on[6], "x3"] = X.loc[on[6], "x2"]
    X.loc[on[8], :] = 1.0, 2.0, 3.0, 4.0
    return X, y.drop(on[9][2:])  # a thin date


def _drop_loop(X, y, weights, fit_intercept):
    """Slopes of the columns that add to the rank of those before them, date by date."""
    found, adjusted, names = {}, {}, ["const", *X] if fit_intercept else list(X)
    for date, rows in X.loc[y.index].groupby("date"):
        rows = rows[rows.notna().all(axis=1) & y.loc[rows.index].notna()]
        if len(rows) < X.shape[1] + fit_intercept:
            continue
        w = pd.Series(1.0, rows.index) if weights is None else weights.loc[rows.index]
        design = pd.DataFrame({"const": 1.0}, rows.index) if fit_intercept else rows[[]]
        for name in rows:
            longer = design.assign(**{name: rows[name]})
            lengths = np.maximum(np.sqrt((longer**2).sum()), 1e-300)
            if np.linalg.matrix_rank(longer / lengths, tol=1e-9) > design.shape[1]:
                design = longer
        if design.shape[1] > fit_intercept:
            fit = sm.WLS(y.loc[rows.index], design, weights=w, hasconst=fit_intercept).fit()
            found[date] = fit.params
            adjusted[date] = fit.rsquared_adj if fit.df_resid else np.nan
    return pd.DataFrame(found).T.reindex(columns=names), pd.Series(adjusted)


@pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning")
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_dropped_columns_agree_with_a_loop_that_drops_them_date_by_date(fit_intercept):
    for seed, weighted in [(0, False), (1, True)]:
        X, y = _deficient_panel(seed)
        X, weights = X.loc[y.index], _weights(y.index) if weighted else None
        model = FamaMacBeth(rank_deficient="drop", fit_intercept=fit_intercept)
        model.fit(X, y, sample_weight=weights)
        expected, adjusted = _drop_loop(X, y, weights, fit_intercept)
        assert expected.isna().to_numpy().any()
        expected = expected.reindex(model.dates_)
        assert_allclose(model.lambdas_, expected, rtol=1e-8, atol=1e-13)
        sections = model.cross_sections_["adj_r2"]
        assert_allclose(sections.loc[adjusted.index], adjusted, rtol=1e-8)
        # Each premium and its error over the dates of its own column.
        assert_allclose(model.premia_, expected.mean(), rtol=1e-8)
        errors = expected.std(ddof=1) / np.sqrt(expected.count())
        assert_allclose(model.inference().std_errors, errors, rtol=1e-8)
        # Bartlett with gaps kept: products of dates that are two apart on the calendar.
        left = (expected - expected.mean()).fillna(0.0).to_numpy()
        products = [(left[j:] * left[: len(left) - j]).sum(axis=0) for j in range(3)]
        sums = products[0] + 2 * (2 / 3) * products[1] + 2 * (1 / 3) * products[2]
        count = expected.count()
        found = model.inference(kernel="bartlett", bandwidth=2, debiased=False)
        assert_allclose(found.std_errors, np.sqrt(sums) / count, rtol=1e-8)
        # In parts, in another order of dates, and from a portfolio's weights: the same.
        parts = FamaMacBeth(rank_deficient="drop", fit_intercept=fit_intercept)
        dates = X.index.get_level_values("date")
        for part in (model.dates_[9:], model.dates_[:4], model.dates_[4:9]):
            rows = dates.isin(part)
            some = None if weights is None else weights[rows]
            parts.partial_fit(X[rows], y[rows], sample_weight=some)
        assert_frame_equal(parts.lambdas_, model.lambdas_, check_freq=False)
        assert_series_equal(parts.premia_, model.premia_)
        complete = X.notna().all(axis=1) & y.notna()
        w = None if weights is None else weights[complete]
        portfolios = model.slope_portfolios(X[complete], sample_weight=w)
        returns = portfolios.mul(y[complete], axis=0).groupby("date").sum(min_count=1)
        thin = model.cross_sections_["n_assets"] >= X.shape[1] + fit_intercept
        assert_allclose(returns[thin[returns.index]], model.lambdas_[thin], rtol=1e-6, atol=1e-12)


def test_dates_that_drop_columns_are_counted_by_column():
    X, y = _deficient_panel(0)
    X = X.loc[y.index]
    with pytest.warns(RankDeficientWarning) as found:
        model = FamaMacBeth(rank_deficient="drop").fit(X, y)
    first, second = (str(each.message) for each in found)
    assert "5 of 14 dates drop columns" in first
    assert "'x0' on 1, 'x1' on 2, 'x2' on 1, 'x3' on 3 dates (first: 2020-03-02" in first
    assert "2 of 14 dates are NaN: 1 with fewer than 5 assets" in second
    assert "Premia, and each pair of them, have their own dates." in str(model.summary())
    assert np.isfinite(model.predict(X.dropna())).all()
    with pytest.warns(RankDeficientWarning, match="The premia of 7 of 14 dates are NaN"):
        FamaMacBeth().fit(X, y)  # as ever


def test_columns_without_any_slope_raise():
    X, y = _panel()
    with pytest.raises(ValueError, match=r"The columns \['x2'\] are constant or combinations"):
        FamaMacBeth(rank_deficient="drop").fit(X.assign(x2=X["x0"] + X["x1"]), y)
    windowed = FamaMacBeth(rank_deficient="drop", premia_window=1)
    dates = X.index.get_level_values("date")
    X.loc[dates == dates.max(), "x1"] = 1.0
    with (
        pytest.warns(RankDeficientWarning, match="1 of 6 dates drop"),
        pytest.raises(ValueError, match=r"\['x1'\] have no slope on the last 1 dates"),
    ):
        windowed.fit(X, y)
    wide = np.random.default_rng(0).normal(size=(20, 6))
    with pytest.raises(ValueError, match="rank_deficient='drop' leaves columns out"):
        FamaMacBeth(rank_deficient="drop").fit(wide[:, :2], wide[:, 2:])

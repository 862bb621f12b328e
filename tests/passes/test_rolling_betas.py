"""FactorBetas of windows: against statsmodels, in both forms, and what is known when."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from reference_premia import random_two_pass, to_long
from scipy import stats
from sklearn.base import clone
from statsmodels.regression.rolling import RollingOLS

from skfactor import FactorBetas
from skfactor.exceptions import RankDeficientWarning

law = settings(deadline=None, max_examples=20)


def unbalanced(seed=0, n_periods=60, n_factors=2, missing=0.15, n_assets=6):
    """Returns with gaps; the first asset enters late and the second leaves early."""
    X, y = random_two_pass(
        np.random.default_rng(seed), n_periods, n_assets, n_factors, missing=missing
    )
    y.iloc[: n_periods // 3, 0] = np.nan
    y.iloc[n_periods // 2 :, 1] = np.nan
    return X, y


def by_asset(model, name):
    return model.rolling_betas_.xs(name, level="asset")


def wide(table):
    """One row per date."""
    return table.unstack("asset")  # noqa: PD010 -- pivot_table would average duplicates


def forgetting_errors(y, x, weights):
    """Errors and degrees of freedom where residuals vary alike and weights forget, by matrices."""
    x, y, w = x.to_numpy(), y.to_numpy(), np.diag(weights)
    bread = np.linalg.inv(x.T @ w @ x)
    residuals = y - x @ bread @ x.T @ w @ y
    # Var(e) = s^2 M M' with M = I - X (X'WX)^-1 X'W, so that E[e'We] = s^2 tr(M'WM).
    maker = np.eye(len(y)) - x @ bread @ x.T @ w
    variance = residuals @ w @ residuals / np.trace(maker.T @ w @ maker)
    covariance = variance * bread @ x.T @ w @ w @ x @ bread
    free = weights.sum() ** 2 / (weights**2).sum() - x.shape[1]
    return np.sqrt(np.diag(covariance)), free


def wls_loop(X, y, window, min_periods, halflife=None, fit_intercept=True):
    """Betas, their errors and R squared by one statsmodels regression per date."""
    columns = [*(f"beta {f}" for f in X), *(f"error {f}" for f in X), "alpha", "r2", "df"]
    table = pd.DataFrame(np.nan, y.index, columns)
    for t, date in enumerate(y.index):
        rows = slice(max(t + 1 - window, 0), t + 1)
        seen = y.iloc[rows].notna() & X.iloc[rows].notna().all(axis=1)
        if seen.sum() < min_periods:
            continue
        age = t - np.arange(rows.start, t + 1)
        weights = np.ones(len(age)) if halflife is None else 0.5 ** (age / halflife)
        x = X.iloc[rows][seen]
        x = sm.add_constant(x) if fit_intercept else x
        fit = sm.WLS(y.iloc[rows][seen], x, weights=weights[seen]).fit()
        errors, free = forgetting_errors(y.iloc[rows][seen], x, weights[seen])
        if halflife is None:
            assert_allclose(errors, fit.bse, rtol=1e-9)
        alpha = fit.params.iloc[0] if fit_intercept else 0.0
        k = X.shape[1]
        table.loc[date] = [*fit.params[-k:], *errors[-k:], alpha, fit.rsquared, free]
    return table


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n_factors", "missing"), [(1, 0.0), (3, 0.0), (3, 0.2)])
@pytest.mark.parametrize(("window", "min_periods"), [(24, 24), (24, 12), (12, 6), (60, 5)])
def test_betas_errors_and_r2_are_those_of_statsmodels_rolling_ols(
    window, min_periods, n_factors, missing, fit_intercept
):
    X, y = unbalanced(n_factors=n_factors, missing=missing)
    model = FactorBetas(window, min_periods=min_periods, fit_intercept=fit_intercept).fit(X, y)
    statistics = model.rolling_statistics()
    names = list(X.columns)
    x = sm.add_constant(X) if fit_intercept else X
    for asset, returns in y.items():
        rolling = RollingOLS(
            returns, x, window=window, min_nobs=min_periods, missing="drop", expanding=True
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no observation at all
            expected = rolling.fit()
        assert_allclose(by_asset(model, asset), expected.params[names], rtol=1e-8, atol=1e-12)
        errors = statistics.std_errors.xs(asset, level="asset")
        estimated = by_asset(model, asset).notna().all(axis=1)
        assert_allclose(errors[estimated], expected.bse[names][estimated], rtol=1e-8)
        r2 = statistics.r2.xs(asset, level="asset")
        assert_allclose(r2[estimated], expected.rsquared[estimated], rtol=1e-7)
        n_periods = statistics.n_periods.xs(asset, level="asset")
        assert_array_equal(
            n_periods[estimated], returns.notna().rolling(window, 1).sum()[estimated]
        )
        if fit_intercept:
            alphas = statistics.alphas.xs(asset, level="asset")
            assert_allclose(alphas, expected.params["const"], rtol=1e-8, atol=1e-12)
        else:
            assert_array_equal(statistics.alphas.dropna(), 0.0)


@pytest.mark.parametrize("halflife", [None, 5.0, 40.0])
@pytest.mark.parametrize("window", [20, None])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_expanding_and_weighted_betas_are_those_of_regressions_one_by_one(
    window, halflife, fit_intercept
):
    X, y = unbalanced(n_periods=32)
    X = X + 0.5  # a mean that errors without an intercept have to see
    model = FactorBetas(
        window,
        expanding=window is None,
        min_periods=8,
        halflife=halflife,
        fit_intercept=fit_intercept,
    )
    model.fit(X, y)
    statistics = model.rolling_statistics()
    for asset in y.columns[:2]:
        expected = wls_loop(X, y[asset], window or 32, 8, halflife, fit_intercept)
        assert_allclose(statistics.df.xs(asset, level="asset"), expected["df"], rtol=1e-8)
        tables = {
            "beta": by_asset(model, asset),
            "error": statistics.std_errors.xs(asset, level="asset"),
        }
        for what, table in tables.items():
            assert_allclose(table, expected.filter(like=what), rtol=1e-8, atol=1e-12)
        assert_allclose(
            statistics.alphas.xs(asset, level="asset"), expected["alpha"], rtol=1e-8, atol=1e-12
        )
        assert_allclose(statistics.r2.xs(asset, level="asset"), expected["r2"], rtol=1e-8)


def test_betas_of_the_whole_sample_are_weighted_by_the_halflife():
    X, y = unbalanced(n_periods=40)
    model = FactorBetas(halflife=9.0).fit(X, y)
    weights = 0.5 ** (np.arange(39, -1, -1) / 9.0)
    for asset, returns in y.items():
        seen = returns.notna()
        fit = sm.WLS(returns[seen], sm.add_constant(X[seen]), weights=weights[seen]).fit()
        assert_allclose(model.betas_.loc[asset], fit.params[1:], rtol=1e-10)
        errors, free = forgetting_errors(returns[seen], sm.add_constant(X[seen]), weights[seen])
        assert_allclose(model.std_errors_.loc[asset], errors[1:], rtol=1e-10)
        assert_allclose(model.df_[asset], free, rtol=1e-12)
        assert_allclose(model.alphas_[asset], fit.params.iloc[0], rtol=1e-9)
        assert_allclose(model.r2_[asset], fit.rsquared, rtol=1e-10)
        assert_allclose(model.residuals_.loc[seen, asset], fit.resid, atol=1e-14)
    shuffled = np.random.default_rng(0).permutation(40)
    again = FactorBetas(halflife=9.0).fit(X.iloc[shuffled], y.iloc[shuffled])
    assert_frame_equal(again.betas_, model.betas_, rtol=1e-10)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_that_hardly_forget_have_the_errors_of_equal_ones(fit_intercept):
    X, y = unbalanced()
    for parameters in ({}, {"window": 24, "min_periods": 12}):
        equal, slow = (
            FactorBetas(**parameters, fit_intercept=fit_intercept, halflife=h).fit(X, y)
            for h in (None, 1e9)
        )
        assert_frame_equal(slow.std_errors_, equal.std_errors_, rtol=1e-6)
        assert_series_equal(slow.df_, equal.df_, rtol=1e-6)
        k = X.shape[1] + fit_intercept
        if parameters:
            found, expected = slow.rolling_statistics(), equal.rolling_statistics()
            assert_frame_equal(found.std_errors, expected.std_errors, rtol=1e-6)
            free = (expected.n_periods - k).where(expected.std_errors.notna().all(axis=1))
            assert_array_equal(expected.df, free)
        else:
            assert_array_equal(equal.df_, equal.n_periods_ - k)


@pytest.mark.parametrize("window", [None, 300])
def test_errors_of_weighted_betas_are_how_they_vary(window):
    # 2,000 assets are 2,000 draws; weighted least squares' own errors are half of the truth.
    rng = np.random.default_rng(0)
    factor, noise = rng.normal(size=(600, 1)), rng.normal(size=(600, 2000))
    model = FactorBetas(window, halflife=60.0).fit(factor, factor + noise)
    spread = model.betas_.iloc[:, 0].std()
    assert_allclose(np.sqrt((model.std_errors_.iloc[:, 0] ** 2).mean()), spread, rtol=0.06)
    t = (model.betas_.iloc[:, 0] - 1.0) / model.std_errors_.iloc[:, 0]
    rejected = 2.0 * stats.t.sf(t.abs(), model.df_) < 0.05
    assert 0.035 < rejected.mean() < 0.065


@pytest.mark.parametrize("parameters", [{}, {"window": 120}])
def test_vasicek_weighs_betas_of_forgetting_weights_by_their_true_errors(parameters):
    rng = np.random.default_rng(3)
    factor, true = rng.normal(size=(240, 1)), 1.0 + 0.25 * rng.normal(size=400)
    returns = factor * true + 2.0 * rng.normal(size=(240, 400)) * rng.uniform(0.5, 1.5, 400)
    loss = {}
    for shrinkage in (None, "vasicek", "vasicek-net"):
        model = FactorBetas(halflife=30.0, shrinkage=shrinkage, **parameters).fit(factor, returns)
        loss[shrinkage] = np.sqrt(np.mean((model.betas_.iloc[:, 0] - true) ** 2))
    assert loss["vasicek-net"] < loss["vasicek"] < 0.85 * loss[None]


def test_a_missing_period_ages_the_weights_of_those_before():
    X, y = unbalanced(n_periods=40)
    kept = np.delete(np.arange(40), [20, 21])
    y.iloc[20:22] = np.nan
    expected = FactorBetas(halflife=6.0).fit(X, y).betas_
    assert_frame_equal(FactorBetas(halflife=6.0).fit(X.iloc[kept], y.iloc[kept]).betas_, expected)


def test_levels_of_ten_thousand_spreads_and_one_bad_tick_cost_no_digits():
    X, y = unbalanced()
    model = FactorBetas(24, min_periods=12)
    expected = clone(model).fit(X, y).rolling_betas_
    level = 1e4 * y.std().max()
    assert_allclose(clone(model).fit(X, y + level).rolling_betas_, expected, rtol=1e-8, atol=1e-10)
    spoilt_X, spoilt_y = X.copy(), y.copy()
    spoilt_X.iloc[25, 0], spoilt_y.iloc[25, 2] = 1e6, -1e6
    found = clone(model).fit(spoilt_X, spoilt_y).rolling_betas_
    dates = expected.index.get_level_values("date")
    clean = (dates < X.index[25]) | (dates > X.index[48])
    assert_allclose(found[clean], expected[clean], rtol=1e-9, atol=1e-11)


# --- what belongs to the last date --------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"window": 24, "min_periods": 10},
        {"expanding": True},
        {"window": 24, "min_periods": 10, "halflife": 8.0},
        {"window": 24, "min_periods": 10, "shrinkage": "vasicek"},
        {"expanding": True, "fit_intercept": False},
    ],
)
def test_attributes_without_a_date_are_those_of_the_last_window(parameters):
    X, y = unbalanced()
    model = FactorBetas(**parameters).fit(X, y)
    last = X.index[-1]
    assert_array_equal(model.betas_, model.rolling_betas_.loc[last])
    statistics = model.rolling_statistics()
    assert_allclose(model.std_errors_, statistics.std_errors.loc[last], rtol=1e-9)
    assert_allclose(model.r2_, statistics.r2.loc[last], rtol=1e-9)
    if "shrinkage" not in parameters:
        assert_allclose(model.alphas_, statistics.alphas.loc[last], rtol=1e-9, atol=1e-15)
    periods = X.index if "expanding" in parameters else X.index[-24:]
    assert_index_equal(model.residuals_.index, periods)
    fitted = X.loc[periods] @ model.betas_.T + model.alphas_
    assert_allclose(model.residuals_, y.loc[periods] - fitted, atol=1e-15)


def test_the_covariance_is_that_of_the_last_window_and_has_its_weights():
    X, y = random_two_pass(np.random.default_rng(0))
    window = FactorBetas(24).fit(X, y).covariance()
    assert_frame_equal(window, FactorBetas().fit(X[-24:], y[-24:]).covariance(), rtol=1e-9)
    weighted = FactorBetas(halflife=10.0).fit(X, y).covariance()
    weights = 0.5 ** (np.arange(59, -1, -1) / 10.0)
    expected = np.diag(np.cov(y.T, aweights=weights))
    assert_allclose(np.diag(weighted), expected, rtol=1e-10)
    betas = FactorBetas(halflife=10.0).fit(X, y).betas_
    common = betas.to_numpy() @ np.cov(X.T, aweights=weights) @ betas.to_numpy().T
    off = ~np.eye(8, dtype=bool)
    assert_allclose(weighted.to_numpy()[off], common[off], rtol=1e-10)


# --- shrinkage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [{}, {"window": 24, "min_periods": 10}])
def test_vasicek_draws_betas_to_the_mean_of_their_date(parameters):
    X, y = unbalanced()
    plain = FactorBetas(**parameters).fit(X, y)
    shrunk = FactorBetas(**parameters, shrinkage="vasicek").fit(X, y)
    if parameters:
        betas, errors = plain.rolling_betas_, plain.rolling_statistics().std_errors
        found, dates = shrunk.rolling_betas_, betas.index.get_level_values("date")
        mean, variance = (betas.groupby(dates).transform(how) for how in ("mean", "var"))
        variance = variance.fillna(0.0)  # of one asset alone
    else:
        betas, errors, found = plain.betas_, plain.std_errors_, shrunk.betas_
        mean, variance = betas.mean(), betas.var()
    share = variance / (variance + errors**2)
    assert_frame_equal(found, mean + share * (betas - mean), rtol=1e-9)
    assert_frame_equal(shrunk.std_errors_, plain.std_errors_)
    assert_allclose(shrunk.residuals_.mean().dropna(), 0.0, atol=1e-15)


def test_vasicek_needs_an_observation_more_for_the_errors():
    X, y = random_two_pass(np.random.default_rng(0), n_periods=4)
    betas = FactorBetas(expanding=True, shrinkage="vasicek").fit(X, y).rolling_betas_
    assert_array_equal(betas.notna().all(axis=1).groupby(level="date").all(), [0, 0, 0, 1])
    with pytest.raises(ValueError, match=r"8 with fewer than 4 observations"):
        FactorBetas(shrinkage="vasicek").fit(X[:3], y[:3])


def test_blume_draws_market_betas_a_third_of_the_way_to_one():
    X, y = unbalanced(n_factors=1)
    for parameters in ({}, {"window": 24, "min_periods": 10}):
        plain = FactorBetas(**parameters).fit(X, y)
        shrunk = FactorBetas(**parameters, shrinkage="blume").fit(X, y)
        assert_allclose(shrunk.betas_, (2.0 * plain.betas_ + 1.0) / 3.0, rtol=1e-13)
        if parameters:
            expected = (2.0 * plain.rolling_betas_ + 1.0) / 3.0
            assert_allclose(shrunk.rolling_betas_, expected, rtol=1e-13)
    with pytest.raises(ValueError, match=r"draws betas to 1.*X has 2 factors.*'vasicek'"):
        FactorBetas(shrinkage="blume").fit(*unbalanced())


# --- layout and forms ---------------------------------------------------------------------------


def test_every_asset_has_a_row_on_every_date():
    X, y = unbalanced()
    betas = FactorBetas(24, min_periods=10).fit(X, y).rolling_betas_
    expected = pd.MultiIndex.from_product([X.index, y.columns], names=["date", "asset"])
    assert_index_equal(betas.index, expected)
    assert list(betas.columns) == list(X.columns)
    assert betas.to_numpy().flags.f_contiguous


def test_the_default_needs_full_windows_and_an_expanding_one_only_its_coefficients():
    X, y = unbalanced(missing=0.0)
    n_known = wide(FactorBetas(24).fit(X, y).rolling_betas_["f0"]).notna().sum()
    assert list(n_known) == [17, 7, 37, 37, 37, 37]
    n_known = wide(FactorBetas(expanding=True).fit(X, y).rolling_betas_["f0"]).notna().sum()
    assert list(n_known) == [38, 58, 58, 58, 58, 58]  # those who left keep their last betas


@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([None, 7.0]))
@law
def test_long_rows_in_any_order_give_the_betas_of_the_wide_form(seed, expanding, halflife):
    X, y = unbalanced(seed, n_periods=30)
    assume(y.notna().any(axis=1).all())  # long rows have no date without a return
    model = FactorBetas(
        None if expanding else 12, expanding=expanding, min_periods=6, halflife=halflife
    )
    expected = clone(model).fit(X, y).rolling_betas_
    long_X, long_y = to_long(X, y)
    rows = np.random.default_rng(seed).permutation(int(long_y.notna().sum()))
    rows = np.flatnonzero(long_y.notna())[rows]
    long = clone(model).fit(long_X.iloc[rows], long_y.iloc[rows])
    known = long.rolling_betas_.reindex(expected.index)
    assert_frame_equal(known, expected, rtol=1e-9)
    order = np.random.default_rng(seed).permutation(len(X))
    shuffled = clone(model).fit(X.iloc[order], y.iloc[order])
    assert_frame_equal(shuffled.rolling_betas_, expected, rtol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 29), st.sampled_from([None, 7.0]))
@law
def test_later_dates_change_no_earlier_betas(seed, cut, halflife):
    X, y = unbalanced(seed, n_periods=30, missing=0.1)
    for model in (
        FactorBetas(11, min_periods=5, halflife=halflife),
        FactorBetas(expanding=True, min_periods=5, halflife=halflife),
    ):
        betas = clone(model).fit(X, y).rolling_betas_.loc[: X.index[cut - 1]]
        if betas.notna().any(axis=None):
            assert_frame_equal(clone(model).fit(X[:cut], y[:cut]).rolling_betas_, betas, rtol=1e-8)


def test_one_series_has_betas_on_its_dates():
    X, y = unbalanced()
    wide = FactorBetas(24, min_periods=10).fit(X, y)
    one = FactorBetas(24, min_periods=10).fit(X, y["asset3"])
    assert_array_equal(one.rolling_betas_, by_asset(wide, "asset3"))
    expected = by_asset(wide, "asset3").shift(1)
    assert_array_equal(one.transform(X), expected)
    order = np.random.default_rng(0).permutation(len(X))
    assert_array_equal(one.transform(X.iloc[order]), expected.iloc[order])
    shuffled = FactorBetas(24, min_periods=10).fit(X.iloc[order], y["asset3"].iloc[order])
    assert_frame_equal(shuffled.rolling_betas_, one.rolling_betas_, rtol=1e-9)


def test_arrays_are_taken_in_their_order():
    X, y = unbalanced()
    expected = FactorBetas(24, min_periods=10, halflife=9.0).fit(X, y)
    arrays = FactorBetas(24, min_periods=10, halflife=9.0).fit(X.to_numpy(), y.to_numpy())
    assert_array_equal(arrays.rolling_betas_, expected.rolling_betas_)
    with pytest.raises(ValueError, match=r"looked up by date, and the rows of X have none"):
        arrays.transform(X.to_numpy())


# --- what is known when -------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize("parameters", [{"window": 24, "min_periods": 10}, {"expanding": True}])
def test_rows_get_the_betas_that_were_known_by_then(parameters, lag):
    X, y = unbalanced()
    model = FactorBetas(**parameters, lag=lag)
    long_X, long_y = to_long(X, y)
    out = model.fit_transform(long_X, long_y)
    table = wide(model.rolling_betas_).shift(lag).stack(future_stack=True)
    assert_index_equal(out.index, long_X.index)
    assert_array_equal(out, table.loc[long_X.index][list(X.columns)])
    assert_frame_equal(model.transform(long_X), out)
    some = np.random.default_rng(0).permutation(len(long_X))[:50]
    assert_frame_equal(model.transform(long_X.iloc[some]), out.iloc[some])
    assert_frame_equal(model.transform(long_X.swaplevel()), out.swaplevel())


def test_later_dates_carry_the_last_betas_and_unseen_assets_have_none():
    X, y = unbalanced(n_periods=80)
    model = FactorBetas(24, min_periods=10).fit(X[:60], y[:60])
    later = to_long(X[60:], y[60:])[0].rename(index={"asset2": "newcomer"}, level="asset")
    out = model.transform(later)
    new = later.index.get_level_values("asset") == "newcomer"
    assert out[new].isna().all(axis=None)
    expected = model.betas_.reindex(later.index.get_level_values("asset")[~new])
    assert_array_equal(out[~new], expected)
    earlier = later.rename(index=lambda period: period - 600, level="date")
    assert model.transform(earlier).isna().all(axis=None)


def test_a_lag_is_a_distance_in_periods_where_dates_are_periods():
    X, y = random_two_pass(np.random.default_rng(0))
    kept = np.delete(np.arange(60), [40])
    model = FactorBetas(24, lag=2).fit(X.iloc[kept], y.iloc[kept])
    table = wide(model.rolling_betas_)
    long_X = to_long(X, y)[0]
    out = wide(model.transform(long_X))
    # Two months before the 43rd there is no estimate, and the one before that is taken.
    for date, source in ((30, 28), (42, 39), (43, 41), (59, 57)):
        assert_array_equal(out.iloc[date], table.loc[X.index[source]])
    after = to_long(X[-2:].set_axis(X.index[-2:] + 2), y[-2:].set_axis(y.index[-2:] + 2))[0]
    later = wide(model.transform(after))
    assert_array_equal(later.iloc[0], table.iloc[-2])
    assert_array_equal(later.iloc[1], table.iloc[-1])


def test_a_lag_is_a_number_of_dates_where_dates_are_stamps():
    X, y = random_two_pass(np.random.default_rng(0))
    stamps = pd.bdate_range("2020-01-01", periods=60, name="date")
    X, y = X.set_axis(stamps), y.set_axis(stamps)
    model = FactorBetas(24, lag=2).fit(X, y)
    table = wide(model.rolling_betas_)
    sought = pd.DatetimeIndex(
        [stamps[30], stamps[30] + pd.Timedelta(hours=1), stamps[-1] + pd.Timedelta(days=9)],
        name="date",
    )
    out = wide(model.transform(to_long(X[:3].set_axis(sought), y[:3].set_axis(sought))[0]))
    for row, source in enumerate((28, 29, 58)):
        assert_array_equal(out.iloc[row], table.iloc[source])


def test_stamps_are_looked_up_in_the_periods_of_the_fit():
    X, y = random_two_pass(np.random.default_rng(0))
    model = FactorBetas(24).fit(X, y)
    expected = model.transform(to_long(X, y)[0])
    for how in ("start", "end"):
        stamps = X.index.to_timestamp(how=how)
        out = model.transform(to_long(X.set_axis(stamps), y.set_axis(stamps))[0])
        assert_array_equal(out, expected)


def test_one_date_for_all_rows_is_enough_to_look_betas_up():
    X, y = unbalanced()
    long_X, long_y = to_long(X, y)
    model = FactorBetas(24, min_periods=10).fit(long_X, long_y)
    now = long_X.droplevel("date").iloc[:6]
    out = model.transform(now, dates=pd.Period("2005-01", "M"), assets=now.index)
    assert_array_equal(out, model.betas_)
    with pytest.raises(ValueError, match=r"looked up by date.*dates=, one for all rows"):
        model.transform(now.reset_index(drop=True), assets=now.index)
    with pytest.raises(ValueError, match=r"fitted with assets, but the rows of X have none"):
        model.transform(now.reset_index(drop=True), dates=pd.Period("2005-01", "M"))


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 24, "expanding": True}, r"window=24 and expanding=True exclude each other"),
        ({"lag": 2}, r"lag=2 says when rolling betas are used.*Pass window= or expanding=True"),
        ({"window": 2}, r"window=2 is shorter than the 3 observations"),
        ({"window": 24, "min_periods": 30}, r"window=24 is shorter than the 30 observations"),
    ],
)
def test_parameters_that_contradict_each_other_raise(parameters, message):
    with pytest.raises(ValueError, match=message):
        FactorBetas(**parameters).fit(*unbalanced())


def test_windows_of_which_none_can_be_estimated_raise():
    X, y = unbalanced(missing=0.0)
    with pytest.raises(
        ValueError, match=r"none of the 6 asset.*of 61, of 60 in all.*fewer than 61"
    ):
        FactorBetas(61).fit(X, y)
    with pytest.raises(ValueError, match=r"none of the 6 asset.* windows have constant or coll"):
        FactorBetas(24).fit(X.assign(f1=2.0 * X["f0"]), y)


def test_windows_with_constant_factors_are_counted_in_one_warning():
    X, y = random_two_pass(np.random.default_rng(0))
    X.iloc[:30, 1] = 0.0
    with pytest.warns(RankDeficientWarning, match=r"betas of 56 windows are NaN") as caught:
        betas = FactorBetas(24).fit(X, y).rolling_betas_
    assert [warning.filename for warning in caught] == [__file__]
    assert_array_equal(wide(betas["f1"]).notna().all(axis=1), np.arange(60) >= 30)


def test_statistics_of_the_whole_sample_are_no_rolling_ones():
    model = FactorBetas().fit(*unbalanced())
    with pytest.raises(ValueError, match=r"no rolling betas: pass window= or expanding=True"):
        model.rolling_statistics()
    assert not hasattr(model, "rolling_betas_")
    rolling = FactorBetas(24, min_periods=10).fit(*unbalanced())
    rolling.set_params(window=None, min_periods=None).fit(*unbalanced())
    assert not hasattr(rolling, "rolling_betas_")
    assert_series_equal(rolling.r2_, model.r2_)


def test_results_do_not_share_memory_with_the_input():
    X, y = unbalanced()
    values = y.to_numpy().copy(), X.to_numpy().copy()
    model = FactorBetas(24, min_periods=10).fit(values[1], values[0])
    before = model.rolling_statistics().r2.copy()
    values[0][:], values[1][:] = 0.0, 1.0
    assert_series_equal(model.rolling_statistics().r2, before)

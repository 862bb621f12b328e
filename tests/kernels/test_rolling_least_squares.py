"""Rolling regressions against statsmodels, one weighted regression a window."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.rolling import Window
from skfactor._kernels.rolling_least_squares import rolling_least_squares

ALL = ("slopes", "errors", "intercepts", "r2", "mean_squares", "n_rows", "free")


def draw(n_dates=50, n_series=4, n_factors=2, missing=0.15, seed=0):
    rng = np.random.default_rng(seed)
    factors = 0.01 + 0.05 * rng.normal(size=(n_factors, n_dates))
    returns = 0.02 + factors.T @ rng.normal(size=(n_factors, n_series))
    returns += 0.1 * rng.normal(size=returns.shape)
    returns[rng.random(returns.shape) < missing] = np.nan
    returns[: n_dates // 3, 0] = np.nan  # enters
    returns[n_dates // 2 :, 1] = np.nan  # leaves
    return factors, returns


def forgetting_errors(residuals, x, w):
    """Errors of coefficients where residuals vary alike whatever their weight, by matrices."""
    root = np.sqrt(w)
    operator = np.linalg.pinv(root[:, None] * x) * root
    maker = np.eye(len(x)) - x @ operator
    variance = residuals**2 @ w / np.trace(maker.T @ (w[:, None] * maker))
    return np.sqrt(variance * np.diag(operator @ operator.T))


def by_window(factors, returns, window, fit_intercept):
    """Tables by one statsmodels regression a window."""
    k = len(factors)
    out = {
        name: np.full((k, *returns.shape) if name in ALL[:2] else returns.shape, np.nan)
        for name in ALL
    }
    for t, i in np.ndindex(*returns.shape):
        rows = slice(max(t + 1 - window.length, 0), t + 1)
        seen = np.isfinite(returns[rows, i]) & np.isfinite(factors[:, rows]).all(axis=0)
        if seen.sum() < window.min_rows:
            continue
        ages = np.zeros(len(seen)) if window.ages is None else window.ages[t] - window.ages[rows]
        weights = 0.5 ** ages[seen]
        x = factors[:, rows][:, seen].T
        x = sm.add_constant(x, has_constant="add") if fit_intercept else x
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no degrees of freedom
            fit = sm.WLS(returns[rows, i][seen], x, weights=weights).fit()
            out["slopes"][:, t, i], out["n_rows"][t, i] = fit.params[-k:], fit.nobs
            out["intercepts"][t, i] = fit.params[0]
            out["r2"][t, i] = fit.rsquared
            out["free"][t, i] = weights.sum() ** 2 / (weights @ weights) - x.shape[1]
            if fit.df_resid:
                out["errors"][:, t, i] = forgetting_errors(fit.resid, x, weights)[-k:]
                out["mean_squares"][t, i] = weights @ fit.resid**2 / weights.sum()
                if window.ages is None:
                    assert_allclose(out["errors"][:, t, i], fit.bse[-k:], rtol=1e-6)
    return out


def assert_agrees(found, expected, fit_intercept=True, rtol=1e-9):
    for name, table in expected.items():
        if name == "intercepts" and not fit_intercept:
            continue
        assert_allclose(found[name], table, rtol=rtol, atol=1e-13, err_msg=name)


AGES = np.cumsum(np.tile([0.05, 0.02, 0.1, 0.03], 20))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ages", [None, AGES[:50]])
@pytest.mark.parametrize(("length", "min_rows"), [(12, 12), (12, 5), (30, 3), (50, 3), (7, 4)])
def test_tables_are_those_of_statsmodels(length, min_rows, ages, fit_intercept):
    factors, returns = draw()
    window = Window(length, min_rows, ages)
    outputs = ALL if fit_intercept else [name for name in ALL if name != "intercepts"]
    found = rolling_least_squares(
        factors, returns, window, fit_intercept=fit_intercept, outputs=outputs
    )
    assert found.n_deficient == 0
    assert_agrees(
        found.tables, by_window(factors, returns, window, fit_intercept), fit_intercept, rtol=1e-7
    )


@pytest.mark.parametrize("ages", [None, AGES[:50]])
def test_estimates_are_carried_where_windows_grow_and_nothing_is_observed(ages):
    factors, returns = draw()
    growing = Window(50, 4, ages, only_observed=True)
    found = rolling_least_squares(factors, returns, growing, fit_intercept=True, outputs=ALL)
    assert_agrees(found.tables, by_window(factors, returns, growing, True), rtol=1e-8)
    assert_array_equal(found.tables["slopes"][:, -1, 1], found.tables["slopes"][:, 25, 1])


@pytest.mark.parametrize("weighted", [False, True])
def test_many_factors_are_solved_from_their_rows_and_few_series_at_a_time(monkeypatch, weighted):
    factors, returns = draw()
    ages = np.arange(50) / 8.0 if weighted else None
    for window in (Window(12, 6, ages), Window(50, 6, ages, only_observed=True)):
        options = {"fit_intercept": True, "outputs": ALL}
        expected = rolling_least_squares(factors, returns, window, **options)
        with monkeypatch.context() as patched:
            patched.setattr("skfactor._kernels.rolling._MOST_SUMS", 1)
            few = rolling_least_squares(factors, returns, window, **options)
            patched.setattr("skfactor._kernels.rolling_least_squares._MOST_FACTORS", 0)
            by_rows = rolling_least_squares(factors, returns, window, **options)
        assert expected.n_deficient == few.n_deficient == by_rows.n_deficient
        for name in ALL:
            assert_allclose(few.tables[name], expected.tables[name], rtol=1e-9)
            assert_allclose(by_rows.tables[name], expected.tables[name], rtol=1e-8)


def test_a_level_far_above_the_spread_costs_no_digits():
    factors, returns = draw(missing=0.1, seed=1)
    window = Window(12, 8)
    expected = by_window(factors, returns, window, True)
    expected["intercepts"] += 1e3
    found = rolling_least_squares(
        factors, returns + 1e3, window, fit_intercept=True, outputs=ALL
    ).tables
    assert_agrees(found, expected, rtol=1e-8)
    shifted = rolling_least_squares(
        factors + 500.0, returns + 1e3, window, fit_intercept=True, outputs=ALL
    ).tables
    for name in ("slopes", "errors", "r2", "mean_squares"):
        assert_allclose(shifted[name], expected[name], rtol=1e-8, err_msg=name)


@pytest.mark.parametrize("where", ["factor", "return"])
def test_windows_without_a_bad_tick_are_as_if_it_had_never_been(where):
    factors, returns = draw(missing=0.1, seed=2)
    window = Window(12, 8)
    expected = rolling_least_squares(factors, returns, window, fit_intercept=True, outputs=ALL)
    (factors[0] if where == "factor" else returns[:, 2])[23] = 1e6
    found = rolling_least_squares(factors, returns, window, fit_intercept=True, outputs=ALL)
    elsewhere = np.delete(np.arange(50), np.arange(23, 35))
    for name, table in expected.tables.items():
        pair = found.tables[name][..., elsewhere, :], table[..., elsewhere, :]
        assert_allclose(*pair, rtol=1e-10, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("noise", [1e-3, 1e-5])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ages", [None, AGES[:50]])
def test_nearly_collinear_factors_are_solved_from_their_rows(noise, fit_intercept, ages):
    factors, returns = draw(missing=0.1, seed=3)
    factors[1] = factors[0] + noise * factors[1]
    window = Window(12, 9, ages)
    outputs = ALL if fit_intercept else [name for name in ALL if name != "intercepts"]
    found = rolling_least_squares(
        factors, returns, window, fit_intercept=fit_intercept, outputs=outputs
    )
    assert found.n_deficient == 0
    expected = by_window(factors, returns, window, fit_intercept)
    assert_agrees(found.tables, expected, fit_intercept, rtol=1e-6)


def test_collinear_and_constant_factors_leave_their_windows_without_estimates():
    factors, returns = draw(missing=0.1)
    factors[1, :25] = 0.25  # constant at first
    window = Window(10, 6)
    found = rolling_least_squares(factors, returns, window, fit_intercept=True, outputs=ALL)
    without = found.tables["n_rows"][:25] >= 6
    assert found.n_deficient >= without.sum() > 0
    for name in ("slopes", "errors", "intercepts", "r2", "mean_squares"):
        assert np.isnan(found.tables[name][..., :25, :]).all()
        assert np.isfinite(found.tables[name][..., 36:, 2:]).all()
    twice = np.vstack([factors[:1], 2.0 * factors[:1]])
    for fit_intercept in (True, False):
        found = rolling_least_squares(twice, returns, window, fit_intercept=fit_intercept)
        assert np.isnan(found.tables["slopes"]).all()


def test_a_series_may_be_deficient_where_the_factors_are_not():
    factors, returns = draw(missing=0.0)
    factors[1, 10:16] = 0.5
    returns[:10, 2] = np.nan
    found = rolling_least_squares(factors, returns, Window(12, 4), fit_intercept=True)
    slopes = found.tables["slopes"][:, 13:16]
    assert np.isnan(slopes[:, :, 2]).all()
    assert np.isfinite(slopes[:, :, 3]).all()
    assert found.n_deficient == 3


def test_only_what_is_asked_for_is_made_and_it_is_the_same():
    factors, returns = draw()
    everything = rolling_least_squares(
        factors, returns, Window(9, 5), fit_intercept=True, outputs=ALL
    )
    for name in ALL:
        alone = rolling_least_squares(
            factors, returns, Window(9, 5), fit_intercept=True, outputs=(name,)
        ).tables
        assert list(alone) == [name]
        assert_allclose(alone[name], everything.tables[name], rtol=1e-9, atol=1e-14)

"""Alphas of many assets: against regressions one by one, an R package, and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from reference_premia import DATA, random_two_pass
from scipy import stats

from skfactor.exceptions import RankDeficientWarning
from skfactor.inference import alpha_test, grs_test, select_alphas


def test_statistic_is_that_of_another_program():
    # Three factors and 40 assets; the R package spantest's span_py(), which needs T > K + N.
    data = np.loadtxt(DATA / "pesaran_yamagata.csv.gz", delimiter=",")
    found = alpha_test(data[:, :3], data[:, 3:], small_sample=False)
    assert_allclose(found.statistic, -1.71140668061013, rtol=1e-12)
    assert_allclose(found.p_value, stats.norm.sf(-1.71140668061013), rtol=1e-10)


def one_by_one(factors, returns):
    """t values, degrees of freedom and the statistic from a regression and a correlation each."""
    t, v, e = [], [], []
    for name in returns:
        y = returns[name].dropna()
        fit = sm.OLS(y, sm.add_constant(factors.loc[y.index])).fit()
        t.append(fit.tvalues["const"])
        v.append(fit.df_resid)
        e.append(fit.resid)
    t, v, n = np.array(t), np.array(v), len(t)
    theta = stats.norm.ppf(1 - 0.05 / (n - 1) / 2) ** 2
    squares = 0.0
    for i in range(n):
        for j in range(i):
            both = pd.concat([e[i], e[j]], axis=1, join="inner").to_numpy()
            r = both[:, 0] @ both[:, 1] / np.linalg.norm(both[:, 0]) / np.linalg.norm(both[:, 1])
            if (len(both) - factors.shape[1] - 1) * r**2 >= theta:
                squares += r**2
    z = (t**2 - v / (v - 2)) / (v / (v - 2) * np.sqrt(2 * (v - 1) / (v - 4)))
    return t, v, z.sum() / np.sqrt(n * (1 + 2 * squares / n))


def test_own_dates_are_those_of_regressions_one_by_one():
    factors, returns = random_two_pass(np.random.default_rng(3), 40, 9, 2)
    returns.iloc[:, 5] = 0.7 * returns.iloc[:, 4] + 0.3 * returns.iloc[:, 5]
    for missing in (0.0, 0.2):
        kept = np.random.default_rng(1).random(returns.shape) >= missing
        held = returns.where(kept)
        t, v, statistic = one_by_one(factors, held)
        assert_allclose(alpha_test(factors, held).statistic, statistic, rtol=1e-10)
        table = select_alphas(factors, held).table
        assert_allclose(table["t_value"], t, rtol=1e-10)
        assert_allclose(table["p_value"], stats.t.sf(t, v), rtol=1e-9)
        shuffled = np.random.default_rng(2).permutation(len(held))
        again = alpha_test(factors.iloc[shuffled], held.iloc[shuffled])
        assert_allclose(again.statistic, statistic, rtol=1e-10)


def test_the_bootstrap_is_of_returns_without_alphas():
    rng = np.random.default_rng(0)
    factors, returns = rng.normal(0.3, 1.0, (30, 2)), rng.normal(size=(30, 5))
    returns[:8, 1] = returns[25:, 2] = returns[12, 3] = np.nan
    signs = np.random.default_rng(7).choice([-1.0, 1.0], size=(19, 30))

    def total(values):
        sums = 0.0
        for y in values.T:
            kept = np.isfinite(y)
            fit = sm.OLS(y[kept], sm.add_constant(factors[kept])).fit()
            v = fit.df_resid
            mean = v / (v - 2)
            sums += (fit.tvalues[0] ** 2 - mean) / (mean * np.sqrt(2 * (v - 1) / (v - 4)))
        return sums

    left, p_values = np.full_like(returns, np.nan), set()
    for shift in (0.0, 0.04, 0.15):
        observed = total(returns + shift)
        for i in range(5):
            kept = np.isfinite(returns[:, i])
            left[kept, i] = sm.OLS(returns[kept, i] + shift, factors[kept]).fit().resid
        above = sum(total(left * each[:, None]) >= observed for each in signs)
        found = alpha_test(factors, returns + shift, n_draws=19, random_state=7)
        assert found.distribution == "wild bootstrap"
        assert found.p_value == pytest.approx((1 + above) / 20)
        p_values.add(found.p_value)
    assert len(p_values) > 1


def drawn(rng, n_dates, n_assets, alphas=0.0):
    factors = 0.004 + 0.04 * rng.normal(size=(n_dates, 3))
    betas = rng.normal(1.0, 0.4, (n_assets, 3))
    scale = np.sqrt(3 / rng.chisquare(5, size=(n_dates, 1)))  # multivariate t(5)
    residuals = 0.05 * scale * rng.normal(size=(n_dates, n_assets))
    return factors, alphas + factors @ betas.T + residuals


def test_more_assets_than_dates_are_tested_with_the_right_size():
    rng, rejected, found = np.random.default_rng(0), 0, 0
    for _ in range(100):
        factors, returns = drawn(rng, 36, 60)
        returns[:12, ::3] = np.nan
        rejected += alpha_test(factors, returns, n_draws=19).p_value <= 0.05
        with_alphas = returns + 0.02 * (np.arange(60) % 5 == 0)
        found += alpha_test(factors, with_alphas, n_draws=99).p_value <= 0.05
    assert rejected <= 10
    assert found >= 90


def test_selection_has_few_false_ones_among_it():
    rng, false, right, more = np.random.default_rng(0), [], [], []
    alphas = np.concatenate([np.full(20, 0.03), np.full(40, -0.06), np.zeros(40)])
    for _ in range(40):
        factors, returns = drawn(rng, 60, 100, alphas)
        found = select_alphas(factors, returns, significance=0.1)
        chosen = np.array(found.selected, dtype=int)
        false.append(np.mean(chosen >= 20) if len(chosen) else 0.0)
        right.append(np.sum(chosen < 20))
        all_tested = select_alphas(factors, returns, significance=0.1, screen=False)
        more.append(len(found.selected) - len(all_tested.selected))
        assert all_tested.screened_out == []
        assert all(i >= 20 for i in found.screened_out)
    assert np.mean(false) < 0.12
    assert np.mean(right) > 15
    assert min(more) >= 0
    assert np.mean(more) > 0.5
    order = found.table["t_value"][found.selected]
    assert (np.diff(order) <= 0).all()


def test_mistakes():
    factors, returns = random_two_pass(np.random.default_rng(0), 30, 6, 2)
    with pytest.raises(ValueError, match="grs_test tests the alpha of one"):
        alpha_test(factors, returns[["asset0"]])
    with pytest.raises(ValueError, match=r"returns of \['f1'\] up to rounding"):
        alpha_test(factors, returns.assign(f1=factors["f1"]))
    with pytest.raises(ValueError, match="factors has missing values in 1 of 30 rows"):
        alpha_test(factors.shift(), returns)
    with pytest.raises(ValueError, match="has no asset with 8 dates or more"):
        alpha_test(factors[:7], returns[:7])
    short = returns.where((np.arange(30)[:, None] < 7) | (returns.columns != "asset3"))
    with pytest.warns(RankDeficientWarning, match=r"leaves out 1 of 6 .*8 dates.*\(first: asset3"):
        found = alpha_test(factors, short)
    assert found.null == "the alphas of all 5 assets are zero"
    with pytest.raises(ValueError, match="screen='no' has to be True or False"):
        select_alphas(factors, returns, screen="no")
    # Identical assets are no obstacle here.
    twice = pd.concat([returns, returns.add_prefix("again_")], axis=1)
    assert np.isfinite(alpha_test(factors, twice).statistic)
    with pytest.raises(ValueError, match="singular"):
        grs_test(factors, twice)

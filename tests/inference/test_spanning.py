"""Spanning tests: against likelihoods of regressions, Wald tests of statsmodels, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from skfactor.datasets import load_french
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference import grs_test, spanning_test

FRENCH = load_french()[:240]
OLD, NEW = FRENCH[["NoDur", "BusEq", "Utils"]], FRENCH[["Hlth", "Money"]]
STEPS = ("joint", "alphas", "betas")


def determinant(old, new, alphas, betas):
    """Of the residuals' covariance with the restrictions that are not given."""
    x, y = old.to_numpy(), new.to_numpy()
    if not betas:  # they add up to one: returns are over those of the last benchmark asset
        x, y = x[:, :-1] - x[:, -1:], y - x[:, -1:]
    if alphas:
        x = np.column_stack([np.ones(len(x)), x])
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return np.linalg.det(left.T @ left / len(x))


def test_statistics_are_ratios_of_likelihoods():
    for new in (NEW, NEW[["Hlth"]]):
        found = spanning_test(OLD, new, covariance="homoskedastic")
        t, k, n = 240, 3, new.shape[1]
        free, no_alphas, none = (
            determinant(OLD, new, *which) for which in ((True, True), (False, True), (False, False))
        )
        joint = (np.sqrt(none / free) - 1) * (t - k - n) / n
        if n == 1:
            joint = (none / free - 1) * (t - k - 1) / 2
        assert_allclose(found.joint.statistic, joint, rtol=1e-8)
        first = (no_alphas / free - 1) * (t - k - n) / n
        second = (none / no_alphas - 1) * (t - k - n + 1) / n
        assert_allclose(found.alphas.statistic, first, rtol=1e-8)
        assert_allclose(found.betas.statistic, second, rtol=1e-8)
        assert_allclose(found.alphas.statistic, grs_test(OLD, new).statistic, rtol=1e-9)
    assert found.joint.df == (2, 236)


def test_tests_of_one_asset_are_those_of_a_regression():
    fit = sm.OLS(NEW["Hlth"], sm.add_constant(OLD)).fit()
    found = spanning_test(OLD, NEW["Hlth"], covariance="homoskedastic")
    expected = fit.f_test("const = 0, NoDur + BusEq + Utils = 1")
    assert_allclose(found.joint.statistic, expected.fvalue, rtol=1e-8)
    assert_allclose(found.joint.p_value, expected.pvalue, rtol=1e-7)
    for kernel, cov in ((None, "HC0"), ("bartlett", "HAC")):
        options = {} if kernel is None else {"maxlags": 4}
        fit = sm.OLS(NEW["Hlth"], sm.add_constant(OLD)).fit(cov_type=cov, cov_kwds=options)
        wald = fit.wald_test("const = 0, NoDur + BusEq + Utils = 1", use_f=False, scalar=True)
        bandwidth = None if kernel is None else 4
        found = spanning_test(
            OLD, NEW["Hlth"], small_sample=False, kernel=kernel, bandwidth=bandwidth
        )
        assert_allclose(found.joint.statistic, wald.statistic, rtol=1e-7)
        assert_allclose(found.joint.p_value, wald.pvalue, rtol=1e-7)
        # The steps of a Wald statistic add up to it.
        steps = (found.alphas.statistic, found.betas.statistic)
        assert_allclose(sum(steps), wald.statistic, rtol=1e-7)


def test_the_bootstrap_is_of_returns_that_are_spanned():
    old, new = OLD[:60].to_numpy(), NEW[:60].to_numpy()
    found = spanning_test(old, new, n_draws=19, random_state=3)
    signs = np.random.default_rng(3).choice([-1.0, 1.0], size=(19, 60))

    def walds(returns):
        x = sm.add_constant(old)
        left = returns - x @ np.linalg.lstsq(x, returns, rcond=None)[0]
        rows = np.vstack([[1.0, 0, 0, 0], [0, -1.0, -1.0, -1.0]]) @ np.linalg.pinv(x)
        values = (rows @ returns + [[0.0], [1.0]]).ravel()
        scores = np.hstack([left * row[:, None] for row in rows])
        cov = scores.T @ scores
        both = values @ np.linalg.solve(cov, values)
        alphas = values[:2] @ np.linalg.solve(cov[:2, :2], values[:2])
        return np.array([both, alphas, both - alphas])

    def null(x, y):
        fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
        return fitted, y - fitted

    observed = walds(new)
    steps = (found.joint, found.alphas, found.betas)
    assert_allclose([step.statistic for step in steps], observed, rtol=1e-8)
    fitted, left = null(old[:, :2] - old[:, 2:], new - old[:, 2:])
    spanned = [walds(old[:, 2:] + fitted + s[:, None] * left) for s in signs]
    fitted, left = null(old, new)
    priced = [walds(fitted + s[:, None] * left) for s in signs]
    for i, draws in ((0, spanned), (1, priced), (2, spanned)):
        above = sum(draw[i] >= observed[i] for draw in draws)
        assert steps[i].p_value == pytest.approx((1 + above) / 20)


def test_spanned_assets_are_rejected_as_often_as_they_should_be():
    """Fat tails, which factors and residuals have on the same dates, for which no F holds."""
    rng, rejected = np.random.default_rng(0), []
    for _ in range(150):
        scale = np.sqrt(3 / rng.chisquare(5, size=(60, 1)))
        old = 0.01 + 0.04 * scale * rng.normal(size=(60, 2))
        new = old @ np.array([[0.3, 0.7], [1.4, -0.4], [0.5, 0.5]]).T
        new = new + 0.02 * scale * rng.normal(size=(60, 3))
        found = [
            spanning_test(old, new, n_draws=19),
            spanning_test(old, new, covariance="homoskedastic"),
        ]
        rejected.append([getattr(f, s).p_value <= 0.05 for f in found for s in STEPS])
    sizes = np.mean(rejected, axis=0)
    assert ((sizes[:3] > 0.01) & (sizes[:3] < 0.1)).all(), sizes
    assert sizes[5] > 0.12, sizes  # betas are what large residuals on the same dates disturb


def test_mistakes():
    for arguments, options, said in [
        ((OLD, NEW), {"covariance": "hac"}, "neither 'homoskedastic' nor 'robust'"),
        (
            (OLD, NEW),
            {"covariance": "homoskedastic", "kernel": "bartlett"},
            "is for covariance='robust'",
        ),
        (
            (OLD, NEW),
            {"covariance": "homoskedastic", "small_sample": False},
            "small_sample=False is for covariance='robust'",
        ),
        ((OLD, NEW.assign(again=NEW["Hlth"])), {}, "is singular"),
        ((OLD[:5], NEW[:5]), {}, "more than 5 dates, found 5"),
    ]:
        with pytest.raises(ValueError, match=said):
            spanning_test(*arguments, **options)
    assert str(spanning_test(OLD, NEW)).count("H0: ") == 3
    with pytest.warns(SmallSampleWarning, match="small_sample='wild' does not"):
        spanning_test(OLD, NEW, kernel="bartlett")
    sieve = spanning_test(OLD, NEW, kernel="bartlett", small_sample="wild", n_draws=19)
    assert sieve.alphas.distribution == "wild bootstrap"

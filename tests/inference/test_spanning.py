"""Spanning tests: against likelihoods of regressions, Wald tests of statsmodels, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from skfactor.datasets import load_french
from skfactor.inference import grs_test, spanning_test

FRENCH = load_french()[:240]
OLD, NEW = FRENCH[["NoDur", "BusEq", "Utils"]], FRENCH[["Hlth", "Money"]]


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
        found = spanning_test(OLD, new)
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
    found = spanning_test(OLD, NEW["Hlth"])
    expected = fit.f_test("const = 0, NoDur + BusEq + Utils = 1")
    assert_allclose(found.joint.statistic, expected.fvalue, rtol=1e-8)
    assert_allclose(found.joint.p_value, expected.pvalue, rtol=1e-7)
    for kernel, cov in ((None, "HC0"), ("bartlett", "HAC")):
        options = {} if kernel is None else {"maxlags": 4}
        fit = sm.OLS(NEW["Hlth"], sm.add_constant(OLD)).fit(cov_type=cov, cov_kwds=options)
        wald = fit.wald_test("const = 0, NoDur + BusEq + Utils = 1", use_f=False, scalar=True)
        bandwidth = None if kernel is None else 4
        found = spanning_test(
            OLD, NEW["Hlth"], covariance="robust", kernel=kernel, bandwidth=bandwidth
        )
        scale = 236 / (2 * 240) if kernel is None else 1.0
        assert_allclose(found.joint.statistic, wald.statistic * scale, rtol=1e-7)
        steps = (found.alphas.statistic, found.betas.statistic)
        # The steps of a Wald statistic add up to it.
        doubled = 236 / 240 if kernel is None else 1.0
        assert_allclose(sum(steps), wald.statistic * doubled, rtol=1e-7)


def test_spanned_assets_are_rejected_as_often_as_they_should_be():
    rng, rejected = np.random.default_rng(0), []
    for _ in range(300):
        scale = np.sqrt(3 / rng.chisquare(5, size=(120, 1)))
        old = 0.01 + 0.04 * scale * rng.normal(size=(120, 2))
        new = old @ np.array([[0.3, 0.7], [1.4, -0.4], [0.5, 0.5]]).T
        new = new + 0.02 * scale * rng.normal(size=(120, 3))
        found = [spanning_test(old, new, covariance=c) for c in ("homoskedastic", "robust")]
        rejected.append([getattr(f, s).p_value < 0.05 for f in found for s in ("alphas", "joint")])
    sizes = np.mean(rejected, axis=0)
    assert (sizes[[0, 2]] < 0.095).all()  # exact forms are for normal returns
    assert sizes[3] < 0.15  # of 2 N restrictions the robust one rejects somewhat too often
    assert (sizes > 0.01).all()


def test_mistakes():
    for arguments, options, said in [
        ((OLD, NEW), {"covariance": "hac"}, "neither 'homoskedastic' nor 'robust'"),
        ((OLD, NEW), {"kernel": "bartlett"}, "is for covariance='robust'"),
        ((OLD, NEW.assign(again=NEW["Hlth"])), {}, "is singular"),
        ((OLD[:5], NEW[:5]), {}, "more than 5 dates, found 5"),
    ]:
        with pytest.raises(ValueError, match=said):
            spanning_test(*arguments, **options)
    assert str(spanning_test(OLD, NEW)).count("H0: ") == 3

"""Tests of zero pricing errors against linearmodels and formulas written out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from linearmodels.asset_pricing import LinearFactorModel
from numpy.testing import assert_allclose
from reference_premia import french_two_pass, mispriced
from scipy import stats
from sklearn.exceptions import NotFittedError

from skfactor import FamaMacBeth, LinearFactorGMM, TradedFactorModel
from skfactor._kernels.wild_pricing import PricingErrorStatistics
from skfactor._passes.two_pass import TwoPass
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference import _pricing_tests, j_test, shanken_test

each_model = pytest.mark.parametrize("zero_beta", [True, False])


@each_model
def test_j_equals_linearmodels(zero_beta):
    X, y = french_two_pass()
    peer = LinearFactorModel(y.to_numpy(), X.to_numpy(), risk_free=zero_beta).fit(debiased=False)
    found = j_test(FamaMacBeth(fit_intercept=zero_beta).fit(X, y), small_sample=False)
    assert_allclose(found.statistic, peer.j_statistic.stat, rtol=1e-8)
    assert found.df == (18 - 4 - zero_beta,)
    assert_allclose(found.p_value, stats.chi2.sf(found.statistic, found.df[0]))


def test_j_with_a_kernel_equals_linearmodels():
    X, y = french_two_pass()
    peer = LinearFactorModel(y.to_numpy(), X.to_numpy(), risk_free=True)
    peer = peer.fit(cov_type="kernel", kernel="bartlett", bandwidth=5, debiased=False)
    found = j_test(FamaMacBeth().fit(X, y), small_sample=False, kernel="bartlett", bandwidth=5)
    assert_allclose(found.statistic, peer.j_statistic.stat, rtol=1e-8)


@each_model
def test_shanken_is_the_quadratic_form_of_gls_pricing_errors(zero_beta):
    factors, returns = mispriced()
    t, n = returns.shape
    f, r = factors - factors.mean(axis=0), returns - returns.mean(axis=0)
    variance = f.T @ f / t
    betas = np.linalg.solve(f.T @ f, f.T @ r).T
    inverse = np.linalg.inv((r - f @ betas.T).T @ (r - f @ betas.T) / t)
    x = np.column_stack([np.ones((n, int(zero_beta))), betas])
    premia = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ returns.mean(axis=0))
    errors = returns.mean(axis=0) - x @ premia
    c = premia[-2:] @ np.linalg.solve(variance, premia[-2:])
    q = errors @ inverse @ errors / (1.0 + c)
    free = n - x.shape[1]
    model = FamaMacBeth(weighting="gls", fit_intercept=zero_beta).fit(factors, returns)
    large = shanken_test(model, small_sample=False)
    assert_allclose(large.statistic, t * q, rtol=1e-9)
    assert large.df == (free,)
    small, left = shanken_test(model), t - n + zero_beta
    assert_allclose(small.statistic, q * left / free, rtol=1e-9)
    assert small.df == (free, left)
    assert_allclose(small.p_value, stats.f.sf(small.statistic, *small.df))


def test_the_weights_of_the_second_pass_enter_shanken_through_the_premia_only():
    # The quadratic form is that of the space beside the betas, whatever the weights.
    factors, returns = mispriced()
    forms = []
    for weighting in ("ols", "wls", "gls"):
        model = FamaMacBeth(weighting=weighting).fit(factors, returns)
        premia = model.premia_.to_numpy()[1:]
        c = premia @ np.linalg.solve(np.cov(factors.T, ddof=0), premia)
        forms.append(shanken_test(model).statistic * (1.0 + c))
    assert_allclose(forms, forms[0], rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("test", [j_test, shanken_test])
def test_a_true_model_is_rejected_about_as_often_as_it_should(test):
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(400):
        betas = 1.0 + rng.normal(size=(8, 1))
        factor = 0.005 + 0.04 * rng.normal(size=(500, 1))
        returns = 0.002 + factor @ betas.T + 0.03 * rng.normal(size=(500, 8))
        rejected += test(FamaMacBeth().fit(factor, returns)).p_value < 0.05
    assert 0.02 < rejected / 400 < 0.1


@pytest.mark.slow
@each_model
def test_shanken_holds_its_size_where_dates_are_few(zero_beta, monkeypatch):
    # Without the cost of a fit; with T - N + 1 degrees for both the size is 8% without a rate.
    monkeypatch.setattr(_pricing_tests, "two_pass_of", lambda passes, _: (None, passes))
    rng = np.random.default_rng(6)
    rejected, n_draws, betas = 0, 2000, rng.normal(1.0, 0.4, size=(20, 2))
    for _ in range(n_draws):
        factors = 0.005 + 0.045 * rng.normal(size=(30, 2))
        returns = 0.003 * zero_beta + factors @ betas.T + 0.02 * rng.normal(size=(30, 20))
        passes = TwoPass(returns, factors, "gls", zero_beta)
        rejected += shanken_test(passes).p_value < 0.05
    assert 0.04 < rejected / n_draws < 0.06


@each_model
@pytest.mark.parametrize("test", [j_test, shanken_test])
def test_factors_that_explain_returns_but_for_rounding_are_refused(test, zero_beta):
    factors, returns = mispriced()
    exact = 0.01 * zero_beta + factors @ np.random.default_rng(0).normal(size=(2, 6))
    for y, n in ((exact, 6), (np.hstack([exact[:, :1], returns]), 1)):
        for weighting in ("ols", "wls"):
            try:
                model = FamaMacBeth(fit_intercept=zero_beta, weighting=weighting).fit(factors, y)
            except ValueError:  # weights of assets without residuals
                assert weighting == "wls"
                continue
            match = rf"{test.__name__} weighs .* of {n} of the {y.shape[1]} assets up to rounding"
            with pytest.raises(ValueError, match=match):
                test(model)


@each_model
@pytest.mark.parametrize("weighting", ["ols", "wls", "gls"])
def test_j_of_small_samples_is_f_and_that_of_draws(weighting, zero_beta):
    factors, returns = mispriced()
    returns = returns - 0.8 * returns.mean(axis=0)  # or premia are too large for the F
    model = FamaMacBeth(weighting=weighting, fit_intercept=zero_beta).fit(factors, returns)
    large, found = j_test(model, small_sample=False), j_test(model)
    (free,), (t, k) = large.df, factors.shape
    left = t - k - free
    assert_allclose(found.statistic, large.statistic * left / (t * free), rtol=1e-10)
    assert (found.distribution, found.df) == ("F", (free, left))
    assert_allclose(found.p_value, stats.f.sf(found.statistic, free, left), rtol=1e-9)
    # Each draw is a sample to which the model is fitted again.
    passes = model.record_.two_pass.passes
    test = PricingErrorStatistics(passes.centred_factors, weighting, zero_beta)
    rng = np.random.default_rng(0)
    draws = returns + rng.normal(scale=returns.std(), size=(3, *returns.shape))
    for draw, statistic in zip(draws, test.statistics(draws), strict=True):
        again = FamaMacBeth(weighting=weighting, fit_intercept=zero_beta).fit(factors, draw)
        assert_allclose(statistic, j_test(again, small_sample=False).statistic, rtol=1e-8)
    wild = j_test(model, small_sample="wild", n_draws=299)
    assert (wild.distribution, wild.df, wild.statistic) == (
        "wild bootstrap",
        (free,),
        large.statistic,
    )
    assert abs(wild.p_value - found.p_value) < 0.1
    assert wild == j_test(model, small_sample="wild", n_draws=299)


def test_where_no_distribution_of_j_holds_it_warns():
    rng = np.random.default_rng(0)
    factors, betas = rng.normal(size=(60, 2)), rng.normal(1.0, 0.3, size=(20, 2))
    returns = factors @ betas.T + rng.normal(size=(60, 20))
    for premia, match in ((0.0, "20 assets are more than a fifth"), (0.6, "fifth .* the premia")):
        model = FamaMacBeth(fit_intercept=False).fit(factors, returns + betas @ [premia, premia])
        with pytest.warns(SmallSampleWarning, match=match):
            j_test(model)
    with pytest.warns(SmallSampleWarning, match="a kernel the asymptotic distribution of j_te"):
        assert j_test(model, kernel="bartlett").distribution == "chi2"
    with pytest.warns(SmallSampleWarning, match="j_test holds its size from 120 dates on"):
        j_test(model, kernel="bartlett", bandwidth=2, small_sample="wild", n_draws=19)


@pytest.mark.slow
def test_wild_draws_hold_the_size_of_j_where_f_does_not(monkeypatch):
    dates = SimpleNamespace(positions=np.arange(60))
    monkeypatch.setattr(_pricing_tests, "two_pass_of", lambda passes, _: (dates, passes))
    rng, betas = np.random.default_rng(6), np.random.default_rng(1).normal(1.0, 0.4, size=(25, 3))
    rejected, premia = 0, np.array([0.01, 0.01, 0.01])
    for _ in range(200):
        scale = 1.0 / np.sqrt(rng.chisquare(5, size=(60, 1)) / 3.0)
        factors = 0.045 * scale * rng.normal(size=(60, 3))
        noise = 0.02 * scale * rng.normal(size=(60, 25))
        passes = TwoPass(
            factors=factors,
            returns=0.003 + (factors + premia) @ betas.T + noise,
            weighting="ols",
            zero_beta=True,
        )
        rejected += j_test(passes, small_sample="wild", n_draws=99).p_value <= 0.05
    assert 0.01 < rejected / 200 < 0.095


def test_j_is_that_of_the_model_where_it_has_one():
    X, y = french_two_pass()
    y = y.iloc[:, :8]
    gmm = LinearFactorGMM().fit(X, y)
    assert j_test(gmm) == gmm.j_test()
    traded = TradedFactorModel().fit(X, y)
    large = {"small_sample": False}
    assert j_test(traded, **large) == traded.alpha_inference().wald_test(**large)
    assert j_test(gmm, **large) == gmm.j_test(**large)
    for options in ({"kernel": "bartlett"}, {"bandwidth": 3}, {"prewhiten": True}):
        with pytest.raises(ValueError, match="of LinearFactorGMM is chosen in fit: pass kernel="):
            j_test(gmm, **options)
    with pytest.raises(NotFittedError):
        j_test(LinearFactorGMM())


def test_too_few_dates_raise():
    rng = np.random.default_rng(0)
    model = FamaMacBeth().fit(rng.normal(size=(20, 1)), rng.normal(size=(20, 25)))
    with pytest.raises(ValueError, match=r"needs more dates than that; found 20"):
        shanken_test(model)

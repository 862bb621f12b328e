"""Tests of zero pricing errors against linearmodels and formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from linearmodels.asset_pricing import LinearFactorModel
from numpy.testing import assert_allclose
from reference_premia import french_two_pass, mispriced
from scipy import stats

from skfactor import FamaMacBeth
from skfactor.inference import j_test, shanken_test

each_model = pytest.mark.parametrize("zero_beta", [True, False])


@each_model
def test_j_equals_linearmodels(zero_beta):
    X, y = french_two_pass()
    peer = LinearFactorModel(y.to_numpy(), X.to_numpy(), risk_free=zero_beta).fit(debiased=False)
    found = j_test(FamaMacBeth(fit_intercept=zero_beta).fit(X, y))
    assert_allclose(found.statistic, peer.j_statistic.stat, rtol=1e-8)
    assert found.df == (18 - 4 - zero_beta,)
    assert_allclose(found.p_value, stats.chi2.sf(found.statistic, found.df[0]))


def test_j_with_a_kernel_equals_linearmodels():
    X, y = french_two_pass()
    peer = LinearFactorModel(y.to_numpy(), X.to_numpy(), risk_free=True)
    peer = peer.fit(cov_type="kernel", kernel="bartlett", bandwidth=5, debiased=False)
    found = j_test(FamaMacBeth().fit(X, y), kernel="bartlett", bandwidth=5)
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
    small = shanken_test(model)
    assert_allclose(small.statistic, q * (t - n + 1) / free, rtol=1e-9)
    assert small.df == (free, t - n + 1)
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


def test_too_few_dates_raise():
    rng = np.random.default_rng(0)
    model = FamaMacBeth().fit(rng.normal(size=(20, 1)), rng.normal(size=(20, 25)))
    with pytest.raises(ValueError, match=r"needs more dates than that; found 20"):
        shanken_test(model)

"""Errors of two-pass premia against linearmodels, formulas and numerical derivatives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from linearmodels.asset_pricing import LinearFactorModel
from numpy.testing import assert_allclose
from reference_premia import (
    french_two_pass,
    jackknife,
    long_run_by_pairs,
    mispriced,
    weighted_moments,
    weights_of_assets,
)
from sklearn.pipeline import make_pipeline

from skfactor import FamaMacBeth
from skfactor._passes.two_pass import TwoPass
from skfactor.exceptions import RankDeficientWarning
from skfactor.formula import FormulaRegressor
from skfactor.inference import (
    cross_sectional_r2,
    j_test,
    price_of_covariance_risk,
    screen_factors,
    shanken_test,
)
from skfactor.inference._two_pass import (
    correctly_specified_influence,
    misspecification_robust_influence,
)

WEIGHTINGS = ["ols", "wls", "gls"]
KERNELS = ["bartlett", "parzen", "quadratic-spectral"]
each_model = pytest.mark.parametrize("zero_beta", [True, False])
each_weighting = pytest.mark.parametrize("weighting", WEIGHTINGS)


def weighted_premia(p, factors, returns, weighting, zero_beta):
    """Two-pass premia when date t has probability p_t, written for readers."""
    mean, _, covariance, variance, cross = weighted_moments(p, factors, returns)
    betas = cross @ np.linalg.inv(variance)
    weights = weights_of_assets(weighting, covariance, variance, cross)
    x = np.column_stack([np.ones(len(mean)), betas]) if zero_beta else betas
    return np.linalg.solve(x.T @ weights @ x, x.T @ weights @ mean)


@each_model
@each_weighting
def test_krs_influence_is_the_derivative_with_respect_to_the_dates_weights(weighting, zero_beta):
    factors, returns = mispriced()
    expected = jackknife(weighted_premia, 120, factors, returns, weighting, zero_beta)
    found = misspecification_robust_influence(TwoPass(returns, factors, weighting, zero_beta))
    assert_allclose(found, expected, atol=1e-8)


@each_model
@each_weighting
def test_premia_are_those_of_the_formula(weighting, zero_beta):
    factors, returns = mispriced()
    model = FamaMacBeth(weighting=weighting, fit_intercept=zero_beta).fit(factors, returns)
    even = np.full(120, 1.0 / 120)
    expected = weighted_premia(even, factors, returns, weighting, zero_beta)
    assert_allclose(model.premia_, expected, rtol=1e-10)
    passes = TwoPass(returns, factors, weighting, zero_beta)
    assert_allclose(model.lambdas_, passes.slopes, rtol=1e-9, atol=1e-12)
    assert_allclose(model.betas_, passes.betas, rtol=1e-10)


@each_model
@each_weighting
@pytest.mark.parametrize("kind", ["gmm", "krs"])
def test_influence_averages_to_zero(weighting, zero_beta, kind):
    factors, returns = mispriced()
    passes = TwoPass(returns, factors, weighting, zero_beta)
    function = {"gmm": correctly_specified_influence, "krs": misspecification_robust_influence}
    assert_allclose(function[kind](passes).mean(axis=0), 0.0, atol=1e-15)


@each_weighting
def test_where_the_model_holds_exactly_krs_is_gmm(weighting):
    rng = np.random.default_rng(0)
    factors, returns = mispriced()
    betas = TwoPass(returns, factors, "ols", True).betas
    exact = returns - returns.mean(axis=0) + 0.01 + betas @ rng.normal(size=2) * 0.01
    passes = TwoPass(exact, factors, weighting, True)
    assert_allclose(
        misspecification_robust_influence(passes),
        correctly_specified_influence(passes),
        atol=1e-14,
    )


@each_model
def test_gmm_equals_the_stacked_moments_of_cochrane(zero_beta):
    # Moments of both passes with their Jacobian, as in Cochrane (2005, section 12.2).
    factors, returns = mispriced(n_periods=90)
    t, (n, k) = len(returns), (returns.shape[1], factors.shape[1])
    passes = TwoPass(returns, factors, "ols", zero_beta)
    x, premia, betas = passes.exposures, passes.premia, passes.betas
    alphas = passes.means - betas @ factors.mean(axis=0)
    first = returns - alphas - factors @ betas.T
    instruments = np.column_stack([np.ones(t), factors])
    moments = np.column_stack(
        [(first[:, :, None] * instruments[:, None]).reshape(t, -1), returns - x @ premia]
    )
    q = instruments.T @ instruments / t
    slope = np.kron(np.eye(n), np.concatenate([[0.0], passes.factor_premia]))
    jacobian = np.block(
        [
            [np.kron(np.eye(n), q), np.zeros((n * (k + 1), x.shape[1]))],
            [slope, x],
        ]
    )
    a = np.block(
        [
            [np.eye(n * (k + 1)), np.zeros((n * (k + 1), n))],
            [np.zeros((x.shape[1], n * (k + 1))), x.T],
        ]
    )
    # Where the model is taken to hold, the second pass' moments vanish on average.
    moments = moments - moments.mean(axis=0)
    inverse = np.linalg.inv(a @ jacobian)
    expected = (inverse @ a @ (moments.T @ moments / t) @ a.T @ inverse.T / t)[-len(premia) :]
    model = FamaMacBeth(fit_intercept=zero_beta).fit(factors, returns)
    found = model.inference("gmm", debiased=False).cov
    assert_allclose(found, expected[:, -len(premia) :], rtol=1e-8)


@each_model
def test_krs_equals_linearmodels(zero_beta):
    X, y = french_two_pass()
    peer = LinearFactorModel(y.to_numpy(), X.to_numpy(), risk_free=zero_beta)
    model = FamaMacBeth(fit_intercept=zero_beta).fit(X, y)
    robust = peer.fit(cov_type="robust", debiased=True)
    assert_allclose(model.inference("krs").std_errors, robust.risk_premia_se, rtol=1e-9)
    plain = peer.fit(cov_type="robust", debiased=False)
    found = model.inference("krs", debiased=False).std_errors
    assert_allclose(found, plain.risk_premia_se, rtol=1e-9)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [("bartlett", "bartlett"), ("parzen", "parzen"), ("quadratic-spectral", "qs")],
)
def test_krs_with_a_kernel_equals_linearmodels(kernel, name):
    X, y = french_two_pass()
    peer = LinearFactorModel(y.to_numpy(), X.to_numpy(), risk_free=True)
    peer = peer.fit(cov_type="kernel", kernel=name, bandwidth=7, debiased=True)
    found = FamaMacBeth().fit(X, y).inference("krs", kernel=kernel, bandwidth=7)
    assert_allclose(found.std_errors, peer.risk_premia_se, rtol=1e-8)


def test_published_premia_and_errors_of_the_french_portfolios():
    # The documentation of linearmodels, Parzen kernel with 20 lags, no zero-beta rate.
    X, _ = french_two_pass()
    data = pd.concat([_all_portfolios(), X], axis=1)
    names = ["NoDur", "Chems", "S1V1", "S5V5", "S1M1", "S5M5"]
    model = FamaMacBeth(fit_intercept=False).fit(data[["MktRF", "HML", "Mom"]], data[names])
    inference = model.inference("krs", kernel="parzen", bandwidth=20)
    assert_allclose(inference.premia, [0.0056, 0.0044, 0.0081], atol=5e-5)
    assert_allclose(inference.std_errors, [0.0016, 0.0016, 0.0021], atol=5e-5)


def _all_portfolios():
    from linearmodels.datasets import french

    data = french.load().set_index("dates").to_period("M")
    return data.drop(columns=["MktRF", "SMB", "HML", "Mom", "RF"]).sub(data["RF"], axis=0)


@each_weighting
@pytest.mark.parametrize("kind", ["gmm", "krs"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_any_kernel_is_the_long_run_variance_of_the_influence(weighting, kind, kernel):
    factors, returns = mispriced(n_periods=60)
    model = FamaMacBeth(weighting=weighting).fit(factors, returns)
    passes = TwoPass(returns, factors, weighting, True)
    function = {"gmm": correctly_specified_influence, "krs": misspecification_robust_influence}
    series = function[kind](passes)
    expected = long_run_by_pairs(series, np.arange(60), kernel, 3.0) / 60
    found = model.inference(kind, kernel=kernel, bandwidth=3, debiased=False).cov
    assert_allclose(found, expected, rtol=1e-8, atol=1e-14)


def test_debiasing_makes_the_inverse_covariance_of_gls_unbiased():
    factors, returns = mispriced()
    passes = TwoPass(returns, factors, "gls", True)
    t, n = returns.shape
    u = passes.weighted_errors * (t - n - 2) / t
    plain = correctly_specified_influence(passes)
    z = np.zeros_like(plain)
    z[:, 1:] = u[:, None] * (passes.centred_factors @ np.linalg.inv(passes.factor_covariance))
    series = plain + z @ passes.bread - (passes.slopes - passes.premia) * u[:, None]
    expected = series.T @ series / t / (t - 2 - 1)
    found = FamaMacBeth(weighting="gls").fit(factors, returns).inference("krs").cov
    assert_allclose(found, expected, rtol=1e-9)


def test_shanken_with_gls_has_the_inverse_residual_covariance():
    factors, returns = mispriced()
    passes = TwoPass(returns, factors, "gls", True)
    t = len(returns)
    residual = np.linalg.inv(passes.residuals.T @ passes.residuals / t)
    c = passes.factor_premia @ np.linalg.solve(passes.factor_covariance, passes.factor_premia)
    expected = (1.0 + c) * np.linalg.inv(passes.exposures.T @ residual @ passes.exposures)
    expected[1:, 1:] += passes.factor_covariance
    found = FamaMacBeth(weighting="gls").fit(factors, returns).inference("shanken", debiased=False)
    assert_allclose(found.cov, expected / t, rtol=1e-9)


@pytest.mark.parametrize("bandwidth", ["newey-west", "andrews", "rule-of-thumb"])
@pytest.mark.parametrize("prewhiten", [False, True])
def test_automatic_lags_and_prewhitening_are_reported(bandwidth, prewhiten):
    X, y = french_two_pass()
    inference = (
        FamaMacBeth()
        .fit(X, y)
        .inference(kernel="bartlett", bandwidth=bandwidth, prewhiten=prewhiten)
    )
    assert 0.0 <= inference.bandwidth < 40.0
    text = str(inference)
    assert f"bartlett, L = {inference.bandwidth:.4g}" in text
    assert ("prewhitened" in text) == prewhiten


@pytest.mark.parametrize(
    "test",
    [
        j_test,
        shanken_test,
        cross_sectional_r2,
        price_of_covariance_risk,
        screen_factors,
    ],
)
def test_tests_of_averages_over_all_dates_refuse_other_averages(test):
    factors, returns = mispriced()
    model = FamaMacBeth(premia_window=50).fit(factors, returns)
    with pytest.raises(ValueError, match=r"is for averages of all dates, without premia_window"):
        test(model)


@pytest.mark.parametrize("what", ["X", "y"])
def test_what_is_missing_is_to_be_dropped(what):
    factors, returns = (pd.DataFrame(table) for table in mispriced())
    (factors if what == "X" else returns).iloc[3, 1] = np.nan
    model = FamaMacBeth().fit(factors, returns)
    with pytest.raises(
        ValueError, match=r"^j_test .* some are missing\. Drop (those|the assets)"
    ) as e:
        j_test(model)
    assert "fama-macbeth" not in str(e.value)


def test_a_model_that_another_holds_is_tested():
    factors, returns = mispriced()
    X = pd.DataFrame(factors[:, :2], columns=["a", "b"])
    alone = j_test(FamaMacBeth().fit(X, returns), small_sample=False)
    for held in (FormulaRegressor("a + b", FamaMacBeth()), make_pipeline(FamaMacBeth())):
        assert j_test(held.fit(X, returns), small_sample=False) == alone


def _rounded_combination():
    """Factors of which one is the sum of two in single precision, and a frame for it."""
    X, y = french_two_pass()
    rounded = X[["MktRF", "SMB"]].astype(np.float32)
    rounded["Sum"] = rounded["MktRF"] + rounded["SMB"]
    return rounded, y


@pytest.mark.parametrize(
    "test", [j_test, shanken_test, cross_sectional_r2, screen_factors, price_of_covariance_risk]
)
@pytest.mark.parametrize("share_missing", [0.0, 0.05])
def test_factors_that_are_combinations_but_for_rounding_are_refused(test, share_missing):
    X, y = _rounded_combination()
    y = y.mask(np.random.default_rng(0).random(y.shape) < share_missing)
    model = FamaMacBeth().fit(X, y)
    with pytest.raises(ValueError, match=f"{test.__name__} inverts the covariance of the factors"):
        test(model)
    with pytest.raises(ValueError, match=r"krs' inverts .* combinations of others. Drop one"):
        model.inference("krs")
    assert model.inference().covariance == "fama-macbeth"
    assert "krs inverts the covariance of the factors" in str(model.summary())


def test_fama_macbeth_and_gls_need_no_inverse_of_the_factors():
    X, y = _rounded_combination()
    whole = X.astype(np.float64)
    left = whole["Sum"] - whole["MktRF"] - whole["SMB"]  # the rounding, at full size
    same = whole.assign(Sum=left / left.std())
    for weighting in ("ols", "gls"):
        found, expected = (FamaMacBeth(weighting=weighting).fit(f, y) for f in (X, same))
        t = [model.inference("fama-macbeth").t_values["const"] for model in (found, expected)]
        assert_allclose(t[0], t[1], rtol=1e-4)


def test_what_is_no_model_is_named():
    with pytest.raises(TypeError, match=r"j_test needs a FamaMacBeth .* found a DataFrame"):
        j_test(french_two_pass()[0])


def test_an_asset_in_other_units_is_named_where_errors_break_down():
    factors, returns = french_two_pass()
    scale = np.ones(returns.shape[1])
    scale[0] = 1e12
    model = FamaMacBeth().fit(factors, returns / returns.std() * scale)
    for covariance in ("shanken", "gmm", "krs"):
        with pytest.raises(ValueError, match=r"collinear to rounding.*units"):
            model.inference(covariance)
    for test in (j_test, cross_sectional_r2):
        with pytest.raises(ValueError, match=r"collinear to rounding|units"):
            test(model)


def test_a_date_without_premia_is_named():
    factors, returns = french_two_pass()
    factors, returns = factors.iloc[:120], returns.iloc[:120, :8].copy()
    returns.iloc[[5, 40], 3:] = np.nan
    with pytest.warns(RankDeficientWarning):
        model = FamaMacBeth().fit(factors, returns)
    dates = ", ".join(str(date) for date in returns.index[[5, 40]])
    with pytest.raises(ValueError, match=f"those of 2 are missing: {dates}. Drop these dates"):
        model.inference("krs")
    automatic = model.inference()
    assert automatic.covariance == "fama-macbeth"
    assert any(dates in note for note in automatic.notes)
    kept = returns.index.delete([5, 40])
    again = FamaMacBeth().fit(factors.loc[kept], returns.loc[kept])
    assert again.inference().covariance == "krs"

"""Two passes of many draws: equal to fitting each draw's rows again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth
from skfactor._kernels.date_draws import count_dates, draw_dates
from skfactor._kernels.drawn_two_pass import DrawnPasses, TwoPassSample, cosine_covariances
from skfactor.inference import cross_sectional_r2, shanken_test
from skfactor.inference._two_pass import misspecification_robust_influence

T, N, K = 90, 8, 2
PLACES = draw_dates(T, 3.0, 5, 0)


def data(n_assets=N):
    rng = np.random.default_rng(0)
    factors = 0.01 + 0.04 * rng.normal(size=(T, K))
    errors = 0.02 * rng.normal(size=(T, n_assets)) + 0.002 * rng.normal(size=n_assets)
    return factors, 0.004 + factors @ rng.normal(1.0, 0.5, (n_assets, K)).T + errors


# The models are fitted to arrays.
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")
@pytest.mark.parametrize("zero_beta", [True, False])
@pytest.mark.parametrize("weighting", ["ols", "wls", "gls"])
def test_draws_have_the_numbers_of_fits_to_their_rows(weighting, zero_beta):
    factors, returns = data()
    sample = TwoPassSample(factors, returns, weighting, zero_beta)
    drawn = next(sample.batches(count_dates(PLACES), 1))
    covariances, influence = drawn.shanken_covariance(), drawn.influence()
    q, r2 = drawn.shanken_statistics(np.zeros(N)), drawn.r2(drawn.means[:, :, None])
    shift = np.linspace(-0.01, 0.01, N)
    shifted, variances = drawn.shanken_statistics(shift), drawn.error_variances()
    for i, rows in enumerate(PLACES):
        model = FamaMacBeth(weighting=weighting, fit_intercept=zero_beta)
        model.fit(factors[rows], returns[rows])
        passes = model.record_.two_pass.passes
        assert_allclose(drawn.premia[i], model.premia_, rtol=1e-12)
        assert_allclose(drawn.errors[i], model.pricing_errors_, rtol=1e-9, atol=1e-15)
        expected = model.inference("shanken", debiased=False).cov
        assert_allclose(covariances[i], expected, rtol=1e-11)
        expected = misspecification_robust_influence(passes)
        assert_allclose(influence[i][rows], expected, rtol=1e-8, atol=1e-12)
        left = T * q[i]
        assert_allclose(left, shanken_test(model, small_sample=False).statistic, rtol=1e-9)
        assert_allclose(r2[i, 0], cross_sectional_r2(model).r2, rtol=1e-10)
        model.fit(factors[rows], returns[rows] - shift)
        left = T * shifted[i]
        assert_allclose(left, shanken_test(model, small_sample=False).statistic, rtol=1e-9)
        beside = np.eye(N) - passes.exposures @ passes.projection
        residual = passes.residuals @ beside.T
        expected = (1 + passes.errors_in_variables) * np.mean(residual**2, axis=0) / T
        assert_allclose(variances[i], expected, rtol=1e-9)


def test_shanken_errors_of_many_assets_are_from_the_slopes_of_dates():
    factors, returns = data(60)  # more than eight a premium
    sample = TwoPassSample(factors, returns, "ols", True)
    shares = count_dates(PLACES) / T
    many = DrawnPasses(sample, shares).shanken_covariance()
    whole = DrawnPasses(sample, shares)
    across = whole.projection.transpose(0, 2, 1)
    c = whole.errors_in_variables[:, None, None]
    expected = (1 + c) * (whole.projection @ whole.return_covariance @ across)
    expected[:, 1:, 1:] -= c * whole.factor_covariance
    assert_allclose(many, expected / T, rtol=1e-9)
    assert many.shape == (5, 3, 3)


def test_batches_are_all_draws_in_order():
    factors, returns = data()
    sample = TwoPassSample(factors, returns, "ols", True)
    counts = count_dates(draw_dates(T, 1.0, 7, 1))
    parts = [passes.premia for passes in sample.batches(counts, 1_500_000)]
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    assert_allclose(np.concatenate(parts), next(sample.batches(counts, 1)).premia, rtol=1e-12)


def test_cosines_estimate_the_long_run_variance():
    rng = np.random.default_rng(0)
    series = rng.normal(size=(400, 200, 2))
    for t in range(1, 200):
        series[:, t, 0] += 0.5 * series[:, t - 1, 0]
    found = 200 * cosine_covariances(series - series.mean(axis=1, keepdims=True)).mean(axis=0)
    assert_allclose(found, np.diag([4.0, 1.0]), atol=0.25)
    # One series, by its definition.
    x, total = series[0, :, 1] - series[0, :, 1].mean(), 0.0
    for j in range(1, 15):  # ceil(0.4 * 200^(2/3)) = 14
        cosine = np.cos(np.pi * j * (np.arange(200) + 0.5) / 200)
        total += 2 / 200 * (cosine @ x) ** 2 / 14
    assert_allclose(cosine_covariances(x[None, :, None])[0, 0, 0], total / 200, rtol=1e-10)

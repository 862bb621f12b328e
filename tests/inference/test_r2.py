"""Cross-sectional R squared: its error by numerical derivatives, its tests by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_premia import (
    french_two_pass,
    jackknife,
    mispriced,
    weighted_moments,
    weights_of_assets,
)
from scipy import stats

from skfactor import FamaMacBeth
from skfactor._passes.two_pass import TwoPass
from skfactor.inference import (
    compare_r2,
    cross_sectional_r2,
    hj_distance,
    price_of_covariance_risk,
)
from skfactor.inference._covariance_risk import CovarianceRisk
from skfactor.inference._r2 import r2_influence, r2_of
from skfactor.inference._two_pass import misspecification_robust_influence

each_model = pytest.mark.parametrize("zero_beta", [True, False])
each_weighting = pytest.mark.parametrize("weighting", ["ols", "wls", "gls"])


def weighted_r2(p, factors, returns, weighting, zero_beta):
    mean, _, covariance, variance, cross = weighted_moments(p, factors, returns)
    w = weights_of_assets(weighting, covariance, variance, cross)
    one = np.ones(len(mean))
    x = np.column_stack([one] * zero_beta + [cross @ np.linalg.inv(variance)])
    errors = mean - x @ np.linalg.solve(x.T @ w @ x, x.T @ w @ mean)
    benchmark = mean - one * (one @ w @ mean) / (one @ w @ one) if zero_beta else mean
    return np.array([1.0 - (errors @ w @ errors) / (benchmark @ w @ benchmark)])


@each_model
@each_weighting
def test_influence_is_the_derivative_with_respect_to_the_dates_weights(weighting, zero_beta):
    factors, returns = mispriced()
    passes = TwoPass(returns, factors, weighting, zero_beta)
    even = np.full(120, 1 / 120)
    assert_allclose(r2_of(passes), weighted_r2(even, factors, returns, weighting, zero_beta)[0])
    expected = jackknife(weighted_r2, 120, factors, returns, weighting, zero_beta)[:, 0]
    assert_allclose(r2_influence(passes), expected, atol=1e-6)


@each_weighting
def test_error_is_that_of_the_influence(weighting):
    factors, returns = mispriced()
    model = FamaMacBeth(weighting=weighting).fit(factors, returns)
    influence = r2_influence(TwoPass(returns, factors, weighting, True))
    found = cross_sectional_r2(model, debiased=False)
    assert_allclose(found.std_error, influence.std() / np.sqrt(120), rtol=1e-9)
    low, high = found.conf_int(0.9).loc["r2"]
    assert_allclose(
        (low, high), np.clip(found.r2 + stats.norm.ppf([0.05, 0.95]) * found.std_error, 0, 1)
    )


def test_r2_is_the_score_of_the_model():
    X, y = french_two_pass()
    model = FamaMacBeth().fit(X, y)
    assert_allclose(cross_sectional_r2(model).r2, model.score(X, y), rtol=1e-10)


def simulated(rng, priced, n_periods=400, n_assets=8):
    """Returns that one factor prices exactly, or that have no relation to betas on average."""
    betas = rng.normal(size=n_assets)
    factor = 0.04 * rng.normal(size=(n_periods, 1))
    means = 0.01 + 0.008 * betas if priced else np.full(n_assets, 0.01)
    return factor, means + factor * betas + 0.04 * rng.normal(size=(n_periods, n_assets))


@pytest.mark.slow
@pytest.mark.parametrize(("priced", "name"), [(True, "one"), (False, "zero")])
@each_weighting
def test_tests_of_a_true_hypothesis_reject_about_as_often_as_they_should(priced, name, weighting):
    rng = np.random.default_rng(11)
    p_values = []
    for _ in range(150):
        fitted = FamaMacBeth(weighting=weighting).fit(*simulated(rng, priced))
        p_values.append(getattr(cross_sectional_r2(fitted), name).p_value)
    # Five standard errors of a rejection rate around 5 percent, and the middle of the law.
    assert 0.0 < np.mean(np.array(p_values) < 0.05) < 0.125
    assert 0.4 < np.mean(p_values) < 0.62


def test_a_false_hypothesis_is_rejected():
    rng = np.random.default_rng(0)
    priced = cross_sectional_r2(FamaMacBeth().fit(*simulated(rng, True, n_periods=4000)))
    assert priced.zero.p_value < 1e-4
    factors, returns = mispriced(n_periods=2000)
    assert cross_sectional_r2(FamaMacBeth().fit(factors, returns)).one.p_value < 1e-6


def test_prints_its_figures():
    text = str(cross_sectional_r2(FamaMacBeth().fit(*french_two_pass())))
    assert text.startswith("Cross-sectional R2 = 0.8186 (")
    assert "p-value of R2 = 0: <0.0001" in text


def test_nested_models_are_compared_by_the_prices_of_the_additional_factors():
    X, y = french_two_pass()
    large, small = FamaMacBeth().fit(X, y), FamaMacBeth().fit(X[["MktRF", "HML"]], y)
    expected = price_of_covariance_risk(large, "krs").wald_test(["SMB", "Mom"])
    for models in ((large, small), (small, large)):
        found = compare_r2(*models)
        assert_allclose(found.statistic, expected.statistic, rtol=1e-11)
        assert found.df == (2,)
        assert found.null == "SMB, Mom add nothing to the R2"
    three = FamaMacBeth().fit(X.drop(columns="SMB"), y)
    assert compare_r2(small, three).null == "Mom adds nothing to the R2"


def test_factors_are_the_same_to_rounding_and_not_beyond():
    X, y = french_two_pass()
    small = X[["MktRF", "HML"]]
    # In units around 1,000 a return keeps 12 digits or so.
    rounded = small.assign(HML=(small["HML"] + 1000.0) - 1000.0)
    assert (rounded["HML"] != small["HML"]).any()
    large = FamaMacBeth().fit(X, y)
    nested = compare_r2(FamaMacBeth().fit(rounded, y), large)
    assert (nested.distribution, nested.df) == ("chi2", (2,))
    noise = np.random.default_rng(0).normal(size=len(small)) * small["HML"].std()
    for size in (1e-8, 1e-4):
        other = compare_r2(
            FamaMacBeth().fit(small.assign(HML=small["HML"] + size * noise), y), large
        )
        assert other.distribution == "normal"


@pytest.mark.parametrize("weighting", ["ols", "gls"])
def test_factors_in_other_units_or_mixes_are_the_same_factors(weighting):
    X, y = french_two_pass()

    def fit(factors):
        return FamaMacBeth(weighting=weighting).fit(factors, y)

    large, expected = fit(X), compare_r2(fit(X[["MktRF"]]), fit(X))
    in_percent = compare_r2(fit(100.0 * X[["MktRF"]]), large)
    assert_allclose(in_percent.statistic, expected.statistic, rtol=1e-8)
    assert (in_percent.df, in_percent.null) == (expected.df, "SMB, HML, Mom add nothing to the R2")
    for scale in (1e-13, 1e13):
        scaled = compare_r2(fit(X[["SMB", "HML"]]), fit(X.assign(MktRF=scale * X["MktRF"])))
        unscaled = compare_r2(fit(X[["SMB", "HML"]]), large)
        assert_allclose(scaled.statistic, unscaled.statistic, rtol=1e-7)
    spread = pd.DataFrame({"a": X["MktRF"] + X["SMB"], "b": X["HML"] - 0.5 * X["MktRF"]})
    mixed = compare_r2(fit(spread), large)
    assert mixed.df == (2,)
    assert mixed.null == "what the larger model has beside the other adds nothing to the R2"
    # The same test with factors of which the smaller model has the first two.
    beside = fit(spread.join(X[["HML", "Mom"]]))
    assert_allclose(mixed.statistic, compare_r2(fit(spread), beside).statistic, rtol=1e-7)
    for same in (1.0000001 * X, X.assign(SMB=X["SMB"] + X["MktRF"])):
        with pytest.raises(ValueError, match="the same factors"):
            compare_r2(large, fit(same))


def test_models_of_gls_that_are_not_nested_have_unbiased_inverses():
    X, y = (table[:120] for table in french_two_pass())
    names = (["MktRF", "SMB"], ["HML", "Mom"])
    found = compare_r2(*(FamaMacBeth(weighting="gls").fit(X[name], y) for name in names))
    passes = [TwoPass(y.to_numpy(), X[name].to_numpy(), "gls", True) for name in names]
    difference = r2_influence(passes[0], True) - r2_influence(passes[1], True)
    expected = (r2_of(passes[0]) - r2_of(passes[1])) / (difference.std() / np.sqrt(120))
    assert_allclose(found.statistic, expected, rtol=1e-9)
    plain = (r2_influence(passes[0]) - r2_influence(passes[1])).std()
    assert abs(plain / difference.std() - 1.0) > 0.1


def test_models_that_are_not_nested_are_compared_by_the_difference():
    X, y = french_two_pass()
    value, momentum = (FamaMacBeth().fit(X[["MktRF", name]], y) for name in ("HML", "Mom"))
    found = compare_r2(value, momentum)
    passes = [
        TwoPass(y.to_numpy(), X[["MktRF", name]].to_numpy(), "ols", True) for name in ("HML", "Mom")
    ]
    difference = r2_influence(passes[0]) - r2_influence(passes[1])
    error = difference.std() / np.sqrt(len(y))
    assert_allclose(found.statistic, (r2_of(passes[0]) - r2_of(passes[1])) / error, rtol=1e-9)
    assert_allclose(found.stages["p_value"].iloc[2], 2 * stats.norm.sf(abs(found.statistic)))
    assert found.p_value == found.stages["p_value"].max()
    assert found.decided_by == "difference"
    assert "Decided by: difference (p-values: same discount factor 0.0006" in str(found)
    assert compare_r2(momentum, value).statistic == pytest.approx(-found.statistic)


def test_stages_are_the_tests_of_their_hypotheses():
    X, y = (table[:240] for table in french_two_pass())
    names = (["MktRF", "HML"], ["MktRF", "Mom"])
    models = [FamaMacBeth().fit(X[name], y) for name in names]
    stages = compare_r2(*models).stages
    # The price of one factor of each: their joint law by what both influences have in common.
    prices = [price_of_covariance_risk(model, "krs", debiased=False) for model in models]
    series = []
    for name in names:
        passes = CovarianceRisk(y.to_numpy(), X[name].to_numpy(), "ols", True)
        series.append(misspecification_robust_influence(passes)[:, -1])
    cov = np.cov(np.array(series), bias=True) / 240
    own = np.array([each.premia.iloc[-1] for each in prices])
    assert_allclose(np.sqrt(np.diag(cov)), [e.std_errors.iloc[-1] for e in prices], rtol=1e-6)
    wald = own @ np.linalg.solve(cov, own)
    assert_allclose(stages.loc["same discount factor", "statistic"], wald, rtol=1e-6)
    # Both correct: draws of the quadratic forms.
    rng = np.random.default_rng(0)
    passes = [TwoPass(y.to_numpy(), X[name].to_numpy(), "ols", True) for name in names]
    moments = [p.moments @ p.null_space for p in passes]
    drawn = rng.normal(size=(20_000, 240)) @ np.hstack(moments) / np.sqrt(240)
    n = moments[0].shape[1]
    total = np.sum((y.mean() - y.mean().mean()) ** 2)
    draws = ((drawn[:, n:] ** 2).sum(axis=1) - (drawn[:, :n] ** 2).sum(axis=1)) / total
    observed = 240 * (r2_of(passes[0]) - r2_of(passes[1]))
    share = 2 * min(np.mean(draws > observed), np.mean(draws < observed))
    assert_allclose(stages.loc["both correct", "p_value"], share, atol=0.015)


def test_models_that_are_hard_to_tell_apart_are_not_called_different():
    rng, found = np.random.default_rng(0), []
    betas = rng.normal(1.0, 0.5, (8, 1))
    for _ in range(60):
        factor, noise = 0.04 * rng.normal(size=(200, 1)), 0.04 * rng.normal(size=(200, 2))
        returns = 0.01 + (0.008 + factor) @ betas.T + 0.02 * rng.normal(size=(200, 8))
        a, b = (FamaMacBeth().fit(np.hstack([factor, noise[:, [k]]]), returns) for k in (0, 1))
        found.append(compare_r2(a, b))
    # The difference alone is not normal there, and the whole rejects no more often than it.
    assert np.mean([each.p_value < 0.05 for each in found]) <= 0.05
    assert {each.decided_by for each in found} >= {"same discount factor"}


def test_models_that_cannot_be_compared_raise():
    X, y = french_two_pass()
    model = FamaMacBeth().fit(X, y)
    with pytest.raises(ValueError, match="models of the same returns"):
        compare_r2(model, FamaMacBeth().fit(X[["MktRF"]], y.iloc[:, :10]))
    with pytest.raises(ValueError, match="same weighting and fit_intercept"):
        compare_r2(model, FamaMacBeth(fit_intercept=False).fit(X[["MktRF"]], y))
    with pytest.raises(ValueError, match="same factors twice"):
        compare_r2(model, FamaMacBeth().fit(X, y))


def test_models_without_two_complete_passes_raise():
    X, y = french_two_pass()
    index = pd.MultiIndex.from_product([range(2000, 2006), list("abcdef")], names=["year", "asset"])
    rng = np.random.default_rng(0)
    panel = pd.DataFrame(rng.normal(size=(36, 2)), index, ["a", "b"])
    with pytest.raises(ValueError, match=r"cross_sectional_r2 needs a FamaMacBeth .*wide form"):
        cross_sectional_r2(FamaMacBeth().fit(panel[["a"]], panel["b"]))
    with pytest.raises(ValueError, match=r"is for complete returns"):
        cross_sectional_r2(FamaMacBeth().fit(X, y.mask(y > 0.2)))
    with pytest.raises(ValueError, match=r"more assets than premia.*found 5 and 5"):
        cross_sectional_r2(FamaMacBeth().fit(X, y.iloc[:, :5]))


def test_nested_models_of_wls_have_no_common_weights():
    X, y = french_two_pass()
    models = [FamaMacBeth(weighting="wls").fit(each, y) for each in (X[["MktRF"]], X)]
    with pytest.raises(ValueError, match="needs one set of weights, and with weighting='wls'"):
        compare_r2(*models)


def test_debiasing_is_that_of_prices_and_of_gls():
    X, y = french_two_pass()
    market, carhart = (FamaMacBeth().fit(each, y) for each in (X[["MktRF"]], X))
    found = [compare_r2(market, carhart, debiased=debiased) for debiased in (True, False)]
    t = len(X)
    assert_allclose(found[1].statistic / found[0].statistic, t / (t - 5), rtol=1e-10)
    value, momentum = (FamaMacBeth(weighting="gls").fit(X[[name]], y) for name in ("HML", "Mom"))
    influence = [r2_influence(model.record_.two_pass.passes, False) for model in (value, momentum)]
    difference = cross_sectional_r2(value).r2 - cross_sectional_r2(momentum).r2
    error = np.std(influence[0] - influence[1]) / np.sqrt(t)
    plain = compare_r2(value, momentum, debiased=False)
    assert_allclose(plain.statistic, difference / error, rtol=1e-8)
    with pytest.raises(ValueError, match="debiased='no' has to be True or False"):
        compare_r2(value, momentum, debiased="no")


def test_a_gls_r2_of_one_is_judged_by_estimated_weights():
    factors, returns = mispriced()
    model = FamaMacBeth(weighting="gls").fit(factors, returns)
    found, large = (cross_sectional_r2(model, small_sample=form).one for form in ("auto", False))
    (free,), (t, k) = large.df, factors.shape
    assert (found.distribution, found.df) == ("weighted F", (free, t - k - free))
    assert (large.distribution, large.statistic) == ("weighted chi2", found.statistic)
    assert large.p_value < found.p_value < large.p_value + 0.1
    assert cross_sectional_r2(model, small_sample=True).one == found
    # As the distance of Hansen and Jagannathan, which has the same form.
    unconstrained = FamaMacBeth(weighting="gls", fit_intercept=False).fit(factors, returns)
    one, distance = cross_sectional_r2(unconstrained).one, hj_distance(factors, returns)
    assert_allclose(one.p_value, distance.p_value, rtol=1e-8)


@pytest.mark.parametrize("weighting", ["ols", "wls"])
def test_other_weights_have_no_form_for_small_samples(weighting):
    model = FamaMacBeth(weighting=weighting).fit(*mispriced())
    assert cross_sectional_r2(model).one.distribution == "weighted chi2"
    with pytest.raises(ValueError, match="small_sample=True is for weighting='gls'"):
        cross_sectional_r2(model, small_sample=True)
    with pytest.raises(ValueError, match="small_sample='wild' is not for R squareds"):
        cross_sectional_r2(model, small_sample="wild")

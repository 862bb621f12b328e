"""What the options of a long-run variance may be, and when they can be followed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.signal import lfilter

from skfactor import FamaMacBeth, TradedFactorModel
from skfactor._kernels.long_run import KERNELS
from skfactor.datasets import make_panel, make_two_pass
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference import (
    cross_sectional_r2,
    grs_test,
    hj_distance,
    j_test,
    price_of_covariance_risk,
    rank_test,
    screen_factors,
)
from skfactor.inference._long_run import RULES, LongRun

WIDE = ("fama-macbeth", "shanken", "gmm", "krs")


@pytest.fixture(scope="module")
def model():
    return FamaMacBeth().fit(*make_two_pass(random_state=0, return_X_y=True))


@pytest.mark.parametrize("number", [np.int64(5), np.int32(5), np.float32(5), Fraction(5), 5.0])
def test_any_kind_of_number_is_a_number_of_lags(model, number):
    X, y = make_two_pass(random_state=0, return_X_y=True)
    traded = TradedFactorModel().fit(X, y)
    for result in (
        lambda lags: model.inference(kernel="bartlett", bandwidth=lags).std_errors.tolist(),
        lambda lags: j_test(model, small_sample=False, kernel="bartlett", bandwidth=lags).statistic,
        lambda lags: cross_sectional_r2(model, kernel="bartlett", bandwidth=lags).std_error,
        lambda lags: traded.inference(kernel="bartlett", bandwidth=lags).std_errors.tolist(),
    ):
        assert result(number) == result(5)
        assert result(number) != result(2)
    assert model.inference(kernel="bartlett", bandwidth=number).bandwidth == 5.0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"bandwidth": True}, r"bandwidth=True is neither a number"),
        ({"bandwidth": [5]}, r"bandwidth=\[5\] is neither a number"),
        ({"bandwidth": -1}, r"bandwidth=-1 is neither a number"),
        ({"bandwidth": np.nan}, r"bandwidth=nan is neither a number"),
        ({"bandwidth": np.inf}, r"bandwidth=inf is neither a number"),
        ({"bandwidth": "white"}, r"bandwidth='white' is neither a number"),
        ({"kernel": ["bartlett"]}, r"kernel=\['bartlett'\] is unknown; it is .*'parzen', .*\]\.$"),
        ({"kernel": "newey-west"}, r"'newey-west' is unknown; .* Newey and West's .*'bartlett',"),
        ({"kernel": "Newey_West"}, r"'Newey_West' is unknown; .* kernel='bartlett', with bandwid"),
        ({"kernel": "HAC"}, r"kernel='HAC' is unknown; .* kernel='bartlett', with bandwidth= a"),
        ({"prewhiten": "no"}, r"prewhiten='no' has to be True or False"),
        ({"prewhiten": 2}, r"prewhiten=2 has to be True or False"),
        ({"kernel": None, "prewhiten": True}, r"prewhiten=True needs a kernel"),
        ({"kernel": None, "bandwidth": 0}, r"bandwidth=0 needs a kernel"),
    ],
)
def test_other_options_raise(options, match):
    with pytest.raises(ValueError, match=match):
        LongRun(**{"kernel": "bartlett", **options})


def test_debiased_and_covariance_are_what_they_are(model):
    with pytest.raises(ValueError, match=r"debiased='no' has to be True or False"):
        model.inference(debiased="no")
    with pytest.raises(ValueError, match=r"covariance=\['krs'\] is unknown"):
        model.inference(["krs"])


@pytest.mark.parametrize("name", ["newey-west", "NeweyWest", "hac", "HAC"])
def test_a_covariance_that_goes_by_the_name_of_a_kernel_says_what_to_type(model, name):
    for ask in (model.inference, model.summary, lambda c: price_of_covariance_risk(model, c)):
        with pytest.raises(ValueError, match=rf"'{name}' is unknown; .* are kernel='bartlett', wi"):
            ask(name)


# --- units and bases ----------------------------------------------------------------------------

RULES_AND_LAGS = [*RULES, 4]


def _persistent(rng, n=160, p=3):
    """Mean-zero series whose persistence differs, so that a rule hears who is loudest."""
    series = rng.normal(size=(n, p))
    for t in range(1, n):
        series[t] += np.linspace(-0.3, 0.98, p) * series[t - 1]
    return series - series.mean(axis=0)


@pytest.mark.parametrize("rule", RULES_AND_LAGS)
@pytest.mark.parametrize("prewhiten", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_units_of_a_column_do_not_matter_to_the_others(kernel, rule, prewhiten):
    long_run = LongRun(kernel, rule, prewhiten)
    for seed in range(5):
        series = _persistent(np.random.default_rng(seed))
        positions = np.delete(np.arange(165), [3, 4, 50, 51, 120])
        units = np.array([1.0, 1e3, 1e-5])
        expected, lags = long_run.covariance(series, positions)
        found, same = long_run.covariance(series * units, positions)
        assert same == pytest.approx(lags, rel=1e-8)
        assert_allclose(found / units / units[:, None], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("prewhiten", [False, True])
@pytest.mark.parametrize("rule", RULES_AND_LAGS)
def test_the_units_of_an_exposure_leave_every_t_value_alone(rule, prewhiten):
    X, y = make_panel(random_state=0, return_X_y=True)
    factors, returns = make_two_pass(random_state=0, return_X_y=True)
    for kernel in KERNELS:
        options = {"kernel": kernel, "bandwidth": rule, "prewhiten": prewhiten}
        for data, target, kind in ((X, y, "auto"), *((factors, returns, k) for k in WIDE)):
            unit = pd.Series(1.0, data.columns)
            unit.iloc[1] = 1e3
            results = [FamaMacBeth().fit(x, target) for x in (data, data * unit)]
            t = [result.inference(kind, **options).t_values for result in results]
            assert_allclose(t[1], t[0], rtol=1e-7)


@pytest.mark.parametrize("rule", RULES_AND_LAGS)
def test_the_order_of_the_assets_does_not_matter_to_joint_tests(rule):
    X, y = make_two_pass(n_assets=12, random_state=1, return_X_y=True)
    shuffled = y.iloc[:, np.random.default_rng(0).permutation(12)]
    for kernel, prewhiten, weighting in (
        ("bartlett", False, "ols"),
        ("parzen", True, "gls"),
        ("quadratic-spectral", True, "wls"),
    ):
        options = {"kernel": kernel, "bandwidth": rule, "prewhiten": prewhiten}
        a, b = (FamaMacBeth(weighting=weighting).fit(X, r) for r in (y, shuffled))
        j = [j_test(m, small_sample=False, **options).statistic for m in (a, b)]
        assert_allclose(j[1], j[0], rtol=1e-7)
        found, expected = (cross_sectional_r2(m, **options).one.p_value for m in (b, a))
        assert_allclose(found, expected, rtol=1e-6)


def test_combinations_have_the_covariance_of_the_series_they_combine():
    series = _persistent(np.random.default_rng(3), p=4)
    combine, positions = np.random.default_rng(4).normal(size=(4, 2)), np.arange(len(series))
    for long_run in (LongRun(), LongRun("bartlett"), LongRun("parzen", "andrews", True)):
        whole, lags = long_run.covariance(series, positions)
        found, same = long_run.covariance(series, positions, combine=combine)
        assert same == lags
        assert_allclose(found, combine.T @ whole @ combine, rtol=1e-9)


def test_columns_of_rounding_and_zeros_do_not_choose_the_lags():
    series = _persistent(np.random.default_rng(0), p=2)
    positions = np.arange(len(series))
    rounding = 1e-17 * np.random.default_rng(1).normal(size=(len(series), 2)) * [1.0, 0.0]
    for rule in ("newey-west", "andrews"):
        _, expected = LongRun("bartlett", rule).covariance(series, positions)
        _, found = LongRun("bartlett", rule).covariance(np.hstack([series, rounding]), positions)
        assert found == pytest.approx(expected)
    assert not LongRun("bartlett").covariance(np.zeros((9, 2)), np.arange(9))[0].any()


@pytest.mark.parametrize("n_dates", [3, 5, 7])
def test_an_autoregression_that_fits_exactly_does_not_prewhiten(n_dates):
    X, y = make_panel(random_state=0, return_X_y=True)
    dates = X.index.get_level_values("date")
    few = dates.isin(dates.unique()[:n_dates])
    model = FamaMacBeth().fit(X[few], y[few])
    with pytest.raises(
        ValueError, match=rf"regresses 6 series .* only {n_dates - 1} of the {n_dates} dates follow"
    ):
        model.inference(kernel="bartlett", bandwidth=1, prewhiten=True)


# --- cosines, lags that all weigh one, series by series -----------------------------------------


def test_cosines_agree_with_direct_sums_and_shrink_to_the_variance_of_noise():
    rng = np.random.default_rng(0)
    series = rng.standard_normal((40, 2))
    series -= series.mean(axis=0)
    found, count = LongRun("ewc").covariance(series, np.arange(40))
    assert count == np.ceil(0.4 * 40 ** (2 / 3)) == 5.0
    total = np.zeros((2, 2))
    for j in range(1, 6):
        transform = np.zeros(2)
        for t in range(40):
            transform += np.sqrt(2 / 40) * series[t] * np.cos(np.pi * j * (t + 0.5) / 40)
        total += np.outer(transform, transform) / 5
    assert_allclose(found, total, rtol=1e-10)
    # With all cosines but the constant it is the variance: they are an orthogonal basis.
    every, _ = LongRun("ewc", 39).covariance(series, np.arange(40))
    assert_allclose(every * 39 / 40, series.T @ series / 40, rtol=1e-10)


def test_lags_that_all_weigh_one_are_the_sum_of_autocovariances():
    rng = np.random.default_rng(1)
    series = np.convolve(rng.standard_normal(203), np.ones(4), "valid")[:, None]
    series -= series.mean()
    found, lags = LongRun("hansen-hodrick", 3).covariance(series, np.arange(200))
    s = series[:, 0]
    expected = s @ s + 2 * sum(s[j:] @ s[:-j] for j in range(1, 4))
    assert_allclose(found, expected / 200)
    assert lags == 3.0
    alternating = np.tile([[1.0], [-1.0]], (50, 1))
    with pytest.raises(ValueError, match=r"variance is negative.*Use kernel='bartlett'"):
        LongRun("hansen-hodrick", 1).covariance(alternating, np.arange(100))
    noise = np.random.default_rng(0).standard_normal((200, 1)) + 1.0
    with pytest.warns(SmallSampleWarning, match="fewer than 240 dates, and there are 200"):
        LongRun("hansen-hodrick", 11).covariance(noise, np.arange(200))


def test_series_by_series_agrees_with_sandwich_of_r():
    # R 4: sandwich::NeweyWest(lm(x ~ 1)), with its defaults and with lag = 3, prewhite = FALSE
    x = [0.01, -0.02, 0.015, 0.03, -0.01, 0.005, 0.02, -0.025, 0.01, 0.0]
    x += [0.018, -0.012, 0.022, -0.008, 0.014, 0.006, -0.019, 0.011, 0.027, -0.003]
    series = np.array(x)[:, None] - np.mean(x)
    for long_run, lags, error in (
        (LongRun("bartlett", None, True, True), 21.0, 0.000646974246259443),
        (LongRun("bartlett", 3), 3.0, 0.00177500880279507),
    ):
        variance, found = long_run.covariance(series, np.arange(20))
        assert_allclose(np.sqrt(variance[0, 0] / 20), error, rtol=1e-10)
        assert found == lags
    both = np.hstack([series, series[::-1] ** 2 - np.mean(series**2)])
    matrix, lags = LongRun("bartlett", None, True, True).covariance(both, np.arange(20))
    assert np.isnan(matrix[0, 1])
    for p in range(2):
        alone, own = LongRun("bartlett", None, True, True).covariance(both[:, [p]], np.arange(20))
        assert_allclose(matrix[p, p], alone[0, 0])
        assert own <= lags


def test_options_that_kernels_do_not_have():
    for options, message in (
        (("ewc", "andrews"), "whole number of cosines >= 1"),
        (("ewc", 0), "whole number of cosines >= 1"),
        (("ewc", 2.5), "whole number of cosines >= 1"),
        (("ewc", None, True), "prewhiten=True is for the kernels"),
        (("ewc", None, False, True), "separate=True is for the kernels"),
        (("hansen-hodrick",), "for horizons of h dates pass bandwidth=h - 1"),
        ((None, None, False, True), "separate=True needs a kernel"),
    ):
        with pytest.raises(ValueError, match=message):
            LongRun(*options)
    with pytest.raises(ValueError, match="10 cosines need more dates than 10; there are 10"):
        LongRun("ewc", 10).covariance(np.ones((10, 1)), np.arange(10))
    with pytest.raises(ValueError, match="pass bandwidth=11 instead"):
        LongRun.of_horizon("parzen", 12, 100)


# --- what follows for errors and tests ----------------------------------------------------------


@pytest.fixture(scope="module")
def panel():
    return FamaMacBeth().fit(*make_panel(n_dates=60, n_features=2, random_state=0, return_X_y=True))


def test_errors_by_cosines_are_t_and_joint_tests_f_with_their_number(panel, model):
    found = panel.inference(kernel="ewc")
    assert found.bandwidth == found.df == np.ceil(0.4 * 60 ** (2 / 3)) == 7.0
    slopes = panel.lambdas_ - panel.premia_
    variance, _ = LongRun("ewc").covariance(slopes.to_numpy(), np.arange(60))
    assert_allclose(found.cov, variance / 60, rtol=1e-12)
    assert_allclose(panel.inference(kernel="ewc", debiased=False).cov, found.cov)
    premia = found.premia[["x1", "x2"]]
    wald = premia @ np.linalg.solve(found.cov.loc[premia.index, premia.index], premia)
    test = found.wald_test()
    assert test.df == (2, 6.0)
    assert_allclose(test.statistic, wald * 6 / (2 * 7))
    assert "ewc, B = 7" in str(found)
    for kind in ("fama-macbeth", "shanken", "gmm", "krs"):
        assert model.inference(kind, kernel="ewc").df == model.inference(kernel="ewc").bandwidth
    with pytest.raises(ValueError, match="needs at least 6 cosines, and there are 5"):
        model.inference(kernel="ewc", bandwidth=5).wald_test(["f1", "f2", "f3"])


def test_joint_tests_of_pricing_errors_and_alphas_by_cosines():
    factors, returns = make_two_pass(
        n_periods=240, n_assets=5, n_factors=2, random_state=0, return_X_y=True
    )
    model, traded = FamaMacBeth().fit(factors, returns), TradedFactorModel().fit(factors, returns)
    count = LongRun("ewc").covariance(factors.to_numpy(), np.arange(240))[1]
    for test, k in (
        (j_test(model, kernel="ewc"), 2),
        (traded.alpha_inference(kernel="ewc").wald_test(), 5),
        (grs_test(factors, returns, covariance="robust", kernel="ewc"), 5),
    ):
        assert (test.distribution, test.df) == ("F", (k, count - k + 1))
    assert traded.inference(kernel="ewc").df == traded.alpha_inference(kernel="ewc").df == count
    asymptotic = j_test(model, kernel="bartlett", bandwidth=3, small_sample=False)
    assert asymptotic.distribution == "chi2"
    for refused in (
        lambda: cross_sectional_r2(model, kernel="ewc"),
        lambda: hj_distance(factors, returns, kernel="ewc"),
        lambda: rank_test(factors, returns, kernel="ewc"),
        lambda: screen_factors(model, kernel="ewc"),
    ):
        with pytest.raises(ValueError, match="its distribution needs a consistent long-run"):
            refused()
    with pytest.raises(ValueError, match="has the F distribution of its cosines"):
        j_test(model, kernel="ewc", small_sample="wild")


def test_premia_whose_lags_are_chosen_one_by_one_have_no_joint_covariance(panel):
    found = panel.inference(kernel="bartlett", separate=True, prewhiten=True)
    slopes = (panel.lambdas_ - panel.premia_).to_numpy()
    for p, error in enumerate(found.std_errors):
        long_run = LongRun("bartlett", None, True, capped=False)
        variance, _ = long_run.covariance(slopes[:, [p]], np.arange(60))
        assert_allclose(error, np.sqrt(variance[0, 0] / 59), rtol=1e-12)
    beside = found.cov.to_numpy()[~np.eye(3, dtype=bool)]
    assert np.isnan(beside).all()
    with pytest.raises(ValueError, match="separate=True chose lags premium by premium"):
        found.wald_test()
    assert found.wald_test("x1").df == (1, 59.0)
    assert np.isfinite(found.to_frame()).all(axis=None)


def test_returns_that_overlap_have_few_cosines_or_lags_that_all_weigh_one(panel):
    found = panel.inference(horizon=6)
    assert (found.kernel, found.df) == ("ewc", max(2, int(0.4 * 10 ** (2 / 3))))
    assert "Returns span 6 dates and overlap." in found.notes
    assert panel.inference(horizon=60).df == 2.0
    found = panel.inference(kernel="hansen-hodrick", horizon=3)
    plain = panel.inference(kernel="hansen-hodrick", bandwidth=2)
    assert_allclose(found.cov, plain.cov)
    slopes = (panel.lambdas_ - panel.premia_).to_numpy()
    total = slopes.T @ slopes
    for lag in (1, 2):
        product = slopes[lag:].T @ slopes[:-lag]
        total += product + product.T
    assert_allclose(found.cov, total / 60 / 59, rtol=1e-10)
    for options, message in (
        ({"horizon": 0}, "whole number of dates"),
        ({"horizon": 3, "kernel": "bartlett"}, "pass bandwidth=2 instead"),
        ({"horizon": 3, "kernel": "ewc", "bandwidth": 4}, r"Leave \['bandwidth'\] out"),
    ):
        with pytest.raises(ValueError, match=message):
            panel.inference(**options)


@pytest.mark.slow
def test_cosines_hold_their_size_under_serial_dependence_and_newey_west_does_not():
    rng, n_draws, n_dates = np.random.default_rng(0), 600, 60
    rejected = {"ewc": 0, "bartlett": 0}
    for _ in range(n_draws):
        noise = rng.standard_normal(n_dates + 50)
        series = lfilter([1.0], [1.0, -0.5], noise)[50:]
        deviations = (series - series.mean())[:, None]
        for kernel in rejected:
            variance, count = LongRun(kernel).covariance(deviations, np.arange(n_dates))
            df = count if kernel == "ewc" else n_dates - 1
            t_value = abs(series.mean()) / np.sqrt(variance[0, 0] / n_dates)
            rejected[kernel] += t_value > stats.t.ppf(0.975, df)
    share = {kernel: count / n_draws for kernel, count in rejected.items()}
    assert 0.03 < share["ewc"] < 0.08
    assert share["bartlett"] > 0.09

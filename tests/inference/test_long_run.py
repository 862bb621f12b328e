"""What the options of a long-run variance may be, and when they can be followed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth, TradedFactorModel
from skfactor._kernels.long_run import KERNELS
from skfactor.datasets import make_panel, make_two_pass
from skfactor.inference import cross_sectional_r2, j_test, price_of_covariance_risk
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

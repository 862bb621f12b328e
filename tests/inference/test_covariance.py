"""Covariances of premia against statsmodels, linearmodels and formulas written out."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from linearmodels.panel import FamaMacBeth as LinearmodelsFamaMacBeth
from numpy.testing import assert_allclose, assert_array_equal
from reference import random_panel
from reference_premia import (
    FACTORS,
    french_two_pass,
    grunfeld,
    kernel_weight,
    long_run_by_pairs,
    newey_west_1994,
    random_two_pass,
    shanken_directly,
)
from statsmodels.stats.sandwich_covariance import S_hac_simple

from skfactor import FactorBetas, FamaMacBeth
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference import (
    PremiaCovariance,
    price_of_covariance_risk,
    register_covariance,
)
from skfactor.inference._covariance import _KINDS
from skfactor.summary import full_summary, premia_table

KERNELS = ["bartlett", "parzen", "quadratic-spectral"]


def _panel(seed=0, n_dates=30):
    """A panel whose slopes are autocorrelated."""
    rng = np.random.default_rng(seed)
    X = random_panel(rng, n_dates=n_dates, missing=0.0, shuffle=False)
    X["x1"] /= 10.0
    dates = X.index.codes[0]
    shocks = rng.normal(size=(n_dates + 3, 3))
    slopes = shocks[3:] + shocks[2:-1] + 0.5 * shocks[1:-2]
    design = np.column_stack([np.ones(len(X)), X])
    return X, pd.Series((design * slopes[dates]).sum(axis=1) + rng.normal(size=len(X)), X.index)


@pytest.fixture(scope="module")
def panel():
    return FamaMacBeth().fit(*_panel())


@pytest.fixture(scope="module")
def french():
    return FamaMacBeth().fit(*french_two_pass())


# --- fama-macbeth -------------------------------------------------------------------------------


def test_without_lags_it_is_the_covariance_of_the_slopes_over_their_number(panel):
    slopes, t = panel.lambdas_.to_numpy(), len(panel.dates_)
    assert_allclose(panel.inference("fama-macbeth").cov, np.cov(slopes.T) / t, rtol=1e-12)
    plain = panel.inference("fama-macbeth", debiased=False).cov
    assert_allclose(plain, np.cov(slopes.T, ddof=0) / t, rtol=1e-12)
    errors = panel.inference().std_errors
    for name, series in panel.lambdas_.items():
        fit = sm.OLS(series, np.ones(t)).fit()
        assert_allclose(errors[name], fit.bse.iloc[0], rtol=1e-12)


@pytest.mark.parametrize("lags", [0, 1, 3, 12])
@pytest.mark.parametrize("debiased", [True, False])
def test_bartlett_errors_agree_with_statsmodels_regressions_on_a_constant(panel, lags, debiased):
    inference = panel.inference(kernel="bartlett", bandwidth=lags, debiased=debiased)
    for name, series in panel.lambdas_.items():
        options = {"maxlags": lags, "use_correction": debiased}
        fit = sm.OLS(series, np.ones(len(series))).fit(cov_type="HAC", cov_kwds=options)
        assert_allclose(inference.std_errors[name], fit.bse.iloc[0], rtol=1e-11)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", [1, 4, 7.5])
def test_covariances_agree_with_statsmodels_for_every_kernel(panel, kernel, bandwidth):
    series = (panel.lambdas_ - panel.lambdas_.mean()).to_numpy()
    t = len(series)

    def weights(n_lags):
        return np.array([kernel_weight(kernel, j, bandwidth) for j in range(n_lags + 1)])

    expected = S_hac_simple(series, nlags=t - 1, weights_func=weights) / t**2
    found = panel.inference(kernel=kernel, bandwidth=bandwidth, debiased=False)
    assert_allclose(found.cov, expected, rtol=1e-10, atol=1e-16)
    assert (found.kernel, found.bandwidth) == (kernel, bandwidth)


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", [0, 2, 5])
def test_covariances_agree_with_linearmodels_for_every_kernel(kernel, bandwidth, debiased):
    X, y = _panel(1)
    options = {"kernel": kernel, "bandwidth": bandwidth, "debiased": debiased}
    entity_first = sm.add_constant(X).swaplevel()
    with np.errstate(divide="ignore", invalid="ignore"):
        theirs = LinearmodelsFamaMacBeth(y.swaplevel(), entity_first).fit("kernel", **options)
    ours = FamaMacBeth().fit(X, y).inference(**options)
    assert_allclose(ours.premia, theirs.params, rtol=1e-10)
    assert_allclose(ours.cov, theirs.cov, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kernel", KERNELS)
def test_zero_lags_are_no_lags(panel, french, kernel):
    for model, kind in ((panel, "fama-macbeth"), (french, "fama-macbeth"), (french, "shanken")):
        with_kernel = model.inference(kind, kernel=kernel, bandwidth=0)
        assert_allclose(with_kernel.cov, model.inference(kind).cov, rtol=1e-11, atol=1e-18)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), kernel=st.sampled_from(KERNELS), bandwidth=st.floats(0.0, 9.0))
@example(seed=0, kernel="quadratic-spectral", bandwidth=1e-160)
def test_every_kernel_gives_a_positive_semidefinite_covariance(seed, kernel, bandwidth):
    # Bartlett and Parzen windows of whole lags and the quadratic-spectral one of any bandwidth.
    bandwidth = bandwidth if kernel == "quadratic-spectral" else int(bandwidth)
    model = FamaMacBeth().fit(*_panel(seed, n_dates=10))
    cov = model.inference(kernel=kernel, bandwidth=bandwidth).cov.to_numpy()
    assert_array_equal(cov, cov.T)
    assert np.linalg.eigvalsh(cov).min() > -1e-12 * np.trace(cov)


def test_weights_of_dates_enter_the_errors(panel):
    X, y = _panel()
    slopes = panel.lambdas_
    window = FamaMacBeth(premia_window=9).fit(X, y).inference(kernel="bartlett", bandwidth=2)
    tail = slopes.tail(9)
    series = (tail - tail.mean()).to_numpy()
    expected = long_run_by_pairs(series, np.arange(9), "bartlett", 2.0) / 9 * 9 / 8
    assert_allclose(window.cov, expected, rtol=1e-10)
    assert_allclose(window.df, 8.0)
    weighted = FamaMacBeth(premia_halflife=5.0).fit(X, y).inference()
    w = 0.5 ** (np.arange(30)[::-1] / 5.0)
    w /= w.sum()
    effective = 1.0 / (w**2).sum()
    deviations = (slopes - w @ slopes).to_numpy()
    plain = np.einsum("t,ti,tj->ij", w**2, deviations, deviations)
    assert_allclose(weighted.cov, plain * effective / (effective - 1.0), rtol=1e-10)
    assert_allclose(weighted.df, effective - 1.0)


# --- lags are distances on the calendar ---------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
def test_dates_that_could_not_be_estimated_leave_a_gap(kernel):
    X, y = _panel(2)
    gone = np.isin(X.index.codes[0], [4, 5, 11, 20])
    with pytest.warns(RankDeficientWarning, match="4 of 30 dates"):
        model = FamaMacBeth().fit(X, y.mask(gone))
    left = model.lambdas_.dropna()
    positions = np.delete(np.arange(30), [4, 5, 11, 20])
    series = (left - left.mean()).to_numpy()
    found = model.inference(kernel=kernel, bandwidth=3, debiased=False)
    expected = long_run_by_pairs(series, positions, kernel, 3.0) / 26
    assert_allclose(found.cov, expected, rtol=1e-10, atol=1e-16)
    closed = long_run_by_pairs(series, np.arange(26), kernel, 3.0) / 26
    assert not np.allclose(found.cov, closed, rtol=1e-3)
    assert_allclose(model.inference(kernel=kernel, bandwidth=3).df, 25.0)


def test_months_that_are_not_there_are_a_gap_and_trading_days_are_not():
    X, y = _panel(3)
    kept = [0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    months = pd.period_range("2000-01", periods=30, freq="M")
    rows = np.isin(X.index.codes[0], kept)
    X, y, codes = X[rows], y[rows], X.index.codes[0][rows]
    for dates, positions in (
        (months[codes], np.array(kept)),
        (months.to_timestamp()[codes], np.arange(15)),
        (codes, np.arange(15)),
    ):
        model = FamaMacBeth().fit(X.to_numpy(), y.to_numpy(), dates=dates)
        series = (model.lambdas_ - model.lambdas_.mean()).to_numpy()
        expected = long_run_by_pairs(series, positions, "bartlett", 2.0) / 15
        found = model.inference(kernel="bartlett", bandwidth=2, debiased=False)
        assert_allclose(found.cov, expected, rtol=1e-10, atol=1e-16)


# --- automatic bandwidth ------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("form", ["panel", "french", "no intercept"])
def test_newey_west_1994_is_computed_from_the_sum_of_the_premia(kernel, form, request):
    if form == "no intercept":
        model, names = FamaMacBeth(fit_intercept=False).fit(*_panel(4)), ["x0", "x1"]
    else:
        model = request.getfixturevalue(form)
        names = [name for name in model.premia_.index if name != "const"]
    slopes = model.lambdas_[names]
    scaled = (slopes - slopes.mean()) / slopes.std(ddof=0)
    expected = newey_west_1994(scaled.sum(axis=1).to_numpy(), kernel)
    found = model.inference("fama-macbeth", kernel=kernel, bandwidth="newey-west")
    assert_allclose(found.bandwidth, expected, rtol=1e-9)
    assert found.bandwidth > 0.0
    by_hand = model.inference("fama-macbeth", kernel=kernel, bandwidth=found.bandwidth)
    assert_allclose(found.cov, by_hand.cov, rtol=1e-12)
    default = model.inference("fama-macbeth", kernel=kernel)
    assert default.bandwidth == found.bandwidth


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("n_dates", range(2, 9))
def test_few_dates_have_no_bandwidth_beyond_them(n_dates, kernel):
    # Autocovariances of all lags add up to zero, and the rule divides by their sum.
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(n_dates * 20, 1)), rng.normal(size=n_dates * 20)
        model = FamaMacBeth().fit(x, y, dates=np.arange(n_dates * 20) % n_dates)
        with contextlib.suppress(ValueError):  # refusing so few is as good as a bound
            assert model.inference(kernel=kernel).bandwidth <= n_dates - 1


# --- shanken ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("lags", [{}, *({"kernel": k, "bandwidth": 2.0} for k in KERNELS)])
def test_shanken_agrees_with_the_formula_written_out(fit_intercept, lags):
    X, y = random_two_pass(np.random.default_rng(7), n_factors=3)
    model = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
    expected = shanken_directly(X, y, fit_intercept=fit_intercept, **lags)
    plain = model.inference("shanken", debiased=False, **lags)
    assert_allclose(plain.cov, expected, rtol=1e-9, atol=1e-16)
    debiased = model.inference("shanken", **lags)
    assert_allclose(debiased.cov, expected * 60 / (60 - 3 - 1), rtol=1e-9, atol=1e-16)
    assert debiased.df == np.inf


@pytest.mark.parametrize("factors", [["MktRF"], FACTORS])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_shanken_is_fama_macbeth_times_one_plus_c_less_the_factors(factors, fit_intercept):
    X, y = french_two_pass()
    X = X[factors]
    model = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
    v_f = np.atleast_2d(np.cov(X.T, ddof=0))
    c = model.coef_ @ np.linalg.solve(v_f, model.coef_)
    padded = np.zeros((len(model.premia_), len(model.premia_)))
    padded[-len(factors) :, -len(factors) :] = v_f / len(X)
    slopes = model.inference("fama-macbeth", debiased=False).cov
    expected = (1.0 + c) * (slopes - padded) + padded
    assert_allclose(model.inference("shanken", debiased=False).cov, expected, rtol=1e-10)


def test_zero_premia_make_shanken_fama_macbeth():
    X, y = random_two_pass(np.random.default_rng(8))
    model = FamaMacBeth().fit(X, y - y.mean() + 0.01)
    assert_allclose(model.premia_, [0.01, 0.0, 0.0], atol=1e-15)
    slopes = model.inference("fama-macbeth", debiased=False).cov
    assert_allclose(model.inference("shanken", debiased=False).cov, slopes, rtol=1e-9, atol=1e-16)


def test_estimated_betas_only_widen_the_errors(french):
    known = french.inference("fama-macbeth", debiased=False).std_errors
    assert (french.inference("shanken", debiased=False).std_errors > known).all()


# --- which kind holds for which model -----------------------------------------------------------

WIDE = random_two_pass(np.random.default_rng(9))
HOLED = WIDE[0], WIDE[1].where(np.random.default_rng(0).random(WIDE[1].shape) > 0.1)


@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        (FamaMacBeth(), _panel(), r"needs betas estimated by the model itself.*one column per"),
        (FamaMacBeth(premia_window=30), WIDE, r"without premia_window or premia_halflife"),
        (FamaMacBeth(premia_halflife=30.0), WIDE, r"without premia_window or premia_halflife"),
        (FamaMacBeth(betas=FactorBetas(fit_intercept=False)), WIDE, r"with an intercept in the f"),
        (FamaMacBeth(weighting="wls"), HOLED, r"OLS second pass where returns are missing"),
        (FamaMacBeth(), (WIDE[0].mask(WIDE[0] > 0.1), WIDE[1]), r"factors on every"),
    ],
)
def test_krs_raises_and_auto_is_fama_macbeth_where_it_does_not_hold(model, data, reason):
    model.fit(*data)
    with pytest.raises(ValueError, match=rf"covariance='krs' .*{reason}.*[uU]se 'fama-macbeth'"):
        model.inference("krs")
    auto = model.inference()
    assert auto.covariance == "fama-macbeth"
    assert_array_equal(auto.cov, model.inference("fama-macbeth").cov)
    assert "fama-macbeth" in str(auto)
    assert any("Exposures taken as known" in note for note in auto.notes)
    if hasattr(model, "first_pass_"):
        assert any("Errors for estimated betas do not hold here" in note for note in auto.notes)


@pytest.mark.parametrize("data", [WIDE, HOLED], ids=["complete", "unbalanced"])
def test_auto_is_krs_for_two_pass_data(data):
    inference = FamaMacBeth().fit(*data).inference()
    assert inference.covariance == "krs"
    assert inference.notes == ()


def test_shanken_needs_complete_returns():
    with pytest.raises(ValueError, match=r"'shanken' is for complete returns.*'gmm' or 'krs'"):
        FamaMacBeth().fit(*HOLED).inference("shanken")


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance": "ols"}, r"'ols' is unknown.*'auto' or one of \['fama-macbeth', 'shank"),
        (
            {"kernel": "tukey"},
            r"'tukey' is unknown.*\['bartlett', 'ewc', 'hansen-h",
        ),
        ({"bandwidth": 4}, r"bandwidth=4 needs a kernel; pass kernel='bartlett'"),
        (
            {"kernel": "bartlett", "bandwidth": "white"},
            r"'white' is neither .*\['newey-west', 'andrews'",
        ),
        ({"prewhiten": True}, r"prewhiten=True needs a kernel; pass kernel='bartlett'"),
        ({"kernel": "bartlett", "bandwidth": -1}, r"bandwidth=-1 is neither a number of lags >= 0"),
        ({"kernel": "bartlett", "bandwidth": np.nan}, r"bandwidth=nan is neither a number of lags"),
        ({"kernel": "bartlett", "bandwidth": 30}, r"bandwidth=30.* 30 dates"),
        ({"kernel": "quadratic-spectral", "bandwidth": 1e6}, r"bandwidth=1000000.* 30 dates"),
    ],
)
def test_unknown_names_and_impossible_lags_raise(panel, options, message):
    with pytest.raises(ValueError, match=message):
        panel.inference(**options)
    with pytest.raises(ValueError, match=message):
        panel.summary(**options)


def test_one_date_has_no_errors():
    rng = np.random.default_rng(0)
    model = FamaMacBeth().fit(rng.normal(size=(20, 1)), rng.normal(size=20), dates="2024-01")
    with pytest.raises(ValueError, match=r"the premia rest on one date.*several dates"):
        model.inference()
    last = FamaMacBeth(premia_window=1).fit(*_panel())
    with pytest.raises(ValueError, match=r"the premia rest on one date"):
        last.inference()


def test_debiasing_needs_more_dates_than_it_takes_off():
    X, y = random_two_pass(np.random.default_rng(0), n_periods=4, n_factors=3, n_assets=9)
    model = FamaMacBeth().fit(X, y)
    with pytest.raises(ValueError, match=r"number of dates minus 4, and there are 4.*debiased=Fal"):
        model.inference("shanken")
    assert model.inference("shanken", debiased=False).std_errors.notna().all()


def test_another_covariance_changes_nothing_in_the_model():
    model = FamaMacBeth().fit(*grunfeld())
    before = model.premia_.copy(), model.lambdas_.copy()
    inference = model.inference(kernel="bartlett", bandwidth=2)
    inference.cov.iloc[:] = 0.0
    inference.premia.iloc[:] = 0.0
    assert_array_equal(model.premia_, before[0])
    assert_array_equal(model.lambdas_, before[1])


def test_errors_of_betas_are_for_betas_that_are_known_to_be_least_squares():
    class Half(FactorBetas):
        def fit(self, X, y=None, dates=None, assets=None):
            super().fit(X, y, dates, assets)
            self.betas_ /= 2.0
            return self

    X, y = random_two_pass(np.random.default_rng(0))
    model = FamaMacBeth(betas=Half()).fit(X, y)
    assert model.inference().covariance == "fama-macbeth"
    assert "these are those of Half" in model.inference().notes[-1]
    with pytest.raises(ValueError, match=r"covariance='krs' is for betas .* those of Half"):
        model.inference("krs")


# --- kinds of one's own -------------------------------------------------------------------------


class Clustered(PremiaCovariance):
    """Dates of one label depend on each other in any way."""

    name = "clustered by label"
    options = ("by",)

    def compute(self, record, long_run, debiased, *, by):
        series = pd.DataFrame(record.slope_influence).groupby(np.asarray(by(record.dates))).sum()
        matrix = (series.T @ series).to_numpy() / len(record.lambdas) ** 2
        n = len(series)
        return matrix * (n / (n - 1) if debiased else 1.0), 0.0, n - 1.0

    def obstacle(self, record):
        return "" if record.two_pass is None else "is for panels."

    def note(self, record):
        return "Dates of one label depend on each other."


@pytest.fixture
def clustered():
    register_covariance(Clustered())
    yield Clustered.name
    del _KINDS[Clustered.name]


def _decade(dates):
    return np.arange(len(dates)) // 10


def test_a_kind_for_panels_works_wherever_errors_are_asked_for(panel, french, clustered):
    found = panel.inference(clustered, by=_decade)
    slopes = panel.lambdas_
    for name, series in slopes.items():
        fit = sm.OLS(series.to_numpy(), np.ones(30)).fit(
            cov_type="cluster", cov_kwds={"groups": _decade(series), "use_correction": False}
        )
        assert_allclose(
            panel.inference(clustered, by=_decade, debiased=False).std_errors[name], fit.bse[0]
        )
        assert_allclose(found.std_errors[name], fit.bse[0] * np.sqrt(3 / 2))
    assert (found.df, found.covariance) == (2.0, clustered)
    text = str(panel.summary(clustered, by=_decade))
    assert clustered in text
    assert "t(2)" in text
    assert "Dates of one label depend" in text
    table = premia_table([panel], covariance=clustered, by=_decade)
    assert table.loc["Standard errors"].to_numpy().item() == clustered
    with pytest.raises(ValueError, match=f"'{clustered}' is for panels. Use 'fama-macbeth' or"):
        french.inference(clustered, by=_decade)


def test_options_that_a_kind_does_not_declare_raise(panel, french, clustered):
    with pytest.raises(TypeError, match=r"has no option \['labels'\]; it takes only \['by'\]"):
        panel.inference(clustered, labels=_decade)
    for call in (panel.inference, french.summary, french.inference):
        with pytest.raises(TypeError, match=r"has no option \['by'\]; it takes none"):
            call("fama-macbeth", by=_decade)
    with pytest.raises(TypeError, match=r"no option \['by'\]"):
        price_of_covariance_risk(french, by=_decade)


def test_an_unknown_kind_raises_everywhere(panel, french):
    for call in (
        panel.inference,
        panel.summary,
        french.inference,
        lambda kind: price_of_covariance_risk(french, kind),
        lambda kind: premia_table([panel], covariance=kind),
        lambda kind: full_summary(french, kind),
    ):
        for kind in ("gnm", "clustered by label", None, 3):
            with pytest.raises(ValueError, match="is unknown; it is 'auto' or one of"):
                call(kind)


def test_kinds_that_do_not_know_prices_are_refused_for_them(french):
    class OfPremia(Clustered):
        name = "of premia"

        def obstacle(self, record):
            return ""

    register_covariance(OfPremia())
    try:
        with pytest.raises(ValueError, match="is for premia, and not known to hold for prices"):
            price_of_covariance_risk(french, "of premia", by=_decade)
    finally:
        del _KINDS["of premia"]


def test_names_of_the_package_are_taken():
    class Krs(Clustered):
        name = "krs"

    with pytest.raises(ValueError, match="name 'krs' is taken"):
        register_covariance(Krs())

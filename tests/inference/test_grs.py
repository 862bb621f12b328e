"""The GRS test, its robust version and the influence of alphas, against other programs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from linearmodels.asset_pricing import TradedFactorModel
from numpy.testing import assert_allclose
from reference_premia import FACTORS, french_two_pass, long_run_by_pairs
from scipy import stats
from scipy.signal import lfilter
from statsmodels.multivariate.manova import MANOVA

import skfactor
from skfactor._kernels.alpha_influence import alpha_influence
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference import j_test
from skfactor.inference._grs import grs_test, read_factor_sample

ROBUST = {"covariance": "robust"}
LARGE = {**ROBUST, "small_sample": False}


@pytest.fixture(scope="module")
def french():
    return french_two_pass()


def _draw(seed=0, n_periods=60, n_assets=5, n_factors=2, alpha=0.0):
    rng = np.random.default_rng(seed)
    factors = 0.005 + 0.04 * rng.normal(size=(n_periods, n_factors))
    mixed = rng.normal(size=(n_assets, n_assets)) / 50.0
    noise = rng.normal(size=(n_periods, n_assets)) @ mixed
    return factors, alpha + factors @ rng.normal(1.0, 0.5, size=(n_factors, n_assets)) + noise


# --- known values -------------------------------------------------------------------------------


def test_it_is_the_f_test_of_a_multivariate_regression_in_statsmodels(french):
    factors, returns = french
    returns = returns.iloc[:, :8]
    manova = MANOVA(returns.to_numpy(), sm.add_constant(factors.to_numpy()))
    table = manova.mv_test([("alpha", np.eye(1, 5), None)]).results["alpha"]["stat"]
    test = grs_test(factors, returns)
    row = table.loc["Wilks' lambda"]
    assert_allclose(test.statistic, float(row["F Value"]), rtol=1e-9)
    assert_allclose(test.p_value, float(row["Pr > F"]), rtol=1e-7)
    assert (test.distribution, test.df) == ("F", (8, len(factors) - 8 - 4))
    assert test.df == (float(row["Num DF"]), float(row["Den DF"]))


@pytest.mark.parametrize("columns", [["MktRF"], FACTORS])
def test_for_one_asset_it_is_the_squared_t_of_alpha(french, columns):
    factors, returns = french[0][columns], french[1]["S1V5"]
    fit = sm.OLS(returns, sm.add_constant(factors)).fit()
    for one in (returns, returns.to_frame(), returns.to_numpy()):
        test = grs_test(factors.to_numpy() if isinstance(one, np.ndarray) else factors, one)
        assert_allclose(test.statistic, fit.tvalues["const"] ** 2, rtol=1e-11)
        assert_allclose(test.p_value, fit.pvalues["const"], rtol=1e-9)
        assert test.null == "alpha is zero"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"cov_type": "robust"}),
        *(
            (
                {"kernel": kernel, "bandwidth": lags},
                {"cov_type": "kernel", "kernel": kernel, "bandwidth": lags},
            )
            for kernel, lags in [("bartlett", 0), ("bartlett", 12), ("parzen", 20)]
        ),
    ],
)
def test_the_robust_statistic_is_the_j_of_linearmodels(french, ours, theirs):
    factors, returns = french
    reference = TradedFactorModel(returns, factors).fit(debiased=False, **theirs).j_statistic
    test = grs_test(factors, returns, **LARGE, **ours)
    t, k = factors.shape
    assert_allclose(test.statistic, reference.stat * (t - k - 1) / t, rtol=1e-10)
    assert_allclose(test.p_value, stats.chi2.sf(test.statistic, 18), rtol=1e-8)
    assert (test.distribution, test.df) == ("chi2", (18,))


def test_the_robust_statistic_of_one_asset_is_that_of_statsmodels(french):
    factors, returns = french[0], french[1]["S1V1"]
    model = sm.OLS(returns, sm.add_constant(factors))
    white = model.fit(cov_type="HC1").tvalues["const"] ** 2
    newey_west = model.fit(cov_type="HAC", cov_kwds={"maxlags": 6, "use_correction": True})
    assert_allclose(grs_test(factors, returns, **LARGE).statistic, white, rtol=1e-10)
    test = grs_test(factors, returns, **LARGE, kernel="bartlett", bandwidth=6)
    assert_allclose(test.statistic, newey_west.tvalues["const"] ** 2, rtol=1e-10)


def test_months_that_are_absent_widen_the_lags():
    factors, returns = _draw(n_periods=80)
    months = pd.period_range("2000-01", periods=100, freq="M").delete(np.arange(30, 50))
    frames = [pd.DataFrame(values, index=months) for values in (factors, returns)]
    sample = read_factor_sample(*frames)
    alphas, _, residuals = sample.regress()
    influence = alpha_influence(sample.factors, residuals)
    places = months.asi8 - months.asi8[0]
    cov = long_run_by_pairs(influence, places, "bartlett", 4)
    expected = (80 - 3) * alphas @ np.linalg.solve(cov, alphas)
    test = grs_test(*frames, **LARGE, kernel="bartlett", bandwidth=4)
    assert_allclose(test.statistic, expected, rtol=1e-10)
    together = grs_test(factors, returns, **LARGE, kernel="bartlett", bandwidth=4)
    assert abs(test.statistic / together.statistic - 1.0) > 1e-3


# --- laws ---------------------------------------------------------------------------------------


def test_under_the_null_p_values_are_uniform_in_a_small_sample():
    p_values = [grs_test(*_draw(seed, n_periods=15)).p_value for seed in range(400)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert grs_test(*_draw(0, n_periods=60, alpha=0.03)).p_value < 0.01


def test_the_robust_statistic_is_the_wald_test_of_the_alphas(french):
    factors, returns = french
    wild = {"small_sample": "wild", "n_draws": 49, "random_state": 2}
    for form, options in (
        ({"small_sample": False}, {}),
        ({"small_sample": False}, {"kernel": "bartlett"}),
        (
            {"small_sample": False},
            {"kernel": "parzen", "bandwidth": "andrews", "prewhiten": True},
        ),
        (wild, {}),
        (wild, {"kernel": "bartlett", "bandwidth": 2}),
    ):
        model = skfactor.TradedFactorModel().fit(factors, returns)
        found = grs_test(factors, returns, **ROBUST, **form, **options)
        for other in (
            model.alpha_inference(**options).wald_test(**form),
            model.grs_test(**ROBUST, **form, **options),
            model.j_test(**form, **options),
            j_test(model, **form, **options),
        ):
            assert_allclose(other.statistic, found.statistic, rtol=1e-9)
            assert (other.p_value, other.df) == (pytest.approx(found.p_value, rel=1e-6), found.df)


@pytest.mark.parametrize("options", [{}, LARGE])
def test_portfolios_of_the_assets_and_of_the_factors_give_the_same_statistic(options):
    factors, returns = _draw()
    rng = np.random.default_rng(9)
    expected = grs_test(factors, returns, **options)
    mixed = grs_test(
        factors @ rng.normal(size=(2, 2)), returns @ rng.normal(size=(5, 5)), **options
    )
    assert_allclose(mixed.statistic, expected.statistic, rtol=1e-8)
    units = grs_test(factors * [1.0, 1e-18], returns * 1e9, **options)
    assert_allclose(units.statistic, expected.statistic, rtol=1e-8)


def test_the_order_of_dated_rows_does_not_matter(french):
    factors, returns = french[0], french[1].iloc[:, :4]
    order = np.random.default_rng(0).permutation(len(factors))
    options = {**LARGE, "kernel": "bartlett", "bandwidth": "newey-west"}
    shuffled = grs_test(factors.iloc[order], returns.iloc[order], **options)
    assert_allclose(shuffled.statistic, grs_test(factors, returns, **options).statistic, rtol=1e-10)


def test_the_robust_form_for_small_samples_is_f_on_both_ways():
    factors, returns = _draw(n_periods=60)
    wald = grs_test(factors, returns, **LARGE).statistic * 60 / (60 - 3)  # not debiased
    found = grs_test(factors, returns, **ROBUST)
    assert_allclose(found.statistic, wald * (60 - 5 - 2) / (5 * 60), rtol=1e-10)
    assert (found.distribution, found.df) == ("F", (5, 53))
    assert_allclose(found.p_value, stats.f.sf(found.statistic, 5, 53), rtol=1e-9)
    for debiased in (True, False):
        model = skfactor.TradedFactorModel().fit(factors, returns)
        other = model.alpha_inference(debiased=debiased).wald_test()
        assert_allclose((other.statistic, other.p_value), (found.statistic, found.p_value))


def test_five_years_of_returns_do_not_reject_three_factors(french):
    # Chi-square would, where the exact test of normal residuals does not.
    factors, returns = french[0][FACTORS[:3]].iloc[:60], french[1].iloc[:60]
    assert_allclose(grs_test(factors, returns).p_value, 0.126, atol=5e-4)
    with pytest.warns(SmallSampleWarning, match="18 assets are more than a fifth of the 60 dates"):
        assert grs_test(factors, returns, **ROBUST).p_value > 0.05
    assert grs_test(factors, returns, **LARGE).p_value < 0.006
    plain = skfactor.TradedFactorModel().fit(factors, returns).alpha_inference(debiased=False)
    assert_allclose(plain.wald_test(small_sample=False).p_value, 0.0024, atol=5e-5)
    assert grs_test(factors, returns, **ROBUST, small_sample="wild").p_value > 0.05


def test_where_a_distribution_does_not_hold_it_warns():
    factors, returns = _draw()
    with pytest.warns(SmallSampleWarning, match=r"Sharpe ratio of \d+\.\d+, more than 0\.1"):
        grs_test(factors + 0.03, returns, **ROBUST)
    with pytest.warns(SmallSampleWarning, match="With a kernel the asymptotic distribution"):
        assert grs_test(factors, returns, **ROBUST, kernel="bartlett").distribution == "chi2"


def test_alphas_of_assets_with_dates_of_their_own_have_the_degrees_of_the_fewest():
    factors, returns = _draw()
    returns[:20, 1] = np.nan
    alphas = skfactor.TradedFactorModel().fit(pd.DataFrame(factors), pd.DataFrame(returns))
    alphas = alphas.alpha_inference()
    assert alphas.wald_test().df == (5, 40 - 2 - 5)
    with pytest.raises(ValueError, match="small_sample='wild' needs complete returns"):
        alphas.wald_test(small_sample="wild")
    assert alphas.wald_test([0, 2], small_sample="wild").distribution == "wild bootstrap"


@pytest.mark.slow
@pytest.mark.parametrize("root", [0.0, 0.5])
def test_the_wild_bootstrap_holds_its_size(root):
    serial = {"kernel": "bartlett", "bandwidth": 3} if root else {}
    rejected, rng = 0, np.random.default_rng(1)
    for _ in range(300):
        shocks = rng.standard_t(5, size=(60, 1)) * rng.normal(size=(60, 12)) / 40.0
        shocks[1:] = lfilter([1.0], [1.0, -root], shocks, axis=0)[1:]
        factors, noise = shocks[:, :2] + 0.002, shocks[:, 2:]
        returns = factors @ np.ones((2, 10)) + noise
        test = grs_test(
            factors, returns, **ROBUST, small_sample="wild", n_draws=99, random_state=1, **serial
        )
        rejected += test.p_value <= 0.05
    assert 0.02 <= rejected / 300 <= 0.085


# --- failures -----------------------------------------------------------------------------------


def test_too_few_periods_raise():
    factors, returns = _draw(n_periods=7)
    with pytest.raises(ValueError, match="5 assets and 2 factors need more than 7 dates, found 7"):
        grs_test(factors, returns)
    assert grs_test(*_draw(n_periods=8)).df == (5, 1)
    with pytest.raises(ValueError, match="2 factors need more than 3 dates, found 3"):
        grs_test(factors[:3], returns[:3])


@pytest.mark.parametrize("which", ["factors", "returns"])
def test_missing_and_infinite_values_raise(which):
    data = dict(zip(("factors", "returns"), _draw(), strict=True))
    data[which][[3, 5], 1] = np.nan
    with pytest.raises(ValueError, match=f"{which} has missing values in 2 of 60 rows"):
        grs_test(**data)
    data[which][3, 1] = np.inf
    with pytest.raises(ValueError, match=rf"{which} contains infinity in \[1\]"):
        grs_test(**data)


def test_other_rows_raise():
    factors, returns = _draw()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        grs_test(factors, returns[:-1])
    months = pd.period_range("2000-01", periods=60, freq="M")
    with pytest.raises(ValueError, match="X and returns have different indexes: row 0 is 2000-01"):
        grs_test(pd.DataFrame(factors, months), pd.DataFrame(returns, months + 1))


def test_rows_of_dates_and_assets_raise():
    factors, returns = _draw(n_assets=1)
    rows = pd.MultiIndex.from_product([range(2000, 2030), ["a", "b"]], names=["year", "asset"])
    with pytest.raises(ValueError, match=r"Rows are indexed by \['year', 'asset'\]"):
        grs_test(pd.DataFrame(factors, rows), pd.Series(returns[:, 0], rows))


def test_collinear_factors_raise():
    factors, returns = _draw()
    for bad in (factors @ [[1.0, 2.0], [1.0, 2.0]], np.c_[factors, np.full(60, 0.01)]):
        with pytest.raises(ValueError, match="factors are collinear, or one of them is constant"):
            grs_test(bad, returns)


def test_an_asset_that_the_factors_and_the_others_make_raises():
    factors, returns = _draw()
    for spanned in (factors[:, 0], returns[:, 0] - returns[:, 1] + 0.5 * factors[:, 1]):
        for options in ({}, ROBUST):
            with pytest.raises(ValueError, match="residual covariance of the assets is singular"):
                grs_test(factors, np.c_[returns, spanned], **options)


def test_text_raises():
    factors, returns = (pd.DataFrame(values) for values in _draw())
    with pytest.raises(ValueError, match="factors does not hold numbers: could not convert"):
        grs_test(factors.assign(name="up"), returns)


def test_repeated_columns_raise():
    factors, returns = (pd.DataFrame(values) for values in _draw())
    with pytest.raises(ValueError, match=r"columns \[0\] of returns occur more than once"):
        grs_test(factors, returns[[0, 0, 1]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance": "white"}, r"'white' is neither 'homoskedastic' nor 'robust'\.$"),
        (
            {"covariance": "hac"},
            r"'hac' is neither .* nor 'robust'\. Newey and West's are 'robust' with kernel='bartl",
        ),
        ({"kernel": "bartlett"}, "is for covariance='robust'"),
        ({"bandwidth": 3}, "is for covariance='robust'"),
        ({"small_sample": True}, "small_sample=True is for covariance='robust'"),
        ({**ROBUST, "small_sample": "F"}, "small_sample='F' is unknown"),
        ({**ROBUST, "small_sample": True, "kernel": "parzen"}, "no form for small samples with"),
        (
            {**ROBUST, "small_sample": "wild", "kernel": "parzen", "prewhiten": True},
            "Leave prewhiten=True out",
        ),
        ({**ROBUST, "small_sample": "wild", "n_draws": 9}, "n_draws=9 has to be"),
        ({**ROBUST, "bandwidth": 3}, "bandwidth=3 needs a kernel"),
        ({**ROBUST, "kernel": "boxcar"}, "kernel='boxcar' is unknown"),
    ],
)
def test_options_that_mean_nothing_raise(options, message):
    with pytest.raises(ValueError, match=message):
        grs_test(*_draw(), **options)


@pytest.mark.parametrize(
    ("factors", "returns", "match"),
    [
        ([], ["a"], "factors has no columns"),
        (["a"], [], "returns has no columns"),
        (["a"], None, "returns is None"),
    ],
)
def test_what_is_not_there_is_named(factors, returns, match):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["a", "b"])
    with pytest.raises(ValueError, match=match):
        grs_test(frame[factors], None if returns is None else frame[returns])

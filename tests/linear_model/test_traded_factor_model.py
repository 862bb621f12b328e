"""TradedFactorModel against linearmodels and statsmodels, in each form of the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from linearmodels.asset_pricing import TradedFactorModel as LinearmodelsTradedFactorModel
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from reference_premia import FACTORS, french_two_pass
from sklearn.metrics import r2_score

from skfactor.datasets import make_two_pass
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference._grs import grs_test
from skfactor.linear_model._factor_betas import FactorBetas
from skfactor.linear_model._linear_factor_gmm import LinearFactorGMM
from skfactor.linear_model._traded_factor_model import TradedFactorModel

COVARIANCES = [
    ({}, {"cov_type": "robust"}),
    *(
        (
            {"kernel": kernel, "bandwidth": lags},
            {"cov_type": "kernel", "kernel": kernel, "bandwidth": lags},
        )
        for kernel, lags in [("bartlett", 12), ("parzen", 20), ("quadratic-spectral", 5)]
    ),
]


@pytest.fixture(scope="module")
def french():
    return french_two_pass()


@pytest.fixture(scope="module")
def model(french):
    return TradedFactorModel().fit(*french)


@pytest.fixture(scope="module")
def linearmodels(french):
    factors, returns = french
    return LinearmodelsTradedFactorModel(returns, factors)


def _with_gaps(french):
    factors, returns = (frame.iloc[:200].copy() for frame in french)
    returns.iloc[:50, 0] = np.nan
    returns.iloc[150:, 1] = np.nan
    factors.iloc[7, 2] = np.nan
    return factors, returns.iloc[:, :4]


# --- known values -------------------------------------------------------------------------------


def test_estimates_are_those_of_linearmodels(model, linearmodels):
    reference = linearmodels.fit()
    assert_allclose(model.premia_, reference.risk_premia, rtol=1e-12)
    assert_allclose(model.alphas_, reference.alphas, rtol=1e-9)
    assert_allclose(model.betas_, reference.betas, rtol=1e-9)
    assert list(model.premia_.index) == FACTORS
    assert list(model.betas_.index) == list(reference.alphas.index)


@pytest.mark.parametrize(("ours", "theirs"), COVARIANCES)
@pytest.mark.parametrize("debiased", [True, False])
def test_errors_and_j_are_those_of_linearmodels(model, linearmodels, ours, theirs, debiased):
    reference = linearmodels.fit(debiased=debiased, **theirs)
    alphas = model.alpha_inference(debiased=debiased, **ours)
    assert_allclose(alphas.std_errors, reference.std_errors["alpha"], rtol=1e-9)
    assert_allclose(alphas.t_values, reference.tstats["alpha"], rtol=1e-8)
    test = alphas.wald_test(small_sample=False)
    assert_allclose(test.statistic, reference.j_statistic.stat, rtol=1e-9)
    assert_allclose(test.p_value, reference.j_statistic.pval, rtol=1e-7)
    assert (test.distribution, test.df) == ("chi2", (18,))
    premia = model.inference(debiased=debiased, **ours)
    assert_allclose(premia.std_errors, reference.risk_premia_se, rtol=1e-10)
    assert premia.df == len(model.dates_) - 1


def test_premia_are_tested_like_the_mean_of_a_sample(model, french):
    for name, series in french[0].items():
        fit = sm.OLS(series, np.ones(len(series))).fit()
        inference = model.inference()
        assert_allclose(inference.t_values[name], fit.tvalues.iloc[0], rtol=1e-10)
        assert_allclose(inference.p_values[name], fit.pvalues.iloc[0], rtol=1e-7)


def test_grs_is_that_of_the_data_it_was_fitted_on(model, french):
    robust = {"covariance": "robust", "small_sample": False, "kernel": "bartlett", "bandwidth": 4}
    for options in ({}, robust):
        ours, expected = model.grs_test(**options), grs_test(*french, **options)
        assert_allclose(ours.statistic, expected.statistic, rtol=1e-9)
        assert (ours.df, ours.null) == (expected.df, expected.null)


def test_missing_returns_leave_each_asset_its_own_regression(french):
    factors, returns = _with_gaps(french)
    model = TradedFactorModel().fit(factors, returns)
    known = factors.notna().all(axis=1)
    assert_allclose(model.premia_, factors[known].mean(), rtol=1e-12)
    errors = model.alpha_inference().std_errors
    plain = model.alpha_inference(debiased=False).std_errors
    lagged = model.alpha_inference(kernel="bartlett", bandwidth=3, debiased=False).std_errors
    for name, series in returns.items():
        ols = sm.OLS(series, sm.add_constant(factors), missing="drop")
        fit = ols.fit(cov_type="HC1")
        assert_allclose(model.alphas_[name], fit.params["const"], rtol=1e-8)
        assert_allclose(model.betas_.loc[name], fit.params[FACTORS], rtol=1e-8)
        assert_allclose(errors[name], fit.bse["const"], rtol=1e-8)
        assert_allclose(plain[name], ols.fit(cov_type="HC0").bse["const"], rtol=1e-8)
    # The gap of asset 0 lies before its sample, so lags are those of a series without gaps but
    # for month 7, which falls into it.
    hac = sm.OLS(returns.iloc[50:, 0], sm.add_constant(factors.iloc[50:])).fit(
        cov_type="HAC", cov_kwds={"maxlags": 3, "use_correction": False}
    )
    assert_allclose(lagged.iloc[0], hac.bse["const"], rtol=1e-8)
    assert model.inference().describe()["Dates used:"] == "199 of 200"


# --- forms of the data --------------------------------------------------------------------------


def test_it_uses_the_first_pass(model, french):
    first = FactorBetas().fit(*french)
    assert_frame_equal(model.betas_, first.betas_)
    assert_series_equal(model.alphas_, first.alphas_)
    assert_series_equal(model.r2_, first.r2_)
    assert_frame_equal(model.residuals_, first.residuals_)


def test_prediction_is_betas_times_premia_in_every_row(model, french):
    factors, returns = french
    expected = model.betas_.to_numpy() @ factors.mean().to_numpy()
    predicted = model.predict(factors.iloc[:3])
    assert_allclose(predicted, np.tile(expected, (3, 1)), rtol=1e-10)
    assert_allclose(model.expected_returns_, expected, rtol=1e-10)
    # What the factors leave unexplained of the average returns is alpha.
    assert_allclose(returns.mean() - model.expected_returns_, model.alphas_, atol=1e-15)


def test_score_is_the_r2_of_average_returns(model, french):
    factors, returns = french
    expected = r2_score(returns.mean(), model.expected_returns_)
    assert_allclose(model.score(factors, returns), expected, rtol=1e-10)
    weights = np.arange(1.0, len(returns) + 1.0)
    averages = np.average(returns, axis=0, weights=weights)
    weighted = model.score(factors, returns, sample_weight=weights)
    assert_allclose(weighted, r2_score(averages, model.expected_returns_), rtol=1e-10)
    gaps = returns.copy()
    gaps.iloc[:100, 0] = np.nan
    expected = r2_score(gaps.mean(), model.expected_returns_)
    assert_allclose(model.score(factors, gaps), expected, rtol=1e-10)


def test_a_series_is_one_asset_in_the_shape_of_y(french):
    factors, returns = french[0], french[1]["S1V1"]
    series = TradedFactorModel().fit(factors, returns)
    column = TradedFactorModel().fit(factors, returns.to_frame())
    array = TradedFactorModel().fit(factors.to_numpy(), returns.to_numpy())
    assert list(series.alphas_.index) == list(column.alphas_.index) == ["S1V1"]
    assert list(array.alphas_.index) == ["asset"]
    assert series.predict(factors).shape == (819,)
    assert column.predict(factors).shape == (819, 1)
    assert_array_equal(series.predict(factors), array.predict(factors.to_numpy()))
    expected = r2_score(returns, series.predict(factors))
    assert_allclose(series.score(factors, returns), expected, rtol=1e-10)
    fit = sm.OLS(returns, sm.add_constant(factors)).fit()
    assert_allclose(series.grs_test().statistic, fit.tvalues["const"] ** 2, rtol=1e-9)


def test_long_rows_give_the_numbers_of_wide_ones(french):
    factors, returns = french[0], french[1].iloc[:, :3]
    wide = TradedFactorModel().fit(factors, returns)
    y = returns.rename_axis(columns="asset").stack()
    X = factors.loc[y.index.get_level_values("date")].set_axis(y.index)
    order = np.random.default_rng(0).permutation(len(y))
    for level in ("auto", "date", 0):
        long = TradedFactorModel(date_level=level).fit(X.iloc[order], y.iloc[order])
        assert_allclose(long.premia_, wide.premia_, rtol=1e-12)
        assert_allclose(long.alphas_, wide.alphas_, rtol=1e-9)
        assert_allclose(long.inference().cov, wide.inference().cov, rtol=1e-10)
        assert_allclose(long.alpha_inference().cov, wide.alpha_inference().cov, rtol=1e-8)
        assert_allclose(long.grs_test().statistic, wide.grs_test().statistic, rtol=1e-8)
    expected = wide.expected_returns_[y.index.get_level_values("asset")]
    assert_allclose(long.predict(X), expected, rtol=1e-9)
    assert_allclose(long.score(X, y), r2_score(y, expected), rtol=1e-9)


def test_the_order_of_rows_does_not_matter_even_with_lags(french):
    factors, returns = french[0], french[1].iloc[:, :3]
    order = np.random.default_rng(0).permutation(len(factors))
    sorted_ = TradedFactorModel().fit(factors, returns)
    shuffled = TradedFactorModel().fit(factors.iloc[order], returns.iloc[order])
    by_dates = TradedFactorModel().fit(
        factors.to_numpy()[order], returns.to_numpy()[order], dates=factors.index[order]
    )
    lags = {"kernel": "bartlett", "bandwidth": 6}
    for other in (shuffled, by_dates):
        assert_allclose(other.inference(**lags).cov, sorted_.inference(**lags).cov, rtol=1e-10)
        ours = other.alpha_inference(**lags).cov
        assert_allclose(ours, sorted_.alpha_inference(**lags).cov, rtol=1e-8)
        assert_index_equal(other.dates_, factors.index, check_names=False)


def test_another_kernel_estimates_nothing_again(model):
    before = {name: id(value) for name, value in vars(model).items()}
    model.alpha_inference(kernel="bartlett", bandwidth="newey-west")
    model.inference(kernel="bartlett", bandwidth="newey-west")
    assert before == {name: id(value) for name, value in vars(model).items()}


# --- results ------------------------------------------------------------------------------------


def test_alphas_are_called_alphas_everywhere(model):
    inference = model.alpha_inference()
    assert_series_equal(inference.alphas, model.alphas_)
    assert inference.to_frame().columns[0] == "alpha"
    text = str(inference)
    assert "Alphas" in text.splitlines()[0]
    assert "premi" not in text
    assert ">alpha<" in inference._repr_html_().replace(" ", "")
    large = {"small_sample": False}
    assert inference.wald_test(**large).null == "the alphas of all 18 assets are zero"
    one = inference.wald_test("S1V1", **large)
    assert one.null == "the alphas of S1V1 are zero"
    assert_allclose(one.statistic, inference.t_values["S1V1"] ** 2, rtol=1e-10)
    assert (
        inference.wald_test(["S1V1", "S5V5"], **large).null == "the alphas of S1V1, S5V5 are zero"
    )


def test_the_summary_of_premia_names_what_it_is(model):
    text = str(model.summary(kernel="bartlett", bandwidth=3))
    for part in ("traded factors", "means of factors", "bartlett, L = 3", "t(818)", "1949-01"):
        assert part in text


# --- failures -----------------------------------------------------------------------------------


def test_missing_returns_can_be_refused_and_have_no_grs_test(french):
    factors, returns = _with_gaps(french)
    with pytest.raises(ValueError, match="X has missing values in 1 of 200 rows"):
        TradedFactorModel(missing="raise").fit(factors, returns)
    with pytest.raises(ValueError, match="Some returns are missing, and the GRS test needs"):
        TradedFactorModel().fit(factors, returns).grs_test()


def test_a_factor_that_is_missing_does_not_stop_the_grs_test(french):
    factors, returns = _with_gaps(french)
    returns = returns.iloc[:, 2:]
    known = factors.notna().all(axis=1)
    expected = grs_test(factors[known], returns[known])
    ours = TradedFactorModel().fit(factors, returns).grs_test()
    assert_allclose(ours.statistic, expected.statistic, rtol=1e-9)


def test_an_asset_with_too_few_returns_is_nan_and_its_neighbours_are_not(french):
    factors, returns = (frame.iloc[:40].copy() for frame in french)
    returns.iloc[3:, 0] = np.nan
    with pytest.warns(RankDeficientWarning, match="1 of 18 assets are NaN"):
        model = TradedFactorModel().fit(factors, returns)
    errors = model.alpha_inference().std_errors
    assert_array_equal(np.isnan(errors), np.arange(18) == 0)
    assert np.isnan(model.expected_returns_.iloc[0])


def test_as_many_periods_as_coefficients_leave_no_error(french):
    factors, returns = (frame.iloc[:40].copy() for frame in french)
    returns.iloc[5:, 0] = np.nan
    model = TradedFactorModel().fit(factors, returns)
    with pytest.raises(ValueError, match="number of dates minus 5, and an asset has 5"):
        model.alpha_inference()


def test_other_assets_in_score_raise(model, french):
    factors, returns = french
    with pytest.raises(ValueError, match="y has other assets than the 18 of fit"):
        model.score(factors, returns.iloc[:, ::-1])


def test_rows_that_do_not_fit_together_raise(french):
    factors, returns = french
    with pytest.raises(ValueError, match="different indexes: row 0 is 1949-01 in X and 1949-02"):
        TradedFactorModel().fit(factors, returns.set_axis(returns.index + 1))
    twice = factors.index[[0, 0, *range(2, 819)]]
    with pytest.raises(ValueError, match="1949-01 occurs more than once"):
        TradedFactorModel().fit(factors.set_axis(twice), returns.set_axis(twice))
    with pytest.raises(ValueError, match="have dates but no assets"):
        TradedFactorModel().fit(factors.set_axis(twice), returns["S1V1"].set_axis(twice))


def test_one_period_has_no_errors():
    with pytest.warns(RankDeficientWarning):
        model = TradedFactorModel().fit([[0.01]], [0.02])
    with pytest.raises(ValueError, match="there is only one"):
        model.inference()


@pytest.mark.parametrize("method", ["inference", "alpha_inference"])
def test_lags_without_a_kernel_raise(model, method):
    with pytest.raises(ValueError, match="bandwidth=3 needs a kernel"):
        getattr(model, method)(bandwidth=3)


def test_collinear_factors_have_no_errors_of_alphas():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"]).astype(np.float32)
    X["sum"] = X["a"] + X["b"]
    model = TradedFactorModel().fit(X, pd.DataFrame(rng.normal(size=(120, 3)), columns=list("xyz")))
    with pytest.raises(ValueError, match="alpha_inference inverts the covariance of the factors"):
        model.alpha_inference()


def test_the_summary_counts_the_assets_with_alphas():
    rng = np.random.default_rng(0)
    y = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("xyz"))
    y.loc[1:, "z"] = np.nan
    with pytest.warns(RankDeficientWarning, match="betas of 1 of 3 assets"):
        model = TradedFactorModel().fit(pd.DataFrame({"f": rng.normal(size=60)}), y)
    assert model.inference().describe()["Assets:"] == "2"


@pytest.mark.parametrize(
    ("model", "methods", "instead"),
    [
        (TradedFactorModel(), ("inference", "summary", "alpha_inference"), "kernel='bartlett'"),
        (LinearFactorGMM(), ("inference", "summary"), r"LinearFactorGMM\(kernel='bartlett'\)"),
    ],
)
def test_errors_of_another_kind_say_what_to_type(model, methods, instead):
    X, y = make_two_pass(120, 5, 1, random_state=0, return_X_y=True)
    model.fit(X, y)
    for method in methods:
        with pytest.raises(ValueError, match=f"covariance='newey-west' is not one .*{instead}"):
            getattr(model, method)("newey-west")
        assert str(getattr(model, method)("auto")) == str(getattr(model, method)())

"""LinearFactorGMM: the numbers of linearmodels, reached from a better start."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from linearmodels.asset_pricing import LinearFactorModelGMM
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal
from reference_premia import FACTORS, french_two_pass
from scipy import stats
from scipy.optimize import approx_fprime
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

from skfactor import FamaMacBeth
from skfactor.datasets import make_two_pass
from skfactor.exceptions import SmallSampleWarning
from skfactor.linear_model._linear_factor_gmm import LinearFactorGMM

STEPS = {"two-step": {}, "iterated": {"steps": 100}, "continuously-updated": {"use_cue": True}}


@pytest.fixture(scope="module")
def french():
    X, y = french_two_pass()
    return X[FACTORS[:2]], y.iloc[:, ::4]


@pytest.fixture
def data():
    return make_two_pass(200, 6, 2, random_state=0, return_X_y=True)


def moments_and_parameters(model):
    return model._moments, model._theta


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [step if step == "two-step" else pytest.param(step, marks=pytest.mark.slow) for step in STEPS],
)
@pytest.mark.parametrize("zero_beta_rate", [True, False])
@pytest.mark.parametrize("kernel", [None, "parzen"])
def test_french_portfolios_agree_with_linearmodels(french, steps, zero_beta_rate, kernel):
    X, y = french
    bandwidth = None if kernel is None else 6
    model = LinearFactorGMM(
        steps=steps, fit_intercept=zero_beta_rate, kernel=kernel, bandwidth=bandwidth
    ).fit(X, y)
    options = {"cov_type": "kernel", "kernel": kernel, "bandwidth": bandwidth} if kernel else {}
    expected = LinearFactorModelGMM(y, X, risk_free=zero_beta_rate).fit(
        disp=0, **STEPS[steps], **options
    )
    errors = model.inference().std_errors
    # Its minimization stops within a thousandth of a standard error or two.
    assert (np.abs(model.premia_.to_numpy() - expected.risk_premia) < 0.005 * errors.array).all()
    assert_allclose(errors, expected.risk_premia_se, rtol=1e-3)
    assert_allclose(model.betas_, expected.betas, atol=1e-3)
    test = model.j_test(small_sample=False)
    assert test.statistic == pytest.approx(expected.j_statistic.stat, rel=1e-3)
    assert test.p_value == pytest.approx(expected.j_statistic.pval, rel=1e-2)
    assert test.df == (expected.j_statistic.df,)
    assert list(model.premia_.index) == ["const"] * zero_beta_rate + list(X.columns)
    assert model.converged_


def test_debiasing_is_that_of_linearmodels(french):
    X, y = french
    model = LinearFactorGMM(fit_intercept=False).fit(X, y)
    expected = LinearFactorModelGMM(y, X).fit(disp=0, debiased=False)
    plain = model.inference(debiased=False)
    assert_allclose(plain.std_errors, expected.risk_premia_se, rtol=1e-3)
    assert_allclose(model.inference().cov, plain.cov * len(X) / (len(X) - 2))


@pytest.mark.parametrize("zero_beta_rate", [True, False])
def test_the_continuously_updated_minimum_is_not_above_that_of_linearmodels(french, zero_beta_rate):
    X, y = french
    model = LinearFactorGMM(steps="continuously-updated", fit_intercept=zero_beta_rate).fit(X, y)
    theirs = LinearFactorModelGMM(y, X, risk_free=zero_beta_rate).fit(disp=0, use_cue=True)
    assert model.j_test(small_sample=False).statistic <= theirs.j_statistic.stat + 1e-9


def test_as_many_assets_as_premia_are_priced_exactly_by_the_two_pass_premia(data):
    X, y = data
    y = y.iloc[:, :3]
    model, two_pass = LinearFactorGMM().fit(X, y), FamaMacBeth().fit(X, y)
    assert_allclose(model.premia_, two_pass.premia_, rtol=1e-6)
    assert_allclose(model.betas_, two_pass.betas_, rtol=1e-6)
    # Then the errors are those of estimated betas without a model to reject.
    expected = two_pass.inference("gmm", debiased=False).std_errors
    assert_allclose(model.inference(debiased=False).std_errors, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="As many assets as premia are always priced"):
        model.j_test()


def test_j_has_a_form_for_small_samples_and_says_where_none_holds(french):
    X, y = french
    model = LinearFactorGMM().fit(X, y)
    large, found = model.j_test(small_sample=False), model.j_test()
    (df,), t, k = large.df, *X.shape
    assert found.df == (df, t - k - df)
    assert found.statistic == pytest.approx(large.statistic * (t - k - df) / (t * df))
    assert found.p_value == pytest.approx(stats.f.sf(found.statistic, *found.df))
    short = LinearFactorGMM().fit(X[:200], y[:200])
    with pytest.warns(SmallSampleWarning, match="with fewer than 240 dates, found 200"):
        short.j_test()
    few = 12 * y.shape[1] - 1
    short = LinearFactorGMM().fit(X[:few], y[:few])
    with pytest.warns(SmallSampleWarning, match=f"there are {few} dates for {y.shape[1]} assets"):
        short.inference()
    assert short.inference(debiased=False).std_errors.notna().all()
    lags = LinearFactorGMM(kernel="bartlett", bandwidth=2).fit(X, y)
    with pytest.warns(SmallSampleWarning, match="too often with a kernel"):
        assert lags.j_test().distribution == "chi2"
    with pytest.raises(ValueError, match="no form for small samples with a kernel"):
        lags.j_test(small_sample=True)
    with pytest.raises(ValueError, match="small_sample='wild' is not for LinearFactorGMM"):
        model.j_test(small_sample="wild")


# --- derivatives and minima -----------------------------------------------------------------------


@pytest.mark.parametrize("zero_beta_rate", [True, False])
def test_the_jacobian_is_the_numerical_derivative_of_the_averages(data, zero_beta_rate):
    moments, theta = moments_and_parameters(
        LinearFactorGMM(fit_intercept=zero_beta_rate).fit(*data)
    )
    theta = theta + 0.1
    numerical = approx_fprime(theta, lambda x: moments.series(x).mean(axis=0), 1e-6)
    assert_allclose(moments.jacobian(theta), numerical, atol=1e-5)


def test_the_iterated_estimate_is_stationary_with_its_own_weights(data):
    model = LinearFactorGMM(steps="iterated", tol=1e-8).fit(*data)
    moments, theta = moments_and_parameters(model)
    whiten = moments.whitening(theta)
    slopes = whiten(moments.jacobian(theta))
    gradient = slopes.T @ whiten(moments.series(theta).mean(axis=0))
    assert_allclose(gradient / np.linalg.norm(slopes, axis=0), 0.0, atol=1e-6)
    assert model.n_iter_ > 2


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", STEPS)
def test_units_of_the_data_are_units_of_the_premia(data, steps):
    X, y = data
    model = LinearFactorGMM(steps=steps).fit(X, y)
    other = clone(model).fit(X * [1e4, 1e-3], y * 100.0)
    scale = np.array([100.0, 1e4, 1e-3])
    assert_allclose(other.premia_, model.premia_ * scale, rtol=1e-4, atol=1e-12)
    assert_allclose(other.inference().std_errors, model.inference().std_errors * scale, rtol=1e-4)
    assert other.j_test(small_sample=False).statistic == pytest.approx(
        model.j_test(small_sample=False).statistic, rel=1e-6
    )


def test_rows_and_assets_in_any_order_give_the_same_premia(data):
    X, y = data
    model = LinearFactorGMM(kernel="bartlett", bandwidth="newey-west").fit(X, y)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(len(X)), rng.permutation(y.shape[1])
    shuffled = clone(model).fit(X.iloc[rows], y.iloc[rows, columns])
    assert_series_equal(shuffled.premia_, model.premia_, rtol=1e-6)
    assert_frame_equal(shuffled.betas_.loc[y.columns], model.betas_, rtol=1e-6)
    assert shuffled.inference().bandwidth == model.inference().bandwidth > 0


def test_expected_returns_and_pricing_errors_follow_from_the_premia(data):
    X, y = data
    model = LinearFactorGMM().fit(X, y)
    expected = model.intercept_ + model.betas_ @ model.coef_
    assert_allclose(model.expected_returns_, expected)
    assert_allclose(model.pricing_errors_, y.mean() - expected)
    assert_allclose(model.predict(X.iloc[:2]), np.tile(expected, (2, 1)))
    assert 0.5 < model.score(X, y) < 1.0
    with pytest.raises(ValueError, match="y has other assets than the 6 of fit"):
        model.score(X, y.iloc[:, ::-1])


def test_the_summary_says_how_it_was_estimated(data):
    model = LinearFactorGMM(steps="iterated", kernel="bartlett", bandwidth=3).fit(*data)
    text = str(model.summary())
    for part in ("iterated GMM", "efficient gmm", "bartlett, L = 3", "normal", "J statistic:"):
        assert part in text
    model.set_params(steps="two-step", kernel=None)
    assert str(model.summary()) == text


# --- failures -----------------------------------------------------------------------------------


def test_too_few_periods_raise_and_say_how_many_it_takes(data):
    X, y = data
    with pytest.raises(
        ValueError, match="make 20 moments, which need at least 21 periods; found 20"
    ):
        LinearFactorGMM().fit(X[:20], y[:20])
    assert LinearFactorGMM().fit(X[:60], y[:60]).converged_


@pytest.mark.parametrize("steps", ["two-step", "iterated", "continuously-updated"])
def test_no_convergence_warns(data, steps):
    with pytest.warns(ConvergenceWarning, match="Not converged in 1 iterations") as caught:
        model = LinearFactorGMM(steps=steps, max_iter=1, tol=1e-12).fit(*data)
    assert not model.converged_
    assert caught[0].filename == __file__


def test_betas_that_do_not_differ_are_not_identified():
    X, y = make_two_pass(200, 5, 1, betas=np.ones((5, 1)), random_state=0, return_X_y=True)
    y = pd.DataFrame(np.outer(X["f1"], np.ones(5)) + y - X.to_numpy(), y.index, y.columns)
    exact = y - y.mean() + 0.01
    slopes = np.linalg.lstsq(X - X.mean(), exact, rcond=None)[0]
    with pytest.raises(ValueError, match="premia are not identified"):
        LinearFactorGMM().fit(X, exact - (X - X.mean()).to_numpy() @ (slopes - 1.0))


def test_assets_that_are_combinations_of_others_make_the_covariance_singular(data):
    X, y = data
    for again in (y.iloc[:, 0], y.mean(axis=1), 0.01):
        with pytest.raises(ValueError, match="moments' covariance is singular"):
            LinearFactorGMM(kernel="bartlett", bandwidth="andrews").fit(X, y.assign(again=again))


def test_missing_returns_and_too_few_assets_raise(data):
    X, y = data
    with pytest.raises(ValueError, match=r"3 premia need at least as many assets.* y has 2"):
        LinearFactorGMM().fit(X, y.iloc[:, :2])
    with pytest.raises(ValueError, match=r"y has 1 column\(s\)"):
        LinearFactorGMM(fit_intercept=False).fit(X.iloc[:, :1], y.iloc[:, 0])
    with pytest.raises(ValueError, match=r"X or y holds NaN.* whole periods"):
        LinearFactorGMM().fit(X, y.mask(y == y.iloc[3, 3]))
    with pytest.raises(ValueError, match="'const', which is the name"):
        LinearFactorGMM().fit(X.set_axis(["const", "f2"], axis=1), y)


def test_a_bandwidth_without_a_kernel_raises(data):
    with pytest.raises(ValueError, match="bandwidth=4 needs a kernel"):
        LinearFactorGMM(bandwidth=4).fit(*data)


# --- scikit-learn -------------------------------------------------------------------------------

# All others fit to one column, and a single asset does not identify premia.
PASSED_WITH_ONE_ASSET = {
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_valid_tag_types",
}


def test_checks_of_scikit_learn_that_do_not_fit_one_asset_pass():
    results = check_estimator(LinearFactorGMM(), on_fail=None, on_skip=None)
    passed = {each["check_name"] for each in results if each["status"] == "passed"}
    assert passed >= PASSED_WITH_ONE_ASSET


def test_assets_of_one_name_raise():
    X, y = french_two_pass()
    y = y.iloc[:, :8].set_axis(["p"] * 8, axis=1)
    with pytest.raises(ValueError, match=r"columns \['p'\] of y occur more than once"):
        LinearFactorGMM().fit(X[["MktRF"]], y)

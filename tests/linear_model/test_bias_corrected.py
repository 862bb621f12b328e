"""BiasCorrectedFamaMacBeth: slopes freed of the errors in betas, and right on average."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from pandas.testing import assert_index_equal, assert_series_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from skfactor import FactorBetas, FamaMacBeth
from skfactor.datasets import make_two_pass
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference._pricing_tests import j_test
from skfactor.linear_model._bias_corrected import BiasCorrectedFamaMacBeth

METHODS = ["instrumental", "litzenberger-ramaswamy"]
# Of dates whose corrected moments have no inverse, beside what is tested.
_ignore_weak = pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning")


def noisy(seed=0, n_factors=2, missing=0.1, n_periods=61):
    return make_two_pass(
        n_periods, 80, n_factors, noise=0.06, missing=missing, random_state=seed, return_X_y=True
    )


# --- known values -------------------------------------------------------------------------------


def time_series_loop(factors, returns):
    """Betas and their covariances, one statsmodels regression per asset."""
    fits = [
        sm.OLS(r.to_numpy(), sm.add_constant(factors.to_numpy()), missing="drop").fit()
        for _, r in returns.items()
    ]
    return (
        np.array([fit.params[1:] for fit in fits]),
        np.array([fit.cov_params()[1:, 1:] for fit in fits]),
        np.array([fit.ssr / fit.nobs for fit in fits]),
    )


def corrected_loop(factors, returns, method, weighting, fit_intercept, targets=None):
    """Slopes of every date with a loop over dates and assets; of other targets if given."""
    betas, covariances, variances = time_series_loop(factors, returns)
    odd, even = (time_series_loop(factors[h::2], returns[h::2])[0] for h in (0, 1))
    const = np.ones((len(betas), int(fit_intercept)))
    slopes = []
    for t, r in enumerate(returns.to_numpy() if targets is None else targets):
        there = np.isfinite(r)
        w = np.ones(len(r)) if weighting == "ols" else 1.0 / variances
        explanatory, instruments = (odd, even) if t % 2 == 0 else (even, odd)
        if method != "instrumental":
            explanatory = instruments = betas
        x, z = np.hstack([const, explanatory]), np.hstack([const, instruments])
        left = (z[there] * w[there, None]).T @ x[there]
        if method != "instrumental":
            for i in np.flatnonzero(there):
                left[fit_intercept:, fit_intercept:] -= w[i] * covariances[i]
        slopes.append(np.linalg.solve(left, (z[there] * w[there, None]).T @ r[there]))
    return np.array(slopes)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighting", ["ols", "wls"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_slopes_agree_with_a_loop(method, weighting, fit_intercept, missing):
    X, y = noisy(missing=missing)
    model = BiasCorrectedFamaMacBeth(
        method=method, weighting=weighting, fit_intercept=fit_intercept
    ).fit(X, y)
    expected = corrected_loop(X, y, method, weighting, fit_intercept)
    assert_allclose(model.lambdas_, expected, rtol=1e-8, atol=1e-12)
    assert_allclose(model.premia_, expected.mean(axis=0), rtol=1e-8, atol=1e-12)
    assert len(model.trimmed_dates_) == len(model.fallback_dates_) == 0
    assert model.reliability_.between(0.05, 1.0).all()


def test_an_asset_without_a_degree_of_freedom_has_no_covariance_and_is_left_out():
    X, y = noisy(missing=0.0)
    y.iloc[3:, 5] = np.nan
    model = BiasCorrectedFamaMacBeth(method="litzenberger-ramaswamy")
    with pytest.warns(RankDeficientWarning, match="1 of .* left out: no more returns"):
        model.fit(X, y)
    others = clone(model).fit(X, y.drop(columns=y.columns[5]))
    assert_series_equal(model.premia_, others.premia_)


def test_reliability_of_one_factor_is_the_true_share_of_the_variation():
    X, y = noisy(n_factors=1, missing=0.0)
    reduced = BiasCorrectedFamaMacBeth(method="litzenberger-ramaswamy").fit(X, y)
    measured = reduced.betas_["f1"].var(ddof=0)
    noise = (reduced.first_pass_.std_errors_["f1"] ** 2).mean()
    assert_allclose(reduced.reliability_, 1.0 - noise / measured)
    model = BiasCorrectedFamaMacBeth().fit(X, y)
    odd, even = model.odd_betas_["f1"], model.even_betas_["f1"]
    assert_allclose(model.reliability_, 2.0 * odd.cov(even) / (odd.var() + even.var()))


def test_instrument_strength_is_the_first_stage_of_statsmodels():
    X, y = noisy()
    model = BiasCorrectedFamaMacBeth().fit(X, y)
    odd, even = model.odd_betas_, model.even_betas_
    for name, row in model.instrument_strength_.iterrows():
        assert row["correlation"] == pytest.approx(odd[name].corr(even[name]))
        assert row["f_odd"] == pytest.approx(sm.OLS(odd[name], sm.add_constant(even)).fit().fvalue)
        assert row["f_even"] == pytest.approx(sm.OLS(even[name], sm.add_constant(odd)).fit().fvalue)


# --- on average right ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_both_corrections_remove_the_bias_that_least_squares_has(missing):
    n_periods, premium, share, noise, volatility = 60, 0.01, 1.0 - missing, 0.1, 0.04
    premia = []
    for seed in range(60):
        X, y = make_two_pass(
            n_periods,
            250,
            1,
            premia=premium,
            factor_volatility=volatility,
            noise=noise,
            missing=missing,
            random_state=seed,
            return_X_y=True,
        )
        models = [FamaMacBeth(), *(BiasCorrectedFamaMacBeth(method=m) for m in METHODS)]
        luck = X["f1"].mean() - premium  # goes into the premium with the same share as the premium
        premia.append([m.fit(X, y).premia_["f1"] for m in models] + [premium + luck])
    mean, error = np.mean(premia, axis=0), np.std(premia, axis=0) / np.sqrt(len(premia))
    # The variance of betas is 0.25 by construction; of their errors, s^2 (T - 3)^-1 / Vf.
    true_share = 0.25 / (0.25 + noise**2 / (n_periods * share - 3) / volatility**2)
    assert true_share < 0.75
    assert mean[0] == pytest.approx(true_share * mean[-1], rel=0.03)
    assert abs(mean[0] - premium) > 5.0 * error[0]
    for corrected, its_error in zip(mean[1:3], error[1:3], strict=True):
        assert abs(corrected - premium) < 2.5 * its_error
        assert its_error < 0.1 * premium


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_rows_and_assets_in_any_order_give_the_same_premia(method):
    X, y = noisy()
    model = BiasCorrectedFamaMacBeth(method=method).fit(X, y)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(len(X)), rng.permutation(y.shape[1])
    shuffled = clone(model).fit(X.iloc[rows], y.iloc[rows, columns])
    assert_series_equal(shuffled.premia_, model.premia_, rtol=1e-9)
    assert_index_equal(shuffled.dates_, model.dates_)


@pytest.mark.parametrize("method", METHODS)
def test_units_of_the_factors_are_units_of_their_premia(method):
    X, y = noisy()
    units = np.array([1e4, 1e-3])
    model = BiasCorrectedFamaMacBeth(method=method).fit(X, y)
    other = clone(model).fit(X * units, y)
    assert_allclose(other.coef_, model.coef_ * units, rtol=1e-8)
    assert_allclose(other.reliability_, model.reliability_, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_exact_betas_need_no_correction(method):
    market = make_two_pass(60, 20, 2, noise=1e-9, random_state=0)
    X, y = market.data, market.target
    model = BiasCorrectedFamaMacBeth(method=method).fit(X, y)
    assert_allclose(model.lambdas_, FamaMacBeth().fit(X, y).lambdas_, atol=1e-7)
    assert_allclose(model.reliability_, 1.0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_expected_returns_follow_from_betas_of_the_whole_sample(method):
    X, y = noisy()
    model = BiasCorrectedFamaMacBeth(method=method).fit(X, y)
    expected = model.intercept_ + model.betas_ @ model.coef_
    assert_allclose(model.expected_returns_, expected)
    assert_allclose(model.pricing_errors_, y.mean() - expected)
    assert_allclose(model.predict(X.iloc[:3]), np.tile(expected, (3, 1)))
    assert np.isfinite(model.score(X, y))


@pytest.mark.parametrize(
    ("method", "kept", "said"),
    [
        ("instrumental", slice(0, 0), r"betas of 1 of \d+ assets"),
        ("instrumental", slice(0, 8, 2), r"1 of \d+ assets .* in odd or in even periods"),
        ("litzenberger-ramaswamy", slice(0, 0), r"betas of 1 of \d+ assets"),
        ("litzenberger-ramaswamy", slice(0, 2), r"1 of \d+ assets .* betas have no errors"),
    ],
)
def test_an_asset_with_too_few_returns_is_warned_of_once(method, kept, said):
    X, y = noisy(n_factors=1, missing=0.0)
    short = y.iloc[:, 0].copy()
    y.iloc[:, 0] = np.nan
    y.iloc[kept, 0] = short.iloc[kept]
    with pytest.warns(RankDeficientWarning, match=said) as seen:
        model = BiasCorrectedFamaMacBeth(method=method).fit(X, y)
    assert [warning.filename for warning in seen] == [__file__]
    assert model.inference().describe()["Assets:"] == str(y.shape[1] - 1)


# --- dates on which betas are mostly noise --------------------------------------------------------


def test_dates_without_reliable_betas_fall_back_to_least_squares_and_are_counted():
    X, y = noisy(n_factors=1, missing=0.0)
    betas = FamaMacBeth().fit(X, y).betas_["f1"]
    alike = (betas - betas.median()).abs().nsmallest(6).index
    y.loc[y.index[[4, 7]], ~y.columns.isin(alike)] = np.nan
    plain = FamaMacBeth().fit(X, y)
    model = BiasCorrectedFamaMacBeth(method="litzenberger-ramaswamy")
    with pytest.warns(RankDeficientWarning, match=r"On 2 of 61 .*1970-05\): .*uncorrected") as seen:
        model.fit(X, y)
    assert [warning.filename for warning in seen] == [__file__]
    assert (model.reliability_.iloc[[4, 7]] < 0.0).all()
    assert (model.reliability_.drop(y.index[[4, 7]]) > 0.5).all()
    assert list(model.fallback_dates_) == list(y.index[[4, 7]])
    assert_allclose(model.lambdas_.iloc[[4, 7]], plain.lambdas_.iloc[[4, 7]])
    assert (~np.isclose(model.lambdas_["f1"], plain.lambdas_["f1"], rtol=1e-9)).sum() == 59
    with pytest.raises(ValueError, match="On 2 of 61 dates the reliability"):
        model.set_params(rank_deficient="raise").fit(X, y)


def test_dates_with_weak_instruments_are_trimmed_and_counted():
    X, y = noisy(n_factors=1, missing=0.0)
    halves = BiasCorrectedFamaMacBeth().fit(X, y)
    apart = (halves.odd_betas_["f1"] - halves.even_betas_["f1"]).abs().nlargest(5).index
    y.loc[y.index[10], ~y.columns.isin(apart)] = np.nan
    model = BiasCorrectedFamaMacBeth(min_reliability=0.5)
    with pytest.warns(RankDeficientWarning, match=r"On 1 of 61 dates .*1970-11\): they are trimm"):
        model.fit(X, y)
    assert list(model.trimmed_dates_) == [y.index[10]]
    assert model.lambdas_.iloc[10].isna().all()
    assert_series_equal(model.premia_, model.lambdas_.mean(), check_names=False)
    assert_allclose(model.coef_, model.premia_[["f1"]])
    assert model.intercept_ == model.premia_["const"]
    assert model.inference().df == 59.0
    with pytest.raises(ValueError, match="On 1 of 61 dates the reliability"):
        model.set_params(rank_deficient="raise").fit(X, y)


def test_instruments_that_are_weak_on_every_date_raise():
    X, y = noisy(n_factors=1, missing=0.0)
    with pytest.raises(ValueError, match=r"On 61 of 61 dates .* longer samples"):
        BiasCorrectedFamaMacBeth(min_reliability=0.999).fit(X, y)


@_ignore_weak
def test_a_date_with_too_few_assets_is_nan_and_not_called_unreliable():
    X, y = noisy(missing=0.0)
    y.iloc[4, 2:] = np.nan
    model = BiasCorrectedFamaMacBeth().fit(X, y)
    assert model.lambdas_.iloc[4].isna().all()
    assert np.isnan(model.reliability_.iloc[4])
    assert len(model.trimmed_dates_) == 0


# --- inference ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["ols", "wls"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_errors_of_reduced_slopes_come_from_residuals_and_factors(
    missing, fit_intercept, weighting
):
    X, y = noisy(missing=missing)
    model = BiasCorrectedFamaMacBeth(
        method="litzenberger-ramaswamy", weighting=weighting, fit_intercept=fit_intercept
    ).fit(X, y)
    residuals = model.first_pass_.residuals_
    parts = corrected_loop(
        X, y, "litzenberger-ramaswamy", weighting, fit_intercept, residuals.to_numpy()
    )
    deviations = (X - X.mean()).to_numpy()
    premia = model.premia_.to_numpy()[-2:]
    w = deviations @ np.linalg.solve(deviations.T @ deviations / len(X), premia)
    influence = parts * (1.0 - w)[:, None]
    influence[:, -2:] += deviations
    influence -= influence.mean(axis=0)
    inference = model.inference()
    expected = influence.T @ influence / len(X) / (len(X) - 3)
    assert_allclose(inference.cov, expected, rtol=1e-8)
    assert_allclose(model.inference("fama-macbeth", debiased=False).cov, expected * 58 / 61)
    assert (inference.std_errors < model.lambdas_.std() / 61**0.5).iloc[-2:].all()
    assert "Slopes and estimated betas add to the errors" in str(model.summary())
    for other in ({"premia_window": 40}, {"betas": FactorBetas(fit_intercept=False)}):
        slopes = clone(model).set_params(**other).fit(X, y)
        used = slopes.lambdas_[-other.get("premia_window", 61) :]
        assert_allclose(slopes.inference().cov, used.cov() / len(used))


@pytest.mark.slow
@pytest.mark.parametrize(("n_periods", "n_assets", "noise"), [(60, 300, 0.1), (120, 200, 0.1)])
def test_errors_of_reduced_slopes_hold_their_size(n_periods, n_assets, noise):
    rng, rejected = np.random.default_rng(0), 0
    betas = rng.normal(1.0, 0.5, size=(n_assets, 1))
    for _ in range(200):
        factor = 0.045 * rng.normal(size=(n_periods, 1))
        returns = (
            0.003 + (factor + 0.006) @ betas.T + noise * rng.normal(size=(n_periods, n_assets))
        )
        model = BiasCorrectedFamaMacBeth(method="litzenberger-ramaswamy").fit(factor, returns)
        inference = model.inference()
        rejected += abs(model.coef_[0] - 0.006) > 1.96 * inference.std_errors.iloc[-1]
    assert 0.025 <= rejected / 200 <= 0.085


def test_errors_are_those_of_the_corrected_slopes_over_time():
    X, y = noisy()
    model = BiasCorrectedFamaMacBeth().fit(X, y)
    inference = model.inference()
    assert inference.covariance == "fama-macbeth"
    assert_allclose(inference.cov, model.lambdas_.cov() / len(X))
    kernel = model.inference(kernel="bartlett", bandwidth=4)
    assert (kernel.std_errors != inference.std_errors).all()
    assert "corrected for the errors of the betas" in str(model.summary())


@pytest.mark.parametrize("covariance", ["shanken", "gmm", "krs"])
def test_errors_for_estimated_betas_raise(covariance):
    model = BiasCorrectedFamaMacBeth().fit(*noisy())
    with pytest.raises(ValueError, match=f"'{covariance}' is for least-squares slopes"):
        model.inference(covariance)


def test_what_rests_on_least_squares_raises():
    X, y = noisy(missing=0.0)
    model = BiasCorrectedFamaMacBeth().fit(X, y)
    with pytest.raises(ValueError, match="j_test is for least-squares slopes"):
        j_test(model)


# --- failures -----------------------------------------------------------------------------------


def test_a_panel_raises_and_says_why():
    _, y = noisy(missing=0.0)
    index = pd.MultiIndex.from_product([y.index, y.columns], names=["date", "asset"])
    panel = pd.DataFrame({"beta": np.random.default_rng(0).normal(size=len(index))}, index)
    with pytest.raises(ValueError, match="in a panel the exposures are given"):
        BiasCorrectedFamaMacBeth().fit(panel, y.stack().reindex(index))


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({"window": 24}, r"rolling \(window=24\)"),
        ({"expanding": True}, "expanding"),
        ({"halflife": 12.0}, r"weighted \(halflife=12.0\)"),
        ({"shrinkage": "vasicek"}, r"shrunk \(shrinkage='vasicek'\)"),
    ],
)
def test_betas_that_change_over_time_or_are_weighted_raise(parameters, kind):
    betas = FactorBetas(**parameters)
    with pytest.raises(ValueError, match=rf"betas of the whole sample.*these are {kind}"):
        BiasCorrectedFamaMacBeth(betas=betas).fit(*noisy())


@_ignore_weak
def test_assets_too_short_for_two_halves_raise():
    X, y = noisy(missing=0.0)
    y.iloc[1::2, 1:] = np.nan
    with pytest.raises(ValueError, match=r"Only 1 of the 80 .* in the odd and in the even"):
        BiasCorrectedFamaMacBeth().fit(X, y)


@pytest.mark.parametrize(
    "parameters", [{"method": "ols"}, {"min_reliability": 1.0}, {"weighting": "gls"}]
)
def test_unknown_options_raise(parameters):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter"):
        BiasCorrectedFamaMacBeth(**parameters).fit(*noisy())


# --- scikit-learn -------------------------------------------------------------------------------

PASSED_WITH_ONE_ASSET = {
    "check_complex_data",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimator_tags_renamed",
    "check_estimators_empty_data_messages",
    "check_estimators_partial_fit_n_features",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
    "check_valid_tag_types",
}


@_ignore_weak
@pytest.mark.parametrize("method", METHODS)
def test_checks_of_scikit_learn_fail_for_the_single_asset_alone(method):
    results = check_estimator(BiasCorrectedFamaMacBeth(method=method), on_fail=None, on_skip=None)
    passed = {each["check_name"] for each in results if each["status"] == "passed"}
    assert passed >= PASSED_WITH_ONE_ASSET

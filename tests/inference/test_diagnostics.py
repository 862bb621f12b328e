"""Warning signs: the tests of betas against statsmodels, useless factors, disagreements."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from reference_premia import french_two_pass
from scipy import stats
from sklearn.exceptions import NotFittedError

from skfactor import FamaMacBeth
from skfactor.exceptions import RankDeficientWarning


def useless(seed=0, n_periods=400):
    """A priced factor and one that has nothing to do with the returns."""
    rng = np.random.default_rng(seed)
    factor = 0.005 + 0.04 * rng.normal(size=(n_periods, 1))
    betas = 1.0 + rng.normal(size=(8, 1))
    returns = factor @ betas.T + 0.02 * rng.normal(size=(n_periods, 8))
    X = pd.DataFrame({"market": factor[:, 0], "noise": 0.04 * rng.normal(size=n_periods)})
    return X, pd.DataFrame(returns)


@pytest.mark.parametrize("zero_beta", [True, False])
def test_beta_tests_are_robust_wald_tests_of_a_system_of_regressions(zero_beta):
    # Stacked, with errors clustered by date, which is White's covariance of the whole system.
    X, y = useless(n_periods=120)
    found = FamaMacBeth(fit_intercept=zero_beta).fit(X, y).diagnostics().beta_tests
    system = np.kron(np.eye(8), sm.add_constant(X.to_numpy()))
    fit = sm.OLS(y.to_numpy().T.ravel(), system).fit(
        cov_type="cluster", cov_kwds={"groups": np.tile(np.arange(120), 8), "use_correction": False}
    )
    for k, name in enumerate(["market", "noise"]):
        contrast = np.zeros((8, 24))
        contrast[np.arange(8), 3 * np.arange(8) + k + 1] = 1.0
        contrast = contrast[1:] - contrast[0] if zero_beta else contrast
        test = fit.wald_test(contrast, use_f=False, scalar=True)
        assert_allclose(found.loc[name, "statistic"], test.statistic, rtol=1e-8)
        assert found.loc[name, "df"] == 8 - zero_beta
    assert found.loc["market", "p_value"] == 1 / 200


@pytest.mark.slow
@pytest.mark.parametrize(("n_periods", "n_draws"), [(60, 60), (819, 20)])
def test_a_market_with_random_signs_is_useless(n_periods, n_draws):
    # Its squares are those of the market, so that homoskedastic tests find betas in the noise.
    X, y = french_two_pass()
    rng, missed = np.random.default_rng(n_periods), np.zeros(2)
    for _ in range(n_draws):
        start = int(rng.integers(0, len(X) - n_periods + 1))
        market, returns = X[["MktRF"]][start:][:n_periods], y[start:][:n_periods]
        flipped = market.assign(useless=market["MktRF"] * rng.choice([-1.0, 1.0], n_periods))
        diagnostics = FamaMacBeth().fit(flipped, returns).diagnostics()
        missed += ["useless" not in diagnostics.useless, diagnostics.rank.p_value <= 0.05]
    assert missed.max() <= 0.12 * n_draws


@pytest.mark.slow
@pytest.mark.parametrize(("n_periods", "n_assets"), [(60, 10), (60, 25)])
def test_useless_factors_are_found_under_fat_tails_that_assets_share(n_periods, n_assets):
    rng, missed = np.random.default_rng(0), np.zeros(2)
    betas = rng.normal(1.0, 0.4, size=(n_assets, 3)) * [1.0, 1.0, 0.0]
    mixed = 0.02 * (np.eye(n_assets) + 0.3 * rng.normal(size=(n_assets, n_assets)) / n_assets**0.5)
    for _ in range(80):
        scale = np.sqrt(3.0 / rng.chisquare(5, size=(n_periods, 1)))
        factors = 0.045 * rng.normal(size=(n_periods, 3)) * scale
        noise = rng.normal(size=(n_periods, n_assets)) @ mixed * scale
        model = FamaMacBeth().fit(factors, 0.01 + factors @ betas.T + noise)
        diagnostics = model.diagnostics()
        missed += [len(diagnostics.useless) == 0, diagnostics.rank.p_value <= 0.05]
    assert missed.max() <= 0.11 * 80


@pytest.mark.slow
def test_size_value_and_momentum_are_found_in_windows_of_sixty_months():
    X, y = french_two_pass()
    found, windows = np.zeros(3), range(0, len(X) - 60, 20)
    for start in windows:
        model = FamaMacBeth().fit(X[start : start + 60], y[start : start + 60])
        found += ~np.isin(["SMB", "HML", "Mom"], model.diagnostics().useless)
    assert (found >= 0.95 * len(windows)).all()


def test_samples_are_as_many_as_the_level_needs():
    X, y = useless()
    model = FamaMacBeth().fit(X[["market"]], y)
    strict = model.diagnostics(significance=0.001)
    assert strict.useless == []
    assert_allclose(strict.beta_tests["p_value"], 1e-4)
    assert strict.rank.p_value == pytest.approx(1e-4)
    with pytest.raises(ValueError, match="below the smallest p-value of a bootstrap of 9999 sam"):
        model.diagnostics(significance=1e-5)


def test_a_useless_factor_is_named():
    named = 0
    for seed in range(25):
        diagnostics = FamaMacBeth().fit(*useless(seed)).diagnostics()
        named += diagnostics.useless == ["noise"]
        if diagnostics.useless:
            assert "['noise'] hardly differ between assets" in diagnostics.warnings[0]
    assert named >= 21


def test_good_factors_get_no_warning():
    diagnostics = FamaMacBeth().fit(*french_two_pass()).diagnostics()
    assert diagnostics.warnings == []
    assert "No warning signs." in str(diagnostics)
    assert "No warning signs." in diagnostics._repr_html_()


def test_disagreement_is_between_the_two_t_values():
    X, y = french_two_pass()
    model = FamaMacBeth().fit(X, y)
    expected = {kind: model.inference(kind).t_values for kind in ("fama-macbeth", "krs")}
    diagnostics = model.diagnostics()
    assert_allclose(diagnostics.t_values, pd.DataFrame(expected))
    # A level between the two p-values of the market's premium makes them disagree.
    levels = sorted(model.inference(kind).p_values["const"] for kind in expected)
    between = model.diagnostics(significance=sum(levels) / 2)
    assert "const" in between.disagreements
    assert any("disagree" in warning for warning in between.warnings)


def test_the_summary_shows_a_line_for_a_useless_factor():
    X, y = useless()
    assert "['noise'] hardly differ" in str(FamaMacBeth().fit(X, y).summary())
    assert "hardly differ" not in str(FamaMacBeth().fit(X[["market"]], y).summary())


def test_mistakes_raise():
    X, y = useless()
    with pytest.raises(ValueError, match="significance=0 has to lie between"):
        FamaMacBeth().fit(X, y).diagnostics(significance=0)
    with pytest.raises(ValueError, match=r"of 8 assets and needs 12 dates; found 10"):
        FamaMacBeth().fit(X[:10], y[:10]).diagnostics()
    index = pd.MultiIndex.from_product([range(2000, 2006), list("abcdef")], names=["year", "asset"])
    panel = pd.DataFrame(np.random.default_rng(0).normal(size=(36, 2)), index, ["a", "b"])
    with pytest.raises(ValueError, match=r"diagnostics needs a FamaMacBeth .*wide form"):
        FamaMacBeth().fit(panel[["a"]], panel["b"]).diagnostics()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: y[:10], r"the test .* of 8 assets and needs 12 dates; found 10"),
        (lambda y: y.assign(again=y[0]), r"covariance is singular, .* combinations of others"),
    ],
)
def test_the_summary_says_that_useless_factors_were_not_sought(change, match):
    X, y = useless()
    y = change(y)
    summary = " ".join(str(FamaMacBeth().fit(X.loc[y.index], y).summary()).split())
    assert re.search(rf"a factor is useless was not tested[:.] .*{match}", summary)


def test_useless_factors_are_found_where_returns_are_missing():
    named, p_values = 0, []
    for seed in range(25):
        X, y = useless(seed, n_periods=100)
        y = y.mask(np.random.default_rng(seed).random(y.shape) < 0.08)
        model = FamaMacBeth().fit(X, y)
        diagnostics = model.diagnostics()
        assert diagnostics.rank is None
        assert "not tested, some returns are missing" in str(diagnostics)
        assert diagnostics.beta_tests.loc["market", "p_value"] == 0.005
        p_values.append(diagnostics.beta_tests.loc["noise", "p_value"])
        named += "['noise'] hardly differ" in str(model.summary())
    assert named == (np.array(p_values) > 0.05).sum()
    # Uniform, as of a test of the right size.
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_one_missing_return_changes_the_tests_of_betas_little():
    X, y = useless()
    complete = FamaMacBeth().fit(X, y).diagnostics().beta_tests
    y.iloc[3, 3] = np.nan
    found = FamaMacBeth().fit(X, y).diagnostics().beta_tests
    assert_allclose(found["statistic"], complete["statistic"], rtol=0.05)
    assert list(found["df"]) == list(complete["df"]) == [7, 7]


def test_a_factor_among_the_assets_has_a_beta_without_error():
    X, y = useless()
    expected = FamaMacBeth(fit_intercept=False).fit(X, y).diagnostics().beta_tests
    model = FamaMacBeth().fit(X, y.assign(market=X["market"]))
    found = model.diagnostics().beta_tests
    # Its beta on the noise is zero, and so are those of the others if all are the same.
    assert_allclose(found.loc["noise", "statistic"], expected.loc["noise", "statistic"], rtol=1e-8)
    assert found.loc["noise", "df"] == expected.loc["noise", "df"]
    assert "['noise'] hardly differ" in str(model.summary())


@pytest.mark.parametrize("zero_beta", [True, False])
def test_factors_among_the_assets_have_betas_that_differ_for_certain(zero_beta):
    X, y = useless()
    both = y.assign(market=X["market"], noise=X["noise"])
    model = FamaMacBeth(weighting="gls", fit_intercept=zero_beta).fit(X, both)
    assert "hardly differ" not in str(model.summary())
    both.iloc[3, 3] = np.nan
    tests = FamaMacBeth(fit_intercept=zero_beta).fit(X, both).diagnostics().beta_tests
    assert list(tests["p_value"]) == [0.0, 0.0]
    assert list(tests["statistic"]) == [np.inf, np.inf]
    only = pd.DataFrame({"a": X["market"], "b": X["noise"], "c": X["market"] - X["noise"]})
    model = FamaMacBeth(fit_intercept=False).fit(X, only.assign(d=2.0 * X["market"]))
    assert "useless" not in str(model.summary())


def test_short_histories_do_not_weaken_or_inflate_the_tests():
    p_values = []
    for seed in range(25):
        X, y = useless(seed, n_periods=150)
        y.iloc[:-20, 4:] = np.nan
        found = FamaMacBeth().fit(X, y).diagnostics().beta_tests
        assert found.loc["noise", "df"] == 3  # of the four long ones
        assert found.loc["market", "p_value"] == 0.005
        p_values.append(found.loc["noise", "p_value"])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_histories_may_be_too_short_to_be_tested_together():
    X, y = useless(n_periods=40)
    rng = np.random.default_rng(0)
    for asset in y:
        y.loc[rng.permutation(40)[5 - asset % 2 :], asset] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # of dates with few assets
        summary = " ".join(str(FamaMacBeth().fit(X, y).summary("fama-macbeth")).split())
    assert "was not tested. The histories of the assets are too short" in summary


def test_averages_of_some_dates_are_not_diagnosed():
    with pytest.raises(ValueError, match=r"diagnostics is for averages of all dates"):
        FamaMacBeth(premia_window=50).fit(*useless()).diagnostics()


def test_as_many_assets_as_premia_have_betas_to_be_tested():
    X, y = useless()
    diagnostics = FamaMacBeth().fit(X, y.iloc[:, :3]).diagnostics()
    assert diagnostics.useless == ["noise"]
    assert diagnostics.rank.df == (1,)
    assert diagnostics.t_values.notna().to_numpy().all()


def test_an_unfitted_model_raises():
    with pytest.raises(NotFittedError):
        FamaMacBeth().diagnostics()

"""Warning signs: the F test of betas against statsmodels, useless factors, disagreements."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_premia import french_two_pass
from statsmodels.multivariate.multivariate_ols import _MultivariateOLS

from skfactor import FamaMacBeth


def useless(seed=0, n_periods=400):
    """A priced factor and one that has nothing to do with the returns."""
    rng = np.random.default_rng(seed)
    factor = 0.005 + 0.04 * rng.normal(size=(n_periods, 1))
    betas = 1.0 + rng.normal(size=(8, 1))
    returns = factor @ betas.T + 0.02 * rng.normal(size=(n_periods, 8))
    X = pd.DataFrame({"market": factor[:, 0], "noise": 0.04 * rng.normal(size=n_periods)})
    return X, pd.DataFrame(returns)


@pytest.mark.parametrize("zero_beta", [True, False])
def test_beta_tests_are_those_of_a_multivariate_regression(zero_beta):
    X, y = useless()
    found = FamaMacBeth(fit_intercept=zero_beta).fit(X, y).diagnostics().beta_tests
    targets = y.to_numpy()
    if zero_beta:
        targets = targets[:, 1:] - targets[:, :1]
    design = np.column_stack([np.ones(len(X)), X])
    fit = _MultivariateOLS(targets, design).fit()
    for k, name in enumerate(["market", "noise"]):
        contrast = np.eye(3)[[k + 1]]
        test = fit.mv_test([(name, contrast)]).results[name]["stat"].loc["Wilks' lambda"]
        assert_allclose(found.loc[name, "statistic"], test["F Value"], rtol=1e-8)
        assert_allclose(found.loc[name, "p_value"], test["Pr > F"], rtol=1e-6, atol=1e-12)
        assert found.loc[name, "df"] == (test["Num DF"], test["Den DF"])


def test_a_useless_factor_is_named():
    named = 0
    for seed in range(40):
        diagnostics = FamaMacBeth().fit(*useless(seed)).diagnostics()
        named += diagnostics.useless == ["noise"]
        if diagnostics.useless:
            assert "['noise'] hardly differ between assets" in diagnostics.warnings[0]
    assert named >= 34


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
    between = model.diagnostics(level=sum(levels) / 2)
    assert "const" in between.disagreements
    assert any("disagree" in warning for warning in between.warnings)


def test_the_summary_shows_a_line_for_a_useless_factor():
    X, y = useless()
    assert "['noise'] hardly differ" in str(FamaMacBeth().fit(X, y).summary())
    assert "hardly differ" not in str(FamaMacBeth().fit(X[["market"]], y).summary())


def test_mistakes_raise():
    X, y = useless()
    with pytest.raises(ValueError, match="level=0 has to lie between"):
        FamaMacBeth().fit(X, y).diagnostics(level=0)
    with pytest.raises(ValueError, match=r"of 8 assets and needs 12 dates; found 10"):
        FamaMacBeth().fit(X[:10], y[:10]).diagnostics()
    index = pd.MultiIndex.from_product([range(2000, 2006), list("abcdef")], names=["year", "asset"])
    panel = pd.DataFrame(np.random.default_rng(0).normal(size=(36, 2)), index, ["a", "b"])
    with pytest.raises(ValueError, match=r"diagnostics needs a FamaMacBeth .*wide form"):
        FamaMacBeth().fit(panel[["a"]], panel["b"]).diagnostics()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda y: y.mask(np.eye(len(y), y.shape[1]) > 0),
            r"complete returns, and some are missing",
        ),
        (lambda y: y[:10], r"of 8 assets and needs 12 dates; found 10"),
    ],
)
def test_the_summary_says_that_useless_factors_were_not_sought(change, match):
    X, y = useless()
    y = change(y)
    summary = str(FamaMacBeth().fit(X.loc[y.index], y).summary())
    assert re.search(rf"a factor is useless was not\s+tested: the test .*{match}", summary)


def test_averages_of_some_dates_are_not_diagnosed():
    with pytest.raises(ValueError, match=r"diagnostics is for averages of all dates"):
        FamaMacBeth(premia_window=50).fit(*useless()).diagnostics()

"""Quadratic forms, and the tests that refuse where their covariance has no inverse."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference_premia import FACTORS, french_two_pass

from skfactor import FamaMacBeth, TradedFactorModel
from skfactor._definite import cholesky_factor, quadratic_form
from skfactor.inference import j_test, screen_factors, shanken_test


def covariance(n, unit=1.0):
    root = np.random.default_rng(0).normal(size=(3 * n, n)) * np.geomspace(1.0, unit, n)
    return root.T @ root


@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e-13])
def test_a_quadratic_form_is_that_of_the_inverse_in_any_units(unit):
    values, cov = np.arange(5.0) * np.geomspace(1.0, unit, 5), covariance(5, unit)
    exact = values / np.geomspace(1.0, unit, 5)
    expected = exact @ np.linalg.inv(covariance(5)) @ exact
    assert_allclose(quadratic_form(values, cov, "no"), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "mix",
    [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]],
        [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]],
        [[1.0, 0.0, 0.3], [0.0, 1.0, -0.7], [0.0, 0.0, 1e-12]],
        [[np.nan, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ],
)
def test_what_depends_on_the_others_is_refused(mix):
    cov = np.array(mix).T @ covariance(3) @ np.array(mix)
    assert cholesky_factor(cov) is None
    with pytest.raises(ValueError, match="said why"):
        quadratic_form(np.ones(3), cov, "said why")


# --- tests of models ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def french():
    X, y = french_two_pass()
    return X[FACTORS[:3]], y


@pytest.mark.parametrize("test", [j_test, shanken_test, screen_factors])
@pytest.mark.parametrize("seed", range(6))
def test_assets_that_follow_from_others_are_refused_in_any_order(french, test, seed):
    X, y = french
    y = y.assign(again=y.iloc[:, 0], average=y.mean(axis=1))
    y = y.iloc[:, np.random.default_rng(seed).permutation(y.shape[1])]
    with pytest.raises(ValueError, match=r"inverts the covariance .* singular"):
        test(FamaMacBeth().fit(X, y))
    with pytest.raises(ValueError, match=r"returns' covariance is singular"):
        FamaMacBeth(weighting="gls").fit(X, y)


@pytest.mark.parametrize("n_dates", [15, 16, 17])
def test_too_few_dates_are_refused(french, n_dates):
    X, y = (table[:n_dates] for table in french)
    with pytest.raises(ValueError, match=rf"j_test .* singular for these {n_dates} dates and 18"):
        j_test(FamaMacBeth().fit(X, y))
    with pytest.raises(ValueError, match=r"covariance of the 18 estimates is singular"):
        TradedFactorModel().fit(X, y).alpha_inference().wald_test()


@pytest.mark.parametrize("kind", ["an asset again", "a factor", "a constant"])
def test_alphas_without_errors_of_their_own_are_not_tested_together(french, kind):
    X, y = french
    added = {"an asset again": y.iloc[:, 0], "a factor": X["SMB"], "a constant": 0.001}[kind]
    inference = TradedFactorModel().fit(X, y.assign(added=added)).alpha_inference()
    with pytest.raises(ValueError, match=r"covariance of the 19 estimates is singular"):
        inference.wald_test()
    expected = TradedFactorModel().fit(X, y).alpha_inference().wald_test()
    found = inference.wald_test(list(y.columns))
    assert_allclose(found.statistic, expected.statistic, rtol=1e-9)

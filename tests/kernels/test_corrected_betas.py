"""Covariances of estimated betas against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from reference_premia import random_two_pass

from skfactor import FactorBetas
from skfactor._kernels.corrected_betas import beta_covariances


def _covariances(first_pass, X):
    betas, residuals = first_pass.betas_.to_numpy(), first_pass.residuals_.to_numpy()
    return beta_covariances(betas, residuals, X.to_numpy(), first_pass.fit_intercept)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_covariances_of_betas_are_those_of_statsmodels(fit_intercept):
    X, y = random_two_pass(np.random.default_rng(0), missing=0.3)
    X.iloc[3, 0] = np.nan
    first_pass = FactorBetas(fit_intercept=fit_intercept).fit(X, y)
    design = sm.add_constant(X) if fit_intercept else X
    for i, covariance in enumerate(_covariances(first_pass, X)):
        expected = sm.OLS(y.iloc[:, i], design, missing="drop").fit().cov_params()
        assert_allclose(covariance, expected.loc[X.columns, X.columns], rtol=1e-10)


def test_an_asset_without_a_degree_of_freedom_has_none():
    X, y = random_two_pass(np.random.default_rng(0))
    y.iloc[X.shape[1] + 1 :, 5] = np.nan
    found = _covariances(FactorBetas().fit(X, y), X)
    assert np.isnan(found[5]).all()
    assert np.isfinite(np.delete(found, 5, axis=0)).all()

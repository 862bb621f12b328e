"""Errors of betas against statsmodels, asset by asset and of portfolios."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from skfactor import FactorBetas, FamaMacBeth
from skfactor.datasets import make_two_pass
from skfactor.exceptions import RankDeficientWarning

HAC = {"kernel": "bartlett", "bandwidth": 3}


@pytest.fixture(scope="module")
def wide():
    factors, returns = make_two_pass(n_periods=60, n_assets=6, random_state=0, return_X_y=True)
    return factors, returns * (1.0 + factors.iloc[:, [0]].to_numpy() ** 2 * 50.0)


def _theirs(factors, series, fit_intercept=True, **how):
    known = series.notna()
    x = sm.add_constant(factors[known]) if fit_intercept else factors[known]
    return sm.OLS(series[known], x).fit(**how).bse[list(factors)]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_errors_agree_with_statsmodels(wide, fit_intercept):
    factors, returns = wide
    gappy = returns.copy()
    gappy.iloc[:15, 1] = np.nan
    model = FactorBetas(fit_intercept=fit_intercept).fit(factors, gappy)
    hc1, hac = model.standard_errors(), model.standard_errors("hc1", **HAC)
    lags = {"maxlags": 3, "use_correction": True}
    for asset, series in gappy.items():
        expected = _theirs(factors, series, fit_intercept, cov_type="HC1")
        assert_allclose(hc1.loc[asset], expected, rtol=1e-9)
        expected = _theirs(factors, series, fit_intercept, cov_type="HAC", cov_kwds=lags)
        assert_allclose(hac.loc[asset], expected, rtol=1e-9)
    assert_allclose(model.standard_errors("classical"), model.std_errors_)
    assert not np.allclose(hc1, model.std_errors_, rtol=0.05)


def test_portfolios_have_the_errors_of_their_own_return(wide):
    factors, returns = wide
    model = FamaMacBeth().fit(factors, returns)
    weights = pd.Series([0.5, -0.2, 0.7], returns.columns[[0, 2, 3]])
    own = returns[weights.index] @ weights
    for options, theirs in (
        ({}, {"cov_type": "HC1"}),
        (HAC, {"cov_type": "HAC", "cov_kwds": {"maxlags": 3, "use_correction": True}}),
    ):
        found = model.portfolio_betas(weights, "hc1", **options)
        assert_allclose(found["std_error"], _theirs(factors, own, **theirs), rtol=1e-9)
    plain = model.portfolio_betas(weights)
    assert_allclose(plain["std_error"], _theirs(factors, own), rtol=1e-9)


def test_mistakes(wide):
    factors, returns = wide
    model = FactorBetas().fit(factors, returns)
    cases = [
        (model, ("white",), {}, "'white' is unknown; it is one of"),
        (model, ("classical",), HAC, "covariance='classical' is for residuals that do not depend"),
        (model, (), {"kernel": "ewc"}, "standard_errors has neither"),
        (model, (), {"bandwidth": 3}, "bandwidth=3 needs a kernel"),
        (FactorBetas(window=24).fit(factors, returns), (), {}, "these are rolling"),
    ]
    for which, args, options, message in cases:
        with pytest.raises(ValueError, match=message):
            which.standard_errors(*args, **options)
    with pytest.raises(ValueError, match="'white' is unknown"):
        FamaMacBeth().fit(factors, returns).portfolio_betas(pd.Series(dtype=float), "white")
    short = returns.copy()
    short.iloc[4:, 0] = np.nan
    with pytest.warns(RankDeficientWarning):
        sparse = FactorBetas(min_periods=10).fit(factors, short)
    assert sparse.standard_errors().isna().all(axis=1).tolist() == [True] + [False] * 5

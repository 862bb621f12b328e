"""Hand-over of risk models: the same minimum-variance portfolio through each optimizer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor.risk import RiskModel, cvxrisk_model, skfolio_prior


@pytest.fixture
def risk():
    """A model whose factors a constraint ties: their covariance has no inverse."""
    rng = np.random.default_rng(0)
    assets = [f"A{i:02d}" for i in range(30)]
    group = np.eye(3)[np.arange(30) % 3]
    exposures = np.column_stack([np.ones(30), group, rng.normal(size=30)])
    names = ["const", "a", "b", "c", "size"]
    returns = rng.normal(size=(200, 5)) * [0.04, 0.02, 0.02, 0.02, 0.01]
    returns[:, 1:4] -= returns[:, 1:4].mean(axis=1, keepdims=True)
    return RiskModel(
        pd.DataFrame(exposures, assets, names),
        pd.DataFrame(np.cov(returns.T), names, names),
        pd.Series(rng.uniform(0.5, 3.0, 30) * 4e-3, assets),
    )


@pytest.fixture
def weights(risk):
    """The long-only portfolio of least variance, by projected steps on the whole matrix."""
    sigma = risk.covariance().to_numpy()
    held = np.ones(30, dtype=bool)
    while True:  # with these variances no asset that leaves comes back
        w = np.zeros(30)
        w[held] = np.linalg.solve(sigma[np.ix_(held, held)], np.ones(held.sum()))
        if (w >= 0.0).all():
            break
        held &= w > 0.0
    w /= w.sum()
    slack = sigma @ w - w @ sigma @ w
    assert (slack > -1e-12).all()
    return pd.Series(w, risk.exposures.index)


def test_cvxpy_takes_the_root_of_the_factors(risk, weights):
    cp = pytest.importorskip("cvxpy")
    w = cp.Variable(30)
    root = (risk.exposures @ risk.sqrt_factors()).to_numpy()
    specific = np.sqrt(risk.specific_variance.to_numpy())
    variance = cp.sum_squares(root.T @ w) + cp.sum_squares(cp.multiply(specific, w))
    cp.Problem(cp.Minimize(variance), [w >= 0, cp.sum(w) == 1]).solve(solver="CLARABEL")
    assert_allclose(w.value, weights, atol=1e-6)
    assert np.sqrt(variance.value) == pytest.approx(risk.volatility(weights), rel=1e-6)


def test_cvxrisk_takes_exposures_and_standard_deviations(risk, weights):
    pytest.importorskip("cvx.risk")
    from cvx.core.variable import Variable
    from cvx.risk.portfolio import minrisk_problem

    w = Variable(30)
    minrisk_problem(cvxrisk_model(risk), w).solve()
    assert_allclose(w.value, weights, atol=1e-5)
    assert risk.volatility(pd.Series(w.value, weights.index)) == pytest.approx(
        risk.volatility(weights), rel=1e-6
    )


def test_skfolio_takes_a_prior(risk, weights):
    pytest.importorskip("skfolio")
    from skfolio.optimization import MeanRisk

    returns = pd.DataFrame(
        np.random.default_rng(1).normal(size=(50, 30)) / 50.0, columns=weights.index[::-1]
    )
    found = MeanRisk(prior_estimator=skfolio_prior(risk)).fit(returns)
    ours = pd.Series(found.weights_, returns.columns)[weights.index]
    assert risk.volatility(ours) == pytest.approx(risk.volatility(weights), rel=1e-6)
    mean = pd.Series(0.01, weights.index)
    prior = skfolio_prior(risk, mean).fit(returns).return_distribution_
    assert_allclose(prior.mu, 0.01)
    assert_allclose(prior.covariance, risk.covariance().iloc[::-1, ::-1])
    with pytest.raises(ValueError, match="has no value for the assets"):
        skfolio_prior(risk, mean[:-1]).fit(returns)
    with pytest.raises(ValueError, match="is not known"):
        skfolio_prior(risk).fit(returns.add_suffix("x", axis=1))


def test_pyportfolioopt_takes_the_covariance(risk, weights):
    pytest.importorskip("pypfopt")
    from pypfopt import EfficientFrontier

    found = EfficientFrontier(None, risk.covariance()).min_volatility()
    assert_allclose(pd.Series(found), weights, atol=1e-5)


def test_mistakes_are_told(risk):
    pytest.importorskip("cvx.risk")
    with pytest.raises(TypeError, match="has to be a RiskModel"):
        cvxrisk_model(risk.exposures)
    exposures = risk.exposures.copy()
    exposures.iloc[0] = np.nan
    dark = RiskModel(exposures, risk.factor_covariance, risk.specific_variance)
    with pytest.raises(ValueError, match=r"assets \['A00'\] is not known"):
        cvxrisk_model(dark)
    assert cvxrisk_model(dark, exposures.index[1:]) is not None

"""RiskPremiumPCA on French returns, against a direct eigenproblem and stored numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor import ReturnPCA, RiskPremiumPCA
from skfactor.datasets import load_french

french = load_french()
RETURNS = french.filter(regex="^S[135]").sub(french["RF"], axis=0)

# By another program, from the N x N eigenproblem: Sharpe ratios with 1, 3 and 5 factors, root mean
# square of alphas and unexplained variance with 3.
STORED = {
    -1.0: ([0.14453800660221608, 0.25998591514250263, 0.38588472484329933],
           0.002943643002108286, 0.09868263082192495),
    10.0: ([0.1535239788621005, 0.3560326640784797, 0.410395646006287],
           0.0021126471362586142, 0.10238863449288559),
    50.0: ([0.16927385948337278, 0.38071072331145583, 0.41795409357350044],
           0.0018253393475909192, 0.10483418616964657),
}  # fmt: skip


@pytest.mark.parametrize("gamma", STORED)
def test_french_returns_have_the_stored_numbers(gamma):
    sharpe, alpha, unexplained = STORED[gamma]
    models = [RiskPremiumPCA(n, gamma=gamma).fit(RETURNS) for n in (1, 3, 5)]
    assert_allclose([model.max_sharpe_ for model in models], sharpe, rtol=1e-11)
    assert models[1].rms_alpha_ == pytest.approx(alpha, rel=1e-11)
    assert models[1].unexplained_variance_ratio_ == pytest.approx(unexplained, rel=1e-11)


def test_scaled_returns_have_the_stored_numbers():
    model = RiskPremiumPCA(5, scale=True).fit(RETURNS)
    assert_allclose(
        model.loadings_.iloc[:3, 0],
        [0.06258438114955649, 0.05870982189691201, 0.0639831102842075],
        rtol=1e-11,
    )
    assert_allclose(
        model.premia_,
        [0.15009847277904276, 0.031513505210395885, 0.029684094247198086, 0.016628034194224137,
         0.005169411695040966],
        rtol=1e-9,
    )  # fmt: skip
    assert_allclose(model.eigenvalues_[:2], [1.019182843857604, 0.06882887670624314], rtol=1e-11)
    assert model.max_sharpe_ == pytest.approx(0.40650467236148063, rel=1e-10)


@pytest.mark.parametrize("shape", [(819, 18), (12, 18)])
@pytest.mark.parametrize("gamma", [-0.5, 0.0, 20.0])
def test_loadings_are_eigenvectors_of_the_weighted_moments(shape, gamma):
    x = RETURNS.iloc[: shape[0]].to_numpy()
    model = RiskPremiumPCA(3, gamma=gamma).fit(x)
    mean = x.mean(axis=0)
    moments = x.T @ x / len(x) + gamma * np.outer(mean, mean)
    loadings = model.loadings_.to_numpy()
    assert_allclose(moments @ loadings, loadings * model.eigenvalues_[:3] * 18, atol=1e-13)
    assert_allclose(loadings.T @ loadings, 18 * np.eye(3), atol=1e-10)
    assert_allclose(model.factors_, x @ loadings / 18, atol=1e-14)
    assert_allclose(model.transform(x), x @ model.weights_.to_numpy(), rtol=1e-12)


def test_special_weights_of_the_means_are_principal_components():
    for gamma, center in ((-1.0, True), (0.0, False)):
        one, other = RiskPremiumPCA(3, gamma=gamma), ReturnPCA(3, center=center)
        assert_allclose(one.fit(RETURNS).loadings_, other.fit(RETURNS).loadings_, rtol=1e-12)


def test_average_returns_are_explained_better_the_more_they_weigh():
    models = [RiskPremiumPCA(3, gamma=gamma).fit(RETURNS) for gamma in (-1.0, 10.0, 50.0)]
    alphas = [model.rms_alpha_ for model in models]
    assert alphas == sorted(alphas, reverse=True)
    scores = [RiskPremiumPCA(3, gamma=g).fit(RETURNS[:400]).score(RETURNS[400:]) for g in (0, 10)]
    residuals = RETURNS - RETURNS @ models[1].weights_ @ models[1].loadings_.T
    expected = -np.sqrt(np.mean(residuals.mean() ** 2))
    assert models[1].score(RETURNS) == pytest.approx(expected, rel=1e-9)
    assert max(scores) < 0.0


def test_weights_below_minus_one_are_refused():
    with pytest.raises(ValueError, match="gamma"):
        RiskPremiumPCA(gamma=-2.0).fit(RETURNS)

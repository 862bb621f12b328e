"""Three passes against the paper's formulas, written with Kronecker products, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.principal import leading_directions
from skfactor._kernels.three_pass import (
    second_pass,
    standardized,
    supervised_factors,
    third_pass,
    zero_beta_influence,
)


def draw(n_periods, n_assets, seed=0, zero_beta=0.0):
    """Returns of three factors, and observed ones: one of them, a mixture, and noise."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal([1.0, 0.0, 0.0], 1.0, (n_assets, 3))
    premia, eta = np.array([0.4, 0.2, -0.1]), np.array([[1.0, 0, 0], [0.5, 0.5, 0.3], [0, 0, 0]])
    v = rng.normal(size=(n_periods, 3))
    returns = zero_beta + (premia + v) @ loadings.T + rng.normal(size=(n_periods, n_assets))
    observed = v @ eta.T + rng.normal(size=(n_periods, 3)) * [0.3, 1.0, 1.0]
    return returns, observed, eta @ premia


def components(returns, n):
    centred = returns - returns.mean(axis=0)
    values, vectors = leading_directions(centred, n)
    return centred @ vectors / np.sqrt(values[:n] / len(returns))


def by_the_paper(returns, observed, n, lags=0):
    """Premia, covariance and Wald statistics by singular values and Kronecker products."""
    t = len(returns)
    r, g = (returns - returns.mean(axis=0)).T, (observed - observed.mean(axis=0)).T
    v = np.sqrt(t) * np.linalg.svd(r.T @ r)[0][:, :n].T
    beta, eta = r @ v.T / t, g @ v.T / t
    gamma = np.linalg.inv(beta.T @ beta) @ beta.T @ returns.mean(axis=0)
    w = g - eta @ v
    d = len(g)
    # z_t = vec(w_t v_t'), and the long-run covariances of (z, v).
    z = np.array([np.kron(v[:, s], w[:, s]) for s in range(t)])
    series = np.hstack([z, v.T])
    pi = series.T @ series / t
    for lag in range(1, lags + 1):
        product = series[lag:].T @ series[:-lag] / t
        pi += (1.0 - lag / (lags + 1.0)) * (product + product.T)
    left = np.kron(gamma, np.eye(d))
    p11, p12, p22 = pi[: d * n, : d * n], pi[: d * n, d * n :], pi[d * n :, d * n :]
    cross = left @ p12 @ eta.T
    phi = left @ p11 @ left.T + cross + cross.T + eta @ p22 @ eta.T
    rows = [np.arange(n) * d + i for i in range(d)]
    wald = [t * eta[i] @ np.linalg.inv(p11[np.ix_(k, k)]) @ eta[i] for i, k in enumerate(rows)]
    return eta @ gamma, phi / t, np.array(wald)


@pytest.mark.parametrize("shape", [(60, 25), (30, 50)])
def test_premia_and_errors_are_those_of_the_paper(shape):
    returns, observed, _ = draw(*shape)
    second = second_pass(returns, components(returns, 3), fit_intercept=False)
    third = third_pass(observed, second)
    premia, covariance, wald = by_the_paper(returns, observed, 3)
    assert_allclose(third.exposures @ second.premia, premia, rtol=1e-10)
    h, n = third.influence, len(returns)
    assert_allclose(h.T @ h / n**2, covariance, rtol=1e-8, atol=1e-14)
    for i, own in enumerate(third.exposures):
        q = third.exposure_influence[:, i]
        assert n * own @ np.linalg.solve(q.T @ q / n, own) == pytest.approx(wald[i], rel=1e-9)
    assert_allclose(returns.mean(axis=0) @ second.weights, second.premia, rtol=1e-10)
    assert (second.premia > 0.0).all()


def test_a_portfolio_of_the_assets_has_its_mean_for_a_premium_and_the_error_of_a_mean():
    returns, _, _ = draw(60, 6)
    second = second_pass(returns, components(returns, 6), fit_intercept=False)
    third = third_pass(returns[:, :2] @ np.array([[1.0], [-2.0]]), second)
    portfolio = returns[:, 0] - 2.0 * returns[:, 1]
    assert third.exposures @ second.premia == pytest.approx([portfolio.mean()])
    assert_allclose(third.influence[:, 0], portfolio - portfolio.mean(), atol=1e-12)
    assert third.r2 == pytest.approx([1.0])


def test_the_zero_beta_rate_is_the_constant_of_the_cross_section():
    returns, observed, _ = draw(60, 25, zero_beta=0.5)
    second = second_pass(returns, components(returns, 3), fit_intercept=True)
    x = np.column_stack([np.ones(25), second.loadings])
    expected = np.linalg.lstsq(x, returns.mean(axis=0), rcond=None)[0]
    assert_allclose([second.zero_beta, *second.premia], expected, rtol=1e-10)
    # Average of the returns of its portfolio, which has no exposures.
    assert returns.mean(axis=0) @ second.zero_beta_weights == pytest.approx(second.zero_beta)
    assert_allclose(second.loadings.T @ second.zero_beta_weights, 0.0, atol=1e-12)
    assert zero_beta_influence(second).shape == (60,)
    assert third_pass(observed, second).influence.shape == (60, 3)


def test_standardizing_any_rotation_gives_the_components():
    returns, _, _ = draw(60, 25)
    expected = components(returns, 3)
    turn = np.random.default_rng(1).normal(size=(3, 3))
    factors = np.vstack([expected @ turn + 3.0, np.full(3, np.nan)])
    loadings = returns.T @ expected / 60 @ np.linalg.inv(turn).T
    latent, known = standardized(factors, loadings)
    assert known.sum() == 60
    assert_allclose(np.abs(latent), np.abs(expected), atol=1e-9)


def test_missing_cells_are_left_out_of_regressions():
    returns, observed, _ = draw(80, 20)
    v = components(returns, 2)
    rng = np.random.default_rng(1)
    returns[rng.random(returns.shape) < 0.2] = np.nan
    observed[:30, 0] = np.nan
    second = second_pass(returns, v, fit_intercept=False)
    there = np.isfinite(returns[:, 3])
    x = np.column_stack([np.ones(80), v])
    coefficients = np.linalg.lstsq(x[there], returns[there, 3], rcond=None)[0]
    assert_allclose(np.abs(second.loadings[3]), np.abs(coefficients[1:]), rtol=1e-9)
    third = third_pass(observed, second)
    slopes = np.linalg.lstsq(x[30:], observed[30:, 0], rcond=None)[0][1:]
    assert_allclose(np.abs(third.exposures[0]), np.abs(slopes), rtol=1e-9)
    # Influence is the derivative with respect to the weights of the dates.
    q = third.exposure_influence[:, 0]
    assert_allclose(q[:30], 0.0)
    for s in (31, 60):
        weights = np.ones(80)
        weights[s] += 1e-5
        w = weights[30:, None] * x[30:]
        moved = np.linalg.solve(w.T @ x[30:], w.T @ observed[30:, 0])[1:]
        signs = np.sign(second.latent[0] * v[0])
        assert_allclose(q[s] / 80, (moved - slopes) / 1e-5 * signs, rtol=1e-3, atol=1e-7)


def test_all_assets_supervise_nothing():
    returns, observed, _ = draw(60, 25)
    latent, weights = supervised_factors(returns, observed[:, :1], 3, 25)
    supervised = second_pass(returns, latent, fit_intercept=False, weights=weights)
    plain = second_pass(returns, components(returns, 3), fit_intercept=False)
    assert_allclose(supervised.premia, plain.premia, rtol=1e-9)
    assert_allclose(supervised.weights, plain.weights, atol=1e-10)
    assert_allclose(
        third_pass(observed, supervised).influence, third_pass(observed, plain).influence, atol=1e-9
    )


def test_supervised_factors_are_those_of_deflation_step_by_step():
    returns, observed, _ = draw(60, 25)
    r, mean = returns - returns.mean(axis=0), returns.mean(axis=0)
    g = observed[:, 1] - observed[:, 1].mean()
    premium = 0.0
    for _ in range(3):
        kept = np.argsort(-np.abs(r.T @ g))[:8]
        u, s, vt = np.linalg.svd(r[:, kept], full_matrices=False)
        v = np.sqrt(60) * u[:, 0]
        gamma = np.sqrt(60) * mean[kept] @ vt[0] / s[0]
        eta, beta = g @ v / 60, r.T @ v / 60
        premium += eta * gamma
        r, g, mean = r - np.outer(v, beta), g - v * eta, mean - beta * gamma
    latent, weights = supervised_factors(returns, observed[:, 1:2], 3, 8)
    second = second_pass(returns, latent, fit_intercept=False, weights=weights)
    found = third_pass(observed[:, 1:2], second).exposures @ second.premia
    assert found == pytest.approx([premium], rel=1e-10)
    assert_allclose(latent.T @ latent / 60, np.eye(3), atol=1e-12)
    assert_allclose((returns - returns.mean(axis=0)) @ weights, latent, atol=1e-11)


def test_what_nothing_is_left_of_has_no_more_factors():
    returns, observed, _ = draw(60, 25)
    with pytest.raises(np.linalg.LinAlgError, match="of the returns is left after 3"):
        supervised_factors(returns[:, :3], observed, 4, 3)
    with pytest.raises(np.linalg.LinAlgError, match="of the observed factors is left after"):
        supervised_factors(returns, returns[:, 2:3], 3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("zero_beta", [0.0, 0.3])
def test_intervals_cover_the_premia_of_simulated_factors(zero_beta):
    hits = []
    for seed in range(400):
        returns, observed, truth = draw(240, 60, seed, zero_beta)
        second = second_pass(returns, components(returns, 3), fit_intercept=zero_beta > 0.0)
        third = third_pass(observed, second)
        influence = np.column_stack([third.influence, zero_beta_influence(second)])
        errors = np.sqrt(np.mean(influence**2, axis=0) / (240 - 4))
        found = np.append(third.exposures @ second.premia, second.zero_beta)
        hits.append(np.abs(found - np.append(truth, zero_beta)) < 1.96 * errors)
    # Of 400 draws of 95%, 99.9% are between 91.4% and 98.6%.
    covered = np.mean(hits, axis=0)[: 3 + (zero_beta > 0.0)]
    assert ((covered > 0.914) & (covered < 0.986)).all(), covered

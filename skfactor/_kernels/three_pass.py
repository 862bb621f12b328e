"""Premia of observed factors by latent ones (Giglio and Xiu, 2021).

T periods, N assets, p latent factors v with mean 0 and v'v / T = 1, d observed factors g.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfactor._kernels.principal import leading_directions, regress_observed
from skfactor._kernels.rounding import EPSILON, RANK_UNITS
from skfactor._typing import BoolArray, Float64Array


@dataclass(frozen=True, eq=False)
class SecondPass:
    """What assets earn for their loadings; of the periods whose latent factors are known."""

    latent: Float64Array  # (T, p) v
    loadings: Float64Array  # (N, p), NaN of assets with too few returns
    premia: Float64Array  # (p,) of the latent factors
    zero_beta: float  # 0 if none is estimated
    weights: Float64Array  # (N, p), portfolios whose mean returns are the premia
    zero_beta_weights: Float64Array  # (N,)
    residuals: Float64Array  # (T, N), NaN where a return is missing


@dataclass(frozen=True, eq=False)
class ThirdPass:
    """What observed factors have to do with latent ones, and what follows of their premia."""

    exposures: Float64Array  # (d, p) eta, slopes of g on v
    r2: Float64Array  # (d,) shares of their variances that v explains
    influence: Float64Array  # (T, d) of each period on the premia
    exposure_influence: Float64Array  # (T, d, p) of each period on the exposures


def standardized(factors: Float64Array, loadings: Float64Array) -> tuple[Float64Array, BoolArray]:
    """The same factors (T, p), rotated and scaled to be v, the largest first, with its periods.

    Which v is the largest is said by loadings (N, p); a period with NaN is not one of its periods.
    """
    known: BoolArray = np.isfinite(factors).all(axis=1)
    centred = factors[known] - factors[known].mean(axis=0)
    root = np.linalg.cholesky(centred.T @ centred / len(centred))
    sizes = loadings @ root
    _, turn = np.linalg.eigh(sizes.T @ sizes)
    return np.linalg.solve(root, centred.T).T @ turn[:, ::-1], known


def supervised_factors(
    returns: Float64Array, observed: Float64Array, n_factors: int, n_assets: int
) -> tuple[Float64Array, Float64Array]:
    """Latent factors v (T, p) of the assets that move with observed ones, and portfolios of them.

    Each is the first component of the ``n_assets`` whose covariance with g (T, d), in units of its
    deviations, is the largest; then it is projected out of returns (T, N) and g (Giglio, Xiu and
    Zhang, 2025). The means of the returns of portfolios (N, p) are the factors' premia.
    """
    t, n = returns.shape
    rest = returns - returns.mean(axis=0)
    target = (observed - observed.mean(axis=0)) / observed.std(axis=0)
    latent, weights = np.empty((t, n_factors)), np.zeros((n, n_factors))
    loadings: list[Float64Array] = []
    smallest = RANK_UNITS * EPSILON * np.linalg.norm(rest)
    for k in range(n_factors):
        if not np.linalg.norm(target) > np.sqrt(RANK_UNITS * EPSILON * target.size):
            raise np.linalg.LinAlgError(f"nothing of the observed factors is left after {k}")
        covariance = np.abs(rest.T @ target).max(axis=1)
        kept = np.argsort(-covariance, kind="stable")[:n_assets]
        values, vectors = leading_directions(rest[:, kept], 1, all_values=False)
        length = np.sqrt(values[0] / t)
        if not length > smallest / np.sqrt(t):
            raise np.linalg.LinAlgError(f"nothing of the returns is left after {k}")
        weights[kept, k] = vectors[:, 0] / length
        # Of returns as they are: what was projected out before is taken out of the portfolio.
        weights[:, k] -= weights[:, :k] @ np.array([b @ weights[:, k] for b in loadings]).reshape(k)
        latent[:, k] = rest[:, kept] @ vectors[:, 0] / length
        loadings.append(rest.T @ latent[:, k] / t)
        rest = rest - np.outer(latent[:, k], loadings[k])
        target = target - np.outer(latent[:, k], target.T @ latent[:, k] / t)
    return latent, weights


def second_pass(
    returns: Float64Array,
    latent: Float64Array,
    *,
    fit_intercept: bool,
    weights: Float64Array | None = None,
) -> SecondPass:
    """Loadings of returns (T, N) on v, each over its own periods, and the premia that they earn.

    By least squares over assets, or from the portfolios that are given. Average returns are those
    at v = 0, so that periods that an asset misses do not matter.
    """
    coefficients = regress_observed(returns, np.column_stack([np.ones(len(latent)), latent]))
    loadings, means = coefficients[1:].T, coefficients[0]
    known = np.isfinite(means)
    n, p = loadings.shape
    zero_beta_weights = np.zeros(n)
    if weights is None:
        columns = [np.ones(n), loadings] if fit_intercept else [loadings]
        exposures = np.column_stack(columns)[known]
        projection = np.zeros((exposures.shape[1], n))
        projection[:, known] = np.linalg.solve(exposures.T @ exposures, exposures.T)
        weights = projection[-p:].T
        if fit_intercept:
            zero_beta_weights = projection[0]
    filled = np.where(known, means, 0.0)
    premia = filled @ weights
    signs = np.where(premia < 0.0, -1.0, 1.0)
    residuals = returns - means - latent @ loadings.T
    return SecondPass(
        latent * signs,
        loadings * signs,
        premia * signs,
        float(filled @ zero_beta_weights),
        weights * signs,
        zero_beta_weights,
        residuals,
    )


def third_pass(observed: Float64Array, second: SecondPass) -> ThirdPass:
    """Regressions of g (T, d) on v, each over its own periods, and influences on the premia."""
    t, d = observed.shape
    v, p = second.latent, second.latent.shape[1]
    exposures, r2 = np.empty((d, p)), np.empty(d)
    on_exposures = np.zeros((t, d, p))
    for i in range(d):
        there = np.isfinite(observed[:, i])
        own, g = v[there] - v[there].mean(axis=0), observed[there, i]
        g = g - g.mean()
        gram = own.T @ own / len(g)
        exposures[i] = np.linalg.solve(gram, own.T @ g / len(g))
        rest = g - own @ exposures[i]
        r2[i] = 1.0 - (rest @ rest) / (g @ g)
        on_exposures[there, i] = (t / len(g)) * np.linalg.solve(gram, own.T).T * rest[:, None]
    influence = v @ exposures.T + on_exposures @ second.premia
    return ThirdPass(exposures, r2, influence, on_exposures)


def zero_beta_influence(second: SecondPass) -> Float64Array:
    """Influence (T,) of each period on the zero-beta rate: loadings are estimated, too."""
    observed = np.isfinite(second.residuals)
    # Of an asset with fewer periods, each counts more.
    share = len(observed) / np.maximum(observed.sum(axis=0), 1)
    path = np.where(observed, second.residuals, 0.0) @ (share * second.zero_beta_weights)
    return np.asarray(path * (1.0 - second.latent @ second.premia))

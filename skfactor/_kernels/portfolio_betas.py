"""Errors of a portfolio's betas, from the residuals of its assets over their common dates."""

from __future__ import annotations

import numpy as np

from skfactor._typing import BoolArray, Float64Array


def beta_weights(factors: Float64Array, fit_intercept: bool) -> Float64Array:
    """Weights (T, K) that turn residuals on dates of factors (T, K) into errors of betas."""
    deviations = factors - factors.mean(axis=0) if fit_intercept else factors
    weights: Float64Array = np.linalg.solve(deviations.T @ deviations, deviations.T).T
    return weights


def portfolio_beta_covariance(
    residuals: Float64Array, factors: Float64Array, weights: Float64Array, fit_intercept: bool
) -> tuple[Float64Array, int]:
    """Covariance (K, K) of a portfolio's betas, and the degrees of freedom.

    From residuals (T, N), NaN where a return is missing, factors (T, K) and weights (N,). NaN, with
    degrees of freedom that are not positive, if two assets have too few dates in common.

    The error of beta_i is a sum over its dates of (F_i'F_i)^-1 (f_t - mean_i) eps_it, so that of
    the portfolio is the sum over dates of Q_t eps_t with Q_t (K, N) as below, and its variance
    the sum of Q_t S Q_t' with S the residuals' covariance over common dates.
    """
    observed: BoolArray = ~np.isnan(residuals)
    k = factors.shape[1]
    common = observed.T.astype(np.float64) @ observed
    free = common - k - fit_intercept
    if (free <= 0).any():
        return np.full((k, k), np.nan), int(free.min())
    filled = np.where(observed, residuals, 0.0)
    pair = filled.T @ filled / free
    f = np.where(np.isfinite(factors).all(axis=1, keepdims=True), factors, 0.0)
    loadings = np.empty((len(f), k, len(weights)))  # Q_t
    for i, (weight, mine) in enumerate(zip(weights, observed.T, strict=True)):
        loadings[:, :, i] = 0.0
        loadings[mine, :, i] = weight * beta_weights(f[mine], fit_intercept)
    variance: Float64Array = np.einsum("tki,ij,tlj->kl", loadings, pair, loadings, optimize=True)
    return variance, int(free.min())

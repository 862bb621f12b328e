"""Influence of each date on two-pass premia where assets enter, leave and miss returns.

Betas come from each asset's own dates and each date's slopes from the assets it has, so a return
moves the premia through the slopes of its date and, through its asset's betas, through those of all
dates of the asset. On complete data this is the influence of `two_pass`.
"""

from __future__ import annotations

import numpy as np

from skfactor._typing import BoolArray, Float64Array


def unbalanced_influence(
    returns: Float64Array,
    factors: Float64Array,
    betas: Float64Array,
    slopes: Float64Array,
    *,
    zero_beta: bool,
    misspecified: bool,
) -> Float64Array:
    """Influence series (T, P) of the average of ordinary least-squares slopes.

    Parameters
    ----------
    returns : (T, N), NaN where missing
    factors : (T, K)
    betas : (N, K), each from the dates on which the asset has a return
    slopes : (T, P), each from the assets that have one on the date
    zero_beta : whether the first slope is the zero-beta rate
    misspecified : whether pricing errors that do not vanish are allowed for
    """
    observed: BoolArray = np.isfinite(returns)
    x = np.column_stack([np.ones(len(betas)), betas]) if zero_beta else betas
    filled = np.where(observed, returns, 0.0)
    bread = _bread(observed, x)
    effect = _effect_of_betas(observed, filled, bread, x, slopes, betas.shape[1], misspecified)
    counts = observed.sum(axis=0)
    means = observed.T @ factors / counts[:, None]
    residuals = _residuals(observed, filled, factors, betas, means)
    # Each asset's M_i V_i^-1, (N, P, K), and the same times its factor means.
    path = np.linalg.solve(
        _factor_covariances(observed, factors, means), effect.swapaxes(1, 2)
    ).swapaxes(1, 2)
    weighted = residuals * (len(returns) / counts)
    n, p, k = path.shape
    by_date = (weighted @ path.reshape(n, p * k)).reshape(-1, p, k)
    through_betas = np.einsum("tpk,tk->tp", by_date, factors)
    through_betas -= weighted @ np.einsum("npk,nk->np", path, means)
    influence: Float64Array = slopes - slopes.mean(axis=0) + through_betas
    return influence


def _bread(observed: BoolArray, x: Float64Array) -> Float64Array:
    """(X_t'X_t)^-1 of each date (T, P, P)."""
    p = x.shape[1]
    squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), p * p)
    gram = (observed.astype(np.float64) @ squares).reshape(-1, p, p)
    return np.asarray(np.linalg.inv(gram), dtype=np.float64)


def _effect_of_betas(
    observed: BoolArray,
    filled: Float64Array,
    bread: Float64Array,
    x: Float64Array,
    slopes: Float64Array,
    n_factors: int,
    misspecified: bool,
) -> Float64Array:
    """Derivative M_i (N, P, K) of the average slopes with respect to each asset's betas."""
    t, p = slopes.shape
    premia = slopes[:, -n_factors:]
    # The asset's own weight on each date, H_t x_i, times the premia that its betas are priced at.
    outer = bread[:, :, :, None] * premia[:, None, None, :]
    priced = observed.T.astype(np.float64) @ outer.reshape(t, -1)
    effect: Float64Array = -np.einsum("npqk,nq->npk", priced.reshape(-1, p, p, n_factors), x)
    if misspecified:
        errors = np.where(observed, filled - slopes @ x.T, 0.0)
        moved = errors.T @ bread[:, :, -n_factors:].reshape(t, -1)
        effect += moved.reshape(-1, p, n_factors)
    effect /= t
    return effect


def _residuals(
    observed: BoolArray,
    filled: Float64Array,
    factors: Float64Array,
    betas: Float64Array,
    means: Float64Array,
) -> Float64Array:
    """First-pass residuals (T, N), 0 where the return is missing."""
    alphas = filled.sum(axis=0) / observed.sum(axis=0) - np.einsum("nk,nk->n", means, betas)
    return np.where(observed, filled - alphas - factors @ betas.T, 0.0)


def _factor_covariances(
    observed: BoolArray, factors: Float64Array, means: Float64Array
) -> Float64Array:
    """Covariance V_i of the factors over each asset's dates (N, K, K), divisor T_i."""
    k = factors.shape[1]
    center = factors.mean(axis=0)
    shifted = factors - center
    squares = (shifted[:, :, None] * shifted[:, None, :]).reshape(len(factors), k * k)
    second = (observed.T.astype(np.float64) @ squares).reshape(-1, k, k)
    second /= observed.sum(axis=0)[:, None, None]
    off = means - center
    covariances: Float64Array = second - off[:, :, None] * off[:, None, :]
    return covariances

"""Influence of each date on two-pass premia where assets enter, leave and miss returns.

Betas come from each asset's own dates and each date's slopes from the assets it has, so a return
moves the premia through the slopes of its date and, through its asset's betas, through those of all
dates of the asset. On complete data this is the influence of `two_pass`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skfactor._typing import BoolArray, Float64Array

# Numbers of assets, or dates, that are held at one time, of which there are some copies.
_MOST_NUMBERS = 2**23
# Products of more variables are summed series by series.
_APART_FROM = 16


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
    counts = observed.sum(axis=0)
    means = observed.T @ factors / counts[:, None]
    weighted = _residuals(observed, filled, factors, betas, means)
    weighted *= len(returns) / counts
    t, p, k = len(returns), x.shape[1], betas.shape[1]
    influence: Float64Array = slopes - slopes.mean(axis=0)
    for assets in _runs(len(x), t * p + p * p):
        seen = observed[:, assets]
        effect = _effect_of_betas(
            seen, filled[:, assets], bread, x[assets], slopes, k, misspecified
        )
        # Each asset's M_i V_i^-1, (n, P, K), and the same times its factor means.
        path = np.linalg.solve(
            _factor_covariances(seen, factors, means[assets]), effect.swapaxes(1, 2)
        ).swapaxes(1, 2)
        by_date = (weighted[:, assets] @ path.reshape(-1, p * k)).reshape(t, p, k)
        influence += np.einsum("tpk,tk->tp", by_date, factors)
        influence -= weighted[:, assets] @ np.einsum("npk,nk->np", path, means[assets])
    return influence


def _runs(length: int, size: int) -> Iterator[slice]:
    """Runs of so many things, of which each takes so many numbers of memory."""
    step = max(1, _MOST_NUMBERS // size)
    for start in range(0, length, step):
        yield slice(start, start + step)


def _bread(observed: BoolArray, x: Float64Array) -> Float64Array:
    """(X_t'X_t)^-1 of each date, as (P, T, P) to be multiplied by the betas of many assets."""
    bread = np.empty((x.shape[1], len(observed), x.shape[1]))
    for dates in _runs(len(observed), x.shape[1] ** 2):
        gram = _products(observed[dates], x)
        bread[:, dates] = np.linalg.inv(gram).swapaxes(0, 1)
    return bread


def _products(observed: BoolArray, values: Float64Array) -> Float64Array:
    """Sums of products (S, K, K) of the values (T, K) that each of S series observes."""
    k = values.shape[1]
    if k > _APART_FROM:
        return np.stack([values[seen].T @ values[seen] for seen in observed])
    squares = (values[:, :, None] * values[:, None, :]).reshape(len(values), k * k)
    products: Float64Array = (observed.astype(np.float64) @ squares).reshape(-1, k, k)
    return products


def _effect_of_betas(
    observed: BoolArray,
    filled: Float64Array,
    bread: Float64Array,
    x: Float64Array,
    slopes: Float64Array,
    n_factors: int,
    misspecified: bool,
) -> Float64Array:
    """Derivative M_i (n, P, K) of the average slopes with respect to the betas of n assets."""
    t, p = slopes.shape
    # An asset's own weight on each date, H_t x_i, times the premia that its betas are priced at.
    own = (x @ bread.reshape(p, t * p)).reshape(-1, t, p)
    own *= observed.T[:, :, None]
    effect: Float64Array = -(own.swapaxes(1, 2) @ slopes[:, -n_factors:])
    if misspecified:
        errors = np.where(observed, filled - slopes @ x.T, 0.0)
        effect += (errors.T @ bread[-n_factors:]).transpose(1, 2, 0)
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
    shifted = factors - factors.mean(axis=0)
    second = _products(observed.T, shifted)
    second /= observed.sum(axis=0)[:, None, None]
    off = means - factors.mean(axis=0)
    covariances: Float64Array = second - off[:, :, None] * off[:, None, :]
    return covariances

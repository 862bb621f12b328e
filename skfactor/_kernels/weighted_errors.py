"""Errors of weighted least squares where weights forget the past, but residuals have one variance.

With weights w and G = (X'WX)^-1 the coefficients vary as s^2 G X'W^2X G and not, as where weights
are inverse variances, as s^2 G. The residual variance has the divisor that makes it unbiased,

    s^2 = sum w e^2 / (sum w - tr(G X'W^2X)),

and coefficients over their errors are about t with (sum w)^2 / sum w^2 - P degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skfactor._kernels.cholesky import Cholesky, solve_cholesky
from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.least_squares import LeastSquares
from skfactor._typing import Float64Array


def sandwich(
    factor: Cholesky, products: Sequence[Sequence[Float64Array]]
) -> tuple[list[Float64Array], Float64Array]:
    """Diagonals of G M G, K arrays (S,), and traces (S,) of G M, from factors of the S inverses.

    Entries ``products[i][j]`` (S,) of M are read for j <= i.
    """
    size = len(products)
    diagonals, trace = [], np.zeros_like(factor.inverse_diagonal[0])
    for k in range(size):
        unit = [np.full_like(trace, float(i == k)) for i in range(size)]
        column = solve_cholesky(factor, unit)
        total = np.zeros_like(trace)
        for i, entries in enumerate(products):
            for j, entry in enumerate(entries):
                total += (1.0 if i == j else 2.0) * column[i] * column[j] * entry
            trace += column[i] * (entries[k] if k <= i else products[k][i])
        diagonals.append(total)
    return diagonals, trace


def forgetting_variances(
    fits: LeastSquares, moments: CrossMoments, squared: CrossMoments, fit_intercept: bool
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """What errors are made of, from moments with weights and, of one or all, squared weights.

    The slopes' variances (S, K) where residuals have variance one, what the fit spends of the sum
    of weights (S,), and the degrees of freedom (S,). Where the series are alike, those of one.
    """
    n_series = len(squared.weight)
    solved, weight = fits.solved[:n_series], moments.weight[:n_series]
    shift = squared.mean[:-1] - moments.mean[:-1, :n_series] * fit_intercept
    products = squared.products[:-1, :-1] + squared.weight * shift[:, None] * shift
    k = len(products)
    norm = np.broadcast_to(fits.norm, (k, n_series))[:, solved].T
    units = norm[:, :, None] * norm[:, None]
    correlation = np.broadcast_to(fits.correlation, products.shape)[:, :, solved]
    bread = np.linalg.inv(correlation.transpose(2, 0, 1))
    meat = products[:, :, solved].transpose(2, 0, 1) / units
    variances, spent = np.full((n_series, k), np.nan), np.full(n_series, np.nan)
    variances[solved] = np.einsum("sij,sjk,ski->si", bread, meat, bread) / norm**2
    spent[solved] = np.einsum("sij,sji->s", bread, meat)
    with np.errstate(invalid="ignore", divide="ignore"):
        spent += fit_intercept * squared.weight / weight
        free = weight**2 / squared.weight - k - fit_intercept
    return variances, spent, free

"""Covariance matrices that have to be inverted: whether they can be, and what follows."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from skfactor._kernels.rounding import PIVOT_UNITS, SMALLEST_VARIANCE, SQUARES_LEFT
from skfactor._typing import BoolArray, Float64Array


def cholesky_factor(covariance: Float64Array) -> Float64Array | None:
    """Lower factor (n, n) of a covariance; None if variables depend on each other to rounding."""
    variances = np.diag(covariance)
    if not np.isfinite(covariance).all() or variances.min() <= SMALLEST_VARIANCE * variances.max():
        return None
    scale = np.sqrt(variances)
    try:
        factor = np.linalg.cholesky(covariance / scale / scale[:, None])
    except np.linalg.LinAlgError:
        return None
    if (np.diag(factor) ** 2).min() <= PIVOT_UNITS * len(factor):
        return None
    return np.asarray(factor * scale[:, None], dtype=np.float64)


def quadratic_form(values: Float64Array, covariance: Float64Array, refusal: str) -> float:
    """Values times the inverse of their covariance times values, as of a Wald statistic.

    Raises ``ValueError`` with the refusal if there is no inverse.
    """
    factor = cholesky_factor(covariance)
    if factor is None:
        raise ValueError(refusal)
    whitened = solve_triangular(factor, values, lower=True)
    return float(whitened @ whitened)


def are_explained(squares: Float64Array, returns: Float64Array) -> BoolArray:
    """Assets (N,) of which factors leave nothing but rounding.

    From the sums of squares (N,) of their residuals, and their returns (T, N), NaN left out.
    """
    total = np.einsum("tn,tn->n", returns, returns)
    if np.isnan(total).any():
        known = np.where(np.isnan(returns), 0.0, returns)
        total = np.einsum("tn,tn->n", known, known)
    explained: BoolArray = squares <= SQUARES_LEFT * total
    return explained

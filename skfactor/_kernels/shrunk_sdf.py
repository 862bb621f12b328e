"""Stochastic discount factors with shrunk prices of risk (Kozak, Nagel and Santosh, 2020).

T periods, N returns, mean m and covariance S: b = (S + l I)^-1 m.
"""

from __future__ import annotations

import numpy as np

from skfactor._typing import Float64Array


def flat_wishart(returns: Float64Array) -> Float64Array:
    """Covariance (N, N), divisor T - 1, shrunk to a multiple of the identity by N / (N + T)."""
    t, n = returns.shape
    covariance = np.atleast_2d(np.cov(returns.T))
    share = n / (n + t)
    target = np.trace(covariance) / n * np.eye(n)
    return np.asarray(share * target + (1.0 - share) * covariance)


def penalties(
    kappas: Float64Array, covariance: Float64Array, n_periods: int, periods_per_year: float
) -> Float64Array:
    """Penalties l (P,) for the roots of the squared Sharpe ratios per year that are expected."""
    unit: float = periods_per_year * float(np.trace(covariance)) / n_periods
    return unit / kappas**2


def ridge_path(
    covariance: Float64Array, mean: Float64Array, penalty: Float64Array, n_periods: int
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Coefficients and their posterior deviations (N, P), and effective numbers of them (P,)."""
    values, vectors = np.linalg.eigh(covariance)
    shrunk = values[:, None] + penalty
    coefficients = vectors @ ((vectors.T @ mean)[:, None] / shrunk)
    errors = np.sqrt((vectors**2) @ (1.0 / shrunk) / n_periods)
    return coefficients, errors, np.sum(values[:, None] / shrunk, axis=0)


def cross_sectional_r2(
    covariance: Float64Array, mean: Float64Array, coefficients: Float64Array
) -> Float64Array:
    """One less the squared pricing errors m - S b over the squared means, of each column of b."""
    errors = mean[:, None] - covariance @ coefficients
    left: Float64Array = np.sum(errors**2, axis=0) / (mean @ mean)
    return 1.0 - left


def contiguous_folds(n_periods: int, n_folds: int) -> list[slice]:
    """Folds of consecutive periods, of equal length except for the last, which has the rest."""
    length = n_periods // n_folds
    ends = [length * k for k in range(n_folds)]
    return [slice(start, stop) for start, stop in zip(ends, [*ends[1:], n_periods], strict=True)]

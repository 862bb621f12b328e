"""Covariance matrices that have to be inverted: whether they can be, and what follows."""

from __future__ import annotations

import numpy as np

from skfactor._typing import Float64Array

# Of a correlation matrix' eigenvalues, and of a variance beside the largest one: no more than
# rounding. Estimates may be in very different units, but not by so much.
_RESOLUTION = 1e-13
_SMALLEST = 1e-28


def is_singular_covariance(covariance: Float64Array) -> bool:
    """Whether variables depend on each other to rounding, by their covariance (n, n)."""
    variances = np.diag(covariance)
    if not np.isfinite(covariance).all() or variances.min() <= _SMALLEST * variances.max():
        return True
    scale = np.sqrt(variances)
    return bool(np.linalg.eigvalsh(covariance / scale / scale[:, None])[0] <= _RESOLUTION)


def quadratic_form(values: Float64Array, covariance: Float64Array, refusal: str) -> float:
    """Values times the inverse of their covariance times values, as of a Wald statistic.

    Raises ``ValueError`` with the refusal if there is no inverse.
    """
    if is_singular_covariance(covariance):
        raise ValueError(refusal)
    return float(values @ np.linalg.solve(covariance, values))

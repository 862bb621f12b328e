"""Regressors of one segment, centred and weighted, and whether they have full rank.

A regressor whose values are large beside its spread has fewer digits than its numbers show. What
rounding may leave of it, its noise, says which regressors are constant or collinear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr, svdvals

from skfactor._kernels.rounding import RANK_UNITS
from skfactor._typing import Float64Array


@dataclass(frozen=True)
class Regressors:
    """Regressors times the roots of the weights; centred where there is an intercept."""

    columns: Float64Array  # (K, m)
    mean: Float64Array  # (K,) taken off them; 0 without an intercept
    norm: Float64Array  # (K,) what they are long
    noise: Float64Array  # (K,) ... if only rounding is left of them


def weighted_regressors(
    x: Float64Array,
    w: Float64Array | None,
    root: Float64Array,
    *,
    fit_intercept: bool,
    resolution: float,
) -> Regressors:
    """Centre regressors x (K, m) with weights w (m,), and multiply by the roots of the weights.

    ``root`` (m,) may be of weights that are scaled otherwise. ``resolution`` is the machine
    epsilon of the data.
    """
    k, m = x.shape
    noise = RANK_UNITS * resolution * np.sqrt(m) * np.abs(x * root).max(axis=1, initial=0.0)
    mean = np.zeros(k)
    if fit_intercept:
        # Twice, because the first mean is rounded in units of the values and not of their spread.
        for _ in range(2):
            correction = np.average(x, axis=1, weights=w)
            x, mean = x - correction[:, None], mean + correction
    columns = x * root
    return Regressors(columns, mean, np.sqrt(np.einsum("ij,ij->i", columns, columns)), noise)


def full_rank_qr(
    columns: Float64Array, norm: Float64Array, noise: Float64Array
) -> tuple[Float64Array, Float64Array, float] | None:
    """Q (m, K) and R (K, K) of columns (K, m) over their norms, and the condition number of R.

    None if the rank is deficient: up to ``noise`` (K,) a column is rounding.
    """
    if (norm <= noise).any():
        return None
    q, r = qr((columns / norm[:, None]).T, mode="economic", check_finite=False)
    singular = svdvals(r, check_finite=False)
    if singular[-1] <= len(columns) * (noise / norm).max() * singular[0]:
        return None
    return q, r, float(singular[0] / singular[-1])

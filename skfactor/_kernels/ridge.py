"""Ridge regressions on standardized regressors in many segments at once, from cross-moments.

With z the regressors, centred and divided by their standard deviations within the segment, and
weights w that add up to one, the standardized slopes minimize

    sum_i w_i (y_i - a - z_i' theta)^2 + alpha theta' theta,

so they solve (R + alpha I) theta = r with R the correlations of the regressors and r = sum_i w_i
z_i y_i [1]_. Slopes are reported in units of the regressors, theta / (standard deviation).

.. [1] Hoerl, A. E. and R. W. Kennard (1970), "Ridge Regression: Biased Estimation for Nonorthogonal
   Problems", Technometrics 12(1), 55-67. https://doi.org/10.1080/00401706.1970.10488634
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr, solve_triangular, svdvals

from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.least_squares import Rows, dot_in_order, solve_standardized
from skfactor._kernels.regressors import weighted_regressors
from skfactor._kernels.rounding import SAFE_PIVOT, SAFE_SPREAD
from skfactor._typing import BoolArray, Float64Array, IntArray


@dataclass(frozen=True)
class Ridge:
    """One penalized regression per segment; NaN where it is thin or deficient."""

    coefficients: Float64Array  # (S, K), or (S, 1 + K) with the intercept first
    n_rows: IntArray  # (S,)
    n_parameters: Float64Array  # (S,) trace of R (R + alpha I)^-1, and the intercept
    r2: Float64Array  # (S,) centred with an intercept, uncentred without
    condition: Float64Array  # (S,) of the standardized regressors together with the penalty
    thin: BoolArray  # (S,) fewer rows than asked for
    deficient: BoolArray  # (S,) no regressor varies

    @property
    def solved(self) -> BoolArray:
        """Segments with an estimate (S,)."""
        return ~(self.thin | self.deficient)


def solve_ridge(
    moments: CrossMoments,
    rows: Rows,
    *,
    alpha: float,
    fit_intercept: bool,
    min_rows: int,
    resolution: float,
) -> Ridge:
    """Regress the last variable of the moments on the others with a penalty ``alpha`` > 0.

    Without an intercept regressors are not centred, and divided by their root mean squares. A
    regressor that is constant (without an intercept: zero) has slope 0, as the penalty implies; a
    segment where all of them are is deficient. The other parameters are as in
    `solve_least_squares`.
    """
    weight = np.where(moments.weight > 0.0, moments.weight, 1.0)
    products = moments.products / weight
    if not fit_intercept:
        products += moments.mean[:, None] * moments.mean
    gram, cross, total = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    norm = np.sqrt(np.einsum("iis->is", gram))
    varies = norm > 0.0
    unit = np.where(varies, norm, 1.0)
    gram /= unit
    gram /= unit[:, None]
    standardized = cross / unit
    eigenvalues = np.maximum(np.linalg.eigvalsh(gram.transpose(2, 0, 1)), 0.0)
    np.einsum("iis->is", gram)[...] += alpha
    gram /= 1.0 + alpha  # the pivots are to be relative to a diagonal of ones
    slopes, pivots = solve_standardized(gram, standardized / (1.0 + alpha))
    explained = dot_in_order(slopes, standardized + alpha * slopes)
    slopes /= unit
    thin, deficient = moments.n_rows < min_rows, ~varies.any(axis=0)
    safe = pivots.min(axis=0) >= SAFE_PIVOT
    if fit_intercept:
        # What is left of a level that centring took off: a constant column leaves only rounding.
        safe &= (norm**2 >= SAFE_SPREAD * moments.mean[:-1] ** 2).all(axis=0)
    for s in np.flatnonzero(~safe & ~thin & ~deficient):
        solution = _solve_from_rows(*rows(int(s)), alpha, fit_intercept, resolution)
        deficient[s] = solution is None
        if solution is not None:
            slopes[:, s], explained[s], eigenvalues[s] = solution
    failed = thin | deficient
    slopes[:, failed] = eigenvalues[failed] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(failed, np.nan, explained / total)
    coefficients = slopes
    if fit_intercept:
        level = moments.mean[-1] - dot_in_order(moments.mean[:-1], slopes)
        coefficients = np.vstack([level, slopes])
    penalized = eigenvalues + alpha
    return Ridge(
        coefficients.T,
        moments.n_rows,
        (eigenvalues / penalized).sum(axis=1) + fit_intercept,
        r2,
        np.sqrt(penalized.max(axis=1) / penalized.min(axis=1)),
        thin,
        deficient & ~thin,
    )


def _solve_from_rows(
    x: Float64Array,
    y: Float64Array,
    w: Float64Array | None,
    alpha: float,
    fit_intercept: bool,
    resolution: float,
) -> tuple[Float64Array, float, Float64Array] | None:
    """Slopes, explained mean square and eigenvalues of R by QR; None where no regressor varies.

    The penalty is K more rows, so that no product squares the condition number.
    """
    k, m = x.shape
    root = np.sqrt(np.full(m, 1.0 / m) if w is None else w / w.sum())
    each = weighted_regressors(x, w, root, fit_intercept=fit_intercept, resolution=resolution)
    if fit_intercept:
        y = y - np.average(y, weights=w)
    z, y, norm = each.columns, y * root, each.norm
    varies = norm > each.noise
    if not varies.any():
        return None
    unit = np.where(varies, norm, np.inf)
    z /= unit[:, None]
    penalized = np.vstack([z.T, np.sqrt(alpha) * np.eye(k)])
    q, r = qr(penalized, mode="economic", check_finite=False)
    target, slopes = np.concatenate([y, np.zeros(k)]), np.zeros(k)
    for _ in range(2):  # the second pass regresses what the slopes leave once more
        left = target - penalized @ slopes
        slopes += solve_triangular(r, q.T @ left, check_finite=False)
    eigenvalues = np.zeros(k)
    singular = svdvals(z, check_finite=False)
    eigenvalues[: len(singular)] = singular**2
    return slopes / unit, float(slopes @ (z @ y + alpha * slopes)), eigenvalues

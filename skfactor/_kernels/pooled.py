"""One regression over all segments from their cross-moments, and what each segment adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.least_squares import Rows, slope_weights, solve_standardized
from skfactor._kernels.rounding import FACTOR_PIVOT, SAFE_PIVOT, SAFE_SPREAD
from skfactor._typing import Float64Array, FloatArray, IntArray


def add_moments(a: CrossMoments, b: CrossMoments) -> CrossMoments:
    """Moments of the rows of both, segment by segment (Chan, Golub and LeVeque, 1983)."""
    weight = a.weight + b.weight
    share = b.weight / np.where(weight > 0.0, weight, 1.0)
    apart = b.mean - a.mean
    products = a.products + b.products + apart[:, None] * apart * (a.weight * share)
    return CrossMoments(a.n_rows + b.n_rows, weight, a.mean + apart * share, products)


def place_moments(moments: CrossMoments, places: IntArray, n_segments: int) -> CrossMoments:
    """The same moments as some of n_segments, of which the others have no rows."""
    p = len(moments.mean)
    found = CrossMoments(
        np.zeros(n_segments, dtype=np.intp),
        np.zeros(n_segments),
        np.zeros((p, n_segments)),
        np.zeros((p, p, n_segments)),
    )
    found.n_rows[places], found.weight[places] = moments.n_rows, moments.weight
    found.mean[:, places], found.products[:, :, places] = moments.mean, moments.products
    return found


def pool_moments(moments: CrossMoments) -> CrossMoments:
    """Moments of the rows of all segments together, one segment."""
    weight = moments.weight
    total = weight.sum()
    mean = moments.mean @ weight / (total if total > 0.0 else 1.0)
    apart = moments.mean - mean[:, None]
    products = moments.products.sum(axis=2) + (apart * weight) @ apart.T
    n_rows = np.array([moments.n_rows.sum()])
    return CrossMoments(n_rows, np.array([total]), mean[:, None], products[:, :, None])


def take_segments(moments: CrossMoments, which: IntArray) -> CrossMoments:
    """Moments of some of the segments."""
    return CrossMoments(
        moments.n_rows[which],
        moments.weight[which],
        moments.mean[:, which],
        moments.products[:, :, which],
    )


def join_segments(parts: Sequence[CrossMoments]) -> CrossMoments:
    """Moments of the segments of all parts, one after another."""
    return CrossMoments(
        np.concatenate([part.n_rows for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.mean for part in parts], axis=1),
        np.concatenate([part.products for part in parts], axis=2),
    )


def without_means(moments: CrossMoments) -> CrossMoments:
    """Moments of deviations from the segments' means."""
    return replace(moments, mean=np.zeros_like(moments.mean))


@dataclass(frozen=True)
class PooledSolution:
    """Least squares over all rows; slopes are NaN where regressors are collinear."""

    slopes: Float64Array  # (K,)
    const: float  # 0 without an intercept
    center: Float64Array  # (K,) means of the regressors, 0 without an intercept
    inverse: Float64Array  # (K, K) of their products about the center
    weight: float  # sum of the weights
    has_const: bool

    @property
    def coefficients(self) -> Float64Array:
        """Intercept, where there is one, and slopes (P,)."""
        return np.append(self.const, self.slopes) if self.has_const else self.slopes

    @property
    def unscaled(self) -> Float64Array:
        """Inverse of the regressors' products, the intercept's included (P, P)."""
        if not self.has_const:
            return self.inverse
        cross = -self.inverse @ self.center
        corner = 1.0 / self.weight - self.center @ cross
        return np.block([[np.array([[corner]]), cross[None]], [cross[:, None], self.inverse]])

    def residual_squares(self, moments: CrossMoments) -> float:
        """Weighted sum of squared residuals over segments."""
        signed = np.append(-self.slopes, 1.0)
        within = np.einsum("i,ijs,j->", signed, moments.products, signed)
        level = signed @ moments.mean - self.const
        return float(max(within, 0.0) + moments.weight @ level**2)

    def influence(self, moments: CrossMoments) -> Float64Array:
        """What each segment adds to the coefficients beyond the truth (S, P): they add up to 0."""
        signed = np.append(-self.slopes, 1.0)
        level = moments.weight * (signed @ moments.mean - self.const)
        within = np.einsum("ijs,j->is", moments.products[:-1], signed)
        scores = within + (moments.mean[:-1] - self.center[:, None]) * level
        return self.influence_of_scores(scores, level)

    def scores_of_rows(
        self, x: Float64Array, y: Float64Array, w: Float64Array | None
    ) -> tuple[Float64Array, Float64Array]:
        """Residuals of rows times regressors about the center (K, n), and residuals (n,): weighted.

        Of complete rows x (K, n), y (n,) and w (n,). Those of a fit add up to zero.
        """
        level = y - self.const - self.slopes @ x
        if w is not None:
            level = level * w
        return (x - self.center[:, None]) * level, level

    def influence_of_scores(self, scores: Float64Array, level: Float64Array) -> Float64Array:
        """What scores (K, n) and weighted residuals (n,) add to the coefficients (n, P)."""
        slopes = self.inverse @ scores
        if not self.has_const:
            return slopes.T
        return np.vstack([level / self.weight - self.center @ slopes, slopes]).T


def solve_pooled(
    total: CrossMoments, rows: Rows | None, *, fit_intercept: bool, resolution: float
) -> PooledSolution:
    """Regress the last variable of one segment's moments on the others.

    ``rows`` fetches the data where moments do not suffice. Slopes of collinear regressors are NaN;
    without rows also those of which fewer than five digits would be left.
    """
    mean, weight = total.mean[:, 0], float(total.weight[0])
    products = total.products[:, :, 0]
    level = weight * mean[:-1] ** 2
    if not fit_intercept:
        products = products + np.outer(mean, mean) * weight
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt(np.diag(products)[:-1])
        correlation = products[:-1, :-1] / norm / norm[:, None]
        right = np.column_stack([products[:-1, -1] / norm, np.eye(len(norm))])
        solved, pivots = solve_standardized(correlation[..., None], right[..., None])
        slopes, inverse = solved[:, 0, 0] / norm, solved[:, 1:, 0] / norm / norm[:, None]
    safe = bool(pivots.min() >= SAFE_PIVOT)
    if fit_intercept:
        safe = safe and bool((norm**2 >= SAFE_SPREAD * level).all())
    if not safe and rows is not None:
        x, y, w = rows(0)
        weights = slope_weights(x, w, fit_intercept, resolution)[int(fit_intercept) :]
        slopes = weights @ y
        inverse = weights @ (weights if w is None else weights / w).T
    elif not pivots.min() > FACTOR_PIVOT:
        slopes, inverse = np.full(len(norm), np.nan), np.full((len(norm), len(norm)), np.nan)
    center = mean[:-1] if fit_intercept else np.zeros(len(norm))
    const = float(mean[-1] - center @ slopes) if fit_intercept else 0.0
    inverse = (inverse + inverse.T) / 2.0
    return PooledSolution(slopes, const, center, inverse, weight, fit_intercept)


def demeaned(values: FloatArray, means: Float64Array, codes: IntArray) -> Float64Array:
    """Values (n_columns, n_rows) less the means (n_columns, S) of their segments."""
    out = values.astype(np.float64)
    for column, mean in zip(out, means, strict=True):
        column -= mean[codes]
    return out

"""Cross-sectional regressions on estimated betas, freed of the errors that are in the betas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skfactor._kernels.cross_moments import masked_cross_moments
from skfactor._kernels.least_squares import LeastSquares
from skfactor._kernels.rounding import MEASURED_BETAS
from skfactor._typing import BoolArray, Float64Array


@dataclass(frozen=True)
class CorrectedSystem:
    """On each date a linear system for K slopes, and the moments that it corrects."""

    matrix: Float64Array  # (T, K, K) solved for the slopes
    cross: Float64Array  # (T, K) its right-hand side
    measured: Float64Array  # (T, K, K) what the matrix would be if all variation were true
    products: Float64Array  # (T, P, P) explanatory betas first, returns last
    mean: Float64Array  # (T, P)

    def reliability(self) -> Float64Array:
        """Smallest eigenvalue (T,) of the matrix' symmetric part relative to the measured one."""
        scale = np.sqrt(np.einsum("tkk->tk", self.measured))
        units = np.where(scale > 0.0, scale, 1.0)[:, :, None]
        units = units * units.transpose(0, 2, 1)
        values, vectors = np.linalg.eigh(self.measured / units)
        root = vectors / np.sqrt(np.maximum(values, MEASURED_BETAS))[:, None, :]
        symmetric = (self.matrix + self.matrix.transpose(0, 2, 1)) / 2.0 / units
        relative = np.linalg.eigvalsh(root.transpose(0, 2, 1) @ symmetric @ root)[:, 0]
        return np.where(values[:, 0] > MEASURED_BETAS, relative, 0.0)

    def influence(
        self, factors: Float64Array, premia: Float64Array, corrected: BoolArray, has_const: bool
    ) -> Float64Array:
        """Influence (T, P) of each date on the average slopes, through slopes and betas.

        Of a system for the first pass' residuals in place of returns: what they make of the slopes,
        A_t eps_t, enters (1 - w_t) times, w_t = (f_t - f)' Vf^-1 premia, through the errors of the
        betas, and the factors' deviations from their means (T, K) enter as they are. The variation
        of the slopes is larger: noise in the betas times the factors is part of it.
        """
        matrix = np.where(corrected[:, None, None], self.matrix, self.measured)
        parts = np.linalg.solve(matrix, self.cross[:, :, None])[:, :, 0]
        deviations = factors - factors.mean(axis=0)
        covariance = deviations.T @ deviations / len(factors)
        kept = 1.0 - deviations @ np.linalg.solve(covariance, premia)
        influence: Float64Array = parts * kept[:, None] + deviations
        if has_const:
            k = parts.shape[1]
            const = self.mean[:, -1] - np.einsum("tk,tk->t", self.mean[:, :k], parts)
            influence = np.column_stack([const * kept, influence])
        influence -= influence.mean(axis=0)
        return influence

    def solve(self, fits: LeastSquares, where: BoolArray) -> LeastSquares:
        """Least-squares fits (with an intercept or not) with corrected slopes on some dates."""
        right, k = self.cross[where], self.cross.shape[1]
        slopes = np.linalg.solve(self.matrix[where], right[:, :, None])[:, :, 0]
        own, mean = self.products[where], self.mean[where]
        coefficients, explained = fits.coefficients.copy(), fits.explained.copy()
        coefficients[where, -k:] = slopes
        if coefficients.shape[1] > k:
            coefficients[where, 0] = mean[:, -1] - np.einsum("tk,tk->t", mean[:, :k], slopes)
        explained[where] = 2.0 * np.einsum("tk,tk->t", slopes, own[:, :k, -1])
        explained[where] -= np.einsum("tk,tkl,tl->t", slopes, own[:, :k, :k], slopes)
        return replace(fits, coefficients=coefficients, explained=explained)


def _moments(
    columns: Float64Array, returns: Float64Array, weights: Float64Array | None, centred: bool
) -> tuple[Float64Array, Float64Array]:
    """Products (T, P, P) and means (T, P) of columns (N, P - 1) and returns (T, N)."""
    moments = masked_cross_moments(np.ascontiguousarray(columns.T), returns, weights)
    products = moments.products
    if not centred:
        products = products + moments.mean[:, None] * moments.mean * moments.weight
    return np.ascontiguousarray(products.transpose(2, 0, 1)), moments.mean.T


def reduced_system(
    betas: Float64Array,
    errors: Float64Array,
    returns: Float64Array,
    weights: Float64Array | None,
    centred: bool,
) -> CorrectedSystem:
    """Take the covariances (N, K, K) of the betas (N, K) off their products, date by date."""
    n, k = betas.shape
    products, mean = _moments(betas, returns, weights, centred)
    present = np.isfinite(returns) * (1.0 if weights is None else weights)
    gram = products[:, :k, :k]
    noise = (present @ errors.reshape(n, -1)).reshape(gram.shape)
    return CorrectedSystem(gram - noise, products[:, :k, k], gram, products, mean)


def instrumental_system(
    halves: Float64Array, returns: Float64Array, weights: Float64Array | None, centred: bool
) -> CorrectedSystem:
    """Products of instruments and explanatory betas from odd and even betas (N, 2 K)."""
    k = halves.shape[1] // 2
    products, mean = _moments(halves, returns, weights, centred)
    # The first date is odd, where odd betas explain; on even dates the two change places.
    swap = np.r_[k : 2 * k, :k, 2 * k]
    products[1::2], mean[1::2] = products[1::2][:, swap][:, :, swap], mean[1::2][:, swap]
    x, z = slice(0, k), slice(k, 2 * k)
    measured = (products[:, x, x] + products[:, z, z]) / 2.0
    return CorrectedSystem(products[:, z, x], products[:, z, -1], measured, products, mean)


def beta_covariances(
    betas: Float64Array, residuals: Float64Array, factors: Float64Array, centred: bool
) -> Float64Array:
    """Covariances (N, K, K) of each asset's betas, s^2 (F'F)^-1; NaN without a degree of freedom.

    F are the factors (T, K) on the asset's own dates, those of its residuals (T, N), ``centred`` if
    the first pass has an intercept. An asset without betas (N, K) has none.
    """
    k = factors.shape[1]
    known = np.isfinite(factors).all(axis=1)
    residuals, f = residuals[known], factors[known]
    observed = np.isfinite(residuals)
    f = f - f.mean(axis=0) * centred
    n_periods, sums = observed.sum(axis=0), observed.T @ f
    pairs = (f[:, :, None] * f[:, None, :]).reshape(len(f), -1)
    gram: Float64Array = (observed.T @ pairs).reshape(-1, k, k)
    if centred:
        gram -= sums[:, :, None] * sums[:, None, :] / np.maximum(n_periods, 1)[:, None, None]
    free = n_periods - k - centred
    good = (free > 0) & np.isfinite(betas).all(axis=1)
    variance = np.nansum(residuals**2, axis=0)[good] / free[good]
    norm = np.sqrt(np.einsum("nkk->nk", gram[good]))
    units = norm[:, :, None] * norm[:, None, :]
    covariances = np.full(gram.shape, np.nan)
    covariances[good] = variance[:, None, None] * np.linalg.inv(gram[good] / units) / units
    return covariances


def instrument_strength(halves: Float64Array, centred: bool) -> Float64Array:
    """Correlations of odd and even betas (N, 2 K) and both first-stage F statistics (K, 3)."""
    n, k = len(halves), halves.shape[1] // 2
    halves = halves - halves.mean(axis=0) * centred
    odd, even = halves[:, :k], halves[:, k:]
    squares = (halves**2).sum(axis=0)
    strength, free = np.full((k, 3), np.nan), n - k - centred
    with np.errstate(divide="ignore", invalid="ignore"):
        strength[:, 0] = (odd * even).sum(axis=0) / np.sqrt(squares[:k] * squares[k:])
        if free > 0:
            for column, b, z in ((1, odd, even), (2, even, odd)):
                left = ((b - z @ np.linalg.lstsq(z, b, rcond=None)[0]) ** 2).sum(axis=0)
                strength[:, column] = ((b**2).sum(axis=0) - left) / k / (left / free)
    return strength

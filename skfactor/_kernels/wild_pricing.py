"""Statistics of pricing errors of many samples at once, for a wild bootstrap of their tests.

As in `wild_bootstrap` factors are kept and all assets of a date get the same sign. With serial
dependence the signs are of the innovations of an autoregression, whose paths the residuals are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from skfactor._kernels.rounding import EPSILON
from skfactor._kernels.wild_bootstrap import wald_statistics
from skfactor._typing import BoolArray, Float64Array

# From series (D, T, M) with mean zero to their (long-run) covariances (D, M, M).
Covariances: TypeAlias = Callable[[Float64Array], Float64Array]

# Of the residuals' autoregressions.
_LARGEST_ROOT = 0.97


def mean_squares(series: Float64Array) -> Float64Array:
    """Covariances (D, M, M) of series (D, T, M) with mean zero and without serial dependence."""
    covariances: Float64Array = series.transpose(0, 2, 1) @ series / series.shape[1]
    return covariances


def signed(residuals: Float64Array, signs: Float64Array) -> Float64Array:
    """Residuals (T, N) times signs (D, T), (D, T, N)."""
    drawn: Float64Array = residuals * signs[:, :, None]
    return drawn


def unleveraged(factors: Float64Array, residuals: Float64Array) -> Float64Array:
    """Residuals (T, N) over what regressions on centred factors (T, K) and 1 leave of a unit.

    They have the variance of what was disturbed then, where least squares leave less.
    """
    basis, _ = np.linalg.qr(factors)
    leverage = 1.0 / len(factors) + np.einsum("tk,tk->t", basis, basis)
    # A date that alone decides a beta has no residual.
    scaled: Float64Array = residuals / np.sqrt(np.maximum(1.0 - leverage, EPSILON))[:, None]
    return scaled


def autoregressive(
    residuals: Float64Array, follows: BoolArray, signs: Float64Array
) -> Float64Array:
    """Paths (D, T, N) of residuals (T, N) whose innovations are multiplied by signs (D, T).

    Each asset has an autoregression of first order. Its coefficient is raised by the bias of least
    squares, (1 + 3 rho) / T. ``follows`` (T,) says which dates have a predecessor; a path starts
    anew on the others.
    """
    present = np.flatnonzero(follows)
    past = residuals[present - 1]
    squares = np.einsum("tn,tn->n", past, past)
    products = np.einsum("tn,tn->n", residuals[present], past)
    root = products / np.where(squares > 0.0, squares, 1.0)
    root = np.clip(root + (1.0 + 3.0 * root) / len(residuals), -_LARGEST_ROOT, _LARGEST_ROOT)
    innovations = residuals.copy()
    innovations[present] -= root * past
    paths = signed(innovations, signs)
    for t in present:
        paths[:, t] += root * paths[:, t - 1]
    return paths


@dataclass(frozen=True)
class AlphaStatistics:
    """Wald statistic that all alphas are zero, robust to heteroskedasticity (White, 1980).

    It is the same for returns and for what known factors leave of them.
    """

    factors: Float64Array  # (T, K)
    covariances: Covariances = mean_squares

    @cached_property
    def basis(self) -> Float64Array:
        """Orthonormal basis (T, K + 1) of a constant and the factors."""
        design = np.column_stack([self.factors, np.ones(len(self.factors))])
        basis: Float64Array = np.linalg.qr(design)[0]
        return basis

    @cached_property
    def direction(self) -> Float64Array:
        """Series (T,) whose products with returns add up to alphas."""
        last = self.basis[:, -1]  # what the factors leave of a constant, in units of its length
        direction: Float64Array = last / last.sum()
        return direction

    def null_residuals(self, returns: Float64Array) -> Float64Array:
        """What the factors leave of returns (T, N) if alphas are zero."""
        basis, _ = np.linalg.qr(self.factors)
        left: Float64Array = returns - basis @ (basis.T @ returns)
        return left

    def statistics(self, returns: Float64Array) -> Float64Array:
        """Statistics (D,) of returns (D, T, N)."""
        n_dates = len(self.factors)
        alphas: Float64Array = self.direction @ returns
        residuals = returns - self.basis @ (self.basis.T @ returns)
        influence = n_dates * self.direction[:, None] * residuals
        return n_dates * wald_statistics(alphas, self.covariances(influence))


@dataclass(frozen=True)
class SpanningStatistics:
    """Wald statistics that benchmark assets span others, robust to heteroskedasticity.

    Returns are over those of the last benchmark asset: spanned ones have alphas of zero, and betas
    on all benchmark assets that add up to zero.
    """

    benchmark: Float64Array  # (T, K)
    covariances: Covariances = mean_squares

    @cached_property
    def design(self) -> Float64Array:
        """A constant and the benchmark (T, K + 1)."""
        design: Float64Array = np.column_stack([np.ones(len(self.benchmark)), self.benchmark])
        return design

    @cached_property
    def directions(self) -> Float64Array:
        """Series (T, 2) whose products with returns add up to alphas and to sums of betas."""
        n_columns = self.design.shape[1]
        pick = np.column_stack([np.eye(n_columns)[0], 1.0 - np.eye(n_columns)[0]])
        directions: Float64Array = self.design @ np.linalg.solve(self.design.T @ self.design, pick)
        return directions

    def null_residuals(self, returns: Float64Array, *, betas: bool) -> Float64Array:
        """What the benchmark leaves of returns (T, N) if alphas are zero, and the sums of betas."""
        columns = self.benchmark
        if betas:
            columns = columns[:, :-1] - columns[:, -1:]
        basis, _ = np.linalg.qr(columns)
        left: Float64Array = returns - basis @ (basis.T @ returns)
        return left

    def estimates(self, returns: Float64Array) -> Float64Array:
        """Alphas and sums of betas (..., 2 N) of returns (..., T, N)."""
        estimates: Float64Array = self.directions.T @ returns
        return estimates.reshape(*returns.shape[:-2], -1)

    def influence(self, returns: Float64Array) -> Float64Array:
        """Influence (D, T, 2 N) of each date of returns (D, T, N) on alphas and sums of betas."""
        basis, _ = np.linalg.qr(self.design)
        residuals = len(basis) * (returns - basis @ (basis.T @ returns))
        series = [residuals * direction[:, None] for direction in self.directions.T]
        return np.concatenate(series, axis=2)

    def statistics(self, returns: Float64Array) -> Float64Array:
        """Statistics (D, 3) of returns (D, T, N): of both, of alphas, and of betas given these."""
        estimates = self.estimates(returns)
        covariances, n = self.covariances(self.influence(returns)), returns.shape[2]
        both = wald_statistics(estimates, covariances)
        alphas = wald_statistics(estimates[:, :n], covariances[:, :n, :n])
        return len(self.benchmark) * np.column_stack([both, alphas, both - alphas])


@dataclass(frozen=True)
class PricingErrorStatistics:
    """Statistic of Kan, Robotti and Shanken (2013) that two passes leave no pricing errors."""

    factors: Float64Array  # (T, K) with mean zero
    weighting: str  # "ols", "wls" or "gls"
    zero_beta: bool
    covariances: Covariances = mean_squares

    @cached_property
    def scaled_factors(self) -> Float64Array:
        """Vf^-1 f_t (T, K)."""
        n_dates = len(self.factors)
        scaled: Float64Array = self.factors @ np.linalg.inv(self.factors.T @ self.factors / n_dates)
        return scaled

    def statistics(self, returns: Float64Array) -> Float64Array:
        """Statistics (D,) of returns (D, T, N)."""
        n_dates, n_factors = self.factors.shape
        means = returns.mean(axis=1)
        centred = returns - means[:, None]
        betas = centred.transpose(0, 2, 1) @ self.scaled_factors / n_dates
        residuals = centred - self.factors @ betas.transpose(0, 2, 1)
        exposures = betas
        if self.zero_beta:
            exposures = np.concatenate([np.ones((*betas.shape[:2], 1)), betas], axis=2)
        weighed = exposures
        if self.weighting == "wls":
            weighed = exposures / np.mean(residuals**2, axis=1)[:, :, None]
        elif self.weighting == "gls":
            weighed = np.linalg.solve(mean_squares(centred), exposures)
        across = weighed.transpose(0, 2, 1)
        premia = np.linalg.solve(across @ exposures, across @ means[:, :, None])
        discount = 1.0 - self.scaled_factors @ premia[:, -n_factors:]
        # Any basis of what betas do not span, whatever the weights: they cancel.
        beside = np.linalg.qr(exposures, mode="complete")[0][:, :, exposures.shape[2] :]
        errors = (beside.transpose(0, 2, 1) @ means[:, :, None])[:, :, 0]
        series: Float64Array = (residuals * discount) @ beside
        statistics: Float64Array = n_dates * wald_statistics(errors, self.covariances(series))
        return statistics


def squared_distances(factors: Float64Array, returns: Float64Array) -> Float64Array:
    """Squared Hansen-Jagannathan distances (D,) of returns (D, T, N) and centred factors (T, K)."""
    means = returns.mean(axis=1)
    centred = returns - means[:, None]
    loadings = centred.transpose(0, 2, 1) @ factors / len(factors)
    values = np.concatenate([means[:, :, None], loadings], axis=2)
    gram = values.transpose(0, 2, 1) @ np.linalg.solve(mean_squares(centred), values)
    explained = wald_statistics(gram[:, 1:, 0], gram[:, 1:, 1:])
    distances: Float64Array = gram[:, 0, 0] - explained
    return distances

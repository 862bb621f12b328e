"""Wild bootstrap of tests of betas: residuals under the hypothesis, times one random sign per date.

Factors are kept as they are, and all assets of a date get the same sign: what is heteroskedastic,
dependent on the factors or correlated between assets stays so, and only serial dependence is
destroyed. Statistics are of many samples at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skfactor._typing import BoolArray, Float64Array

# Values of samples that are worked on together: they and what is made of them stay in memory.
_BATCH = 2_000_000


def random_signs(n_draws: int, n_dates: int, seed: int) -> Float64Array:
    """Independent signs (n_draws, n_dates), 1 or -1 with equal probability."""
    signs = np.random.default_rng(seed).choice(np.array([-1.0, 1.0]), size=(n_draws, n_dates))
    return signs.astype(np.float64, copy=False)


def share_as_large(
    statistics: Callable[[Float64Array], Float64Array],
    observed: float,
    signs: Float64Array,
    n_assets: int,
) -> float:
    """p-value of an observed statistic among those of samples, itself being one of them.

    ``statistics`` takes signs (D, T) and returns the statistics (D,) of the samples they give.
    """
    several = shares_as_large(
        lambda drawn: statistics(drawn)[:, None], np.array([observed]), signs, n_assets
    )
    return float(several[0])


def shares_as_large(
    statistics: Callable[[Float64Array], Float64Array],
    observed: Float64Array,
    signs: Float64Array,
    n_assets: int,
) -> Float64Array:
    """As `share_as_large` for several observed statistics (M,), of statistics (D, M)."""
    step = max(_BATCH // (n_assets * signs.shape[1]), 1)
    count = np.zeros(len(observed))
    for start in range(0, len(signs), step):
        count += np.count_nonzero(statistics(signs[start : start + step]) >= observed, axis=0)
    shares: Float64Array = (1.0 + count) / (1.0 + len(signs))
    return shares


def wald_statistics(values: Float64Array, covariances: Float64Array) -> Float64Array:
    """Values (D, M) times the inverses of their covariances (D, M, M) times values, (D,)."""
    solved = np.linalg.solve(covariances, values[:, :, None])[:, :, 0]
    statistics: Float64Array = np.einsum("dm,dm->d", values, solved)
    return statistics


@dataclass(frozen=True)
class BetaEquality:
    """Test that the betas on one factor are the same for all assets, or that they are all zero.

    Its Wald statistic is robust to heteroskedasticity (White, 1980), from a regression of each
    asset on all factors over its own dates.
    """

    # (N or 1, T, P) orthonormal bases of a constant and the factors, 0 on dates that an asset
    # misses; last is what the factor adds to the others, and its length (N or 1,)
    basis: Float64Array
    length: Float64Array
    differences: bool  # whether betas are compared with each other, or with zero

    @classmethod
    def of(
        cls, factors: Float64Array, observed: BoolArray, k: int, differences: bool
    ) -> BetaEquality:
        """From factors (T, K), the dates (N, T) of each asset, and the place of the factor."""
        rows = observed[:1] if (observed == observed[0]).all() else observed
        design = np.column_stack([np.ones(len(factors)), np.delete(factors, k, 1), factors[:, k]])
        patterns, member = np.unique(rows, axis=0, return_inverse=True)
        basis, length = np.zeros((len(patterns), *design.shape)), np.zeros(len(patterns))
        for p, pattern in enumerate(patterns):
            basis[p, pattern], triangle = np.linalg.qr(design[pattern])
            length[p] = triangle[-1, -1]
        which = member.reshape(-1)
        return cls(basis[which], length[which], differences)

    def null_residuals(self, returns: Float64Array) -> Float64Array:
        """Residuals (N, T) of returns (N, T), 0 where missing, if all betas are the same.

        The common beta is an average that weighs each by its factor's sum of squares; it is zero
        where that is the hypothesis.
        """
        own = self.basis[..., -1]
        left = _beside(self.basis[..., :-1], returns)
        if self.differences:
            betas = np.sum(own * returns, axis=-1) / self.length
            weight = np.broadcast_to(self.length**2, betas.shape)
            left -= np.average(betas, weights=weight) * self.length[:, None] * own
        return left

    def residuals(self, returns: Float64Array) -> Float64Array:
        """What all factors leave of returns (N, T)."""
        return _beside(self.basis, returns)

    def estimate(
        self, residuals: Float64Array, signs: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Betas (D, M), or their differences, of residuals (N, T) times signs (D, T).

        And their covariances (D, M, M), sums of squared influences.
        """
        (n_assets, n_dates), n_columns = residuals.shape, self.basis.shape[-1]
        scores = (residuals[:, :, None] * self.basis).transpose(1, 0, 2)
        loadings = (signs @ scores.reshape(n_dates, -1)).reshape(-1, n_assets, n_columns)
        betas = loadings[:, :, -1] / self.length
        direction = self.basis[..., -1] / self.length[:, None]
        if len(self.basis) == 1:
            # A sign squared is one: of the squares only what the fit takes off changes.
            basis, weight = self.basis[0], direction[0] ** 2
            weighted = (scores * weight[:, None, None]).reshape(n_dates, -1)
            off = loadings @ (basis.T @ (weight[:, None] * basis)) / 2.0
            off -= (signs @ weighted).reshape(loadings.shape)
            covariance = loadings @ off.transpose(0, 2, 1)
            covariance = covariance + covariance.transpose(0, 2, 1)
            covariance += (residuals * weight) @ residuals.T
        else:
            fitted = loadings.transpose(1, 0, 2) @ self.basis.transpose(0, 2, 1)
            influence = residuals * signs[:, None] - fitted.transpose(1, 0, 2)
            influence *= direction
            covariance = influence @ influence.transpose(0, 2, 1)
        if self.differences:
            betas = betas[:, :-1] - betas[:, -1:]
            covariance = covariance[:, :-1] - covariance[:, -1:]
            covariance = covariance[:, :, :-1] - covariance[:, :, -1:]
        return betas, covariance


def _beside(basis: Float64Array, returns: Float64Array) -> Float64Array:
    """Returns (N, T) less their projection on orthonormal bases (N or 1, T, P)."""
    fitted = (returns[:, None] @ basis) @ basis.transpose(0, 2, 1)
    left: Float64Array = returns - fitted[:, 0]
    return left


@dataclass(frozen=True)
class RankDeficiency:
    """Test of Kleibergen and Paap (2006) that betas have at most a rank."""

    factors: Float64Array  # (T, K) with mean zero and covariance I
    rank: int

    def standardize(self, returns: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Betas Theta (D, K, N) of returns (D, T, N) in units of their errors.

        Residuals (D, T, N), and the inverse roots (D, N, N) of their covariance.
        """
        returns = returns - returns.mean(axis=1, keepdims=True)
        betas = self.factors.T @ returns / len(self.factors)
        residuals = returns - self.factors @ betas
        covariance = residuals.transpose(0, 2, 1) @ residuals / len(self.factors)
        inverse = np.linalg.inv(np.linalg.cholesky(covariance)).transpose(0, 2, 1)
        return betas @ inverse, residuals, inverse

    def bases(self, theta: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Directions of factors (D, K, K - q) and assets (D, N, N - q) beyond the rank.

        They differ from those of Kleibergen and Paap by rotations, which the quadratic form does
        not see.
        """
        left, _, right = np.linalg.svd(theta)
        return left[:, :, self.rank :], right[:, self.rank :].transpose(0, 2, 1)

    def statistics(self, returns: Float64Array) -> Float64Array:
        """Statistics (D,) of returns (D, T, N)."""
        theta, residuals, inverse = self.standardize(returns)
        left, right = self.bases(theta)
        deviations = (left.transpose(0, 2, 1) @ theta @ right).reshape(len(theta), -1)
        x, y = self.factors @ left, residuals @ (inverse @ right)
        series = (x[..., :, None] * y[..., None, :]).reshape(*x.shape[:2], -1)
        covariance = series.transpose(0, 2, 1) @ series
        return wald_statistics(len(self.factors) * deviations, covariance)

    def best_fit(self, returns: Float64Array) -> tuple[Float64Array, Float64Array]:
        """What the nearest betas of the rank make of returns (T, N), and what they leave."""
        theta, _, inverse = self.standardize(returns[None])
        left, singular, right = np.linalg.svd(theta[0], full_matrices=False)
        singular[self.rank :] = 0.0
        fitted: Float64Array = (
            self.factors @ np.linalg.solve(inverse[0].T, ((left * singular) @ right).T).T
        )
        return fitted, returns - returns.mean(axis=0) - fitted

"""Both passes of a two-pass regression in many draws of its dates.

A draw is how often it has each date, so the moments of all draws are one product: shares of the
dates times products of returns and factors. What follows is as large as the numbers of assets and
factors. Notation as in `skfactor._passes.two_pass`, with D draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skfactor._kernels.wild_bootstrap import wald_statistics
from skfactor._typing import Float64Array, IntArray

# Numbers that are worked on together: they and what is made of them stay in memory.
_BATCH = 4_000_000
# Covariances of all returns cost less than slopes of every date for so many assets a premium.
_FEW_ASSETS = 8


@dataclass(frozen=True)
class TwoPassSample:
    """Complete factors (T, K) and returns (T, N), and how their premia are estimated."""

    factors: Float64Array
    returns: Float64Array
    weighting: str  # "ols", "wls" or "gls"
    zero_beta: bool

    @cached_property
    def mean_factors(self) -> Float64Array:
        """Averages (K,)."""
        means: Float64Array = self.factors.mean(axis=0)
        return means

    @cached_property
    def mean_returns(self) -> Float64Array:
        """Averages (N,)."""
        means: Float64Array = self.returns.mean(axis=0)
        return means

    @cached_property
    def centred_factors(self) -> Float64Array:
        """Factors less their averages (T, K): digits are not lost in their squares."""
        centred: Float64Array = self.factors - self.mean_factors
        return centred

    @cached_property
    def centred_returns(self) -> Float64Array:
        """Returns less their averages (T, N)."""
        centred: Float64Array = self.returns - self.mean_returns
        return centred

    @cached_property
    def products(self) -> Float64Array:
        """Factors, returns, and factors times both (T, (1 + K) (K + N))."""
        both = np.column_stack([self.centred_factors, self.centred_returns])
        crossed = self.centred_factors[:, :, None] * both[:, None, :]
        return np.column_stack([both, crossed.reshape(len(both), -1)])

    @cached_property
    def return_products(self) -> Float64Array:
        """Products of the returns of two assets (T, N (N + 1) / 2)."""
        first, second = np.triu_indices(self.returns.shape[1])
        products: Float64Array = self.centred_returns[:, first] * self.centred_returns[:, second]
        return products

    def batches(self, counts: IntArray, width: int) -> Iterator[DrawnPasses]:
        """Passes of draws that have each date so often (D, T), by ``width`` numbers per draw."""
        step = max(_BATCH // max(width, counts.shape[1]), 1)
        for start in range(0, len(counts), step):
            yield DrawnPasses(self, counts[start : start + step] / counts.shape[1])


@dataclass(frozen=True)
class DrawnPasses:
    """Two passes of D draws, from the share (D, T) that each date has in them."""

    sample: TwoPassSample
    shares: Float64Array

    @cached_property
    def _moments(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Averages (D, K + N) less those of the sample, Vf (D, K, K), covariances (D, K, N)."""
        k, n = self.sample.factors.shape[1], self.sample.returns.shape[1]
        moments = self.shares @ self.sample.products
        means = moments[:, : k + n]
        second = moments[:, k + n :].reshape(-1, k, k + n) - means[:, :k, None] * means[:, None]
        return means, second[:, :, :k], second[:, :, k:]

    @property
    def factor_means(self) -> Float64Array:
        """Averages of the factors less those of the sample (D, K)."""
        return self._moments[0][:, : self.sample.factors.shape[1]]

    @cached_property
    def means(self) -> Float64Array:
        """Average returns (D, N)."""
        return self.sample.mean_returns + self._moments[0][:, self.sample.factors.shape[1] :]

    @property
    def factor_covariance(self) -> Float64Array:
        """Vf (D, K, K)."""
        return self._moments[1]

    @cached_property
    def betas(self) -> Float64Array:
        """B (D, N, K)."""
        betas: Float64Array = np.linalg.solve(self._moments[1], self._moments[2])
        return betas.transpose(0, 2, 1)

    @cached_property
    def exposures(self) -> Float64Array:
        """X (D, N, P)."""
        if not self.sample.zero_beta:
            return self.betas
        return np.concatenate([np.ones((*self.betas.shape[:2], 1)), self.betas], axis=2)

    @cached_property
    def return_covariance(self) -> Float64Array:
        """VR (D, N, N)."""
        n = self.sample.returns.shape[1]
        first, second = np.triu_indices(n)
        covariance = np.empty((len(self.shares), n, n))
        covariance[:, first, second] = self.shares @ self.sample.return_products
        covariance[:, second, first] = covariance[:, first, second]
        off = self.means - self.sample.mean_returns
        covariance -= off[:, :, None] * off[:, None, :]
        return covariance

    @cached_property
    def residual_variances(self) -> Float64Array:
        """Diagonal of the residual covariance (D, N)."""
        off = self.means - self.sample.mean_returns
        total = self.shares @ self.sample.centred_returns**2 - off**2
        variances: Float64Array = total - np.einsum("dnk,dkn->dn", self.betas, self._moments[2])
        return variances

    def weigh(self, columns: Float64Array) -> Float64Array:
        """W times columns (D, N, ...)."""
        if self.sample.weighting == "ols":
            return columns
        if self.sample.weighting == "wls":
            scaled: Float64Array = columns / self.residual_variances[:, :, None]
            return scaled
        return np.asarray(np.linalg.solve(self.return_covariance, columns), dtype=np.float64)

    @cached_property
    def _weighed(self) -> tuple[Float64Array, Float64Array]:
        """X'W (D, P, N) and X'WX (D, P, P)."""
        across = self.weigh(self.exposures).transpose(0, 2, 1)
        return across, across @ self.exposures

    @cached_property
    def projection(self) -> Float64Array:
        """A (D, P, N)."""
        across, gram = self._weighed
        return np.asarray(np.linalg.solve(gram, across), dtype=np.float64)

    def price(self, means: Float64Array) -> Float64Array:
        """Premia (D, P, M) of several average returns (D, N, M)."""
        across, gram = self._weighed
        return np.asarray(np.linalg.solve(gram, across @ means), dtype=np.float64)

    @cached_property
    def premia(self) -> Float64Array:
        """Premia (D, P)."""
        return self.price(self.means[:, :, None])[:, :, 0]

    @cached_property
    def errors(self) -> Float64Array:
        """Pricing errors e (D, N)."""
        errors: Float64Array = self.means - np.einsum("dnp,dp->dn", self.exposures, self.premia)
        return errors

    @property
    def factor_premia(self) -> Float64Array:
        """Premia of the factors (D, K)."""
        return self.premia[:, -self.sample.factors.shape[1] :]

    @cached_property
    def scaled_premia(self) -> Float64Array:
        """Vf^-1 premia (D, K): the discount is (f_t - f)' times these."""
        premia = self.factor_premia[:, :, None]
        scaled: Float64Array = np.linalg.solve(self.factor_covariance, premia)[:, :, 0]
        return scaled

    @property
    def errors_in_variables(self) -> Float64Array:
        """Premia' Vf^-1 premia, c (D,)."""
        c: Float64Array = np.einsum("dk,dk->d", self.factor_premia, self.scaled_premia)
        return c

    def shanken_covariance(self) -> Float64Array:
        """Covariance (D, P, P) of the premia by Shanken (1992), without a kernel."""
        k, n_dates = self.sample.factors.shape[1], len(self.sample.factors)
        n_assets, n_premia = self.exposures.shape[1:]
        if self.sample.weighting == "gls" or n_assets <= _FEW_ASSETS * n_premia:
            across = self.projection.transpose(0, 2, 1)
            of_slopes = self.projection @ self.return_covariance @ across
        else:
            slopes = self._slopes()
            of_slopes = (slopes * self.shares[:, :, None]).transpose(0, 2, 1) @ slopes
        c = self.errors_in_variables[:, None, None]
        covariance: Float64Array = of_slopes * (1.0 + c)
        covariance[:, -k:, -k:] -= c * self.factor_covariance
        return covariance / n_dates

    def _slopes(self) -> Float64Array:
        """Slopes of every date of the sample less the premia (D, T, P)."""
        off = self.sample.mean_returns - self.means
        slopes: Float64Array = self.sample.centred_returns @ self.projection.transpose(0, 2, 1)
        slopes += np.einsum("dpn,dn->dp", self.projection, off)[:, None]
        return slopes

    def influence(self) -> Float64Array:
        """Influence (D, T, P) of every date of the sample on the premia of each draw.

        By Kan, Robotti and Shanken (2013), so that models need not be right.
        """
        k = self.sample.factors.shape[1]
        slopes = self._slopes()
        factors = self.sample.centred_factors - self.factor_means[:, None]
        discount = (factors @ self.scaled_premia[:, :, None])[:, :, 0]
        weighted = self.weigh(self.errors[:, :, None])
        u = self.sample.centred_returns @ weighted[:, :, 0].T
        u = (
            u.T
            + np.einsum("dn,dn->d", self.sample.mean_returns - self.means, weighted[:, :, 0])[
                :, None
            ]
        )
        scaled = factors @ np.linalg.inv(self.factor_covariance)
        bread = np.linalg.inv(self._weighed[1])
        influence = slopes * (1.0 - discount)[:, :, None]
        influence[:, :, -k:] += factors * discount[:, :, None]
        influence += (scaled * u[:, :, None]) @ bread[:, -k:]
        if self.sample.weighting == "gls":
            influence -= slopes * u[:, :, None]
        elif self.sample.weighting == "wls":
            off = self.sample.mean_returns - self.means
            left = self.sample.centred_returns + off[:, None]
            left = left - factors @ self.betas.transpose(0, 2, 1)
            share = left**2 * (self.errors / self.residual_variances)[:, None]
            influence -= share @ self.projection.transpose(0, 2, 1)
        return influence

    @cached_property
    def residual_covariance(self) -> Float64Array:
        """S (D, N, N)."""
        covariance: Float64Array = self.return_covariance - self.betas @ self._moments[2]
        return covariance

    def error_variances(self) -> Float64Array:
        """Variances (D, N) of the pricing errors of correct models (Shanken, 1992)."""
        beside = np.eye(self.exposures.shape[1]) - self.exposures @ self.projection
        variances: Float64Array = np.einsum(
            "dnm,dnm->dn", beside @ self.residual_covariance, beside
        )
        variances *= (1.0 + self.errors_in_variables)[:, None]
        return variances / len(self.sample.factors)

    def shanken_statistics(self, shift: Float64Array) -> Float64Array:
        """Statistics Q (D,) of Shanken (1985), of returns less a constant each (N,)."""
        means = (self.means - shift)[:, :, None]
        premia = self.price(means)[:, -self.sample.factors.shape[1] :]
        c = (premia.transpose(0, 2, 1) @ np.linalg.solve(self.factor_covariance, premia))[:, 0, 0]
        # What no combination of the exposures explains, by the inverse of S.
        values = np.concatenate([means, self.exposures], axis=2)
        gram = values.transpose(0, 2, 1) @ np.linalg.solve(self.residual_covariance, values)
        explained = wald_statistics(gram[:, 1:, 0], gram[:, 1:, 1:])
        return (gram[:, 0, 0] - explained) / (1.0 + c)

    def r2(self, means: Float64Array) -> Float64Array:
        """Cross-sectional R squared (D, M) of several average returns (D, N, M)."""
        errors = means - self.exposures @ self.price(means)
        around = means
        if self.sample.zero_beta:
            one = self.weigh(np.ones((*means.shape[:2], 1)))
            around = means - (one.transpose(0, 2, 1) @ means) / one.sum(axis=1, keepdims=True)
        left = np.einsum("dnm,dnm->dm", errors, self.weigh(errors))
        total = np.einsum("dnm,dnm->dm", around, self.weigh(around))
        r2: Float64Array = 1.0 - left / total
        return r2


def cosine_covariances(series: Float64Array) -> Float64Array:
    """Long-run covariances (D, P, P) of the averages of series (D, T, P) with mean zero.

    Of their products with ceil(0.4 T^(2/3)) cosines, each of which is one estimate (Mueller, 2004;
    Lazarus, Lewis, Stock and Watson, 2018).
    """
    n_dates = series.shape[1]
    n_cosines = int(np.ceil(0.4 * n_dates ** (2.0 / 3.0)))
    turns = np.outer(np.arange(1, n_cosines + 1), np.arange(n_dates) + 0.5) / n_dates
    sums = np.sqrt(2.0 / n_dates) * np.cos(np.pi * turns) @ series
    covariances: Float64Array = sums.transpose(0, 2, 1) @ sums / (n_cosines * n_dates)
    return covariances

"""The two passes on complete data as matrices, and the influence of each date on their premia.

Notation: T dates, N assets, K factors, P premia (K, or K + 1 with a zero-beta rate); mu and f are
means, B betas, X = [1, B] or B, W the second pass' weights, H = (X'WX)^-1, A = HX'W, e the pricing
errors. Influence series are (T, P) with mean zero; premia vary as their long-run variance over T.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.linalg import solve_triangular

from skfactor._kernels.records import Record
from skfactor._typing import Float64Array

Weighting = Literal["ols", "wls", "gls"]


@dataclass(frozen=True)
class TwoPass(Record):
    """Complete returns (T, N) and factors (T, K), and what the two passes make of them."""

    returns: Float64Array
    factors: Float64Array
    weighting: Weighting
    zero_beta: bool
    known_betas: Float64Array | None = None  # (N, K), if the first pass was run before

    @cached_property
    def centred_returns(self) -> Float64Array:
        """Returns minus their means (T, N)."""
        centred: Float64Array = self.returns - self.means
        return centred

    @cached_property
    def centred_factors(self) -> Float64Array:
        """Factors minus their means (T, K)."""
        centred: Float64Array = self.factors - self.factors.mean(axis=0)
        return centred

    @cached_property
    def means(self) -> Float64Array:
        """Average returns mu (N,)."""
        means: Float64Array = self.returns.mean(axis=0)
        return means

    @cached_property
    def factor_covariance(self) -> Float64Array:
        """Vf (K, K), divisor T."""
        return self.centred_factors.T @ self.centred_factors / len(self.factors)

    @cached_property
    def scaled_factors(self) -> Float64Array:
        """Vf^-1 (f_t - f) (T, K)."""
        scaled: Float64Array = self.centred_factors @ np.linalg.inv(self.factor_covariance)
        return scaled

    @cached_property
    def betas(self) -> Float64Array:
        """B (N, K)."""
        if self.known_betas is not None:
            return self.known_betas
        cross = self.centred_factors.T @ self.centred_returns / len(self.factors)
        return np.asarray(np.linalg.solve(self.factor_covariance, cross).T, dtype=np.float64)

    @cached_property
    def residuals(self) -> Float64Array:
        """First-pass residuals (T, N)."""
        return self.centred_returns - self.centred_factors @ self.betas.T

    @cached_property
    def residual_variances(self) -> Float64Array:
        """Diagonal of the residual covariance (N,), divisor T."""
        squares: Float64Array = np.einsum("tn,tn->n", self.residuals, self.residuals)
        return squares / len(self.returns)

    @cached_property
    def return_covariance(self) -> Float64Array:
        """Covariance of the returns (N, N), divisor T."""
        return self.centred_returns.T @ self.centred_returns / len(self.returns)

    @cached_property
    def exposures(self) -> Float64Array:
        """X (N, P)."""
        if not self.zero_beta:
            return self.betas
        return np.column_stack([np.ones(len(self.betas)), self.betas])

    def weigh(self, columns: Float64Array) -> Float64Array:
        """W times columns (N, ...)."""
        if self.weighting == "ols":
            return columns
        if self.weighting == "wls":
            scaled: Float64Array = (columns.T / self.residual_variances).T
            return scaled
        return np.asarray(np.linalg.solve(self.return_covariance, columns), dtype=np.float64)

    @cached_property
    def bread(self) -> Float64Array:
        """H (P, P)."""
        gram = self.exposures.T @ self.weigh(self.exposures)
        return np.asarray(np.linalg.inv(gram), dtype=np.float64)

    @cached_property
    def projection(self) -> Float64Array:
        """A (P, N)."""
        return self.bread @ self.weigh(self.exposures).T

    @cached_property
    def slopes(self) -> Float64Array:
        """Premia of each date, A R_t (T, P)."""
        return self.returns @ self.projection.T

    @cached_property
    def premia(self) -> Float64Array:
        """A mu (P,)."""
        return self.projection @ self.means

    @cached_property
    def factor_premia(self) -> Float64Array:
        """Premia of the factors (K,)."""
        return self.premia[-self.factors.shape[1] :]

    @cached_property
    def pricing_errors(self) -> Float64Array:
        """Average return minus expected return e (N,)."""
        return self.means - self.exposures @ self.premia

    @cached_property
    def weighted_errors(self) -> Float64Array:
        """u_t = e'W (R_t - mu) (T,)."""
        weighted = self.weigh(self.pricing_errors)
        errors: Float64Array = self.returns @ weighted - self.means @ weighted
        return errors

    @cached_property
    def discount(self) -> Float64Array:
        """w_t = (f_t - f)' Vf^-1 premia (T,): one minus it is the model's discount factor."""
        return self.scaled_factors @ self.factor_premia

    @property
    def errors_in_variables(self) -> float:
        """Premia' Vf^-1 premia, the c by which estimated betas add to variances (Shanken, 1992)."""
        premia = self.factor_premia
        return float(premia @ np.linalg.solve(self.factor_covariance, premia))

    @cached_property
    def null_space(self) -> Float64Array:
        """Combinations (N, N - P) of assets that X does not span, in an orthonormal basis by W.

        With R'R = W it is R'Q, Q an orthonormal basis beside RX.
        """
        x, n_premia = self.exposures, self.exposures.shape[1]
        if self.weighting == "gls":
            lower = np.linalg.cholesky(self.return_covariance)
            q, _ = np.linalg.qr(solve_triangular(lower, x, lower=True), mode="complete")
            whitened: Float64Array = solve_triangular(lower, q[:, n_premia:], lower=True, trans="T")
            return whitened
        root = (
            1.0 / np.sqrt(self.residual_variances) if self.weighting == "wls" else np.ones(len(x))
        )
        q, _ = np.linalg.qr(root[:, None] * x, mode="complete")
        beside: Float64Array = root[:, None] * q[:, n_premia:]
        return beside

    @cached_property
    def moments(self) -> Float64Array:
        """Influence (T, N) of each date on average returns less what betas explain.

        For a correct model; `null_space` takes out what the premia make of it.
        """
        scaled: Float64Array = self.residuals * (1.0 - self.discount)[:, None]
        return scaled

    def small_sample_scale(self, debiased: bool) -> float:
        """(T - N - 2) / T, which makes the inverse of a covariance unbiased; for GLS only."""
        t, n = self.returns.shape
        return (t - n - 2) / t if debiased and self.weighting == "gls" else 1.0

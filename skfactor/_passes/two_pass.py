"""The two passes of a fit as they were run, and on complete data what they are as matrices.

Notation: T dates, N assets, K factors, P premia (K, or K + 1 with a zero-beta rate); mu and f are
means, B betas, X = [1, B] or B, W the second pass' weights, H = (X'WX)^-1, A = HX'W, e the pricing
errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from skfactor._definite import cholesky_factor
from skfactor._kernels.records import Record
from skfactor._passes.first_pass import FirstPass
from skfactor._typing import Float64Array


@dataclass(frozen=True)
class TwoPass(Record):
    """Complete returns (T, N) and factors (T, K), and what the two passes make of them."""

    returns: Float64Array
    factors: Float64Array
    weighting: str  # "ols", "wls" or "gls"
    zero_beta: bool
    known_betas: Float64Array | None = None  # (N, K), if the first pass was run before
    known_slopes: Float64Array | None = None  # (T, P), if the second one was

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
    def weighted_exposures(self) -> Float64Array:
        """WX (N, P)."""
        return self.weigh(self.exposures)

    @cached_property
    def gram(self) -> Float64Array:
        """X'WX (P, P), which has an inverse: ``ValueError`` if not."""
        gram: Float64Array = self.exposures.T @ self.weighted_exposures
        scale = np.sqrt(np.diag(gram))
        if cholesky_factor(gram / scale / scale[:, None]) is None:
            raise ValueError(
                "The betas of the assets are collinear to rounding, so that premia have no errors: "
                "an asset varies much more than the others, or two factors have almost the same "
                "betas. Bring the returns into the same units, or drop one of the factors."
            )
        return gram

    @cached_property
    def bread(self) -> Float64Array:
        """H (P, P)."""
        return np.asarray(np.linalg.inv(self.gram), dtype=np.float64)

    @cached_property
    def projection(self) -> Float64Array:
        """A (P, N)."""
        return self.bread @ self.weighted_exposures.T

    @cached_property
    def slopes(self) -> Float64Array:
        """Premia of each date, A R_t (T, P)."""
        if self.known_slopes is not None:
            return self.known_slopes
        return self.returns @ self.projection.T

    @cached_property
    def premia(self) -> Float64Array:
        """A mu (P,)."""
        if self.known_slopes is None:
            return self.projection @ self.means
        _ = self.gram  # which refuses betas that make slopes of rounding
        return np.asarray(self.known_slopes.mean(axis=0), dtype=np.float64)

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
        return self.exposure_factors @ self.factor_premia

    @property
    def errors_in_variables(self) -> float:
        """Premia' Vf^-1 premia, the c by which estimated betas add to variances (Shanken, 1992)."""
        return float(self.discount @ self.discount / len(self.discount))

    @property
    def exposure_factors(self) -> Float64Array:
        """Series (T, K) whose products with a return average to its exposures."""
        return self.scaled_factors

    @property
    def unit_factors(self) -> Float64Array:
        """Series (T, K) that the slopes of a date have in common with its factors."""
        return self.centred_factors

    @property
    def factor_influence(self) -> Float64Array:
        """Influence (T, K) of each date on the premia where there are no residuals."""
        return self.centred_factors

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


@dataclass(frozen=True, eq=False)
class TwoPassFit(Record):
    """Two passes as they were fitted."""

    first: FirstPass
    factors: pd.DataFrame  # (T, K)
    returns: pd.DataFrame  # (T, N) of the assets with betas, NaN where missing
    weighting: str
    fit_intercept: bool  # of the second pass
    correction: str = ""  # what was done to the slopes that are not those of least squares
    slopes: Float64Array | None = None  # (T, P), if those of least squares are at hand

    @cached_property
    def obstacle(self) -> str:
        """Why errors for estimated betas are not known, whatever their kind; empty if they are."""
        return self.correction or self.obstacle_of_betas

    @cached_property
    def obstacle_of_betas(self) -> str:
        """The same, where it is for the betas."""
        if self.first.special:
            return (
                "is for betas of the whole sample, with equal weights, and these are "
                f"{self.first.special}."
            )
        if not self.first.fit_intercept:
            return "is for betas estimated with an intercept in the first pass."
        if np.isnan(self.factors.to_numpy()).any():
            return "needs factors on every date, and some are missing. Drop those dates."
        return self.first.collinear

    @cached_property
    def is_complete(self) -> bool:
        """Whether every asset has a return on every date."""
        return not np.isnan(self.returns.to_numpy()).any()

    @cached_property
    def betas(self) -> Float64Array:
        """Betas (N, K) of the assets that have returns here."""
        betas, assets = self.first.betas, self.returns.columns
        used: Float64Array = (betas if len(betas) == len(assets) else betas.loc[assets]).to_numpy()
        return used

    @cached_property
    def passes(self) -> TwoPass:
        """The two passes as matrices, for complete returns."""
        returns, factors = self.returns.to_numpy(), self.factors.to_numpy()
        known = self.betas, self.slopes
        return TwoPass(returns, factors, self.weighting, self.fit_intercept, *known)

    @cached_property
    def _kept(self) -> dict[tuple[str, bool], Float64Array]:
        return {}

    def keep(self, what: str, debiased: bool, compute: Callable[[], Float64Array]) -> Float64Array:
        """A series that is computed once: other kernels, summaries and diagnostics need it too."""
        if (what, debiased) not in self._kept:
            series = compute()
            series.flags.writeable = False
            self._kept[what, debiased] = series
        return self._kept[what, debiased]

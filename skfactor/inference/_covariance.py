"""Covariance matrices of premia: long-run variances of influence series, divided by their length.

A kind of uncertainty is a function here and a line in `COVARIANCES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor.inference._long_run import NEWEY_WEST, LongRun, names_newey_west


@dataclass(frozen=True)
class PremiaSample:
    """What the errors of premia are made from: the estimated dates, in ascending order."""

    lambdas: Float64Array  # (T, P) slopes of each cross-section, all finite
    weights: Float64Array  # (T,) of each date in the average, adding up to 1
    positions: IntArray  # (T,) places of the dates on the calendar
    is_const: BoolArray  # (P,) which slope is the zero-beta rate
    factors: Float64Array | None = None  # (T, K) factor returns, where betas were estimated
    # Influence (T, P) of each date through slopes and estimated betas; the arguments are whether
    # the model may be misspecified and whether inverses are made unbiased.
    two_pass_influence: Callable[[bool, bool], Float64Array] | None = None

    @property
    def n_factors(self) -> int:
        """Number of premia but the zero-beta rate."""
        return int(np.count_nonzero(~self.is_const))

    def debiasing(self, debiased: bool, used: int) -> float:
        """T / (T - used), or 1 if not asked for."""
        if not debiased:
            return 1.0
        if self.n_effective <= used:
            raise ValueError(
                f"debiased=True divides by the number of dates minus {used}, and there are "
                f"{self.n_effective:g}. Pass debiased=False, or more dates."
            )
        return self.n_effective / (self.n_effective - used)

    @property
    def premia(self) -> Float64Array:
        """Weighted average of the slopes (P,)."""
        return self.weights @ self.lambdas

    @property
    def n_effective(self) -> float:
        """Number of equally weighted dates that would average as well; T with equal weights."""
        if np.ptp(self.weights) == 0.0:
            return float(len(self.weights))
        return float(1.0 / (self.weights @ self.weights))


def slope_influence(sample: PremiaSample) -> Float64Array:
    """Influence (T, P) of each date on the premia, exposures taken as known.

    Scaled so that V = LRV / T for any weights: with equal ones it is lambda_t - premia.
    """
    scale = len(sample.weights) * sample.weights
    return scale[:, None] * (sample.lambdas - sample.premia)


def fama_macbeth(
    sample: PremiaSample, long_run: LongRun, debiased: bool
) -> tuple[Float64Array, float]:
    """Fama and MacBeth (1973): the time-series variation of the slopes."""
    return _from_influence(slope_influence(sample), sample, long_run, debiased, used=1)


def shanken(sample: PremiaSample, long_run: LongRun, debiased: bool) -> tuple[Float64Array, float]:
    """Shanken (1992), Theorem 2: estimated betas add c = premia' Vf^-1 premia of the residual part.

    The slopes' deviations split exactly into those of the factors and a residual part that is
    serially uncorrelated under the theorem; the kernel is for the factors.
    """
    assert sample.factors is not None
    t = len(sample.lambdas)
    factors = sample.factors - sample.factors.mean(axis=0)
    premia = sample.premia[~sample.is_const]
    c = float(premia @ np.linalg.solve(factors.T @ factors / t, premia))
    padded = np.zeros_like(sample.lambdas)
    padded[:, ~sample.is_const] = factors
    residual = sample.lambdas - sample.premia - padded
    of_factors, lags = long_run.covariance(factors, sample.positions)
    covariance = (1.0 + c) * (residual.T @ residual / t)
    covariance[np.ix_(~sample.is_const, ~sample.is_const)] += of_factors
    return covariance / t * sample.debiasing(debiased, factors.shape[1] + 1), lags


def gmm(sample: PremiaSample, long_run: LongRun, debiased: bool) -> tuple[Float64Array, float]:
    """Errors of slopes and betas of a correct model: Cochrane (2005), Jagannathan-Wang (1998)."""
    assert sample.two_pass_influence is not None
    influence = sample.two_pass_influence(False, debiased)
    return _from_influence(influence, sample, long_run, debiased, used=sample.n_factors + 1)


def krs(sample: PremiaSample, long_run: LongRun, debiased: bool) -> tuple[Float64Array, float]:
    """Kan, Robotti and Shanken (2013): the model need not hold."""
    assert sample.two_pass_influence is not None
    influence = sample.two_pass_influence(True, debiased)
    return _from_influence(influence, sample, long_run, debiased, used=sample.n_factors + 1)


def _from_influence(
    influence: Float64Array, sample: PremiaSample, long_run: LongRun, debiased: bool, *, used: int
) -> tuple[Float64Array, float]:
    # All premia count alike in the choice of the lags, the zero-beta rate not, unless it is alone.
    weights = np.where(sample.is_const.all() | ~sample.is_const, 1.0, 0.0)
    covariance, lags = long_run.covariance(influence, sample.positions, weights)
    return covariance / len(influence) * sample.debiasing(debiased, used), lags


# Covariance matrix (P, P) and number of lags, by kind.
Covariance = Callable[[PremiaSample, LongRun, bool], tuple[Float64Array, float]]
COVARIANCES: dict[str, Covariance] = {
    "fama-macbeth": fama_macbeth,
    "shanken": shanken,
    "gmm": gmm,
    "krs": krs,
}


def check_covariance(kind: Any) -> None:
    """Raise ``ValueError`` for what names no covariance."""
    if not isinstance(kind, str) or kind not in ("auto", *COVARIANCES):
        raise ValueError(
            f"covariance={kind!r} is unknown; it is 'auto' or one of {list(COVARIANCES)}."
            + (NEWEY_WEST if names_newey_west(kind) else "")
        )

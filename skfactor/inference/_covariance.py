"""Covariance matrices of premia: long-run variances of influence series, divided by their length.

A kind of uncertainty is a function here and a line in `COVARIANCES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skfactor._kernels.long_run import KERNELS, long_run_covariance, newey_west_bandwidth
from skfactor._typing import BoolArray, Float64Array, IntArray


@dataclass(frozen=True)
class PremiaSample:
    """What the errors of premia are made from: the estimated dates, in ascending order."""

    lambdas: Float64Array  # (T, P) slopes of each cross-section, all finite
    weights: Float64Array  # (T,) of each date in the average, adding up to 1
    positions: IntArray  # (T,) places of the dates on the calendar
    is_const: BoolArray  # (P,) which slope is the zero-beta rate
    factors: Float64Array | None = None  # (T, K) factor returns, where betas were estimated

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


@dataclass(frozen=True)
class LongRun:
    """How serial dependence enters: a kernel and its number of lags, or none."""

    kernel: str | None
    bandwidth: float

    def covariance(self, series: Float64Array, positions: IntArray) -> Float64Array:
        """Long-run covariance (P, P) of a mean-zero series (T, P)."""
        return long_run_covariance(series, positions, self.kernel, self.bandwidth)


def slope_influence(sample: PremiaSample) -> Float64Array:
    """Influence (T, P) of each date on the premia, exposures taken as known.

    Scaled so that V = LRV / T for any weights: with equal ones it is lambda_t - premia.
    """
    scale = len(sample.weights) * sample.weights
    return scale[:, None] * (sample.lambdas - sample.premia)


def fama_macbeth(sample: PremiaSample, long_run: LongRun) -> Float64Array:
    """Fama and MacBeth (1973): the time-series variation of the slopes, divisor T."""
    return long_run.covariance(slope_influence(sample), sample.positions) / len(sample.lambdas)


def shanken(sample: PremiaSample, long_run: LongRun) -> Float64Array:
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
    return (
        (1.0 + c) * (residual.T @ residual / t) + long_run.covariance(padded, sample.positions)
    ) / t


Covariance = Callable[[PremiaSample, LongRun], Float64Array]
COVARIANCES: dict[str, Covariance] = {"fama-macbeth": fama_macbeth, "shanken": shanken}


def choose_long_run(
    sample: PremiaSample, kernel: str | None, bandwidth: float | str | None
) -> LongRun:
    """The long-run estimator for a kernel's name and a number of lags or the name of a rule."""
    if kernel is None:
        if bandwidth is not None:
            raise ValueError(
                f"bandwidth={bandwidth!r} needs a kernel; pass kernel='bartlett' for Newey-West."
            )
        return LongRun(None, 0.0)
    if kernel not in KERNELS:
        raise ValueError(f"kernel={kernel!r} is unknown; it is None or one of {sorted(KERNELS)}.")
    if bandwidth is None or bandwidth == "newey-west":
        # All premia count alike in the choice, the zero-beta rate not, unless it is alone.
        weights = np.where(sample.is_const.all() | ~sample.is_const, 1.0, 0.0)
        series = slope_influence(sample)
        return LongRun(kernel, newey_west_bandwidth(series, sample.positions, kernel, weights))
    if isinstance(bandwidth, str) or not np.isfinite(bandwidth) or bandwidth < 0:
        raise ValueError(
            f"bandwidth={bandwidth!r} is neither a number of lags >= 0 nor 'newey-west'."
        )
    n_places = int(sample.positions[-1]) + 1
    if bandwidth >= n_places:
        raise ValueError(
            f"bandwidth={bandwidth} lags need a longer sample: there are {n_places} dates."
        )
    return LongRun(kernel, float(bandwidth))

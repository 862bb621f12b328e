"""Long-run variance of a series: kernels and one estimator.

The lag window of ``L`` lags weighs lag ``j`` by ``k(j / (L + 1))`` for the Bartlett and Parzen
kernels and by ``k(j / L)`` for the quadratic-spectral one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import matmul_toeplitz

from skfactor._kernels.rounding import NO_LAGS
from skfactor._typing import Float64Array, IntArray

# Of the autoregression that prewhitens.
_LARGEST_SINGULAR_VALUE = 0.97
# So many products at single lags take less than a transform of the whole series.
_FEW_LAGS = 24


@dataclass(frozen=True)
class Kernel:
    """A lag window and the constants of its automatic bandwidth (Newey and West, 1994)."""

    weight: Callable[[Float64Array], Float64Array]
    order: int  # q, the kernel's characteristic exponent
    newey_west_constant: float  # c_gamma, the same as Andrews' constant
    pilot_exponent: float  # lags of the pilot estimate grow like T to this power
    offset: int  # lag j is weighed at j / (L + offset)


def _bartlett(x: Float64Array) -> Float64Array:
    weight: Float64Array = np.maximum(1.0 - x, 0.0)
    return weight


def _parzen(x: Float64Array) -> Float64Array:
    near, far = 1.0 - 6.0 * x**2 * (1.0 - x), 2.0 * np.maximum(1.0 - x, 0.0) ** 3
    return np.where(x <= 0.5, near, far)


def _quadratic_spectral(x: Float64Array) -> Float64Array:
    z = 6.0 * np.pi * x / 5.0
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 3.0 / z**2 * (np.sin(z) / z - np.cos(z))
    # Near zero the two terms cancel; the series 1 - z^2 / 10 is exact to rounding there.
    return np.where(z < 1e-3, 1.0 - z**2 / 10.0, weight)


KERNELS = {
    "bartlett": Kernel(_bartlett, 1, 1.1447, 2 / 9, 1),
    "parzen": Kernel(_parzen, 2, 2.6614, 4 / 25, 1),
    "quadratic-spectral": Kernel(_quadratic_spectral, 2, 1.3221, 2 / 25, 0),
}


# Every lag up to the last one weighs one (Hansen and Hodrick, 1980): it may come out negative.
HANSEN_HODRICK = "hansen-hodrick"
# Not a lag window: equally weighted cosine transforms.
COSINES = "ewc"


def lag_weights(kernel: str, bandwidth: float, n_lags: int) -> Float64Array:
    """Weights of lags 0 to ``n_lags`` for a bandwidth given as a number of lags."""
    if kernel == HANSEN_HODRICK:
        return (np.arange(n_lags + 1) <= bandwidth).astype(np.float64)
    window = KERNELS[kernel]
    lags = np.arange(n_lags + 1, dtype=np.float64)
    width = bandwidth + window.offset
    weights: Float64Array = window.weight(lags / width) if width > NO_LAGS else 1.0 * (lags == 0.0)
    return weights


def on_calendar(series: Float64Array, positions: IntArray) -> Float64Array:
    """The series (T, P) on its calendar, 0 where a date is absent: lags are distances."""
    steps = np.asarray(positions) - positions[0]
    if steps[-1] == len(series) - 1:
        return series
    calendar = np.zeros((int(steps[-1]) + 1, series.shape[1]))
    calendar[steps] = series
    return calendar


def long_run_covariance(
    series: Float64Array,
    positions: IntArray,
    kernel: str | None = None,
    bandwidth: float = 0.0,
    prewhiten: bool = False,
) -> Float64Array:
    """Long-run covariance (P, P) of a mean-zero series (T, P), divisor T (Newey and West, 1987).

    ``positions`` (T,) are the dates' places on the calendar, ascending: lag ``j`` pairs dates that
    lie ``j`` places apart, so a missing date widens a gap and does not close it. ``prewhiten``
    takes a first-order vector autoregression out before and puts it back after (Andrews and
    Monahan, 1992).
    """
    if kernel is None:
        return series.T @ series / len(series)
    n = len(series)
    recolor = None
    if prewhiten:
        series, positions, recolor = prewhitened(series, positions)
    calendar = on_calendar(series, positions)
    weights = lag_weights(kernel, bandwidth, len(calendar) - 1)
    reach = int(np.flatnonzero(weights)[-1])
    if reach <= _FEW_LAGS:
        covariance = weights[0] * (calendar.T @ calendar) / n
        for lag in range(1, reach + 1):
            product = weights[lag] * (calendar[lag:].T @ calendar[:-lag]) / n
            covariance += product + product.T
    else:
        # sum_j k_j (G_j + G_j') is h' K h with K the symmetric Toeplitz matrix of the weights.
        covariance = calendar.T @ matmul_toeplitz((weights, weights), calendar) / n
    if recolor is not None:
        covariance = recolor @ covariance @ recolor.T
    symmetric: Float64Array = (covariance + covariance.T) / 2.0
    return symmetric


def default_cosines(n_dates: int) -> int:
    """Number of cosines of Lazarus, Lewis, Stock and Watson (2018), .4 T^(2/3) rounded up."""
    return int(np.ceil(0.4 * n_dates ** (2.0 / 3.0)))


def overlap_cosines(n_dates: int, horizon: int) -> int:
    """The same where each value spans a horizon of dates, so that T / h of them do not overlap."""
    return max(2, int(0.4 * (n_dates / horizon) ** (2.0 / 3.0)))


def cosine_covariance(series: Float64Array, positions: IntArray, n_cosines: int) -> Float64Array:
    """Long-run covariance (P, P) of a mean-zero series (T, P) by equally weighted cosines.

    The average over j = 1, ..., B of the squares of sqrt(2 / T) sum_t h_t cos(pi j (t - 1/2) / T):
    about a Wishart matrix with B degrees of freedom (Lazarus, Lewis, Stock and Watson, 2018).
    """
    steps = np.asarray(positions) - positions[0]
    places = (steps + 0.5) / (steps[-1] + 1.0)
    cosines = np.cos(np.pi * np.outer(np.arange(1, n_cosines + 1), places))
    transforms = cosines @ series
    covariance: Float64Array = 2.0 / (len(series) * n_cosines) * (transforms.T @ transforms)
    return covariance


def prewhitened(
    series: Float64Array, positions: IntArray
) -> tuple[Float64Array, IntArray, Float64Array]:
    """Residuals of h_t = Phi h_{t-1} + v_t, their positions, and the recoloring (I - Phi)^-1.

    Only dates whose predecessor is there have a residual. Singular values of Phi are capped, as
    Andrews and Monahan do: near a unit root recoloring would blow the variance up without bound.
    """
    follows = np.flatnonzero(np.diff(positions) == 1) + 1
    past, present = series[follows - 1], series[follows]
    phi = np.linalg.lstsq(past, present, rcond=None)[0].T
    left, singular, right = np.linalg.svd(phi)
    phi = left * np.minimum(singular, _LARGEST_SINGULAR_VALUE) @ right
    recolor = np.linalg.inv(np.eye(len(phi)) - phi)
    return present - past @ phi.T, positions[follows], recolor

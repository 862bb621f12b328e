"""How many lags: rules that choose the bandwidth of a long-run variance from the series.

All return a number of lags L in the convention of `long_run`, for series (T, P) that may already be
prewhitened; ``weights`` (P,) say how much each column counts.
"""

from __future__ import annotations

import numpy as np

from skfactor._kernels.long_run import KERNELS, on_calendar
from skfactor._kernels.rounding import EPSILON
from skfactor._typing import Float64Array, IntArray


def rule_of_thumb_bandwidth(n_dates: int) -> float:
    """Newey and West's rule of thumb, the whole part of 4 (T / 100)^(2/9)."""
    return float(int(4.0 * (n_dates / 100.0) ** (2.0 / 9.0)))


def newey_west_bandwidth(
    series: Float64Array,
    positions: IntArray,
    kernel: str,
    weights: Float64Array,
    n_prewhitened: int | None = None,
    *,
    capped: bool = True,
) -> float:
    """Automatic number of lags of Newey and West (1994), from the scalar series ``h_t'w``.

    The Bartlett and Parzen kernels take whole lags, the quadratic-spectral one any number.
    ``n_prewhitened`` is the length before prewhitening, if the series are prewhitened. Near a zero
    spectrum the rule runs off; ``capped`` there are no lags beyond the sample.
    """
    window = KERNELS[kernel]
    n_dates = n_prewhitened or len(series)
    scalar = on_calendar((series @ weights)[:, None], positions)[:, 0]
    pilot = (3.0 if n_prewhitened else 4.0) * (n_dates / 100.0) ** window.pilot_exponent
    pilot_lags = min(int(pilot), len(scalar) - 1)
    covariances = np.array(
        [scalar[j:] @ scalar[: len(scalar) - j] / len(series) for j in range(pilot_lags + 1)]
    )
    lags = np.arange(pilot_lags + 1, dtype=np.float64)
    spectrum = covariances[0] + 2.0 * covariances[1:].sum()
    derivative = 2.0 * (lags**window.order @ covariances)
    if spectrum == 0.0:
        return 0.0
    rate = 1.0 / (2 * window.order + 1)
    bandwidth = window.newey_west_constant * ((derivative / spectrum) ** 2 * n_dates) ** rate
    if capped:
        bandwidth = min(float(bandwidth), float(len(scalar) - 1))
    return bandwidth if window.offset == 0 else float(int(bandwidth))


def andrews_bandwidth(
    series: Float64Array, positions: IntArray, kernel: str, weights: Float64Array
) -> float:
    """Automatic bandwidth of Andrews (1991), equations (6.2) and (6.4), from AR(1) fits.

    Each column has an autoregression with an intercept of its own. Lag j is weighed by k(j / b), so
    that L is b - 1 for the Bartlett and Parzen kernels.
    """
    window = KERNELS[kernel]
    follows = np.flatnonzero(np.diff(positions) == 1) + 1
    past, present = series[follows - 1], series[follows]
    past, present = past - past.mean(axis=0), present - present.mean(axis=0)
    squares = (past**2).sum(axis=0)
    rho = (past * present).sum(axis=0) / np.where(squares > 0.0, squares, 1.0)
    variance = ((present - rho * past) ** 2).sum(axis=0) / (len(series) - 1)
    # A root of exactly one has no spectrum at zero, and the most lags there are.
    below, above = (np.where(gap == 0.0, EPSILON, gap) for gap in (1.0 - rho, 1.0 + rho))
    power = 6 if window.order == 1 else 8
    total = weights @ (variance**2 / below**4)
    curvature = 4.0 * rho**2 * variance**2 / below**power
    if window.order == 1:
        curvature /= above**2
    if total == 0.0:
        return 0.0
    rate = 1.0 / (2 * window.order + 1)
    alpha = float(weights @ curvature) / float(total)
    bandwidth = window.newey_west_constant * (alpha * len(series)) ** rate
    return float(np.clip(bandwidth - window.offset, 0.0, len(series) - 1))

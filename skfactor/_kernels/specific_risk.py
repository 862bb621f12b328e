"""Specific volatilities of thin histories: blended with a model of exposures, shrunk by size."""

from __future__ import annotations

import numpy as np

from skfactor._kernels.rounding import TINY
from skfactor._typing import Float64Array

# The interquartile range of a standard normal, rounded as in the sources.
_NORMAL_RANGE = 1.35
# Residuals are cut at so many robust standard deviations before they are compared with these.
_CUT = 10.0


def trust(residuals: Float64Array, none: float, full: float) -> Float64Array:
    """Trust (N,), from 0 to 1, in the volatility of each column's own history (T, N).

    It rises from ``none`` to ``full`` values, and falls where the standard deviation is far from
    the interquartile range over 1.35, which few large values do not move.
    """
    known = np.isfinite(residuals)
    count = known.sum(axis=0)
    gamma = np.zeros(len(count))
    enough = np.flatnonzero(count > none)
    if not len(enough):
        return gamma
    values = residuals[:, enough]
    low, high = np.nanquantile(values, [0.25, 0.75], axis=0)
    robust = np.maximum((high - low) / _NORMAL_RANGE, TINY)
    deviation = np.sqrt(np.nanmean(np.clip(values, -_CUT * robust, _CUT * robust) ** 2, axis=0))
    far = np.abs(deviation - robust) / robust
    by_length = np.clip((count[enough] - none) / (full - none), 0.0, 1.0)
    gamma[enough] = by_length * np.minimum(1.0, np.exp(1.0 - far))
    return gamma


def structural_volatilities(
    volatility: Float64Array, trusted: Float64Array, exposures: Float64Array, weights: Float64Array
) -> Float64Array:
    """Volatilities (N,) that exposures (N, K) imply, from the assets with full trust.

    Logarithms of volatilities are regressed on the exposures, with roots of the weights, and the
    mean ratio of both makes up for the logarithm. Exposures may be collinear, as dummies are. NaN
    where an exposure is. With fewer such assets than exposures they are the weighted mean.
    """
    complete = np.isfinite(exposures).all(axis=1)
    used = complete & (trusted >= 1.0) & (volatility > 0.0)
    implied = np.full(len(volatility), np.nan)
    if not used.any():
        return implied
    x, w = exposures[used], weights[used]
    if np.count_nonzero(used) <= np.linalg.matrix_rank(x):
        implied[complete] = np.average(volatility[used], weights=w)
        return implied
    root = np.sqrt(np.sqrt(w))
    target = np.log(volatility[used]) * root
    slopes = np.linalg.lstsq(x * root[:, None], target, rcond=None)[0]
    base = np.exp(exposures[complete] @ slopes)
    ratio = np.average(volatility[used] / base[used[complete]], weights=w)
    implied[complete] = ratio * base
    return implied


def shrink_by_size(
    volatility: Float64Array, size: Float64Array | None, share: float
) -> Float64Array:
    """Volatilities (N,) moved towards the weighted mean of assets of like size, tenths by size.

    With deviations d from that mean and D their root mean square, the share of the mean is
    q |d| / (D + q |d|): far ones move more. Without sizes all assets are one group.
    """
    known = np.isfinite(volatility)
    shrunk = volatility.copy()
    n = int(known.sum())
    if not n or share == 0.0:
        return shrunk
    sigma, w = volatility[known], np.ones(n) if size is None else size[known]
    n_groups = 1 if size is None else max(1, min(10, n // 10))
    rank = np.argsort(np.argsort(w, kind="stable"), kind="stable")
    group = rank * n_groups // n
    mean = np.bincount(group, w * sigma, n_groups) / np.bincount(group, w, n_groups)
    distance = np.abs(sigma - mean[group])
    spread = np.sqrt(np.bincount(group, distance**2, n_groups) / np.bincount(group))
    v = share * distance / np.maximum(spread[group] + share * distance, TINY)
    shrunk[known] = v * mean[group] + (1.0 - v) * sigma
    return shrunk

"""Exponentially weighted covariances and variances with serial terms, and what is wrong with them.

A date that is j dates before the last one has the weight 2^(-j / halflife).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from skfactor._kernels.rounding import NEGATIVE_EIGENVALUE, SAME_FILLED, TINY
from skfactor._typing import BoolArray, Float64Array, IntArray

_MOST_STEPS = 500
# From this many columns on a loop over dates is faster than filters of columns.
_WIDE = 256
# Values of simulated matrices that are decomposed at once.
_DRAWN = 2_000_000


def exponential_weights(n_dates: int, halflife: float | None) -> Float64Array:
    """Weights (n_dates,), of which the last is 1; equal ones without a half-life."""
    if halflife is None:
        return np.ones(n_dates)
    weights: Float64Array = 0.5 ** (np.arange(n_dates - 1.0, -1.0, -1.0) / halflife)
    return weights


def effective_number(weights: Float64Array) -> float:
    """Number of equal weights that average as well."""
    return float(weights.sum() ** 2 / (weights @ weights))


@dataclass(frozen=True)
class Filled:
    """Series without gaps: what is missing is expected given what is there."""

    values: Float64Array  # (T, K)
    pattern: IntArray  # (T,) number of each date's pattern
    seen: BoolArray  # (T,) whether a date has a value at all; others have no weight
    unexplained: Float64Array  # (n_patterns, K, K) covariance of what is missing given the rest


def fill_gaps(values: Float64Array, weights: Float64Array) -> Filled:
    """Expected values (T, K) of what is missing, and its covariance, by the EM algorithm [1]_.

    Regressions on what is there have a ridge of K over the number of dates on which the missing
    series are known, in units of correlations: a short history must not be explained by chance.

    .. [1] Dempster, A. P., N. M. Laird and D. B. Rubin (1977), "Maximum Likelihood from Incomplete
       Data via the EM Algorithm", Journal of the Royal Statistical Society B 39(1), 1-38.
       https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    known = np.isfinite(values)
    seen = known.any(axis=1)
    patterns, pattern = np.unique(known, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    k = values.shape[1]
    unexplained = np.zeros((len(patterns), k, k))
    if known.all():
        return Filled(values, pattern, seen, unexplained)
    share = weights * seen / weights[seen].sum()
    shares = known * share[:, None]
    mean = np.nansum(values * shares, axis=0) / shares.sum(axis=0)
    scale = np.sqrt(np.nansum((values - mean) ** 2 * shares, axis=0) / shares.sum(axis=0))
    scale[scale == 0.0] = 1.0
    z = np.where(known, (values - mean) / scale, 0.0)
    counts = known.sum(axis=0)
    weight_of = np.bincount(pattern, share, len(patterns))
    rows = [np.flatnonzero(pattern == number) for number in range(len(patterns))]
    location = share @ z
    covariance = (z * share[:, None]).T @ z
    for _ in range(_MOST_STEPS):
        before = z.copy()
        for number, here in enumerate(patterns):
            if here.all():
                continue
            gone = ~here
            ridge = k / counts[gone].min()
            inner = covariance[np.ix_(here, here)]
            outer = covariance[np.ix_(here, gone)]
            slopes = np.linalg.solve(inner + ridge * np.eye(len(inner)), outer)
            left = z[np.ix_(rows[number], here)] - location[here]
            z[np.ix_(rows[number], gone)] = location[gone] + left @ slopes
            cross = slopes.T @ outer
            rest = covariance[np.ix_(gone, gone)] - cross - cross.T + slopes.T @ inner @ slopes
            unexplained[number][np.ix_(gone, gone)] = rest
        location = share @ z
        deviations = z - location
        covariance = (deviations * share[:, None]).T @ deviations
        covariance += np.einsum("p,pij->ij", weight_of, unexplained)
        if np.abs(z - before).max() < SAME_FILLED:
            break
    filled = np.where(known, values, mean + scale * z)
    return Filled(filled, pattern, seen, unexplained * scale[:, None] * scale)


def exponential_covariance(
    filled: Filled, halflife: float | None, lags: int, *, center: bool
) -> tuple[Float64Array, Float64Array]:
    """Covariance (K, K) for one date, serial terms included, and the mean (K,).

    Newey and West's estimate of the series sqrt(w_t) (f_t - mean), which has the weights of
    Bartlett's kernel on lag j times 2^(-j / 2 halflife), so that it is positive semidefinite.
    """
    values = filled.values
    weights = exponential_weights(len(values), halflife) * filled.seen
    weights /= weights.sum()
    mean = weights @ values if center else np.zeros(values.shape[1])
    z = np.sqrt(weights)[:, None] * (values - mean)
    covariance = z.T @ z
    for j in range(1, min(lags, len(z) - 1) + 1):
        cross = z[j:].T @ z[:-j]
        covariance += (1.0 - j / (lags + 1.0)) * (cross + cross.T)
    weight_of = np.bincount(filled.pattern, weights, len(filled.unexplained))
    covariance += np.einsum("p,pij->ij", weight_of, filled.unexplained)
    return (covariance + covariance.T) / 2.0, mean


def join_volatilities(variances: Float64Array, correlated: Float64Array) -> Float64Array:
    """The correlations of one covariance (K, K) with the variances (K,) of another."""
    own = np.diag(correlated)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(own > 0.0, np.sqrt(np.maximum(variances, 0.0) / own), 0.0)
    joined: Float64Array = correlated * scale * scale[:, None]
    return joined


def eigenfactor_bias(
    eigenvalues: Float64Array, n_periods: float, n_simulations: int, rng: np.random.Generator
) -> Float64Array:
    """Simulated biases v (K,) of the volatilities of eigenfactors [1]_, eigenvalues ascending.

    v_k^2 is the mean over simulated samples of the true over the estimated variance of the sample's
    own k-th eigenfactor. In the basis of the eigenvectors, on which it does not depend, n - 1 times
    a sample's covariance is D^1/2 A A' D^1/2 with A triangular, normal and chi distributed [2]_:
    no sample is drawn, and the time does not depend on n.

    .. [1] Menchero, J., J. Wang and D. J. Orr (2011), "Eigen-Adjusted Covariance Matrices", MSCI
       Research Insight. https://doi.org/10.2139/ssrn.1915318
    .. [2] Bartlett, M. S. (1933), "On the Theory of Statistical Regression", Proceedings of the
       Royal Society of Edinburgh 53, 260-283. https://doi.org/10.1017/S0370164600015637
    """
    k, free = len(eigenvalues), n_periods - 1.0
    diagonal, root = np.arange(k), np.sqrt(eigenvalues)
    total, left = np.zeros(k), n_simulations
    while left:
        m = min(left, max(1, _DRAWN // (k * k)))
        a = np.tril(rng.standard_normal((m, k, k)), -1)
        a[:, diagonal, diagonal] = np.sqrt(rng.chisquare(free - diagonal, (m, k)))
        b = root[:, None] * a / np.sqrt(free)
        estimated, vectors = np.linalg.eigh(b @ b.transpose(0, 2, 1))
        true = np.einsum("mik,i->mk", vectors**2, eigenvalues)
        total += (true / estimated).sum(axis=0)
        left -= m
    bias: Float64Array = np.sqrt(total / n_simulations)
    return bias


def adjust_eigenfactors(
    covariance: Float64Array,
    n_periods: float,
    scale: float,
    n_simulations: int,
    rng: np.random.Generator,
) -> tuple[Float64Array, Float64Array]:
    """Covariance (K, K) with volatilities of its eigenfactors times scale (v - 1) + 1, and v (K,).

    Eigenfactors without a variance, as of factors that a constraint ties, stay as they are.
    """
    values, vectors = np.linalg.eigh(covariance)
    real = values > NEGATIVE_EIGENVALUE * values[-1]
    bias = np.ones(len(values))
    if real.any():
        bias[real] = eigenfactor_bias(values[real], n_periods, n_simulations, rng)
    adjusted = (vectors * ((scale * (bias - 1.0) + 1.0) ** 2 * np.maximum(values, 0.0))) @ vectors.T
    return (adjusted + adjusted.T) / 2.0, bias


def exponential_variances(
    values: Float64Array, halflife: float | None, lags: int, fewest: int
) -> Float64Array:
    """Variances (T, N) of the columns after each date, serial terms included, about zero.

    Those of date t are of the rows up to t. Lag j has the weight of Bartlett's kernel times
    2^(-j / 2 halflife), as in `exponential_covariance`, and the terms of all dates are summed
    before anything is taken of them: a sum is never negative where nothing is missing, and of a
    single date's terms nothing may be cut. NaN before ``fewest`` values of a column.
    """
    decay = 1.0 if halflife is None else 0.5 ** (1.0 / halflife)
    known: BoolArray = np.isfinite(values)
    complete = bool(known.all())
    z = values if complete else np.where(known, values, 0.0)
    away = np.arange(lags, 0.0, -1.0)
    window = np.append(2.0 * (1.0 - away / (lags + 1.0)) * decay ** (away / 2.0), 1.0)
    if values.shape[1] < _WIDE:
        terms = z * z
        for j, weight in zip(range(lags, 0, -1), window, strict=False):
            terms[j:] += weight * (z[j:] * z[:-j])
        filters = [1.0], [1.0, -decay]
        variances = lfilter(*filters, terms, axis=0)
        variances /= np.maximum(lfilter(*filters, known.astype(np.float64), axis=0), TINY)
    else:
        # Date by date, whose values lie side by side: faster than a filter of each column.
        variances = np.empty(values.shape)
        total, sums = np.zeros((2, values.shape[1]))
        for t, row in enumerate(z):
            before = min(lags, t)
            total *= decay
            total += (window[lags - before :] @ z[t - before : t + 1]) * row
            sums *= decay
            sums += known[t]
            np.divide(total, np.maximum(sums, TINY), out=variances[t])
    if complete:
        variances[: fewest - 1] = np.nan
    else:
        variances[np.cumsum(known, axis=0) < fewest] = np.nan
    # Gaps may leave a negative sum, of which the squares alone are not negative.
    negative = variances < 0.0
    if negative.any():
        plain = exponential_variances(values, halflife, 0, fewest)
        variances[negative] = plain[negative]
    return variances


def mean_ratios(
    values: Float64Array, halflife: float | None, fewest: int, weights: Float64Array | None
) -> Float64Array:
    """Means (T - 1,) over the columns of squares over the variances that dates before them had.

    Columns count from ``fewest`` values on. Weights are (T, N), None is equal; NaN where a date has
    no column.
    """
    if values.shape[1] < _WIDE:
        before = exponential_variances(values, halflife, 0, fewest)[:-1]
        usable = np.isfinite(values[1:]) & (before > 0.0)
        ratios = np.where(usable, values[1:], 0.0) ** 2 / np.where(usable, before, 1.0)
        w = usable * (1.0 if weights is None else weights[1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((w * ratios).sum(axis=1) / w.sum(axis=1))
    decay = 1.0 if halflife is None else 0.5 ** (1.0 / halflife)
    total, weight, count = np.zeros((3, values.shape[1]))
    means = np.full(max(len(values) - 1, 0), np.nan)
    for t, row in enumerate(values):
        known = np.isfinite(row)
        squares = np.where(known, row, 0.0) ** 2
        usable = known & (count >= fewest) & (total > 0.0)
        if usable.any():
            w = usable.astype(np.float64) if weights is None else usable * weights[t]
            ratios = squares * weight / np.where(usable, total, 1.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                means[t - 1] = (w @ ratios) / w.sum()
        total, weight, count = decay * total + squares, decay * weight + known, count + known
    return means


def exponential_means(values: Float64Array, halflife: float | None) -> Float64Array:
    """Means (T, N) of the columns after each date, NaN left out."""
    decay = 1.0 if halflife is None else 0.5 ** (1.0 / halflife)
    known = np.isfinite(values)
    filters = [1.0], [1.0, -decay]
    total = lfilter(*filters, np.where(known, values, 0.0), axis=0)
    weights = lfilter(*filters, known.astype(np.float64), axis=0)
    means = np.full(values.shape, np.nan)
    np.divide(total, weights, out=means, where=weights > 0.0)
    return means

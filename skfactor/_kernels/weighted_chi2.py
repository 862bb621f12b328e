"""Tail probability of a weighted sum of chi-squares, the law of a misspecified model's tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from skfactor._typing import Float64Array

ComplexArray = NDArray[np.complex128]

# The integrand is analytic and falls within this angle of the contour's parameter, so that the
# trapezoid rule errs by exp(-2 pi angle / step): nothing that double precision shows.
_ANGLE = np.pi / 8.0
_STEP = 0.04
_BLOCK = 80  # points of the contour taken together
_TINY = 1e-200  # a tail from here differs from that from zero by the root of it at the most
_END = 100.0  # one weight falls as exp(-t / 2): beyond this there is nothing left


def weighted_chi2_sf(x: float, weights: ArrayLike) -> float:
    r"""Probability that a weighted sum of independent chi-squares exceeds a number.

    .. math:: P\Bigl( \sum_i w_i \chi^2_{1,i} > x \Bigr)

    by numerical inversion [1]_. The integral is taken along a hyperbola through the saddle point
    of the moment generating function instead of the imaginary axis: there the integrand falls
    without oscillating, and small probabilities keep their relative accuracy.

    Parameters
    ----------
    x : float
        Where the tail begins.
    weights : array-like of shape (n_terms,)
        Weights, of either sign; zeros add nothing.

    Returns
    -------
    float
        Between 0 and 1, correct to about ten digits.

    Raises
    ------
    ValueError
        If x or a weight is NaN or infinite, or the weights are not one-dimensional.

    References
    ----------
    .. [1] Imhof, J. P. (1961), "Computing the Distribution of Quadratic Forms in Normal
       Variables", Biometrika 48(3/4), 419-426. https://doi.org/10.2307/2332763

    Examples
    --------
    The first entry of Imhof's table:

    >>> from skfactor._kernels.weighted_chi2 import weighted_chi2_sf
    >>> round(weighted_chi2_sf(0.1, [0.6, 0.3, 0.1]), 4)
    0.9458
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 1:
        raise ValueError(f"The weights have shape {w.shape}; they have to be one-dimensional.")
    if not np.isfinite(x) or not np.isfinite(w).all():
        raise ValueError("x and the weights of a sum of chi-squares have to be finite numbers.")
    largest = float(np.abs(w).max(initial=0.0))
    if largest == 0.0:
        return float(x < 0.0)
    # In units of the largest weight; a weight too small to be told from zero beside it is one.
    w, x = w[np.abs(w) > 1e-16 * largest] / largest, float(x) / largest
    if abs(x) < _TINY:
        x = 0.0
    if x < w.sum():  # the smaller of the two tails is the one to integrate
        return 1.0 - _upper_tail(-x, -w)
    return _upper_tail(x, w)


def _upper_tail(x: float, w: Float64Array) -> float:
    """Tail beyond x, which is at least the mean."""
    if x >= 0.0 and not (w > 0.0).any():
        return 0.0
    half = 0.25 / max(w.max(), 1e-300)
    if w.max() > 0.0 and -0.5 * np.log1p(-2.0 * w * half).sum() - half * x < -750.0:
        return 0.0  # Chernoff's bound is below the smallest number there is
    saddle, radius = _saddle_point(x, w)
    height = _log_integrand(np.array([saddle + 0.0j]), x, w).real[0]
    # Towards the side on which exp(-s x) falls.
    sine, cosine = np.copysign(np.sin(_ANGLE), x), np.cos(_ANGLE)
    total = 0.0
    for first in range(0, int(_END / _STEP), _BLOCK):
        t = _STEP * np.arange(first, first + _BLOCK)
        s = saddle + radius * (sine * (np.cosh(t) - 1.0) + 1j * cosine * np.sinh(t))
        slope = sine * np.sinh(t) + 1j * cosine * np.cosh(t)
        values = (np.exp(_log_integrand(s, x, w) - height) * slope).imag
        if first == 0:
            values[0] /= 2.0  # the other half of the contour is the mirror image
        total += values.sum()
        if np.abs(values).max() <= 1e-17 * abs(total):
            break
    return float(np.clip(np.exp(height) * radius * total * _STEP / np.pi, 0.0, 1.0))


def _log_integrand(s: ComplexArray, x: float, w: Float64Array) -> ComplexArray:
    """Logarithm of E[exp(s Q)] exp(-s x) / s; off the real axis no factor meets its cut."""
    generating = -0.5 * np.log(1.0 - 2.0 * w * s[:, None]).sum(axis=1)
    result: ComplexArray = generating - s * x - np.log(s)
    return result


def _saddle_point(x: float, w: Float64Array) -> tuple[float, float]:
    """Lowest point of the integrand between 0 and its singularity, and the width of the valley."""

    def derivative(s: float) -> float:
        return float(np.sum(w / (1.0 - 2.0 * w * s)) - x - 1.0 / s)

    # The derivative rises from minus infinity at 0 to a positive number at the other end, which is
    # infinity if no weight is positive.
    low = 0.25 / np.abs(w).max()
    while derivative(low) > 0.0:
        low /= 4.0
    end, gap = (0.5 / w.max(), 0.5) if w.max() > 0.0 else (np.inf, 0.0)
    high = max(low, end * (1.0 - gap)) if gap else low
    while derivative(high) < 0.0:
        gap /= 4.0
        high = end * (1.0 - gap) if gap else 4.0 * high
    s = low if low == high else brentq(derivative, low, high, xtol=1e-300, rtol=1e-12)
    curvature = 1.0 + float(np.sum(2.0 * (w * s / (1.0 - 2.0 * w * s)) ** 2))
    return s, s / np.sqrt(curvature)


def weighted_f_sf(x: float, weights: ArrayLike, df: int) -> float:
    r"""Probability that a weighted sum of chi-squares exceeds x times another chi-square.

    .. math:: P\Bigl( \sum_i w_i \chi^2_{1,i} > x \, \chi^2_\nu \Bigr)

    It is the law of a quadratic form whose matrix is the inverse of an estimated covariance: where
    all weights are equal it is that of F. Arguments are as in `weighted_chi2_sf`, ``df`` is
    :math:`\nu`.

    Examples
    --------
    >>> from scipy import stats
    >>> from skfactor._kernels.weighted_chi2 import weighted_f_sf
    >>> f = stats.f.sf(0.5 * 30 / (3 * 2.0), 3, 30)
    >>> bool(abs(weighted_f_sf(0.5, [2.0, 2.0, 2.0], 30) / f - 1.0) < 1e-9)
    True
    """
    return weighted_chi2_sf(0.0, np.append(np.asarray(weights, dtype=np.float64), np.full(df, -x)))

"""Test that no element of a normal vector has a negative mean (Wolak, 1989)."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.optimize import nnls

from skfactor._typing import Float64Array

# Draws that weigh the chi-square distributions: p-values are right to half a percent.
_DRAWS = 4_000


def one_sided_test(values: Float64Array, root: Float64Array) -> tuple[float, float]:
    """Statistic and p-value of values (p,) with the lower Cholesky factor of their covariance.

    The statistic is the squared distance to the closest vector that is nowhere negative, in the
    metric of the inverse covariance. Where all means are zero, the worst case, it is chi-square
    with as many degrees of freedom as elements of that vector are zero.
    """
    inverse = np.linalg.inv(root)
    statistic = float(nnls(inverse, inverse @ values)[1] ** 2)
    n = len(values)
    if n == 1:
        shares = np.array([0.5, 0.5])
    else:
        # With the draws their opposites: a single element is exactly as often on either side.
        draws = np.random.default_rng(0).standard_normal((_DRAWS // 2, n))
        positive = [
            np.count_nonzero(nnls(inverse, signed)[0]) for draw in draws for signed in (draw, -draw)
        ]
        shares = np.bincount(positive, minlength=n + 1) / len(positive)
    # j positive elements leave n - j; with none left the statistic is zero.
    above = stats.chi2.sf(statistic, np.arange(n, 0, -1))
    p_value = shares[:-1] @ above + shares[-1] * (statistic <= 0.0)
    return statistic, float(min(p_value, 1.0))

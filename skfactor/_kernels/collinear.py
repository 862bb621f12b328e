"""Which regressors are collinear: the sets of columns that depend on each other, and constants.

The null space of the standardized columns is the sum of those of the smallest sets that depend on
each other and on nothing else. The projection on it has a block for each set and is zero elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import svd
from scipy.sparse.csgraph import connected_components

from skfactor._kernels.regressors import weighted_regressors
from skfactor._kernels.rounding import EPSILON
from skfactor._typing import Float64Array, IntArray


@dataclass(frozen=True)
class CollinearSet:
    """Columns that depend on each other, each of them on some of the others."""

    columns: IntArray  # positions, ascending
    n_superfluous: int  # how many of them are to be left out
    is_level: bool  # whether a combination of them is a constant other than zero


@dataclass(frozen=True)
class Collinear:
    """Constant columns (without an intercept: zero ones), and sets of collinear ones."""

    constant: IntArray
    sets: tuple[CollinearSet, ...]
    has_const: bool  # whether there is an intercept, too


def find_collinear(
    x: Float64Array,
    w: Float64Array | None = None,
    *,
    fit_intercept: bool,
    resolution: float = EPSILON,
    tolerance: float = 0.0,
) -> Collinear:
    """What makes regressors x (K, m) with weights w (m,) deficient; they hold no NaN.

    ``resolution`` is the machine epsilon of the data. Columns are collinear, too, if a combination
    of them that are standardized is shorter than ``tolerance`` times the longest one.
    """
    k, m = x.shape
    root = np.ones(m) if w is None else np.sqrt(w)
    each = weighted_regressors(x, w, root, fit_intercept=fit_intercept, resolution=resolution)
    mean, norm, noise = each.mean, each.norm, each.noise
    kept = np.flatnonzero(norm > noise)
    if not len(kept):
        return Collinear(np.arange(k), (), fit_intercept)
    z = each.columns[kept] / norm[kept, None]
    left, singular, _ = svd(z, full_matrices=m < len(kept), check_finite=False)
    singular = np.append(singular, np.zeros(left.shape[1] - len(singular)))
    limit = max(float(k * (noise[kept] / norm[kept]).max()), tolerance)
    null = left[:, singular <= limit * singular[0]]
    # Rounding, and what is left of combinations, reach columns that have no part in them.
    small, projection = np.sqrt(limit), null @ null.T
    n_parts, part_of = connected_components(np.abs(projection) > small, directed=False)
    parts = [np.flatnonzero(part_of == i) for i in range(n_parts)]
    level = mean[kept, None] / norm[kept, None] * null
    spread = null / np.sqrt(m if w is None else w.sum())
    sets = tuple(
        CollinearSet(
            kept[part],
            round(float(np.trace(projection[np.ix_(part, part)]))),
            bool((np.abs(level[part].sum(axis=0)) > small * _largest(level, spread, part)).any()),
        )
        for part in parts
        if len(part) > 1
    )
    return Collinear(np.flatnonzero(norm <= noise), sets, fit_intercept)


def _largest(level: Float64Array, spread: Float64Array, part: IntArray) -> float:
    """Size of what columns bring to a combination, in their means and in what is around them."""
    return float(max(np.abs(level[part]).max(), np.abs(spread[part]).max()))

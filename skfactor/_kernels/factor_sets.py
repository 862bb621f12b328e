"""Regressions on many sets of columns at once, in many segments, from one set of moments.

Sets that begin with the same columns share their elimination. A set is its prefix swept on one
more column [1]_, and nothing is ever swept back, so that no error builds up.

.. [1] Goodnight, J. H. (1979), "A Tutorial on the SWEEP Operator", The American Statistician 33(3),
   149-158. https://doi.org/10.1080/00031305.1979.10482685
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.least_squares import solve_standardized
from skfactor._kernels.rounding import RANK_UNITS, SAFE_PIVOT, SAFE_SPREAD
from skfactor._typing import BoolArray, Float64Array, IntArray


@dataclass(frozen=True)
class Level:
    """What happens to the nodes of a tree of sets, each a prefix, at one column."""

    ended: IntArray  # sets that end with this column
    ended_nodes: IntArray  # ... and the nodes that they are swept from
    kept: IntArray  # nodes that go on without the column
    swept: IntArray  # nodes that go on with it; numbered after those kept


def plan_sets(members: BoolArray) -> list[Level]:
    """The tree of distinct sets (n_sets, K) that hold a column or more, column by column."""
    n_sets, n_columns = members.shape
    last = n_columns - 1 - members[:, ::-1].argmax(axis=1)
    node = np.zeros(n_sets, dtype=np.intp)
    alive: IntArray = np.arange(n_sets)
    levels = []
    for j in range(n_columns):
        has = members[alive, j]
        ends = has & (last[alive] == j)
        ended, with_it, without = alive[ends], alive[has & ~ends], alive[~has]
        kept, place_kept = np.unique(node[without], return_inverse=True)
        swept, place_swept = np.unique(node[with_it], return_inverse=True)
        levels.append(Level(ended, node[ended], kept, swept))
        node[without], node[with_it] = place_kept, len(kept) + place_swept
        alive = np.concatenate([without, with_it])
        if not alive.size:
            break
    return levels


class Sweeper:
    """Sweeps sets in memory that it keeps: fresh memory would take longer than the sums."""

    def __init__(self) -> None:
        self._memory: dict[str, Float64Array] = {}

    def _take(self, name: str, *shape: int) -> Float64Array:
        """An array of this shape, of what an earlier call of this name left."""
        size = int(np.prod(shape))
        held = self._memory.get(name)
        if held is None or held.size < size:
            held = self._memory[name] = np.empty(size)
        return held[:size].reshape(shape)

    def sweep(
        self,
        correlation: Float64Array,
        standardized: Float64Array,
        plan: list[Level],
        n_sets: int,
    ) -> tuple[Float64Array, Float64Array]:
        """Standardized slopes of every set in every segment, and the smallest squared pivots.

        From correlations (K, K, S) and standardized products with the target (K, S). The slopes
        are (n_sets, K, S), zero for columns that a set does not have; the pivots (n_sets, S). Both
        are overwritten by the next call.
        """
        n_columns, n_segments = standardized.shape
        slopes = self._take("slopes", n_sets, n_columns, n_segments)
        pivots = self._take("pivots", n_sets, n_segments)
        # Of each node: for chosen columns their coefficients, for later ones what is left of them
        # (rows), of the columns to come and of the target (columns).
        tableau = self._take("even", 1, n_columns, n_columns + 1, n_segments)
        tableau[0, :, :-1], tableau[0, :, -1] = correlation, standardized
        smallest = np.ones((1, n_segments))
        for j, level in enumerate(plan):
            pivot = tableau[:, j, 0]
            for i, node in zip(level.ended, level.ended_nodes, strict=True):
                row = np.divide(tableau[node, j, -1], pivot[node], out=slopes[i, j])
                np.multiply(tableau[node, :j, 0], row, out=slopes[i, :j])
                np.subtract(tableau[node, :j, -1], slopes[i, :j], out=slopes[i, :j])
                slopes[i, j + 1 :] = 0.0
                np.minimum(smallest[node], pivot[node], out=pivots[i])
            n_kept, n_swept = len(level.kept), len(level.swept)
            if not n_kept + n_swept:
                break
            shape = (n_kept + n_swept, n_columns, n_columns - j, n_segments)
            following = self._take("odd" if j % 2 == 0 else "even", *shape)
            for i, node in enumerate(level.kept):
                following[i] = tableau[node, :, 1:]
                following[i, j] = 0.0
            for i, node in enumerate(level.swept, n_kept):
                into, left = following[i], tableau[node]
                rows = left[j, 1:] / pivot[node]
                np.multiply(left[:, :1], rows, out=into)
                np.subtract(left[:, 1:], into, out=into)
                into[j] = rows
            smallest = np.concatenate(
                [smallest[level.kept], np.minimum(smallest[level.swept], pivot[level.swept])]
            )
            tableau = following
        return slopes, pivots


@dataclass(frozen=True)
class Triangle:
    """The rows of one segment as the triangle R of their QR factorization: no digit is lost.

    Least squares on any of the columns of R are those on the columns of the rows.
    """

    columns: Float64Array  # (R, K) of regressors, centred if there is an intercept, and weighted
    target: Float64Array  # (R,) likewise
    magnitude: Float64Array  # (K,) largest weighted regressor times the root of the rows
    n_rows: int

    @property
    def noise(self) -> Float64Array:
        """Rounding errors (K,) in the norms of the columns, in units of the data's epsilon."""
        return RANK_UNITS * self.magnitude

    def subset(self, columns: IntArray) -> Triangle:
        """The same for some of the regressors."""
        return Triangle(self.columns[:, columns], self.target, self.magnitude[columns], self.n_rows)


def triangle_of_rows(
    x: Float64Array, y: Float64Array, w: Float64Array | None, fit_intercept: bool
) -> Triangle:
    """Factorize regressors x (K, m) and target y (m,) of weights w (m,)."""
    m = x.shape[1]
    root = np.ones(m) if w is None else np.sqrt(w)
    magnitude = np.sqrt(m) * np.abs(x * root).max(axis=1, initial=0.0)
    data = np.vstack([x, y])
    if fit_intercept and m:
        for _ in range(2):  # the second pass takes off what rounding left of the mean
            data = data - np.average(data, axis=1, weights=w)[:, None]
    r = np.asarray(np.linalg.qr((data * root).T, mode="r"))
    return Triangle(r[:, :-1], r[:, -1], magnitude, m)


def needs_rows(moments: CrossMoments, fit_intercept: bool) -> BoolArray:
    """Segments (S,) in which moments may not do for some set of the regressors.

    No set has a smaller pivot than all regressors together, where they are in the same order.
    """
    scaled = standardize(moments, fit_intercept)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        _, pivots = solve_standardized(scaled.correlation, scaled.target)
    unsafe: BoolArray = ~(pivots.min(axis=0) >= SAFE_PIVOT) | scaled.unsafe.any(axis=0)
    return unsafe


@dataclass(frozen=True)
class Standardized:
    """Regressors of S segments on the scale of correlations."""

    correlation: Float64Array  # (K, K, S), about zero without an intercept; NaN of a constant
    target: Float64Array  # (K, S) products with the target
    norm: Float64Array  # (K, S) roots of the sums of squares
    unsafe: BoolArray  # (K, S) little is left of a level that centring took off


def standardize(moments: CrossMoments, fit_intercept: bool) -> Standardized:
    """Scale the moments as least squares do."""
    products = moments.products
    if not fit_intercept:
        products = products + moments.mean[:, None] * moments.mean * moments.weight
    gram, cross = products[:-1, :-1], products[:-1, -1]
    norm = np.sqrt(np.einsum("iis->is", gram))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = gram / norm / norm[:, None]
        target = cross / norm
    unsafe = ~(norm > 0.0)
    if fit_intercept:
        unsafe |= norm**2 < SAFE_SPREAD * moments.weight * moments.mean[:-1] ** 2
    return Standardized(correlation, target, norm, unsafe)


def solve_triangle(
    triangle: Triangle, members: BoolArray, fit_intercept: bool, resolution: float
) -> Float64Array:
    """Slopes (n_sets, K) of sets of the columns by QR; NaN where the rank is deficient.

    ``resolution`` is the machine epsilon of the data, as in `solve_least_squares`.
    """
    slopes = np.zeros(members.shape)
    sizes = members.sum(axis=1)
    norms = np.sqrt(np.einsum("rk,rk->k", triangle.columns, triangle.columns))
    noise = resolution * triangle.noise
    for size in np.unique(sizes):
        which = np.flatnonzero(sizes == size)
        columns = np.nonzero(members[which])[1].reshape(-1, size)
        norm, rounding = norms[columns], noise[columns]
        full = (norm > rounding).all(axis=1) & (triangle.n_rows >= size + fit_intercept)
        slopes[which[~full][:, None], columns[~full]] = np.nan
        which, columns, norm, rounding = (a[full] for a in (which, columns, norm, rounding))
        if not which.size:
            continue
        z = triangle.columns[:, columns].transpose(1, 0, 2) / norm[:, None]
        q, r = np.linalg.qr(z)
        singular = np.linalg.svd(r, compute_uv=False)
        full = singular[:, -1] > size * (rounding / norm).max(axis=1) * singular[:, 0]
        r[~full] = np.eye(size)
        solution = np.zeros((len(which), size, 1))
        left = np.broadcast_to(triangle.target[:, None], (len(which), len(z[0]), 1))
        for _ in range(2):  # one step of refinement: what is left is regressed once more
            solution += np.linalg.solve(r, q.transpose(0, 2, 1) @ left)
            left = triangle.target[:, None] - z @ solution
        found = solution[..., 0] / norm
        found[~full] = np.nan
        slopes[which[:, None], columns] = found
    return slopes


def shrink_triangle(
    triangle: Triangle, weight: float, members: BoolArray, alpha: float, resolution: float
) -> Float64Array:
    """Slopes (n_sets, K) with a ridge penalty as in `solve_ridge`; NaN where no column varies.

    ``weight`` is the sum of the rows' weights. The penalty is K more rows.
    """
    scale = np.sqrt(weight)
    norms = np.sqrt(np.einsum("rk,rk->k", triangle.columns, triangle.columns)) / scale
    varies = norms > resolution * triangle.noise / scale
    unit = np.where(varies, norms, np.inf)
    z, target = triangle.columns / scale / unit, triangle.target / scale
    slopes = np.zeros(members.shape)
    for i, chosen in enumerate(members):
        k = int(chosen.sum())
        penalized = np.vstack([z[:, chosen], np.sqrt(alpha) * np.eye(k)])
        q, r = np.linalg.qr(penalized)
        wanted, found = np.concatenate([target, np.zeros(k)]), np.zeros(k)
        for _ in range(2):  # the second pass regresses what the slopes leave once more
            found += np.linalg.solve(r, q.T @ (wanted - penalized @ found))
        slopes[i, chosen] = found / unit[chosen] if varies[chosen].any() else np.nan
    return slopes

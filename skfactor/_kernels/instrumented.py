"""Instrumented principal components, from sums of each date: r = z'(G_b f_t + G_d g_t) + e.

Coefficients are G = [G_b, G_d] (L, K + M), factors h_t = [f_t, g_t]; f is latent, g is given.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, eigh, solve_triangular

from skfactor._kernels.rounding import EPSILON, RANK_UNITS
from skfactor._kernels.segments import Segments
from skfactor._kernels.threads import Done
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray

# Sweeps of alternating least squares before Newton's method is tried.
_SWEEPS = 8
# Steps of Newton's method are cut so often, each time to a third, before a sweep is made instead.
_CUTS = 6
# Curvature that a direction of the wrong sign gets, as a share of the largest.
_FLOOR = 1e-3
# Dates of which second derivatives are added up at once.
_DATES = 64


@dataclass(frozen=True, eq=False)
class DateSums:
    """Sums of each date that all of the model follows from; they add up over assets."""

    n_rows: IntArray  # (T,) complete rows
    weight: Float64Array  # (T,) their weights, added up
    portfolios: Float64Array  # (T, L) weighted means of z r, the managed portfolios
    moments: Float64Array  # (T, L, L) weighted means of z z'
    squares: Float64Array  # (T,) weighted sums of r^2

    def __len__(self) -> int:
        return len(self.n_rows)

    def take(self, dates: BoolArray | IntArray) -> DateSums:
        """The sums of some dates, in their order."""
        return DateSums(
            self.n_rows[dates],
            self.weight[dates],
            self.portfolios[dates],
            self.moments[dates],
            self.squares[dates],
        )

    def join(self, other: DateSums) -> DateSums:
        """The sums of the dates of both, one after the other."""
        return DateSums(
            np.concatenate([self.n_rows, other.n_rows]),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.portfolios, other.portfolios]),
            np.concatenate([self.moments, other.moments]),
            np.concatenate([self.squares, other.squares]),
        )

    @property
    def mean_moments(self) -> Float64Array:
        """Weighted mean (L, L) of z z' over all rows."""
        mean: Float64Array = np.tensordot(self.weight, self.moments, 1) / self.weight.sum()
        return mean

    def with_ridge(self, ridge: float) -> DateSums:
        """With a share of each characteristic's mean square added to its own on every date."""
        if ridge == 0.0:
            return self
        added = np.diag(ridge * np.diag(self.mean_moments))
        return replace(self, moments=self.moments + added)


def date_sums(
    values: FloatArray,
    returns: Float64Array,
    weights: Float64Array | None,
    segments: Segments,
    *,
    add_constant: bool,
    done: Done,
) -> DateSums:
    """Sums of each segment of rows with characteristics (n_rows, L) and returns (n_rows,).

    Rows that miss anything, or have a weight of 0, are left out. The constant is the last column.
    """
    t, n_given = len(segments), values.shape[1]
    n = n_given + add_constant
    out = DateSums(
        np.zeros(t, dtype=np.intp), np.zeros(t), np.zeros((t, n)), np.zeros((t, n, n)), np.zeros(t)
    )
    for s, (start, stop) in enumerate(pairwise(segments.offsets)):
        rows = slice(start, stop) if segments.order is None else segments.order[start:stop]
        z = values[rows].astype(np.float64, copy=False)
        r, w = returns[rows], None if weights is None else weights[rows]
        # Anything missing shows in the sums; rows are looked at only then.
        if not np.isfinite(z.sum() + r.sum()) or (w is not None and not w.all()):
            kept = np.isfinite(z).all(axis=1) & np.isfinite(r)
            if w is not None:
                kept &= w > 0.0
                w = w[kept]
            z, r = z[kept], r[kept]
        out.n_rows[s] = len(r)
        out.weight[s] = total = float(len(r)) if w is None else float(w.sum())
        done(1)
        if total == 0.0:
            continue
        wz, wr = (z, r) if w is None else (z * w[:, None], r * w)
        out.moments[s, :n_given, :n_given] = z.T @ wz
        out.portfolios[s, :n_given] = z.T @ wr
        if add_constant:
            out.moments[s, -1, :n_given] = out.moments[s, :n_given, -1] = wz.sum(axis=0)
            out.moments[s, -1, -1] = total
            out.portfolios[s, -1] = wr.sum()
        out.moments[s] /= total
        out.portfolios[s] /= total
        out.squares[s] = r @ wr
    return out


def dependent_columns(moments: Float64Array) -> list[int]:
    """Columns of characteristics with these mean products (L, L) that depend on each other."""
    scale = np.sqrt(np.diag(moments))
    zero = scale == 0.0
    if zero.any():
        return list(map(int, np.flatnonzero(zero)))
    values, vectors = eigh(moments / scale / scale[:, None])
    if values[0] > RANK_UNITS * EPSILON * len(values):
        return []
    worst = np.abs(vectors[:, 0])
    return list(map(int, np.flatnonzero(worst > 0.01 * worst.max())))


@dataclass(frozen=True, eq=False)
class Point:
    """Coefficients, the best latent factors for them, and what the derivatives are made of."""

    coefficients: Float64Array  # (L, K + M)
    value: float  # explained sum of squares
    latent: Float64Array  # (T, K)
    loadings: Float64Array  # (T, L, K) W_t G_b
    grams: Float64Array  # (T, K, K) G_b'W_t G_b
    left: Float64Array  # (T, L) managed portfolios less what the given factors explain of them

    @property
    def residuals(self) -> Float64Array:
        """Managed portfolios (T, L) less all that is explained of them."""
        explained = np.matmul(self.loadings, self.latent[..., None])[..., 0]
        return np.asarray(self.left - explained)


@dataclass(frozen=True, eq=False)
class Fitted:
    """The optimum that was found."""

    coefficients: Float64Array  # (L, K + M)
    latent: Float64Array  # (T, K)
    value: float  # explained sum of squares
    gradient: float  # largest element, as a share of the largest of sum_t n_t x_t h_t'
    n_iter: int


class Problem:
    """The least squares problem of K latent factors, given the sums of the dates."""

    def __init__(self, sums: DateSums, given: Float64Array, n_latent: int) -> None:
        self.n, self.x, self.w = sums.weight, sums.portfolios, sums.moments
        self.given, self.n_latent = given, n_latent
        self.n_columns = self.x.shape[1]
        self._i, self._j = np.triu_indices(self.n_columns)
        self.weighted = self.x * self.n[:, None]  # n_t x_t

    @cached_property
    def _half(self) -> Float64Array:
        """Upper triangles of n_t W_t, (L (L + 1) / 2, T)."""
        return np.ascontiguousarray((self.w[:, self._i, self._j] * self.n[:, None]).T)

    def of_portfolios(self, portfolios: Float64Array) -> Problem:
        """The problem of other managed portfolios (T, L) of the same rows."""
        other = copy(self)
        other.x, other.weighted = portfolios, portfolios * self.n[:, None]
        return other

    def start(self) -> Float64Array:
        """The solution for W_t that do not vary: eigenvectors of whitened managed portfolios."""
        root = cholesky(np.tensordot(self.n, self.w, 1) / self.n.sum())
        white = solve_triangular(root, self.x.T, trans="T")
        _, vectors = np.linalg.eigh((white * self.n) @ white.T)
        latent = solve_triangular(root, vectors[:, ::-1][:, : self.n_latent])
        return np.hstack([np.linalg.qr(latent)[0], np.zeros((self.n_columns, self.given.shape[1]))])

    def solve(
        self, start: Float64Array, max_iter: int, tol: float, *, sweeps: int = _SWEEPS
    ) -> Fitted:
        """Sweeps of alternating least squares, then Newton's method on the Grassmann manifold.

        Until the gradient is below ``tol``, and one step more, which doubles the digits, or
        ``max_iter`` steps are made. Normalized.
        """
        point = self.at(start)
        n_iter, was_small = 0, False
        while True:
            h = np.hstack([point.latent, self.given])
            residuals = point.residuals
            gradient = (residuals * self.n[:, None]).T @ h
            size = self._relative(gradient, h)
            is_small = size < tol
            if (is_small and was_small) or n_iter == max_iter:
                break
            following, was_small = None, is_small
            if n_iter >= sweeps or is_small:
                following = self._newton(point, h, residuals, gradient)
            if following is None:
                following = self.at(self.sweep(h))
            point = self._turned(following)
            n_iter += 1
        point = self._turned(point)
        return Fitted(point.coefficients, point.latent, point.value, size, n_iter)

    def _turned(self, point: Point) -> Point:
        """The same point with normalized coefficients."""
        turn, shared = rotation(point.coefficients, point.latent, self.given)
        k = self.n_latent
        loadings, left, given = (
            np.matmul(point.loadings, turn),
            point.left,
            point.coefficients[:, k:],
        )
        latent = point.latent
        if self.given.shape[1]:
            moved = self.given @ shared.T
            latent = latent + moved
            left = left + np.matmul(point.loadings, moved[..., None])[..., 0]
            given = given - point.coefficients[:, :k] @ shared
        coefficients = np.hstack([point.coefficients[:, :k] @ turn, given])
        latent = np.linalg.solve(turn, latent.T).T
        grams = np.matmul(turn.T, np.matmul(point.grams, turn))
        return Point(coefficients, point.value, latent, loadings, grams, left)

    def at(self, coefficients: Float64Array) -> Point:
        """The latent factors that explain most with these coefficients, and what they explain."""
        k = self.n_latent
        latent, value, left = coefficients[:, :k], 0.0, self.x
        if self.given.shape[1]:
            paths = self.given @ coefficients[:, k:].T
            explained = np.matmul(self.w, paths[..., None])[..., 0]
            left = self.x - explained
            value = float(self.n @ np.sum((self.x + left) * paths, axis=1))
        t, n = self.x.shape
        loadings: Float64Array = (self.w.reshape(t * n, n) @ latent).reshape(t, n, k)
        grams: Float64Array = np.matmul(latent.T, loadings)
        target = left @ latent
        factors: Float64Array = np.linalg.solve(grams, target[..., None])[..., 0].astype(np.float64)
        value += float(self.n @ np.sum(target * factors, axis=1))
        return Point(coefficients, value, factors, loadings, grams, left)

    def sweep(self, h: Float64Array, free: BoolArray | None = None) -> Float64Array:
        """Coefficients (L, K + M) that explain most with these factors, zero where not free."""
        gram, target = self._products(self._half, h), (self.weighted.T @ h).ravel()
        if free is None:
            solution = np.asarray(cho_solve(cho_factor(gram, lower=True), target))
        else:
            kept = free.ravel()
            solution = np.zeros(len(target))
            inner = cho_factor(gram[np.ix_(kept, kept)], lower=True)
            solution[kept] = cho_solve(inner, target[kept])
        return solution.reshape(self.n_columns, -1)

    def gradient_size(self, point: Point, h: Float64Array, free: BoolArray) -> float:
        """Largest element of the gradient with respect to the free coefficients, see `Fitted`."""
        gradient = (point.residuals * self.n[:, None]).T @ h
        return self._relative(np.where(free, gradient, 0.0), h)

    def _relative(self, gradient: Float64Array, h: Float64Array) -> float:
        return float(np.abs(gradient).max() / max(np.abs(self.weighted.T @ h).max(), EPSILON))

    def _products(self, half: Float64Array, h: Float64Array) -> Float64Array:
        """Sum over t of V_t (x) h_t h_t', from the upper triangles of V: one product."""
        return self._unfold(half @ _halves(h), h.shape[1])

    def _unfold(self, halves: Float64Array, size: int) -> Float64Array:
        """Matrix (L size, L size) from both upper triangles of its symmetric blocks."""
        a, b = np.triu_indices(size)
        blocks = np.empty((len(halves), size, size))
        blocks[:, a, b] = halves
        blocks[:, b, a] = halves
        n = self.n_columns
        out = np.empty((n, n, size, size))
        out[self._i, self._j] = blocks
        out[self._j, self._i] = blocks
        return out.transpose(0, 2, 1, 3).reshape(n * size, n * size)

    def _newton(
        self, point: Point, h: Float64Array, residuals: Float64Array, gradient: Float64Array
    ) -> Point | None:
        """The point that a step of Newton's method leads to; None if it explains less."""
        k = self.n_latent
        basis = np.linalg.qr(point.coefficients[:, :k], mode="complete")[0][:, k:]
        if basis.shape[1] == 0:
            return None
        curvature = self._curvature(point, h, residuals)
        m = h.shape[1]
        n, rest = self.n_columns, basis.shape[1]
        half = (basis.T @ curvature.reshape(n, -1)).reshape(rest * m, n, m)
        inner = (half.transpose(0, 2, 1) @ basis).transpose(0, 2, 1).reshape(rest * m, -1)
        inner = (inner + inner.T) / 2.0
        slope = (basis.T @ gradient).ravel()
        try:
            step = cho_solve(cho_factor(inner, lower=True), slope)
        except np.linalg.LinAlgError:  # not a maximum here: upwards in every direction all the same
            values, vectors = np.linalg.eigh(inner)
            step = vectors @ (
                (vectors.T @ slope) / np.maximum(np.abs(values), _FLOOR * np.abs(values).max())
            )
        move = basis @ np.asarray(step).reshape(basis.shape[1], m)
        for cut in range(_CUTS):
            following = self.at(point.coefficients + move / 3.0**cut)
            if following.value >= point.value - RANK_UNITS * EPSILON * abs(point.value):
                return following
        return None

    def _curvature(self, point: Point, h: Float64Array, residuals: Float64Array) -> Float64Array:
        """Minus half the Hessian of what is explained, (L, K + M, L, K + M)."""
        t, n = self.x.shape
        k, m = self.n_latent, h.shape[1]
        inverses = np.linalg.inv(point.grams)
        spread = np.matmul(point.loadings, inverses)
        a, b = np.triu_indices(k)
        left_over, second = self._half.copy(), np.zeros((len(self._i), len(a)))
        for start in range(0, t, _DATES):  # some dates at a time, which stay in the cache
            now = slice(start, start + _DATES)
            projected = np.matmul(spread[now], point.loadings[now].transpose(0, 2, 1))
            left_over[:, now] -= (projected[:, self._i, self._j] * self.n[now, None]).T
            squares = residuals[now][:, self._i] * residuals[now][:, self._j]
            second += (squares * self.n[now, None]).T @ inverses[now][:, a, b]
        curvature = self._products(left_over, h).reshape(n, m, n, m)
        curvature[:, :k, :, :k] -= self._unfold(second, k).reshape(n, k, n, k)
        root = np.sqrt(self.n)
        left = (spread * root[:, None, None]).reshape(t, n * k)
        right = (residuals[:, :, None] * h[:, None, :] * root[:, None, None]).reshape(t, n * m)
        crossed = (left.T @ right).reshape(n, k, n, m).transpose(0, 3, 2, 1)
        curvature[:, :, :, :k] += crossed
        curvature[:, :k, :, :] += crossed.transpose(2, 3, 0, 1)
        return curvature


def _halves(h: Float64Array) -> Float64Array:
    """Upper triangles of h_t h_t', (T, m (m + 1) / 2)."""
    a, b = np.triu_indices(h.shape[1])
    return np.asarray(h[:, a] * h[:, b])


def rotation(
    coefficients: Float64Array, latent: Float64Array, given: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Matrices M (K, K) and S (K, M) by which a model is normalized: G_b M, G_d - G_b S.

    Factors are (f_t + S g_t) by the inverse of M. Then G_b'G_b = I, G_b'G_d = 0, F'F is diagonal
    and descending, and means of F are not negative. Of a factor whose mean is zero, the largest
    coefficient is positive.
    """
    k = latent.shape[1]
    g, d = coefficients[:, :k], coefficients[:, k:]
    gram = g.T @ g
    shared = np.zeros((k, 0))
    if d.shape[1]:
        shared = np.linalg.solve(gram, g.T @ d)
        latent = latent + given @ shared.T
    root = np.linalg.cholesky(gram)  # of which the transpose is upper triangular
    scaled = latent @ root
    _, vectors = np.linalg.eigh(scaled.T @ scaled)
    vectors = vectors[:, ::-1]
    turn = np.linalg.solve(root.T, vectors)
    scaled, turned = scaled @ vectors, g @ turn
    mean, size = scaled.mean(axis=0), np.sqrt(np.mean(scaled**2, axis=0))
    largest = turned[np.abs(turned).argmax(axis=0), np.arange(k)]
    zero = np.abs(mean) <= RANK_UNITS * EPSILON * np.sqrt(len(latent)) * size
    signs = np.where(np.where(zero, largest, mean) < 0.0, -1.0, 1.0)
    return turn * signs, shared


def normalized(
    coefficients: Float64Array, latent: Float64Array, given: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """The same model with normalized coefficients (L, K + M) and latent factors (T, K)."""
    k = latent.shape[1]
    turn, shared = rotation(coefficients, latent, given)
    g = coefficients[:, :k]
    moved = latent + given @ shared.T
    return (
        np.hstack([g @ turn, coefficients[:, k:] - g @ shared]),
        np.linalg.solve(turn, moved.T).T,
    )


def held_out_squares(
    first: DateSums,
    second: DateSums,
    coefficients: Float64Array,
    given: Float64Array,
    n_latent: int,
) -> float:
    """Squares of returns of some assets that latent factors of others leave, in both directions."""
    left = 0.0
    for known, held in ((first, second), (second, first)):
        latent = Problem(known, given, n_latent).at(coefficients).latent
        paths = np.hstack([latent, given]) @ coefficients.T
        left += float(held.squares.sum()) - explained_squares(held, paths)
    return left


def explained_squares(sums: DateSums, paths: Float64Array) -> float:
    """Sum of squared returns less that of r - z'c_t, with coefficients c (T, L) of each date."""
    fitted = np.matmul(sums.moments, paths[..., None])[..., 0]
    return float(sums.weight @ np.sum((2.0 * sums.portfolios - fitted) * paths, axis=1))


def explained_shares(
    sums: DateSums, coefficients: Float64Array, factors: Float64Array
) -> tuple[float, float]:
    """Uncentred R squared over assets, and over managed portfolios, of factors (T, K + M)."""
    paths = factors @ coefficients.T
    fitted = np.matmul(sums.moments, paths[..., None])[..., 0]
    left = np.sum((sums.portfolios - fitted) ** 2)
    return (
        explained_squares(sums, paths) / float(sums.squares.sum()),
        float(1.0 - left / np.sum(sums.portfolios**2)),
    )

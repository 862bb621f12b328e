"""Residuals of columns on other columns and on dummies of groups, date by date.

By the theorem of Frisch, Waugh and Lovell [1]_ dummies need no columns of their own: residuals of
data that are centred within each group are those of the regression with a dummy for every group.
So constants and dummies are never collinear here, and their number costs nothing.

.. [1] Lovell, M. C. (1963), "Seasonal Adjustment of Economic Time Series and Multiple Regression
   Analysis", Journal of the American Statistical Association 58(304), 993-1010.
   https://doi.org/10.1080/01621459.1963.10480682
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import solve_triangular

from skfactor._kernels.cells import Cells
from skfactor._kernels.least_squares import solve_standardized
from skfactor._kernels.regressors import full_rank_qr
from skfactor._kernels.rounding import RANK_UNITS, ROUNDING_UNITS, SAFE_PIVOT
from skfactor._kernels.segments import are_long
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray


@dataclass(frozen=True)
class Neutralized:
    """One regression per date and column: column = intercept of the cell + regressors @ slopes.

    Where there is no estimate slopes and intercepts are NaN.
    """

    slopes: Float64Array  # (S, C, M)
    intercepts: Float64Array  # (n_cells, C)
    thin: BoolArray  # (S, C) some rows, but fewer than coefficients or than asked for
    deficient: BoolArray  # (S, C) collinear regressors
    weightless: BoolArray  # (S, C) a cell all of whose rows have no weight


@dataclass(frozen=True)
class _Rule:
    """How to regress; see `neutralize`."""

    centered: bool
    min_rows: int
    resolution: float


@dataclass(frozen=True)
class _Block:
    """The rows of some dates: where cells start among the rows, and dates among the cells."""

    cells: IntArray
    dates: IntArray

    def __len__(self) -> int:
        return len(self.dates) - 1

    @property
    def rows(self) -> IntArray:
        """Offsets of the dates in rows."""
        return self.cells[self.dates]

    def sum_cells(self, values: Float64Array) -> Float64Array:
        """Sums (..., n_cells) of rows (..., n_rows)."""
        sums: Float64Array = np.add.reduceat(values, self.cells[:-1], axis=-1)
        return sums

    def sum_dates(self, values: Float64Array) -> Float64Array:
        """Sums (..., n_dates) of rows (..., n_rows)."""
        sums: Float64Array = np.add.reduceat(values, self.rows[:-1], axis=-1)
        return sums

    def sum_cells_of_dates(self, values: Float64Array) -> Float64Array:
        """Sums (..., n_dates) of cells (..., n_cells)."""
        sums: Float64Array = np.add.reduceat(values, self.dates[:-1], axis=-1)
        return sums


def neutralize(
    columns: FloatArray,
    targets: IntArray,
    against: IntArray,
    cells: Cells,
    weights: Float64Array | None,
    out: FloatArray | None,
    *,
    centered: bool,
    min_rows: int,
) -> Neutralized:
    """Residuals of the columns ``targets`` (C,) on the columns ``against`` (M,) of each date.

    ``columns`` (P, n) and ``weights`` (n,) lie in the order of the cells, and residuals are written
    to the same places of ``out`` (P, n). ``centered`` adds one constant per cell. The rows of a
    target's regression are those where it and all regressors are finite and the weight is
    positive. A residual is NaN where a value is missing, and on dates whose regression is thin or
    deficient; rows of weight zero have one.
    """
    c, m, n_cells = len(targets), len(against), len(cells.cells)
    starts = np.flatnonzero(np.diff(cells.date_of_cell, prepend=-1))
    block = _Block(cells.cells.offsets, np.append(starts, n_cells))
    found = Neutralized(
        np.full((len(block), c, m), np.nan),
        np.full((n_cells, c), np.nan),
        *(np.zeros((len(block), c), dtype=bool) for _ in range(3)),
    )
    rule = _Rule(centered, min_rows, float(np.finfo(columns.dtype).eps))
    data = np.empty((m + c, columns.shape[1]))
    for line, k in zip(data, (*against, *targets), strict=True):
        line[:] = columns[k]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for alike, missing in _patterns(data, m):
            # The fancy index copies: the regressors are needed again for other patterns.
            part = data[[*range(m), *(m + alike)]]
            each = _regress(part, m, missing, weights, block, rule)
            found.slopes[:, alike] = each.slopes
            found.intercepts[:, alike] = each.intercepts
            for flag in ("thin", "deficient", "weightless"):
                getattr(found, flag)[:, alike] = getattr(each, flag)
            if out is not None:
                out[targets[alike]] = part[m:]
    return found


def _patterns(data: Float64Array, n_regressors: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Columns that miss the same rows, as positions among the targets, and these rows."""
    ones = np.ones(data.shape[1])
    missing: BoolArray = np.zeros(data.shape[1], dtype=bool)
    if not np.isfinite(data[:n_regressors] @ ones).all():
        missing |= np.isnan(data[:n_regressors]).any(axis=0)
    together: dict[bytes, list[int]] = {}
    for k, total in enumerate(data[n_regressors:] @ ones):
        key = missing if np.isfinite(total) else missing | np.isnan(data[n_regressors + k])
        together.setdefault(key.tobytes(), []).append(k)
    for pattern, columns in together.items():
        yield np.array(columns), np.flatnonzero(np.frombuffer(pattern, dtype=bool))


def _regress(
    data: Float64Array,
    m: int,
    missing: IntArray,
    w: Float64Array | None,
    block: _Block,
    rule: _Rule,
) -> Neutralized:
    """Put residuals in place of the targets data[m:]; the regressors data[:m] are lost."""
    # Zeros in place of what is missing leave every sum as it should be.
    data[:, missing] = 0.0
    cells = _count(w, missing, block)
    mean, level = np.zeros((len(data), len(cells.weight))), np.zeros((len(data), 1))
    if rule.centered:
        mean = _center(data, w, missing, cells, block)
        mean += _center(data, w, missing, cells, block)  # what rounding left of it
        level = block.sum_cells_of_dates(cells.weight * mean**2)
    products = _products(data, m, w, block)
    gram, cross = products[:, :m], products[:, m:]
    squares = np.einsum("iis->is", gram) + level[:m]
    n_rows = block.sum_cells_of_dates(cells.counts)
    needed = np.full(len(block), float(m))
    if rule.centered:
        needed += block.sum_cells_of_dates((cells.counts > 0.0).astype(np.float64))
    thin = n_rows < np.maximum(needed, rule.min_rows)
    noise = rule.resolution * np.sqrt(squares)
    slopes, safe, deficient = _take_out(data, w, gram, cross, noise, thin, block)
    if rule.centered and not safe.all():
        mean[m:] += _center(data[m:], w, missing, cells, block)
    raw = level[m:] + np.einsum("kcs,kcs->cs", slopes, cross)
    _flush(data[m:], w, raw, block, rule.resolution)
    failed = thin | deficient
    dead = np.repeat(failed, np.diff(block.dates))
    if rule.centered:
        dead |= cells.counts == 0.0
    spread = np.repeat(slopes, np.diff(block.dates), axis=2)
    intercepts = mean[m:] - np.einsum("kcs,ks->cs", spread, mean[:m])
    intercepts[:, dead] = np.nan
    data[m:, missing] = np.nan
    if dead.any():
        data[m:, np.flatnonzero(np.repeat(dead, np.diff(block.cells)))] = np.nan
    slopes[:, :, failed] = np.nan
    weightless = (
        block.sum_cells_of_dates((dead & (cells.counts < cells.present)).astype(np.float64)) > 0.0
    )
    return Neutralized(
        slopes.transpose(2, 1, 0),
        intercepts.T,
        (thin & (n_rows > 0.0))[:, None],  # where there is nothing, nothing failed
        deficient[:, None],
        (weightless & ~failed)[:, None],
    )


@dataclass(frozen=True)
class _Cells:
    """What there is in each cell, (n_cells,)."""

    present: Float64Array  # rows
    counts: Float64Array  # ... of positive weight
    weight: Float64Array  # sum of their weights


def _count(w: Float64Array | None, missing: IntArray, block: _Block) -> _Cells:
    row = np.ones(block.cells[-1])
    row[missing] = 0.0
    present = block.sum_cells(row)
    counts, weight = present, present
    if w is not None:
        counts, weight = block.sum_cells(row * (w > 0.0)), block.sum_cells(row * w)
    return _Cells(present, counts, weight)


def _center(
    data: Float64Array, w: Float64Array | None, missing: IntArray, cells: _Cells, block: _Block
) -> Float64Array:
    """Take the means (P, n_cells) of each cell off the data (P, n_rows) in place."""
    mean = block.sum_cells(data if w is None else data * w)
    mean /= np.where(cells.weight > 0.0, cells.weight, 1.0)
    data -= np.repeat(mean, np.diff(block.cells), axis=1)
    data[:, missing] = 0.0
    if w is not None:
        # A single row is its own mean, though weighing it may round.
        alone = np.repeat(cells.counts == 1.0, np.diff(block.cells)) & (w > 0.0)
        data[:, np.flatnonzero(alone)] = 0.0
    return mean


def _products(data: Float64Array, m: int, w: Float64Array | None, block: _Block) -> Float64Array:
    """Products of the first m variables with all of them by date, (m, P, n_dates)."""
    products = np.empty((m, len(data), len(block)))
    if are_long(block.rows):
        for s, (start, stop) in enumerate(pairwise(block.rows)):
            run = data[:, start:stop]
            left = run[:m] if w is None else run[:m] * w[start:stop]
            products[:, :, s] = left @ run.T
        return products
    for i in range(m):
        left = data[i] if w is None else data[i] * w
        for j in range(i, len(data)):
            products[i, j] = block.sum_dates(left * data[j])
        products[i:m, i] = products[i, i:m]
    return products


def _take_out(
    data: Float64Array,
    w: Float64Array | None,
    gram: Float64Array,
    cross: Float64Array,
    noise: Float64Array,
    thin: BoolArray,
    block: _Block,
) -> tuple[Float64Array, BoolArray, BoolArray]:
    """Take the regressors data[:m] out of the targets data[m:] in place, but on thin dates.

    Returns slopes (m, C, n_dates), 0 without an estimate, and of each date whether the normal
    equations did, and whether it is deficient. ``noise`` (m, n_dates) is what rounding of the raw
    values may add to the norm of a regressor.
    """
    m, deficient = len(gram), np.zeros(len(block), dtype=bool)
    slopes, safe = _solve(gram, cross, noise)
    slopes[:, :, thin | ~safe] = 0.0
    _subtract(data, m, slopes, block)
    for s in np.flatnonzero(~safe & ~thin):
        run = slice(block.rows[s], block.rows[s + 1])
        root = np.ones(1) if w is None else np.sqrt(w[run])
        deficient[s] = not _subtract_by_qr(data[:, run], m, root, noise[:, s], slopes[:, :, s])
    return slopes, safe, deficient


def _solve(
    gram: Float64Array, cross: Float64Array, noise: Float64Array
) -> tuple[Float64Array, BoolArray]:
    """Slopes (m, C, n_dates) by normal equations, and on which dates they keep their digits."""
    if not len(gram):
        return np.zeros(cross.shape), np.ones(cross.shape[-1], dtype=bool)
    norm = np.sqrt(np.einsum("iis->is", gram))
    slopes, pivots = solve_standardized(gram / norm / norm[:, None], cross / norm[:, None])
    safe = (pivots.min(axis=0) >= SAFE_PIVOT) & (norm > RANK_UNITS * noise).all(axis=0)
    return slopes / norm[:, None], safe


def _subtract_by_qr(
    data: Float64Array, m: int, root: Float64Array, noise: Float64Array, slopes: Float64Array
) -> bool:
    """Take the regressors data[:m] out of the targets data[m:] of one date, and tell the slopes.

    ``root`` are the roots of the weights. Returns False, and leaves all as it is, if the rank is
    deficient.
    """
    z = data[:m] * root
    norm = np.sqrt(np.einsum("ij,ij->i", z, z))
    found = full_rank_qr(z, norm, RANK_UNITS * noise)
    if found is None:
        return False
    q, r, _ = found
    for _ in range(2):  # the second time takes off what rounding of large slopes has left
        part = solve_triangular(r, q.T @ (data[m:] * root).T, check_finite=False) / norm[:, None]
        data[m:] -= part.T @ data[:m]
        slopes += part
    return True


def _subtract(data: Float64Array, m: int, slopes: Float64Array, block: _Block) -> None:
    """Take slopes (m, C, n_dates) times the regressors data[:m] off the targets data[m:]."""
    if are_long(block.rows):
        for s, (start, stop) in enumerate(pairwise(block.rows)):
            data[m:, start:stop] -= slopes[:, :, s].T @ data[:m, start:stop]
        return
    lengths = np.diff(block.rows)
    for column, slope in zip(data[:m], slopes, strict=True):
        data[m:] -= np.repeat(slope, lengths, axis=1) * column


def _flush(
    residuals: Float64Array,
    w: Float64Array | None,
    raw: Float64Array,
    block: _Block,
    resolution: float,
) -> None:
    """Set residuals (C, n_rows) to zero where nothing but rounding is left of a column's squares.

    Otherwise a later step would scale rounding errors up. ``raw`` (C, n_dates) are the squares
    that constants and regressors explain.
    """
    for k, residual in enumerate(residuals):
        left = residual * residual
        if w is not None:
            left *= w
        rounding = block.sum_dates(left) <= (ROUNDING_UNITS * resolution) ** 2 * raw[k]
        if rounding.any():
            fitted = np.repeat(rounding, np.diff(block.rows))
            # A row of weight zero may lie off a fit that is perfect for the others.
            residual[fitted if w is None else fitted & (w > 0.0)] = 0.0

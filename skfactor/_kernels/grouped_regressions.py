"""Regressions on a constant, groups and columns, date by date: the returns of fundamental factors.

A dummy for every group and a constant have one coefficient too many, and a constraint takes it
away: the groups' effects have a mean of zero, weighted by the shares of the groups. No constrained
solver is needed [1]_. With effects a_g of all dummies and no constant, which least squares
determine, the constant is sum_g W_g a_g and the effects are what is left of a_g. The dummies of one
family of groups need no columns either: what the columns have in common with them is their mean
within each group (Frisch, Waugh and Lovell [2]_). Those of other families are columns without one
of their groups, whose effects are centred in the same way.

.. [1] Heston, S. L. and K. G. Rouwenhorst (1994), "Does Industrial Structure Explain the Benefits
   of International Diversification?", Journal of Financial Economics 36(1), 3-27.
   https://doi.org/10.1016/0304-405X(94)90028-0
.. [2] Lovell, M. C. (1963), "Seasonal Adjustment of Economic Time Series and Multiple Regression
   Analysis", Journal of the American Statistical Association 58(304), 993-1010.
   https://doi.org/10.1080/01621459.1963.10480682
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import csc_array

from skfactor._kernels.collinear import Collinear
from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.least_squares import Rows, slope_weights, solve_least_squares
from skfactor._kernels.records import Record
from skfactor._kernels.rounding import (
    FIVE_DIGITS_LOST,
    HUBER_CHANGE,
    ROUNDING_UNITS,
    TINY,
)
from skfactor._kernels.segments import Segments, chunks
from skfactor._kernels.threads import Done
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray

# Median of the absolute value of a standard normal.
_NORMAL_MAD = 0.6744897501960817
# Huber's constant, with which normal errors cost 5% of the efficiency.
_HUBER = 1.345
_MOST_STEPS = 200
# Values of a block of dates, with what is made of them.
_BLOCK = 320_000


@dataclass(frozen=True)
class GroupedRows:
    """Rows of all dates."""

    values: FloatArray  # (n_rows, K)
    target: Float64Array  # (n_rows,)
    groups: IntArray  # (F, n_rows) codes of each family's groups; -1 is missing
    n_groups: tuple[int, ...]  # (F,)
    caps: Float64Array | None  # (n_rows,) by which the groups' effects are centred; None is equal
    weights: Float64Array | None  # (n_rows,) of the regressions
    segments: Segments


@dataclass(frozen=True)
class GroupedRegressions(Record):
    """One regression per date (S dates, G groups of all families, K columns).

    NaN where a date is thin or deficient, of groups that are not there, and of a group that is
    the only one of its family on a date, which is not distinguished from the constant.
    """

    coefficients: Float64Array  # (S, 1 + G + K)
    n_rows: IntArray  # (S,)
    n_parameters: Float64Array  # (S,)
    r2: Float64Array  # (S,)
    condition: Float64Array  # (S,) of the columns, within groups
    thin: BoolArray  # (S,) fewer rows than coefficients
    deficient: BoolArray  # (S,) collinear columns
    collinear: Collinear | None  # among columns and groups of other families, in the first of these
    means: Float64Array  # (K, S)
    squares: Float64Array  # (K, S) about the mean
    weight: Float64Array  # (S,)
    total: Float64Array  # (S,) squares of the target about its mean
    counts: IntArray  # (S, G) rows of each group
    lonely: BoolArray  # (S,) a family has a single group
    converged: BoolArray  # (S,) or the last step of a robust regression still changed something

    @property
    def solved(self) -> BoolArray:
        """Dates with an estimate (S,)."""
        return ~(self.thin | self.deficient)


@dataclass(frozen=True)
class _Block:
    """Rows of some dates: complete ones have numbers, others zeros and no weight."""

    data: Float64Array  # (m, P) columns, groups of other families but the first, target
    weights: Float64Array  # (m,)
    caps: Float64Array  # (m,)
    groups: IntArray  # (F, m), at least one family; missing ones are 0
    offsets: IntArray  # of the dates
    known: BoolArray  # (m,) complete

    @property
    def n_dates(self) -> int:
        return len(self.offsets) - 1

    def of_dates(self, which: BoolArray) -> _Block:
        """The rows of some of the dates."""
        lengths = np.diff(self.offsets)
        rows = np.repeat(which, lengths)
        return _Block(
            self.data[rows],
            self.weights[rows],
            self.caps[rows],
            self.groups[:, rows],
            np.concatenate([[0], np.cumsum(lengths[which])]),
            self.known[rows],
        )


@dataclass(frozen=True)
class _Shape:
    """Numbers of groups of each family (at least one), of columns, and what the data resolve."""

    n_groups: tuple[int, ...]
    n_columns: int
    resolution: float

    @property
    def others(self) -> Iterator[tuple[int, slice]]:
        """Families but the first, with the places of their groups among the regressors."""
        start = self.n_columns
        for family, n in enumerate(self.n_groups[1:], 1):
            yield family, slice(start, start + n)
            start += n


def regress_on_groups(
    rows: GroupedRows, *, robust: bool, done: Done
) -> tuple[GroupedRegressions, Float64Array]:
    """Regressions of all dates, and the residuals (n_rows,).

    A row with a missing value or group, or with no weight, has no part in them. One with no weight
    has a residual nevertheless. ``robust`` gives large residuals less weight, after Huber.
    """
    shape = _shape_of(rows)
    offsets = rows.segments.offsets
    width = shape.n_columns + sum(shape.n_groups[1:]) + 1
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        pieces = list(chunks(offsets, width, _BLOCK))
        parts = []
        labelled = len(rows.groups) == 0 or (len(rows.groups) == 1 and int(rows.groups.min()) >= 0)
        for which in pieces:
            part = _read_complete(rows, which, shape) if labelled else None
            parts.append(_read(_take(rows, which, shape)[0], shape) if part is None else part)
            done(which.stop - which.start)

        def centred(s: int) -> tuple[Float64Array, Float64Array, Float64Array | None]:
            return _centred_rows(_take(rows, slice(s, s + 1), shape)[0], 0, shape)

        fits, solution = _solve(_join(parts), centred, shape)
        residuals = _residuals_of(rows, solution)
        squares = _weighted_squares(rows, residuals)
        if robust:
            for which in pieces:
                block, place = _take(rows, which, shape)
                _regress_robustly(block, shape, fits, which, residuals, place)
            squares = _weighted_squares(rows, residuals)
        r2 = np.where(fits.solved, 1.0 - squares / fits.total, np.nan)
    fits = replace(fits, r2=r2)
    if not rows.n_groups:  # the one cell of each date is the constant
        fits = replace(
            fits,
            coefficients=np.delete(fits.coefficients, 1, axis=1),
            counts=fits.counts[:, :0],
            lonely=np.zeros_like(fits.lonely),
        )
    return fits, residuals


def _shape_of(rows: GroupedRows) -> _Shape:
    resolution = float(np.finfo(rows.values.dtype).eps)
    return _Shape(rows.n_groups or (1,), rows.values.shape[1], resolution)


def _take(rows: GroupedRows, which: slice, shape: _Shape) -> tuple[_Block, slice | IntArray]:
    """The block of some dates, and the places of its rows."""
    offsets, order = rows.segments.offsets, rows.segments.order
    start, stop = int(offsets[which.start]), int(offsets[which.stop])
    place: slice | IntArray = slice(start, stop) if order is None else order[start:stop]
    k, m = shape.n_columns, stop - start
    data = np.empty((m, k + sum(shape.n_groups[1:]) + 1))
    data[:, k:-1] = 0.0
    data[:, :k], data[:, -1] = rows.values[place], rows.target[place]
    known = np.isfinite(data @ np.ones(data.shape[1]))
    groups = rows.groups[:, place]
    if len(groups):
        known &= (groups >= 0).all(axis=0)
    else:
        groups = np.zeros((1, m), dtype=np.intp)
    lost = np.flatnonzero(~known)
    if len(lost):
        data[lost] = 0.0
        groups = np.where(known, groups, 0)
    for family, columns in shape.others:
        data[np.arange(m), columns.start + groups[family]] = known
    weights = known.astype(np.float64)
    if rows.weights is not None:
        weights[:] = np.where(known, rows.weights[place], 0.0)
    caps = (weights > 0.0).astype(np.float64)
    if rows.caps is not None:
        caps[:] = np.where(weights > 0.0, rows.caps[place], 0.0)
    return (
        _Block(data, weights, caps, groups, offsets[which.start : which.stop + 1] - start, known),
        place,
    )


@dataclass(frozen=True)
class _Sums:
    """What regressions need of the rows of some dates."""

    cells: Float64Array  # (S, n_cells, P) weighted sums of each group of the first family
    cell_weight: Float64Array  # (S, n_cells)
    within: Float64Array  # (S, P, P) weighted products about the means of the cells
    squares: Float64Array  # (S, P) about the means of the dates
    n_rows: IntArray  # (S,)
    counts: tuple[IntArray, ...]  # of each family (S, n_groups) rows
    caps: tuple[Float64Array, ...]  # (S, n_groups)


@dataclass(frozen=True)
class _Solution:
    """Effects of all groups without the constraint, NaN where there is none, and slopes."""

    effects: tuple[Float64Array, ...]  # of each family (S, n_groups)
    slopes: Float64Array  # (S, K)


def _join(parts: list[_Sums]) -> _Sums:
    if len(parts) == 1:
        return parts[0]
    tables = ("cells", "cell_weight", "within", "squares", "n_rows")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in tables}
    for name in ("counts", "caps"):
        families = zip(*(getattr(part, name) for part in parts), strict=True)
        joined[name] = tuple(map(np.concatenate, families))  # type: ignore[assignment]  # one of each family
    return _Sums(**joined)  # type: ignore[arg-type]  # a table, or one of each family


def _read(block: _Block, shape: _Shape) -> _Sums:
    """Sums of the rows of a block."""
    used = None if (block.weights > 0.0).all() else block.weights > 0.0
    data, groups = block.data, block.groups
    columns = data[:, :-1], data[:, -1], block.weights
    return _sum(*columns, used, block.caps, groups, block.offsets, shape, lambda: block)


def _read_complete(rows: GroupedRows, which: slice, shape: _Shape) -> _Sums | None:
    """The same of rows of at most one family of groups; None if something is missing."""
    offsets, order = rows.segments.offsets, rows.segments.order
    start, stop = int(offsets[which.start]), int(offsets[which.stop])
    place: slice | IntArray = slice(start, stop) if order is None else order[start:stop]
    one = np.ones(stop - start)
    weights = one if rows.weights is None else rows.weights[place]
    if not weights.all():
        return None
    sums = _sum(
        rows.values[place],
        rows.target[place],
        weights,
        None,
        one if rows.caps is None else rows.caps[place],
        rows.groups[:, place] if len(rows.groups) else np.zeros((1, stop - start), dtype=np.intp),
        offsets[which.start : which.stop + 1] - start,
        shape,
        lambda: _take(rows, which, shape)[0],
    )
    # A value that is not finite makes sums of its products so.
    return sums if np.isfinite(sums.squares).all() else None


def _sum(
    values: FloatArray,
    target: Float64Array,
    w: Float64Array,
    used: BoolArray | None,
    caps: Float64Array,
    groups: IntArray,
    offsets: IntArray,
    shape: _Shape,
    block: Callable[[], _Block],
) -> _Sums:
    """Sums of rows; ``used`` are those with a weight, None are all of them.

    The block is made where sums lose too many digits.
    """
    n_dates, n_cells, k = len(offsets) - 1, shape.n_groups[0], values.shape[1]
    date = np.repeat(np.arange(n_dates), np.diff(offsets))
    cell = date * n_cells + groups[0]
    size = n_dates * n_cells
    sums = np.empty((n_dates, n_cells, k + 1))
    sums[:, :, :-1] = _sum_rows(values, w, cell, size).reshape(n_dates, n_cells, k)
    sums[:, :, -1] = np.bincount(cell, w * target, size).reshape(n_dates, n_cells)
    cell_weight = np.bincount(cell, w, size).reshape(n_dates, n_cells)
    raw = _products(values, target, np.sqrt(w), offsets)
    roots = sums / np.sqrt(_or_one(cell_weight))[:, :, None]
    within = raw - np.matmul(roots.transpose(0, 2, 1), roots)
    level = np.einsum("sii->si", raw)
    squares = level - sums.sum(axis=1) ** 2 / _or_one(cell_weight.sum(axis=1))[:, None]
    cancelled = np.einsum("sii->si", within) < FIVE_DIGITS_LOST * level
    if cancelled.any():
        rows = block()
        for s in map(int, np.flatnonzero(cancelled.any(axis=1))):
            x, y, weigh = _centred_rows(rows, s, shape)
            z = np.vstack([x, y])
            within[s] = (z * weigh) @ z.T
            z = _center(*_rows_of(rows, s)[:2], np.zeros(len(y), dtype=np.intp), 1, shape)
            squares[s] = weigh @ z**2

    def count(of_rows: Float64Array | BoolArray | None) -> tuple[Float64Array, ...]:
        tables = []
        for family, (n, codes) in enumerate(zip(shape.n_groups, groups, strict=True)):
            place = date * n + codes if family else cell
            table = np.bincount(place, of_rows, n_dates * n).astype(np.float64, copy=False)
            tables.append(table.reshape(n_dates, n))
        return tuple(tables)

    counts = tuple(each.astype(np.intp) for each in count(used))
    return _Sums(sums, cell_weight, within, squares, counts[0].sum(axis=1), counts, count(caps))


def _products(
    values: FloatArray, target: Float64Array, root: Float64Array, offsets: IntArray
) -> Float64Array:
    """Products (S, P, P) of the columns and the target, times the roots of the weights."""
    k = values.shape[1]
    # Matrices of a width that fills registers of the processor are multiplied faster.
    width, longest = -(-(k + 1) // 4) * 4, int(np.diff(offsets).max())
    by_column = values.strides[0] < values.strides[1]
    scaled = np.zeros((width, longest) if by_column else (longest, width))
    products = np.empty((len(offsets) - 1, width, width))
    for s, (start, stop) in enumerate(pairwise(offsets)):
        run = scaled[:, : stop - start].T if by_column else scaled[: stop - start]
        np.multiply(values[start:stop], root[start:stop, None], out=run[:, :k])
        np.multiply(target[start:stop], root[start:stop], out=run[:, k])
        np.matmul(run.T, run, out=products[s])  # a matrix with itself: half the work
    return products[:, : k + 1, : k + 1]


def _or_one(weight: Float64Array) -> Float64Array:
    return np.where(weight > 0.0, weight, 1.0)


def _rows_of(block: _Block, s: int) -> tuple[Float64Array, Float64Array, IntArray]:
    """Data, weights and groups of the rows of a date that enter its regression."""
    run = slice(block.offsets[s], block.offsets[s + 1])
    used = block.weights[run] > 0.0
    return block.data[run][used], block.weights[run][used], block.groups[:, run][:, used]


def _centred_rows(
    block: _Block, s: int, shape: _Shape
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Regressors (P - 1, m), target and weights of a date, about the means of the cells."""
    data, w, groups = _rows_of(block, s)
    z = _center(data, w, groups[0], shape.n_groups[0], shape)
    return z[:, :-1].T.copy(), z[:, -1].copy(), w


def _solve(sums: _Sums, rows: Rows, shape: _Shape) -> tuple[GroupedRegressions, _Solution]:
    """Regressions, still without R squared, and what residuals follow from."""
    n_present = np.array([(each > 0).sum(axis=1) for each in sums.counts])
    n_parameters = 1.0 + shape.n_columns + np.maximum(n_present - 1, 0).sum(axis=0)
    weight, width = sums.cell_weight.sum(axis=1), sums.cells.shape[2]
    moments = CrossMoments(
        sums.n_rows,
        weight,
        np.zeros((width, len(weight))),
        np.ascontiguousarray(sums.within.transpose(1, 2, 0)),
    )
    found = _solve_patterns(moments, rows, sums.counts, n_parameters, shape)
    explained = np.matmul(sums.cells[:, :, :-1], found.slopes[:, :, None])[:, :, 0]
    effects = (sums.cells[:, :, -1] - explained) / _or_one(sums.cell_weight)
    tables = [effects, *(found.slopes[:, columns] for _, columns in shape.others)]
    const, centred = _constrain(tables, sums.counts, sums.caps)
    slopes = found.slopes[:, : shape.n_columns]
    failed = found.thin | found.deficient
    coefficients = np.hstack([const[:, None], *centred, slopes])
    coefficients[failed] = np.nan
    slopes = np.where(failed[:, None], np.nan, slopes)
    known = tuple(
        np.where(count > 0, table, np.nan) for table, count in zip(tables, sums.counts, strict=True)
    )
    k = shape.n_columns
    fits = GroupedRegressions(
        coefficients,
        sums.n_rows,
        n_parameters,
        np.full(len(weight), np.nan),
        found.condition,
        found.thin,
        found.deficient,
        found.collinear,
        (sums.cells.sum(axis=1) / _or_one(weight)[:, None])[:, :k].T,
        sums.squares[:, :k].T,
        weight,
        sums.squares[:, -1],
        np.hstack(sums.counts),
        (n_present == 1).any(axis=0),
        np.ones(len(weight), dtype=bool),
    )
    return fits, _Solution(known, slopes)


def _residuals_of(rows: GroupedRows, solution: _Solution) -> Float64Array:
    """Residuals (n_rows,), NaN where a value, a group or an estimate is missing."""
    residuals: Float64Array = np.empty(len(rows.target))
    groups = rows.groups if len(rows.groups) else np.zeros((1, len(residuals)), dtype=np.intp)
    order = rows.segments.order
    for s, (start, stop) in enumerate(pairwise(rows.segments.offsets)):
        place = slice(start, stop) if order is None else order[start:stop]
        explained = rows.values[place] @ solution.slopes[s]
        for table, codes in zip(solution.effects, groups, strict=True):
            explained += table[s].take(codes[place], mode="wrap")  # -1 is set to NaN below
        residuals[place] = rows.target[place] - explained
    if int(groups.min(initial=0)) < 0:
        residuals[(groups < 0).any(axis=0)] = np.nan
    return residuals


def _weighted_squares(rows: GroupedRows, residuals: Float64Array) -> Float64Array:
    """Weighted sums (S,) of squared residuals."""
    squares = residuals * residuals
    if rows.weights is not None:
        squares *= rows.weights
    starts = rows.segments.offsets[:-1]
    sums: Float64Array = np.add.reduceat(rows.segments.take(squares), starts)
    if not np.isfinite(sums).all():
        sums = np.add.reduceat(rows.segments.take(np.nan_to_num(squares)), starts)
    return sums


def _sum_rows(data: FloatArray, w: Float64Array, cell: IntArray, size: int) -> Float64Array:
    """Weighted sums (size, P) of rows (m, P) of each cell, in one pass and without sorting."""
    # With longer integers scipy looks through all of them.
    parts = w, cell.astype(np.int32), np.arange(len(w) + 1, dtype=np.int32)
    sums: Float64Array = np.asarray(csc_array(parts, shape=(size, len(w))) @ data)
    return sums


def _center(
    data: Float64Array, w: Float64Array, cell: IntArray, n_cells: int, shape: _Shape
) -> Float64Array:
    """Rows (m, P) of one date less the means of their cells; what rounding leaves is zero."""
    total = np.bincount(cell, w, n_cells)
    total[total == 0.0] = 1.0
    z = data.copy()
    for _ in range(2):  # the second pass takes off what rounding left of the means
        z -= (_sum_rows(z, w, cell, n_cells) / total[:, None])[cell]
    used = w > 0.0
    largest = np.abs(data[used]).max(axis=0, initial=0.0)
    left = np.abs(z[used]).max(axis=0, initial=0.0)
    z[:, left <= ROUNDING_UNITS * shape.resolution * largest] = 0.0
    return z


@dataclass(frozen=True)
class _Slopes:
    slopes: Float64Array  # (S, P - 1), zero where there is no estimate or no column
    condition: Float64Array
    thin: BoolArray
    deficient: BoolArray
    collinear: Collinear | None


def _solve_patterns(
    moments: CrossMoments,
    rows: Rows,
    counts: tuple[IntArray, ...],
    n_parameters: Float64Array,
    shape: _Shape,
) -> _Slopes:
    """Slopes of the columns, dates with the same groups of other families together."""
    n_dates, width = len(moments.n_rows), len(moments.products) - 1
    kept = _distinct(counts, width, shape)
    patterns, which = np.unique(kept, axis=0, return_inverse=True)
    slopes, condition = np.zeros((n_dates, width)), np.full(n_dates, np.nan)
    thin, deficient = np.zeros(n_dates, dtype=bool), np.zeros(n_dates, dtype=bool)
    collinear = None
    for number, pattern in enumerate(patterns):
        dates = np.flatnonzero(which.reshape(-1) == number)
        columns = np.append(np.flatnonzero(pattern), width)
        part = replace(
            moments,
            n_rows=moments.n_rows[dates],
            weight=moments.weight[dates],
            mean=moments.mean[np.ix_(columns, dates)],
            products=moments.products[np.ix_(columns, columns, dates)],
        )

        def of_date(
            s: int, dates: IntArray = dates, pattern: BoolArray = pattern
        ) -> tuple[Float64Array, Float64Array, Float64Array | None]:
            x, y, w = rows(int(dates[s]))
            return x[pattern], y, w

        found = solve_least_squares(
            part,
            of_date,
            fit_intercept=False,
            min_rows=n_parameters[dates],
            resolution=shape.resolution,
        )
        slopes[np.ix_(dates, columns[:-1])] = np.nan_to_num(found.coefficients)
        condition[dates] = found.condition
        thin[dates], deficient[dates] = found.thin, found.deficient
        if collinear is None and found.collinear is not None:
            collinear = _in_places(found.collinear, columns)
    return _Slopes(slopes, condition, thin, deficient, collinear)


def _distinct(counts: tuple[IntArray, ...], width: int, shape: _Shape) -> BoolArray:
    """Regressors (S, P - 1) with a coefficient: groups that are there, but the largest of each."""
    kept = np.ones((len(counts[0]), width), dtype=bool)
    for family, columns in shape.others:
        kept[:, columns] = counts[family] > 0
        kept[np.arange(len(kept)), columns.start + counts[family].argmax(axis=1)] = False
    return kept


def _in_places(found: Collinear, columns: IntArray) -> Collinear:
    sets = tuple(replace(each, columns=columns[each.columns]) for each in found.sets)
    return Collinear(columns[found.constant], sets, True)


def _constrain(
    effects: list[Float64Array], counts: Sequence[IntArray], caps: Sequence[Float64Array]
) -> tuple[Float64Array, list[Float64Array]]:
    """The constant (S,), and effects (S, n_groups) of each family about their weighted mean."""
    const, centred = np.zeros(len(effects[0])), []
    for table, count, cap in zip(effects, counts, caps, strict=True):
        share = cap / cap.sum(axis=1, keepdims=True)
        mean = np.einsum("sg,sg->s", share, np.where(count > 0, table, 0.0))
        const += mean
        there = (count > 0) & ((count > 0).sum(axis=1, keepdims=True) > 1)
        centred.append(np.where(there, table - mean[:, None], np.nan))
    return const, centred


def _regress_robustly(
    block: _Block,
    shape: _Shape,
    fits: GroupedRegressions,
    which: slice,
    all_residuals: Float64Array,
    place: slice | IntArray,
) -> None:
    """Put Huber's M-estimates [1]_ in place of the least squares of the dates ``which``.

    With z = sqrt(w) r and s = median |z| / 0.6745 of the step before, a row has the weight
    w min(1, 1.345 s / |z|). Only dates that still change are regressed again.

    .. [1] Huber, P. J. (1964), "Robust Estimation of a Location Parameter", Annals of Mathematical
       Statistics 35(1), 73-101. https://doi.org/10.1214/aoms/1177703732
    """
    lengths, root = np.diff(block.offsets), np.sqrt(block.weights)
    residuals = all_residuals[place]
    active = fits.solved[which].copy()
    for _ in range(_MOST_STEPS):
        if not active.any():
            break
        dates, rows = np.flatnonzero(active), np.repeat(active, lengths)
        part = block.of_dates(active)
        z = root[rows] * np.nan_to_num(residuals[rows])
        scale = _robust_scales(z, part)
        spread = np.repeat(scale, lengths[active])
        share = np.minimum(1.0, _HUBER * spread / np.maximum(np.abs(z), TINY))
        # Where most residuals are zero no scale tells which of the others are large.
        part = replace(part, weights=np.where(spread > 0.0, part.weights * share, part.weights))
        step, new = _step(part, shape)
        change = np.abs(np.nan_to_num(root[rows] * (new - residuals[rows])))
        settled = np.maximum.reduceat(change, part.offsets[:-1]) <= HUBER_CHANGE * scale
        residuals[rows] = new
        for name in ("coefficients", "condition", "deficient"):
            getattr(fits, name)[which.start + dates] = getattr(step, name)
        active[dates[settled | (scale == 0.0)]] = False
    fits.converged[which] = ~active
    all_residuals[place] = np.where(block.known, residuals, np.nan)


def _step(block: _Block, shape: _Shape) -> tuple[GroupedRegressions, Float64Array]:
    """Least squares of a block, and residuals (m,)."""
    fits, solution = _solve(_read(block, shape), lambda s: _centred_rows(block, s, shape), shape)
    k, order = shape.n_columns, None
    rows = GroupedRows(
        block.data[:, :k],
        block.data[:, -1],
        block.groups,
        shape.n_groups,
        None,
        None,
        Segments(block.offsets, order),
    )
    return fits, _residuals_of(rows, solution)


def _robust_scales(z: Float64Array, block: _Block) -> Float64Array:
    """Scales (S,) of weighted residuals z (m,) of rows with a weight, about zero."""
    kept = block.weights > 0.0
    return np.array(
        [
            np.median(np.abs(z[start:stop][kept[start:stop]])) / _NORMAL_MAD
            for start, stop in pairwise(block.offsets)
        ]
    )


def group_portfolios(rows: GroupedRows) -> Float64Array:
    """Weights (n_rows, 1 + G + K) whose products with the target are the coefficients.

    Zero for rows that have no part in a regression; NaN where there is no coefficient.
    """
    shape = _shape_of(rows)
    out = np.zeros((len(rows.values), 1 + sum(shape.n_groups) + shape.n_columns))
    with np.errstate(invalid="ignore", divide="ignore"):
        for s in range(len(rows.segments)):
            block, place = _take(rows, slice(s, s + 1), shape)
            out[place] = _portfolios(block, shape)
    return out if rows.n_groups else np.delete(out, 1, axis=1)


def _portfolios(block: _Block, shape: _Shape) -> Float64Array:
    """Weights (m, 1 + G + K) of one date, linear in the target as the coefficients are."""
    used = np.flatnonzero(block.weights > 0.0)
    out = np.zeros((len(block.weights), 1 + sum(shape.n_groups) + shape.n_columns))
    data, w, groups = _rows_of(block, 0)
    sums = _read(block, shape)
    n_present = [int((each > 0).sum()) for each in sums.counts]
    if len(w) < 1 + shape.n_columns + sum(max(n - 1, 0) for n in n_present):
        out[:] = np.nan
        return out
    kept = _distinct(sums.counts, data.shape[1] - 1, shape)[0]
    x, _, _ = _centred_rows(block, 0, shape)
    slopes = np.zeros((len(kept), len(w)))
    slopes[kept] = slope_weights(x[kept], w, False, shape.resolution)
    member = np.zeros((shape.n_groups[0], len(w)))
    member[groups[0], np.arange(len(w))] = w
    member /= _or_one(sums.cell_weight[0])[:, None]
    effects = member - (member @ data[:, :-1]) @ slopes
    tables = [effects.T, *(slopes[columns].T for _, columns in shape.others)]
    const, centred = _constrain(tables, sums.counts, sums.caps)
    out[used] = np.hstack([const[:, None], *centred, slopes[: shape.n_columns].T])
    out[:, np.isnan(out).any(axis=0)] = np.nan
    return out

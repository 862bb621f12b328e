"""Cross-moments of each date, from which every set of its columns is fitted and scored."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pandas as pd

from skfactor._dates import append_dates
from skfactor._kernels.cross_moments import CrossMoments, complete_rows, segment_cross_moments
from skfactor._kernels.factor_sets import Triangle, needs_rows, triangle_of_rows
from skfactor._kernels.pooled import join_segments, take_segments
from skfactor._kernels.segments import Segments
from skfactor._limits import single_blas_thread
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray

# So many values of moments of choices of rows are kept for sets that are asked for later.
_KEPT = 5 * 10**7


@dataclass(frozen=True)
class RowMoments:
    """Moments of the rows that are complete in some columns, date by date."""

    columns: IntArray  # (k,) places of these columns
    fit: CrossMoments  # weighted as in the regressions
    score: CrossMoments  # every row alike
    triangles: dict[int, Triangle]  # of the dates on which moments may not do
    # Roots R of the products of ``score`` about the mean, R'R, if there are such dates.
    roots: Float64Array | None  # (T, 1 + k, 1 + k)
    rows: PanelRows | None = None  # where they are in memory

    def pooled_triangle(
        self, dates: IntArray, fit_intercept: bool, date_effects: bool
    ) -> Triangle | None:
        """All rows of some dates as one triangle, as a pooled regression takes them.

        None where the rows are not in memory.
        """
        if self.rows is None:
            return None
        parts = [self.rows.complete(self.columns, int(t)) for t in dates]
        if date_effects:
            parts = [(x - _mean(x, w), y - _mean(y, w), w) for x, y, w in parts]
        x, y = np.hstack([x for x, _, _ in parts]), np.hstack([y for _, y, _ in parts])
        weights = [w for _, _, w in parts if w is not None]
        w = np.concatenate(weights) if weights else None
        return triangle_of_rows(x, y, w, fit_intercept)

    @cached_property
    def score_roots(self) -> Float64Array | None:
        """The roots of all dates, if they can be had."""
        if self.roots is not None or self.rows is None:
            return self.roots
        return self.rows.roots(self.columns)

    @property
    def size(self) -> int:
        """Number of values held."""
        return int(self.fit.products.size + self.score.products.size)


@dataclass(frozen=True)
class PanelRows:
    """Rows of a panel in runs of dates."""

    columns: FloatArray  # (K, n)
    returns: FloatArray  # (n,)
    weights: Float64Array | None  # (n,)
    offsets: IntArray  # (T + 1,)

    @classmethod
    def of(
        cls,
        values: FloatArray,
        returns: Float64Array,
        weights: Float64Array | None,
        segments: Segments,
    ) -> PanelRows:
        """Bring values (n, K), returns (n,) and weights (n,) into the order of the dates."""
        w = weights if weights is None or segments.order is None else weights[segments.order]
        return cls(segments.take(values.T), segments.take(returns), w, segments.offsets)

    @property
    def resolution(self) -> float:
        """Machine epsilon of the values."""
        return float(np.finfo(self.columns.dtype).eps)

    @single_blas_thread
    def moments(self, columns: IntArray, fit_intercept: bool) -> RowMoments:
        """Moments of the rows that are complete in these columns."""
        x = self.columns if len(columns) == len(self.columns) else self.columns[columns]
        score = segment_cross_moments(x, self.returns, self.offsets)
        fit = score
        if self.weights is not None:
            fit = segment_cross_moments(x, self.returns, self.offsets, self.weights)
        triangles = {}
        for t in np.flatnonzero(needs_rows(fit, fit_intercept)):
            triangles[int(t)] = triangle_of_rows(*self.complete(columns, int(t)), fit_intercept)
        roots = self.roots(columns) if triangles else None
        return RowMoments(columns, fit, score, triangles, roots, self)

    def complete(
        self, columns: IntArray, date: int
    ) -> tuple[Float64Array, Float64Array, Float64Array | None]:
        """The rows of a date that are complete in these columns and have a weight."""
        run = slice(self.offsets[date], self.offsets[date + 1])
        w = None if self.weights is None else self.weights[run]
        return complete_rows(self.columns[columns][:, run], self.returns[run], w)

    def roots(self, columns: IntArray) -> Float64Array:
        """Triangles (T, 1 + k, 1 + k) of all rows that are complete, about their means."""
        x = self.columns[columns]
        size = len(x) + 1
        roots = np.zeros((len(self.offsets) - 1, size, size))
        for root, start, stop in zip(roots, self.offsets[:-1], self.offsets[1:], strict=True):
            rows = complete_rows(x[:, start:stop], self.returns[start:stop], None)
            triangle = triangle_of_rows(*rows, fit_intercept=True)
            height = len(triangle.target)
            root[:height, :-1], root[:height, -1] = triangle.columns, triangle.target
        return roots


class MomentSource(Protocol):
    """Where the moments of sets come from."""

    @property
    def n_columns(self) -> int:
        """Number of columns that sets choose from."""

    @property
    def resolution(self) -> float:
        """Machine epsilon of the values."""

    def groups(self, members: BoolArray) -> Iterator[tuple[IntArray, RowMoments]]:
        """Sets (n_sets, K) that have their rows in common, and the moments of these rows."""


class RowSource:
    """Moments of rows in memory: of those complete for each set, or in all columns.

    Columns that miss the same rows form a pattern. Each union of patterns that sets have needs
    one reading of the rows.
    """

    def __init__(self, rows: PanelRows, fit_intercept: bool, common_rows: bool) -> None:
        self._rows, self._fit_intercept, self._common = rows, fit_intercept, common_rows
        self._patterns = _patterns(rows)
        self._kept: dict[bytes, RowMoments] = {}

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self._patterns)

    @property
    def resolution(self) -> float:
        """Machine epsilon of the values."""
        return self._rows.resolution

    @property
    def has_holes(self) -> bool:
        """Whether some columns miss values where others do not."""
        return bool((self._patterns != self._patterns[0]).any())

    def groups(self, members: BoolArray) -> Iterator[tuple[IntArray, RowMoments]]:
        """Sets (n_sets, K) that have their rows in common, and the moments of these rows."""
        every: IntArray = np.arange(self.n_columns)
        n_patterns = int(self._patterns.max(initial=-1)) + 1
        if self._common or not n_patterns:
            yield np.arange(len(members)), self._moments(every)
            return
        # Which patterns each set has: columns without holes have none.
        in_pattern = self._patterns[:, None] == np.arange(n_patterns)
        touched = (members.astype(np.intp) @ in_pattern) > 0
        unions, union_of_set = np.unique(touched, axis=0, return_inverse=True)
        for i, union in enumerate(unions):
            which = np.flatnonzero(union_of_set.reshape(-1) == i)
            used = members[which].any(axis=0) if union.any() else self._patterns < 0
            yield which, self._moments(np.flatnonzero(used))

    def _moments(self, columns: IntArray) -> RowMoments:
        key = columns.tobytes()
        found = self._kept.pop(key, None)
        if found is None:
            found = self._rows.moments(columns, self._fit_intercept)
        self._kept[key] = found  # the last used comes last
        while len(self._kept) > 1 and sum(m.size for m in self._kept.values()) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return found


def _patterns(rows: PanelRows) -> IntArray:
    """Number of the pattern of missing values of each column (K,), -1 where nothing is missing.

    Rows without a return are in no regression, whatever they miss.
    """
    known = ~np.isnan(rows.returns)
    numbers: dict[bytes, int] = {}
    patterns = np.full(len(rows.columns), -1, dtype=np.intp)
    for k, column in enumerate(rows.columns):
        missing = np.isnan(column) & known
        if missing.any():
            patterns[k] = numbers.setdefault(np.packbits(missing).tobytes(), len(numbers))
    return patterns


@dataclass(frozen=True, repr=False)
class DateMoments(Result):
    """All that a search of factor sets needs of the rows of some dates; ``a + b`` has both.

    Made by `FactorSetSearchCV.read_moments`. It holds no rows: (K + 2)^2 numbers per date.

    Attributes
    ----------
    dates : Index of shape (n_dates,)
        The dates, ascending.
    names : tuple of shape (n_features,)
        Names of the columns that sets choose from.
    n_rows : ndarray of shape (n_dates,)
        Rows that are complete in all columns, on each date.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import FactorSetSearchCV
    >>> X, y = make_panel(n_dates=24, n_assets=20, random_state=0, return_X_y=True)
    >>> search = FactorSetSearchCV(FamaMacBeth(), common_rows=True)
    >>> early = X.index.get_level_values("date") < "2011"
    >>> parts = [search.read_moments(X[part], y[part]) for part in (early, ~early)]
    >>> moments = parts[0] + parts[1]
    >>> len(moments.dates)
    24
    """

    dates: pd.Index
    names: tuple[Any, ...]
    moments: RowMoments
    resolution: float
    fit_intercept: bool
    has_holes: bool  # some columns miss values where others do not

    def __str__(self) -> str:
        return f"Moments of {int(self.n_rows.sum())} rows, {len(self.dates)} dates, by {self.names}"

    @property
    def n_rows(self) -> IntArray:
        """Rows that are complete in all columns, on each date (n_dates,)."""
        return self.moments.score.n_rows

    @property
    def n_columns(self) -> int:
        """Number of columns that sets choose from."""
        return len(self.names)

    def groups(self, members: BoolArray) -> Iterator[tuple[IntArray, RowMoments]]:
        """All sets, and the moments of the rows that are complete in all columns."""
        yield np.arange(len(members)), self.moments

    def __add__(self, other: DateMoments) -> DateMoments:
        """Moments of the dates of both."""
        if self.names != other.names or self.fit_intercept != other.fit_intercept:
            raise ValueError(
                f"Moments of the columns {list(self.names)} and of {list(other.names)} do not add "
                "up: read both with the same search, from the same columns."
            )
        dates = append_dates(self.dates, other.dates)
        order = dates.argsort()
        shifted = {len(self.dates) + t: r for t, r in other.moments.triangles.items()}
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        triangles = {
            int(place[t]): triangle for t, triangle in (self.moments.triangles | shifted).items()
        }
        fit = take_segments(join_segments([self.moments.fit, other.moments.fit]), order)
        score = fit
        if not (
            self.moments.score is self.moments.fit and other.moments.score is other.moments.fit
        ):
            both = [self.moments.score, other.moments.score]
            score = take_segments(join_segments(both), order)
        roots = None
        if self.moments.roots is not None or other.moments.roots is not None:
            parts = [_roots_of(part.moments) for part in (self, other)]
            roots = np.concatenate(parts)[order]
        return replace(
            self,
            dates=dates[order],
            moments=RowMoments(self.moments.columns, fit, score, triangles, roots),
            resolution=max(self.resolution, other.resolution),
            has_holes=self.has_holes or other.has_holes,
        )

    def __radd__(self, other: object) -> DateMoments:
        """Let ``sum`` begin with zero."""
        if other == 0:
            return self
        return NotImplemented

    @classmethod
    def of(
        cls, rows: PanelRows, dates: pd.Index, names: Sequence[Hashable], fit_intercept: bool
    ) -> DateMoments:
        """Moments of the rows of ascending dates."""
        patterns = _patterns(rows)
        moments = replace(rows.moments(np.arange(len(names)), fit_intercept), rows=None)
        holes = bool((patterns != patterns[0]).any())
        return cls(dates, tuple(names), moments, rows.resolution, fit_intercept, holes)


def _mean(values: Float64Array, weights: Float64Array | None) -> Float64Array:
    """Mean over the last axis, which is kept; 0 of nothing."""
    if not values.shape[-1]:
        return np.zeros((*values.shape[:-1], 1))
    means = np.average(values, axis=-1, weights=weights)
    return np.asarray(means)[..., None]


def _roots_of(moments: RowMoments) -> Float64Array:
    """Roots of the products of each date, from these where they lose no digits."""
    if moments.roots is not None:
        return moments.roots
    products = moments.score.products.transpose(2, 0, 1)
    return np.asarray(np.linalg.cholesky(products)).transpose(0, 2, 1)


def subset_moments(moments: CrossMoments, columns: IntArray, dates: slice) -> CrossMoments:
    """Moments of some regressors and the target, on some dates."""
    chosen = np.append(columns, len(moments.mean) - 1)
    return CrossMoments(
        moments.n_rows[dates],
        moments.weight[dates],
        moments.mean[chosen, dates],
        moments.products[chosen[:, None], chosen, dates],
    )

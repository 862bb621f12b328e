"""The transformers' fit and transform, written once: validate, segment, kernel, wrap."""

from __future__ import annotations

import reprlib
from abc import ABCMeta, abstractmethod
from collections.abc import Hashable, Sequence
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting
from skfactor._groups import group_labels
from skfactor._kernels.cells import Cells, cells_of_dates
from skfactor._kernels.moments import segment_counts, vary_between_segments_only
from skfactor._kernels.segments import CHUNK, Segments, chunks, one_segment, segments_from_codes
from skfactor._kernels.threads import run_on_threads
from skfactor._limits import single_blas_thread
from skfactor._panel import Labels, Panel
from skfactor._per_date import PerDateTransformer
from skfactor._sklearn import (
    Interval,
)
from skfactor._typing import BoolArray, ColumnChoice, Float64Array, FloatArray, IntArray, RowLabels
from skfactor._validation import (
    check_row_weights,
    check_universe,
    like_input,
    names_or_places,
    validate_features,
    which_columns,
)
from skfactor._warn import warn_user
from skfactor.exceptions import NoVariationWarning

# Parameters that all of these transformers have.
PANEL_CONSTRAINTS: dict[str, list[Any]] = {
    "passthrough": ["array-like", callable, None],
    "min_group_size": [Interval(Integral, 1, None, closed="left"), None],
    "date_level": [str, int, None],
}


class PanelTransformer(PerDateTransformer, metaclass=ABCMeta):
    """A transformer whose statistics are those of the row's own date.

    With dates each date, and each group on it, has statistics of its own, in `transform` too.
    Without dates the statistics are learned in `fit` and applied in `transform`. A group that has
    fewer than ``min_group_size`` values of a column takes the statistics of its date (without
    dates: of the sample) for that column. A subclass says what the statistics are and how they
    are applied.
    """

    __metadata_request__fit: ClassVar = {
        "dates": True,
        "groupby": True,
        "weights": True,
        "universe": True,
    }
    __metadata_request__transform: ClassVar = {
        "dates": True,
        "groupby": True,
        "weights": True,
        "universe": True,
    }

    # Names under which statistics that `fit` learned without dates are stored, and what they are of
    # a column that stays as it is.
    _statistic_names: ClassVar[dict[str, float | None]]
    # Why weights raise, in a transformer whose statistics have no use for them.
    _weightless: ClassVar[str | None] = None
    passthrough: ColumnChoice | None
    min_group_size: int | None

    @abstractmethod
    def _statistics(
        self, columns: FloatArray, segments: Segments, weights: Float64Array | None
    ) -> tuple[Float64Array, ...]:
        """Tables (n_segments, n_features) from values (n_features, n_rows)."""

    @abstractmethod
    def _apply(
        self,
        columns: FloatArray,
        segments: Segments,
        statistics: tuple[Float64Array, ...],
        out: FloatArray,
    ) -> None:
        """Write the transformed values (n_features, n_rows) to ``out``; it may be ``columns``."""

    def _learn_columns(self, names: Sequence[Hashable]) -> None:
        """Check the parameters, and find columns by the names of those that are transformed."""

    def _stays(self, X: ArrayLike, names: Sequence[Hashable], values: FloatArray) -> BoolArray:
        """Columns (n_features,) that stay as they are; ``names`` may be positions."""
        chosen: Any = self.passthrough  # or what a function finds
        if callable(chosen):
            chosen = chosen(X)
        chosen = np.array(names, dtype=object)[chosen] if _is_mask(chosen) else chosen
        if chosen is not None and np.ndim(chosen) != 1:
            raise ValueError(f"passthrough={chosen!r} has to be a list of columns, or None.")
        self.passthrough_features_ = [] if chosen is None else list(chosen)
        stays = which_columns(self.passthrough_features_, names, "passthrough")
        if stays.all():
            raise ValueError(
                f"passthrough names all columns, {self.passthrough_features_}, so that none is "
                f"left for {type(self).__name__}."
            )
        return stays

    def _without_variation(self) -> str:
        """What becomes of a column that is constant on a date; empty if it stays as it is."""
        return ""

    def needs_all_dates(self) -> str:
        """What `fit` learns from all dates together and how to avoid that; empty if nothing.

        A transformer that needs nothing may be fitted to a few dates at a time.
        """
        return ""

    def _check_columns(self, values: FloatArray) -> None:
        """Check the data of `transform` against what was learned."""

    def _checked(self, statistics: tuple[Float64Array, ...]) -> tuple[Float64Array, ...]:
        """Raise or warn of all statistics that were used in a call together."""
        return statistics

    @fitting()
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        dates: RowLabels | None = None,
        groupby: RowLabels | None = None,
        weights: ArrayLike | None = None,
        universe: ArrayLike | None = None,
    ) -> Self:
        """Learn the statistics where there are no dates; with dates, learn that there are.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Values; NaN is left out of the statistics and kept in place. A DataFrame indexed by
            (date, asset), in either order, supplies the dates.
        y : array-like, optional
            Not used, except to notice that X lost the index that y still has.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X. A scalar: one cross-section.
        groupby : array-like of shape (n_rows,) or mapping, optional
            Group of each row, such as its industry: text, categories or integers. Or the group of
            each asset: a dict, or a Series whose index holds the assets of X and is not X's own.
            Statistics are then those of the row's group (on its date). Rows without a label form
            a group of their own. See ``min_group_size`` for small groups.
        weights : array-like of shape (n_rows,), optional
            Weight of each row, such as its market capitalization.
        universe : array-like of shape (n_rows,), optional
            Rows whose values make the statistics, which are applied to all rows: True, or a number
            above 0, such as a weight in an index.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X holds infinity or text, dates are missing, ambiguous or occur twice for an
            asset, each of several dates has a single row, or X lost an index that y still has.

        Warns
        -----
        NoVariationWarning
            If columns vary over dates but within none, and scores of them mean nothing.
        """
        values = validate_features(self, X, reset=True)
        names = names_or_places(self, X)
        stays = self._stays(X, names, values)
        self._changed = np.flatnonzero(~stays)
        names = [names[k] for k in self._changed]
        self._learn_columns(names)
        panel = self._panel_of_fit(X, y, dates, len(values))
        weights = self._check_weights(weights, X, len(values))
        members = check_universe(universe, X, len(values))
        groups = self._groups(groupby, X, len(values), panel)
        if panel is None:
            self.groups_: Any = None if groups is None else groups.labels
            self._learn(self._to_change(values).T, groups, weights, members)
        elif self._without_variation():
            self._warn_of_constants(self._to_change(values).T, panel.segments, names)
        return self

    def transform(
        self,
        X: ArrayLike,
        dates: RowLabels | None = None,
        groupby: RowLabels | None = None,
        weights: ArrayLike | None = None,
        universe: ArrayLike | None = None,
    ) -> Any:
        """Transform each row with the statistics of its own date, or with those that fit learned.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Values of the same features as in `fit`, of any dates.
        dates, groupby, weights, universe
            As in `fit`. If `fit` had dates or groups, `transform` needs them too. What `fit`
            learned without dates holds whatever the universe is here.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_features)
            In the container, order and index of X. X itself is not changed.

        Raises
        ------
        ValueError
            If `fit` had dates or groups and they are missing here, or the other way round, or if
            each of several dates has a single row.

        Warns
        -----
        UserWarning
            If the universe has no value of a column on a date, where the result is NaN.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        self._check_columns(values)
        panel = self._panel(X, dates, len(values), time_series=self.per_date_)
        weights = self._check_weights(weights, X, len(values))
        members = check_universe(universe, X, len(values))
        groups = self._groups(groupby, X, len(values), panel)
        change = self._to_change(values)
        out = np.empty_like(change)
        if self.per_date_:
            dates = self._dated(panel).segments
            self._warn_of_single_assets(dates)
            self._transform_within_dates(change.T, dates, groups, weights, members, out.T)
        else:
            self._raise_if_dated(panel)
            self._transform_as_learned(change.T, self._place_in_fit(groups), out.T)
        return like_input(self, X, self._beside_what_stays(values, out))

    def fit_transform(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        dates: RowLabels | None = None,
        groupby: RowLabels | None = None,
        weights: ArrayLike | None = None,
        universe: ArrayLike | None = None,
    ) -> Any:
        """Fit and transform the same rows; see `fit` and `transform` for the parameters.

        scikit-learn's own would not hand ``dates`` on to `transform`.
        """
        inside = {} if universe is None else {"universe": universe}  # subclasses may know of none
        fitted = self.fit(X, y, dates=dates, groupby=groupby, weights=weights, **inside)
        return fitted.transform(X, dates=dates, groupby=groupby, weights=weights, **inside)

    def _to_change(self, values: FloatArray) -> FloatArray:
        """Values (n_rows, n_changed) of the columns that do not stay as they are."""
        if len(self._changed) == values.shape[1]:
            return values
        return values.T[self._changed].T

    def _beside_what_stays(self, values: FloatArray, changed: FloatArray) -> FloatArray:
        """Changed columns among those that stay."""
        if len(self._changed) == values.shape[1]:
            return changed
        out = values.copy()
        out[:, self._changed] = changed
        return out

    def _warn_of_constants(
        self, columns: FloatArray, dates: Segments, names: Sequence[Hashable]
    ) -> None:
        """Warn of columns that vary over dates and within none, as macroeconomic variables do."""
        varies = vary_between_segments_only(columns, dates)
        if varies.any():
            found = [name for name, each in zip(names, varies, strict=True) if each]
            warn_user(
                f"The columns {found} vary over dates but not within any: on each date "
                f"{self._without_variation()}. Leave them as they are with passthrough={found}.",
                NoVariationWarning,
            )

    def _warn_of_single_assets(self, dates: Segments) -> None:
        n_single = int(np.count_nonzero(dates.lengths == 1))
        if n_single and self._without_variation():
            warn_user(
                f"{n_single} of {len(dates)} dates have a single asset, which "
                f"{type(self).__name__} has nothing to compare with: there "
                f"{self._without_variation()}. Pass all assets of a date together.",
                NoVariationWarning,
            )

    def _groups(
        self, groupby: RowLabels | None, X: ArrayLike, n_rows: int, panel: Panel | None
    ) -> Labels | None:
        if groupby is None:
            if self.min_group_size is not None and self.min_group_size > 1:
                raise ValueError(
                    f"min_group_size={self.min_group_size} is about groups, but there is no "
                    "groupby= here. Pass it, inside a Pipeline through metadata routing "
                    "(sklearn.set_config(enable_metadata_routing=True)), or leave min_group_size "
                    "out."
                )
            return None
        return group_labels(groupby, X, n_rows, None if panel is None else panel.assets)

    def _check_weights(
        self, weights: ArrayLike | None, X: ArrayLike, n_rows: int
    ) -> Float64Array | None:
        if weights is not None and self._weightless is not None:
            raise ValueError(f"{type(self).__name__} takes no weights: {self._weightless}.")
        return check_row_weights(weights, X, n_rows, "weights")

    def _place_in_fit(self, groups: Labels | None) -> IntArray | None:
        """For each row the position of its group among those of `fit`."""
        if (groups is None) != (self.groups_ is None):
            had, has = ("no groups", "groupby=") if self.groups_ is None else ("groups", "none")
            raise ValueError(f"{type(self).__name__} was fitted with {had}, but got {has} here.")
        if groups is None:
            return None
        known: pd.Index = self.groups_
        place = known.get_indexer(groups.labels)
        if (place < 0).any():
            unseen = reprlib.repr(list(groups.labels[place < 0]))
            raise ValueError(
                f"The groups {unseen} were not there in fit: {reprlib.repr(list(known))}."
            )
        codes: IntArray = place[groups.codes]
        return codes

    def _to_invert(self, X: ArrayLike, groupby: RowLabels | None) -> tuple[FloatArray, IntArray]:
        """Values of X, and for each row (or for all) the row of the tables that `fit` learned."""
        check_is_fitted(self)
        if self.per_date_:
            raise ValueError(
                f"{type(self).__name__} was fitted on rows with dates, and the statistics of a "
                "date are not kept: only what was fitted without dates can be inverted."
            )
        values = validate_features(self, X, reset=False)
        place = self._place_in_fit(self._groups(groupby, X, len(values), None))
        return values, np.zeros(1, dtype=np.intp) if place is None else place

    def _learn(
        self,
        columns: FloatArray,
        groups: Labels | None,
        weights: Float64Array | None,
        members: BoolArray | None,
    ) -> None:
        """Store the statistics of all rows, or of each group of them."""
        rows = one_segment(columns.shape[1])
        cells = _cells(rows, slice(0, 1), groups)
        block, weights = cells.take(columns), _take_weights(cells, weights)
        members = _take_members(cells, members)
        if members is not None:
            self._warn_of_lost(self._without_members(block, cells, members))
        tables = self._checked(self._statistics_of(block, cells, weights, members))
        n_features = self.n_features_in_
        for (name, of_others), table in zip(self._statistic_names.items(), tables, strict=True):
            whole = np.full((len(table), n_features, *table.shape[2:]), of_others, table.dtype)
            whole[:, self._changed] = table
            setattr(self, name, whole[0] if groups is None else whole)

    @single_blas_thread
    def _transform_as_learned(
        self, columns: FloatArray, groups: IntArray | None, out: FloatArray
    ) -> None:
        """Transform rows with what `_learn` stored, given the position of their group in it."""
        stored = (getattr(self, name) for name in self._statistic_names)
        tables = tuple(
            (table[None] if groups is None else table)[:, self._changed] for table in stored
        )
        segments = one_segment(columns.shape[1])
        if groups is not None:
            segments, which = segments_from_codes(groups)
            tables = tuple(table[which] for table in tables)
        self._apply(columns, segments, tables, out)

    @single_blas_thread
    def _transform_within_dates(
        self,
        columns: FloatArray,
        dates: Segments,
        groups: Labels | None,
        weights: Float64Array | None,
        members: BoolArray | None,
        out: FloatArray,
    ) -> None:
        """Transform some whole dates at a time: their rows are brought together only once."""
        if not (columns.flags.c_contiguous or columns.T.flags.c_contiguous):
            columns = np.ascontiguousarray(columns)
        # Groups take copies of their rows, which must not add up to a second panel.
        pieces = list(chunks(dates.offsets, len(columns), None if groups is None else CHUNK // 2))
        tables: list[tuple[Float64Array, ...]] = [()] * len(pieces)
        lost = np.zeros(len(pieces), dtype=np.int64)

        def work(i: int, which: slice) -> None:
            cells = _cells(dates, which, groups)
            block = cells.take(columns)
            target = out[:, cells.rows] if cells.in_place else block
            own, inside = _take_weights(cells, weights), _take_members(cells, members)
            if inside is not None:
                lost[i] = self._without_members(block, cells, inside)
            tables[i] = self._transform_cells(block, cells, own, target, inside)
            if target is block:
                cells.put(block, out)

        run_on_threads([partial(work, i, which) for i, which in enumerate(pieces)], columns.size)
        self._warn_of_lost(int(lost.sum()))
        self._checked(tuple(np.concatenate(parts) for parts in zip(*tables, strict=True)))

    def _transform_cells(
        self,
        block: FloatArray,
        cells: Cells,
        weights: Float64Array | None,
        out: FloatArray,
        members: BoolArray | None,
    ) -> tuple[Float64Array, ...]:
        """Transform the rows of some dates, with statistics of theirs that are returned.

        Block, weights and members of the universe lie in the order of the cells.
        """
        tables = self._statistics_of(block, cells, weights, members)
        self._apply(block, cells.cells, tables, out)
        return tables

    def _statistics_of(
        self,
        block: FloatArray,
        cells: Cells,
        weights: Float64Array | None,
        members: BoolArray | None,
    ) -> tuple[Float64Array, ...]:
        """Statistics of each cell, those of its date where it is too small."""
        if members is not None:
            block = _of_members(block, members)
        tables = self._statistics(block, cells.cells, weights)
        small = self._is_small(block, cells)
        if small is not None:
            for table, whole in zip(
                tables, self._statistics(block, cells.dates, weights), strict=True
            ):
                np.copyto(table.T, whole[cells.date_of_cell].T, where=small.T)
        return tables

    def _is_small(self, block: FloatArray, cells: Cells) -> BoolArray | None:
        """Which cells have too few values in which column (n_cells, n_columns); None if none."""
        if self.min_group_size is None or len(cells.cells) == len(cells.dates):
            return None
        small: BoolArray = segment_counts(block, cells.cells) < self.min_group_size
        return small if small.any() else None

    def _without_members(self, block: FloatArray, cells: Cells, members: BoolArray) -> int:
        """Number of cells and columns with values, none of them of a member of the universe."""
        segments = cells.cells if self.min_group_size is None else cells.dates
        inside = segment_counts(_of_members(block, members), segments)
        return int(np.count_nonzero((inside == 0) & (segment_counts(block, segments) > 0)))

    def _warn_of_lost(self, n_lost: int) -> None:
        if n_lost:
            warn_user(
                f"In {n_lost} case(s) (a column on a date, or in a group on it) the universe has "
                "no value, and the result is NaN there. Leave out such dates, or widen universe=."
            )


def _of_members(block: FloatArray, members: BoolArray) -> FloatArray:
    """Values (n_columns, n_rows), NaN where a row is not of the universe."""
    return np.where(members, block, block.dtype.type(np.nan))


def _take_members(cells: Cells, members: BoolArray | None) -> BoolArray | None:
    if members is None:
        return None
    # Cast, because `take` is typed for numbers and takes any array.
    taken: BoolArray = cells.take(cast("Any", members[None]))[0].astype(bool, copy=False)
    return taken


def _is_mask(columns: Any) -> bool:
    return np.ndim(columns) == 1 and np.size(columns) > 0 and np.asarray(columns).dtype == bool


def _take_weights(cells: Cells, weights: Float64Array | None) -> Float64Array | None:
    return None if weights is None else cells.take(weights[None])[0].astype(np.float64, copy=False)


def _cells(dates: Segments, which: slice, groups: Labels | None) -> Cells:
    if groups is None:
        return cells_of_dates(dates, which)
    return cells_of_dates(dates, which, groups.codes, len(groups))

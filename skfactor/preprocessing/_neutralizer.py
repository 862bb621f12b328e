"""FactorNeutralizer: what a column says beyond other columns and groups, date by date."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from numbers import Integral
from reprlib import Repr
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from skfactor._base import PANEL_CONSTRAINTS, PanelTransformer
from skfactor._kernels.cells import Cells
from skfactor._kernels.neutralize import Neutralized, neutralize
from skfactor._kernels.segments import Segments, one_segment
from skfactor._panel import Labels, Panel
from skfactor._sklearn import Interval
from skfactor._typing import BoolArray, ColumnChoice, Float64Array, FloatArray, RowLabels
from skfactor._validation import which_columns
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning

# So many columns of ``against`` are named.
_NAMES = Repr()
_NAMES.maxlist = 12


class FactorNeutralizer(PanelTransformer):
    """Residuals of every column on other columns and on groups, within the row's own date.

    On each date every column is regressed on the columns named in ``against`` and on a dummy for
    each group of ``groupby=``, such as the asset's industry; the residuals take its place. With
    neither, columns are demeaned. With ``weights=`` these are weighted least squares. The columns
    in ``against`` stay as they are. Dates are in the index of X or in ``dates=``; without dates
    coefficients are learned in `fit` and applied in `transform`.

    Parameters
    ----------
    against : list of column names or None, default=None
        Columns to neutralize against (positions in an array).
    fit_intercept : bool, default=True
        Whether the regressions have a constant, so that residuals average to zero on each date.
        The dummies of ``groupby=`` are constants too, so with them it cannot be False.
    min_assets : int or None, default=None
        Fewest assets of a column on a date; on thinner dates it is NaN. None is the number of
        coefficients, one for each column of ``against`` and each group of that date.
    passthrough : list of column names, callable or None, default=None
        Columns that stay as they are (positions in an array), such as macroeconomic variables,
        which are the same for all assets of a date. A callable finds them in the X of `fit`, as
        ``sklearn.compose.make_column_selector`` does.
    min_group_size : int or None, default=None
        In groups with fewer values of a column its residuals are those of the date's regression
        without groups: in a tiny group they would all be near 0. None: in no group.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    against_features_ : list
        Names (positions in an array) of the columns neutralized against.
    intercept_ : ndarray of shape (n_features,) or (n_groups, n_features)
        Constants learned in `fit`, 0 for columns that stay; only there if it had no dates.
    coef_ : ndarray of shape (n_features, n_against) or (n_groups, n_features, n_against)
        Slopes, likewise; all groups have the same.
    passthrough_features_ : list
        Names (positions in an array) of the columns of ``passthrough``.
    per_date_ : bool
        Whether residuals are taken date by date.
    groups_ : Index or None
        The groups of the rows of ``intercept_``; only there if `fit` had no dates.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Warns
    -----
    RankDeficientWarning
        If some dates have fewer assets than coefficients, columns in ``against`` that are
        collinear (one that is constant within every group, too), or a group all of whose weights
        are zero: the column is NaN there.

    Notes
    -----
    A residual is NaN where the value, or any value of ``against``, is missing; each column's
    regression uses all rows that are complete for it. A row of weight zero does not enter, but has
    a residual. A row without a group label is in a group of such rows. An asset that is alone in
    its group has residual 0, and so has a column of which only rounding is left.

    See Also
    --------
    FactorZScorer : With ``groupby=`` scales within each group, too.

    References
    ----------
    .. [1] Grinold, R. C. and R. N. Kahn (2000), "Active Portfolio Management", 2nd ed.,
       McGraw-Hill, ISBN 978-0070248823.

    Examples
    --------
    Momentum beyond size and industry:

    >>> import pandas as pd
    >>> from skfactor import FactorNeutralizer
    >>> index = pd.MultiIndex.from_product([["2024-01"], list("abcde")], names=["date", "asset"])
    >>> X = pd.DataFrame({"size": [1.0, 2.0, 3.0, 1.0, 3.0],
    ...                   "momentum": [0.5, 0.6, 0.1, 0.9, 0.3]}, index=index)
    >>> industry = ["oil", "oil", "oil", "banks", "banks"]
    >>> FactorNeutralizer(against=["size"]).fit_transform(X, groupby=industry)
                   size  momentum
    date    asset
    2024-01 a       1.0     -0.15
            b       2.0      0.20
            c       3.0     -0.05
            d       1.0      0.05
            e       3.0     -0.05
    """

    _statistic_names: ClassVar = {"intercept_": 0.0, "coef_": 0.0}
    _parameter_constraints: ClassVar = {
        "against": [list, None],
        "fit_intercept": ["boolean"],
        "min_assets": [Interval(Integral, 1, None, closed="left"), None],
        **PANEL_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        against: Sequence[Hashable] | None = None,
        fit_intercept: bool = True,
        min_assets: int | None = None,
        passthrough: ColumnChoice | None = None,
        min_group_size: int | None = None,
        date_level: str | int | None = "auto",
    ) -> None:
        self.against = against
        self.fit_intercept = fit_intercept
        self.min_assets = min_assets
        self.passthrough = passthrough
        self.min_group_size = min_group_size
        self.date_level = date_level

    def _learn_columns(self, names: Sequence[Hashable]) -> None:
        chosen = list(self.against or [])
        both = [name for name in chosen if name in self.passthrough_features_]
        if both:
            raise ValueError(
                f"against and passthrough both name {both}. The columns of against stay as they "
                "are anyway: leave them out of passthrough."
            )
        which_columns(chosen, names, "against")
        if len(chosen) == len(names):
            raise ValueError(
                f"against names all columns, {chosen}, so that none is left to neutralize."
            )
        self.against_features_ = chosen
        self._against = np.array([names.index(name) for name in chosen], dtype=np.intp)
        self._targets = np.setdiff1d(np.arange(len(names)), self._against)
        self._target_names = [names[k] for k in self._targets.tolist()]

    def _without_variation(self) -> str:
        return "their residuals are 0" if self.fit_intercept else ""

    def _warn_of_constants(
        self, columns: FloatArray, dates: Segments, names: Sequence[Hashable]
    ) -> None:
        super()._warn_of_constants(columns[self._targets], dates, self._target_names)

    def _warn_of_single_assets(self, dates: Segments) -> None:
        if not len(self._against):  # with some, dates without residuals are counted anyway
            super()._warn_of_single_assets(dates)

    def _groups(
        self, groupby: RowLabels | None, X: ArrayLike, n_rows: int, panel: Panel | None
    ) -> Labels | None:
        groups = super()._groups(groupby, X, n_rows, panel)
        if not self.fit_intercept and groups is not None:
            raise ValueError(
                "The dummies of groupby= add up to a constant, so there is no regression without "
                "one. Leave fit_intercept=True."
            )
        if not self.fit_intercept and not len(self._against):
            raise ValueError(
                "With fit_intercept=False and no against= there is nothing to neutralize against."
            )
        return groups

    def _statistics(
        self, columns: FloatArray, segments: Segments, weights: Float64Array | None
    ) -> tuple[Float64Array, Float64Array]:
        """Constants and slopes of a sample without dates, of which the segments are groups."""
        n_rows, shape = columns.shape[1], (len(segments), len(columns))
        one_date = np.zeros(len(segments), dtype=np.intp)
        cells = Cells(slice(0, n_rows), None, segments, one_segment(n_rows), one_date)
        found = self._neutralize(columns, cells, weights, None)
        self._report(_flags(found), "the sample")
        intercepts, slopes = np.zeros(shape), np.zeros((*shape, len(self._against)))
        intercepts[:, self._targets], slopes[:, self._targets] = found.intercepts, found.slopes
        return intercepts, slopes

    def _apply(
        self,
        columns: FloatArray,
        segments: Segments,
        statistics: tuple[Float64Array, ...],
        out: FloatArray,
    ) -> None:
        """Take off what `fit` learned without dates."""
        intercepts, slopes = statistics
        cell = np.repeat(np.arange(len(segments)), segments.lengths)
        if segments.order is not None:
            cell[segments.order] = cell.copy()
        against = columns[self._against].astype(np.float64)
        for k in self._targets:
            explained = np.einsum("nm,mn->n", slopes[cell, k], against)
            out[k] = columns[k] - intercepts[cell, k] - explained
        for k in self._against:
            out[k] = columns[k]

    def _transform_cells(
        self,
        block: FloatArray,
        cells: Cells,
        weights: Float64Array | None,
        out: FloatArray,
        members: BoolArray | None,
    ) -> tuple[Any]:
        weights = _weights_of(members, weights)
        inside = block if members is None else np.where(members, block, np.nan)
        small, kept = self._is_small(inside, cells), block[self._against]
        if small is None:
            flags = _flags(self._neutralize(block, cells, weights, out))
        else:
            # A small group takes the residuals of its date, whether it has some of its own or not.
            known = np.isfinite(block[self._targets]) & np.isfinite(kept).all(axis=0)
            within_dates = np.empty_like(block)
            whole = replace(cells, cells=cells.dates, date_of_cell=np.arange(len(cells.dates)))
            flags = _flags(self._neutralize(block, whole, weights, within_dates))
            flags |= _flags(self._neutralize(block, cells, weights, out))
            rows = np.repeat(small.T, cells.cells.lengths, axis=1)
            np.copyto(out, within_dates, where=rows)
            lost = known & np.isnan(out[self._targets])
            flags &= np.logical_or.reduceat(lost, cells.dates.offsets[:-1], axis=1).T[:, :, None]
        out[self._against] = kept
        return (flags,)

    def _statistics_of(
        self,
        block: FloatArray,
        cells: Cells,
        weights: Float64Array | None,
        members: BoolArray | None,
    ) -> tuple[Float64Array, ...]:
        return super()._statistics_of(block, cells, _weights_of(members, weights), None)

    def _without_members(self, block: FloatArray, cells: Cells, members: BoolArray) -> int:
        return super()._without_members(block[self._targets], cells, members)

    def _neutralize(
        self,
        columns: FloatArray,
        cells: Cells,
        weights: Float64Array | None,
        out: FloatArray | None,
    ) -> Neutralized:
        return neutralize(
            columns,
            self._targets,
            self._against,
            cells,
            weights,
            out,
            centered=self.fit_intercept,
            min_rows=self.min_assets or 0,
        )

    def _checked(self, statistics: tuple[Any, ...]) -> tuple[Any, ...]:
        """Warn of dates without residuals; of a sample without dates `_statistics` has warned."""
        if len(statistics) == 1:
            (flags,) = statistics
            failed = flags.any(axis=(1, 2))
            self._report(flags, f"{int(failed.sum())} of {len(failed)} dates")
        return statistics

    def _report(self, flags: BoolArray, where: str) -> None:
        """Warn once about columns without residuals, given `_flags`."""
        if not flags.any():
            return
        fewest = "" if self.min_assets is None else f", or than min_assets={self.min_assets}"
        which = f"drop one of {_NAMES.repr(self.against_features_)}"
        if self.fit_intercept:
            which += ", or if they are dummies of all groups, set fit_intercept=False"
        causes = (
            f"with fewer assets than coefficients{fewest}",
            f"with columns of against that are collinear or constant within groups ({which})",
            "with a group all of whose weights are zero",
        )
        counts = zip(flags.any(axis=1).sum(axis=0), causes, strict=True)
        why = "; ".join(f"{n} {cause}" for n, cause in counts if n)
        names = [self._target_names[c] for c in np.flatnonzero(flags.any(axis=(0, 2)))]
        warn_user(
            f"The residuals of the columns {names} are NaN on {where}: {why}.",
            RankDeficientWarning,
        )


def _flags(found: Neutralized) -> BoolArray:
    """Why residuals are NaN, (n_dates, n_columns, 3)."""
    return np.stack([found.thin, found.deficient, found.weightless], axis=-1)


def _weights_of(members: BoolArray | None, weights: Float64Array | None) -> Float64Array | None:
    """Weights that are zero outside of the universe: such rows have residuals and no say."""
    if members is None:
        return weights
    return np.where(members, 1.0 if weights is None else weights, 0.0)

"""The panel form: exposures given, one regression per date; all dates at once, or call by call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from skfactor._fitting import fit_task, fitting
from skfactor._kernels.least_squares import solve_least_squares
from skfactor._kernels.segments import Segments, one_segment
from skfactor._kernels.threads import Done, report_nothing
from skfactor._panel import find_panel, raise_if_one_row_a_date
from skfactor._passes.cross_sections import (
    raise_if_time_series,
    raise_if_too_few,
    regress_panel,
    runs_of_dates,
)
from skfactor._passes.slopes import Fits, Slopes, count_warm_up
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray, RowLabels
from skfactor._undated import warn_undated
from skfactor._validation import check_row_weights, column_index, remember_names
from skfactor.linear_model._premia_model import PremiaModel


@dataclass(frozen=True, eq=False)
class PanelRows:
    """Validated rows of a panel."""

    exposures: FloatArray  # (n_rows, K)
    returns: Float64Array  # (n_rows,)
    weights: Float64Array | None  # (n_rows,)
    segments: Segments  # rows of each date, all together without dates
    dates: pd.Index | None  # one per segment

    def of_dates(self, which: slice) -> PanelRows:
        """The rows of some dates, in the order of these if not of all."""
        if which == slice(0, len(self.segments)):
            return self
        offsets = self.segments.offsets[which.start : which.stop + 1]
        run, order = slice(offsets[0], offsets[-1]), self.segments.order
        rows: slice | IntArray = run if order is None else order[run]
        return PanelRows(
            self.exposures[rows],
            self.returns[rows],
            None if self.weights is None else self.weights[rows],
            Segments(offsets - offsets[0]),
            None if self.dates is None else self.dates[which],
        )


class PanelRegression(PremiaModel):
    """A model of premia that takes panels: at once, call by call, or in parts made anywhere."""

    @fitting(forget=False, one_task=False)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Self:
        """Add dates to those of earlier calls, for a panel that is not in memory at once.

        All rows of a date come in one call; the dates may come in any order. What is estimated is
        what one `fit` to the dates of all calls estimates, and of them only the slopes and
        ``cross_sections_`` are kept. After a `fit`, it adds to the dates of that.

        Parameters
        ----------
        X, y, sample_weight, dates
            As in `fit`, the rows of a panel with the features of the first call. Without dates
            anywhere each call is one cross-section, and they are numbered.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a date came in an earlier call, if y has one column per asset, where new dates change
            every beta, or as in `fit`. The model is then what it was before the call.

        Warns
        -----
        RankDeficientWarning
            If dates of this call could not be estimated; their slopes are NaN. That none could is
            no error here, since other calls bring more.
        NoDatesWarning
            If there are no dates.
        """
        earlier = hasattr(self, "record_")
        if earlier and self.record_.two_pass is not None:
            raise ValueError(
                "The model was fitted with one column per asset in y, and new dates would change "
                "every beta. Use a new model for partial_fit."
            )
        if earlier and self.fit_intercept != self.record_.slopes.has_const:
            raise ValueError(
                "fit_intercept was changed after dates had been fitted. Use a new model."
            )
        values, target = self._validate(X, y, reset=not earlier)
        if target.ndim == 2 and target.shape[1] > 1:
            raise ValueError(
                f"y has {target.shape[1]} columns, one per asset: in this form new dates change "
                "every beta, so they cannot be added. Call fit with all dates, or partial_fit "
                "with a panel whose exposures are known."
            )
        rows = self._panel_rows(values, target, X, y, sample_weight, dates)
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            read = self._regress(rows, done)
            slopes = self.record_.slopes + read if earlier else read
            # A column that has been constant so far, such as an indicator, may vary later.
            slopes.variation.raise_if_constant(self._names, constant_everywhere=False)
            refuse = self.rank_deficient == "raise"
            read.report_failures(self._fewest_assets(), refuse=refuse, whole=False)
            self._finish(slopes)
        return self

    def read_slopes(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Slopes:
        """Regress the rows of some dates; the model is not changed.

        For dates that are spread over processes or machines: the slopes of all parts add up, and
        `fit_slopes` makes of the sum what one `fit` to all rows makes.

        Parameters
        ----------
        X, y, sample_weight, dates
            As in `fit`, the rows of whole dates.

        Returns
        -------
        Slopes
            One row per date; ``a + b`` has the dates of both. What can only be said of all dates
            together, as that a column is constant, is left to `fit_slopes`.
        """
        part: Self = clone(self)
        return part._read(X, y, sample_weight, dates)

    def _read(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        dates: RowLabels | None,
    ) -> Slopes:
        self._validate_params()
        values, target = self._validate(X, y, reset=True)
        rows = self._panel_rows(values, target, X, y, sample_weight, dates)
        return self._regress(rows, report_nothing)

    @fitting()
    def fit_slopes(self, slopes: Slopes) -> Self:
        """Fit to the sum of what `read_slopes` has read.

        Parameters
        ----------
        slopes : Slopes
            Of all dates, from models with the same parameters.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If these are no slopes.
        ValueError
            As `fit`: if columns are constant everywhere, or no date can be estimated.

        Warns
        -----
        RankDeficientWarning
            If some dates could not be estimated; their slopes are NaN.
        """
        if not isinstance(slopes, Slopes):
            raise TypeError(
                f"slopes has to be what read_slopes gives; found {type(slopes).__name__}."
            )
        self._names = slopes.names
        remember_names(self, slopes.names, slopes.has_names)
        # Names that are not text are those of a frame: others are made here.
        unnamed = all(isinstance(name, str) for name in slopes.names)
        self.column_labels_ = None if unnamed else column_index(slopes.names)
        self._target_shape = ()
        self._judge(slopes)
        self._finish(slopes)
        return self

    def _fit_panel(
        self,
        values: FloatArray,
        target: Float64Array,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        dates: RowLabels | None,
    ) -> None:
        rows = self._panel_rows(values, target, X, y, sample_weight, dates)
        most, needed = int(rows.segments.lengths.max()), self._fewest_assets()
        raise_if_too_few(len(self._names), len(rows.segments), most, needed)
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            slopes = self._regress(rows, done)
            self._judge(slopes)
            self._finish(slopes)

    def _panel_rows(
        self,
        values: FloatArray,
        target: Float64Array,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        dates: RowLabels | None,
    ) -> PanelRows:
        weights = check_row_weights(sample_weight, X, len(values), "sample_weight")
        panel = find_panel(X, y, n_rows=len(values), dates=dates, date_level=self.date_level)
        if panel is None:
            raise_if_time_series(X, y)
            if self.date_level is not None:
                warn_undated(X, "all rows are taken as one cross-section")
        # One asset on many dates is not a matter of their stamps.
        several = panel is not None and (panel.assets is None or len(panel.assets) > 1)
        if several and self._fewest_assets() > 1:
            raise_if_one_row_a_date(panel, len(values), type(self).__name__)
        segments, dates = one_segment(len(values)), None
        if panel is not None:
            segments, dates = panel.segments, panel.dates.labels
        return PanelRows(values, target.reshape(-1), weights, segments, dates)

    def _regress(self, rows: PanelRows, done: Done) -> Slopes:
        """Slopes of the dates of some rows, of as many dates at a time as fit into memory."""
        runs = runs_of_dates(len(self._names), len(rows.segments))
        return reduce(add, [self._regress_dates(rows.of_dates(dates), done) for dates in runs])

    def _regress_dates(self, rows: PanelRows, done: Done) -> Slopes:
        fits, variation = regress_panel(
            rows.exposures.T,
            rows.returns,
            rows.weights,
            rows.segments,
            done=done,
            solve=self._solver(),
            fit_intercept=self.fit_intercept,
            min_assets=self._fewest_assets(),
        )
        empty: BoolArray = np.zeros(len(self._names), dtype=bool)
        if (fits.thin | fits.deficient).all():  # is that the reason?
            empty = np.asarray(np.isnan(rows.exposures).all(axis=0))
        return Slopes.of(
            fits,
            self._labels(),
            rows.dates,
            has_const=self.fit_intercept,
            n_warm_up=count_warm_up(rows.exposures, rows.segments),
            variation=variation,
            empty=empty,
            has_names=hasattr(self, "feature_names_in_"),
        )

    def _solver(self) -> Callable[..., Fits]:
        """What solves the regressions, given their cross-moments."""
        return solve_least_squares

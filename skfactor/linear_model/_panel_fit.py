"""The panel form: exposures given, one regression per date; all dates at once, or call by call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable
from functools import partial, reduce
from operator import add
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from skfactor._fitting import fit_task, fitting
from skfactor._kernels.least_squares import solve_least_squares
from skfactor._kernels.segments import one_segment
from skfactor._kernels.threads import Done, report_nothing
from skfactor._panel import find_panel, raise_if_one_row_a_date
from skfactor._passes.cross_sections import (
    raise_if_time_series,
    raise_if_too_few,
    regress_panel,
    runs_of_dates,
)
from skfactor._passes.panel_rows import PanelRows
from skfactor._passes.slopes import Fits, Slopes, count_warm_up
from skfactor._typing import BoolArray, Float64Array, FloatArray, RowLabels
from skfactor._undated import warn_undated
from skfactor._validation import check_row_weights, column_index, remember_names
from skfactor.linear_model._premia_model import PremiaModel


class Part(Protocol):
    """What is read of some dates; ``a + b`` is what is read of the dates of both."""

    @property
    def has_names(self) -> bool:
        """Whether the exposures came with names."""

    @property
    def names(self) -> list[Hashable]:
        """Names of the exposures (K,)."""

    def __add__(self, other: Any) -> Any: ...


P = TypeVar("P", bound=Part)


class PanelModel(PremiaModel, Generic[P]):
    """A model of premia that takes panels: at once, call by call, or in parts made anywhere."""

    _part: ClassVar[type]  # what is read of some dates

    @abstractmethod
    def _regress(self, rows: PanelRows, done: Done) -> P:
        """What is read of some rows."""

    @abstractmethod
    def _so_far(self) -> P:
        """What was read by `fit` and earlier calls; raise if nothing can be added to it."""

    @abstractmethod
    def _conclude(self, whole: P, *, last: P | None = None, rows: PanelRows | None = None) -> None:
        """Judge and estimate: of all dates, or after a call that read the last of them.

        ``rows`` are those of all dates, if they came at once.
        """

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
        what one `fit` to the dates of all calls estimates. No rows are kept, only what was read of
        each date. After a `fit`, it adds to the dates of that.

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
        return self._add_dates(X, y, {"sample_weight": sample_weight}, dates)

    def _add_dates(
        self, X: ArrayLike, y: ArrayLike, given: dict[str, object], dates: RowLabels | None
    ) -> Self:
        """`partial_fit` of rows with what was given of each, by name."""
        earlier = hasattr(self, "record_")
        if earlier and self.record_.two_pass is not None:
            raise ValueError(
                "The model was fitted with one column per asset in y, and new dates would change "
                "every beta. Use a new model for partial_fit."
            )
        so_far = self._so_far() if earlier else None
        values, target = self._validate(X, y, reset=not earlier)
        if target.ndim == 2 and target.shape[1] > 1:
            raise ValueError(
                f"y has {target.shape[1]} columns, one per asset: in this form new dates change "
                "every beta, so they cannot be added. Call fit with all dates, or partial_fit "
                "with a panel whose exposures are known."
            )
        rows = self._panel_rows(values, target, X, y, given, dates)
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            read = self._regress(rows, done)
            self._conclude(read if so_far is None else so_far + read, last=read)
        return self

    def read_slopes(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> P:
        """Read the rows of some dates; the model is not changed.

        For dates that are spread over processes or machines: the records of all parts add up, and
        `fit_slopes` turns the sum into the model that one `fit` to all rows gives.

        Parameters
        ----------
        X, y, sample_weight, dates
            As in `fit`, the rows of whole dates.

        Returns
        -------
        Slopes or PooledMoments
            The slopes of each date, or the sums of a pooled regression; ``a + b`` has the dates of
            both. What can only be judged over all dates, as whether a column is constant, is
            left to `fit_slopes`.
        """
        return read_part(self, X, y, {"sample_weight": sample_weight}, dates)

    def _read(
        self, X: ArrayLike, y: ArrayLike | None, given: dict[str, object], dates: RowLabels | None
    ) -> P:
        self._validate_params()
        values, target = self._validate(X, y, reset=True)
        rows = self._panel_rows(values, target, X, y, given, dates)
        return self._regress(rows, report_nothing)

    @fitting()
    def fit_slopes(self, slopes: P) -> Self:
        """Fit to the sum of what `read_slopes` has read.

        Parameters
        ----------
        slopes : Slopes or PooledMoments
            Of all dates, from models with the same parameters.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If they are of another kind of model.
        ValueError
            As `fit`: if columns are constant everywhere, or no date can be estimated.

        Warns
        -----
        RankDeficientWarning
            If some dates could not be estimated; their slopes are NaN.
        """
        if not isinstance(slopes, self._part):
            raise TypeError(
                f"slopes has to be what read_slopes gives; found {type(slopes).__name__}."
            )
        self._names = slopes.names
        remember_names(self, slopes.names, slopes.has_names)
        # Names that are not text are those of a frame: others are made here.
        unnamed = all(isinstance(name, str) for name in slopes.names)
        self.column_labels_ = None if unnamed else column_index(slopes.names)
        self._target_shape = ()
        self._conclude(slopes)
        return self

    def _fit_panel(
        self,
        values: FloatArray,
        target: Float64Array,
        X: Any,
        y: Any,
        given: dict[str, object],
        dates: RowLabels | None,
    ) -> None:
        rows = self._panel_rows(values, target, X, y, given, dates)
        most, needed = int(rows.segments.lengths.max()), self._fewest_assets()
        raise_if_too_few(len(self._names), len(rows.segments), most, needed)
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            self._conclude(self._regress(rows, done), rows=rows)

    def _panel_rows(
        self,
        values: FloatArray,
        target: Float64Array,
        X: ArrayLike,
        y: ArrayLike | None,
        given: dict[str, object],
        dates: RowLabels | None,
    ) -> PanelRows:
        weights = check_row_weights(given["sample_weight"], X, len(values), "sample_weight")
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
        known = next((each for each in (X, y) if isinstance(each, pd.DataFrame | pd.Series)), None)
        index = None if known is None else known.index
        return PanelRows(values, target.reshape(-1), weights, segments, dates, panel, index)


class PanelRegression(PanelModel[Slopes]):
    """A model whose premia are averages of slopes, from one regression per date."""

    _part = Slopes

    def _so_far(self) -> Slopes:
        slopes = self.record_.slopes
        if self.fit_intercept != slopes.has_const:
            raise ValueError(
                "fit_intercept was changed after dates had been fitted. Use a new model."
            )
        return slopes

    def _conclude(
        self, whole: Slopes, *, last: Slopes | None = None, rows: PanelRows | None = None
    ) -> None:
        del rows
        if last is None:
            self._judge(whole)
        else:
            # A column that has been constant so far, such as an indicator, may vary later.
            whole.variation.raise_if_constant(self._names, constant_everywhere=False)
            refuse = self.rank_deficient == "raise"
            last.report_failures(self._fewest_assets(), refuse=refuse, whole=False)
        self._finish(whole)

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
        return partial(solve_least_squares, drop=self.rank_deficient == "drop")


def read_part(
    model: PanelModel[P],
    X: ArrayLike,
    y: ArrayLike | None,
    given: dict[str, object],
    dates: RowLabels | None,
) -> P:
    """What is read of some dates with what was given of each row, by a copy of the model."""
    part: PanelModel[P] = clone(model)
    return part._read(X, y, given, dates)

"""The panel form: exposures given, one regression a date; all dates at once, or call by call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

import pandas as pd
from sklearn.utils.metaestimators import available_if

from skfactor._base import all_or_nothing
from skfactor._dates import append_dates
from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.least_squares import solve_least_squares
from skfactor._kernels.segments import one_segment
from skfactor._panel import Panel, find_panel, raise_if_one_row_a_date
from skfactor._passes.cross_sections import (
    Fits,
    count_warm_up,
    raise_if_time_series,
    regress_panel,
)
from skfactor._passes.variation import NOTHING_SEEN, Variation
from skfactor._sklearn import fit_context, fit_task
from skfactor._typing import Float64Array, FloatArray
from skfactor._undated import warn_undated
from skfactor._validation import (
    check_row_weights,
    feature_names,
    raise_if_missing,
    validate_features,
    validate_target,
)
from skfactor.linear_model._premia_model import PremiaModel


class PanelRegression(PremiaModel):
    """A model of premia that takes panels, in one `fit` or in several calls of `partial_fit`."""

    _takes_panels: ClassVar = True

    betas: Any
    weighting: str
    missing: str
    date_level: str | int | None
    _variation: Variation
    _has_dates: bool

    def _validate(self, X: Any, y: Any, *, reset: bool) -> tuple[FloatArray, Float64Array]:
        """Features and target as arrays; the names of the features are stored."""
        values = validate_features(self, X, reset=reset)
        target = validate_target(self, X, y)
        if self.missing == "raise":
            raise_if_missing(values, target)
        if reset:
            self._names = feature_names(self, X)
        if self.fit_intercept and "const" in self._names:
            raise ValueError(
                "X has a column 'const', which is the name of the intercept. Rename the column, or "
                "drop it if it is a constant."
            )
        self._target_shape = target.shape[1:]
        return values, target

    @available_if(lambda self: self._takes_panels)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    @partial(all_or_nothing, forget=False, one_task=False)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, dates: Any = None) -> Self:
        """Add dates to those of earlier calls, for a panel that is not in memory at once.

        All rows of a date come in one call; the dates may come in any order. What is estimated is
        what one `fit` to the dates of all calls estimates, and of them only the slopes and
        ``cross_sections_`` are kept. After a `fit`, it adds to the dates of that.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Exposures of each row; the features are those of the first call.
        y : array-like of shape (n_rows,)
            Returns, in decimals.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row in its date's regression.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X or y. A scalar: one cross-section.
            Without dates anywhere each call is one cross-section, and they are numbered.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a date came in an earlier call, if y has one column an asset, where new dates change
            every beta, or as in `fit`. The model is then what it was before the call.

        Warns
        -----
        RankDeficientWarning
            If dates of this call could not be estimated; their slopes are NaN. That none could is
            no error here, since other calls bring more.
        NoDatesWarning
            If there are no dates.
        """
        earlier = hasattr(self, "lambdas_")
        if earlier:
            self._raise_if_other_model()
        values, target = self._validate(X, y, reset=not earlier)
        if target.ndim == 2 and target.shape[1] > 1:
            raise ValueError(
                f"y has {target.shape[1]} columns, one an asset: in this form new dates change "
                "every beta, so they cannot be added. Call fit with all dates, or partial_fit "
                "with a panel whose exposures are known."
            )
        self._two_pass = None
        self._fit_panel(values, target.reshape(-1), X, y, sample_weight, dates, more_to_come=True)
        return self

    def _raise_if_other_model(self) -> None:
        if self._two_pass is not None:
            raise ValueError(
                "The model was fitted with one column an asset in y, and new dates would change "
                "every beta. Use a new model for partial_fit."
            )
        if self.fit_intercept != (self.lambdas_.shape[1] > self.n_features_in_):
            raise ValueError(
                "fit_intercept was changed after dates had been fitted. Use a new model."
            )

    def _fit_panel(
        self,
        values: FloatArray,
        returns: Float64Array,
        X: Any,
        y: Any,
        sample_weight: Any,
        dates: Any,
        *,
        more_to_come: bool = False,
        judge: bool = True,
    ) -> None:
        """Fit the dates of the rows; ``judge=False`` leaves it open whether they can be fitted."""
        if self.betas is not None:
            raise ValueError(
                "betas= is the first pass of the wide form, y with one column an asset; here y "
                "has one column. Put FactorBetas() before FamaMacBeth in a pipeline instead."
            )
        if self.weighting != "ols":
            raise ValueError(
                f"weighting={self.weighting!r} weighs assets by their residuals of the first pass, "
                "which a panel does not have. Pass sample_weight instead."
            )
        n_rows = len(values)
        weights = check_row_weights(sample_weight, X, n_rows, "sample_weight")
        panel = find_panel(X, y, n_rows=n_rows, dates=dates, date_level=self.date_level)
        if panel is None:
            raise_if_time_series(X, y)
            if self.date_level is not None:
                warn_undated(X, "all rows are taken as one cross-section")
        # One asset on many dates is not a matter of their stamps.
        several = panel is not None and (panel.assets is None or len(panel.assets) > 1)
        if several and self._fewest_assets() > 1:
            raise_if_one_row_a_date(panel, n_rows, type(self).__name__)
        earlier = hasattr(self, "lambdas_")  # fit has forgotten them
        index = self._all_dates(panel) if earlier else None
        seen = self._variation if earlier else NOTHING_SEEN
        segments = one_segment(n_rows) if panel is None else panel.segments

        def check(moments: CrossMoments, resolution: float) -> None:
            self._variation = seen + Variation.within(moments, resolution)
            if not judge:
                return
            # A column that has been constant so far, such as an indicator, may vary later.
            constant_everywhere = self.fit_intercept and not more_to_come
            self._variation.raise_if_constant(self._names, constant_everywhere)

        with fit_task(self, X, y, len(segments), "date") as done:
            fits = regress_panel(
                values.T,
                returns,
                weights,
                segments,
                check=check,
                done=done,
                solve=self._solver(),
                fit_intercept=self.fit_intercept,
                min_assets=self._fewest_assets(),
            )
            self._has_dates = panel is not None
            labels = None if panel is None else panel.dates.labels
            warm_up = 0 if more_to_come and judge else count_warm_up(values, segments)
            if not judge:  # that is done once the warm-up of all dates is known
                self._warm_up = warm_up
            self._store(
                fits,
                labels,
                values,
                all_dates=index,
                warm_up=warm_up,
                more_to_come=more_to_come,
                judge=judge,
            )

    def _solver(self) -> Callable[..., Fits]:
        """What solves the regressions, given their cross-moments."""
        return solve_least_squares

    def _all_dates(self, panel: Panel | None) -> pd.Index:
        """Dates of earlier calls, followed by those of this one."""
        if self._has_dates != (panel is not None):
            had, has = ("dates", "none") if self._has_dates else ("no dates", "dates")
            raise ValueError(
                f"Earlier calls had {had}, but the rows have {has} here. Index X or y by (date, "
                "asset) in every call, or pass dates=."
            )
        if panel is None:
            return pd.RangeIndex(len(self.dates_) + 1)
        return append_dates(self.dates_, panel.dates.labels)

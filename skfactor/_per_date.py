"""What every transformer of panels asks of the dates of its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags

from skfactor._panel import (
    Panel,
    check_same_rows,
    find_panel,
    is_time_series,
    raise_if_one_row_a_date,
)
from skfactor._sklearn import CallbackSupportMixin, Estimator
from skfactor._typing import RowLabels
from skfactor._undated import warn_undated
from skfactor._validation import check_lengths


class PerDateTransformer(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    OneToOneFeatureMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    Estimator,
):
    """A transformer whose rows may carry dates."""

    date_level: str | int | None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _panel(
        self,
        X: ArrayLike,
        dates: RowLabels | None,
        n_rows: int,
        *,
        assets: RowLabels | None = None,
        time_series: bool = False,
    ) -> Panel | None:
        panel = find_panel(
            X,
            n_rows=n_rows,
            dates=dates,
            assets=assets,
            date_level=self.date_level,
            time_series=time_series,
        )
        raise_if_one_row_a_date(panel, n_rows, type(self).__name__)
        return panel

    def _panel_of_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        dates: RowLabels | None,
        n_rows: int,
        *,
        assets: RowLabels | None = None,
    ) -> Panel | None:
        """The panel of rows that are fitted to; whether they have dates is stored."""
        panel = self._panel(X, dates, n_rows, assets=assets)
        if y is not None:
            check_lengths(X, y)
            check_same_rows(X, y)
        if panel is None:
            self._check_undated(X, y, n_rows)
        self.per_date_ = panel is not None
        return panel

    def _check_undated(self, X: ArrayLike, y: Any, n_rows: int) -> None:
        """Raise if X lost the dates that y has; warn if nothing says that there are none."""
        if find_panel(X, y, n_rows=n_rows, date_level=self.date_level) is not None:
            if not isinstance(X, np.ndarray | pd.DataFrame):
                library = type(X).__module__.split(".")[0]
                raise ValueError(
                    f"y is indexed by date, and X, a {type(X).__name__} of {library}, cannot have "
                    "an index. Pass dates=y.index, in transform too, or X as a pandas DataFrame."
                )
            raise ValueError(
                f"y is indexed by date but X ({type(X).__name__}) is not: a step before "
                f"{type(self).__name__} dropped the index, and statistics would mix all dates. "
                'Call set_output(transform="pandas") on the pipeline, or pass dates=.'
            )
        wide = len(getattr(y, "shape", ())) == 2 and y.shape[1] > 1
        if not (self.date_level is None or wide or is_time_series(X) or is_time_series(y)):
            warn_undated(X, "statistics are those of all rows together")

    def _dated(self, panel: Panel | None) -> Panel:
        if panel is None:
            raise ValueError(
                f"{type(self).__name__} was fitted on rows with dates, but X has none here. "
                'Call set_output(transform="pandas") on the pipeline so that frames keep their '
                "index; with arrays pass dates=, inside a Pipeline through metadata routing "
                "(sklearn.set_config(enable_metadata_routing=True))."
            )
        return panel

    def _raise_if_dated(self, panel: Panel | None) -> None:
        if panel is not None:
            raise ValueError(
                f"{type(self).__name__} was fitted without dates, on the whole sample, but X has "
                "dates here. Fit it on rows that carry their dates too, in the index or as dates=."
            )

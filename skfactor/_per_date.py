"""What every transformer of panels asks of the dates of its rows."""

from __future__ import annotations

from typing import Any

from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from skfactor._panel import Panel, find_panel
from skfactor._sklearn import CallbackSupportMixin, Estimator


class PerDateTransformer(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    OneToOneFeatureMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    Estimator,
):
    """A transformer whose rows may carry dates."""

    date_level: str | int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _panel(
        self, X: Any, dates: Any, n_rows: int, *, assets: Any = None, time_series: bool = False
    ) -> Panel | None:
        panel = find_panel(
            X,
            n_rows=n_rows,
            dates=dates,
            assets=assets,
            date_level=self.date_level,
            time_series=time_series,
        )
        if panel is not None and 1 < n_rows == len(panel.dates):
            first, second = panel.dates.labels[:2]
            raise ValueError(
                f"{type(self).__name__} compares the assets of a date, and each of the {n_rows} "
                f"dates ({first}, {second}, ...) has one row. Pass all assets of each date "
                "together; stamps that differ by asset have to be rounded to the period that they "
                "share, with normalize() or to_period()."
            )
        return panel

    def _raise_if_index_was_lost(self, X: Any, y: Any, n_rows: int) -> None:
        if find_panel(X, y, n_rows=n_rows, date_level=self.date_level) is not None:
            raise ValueError(
                f"y is indexed by date but X ({type(X).__name__}) is not: a step before "
                f"{type(self).__name__} dropped the index, and statistics would mix all dates. "
                'Call set_output(transform="pandas") on the pipeline, or pass dates=.'
            )

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

"""CharacteristicDisplay: the distribution of a characteristic before and after preprocessing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skfactor._panel import find_panel
from skfactor._typing import Float64Array, RowLabels
from skfactor._validation import is_among, is_one_of
from skfactor.plotting._axes import (
    COLORS,
    date_axis,
    date_values,
    get_panels,
    own_figure,
    styled,
    text,
)
from skfactor.plotting._date_quantiles import QUANTILES, draw_quantiles, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STAGES = ("before", "after")


class CharacteristicDisplay:
    """Distribution of a characteristic before and after preprocessing, by date or all together.

    Parameters
    ----------
    before, after : array-like of shape (n_rows,)
        Values of the characteristic, NaN where there is none.
    dates : array-like of shape (n_rows,), optional
        Date of each row; needed by date.
    name : object, default="characteristic"
        What the axes call it.

    Attributes
    ----------
    medians_ : list of matplotlib Line2D
        Median of each date, before and after; of ``kind="by_date"``.
    bands_ : list of matplotlib PolyCollection
        For each of the two, 5% to 95% and 25% to 75%; of ``kind="by_date"``.
    histograms_ : list of matplotlib BarContainer
        Numbers of rows, before and after; of ``kind="histogram"``.
    ax_ : ndarray of matplotlib Axes
        Axes before and after.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorZScorer, Winsorizer
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.plotting import CharacteristicDisplay
    >>> X, _ = make_panel(random_state=0, return_X_y=True)
    >>> pipeline = make_pipeline(Winsorizer(), FactorZScorer()).fit(X)
    >>> display = CharacteristicDisplay.from_estimator(pipeline, X, "x1")
    >>> len(display.medians_[0].get_ydata())
    120
    """

    def __init__(
        self,
        before: ArrayLike,
        after: ArrayLike,
        *,
        dates: RowLabels | None = None,
        name: object = "characteristic",
    ) -> None:
        self.before = before
        self.after = after
        self.dates = dates
        self.name = name

    def plot(
        self,
        ax: Axes | Iterable[Axes] | None = None,
        *,
        kind: str = "by_date",
        bins: int | str | Sequence[float] = 60,
        **kwargs: object,
    ) -> Self:
        """Draw the distribution before and after.

        Parameters
        ----------
        ax : two matplotlib Axes, or one to divide, optional
            Axes to draw on; those of a new figure by default.
        kind : {"by_date", "histogram"}, default="by_date"
            Median of each date with bands of the middle 50% and 90% of its assets; or a histogram
            of all rows.
        bins : int or sequence, default=60
            Bins of the histogram, as ``Axes.hist`` takes them.
        **kwargs
            Passed to ``Axes.plot`` for medians, or to ``Axes.hist``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the kind is unknown, there are no dates to show it by, rows differ in number, or all
            values are missing.
        """
        if not is_one_of(kind, ("by_date", "histogram")):
            raise ValueError(f"kind={kind!r} has to be 'by_date' or 'histogram'.")
        stages = [np.asarray(self.before, np.float64), np.asarray(self.after, np.float64)]
        if stages[0].ndim != 1 or stages[0].shape != stages[1].shape:
            raise ValueError(
                f"before and after need one value per row; found the shapes {stages[0].shape} and "
                f"{stages[1].shape}."
            )
        empty = [
            stage for stage, values in zip(_STAGES, stages, strict=True) if np.isnan(values).all()
        ]
        if empty:
            raise ValueError(f"{' and '.join(empty)}: all values are missing.")
        if kind == "by_date":
            self._plot_by_date(ax, stages, kwargs)
        else:
            self._plot_histograms(ax, stages, bins, kwargs)
        return self

    def _plot_by_date(self, ax: Any, stages: list[Float64Array], kwargs: dict[str, object]) -> None:
        n_rows = len(stages[0])
        panel_data = find_panel(None, n_rows=n_rows, dates=self.dates)
        if panel_data is None:
            raise ValueError("There are no dates to show the distribution by. Pass dates=.")
        dates = panel_data.dates
        panels = get_panels(self, ax, 2, size=(7.0, 2.7))
        at = date_values(dates.labels)
        self.medians_, self.bands_ = [], []
        for panel, stage, values in zip(panels, _STAGES, stages, strict=True):
            quantiles = pd.Series(values).groupby(dates.codes).quantile(QUANTILES)
            table = np.asarray(quantiles, np.float64).reshape(-1, len(QUANTILES)).T
            median, bands = draw_quantiles(panel, at, table, kwargs)
            self.medians_.append(median)
            self.bands_.extend(bands)
            panel.grid(alpha=0.3)
            panel.set_ylabel(f"{text(self.name)}, {stage}")
        legend_above(panels[0])
        date_axis(panels[-1], dates.labels)
        self.ax_, self.figure_ = np.array(panels), own_figure(panels[0])

    def _plot_histograms(
        self,
        ax: Any,
        stages: list[Float64Array],
        bins: int | str | Sequence[float],
        kwargs: dict[str, object],
    ) -> None:
        panels = get_panels(self, ax, 2, size=(4.0, 3.5), columns=True, share=False)
        self.histograms_ = []
        for i, (panel, values) in enumerate(zip(panels, stages, strict=True)):
            style = styled(kwargs, "Patch", color=COLORS[5 * (1 - i)])
            known = values[~np.isnan(values)]
            self.histograms_.append(panel.hist(known, bins=bins, **style)[2])
            panel.grid(axis="y", alpha=0.3)
            panel.set_xlabel(f"{text(self.name)}, {_STAGES[i]}")
            missing = len(values) - len(known)
            if missing:
                note = {"transform": panel.transAxes, "ha": "right", "va": "top", "fontsize": 8}
                panel.text(0.98, 0.98, f"{missing} missing", **note)
        panels[0].set_ylabel("number of rows")
        self.ax_, self.figure_ = np.array(panels), own_figure(panels[0])

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        feature: Hashable,
        *,
        dates: RowLabels | None = None,
        transform_kwargs: Mapping[str, object] | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a column of X before and after a fitted transformer.

        Parameters
        ----------
        estimator : transformer or Pipeline
            Fitted. Of a pipeline that ends in a model, all steps before it.
        X : DataFrame of shape (n_rows, n_features)
            What it transforms.
        feature : object
            Column to show, which has to be one of the transformed columns too.
        dates : array-like of shape (n_rows,), optional
            Date of each row, where the index of X does not say it; passed to ``transform`` too.
        transform_kwargs : dict, optional
            Further arguments of ``transform``, such as ``{"groupby": industries}``.
        ax : two matplotlib Axes, or one to divide, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        CharacteristicDisplay

        Raises
        ------
        ValueError
            If X has no such column, or the transformer drops it.
        """
        if not isinstance(X, pd.DataFrame) or not is_among(feature, X.columns):
            names = list(X.columns) if isinstance(X, pd.DataFrame) else type(X).__name__
            raise ValueError(f"X has no column {feature!r}; found {names}.")
        if isinstance(estimator, Pipeline) and not hasattr(estimator, "transform"):
            estimator = estimator[:-1]
        arguments = dict(transform_kwargs or {})
        if dates is not None:
            arguments["dates"] = dates
        transformed = estimator.transform(X, **arguments)
        columns = getattr(transformed, "columns", None)
        names = list(estimator.get_feature_names_out() if columns is None else columns)
        if feature not in names:
            raise ValueError(f"The transformed columns have no {feature!r}; there are {names}.")
        after = np.asarray(transformed, dtype=np.float64)[:, names.index(feature)]
        if dates is None:
            panel = find_panel(X, n_rows=len(X), time_series=False)
            dates = None if panel is None else panel.dates.labels[panel.dates.codes]
        return cls(X[feature], after, dates=dates, name=feature).plot(ax, **kwargs)

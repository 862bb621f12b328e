"""ICDisplay: information coefficients over time, their distribution, and their decay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.base import BaseEstimator

from skfactor._typing import RowLabels
from skfactor._validation import is_one_of
from skfactor.metrics import ForecastEvaluation, ic_by_date
from skfactor.plotting._axes import (
    COLORS,
    INTERVAL,
    REFERENCE,
    by_date,
    date_axis,
    date_values,
    get_panels,
    own_figure,
    styled,
    text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("time", "histogram", "decay")


class ICDisplay:
    """Correlations of predictions and outcomes within dates.

    Parameters
    ----------
    ic : Series of shape (n_dates,)
        Information coefficient of each date, such as `skfactor.metrics.ic_by_date` gives; NaN
        where a date has none.
    decay : DataFrame of shape (n_lags, ...), optional
        Average IC with the outcomes of later dates, indexed by the lag in dates, with the columns
        ``mean``, ``std_error`` and ``n_dates``, such as the ``decay`` of
        `skfactor.metrics.evaluate_forecasts`.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The IC of each date; of ``kind="time"``.
    moving_line_ : matplotlib Line2D or None
        Its moving average; of ``kind="time"``.
    average_lines_ : list of matplotlib Line2D
        The average IC over all dates, over time and in the histogram.
    histogram_ : matplotlib BarContainer
        Numbers of dates by IC; of ``kind="histogram"``.
    bars_ : matplotlib BarContainer
        Average IC by lag; of ``kind="decay"``.
    ax_ : matplotlib Axes, or ndarray of them
        The axes, or those of each kind.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.plotting import ICDisplay
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> display = ICDisplay.from_predictions(y, X["x1"])
    >>> len(display.line_.get_ydata())
    120
    """

    def __init__(self, ic: pd.Series, *, decay: pd.DataFrame | None = None) -> None:
        self.ic = ic
        self.decay = decay

    def plot(
        self,
        ax: Axes | Iterable[Axes] | None = None,
        *,
        kind: str = "all",
        window: int = 12,
        bins: int | str | Sequence[float] = 30,
        level: float = 0.95,
        **kwargs: object,
    ) -> Self:
        """Draw what there is.

        Parameters
        ----------
        ax : matplotlib Axes, or as many as there are panels, optional
            Axes to draw on; a single one is divided if there are several panels.
        kind : {"all", "time", "histogram", "decay"}, default="all"
            What to show; all that there is by default.
        window : int, default=12
            Number of dates with an IC in the moving average; none is drawn of a shorter
            sample.
        bins : int or sequence, default=30
            Bins of the histogram, as ``Axes.hist`` takes them.
        level : float, default=0.95
            Coverage of the intervals of the decay, from the t distribution over dates.
        **kwargs
            Passed to ``Axes.plot`` for the IC of each date.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the kind is unknown, the decay is to be shown and there is none, or no date has an
            IC.
        """
        if not is_one_of(kind, (*_KINDS, "all")):
            raise ValueError(f"kind={kind!r} has to be 'all', or one of {list(_KINDS)}.")
        if kind == "decay" and self.decay is None:
            raise ValueError(
                "There is no decay. Pass decay=, or make the display from what "
                "skfactor.metrics.evaluate_forecasts returns."
            )
        if not self.ic.notna().any():
            raise ValueError("No date has an information coefficient.")
        kinds = _KINDS[: 2 if self.decay is None else 3] if kind == "all" else (kind,)
        height = 4.0 if len(kinds) == 1 else 2.6
        panels = get_panels(self, ax, len(kinds), size=(7.0, height), share=False)
        self.average_lines_: list[Any] = []
        for panel, shown in zip(panels, kinds, strict=True):
            panel.grid(axis="y", alpha=0.3)
            if shown == "time":
                self._draw_time(panel, window, kwargs)
            elif shown == "histogram":
                self._draw_histogram(panel, bins)
            else:
                self._draw_decay(panel, level)
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels)
        self.figure_ = own_figure(panels[0])
        return self

    def _draw_time(self, panel: Any, window: int, kwargs: dict[str, Any]) -> None:
        ic = by_date(self.ic, "ic")
        own = {"color": COLORS[5], "linewidth": 0.8, "label": "each date"}
        self.line_ = panel.plot(
            date_values(ic.index), ic.to_numpy(), **styled(kwargs, "Line2D", **own)
        )[0]
        moving = ic.dropna().rolling(window).mean().reindex(ic.index)
        self.moving_line_ = None
        if moving.notna().any():
            style = {"color": COLORS[0], "linewidth": 1.8, "label": f"mean of {window} dates"}
            at = date_values(moving.index)
            self.moving_line_ = panel.plot(at, moving.to_numpy(), **style)[0]
        self._draw_average(panel.axhline)
        panel.axhline(0.0, **REFERENCE)
        panel.set_ylabel("IC")
        panel.legend(fontsize=8, ncols=3, framealpha=0.8, edgecolor="none", loc="upper left")
        panel.margins(y=0.25)
        date_axis(panel, ic.index)

    def _draw_histogram(self, panel: Any, bins: int | str | Sequence[float]) -> None:
        values = self.ic.dropna().to_numpy()
        style = {"color": COLORS[5], "edgecolor": "white", "linewidth": 0.5}
        _, _, self.histogram_ = panel.hist(values, bins=bins, **style)
        self._draw_average(panel.axvline)
        panel.axvline(0.0, **REFERENCE)
        panel.set_xlabel("IC")
        panel.set_ylabel("number of dates")
        panel.legend(fontsize=8, framealpha=0.8, edgecolor="none")

    def _draw_average(self, line: Any) -> None:
        mean = float(self.ic.mean())
        label = f"average {mean:.3f}"
        self.average_lines_.append(line(mean, color=COLORS[3], linestyle="--", label=label))

    def _draw_decay(self, panel: Any, level: float) -> None:
        decay = self.decay
        assert decay is not None
        at = np.arange(len(decay))
        means = decay["mean"].to_numpy(dtype=np.float64)
        errors = decay["std_error"].to_numpy(dtype=np.float64)
        free = decay["n_dates"].to_numpy(dtype=np.float64) - 1.0
        half = stats.t.ppf(0.5 + level / 2.0, free) * errors
        self.bars_ = panel.bar(at, means, color=COLORS[0], width=0.6)
        panel.errorbar(at, means, yerr=half, **INTERVAL)
        panel.axhline(0.0, **REFERENCE)
        panel.set_xticks(at, [text(lag) for lag in decay.index])
        panel.set_xlabel(f"lag of the outcome in dates, with {100 * level:g}% interval")
        panel.set_ylabel("mean IC")

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        method: str = "spearman",
        dates: RowLabels | None = None,
        groupby: RowLabels | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Correlate predictions or signals with outcomes on each date, and draw it.

        Parameters
        ----------
        y_true, y_pred, dates, groupby
            As in `skfactor.metrics.ic_by_date`.
        method : {"spearman", "pearson"}, default="spearman"
            Correlation of ranks, or of values.
        ax : matplotlib Axes, or as many as there are panels, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ICDisplay

        Raises
        ------
        ValueError
            As `skfactor.metrics.ic_by_date`.
        """
        ic = ic_by_date(y_true, y_pred, method=method, dates=dates, groupby=groupby)
        return cls(ic).plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> Self:
        """Correlate what a fitted model predicts with outcomes on each date, and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted, for panels; X should not be what it was fitted to.
        X, y : DataFrame, Series or array-like
            Exposures and returns, one row per date and asset.
        **kwargs
            Passed to `from_predictions`.

        Returns
        -------
        ICDisplay
        """
        return cls.from_predictions(y, estimator.predict(X), **kwargs)

    @classmethod
    def from_evaluation(
        cls, evaluation: ForecastEvaluation, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw the rank ICs of evaluated forecasts, with their decay.

        Parameters
        ----------
        evaluation : ForecastEvaluation
            What `skfactor.metrics.evaluate_forecasts` returned.
        ax : matplotlib Axes, or as many as there are panels, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ICDisplay
        """
        return cls(evaluation.by_date["rank_ic"], decay=evaluation.decay).plot(ax, **kwargs)

"""QuantileReturnsDisplay: returns of portfolios by quantile of a signal, and their spread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from skfactor._typing import RowLabels
from skfactor._validation import is_one_of
from skfactor.metrics import infer_mean, quantile_returns_by_date
from skfactor.plotting._axes import (
    COLORS,
    INTERVAL,
    REFERENCE,
    by_date,
    date_axis,
    date_values,
    get_panels,
    line_style,
    own_figure,
    styled,
    text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("mean", "spread")


class QuantileReturnsDisplay:
    """Mean return of each quantile, and the sum of the highest minus the lowest over time.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_quantiles)
        Returns in decimals, one column per quantile from the lowest to the highest, such as
        `skfactor.metrics.quantile_returns_by_date` or a sort into portfolios gives.
    horizon : int, default=1
        Dates that a return spans; more than one overlap, and errors have ``horizon - 1`` lags, as
        in `skfactor.metrics.infer_mean`.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        Mean returns by quantile.
    intervals_ : matplotlib ErrorbarContainer
        Their intervals.
    line_ : matplotlib Line2D
        The spread, added up.
    ax_ : matplotlib Axes, or ndarray of them
        The axes, or those of each kind.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.plotting import QuantileReturnsDisplay
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> display = QuantileReturnsDisplay.from_predictions(y, X["x1"], n_quantiles=5)
    >>> len(display.bars_)
    5
    """

    def __init__(self, returns: pd.DataFrame, *, horizon: int = 1) -> None:
        self.returns = returns
        self.horizon = horizon

    def plot(
        self,
        ax: Axes | Iterable[Axes] | None = None,
        *,
        kind: str = "both",
        level: float = 0.95,
        **kwargs: object,
    ) -> Self:
        """Draw means, spread or both.

        Parameters
        ----------
        ax : matplotlib Axes, or two of them for both kinds, optional
            Axes to draw on; a single one is divided for both kinds.
        kind : {"both", "mean", "spread"}, default="both"
            What to show. The spread is the highest minus the lowest quantile on each date, added
            up and not compounded.
        level : float, default=0.95
            Coverage of the intervals of the means, over dates.
        **kwargs
            Passed to ``Axes.bar``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the kind is unknown, there are fewer than two quantiles, or a quantile has fewer
            than two returns.
        """
        if not is_one_of(kind, (*_KINDS, "both")):
            raise ValueError(f"kind={kind!r} has to be 'both', 'mean' or 'spread'.")
        if self.returns.shape[1] < 2:
            raise ValueError(f"A spread takes two quantiles, found {self.returns.shape[1]}.")
        kinds = _KINDS if kind == "both" else (kind,)
        size = (4.0, 3.5) if kind == "both" else (6.0, 4.0)
        panels = get_panels(self, ax, len(kinds), size=size, columns=True, share=False)
        for panel, shown in zip(panels, kinds, strict=True):
            panel.grid(axis="y", alpha=0.3)
            if shown == "mean":
                self._draw_means(panel, level, kwargs)
            else:
                self._draw_spread(panel)
            panel.axhline(0.0, **REFERENCE)
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels)
        self.figure_ = own_figure(panels[0])
        return self

    def _draw_means(self, panel: Any, level: float, kwargs: dict[str, Any]) -> None:
        inferred = [infer_mean(column, horizon=self.horizon) for _, column in self.returns.items()]
        means = np.array([each.mean for each in inferred])
        bounds = np.vstack([each.conf_int(level) for each in inferred])
        at = np.arange(len(means))
        self.bars_ = panel.bar(at, means, **styled(kwargs, "Patch", color=COLORS[0]))
        sides = np.abs(bounds - means[:, None]).T
        self.intervals_ = panel.errorbar(at, means, yerr=sides, **INTERVAL)
        step = 1 + (len(at) - 1) // 12
        panel.set_xticks(at[::step], [text(name) for name in self.returns.columns[::step]])
        name = self.returns.columns.name
        shown = "quantile" if name is None else text(name)
        panel.set_xlabel(f"{shown}, with {100 * level:g}% interval")
        panel.set_ylabel("mean return (decimals per period)")

    def _draw_spread(self, panel: Any) -> None:
        returns = by_date(self.returns, "returns")
        spread = (returns.iloc[:, -1] - returns.iloc[:, 0]).dropna().cumsum()
        self.line_ = panel.plot(date_values(spread.index), spread.to_numpy(), **line_style(0))[0]
        date_axis(panel, returns.index)
        low, high = (text(returns.columns[i]) for i in (0, -1))
        panel.set_ylabel(f"sum of {high} minus {low} (decimals)")

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        n_quantiles: int = 10,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        horizon: int = 1,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Sort assets by a prediction or signal on each date, and draw their returns.

        Parameters
        ----------
        y_true, y_pred, n_quantiles, sample_weight, dates
            As in `skfactor.metrics.quantile_returns_by_date`.
        horizon : int, default=1
            Dates that a return spans.
        ax : matplotlib Axes, or two of them for both kinds, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        QuantileReturnsDisplay

        Raises
        ------
        ValueError
            As `skfactor.metrics.quantile_returns_by_date`.
        """
        returns = quantile_returns_by_date(
            y_true, y_pred, n_quantiles=n_quantiles, sample_weight=sample_weight, dates=dates
        )
        return cls(returns, horizon=horizon).plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> Self:
        """Sort assets by what a fitted model predicts, and draw their returns.

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
        QuantileReturnsDisplay
        """
        return cls.from_predictions(y, estimator.predict(X), **kwargs)

"""PremiaPathDisplay: the premia of each date, added up or averaged over a moving window."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator

from skfactor._fitted import find_fitted
from skfactor._validation import is_one_of
from skfactor.plotting._axes import (
    REFERENCE,
    by_date,
    date_axis,
    date_values,
    get_panels,
    legend,
    line_style,
    own_figure,
    styled,
    text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    pass


class PremiaPathDisplay:
    """How premia came about over time: running sums, or averages of a moving window.

    Parameters
    ----------
    lambdas : DataFrame of shape (n_dates, n_premia)
        Slopes of each date, in the units of the returns, such as ``FamaMacBeth.lambdas_``; NaN
        where a date could not be estimated.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The path of each premium.
    bands_ : list of matplotlib PolyCollection
        The intervals of rolling averages, in panels of their own.
    ax_ : matplotlib Axes, or ndarray of them
        The axes, or those of each panel.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.plotting import PremiaPathDisplay
    >>> model = FamaMacBeth().fit(*make_panel(random_state=0, return_X_y=True))
    >>> display = PremiaPathDisplay.from_estimator(model, kind="rolling", window=24)
    >>> len(display.lines_) == model.lambdas_.shape[1]
    True
    """

    def __init__(self, lambdas: pd.DataFrame) -> None:
        self.lambdas = lambdas

    def plot(
        self,
        ax: Axes | Iterable[Axes] | None = None,
        *,
        kind: str = "cumulative",
        window: int = 60,
        level: float | None = 0.95,
        overlay: bool = False,
        names: Sequence[Hashable] | None = None,
        **kwargs: object,
    ) -> Self:
        """Draw the paths.

        Parameters
        ----------
        ax : matplotlib Axes, or as many as there are premia, optional
            Axes to draw on; a single one is divided into panels unless ``overlay``.
        kind : {"cumulative", "rolling"}, default="cumulative"
            Running sums of the slopes, or averages of the last ``window`` of them. Dates that
            could not be estimated are passed over.
        window : int, default=60
            Number of estimated dates in a rolling average.
        level : float or None, default=0.95
            Coverage of the band around rolling averages, from the variation of the slopes in the
            window and the t distribution; None draws none, and neither do overlaid paths.
        overlay : bool, default=False
            Whether all paths share one panel.
        names : list, optional
            Premia to show; all by default.
        **kwargs
            Passed to ``Axes.plot``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the kind or a name is unknown, or the window is longer than the sample.
        """
        if not is_one_of(kind, ("cumulative", "rolling")):
            raise ValueError(f"kind={kind!r} has to be 'cumulative' or 'rolling'.")
        lambdas = by_date(self._chosen(names), "lambdas")
        n_premia = lambdas.shape[1]
        panels = get_panels(
            self,
            ax,
            1 if overlay else n_premia,
            size=(7.0, 4.0 if overlay or n_premia == 1 else 1.7),
        )
        self.lines_, self.bands_ = [], []
        for i, name in enumerate(lambdas.columns):
            panel = panels[0] if overlay else panels[i]
            slopes = lambdas[name].dropna()
            if kind == "cumulative":
                path, half = slopes.cumsum(), None
            else:
                path, half = self._rolling(slopes, window, level)
            at = date_values(path.index)
            own = line_style(i) if overlay else line_style(0)
            style = styled(kwargs, "Line2D", label=text(name), **own)
            self.lines_.extend(panel.plot(at, path.to_numpy(), **style))
            if half is not None and not overlay:
                lower, upper = (path - half).to_numpy(), (path + half).to_numpy()
                band = {"color": style["color"], "alpha": 0.2, "linewidth": 0}
                self.bands_.append(panel.fill_between(at, lower, upper, **band))
            panel.axhline(0.0, **REFERENCE)
            panel.grid(alpha=0.3)
            if not overlay:
                panel.set_title(text(name), loc="left", fontsize=10)
        what = "sum of premia" if kind == "cumulative" else f"premium, mean of {window} dates"
        date_axis(panels[-1], lambdas.index)
        if overlay:
            legend(panels[0], n_premia)
            panels[0].set_ylabel(f"{what} (decimals)")
        else:
            shown = f"{what} (decimals)"
            if level is not None and self.bands_:
                shown = f"{what} (decimals), with {100 * level:g}% interval"
            panels[-1].set_xlabel(f"{panels[-1].get_xlabel()}\n{shown}")
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels)
        self.figure_ = own_figure(panels[0])
        return self

    def _chosen(self, names: Sequence[Hashable] | None) -> pd.DataFrame:
        if names is None:
            return self.lambdas
        unknown = [name for name in names if name not in self.lambdas.columns]
        if unknown or not len(names):
            known = list(self.lambdas.columns)
            raise ValueError(f"The premia {unknown} are unknown; there are {known}.")
        return self.lambdas[list(names)]

    @staticmethod
    def _rolling(
        slopes: pd.Series, window: int, level: float | None
    ) -> tuple[pd.Series, pd.Series | None]:
        if not 2 <= window <= len(slopes):
            raise ValueError(
                f"window={window} has to be at least 2 and at most {len(slopes)}, the dates of "
                f"{slopes.name!r} that were estimated."
            )
        rolling = slopes.rolling(window)
        path = rolling.mean().iloc[window - 1 :]
        if level is None:
            return path, None
        quantile = float(stats.t.ppf(0.5 + level / 2.0, window - 1))
        return path, quantile * rolling.std().iloc[window - 1 :] / np.sqrt(window)

    @classmethod
    def from_estimator(cls, estimator: BaseEstimator, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the paths of the premia of a fitted model.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``lambdas_``, such as `skfactor.FamaMacBeth`, or a pipeline that has one.
        ax : matplotlib Axes, or as many as there are premia, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        PremiaPathDisplay

        Raises
        ------
        TypeError
            If the estimator has no slopes by date.
        """
        needs = "a model with slopes of each date, such as FamaMacBeth"
        return cls(find_fitted(estimator, "lambdas_", cls.__name__, needs).lambdas_).plot(
            ax, **kwargs
        )

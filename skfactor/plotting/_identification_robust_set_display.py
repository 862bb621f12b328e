"""IdentificationRobustSetDisplay: premia of one or two factors that the data do not reject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._typing import Float64Array
from skfactor._validation import numbers
from skfactor.inference import IdentificationRobustSet, identification_robust_set
from skfactor.plotting._axes import COLORS, REFERENCE, get_axes, own_figure, styled, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

# Points of a curve, and of each side of an area.
_CURVE, _AREA = 801, 241


class IdentificationRobustSetDisplay:
    """Premia that the data do not reject: a curve of p-values of one factor, an area of two.

    Where the set goes on beyond the axes it is unbounded, and the title says so.

    Parameters
    ----------
    found : IdentificationRobustSet
        What `skfactor.inference.identification_robust_set` returned.
    premia : array-like of shape (n_factors,), optional
        Estimates to be marked, such as those of a `skfactor.FamaMacBeth`; a Series by its labels.

    Attributes
    ----------
    line_ : Line2D or None
        p-values over the premia of one factor.
    spans_ : list of Patch
        Intervals of one factor.
    area_ : QuadContourSet or None
        The set of two factors.
    point_ : Line2D or None
        The estimates.
    ax_ : matplotlib Axes
        Axes that hold them.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.plotting import IdentificationRobustSetDisplay
    >>> french = load_french().iloc[-240:]
    >>> returns = french.loc[:, "NoDur":"Other"].sub(french["RF"], axis=0)
    >>> display = IdentificationRobustSetDisplay.from_returns(french["MktRF"], returns)
    >>> len(display.spans_)
    1
    """

    def __init__(self, found: IdentificationRobustSet, premia: ArrayLike | None = None) -> None:
        self.found = found
        self.premia = premia

    def plot(
        self, ax: Axes | None = None, *, window: pd.DataFrame | None = None, **kwargs: object
    ) -> Self:
        """Draw the set.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; those of a new figure by default.
        window : DataFrame of shape (n_factors, 2), optional
            Range of the premia of each factor, as ``found.window``, which it is by default.
        **kwargs
            Passed to ``Axes.plot`` for one factor, ``Axes.contourf`` for two.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are not as many estimates or ranges as factors.
        """
        found, points = self.found, self._points()
        ranges = numbers(found.window if window is None else window, "window")
        if ranges.shape != (len(found.names), 2):
            raise ValueError(
                f"window has shape {ranges.shape}; there has to be a row with the lower and the "
                f"upper end for each of {found.names}."
            )
        axes = get_axes(self, ax, (6.0, 4.2))
        self.ax_, self.figure_ = axes, own_figure(axes)
        is_curve = len(found.names) == 1
        self.line_ = self._draw_curve(ranges[0], kwargs) if is_curve else None
        self.spans_ = self._draw_spans(ranges[0]) if is_curve else []
        self.area_ = None if is_curve else self._draw_area(ranges, kwargs)
        self.point_ = None if points is None else self._mark(points)
        kind = "empty" if found.is_empty else "" if found.is_bounded else "unbounded"
        said = f"{100.0 * found.level:g}% set of the {found.target} premia"
        axes.set_title(f"{said}: {kind}" if kind else said, fontsize=10)
        return self

    def _points(self) -> Float64Array | None:
        """The estimates (K,) in the order of the factors."""
        if self.premia is None:
            return None
        premia, names = self.premia, self.found.names
        if isinstance(premia, pd.Series):
            missing = [name for name in names if name not in premia.index]
            if missing:
                raise ValueError(f"premia has no {missing}; it has {list(premia.index)}.")
            premia = premia.reindex(names)
        points = np.atleast_1d(numbers(premia, "premia"))
        if points.shape != (len(names),):
            raise ValueError(f"premia has shape {points.shape}; there is one for each of {names}.")
        return points

    def _draw_curve(self, ends: Float64Array, kwargs: dict[str, object]) -> Line2D:
        """p-values over the premia of one factor."""
        found, axes = self.found, self.ax_
        at = np.linspace(ends[0], ends[1], _CURVE)
        style = styled(kwargs, "Line2D", color=COLORS[0])
        (line,) = axes.plot(at, found.p_values(at[:, None]), **style)
        axes.axhline(1.0 - found.level, **REFERENCE)
        axes.set_xlim(*ends)
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel(f"premium of {text(found.names[0])} (decimals per period)")
        axes.set_ylabel("p-value")
        return cast("Line2D", line)

    def _draw_spans(self, ends: Float64Array) -> list[Patch]:
        """Intervals of one factor, as far as they are within the axes."""
        return [
            self.ax_.axvspan(
                max(low, ends[0]), min(high, ends[1]), color=COLORS[0], alpha=0.15, linewidth=0
            )
            for low, high in self.found.intervals.to_numpy()
            if low < ends[1] and high > ends[0]
        ]

    def _draw_area(self, ranges: Float64Array, kwargs: dict[str, object]) -> QuadContourSet:
        """The set of two factors, with its border."""
        found, axes = self.found, self.ax_
        grid = np.meshgrid(*(np.linspace(ends[0], ends[1], _AREA) for ends in ranges))
        p_values = found.p_values(np.stack(grid, axis=-1))
        # Log p-values are about quadratic, so that the border is smooth between the points.
        height = np.log(np.maximum(p_values, np.finfo(np.float64).tiny))
        border = np.log(1.0 - found.level)
        style = {"colors": [COLORS[0]], "alpha": 0.3, **kwargs}
        area = axes.contourf(*grid, height, levels=[border, 0.0], **style)
        if height.min() < border < height.max():
            axes.contour(*grid, height, levels=[border], colors=[COLORS[0]], linestyles="solid")
        for line, ends in ((axes.axvline, ranges[0]), (axes.axhline, ranges[1])):
            if ends[0] < 0.0 < ends[1]:
                line(0.0, **REFERENCE)
        first, second = (f"premium of {text(name)} (decimals per period)" for name in found.names)
        axes.set_xlabel(first)
        axes.set_ylabel(second)
        return cast("QuadContourSet", area)

    def _mark(self, points: Float64Array) -> Line2D:
        """The estimates."""
        found = self.found
        at = [points, found.p_values(points[:, None])] if len(found.names) == 1 else list(points)
        (point,) = self.ax_.plot(*at, "D", color=COLORS[3], clip_on=False)
        return cast("Line2D", point)

    @classmethod
    def from_returns(
        cls,
        factors: ArrayLike,
        returns: ArrayLike,
        *,
        level: float = 0.95,
        target: str = "ex post",
        fit_intercept: bool = True,
        premia: ArrayLike | None = None,
        ax: Axes | None = None,
        window: pd.DataFrame | None = None,
        **kwargs: object,
    ) -> Self:
        """Invert the test and draw its set.

        Parameters
        ----------
        factors : array-like of shape (n_periods, n_factors) or (n_periods,)
            One or two factors.
        returns : array-like of shape (n_periods, n_assets)
            Returns of the test assets over the same periods.
        level, target, fit_intercept
            As in `skfactor.inference.identification_robust_set`.
        premia : array-like of shape (n_factors,), optional
            Estimates to be marked.
        ax : matplotlib Axes, optional
            Axes to draw on.
        window : DataFrame of shape (n_factors, 2), optional
            Range of the premia of each factor.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        IdentificationRobustSetDisplay
        """
        found = identification_robust_set(
            factors, returns, level=level, target=target, fit_intercept=fit_intercept
        )
        return cls(found, premia).plot(ax, window=window, **kwargs)

"""BetasDisplay: exposures of assets to factors, as points, as a heatmap, or over time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator

from skfactor._dates import find_date_level
from skfactor._fitted import find_fitted
from skfactor._validation import is_one_of
from skfactor.plotting._axes import (
    COLORS,
    DIVERGING,
    REFERENCE,
    date_axis,
    date_values,
    get_axes,
    get_panels,
    legend,
    line_style,
    name_rows,
    own_figure,
    row_height,
    styled,
    text,
)
from skfactor.plotting._date_quantiles import QUANTILES, draw_quantiles, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("points", "heatmap", "rolling")
# More assets than this are shown by quantiles, and more cells without their numbers.
_MANY_ASSETS, _MANY_CELLS = 8, 150


class BetasDisplay:
    """Betas of assets on factors: points with errors, a heatmap, or paths over time.

    Parameters
    ----------
    betas : DataFrame of shape (n_assets, n_factors)
        Exposures; NaN where an asset has none.
    std_errors : DataFrame of shape (n_assets, n_factors), optional
        Their standard errors.
    rolling_betas : DataFrame of shape (n_dates * n_assets, n_factors), optional
        Exposures of each date, indexed by (date, asset).

    Attributes
    ----------
    points_ : list of matplotlib ErrorbarContainer
        Betas and intervals, one container per factor; of ``kind="points"``.
    image_ : matplotlib AxesImage
        The betas as colours; of ``kind="heatmap"``.
    lines_ : list of matplotlib Line2D
        One line per asset, factor by factor; of ``kind="rolling"`` with up to 8 assets.
    medians_ : list of matplotlib Line2D
        The median of more assets, one per factor.
    bands_ : list of matplotlib PolyCollection
        For each factor the middle 90% and the middle 50% of more assets.
    ax_ : matplotlib Axes, or ndarray of them
        The axes, or those of each factor.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> from skfactor.plotting import BetasDisplay
    >>> french = load_french()
    >>> returns = french[["NoDur", "BusEq", "Manuf"]].sub(french["RF"], axis=0)
    >>> betas = FactorBetas().fit(french[["MktRF", "SMB", "HML"]], returns)
    >>> BetasDisplay.from_estimator(betas, kind="heatmap").image_.get_array().shape
    (3, 3)
    """

    def __init__(
        self,
        betas: pd.DataFrame,
        *,
        std_errors: pd.DataFrame | None = None,
        rolling_betas: pd.DataFrame | None = None,
    ) -> None:
        self.betas = betas
        self.std_errors = std_errors
        self.rolling_betas = rolling_betas

    def plot(
        self,
        ax: Axes | None = None,
        *,
        kind: str = "points",
        assets: Sequence[Hashable] | None = None,
        factors: Sequence[Hashable] | None = None,
        level: float = 0.95,
        **kwargs: Any,
    ) -> Self:
        """Draw the betas.

        Parameters
        ----------
        ax : matplotlib Axes, or as many as there are factors, optional
            Axes to draw on; a single one is divided into panels, except for a heatmap.
        kind : {"points", "heatmap", "rolling"}, default="points"
            Points with intervals, one panel per factor; colours, white at 0 and hatched where there
            is no beta; or paths over time.
        assets, factors : list, optional
            Which to show, in this order; all by default.
        level : float, default=0.95
            Coverage of the intervals of points, from the normal distribution; they need standard
            errors.
        **kwargs
            Passed to ``Axes.errorbar``, ``Axes.imshow`` or ``Axes.plot``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the kind, an asset or a factor is unknown, or there are no rolling betas.
        """
        if not is_one_of(kind, _KINDS):
            raise ValueError(f"kind={kind!r} has to be one of {list(_KINDS)}.")
        shown = _chosen(self.betas.index, assets, "assets")
        on = _chosen(self.betas.columns, factors, "factors")
        if kind == "points":
            self._points(ax, shown, on, level, kwargs)
        elif kind == "heatmap":
            self._heatmap(ax, shown, on, kwargs)
        else:
            self._rolling(ax, shown, on, kwargs)
        return self

    def _points(
        self,
        ax: Any,
        assets: list[Any],
        factors: list[Any],
        level: float,
        kwargs: dict[str, Any],
    ) -> None:
        size = (max(2.2, 7.0 / len(factors)), row_height(len(assets)))
        panels = get_panels(self, ax, len(factors), size=size, columns=True)
        quantile = float(stats.norm.ppf(0.5 + level / 2.0))
        self.points_ = []
        for panel, factor in zip(panels, factors, strict=True):
            half = None
            if self.std_errors is not None:
                half = quantile * self.std_errors.loc[assets, factor].to_numpy()
            style = styled(
                kwargs,
                "Line2D",
                fmt="o",
                color=COLORS[0],
                markersize=4.0,
                ecolor="0.3",
                capsize=1.5,
            )
            at = np.arange(len(assets))
            betas = self.betas.loc[assets, factor].to_numpy()
            self.points_.append(panel.errorbar(betas, at, xerr=half, **style))
            panel.axvline(0.0, **REFERENCE)
            panel.grid(axis="x", alpha=0.3)
            panel.set_xlabel(f"beta on {text(factor)}")
        name_rows(panels[0], assets)
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels)
        self.figure_ = own_figure(panels[0])

    def _heatmap(
        self,
        ax: Axes | None,
        assets: list[Hashable],
        factors: list[Hashable],
        kwargs: dict[str, object],
    ) -> None:
        axes = get_axes(self, ax, (2.5 + 0.7 * len(factors), row_height(len(assets))))
        betas = self.betas.loc[assets, factors].to_numpy(dtype=np.float64)
        largest = float(np.nanmax(np.abs(betas), initial=0.0)) or 1.0
        style = {"cmap": DIVERGING, "vmin": -largest, "vmax": largest, "aspect": "auto"}
        self.image_ = axes.imshow(betas, **{**style, "interpolation": "nearest", **kwargs})
        axes.patch.set(hatch="////", edgecolor="0.6")  # seen where a beta is missing
        if betas.size <= _MANY_CELLS:
            for (i, k), beta in np.ndenumerate(betas):
                shade = "white" if abs(beta) > 0.65 * largest else "black"
                shown = "" if np.isnan(beta) else f"{beta:.2f}"
                axes.text(k, i, shown, ha="center", va="center", color=shade, fontsize=8)
        turned = {"rotation": 45, "ha": "right"} if len(factors) > 6 else {}
        axes.set_xticks(range(len(factors)), [text(factor) for factor in factors], **turned)
        name_rows(axes, assets)
        own_figure(axes).colorbar(self.image_, ax=axes, label="beta")
        self.ax_, self.figure_ = axes, own_figure(axes)

    def _rolling(
        self, ax: Any, assets: list[Hashable], factors: list[Hashable], kwargs: dict[str, object]
    ) -> None:
        if self.rolling_betas is None:
            raise ValueError(
                "There are no rolling betas. Pass rolling_betas=, or fit with FactorBetas(window=)."
            )
        size = (7.0, 4.0 if len(factors) == 1 else 2.2)
        panels = get_panels(self, ax, len(factors), size=size)
        assets_level = 1 - find_date_level(self.rolling_betas.index)  # type: ignore[arg-type]  # raises
        self.lines_, self.medians_, self.bands_ = [], [], []
        many = len(assets) > _MANY_ASSETS
        for panel, factor in zip(panels, factors, strict=True):
            paths = self.rolling_betas[factor].unstack(assets_level)  # noqa: PD010 -- pivot_table would average duplicates
            paths = paths.sort_index().reindex(columns=assets)
            at = date_values(paths.index)
            if many:
                table = paths.quantile(QUANTILES, axis=1).to_numpy()
                median, bands = draw_quantiles(panel, at, table, kwargs)
                self.medians_.append(median)
                self.bands_.extend(bands)
            for i, asset in enumerate([] if many else assets):
                style = styled(kwargs, "Line2D", label=text(asset), **line_style(i))
                self.lines_.extend(panel.plot(at, paths[asset].to_numpy(), **style))
            panel.axhline(0.0, **REFERENCE)
            panel.grid(alpha=0.3)
            panel.set_ylabel(f"beta on {text(factor)}")
        if many:
            legend_above(panels[0])
        else:
            legend(panels[0], len(assets))
        date_axis(panels[-1], paths.index)
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels)
        self.figure_ = own_figure(panels[0])

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        kind: str = "points",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the betas of a fitted model.

        Parameters
        ----------
        estimator : estimator
            Fitted, with betas: `skfactor.FactorBetas`, a pipeline that has one, or a two-pass model
            in wide form.
        kind : {"points", "heatmap", "rolling"}, default="points"
            As in `plot`.
        ax : matplotlib Axes, or as many as there are factors, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        BetasDisplay

        Raises
        ------
        TypeError
            If the estimator has no betas.
        """
        model = find_fitted(
            estimator, "betas_", cls.__name__, "a model with betas, such as FactorBetas"
        )
        first_pass = getattr(model, "first_pass_", model)
        display = cls(
            model.betas_,
            std_errors=getattr(first_pass, "std_errors_", None),
            rolling_betas=getattr(first_pass, "rolling_betas_", None),
        )
        return display.plot(ax, kind=kind, **kwargs)


def _chosen(index: pd.Index, wanted: Sequence[Hashable] | None, what: str) -> list[Hashable]:
    if wanted is None:
        return list(index)
    unknown = [name for name in wanted if name not in index]
    if unknown or not len(wanted):
        raise ValueError(f"The {what} {unknown} have no betas; there are {list(index[:20])} ...")
    return list(wanted)

"""FactorSetDisplay: what a search of factor sets found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skfactor._validation import is_whole
from skfactor.plotting._axes import COLORS, INTERVAL, get_panels, name_rows, own_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class FactorSetDisplay:
    """Scores of all sets against their size, the best sets, and what those share.

    Parameters
    ----------
    sizes, scores : array-like of shape (n_sets,)
        Size and mean score of each set, the best first; NaN where a set has none.
    best : DataFrame of shape (n_best, 2)
        ``mean`` and ``std_error`` of the best sets, by their labels.
    shares : Series of shape (n_columns,)
        Share of the best percent of the sets that have each column.
    chosen : int
        Place of the set that was chosen.

    Attributes
    ----------
    frontier_ : Line2D
        Best score of each size.
    bars_ : BarContainer
        Scores of the best sets.
    share_bars_ : BarContainer
        How often each column is among the best percent.
    axes_ : list of matplotlib Axes
        Three, one below the other.
    figure_ : matplotlib Figure
        Figure that holds them.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import FactorSetSearchCV
    >>> from skfactor.plotting import FactorSetDisplay
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> search = FactorSetSearchCV(FamaMacBeth(), scoring="ic").fit(X, y)
    >>> FactorSetDisplay.from_estimator(search).shares.index.tolist()
    ['x1', 'x2', 'x3', 'x4', 'x5']
    """

    def __init__(
        self, sizes: object, scores: object, best: pd.DataFrame, shares: pd.Series, chosen: int = 0
    ) -> None:
        self.sizes = np.asarray(sizes)
        self.scores = np.asarray(scores, dtype=np.float64)
        self.best = best
        self.shares = shares
        self.chosen = chosen

    def plot(self, ax: Axes | None = None, **kwargs: object) -> Self:
        """Draw the three panels.

        Parameters
        ----------
        ax : matplotlib Axes or three of them, optional
            Axes to draw on; those of a new figure by default.
        **kwargs
            Passed to ``Axes.scatter``.

        Returns
        -------
        self
        """
        panels = get_panels(self, ax, 3, size=(7.0, 2.8), share=False)
        self._plot_sizes(panels[0], kwargs)
        place = np.arange(len(self.best))
        self.bars_ = panels[1].barh(place, self.best["mean"], color=COLORS[0])
        if self.best["std_error"].notna().any():
            panels[1].errorbar(
                self.best["mean"], place, xerr=self.best["std_error"].to_numpy(), **INTERVAL
            )
        name_rows(panels[1], [str(label) for label in self.best.index])
        panels[1].set_xlabel("score of the best sets, with one standard error")
        self.share_bars_ = panels[2].barh(
            np.arange(len(self.shares)), self.shares, color=COLORS[2], hatch="//"
        )
        name_rows(panels[2], [str(name) for name in self.shares.index])
        panels[2].set_xlim(0.0, 1.0)
        panels[2].set_xlabel("share of the best 1% of the sets that have it")
        self.axes_, self.figure_ = panels, own_figure(panels[0])
        return self

    def _plot_sizes(self, axes: Any, kwargs: dict[str, Any]) -> None:
        known = np.isfinite(self.scores)
        sizes, scores = self.sizes[known], self.scores[known]
        style = {"s": 9, "color": "0.6", "linewidths": 0.0, "rasterized": len(sizes) > 2_000}
        axes.scatter(sizes, scores, **{**style, **kwargs})
        unique = np.unique(sizes)
        frontier = [scores[sizes == size].max() for size in unique]
        (self.frontier_,) = axes.plot(
            unique, frontier, color=COLORS[0], marker="o", label="best of each size"
        )
        axes.plot(
            self.sizes[self.chosen],
            self.scores[self.chosen],
            linestyle="none",
            marker="D",
            markersize=8,
            color=COLORS[3],
            label="chosen",
        )
        axes.set_xlabel("columns and groups in the set")
        axes.set_ylabel("score")
        axes.xaxis.get_major_locator().set_params(integer=True)
        low = np.quantile(scores, 0.05)
        if low < min(frontier) < axes.get_ylim()[1]:  # a few very poor sets would flatten the rest
            axes.set_ylim(bottom=low)
        axes.legend(frameon=False, fontsize=9)

    @classmethod
    def from_estimator(
        cls, search: BaseEstimator, n_best: int = 10, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw what a search found.

        Parameters
        ----------
        search : FactorSetSearchCV
            Fitted.
        n_best : int, default=10
            Sets whose scores are shown as bars.
        ax : matplotlib Axes or three of them, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        FactorSetDisplay

        Raises
        ------
        TypeError
            If the estimator is not a search of factor sets.
        ValueError
            If ``n_best`` is not a positive whole number.
        """
        check_is_fitted(search)
        if not hasattr(search, "best_set_"):
            raise TypeError(
                f"FactorSetDisplay draws a FactorSetSearchCV; found {type(search).__name__}."
            )
        if not is_whole(n_best) or n_best < 1:
            raise ValueError(f"n_best={n_best!r} has to be a positive whole number.")
        table = search.results_
        means = table["score", "mean"].to_numpy()
        n_scored = int(np.isfinite(means).sum())
        best = table["score"].iloc[: min(n_best, n_scored)][["mean", "std_error"]]
        top = table["premium"].iloc[: max(1, n_scored // 100)]
        shares = top.notna().mean().rename("share")
        return cls(table["set", "size"], means, best, shares, search.best_index_).plot(ax, **kwargs)

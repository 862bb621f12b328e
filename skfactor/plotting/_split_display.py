"""SplitDisplay: which dates each split of a cross-validation trains on, leaves out and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._panel import find_panel, only_numbers_rows, time_index
from skfactor._typing import IntArray, RowLabels, Splitter
from skfactor.plotting._axes import (
    date_axis,
    date_values,
    get_axes,
    name_rows,
    own_figure,
    row_height,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNUSED, TRAIN, PURGED, TEST, BOTH = range(5)
# Light, hatched and dark, so that they differ without colours too.
_STYLES: dict[int, dict[str, Any]] = {
    TRAIN: {"facecolor": "#A6D3F2", "label": "train"},
    PURGED: {"facecolor": "white", "edgecolor": "0.5", "hatch": "/////", "label": "left out"},
    TEST: {"facecolor": "#0072B2", "label": "test"},
    BOTH: {"facecolor": "#D55E00", "hatch": "xxx", "label": "in train and in test"},
}


class SplitDisplay:
    """Training, purged and test dates of each split.

    A date on which some rows are trained on and others tested, as splitters of rows make them, is
    shown as such: there the training set knows what happened on the tested date.

    Parameters
    ----------
    dates : Index of shape (n_dates,)
        Dates, ascending.
    roles : ndarray of shape (n_splits, n_dates)
        What each split does with each date: 0 not used, 1 train, 2 left out next to a test
        (purged or under embargo), 3 test, 4 both train and test.

    Attributes
    ----------
    blocks_ : list of dict
        For each split the matplotlib PolyCollection of each role that occurs.
    ax_ : matplotlib Axes
        Axes that hold them.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Examples
    --------
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from skfactor.datasets import load_french
    >>> from skfactor.plotting import SplitDisplay
    >>> display = SplitDisplay.from_splitter(TimeSeriesSplit(4, gap=12), load_french())
    >>> display.roles.shape
    (4, 819)
    """

    def __init__(self, dates: pd.Index, roles: IntArray) -> None:
        self.dates = dates
        self.roles = roles

    def plot(self, ax: Axes | None = None, **kwargs: object) -> Self:
        """Draw one row per split, the first on top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; those of a new figure by default.
        **kwargs
            Passed to ``Axes.broken_barh``.

        Returns
        -------
        self
        """
        n_splits = len(self.roles)
        axes = get_axes(self, ax, (7.0, row_height(n_splits) + 0.3))
        edges = _edges(date_values(self.dates))
        self.blocks_: list[dict[int, Any]] = []
        drawn: dict[int, Any] = {}
        for split, roles in enumerate(self.roles):
            blocks = {}
            for role, style in _STYLES.items():
                runs = np.flatnonzero(np.diff(roles == role, prepend=False, append=False))
                starts, stops = edges[runs[::2]], edges[runs[1::2]]
                if len(starts):
                    spans = list(zip(starts, stops - starts, strict=True))
                    own = {"linewidth": 0.0, **style, **kwargs}
                    blocks[role] = axes.broken_barh(spans, (split - 0.4, 0.8), **own)
            self.blocks_.append(blocks)
            drawn = {**blocks, **drawn}
        axes.set_xlim(edges[0], edges[-1])
        name_rows(axes, range(n_splits))
        axes.set_ylabel("split")
        date_axis(axes, self.dates)
        handles = [drawn[role] for role in sorted(drawn)]
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        axes.legend(handles=handles, ncols=4, frameon=False, fontsize=9, **place)
        self.ax_, self.figure_ = axes, own_figure(axes)
        return self

    @classmethod
    def from_splitter(
        cls,
        cv: Splitter,
        X: ArrayLike,
        y: ArrayLike | None = None,
        groups: RowLabels | None = None,
        *,
        dates: RowLabels | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Split data and draw it.

        Parameters
        ----------
        cv : splitter
            Of `skfactor.model_selection`, of scikit-learn, or any with ``split(X, y, groups)``.
        X, y : DataFrame, Series or array-like
            Data to split. Their indexes supply the dates of the rows.
        groups : array-like of shape (n_rows,), optional
            Passed to the splitter; where nothing else has dates, these are the dates.
        dates : array-like of shape (n_rows,), optional
            Date of each row, if it is not in an index. If there are no dates, each row is a period.
        ax : matplotlib Axes, optional
            Axes to draw on.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        SplitDisplay

        Raises
        ------
        ValueError
            If the splitter makes no split, or as it raises itself.
        """
        places, labels = _row_places(X, y, groups, dates)
        rows = []
        for train, test in cv.split(X, y, groups):
            roles = np.zeros(len(labels), dtype=np.intp)
            roles[places[train]] = TRAIN
            tested = np.zeros(len(labels), dtype=bool)
            tested[places[test]] = True
            roles[tested] = np.where(roles[tested] == TRAIN, BOTH, TEST)
            rows.append(_mark_purged(roles))
        if not rows:
            raise ValueError(f"{cv!r} makes no split of these data.")
        return cls(labels, np.stack(rows)).plot(ax, **kwargs)


def _row_places(
    X: Any, y: Any, groups: RowLabels | None, dates: RowLabels | None
) -> tuple[IntArray, pd.Index]:
    """Place of the date of each row among the dates, which are ascending."""
    n_rows = len(X)
    panel = find_panel(X, y, n_rows=n_rows, dates=dates, time_series=True)
    if panel is None and np.ndim(y) == 2:  # ISO text as the index of wide data
        index = time_index(X, y)
        if index is not None and not only_numbers_rows(index):
            order = np.asarray(index.argsort())
            return np.argsort(order), index[order]
    if panel is None and groups is not None:
        panel = find_panel(X, y, n_rows=n_rows, dates=groups)
    if panel is None:
        return np.arange(n_rows), pd.RangeIndex(n_rows, name="row")
    return panel.dates.codes, panel.dates.labels


def _mark_purged(roles: IntArray) -> IntArray:
    """Mark dates that are not used and lie between dates that are, one side of which is tested."""
    edges = np.flatnonzero(np.diff(roles == UNUSED, prepend=False, append=False)).reshape(-1, 2)
    for start, stop in edges:
        if start > 0 and stop < len(roles) and max(roles[start - 1], roles[stop]) >= TEST:
            roles[start:stop] = PURGED
    return roles


def _edges(at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Start of each date, and the end of the last one, as numbers of the axis (T + 1,)."""
    from matplotlib.dates import date2num

    timed = np.issubdtype(at.dtype, np.datetime64)
    starts = np.asarray(date2num(at) if timed else at, np.float64)  # type: ignore[no-untyped-call]  # matplotlib is typed in part
    last = float(np.median(np.diff(starts))) if len(starts) > 1 else 1.0
    return np.append(starts, starts[-1] + last)

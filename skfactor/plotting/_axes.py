"""What the displays share: axes to draw on, colours, dates and names on an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfactor._calendar import by_date as sort_by_date
from skfactor._dates import check_dates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers tell apart, without the faint yellow.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
# With them, lines and bars differ in print without colours too.
LINE_STYLES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "...", "xxx")
# For values on both sides of zero: purple and orange, which colour-blind readers can distinguish.
DIVERGING = "PuOr_r"
INTERVAL: dict[str, Any] = {"fmt": "none", "ecolor": "black", "elinewidth": 1.1, "capsize": 2.5}
REFERENCE: dict[str, Any] = {"color": "0.35", "linewidth": 0.8, "zorder": 1}

# With more, matplotlib takes long to find the best place of a legend, and warns.
_FEW_POINTS = 10_000
_POINTS = 72.0  # an inch
_LARGEST, _SMALLEST = 10.0, 5.0  # sizes of names, in points


def require_matplotlib(caller: object) -> ModuleType:
    """Import ``matplotlib.pyplot``, or raise ``ImportError`` that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{type(caller).__name__} draws with matplotlib: pip install "skfactor[plot]"'
        ) from error
    return plt


# Axes are typed as Any: matplotlib's stubs do not take dictionaries of keywords.
def get_axes(caller: object, ax: Axes | None, size: tuple[float, float]) -> Any:
    """The axes passed, or those of a new figure of this size in inches."""
    plt = require_matplotlib(caller)
    if ax is None:
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    elif not hasattr(ax, "get_subplotspec"):
        raise TypeError(f"This plot needs one matplotlib Axes as ax; found {type(ax).__name__}.")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    return ax


def get_panels(
    caller: object,
    ax: Any,
    n_panels: int,
    *,
    size: tuple[float, float],
    columns: bool = False,
    share: bool = True,
) -> list[Any]:
    """As many axes as there are panels, one below (or beside) the other.

    ``ax`` may be as many axes, or one, whose place they then share. ``size`` is that of one panel
    of a new figure, in inches.
    """
    plt = require_matplotlib(caller)
    shape = (1, n_panels) if columns else (n_panels, 1)
    shared = {"sharex": share and not columns, "sharey": share and columns}
    if ax is None:
        width, height = size[0] * shape[1], size[1] * shape[0]
        figure = plt.figure(figsize=(width, height), layout="constrained")
        panels = list(figure.subplots(*shape, squeeze=False, **shared).flat)
    elif hasattr(ax, "get_subplotspec"):
        panels = [ax] if n_panels == 1 else _divide(ax, shape, shared)
    else:
        panels = list(np.ravel(ax))
        if len(panels) != n_panels:
            raise ValueError(
                f"This plot has {n_panels} panels, found {len(panels)} axes. Pass as many, a "
                "single one to divide, or none for a new figure."
            )
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_axisbelow(True)
    return panels


def _divide(ax: Any, shape: tuple[int, int], shared: dict[str, bool]) -> list[Axes]:
    """Axes in a grid at the place of one, which is turned off."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "Several panels do not fit into axes that are not part of a grid. Pass axes made by "
            "plt.subplots, or as many as there are panels."
        )
    ax.set_axis_off()
    grid = place.subgridspec(*shape)
    return list(grid.subplots(squeeze=False, **shared).flat)


def own_figure(ax: Any) -> Figure:
    """The figure that axes are on, that of a subfigure included."""
    figure = ax.figure
    while figure is not figure.figure:
        figure = figure.figure
    return figure  # type: ignore[no-any-return]  # axes are typed as Any


def styled(kwargs: Mapping[str, object], artist: str, **defaults: Any) -> dict[str, Any]:
    """Keywords of an artist (``"Line2D"``, ...): the user's win over the defaults."""
    from matplotlib import cbook, collections, lines, patches

    kinds = {
        "Line2D": lines.Line2D,
        "Patch": patches.Patch,
        "PathCollection": collections.PathCollection,
    }
    return {**defaults, **cbook.normalize_kwargs(dict(kwargs), kinds[artist])}


def line_style(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th line: 28 that differ."""
    style = LINE_STYLES[i % len(LINE_STYLES)]
    return {"color": COLORS[i % len(COLORS)], "linestyle": style, "linewidth": 1.5}


def bar_style(i: int) -> dict[str, Any]:
    """Colour and hatching of the i-th kind of bar: 28 that differ."""
    hatch = HATCHES[i % len(HATCHES)]
    return {"color": COLORS[i % len(COLORS)], "hatch": hatch, "edgecolor": "white", "linewidth": 0}


def text(label: object) -> str:
    """A label as text that matplotlib takes as it is: no mathematics, never hidden."""
    parts = label if isinstance(label, tuple) else (label,)
    shown = ", ".join(map(str, parts)).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def legend(ax: Any, n_entries: int) -> None:
    """Name the artists inside the axes, or beside them where there are many; nothing for one."""
    if n_entries > 6:
        size = float(np.clip(_height(ax) / n_entries / 1.4, _SMALLEST, 8.0))
        columns = 1 + int(n_entries * _SMALLEST * 1.4 / _height(ax))
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
        ax.legend(frameon=False, fontsize=size, labelspacing=0.2, ncols=columns, **place)
    elif n_entries > 1:
        n_points = sum(len(line.get_xdata()) for line in ax.lines)
        corner = "best" if n_points <= _FEW_POINTS else "upper left"
        ax.legend(fontsize=9, framealpha=0.8, edgecolor="none", loc=corner)


def by_date(data: pd.DataFrame | pd.Series, what: str) -> Any:
    """Rows in order of their dates, or as they are where they are only numbered."""
    return data if isinstance(data.index, pd.RangeIndex) else sort_by_date(data, what)


def date_values(dates: pd.Index) -> np.ndarray[Any, Any]:
    """Dates as datetimes (T,), Periods at their start; numbers that are not dates as they are."""
    dates = check_dates(dates)
    if isinstance(dates, pd.PeriodIndex):
        return np.asarray(dates.to_timestamp(how="start").to_numpy())
    if isinstance(dates, pd.DatetimeIndex):
        return np.asarray(dates.tz_localize(None).to_numpy())
    written = dates.astype(str)
    for pattern, form in ((r"\d{6}", "%Y%m"), (r"\d{8}", "%Y%m%d")):
        if written.str.fullmatch(pattern).all():
            found = pd.to_datetime(written, format=form, errors="coerce")
            if not found.hasnans:
                return np.asarray(found.to_numpy())
    if pd.api.types.is_integer_dtype(dates.dtype):
        return dates.to_numpy()
    return np.asarray(pd.to_datetime(written, format="ISO8601").to_numpy())


def date_axis(ax: Axes, dates: pd.Index) -> None:
    """Let the x axis show dates, few enough to read."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    if np.issubdtype(date_values(dates[:1]).dtype, np.datetime64):
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]  # matplotlib is typed in part
        ax.xaxis.set_major_locator(locator)
        form = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]  # matplotlib, as above
        ax.xaxis.set_major_formatter(form)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("date" if dates.name is None else text(dates.name))


def name_rows(ax: Axes, names: Sequence[object] | pd.Index) -> None:
    """Name rows 0, 1, ... from top to bottom: smaller where they are many, then only some."""
    height = _height(ax)
    size = float(np.clip(height / max(len(names), 1) / 1.25, _SMALLEST, _LARGEST))
    step = max(1, int(np.ceil(len(names) * _SMALLEST * 1.25 / height)))
    shown = range(0, len(names), step)
    ax.set_yticks(list(shown), [text(names[i]) for i in shown], fontsize=size)
    ax.set_ylim(len(names) - 0.5, -0.5)


def _height(ax: Any) -> float:
    """Height of axes in points, as far as it is known before they are drawn."""
    return float(ax.get_window_extent().height / own_figure(ax).dpi * _POINTS)


def row_height(n_rows: int) -> float:
    """Height in inches for so many named rows, within what a page holds."""
    return float(np.clip(0.9 + 0.22 * n_rows, 2.2, 12.0))

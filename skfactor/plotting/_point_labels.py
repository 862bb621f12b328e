"""Names beside the points of a scatter plot, none over another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skfactor._typing import Float64Array
from skfactor.plotting._axes import own_figure, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

_OFFSET = "offset points"
# Places of a name around its point, in points, the first that is free wins.
_PLACES = [
    *((5, 0, "left", "center"), (-5, 0, "right", "center")),
    *((0, 5, "center", "bottom"), (0, -5, "center", "top")),
    *((4, 4, "left", "bottom"), (4, -4, "left", "top")),
    *((-4, 4, "right", "bottom"), (-4, -4, "right", "top")),
]


def name_points(
    ax: Axes, x: Float64Array, y: Float64Array, names: list[Any], order: list[int]
) -> list[Annotation]:
    """Name the points in this order; one whose name would cover another name or point has none."""
    own_figure(ax).draw_without_rendering()  # settles where the axes and points are
    points = ax.transData.transform(np.column_stack([x, y]))
    frame = ax.get_window_extent()
    taken: list[Float64Array] = []
    placed: list[Annotation] = []
    for i in order:
        name = ax.annotate(text(names[i]), (x[i], y[i]), (0, 0), textcoords=_OFFSET, fontsize=8)
        for dx, dy, ha, va in _PLACES:
            name.set(position=(dx, dy), ha=ha, va=va)
            box = np.array(name.get_window_extent().extents)
            if _is_free(box, np.delete(points, i, axis=0), taken) and _is_inside(box, frame):
                taken.append(box)
                placed.append(name)
                break
        else:
            name.remove()
    return placed


def _is_free(box: Float64Array, points: Float64Array, taken: list[Float64Array]) -> bool:
    low, high = box[:2], box[2:]
    covered = ((points > low - 2) & (points < high + 2)).all(axis=1).any()
    return not covered and not any(
        (low < other[2:]).all() and (high > other[:2]).all() for other in taken
    )


def _is_inside(box: Float64Array, frame: Any) -> bool:
    return bool((box[:2] >= frame.extents[:2]).all() and (box[2:] <= frame.extents[2:]).all())

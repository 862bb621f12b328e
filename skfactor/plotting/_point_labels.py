"""Names beside the points of a scatter plot, none over another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skfactor._typing import Float64Array
from skfactor.plotting._axes import own_figure, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

# No more have room, and measuring a name takes time.
_MOST = 200
_OFFSET = "offset points"
# Places of a name around its point, in points, the first that is free wins.
_PLACES = [
    *((5, 0, "left", "center"), (-5, 0, "right", "center")),
    *((0, 5, "center", "bottom"), (0, -5, "center", "top")),
    *((4, 4, "left", "bottom"), (4, -4, "left", "top")),
    *((-4, 4, "right", "bottom"), (-4, -4, "right", "top")),
]
# Share of the name's size that lies before where it is anchored.
_BEFORE = {"left": 0.0, "bottom": 0.0, "center": 0.5, "right": 1.0, "top": 1.0}


def name_points(
    ax: Axes, x: Float64Array, y: Float64Array, names: Sequence[Hashable], order: list[int]
) -> list[Annotation]:
    """Name the points in this order; one whose name would cover another name or point has none."""
    own_figure(ax).draw_without_rendering()  # settles where the axes and points are
    points = ax.transData.transform(np.column_stack([x, y]))
    frame = ax.get_window_extent()
    scale = own_figure(ax).dpi / 72.0  # pixels a point
    taken: list[Float64Array] = []
    placed: list[Annotation] = []
    for i in order[:_MOST]:
        name = ax.annotate(text(names[i]), (x[i], y[i]), (0, 0), textcoords=_OFFSET, fontsize=8)
        others = np.delete(points, i, axis=0)
        size = np.array(name.get_window_extent().size)
        for dx, dy, ha, va in _PLACES:
            anchor = points[i] + scale * np.array([dx, dy])
            low = anchor - size * [_BEFORE[ha], _BEFORE[va]]
            box = np.concatenate([low, low + size])
            if _is_free(box, others, taken) and _is_inside(box, frame):
                name.set(position=(dx, dy), ha=ha, va=va)
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

"""A distribution by date: its median with bands of the middle half and of nearly all."""

from __future__ import annotations

from typing import Any

import numpy as np

from skfactor._typing import Float64Array
from skfactor.plotting._axes import COLORS, styled

QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def draw_quantiles(
    panel: Any, at: np.ndarray[Any, Any], quantiles: Float64Array, kwargs: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """Draw the QUANTILES (5, T) of each date: the line of the median, and the two bands."""
    low, lower, median, upper, high = quantiles
    bands = []
    for bottom, top, alpha, share in ((low, high, 0.25, 90), (lower, upper, 0.5, 50)):
        style = {"color": COLORS[5], "alpha": alpha, "linewidth": 0}
        label = f"middle {share}% of the assets"
        bands.append(panel.fill_between(at, bottom, top, label=label, **style))
    own = {"color": COLORS[0], "linewidth": 1.5, "label": "median"}
    return panel.plot(at, median, **styled(kwargs, "Line2D", **own))[0], bands


def legend_above(panel: Any) -> None:
    """Name the median and the bands above the axes, where they cover nothing."""
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    panel.legend(fontsize=8, ncols=3, frameon=False, **place)

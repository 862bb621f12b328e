"""Bounds of every column on each date, which some transformers clip to and others cut at."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Real
from typing import ClassVar

import numpy as np

from skfactor._base import PANEL_CONSTRAINTS, PanelTransformer
from skfactor._kernels.moments import segment_moments, standard_deviation
from skfactor._kernels.quantiles import MAD_TO_STD, Side, segment_median, segment_quantiles
from skfactor._kernels.segments import Segments
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import ColumnChoice, Float64Array, FloatArray


class Bounded(PanelTransformer):
    """A transformer whose statistics are a lower and an upper bound; a subclass applies them."""

    __metadata_request__fit: ClassVar = {"weights": False}
    __metadata_request__transform: ClassVar = {"weights": False}
    _weightless: ClassVar = "its bounds count assets, not capital"
    _statistic_names: ClassVar = {"lower_bounds_": -np.inf, "upper_bounds_": np.inf}
    _parameter_constraints: ClassVar = {
        "lower": [Interval(Real, None, None, closed="neither"), None],
        "upper": [Interval(Real, None, None, closed="neither"), None],
        "rule": [StrOptions({"quantile", "std", "mad"})],
        "interpolation": [StrOptions({"linear", "order_statistic"})],
        **PANEL_CONSTRAINTS,
    }

    def __init__(
        self,
        lower: float | None = 0.01,
        upper: float | None = 0.99,
        *,
        rule: str = "quantile",
        interpolation: str = "linear",
        passthrough: ColumnChoice | None = None,
        min_group_size: int | None = None,
        date_level: str | int | None = "auto",
    ) -> None:
        self.lower = lower
        self.upper = upper
        self.rule = rule
        self.interpolation = interpolation
        self.passthrough = passthrough
        self.min_group_size = min_group_size
        self.date_level = date_level

    def _learn_columns(self, names: Sequence[Hashable]) -> None:
        lower, upper = self.lower, self.upper
        found = f"found lower={lower}, upper={upper}"
        if self.rule == "quantile":
            low, high = 0.0 if lower is None else lower, 1.0 if upper is None else upper
            if not 0.0 <= low <= high <= 1.0:
                raise ValueError(f"Quantile levels need 0 <= lower <= upper <= 1; {found}.")
        elif not ((lower is None or lower < 0.0) and (upper is None or upper > 0.0)):
            raise ValueError(
                f"rule={self.rule!r} takes signed distances from the center, lower < 0 < upper, "
                f"such as lower=-3, upper=3; {found}."
            )
        if self.rule != "quantile" and self.interpolation != "linear":
            raise ValueError(
                f"interpolation={self.interpolation!r} is for rule='quantile'; "
                f"found rule={self.rule!r}."
            )

    def _statistics(
        self, columns: FloatArray, segments: Segments, weights: Float64Array | None
    ) -> tuple[Float64Array, Float64Array]:
        shape = (len(segments), len(columns))
        bounds = {"lower": np.full(shape, -np.inf), "upper": np.full(shape, np.inf)}
        if self.rule == "quantile":
            sides: list[tuple[str, Side, float | None]]
            sides = [("lower", "lower", self.lower), ("upper", "upper", self.upper)]
            closed = [(level, side) for _, side, level in sides if level is not None]
            interpolation = self.interpolation
            tables = segment_quantiles(columns, segments, closed, interpolation)  # type: ignore[arg-type]  # a constraint checks its values
            bounds.update({side: table for (_, side), table in zip(closed, tables, strict=True)})
            lower, upper = bounds["lower"], bounds["upper"]
            # Shares that leave no value between the bounds make order statistics cross.
            crossed = lower > upper
            lower[crossed] = upper[crossed] = (lower[crossed] + upper[crossed]) / 2.0
            return lower, upper
        if self.rule == "std":
            moments = segment_moments(columns, segments)
            center = moments.mean
            spread = standard_deviation(moments, 0, float(np.finfo(columns.dtype).eps))
        else:
            center = segment_median(columns, segments)
            spread = MAD_TO_STD * segment_median(columns, segments, deviations_from=center)
        if self.lower is not None:
            bounds["lower"] = center + self.lower * spread
        if self.upper is not None:
            bounds["upper"] = center + self.upper * spread
        return bounds["lower"], bounds["upper"]

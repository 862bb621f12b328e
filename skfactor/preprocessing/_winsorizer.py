"""Winsorizer: clip every column to bounds of its own date."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from skfactor._base import PANEL_CONSTRAINTS, PanelTransformer
from skfactor._kernels.moments import segment_moments, standard_deviation
from skfactor._kernels.quantiles import (
    MAD_TO_STD,
    Side,
    clip_segments,
    segment_median,
    segment_quantiles,
)
from skfactor._kernels.segments import Segments
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import Float64Array, FloatArray


class Winsorizer(PanelTransformer):
    """Clip every column to bounds taken from the row's own date.

    Values beyond a bound are set to the bound. With dates, in the index of X or as ``dates=``,
    the bounds are those of the date's cross-section (of the row's group in it, with
    ``groupby=``), in `transform` as in `fit`. Without dates they are learned in `fit`.

    Parameters
    ----------
    lower, upper : float or None, default=0.01 and 0.99
        The bounds, in the units of ``rule``; None leaves that side open.
    rule : {"quantile", "std", "mad"}, default="quantile"
        - ``"quantile"``: quantile levels, ``0 <= lower <= upper <= 1``.
        - ``"std"``: standard deviations (divisor n) around the mean, ``lower < 0 < upper``.
        - ``"mad"``: multiples of 1.4826 times the median absolute deviation around the median,
          ``lower < 0 < upper``.
    interpolation : {"linear", "order_statistic"}, default="linear"
        How a quantile is found. ``"linear"`` interpolates, as ``numpy.quantile`` does: 1, ..., 10
        at 0.1 and 0.9 are clipped to 1.9 and 9.1. ``"order_statistic"`` replaces the
        ``floor(share * n)`` values beyond each bound by the next one, as
        ``scipy.stats.mstats.winsorize`` does: 2 and 9.
    passthrough : list of column names, callable or None, default=None
        Columns that stay as they are (positions in an array), such as macroeconomic variables,
        which are the same for all assets of a date. A callable finds them in the X of `fit`, as
        ``sklearn.compose.make_column_selector`` does.
    min_group_size : int or None, default=None
        A group of ``groupby=`` with fewer values of a column on a date is clipped to the bounds
        of the whole date there. None: every group has bounds of its own, however small it is.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    lower_bounds_, upper_bounds_ : ndarray of shape (n_features,) or (n_groups, n_features)
        The bounds learned in `fit`; only there if it had no dates.
    passthrough_features_ : list
        Names (positions in an array) of the columns of ``passthrough``.
    per_date_ : bool
        Whether bounds are taken date by date.
    groups_ : Index or None
        The groups of the rows of the bounds; only there if `fit` had no dates.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    Missing values are left out of the quantiles and stay where they are. ``weights`` raise: a
    bound counts assets, not capital.

    References
    ----------
    .. [1] Tukey, J. W. (1962), "The Future of Data Analysis", Annals of Mathematical Statistics
       33(1), 1-67. https://doi.org/10.1214/aoms/1177704711

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import Winsorizer
    >>> index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abcd")],
    ...                                    names=["date", "asset"])
    >>> size = pd.DataFrame({"size": [1.0, 2.0, 3.0, 90.0, 10.0, 20.0, 30.0, 40.0]}, index=index)
    >>> Winsorizer(upper=0.75).fit_transform(size).unstack("date")
             size
    date  2024-01 2024-02
    asset
    a        1.03    10.3
    b        2.00    20.0
    c        3.00    30.0
    d       24.75    32.5
    """

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
        passthrough: Any = None,
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

    def _apply(
        self,
        columns: FloatArray,
        segments: Segments,
        statistics: tuple[Float64Array, ...],
        out: FloatArray,
    ) -> None:
        lower, upper = statistics
        clip_segments(columns, segments, lower, upper, out)

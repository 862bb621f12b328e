"""FactorZScorer: standardize every column within its own date."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._base import PANEL_CONSTRAINTS, PanelTransformer
from skfactor._kernels.cells import Cells
from skfactor._kernels.moments import (
    rescale_segments,
    segment_moments,
    standard_deviation,
    weighted_mean,
)
from skfactor._kernels.quantiles import MAD_TO_STD, segment_median
from skfactor._kernels.segments import Segments
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import BoolArray, ColumnChoice, Float64Array, FloatArray, RowLabels
from skfactor._validation import check_row_weights, like_input, which_columns
from skfactor._warn import warn_user
from skfactor.exceptions import DegenerateScaleWarning

# Marks of a center without a weight, and of a scale that is 0 for a column that varies: a small
# group may yet take the statistics of its date instead.
_WEIGHTLESS, _DEGENERATE = np.inf, np.inf


class FactorZScorer(PanelTransformer):
    """Center and scale every column within the row's own date.

    With dates, in the index of X or as ``dates=``, center and scale are those of the date's
    cross-section (of the row's group in it, with ``groupby=``), in `transform` as in `fit`.
    Without dates they are learned in `fit`, as by scikit-learn's ``StandardScaler``.

    Parameters
    ----------
    center : {"mean", "median"} or None, default="mean"
        What is subtracted. With ``weights=`` the mean is weighted (by market capitalization, in
        the convention of Barra) while the scale stays the equal-weighted one about the
        equal-weighted mean.
    scale : {"std", "mad"} or None, default="std"
        What is divided by: the standard deviation, or 1.4826 times the median absolute deviation
        from the median.
    ddof : int, default=0
        The divisor of the standard deviation is n - ddof. 0 as in zipline and StandardScaler;
        pandas' default is 1.
    clip : float or None, default=None
        Scores are clipped to +-clip afterwards, without a second pass.
    indicators : "auto", list of column names or None, default="auto"
        Columns that stay as they are. ``"auto"``: those of boolean dtype, and those that hold 0
        and 1 and nothing else in `fit`. A list names them (positions in an array). None: none.
    passthrough : list of column names, callable or None, default=None
        Columns that stay as they are (positions in an array), such as macroeconomic variables,
        which are the same for all assets of a date. A callable finds them in the X of `fit`, as
        ``sklearn.compose.make_column_selector`` does.
    min_group_size : int or None, default=None
        A group of ``groupby=`` with fewer values of a column on a date is scored by the center and
        scale of the whole date there. None: every group has its own, however small it is.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    indicator_features_ : list
        Names (positions in an array) of the columns that stay as they are.
    center_, scale_ : ndarray of shape (n_features,) or (n_groups, n_features)
        Learned in `fit`; only there if it had no dates. A scale of 0 marks a constant.
    passthrough_features_ : list
        Names (positions in an array) of the columns of ``passthrough``.
    per_date_ : bool
        Whether scores are taken date by date.
    groups_ : Index or None
        The groups of the rows of center and scale; only there if `fit` had no dates.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    Missing values are left out of the statistics and stay where they are. A column that is
    constant on a date (up to rounding) scores 0 there, a single asset too. A column whose median
    absolute deviation is 0 although it varies gets NaN there, and one warning counts the cases.
    Deviations below 1e-150 count as none, as their squares are 0 to the machine: measure such a
    column in another unit. Values above 1e75 raise.

    References
    ----------
    .. [1] Grinold, R. C. and R. N. Kahn (2000), "Active Portfolio Management", 2nd ed.,
       McGraw-Hill, ISBN 978-0070248823.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorZScorer
    >>> index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abc")],
    ...                                    names=["date", "asset"])
    >>> X = pd.DataFrame({"value": [1.0, 2.0, 3.0, 10.0, 10.0, 40.0], "nyse": [0, 1, 1, 0, 1, 1]},
    ...                  index=index)
    >>> scorer = FactorZScorer().fit(X)
    >>> scorer.transform(X).round(3)
                   value  nyse
    date    asset
    2024-01 a     -1.225   0.0
            b      0.000   1.0
            c      1.225   1.0
    2024-02 a     -0.707   0.0
            b     -0.707   1.0
            c      1.414   1.0
    >>> scorer.indicator_features_
    ['nyse']
    """

    __metadata_request__inverse_transform: ClassVar = {"groupby": True}
    _statistic_names: ClassVar = {"center_": 0.0, "scale_": 1.0}
    _parameter_constraints: ClassVar = {
        "center": [StrOptions({"mean", "median"}), None],
        "scale": [StrOptions({"std", "mad"}), None],
        "ddof": [Interval(Integral, 0, None, closed="left")],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
        "indicators": [StrOptions({"auto"}), list, None],
        **PANEL_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        center: str | None = "mean",
        scale: str | None = "std",
        ddof: int = 0,
        clip: float | None = None,
        indicators: str | Sequence[Hashable] | None = "auto",
        passthrough: ColumnChoice | None = None,
        min_group_size: int | None = None,
        date_level: str | int | None = "auto",
    ) -> None:
        self.center = center
        self.scale = scale
        self.ddof = ddof
        self.clip = clip
        self.indicators = indicators
        self.passthrough = passthrough
        self.min_group_size = min_group_size
        self.date_level = date_level

    def inverse_transform(self, X: ArrayLike, groupby: RowLabels | None = None) -> Any:
        """Values with these scores; only after a `fit` without dates.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Scores. A score at +-clip gives the value at which clipping starts.
        groupby : array-like of shape (n_rows,), optional
            Group of each row, if `fit` had groups.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_features)
            In the container, order and index of X.

        Raises
        ------
        ValueError
            If `fit` had dates: a date's statistics are not kept.
        """
        scores, place = self._to_invert(X, groupby)
        center, scale = (np.atleast_2d(table)[place] for table in (self.center_, self.scale_))
        return like_input(self, X, (scores * scale + center).astype(scores.dtype))

    def _stays(self, X: ArrayLike, names: Sequence[Hashable], values: FloatArray) -> BoolArray:
        stays = super()._stays(X, names, values)
        if self.indicators == "auto":
            boolean = _boolean_columns(X)
            chosen = [
                name
                for name, passed, column in zip(names, stays, values.T, strict=True)
                if not passed and (name in boolean or _holds_zero_and_one(column))
            ]
        else:
            chosen = list(self.indicators or [])
        self._is_indicator = which_columns(chosen, names, "indicators")
        self.indicator_features_ = [name for name in names if name in chosen]
        if self.indicators != "auto":
            self._check_columns(values)
        return stays | self._is_indicator

    def _without_variation(self) -> str:
        if self.center is None and self.scale is None:
            return ""
        return "their scores are 0"

    def needs_all_dates(self) -> str:
        if self.indicators != "auto":
            return ""
        return (
            "with indicators='auto' it looks for columns that hold only 0 and 1 on all dates. Pass "
            "indicators=[...] with their names, or indicators=None if there are none"
        )

    def _check_columns(self, values: FloatArray) -> None:
        for k, name in zip(
            np.flatnonzero(self._is_indicator), self.indicator_features_, strict=True
        ):
            if not _is_zero_or_one(values[:, k]):
                raise ValueError(
                    f"The column {name!r} is an indicator but holds values other than 0 and 1. "
                    "Pass indicators=None, or a list without it, to score it like the others."
                )

    def _check_weights(
        self, weights: ArrayLike | None, X: ArrayLike, n_rows: int
    ) -> Float64Array | None:
        if weights is not None and self.center != "mean":
            raise ValueError(
                f"weights make a weighted mean, which center={self.center!r} does not use. "
                "Pass center='mean', or no weights."
            )
        return check_row_weights(weights, X, n_rows, "weights")

    def _statistics(
        self, columns: FloatArray, segments: Segments, weights: Float64Array | None
    ) -> tuple[Float64Array, Float64Array]:
        shape = (len(segments), len(columns))
        center, scale = np.zeros(shape), np.ones(shape)
        if self.center == "mean" or self.scale == "std":
            moments = segment_moments(columns, segments)
            deviation = standard_deviation(moments, self.ddof, float(np.finfo(columns.dtype).eps))
        if self.center == "mean":
            center = moments.mean
            if weights is not None:
                center = weighted_mean(columns, segments, weights)
                center[np.isnan(center) & (moments.count > 0.0)] = _WEIGHTLESS
        elif self.center == "median":
            center = segment_median(columns, segments)
        if self.scale == "std":
            scale = deviation
        elif self.scale == "mad":
            scale = _median_absolute_deviation(columns, segments)
        return center, scale

    def _statistics_of(
        self,
        block: FloatArray,
        cells: Cells,
        weights: Float64Array | None,
        members: BoolArray | None,
    ) -> tuple[Float64Array, ...]:
        center, scale = super()._statistics_of(block, cells, weights, members)
        if members is not None and (scale == 0.0).any():
            moments = segment_moments(block, cells.cells)
            varies = standard_deviation(moments, 0, float(np.finfo(block.dtype).eps)) > 0.0
            scale[(scale == 0.0) & varies] = _DEGENERATE
        return center, scale

    def _checked(self, statistics: tuple[Float64Array, ...]) -> tuple[Float64Array, ...]:
        center, scale = statistics
        weightless = int((center == _WEIGHTLESS).any(axis=1).sum())
        if weightless:
            raise ValueError(
                f"All weights of the values of {weightless} date(s) or group(s) are zero: they "
                "have no weighted mean. Give at least one asset there a weight."
            )
        degenerate = scale == _DEGENERATE
        if degenerate.any():
            warn_user(
                f"In {int(degenerate.sum())} case(s) (a column on a date) more than half of the "
                "values are equal, or all of those in the universe: the scale is 0 although the "
                "column varies, and its scores are NaN there. Use scale='std' for such columns, "
                "or a wider universe.",
                DegenerateScaleWarning,
            )
        return center, np.where(degenerate, np.nan, scale)

    def _apply(
        self,
        columns: FloatArray,
        segments: Segments,
        statistics: tuple[Float64Array, ...],
        out: FloatArray,
    ) -> None:
        center, scale = statistics
        with np.errstate(divide="ignore"):
            factor = np.where(scale == 0.0, 0.0, 1.0 / scale)
        factor[scale == _DEGENERATE] = np.nan
        limits = None
        if self.clip is not None:
            limits = np.full(len(columns), float(self.clip))
        with np.errstate(invalid="ignore"):  # marks, which raise or warn once all dates are done
            rescale_segments(columns, segments, center, factor, limits, out)


def _is_zero_or_one(column: FloatArray) -> bool:
    return bool(((column == 0.0) | (column == 1.0) | np.isnan(column)).all())


def _holds_zero_and_one(column: FloatArray) -> bool:
    """Whether a column holds both 0 and 1 and nothing else; a first look at few rows often tells.

    Zeros alone may be the start of anything.
    """
    if not _is_zero_or_one(column[:1000]) or not _is_zero_or_one(column):
        return False
    return bool((column == 0.0).any() and (column == 1.0).any())


def _boolean_columns(X: ArrayLike) -> list[Hashable]:
    if not isinstance(X, pd.DataFrame):
        return []
    return [name for name, dtype in X.dtypes.items() if pd.api.types.is_bool_dtype(dtype)]


def _median_absolute_deviation(columns: FloatArray, segments: Segments) -> Float64Array:
    """1.4826 MAD (n_segments, n_columns), marked where it is 0 although a column varies."""
    median = segment_median(columns, segments)
    scale = MAD_TO_STD * segment_median(columns, segments, deviations_from=median)
    zero = scale == 0.0
    if zero.any():
        moments = segment_moments(columns, segments)
        varies = standard_deviation(moments, 0, float(np.finfo(columns.dtype).eps)) > 0.0
        scale[zero & varies] = _DEGENERATE
    return scale

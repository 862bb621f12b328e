"""FactorImputer: fill missing values from the row's own date."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Real
from typing import ClassVar

import numpy as np

from skfactor._base import PANEL_CONSTRAINTS, PanelTransformer
from skfactor._kernels.cells import Cells
from skfactor._kernels.fills import fill_segments
from skfactor._kernels.moments import segment_moments
from skfactor._kernels.quantiles import segment_median
from skfactor._kernels.segments import Segments
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import BoolArray, ColumnChoice, Float64Array, FloatArray


class FactorImputer(PanelTransformer):
    """Fill the missing values of every column from the row's own date.

    With dates, in the index of X or as ``dates=``, a missing value becomes the median (or mean) of
    its column in the date's cross-section, or in the row's group in it with ``groupby=``: in
    `transform` as in `fit`. Without dates the values to fill in are learned in `fit`, as by
    scikit-learn's ``SimpleImputer``.

    Parameters
    ----------
    strategy : {"median", "mean", "constant"}, default="median"
        What is filled in.
    fill_value : float or None, default=None
        The value of ``strategy="constant"``; None is 0. Other strategies raise if it is given.
    passthrough : list of column names, callable or None, default=None
        Columns that stay as they are (positions in an array), such as macroeconomic variables,
        which are the same for all assets of a date. A callable finds them in the X of `fit`, as
        ``sklearn.compose.make_column_selector`` does.
    min_group_size : int or None, default=1
        A group of ``groupby=`` with fewer values of a column on a date is filled from the whole
        date there; with 1 that is a group without any. None: such a group is not filled.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    statistics_ : ndarray of shape (n_features,) or (n_groups, n_features)
        The values to fill in, learned in `fit`; only there if it had no dates.
    passthrough_features_ : list
        Names (positions in an array) of the columns of ``passthrough``.
    per_date_ : bool
        Whether values are filled in date by date.
    groups_ : Index or None
        The groups of the rows of the statistics; only there if `fit` had no dates.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    A column without any value on a date stays missing there: another date's values are not taken,
    because they may not have been known yet. Where such columns are to become neutral, standardize
    or rank first and then fill in 0: ``FactorRanker(missing="middle")`` does so in one step, as
    [1]_ do, and ``FactorImputer(strategy="constant")`` after any other transformer.

    ``weights`` raise: a typical value counts assets, not capital.

    References
    ----------
    .. [1] Gu, S., B. Kelly and D. Xiu (2020), "Empirical Asset Pricing via Machine Learning",
       Review of Financial Studies 33(5), 2223-2273. https://doi.org/10.1093/rfs/hhaa009

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorImputer
    >>> index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abc")],
    ...                                    names=["date", "asset"])
    >>> value = pd.DataFrame({"value": [1.0, None, 3.0, 10.0, 40.0, None]}, index=index)
    >>> FactorImputer().fit_transform(value).unstack("date")
            value
    date  2024-01 2024-02
    asset
    a         1.0    10.0
    b         2.0    40.0
    c         3.0    25.0
    """

    __metadata_request__fit: ClassVar = {"weights": False}
    __metadata_request__transform: ClassVar = {"weights": False}
    _weightless: ClassVar = "a typical value counts assets, not capital"
    _statistic_names: ClassVar = {"statistics_": np.nan}
    _parameter_constraints: ClassVar = {
        "strategy": [StrOptions({"median", "mean", "constant"})],
        "fill_value": [Interval(Real, None, None, closed="neither"), None],
        **PANEL_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        strategy: str = "median",
        fill_value: float | None = None,
        passthrough: ColumnChoice | None = None,
        min_group_size: int | None = 1,
        date_level: str | int | None = "auto",
    ) -> None:
        self.strategy = strategy
        self.fill_value = fill_value
        self.passthrough = passthrough
        self.min_group_size = min_group_size
        self.date_level = date_level

    def _learn_columns(self, names: Sequence[Hashable]) -> None:
        if self.fill_value is not None and self.strategy != "constant":
            raise ValueError(
                f"fill_value={self.fill_value!r} is for strategy='constant'; found "
                f"strategy={self.strategy!r}."
            )

    def _statistics(
        self, columns: FloatArray, segments: Segments, weights: Float64Array | None
    ) -> tuple[Float64Array]:
        if self.strategy == "constant":
            return (np.full((len(segments), len(columns)), float(self.fill_value or 0.0)),)
        if self.strategy == "mean":
            return (segment_moments(columns, segments).mean,)
        return (segment_median(columns, segments),)

    def _without_members(self, block: FloatArray, cells: Cells, members: BoolArray) -> int:
        # Nothing is lost where nothing is to be filled.
        return super()._without_members(block, cells, members) if np.isnan(block).any() else 0

    def _apply(
        self,
        columns: FloatArray,
        segments: Segments,
        statistics: tuple[Float64Array, ...],
        out: FloatArray,
    ) -> None:
        fill_segments(columns, segments, statistics[0], out)

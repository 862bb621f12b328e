"""FactorRanker: every column as scores of its ranks within its own date."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from skfactor._base import PANEL_CONSTRAINTS, PanelTransformer
from skfactor._kernels.cells import Cells
from skfactor._kernels.ranks import (
    Score,
    normal_score,
    percent_score,
    rank_of_normal,
    rank_of_percent,
    rank_of_uniform,
    rank_segments,
    rank_table,
    uniform_score,
)
from skfactor._kernels.segments import Segments
from skfactor._sklearn import StrOptions
from skfactor._typing import BoolArray, ColumnChoice, Float64Array, FloatArray, RowLabels
from skfactor._validation import like_input

# How scores are made of ranks and ranks of scores.
_SCORES: dict[str, Score] = {
    "uniform": uniform_score,
    "percent": percent_score,
    "normal": normal_score,
}
_RANKS = {"uniform": rank_of_uniform, "percent": rank_of_percent, "normal": rank_of_normal}
_MIDDLE = {"uniform": 0.0, "percent": 0.5, "normal": 0.0}


class FactorRanker(PanelTransformer):
    """Replace every value by a score of its rank within the row's own date.

    With dates, in the index of X or as ``dates=``, a value is ranked within the date's
    cross-section (within the row's group in it, with ``groupby=``), in `transform` as in `fit`.
    Without dates the values of `fit` are kept, and a value is ranked among those, as by
    scikit-learn's ``QuantileTransformer``.

    Parameters
    ----------
    output : {"uniform", "percent", "normal"}, default="uniform"
        The score of the value with rank r, counted from 1, among n values:

        - ``"uniform"``: 2 (r - 1) / (n - 1) - 1, from -1 to 1 (0 where n = 1), as in [1]_.
        - ``"percent"``: r / n, as ``pandas.DataFrame.rank(pct=True)``.
        - ``"normal"``: the quantile of the normal distribution at (r - 1/2) / n.
    ties : {"average", "min", "max", "dense", "first"}, default="average"
        The rank of equal values: the average, lowest or highest of theirs; "dense" ranks the
        different values and n is their number; "first" ranks equal values in the order of their
        rows, which the result then depends on. As ``pandas.DataFrame.rank(method=...)``.
    missing : {"keep", "middle"}, default="keep"
        Missing values are never ranked. They stay missing, or get the score in the middle, which
        is 0 ("percent": 0.5), as in [1]_; so does a column without any value on a date.
    passthrough : list of column names, callable or None, default=None
        Columns that stay as they are (positions in an array), such as macroeconomic variables,
        which are the same for all assets of a date. A callable finds them in the X of `fit`, as
        ``sklearn.compose.make_column_selector`` does.
    min_group_size : int or None, default=None
        A value whose group of ``groupby=`` has fewer values of the column on the date is ranked
        among all rows of the date. None: every group is ranked by itself, however small it is.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    rank_tables_ : ndarray of shape (n_features,) or (n_groups, n_features)
        The values of `fit` and their ranks, an object with ``values`` (distinct, ascending),
        ``ranks`` and ``count`` for each feature; only there if `fit` had no dates.
    passthrough_features_ : list
        Names (positions in an array) of the columns of ``passthrough``.
    per_date_ : bool
        Whether ranks are taken date by date.
    groups_ : Index or None
        The groups of the rows of the tables; only there if `fit` had no dates.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    Equal values, -0.0 and 0.0 among them, share the average of their ranks unless ``ties`` says
    otherwise. A value that is ranked among others, without dates or from outside of a ``universe``,
    has the rank of its equals; between two of them it has a rank between theirs, in proportion to
    its distance from them, and beyond all the rank of the lowest or highest. ``ties="first"`` has
    no such rank and raises.

    An indicator of zeros and ones is ranked like any other column. Its uniform score is the
    indicator less its mean on the date, times n / (n - 1).

    ``weights`` raise: a rank counts assets, not capital.

    References
    ----------
    .. [1] Gu, S., B. Kelly and D. Xiu (2020), "Empirical Asset Pricing via Machine Learning",
       Review of Financial Studies 33(5), 2223-2273. https://doi.org/10.1093/rfs/hhaa009

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorRanker
    >>> index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abcde")],
    ...                                    names=["date", "asset"])
    >>> size = pd.DataFrame({"size": [1.0, 2.0, 3.0, 90.0, 5.0, 20.0, None, 30.0, 20.0, 10.0]},
    ...                     index=index)
    >>> FactorRanker().fit_transform(size).unstack("date")
             size
    date  2024-01 2024-02
    asset
    a        -1.0     0.0
    b        -0.5     NaN
    c         0.0     1.0
    d         1.0     0.0
    e         0.5    -1.0
    """

    __metadata_request__fit: ClassVar = {"weights": False}
    __metadata_request__transform: ClassVar = {"weights": False}
    __metadata_request__inverse_transform: ClassVar = {"groupby": True}
    _weightless: ClassVar = "a rank counts assets, not capital"
    _statistic_names: ClassVar = {"rank_tables_": None}
    _parameter_constraints: ClassVar = {
        "output": [StrOptions(set(_SCORES))],
        "ties": [StrOptions({"average", "min", "max", "dense", "first"})],
        "missing": [StrOptions({"keep", "middle"})],
        **PANEL_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        output: str = "uniform",
        ties: str = "average",
        missing: str = "keep",
        passthrough: ColumnChoice | None = None,
        min_group_size: int | None = None,
        date_level: str | int | None = "auto",
    ) -> None:
        self.output = output
        self.ties = ties
        self.missing = missing
        self.passthrough = passthrough
        self.min_group_size = min_group_size
        self.date_level = date_level

    def inverse_transform(self, X: ArrayLike, groupby: RowLabels | None = None) -> Any:
        """Values of `fit` with these scores, linear between them; only after a `fit` without dates.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Scores; one beyond those of `fit` gives its lowest or highest value.
        groupby : array-like of shape (n_rows,), optional
            Group of each row, if `fit` had groups.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_features)
            In the container, order and index of X.

        Raises
        ------
        ValueError
            If `fit` had dates: a date's values are not kept.
        """
        scores, place = self._to_invert(X, groupby)
        tables, rank_of = np.atleast_2d(self.rank_tables_), _RANKS[self.output]
        place = np.broadcast_to(place, len(scores))
        out = scores.copy()
        for g in np.unique(place):
            rows = np.flatnonzero(place == g)
            for k in self._changed:
                table = tables[g, k]
                out[rows, k] = table.value(rank_of(scores[rows, k].astype(float), table.count))
        return like_input(self, X, out)

    def _without_variation(self) -> str:
        return "their values all have one score"

    def _transform_cells(
        self,
        block: FloatArray,
        cells: Cells,
        weights: Float64Array | None,
        out: FloatArray,
        members: BoolArray | None,
    ) -> tuple[Float64Array, ...]:
        small = self._is_small(
            block if members is None else np.where(members, block, np.nan), cells
        )
        if small is not None:
            within_dates = np.empty_like(block)
            self._rank(block, cells.dates, members, within_dates)
        self._rank(block, cells.cells, members, out)
        if small is not None:
            rows = np.repeat(small.T, cells.cells.lengths, axis=1)
            np.copyto(out, within_dates, where=rows)
        self._fill_missing(out)
        return ()

    def _rank(
        self, block: FloatArray, segments: Segments, members: BoolArray | None, out: FloatArray
    ) -> None:
        if members is None:
            # Ranks within a date are found in one sort; tables are for samples that are kept.
            rank_segments(block, segments, _SCORES[self.output], out, self.ties)
            return
        tables = self._statistics(np.where(members, block, np.nan), segments, None)
        self._score(block, segments, tables[0], out)

    def _statistics(
        self, columns: FloatArray, segments: Segments, weights: Float64Array | None
    ) -> tuple[Float64Array]:
        if self.ties == "first":
            raise ValueError(
                "ties='first' ranks equal values in the order of their rows. Without dates, and "
                "with universe=, values are ranked among others than those of their rows, and "
                "there is no such order. Choose another."
            )
        tables = np.empty((len(segments), len(columns)), dtype=object)
        for k, column in enumerate(columns):
            ordered = segments.take(column)
            for s, rows in enumerate(segments.slices):
                tables[s, k] = rank_table(ordered[rows], self.ties)
        return (tables,)

    def _apply(
        self,
        columns: FloatArray,
        segments: Segments,
        statistics: tuple[Float64Array, ...],
        out: FloatArray,
    ) -> None:
        self._score(columns, segments, statistics[0], out)
        self._fill_missing(out)

    def _score(self, columns: FloatArray, segments: Segments, tables: Any, out: FloatArray) -> None:
        score = _SCORES[self.output]
        for k, column in enumerate(columns):
            ordered = segments.take(column)
            scores = np.empty_like(ordered)
            for rows, table in zip(segments.slices, tables[:, k], strict=True):
                scores[rows] = score(table.rank(ordered[rows]), np.array(table.count))
            out[k, slice(None) if segments.order is None else segments.order] = scores

    def _fill_missing(self, scores: FloatArray) -> None:
        if self.missing == "middle":
            np.copyto(scores, _MIDDLE[self.output], where=np.isnan(scores))

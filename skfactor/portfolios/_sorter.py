"""PortfolioSorter: from characteristics to the portfolios that assets are in on each date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting
from skfactor._groups import group_labels
from skfactor._kernels.segments import one_segment, segments_from_codes
from skfactor._limits import single_blas_thread
from skfactor._panel import Labels, Panel
from skfactor._per_date import PerDateTransformer
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import BoolArray, FloatArray, RowLabels
from skfactor._validation import check_universe, like_input, names_or_places, validate_features
from skfactor._warn import warn_user
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.portfolios._breakpoints import find_rules
from skfactor.portfolios._schedule import (
    formation_dates,
    formations_used,
    rows_on,
    same_assets,
)
from skfactor.portfolios._sort import Sorted, combine_labels, sort_rows

# Portfolios of several columns together: as many as float32 labels tell apart, and fewer.
_MOST_COMBINED = 10**6
# Breakpoints of all dates: this many, and as many more per row.
_MOST_BREAKPOINTS, _BREAKPOINTS_A_ROW = 10**7, 16


class PortfolioSorter(PerDateTransformer):
    """Sort assets into portfolios by their characteristics, date by date.

    Every column of X becomes one of labels 1, 2, ..., from the lowest values to the highest. With
    dates, in the index of X or as ``dates=``, breakpoints are those of the date's cross-section,
    in `transform` as in `fit`. Without dates they are learned in `fit`.

    Parameters
    ----------
    n_portfolios : int or dict, optional
        Number of portfolios, divided at equally spaced quantiles, of the columns that none of
        the next three parameters is for; 5 by default. This parameter and those may be dicts by
        column name (position in an array), so that each column is divided in its own way.
    quantiles : list of float or dict, optional
        Levels of the breakpoints, ascending and strictly between 0 and 1: ``[0.3, 0.7]``.
    breakpoints : list of float or dict, optional
        The breakpoints themselves, ascending.
    n_extreme : int or dict, optional
        Number of assets in the lowest portfolio, 1, and in the highest, 3; the rest is in 2.
    method : {"independent", "dependent"}, default="independent"
        Whether each column is sorted alone, or within the portfolios of all columns before it.
    output : {"each", "combined"}, default="each"
        ``"combined"`` numbers the portfolios of all columns together, in one column "portfolio":
        the rows of ``portfolios_``.
    closed : {"right", "left"}, default="right"
        Which portfolio holds the assets whose value equals a breakpoint: with ``"right"`` the lower
        one, as ``pandas.qcut``, the metrics of this package and the usual programs for the factors
        of Fama and French have it; with ``"left"`` the higher one, as tidyfinance has it.
    rebalance_every : int, default=1
        Number of dates from one formation of portfolios to the next, starting with the first date
        in X. They are held in between.
    rebalance_month : int, optional
        Portfolios are formed once a year instead, on the last date in this month (6 is June) that
        X has.
    lag : int, default=0
        How many dates (with Periods: weeks, months ...) labels are held back: with 1, portfolios
        formed at the end of June are those of July.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    breakpoints_ : DataFrame
        Breakpoints of the data in `fit`, one row per date of formation (with ``groupby=`` per date
        and group, without dates a single row). Columns are (feature, breakpoint), in a dependent
        sort (feature, within, breakpoint), where ``within`` numbers the portfolios of the columns
        before from 1.
    n_portfolios_ : list of int
        Number of portfolios of each column.
    portfolios_ : DataFrame of shape (n_combined, n_features)
        With ``output="combined"``: the label of each column in each combined portfolio, which are
        numbered from 1 on.
    per_date_ : bool
        Whether breakpoints are taken date by date.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    Quantiles interpolate linearly, as ``numpy.quantile`` does, over the assets that have a value
    and are in the ``universe``. Equal values are never divided, so ties make portfolios of unequal
    size, and empty ones at worst. A missing value has the label NaN; so have the later columns of
    a dependent sort then, and the whole row with ``output="combined"``.

    A date (or portfolio, in a dependent sort) with fewer values than portfolios, or than twice
    ``n_extreme``, or with equal values only, gets NaN, and one warning counts such dates. A date
    without a single value, as before a characteristic starts, is NaN silently.

    Where portfolios are held, an asset keeps its label of the last formation; without one, for
    it had no value or no row then, it has none until the next. All comes from the rows passed:
    X has to hold the date of formation too.

    References
    ----------
    .. [1] Fama, E. F. and K. R. French (1993), "Common Risk Factors in the Returns on Stocks and
       Bonds", Journal of Financial Economics 33(1), 3-56.
       https://doi.org/10.1016/0304-405X(93)90023-5

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.portfolios import PortfolioSorter
    >>> index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abcd")],
    ...                                    names=["date", "asset"])
    >>> X = pd.DataFrame({"size": [1.0, 2.0, 3.0, 90.0, 9.0, 7.0, 8.0, None]}, index=index)
    >>> sorter = PortfolioSorter(n_portfolios=2).fit(X)
    >>> sorter.transform(X).unstack("date")
             size
    date  2024-01 2024-02
    asset
    a         1.0     2.0
    b         1.0     1.0
    c         2.0     1.0
    d         2.0     NaN
    >>> sorter.breakpoints_
    feature    size
    breakpoint    1
    date
    2024-01     2.5
    2024-02     8.0
    """

    __metadata_request__fit: ClassVar = {
        "dates": True,
        "assets": True,
        "universe": True,
        "groupby": True,
    }
    __metadata_request__transform: ClassVar = {
        "dates": True,
        "assets": True,
        "universe": True,
        "groupby": True,
    }
    _parameter_constraints: ClassVar = {
        "n_portfolios": [Interval(Integral, 2, None, closed="left"), Mapping, None],
        "quantiles": [list, tuple, np.ndarray, Mapping, None],
        "breakpoints": [list, tuple, np.ndarray, Mapping, None],
        "n_extreme": [Interval(Integral, 1, None, closed="left"), Mapping, None],
        "method": [StrOptions({"independent", "dependent"})],
        "output": [StrOptions({"each", "combined"})],
        "closed": [StrOptions({"right", "left"})],
        "rebalance_every": [Interval(Integral, 1, None, closed="left")],
        "rebalance_month": [Interval(Integral, 1, 12, closed="both"), None],
        "lag": [Interval(Integral, 0, None, closed="left")],
        "date_level": [str, int, None],
    }

    def __init__(
        self,
        n_portfolios: int | Mapping[Any, int] | None = None,
        *,
        quantiles: Sequence[float] | Mapping[Any, Sequence[float]] | None = None,
        breakpoints: Sequence[float] | Mapping[Any, Sequence[float]] | None = None,
        n_extreme: int | Mapping[Any, int] | None = None,
        method: str = "independent",
        output: str = "each",
        closed: str = "right",
        rebalance_every: int = 1,
        rebalance_month: int | None = None,
        lag: int = 0,
        date_level: str | int | None = "auto",
    ) -> None:
        self.n_portfolios = n_portfolios
        self.quantiles = quantiles
        self.breakpoints = breakpoints
        self.n_extreme = n_extreme
        self.method = method
        self.output = output
        self.closed = closed
        self.rebalance_every = rebalance_every
        self.rebalance_month = rebalance_month
        self.lag = lag
        self.date_level = date_level

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        dates: RowLabels | None = None,
        assets: RowLabels | None = None,
        universe: ArrayLike | None = None,
        groupby: RowLabels | None = None,
    ) -> Self:
        """Learn the breakpoints where there are no dates; with dates, list those of each date.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Characteristics; NaN is left out and has no label. A DataFrame indexed by (date,
            asset), in either order, supplies dates and assets.
        y : array-like, optional
            Not used, except to notice that X lost the index that y still has.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X. A scalar: one cross-section.
        assets : array-like of shape (n_rows,), optional
            Asset of each row, if it is not in the index of X. Needed to hold or lag labels.
        universe : array-like of bool of shape (n_rows,), optional
            Which rows quantiles are taken over and assets counted in, such as those listed on
            the NYSE. All others are sorted by these breakpoints too.
        groupby : array-like of shape (n_rows,) or mapping from asset, optional
            Group of each row (or asset), such as its sector: breakpoints are then those of the
            group on the date, so that each portfolio holds assets of all groups.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X holds infinity or text, dates are missing, ambiguous or occur twice for an
            asset, each of several dates has a single row, X lost an index that y still has, a
            parameter names an unknown column or divides none, breakpoints are not ascending, or
            there would be too many portfolios to be kept.
        """
        self._fit(X, y, dates, assets, universe, groupby)
        return self

    def transform(
        self,
        X: ArrayLike,
        dates: RowLabels | None = None,
        assets: RowLabels | None = None,
        universe: ArrayLike | None = None,
        groupby: RowLabels | None = None,
    ) -> Any:
        """Label each row by the breakpoints of its own date, or by those that fit learned.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Values of the same features as in `fit`, of any dates.
        dates, assets, universe, groupby
            As in `fit`. If `fit` had dates, `transform` needs them too.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_features) or (n_rows, 1)
            Labels 1, 2, ... as floats, so that NaN can say that there is none; in the container,
            order and index of X.

        Raises
        ------
        ValueError
            If `fit` had dates and they are missing here, or the other way round.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        panel = self._panel(X, dates, len(values), assets=assets, time_series=self.per_date_)
        mask = check_universe(universe, X, len(values))
        if self.per_date_:
            dated = self._dated(panel)
            groups = self._groups(groupby, X, dated)
            labels = self._labels_by_date(values, dated, mask, groups)[0]
        else:
            self._groups(groupby, X, None)
            self._raise_if_dated(panel)
            labels = self._sort(values, None, None, self._learned_tables()).labels
        return self._wrap(X, labels)

    def fit_transform(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        dates: RowLabels | None = None,
        assets: RowLabels | None = None,
        universe: ArrayLike | None = None,
        groupby: RowLabels | None = None,
    ) -> Any:
        """Fit and label the same rows; see `fit` and `transform` for the parameters."""
        return self._wrap(X, self._fit(X, y, dates, assets, universe, groupby))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Any:
        """Names of the columns of the output: those of the input, or "portfolio"."""
        names = super().get_feature_names_out(input_features)
        return names if self.output == "each" else np.array(["portfolio"], dtype=object)

    @fitting()
    def _fit(
        self,
        X: Any,
        y: ArrayLike | None,
        dates: RowLabels | None,
        assets: RowLabels | None,
        universe: Any,
        groupby: RowLabels | None,
    ) -> FloatArray:
        """Fit, and labels (n_features, n_rows) of the rows."""
        values = validate_features(self, X, reset=True)
        names = names_or_places(self, X)
        self._rules = find_rules(
            names, self.n_portfolios, self.quantiles, self.breakpoints, self.n_extreme
        )
        self.n_portfolios_ = [rule.n_portfolios for rule in self._rules]
        if self.output == "combined":
            self.portfolios_ = self._combined_portfolios(names)
        panel = self._panel_of_fit(X, y, dates, len(values), assets=assets)
        mask = check_universe(universe, X, len(values))
        if mask is not None and all(rule.kind == "breakpoints" for rule in self._rules):
            raise ValueError("breakpoints= are given, so a universe has no say. Leave it out.")
        groups = self._groups(groupby, X, panel)
        if panel is not None:
            labels, tables, formed = self._labels_by_date(values, panel, mask, groups)
        else:
            self._raise_if_scheduled()
            result = self._sort(values, None, mask)
            labels, tables, formed = result.labels, result.tables, pd.RangeIndex(1)
            if result.sparse.any():
                self._warn("The sample has", "no row has a label")
        self.breakpoints_ = self._breakpoint_frame(tables, names, formed)
        return labels

    def _combined_portfolios(self, names: list[Any]) -> pd.DataFrame:
        """Labels of the columns in each combined portfolio."""
        n_combined = prod(self.n_portfolios_)
        if n_combined > _MOST_COMBINED:
            raise ValueError(
                f"output='combined' numbers {' x '.join(map(str, self.n_portfolios_))} = "
                f"{n_combined} portfolios, more than {_MOST_COMBINED}. Combine fewer columns, or "
                "take output='each', which sorts by each column alone."
            )
        cells = pd.MultiIndex.from_product([range(1, n + 1) for n in self.n_portfolios_])
        index = pd.RangeIndex(1, n_combined + 1, name="portfolio")
        return pd.DataFrame(list(cells), columns=names, index=index)

    def _groups(self, groupby: object, X: ArrayLike, panel: Panel | None) -> Labels | None:
        if groupby is None:
            return None
        if panel is None:
            raise ValueError(
                "groupby= takes breakpoints within each group of a date, and X has no dates: index "
                "it by (date, asset), or pass dates=; a scalar says that all rows are of one date."
            )
        if all(rule.kind == "breakpoints" for rule in self._rules):
            raise ValueError("breakpoints= are given, so groupby= has no say. Leave it out.")
        return group_labels(groupby, X, len(panel.dates.codes), panel.assets)

    def _raise_if_too_many(self, n_dates: int, n_rows: int) -> None:
        """Raise if breakpoints would take far more memory than the rows."""
        n_cells, n_points = 1, 0
        for n in self.n_portfolios_:
            n_points += n_cells * (n - 1)
            n_cells *= n if self.method == "dependent" else 1
        if n_dates * n_points > _MOST_BREAKPOINTS + _BREAKPOINTS_A_ROW * n_rows:
            counts = " x ".join(map(str, self.n_portfolios_))
            raise ValueError(
                f"The sort has {n_points} breakpoints on each of {n_dates} dates ({counts} "
                f"portfolios, method={self.method!r}), far more than the {n_rows} rows of X can "
                "fill. Take fewer portfolios or, in a dependent sort, fewer columns."
            )

    def _sort(
        self,
        values: FloatArray,
        panel: Panel | None,
        universe: BoolArray | None,
        learned: list[Any] | None = None,
    ) -> Sorted:
        """Sort within the dates of a panel, which may be those of each group."""
        n_rows = len(values)
        self._raise_if_too_many(1 if panel is None else len(panel.dates), n_rows)
        return single_blas_thread(sort_rows)(
            values.T,
            np.zeros(n_rows, dtype=np.int64) if panel is None else panel.dates.codes,
            one_segment(n_rows) if panel is None else panel.segments,
            self._rules,
            dependent=self.method == "dependent",
            closed=self.closed,
            universe=universe,
            learned=learned,
        )

    def _labels_by_date(
        self,
        values: FloatArray,
        panel: Panel,
        universe: BoolArray | None,
        groups: Labels | None,
    ) -> tuple[FloatArray, list[Any], pd.Index]:
        """Labels (n_features, n_rows), breakpoints and the dates (and groups) of formation."""
        dates = panel.dates.labels
        formed = formation_dates(dates, self.rebalance_every, self.rebalance_month)
        used = formations_used(dates, formed, self.lag)
        as_formed = bool((used == np.arange(len(dates))).all())
        if not as_formed and panel.assets is None:
            raise ValueError(
                "Labels are held or lagged, which needs the asset of each row: index X by (date, "
                "asset), or pass assets=."
            )
        rows = slice(None) if formed.all() else np.flatnonzero(formed[panel.dates.codes])
        part = panel if formed.all() else rows_on(panel, formed)
        if groups is not None:
            part = _within_groups(part, groups, rows)
        result = self._sort(values[rows], part, None if universe is None else universe[rows])
        labels = np.full(values.T.shape, np.nan, dtype=values.dtype)
        labels[:, rows] = result.labels
        if result.sparse.any():
            first = part.dates.labels[result.sparse][0]
            n = np.count_nonzero(result.sparse)
            what = "dates" if groups is None else "groups on dates"
            self._warn(
                f"{n} of {len(result.sparse)} {what}, the first is {first}, have",
                "there assets (in a dependent sort those of some portfolios) have no label",
            )
        if not as_formed and panel.assets is not None:
            then = same_assets(panel.dates, panel.assets, used)
            labels = np.where(then < 0, np.nan, labels[:, then]).astype(values.dtype)
        return labels, result.tables, part.dates.labels

    def _warn(self, where: str, so: str) -> None:
        counts = ", ".join(str(rule.fewest) for rule in self._rules)
        warn_user(
            f"{where} fewer values to take breakpoints from than portfolios need ({counts}), or "
            f"equal values only; {so}. Use fewer portfolios, or drop such rows.",
            UndefinedPortfolioWarning,
        )

    def _raise_if_scheduled(self) -> None:
        if self.lag or self.rebalance_every != 1 or self.rebalance_month is not None:
            raise ValueError(
                "lag and rebalancing need dates, and X has none: index it by (date, asset), or "
                "pass dates= and assets=."
            )

    def _breakpoint_frame(self, tables: list[Any], names: list[Any], index: pd.Index) -> Any:
        keys: list[tuple[Any, ...]] = []
        n_cells = 1
        for name, n in zip(names, self.n_portfolios_, strict=True):
            cells = range(1, n_cells + 1)
            keys += [(name, cell, point) for cell in cells for point in range(1, n)]
            n_cells *= n if self.method == "dependent" else 1
        columns = pd.MultiIndex.from_tuples(keys, names=["feature", "within", "breakpoint"])
        if self.method == "independent":
            columns = columns.droplevel("within")  # type: ignore[assignment]  # two levels are left
        return pd.DataFrame(np.hstack(tables), index=index, columns=columns)

    def _learned_tables(self) -> list[Any]:
        row = self.breakpoints_.to_numpy()
        places = self.breakpoints_.columns.get_level_values("feature")
        ends = np.flatnonzero(places[1:] != places[:-1]) + 1
        return np.split(row, ends, axis=1)

    def _wrap(self, X: ArrayLike, labels: FloatArray) -> Any:
        if self.output == "each":
            return like_input(self, X, np.ascontiguousarray(labels.T))
        cells = combine_labels(labels, self.n_portfolios_) + 1
        combined = np.where(cells > 0, cells, np.nan).astype(labels.dtype)
        return like_input(self, X, combined[:, None], ["portfolio"])


def _within_groups(panel: Panel, groups: Labels, rows: Any) -> Panel:
    """The panel with each group of a date in place of the date."""
    cells = panel.dates.codes.astype(np.int64) * len(groups) + groups.codes[rows]
    found, codes = np.unique(cells, return_inverse=True)
    date, group = np.divmod(found, len(groups))
    dates = panel.dates.labels
    names = ["date" if dates.name is None else dates.name, "group"]
    labels = pd.MultiIndex.from_arrays([dates[date], groups.labels[group]], names=names)
    return Panel(Labels(codes, labels), None, segments_from_codes(codes)[0])

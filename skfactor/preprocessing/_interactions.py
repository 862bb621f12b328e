"""FactorInteractions: characteristics times macroeconomic variables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting
from skfactor._kernels.moments import segment_moments, vary_between_segments_only
from skfactor._kernels.rounding import ROUNDING_UNITS
from skfactor._panel import Panel, find_panel
from skfactor._per_date import PerDateTransformer
from skfactor._sklearn import Interval, feature_names_in
from skfactor._typing import Float64Array, FloatArray, RowLabels
from skfactor._validation import like_input, names_or_places, validate_features, which_columns
from skfactor._warn import warn_user
from skfactor.exceptions import DegenerateScaleWarning


class FactorInteractions(PerDateTransformer):
    """Multiply every characteristic by every macroeconomic variable, known at the time.

    The result holds the characteristics and then, for each macroeconomic variable, its product
    with each of them: how much a characteristic tells when interest rates are high, say [1]_. A
    macroeconomic variable is standardized by its values on the dates before, so that no later one
    gets in.

    Parameters
    ----------
    macro : list of column names, callable or None, default=None
        The macroeconomic variables (positions in an array), which have one value per date. A
        callable finds them in the X of `fit`. None takes the columns that vary over the dates of
        `fit` and within none.
    standardize : bool, default=True
        Whether macroeconomic variables are standardized: less the mean of the dates before, divided
        by their standard deviation (divisor n).
    min_periods : int, default=12
        Fewest dates before, with a value, to standardize by. Products on earlier dates are NaN.
    keep_macro : bool, default=False
        Whether the macroeconomic variables themselves, standardized, come last.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    macro_features_ : list
        Names (positions in an array) of the macroeconomic variables.
    macro_history_ : DataFrame of shape (n_dates, n_macro)
        Their values on the dates of `fit`, as they were; only there if `fit` had dates.
    macro_mean_, macro_scale_ : ndarray of shape (n_macro,)
        Mean and standard deviation over all dates of `fit`, which later dates are standardized by.
    per_date_ : bool
        Whether rows had dates.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    constant_within_dates : Finds such columns, for ``passthrough=`` of a step before.

    Notes
    -----
    Dates are standardized by those of `fit` that lie before them, in `transform` too: a date gets
    the same result whatever other dates are passed with it, and none after `fit` gets into the
    statistics of another.

    Rank or standardize the characteristics first, with ``passthrough=constant_within_dates``. The
    products are for models of all rows together, such as elastic nets and trees: within a date a
    product is a multiple of its characteristic, so that the regressions of `FamaMacBeth` cannot
    tell them apart. Without dates all rows are one sample, whose statistics are learned in `fit`.

    References
    ----------
    .. [1] Gu, S., B. Kelly and D. Xiu (2020), "Empirical Asset Pricing via Machine Learning",
       Review of Financial Studies 33(5), 2223-2273. https://doi.org/10.1093/rfs/hhaa009

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorInteractions
    >>> index = pd.MultiIndex.from_product([[2021, 2022, 2023], list("ab")],
    ...                                    names=["year", "asset"])
    >>> X = pd.DataFrame({"size": [-1.0, 1.0] * 3, "rate": [1.0, 1.0, 3.0, 3.0, 4.0, 4.0]}, index)
    >>> FactorInteractions(min_periods=2).fit_transform(X)
                size  size*rate
    year asset
    2021 a      -1.0        NaN
         b       1.0        NaN
    2022 a      -1.0        NaN
         b       1.0        NaN
    2023 a      -1.0       -2.0
         b       1.0        2.0
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    __metadata_request__transform: ClassVar = {"dates": True}
    _parameter_constraints: ClassVar = {
        "macro": ["array-like", callable, None],
        "standardize": ["boolean"],
        "min_periods": [Interval(Integral, 2, None, closed="left")],
        "keep_macro": ["boolean"],
        "date_level": [str, int, None],
    }

    def __init__(
        self,
        macro: Sequence[Hashable] | Callable[[ArrayLike], Sequence[Hashable]] | None = None,
        *,
        standardize: bool = True,
        min_periods: int = 12,
        keep_macro: bool = False,
        date_level: str | int | None = "auto",
    ) -> None:
        self.macro = macro
        self.standardize = standardize
        self.min_periods = min_periods
        self.keep_macro = keep_macro
        self.date_level = date_level

    def needs_all_dates(self) -> str:
        """What `fit` learns from all dates together."""
        return "it standardizes macroeconomic variables by all dates before. Transform first"

    @fitting()
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, dates: RowLabels | None = None) -> Self:
        """Find the macroeconomic variables and keep their values.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Characteristics and macroeconomic variables. A DataFrame indexed by (date, asset), in
            either order, supplies the dates.
        y : array-like, optional
            Not used, except to notice that X lost the index that y still has.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If no column is a macroeconomic variable or none is a characteristic, one that is named
            differs between the assets of a date, X holds infinity or text, or dates are missing or
            ambiguous.
        """
        values = validate_features(self, X, reset=True)
        names = names_or_places(self, X)
        panel = self._panel_of_fit(X, y, dates, len(values))
        chosen = self.macro(X) if callable(self.macro) else self.macro
        if chosen is None:
            chosen = [] if panel is None else _constant_columns(values, panel, names)
            if panel is not None and not chosen:
                raise ValueError(
                    "No column has one value per date, so there is no macroeconomic variable to "
                    "multiply by. Join them to X by date, or name them with macro=."
                )
        is_macro = which_columns(list(chosen), names, "macro")
        self.macro_features_ = [name for name, each in zip(names, is_macro, strict=True) if each]
        self._macro, self._own = np.flatnonzero(is_macro), np.flatnonzero(~is_macro)
        if not len(self._own):
            raise ValueError(f"All columns are macroeconomic variables: {self.macro_features_}.")
        macro = values[:, self._macro].astype(np.float64)
        if panel is not None:
            macro = self._by_date(macro, panel)
            self.macro_history_ = pd.DataFrame(macro, panel.dates.labels, self.macro_features_)
        known = ~np.isnan(macro)
        count = np.maximum(known.sum(axis=0), 1)
        self.macro_mean_ = np.where(known, macro, 0.0).sum(axis=0) / count
        deviations = np.where(known, macro - self.macro_mean_, 0.0)
        self.macro_scale_ = np.sqrt((deviations**2).sum(axis=0) / count)
        return self

    def transform(self, X: ArrayLike, dates: RowLabels | None = None) -> Any:
        """Multiply.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Values of the same features as in `fit`, of any dates.
        dates : array-like of shape (n_rows,) or scalar, optional
            As in `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_features_out)
            In the container, order, index and precision of X.

        Raises
        ------
        ValueError
            If `fit` had dates and they are missing here, or the other way round, or a macroeconomic
            variable differs between the assets of a date.

        Warns
        -----
        DegenerateScaleWarning
            If a macroeconomic variable changes that never did before, so that there is no scale.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        panel = self._panel(X, dates, len(values), time_series=self.per_date_)
        macro = values[:, self._macro].astype(np.float64)
        if self.per_date_:
            dated = self._dated(panel)
            by_date = self._by_date(macro, dated)
            macro = self._standardized(by_date, dated.dates.labels)[dated.dates.codes]
        else:
            self._raise_if_dated(panel)
            if self.standardize:
                macro = _score(macro, self.macro_mean_, self.macro_scale_)
        n, m = len(self._own), len(self._macro)
        out = np.empty((len(values), n * (1 + m) + m * self.keep_macro), dtype=values.dtype)
        own = values[:, self._own]
        out[:, :n] = own
        with np.errstate(over="ignore"):
            for k in range(m):
                products = out[:, n * (k + 1) : n * (k + 2)]
                np.multiply(own, macro[:, k : k + 1], out=products, casting="same_kind")
        if self.keep_macro:
            out[:, n * (1 + m) :] = macro
        return like_input(self, X, out, list(self.get_feature_names_out()))

    def fit_transform(
        self, X: ArrayLike, y: ArrayLike | None = None, dates: RowLabels | None = None
    ) -> Any:
        """Fit and transform the same rows; see `fit` and `transform` for the parameters."""
        return self.fit(X, y, dates=dates).transform(X, dates=dates)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Any:
        """Names of the columns: those of the characteristics, then "characteristic*variable".

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the features where `fit` saw none.

        Returns
        -------
        ndarray of shape (n_features_out,)
        """
        check_is_fitted(self)
        names = feature_names_in(self, input_features)
        own, macro = names[self._own], names[self._macro]
        products = [f"{c}*{m}" for m in macro for c in own]
        return np.array([*own, *products, *(macro if self.keep_macro else [])], dtype=object)

    def _by_date(self, macro: Float64Array, panel: Panel) -> Float64Array:
        """Values (n_dates, n_macro), or an error if one differs between assets."""
        segments = panel.segments
        rows = segments.offsets[:-1]
        first = rows if segments.order is None else segments.order[rows]
        # A value that is missing for some assets of a date is that of the others.
        known = segment_moments(np.ascontiguousarray(macro.T), segments)
        by_date = np.where(np.isnan(macro[first]), known.mean, macro[first])
        resolution = ROUNDING_UNITS * float(np.finfo(np.float32).eps)
        spread = np.abs(macro - by_date[panel.dates.codes])
        differs = spread > resolution * np.abs(by_date[panel.dates.codes])
        if differs.any():
            row, column = np.argwhere(differs)[0]
            date = panel.dates.labels[panel.dates.codes[row]]
            raise ValueError(
                f"The column {self.macro_features_[column]!r} differs between the assets of a "
                f"date, such as {date}, so it is not a macroeconomic variable. Leave it out "
                "of macro=."
            )
        return by_date

    def _standardized(self, macro: Float64Array, dates: pd.Index) -> Float64Array:
        """Values (n_dates, n_macro), standardized by the dates of fit before them."""
        if not self.standardize:
            return macro
        counts, means, scales = _past_moments(self.macro_history_.to_numpy())
        known = self.macro_history_.index
        same = type(dates) is type(known)
        if not same or (isinstance(known, pd.PeriodIndex) and dates.dtype != known.dtype):
            raise ValueError(
                f"The dates are {dates.dtype} here, and were {known.dtype} in fit. Convert them to "
                "one kind."
            )
        place = known.searchsorted(dates)
        scores = _score(macro, means[place], scales[place])
        enough = counts[place] >= self.min_periods
        stuck = enough & np.isnan(scores) & ~np.isnan(macro)
        if stuck.any():
            names = [self.macro_features_[k] for k in np.flatnonzero(stuck.any(axis=0))]
            warn_user(
                f"On {int(stuck.any(axis=1).sum())} of {len(dates)} dates the columns {names} "
                "differ from what they were on all dates before, so that there is no scale: their "
                "products are NaN there.",
                DegenerateScaleWarning,
            )
        return np.where(enough, scores, np.nan)


def constant_within_dates(X: object) -> list[Hashable]:
    """Names of the columns that vary over dates and within none, as macroeconomic variables do.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_features)
        Indexed by (date, asset), in either order.

    Returns
    -------
    list
        For ``passthrough=`` of a transformer, as it is: the function is called with the X of `fit`.

    Raises
    ------
    ValueError
        If X is not a DataFrame that carries its dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorRanker
    >>> from skfactor.preprocessing import constant_within_dates
    >>> index = pd.MultiIndex.from_product([[2021, 2022], list("ab")], names=["year", "asset"])
    >>> X = pd.DataFrame({"size": [5.0, 7.0, 8.0, 2.0], "rate": [1.0, 1.0, 3.0, 3.0]}, index)
    >>> FactorRanker(passthrough=constant_within_dates).fit_transform(X)["rate"].tolist()
    [1.0, 1.0, 3.0, 3.0]
    """
    frame = X if isinstance(X, pd.DataFrame) else None
    panel = None if frame is None or frame.empty else find_panel(frame, n_rows=len(frame))
    if frame is None or panel is None:
        raise ValueError(
            "Columns that are constant within dates are found in a DataFrame indexed by (date, "
            "asset). Name them instead."
        )
    numeric = frame.select_dtypes("number")
    return _constant_columns(numeric.to_numpy(), panel, list(numeric.columns))


def _constant_columns(
    values: FloatArray, panel: Panel, names: Sequence[Hashable]
) -> list[Hashable]:
    if not values.size:
        return []
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    found = vary_between_segments_only(np.ascontiguousarray(values.T), panel.segments)
    return [name for name, each in zip(names, found, strict=True) if each]


def _past_moments(values: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Counts, means and deviations (T + 1, K) of the dates before each of T, and before the next.

    Each is computed from its own dates, so that nothing later changes a digit.
    """
    n_dates, n_columns = values.shape
    shape = n_dates + 1, n_columns
    counts, means, scales = np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    mean, squares, count = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
    for t, row in enumerate(values, 1):
        known = ~np.isnan(row)
        count = count + known
        step = np.where(known, row - mean, 0.0)
        mean = mean + step / np.maximum(count, 1.0)
        squares = squares + step * np.where(known, row - mean, 0.0)
        counts[t] = count
        means[t] = np.where(count > 0, mean, np.nan)
        scales[t] = np.where(count > 0, np.sqrt(squares / np.maximum(count, 1.0)), np.nan)
    return counts, means, scales


def _score(values: Float64Array, mean: Float64Array, scale: Float64Array) -> Float64Array:
    """Distance from the mean in units of the scale; 0 at the mean, NaN away from it without one."""
    deviation = values - mean
    tiny = ROUNDING_UNITS * float(np.finfo(np.float64).eps) * np.abs(mean)
    deviation = np.where(np.abs(deviation) <= tiny, 0.0, deviation)
    usable = scale > tiny
    scores: Float64Array = np.divide(
        deviation, scale, out=np.full(np.shape(deviation), np.nan), where=usable
    )
    return np.where(~usable & (deviation == 0.0), 0.0, scores)

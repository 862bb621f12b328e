"""SpecificRisk: variances of what the factors leave of each asset's return."""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil
from numbers import Integral, Real
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._calendar import are_up_to
from skfactor._fitting import fitting
from skfactor._kernels.exponential import exponential_variances, mean_ratios
from skfactor._kernels.specific_risk import shrink_by_size, structural_volatilities, trust
from skfactor._sklearn import CallbackSupportMixin, Estimator, Interval
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import column_index, feature_names, numbers, validate_features
from skfactor.risk._ewm_covariance import (
    fewest_for_regime,
    on_calendar,
    order_in_time,
    regime_multiplier,
)

# Values that say nothing and all, at a half-life of 84 dates; both grow with it.
_NONE, _FULL, _WINDOW, _HALFLIFE = 60.0, 180.0, 252.0, 84.0


class SpecificRisk(CallbackSupportMixin, Estimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Specific variances of assets, a forecast of the next date's, from residuals.

    Variances are exponentially weighted and contain serial covariances, which bid-ask bounce and
    slow prices leave. Thin or wild histories are blended with a structural model, in which the
    volatility follows from exposures, and all are shrunk towards assets of like size [1]_.

    Parameters
    ----------
    halflife : float, default=84
        Half-life, in dates, of the weights.
    lags : int, default=5
        Lags of serial covariances.
    structural : bool, default=False
        Whether to blend histories with a structural model. It also gives variances to assets that
        have exposures and no history.
    shrinkage : float, default=0.1
        How much volatilities move towards the mean of their tenth by size; 0 leaves them. Without
        ``weights`` all assets are one group.
    regime_halflife : float or None, default=None
        Half-life of the adjustment for how volatile the last dates have been, as in
        `EWMCovariance`. None leaves it out.

    Attributes
    ----------
    variances_ : DataFrame of shape (n_dates, n_assets)
        Variance from each asset's own history up to and including the date. NaN where it has fewer
        than ``lags + 2`` residuals.
    variance_ : Series of shape (n_assets,)
        The forecast after the last date, see `forecast`.
    n_features_in_ : int
        Number of assets.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are text.

    Notes
    -----
    The variance after date t is

    .. math::
        \frac{\sum_s \lambda^{t - s} \bigl( u_s^2 + 2 \sum_j \frac{L + 1 - j}{L + 1} \lambda^{j/2}
        u_s u_{s-j} \bigr)}{\sum_s \lambda^{t - s}}

    over the dates s up to t on which the asset has a residual. Serial terms of a single date are
    as often negative as positive; nothing is cut before they are summed. Where gaps make a sum
    negative the squares alone are taken.

    References
    ----------
    .. [1] Menchero, J., D. J. Orr and J. Wang (2011), "The Barra US Equity Model (USE4):
       Methodology Notes", MSCI.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfactor import SpecificRisk
    >>> rng = np.random.default_rng(0)
    >>> residuals = pd.DataFrame(rng.normal(0.0, 0.01, (500, 3)), columns=list("abc"))
    >>> SpecificRisk(lags=0, shrinkage=0.0).fit(residuals).variance_.pow(0.5).round(4)
    a    0.0096
    b    0.0092
    c    0.0111
    Name: specific_variance, dtype: float64
    """

    _parameter_constraints: ClassVar = {
        "halflife": [Interval(Real, 0, None, closed="neither")],
        "lags": [Interval(Integral, 0, None, closed="left")],
        "structural": ["boolean"],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "regime_halflife": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        halflife: float = 84,
        *,
        lags: int = 5,
        structural: bool = False,
        shrinkage: float = 0.1,
        regime_halflife: float | None = None,
    ) -> None:
        self.halflife = halflife
        self.lags = lags
        self.structural = structural
        self.shrinkage = shrinkage
        self.regime_halflife = regime_halflife

    @fitting()
    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        exposures: pd.DataFrame | None = None,
        weights: pd.Series | pd.DataFrame | None = None,
    ) -> Self:
        """Estimate the variances after every date.

        Parameters
        ----------
        X : array-like of shape (n_dates, n_assets)
            Residuals; NaN where an asset has none. An index of dates orders the rows. Periods of a
            week or longer that are missing between the rows count as dates.
        y : None
            Not used.
        exposures : DataFrame of shape (n_assets, n_factors), optional
            With ``structural=True``: exposures of the assets after the last date.
        weights : Series of shape (n_assets,) or DataFrame of shape (n_dates, n_assets), optional
            Sizes of the assets, such as capitalizations, from before the residual.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If exposures are passed without ``structural``, or are missing with it, assets of the
            weights differ, or no asset has a long history for the structural model.
        """
        if isinstance(y, pd.DataFrame):
            raise ValueError("Exposures are passed by name: fit(residuals, exposures=...).")
        values = validate_features(self, X, reset=True).astype(np.float64)
        order, self._places = order_in_time(X, len(values))
        assets = column_index(feature_names(self, X))
        rows = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(values))
        rows = rows[order]
        # Where Periods are missing between the rows, their places are empty.
        values = on_calendar(values[order], self._places)
        self._residuals = values
        self._ratios: dict[int, Float64Array] = {}  # by the fewest values of a forecast
        self._sizes = None
        if weights is not None:
            self._sizes = _sizes(weights, assets, len(values))
            if isinstance(weights, pd.DataFrame):
                self._sizes = self._sizes[order]
            self._sizes = on_calendar(self._sizes, self._places)
        found = exponential_variances(
            values, float(self.halflife), int(self.lags), int(self.lags) + 2
        )
        self.variances_ = pd.DataFrame(found[self._places], rows, assets)
        if exposures is None and self.structural:
            raise ValueError("structural=True needs exposures= of the assets.")
        self.variance_ = self.forecast(exposures=exposures)
        return self

    def forecast(
        self,
        date: Hashable = None,
        *,
        exposures: pd.DataFrame | None = None,
        weights: pd.Series | None = None,
    ) -> pd.Series:
        """Specific variances after a date, from residuals up to it.

        Parameters
        ----------
        date : label, optional
            None is the last date of `fit`.
        exposures : DataFrame of shape (n_assets, n_factors), optional
            With ``structural=True``: exposures of the assets that the forecast is for. They need
            not have been in `fit`.
        weights : Series of shape (n_assets,), optional
            Their sizes. None are those of `fit` on that date.

        Returns
        -------
        Series of shape (n_assets,)
            Of the assets of the exposures, else of `fit`. NaN where nothing is known.

        Raises
        ------
        ValueError
            As `fit`, or if there is no residual up to the date.
        """
        check_is_fitted(self, "variances_")
        if exposures is not None and not self.structural:
            raise ValueError("exposures= have an effect only with structural=True.")
        if exposures is None and self.structural:
            raise ValueError("structural=True needs exposures= of the assets.")
        dates, known = self.variances_.index, self.variances_.columns
        row = len(dates) if date is None else int(np.count_nonzero(are_up_to(dates, date)))
        if not row:
            raise ValueError(f"There are no residuals up to {date}; the first are of {dates[0]}.")
        end = int(self._places[row - 1]) + 1
        assets = known if exposures is None else exposures.index
        place = known.get_indexer(assets)
        volatility = np.where(
            place >= 0, np.sqrt(self.variances_.to_numpy()[row - 1][place]), np.nan
        )
        size = self._sizes_of(assets, place, end, weights)
        if exposures is not None:
            volatility = self._blend(volatility, place, end, exposures, size)
        volatility = shrink_by_size(volatility, size, float(self.shrinkage))
        if self.regime_halflife is not None:
            ratios = self._ratios_until(end)
            volatility = volatility * regime_multiplier(ratios, float(self.regime_halflife))
        return pd.Series(volatility**2, assets, name="specific_variance")

    def _ratios_until(self, end: int) -> Float64Array:
        """Mean squares over forecast variances of the dates before ``end``, but the first."""
        halflife = float(self.halflife)
        fewest = fewest_for_regime(halflife, end)
        known = self._ratios.get(fewest)
        if known is None or len(known) < end - 1:
            # They do not depend on what comes later: those of all dates serve all forecasts.
            weigh = None if self._sizes is None else np.nan_to_num(self._sizes)
            known = mean_ratios(self._residuals, halflife, fewest, weigh)
            self._ratios = {fewest: known}
        return known[: end - 1]

    def _sizes_of(
        self, assets: pd.Index, place: IntArray, end: int, weights: pd.Series | None
    ) -> Float64Array | None:
        """Sizes (n_assets,): given, or the last known ones of `fit`; the smallest if unknown."""
        if weights is not None:
            size = _sizes(weights, assets, 1)[0]
        elif self._sizes is not None:
            table = pd.DataFrame(self._sizes[:end]).ffill().to_numpy()[-1]
            size = np.where(place >= 0, table[place], np.nan)
        else:
            return None
        if not np.isfinite(size).any():
            return None
        filled: Float64Array = np.where(np.isfinite(size), size, np.nanmin(size))
        return filled

    def _blend(
        self,
        volatility: Float64Array,
        place: IntArray,
        end: int,
        exposures: pd.DataFrame,
        size: Float64Array | None,
    ) -> Float64Array:
        scale = float(self.halflife) / _HALFLIFE
        start = max(end - ceil(_WINDOW * scale), 0)
        history = self._residuals[start:end]
        gamma = np.where(place >= 0, trust(history, _NONE * scale, _FULL * scale)[place], 0.0)
        gamma = np.where(np.isfinite(volatility), gamma, 0.0)
        values = numbers(exposures, "exposures")
        w = np.ones(len(values)) if size is None else size
        implied = structural_volatilities(np.nan_to_num(volatility), gamma, values, w)
        if np.isnan(implied).all():
            raise ValueError(
                "No asset has a history that is long and regular enough for the structural model: "
                f"{ceil(_FULL * scale)} residuals among the last {ceil(_WINDOW * scale)} dates, "
                "and exposures. Use more dates, a shorter half-life, or structural=False."
            )
        # An asset without exposures has its own history only.
        gamma = np.where(np.isnan(implied), 1.0, gamma)
        own, other = gamma * np.nan_to_num(volatility), (1.0 - gamma) * np.nan_to_num(implied)
        unknown = np.isnan(implied) & np.isnan(volatility)
        return np.where(unknown, np.nan, own + other)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _sizes(weights: object, assets: pd.Index, n_dates: int) -> Float64Array:
    """Sizes (n_dates, n_assets), positive or NaN."""
    if not isinstance(weights, pd.Series | pd.DataFrame):
        found = np.asarray(weights)
        if found.shape != (len(assets),):
            raise ValueError(
                f"weights of shape {found.shape} are not one for each of the {len(assets)} assets. "
                "Pass a Series by asset, or a DataFrame of dates and assets."
            )
        weights = pd.Series(found, assets)
    axis = weights.index if isinstance(weights, pd.Series) else weights.columns
    lacking = assets.difference(axis)
    if len(lacking):
        raise ValueError(f"weights have no column or label for the assets {list(lacking)[:5]}.")
    if isinstance(weights, pd.DataFrame) and len(weights) != n_dates:
        raise ValueError(f"weights have {len(weights)} rows for {n_dates} dates.")
    table = weights[assets] if isinstance(weights, pd.DataFrame) else weights.reindex(assets)
    values = np.atleast_2d(numbers(table, "weights"))
    if (values <= 0.0).any():
        raise ValueError("weights hold zero or negative values. Sizes are positive, or NaN.")
    return np.broadcast_to(values, (n_dates, len(assets)))

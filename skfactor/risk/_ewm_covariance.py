"""EWMCovariance: the covariance of factor returns, of recent dates more than of old ones."""

from __future__ import annotations

from math import ceil
from numbers import Integral, Real
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import multivariate_normal
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skfactor._dates import calendar_positions
from skfactor._fitting import fitting
from skfactor._kernels.exponential import (
    adjust_eigenfactors,
    effective_number,
    exponential_covariance,
    exponential_means,
    exponential_weights,
    fill_gaps,
    join_volatilities,
    mean_ratios,
)
from skfactor._limits import single_blas_thread
from skfactor._panel import time_index
from skfactor._sklearn import CallbackSupportMixin, Estimator, Interval
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import column_index, feature_names, validate_features


class EWMCovariance(CallbackSupportMixin, Estimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Exponentially weighted covariance of factor returns, a forecast of the next ones.

    Volatilities and correlations have half-lives and lags of their own, since volatilities change
    faster [1]_. Optionally the volatilities of eigenfactors are corrected for what an optimizer
    would find in the noise [2]_, and all of them for how volatile the last dates have been.

    Parameters
    ----------
    halflife : float or None, default=84
        Half-life, in dates, of the weights of the variances. None is equal weights.
    correlation_halflife : float or None, default=504
        The same of the correlations.
    lags : int, default=5
        Lags of the serial covariances that variances contain, for horizons beyond one date [3]_.
    correlation_lags : int, default=2
        The same of the correlations.
    eigen_scale : float or None, default=None
        Size of the adjustment of eigenfactors: 1 is the simulated bias, 1.4 what fits returns with
        fat tails [2]_. None leaves it out.
    n_simulations : int, default=1000
        Number of simulated samples for it.
    regime_halflife : float or None, default=None
        Half-life of the adjustment for the regime of volatility. None leaves it out.
    center : bool, default=True
        Whether to subtract means; of daily returns they hardly matter.
    horizon : int, default=1
        Number of dates that the forecast is for.
    random_state : int, RandomState instance or None, default=None
        Seed of the simulation.

    Attributes
    ----------
    covariance_ : DataFrame of shape (n_factors, n_factors)
        The forecast.
    location_ : Series of shape (n_factors,)
        Weighted means; 0 with ``center=False``.
    eigen_bias_ : ndarray of shape (n_factors,) or None
        Simulated true over estimated volatility of the eigenfactors, by ascending eigenvalue.
    regime_multiplier_ : float
        What volatilities were multiplied by for the regime; 1 without.
    n_features_in_ : int
        Number of factors.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    With weights :math:`w_t = 2^{-(T - t) / h}` and :math:`z_t = \sqrt{w_t} (f_t - \bar f)`

    .. math::
        S = \frac{1}{\sum w_t} \Bigl( \sum_t z_t z_t' + \sum_{j=1}^L \frac{L + 1 - j}{L + 1}
        \sum_t (z_t z_{t-j}' + z_{t-j} z_t') \Bigr)

    is positive semidefinite whatever the lags. What is missing of some factors, as of groups that
    came later, is replaced by what the others let expect, and the covariance gets what they leave
    open. The number of dates of the simulation is :math:`(\sum w_t)^2 / \sum w_t^2` of the
    correlations, an approximation. The regime compares the squared return of a date with the
    variance that the dates before it had, without serial terms: the mean over the factors of these
    ratios, averaged with ``regime_halflife``.

    References
    ----------
    .. [1] Menchero, J., D. J. Orr and J. Wang (2011), "The Barra US Equity Model (USE4):
       Methodology Notes", MSCI.
    .. [2] Menchero, J., J. Wang and D. J. Orr (2011), "Eigen-Adjusted Covariance Matrices", MSCI
       Research Insight. https://doi.org/10.2139/ssrn.1915318
    .. [3] Newey, W. K. and K. D. West (1987), "A Simple, Positive Semi-Definite, Heteroskedasticity
       and Autocorrelation Consistent Covariance Matrix", Econometrica 55(3), 703-708.
       https://doi.org/10.2307/1913610

    Examples
    --------
    >>> from skfactor import EWMCovariance
    >>> from skfactor.datasets import load_french
    >>> factors = load_french()[["MktRF", "SMB", "HML"]]
    >>> model = EWMCovariance(12, correlation_halflife=36, lags=1, correlation_lags=1).fit(factors)
    >>> (model.covariance_ * 1e4).round(2)
           MktRF   SMB    HML
    MktRF   8.40  2.12   1.71
    SMB     2.12  3.80   0.59
    HML     1.71  0.59  10.67
    """

    _parameter_constraints: ClassVar = {
        "halflife": [Interval(Real, 0, None, closed="neither"), None],
        "correlation_halflife": [Interval(Real, 0, None, closed="neither"), None],
        "lags": [Interval(Integral, 0, None, closed="left")],
        "correlation_lags": [Interval(Integral, 0, None, closed="left")],
        "eigen_scale": [Interval(Real, 0, None, closed="neither"), None],
        "n_simulations": [Interval(Integral, 1, None, closed="left")],
        "regime_halflife": [Interval(Real, 0, None, closed="neither"), None],
        "center": ["boolean"],
        "horizon": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        halflife: float | None = 84,
        *,
        correlation_halflife: float | None = 504,
        lags: int = 5,
        correlation_lags: int = 2,
        eigen_scale: float | None = None,
        n_simulations: int = 1000,
        regime_halflife: float | None = None,
        center: bool = True,
        horizon: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.halflife = halflife
        self.correlation_halflife = correlation_halflife
        self.lags = lags
        self.correlation_lags = correlation_lags
        self.eigen_scale = eigen_scale
        self.n_simulations = n_simulations
        self.regime_halflife = regime_halflife
        self.center = center
        self.horizon = horizon
        self.random_state = random_state

    @fitting()
    @single_blas_thread
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Estimate the covariance of the dates after the last one.

        Parameters
        ----------
        X : array-like of shape (n_dates, n_factors)
            Factor returns. An index of dates orders the rows; arrays are in their order. Periods
            of a week or longer that are missing between the rows count as dates.
        y : None
            Not used.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are not more dates than factors, a factor has fewer than two returns, rows are
            not one per date, or the weights leave too few dates for the simulation.
        """
        values = validate_features(self, X, reset=True).astype(np.float64)
        order, places = order_in_time(X, len(values))
        values = on_calendar(values[order], places)
        names = column_index(feature_names(self, X))
        n_factors = len(names)
        known = ~np.isnan(values).all(axis=1)
        if known.sum() <= n_factors:
            raise ValueError(
                f"A covariance of {n_factors} factors needs more dates than factors; found "
                f"n_samples={known.sum()}. Otherwise some portfolios of factors seem to have no "
                "risk: use more dates, or fewer factors."
            )
        counts = np.isfinite(values).sum(axis=0)
        if (counts < 2).any():
            raise ValueError(
                f"The factors {list(names[counts < 2])} have fewer than two returns. Leave them "
                "out."
            )
        weights = exponential_weights(len(values), self.correlation_halflife)
        filled = fill_gaps(values, weights)
        options = {"center": self.center}
        own, location = exponential_covariance(filled, self.halflife, int(self.lags), **options)
        correlated, _ = exponential_covariance(
            filled, self.correlation_halflife, int(self.correlation_lags), **options
        )
        covariance = join_volatilities(np.diag(own), correlated)
        self.eigen_bias_ = None
        if self.eigen_scale is not None:
            n_effective = effective_number(weights[known])
            if n_effective <= n_factors:
                raise ValueError(
                    f"With correlation_halflife={self.correlation_halflife} the dates weigh as "
                    f"much as {n_effective:.1f} equal ones, and eigen_scale= needs more than the "
                    f"{n_factors} factors. Use a longer half-life."
                )
            seed = check_random_state(self.random_state).randint(2**31)
            covariance, self.eigen_bias_ = adjust_eigenfactors(
                covariance,
                n_effective,
                float(self.eigen_scale),
                int(self.n_simulations),
                np.random.default_rng(seed),
            )
        self.regime_multiplier_ = self._regime(values)
        covariance = covariance * self.regime_multiplier_**2 * self.horizon
        self.covariance_ = pd.DataFrame(covariance, names, names)
        self.location_ = pd.Series(location, names, name="mean")
        return self

    def _regime(self, values: Float64Array) -> float:
        if self.regime_halflife is None:
            return 1.0
        left = values
        if self.center:
            left = values.copy()
            left[1:] -= exponential_means(values, self.halflife)[:-1]
            left[0] = np.nan
        fewest = fewest_for_regime(self.halflife, len(left))
        ratios = mean_ratios(left, self.halflife, fewest, None)
        return regime_multiplier(ratios, float(self.regime_halflife))

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Mean Gaussian log-likelihood of factor returns of other dates, the better the larger.

        Of what is missing it is the likelihood of the rest. A covariance without an inverse, as of
        groups that a constraint ties, has it for the returns that it allows.

        Parameters
        ----------
        X : array-like of shape (n_dates, n_factors)
            Factor returns of single dates, whatever the ``horizon``.
        y : None
            Not used.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False).astype(np.float64)
        covariance = self.covariance_.to_numpy() / self.horizon
        location = self.location_.to_numpy()
        total, n_rows = 0.0, 0
        patterns, which = np.unique(np.isfinite(values), axis=0, return_inverse=True)
        for number, here in enumerate(patterns):
            rows = values[which.reshape(-1) == number][:, here]
            if here.any():
                law = multivariate_normal(
                    location[here], covariance[np.ix_(here, here)], allow_singular=True
                )
                total, n_rows = total + float(np.sum(law.logpdf(rows))), n_rows + len(rows)
        if not n_rows:
            raise ValueError("X holds no return at all, only NaN.")
        return total / n_rows

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def fewest_for_regime(halflife: float | None, n_dates: int) -> int:
    """Values from which on a variance is a forecast that returns are compared with."""
    half = n_dates // 2 if halflife is None else min(ceil(halflife / 2), n_dates // 2)
    return max(half, 2)


def regime_multiplier(ratios: Float64Array, regime_halflife: float) -> float:
    """Root of the recent mean of squares over the variances that were forecast for them (T,)."""
    if not np.isfinite(ratios).any():
        raise ValueError(
            f"regime_halflife= compares returns with earlier forecasts, and {len(ratios) + 1} "
            "dates have none. Use more dates, or regime_halflife=None."
        )
    return float(np.sqrt(exponential_means(ratios[:, None], regime_halflife)[-1, 0]))


def order_in_time(X: ArrayLike, n_rows: int) -> tuple[IntArray, IntArray]:
    """Order of the rows in time, and the place on the calendar of each row in that order."""
    if isinstance(X, pd.DataFrame) and X.index.nlevels > 1:
        raise ValueError(
            f"X is indexed by {list(X.index.names)}; a covariance needs one row per date and one "
            "column per factor, such as lambdas_."
        )
    dates = time_index(X) if isinstance(X, pd.DataFrame) else None
    if dates is None:
        return np.arange(n_rows), np.arange(n_rows)
    order: IntArray = dates.argsort()
    return order, calendar_positions(dates[order])


def on_calendar(values: Float64Array, places: IntArray) -> Float64Array:
    """Rows at their places on the calendar, NaN where a period is missing."""
    if len(places) == 0 or places[-1] + 1 == len(places):
        return values
    spread = np.full((int(places[-1]) + 1, values.shape[1]), np.nan)
    spread[places] = values
    return spread

"""Simulated data with a known truth, in the panel and in the wide form."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.signal import lfilter
from sklearn.utils import Bunch

from skfactor._validation import random_source
from skfactor.datasets._draws import (
    check_counts,
    check_shares,
    draw_betas,
    draw_pricing_errors,
    draw_share,
    numbered,
    periods,
    scale,
    vector,
)


def make_panel(
    n_dates: int = 120,
    n_assets: int = 200,
    n_features: int = 5,
    *,
    premia: ArrayLike | None = None,
    zero_beta_rate: float = 0.005,
    premia_volatility: float = 0.02,
    noise: ArrayLike = 0.1,
    missing: float = 0.0,
    persistence: float = 0.9,
    freq: str = "M",
    start: str = "2010-01",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[pd.DataFrame, pd.Series]:
    """Simulate a (date, asset) panel of characteristics and the returns that they earn.

    Each date draws its own slopes around the premia, and each asset's return follows from its
    characteristics: ``return = lambdas[date, "const"] + x @ lambdas[date, names] + noise``.

    Parameters
    ----------
    n_dates, n_assets, n_features : int, default=120, 200 and 5
        Numbers of dates, assets and characteristics.
    premia : array-like of shape (n_features,) or float, optional
        Mean return for one unit, that is one standard deviation, of each characteristic. By
        default evenly spaced from 0.01 down to 0, so that the last of several earns nothing.
    zero_beta_rate : float, default=0.005
        Mean return of an asset whose characteristics are all zero.
    premia_volatility : float, default=0.02
        Standard deviation over dates of each slope, the constant included.
    noise : float or array-like of shape (n_assets,), default=0.1
        Standard deviation of each asset's own return.
    missing : float, default=0.0
        Share of the rows left out, in [0, 1): exactly ``round(missing * n_dates * n_assets)``
        rows, drawn at random. They are absent, there are no NaN. All other rows are those of the
        same simulation with ``missing=0``.
    persistence : float, default=0.9
        Autocorrelation of a characteristic over time, in [0, 1). On each date characteristics
        are independent standard normal.
    freq : str, default="M"
        Frequency of the dates, as in ``pandas.period_range``.
    start : str, default="2010-01"
        The first date.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` and not the whole `Bunch`.
    random_state : int, RandomState instance or None, default=None
        An int gives the same data on every call.

    Returns
    -------
    Bunch
        Returns and slopes in decimals per period:

        - data : DataFrame of shape (n_rows, n_features); the characteristics, rows ordered by
          (date, asset), dates as Periods.
        - target : Series of shape (n_rows,); the return of the same period, named "return".
        - feature_names : list of str; "x1" and so on.
        - premia : Series of shape (1 + n_features,); "const" and the names.
        - lambdas : DataFrame of shape (n_dates, 1 + n_features); the slopes of each date.

        With ``return_X_y=True`` the tuple ``(data, target)``.

    Raises
    ------
    ValueError
        If a parameter is out of range or has the wrong shape.

    See Also
    --------
    make_two_pass : Factors and returns in the wide form, with betas to estimate.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> panel = make_panel(n_features=3, random_state=0)
    >>> panel.premia
    const    0.005
    x1       0.010
    x2       0.005
    x3       0.000
    dtype: float64
    >>> panel.data.shape, panel.target.index.names
    ((24000, 3), FrozenList(['date', 'asset']))
    """
    check_counts(n_dates=n_dates, n_assets=n_assets, n_features=n_features)
    check_shares(persistence=persistence, missing=missing)
    premia = np.linspace(0.01, 0.0, n_features) if premia is None else premia
    slopes = vector("premia", premia, n_features)
    means = np.append(vector("zero_beta_rate", zero_beta_rate, 1), slopes)
    volatility = scale("premia_volatility", premia_volatility, 1)
    own = scale("noise", noise, n_assets)
    dates = periods(start, n_dates, freq)
    index = pd.MultiIndex.from_product([dates, numbered("A", n_assets)], names=["date", "asset"])
    names = numbered("x", n_features)

    rng = random_source(random_state)
    innovations = rng.standard_normal((n_dates, n_assets, n_features))
    innovations[1:] *= np.sqrt(1.0 - persistence**2)  # the first date is the stationary draw
    x = lfilter([1.0], [1.0, -persistence], innovations, axis=0)
    lambdas = means + volatility * rng.standard_normal((n_dates, 1 + n_features))
    returns = lambdas[:, :1] + np.einsum("tik,tk->ti", x, lambdas[:, 1:])
    returns += own * rng.standard_normal((n_dates, n_assets))
    present = np.ones(len(index), dtype=bool)
    present[draw_share(rng, missing, len(index))] = False

    data = pd.DataFrame(x.reshape(-1, n_features)[present], index=index[present], columns=names)
    target = pd.Series(returns.ravel()[present], index=data.index, name="return")
    if return_X_y:
        return data, target
    terms = ["const", *names]
    return Bunch(
        data=data,
        target=target,
        feature_names=names,
        premia=pd.Series(means, index=terms),
        lambdas=pd.DataFrame(lambdas, index=dates, columns=terms),
    )


def make_two_pass(
    n_periods: int = 600,
    n_assets: int = 25,
    n_factors: int = 3,
    *,
    betas: ArrayLike | None = None,
    premia: ArrayLike | None = None,
    zero_beta_rate: float = 0.0,
    pricing_errors: ArrayLike | None = None,
    factor_means: ArrayLike | None = None,
    factor_volatility: ArrayLike = 0.04,
    noise: ArrayLike = 0.02,
    missing: float = 0.0,
    freq: str = "M",
    start: str = "1970-01",
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate factors and the returns of assets that are exposed to them, in the wide form.

    With factor means ``E f``, the returns of period t are ``zero_beta_rate + betas @ premia +
    pricing_errors + betas @ (f_t - E f) + noise``. A factor is traded if its mean is its premium,
    as it is by default; any other ``factor_means`` make factors that are not traded.

    Parameters
    ----------
    n_periods, n_assets, n_factors : int, default=600, 25 and 3
        Numbers of periods, assets and factors.
    betas : array-like of shape (n_assets, n_factors), optional
        The exposures; a DataFrame names the assets and the factors. By default normal with
        standard deviation 0.5, around 1 for the first factor and 0 for the others.
    premia : array-like of shape (n_factors,) or float, optional
        Premium of each factor, by default evenly spaced from 0.006 down to 0.002.
    zero_beta_rate : float, default=0.0
        Expected return of an asset without exposure: 0 for excess returns.
    pricing_errors : float or array-like of shape (n_assets,), optional
        Expected returns that the factors do not explain. None is a correct model. A number is
        the standard deviation over assets of errors drawn at random and orthogonal to a constant
        and the betas, so that ``premia`` stay the least-squares ones. An array is taken as it is.
    factor_means : array-like of shape (n_factors,) or float, optional
        Mean of each factor, by default its premium.
    factor_volatility : float or array-like of shape (n_factors,), default=0.04
        Standard deviation of each factor. Factors are independent of each other and over time.
    noise : float or array-like of shape (n_assets,), default=0.02
        Standard deviation of each asset's own return.
    missing : float, default=0.0
        Share of the returns that are NaN, in [0, 1): exactly ``round(missing * n_periods *
        n_assets)`` cells, drawn at random. All other returns are those of the same simulation
        with ``missing=0``.
    freq : str, default="M"
        Frequency of the periods, as in ``pandas.period_range``.
    start : str, default="1970-01"
        The first period.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` and not the whole `Bunch`.
    random_state : int, RandomState instance or None, default=None
        An int gives the same data on every call.

    Returns
    -------
    Bunch
        Returns, factors and premia in decimals per period:

        - data : DataFrame of shape (n_periods, n_factors); the factors, "f1" and so on.
        - target : DataFrame of shape (n_periods, n_assets); the returns.
        - feature_names : list of str; the names of the factors.
        - betas : DataFrame of shape (n_assets, n_factors).
        - premia : Series of shape (1 + n_factors,); "const", the zero-beta rate, and the factors.
        - pricing_errors, expected_returns : Series of shape (n_assets,).

        With ``return_X_y=True`` the tuple ``(data, target)``.

    Raises
    ------
    ValueError
        If a parameter is out of range or has the wrong shape, or if no pricing error can be
        orthogonal to a constant and the betas because there are too few assets.

    See Also
    --------
    make_panel : A panel of characteristics that are known.

    Examples
    --------
    >>> from skfactor.datasets import make_two_pass
    >>> market = make_two_pass(n_assets=10, n_factors=2, zero_beta_rate=0.001, random_state=0)
    >>> market.premia
    const    0.001
    f1       0.006
    f2       0.002
    dtype: float64
    >>> market.data.shape, market.target.shape
    ((600, 2), (600, 10))
    """
    check_counts(n_periods=n_periods, n_assets=n_assets, n_factors=n_factors)
    check_shares(missing=missing)
    premia = np.linspace(0.006, 0.002, n_factors) if premia is None else premia
    slopes = vector("premia", premia, n_factors)
    means = slopes if factor_means is None else vector("factor_means", factor_means, n_factors)
    volatility = scale("factor_volatility", factor_volatility, n_factors)
    const = vector("zero_beta_rate", zero_beta_rate, 1)
    own = scale("noise", noise, n_assets)
    dates = periods(start, n_periods, freq)

    rng = random_source(random_state)
    exposures = draw_betas(rng, betas, n_assets, n_factors)
    b = exposures.to_numpy()
    deviations = volatility * rng.standard_normal((n_periods, n_factors))
    returns = deviations @ b.T + own * rng.standard_normal((n_periods, n_assets))
    returns.flat[draw_share(rng, missing, returns.size)] = np.nan
    # Drawn last: with and without pricing errors the rest of the simulation is the same.
    errors = draw_pricing_errors(rng, pricing_errors, b)
    expected = const + b @ slopes + errors
    returns += expected

    assets, factors = exposures.index, exposures.columns
    data = pd.DataFrame(means + deviations, index=dates, columns=factors)
    target = pd.DataFrame(returns, index=dates, columns=assets)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        feature_names=list(factors),
        betas=exposures,
        premia=pd.Series(np.append(const, slopes), index=["const", *factors]),
        pricing_errors=pd.Series(errors, index=assets),
        expected_returns=pd.Series(expected, index=assets),
    )

"""Hansen-Jagannathan distance of a linear factor model, with its error and test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from scipy.linalg import qr, solve_triangular

from skfactor._kernels.rounding import LOADING
from skfactor._kernels.weighted_chi2 import weighted_chi2_sf, weighted_f_sf
from skfactor._kernels.wild_pricing import squared_distances, unleveraged
from skfactor._results import Result, p_value_is
from skfactor._typing import Float64Array
from skfactor._validation import check_level
from skfactor.inference._grs import FactorSample, is_singular, read_factor_sample
from skfactor.inference._long_run import LongRun
from skfactor.inference._small_sample import SmallSample

_DISTRIBUTIONS = {
    "exact": "weighted F",
    "asymptotic": "weighted chi2",
    "wild": "wild bootstrap",
}


@dataclass(frozen=True, repr=False)
class HJDistance(Result):
    """Hansen-Jagannathan distance with its standard error and test; see `hj_distance`.

    Attributes
    ----------
    distance : float
        The distance: the largest pricing error of any portfolio, in its standard deviations a
        period.
    squared_distance : float
        Its square.
    std_error : float
        Standard error of the squared distance, for a distance that is not zero.
    p_value : float
        Of the hypothesis that the distance is zero, so that the factors price all assets.
    weights : tuple of float
        Under that hypothesis T times the squared distance is distributed in large samples like the
        sum of chi-squares with one degree of freedom, each times one of these.
    n_periods : int
        Number of periods T.
    kernel : str or None
        Kernel of the long-run variances.
    bandwidth : float
        Their number of lags; 0 without a kernel.
    distribution : str
        What the p-value is from: ``"weighted F"``, ``"weighted chi2"`` or ``"wild bootstrap"``.

    Examples
    --------
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.inference import hj_distance
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> len(hj_distance(factors, returns).weights) == returns.shape[1] - factors.shape[1]
    True
    """

    distance: float
    squared_distance: float
    std_error: float
    p_value: float
    weights: tuple[float, ...]
    n_periods: int
    kernel: str | None = None
    bandwidth: float = 0.0
    distribution: str = "weighted chi2"

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Confidence intervals of the squared distance and of the distance.

        Normal for the squared distance and cut at 0; that of the distance is its root. They hold
        for a distance that is not zero; the p-value tells whether it is.

        Parameters
        ----------
        level : float, default=0.95
            Coverage, between 0 and 1.

        Returns
        -------
        DataFrame of shape (2, 2)
            Rows ``"distance"`` and ``"squared_distance"``, columns ``"lower"`` and ``"upper"``.

        Raises
        ------
        ValueError
            If the level is not between 0 and 1.
        """
        check_level(level)
        half = stats.norm.ppf(0.5 + level / 2.0) * self.std_error
        squared = np.maximum([self.squared_distance - half, self.squared_distance + half], 0.0)
        return pd.DataFrame(
            [np.sqrt(squared), squared],
            index=["distance", "squared_distance"],
            columns=["lower", "upper"],
        )

    def __str__(self) -> str:
        lower, upper = self.conf_int().loc["distance"]
        return (
            f"HJ distance = {self.distance:.4f}, 95% interval [{lower:.4f}, {upper:.4f}]\n"
            f"p-value {p_value_is(self.p_value)} ({self.distribution})\n"
            "H0: the distance is zero, the factors price all assets"
        )


def hj_distance(
    factors: ArrayLike,
    returns: ArrayLike,
    *,
    small_sample: bool | str = "auto",
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    n_draws: int = 999,
    random_state: int = 0,
) -> HJDistance:
    r"""Hansen-Jagannathan distance of a linear factor model from excess returns.

    The model is a stochastic discount factor that is linear in demeaned factors,
    :math:`y_t = 1 - (f_t - \bar f)' \lambda`, which prices an excess return if
    :math:`E[R_t y_t] = 0`. The distance [1]_ of the best one, in the form for excess returns [2]_,
    is

    .. math:: \delta^2 = \min_\lambda \,
       (\mu - C \lambda)' V_R^{-1} (\mu - C \lambda)

    with :math:`\mu` and :math:`V_R` mean and covariance of the returns and C their covariance with
    the factors, divisor T. It is the largest pricing error of any portfolio with a standard
    deviation of 1.

    Parameters
    ----------
    factors : array-like of shape (n_periods, n_factors) or (n_periods,)
        Factors, traded or not, one row per period.
    returns : array-like of shape (n_periods, n_assets)
        Excess returns of the test assets over the same periods; more assets than factors.
    small_sample : {"auto", True, False, "wild"}, default="auto"
        True compares the squared distance with a weighted sum of chi-squares over another
        chi-square with T - N degrees of freedom, as the covariance of the returns is estimated.
        False is the asymptotic distribution, the weighted sum alone, which rejects true models too
        often unless there are many dates for each asset. ``"wild"`` is a bootstrap whose residuals
        get one random sign per date, or with a kernel are paths of a first-order autoregression of
        each asset whose innovations have random signs; that needs 120 dates and warns below.
        ``"auto"`` is True without a kernel; with a kernel it is False, and warns.
    kernel, bandwidth, prewhiten
        Long-run variances, as in `skfactor.FamaMacBeth.inference`. A rule chooses lags from the
        influence of the periods on the squared distance.
    n_draws, random_state
        As in `j_test`.

    Returns
    -------
    HJDistance
        Distance, standard error of its square, interval, and the p-value of zero.

    Raises
    ------
    ValueError
        If there are not more assets than factors, or not more periods than assets and factors, a
        value is missing or infinite, the rows differ, assets are collinear, or the covariances of
        assets and factors do not identify the prices of the factors.

    Warns
    -----
    SmallSampleWarning
        If the distribution does not hold in a sample of this size.

    References
    ----------
    .. [1] Hansen, L. P. and R. Jagannathan (1997), "Assessing Specification Errors in Stochastic
       Discount Factor Models", Journal of Finance 52(2), 557-590.
       https://doi.org/10.1111/j.1540-6261.1997.tb04813.x
    .. [2] Kan, R. and C. Robotti (2008), "Specification Tests of Asset Pricing Models Using Excess
       Returns", Journal of Empirical Finance 15(5), 816-838.
       https://doi.org/10.1016/j.jempfin.2008.03.003

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import hj_distance
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[15]V").sub(french["RF"], axis=0)
    >>> print(hj_distance(french[["MktRF", "SMB", "HML"]], returns))
    HJ distance = 0.2181, 95% interval [0.1298, 0.2798]
    p-value < 0.0001 (weighted F)
    H0: the distance is zero, the factors price all assets
    """
    form = SmallSample(small_sample, n_draws, random_state)
    long_run = LongRun(kernel, bandwidth, prewhiten)
    long_run.refuse_cosines("hj_distance")
    sample = read_factor_sample(factors, returns)
    _check_identified(sample)
    n_dates, _, n_factors = sample.shape
    mean, centred = sample.returns.mean(axis=0), sample.centred_returns
    # In returns with covariance I: whitened = centred L'^-1, V_R = L L'.
    root = np.linalg.cholesky(centred.T @ centred / n_dates)
    mean = solve_triangular(root, mean, lower=True)
    whitened = solve_triangular(root, centred.T, lower=True).T
    loadings = whitened.T @ sample.centred_factors / n_dates
    _check_loadings(loadings / np.sqrt(np.diag(sample.factor_covariance)))
    basis, triangle = qr(loadings)
    prices = solve_triangular(triangle[:n_factors], basis[:, :n_factors].T @ mean)
    free = basis[:, n_factors:]  # orthogonal to the loadings
    errors = free.T @ mean
    squared = float(errors @ errors)
    discount = 1.0 - sample.centred_factors @ prices
    mispriced = whitened @ free  # its product with the errors is u_t
    u = mispriced @ errors
    influence = 2.0 * u * discount - u**2 + squared
    variance, lags = long_run.covariance(influence[:, None], sample.positions)
    known_lags = LongRun(kernel, None if kernel is None else lags, prewhiten)
    # Prewhitened are the assets' own series: it would depend on the basis of their combinations.
    moments, _ = known_lags.covariance(
        centred * discount[:, None],
        sample.positions,
        combine=solve_triangular(root, free, trans="T", lower=True),
    )
    weights = np.maximum(np.linalg.eigvalsh(moments), 0.0)
    chosen = form.choose("hj_distance", long_run, n_dates, two_pass=True)
    if chosen == "exact":
        p_value = weighted_f_sf(squared, weights, n_dates - sample.shape[1])
    elif chosen == "asymptotic":
        p_value = weighted_chi2_sf(n_dates * squared, weights)
    else:
        p_value = _by_bootstrap(sample, squared, prices, form, serial=kernel is not None)
    return HJDistance(
        distance=float(np.sqrt(squared)),
        squared_distance=squared,
        std_error=float(np.sqrt(variance[0, 0] / n_dates)),
        p_value=p_value,
        weights=tuple(weights.tolist()),
        n_periods=n_dates,
        kernel=kernel,
        bandwidth=lags,
        distribution=_DISTRIBUTIONS[chosen],
    )


def _by_bootstrap(
    sample: FactorSample, squared: float, prices: Float64Array, form: SmallSample, *, serial: bool
) -> float:
    """p-value of a squared distance among those of samples that the prices price."""
    factors, (_, betas, residuals) = sample.centred_factors, sample.regress()
    # Mean returns are covariances with the factors times prices.
    priced = (factors + sample.factor_covariance @ prices) @ betas.T
    return form.p_value(
        lambda returns: squared_distances(factors, returns),
        squared,
        unleveraged(factors, residuals),
        sample.positions if serial else None,
        priced,
    )


def _check_identified(sample: FactorSample) -> None:
    """Raise ``ValueError`` unless the distance and its test exist."""
    n_dates, n_assets, n_factors = sample.shape
    if n_assets <= n_factors:
        raise ValueError(
            f"{n_factors} factors price {n_assets} assets without error; the distance needs more "
            "assets than factors."
        )
    if n_dates <= n_assets + n_factors:
        raise ValueError(
            f"The distance inverts the covariance of {n_assets} assets; with {n_factors} factors "
            f"that needs more than {n_assets + n_factors} dates, found {n_dates}. Take fewer "
            "assets, or portfolios of them."
        )
    if is_singular(sample.centred_returns, sample.returns):
        raise ValueError(
            "The covariance of the assets is singular: some asset is constant or a combination of "
            "the others. Drop it."
        )


def _check_loadings(loadings: Float64Array) -> None:
    """Raise ``ValueError`` unless correlations with the factors (N, K) have full rank."""
    if np.linalg.svd(loadings, compute_uv=False)[-1] <= LOADING:
        raise ValueError(
            "The covariances of assets and factors are collinear, so that no distance tells the "
            "factors apart. Drop a factor."
        )

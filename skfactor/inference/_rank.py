"""Tests of the rank of the betas: whether the assets can tell the factors apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.linalg import helmert, solve_triangular

from skfactor._typing import Float64Array, FloatArray
from skfactor._validation import is_whole
from skfactor.inference._grs import FactorSample, check_residuals, read_factor_sample
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import TestResult

_METHODS = ("cragg-donald", "kleibergen-paap")


def rank_test(
    factors: Any,
    returns: Any,
    rank: int | None = None,
    *,
    method: str = "cragg-donald",
    fit_intercept: bool = True,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
) -> TestResult:
    r"""Test that the matrix of betas has at most a given rank.

    Premia are identified only if the betas have full column rank: a useless factor, whose betas
    are all zero, or two factors with the same betas leave the second pass without an answer. Not
    rejecting a rank of K - 1 is the warning. With

    .. math:: \Theta = V_f^{1/2} B' \Sigma^{-1/2},

    betas in units of their errors, both statistics measure how far the K - q smallest singular
    values of :math:`\Theta` are from zero.

    Parameters
    ----------
    factors : array-like of shape (n_periods, n_factors) or (n_periods,)
        Factors, traded or not, one row a period.
    returns : array-like of shape (n_periods, n_assets) or (n_periods,)
        Returns of the test assets over the same periods.
    rank : int or None, default=None
        Rank q under the hypothesis; None is K - 1, one less than full.
    method : {"cragg-donald", "kleibergen-paap"}, default="cragg-donald"
        ``"cragg-donald"`` [1]_ is T times the sum of the K - q smallest squared singular values,
        for homoskedastic and serially uncorrelated residuals. ``"kleibergen-paap"`` [2]_ holds
        with heteroskedasticity and, with a kernel, serial correlation.
    fit_intercept : bool, default=True
        Whether the second pass estimates a zero-beta rate, for which [1, B] has to have full rank:
        the test is then of the betas' differences across assets.
    kernel : {None, "bartlett", "parzen", "quadratic-spectral"}, default=None
        Kernel of the long-run variance; for kleibergen-paap only.
    bandwidth : float, str or None, default=None
        Number of lags, or the name of a rule; as in `skfactor.FamaMacBeth.inference`.

    Returns
    -------
    TestResult
        Chi-square with (K - q)(N - q) degrees of freedom, N - 1 in place of N with a zero-beta
        rate.

    Raises
    ------
    ValueError
        If the rank is not below both dimensions of the betas, there are too few periods, a value
        is missing or infinite, the rows differ, or factors or residuals are collinear.

    References
    ----------
    .. [1] Cragg, J. G. and S. G. Donald (1997), "Inferring the Rank of a Matrix", Journal of
       Econometrics 76(1-2), 223-250. https://doi.org/10.1016/0304-4076(95)01790-9
    .. [2] Kleibergen, F. and R. Paap (2006), "Generalized Reduced Rank Tests Using the Singular
       Value Decomposition", Journal of Econometrics 133(1), 97-126.
       https://doi.org/10.1016/j.jeconom.2005.02.011

    Examples
    --------
    >>> import numpy as np
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import rank_test
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[15]V").sub(french["RF"], axis=0)
    >>> factors = french[["MktRF", "SMB"]]
    >>> print(rank_test(factors, returns))
    chi2(4) = 118.4508, p-value = 0.0000
    H0: the betas' differences across assets have a rank of at most 1, full rank is 2

    A factor made of noise:

    >>> noise = np.random.default_rng(0).normal(size=len(factors))
    >>> print(rank_test(factors.assign(noise=noise), returns))
    chi2(3) = 1.9011, p-value = 0.5932
    H0: the betas' differences across assets have a rank of at most 2, full rank is 3
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is neither {_METHODS[0]!r} nor {_METHODS[1]!r}.")
    if method == "cragg-donald" and (kernel is not None or bandwidth is not None):
        raise ValueError("A kernel or bandwidth is for method='kleibergen-paap'; leave it out.")
    long_run = LongRun(kernel, bandwidth)
    sample = read_factor_sample(factors, returns)
    if fit_intercept:
        sample = _differences(sample)
    n_dates, n_assets, n_factors = sample.shape
    rank = _check_rank(rank, n_assets, n_factors, fit_intercept)
    roots = _covariance_roots(sample)
    theta = roots.standardized_betas()
    df = (n_factors - rank) * (n_assets - rank)
    if method == "cragg-donald":
        singular = np.linalg.svd(theta, compute_uv=False)
        statistic = n_dates * float(np.sum(singular[rank:] ** 2))
    else:
        if n_dates <= df:
            raise ValueError(
                f"The covariance of {df} restrictions needs more than {df} dates, found "
                f"{n_dates}. Test fewer assets, a higher rank, or use method='cragg-donald'."
            )
        deviations, series = _rank_deviations(theta, *roots.standardized(sample), rank)
        covariance, _ = long_run.covariance(series, sample.positions)
        statistic = n_dates * float(deviations @ np.linalg.solve(covariance, deviations))
    what = "the betas' differences across assets have" if fit_intercept else "the betas have"
    null = f"{what} a rank of at most {rank}, full rank is {n_factors}"
    return TestResult(statistic, float(stats.chi2.sf(statistic, df)), (df,), "chi2", null)


def _differences(sample: FactorSample) -> FactorSample:
    """The sample with N - 1 orthonormal differences of the assets in place of their returns.

    The betas of these have rank q if, and only if, [1, B] has rank q + 1; which differences they
    are makes no difference to the statistics.
    """
    n_assets = sample.shape[1]
    if n_assets < 2:
        raise ValueError(
            "A zero-beta rate needs at least 2 assets. Pass fit_intercept=False for a single one."
        )
    returns = sample.returns @ helmert(n_assets).T
    return FactorSample(sample.factors, returns, sample.positions)


def _check_rank(rank: int | None, n_assets: int, n_factors: int, fit_intercept: bool) -> int:
    rank = n_factors - 1 if rank is None else rank
    highest = min(n_assets, n_factors) - 1
    if not is_whole(rank) or not 0 <= rank <= highest:
        rows = "differences of assets" if fit_intercept else "assets"
        raise ValueError(
            f"rank={rank!r} has to be a whole number from 0 to {highest}: there are {n_assets} "
            f"{rows} and {n_factors} factors."
        )
    return int(rank)


@dataclass(frozen=True)
class _Roots:
    """A regression, and Cholesky factors of the covariances of factors and of residuals."""

    betas: Float64Array
    residuals: Float64Array
    of_factors: FloatArray
    of_residuals: FloatArray

    def standardized_betas(self) -> Float64Array:
        """Theta (K, N)."""
        columns = self.betas @ self.of_factors
        theta: Float64Array = solve_triangular(self.of_residuals, columns, lower=True).T
        return theta

    def standardized(self, sample: FactorSample) -> tuple[Float64Array, Float64Array]:
        """Factors (T, K) and residuals (T, N) with covariance I."""
        x: Float64Array = solve_triangular(self.of_factors, sample.centred_factors.T, lower=True).T
        y: Float64Array = solve_triangular(self.of_residuals, self.residuals.T, lower=True).T
        return x, y


def _covariance_roots(sample: FactorSample) -> _Roots:
    _, betas, residuals = sample.regress()
    check_residuals(sample, residuals)
    of_factors = np.linalg.cholesky(sample.factor_covariance)
    of_residuals = np.linalg.cholesky(residuals.T @ residuals / len(residuals))
    return _Roots(betas, residuals, of_factors, of_residuals)


def _rank_deviations(
    theta: Float64Array, x: Float64Array, y: Float64Array, rank: int
) -> tuple[Float64Array, Float64Array]:
    """The part of Theta beyond the rank (df,), and the influence (T, df) of each date on it.

    Theta is estimated with influence x_t y_t'. Bases of its last singular vectors differ from those
    of Kleibergen and Paap by rotations, which the quadratic form does not see.
    """
    left, _, right = np.linalg.svd(theta)
    left, right = left[:, rank:], right[rank:].T
    series = (x @ left)[:, :, None] * (y @ right)[:, None, :]
    return (left.T @ theta @ right).ravel(), series.reshape(len(x), -1)

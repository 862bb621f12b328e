"""Tests of the rank of the betas: whether the assets can tell the factors apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import helmert

from skfactor._kernels.wild_bootstrap import RankDeficiency, random_signs, share_as_large
from skfactor._typing import Float64Array
from skfactor._validation import check_flag, is_one_of, is_whole
from skfactor.inference._grs import FactorSample, check_residuals, read_factor_sample
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import TestResult, chi2_test
from skfactor.inference._small_sample import check_draws, check_small_sample

_METHODS = ("kleibergen-paap", "cragg-donald")


def rank_test(
    factors: ArrayLike,
    returns: ArrayLike,
    rank: int | None = None,
    *,
    method: str = "kleibergen-paap",
    fit_intercept: bool = True,
    small_sample: bool | str = "auto",
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    n_draws: int = 199,
    random_state: int = 0,
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
        Factors, traded or not, one row per period.
    returns : array-like of shape (n_periods, n_assets) or (n_periods,)
        Returns of the test assets over the same periods.
    rank : int or None, default=None
        Rank q under the hypothesis; None is K - 1, one less than full.
    method : {"kleibergen-paap", "cragg-donald"}, default="kleibergen-paap"
        ``"kleibergen-paap"`` [1]_ holds with heteroskedasticity and, with a kernel, serial
        correlation. ``"cragg-donald"`` [2]_ is T times the sum of the K - q smallest squared
        singular values, for homoskedastic and serially uncorrelated residuals: of returns with fat
        tails it finds rank where there is none.
    fit_intercept : bool, default=True
        Whether the second pass estimates a zero-beta rate, for which [1, B] has to have full rank:
        the test is then of the betas' differences across assets.
    small_sample : {"auto", True, False, "wild"}, default="auto"
        For kleibergen-paap without a kernel ``"auto"``, True and ``"wild"`` are a wild bootstrap:
        the statistic is compared with those of returns drawn from the best fit of the rank, its
        residuals times one random sign per date. The chi-square distribution, False, rejects too
        often unless there are many dates for each asset.
    kernel, bandwidth, prewhiten
        Long-run variance, as in `skfactor.FamaMacBeth.inference`; for kleibergen-paap only, whose
        distribution is chi-square then.
    n_draws : int, default=199
        Samples of the wild bootstrap; the smallest p-value is 1 / (n_draws + 1).
    random_state : int, default=0
        Seed of the draws: the same data have the same p-value.

    Returns
    -------
    TestResult
        ``distribution`` is ``"wild bootstrap"`` or ``"chi2"``; (K - q)(N - q) degrees of freedom,
        N - 1 in place of N with a zero-beta rate.

    Raises
    ------
    ValueError
        If the rank is not below both dimensions of the betas, there are too few periods, a value
        is missing or infinite, the rows differ, or factors or residuals are collinear.

    References
    ----------
    .. [1] Kleibergen, F. and R. Paap (2006), "Generalized Reduced Rank Tests Using the Singular
       Value Decomposition", Journal of Econometrics 133(1), 97-126.
       https://doi.org/10.1016/j.jeconom.2005.02.011
    .. [2] Cragg, J. G. and S. G. Donald (1997), "Inferring the Rank of a Matrix", Journal of
       Econometrics 76(1-2), 223-250. https://doi.org/10.1016/0304-4076(95)01790-9

    Examples
    --------
    >>> import numpy as np
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import rank_test
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[15]V").sub(french["RF"], axis=0)
    >>> factors = french[["MktRF", "SMB"]]
    >>> print(rank_test(factors, returns))
    wild bootstrap(4) = 80.1099, p-value = 0.0050
    H0: the betas' differences across assets have a rank of at most 1, full rank is 2

    A factor made of noise:

    >>> noise = np.random.default_rng(0).normal(size=len(factors))
    >>> print(rank_test(factors.assign(noise=noise), returns))
    wild bootstrap(3) = 1.7150, p-value = 0.6550
    H0: the betas' differences across assets have a rank of at most 2, full rank is 3
    """
    if not is_one_of(method, _METHODS):
        raise ValueError(f"method={method!r} is neither {_METHODS[0]!r} nor {_METHODS[1]!r}.")
    check_flag(prewhiten, "prewhiten")
    if method == "cragg-donald" and (kernel is not None or bandwidth is not None or prewhiten):
        raise ValueError("A kernel or bandwidth is for method='kleibergen-paap'; leave it out.")
    form = check_small_sample(small_sample)
    if form == "wild" and (method == "cragg-donald" or kernel is not None):
        raise ValueError(
            "small_sample='wild' is for method='kleibergen-paap' without a kernel: random signs "
            "leave no serial dependence. Leave it out, or the kernel."
        )
    check_draws(n_draws, random_state)
    long_run = LongRun(kernel, bandwidth, prewhiten)
    long_run.refuse_cosines("rank_test")
    sample = read_factor_sample(factors, returns)
    differences = _differences(sample.shape[1]) if fit_intercept else np.eye(sample.shape[1])
    compared = FactorSample(sample.factors, sample.returns @ differences, sample.positions)
    n_dates, n_assets, n_factors = compared.shape
    rank = _check_rank(rank, n_assets, n_factors, fit_intercept)
    check_residuals(compared, compared.regress()[2])
    df = (n_factors - rank) * (n_assets - rank)
    if method == "kleibergen-paap" and n_dates <= df:
        raise ValueError(
            f"The covariance of {df} restrictions needs more than {df} dates, found {n_dates}. "
            "Test fewer assets, a higher rank, or use method='cragg-donald'."
        )
    what = "the betas' differences across assets have" if fit_intercept else "the betas have"
    null = f"{what} a rank of at most {rank}, full rank is {n_factors}"
    whiten = np.linalg.inv(np.linalg.cholesky(sample.factor_covariance)).T
    test = RankDeficiency(sample.centred_factors @ whiten, rank)
    if method == "cragg-donald":
        theta, _, _ = test.standardize(compared.returns[None])
        singular = np.linalg.svd(theta[0], compute_uv=False)
        statistic = n_dates * float(np.sum(singular[rank:] ** 2))
    elif kernel is not None:
        statistic = _with_kernel(test, sample, whiten, differences, long_run)
    else:
        statistic = float(test.statistics(compared.returns[None])[0])
        if form:
            fitted, left = test.best_fit(compared.returns)
            p_value = share_as_large(
                lambda signs: test.statistics(fitted + left * signs[:, :, None]),
                statistic,
                random_signs(n_draws, n_dates, random_state),
                max(n_assets, df),
            )
            return TestResult(statistic, p_value, (df,), "wild bootstrap", null)
    return chi2_test(statistic, df, null)


def _with_kernel(
    test: RankDeficiency,
    sample: FactorSample,
    whiten: Float64Array,
    differences: Float64Array,
    long_run: LongRun,
) -> float:
    """The statistic of Kleibergen and Paap from a long-run covariance.

    Lags are chosen for the products of each factor with the residuals of each asset, which do not
    depend on which differences and directions are taken.
    """
    theta, _, inverse = test.standardize((sample.returns @ differences)[None])
    left, right = (basis[0] for basis in test.bases(theta))
    deviations = (left.T @ theta[0] @ right).ravel()
    _, _, residuals = sample.regress()
    products = sample.centred_factors[:, :, None] * residuals[:, None, :]
    combine = np.kron(whiten @ left, differences @ inverse[0] @ right)
    covariance, _ = long_run.covariance(
        products.reshape(len(products), -1), sample.positions, combine=combine
    )
    return len(products) * float(deviations @ np.linalg.solve(covariance, deviations))


def _differences(n_assets: int) -> Float64Array:
    """N - 1 orthonormal differences of assets (N, N - 1).

    The betas of these have rank q if, and only if, [1, B] has rank q + 1; which differences they
    are makes no difference to the statistics.
    """
    if n_assets < 2:
        raise ValueError(
            "A zero-beta rate needs at least 2 assets. Pass fit_intercept=False for a single one."
        )
    return np.asarray(helmert(n_assets).T, dtype=np.float64)


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

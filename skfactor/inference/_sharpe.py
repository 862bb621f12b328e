"""Models of traded factors against each other, by their largest squared Sharpe ratios."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skfactor._kernels.rounding import FACTORS_LEFT
from skfactor._typing import Float64Array, IntArray
from skfactor.inference._against_many import Pair, joint_test, named_models
from skfactor.inference._grs import FactorSample, grs_test, read_factor_sample
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import TestResult


def compare_sharpe(
    factors_a: ArrayLike,
    factors_b: ArrayLike | Mapping[Hashable, ArrayLike],
    *,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
) -> TestResult:
    """Test that models of traded factors have the same largest squared Sharpe ratio.

    The model with the larger one explains more of the alphas of any test assets, so that none are
    needed [1]_ [2]_. If the factors of one model are among those of the other, both are equal if
    the additional factors have no alphas, which is tested by `grs_test` with robust errors.
    Otherwise the difference is compared with the normal distribution, which holds if the models
    are distinct: if each needs factors that the other does not have. With several models the
    hypothesis is that none has a larger ratio than the first: the test is one-sided, for the worst
    case [3]_.

    Parameters
    ----------
    factors_a, factors_b : array-like of shape (n_periods, n_factors) or (n_periods,)
        Returns of traded factors over the same periods: excess returns or long minus short. Factors
        that both have are in both. The second may be several models, a dictionary with their names.
    kernel, bandwidth, prewhiten
        Long-run variance, as in `skfactor.FamaMacBeth.inference`.

    Returns
    -------
    TestResult
        For models that are not nested a standard normal statistic, positive if the first is better:
        the difference, each adjusted for its number of factors, over its error. Of several models a
        `ManyComparisons`.

    Raises
    ------
    ValueError
        If the models are the same, a value is missing or infinite, the rows differ, or factors are
        collinear.

    References
    ----------
    .. [1] Barillas, F. and J. Shanken (2017), "Which Alpha?", Review of Financial Studies 30(4),
       1316-1338. https://doi.org/10.1093/rfs/hhw101
    .. [2] Barillas, F., R. Kan, C. Robotti and J. Shanken (2020), "Model Comparison with Sharpe
       Ratios", Journal of Financial and Quantitative Analysis 55(6), 1840-1874.
       https://doi.org/10.1017/S0022109019000589
    .. [3] Wolak, F. A. (1989), "Testing Inequality Constraints in Linear Econometric Models",
       Journal of Econometrics 41(2), 205-235. https://doi.org/10.1016/0304-4076(89)90094-8

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import compare_sharpe
    >>> french = load_french()
    >>> print(compare_sharpe(french[["MktRF", "SMB", "HML"]], french[["MktRF", "Mom"]]))
    normal = -0.5864, p-value = 0.5576
    H0: both models have the same largest squared Sharpe ratio
    """
    long_run = LongRun(kernel, bandwidth, prewhiten)
    long_run.refuse_cosines("compare_sharpe")
    if not isinstance(factors_b, Mapping):
        found, _ = _compare_pair(factors_a, factors_b, long_run)
        return found
    pairs: dict[Hashable, Pair] = {}
    positions: IntArray = np.arange(0)
    for name, factors in named_models(factors_b, "compare_sharpe").items():
        _, pairs[name] = _compare_pair(factors_a, factors, long_run)
        positions = read_factor_sample(factors_a, factors).positions
    null = "no model has a larger largest squared Sharpe ratio than the first"
    return joint_test(pairs, positions, long_run, null)


def _compare_pair(
    factors_a: ArrayLike, factors_b: ArrayLike, long_run: LongRun
) -> tuple[TestResult, Pair]:
    """Test that two models have the same ratio, and what a joint test needs."""
    a = read_factor_sample(factors_a, factors_b)
    b = FactorSample(a.returns, a.factors, a.positions)
    if np.linalg.matrix_rank(b.centred_factors) < b.shape[2]:
        raise ValueError(
            "The factors of the second model are collinear, or one of them is constant. Drop those "
            "that follow from the others."
        )
    (ratio_a, series_a), (ratio_b, series_b) = sharpe_influence(a), sharpe_influence(b)
    t = len(series_a)
    difference = _adjusted(ratio_a, t, a.shape[2]) - _adjusted(ratio_b, t, b.shape[2])
    smaller, larger = (a, b) if a.shape[2] <= b.shape[2] else (b, a)
    # Traded factors have no constant: levels are compared.
    extra = _beside(larger.factors, smaller.factors)
    if not _beside(smaller.factors, larger.factors).shape[1]:
        if not extra.shape[1]:
            raise ValueError("compare_sharpe was given the same factors twice.")
        found = grs_test(
            smaller.factors,
            extra,
            covariance="robust",
            small_sample=long_run.kernel is None,
            kernel=long_run.kernel,
            bandwidth=long_run.bandwidth,
            prewhiten=long_run.prewhiten,
        )
        null = "the factors that only one model has add nothing to the squared Sharpe ratio"
        found = TestResult(found.statistic, found.p_value, found.df, found.distribution, null)
        nested = "larger" if larger is b else "smaller"
        return found, Pair(difference, found.p_value, nested)
    influence = series_a - series_b
    variance, _ = long_run.covariance(influence[:, None], a.positions)
    statistic = difference / float(np.sqrt(variance[0, 0] / t))
    p_value = float(2.0 * stats.norm.sf(abs(statistic)))
    null = "both models have the same largest squared Sharpe ratio"
    found = TestResult(statistic, p_value, (), "normal", null)
    return found, Pair(difference, p_value, "", influence)


def sharpe_influence(sample: FactorSample) -> tuple[float, Float64Array]:
    """Largest squared Sharpe ratio of factors, and the influence (T,) of each date on it."""
    mean = sample.factors.mean(axis=0)
    weights = np.linalg.solve(sample.factor_covariance, mean)
    ratio, u = float(mean @ weights), sample.centred_factors @ weights
    influence: Float64Array = 2.0 * u - u**2 + ratio
    return ratio, influence


def _adjusted(ratio: float, t: int, k: int) -> float:
    """A squared Sharpe ratio without the bias that it has for normal returns."""
    return (t - k - 2) / t * ratio - k / t


def _beside(columns: Float64Array, basis: Float64Array) -> Float64Array:
    """Those of columns (T, n) that are not combinations of a basis (T, k), up to rounding."""
    q, _ = np.linalg.qr(basis)
    left = columns - q @ (q.T @ columns)
    return columns[:, (left**2).sum(axis=0) > FACTORS_LEFT * (columns**2).sum(axis=0)]

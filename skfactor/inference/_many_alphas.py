"""Alphas of very many assets: a test that all are zero, and which of them are positive."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

from skfactor._definite import are_explained
from skfactor._kernels.rounding import FACTOR_PIVOT
from skfactor._kernels.wild_bootstrap import random_signs, share_as_large
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array
from skfactor._validation import check_flag, check_significance, target_names
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference._grs import read_factor_sample
from skfactor.inference._premia import TestResult
from skfactor.inference._small_sample import check_draws, check_small_sample

# Of the tests of residual correlations, whose squares are taken for zero if they do not reject.
_CORRELATIONS = 0.05


@dataclass(frozen=True)
class OwnAlphas:
    """Regressions of assets on factors and a constant, each over its own dates.

    Those of assets with too few dates, or with collinear factors over them, are NaN.
    """

    assets: pd.Index
    alphas: Float64Array  # (N,)
    t_values: Float64Array  # (N,) for homoskedastic residuals
    free: Float64Array  # (N,) degrees of freedom T_i - K - 1
    residuals: Float64Array  # (T, N), 0 where missing
    observed: BoolArray  # (T, N)
    n_factors: int
    basis: Float64Array  # (T, K + 1) orthonormal, of a constant and the factors
    inverse: Float64Array  # (N, K + 1, K + 1) of the basis' squares over the dates of each asset
    to_alpha: Float64Array  # (K + 1,) from loadings on the basis to the alpha

    def drawn_squares(self, signs: Float64Array) -> Float64Array:
        """Squared t values (D, M) of the M known alphas, of returns that have none.

        They are residuals without alphas times signs (D, T), one for all assets of a date.
        """
        known, (n_draws, n_dates) = self.known, signs.shape
        inverse, observed = self.inverse[known], self.observed[:, known]
        direction = inverse @ self.to_alpha
        spread = direction @ self.to_alpha
        taken = (self.alphas[known] / spread)[:, None] * direction
        left = self.residuals[:, known] + np.where(observed, self.basis @ taken.T, 0.0)
        scores = (left[:, :, None] * self.basis[:, None, :]).reshape(n_dates, -1)
        loadings = (signs @ scores).reshape(n_draws, -1, self.basis.shape[1]).transpose(1, 0, 2)
        # A sign squared is one: only what the fit takes off changes.
        squares = np.einsum("tn,tn->n", left, left)[:, None]
        squares = squares - ((loadings @ inverse) * loadings).sum(axis=2)
        alphas = (loadings @ direction[:, :, None])[:, :, 0]
        drawn: Float64Array = alphas**2 / (squares * (spread / self.free[known])[:, None])
        return drawn.T

    @property
    def known(self) -> BoolArray:
        """Which assets have an alpha (N,)."""
        known: BoolArray = np.isfinite(self.t_values)
        return known


def own_alphas(
    factors: ArrayLike, returns: ArrayLike, what: str, *, fewest_free: int = 1
) -> OwnAlphas:
    """Alphas of returns that may be missing; those with fewer degrees of freedom stay out.

    Raises ``ValueError`` for assets that the factors explain exactly, and if no alpha is left.
    """
    sample = read_factor_sample(factors, returns, complete=False)
    assets = target_names(returns, sample.returns.shape[1])
    observed = np.isfinite(sample.returns)
    values = np.where(observed, sample.returns, 0.0)
    n_dates, _, k = sample.shape
    basis, triangle = np.linalg.qr(np.column_stack([np.ones(n_dates), sample.factors]))
    squares = (basis[:, :, None] * basis[:, None, :]).reshape(n_dates, -1)
    gram = (observed.T.astype(np.float64) @ squares).reshape(-1, k + 1, k + 1)
    counts = observed.sum(axis=0)
    free = (counts - k - 1).astype(np.float64)
    # Eigenvalues are of dates as shares of all: those of a singular asset are rounding.
    smallest = np.linalg.eigvalsh(gram)[:, 0] * n_dates / np.maximum(counts, 1)
    left_out = (free < fewest_free) | (smallest <= FACTOR_PIVOT)
    if left_out.all():
        raise ValueError(
            f"{what} has no asset with {k + 1 + fewest_free} dates or more and factors that are "
            "not collinear over them. Pass more dates, or fewer factors."
        )
    gram[left_out] = np.eye(k + 1)
    loadings = np.linalg.solve(gram, (values.T @ basis)[:, :, None])[:, :, 0]
    residuals = np.where(observed, values - basis @ loadings.T, 0.0)
    sums = np.einsum("tn,tn->n", residuals, residuals)
    explained = are_explained(sums, sample.returns) & ~left_out
    if explained.any():
        raise ValueError(
            f"The factors explain the returns of {list(assets[explained][:5])} up to rounding, "
            "so that alphas have no errors. Drop them, or the factors that are among the assets."
        )
    to_alpha = np.linalg.inv(triangle)[0]
    alphas = loadings @ to_alpha
    inverse = np.linalg.inv(gram)
    spread = np.einsum("i,nij,j->n", to_alpha, inverse, to_alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        t_values = alphas / np.sqrt(sums / free * spread)
    alphas[left_out] = t_values[left_out] = np.nan
    if left_out.any():
        warn_user(
            f"{what} leaves out {int(left_out.sum())} of {len(assets)} assets, with fewer than "
            f"{k + 1 + fewest_free} dates or with collinear factors over them (first: "
            f"{assets[left_out][0]}).",
            RankDeficientWarning,
        )
    return OwnAlphas(
        assets, alphas, t_values, free, residuals, observed, k, basis, inverse, to_alpha
    )


def alpha_test(
    factors: ArrayLike,
    returns: ArrayLike,
    *,
    small_sample: bool | str = "auto",
    n_draws: int = 999,
    random_state: int = 0,
) -> TestResult:
    r"""Test that the alphas of any number of assets are zero, of more assets than dates too.

    The squared t values of the alphas, less what they average to, over their standard deviation
    [1]_:

    .. math:: J_\alpha = \frac{1}{\sqrt{N (1 + (N - 1) \bar\rho^2)}} \sum_i
       \frac{t_i^2 - \frac{v_i}{v_i - 2}}
       {\frac{v_i}{v_i - 2} \sqrt{\frac{2 (v_i - 1)}{v_i - 4}}}

    with :math:`v_i = T_i - K - 1`, and :math:`\bar\rho^2` the average squared correlation of the
    residuals of two assets, which counts as zero unless it is significant at 5% divided by N - 1.
    No covariance is inverted. It is for many assets: of a few, `grs_test` is exact.

    Parameters
    ----------
    factors : array-like of shape (n_periods, n_factors) or (n_periods,)
        Returns of traded factors: excess returns or long minus short.
    returns : array-like of shape (n_periods, n_assets)
        Excess returns; NaN where missing. Each asset has the alpha of its own dates, and each
        correlation the dates of both.
    small_sample : {"auto", True, False, "wild"}, default="auto"
        ``"auto"``, True and ``"wild"`` compare the statistic with those of returns without alphas:
        what the factors leave, times one random sign per date, which keeps the residuals'
        correlations and what large residuals on the same dates do to all t values. False is the
        standard normal distribution, which rejects true hypotheses too often with 10 or 25 assets,
        or fat tails.
    n_draws, random_state
        As in `j_test`.

    Returns
    -------
    TestResult
        Large values reject. ``distribution`` is ``"wild bootstrap"`` or ``"normal"``.

    Raises
    ------
    ValueError
        If there is one asset only, a factor is among the assets, a factor is missing, a value is
        infinite, rows differ or the factors are collinear.

    Warns
    -----
    RankDeficientWarning
        If assets with fewer than K + 6 dates are left out.

    References
    ----------
    .. [1] Pesaran, M. H. and T. Yamagata (2024), "Testing for Alpha in Linear Factor Pricing Models
       with a Large Number of Securities", Journal of Financial Econometrics 22(2), 407-460.
       https://doi.org/10.1093/jjfinec/nbad002

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import alpha_test
    >>> french = load_french().iloc[-24:]
    >>> returns = french.loc[:, "NoDur":"Other"].sub(french["RF"], axis=0)
    >>> print(alpha_test(french[["MktRF", "SMB", "HML"]], returns))
    wild bootstrap = -0.8107, p-value = 0.7350
    H0: the alphas of all 12 assets are zero
    """
    form = check_small_sample(small_sample)
    check_draws(n_draws, random_state)
    found = own_alphas(factors, returns, "alpha_test", fewest_free=5)
    known = found.known
    t, v, n = found.t_values[known], found.free[known], int(known.sum())
    if n < 2:
        raise ValueError(
            "alpha_test is for many assets, and there is one. grs_test tests the alpha of one."
        )
    mean = v / (v - 2.0)
    deviation = mean * np.sqrt(2.0 * (v - 1.0) / (v - 4.0))
    squared = _mean_squared_correlation(found)
    scale = np.sqrt(n * (1.0 + (n - 1.0) * squared))
    statistic = float(((t**2 - mean) / deviation).sum() / scale)
    null = f"the alphas of all {n} assets are zero"
    if form:
        p_value = share_as_large(
            lambda signs: ((found.drawn_squares(signs) - mean) / deviation).sum(axis=1) / scale,
            statistic,
            random_signs(n_draws, len(found.basis), random_state),
            n * found.basis.shape[1],
        )
        return TestResult(statistic, p_value, (), "wild bootstrap", null)
    return TestResult(statistic, float(stats.norm.sf(statistic)), (), "normal", null)


def _mean_squared_correlation(found: OwnAlphas) -> float:
    """Average squared correlation of the residuals of two assets, 0 unless it is significant."""
    residuals, observed = found.residuals[:, found.known], found.observed[:, found.known]
    n = residuals.shape[1]
    products = residuals.T @ residuals
    if observed.all():
        own = np.diag(products)
        scale, free = np.outer(own, own), found.free[found.known][0]
    else:
        present = observed.astype(np.float64)
        own = (residuals**2).T @ present  # (N, N) of the first asset over the dates of both
        scale, free = own * own.T, present.T @ present - found.n_factors - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = products**2 / scale
    threshold = stats.norm.isf(_CORRELATIONS / (n - 1) / 2.0) ** 2
    significant = np.nan_to_num(free * squares) >= threshold
    above = np.triu(np.where(significant, squares, 0.0), 1)
    return float(2.0 * above.sum() / (n * (n - 1.0)))


@dataclass(frozen=True, eq=False, repr=False)
class SelectedAlphas(Result):
    """Assets whose alphas are positive, with a bounded share of false ones among them.

    Made by `select_alphas`.

    Attributes
    ----------
    table : DataFrame of shape (n_assets, 4)
        ``alpha``, its ``t_value``, the one-sided ``p_value``, and ``adjusted``, the p-value for
        the number of tests: NaN for assets that were screened out or have no alpha.
    selected : list
        Assets whose alpha is positive, the largest t value first.
    screened_out : list
        Assets with alphas so negative that they were not tested.
    significance : float
        Largest expected share of the selected assets whose alphas are not positive.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import select_alphas
    >>> french = load_french()
    >>> returns = french.loc[:, "NoDur":"Other"].sub(french["RF"], axis=0)
    >>> select_alphas(french[["MktRF", "SMB", "HML"]], returns).selected
    ['Hlth', 'NoDur']
    """

    table: pd.DataFrame
    selected: list[Hashable]
    screened_out: list[Hashable]
    significance: float

    def __str__(self) -> str:
        n_tests = int(self.table["adjusted"].notna().sum())
        return (
            f"{len(self.selected)} of {len(self.table)} assets have positive alphas, of which at "
            f"most {100.0 * self.significance:g}% are expected to be false\n"
            f"Adjusted over {n_tests} tests; {len(self.screened_out)} very negative alphas were "
            "screened out"
        )


def select_alphas(
    factors: ArrayLike,
    returns: ArrayLike,
    *,
    significance: float = 0.05,
    screen: bool = True,
) -> SelectedAlphas:
    """Select assets or funds with positive alphas, with few false ones among those selected.

    One-sided p-values are adjusted by Benjamini and Hochberg's rule, after alphas that are very
    negative were screened out: t values below -log(log T) sqrt(log N) [1]_. These cannot be
    positive by chance, and without them the others need not stand out from so many. It is for
    observed, traded factors; each asset has its own dates.

    Parameters
    ----------
    factors : array-like of shape (n_periods, n_factors) or (n_periods,)
        Returns of traded factors: excess returns or long minus short.
    returns : array-like of shape (n_periods, n_assets)
        Excess returns; NaN where missing.
    significance : float, default=0.05
        Largest expected share of false ones among the selected.
    screen : bool, default=True
        Whether to screen; else it is Benjamini and Hochberg's rule for all assets.

    Returns
    -------
    SelectedAlphas

    Raises
    ------
    ValueError
        If a factor is among the assets or missing, a value is infinite, rows differ or the factors
        are collinear.

    Warns
    -----
    RankDeficientWarning
        If assets with fewer than K + 2 dates are left out.

    References
    ----------
    .. [1] Giglio, S., Y. Liao and D. Xiu (2021), "Thousands of Alpha Tests", Review of Financial
       Studies 34(7), 3456-3496. https://doi.org/10.1093/rfs/hhaa111

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import select_alphas
    >>> french = load_french()
    >>> returns = french.loc[:, "NoDur":"Other"].sub(french["RF"], axis=0)
    >>> print(select_alphas(french["MktRF"], returns, significance=0.1))
    3 of 12 assets have positive alphas, of which at most 10% are expected to be false
    Adjusted over 12 tests; 0 very negative alphas were screened out
    """
    check_significance(significance)
    check_flag(screen, "screen")
    found = own_alphas(factors, returns, "select_alphas")
    t, known = found.t_values, found.known
    n_dates, n_assets = found.free[known] + found.n_factors + 1.0, int(known.sum())
    # Each asset's own number of dates; with two dates or one asset nothing is screened out.
    bound = np.full(len(t), -np.inf)
    with np.errstate(divide="ignore"):
        bound[known] = -np.log(np.maximum(np.log(n_dates), 1.0)) * np.sqrt(np.log(n_assets))
    out = known & (t < bound) & screen
    tested = known & ~out
    p_values, adjusted = np.full(len(t), np.nan), np.full(len(t), np.nan)
    p_values[known] = special.stdtr(found.free[known], -t[known])
    if tested.any():
        adjusted[tested] = multipletests(p_values[tested], significance, "fdr_bh")[1]
    columns = {"alpha": found.alphas, "t_value": t, "p_value": p_values, "adjusted": adjusted}
    chosen = np.flatnonzero(adjusted <= significance)
    chosen = chosen[np.argsort(-t[chosen], kind="stable")]
    return SelectedAlphas(
        pd.DataFrame(columns, index=found.assets),
        list(found.assets[chosen]),
        list(found.assets[out]),
        float(significance),
    )

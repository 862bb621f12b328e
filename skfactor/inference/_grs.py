"""Alphas: their influence, their inference, the test that all are zero; and the data it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array, check_consistent_length

from skfactor._collinear import describe_collinear
from skfactor._dates import calendar_positions
from skfactor._definite import cholesky_factor, quadratic_form
from skfactor._kernels.alpha_influence import alpha_influence
from skfactor._kernels.collinear import find_collinear
from skfactor._kernels.rounding import PIVOT_UNITS, SHARE_LEFT
from skfactor._kernels.wild_pricing import AlphaStatistics
from skfactor._panel import check_same_rows, time_index
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import (
    check_flag,
    is_one_of,
    raise_if_infinite,
    raise_if_no_numbers,
    raise_if_repeated,
    raise_if_sparse,
    target_names,
)
from skfactor.inference._long_run import LongRun, names_newey_west
from skfactor.inference._premia import PremiaInference, TestResult, chi2_test, f_test
from skfactor.inference._small_sample import (
    SmallSample,
    cosine_test,
    covariances_of_many,
    warn_of_limits,
)


@dataclass(frozen=True)
class FactorSample:
    """Complete factor and asset returns, one row per ascending date, and their regressions.

    Moments have divisor T.
    """

    factors: Float64Array  # (T, K)
    returns: Float64Array  # (T, N)
    positions: IntArray  # (T,) places of the dates on the calendar

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of dates, assets and factors."""
        return len(self.returns), self.returns.shape[1], self.factors.shape[1]

    @property
    def centred_factors(self) -> Float64Array:
        """Factor returns less their means (T, K)."""
        centred: Float64Array = self.factors - self.factors.mean(axis=0)
        return centred

    @property
    def centred_returns(self) -> Float64Array:
        """Asset returns less their means (T, N)."""
        centred: Float64Array = self.returns - self.returns.mean(axis=0)
        return centred

    @property
    def factor_covariance(self) -> Float64Array:
        """Covariance of the factors (K, K)."""
        centred = self.centred_factors
        return centred.T @ centred / len(centred)

    def regress(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Alphas (N,), betas (N, K) and residuals (T, N) of regressions on factors and 1."""
        factors, returns = self.centred_factors, self.centred_returns
        # By an orthogonal basis: the residuals of an asset that the factors span are zero then.
        basis, triangle = np.linalg.qr(factors)
        betas: Float64Array = np.linalg.solve(triangle, basis.T @ returns).T
        alphas: Float64Array = self.returns.mean(axis=0) - betas @ self.factors.mean(axis=0)
        return alphas, betas, returns - factors @ betas.T


def read_factor_sample(
    factors: ArrayLike, returns: ArrayLike, *, complete: bool = True
) -> FactorSample:
    """Check factor and asset returns of the same dates, and sort them by date.

    Raises ``ValueError`` for other rows or labels, NaN, infinity, text, and collinear factors.
    Returns may be NaN if they need not be ``complete``.
    """
    f, r = read_table(factors, "factors"), read_table(returns, "returns", complete)
    check_consistent_length(factors, returns)
    check_same_rows(factors, returns, "returns")
    index = time_index(factors, returns)
    positions: IntArray = np.arange(len(f))
    if index is not None:
        order = index.argsort()
        f, r, positions = f[order], r[order], calendar_positions(index[order])
    sample = FactorSample(f, r, positions)
    n_dates, _, n_factors = sample.shape
    if n_dates <= n_factors + 1:
        raise ValueError(
            f"{n_factors} factors need more than {n_factors + 1} dates, found {n_dates}."
        )
    if is_singular(sample.centred_factors, sample.factors):
        found = find_collinear(f.T, fit_intercept=True, tolerance=np.sqrt(PIVOT_UNITS * n_factors))
        names = getattr(factors, "columns", range(n_factors))
        which = describe_collinear(found, list(names), intercept_is_optional=False)
        raise ValueError(
            "The factors are collinear, or one of them is constant"
            f"{f': {which}' if which else '. Drop those that follow from the others'}."
        )
    return sample


def read_table(data: object, what: str, complete: bool = True) -> Float64Array:
    """Values (T, n_columns), without NaN if they are to be complete; a series is one column."""
    if data is None:
        raise ValueError(f"{what} is None; pass one column per series.")
    if isinstance(data, pd.DataFrame):
        raise_if_repeated(data.columns, what)
        if not len(data.columns):
            raise ValueError(f"{what} has no columns.")
        raise_if_sparse(data, what)
    values: Float64Array
    try:
        values = check_array(
            data, dtype=np.float64, ensure_2d=False, ensure_all_finite=False, input_name=what
        )
    except (ValueError, TypeError) as error:
        raise_if_no_numbers(error, what)
        raise
    if values.ndim == 1:
        values = values.reshape(-1, 1)
    raise_if_infinite(values, target_names(data, values.shape[1]), what)
    incomplete = int(np.count_nonzero(np.isnan(values).any(axis=1)))
    if incomplete and complete:
        raise ValueError(
            f"{what} has missing values in {incomplete} of {len(values)} rows. The test needs "
            "complete returns: drop those rows, or the columns that miss many."
        )
    return values


def is_singular(deviations: Float64Array, levels: Float64Array) -> bool:
    """Whether columns (T, n) depend on each other to rounding; levels (T, n) give their units."""
    unit = np.sqrt(np.mean(levels**2, axis=0))
    if (unit == 0.0).any():
        return True
    scaled = deviations / unit
    left = np.mean(scaled**2, axis=0)
    if (left <= SHARE_LEFT).any():  # nothing is left of a column but rounding
        return True
    return cholesky_factor(scaled.T @ scaled) is None


def check_residuals(sample: FactorSample, residuals: Float64Array) -> None:
    """Raise ``ValueError`` unless the residuals (T, N) have an invertible covariance."""
    n_dates, n_assets, n_factors = sample.shape
    if n_dates <= n_assets + n_factors:
        raise ValueError(
            f"The test inverts the covariance of the residuals, for which {n_assets} assets and "
            f"{n_factors} factors need more than {n_assets + n_factors} dates, found {n_dates}. "
            "Test fewer assets, or portfolios of them; alpha_test tests alphas of more assets than "
            "dates."
        )
    if is_singular(residuals, sample.returns):
        raise ValueError(
            "The residual covariance of the assets is singular: some asset is a combination of "
            "the factors and other assets, such as a factor that is a test asset too. Drop it."
        )


@dataclass(frozen=True, eq=False, repr=False)
class AlphaInference(PremiaInference):
    """Alphas with their covariance matrix: a `PremiaInference` whose estimates are alphas.

    Made by `skfactor.TradedFactorModel.alpha_inference`.

    Attributes
    ----------
    sample : object or None
        What the alphas are from, which their joint test needs.

    Examples
    --------
    >>> from skfactor import TradedFactorModel
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french[["NoDur", "BusEq"]].sub(french["RF"], axis=0)
    >>> model = TradedFactorModel().fit(french[["MktRF", "SMB", "HML"]], returns)
    >>> model.alpha_inference().t_values.round(2)
    NoDur    2.46
    BusEq    2.06
    Name: t_value, dtype: float64
    """

    sample: AlphaSample | None = None

    @property
    def alphas(self) -> pd.Series:
        """The alphas, the estimates that this inference is for."""
        return self.premia.rename("alpha")

    def wald_test(
        self,
        names: str | Sequence[str] | None = None,
        *,
        small_sample: bool | str = "auto",
        n_draws: int = 999,
        random_state: int = 0,
    ) -> TestResult:
        """Test that several alphas are zero together; all by default.

        Parameters
        ----------
        names : str or list of str, optional
            The asset or assets to test.
        small_sample, n_draws, random_state
            As in `skfactor.inference.grs_test` with ``covariance="robust"``, which this is. Where
            returns are missing, T is the smallest number of dates of a tested asset, and there is
            no wild bootstrap.

        Returns
        -------
        TestResult
            ``distribution`` is ``"F"``, ``"chi2"`` or ``"wild bootstrap"``.

        Raises
        ------
        ValueError
            If an asset is unknown, the alphas have a singular covariance, or the form is not there.

        Warns
        -----
        SmallSampleWarning
            If the distribution does not hold in a sample of this size.
        """
        form = SmallSample(small_sample, n_draws, random_state)
        chosen = self._chosen(list(self.premia.index) if names is None else names)
        which = f"the alphas of all {len(self.premia)} assets"
        if names is not None:
            which = f"the alphas of {', '.join(map(str, chosen))}"
        null = f"{which} are zero"
        if self.sample is None:
            return replace(super().wald_test(chosen), null=null)
        places = self.premia.index.get_indexer(pd.Index(chosen))
        return self.sample.test(places, form, null, f"{type(self).__name__}.wald_test")


@dataclass(frozen=True, eq=False)
class AlphaSample:
    """Factors (T, K), alphas (N,) with their residuals (T, N), and how they are judged."""

    factors: Float64Array
    alphas: Float64Array
    residuals: Float64Array  # NaN where a return is missing
    positions: IntArray  # (T,)
    long_run: LongRun
    debiased: bool

    def covariance(self, debiased: bool) -> tuple[Float64Array, float]:
        """Covariance (N, N) of the alphas, and the number of lags."""
        influence = alpha_influence(self.factors, self.residuals, debiased=debiased)
        covariance, lags = self.long_run.covariance(influence, self.positions)
        return covariance / len(influence), lags

    def test(self, places: IntArray, form: SmallSample, null: str, what: str) -> TestResult:
        """Test that the alphas of some assets are zero."""
        residuals, n_factors = self.residuals[:, places], self.factors.shape[1]
        observed, n_assets = np.isfinite(residuals), len(places)
        n_dates = int(np.count_nonzero(observed, axis=0).min())
        chosen = form.choose(what, self.long_run, n_dates, two_pass=False)
        alphas = self.alphas[places]
        refusal = (
            f"The covariance of the {n_assets} estimates is singular, so they cannot be tested "
            "together: some are known without error or from the others, or there are too few dates "
            "for assets or lags. Test fewer assets; alpha_test takes more assets than dates."
        )
        # Forms for small samples correct the asymptotic statistic themselves.
        covariance, lags = self.covariance(chosen == "asymptotic" and self.debiased)
        wald = quadratic_form(alphas, covariance[np.ix_(places, places)], refusal)
        if chosen == "asymptotic":
            return chi2_test(wald, n_assets, null)
        if chosen == "cosines":
            return cosine_test(wald, n_assets, lags, null)
        if chosen == "exact":
            free = n_dates - n_factors - n_assets
            if free <= 0:
                raise ValueError(
                    f"{n_assets} alphas and {n_factors} factors need more than "
                    f"{n_assets + n_factors} dates, found {n_dates}. Test fewer assets."
                )
            mean = self.factors.mean(axis=0)
            centred = self.factors - mean
            sharpe = float(mean @ np.linalg.solve(centred.T @ centred / len(centred), mean))
            warn_of_limits(what, n_dates, n_assets, sharpe)
            statistic = wald * free / (n_assets * n_dates)
            return f_test(statistic, n_assets, free, null)
        if not observed.all():
            raise ValueError(
                "small_sample='wild' needs complete returns, and some are missing. Drop the assets "
                "or dates that miss some, or use small_sample=True."
            )
        covariances = covariances_of_many(self.long_run, lags, self.positions)
        test = AlphaStatistics(self.factors, covariances)
        # Alphas and betas do not matter to what is left if alphas are zero: only residuals do, and
        # the part of the alphas that the factors do not take.
        left = test.null_residuals(residuals + alphas)
        positions = None if self.long_run.kernel is None else self.positions
        p_value = form.p_value(test.statistics, wald, left, positions)
        return TestResult(wald, p_value, (n_assets,), "wild bootstrap", null)


def grs_test(
    factors: ArrayLike,
    returns: ArrayLike,
    *,
    covariance: str = "homoskedastic",
    small_sample: bool | str = "auto",
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    n_draws: int = 999,
    random_state: int = 0,
) -> TestResult:
    r"""Test that traded factors price the assets: all time-series alphas are zero.

    With normal, homoskedastic and serially uncorrelated residuals the statistic is exactly F
    distributed in samples of any size [1]_:

    .. math:: F = \frac{T - N - K}{N} \,
       \frac{\hat\alpha' \hat\Sigma^{-1} \hat\alpha}{1 + \bar f' \hat V_f^{-1} \bar f}
       \sim F_{N,\, T - N - K}

    where the covariances of residuals and factors have divisor T. For one asset it is the squared
    t statistic of its alpha.

    Parameters
    ----------
    factors : array-like of shape (n_periods, n_factors) or (n_periods,)
        Returns of traded factors, one row per period: excess returns or long minus short.
    returns : array-like of shape (n_periods, n_assets) or (n_periods,)
        Excess returns of the test assets over the same periods.
    covariance : {"homoskedastic", "robust"}, default="homoskedastic"
        ``"homoskedastic"`` is the F test above. ``"robust"`` is the Wald statistic of the alphas
        W with their GMM covariance, robust to heteroskedasticity and, with a kernel, to serial
        correlation. It is that of ``TradedFactorModel.alpha_inference().wald_test()``.
    small_sample : {"auto", True, False, "wild"}, default="auto"
        For ``covariance="robust"`` only; the other is exact as it is. True is
        :math:`W (T - N - K) / (N T) \sim F_{N, T - N - K}`, which holds for N up to T / 5 and
        squared Sharpe ratios of the factors up to 0.1, or 0.15 with 40 dates per asset, and warns
        beyond. ``"wild"`` is a bootstrap
        that holds everywhere: what the factors leave of returns without alphas, times one random
        sign per date; with a kernel, paths of a first-order autoregression of each asset whose
        innovations have random signs. False is the asymptotic distribution: W with a covariance
        T / (T - K - 1) times as large is chi-square, which rejects true models too often unless
        there are many dates for each asset. ``"auto"`` is True without a kernel; with a kernel it
        is False, and warns.
    kernel, bandwidth, prewhiten
        Long-run variance, as in `skfactor.FamaMacBeth.inference`; for ``covariance="robust"`` only.
    n_draws, random_state
        As in `j_test`.

    Returns
    -------
    TestResult
        ``distribution`` is ``"F"`` with (N, T - N - K) degrees of freedom, ``"chi2"`` with N, or
        ``"wild bootstrap"``.

    Raises
    ------
    ValueError
        If there are not more periods than assets and factors together, a value is missing or
        infinite, the rows differ, factors or residuals are collinear, or the form is not there.

    Warns
    -----
    SmallSampleWarning
        If the distribution does not hold in a sample of this size.

    References
    ----------
    .. [1] Gibbons, M. R., S. A. Ross and J. Shanken (1989), "A Test of the Efficiency of a Given
       Portfolio", Econometrica 57(5), 1121-1152. https://doi.org/10.2307/1913625

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import grs_test
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[15]V").sub(french["RF"], axis=0)
    >>> print(grs_test(french[["MktRF", "SMB", "HML"]], returns))
    F(6, 810) = 8.2486, p-value < 0.0001
    H0: the alphas of all 6 assets are zero
    """
    if not is_one_of(covariance, ("homoskedastic", "robust")):
        meant = " Newey and West's are 'robust' with kernel='bartlett'."
        raise ValueError(
            f"covariance={covariance!r} is neither 'homoskedastic' nor 'robust'."
            f"{meant if names_newey_west(covariance) else ''}"
        )
    check_flag(prewhiten, "prewhiten")
    if covariance == "homoskedastic" and (kernel is not None or bandwidth is not None or prewhiten):
        raise ValueError("A kernel or bandwidth is for covariance='robust'; leave it out here.")
    form = SmallSample(small_sample, n_draws, random_state)
    if covariance == "homoskedastic" and small_sample != "auto":
        raise ValueError(
            f"small_sample={small_sample!r} is for covariance='robust': the homoskedastic test is "
            "exact in samples of any size. Leave it out here."
        )
    long_run = LongRun(kernel, bandwidth, prewhiten)
    sample = read_factor_sample(factors, returns)
    alphas, _, residuals = sample.regress()
    check_residuals(sample, residuals)
    n_dates, n_assets, n_factors = sample.shape
    null = f"the alphas of all {n_assets} assets are zero" if n_assets > 1 else "alpha is zero"
    if covariance == "robust":
        tested = AlphaSample(
            sample.factors, alphas, residuals, sample.positions, long_run, debiased=True
        )
        return tested.test(np.arange(n_assets), form, null, "grs_test")
    free = n_dates - n_assets - n_factors
    mean = sample.factors.mean(axis=0)
    sharpe = float(mean @ np.linalg.solve(sample.factor_covariance, mean))
    distance = float(alphas @ np.linalg.solve(residuals.T @ residuals / n_dates, alphas))
    statistic = free / n_assets * distance / (1.0 + sharpe)
    return f_test(statistic, n_assets, free, null)

"""The record of a first pass: one regression per asset, or whatever else has betas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator

from skfactor._collinear import describe_collinear
from skfactor._kernels.cross_moments import (
    CrossMoments,
    complete_rows,
    masked_cross_moments,
    segment_cross_moments,
)
from skfactor._kernels.least_squares import LeastSquares, solve_least_squares
from skfactor._kernels.masked_sums import masked_mean
from skfactor._kernels.rounding import EPSILON, FACTOR_PIVOT, FIVE_DIGITS_LOST
from skfactor._kernels.weighted_errors import forgetting_variances
from skfactor._limits import single_blas_thread
from skfactor._panel import only_numbers_rows
from skfactor._passes.rolling_betas import RollingBetas, shrink
from skfactor._passes.time_series import TimeSeries
from skfactor._typing import Float64Array
from skfactor._validation import frozen
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning

# A fit that cannot succeed is not begun if its cross-products are more numbers than this.
_MOST_IN_VAIN = 2**22


@dataclass(frozen=True, eq=False)
class FirstPass:
    """What a first pass leaves for the second one, for its errors, and for portfolios.

    An estimator with ``betas_`` that has no such record, or changed its betas afterwards, has one
    of `first_pass_of`, in which little else is known.
    """

    betas: pd.DataFrame  # (N, K), rolling ones of the last date
    special: str = ""  # what betas are that are not least squares of the whole sample
    fit_intercept: bool = True
    factors: pd.DataFrame | None = None  # (T, K)
    returns: pd.DataFrame | None = None  # (T, N)
    weights: Float64Array | None = None  # (T,) of the dates, where they do not have the same weight
    alphas: pd.Series | None = None  # (N,)
    std_errors: pd.DataFrame | None = None  # (N, K) for homoskedastic residuals
    means: Float64Array | None = None  # (N,) average returns over an asset's dates
    smallest_pivot: float = 1.0  # squared, of the factors' correlations over any asset's dates
    rolling: RollingBetas | None = None  # betas of each date
    given_residuals: pd.DataFrame | None = None  # (T, N), where they do not follow from the rest

    @property
    def collinear(self) -> str:
        """Why the factors have no inverse covariance; empty if they have."""
        if self.smallest_pivot >= FACTOR_PIVOT:
            return ""
        return (
            "inverts the covariance of the factors, and to five digits some of them are "
            "combinations of others. Drop one of those."
        )

    def raise_if_collinear(self, what: str) -> None:
        """Raise ``ValueError`` if the factors have no inverse covariance, which ``what`` needs."""
        if self.collinear:
            raise ValueError(f"{what} {self.collinear}")

    def residuals(self, what: str = "This") -> pd.DataFrame:
        """Residuals (T, N); ``ValueError`` if they are not known, and ``what`` needs them."""
        if self.given_residuals is not None:
            return self.given_residuals
        if self.returns is None or self.factors is None or self.alphas is None:
            raise ValueError(
                f"{what} needs the residuals of the first pass, and these betas are "
                f"{self.special}, which has none. Give it residuals_, one column per asset, or "
                "use FactorBetas."
            )
        return unexplained_returns(self.returns, self.factors, self.betas, self.alphas)


def first_pass_of(fitted: BaseEstimator, assets: pd.Index) -> FirstPass:
    """The record of a fitted first pass; of an estimator that only has betas, what is known.

    Raises ``ValueError`` if it has no betas (N, K) of these assets.
    """
    name = type(fitted).__name__
    betas = getattr(fitted, "betas_", None)
    if not isinstance(betas, pd.DataFrame) or not betas.index.equals(assets):
        found = f"a {type(betas).__name__}"
        if isinstance(betas, pd.DataFrame):
            found = f"rows for {list(betas.index[:5])} ..."
        raise ValueError(
            f"The first pass {name} needs a DataFrame betas_ after fit, one row per column of y "
            f"({list(assets[:5])} ...) and one column per factor; found {found}."
        )
    record = getattr(fitted, "record_", None)
    if isinstance(record, FirstPass) and record.betas.equals(betas):
        return record
    return FirstPass(
        frozen(betas), f"those of {name}", given_residuals=getattr(fitted, "residuals_", None)
    )


@dataclass(frozen=True)
class SeriesRegressions:
    """Betas and their errors (N, K), alphas (N,), and the least squares that they are from."""

    betas: Float64Array
    alphas: Float64Array
    errors: Float64Array
    fits: LeastSquares
    free: Float64Array  # (N,) degrees of freedom of the errors
    means: Float64Array | None  # (N,) average returns over an asset's dates, if all have factors

    @property
    def smallest_pivot(self) -> float:
        """Smallest squared Cholesky pivot of the factors' correlations over any asset's dates."""
        pivots = self.fits.pivots
        if pivots.shape[1] > 1:
            pivots = pivots[:, self.fits.solved]
        return float(pivots.min(initial=1.0))


def regress_series(
    series: TimeSeries,
    weights: Float64Array | None,
    *,
    fit_intercept: bool,
    fewest: int,
    shrinkage: str | None,
) -> SeriesRegressions:
    """Regress each asset on the factors, common or its own, with weights (T,) if given.

    Shrunk betas come with alphas to match; errors are those of least squares.
    """
    factors, returns = series.factors, series.returns
    known = np.isfinite(factors).all(axis=1)
    kept = slice(None) if known.all() or not series.is_common else known
    w = None if weights is None else weights[kept]
    n_dates = int(np.count_nonzero(known))
    if (
        series.is_common
        and fewest > n_dates
        and returns.shape[1] * len(series.names) ** 2 > _MOST_IN_VAIN
    ):
        raise ValueError(
            f"Betas on {len(series.names)} factors need at least {fewest} dates that have them "
            f"all; found {n_dates}. Pass more dates, or fewer factors."
        )
    regress = _regressions if series.is_common else _own_regressions
    found = regress(factors[kept], returns[kept], w, fit_intercept, fewest)
    fits, means = found.fits, found.means
    betas = fits.coefficients[:, -factors.shape[1] :]
    alphas = fits.coefficients[:, 0] if fit_intercept else np.zeros(len(betas))
    squares = fits.total - fits.explained
    for i in np.flatnonzero(squares < FIVE_DIGITS_LOST * fits.total):
        own = factors if series.is_common else factors[:, :, i]
        residuals = (returns[:, i] - alphas[i] - own @ betas[i]) ** 2
        squares[i] = np.nansum(residuals if weights is None else weights * residuals)
    known_error = fits.n_rows > factors.shape[1] + fit_intercept
    variance = squares / np.where(known_error, found.divisors, np.nan)
    errors = np.sqrt(variance[:, None] * found.variances)
    if shrinkage is not None:
        betas = betas.copy()
        for k in range(len(series.names)):
            shrink(betas[:, k], errors[:, k], shrinkage)
        if fit_intercept:
            left = returns - series.explained(betas)
            alphas = masked_mean(left[kept].T, w)
    of_all_dates = weights is None and known.all() and series.is_common
    free = np.where(known_error & fits.solved, found.free, np.nan)
    return SeriesRegressions(betas, alphas, errors, fits, free, means if of_all_dates else None)


@dataclass(frozen=True)
class _Regressions:
    """Each asset's regression, and what its errors are made of."""

    fits: LeastSquares
    means: Float64Array  # (N,) average returns
    variances: Float64Array  # (N, K) of the slopes, for residuals of variance one
    divisors: Float64Array  # (N,) of the sum of squared residuals
    free: Float64Array  # (N,) degrees of freedom


@single_blas_thread
def _regressions(
    factors: Float64Array,
    returns: Float64Array,
    weights: Float64Array | None,
    fit_intercept: bool,
    fewest: int,
) -> _Regressions:
    """Each asset's regression of returns (T, N) on factors (T, K)."""
    common, targets = np.ascontiguousarray(factors.T), returns.T
    moments = masked_cross_moments(common, targets, weights)
    fits = solve_least_squares(
        moments,
        lambda i: complete_rows(common, targets[i], weights),
        fit_intercept=fit_intercept,
        min_rows=fewest,
        resolution=EPSILON,
    )
    if weights is None:
        return _with_errors(fits, moments, None, fit_intercept)
    squared = masked_cross_moments(common, targets[:1] if moments.alike else targets, weights**2)
    return _with_errors(fits, moments, squared, fit_intercept)


@single_blas_thread
def _own_regressions(
    factors: Float64Array,
    returns: Float64Array,
    weights: Float64Array | None,
    fit_intercept: bool,
    fewest: int,
) -> _Regressions:
    """Each asset's regression of returns (T, N) on its factors (T, K, N)."""
    t, k, n = factors.shape
    x, y = factors.transpose(1, 2, 0).reshape(k, n * t), returns.T.reshape(n * t)
    w = None if weights is None else np.tile(weights, n)
    offsets = np.arange(0, n * t + 1, t)

    def rows(i: int) -> tuple[Float64Array, Float64Array, Float64Array | None]:
        run = slice(i * t, (i + 1) * t)
        return complete_rows(x[:, run], y[run], weights)

    moments = segment_cross_moments(x, y, offsets, w)
    fits = solve_least_squares(
        moments, rows, fit_intercept=fit_intercept, min_rows=fewest, resolution=EPSILON
    )
    squared = None if w is None else segment_cross_moments(x, y, offsets, w**2)
    return _with_errors(fits, moments, squared, fit_intercept)


def _with_errors(
    fits: LeastSquares, moments: CrossMoments, squared: CrossMoments | None, fit_intercept: bool
) -> _Regressions:
    """Regressions with what errors are made of; ``squared`` has the weights squared, if any."""
    means = moments.mean[-1].copy()
    if squared is None:
        used = len(moments.mean) - 1 + fit_intercept
        free = np.asarray(fits.n_rows - used, dtype=np.float64)
        return _Regressions(fits, means, fits.slope_variances, free, free)
    variances, spent, free = forgetting_variances(fits, moments, squared, fit_intercept)
    return _Regressions(fits, means, variances, moments.weight - spent, free)


def table_of_betas(
    betas: Float64Array, errors: Float64Array, free: float, factors: pd.Index
) -> pd.DataFrame:
    """Betas (K,) with their errors (K,) and t tests of ``free`` degrees of freedom."""
    t_values = betas / errors
    p_values = 2.0 * stats.t.sf(np.abs(t_values), free)
    columns = {"beta": betas, "std_error": errors, "t_value": t_values, "p_value": p_values}
    return pd.DataFrame(columns, index=factors.rename("factor"))


def report_failures(fits: LeastSquares, series: TimeSeries, fewest: int) -> None:
    """Warn about assets without betas; raise where no asset has any and rows are dated."""
    failed = ~fits.solved
    if not failed.any():
        return
    assets, names = series.assets, describe_collinear(fits.collinear, series.names)
    found = (
        f"{int(fits.thin.sum())} with fewer than {fewest} observations, "
        f"{int(fits.deficient.sum())} with constant or collinear factors over their dates"
        f"{f' ({names})' if names else ''}"
    )
    if failed.all() and not only_numbers_rows(series.periods):
        remedy = "Pass more dates, or fewer factors."
        if fewest > len(series.names) + 1:
            remedy = "Pass more dates, fewer factors, or a smaller min_periods."
        if fits.deficient.all():
            remedy = "Drop the factors that are constant or combinations of the others."
        raise ValueError(
            f"The betas of none of the {len(assets)} asset(s) can be estimated: {found}. {remedy}"
        )
    warn_user(
        f"The betas of {int(failed.sum())} of {len(assets)} assets are NaN: {found} "
        f"(first: {assets[failed][0]}).",
        RankDeficientWarning,
    )


def unexplained_returns(
    returns: pd.DataFrame, factors: pd.DataFrame, betas: pd.DataFrame, alphas: pd.Series
) -> pd.DataFrame:
    """What factors (T, K), betas (N, K) and alphas (N,) leave of returns (T, N)."""
    values = returns.to_numpy()
    x, b = factors.to_numpy(), betas.to_numpy()
    # In the memory order of the returns: operations on mixed orders are several times slower.
    left = (b @ x.T).T if values.flags.f_contiguous else x @ b.T
    left += alphas.to_numpy()
    np.subtract(values, left, out=left)
    return pd.DataFrame(left, index=returns.index, columns=returns.columns, copy=False)


def covariance_parts(
    factors: pd.DataFrame, residuals: pd.DataFrame, weights: Float64Array | None
) -> tuple[Float64Array, Float64Array]:
    """Covariance of factors (K, K) and variances of residuals (N,), see `FactorBetas.covariance`.

    From factors (T, K), residuals (T, N) and weights (T,); NaN left out.
    """
    f, e = factors.to_numpy(), residuals.to_numpy()
    w = np.ones(len(f)) if weights is None else weights
    known = np.isfinite(f).all(axis=1)
    common = np.atleast_2d(np.cov(f[known].T, aweights=w[known]))
    observed = np.isfinite(e)
    total, squared = w @ observed, w**2 @ observed
    with np.errstate(invalid="ignore", divide="ignore"):
        filled = np.where(observed, e - masked_mean(e.T, w), 0.0)
        specific: Float64Array = w @ filled**2 / (total - squared / total)
    return common, specific

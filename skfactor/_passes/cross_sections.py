"""The cross-sectional regressions of both forms, and what to say when they cannot be run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular

from skfactor._definite import are_explained, cholesky_factor
from skfactor._kernels.cross_moments import (
    complete_rows,
    masked_cross_moments,
    segment_cross_moments,
)
from skfactor._kernels.least_squares import LeastSquares, solve_least_squares
from skfactor._kernels.masked_sums import masked_mean
from skfactor._kernels.rounding import EPSILON
from skfactor._kernels.segments import Segments
from skfactor._kernels.threads import Done
from skfactor._limits import single_blas_thread
from skfactor._panel import is_time_series
from skfactor._passes.first_pass import FirstPass
from skfactor._passes.slopes import Fits
from skfactor._passes.variation import Variation
from skfactor._typing import BoolArray, Float64Array, FloatArray

# Numbers in the cross-products of all variables that are held at one time: 256 MB of them, of which
# solving takes some copies.
_MOST_PRODUCTS = 2**25
# A fit that cannot succeed is not begun if it would take more of them than this.
_MOST_IN_VAIN = 2**22


def raise_if_too_few(n_features: int, n_dates: int, most_assets: int, needed: int) -> None:
    """Raise ``ValueError`` where no date has the assets for so many premia, before memory is taken.

    Fits that take little memory go on: they count all that is wrong.
    """
    if needed > most_assets and n_dates * (n_features + 2) ** 2 > _MOST_IN_VAIN:
        raise ValueError(
            f"The premia of {n_features} exposures need at least {needed} assets on a date, and no "
            f"date has more than {most_assets}. Use fewer exposures, or RidgeFamaMacBeth with a "
            "panel."
        )


def runs_of_dates(n_features: int, n_dates: int) -> list[slice]:
    """Runs of dates, in order, whose cross-products fit into memory together."""
    step = max(1, _MOST_PRODUCTS // (n_features + 2) ** 2)
    return [slice(start, min(start + step, n_dates)) for start in range(0, n_dates, step)]


@single_blas_thread
def regress_panel(
    columns: FloatArray,
    returns: Float64Array,
    weights: Float64Array | None,
    segments: Segments,
    *,
    done: Done,
    solve: Callable[..., Fits],
    fit_intercept: bool,
    min_assets: int,
) -> tuple[Fits, Variation]:
    """One regression per segment of returns (n_rows,) on exposures (n_features, n_rows).

    ``solve`` is `solve_least_squares` or has its parameters; ``done`` is called with numbers of
    segments. With the fits comes how the exposures vary within the segments.
    """
    x, y = segments.take(columns), segments.take(returns)
    w = None if weights is None else weights if segments.order is None else weights[segments.order]
    offsets = segments.offsets

    def rows(s: int) -> tuple[Float64Array, Float64Array, Float64Array | None]:
        run = slice(offsets[s], offsets[s + 1])
        return complete_rows(x[:, run], y[run], None if w is None else w[run])

    resolution = float(np.finfo(columns.dtype).eps)
    moments = segment_cross_moments(x, y, offsets, w, done)
    variation = Variation.within(moments, resolution)
    fits = solve(
        moments,
        rows,
        fit_intercept=fit_intercept,
        min_rows=min_assets,
        resolution=resolution,
    )
    return fits, variation


def weigh_assets(
    weighting: str, first: FirstPass, factors: Float64Array, used: BoolArray, returns: Float64Array
) -> Float64Array | None:
    """Weights of the second pass: None, a diagonal (N,), or (N, N).

    From the first pass' residuals of the ``used`` assets, whose returns are (T, N), and for a
    matrix from the factors (T, K) too. By its inverse generalized least squares weigh.
    """
    if weighting == "ols":
        return None
    residuals = first.residuals(f"weighting={weighting!r}").to_numpy()[:, used]
    if weighting == "wls":
        return _inverse_variances(residuals, returns, first.betas.index[used])
    if np.isnan(returns).any():
        raise ValueError("weighting='gls' needs complete returns. Use weighting='wls'.")
    known = np.isfinite(factors).all(axis=1)
    t, n, n_factors = int(known.sum()), returns.shape[1], factors.shape[1]
    if t <= n + n_factors + 2:
        raise ValueError(
            f"weighting='gls' inverts the covariance of {n} assets and needs more than "
            f"{n + n_factors + 2} periods; found {t}. Use weighting='wls', or fewer assets."
        )
    left = residuals[known]
    basis, _ = np.linalg.qr(factors[known] - factors[known].mean(axis=0))
    explained = basis.T @ (returns[known] - left)
    # Slopes are the same with and without what the factors explain, since the betas are regressors
    # (Shanken, 1992); with it an asset that is a factor, without residuals, weighs what it should.
    covariance: Float64Array = (left.T @ left + explained.T @ explained) / t
    return covariance


def _inverse_variances(
    residuals: Float64Array, returns: Float64Array, assets: pd.Index
) -> Float64Array:
    """One over the variances of residuals (T, N) of returns (T, N), NaN left out."""
    observed = np.isfinite(residuals)
    filled = np.where(observed, residuals, 0.0)
    squares = np.einsum("tn,tn->n", filled, filled)
    exact = are_explained(squares, returns)
    if exact.any():
        names = assets[exact][:5].tolist()
        raise ValueError(
            f"The residuals of {int(exact.sum())} assets have no variance ({names}), so WLS would "
            "weigh them without bound: they have no more returns than coefficients, or are "
            "combinations of the factors. Drop these assets, or use weighting='ols'."
        )
    inverse: Float64Array = observed.sum(axis=0) / squares
    return inverse


def regress_wide(
    betas: Float64Array,
    returns: Float64Array,
    weights: Float64Array | None,
    *,
    fit_intercept: bool,
    min_assets: int,
) -> LeastSquares:
    """One regression per period of returns (n_periods, n_assets) on betas (n_assets, n_factors).

    ``weights`` are those of `weigh_assets`.
    """
    if weights is not None and weights.ndim == 2:
        return _regress_generalized(betas, returns, weights, fit_intercept, min_assets)
    return _regress_weighted(betas, returns, weights, fit_intercept, min_assets)


@single_blas_thread
def _regress_weighted(
    betas: Float64Array,
    returns: Float64Array,
    weights: Float64Array | None,
    fit_intercept: bool,
    min_assets: int,
) -> LeastSquares:
    """With one weight per asset, or none."""
    common = np.ascontiguousarray(betas.T)
    return solve_least_squares(
        masked_cross_moments(common, returns, weights),
        lambda t: complete_rows(common, returns[t], weights),
        fit_intercept=fit_intercept,
        min_rows=min_assets,
        resolution=EPSILON,
    )


def _regress_generalized(
    betas: Float64Array,
    returns: Float64Array,
    covariance: Float64Array,
    fit_intercept: bool,
    min_assets: int,
) -> LeastSquares:
    """Generalized least squares as ordinary ones: whiten, take the whitened constant out."""
    factor = cholesky_factor(covariance)
    if factor is None:
        raise ValueError(
            "The returns' covariance is singular: some assets are combinations of others. Drop "
            "them, or use weighting='wls'."
        )
    one = np.ones((len(betas), 1))
    white = solve_triangular(factor, np.hstack([one, betas, returns.T]), lower=True)
    one, x, y = white[:, 0], white[:, 1 : 1 + betas.shape[1]], white[:, 1 + betas.shape[1] :]
    # Coefficients of the constant in each column; taken off, the slopes need no intercept.
    level_x, level_y = one @ x / (one @ one), one @ y / (one @ one)
    if fit_intercept:
        x, y = x - np.outer(one, level_x), y - np.outer(one, level_y)
    fits = regress_wide(x, y.T, None, fit_intercept=False, min_assets=min_assets)
    if not fit_intercept:
        return fits
    const = level_y - fits.coefficients @ level_x
    return replace(fits, coefficients=np.column_stack([const, fits.coefficients]))


def raise_if_time_series(X: ArrayLike | None, y: ArrayLike | None) -> None:
    """Raise if each row is one date, for which a single return makes no cross-section."""
    if is_time_series(X) or is_time_series(y):
        raise ValueError(
            "Each row is one date with one return: that is a time series of one asset, and a "
            "cross-section needs several. FactorBetas estimates its betas, TradedFactorModel its "
            "alpha too; for premia pass y with one column per asset, or index rows by (date, "
            "asset)."
        )


@single_blas_thread
def average_over_time(returns: Float64Array, weights: Float64Array | None = None) -> Float64Array:
    """Average return (n_assets,) of each asset over the dates on which it has one."""
    return masked_mean(returns.T, weights)

"""Portfolios of the assets of a model: their betas, and the slopes as portfolios."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from skfactor._kernels.least_squares import slope_weights
from skfactor._kernels.segments import Segments
from skfactor._passes.first_pass import FirstPass
from skfactor._typing import BoolArray, Float64Array, FloatArray


def portfolio_betas(
    first: FirstPass, factors: pd.DataFrame, weights: pd.Series | pd.DataFrame
) -> pd.DataFrame:
    """Betas of portfolios with errors; see `FamaMacBeth.portfolio_betas`."""
    if first.special:
        raise ValueError(
            f"portfolio_betas needs betas of the whole sample, with equal weights, and "
            f"these are {first.special}. Regress the portfolio's own return instead."
        )
    first.raise_if_collinear("portfolio_betas")
    if not isinstance(weights, pd.Series | pd.DataFrame):
        raise ValueError(
            f"weights is a {type(weights).__name__}; pass a Series or DataFrame indexed by asset, "
            "so that it is known which asset a weight belongs to."
        )
    if isinstance(weights, pd.Series):
        return _one_portfolio(first, factors, weights)
    tables = [_one_portfolio(first, factors, column) for _, column in weights.items()]
    return pd.concat(tables, keys=list(weights.columns), names=["portfolio", "factor"])


def _one_portfolio(first: FirstPass, factors: pd.DataFrame, weights: pd.Series) -> pd.DataFrame:
    unknown = weights.index.difference(first.betas.index)
    if len(unknown):
        raise ValueError(f"The assets {list(unknown)} of the weights were not in fit.")
    if not np.isfinite(weights.to_numpy(dtype=np.float64)).all():
        raise ValueError("The weights hold NaN or infinite values; pass 0 for no position.")
    held = weights[weights != 0.0]
    betas = first.betas.loc[held.index]
    if betas.isna().to_numpy().any():
        missing = list(betas.index[betas.isna().any(axis=1)])
        raise ValueError(f"The assets {missing} have no betas: too few observations in fit.")
    beta = held.to_numpy() @ betas.to_numpy()
    residuals = first.residuals()[held.index].to_numpy()
    variance, free = _variance(residuals, factors.to_numpy(), held.to_numpy(), first)
    if (np.diag(variance) < 0.0).any():
        raise ValueError(
            "The residual covariances of the pairs of assets, each over their common dates, do not "
            "make a covariance matrix. Use assets with more dates in common."
        )
    error = np.sqrt(np.diag(variance))
    t_value = beta / error
    return pd.DataFrame(
        {
            "beta": beta,
            "std_error": error,
            "t_value": t_value,
            "p_value": 2.0 * stats.t.sf(np.abs(t_value), free),
        },
        index=pd.Index(factors.columns, name="factor"),
    )


def _variance(
    residuals: Float64Array, factors: Float64Array, weights: Float64Array, first: FirstPass
) -> tuple[Float64Array, float]:
    """Covariance (K, K) of a portfolio's betas, and the degrees of freedom.

    The error of beta_i is a sum over its dates of (F_i'F_i)^-1 (f_t - mean_i) eps_it, so that of
    the portfolio is the sum over dates of Q_t eps_t with Q_t (K, N) as below, and its variance
    the sum of Q_t S Q_t' with S the residuals' covariance over common dates.
    """
    observed: BoolArray = ~np.isnan(residuals)
    k = factors.shape[1]
    used = k + first.fit_intercept
    common = observed.T.astype(np.float64) @ observed
    filled = np.where(observed, residuals, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pair = filled.T @ filled / np.where(common > used, common - used, np.nan)
    if np.isnan(pair).any():
        raise ValueError(
            f"Some assets of the portfolio have fewer than {used + 1} dates in common, so their "
            "residuals' covariance is unknown."
        )
    f = np.where(np.isfinite(factors).all(axis=1, keepdims=True), factors, 0.0)
    loadings = np.empty((len(f), k, len(weights)))  # Q_t
    for i, (weight, mine) in enumerate(zip(weights, observed.T, strict=True)):
        center = f[mine].mean(axis=0) if first.fit_intercept else np.zeros(k)
        deviations = np.where(mine[:, None], f - center, 0.0)
        loadings[:, :, i] = weight * np.linalg.solve(deviations.T @ deviations, deviations.T).T
    variance: Float64Array = np.einsum("tki,ij,tlj->kl", loadings, pair, loadings, optimize=True)
    return variance, float(common.min() - used)


def slope_portfolios(
    values: FloatArray, segments: Segments, weights: Float64Array | None, fit_intercept: bool
) -> Float64Array:
    """Weights (n_rows, n_premia); see `FamaMacBeth.slope_portfolios`."""
    out = np.zeros((len(values), values.shape[1] + fit_intercept))
    resolution = float(np.finfo(values.dtype).eps)
    for start, stop in pairwise(segments.offsets):
        rows = np.arange(start, stop) if segments.order is None else segments.order[start:stop]
        complete = np.isfinite(values[rows]).all(axis=1)
        if weights is not None:
            complete &= weights[rows] > 0.0
        kept = rows[complete]
        w = None if weights is None else weights[kept]
        x = values[kept].astype(np.float64)
        out[kept] = slope_weights(x.T, w, fit_intercept, resolution).T if len(kept) else np.nan
    return out

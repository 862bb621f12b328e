"""The wide form's second pass: returns on the betas of the sample, or on those known by then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skfactor._kernels.cross_moments import complete_rows, segment_cross_moments
from skfactor._kernels.least_squares import LeastSquares, solve_least_squares
from skfactor._kernels.masked_sums import masked_mean
from skfactor._kernels.rounding import EPSILON, SHARE_LEFT
from skfactor._limits import single_blas_thread
from skfactor._passes.cross_sections import average_over_time, regress_wide, weigh_assets
from skfactor._passes.first_pass import FirstPass
from skfactor._passes.rolling_betas import RollingBetas
from skfactor._typing import Float64Array


@dataclass(frozen=True)
class SecondPass:
    """One cross-sectional regression per date, and the returns that went into them."""

    fits: LeastSquares
    returns: pd.DataFrame  # (T, N) of the assets with betas
    betas: Float64Array  # (N, K) of the sample, or (K, T, N) known on each date
    means: Float64Array | None = None  # (N,) average returns, if the first pass knows them

    @property
    def warm_up(self) -> int:
        """First dates before any betas are known."""
        if self.betas.ndim == 2:
            return 0
        n_dates = self.betas.shape[1]
        known = (np.isfinite(self.betas[:, t]).all(axis=0).any() for t in range(n_dates))
        return next((t for t, any_known in enumerate(known) if any_known), n_dates)

    @single_blas_thread
    def pricing_errors(
        self, returns: pd.DataFrame, level: float, premia: Float64Array
    ) -> pd.Series:
        """Average return less zero-beta rate ``level`` and betas times ``premia``, (N,)."""
        values = returns.to_numpy()
        if self.betas.ndim == 2:
            means = average_over_time(values) if self.means is None else self.means
            errors = means - (level + self.betas @ premia)
        else:
            unexplained = values - level - np.tensordot(premia, self.betas, axes=1)
            errors = masked_mean(unexplained.T)
        return pd.Series(errors, returns.columns, name="pricing_error")


def second_pass(
    first: FirstPass,
    factors: pd.DataFrame,
    returns: pd.DataFrame,
    *,
    weighting: str,
    fit_intercept: bool,
    min_assets: int,
    is_dated: bool,
) -> SecondPass:
    """Regress the returns of each date on the betas that a first pass gives for it.

    Plain arrays, which are not dated, may leave every date without an estimate.
    """
    if first.rolling is not None:
        known = first.rolling.known()
        weights = _known_weights(first.rolling, weighting)
        fits = _regress_by_date(known, returns.to_numpy(), weights, fit_intercept, min_assets)
        return SecondPass(fits, returns, known)
    betas = first.betas.to_numpy()
    usable = np.isfinite(betas).all(axis=1)
    if is_dated and np.count_nonzero(usable) < 2:
        raise ValueError(
            f"Only {np.count_nonzero(usable)} of the {len(betas)} columns of y have enough "
            "returns for betas: a cross-section needs several assets."
        )
    kept = returns if usable.all() else returns.loc[:, usable]
    values = kept.to_numpy()
    fits = regress_wide(
        betas[usable],
        values,
        weigh_assets(weighting, first, factors.to_numpy(), usable, values),
        fit_intercept=fit_intercept,
        min_assets=min_assets,
    )
    return SecondPass(fits, kept, betas, first.means)


def _known_weights(rolling: RollingBetas, weighting: str) -> Float64Array | None:
    """Weights (T, N) by the windows that the betas of each date are from, as `weigh_assets`."""
    if weighting == "ols":
        return None
    if weighting == "gls":
        raise ValueError(
            "weighting='gls' is for betas of the whole sample; with rolling betas the residuals of "
            "a window are too few to invert their covariance. Use weighting='wls'."
        )
    tables = rolling.sample.estimate("mean_squares", "r2").tables
    variance = tables["mean_squares"]
    exact = (variance <= 0.0) | (tables["r2"] > 1.0 - SHARE_LEFT)
    if (exact & np.isfinite(variance)).any():
        raise ValueError(
            "The residuals of some windows have no variance, so WLS would weigh their assets "
            "without bound. Drop these assets, or use weighting='ols'."
        )
    # Without a degree of freedom the variance is unknown, and the asset stays out.
    return np.nan_to_num(rolling.lagged(1.0 / variance))


@single_blas_thread
def _regress_by_date(
    betas: Float64Array,
    returns: Float64Array,
    weights: Float64Array | None,
    fit_intercept: bool,
    min_assets: int,
) -> LeastSquares:
    """One regression per date of returns (T, N) on betas (K, T, N), NaN left out."""
    n_dates, n_assets = returns.shape

    def rows(t: int) -> tuple[Float64Array, Float64Array, Float64Array | None]:
        return complete_rows(betas[:, t], returns[t], None if weights is None else weights[t])

    moments = segment_cross_moments(
        betas.reshape(len(betas), -1),
        returns.reshape(-1),
        np.arange(n_dates + 1) * n_assets,
        None if weights is None else weights.reshape(-1),
    )
    return solve_least_squares(
        moments,
        rows,
        fit_intercept=fit_intercept,
        min_rows=min_assets,
        resolution=EPSILON,
    )

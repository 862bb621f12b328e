"""Standard errors of betas where residuals have variances of their own, or depend on the past."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skfactor._dates import calendar_positions
from skfactor._kernels.portfolio_betas import beta_weights
from skfactor._passes.first_pass import FirstPass
from skfactor._typing import Float64Array
from skfactor._validation import is_one_of
from skfactor.inference._long_run import LongRun

KINDS = ("hc1", "classical")


def check_beta_errors(
    what: str, covariance: object, kernel: str | None, bandwidth: float | str | None
) -> LongRun:
    """The long-run variance of the scores; ``ValueError`` for options that mean nothing."""
    if not is_one_of(covariance, KINDS):
        raise ValueError(f"covariance={covariance!r} is unknown; it is one of {list(KINDS)}.")
    long_run = LongRun(kernel, bandwidth)
    long_run.refuse_cosines(what)
    if covariance == "classical" and kernel is not None:
        raise ValueError(
            f"covariance='classical' is for residuals that do not depend on each other, and "
            f"kernel={kernel!r} was passed. Use covariance='hc1' with it."
        )
    return long_run


def raise_if_special(first: FirstPass, what: str) -> None:
    """Raise ``ValueError`` unless betas are least squares of the whole sample."""
    if first.special:
        raise ValueError(
            f"{what} needs betas of the whole sample, with equal weights, and these are "
            f"{first.special}. Regress on the rows of a window instead."
        )
    first.raise_if_collinear(what)


def beta_covariance(
    first: FirstPass, residuals: Float64Array, held: Float64Array, long_run: LongRun
) -> tuple[Float64Array, float]:
    """Covariance (K, K) of the betas of a portfolio of assets, and its degrees of freedom.

    From residuals (T, N), NaN where a return is missing, and weights (N,): the long-run variance of
    what each date adds to the betas, times n / (n - k) for the fewest observations n.
    """
    assert first.factors is not None
    factors = first.factors.to_numpy()
    known = np.isfinite(factors).all(axis=1)
    series = np.zeros((len(factors), factors.shape[1]))
    fewest = len(factors)
    for weight, own in zip(held, residuals.T, strict=True):
        observed = known & np.isfinite(own)
        series[observed] += (
            weight * beta_weights(factors[observed], first.fit_intercept) * own[observed, None]
        )
        fewest = min(fewest, int(np.count_nonzero(observed)))
    used = series.any(axis=1)
    positions = calendar_positions(first.factors.index)[used]
    covariance, _ = long_run.covariance(series[used], positions)
    free = fewest - factors.shape[1] - first.fit_intercept
    if free <= 0:
        return np.full(covariance.shape, np.nan), float(free)
    return covariance * np.count_nonzero(used) * fewest / free, float(free)


def standard_errors(first: FirstPass, long_run: LongRun) -> pd.DataFrame:
    """Standard errors (N, K) of each asset's betas; NaN of those without."""
    residuals = first.residuals("standard_errors").to_numpy()
    errors = np.full(first.betas.shape, np.nan)
    for i in np.flatnonzero(np.isfinite(first.betas.to_numpy()).all(axis=1)):
        covariance, _ = beta_covariance(first, residuals[:, [i]], np.ones(1), long_run)
        errors[i] = np.sqrt(np.diag(covariance))
    return pd.DataFrame(errors, index=first.betas.index, columns=first.betas.columns)

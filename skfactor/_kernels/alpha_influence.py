"""Influence of each date on the alphas of time-series regressions, from which their errors are."""

from __future__ import annotations

import numpy as np

from skfactor._typing import Float64Array


def alpha_influence(
    factors: Float64Array, residuals: Float64Array, *, debiased: bool = False
) -> Float64Array:
    """Influence (T, N) of each date on alphas, from factors (T, K) and residuals (T, N).

    It is eps_t times the first element of Q^-1 [1; f_t], Q = E[[1; f][1; f]'], which is
    1 - fbar' Vf^-1 (f_t - fbar). Residuals may be NaN: the moments are those of the asset's own
    T_i dates, and their influence on its alpha is T / T_i times as large. ``debiased=True`` makes
    the variance of the alphas T_i / (T_i - K - 1) times as large.
    """
    n_dates, used = len(factors), factors.shape[1] + 1
    observed = ~np.isnan(residuals)
    influence = np.where(observed.any(axis=0), np.zeros(residuals.shape), np.nan)
    # Assets that have the same dates share all but their residuals.
    patterns, member = np.unique(observed, axis=1, return_inverse=True)
    for i, rows in enumerate(patterns.T):
        n_rows = int(np.count_nonzero(rows))
        if not n_rows:  # an asset without betas, whose alpha is NaN
            continue
        if debiased and n_rows <= used:
            raise ValueError(
                f"debiased=True divides by the number of dates minus {used}, and an asset has "
                f"{n_rows}. Pass debiased=False, or more dates."
            )
        mean = factors[rows].mean(axis=0)
        centred = factors[rows] - mean
        slopes = np.linalg.solve(centred.T @ centred / n_rows, mean)
        scale = n_dates / n_rows * (1.0 - centred @ slopes)
        if debiased:
            scale *= np.sqrt(n_rows / (n_rows - used))
        cells = np.ix_(rows, member.reshape(-1) == i)
        influence[cells] = residuals[cells] * scale[:, None]
    return influence

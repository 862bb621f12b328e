"""Draws of dates with replacement, in blocks that keep serial dependence, and their length."""

from __future__ import annotations

import numpy as np

from skfactor._typing import Float64Array, IntArray


def draw_dates(n_dates: int, block_length: float, n_draws: int, seed: int) -> IntArray:
    """Places (n_draws, n_dates) of the dates of each draw, by the stationary bootstrap.

    Blocks of dates that follow each other, the first after the last, have geometric lengths with
    this mean (Politis and Romano, 1994); with a length of 1 dates are drawn one by one.
    """
    rng = np.random.default_rng(seed)
    shape = (n_draws, n_dates)
    places: IntArray
    if block_length <= 1.0:
        places = rng.integers(0, n_dates, shape)
        return places
    begins = rng.random(shape) < 1.0 / block_length
    begins[:, 0] = True
    first = np.flatnonzero(begins)
    shift = rng.integers(0, n_dates, len(first)) - first
    lengths = np.diff(np.append(first, begins.size))
    places = np.arange(begins.size) + np.repeat(shift, lengths)
    places %= n_dates
    return places.reshape(shape)


def count_dates(places: IntArray) -> IntArray:
    """How often each date is in each draw (n_draws, n_dates), from places (n_draws, n_dates)."""
    n_draws, n_dates = places.shape
    cells = places + n_dates * np.arange(n_draws)[:, None]
    return np.bincount(cells.ravel(), minlength=places.size).reshape(places.shape)


def best_block_length(series: Float64Array) -> float:
    """Mean block length of the stationary bootstrap for the mean of a series (T,).

    The rule of Politis and White (2004) as corrected in 2009, except that it is 1 where no
    autocorrelation is significant: dates are independent then.
    """
    n = len(series)
    deviations = series - series.mean()
    span = max(5, int(np.log10(n)))
    most = min(int(np.ceil(np.sqrt(n))) + span, n - 1)
    covariances = np.array([deviations[j:] @ deviations[: n - j] for j in range(most + 1)]) / n
    if covariances[0] <= 0.0:
        return 1.0
    insignificant = np.abs(covariances[1:]) < 2.0 * np.sqrt(np.log10(n) / n) * covariances[0]
    # The first lag from which on so many are insignificant together.
    runs = np.convolve(insignificant, np.ones(span), "valid") >= span - 0.5
    first = 1 + int(runs.argmax()) if runs.any() else most
    if first == 1:
        return 1.0
    window = min(2 * first, most)
    lags = np.arange(1, window + 1)
    weighted = np.minimum(1.0, 2.0 * (1.0 - lags / window)) * covariances[1 : window + 1]
    variance = covariances[0] + 2.0 * weighted.sum()
    length = (n * (2.0 * (lags * weighted).sum() / variance) ** 2) ** (1.0 / 3.0)
    return float(np.clip(length, 1.0, np.ceil(min(3.0 * np.sqrt(n), n / 3.0))))

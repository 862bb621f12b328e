"""Regressions of many series on common factors over trailing windows, from their sums."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from skfactor._kernels.cholesky import cholesky, inverse_diagonals, solve_cholesky
from skfactor._kernels.least_squares import slope_weights
from skfactor._kernels.rolling import Window, WindowSums, known_dates, window_sums
from skfactor._kernels.rounding import EPSILON, ROLLING_PIVOT, ROLLING_SPREAD
from skfactor._typing import BoolArray, Float64Array, IntArray

# Tables with one number a factor; "intercepts", "r2", "residual_variances" and "n_rows" have one.
_PER_FACTOR = ("slopes", "errors")

# One array (n_windows,) a factor, or one alone, by name of the table they go to.
Estimates: TypeAlias = dict[str, list[Any]]


@dataclass(frozen=True)
class RollingLeastSquares:
    """The tables that were asked for, NaN where a window is thin or deficient."""

    tables: dict[str, Float64Array]  # (K, T, N) or (T, N)
    n_deficient: int  # windows with enough observations, but constant or collinear factors


def rolling_least_squares(
    factors: Float64Array,
    returns: Float64Array,
    window: Window,
    *,
    fit_intercept: bool,
    outputs: Collection[str] = ("slopes",),
) -> RollingLeastSquares:
    """Regress each of the returns (T, N) on factors (K, T) over the window that ends on each date.

    ``outputs`` names the tables: ``"slopes"`` and their standard ``"errors"``, ``"intercepts"``,
    ``"r2"``, ``"residual_variances"``, ``"n_rows"``. Errors are those of weighted least squares,
    for residuals whose variance is inverse to their weight; weights average to one in the
    residual variance.
    """
    k = len(factors)
    tables = {
        name: np.full((k if name in _PER_FACTOR else 1, *returns.shape), np.nan) for name in outputs
    }
    squares = not {"slopes", "n_rows"}.issuperset(outputs)
    by_rows, n_deficient = _FromRows(factors, returns, window, fit_intercept), 0
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for sums in window_sums(
            factors, returns, window, with_constant=fit_intercept, squares=squares
        ):
            estimates, safe = _estimate(sums, k, fit_intercept, outputs)
            if not safe.all():
                n_deficient += by_rows.replace(estimates, sums, np.flatnonzero(~safe))
            every = slice(None) if sums.wanted.all() else sums.wanted
            shape = sums.wanted.shape if sums.wanted.all() else -1
            for name, table in tables.items():
                for plane, values in zip(table, estimates[name], strict=True):
                    plane[sums.dates, sums.series][every] = values.reshape(shape)
    if window.only_observed:
        _carry(list(tables.values()), ~by_rows.observed)
    return RollingLeastSquares(
        {name: table if name in _PER_FACTOR else table[0] for name, table in tables.items()},
        n_deficient,
    )


def _carry(tables: list[Float64Array], unobserved: BoolArray) -> None:
    """Repeat the estimates of the date before where a date brings no observation, in place."""
    for t in range(1, len(unobserved)):
        for table in tables:
            np.copyto(table[:, t], table[:, t - 1], where=unobserved[t])


def _estimate(
    sums: WindowSums, n_factors: int, fit_intercept: bool, outputs: Collection[str]
) -> tuple[Estimates, BoolArray]:
    """Estimates of each window from its sums, and for which windows they can be trusted."""
    rows = iter(sums.sums)
    products = [[next(rows) for _ in range(i + 1)] for i in range(n_factors + fit_intercept)]
    cross = [next(rows) for _ in products]
    total, weights = next(rows, np.empty(0)), next(rows, np.empty(0))
    safe = np.ones(len(sums.n_rows), dtype=bool)
    gram, means = products, []
    if fit_intercept:
        (weight,), *products = products
        level, *cross = cross
        means = [entries[0] / weight for entries in products]
        gram = [
            [entries[j + 1] - entries[0] * means[j] for j in range(i + 1)]
            for i, entries in enumerate(products)
        ]
        cross = [value - level * mean for value, mean in zip(cross, means, strict=True)]
        for i, entries in enumerate(products):
            safe &= gram[i][i] >= ROLLING_SPREAD * entries[-1]
        level = level / weight
        if total.size:
            total = total - level * level * weight
    factor = cholesky(gram, n_factors)
    slopes = solve_cholesky(factor, cross)
    safe &= factor.pivots.min(axis=0) >= ROLLING_PIVOT
    estimates: Estimates = {"slopes": slopes, "n_rows": [sums.n_rows]}
    if "intercepts" in outputs:
        intercept = sums.level + level
        for slope, mean, center in zip(slopes, means, sums.center, strict=True):
            intercept = intercept - slope * (mean + center)
        estimates["intercepts"] = [intercept]
    if total.size:
        explained = sum(slope * value for slope, value in zip(slopes, cross, strict=True))
        estimates["r2"] = [np.asarray(explained / total)]
        free = sums.n_rows - n_factors - fit_intercept
        left = np.maximum(total - explained, 0.0)
        variance = np.where(free > 0, left / free, np.nan)
        estimates["residual_variances"] = [variance * sums.n_rows / weights]
    if "errors" in outputs:
        estimates["errors"] = [np.sqrt(variance * unit) for unit in inverse_diagonals(factor)]
    return estimates, safe


@dataclass
class _FromRows:
    """Estimates from the data themselves where sums have lost too many digits."""

    factors: Float64Array
    returns: Float64Array
    window: Window
    fit_intercept: bool
    observed: BoolArray = field(init=False)  # (T, N)
    _is_deficient: dict[int, bool] = field(default_factory=dict)  # complete windows by last date

    def __post_init__(self) -> None:
        self.observed = np.isfinite(self.returns) & known_dates(self.factors)[:, None]

    def replace(self, estimates: Estimates, sums: WindowSums, which: IntArray) -> int:
        """Put new estimates in place of some windows'; returns how many have none."""
        dates, series = (each[which] for each in np.nonzero(sums.wanted))
        dates, series = dates + sums.dates.start, series + sums.series.start
        n_deficient = 0
        for date in np.unique(dates):
            here = np.flatnonzero(dates == date)
            rows = slice(max(int(date) + 1 - self.window.length, 0), int(date) + 1)
            observed = self.observed[rows, series[here]]
            if self._complete_is_deficient(rows):
                self._put(estimates, which[here], None, rows, observed[:, 0], series[here])
                n_deficient += len(here)
                continue
            # Series that miss the same dates share a factorization.
            patterns, place = np.unique(observed, axis=1, return_inverse=True)
            for p, pattern in enumerate(patterns.T):
                alike = here[place.reshape(-1) == p]
                operator = self._operator(rows, pattern)
                self._put(estimates, which[alike], operator, rows, pattern, series[alike])
                n_deficient += len(alike) if operator is None else 0
        return n_deficient

    def _complete_is_deficient(self, rows: slice) -> bool:
        """Whether not even a series without gaps has an estimate, so that none has."""
        if rows.stop not in self._is_deficient:
            known = known_dates(self.factors[:, rows])
            self._is_deficient[rows.stop] = self._operator(rows, known) is None
        return self._is_deficient[rows.stop]

    def _weights(self, rows: slice) -> Float64Array | None:
        if self.window.ages is None:
            return None
        ages = self.window.ages[rows]
        weights: Float64Array = np.exp2(ages - ages[-1])
        return weights

    def _operator(self, rows: slice, chosen: BoolArray) -> Float64Array | None:
        """What turns the returns of the chosen dates into coefficients (P, m)."""
        weights = self._weights(rows)
        operator = slope_weights(
            self.factors[:, rows][:, chosen],
            None if weights is None else weights[chosen],
            self.fit_intercept,
            EPSILON,
        )
        return None if np.isnan(operator).any() else operator

    def _put(
        self,
        estimates: Estimates,
        which: IntArray,
        operator: Float64Array | None,
        rows: slice,
        chosen: BoolArray,
        series: IntArray,
    ) -> None:
        """Estimates of series that are observed on the same dates; NaN without an operator."""
        if operator is None:
            for name, planes in estimates.items():
                for plane in planes if name != "n_rows" else []:
                    plane[which] = np.nan
            return
        x, y = self.factors[:, rows][:, chosen], self.returns[rows, series][chosen]
        weights = self._weights(rows)
        w = np.ones(len(y)) if weights is None else weights[chosen]
        design = np.vstack([np.ones(len(y)), x]) if self.fit_intercept else x
        coefficients = operator @ y
        coefficients += operator @ (y - design.T @ coefficients)  # one step of refinement
        slopes = coefficients[-len(x) :]
        center = np.average(y, axis=0, weights=w) if self.fit_intercept else 0.0
        left = w @ (y - design.T @ coefficients) ** 2
        free = len(y) - len(design)
        variance = left / free if free > 0 else np.full(len(series), np.nan)
        found = {
            "slopes": slopes,
            "intercepts": coefficients[:1],
            "r2": (1.0 - left / (w @ (y - center) ** 2))[None],
            "residual_variances": variance[None] / w.mean(),
            "errors": np.sqrt(variance * (operator**2 / w).sum(axis=1)[-len(x) :, None]),
        }
        for name, values in found.items():
            for plane, value in zip(estimates.get(name, []), values, strict=False):
                plane[which] = value

"""Regressions of many series on common factors over trailing windows, from their sums."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np

from skfactor._kernels.cholesky import cholesky, inverse_diagonals, solve_cholesky
from skfactor._kernels.least_squares import slope_weights
from skfactor._kernels.rolling import (
    Window,
    WindowSums,
    count_rows,
    known_dates,
    window_sums,
)
from skfactor._kernels.rounding import EPSILON, ROLLING_PIVOT, ROLLING_SPREAD
from skfactor._kernels.weighted_errors import sandwich
from skfactor._typing import BoolArray, Float64Array, IntArray

# Tables with one number per factor; the others have one alone.
_PER_FACTOR = ("slopes", "errors")

# More factors have more sums than memory holds, and a factorization that is shared by all series
# without gaps takes less time than one in each window.
_MOST_FACTORS = 64

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
    ``"r2"``, ``"mean_squares"`` of the residuals, ``"n_rows"``, and ``"free"``, the degrees of
    freedom of the errors. These are for residuals of equal variance whatever their weight; see
    `skfactor._kernels.weighted_errors`.
    """
    k = len(factors)
    tables = {
        name: np.full((k if name in _PER_FACTOR else 1, *returns.shape), np.nan) for name in outputs
    }
    squares = not {"slopes", "n_rows"}.issuperset(outputs)
    twice = None  # the same windows, weighted by the squares of the weights
    if window.ages is not None and not {"errors", "free"}.isdisjoint(outputs):
        twice = replace(window, ages=2.0 * window.ages)
    by_rows, n_deficient = _FromRows(factors, returns, window, fit_intercept), 0
    if k > _MOST_FACTORS:
        return by_rows.estimate(tables)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        options = {"with_constant": fit_intercept, "squares": squares}
        squared = window_sums(factors, returns, twice, **options) if twice else repeat(None)
        for sums, again in zip(
            window_sums(factors, returns, window, **options), squared, strict=False
        ):
            estimates, safe = _estimate(sums, again, k, fit_intercept, outputs)
            if not safe.all():
                n_deficient += by_rows.replace(estimates, sums, np.flatnonzero(~safe))
            every = slice(None) if sums.wanted.all() else sums.wanted
            shape = sums.wanted.shape if sums.wanted.all() else -1
            for name, table in tables.items():
                for plane, values in zip(table, estimates[name], strict=True):
                    plane[sums.dates, sums.series][every] = values.reshape(shape)
    if window.only_observed:
        _carry(list(tables.values()), ~by_rows.observed)
    return _finish(tables, n_deficient)


def _finish(tables: dict[str, Float64Array], n_deficient: int) -> RollingLeastSquares:
    """Tables of one number alone lose the axis of factors."""
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
    sums: WindowSums,
    squared: WindowSums | None,
    n_factors: int,
    fit_intercept: bool,
    outputs: Collection[str],
) -> tuple[Estimates, BoolArray]:
    """Estimates of each window from its sums, and for which windows they can be trusted.

    ``squared`` has the same sums with squared weights, where these are not equal.
    """
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
        left = np.maximum(total - explained, 0.0)
        used = n_factors + fit_intercept
        left = np.where(sums.n_rows > used, left, np.nan)
        estimates["mean_squares"] = [left / weights]
        if squared is not None:
            about, of_squares = _squared_products(squared, means, n_factors, fit_intercept)
            estimates["free"] = [weights**2 / of_squares - used]
            units, spent = sandwich(factor, about)
            variance = left / (weights - spent - of_squares / weights * fit_intercept)
            estimates["errors"] = [np.sqrt(variance * unit) for unit in units]
        else:
            estimates["free"] = [weights - used]
            if "errors" in outputs:
                variance = left / (weights - used)
                estimates["errors"] = [np.sqrt(variance * x) for x in inverse_diagonals(factor)]
    return estimates, safe


def _squared_products(
    squared: WindowSums, means: list[Float64Array], n_factors: int, fit_intercept: bool
) -> tuple[list[list[Float64Array]], Float64Array]:
    """Products of the factors about these means, weighted by squared weights, and their sum."""
    rows = iter(squared.sums)
    products = [[next(rows) for _ in range(i + 1)] for i in range(n_factors + fit_intercept)]
    if not fit_intercept:
        return products, squared.sums[-1]
    (weight,), *products = products
    sums = [entries[0] - weight * mean for entries, mean in zip(products, means, strict=True)]
    about = [
        [entries[j + 1] - entries[0] * means[j] - means[i] * sums[j] for j in range(i + 1)]
        for i, entries in enumerate(products)
    ]
    return about, weight


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

    def estimate(self, tables: dict[str, Float64Array]) -> RollingLeastSquares:
        """All windows, date by date, in tables of NaN (K, T, N) or (1, T, N)."""
        _, n_rows, wanted = count_rows(self.factors, self.returns, self.window)
        every, n_deficient = slice(0, self.returns.shape[1]), 0
        none, center = np.empty((0, 0)), np.zeros(len(self.factors))
        for t in np.flatnonzero(wanted.any(axis=1)):
            dates, chosen = slice(int(t), int(t) + 1), wanted[t : t + 1]
            counts = n_rows[t, chosen[0]]
            sums = WindowSums(dates, every, chosen, none, counts, center, np.zeros(len(counts)))
            found: Estimates = {
                name: [np.full(len(counts), np.nan) for _ in table]
                for name, table in tables.items()
            }
            found["n_rows"] = [counts]
            n_deficient += self.replace(found, sums, np.arange(len(counts)))
            for name, table in tables.items():
                table[:, t, chosen[0]] = found[name]
        if self.window.only_observed:
            _carry(list(tables.values()), ~self.observed)
        return _finish(tables, n_deficient)

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
        r2 = 1.0 - left / (w @ (y - center) ** 2)
        if len(y) <= len(design):
            left = np.full(len(series), np.nan)
        variance = left / (w.sum() - np.einsum("pt,pt,t", operator, design, w))
        free = w.sum() ** 2 / (w @ w) - len(design)
        found = {
            "slopes": slopes,
            "intercepts": coefficients[:1],
            "r2": r2[None],
            "mean_squares": left[None] / w.sum(),
            "free": np.full((1, len(series)), free),
            "errors": np.sqrt(variance * (operator**2).sum(axis=1)[-len(x) :, None]),
        }
        for name, values in found.items():
            for plane, value in zip(estimates.get(name, []), values, strict=False):
                plane[which] = value

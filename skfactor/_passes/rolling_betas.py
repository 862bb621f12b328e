"""Betas of every date, from the window that ends on it: estimates, errors, who knew which when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from skfactor._calendar import match_dates
from skfactor._collinear import describe_collinear
from skfactor._dates import calendar_positions, has_every_period
from skfactor._kernels.collinear import find_collinear
from skfactor._kernels.rolling import Window
from skfactor._kernels.rolling_least_squares import RollingLeastSquares, rolling_least_squares
from skfactor._kernels.rounding import SHORTEST_HALFLIFE
from skfactor._kernels.shrinkage import shrink_blume, shrink_vasicek
from skfactor._limits import single_blas_thread
from skfactor._panel import Labels, Panel, find_panel
from skfactor._passes.time_series import TimeSeries
from skfactor._typing import Float64Array, IntArray
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning


@dataclass(frozen=True)
class RollingStatistics:
    """What belongs to rolling betas, indexed by (date, asset) as they are; NaN where they are.

    Attributes
    ----------
    alphas : Series
        Intercepts, in the units of the returns per period; 0 without an intercept.
    std_errors : DataFrame
        Standard errors of the betas, for homoskedastic and serially uncorrelated residuals.
    r2 : Series
        R squared of each window's regression (uncentred without an intercept).
    n_periods : Series
        Observations in each window.
    df : Series
        Degrees of freedom of the t distribution of betas over their errors, as ``df_`` of
        `skfactor.FactorBetas`.
    """

    alphas: pd.Series
    std_errors: pd.DataFrame
    r2: pd.Series
    n_periods: pd.Series
    df: pd.Series


@dataclass(frozen=True)
class RollingSample:
    """The data of rolling regressions, by date, and their windows."""

    series: TimeSeries
    window: Window
    fit_intercept: bool

    @single_blas_thread
    def estimate(self, *outputs: str) -> RollingLeastSquares:
        """Tables by name (K, T, N) or (T, N); see `rolling_least_squares`."""
        factors, returns = self.series.factors.T, self.series.returns
        if self.series.is_common:
            return self._regress(factors, returns, outputs)
        # (N, K, T): each asset has its own.
        found = [
            self._regress(own, y[:, None], outputs)
            for own, y in zip(factors, returns.T, strict=True)
        ]
        tables = {
            name: np.concatenate([each.tables[name] for each in found], axis=-1) for name in outputs
        }
        return RollingLeastSquares(tables, sum(each.n_deficient for each in found))

    def _regress(
        self, factors: Float64Array, returns: Float64Array, outputs: Collection[str]
    ) -> RollingLeastSquares:
        return rolling_least_squares(
            np.ascontiguousarray(factors),
            returns,
            self.window,
            fit_intercept=self.fit_intercept,
            outputs=outputs,
        )

    def index(self) -> pd.MultiIndex:
        """All (date, asset) pairs, date by date."""
        levels = [self.series.periods, self.series.assets]
        n_dates, n_assets = (len(level) for level in levels)
        # As small as pandas would have them: one code takes two bytes, of three factors 24.
        small = np.int16 if max(n_dates, n_assets) < 2**15 else np.int32
        codes = [
            np.repeat(np.arange(n_dates, dtype=small), n_assets),
            np.tile(np.arange(n_assets, dtype=small), n_dates),
        ]
        names = [
            default if level.name is None else level.name
            for level, default in zip(levels, ("date", "asset"), strict=True)
        ]
        return pd.MultiIndex(levels, codes, names=names, verify_integrity=False)  # type: ignore[arg-type]  # the stubs know no arrays

    def frame(self, table: Float64Array) -> pd.DataFrame:
        """A table (K, T, N) as a frame that shares its memory: each factor is a column."""
        columns = table.reshape(len(table), -1).T
        return pd.DataFrame(columns, self.index(), self.series.names, copy=False)

    def statistics(self) -> RollingStatistics:
        """Everything but the betas."""
        intercepts = ["intercepts"] if self.fit_intercept else []
        tables = self.estimate("errors", "r2", "n_rows", "free", *intercepts).tables
        if not self.fit_intercept:
            tables["intercepts"] = np.where(np.isnan(tables["r2"]), np.nan, 0.0)
        errors = self.frame(tables["errors"])
        tables["free"][np.isnan(tables["errors"][0])] = np.nan
        names = {"intercepts": "alpha", "r2": "r2", "n_rows": "n_periods", "free": "df"}
        alphas, r2, n_periods, df = (
            pd.Series(tables[table].ravel(), errors.index, name=name, copy=False)
            for table, name in names.items()
        )
        return RollingStatistics(alphas, errors, r2, n_periods, df)


@dataclass(frozen=True, eq=False)
class RollingBetas:
    """Betas of every date, and how many dates later they are used."""

    sample: RollingSample
    table: pd.DataFrame  # (date, asset) x K
    lag: int

    def rows_known(self, dates: Labels, assets: IntArray) -> IntArray:
        """Rows of the table with what is known ``lag`` dates before; -1 where nothing is.

        ``assets`` holds the place of each row's asset, -1 for an unknown one.
        """
        series = self.sample.series
        place = known_places(series.periods, dates.labels, self.lag)[dates.codes]
        return np.where((place < 0) | (assets < 0), -1, place * len(series.assets) + assets)

    def known(self) -> Float64Array:
        """Betas (K, T, N) that are known on each date, NaN before there are any."""
        columns = self.table.to_numpy().T
        return self.lagged(columns.reshape(len(columns), *self.sample.series.returns.shape))

    def lagged(self, table: Float64Array) -> Float64Array:
        """What was known of a table (..., T, N) ``lag`` dates before each date."""
        periods = self.sample.series.periods
        places = known_places(periods, periods, self.lag)
        known = np.full_like(table, np.nan)
        known[..., places >= 0, :] = table[..., places[places >= 0], :]
        return known


def fewest_periods(model: BaseEstimator, n_factors: int) -> int:
    """Fewest observations of an estimate; raises if parameters contradict each other."""
    is_rolling = model.window is not None or model.expanding
    needed = n_factors + model.fit_intercept + _takes_errors(model.shrinkage)
    if model.expanding and model.window is not None:
        raise ValueError(
            f"window={model.window} and expanding=True exclude each other: windows expand, or "
            "they have a length."
        )
    if not is_rolling and model.lag != 1:
        raise ValueError(
            f"lag={model.lag} says when rolling betas are used; these are of the whole sample. "
            "Pass window= or expanding=True with it."
        )
    if model.shrinkage == "blume" and n_factors > 1:
        raise ValueError(
            f"shrinkage='blume' draws betas to 1, which is where betas on the market are, and "
            f"X has {n_factors} factors. Use shrinkage='vasicek'."
        )
    if model.window is not None:
        least = max(needed, model.min_periods or 0)
        if model.window < least:
            raise ValueError(
                f"window={model.window} is shorter than the {least} observations that an "
                "estimate needs here. Use a longer window."
            )
    if model.min_periods is None:
        return int(needed if model.window is None else model.window)
    return int(max(model.min_periods, needed))


def halvings(periods: pd.Index, halflife: float | None) -> Float64Array | None:
    """How many times the weight of the first of ascending periods has halved by each (T,)."""
    if halflife is None:
        return None
    # A shorter one leaves nothing but the last period, as this does; it would overflow.
    halved: Float64Array = calendar_positions(periods) / max(halflife, SHORTEST_HALFLIFE)
    return halved


def fit_rolling(sample: RollingSample, shrinkage: str | None) -> pd.DataFrame:
    """Betas of every date as a frame, shrunk if asked for."""
    found = sample.estimate("slopes", *(["errors"] if _takes_errors(shrinkage) else []))
    betas = found.tables["slopes"]
    window, n_dates = sample.window, betas.shape[1]
    # What holds for all dates holds for windows; what holds for some only has no words here.
    which = ""
    if found.n_deficient and sample.series.is_common:
        factors = sample.series.factors
        complete = factors[np.isfinite(factors).all(axis=1)].T
        collinear = find_collinear(complete, fit_intercept=sample.fit_intercept)
        which = describe_collinear(collinear, sample.series.names)
        which = which and f" ({which})"
    if np.isnan(betas).all():
        length = "up to each" if window.only_observed else f"of {window.length}"
        found_out = (
            f"{found.n_deficient} windows have constant or collinear factors{which}, the others "
            f"fewer than {window.min_rows} observations"
        )
        raise ValueError(
            f"The betas of none of the {betas.shape[2]} asset(s) can be estimated over the dates "
            f"{length}, of {n_dates} in all: {found_out}. Pass more dates, fewer factors, or a "
            "smaller min_periods."
        )
    if found.n_deficient:
        warn_user(
            f"The betas of {found.n_deficient} windows are NaN: their factors are constant or "
            f"collinear{which}.",
            RankDeficientWarning,
        )
    errors = found.tables.pop("errors", betas)
    for slopes, error in zip(betas, errors, strict=True):
        shrink(slopes, error, shrinkage)
    return sample.frame(betas)


def shrink(betas: Float64Array, errors: Float64Array, shrinkage: str | None) -> None:
    """Shrink the betas (..., N) on one factor, in place; Vasicek's way needs their errors."""
    if shrinkage == "blume":
        shrink_blume(betas)
    elif _takes_errors(shrinkage):
        shrink_vasicek(betas, errors, net=shrinkage == "vasicek-net")


def _takes_errors(shrinkage: str | None) -> bool:
    return shrinkage in ("vasicek", "vasicek-net")


def find_dated_rows(X: ArrayLike, **which: Any) -> Panel:
    """`find_panel` for rows that need dates."""
    panel = find_panel(X, **which)
    if panel is None:
        raise ValueError(
            "Rolling betas are looked up by date, and the rows of X have none. Index X by (date, "
            "asset), or pass dates=, one for all rows if they are of one date; "
            'set_output(transform="pandas") keeps indexes through a pipeline.'
        )
    return panel


def known_places(known: pd.Index, wanted: pd.Index, lag: int) -> IntArray:
    """For each of the wanted dates the place of the last known date ``lag`` or more before it.

    -1 where there is none. Both are ascending. The distance of two dates is in periods for
    Periods of weeks or longer; else it is their rank among the known dates, and any date after
    the last of these is the next one.
    """
    in_periods = has_every_period(known)
    if not known.equals(wanted):
        known, wanted = match_dates({"fit": known, "X": wanted})
    if in_periods:
        both = known.union(wanted)
        positions = calendar_positions(both)
        then, now = (positions[both.get_indexer(dates)] for dates in (known, wanted))
        found: IntArray = np.searchsorted(then, now - lag, side="right") - 1
        return found
    steps = np.where(wanted.isin(known), lag, max(lag, 1))
    places = np.asarray(known.searchsorted(wanted)) - steps
    return np.clip(places, -1, len(known) - 1)


def look_up(betas: pd.DataFrame, rows: IntArray) -> Float64Array:
    """Rows of a frame of betas (n_rows, K), NaN where a row is negative."""
    found = np.empty((betas.shape[1], len(rows)))
    for k, column in enumerate(betas.to_numpy().T):
        np.take(column, rows, out=found[k], mode="wrap")
    found[:, rows < 0] = np.nan
    return found.T

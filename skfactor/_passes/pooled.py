"""The record of a pooled regression: sums by date and by asset, which add up, and its rows.

What is clustered by date or by asset follows from the sums, wherever they were made. Other errors
need the rows: those of a `fit` in memory are kept by reference, and a pickled model has none.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from skfactor._collinear import describe_collinear
from skfactor._dates import dates_of_both
from skfactor._kernels.collinear import find_collinear
from skfactor._kernels.cross_moments import CrossMoments, segment_cross_moments
from skfactor._kernels.least_squares import Rows
from skfactor._kernels.pooled import (
    PooledSolution,
    add_moments,
    demeaned,
    join_segments,
    place_moments,
    pool_moments,
    solve_pooled,
    take_segments,
    without_means,
)
from skfactor._kernels.records import Record
from skfactor._kernels.rounding import SCORES_LEFT
from skfactor._kernels.segments import Segments, segments_from_codes
from skfactor._kernels.threads import Done
from skfactor._limits import single_blas_thread
from skfactor._passes.panel_rows import PanelRows
from skfactor._passes.variation import Variation
from skfactor._typing import BoolArray, Float64Array, FloatArray


@dataclass(frozen=True, eq=False)
class PooledMoments:
    """Cross-moments of the rows of each date and of each asset; ``a + b`` are those of both.

    With date effects those of assets are of deviations from the means of the dates: since all rows
    of a date come together, these add up too.
    """

    dates: pd.Index  # (T,) ascending
    has_dates: bool  # or the cross-sections are numbered
    labels: pd.Index  # names of the coefficients (P,)
    has_const: bool  # whether the first of them is the intercept
    date_effects: bool
    by_date: CrossMoments  # T segments
    assets: pd.Index | None  # (N,)
    by_asset: CrossMoments | None  # N segments
    variation: Variation
    resolution: float  # machine epsilon of the data
    has_names: bool  # whether the exposures came with names

    @classmethod
    @single_blas_thread
    def of(
        cls,
        rows: PanelRows,
        labels: pd.Index,
        *,
        has_const: bool,
        date_effects: bool,
        has_names: bool,
        done: Done,
    ) -> PooledMoments:
        """Moments of rows, their coefficients to be named by labels (P,)."""
        segments, w = rows.segments, rows.weights
        x = rows.exposures.T
        by_date = _moments(x, rows.returns, w, segments, done)
        by_asset = None
        panel = rows.panel
        assets = None if panel is None else panel.assets
        if assets is not None:
            y = rows.returns
            if date_effects:
                x, y = demeaned_rows(rows, by_date)
            groups, _ = segments_from_codes(assets.codes)
            by_asset = _moments(x, y, w, groups)
        resolution = float(np.finfo(rows.exposures.dtype).eps)
        return cls(
            pd.RangeIndex(1) if panel is None else panel.dates.labels,
            panel is not None,
            labels,
            has_const,
            date_effects,
            by_date,
            None if assets is None else assets.labels,
            by_asset,
            Variation.within(by_date, resolution),
            resolution,
            has_names,
        )

    @property
    def names(self) -> list[Hashable]:
        """Names of the exposures (K,)."""
        return list(self.labels[int(self.has_const) :])

    @property
    def centered(self) -> CrossMoments:
        """Moments of the dates (T), of deviations from their means where dates have effects."""
        return without_means(self.by_date) if self.date_effects else self.by_date

    def __add__(self, other: PooledMoments) -> PooledMoments:
        """Moments of the dates of both; raise if a date is in both, or the models differ."""
        if not self.labels.equals(other.labels) or self.date_effects != other.date_effects:
            raise ValueError(
                f"Sums of {list(self.labels)} and of {list(other.labels)} are of different models. "
                "Use the same exposures, fit_intercept and date_effects for all dates."
            )
        dates = dates_of_both(self.dates, other.dates, had=self.has_dates, has=other.has_dates)
        order = np.arange(len(dates)) if dates.is_monotonic_increasing else dates.argsort()
        by_date = take_segments(join_segments([self.by_date, other.by_date]), order)
        assets, by_asset = None, None
        if self.assets is not None and other.assets is not None:
            assert self.by_asset is not None
            assert other.by_asset is not None
            assets = self.assets.union(other.assets, sort=False)
            by_asset = add_moments(
                place_moments(self.by_asset, assets.get_indexer(self.assets), len(assets)),
                place_moments(other.by_asset, assets.get_indexer(other.assets), len(assets)),
            )
        return replace(
            self,
            dates=dates[order],
            by_date=by_date,
            assets=assets,
            by_asset=by_asset,
            variation=self.variation + other.variation,
            resolution=max(self.resolution, other.resolution),
        )

    def solve(self, rows: PanelRows | None) -> PooledFit:
        """The regression over all dates; ``rows`` where these moments are of rows in memory."""
        total = pool_moments(self.centered)
        fetch: Rows | None = None if rows is None else partial(_complete, rows, self)
        solution = solve_pooled(
            total, fetch, fit_intercept=self.has_const, resolution=self.resolution
        )
        return PooledFit(self, solution, rows)

    def describe_collinear(self, rows: PanelRows | None) -> str:
        """Which exposures are collinear, and what to leave out."""
        if rows is None:
            return (
                "exposures are collinear, or so nearly that sums of their products do not tell. "
                "Drop columns, standardize them first (FactorZScorer), or fit to all rows at once"
            )
        x, _, w = _complete(rows, self)
        found = find_collinear(x, w, fit_intercept=self.has_const, resolution=self.resolution)
        return describe_collinear(found, self.names) or "exposures are collinear"


def _moments(
    x: FloatArray,
    y: Float64Array,
    w: Float64Array | None,
    segments: Segments,
    done: Done | None = None,
) -> CrossMoments:
    """Cross-moments of rows (K, n) in segments."""
    if w is not None and segments.order is not None:
        w = w[segments.order]
    rest = () if done is None else (done,)
    return segment_cross_moments(segments.take(x), segments.take(y), segments.offsets, w, *rest)


def demeaned_rows(rows: PanelRows, by_date: CrossMoments) -> tuple[Float64Array, Float64Array]:
    """Exposures (K, n) and returns (n,) less their means on the date."""
    codes, means = rows.date_codes, by_date.mean
    x = demeaned(rows.exposures.T, means[:-1], codes)
    return x, demeaned(rows.returns[None], means[-1:], codes)[0]


def _complete(
    rows: PanelRows, moments: PooledMoments, segment: int = 0
) -> tuple[Float64Array, Float64Array, Float64Array | None]:
    """The rows that enter the regression, as they do: x (K, m), y (m,), weights (m,) or None."""
    del segment  # there is one, of all rows
    used = rows.used
    x, y = rows.exposures.T, rows.returns
    if moments.date_effects:
        x, y = demeaned_rows(rows, moments.by_date)
    w = None if rows.weights is None else rows.weights[used]
    return x[:, used].astype(np.float64), y[used].astype(np.float64), w


@dataclass(frozen=True, eq=False)
class PooledFit(Record):
    """A pooled regression and what its errors are made of."""

    moments: PooledMoments
    solution: PooledSolution
    rows: PanelRows | None  # None where they were in parts, or the model was pickled

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "rows": None}

    @property
    def n_rows(self) -> int:
        """Rows of the regression."""
        return int(self.moments.by_date.n_rows.sum())

    @property
    def used(self) -> BoolArray:
        """Dates with rows (T,)."""
        used: BoolArray = self.moments.by_date.n_rows > 0
        return used

    def n_parameters(self, nested: bool) -> int:
        """Coefficients that are spent.

        Effects of dates count, except for clusters in which they are ``nested``: then there is one.
        """
        n_coefficients = len(self.moments.labels)
        if not self.moments.date_effects:
            return n_coefficients
        return n_coefficients + (1 if nested else int(self.used.sum()))

    @cached_property
    def residual_squares(self) -> float:
        """Weighted sum of squared residuals."""
        return self.solution.residual_squares(self.moments.centered)

    @cached_property
    def r2(self) -> float:
        """R squared, within dates if they have effects, uncentred without an intercept."""
        total = pool_moments(self.moments.centered)
        squares = float(total.products[-1, -1, 0])
        if not self.moments.has_const:
            squares += float(total.weight[0] * total.mean[-1, 0] ** 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(1.0 - np.divide(self.residual_squares, squares))

    @property
    def by_date(self) -> Float64Array:
        """What each date adds to the coefficients beyond the truth (T, P)."""
        return self.solution.influence(self.moments.centered)

    @property
    def by_asset(self) -> Float64Array | None:
        """The same of each asset (N, P), if they are known."""
        moments = self.moments.by_asset
        return None if moments is None else self.solution.influence(moments)

    def by_row(self, what: str) -> Float64Array:
        """The same of each row (n, P), 0 of those that do not enter; ``what`` asks for them."""
        rows = self.rows
        if rows is None:
            raise ValueError(
                f"{what} needs the rows of the fit. This model has sums by date and by asset "
                "only: it was pickled, or fitted in parts (partial_fit, fit_slopes, on a cluster). "
                "Fit to all rows in memory, or use by='date' or by='asset'."
            )
        used = rows.used
        influence = np.zeros((len(rows), len(self.moments.labels)))
        scores, level = self.solution.scores_of_rows(*_complete(rows, self.moments))
        if (np.abs(scores.sum(axis=1)) > SCORES_LEFT * np.abs(scores).sum(axis=1)).any():
            raise ValueError(
                f"{what} needs the rows of the fit, and X, y or sample_weight were changed in "
                "place since. Fit again."
            )
        influence[used] = self.solution.influence_of_scores(scores, level)
        return influence

    def date_effects(self) -> pd.Series:
        """Intercept of each date (T,), NaN of those without rows."""
        means, slopes = self.moments.by_date.mean, self.solution.slopes
        effects = np.where(self.used, means[-1] - slopes @ means[:-1], np.nan)
        return pd.Series(effects, index=self.moments.dates, name="date_effect")

    @property
    def facts(self) -> dict[str, str]:
        """What summaries say of the regression, beside its dates."""
        moments, n_dates = self.moments, int(self.used.sum())
        kind = "" if moments.has_const else " (within)" if moments.date_effects else " (uncentred)"
        facts = {
            "Rows:": str(self.n_rows),
            "Assets per date:": f"{self.n_rows / n_dates:.1f}",
            "R2:": f"{self.r2:.4f}{kind}",
        }
        return facts | ({"Date effects:": str(n_dates)} if moments.date_effects else {})

"""Covariances of panels: clusters, Driscoll and Kraay, heteroskedasticity, and the classical one.

Clusters of dates or of assets, and what hangs on dates alone, follow from sums by date and by
asset. What else is asked for needs the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfactor._kernels.rounding import NEGATIVE_EIGENVALUE
from skfactor._panel import check_same_rows
from skfactor._passes.pooled import PooledFit
from skfactor._passes.slopes import PremiaRecord
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor._warn import warn_user
from skfactor.inference._covariance_kind import PremiaCovariance
from skfactor.inference._long_run import LongRun

_FOR_PANELS = "is for panels, whose exposures are given."
_FORMS = (
    "'date', 'asset', a pair of two such as ('asset', 'date'), labels with one per row, a function "
    "of the dates, or a dictionary from asset to label"
)


@dataclass(frozen=True)
class _Clusters:
    """Which cluster each of something belongs to."""

    what: str  # "date", "asset" or "row"
    codes: IntArray  # of the used dates, of the assets, or of the rows
    name: str

    def sums(self, influence: Float64Array, used: BoolArray) -> Float64Array:
        """Influence (n, P) of what is used (n,) added up by cluster (G, P)."""
        _, codes = np.unique(self.codes[used], return_inverse=True)
        columns = [np.bincount(codes, column) for column in influence[used].T]
        return np.column_stack(columns)


class ClusterCovariance(PremiaCovariance):
    """Sums of scores within clusters, which depend on each other in any way there."""

    name = "cluster"
    options = ("by",)
    needs_dates = False

    def compute(
        self,
        record: PremiaRecord,
        long_run: LongRun,
        debiased: bool,
        *,
        by: object = "date",
    ) -> tuple[Float64Array, float, float]:
        if long_run.kernel is not None:
            raise ValueError(
                f"kernel={long_run.kernel!r} and clusters are two answers to one question. Leave "
                "kernel= out, or use covariance='driscoll-kraay' for dates that depend on those "
                "before."
            )
        ways = _ways(by)
        found = [_clusters(each, record) for each in ways]
        if len(found) == 1:
            matrix, count = self._one_way(record, found[0], debiased)
            return matrix, 0.0, count - 1.0
        first, second = found
        if first.what != second.what:
            first, second = _by_row(first, record), _by_row(second, record)
        pairs = first.codes * (int(second.codes.max(initial=0)) + 1) + second.codes
        both = _Clusters(first.what, pairs, f"{first.name} and {second.name}")
        own = [self._one_way(record, each, debiased) for each in (first, second)]
        matrix = own[0][0] + own[1][0] - self._one_way(record, both, debiased)[0]
        return _definite(matrix), 0.0, min(count for _, count in own) - 1.0

    def _one_way(
        self, record: PremiaRecord, clusters: _Clusters, debiased: bool
    ) -> tuple[Float64Array, int]:
        sums = clusters.sums(*_influence(clusters, record))
        count = len(sums)
        if count < 2:
            raise ValueError(
                f"by={clusters.name!r} makes one cluster of all rows, and errors come from the "
                "variation over clusters. Choose clusters of which there are several."
            )
        return sums.T @ sums * _debiasing(record, debiased, count, clusters.what), count

    def obstacle(self, record: PremiaRecord) -> str:
        return _FOR_PANELS if record.two_pass is not None or record.own_errors else ""

    def detail(self, record: PremiaRecord, **options: object) -> str:
        return "by " + " and ".join(map(_name, _ways(options.get("by", "date"))))


class DriscollKraayCovariance(PremiaCovariance):
    """Driscoll and Kraay (1998): a kernel over the sums of scores by date."""

    name = "driscoll-kraay"
    default_kernel = "bartlett"
    default_bandwidth = "rule-of-thumb"

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        influence, n_dates = record.slope_influence, len(record.lambdas)
        is_const = record.is_const
        weights = np.where(is_const.all() | ~is_const, 1.0, 0.0)
        matrix, lags = long_run.covariance(influence, record.positions, weights)
        debiased = debiased and not long_run.is_cosines
        matrix = matrix / n_dates * _debiasing(record, debiased, n_dates, "date")
        return matrix, lags, n_dates - 1.0

    def obstacle(self, record: PremiaRecord) -> str:
        if record.two_pass is not None or record.own_errors:
            return _FOR_PANELS
        return "" if _has_dates(record) else "is for dates, and the rows of fit had none."


class _RowCovariance(PremiaCovariance):
    """What is for pooled regressions alone, whatever their dates."""

    needs_dates = False
    is_hotelling = False

    def obstacle(self, record: PremiaRecord) -> str:
        if record.pooled is None:
            return (
                "is for a pooled regression of all rows (PooledRegression). Premia here are "
                "averages over dates, and vary with what each date brings."
            )
        return ""

    def _free(self, record: PremiaRecord, long_run: LongRun) -> tuple[PooledFit, float]:
        """The regression and its degrees of freedom."""
        if long_run.kernel is not None:
            raise ValueError(
                f"covariance={self.name!r} has no lags, and kernel={long_run.kernel!r} was passed. "
                "Leave it out, or use covariance='driscoll-kraay'."
            )
        fit = record.pooled
        assert fit is not None
        free = fit.n_rows - fit.n_parameters(nested=False)
        if free <= 0:
            raise ValueError(
                f"{fit.n_rows} rows leave no degree of freedom for errors of "
                f"{fit.n_parameters(nested=False)} coefficients. Use more rows."
            )
        return fit, float(free)


class HeteroskedasticityCovariance(_RowCovariance):
    """White (1980): rows with variances of their own, that do not depend on each other."""

    name = "hc1"

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        fit, free = self._free(record, long_run)
        influence = fit.by_row("covariance='hc1'")
        matrix = influence.T @ influence
        return matrix * (fit.n_rows / free if debiased else 1.0), 0.0, free


class ClassicalCovariance(_RowCovariance):
    """Least squares: rows with one variance, that do not depend on each other."""

    name = "classical"

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        fit, free = self._free(record, long_run)
        variance = fit.residual_squares / (free if debiased else fit.n_rows)
        return fit.solution.unscaled * variance, 0.0, free


def _has_dates(record: PremiaRecord) -> bool:
    return record.slopes.has_dates or len(record.slopes.dates) > 1


def _debiasing(record: PremiaRecord, debiased: bool, n_clusters: int, what: str) -> float:
    """G / (G - 1), and (n - 1) / (n - k) where rows are pooled (Cameron, Gelbach, Miller, 2011)."""
    if not debiased:
        return 1.0
    factor = n_clusters / (n_clusters - 1.0)
    if record.pooled is None:
        return factor
    n_rows, used = record.pooled.n_rows, record.pooled.n_parameters(nested=what == "date")
    if n_rows <= used:
        raise ValueError(
            f"debiased=True divides by the number of rows minus {used}, and there are {n_rows}. "
            "Pass debiased=False, or more rows."
        )
    return factor * (n_rows - 1.0) / (n_rows - used)


def _definite(matrix: Float64Array) -> Float64Array:
    """The matrix with its negative eigenvalues set to zero, and a warning of them."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    if values[0] >= 0.0:
        return matrix
    if values[0] < -NEGATIVE_EIGENVALUE * np.abs(values).max():
        warn_user(
            "The covariance by two clusters is the sum of both less that of their intersections, "
            f"and here it is not positive semidefinite: {int((values < 0.0).sum())} of "
            f"{len(values)} eigenvalues are negative and were set to zero (Cameron, Gelbach and "
            "Miller, 2011). Too few clusters do that; the larger one-way errors are the safer "
            "choice.",
            UserWarning,
        )
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


# --- what by= says ------------------------------------------------------------------------------


def _ways(by: object) -> list[object]:
    """One or two ways of clustering."""
    names = isinstance(by, list) and len(by) == 2 and all(isinstance(x, str) for x in by)
    if not isinstance(by, tuple | list) or not (isinstance(by, tuple) or names):
        return [by]
    if len(by) not in (1, 2):
        raise ValueError(f"by={by!r} has {len(by)} ways of clustering; one or two are possible.")
    return list(by)


def _name(by: object) -> str:
    if isinstance(by, str):
        return by
    name = getattr(by, "name", None)
    return name if isinstance(name, str) else "label"


def _clusters(by: object, record: PremiaRecord) -> _Clusters:
    """Clusters of the used dates, of the assets, or of the rows."""
    fit = record.pooled
    if isinstance(by, str):
        assets = None if fit is None else fit.moments.assets
        if by == "date" or by == record.slopes.dates.name:
            if not _has_dates(record):
                raise ValueError(
                    "by='date' needs dates, and the rows of fit had none. Index X or y by (date, "
                    "asset), or pass dates= to fit."
                )
            return _Clusters("date", np.arange(len(record.lambdas)), by)
        if by == "asset" or (assets is not None and by == assets.name):
            return _Clusters("asset", np.arange(len(_assets(record, "by='asset'"))), by)
        raise ValueError(f"by={by!r} is unknown; it is {_FORMS}.")
    name = _name(by)
    if callable(by):
        labels = _one_each(by(record.dates), len(record.lambdas), "by() of the dates", "used date")
        return _Clusters("date", _codes(labels, "dates"), name)
    if isinstance(by, Mapping):
        assets = _assets(record, "by= a dictionary of assets")
        known = pd.Series(dict(by), dtype=object)
        return _Clusters("asset", _codes(known.reindex(assets).to_numpy(), "assets"), name)
    if fit is None:
        n_dates = len(record.slopes.dates)
        labels = _one_each(by, n_dates, "by=", "date of the fit")
        return _Clusters("date", _codes(labels[record.used], "dates"), name)
    if fit.rows is None:
        fit.by_row("by= one label per row")
    assert fit.rows is not None
    labels = _one_each(by, len(fit.rows), "by=", "row of the fit")
    if fit.rows.index is not None:
        check_same_rows(pd.DataFrame(index=fit.rows.index), by, "by=")
    return _Clusters("row", _codes(labels, "rows"), name)


def _assets(record: PremiaRecord, what: str) -> pd.Index:
    fit = record.pooled
    if fit is None:
        raise ValueError(
            f"{what} clusters the rows of a pooled regression. Premia of FamaMacBeth are averages "
            "over dates: cluster dates, as by a function of them, or use PooledRegression."
        )
    if fit.moments.assets is None:
        raise ValueError(
            f"{what} needs to know the asset of each row, and fit did not. Index X or y by (date, "
            "asset)."
        )
    return fit.moments.assets


def _one_each(labels: object, n: int, what: str, of: str) -> Any:
    values = np.asarray(labels)
    if values.shape != (n,):
        raise ValueError(
            f"{what} has shape {values.shape}; there has to be one label per {of}, ({n},). It is "
            f"{_FORMS}."
        )
    return values


def _codes(labels: Any, of: str) -> IntArray:
    codes, _ = pd.factorize(labels)
    missing = int((codes < 0).sum())
    if missing:
        raise ValueError(
            f"{missing} of {len(codes)} {of} have no label of a cluster in by=. Give them one, or "
            "leave them out of the fit."
        )
    return np.asarray(codes)


def _influence(clusters: _Clusters, record: PremiaRecord) -> tuple[Float64Array, BoolArray]:
    """What each date, asset or row adds to the coefficients, and whether it enters these."""
    fit = record.pooled
    if fit is None or clusters.what == "date":
        n_dates = len(record.lambdas)
        return record.slope_influence / n_dates, np.ones(n_dates, dtype=bool)
    if clusters.what == "asset":
        moments, influence = fit.moments.by_asset, fit.by_asset
        assert moments is not None
        assert influence is not None
        return influence, moments.n_rows > 0
    influence = fit.by_row("Clusters of rows")
    assert fit.rows is not None
    return influence, fit.rows.used


def _by_row(clusters: _Clusters, record: PremiaRecord) -> _Clusters:
    """The same clusters, of the rows."""
    fit = record.pooled
    if clusters.what == "row":
        return clusters
    assert fit is not None
    if fit.rows is None:
        fit.by_row("Clustering in two ways")
    assert fit.rows is not None
    if clusters.what == "asset":
        panel = fit.rows.panel
        assert panel is not None
        assert panel.assets is not None
        return _Clusters("row", clusters.codes[panel.assets.codes], clusters.name)
    place = np.zeros(len(fit.used), dtype=np.intp)  # of dates without rows, any
    place[fit.used] = clusters.codes
    return _Clusters("row", place[fit.rows.date_codes], clusters.name)

"""The slopes of a fit and what follows from them: the records that inference reads.

An estimator writes `Slopes`, one row per date, which add up over dates; at the end of its fit it
judges and averages them, and leaves a `PremiaRecord`. Nothing in a record changes after that: later
changes of a model's own tables and parameters do not reach it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd

from skfactor._collinear import describe_collinear
from skfactor._dates import calendar_positions, dates_of_both, only_counts
from skfactor._kernels.grouped_regressions import GroupedRegressions
from skfactor._kernels.least_squares import LeastSquares
from skfactor._kernels.records import Record
from skfactor._kernels.ridge import Ridge
from skfactor._kernels.segments import Segments
from skfactor._limits import single_blas_thread
from skfactor._passes.groups import GroupRecord
from skfactor._passes.pooled import PooledFit
from skfactor._passes.two_pass import TwoPassFit
from skfactor._passes.variation import NOTHING_SEEN, Variation
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray
from skfactor._validation import frozen
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning

# The regressions of all dates, as they are, with a penalty, and with groups.
Fits: TypeAlias = LeastSquares | Ridge | GroupedRegressions


@dataclass(frozen=True, eq=False)
class Slopes:
    """One cross-sectional regression per date; ``a + b`` are those of the dates of both."""

    lambdas: pd.DataFrame  # (T, P) by ascending date, NaN where there is no estimate
    sections: pd.DataFrame  # (T, 4) number of assets, R2, adjusted R2, condition number
    has_dates: bool  # or the cross-sections are numbered
    has_const: bool  # whether the first slope is the zero-beta rate
    in_warm_up: BoolArray  # (T,) the first dates of a reading, on which no asset had exposures
    empty: BoolArray  # (K,) exposures without any value on these dates
    variation: Variation = NOTHING_SEEN  # of exposures within dates, where they are given
    has_names: bool = False  # whether the exposures came with names
    collinear: str = ""  # which exposures are, on one of the dates without an estimate for that
    groups: GroupRecord | None = None  # of whose groups slopes are, between const and exposures
    thin: BoolArray | None = None  # (T,) fewer assets than coefficients, where that is not a number

    @classmethod
    @single_blas_thread  # the condition numbers are of many small matrices
    def of(
        cls,
        fits: Fits,
        labels: pd.Index,
        dates: pd.Index | None,
        *,
        has_const: bool,
        n_warm_up: int = 0,
        variation: Variation = NOTHING_SEEN,
        empty: BoolArray | None = None,
        has_names: bool = False,
        groups: GroupRecord | None = None,
    ) -> Slopes:
        """Slopes, named by labels (P,), of regressions of ascending dates or numbered ones."""
        n_groups = 0 if groups is None else len(groups.labels)
        free = fits.n_rows - fits.n_parameters
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(free > 0, (fits.n_rows - has_const) / free, np.nan)
            adjusted = 1.0 - (1.0 - fits.r2) * ratio
        sections = {
            "n_assets": fits.n_rows,
            "r2": fits.r2,
            "adj_r2": adjusted,
            "condition_number": fits.condition,
        }
        index = pd.RangeIndex(len(fits.n_rows)) if dates is None else dates
        collinear = ""
        if not isinstance(fits, Ridge) and fits.collinear is not None:
            regressors = labels[int(has_const) + n_groups :]
            if groups is not None:  # after the exposures come the groups of other families
                others = list(groups.families.values())[1:]
                regressors = regressors.append(others)
            collinear = describe_collinear(
                fits.collinear, regressors, intercept_is_optional=groups is None
            )
            if collinear and dates is not None:
                collinear = f"on {dates[fits.deficient][0]} {collinear}"
        return cls(
            pd.DataFrame(fits.coefficients, index=index, columns=labels),
            pd.DataFrame(sections, index=index),
            dates is not None,
            has_const,
            np.arange(len(index)) < n_warm_up,
            np.zeros(len(labels) - has_const - n_groups, bool) if empty is None else empty,
            variation,
            has_names,
            collinear,
            groups,
            fits.thin if isinstance(fits, GroupedRegressions) else None,
        )

    def __add__(self, other: Slopes) -> Slopes:
        """Slopes of the dates of both; raise if a date is in both, or the models differ."""
        groups = self._groups_of_both(other)
        columns = self.lambdas.columns
        if groups is not None:
            columns = pd.Index(
                [*columns[: int(self.has_const)], *groups.labels, *self.names], tupleize_cols=False
            )
        dates = dates_of_both(self.dates, other.dates, had=self.has_dates, has=other.has_dates)
        order = slice(None) if dates.is_monotonic_increasing else dates.argsort()
        pair = self.lambdas, other.lambdas
        if groups is not None:
            pair = pair[0].reindex(columns=columns), pair[1].reindex(columns=columns)
        lambdas = np.concatenate([each.to_numpy() for each in pair])[order]
        sections = pd.concat([self.sections, other.sections], ignore_index=True)
        return replace(
            self,
            lambdas=pd.DataFrame(lambdas, dates[order], columns, copy=False),
            sections=sections.set_axis(dates).iloc[order],
            in_warm_up=np.concatenate([self.in_warm_up, other.in_warm_up])[order],
            variation=self.variation + other.variation,
            empty=self.empty & other.empty,
            collinear=self.collinear or other.collinear,
            groups=groups,
            thin=None
            if self.thin is None or other.thin is None
            else np.concatenate([self.thin, other.thin])[order],
        )

    def _groups_of_both(self, other: Slopes) -> GroupRecord | None:
        """Groups of both; raise if the slopes are not of the same model."""
        if (self.groups is None) != (other.groups is None):
            had, has = ("no groups", "groups") if self.groups is None else ("groups", "none")
            raise ValueError(
                f"Earlier calls had {had}, but there are {has} here: groupby= in all or none."
            )
        if self.has_const != other.has_const or self.names != other.names:
            raise ValueError(
                f"Slopes of {list(self.lambdas.columns)} and of {list(other.lambdas.columns)} are "
                "of different models. Use the same exposures and fit_intercept for all dates."
            )
        return None if self.groups is None or other.groups is None else self.groups + other.groups

    @property
    def dates(self) -> pd.Index:
        """All dates (T,), ascending."""
        return self.lambdas.index

    @property
    def names(self) -> list[Hashable]:
        """Names of the exposures (K,)."""
        n_groups = 0 if self.groups is None else len(self.groups.labels)
        return list(self.lambdas.columns[int(self.has_const) + n_groups :])

    @property
    def estimated(self) -> BoolArray:
        """Dates (T,) with any slope."""
        known: BoolArray = np.isfinite(self.lambdas.to_numpy()).any(axis=1)
        return known

    def report_failures(self, min_assets: int, *, refuse: bool, whole: bool) -> None:
        """Warn once about dates without an estimate, or raise.

        With ``refuse`` any raises. Of a ``whole`` fit the first dates, before there are exposures,
        are not failures, and it raises if no date is left; of a part others may make up for that.
        """
        if self.thin is None and np.isfinite(self.lambdas.to_numpy()).all():  # as almost always
            return
        n_assets = self.sections["n_assets"].to_numpy()
        thin = n_assets < min_assets if self.thin is None else self.thin
        failed = thin | ~self.estimated
        deficient = failed & ~thin
        if whole and not failed.all():
            failed[: int(np.append(self.in_warm_up, False).argmin())] = False
        self._report_dropped(whole=whole)
        if not failed.any():
            return
        parts, n_failed = [], int(failed.sum())
        if (thin & failed).any():
            fewest = (
                f"{min_assets} assets" if self.thin is None else "as many assets as coefficients"
            )
            parts.append(
                f"{int((thin & failed).sum())} with fewer than {fewest} that have a "
                f"return and all exposures (at most {int(n_assets[thin & failed].max())})"
            )
        if deficient.any():
            which = self.collinear and f" ({self.collinear})"
            parts.append(f"{int(deficient.sum())} with collinear or constant exposures{which}")
        found = "; ".join(parts)
        if self.has_dates and (refuse or (whole and failed.all())):
            missing = [name for name, empty in zip(self.names, self.empty, strict=True) if empty]
            remedy = (
                "Drop exposures or dates, or pass rank_deficient='nan'."
                if refuse and not failed.all()
                else "Use fewer exposures, or drop or impute those that are missing."
            )
            raise ValueError(
                f"The premia of {n_failed} of {len(failed)} dates cannot be estimated: {found}."
                f"{f' The columns {missing} have no value at all.' if missing else ''} {remedy}"
            )
        if refuse:
            raise ValueError(f"The premia cannot be estimated: {found}.")
        first = f" (first: {self.dates[failed][0]})" if self.has_dates else ""
        warn_user(
            f"The premia of {n_failed} of {len(failed)} dates are NaN: {found}{first}.",
            RankDeficientWarning,
        )

    def _report_dropped(self, *, whole: bool) -> None:
        """Warn once about exposures that dates left out; raise if all did of a whole fit."""
        known = np.isfinite(self.lambdas.iloc[:, -len(self.names) :].to_numpy())
        dropped = ~known & known.any(axis=1)[:, None]
        if not dropped.any():
            return
        counts = dropped.sum(axis=0)
        never = [name for name, each in zip(self.names, known.T, strict=True) if not each.any()]
        if self.has_dates and whole and never:
            raise ValueError(
                f"The columns {never} are constant or combinations of columns before them on every "
                "date, so they have no slope at all. Drop them."
            )
        parts = [f"{name!r} on {n}" for name, n in zip(self.names, counts, strict=True) if n]
        n_dates = int(dropped.any(axis=1).sum())
        first = f" (first: {self.dates[dropped.any(axis=1)][0]})" if self.has_dates else ""
        warn_user(
            f"{n_dates} of {len(known)} dates drop columns that are constant there or combinations "
            f"of columns before them: {', '.join(parts)} dates{first}. These slopes are NaN, and a "
            "premium is the average over the dates of its own column.",
            RankDeficientWarning,
        )

    def average_weights(self, window: int | None, halflife: float | None) -> Float64Array:
        """Weight of each date in the premia (T,), adding up to 1 over the estimated dates.

        ``window`` is a number of last dates, estimated or not; ``halflife`` is in dates before the
        last one. NaN where all of them have no weight.
        """
        positions = calendar_positions(self.dates)
        return average_weights(positions, self.estimated, window, halflife)


def average_weights(
    positions: IntArray, estimated: BoolArray, window: int | None, halflife: float | None
) -> Float64Array:
    """Weights (T,) of `Slopes.average_weights` from places on the calendar (T,)."""
    weights = estimated.astype(np.float64)
    if window is not None:
        weights[:-window] = 0.0
    if halflife is not None:
        weights *= 0.5 ** ((positions[-1] - positions.astype(np.float64)) / halflife)
    total = weights.sum()
    return weights / total if total else np.full(len(weights), np.nan)


def count_warm_up(values: FloatArray, segments: Segments) -> int:
    """First dates on which no asset has exposures (n_rows, n_features), as of betas or momentum."""
    offsets, order = segments.offsets, segments.order
    for date in range(len(segments)):
        rows = slice(offsets[date], offsets[date + 1])
        if np.isfinite(values[rows if order is None else order[rows]]).all(axis=1).any():
            return date
    return len(segments)


def mean_slopes(slopes: Float64Array, weights: Float64Array) -> Float64Array:
    """Averages (P,) of slopes (T, P) with weights (T,), each over its own dates; else NaN."""
    known = np.isfinite(slopes)
    complete = known.all(axis=1)
    if not complete.any() and not known.any():
        return np.full(slopes.shape[1], np.nan)
    if (complete == known.any(axis=1)).all():
        # Dates without an estimate have no weight, but 0 * NaN would still be NaN.
        means: Float64Array = weights[complete] @ slopes[complete]
        return means
    with np.errstate(invalid="ignore"):
        own: Float64Array = (weights @ np.where(known, slopes, 0.0)) / (weights @ known)
        return own


@dataclass(frozen=True, eq=False)
class PremiaRecord(Record):
    """What a fit leaves for the inference of its premia.

    A slope may be missing on a date on which others are not (a column that was dropped, a group
    that was not there): a premium is the average over its own dates, with the weights of those.
    """

    slopes: Slopes
    weights: Float64Array  # (T,) of each date in an average, 0 where nothing was estimated
    premia: pd.Series  # (P,)
    is_even: bool = True  # whether all estimated dates weigh the same, by the model's parameters
    two_pass: TwoPassFit | None = None  # where the betas were estimated
    # Of a pooled regression. Its "slopes" are its coefficients plus T times what each date adds to
    # them, so that they average to the coefficients and vary as these are uncertain.
    pooled: PooledFit | None = None
    # (T, P), T dates as in the slopes: influence of each date on the premia where the estimator
    # knows it; else it follows from the slopes, and from the two passes where there are any.
    influence: Float64Array | None = None
    own_errors: str = ""  # the kind of covariance that is the only one for such an influence
    n_used: int = 0  # degrees of freedom that each premium takes there
    facts: dict[str, str] = field(default_factory=dict)  # what else a summary says of the fit
    note: str = ""  # what errors leave out that come from the variation of the slopes alone

    def __post_init__(self) -> None:
        for array in (self.weights, self.influence):
            if array is not None:
                array.flags.writeable = False

    @cached_property
    def used(self) -> BoolArray:
        """Dates (T,) with an estimate and a weight."""
        used: BoolArray = self.weights > 0.0
        return used

    @cached_property
    def lambdas(self) -> Float64Array:
        """Slopes of the used dates (n_used, P)."""
        return self._of_used(self.slopes.lambdas.to_numpy())

    @cached_property
    def date_weights(self) -> Float64Array:
        """Weights of the used dates (n_used,), adding up to 1."""
        return self._of_used(self.weights)

    @property
    def dates(self) -> pd.Index:
        """The used dates (n_used,)."""
        return self.slopes.dates[self.used]

    @cached_property
    def positions(self) -> IntArray:
        """Places of the used dates on the calendar (n_used,): the distance of two is their lag."""
        used = self.used
        positions = calendar_positions(self.slopes.dates)
        return positions if used.all() else positions[used]

    @property
    def slope_influence(self) -> Float64Array:
        """Influence (n_used, P) of each date on the premia: the estimator's or the slopes'.

        Scaled so that a variance is the long-run variance over the number of dates for any weights:
        with equal ones it is lambda_t - premia.
        """
        if self.influence is not None:
            return self._of_used(self.influence)
        lambdas, weights = self.lambdas, self.date_weights
        scale = len(weights) * weights
        return scale[:, None] * (lambdas - weights @ lambdas)

    def _of_used(self, table: Float64Array) -> Float64Array:
        used = self.used
        return table if used.all() else table[used]  # without copies if it can be

    @cached_property
    def is_const(self) -> BoolArray:
        """Which slope is the zero-beta rate (P,)."""
        return np.arange(len(self.premia)) < self.slopes.has_const

    @property
    def n_factors(self) -> int:
        """Number of premia but the zero-beta rate."""
        return int(np.count_nonzero(~self.is_const))

    @property
    def n_effective(self) -> float:
        """Number of equally weighted dates that would average as well; T with equal weights."""
        weights = self.date_weights
        if np.ptp(weights) == 0.0:
            return float(len(weights))
        return float(1.0 / (weights @ weights))

    @cached_property
    def has_gaps(self) -> bool:
        """Whether slopes are missing on dates on which others are not."""
        return bool(np.isnan(self.lambdas).any())

    def only(self, names: list[Hashable] | pd.Index) -> PremiaRecord:
        """The record of some of the premia, over the dates that have a slope of all of them."""
        which = np.sort(self.premia.index.get_indexer(pd.Index(names)))  # the const first
        table = self.slopes.lambdas.iloc[:, which]
        slopes = np.ascontiguousarray(table.to_numpy())
        weights = np.where(np.isfinite(slopes).all(axis=1), self.weights, 0.0)
        if not weights.sum() > 0.0:
            raise ValueError(f"The premia of {list(names)} have no date in common.")
        weights = weights / weights.sum()
        has_const = bool(self.is_const[which].any())
        return replace(
            self,
            slopes=replace(self.slopes, lambdas=table, has_const=has_const),
            weights=weights,
            premia=pd.Series(
                mean_slopes(slopes, weights), self.premia.index[which], name=self.premia.name
            ),
            influence=None if self.influence is None else self.influence[:, which],
        )

    def describe(self) -> dict[str, str]:
        """What summaries say of the model and its dates."""
        used, sections = self.used, self.slopes.sections
        if self.pooled is not None:
            dates = describe_dates(self.slopes.dates, used)
            return {"Form:": "panel, pooled", **dates, **self.pooled.facts}
        form, facts = "panel, exposures given", self.facts
        if self.two_pass is not None:
            form = "wide, two-pass"
            facts = {"Assets:": str(self.two_pass.returns.shape[1]), **facts}
        mean = dict(zip(sections, sections.to_numpy()[used].mean(axis=0), strict=True))
        uncentred = "" if self.slopes.has_const else " (uncentred)"
        return {
            "Form:": form,
            **describe_dates(self.slopes.dates, used),
            "Assets per date:": f"{mean['n_assets']:.1f}",
            "Average R2:": f"{mean['r2']:.4f}{uncentred}",
            **facts,
        }


def describe_dates(dates: pd.Index, used: BoolArray) -> dict[str, str]:
    """How many of the dates (T,) were used, and from when to when."""
    places, n_dates = np.flatnonzero(used), len(dates)
    # Taken as an index: asked for one date, pandas changes what a model holds (it keeps the unit).
    ends = dates[places[[0, -1]]]
    # A time of day that says nothing is left out.
    first, last = (str(end).removesuffix(" 00:00:00") for end in ends)
    return {
        "Dates used:": str(n_dates) if len(places) == n_dates else f"{len(places)} of {n_dates}",
        "Span:": "" if only_counts(dates) else f"{first} to {last}",
    }


def premia_record(
    slopes: Slopes,
    window: int | None,
    halflife: float | None,
    *,
    two_pass: TwoPassFit | None = None,
    facts: dict[str, str] | None = None,
    note: str = "",
) -> PremiaRecord:
    """Average slopes over their dates, see `Slopes.average_weights`, and keep what they are."""
    weights = slopes.average_weights(window, halflife)
    # In one memory order: sums must not depend on how the slopes came together.
    premia = mean_slopes(np.ascontiguousarray(slopes.lambdas.to_numpy()), weights)
    kept = replace(slopes, lambdas=frozen(slopes.lambdas), sections=frozen(slopes.sections))
    return PremiaRecord(
        kept,
        weights,
        pd.Series(premia, index=slopes.lambdas.columns, name="premium"),
        window is None and halflife is None,
        two_pass,
        facts={} if facts is None else facts,
        note=note,
    )


def pooled_record(fit: PooledFit) -> PremiaRecord:
    """What a pooled regression leaves."""
    moments, used = fit.moments, fit.used
    n_dates = int(used.sum())
    coefficients = fit.solution.coefficients
    table = np.where(used[:, None], coefficients + n_dates * fit.by_date, np.nan)
    slopes = Slopes(
        pd.DataFrame(table, index=moments.dates, columns=moments.labels),
        pd.DataFrame({"n_assets": moments.by_date.n_rows}, index=moments.dates),
        moments.has_dates,
        moments.has_const,
        np.zeros(len(used), dtype=bool),
        np.zeros(len(moments.names), dtype=bool),
        has_names=moments.has_names,
    )
    premia = pd.Series(coefficients, index=moments.labels, name="premium")
    return PremiaRecord(slopes, used / max(n_dates, 1), premia, pooled=fit)

"""Sets of the columns of a panel, fitted and scored in every fold from the moments of each date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from skfactor._dates import calendar_positions
from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.factor_sets import (
    Level,
    Sweeper,
    plan_sets,
    shrink_triangle,
    solve_triangle,
    standardize,
)
from skfactor._kernels.pooled import (
    join_segments,
    pool_moments,
    take_segments,
    without_means,
)
from skfactor._kernels.rounding import EPSILON, FACTOR_PIVOT, ROUNDING_UNITS, SAFE_PIVOT
from skfactor._kernels.threads import Done, report_nothing
from skfactor._limits import single_blas_thread
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor.model_selection._set_moments import MomentSource, RowMoments, subset_moments

# Sets that are swept together; more do not stay in cache, fewer share less.
_SETS = 64
# Values of the tableau that all sets of a block begin with.
_TABLEAU = 2**20


@dataclass(frozen=True)
class SlopeRule:
    """How slopes are fitted on each date."""

    fit_intercept: bool
    min_assets: int
    alpha: float = 0.0  # ridge penalty
    pooled: bool = False  # one regression over all dates
    date_effects: bool = False  # ... of deviations from the means of the dates

    @property
    def has_const(self) -> bool:
        """Whether a regression has an intercept among its coefficients."""
        return self.fit_intercept and not self.date_effects

    def fewest(self, sizes: IntArray) -> IntArray:
        """Fewest rows on a date, for sets of these sizes."""
        own = sizes if self.alpha == 0.0 else np.ones_like(sizes)
        return np.maximum(own + self.has_const, self.min_assets)


@dataclass(frozen=True)
class DateFolds:
    """Which dates are trained on and tested in each of F folds."""

    trains: list[IntArray]
    tests: list[IntArray]

    def weights(self, dates: pd.Index, window: int | None, halflife: float | None) -> Float64Array:
        """Weight of each date in the premia of each fold, and of all dates (F + 1, T).

        They are to be divided by their sum over the dates that have slopes.
        """
        every: IntArray = np.arange(len(dates))
        weights = np.zeros((len(self.trains) + 1, len(dates)))
        for row, train in zip(weights, [*self.trains, every], strict=True):
            used = train if window is None else train[-window:]
            row[used] = 1.0
            if halflife is not None:
                positions = calendar_positions(dates[train])
                row[train] *= 0.5 ** ((positions[-1] - positions) / halflife)
        return weights


@dataclass(frozen=True)
class SetFits:
    """Sets fitted in each of F folds, and on all dates."""

    scores: Float64Array  # (n_sets, F)
    premia: Float64Array  # (n_sets, 1 + K) of all dates, the zero-beta rate first; 0 if not in it
    n_dates: IntArray  # (n_sets,) that have slopes
    extras: dict[str, Float64Array] = field(default_factory=dict)  # other figures (n_sets,)

    def take(self, places: IntArray) -> SetFits:
        """The fits of some of the sets, in this order."""
        extras = {name: values[places] for name, values in self.extras.items()}
        return SetFits(self.scores[places], self.premia[places], self.n_dates[places], extras)

    @classmethod
    def joined(cls, parts: Sequence[SetFits]) -> SetFits:
        """The fits of the sets of all parts."""
        return cls(
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.premia for part in parts]),
            np.concatenate([part.n_dates for part in parts]),
            {name: np.concatenate([p.extras[name] for p in parts]) for name in parts[0].extras},
        )


@dataclass(frozen=True)
class _Premia:
    """Premia of a block of sets over the dates of each fold."""

    premia: Float64Array  # (n, 1 + k, F + 1); the level at the reference first
    n_dates: IntArray  # (n,)
    tests: tuple[Float64Array, Float64Array, Float64Array] | None  # of slopes: sums, squares, dates
    rough: BoolArray  # (n,) on some date moments lost digits


class ScoredDates:
    """Moments of all rows of some dates, for columns less a reference."""

    def __init__(self, moments: CrossMoments, dates: IntArray, reference: Float64Array) -> None:
        self._moments, self._dates, self._reference = moments, dates, reference

    @cached_property
    def centred(self) -> Float64Array:
        """Means (2 + k, T) of one, the columns less the reference, and the target."""
        mean = self._moments.mean[:, self._dates].copy()
        mean[:-1] -= self._reference[:, None]
        return np.concatenate([np.ones((1, len(self._dates))), mean])

    @cached_property
    def n_rows(self) -> Float64Array:
        """Rows of each date (T,)."""
        return self._moments.n_rows[self._dates].astype(np.float64)

    @cached_property
    def products(self) -> Float64Array:
        """Products about the mean (1 + k, 1 + k, T)."""
        return self._moments.products[:, :, self._dates]

    @cached_property
    def total(self) -> Float64Array:
        """Sums of products (2 + k, 2 + k) over all dates: rows, sums, products."""
        total = (self.centred * self.n_rows) @ self.centred.T
        total[1:, 1:] += self.products.sum(axis=2)
        return total

    def gains(self, premia: Float64Array) -> Float64Array:
        """How much less the squared errors of premia (n, 1 + k) sum up to than squared returns."""
        total = self.total
        explained = np.einsum("ni,ij,nj->n", premia, total[:-1, :-1], premia, optimize=True)
        gains: Float64Array = 2.0 * premia @ total[:-1, -1] - explained
        return gains

    def squared_errors(self, premia: Float64Array) -> Float64Array:
        """Mean squared error (n, T) of each date; NaN without rows."""
        _, cross, variance = self._variances(premia)
        own = self.products[-1, -1]
        mean = self.centred[-1] - premia @ self.centred[:-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            errors: Float64Array = (own - 2.0 * cross + variance) / self.n_rows + mean**2
        return np.where(self.n_rows > 0.0, errors, np.nan)

    def correlations(self, premia: Float64Array) -> Float64Array:
        """Correlations (n, T) of predictions and returns; NaN where one does not vary."""
        mean, cross, variance = self._variances(premia)
        own = self.products[-1, -1]
        eps = ROUNDING_UNITS * EPSILON
        varies = variance > self.n_rows * (eps * np.abs(mean)) ** 2
        varies &= own > self.n_rows * (eps * np.abs(self.centred[-1])) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = cross / np.sqrt(variance) / np.sqrt(own)
        return np.where(varies, np.clip(ratio, -1.0, 1.0), np.nan)

    def _variances(self, premia: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Mean, sum of products with returns and sum of squares of predictions, (n, T) each."""
        slopes, k = premia[:, 1:], premia.shape[1] - 1
        flat = self.products[:-1, :-1].reshape(k, -1)
        spread = (slopes @ flat).reshape(len(slopes), k, -1)
        variance = np.einsum("nkt,nk->nt", spread, slopes)
        return self._means(premia), slopes @ self.products[:-1, -1], variance

    def _means(self, premia: Float64Array) -> Float64Array:
        """Mean predictions (n, T)."""
        means: Float64Array = premia @ self.centred[:-1]
        return means


class RootDates(ScoredDates):
    """The same by roots R (T, r, 1 + k) of the products R'R, in which large slopes cancel less."""

    def __init__(
        self,
        moments: CrossMoments,
        dates: IntArray,
        reference: Float64Array,
        roots: Float64Array,
    ) -> None:
        super().__init__(moments, dates, reference)
        self._roots = roots

    @cached_property
    def _root(self) -> Float64Array:
        """Root (R, 2 + k) of the products over all dates."""
        level = (self.centred * np.sqrt(self.n_rows)).T
        shape = self._roots.shape
        within = np.zeros((shape[0] * shape[1], shape[2] + 1))
        within[:, 1:] = self._roots.reshape(-1, shape[2])
        return np.asarray(np.linalg.qr(np.vstack([level, within]), mode="r"))

    def gains(self, premia: Float64Array) -> Float64Array:
        """How much less the squared errors of premia (n, 1 + k) sum up to than squared returns."""
        errors = self._root[:, -1] - premia @ self._root[:, :-1].T
        gains: Float64Array = self.total[-1, -1] - np.einsum("nr,nr->n", errors, errors)
        return gains

    def squared_errors(self, premia: Float64Array) -> Float64Array:
        """Mean squared error (n, T) of each date; NaN without rows."""
        errors = self._roots[:, :, -1] - self._fitted(premia)
        mean = self.centred[-1] - premia @ self.centred[:-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Float64Array = np.einsum("ntr,ntr->nt", errors, errors) / self.n_rows + mean**2
        return np.where(self.n_rows > 0.0, found, np.nan)

    def _fitted(self, premia: Float64Array) -> Float64Array:
        fitted: Float64Array = np.einsum("trk,nk->ntr", self._roots[:, :, :-1], premia[:, 1:])
        return fitted

    def _variances(self, premia: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        fitted = self._fitted(premia)
        mean = self._means(premia)
        cross = np.einsum("ntr,tr->nt", fitted, self._roots[:, :, -1])
        return mean, cross, np.einsum("ntr,ntr->nt", fitted, fitted)


def _r2_zero(dates: ScoredDates, premia: Float64Array) -> Float64Array:
    gains: Float64Array = dates.gains(premia) / dates.total[-1, -1]
    return gains


def _r2(dates: ScoredDates, premia: Float64Array) -> Float64Array:
    total = dates.total
    level = total[0, -1] ** 2 / total[0, 0]
    gains: Float64Array = (dates.gains(premia) - level) / (total[-1, -1] - level)
    return gains


def _mean_squared_error(dates: ScoredDates, premia: Float64Array) -> Float64Array:
    total = dates.total
    errors: Float64Array = (dates.gains(premia) - total[-1, -1]) / total[0, 0]
    return errors


def _root_mean_squared_error(dates: ScoredDates, premia: Float64Array) -> Float64Array:
    roots: Float64Array = -np.sqrt(-_mean_squared_error(dates, premia))
    return roots


def _ic(dates: ScoredDates, premia: Float64Array) -> Float64Array:
    return _mean(dates.correlations(premia))


def _icir(dates: ScoredDates, premia: Float64Array) -> Float64Array:
    values = dates.correlations(premia)
    known = np.isfinite(values)
    count, mean = known.sum(axis=1), _mean(values)
    squares = np.where(known, values - mean[:, None], 0.0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt(squares.sum(axis=1) / (count - 1))
        ratio: Float64Array = np.where(count > 1, mean / deviation, np.nan)
    return ratio


def _mean(values: Float64Array) -> Float64Array:
    """Mean of each row (n, T) over what is not NaN."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean: Float64Array = np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)
    return mean


# Scores of predictions, from the moments of the tested dates.
PREDICTION_SCORES: dict[str, Callable[[ScoredDates, Float64Array], Float64Array]] = {
    "r2": _r2,
    "r2_zero": _r2_zero,
    "ic": _ic,
    "icir": _icir,
    "neg_mean_squared_error": _mean_squared_error,
    "neg_root_mean_squared_error": _root_mean_squared_error,
}
# ... and of the slopes of the tested dates.
SLOPE_T = "slope_t"
PANEL_SCORES = (*PREDICTION_SCORES, SLOPE_T)


class PanelSets:
    """Fits and scores sets of the columns of a panel, a block of sets at a time."""

    def __init__(
        self,
        source: MomentSource,
        folds: DateFolds,
        dates: pd.Index,
        rule: SlopeRule,
        score: str,
        *,
        window: int | None = None,
        halflife: float | None = None,
    ) -> None:
        self._source, self._folds, self._rule, self._score = source, folds, rule, score
        self._weights = folds.weights(dates, window, halflife)
        self._sweeper = Sweeper()

    @property
    def n_columns(self) -> int:
        """Number of columns that sets choose from."""
        return self._source.n_columns

    @single_blas_thread
    @np.errstate(all="ignore")
    def fit(self, members: BoolArray, done: Done = report_nothing) -> SetFits:
        """Fit and score sets (n_sets, K)."""
        n_sets, n_folds = len(members), len(self._folds.tests)
        scores = np.full((n_sets, n_folds), np.nan)
        premia = np.zeros((n_sets, 1 + members.shape[1]))
        n_dates = np.zeros(n_sets, dtype=np.intp)
        for which, columns, moments, reference, fitted in self._blocks(members):
            for f in range(n_folds):
                scores[which, f] = self._score_fold(f, columns, moments, reference, fitted)
            whole = fitted.premia[:, :, -1]
            at_reference = whole[:, 1:] @ reference
            premia[which, 0] = (whole[:, 0] - at_reference) if self._rule.fit_intercept else 0.0
            premia[np.ix_(which, 1 + moments.columns[columns])] = whole[:, 1:]
            n_dates[which] = fitted.n_dates
            done(len(which))
        return SetFits(scores, premia, n_dates)

    @single_blas_thread
    @np.errstate(all="ignore")
    def losses(self, members: BoolArray) -> Float64Array:
        """Loss (n_sets, T) of each set on each tested date, fold after fold; NaN if it has none.

        The mean squared error of a date; where sets are chosen by information coefficients, the
        negative of the date's.
        """
        bounds = np.cumsum([0, *map(len, self._folds.tests)])
        losses = np.full((len(members), bounds[-1]), np.nan)
        for which, columns, moments, reference, fitted in self._blocks(members):
            by_ic = self._score in ("ic", "icir")

            def loss(dates: ScoredDates, premia: Float64Array, by_ic: bool = by_ic) -> Float64Array:
                return -dates.correlations(premia) if by_ic else dates.squared_errors(premia)

            for f in range(len(self._folds.tests)):
                part = losses[:, bounds[f] : bounds[f + 1]]
                part[which] = self._by_dates(loss, f, columns, moments, reference, fitted)
        return losses

    def _blocks(
        self, members: BoolArray
    ) -> Iterator[tuple[IntArray, IntArray, RowMoments, Float64Array, _Premia]]:
        """Sets of a block; columns (of the moments) that it has; moments; reference; premia."""
        for group, moments in self._source.groups(members):
            own = members[np.ix_(group, moments.columns)]
            order = np.lexsort(own.T[::-1])
            for start in range(0, len(order), _SETS):
                block = order[start : start + _SETS]
                chosen = own[block]
                used, shared = chosen.any(axis=0), chosen.all(axis=0)
                # What all sets have comes first, for that is swept once.
                columns = np.concatenate([np.flatnonzero(shared), np.flatnonzero(used & ~shared)])
                reference = _reference(moments.score, columns)
                fitted = self._premia(chosen[:, columns], columns, moments, reference)
                yield group[block], columns, moments, reference, fitted

    def _premia(
        self, members: BoolArray, columns: IntArray, moments: RowMoments, reference: Float64Array
    ) -> _Premia:
        if self._rule.pooled:
            return self._pooled(members, columns, moments, reference)
        plan, sizes = plan_sets(members), members.sum(axis=1)
        n_sets, k = members.shape
        n_all, n_dates = self._weights.shape
        sums, total = np.zeros((n_sets, 1 + k, n_all)), np.zeros((n_sets, n_all))
        counted = np.zeros(n_sets, dtype=np.intp)
        rough = np.zeros(n_sets, dtype=bool)
        tests = None
        if self._score == SLOPE_T:
            shape = (n_sets, k, n_all - 1)
            tests = np.zeros(shape), np.zeros(shape), np.zeros((n_sets, n_all - 1))
            in_test = np.zeros((n_all - 1, n_dates))
            for f, test in enumerate(self._folds.tests):
                in_test[f, test] = 1.0
        step = max(16, _TABLEAU // (k * (k + 1)))
        for start in range(0, n_dates, step):
            dates = slice(start, min(start + step, n_dates))
            part = subset_moments(moments.fit, columns, dates)
            slopes, solved = self._slopes(
                members, sizes, plan, columns, part, moments, dates, rough
            )
            level = part.mean[-1] - np.einsum(
                "kt,nkt->nt", part.mean[:-1] - reference[:, None], slopes
            )
            if not self._rule.fit_intercept:
                level = np.einsum("k,nkt->nt", reference, slopes)
            level[~solved] = 0.0
            weights = self._weights[:, dates].T
            sums[:, 0] += level @ weights
            sums[:, 1:] += (slopes.reshape(n_sets * k, -1) @ weights).reshape(n_sets, k, -1)
            total += solved @ weights
            counted += np.count_nonzero(solved, axis=1)
            if tests is not None:
                flat, ones = slopes.reshape(n_sets * k, -1), in_test[:, dates].T
                tests[0][...] += (flat @ ones).reshape(n_sets, k, -1)
                tests[1][...] += (flat**2 @ ones).reshape(n_sets, k, -1)
                tests[2][...] += solved @ ones
        # A fold without any estimate has no premia: 0 / 0.
        return _Premia(sums / total[:, None], counted, tests, rough)

    def _pooled(
        self, members: BoolArray, columns: IntArray, moments: RowMoments, reference: Float64Array
    ) -> _Premia:
        """Coefficients of one regression over all dates of each fold, and over all dates."""
        rule, resolution = self._rule, self._source.resolution
        sizes = members.sum(axis=1)
        part = subset_moments(moments.fit, columns, slice(None))
        folds = [np.flatnonzero(row) for row in self._weights]
        level_at = join_segments([pool_moments(take_segments(part, dates)) for dates in folds])
        pooled = level_at
        if rule.date_effects:
            centred = without_means(part)
            pooled = join_segments([pool_moments(take_segments(centred, each)) for each in folds])
        scaled = standardize(pooled, rule.has_const)
        slopes, pivots = self._sweeper.sweep(
            scaled.correlation, scaled.target, plan_sets(members), len(members)
        )
        slopes = slopes / np.where(scaled.norm > 0.0, scaled.norm, 1.0)
        solved = pooled.n_rows >= rule.fewest(sizes)[:, None]
        rough = np.zeros(len(members), dtype=bool)
        for f, dates in enumerate(folds):
            unsafe = (members & scaled.unsafe[:, f]).any(axis=1)
            again = np.flatnonzero((unsafe | ~(pivots[:, f] >= SAFE_PIVOT)) & solved[:, f])
            if not again.size:
                continue
            triangle = moments.pooled_triangle(dates, rule.has_const, rule.date_effects)
            if triangle is None:  # as PooledRegression itself decides without rows
                solved[again, f] = pivots[again, f] > FACTOR_PIVOT
                continue
            rough[again] = True
            own = triangle.subset(columns)
            found = solve_triangle(own, members[again], rule.has_const, resolution)
            slopes[again, :, f] = found
            solved[again, f] = ~np.isnan(found).any(axis=1)
        slopes = np.where(solved[:, None], slopes, np.nan)
        mean = level_at.mean
        level = mean[-1] - np.einsum("kf,nkf->nf", mean[:-1] - reference[:, None], slopes)
        if not rule.fit_intercept:
            level = np.einsum("k,nkf->nf", reference, slopes)
        n_dates = np.count_nonzero(part.n_rows) * solved[:, -1]
        return _Premia(np.concatenate([level[:, None], slopes], axis=1), n_dates, None, rough)

    def _slopes(
        self,
        members: BoolArray,
        sizes: IntArray,
        plan: list[Level],
        columns: IntArray,
        part: CrossMoments,
        moments: RowMoments,
        dates: slice,
        rough: BoolArray,
    ) -> tuple[Float64Array, BoolArray]:
        """Slopes (n, k, T) of sets on each date, 0 where there are none, and where there are.

        Sets that had to be solved from triangles are noted in ``rough``.
        """
        rule = self._rule
        scaled = standardize(part, rule.fit_intercept)
        correlation, target = scaled.correlation, scaled.target
        unit = np.where(scaled.norm > 0.0, scaled.norm, 1.0)
        if rule.alpha:
            # A regressor that does not vary has slope 0, as the penalty implies.
            correlation, target = np.nan_to_num(correlation), np.nan_to_num(target)
            np.einsum("iis->is", correlation)[...] = (scaled.norm > 0.0) + rule.alpha
            correlation, target = correlation / (1.0 + rule.alpha), target / (1.0 + rule.alpha)
        slopes, pivots = self._sweeper.sweep(correlation, target, plan, len(members))
        slopes /= unit
        solved = part.n_rows >= rule.fewest(sizes)[:, None]
        for t, triangle in moments.triangles.items():
            if not dates.start <= t < dates.stop:
                continue
            s = t - dates.start
            unsafe = (members & scaled.unsafe[:, s]).any(axis=1)
            again = np.flatnonzero((unsafe | ~(pivots[:, s] >= SAFE_PIVOT)) & solved[:, s])
            if not again.size:
                continue
            rough[again] = True
            own = triangle.subset(columns)
            if rule.alpha:
                weight = float(part.weight[s])
                found = shrink_triangle(
                    own, weight, members[again], rule.alpha, self._source.resolution
                )
            else:
                found = solve_triangle(
                    own, members[again], rule.fit_intercept, self._source.resolution
                )
            slopes[again, :, s] = found
            solved[again, s] = ~np.isnan(found).any(axis=1)
        np.copyto(slopes, 0.0, where=~solved[:, None])
        return slopes, solved

    def _by_dates(
        self,
        function: Callable[[ScoredDates, Float64Array], Float64Array],
        fold: int,
        columns: IntArray,
        moments: RowMoments,
        reference: Float64Array,
        fitted: _Premia,
    ) -> Float64Array:
        """A function of a fold's tested dates and premia (n, 1 + k), from what keeps its digits."""
        part = subset_moments(moments.score, columns, slice(None))
        tested, premia = self._folds.tests[fold], fitted.premia[:, :, fold]
        found = function(ScoredDates(part, tested, reference), premia)
        all_roots = moments.score_roots if fitted.rough.any() else None
        if all_roots is not None:
            chosen = np.append(columns, all_roots.shape[2] - 1)
            roots = all_roots[np.ix_(tested, np.arange(all_roots.shape[1]), chosen)]
            dates = RootDates(part, tested, reference, roots)
            found[fitted.rough] = function(dates, premia[fitted.rough])
        return found

    def _score_fold(
        self,
        fold: int,
        columns: IntArray,
        moments: RowMoments,
        reference: Float64Array,
        fitted: _Premia,
    ) -> Float64Array:
        if fitted.tests is None:
            function = PREDICTION_SCORES[self._score]
            return self._by_dates(function, fold, columns, moments, reference, fitted)
        premia = fitted.premia[:, :, fold]
        sums, squares, count = (each[..., fold] for each in fitted.tests)
        mean = sums / count[:, None]
        deviation = np.sqrt((squares - sums * mean) / (count[:, None] - 1.0))
        t_values = mean / deviation * np.sqrt(count)[:, None]
        # Columns that a set does not have have slopes of zero.
        signed = np.where(sums == 0.0, 0.0, t_values * np.sign(premia[:, 1:]))
        scores: Float64Array = signed.sum(axis=1) / np.count_nonzero(sums, axis=1)
        return scores


def _reference(moments: CrossMoments, columns: IntArray) -> Float64Array:
    """A typical value (k,) of each column, about which sums over dates lose no digits."""
    rows = moments.weight
    means = np.where(rows > 0.0, moments.mean[columns], 0.0)
    reference: Float64Array = means @ rows / max(rows.sum(), 1.0)
    return reference

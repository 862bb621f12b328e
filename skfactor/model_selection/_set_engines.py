"""How the sets of a search are fitted and scored: from moments where that is the same, or again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from skfactor._kernels.threads import Done, report_nothing
from skfactor._limits import muted
from skfactor._panel import Panel, find_panel, time_index
from skfactor._sklearn import safe_indexing, take_params
from skfactor._typing import BoolArray, Float64Array, FloatArray, IntArray, RowLabels, ScoringLike
from skfactor._validation import (
    check_row_weights,
    raise_if_missing,
    validate_features,
    validate_target,
)
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning
from skfactor.linear_model import (
    FactorBetas,
    FamaMacBeth,
    PooledRegression,
    RidgeFamaMacBeth,
    TradedFactorModel,
)
from skfactor.metrics import get_scorer
from skfactor.metrics._scorers import SCORERS
from skfactor.model_selection._panel_sets import (
    PANEL_SCORES,
    SLOPE_T,
    DateFolds,
    PanelSets,
    SetFits,
    SlopeRule,
)
from skfactor.model_selection._set_moments import DateMoments, MomentSource, PanelRows, RowSource
from skfactor.model_selection._wide_sets import WIDE_SCORES, WideRule, WideSets
from skfactor.preprocessing import FactorImputer, FactorRanker, FactorZScorer, Winsorizer

Splits = Sequence[tuple[IntArray, IntArray]]

# Steps whose every column depends on the same column alone, date by date.
_BY_COLUMN = (Winsorizer, FactorZScorer, FactorRanker, FactorImputer)


class SetEngine(Protocol):
    """What fits and scores sets of columns."""

    def fit(self, members: BoolArray, done: Done = ...) -> SetFits:
        """Fit and score sets (n_sets, K)."""

    def losses(self, members: BoolArray) -> Float64Array:
        """Loss (n_sets, T) of each set on each tested date, fold after fold."""


@dataclass(frozen=True)
class Sample:
    """Rows, folds, and what goes with the rows."""

    X: Any
    y: Any
    splits: Splits
    params: dict[str, Any]  # of the estimator's fit

    @property
    def is_wide(self) -> bool:
        """Whether y has one column per asset."""
        return np.ndim(self.y) == 2 and np.shape(self.y)[1] > 1


class NeedsRowsError(Exception):
    """Why sets cannot be fitted and scored from moments."""


# --- scores -------------------------------------------------------------------------------------


def moment_score(scoring: ScoringLike | None, wide: bool) -> str | None:
    """Name of the score if it follows from moments, else None."""
    names = WIDE_SCORES if wide else PANEL_SCORES
    if scoring is None:
        return "cross_sectional_r2" if wide else "r2"
    if isinstance(scoring, str):
        return scoring if scoring in names else None
    return next((name for name in names if SCORERS.get(name) is scoring), None)


def find_scorer(scoring: Any) -> Callable[..., float] | None:
    """The scorer of a name or a callable; None is the estimator's own score."""
    if scoring is None or callable(scoring):
        return scoring  # type: ignore[no-any-return]  # it is callable
    if scoring == SLOPE_T:
        return slope_t_score
    if scoring == "sharpe":
        raise ValueError(
            "scoring='sharpe' is worked out from the moments of the factors, and these sets have "
            "to be fitted one by one. Use 'cross_sectional_r2' or 'neg_pricing_rmse'."
        )
    if scoring == "r2":
        return None
    scorer: Callable[..., float] = get_scorer(scoring)
    return scorer


def slope_t_score(estimator: BaseEstimator, X: Any, y: Any) -> float:
    """Mean t value of the slopes on the dates of X, by the sign of the premia in the fit."""
    fitted = clone(estimator).fit(X, y)
    model, slopes = final_step(estimator), final_step(fitted).lambdas_.iloc[:, -X.shape[1] :]
    t_values = slopes.mean() / slopes.std(ddof=1) * np.sqrt(slopes.count())
    return float((t_values.to_numpy() * np.sign(model.coef_)).mean())


def final_step(model: BaseEstimator) -> BaseEstimator:
    """The estimator that a pipeline ends with."""
    return model[-1] if isinstance(model, Pipeline) else model


# --- from moments -------------------------------------------------------------------------------


def moment_engine(
    estimator: BaseEstimator, sample: Sample, score: str, common_rows: bool, holder: BaseEstimator
) -> SetEngine:
    """An engine from moments; raises `NeedsRowsError` where refitting is something else.

    ``holder`` gets the names and the number of the features.
    """
    model = final_step(estimator)
    if sample.is_wide:
        return _wide_engine(estimator, model, sample, score, holder)
    rows, panel = read_rows(estimator, sample.X, sample.y, sample.params, holder)
    folds = _date_folds(sample.splits, panel)
    by_row = RowSource(rows, model.fit_intercept, common_rows)
    source: MomentSource = by_row
    pooled = isinstance(model, PooledRegression)
    if pooled and score == SLOPE_T:
        raise ValueError(
            "scoring='slope_t' is about the slopes of each date, and PooledRegression has one "
            "regression of all dates. Use 'r2_zero' or 'ic', or FamaMacBeth."
        )
    if (common_rows or not by_row.has_holes) and not pooled:
        names = list(range(len(rows.columns)))
        source = DateMoments.of(rows, panel.dates.labels, names, model.fit_intercept)
    return panel_engine(model, source, folds, panel.dates.labels, score)


def panel_engine(
    model: BaseEstimator, source: MomentSource, folds: DateFolds, dates: pd.Index, score: str
) -> PanelSets:
    """The engine of a model of panels."""
    return PanelSets(
        source,
        folds,
        dates,
        slope_rule(model),
        score,
        window=model.premia_window,
        halflife=model.premia_halflife,
    )


def slope_rule(model: BaseEstimator) -> SlopeRule:
    """How a model fits the slopes of a date."""
    pooled = isinstance(model, PooledRegression)
    return SlopeRule(
        model.fit_intercept,
        model.min_assets or 0,
        float(getattr(model, "alpha", 0.0)),
        pooled,
        pooled and model.date_effects,
    )


def read_rows(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    params: Mapping[str, object],
    holder: BaseEstimator,
) -> tuple[PanelRows, Panel]:
    """Rows of a panel in order of the dates, as the model of a pipeline sees them."""
    model = final_step(estimator)
    if type(model) not in (FamaMacBeth, RidgeFamaMacBeth, PooledRegression):
        raise NeedsRowsError(f"panels of {type(model).__name__} are not fitted from moments")
    values = validate_features(holder, X, reset=True)
    target = validate_target(holder, X, y).reshape(-1)
    if type(model) is FamaMacBeth and (model.betas is not None or model.weighting != "ols"):
        raise NeedsRowsError("betas= and weighting= are of the wide form")
    if model.get_params().get("rank_deficient") == "drop":
        raise NeedsRowsError("dates drop columns of their own")
    given = {name: value for name, value in params.items() if value is not None}
    panel = find_panel(
        X, y, n_rows=len(values), dates=given.pop("dates", None), date_level=model.date_level
    )
    if panel is None:
        raise NeedsRowsError("there are no dates, whose moments would add up")
    weights = check_row_weights(given.pop("sample_weight", None), X, len(values), "sample_weight")
    if isinstance(estimator, Pipeline):
        values = _preprocess(estimator, X, y, values, panel, given)
    if model.missing == "raise":
        raise_if_missing(values, target)
    return PanelRows.of(values, target, weights, panel.segments), panel


def _preprocess(
    pipeline: Pipeline,
    X: ArrayLike,
    y: ArrayLike | None,
    values: FloatArray,
    panel: Panel,
    params: Mapping[str, object],
) -> FloatArray:
    """What the steps before the model make of all columns at once, (n_rows, n_features)."""
    if pipeline.memory is not None or params:
        raise NeedsRowsError("steps take more than rows and their dates")
    for name, step in pipeline.steps[:-1]:
        if step is None or step == "passthrough":
            continue
        if type(step) not in _BY_COLUMN:
            raise NeedsRowsError(
                f"the step {name!r} may look at several columns or dates together, so that it has "
                "to be fitted to each set in each fold"
            )
        named = [
            p for p in ("passthrough", "indicators") if isinstance(step.get_params().get(p), list)
        ]
        if named:
            raise NeedsRowsError(f"the step {name!r} names columns in {named[0]}=")
        dates = panel.dates.labels[panel.dates.codes]
        table = pd.DataFrame(values, columns=getattr(X, "columns", None), copy=False)
        made = clone(step).set_output(transform="default").fit_transform(table, dates=dates)
        values = made.to_numpy()
    del y
    return values


def _date_folds(splits: Splits, panel: Panel) -> DateFolds:
    """The dates of each fold; raises unless every fold has whole dates."""
    codes, lengths = panel.dates.codes, panel.segments.lengths
    folds: list[tuple[IntArray, IntArray]] = []
    for rows in splits:
        parts = []
        for part in rows:
            count = np.bincount(codes[part], minlength=len(lengths))
            if not ((count == 0) | (count == lengths)).all():
                raise NeedsRowsError("folds have some rows of a date without the others")
            parts.append(np.flatnonzero(count))
        folds.append((parts[0], parts[1]))
    return DateFolds([train for train, _ in folds], [test for _, test in folds])


def raise_if_shared(splits: Splits, X: ArrayLike, y: Any, dates: RowLabels | None = None) -> None:
    """Raise if a fold has the same date in train and test."""
    n_rows = len(y)
    panel = find_panel(X, y, n_rows=n_rows, dates=dates)
    if panel is None:
        return
    for fold, (train, test) in enumerate(splits):
        shared = np.intersect1d(panel.dates.codes[train], panel.dates.codes[test])
        if shared.size:
            raise ValueError(
                f"The date {panel.dates.labels[shared[0]]} is in train and in test of fold "
                f"{fold}: its own month would tell the model what it has to predict. Use a "
                "splitter that keeps dates whole, such as WalkForwardSplit."
            )


def _wide_engine(
    estimator: BaseEstimator,
    model: BaseEstimator,
    sample: Sample,
    score: str,
    holder: BaseEstimator,
) -> SetEngine:
    if isinstance(estimator, Pipeline):
        raise NeedsRowsError("steps before a model of the wide form learn across dates")
    if type(model) not in (FamaMacBeth, TradedFactorModel):
        raise NeedsRowsError(f"the wide form of {type(model).__name__} is not fitted from moments")
    factors = validate_features(holder, sample.X, reset=True).astype(np.float64)
    returns = validate_target(holder, sample.X, sample.y)
    given = {name: value for name, value in sample.params.items() if value is not None}
    index = time_index(sample.X, sample.y, given.pop("dates", None))
    if given:
        raise NeedsRowsError(f"the wide form takes no {sorted(given)}")
    if not (np.isfinite(factors).all() and np.isfinite(returns).all()):
        raise NeedsRowsError("returns or factors are missing, so that assets have own samples")
    rule, window, halflife = WideRule(traded=True), None, None
    if isinstance(model, FamaMacBeth):
        if model.betas is not None and not _is_plain(model.betas):
            raise NeedsRowsError("betas= has parameters of its own")
        rule = WideRule(False, model.weighting, model.fit_intercept, model.min_assets or 0)
        window, halflife = model.premia_window, model.premia_halflife
    place: IntArray = np.arange(len(factors))
    if index is None:
        index = pd.RangeIndex(len(factors))
    elif not index.is_monotonic_increasing:
        order = index.argsort()
        index, factors, returns = index[order], factors[order], returns[order]
        place[order] = np.arange(len(order))
    folds = DateFolds(
        [np.sort(place[train]) for train, _ in sample.splits],
        [np.sort(place[test]) for _, test in sample.splits],
    )
    return WideSets(factors, returns, folds, folds.weights(index, window, halflife), rule, score)


def _is_plain(betas: Any) -> bool:
    """Whether a first pass is least squares on the whole sample."""
    if type(betas) is not FactorBetas:
        return False
    default = FactorBetas().get_params()
    own = {name: value for name, value in betas.get_params().items() if name != "date_level"}
    return all(default[name] == value for name, value in own.items())


# --- by refitting -------------------------------------------------------------------------------


class RefitSets:
    """Fits and scores sets one by one, as scikit-learn's `cross_validate` does."""

    def __init__(
        self,
        estimator: BaseEstimator,
        sample: Sample,
        scoring: ScoringLike | None,
        take: Callable[[BoolArray], Any],
        n_jobs: int | None,
    ) -> None:
        self._estimator, self._sample, self._n_jobs = estimator, sample, n_jobs
        self._scorer, self._take = find_scorer(scoring), take
        self.errors: list[Exception] = []

    def fit(self, members: BoolArray, done: Done = report_nothing) -> SetFits:
        """Fit and score sets (n_sets, K)."""
        scores = np.full((len(members), len(self._sample.splits)), np.nan)
        premia = np.full((len(members), 1 + members.shape[1]), np.nan)
        n_dates = np.zeros(len(members), dtype=np.intp)
        parallel = Parallel(n_jobs=self._n_jobs, return_as="generator")
        found = parallel(delayed(self._fit_one)(row) for row in members)
        for i, (own, fitted, error) in enumerate(found):
            if error is not None:
                self.errors.append(error)
            else:
                scores[i] = own
                _read_premia(final_step(fitted), members[i], premia[i])
                slopes = getattr(final_step(fitted), "lambdas_", None)
                n_dates[i] = 0 if slopes is None else int(slopes.notna().all(axis=1).sum())
            done(1)
        return SetFits(scores, premia, n_dates)

    def _fit_one(self, row: BoolArray) -> tuple[Float64Array, Any, Exception | None]:
        sample = self._sample
        X = self._take(row)
        score, fit = cross_validate, clone(self._estimator).fit
        # They are counted for all sets together.
        for category in (RankDeficientWarning, FitFailedWarning, NoDatesWarning):
            score, fit = muted(score, category), muted(fit, category)
        try:
            scores = score(
                self._estimator,
                X,
                sample.y,
                cv=list(sample.splits),
                scoring=self._scorer,
                params=sample.params or None,
                error_score="raise",
            )["test_score"]
            fitted = fit(X, sample.y, **sample.params)
        except (ValueError, np.linalg.LinAlgError) as error:
            return np.empty(0), None, error
        return scores, fitted, None

    def losses(self, members: BoolArray) -> Float64Array:
        """Mean squared error (n_sets, T) of each set on each tested date, fold after fold."""
        sample = self._sample
        panel = None
        if not sample.is_wide:
            panel = find_panel(
                sample.X, sample.y, n_rows=len(sample.y), dates=sample.params.get("dates")
            )
        y = np.asarray(sample.y, dtype=np.float64)
        rows: list[Float64Array] = []
        for row in members:
            X, parts = self._take(row), []
            for train, test in sample.splits:
                params = take_params(X, sample.params, train)
                model = muted(clone(self._estimator).fit)(
                    safe_indexing(X, train), safe_indexing(sample.y, train), **params
                )
                predicted = np.asarray(muted(model.predict)(safe_indexing(X, test)))
                parts.append(_errors_by_date(y[test], predicted, test, panel))
            rows.append(np.concatenate(parts))
        return np.array(rows)


def _read_premia(model: BaseEstimator, members: BoolArray, into: Float64Array) -> None:
    """Premia of a fitted model, if it has any; 0 for columns that a set does not have."""
    found = getattr(model, "premia_", getattr(model, "coef_", None))
    if found is None or np.ndim(found) != 1:
        return
    values = np.asarray(found, dtype=np.float64)[-int(members.sum()) :]
    if len(values) == members.sum():
        into[:] = 0.0
        into[0] = float(getattr(model, "intercept_", 0.0))
        into[1:][members] = values


def _errors_by_date(
    actual: Float64Array, predicted: Float64Array, test: IntArray, panel: Panel | None
) -> Float64Array:
    squares = (actual - predicted.reshape(actual.shape)) ** 2
    if panel is None:
        return squares if squares.ndim == 1 else np.nanmean(squares, axis=1)
    by_date = pd.Series(squares).groupby(panel.dates.codes[test]).mean()
    return np.asarray(by_date)

"""check_no_lookahead: find the steps of a pipeline that use what was not known yet."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from skfactor._known_targets import unknown_left_out
from skfactor._limits import muted
from skfactor._panel import find_panel
from skfactor._results import Result
from skfactor._sklearn import safe_indexing, take_params
from skfactor._typing import Float64Array, IntArray, RowLabels, SplitterLike
from skfactor._validation import check_seed, is_one_of, named_metadata
from skfactor.exceptions import LookaheadError
from skfactor.metrics._mean_inference import check_horizon
from skfactor.metrics._predict import metadata_of, predictor
from skfactor.model_selection._altered import largest, largest_changes, redraw, splice
from skfactor.model_selection._date_splitter import DatedRows, rows_by_date
from skfactor.model_selection._walk_forward_predict import predict_tests, route
from skfactor.model_selection._walk_forward_split import WalkForwardSplit


@dataclass(frozen=True, repr=False)
class Lookahead(Result):
    """What `check_no_lookahead` found of one step.

    Attributes
    ----------
    step : str
        Name of the step, ``outer__inner`` if it is in a nested pipeline; the estimator's class if
        it has no steps.
    method : str
        ``"transform"``, ``"fit_transform"``, ``"predict"`` or ``"walk_forward_predict"``.
    cut : label
        Date after which the data was altered; for ``"fit_transform"``, from which on.
    date : label
        Date, not after the cut, of the row whose result changed most.
    change : float
        By how much, in the units of the result; infinite if a value came or went.

    Examples
    --------
    >>> from skfactor.model_selection import Lookahead
    >>> print(Lookahead("scale", "transform", "2020-06", "2020-05", 0.25))
    'scale' looks ahead: its transform of 2020-05 changes by 0.25 with rows after 2020-06.
    """

    step: str
    method: str
    cut: Any
    date: Any
    change: float

    def __str__(self) -> str:
        returns = self.method == "fit_transform"
        cause = f"returns from {self.cut} on" if returns else f"rows after {self.cut}"
        return (
            f"{self.step!r} looks ahead: its {self.method} of {self.date} changes by "
            f"{self.change:.3g} with {cause}."
        )


def check_no_lookahead(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    cuts: int | Sequence[Hashable] = 3,
    cv: SplitterLike | None = None,
    horizon: int = 1,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    params: Mapping[str, object] | None = None,
    n_jobs: int | None = None,
    on_fail: str | None = "raise",
    random_state: int | None = 0,
) -> tuple[Lookahead, ...]:
    """Check that results dated up to a cut do not change with what comes after it.

    For each cut date, and for the estimator and each step in it:

    - fitted on the dates up to the cut, ``transform`` and ``predict`` of these dates, and of some
      later ones, give the same whether the rows that follow are there, absent, or hold other
      values. A step that learns from its training set and applies that, such as scikit-learn's
      ``StandardScaler``, passes; one that takes statistics of all rows that it transforms, or a
      window centred on the row's date, does not;
    - other returns from the cut on do not change ``fit_transform`` of the dates up to it, unless
      they change the oldest too. A step that learns from all returns passes; one that hands the
      row its own return, or the next, does not;
    - `walk_forward_predict` of the dates up to the cut stays the same when all that follows
      is altered.

    Parameters
    ----------
    estimator : estimator
        A transformer, a regressor, or a pipeline. It is not changed. The steps of nested pipelines,
        column transformers and feature unions are checked one by one; of another meta-estimator
        that looks ahead, the estimator inside.
    X : DataFrame or array of shape (n_rows, n_features)
        Rows of a panel, or one row per period.
    y : Series, DataFrame or array, optional
        Returns. The index of X or y supplies the dates, or ``dates`` does.
    cuts : int or list of dates, default=3
        Number of cuts, spread over the second half of the dates; or the cuts.
    cv : splitter, optional
        For `walk_forward_predict`; by default three test blocks in the second half of the dates.
    horizon : int, default=1
        Dates that a return in y spans, for `walk_forward_predict`.
    dates, assets : array-like of shape (n_rows,), optional
        Date and asset of each row, where no index says them. They go to every step that asks for
        them, as in `walk_forward_predict`.
    params : dict, optional
        Metadata such as ``{"groupby": ..., "weights": ...}``, which go to what asks for them. Those
        with a value for each row, such as capitalizations, are altered like X; a mapping by asset
        is not of dates.
    n_jobs : int, optional
        For `walk_forward_predict`.
    on_fail : {"raise", None}, default="raise"
        Whether to raise if a step looks ahead.
    random_state : int or None, default=0
        Seed of the altered values, which are drawn from those of the same column.

    Returns
    -------
    tuple of Lookahead
        One for each step that looks ahead: none, unless ``on_fail=None``.

    Raises
    ------
    LookaheadError
        If a step looks ahead. It is an AssertionError; ``leaks`` holds what is returned otherwise.
    ValueError
        If there are no rows or no dates, no cut or one that leaves no dates on a side, steps ask
        for ``dates`` and metadata routing is not enabled, or predictions are random.

    Notes
    -----
    The check sees what the estimator does with the data that it is given. What was done to X
    before, such as filling gaps backwards, or a transformer that was fitted beforehand and
    frozen, it cannot see. Neither can it see that the exposures, labels or weights in a row were
    only known after its return, as a capitalization at the end of the date, which contains that
    return: lag all of them alike.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator, TransformerMixin
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorZScorer, FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import check_no_lookahead
    >>> X, y = make_panel(n_dates=24, n_assets=20, random_state=0, return_X_y=True)
    >>> check_no_lookahead(make_pipeline(FactorZScorer(), FamaMacBeth()), X, y)
    ()
    >>> class Standardize(TransformerMixin, BaseEstimator):
    ...     def fit(self, X, y=None):
    ...         return self
    ...     def transform(self, X):
    ...         return (X - X.mean()) / X.std()
    >>> check_no_lookahead(make_pipeline(Standardize(), FamaMacBeth()), X, y)
    Traceback (most recent call last):
    ...
    skfactor.exceptions.LookaheadError: 'standardize' looks ahead: ...
    """
    if not is_one_of(on_fail, {"raise", None}):
        raise ValueError(f"on_fail={on_fail!r} is neither 'raise' nor None.")
    check_horizon(horizon)
    rows = rows_by_date(X, y, dates, "check_no_lookahead", "dates=", assets)
    check_seed(random_state, optional=True)
    places = _cut_places(cuts, rows.dates)
    labels = {"dates": dates, "assets": None if assets is None else np.asarray(assets)}
    labels = {name: label for name, label in labels.items() if label is not None}
    given = named_metadata(params)
    route(
        estimator, WalkForwardSplit(), dict(given), labels
    )  # raises if labels cannot be handed on
    sample = _Sample(X, y, rows.dates, rows.places(), places, random_state, labels, given)
    # The altered data has thin dates and the like; warnings about them would be noise.
    leaks = muted(_leaks)(estimator, sample, rows, cv, n_jobs, horizon)
    if leaks and on_fail == "raise":
        raise LookaheadError(tuple(leaks))
    return tuple(leaks)


def _leaks(
    estimator: BaseEstimator,
    sample: _Sample,
    rows: DatedRows,
    cv: SplitterLike | None,
    n_jobs: int | None,
    horizon: int,
) -> list[Lookahead]:
    leaks = list(_find(estimator, sample, ""))
    if not leaks and hasattr(estimator, "predict"):
        leaks = _walk_forward_leak(estimator, sample, rows, cv, n_jobs, horizon)
    return leaks


@dataclass(frozen=True)
class _Sample:
    """Data that a step is given, and the dates of its rows."""

    X: ArrayLike
    y: Any
    dates: pd.Index
    places: IntArray  # of each row's date, (n_rows,)
    cuts: list[int]  # places
    seed: int | None
    labels: dict[str, Any]  # dates and assets that were passed
    params: dict[str, Any]  # other metadata
    results: dict[int, ArrayLike] = field(default_factory=dict)  # of steps, by identity

    def metadata(
        self, method: str, estimator: BaseEstimator, rows: IntArray | None = None
    ) -> dict[str, Any]:
        """What a method asks for, of these rows or of all."""
        given = self.labels | self.params
        if get_config()["enable_metadata_routing"]:
            given = metadata_of(method, estimator, given)
        else:
            known = signature(getattr(estimator, method)).parameters
            given = {name: value for name, value in given.items() if name in known}
        return given if rows is None else take_params(self.X, given, rows)

    def with_features(self, X: ArrayLike) -> _Sample:
        return replace(self, X=X, results={})

    def rows_until(self, cut: int) -> IntArray:
        return np.flatnonzero(self.places <= cut)

    # Drawing values takes several times as long as putting them in place of others.
    @cached_property
    def other_features(self) -> ArrayLike:
        others: ArrayLike = redraw(self.X, self.places, np.random.default_rng(self.seed))
        return others

    @cached_property
    def other_returns(self) -> ArrayLike | None:
        rng = np.random.default_rng(None if self.seed is None else [self.seed, 1])
        others: ArrayLike | None = redraw(self.y, self.places, rng)
        return others

    def features_altered_after(self, cut: int) -> ArrayLike:
        altered: ArrayLike = splice(self.X, self.other_features, self.places > cut)
        return altered

    def returns_altered_after(self, cut: int) -> ArrayLike:
        altered: ArrayLike = splice(self.y, self.other_returns, self.places > cut)
        return altered

    @cached_property
    def other_params(self) -> dict[str, tuple[object, object]]:
        """Metadata that have a value for each row, and other values for them."""
        others: dict[str, tuple[object, object]] = {}
        for k, (name, value) in enumerate(self.params.items()):
            given = np.asarray(value) if isinstance(value, list) else value
            is_of_rows = isinstance(given, pd.DataFrame | pd.Series | np.ndarray)
            if is_of_rows and len(given) == len(self.places):
                rng = np.random.default_rng(None if self.seed is None else [self.seed, 2, k])
                others[name] = given, redraw(given, self.places, rng, known=True)
        return others

    def altered_after(self, cut: int) -> _Sample:
        """The sample with other features and other metadata of rows after the cut."""
        later = self.places > cut
        given = {
            name: splice(own, other, later) for name, (own, other) in self.other_params.items()
        }
        features = self.features_altered_after(cut)
        return replace(self, X=features, params=self.params | given, results={})

    def fit_transform(self, step: BaseEstimator) -> ArrayLike:
        """What a step makes of the data as they are; it is made once."""
        if id(step) not in self.results:
            self.results[id(step)] = _fit_transform(step, self.X, self.y, self)
        return self.results[id(step)]

    def size_of(self, method: str) -> float:
        """Largest return, with which predictions are computed; results of a step are their own."""
        return largest(self.y) if method == "predict" else 0.0

    def leak(
        self, step: str, method: str, cut: int, rows: IntArray, change: Float64Array
    ) -> Lookahead:
        worst = int(change.argmax())
        date = self.dates[self.places[rows[worst]]]
        return Lookahead(step, method, self.dates[cut], date, float(change[worst]))


def _cut_places(cuts: Any, dates: pd.Index) -> list[int]:
    n_dates = len(dates)
    if n_dates < 2:
        raise ValueError(f"A cut needs dates on both sides, but all rows are on one: {dates[0]}.")
    if isinstance(cuts, int | np.integer):
        if cuts < 1:
            raise ValueError(f"cuts={cuts} has to be at least 1.")
        # There are no more places than dates.
        spread = np.linspace(
            (n_dates - 1) // 2, n_dates - 1, int(min(cuts, n_dates)), endpoint=False
        )
        return sorted(set(spread.astype(int).tolist()))
    if np.ndim(cuts) != 1:
        raise ValueError(f"cuts={cuts!r} has to be a number, or a list of dates.")
    if not len(cuts):
        raise ValueError(
            "cuts is empty, so there is nothing to check. Pass a number or some dates."
        )
    try:
        places = [int(dates.slice_indexer(end=cut).stop) - 1 for cut in cuts]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"cuts={cuts!r} are not dates such as {dates[0]}, the first one: {error}"
        ) from error
    for cut, place in zip(cuts, places, strict=True):
        if not 0 <= place < n_dates - 1:
            raise ValueError(
                f"The cut {cut} leaves no dates on one side of it: they go from {dates[0]} to "
                f"{dates[-1]}."
            )
    return places


def _find(estimator: BaseEstimator, sample: _Sample, name: str) -> Iterator[Lookahead]:
    """Leaks of the steps of an estimator; if no step leaks, that of the whole."""
    found = [
        leak
        for step, part, own in _parts(estimator, sample)
        for leak in _find(part, own, f"{name}__{step}" if name else step)
    ]
    if not found:
        own = None
        # Steps that do not look ahead make a pipeline that does not.
        if type(estimator) is not Pipeline:
            own = _own_leak(estimator, sample, name or type(estimator).__name__)
        inner = next(_inner(estimator), None)
        if own is not None and inner is not None:
            step, part = inner
            found = list(_find(part, sample, f"{name}__{step}" if name else step))
        if own is not None and not found:
            found = [own]
    yield from found


def _parts(
    estimator: BaseEstimator, sample: _Sample
) -> Iterator[tuple[str, BaseEstimator, _Sample]]:
    """Name, estimator and data of each step."""
    X, y = sample.X, sample.y
    if isinstance(estimator, Pipeline):
        own = sample.with_features(X)
        for k, (name, step) in enumerate(estimator.steps):
            if step is None or isinstance(step, str):
                continue
            yield name, step, own
            if k < len(estimator.steps) - 1:
                own = sample.with_features(own.fit_transform(step))
    elif isinstance(estimator, FeatureUnion):
        for name, step in estimator.transformer_list:
            if not isinstance(step, str):
                yield name, step, sample.with_features(X)
    elif isinstance(estimator, ColumnTransformer):
        fitted = clone(estimator).fit(X, y, **sample.metadata("fit", estimator))
        given = {name: step for name, step, _ in estimator.transformers}
        given["remainder"] = estimator.remainder
        for name, _, columns in fitted.transformers_:
            if not isinstance(given[name], str) and len(columns):
                yield name, given[name], sample.with_features(safe_indexing(X, columns, axis=1))


def _inner(estimator: BaseEstimator) -> Iterator[tuple[str, BaseEstimator]]:
    """The estimator inside a meta-estimator."""
    for name in ("estimator", "regressor"):
        inner = getattr(estimator, name, None)
        if hasattr(inner, "fit"):
            yield name, inner


def _fit_transform(step: BaseEstimator, X: ArrayLike, y: ArrayLike | None, sample: _Sample) -> Any:
    """What a pipeline's later steps are fitted on."""
    step = clone(step)
    if hasattr(step, "fit_transform"):
        return step.fit_transform(X, y, **sample.metadata("fit_transform", step))
    fitted = step.fit(X, y, **sample.metadata("fit", step))
    return fitted.transform(X, **sample.metadata("transform", step))


def _own_leak(estimator: BaseEstimator, sample: _Sample, name: str) -> Lookahead | None:
    methods = [method for method in ("transform", "predict") if hasattr(estimator, method)]
    takes_returns = "transform" in methods and sample.y is not None
    if takes_returns:
        # What no other returns change is not looked at date by date.
        others = _fit_transform(estimator, sample.X, sample.other_returns, sample)
        takes_returns = bool(largest_changes(sample.fit_transform(estimator), others).any())
    for cut in sample.cuts:
        for method in methods:
            leak = _leak_from_rows(estimator, sample, name, method, cut)
            if leak is not None:
                return leak
        if takes_returns:
            leak = _leak_from_returns(estimator, sample, name, cut)
            if leak is not None:
                return leak
    return None


def _take(data: ArrayLike, rows: IntArray) -> Any:
    """Rows of data, without a copy if they are its first ones."""
    if len(rows) and rows[-1] == len(rows) - 1:
        return safe_indexing(data, slice(0, len(rows)))
    return safe_indexing(data, rows)


def _leak_from_rows(
    estimator: BaseEstimator, sample: _Sample, name: str, method: str, cut: int
) -> Lookahead | None:
    """Results of a step fitted up to the cut that depend on rows later than themselves."""
    train = sample.rows_until(cut)
    y = None if sample.y is None else safe_indexing(sample.y, train)
    fitted = clone(estimator)
    with unknown_left_out(fitted):
        fitted.fit(_take(sample.X, train), y, **sample.metadata("fit", fitted, train))
    fitted = predictor(fitted) if method == "predict" else fitted
    apply = getattr(fitted, method)
    beyond = (cut + len(sample.dates)) // 2
    ends = sorted({cut, min(beyond, len(sample.dates) - 2)})
    size, first = sample.size_of(method), None
    for end in ends:
        rows = sample.rows_until(end)
        alone = apply(_take(sample.X, rows), **sample.metadata(method, fitted, rows))
        if first is not None:  # more rows that are as they are
            together = _take(alone, np.flatnonzero(sample.places[rows] <= cut))
            change = largest_changes(first, together, size)
            if change.any():
                return sample.leak(name, method, cut, train, change)
        first = alone
        unaltered = [sample] if len(ends) == 1 else []
        for other in (*unaltered, sample.altered_after(end)):
            together = _take(apply(other.X, **other.metadata(method, fitted)), rows)
            change = largest_changes(alone, together, size)
            if change.any():
                return sample.leak(name, method, end, rows, change)
    return None


def _leak_from_returns(
    estimator: BaseEstimator, sample: _Sample, name: str, cut: int
) -> Lookahead | None:
    """Returns from the cut on that get into rows of that date or just before it, and only there.

    What is learned from all returns changes rows of all dates, or all rows of an asset.
    """
    rows = sample.rows_until(cut)
    altered = _fit_transform(estimator, sample.X, sample.returns_altered_after(cut - 1), sample)
    change = largest_changes(_take(sample.fit_transform(estimator), rows), _take(altered, rows))
    changed = change > 0.0
    if not changed.any() or changed[sample.places[rows] <= cut // 2].any():
        return None
    panel = find_panel(
        sample.X, sample.y, n_rows=len(sample.places), time_series=True, **sample.labels
    )
    if panel is not None and panel.assets is not None:
        assets = panel.assets.codes[rows]
        if not np.isin(assets[changed], assets[~changed]).any():
            return None
    return sample.leak(name, "fit_transform", cut, rows, change)


def _walk_forward_leak(
    estimator: BaseEstimator,
    sample: _Sample,
    rows: DatedRows,
    cv: SplitterLike | None,
    n_jobs: int | None,
    horizon: int,
) -> list[Lookahead]:
    """Out-of-sample predictions up to a cut that change with what comes after it."""
    if cv is None:
        n_train = max(len(sample.dates) // 2 - horizon + 1, 1)
        n_splits = min(3, len(sample.dates) // 2)
        cv = WalkForwardSplit(n_splits, min_train_size=n_train, purge=int(horizon) - 1)
    options: dict[str, Any] = {
        "labels": sample.labels,
        "params": sample.params,
        "n_jobs": n_jobs,
        "quiet": True,
        "horizon": horizon,
    }
    expected, test = predict_tests(estimator, sample.X, sample.y, rows, cv, **options)
    for cut in sample.cuts:
        if not (sample.places[test] <= cut).any():
            continue
        other, y = sample.altered_after(cut), sample.returns_altered_after(cut)
        given = options | {"params": other.params}
        predicted, tested = predict_tests(estimator, other.X, y, rows, cv, last=cut, **given)
        early = sample.places[tested] <= cut
        before = expected[np.isin(test, tested)][early]
        change = largest_changes(before, predicted[early], sample.size_of("predict"))
        if not change.any():
            continue
        again, _ = predict_tests(estimator, sample.X, sample.y, rows, cv, **options)
        if largest_changes(expected, again, sample.size_of("predict")).any():
            raise ValueError(
                f"{type(estimator).__name__} predicts something else each time that it is fitted. "
                "Fix its random_state, so that changes tell something."
            )
        name = type(estimator).__name__
        return [sample.leak(name, "walk_forward_predict", cut, tested[early], change)]
    return []

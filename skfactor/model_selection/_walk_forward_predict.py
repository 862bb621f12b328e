"""walk_forward_predict: expected returns of dates that the model has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from skfactor._dates import is_dated
from skfactor._known_targets import unknown_left_out
from skfactor._limits import muted
from skfactor._panel import only_numbers_rows
from skfactor._results import Result
from skfactor._sklearn import safe_indexing, take_params
from skfactor._typing import FloatArray, IntArray, RowLabels, SplitterLike
from skfactor._validation import named_metadata, target_names
from skfactor.metrics._mean_inference import check_horizon
from skfactor.metrics._predict import metadata_of, predictor
from skfactor.model_selection._date_splitter import (
    DatedRows,
    raise_if_overlapping,
    rows_by_date,
)
from skfactor.model_selection._folds import check_n_jobs, read_cv
from skfactor.model_selection._walk_forward_split import WalkForwardSplit


@dataclass(frozen=True, repr=False)
class WalkForwardFit(Result):
    """A model of a walk-forward, and its rows.

    Made by ``walk_forward_predict(..., return_estimator=True)``.

    Attributes
    ----------
    estimator : estimator
        Fitted on the training rows.
    train, test : ndarray of int
        Positions of the rows that it was fitted on and that it predicted.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import walk_forward_predict
    >>> X, y = make_panel(n_dates=60, random_state=0, return_X_y=True)
    >>> expected, fits = walk_forward_predict(FamaMacBeth(), X, y, return_estimator=True)
    >>> sum(len(fit.test) for fit in fits) == len(expected)
    True
    """

    estimator: Any
    train: IntArray
    test: IntArray

    def __str__(self) -> str:
        name = type(self.estimator).__name__
        return f"{name} fitted on {len(self.train)} rows, for {len(self.test)} rows"


def walk_forward_predict(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    cv: SplitterLike | None = None,
    horizon: int = 1,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    params: Mapping[str, object] | None = None,
    n_jobs: int | None = None,
    return_estimator: bool = False,
) -> Any:
    """Predict the returns of every test date with a model fitted on the dates before it.

    A clone of the estimator is fitted for each split, pipeline and search included, so that
    nothing in a prediction comes from its own date's returns or from anything later.

    Parameters
    ----------
    estimator : estimator
        A regressor or a pipeline that ends with one. It is not changed.
    X : array-like of shape (n_rows, n_features)
        Rows of a panel, or one row per period.
    y : array-like of shape (n_rows,) or (n_periods, n_assets)
        Returns, one per row of a panel, or one column per asset. Rows of a panel without one are
        fitted and transformed by all steps and predicted as others are; only a last regressor that
        is not of this package is fitted without them.
    cv : splitter or iterable of (train, test), optional
        By default ``WalkForwardSplit()``. Training dates have to lie before the tested ones, and
        no date may be tested twice.
    horizon : int, default=1
        Dates that a return in y spans, as in `skfactor.frames.forward_returns`. The default splits
        leave ``horizon - 1`` dates out before each test; other splits have to do so too.
    dates : array-like of shape (n_rows,), optional
        Date of each row, if it is not in the index of X or y. It goes to ``cv``, to a
        ``fit`` that takes it and, where metadata routing is enabled, to every step that asks for
        it.
    assets : array-like of shape (n_rows,), optional
        Asset of each row of a panel, if it is not in an index. It goes where ``dates`` go, and the
        predictions are indexed by both.
    params : dict, optional
        Metadata, such as ``{"sample_weight": ...}``; what has one value per row is split too. Goes
        to ``fit``; where metadata routing is enabled, to whatever asks for it in fit or predict.
    n_jobs : int, optional
        Number of splits that are fitted at the same time, as in joblib.
    return_estimator : bool, default=False
        Whether to return the fitted models too.

    Returns
    -------
    expected_return : Series of shape (n_test_rows,) or DataFrame of shape (n_test_dates, n_assets)
        Predicted returns ``"expected_return"`` in the units of y, in order of the dates: for a
        panel on the index of X (or y, or else on ``dates`` and ``assets``), in wide form by date
        and asset.
    fits : tuple of WalkForwardFit
        The model of each split with its rows, only if ``return_estimator=True``: for
        `forecast_importance`, or to see how premia change.

    Raises
    ------
    ValueError
        If rows have no dates, a split trains on a date that is not before all that it tests, or
        whose return over the horizon reaches into the test, or a date is tested twice.

    See Also
    --------
    WalkForwardSplit : The splits.
    check_no_lookahead : Test that no step of a pipeline looks ahead.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorZScorer, FamaMacBeth, Winsorizer
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import WalkForwardSplit, walk_forward_predict
    >>> X, y = make_panel(n_dates=36, n_assets=50, random_state=0, return_X_y=True)
    >>> pipeline = make_pipeline(Winsorizer(), FactorZScorer(), FamaMacBeth())
    >>> monthly = WalkForwardSplit(None, test_size=1, min_train_size=24)
    >>> expected = walk_forward_predict(pipeline, X, y, cv=monthly)
    >>> expected.head(2).round(4)
    date     asset
    2012-01  A01     -0.0053
             A02     -0.0005
    Name: expected_return, dtype: float64
    >>> expected.index.unique("date")[[0, -1]].astype(str).tolist()
    ['2012-01', '2012-12']
    """
    rows = rows_by_date(X, y, dates, "walk_forward_predict", "dates=", assets)
    # scikit-learn cannot take rows of an index of text.
    assets = None if assets is None else np.asarray(assets)
    labels = {"dates": dates, "assets": assets}
    fits: list[WalkForwardFit] | None = [] if return_estimator else None
    predicted, test = predict_tests(
        estimator, X, y, rows, cv, labels, params, n_jobs, horizon=horizon, fits=fits
    )
    expected = _label(predicted, test, X, y, dates, assets, rows)
    return expected if fits is None else (expected, tuple(fits))


def predict_tests(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    rows: DatedRows,
    cv: SplitterLike | None,
    labels: Mapping[str, object] | None = None,
    params: Mapping[str, object] | None = None,
    n_jobs: int | None = None,
    quiet: bool = False,
    horizon: int = 1,
    fits: list[WalkForwardFit] | None = None,
    last: int | None = None,
) -> tuple[FloatArray, IntArray]:
    """Predictions, and positions of the rows that they are for.

    ``labels`` are the ``dates`` and ``assets`` that were passed; quiet: without warnings. The
    models are added to ``fits``, if it is there. Splits that test only dates after the one at
    ``last`` are left out.
    """
    check_horizon(horizon)
    check_n_jobs(n_jobs)
    cv = WalkForwardSplit(purge=int(horizon) - 1) if cv is None else read_cv(cv)
    given = {name: label for name, label in (labels or {}).items() if label is not None}
    routed = route(estimator, cv, named_metadata(params), given)
    splits = list(cv.split(X, y, **routed.splitter.split))
    _check_splits(splits, rows)
    raise_if_overlapping(splits, rows, int(horizon))
    if last is not None:
        place = rows.places()
        splits = [(train, test) for train, test in splits if place[test].min() <= last]
    tasks = (
        (clone(estimator), X, y, train, test, routed.estimator.fit, routed.estimator.predict)
        for train, test in splits
    )
    run = _fit_and_predict_quietly if quiet else _fit_and_predict
    keep = fits is not None
    if effective_n_jobs(n_jobs) == 1:  # the workers set the warnings filters of all threads
        done = [run(*task, keep) for task in tasks]
    else:
        done = Parallel(n_jobs=n_jobs)(delayed(run)(*task, keep) for task in tasks)
    if fits is not None:
        fits += [
            WalkForwardFit(fitted, train, test)
            for (_, fitted), (train, test) in zip(done, splits, strict=True)
        ]
    return np.concatenate([each for each, _ in done]), np.concatenate([test for _, test in splits])


def route(
    estimator: BaseEstimator,
    cv: SplitterLike | None,
    params: dict[str, object],
    labels: dict[str, object],
) -> Bunch:
    """Who gets which metadata: scikit-learn's routing, or fit if that is not enabled."""
    dates = labels.get("dates")
    if get_config()["enable_metadata_routing"]:
        router = (
            MetadataRouter(owner="walk_forward_predict")
            .add(
                estimator=estimator,
                method_mapping=MethodMapping()
                .add(caller="fit", callee="fit")
                .add(caller="fit", callee="predict"),
            )
            .add(splitter=cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        )
        wanted = router.consumes("fit", list(labels))
        params |= {name: label for name, label in labels.items() if name in wanted}
        routed = process_routing(router, "fit", **params)
        # What predict asks for is found once it is fitted: a search predicts by its best.
        routed.estimator.predict = params | labels
        if dates is not None and "groups" not in routed.splitter.split:
            routed.splitter.split["groups"] = dates
        return routed
    for name, label in labels.items():
        if has_fit_parameter(estimator, name):
            params[name] = label
        elif get_routing_for_object(estimator).consumes("fit", [name]):
            raise ValueError(
                f"Steps of this {type(estimator).__name__} ask for {name}, which only metadata "
                "routing brings to them. Call sklearn.set_config(enable_metadata_routing=True), or "
                "pass frames whose index has the dates."
            )
    return Bunch(estimator=Bunch(fit=params, predict={}), splitter=Bunch(split={"groups": dates}))


def _check_splits(splits: list[tuple[IntArray, IntArray]], rows: DatedRows) -> None:
    """Raise unless each date is tested at most once, after all dates that are trained on."""
    place = rows.places()
    tested = np.zeros(len(rows.dates), dtype=bool)
    for train, test in splits:
        last, first = int(place[train].max()), int(place[test].min())
        if last >= first:
            raise ValueError(
                f"cv trains on rows up to {rows.dates[last]} to predict from {rows.dates[first]} "
                "on, which is not walking forward. Use WalkForwardSplit, or cross_val_predict of "
                "scikit-learn for splits such as those of PurgedKFold."
            )
        now = np.unique(place[test])
        if tested[now].any():
            raise ValueError(
                f"cv tests {rows.dates[now[tested[now]][0]]} more than once, so there is no one "
                "prediction for it. Take a step as long as the test block."
            )
        tested[now] = True


def _fit_and_predict(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    train: IntArray,
    test: IntArray,
    fit_params: Mapping[str, object],
    predict_params: Mapping[str, object],
    keep: bool,
) -> tuple[FloatArray, Any]:
    """Predictions of the test rows, and the fitted estimator if it is to be kept."""
    with unknown_left_out(estimator):
        estimator.fit(
            safe_indexing(X, train), safe_indexing(y, train), **take_params(X, fit_params, train)
        )
    fitted = predictor(estimator)
    if not hasattr(fitted, "predict"):
        raise TypeError(f"{type(fitted).__name__} has no predict, so there is nothing to judge.")
    given = metadata_of("predict", fitted, take_params(X, predict_params, test))
    predicted = np.asarray(fitted.predict(safe_indexing(X, test), **given))
    return predicted, estimator if keep else None


def _fit_and_predict_quietly(*args: Any) -> tuple[FloatArray, Any]:
    return muted(_fit_and_predict)(*args)


def _label(
    predicted: FloatArray,
    test: IntArray,
    X: Any,
    y: Any,
    dates: Any,
    assets: Any,
    rows: DatedRows,
) -> pd.Series | pd.DataFrame:
    """Predictions in order of their dates, on the rows of the input and the assets of y."""
    place = rows.places()[test]
    order = np.argsort(place, kind="stable")
    predicted = predicted[order]
    indexes = [
        dates,
        *(data.index for data in (X, y) if isinstance(data, pd.DataFrame | pd.Series)),
    ]
    labels = next((index for index in indexes if _has_dates(index)), None)
    index = rows.dates[place[order]] if labels is None else labels.take(test[order])
    if predicted.ndim == 2 and predicted.shape[1] > 1:
        return pd.DataFrame(predicted, index, target_names(y, predicted.shape[1]))
    if assets is not None and index.nlevels == 1:
        who = np.asarray(assets)[test[order]]
        index = pd.MultiIndex.from_arrays([index, who], names=[index.name or "date", "asset"])
    return pd.Series(predicted.reshape(-1), index, name="expected_return")


def _has_dates(index: object) -> bool:
    if isinstance(index, pd.MultiIndex):
        return True
    return isinstance(index, pd.Index) and not only_numbers_rows(index) and is_dated(index)

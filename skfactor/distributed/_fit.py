"""Fit a pipeline of per-date steps to a Dask DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from inspect import signature
from operator import add
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from skfactor._passes.pooled import PooledMoments
from skfactor._passes.slopes import Slopes
from skfactor.decomposition import InstrumentedPCA
from skfactor.distributed._partition import (
    Layout,
    check_frame,
    naming_damaged_files,
    partition_dates,
    split_dates,
)
from skfactor.distributed._steps import PartsModel, split_estimator
from skfactor.model_selection import FactorSetSearchCV

if TYPE_CHECKING:
    import dask.dataframe as dd


def fit(
    estimator: BaseEstimator,
    frame: dd.DataFrame,
    *,
    y: str,
    dates: str = "date",
    assets: str | None = None,
    features: Sequence[str] | None = None,
    sample_weight: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Fit a model of premia, and the per-date steps before it, to a Dask DataFrame.

    Each partition is read where it is, and only slopes or sums of dates come back. The numbers are
    those of the estimator's own `fit` to all rows, whatever the partitions.

    Parameters
    ----------
    estimator : FamaMacBeth, InstrumentedPCA, Pipeline or FactorSetSearchCV
        A model of panels, or a pipeline of per-date steps that ends with one, or a search with
        one of these, whose score follows from moments: then moments come back, and the best set
        is fitted to the frame after the search. It is not changed.
    frame : dask.dataframe.DataFrame
        One row per asset and date. Dates that are in one partition each stay where they are. The
        rows of dates in several partitions are brought together by Dask's shuffle, which moves
        each of them to another worker or to disk once, and reads the frame a second time.
    y : str
        Column of the returns, in decimals.
    dates : str, default="date"
        Column of the dates, or the name of the index. An index with known divisions is trusted
        to have each date in one partition; else the column of the dates is read first.
    assets : str, optional
        Column of the assets. With it, an asset that occurs twice on a date is noticed, and errors
        of a `skfactor.PooledRegression` can be clustered by asset.
    features : sequence of str, optional
        Columns of the exposures, by default all others.
    sample_weight : str, optional
        Column of the weights of the rows in their date's regression.
    metadata : mapping of str to str, optional
        Columns to route to the steps and the model that ask for them, ``{"groupby": "industry"}``.

    Returns
    -------
    estimator
        A fitted clone of the estimator, in memory like any other: `predict`, ``lambdas_``,
        ``premia_`` and `inference` need no Dask.

    Raises
    ------
    TypeError
        If the frame is not a Dask DataFrame, or the estimator is not a model of panels.
    ValueError
        If a step learns across dates, columns are missing, partitions have different columns or
        types, or as in the estimator's own `fit`.

    Warns
    -----
    RankDeficientWarning
        If some dates could not be estimated; their slopes are NaN. What other steps warn of is
        in the logs of the workers.

    See Also
    --------
    skfactor.datasets.iter_parquet : Dates from Parquet files, a few at a time, on one machine.

    Examples
    --------
    >>> import dask.dataframe as dd  # doctest: +SKIP
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FamaMacBeth, Winsorizer, distributed
    >>> frame = dd.read_parquet("panel")  # doctest: +SKIP
    >>> pipeline = make_pipeline(Winsorizer(), FamaMacBeth())
    >>> fitted = distributed.fit(pipeline, frame, y="return", assets="permno")  # doctest: +SKIP
    >>> fitted[-1].summary(kernel="bartlett")  # doctest: +SKIP
    """
    import dask

    search = estimator if isinstance(estimator, FactorSetSearchCV) else None
    steps, model = split_estimator(estimator if search is None else estimator.estimator)
    check_frame(frame, "fit")
    layout = Layout.of(
        frame,
        dates=dates,
        assets=assets,
        features=features,
        metadata=metadata,
        y=y,
        sample_weight=sample_weight,
    )
    if metadata and steps is None:
        unknown = [name for name in metadata if name not in _taken_by(model)]
        if unknown:
            raise ValueError(
                "metadata= goes to the steps before the model, and there are none; "
                f"{type(model).__name__} itself does not take {unknown}."
            )
    if metadata and search is not None:
        raise ValueError("A search of factor sets takes no metadata= here. Leave it out.")
    whole = frame.index.name == dates and frame.known_divisions
    frame = layout.narrow(frame)
    tasks = []
    for rows in [frame] if whole else _gathered(frame, dates):
        if search is None:
            call: tuple[Any, ...] = (_fit_partition, steps, model, layout)
        else:
            call = (_read_partition, search, layout)
        fits = rows.map_partitions(*call, meta=pd.Series([], dtype=object))
        tasks += fits.to_delayed()
    with naming_damaged_files(frame):
        parts = [part for series in dask.compute(*tasks) for part in series]
    if not parts:
        raise ValueError("The frame has no rows.")
    if search is not None:
        found = clone(search).fit_moments(reduce(add, parts))
        if search.refit:
            found.best_estimator_ = fit(
                search.estimator,
                frame,
                y=y,
                dates=dates,
                assets=assets,
                features=found.best_set_,
                sample_weight=sample_weight,
            )
        return found
    together = reduce(add, (read for _, read in parts))
    empty = clone(model)
    if isinstance(empty, InstrumentedPCA):
        joined = empty.fit_sums(together)
    else:
        joined = empty.fit_slopes(together)
    if steps is None and not isinstance(estimator, Pipeline):
        return joined
    fitted = clone(estimator)
    # What a per-date step learns, the names of its columns, is the same for all dates.
    learned = [] if steps is None else parts[0][0].steps
    fitted.steps = [*learned, (fitted.steps[-1][0], joined)]
    return fitted


def _gathered(frame: dd.DataFrame, dates: str) -> list[Any]:
    """Frames of all rows, in which each date is in one partition."""
    import dask

    with naming_damaged_files(frame):
        split, n_dates = split_dates(dask.compute(*partition_dates(frame, dates)))
    if not len(split):
        return [frame]
    if len(split) == n_dates:
        return [frame.shuffle(dates)]
    is_split = frame[dates].isin(list(split))
    return [frame[~is_split], frame[is_split].shuffle(dates)]


def _read_partition(part: pd.DataFrame, search: FactorSetSearchCV, layout: Layout) -> pd.Series:
    """Moments of a partition's dates; nothing of one without rows."""
    if not len(part):
        return pd.Series([], dtype=object)
    X, y, weights = _read(part, layout)
    return pd.Series([search.read_moments(X, y, weights)], dtype=object)


def _read(part: pd.DataFrame, layout: Layout) -> tuple[pd.DataFrame, pd.Series, pd.Series | None]:
    """Exposures, returns and weights of a partition, indexed by (date, asset)."""
    assert layout.y is not None
    X = layout.exposures(part)
    y = layout.numbers(part, layout.y).set_axis(X.index)
    weights = None
    if layout.sample_weight is not None:
        weights = layout.numbers(part, layout.sample_weight).set_axis(X.index)
    return X, y, weights


def _fit_partition(
    part: pd.DataFrame, steps: Pipeline | None, model: PartsModel, layout: Layout
) -> pd.Series:
    """Fitted steps and model of a partition's dates; nothing of one without rows."""
    if not len(part):
        return pd.Series([], dtype=object)
    X, y, weights = _read(part, layout)
    fitted = None
    metadata = layout.routed(part, X.index)
    taken = {name: column for name, column in metadata.items() if name in _taken_by(model)}
    if steps is not None:
        fitted = clone(steps)
        with config_context(enable_metadata_routing=bool(metadata)):
            routing = get_routing_for_object(fitted)
            asked = routing.consumes("fit_transform", metadata) | (set(metadata) - set(taken))
            X = fitted.fit_transform(X, y, **{name: metadata[name] for name in asked})
    read = _reader(model)(X, y, sample_weight=weights, **taken)
    if layout.assets is None:
        read = _without_assets(read)
    return pd.Series([(fitted, read)], dtype=object)


def _without_assets(read: object) -> object:
    """What was read of rows that have numbers in the place of assets."""
    if isinstance(read, PooledMoments):
        return replace(read, assets=None, by_asset=None)
    if isinstance(read, Slopes) and read.groups is not None:
        return replace(read, groups=replace(read.groups, last=None, when=None))
    return read


def _reader(model: PartsModel) -> Callable[..., object]:
    """What reads the rows of some dates for a model."""
    return model.read_sums if isinstance(model, InstrumentedPCA) else model.read_slopes


def _taken_by(model: PartsModel) -> set[str]:
    """What a model takes of each row beside what all models take."""
    return set(signature(_reader(model)).parameters) - {"X", "y", "sample_weight", "dates"}

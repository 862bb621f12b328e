"""Predictions and transformed features of a Dask DataFrame, partition by partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skfactor._base import PanelTransformer
from skfactor.distributed._partition import (
    Layout,
    check_frame,
    empty_frame,
    partition_dates,
    split_dates,
)

if TYPE_CHECKING:
    import dask.dataframe as dd


def predict(
    estimator: BaseEstimator,
    frame: dd.DataFrame,
    *,
    dates: str = "date",
    assets: str | None = None,
    features: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Expected returns of the rows of a Dask DataFrame, computed when they are asked for.

    Parameters
    ----------
    estimator : estimator
        A fitted model, or a pipeline that ends with one.
    frame : dask.dataframe.DataFrame
        One row per asset and date; for a pipeline all rows of a date in one partition.
    dates : str, default="date"
        Column of the dates, or the name of the index.
    assets : str, optional
        Column of the assets. With it, an asset that occurs twice on a date is noticed.
    features : sequence of str, optional
        Columns of the exposures, by default those with the names that the estimator was fitted to.
    metadata : mapping of str to str, optional
        Columns to route to the steps, ``{"groupby": "industry"}``.

    Returns
    -------
    dask.dataframe.Series
        ``"expected_return"``, in decimals, with the partitions and the index of the frame, so that
        ``frame.assign(expected=predict(...))`` works.

    Raises
    ------
    TypeError
        If the frame is not a Dask DataFrame.
    ValueError
        If columns are missing. When it is computed, also if rows of a date are in several
        partitions, or as in the estimator's own `predict`.

    Examples
    --------
    >>> import dask.dataframe as dd  # doctest: +SKIP
    >>> from skfactor import distributed
    >>> frame = dd.read_parquet("panel")  # doctest: +SKIP
    >>> expected = distributed.predict(fitted, frame)  # doctest: +SKIP
    >>> frame.assign(expected=expected).to_parquet("expected")  # doctest: +SKIP
    """
    check_frame(frame, "predict")
    layout = _layout(estimator, frame, dates, assets, features, metadata)
    meta = pd.Series([], index=empty_frame(frame).index, dtype=np.float64, name="expected_return")
    are_whole = _check_whole_dates(estimator, frame, dates)
    return frame.map_partitions(_predict_partition, estimator, layout, are_whole, meta=meta)


def transform(
    estimator: BaseEstimator,
    frame: dd.DataFrame,
    *,
    dates: str = "date",
    assets: str | None = None,
    features: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Transform the rows of a Dask DataFrame date by date, when they are asked for.

    Parameters
    ----------
    estimator : estimator
        A fitted transformer, or a pipeline of them such as ``fitted[:-1]``.
    frame : dask.dataframe.DataFrame
        One row per asset and date; all rows of a date in one partition.
    dates, assets, features, metadata
        As in `predict`.

    Returns
    -------
    dask.dataframe.DataFrame
        The columns of the dates and of the assets, where they are given, and the transformed
        features, with the partitions and the index of the frame. Features are float32 where all
        of them were, else float64.

    Raises
    ------
    TypeError
        If the frame is not a Dask DataFrame.
    ValueError
        If columns are missing. When it is computed, also if rows of a date are in several
        partitions, or as in the estimator's own `transform`.

    Examples
    --------
    >>> import dask.dataframe as dd  # doctest: +SKIP
    >>> from skfactor import distributed
    >>> frame = dd.read_parquet("panel")  # doctest: +SKIP
    >>> scores = distributed.transform(fitted[:-1], frame, assets="permno")  # doctest: +SKIP
    """
    check_frame(frame, "transform")
    layout = _layout(estimator, frame, dates, assets, features, metadata)
    single = all(layout.dtypes[name] == np.float32 for name in layout.features)
    kept = [n for n in (dates, assets) if n is not None and n in frame.columns]
    names = list(estimator.get_feature_names_out())
    meta = pd.concat(
        [
            empty_frame(frame)[kept],
            pd.DataFrame(
                index=empty_frame(frame).index,
                columns=names,
                dtype=np.float32 if single else np.float64,
            ),
        ],
        axis=1,
    )
    are_whole = _check_whole_dates(estimator, frame, dates)
    return frame.map_partitions(_transform_partition, estimator, layout, meta, are_whole, meta=meta)


def _layout(
    estimator: BaseEstimator,
    frame: dd.DataFrame,
    dates: str,
    assets: str | None,
    features: Sequence[str] | None,
    metadata: Mapping[str, str] | None,
) -> Layout:
    check_is_fitted(estimator)
    if features is None:
        features = getattr(estimator, "feature_names_in_", None)
    if features is None:
        raise ValueError(
            "The estimator was fitted without names of features. Pass features= with the columns."
        )
    return Layout.of(frame, dates=dates, assets=assets, features=list(features), metadata=metadata)


def _check_whole_dates(estimator: BaseEstimator, frame: dd.DataFrame, dates: str) -> dd.DataFrame:
    """A delayed check, on which every partition waits, that each date is in one partition."""
    from dask import delayed

    alone = not isinstance(estimator, Pipeline | PanelTransformer)
    if alone or (frame.index.name == dates and frame.known_divisions):
        return True
    column = frame.reset_index() if frame.index.name == dates else frame
    return delayed(_raise_if_split)(partition_dates(column, dates), dates)


def _raise_if_split(found: list[pd.Series], dates: str) -> bool:
    split, _ = split_dates(found)
    if len(split):
        raise ValueError(
            f"{len(split)} dates are in several partitions, the first is {split[0]}, but steps "
            f"need all rows of a date together. Bring them together with frame.shuffle({dates!r}) "
            "or frame.set_index first."
        )
    return True


def _rows(
    part: pd.DataFrame, layout: Layout, estimator: BaseEstimator, are_whole: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """X and metadata of a partition, whose dates have to be whole."""
    if are_whole is not True:  # older releases of Dask hand a delayed check on as it is
        raise RuntimeError("The check of the dates did not run. Use dask 2025.7 or later.")
    rows = part.reset_index() if part.index.name in layout.columns else part
    X = layout.exposures(rows)
    if not hasattr(estimator, "feature_names_in_"):
        X = X.set_axis(range(X.shape[1]), axis=1)  # fitted on arrays, it takes no names
    return X, layout.routed(rows, X.index)


def _predict_partition(
    part: pd.DataFrame, estimator: BaseEstimator, layout: Layout, are_whole: bool
) -> pd.Series:
    expected = np.empty(0)
    if len(part):
        X, metadata = _rows(part, layout, estimator, are_whole)
        with config_context(enable_metadata_routing=bool(metadata)):
            expected = np.asarray(estimator.predict(X, **metadata), dtype=np.float64)
    return pd.Series(expected.reshape(-1), index=part.index, name="expected_return")


def _transform_partition(
    part: pd.DataFrame,
    estimator: BaseEstimator,
    layout: Layout,
    meta: pd.DataFrame,
    are_whole: bool,
) -> pd.DataFrame:
    kept = part[[name for name in meta if name in (layout.dates, layout.assets)]]
    names = list(meta.columns[kept.shape[1] :])
    values = np.empty((0, len(names)))
    if len(part):
        X, metadata = _rows(part, layout, estimator, are_whole)
        with config_context(enable_metadata_routing=bool(metadata)):
            values = np.asarray(estimator.transform(X, **metadata))
    features = pd.DataFrame(values, index=part.index, columns=names, copy=False)
    features = features.astype({name: meta.dtypes[name] for name in names})
    return pd.concat([kept, features], axis=1)

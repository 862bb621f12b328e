"""Groups of rows: one label per row, or one per asset, from whatever says it."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from skfactor._dates import is_dated
from skfactor._panel import (
    Labels,
    ascending,
    check_same_rows,
    compact,
    index_of,
    index_of_values,
    only_numbers_rows,
    same_labels,
)

# Parts of scikit-learn that fit to some of the rows, and take those of the metadata.
_TAKING_ROWS = {"model_selection", "ensemble", "feature_selection", "linear_model", "multioutput"}


def group_labels(
    groupby: Any, rows: object, n_rows: int, assets: Labels | None, rows_name: str = "X"
) -> Labels:
    """Groups of rows; missing labels form a group of their own.

    Parameters
    ----------
    groupby : array-like of shape (n_rows,) or mapping
        One label per row, or one per asset: a dict, or a Series whose index holds the assets and is
        not that of the rows.
    rows : object
        As the user passed them; their index is looked at.
    n_rows : int
        Number of rows.
    assets : Labels or None
        Asset of each row, where the index or ``assets=`` say it.
    rows_name : str, default="X"
        What messages call the rows.

    Raises
    ------
    ValueError
        If there is not one label for each row, all are missing, the rows are others, or a mapping
        comes where assets are not known.
    """
    if assets is None:
        assets = assets_of_cross_section(rows)
    if isinstance(groupby, Mapping):
        labels = _map_assets(pd.Series(groupby, dtype=object), assets, rows_name)
    elif isinstance(groupby, pd.Series) and _maps_assets(groupby, rows, n_rows, assets):
        labels = _map_assets(groupby, assets, rows_name)
    else:
        if np.ndim(groupby) == 0:
            raise ValueError(
                "groupby= takes one label per row, or a dict from asset to label; found "
                f"{reprlib.repr(groupby)}."
            )
        check_same_rows(rows, groupby, "groupby", rows_name)
        if isinstance(groupby, list) and _rows_were_taken():
            raise ValueError(
                "groupby= is a list of the rows of a fold, and scikit-learn makes one of a dict, "
                f"too, that has as many keys as {rows_name} has rows: its labels would be those of "
                "other assets. Pass an array or a Series of one label per row, such as "
                "pandas.Series(assets).map(label_of).to_numpy()."
            )
        index = index_of_values(groupby)
        if len(index) != n_rows:
            raise ValueError(f"groupby= has {len(index)} labels, {rows_name} has {n_rows} rows.")
        labels = _labels_of_groups(index)
    if not len(labels) or pd.isna(labels.labels).all():
        raise ValueError(
            f"All labels in groupby= are missing, so all rows of {rows_name} would be one group. "
            "Labels that are looked up by asset are passed as a dict from asset to label."
        )
    return labels


def _rows_were_taken() -> bool:
    """Whether a part of scikit-learn that fits to some of the rows is among the callers."""
    frame = inspect.currentframe()
    while frame is not None:
        names = str(frame.f_globals.get("__name__")).split(".")
        if names[0] == "sklearn" and names[1:2] and names[1] in _TAKING_ROWS:
            return True
        frame = frame.f_back
    return False


def assets_of_cross_section(rows: object) -> Labels | None:
    """Assets from a single-level index that names its rows and holds no dates."""
    index = index_of(rows)
    if index is None or index.nlevels > 1 or is_dated(index) or index.hasnans:
        return None
    return Labels(*ascending(*pd.factorize(index)))


def _maps_assets(groupby: pd.Series, rows: object, n_rows: int, assets: Labels | None) -> bool:
    """Whether a Series has one label per asset, and not one per row."""
    index = groupby.index
    if assets is None or index.nlevels > 1 or not assets.labels.isin(index).any():
        return False
    if isinstance(rows, pd.DataFrame | pd.Series) and same_labels(rows.index, index):
        return False
    if len(index) == n_rows and only_numbers_rows(index):
        by_asset = groupby.reindex(assets.labels).to_numpy()[assets.codes]
        if not pd.Series(by_asset).equals(pd.Series(groupby.to_numpy())):
            raise ValueError(
                "The index of groupby= may hold assets or number the rows, and labels differ. "
                "Pass groupby.to_dict() for one label per asset, or groupby.to_numpy() for one per "
                "row."
            )
    return len(index) != n_rows or bool(assets.labels.isin(index).all())


def _map_assets(label_of: pd.Series, assets: Labels | None, rows_name: str) -> Labels:
    """Labels of rows from those of their assets; that of an asset that is not named is missing."""
    if assets is None:
        raise ValueError(
            f"groupby= maps assets to labels, but the assets of the rows of {rows_name} are not "
            "known. Index the rows by (date, asset), or pass one label per row."
        )
    if not label_of.index.is_unique:
        repeated = label_of.index[label_of.index.duplicated()][0]
        raise ValueError(f"groupby= has several labels for the asset {repeated!r}. Keep one.")
    if not assets.labels.isin(label_of.index).any():
        raise ValueError(
            f"groupby= has no label for any asset of {rows_name}: its keys are such as "
            f"{label_of.index[0]!r}, the assets such as {assets.labels[0]!r}."
            if len(label_of)
            else "groupby= is empty. It needs a label for each asset."
        )
    of_assets = _labels_of_groups(pd.Index(label_of.reindex(assets.labels)))
    codes = of_assets.codes[assets.codes]
    used = np.flatnonzero(np.bincount(codes, minlength=len(of_assets)))
    return compact(codes, of_assets.labels, used)


def _labels_of_groups(index: pd.Index) -> Labels:
    if isinstance(index, pd.CategoricalIndex):
        return _labels_of_categories(index)
    codes, labels = pd.factorize(index, use_na_sentinel=False, sort=True)
    return Labels(codes, labels)


def _labels_of_categories(index: pd.CategoricalIndex) -> Labels:
    """Labels that occur among categories, in the order of the labels, a missing one last."""
    codes, labels = ascending(index.codes.astype(np.intp), index.categories)
    missing = codes < 0
    if missing.any():
        codes = np.where(missing, len(labels), codes)
        labels = labels.append(pd.Index([np.nan]))
    used = np.flatnonzero(np.bincount(codes, minlength=len(labels)))
    return compact(codes, labels, used)

"""Groups of rows, one label per row or per asset."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skfactor._groups import group_labels
from skfactor._panel import find_panel

MONTHS = pd.period_range("2020-01", periods=3, freq="M", name="date")


def frame(index):
    return pd.DataFrame(np.zeros((len(index), 1)), index=index)


def product(dates):
    return pd.MultiIndex.from_product([dates, ["x", "y"]], names=["date", "asset"])


@pytest.mark.parametrize(
    "wrap", [list, np.asarray, pd.Series, pd.Index, pd.Categorical, pl.Series, pa.array]
)
def test_groups_may_be_any_array_like(wrap):
    groups = group_labels(wrap(["b", "a", "b", "c"]), None, 4, None)
    assert list(groups.labels[groups.codes]) == ["b", "a", "b", "c"]


def test_missing_group_labels_are_a_group():
    groups = group_labels(["b", None, "b", None], None, 4, None)
    assert groups.codes[1] == groups.codes[3] != groups.codes[0]
    assert len(groups) == 2


def test_group_labels_of_a_panel_index_level():
    index = product(MONTHS)
    groups = group_labels(
        index.get_level_values("asset").map({"x": "steel", "y": "oil"}), None, 6, None
    )
    assert list(groups.labels[groups.codes]) == ["steel", "oil"] * 3


@pytest.mark.parametrize("groupby", ["industry", 3])
def test_one_label_for_all_rows_raises(groupby):
    with pytest.raises(ValueError, match=rf"one label per row.*found {groupby!r}"):
        group_labels(groupby, None, 4, None)


def test_group_labels_of_another_length_raise():
    with pytest.raises(ValueError, match="groupby= has 3 labels, X has 4 rows"):
        group_labels(list("abc"), None, 4, None)


def labels_of(groupby, X):
    panel = find_panel(X, n_rows=len(X))
    groups = group_labels(groupby, X, len(X), None if panel is None else panel.assets)
    assert set(groups.codes) == set(range(len(groups)))
    return list(groups.labels[groups.codes])


SECTORS = {"x": "steel", "y": "oil", "z": "banks"}


@pytest.mark.parametrize(
    "mapping",
    [
        SECTORS,
        pd.Series(SECTORS),
        pd.Series(SECTORS)[::-1],
        pd.Series(SECTORS, dtype="category"),
        pd.Series({"y": "oil", "x": "steel"}),
    ],
    ids=["dict", "Series", "in another order", "categories", "of these assets"],
)
@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1), [3, 0, 5, 1]])
def test_a_mapping_gives_each_row_the_label_of_its_asset(mapping, order):
    X = frame(product(MONTHS)).iloc[order]
    expected = [SECTORS[asset] for asset in X.index.get_level_values("asset")]
    assert labels_of(mapping, X) == expected
    assert labels_of(mapping, X.swaplevel()) == expected


def test_a_series_on_the_rows_own_index_has_one_label_a_row():
    X = frame(product(MONTHS))
    assert labels_of(pd.Series(list("abcabc"), X.index), X) == list("abcabc")
    tickers = frame(pd.Index(["x", "y", "z"]))
    assert labels_of(pd.Series(["a", "b", "a"], tickers.index), tickers) == ["a", "b", "a"]


def test_assets_of_one_cross_section_may_be_its_index():
    X = frame(pd.Index(["z", "x"], name="ticker"))
    for mapping in (SECTORS, pd.Series(SECTORS)):
        assert labels_of(mapping, X) == ["banks", "steel"]


def test_an_asset_that_a_mapping_lacks_has_no_label():
    X = frame(product(MONTHS))
    assert labels_of({"y": "oil", "other": "steel"}, X)[1::2] == ["oil"] * 3
    assert pd.isna(labels_of({"y": "oil"}, X)[0])


def test_row_numbers_that_may_be_assets_are_refused_unless_both_say_the_same():
    index = pd.MultiIndex.from_product([MONTHS[:2], [2, 0, 1]], names=["date", "asset"])
    X = frame(index)
    with pytest.raises(ValueError, match=r"labels differ.*to_dict\(\).*to_numpy\(\)"):
        labels_of(pd.Series(list("abcabc")), X)
    assert labels_of(pd.Series(list("aaaaaa")), X) == list("aaaaaa")
    assert labels_of(pd.Series(list("abc")), X) == ["c", "a", "b"] * 2
    numbered = frame(pd.MultiIndex.from_product([MONTHS[:2], [10, 11]], names=["date", "asset"]))
    assert labels_of(pd.Series(list("abab")), numbered) == list("abab")


@pytest.mark.parametrize(
    ("groupby", "message"),
    [
        ({}, "groupby= is empty"),
        ({"AAPL": "tech"}, "no label for any asset of X: its keys are such as 'AAPL', the assets"),
        (dict.fromkeys("xy"), "All labels in groupby= are missing.*dict from asset to label"),
        ([None] * 6, "All labels in groupby= are missing"),
        (np.full(6, np.nan), "All labels in groupby= are missing"),
        (pd.Categorical([None] * 6), "All labels in groupby= are missing"),
        (pd.Series(["a", "b"], index=["x", "x"]), "several labels for the asset 'x'"),
        (pd.Series(list("abcabc"), index=list("ghijkl")), "X and groupby have different indexes"),
    ],
)
def test_labels_that_say_nothing_raise(groupby, message):
    with pytest.raises(ValueError, match=message):
        labels_of(groupby, frame(product(MONTHS)))


def test_a_mapping_needs_assets_and_is_not_printed():
    X = np.zeros((4, 1))
    with pytest.raises(ValueError, match="assets of the rows of X are not known") as error:
        group_labels({f"asset{i}": "oil" for i in range(9999)}, X, 4, None)
    assert len(str(error.value)) < 300
    with pytest.raises(ValueError, match="found") as error:
        group_labels({f"asset{i}" for i in range(9999)}, X, 4, None)
    assert len(str(error.value)) < 300

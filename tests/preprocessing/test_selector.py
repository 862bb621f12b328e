"""FactorSelector: what it keeps, in which container, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from reference import random_panel
from sklearn.compose import make_column_selector
from sklearn.pipeline import make_pipeline

import skfactor
from skfactor import FactorSelector, FactorZScorer, preprocessing

PANEL = random_panel(np.random.default_rng(0), n_features=3)


def test_it_is_found_beside_the_transformers():
    assert skfactor.FactorSelector is preprocessing.FactorSelector


@pytest.mark.parametrize("factors", [["x1"], ["x2", "x0"], ("x2", "x0"), np.array(["x0", "x1"])])
def test_named_columns_are_kept_in_the_order_of_the_names(factors):
    selector = FactorSelector(factors)
    assert_frame_equal(selector.fit_transform(PANEL), PANEL[list(factors)])
    assert selector.factors_ == list(factors)
    assert list(selector.get_feature_names_out()) == list(factors)
    assert selector.n_features_in_ == 3


def test_none_keeps_all():
    assert_frame_equal(FactorSelector().fit_transform(PANEL), PANEL)


def test_arrays_have_positions():
    values = PANEL.to_numpy()
    selector = FactorSelector([2, 0])
    assert_array_equal(selector.fit_transform(values), values[:, [2, 0]])
    assert selector.factors_ == [2, 0]
    assert list(selector.get_feature_names_out()) == ["x2", "x0"]
    assert list(selector.get_feature_names_out(["a", "b", "c"])) == ["c", "a"]


def test_numbered_columns_are_named_by_their_numbers():
    numbered = PANEL.set_axis([30, 10, 20], axis=1)
    assert_frame_equal(FactorSelector([20, 30]).fit_transform(numbered), numbered[[20, 30]])


def test_other_frames_stay_what_they_are():
    values = PANEL.reset_index(drop=True)
    kept = FactorSelector(["x2", "x0"]).fit_transform(pl.from_pandas(values))
    assert isinstance(kept, pl.DataFrame)
    assert kept.columns == ["x2", "x0"]
    kept = FactorSelector(["x2", "x0"]).fit_transform(pa.Table.from_pandas(values))
    assert isinstance(kept, pa.Table)
    assert kept.column_names == ["x2", "x0"]


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output_rules_over_the_container(output):
    selector = FactorSelector(["x2", "x0"]).set_output(transform=output)
    kept = selector.fit_transform(PANEL)
    assert isinstance(kept, pd.DataFrame if output == "pandas" else pl.DataFrame)
    assert list(kept.columns) == ["x2", "x0"]
    assert_array_equal(kept.to_numpy(), PANEL[["x2", "x0"]])


def test_types_are_kept_and_dropped_columns_may_hold_anything():
    mixed = PANEL.astype({"x0": np.float32}).assign(industry="oil", bad=np.inf)
    kept = FactorSelector(["x1", "x0"]).fit_transform(mixed)
    assert_frame_equal(kept, mixed[["x1", "x0"]])
    pipeline = make_pipeline(FactorSelector(["x1", "x0"]), FactorZScorer())
    assert_frame_equal(
        pipeline.fit_transform(mixed),
        FactorZScorer().fit_transform(mixed[["x1", "x0"]]),
    )


def test_the_result_is_a_copy():
    before = PANEL.copy(deep=True)
    kept = FactorSelector().fit_transform(PANEL)
    kept.iloc[:] = -1.0
    assert_frame_equal(PANEL, before)
    values = PANEL.to_numpy(copy=True)
    FactorSelector().fit_transform(values)[:] = -1.0
    assert_array_equal(values, PANEL.to_numpy())


@pytest.mark.parametrize(
    ("X", "factors", "message"),
    [
        (
            PANEL,
            ["x0", "mom"],
            r"factors names \['mom'\], which are not among \['x0', 'x1', 'x2'\]",
        ),
        (PANEL, [0], r"factors names \[0\], which are not among \['x0'"),
        (PANEL.to_numpy(), ["x0"], r"factors names \['x0'\], which are not among \[0, 1, 2\]"),
        (PANEL.to_numpy(), [-1], r"factors names \[-1\], which are not among \[0, 1, 2\]"),
        (PANEL.to_numpy(), [True, False, True], r"factors names \[True, False, True\]"),
        (PANEL, [], r"factors names no column\. Take some of \['x0', 'x1', 'x2'\]"),
        (PANEL, ["x1", "x1"], r"columns \['x1'\] of factors occur more than once"),
        (PANEL[["x0", "x1", "x0"]], ["x1"], r"columns \['x0'\] of X occur more than once"),
        (PANEL, "x1", r"'factors' parameter of FactorSelector must be an array-like"),
    ],
)
def test_mistakes_raise(X, factors, message):
    with pytest.raises(ValueError, match=message):
        FactorSelector(factors).fit(X)


def test_other_columns_than_in_fit_raise():
    selector = FactorSelector(["x1"]).fit(PANEL)
    with pytest.raises(ValueError, match="feature names should match"):
        selector.transform(PANEL[["x1", "x0"]].assign(x3=1.0))
    with pytest.raises(ValueError, match="is expecting 3 features"):
        FactorSelector([1]).fit(PANEL.to_numpy()).transform(PANEL.to_numpy()[:, :2])


def test_a_callable_finds_the_columns_in_fit():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "sector": ["oil", "rail"]})
    numbers = FactorSelector(make_column_selector(dtype_include="number")).fit(X)
    assert numbers.factors_ == ["a", "b"]
    assert_frame_equal(numbers.transform(X), X[["a", "b"]])
    assert FactorSelector(lambda X: [X.columns[1]]).fit_transform(X).columns.tolist() == ["b"]
    with pytest.raises(ValueError, match=r"factors names \['c'\]"):
        FactorSelector(lambda _: ["c"]).fit(X)


def test_a_frame_may_hold_its_columns_in_any_order():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]})
    for names in (["a", "b", "c"], [0, 1, 2]):
        data = X.set_axis(names, axis=1)
        selector = FactorSelector([names[2], names[0]]).fit(data)
        expected = data[[names[2], names[0]]]
        assert_frame_equal(selector.transform(data[names[::-1]]), expected)
        wider = data[names[::-1]].assign(more="text")
        assert_frame_equal(selector.transform(wider), expected, check_column_type=False)
        with pytest.raises(ValueError, match=r"now missing|expecting 3 features"):
            selector.transform(data[names[1:]])

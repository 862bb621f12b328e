"""distributed.predict and transform: lazily, labelled, and never with half a cross-section."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import random_panel
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfactor import FactorZScorer, FamaMacBeth, Winsorizer

dd = pytest.importorskip("dask.dataframe")
from skfactor import distributed  # noqa: E402 -- Dask may be missing

FEATURES = ["x0", "x1"]


@pytest.fixture
def rows():
    rows = random_panel(np.random.default_rng(0), n_dates=8, n_features=3).reset_index()
    rows = rows.sort_values(["date", "asset"], ignore_index=True)
    rows["industry"] = np.array(["bank", "oil"])[np.arange(len(rows)) % 2]
    return rows


@pytest.fixture
def X(rows):  # noqa: N802 -- the field's name
    return rows.set_index(["date", "asset"])[FEATURES]


@pytest.fixture
def fitted(rows, X):
    pipeline = make_pipeline(Winsorizer(), FactorZScorer(indicators=None), FamaMacBeth())
    return pipeline.fit(X, rows.set_index(["date", "asset"])["x2"])


@pytest.fixture
def frame(rows):
    """Two dates per partition."""
    dates = rows["date"].unique().reshape(4, 2)
    return dd.from_map(lambda k: rows[rows["date"].isin(dates[k])], range(4), meta=rows.iloc[:0])


@pytest.fixture
def parted(rows):
    """Partitions that cut dates in two."""
    return dd.from_pandas(rows, npartitions=5, sort=False)


def test_predictions_are_those_in_memory_on_the_index_of_the_frame(rows, X, fitted, frame):
    expected = pd.Series(fitted.predict(X), rows.index, name="expected_return")
    predicted = distributed.predict(fitted, frame, assets="asset")
    assert isinstance(predicted, dd.Series)
    assert predicted.npartitions == 4
    assert_series_equal(predicted.compute(), expected, rtol=1e-12)
    assigned = frame.assign(expected=predicted).compute()
    assert_allclose(assigned["expected"], expected)


def test_transformed_features_are_labelled_and_keep_dates_and_assets(rows, X, fitted, frame):
    expected = fitted[:-1].transform(X)
    transformed = distributed.transform(fitted[:-1], frame, assets="asset")
    assert list(transformed.columns) == ["date", "asset", *FEATURES]
    found = transformed.compute()
    assert_array_equal(found.index, rows.index)
    assert_frame_equal(found.set_index(["date", "asset"]), expected, check_index_type=False)
    assert list(distributed.transform(fitted[:-1], frame).columns) == ["date", *FEATURES]


def test_what_was_transformed_can_be_fitted(fitted, frame):
    scores = distributed.transform(fitted[:-1], frame, assets="asset")
    scores = scores.assign(y=frame["x2"])
    model = distributed.fit(FamaMacBeth(), scores, y="y", assets="asset")
    assert_allclose(model.lambdas_, fitted[-1].lambdas_, rtol=1e-12)


def test_nothing_is_computed_before_it_is_asked_for(rows, fitted):
    def fail(part):
        raise RuntimeError("computed")

    frame = dd.from_map(fail, [0, 1], meta=rows.iloc[:0])
    predicted = distributed.predict(fitted, frame)
    transformed = distributed.transform(fitted[:-1], frame)
    for lazy in (predicted, transformed):
        with pytest.raises(RuntimeError, match="computed"):
            lazy.compute()


def test_dates_in_the_index_with_divisions(rows, X, fitted):
    frame = dd.from_pandas(rows.set_index("date"), npartitions=3)
    predicted = distributed.predict(fitted, frame, assets="asset").compute()
    assert_allclose(predicted, fitted.predict(X))
    assert predicted.index.name == "date"
    transformed = distributed.transform(fitted[:-1], frame, assets="asset").compute()
    assert list(transformed) == ["asset", *FEATURES]
    assert_allclose(transformed[FEATURES], fitted[:-1].transform(X))
    unknown = frame.clear_divisions()
    assert_allclose(distributed.predict(fitted, unknown).compute(), fitted.predict(X))


def test_dates_in_several_partitions_are_refused_and_a_shuffle_mends_it(X, fitted, parted):
    for lazy in (distributed.predict(fitted, parted), distributed.transform(fitted[:-1], parted)):
        with pytest.raises(ValueError, match=r"dates are in several partitions.*shuffle\('date'\)"):
            lazy.compute()
    mended = distributed.predict(fitted, parted.shuffle("date")).compute()
    assert_allclose(mended.sort_index(), fitted.predict(X))


def test_a_model_alone_works_row_by_row_wherever_the_rows_are(X, fitted, parted):
    predicted = distributed.predict(fitted[-1], parted).compute()
    assert_allclose(predicted, fitted[-1].predict(X))


def test_empty_partitions_stay_empty(rows, fitted, frame):
    late = frame[frame["date"] == rows["date"].max()]
    assert (
        len(distributed.predict(fitted, late).compute())
        == (rows["date"] == rows["date"].max()).sum()
    )
    assert len(distributed.transform(fitted[:-1], late).compute()) > 0


def test_metadata_is_routed(rows, X, fitted, frame):
    industry = rows.set_index(["date", "asset"])["industry"]
    scorer = FactorZScorer(indicators=None).fit(X, groupby=industry)
    expected = scorer.transform(X, groupby=industry)
    found = distributed.transform(scorer, frame, metadata={"groupby": "industry"}).compute()
    assert_allclose(found[FEATURES], expected)
    steps = make_pipeline(scorer)
    found = distributed.transform(steps, frame, metadata={"groupby": "industry"}).compute()
    assert_allclose(found[FEATURES], expected)
    with config_context(enable_metadata_routing=True):
        pipeline = clone(fitted).fit(X, rows["x2"].to_numpy(), groupby=industry)
        expected = pipeline.predict(X, groupby=industry)
    found = distributed.predict(pipeline, frame, metadata={"groupby": "industry"}).compute()
    assert_allclose(found, expected)


def test_types_are_those_that_were_announced(rows, fitted, frame):
    single = frame.astype(dict.fromkeys(FEATURES, np.float32))
    for each, dtype in ((frame, np.float64), (single, np.float32)):
        lazy = distributed.transform(fitted[:-1], each)
        assert (lazy.dtypes[FEATURES] == dtype).all()
        assert (lazy.compute().dtypes[FEATURES] == dtype).all()


def test_what_was_learned_over_all_dates_is_applied(rows, X, frame):
    scaler = StandardScaler().fit(X)
    found = distributed.transform(scaler, frame).compute()
    assert_allclose(found[FEATURES], scaler.transform(X))


def test_mistakes_are_told(rows, fitted, frame):
    with pytest.raises(NotFittedError):
        distributed.predict(clone(fitted), frame)
    with pytest.raises(TypeError, match=r"found DataFrame.*own transform"):
        distributed.transform(fitted[:-1], rows)
    with pytest.raises(ValueError, match=r"no column for \{'features \(x1\)': 'x1'\}"):
        distributed.predict(fitted, frame.drop(columns="x1"))
    unnamed = FamaMacBeth().fit(rows[FEATURES].to_numpy(), rows["x2"], dates=rows["date"])
    with pytest.raises(ValueError, match=r"without names of features\. Pass features="):
        distributed.predict(unnamed, frame)
    found = distributed.predict(unnamed, frame, features=FEATURES).compute()
    assert_allclose(found, unnamed.predict(rows[FEATURES].to_numpy()))

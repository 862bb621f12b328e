"""distributed.fit: the numbers of one fit in memory, whatever the partitions; and what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import random_panel
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skfactor import (
    BiasCorrectedFamaMacBeth,
    FactorBetas,
    FactorImputer,
    FactorNeutralizer,
    FactorRanker,
    FactorZScorer,
    FamaMacBeth,
    FundamentalFactorModel,
    InstrumentedPCA,
    PooledRegression,
    RidgeFamaMacBeth,
    Winsorizer,
)
from skfactor.exceptions import RankDeficientWarning
from skfactor.model_selection import FactorSetSearchCV, PurgedKFold

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
from skfactor import distributed  # noqa: E402 -- Dask may be missing

FEATURES = ["x0", "x1", "x2"]


def _rows(seed=0, **shape):
    """A panel with dates and assets as columns, sorted by both."""
    rng = np.random.default_rng(seed)
    data = random_panel(rng, **{"n_dates": 15, "n_features": 4} | shape)
    rows = data.reset_index().sort_values(["date", "asset"], ignore_index=True)
    rows["industry"] = np.array(["bank", "oil"])[rng.integers(0, 2, len(rows))]
    rows["cap"] = rng.uniform(1.0, 9.0, len(rows))
    rows["return"] = rows.pop("x3") / 1e4
    return rows


@pytest.fixture
def rows():
    return _rows()


@pytest.fixture
def pipeline():
    return make_pipeline(Winsorizer(0.1, 0.9), FactorZScorer(indicators=None), FamaMacBeth())


def _in_memory(estimator, rows, **metadata):
    data = rows.set_index(["date", "asset"])
    return clone(estimator).fit(data[FEATURES], data["return"], **metadata)


def _fit(estimator, frame, **options):
    options = {"y": "return", "assets": "asset", "features": FEATURES} | options
    return distributed.fit(estimator, frame, **options)


def test_instrumented_components_are_those_of_one_fit(rows):
    model = make_pipeline(FactorImputer(), FactorRanker(), InstrumentedPCA(2, fit_alpha=True))
    rows = rows[rows["return"].notna()]
    expected = _in_memory(model, rows)
    fitted = _fit(model, dd.from_pandas(rows, npartitions=4, sort=False))
    assert_allclose(fitted[-1].gamma_, expected[-1].gamma_, atol=1e-9)
    assert_frame_equal(fitted[-1].factors_, expected[-1].factors_, atol=1e-9)
    data = rows.set_index(["date", "asset"])[FEATURES]
    assert_allclose(fitted.predict(data), expected.predict(data), atol=1e-9)


def _frame(rows, npartitions=4):
    return dd.from_pandas(rows, npartitions=npartitions, sort=False)


def _by_date(rows):
    """One date per partition, without divisions."""
    dates = sorted(rows["date"].unique())
    return dd.from_map(lambda date: rows[rows["date"] == date], dates, meta=rows.iloc[:0])


def _assert_same(left, right):
    assert_allclose(left.lambdas_, right.lambdas_, rtol=0, atol=1e-12)
    assert left.lambdas_.index.equals(right.lambdas_.index)
    assert list(left.lambdas_) == list(right.lambdas_)
    assert_frame_equal(left.cross_sections_, right.cross_sections_, atol=1e-12, check_freq=False)
    assert_allclose(left.premia_, right.premia_, rtol=0, atol=1e-12)
    assert_allclose(left.inference().cov, right.inference().cov, rtol=0, atol=1e-12)
    assert set(vars(left)) == set(vars(right))


# --- the numbers of one fit ---------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([{}, {"fit_intercept": False}, {"premia_window": 5}, {"min_assets": 5}]),
)
def test_any_partitions_of_rows_in_any_order_give_one_fit(npartitions, is_shuffled, params):
    rows = _rows(1)
    pipeline = make_pipeline(FactorZScorer(indicators=None), FamaMacBeth(**params))
    some = rows.sample(frac=1.0, random_state=0) if is_shuffled else rows
    fitted = _fit(pipeline, _frame(some, npartitions))
    _assert_same(fitted[-1], _in_memory(pipeline, rows)[-1])


# Some groups have one asset on a date, which is said.
@pytest.mark.filterwarnings("ignore:.*residuals are NaN:skfactor.exceptions.RankDeficientWarning")
@pytest.mark.parametrize("effects", [False, True])
def test_pooled_regressions_are_those_of_one_fit_and_have_sums_only(rows, effects):
    model = PooledRegression(date_effects=effects)
    expected = _in_memory(model, rows)
    for frame in (_frame(rows), _by_date(rows)):
        fitted = _fit(model, frame)
        assert_allclose(fitted.premia_, expected.premia_, rtol=1e-10)
        assert_allclose(fitted.intercept_, expected.intercept_, rtol=1e-9)
        for kind in ({"by": "date"}, {"by": "asset"}, {"covariance": "driscoll-kraay"}):
            found, whole = (each.inference(**kind) for each in (fitted, expected))
            assert_allclose(found.cov, whole.cov, rtol=1e-8)
        for kind in ({"covariance": "hc1"}, {"by": ("asset", "date")}):
            with pytest.raises(ValueError, match=r"has sums by date and by asset.*on a cluster"):
                fitted.inference(**kind)
    # Without the column of the assets there is nothing to say about them.
    dated = _fit(model, frame, assets=None)
    assert_allclose(dated.inference().cov, expected.inference().cov, rtol=1e-8)
    with pytest.raises(ValueError, match="by='asset' needs to know the asset"):
        dated.inference(by="asset")
    groups = _fit(FundamentalFactorModel(), frame, assets=None, metadata={"groupby": "industry"})
    assert groups.asset_groups_ is None


def test_the_result_is_the_ordinary_pipeline_in_memory(rows, pipeline):
    fitted = _fit(pipeline, _frame(rows))
    expected = _in_memory(pipeline, rows)
    X = rows.set_index(["date", "asset"])[FEATURES]
    assert list(fitted.named_steps) == list(pipeline.named_steps)
    assert_allclose(fitted.predict(X), expected.predict(X), rtol=0, atol=1e-12)
    assert_array_equal(fitted.feature_names_in_, FEATURES)
    assert not hasattr(pipeline[-1], "premia_")
    for mine, theirs in zip(fitted, expected, strict=True):
        assert set(vars(mine)) == set(vars(theirs))


def test_a_model_alone_and_a_pipeline_of_it_alone(rows):
    expected = _in_memory(FamaMacBeth(), rows)
    _assert_same(_fit(FamaMacBeth(), _frame(rows)), expected)
    _assert_same(_fit(make_pipeline(FamaMacBeth()), _frame(rows))[-1], expected)


@pytest.mark.parametrize(
    "pipeline",
    [
        make_pipeline(FactorImputer(), FactorRanker(), RidgeFamaMacBeth(0.1)),
        make_pipeline(FactorImputer(), FactorNeutralizer(against=["x0"]), FamaMacBeth()),
    ],
    ids=["ranks and ridge", "neutralized"],
)
def test_every_step_by_date_and_the_ridge_agree_with_one_fit(rows, pipeline):
    fitted = _fit(pipeline, _frame(rows.sample(frac=1.0, random_state=0)))
    _assert_same(fitted[-1], _in_memory(pipeline, rows)[-1])


def test_the_fitted_model_takes_more_dates(rows):
    dates = rows["date"].unique()
    model = _fit(FamaMacBeth(), _frame(rows[rows["date"] < dates[9]]))
    new = rows[rows["date"] >= dates[9]].set_index(["date", "asset"])
    model.partial_fit(new[FEATURES], new["return"])
    _assert_same(model, _in_memory(FamaMacBeth(), rows))


@pytest.mark.parametrize("index", ["date", "asset"])
def test_dates_or_assets_in_the_index(rows, pipeline, index):
    frame = dd.from_pandas(rows.set_index(index), npartitions=4, sort=True)
    assert frame.known_divisions
    _assert_same(_fit(pipeline, frame)[-1], _in_memory(pipeline, rows)[-1])


def test_features_are_by_default_all_other_columns_and_assets_may_be_unknown(rows, pipeline):
    frame = _frame(rows[["date", *FEATURES, "return"]])
    fitted = distributed.fit(pipeline, frame, y="return")
    _assert_same(fitted[-1], _in_memory(pipeline, rows)[-1])


def test_weights_and_metadata_are_routed_by_name(rows, pipeline):
    data = rows.set_index(["date", "asset"])
    metadata = {"groupby": data["industry"], "weights": data["cap"]}
    pipeline = pipeline.set_params(winsorizer="passthrough")
    with config_context(enable_metadata_routing=True):
        routed = clone(pipeline)
        routed[-1].set_fit_request(sample_weight=True)
        expected = _in_memory(routed, rows, sample_weight=data["cap"], **metadata)
    fitted = _fit(
        pipeline,
        _frame(rows),
        sample_weight="cap",
        metadata={"groupby": "industry", "weights": "cap"},
    )
    assert_allclose(fitted[-1].lambdas_, expected[-1].lambdas_, rtol=0, atol=1e-12)
    unweighted = _fit(pipeline, _frame(rows))
    assert np.abs(fitted[-1].lambdas_ - unweighted[-1].lambdas_).to_numpy().max() > 1e-6


def test_groups_and_weights_go_to_the_model_that_takes_them(rows):
    frame = dd.from_pandas(rows, npartitions=3)
    metadata = {"groupby": "industry", "weights": "cap"}
    options = {"y": "return", "assets": "asset", "features": FEATURES, "metadata": metadata}
    data = rows.set_index(["date", "asset"])
    given = {"groupby": data["industry"], "weights": data["cap"]}
    model = FundamentalFactorModel(min_group_size=1)
    expected = model.fit(data[FEATURES], data["return"], **given)
    models = FundamentalFactorModel(min_group_size=1)
    for estimator in (models, make_pipeline(models)):
        fitted = distributed.fit(estimator, frame, **options)
        model = fitted[-1] if hasattr(fitted, "steps") else fitted
        assert_allclose(model.lambdas_, expected.lambdas_, atol=1e-15)
        assert model.asset_groups_.to_dict() == expected.asset_groups_.to_dict()
    with config_context(enable_metadata_routing=True):
        scorer = FactorZScorer(indicators=None)
        routed = make_pipeline(scorer, FundamentalFactorModel(min_group_size=1))
        expected = clone(routed).fit(data[FEATURES], data["return"], **given)[-1]
    fitted = distributed.fit(routed, frame, **options)
    assert_allclose(fitted[-1].lambdas_, expected.lambdas_, atol=1e-15)


def test_steps_may_be_nested_and_work_row_by_row(rows):
    nested = make_pipeline(
        ColumnTransformer(
            [("wins", Winsorizer(), ["x0"])], remainder=FunctionTransformer(np.arcsinh)
        ),
        FeatureUnion([("score", FactorZScorer(indicators=None))]),
        FamaMacBeth(),
    ).set_output(transform="pandas")
    _assert_same(_fit(nested, _frame(rows))[-1], _in_memory(nested, rows)[-1])


def test_dates_without_an_estimate_are_counted_once_on_the_client(rows):
    thin = rows.drop(rows[rows["date"].isin(rows["date"].unique()[[2, 7]])].index[2:])
    thin = thin.sort_values("date", ignore_index=True)
    with pytest.warns(RankDeficientWarning) as expected:
        model = _in_memory(FamaMacBeth(), thin)
    with pytest.warns(RankDeficientWarning) as found:
        fitted = _fit(FamaMacBeth(), _by_date(thin))
    assert [str(each.message) for each in found] == [str(each.message) for each in expected]
    assert found[0].filename == __file__
    assert_array_equal(fitted.lambdas_.isna(), model.lambdas_.isna())
    with pytest.raises(ValueError, match="cannot be estimated"):
        _fit(FamaMacBeth(rank_deficient="raise"), _by_date(thin))


def test_dates_drop_columns_of_their_own(rows):
    dates = rows["date"].unique()
    rows.loc[rows["date"] == dates[3], "x1"] = 1.0
    rows.loc[rows["date"] == dates[8], "x2"] = rows["x0"]
    estimator = FamaMacBeth(rank_deficient="drop")
    with pytest.warns(RankDeficientWarning, match="'x1' on 1, 'x2' on 1 dates"):
        expected = _in_memory(estimator, rows)
    with pytest.warns(RankDeficientWarning, match="'x1' on 1, 'x2' on 1 dates"):
        fitted = _fit(estimator, _frame(rows.sample(frac=1.0, random_state=0), 3))
    _assert_same(fitted, expected)
    assert expected.lambdas_.isna().sum().sum() == 2


@pytest.mark.parametrize("npartitions", [1, 3, 15])
def test_the_warm_up_of_an_exposure_is_no_failure(rows, npartitions):
    dates = rows["date"].unique()
    rows.loc[rows["date"] < dates[6], "x1"] = np.nan
    expected = _in_memory(FamaMacBeth(), rows)  # warnings are errors
    frame = _frame(rows.sample(frac=1.0, random_state=0), npartitions)
    _assert_same(_fit(FamaMacBeth(), frame), expected)
    rows.loc[rows["date"] == dates[9], "x1"] = np.nan
    with pytest.warns(RankDeficientWarning, match="The premia of 1 of 15 dates"):
        _fit(FamaMacBeth(), _by_date(rows))


@pytest.mark.parametrize("kind", ["everywhere", "by date"])
def test_constant_columns_are_judged_over_all_partitions(rows, kind):
    rows["x1"] = 1.0 if kind == "everywhere" else rows["date"].dt.month.astype(float)
    for frame in (_by_date(rows), _frame(rows, 1)):
        with pytest.raises(ValueError, match=r"\['x1'\] (are constant everywhere|vary over dates)"):
            _fit(FamaMacBeth(), frame)


def test_a_column_that_is_constant_in_one_partition_only_is_no_mistake(rows):
    dates = rows["date"].unique()
    early = rows["date"] < dates[4]
    rows.loc[early, "x1"] = rows["date"].dt.month.astype(float)[early]
    two = dd.from_map(lambda first: rows[early == first], [True, False], meta=rows.iloc[:0])
    with pytest.warns(RankDeficientWarning, match="4 of 15 dates"):
        fitted = _fit(FamaMacBeth(), two)
    with pytest.warns(RankDeficientWarning, match="4 of 15 dates"):
        _assert_same(fitted, _in_memory(FamaMacBeth(), rows))


# --- partitions ---------------------------------------------------------------------------------


def test_empty_partitions_are_passed_over_and_a_frame_without_rows_raises(rows, pipeline):
    frame = _frame(rows, 6)
    some = frame[frame["date"] > rows["date"].unique()[7]]
    kept = rows[rows["date"] > rows["date"].unique()[7]]
    _assert_same(_fit(pipeline, some)[-1], _in_memory(pipeline, kept)[-1])
    with pytest.raises(ValueError, match="The frame has no rows"):
        _fit(pipeline, frame[frame["date"] > rows["date"].max()])


def test_partitions_by_date_are_not_shuffled_and_only_split_dates_are(rows, monkeypatch):
    shuffled = []
    shuffle = dd.DataFrame.shuffle

    def counted(frame, *args, **kwargs):
        shuffled.append(frame["date"].nunique().compute())
        return shuffle(frame, *args, **kwargs)

    monkeypatch.setattr(dd.DataFrame, "shuffle", counted)
    _fit(FamaMacBeth(), _by_date(rows))
    assert shuffled == []
    _fit(FamaMacBeth(), _frame(rows, 4))
    assert len(shuffled) == 1
    assert 1 <= shuffled[0] <= 3  # at each border of two partitions one date at most


def test_duplicates_in_different_partitions_raise(rows):
    twice = pd.concat([rows, rows.iloc[[0]]], ignore_index=True)
    with pytest.raises(ValueError, match=r"1 \(date, asset\) pairs occur more than once"):
        _fit(FamaMacBeth(), _frame(twice))


def test_divisions_that_part_a_date_raise_instead_of_making_two_of_it(rows):
    dates = rows["date"].unique()
    lying = dd.from_map(
        lambda k: rows[rows["date"] == dates[0]].set_index("date")[k::2],
        [0, 1],
        meta=rows.set_index("date").iloc[:0],
        divisions=[dates[0], dates[1], dates[2]],
    )
    with pytest.raises(ValueError, match="Pass all rows of a date together"):
        _fit(FamaMacBeth(), lying)


def _changed(rows, change):
    """A frame whose last partition is not like the others."""
    dates = np.array_split(rows["date"].unique(), 3)

    def load(k):
        part = rows[rows["date"].isin(dates[k])]
        return change(part) if k == 2 else part

    return dd.from_map(load, range(3), meta=rows.iloc[:0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.assign(x9=1.0), r"a partition has \['x9'\] beside them"),
        (lambda part: part.drop(columns="x1"), r"a partition lacks \['x1'\]"),
        (lambda part: part.assign(x1="a"), r"'x1' is float64 in the frame but \w+ in a partition"),
        (lambda part: part.assign(**{"return": "a"}), r"'return' is float64 in the frame but"),
    ],
)
def test_a_partition_with_other_columns_or_types_is_refused(rows, change, message):
    rows = rows[["date", "asset", *FEATURES, "return"]]
    with pytest.raises(ValueError, match=message):
        _fit(FamaMacBeth(), _changed(rows, change), features=None)


def test_a_partition_in_a_narrower_type_is_taken_and_in_a_wider_one_refused(rows):
    narrow = _changed(rows, lambda part: part.astype({"x1": np.float32}))
    rounded = rows.copy()
    last = rows["date"].isin(np.array_split(rows["date"].unique(), 3)[2])
    rounded.loc[last, "x1"] = rows["x1"].astype(np.float32).astype(np.float64)[last]
    _assert_same(_fit(FamaMacBeth(), narrow), _in_memory(FamaMacBeth(), rounded))
    single = rows.astype({"x1": np.float32})
    wide = _changed(single, lambda part: part.astype({"x1": np.float64}))
    with pytest.raises(ValueError, match="'x1' is float32 in the frame but float64"):
        _fit(FamaMacBeth(), wide)


@pytest.mark.parametrize("column", ["date", "asset"])
def test_rows_without_a_date_or_an_asset_raise(rows, column):
    rows.loc[17, column] = None
    with pytest.raises(ValueError, match=f"Some rows have no {column}"):
        _fit(FamaMacBeth(), _frame(rows))


# --- what cannot be fitted in parts -------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            [FactorZScorer()],
            r"'factorzscorer', FactorZScorer, learns across dates.*indicators=None",
        ),
        ([StandardScaler()], "'standardscaler', StandardScaler, learns across dates"),
        ([Winsorizer(), PCA(2)], "'pca', PCA, learns across dates"),
        ([FactorBetas()], "'factorbetas', FactorBetas, learns across dates"),
        ([FeatureUnion([("a", make_pipeline(PCA()))])], "'featureunion__a__pca', PCA, learns"),
        ([ColumnTransformer([], remainder=PCA())], "'columntransformer__remainder', PCA, learns"),
    ],
)
def test_steps_that_learn_across_dates_are_refused_by_name(rows, steps, message):
    with pytest.raises(ValueError, match=message):
        _fit(make_pipeline(*steps, FamaMacBeth()), _frame(rows))


@pytest.mark.parametrize(
    "estimator",
    [LinearRegression(), BiasCorrectedFamaMacBeth(), make_pipeline(Winsorizer()), Winsorizer()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_only_models_of_panels_are_taken(rows, estimator):
    with pytest.raises(TypeError, match="has to be a model of panels such as FamaMacBeth"):
        _fit(estimator, _frame(rows))


def test_a_frame_in_memory_is_refused(rows):
    with pytest.raises(TypeError, match=r"Dask DataFrame; found DataFrame.*own fit"):
        _fit(FamaMacBeth(), rows)


def test_columns_that_are_not_there_are_named(rows):
    with pytest.raises(ValueError, match=r"no column for \{'dates': 'day', 'y': 'ret'\}"):
        _fit(FamaMacBeth(), _frame(rows), dates="day", y="ret")
    with pytest.raises(ValueError, match=r"'features \(x7\)': 'x7'"):
        _fit(FamaMacBeth(), _frame(rows), features=["x7"])
    with pytest.raises(ValueError, match="names y or a column twice"):
        _fit(FamaMacBeth(), _frame(rows), features=["x0", "return"])
    with pytest.raises(ValueError, match="No column is left"):
        _fit(FamaMacBeth(), _frame(rows[["date", "asset", "return"]]), features=None)
    with pytest.raises(ValueError, match="there are none"):
        _fit(FamaMacBeth(), _frame(rows), metadata={"groupby": "industry"})


# --- a search of factor sets ----------------------------------------------------------------------


@pytest.mark.parametrize("n_partitions", [1, 4])
def test_a_search_has_the_numbers_of_one_in_memory(pipeline, n_partitions):
    rows = _rows(3, missing=0.0)
    X = rows.set_index(["date", "asset"])
    search = FactorSetSearchCV(pipeline, scoring="ic", cv=PurgedKFold(3))
    expected = search.fit(X[FEATURES], X["return"], sample_weight=None)
    frame = dd.from_pandas(rows, npartitions=n_partitions)
    found = distributed.fit(search, frame, y="return", assets="asset", features=FEATURES)
    assert_frame_equal(found.results_, expected.results_, rtol=1e-9)
    assert_allclose(found.predict(X[FEATURES]), expected.predict(X[FEATURES]), rtol=1e-9)
    plain = FactorSetSearchCV(FamaMacBeth(), cv=PurgedKFold(3), refit=False)
    weighted = distributed.fit(
        plain, frame, y="return", assets="asset", features=FEATURES, sample_weight="cap"
    )
    expected = plain.fit(X[FEATURES], X["return"], sample_weight=X["cap"])
    assert_frame_equal(weighted.results_, expected.results_, rtol=1e-9)
    assert not hasattr(weighted, "best_estimator_")


def test_a_search_of_what_pools_dates_is_refused(rows):
    frame = dd.from_pandas(rows, npartitions=2)
    search = FactorSetSearchCV(make_pipeline(StandardScaler(), FamaMacBeth()))
    with pytest.raises(ValueError, match="learns across dates"):
        distributed.fit(search, frame, y="return", features=FEATURES)
    search = FactorSetSearchCV(FamaMacBeth())
    with pytest.raises(ValueError, match="metadata= goes to the steps"):
        distributed.fit(search, frame, y="return", features=FEATURES, metadata={"g": "industry"})
    with pytest.raises(ValueError, match="pass common_rows=True"):
        distributed.fit(search, frame, y="return", features=FEATURES)

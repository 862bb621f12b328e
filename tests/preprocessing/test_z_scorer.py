"""FactorZScorer: known values, laws, and what raises."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import MAD_TO_STD, mad_score_by_date, random_panel, z_score_by_date
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skfactor import FactorZScorer
from skfactor.exceptions import DegenerateScaleWarning, NoVariationWarning

# Rows that are a sample without dates, which is meant.
undated = pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")

NAN = np.nan
ONE_TWO_THREE = np.array([[1.0], [2.0], [3.0]])

seeds = st.integers(0, 2**32 - 1)
law = settings(deadline=None, max_examples=25)


def column(*values):
    return np.array(values, dtype=float)[:, None]


@pytest.fixture
def panel():
    return random_panel(np.random.default_rng(0))


@pytest.fixture
def industry(panel):
    numbers = panel.index.get_level_values("asset").str[-1].astype(int)
    return np.array(["oil", "steel", "banks"])[numbers % 3]


# --- known values -------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize(("ddof", "score"), [(0, np.sqrt(1.5)), (1, 1.0)])
def test_one_two_three(ddof, score):
    result = FactorZScorer(ddof=ddof).fit_transform(ONE_TWO_THREE)
    assert_allclose(result, [[-score], [0.0], [score]], rtol=1e-15)


@undated
@pytest.mark.parametrize(
    ("center", "scale", "expected"),
    [
        ("mean", None, [-9.2, -8.2, -7.2, -5.2, 29.8]),
        ("median", None, [-2.0, -1.0, 0.0, 2.0, 37.0]),
        (None, None, [1.0, 2.0, 3.0, 5.0, 40.0]),
        ("median", "mad", np.array([-2.0, -1.0, 0.0, 2.0, 37.0]) / (2 * MAD_TO_STD)),
        ("mean", "mad", np.array([-9.2, -8.2, -7.2, -5.2, 29.8]) / (2 * MAD_TO_STD)),
        (None, "mad", np.array([1.0, 2.0, 3.0, 5.0, 40.0]) / (2 * MAD_TO_STD)),
        (None, "std", np.array([1.0, 2.0, 3.0, 5.0, 40.0]) / np.sqrt(223.76)),
        ("median", "std", np.array([-2.0, -1.0, 0.0, 2.0, 37.0]) / np.sqrt(223.76)),
    ],
)
def test_centers_and_scales(center, scale, expected):
    values = column(1, 2, 3, 5, 40)  # mean 10.2, median 3, variance 223.76, MAD 2
    result = FactorZScorer(center=center, scale=scale).fit_transform(values)
    assert_allclose(result.ravel(), expected, rtol=1e-13, atol=1e-14)


@undated
def test_barra_center_is_cap_weighted_and_scale_is_equal_weighted():
    values, caps = column(1, 2, 3, NAN, 6), np.array([4.0, 2.0, 1.0, 99.0, 1.0])
    weighted_mean = (4 * 1 + 2 * 2 + 1 * 3 + 1 * 6) / 8
    deviation = np.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + 0 + (6 - 3) ** 2) / 4)
    expected = (values - weighted_mean) / deviation
    assert_allclose(FactorZScorer().fit_transform(values, weights=caps), expected, rtol=1e-14)


@undated
def test_weights_of_zero_leave_a_value_out_of_the_center_only():
    result = FactorZScorer().fit_transform(column(1, 2, 9), weights=[1.0, 1.0, 0.0])
    assert_allclose(result, (column(1, 2, 9) - 1.5) / np.std([1, 2, 9]), rtol=1e-14)


def test_weights_on_a_panel_equal_pandas(panel):
    weights = pd.Series(np.random.default_rng(1).random(len(panel)), index=panel.index)
    by_date = panel.groupby(level="date")
    there = panel.notna().mul(weights, axis=0).groupby(level="date").transform("sum")
    center = panel.mul(weights, axis=0).groupby(level="date").transform("sum") / there
    expected = (panel - center) / by_date.transform("std", ddof=0)
    result = FactorZScorer().fit_transform(panel, weights=weights)
    assert_allclose(result, expected, rtol=1e-12, atol=1e-13)


@undated
def test_missing_values_are_left_out_and_kept_in_place():
    result = FactorZScorer(ddof=1).fit_transform(column(NAN, 1, 2, NAN, 3))
    assert_allclose(result.ravel(), [NAN, -1.0, 0.0, NAN, 1.0])


@undated
def test_scores_beyond_the_clip_are_set_to_it_without_a_second_pass():
    values = column(1, 2, 3, 4, 90)
    plain = FactorZScorer().fit_transform(values)
    clipped = FactorZScorer(clip=0.5).fit_transform(values)
    assert_array_equal(clipped, np.clip(plain, -0.5, 0.5))
    assert clipped.max() == 0.5


@pytest.mark.parametrize("ddof", [0, 1])
@law
@given(seed=seeds)
def test_panels_are_scored_as_by_pandas(seed, ddof):
    panel = random_panel(np.random.default_rng(seed))
    expected = z_score_by_date(panel, ddof)
    result = FactorZScorer(ddof=ddof, indicators=None).fit_transform(panel)
    assert_allclose(result, expected, rtol=1e-12, atol=1e-13)


@law
@given(seed=seeds)
def test_panels_are_scored_by_median_and_mad_as_by_pandas(seed):
    panel = random_panel(np.random.default_rng(seed))
    result = FactorZScorer(center="median", scale="mad").fit_transform(panel)
    assert_allclose(result, mad_score_by_date(panel), rtol=1e-12, atol=1e-13)


def test_groups_are_scored_as_by_pandas(panel, industry):
    expected = z_score_by_date(panel, groups=industry)
    result = FactorZScorer().fit_transform(panel, groupby=industry)
    assert_allclose(result, expected, rtol=1e-12, atol=1e-13)
    assert not np.allclose(result, FactorZScorer().fit_transform(panel), equal_nan=True)


def test_small_groups_are_scored_by_their_date_as_by_pandas(panel, industry):
    date = panel.index.get_level_values("date")
    large = panel.groupby([date, industry]).transform("count") >= 5
    assert large.any(axis=None)
    assert not large.all(axis=None)
    expected = z_score_by_date(panel, groups=industry).where(large, z_score_by_date(panel))
    result = FactorZScorer(min_group_size=5).fit_transform(panel, groupby=industry)
    assert_allclose(result, expected, rtol=1e-12, atol=1e-13)


@undated
def test_small_groups_without_weight_or_spread_take_those_of_their_date():
    values = column(1, 1, 1, 5, 2, 3, 4, 7)
    group, weights = list("aaaabbbb"), np.repeat([0.0, 1.0], 4)
    scorer = FactorZScorer(min_group_size=5)
    together = FactorZScorer().fit_transform(values, weights=weights)
    assert_array_equal(scorer.fit_transform(values, groupby=group, weights=weights), together)
    with pytest.raises(ValueError, match=r"values of 1 date\(s\) or group\(s\) are zero"):
        FactorZScorer().fit_transform(values, groupby=group, weights=weights)
    robust = {"center": "median", "scale": "mad"}
    expected = FactorZScorer(**robust).fit_transform(values)
    result = FactorZScorer(**robust, min_group_size=5).fit_transform(values, groupby=group)
    assert_array_equal(result, expected)


def test_weights_within_groups_equal_those_of_each_group_alone(panel, industry):
    weights = np.random.default_rng(1).random(len(panel))
    result = FactorZScorer().fit_transform(panel, groupby=industry, weights=weights)
    for name in np.unique(industry):
        there = industry == name
        alone = FactorZScorer().fit_transform(panel[there], weights=weights[there])
        assert_allclose(result[there], alone, rtol=1e-11, atol=1e-12)


# --- constant and nearly constant columns -------------------------------------------------------


@undated
@pytest.mark.parametrize("scale", ["std", "mad"])
@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("n", [1, 2, 7, 200])
@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e6 + 0.1, 1e-12, 1e15])
def test_constant_column_scores_zero(value, n, ddof, scale):
    result = FactorZScorer(scale=scale, ddof=ddof).fit_transform(np.full((n, 1), value))
    assert_array_equal(result, np.zeros((n, 1)))


@undated
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_large_constant_that_differs_by_rounding_scores_zero(dtype):
    values = np.full((50, 1), 1e6, dtype=dtype)
    values[::2] = np.nextafter(values[::2], dtype(np.inf))
    assert_array_equal(FactorZScorer().fit_transform(values), np.zeros((50, 1)))


@undated
def test_a_weighted_constant_scores_zero():
    result = FactorZScorer().fit_transform(np.full((5, 1), 0.1), weights=[1, 2, 3, 4, 5])
    assert_array_equal(result, np.zeros((5, 1)))


def test_a_date_with_one_asset_scores_zero_and_keeps_missing_values():
    index = pd.MultiIndex.from_tuples(
        [(2001, "a"), (2002, "a"), (2002, "b")], names=["year", "asset"]
    )
    X = pd.DataFrame({"u": [7.0, 1.0, 3.0], "v": [NAN, 4.0, NAN]}, index=index)
    with pytest.warns(NoVariationWarning, match="1 of 2 dates have a single asset"):
        result = FactorZScorer().fit_transform(X)
    assert_array_equal(result, [[0.0, NAN], [-1.0, 0.0], [1.0, NAN]])


@undated
@pytest.mark.parametrize("n", [20, 500])
def test_a_mean_far_above_the_spread_does_not_spoil_the_scores(n):
    # Halves are exact at this magnitude; only the mean is rounded, to 5e-7.
    spread = np.random.default_rng(0).integers(-100, 100, size=(n, 2)) / 2
    result = FactorZScorer().fit_transform(spread + 2.0**32)
    assert_allclose(result, FactorZScorer().fit_transform(spread), rtol=0, atol=5e-8)


@undated
def test_too_few_assets_for_the_ddof_give_missing_scores_as_in_pandas():
    result = FactorZScorer(ddof=3).fit_transform(column(1, 2, 4))
    assert_array_equal(result, column(NAN, NAN, NAN))


def test_zero_mad_of_a_column_that_varies_warns_with_the_number_of_cases():
    index = pd.MultiIndex.from_product([[2001, 2002], list("abcde")], names=["year", "asset"])
    X = pd.DataFrame({"u": [1.0, 1, 1, 1, 9, 1, 2, 3, 4, 5], "v": [2.0] * 10}, index=index)
    X["w"] = [0.0, 0, 0, 0, 5, 7, 7, 7, 7, 8]
    with pytest.warns(DegenerateScaleWarning, match=r"In 3 case\(s\).*Use scale='std'"):
        result = FactorZScorer(scale="mad").fit_transform(X)
    assert result.loc[2001, "u"].isna().all()
    assert result.loc[2002, "u"].notna().all()
    assert result["w"].isna().all()
    assert_array_equal(result["v"], np.zeros(10))


def test_zero_mad_of_a_constant_column_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FactorZScorer(scale="mad", date_level=None).fit(np.full((6, 2), 0.3))


@undated
def test_zero_mad_of_an_indicator_does_not_warn():
    values = np.column_stack([np.arange(6.0), [0, 0, 0, 0, 0, 1]])
    result = FactorZScorer(scale="mad").fit_transform(values)
    assert_array_equal(result[:, 1], values[:, 1])


# --- indicators ---------------------------------------------------------------------------------


@pytest.fixture
def mixed(panel):
    rng = np.random.default_rng(1)
    dummy = rng.integers(0, 2, size=len(panel)).astype(float)
    dummy[3] = NAN
    return panel.assign(nyse=dummy, listed=rng.integers(0, 2, size=len(panel)).astype(bool))


def test_columns_of_zeros_and_ones_stay_as_they_are(mixed):
    scorer = FactorZScorer()
    result = scorer.fit_transform(mixed)
    assert scorer.indicator_features_ == ["nyse", "listed"]
    assert_array_equal(result[["nyse", "listed"]], mixed[["nyse", "listed"]].astype(float))
    assert_frame_equal(result[["x0", "x1"]], FactorZScorer().fit_transform(mixed[["x0", "x1"]]))


def test_indicators_are_not_clipped(mixed):
    result = FactorZScorer(clip=0.25).fit_transform(mixed)
    assert result["nyse"].max() == 1.0
    assert result["x0"].max() == 0.25


def test_a_list_fixes_the_indicators(mixed):
    scorer = FactorZScorer(indicators=["nyse"])
    result = scorer.fit_transform(mixed)
    assert scorer.indicator_features_ == ["nyse"]
    assert_array_equal(result["nyse"], mixed["nyse"])
    assert_allclose(result["listed"], z_score_by_date(mixed[["listed"]].astype(float))["listed"])


def test_no_indicators_treats_every_column_alike(mixed):
    scorer = FactorZScorer(indicators=None)
    assert_allclose(
        scorer.fit_transform(mixed), z_score_by_date(mixed.astype(float)), rtol=1e-12, atol=1e-13
    )
    assert scorer.indicator_features_ == []


def test_indicators_of_arrays_are_positions(mixed):
    values, dates = mixed.to_numpy(dtype=float), mixed.index.get_level_values("date")
    chosen = FactorZScorer(indicators=[2, 3]).fit(values, dates=dates)
    expected = FactorZScorer().fit_transform(mixed)
    assert_array_equal(chosen.transform(values, dates=dates), expected)


@undated
@pytest.mark.parametrize(
    "wrap",
    [
        lambda values: pd.DataFrame(values, columns=["value", "nyse"]),
        lambda values: pd.DataFrame(values, columns=[1, 0]),
        np.asarray,
    ],
    ids=["text names", "integer names", "array"],
)
def test_indicators_that_were_found_can_be_passed_back(wrap):
    X = wrap(np.column_stack([np.arange(6.0), [0, 1, 0, 1, 1, 0]]))
    found = FactorZScorer().fit(X)
    fixed = FactorZScorer(indicators=found.indicator_features_).fit(X)
    assert_array_equal(fixed.transform(X), found.transform(X))


def test_a_new_value_in_an_indicator_raises_in_transform(mixed):
    scorer = FactorZScorer().fit(mixed)
    with pytest.raises(ValueError, match=r"'nyse' is an indicator but holds values other than 0"):
        scorer.transform(mixed.assign(nyse=2.0))


def test_a_listed_indicator_with_other_values_raises_in_fit(mixed):
    with pytest.raises(ValueError, match=r"'x0' is an indicator but holds.*indicators=None"):
        FactorZScorer(indicators=["x0"]).fit(mixed)


@pytest.mark.parametrize(("indicators", "unknown"), [(["NYSE"], "NYSE"), ([2], 2)])
def test_an_unknown_indicator_raises_naming_the_columns(mixed, indicators, unknown):
    with pytest.raises(ValueError, match=rf"\[{unknown!r}\], which are not among \['x0', 'x1'"):
        FactorZScorer(indicators=indicators).fit(mixed)


def test_an_indicator_beyond_the_columns_of_an_array_raises():
    with pytest.raises(ValueError, match=r"\[7\], which are not among \[0, 1\]"):
        FactorZScorer(indicators=[7]).fit(np.zeros((3, 2)))


@undated
def test_all_missing_columns_are_no_indicators():
    values = np.column_stack([np.full(4, NAN), np.arange(4.0)])
    scorer = FactorZScorer().fit(values)
    assert scorer.indicator_features_ == []
    assert np.isnan(scorer.transform(values)[:, 0]).all()


@undated
def test_a_late_value_makes_a_long_column_no_indicator():
    values = np.zeros((5_000, 1))
    values[-1] = 2.0
    assert FactorZScorer().fit(values).indicator_features_ == []


# --- laws ---------------------------------------------------------------------------------------


@law
@given(seed=seeds, shift=st.floats(-100, 100), factor=st.sampled_from([-30.0, -1.0, 0.01, 4.0]))
@pytest.mark.parametrize("measures", [("mean", "std"), ("median", "mad")])
def test_scores_do_not_depend_on_units(measures, seed, shift, factor):
    panel = random_panel(np.random.default_rng(seed))
    scorer = FactorZScorer(center=measures[0], scale=measures[1])
    expected = np.sign(factor) * scorer.fit_transform(panel)
    result = scorer.fit_transform(shift + factor * panel)
    assert_allclose(result, expected, rtol=1e-8, atol=1e-8)


@law
@given(seed=seeds)
def test_scores_have_mean_zero_and_deviation_one_on_every_date(seed):
    scores = FactorZScorer().fit_transform(random_panel(np.random.default_rng(seed)))
    by_date = scores.groupby(level="date")
    assert_allclose(by_date.mean(), 0.0, atol=1e-12)
    assert_allclose(by_date.std(ddof=0), 1.0, rtol=1e-12)


@law
@given(seed=seeds)
def test_weighted_scores_have_weighted_mean_zero_on_every_date(seed):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, missing=0.0)
    weights = rng.random(len(panel)) + 0.1
    scores = FactorZScorer().fit_transform(panel, weights=weights)
    assert_allclose(scores.mul(weights, axis=0).groupby(level="date").sum(), 0.0, atol=1e-10)


@law
@given(seed=seeds, size=st.sampled_from([1e-3, 1.0, 1e6]))
def test_the_size_of_weights_does_not_matter(seed, size):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng)
    weights = rng.random(len(panel)) + 0.1
    expected = FactorZScorer().fit_transform(panel, weights=weights)
    result = FactorZScorer().fit_transform(panel, weights=size * weights)
    assert_allclose(result, expected, rtol=1e-10, atol=1e-12)


def test_equal_weights_are_no_weights(panel):
    equal = FactorZScorer().fit_transform(panel, weights=np.full(len(panel), 3.0))
    assert_allclose(equal, FactorZScorer().fit_transform(panel), rtol=1e-12, atol=1e-13)


# --- without dates ------------------------------------------------------------------------------


@undated
def test_statistics_learned_without_dates_are_those_of_standard_scaler(panel):
    values = panel.to_numpy()
    ours, theirs = FactorZScorer().fit(values), StandardScaler().fit(values)
    assert ours.per_date_ is False
    assert_allclose(ours.center_, theirs.mean_, rtol=1e-12)
    assert_allclose(ours.scale_, theirs.scale_, rtol=1e-12)
    new = np.random.default_rng(1).normal(size=(7, 2))
    assert_allclose(ours.transform(new), theirs.transform(new), rtol=1e-12)


@undated
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_inverse_gives_the_values_back(panel, industry, dtype):
    values = panel.to_numpy(dtype=dtype)
    scorer = FactorZScorer().fit(values)
    back = scorer.inverse_transform(scorer.transform(values))
    assert back.dtype == dtype
    assert_allclose(back, values, rtol=1e-4 if dtype is np.float32 else 1e-11)
    scorer.fit(values, groupby=industry)
    scores = scorer.transform(values, groupby=industry)
    back = scorer.inverse_transform(scores, groupby=industry)
    assert_allclose(back, values, rtol=1e-4 if dtype is np.float32 else 1e-11)


@undated
def test_the_inverse_of_a_constant_is_the_constant_and_of_an_indicator_itself():
    values = np.column_stack([np.full(4, 0.3), [0, 1, 1, 0]])
    scorer = FactorZScorer().fit(values)
    assert_array_equal(scorer.inverse_transform(scorer.transform(values)), values)


@undated
def test_the_inverse_of_clipped_scores_is_where_clipping_starts():
    values = column(1, 2, 3, 4, 90)
    scorer = FactorZScorer(clip=0.5).fit(values)
    back = scorer.inverse_transform(scorer.transform(values))
    assert_allclose(back[-1], 20 + 0.5 * values.std())


def test_scores_of_dates_cannot_be_inverted(panel):
    with pytest.raises(ValueError, match="only what was fitted without dates can be inverted"):
        FactorZScorer().fit(panel).inverse_transform(panel)


@undated
def test_statistics_learned_of_groups_are_those_of_each_group():
    group = np.array(["steel", "oil"] * 3)
    fitted = FactorZScorer(ddof=1).fit(column(1, 10, 2, 20, 3, 30), groupby=group)
    center = dict(zip(fitted.groups_, fitted.center_[:, 0], strict=True))
    scale = dict(zip(fitted.groups_, fitted.scale_[:, 0], strict=True))
    assert center == {"steel": 2.0, "oil": 20.0}
    assert scale == pytest.approx({"steel": 1.0, "oil": 10.0})
    result = fitted.transform(column(40, 4), groupby=["oil", "steel"])
    assert_allclose(result, [[2.0], [2.0]])


@undated
def test_a_scale_of_zero_marks_a_constant():
    fitted = FactorZScorer().fit(np.column_stack([np.arange(5.0), np.full(5, 0.1)]))
    assert fitted.scale_[1] == 0.0
    assert fitted.scale_[0] > 0.0


def test_with_dates_no_statistics_are_learned(panel):
    fitted = FactorZScorer().fit(panel)
    assert fitted.per_date_ is True
    assert not hasattr(fitted, "center_")


# --- metadata routing of weights ----------------------------------------------------------------


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def metadata(panel, industry):
    weights = np.random.default_rng(1).random(len(panel)) + 0.1
    return {
        "dates": panel.index.get_level_values("date"),
        "groupby": industry,
        "weights": weights,
    }


def test_weights_are_routed_through_a_pipeline(panel, metadata, routing):
    expected = FactorZScorer().fit_transform(panel.to_numpy(), **metadata)
    pipeline = make_pipeline(FunctionTransformer(np.asarray), FactorZScorer())
    assert_array_equal(pipeline.fit_transform(panel, **metadata), expected)
    assert_array_equal(pipeline.transform(panel, **metadata), expected)


def test_weights_are_routed_through_columns_and_unions(panel, metadata, routing):
    expected = FactorZScorer().fit_transform(panel.to_numpy(), **metadata)
    columns = ColumnTransformer([("all", FactorZScorer(), ["x0", "x1"])])
    assert_array_equal(columns.fit_transform(panel.reset_index(drop=True), **metadata), expected)
    union = FeatureUnion([("all", FactorZScorer())])
    assert_array_equal(union.fit_transform(panel.to_numpy(), **metadata), expected)


# --- what raises --------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, NAN, 1.0], "weights holds NaN, infinite or negative values"),
        ([1.0, -1.0, 1.0], "weights holds NaN, infinite or negative values"),
        ([1.0, np.inf, 1.0], "weights holds NaN, infinite or negative values"),
        ([1.0, 1.0], r"weights has shape \(2,\); it needs one weight per row, \(3,\)"),
        ([[1.0], [1.0], [1.0]], r"weights has shape \(3, 1\)"),
        (1.0, r"weights has shape \(\)"),
    ],
)
def test_unfit_weights_raise(weights, message):
    with pytest.raises(ValueError, match=message):
        FactorZScorer().fit(ONE_TWO_THREE, weights=weights)


@undated
@pytest.mark.parametrize("center", ["median", None])
def test_weights_without_a_mean_raise(center):
    with pytest.raises(ValueError, match=rf"a weighted mean, which center={center!r} does not use"):
        FactorZScorer(center=center).fit(ONE_TWO_THREE, weights=[1, 1, 1])


def test_a_date_whose_values_weigh_nothing_raises():
    values, dates = column(1, 2, 3, NAN), [2001, 2001, 2002, 2002]
    with pytest.raises(ValueError, match=r"values of 1 date\(s\) or group\(s\) are zero"):
        FactorZScorer().fit_transform(values, dates=dates, weights=[1, 1, 0, 5])


@pytest.mark.parametrize(
    "parameters",
    [
        {"center": "mode"},
        {"scale": "iqr"},
        {"ddof": -1},
        {"ddof": 0.5},
        {"clip": 0},
        {"clip": -3.0},
        {"indicators": "nyse"},
        {"date_level": 1.5},
    ],
    ids=str,
)
def test_parameters_of_another_kind_raise(parameters):
    name = next(iter(parameters))
    with pytest.raises(ValueError, match=f"The '{name}' parameter of FactorZScorer"):
        FactorZScorer(**parameters).fit(ONE_TWO_THREE)


def test_deviations_whose_squares_are_nothing_to_the_machine_count_as_none():
    x = np.arange(5.0)[:, None]
    scorer = FactorZScorer(date_level=None)
    assert_allclose(scorer.fit_transform(x * 1e-150), scorer.fit_transform(x), atol=1e-12)
    assert not scorer.fit_transform(x * 1e-200).any()

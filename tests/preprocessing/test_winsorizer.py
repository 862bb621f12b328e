"""Winsorizer: known values, laws, and what raises."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import MAD_TO_STD, random_panel, winsorize_by_date
from scipy.stats.mstats import winsorize
from sklearn import config_context
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, Winsorizer

# Rows that are a sample without dates, which is meant.
undated = pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")

NAN = np.nan
ONE_TO_TEN = np.arange(1.0, 11.0)[:, None]

seeds = st.integers(0, 2**32 - 1)
levels = st.integers(0, 50).map(lambda percent: percent / 100)
law = settings(deadline=None, max_examples=25)


# --- known values -------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize(
    ("interpolation", "lowest", "highest"), [("linear", 1.9, 9.1), ("order_statistic", 2.0, 9.0)]
)
def test_one_to_ten_at_a_tenth_on_either_side(interpolation, lowest, highest):
    result = Winsorizer(0.1, 0.9, interpolation=interpolation).fit_transform(ONE_TO_TEN)
    assert_allclose(result.ravel(), [lowest, 2, 3, 4, 5, 6, 7, 8, 9, highest], rtol=1e-15)


@undated
@pytest.mark.parametrize("n", [1, 2, 9, 10, 37, 100])
@pytest.mark.parametrize("limits", [(0.1, 0.1), (0.05, 0.25), (0.0, 0.3), (0.4, 0.0)])
def test_order_statistics_equal_those_of_scipy(n, limits):
    values = np.random.default_rng(n).normal(size=n)
    low, high = limits
    result = Winsorizer(low, 1 - high, interpolation="order_statistic").fit_transform(
        values[:, None]
    )
    assert_array_equal(result.ravel(), winsorize(values, limits=limits))


@undated
@pytest.mark.parametrize("percent", [1, 7, 29, 57, 58])
def test_a_share_that_is_a_whole_number_of_values_is_not_rounded_down(percent):
    # 0.29 * 100 is 28.999... in floating point; 29 values of 100 are meant.
    values = np.arange(100.0)[:, None]
    lower = Winsorizer(percent / 100, 1.0, interpolation="order_statistic").fit(values)
    upper = Winsorizer(0.0, 1 - percent / 100, interpolation="order_statistic").fit(values)
    assert lower.lower_bounds_ == int(Fraction(percent, 100) * 100)
    assert upper.upper_bounds_ == 99 - percent


@undated
@pytest.mark.parametrize(("lower", "upper"), [(-1.0, 1.5), (-2.0, None), (None, 0.5)])
def test_bounds_in_standard_deviations_about_the_mean(lower, upper):
    values = np.array([1.0, 2.0, 3.0, 4.0, 40.0])  # mean 10, deviation sqrt(226)
    low = -np.inf if lower is None else 10 + lower * np.sqrt(226)
    high = np.inf if upper is None else 10 + upper * np.sqrt(226)
    result = Winsorizer(lower, upper, rule="std").fit_transform(values[:, None])
    assert_allclose(result.ravel(), np.clip(values, low, high), rtol=1e-14)


@undated
@pytest.mark.parametrize(("lower", "upper"), [(-1.0, 2.0), (-0.5, None), (None, 3.0)])
def test_bounds_in_median_absolute_deviations_about_the_median(lower, upper):
    values = np.array([1.0, 2.0, 3.0, 5.0, 40.0])  # median 3, absolute deviations 2 1 0 2 37
    low = -np.inf if lower is None else 3 + lower * MAD_TO_STD * 2
    high = np.inf if upper is None else 3 + upper * MAD_TO_STD * 2
    result = Winsorizer(lower, upper, rule="mad").fit_transform(values[:, None])
    assert_allclose(result.ravel(), np.clip(values, low, high), rtol=1e-14)


@undated
@pytest.mark.parametrize("rule", ["std", "mad"])
def test_a_constant_column_stays_whatever_the_rule(rule):
    values = np.full((5, 1), 0.1)
    assert_array_equal(Winsorizer(-1, 1, rule=rule).fit_transform(values), values)


@undated
def test_missing_values_are_left_out_and_kept_in_place():
    values = np.array([NAN, 4.0, 1.0, NAN, 3.0, 2.0, 5.0])[:, None]
    result = Winsorizer(0.25, 0.75).fit_transform(values)
    assert_array_equal(result.ravel(), [NAN, 4.0, 2.0, NAN, 3.0, 2.0, 4.0])


def test_a_column_without_values_on_a_date_stays_missing_and_is_silent():
    index = pd.MultiIndex.from_product([["2020-01", "2020-02"], list("abc")], names=["date", "id"])
    X = pd.DataFrame({"x": [NAN] * 3 + [1.0, 2.0, 9.0], "y": [1.0, 2, 3, 4, 5, 6]}, index=index)
    result = Winsorizer(0.5, 0.5).fit_transform(X)
    assert_array_equal(result["x"], [NAN] * 3 + [2.0] * 3)


@undated
@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (0.25, None, [2.0, 2.0, 3.0, 4.0, 90.0]),
        (None, 0.75, [1.0, 2.0, 3.0, 4.0, 4.0]),
        (0.0, 1.0, [1.0, 2.0, 3.0, 4.0, 90.0]),
        (0.5, 0.5, [3.0] * 5),
    ],
)
def test_open_sides_and_extreme_levels(lower, upper, expected):
    values = np.array([[1.0], [2.0], [3.0], [4.0], [90.0]])
    assert_array_equal(Winsorizer(lower, upper).fit_transform(values).ravel(), expected)


@pytest.mark.parametrize("rule", ["quantile", "std", "mad"])
def test_both_sides_open_changes_nothing(rule):
    panel = random_panel(np.random.default_rng(0))
    assert_frame_equal(Winsorizer(None, None, rule=rule).fit_transform(panel), panel)


@law
@given(seed=seeds, lower=levels, upper=levels.map(lambda level: 1 - level))
def test_panels_are_clipped_as_by_pandas(seed, lower, upper):
    panel = random_panel(np.random.default_rng(seed))
    expected = winsorize_by_date(panel, lower, upper)
    result = Winsorizer(lower, upper).fit_transform(panel)
    assert_allclose(result, expected, rtol=1e-12)


@undated
@pytest.mark.parametrize("n_rows", [900, 5_000])
def test_long_columns_are_clipped_as_by_numpy(n_rows):
    values = np.random.default_rng(0).standard_t(df=2, size=(n_rows, 3))
    values[np.random.default_rng(1).random(values.shape) < 0.2] = NAN
    fitted = Winsorizer(0.01, 0.95).fit(values)
    assert_allclose(fitted.lower_bounds_, np.nanquantile(values, 0.01, axis=0), rtol=1e-14)
    assert_allclose(fitted.upper_bounds_, np.nanquantile(values, 0.95, axis=0), rtol=1e-14)


# --- laws ---------------------------------------------------------------------------------------


@law
@given(
    seed=seeds,
    lower=st.integers(0, 49).map(lambda percent: percent / 100),
    upper=st.integers(51, 100).map(lambda percent: percent / 100),
    interpolation=st.sampled_from(["linear", "order_statistic"]),
)
def test_mirrored_data_and_levels_give_mirrored_results(seed, lower, upper, interpolation):
    panel = random_panel(np.random.default_rng(seed))
    result = Winsorizer(lower, upper, interpolation=interpolation).fit_transform(panel)
    mirrored = Winsorizer(1 - upper, 1 - lower, interpolation=interpolation).fit_transform(-panel)
    assert_allclose(mirrored, -result, rtol=1e-12, atol=1e-14)


@law
@given(seed=seeds, rule=st.sampled_from(["quantile", "std", "mad"]))
def test_a_change_of_units_only_changes_the_units(seed, rule):
    panel = random_panel(np.random.default_rng(seed))
    bounds = (0.1, 0.8) if rule == "quantile" else (-1.0, 0.7)
    winsorizer = Winsorizer(*bounds, rule=rule)
    expected = 3.0 + 7.0 * winsorizer.fit_transform(panel)
    assert_allclose(winsorizer.fit_transform(3.0 + 7.0 * panel), expected, rtol=1e-10, atol=1e-10)


@undated
@law
@given(seed=seeds, lower=levels, upper=levels.map(lambda level: 1 - level))
def test_order_is_kept_and_values_inside_are_not_touched(seed, lower, upper):
    values = np.random.default_rng(seed).normal(size=(60, 1)).round(1)
    fitted = Winsorizer(lower, upper).fit(values)
    result = fitted.transform(values)
    assert (np.diff(result[np.argsort(values[:, 0]), 0]) >= 0.0).all()
    inside = (values >= fitted.lower_bounds_) & (values <= fitted.upper_bounds_)
    assert_array_equal(result[inside], values[inside])


@undated
@law
@given(
    seed=seeds,
    n=st.integers(1, 12),
    level=st.integers(0, 100).map(lambda percent: percent / 100),
    interpolation=st.sampled_from(["linear", "order_statistic"]),
)
@example(seed=0, n=2, level=0.5, interpolation="order_statistic")
@example(seed=0, n=10, level=0.3, interpolation="order_statistic")
def test_equal_levels_do_not_make_the_bounds_cross(seed, n, level, interpolation):
    values = np.random.default_rng(seed).normal(size=(n, 1))
    fitted = Winsorizer(level, level, interpolation=interpolation).fit(values)
    assert fitted.lower_bounds_ <= fitted.upper_bounds_


@law
@given(seed=seeds, lower=levels, upper=levels.map(lambda level: 1 - level))
def test_order_statistics_clip_once_and_for_all(seed, lower, upper):
    panel = random_panel(np.random.default_rng(seed))
    winsorizer = Winsorizer(lower, upper, interpolation="order_statistic")
    once = winsorizer.fit_transform(panel)
    assert_frame_equal(winsorizer.fit_transform(once), once)


@undated
def test_float32_values_at_a_bound_are_not_moved_by_clipping_again():
    values = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    fitted = Winsorizer(0.1, 0.9).fit(values)
    once = fitted.transform(values)
    assert_array_equal(fitted.transform(once), once)


# --- without dates ------------------------------------------------------------------------------


@undated
def test_bounds_learned_without_dates_hold_for_new_rows():
    fitted = Winsorizer(0.1, 0.9).fit(np.hstack([ONE_TO_TEN, -ONE_TO_TEN]))
    assert fitted.per_date_ is False
    assert fitted.groups_ is None
    assert_allclose(fitted.lower_bounds_, [1.9, -9.1])
    assert_allclose(fitted.upper_bounds_, [9.1, -1.9])
    assert_allclose(fitted.transform([[50.0, -50.0], [5.0, NAN]]), [[9.1, -9.1], [5.0, NAN]])


@undated
def test_bounds_learned_of_groups_are_those_of_each_group():
    group = np.array(["steel", "oil"] * 5)
    fitted = Winsorizer(0.25, 0.75).fit(ONE_TO_TEN, groupby=group)
    lower = dict(zip(fitted.groups_, fitted.lower_bounds_[:, 0], strict=True))
    assert lower == {"steel": 3.0, "oil": 4.0}
    assert_array_equal(
        fitted.transform([[0.0], [0.0], [99.0]], groupby=["oil", "steel", "oil"]),
        [[4.0], [3.0], [8.0]],
    )


def test_with_dates_no_bounds_are_learned():
    fitted = Winsorizer().fit(ONE_TO_TEN, dates=[2001] * 5 + [2002] * 5)
    assert fitted.per_date_ is True
    assert not hasattr(fitted, "lower_bounds_")


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bounds", [(0.6, 0.4), (-0.1, 0.9), (0.1, 1.1), (-3, 3), (None, 2), (5, 95)]
)
def test_levels_that_are_no_levels_raise(bounds):
    found = f"found lower={bounds[0]}, upper={bounds[1]}"
    with pytest.raises(ValueError, match=rf"0 <= lower <= upper <= 1; {found}"):
        Winsorizer(*bounds).fit(ONE_TO_TEN)


@pytest.mark.parametrize("rule", ["std", "mad"])
@pytest.mark.parametrize("bounds", [(0.01, 0.99), (3, -3), (-3, 0), (0, None), (None, -1)])
def test_unsigned_distances_raise_and_show_what_is_meant(rule, bounds):
    with pytest.raises(ValueError, match=rf"rule='{rule}'.*lower < 0 < upper, such as lower=-3"):
        Winsorizer(*bounds, rule=rule).fit(ONE_TO_TEN)


def test_default_bounds_with_another_rule_raise():
    with pytest.raises(ValueError, match=r"found lower=0\.01, upper=0\.99"):
        Winsorizer(rule="mad").fit(ONE_TO_TEN)


@pytest.mark.parametrize("rule", ["std", "mad"])
def test_interpolation_of_no_quantile_raises(rule):
    with pytest.raises(ValueError, match=f"is for rule='quantile'; found rule='{rule}'"):
        Winsorizer(-1, 1, rule=rule, interpolation="order_statistic").fit(ONE_TO_TEN)


@pytest.mark.parametrize(
    "parameters",
    [
        {"lower": "1%"},
        {"upper": NAN},
        {"lower": -np.inf},
        {"rule": "iqr"},
        {"interpolation": "midpoint"},
        {"date_level": 1.5},
    ],
    ids=str,
)
def test_parameters_of_another_kind_raise(parameters):
    name = next(iter(parameters))
    with pytest.raises(ValueError, match=f"The '{name}' parameter of Winsorizer"):
        Winsorizer(**parameters).fit(ONE_TO_TEN)


@undated
@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_weights_raise(method):
    winsorizer = Winsorizer().fit(ONE_TO_TEN)
    with pytest.raises(ValueError, match="takes no weights: its bounds count assets"):
        getattr(winsorizer, method)(ONE_TO_TEN, weights=np.ones(10))


def test_weights_for_a_later_step_pass_by_under_routing():
    panel = random_panel(np.random.default_rng(0))
    weights = np.random.default_rng(1).random(len(panel)) + 0.1
    once = Winsorizer().fit_transform(panel)
    expected = FactorZScorer().fit_transform(once, weights=weights)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(Winsorizer(), FactorZScorer())
        assert_frame_equal(pipeline.fit_transform(panel, weights=weights), expected)
        assert_frame_equal(pipeline.transform(panel, weights=weights), expected)

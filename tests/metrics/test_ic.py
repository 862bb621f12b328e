"""ICs against loops of pandas and SciPy, laws, and what raises."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import random_panel
from sklearn.exceptions import UndefinedMetricWarning

from skfactor.metrics import ic, ic_by_date, ic_by_group, icir, rank_ic

law = settings(deadline=None, max_examples=30)
METHODS = ("pearson", "spearman")
SCORES = {"pearson": ic, "spearman": rank_ic}


def forecasts(seed=0, n_dates=8, n_assets=30, ties=False, **options):
    """Outcomes and predictions of a panel, NaN in both, in shuffled rows."""
    frame = random_panel(np.random.default_rng(seed), n_dates, n_assets, **options)
    frame = frame.set_axis(["y_true", "y_pred"], axis=1)
    frame["y_pred"] += frame["y_true"].fillna(0.0) * 2.0
    return frame.round(0) if ties else frame


def loop(frame, method):
    """Correlation of each date by pandas."""
    return pd.Series(
        {
            date: rows["y_true"].corr(rows["y_pred"], method=method)
            for date, rows in frame.groupby(level="date")
        }
    )


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_by_date_equals_a_loop_of_pandas(method, ties):
    frame = forecasts(ties=ties)
    assert frame.isna().any().all()
    expected = loop(frame, method)
    found = ic_by_date(frame["y_true"], frame["y_pred"], method=method)
    assert_series_equal(found, expected, check_names=False, check_freq=False, rtol=1e-12)
    assert found.index.name == "date"


@pytest.mark.parametrize("method", METHODS)
def test_average_and_ratio_are_those_of_the_dates(method):
    frame = forecasts()
    expected = loop(frame, method)
    pair = frame["y_true"], frame["y_pred"]
    assert_allclose(SCORES[method](*pair), expected.mean(), rtol=1e-12)
    assert_allclose(icir(*pair, method=method), expected.mean() / expected.std(), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_by_group_equals_a_loop_and_the_score_weighs_groups_by_their_pairs(method):
    frame = forecasts(n_assets=40)
    group = np.where(frame.index.get_level_values("asset") < "asset015", "a", "b")
    expected = pd.DataFrame({g: loop(frame[group == g], method) for g in "ab"})
    pair = frame["y_true"], frame["y_pred"]
    found = ic_by_group(*pair, groupby=group, method=method)
    assert_frame_equal(found, expected, check_names=False, check_freq=False, rtol=1e-12)
    complete = frame.dropna()
    dates = complete.index.get_level_values("date")
    sizes = pd.crosstab(dates, group[frame.notna().all(axis=1)])
    by_date = (expected * sizes).sum(axis=1) / sizes.sum(axis=1)
    assert_allclose(SCORES[method](*pair, groupby=group), by_date.mean(), rtol=1e-12)


def test_two_assets_agree_or_disagree():
    dates = [1, 1, 2, 2, 3, 3]
    found = ic_by_date([1.0, 2.0, 1.0, 2.0, 5.0, 4.0], [3.0, 9.0, 2.0, 1.0, 1.0, 0.0], dates=dates)
    assert_allclose(found, [1.0, -1.0, 1.0])


def test_one_date_is_its_own_average():
    y, p = np.arange(5.0), np.array([0.0, 2.0, 1.0, 4.0, 3.0])
    assert_allclose(rank_ic(y, p, dates=0), 0.8)
    assert_allclose(ic(y, p, dates="2024-01"), np.corrcoef(y, p)[0, 1])


# --- laws ---------------------------------------------------------------------------------------


@law
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_rows_and_levels_does_not_matter(seed):
    frame = forecasts(seed)
    swapped = frame.swaplevel().sample(frac=1.0, random_state=0)
    for score in (ic, rank_ic):
        assert_allclose(
            score(swapped["y_true"], swapped["y_pred"]),
            score(frame["y_true"], frame["y_pred"]),
            rtol=1e-10,
        )


@law
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100.0), shift=st.floats(-10, 10))
def test_scale_does_not_matter_and_sign_does(seed, scale, shift):
    frame = forecasts(seed)
    y, p = frame["y_true"], frame["y_pred"]
    assert_allclose(ic(y, scale * p + shift), ic(y, p), rtol=1e-9, atol=1e-12)
    assert_allclose(ic(y, -p), -ic(y, p), rtol=1e-9, atol=1e-12)
    assert_allclose(rank_ic(y, np.arctan(p)), rank_ic(y, p), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("score", [ic, rank_ic, icir])
def test_dates_may_come_from_either_index_or_the_argument(score):
    frame = forecasts()
    y, p = frame["y_true"], frame["y_pred"]
    expected = score(y, p)
    dates = frame.index.get_level_values("date")
    assert score(y, p.to_numpy()) == expected
    assert score(y.to_numpy(), p) == expected
    assert score(y.reset_index(drop=True), p.to_numpy(), dates=dates) == expected
    assert score(pl.Series(y.to_numpy()), list(p), dates=list(dates)) == expected
    assert score(y.to_frame(), p.to_numpy()[:, None]) == expected


def test_input_is_not_modified():
    frame = forecasts()
    before = frame.copy(deep=True)
    rank_ic(frame["y_true"], frame["y_pred"])
    assert_frame_equal(frame, before)


# --- degenerate dates ---------------------------------------------------------------------------


@pytest.mark.parametrize("score", [ic, rank_ic])
def test_dates_without_a_value_are_left_out_and_counted(score):
    y = pd.Series(np.arange(12.0), index=pd.Index([1] * 4 + [2] * 4 + [3] * 3 + [4], name="date"))
    p = np.array([0.0, 1, 2, 3, 7, 7, 7, 7, np.nan, np.nan, 1, 1])
    with pytest.warns(UndefinedMetricWarning, match=r"undefined on 3 of 4 dates.*first: 2"):
        assert_allclose(score(y, p), 1.0)


def test_the_warning_points_to_the_caller():
    y, p = pd.Series(range(4), index=pd.Index([1, 1, 2, 2], name="date")), [0.0, 1, 5, 5]
    for score in (ic, rank_ic):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            score(y, p)
        assert caught[0].filename == __file__


def test_predictions_that_are_constant_everywhere_score_nan():
    y = forecasts()["y_true"]
    with pytest.warns(UndefinedMetricWarning, match="8 of 8 dates"):
        assert np.isnan(rank_ic(y, np.full(len(y), 0.1)))
    with pytest.warns(UndefinedMetricWarning, match="8 of 8 dates"):
        assert np.isnan(icir(y, np.full(len(y), 0.1)))


# --- what raises --------------------------------------------------------------------------------

SCORERS = [ic, rank_ic, icir, ic_by_date]
each = pytest.mark.parametrize("score", SCORERS)


@each
def test_no_dates_raise(score):
    with pytest.raises(ValueError, match=r"there are no dates.*\(date, asset\).*dates="):
        score(np.arange(4.0), np.arange(4.0))
    lost = pd.Series(np.arange(4.0))
    with pytest.raises(ValueError, match="there are no dates"):
        score(lost, lost)


@each
def test_a_time_series_raises(score):
    y = pd.Series(range(4), index=pd.date_range("2020", periods=4))
    with pytest.raises(ValueError, match="each date has one row"):
        score(y, y)


@each
def test_one_asset_a_date_raises(score):
    index = pd.MultiIndex.from_product([range(4), ["a"]], names=["date", "asset"])
    y = pd.Series(range(4), index=index)
    with pytest.raises(ValueError, match="none has two rows"):
        score(y, y)


@each
def test_a_wide_table_raises_and_names_what_takes_one(score):
    y = pd.DataFrame(np.ones((4, 3)), index=pd.period_range("2020", periods=4, freq="M"))
    with pytest.raises(ValueError, match=r"y_true has 3 columns.*stack.*pricing_rmse"):
        score(y, y)


@each
def test_shuffled_rows_raise(score):
    frame = forecasts()
    shuffled = frame["y_pred"].sample(frac=1.0, random_state=1)
    with pytest.raises(ValueError, match=r"y_true and y_pred have different indexes: row 0 is"):
        score(frame["y_true"], shuffled)


@each
def test_duplicates_raise(score):
    frame = pd.concat([forecasts(), forecasts().iloc[:2]])
    with pytest.raises(ValueError, match=r"2 \(date, asset\) pairs occur more than once"):
        score(frame["y_true"], frame["y_pred"])


@each
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[:-1], "y_pred has|y_true has .* y_pred.loc|y_true.loc"),
        (lambda p: np.where(np.arange(len(p)) == 3, np.inf, p), "y_pred contains infinity"),
        (lambda p: p.astype(str).where(p > 0, "low"), "y_pred does not hold numbers"),
        (lambda p: p * np.nan, "No row has both"),
        (lambda p: p.sum(), "y_pred is a single number"),
    ],
    ids=["length", "infinity", "text", "nothing", "scalar"],
)
def test_bad_predictions_raise(score, change, message):
    frame = forecasts()
    with pytest.raises(ValueError, match=message):
        score(frame["y_true"], change(frame["y_pred"]))


@each
def test_dates_of_another_length_raise(score):
    with pytest.raises(ValueError, match="dates= has 3 values, y_pred has 4 rows"):
        score(np.arange(4.0), np.arange(4.0), dates=[1, 1, 2])


@each
def test_empty_input_raises(score):
    with pytest.raises(ValueError, match="y_true has no rows"):
        score([], [], dates=[])


def test_unknown_method_raises():
    frame = forecasts()
    for score in (icir, ic_by_date):
        with pytest.raises(ValueError, match=r"method='kendall' is unknown; .*'spearman'"):
            score(frame["y_true"], frame["y_pred"], method="kendall")


def test_ratio_of_one_date_raises():
    with pytest.raises(ValueError, match="only one date has a value"):
        icir([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], dates=0)


# --- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("grouped", [False, True])
def test_weights_are_numbers_of_rows(method, grouped):
    frame = forecasts()
    rng = np.random.default_rng(1)
    y, p = frame["y_true"], frame["y_pred"]
    weights = pd.Series(rng.integers(0, 4, size=len(frame)).astype(float), index=frame.index)
    groups = pd.Series(rng.choice(list("ab"), size=len(frame)), index=frame.index)
    rows = np.repeat(np.arange(len(frame)), weights.astype(int))
    repeated = frame.iloc[rows].reset_index()
    options = {"groupby": groups} if grouped else {}
    twice = {"groupby": groups.iloc[rows].to_numpy()} if grouped else {}
    found = ic_by_date(y, p, method=method, sample_weight=weights, **options)
    expected = ic_by_date(
        repeated["y_true"].to_numpy(),
        repeated["y_pred"].to_numpy(),
        method=method,
        dates=repeated["date"],
        **twice,
    )
    assert_allclose(found, expected, atol=1e-12)
    score = ic if method == "pearson" else rank_ic
    assert_allclose(score(y, p, sample_weight=weights, **options), expected.mean(), atol=1e-12)
    ratio = icir(y, p, method=method, sample_weight=weights, **options)
    assert_allclose(ratio, expected.mean() / expected.std(), rtol=1e-9)

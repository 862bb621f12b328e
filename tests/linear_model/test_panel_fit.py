"""partial_fit: the dates of a panel in several calls."""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import fama_macbeth_loop, random_panel
from reference_premia import random_two_pass
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from skfactor import BiasCorrectedFamaMacBeth, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning

DOCS = Path(__file__).parents[2] / "docs" / "streaming.md"


def _panel(seed=0, **shape):
    data = random_panel(np.random.default_rng(seed), **{"n_features": 3, "n_dates": 10} | shape)
    return data[["x0", "x1"]], data["x2"].rename("return") / 100.0


@pytest.fixture
def panel():
    return _panel()


def _calls(X, y, parts):
    """Rows of each part of the dates."""
    dates = X.index.get_level_values("date")
    for part in parts:
        rows = dates.isin(part)
        yield X[rows], y[rows]


def _fitted(X, y, parts, weights=None, **params):
    model = FamaMacBeth(**params)
    for some_X, some_y in _calls(X, y, parts):
        some = None if weights is None else weights.loc[some_X.index]
        assert model.partial_fit(some_X, some_y, sample_weight=some) is model
    return model


def _dates(X):
    return X.index.get_level_values("date").unique().sort_values()


def _assert_same(left, right):
    """Everything that a fit leaves, to the last bit."""
    assert_frame_equal(left.lambdas_, right.lambdas_, check_exact=True, check_freq=False)
    left_table, right_table = left.cross_sections_, right.cross_sections_
    assert_frame_equal(left_table, right_table, check_exact=True, check_freq=False)
    assert_series_equal(left.premia_, right.premia_, check_exact=True)
    assert left.dates_.equals(right.dates_)
    assert_array_equal(left.coef_, right.coef_)
    assert left.intercept_ == right.intercept_
    assert set(vars(left)) == set(vars(right))


# --- the numbers of one fit ---------------------------------------------------------------------


@pytest.mark.parametrize("n_dates_a_call", [1, 2, 3, 10])
@pytest.mark.parametrize("n_features", [2, 20])
def test_calls_in_order_give_the_numbers_of_one_fit_to_the_last_bit(n_dates_a_call, n_features):
    # Few and many exposures take different ways to their sums, and to their solution.
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [pd.period_range("2020-01", periods=10, freq="M"), range(60)], names=["date", "asset"]
    )
    index = index[rng.random(len(index)) < 0.9]
    X = pd.DataFrame(rng.normal(size=(len(index), n_features)), index).add_prefix("x")
    X = X.mask(rng.random(X.shape) < 0.01)
    y = pd.Series(rng.normal(size=len(index)), index)
    dates = _dates(X)
    parts = [dates[i : i + n_dates_a_call] for i in range(0, len(dates), n_dates_a_call)]
    _assert_same(_fitted(X, y, parts), FamaMacBeth().fit(X, y))


@settings(max_examples=15, deadline=None)
@given(
    st.permutations(range(8)),
    st.sets(st.integers(1, 7)),
    st.sampled_from([{}, {"fit_intercept": False}, {"premia_window": 4}, {"premia_halflife": 3.0}]),
    st.booleans(),
)
def test_any_order_and_any_parts_agree_with_a_loop(order, cuts, params, weighted):
    X, y = _panel(1, n_dates=8)
    weights = None
    if weighted:
        rng = np.random.default_rng(0)
        weights = pd.Series(rng.uniform(0.1, 5.0, len(y)), y.index)
    dates = _dates(X)[order]
    parts = [dates[i:j] for i, j in zip([0, *sorted(cuts)], [*sorted(cuts), 8], strict=True)]
    model = _fitted(X, y, parts, weights, **params)
    fit_intercept = params.get("fit_intercept", True)
    expected = fama_macbeth_loop(X, y, weights, fit_intercept=fit_intercept)
    assert_allclose(model.lambdas_, expected, rtol=1e-10, atol=1e-13)
    assert model.dates_.equals(_dates(X))
    _assert_same(model, FamaMacBeth(**params).fit(X, y, sample_weight=weights))


def test_fit_and_partial_fit_add_up_and_fit_starts_anew(panel):
    X, y = panel
    dates = _dates(X)
    (X_old, y_old), (X_new, y_new) = _calls(X, y, [dates[:7], dates[7:]])
    _assert_same(FamaMacBeth().fit(X_old, y_old).partial_fit(X_new, y_new), FamaMacBeth().fit(X, y))
    again = FamaMacBeth().partial_fit(X_old, y_old).fit(X_new, y_new)
    _assert_same(again, FamaMacBeth().fit(X_new, y_new))


def test_what_follows_from_premia_is_that_of_one_fit(panel):
    X, y = panel
    model, whole = _fitted(X, y, [_dates(X)[5:], _dates(X)[:5]]), FamaMacBeth().fit(X, y)
    assert_array_equal(model.predict(X), whole.predict(X))
    assert model.score(X, y) == whole.score(X, y)
    kernel = {"kernel": "bartlett", "bandwidth": 2}
    assert_frame_equal(model.inference(**kernel).cov, whole.inference(**kernel).cov)
    # The table ends in the time at which it was made.
    assert "Dates used:" in str(model.summary())
    assert_frame_equal(model.slope_portfolios(X), whole.slope_portfolios(X))


def test_dates_and_weights_may_come_as_arrays(panel):
    X, y = panel
    model = FamaMacBeth()
    for date in _dates(X)[::-1]:
        today = X.index.get_level_values("date") == date
        model.partial_fit(X[today].to_numpy(), y[today].to_numpy(), dates=date)
    expected = FamaMacBeth().fit(X, y)
    assert_array_equal(model.lambdas_, expected.lambdas_)
    assert_array_equal(model.premia_, expected.premia_)


def test_a_target_of_one_column_keeps_its_shape(panel):
    X, y = panel
    assert FamaMacBeth().partial_fit(X, y.to_frame()).predict(X).shape == (len(X), 1)


def test_without_dates_each_call_is_one_cross_section(panel):
    X, y = panel
    model = FamaMacBeth()
    dates = _dates(X)[:3]
    for some_X, some_y in _calls(X, y, [[date] for date in dates]):
        with pytest.warns(NoDatesWarning, match="one cross-section") as caught:
            model.partial_fit(some_X.to_numpy(), some_y.to_numpy())
        assert [warning.filename for warning in caught] == [__file__]
    assert list(model.dates_) == [0, 1, 2]
    expected = FamaMacBeth().fit(X, y).lambdas_.loc[dates]
    assert_allclose(model.lambdas_, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "labels",
    [
        pd.period_range("2020-01", periods=4, freq="M"),
        pd.DatetimeIndex(pd.date_range("2020-01-31", periods=4, freq="D", tz="UTC")),
        [2020, 2021, 2022, 2024],
        ["2020-01", "2020-02", "2020-03", "2020-11"],
    ],
    ids=["periods", "zoned", "integers", "text"],
)
def test_dates_of_every_kind_are_put_in_order(labels):
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([labels, range(9)], names=["month", "asset"])
    X, y = pd.DataFrame(rng.normal(size=(36, 2)), index, ["a", "b"]), pd.Series(rng.normal(size=36))
    y.index = index
    model = FamaMacBeth()
    for part in (slice(18, 36), slice(0, 9), slice(9, 18)):
        model.partial_fit(X.iloc[part], y.iloc[part])
    _assert_same(model, FamaMacBeth().fit(X, y))


def test_a_model_is_pickled_between_calls(panel):
    X, y = panel
    (first, second) = _calls(X, y, [_dates(X)[:5], _dates(X)[5:]])
    model = pickle.loads(pickle.dumps(FamaMacBeth().partial_fit(*first)))
    _assert_same(model.partial_fit(*second), FamaMacBeth().fit(X, y))


def test_the_rows_of_a_call_are_not_kept():
    X, y = _panel(n_dates=4, n_assets=4000)
    model = FamaMacBeth()
    tracemalloc.start()
    for call in _calls(X, y, [[date] for date in _dates(X)]):
        model.partial_fit(*call)
    del call
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(pickle.dumps(model)) < 10_000
    assert kept < X.memory_usage(index=False).sum() / 2


# --- the recipe for pipelines -------------------------------------------------------------------


def test_per_date_steps_chunk_by_chunk_are_the_pipeline_fitted_at_once(panel):
    X, y = panel
    steps = make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(indicators=None))
    model = FamaMacBeth()
    for some_X, some_y in _calls(X, y, [[date] for date in _dates(X)]):
        model.partial_fit(steps.fit_transform(some_X), some_y)
    whole = make_pipeline(*steps, FamaMacBeth()).fit(X, y)
    assert_allclose(model.lambdas_, whole[-1].lambdas_, rtol=1e-12, atol=1e-15)
    streamed = make_pipeline(*steps, model)
    assert_allclose(streamed.predict(X), whole.predict(X), rtol=1e-12)


def test_the_documented_recipe_runs():
    text = DOCS.read_text(encoding="utf-8")
    ((code, output),) = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    printed = io.StringIO()
    names: dict = {}
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "streaming.md", "exec"), names)
    assert printed.getvalue() == output
    whole = make_pipeline(*names["steps"], FamaMacBeth()).fit(names["X"], names["y"])
    assert_allclose(names["model"].premia_, whole[-1].premia_, rtol=1e-12)


def test_routing_asks_for_dates():
    assert get_routing_for_object(FamaMacBeth()).partial_fit.requests["dates"] is True
    with config_context(enable_metadata_routing=True):
        asked = FamaMacBeth().set_partial_fit_request(sample_weight=True)
    assert get_routing_for_object(asked).partial_fit.requests["sample_weight"] is True


# --- dates that cannot be estimated -------------------------------------------------------------


def test_a_call_of_thin_dates_warns_and_the_result_is_that_of_one_fit(panel):
    X, y = panel
    dates = _dates(X)
    y = y.copy()
    y[y.index.get_level_values("date").isin(dates[:2])] = np.nan
    model = FamaMacBeth()
    thin, others = _calls(X, y, [dates[:2], dates[2:]])
    with pytest.warns(RankDeficientWarning, match="premia of 2 of 2 dates are NaN") as caught:
        model.partial_fit(*thin)
    assert [warning.filename for warning in caught] == [__file__]
    assert model.premia_.isna().all()
    model.partial_fit(*others)
    with pytest.warns(RankDeficientWarning, match="premia of 2 of 10 dates are NaN"):
        whole = FamaMacBeth().fit(X, y)
    _assert_same(model, whole)


def test_dates_that_fail_raise_on_request_and_leave_the_model(panel):
    X, y = panel
    dates = _dates(X)
    first, second = _calls(X, y, [dates[:9], dates[9:]])
    model = FamaMacBeth(rank_deficient="raise").partial_fit(*first)
    with pytest.raises(ValueError, match=r"premia of 1 of 1 dates cannot be estimated"):
        model.partial_fit(second[0], second[1] * np.nan)
    _assert_same(model.partial_fit(*second), FamaMacBeth(rank_deficient="raise").fit(X, y))


def test_a_window_without_an_estimate_waits_for_other_dates(panel):
    X, y = panel
    dates = _dates(X)
    first, second, third = _calls(X, y, [dates[:4], dates[4:6], dates[6:]])
    model = FamaMacBeth(premia_window=2).partial_fit(*first)
    with pytest.warns(RankDeficientWarning, match="2 of 2 dates are NaN"):
        model.partial_fit(second[0], second[1] * np.nan)
    assert model.premia_.isna().all()
    expected = FamaMacBeth(premia_window=2).fit(*third).premia_
    assert_series_equal(model.partial_fit(*third).premia_, expected)


def test_an_indicator_without_members_for_some_years_is_no_mistake(panel):
    X, y = panel
    dates = _dates(X)
    late = X.index.get_level_values("date") >= dates[6]
    assets = X.index.get_level_values("asset")
    X = X.assign(is_new=np.where(late, assets.isin(assets.unique()[::2]), 0.0))
    first, second = _calls(X, y, [dates[:6], dates[6:]])
    with pytest.warns(RankDeficientWarning, match="6 of 6 dates are NaN"):
        model = FamaMacBeth().partial_fit(*first)
    model.partial_fit(*second)
    with pytest.warns(RankDeficientWarning, match="6 of 10 dates are NaN"):
        _assert_same(model, FamaMacBeth().fit(X, y))


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_factor_returns_are_noticed_across_calls(panel, fit_intercept):
    X, y = panel
    factor = X.groupby("date")[["x0"]].transform("mean")
    calls = _calls(factor, y, [[date] for date in _dates(X)])
    model = FamaMacBeth(fit_intercept=fit_intercept)
    if fit_intercept:
        with pytest.warns(RankDeficientWarning, match="1 of 1 dates are NaN"):
            model.partial_fit(*next(calls))
    else:
        model.partial_fit(*next(calls))
    with pytest.raises(ValueError, match=r"\['x0'\] vary over dates but not within any"):
        model.partial_fit(*next(calls))
    assert len(model.dates_) == 1


# --- mistakes, after which the model is what it was ---------------------------------------------


def _mistakes(X, y, known):
    """Calls that have to fail after the dates in ``known``, with their message."""
    new = X[~X.index.get_level_values("date").isin(known)]
    old = X[X.index.get_level_values("date") == known[0]]
    mixed = pd.concat([new, old])
    periods = new.index.set_levels(new.index.levels[0].to_period("M"), level=0)
    wide = pd.DataFrame(np.ones((len(new), 3)), new.index)
    return {
        "seen": (mixed, y[mixed.index], r"1 of these \d dates were there before, .* 2020-01-31"),
        "names": (new.rename(columns={"x0": "z"}), y[new.index], "feature names should match"),
        "number": (new.to_numpy()[:, :1], y[new.index], "X has 1 features, but FamaMacBeth"),
        "order": (new, y[new.index][::-1], "X and y have different indexes"),
        "infinite": (new, y[new.index] * np.inf, "y contains infinity"),
        "wide": (new, wide, "y has 3 columns, one per asset: in this form new dates change every"),
        "undated": (new.reset_index(drop=True), y[new.index].to_numpy(), "had dates, but the rows"),
        "kind": (
            new.set_axis(periods),
            y[new.index].to_numpy(),
            "Dates are periods of frequency M here, and were times before",
        ),
    }


@pytest.mark.parametrize("name", _mistakes(*_panel(), _dates(_panel()[0])[:4]))
# Some mistakes are first told as a warning.
@pytest.mark.filterwarnings("ignore:No dates were found", "ignore:X does not have valid feature")
def test_a_mistake_raises_and_leaves_the_model_as_it_was(panel, name):
    X, y = panel
    known = _dates(X)[:4]
    model = _fitted(X, y, [known])
    before = vars(model).copy()
    some_X, some_y, message = _mistakes(X, y, known)[name]
    with pytest.raises(ValueError, match=message):
        model.partial_fit(some_X, some_y)
    assert vars(model) == before or all(vars(model)[key] is before[key] for key in before)
    rest = next(_calls(X, y, [_dates(X)[4:]]))
    _assert_same(model.partial_fit(*rest), FamaMacBeth().fit(X, y))


def test_a_first_call_that_fails_leaves_an_unfitted_model(panel):
    X, y = panel
    model = FamaMacBeth()
    with pytest.raises(ValueError, match="y contains infinity"):
        model.partial_fit(X, y * np.inf)
    assert vars(model) == vars(FamaMacBeth())


def test_missing_values_raise_on_request(panel):
    with pytest.raises(ValueError, match="X has missing values in"):
        FamaMacBeth(missing="raise").partial_fit(*panel)


@pytest.mark.parametrize(
    ("params", "message"),
    [({"betas": FamaMacBeth()}, "betas= is the first pass"), ({"weighting": "gls"}, "weighting=")],
)
def test_parameters_of_the_wide_form_raise(panel, params, message):
    with pytest.raises(ValueError, match=message):
        FamaMacBeth(**params).partial_fit(*panel)


def test_dates_after_calls_without_raise(panel):
    X, y = panel
    with pytest.warns(NoDatesWarning):
        model = FamaMacBeth().partial_fit(X.to_numpy(), y.to_numpy())
    with pytest.raises(ValueError, match="had no dates, but the rows have dates"):
        model.partial_fit(X.to_numpy(), y.to_numpy(), dates="2020-01-31")


def test_a_model_of_the_wide_form_takes_no_more_dates(panel):
    factors, returns = random_two_pass(np.random.default_rng(0))
    model = FamaMacBeth().fit(factors, returns)
    with pytest.raises(ValueError, match="fitted with one column per asset in y"):
        model.partial_fit(*panel)
    assert model.betas_.shape == (8, 2)


def test_an_intercept_cannot_come_or_go_between_calls(panel):
    X, y = panel
    first, second = _calls(X, y, [_dates(X)[:5], _dates(X)[5:]])
    model = FamaMacBeth().partial_fit(*first).set_params(fit_intercept=False)
    with pytest.raises(ValueError, match="fit_intercept was changed after dates"):
        model.partial_fit(*second)


def test_models_of_the_wide_form_have_no_partial_fit():
    assert not hasattr(BiasCorrectedFamaMacBeth(), "partial_fit")

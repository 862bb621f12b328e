"""R squared against zero and of average returns, and pricing errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score

from skfactor import FamaMacBeth
from skfactor.datasets import make_two_pass
from skfactor.metrics import cross_sectional_r2_score, pricing_rmse, r2_zero

NAN = np.nan
WIDE = [cross_sectional_r2_score, pricing_rmse]
wide = pytest.mark.parametrize("score", WIDE)


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    y = pd.DataFrame(rng.normal(size=(20, 6)), columns=list("abcdef"))
    p = y * 0.1 + rng.normal(size=(20, 6)) * 0.1
    y[rng.random(y.shape) < 0.2] = NAN
    p[rng.random(p.shape) < 0.1] = NAN
    return y, p


def test_against_zero_equals_the_sums_of_pandas_in_either_form(tables):
    y, p = tables
    long = pd.DataFrame({"y": y.stack(), "p": p.stack()}).dropna()
    expected = 1 - ((long["y"] - long["p"]) ** 2).sum() / (long["y"] ** 2).sum()
    assert_allclose(r2_zero(long["y"], long["p"]), expected, rtol=1e-12)
    assert_allclose(r2_zero(y, p), expected, rtol=1e-12)
    assert_allclose(r2_zero(y, p.to_numpy()), expected, rtol=1e-12)


def test_against_zero_is_that_of_scikit_learn_where_the_mean_is_zero():
    y = np.array([1.0, -1.0, 2.0, -2.0])
    p = np.array([0.5, -0.2, 1.0, -3.0])
    assert_allclose(r2_zero(y, p), r2_score(y, p), rtol=1e-12)
    assert r2_zero(y, np.zeros(4)) == 0.0
    assert r2_zero(y, y) == 1.0


@pytest.mark.parametrize("score", [r2_zero, *WIDE])
def test_whole_weights_are_repetitions(tables, score):
    y, p = tables
    repeats = np.arange(20) % 3
    again = [table.loc[table.index.repeat(repeats)] for table in (y, p)]
    assert_allclose(score(y, p, sample_weight=repeats), score(*again), rtol=1e-12)


def test_outcomes_of_zero_have_no_r_squared():
    assert np.isnan(r2_zero(np.zeros(3), np.ones(3)))


def test_averages_are_over_the_periods_that_have_both(tables):
    y, p = tables
    both = y.notna() & p.notna()
    actual, expected = y[both].mean(), p[both].mean()
    assert_allclose(cross_sectional_r2_score(y, p), r2_score(actual, expected), rtol=1e-12)
    rmse = np.sqrt(((actual - expected) ** 2).mean())
    assert_allclose(pricing_rmse(y, p), rmse, rtol=1e-12)
    around_zero = 1 - ((actual - expected) ** 2).sum() / (actual**2).sum()
    assert_allclose(cross_sectional_r2_score(y, p, fit_intercept=False), around_zero, rtol=1e-12)


def test_score_of_the_wide_model_is_the_same():
    factors, returns = make_two_pass(random_state=0, return_X_y=True)
    model = FamaMacBeth().fit(factors, returns)
    later = returns.iloc[100:]
    predicted = model.predict(factors.iloc[100:])
    found = cross_sectional_r2_score(later, predicted)
    assert_allclose(found, model.score(factors.iloc[100:], later), rtol=1e-12)
    rmse = pricing_rmse(returns, model.predict(factors))
    assert_allclose(rmse, np.sqrt((model.pricing_errors_**2).mean()), rtol=1e-12)


def test_an_asset_without_a_pair_is_left_out(tables):
    y, p = (table.drop(columns="a") for table in tables)
    empty = tables[0].assign(a=NAN)
    for score in WIDE:
        assert_allclose(score(empty, tables[1]), score(y, p), rtol=1e-12)


def test_averages_that_do_not_vary_have_no_r_squared():
    y = np.full((5, 3), 0.1)
    assert np.isnan(cross_sectional_r2_score(y, y + np.arange(3)))


# --- what raises --------------------------------------------------------------------------------


@wide
def test_a_panel_raises_and_names_what_takes_one(score):
    index = pd.MultiIndex.from_product([range(3), range(4)], names=["date", "asset"])
    y = pd.Series(range(12), index=index)
    with pytest.raises(ValueError, match=r"one column each, and y_true has one.*rank_ic"):
        score(y, y)


@pytest.mark.parametrize("score", [r2_zero, *WIDE])
def test_columns_in_another_order_raise(tables, score):
    y, p = tables
    with pytest.raises(ValueError, match="different columns"):
        score(y, p[list("fedcba")])


@pytest.mark.parametrize("score", [r2_zero, *WIDE])
def test_rows_in_another_order_raise(tables, score):
    y, p = (t.set_axis(pd.period_range("2020", periods=20, freq="M")) for t in tables)
    with pytest.raises(ValueError, match="y_true and y_pred have different indexes"):
        score(y, p[::-1])


@pytest.mark.parametrize("score", [r2_zero, *WIDE])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[:-1], "y_true has 20 rows and y_pred 19.*y_true.loc"),
        (lambda p: p.replace(p.iloc[3, 0], np.inf), "y_pred contains infinity"),
        (lambda p: p * NAN, "No row has both"),
        (lambda p: p.astype(object).mask(p == p.iloc[3, 0], "n/a"), "y_pred does not hold numbers"),
    ],
    ids=["length", "infinity", "nothing", "text"],
)
def test_bad_predictions_raise(tables, score, change, message):
    y, p = tables
    with pytest.raises(ValueError, match=message):
        score(y, change(p))


@wide
def test_one_asset_with_pairs_raises(tables, score):
    y, p = tables
    with pytest.raises(ValueError, match="needs two assets"):
        score(y[["a"]].reindex(columns=y.columns), p)

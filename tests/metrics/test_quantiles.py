"""Returns by quantile and their Sharpe ratio against pandas, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from reference import random_panel
from sklearn.exceptions import UndefinedMetricWarning

from skfactor.datasets import make_panel
from skfactor.metrics import evaluate_forecasts, long_short_sharpe, quantile_returns_by_date
from skfactor.portfolios import PortfolioSorter, portfolio_returns


def forecasts(n_dates=8, n_assets=30, **options):
    frame = random_panel(np.random.default_rng(0), n_dates, n_assets, **options)
    return frame.set_axis(["y", "p"], axis=1)


def loop(frame, n_quantiles, weights=None):
    """Returns by date and quantile of ``pandas.qcut``."""
    table = {}
    w = pd.Series(1.0, index=frame.index) if weights is None else weights
    complete = frame.assign(w=w).dropna()
    for date, rows in complete.groupby(level="date"):
        quantile = pd.qcut(rows["p"], n_quantiles, labels=range(1, n_quantiles + 1)).astype(int)
        sums = (rows["y"] * rows["w"]).groupby(quantile).sum()
        table[date] = sums / rows["w"].groupby(quantile).sum()
    return pd.DataFrame(table).T


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_quantiles", [2, 4, 8])  # edges of others round in some pandas
def test_returns_equal_those_of_a_loop_of_pandas(n_quantiles, weighted):
    frame = forecasts()
    weights = None
    if weighted:
        weights = pd.Series(np.random.default_rng(1).random(len(frame)) + 0.1, index=frame.index)
    expected = loop(frame, n_quantiles, weights)
    options = {"n_quantiles": n_quantiles, "sample_weight": weights}
    found = quantile_returns_by_date(frame["y"], frame["p"], **options)
    assert_frame_equal(
        found, expected, check_names=False, check_freq=False, check_column_type=False, rtol=1e-12
    )
    spread = expected[n_quantiles] - expected[1]
    assert_allclose(
        long_short_sharpe(frame["y"], frame["p"], **options),
        spread.mean() / spread.std(),
        rtol=1e-12,
    )


def test_order_of_rows_and_of_levels_does_not_matter():
    frame = forecasts()
    swapped = frame.swaplevel().sample(frac=1.0, random_state=0)
    assert_allclose(
        long_short_sharpe(swapped["y"], swapped["p"], n_quantiles=4),
        long_short_sharpe(frame["y"], frame["p"], n_quantiles=4),
        rtol=1e-12,
    )


def test_thin_dates_are_left_out_and_counted():
    frame = forecasts(missing=0.0)
    thin = frame.index.get_level_values("date") == "2020-01-31"
    few = frame[~thin | (np.cumsum(thin) <= 3)]
    with pytest.warns(UndefinedMetricWarning, match=r"undefined on 1 of 8 dates.*4 quantiles"):
        found = long_short_sharpe(few["y"], few["p"], n_quantiles=4)
    kept = frame[~thin]
    assert found == long_short_sharpe(kept["y"], kept["p"], n_quantiles=4)
    with pytest.warns(UndefinedMetricWarning, match=r"some quantile is undefined on 1 of 8 dates"):
        table = quantile_returns_by_date(few["y"], few["p"], n_quantiles=4)
    assert table.isna().sum().tolist() == [1] * 4


def test_ties_leave_quantiles_empty_and_are_counted():
    frame = forecasts(missing=0.0)
    with pytest.warns(UndefinedMetricWarning, match="8 of 8 dates.*or ties"):
        assert np.isnan(long_short_sharpe(frame["y"], np.ones(len(frame)), n_quantiles=4))


def test_ties_are_assigned_as_portfolios_are():
    frame = forecasts(missing=0.0)
    rating = frame["p"].rank(pct=True).mul(7).round()
    labels = PortfolioSorter(3).fit_transform(rating.to_frame())["p"]
    expected = portfolio_returns(labels, frame["y"])
    found = quantile_returns_by_date(frame["y"], rating, n_quantiles=3)
    assert_allclose(found, expected, rtol=1e-12)
    assert found.notna().all(axis=None)


def test_a_rating_that_leaves_quantiles_empty_is_counted():
    frame = forecasts(missing=0.0)
    rating = (frame["p"] > frame["p"].median()).astype(float)
    with pytest.warns(UndefinedMetricWarning, match=r"quantile is undefined on 8 of 8 dates.*ties"):
        found = quantile_returns_by_date(frame["y"], rating, n_quantiles=5)
    assert found[1].notna().all()
    assert found.isna().any(axis=1).all()


def test_more_quantiles_than_assets_raise():
    frame = forecasts(n_assets=6)
    with pytest.raises(ValueError, match=r"into 10 quantiles, and none of the 8 dates has more"):
        long_short_sharpe(frame["y"], frame["p"])


@pytest.mark.parametrize("n_quantiles", [1, 2.5, True, "10"])
def test_number_of_quantiles_is_checked(n_quantiles):
    frame = forecasts()
    with pytest.raises(ValueError, match=r"n_quantiles=.* has to be a whole number, at least 2"):
        quantile_returns_by_date(frame["y"], frame["p"], n_quantiles=n_quantiles)


def test_one_date_has_no_sharpe_ratio():
    with pytest.raises(ValueError, match="only one date has a value"):
        long_short_sharpe(np.arange(4.0), np.arange(4.0), n_quantiles=2, dates=0)


def test_a_wide_table_raises():
    with pytest.raises(ValueError, match="y_true has 3 columns"):
        long_short_sharpe(np.ones((4, 3)), np.ones((4, 3)), dates=range(4))


def test_quantiles_within_groups_pool_what_each_group_sorts():
    X, y = make_panel(n_dates=6, n_assets=90, random_state=0, return_X_y=True)
    number = pd.factorize(X.index.get_level_values("asset"), sort=True)[0]
    sector = pd.Series(number % 3, X.index)
    cap = pd.Series(1.0 + number % 7, X.index)
    prediction = X["x1"] + 3.0 * sector  # sectors differ more than assets in them
    data = pd.DataFrame({"y": y, "p": prediction, "cap": cap, "sector": sector})
    data["q"] = data.groupby(["date", "sector"])["p"].transform(
        lambda p: pd.qcut(p, 5, labels=False) + 1
    )
    plain = data.groupby(["date", "q"])["y"].mean().unstack()  # noqa: PD010 -- pivot_table would average duplicates
    data["capped"] = data["y"] * data["cap"]
    sums = data.groupby(["date", "q"])[["capped", "cap"]].sum()
    weighted = (sums["capped"] / sums["cap"]).unstack()  # noqa: PD010 -- pivot_table would average duplicates
    for shuffled in (data, data.sample(frac=1.0, random_state=0)):
        given = {"n_quantiles": 5, "groupby": shuffled["sector"]}
        found = quantile_returns_by_date(shuffled["y"], shuffled["p"], **given)
        np.testing.assert_allclose(found, plain)
        by_cap = quantile_returns_by_date(
            shuffled["y"], shuffled["p"], sample_weight=shuffled["cap"], **given
        )
        np.testing.assert_allclose(by_cap, weighted)
        spread = plain[5] - plain[1]
        sharpe = long_short_sharpe(shuffled["y"], shuffled["p"], **given)
        np.testing.assert_allclose(sharpe, spread.mean() / spread.std())
        evaluation = evaluate_forecasts(
            shuffled["y"], shuffled["p"], sample_weight=shuffled["cap"], **given
        )
        np.testing.assert_allclose(evaluation.by_date["spread"], weighted[5] - weighted[1])
        across = evaluate_forecasts(shuffled["y"], shuffled["p"], n_quantiles=5)
        np.testing.assert_allclose(evaluation.by_date["ic"], across.by_date["ic"])


def test_groups_without_quantiles_are_counted():
    X, y = make_panel(n_dates=3, n_assets=40, random_state=0, return_X_y=True)
    number = pd.factorize(X.index.get_level_values("asset"), sort=True)[0]
    with pytest.warns(UndefinedMetricWarning, match=r"3 of 6 groups on dates.*12 of 120 rows"):
        found = quantile_returns_by_date(y, X["x1"], n_quantiles=5, groupby=number < 4)
    rest = number >= 4
    expected = quantile_returns_by_date(y[rest], X.loc[rest, "x1"], n_quantiles=5)
    pd.testing.assert_frame_equal(found, expected)

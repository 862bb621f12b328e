"""Rank autocorrelation and turnover against loops over dates, and what raises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from reference import random_panel
from scipy.stats import spearmanr
from sklearn.exceptions import UndefinedMetricWarning

from skfactor.datasets import make_panel
from skfactor.metrics import (
    quantile_turnover,
    quantile_turnover_by_date,
    rank_autocorrelation,
    rank_autocorrelation_by_date,
)

MEASURES = [
    rank_autocorrelation,
    lambda p, **options: quantile_turnover(p, n_quantiles=3, **options),
]
each = pytest.mark.parametrize("measure", MEASURES, ids=["autocorrelation", "turnover"])


def predictions(n_dates=8, n_assets=40, **options):
    """Predictions that last: each date's are near those of the date before."""
    frame = random_panel(np.random.default_rng(0), n_dates, n_assets, 1, **options)
    last = frame.groupby(level="asset")["x0"].transform("first")
    return (frame["x0"] + 2.0 * last).rename("prediction")


@pytest.mark.parametrize("lag", [1, 3])
def test_autocorrelation_equals_a_loop_of_pandas(lag):
    p = predictions()
    wide = p.to_frame().pivot_table(values="prediction", index="date", columns="asset")
    expected = [
        wide.iloc[t].corr(wide.iloc[t - lag], method="spearman") for t in range(lag, len(wide))
    ]
    assert_allclose(rank_autocorrelation(p, lag=lag), np.mean(expected), rtol=1e-12)


def sets_by_quantile(p, n_quantiles):
    quantile = p.dropna().groupby(level="date").transform(pd.qcut, n_quantiles, labels=False) + 1
    return {
        date: [
            set(rows.index.get_level_values("asset")[rows == q]) for q in range(1, 1 + n_quantiles)
        ]
        for date, rows in quantile.groupby(level="date")
    }


def test_turnover_equals_a_loop_over_sets_of_names():
    p = predictions()
    sets = sets_by_quantile(p, 4)
    expected = pd.DataFrame(
        {
            after: [
                len(new - old) / len(new)
                for old, new in zip(sets[before], sets[after], strict=True)
            ]
            for before, after in pairwise(sets)
        },
        index=range(1, 5),
    ).T
    found = quantile_turnover_by_date(p, n_quantiles=4)
    assert found.iloc[0].isna().all()
    assert_frame_equal(
        found.iloc[1:], expected, check_names=False, check_freq=False, check_column_type=False
    )
    assert_allclose(quantile_turnover(p, n_quantiles=4), expected[[1, 4]].mean(axis=None))


def test_what_never_changes_has_no_turnover():
    p = pd.Series(
        np.tile(np.arange(12.0), 4),
        index=pd.MultiIndex.from_product([range(4), range(12)], names=["date", "asset"]),
    )
    assert_allclose(rank_autocorrelation(p), 1.0)
    assert quantile_turnover(p, n_quantiles=4) == 0.0
    reversed_ = p * np.where(np.arange(48) // 12 % 2, -1.0, 1.0)
    assert_allclose(rank_autocorrelation(reversed_), -1.0)
    assert_allclose(rank_autocorrelation(reversed_, lag=2), 1.0)


@each
def test_order_of_rows_and_source_of_labels_do_not_matter(measure):
    p = predictions()
    expected = measure(p)
    assert_allclose(measure(p.swaplevel().sample(frac=1.0, random_state=0)), expected)
    labels = {name: p.index.get_level_values(f"{name[:-1]}") for name in ("dates", "assets")}
    assert_allclose(measure(p.to_numpy(), **labels), expected)
    assert_allclose(measure(p.to_numpy(), dates=p.index), expected)


@each
def test_a_missing_month_is_a_gap_for_periods(measure):
    p = predictions(missing=0.0)
    months = pd.period_range("2020-01", periods=8, freq="M")
    p = p.set_axis(p.index.set_levels(months, level="date"))
    dates = p.index.get_level_values("date")
    gap = p[dates != months[3]]
    with pytest.warns(UndefinedMetricWarning, match="undefined on 1 of 6 dates"):
        found = measure(gap)
    parts = p[dates < months[3]], p[dates > months[3]]
    assert_allclose(found, np.average([measure(part) for part in parts], weights=[2, 3]))


@each
def test_no_assets_raise(measure):
    p = predictions()
    with pytest.raises(ValueError, match=r"which row is which asset.*assets="):
        measure(p.to_numpy(), dates=p.index.get_level_values("date"))


@each
def test_no_dates_raise(measure):
    with pytest.raises(ValueError, match="there are no dates"):
        measure(np.arange(10.0))


@each
@pytest.mark.parametrize("lag", [0, -1, 1.5, True])
def test_lag_is_checked(measure, lag):
    with pytest.raises(ValueError, match=r"lag=.* has to be a whole number of dates, at least 1"):
        measure(predictions(), lag=lag)


@each
def test_lag_beyond_the_sample_raises(measure):
    with pytest.raises(ValueError, match="lie 8 apart, and the sample has 8"):
        measure(predictions(), lag=8)


@each
def test_only_nan_raises(measure):
    with pytest.raises(ValueError, match="no value at all, only NaN"):
        measure(predictions() * np.nan)


def test_more_quantiles_than_assets_raise():
    with pytest.raises(ValueError, match="into 100 quantiles"):
        quantile_turnover(predictions(), n_quantiles=100)


def test_rank_autocorrelation_by_date_is_that_of_scipy():
    X, _ = make_panel(n_dates=8, n_assets=30, random_state=0, return_X_y=True)
    wide = X["x1"].sample(frac=0.8, random_state=0).unstack("asset").sort_index()  # noqa: PD010 -- pivot_table would average duplicates
    for lag in (1, 3):
        found = rank_autocorrelation_by_date(wide.stack(), lag=lag)
        assert found[:lag].isna().all()
        for t in range(lag, 8):
            pair = wide.iloc[[t - lag, t]].dropna(axis=1)
            expected = spearmanr(*pair.to_numpy()).statistic
            np.testing.assert_allclose(found.iloc[t], expected)
        assert found.mean() == pytest.approx(rank_autocorrelation(wide.stack(), lag=lag))


def test_turnover_within_groups_is_that_of_their_quantiles():
    X, _ = make_panel(n_dates=5, n_assets=60, random_state=0, return_X_y=True)
    number = pd.factorize(X.index.get_level_values("asset"), sort=True)[0]
    data = pd.DataFrame({"p": X["x1"] + 3.0 * (number % 3), "sector": number % 3}, X.index)
    data["q"] = data.groupby(["date", "sector"])["p"].transform(
        lambda p: pd.qcut(p, 4, labels=False) + 1
    )
    wide = data["q"].unstack("asset")  # noqa: PD010 -- pivot_table would average duplicates
    found = quantile_turnover_by_date(data["p"], n_quantiles=4, groupby=data["sector"])
    for t in range(1, 5):
        for q in range(1, 5):
            now, before = (set(wide.columns[wide.iloc[s] == q]) for s in (t, t - 1))
            np.testing.assert_allclose(found.iloc[t, q - 1], 1.0 - len(now & before) / len(now))
    mean = quantile_turnover(data["p"], n_quantiles=4, groupby=data["sector"])
    np.testing.assert_allclose(mean, found[[1, 4]].mean(axis=1).mean())

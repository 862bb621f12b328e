"""Means over dates and their errors against statsmodels, gaps, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy import stats

from skfactor.exceptions import SmallSampleWarning
from skfactor.metrics import infer_mean


def series(n=60, seed=0, overlap=1):
    """A moving sum of noise: correlated for overlap - 1 lags."""
    noise = np.random.default_rng(seed).normal(size=n + overlap - 1)
    values = np.convolve(noise, np.ones(overlap), "valid") + 0.5
    return pd.Series(values, index=pd.period_range("2000-01", periods=n, freq="M"), name="ic")


def test_without_overlap_it_is_the_t_test():
    s = series()
    found, expected = infer_mean(s), stats.ttest_1samp(s, 0.0)
    assert_allclose(found.t_value, expected.statistic, rtol=1e-12)
    assert_allclose(found.p_value, expected.pvalue, rtol=1e-12)
    interval = found.conf_int(0.9)
    assert_allclose(interval.loc["ic"], expected.confidence_interval(0.9), rtol=1e-12)
    assert list(interval.columns) == ["lower", "upper"]
    assert_allclose(found.std_error, s.sem(), rtol=1e-12)
    assert_allclose(found.information_ratio, s.mean() / s.std(), rtol=1e-12)
    assert found.name == "ic"


@pytest.mark.parametrize("horizon", [2, 3, 12])
def test_overlap_has_the_newey_west_errors_of_statsmodels(horizon):
    s = series(overlap=horizon)
    fit = sm.OLS(s.to_numpy(), np.ones(len(s))).fit(
        cov_type="HAC", cov_kwds={"maxlags": horizon - 1, "use_correction": True}
    )
    found = infer_mean(s, horizon=horizon)
    assert_allclose(found.std_error, fit.bse[0], rtol=1e-12)
    assert found.std_error > infer_mean(s).std_error


def test_errors_of_overlapping_series_are_those_that_bartlett_weights_give():
    # For sums of 6 terms the weighted autocovariances are 24.3 of 36; without lags they are 6.
    draws = [infer_mean(series(240, seed, 6) - 0.5, horizon=6) for seed in range(400)]
    true = np.std([draw.mean for draw in draws])
    size = np.mean([draw.std_error for draw in draws]) / true
    assert_allclose(size, np.sqrt(24.33 / 36), rtol=0.1)
    naive = np.mean([infer_mean(series(240, seed, 6)).std_error for seed in range(100)]) / true
    assert_allclose(naive, np.sqrt(6 / 36), rtol=0.1)


def test_order_does_not_matter_and_missing_dates_leave_a_gap():
    s = series(overlap=3)
    s.iloc[[4, 17]] = np.nan
    found = infer_mean(s, horizon=3)
    assert infer_mean(s.sample(frac=1.0, random_state=0), horizon=3) == found
    assert infer_mean(s.dropna(), horizon=3) == found
    assert found.n_dates == 58
    stamps = infer_mean(s.dropna().to_timestamp(), horizon=3)  # stamps follow each other
    assert stamps.std_error != found.std_error


def test_it_prints_and_becomes_a_row_of_a_table():
    found = infer_mean(series(), horizon=2)
    assert str(found).startswith(f"ic: {found.mean:.4f} ({found.std_error:.4f}), t(59) = ")
    assert str(found).endswith(f"60 dates, horizon 2 ({found.note})")
    assert "<pre>ic:" in found._repr_html_()
    row = found.to_series()
    assert row.name == "ic"
    assert row["t_value"] == found.t_value
    assert row["n_dates"] == 60


def test_a_constant_series_has_no_t_value():
    constant = pd.Series(0.25, index=pd.RangeIndex(2000, 2010, name="year"))
    found = infer_mean(constant)
    assert found.std_error == 0.0
    assert np.isnan([found.t_value, found.p_value, found.information_ratio]).all()


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [0, 1.5, True, None, "3"])
def test_horizon_is_checked(horizon):
    with pytest.raises(ValueError, match=r"horizon=.* has to be a whole number"):
        infer_mean(series(), horizon=horizon)


def test_horizon_beyond_the_sample_raises():
    with pytest.raises(ValueError, match="horizon=61 is longer than the sample of 60 dates"):
        infer_mean(series(), horizon=61)


def test_one_value_raises():
    with pytest.raises(ValueError, match="only 1 of 60 dates have a value"):
        infer_mean(series().where(lambda s: s.index == "2001-01"))


def test_a_date_twice_raises():
    s = series()
    with pytest.raises(ValueError, match="2000-01 occurs more than once"):
        infer_mean(pd.concat([s, s.iloc[:1]]))


def test_an_array_raises():
    with pytest.raises(TypeError, match="pandas Series indexed by date"):
        infer_mean(series().to_numpy())


def test_level_is_checked():
    with pytest.raises(ValueError, match="between 0 and 1"):
        infer_mean(series()).conf_int(95)


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (pd.Series(dtype=float), "series has no rows"),
        (pd.Series([], index=pd.PeriodIndex([], freq="M"), dtype=float), "series has no rows"),
        (
            pd.Series(
                1.0,
                index=pd.MultiIndex.from_product([[2000, 2001], ["a"]], names=["year", "asset"]),
            ),
            r"indexed by \['year', 'asset'\].*one value per date",
        ),
        (pd.Series(["high", "low"], index=[2000, 2001]), "series does not hold numbers"),
        (pd.Series([1.0, np.inf], index=[2000, 2001]), "infinite"),
    ],
)
def test_what_is_no_series_of_dates_raises(series, message):
    with pytest.raises(ValueError, match=message):
        infer_mean(series)


def test_values_that_do_not_vary_have_no_error():
    found = infer_mean(pd.Series(0.1 + 0.2 * np.ones(50), index=range(1950, 2000)))
    assert found.std_error == found.std == 0.0
    assert np.isnan(found.t_value)


def test_horizons_that_overlap_have_cosines_or_lags_that_all_weigh_one_too():
    rng = np.random.default_rng(0)
    dates = pd.period_range("2000-01", periods=240, freq="M", name="date")
    series = pd.Series(np.convolve(rng.standard_normal(245), np.ones(6), "valid"), dates)
    deviations = (series - series.mean()).to_numpy()
    plain = infer_mean(series, horizon=6)
    assert "too small if horizons overlap in full" in str(plain)
    cosines = infer_mean(series, horizon=6, kernel="ewc")
    assert cosines.df == cosines.n_cosines == int(0.4 * 40 ** (2 / 3)) == 4
    transforms = [
        np.sqrt(2 / 240) * deviations @ np.cos(np.pi * j * (np.arange(240) + 0.5) / 240)
        for j in range(1, 5)
    ]
    assert_allclose(cosines.std_error, np.sqrt(np.mean(np.square(transforms)) / 240), rtol=1e-10)
    assert not cosines.note
    assert infer_mean(series, kernel="ewc").df == np.ceil(0.4 * 240 ** (2 / 3))
    lags = infer_mean(series, horizon=6, kernel="hansen-hodrick")
    total = deviations @ deviations
    total += 2 * sum(deviations[j:] @ deviations[:-j] for j in range(1, 6))
    assert_allclose(lags.std_error, np.sqrt(total / 240 / 239), rtol=1e-10)
    assert "hansen-hodrick" in str(lags)
    assert lags.std_error > plain.std_error
    with pytest.warns(SmallSampleWarning, match="fewer than 240 dates"):
        infer_mean(series[:100], horizon=12, kernel="hansen-hodrick")
    with pytest.raises(ValueError, match="'parzen' is unknown; it is 'bartlett', 'ewc'"):
        infer_mean(series, kernel="parzen")

"""SpecificRisk: known variances, thin histories, sizes, regimes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal

from skfactor import SpecificRisk


def _residuals(n_dates=400, n_assets=60, seed=0):
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=n_dates, name="date")
    assets = [f"A{i:02d}" for i in range(n_assets)]
    scale = np.exp(rng.normal(-4.0, 0.4, n_assets))
    return pd.DataFrame(rng.normal(size=(n_dates, n_assets)) * scale, days, assets)


def test_variances_are_exponentially_weighted_squares():
    residuals = _residuals()
    model = SpecificRisk(30, lags=0, shrinkage=0.0).fit(residuals)
    expected = (residuals**2).ewm(halflife=30).mean()
    assert_allclose(model.variances_.iloc[5:], expected.iloc[5:], rtol=1e-12)
    assert_allclose(model.variance_, expected.iloc[-1], rtol=1e-12)


def test_serial_terms_are_summed_and_never_cut():
    noise = np.random.default_rng(0).normal(size=(1501, 500))
    for values, expected in ((noise, 1.0), (noise[1:] - 0.3 * noise[:-1], 0.59)):
        found = SpecificRisk(lags=5, shrinkage=0.0).fit(values).variance_
        assert abs(found.mean() - expected) < 0.015


def test_forecasts_of_earlier_dates_use_what_was_known():
    residuals = _residuals()
    model = SpecificRisk(regime_halflife=20).fit(residuals)
    date = residuals.index[250]
    early = SpecificRisk(regime_halflife=20).fit(residuals[:251])
    assert_series_equal(model.forecast(date), early.variance_)
    mixed = residuals.sample(frac=1.0, random_state=0)
    assert_frame_equal(
        SpecificRisk().fit(mixed).variances_, SpecificRisk().fit(residuals).variances_
    )
    with pytest.raises(ValueError, match="no residuals up to"):
        model.forecast(pd.Timestamp("2000-01-01"))


def test_thin_histories_follow_the_structural_model():
    residuals = _residuals()
    rng = np.random.default_rng(1)
    exposures = pd.DataFrame({"const": 1.0, "size": rng.normal(size=60)}, residuals.columns)
    residuals = residuals / residuals.std() * np.exp(-4.0 - 0.5 * exposures["size"])
    residuals.iloc[:370, 0] = np.nan  # 30 values: its history says nothing
    model = SpecificRisk(structural=True, shrinkage=0.0)
    model.fit(residuals, exposures=exposures)
    truth = np.exp(-4.0 - 0.5 * exposures["size"])
    assert model.variance_["A00"] ** 0.5 == pytest.approx(truth["A00"], rel=0.05)
    new = pd.DataFrame({"const": 1.0, "size": [0.7, np.nan]}, ["new", "dark"])
    found = model.forecast(exposures=pd.concat([exposures, new]))
    assert found["new"] ** 0.5 == pytest.approx(np.exp(-4.35), rel=0.05)
    assert np.isnan(found["dark"])
    plain = SpecificRisk(shrinkage=0.0).fit(residuals)
    assert_allclose(model.variance_[10:], plain.variance_[10:], rtol=0.5)


def test_sizes_and_regimes():
    residuals = _residuals()
    caps = pd.Series(np.arange(1.0, 61.0), residuals.columns)
    plain, sized = SpecificRisk(shrinkage=0.0).fit(residuals), SpecificRisk(shrinkage=0.5)
    sized.fit(residuals, weights=caps)
    changed = np.sqrt(sized.variance_) - np.sqrt(plain.variance_)
    for tenth in np.split(np.arange(60), 6):
        sigma = np.sqrt(plain.variance_.iloc[tenth])
        mean = np.average(sigma, weights=caps.iloc[tenth])
        assert (changed.iloc[tenth] * (mean - sigma) >= 0.0).all()
    by_date = pd.DataFrame([caps] * 400, residuals.index)
    assert_series_equal(
        SpecificRisk(shrinkage=0.5).fit(residuals, weights=by_date).variance_, sized.variance_
    )
    wild = residuals.copy()
    wild.iloc[-40:] *= 2.0
    for weights in (None, caps):
        ratio = (
            SpecificRisk(regime_halflife=20).fit(wild, weights=weights).variance_
            / SpecificRisk().fit(wild, weights=weights).variance_
        )
        assert (ratio > 1.5).all()
        assert ratio.max() / ratio.min() < 1.0 + 1e-9


def test_mistakes_are_told():
    residuals = _residuals(100, 30)
    exposures = pd.DataFrame({"const": 1.0}, residuals.columns)
    for options, given, text in [
        ({}, {"exposures": exposures}, "only with structural=True"),
        ({"structural": True}, {}, "needs exposures="),
        ({"structural": True}, {"exposures": exposures}, "No asset has a history"),
        ({}, {"y": exposures}, "passed by name"),
        ({}, {"weights": pd.Series(1.0, ["A00"])}, "no column or label"),
        ({}, {"weights": -pd.Series(1.0, residuals.columns)}, "zero or negative"),
    ]:
        with pytest.raises(ValueError, match=text):
            SpecificRisk(**options).fit(residuals, **given)
    thin = residuals.copy()
    thin.iloc[:-3, 0] = np.nan
    assert np.isnan(SpecificRisk().fit(thin).variance_["A00"])

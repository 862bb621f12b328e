"""Average realized against expected returns."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor import TradedFactorModel
from skfactor.plotting import PricingErrorDisplay


def test_points_and_r2_are_those_of_the_model(two_pass, french):
    display = PricingErrorDisplay.from_estimator(two_pass)
    returns = french[two_pass.expected_returns_.index].sub(french["RF"], axis=0)
    points = np.column_stack([two_pass.expected_returns_, returns.mean()])
    assert_allclose(display.scatter_.get_offsets(), points)
    assert_allclose(display.r2_, two_pass.score(french[two_pass.betas_.columns], returns))
    assert display.ax_.get_title(loc="left") == f"R² = {display.r2_:.3f}, 18 assets"
    assert_allclose(display.line_.get_xdata(), display.line_.get_ydata())


def test_returns_of_other_periods_are_averaged(two_pass, french):
    late = french.loc["2000":, two_pass.expected_returns_.index].sub(french["RF"], axis=0).dropna()
    display = PricingErrorDisplay.from_estimator(two_pass, late)
    assert_allclose(display.scatter_.get_offsets()[:, 1], late.mean())
    score = two_pass.score(french.loc[late.index, two_pass.betas_.columns], late)
    assert_allclose(display.r2_, score)


def test_pricing_errors_of_traded_factors_are_alphas(french):
    returns = french.filter(regex="^S1V").sub(french["RF"], axis=0)
    model = TradedFactorModel().fit(french[["MktRF", "SMB"]], returns)
    display = PricingErrorDisplay.from_estimator(model)
    assert_allclose(display.scatter_.get_offsets()[:, 1], returns.mean())


def test_predictions_wide_and_long_give_the_same_points():
    rng = np.random.default_rng(0)
    index = pd.period_range("2020-01", periods=20, freq="M", name="date")
    actual, predicted = (
        pd.DataFrame(rng.normal(size=(20, 5)), index, pd.Index(list("abcde"), name="asset"))
        for _ in range(2)
    )
    actual.iloc[3, 1] = predicted.iloc[5, 2] = np.nan
    both = actual.notna() & predicted.notna()
    points = np.column_stack([predicted[both].mean(), actual[both].mean()])
    wide = PricingErrorDisplay.from_predictions(actual, predicted)
    long = PricingErrorDisplay.from_predictions(
        actual.stack(future_stack=True), predicted.stack(future_stack=True).to_numpy()
    )
    for display in (wide, long):
        assert_allclose(display.scatter_.get_offsets(), points)


def test_named_assets_are_the_ones_asked_for(two_pass):
    display = PricingErrorDisplay.from_estimator(two_pass, labels=["S5M1", "S1V1"])
    assert [label.get_text() for label in display.labels_] == ["S5M1", "S1V1"]
    assert PricingErrorDisplay.from_estimator(two_pass, labels=False).labels_ == []
    # Those with the largest pricing errors come first.
    named = [label.get_text() for label in PricingErrorDisplay.from_estimator(two_pass).labels_]
    assert len(named) > 10
    assert two_pass.pricing_errors_.abs()[named].is_monotonic_decreasing


def test_assets_are_matched_by_name_and_missing_ones_left_out():
    realized = pd.Series({"a": 0.01, "b": 0.02, "c": np.nan})
    expected = pd.Series({"c": 0.03, "b": 0.01, "a": 0.02})
    display = PricingErrorDisplay(realized, expected).plot()
    assert_allclose(display.scatter_.get_offsets(), [[0.02, 0.01], [0.01, 0.02]])


def test_one_asset_has_no_r2():
    display = PricingErrorDisplay(pd.Series({"a": 0.01}), pd.Series({"a": 0.01})).plot()
    assert np.isnan(display.r2_)
    assert display.ax_.get_title(loc="left") == "1 asset"


def test_mistakes_are_named():
    one, other = pd.Series({"a": 0.01}), pd.Series({"b": 0.01})
    with pytest.raises(ValueError, match="need the same assets"):
        PricingErrorDisplay(one, other).plot()
    with pytest.raises(ValueError, match="No asset has both"):
        PricingErrorDisplay(one * np.nan, one).plot()
    with pytest.raises(ValueError, match="some are repeated"):
        PricingErrorDisplay(pd.concat([one, one]), pd.concat([one, one])).plot()
    with pytest.raises(ValueError, match=r"assets \['z'\] have no returns"):
        PricingErrorDisplay(one, one).plot(labels=["z"])
    with pytest.raises(ValueError, match="one column per asset"):
        PricingErrorDisplay.from_predictions(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="indexed by \\(date, asset\\)"):
        PricingErrorDisplay.from_predictions(one, one)

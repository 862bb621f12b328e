"""Contributions to a portfolio's volatility."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor.linear_model import FactorBetas
from skfactor.plotting import RiskDisplay
from skfactor.risk import decompose_risk


@pytest.fixture(scope="module")
def weights(two_pass):
    names = two_pass.betas_.index
    return pd.Series(np.linspace(-0.5, 0.5, len(names)), names)


def _widths(display):
    return [bar.get_width() for bar in display.bars_]


def test_bars_are_the_contributions(two_pass, weights):
    risk = decompose_risk(weights, two_pass.first_pass_)
    display = RiskDisplay.from_estimator(two_pass, weights)
    assert_allclose(_widths(display), risk.by_factor["contribution"])
    assert_allclose(sum(_widths(display)), risk.volatility)
    assert f"{risk.volatility:.4g}" in display.ax_.get_xlabel()


def test_assets_are_sorted_and_the_small_ones_added_up(two_pass, weights):
    risk = decompose_risk(weights, two_pass.first_pass_)
    display = RiskDisplay(risk).plot(by="asset", share=True, max_bars=5)
    shares = risk.by_asset["share"]
    largest = shares.abs().nlargest(4).index
    assert list(display.contributions_.index) == [*largest, "14 others"]
    assert_allclose(_widths(display)[:4], shares[largest])
    assert_allclose(sum(_widths(display)), 1.0)
    all_of_them = RiskDisplay(risk).plot(by="asset")
    assert len(all_of_them.bars_) == 18


def test_hedging_contributions_have_another_colour(two_pass, weights):
    display = RiskDisplay.from_estimator(two_pass, weights, by="asset")
    colours = {bar.get_width() >= 0.0: bar.get_facecolor() for bar in display.bars_}
    assert len(set(colours.values())) == len(colours)


def test_a_first_pass_can_be_passed_itself(two_pass, weights):
    assert isinstance(two_pass.first_pass_, FactorBetas)
    display = RiskDisplay.from_estimator(two_pass.first_pass_, weights, color="red")
    assert display.bars_[0].get_facecolor() == (1.0, 0.0, 0.0, 1.0)


def test_mistakes_are_named(two_pass, weights):
    with pytest.raises(ValueError, match="by='sector'"):
        RiskDisplay.from_estimator(two_pass, weights, by="sector")
    with pytest.raises(ValueError, match="max_bars=1"):
        RiskDisplay.from_estimator(two_pass, weights, max_bars=1)

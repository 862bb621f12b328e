"""Bias statistics of risk models by set, and rolling ones over time."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor.plotting import RiskEvaluationDisplay
from skfactor.risk import RiskModel, evaluate_risk


@pytest.fixture(scope="module")
def evaluations():
    rng = np.random.default_rng(0)
    assets, names = [f"A{i}" for i in range(12)], ["market", "size"]
    exposures = pd.DataFrame(np.column_stack([np.ones(12), rng.normal(size=12)]), assets, names)
    days = pd.bdate_range("2024-01-01", periods=80)
    f = pd.DataFrame(rng.normal(size=(80, 2)) * 0.01, days, names)
    u = rng.normal(size=(80, 12)) * 0.02
    returns = pd.DataFrame(f.to_numpy() @ exposures.to_numpy().T + u, days, assets)
    return {
        name: evaluate_risk(
            returns,
            {
                days[0]: RiskModel(
                    exposures,
                    pd.DataFrame(np.eye(2) * 1e-4 * scale, names, names),
                    pd.Series(4e-4 * scale, assets),
                    factor_returns=f,
                )
            },
        )
        for name, scale in (("right", 1.0), ("low", 0.25))
    }


def test_points_means_bands_and_lines_are_those_of_the_tables(evaluations):
    display = RiskEvaluationDisplay.from_evaluation(evaluations)
    bias, rolling = display.ax_
    assert list(display.points_) == list(display.means_) == ["right", "low"]
    for name, each in evaluations.items():
        assert_allclose(display.means_[name].get_xdata(), each.table["bias"])
        drawn = np.asarray(display.points_[name].get_offsets())
        assert_allclose(np.sort(drawn[:, 0]), np.sort(each.portfolios["bias"].dropna()))
        distance = (each.rolling_bias() - 1.0).abs()
        by_set = [distance[part].mean(axis=1) for part in each.table.index]
        assert_allclose(display.lines_[name].get_ydata(), np.mean(by_set, axis=0))
    sets = evaluations["right"].table
    assert [label.get_text() for label in bias.get_yticklabels()] == list(sets.index)
    band = bias.patches[0]
    assert band.get_x() == pytest.approx(sets["lower"].iloc[0])
    assert band.get_x() + band.get_width() == pytest.approx(sets["upper"].iloc[0])
    assert rolling.lines[-1].get_ydata()[0] == pytest.approx(0.17001, abs=1e-5)
    # The points of a set stay in its row.
    rows = np.asarray(display.points_["low"].get_offsets())[:, 1]
    assert ((rows - np.round(rows) > 0.0) & (rows - np.round(rows) < 0.36)).all()


def test_one_evaluation_some_sets_and_one_panel(evaluations):
    one = evaluations["right"]
    figure, axes = plt.subplots()
    display = RiskEvaluationDisplay(one).plot(axes, kind="bias", sets=["random"], marker="x")
    assert display.ax_ is axes
    assert display.figure_ is figure
    assert display.means_[""].get_marker() == "x"
    known = one.portfolios["bias"]["random"].notna()  # a tenth of few assets may be none
    assert len(display.points_[""].get_offsets()) == known.sum()
    alone = RiskEvaluationDisplay(one).plot(kind="rolling", sets=["minimum variance"])
    expected = (one.rolling_bias()["minimum variance"] - 1.0).abs().iloc[:, 0]
    assert_allclose(alone.lines_[""].get_ydata(), expected)


def test_mistakes_are_told(evaluations):
    for wrong, found in ((None, "NoneType"), ({"a": 1.0}, "float for 'a'"), ({}, "empty")):
        with pytest.raises(TypeError, match=found):
            RiskEvaluationDisplay(wrong).plot()
    with pytest.raises(ValueError, match="kind='pie' has to be"):
        RiskEvaluationDisplay(evaluations).plot(kind="pie")
    with pytest.raises(ValueError, match="has to be some of"):
        RiskEvaluationDisplay(evaluations).plot(sets=["bonds"])

"""Cumulative returns and drawdowns."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor.plotting import FactorReturnsDisplay

RETURNS = pd.DataFrame(
    {"a": [0.1, -0.5, np.nan, 1.0], "b": [-0.1, 0.0, 0.2, 0.1]},
    index=pd.period_range("2020-01", periods=4, freq="M"),
)


def test_values_and_drawdowns_by_hand():
    display = FactorReturnsDisplay(RETURNS).plot()
    values = [line.get_ydata() for line in display.lines_]
    assert_allclose(values[0], [1.1, 0.55, np.nan, 1.1])
    assert_allclose(values[1], [0.9, 0.9, 1.08, 1.188])
    assert_allclose(values[2], [0.0, -0.5, np.nan, 0.0])
    # A loss on the first date is one against what was invested.
    assert_allclose(values[3], [-0.1, -0.1, 0.0, 0.0], atol=1e-15)
    assert len(display.ax_) == 2


def test_sums_are_not_compounded():
    display = FactorReturnsDisplay(RETURNS["a"]).plot(compound=False)
    sums, falls = (line.get_ydata() for line in display.lines_)
    assert_allclose(sums, [0.1, -0.4, np.nan, 0.6])
    assert_allclose(falls, [0.0, -0.5, np.nan, 0.0])
    assert display.lines_[0].get_label() == "a"


def test_shuffled_dates_are_sorted():
    lines = [
        FactorReturnsDisplay(table).plot(kind="cumulative").lines_[1]
        for table in (RETURNS, RETURNS.iloc[[2, 0, 3, 1]])
    ]
    assert_allclose(lines[0].get_ydata(), lines[1].get_ydata())


def test_a_logarithmic_axis_is_labelled():
    display = FactorReturnsDisplay(RETURNS).plot(kind="cumulative", log=True)
    assert display.ax_.get_yscale() == "log"
    display.figure_.draw_without_rendering()
    labels = [label.get_text() for label in display.ax_.get_yticklabels(which="both")]
    assert "1" in labels


def test_a_logarithmic_axis_has_no_powers_below_1():
    months = pd.period_range("2020-01", periods=6, freq="M")
    fallen = pd.Series([-0.2, -0.3, 0.4, 0.5, 0.6, 0.5], months)
    display = FactorReturnsDisplay(fallen).plot(kind="cumulative", log=True)
    display.figure_.draw_without_rendering()
    labels = [label.get_text() for label in display.ax_.get_yticklabels(which="both")]
    shown = [label for label in labels if label]
    assert "0.6" in shown
    assert not [label for label in shown if "e" in label]


def test_mistakes_are_named():
    display = FactorReturnsDisplay(RETURNS * 100)
    with pytest.raises(ValueError, match="A return of -50 cannot be compounded"):
        display.plot()
    with pytest.raises(ValueError, match="kind='drawdowns'"):
        display.plot(kind="drawdowns")
    with pytest.raises(ValueError, match="sums can be negative"):
        display.plot(compound=False, log=True)
    repeated = pd.concat([RETURNS, RETURNS])
    with pytest.raises(ValueError, match="occurs more than once in returns"):
        FactorReturnsDisplay(repeated).plot()

"""What the displays share: axes, panels, dates and names."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skfactor.plotting import FactorReturnsDisplay, PremiaPathDisplay, RiskDisplay
from skfactor.plotting._axes import (
    bar_style,
    date_values,
    get_axes,
    get_panels,
    line_style,
    name_rows,
    own_figure,
    text,
)

MONTHS = np.array(["2020-01-01", "2020-02-01"], dtype="datetime64[D]")


@pytest.mark.parametrize(
    "dates",
    [
        pd.PeriodIndex(["2020-01", "2020-02"], freq="M"),
        pd.DatetimeIndex(["2020-01-01", "2020-02-01"]),
        pd.DatetimeIndex(["2020-01-01", "2020-02-01"], tz="Europe/Berlin"),
        pd.Index([202001, 202002]),
        pd.Index([20200101, 20200201]),
        pd.Index(["2020-01", "2020-02"]),
        pd.Index(["2020-01-01", "2020-02-01"]),
        pd.Index(["202001", "202002"]),
    ],
    ids=str,
)
def test_dates_of_any_kind_become_the_same_datetimes(dates):
    assert_array_equal(date_values(dates).astype("datetime64[D]"), MONTHS)


def test_numbers_that_are_no_dates_stay_numbers():
    assert_array_equal(date_values(pd.RangeIndex(3)), [0, 1, 2])
    assert_array_equal(date_values(pd.Index([1999, 2000])), [1999, 2000])
    assert_array_equal(date_values(pd.Index([202013, 202014])), [202013, 202014])  # no month


def test_labels_are_shown_as_they_are():
    assert text("a$b$c") == r"a\$b\$c"
    assert text("_x") == " _x"  # matplotlib hides labels that begin with an underscore
    assert text(("small", 1)) == "small, 1"


def test_lines_and_bars_of_many_differ():
    assert len({(s["color"], s["linestyle"]) for s in map(line_style, range(28))}) == 28
    assert len({(s["color"], s["hatch"]) for s in map(bar_style, range(28))}) == 28


def test_many_names_are_thinned_and_few_are_all_shown():
    ax = plt.subplots(figsize=(4, 3))[1]
    name_rows(ax, range(10))
    assert [label.get_text() for label in ax.get_yticklabels()] == [str(i) for i in range(10)]
    name_rows(ax, range(500))
    sizes = [label.get_fontsize() for label in ax.get_yticklabels()]
    assert 10 < len(sizes) < 60
    assert min(sizes) >= 5.0
    assert ax.get_ylim() == (499.5, -0.5)


def test_one_axes_is_divided_in_its_place():
    figure, axes = plt.subplots(1, 2)
    panels = get_panels(None, axes[0], 3, size=(1.0, 1.0))
    assert len(panels) == 3
    assert len({panel.get_position().x0 for panel in panels}) == 1
    assert all(panel.get_position().x1 < axes[1].get_position().x0 for panel in panels)
    assert {own_figure(panel) for panel in panels} == {figure}


def test_axes_on_a_subfigure_know_the_figure():
    figure = plt.figure()
    ax = figure.subfigures(1, 2)[0].subplots()
    assert own_figure(ax) is figure


def test_passed_axes_are_used():
    _, axes = plt.subplots(2)
    assert get_panels(None, axes, 2, size=(1.0, 1.0)) == list(axes)
    assert get_axes(None, axes[0], (1.0, 1.0)) is axes[0]


@pytest.mark.parametrize("n_axes", [2, 5])
def test_wrong_number_of_axes_is_refused(n_axes, french):
    axes = plt.subplots(n_axes)[1]
    display = PremiaPathDisplay(french[["SMB", "HML", "Mom"]])
    with pytest.raises(ValueError, match=f"3 panels, found {n_axes} axes"):
        display.plot(axes)


def test_axes_outside_a_grid_are_not_divided(french):
    ax = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="not part of a grid"):
        FactorReturnsDisplay(french[["SMB"]]).plot(ax)


def test_several_axes_where_one_is_needed_are_refused():
    with pytest.raises(TypeError, match="one matplotlib Axes"):
        get_axes(None, plt.subplots(2)[1], (1.0, 1.0))


def test_without_matplotlib_the_extra_is_named(monkeypatch, french):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    display = FactorReturnsDisplay(french[["SMB"]])
    with pytest.raises(ImportError, match=r'pip install "skfactor\[plot\]"') as caught:
        display.plot()
    assert "FactorReturnsDisplay" in str(caught.value)
    assert RiskDisplay  # importing displays needs no matplotlib

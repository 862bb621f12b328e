"""Paths of premia."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skfactor.plotting import PremiaPathDisplay

LAMBDAS = pd.DataFrame(
    {"a": [0.1, np.nan, -0.2, 0.3], "b": [1.0, 2.0, 3.0, 4.0]},
    index=pd.period_range("2020-01", periods=4, freq="M", name="month"),
)


def test_running_sums_pass_over_dates_that_were_not_estimated():
    display = PremiaPathDisplay(LAMBDAS).plot()
    assert_allclose(display.lines_[0].get_ydata(), [0.1, -0.1, 0.2])
    assert_allclose(display.lines_[1].get_ydata(), [1.0, 3.0, 6.0, 10.0])
    starts = np.array(["2020-01", "2020-03", "2020-04"], dtype="datetime64[M]")
    assert_array_equal(display.lines_[0].get_xdata().astype("datetime64[M]"), starts)
    assert len(display.ax_) == 2
    assert "month" in display.ax_[-1].get_xlabel()


def test_rolling_averages_have_the_t_interval_of_their_window():
    display = PremiaPathDisplay(LAMBDAS).plot(kind="rolling", window=3, level=0.9)
    slopes = LAMBDAS["b"].to_numpy()
    windows = [slopes[:3], slopes[1:]]
    assert_allclose(display.lines_[1].get_ydata(), [window.mean() for window in windows])
    bounds = display.bands_[1].get_paths()[0].vertices[:, 1]
    for window in windows:
        ends = stats.t.interval(0.9, 2, loc=window.mean(), scale=stats.sem(window))
        assert np.isclose(bounds[:, None], ends).any(axis=0).all()


def test_the_order_of_rows_does_not_matter():
    paths = [PremiaPathDisplay(table).plot().lines_[1] for table in (LAMBDAS, LAMBDAS[::-1])]
    assert_allclose(paths[0].get_ydata(), paths[1].get_ydata())


def test_overlaid_paths_share_one_panel(two_pass):
    ax = plt.subplots()[1]
    display = PremiaPathDisplay.from_estimator(
        two_pass, ax=ax, overlay=True, kind="rolling", names=["HML", "Mom"], linewidth=3.0
    )
    assert display.ax_ is ax
    assert [line.get_label() for line in display.lines_] == ["HML", "Mom"]
    assert {line.get_linewidth() for line in display.lines_} == {3.0}
    assert display.bands_ == []
    assert_allclose(
        display.lines_[0].get_ydata(), two_pass.lambdas_["HML"].rolling(60).mean().dropna()
    )


def test_mistakes_are_named():
    display = PremiaPathDisplay(LAMBDAS)
    with pytest.raises(ValueError, match="kind='sum'"):
        display.plot(kind="sum")
    with pytest.raises(ValueError, match=r"window=4 .* at most 3, the dates of 'a'"):
        display.plot(kind="rolling", window=4)
    with pytest.raises(ValueError, match=r"\['c'\] are unknown"):
        display.plot(names=["c"])

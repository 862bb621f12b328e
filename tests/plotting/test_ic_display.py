"""Information coefficients over time, in a histogram, and by lag."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skfactor import FamaMacBeth
from skfactor.datasets import make_panel
from skfactor.metrics import evaluate_forecasts, ic_by_date
from skfactor.plotting import ICDisplay


@pytest.fixture(scope="module")
def data():
    return make_panel(n_dates=40, n_assets=30, n_features=2, random_state=0, return_X_y=True)


def test_lines_and_counts_are_those_of_the_ic(data):
    X, y = data
    display = ICDisplay.from_predictions(y, X["x1"], method="pearson", window=6)
    ic = ic_by_date(y, X["x1"], method="pearson")
    assert_allclose(display.line_.get_ydata(), ic)
    assert_allclose(display.moving_line_.get_ydata(), ic.rolling(6).mean())
    over_time, in_histogram = display.average_lines_
    assert_allclose(over_time.get_ydata(), ic.mean())
    assert_allclose(in_histogram.get_xdata(), ic.mean())
    assert sum(bar.get_height() for bar in display.histogram_) == 40
    assert len(display.ax_) == 2  # there is no decay


def test_decay_of_evaluated_forecasts_is_drawn(data):
    X, y = data
    evaluation = evaluate_forecasts(y, X["x1"], n_quantiles=5, max_lag=3)
    display = ICDisplay.from_evaluation(evaluation, level=0.9)
    assert_allclose(display.line_.get_ydata(), evaluation.by_date["rank_ic"])
    assert_allclose([bar.get_height() for bar in display.bars_], evaluation.decay["mean"])
    ends = display.ax_[2].collections[0].get_segments()[1][:, 1]
    row = evaluation.decay.loc[1]
    expected = stats.t.interval(0.9, row["n_dates"] - 1, loc=row["mean"], scale=row["std_error"])
    assert_allclose(ends, expected)


def test_an_estimator_is_judged_by_its_predictions(data):
    X, y = data
    model = FamaMacBeth().fit(X, y)
    display = ICDisplay.from_estimator(model, X, y, kind="time")
    expected = ic_by_date(y, model.predict(X), method="spearman")
    assert_allclose(display.line_.get_ydata(), expected)


def test_dates_without_an_ic_leave_gaps_and_short_samples_have_no_moving_average():
    ic = pd.Series([0.1, np.nan, 0.3], index=pd.Index([2003, 2001, 2002], name="year"))
    display = ICDisplay(ic).plot(kind="time")
    assert_allclose(display.line_.get_ydata(), [np.nan, 0.3, 0.1])
    assert display.moving_line_ is None
    pairs = ICDisplay(ic).plot(kind="time", window=2).moving_line_
    assert_allclose(pairs.get_ydata(), [np.nan, np.nan, 0.2])
    assert_allclose(display.average_lines_[0].get_ydata(), 0.2)


def test_mistakes_are_named():
    ic = pd.Series([0.1, 0.2])
    with pytest.raises(ValueError, match="kind='bars'"):
        ICDisplay(ic).plot(kind="bars")
    with pytest.raises(ValueError, match="There is no decay"):
        ICDisplay(ic).plot(kind="decay")
    with pytest.raises(ValueError, match="No date has"):
        ICDisplay(ic * np.nan).plot()

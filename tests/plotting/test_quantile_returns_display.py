"""Returns by quantile and their spread."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skfactor import FamaMacBeth
from skfactor.datasets import make_panel
from skfactor.metrics import infer_mean, quantile_returns_by_date
from skfactor.plotting import QuantileReturnsDisplay


@pytest.fixture(scope="module")
def data():
    return make_panel(n_dates=40, n_assets=30, n_features=2, random_state=0, return_X_y=True)


def test_bars_intervals_and_spread_are_those_of_the_returns(data):
    X, y = data
    display = QuantileReturnsDisplay.from_predictions(y, X["x1"], n_quantiles=5)
    returns = quantile_returns_by_date(y, X["x1"], n_quantiles=5)
    assert_allclose([bar.get_height() for bar in display.bars_], returns.mean())
    ends = [segment[:, 1] for segment in display.intervals_[2][0].get_segments()]
    lower, upper = stats.t.interval(0.95, 39, loc=returns.mean(), scale=stats.sem(returns))
    assert_allclose(ends, np.column_stack([lower, upper]))
    assert_allclose(display.line_.get_ydata(), (returns[5] - returns[1]).cumsum())


def test_overlapping_horizons_widen_the_intervals(data):
    X, y = data
    returns = quantile_returns_by_date(y, X["x1"], n_quantiles=3)
    display = QuantileReturnsDisplay(returns, horizon=4).plot(kind="mean", level=0.9)
    ends = [segment[:, 1] for segment in display.intervals_[2][0].get_segments()]
    assert_allclose(ends[0], infer_mean(returns[1], horizon=4).conf_int(0.9).iloc[0])


def test_an_estimator_sorts_by_its_predictions(data):
    X, y = data
    model = FamaMacBeth().fit(X, y)
    display = QuantileReturnsDisplay.from_estimator(model, X, y, n_quantiles=3, kind="mean")
    expected = quantile_returns_by_date(y, model.predict(X), n_quantiles=3).mean()
    assert_allclose([bar.get_height() for bar in display.bars_], expected)


def test_dates_without_a_spread_are_passed_over():
    returns = pd.DataFrame(
        {1: [0.1, np.nan, 0.1, 0.2], 2: [0.2, 0.3, 0.3, 0.4]}, [2001, 2002, 2003, 2004]
    )
    display = QuantileReturnsDisplay(returns.rename_axis("year")).plot(kind="spread")
    assert_allclose(display.line_.get_xdata(), [2001, 2003, 2004])
    assert_allclose(display.line_.get_ydata(), [0.1, 0.3, 0.5])


def test_mistakes_are_named(data):
    X, y = data
    with pytest.raises(ValueError, match="kind='top'"):
        QuantileReturnsDisplay.from_predictions(y, X["x1"], n_quantiles=5, kind="top")
    with pytest.raises(ValueError, match="two quantiles, found 1"):
        QuantileReturnsDisplay(pd.DataFrame({1: [0.1, 0.2]})).plot()

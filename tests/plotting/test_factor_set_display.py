"""Scores of sets against their size, the best sets, and what they share."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth
from skfactor.datasets import make_panel
from skfactor.model_selection import FactorSetSearchCV
from skfactor.plotting import FactorSetDisplay


@pytest.fixture(scope="module")
def search():
    X, y = make_panel(40, 40, 8, random_state=0, return_X_y=True)
    return FactorSetSearchCV(FamaMacBeth(), scoring="ic").fit(X, y)


def test_the_frontier_is_the_best_score_of_each_size(search):
    display = FactorSetDisplay.from_estimator(search)
    table = search.results_
    best = table["score", "mean"].groupby(table["set", "size"]).max()
    assert_allclose(display.frontier_.get_xdata(), best.index)
    assert_allclose(display.frontier_.get_ydata(), best)


def test_bars_are_the_best_sets_and_shares_those_of_the_best_percent(search):
    display = FactorSetDisplay.from_estimator(search, n_best=5)
    widths = [bar.get_width() for bar in display.bars_]
    assert_allclose(widths, search.results_["score", "mean"].iloc[:5])
    top = search.sets_[:2]  # of 255
    expected = [np.mean([name in each for each in top]) for name in display.shares.index]
    assert_allclose([bar.get_width() for bar in display.share_bars_], expected)


def test_it_draws_again_on_axes_that_are_passed(search):
    figure, axes = plt.subplots(3, 1)
    display = FactorSetDisplay.from_estimator(search, ax=axes)
    assert display.figure_ is figure
    assert list(display.axes_) == list(axes)
    one = plt.subplots()[1]
    assert len(display.plot(ax=one).axes_) == 3


def test_mistakes_are_told(search):
    model = FamaMacBeth().fit(*make_panel(10, 10, 2, random_state=0, return_X_y=True))
    with pytest.raises(TypeError, match="draws a FactorSetSearchCV; found FamaMacBeth"):
        FactorSetDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="n_best=0 has to be"):
        FactorSetDisplay.from_estimator(search, n_best=0)

"""The numbers of the example against pandas and SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from gallery import assert_tells, example, number_after, overlapping, table
from reference import fama_macbeth_loop, winsorize_by_date, z_score_by_date
from scipy import stats

from skfactor.datasets import make_panel

SETS = [["x1"], ["x5"], ["x1", "x2"], ["x1", "x2", "x3"], ["x1", "x2", "x3", "x4", "x5"]]


@pytest.fixture(scope="module")
def shown():
    return example("plot_characteristics")


@pytest.fixture(scope="module")
def panel():
    return make_panel(
        144, 150, premia=[0.008, 0.006, 0.004, 0.002, 0.0], missing=0.1, random_state=0
    )


def rank_ics(y, expected):
    rows = pd.DataFrame({"y": y, "expected": expected}).groupby("date")
    return rows.apply(lambda date: stats.spearmanr(date["y"], date["expected"]).statistic)


class Models:
    """What the pipeline expects of months, with each set and slopes of the months before."""

    def __init__(self, panel):
        wrong = np.random.default_rng(0).random(panel.data.shape) < 0.005
        X = panel.data.mask(wrong, 10.0 * panel.data)
        self.scores = z_score_by_date(winsorize_by_date(X, 0.01, 0.99))
        self.y = panel.target
        self.dates = X.index.unique("date").sort_values()
        self.slopes = [fama_macbeth_loop(self.scores[names], self.y) for names in SETS]

    def expected(self, number, stop, n_months=12):
        """Of the months from a position on, by premia of those before it."""
        premia = self.slopes[number].iloc[:stop].mean()
        scores = self.scores.loc[self.dates[stop : stop + n_months], SETS[number]]
        return premia["const"] + scores @ premia[SETS[number]]

    def searched(self, stop):
        """Rank IC of each set in the last two years before a position, year by year."""
        years = [stop - 24, stop - 12]
        found = [[self.expected(number, year) for year in years] for number in range(len(SETS))]
        return [np.mean([rank_ics(self.y[e.index], e).mean() for e in each]) for each in found]


@pytest.fixture(scope="module")
def models(panel):
    return Models(panel)


def test_scores_of_the_last_search(shown, models):
    exact = models.searched(144)
    lines = [line.split() for line in shown[0].splitlines()]
    told = [next(float(line[-1]) for line in lines if line[:-1] == names) for names in SETS]
    assert_tells(told, exact, 4)
    assert f"Chosen: {' '.join(SETS[int(np.argmax(exact))])}\n" in shown[0]


def test_walking_forward_with_the_search_in_it(shown, models, panel):
    starts = range(60, 144, 12)
    expected = pd.concat(
        [models.expected(int(np.argmax(models.searched(start))), start) for start in starts]
    )
    realized = panel.target[expected.index]
    ics = rank_ics(realized, expected)
    assert_tells(number_after(shown[0], "against it).\nRank IC "), ics.mean(), 3)
    told = table(shown[0], "mean    std err", ["slope", "rank_ic", "spread"])
    assert_tells(told.loc["rank_ic", [0, 1]], [ics.mean(), ics.std() / np.sqrt(len(ics))], 6)
    slopes = fama_macbeth_loop(expected.to_frame("expected"), realized)["expected"]
    assert_tells(told.loc["slope", 0], slopes.mean(), 6)
    quantile = expected.groupby("date").transform(lambda x: pd.qcut(x, 5, labels=False))
    means = realized.groupby([expected.index.get_level_values("date"), quantile]).mean()
    means = means.unstack()  # noqa: PD010 -- pivot_table would average duplicates
    assert_tells(told.loc["spread", 0], (means[4] - means[0]).mean(), 6)
    heights = [bar.get_height() for bar in shown[1][-2].patches]
    np.testing.assert_allclose(heights, means.mean(), atol=1e-10)
    truth = panel.data.loc[expected.index] @ panel.premia.drop("const")
    assert_tells(number_after(shown[0], "by true premia "), rank_ics(realized, truth).mean(), 3)


def test_figures_are_legible(shown):
    assert [overlapping([ax]) for ax in shown[1]] == [[]] * len(shown[1])

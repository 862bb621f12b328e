"""The numbers of the example against pandas and NumPy."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from gallery import assert_tells, example, number_after
from reference import fama_macbeth_loop

from skfactor.datasets import load_french, make_panel
from skfactor.inference import grs_test


@pytest.fixture(scope="module")
def shown():
    return example("plot_factor_sets")


def line_of(printed, label):
    """The line of numbers of a set, and not of a larger one."""
    row = re.compile(rf"{re.escape(label)} +[-\d]")
    return next(line for line in printed.splitlines() if row.match(line))


def test_the_score_of_the_best_set(shown):
    premia = np.zeros(15)
    premia[:5] = [0.010, 0.008, 0.006, 0.004, 0.003]
    X, y = make_panel(120, 100, 15, premia=premia, random_state=0, return_X_y=True)
    chosen = shown[0].split("Chosen:")[1].split("\n")[0].split(" + ")
    names = [name.strip() for name in chosen]
    slopes = fama_macbeth_loop(X[names], y)[names]
    dates = X.index.unique("date").sort_values()
    folds = []
    for start in range(20, 120, 20):
        rows = pd.DataFrame({"y": y, "p": X[names] @ slopes.iloc[:start].mean()})
        own = rows.loc[dates[start : start + 20]].groupby("date")
        folds.append(own.apply(lambda date: date["y"].corr(date["p"])).mean())
    label = " + ".join(names)
    line = line_of(shown[0], label)
    assert_tells(float(line.split()[-2]), np.mean(folds), 4)
    assert int(line.split()[-3]) == len(names)
    assert {"x01", "x02"} <= set(names)


def test_the_tests_of_french_factors(shown):
    french = load_french()
    portfolios = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    for names in (["MktRF"], ["MktRF", "SMB", "HML", "Mom"]):
        label = " + ".join(names)
        line = line_of(shown[0], label)
        test = grs_test(french[names], portfolios)
        assert_tells(float(line.split()[-1]), test.statistic, 3)


def test_the_frontier_is_drawn(shown):
    assert len(shown[1]) == 3
    assert number_after(shown[0], "none of ") == 4942

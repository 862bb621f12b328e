"""The table of the example against linearmodels, its figure, and that LaTeX has what text has."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from gallery import after, assert_tells, example, number_after, overlapping, table
from linearmodels.asset_pricing import LinearFactorModel
from reference_premia import FACTORS, first_pass_loop, french_two_pass

MODELS = {"CAPM": FACTORS[:1], "Fama-French": FACTORS[:3], "Carhart": FACTORS}


@pytest.fixture(scope="module")
def shown():
    return example("plot_paper_table")


@pytest.fixture(scope="module")
def latex(shown):
    """Cells of the rows, four a row; a row without a name belongs to the one before it."""
    lines = [line for line in shown[0].splitlines() if line.count("&") == 4]
    rows = [re.sub(r"\$\^\{\**\}\$|\$|\\\\|[()]", "", line).split("&") for line in lines]
    return [[cell.strip() for cell in row] for row in rows]


def premia_and_t(latex, column):
    numbers = {}
    for (name, *cells), (_, *below) in pairwise(latex):
        if name in ["const", *FACTORS] and cells[column]:
            numbers[name] = [float(cells[column]), float(below[column])]
    return pd.DataFrame(numbers).T


@pytest.mark.parametrize(("column", "name"), [*enumerate([*MODELS, "Carhart, GLS"])])
def test_premia_and_t_values(latex, column, name):
    factors, returns = french_two_pass()
    factors = 100.0 * factors[MODELS[name.removesuffix(", GLS")]]
    returns = 100.0 * returns
    told = premia_and_t(latex, column)
    assert list(told.index) == ["const", *factors]
    if name.endswith("GLS"):
        x = np.column_stack([np.ones(18), first_pass_loop(factors, returns)["betas"]])
        weighed = np.linalg.solve(np.cov(returns.T), x)
        assert_tells(told[0], np.linalg.solve(x.T @ weighed, weighed.T @ returns.mean()), 2)
        return
    peer = LinearFactorModel(returns.to_numpy(), factors.to_numpy(), risk_free=True)
    fit = peer.fit(cov_type="kernel", kernel="bartlett", bandwidth=6)
    assert_tells(told[0], fit.risk_premia, 2)
    assert_tells(told[1], fit.risk_premia / fit.risk_premia_se, 2)


def r2(realized, expected):
    return 1.0 - ((realized - expected) ** 2).sum() / ((realized - realized.mean()) ** 2).sum()


def expectations(factors, returns):
    x = np.column_stack([np.ones(18), first_pass_loop(factors, returns)["betas"]])
    return x @ np.linalg.lstsq(x, returns.mean().to_numpy())[0]


def test_cross_sectional_r2(latex):
    factors, returns = french_two_pass()
    told = next(cells for name, *cells in latex if name == "Cross-sectional R2")
    exact = [r2(returns.mean(), expectations(factors[names], returns)) for names in MODELS.values()]
    assert_tells(np.array(told[:3], float), exact, 2)


def test_scores_out_of_sample(shown):
    factors, returns = french_two_pass()
    told = table("\n".join(after(shown[0], "H0: Mom")), "split0", list(MODELS))
    block = len(returns) // 6
    ends = [len(returns) - block * i for i in (5, 4, 3, 2, 1)]
    for name, names in MODELS.items():
        scores = [
            r2(
                returns.iloc[end : end + block].mean(),
                expectations(factors[names].iloc[:end], returns.iloc[:end]),
            )
            for end in ends
        ]
        assert_tells(told.loc[name], [np.mean(scores), *scores], 2)
    assert (told[0] < 0.0).all()  # as the text says


def test_test_of_momentum_is_far_from_luck(shown):
    assert number_after(shown[0], "chi2(1) = ") > 10.0


def test_figure(shown):
    axes = shown[1]
    assert [ax.get_title(loc="left")[:4] for ax in axes] == ["CAPM", "Fama", "Carh"]
    assert overlapping(axes) == []

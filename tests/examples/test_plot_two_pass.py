"""The numbers of the example against linearmodels and regressions written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from gallery import assert_tells, example, number_after, overlapping, table
from linearmodels.asset_pricing import LinearFactorModel
from reference_premia import FACTORS, first_pass_loop, french_two_pass, second_pass_loop

NAMES = ["const", *FACTORS]


@pytest.fixture(scope="module")
def shown():
    return example("plot_two_pass")


@pytest.fixture(scope="module")
def data():
    return french_two_pass()


@pytest.fixture(scope="module")
def slopes(data):
    return second_pass_loop(first_pass_loop(*data)["betas"], data[1])


def test_premia_and_their_errors(shown, data, slopes):
    told = table(shown[0], "fama-macbeth", NAMES)
    factors, returns = data
    t = len(returns)
    peer = LinearFactorModel(returns.to_numpy(), factors.to_numpy(), risk_free=True).fit()
    assert_tells(told[4], 100.0 * slopes.mean(), 3)
    assert_tells(told[0], 100.0 * slopes.std() / np.sqrt(t), 3)
    assert_tells(told[3], 100.0 * peer.risk_premia_se.to_numpy(), 3)
    # Each kind knows of more uncertainty about the market's premium than the first.
    assert (told.loc["MktRF", [1, 2, 3]] > told.loc["MktRF", 0]).all()


def test_premia_without_a_zero_beta_rate(shown, data):
    factors, returns = data
    told = table(shown[0], "free", FACTORS)
    betas = first_pass_loop(factors, returns)["betas"].to_numpy()
    zero = np.linalg.lstsq(betas, returns.mean().to_numpy())[0]
    assert_tells(told[1], 100.0 * zero, 2)
    assert_tells(told[2], 100.0 * factors.mean(), 2)


def test_pricing_errors(shown, data):
    printed, axes = shown
    factors, returns = data
    peer = LinearFactorModel(returns.to_numpy(), factors.to_numpy(), risk_free=True)
    peer = peer.fit(debiased=False)
    f = peer.j_statistic.stat * 802 / (819 * 13)
    assert_tells(number_after(printed, "F(13, 802) = "), f, 4)
    errors = peer.alphas.to_numpy()
    assert round(100.0 * np.abs(errors).mean(), 2) == 0.12  # as the text says
    realized = returns.mean().to_numpy()
    r2 = 1.0 - errors @ errors / ((realized - realized.mean()) ** 2).sum()
    assert_tells(number_after(printed, "Cross-sectional R2 = "), r2, 4)
    points = pd.DataFrame(axes[-1].collections[0].get_offsets())
    np.testing.assert_allclose(points[1] - points[0], errors, atol=1e-12)


def test_sums_of_slopes(shown, slopes):
    lines = {line.get_label(): line.get_ydata() for line in shown[1][1].lines}
    sums = slopes.cumsum()
    for name in FACTORS:
        np.testing.assert_allclose(lines[name], sums[name], atol=1e-10)
    assert str(sums["Mom"].idxmax()) == "2009-02"  # as the text says
    assert str(sums["HML"].idxmax()) == "2010-04"


def test_figures_are_legible(shown):
    assert [overlapping([ax]) for ax in shown[1]] == [[], [], []]

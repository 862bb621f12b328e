"""The shares of the example against linearmodels, canonical correlations and a loop in NumPy.

The page's rank test draws its law, the one here takes that of normal residuals: alike, not equal.
"""

from __future__ import annotations

import numpy as np
import pytest
from gallery import assert_tells, example, number_after, overlapping, table
from linearmodels.asset_pricing import LinearFactorModel
from reference_premia import french_two_pass
from scipy import stats
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module")
def shown():
    return example("plot_useless_factor")


@pytest.fixture(scope="module")
def draws():
    """For each draw the t-value by Fama-MacBeth and KRS, and the p-value of the rank test."""
    factors, returns = french_two_pass()
    market, returns = factors["MktRF"].to_numpy(), returns.to_numpy()
    noise = 0.04 * np.random.default_rng(0).standard_normal((len(returns), 40))
    with threadpool_limits(1):  # products too small for threads
        rows = [_statistics(market, column, returns) for column in noise.T]
    return np.array(rows)


def _statistics(market, noise, returns):
    t, n = returns.shape
    f = np.column_stack([market, noise])
    betas = np.linalg.lstsq(np.column_stack([np.ones(t), f]), returns)[0][1:].T
    slopes = np.linalg.lstsq(np.column_stack([np.ones(n), betas]), returns.T)[0][2]
    peer = LinearFactorModel(returns, f, risk_free=True).fit()
    krs = peer.risk_premia.iloc[2] / peer.risk_premia_se.iloc[2]
    # The smallest canonical correlation, of factors and what returns differ by.
    differences = returns[:, 1:] - returns[:, :1]
    smallest = np.linalg.svd(_white(f).T @ _white(differences) / t, compute_uv=False)[-1]
    rank = t * smallest**2 / (1.0 - smallest**2)
    t_value = slopes.mean() / slopes.std(ddof=1) * np.sqrt(t)
    return t_value, krs, stats.chi2.sf(rank, n - 2)


def _white(values):
    """Columns with the same span, mean 0 and covariance I."""
    centred = values - values.mean(axis=0)
    return np.linalg.qr(centred)[0] * np.sqrt(len(values))


def test_shares_of_significant_draws(shown, draws):
    told = table(shown[0], "all draws", ["fama-macbeth", "krs"])
    significant = np.abs(draws[:, :2]) > 1.959964
    passed = draws[:, 2] < 0.05
    assert_tells(told[0], 100.0 * significant.mean(axis=0), 0)
    takes = number_after(shown[0], "takes noise for a factor in ")
    # Residuals of these portfolios vary with the factors: the law of normal ones rejects too often.
    assert 0.0 < takes < 100.0 * passed.mean() < 20.0
    assert (told[1] <= 100.0 * (significant & passed[:, None]).mean(axis=0)).all()
    # More often than not by Fama-MacBeth, too often by krs, about as rarely as promised by rank.
    assert told.loc["fama-macbeth", 0] > 50.0
    assert 5.0 < told.loc["krs", 0] < 25.0
    assert takes < 12.0


def test_histograms_hold_all_draws(shown, draws):
    left, right = shown[1]
    heights = [bar.get_height() for bar in right.patches]
    normal = np.histogram(draws[:, 2], np.linspace(0, 1, 11))[0]
    assert sum(heights) == len(draws)
    assert np.abs(np.cumsum(heights) - np.cumsum(normal)).max() <= 6
    assert np.abs(draws[:, :2]).max() < left.get_xlim()[1]


def test_warnings_and_legible_figure(shown):
    printed, axes = shown
    assert "The betas on ['noise'] hardly differ between assets" in printed
    assert overlapping(axes) == []

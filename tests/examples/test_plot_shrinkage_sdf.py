"""The numbers of the example against inverses of shrunken covariances, fold by fold."""

from __future__ import annotations

import re

import numpy as np
import pytest
from gallery import assert_tells, example, number_after, overlapping

from skfactor.datasets import load_french

french = load_french()
MARKET = french["MktRF"].to_numpy()
RETURNS = french.filter(regex="^S[135]").sub(french["RF"], axis=0).to_numpy()
KAPPAS = np.geomspace(0.02, 1.5, 18)
THIRDS = [slice(0, 273), slice(273, 546), slice(546, 819)]


@pytest.fixture(scope="module")
def shown():
    return example("plot_shrinkage_sdf")


def betas_and_scales(returns, market):
    betas = np.array([np.cov(each, market)[0, 1] for each in returns.T]) / market.var(ddof=1)
    rest = returns - np.outer(market, betas)
    return betas, market.std(ddof=1) / rest.std(axis=0, ddof=1)


def moments(x):
    t, n = x.shape
    a, s = n / (n + t), np.cov(x.T)
    return x.mean(axis=0), a * np.trace(s) / n * np.eye(n) + (1.0 - a) * s


def prices(mean, covariance, penalty):
    return np.linalg.solve(covariance + penalty * np.eye(len(mean)), mean)


def r_squared(test, b):
    mean, covariance = moments(test)
    return 1.0 - np.sum((mean - covariance @ b) ** 2) / (mean @ mean)


def authors(returns):
    """R squared out of sample by kappa: penalties, betas and variances are of the whole sample."""
    betas, scales = betas_and_scales(returns, MARKET)
    x = (returns - np.outer(MARKET, betas)) * scales
    _, covariance = moments(x)
    found = []
    for kappa in KAPPAS:
        penalty = 12.0 * np.trace(covariance) / (len(x) * kappa**2) / (1.0 - 1.0 / 3.0)
        scores = []
        for fold in THIRDS:
            b = prices(*moments(np.delete(x, np.r_[fold], axis=0)), penalty)
            scores.append(r_squared(x[fold], b))
        found.append(np.mean(scores))
    return np.array(found)


def honest():
    """The same with all of it from the training years."""
    found = []
    for kappa in KAPPAS:
        scores = []
        for fold in THIRDS:
            train, market = np.delete(RETURNS, np.r_[fold], axis=0), np.delete(MARKET, np.r_[fold])
            betas, scales = betas_and_scales(train, market)
            x = (train - np.outer(market, betas)) * scales
            mean, covariance = moments(x)
            b = prices(mean, covariance, 12.0 * np.trace(covariance) / (len(x) * kappa**2))
            test = (RETURNS[fold] - np.outer(MARKET[fold], betas)) * scales
            scores.append(r_squared(test, b))
        found.append(np.mean(scores))
    return np.array(found)


def test_the_best_of_the_map(shown):
    scores = authors(RETURNS)
    assert_tells(number_after(shown[0], "Best: kappa "), KAPPAS[scores.argmax()], 2)
    assert ", 18 portfolios" in shown[0]
    assert_tells(number_after(shown[0], "R squared out of sample "), scores.max(), 2)
    lines = shown[1][-1].lines
    np.testing.assert_allclose(lines[1].get_ydata(), scores, rtol=1e-8)


def test_portfolios_and_their_components(shown):
    turn = np.linalg.eigh(np.cov(RETURNS.T))[1]
    for name, returns in (("portfolios", RETURNS), ("components", RETURNS @ turn)):
        line = next(x for x in shown[0].splitlines() if x.startswith(name))
        told = [float(x) for x in re.findall(r": (-?[\d.]+)", line)]
        assert_tells(told[2], authors(returns).max(), 2)
    few = re.findall(r"\{2: ([\d.]+), 4: ([\d.]+)", shown[0])
    assert float(few[1][0]) > float(few[0][0])  # of two components and of two portfolios


def test_a_search_without_looking_ahead(shown):
    scores = honest()
    assert_tells(number_after(shown[0], "\nkappa: "), KAPPAS[scores.argmax()], 2)
    assert_tells(number_after(shown[0], "R squared: "), scores.max(), 2)
    kappa = KAPPAS[scores.argmax()]
    betas, scales = betas_and_scales(RETURNS, MARKET)
    x = (RETURNS - np.outer(MARKET, betas)) * scales
    mean, covariance = moments(x)
    b = prices(mean, covariance, 12.0 * np.trace(covariance) / (len(x) * kappa**2))
    told = number_after(shown[0], "Sharpe ratio a year of the SDF: ")
    assert_tells(told, np.std(x @ b, ddof=1) * np.sqrt(12.0), 2)


def test_figures_are_legible(shown):
    assert [overlapping([ax]) for ax in shown[1]] == [[]] * len(shown[1])

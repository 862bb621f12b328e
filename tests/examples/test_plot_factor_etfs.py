"""The numbers of the example against statsmodels, linearmodels and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from gallery import after, assert_tells, example, number_after, overlapping, table
from linearmodels.asset_pricing import LinearFactorModel
from numpy.testing import assert_allclose
from reference_premia import first_pass_loop, second_pass_loop
from scipy import stats

from skfactor.datasets import load_factor_etfs, load_sp500, load_stocks

FUNDS = ["MTUM", "QUAL", "SIZE", "USMV", "VLUE"]
FACTORS = ["SP500", *FUNDS]
OIL = ["CVX", "XOM"]


@pytest.fixture(scope="module")
def shown():
    return example("plot_factor_etfs")


@pytest.fixture(scope="module")
def raw():
    """Daily returns of the funds and the index as they are, and of the stocks."""
    prices = [load_sp500(), load_factor_etfs(), load_stocks()]
    returns = pd.concat(prices, axis=1, join="inner").pct_change(fill_method=None).iloc[1:]
    return returns[FACTORS], returns.drop(columns=FACTORS)


@pytest.fixture(scope="module")
def data(raw):
    factors, stocks = raw
    over = {name: factors[name] - factors["SP500"] for name in FUNDS}
    return factors[["SP500"]].assign(**over), stocks


@pytest.fixture(scope="module")
def first_pass(data):
    return first_pass_loop(*data)


@pytest.fixture(scope="module")
def yearly(data):
    """Percent a year, expected from the days until 2018 and earned on those from 2019 on."""
    factors, stocks = data[0].loc[:"2018"], data[1].loc[:"2018"]
    betas = first_pass_loop(factors, stocks)["betas"]
    premia = sm.OLS(stocks.mean(), sm.add_constant(betas)).fit().params
    betas.loc["all"], betas.loc["oil"] = betas.mean(), betas.loc[OIL].mean()
    later = data[1].loc["2019":].mean()
    later["all"], later["oil"] = later.mean(), later[OIL].mean()
    expected = premia["const"] + betas @ premia[FACTORS]
    inside = stocks.mean()
    return 25200.0 * pd.DataFrame({"expected": expected, "earned": later, "inside": inside})


def test_correlations(shown, raw):
    printed, _ = shown
    order = [*FUNDS, "SP500"]
    correlations = raw[0][order].corr()
    assert_tells(table(printed, "MTUM", order), correlations, 2)
    pairs = correlations.to_numpy()[np.triu_indices(6, 1)]
    assert_tells(0.78, pairs.min(), 2)  # the text


def test_betas_and_the_range_of_their_errors(shown, first_pass):
    printed, _ = shown
    betas = first_pass["betas"]
    errors = first_pass["std_errors"].agg(["min", "max"])
    assert_tells(table(printed, "asset", list(betas.index)), betas, 2)
    assert_tells(table(printed, "asset", ["min", "max"]), errors, 3)


def test_betas_of_the_funds_are_the_same_without_the_market_taken_off(raw, first_pass):
    betas = first_pass_loop(*raw)["betas"]
    assert_allclose(betas[FUNDS], first_pass["betas"][FUNDS], rtol=1e-8, atol=1e-10)
    # What the text tells of them.
    most = betas.loc[betas["SP500"].idxmax()]
    assert_tells([most["SP500"], most[FUNDS].sum()], [2.8, -2.1], 1)


@pytest.mark.parametrize("name", ["all", "oil"])
def test_portfolio_betas_are_the_regression_of_the_portfolio(shown, data, first_pass, name):
    printed, (left, _) = shown
    factors, stocks = data
    held = stocks if name == "all" else stocks[OIL]
    fit = sm.OLS(held.mean(axis=1), sm.add_constant(factors)).fit()
    errors = first_pass["std_errors"].loc[held.columns]
    apart = np.sqrt(errors.pow(2).sum()) / held.shape[1]
    expected = pd.DataFrame(
        {"beta": fit.params, "error": fit.bse, "t": fit.tvalues, "p": fit.pvalues, "apart": apart}
    ).loc[FACTORS]
    lines = after(printed, "portfolio factor")
    start = next(i for i, line in enumerate(lines) if line.startswith(name))
    told = [line.removeprefix(name).split() for line in lines[start : start + len(FACTORS)]]
    assert [row[0] for row in told] == FACTORS
    assert_tells([row[1:] for row in told], expected, 4)

    container = left.containers[["all", "oil"].index(name)]
    assert container.get_label() == name
    drawn = container.lines[0].get_ydata().astype(float)
    assert_allclose(drawn, expected["beta"], rtol=1e-8, atol=1e-11)
    ends = np.array(container.lines[2][0].get_segments())[:, :, 1]
    half = 1.96 * expected["error"]
    assert_allclose(
        ends, np.column_stack([expected["beta"] - half, expected["beta"] + half]), rtol=1e-8
    )


def test_premia(shown, data):
    printed, _ = shown
    factors, stocks = data
    peer = LinearFactorModel(stocks.to_numpy(), factors.to_numpy(), risk_free=True).fit()
    premia, errors = peer.risk_premia.to_numpy(), peer.risk_premia_se.to_numpy()
    told = table(printed, "premium", ["const", *FACTORS])
    z = premia / errors
    half = stats.norm.ppf(0.975) * errors
    assert_tells(told[[0, 1]], np.column_stack([premia, errors]), 7)
    assert_tells(told[2], z, 3)
    assert_tells(told[3], 2.0 * stats.norm.sf(np.abs(z)), 4)
    assert_tells(told[[4, 5]], np.column_stack([premia - half, premia + half]), 7)
    assert told[3][FACTORS].min() > 0.05  # the text: no premium is told from zero


def test_a_rate_taken_off_all_stocks_goes_into_the_intercept(data, first_pass):
    stocks = data[1].iloc[:20]
    rates = pd.Series(np.linspace(-1.0, 1.0, 20) / 100.0, stocks.index)
    before = second_pass_loop(first_pass["betas"], stocks)
    slopes = second_pass_loop(first_pass["betas"], stocks.sub(rates, axis=0))
    assert_allclose(slopes[FACTORS], before[FACTORS], rtol=1e-8, atol=1e-12)
    assert_allclose(before["const"] - slopes["const"], rates, rtol=1e-9, atol=1e-12)


def test_expected_and_earned_returns(shown, yearly):
    printed, _ = shown
    told = table(printed, "Percent a year", list(yearly.index))
    assert_tells(told, yearly[["expected", "earned"]], 1)


def test_r2_in_the_span_and_after_it(shown, yearly):
    printed, _ = shown
    stocks = yearly.drop(index=["all", "oil"])
    for text, actual in [("R2 until 2018:", "inside"), ("from 2019:", "earned")]:
        missed = ((stocks[actual] - stocks["expected"]) ** 2).sum()
        r2 = 1.0 - missed / ((stocks[actual] - stocks[actual].mean()) ** 2).sum()
        assert_tells(number_after(printed, text), r2, 2)
    assert r2 < 0.0  # the text: worse than one number for all


def test_figure_shows_expected_against_earned(shown, yearly):
    _, (left, right) = shown
    (points,) = right.collections
    assert_allclose(points.get_offsets(), yearly[["expected", "earned"]], rtol=1e-8)
    for text in right.texts:
        assert_allclose(text.xy, yearly.loc[text.get_text(), ["expected", "earned"]], rtol=1e-8)
    assert [text.get_text() for text in left.get_xticklabels()] == FACTORS


def test_texts_in_the_figure_do_not_overlap(shown):
    assert overlapping(shown[1]) == []

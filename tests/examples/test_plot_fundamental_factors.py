"""The numbers of the example against statsmodels, one month at a time, and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from gallery import assert_tells, example, number_after, overlapping, table
from numpy.testing import assert_allclose
from reference import fama_macbeth_loop
from scipy import stats

from skfactor.datasets import load_sp500, load_stocks

SCORES = ["value", "momentum", "volatility"]
SECTORS = {
    "tech": {"AAPL", "AMD", "MSFT"},
    "health": {"JNJ", "LLY", "MRK", "PFE", "UNH"},
    "energy": {"CVX", "RRC", "XOM"},
}
COSTS = 0.001


@pytest.fixture(scope="module")
def shown():
    return example("plot_fundamental_factors")


def monthly(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.groupby(prices.index.to_period("M")).last()


def score(X: pd.DataFrame) -> pd.DataFrame:
    clipped = np.clip(X, *np.quantile(X, [0.05, 0.95], axis=0))
    return (clipped - clipped.mean()) / clipped.std(ddof=0)


@pytest.fixture(scope="module")
def exposures():
    """What is known at the end of each month, from prices by arithmetic of its own."""
    prices = load_stocks()
    logs = np.log(monthly(prices))
    moves = prices.pct_change(fill_method=None)
    wide = {
        "value": logs.shift(60) - logs.shift(12),
        "momentum": logs.shift(1) - logs.shift(12),
        "volatility": moves.rolling(252).std().groupby(moves.index.to_period("M")).last(),
    }
    columns = [frame.stack().rename(name) for name, frame in wide.items()]
    X = pd.concat(columns, axis=1).dropna().rename_axis(["date", "asset"]).sort_index()
    X = pd.concat([score(on_date) for _, on_date in X.groupby("date")])
    assets = X.index.get_level_values("asset")
    for sector, members in SECTORS.items():
        X[sector] = assets.isin(members).astype(float)
    return X


@pytest.fixture(scope="module")
def next_returns(exposures):
    prices = monthly(load_stocks())
    ahead = (prices.shift(-1) / prices - 1.0).stack()
    return ahead.reindex(exposures.index)


@pytest.fixture(scope="module")
def slopes(exposures, next_returns):
    """Dated by the month at whose end the exposures were known."""
    return fama_macbeth_loop(exposures, next_returns).dropna()


@pytest.fixture(scope="module")
def expected(exposures, slopes):
    """Expected returns of each month from the average slopes of the years before its own."""
    rows = {}
    for date in exposures.index.unique("date")[120:]:
        premia = slopes[slopes.index.year < date.year].mean()
        rows[date] = premia["const"] + exposures.loc[date] @ premia[exposures.columns]
    return pd.DataFrame(rows).T


@pytest.fixture(scope="module")
def account(expected, next_returns):
    """Four stocks long and four short a month, by the month in which they earn."""
    held, rows = pd.Series(0.0, expected.columns), {}
    for date in expected.index[:-1]:
        order = expected.loc[date].sort_values().index
        target = pd.Series(0.0, expected.columns)
        target[order[-4:]], target[order[:4]] = 0.25, -0.25
        returns = next_returns.loc[date]
        traded, earned = (target - held).abs().sum(), target @ returns
        net = earned - COSTS * traded
        held = target * (1.0 + returns) / (1.0 + net)
        rows[date + 1] = {"return": earned, "net_return": net, "turnover": traded}
    return pd.DataFrame(rows).T


def test_premia_are_the_average_slopes_with_their_errors(shown, slopes):
    printed, _ = shown
    error = slopes.std() / np.sqrt(len(slopes))
    t = slopes.mean() / error
    p = 2.0 * stats.t.sf(t.abs(), len(slopes) - 1)
    half = stats.t.ppf(0.975, len(slopes) - 1) * error
    told = table(printed, "premium", list(slopes))
    bounds = np.column_stack([slopes.mean() - half, slopes.mean() + half])
    assert_tells(told[[0, 1]], np.column_stack([slopes.mean(), error]), 6)
    assert_tells(told[2], t, 3)
    assert_tells(told[3], p, 4)
    assert_tells(told[[4, 5]], bounds, 6)
    assert number_after(printed, "Dates used:") == len(slopes) == 335
    assert "Left as they are: tech health energy\n" in printed


def test_expected_returns_know_the_past_only(shown, expected):
    printed, _ = shown
    last = expected.iloc[-1]
    assert f"expected in the month after {expected.index[-1]}" in printed
    assert_tells(table(printed, "Percent expected", list(last.index))[0], 100.0 * last, 2)


def test_long_short_earns_trades_and_pays(shown, account):
    printed, _ = shown
    means = 100.0 * account[["return", "net_return"]].agg(["mean", "std"])
    assert_tells(table(printed, "net_return", ["mean", "std"]), means, 2)
    assert_tells(number_after(printed, "Traded a month:"), account["turnover"].mean(), 2)


def test_market_beta_is_that_of_the_months_in_which_returns_were_earned(shown, account):
    printed, _ = shown
    market = monthly(load_sp500())["SP500"].pct_change().loc[account.index]
    slope = np.polyfit(market, account["net_return"], 1)[0]
    assert_tells(number_after(printed, "beta on the market:"), slope, 2)


def months(line):
    """Ordinals of what a line is drawn over, which are Periods with older pandas."""
    return [getattr(month, "ordinal", month) for month in line.get_xdata()]


def test_figure_shows_factor_returns_added_up(shown, slopes):
    _, (left, _) = shown
    lines = {line.get_label(): line for line in left.get_lines()}
    assert list(lines) == [*SCORES, *SECTORS]
    for name, line in lines.items():
        assert_allclose(line.get_ydata(), slopes[name].cumsum(), rtol=1e-9, atol=1e-12)
        assert months(line) == [(month + 1).ordinal for month in slopes.index]


def test_figure_shows_wealth_before_and_after_costs(shown, account):
    _, (_, right) = shown
    for line, name in zip(right.get_lines(), ["return", "net_return"], strict=True):
        assert_allclose(line.get_ydata(), (1.0 + account[name]).cumprod(), rtol=1e-9)
        assert months(line) == [month.ordinal for month in account.index]
    texts = [text.get_text() for text in right.get_legend().get_texts()]
    assert texts == ["before costs", "after costs"]


def test_texts_in_the_figure_do_not_overlap(shown):
    assert overlapping(shown[1]) == []

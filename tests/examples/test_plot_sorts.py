"""The numbers of the example against pandas and linearmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from gallery import after, assert_tells, example, number_after, overlapping, table
from linearmodels.asset_pricing import LinearFactorModel
from reference import fama_macbeth_loop

from skfactor.datasets import make_panel


@pytest.fixture(scope="module")
def shown():
    return example("plot_sorts")


@pytest.fixture(scope="module")
def panel():
    drawn = make_panel(240, 400, 2, premia=[-0.004, 0.006], random_state=0)
    return drawn.data.set_axis(["size", "value"], axis=1), drawn.target


def labels(column, levels):
    """Portfolio of each row among those that quantiles of its date divide."""
    by_date = column.groupby("date")
    return 1 + sum((column > by_date.transform("quantile", level)).astype(int) for level in levels)


def portfolios(values, cap, *sorts):
    """Weighted averages of the dates, one column a combination of labels."""
    cells = [values.index.get_level_values("date"), *sorts]
    sums = (values * cap).groupby(cells).sum() / cap.groupby(cells).sum()
    return sums.unstack(list(range(1, 1 + len(sorts))))  # noqa: PD010 -- pivot_table would average duplicates


def fama_french(values, X, held=lambda labels: labels):
    size, value = held(labels(X["size"], [0.5])), held(labels(X["value"], [0.3, 0.7]))
    known = size.notna()
    six = portfolios(
        values[known], np.exp(X["size"])[known], size[known].rename("s"), value[known].rename("v")
    )
    small, big = six.xs(1, axis=1, level="s"), six.xs(2, axis=1, level="s")
    smb = small.mean(axis=1) - big.mean(axis=1)
    return pd.DataFrame({"SMB": smb, "HML": (small[3] + big[3] - small[1] - big[1]) / 2.0})


def of_june(values):
    """What was so in the June before, or in this month if it is one."""
    wide = values.unstack("asset").astype(float)  # noqa: PD010 -- pivot_table would average duplicates
    june = wide[wide.index.month == 6].reindex(wide.index).ffill()
    return june.stack(future_stack=True).reindex(values.index)


@pytest.fixture(scope="module")
def twenty_five(panel):
    X, y = panel
    fifths = [labels(X[name], [0.2, 0.4, 0.6, 0.8]) for name in X]
    return portfolios(y, np.exp(X["size"]), *fifths)


@pytest.fixture(scope="module")
def factors(panel):
    X, y = panel
    cap = np.exp(X["size"])
    market = (y * cap).groupby("date").sum() / cap.groupby("date").sum()
    return pd.concat([market.rename("Market"), fama_french(y, X)], axis=1)


def test_average_returns(shown, twenty_five):
    told = table("\n".join(after(shown[0], "Average excess")), "size", list("12345"))
    assert_tells(told, 100.0 * twenty_five.mean().to_numpy().reshape(5, 5), 2)


def test_factors(shown, panel, factors):
    X, y = panel
    assert_tells(number_after(shown[0], "every month "), factors["HML"].mean(), 4)
    june = fama_french(y, X, of_june)
    assert_tells(number_after(shown[0], "in Junes "), june["HML"].mean(), 4)
    held = pd.DataFrame({name: fama_french(X[name], X).mean() for name in X})
    slopes = fama_macbeth_loop(X, y).mean().iloc[1:].to_numpy()
    exact = [held @ np.array([-0.004, 0.006]), held @ slopes, factors[["SMB", "HML"]].mean()]
    told = table("\n".join(after(shown[0], "Percent a month")), "expected", ["SMB", "HML"])
    assert_tells(told, 100.0 * np.transpose(exact), 2)
    lines = shown[1][0].lines
    for line, series in zip(lines, [*factors.items(), ("June", june["HML"])], strict=False):
        grown = line.get_ydata()
        np.testing.assert_allclose(grown[~np.isnan(grown)], (1.0 + series[1]).cumprod())


def test_two_passes(shown, factors, twenty_five):
    peer = LinearFactorModel(twenty_five.to_numpy(), factors.to_numpy()).fit()
    told = table(shown[0], "std err", list(factors))
    assert_tells(told[[0, 1]], np.column_stack([peer.risk_premia, peer.risk_premia_se]), 6)
    assert "Looks useless: Market\n" in shown[0]


def test_figures_are_legible(shown):
    assert [overlapping([ax]) for ax in shown[1]] == [[]] * len(shown[1])

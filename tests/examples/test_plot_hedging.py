"""The numbers of the example against statsmodels and NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from gallery import after, assert_tells, example, number_after, overlapping, table
from linearmodels.datasets import french
from statsmodels.regression.rolling import RollingOLS

WEIGHTS = pd.Series({"BusEq": 0.5, "Telcm": 0.2, "Hlth": 0.3})
NAMES = ["MktRF", "SMB", "HML"]


@pytest.fixture(scope="module")
def shown():
    return example("plot_hedging")


@pytest.fixture(scope="module")
def data():
    months = french.load()
    months = months.set_index(pd.PeriodIndex(months["dates"], freq="M")).loc["1965":]
    return months[NAMES], months[WEIGHTS.index].sub(months["RF"], axis=0)


@pytest.fixture(scope="module")
def hedged(data):
    """Betas that were known before each month, and the returns with and without the hedge."""
    factors, industries = data
    fund = industries @ WEIGHTS
    betas = RollingOLS(fund, sm.add_constant(factors), window=60).fit().params.shift(1)[NAMES]
    return betas, fund, (fund - (betas * factors).sum(axis=1, skipna=False)).dropna()


def ols(y, factors):
    return sm.OLS(y, sm.add_constant(factors)).fit()


def test_risk(shown, data):
    factors, industries = data
    fits = {name: ols(column, factors) for name, column in industries.items()}
    b = sum(w * fits[name].params[NAMES] for name, w in WEIGHTS.items())
    specific = sum(w**2 * fits[name].resid.var() for name, w in WEIGHTS.items())
    products = b * (factors.cov() @ b)
    variance = products.sum() + specific
    told = table(shown[0], "exposure", [*NAMES, "specific"])
    assert_tells(told[5], np.append(products, specific) / variance, 4)
    assert_tells(told[4], np.append(products, specific) / np.sqrt(variance), 4)
    widths = [bar.get_width() for bar in shown[1][0].patches]
    np.testing.assert_allclose(widths, np.append(products, specific) / variance)


def test_what_remains_out_of_sample(shown, data, hedged):
    factors = data[0]
    assert "Largest exposure that remains: 0.000\n" in shown[0]
    rest = ols(hedged[2], factors.loc[hedged[2].index])
    told = table("\n".join(after(shown[0], "Largest")), "beta", NAMES)
    exact = np.column_stack([rest.params, rest.bse, rest.tvalues, rest.pvalues])[1:]
    assert_tells(told, exact, 3)


def test_volatilities(shown, data, hedged):
    factors = data[0]
    _, fund, after_hedge = hedged
    held = after_hedge.index
    residuals = fund - factors @ ols(fund, factors).params[NAMES]
    exact = [fund[held].std(), after_hedge.std(), residuals[held].std()]
    told = [float(line.split()[-1]) for line in after(shown[0], "Volatility a year")[:3]]
    assert_tells(told, 100.0 * np.sqrt(12.0) * np.array(exact), 1)


def test_a_hedge_in_part(shown, data, hedged):
    factors = data[0]
    betas, fund, after_hedge = hedged
    wanted = pd.Series({"MktRF": 0.3, "SMB": 0.0})
    series = fund + ((wanted - betas[wanted.index]) * factors[wanted.index]).sum(axis=1)
    rest = ols(series[after_hedge.index], factors.loc[after_hedge.index]).params
    lines = shown[0].splitlines()
    first = lines.index("factor", lines.index(next(x for x in lines if x.startswith("hedged, in"))))
    told = [float(line.split()[-1]) for line in lines[first + 1 : first + 4]]
    assert_tells(told, rest[NAMES], 2)


def test_attribution_adds_up(shown, data, hedged):
    betas, fund, _ = hedged
    last = fund.index[-120:]
    total = (1.0 + fund[last]).prod() - 1.0
    assert_tells(number_after(shown[0], "2017-03, percent: "), 100.0 * total, 1)
    parts = betas.loc[last] * data[0].loc[last]
    parts["specific"] = fund[last] - parts.sum(axis=1)
    k = np.log1p(fund[last]) / fund[last] * total / np.log1p(total)
    told = table(shown[0], "Compound return", list(parts))
    assert_tells(told[0], 100.0 * parts.mul(k, axis=0).sum(), 1)


def test_figures_are_legible(shown):
    assert [overlapping([ax]) for ax in shown[1]] == [[]] * len(shown[1])

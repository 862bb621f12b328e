"""
A fundamental risk model
========================

Split returns into those of the market, sectors and styles, forecast the risk of any portfolio from
them, test the forecasts on later days, and say where a portfolio's active risk and return are from.
"""

# %%
# Exposures in a row are known the day before its return: past moves, scored within the day. Twenty
# stocks have no capitalizations in the data, so that all count alike.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from skfactor import EWMCovariance, FactorRiskModel, FactorZScorer, SpecificRisk
from skfactor.datasets import load_stocks
from skfactor.frames import returns_from_prices, stack_characteristics
from skfactor.plotting import RiskDisplay, RiskEvaluationDisplay
from skfactor.portfolios import attribute
from skfactor.risk import decompose_risk, evaluate_risk

returns = returns_from_prices(load_stocks().loc["2010":])
growth = np.log1p(returns)
known = {
    "momentum": growth.rolling(231).sum().shift(22),
    "volatility": returns.rolling(126).std().shift(1),
}
X = FactorZScorer(clip=3.0).fit_transform(stack_characteristics(known, how="any"))
y = returns.stack().reindex(X.index)
sectors = {
    "tech": "AAPL AMD MSFT",
    "health": "JNJ LLY MRK PFE UNH",
    "energy": "CVX RRC XOM",
    "finance": "BAC GE JPM",
    "consumer": "BBY HD KO PEP PG WMT",
}
sector_of = {stock: name for name, stocks in sectors.items() for stock in stocks.split()}

model = FactorRiskModel(
    covariance=EWMCovariance(84, regime_halflife=42),
    specific=SpecificRisk(84, regime_halflife=42),
).fit(X, y, groupby=sector_of)
print((100.0 * np.sqrt(252.0) * model.factor_returns_.std()).round(1).to_string())

# %%
# At the end of each quarter a model is made of what is known, for the days of the next one. Returns
# over forecast volatilities have a standard deviation of 1 if forecasts are right. Returns of days
# have fat tails, for which the band is too narrow.

days = X.index.unique("date")
ends = [t for t in range(504, len(days) - 1) if days[t].quarter != days[t + 1].quarter]
models = {days[t]: model.risk_model(X.loc[days[t + 1]], date=days[t]) for t in ends}
found = evaluate_risk(returns.loc[days], models, factor_returns=model.factor_returns_)
print(found.table[["n_portfolios", "bias", "lower", "upper", "inside", "mrad"]].round(2))
RiskEvaluationDisplay(found).plot()
plt.show()

# %%
# The portfolio of least risk is where forecasts fail first: it holds what looks safe by chance. The
# covariance of the last hundred days says so more often.

held = found.standardized["minimum variance"].iloc[:, 0]
sample = []
for t in ends:
    sigma = returns.loc[days[t - 99 : t + 1]].cov().to_numpy()
    w = np.linalg.solve(sigma, np.ones(len(sigma)))
    w /= w.sum()
    later = returns.loc[days[t + 1 : t + 64]].to_numpy()
    sample.extend(later @ w / np.sqrt(w @ sigma @ w))
print(f"Realized over forecast volatility of the least risk: {held.std():.2f}")
print(f"The same by the sample covariance: {np.std(sample):.2f}")

# %%
# Where the risk of technology stocks is from, beyond that of all stocks alike: on the last day, and
# through all quarters, with the returns that it gave.

equal = pd.Series(1.0 / len(returns.columns), returns.columns)
tech = pd.Series(1.0 / 3.0, sectors["tech"].split())
kinds = dict.fromkeys(sectors, "sectors") | {"const": "market"}
kinds |= dict.fromkeys(["momentum", "volatility"], "styles")
active = decompose_risk(tech, models[days[ends[-1]]], benchmark=equal, by=kinds)
print(active.by_group.round(4))
RiskDisplay(active).plot(share=True)
plt.show()

later = days[ends[0] + 1 :]
through = attribute(
    models, model.factor_returns_.loc[later], returns.loc[later], weights=tech, benchmark=equal
)
print((1e4 * through.risk()[["mean", "contribution", "forecast"]]).round(1))

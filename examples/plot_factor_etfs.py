"""
Stocks on factor funds
======================

Which factor funds do twenty stocks move with, and a portfolio of them, and what does that say
about the returns to expect?
"""

# %%
# Factors that are not all the market
# -----------------------------------
# Each fund is long only and holds the market besides its factor: daily returns of the six correlate
# by 0.78 at least, and the betas of a stock on them come out like 2.8 on the market and -2.1 on the
# five together. Taken over the market the funds are what their names say. Their betas stay what
# they were, to the last digit; that of the market no longer has to make up for them. (The index
# has no dividends: that hardly moves a beta, but the average of a fund over it is no premium.)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from skfactor import FamaMacBeth
from skfactor.datasets import load_factor_etfs, load_sp500, load_stocks
from skfactor.frames import align_dates, returns_from_prices

stocks, funds, market = (
    returns_from_prices(prices)
    for prices in align_dates(load_stocks(), load_factor_etfs(), load_sp500())
)
print(funds.join(market).corr().round(2))
factors = market.join(funds.sub(market["SP500"], axis=0))

# %%
# Betas
# -----
# A beta comes with its error: what looks like an exposure may be none.

model = FamaMacBeth().fit(factors, stocks)
print(model.betas_.round(2))
print(model.first_pass_.std_errors_.agg(["min", "max"]).round(3))

# %%
# Portfolios
# ----------
# The betas of a portfolio are averages of those of its stocks; their errors are not, and least of
# all those of one stock used for all. What the factors leave over moves together, oil with oil,
# so the errors need each stock's own residuals and their correlations. They are then those of the
# regression of the portfolio's own return.

weights = pd.DataFrame(0.0, stocks.columns, ["all", "oil"])
weights["all"] = 1.0 / len(weights)
weights.loc[["CVX", "XOM"], "oil"] = 0.5
betas = model.portfolio_betas(weights)
apart = (weights.pow(2).T @ model.first_pass_.std_errors_.pow(2)).pow(0.5)
print(betas.assign(if_uncorrelated=apart.stack()).round(4))

# %%
# Premia
# ------
# There is no bill rate here, and none is needed: what is subtracted from all stocks of a day goes
# into the intercept of that day, and the premia stay. (``excess_returns`` takes it off.) With nine
# years of twenty survivors no premium differs from zero significantly.

print(model.summary())

# %%
# Expected returns
# ----------------
# Betas times premia fit the averages of the span they are from. That is no forecast: estimated up
# to 2018 and compared with what came after, they do worse than one number for all stocks.

past, later = slice(None, "2018"), slice("2019", None)
early = FamaMacBeth().fit(factors.loc[past], stocks.loc[past])
portfolios = early.expected_returns(weights.T @ early.betas_)
expected = pd.concat([early.expected_returns_, portfolios])
earned = stocks.loc[later].assign(**(stocks.loc[later] @ weights)).mean()
yearly = pd.DataFrame({"expected": expected, "earned": earned}).mul(252 * 100.0)
print("Percent a year, expected at the end of 2018 and earned since:")
print(yearly.round(1))
scores = [early.score(factors.loc[span], stocks.loc[span]) for span in (past, later)]
print(f"R2 until 2018: {scores[0]:.2f}, from 2019: {scores[1]:.2f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for shift, (name, rows) in zip((-0.1, 0.1), betas.groupby("portfolio"), strict=True):
    place, half = np.arange(len(rows)) + shift, 1.96 * rows["std_error"]
    left.errorbar(place, rows["beta"], half, fmt="o", capsize=4, label=name)
left.set_xticks(range(len(factors.columns)), factors.columns)
left.axhline(0.0, color="0.7", linewidth=1.0)
left.set_title("Betas of two portfolios, 95% intervals")
left.legend()
right.scatter(yearly["expected"], yearly["earned"], color=["C0"] * len(stocks.columns) + ["C1"] * 2)
right.margins(0.1)
right.axline((0.0, 0.0), slope=1.0, color="0.7", linewidth=1.0)
for name in ["RRC", "AAPL", "AMD", "MSFT", "all", "oil"]:
    right.annotate(name, yearly.loc[name], (0, 7), textcoords="offset points", ha="center")
right.set(xlabel="expected at the end of 2018", ylabel="earned since", title="Percent a year")
plt.show()

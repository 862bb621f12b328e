"""
Factors from characteristics
============================

Score what is known about stocks, regress next month's returns on the scores, and hold what the
premia known so far favour.
"""

# %%
# A row holds what is known at the end of its month, and the return of the month after. The price
# at the end of a month is made of that month's return, and a regression of the one on the other
# would find a premium that nobody could earn. Prices have no book values: what was lost in the
# four years before the last one stands in for value. A sector is an indicator, 0 or 1.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.pipeline import make_pipeline

from skfactor import FactorBetas, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.datasets import load_sp500, load_stocks
from skfactor.frames import forward_returns, returns_from_prices, stack_characteristics
from skfactor.model_selection import WalkForwardSplit, walk_forward_predict
from skfactor.portfolios import long_short

prices = load_stocks()
returns, daily = returns_from_prices(prices, "M"), returns_from_prices(prices)
growth = np.log1p(returns)
characteristics = {
    "value": -growth.rolling(48).sum().shift(12),
    "momentum": growth.rolling(11).sum().shift(1),
    "volatility": daily.rolling(252).std().groupby(daily.index.to_period("M")).last(),
}
sectors = {"tech": "AAPL AMD MSFT", "health": "JNJ LLY MRK PFE UNH", "energy": "CVX RRC XOM"}
for name, members in sectors.items():
    characteristics[name] = 0.0 * returns + returns.columns.isin(members.split())
X = stack_characteristics(characteristics, how="any")
y = forward_returns(returns).stack().reindex(X.index)
known = y.notna()  # the month after the last one is yet to come

# %%
# Extremes are set to percentiles of their own month before scores are taken, or one of them would
# set the scale for all; indicators stay as they are. The intercept is what all stocks share.

pipeline = make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer(), FamaMacBeth())
pipeline.fit(X[known], y[known])
print(pipeline[-1].summary())
print("Left as they are:", *pipeline[1].indicator_features_)

# %%
# Premia of the whole span know the future. Walking forward, each year is predicted from the years
# before it, ten at least: the return in the last row of December is known when January ends, and
# that is when the row of January is. Each leg holds a fifth of the stocks and pays 10 basis points
# of what it trades.

walk = WalkForwardSplit(None, test_size=12, min_train_size=120)
expected = walk_forward_predict(pipeline, X, y, cv=walk)
tested = expected.index[known.loc[expected.index]]
held = long_short(expected[tested], y[tested], leg_size=0.2, costs=0.001)
earned = held.to_frame().shift(1, freq="M")  # from the month that X is of to the one that y is of
print(earned[["return", "net_return"]].agg(["mean", "std"]).mul(100.0).round(2))
last = expected.index[-1][0]
print(f"Percent expected in the month after {last}:")
print(expected.loc[last].sort_values().mul(100.0).round(2).to_string())

# %%
# Neutral in dollars is not neutral to the market, ``skfactor.portfolios.hedge`` is. And with twenty
# stocks that survived to be chosen hardly any premium differs from zero.

market = returns_from_prices(load_sp500(), "M").loc[earned.index]
beta = FactorBetas().fit(market, earned["net_return"]).betas_.loc["net_return", "SP500"]
print(f"Traded a month: {earned['turnover'].mean():.2f}, beta on the market: {beta:.2f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
slopes = pipeline[-1].lambdas_.drop(columns="const").shift(1, freq="M")
slopes.cumsum().plot(ax=left, title="Factor returns, added up", xlabel="")
wealth = (1.0 + earned[["return", "net_return"]]).cumprod()
wealth.plot(ax=right, title="Wealth, long the best and short the worst fifth", xlabel="")
right.legend(["before costs", "after costs"])
plt.show()

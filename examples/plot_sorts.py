"""
Sorts, and the factors of Fama and French
=========================================

From characteristics to portfolios, from portfolios to factors, and from both to a two-pass model
whose premia are known here, because the panel is simulated.
"""

# %%
# Value earns 0.6 percent a month for a standard deviation, size costs 0.4 percent. Returns are in
# excess of the risk-free rate, and what a row says of a stock is known at the start of the month of
# its return; with your own data ``lag=1`` moves what is dated later.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from skfactor import FamaMacBeth
from skfactor.datasets import make_panel
from skfactor.plotting import FactorReturnsDisplay, PricingErrorDisplay
from skfactor.portfolios import PortfolioSorter, fama_french_factors, portfolio_returns

panel = make_panel(240, 400, 2, premia=[-0.004, 0.006], random_state=0)
X = panel.data.set_axis(["size", "value"], axis=1)  # the logarithm of market capitalization, ...
y, cap = panel.target, np.exp(X["size"])

# %%
# Each month stocks are sorted into five portfolios by size and, independently, by value. With two
# columns of labels each combination is a portfolio; within one, stocks weigh by capitalization.

labels = PortfolioSorter(n_portfolios=5).fit_transform(X)
portfolios = portfolio_returns(labels.astype(int), y, cap)
print("Average excess return, percent a month")
print(portfolios.mean().unstack("value").mul(100.0).round(2))

# %%
# The 2x3 sorts of Fama and French are one call; the market is one portfolio of all stocks. The
# factor that is formed in Junes only earns less: characteristics wander while it waits.

everything = pd.Series("Market", index=X.index, name="portfolio")
factors = fama_french_factors(X, y, {"HML": "value"}, cap)
factors.insert(0, "Market", portfolio_returns(everything, y, cap)["Market"])
june = fama_french_factors(X, y, {"HML": "value"}, cap, rebalance_month=6)
print(f"HML formed every month {factors['HML'].mean():.4f}, in Junes {june['HML'].mean():.4f}")
grown = pd.concat([factors, june["HML"].rename("HML of June")], axis=1)
FactorReturnsDisplay(grown).plot(kind="cumulative", log=True)

# %%
# What should they have earned? A portfolio of characteristics has a characteristic: put in the
# place of returns, it says how much of each a factor holds, and so what is expected of it. Average
# slopes of this sample, in place of the true premia, come close to what the factors have earned.

held = {name: fama_french_factors(X, X[name], {"HML": "value"}, cap).mean() for name in X}
held = pd.DataFrame(held)
slopes = FamaMacBeth().fit(X, y).premia_.drop("const")
earned = {
    "expected": held @ panel.premia.drop("const").set_axis(X.columns),
    "by slopes": held @ slopes,
    "earned": factors[held.index].mean(),
}
print(held.round(2))
print("Percent a month")
print(pd.DataFrame(earned).mul(100.0).round(2))

# %%
# Now the other way round: are 25 portfolios priced by three factors that were made of the same
# stocks? A stock's betas wander with its characteristics, those of a sorted portfolio stay, and
# that is why portfolios are the test assets. The market moves all of them alike here, so that its
# premium cannot be told from a zero-beta rate; of excess returns that is zero and is left out.

portfolios.columns = [f"S{size}V{value}" for size, value in portfolios.columns]
print("Looks useless:", *FamaMacBeth().fit(factors, portfolios).diagnostics().useless)
model = FamaMacBeth(fit_intercept=False).fit(factors, portfolios)
print(model.summary())
PricingErrorDisplay.from_estimator(model)
plt.show()

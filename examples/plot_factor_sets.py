"""
Every set of factors
====================

All sets of up to five of fifteen characteristics, scored on years that they have not seen, in
seconds; and what the best of thousands of scores is worth.
"""

# %%
# The panel is simulated, so that the truth is known: five of fifteen characteristics earn premia.
# All that a regression needs from a month are the cross-products of its columns, which are the same
# for all sets: they are read once, and each set has the numbers of refitting it in each fold.

import numpy as np

from skfactor import FamaMacBeth, TradedFactorModel
from skfactor.datasets import load_french, make_panel
from skfactor.frames import excess_returns
from skfactor.model_selection import FactorSetSearchCV, WalkForwardSplit
from skfactor.plotting import FactorSetDisplay

premia = np.zeros(15)
premia[:5] = [0.010, 0.008, 0.006, 0.004, 0.003]
X, y = make_panel(120, 100, 15, premia=premia, random_state=0, return_X_y=True)
search = FactorSetSearchCV(FamaMacBeth(), max_size=5, scoring="ic", cv=WalkForwardSplit(5))
search.fit(X, y)
print(search.summary(n_best=5))

# %%
# Grey points are sets, the line is the best of each size. It is flat where it matters: many sets
# have similar scores, and columns that earn nothing ride along by luck. The last panel says which
# columns the best sets have in common.

FactorSetDisplay.from_estimator(search)

# %%
# Is the best set better than one that a paper proposed, given how many were tried? And the smallest
# set that is within one standard error of the best has fewer columns to be wrong about.

paper = ["x01", "x02", "x03"]
print(search.superior_to(paper, n_draws=200, random_state=0))
careful = search.set_params(rule="one-se", refit=False).fit(X, y)
print("Within one standard error:", *careful.best_set_)

# %%
# The same for French's factors, as a model of traded factors: the GRS test and the largest squared
# Sharpe ratio of each set stand beside its score, the cross-sectional R squared of average returns
# in years that the set has not seen. That it is negative says that averages of a few years differ
# from those of the years before by more than any of these sets explains.

french = load_french()
factors = french[["MktRF", "SMB", "HML", "Mom"]]
portfolios = excess_returns(french.filter(regex="^S[135]"), french["RF"])
traded = FactorSetSearchCV(TradedFactorModel(), always=["MktRF"]).fit(factors, portfolios)
table = traded.results_
print(table[[("score", "mean"), ("sharpe2", "estimate"), ("grs", "statistic")]].round(3))

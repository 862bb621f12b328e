"""
Premia in two passes
====================

Which factors are paid for in the returns of size, value and momentum portfolios, and how sure is
that? Betas come from regressions over time, premia from regressions across portfolios.
"""

# %%
# French's factors and portfolios are bundled. Portfolios earn total returns, so the risk-free rate
# is subtracted; factors are returns of long-short portfolios already. Rows are months and columns
# assets: in this wide form :class:`~skfactor.FamaMacBeth` estimates the betas itself.

import pandas as pd
from matplotlib import pyplot as plt

from skfactor import FamaMacBeth
from skfactor.datasets import load_french
from skfactor.frames import excess_returns
from skfactor.inference import cross_sectional_r2, j_test
from skfactor.plotting import PremiaDisplay, PremiaPathDisplay, PricingErrorDisplay

french = load_french()
factors = french[["MktRF", "SMB", "HML", "Mom"]]
portfolios = excess_returns(french.filter(regex="^S[135]"), french["RF"])
model = FamaMacBeth().fit(factors, portfolios)
print(model.betas_.iloc[[0, 5, 12, 17]].round(2))

# %%
# A premium is the average of a slope over months. How sure it is depends on what is taken for
# granted: ``"fama-macbeth"`` takes betas as known, ``"shanken"`` and ``"gmm"`` know that they are
# estimates, and ``"krs"``, the default, holds for a model that is wrong too. The model is fitted
# once for all of them.

kinds = ["fama-macbeth", "shanken", "gmm", "krs"]
errors = pd.DataFrame({kind: model.inference(kind).std_errors for kind in kinds})
print("Percent a month")
print(errors.assign(premium=model.premia_).mul(100.0).round(3))
PremiaDisplay.from_estimator(model, kinds)

# %%
# They nearly agree on size, value and momentum, which move these portfolios so much that their
# betas are well known. Value and momentum are paid for. The market is not: a zero-beta rate, which
# should be nothing above the risk-free rate, takes the place of its premium, and their errors are
# larger if the model may be wrong.
#
# The factors are traded, so that there is a second estimate to hold against the first: what they
# earned. With the zero-beta rate set to zero the market's premium is close to that.

through_zero = FamaMacBeth(fit_intercept=False).fit(factors, portfolios)
print("Percent a month")
columns = {"free": model.premia_, "zero": through_zero.premia_, "earned": factors.mean()}
print(pd.DataFrame(columns).reindex(model.premia_.index).mul(100.0).round(2))

# %%
# Averages hide when a premium was paid. Sums of the months' slopes show it: momentum paid until its
# crash in 2009, value until 2010. The betas are those of the whole span, so that nobody could have
# earned these slopes at the time.

PremiaPathDisplay.from_estimator(model, overlay=True, names=list(factors))

# %%
# What the model leaves unexplained is the vertical distance to the line, 0.12 percent a month on
# average. Over 68 years that is no accident: the J test rejects the model, good as its fit is.

print(j_test(model))
print(cross_sectional_r2(model))
PricingErrorDisplay.from_estimator(model)
plt.show()

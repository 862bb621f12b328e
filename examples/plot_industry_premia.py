"""
Premia of factors in industry portfolios
========================================

What are industries exposed to, what does that pay, and how sure is it?
"""

# %%
# Align, and take excess returns
# ------------------------------
# Two tables rarely span the same months. Subtracted as they are they leave rows of NaN without a
# word; ``align_dates`` keeps the months that both have, and ``excess_returns`` raises for a return
# whose month has no rate. (``fetch_french`` gets any table of the library, other industries too.)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from skfactor import (
    CrossSectionalTargetRegressor,
    FactorBetas,
    FamaMacBeth,
    TradedFactorModel,
    Winsorizer,
)
from skfactor.datasets import load_french
from skfactor.frames import align_dates, excess_returns
from skfactor.summary import premia_table

french = load_french()
factors = french.loc["1963-07":, ["MktRF", "SMB", "HML", "Mom", "RF"]]
factors, industries = align_dates(factors, french.loc[:"2016-12", "NoDur":"Other"])
industries = excess_returns(industries, factors.pop("RF"))
print(f"{industries.shape[1]} industries, {len(factors)} months, {factors.index[0]} on")

# %%
# Two passes
# ----------
# Factors and returns in wide form are all that is needed. The betas are those of the whole span,
# so the slopes of a month tell what exposures paid, in hindsight, and not what to expect.

model = FamaMacBeth().fit(factors, industries)
print(model.betas_.round(2))
print(model.lambdas_.mul(100.0).round(2).tail(3))

# %%
# How sure?
# ---------
# An average of T months has T ** 0.5 times less error than a month: mean over standard deviation
# is no t-value. "fama-macbeth" takes the betas as known, "shanken" adds their errors, and "krs"
# holds for a model that is wrong, too: the default. A factor that is itself a return needs none
# of this, its average is its premium, and far more precise than what twelve industries tell.

kinds = ["fama-macbeth", "shanken", "krs"]
t_values = pd.DataFrame({kind: model.inference(kind).t_values for kind in kinds})
t_values.insert(0, "mean / std", model.premia_ / model.lambdas_.std())
traded = TradedFactorModel().fit(factors, industries).inference()
print(t_values.assign(traded=traded.t_values).round(3))

# %%
# Known then, clipped, or without a zero-beta rate
# ------------------------------------------------
# Betas of the 60 months before were known when the month began. Clipped at percentiles of all
# months at once a crisis is an outlier; clipped within the month no other month matters, but
# nobody earns a clipped return. Without an intercept, what has no exposures has to earn the
# risk-free rate, and the market takes over what the intercept was.

low, high = np.percentile(industries, [1, 99])
by_month = CrossSectionalTargetRegressor(FamaMacBeth(), Winsorizer(0.05, 0.95))
models = {
    "CAPM": FamaMacBeth().fit(factors[["MktRF"]], industries),
    "Carhart": model,
    "betas before": FamaMacBeth(betas=FactorBetas(60)).fit(factors, industries),
    "no intercept": FamaMacBeth(fit_intercept=False).fit(factors, industries),
    "clipped by month": by_month.fit(factors, industries),
    "clipped at once": FamaMacBeth().fit(factors, industries.clip(low, high)),
}
print(premia_table(models.values(), names=list(models), stars=True).to_string())

# %%
# How the premia wander
# ---------------------
# Two years are short: their average slopes wander far beyond the interval of the whole span.

premia = model.inference().to_frame().mul(100.0).drop(index="const")
rolling = model.lambdas_[premia.index].mul(100.0).rolling(24).mean().dropna()
layout = [["premia", name] for name in premia.index]
fig, axes = plt.subplot_mosaic(layout, figsize=(11, 7), width_ratios=[2, 3], layout="constrained")
bars, half = axes["premia"], premia["upper"] - premia["premium"]
bars.barh(premia.index, premia["premium"], xerr=half, color="C0", alpha=0.6, capsize=4)
bars.plot(traded.premia * 100.0, premia.index, "D", color="C1", label="mean of the factor itself")
bars.invert_yaxis()
bars.set_title("Premia and 95% intervals, percent a month")
bars.legend(loc="upper center", bbox_to_anchor=(0.5, -0.05))
for name, premium in premia.iterrows():
    axes[name].plot(rolling.index.to_timestamp(), rolling[name])
    axes[name].axhspan(premium["lower"], premium["upper"], color="C0", alpha=0.2)
    axes[name].set_title(f"{name}: mean slope of 24 months, and the interval of all", fontsize=10)
plt.show()

"""
Hedging a portfolio
===================

What drives the risk of a portfolio, how much of it can be hedged away with factors, and how much
of the hedge is left when betas have to be estimated from the past.
"""

# %%
# The portfolio holds three of French's industries. Its exposures follow from those of the
# industries, and so does its volatility: each factor contributes, and what the industries do on
# their own is specific. Covariances between the factors are shared out, so that contributions add
# up to the volatility.

import pandas as pd
from matplotlib import pyplot as plt

from skfactor import FactorBetas
from skfactor.datasets import load_french
from skfactor.frames import excess_returns
from skfactor.plotting import FactorReturnsDisplay, RiskDisplay
from skfactor.portfolios import attribute, hedge
from skfactor.risk import decompose_risk

french = load_french().loc["1965":]
factors = french[["MktRF", "SMB", "HML"]]
industries = excess_returns(french[["BusEq", "Telcm", "Hlth"]], french["RF"])
weights = pd.Series({"BusEq": 0.5, "Telcm": 0.2, "Hlth": 0.3})

risk = decompose_risk(weights, FactorBetas().fit(factors, industries))
print(risk.by_factor.round(4))
RiskDisplay(risk).plot(share=True)

# %%
# In sample the hedge is perfect: betas of the whole span bring the exposures over the whole span to
# zero. Nobody could have held it, because nobody knew them before the end.

known_after = hedge(factors, industries, weights=weights)
print(f"Largest exposure that remains: {known_after.remaining['beta'].abs().max():.3f}")

# %%
# Out of sample, the betas of a month are those of the 60 months before it, so that the first 60
# have no hedge. What remains is small and not zero: exposures change before their estimates do. The
# volatility says that little is lost by it here.

rolling = FactorBetas(window=60, lag=1)
known_before = hedge(factors, industries, weights=weights, betas=rolling)
print(known_before.remaining.round(3))
held = known_before.returns.dropna().index
volatility = {
    "unhedged": known_before.unhedged[held].std(),
    "hedged, out of sample": known_before.returns[held].std(),
    "hedged, in sample": known_after.returns[held].std(),
}
print(f"Volatility a year from {held[0]}, percent")
print(pd.Series(volatility).mul(100.0 * 12.0**0.5).round(1).to_string())

# %%
# A hedge does not have to remove every exposure. This one leaves the exposure to HML, which is
# negative, and keeps that to the market at 0.3.

partly = hedge(
    factors, industries, weights=weights, betas=rolling,
    names=["MktRF", "SMB"], target=pd.Series({"MktRF": 0.3, "SMB": 0.0}),
)  # fmt: skip
print(partly.remaining["beta"].round(2).to_string())

# %%
# Where did the return of the last ten years come from? Exposures that were known before split each
# month's return, and the parts, linked over time, add up to the compound return. Month by month the
# specific part is what the hedged portfolio earned, before the costs of trading three factors.

last = held[-120:]
exposures = -known_before.positions.loc[last]  # the target was zero
parts = attribute(exposures, factors.loc[last], known_before.unhedged[last])
total = parts.linked().iloc[-1]
print(f"Compound return {last[0]} to {last[-1]}, percent: {100.0 * total.sum():.1f}, of which")
print(total.mul(100.0).round(1).to_string())
series = [known_before.unhedged[held], known_before.returns[held], partly.returns[held]]
names = ["unhedged", "hedged", "market 0.3, HML kept"]
FactorReturnsDisplay(pd.concat(series, axis=1, keys=names)).plot(log=True)
plt.show()

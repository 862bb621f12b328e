"""
Why the standard error matters
==============================

A factor made of random numbers looks priced more often than not, if its errors are those of Fama
and MacBeth. What protects from that, and what does not?
"""

# %%
# The portfolios are real, and the market alone does not explain their returns. Beside it stands a
# factor of random numbers. Nothing is exposed to it: its betas are zero but for estimation error,
# and a regression on them finds some premium, of any sign and size.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import stats

from skfactor import FamaMacBeth
from skfactor.datasets import load_french
from skfactor.frames import excess_returns

french = load_french()
market = french[["MktRF"]]
portfolios = excess_returns(french.filter(regex="^S[135]"), french["RF"])
rng = np.random.default_rng(0)
noise = 0.04 * rng.standard_normal((len(french), 40))
model = FamaMacBeth().fit(market.assign(noise=noise[:, 0]), portfolios)
print(model.summary("fama-macbeth"))

# %%
# The summary says what is wrong, and so does ``diagnostics``: the betas on the factor hardly differ
# between portfolios, so that the matrix of betas may lack full rank, and a premium is a question
# without an answer then. For a factor that portfolios are exposed to there is nothing to say.

print(model.diagnostics())
print("\nWith HML in place of noise:")
print(FamaMacBeth().fit(french[["MktRF", "HML"]], portfolios).diagnostics().rank)

# %%
# One draw may be bad luck. Of forty, how many have a significant premium?

draws = []
for column in noise.T:
    found = FamaMacBeth().fit(market.assign(noise=column), portfolios).diagnostics()
    draws.append({**found.t_values.loc["noise"], "rank": found.rank.p_value})
draws = pd.DataFrame(draws)
significant = draws[["fama-macbeth", "krs"]].abs() > stats.norm.ppf(0.975)
identified = draws["rank"] < 0.05
shares = significant.mean().rename("all draws").to_frame()
shares["and rank test passed"] = significant.mul(identified, axis=0).mean()
print("Percent of the draws in which noise is priced at the 5 percent level")
print(shares.mul(100.0).round(0))
print(f"The rank test takes noise for a factor in {100 * identified.mean():.0f} percent.")

# %%
# Fama-MacBeth errors take the betas for known. That they are random numbers never enters, and
# the longer the sample, the surer they are of nothing. Errors that hold in a wrong model, ``krs``,
# are far better, and still too small: where a premium is not identified, no t-value is normal. So
# test the rank first, and read t-values, those of ``krs``, only if it passed.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
edges = np.linspace(-8.0, 8.0, 33)
colors = {"fama-macbeth": "#E69F00", "krs": "#0072B2"}
for (kind, color), filled in zip(colors.items(), (True, False), strict=True):
    style = {"histtype": "stepfilled" if filled else "step", "linewidth": 2.0, "color": color}
    left.hist(draws[kind], edges, density=True, alpha=0.6 if filled else 1.0, label=kind, **style)
left.plot(edges, stats.norm.pdf(edges), color="black", linestyle="--", label="standard normal")
left.set(xlabel="t-value of the premium of noise", ylabel="density")
left.legend(frameon=False)
right.hist(draws["rank"], np.linspace(0.0, 1.0, 11), color="#009E73")
right.axhline(len(draws) / 10.0, color="black", linestyle="--", label="a test of the right size")
right.set(xlabel="p-value of the rank test", ylabel="draws", ylim=(0.0, 24.0))
right.legend(frameon=False)
plt.show()

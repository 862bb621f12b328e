"""
Latent factors of characteristics
=================================

Instrumented principal components on a simulated panel: exposures are functions of characteristics,
and everything that is estimated can be held against the truth.
"""

# %%
# Three latent factors; five characteristics and a constant say how an asset loads on them. A sixth
# characteristic is noise. Assets enter and leave at random.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from skfactor import FamaMacBeth, InstrumentedPCA, InstrumentedPCACV

rng = np.random.default_rng(0)
n_dates, n_assets, names = 120, 100, ["size", "value", "momentum", "quality", "beta", "noise"]
true_gamma = np.linalg.qr(rng.normal(size=(7, 3)))[0]
true_gamma[5] = 0.0
true_factors = rng.normal([0.15, 0.05, 0.1], [1.0, 0.8, 0.6], (n_dates, 3))
index = pd.MultiIndex.from_product([range(n_dates), range(n_assets)], names=["date", "asset"])
ranks = rng.random((len(index), 6)) - 0.5
z = np.column_stack([ranks, np.ones(len(index))])
paths = true_factors @ true_gamma.T
returns = np.sum(z * paths[index.codes[0]], axis=1) + 0.7 * rng.normal(size=len(index))
here = rng.random(len(index)) < 0.8
X, y = pd.DataFrame(ranks, index, names)[here], pd.Series(returns, index)[here]

# %%
# How many factors? What the factors of a date explain of the returns that they were estimated from
# rises with every factor. What they explain of other assets has its peak at the truth.

search = InstrumentedPCACV(range(1, 7), random_state=0).fit(X, y)
same = [InstrumentedPCA(k).fit(X, y).r2_.loc["total", "assets"] for k in range(1, 7)]
shares = pd.DataFrame({"same assets": same, "other assets": search.cv_results_["r2"]})
print(shares.round(3))
print(f"Chosen: {search.n_components_} factors")
ax = shares.plot(marker="o", xlabel="latent factors", ylabel="explained share of squared returns")
ax.axvline(3, linestyle=":", color="grey")

# %%
# The characteristic that is noise does nothing for the exposures, and a test says so; momentum
# does. Alphas, which are zero in truth, are not significant.

model = InstrumentedPCA(3).fit(X, y)
tests = model.inference(n_draws=99, random_state=0)
print(tests.characteristic_tests(["momentum", "noise"]).round(4))
print(tests.alpha_test())

# %%
# Factors are known up to a rotation, so that what they span is compared: canonical correlations of
# the estimated factors and the true ones. Fitted coefficients do not depend on a rotation.

turned = [np.linalg.qr(f - f.mean(axis=0))[0] for f in (model.factors_.to_numpy(), true_factors)]
correlations = np.linalg.svd(turned[0].T @ turned[1])[1]
print("Canonical correlations:", correlations.round(3))
estimated = model.factors_.to_numpy() @ model.gamma_.to_numpy().T
fig, ax = plt.subplots()
ax.scatter(paths.ravel(), estimated.ravel(), s=4)
ax.axline((0, 0), slope=1, color="grey", linestyle=":")
ax.set(xlabel="true coefficient of a characteristic on a date", ylabel="estimated")

# %%
# Exposures are a step of a pipeline like any other: regressions of returns on them have the factors
# for slopes, and give premia with errors. Expected returns need no returns of their date.

premia = FamaMacBeth(fit_intercept=False).fit(model.transform(X), y)
print(premia.inference().to_frame().round(3))
expected = model.predict(X)
true_expected = (z @ (true_gamma @ [0.15, 0.05, 0.1]))[here]
print(f"Correlation with true expected returns: {np.corrcoef(expected, true_expected)[0, 1]:.2f}")
plt.show()

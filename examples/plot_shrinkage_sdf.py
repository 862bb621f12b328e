"""
Shrinking the cross-section
===========================

A stochastic discount factor of many portfolios: how much to shrink, and how few of them will do.
"""

# %%
# Eighteen of French's portfolios, neutral to the market. Each point of the map is a pair: a prior,
# the Sharpe ratio per year that is expected, and how many portfolios may have a price of risk. Its
# colour is the R squared of average returns in years that were held out.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV, KFold

from skfactor import ReturnPCA, ShrinkageSDF, ShrinkageSDFCV
from skfactor.datasets import load_french

french = load_french()
market = french["MktRF"]
returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)

kappas = np.geomspace(0.02, 1.5, 18)
search = ShrinkageSDFCV(kappas, n_nonzero=range(1, 19), market=market).fit(returns)
table = search.cv_results_.pivot(index="n_nonzero", columns="kappa", values="r2_out")
fig, ax = plt.subplots()
mesh = ax.pcolormesh(table.columns, table.index, table.clip(-0.1), shading="nearest")
ax.scatter(search.kappa_, search.n_nonzero_, marker="x", color="red")
ax.set(xscale="log", xlabel="expected Sharpe ratio a year", ylabel="portfolios")
fig.colorbar(mesh, label="R squared out of sample")
print(f"Best: kappa {search.kappa_:.2f}, {search.n_nonzero_} portfolios")
print(f"R squared out of sample {table.to_numpy().max():.2f}")

# %%
# A few of the original portfolios are not enough. Two of their principal components do better,
# which is what the authors find: prices of risk are sparse in components rather than in
# characteristics.

components = ReturnPCA(18).set_output(transform="pandas").fit_transform(returns)
for name, each in {"portfolios": returns, "components": components}.items():
    few = ShrinkageSDFCV(kappas, n_nonzero=[2, 4, 18], market=market).fit(each)
    best = few.cv_results_.groupby("n_nonzero")["r2_out"].max()
    print(name, best.round(2).to_dict())

# %%
# Without shrinkage the fit in sample goes to one, and that out of sample falls below zero.

ridge = ShrinkageSDFCV(kappas, market=market).fit(returns).cv_results_.set_index("kappa")
ax = ridge[["r2_in", "r2_out"]].plot(logx=True, ylim=(-0.5, 1.0), ylabel="R squared")
ax.fill_between(
    ridge.index, ridge["r2_out"] - ridge["error"], ridge["r2_out"] + ridge["error"], alpha=0.2
)

# %%
# The authors' folds see the variances and the market betas of the whole sample. A search in which
# all of that is learned from training years has its best kappa near theirs, and a lower score.

honest = GridSearchCV(ShrinkageSDF(market=market), {"kappa": kappas}, cv=KFold(3)).fit(returns)
print(f"kappa: {honest.best_params_['kappa']:.2f}, by the authors {ridge['r2_out'].idxmax():.2f}")
print(f"R squared: {honest.best_score_:.2f}, by the authors {ridge['r2_out'].max():.2f}")
model = honest.best_estimator_
print(f"Sharpe ratio a year of the SDF: {model.sdf_.std() * 12**0.5:.2f}")
plt.show()

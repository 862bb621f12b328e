"""
Machine learning of expected returns, from simulated data to portfolios
=======================================================================

Characteristics of stocks and macroeconomic variables are simulated, so that the true expected
returns are known. Five models are fitted to all that is known at the end of each year, tuned on the
last two years of it, and predict the next year. They are compared by R squared, by portfolios with
costs, and by tests.

``python examples/studies/machine_learning.py full`` takes 94 characteristics, 8 macroeconomic
variables and 30 years, as many as in Gu, Kelly and Xiu (2020); without ``full`` it is a small case.
LightGBM is used if it is there.
"""

# %%
# Data whose truth is known
# -------------------------
# A characteristic of last month is most of that of this month. Two pay by themselves, one with a
# rate, and two only together, which no linear model sees.

import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import ElasticNet
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skfactor import (
    FactorImputer,
    FactorInteractions,
    FactorRanker,
    FamaMacBeth,
    InstrumentedPCA,
    RidgeFamaMacBeth,
)
from skfactor.metrics import compare_forecasts, get_scorer
from skfactor.model_selection import (
    WalkForwardSplit,
    forecast_importance,
    walk_forward_predict,
)
from skfactor.portfolios import long_short
from skfactor.preprocessing import constant_within_dates

full = "full" in sys.argv[1:]
n_years, n_assets, n_characteristics, n_macro = (30, 200, 94, 8) if full else (8, 50, 8, 2)
first_year, n_jobs = (10, 2) if full else (4, None)
start, rng = time.perf_counter(), np.random.default_rng(0)

names = [f"c{k:02d}" for k in range(1, n_characteristics + 1)]
macros = [f"m{k}" for k in range(1, n_macro + 1)]
months = pd.period_range("1990-01", periods=12 * n_years, freq="M")
index = pd.MultiIndex.from_product([months, range(n_assets)], names=["date", "asset"])
values = rng.normal(size=(len(months), n_assets, n_characteristics)).astype(np.float32)
rates = rng.normal(size=(len(months), n_macro)).astype(np.float32)
for t in range(1, len(months)):
    values[t] = 0.95 * values[t - 1] + np.sqrt(1.0 - 0.95**2) * values[t]
    rates[t] = 0.95 * rates[t - 1] + np.sqrt(1.0 - 0.95**2) * rates[t]

X = pd.DataFrame(values.reshape(-1, n_characteristics), index, names)
X[macros] = np.repeat(rates, n_assets, axis=0)
ranks = FactorRanker(passthrough=constant_within_dates).fit_transform(X)
truth = 0.01 * (
    ranks["c01"] + ranks["c02"] + ranks["c03"] * ranks["m1"] + 2.0 * ranks["c04"] * ranks["c05"]
)
market = np.repeat(0.03 * rng.normal(size=len(months)), n_assets)
y = (truth + market + 0.12 * rng.normal(size=len(index))).rename("return")

# %%
# Models
# ------
# Each has what it tunes. Ranks are of each date alone, and macroeconomic variables are standardized
# by the dates before: nothing learns from later dates, so that ranks and their products with
# macroeconomic variables are made once, for all models.

validation = WalkForwardSplit(1, test_size="24ME")
score = get_scorer("r2_zero")
products = make_pipeline(FactorInteractions(min_periods=24), FactorImputer(strategy="constant"))
try:
    from lightgbm import LGBMRegressor

    trees = LGBMRegressor(
        learning_rate=0.03,
        num_leaves=8,
        n_estimators=150,
        max_bin=63,
        n_jobs=1,
        verbose=-1,
        random_state=0,
    )
    leaves = "min_child_samples"
except ImportError:
    trees = HistGradientBoostingRegressor(
        learning_rate=0.03, max_leaf_nodes=8, max_iter=150, max_bins=63, random_state=0
    )
    leaves = "min_samples_leaf"

tuned = {
    "ridge FM": (RidgeFamaMacBeth(), {"alpha": [0.1, 1.0, 10.0]}),
    "elastic net": (ElasticNet(l1_ratio=0.5, precompute=True), {"alpha": [1e-4, 1e-3, 3e-3]}),
    "trees": (trees, {leaves: [50, 500]}),
}
models = {"FM": FamaMacBeth(), "IPCA": InstrumentedPCA(2)}
models |= {
    name: GridSearchCV(model, grid, cv=validation, scoring=score)
    for name, (model, grid) in tuned.items()
}
data = dict.fromkeys(models, ranks[names])
data |= {"elastic net": products.fit_transform(ranks), "trees": ranks}

# %%
# Forecasts
# ---------
# Refitted each year to all years before.

yearly = WalkForwardSplit(None, test_size="12ME", min_train_size=f"{12 * first_year}ME")
forecasts, fits = {}, {}
for name, model in models.items():
    forecasts[name], fits[name] = walk_forward_predict(
        model, data[name], y, cv=yearly, n_jobs=n_jobs, return_estimator=True
    )
    print(f"{name}: {time.perf_counter() - start:.0f} s")

actual = y[forecasts["FM"].index]
forecasts["truth"] = truth[actual.index]
comparison = compare_forecasts(actual, forecasts)
print(comparison)

# %%
# Portfolios
# ----------
# Long the highest and short the lowest tenth, for 10 basis points a trade.

held = {name: long_short(forecast, actual, costs=0.001) for name, forecast in forecasts.items()}
net = pd.DataFrame({name: portfolio.net_returns for name, portfolio in held.items()})
turnover = pd.Series({name: portfolio.turnover.mean() for name, portfolio in held.items()})
sharpe = net.mean() / net.std() * np.sqrt(12.0)
print(pd.DataFrame({"net Sharpe ratio a year": sharpe, "turnover": turnover}).round(2))

# %%
# What matters
# ------------

importance = forecast_importance(fits["trees"], ranks, y, method="zero")
print(importance.head(6).round(4))

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.6), layout="constrained")
(100.0 * comparison.to_frame()["r2_zero"]).plot.barh(ax=left, title="R2 out of sample (%)")
net.cumsum().plot(ax=middle, title="Sum of net long-short returns", xlabel="")
importance["share"].head(8)[::-1].plot.barh(ax=right, title="Importance for the trees")
if full:
    figure.savefig("machine_learning.png", dpi=110)
plt.show()
print(f"{time.perf_counter() - start:.0f} seconds")

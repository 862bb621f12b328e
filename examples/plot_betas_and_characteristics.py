"""
Betas and characteristics in one cross-sectional regression
===========================================================

Fama and French (1992) [1]_ ask whether betas or characteristics explain average returns. Both go
into the regressions of Fama and MacBeth together, and each has to be known before the return that
it explains: betas from the months before, characteristics of the month before.

.. [1] Fama, E. F. and K. R. French (1992), "The Cross-Section of Expected Stock Returns", Journal
   of Finance 47(2), 427-465. https://doi.org/10.1111/j.1540-6261.1992.tb04398.x
"""

# %%
# Returns, the market, and what is known a month before
# -----------------------------------------------------
# Each row has the return of a month, the market's return in the same month, from which betas are
# estimated, and characteristics shifted by one month.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from skfactor import FactorBetas, FactorZScorer, FamaMacBeth, Winsorizer, frames
from skfactor.datasets import load_french, load_stocks

french = load_french()
monthly = frames.returns_from_prices(load_stocks(), "M").loc[: french.index[-1]]
growth = np.log1p(monthly)
known = {
    "momentum": growth.rolling(11).sum().shift(1),
    "reversal": monthly,
    "volatility": monthly.rolling(12).std(),
}
X = frames.stack_characteristics({name: known[name].shift(1) for name in known}, how="any")
X = frames.repeat_factors(french[["MktRF"]], X.index).join(X)
y = frames.excess_returns(monthly, french["RF"]).stack().reindex(X.index).rename("return")
print(f"{len(X)} rows: {monthly.shape[1]} stocks, {X.index[0][0]} to {X.index[-1][0]}")

# %%
# Columns of two kinds
# --------------------
# The market's return becomes the beta that was known the month before, estimated from up to 60
# months and at least 24; the characteristics are winsorized and standardized within each month.


def exposures(betas: FactorBetas) -> ColumnTransformer:
    scores = make_pipeline(Winsorizer(0.05, 0.95), FactorZScorer())
    return ColumnTransformer(
        [("beta", betas, ["MktRF"]), ("characteristics", scores, list(known))],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


rolling = FactorBetas(window=60, min_periods=24, lag=1)
model = make_pipeline(exposures(rolling), FamaMacBeth()).fit(X, y)
print(model[-1].summary(kernel="bartlett"))

# %%
# What shrinkage and hindsight do
# -------------------------------
# Vasicek's betas are pulled towards the average of their month, the noisy ones more. Betas of the
# whole sample know the returns that they explain: no one could have used them.

models = {
    "rolling": rolling,
    "shrunk": FactorBetas(window=60, min_periods=24, shrinkage="vasicek"),
    "expanding": FactorBetas(expanding=True, min_periods=24),
    "hindsight": FactorBetas(),
}
fits = {
    name: make_pipeline(exposures(betas), FamaMacBeth()).fit(X, y)[-1]
    for name, betas in models.items()
}
premia = pd.DataFrame({name: fit.premia_ for name, fit in fits.items()})
t_values = pd.DataFrame({name: fit.inference().t_values for name, fit in fits.items()})
print(pd.concat({"percent a month": 100 * premia, "t": t_values}, axis=1).round(2).to_string())

# %%
# The betas, and the premia as they came in
# -----------------------------------------

first_pass = model[0].named_transformers_["beta"]
betas = first_pass.rolling_betas_["MktRF"]
errors = first_pass.rolling_statistics().std_errors["MktRF"]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for stock in ("AAPL", "JNJ", "XOM"):
    beta, error = (series.xs(stock, level="asset").dropna() for series in (betas, errors))
    when = beta.index.to_timestamp()
    left.plot(when, beta, label=stock)
    left.fill_between(when, beta - error, beta + error, alpha=0.2)
left.set(title="Market betas of the last 60 months", ylabel="beta, one standard error around it")
slopes = model[-1].lambdas_.drop(columns="const").dropna()
right.plot(slopes.index.to_timestamp(), slopes.cumsum(), label=list(slopes))
right.set(title="Slopes added up", ylabel="return")
left.legend()
right.legend()
plt.show()

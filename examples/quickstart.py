"""The main job on bundled real data: premia of factors, premia of characteristics, factor sets.

Run it with ``python examples/quickstart.py``; it needs no network.
"""

import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.datasets import load_french, load_stocks
from skfactor.frames import (
    excess_returns,
    forward_returns,
    returns_from_prices,
    stack_characteristics,
)

# 1. Two passes: which factors are priced in the size, value and momentum portfolios?
french = load_french()
factors = french[["MktRF", "SMB", "HML", "Mom"]]
portfolios = excess_returns(french.filter(regex="^S[135]"), french["RF"])

model = FamaMacBeth().fit(factors, portfolios)
errors = {kind: model.inference(kind).std_errors for kind in ("fama-macbeth", "shanken")}
print("1. Premia of French's portfolios, percent a month")
print(pd.DataFrame({"premium": model.premia_, **errors}).mul(100).round(3))
print()
print(model.summary("shanken"))

# 2. A panel of characteristics, known at the end of a month, and the return of the next month.
prices = load_stocks()
daily = prices.pct_change(fill_method=None)
monthly = returns_from_prices(prices, "M")
growth = np.log1p(monthly)
X = stack_characteristics(
    {
        "momentum": growth.rolling(11).sum().shift(1),
        "reversal": monthly,
        "long_reversal": growth.rolling(48).sum().shift(12),
        "volatility": daily.rolling(252).std().groupby(daily.index.to_period("M")).last(),
        "maximum": daily.groupby(daily.index.to_period("M")).max(),
    },
    how="any",
)
y = forward_returns(monthly).stack().reindex(X.index).rename("return")

last = X.index.get_level_values("date").max()
is_last = X.index.get_level_values("date") == last
pipeline = make_pipeline(Winsorizer(), FactorZScorer(), FamaMacBeth())
pipeline.fit(X[~is_last], y[~is_last])
print()
print("2. Premia of one standard deviation of each characteristic of 20 stocks")
print(pipeline[-1].summary(kernel="bartlett"))
print()
print(f"Expected returns for the month after {last}, out of sample")
exposures = pipeline[:-1].transform(X[is_last])
print(pipeline[-1].expected_returns(exposures).droplevel("date").sort_values().round(4).to_string())

search = GridSearchCV(
    pipeline,
    {"winsorizer__lower": [0.0, 0.05, 0.1], "winsorizer__upper": [0.9, 0.95, 1.0]},
    cv=GroupKFold(5),  # a month is never split between training and test
)
search.fit(X[~is_last], y[~is_last], groups=X[~is_last].index.get_level_values("date").asi8)
print()
print(f"Best bounds of the winsorizer: {search.best_params_}, R2 {search.best_score_:.5f}")

# 3. Which set of factors prices the portfolios in years that it has not seen?
sets = {"CAPM": ["MktRF"], "Fama-French": ["MktRF", "SMB", "HML"], "Carhart": list(factors)}
scores = {
    name: cross_val_score(FamaMacBeth(), factors[columns], portfolios, cv=KFold(5))
    for name, columns in sets.items()
}
print()
print("3. Cross-sectional R2 of average returns, out of sample, by fold")
print(pd.DataFrame(scores).rename_axis("fold").round(2))

"""
A risk model of a whole market
==============================

Returns of stocks are simulated from a market, industries, styles and specific returns whose
volatilities move. A fundamental risk model is fitted to them, tested on later days by sets of
portfolios, and gives a portfolio of least risk, whose risk it forecasts; the covariance of past
returns of the same stocks does not.

``python examples/studies/risk_model.py full`` takes 1,500 stocks, 40 industries, 10 styles and ten
years of days; without ``full`` it is a small case.
"""

# %%
# A market whose truth is known
# -----------------------------
# Exposures to styles change slowly. Each day's row holds what was known the evening before. The
# volatility of all factors follows a slow wave, and specific volatilities differ by stock.

import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skfactor import EWMCovariance, FactorRiskModel, SpecificRisk
from skfactor.plotting import RiskEvaluationDisplay
from skfactor.risk import decompose_risk, evaluate_risk

full = "full" in sys.argv[1:]
n_stocks, n_industries, n_styles, n_days = (1500, 40, 10, 2520) if full else (120, 5, 3, 420)
warm_up, n_subset, n_window = (504, 250, 504) if full else (252, 40, 80)
start, rng = time.perf_counter(), np.random.default_rng(0)

days = pd.bdate_range("2014-01-01", periods=n_days, name="date")
stocks = pd.Index([f"S{i:04d}" for i in range(n_stocks)], name="asset")
industry_of = pd.Series([f"I{i % n_industries:02d}" for i in range(n_stocks)], stocks)
styles = [f"style{k}" for k in range(1, n_styles + 1)]
caps = pd.Series(rng.lognormal(0.0, 1.5, n_stocks), stocks)

exposures = np.empty((n_days, n_stocks, n_styles))
exposures[0] = rng.normal(size=(n_stocks, n_styles))
for t in range(1, n_days):
    news = rng.normal(size=(n_stocks, n_styles))
    exposures[t] = 0.995 * exposures[t - 1] + np.sqrt(1.0 - 0.995**2) * news
wave = 1.0 + 0.4 * np.sin(2.0 * np.pi * np.arange(n_days) / 400.0)
market = 0.010 * wave * rng.normal(size=n_days)
industry = 0.006 * wave[:, None] * rng.normal(size=(n_days, n_industries))
style = 0.002 * wave[:, None] * rng.normal(size=(n_days, n_styles))
specific = 0.015 * rng.lognormal(0.0, 0.4, n_stocks)
values = (
    market[:, None]
    + industry[:, np.arange(n_stocks) % n_industries]
    + np.einsum("tnk,tk->tn", exposures, style)
    + specific * rng.normal(size=(n_days, n_stocks))
)
returns = pd.DataFrame(values, days, stocks)
rows = pd.MultiIndex.from_product([days, stocks])
X = pd.DataFrame(exposures.reshape(-1, n_styles), rows, styles)
y = pd.Series(values.reshape(-1), rows)
weights = np.tile(caps.to_numpy(), n_days)

# %%
# Factor returns, their covariance, specific risk
# -----------------------------------------------
# These returns do not depend on those of the days before, and lags would only add noise.

model = FactorRiskModel(
    covariance=EWMCovariance(
        84,
        lags=0,
        correlation_lags=0,
        regime_halflife=42,
        eigen_scale=1.0,
        n_simulations=200,
        random_state=0,
    ),
    specific=SpecificRisk(84, lags=0, structural=True),
).fit(X, y, groupby=industry_of, weights=weights)
estimated = model.factor_returns_[styles].to_numpy()
closest = np.corrcoef(estimated.ravel(), style.ravel())[0, 1]
print(f"{n_stocks} stocks, {n_industries} industries, {n_styles} styles, {n_days} days")
print(f"Correlation of estimated with true returns of styles: {closest:.3f}")

# %%
# Tests on later days
# -------------------
# Each month a model is made of what was known then, and used for the days until the next one.

models = {
    days[t]: model.risk_model(X.loc[days[t + 1]], date=days[t], weights=caps)
    for t in range(warm_up, n_days - 1, 21)
}
found = evaluate_risk(returns, models, weights=caps, factor_returns=model.factor_returns_)
columns = ["n_portfolios", "n_dates", "bias", "lower", "upper", "inside", "mrad", "q"]
print(found.table[columns].round(3).to_string())

# %%
# A portfolio of least risk, beside that of the sample covariance
# ---------------------------------------------------------------
# Of some of the stocks, for which a covariance of their past returns has an inverse at all.

subset = stocks[:n_subset]
ones = np.ones(n_subset)
told: dict[str, list[float]] = {"risk model": [], "sample covariance": []}
for known, risk in models.items():
    t = days.get_loc(known)
    later = returns[subset].iloc[t + 1 : t + 22].to_numpy()
    past = returns[subset].iloc[t - n_window + 1 : t + 1]
    for name, sigma in (
        ("risk model", risk.covariance().loc[subset, subset].to_numpy()),
        ("sample covariance", past.cov().to_numpy()),
    ):
        w = np.linalg.solve(sigma, ones)
        w /= w.sum()
        told[name].extend(later @ w / np.sqrt(w @ sigma @ w))
for name, standardized in told.items():
    print(
        f"Least risk by the {name} of {n_subset} stocks: realized over forecast volatility "
        f"{np.std(standardized):.2f}"
    )

# %%
# Where the risk of a tilted portfolio comes from, beyond that of the market
# --------------------------------------------------------------------------

known = models[days[warm_up]]
benchmark = caps / caps.sum()
tilted = benchmark * np.exp(0.5 * known.exposures["style1"])
families = {name: "styles" if name in styles else "industries" for name in known.exposures}
families["const"] = "market"
active = decompose_risk(tilted / tilted.sum(), known, benchmark=benchmark, by=families)
print(f"Active risk of a tilt to style1, a day: {100 * active.volatility:.3f}%")
print(active.by_group.round(4).to_string())
print(active.by_factor.loc[["style1"]].round(4).to_string())

RiskEvaluationDisplay(found).plot()
plt.show()
print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)

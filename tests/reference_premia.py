"""Slow and obvious programs for two-pass regressions and their errors, and data with known results.

Nothing here imports the package: a mistake of its own cannot confirm itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from linearmodels.datasets import french
from reference import random_panel

DATA = Path(__file__).parent / "data"
FACTORS = ["MktRF", "SMB", "HML", "Mom"]


# --- data ---------------------------------------------------------------------------------------


def petersen() -> tuple[pd.DataFrame, pd.Series]:
    """x and y of the simulated panel, indexed by (firm, year): the date comes last."""
    data = pd.read_csv(DATA / "petersen.csv.gz").set_index(["firm", "year"])
    return data[["x"]], data["y"]


def grunfeld() -> tuple[pd.DataFrame, pd.Series]:
    """Value, capital and investment of ten firms over twenty years, indexed by (firm, year)."""
    data = sm.datasets.grunfeld.load_pandas().data
    data = data[data["firm"] != "American Steel"].astype({"year": int, "firm": object})
    data = data.set_index(["firm", "year"])
    return data[["value", "capital"]], data["invest"]


def french_two_pass() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Four factors and the excess returns of 18 portfolios, one row per month."""
    data = french.load()
    data = data.set_index(pd.PeriodIndex(data["dates"], freq="M", name="date"))
    portfolios = [name for name in data if name[0] == "S" and name[1].isdigit()]
    return data[FACTORS], data[portfolios].sub(data["RF"], axis=0)


def characteristics() -> tuple[pd.DataFrame, pd.Series]:
    """Three characteristics and the returns they help to predict, indexed by (date, asset)."""
    rng = np.random.default_rng(0)
    data = random_panel(rng, n_dates=8, n_assets=50, n_features=4, missing=0.0)
    features = data[["x0", "x1", "x2"]]
    returns = (features / [1.0, 10.0, 100.0]).sum(axis=1) / 100.0 + data["x3"] / 2e4
    return features, returns.rename("return")


def random_two_pass(
    rng: np.random.Generator,
    n_periods: int = 60,
    n_assets: int = 8,
    n_factors: int = 2,
    missing: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Factors and returns in wide form, by month."""
    dates = pd.period_range("2000-01", periods=n_periods, freq="M", name="date")
    factors = 0.005 + 0.04 * rng.normal(size=(n_periods, n_factors))
    betas = 1.0 + rng.normal(size=(n_assets, n_factors))
    returns = factors @ betas.T + 0.03 * rng.normal(size=(n_periods, n_assets))
    returns[rng.random(returns.shape) < missing] = np.nan
    return (
        pd.DataFrame(factors, dates, [f"f{k}" for k in range(n_factors)]),
        pd.DataFrame(returns, dates, [f"asset{i}" for i in range(n_assets)]),
    )


def to_long(factors: pd.DataFrame, returns: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The same data in long form: factor returns of the row's date, one return per row."""
    dates, assets = returns.index, returns.columns
    index = pd.MultiIndex.from_product([dates, assets], names=["date", "asset"])
    long = pd.DataFrame(
        np.repeat(factors.to_numpy(), len(assets), axis=0), index, list(factors.columns)
    )
    return long, pd.Series(returns.to_numpy().ravel(), index, name="return")


# --- two-pass regressions -----------------------------------------------------------------------


def first_pass_loop(
    factors: pd.DataFrame, returns: pd.DataFrame, *, fit_intercept: bool = True
) -> dict[str, pd.DataFrame]:
    """One statsmodels time-series regression per asset: betas, their errors, alphas, R squared."""
    x = sm.add_constant(factors) if fit_intercept else factors
    fits = {name: sm.OLS(y, x, missing="drop").fit() for name, y in returns.items()}
    names = list(factors.columns)
    return {
        "betas": pd.DataFrame({name: fit.params[names] for name, fit in fits.items()}).T,
        "std_errors": pd.DataFrame({name: fit.bse[names] for name, fit in fits.items()}).T,
        "others": pd.DataFrame(
            {
                name: {
                    "alpha": fit.params.get("const", 0.0),
                    "r2": fit.rsquared,
                    "n_periods": fit.nobs,
                }
                for name, fit in fits.items()
            }
        ).T,
        "residuals": pd.DataFrame({name: fit.resid for name, fit in fits.items()}).reindex(
            returns.index
        ),
    }


def second_pass_loop(
    betas: pd.DataFrame, returns: pd.DataFrame, *, fit_intercept: bool = True
) -> pd.DataFrame:
    """One statsmodels regression per date of the returns that are there on the betas."""
    x = sm.add_constant(betas) if fit_intercept else betas
    rows = {date: sm.OLS(y, x, missing="drop").fit().params for date, y in returns.iterrows()}
    return pd.DataFrame(rows).T


def portfolio_variance_by_pairs(
    factors: pd.DataFrame, residuals: pd.DataFrame, weights: pd.Series
) -> np.ndarray:
    """Covariance (K, K) of a portfolio's betas, pair of assets by pair of assets.

    The betas of i err by sum_t q_it eps_it with q_it = (F_i'F_i)^-1 (f_t - mean_i) over its own
    dates; eps_i and eps_j covary by s_ij on each common date, where s_ij divides by the common
    dates less K + 1.
    """
    k = factors.shape[1]
    q = {}
    for name in weights.index:
        own = factors[residuals[name].notna()]
        deviations = own - own.mean()
        q[name] = deviations @ np.linalg.inv((deviations.T @ deviations).to_numpy())
    total = np.zeros((k, k))
    for i, wi in weights.items():
        for j, wj in weights.items():
            common = residuals.index[residuals[i].notna() & residuals[j].notna()]
            covariance = sum(residuals.loc[t, i] * residuals.loc[t, j] for t in common)
            covariance /= len(common) - k - 1
            for t in common:
                qi, qj = q[i].loc[t].to_numpy(), q[j].loc[t].to_numpy()
                total += wi * wj * covariance * np.outer(qi, qj)
    return total


# --- long-run variances -------------------------------------------------------------------------


def kernel_weight(kernel: str, lag: int, bandwidth: float) -> float:
    """Weight of a lag for a bandwidth given as a number of lags."""
    if kernel == "quadratic-spectral":
        if lag == 0 or bandwidth == 0:
            return float(lag == 0)
        z = 1.2 * np.pi * lag / bandwidth
        return 3.0 / z**2 * (np.sin(z) / z - np.cos(z))
    x = lag / (bandwidth + 1.0)
    if x > 1.0:
        return 0.0
    if kernel == "bartlett":
        return 1.0 - x
    return 1.0 - 6.0 * x**2 + 6.0 * x**3 if x <= 0.5 else 2.0 * (1.0 - x) ** 3


def long_run_by_pairs(
    series: np.ndarray, positions: np.ndarray, kernel: str | None, bandwidth: float = 0.0
) -> np.ndarray:
    """Long-run covariance, divisor T: every pair of dates, weighed by how far apart they lie."""
    total = np.zeros((series.shape[1], series.shape[1]))
    for s, a in zip(series, positions, strict=True):
        for r, b in zip(series, positions, strict=True):
            lag = abs(int(a) - int(b))
            weight = float(lag == 0) if kernel is None else kernel_weight(kernel, lag, bandwidth)
            total += weight * np.outer(s, r)
    return total / len(series)


def newey_west_1994(scalar: np.ndarray, kernel: str) -> float:
    """Automatic number of lags from a scalar series without gaps (Newey and West, 1994)."""
    n = len(scalar)
    order, constant, pilot = {
        "bartlett": (1, 1.1447, 2.0 / 9.0),
        "parzen": (2, 2.6614, 4.0 / 25.0),
        "quadratic-spectral": (2, 1.3221, 2.0 / 25.0),
    }[kernel]
    covariances = [
        sum(scalar[t] * scalar[t - j] for t in range(j, n)) / n
        for j in range(int(4 * (n / 100) ** pilot) + 1)
    ]
    s_0 = covariances[0] + 2.0 * sum(covariances[1:])
    s_q = 2.0 * sum(j**order * c for j, c in enumerate(covariances))
    rate = 1.0 / (2 * order + 1)
    bandwidth = constant * ((s_q / s_0) ** 2) ** rate * n**rate
    return bandwidth if kernel == "quadratic-spectral" else float(int(bandwidth))


def shanken_directly(
    factors: pd.DataFrame,
    returns: pd.DataFrame,
    *,
    fit_intercept: bool = True,
    kernel: str | None = None,
    bandwidth: float = 0.0,
) -> np.ndarray:
    """((1 + c) A S A' + LRV(f)) / T from complete returns, every matrix written out."""
    f, r = factors.to_numpy(), returns.to_numpy()
    t, k = f.shape
    f = f - f.mean(axis=0)
    v_f = f.T @ f / t
    b = np.linalg.solve(v_f, f.T @ (r - r.mean(axis=0)) / t).T
    residuals = r - r.mean(axis=0) - f @ b.T
    s = residuals.T @ residuals / t
    x = np.column_stack([np.ones(len(b)), b]) if fit_intercept else b
    a = np.linalg.inv(x.T @ x) @ x.T
    premia = (a @ r.mean(axis=0))[-k:]
    c = premia @ np.linalg.inv(v_f) @ premia
    padded = np.zeros((x.shape[1], x.shape[1]))
    padded[-k:, -k:] = long_run_by_pairs(f, np.arange(t), kernel, bandwidth)
    return ((1.0 + c) * a @ s @ a.T + padded) / t


# --- derivatives with respect to the dates ------------------------------------------------------


def mispriced(n_periods=120, seed=0):
    """Returns that the factors do not price."""
    rng = np.random.default_rng(seed)
    factors, returns = random_two_pass(rng, n_periods=n_periods)
    return factors.to_numpy(), (returns + 0.02 * rng.normal(size=8)).to_numpy()


def jackknife(function, n, *arguments, step=1e-6):
    """Derivative of a function of the dates' probabilities in the direction of each date."""
    even = np.full(n, 1.0 / n)
    rows = []
    for t in range(n):
        direction = -even.copy()
        direction[t] += 1.0
        up, down = (function(even + s * step * direction, *arguments) for s in (1, -1))
        rows.append((up - down) / (2.0 * step))
    return np.array(rows)


def weighted_moments(p, factors, returns):
    """Means of both, and the covariances of returns, of factors and between, with weights p."""
    mean, center = p @ returns, p @ factors
    r, f = returns - mean, factors - center
    return mean, center, (r.T * p) @ r, (f.T * p) @ f, (r.T * p) @ f


def weights_of_assets(weighting, covariance, variance, cross):
    """Weights of the second pass, written for readers."""
    residual = covariance - cross @ np.linalg.inv(variance) @ cross.T
    return {
        "ols": np.eye(len(covariance)),
        "wls": np.diag(1.0 / np.diag(residual)),
        "gls": np.linalg.inv(covariance),
    }[weighting]

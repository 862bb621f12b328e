"""Rolling betas against statsmodels' RollingOLS, asset by asset, and polars-ols.

Both peers are timed on some of the assets and scaled by the number of assets. polars-ols is left
out where it is not installed; it needs polars below 2.
"""

import importlib.util

import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.regression.rolling import RollingOLS
from timing import median_seconds, peak_bytes, print_machine, print_table

from skfactor import FactorBetas

PEERS = ["statsmodels"] + ["polars_ols"] * (importlib.util.find_spec("polars_ols") is not None)


def market(
    n_periods: int, n_assets: int, n_factors: int, freq: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Factors, and returns of assets of which a third is there from the first to the last date."""
    rng = np.random.default_rng(0)
    index = pd.date_range("1960-01-01", periods=n_periods, freq=freq, name="date")
    factors = 0.01 + 0.04 * rng.standard_normal((n_periods, n_factors))
    returns = 0.1 * rng.standard_normal((n_periods, n_assets))
    returns += factors @ rng.standard_normal((n_factors, n_assets))
    lives = np.sort(rng.integers(0, n_periods, (n_assets, 2)))
    lives[::3] = 0, n_periods
    when = np.arange(n_periods)[:, None]
    returns[(when < lives[:, 0]) | (when >= lives[:, 1])] = np.nan
    names = [f"f{k}" for k in range(n_factors)]
    assets = [f"asset{i:05d}" for i in range(n_assets)]
    return pd.DataFrame(factors, index, names), pd.DataFrame(returns, index, assets)


def by_statsmodels(X: pd.DataFrame, y: pd.DataFrame, window: int, least: int) -> pd.DataFrame:
    """Betas only, the fastest that it offers; dates without a return are left out before."""
    x = sm.add_constant(X)
    betas = {}
    for asset, returns in y.items():
        alive = returns.notna().to_numpy()
        if alive.sum() > window:
            rolling = RollingOLS(returns[alive], x[alive], window=window, min_nobs=least)
            betas[asset] = rolling.fit(params_only=True).params[list(X.columns)]
    return pd.concat(betas, names=["asset"])


def by_polars(X: pd.DataFrame, y: pd.DataFrame, window: int, least: int):
    """The rows with a return, in one query that has been given its frame."""
    import polars as pl
    import polars_ols  # noqa: F401 -- it registers itself

    parts = [
        pl.DataFrame({"asset": asset, "y": returns[alive], **dict(X[alive].items())})
        for asset, returns in y.items()
        for alive in [returns.notna().to_numpy()]
    ]
    frame = pl.concat(parts)
    betas = (
        pl.col("y")
        .least_squares.rolling_ols(
            *map(pl.col, X.columns),
            window_size=window,
            min_periods=least,
            add_intercept=True,
            mode="coefficients",
        )
        .over("asset")
    )
    return lambda: frame.select(betas)


def compare(n_periods: int, n_assets: int, n_factors: int, window: int, freq: str) -> None:
    X, y = market(n_periods, n_assets, n_factors, freq)
    model, least = FactorBetas(window, min_periods=window // 2), window // 2
    n_timed = max(n_assets // 50, 1)
    some = y.iloc[:, :n_timed]
    peers = {
        "statsmodels": median_seconds(lambda: by_statsmodels(X, some, window, least), repeat=1)
    }
    if "polars_ols" in PEERS:
        peers["polars-ols"] = median_seconds(by_polars(X, some, window, least), repeat=3)
    seconds = median_seconds(lambda: model.fit(X, y), repeat=5)
    # Windows that are full of an asset's returns mean the same in both.
    expected = by_statsmodels(X, some, window, least).dropna()
    found = model.rolling_betas_.swaplevel().loc[expected.index]
    row = {
        "seconds": seconds,
        "million betas a second": model.rolling_betas_.size / seconds / 1e6,
        "peak / output": peak_bytes(lambda: model.fit(X, y)) / model.rolling_betas_.size / 8,
        "largest difference": np.abs(found - expected).to_numpy().max(),
    }
    for name, peer in peers.items():
        row[f"times {name}"] = peer * n_assets / n_timed / seconds
    print_table(
        f"{n_periods} dates x {n_assets} assets x {n_factors} factors, window {window} (peers "
        f"timed on {n_timed} assets, scaled by {n_assets / n_timed:.0f})",
        [row],
    )


if __name__ == "__main__":
    print_machine(*PEERS)
    compare(600, 5_000, 5, 60, "ME")
    compare(5_000, 2_000, 3, 252, "B")

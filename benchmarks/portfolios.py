"""Decile sort and value-weighted returns against pandas and tidyfinance, 2.4 million rows.

tidyfinance brings database drivers, so it is in no extra: `pip install tidyfinance==1.0.0`.
"""

import importlib.util
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from timing import median_seconds, peak_bytes, print_machine, print_table, random_panel

from skfactor.portfolios import PortfolioSorter, portfolio_returns


def main() -> None:
    X, y = random_panel(600, 4_000, 1)
    cap = pd.Series(np.random.default_rng(1).lognormal(size=len(X)), index=X.index)
    sorter = PortfolioSorter(10)

    def skfactor_way() -> pd.DataFrame:
        return portfolio_returns(sorter.fit_transform(X), y, cap)

    def pandas_way() -> pd.DataFrame:
        decile = X["x0"].groupby(level="date").transform(lambda x: pd.qcut(x, 10, labels=False) + 1)
        frame = pd.DataFrame({"decile": decile, "product": y * cap, "cap": cap})
        sums = frame.groupby(["date", "decile"]).sum()
        return (sums["product"] / sums["cap"]).unstack()  # noqa: PD010 -- pivot_table would average duplicates

    np.testing.assert_allclose(skfactor_way(), pandas_way(), rtol=1e-9)
    ways = {"skfactor": skfactor_way, "pandas": pandas_way}
    if importlib.util.find_spec("tidyfinance"):
        ways["tidyfinance"] = tidyfinance_way(X, y, cap, skfactor_way())
    seconds = {name: median_seconds(way, 3) for name, way in ways.items()}
    rows = [
        {"way": name, "seconds": each, "times skfactor": each / seconds["skfactor"]}
        for name, each in seconds.items()
    ]
    print_table("600 dates x 4,000 assets, deciles, value-weighted", rows)
    print(f"peak memory of skfactor / values: {peak_bytes(skfactor_way) / (8 * len(X)):.1f}")


def tidyfinance_way(X: pd.DataFrame, y: pd.Series, cap: pd.Series, expected: pd.DataFrame) -> Any:
    """The call, after a check that it gives the same returns."""
    import tidyfinance as tf

    frame = pl.DataFrame(
        {
            "permno": X.index.codes[1].astype("int32"),
            "date": X.index.get_level_values("date").to_timestamp().to_numpy(),
            "x": X["x0"].to_numpy(),
            "ret_excess": y.to_numpy(),
            "mktcap_lag": cap.to_numpy(),
        }
    )
    options = tf.breakpoint_options(n_portfolios=10)

    def call() -> pl.DataFrame:
        return tf.compute_portfolio_returns(
            frame,
            "x",
            "univariate",
            breakpoint_options_main=options,
            cap_weight_exchanges=None,
            quiet=True,
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = call().sort("date", "portfolio")["ret_excess_vw"].to_numpy()
    np.testing.assert_allclose(found, expected.to_numpy().ravel(), rtol=1e-9)
    return call


if __name__ == "__main__":
    print_machine("polars")
    main()

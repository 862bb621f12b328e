"""Write tidyfinance_reference.json: sorts and portfolio returns by tidyfinance 1.0.0.

tidyfinance (MIT licence) asks for database drivers and downloaders, so it is no requirement of the
tests. Run `pip install tidyfinance==1.0.0` and then this script from this folder to make the file
again. Its portfolios hold the breakpoint at their lower end: closed="left" of PortfolioSorter.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import tidyfinance as tf

N_DATES, N_ASSETS = 20, 40


def characteristics() -> pl.DataFrame:
    """Assets that enter and leave, characteristics with ties and holes, a third on the NYSE."""
    rng = np.random.default_rng(20240630)
    month, asset = np.divmod(np.arange(N_DATES * N_ASSETS), N_ASSETS)
    dates = pl.date_range(
        pl.date(2020, 2, 1), pl.date(2021, 9, 1), "1mo", closed="both", eager=True
    )
    size = rng.lognormal(3.0, 1.0, len(month)).round(0) + 1.0
    # Binary fractions, so that ties are exact; above 0, which tidyfinance moves by 1e-20.
    value = (8.0 * rng.normal(4.0, 1.0, len(month))).round() / 8.0
    frame = pl.DataFrame(
        {
            "permno": asset,
            "date": dates.to_numpy()[month],
            "size": np.where(rng.random(len(month)) < 0.05, np.nan, size),
            "value": np.where(rng.random(len(month)) < 0.05, np.nan, value),
            "exchange": np.where(asset % 3 == 0, "NYSE", "NASDAQ"),
            "mktcap_lag": rng.lognormal(3.0, 1.0, len(month)).round(3),
            "ret_excess": rng.normal(0.01, 0.1, len(month)).round(4),
        }
    ).with_columns(pl.col("date").cast(pl.Date))
    return frame.filter(pl.Series(rng.random(len(month)) < 0.95))


def labels_by_date(frame: pl.DataFrame, column: str, options: dict) -> list:
    parts = [
        tf.assign_portfolio(part, column, options)
        for part in frame.partition_by("date", maintain_order=True)
    ]
    return pl.concat(parts).to_list()


def returns_of(frame: pl.DataFrame, columns, method: str, **options) -> dict:
    table = tf.compute_portfolio_returns(
        frame, columns, method, quiet=True, min_portfolio_size=0, **options
    )
    return {
        kind: table.sort("date", "portfolio")
        .select(pl.col("date").cast(pl.String), "portfolio", f"ret_excess_{kind}")
        .rows()
        for kind in ("ew", "vw")
    }


def main() -> None:
    warnings.simplefilter("ignore")  # ties leave portfolios empty
    frame = characteristics()
    # Its n_portfolios=5 takes the level 0.6000000000000001, by which a breakpoint that falls on a
    # value is rounded off it.
    five = tf.breakpoint_options(percentiles=[0.2, 0.4, 0.6, 0.8])
    tails = tf.breakpoint_options(percentiles=[0.3, 0.7], breakpoints_exchanges="NYSE")
    half = tf.breakpoint_options(percentiles=[0.5], breakpoints_exchanges="NYSE")
    first = frame.partition_by("date", maintain_order=True)[0]
    both = {"breakpoint_options_main": tails, "breakpoint_options_secondary": half}
    results = {
        "data": frame.with_columns(pl.col("date").cast(pl.String)).to_dict(as_series=False),
        "first_breakpoints": {
            "five": tf.compute_breakpoints(first, "size", five)[1:-1].tolist(),
            "tails": tf.compute_breakpoints(first, "value", tails)[1:-1].tolist(),
        },
        "labels": {
            "five": labels_by_date(frame, "size", five),
            "tails": labels_by_date(frame, "value", tails),
        },
        "returns": {
            "univariate": returns_of(frame, "size", "univariate", breakpoint_options_main=five),
            "july": returns_of(
                frame, "size", "univariate", rebalancing_month=7, breakpoint_options_main=five
            ),
            "independent": returns_of(frame, ["value", "size"], "bivariate-independent", **both),
            "dependent": returns_of(frame, ["value", "size"], "bivariate-dependent", **both),
        },
    }
    text = json.dumps(results).replace("NaN", "null")
    Path("tidyfinance_reference.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

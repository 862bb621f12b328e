"""The per-date transformers against pandas and polars, 2.4 million rows x 10 columns."""

import os

import numpy as np
import pandas as pd
import polars as pl
from timing import median_seconds, peak_bytes, print_machine, print_table, random_panel

from skfactor import FactorRanker, FactorZScorer, Winsorizer

N_INDUSTRIES = 50


def industries(X: pd.DataFrame) -> pd.Series:
    """The industry of each row's asset, as categories."""
    industry = np.random.default_rng(1).integers(0, N_INDUSTRIES, size=len(X.index.levels[1]))
    names = pd.Index([f"industry{i:02d}" for i in range(N_INDUSTRIES)])
    codes = industry[X.index.codes[1]]
    return pd.Series(pd.Categorical.from_codes(codes, names), index=X.index)


def compare(title: str, X: pd.DataFrame) -> None:
    date, industry = X.index.codes[0].astype("int32"), industries(X)
    frame = pl.DataFrame(X.to_numpy(), schema=list(X.columns)).with_columns(
        date=date, industry=pl.Series(industry.cat.codes.to_numpy())
    )
    size = X.to_numpy().nbytes
    columns = [pl.col(name) for name in X.columns]

    def pandas_clip() -> None:
        X.groupby(level="date").transform(lambda x: x.clip(x.quantile(0.01), x.quantile(0.99)))

    def polars_clip() -> None:
        frame.with_columns(
            c.clip(c.quantile(0.01, "linear"), c.quantile(0.99, "linear")).over("date")
            for c in columns
        )

    def polars_bounds_by_date() -> None:
        frame.with_columns(
            c.clip(*(c.quantile(level, "linear").over("date") for level in (0.01, 0.99)))
            for c in columns
        )

    def pandas_scores() -> None:
        by_date = X.groupby(level="date")
        (X - by_date.transform("mean")) / by_date.transform("std", ddof=0)

    def polars_scores(*keys: str) -> None:
        frame.with_columns([((c - c.mean()) / c.std(ddof=0)).over(*keys) for c in columns])

    def pandas_group_scores() -> None:
        by_group = X.groupby([date, industry.array], observed=True)
        (X - by_group.transform("mean")) / by_group.transform("std", ddof=0)

    def pandas_ranks() -> None:
        X.groupby(level="date").rank()

    def polars_ranks() -> None:
        frame.with_columns(c.rank().over("date") for c in columns)

    rows = []
    for name, estimator, groupby, pandas_way, polars_way in (
        ("Winsorizer", Winsorizer(), None, pandas_clip, polars_clip),
        ("the same, bounds first", Winsorizer(), None, pandas_clip, polars_bounds_by_date),
        ("FactorZScorer", FactorZScorer(), None, pandas_scores, lambda: polars_scores("date")),
        (
            "FactorZScorer in groups",
            FactorZScorer(),
            industry,
            pandas_group_scores,
            lambda: polars_scores("date", "industry"),
        ),
        ("FactorRanker", FactorRanker(), None, pandas_ranks, polars_ranks),
    ):
        fitted = estimator.fit(X, groupby=groupby)

        def ours(fitted=fitted, groupby=groupby) -> None:
            fitted.transform(X, groupby=groupby)

        seconds = median_seconds(ours)
        slow = pandas_way in (pandas_clip, pandas_ranks)
        peers = {
            "pandas": median_seconds(pandas_way, repeat=1 if slow else 3),
            "polars": median_seconds(polars_way),
        }
        rows.append(
            {
                "step": name,
                "seconds": seconds,
                **peers,
                "times pandas": peers["pandas"] / seconds,
                "times polars": peers["polars"] / seconds,
                "peak / output": peak_bytes(ours) / size,
            }
        )
    print_table(title, rows)


def growth() -> None:
    """Slope of log seconds on log rows over three decades, which is 1 for a cost linear in rows.

    On one thread, and beyond the fixed cost of a call, which is that of a few rows.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    n_dates = np.array([10, 100, 1_000, 10_000])
    rows = []
    for estimator in (Winsorizer(), FactorZScorer(), FactorRanker()):
        fixed = best_seconds(estimator, random_panel(2, 5, 4)[0])
        panels = (random_panel(n, 1_000, 4, freq="D")[0] for n in n_dates)
        seconds = [best_seconds(estimator, X) - fixed for X in panels]
        slope = np.polyfit(np.log(n_dates), np.log(seconds), 1)[0]
        times = dict(zip((f"{1_000 * n:,} rows" for n in n_dates), seconds, strict=True))
        rows.append({"step": type(estimator).__name__, **times, "slope": slope})
    del os.environ["OMP_NUM_THREADS"]
    print_table("Growth with the number of dates, 1,000 assets x 4 columns, seconds", rows)


def best_seconds(estimator: Winsorizer | FactorZScorer | FactorRanker, X: pd.DataFrame) -> float:
    """Shortest of several calls: growth is about the work, not about who else is working."""
    fitted = estimator.fit(X)
    return min(median_seconds(lambda: fitted.transform(X), repeat=1) for _ in range(7))


def main() -> None:
    for n_dates, n_assets in ((600, 4_000), (240, 10_000)):
        X, _ = random_panel(n_dates, n_assets, 10)
        compare(f"{n_dates} dates x {n_assets:,} assets x 10 columns, transform", X)
    growth()


if __name__ == "__main__":
    print_machine("polars")
    main()

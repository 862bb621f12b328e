"""Winsorizer and FactorZScorer against pandas and polars, 2.4 million rows x 10 columns."""

import polars as pl
from timing import median_seconds, peak_bytes, print_machine, print_table, random_panel

from skfactor import FactorZScorer, Winsorizer


def main() -> None:
    X, _ = random_panel(600, 4_000, 10)
    frame = pl.DataFrame(X.to_numpy(), schema=list(X.columns)).with_columns(
        date=X.index.codes[0].astype("int32")
    )
    size = X.to_numpy().nbytes
    columns = [pl.col(name) for name in X.columns]
    by_date = X.groupby(level="date")

    def pandas_clip() -> None:
        by_date.transform(lambda x: x.clip(x.quantile(0.01), x.quantile(0.99)))

    def polars_clip() -> None:
        frame.with_columns(
            c.clip(c.quantile(0.01, "linear"), c.quantile(0.99, "linear")).over("date")
            for c in columns
        )

    def pandas_scores() -> None:
        (X - by_date.transform("mean")) / by_date.transform("std", ddof=0)

    def polars_scores() -> None:
        frame.with_columns([((c - c.mean()) / c.std(ddof=0)).over("date") for c in columns])

    rows = []
    for estimator, pandas_way, polars_way in (
        (Winsorizer(), pandas_clip, polars_clip),
        (FactorZScorer(), pandas_scores, polars_scores),
    ):
        estimator.fit(X)
        seconds = median_seconds(lambda e=estimator: e.transform(X))
        peers = {
            "pandas": median_seconds(pandas_way, repeat=1 if pandas_way is pandas_clip else 3),
            "polars": median_seconds(polars_way),
        }
        rows.append(
            {
                "step": type(estimator).__name__,
                "seconds": seconds,
                **peers,
                "times pandas": peers["pandas"] / seconds,
                "times polars": peers["polars"] / seconds,
                "peak / output": peak_bytes(lambda e=estimator: e.transform(X)) / size,
            }
        )
    print_table("600 dates x 4,000 assets x 10 columns, transform", rows)


if __name__ == "__main__":
    print_machine("polars")
    main()

"""A panel on disk that is larger than what the benchmarks may hold in memory, made once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = [f"x{k}" for k in range(10)]
COLUMNS = ["date", "asset", *FEATURES, "return"]


def write_panel(folder: Path, n_years: int, n_dates: int = 250, n_assets: int = 4_000) -> None:
    """Write ``n_years * n_dates * n_assets`` rows, a million a year by default, seeded by year.

    A year is a file, and 50 dates are a row group.
    """
    for year in range(2000, 2000 + n_years):
        path = folder / f"year={year}" / "part-0.parquet"
        if path.exists():
            continue
        rng = np.random.default_rng(year)
        days = pd.bdate_range(f"{year}-01-01", periods=n_dates).as_unit("us")
        values = rng.standard_normal((len(FEATURES), n_dates * n_assets))
        returns = 0.01 * values.sum(axis=0) + rng.standard_normal(values.shape[1])
        table = pa.table(
            {
                "date": pa.array(np.repeat(days.to_numpy(), n_assets)),
                "asset": pa.array(np.tile(np.arange(n_assets, dtype=np.int32), n_dates)),
                **dict(zip(FEATURES, values, strict=True)),
                "return": returns,
            }
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        pq.write_table(table, unfinished, row_group_size=50 * n_assets)
        unfinished.replace(path)

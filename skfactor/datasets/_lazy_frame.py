"""Stream a panel from a polars LazyFrame, whole dates at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skfactor.datasets._arrow import DatedTable


def is_lazy_frame(data: object) -> bool:
    """Whether data is a LazyFrame; nothing is, while polars has not been imported."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(data, polars.LazyFrame)


def iter_lazy_frame(
    lazy: Any, by: str, assets: str | None, columns: Sequence[str] | None, chunk_rows: int
) -> Iterator[pd.DataFrame]:
    """Frames of whole dates, each of which is collected on its own."""
    names = lazy.collect_schema().names()
    keys = [by] if assets is None else [by, assets]
    chosen = [name for name in names if name not in keys] if columns is None else list(columns)
    missing = [name for name in (*keys, *chosen) if name not in names]
    if missing:
        raise ValueError(f"The LazyFrame has no columns {missing}; it has {names}.")
    rows = lazy.select(list(dict.fromkeys((*keys, *chosen))))
    return _chunks(rows, by, assets, chunk_rows)


def _chunks(lazy: Any, by: str, assets: str | None, chunk_rows: int) -> Iterator[pd.DataFrame]:
    import polars as pl

    counts = lazy.group_by(by).agg(pl.len().alias("len")).sort(by).collect(engine="streaming")
    if counts[by].null_count() or (counts[by].dtype.is_float() and counts[by].is_nan().any()):
        raise ValueError(f"Some rows have no date in the column {by!r}. Drop them first.")
    n_rows = counts["len"].to_numpy()
    before = np.cumsum(n_rows) - n_rows
    first = 0
    while first < len(n_rows):
        # The dates up to and with the one that fills the chunk.
        last = int(np.searchsorted(before + n_rows, before[first] + chunk_rows))
        last = min(last, len(n_rows) - 1)
        inside = pl.col(by).is_between(counts[by][first], counts[by][last])
        rows = lazy.filter(inside).collect(engine="streaming").to_arrow()
        yield DatedTable.of(rows, by).frame(assets)
        first = last + 1

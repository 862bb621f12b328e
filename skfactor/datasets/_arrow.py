"""Arrow tables of a panel: their dates, and frames indexed by (date, asset)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfactor._typing import IntArray

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class DatedTable:
    """Rows of a table with the codes of their dates in a table of dates."""

    rows: pa.Table
    by: str
    codes: IntArray  # (n_rows,)
    dates: pa.Array  # each once
    in_order: bool  # whether rows are sorted by date, and dates as well

    @classmethod
    def of(cls, rows: pa.Table, by: str) -> DatedTable:
        """Find the dates of the rows; raise if one is missing."""
        import pyarrow as pa

        missing = rows[by].null_count
        if pa.types.is_floating(rows[by].type):
            missing = int(np.isnan(rows[by].to_numpy()).sum())
        if missing:
            raise ValueError(f"{missing} rows have no date in the column {by!r}. Drop them first.")
        codes, dates = _runs(rows[by]) or _encoded(rows[by])
        ascending = all(a < b for a, b in pairwise(_comparable(dates)))
        in_order = ascending and bool((codes[1:] >= codes[:-1]).all())
        return cls(rows, by, codes, dates, in_order)

    def part(self, end: object) -> tuple[DatedTable, pa.Table]:
        """Rows of the dates before ``end``, a date as in `as_key`, and the others."""
        import pyarrow as pa

        before = np.array([key < end for key in _comparable(self.dates)], dtype=bool)
        if self.in_order:  # nothing has to be copied
            n_rows = int(np.searchsorted(self.codes, before.sum()))
            return self._slice(0, n_rows), self.rows.slice(n_rows)
        chosen = before[self.codes]
        rows = self.rows.filter(pa.array(chosen))
        others = self.rows.filter(pa.array(~chosen))
        return DatedTable(rows, self.by, self.codes[chosen], self.dates, False), others

    def chunks(self, n_rows: int) -> Iterator[DatedTable]:
        """Rows of whole dates, at least ``n_rows`` at a time except at the end."""
        total = len(self.codes)
        if not self.in_order:
            if total:
                yield self
            return
        size = -(-total // max(1, total // n_rows))  # about the same for all
        start = 0
        while start < total:
            last = min(start + size, total) - 1
            stop = int(np.searchsorted(self.codes, self.codes[last], side="right"))
            yield self._slice(start, stop)
            start = stop

    def _slice(self, start: int, stop: int) -> DatedTable:
        rows, codes = self.rows.slice(start, stop - start), self.codes[start:stop]
        if not len(codes):
            return replace(self, rows=rows, codes=codes)
        first = codes[0]
        dates = self.dates.slice(first, codes[-1] - first + 1)
        return replace(self, rows=rows, codes=codes - first, dates=dates)

    def frame(self, assets: str | None) -> pd.DataFrame:
        """The rows indexed by (date, asset), or by date."""
        dates = pd.Index(self.dates.to_pandas())
        keys = [self.by] if assets is None else [self.by, assets]
        index: pd.Index
        if assets is None:
            index = dates.take(self.codes).rename(self.by)
        else:
            asset_codes, labels = _encoded(self.rows[assets])
            levels = [dates, pd.Index(labels.to_pandas())]
            codes: list[Any] = [self.codes, asset_codes]
            index = pd.MultiIndex(levels, codes, names=keys, verify_integrity=False)
        values: pd.DataFrame = self.rows.drop_columns(keys).to_pandas(
            use_threads=False, ignore_metadata=True
        )
        return values.set_axis(index)


def _runs(column: pa.ChunkedArray) -> tuple[IntArray, pa.Array] | None:
    """Codes and labels of a column of ascending numbers, or None; faster than by hashing."""
    values = np.asarray(_numbers(_storage(column)))
    if values.dtype.kind != "i":
        return None
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    if not (np.diff(values[starts]) > 0).all():
        return None
    codes = np.repeat(
        np.arange(len(starts), dtype=np.int32), np.diff(np.append(starts, len(values)))
    )
    labels = _storage(column).take(starts).combine_chunks()
    return codes, _restored(labels, column.type)


def _encoded(column: pa.ChunkedArray) -> tuple[IntArray, pa.Array]:
    """Codes and labels of a column; the code of what is missing is -1."""
    import pyarrow as pa

    encoded = _storage(column)
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    encoded = encoded.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # of one chunk, in older releases
        encoded = encoded.chunk(0)
    indices = encoded.indices.fill_null(-1) if encoded.null_count else encoded.indices
    codes: IntArray = indices.to_numpy(zero_copy_only=False)
    return codes, _restored(encoded.dictionary, column.type)


def _storage(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Values of an extension type, such as pandas' periods, as what they are stored as."""
    import pyarrow as pa

    if not isinstance(values.type, pa.BaseExtensionType):
        return values
    if isinstance(values, pa.ChunkedArray):
        chunks = [chunk.storage for chunk in values.chunks]
        return pa.chunked_array(chunks, values.type.storage_type)
    return values.storage


def _restored(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """What was stored in the extension type that it had, if it had one."""
    import pyarrow as pa

    if not isinstance(kind, pa.BaseExtensionType):
        return values
    return pa.ExtensionArray.from_storage(kind, values)


def _numbers(dates: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Points in time as whole numbers; other dates as they are."""
    import pyarrow as pa

    if pa.types.is_timestamp(dates.type) or pa.types.is_date64(dates.type):
        return dates.cast(pa.int64())
    return dates.cast(pa.int32()) if pa.types.is_date32(dates.type) else dates


def _comparable(dates: pa.Array) -> list[Any]:
    """Dates as in `as_key`."""
    keys: list[Any] = _numbers(_storage(dates)).to_pylist()
    return keys


def date_range(dates: pa.ChunkedArray) -> tuple[Any, Any] | None:
    """The first and the last date as in `as_key`, or None if there is none."""
    keys = _comparable(_storage(dates).unique().drop_null())
    return (min(keys), max(keys)) if keys else None


def as_key(date: object, kind: pa.DataType) -> Any:
    """A date of this type as a whole number, or as the text that it is."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pa.scalar(date, kind).value
    return date

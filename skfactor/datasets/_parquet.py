"""Stream a panel from Parquet files, whole dates at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from skfactor._validation import is_whole
from skfactor.datasets._arrow import DatedTable
from skfactor.datasets._lazy_frame import is_lazy_frame, iter_lazy_frame
from skfactor.datasets._row_groups import RowGroups, most_rows_at_once

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


def iter_parquet(
    path: str | os.PathLike[str] | Sequence[str] | Any,
    by: str = "date",
    *,
    assets: str | None = None,
    columns: Sequence[str] | None = None,
    chunk_rows: int = 300_000,
    max_rows: int = 10_000_000,
) -> Iterator[pd.DataFrame]:
    """Read a panel from Parquet some dates at a time, for `FamaMacBeth.partial_fit`.

    All rows of a date come together, wherever they are in the files. Row groups are read in the
    order of their first dates, and a date is handed out as soon as no later row group can have
    more of it. So of files that are sorted by date two row groups and a chunk are in memory at a
    time, of k files that are each sorted by date k + 1 row groups, and none is read twice.

    Parameters
    ----------
    path : str, path, list of them, or polars.LazyFrame
        A file, several files, or a folder, whose names of subfolders such as ``year=2020`` are
        columns (hive partitions). A LazyFrame, such as one of ``polars.scan_parquet``, is collected
        once to count the rows of each date and once per chunk, in any order of its rows.
    by : str, default="date"
        Column of the dates.
    assets : str, optional
        Column of the assets. By default, if pandas wrote the file from a frame indexed by two
        levels of which one is ``by``, the other one; else assets are not known.
    columns : sequence of str, optional
        Columns to read; by default all but those of hive partitions.
    chunk_rows : int, default=300_000
        Fewest rows to yield at a time, except at the end. Rows of a date are never split,
        and a row group is read at once; smaller ones are read together, up to this many rows.
    max_rows : int, default=10_000_000
        Most rows to hold in memory for dates whose rows are scattered over the files.

    Yields
    ------
    DataFrame
        Rows of some dates, indexed by (date, asset), or by date if assets are not known. Each date
        is in one of the frames, and later frames have later dates.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If a file cannot be read or lacks a column (the message names it), a folder holds a link to
        nothing or to a folder above it, files have different columns or types, a date is missing
        (NaN too), or dates are so scattered that more than ``max_rows`` rows would have to be held.

    See Also
    --------
    skfactor.distributed.fit : The same on several machines.

    Notes
    -----
    Folders, links, footers, columns and types are checked before a row is read, dates with the rows
    that they are of. Pages are read by pyarrow without a look at their checksums: damage within one
    may give other numbers, and in some releases of pyarrow it ends the process. Read files of which
    you are not sure with ``pyarrow.parquet.read_table(file, page_checksum_verification=True)``,
    which needs files that were written with checksums, in a process of its own.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import iter_parquet, make_panel
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> model = FamaMacBeth()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "panel.parquet")
    ...     X.assign(ret=y).to_parquet(file)
    ...     for chunk in iter_parquet(file, chunk_rows=10_000):
    ...         model = model.partial_fit(chunk[X.columns], chunk["ret"])
    >>> len(model.dates_)
    120
    """
    for name, value in (("chunk_rows", chunk_rows), ("max_rows", max_rows)):
        if not is_whole(value) or value < 1:
            raise ValueError(f"{name} has to be a whole number, at least 1; found {value!r}.")
    names: list[tuple[str, object]] = [("by", by)]
    names += [] if assets is None else [("assets", assets)]
    for name, column in names:
        if not isinstance(column, str):
            raise ValueError(f"{name} has to be the name of a column; found {column!r}.")
    if isinstance(columns, str):
        raise ValueError(f"columns has to be a list of names; pass [{columns!r}] for one.")
    if columns is not None and not (
        np.ndim(columns) == 1 and all(isinstance(name, str) for name in columns)
    ):
        raise ValueError(f"columns has to be a list of names; found {columns!r}.")
    if is_lazy_frame(path):
        return iter_lazy_frame(path, by, assets, columns, chunk_rows)
    # What can be wrong before any row is read is said here, and not when the first chunk is taken.
    source = RowGroups.open(path, by, assets, columns)
    most = most_rows_at_once(source.groups)
    if most > max_rows:
        raise ValueError(
            f"The rows of the dates are scattered over the files: {most} rows would have to be in "
            f"memory at a time, more than max_rows={max_rows}. Sort the data by {by!r} once, or "
            "pass polars.scan_parquet(...), which reads them again for each chunk."
        )
    return _one_ahead(_frames(source, chunk_rows))


def _one_ahead(items: Generator[T]) -> Generator[T]:
    """The same items; each is made in a thread of its own while the one before is used."""
    with contextlib.closing(items), ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = maker.submit(next, items, None)
            yield item


def _frames(source: RowGroups, chunk_rows: int) -> Generator[pd.DataFrame]:
    """Frames of whole dates."""
    import pyarrow as pa

    held: list[pa.Table] = []
    n_held = 0
    batches = source.batches(chunk_rows)
    ends = [batch[0].first for batch in batches[1:]]
    with contextlib.closing(_one_ahead(source.read(batch) for batch in batches)) as read:
        for rows, end in zip_longest(read, ends):
            held.append(rows)
            n_held += rows.num_rows
            if end is not None and n_held < chunk_rows:
                continue
            dated = DatedTable.of(pa.concat_tables(held), source.by)
            held, n_held = [], 0
            if end is not None:
                dated, rest = dated.part(end)
                held, n_held = [rest], rest.num_rows
            for chunk in dated.chunks(chunk_rows):
                yield chunk.frame(source.assets)

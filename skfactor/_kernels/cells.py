"""Cells: the groups of each date, a few whole dates at a time so that they stay in cache."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfactor._kernels.segments import Segments, segments_from_codes
from skfactor._typing import FloatArray, IntArray


@dataclass(frozen=True)
class Cells:
    """Rows of some dates, brought into runs of one group of one date.

    ``cells`` and ``dates`` are segments of the rows as `take` returns them, and cell ``c`` belongs
    to date ``date_of_cell[c]``. Without groups each date is one cell.
    """

    rows: slice | IntArray
    order: IntArray | None  # of the rows within a slice, None if they lie in runs
    cells: Segments
    dates: Segments
    date_of_cell: IntArray

    @property
    def in_place(self) -> bool:
        """Whether `take` gives a view."""
        return isinstance(self.rows, slice) and self.order is None

    def take(self, values: FloatArray) -> FloatArray:
        """The rows of values (n_columns, n_rows)."""
        if isinstance(self.rows, slice):
            block, order = values[:, self.rows], self.order
        else:
            block, order = values, self.rows
        if order is None:
            return block
        if values.T.flags.c_contiguous:
            return np.ascontiguousarray(block.T.take(order, axis=0).T)
        # Column by column: ``take`` along the rows of a strided block copies the whole of it.
        taken = np.empty((len(values), len(order)), dtype=values.dtype)
        for source, target in zip(block, taken, strict=True):
            np.take(source, order, out=target, mode="clip")
        return taken

    def put(self, block: FloatArray, out: FloatArray) -> None:
        """Write what `take` gave, (n_columns, n_rows of these dates), to its rows of ``out``."""
        if not isinstance(self.rows, slice):
            if out.T.flags.c_contiguous:
                out.T[self.rows] = block.T
            else:
                for source, target in zip(block, out, strict=True):
                    target[self.rows] = source
            return
        target = out[:, self.rows]
        if self.order is None:
            target[...] = block
            return
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(place))
        if out.T.flags.c_contiguous:
            target.T[...] = np.ascontiguousarray(block.T).take(place, axis=0)
            return
        for source, line in zip(block, target, strict=True):
            np.take(source, place, out=line, mode="clip")


def cells_of_dates(
    dates: Segments, which: slice, groups: IntArray | None = None, n_groups: int = 1
) -> Cells:
    """Cells of the dates ``which``, given the code (0 to n_groups - 1) of each row's group."""
    start, stop = int(dates.offsets[which.start]), int(dates.offsets[which.stop])
    offsets = dates.offsets[which.start : which.stop + 1] - start
    rows = slice(start, stop) if dates.order is None else dates.order[start:stop]
    by_date = Segments(offsets)
    if groups is None:
        return Cells(rows, None, by_date, by_date, np.arange(len(by_date)))
    codes = np.repeat(np.arange(len(by_date)) * n_groups, by_date.lengths)
    codes += groups[rows]
    if len(by_date) * n_groups <= 2**16:
        codes = codes.astype(np.uint16)  # numpy sorts these in linear time
    cells, found = segments_from_codes(codes)
    order = cells.order
    if order is not None and not isinstance(rows, slice):
        rows, order = rows[order], None
    return Cells(rows, order, Segments(cells.offsets), by_date, found // n_groups)

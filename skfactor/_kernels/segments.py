"""Segments: which rows belong together, as an order of the rows and offsets into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from skfactor._kernels.threads import Run, report_nothing, run_in_turn, run_on_threads
from skfactor._typing import FloatArray, IntArray

# Values handled at once: this many stay in cache, and calls of NumPy on them take long enough for
# two threads to be seldom in each other's way.
CHUNK = 640_000
# From this many rows per segment on, one call for each segment beats one call over many of them.
LONG_SEGMENT = 150
# Segments of more values than this are worked on column by column, to bound the scratch.
_LARGE = 2**21


@dataclass(frozen=True)
class Segments:
    """Rows in runs: run ``s`` holds rows ``order[offsets[s]:offsets[s + 1]]``.

    ``order`` is None where the rows already lie in runs. Every run holds at least one row.
    """

    offsets: IntArray
    order: IntArray | None = None

    @property
    def lengths(self) -> IntArray:
        """Rows in each segment, (n_segments,)."""
        return np.diff(self.offsets)

    @property
    def slices(self) -> list[slice]:
        """Where each segment lies in rows that are in order."""
        return [slice(start, stop) for start, stop in pairwise(self.offsets)]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, values: FloatArray) -> FloatArray:
        """Values (n_rows,) or (n_columns, n_rows) in the order of the segments.

        Column by column, because ``take`` on a strided block copies the whole of it first.
        """
        if self.order is None:
            return values
        taken = np.empty(values.shape, dtype=values.dtype)
        columns = zip(np.atleast_2d(values), np.atleast_2d(taken), strict=True)
        run_on_threads(
            [
                partial(np.take, source, self.order[rows], out=target[rows], mode="clip")
                for source, target in columns
                for rows in _halves(values.shape[-1])
            ],
            values.size,
        )
        return taken


def _halves(n_rows: int) -> list[slice]:
    """Two runs of rows, so that even a single column can be worked on by two threads."""
    return [slice(0, n_rows // 2), slice(n_rows // 2, n_rows)]


def one_segment(n_rows: int) -> Segments:
    """All rows together."""
    return Segments(np.array([0, n_rows]))


def segments_from_codes(codes: IntArray) -> tuple[Segments, IntArray]:
    """Segments of equal codes in ascending order of the code, and the code of each segment."""
    order = None
    if not bool((codes[1:] >= codes[:-1]).all()):
        order = np.argsort(codes, kind="stable")
        codes = codes.take(order)
    starts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    offsets = np.concatenate(([0], starts, [len(codes)]))
    return Segments(offsets, order), codes[offsets[:-1]]


def chunks(offsets: IntArray, n_columns: int, n_values: int | None = None) -> Iterator[slice]:
    """Ranges of whole segments that hold at most ``n_values``, or one segment.

    The default is ``CHUNK``.
    """
    n_segments, first = len(offsets) - 1, 0
    max_rows = (CHUNK if n_values is None else n_values) // n_columns
    while first < n_segments:
        last = int(np.searchsorted(offsets, offsets[first] + max_rows, side="right")) - 1
        last = min(max(last, first + 1), n_segments)
        yield slice(first, last)
        first = last


def _column_groups(values: FloatArray, segments: Segments) -> list[slice]:
    """All columns, or one at a time where it takes a copy of them to work on."""
    n_columns = len(values)
    if segments.order is None and segments.lengths.max() * n_columns <= _LARGE:
        return [slice(0, n_columns)]
    return [slice(k, k + 1) for k in range(n_columns)]


def reduce_segments(
    function: Callable[[FloatArray, IntArray, slice, slice], None],
    values: FloatArray,
    segments: Segments,
    run: Run = run_in_turn,
) -> None:
    """Call ``function(block, offsets, columns, which)`` for blocks of whole segments.

    A block is (columns, rows); ``offsets`` count from its first row, ``which`` are its segments.
    """
    for columns in _column_groups(values, segments):
        ordered = segments.take(values[columns])

        def work(which: slice, columns: slice = columns, ordered: FloatArray = ordered) -> None:
            offsets = segments.offsets[which.start : which.stop + 1]
            block = ordered[:, offsets[0] : offsets[-1]]
            function(block, offsets - offsets[0], columns, which)

        tasks = [partial(work, which) for which in chunks(segments.offsets, len(ordered))]
        run(tasks, ordered.size, report_nothing)


def map_segments(
    function: Callable[[FloatArray, IntArray, slice, slice, FloatArray], None],
    values: FloatArray,
    segments: Segments,
    out: FloatArray,
    *,
    whole_segments: bool = False,
) -> None:
    """Call ``function(block, offsets, columns, which, target)`` and keep what it writes to target.

    ``values`` and ``out`` are (n_columns, n_rows). A long segment comes in several blocks, as
    suits a function that works value by value, unless ``whole_segments`` are asked for.
    """
    pieces = _not_cut if whole_segments else _pieces
    for columns in _column_groups(values, segments):
        ordered = segments.take(values[columns])
        target = out[columns] if segments.order is None else ordered

        def work(
            piece: IntArray,
            which: slice,
            columns: slice = columns,
            ordered: FloatArray = ordered,
            target: FloatArray = target,
        ) -> None:
            rows = slice(piece[0], piece[-1])
            function(ordered[:, rows], piece - piece[0], columns, which, target[:, rows])

        tasks = [
            partial(work, piece, which)
            for which in chunks(segments.offsets, len(ordered))
            for piece in pieces(segments.offsets[which.start : which.stop + 1], len(ordered))
        ]
        run_on_threads(tasks, ordered.size)
        if segments.order is not None:
            out[columns, segments.order] = target


def _not_cut(offsets: IntArray, n_columns: int) -> list[IntArray]:
    del n_columns
    return [offsets]


def _pieces(offsets: IntArray, n_columns: int) -> list[IntArray]:
    """A run of whole segments as it is, one long segment in pieces of at most ``CHUNK`` values."""
    if len(offsets) > 2:
        return [offsets]
    step = max(CHUNK // n_columns, 1)
    cuts = [*range(int(offsets[0]), int(offsets[1]), step), int(offsets[1])]
    return [np.array(pair) for pair in pairwise(cuts)]


def spread(table: FloatArray, offsets: IntArray) -> FloatArray:
    """A table (n_segments, n_columns) over the rows of its segments: (n_columns, n_rows)."""
    if len(table) == 1:
        return table.T
    return np.repeat(table.T, np.diff(offsets), axis=1)


def are_long(offsets: IntArray) -> bool:
    """Whether a block's segments are long enough for one call each."""
    return bool(offsets[-1] >= LONG_SEGMENT * (len(offsets) - 1))

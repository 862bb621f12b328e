"""Lines: segments padded with NaN to one length, so that one call of NumPy sorts many of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skfactor._kernels.segments import are_long
from skfactor._typing import BoolArray, FloatArray, IntArray

# Segments are padded to one length unless that makes them this many times larger.
_PADDING = 4


@dataclass(frozen=True)
class Lines:
    """Segments ``which`` of a block, one line for each of them and each column."""

    which: IntArray  # (n_segments,)
    starts: IntArray  # (n_segments,)
    lengths: IntArray  # (n_segments,)
    longest: int

    @property
    def _held(self) -> BoolArray:
        """Where a line holds a value of its segment, (n_segments, longest)."""
        held: BoolArray = np.arange(self.longest) < self.lengths[:, None]
        return held

    def _rows(self, held: BoolArray) -> IntArray:
        rows: IntArray = (self.starts[:, None] + np.arange(self.longest))[held]
        return rows

    def _as_cube(self, block: FloatArray) -> FloatArray | None:
        """A view (n_columns, n_segments, longest), where segments of one length fill the block."""
        if len(self.lengths) * self.longest != block.shape[1]:
            return None
        return np.lib.stride_tricks.as_strided(
            block,
            (len(block), len(self.lengths), self.longest),
            (block.strides[0], self.longest * block.strides[1], block.strides[1]),
        )

    def read(self, block: FloatArray) -> FloatArray:
        """Values (n_columns, n_rows) as lines (n_segments, n_columns, longest)."""
        lines = np.empty((len(self.lengths), len(block), self.longest), dtype=block.dtype)
        cube = self._as_cube(block)
        if cube is not None:
            lines[...] = cube.swapaxes(0, 1)
        elif self._are_long:
            for line, start, length in zip(lines, self.starts, self.lengths, strict=True):
                line[:, :length] = block[:, start : start + length]
                line[:, length:] = np.nan
        else:
            held = self._held
            lines[...] = np.nan
            lines.swapaxes(0, 1)[:, held] = block[:, self._rows(held)]
        return lines

    def write(self, lines: FloatArray, out: FloatArray) -> None:
        """Write lines (n_segments, n_columns, longest) to their rows of (n_columns, n_rows)."""
        cube = self._as_cube(out)
        if cube is not None:
            cube[...] = lines.swapaxes(0, 1)
        elif self._are_long:
            for line, start, length in zip(lines, self.starts, self.lengths, strict=True):
                out[:, start : start + length] = line[:, :length]
        else:
            held = self._held
            out[:, self._rows(held)] = lines.swapaxes(0, 1)[:, held]

    @property
    def _are_long(self) -> bool:
        return are_long(np.array([0, *np.cumsum(self.lengths)]))


def lines_of_segments(offsets: IntArray) -> Iterator[Lines]:
    """All segments in lines of one length; of several where that would pad them far too much."""
    lengths = np.diff(offsets)
    longest = int(lengths.max())
    if len(lengths) * longest <= _PADDING * offsets[-1]:
        yield Lines(np.arange(len(lengths)), offsets[:-1], lengths, longest)
        return
    classes = np.frexp(lengths)[1]  # powers of two, so that no line is more than half empty
    for each in np.unique(classes):
        which = np.flatnonzero(classes == each)
        yield Lines(which, offsets[which], lengths[which], int(lengths[which].max()))

"""Where each wanted cell of a table of dates and assets stands among the rows that there are."""

from __future__ import annotations

import numpy as np

from skfactor._typing import IntArray

# A map of all cells may take this many times the memory of the rows, and a bit more: it is faster
# than a search.
_SPARSE, _SMALL = 16, 10**6


def find_rows(cells: IntArray, wanted: IntArray, n_cells: int) -> IntArray:
    """For each wanted cell (m,) the place of its row among the cells (n,), -1 where there is none.

    Cells are numbers below ``n_cells``, each at most once, in any order; wanted ones may be
    negative, which none is.
    """
    if n_cells <= _SPARSE * len(cells) + _SMALL:
        where = np.full(n_cells, -1, dtype=np.int64)
        where[cells] = np.arange(len(cells))
        return np.where(wanted < 0, -1, where[wanted])
    order = np.argsort(cells)
    place = np.minimum(np.searchsorted(cells, wanted, sorter=order), len(cells) - 1)
    found = order[place]
    return np.where(cells[found] == wanted, found, -1)


def find_assets(places: IntArray, wanted: IntArray, assets: IntArray, n_assets: int) -> IntArray:
    """For each row (n,) the row of its asset at the wanted place, -1 where there is none.

    Places of the rows on the calendar count from 0; wanted ones may lie outside of the sample.
    """
    n_places = int(places.max(initial=-1)) + 1
    inside = (wanted >= 0) & (wanted < n_places)
    cells = places.astype(np.int64) * n_assets + assets
    cells_wanted = np.where(inside, wanted.astype(np.int64) * n_assets + assets, -1)
    return find_rows(cells, cells_wanted, n_places * n_assets)

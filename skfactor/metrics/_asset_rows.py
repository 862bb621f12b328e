"""Rows in order of date and asset, and where each asset was some dates before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skfactor._dates import calendar_positions
from skfactor._kernels.look_up import find_assets
from skfactor._panel import Panel
from skfactor._typing import IntArray
from skfactor._validation import is_whole
from skfactor.metrics._pairs import named_dates


@dataclass(frozen=True)
class AssetRows:
    """Chosen rows of a panel in order of date and asset."""

    rows: IntArray  # (n,) positions among the rows of the panel
    dates: IntArray  # (n,) code of the row's date, ascending
    assets: IntArray  # (n,) code of its asset, ascending within a date
    n_assets: int
    labels: pd.Index  # (T,) all dates
    positions: IntArray  # (T,) their places on the calendar, from 0

    @property
    def n_places(self) -> int:
        """Dates between the first and the last on the calendar, both included."""
        return int(self.positions[-1]) + 1

    def pairs(self, lag: int) -> tuple[IntArray, IntArray]:
        """Which of the rows have an asset that was there ``lag`` places before, and its rows there.

        Both ascend.
        """
        places = self.positions[self.dates]
        found = find_assets(places, places - lag, self.assets, self.n_assets)
        later = np.flatnonzero(found >= 0)
        return later, found[later]


def asset_rows(panel: Panel, chosen: IntArray, metric: str) -> AssetRows:
    """Order the chosen rows of a panel; raise if nothing says which asset they are."""
    if panel.assets is None:
        raise ValueError(
            f"{metric} follows assets from date to date, and nothing says which row is which "
            "asset. Index the predictions by (date, asset), or pass assets=."
        )
    date, asset = panel.dates.codes[chosen], panel.assets.codes[chosen]
    cells = date.astype(np.int64) * len(panel.assets) + asset
    if not (cells[1:] > cells[:-1]).all():
        order = cells.argsort()
        chosen, date, asset = chosen[order], date[order], asset[order]
    positions = calendar_positions(panel.dates.labels)
    return AssetRows(
        chosen,
        date,
        asset,
        len(panel.assets),
        named_dates(panel),
        positions - positions[0],
    )


def check_lag(lag: int, rows: AssetRows, metric: str) -> None:
    """Raise unless the lag is a whole number of dates that the sample spans."""
    if not is_whole(lag) or lag < 1:
        raise ValueError(f"lag={lag!r} has to be a whole number of dates, at least 1.")
    if lag >= rows.n_places:
        raise ValueError(
            f"{metric} compares dates that lie {lag} apart, and the sample has {rows.n_places}."
        )

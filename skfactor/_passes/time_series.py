"""Factor and asset returns side by side, from the three forms that the first pass takes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._panel import Labels, Panel, find_panel, only_numbers_rows, time_index
from skfactor._typing import Float64Array, FloatArray, RowLabels
from skfactor._undated import warn_of_columns_left
from skfactor._validation import column_index, kept_frame, raise_if_repeated, target_names


@dataclass(frozen=True)
class TimeSeries:
    """One row per period: factors and returns (T, N), NaN where missing."""

    factors: Float64Array  # (T, K), or (T, K, N) where each asset has its own
    returns: Float64Array
    names: pd.Index  # of the factors
    periods: pd.Index
    assets: pd.Index
    has_assets: bool  # or the only series is of no particular asset

    @property
    def is_common(self) -> bool:
        """Whether all assets have the same factors."""
        return self.factors.ndim == 2

    def explained(self, betas: Float64Array) -> Float64Array:
        """Returns (T, N) that the factors explain by betas (N, K), without a level."""
        if self.is_common:
            return self.factors @ betas.T
        explained: Float64Array = np.einsum("tkn,nk->tn", self.factors, betas)
        return explained

    def by_date(self) -> TimeSeries:
        """The same with ascending periods."""
        if self.periods.is_monotonic_increasing:
            return self
        order = self.periods.argsort()
        return replace(
            self,
            factors=self.factors[order],
            returns=self.returns[order],
            periods=self.periods[order],
        )

    def copy(self) -> TimeSeries:
        """The same in memory of its own."""
        return replace(self, factors=self.factors.copy(), returns=self.returns.copy())

    def last(self, n_periods: int) -> TimeSeries:
        """Its last periods."""
        rows = slice(-n_periods, None)
        return replace(
            self,
            factors=self.factors[rows],
            returns=self.returns[rows],
            periods=self.periods[rows],
        )


@dataclass(frozen=True, eq=False)
class WideData:
    """Factors (T, K) and returns (T, N) of the wide form, by ascending date where there are any."""

    factors: pd.DataFrame
    returns: pd.DataFrame
    dates: pd.Index | None

    @classmethod
    def read(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        factors: FloatArray,
        returns: Float64Array,
        names: list[Hashable],
        dates: RowLabels | None = None,
        date_level: str | int | None = "auto",
    ) -> WideData:
        """Name and order validated values of X and y."""
        periods = time_index(X, y, dates, date_level)
        if periods is None:
            warn_of_columns_left(X)
        index = pd.RangeIndex(len(factors)) if periods is None else periods
        if not index.is_monotonic_increasing:
            order = index.argsort()
            index, factors, returns = index[order], factors[order], returns[order]
        assets = target_names(y, returns.shape[1])
        return cls(
            pd.DataFrame(factors, index=index, columns=column_index(names), copy=False),
            kept_frame(returns, y, index, assets),
            None if periods is None else index,
        )


def read_time_series(
    X: ArrayLike | None,
    y: ArrayLike | None,
    values: FloatArray,
    target: Float64Array,
    names: list[Hashable],
    *,
    dates: object,
    assets: object,
    date_level: str | int | None,
    ordered: bool,
    common: bool = True,
) -> TimeSeries:
    """Series from validated values (n_rows, K) and target (n_rows,) or (n_rows, N) of X and y.

    ``ordered`` says that the order of the periods matters, so that they have to be dates where
    they are labelled. Without ``common`` each asset has its own factors.
    """
    if target.ndim == 2 and target.shape[1] > 1:
        if assets is not None:
            raise ValueError("y has one column per asset, so assets= would name them twice.")
        raise_if_shared(common, "y has one column per asset, so all of them have the rows of X")
        periods, labels = time_index(X, y, dates, date_level), target_names(y, target.shape[1])
        if periods is None:
            warn_of_columns_left(X)
        raise_if_repeated(labels, "y")
        return _series(values, target, column_index(names), periods, labels, True)
    panel = find_panel(X, y, n_rows=len(values), dates=dates, assets=assets, date_level=date_level)
    if panel is not None:
        read = _one_row_a_date if common else _one_row_an_asset
        factors, returns = read(values, target.reshape(-1), panel, names)
        labels = panel.assets.labels  # type: ignore[union-attr]  # just checked
        return _series(factors, returns, column_index(names), panel.dates.labels, labels, True)
    if assets is not None:
        raise ValueError("assets= needs dates= too, or a (date, asset) index.")
    raise_if_shared(common, "the rows are one series")
    # Where their order does not matter, any labels of its rows will do.
    labels_of_rows = X.index if isinstance(X, pd.DataFrame) else None
    periods = time_index(X, y) if ordered else labels_of_rows
    if not isinstance(X, pd.DataFrame) or only_numbers_rows(X.index):
        warn_of_columns_left(X)
    name = getattr(y, "name", None) if target.ndim == 1 else target_names(y, 1)[0]
    label = pd.Index(["asset" if name is None else name])
    return _series(values, target.reshape(-1, 1), column_index(names), periods, label, False)


def series_of_frames(factors: pd.DataFrame, returns: pd.DataFrame) -> TimeSeries:
    """Series from frames of validated factors (T, K) and returns (T, N), of one index."""
    x, y = factors.to_numpy(), returns.to_numpy()
    raise_if_repeated(returns.columns, "y")
    return _series(x, y, factors.columns, factors.index, returns.columns, True)


def _series(
    factors: FloatArray,
    returns: Float64Array,
    names: pd.Index,
    periods: pd.Index | None,
    assets: pd.Index,
    has_assets: bool,
) -> TimeSeries:
    unknown = np.isnan(factors).all(axis=(0, 2) if factors.ndim == 3 else 0)
    if unknown.any():
        raise ValueError(
            f"The factors {names[unknown].tolist()} have no value at all, only NaN. Drop them."
        )
    index = pd.RangeIndex(len(factors)) if periods is None else periods
    return TimeSeries(factors.astype(np.float64), returns, names, index, assets, has_assets)


def _one_row_a_date(
    values: FloatArray, returns: Float64Array, panel: Panel, names: list[Hashable]
) -> tuple[FloatArray, Float64Array]:
    """Factor returns (n_dates, n_factors) and returns (n_dates, n_assets) of a long panel."""
    dates, assets = panel.dates, _known_assets(panel)
    first = panel.segments.offsets[:-1]
    factors = values[first if panel.segments.order is None else panel.segments.order[first]]
    repeated = factors[dates.codes]
    same = (values == repeated) | (np.isnan(values) & np.isnan(repeated))
    if not same.all():
        varying = [names[k] for k in np.flatnonzero(~same.all(axis=0))]
        raise ValueError(
            f"The columns {varying} vary within a date, so they are not factor returns repeated "
            "over the assets. Characteristics and known exposures go into FamaMacBeth directly; "
            "regressors that are returns of each asset's own, such as its local market or its "
            "industry, need FactorBetas(common_factors=False)."
        )
    wide = np.full((len(dates), len(assets)), np.nan)
    wide[dates.codes, assets.codes] = returns
    return factors, wide


def _one_row_an_asset(
    values: FloatArray, returns: Float64Array, panel: Panel, names: list[Hashable]
) -> tuple[FloatArray, Float64Array]:
    """Factor returns (n_dates, n_factors, n_assets) and returns (n_dates, n_assets)."""
    dates, assets = panel.dates, _known_assets(panel)
    factors = np.full((len(dates), len(names), len(assets)), np.nan)
    factors[dates.codes, :, assets.codes] = values
    wide = np.full((len(dates), len(assets)), np.nan)
    wide[dates.codes, assets.codes] = returns
    return factors, wide


def _known_assets(panel: Panel) -> Labels:
    if panel.assets is None:
        raise ValueError(
            "The rows have dates but no assets. Index X by (date, asset), or pass assets=."
        )
    return panel.assets


def raise_if_shared(common: bool, why: str) -> None:
    """Raise ``ValueError`` if each asset was to have factors of its own, and has not."""
    if not common:
        raise ValueError(
            f"common_factors=False is for rows of (date, asset) with regressors of the row's own "
            f"asset, and {why}. Stack the data by (date, asset), or leave it out."
        )

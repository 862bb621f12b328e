"""How much predictions change from date to date."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._groups import group_labels
from skfactor._kernels.quantile_numbers import quantile_numbers
from skfactor._kernels.rank_correlations import segment_rank_correlations
from skfactor._kernels.segments import segments_from_codes
from skfactor._typing import Float64Array, IntArray, RowLabels
from skfactor.metrics._asset_rows import AssetRows, asset_rows, check_lag
from skfactor.metrics._pairs import defined_values, panel_of, read_column, warn_of_dates
from skfactor.metrics._quantiles import quantile_labels, raise_if_thin, warn_of_groups


def rank_autocorrelation(
    y_pred: ArrayLike,
    *,
    lag: int = 1,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
) -> float:
    """Rank correlation of predictions with those of an earlier date, averaged over dates.

    Parameters
    ----------
    y_pred : array-like of shape (n_rows,)
        Predictions. An asset counts on a date if it has one there and ``lag`` dates before.
    lag : int, default=1
        How many dates before, counted on their calendar: by period for weeks and longer, else one
        date after the other.
    dates, assets : array-like of shape (n_rows,), optional
        Date and asset of each row, if they are not in the index of ``y_pred``.

    Returns
    -------
    float
        Between -1 and 1: the lower, the more a portfolio of the predictions trades. NaN if no date
        has a value.

    Raises
    ------
    ValueError
        If there are no dates or no assets, ``y_pred`` has several columns, is infinite or text, or
        the sample is not longer than ``lag``.

    Warns
    -----
    UndefinedMetricWarning
        If dates from the ``lag``-th on share fewer than two assets with the earlier date, or have
        constant predictions; they are left out.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import rank_autocorrelation
    >>> X, _ = make_panel(random_state=0, return_X_y=True)
    >>> -1.0 < rank_autocorrelation(X["x1"]) < 1.0
    True
    """
    values = _autocorrelations(y_pred, lag, dates, assets, "rank_autocorrelation")
    defined = values.dropna()
    return float(defined.mean()) if len(defined) else float("nan")


def rank_autocorrelation_by_date(
    y_pred: ArrayLike,
    *,
    lag: int = 1,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
) -> pd.Series:
    """Rank correlation of the predictions of each date with those of an earlier one.

    Parameters
    ----------
    y_pred, lag, dates, assets
        As in `rank_autocorrelation`.

    Returns
    -------
    Series of shape (n_dates,)
        NaN on the first dates, and where fewer than two assets were there before or predictions
        are constant.

    Raises
    ------
    ValueError
        As in `rank_autocorrelation`.

    Warns
    -----
    UndefinedMetricWarning
        If dates from the ``lag``-th on have NaN, with their number.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import rank_autocorrelation_by_date
    >>> X, _ = make_panel(random_state=0, return_X_y=True)
    >>> rank_autocorrelation_by_date(X["x1"]).first_valid_index()
    Period('2010-02', 'M')
    """
    return _autocorrelations(y_pred, lag, dates, assets, "rank_autocorrelation_by_date")


def _autocorrelations(
    y_pred: ArrayLike, lag: int, dates: RowLabels | None, assets: RowLabels | None, metric: str
) -> pd.Series:
    """Rank autocorrelation of each date; one warning counts those without."""
    predictions, rows, _ = _read_predictions(y_pred, lag, dates, assets, metric)
    later, before = rows.pairs(lag)
    values = np.full(len(rows.labels), np.nan)
    if len(later):
        segments, run_dates = segments_from_codes(rows.dates[later])
        x, y = predictions[later], predictions[before]
        values[run_dates] = segment_rank_correlations(x, y, segments.offsets)
    follows = rows.positions >= lag
    reason = "fewer than 2 assets that were there before, or constant predictions"
    warn_of_dates(
        np.isnan(values[follows]),
        rows.labels[follows],
        "The rank autocorrelation",
        reason,
        "which are left out",
    )
    return pd.Series(values, index=rows.labels, name="rank_autocorrelation")


def quantile_turnover(
    y_pred: ArrayLike,
    *,
    n_quantiles: int = 10,
    lag: int = 1,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> float:
    """Share of the highest and the lowest quantile that is new, averaged over dates.

    Parameters
    ----------
    y_pred, lag, dates, assets
        As in `rank_autocorrelation`.
    n_quantiles : int, default=10
        Number of quantiles, as in `long_short_sharpe`.
    groupby : array-like of shape (n_rows,) or mapping from asset, optional
        Group of each row (or asset), within which quantiles are taken, as in `long_short_sharpe`.

    Returns
    -------
    float
        Between 0 and 1: the average over both quantiles of the share of assets in it that were not
        in it ``lag`` dates before. NaN if no date has a value.

    Raises
    ------
    ValueError
        As in `rank_autocorrelation`, and if no date has ``n_quantiles`` predictions.

    Warns
    -----
    UndefinedMetricWarning
        If dates from the ``lag``-th on, or the dates before them, have fewer predictions than
        quantiles, equal ones only, or ties that leave a quantile empty; they are left out.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import quantile_turnover
    >>> X, _ = make_panel(random_state=0, return_X_y=True)
    >>> 0.0 < quantile_turnover(X["x1"], n_quantiles=5) < 1.0
    True
    """
    metric = "quantile_turnover"
    predictions, rows, groups = _read_predictions(y_pred, lag, dates, assets, metric, groupby)
    extremes = _turnover(predictions, rows, n_quantiles, lag, metric, groups)[:, [0, -1]].mean(
        axis=1
    )
    follows = rows.positions >= lag
    defined = defined_values(
        extremes[follows],
        rows.labels[follows],
        "The turnover",
        _why_empty(n_quantiles),
    )
    return float(defined.mean()) if len(defined) else float("nan")


def _why_empty(n_quantiles: int) -> str:
    return (
        f"fewer predictions than {n_quantiles} quantiles there or on the earlier date, equal ones "
        "only, or ties that leave a quantile empty"
    )


def quantile_turnover_by_date(
    y_pred: ArrayLike,
    *,
    n_quantiles: int = 10,
    lag: int = 1,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> pd.DataFrame:
    """Share of each quantile that is new on each date.

    Parameters
    ----------
    y_pred, n_quantiles, lag, dates, assets, groupby
        As in `quantile_turnover`.

    Returns
    -------
    DataFrame of shape (n_dates, n_quantiles)
        Share of the assets of a quantile that were not in it ``lag`` dates before; columns 1 (the
        lowest predictions) to ``n_quantiles``. NaN on the first dates, and where a date or the one
        before has fewer predictions than quantiles, or equal ones only.

    Raises
    ------
    ValueError
        As in `quantile_turnover`.

    Warns
    -----
    UndefinedMetricWarning
        If dates from the ``lag``-th on have NaN, with their number.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import quantile_turnover_by_date
    >>> X, _ = make_panel(random_state=0, return_X_y=True)
    >>> quantile_turnover_by_date(X["x1"], n_quantiles=5).columns.tolist()
    [1, 2, 3, 4, 5]
    """
    metric = "quantile_turnover_by_date"
    predictions, rows, groups = _read_predictions(y_pred, lag, dates, assets, metric, groupby)
    table = _turnover(predictions, rows, n_quantiles, lag, metric, groups)
    follows = rows.positions >= lag
    empty = np.isnan(table[follows].sum(axis=1))
    reason = _why_empty(n_quantiles)
    warn_of_dates(empty, rows.labels[follows], "The turnover of some quantile", reason)
    return pd.DataFrame(table, index=rows.labels, columns=quantile_labels(n_quantiles))


def _read_predictions(
    y_pred: ArrayLike,
    lag: int,
    dates: RowLabels | None,
    assets: RowLabels | None,
    metric: str,
    groupby: RowLabels | None = None,
) -> tuple[Float64Array, AssetRows, IntArray | None]:
    """Predictions without NaN in order of date and asset, which rows they are, their groups."""
    values = read_column(y_pred, "y_pred", metric)
    panel = panel_of(y_pred, None, len(values), dates, assets, metric)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise ValueError("y_pred holds no value at all, only NaN.")
    rows = asset_rows(panel, known, metric)
    check_lag(lag, rows, metric)
    groups = None
    if groupby is not None:
        labels = group_labels(groupby, y_pred, len(values), panel.assets, "y_pred")
        groups = labels.codes[rows.rows]
    return values[rows.rows], rows, groups


def _turnover(
    values: Float64Array,
    rows: AssetRows,
    n_quantiles: int,
    lag: int,
    metric: str,
    groups: IntArray | None,
) -> Float64Array:
    """Share of new assets by date and quantile (T, n_quantiles)."""
    later, before = rows.pairs(lag)
    quantiles = _quantile_numbers(values, rows, n_quantiles, metric, groups)
    n_dates = len(rows.labels)
    # Cells of date and quantile; the first of a date holds what has no quantile.
    cells = rows.dates.astype(np.int64) * (n_quantiles + 1) + quantiles
    stayed = later[quantiles[later] == quantiles[before]]
    size = n_dates * (n_quantiles + 1)
    with np.errstate(invalid="ignore"):
        table = 1.0 - np.bincount(cells[stayed], minlength=size) / np.bincount(
            cells, minlength=size
        )
    table = table.reshape(n_dates, n_quantiles + 1)[:, 1:]
    enough = np.zeros(n_dates, dtype=bool)
    enough[rows.dates[quantiles > 0]] = True
    earlier = np.searchsorted(rows.positions, rows.positions - lag)
    comparable = rows.positions[earlier] == rows.positions - lag
    table[~(enough & comparable & enough[earlier])] = np.nan
    return table


def _quantile_numbers(
    values: Float64Array,
    rows: AssetRows,
    n_quantiles: int,
    metric: str,
    groups: IntArray | None,
) -> IntArray:
    """Quantile (n,) of each row on its date, or in its group there; 0 where there is none."""
    codes = rows.dates.astype(np.int64)
    if groups is not None:
        codes = codes * (int(groups.max()) + 1) + groups
    segments, _ = segments_from_codes(codes)
    lengths = segments.lengths
    raise_if_thin(int(lengths.max()), n_quantiles, len(rows.labels), metric)
    ordered: Float64Array = segments.take(values).astype(np.float64, copy=False)
    numbers = quantile_numbers(ordered, segments.offsets, n_quantiles)
    numbers[np.repeat(lengths < n_quantiles, lengths)] = 0
    if groups is not None:
        warn_of_groups(numbers[segments.offsets[:-1]] == 0, lengths, n_quantiles)
    if segments.order is None:
        return numbers
    placed = np.empty_like(numbers)
    placed[segments.order] = numbers
    return placed

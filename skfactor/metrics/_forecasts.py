"""Evaluation of expected returns: whether they are calibrated, and how long they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._dates import calendar_positions
from skfactor._kernels.correlations import segment_pair_moments
from skfactor._kernels.rank_correlations import segment_rank_correlations
from skfactor._kernels.segments import segments_from_codes
from skfactor._typing import Float64Array, IntArray, RowLabels
from skfactor._validation import is_whole
from skfactor.metrics._asset_rows import AssetRows, asset_rows
from skfactor.metrics._forecast_evaluation import ForecastEvaluation
from skfactor.metrics._ic import run_correlations
from skfactor.metrics._mean_inference import (
    MeanInference,
    check_horizon,
    infer_values,
    raise_if_few,
)
from skfactor.metrics._pairs import (
    Pairs,
    defined_values,
    panel_of,
    read_column,
    read_pairs,
    warn_of_dates,
)
from skfactor.metrics._quantiles import (
    quantile_labels,
    quantile_means,
    quantiles_of,
    raise_if_thin,
    why_empty,
)

_LAGS = 5
_NAME = "evaluate_forecasts"


def evaluate_forecasts(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    n_quantiles: int = 10,
    horizon: int = 1,
    max_lag: int | None = None,
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> ForecastEvaluation:
    """Evaluate expected returns against realized ones, as Lewellen (2015) does.

    On each date realized returns are regressed on expected ones [1]_. The average slope is 1 where
    a difference in expected returns is followed by the same difference in realized returns, below
    1 where expectations are too extreme, and 0 where they say nothing. Beside it: R squared out
    of sample, returns by quantile of the expectation, and ICs with their decay.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Realized returns. Pairs with a NaN are left out.
    y_pred : array-like of shape (n_rows,)
        Expected returns of the same rows, made before the outcome was known, such as those of
        `skfactor.model_selection.walk_forward_predict`.
    n_quantiles : int, default=10
        Number of quantiles of the expected returns, as in `long_short_sharpe`.
    horizon : int, default=1
        Dates that a return spans; more than one overlaps with its neighbours, and errors have
        ``horizon - 1`` lags, as in `infer_mean`.
    max_lag : int, optional
        Longest lag of the decay: the rank IC of expectations with the returns that many dates after
        those that they are for. By default 5, or as far as the sample goes, where assets are known.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each asset in the returns of its quantile, such as its market capitalization,
        known before the return is. Slopes, ICs and R squared are not weighted.
    dates, assets : array-like of shape (n_rows,), optional
        Date and asset of each row, if they are not in the index of ``y_true`` or ``y_pred``.
    groupby : array-like of shape (n_rows,) or mapping from asset, optional
        Group of each row (or asset), such as its sector, within which quantiles are taken. Slopes,
        ICs and R squared compare all assets of a date.

    Returns
    -------
    ForecastEvaluation
        With ``summary()``. All figures are per date, in the units of the returns; nothing is
        annualized.

    Raises
    ------
    ValueError
        If there are no dates, rows differ, values are infinite or text, fewer than two dates have a
        slope, or ``max_lag`` is given without assets.

    Warns
    -----
    UndefinedMetricWarning
        If some dates have fewer than two pairs or constant expectations, which are left out; or
        lack a quantile, for they have fewer pairs than quantiles or ties. What fewer than two
        dates have is NaN.

    References
    ----------
    .. [1] Lewellen, J. (2015), "The Cross-section of Expected Stock Returns", Critical Finance
       Review 4(1), 1-44. https://doi.org/10.1561/104.00000024

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import evaluate_forecasts
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> early = X.index.get_level_values("date") < "2013-01"
    >>> model = FamaMacBeth().fit(X[early], y[early])
    >>> evaluation = evaluate_forecasts(y[~early], model.predict(X[~early]), n_quantiles=5)
    >>> bool(evaluation.slope.t_value > 2.0)
    True
    """
    check_horizon(horizon)
    pairs = read_pairs(y_true, y_pred, metric=_NAME, dates=dates)
    moments = segment_pair_moments(pairs.predicted, pairs.actual, pairs.offsets)
    slope = moments.slope
    by_date = pd.DataFrame(
        {
            "n_assets": np.bincount(pairs.run_dates, pairs.lengths, len(pairs.dates)).astype(int),
            "slope": pairs.by_date(slope),
            "intercept": pairs.by_date(moments.mean_y - slope * moments.mean_x),
            "r2": pairs.by_date(moments.correlation**2),
            "ic": pairs.by_date(moments.correlation),
            "rank_ic": pairs.by_date(run_correlations(pairs, "spearman")),
        },
        index=pairs.dates,
    )
    reason = "fewer than 2 pairs without NaN, or constant expectations"
    defined_values(by_date["slope"].to_numpy(), pairs.dates, "The predictive slope", reason)
    raise_if_few(by_date["slope"].to_numpy(), "slope")
    sorted_pairs = pairs
    if groupby is not None or sample_weight is not None:
        sorted_pairs = read_pairs(
            y_true,
            y_pred,
            metric=_NAME,
            dates=dates,
            groupby=groupby,
            sample_weight=sample_weight,
        )
    predicted, actual = _quantile_means(sorted_pairs, n_quantiles)
    by_date["spread"] = actual[:, -1] - actual[:, 0]
    empty = np.isnan(actual).any(axis=1) & by_date["slope"].notna().to_numpy()
    warn_of_dates(empty, pairs.dates, "The return of some quantile", why_empty(n_quantiles))
    positions = calendar_positions(pairs.dates)
    means = {
        name: infer_values(by_date[name].to_numpy(), positions, name, horizon)
        for name in ("slope", "intercept", "ic", "rank_ic", "spread")
    }
    panel = panel_of(y_true, y_pred, len(np.asarray(y_true)), dates, assets, _NAME)
    lags: dict[int, MeanInference] = {}
    if panel.assets is not None or max_lag:
        columns = [read_column(data, "", _NAME) for data in (y_pred, y_true)]
        rows = asset_rows(panel, np.arange(len(columns[0])), _NAME)
        lags = _decay(columns[0], columns[1], rows, max_lag, horizon)
    error, level = (pairs.actual - pairs.predicted), pairs.actual
    total = float(moments.sum_yy.sum())
    missed = float((moments.sum_yy - 2.0 * moments.sum_xy + moments.sum_xx).sum())
    return ForecastEvaluation(
        **means,
        average_r2=float(by_date["r2"].mean()),
        r2_zero=_one_minus(float(error @ error), float(level @ level)),
        r2_demeaned=_one_minus(missed, total),
        quantiles=_quantiles(predicted, actual, means["spread"], positions),
        decay=_table({0: means["rank_ic"], **lags}, "lag"),
        by_date=by_date,
        horizon=int(horizon),
    )


def _one_minus(part: float, whole: float) -> float:
    return 1.0 - part / whole if whole > 0.0 else float("nan")


def _quantile_means(pairs: Pairs, n_quantiles: int) -> tuple[Float64Array, Float64Array]:
    """Means of predictions and of outcomes by date and quantile, each (T, n_quantiles)."""
    raise_if_thin(len(pairs.actual), n_quantiles, len(pairs.dates), _NAME)
    if pairs.lengths.max() < n_quantiles:
        empty = np.broadcast_to(np.nan, (len(pairs.dates), n_quantiles))
        return empty, empty
    quantiles = quantiles_of(pairs, n_quantiles)
    predicted = quantile_means(pairs, quantiles, n_quantiles, pairs.predicted)
    return predicted, quantile_means(pairs, quantiles, n_quantiles, pairs.actual)


def _quantiles(
    expected: Float64Array, realized: Float64Array, spread: MeanInference, positions: IntArray
) -> pd.DataFrame:
    """Expected and realized returns of each quantile and of the highest minus the lowest."""
    labels = quantile_labels(expected.shape[1])
    inferences: dict[Any, MeanInference] = {
        label: infer_values(np.ascontiguousarray(column), positions, str(label), spread.horizon)
        for label, column in zip(labels, realized.T, strict=True)
    }
    inferences["spread"] = spread
    table = _table(inferences, "quantile")
    columns = [*expected.T, expected[:, -1] - expected[:, 0]]
    table.insert(0, "expected", [_mean_of_known(column) for column in columns])
    return table.rename(columns={"mean": "realized"})


def _mean_of_known(values: Float64Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _table(inferences: dict[Any, MeanInference], name: str) -> pd.DataFrame:
    rows = [inference.to_series() for inference in inferences.values()]
    index = pd.Index(list(inferences), name=name)
    return pd.DataFrame([row.to_dict() for row in rows], index=index)


def _decay(
    expected: Float64Array,
    realized: Float64Array,
    rows: AssetRows,
    max_lag: int | None,
    horizon: int,
) -> dict[int, MeanInference]:
    """Rank ICs of expectations with returns of later dates, by lag from 1 on."""
    if max_lag is None:
        longest = min(_LAGS, rows.n_places - 2)
    elif not is_whole(max_lag) or max_lag < 0:
        raise ValueError(f"max_lag={max_lag!r} has to be a whole number of dates, at least 0.")
    elif max_lag > rows.n_places - 2:
        raise ValueError(
            f"max_lag={max_lag} leaves fewer than two dates of the {rows.n_places} in the sample."
        )
    else:
        longest = int(max_lag)
    decay = {}
    for lag in range(1, longest + 1):
        later, before = rows.pairs(lag)
        pair = np.stack([expected[rows.rows[before]], realized[rows.rows[later]]])
        complete = np.isfinite(pair.sum(axis=0))
        values = np.full(len(rows.labels), np.nan)
        if complete.any():
            segments, run_dates = segments_from_codes(rows.dates[before[complete]])
            x, y = pair[:, complete]
            values[run_dates] = segment_rank_correlations(x, y, segments.offsets)
        if max_lag is None and int(np.isfinite(values).sum()) < 2:
            break  # dates so far apart share no assets
        decay[lag] = infer_values(values, rows.positions, f"rank_ic at lag {lag}", horizon)
    return decay

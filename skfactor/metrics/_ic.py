"""Information coefficients: correlations of predictions and outcomes within dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._kernels.correlations import segment_pair_moments
from skfactor._kernels.rank_correlations import segment_rank_correlations
from skfactor._kernels.weighted_correlations import (
    segment_weighted_correlations,
    segment_weighted_rank_correlations,
)
from skfactor._typing import Float64Array, RowLabels
from skfactor._validation import is_one_of
from skfactor.metrics._pairs import Pairs, defined_values, read_pairs

_METHODS = ("pearson", "spearman")
_REASON = "fewer than 2 pairs without NaN, or a constant prediction or outcome"


def ic(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> float:
    """Information coefficient: correlation within a date, averaged over dates.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Outcomes, such as returns. Pairs with a NaN are left out.
    y_pred : array-like of shape (n_rows,)
        Predictions or signals in the order of ``y_true``. Their scale does not matter.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row in the correlation of its date, such as the root of its market
        capitalization; a row of weight 2 counts as two equal rows. Dates still weigh the same.
    dates : array-like of shape (n_rows,) or scalar, optional
        Date of each row, if it is not in the index of ``y_true`` or ``y_pred``. A scalar: one
        cross-section.
    groupby : array-like of shape (n_rows,) or mapping from asset, optional
        Group of each row, such as its industry. A date's value is then the average of the
        correlations within its groups, weighted by their numbers of pairs (their sums of weights).

    Returns
    -------
    float
        Between -1 and 1; every date weighs the same. NaN if no date has a value.

    Raises
    ------
    ValueError
        If there are no dates, ``y_true`` has one column per asset, rows differ, values are infinite
        or text, or no date has two pairs.

    Warns
    -----
    UndefinedMetricWarning
        If some dates have fewer than two pairs or a constant prediction; they are left out.

    See Also
    --------
    rank_ic : The same for ranks, which outliers do not move.
    ic_by_date : Its values date by date.
    skfactor.metrics.infer_mean : Its standard error, for overlapping horizons too.

    References
    ----------
    .. [1] Grinold, R. C. (1989), "The Fundamental Law of Active Management", Journal of Portfolio
       Management 15(3), 30-37. https://doi.org/10.3905/jpm.1989.409211

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import ic
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> round(ic(y, X.sum(axis=1)), 3)
    0.093
    """
    values = _ic_values(y_true, y_pred, "pearson", sample_weight, dates, groupby, "ic")
    return _mean(defined_values(*values, "The IC", _REASON))


def rank_ic(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> float:
    """Rank information coefficient: Spearman's correlation within a date, averaged over dates.

    Parameters
    ----------
    y_true, y_pred, sample_weight, dates, groupby
        As in `ic`. Ties have their average rank; with ``groupby`` ranks are those in the group.
        Weights count in ranks too, as rows that are repeated would.

    Returns
    -------
    float
        Between -1 and 1; every date weighs the same. NaN if no date has a value.

    Raises
    ------
    ValueError
        As in `ic`.

    Warns
    -----
    UndefinedMetricWarning
        As in `ic`.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import rank_ic
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> round(rank_ic(y, X.sum(axis=1)), 3)
    0.088
    """
    values = _ic_values(y_true, y_pred, "spearman", sample_weight, dates, groupby, "rank_ic")
    return _mean(defined_values(*values, "The rank IC", _REASON))


def icir(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    method: str = "pearson",
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> float:
    """Information ratio of the IC: its mean over dates by its standard deviation.

    Parameters
    ----------
    y_true, y_pred, sample_weight, dates, groupby
        As in `ic`.
    method : {"pearson", "spearman"}, default="pearson"
        The correlation: that of `ic` or that of `rank_ic`.

    Returns
    -------
    float
        Per date, not annualized; the standard deviation has divisor T - 1. NaN if no date has a
        value.

    Raises
    ------
    ValueError
        As in `ic`, and if only one date has a value.

    Warns
    -----
    UndefinedMetricWarning
        As in `ic`.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import icir
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> round(icir(y, X.sum(axis=1)), 2)
    0.45
    """
    values = _ic_values(y_true, y_pred, method, sample_weight, dates, groupby, "icir")
    return mean_over_deviation(defined_values(*values, "The IC", _REASON), "icir")


def ic_by_date(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    method: str = "pearson",
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> pd.Series:
    """Information coefficient of each date.

    Parameters
    ----------
    y_true, y_pred, sample_weight, dates, groupby
        As in `ic`.
    method : {"pearson", "spearman"}, default="pearson"
        The correlation: that of `ic` or that of `rank_ic`.

    Returns
    -------
    Series of shape (n_dates,)
        In order of the dates; NaN where a date has fewer than two pairs or a constant prediction.

    Raises
    ------
    ValueError
        As in `ic`.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import ic_by_date
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> ic_by_date(y, X["x1"], method="spearman").head(2).round(3)
    date
    2010-01   -0.160
    2010-02   -0.157
    Freq: M, Name: ic, dtype: float64
    """
    values, index = _ic_values(y_true, y_pred, method, sample_weight, dates, groupby, "ic_by_date")
    return pd.Series(values, index=index, name="ic")


def ic_by_group(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    groupby: RowLabels | None,
    method: str = "pearson",
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
) -> pd.DataFrame:
    """Information coefficient of each date within each group.

    Parameters
    ----------
    y_true, y_pred, sample_weight, dates
        As in `ic`.
    groupby : array-like of shape (n_rows,) or mapping from asset
        Group of each row, such as its industry. Rows without a label form a group of their own.
    method : {"pearson", "spearman"}, default="pearson"
        The correlation: that of `ic` or that of `rank_ic`.

    Returns
    -------
    DataFrame of shape (n_dates, n_groups)
        NaN where a group has fewer than two pairs on a date or a constant prediction. Its
        ``mean()`` is the average of each group.

    Raises
    ------
    ValueError
        As in `ic`.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import ic_by_group
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> half = y.index.get_level_values("asset").map(lambda name: "A" if name < "A100" else "B")
    >>> ic_by_group(y, X["x1"], groupby=half).mean().round(3)
    A    0.080
    B    0.091
    dtype: float64
    """
    _check_method(method)
    pairs = read_pairs(
        y_true,
        y_pred,
        metric="ic_by_group",
        dates=dates,
        groupby=groupby,
        sample_weight=sample_weight,
    )
    assert pairs.groups is not None
    table = np.full((len(pairs.dates), len(pairs.groups)), np.nan)
    table[pairs.run_dates, pairs.run_groups] = run_correlations(pairs, method)
    return pd.DataFrame(table, index=pairs.dates, columns=pairs.groups)


def run_correlations(pairs: Pairs, method: str) -> Float64Array:
    """Correlation of each run (S,), NaN with fewer than two pairs or without variation."""
    x, y = pairs.predicted, pairs.actual
    if pairs.weights is not None:
        weighted = {
            "pearson": segment_weighted_correlations,
            "spearman": segment_weighted_rank_correlations,
        }
        return weighted[method](x, y, pairs.weights, pairs.offsets)
    if method == "spearman":
        return segment_rank_correlations(x, y, pairs.offsets)
    return segment_pair_moments(x, y, pairs.offsets).correlation


def _ic_values(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    method: str,
    sample_weight: ArrayLike | None,
    dates: RowLabels | None,
    groupby: RowLabels | None,
    metric: str,
) -> tuple[Float64Array, pd.Index]:
    """IC of each date (T,) and the dates."""
    _check_method(method)
    pairs = read_pairs(
        y_true, y_pred, metric=metric, dates=dates, groupby=groupby, sample_weight=sample_weight
    )
    if pairs.lengths.max() < 2:
        where = "date" if groupby is None else "date and group"
        raise ValueError(
            f"{metric} compares assets within each {where}, and none has two rows with both a "
            "y_true and a y_pred."
        )
    return pairs.by_date(run_correlations(pairs, method)), pairs.dates


def _check_method(method: str) -> None:
    if not is_one_of(method, _METHODS):
        raise ValueError(f"method={method!r} is unknown; it is one of {list(_METHODS)}.")


def _mean(values: Float64Array) -> float:
    return float(values.mean()) if len(values) else float("nan")


def mean_over_deviation(values: Float64Array, metric: str) -> float:
    """Mean by standard deviation with divisor T - 1; NaN without values, infinite if constant."""
    if len(values) == 1:
        raise ValueError(
            f"{metric} is a mean by its standard deviation over dates, and only one date has a "
            "value."
        )
    if not len(values):
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(values.mean() / values.std(ddof=1))

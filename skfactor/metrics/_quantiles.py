"""Returns of portfolios by quantile of the prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from skfactor._kernels.portfolios import cell_means
from skfactor._kernels.quantile_numbers import quantile_numbers
from skfactor._typing import BoolArray, Float64Array, IntArray, RowLabels
from skfactor._validation import is_whole
from skfactor._warn import warn_user
from skfactor.metrics._ic import mean_over_deviation
from skfactor.metrics._pairs import (
    Pairs,
    defined_values,
    read_pairs,
    warn_of_dates,
)


def long_short_sharpe(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    n_quantiles: int = 10,
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> float:
    """Sharpe ratio of buying the highest and selling the lowest quantile of the predictions.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Returns, in decimals. Pairs with a NaN are left out.
    y_pred : array-like of shape (n_rows,)
        Predictions in the order of ``y_true``, by which the assets of a date are sorted.
    n_quantiles : int, default=10
        Number of quantiles, as of ``pandas.qcut`` and `skfactor.portfolios.PortfolioSorter`: they
        are divided at linearly interpolated quantiles, and a prediction equal to one is below it.
        Tied predictions stay together, so ties may leave a quantile empty.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each asset in its quantile's return, such as its market capitalization, known
        before the return is. All weigh the same by default.
    dates : array-like of shape (n_rows,) or scalar, optional
        Date of each row, if it is not in the index of ``y_true`` or ``y_pred``.
    groupby : array-like of shape (n_rows,) or mapping from asset, optional
        Group of each row (or asset), such as its sector: quantiles are then those of the group on
        the date, and a quantile holds assets of all groups.

    Returns
    -------
    float
        Mean over standard deviation (divisor T - 1) of the dates' returns: per date, not
        annualized, without costs. NaN if no date has a value.

    Raises
    ------
    ValueError
        As in `ic`, if no date has ``n_quantiles`` pairs, or only one date has a value.

    Warns
    -----
    UndefinedMetricWarning
        If some dates have fewer pairs than quantiles, equal predictions only, or ties that leave
        the highest quantile empty; they are left out.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import long_short_sharpe
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> round(long_short_sharpe(y, X.sum(axis=1), n_quantiles=5), 2)
    0.44
    """
    metric = "long_short_sharpe"
    pairs = read_pairs(
        y_true, y_pred, metric=metric, dates=dates, sample_weight=sample_weight, groupby=groupby
    )
    raise_if_thin(int(pairs.lengths.max()), n_quantiles, len(pairs.dates), metric)
    means = quantile_means(pairs, quantiles_of(pairs, n_quantiles), n_quantiles, pairs.actual)
    spread = defined_values(
        means[:, -1] - means[:, 0], pairs.dates, "The long-short return", why_empty(n_quantiles)
    )
    return mean_over_deviation(spread, metric)


def quantile_returns_by_date(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    n_quantiles: int = 10,
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> pd.DataFrame:
    """Mean return of each quantile of the predictions on each date.

    Parameters
    ----------
    y_true, y_pred, n_quantiles, sample_weight, dates, groupby
        As in `long_short_sharpe`.

    Returns
    -------
    DataFrame of shape (n_dates, n_quantiles)
        In decimals, columns 1 (the lowest predictions) to ``n_quantiles``. NaN on dates with fewer
        pairs than quantiles or equal predictions only, and for a quantile that ties leave empty.

    Raises
    ------
    ValueError
        As in `ic`, and if no date has ``n_quantiles`` pairs.

    Warns
    -----
    UndefinedMetricWarning
        If the table has such NaN, with the number of dates.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import quantile_returns_by_date
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> returns = quantile_returns_by_date(y, X.sum(axis=1), n_quantiles=3)
    >>> bool(returns.mean().is_monotonic_increasing)
    True
    """
    metric = "quantile_returns_by_date"
    pairs = read_pairs(
        y_true, y_pred, metric=metric, dates=dates, sample_weight=sample_weight, groupby=groupby
    )
    raise_if_thin(int(pairs.lengths.max()), n_quantiles, len(pairs.dates), metric)
    means = quantile_means(pairs, quantiles_of(pairs, n_quantiles), n_quantiles, pairs.actual)
    empty = np.isnan(means.sum(axis=1))
    warn_of_dates(empty, pairs.dates, "The return of some quantile", why_empty(n_quantiles))
    return pd.DataFrame(means, index=pairs.dates, columns=quantile_labels(n_quantiles))


def quantile_labels(n_quantiles: int) -> pd.Index:
    """Quantiles from 1 on."""
    return pd.RangeIndex(1, n_quantiles + 1, name="quantile")


def why_empty(n_quantiles: int) -> str:
    """Why a date lacks a quantile."""
    return (
        f"fewer pairs than {n_quantiles} quantiles, equal predictions only, or ties that leave "
        "one empty"
    )


def quantiles_of(pairs: Pairs, n_quantiles: int) -> IntArray:
    """Quantile (n,) from 1 on of each prediction in its run, 0 in runs that have none."""
    numbers = quantile_numbers(pairs.predicted, pairs.offsets, n_quantiles)
    thin = pairs.lengths < n_quantiles
    if thin.any():
        numbers[np.repeat(thin, pairs.lengths)] = 0
    if pairs.groups is not None:
        warn_of_groups(numbers[pairs.offsets[:-1]] == 0, pairs.lengths, n_quantiles)
    return numbers


def warn_of_groups(empty: BoolArray, lengths: IntArray, n_quantiles: int) -> None:
    """One warning that counts groups on dates (S,) without quantiles, and their assets."""
    if empty.any():
        warn_user(
            f"{int(empty.sum())} of {len(empty)} groups on dates have fewer assets than "
            f"{n_quantiles} quantiles, or equal predictions only: their "
            f"{int(lengths[empty].sum())} of {int(lengths.sum())} rows are in no quantile. Take "
            "fewer quantiles, or larger groups.",
            UndefinedMetricWarning,
        )


def quantile_means(
    pairs: Pairs, quantiles: IntArray, n_quantiles: int, values: Float64Array
) -> Float64Array:
    """Means of values (n,) by date and quantile (T, n_quantiles), NaN without any."""
    shape = len(pairs.dates), n_quantiles
    means, _ = cell_means(values, pairs.dates_of_rows, quantiles - 1, shape, pairs.weights)
    return means


def check_n_quantiles(n_quantiles: int) -> None:
    """Raise unless the number of quantiles is a whole number, at least 2."""
    if not is_whole(n_quantiles) or n_quantiles < 2:
        raise ValueError(f"n_quantiles={n_quantiles!r} has to be a whole number, at least 2.")


def raise_if_thin(most: int, n_quantiles: int, n_dates: int, metric: str) -> None:
    """Raise if the date with the most assets has fewer than there are quantiles."""
    check_n_quantiles(n_quantiles)
    if most < n_quantiles:
        raise ValueError(
            f"{metric} sorts the assets of a date into {n_quantiles} quantiles, and none of the "
            f"{n_dates} dates has more than {most}. Pass a smaller n_quantiles."
        )

"""How close predictions come: R squared against zero, and pricing errors of average returns."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from skfactor._kernels.rounding import EPSILON, ROUNDING_UNITS
from skfactor._panel import check_same_rows
from skfactor._typing import BoolArray, Float64Array
from skfactor._validation import check_row_weights
from skfactor.metrics._pairs import check_same_shape, complete_pairs, read_numbers


def r2_zero(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Out-of-sample R squared whose benchmark is a prediction of zero, pooled over all rows.

    ``1 - sum (y_true - y_pred)^2 / sum y_true^2``, as Gu, Kelly and Xiu [1]_ measure predictions of
    single stocks' returns, for which the historical mean is a worse benchmark than zero.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,) or (n_periods, n_assets)
        Outcomes, such as excess returns, one row per date and asset or one column per asset. Pairs
        with a NaN are left out. No dates are needed: rows are pooled.
    y_pred : array-like of the same shape
        Predictions, in the units of ``y_true``.
    sample_weight : array-like of shape (n_rows,) or (n_periods,), optional
        Weight of each row.

    Returns
    -------
    float
        At most 1; 0 for predictions of zero. NaN if all outcomes are zero.

    Raises
    ------
    ValueError
        If shapes or rows differ, values are infinite or text, or no pair is complete.

    References
    ----------
    .. [1] Gu, S., B. Kelly and D. Xiu (2020), "Empirical Asset Pricing via Machine Learning",
       Review of Financial Studies 33(5), 2223-2273. https://doi.org/10.1093/rfs/hhaa009

    Examples
    --------
    >>> from skfactor.metrics import r2_zero
    >>> r2_zero([0.03, -0.01, 0.02], [0.01, 0.0, 0.01])
    0.571...
    """
    actual, predicted, complete = _read_tables(y_true, y_pred)
    weights = check_row_weights(sample_weight, y_true, len(actual), "sample_weight")
    error = actual - predicted
    if not complete.all():
        actual, error = (np.where(complete, values, 0.0) for values in (actual, error))
    missed, total = _sum_of_squares(error, weights), _sum_of_squares(actual, weights)
    return 1.0 - missed / total if total > 0.0 else float("nan")


def cross_sectional_r2_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    fit_intercept: bool = True,
) -> float:
    """R squared of average returns: how well expected returns explain why assets differ.

    Asset by asset the returns and the predictions are averaged over the periods that have both;
    the R squared is that of these averages, 1 minus the sum of squared pricing errors over the
    variation of average returns [1]_. Unlike `sklearn.metrics.r2_score` it does not punish a model
    for the market's months, which no expected return explains.

    Parameters
    ----------
    y_true : array-like of shape (n_periods, n_assets)
        Returns, one column per asset. NaN is left out.
    y_pred : array-like of shape (n_periods, n_assets)
        Expected returns, as `skfactor.FamaMacBeth.predict` gives them in wide form.
    sample_weight : array-like of shape (n_periods,), optional
        Weight of each period in the averages.
    fit_intercept : bool, default=True
        Whether the variation of average returns is taken around their mean, or around zero: for
        models without a zero-beta rate.

    Returns
    -------
    float
        At most 1; NaN if the average returns do not vary.

    Raises
    ------
    ValueError
        If there is one column, shapes, rows or columns differ, values are infinite or text, or
        fewer than two assets have a complete pair.

    See Also
    --------
    skfactor.inference.cross_sectional_r2 : In sample, with its standard error and tests.
    pricing_rmse : The same errors in the units of returns.

    References
    ----------
    .. [1] Kan, R., C. Robotti and J. Shanken (2013), "Pricing Model Performance and the Two-Pass
       Cross-Sectional Regression Methodology", Journal of Finance 68(6), 2617-2649.
       https://doi.org/10.1111/jofi.12035

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.metrics import cross_sectional_r2_score
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> model = FamaMacBeth().fit(factors, returns)
    >>> score = cross_sectional_r2_score(returns, model.predict(factors))
    >>> abs(score - model.score(factors, returns)) < 1e-12
    True
    """
    actual, expected = _averages(y_true, y_pred, sample_weight, "cross_sectional_r2_score")
    around = actual.mean() if fit_intercept else 0.0
    deviation = actual - around
    total = float(deviation @ deviation)
    if total <= len(actual) * (ROUNDING_UNITS * EPSILON * abs(around)) ** 2:
        return float("nan")
    return 1.0 - float((actual - expected) @ (actual - expected)) / total


def pricing_rmse(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Root of the mean squared pricing error: of average minus expected returns of the assets.

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As in `cross_sectional_r2_score`.

    Returns
    -------
    float
        In the units of the returns, decimals per period; not annualized.

    Raises
    ------
    ValueError
        As in `cross_sectional_r2_score`.

    Examples
    --------
    >>> from skfactor.metrics import pricing_rmse
    >>> pricing_rmse([[0.01, 0.03], [0.03, 0.03]], [[0.01, 0.03], [0.01, 0.03]])
    0.0070...
    """
    actual, expected = _averages(y_true, y_pred, sample_weight, "pricing_rmse")
    return float(np.sqrt(np.mean((actual - expected) ** 2)))


def _read_tables(
    y_true: ArrayLike, y_pred: ArrayLike
) -> tuple[Float64Array, Float64Array, BoolArray]:
    """Outcomes and predictions of one shape, and which pairs are complete."""
    actual, predicted = read_numbers(y_true, "y_true"), read_numbers(y_pred, "y_pred")
    if actual.size == predicted.size and len(actual) == len(predicted):
        predicted = predicted.reshape(actual.shape)  # (n, 1) beside (n,)
    check_same_shape(actual, predicted)
    check_same_rows(y_true, y_pred, "y_pred", x_name="y_true")
    left, right = getattr(y_true, "columns", None), getattr(y_pred, "columns", None)
    if left is not None and right is not None and list(left) != list(right):
        raise ValueError(
            "y_true and y_pred have different columns. They are not aligned by name: bring them "
            "into one order first, for example y_pred = y_pred[y_true.columns]."
        )
    complete = complete_pairs(actual, predicted)
    if not complete.any():
        raise ValueError("No row has both a y_true and a y_pred: one of them is NaN everywhere.")
    return actual, predicted, complete


def _sum_of_squares(values: Float64Array, weights: Float64Array | None) -> float:
    """Of values (n,) or (T, N), rows weighted."""
    if weights is None:
        return float(np.vdot(values, values))
    return float(weights @ (values**2).reshape(len(values), -1).sum(axis=1))


def _averages(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None, metric: str
) -> tuple[Float64Array, Float64Array]:
    """Average outcome and prediction of each asset (N,) over the periods that have both."""
    actual, predicted, complete = _read_tables(y_true, y_pred)
    if actual.ndim == 1 or actual.shape[1] < 2:
        raise ValueError(
            f"{metric} compares the average returns of assets, one column each, and y_true has one "
            "column. Unstack a panel into that form, or score it by rank_ic, ic or r2_zero."
        )
    weights = check_row_weights(sample_weight, y_true, len(actual), "sample_weight")
    w = np.ones(len(actual)) if weights is None else weights
    total = w @ complete.astype(np.float64)
    if np.count_nonzero(total) < 2:
        raise ValueError(f"{metric} needs two assets with a y_true and a y_pred.")
    known = total > 0.0
    averages = (
        (w @ np.where(complete, table, 0.0))[known] / total[known] for table in (actual, predicted)
    )
    return next(averages), next(averages)

"""forecast_importance: what predictions out of sample lose without a characteristic."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._kernels.moments import vary_between_segments_only
from skfactor._kernels.segments import segments_from_codes
from skfactor._limits import muted
from skfactor._sklearn import safe_indexing, take_params
from skfactor._typing import Float64Array, FloatArray, IntArray, RowLabels
from skfactor._validation import check_seed, is_one_of, is_whole, named_metadata
from skfactor._warn import warn_user
from skfactor.exceptions import NoVariationWarning
from skfactor.metrics import ic, long_short_sharpe, r2_zero, rank_ic
from skfactor.metrics._predict import metadata_of, predictor
from skfactor.model_selection._date_splitter import DatedRows, rows_by_date
from skfactor.model_selection._walk_forward_predict import WalkForwardFit

_METRICS: dict[str, Callable[..., float]] = {
    "r2_zero": r2_zero,
    "ic": ic,
    "rank_ic": rank_ic,
    "long_short_sharpe": long_short_sharpe,
}
_NAME = "forecast_importance"


def forecast_importance(
    fits: Sequence[WalkForwardFit],
    X: pd.DataFrame,
    y: ArrayLike,
    *,
    method: str = "permute",
    scoring: str = "r2_zero",
    features: Sequence[Hashable] | None = None,
    n_repeats: int = 5,
    dates: RowLabels | None = None,
    params: dict[str, object] | None = None,
    random_state: int | None = 0,
) -> pd.DataFrame:
    """Measure how much worse predictions out of sample are without a characteristic.

    Nothing is fitted again: each model of a walk-forward predicts its own test rows with one column
    of X changed, and the score of all these predictions is compared with that of the unchanged
    ones.

    Parameters
    ----------
    fits : sequence of WalkForwardFit
        The models, from ``walk_forward_predict(..., return_estimator=True)``.
    X : DataFrame of shape (n_rows, n_features)
        As it was passed there.
    y : array-like of shape (n_rows,)
        As it was passed there.
    method : {"permute", "zero"}, default="permute"
        ``"permute"`` shuffles the column among the assets of each date, so that its values stay
        those of the date; ``"zero"`` sets it to zero, as [1]_ do, which is the middle of ranks and
        scores (a column that the pipeline ranks or scores itself becomes constant, and neutral).
    scoring : {"r2_zero", "ic", "rank_ic", "long_short_sharpe"}, default="r2_zero"
        The score of the predictions.
    features : sequence of column names, optional
        The columns to change one by one; all by default.
    n_repeats : int, default=5
        Permutations, over which losses are averaged. Zeroing takes one.
    dates : array-like of shape (n_rows,), optional
        Date of each row, if it is not in the index of X or y.
    params : dict, optional
        Metadata for predict, as in `walk_forward_predict`.
    random_state : int or None, default=0
        Seed of the permutations.

    Returns
    -------
    DataFrame of shape (n_features, 3)
        ``importance``: score less the score without the column, the larger the more it tells;
        ``std``: standard deviation over permutations; ``share``: the positive importances as
        shares of their sum. In order of importance.

    Raises
    ------
    TypeError
        If X is not a DataFrame.
    ValueError
        If there are no fits, they are of other rows, a feature is not a column, or the method or
        score is unknown.

    Warns
    -----
    NoVariationWarning
        If columns are the same for all assets of each date, which permuting within dates leaves as
        they are: their importance is NaN. Zeroing changes them.

    References
    ----------
    .. [1] Gu, S., B. Kelly and D. Xiu (2020), "Empirical Asset Pricing via Machine Learning",
       Review of Financial Studies 33(5), 2223-2273. https://doi.org/10.1093/rfs/hhaa009

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import forecast_importance, walk_forward_predict
    >>> X, y = make_panel(n_dates=60, random_state=0, return_X_y=True)
    >>> _, fits = walk_forward_predict(FamaMacBeth(), X, y, return_estimator=True)
    >>> forecast_importance(fits, X, y, scoring="rank_ic").index[0]
    'x3'
    """
    for value, parameter, options in (
        (method, "method", {"permute", "zero"}),
        (scoring, "scoring", set(_METRICS)),
    ):
        if not is_one_of(value, options):
            raise ValueError(f"{parameter}={value!r} has to be one of {sorted(options)}.")
    if not is_whole(n_repeats) or n_repeats < 1:
        raise ValueError(f"n_repeats={n_repeats!r} has to be a whole number, at least 1.")
    if not isinstance(X, pd.DataFrame):
        raise TypeError(
            f"X has to be a DataFrame, whose columns have names; found {type(X).__name__}."
        )
    rows = rows_by_date(X, y, dates, _NAME, "dates=")
    _check_fits(fits, len(X))
    features = list(X.columns) if features is None else list(features)
    unknown = [name for name in features if name not in X.columns]
    if unknown or not features:
        raise ValueError(f"features names {unknown}, which are not among {list(X.columns)}.")
    given = named_metadata(params)
    tests = [np.asarray(fit.test) for fit in fits]
    test = np.concatenate(tests)
    actual = np.asarray(safe_indexing(y, test)).reshape(-1)
    by_date = {} if scoring == "r2_zero" else {"dates": rows.places()[test]}
    score = partial(_METRICS[scoring], actual, **by_date)
    # Changed data may be constant on a date; warnings about that would be noise.
    predict = muted(_predict)
    base = score(predict(fits, X, tests, given))
    constant = _constant_on_dates(X[features], rows) if method == "permute" else []
    if constant:
        warn_user(
            f"The columns {constant} are the same for all assets of a date, so that permuting them "
            "within dates changes nothing: their importance is NaN. Pass method='zero'.",
            NoVariationWarning,
        )
    check_seed(random_state, optional=True)
    rng = np.random.default_rng(random_state)
    table = {}
    for name in features:
        losses = np.full(1, np.nan)
        if name not in constant:
            times = int(n_repeats) if method == "permute" else 1
            changed = (_changed(X, name, method, rows, rng) for _ in range(times))
            losses = np.array([base - score(predict(fits, data, tests, given)) for data in changed])
        spread = float(losses.std(ddof=1)) if len(losses) > 1 else np.nan
        table[name] = {"importance": float(losses.mean()), "std": spread}
    found = pd.DataFrame.from_dict(table, orient="index")
    positive = found["importance"].clip(lower=0.0)
    total = positive.sum()
    found["share"] = positive / total if total > 0.0 else np.nan
    return found.sort_values("importance", ascending=False, kind="stable")


def _are_fits(given: Sequence[object]) -> bool:
    return all(isinstance(fit, WalkForwardFit) for fit in given)


def _check_fits(fits: Sequence[WalkForwardFit], n_rows: int) -> None:
    given: object = fits
    if not isinstance(given, Sequence) or not given or not _are_fits(given):
        raise ValueError(
            "fits are the models of a walk-forward: _, fits = walk_forward_predict(estimator, X, "
            "y, return_estimator=True)."
        )
    last = max(int(np.max(fit.test)) for fit in fits)
    if last >= n_rows:
        raise ValueError(
            f"The fits are of at least {last + 1} rows, and X has {n_rows}. Pass X and y as they "
            "were passed to walk_forward_predict."
        )


def _predict(
    fits: Sequence[WalkForwardFit], X: pd.DataFrame, tests: list[IntArray], given: dict[str, object]
) -> FloatArray:
    predicted = []
    for fit, test in zip(fits, tests, strict=True):
        fitted = predictor(fit.estimator)
        metadata = metadata_of("predict", fitted, take_params(X, given, test))
        predicted.append(np.asarray(fitted.predict(X.iloc[test], **metadata)).reshape(-1))
    return np.concatenate(predicted)


def _changed(
    X: pd.DataFrame, name: Hashable, method: str, rows: DatedRows, rng: np.random.Generator
) -> pd.DataFrame:
    """X with one column zero, or shuffled within dates."""
    changed = X.copy(deep=False)
    if method == "zero":
        changed[name] = pd.Series(0, X.index).astype(X[name].dtype)
        return changed
    places = rows.places()
    order = np.argsort(places, kind="stable")
    drawn = np.lexsort((rng.random(len(X)), places))
    source = np.empty(len(X), dtype=np.intp)
    source[order] = drawn
    changed[name] = X[name].to_numpy()[source]
    return changed


def _constant_on_dates(X: pd.DataFrame, rows: DatedRows) -> list[Hashable]:
    """Columns with one value per date, of which there are several."""
    segments, _ = segments_from_codes(rows.places())
    values: Float64Array = X.to_numpy(dtype=np.float64).T
    varies = vary_between_segments_only(values, segments)
    return [name for name, only in zip(X.columns, varies, strict=True) if only]

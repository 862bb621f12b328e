"""Several forecasts of the same returns side by side, and tests of which one is better."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable
from statsmodels.iolib.tableformatting import fmt_params

from skfactor._dates import calendar_positions
from skfactor._panel import check_same_rows
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array, IntArray, RowLabels
from skfactor._validation import check_lengths, is_whole
from skfactor._warn import warn_user
from skfactor.inference._premia import TablesSummary
from skfactor.metrics._forecast_evaluation import ForecastEvaluation
from skfactor.metrics._forecasts import evaluate_forecasts
from skfactor.metrics._mean_inference import check_horizon, infer_values
from skfactor.metrics._pairs import read_column, read_pairs

_NAME = "compare_forecasts"


@dataclass(frozen=True, eq=False, repr=False)
class ForecastComparison(Result):
    """How several forecasts of the same returns compare.

    Made by `compare_forecasts`; figures are a date, in the units of the returns.

    Attributes
    ----------
    evaluations : dict of ForecastEvaluation
        What `evaluate_forecasts` says of each forecast on the rows that all of them have.
    dm_statistics : DataFrame of shape (n_forecasts, n_forecasts)
        Diebold-Mariano statistics: positive where the forecast of the column has smaller squared
        errors than that of the row; NaN on the diagonal, and where two never differ.
    dm_p_values : DataFrame of shape (n_forecasts, n_forecasts)
        Two-sided p-values of equal accuracy.
    n_rows : int
        Rows that have a return and all forecasts.
    n_dates : int
        Dates of these rows.
    horizon : int
        Dates that a return spans.
    lags : int
        Newey-West lags of the Diebold-Mariano statistics.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import compare_forecasts
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> comparison = compare_forecasts(y, {"one": 0.01 * X["x1"], "two": 0.01 * X["x2"]})
    >>> comparison.to_frame().index.tolist()
    ['one', 'two']
    """

    evaluations: dict[Hashable, ForecastEvaluation]
    dm_statistics: pd.DataFrame
    dm_p_values: pd.DataFrame
    n_rows: int
    n_dates: int
    horizon: int
    lags: int

    def to_frame(self) -> pd.DataFrame:
        """One row per forecast: R squared, rank IC, IC, slope and spread, with their t values."""
        rows = {}
        for name, evaluation in self.evaluations.items():
            row = {"r2_zero": evaluation.r2_zero, "r2_demeaned": evaluation.r2_demeaned}
            for figure in ("rank_ic", "ic", "slope", "spread"):
                inference = getattr(evaluation, figure)
                row[figure] = inference.mean
                row[f"{figure}_std_error"] = inference.std_error
                row[f"{figure}_t"] = inference.t_value
            rows[name] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def summary(self) -> Summary:
        """Tables as text, LaTeX (``as_latex``) and HTML, in the form of statsmodels' results."""
        summary = TablesSummary()
        summary.tables, summary.html_tables = self._tables(), self._tables()
        summary.add_extra_txt(
            [
                f"{self.n_rows} rows on {self.n_dates} dates that all forecasts have. Errors of "
                f"averages over dates have {self.horizon - 1} Newey-West lags.",
                "Diebold-Mariano statistics of average squared errors by date, "
                f"{self.lags} Newey-West lags: positive where the column is more accurate than "
                "the row.",
            ]
        )
        return summary

    def _tables(self) -> list[SimpleTable]:
        frame = self.to_frame()
        heads = {
            "r2_zero": ("R2 (%)", 100.0, "{:.3f}"),
            "rank_ic": ("rank IC", 1.0, "{:.4f}"),
            "rank_ic_t": ("t", 1.0, "{:.2f}"),
            "slope": ("slope", 1.0, "{:.3f}"),
            "slope_std_error": ("std err", 1.0, "{:.3f}"),
            "spread": ("spread (%)", 100.0, "{:.3f}"),
            "spread_t": ("t", 1.0, "{:.2f}"),
        }
        body = [
            [form.format(scale * frame.loc[name, key]) for key, (_, scale, form) in heads.items()]
            for name in frame.index
        ]
        names = [str(name) for name in frame.index]
        figures = SimpleTable(
            body,
            [head for head, _, _ in heads.values()],
            names,
            "Forecasts side by side",
            txt_fmt=fmt_params,
        )
        tests = self.dm_statistics.to_numpy()
        cells = [["" if np.isnan(x) else f"{x:.2f}" for x in row] for row in tests]
        matrix = SimpleTable(cells, names, names, "Diebold-Mariano statistics", txt_fmt=fmt_params)
        return [figures, matrix]

    def __str__(self) -> str:
        return str(self.summary().as_text())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())


def compare_forecasts(
    y_true: ArrayLike,
    forecasts: Mapping[Hashable, ArrayLike],
    *,
    n_quantiles: int = 10,
    horizon: int = 1,
    lags: int | None = None,
    sample_weight: ArrayLike | None = None,
    dates: RowLabels | None = None,
    groupby: RowLabels | None = None,
) -> ForecastComparison:
    """Compare forecasts of the same returns, on the rows that all of them have.

    Each forecast is evaluated by `evaluate_forecasts`. Each pair is compared by the test of Diebold
    and Mariano [1]_ in the form of Gu, Kelly and Xiu [2]_: the differences in squared errors are
    averaged over the assets of a date, since errors of one date are correlated, and the average
    over dates is divided by its Newey-West error.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Realized returns.
    forecasts : mapping of name to array-like of shape (n_rows,)
        Expected returns of the same rows, such as those of
        `skfactor.model_selection.walk_forward_predict`. At least two; or a DataFrame of them.
    n_quantiles, horizon, sample_weight, dates, groupby
        As in `evaluate_forecasts`.
    lags : int, optional
        Newey-West lags of the Diebold-Mariano statistics. By default the larger of ``horizon - 1``
        and the whole part of 4 (T / 100)^(2/9), where T is the number of dates.

    Returns
    -------
    ForecastComparison
        With ``to_frame()`` and ``summary()``.

    Raises
    ------
    TypeError
        If forecasts are not a mapping.
    ValueError
        If there are fewer than two forecasts, one has other rows than ``y_true``, no row has all of
        them, and as `evaluate_forecasts`.

    Warns
    -----
    UserWarning
        If rows have some of the forecasts and not all, with their number: they are left out.

    References
    ----------
    .. [1] Diebold, F. X. and R. S. Mariano (1995), "Comparing Predictive Accuracy", Journal of
       Business & Economic Statistics 13(3), 253-263. https://doi.org/10.1080/07350015.1995.10524599
    .. [2] Gu, S., B. Kelly and D. Xiu (2020), "Empirical Asset Pricing via Machine Learning",
       Review of Financial Studies 33(5), 2223-2273. https://doi.org/10.1093/rfs/hhaa009

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import compare_forecasts
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> comparison = compare_forecasts(y, {"x1": 0.01 * X["x1"], "x2": 0.01 * X["x2"]})
    >>> bool(comparison.dm_statistics.loc["x2", "x1"] > 0.0)
    True
    """
    check_horizon(horizon)
    if lags is not None and (not is_whole(lags) or lags < 0):
        raise ValueError(f"lags={lags!r} has to be a whole number, at least 0.")
    known = _read_forecasts(y_true, forecasts)
    outcome = read_column(y_true, "y_true", _NAME)
    complete = np.isfinite(outcome) & np.isfinite(np.stack(list(known.values()))).all(axis=0)
    _report_missing(outcome, known, complete)
    masked: ArrayLike = np.where(complete, outcome, np.nan)
    if isinstance(y_true, pd.Series | pd.DataFrame):
        masked = pd.Series(masked, y_true.index)
    evaluate = partial(
        evaluate_forecasts,
        n_quantiles=n_quantiles,
        horizon=horizon,
        max_lag=0,
        sample_weight=sample_weight,
        dates=dates,
        groupby=groupby,
    )
    labels = [f for _, f in forecasts.items() if isinstance(f, pd.Series | pd.DataFrame)]
    evaluations = {}
    for name, values in known.items():
        # The index that says the dates may be that of a forecast.
        labelled = pd.Series(values, labels[0].index) if labels else values
        evaluations[name] = evaluate(masked, labelled)
    losses, positions = [], None
    for values in known.values():
        labelled = pd.Series(values, labels[0].index) if labels else values
        pairs = read_pairs(masked, labelled, metric=_NAME, dates=dates)
        errors = (pairs.actual - pairs.predicted) ** 2
        by_date = np.bincount(pairs.dates_of_rows, errors, len(pairs.dates))
        counts = np.bincount(pairs.dates_of_rows, minlength=len(pairs.dates))
        losses.append(np.where(counts > 0, by_date / np.maximum(counts, 1), np.nan))
        positions = calendar_positions(pairs.dates)
    assert positions is not None
    n_dates = int(np.isfinite(losses[0]).sum())
    if lags is None:
        lags = max(int(horizon) - 1, int(4.0 * (n_dates / 100.0) ** (2.0 / 9.0)))
    lags = min(int(lags), int(positions[-1]))
    statistics, p_values = _diebold_mariano(np.stack(losses), positions, lags)
    names = pd.Index(list(known))
    return ForecastComparison(
        evaluations=evaluations,
        dm_statistics=pd.DataFrame(statistics, names, names),
        dm_p_values=pd.DataFrame(p_values, names, names),
        n_rows=int(complete.sum()),
        n_dates=n_dates,
        horizon=int(horizon),
        lags=lags,
    )


def _read_forecasts(
    y_true: ArrayLike, forecasts: Mapping[Hashable, ArrayLike]
) -> dict[Hashable, Float64Array]:
    if not isinstance(forecasts, Mapping | pd.DataFrame):
        raise TypeError(
            'forecasts has to be a dict, {"fm": ..., "lgbm": ...}; found '
            f"{type(forecasts).__name__}."
        )
    if len(forecasts.keys()) < 2:
        raise ValueError(
            f"A comparison takes at least two forecasts; found {list(forecasts.keys())}. "
            "evaluate_forecasts judges one."
        )
    known = {}
    for name, values in forecasts.items():
        if values is None:
            raise ValueError(f"The forecast {name!r} is None.")
        check_lengths(y_true, values, f"forecasts[{name!r}]", "y_true")
        check_same_rows(y_true, values, f"forecasts[{name!r}]", x_name="y_true")
        known[name] = read_column(values, f"forecasts[{name!r}]", _NAME)
    return known


def _report_missing(
    outcome: Float64Array, known: Mapping[Hashable, Float64Array], complete: BoolArray
) -> None:
    """Raise if no row has all forecasts, and warn of rows that lack some of them."""
    missing = {name: np.isnan(values) & ~np.isnan(outcome) for name, values in known.items()}
    lacking = {name: int(rows.sum()) for name, rows in missing.items() if rows.any()}
    empty = [name for name, values in known.items() if np.isnan(values).all()]
    if empty:
        raise ValueError(f"The forecasts {empty} hold no value at all, only NaN.")
    if not complete.any():
        raise ValueError(
            f"No row has a return and all forecasts; of the rows with a return these lack: "
            f"{lacking}. Compare forecasts of the same dates and assets."
        )
    none = np.logical_and.reduce(list(missing.values()))
    some = int((np.logical_or.reduce(list(missing.values())) & ~none).sum())
    if some:
        warn_user(
            f"{some} of {len(outcome)} rows have some of the forecasts and not all, and are left "
            f"out for all of them. Rows without a forecast: {lacking}."
        )


def _diebold_mariano(
    losses: Float64Array, positions: IntArray, lags: int
) -> tuple[Float64Array, Float64Array]:
    """Statistics and p-values (M, M) of average losses (M, T), row minus column."""
    n = len(losses)
    statistics, p_values = np.full((n, n), np.nan), np.full((n, n), np.nan)
    for i in range(n):
        for j in range(i):
            test = infer_values(losses[i] - losses[j], positions, "loss", lags + 1)
            statistics[i, j], statistics[j, i] = test.t_value, -test.t_value
            p_values[i, j] = p_values[j, i] = test.p_value
    return statistics, p_values

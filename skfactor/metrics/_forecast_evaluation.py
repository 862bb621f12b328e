"""The frozen result of `evaluate_forecasts`, and its summary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable
from statsmodels.iolib.tableformatting import fmt_params

from skfactor._results import Result, p_value_text
from skfactor.inference._premia import FACTS, TablesSummary
from skfactor.metrics._mean_inference import MeanInference

_ERRORS = ("std_error", "t_value", "p_value")


@dataclass(frozen=True, eq=False, repr=False)
class ForecastEvaluation(Result):
    """How expected returns compare with realized ones.

    Made by `evaluate_forecasts`; figures are per date, in the units of the returns.

    Attributes
    ----------
    slope : MeanInference
        Average slope of realized on expected returns, 1 if they are calibrated.
    intercept : MeanInference
        Average intercept of these regressions.
    ic, rank_ic : MeanInference
        Average correlation and rank correlation within dates.
    spread : MeanInference
        Return of the highest minus the lowest quantile of expected returns.
    average_r2 : float
        Average R squared of the dates' regressions.
    r2_zero : float
        1 minus the squared errors over the squared returns, all rows pooled.
    r2_demeaned : float
        The same after subtracting the means of each date from both: how well differences
        between assets are predicted.
    quantiles : DataFrame
        One row per quantile and one for the spread: average ``expected`` and ``realized`` return,
        the error of the latter, and number of dates.
    decay : DataFrame
        Rank IC of expectations with returns of ``lag`` dates later; lag 0 is ``rank_ic``.
    by_date : DataFrame of shape (n_dates, 7)
        Number of assets, slope, intercept, R squared, IC, rank IC and spread of each date.
    horizon : int
        Dates that a return spans; errors have ``horizon - 1`` Newey-West lags.

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import evaluate_forecasts
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> evaluation = evaluate_forecasts(y, 0.01 * X["x1"], n_quantiles=5)
    >>> evaluation.decay.index.tolist()
    [0, 1, 2, 3, 4, 5]
    """

    slope: MeanInference
    intercept: MeanInference
    ic: MeanInference
    rank_ic: MeanInference
    spread: MeanInference
    average_r2: float
    r2_zero: float
    r2_demeaned: float
    quantiles: pd.DataFrame
    decay: pd.DataFrame
    by_date: pd.DataFrame
    horizon: int

    @property
    def t_value_of_one(self) -> float:
        """Statistic of the hypothesis that the slope is 1: expected returns are calibrated."""
        error = self.slope.std_error
        return (self.slope.mean - 1.0) / error if error > 0.0 else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """One row each for slope, intercept, IC, rank IC and spread: mean, error, t, p-value."""
        parts = (self.slope, self.intercept, self.ic, self.rank_ic, self.spread)
        return pd.DataFrame([part.to_series().to_dict() for part in parts], [p.name for p in parts])

    def summary(self) -> Summary:
        """Tables as text, LaTeX (``as_latex``) and HTML, in the form of statsmodels' results."""
        summary = TablesSummary()
        summary.tables = self._tables()
        summary.html_tables = self._tables()
        lags = self.horizon - 1
        errors = f"Newey-West with {lags} lags" if lags else "no lags"
        summary.add_extra_txt(
            [
                f"Averages over dates; errors: {errors}. A slope of 1 is calibrated "
                f"(t = {self.t_value_of_one:.3f} against it).",
            ]
        )
        return summary

    def _tables(self) -> list[SimpleTable]:
        dates, used = self.by_date, self.by_date["slope"].notna()
        first, last = (str(dates.index[used][i]).removesuffix(" 00:00:00") for i in (0, -1))
        left = {
            "Dates used:": f"{int(used.sum())} of {len(dates)}",
            "Span:": f"{first} to {last}",
            "Assets per date:": f"{dates['n_assets'][used].mean():.1f}",
        }
        right = {
            "R2 against zero:": f"{self.r2_zero:.4f}",
            "R2 of demeaned returns:": f"{self.r2_demeaned:.4f}",
            "Average R2 of a date:": f"{self.average_r2:.4f}",
        }
        top = SimpleTable(
            [[value] for value in left.values()],
            stubs=list(left),
            title="Expected against realized returns",
            txt_fmt=FACTS,
        )
        top.extend_right(
            SimpleTable([[value] for value in right.values()], stubs=[f"  {x}" for x in right])
        )
        estimates = self.to_frame().drop(columns="information_ratio")
        quantiles = self.quantiles.drop(columns="information_ratio")
        decay = self.decay.drop(columns="information_ratio")
        return [
            top,
            _table(estimates, ""),
            _table(quantiles, "Returns by quantile of the expected return"),
            _table(decay, "Rank IC with returns of later dates"),
        ]

    def __str__(self) -> str:
        return str(self.summary().as_text())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())


def _table(frame: pd.DataFrame, title: str) -> SimpleTable:
    """A table in which estimates have as many decimals as the smallest error has digits."""
    errors = frame["std_error"].to_numpy(dtype=np.float64)
    smallest = float(errors[errors > 0.0].min(initial=1.0))
    decimals = int(np.clip(3 - np.floor(np.log10(smallest)), 4, 10))
    own = {"t_value": "{:.3f}".format, "p_value": p_value_text, "n_dates": "{:.0f}".format}
    formats = [own.get(name, f"{{:.{decimals}f}}".format) for name in frame.columns]
    body = [
        [form(x) for form, x in zip(formats, row, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    heads = {"std_error": "std err", "t_value": "t", "p_value": "P>|t|", "n_dates": "dates"}
    headers = [heads.get(name, name) for name in frame.columns]
    return SimpleTable(body, headers, [str(x) for x in frame.index], title, txt_fmt=fmt_params)

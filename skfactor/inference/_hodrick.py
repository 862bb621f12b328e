"""Errors of overlapping returns from those of one period: covariance 1B of Hodrick (1992).

A slope of returns over h dates is the return of a portfolio that is bought on a date and held for h
dates. What all portfolios that are held on one date earn there is one value of a series, and the
premia are the sum of that series. If returns cannot be foreseen it has no autocorrelation, so that
its variance needs no lags, however many dates overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import pandas as pd

from skfactor._calendar import match_dates
from skfactor._dates import calendar_positions
from skfactor._kernels.least_squares import slope_weights
from skfactor._kernels.rounding import SAME_SLOPES
from skfactor._panel import Panel, find_panel
from skfactor._passes.slopes import PremiaRecord
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_row_weights, is_whole, numbers
from skfactor.inference._covariance_kind import PremiaCovariance, debiasing
from skfactor.inference._long_run import LongRun


class HodrickCovariance(PremiaCovariance):
    """Hodrick (1992), 1B: what portfolios held over a horizon earn on each of its dates."""

    name = "hodrick"
    options = ("horizon", "one_period", "exposures", "sample_weight")

    def compute(
        self,
        record: PremiaRecord,
        long_run: LongRun,
        debiased: bool,
        *,
        horizon: int | None = None,
        one_period: object = None,
        exposures: object = None,
        sample_weight: object = None,
    ) -> tuple[Float64Array, float, float]:
        if long_run.kernel is not None:
            raise ValueError(
                f"kernel={long_run.kernel!r} is not for covariance='hodrick', whose series has no "
                "lags. Leave it out, or leave one_period= out."
            )
        if not is_whole(horizon) or horizon is None or horizon < 1:
            raise ValueError(
                f"covariance='hodrick' needs horizon=, the whole number of dates that each return "
                f"of the fit spans; found {horizon!r}."
            )
        returns = _frame(one_period, "one_period=, the returns of single dates, a Series")
        held_x = _frame(exposures, "exposures=, the X of the fit, a DataFrame")
        held = _Holdings(record, returns, held_x, sample_weight, horizon)
        series = held.series(record)
        n_dates = record.n_effective
        return series.T @ series * debiasing(record, debiased, 1), 0.0, n_dates - 1.0

    def obstacle(self, record: PremiaRecord) -> str:
        if record.two_pass is not None or record.own_errors or record.pooled is not None:
            return "is for panels of exposures that are given, and averages of slopes by date."
        if not record.slopes.has_dates:
            return "is for dates, and the rows of fit had none."
        if record.has_gaps or record.slopes.groups is not None:
            return "is for models whose dates all have the same slopes."
        return ""

    def note(self, record: PremiaRecord) -> str:
        return "Hodrick's errors (1992, 1B) hold under the hypothesis that no premium is paid."

    def detail(self, record: PremiaRecord, **options: object) -> str:
        return f"over {options.get('horizon')} dates"


class _Holdings:
    """Exposures and returns by the places of their dates on one calendar."""

    def __init__(
        self,
        record: PremiaRecord,
        one_period: pd.DataFrame,
        exposures: pd.DataFrame,
        weights: object,
        horizon: int,
    ) -> None:
        if one_period.shape[1] != 1:
            raise ValueError(
                f"one_period= has {one_period.shape[1]} columns. Stack wide returns to a Series by "
                "(date, asset), such as returns.stack()."
            )
        self.horizon = horizon
        self.values = numbers(exposures, "exposures=")
        n_exposures = len(record.slopes.names)
        if self.values.shape[1] != n_exposures:
            raise ValueError(
                f"exposures= has {self.values.shape[1]} columns, and the fit had {n_exposures}: "
                f"{record.slopes.names}. Pass the X that the model was fitted on."
            )
        self.weights = check_row_weights(weights, exposures, len(exposures), "sample_weight")
        self.rows = _panel_of(exposures, "exposures=")
        paid = _panel_of(one_period, "one_period=")
        assert self.rows.assets is not None
        assert paid.assets is not None
        inputs = {
            "the fit": record.dates,
            "exposures=": self.rows.dates.labels,
            "one_period=": paid.dates.labels,
        }
        fitted, own, later = match_dates(inputs)
        self.of_fit = own.get_indexer(fitted)
        if (self.of_fit < 0).any():
            missing = record.dates[self.of_fit < 0]
            raise ValueError(
                f"{len(missing)} of the {len(fitted)} dates of the fit are not in exposures=, "
                f"first {missing[0]}. Pass the X that the model was fitted on."
            )
        calendar = reduce(lambda a, b: a.union(b), (fitted, later))
        places = calendar_positions(calendar)
        self.starts = places[calendar.get_indexer(fitted)]
        ends = places[calendar.get_indexer(later)]
        # A row for each place, and for those after the last; a column for no asset.
        self.n_places = int(places[-1]) + horizon + 1
        self.paid = np.full((self.n_places, len(paid.assets.labels) + 1), np.nan)
        self.paid[ends[paid.dates.codes], paid.assets.codes] = numbers(
            one_period.iloc[:, 0], "one_period="
        )
        self.asset = paid.assets.labels.get_indexer(self.rows.assets.labels)

    def series(self, record: PremiaRecord) -> Float64Array:
        """What premia are the sum of, place by place (n, P), less what is expected of each."""
        premia, weights = record.premia.to_numpy(), record.date_weights
        scale = np.abs(record.lambdas).max(axis=0)
        for compounds in (True, False):
            total = np.zeros((self.n_places, len(premia)))
            worst = 0.0
            for i, (start, earned) in enumerate(self._earned(record, compounds)):
                off = np.abs(earned.sum(axis=0) - record.lambdas[i]) / scale
                worst = max(worst, float(off.max())) if np.isfinite(off).all() else np.inf
                if worst > SAME_SLOPES:
                    break
                span = slice(start + 1, start + 1 + self.horizon)
                total[span] += weights[i] * (earned - premia / self.horizon)
            else:
                return total
        raise ValueError(
            f"one_period= and exposures= do not give the slopes of the fit, first on "
            f"{record.dates[i]}: its y has to be the returns of the {self.horizon} dates after "
            "each row, compounded or added up, as of skfactor.frames.forward_returns(one_period, "
            f"horizon={self.horizon}), on the same rows, with the same sample_weight."
        )

    def _earned(self, record: PremiaRecord, compounds: bool) -> Iterator[tuple[int, Float64Array]]:
        """Of each date of the fit its place, and what its slopes earn on those after it (h, P)."""
        assert self.rows.assets is not None
        segments, has_const = self.rows.segments, record.slopes.has_const
        resolution = float(np.finfo(np.float64).eps)
        for date, start in zip(self.of_fit, self.starts, strict=True):
            run = slice(segments.offsets[date], segments.offsets[date + 1])
            rows: slice | IntArray = run if segments.order is None else segments.order[run]
            x = self.values[rows]
            paid = self.paid[start + 1 : start + 1 + self.horizon]
            returns = paid[:, self.asset[self.rows.assets.codes[rows]]]
            known = np.isfinite(x).all(axis=1) & np.isfinite(returns).all(axis=0)
            w = None if self.weights is None else self.weights[rows]
            if w is not None:
                known &= w > 0.0
                w = w[known]
            returns = returns[:, known]
            if compounds:
                growth = np.cumprod(1.0 + returns, axis=0)
                returns[1:] *= growth[:-1]
            if not known.any():
                yield start, np.full((self.horizon, len(record.premia)), np.nan)
                continue
            yield start, returns @ slope_weights(x[known].T, w, has_const, resolution).T


def _frame(data: object, what: str) -> pd.DataFrame:
    if isinstance(data, pd.Series):
        return data.to_frame()
    if not isinstance(data, pd.DataFrame):
        raise TypeError(
            f"covariance='hodrick' needs {what} by (date, asset); found {type(data).__name__}."
        )
    return data


def _panel_of(data: pd.DataFrame, what: str) -> Panel:
    panel = find_panel(data, n_rows=len(data))
    if panel is None or panel.assets is None:
        raise ValueError(f"{what} has to be indexed by (date, asset), as X and y of the fit.")
    return panel

"""The average of a series of dates with its error, also where forecast horizons overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from skfactor._dates import calendar_positions, check_dates
from skfactor._kernels.rounding import EPSILON, ROUNDING_UNITS
from skfactor._results import Result, figure_text, p_value_is
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_level, is_whole, numbers
from skfactor.inference._long_run import LongRun


@dataclass(frozen=True, repr=False)
class MeanInference(Result):
    """The average over dates of a measure, with its error.

    Made by `infer_mean`; nothing is annualized.

    Attributes
    ----------
    name : str
        What was averaged.
    mean : float
        Average over the dates that have a value.
    std : float
        Standard deviation over dates, divisor T - 1.
    std_error : float
        Standard error of the mean.
    n_dates : int
        Number T of dates that have a value.
    horizon : int
        Dates that an outcome spans; the error has ``horizon - 1`` lags, or cosines for it.
    kernel : str
        Of the long-run variance.
    n_cosines : int
        Their number with ``kernel="ewc"``, else 0.

    Examples
    --------
    >>> from skfactor.metrics import MeanInference
    >>> print(MeanInference("ic", mean=0.03, std=0.1, std_error=0.01, n_dates=100, horizon=1))
    ic: 0.0300 (0.0100), t(99) = 3.00, p-value = 0.0034, ratio = 0.30, 100 dates
    """

    name: str
    mean: float
    std: float
    std_error: float
    n_dates: int
    horizon: int
    kernel: str = "bartlett"
    n_cosines: int = 0

    @property
    def df(self) -> int:
        """Degrees of freedom of the t distribution, T - 1, or the number of cosines."""
        return self.n_cosines or self.n_dates - 1

    @property
    def note(self) -> str:
        """What the reader has to know of the error; empty if nothing."""
        if self.horizon == 1 or self.kernel != "bartlett":
            return ""
        return "error 13-18% too small if horizons overlap in full: kernel='ewc' is not"

    @property
    def t_value(self) -> float:
        """Mean over its standard error."""
        return self.mean / self.std_error if self.std_error > 0.0 else float("nan")

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the hypothesis that the mean is zero."""
        return float(2.0 * stats.t.sf(abs(self.t_value), self.df))

    @property
    def information_ratio(self) -> float:
        """Mean by standard deviation over dates: for ICs the ICIR, for returns the Sharpe ratio."""
        return self.mean / self.std if self.std > 0.0 else float("nan")

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Confidence interval of the mean.

        Parameters
        ----------
        level : float, default=0.95
            Coverage, between 0 and 1.

        Returns
        -------
        DataFrame of shape (1, 2)
            One row with the name of the series, columns ``"lower"`` and ``"upper"``.

        Raises
        ------
        ValueError
            If the level is not between 0 and 1.
        """
        check_level(level)
        half = stats.t.ppf(0.5 + level / 2.0, self.df) * self.std_error
        ends = [self.mean - half, self.mean + half]
        return pd.DataFrame([ends], index=[self.name], columns=["lower", "upper"])

    def to_series(self) -> pd.Series:
        """Mean, standard error, t, p-value, ratio and number of dates, as a row of a table."""
        figures = {
            "mean": self.mean,
            "std_error": self.std_error,
            "t_value": self.t_value,
            "p_value": self.p_value,
            "information_ratio": self.information_ratio,
            "n_dates": self.n_dates,
        }
        return pd.Series(figures, name=self.name, dtype=object).infer_objects()

    def __str__(self) -> str:
        if not self.n_dates:
            return f"{self.name}: not known, no date has it"
        lags = f", horizon {self.horizon}" if self.horizon > 1 else ""
        if self.kernel != "bartlett":
            lags += f", {self.kernel}"
        lags += f" ({self.note})" if self.note else ""
        return (
            f"{self.name}: {figure_text(self.mean)} ({figure_text(self.std_error)}), "
            f"t({self.df}) = {self.t_value:.2f}, p-value {p_value_is(self.p_value)}, ratio = "
            f"{self.information_ratio:.2f}, {self.n_dates} dates{lags}"
        )


def infer_mean(series: pd.Series, *, horizon: int = 1, kernel: str = "bartlett") -> MeanInference:
    """Average of a series of dates with its standard error.

    Where each outcome spans several dates, those of neighbouring dates overlap and their measures
    are correlated for ``horizon - 1`` lags. The error is that of Newey and West [1]_ with as
    many lags and the weight 1 - j / horizon for lag j. These weights keep it positive and make it
    too small where horizons overlap in full: by 13% for a horizon of 2, by up to 18% for long ones.
    It is multiplied by T / (T - 1), as the errors of `skfactor.FamaMacBeth`, and t has T - 1
    degrees of freedom.

    Parameters
    ----------
    series : Series of shape (n_dates,)
        One value per date, in any order, indexed by its dates: from `ic_by_date`, a column of
        `quantile_returns_by_date`, or anything else. NaN is left out and leaves a gap.
    horizon : int, default=1
        Dates that an outcome spans: 12 for the returns of the next 12 months, every month. Dates
        are counted on their calendar: by period for weeks and longer, else one after the other.
    kernel : {"bartlett", "ewc", "hansen-hodrick"}, default="bartlett"
        ``"ewc"``, equally weighted cosines [2]_, .4 (T / horizon)^(2/3) of them and two at least
        (.4 T^(2/3) rounded up without overlap): t with as many degrees of freedom holds its size.
        ``"hansen-hodrick"`` [3]_ weighs all lags equally; it is right in long samples, and may be
        negative.

    Returns
    -------
    MeanInference
        Its ``note`` says where the error is too small.

    Raises
    ------
    ValueError
        If the series is empty, a panel or no numbers, its index holds no dates or one twice, fewer
        than two dates have a value, the horizon is longer than the sample, the kernel is unknown,
        or Hansen and Hodrick's variance is negative.

    Warns
    -----
    SmallSampleWarning
        With Hansen and Hodrick's lags, if dates are fewer than 20 for each of the horizon.

    References
    ----------
    .. [1] Newey, W. K. and K. D. West (1987), "A Simple, Positive Semi-Definite,
       Heteroskedasticity and Autocorrelation Consistent Covariance Matrix", Econometrica 55(3),
       703-708. https://doi.org/10.2307/1913610
    .. [2] Lazarus, E., D. J. Lewis, J. H. Stock and M. W. Watson (2018), "HAR Inference:
       Recommendations for Practice", Journal of Business & Economic Statistics 36(4), 541-559.
       https://doi.org/10.1080/07350015.2018.1506926
    .. [3] Hansen, L. P. and R. J. Hodrick (1980), "Forward Exchange Rates as Optimal Predictors of
       Future Spot Rates", Journal of Political Economy 88(5), 829-853.
       https://doi.org/10.1086/260910

    Examples
    --------
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import ic_by_date, infer_mean
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> ic = infer_mean(ic_by_date(y, X.sum(axis=1)), horizon=3)
    >>> round(ic.t_value, 2)
    4.44
    >>> ic.note
    "error 13-18% too small if horizons overlap in full: kernel='ewc' is not"
    """
    check_horizon(horizon)
    if not isinstance(series, pd.Series):
        raise TypeError(
            f"series has to be a pandas Series indexed by date, such as that of ic_by_date; found "
            f"{type(series).__name__}."
        )
    if isinstance(series.index, pd.MultiIndex):
        raise ValueError(
            f"series is a panel, indexed by {list(series.index.names)}, and infer_mean takes one "
            "value per date: those of ic_by_date, or series.groupby(level=...).mean()."
        )
    values = numbers(series, "series")
    if not len(values):
        raise ValueError("series has no rows, so there is nothing to average.")
    dates = check_dates(series.index)
    if not dates.is_unique:
        raise ValueError(f"The date {dates[dates.duplicated()][0]} occurs more than once.")
    order = dates.argsort()
    name = "mean" if series.name is None else str(series.name)
    values = values[order]
    raise_if_few(values, name)
    return infer_values(values, calendar_positions(dates[order]), name, horizon, kernel)


def raise_if_few(values: Float64Array, name: str) -> None:
    """Raise unless at least two of the values (T,) of dates are known."""
    n_dates = np.count_nonzero(np.isfinite(values))
    if n_dates < 2:
        raise ValueError(
            f"The error of {name} comes from its variation over dates, and only {n_dates} of "
            f"{len(values)} dates have a value."
        )


def infer_values(
    values: Float64Array,
    positions: IntArray,
    name: str,
    horizon: int,
    kernel: str = "bartlett",
) -> MeanInference:
    """Average of values (T,) in order of dates; all figures are NaN if fewer than two are known.

    ``positions`` (T,) are the places of the dates on the calendar, from 0.
    """
    n_places = int(positions[-1]) + 1
    if horizon > n_places:
        raise ValueError(f"horizon={horizon} is longer than the sample of {n_places} dates.")
    known = np.isfinite(values)
    n_dates = int(np.count_nonzero(known))
    mean = std = std_error = float("nan")
    cosines = 0
    if n_dates >= 2:
        values, positions = values[known], positions[known]
        mean, std = float(values.mean()), float(values.std(ddof=1))
        variance, bandwidth = _long_run(kernel, horizon, positions).covariance(
            (values - mean)[:, None], positions
        )
        cosines = int(bandwidth) if kernel == "ewc" else 0
        std_error = float(np.sqrt(variance[0, 0] / (n_dates if cosines else n_dates - 1)))
        if std <= ROUNDING_UNITS * EPSILON * np.abs(values).max():
            std = std_error = 0.0
    return MeanInference(name, mean, std, std_error, n_dates, int(horizon), kernel, cosines)


def _long_run(kernel: str, horizon: int, positions: IntArray) -> LongRun:
    """How values of dates at these places depend on each other if they span a horizon."""
    if kernel == "bartlett":  # of no lags it is that of no kernel
        return LongRun(kernel, min(horizon - 1, int(positions[-1] - positions[0])))
    if kernel not in ("ewc", "hansen-hodrick"):
        raise ValueError(
            f"kernel={kernel!r} is unknown; it is 'bartlett', 'ewc' or 'hansen-hodrick'."
        )
    if horizon == 1 and kernel == "ewc":
        return LongRun(kernel)
    return LongRun.of_horizon(kernel, horizon, len(positions))


def check_horizon(horizon: int) -> None:
    """Raise unless the horizon is a whole number of dates, at least 1."""
    if not is_whole(horizon) or horizon < 1:
        raise ValueError(f"horizon={horizon!r} has to be a whole number of dates, at least 1.")

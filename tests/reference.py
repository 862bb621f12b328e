"""Slow and obvious programs that the package's numbers are held against.

Nothing here imports the package: a mistake of its own cannot confirm itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg
import statsmodels.api as sm

# The same values (columns, rows) in memory of another order.
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided rows": lambda values: np.repeat(values, 2, axis=1)[:, ::2],
    "strided columns": lambda values: np.repeat(values, 3, axis=0)[::3],
    "reversed": lambda values: values[::-1, ::-1].copy()[::-1, ::-1],
}
# 1 / Phi^-1(3/4) to the digits that the field writes.
MAD_TO_STD = 1.4826


def random_panel(
    rng: np.random.Generator,
    n_dates: int = 6,
    n_assets: int = 24,
    n_features: int = 2,
    missing: float = 0.1,
    *,
    date_first: bool = True,
    shuffle: bool = True,
) -> pd.DataFrame:
    """Random values indexed by (date, asset), one row for each asset that lives on a date.

    Half of the assets are there on every date, the others enter and leave. Cells are missing at
    random. Columns have means and spreads of different magnitude.
    """
    dates = pd.date_range("2020-01-31", periods=n_dates, freq="31D", name="date")
    assets = pd.Index([f"asset{i:03d}" for i in range(n_assets)], name="asset")
    lives = np.sort(rng.integers(0, n_dates + 1, size=(n_assets, 2)), axis=1)
    lives[: (n_assets + 1) // 2] = 0, n_dates
    when = np.arange(n_dates)[:, None]
    alive = (lives[:, 0] <= when) & (when < lives[:, 1])
    index = pd.MultiIndex.from_product([dates, assets])[alive.ravel()]
    columns = [f"x{k}" for k in range(n_features)]
    means = rng.normal(size=n_features) * 3.0
    values = means + rng.normal(size=(len(index), n_features)) * 10.0 ** np.arange(n_features)
    values[rng.random(values.shape) < missing] = np.nan
    panel = pd.DataFrame(values, index=index, columns=columns)
    if shuffle:
        panel = panel.iloc[rng.permutation(len(panel))]
    return panel if date_first else panel.swaplevel()


def random_offsets(rng: np.random.Generator, regime: str) -> np.ndarray:
    """Offsets of segments that are short, long, of very different length, one, or single rows."""
    lengths = {
        "short": rng.integers(1, 25, size=60),
        "long": rng.integers(160, 400, size=5),
        "mixed": np.concatenate(
            [rng.integers(1, 6, size=40), [1_500], rng.integers(1, 6, size=40)]
        ),
        "one": np.array([317]),
        "single rows": np.ones(50, dtype=int),
    }[regime]
    return np.concatenate([[0], np.cumsum(lengths)])


REGIMES = ("short", "long", "mixed", "one", "single rows")


def _dates(frame: pd.DataFrame | pd.Series) -> pd.Index:
    return frame.index.get_level_values("date")


def fama_macbeth_loop(
    X: pd.DataFrame,
    y: pd.Series,
    weights: pd.Series | None = None,
    *,
    fit_intercept: bool = True,
) -> pd.DataFrame:
    """One statsmodels regression per date, NaN where it has too few rows; frames share an index.

    Weights are those of weighted least squares: an error's variance is proportional to 1 / weight.
    """
    names = (["const"] if fit_intercept else []) + list(X.columns)
    weights = pd.Series(1.0, index=y.index) if weights is None else weights
    lambdas = {}
    for date in sorted(_dates(X).unique()):
        on_date = np.asarray(_dates(X) == date)
        x, r, w = X[on_date].to_numpy(), y[on_date].to_numpy(), weights[on_date].to_numpy()
        complete = np.isfinite(x).all(axis=1) & np.isfinite(r) & (w > 0.0)
        x, r, w = x[complete], r[complete], w[complete]
        if fit_intercept:
            x = np.column_stack([np.ones(len(x)), x])
        lambdas[date] = np.full(len(names), np.nan)
        if len(x) >= len(names):
            lambdas[date] = sm.WLS(r, x, weights=w).fit().params
    return pd.DataFrame.from_dict(lambdas, orient="index", columns=names)


def winsorize_by_date(X: pd.DataFrame, lower: float, upper: float) -> pd.DataFrame:
    """Columns clipped to quantiles of their date, by pandas."""
    return X.groupby(level="date").transform(
        lambda column: column.clip(column.quantile(lower), column.quantile(upper))
    )


def rank_by_date(X: pd.DataFrame, groups: Any = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Average ranks of columns within their date (and group), and how many, by pandas."""
    by = X.groupby([_dates(X)] if groups is None else [_dates(X), groups])
    return by.rank(), by.transform("count")


def z_score_by_date(X: pd.DataFrame, ddof: int = 0, groups: Any = None) -> pd.DataFrame:
    """Columns standardized within their date, and group where one is given, by pandas."""
    keys = [_dates(X)] if groups is None else [_dates(X), groups]
    return X.groupby(keys).transform(
        lambda column: (column - column.mean()) / column.std(ddof=ddof)
    )


def mad_score_by_date(X: pd.DataFrame) -> pd.DataFrame:
    """Columns less the median of their date over 1.4826 times its median absolute deviation."""

    def score(column: pd.Series) -> pd.Series:
        deviation = column - column.median()
        return deviation / (MAD_TO_STD * deviation.abs().median())

    return X.groupby(level="date").transform(score)


def by_segment(
    function: Callable[[np.ndarray], float], values: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """A function of the finite values of every segment and row of values (C, n): (S, C)."""
    table = np.full((len(offsets) - 1, len(values)), np.nan)
    for s in range(len(table)):
        for k, column in enumerate(values[:, offsets[s] : offsets[s + 1]]):
            finite = column[np.isfinite(column)].astype(np.float64)
            if finite.size:
                table[s, k] = function(finite)
    return table


def qr_least_squares(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, *, fit_intercept: bool = True
) -> np.ndarray:
    """Coefficients of y (n,) on complete x (n, K) by QR of centred, scaled columns."""
    root = np.ones(len(y)) if weights is None else np.sqrt(weights)
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    means, level = np.zeros(x.shape[1]), 0.0
    if fit_intercept:
        share = root**2 / np.sum(root**2)
        means, level = share @ x, share @ y
    centered, target = (x - means) * root[:, None], (y - level) * root
    norms = np.sqrt((centered**2).sum(axis=0))
    q, r = scipy.linalg.qr((centered / norms).astype(np.float64), mode="economic")
    slopes = scipy.linalg.solve_triangular(r, q.T @ target.astype(np.float64)) / norms
    if not fit_intercept:
        return slopes.astype(np.float64)
    return np.concatenate([[level - means @ slopes], slopes]).astype(np.float64)

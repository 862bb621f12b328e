"""Returns of portfolios from the labels, returns and weights of their assets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._kernels.portfolios import cell_means, drifted_weights
from skfactor._panel import Panel, check_same_rows, find_panel
from skfactor._typing import BoolArray, Float64Array, IntArray, RowLabels
from skfactor._validation import raise_if_infinite
from skfactor._warn import warn_user
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.portfolios._labels import find_cells
from skfactor.portfolios._schedule import (
    check_schedule,
    formation_dates,
    formations_used,
    same_assets,
)

# As floats they take 800 MB.
_MOST_RETURNS = 100_000_000


def portfolio_returns(
    labels: Any,
    returns: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    lag: int = 0,
    rebalance_every: int = 1,
    rebalance_month: int | None = None,
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    date_level: str | int = "auto",
) -> pd.DataFrame:
    """Average the returns of the assets in each portfolio, equally or by weights.

    Labels and weights are those known at the start of the period whose return stands in the same
    row; where they are dated by when they become known, ``lag=1`` moves them to the period after.

    Parameters
    ----------
    labels : Series or array-like of shape (n_rows,) or (n_rows, n_sorts)
        Portfolio of each row's asset, such as `PortfolioSorter` gives: numbers, text or
        categories, missing where there is none. With several columns each combination of their
        labels is a portfolio.
    returns : Series or array-like of shape (n_rows,)
        Return of each row's asset over the period, in decimals; NaN where there is none.
    weights : Series or array-like of shape (n_rows,), optional
        Weight of each row's asset, not negative, such as its market capitalization at the start
        of the period; in any unit, as they are divided by their sum. Equal by default.
    lag : int, default=0
        How many dates (with Periods: weeks, months ...) before its own each row takes its label and
        weight from.
    rebalance_every, rebalance_month : int, optional
        As in the `PortfolioSorter` that made the labels. By default weights count on every date.
        With a schedule they count on its dates, and in between weights drift: each is the weight
        of the last rebalancing times what the asset has grown since (buy and hold).
    dates, assets : array-like of shape (n_rows,), optional
        Date and asset of each row, if they are not in an index.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    DataFrame of shape (n_dates, n_portfolios)
        Returns in decimals. With several columns of labels the columns are a MultiIndex.

    Raises
    ------
    ValueError
        If labels, returns and weights have different rows or no dates, a weight is negative, a
        return is infinite, no row has a label, or labels change between rebalancing dates.

    Warns
    -----
    UndefinedPortfolioWarning
        If the weights of a portfolio sum to zero on some dates; its return is NaN there.

    Notes
    -----
    An asset without a return, or without a weight, is left out for the period, and the weights of
    the others are scaled up: missing is never zero. While weights drift it stays out until the
    next rebalancing, because what it is worth is not known, and so does an asset that enters. A
    portfolio without assets on a
    date has the return NaN. Drifting takes total returns; excess returns let weights grow by less.

    References
    ----------
    .. [1] Bali, T. G., R. F. Engle and S. Murray (2016), Empirical Asset Pricing: The Cross
       Section of Stock Returns, Wiley, chapter 5. https://doi.org/10.1002/9781118445112

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.portfolios import portfolio_returns
    >>> index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abc")],
    ...                                    names=["date", "asset"])
    >>> labels = pd.Series([1, 1, 2, 1, 2, 2], index=index, name="size")
    >>> returns = pd.Series([0.01, 0.03, 0.02, 0.04, None, 0.05], index=index)
    >>> cap = pd.Series([3.0, 1.0, 9.0, 3.0, 1.0, 9.0], index=index)
    >>> portfolio_returns(labels, returns, cap)
    size         1     2
    date
    2024-01  0.015  0.02
    2024-02  0.040  0.05
    """
    check_schedule(lag, rebalance_every, rebalance_month)
    if not np.size(labels):
        raise ValueError("labels has no rows, so there is no portfolio.")
    cells, portfolios = find_cells(labels)
    n_rows = len(cells)
    values = _row_values(returns, labels, n_rows, "returns")
    shares = None if weights is None else _weights(weights, labels, returns, n_rows)
    panel = find_panel(
        labels, returns, n_rows=n_rows, dates=dates, assets=assets, date_level=date_level
    )
    if panel is None:
        raise ValueError(
            "Neither labels nor returns say which dates their rows are of. Index them by (date, "
            "asset), or pass dates= (and assets= for a lag or weights that drift); "
            "skfactor.frames.stack_characteristics makes such rows of wide frames."
        )
    if not len(portfolios):
        raise ValueError("No row has a label, so there is no portfolio.")
    n_dates, n_portfolios = len(panel.dates), len(portfolios)
    if n_dates * n_portfolios > _MOST_RETURNS:
        raise ValueError(
            f"{n_portfolios:,} portfolios on {n_dates:,} dates are more returns than the "
            f"{_MOST_RETURNS:,} that a table may hold. Labels are few, such as "
            "those of PortfolioSorter, and not the values that are sorted on."
        )
    every_date = rebalance_every == 1 and rebalance_month is None
    if lag or not every_date:
        formed = formation_dates(panel.dates.labels, rebalance_every, rebalance_month)
        cells, shares = _held(panel, cells, values, shares, formed, lag)
    table, weightless = cell_means(
        values, panel.dates.codes, cells, (n_dates, n_portfolios), shares
    )
    if weightless.any():
        date, portfolio = np.argwhere(weightless)[0]
        warn_user(
            f"In {np.count_nonzero(weightless)} case(s) (a portfolio on a date) the weights sum to "
            f"zero or are all missing, the first is {portfolios[portfolio]} on "
            f"{panel.dates.labels[date]}: the return is NaN there.",
            UndefinedPortfolioWarning,
        )
    return pd.DataFrame(table, index=panel.dates.labels, columns=portfolios)


def _held(
    panel: Panel,
    cells: IntArray,
    returns: Float64Array,
    weights: Float64Array | None,
    formed: BoolArray,
    lag: int,
) -> tuple[IntArray, Float64Array | None]:
    """Cells and weights that each row has by those of earlier dates."""
    if panel.assets is None:
        raise ValueError(
            "A lag, or weights that drift, need the asset of each row: index labels by (date, "
            "asset), or pass assets=."
        )
    dates = panel.dates.labels
    source = formations_used(dates, np.ones(len(dates), dtype=bool), lag)
    then = same_assets(panel.dates, panel.assets, source)
    lagged = np.where(then < 0, -1, cells[then])
    if formed.all():
        return lagged, None if weights is None else np.where(then < 0, np.nan, weights[then])
    used = formations_used(dates, formed, lag)
    start = same_assets(panel.dates, panel.assets, used)
    at_start = np.where(start < 0, -1, cells[start])
    lagged[used[panel.dates.codes] < 0] = -1  # before the first formation
    moved = (lagged >= 0) & (start >= 0) & (lagged != at_start)
    if moved.any():
        row = int(moved.argmax())
        raise ValueError(
            f"{np.count_nonzero(moved)} rows have another label than at the last rebalancing, the "
            f"first is {panel.assets.labels[panel.assets.codes[row]]} on "
            f"{dates[panel.dates.codes[row]]}. Hold labels in between: pass the same "
            "rebalance_every and rebalance_month to PortfolioSorter, and lag to one of the two: "
            "to portfolio_returns."
        )
    own = np.ones(len(cells)) if weights is None else weights
    drifting = drifted_weights(
        np.where(start < 0, np.nan, own[start]),
        _more_than_all_lost(returns),
        panel.segments,
        panel.assets.codes,
        np.append(True, used[1:] != used[:-1]),
    )
    return lagged, drifting


def _more_than_all_lost(returns: Float64Array) -> Float64Array:
    if (returns < -1.0).any():
        raise ValueError(
            "Some returns are below -1, with which weights cannot drift. Pass total returns in "
            "decimals."
        )
    return returns


def _row_values(data: object, labels: object, n_rows: int, name: str) -> Float64Array:
    """One number per row, NaN allowed; the rows have to be those of the labels."""
    try:
        values = np.asarray(data, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} does not hold numbers: {error}.") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (n_rows,):
        raise ValueError(
            f"{name} has shape {values.shape} and labels have {n_rows} rows; each row is one asset "
            "on one date. Rows are not aligned by label: bring both to the same ones first, for "
            f"example {name} = {name}.reindex(labels.index)."
        )
    check_same_rows(labels, data, name, "labels")
    raise_if_infinite(values[:, None], [name], name)
    return values


def _weights(
    weights: ArrayLike | None, labels: object, returns: ArrayLike, n_rows: int
) -> Float64Array:
    values = _row_values(weights, labels, n_rows, "weights")
    check_same_rows(returns, weights, "weights", "returns")
    if (values < 0.0).any():
        n = np.count_nonzero(values < 0.0)
        raise ValueError(
            f"{n} of the weights are negative. A portfolio holds its assets long: form long and "
            "short portfolios apart and subtract their returns."
        )
    return values

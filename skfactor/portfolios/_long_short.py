"""From expected returns to long-short positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._groups import group_labels
from skfactor._kernels.legs import leg_weights
from skfactor._kernels.rounding import LEVEL_ROUNDING
from skfactor._kernels.segments import Segments, segments_from_codes
from skfactor._panel import check_same_rows, find_panel
from skfactor._typing import Float64Array, IntArray, RowLabels
from skfactor._validation import is_one_of, numbers
from skfactor._warn import warn_user
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.portfolios._holdings import HeldPortfolio, hold_portfolio

# No cross-section has legs of this many assets.
_NEVER = 2**40


def long_short_weights(
    expected_returns: ArrayLike,
    *,
    leg_size: float | int = 0.1,
    weighting: str = "equal",
    groupby: RowLabels | None = None,
    dates: RowLabels | None = None,
    date_level: str | int = "auto",
) -> Any:
    """Weights that are long the assets expected to do best on each date, and short the worst.

    Parameters
    ----------
    expected_returns : Series or array-like of shape (n_rows,)
        Expected return, or any signal, of each row; indexed by (date, asset) or with ``dates``.
        Assets without one (NaN) are not held.
    leg_size : float or int, default=0.1
        Assets in each leg: a share of the date's, at most 0.5, rounded down but at least one; or
        a number. With ``groupby`` of each group.
    weighting : {"equal", "signal"}, default="equal"
        Weights within a leg: equal, or by the distance from the median of the date (and group).
    groupby : array-like of shape (n_rows,) or mapping from asset, optional
        Group of each row, such as its industry. Long and short then balance within each group,
        which weighs by its number of positions.
    dates : array-like of shape (n_rows,) or scalar, optional
        Date of each row, if it is not in the index, or that index. A scalar: one cross-section.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    Series or ndarray of shape (n_rows,)
        On each date the long weights sum to 1 and the short ones to -1; 0 is not a position.

    Raises
    ------
    ValueError
        If there are no dates, a value is infinite or text, or ``leg_size`` is out of range.

    Warns
    -----
    UndefinedPortfolioWarning
        If some dates have too few assets, or no two that differ: all their weights are 0.

    Notes
    -----
    Assets that are tied for the last places of a leg share them, so that the result does not
    depend on the order of rows. Ties that reach into both legs are in neither.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.portfolios import long_short_weights
    >>> index = pd.MultiIndex.from_product([["2024-01"], list("abcde")], names=["date", "asset"])
    >>> long_short_weights(pd.Series([0.03, 0.01, 0.02, 0.05, None], index), leg_size=2)
    date     asset
    2024-01  a        0.5
             b       -0.5
             c       -0.5
             d        0.5
             e        0.0
    Name: weight, dtype: float64
    """
    if not is_one_of(weighting, {"equal", "signal"}):
        raise ValueError(f"weighting={weighting!r} has to be 'equal' or 'signal'.")
    _check_leg_size(leg_size)
    if np.ndim(expected_returns) != 1:
        raise ValueError(
            "expected_returns has to have one value per (date, asset) row; found shape "
            f"{np.shape(expected_returns)}. Bring a wide frame into this form with stack()."
        )
    values = numbers(expected_returns, "expected_returns")
    n_rows = len(values)
    if not n_rows:
        raise ValueError("expected_returns has no rows.")
    panel = find_panel(expected_returns, n_rows=n_rows, dates=dates, date_level=date_level)
    if panel is None:
        raise ValueError(
            "expected_returns has no dates. Index it by (date, asset) or pass dates=, a scalar if "
            "all rows are of one date."
        )
    date_codes = panel.dates.codes.astype(np.int64)
    segments = panel.segments
    segment_dates: IntArray = np.arange(len(panel.dates))
    if groupby is not None:
        groups = group_labels(groupby, expected_returns, n_rows, panel.assets, "expected_returns")
        segments, cells = segments_from_codes(date_codes * len(groups) + groups.codes)
        segment_dates = cells // len(groups)
    weights = _weigh(values, segments, segment_dates, leg_size, weighting == "signal")
    empty = np.bincount(date_codes, weights != 0.0, minlength=len(panel.dates)) == 0.0
    if empty.any():
        warn_user(
            f"Nothing is held on {np.count_nonzero(empty)} of {len(empty)} dates, first on "
            f"{panel.dates.labels[empty][0]}: too few assets have an expected return for "
            f"two legs of leg_size={leg_size!r}, or none differ.",
            UndefinedPortfolioWarning,
        )
    if isinstance(expected_returns, pd.Series):
        return pd.Series(weights, index=expected_returns.index, name="weight")
    return weights


def long_short(
    expected_returns: ArrayLike,
    returns: ArrayLike,
    *,
    leg_size: float | int = 0.1,
    weighting: str = "equal",
    groupby: RowLabels | None = None,
    costs: float | pd.Series = 0.0,
    drift: bool = True,
    missing: str = "rescale",
    dates: RowLabels | None = None,
    assets: RowLabels | None = None,
    date_level: str | int = "auto",
) -> HeldPortfolio:
    """Hold long-short portfolios made from expected returns; see the two functions it is made of.

    Parameters
    ----------
    expected_returns : Series or array-like of shape (n_rows,)
        Expected return of each row, such as ``model.predict(X)``, known before the return in the
        same row is earned.
    returns : Series or array-like of shape (n_rows,)
        Returns of the same rows.
    leg_size, weighting, groupby
        How positions are made, as in `long_short_weights`.
    costs, drift, missing
        How they are accounted for, as in `hold_portfolio`.
    dates, assets : array-like of shape (n_rows,), optional
        Date and asset of each row, if no index of the returns or the expected returns has both.
    date_level : str or int, default="auto"
        Name or position of the date level of a MultiIndex.

    Returns
    -------
    HeldPortfolio

    Raises
    ------
    ValueError
        As `long_short_weights` and `hold_portfolio`.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.portfolios import long_short
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> held = long_short(FamaMacBeth().fit(X, y).predict(X), y, leg_size=0.2, costs=0.001)
    >>> bool((held.net_returns <= held.returns).all())
    True
    """
    for values, name in ((expected_returns, "expected_returns"), (returns, "returns")):
        if np.ndim(values) != 1:
            raise ValueError(
                f"{name} has to have one value per (date, asset) row; found shape "
                f"{np.shape(values)}. Bring a wide frame into this form with stack()."
            )
    _raise_if_longer(expected_returns, returns)
    check_same_rows(returns, expected_returns, "expected_returns", x_name="returns")
    index = _row_labels(expected_returns, returns, dates, assets, date_level)
    weights = long_short_weights(
        pd.Series(np.asarray(expected_returns), index=index),
        leg_size=leg_size,
        weighting=weighting,
        groupby=groupby,
        date_level=date_level,
    )
    return hold_portfolio(
        weights,
        pd.Series(np.asarray(returns), index=index),
        costs=costs,
        drift=drift,
        missing=missing,
        date_level=date_level,
    )


def _raise_if_longer(expected_returns: Any, returns: Any) -> None:
    n_expected, n_returns = len(expected_returns), len(returns)
    if n_expected == n_returns:
        return
    if n_returns > n_expected:
        advice = "where forecasts are of some dates, pass returns.loc[expected_returns.index]"
    else:
        advice = "pass expected_returns.loc[returns.index]"
    raise ValueError(
        f"expected_returns has {n_expected} values, returns has {n_returns}. Rows are not aligned "
        f"by label: {advice}; skfactor.frames.align_dates does it for wide frames."
    )


def _row_labels(
    expected_returns: ArrayLike | None,
    returns: Any,
    dates: RowLabels | None,
    assets: RowLabels | None,
    date_level: str | int,
) -> pd.MultiIndex:
    """(date, asset) of the rows."""
    if dates is None and assets is None:
        for data in (returns, expected_returns):
            index = getattr(data, "index", None)
            if isinstance(index, pd.MultiIndex):
                return index
    panel = find_panel(
        returns,
        expected_returns,
        n_rows=len(returns),
        dates=dates,
        assets=assets,
        date_level=date_level,
    )
    if panel is None or panel.assets is None:
        lacking = "dates" if panel is None else "assets"
        raise ValueError(
            f"long_short follows assets from date to date, and nothing says the {lacking} of the "
            "rows. Index returns by (date, asset), or pass dates= and assets=."
        )
    columns = [found.labels.take(found.codes) for found in (panel.dates, panel.assets)]
    return pd.MultiIndex.from_arrays(columns, names=["date", "asset"])


def _check_leg_size(leg_size: object) -> None:
    number = isinstance(leg_size, int | np.integer) and leg_size >= 1
    share = isinstance(leg_size, float | np.floating) and 0.0 < leg_size <= 0.5
    if isinstance(leg_size, bool) or not (number or share):
        raise ValueError(
            f"leg_size={leg_size!r} has to be a share of the assets, above 0 and at most 0.5, or a "
            "number of them, at least 1."
        )


def _n_places(leg_size: Any, n_assets: IntArray) -> IntArray:
    """Assets in a leg of each segment, 0 if there are not enough for two."""
    if isinstance(leg_size, int | np.integer):
        n_places: IntArray = np.full(len(n_assets), min(int(leg_size), _NEVER))
    else:  # 0.29 * 100 is below 29
        n_places = np.maximum(((leg_size + LEVEL_ROUNDING) * n_assets).astype(np.intp), 1)
    return np.where(2 * n_places <= n_assets, n_places, 0)


def _weigh(
    values: Float64Array,
    segments: Segments,
    segment_dates: IntArray,
    leg_size: object,
    proportional: bool,
) -> Float64Array:
    """Weights (n_rows,), each date's legs made of those of its segments by their places."""
    ordered = segments.take(values)
    starts = segments.offsets[:-1]
    places = _n_places(leg_size, np.add.reduceat((~np.isnan(ordered)).astype(np.intp), starts))
    legs = leg_weights(ordered, segments.offsets, places, proportional)
    held = places * np.logical_or.reduceat(legs != 0.0, starts)
    total = np.bincount(segment_dates, held)[segment_dates]
    share = np.divide(held, total, out=np.zeros(len(held)), where=total > 0.0)
    legs *= np.repeat(share, segments.lengths)
    if segments.order is None:
        return legs
    weights = np.empty(len(values))
    weights[segments.order] = legs
    return weights

"""From expected returns to long-short positions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from skfactor._kernels.legs import leg_weights
from skfactor._kernels.rounding import LEVEL_ROUNDING
from skfactor._kernels.segments import Segments, segments_from_codes
from skfactor._panel import check_same_rows, find_panel, group_labels
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import numbers
from skfactor._warn import warn_user
from skfactor.exceptions import UndefinedPortfolioWarning
from skfactor.portfolios._holdings import HeldPortfolio, hold_portfolio


def long_short_weights(
    expected_returns: Any,
    *,
    leg_size: float | int = 0.1,
    weighting: str = "equal",
    groupby: Any = None,
    dates: Any = None,
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
        Weights within a leg: alike, or by the distance from the median of the date (and group).
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
        On each date the long weights sum to 1 and the short ones to -1; 0 is no position.

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
    if weighting not in {"equal", "signal"}:
        raise ValueError(f"weighting={weighting!r} has to be 'equal' or 'signal'.")
    _check_leg_size(leg_size)
    if np.ndim(expected_returns) != 1:
        raise ValueError(
            "expected_returns has to have one value a (date, asset) row; found shape "
            f"{np.shape(expected_returns)}. Bring a wide frame into this form with stack()."
        )
    values = numbers(expected_returns, "expected_returns")
    n_rows = len(values)
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
    expected_returns: Any,
    returns: pd.Series,
    *,
    leg_size: float | int = 0.1,
    weighting: str = "equal",
    groupby: Any = None,
    costs: float | pd.Series = 0.0,
    drift: bool = True,
    missing: str = "rescale",
    date_level: str | int = "auto",
) -> HeldPortfolio:
    """Hold long-short portfolios made from expected returns; see the two functions it is made of.

    Parameters
    ----------
    expected_returns : Series or array-like of shape (n_rows,)
        Expected return of each row, such as ``model.predict(X)``, known before the return in the
        same row is earned.
    returns : Series of shape (n_rows,)
        Returns of the same rows, indexed by (date, asset).
    leg_size, weighting, groupby
        How positions are made, as in `long_short_weights`.
    costs, drift, missing
        How they are accounted for, as in `hold_portfolio`.
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
    if not isinstance(returns, pd.Series):
        raise TypeError(f"returns has to be a Series by (date, asset); found {type(returns)}.")
    if len(returns) != np.size(expected_returns):
        raise ValueError(
            f"expected_returns has {np.size(expected_returns)} values, returns has {len(returns)}."
        )
    check_same_rows(returns, expected_returns, "expected_returns", x_name="returns")
    weights = long_short_weights(
        pd.Series(np.asarray(expected_returns), index=returns.index),
        leg_size=leg_size,
        weighting=weighting,
        groupby=groupby,
        date_level=date_level,
    )
    return hold_portfolio(
        weights,
        returns,
        costs=costs,
        drift=drift,
        missing=missing,
        date_level=date_level,
    )


def _check_leg_size(leg_size: Any) -> None:
    number = isinstance(leg_size, int | np.integer) and leg_size >= 1
    share = isinstance(leg_size, float | np.floating) and 0.0 < leg_size <= 0.5
    if isinstance(leg_size, bool) or not (number or share):
        raise ValueError(
            f"leg_size={leg_size!r} has to be a share of the assets, above 0 and at most 0.5, or a "
            "number of them, at least 1."
        )


def _n_places(leg_size: Any, n_assets: int) -> int:
    """Assets in a leg, 0 if there are not enough for two."""
    if isinstance(leg_size, int | np.integer):
        n_places = int(leg_size)
    else:
        n_places = max(int((leg_size + LEVEL_ROUNDING) * n_assets), 1)  # 0.29 * 100 is below 29
    return n_places if 2 * n_places <= n_assets else 0


def _weigh(
    values: Float64Array,
    segments: Segments,
    segment_dates: IntArray,
    leg_size: Any,
    proportional: bool,
) -> Float64Array:
    """Weights (n_rows,), each date's legs made of those of its segments by their places."""
    weights = np.zeros(len(values))
    rows = np.arange(len(values)) if segments.order is None else segments.order
    places = np.zeros(len(segments))
    for i, (start, stop) in enumerate(pairwise(segments.offsets)):
        known = rows[start:stop]
        known = known[~np.isnan(values[known])]
        n_places = _n_places(leg_size, len(known))
        if n_places:
            weights[known] = leg_weights(values[known], n_places, proportional)
            places[i] = n_places * weights[known].any()
    total = np.bincount(segment_dates, places)[segment_dates]
    share = np.divide(places, total, out=np.zeros(len(places)), where=total > 0.0)
    weights[rows] *= np.repeat(share, segments.lengths)
    return weights

"""Winsorizer: clip every column to bounds of its own date."""

from __future__ import annotations

from skfactor._kernels.quantiles import clip_segments
from skfactor._kernels.segments import Segments
from skfactor._typing import Float64Array, FloatArray
from skfactor.preprocessing._bounds import Bounded


class Winsorizer(Bounded):
    """Clip every column to bounds taken from the row's own date.

    Values beyond a bound are set to the bound. With dates, in the index of X or as ``dates=``,
    the bounds are those of the date's cross-section (of the row's group in it, with
    ``groupby=``), in `transform` as in `fit`. Without dates they are learned in `fit`.

    Parameters
    ----------
    lower, upper : float or None, default=0.01 and 0.99
        The bounds, in the units of ``rule``; None leaves that side open.
    rule : {"quantile", "std", "mad"}, default="quantile"
        - ``"quantile"``: quantile levels, ``0 <= lower <= upper <= 1``.
        - ``"std"``: standard deviations (divisor n) around the mean, ``lower < 0 < upper``.
        - ``"mad"``: multiples of 1.4826 times the median absolute deviation around the median,
          ``lower < 0 < upper``.
    interpolation : {"linear", "order_statistic"}, default="linear"
        How a quantile is found. ``"linear"`` interpolates, as ``numpy.quantile`` does: 1, ..., 10
        at 0.1 and 0.9 are clipped to 1.9 and 9.1. ``"order_statistic"`` replaces the
        ``floor(share * n)`` values beyond each bound by the next one, as
        ``scipy.stats.mstats.winsorize`` does: 2 and 9.
    passthrough : list of column names, callable or None, default=None
        Columns that stay as they are (positions in an array), such as macroeconomic variables,
        which are the same for all assets of a date. A callable finds them in the X of `fit`, as
        ``sklearn.compose.make_column_selector`` does.
    min_group_size : int or None, default=None
        A group of ``groupby=`` with fewer values of a column on a date is clipped to the bounds
        of the whole date there. None: every group has bounds of its own, however small it is.
    date_level : str, int or None, default="auto"
        Name or position of the date level in the index of X. None says that rows without dates
        are meant to be taken together; with dates it raises.

    Attributes
    ----------
    lower_bounds_, upper_bounds_ : ndarray of shape (n_features,) or (n_groups, n_features)
        The bounds learned in `fit`; only there if it had no dates.
    passthrough_features_ : list
        Names (positions in an array) of the columns of ``passthrough``.
    per_date_ : bool
        Whether bounds are taken date by date.
    groups_ : Index or None
        The groups of the rows of the bounds; only there if `fit` had no dates.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    Missing values are left out of the quantiles and stay where they are. ``weights`` raise: a
    bound counts assets, not capital.

    References
    ----------
    .. [1] Tukey, J. W. (1962), "The Future of Data Analysis", Annals of Mathematical Statistics
       33(1), 1-67. https://doi.org/10.1214/aoms/1177704711

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import Winsorizer
    >>> index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abcd")],
    ...                                    names=["date", "asset"])
    >>> size = pd.DataFrame({"size": [1.0, 2.0, 3.0, 90.0, 10.0, 20.0, 30.0, 40.0]}, index=index)
    >>> Winsorizer(upper=0.75).fit_transform(size).unstack("date")
             size
    date  2024-01 2024-02
    asset
    a        1.03    10.3
    b        2.00    20.0
    c        3.00    30.0
    d       24.75    32.5
    """

    def _apply(
        self,
        columns: FloatArray,
        segments: Segments,
        statistics: tuple[Float64Array, ...],
        out: FloatArray,
    ) -> None:
        lower, upper = statistics
        clip_segments(columns, segments, lower, upper, out)

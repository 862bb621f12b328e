"""Test that average returns rise from each sorted portfolio to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from skfactor._kernels.date_draws import best_block_length, count_dates, draw_dates
from skfactor._panel import time_index
from skfactor._validation import check_flag, is_one_of
from skfactor.inference._grs import read_table
from skfactor.inference._premia import TestResult
from skfactor.inference._small_sample import check_block_length, check_draws


def monotonicity_test(
    returns: ArrayLike,
    *,
    decreasing: bool = False,
    pairs: str = "adjacent",
    studentize: bool = False,
    n_draws: int = 999,
    block_length: float | None = None,
    random_state: int = 0,
) -> TestResult:
    """Test whether average returns rise from each sorted portfolio to the next.

    The statistic is the smallest difference between neighbours, compared with those of a bootstrap
    around the averages [1]_. A high and a low portfolio that differ say nothing of those between
    them; this test does. The null hypothesis is that the pattern is flat or not monotonic, so that
    a small p-value says that it is.

    Parameters
    ----------
    returns : array-like of shape (n_periods, n_portfolios)
        Returns of the portfolios in the order of the sort.
    decreasing : bool, default=False
        Whether they are to fall.
    pairs : {"adjacent", "all"}, default="adjacent"
        Differences of neighbours, or of any two portfolios: the minimum of the latter is the same,
        that of its bootstrap is not.
    studentize : bool, default=False
        Divide each difference by its standard error.
    n_draws : int, default=999
        Bootstrap samples; the smallest p-value is 1 / (n_draws + 1).
    block_length : float, optional
        Mean length of the blocks of dates that are drawn; 1 if dates are independent. By default
        the longest that the rule of Politis and White has for any difference.
    random_state : int, default=0
        Seed of the draws: the same data have the same p-value.

    Returns
    -------
    TestResult

    Raises
    ------
    ValueError
        If there are fewer than two portfolios or 20 dates, a value is missing or infinite, or two
        neighbours have the same returns.

    References
    ----------
    .. [1] Patton, A. J. and A. Timmermann (2010), "Monotonicity in Asset Returns: New Tests with
       Applications to the Term Structure, the CAPM, and Portfolio Sorts", Journal of Financial
       Economics 98(3), 605-625. https://doi.org/10.1016/j.jfineco.2010.06.006

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import monotonicity_test
    >>> value = load_french()[["S1V1", "S1V3", "S1V5"]]
    >>> monotonicity_test(value).p_value < 0.05
    True
    """
    check_flag(decreasing, "decreasing")
    check_flag(studentize, "studentize")
    check_draws(n_draws, random_state)
    if not is_one_of(pairs, ("adjacent", "all")):
        raise ValueError(f"pairs={pairs!r} is neither 'adjacent' nor 'all'.")
    values = read_table(returns, "returns")
    index = time_index(returns)
    if index is not None:
        values = values[index.argsort()]
    n_dates, n_portfolios = values.shape
    if n_portfolios < 2:
        raise ValueError("monotonicity_test compares portfolios, one column each; found one.")
    check_block_length(block_length, n_dates, "monotonicity_test")
    low, high = np.triu_indices(n_portfolios, 1)
    if pairs == "adjacent":
        low, high = low[high - low == 1], high[high - low == 1]
    differences = (values[:, low] - values[:, high]) * (1.0 if decreasing else -1.0)
    if (np.ptp(differences, axis=0) == 0.0).any():
        raise ValueError(
            "Two of the portfolios differ by a constant, so that there is nothing to test. Drop "
            "one of them."
        )
    length = block_length
    if length is None:
        length = max(best_block_length(column) for column in differences.T)
    counts = count_dates(draw_dates(n_dates, length, n_draws, random_state))
    means = differences.mean(axis=0)
    drawn = counts @ (differences - means) / n_dates
    scale = drawn.std(axis=0) if studentize else 1.0
    statistic = float((means / scale).min())
    n_above = int(np.count_nonzero((drawn / scale).min(axis=1) >= statistic))
    direction = "fall" if decreasing else "rise"
    null = f"average returns do not {direction} from each of {n_portfolios} portfolios to the next"
    return TestResult(statistic, (1 + n_above) / (1 + n_draws), (), "bootstrap", null)

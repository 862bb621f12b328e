"""PurgedKFold: test each date once, training on what lies far enough from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._spans import Size, check_count, check_size
from skfactor._typing import BoolArray, IntArray, RowLabels
from skfactor.model_selection._date_splitter import (
    DateSplitter,
    purged_training,
    raise_if_one_date,
)


class PurgedKFold(DateSplitter):
    """Test each date once, in folds of consecutive dates, training on the others.

    The first ``n_dates % n_splits`` folds have one date more than the others, as in
    scikit-learn's ``KFold``. Training sets lie on both sides of the test, so use it to compare
    models, and `WalkForwardSplit` to imitate what an investor could have earned.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    purge : int or offset, default=0
        Number of dates (or calendar units: ``"3ME"``) before and after each tested date that are
        not trained on. Returns over h periods need h - 1. A number counts dates as lags do: on
        Periods of a week or longer, missing ones count too.
    embargo : int or offset, default=0
        Number of further dates that are left out after the test, from the last purged one on.

    See Also
    --------
    CombinatorialPurgedKFold : Tests every combination of several folds.
    WalkForwardSplit : Trains on the past only.

    References
    ----------
    .. [1] Lopez de Prado, M. (2018), "Advances in Financial Machine Learning", Wiley, chapter 7,
       ISBN 978-1119482086.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfactor.model_selection import PurgedKFold
    >>> years = pd.period_range("2017", "2023", freq="Y")
    >>> X = pd.DataFrame({"market": np.arange(7.0)}, index=years)
    >>> for train, test in PurgedKFold(3, purge=1, embargo=1).split(X):
    ...     print(list(years[train].year), list(years[test].year))
    [2022, 2023] [2017, 2018, 2019]
    [2017, 2018] [2020, 2021]
    [2017, 2018, 2019, 2020] [2022, 2023]
    """

    def __init__(self, n_splits: int = 5, *, purge: Size = 0, embargo: Size = 0) -> None:
        check_count(n_splits, "n_splits", minimum=2)
        check_size(purge, "purge", minimum=0)
        check_size(embargo, "embargo", minimum=0)
        self.n_splits = n_splits
        self.purge = purge
        self.embargo = embargo

    def get_n_splits(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        groups: RowLabels | None = None,
    ) -> int:
        """Return the number of splits, which does not depend on the data.

        Parameters
        ----------
        X, y, groups
            As in `split`.

        Returns
        -------
        int
        """
        return self.n_splits

    def _folds(self, dates: pd.Index) -> Iterator[tuple[BoolArray, BoolArray]]:
        fold_of_date = consecutive_folds(self, dates, self.n_splits)
        for fold in range(self.n_splits):
            test = fold_of_date == fold
            yield purged_training(test, dates, self.purge, self.embargo, self), test


def consecutive_folds(splitter: DateSplitter, dates: pd.Index, n_folds: int) -> IntArray:
    """Fold of each date; the first folds take what is left over."""
    raise_if_one_date(splitter, dates)
    if n_folds > len(dates):
        raise ValueError(
            f"{splitter!r} needs a date for each fold, but there are {len(dates)}: {dates[0]} to "
            f"{dates[-1]}. Take fewer folds."
        )
    sizes = np.full(n_folds, len(dates) // n_folds)
    sizes[: len(dates) % n_folds] += 1
    return np.repeat(np.arange(n_folds), sizes)

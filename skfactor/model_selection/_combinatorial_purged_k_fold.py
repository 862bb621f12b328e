"""CombinatorialPurgedKFold: test every combination of folds, for many backtests of one sample."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._spans import Size, check_count, check_size
from skfactor._typing import BoolArray, IntArray, RowLabels
from skfactor.model_selection._date_splitter import DateSplitter, purged_training
from skfactor.model_selection._purged_k_fold import consecutive_folds

# Splits that are listed in an array.
_MOST_LISTED = 10**6


class CombinatorialPurgedKFold(DateSplitter):
    """Test every combination of folds of consecutive dates, training on the others.

    There are ``comb(n_folds, n_test_folds)`` splits, and each date is tested in
    ``comb(n_folds - 1, n_test_folds - 1)`` of them: so many paths through the whole sample can be
    put together from the tests, each of which is a backtest.

    Parameters
    ----------
    n_folds : int, default=6
        Number of folds, at least 2; sizes as in `PurgedKFold`.
    n_test_folds : int, default=2
        Number of folds tested together, less than ``n_folds``. The defaults make 15 splits and 5
        paths.
    purge, embargo : int or offset, default=0
        As in `PurgedKFold`, around each tested fold.

    Attributes
    ----------
    n_paths : int
        Number of paths, ``comb(n_folds - 1, n_test_folds - 1)``.
    test_folds : ndarray of shape (n_splits, n_test_folds)
        Folds that each split tests, ascending.
    path_ids : ndarray of shape (n_splits, n_test_folds)
        Path that each of these tests belongs to: the j-th test of a fold is in path j, from 0.

    See Also
    --------
    PurgedKFold : Tests each date once.

    References
    ----------
    .. [1] Lopez de Prado, M. (2018), "Advances in Financial Machine Learning", Wiley, chapter 12,
       ISBN 978-1119482086.

    Examples
    --------
    Predictions of every path:

    >>> import numpy as np
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import CombinatorialPurgedKFold
    >>> X, y = make_panel(n_dates=24, n_assets=20, random_state=0, return_X_y=True)
    >>> cv = CombinatorialPurgedKFold(4, 2, purge=1)
    >>> cv.test_folds.tolist()
    [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    >>> cv.path_ids.tolist()
    [[0, 0], [1, 0], [2, 0], [1, 1], [2, 1], [2, 2]]
    >>> predicted = np.full((cv.n_paths, len(X)), np.nan)
    >>> for (train, test), path in zip(cv.split(X), cv.row_paths(X)):
    ...     model = FamaMacBeth().fit(X.iloc[train], y.iloc[train])
    ...     predicted[path, test] = model.predict(X.iloc[test])
    >>> bool(np.isnan(predicted).any())
    False
    """

    def __init__(
        self, n_folds: int = 6, n_test_folds: int = 2, *, purge: Size = 0, embargo: Size = 0
    ) -> None:
        check_count(n_folds, "n_folds", minimum=2)
        check_count(n_test_folds, "n_test_folds", minimum=1)
        if n_test_folds >= n_folds:
            raise ValueError(
                f"n_test_folds={n_test_folds} has to be less than n_folds={n_folds}: the other "
                "folds are trained on."
            )
        check_size(purge, "purge", minimum=0)
        check_size(embargo, "embargo", minimum=0)
        self.n_folds = n_folds
        self.n_test_folds = n_test_folds
        self.purge = purge
        self.embargo = embargo

    @property
    def n_paths(self) -> int:
        """Number of paths through the sample."""
        return comb(self.n_folds - 1, self.n_test_folds - 1)

    @property
    def test_folds(self) -> IntArray:
        """Folds that each split tests, (n_splits, n_test_folds)."""
        self._raise_if_too_many()
        return np.array([folds for folds, _ in self._tests()])

    @property
    def path_ids(self) -> IntArray:
        """Path of each test of a fold, (n_splits, n_test_folds)."""
        self._raise_if_too_many()
        return np.array([paths for _, paths in self._tests()])

    def _tests(self) -> Iterator[tuple[list[int], IntArray]]:
        """Folds that each split tests, and the path of each of these tests."""
        n_tests = np.zeros(self.n_folds, dtype=np.int64)
        for tested in combinations(range(self.n_folds), self.n_test_folds):
            folds = list(tested)
            yield folds, n_tests[folds]
            n_tests[folds] += 1

    def _raise_if_too_many(self) -> None:
        n_splits = self.get_n_splits()
        if n_splits > _MOST_LISTED:
            raise ValueError(
                f"{self!r} has {n_splits} splits, too many to list. split and row_paths go through "
                "them one by one; to list them take fewer folds, or fewer of them to test together."
            )

    def row_paths(
        self, X: ArrayLike, y: ArrayLike | None = None, groups: RowLabels | None = None
    ) -> Iterator[IntArray]:
        """Yield the path of each row of the test sets, in the order in which `split` has them.

        Parameters
        ----------
        X, y, groups
            As in `split`.

        Yields
        ------
        ndarray of shape (n_test_rows,)
        """
        rows = self._rows(X, y, groups)
        fold_of_date = consecutive_folds(self, rows.dates, self.n_folds)
        n_rows = np.bincount(fold_of_date, weights=rows.segments.lengths).astype(np.intp)
        for folds, paths in self._tests():
            yield np.repeat(paths, n_rows[folds])

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
        return comb(self.n_folds, self.n_test_folds)

    def _folds(self, dates: pd.Index) -> Iterator[tuple[BoolArray, BoolArray]]:
        fold_of_date = consecutive_folds(self, dates, self.n_folds)
        for tested in combinations(range(self.n_folds), self.n_test_folds):
            test = np.isin(fold_of_date, tested)
            yield purged_training(test, dates, self.purge, self.embargo, self), test

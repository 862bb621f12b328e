"""WalkForwardSplit: train on the past, test on what follows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._spans import (
    Size,
    Span,
    check_count,
    check_share,
    check_size,
    make_gap,
    make_span,
    share_of_dates,
)
from skfactor._typing import BoolArray, RowLabels
from skfactor.model_selection._date_splitter import DateSplitter, raise_if_one_date


class WalkForwardSplit(DateSplitter):
    """Train on the past and test on the dates that follow, walking through time.

    The test blocks are laid from the last date backwards, each in front of the one after it.
    Training sets start with the first date and grow (or roll, with ``train_size``); dates left
    over by the test blocks are in the first of them. With one row per date the splits are those of
    scikit-learn's ``TimeSeriesSplit``; with several, no date is on both sides.

    All sizes count unique dates, or are pandas offsets such as ``"24ME"``, which count calendar
    units: a window of ``"12ME"`` holds the dates of the twelve calendar months up to and with
    that of its last date. All but ``purge`` may be fractions of the dates, such as 0.2.

    Parameters
    ----------
    n_splits : int or None, default=5
        Number of splits. None makes as many as there is a past to train on, and needs
        ``test_size`` or ``step``.
    test_size : int, float or offset, optional
        Size of a test block. By default ``step``. Without that, it is what gives ``n_splits``
        blocks of equal size after a first training window of ``min_train_size``, or, if there is
        no such window, after one as large as a block: ``n_dates // (n_splits + 1)``.
    train_size : int, float or offset, optional
        Size of a rolling training window. By default training sets grow.
    min_train_size : int, float or offset, optional
        Size of the smallest training set; a split that has less raises. By default
        ``train_size``, or one date. A smaller one than ``train_size`` lets the first windows be
        incomplete.
    step : int, float or offset, optional
        Distance from the end of one test block to that of the next. By default the test blocks
        follow each other without gap or overlap.
    purge : int or offset, default=0
        How much to leave out between the training set and its test block. Returns over h periods
        need h - 1, so that none of those trained on reaches into the test. A number counts dates as
        lags do: on Periods of a week or longer, missing ones count too. (The ``gap`` of
        scikit-learn's ``TimeSeriesSplit`` counts rows, of which a date of a panel has many.)

    See Also
    --------
    walk_forward_predict : Out-of-sample predictions over such splits.
    PurgedKFold : Tests each date once, training on both sides of it.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfactor.model_selection import WalkForwardSplit
    >>> index = pd.MultiIndex.from_product([range(2018, 2024), list("ab")], names=["year", "asset"])
    >>> X = pd.DataFrame({"value": np.arange(12.0)}, index=index)
    >>> for train, test in WalkForwardSplit(3, purge=1).split(X):
    ...     print(list(X.index[train].unique("year")), list(X.index[test].unique("year")))
    [2018, 2019] [2021]
    [2018, 2019, 2020] [2022]
    [2018, 2019, 2020, 2021] [2023]
    >>> WalkForwardSplit(None, test_size=1, train_size=2).get_n_splits(X)
    4
    """

    def __init__(
        self,
        n_splits: int | None = 5,
        *,
        test_size: Size | float | None = None,
        train_size: Size | float | None = None,
        min_train_size: Size | float | None = None,
        step: Size | float | None = None,
        purge: Size = 0,
    ) -> None:
        if n_splits is not None:
            check_count(n_splits, "n_splits", minimum=1)
        elif test_size is None and step is None:
            raise ValueError("n_splits=None needs test_size=, which says how many there are.")
        sizes = {"test_size": test_size, "train_size": train_size, "step": step}
        for name, size in {**sizes, "min_train_size": min_train_size}.items():
            if size is not None:
                check_share(size, name, minimum=1)
        check_size(purge, "purge", minimum=0)
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.min_train_size = min_train_size
        self.step = step
        self.purge = purge

    def get_n_splits(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        groups: RowLabels | None = None,
    ) -> int:
        """Return the number of splits; only with ``n_splits=None`` it depends on the data.

        Parameters
        ----------
        X, y, groups
            As in `split`.

        Returns
        -------
        int
        """
        if self.n_splits is not None:
            return self.n_splits
        if X is None:
            raise ValueError("With n_splits=None the number of splits depends on the data: pass X.")
        return len(self._windows(self._rows(X, y, groups).dates))

    def _folds(self, dates: pd.Index) -> Iterator[tuple[BoolArray, BoolArray]]:
        places = np.arange(len(dates))
        for first, end, start, stop in self._windows(dates):
            yield (places >= first) & (places < end), (places >= start) & (places < stop)

    def _windows(self, dates: pd.Index) -> list[tuple[int, int, int, int]]:
        """For each split, the ranges of the dates trained on and tested, as starts and stops."""
        raise_if_one_date(self, dates)
        n_dates = len(dates)
        smallest = self.train_size if self.min_train_size is None else self.min_train_size
        fewest = share_of_dates(1 if smallest is None else smallest, n_dates)
        shortest = make_span(fewest, "min_train_size", dates)
        purge = make_gap(self.purge, "purge", dates)
        window = None
        if self.train_size is not None:
            window = make_span(share_of_dates(self.train_size, n_dates), "train_size", dates)
            if shortest.length > window.length and np.array_equal(shortest.places, window.places):
                raise ValueError(f"{self!r} has a min_train_size longer than its train_size.")
        windows = []
        for start, stop in self._test_blocks(dates, shortest, purge):
            end = purge.first_near(start)
            first = 0 if window is None or not end else window.first_in_window(end - 1)
            if not end or not shortest.is_covered(0, end - 1):
                if self.n_splits is None:
                    break
                self._raise_too_few(dates, start, end - first)
            windows.append((first, end, start, stop))
        if not windows:
            self._raise_too_few(dates, None, 0)
        return windows[::-1]

    def _test_blocks(
        self, dates: pd.Index, shortest: Span, purge: Span
    ) -> Iterator[tuple[int, int]]:
        """First date of each test block and the one after its last, from the last block on."""
        size = self.step if self.test_size is None else self.test_size
        length = self._default_size(dates, shortest, purge) if size is None else size
        block = make_span(share_of_dates(length, len(dates)), "test_size", dates)
        step = None
        if self.step is not None:
            step = make_span(share_of_dates(self.step, len(dates)), "step", dates)
        stop, n_blocks = len(dates), 0
        while n_blocks != self.n_splits and stop > 0:
            start = block.first_in_window(stop - 1)
            yield start, stop
            stop = start if step is None else step.first_in_window(stop - 1)
            n_blocks += 1
        if self.n_splits is not None and n_blocks < self.n_splits:
            self._raise_too_few(dates, None, 0)

    def _default_size(self, dates: pd.Index, shortest: Span, purge: Span) -> int:
        if self.n_splits is None:
            raise ValueError("n_splits=None needs test_size=, which says how many there are.")
        n_dates = len(dates)
        if self.train_size is None and self.min_train_size is None:
            size = n_dates // (self.n_splits + 1)
        else:
            trains = [
                end > 0 and shortest.is_covered(0, end - 1)
                for end in map(purge.first_near, range(n_dates))
            ]
            size = sum(trains) // self.n_splits
        if size == 0:
            self._raise_too_few(dates, None, 0)
        return size

    def _raise_too_few(self, dates: pd.Index, start: int | None, n_train: int) -> None:
        where = ""
        if start is not None:
            where = (
                f" Before the test block from {dates[start]} on, {n_train} are left to train on."
            )
        raise ValueError(
            f"{len(dates)} dates ({dates[0]} to {dates[-1]}) are too few for {self!r}.{where} Take "
            "fewer splits, smaller blocks, less to train on, or a shorter purge."
        )

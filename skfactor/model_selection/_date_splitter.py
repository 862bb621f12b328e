"""DateSplitter: what all splitters share. A date is in training or in the test, never in both."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import indexable

from skfactor._dates import calendar_positions
from skfactor._kernels.segments import Segments
from skfactor._panel import find_panel, only_numbers_rows, time_index
from skfactor._sklearn import num_samples
from skfactor._spans import Size, make_gap
from skfactor._typing import BoolArray, IntArray, RowLabels
from skfactor._undated import columns_left
from skfactor._warn import warn_user


class DateSplitter(BaseCrossValidator):  # type: ignore[misc]  # scikit-learn is untyped
    """A splitter of whole dates. A subclass says which ones are trained on and tested together."""

    # Under metadata routing scikit-learn's ``groups`` are the ``dates`` that estimators ask for
    # too. Groups of assets go by the name ``groupby`` and never reach a splitter.
    __metadata_request__split: ClassVar = {"groups": "dates"}

    @abstractmethod
    def _folds(self, dates: pd.Index) -> Iterator[tuple[BoolArray, BoolArray]]:
        """For each split, which of the unique, ascending dates are in training and in the test."""

    def split(
        self, X: ArrayLike, y: ArrayLike | None = None, groups: RowLabels | None = None
    ) -> Iterator[tuple[Any, Any]]:
        """Yield the rows of each training and test set.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows of a panel, or one row per period. Its index supplies the dates.
        y : array-like of shape (n_rows,) or (n_rows, n_assets), optional
            Its index supplies the dates where X has none.
        groups : array-like of shape (n_rows,), optional
            Date of each row, if it is in neither index. In metadata routing it is called ``dates``.

        Yields
        ------
        train, test : ndarray of int
            Row positions in order of their dates; rows of a date are in the order of X.

        Raises
        ------
        ValueError
            If nothing says on which dates the rows are, or there are too few dates.

        Warns
        -----
        UserWarning
            If a halving search fits to rows that it draws from those of each date.
        """
        rows = self._rows(X, y, groups)
        _warn_of_drawn_rows(rows)
        for train, test in self._folds(rows.dates):
            yield rows.on(train), rows.on(test)

    def _rows(self, X: ArrayLike, y: ArrayLike | None, groups: RowLabels | None) -> DatedRows:
        argument = "groups= (as dates= where metadata routing is enabled)"
        return rows_by_date(X, y, groups, type(self).__name__, argument)

    def __repr__(self) -> str:
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in signature(type(self)).parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            or getattr(self, name) != parameter.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _warn_of_drawn_rows(rows: DatedRows) -> None:
    """Warn if a halving search of scikit-learn, which says so only by its class, draws rows."""
    if len(rows.dates) == len(rows.places()):
        return
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if type(caller).__name__ == "_SubsampleMetaSplitter":
            share = float(getattr(caller, "fraction", 1.0))
            if share < 1.0:
                warn_user(
                    f"This halving search fits to rows drawn at random, {share:.0%} of them: each "
                    "date has so many of its assets, among which steps rank and score. Choose "
                    "another resource=, such as a parameter of the model, or use GridSearchCV."
                )
            return
        frame = frame.f_back


@dataclass(frozen=True)
class DatedRows:
    """Unique, ascending dates, and which rows are on each."""

    dates: pd.Index
    segments: Segments  # one per date

    def on(self, dates: BoolArray) -> IntArray:
        """Positions of the rows on the chosen dates, in order of these dates."""
        edges = np.flatnonzero(np.diff(dates, prepend=False, append=False)).reshape(-1, 2)
        runs = [slice(*self.segments.offsets[edge]) for edge in edges]
        order = self.segments.order
        if order is None:
            return np.concatenate([np.arange(run.start, run.stop) for run in runs])
        return np.concatenate([order[run] for run in runs])

    def places(self) -> IntArray:
        """Place of each row's date among the dates, (n_rows,)."""
        by_date = np.repeat(np.arange(len(self.dates)), self.segments.lengths)
        if self.segments.order is None:
            return by_date
        by_row = np.empty_like(by_date)
        by_row[self.segments.order] = by_date
        return by_row


def rows_by_date(
    X: object, y: ArrayLike | None, dates: object, what: str, argument: str, assets: object = None
) -> DatedRows:
    """Find the date of each row of a panel, or of rows that are periods; raise if there are none.

    ``what`` is what the message calls the one who asks, ``argument`` where it takes dates.
    """
    X, y, dates, assets = indexable(X, y, dates, assets)
    n_rows = num_samples(X)
    if not n_rows:
        raise ValueError(f"{what} was given no rows. Pass at least some.")
    panel = find_panel(X, y, n_rows=n_rows, dates=dates, assets=assets, time_series=True)
    if panel is not None:
        return DatedRows(panel.dates.labels, panel.segments)
    if np.ndim(y) == 2:  # ISO text in the index of wide data, which may have no name
        index = time_index(X, y)
        if index is not None and not only_numbers_rows(index):
            order = index.argsort()
            return DatedRows(index[order], Segments(np.arange(n_rows + 1), order))
    found = type(X).__name__ if y is None else f"{type(X).__name__} and {type(y).__name__}"
    advice = columns_left(X) or "Pass frames indexed by (date, asset) or by date."
    raise ValueError(
        f"{what} needs the date of each row, but no index of what it was given ({found}) has "
        f"dates. {advice} Or pass the dates as {argument}."
    )


def raise_if_overlapping(
    splits: Sequence[tuple[IntArray, IntArray]], rows: DatedRows, horizon: int
) -> None:
    """Raise if a tested return of ``horizon`` dates shares one with a return that is trained on."""
    if horizon == 1:
        return
    place, calendar = rows.places(), calendar_positions(rows.dates)
    for train, test in splits:
        trained, tested = np.unique(place[train]), np.unique(place[test])
        after = np.searchsorted(trained, tested)
        for near, known in ((after - 1, after > 0), (after, after < len(trained))):
            one, other = trained[near[known]], tested[known]
            gaps = np.abs(calendar[one] - calendar[other])
            if len(gaps) and gaps.min() < horizon:
                k = int(gaps.argmin())
                raise ValueError(
                    f"Returns over horizon={horizon} dates overlap with those of dates less than "
                    f"{horizon} apart, and cv trains on {rows.dates[one[k]]} and tests "
                    f"{rows.dates[other[k]]}, which are {gaps[k]} apart: the model has seen part "
                    f"of what it is tested on. Pass purge={horizon - 1} to the splitter."
                )


def raise_if_one_date(splitter: DateSplitter, dates: pd.Index) -> None:
    """Raise if there is nothing to split."""
    if len(dates) < 2:
        raise ValueError(f"{splitter!r} splits dates, but all rows are on one: {dates[0]}.")


def purged_training(
    tests: BoolArray, dates: pd.Index, purge: Size, embargo: Size, splitter: DateSplitter
) -> BoolArray:
    """All dates but the tested ones, those near them, and those under embargo after them."""
    before = make_gap(purge, "purge", dates)
    after = make_gap(embargo, "embargo", dates)
    train = ~tests
    for start, stop in np.flatnonzero(np.diff(tests, prepend=False, append=False)).reshape(-1, 2):
        last = after.last_near(before.last_near(stop - 1))
        train[before.first_near(start) : last + 1] = False
    if not train.any():
        raise ValueError(
            f"{splitter!r} leaves none of the {len(dates)} dates ({dates[0]} to {dates[-1]}) to "
            f"train on for the tests from {dates[tests][0]} to {dates[tests][-1]}. Take a shorter "
            "purge or embargo, or other folds."
        )
    return train

"""Slow and obvious programs that splits by date are held against. Nothing imports the package."""

from __future__ import annotations

import numpy as np
import pandas as pd


def panel_of_places(n_dates: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a panel in random order, and the place of each row's date among the dates."""
    places = rng.permutation(np.repeat(np.arange(n_dates), rng.integers(1, 5, n_dates)))
    assets = rng.permutation(len(places))
    dates = pd.date_range("2020-01-01", periods=n_dates)[places]
    index = pd.MultiIndex.from_arrays([assets, dates], names=["asset", "date"])
    return pd.DataFrame({"x": places}, index), places


def slow_walk(
    n: int,
    n_splits: int,
    test_size: int | None,
    train_size: int | None,
    min_train_size: int | None,
    step: int | None,
    purge: int,
) -> list[tuple[int, int, int, int]] | None:
    """First and last training date, first and last tested date, of each split; None if too few."""
    smallest = min_train_size or train_size or 1
    if test_size is None and step is not None:
        test_size = step
    if test_size is None and (min_train_size or train_size):
        test_size = (n - purge - smallest) // n_splits
    if test_size is None:
        test_size = n // (n_splits + 1)
    if test_size < 1:
        return None
    step = step or test_size
    splits = []
    for k in range(n_splits):
        last = n - 1 - k * step
        if last < 0:
            return None
        first = max(last - test_size + 1, 0)
        end = first - purge - 1
        begin = 0 if train_size is None else max(end - train_size + 1, 0)
        if end + 1 < smallest:
            return None
        splits.append((begin, end, first, last))
    return splits[::-1]


def allowed_dates(n_dates: int, tests: np.ndarray, purge: int, embargo: int) -> list[int]:
    """Dates that are not near any tested one, nor soon after a block of tested dates."""
    tests = [int(test) for test in tests]
    ends = [test for test in tests if test + 1 not in tests]
    return [
        date
        for date in range(n_dates)
        if all(abs(date - test) > purge for test in tests)
        and not any(end < date <= end + purge + embargo for end in ends)
    ]

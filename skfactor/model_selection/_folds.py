"""What is passed as folds, and in how many processes they run: in our words if it is neither."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from skfactor._typing import Splitter
from skfactor._validation import is_whole


def read_cv(cv: object) -> Splitter:
    """A splitter of folds that were given as one, as their number or themselves."""
    if not hasattr(cv, "split") and isinstance(cv, Iterable) and not isinstance(cv, str):
        cv = list(cv)
        for fold in cv:
            if not isinstance(fold, tuple | list) or len(fold) != 2 or not all(map(_rows, fold)):
                raise ValueError(
                    f"cv holds {fold!r}, and a fold is a pair of arrays: numbers of the rows to "
                    "train on, and of those to test."
                )
        if not cv:
            raise ValueError("cv holds no folds.")
    splitter: Splitter = check_cv(cv)
    return splitter


def _rows(rows: Any) -> bool:
    return np.ndim(rows) == 1 and np.size(rows) > 0 and np.asarray(rows).dtype.kind in "iub"


def check_n_jobs(n_jobs: object) -> None:
    """Raise ``ValueError`` unless it is a number of processes, -1 for all, or None."""
    if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
        raise ValueError(f"n_jobs={n_jobs!r} has to be a whole number other than 0, or None.")

"""Regressors that know no missing target leave such rows out, and only they do.

The steps before them keep all rows: dropping rows first would change every statistic of a date to
that of the rows whose target is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skfactor._sklearn import BaseSearchCV, safe_indexing, take_params
from skfactor._typing import IntArray

# Where a class that leaves rows out keeps the one that it was made of.
_ORIGINAL = "_skfactor_original_class"


@contextmanager
def unknown_left_out(estimator: BaseEstimator) -> Iterator[None]:
    """Fit and score the last regressor of an estimator on the rows with a target meanwhile.

    That of a pipeline is its last step, that of a search the one that it searches. Those of this
    package have rules of their own. A target of several columns is left as it is.
    """
    for last in _last_regressors(estimator):
        if hasattr(last, "fit") and not _is_own(last):
            # By its class and not around it: parameters keep their names, and copies do the same.
            last.__class__ = _leaving_out(type(last))
    try:
        yield
    finally:
        for last in _last_regressors(estimator):
            last.__class__ = getattr(type(last), _ORIGINAL, type(last))


def _last_regressors(estimator: BaseEstimator) -> list[BaseEstimator]:
    """What an estimator ends with; of a fitted search, its best estimator too."""
    if isinstance(estimator, Pipeline) and estimator.steps:
        return _last_regressors(estimator.steps[-1][1])
    if isinstance(estimator, BaseSearchCV):
        best = getattr(estimator, "best_estimator_", None)
        return _last_regressors(estimator.estimator) + _last_regressors(best)
    return [] if estimator is None or isinstance(estimator, str) else [estimator]


def _is_own(estimator: BaseEstimator) -> bool:
    modules = {kind.__module__.partition(".")[0] for kind in type(estimator).__mro__}
    return "skfactor" in modules


def _leaving_out(kind: type) -> type:
    """A subclass under the same name."""

    def guarded(name: str) -> Any:
        own = getattr(kind, name)

        @wraps(own)
        def method(self: Any, X: ArrayLike, y: Any = None, *args: Any, **kwargs: object) -> Any:
            known = known_rows(y)
            if known is None:
                return own(self, X, y, *args, **kwargs)
            taken = take_params(X, dict(enumerate(args)) | kwargs, known)
            rest = [taken.pop(place) for place in range(len(args))]
            return own(self, safe_indexing(X, known), safe_indexing(y, known), *rest, **taken)

        return method

    methods = {name: guarded(name) for name in ("fit", "score") if hasattr(kind, name)}
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, _ORIGINAL: kind}
    return type(kind.__name__, (kind,), methods | names)


def known_rows(y: object) -> IntArray | None:
    """Positions of the rows whose target is known; None if all are, or y has several columns."""
    values = np.asarray(y)
    if values.dtype.kind not in "fO" or not values.ndim or values.size != len(values):
        return None
    known = ~pd.isna(values.reshape(-1))
    if known.all():
        return None
    if not known.any():
        raise ValueError("y holds no value at all in these rows, only NaN.")
    return np.flatnonzero(known)

"""Find what a display shows in an estimator, also inside pipelines and searches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def find_fitted(estimator: Any, attribute: str, caller: type, needs: str) -> Any:
    """The estimator, or the last step of it, that has a fitted attribute.

    Raises ``NotFittedError`` if it is not fitted, ``TypeError`` saying what the caller ``needs``
    if nothing in it has the attribute.
    """
    check_is_fitted(estimator)
    for part in _parts(estimator):
        if hasattr(part, attribute):
            return part
    raise TypeError(
        f"{caller.__name__} needs {needs}; found {type(estimator).__name__} without {attribute}."
    )


def _parts(estimator: Any) -> Iterator[Any]:
    """The estimator and those inside it, the last step of a pipeline first."""
    yield estimator
    if isinstance(estimator, Pipeline):
        for _, step in reversed(estimator.steps):
            yield from _parts(step)
    for name in ("best_estimator_", "regressor_"):  # of searches, formulas and target transformers
        if hasattr(estimator, name):
            yield from _parts(getattr(estimator, name))

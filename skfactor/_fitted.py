"""What a function that takes a fitted model finds in a pipeline, a search or a formula."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import isclass
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skfactor._risk_model import RiskModel

# Where meta-estimators keep the estimator that they fitted: searches; formulas, transformed
# targets; two passes, whose first one has betas of its own.
_INSIDE = ("best_estimator_", "regressor_", "first_pass_")


def find_fitted(estimator: BaseEstimator, attribute: str, caller: str, needs: str) -> Any:
    """The estimator, or the one inside it, that has a fitted attribute (or method).

    The last step of a pipeline comes first. ``caller`` and ``needs`` name in errors who asks, and
    for what.

    Raises ``NotFittedError`` if it is not fitted, ``TypeError`` saying what was found if nothing in
    it has the attribute.
    """
    if isclass(estimator) or not hasattr(estimator, "fit"):
        found = f"the class {estimator.__name__}" if isclass(estimator) else type(estimator)
        found = found if isinstance(found, str) else f"a {found.__name__}"
        raise TypeError(f"{caller} needs {needs}, fitted; found {found}.")
    check_is_fitted(estimator)
    for part in fitted_parts(estimator):
        if hasattr(part, attribute):
            return part
    held = [type(part).__name__ for part in fitted_parts(estimator)]
    found = held[0] if len(held) == 1 else f"{held[0]} of {', '.join(held[1:])}"
    remedy = ""
    if getattr(estimator, "refit", True) is False:
        remedy = " A search keeps its best model only with refit=True."
    raise TypeError(f"{caller} needs {needs}; found {found} without {attribute}.{remedy}")


def fitted_parts(estimator: BaseEstimator) -> Iterator[BaseEstimator]:
    """The estimator and those inside it, the last step of a pipeline first."""
    yield estimator
    if isinstance(estimator, Pipeline):
        for _, step in reversed(estimator.steps):
            if hasattr(step, "fit"):
                yield from fitted_parts(step)
    for name in _INSIDE:
        if hasattr(estimator, name):
            yield from fitted_parts(getattr(estimator, name))


def risk_model_of(model: BaseEstimator, caller: str) -> RiskModel:
    """The risk model itself, or that of a fitted estimator or the one inside it."""
    if isinstance(model, RiskModel):
        return model
    needs = "a RiskModel, or a model that gives one, such as FactorBetas"
    found: RiskModel = find_fitted(model, "risk_model", caller, needs).risk_model()
    return found

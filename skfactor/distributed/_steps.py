"""Which steps may be fitted to some of the dates: those that learn nothing across dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags

from skfactor.decomposition import InstrumentedPCA
from skfactor.linear_model._panel_fit import PanelModel

# What is fitted in parts.
PartsModel: TypeAlias = PanelModel[Any] | InstrumentedPCA


def split_estimator(estimator: BaseEstimator) -> tuple[Pipeline | None, PartsModel]:
    """The steps before the model, if there are any, and the model; raise for what pools dates."""
    steps, model = None, estimator
    if isinstance(estimator, Pipeline):
        model = estimator[-1]
        steps = estimator[:-1] if len(estimator) > 1 else None
    if not isinstance(model, PanelModel | InstrumentedPCA):
        raise TypeError(
            "The estimator has to be a model of panels such as FamaMacBeth or InstrumentedPCA, or "
            f"a Pipeline that ends with one; found {model!r}."
        )
    for name, step in _leaves(steps):
        reason = _pools_dates(step)
        if reason:
            raise ValueError(
                f"The step {name!r}, {type(step).__name__}, learns across dates, but each worker "
                f"sees some of them: {reason}."
            )
    return steps, model


def _leaves(
    step: BaseEstimator | str | None, name: str = ""
) -> Iterator[tuple[str, BaseEstimator]]:
    """Transformers that do the work, with the names that lead to them."""
    inner: list[tuple[str, BaseEstimator | str]]
    if isinstance(step, Pipeline):
        inner = list(step.steps)
    elif isinstance(step, FeatureUnion):
        inner = list(step.transformer_list)
    elif isinstance(step, ColumnTransformer):
        inner = [(each, transformer) for each, transformer, _ in step.transformers]
        inner.append(("remainder", step.remainder))
    else:
        if not (step is None or isinstance(step, str)):  # "passthrough", "drop"
            yield name, step
        return
    for each, transformer in inner:
        yield from _leaves(transformer, f"{name}__{each}" if name else each)


def _pools_dates(step: BaseEstimator) -> str:
    """What a step learns across dates and what to do instead; empty if nothing."""
    if hasattr(step, "needs_all_dates"):
        reason: str = step.needs_all_dates()
        return reason
    if not get_tags(step).requires_fit:  # works row by row
        return ""
    return (
        "transform the frame first with a fitted step, or use one that works date by date, "
        "such as FactorZScorer for StandardScaler"
    )

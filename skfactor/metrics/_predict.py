"""Predictions of whatever was fitted, with the metadata that its steps ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping


def predictor(estimator: BaseEstimator) -> Any:
    """What predicts in a fitted estimator: of a search its best one, for it hands no metadata on.

    ``predict`` of a search takes X alone, so that the dates that a step needs would be lost.
    """
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def metadata_of(
    method: str, estimator: BaseEstimator, given: Mapping[str, object]
) -> dict[str, Any]:
    """The metadata given that a method asks for, by its own names; none without routing."""
    if not given or not get_config()["enable_metadata_routing"]:
        return {}
    mapping = MethodMapping().add(caller=method, callee=method)
    router = MetadataRouter(owner=method).add(estimator=estimator, method_mapping=mapping)
    wanted = router.consumes(method, list(given))
    params = {name: value for name, value in given.items() if name in wanted}
    routed = router.route_params(params=params, caller=method)
    return dict(routed.estimator[method])

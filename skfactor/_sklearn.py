"""The one file that imports private names of scikit-learn, so that one file breaks with them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.metrics._scorer import _BaseScorer as BaseScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils import estimator_html_repr
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, _check_method_params
from sklearn.utils.validation import _num_samples as num_samples

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback._callback_support import callback_management_context
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]  # in place of what is not there
        """Nothing to support."""

    def callback_management_context(estimator: object) -> AbstractContextManager[object]:
        """Nothing to manage."""
        return nullcontext(estimator)


# Pages of the API reference have this address and the names of public modules and classes.
DOCUMENTATION = "https://skfactor.readthedocs.io/en/stable"

__all__ = [
    "DOCUMENTATION",
    "BaseScorer",
    "BaseSearchCV",
    "CallbackSupportMixin",
    "Estimator",
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "begin_callbacks",
    "callback_management_context",
    "feature_names_in",
    "fit_context",
    "has_callbacks",
    "has_default_output",
    "num_samples",
    "safe_indexing",
    "take_params",
]


def feature_names_in(estimator: BaseEstimator, input_features: ArrayLike | None) -> Any:
    """Names of the features that an estimator was fitted to, or those given in their place."""
    if input_features is not None and np.ndim(input_features) != 1:
        raise ValueError(f"input_features={input_features!r} has to be a list of names.")
    return _check_feature_names_in(estimator, input_features)


def take_params(X: ArrayLike, params: Mapping[Any, object], indices: Any) -> dict[Any, Any]:
    """Metadata of some rows of X; whatever has another length is left whole.

    So is a mapping, such as of assets to groups: it is not of rows, even if it is as long as X.
    """
    of_rows = {name: value for name, value in params.items() if not isinstance(value, Mapping)}
    taken: dict[Any, Any] = {**params, **_check_method_params(X, of_rows, indices)}
    return taken


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """scikit-learn's estimator that notebooks show with its results and its own documentation."""

    _doc_link_module = "skfactor"
    _doc_link_template = DOCUMENTATION + "/api/{estimator_module}.{estimator_name}.html"

    def _html_repr(self) -> str:
        return str(estimator_html_repr(self)) + self._results_html()

    def _results_html(self) -> str:
        """HTML of what a fit found; empty before, and where there is nothing to show."""
        return ""


def has_default_output(estimator: object) -> bool:
    """Whether no ``set_output`` and no global setting rules what transform returns."""
    return bool(_get_output_config("transform", estimator)["dense"] == "default")


def has_callbacks(estimator: object) -> bool:
    """Whether anyone listens to the fit of an estimator."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def begin_callbacks(estimator: BaseEstimator, n_subtasks: int) -> Any:
    """Context of a fit's task, which informs its callbacks of it and of its subtasks."""
    return estimator._init_callback_context(max_subtasks=n_subtasks)

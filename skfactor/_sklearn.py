"""The one file that imports private names of scikit-learn, so that one file breaks with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil
from typing import Any

from numpy.linalg import LinAlgError
from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.metrics._scorer import _BaseScorer as BaseScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils import estimator_html_repr
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in as feature_names_in
from sklearn.utils.validation import _check_method_params as take_params
from sklearn.utils.validation import _num_samples as num_samples

from skfactor._kernels.threads import report_nothing

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback._callback_support import callback_management_context
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""

    def callback_management_context(estimator: object) -> AbstractContextManager[object]:
        """Nothing to manage."""
        return nullcontext(estimator)


# scikit-learn's progress bar takes time that grows with the square of the number of subtasks.
_MOST_SUBTASKS = 1000

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
    "StrOptions",
    "callback_management_context",
    "feature_names_in",
    "fit_context",
    "fit_task",
    "has_callbacks",
    "has_default_output",
    "num_samples",
    "safe_indexing",
    "sub_fit_task",
    "take_params",
]


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """scikit-learn's estimator that notebooks show with its results and its own documentation."""

    _doc_link_module = "skfactor"
    _doc_link_template = DOCUMENTATION + "/api/{estimator_module}.{estimator_name}.html"

    def _html_repr(self) -> str:
        return str(estimator_html_repr(self)) + _premia_html(self)


def _premia_html(model: Any) -> str:
    """HTML of a fitted model's summary, or of its premia where they have no errors; else empty."""
    model = getattr(model, "regressor_", model)  # inside of a formula or a transformed target
    if not (hasattr(model, "premia_") and hasattr(model, "summary")):
        return ""
    try:
        return str(model.summary().as_html())
    except (ValueError, LinAlgError):  # of one date, say: the estimates are there anyway
        return str(model.premia_.to_frame().to_html())


def has_default_output(estimator: object) -> bool:
    """Whether no ``set_output`` and no global setting rules what transform returns."""
    return bool(_get_output_config("transform", estimator)["dense"] == "default")


def has_callbacks(estimator: object) -> bool:
    """Whether anyone listens to the fit of an estimator."""
    return bool(getattr(estimator, "_skl_callbacks", None))


@contextmanager
def fit_task(
    estimator: Any, X: Any, y: Any, n_steps: int = 0, step: str = ""
) -> Iterator[Callable[[int], None]]:
    """Tell an estimator's callbacks, if it has any, that its fit begins and ends.

    What it gives is to be called with the number of steps done since the last call. A step is a
    subtask with the step's name, and of very many steps several together. None can be stopped.
    """
    if not has_callbacks(estimator):
        yield report_nothing
        return
    at_once = max(1, ceil(n_steps / _MOST_SUBTASKS))
    n_subtasks, n_done, n_reported = ceil(n_steps / at_once), 0, 0
    name = step if at_once == 1 else f"{at_once} {step}s"
    task = estimator._init_callback_context(max_subtasks=n_subtasks)
    task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)

    def report(n_more: int) -> None:
        nonlocal n_done, n_reported
        n_done += n_more
        due = n_subtasks if n_done == n_steps else n_done // at_once
        for _ in range(n_reported, due):
            subtask = task.subcontext(task_name=name)
            subtask.call_on_fit_task_begin(estimator=estimator)
            subtask.call_on_fit_task_end(estimator=estimator)
        n_reported = due

    yield report
    # Nothing is missing for a copy of the estimator to be a fitted one.
    task.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})


@contextmanager
def sub_fit_task(estimator: Any, X: Any, y: Any, inner: Any, name: str) -> Iterator[None]:
    """`fit_task` of an estimator whose one step, of this name, is the fit of an inner one.

    Callbacks that are made to be handed down are handed to the inner estimator.
    """
    if not has_callbacks(estimator):
        yield
        return
    task = estimator._init_callback_context(max_subtasks=1)
    task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    subtask = task.subcontext(task_name=name)
    with subtask.propagate_callback_context(inner):
        subtask.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
        yield
        subtask.call_on_fit_task_end(estimator=estimator, X=X, y=y)
    task.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})

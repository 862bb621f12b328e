"""How a fit runs: parameters checked, callbacks informed, and all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from functools import wraps
from inspect import signature
from math import ceil
from typing import Concatenate, ParamSpec, TypeVar

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from skfactor._kernels.threads import Done, report_nothing
from skfactor._sklearn import (
    begin_callbacks,
    callback_management_context,
    fit_context,
    has_callbacks,
)

Model = TypeVar("Model", bound=BaseEstimator)
Given = ParamSpec("Given")
Result = TypeVar("Result")
Fit = Callable[Concatenate[Model, Given], Result]

# scikit-learn's progress bar takes time that grows with the square of the number of subtasks.
_MOST_SUBTASKS = 1000


def fitting(
    *, forget: bool = True, one_task: bool = True, holds_estimators: bool = False
) -> Callable[[Fit[Model, Given, Result]], Fit[Model, Given, Result]]:
    """Decorate a `fit`: parameters are checked, callbacks informed, and a failure leaves nothing.

    A fit forgets what an earlier one learned, and restores that if it fails: otherwise a model that
    was fitted, and then failed to fit other data, would mix the two.

    Parameters
    ----------
    forget : bool, default=True
        False is for a `partial_fit`.
    one_task : bool, default=True
        Whether callbacks see one task; False if the `fit` reports its own, by `fit_task`.
    holds_estimators : bool, default=False
        Whether parameters are estimators, which check their own parameters.
    """

    def decorate(fit: Fit[Model, Given, Result]) -> Fit[Model, Given, Result]:
        takes = signature(fit)

        @wraps(fit)
        def guarded(self: Model, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
            before = vars(self).copy()
            try:
                for name in before if forget else ():
                    if name.endswith("_") and not name.startswith("_"):
                        delattr(self, name)
                task: AbstractContextManager[object] = nullcontext()
                if one_task and has_callbacks(self):
                    data = takes.bind_partial(self, *args, **kwargs).arguments
                    task = fit_task(self, data.get("X"), data.get("y"))
                with callback_management_context(self), task:
                    # An interrupted np.errstate stays in its context, so this is one to throw away.
                    return copy_context().run(fit, self, *args, **kwargs)
            except BaseException:
                self.__dict__ = before  # in one step, which no second interrupt can part
                raise

        checked: Fit[Model, Given, Result] = fit_context(
            prefer_skip_nested_validation=not holds_estimators
        )(guarded)
        return checked

    return decorate


@contextmanager
def fit_task(
    estimator: BaseEstimator,
    X: ArrayLike | None,
    y: ArrayLike | None,
    n_steps: int = 0,
    step: str = "",
) -> Iterator[Done]:
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
    task = begin_callbacks(estimator, n_subtasks)
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
def sub_fit_task(
    estimator: BaseEstimator,
    X: ArrayLike | None,
    y: ArrayLike | None,
    inner: BaseEstimator,
    name: str,
) -> Iterator[None]:
    """`fit_task` of an estimator whose one step, of this name, is the fit of an inner one.

    Callbacks that are made to be handed down are handed to the inner estimator.
    """
    if not has_callbacks(estimator):
        yield
        return
    task = begin_callbacks(estimator, 1)
    task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    subtask = task.subcontext(task_name=name)
    with subtask.propagate_callback_context(inner):
        subtask.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
        yield
        subtask.call_on_fit_task_end(estimator=estimator, X=X, y=y)
    task.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})

"""Changes to the whole process that calls in several threads share: BLAS threads, muted warnings.

The first call that needs a change makes it, the last one takes it back, in whatever order they end
and whether they return, raise or are interrupted. They are decorators and not context managers: an
interrupt that comes as Python enters an ``__exit__`` skips it.
"""

from __future__ import annotations

import os
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import cache, wraps
from threading import RLock
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import LibController, ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")


class _Shared(ABC):
    """A change of the process that is there while at least one call needs it."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):  # a child has one thread, and needs nothing yet
            os.register_at_fork(after_in_child=self._renew_in_child)

    def _renew(self) -> None:
        self._lock = RLock()
        self._calls: set[object] = set()

    def _renew_in_child(self) -> None:
        self._renew()
        self._undo()

    @abstractmethod
    def _make(self) -> None:
        """Make the change, if it is not there: others may have taken it back."""

    @abstractmethod
    def _undo(self) -> None:
        """Take it back, if it is there; interrupted, it is called again."""

    def _enter(self, call: object) -> None:
        with self._lock:
            self._calls.add(call)
            self._make()

    def _leave(self, call: object) -> None:
        with self._lock:
            self._calls.discard(call)
            if not self._calls:
                self._undo()

    def during(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, with the change made while it runs."""

        @wraps(function)
        def changed(*args: P.args, **kwargs: P.kwargs) -> R:
            call = object()
            try:
                self._enter(call)
                # An interrupted np.errstate stays in its context, so this is one to throw away.
                return copy_context().run(function, *args, **kwargs)
            finally:
                try:
                    self._leave(call)
                except BaseException:  # an interrupt, perhaps before it began
                    self._leave(call)
                    raise

        return changed


class _SingleBlasThread(_Shared):
    def __init__(self) -> None:
        self._before: list[tuple[LibController, int]] = []
        super().__init__()

    def _make(self) -> None:
        if not self._before:
            found = [(library, library.get_num_threads()) for library in _blas()]
            self._before = [(library, n_threads) for library, n_threads in found if n_threads > 1]
        for library, _ in self._before:
            library.set_num_threads(1)

    def _undo(self) -> None:
        for library, n_threads in self._before:
            if library.get_num_threads() == 1:  # else somebody else has set it meanwhile
                _set_from_any_thread(library, n_threads)
        self._before = []


@cache
def _blas() -> list[LibController]:
    """Found once: looking for the loaded libraries takes longer than a small fit."""
    found: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


def _set_from_any_thread(library: LibController, n_threads: int) -> None:
    """Set it even if another thread was the last; since threadpoolctl 3.8 only that one could."""
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(n_threads)
    if release is not None:
        release()


_single_blas_thread = _SingleBlasThread()


def single_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function of small products with one BLAS thread: handing them out costs more."""
    return _single_blas_thread.during(function)


class _Muted(_Shared):
    """A filter of warnings that ignores those of the calls that asked for it, in their thread.

    Python asks the pattern of a filter whether it matches the text of a warning. scikit-learn reads
    that pattern to make the same filter in its own workers.
    """

    def __init__(self, category: type[Warning], text: str) -> None:
        self._asked = ContextVar("asked", default=False)
        self._text = re.compile(text)
        self._filter: Any = ("ignore", self, category, None, 0)
        super().__init__()

    def match(self, text: str) -> bool:
        return self._asked.get() and self._text.match(text) is not None

    @property
    def pattern(self) -> str:
        return self._text.pattern if self._asked.get() else "(?!)"  # which nothing matches

    def __reduce__(self) -> tuple[Any, ...]:
        return re.compile, (self.pattern,)

    def _make(self) -> None:
        filters: Any = warnings.filters
        if self._filter not in filters:
            filters.insert(0, self._filter)

    def _undo(self) -> None:
        filters: Any = warnings.filters
        while self._filter in filters:
            filters.remove(self._filter)

    def during(self, function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def asking(*args: P.args, **kwargs: P.kwargs) -> R:
            before = self._asked.set(True)
            try:
                return function(*args, **kwargs)
            finally:
                self._asked.reset(before)

        return super().during(asking)


_mutes: dict[tuple[type[Warning], str], _Muted] = {}


def _mute_of(category: type[Warning], text: str) -> _Muted:
    if (category, text) not in _mutes:
        _mutes.setdefault((category, text), _Muted(category, text))
    return _mutes[category, text]


def muted(
    function: Callable[P, R], category: type[Warning] = Warning, text: str = ""
) -> Callable[P, R]:
    """The function without warnings of a category whose texts begin so, in its thread only."""
    return _mute_of(category, text).during(function)

"""Warnings at the line of the person who has to act on them."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

R = TypeVar("R")

# Packages between that line and a warning: estimators call one another, pipelines and searches too.
_BETWEEN = {"skfactor", "sklearn", "joblib"}


# Where warnings of this thread are kept in place of being given.
_kept: ContextVar[list[str] | None] = ContextVar("kept", default=None)


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line that is neither of this package nor of scikit-learn."""
    kept = _kept.get()
    if kept is not None:
        kept.append(message)
        return
    frame, level = inspect.currentframe(), 1
    while frame is not None and _package(frame.f_globals) in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def with_warnings(call: Callable[[], R]) -> tuple[R, list[str]]:
    """What a call returns, and what it would have warned of, to be said elsewhere.

    For this thread only, where ``warnings.catch_warnings`` is for all of them.
    """
    messages: list[str] = []
    before = _kept.set(messages)
    try:
        return call(), messages
    finally:
        _kept.reset(before)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__")).partition(".")[0]

"""Warnings at the line of the person who has to act on them."""

from __future__ import annotations

import inspect
import warnings

# Packages between that line and a warning: estimators call one another, pipelines and searches too.
_BETWEEN = {"skfactor", "sklearn", "joblib"}


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line that is neither of this package nor of scikit-learn."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and _package(frame.f_globals) in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__")).partition(".")[0]

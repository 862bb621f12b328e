"""The one file that imports private names of scikit-learn, so that one file breaks with them."""

from __future__ import annotations

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import _get_output_config

__all__ = ["HasMethods", "Interval", "StrOptions", "fit_context", "has_default_output"]


def has_default_output(estimator: object) -> bool:
    """Whether no ``set_output`` and no global setting rules what transform returns."""
    return bool(_get_output_config("transform", estimator)["dense"] == "default")

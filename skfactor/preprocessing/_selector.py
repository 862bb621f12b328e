"""FactorSelector: keep the named columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skfactor._fitting import fitting
from skfactor._sklearn import (
    CallbackSupportMixin,
    Estimator,
    feature_names_in,
    safe_indexing,
)
from skfactor._validation import match_labels, raise_if_repeated


class FactorSelector(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    TransformerMixin,  # type: ignore[misc]
    Estimator,
):
    """Keep the named factors, in the order in which they are named.

    A first step by which a search compares sets of factors: its parameter grid is a list of lists
    of names.

    Parameters
    ----------
    factors : list, callable or None, default=None
        Names of the columns to keep, or positions in an array, which has no names. A callable finds
        them in the X of `fit`, as ``sklearn.compose.make_column_selector`` does. None keeps all.

    Attributes
    ----------
    factors_ : list
        Names (positions in an array) of the columns that are kept.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    Notes
    -----
    Values are handed on as they are, with their types, their index and what is missing. Columns
    that are not kept may hold anything, also text. A frame in `transform` may have its columns in
    another order, and others beside them.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorSelector, FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.model_selection import PurgedKFold
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135][VM]").sub(french["RF"], axis=0)
    >>> sets = [["MktRF"], ["MktRF", "SMB", "HML"], ["MktRF", "SMB", "HML", "Mom"]]
    >>> pipeline = make_pipeline(FactorSelector(), FamaMacBeth())
    >>> search = GridSearchCV(pipeline, {"factorselector__factors": sets}, cv=PurgedKFold())
    >>> search.fit(french, returns).best_params_
    {'factorselector__factors': ['MktRF', 'SMB', 'HML', 'Mom']}
    """

    _parameter_constraints: ClassVar = {"factors": ["array-like", callable, None]}

    def __init__(
        self, factors: list[Any] | Callable[[ArrayLike], list[Hashable]] | None = None
    ) -> None:
        self.factors = factors

    @fitting()
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Find the columns.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Values of any type.
        y : array-like, optional
            Not used.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X has no column of such a name, or one is named twice.
        """
        self._check(X, reset=True)
        known = self._known(X)
        chosen = self.factors(X) if callable(self.factors) else self.factors
        wanted = known if chosen is None else list(chosen)
        # As a position True would be 1: a mask is not a list of names.
        unknown = [name for name in wanted if isinstance(name, bool | np.bool_ | list | np.ndarray)]
        unknown = unknown or [name for name in wanted if name not in known]
        if unknown:
            raise ValueError(f"factors names {unknown}, which are not among {known}.")
        if not wanted:
            raise ValueError(f"factors names no column. Take some of {known}.")
        raise_if_repeated(pd.Index(wanted), "factors")
        self.factors_ = wanted
        self._places = [known.index(name) for name in wanted]
        return self

    def transform(self, X: Any) -> Any:
        """Keep the columns.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Values of the same features as in `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_factors)
            A copy, in the container, order and index of X.
        """
        check_is_fitted(self)
        values = self._check(self._as_in_fit(X), reset=False)
        if isinstance(values, pd.DataFrame):
            kept = values.iloc[:, self._places].copy()
            if not hasattr(self, "feature_names_in_") and X.columns.map(type).isin([str]).all():
                kept.columns = self.get_feature_names_out()  # fitted on arrays, without names
            return kept
        return safe_indexing(values, self._places, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the columns that are kept.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the features where `fit` saw none.

        Returns
        -------
        ndarray of shape (n_factors,)
        """
        check_is_fitted(self)
        return feature_names_in(self, input_features)[self._places]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _as_in_fit(self, X: ArrayLike) -> ArrayLike:
        """A frame that holds the columns of `fit`, in their order."""
        fitted = getattr(self, "feature_names_in_", getattr(self, "column_labels_", None))
        if not isinstance(X, pd.DataFrame) or fitted is None or not X.columns.is_unique:
            return X
        fitted = list(fitted)
        if list(X.columns) == fitted or not set(fitted) <= set(X.columns):
            return X
        return X.iloc[:, [list(X.columns).index(name) for name in fitted]]

    def _check(self, X: ArrayLike, *, reset: bool) -> Any:
        """X, a frame as it is: columns that are not kept need not be numbers."""
        if isinstance(X, pd.DataFrame):
            raise_if_repeated(X.columns, "X")
        is_frame = hasattr(X, "columns")
        values = validate_data(
            self, X, reset=reset, skip_check_array=is_frame, ensure_all_finite=False
        )
        match_labels(self, X, reset=reset)
        return values

    def _known(self, X: ArrayLike) -> list[Any]:
        """Names of the columns, or their positions."""
        for attribute in ("column_names", "columns"):  # of pyarrow, and of the others
            if hasattr(X, attribute):
                return list(getattr(X, attribute))
        return list(range(self.n_features_in_))

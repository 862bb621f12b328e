"""total_r2_scorer: what latent factors explain of assets that they were not made of."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skfactor.metrics._predict import predictor


def total_r2_scorer(estimator: BaseEstimator, X: ArrayLike, y: ArrayLike) -> float:
    """Score latent factors of held-out dates by assets that they were not estimated from.

    A scorer for ``scoring=``. On each date of X the latent factors are estimated from one half of
    the assets, given the coefficients of `fit`, and explain the returns of the other half, and the
    other way round. The share of the squared returns that is explained does not rise by itself with
    the number of factors, as it does where factors explain what they are made of.

    Parameters
    ----------
    estimator : InstrumentedPCA, or a pipeline or search that ends in one
        Fitted. Steps before it transform X.
    X : array-like of shape (n_rows, n_features)
        Characteristics; the dates are in its index or in that of y.
    y : array-like of shape (n_rows,)
        Returns.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If the estimator has no latent factors of this kind.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorRanker, InstrumentedPCA
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import total_r2_scorer
    >>> from skfactor.model_selection import WalkForwardSplit
    >>> X, y = make_panel(60, 50, 4, random_state=0, return_X_y=True)
    >>> pipe = make_pipeline(FactorRanker(), InstrumentedPCA(2))
    >>> cross_val_score(pipe, X, y, cv=WalkForwardSplit(3), scoring=total_r2_scorer).shape
    (3,)
    """
    fitted: Any = predictor(estimator)
    while isinstance(fitted, Pipeline):
        if len(fitted) > 1:
            X = fitted[:-1].transform(X)
        fitted = predictor(fitted[-1])
    if not hasattr(fitted, "total_r2"):
        raise TypeError(
            "total_r2_scorer needs a model with latent factors of each date, such as "
            f"InstrumentedPCA, or a pipeline that ends with one; found {type(fitted).__name__}."
        )
    return float(fitted.total_r2(X, y))

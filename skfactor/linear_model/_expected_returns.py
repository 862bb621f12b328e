"""Expected returns, of the row's own asset or of one asset per column, and their score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.linalg import LinAlgError
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from statsmodels.iolib.summary import Summary

from skfactor._passes.cross_sections import average_over_time
from skfactor._sklearn import CallbackSupportMixin, Estimator
from skfactor._typing import Float64Array
from skfactor._validation import (
    check_row_weights,
    is_one_of,
    target_names,
    validate_features,
    validate_target,
)
from skfactor.inference._premia import PremiaInference


def premia_html(model: BaseEstimator) -> str:
    """HTML of a fitted model's summary, or of its premia where they have no errors; else empty."""
    if not (hasattr(model, "premia_") and hasattr(model, "summary")):
        return ""
    try:
        return str(model.summary().as_html())
    except (ValueError, LinAlgError):  # of one date, say: the estimates are there anyway
        return str(model.premia_.to_frame().to_html())


def raise_for_kind(model: BaseEstimator, method: str, covariance: object, instead: str) -> None:
    """Raise ``ValueError`` for a kind of covariance, where a model has one kind only."""
    if not is_one_of(covariance, ("auto",)):
        raise ValueError(
            f"{type(model).__name__}.{method} has one kind of covariance, and "
            f"covariance={covariance!r} is not one of its own. Leave it out; {instead}"
        )


class ExpectedReturns(CallbackSupportMixin, RegressorMixin, Estimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A model that predicts expected returns; its `fit` stores ``expected_returns_`` of assets."""

    expected_returns_: pd.Series
    inference: Callable[..., PremiaInference]
    _target_shape: tuple[int, ...] = ()

    def _predict_rows(self, X: ArrayLike, values: Any) -> Float64Array | None:
        """Expected returns (n_rows,) of the row's own asset; None if the assets are columns."""
        return None

    def predict(self, X: ArrayLike) -> Float64Array:
        """Expected returns.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            What it was in `fit`: rows of a panel (exposures, or factors where each row has its
            date and asset), or factor returns of any periods, of which only the number matters.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_periods, n_assets)
            In decimals. Of a panel: zero-beta rate plus exposures times premia, NaN where an
            exposure is NaN or the asset unknown. With one column per asset each row is
            ``expected_returns_``.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        expected = self._predict_rows(X, values)
        if expected is None:
            expected = np.tile(self.expected_returns_.to_numpy(), (len(values), 1))
        return expected.reshape(len(values), *self._target_shape)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """R squared of the expected returns.

        Parameters
        ----------
        X, y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row.

        Returns
        -------
        float
            With one column of y: R squared of `predict` over all rows without NaN. With one
            column per asset: R squared over the assets of ``expected_returns_`` against their
            average returns in y.

        Raises
        ------
        ValueError
            If y has other assets than in `fit`.
        """
        return self._score(self.predict(X), X, y, sample_weight)

    def _score(
        self, expected: Float64Array, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> float:
        """R squared of expected returns of the rows of X."""
        target = validate_target(self, X, y)
        weights = check_row_weights(sample_weight, X, len(target), "sample_weight")
        if expected.ndim == 2 and expected.shape[1] > 1:
            assets = self.expected_returns_.index
            if target.shape != expected.shape or not target_names(y, len(assets)).equals(assets):
                raise ValueError(
                    f"y has other assets than the {len(assets)} of fit: its columns need their "
                    f"names and order, {list(assets[:5])} ..."
                )
            actual, weights = average_over_time(target, weights), None
            expected = self.expected_returns_.to_numpy()
        else:
            actual, expected = target.reshape(-1), expected.reshape(-1)
        known = np.isfinite(actual) & np.isfinite(expected)
        if np.count_nonzero(known) < 2:
            return float("nan")
        kept = None if weights is None else weights[known]
        return float(r2_score(actual[known], expected[known], sample_weight=kept))

    def summary(self, covariance: str = "auto", **options: Any) -> Summary:
        """Table of `inference`: prints, and renders as LaTeX and HTML.

        Parameters
        ----------
        covariance, **options
            As in `inference`.

        Returns
        -------
        Summary
            Of statsmodels.
        """
        return self._summarized(self.inference(covariance, **options)).summary()

    def _summarized(self, inference: PremiaInference) -> PremiaInference:
        """The inference that a summary shows."""
        return inference

    def _results_html(self) -> str:
        return premia_html(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

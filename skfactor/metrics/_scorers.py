"""Scorers for cross-validation: they find the dates, and hand routed metadata on to predict."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer as sklearn_scorer
from sklearn.metrics import get_scorer_names

from skfactor._dates import is_dated
from skfactor._panel import check_same_rows
from skfactor._sklearn import BaseScorer
from skfactor.metrics._ic import ic, icir, rank_ic
from skfactor.metrics._predict import metadata_of, predictor
from skfactor.metrics._quantiles import long_short_sharpe
from skfactor.metrics._r2 import cross_sectional_r2_score, pricing_rmse, r2_zero
from skfactor.metrics._stability import quantile_turnover, rank_autocorrelation

# What the steps of a pipeline may ask for in predict.
_METADATA = ("dates", "assets", "groupby", "weights")


class ForecastScorer(BaseScorer):  # type: ignore[misc]  # scikit-learn is untyped
    """A metric of predictions as a scorer for ``scoring=``.

    Like `sklearn.metrics.make_scorer`, and in addition

    - dates (and assets) come from routed metadata, else from the index of X, else from that of y;
    - with metadata routing, ``dates``, ``assets``, ``groupby`` and ``weights`` are requested and
      handed on to ``predict`` where a step of the estimator wants them, so that pipelines on plain
      arrays can be scored. A metric gets of them what it has a parameter for, but ``groupby`` only
      if the scorer was made with ``within_groups=True``;
    - a fitted search is scored through its best estimator, since its own ``predict`` takes no
      metadata;
    - ``sample_weight`` goes to the metric where ``set_score_request(sample_weight=True)`` asks for
      it. Metadata that neither the metric nor ``predict`` uses raises.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_pred, **options)``, or ``metric(y_pred, **options)`` for one that needs
        no outcomes. It gets ``dates=`` and ``assets=`` if it has these parameters.
    greater_is_better : bool, default=True
        False makes the score the negative of the metric.
    within_groups : bool, default=False
        Whether routed ``groupby`` goes to the metric too, for correlations within groups.
    **options
        Further arguments of the metric.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold, cross_val_score
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.metrics import ForecastScorer, long_short_sharpe
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> scorer = ForecastScorer(long_short_sharpe, n_quantiles=5)
    >>> scorer
    ForecastScorer(long_short_sharpe, n_quantiles=5)
    >>> folds = list(GroupKFold(3).split(X, y, groups=X.index.codes[0]))
    >>> cross_val_score(FamaMacBeth(), X, y, cv=folds, scoring=scorer).shape
    (3,)
    """

    def __init__(
        self,
        metric: Callable[..., float],
        *,
        greater_is_better: bool = True,
        within_groups: bool = False,
        **options: object,
    ) -> None:
        super().__init__(metric, 1 if greater_is_better else -1, options, "predict")
        self._within_groups = within_groups
        parameters = inspect.signature(metric).parameters
        unknown = sorted(set(options) - set(parameters))
        if unknown:
            raise TypeError(f"{metric.__name__} has no parameters {unknown}.")
        if within_groups and "groupby" not in parameters:
            raise TypeError(f"{metric.__name__} has no groupby, so it cannot look within groups.")
        self._accepts = set(parameters)
        self._usable = {*_METADATA, *self._accepts} - {"y_true", "y_pred"}
        with config_context(enable_metadata_routing=True):
            self._ask_for(dict.fromkeys(_METADATA, True))

    def set_score_request(self, **kwargs: object) -> ForecastScorer:
        """Make a scorer that asks for more or other metadata; this one stays as it is.

        The scorers of this package are shared, as ``ic_scorer`` is: a request that one
        cross-validation needs must not weight the scores of others.

        Parameters
        ----------
        **kwargs
            For each name True, False, None, or the name under which it is passed.

        Returns
        -------
        ForecastScorer
            A copy with these requests, and those of this scorer for other names.

        Raises
        ------
        TypeError
            If neither the metric nor ``predict`` uses a name.
        """
        self._raise_if_useless([name for name, request in kwargs.items() if request])
        requested = deepcopy(self)
        requested._ask_for(self._requests | kwargs)
        return requested

    def _ask_for(self, requests: dict[str, object]) -> None:
        self._requests = requests  # kept, since scikit-learn forgets those of earlier calls
        super().set_score_request(**requests)

    def _raise_if_useless(self, names: list[str]) -> None:
        useless = sorted(set(names) - self._usable)
        if useless:
            raise TypeError(
                f"{self!r} has no use for {useless}: {self._score_func.__name__} takes "
                f"{sorted(self._usable & self._accepts)}. Do not request or pass what would be "
                "ignored."
            )

    def __call__(
        self, estimator: BaseEstimator, X: ArrayLike, y_true: ArrayLike, **metadata: object
    ) -> float:
        """Score the predictions for X.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a ``predict``.
        X : array-like of shape (n_rows, n_features)
            What it predicts from.
        y_true : array-like of shape (n_rows,) or (n_periods, n_assets)
            Outcomes.
        **metadata
            ``dates``, ``assets``, ``groupby``, ``weights`` or ``sample_weight``, one per row.

        Returns
        -------
        float
        """
        return self._score(_predict, estimator, X, y_true, **metadata)

    def _score(
        self,
        method_caller: Callable[..., Any],
        estimator: BaseEstimator,
        X: ArrayLike,
        y_true: ArrayLike,
        **metadata: object,
    ) -> float:
        given = {name: value for name, value in metadata.items() if value is not None}
        self._raise_if_useless(list(given))
        fitted = predictor(estimator)
        passed = metadata_of("predict", fitted, given)
        if passed:
            predicted = fitted.predict(X, **passed)
        else:
            # scikit-learn's caller keeps the predictions for other scorers.
            predicted = method_caller(estimator, "predict", X)
        check_same_rows(X, y_true)
        labels = {} if self._within_groups else {"groupby": None}
        options = {
            name: value
            for name, value in (given | labels | self._kwargs).items()
            if name in self._accepts and value is not None
        }
        if "dates" in self._accepts and "dates" not in options:
            index = next((i for i in map(_row_index, (X, y_true)) if i is not None), None)
            if index is not None:
                options["dates"] = index
        outcomes = {"y_true": y_true} if "y_true" in self._accepts else {}
        value = self._score_func(**outcomes, y_pred=predicted, **options)
        return float(self._sign * value)

    def __repr__(self) -> str:
        name = getattr(self._score_func, "__name__", repr(self._score_func))
        sign = [] if self._sign > 0 else ["greater_is_better=False"]
        within = ["within_groups=True"] if self._within_groups else []
        options = [f"{key}={value!r}" for key, value in self._kwargs.items()]
        return f"ForecastScorer({', '.join([name, *sign, *within, *options])})"


def _predict(estimator: BaseEstimator, method: str, X: ArrayLike) -> Any:
    if not hasattr(estimator, method):
        raise ValueError(f"{estimator!r} has no {method}. Pass a model that was fitted.")
    return getattr(estimator, method)(X)


def _row_index(data: object) -> pd.Index | None:
    """The index of the rows if it tells their dates."""
    if isinstance(data, pd.DataFrame | pd.Series):
        index: pd.Index = data.index
        if isinstance(index, pd.MultiIndex) or is_dated(index):
            return index
    return None


ic_scorer = ForecastScorer(ic)
rank_ic_scorer = ForecastScorer(rank_ic)
icir_scorer = ForecastScorer(icir)
r2_zero_scorer = ForecastScorer(r2_zero)
long_short_sharpe_scorer = ForecastScorer(long_short_sharpe)
rank_autocorrelation_scorer = ForecastScorer(rank_autocorrelation)
neg_quantile_turnover_scorer = ForecastScorer(quantile_turnover, greater_is_better=False)
cross_sectional_r2_scorer = ForecastScorer(cross_sectional_r2_score)
neg_pricing_rmse_scorer = ForecastScorer(pricing_rmse, greater_is_better=False)
SCORERS = {
    "ic": ic_scorer,
    "rank_ic": rank_ic_scorer,
    "icir": icir_scorer,
    "r2_zero": r2_zero_scorer,
    "long_short_sharpe": long_short_sharpe_scorer,
    "rank_autocorrelation": rank_autocorrelation_scorer,
    "neg_quantile_turnover": neg_quantile_turnover_scorer,
    "cross_sectional_r2": cross_sectional_r2_scorer,
    "neg_pricing_rmse": neg_pricing_rmse_scorer,
}


def get_scorer(scoring: str | Callable[..., float]) -> Callable[..., float]:
    """Scorer of a name, of this package or of scikit-learn.

    Parameters
    ----------
    scoring : str or callable
        "ic", "rank_ic", "icir", "r2_zero", "long_short_sharpe", "rank_autocorrelation",
        "neg_quantile_turnover", "cross_sectional_r2", "neg_pricing_rmse", or a name that
        ``sklearn.metrics.get_scorer`` knows. A callable is returned as it is.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, for ``scoring=`` of scikit-learn too. Functions of this
        package take the names themselves; scikit-learn's do not know them.

    Raises
    ------
    ValueError
        If nothing has this name.

    Examples
    --------
    >>> from skfactor.metrics import get_scorer
    >>> get_scorer("rank_ic")
    ForecastScorer(rank_ic)
    """
    if callable(scoring):
        return scoring
    name: object = scoring
    known = isinstance(name, str)
    if known and scoring in SCORERS:
        return SCORERS[scoring]
    if not known or scoring not in get_scorer_names():
        raise ValueError(
            f"scoring={scoring!r} is not a scorer: neither one of {sorted(SCORERS)}, nor one of "
            "sklearn.metrics.get_scorer_names()."
        )
    scorer: Callable[..., float] = sklearn_scorer(scoring)
    return scorer

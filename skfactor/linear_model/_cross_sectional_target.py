"""CrossSectionalTargetRegressor: fit to returns that were ranked or scaled date by date."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skfactor._dates import is_dated
from skfactor._fitting import fitting, sub_fit_task
from skfactor._known_targets import unknown_left_out
from skfactor._limits import muted
from skfactor._panel import only_numbers_rows, time_index
from skfactor._sklearn import CallbackSupportMixin, Estimator, HasMethods
from skfactor._typing import Float64Array
from skfactor._undated import warn_undated
from skfactor._validation import raise_if_repeated, target_names, validate_target
from skfactor.exceptions import NoDatesWarning
from skfactor.linear_model._expected_returns import premia_html
from skfactor.linear_model._fama_macbeth import FamaMacBeth
from skfactor.preprocessing import FactorZScorer

# What each method calls of the transformer; of the regressor it calls its own like.
_TARGET_CALLS = {"fit": ("fit", "transform"), "predict": (), "score": ("transform",)}


class CrossSectionalTargetRegressor(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    MetaEstimatorMixin,  # type: ignore[misc]
    RegressorMixin,  # type: ignore[misc]
    Estimator,
):
    """Fit a regressor to a target that is transformed date by date.

    Ranks or z-scores of returns within their date take the level and the spread of the market out
    of what is to be learned. `sklearn.compose.TransformedTargetRegressor` cannot do that: it strips
    y of its index, and it demands an inverse, which a rank does not have.

    The transformer sees the target as a frame of one column that carries the dates: from the
    index of X or y, or from ``dates=``. With one column per asset in y it sees the same frame, one
    row per date and asset, indexed by both. A transformer of this package then works date by date,
    in either form; one that knows no dates learns from all the cells of the training rows
    together.

    Predictions are those of the regressor, **on the scale of the transformed target**: a rank or a
    z-score, not a return.

    Parameters
    ----------
    regressor : estimator or None, default=None
        Model to fit; cloned. None is `skfactor.FamaMacBeth()`. It can be a pipeline that
        preprocesses X too.
    transformer : estimator or None, default=None
        Transformer of the target; cloned. None is ``FactorZScorer(indicators=None)``.

    Attributes
    ----------
    regressor_ : estimator
        The fitted model.
    transformer_ : estimator
        The fitted transformer of the target.
    n_features_in_ : int
        Number of features, if the regressor has it.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if the regressor has them.

    Notes
    -----
    `score` is that of the regressor against the transformed target. Scores of different
    transformers are then in different units. To choose between them use a scorer that does not
    depend on the scale, such as a rank correlation within each date, which sees predictions
    beside the returns themselves; mean squared errors of such a pair mean nothing.

    To clip all returns at the percentiles of all dates and assets together, as is often seen, use
    a transformer that knows no dates, such as ``FunctionTransformer(lambda r: r.clip(*
    np.nanpercentile(r, [1, 99])))``. To clip each column of a wide y at its own percentiles over
    time, do so before: ``y.clip(y.quantile(0.01), y.quantile(0.99), axis=1)``. Both take extremes
    of one date from other dates.

    Examples
    --------
    >>> from sklearn.model_selection import KFold, cross_val_score
    >>> from skfactor import CrossSectionalTargetRegressor, FamaMacBeth, FactorZScorer
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> model = CrossSectionalTargetRegressor(FamaMacBeth(), FactorZScorer(clip=3.0))
    >>> cross_val_score(model, X, y, cv=KFold(3)).shape
    (3,)

    Returns in wide form, clipped at the percentiles of each month:

    >>> from skfactor import Winsorizer
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135][VM]").sub(french["RF"], axis=0)
    >>> model = CrossSectionalTargetRegressor(FamaMacBeth(), Winsorizer(0.05, 0.95))
    >>> model.fit(french[["MktRF", "HML", "Mom"]], returns).regressor_.premia_.round(4)
    const    0.0024
    MktRF    0.0050
    HML      0.0043
    Mom      0.0086
    Name: premium, dtype: float64
    """

    _parameter_constraints: ClassVar = {
        "regressor": [HasMethods(["fit", "predict", "get_params"]), None],
        "transformer": [HasMethods(["fit", "transform", "get_params"]), None],
    }

    def __init__(
        self, regressor: BaseEstimator | None = None, transformer: BaseEstimator | None = None
    ) -> None:
        self.regressor = regressor
        self.transformer = transformer

    @fitting(one_task=False, holds_estimators=True)
    def fit(self, /, X: ArrayLike, y: ArrayLike, **fit_params: object) -> Self:
        """Transform the target and fit the regressor to it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            What the regressor takes.
        y : array-like of shape (n_rows,) or (n_periods, n_assets)
            Returns. Rows without one are transformed by all steps of the regressor; only a last
            one that is not of this package is fitted without them.
        **fit_params
            ``dates``, ``groupby``, ``weights``, ``sample_weight`` and others. With metadata
            routing enabled they go to the estimators that request them. Without it they go to the
            transformer and the regressor if their methods have a parameter of that name, else to
            the regressor.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y is missing, infinite or text, its index differs from that of X, or the
            transformer does not give one column.

        Warns
        -----
        NoDatesWarning
            If y has one column and there are no dates, so that all rows make one cross-section.
        """
        target = validate_target(self, X, y)
        params = self._route("fit", fit_params)
        self.transformer_ = clone(self._transformer())
        transformed = self._transform(X, y, target, fit_params, params, fit=True)
        self.regressor_ = clone(self._regressor())
        with (
            sub_fit_task(self, X, y, self.regressor_, "fit-regressor"),
            unknown_left_out(self.regressor_),
        ):
            self.regressor_.fit(X, transformed, **params["regressor"]["fit"])
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.regressor_, name):
                setattr(self, name, getattr(self.regressor_, name))
        return self

    def predict(self, X: ArrayLike, **predict_params: object) -> Any:
        """Predict with the regressor, on the scale of the transformed target.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            What the regressor takes.
        **predict_params
            As in `fit`, for the regressor.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_periods, n_assets)
            What the regressor predicts; nothing is transformed back.
        """
        check_is_fitted(self)
        params = self._route("predict", predict_params)
        return self.regressor_.predict(X, **params["regressor"]["predict"])

    @available_if(lambda self: hasattr(self._regressor(), "score"))  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def score(self, X: ArrayLike, y: ArrayLike, **score_params: object) -> float:
        """Score of the regressor against the target, transformed as in `fit`.

        Parameters
        ----------
        X, y : array-like
            As in `fit`. A transformer that works date by date uses the dates of these rows.
        **score_params
            As in `fit`.

        Returns
        -------
        float
            What the regressor's own `score` gives.
        """
        check_is_fitted(self)
        params = self._route("score", score_params)
        target = validate_target(self, X, y)
        transformed = self._transform(X, y, target, score_params, params, fit=False)
        with unknown_left_out(self.regressor_):
            score = self.regressor_.score(X, transformed, **params["regressor"]["score"])
        return float(score)

    def get_metadata_routing(self) -> MetadataRouter:
        """Which metadata goes where: to the transformer and the regressor, as they request."""
        target, model = MethodMapping(), MethodMapping()
        for method, calls in _TARGET_CALLS.items():
            model.add(caller=method, callee=method)
            for call in calls:
                target.add(caller=method, callee=call)
        router = MetadataRouter(owner=type(self).__name__)
        router.add(transformer=self._transformer(), method_mapping=target)
        return router.add(regressor=self._regressor(), method_mapping=model)

    def _transformer(self) -> BaseEstimator:
        return FactorZScorer(indicators=None) if self.transformer is None else self.transformer

    def _regressor(self) -> BaseEstimator:
        return FamaMacBeth() if self.regressor is None else self.regressor

    def _route(self, method: str, params: Mapping[str, object]) -> Any:
        """Parameters for the methods of the transformer and of the regressor, by their names."""
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, method, **params)
        for_target = {
            call: {
                name: params[name]
                for name in params.keys() & _parameters(self._transformer(), call)
            }
            for call in _TARGET_CALLS[method]
        }
        taken = set().union(*for_target.values()) - _parameters(self._regressor(), method)
        rest = {name: value for name, value in params.items() if name not in taken}
        return {"transformer": for_target, "regressor": {method: rest}}

    def _transform(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        target: Float64Array,
        passed: Mapping[str, object],
        params: Any,
        *,
        fit: bool,
    ) -> Any:
        """The transformed target, in the container of y and with an index, if there is one."""
        given = {name: dict(values) for name, values in params["transformer"].items()}
        index = _row_index(X, y, len(target))
        cells = index
        if target.ndim == 2 and target.shape[1] > 1:
            cells = _cell_index(X, y, target, passed.get("dates"))
            for values in given.values():
                values.pop("dates", None)  # they are in the index now
                if values:
                    raise ValueError(
                        f"{sorted(values)} are one value per row of a panel; y has one column an "
                        "asset, so that each row is a period. Leave them out, or pass a panel."
                    )
        column = pd.DataFrame({"y": target.reshape(-1)}, index=cells)
        if fit:
            fit_transformer = self.transformer_.fit
            if passed.get("dates") is None and not _says_dates(cells):
                if getattr(self.transformer_, "date_level", "auto") is not None:
                    warn_undated(
                        X,
                        "the target is transformed over all rows together",
                        " of the transformer",
                    )
                fit_transformer = muted(fit_transformer, NoDatesWarning)  # it would say so too
            fit_transformer(column, **given["fit"])
        result = np.asarray(self.transformer_.transform(column, **given["transform"]))
        if result.size != target.size:
            raise ValueError(
                f"{type(self.transformer_).__name__} made {result.shape} of one column of "
                f"{target.size} values. A transformer of the target has to return one column."
            )
        result = result.reshape(target.shape)
        if isinstance(y, pd.DataFrame):
            return pd.DataFrame(result, index=y.index, columns=y.columns)
        if result.ndim == 1 and not only_numbers_rows(index):
            return pd.Series(result, index=index, name=getattr(y, "name", None))
        return result

    def _results_html(self) -> str:
        return premia_html(getattr(self, "regressor_", None))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self._regressor())
        tags.input_tags = inner.input_tags
        tags.target_tags.multi_output = inner.target_tags.multi_output
        return tags


def _parameters(estimator: BaseEstimator, method: str) -> set[str]:
    return set(signature(getattr(estimator, method)).parameters)


def _says_dates(index: pd.Index) -> bool:
    """Whether rows of an index can make several cross-sections."""
    return index.nlevels > 1 or (is_dated(index) and not index.is_unique)


def _row_index(X: ArrayLike, y: ArrayLike | None, n_rows: int) -> pd.Index:
    """The index of X or y that says who the rows are, else their numbers."""
    for data in (X, y):
        if isinstance(data, pd.DataFrame | pd.Series) and not only_numbers_rows(data.index):
            return data.index
    return pd.RangeIndex(n_rows)


def _cell_index(X: Any, y: Any, target: Float64Array, dates: Any) -> pd.MultiIndex:
    """(date, asset) of the cells of a wide target (n_periods, n_assets), row by row."""
    n_periods, n_assets = target.shape
    periods, assets = time_index(X, y, dates), target_names(y, n_assets)
    raise_if_repeated(assets, "y")
    rows = pd.RangeIndex(n_periods) if periods is None else periods
    return pd.MultiIndex.from_product([rows, assets], names=["date", "asset"])

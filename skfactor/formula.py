"""Models written as formulas: the test portfolios and factors, or characteristics, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting, sub_fit_task
from skfactor._formula_text import needed_names, parse_formula
from skfactor._limits import muted
from skfactor._sklearn import CallbackSupportMixin, Estimator, HasMethods
from skfactor._validation import raise_if_repeated
from skfactor.linear_model._expected_returns import premia_html

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.materializers import PandasMaterializer

__all__ = ["FormulaRegressor"]


class FormulaRegressor(CallbackSupportMixin, MetaEstimatorMixin, RegressorMixin, Estimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Fit a model that is written as a formula over the columns of one frame.

    Three ways to write it, ``regressor`` being `skfactor.FamaMacBeth` or any other:

    - ``"port1 + port2 + port3 ~ MktRF + HML"``: test portfolios and factors (wide form);
    - ``"MktRF + HML + Mom"``: the factors, the test portfolios are passed as y;
    - ``"ret ~ beta + np.log(size) + C(industry)"``: returns and characteristics of a panel, whose
      (date, asset) index the regressor gets to see.

    The formulas are those of formulaic; names with spaces go in backticks. Whether there is an
    intercept is for the ``fit_intercept`` of the regressor (of a pipeline's last step) to say, and
    `skfactor.TradedFactorModel` always has one: it is never a column of the design. With
    ``fit_intercept=True``, ``C(industry)`` leaves out its first category; with ``False`` it has
    all of them. A formula that contradicts, ``0 +`` or ``1 +``, raises. A regressor without that
    parameter takes the formula at its word. ``-`` removes a term, and raises where there is none
    to remove: an excess return is ``I(port1 - RF)``.

    All rows are kept, with NaN where a value or a category is missing or a category was not there
    in `fit`, so that the regressor's own rule for missing values holds. ``center``, ``scale``,
    ``poly`` and splines learn from all rows of `fit` together, and ``lag`` shifts rows whoever they
    belong to; for statistics of each date put a transformer such as `skfactor.FactorZScorer`
    before the model, in a pipeline as ``regressor``.

    Parameters
    ----------
    formula : str
        The model. It is a hyper-parameter like any other, so that a grid search compares sets of
        factors. It can call functions and is evaluated as code: take none from a stranger.
    regressor : estimator
        Model to fit; cloned.

    Attributes
    ----------
    regressor_ : estimator
        The fitted model; its features are the columns of the design.
    model_spec_ : formulaic.ModelSpec
        How the right side of the formula was encoded; `predict` encodes new rows in the same way.
    target_spec_ : formulaic.ModelSpec or None
        The same of the left side, None without one.
    n_features_in_ : int
        Number of columns of X that the right side uses.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, in the order of X.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.formula import FormulaRegressor
    >>> french = load_french()
    >>> french.iloc[:, 5:] = french.iloc[:, 5:].sub(french["RF"], axis=0)
    >>> formula = "NoDur + Chems + S1V1 + S5V5 + S1M1 + S5M5 ~ MktRF + HML + Mom"
    >>> model = FormulaRegressor(formula, FamaMacBeth(fit_intercept=False)).fit(french)
    >>> model.regressor_.premia_.round(4)
    MktRF    0.0056
    HML      0.0044
    Mom      0.0081
    Name: premium, dtype: float64

    Which factors price the portfolios best out of sample?

    >>> from sklearn.model_selection import GridSearchCV, KFold
    >>> formulas = ["MktRF", "MktRF + SMB + HML", "MktRF + SMB + HML + Mom"]
    >>> portfolios = french.filter(regex="^S[135][VM]")
    >>> model = FormulaRegressor("MktRF", FamaMacBeth())
    >>> search = GridSearchCV(model, {"formula": formulas}, cv=KFold(3))
    >>> search.fit(french, portfolios).best_params_
    {'formula': 'MktRF + SMB + HML + Mom'}
    """

    _parameter_constraints: ClassVar = {
        "formula": [str],
        "regressor": [HasMethods(["fit", "get_params"])],
    }

    def __init__(self, formula: str, regressor: BaseEstimator) -> None:
        self.formula = formula
        self.regressor = regressor

    @fitting(one_task=False, holds_estimators=True)
    def fit(self, /, X: ArrayLike, y: ArrayLike | None = None, **fit_params: object) -> Self:
        """Build the design (and the target) from the formula and fit the regressor.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            The columns that the formula names, among others.
        y : array-like of shape (n_rows,) or (n_rows, n_assets), optional
            Returns, if the formula has no left side.
        **fit_params
            ``dates``, ``assets``, ``groupby``, ``weights``, ``sample_weight``: handed to the
            regressor as they are or, with metadata routing enabled, to the steps that request it.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If X has no named columns.
        ValueError
            If the formula cannot be read, names a column that is not there or no factor at all,
            contradicts the regressor's ``fit_intercept``, or if the returns are given twice, by
            the formula and as y, or not at all.
        """
        params = self._params_for("fit", fit_params)
        frame = _named_frame(X)
        left, right = _sides(self.formula, self.regressor)
        self.target_spec_, y = self._target(left, frame, y)
        self.model_spec_, design = _materialize(right, frame, self.formula)
        if design.shape[1] == 0:
            raise ValueError(
                f"The formula {self.formula!r} names no factor; the columns of X are "
                f"{_listed(frame)}."
            )
        needed = needed_names(right, frame.columns)
        used = [name for name in frame.columns if name in needed]
        self.feature_names_in_ = np.array(used, dtype=object)
        self.n_features_in_ = len(used)
        self.regressor_ = clone(self.regressor)
        with sub_fit_task(self, X, y, self.regressor_, "fit-regressor"):
            self.regressor_.fit(design, y, **params)
        return self

    @available_if(lambda self: hasattr(self.regressor, "predict"))  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def predict(self, X: ArrayLike, **predict_params: object) -> Any:
        """Predict with the regressor.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            The columns of the right side; those of the left may be missing.
        **predict_params
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_assets)
            What the regressor predicts, one row each row of X.
        """
        check_is_fitted(self)
        params = self._params_for("predict", predict_params)
        return self.regressor_.predict(self._design(X), **params)

    @available_if(lambda self: hasattr(self.regressor, "score"))  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def score(self, X: ArrayLike, y: ArrayLike | None = None, **score_params: object) -> float:
        """Score of the regressor.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            As in `fit`.
        y : array-like of shape (n_rows,) or (n_rows, n_assets), optional
            Returns, if the formula has no left side.
        **score_params
            As in `fit`.

        Returns
        -------
        float
            What the regressor's own `score` gives.
        """
        check_is_fitted(self)
        params = self._params_for("score", score_params)
        _, y = self._target(self.target_spec_, _named_frame(X), y)
        return float(self.regressor_.score(self._design(X), y, **params))

    def get_metadata_routing(self) -> MetadataRouter:
        """Which metadata goes where: all of it to the regressor, method by method."""
        mapping = MethodMapping()
        for method in ("fit", "predict", "score"):
            mapping.add(caller=method, callee=method)
        router = MetadataRouter(owner=type(self).__name__)
        return router.add(regressor=self.regressor, method_mapping=mapping)

    def _params_for(self, method: str, params: dict[str, object]) -> dict[str, Any]:
        if not params or not get_config()["enable_metadata_routing"]:
            return params
        return dict(process_routing(self, method, **params).regressor[method])

    def _design(self, X: ArrayLike) -> pd.DataFrame:
        return _materialize(self.model_spec_, _named_frame(X), self.formula)[1]

    def _target(
        self, side: SimpleFormula | ModelSpec | None, frame: pd.DataFrame, y: ArrayLike | None
    ) -> tuple[ModelSpec | None, Any]:
        """The returns: those passed as y, or those that the left side names and how it did."""
        if side is None and y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                f"is None. Pass the returns as y, or name them: 'asset1 + asset2 ~ {self.formula}'."
            )
        if side is None:
            return None, y
        if y is not None:
            raise ValueError(
                f"The formula {self.formula!r} names the returns on its left side, and y was "
                "passed too. Leave y out, or take everything up to '~' out of the formula."
            )
        spec, returns = _materialize(side, frame, self.formula)
        states = spec.encoder_state.items()
        text = [name for name, (kind, _) in states if kind.value == "categorical"]
        if text or returns.shape[1] == 0:
            found = f"{text} are categories" if text else "it is empty"
            raise ValueError(f"The left side of {self.formula!r} has to hold returns, but {found}.")
        return spec, returns.iloc[:, 0] if returns.shape[1] == 1 else returns

    def _results_html(self) -> str:
        return premia_html(getattr(self, "regressor_", None))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.regressor)
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.required = False
        tags.target_tags.multi_output = inner.target_tags.multi_output
        return tags


def _sides(formula: str, regressor: BaseEstimator) -> tuple[SimpleFormula | None, SimpleFormula]:
    """The two sides of a formula, its intercept as the regressor has it."""
    inner = _innermost(regressor)
    fit_intercept = getattr(inner, "fit_intercept", getattr(inner, "always_fits_alphas", None))
    if fit_intercept is not None:
        fit_intercept = bool(fit_intercept)
    target, design = parse_formula(formula, include_intercept=fit_intercept is not False)
    has_intercept = any(str(term) == "1" for term in design)
    if fit_intercept is not None and has_intercept != fit_intercept:
        said, remedy = ("adds an", "1 +") if has_intercept else ("removes the", "0 +' or '- 1")
        rule, change = f"{type(inner).__name__} always estimates alphas", ""
        if hasattr(inner, "fit_intercept"):
            rule = f"the regressor has fit_intercept={fit_intercept}, which rules"
            change = f", or set fit_intercept={not fit_intercept}"
        raise ValueError(
            f"The formula {formula!r} {said} intercept, but {rule}. Take '{remedy}' out of the "
            f"formula{change}."
        )
    return target, design


def _innermost(regressor: BaseEstimator) -> BaseEstimator:
    """The estimator that does the regression."""
    if isinstance(regressor, Pipeline):
        return _innermost(regressor.steps[-1][1])
    for name in ("estimator", "regressor"):  # a search, a transformed target
        if hasattr(getattr(regressor, name, None), "fit"):
            return _innermost(getattr(regressor, name))
    return regressor


def _named_frame(X: Any) -> pd.DataFrame:
    """X as a pandas frame; ``TypeError`` if its columns have no names."""
    frame: pd.DataFrame = X
    if not isinstance(X, pd.DataFrame):
        try:
            import narwhals.stable.v1 as nw

            frame = nw.from_native(X, eager_only=True).to_pandas()
        except (ImportError, TypeError) as error:
            raise TypeError(
                "FormulaRegressor needs a DataFrame, whose columns the formula can name; found "
                f"{type(X).__name__}. In a pipeline set_output(transform='pandas') keeps frames."
            ) from error
    raise_if_repeated(frame.columns, "X")
    return frame


def _listed(frame: pd.DataFrame) -> str:
    return f"{list(frame.columns[:30])}{' ...' if frame.shape[1] > 30 else ''}"


def _materialize(
    formula: SimpleFormula | ModelSpec, frame: pd.DataFrame, text: str
) -> tuple[ModelSpec, pd.DataFrame]:
    """How the numbers are made, and they, (n_rows, n_columns), without the constant."""
    from formulaic.errors import DataMismatchWarning, FormulaicError
    from formulaic.materializers import PandasMaterializer

    needed = needed_names(formula, frame.columns)
    missing = sorted(needed.difference(frame.columns))
    if missing:
        raise ValueError(
            f"The formula {text!r} names {missing}, which X does not have; its columns are "
            f"{_listed(frame)}."
        )
    if "Intercept" in needed:
        raise ValueError(f"The formula {text!r} names a column like its constant. Rename it.")
    used = {name: _plain(frame[name]) for name in frame.columns if name in needed}
    materializer = PandasMaterializer(pd.DataFrame(used, index=frame.index))
    try:
        # Categories that were not there in fit become NaN below, whatever they are cast to.
        quietly = muted(materializer.get_model_matrix, DataMismatchWarning)
        quietly = muted(quietly, text="Constructing a Categorical")
        matrix = quietly(formula, na_action="ignore", output="pandas")
    except FormulaicError as error:
        raise ValueError(f"The formula {text!r} cannot be evaluated: {error}") from error
    spec: ModelSpec = matrix.model_spec
    return spec, _with_missing_categories(pd.DataFrame(matrix), spec, materializer)


def _plain(column: pd.Series) -> pd.Series:
    """Numbers of any dtype as plain ones, text of any dtype as objects: those are categories."""
    column = column.infer_objects()
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()  # those of rows that were left out before
    if pd.api.types.is_string_dtype(column.dtype):
        return column.astype(object)
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    if numeric and pd.api.types.is_extension_array_dtype(column.dtype):
        return column.astype(np.float64)
    return column


def _with_missing_categories(
    matrix: pd.DataFrame, spec: ModelSpec, materializer: PandasMaterializer
) -> pd.DataFrame:
    """Floats, NaN where a category is unknown: zeros everywhere would say it is the first one."""
    numbers = matrix.to_numpy(dtype=np.float64, copy=True)
    for term, factors in spec.term_factors.items():
        for name in (factor.expr for factor in factors):
            kind, state = spec.encoder_state.get(name, (None, {}))
            if kind is not None and kind.value == "categorical" and "categories" in state:
                values = pd.Series(materializer.factor_cache[name].values.__wrapped__)  # noqa: PD011 - formulaic's values
                unknown = ~values.isin(state["categories"]).to_numpy()
                numbers[np.ix_(unknown, list(spec.term_indices[term]))] = np.nan
    frame = pd.DataFrame(numbers, index=matrix.index, columns=matrix.columns)
    return frame.drop(columns="Intercept", errors="ignore")

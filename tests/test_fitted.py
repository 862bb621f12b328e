"""What is shown of an estimator is found inside pipelines, searches and formulas."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth
from skfactor._fitted import find_fitted
from skfactor.datasets import make_panel
from skfactor.formula import FormulaRegressor


@pytest.fixture(scope="module")
def data():
    return make_panel(n_dates=20, n_assets=15, n_features=2, random_state=0, return_X_y=True)


def _find(estimator):
    return find_fitted(estimator, "lambdas_", "PremiaPathDisplay", "slopes")


def test_the_last_step_and_the_best_estimator_are_found(data):
    X, y = data
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth())
    assert _find(pipeline.fit(X, y)) is pipeline[-1]
    # Of several steps that have it, the last one.
    assert find_fitted(pipeline, "date_level", "PremiaPathDisplay", "") is pipeline[-1]
    search = GridSearchCV(pipeline, {"famamacbeth__min_assets": [3]}, cv=KFold(2)).fit(X, y)
    assert _find(search) is search.best_estimator_[-1]


def test_the_model_inside_a_formula_is_found(data):
    X, y = data
    model = FormulaRegressor("y ~ x1", FamaMacBeth()).fit(X.assign(y=y))
    assert _find(model) is model.regressor_


def test_an_estimator_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        _find(FamaMacBeth())


def test_an_estimator_without_what_is_needed_is_refused():
    with pytest.raises(TypeError, match="PremiaPathDisplay needs slopes; found LinearRegression"):
        _find(LinearRegression().fit(np.eye(3), np.ones(3)))

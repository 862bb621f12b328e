"""Whoever takes a fitted model takes what holds one: pipelines, searches, formulas, targets."""

from __future__ import annotations

import inspect
from importlib import import_module

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from reference_premia import french_two_pass
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skfactor import (
    CrossSectionalTargetRegressor,
    FactorSelector,
    FactorZScorer,
    FamaMacBeth,
    FormulaRegressor,
)
from skfactor._fitted import find_fitted
from skfactor.datasets import make_panel
from skfactor.inference import (
    compare_r2,
    cross_sectional_r2,
    j_test,
    price_of_covariance_risk,
    r2_interval,
    screen_factors,
    shanken_test,
)
from skfactor.plotting import (
    BetasDisplay,
    PremiaDisplay,
    PremiaPathDisplay,
    PricingErrorDisplay,
    RiskDisplay,
)
from skfactor.risk import decompose_risk
from skfactor.summary import full_summary, premia_table

X, Y = french_two_pass()
X, Y = X[["MktRF", "HML"]].loc["1990":], Y.loc["1990":]
SMALLER = FamaMacBeth().fit(X[["MktRF"]], Y)


def weights(model):
    held = find_fitted(model, "betas_", "the test", "betas").betas_.index
    return pd.Series(1.0 / len(held), held)


# Every public function of a fitted model, as text.
FUNCTIONS = {
    j_test: lambda model: str(j_test(model)),
    shanken_test: lambda model: str(shanken_test(model)),
    cross_sectional_r2: lambda model: str(cross_sectional_r2(model)),
    r2_interval: lambda model: str(r2_interval(model, n_draws=19)),
    compare_r2: lambda model: str(compare_r2(SMALLER, model)),
    price_of_covariance_risk: lambda model: str(price_of_covariance_risk(model).to_frame()),
    screen_factors: lambda model: screen_factors(model).steps.to_string(),
    premia_table: lambda model: premia_table([model]).to_string(),
    full_summary: lambda model: full_summary(model).as_text(),
    decompose_risk: lambda model: decompose_risk(weights(model), model).by_factor.to_string(),
    RiskDisplay: lambda model: RiskDisplay.from_estimator(
        model, weights(model)
    ).contributions_.to_string(),
    BetasDisplay: lambda model: BetasDisplay.from_estimator(model).betas.to_string(),
    PremiaDisplay: lambda model: PremiaDisplay.from_estimator(model).premia.to_string(),
    PremiaPathDisplay: lambda model: PremiaPathDisplay.from_estimator(model).lambdas.to_string(),
    PricingErrorDisplay: lambda model: PricingErrorDisplay.from_estimator(
        model
    ).expected.to_string(),
}
NAMES = [function.__name__ for function in FUNCTIONS]
# What holds a model, and how to reach it by hand.
HOLDERS = {
    "pipeline": (lambda: make_pipeline(FactorSelector(), FamaMacBeth()), lambda held: held[-1]),
    "search": (
        lambda: GridSearchCV(FamaMacBeth(), {"fit_intercept": [True]}, cv=KFold(2)),
        lambda held: held.best_estimator_,
    ),
    "formula": (
        lambda: FormulaRegressor("MktRF + HML", FamaMacBeth()),
        lambda held: held.regressor_,
    ),
    "target": (
        lambda: TransformedTargetRegressor(FamaMacBeth()),
        lambda held: held.regressor_,
    ),
    "cross-sectional target": (
        lambda: CrossSectionalTargetRegressor(FamaMacBeth(), FunctionTransformer()),
        lambda held: held.regressor_,
    ),
    "all of them": (
        lambda: make_pipeline(
            GridSearchCV(
                FormulaRegressor("MktRF + HML", TransformedTargetRegressor(FamaMacBeth())),
                {"formula": ["MktRF + HML"]},
                cv=KFold(2),
            )
        ),
        lambda held: held[-1].best_estimator_.regressor_.regressor_,
    ),
}


@pytest.fixture(autouse=True)
def _without_windows():
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module", params=HOLDERS)
def held(request):
    make, reach = HOLDERS[request.param]
    holder = make().fit(X, Y)
    return holder, reach(holder)


def test_every_public_function_of_a_fitted_model_is_tested_here():
    found = set()
    for module in ("inference", "summary", "risk", "plotting"):
        public = import_module(f"skfactor.{module}")
        for name in public.__all__:
            function = getattr(public, name)
            asked = getattr(function, "from_estimator", function)
            names = list(inspect.signature(asked).parameters)
            takes = {"model", "models", "model_a"} & set(names)
            # Displays of predictions take X and predict with whatever they are given.
            if (takes and inspect.isfunction(function)) or (
                asked is not function and names[:1] == ["estimator"] and "X" not in names
            ):
                found.add(name)
    # These take risk models alone, which hold no fitted model.
    assert found == {*NAMES, "evaluate_risk", "skfolio_prior", "cvxrisk_model"}


@pytest.mark.parametrize("ask", FUNCTIONS.values(), ids=NAMES)
def test_a_model_inside_another_gives_the_same(held, ask):
    holder, model = held
    assert isinstance(model, FamaMacBeth)
    assert ask(holder) == ask(model)


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES)
def test_what_holds_no_model_is_named(function):
    ask, name = FUNCTIONS[function], function.__name__
    w = pd.Series({"S1V1": 1.0})
    if function is decompose_risk:
        ask = lambda model: decompose_risk(w, model)  # noqa: E731 -- a function of one line, as the others
    elif function is RiskDisplay:
        ask = lambda model: RiskDisplay.from_estimator(model, w)  # noqa: E731 -- a function of one line, as the others
    other = LinearRegression().fit(X, Y)
    for model, found in (
        (other, "LinearRegression"),
        (make_pipeline(other).fit(X, Y), "Pipeline of LinearRegression"),
        (Y, "DataFrame"),
        (FamaMacBeth, "the class FamaMacBeth"),
    ):
        with pytest.raises((TypeError, ValueError), match=rf"{name} needs .*found .*{found}"):
            ask(model)
    with pytest.raises(NotFittedError):
        ask(FamaMacBeth())


def test_a_search_that_was_not_refitted_says_so():
    search = GridSearchCV(FamaMacBeth(), {"fit_intercept": [True]}, cv=KFold(2), refit=False)
    with pytest.raises(TypeError, match=r"found GridSearchCV .* only with refit=True"):
        PremiaPathDisplay.from_estimator(search.fit(X, Y))


def test_of_several_steps_the_last_one_is_found():
    panel, y = make_panel(n_dates=20, n_assets=15, n_features=2, random_state=0, return_X_y=True)
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth()).fit(panel, y)
    assert find_fitted(pipeline, "date_level", "the test", "") is pipeline[-1]

"""What notebooks show of estimators: scikit-learn's own, links to this package, and premia."""

import inspect
import re
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

import skfactor
from skfactor import FactorZScorer, FamaMacBeth, LinearFactorGMM, TradedFactorModel, Winsorizer
from skfactor._sklearn import DOCUMENTATION
from skfactor.datasets import load_french, make_panel
from skfactor.formula import FormulaRegressor
from skfactor.portfolios import PortfolioSorter

ESTIMATORS = [
    each
    for each in [
        *(getattr(skfactor, name) for name in skfactor.__all__),
        FormulaRegressor,
        PortfolioSorter,
    ]
    if inspect.isclass(each) and hasattr(each, "get_params")
]


def _without_ids(html):
    return re.sub(r"sk-(container|estimator)-id-\d+", "id", html)


@pytest.fixture(scope="module")
def panel():
    return make_panel(n_dates=20, n_assets=30, n_features=2, random_state=0, return_X_y=True)


@pytest.fixture(scope="module")
def wide():
    french = load_french().loc["2000":]
    returns = french.filter(regex="^S[15]V").sub(french["RF"], axis=0)
    return french[["MktRF", "SMB"]], returns


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: each.__name__)
def test_every_public_estimator_links_to_its_own_page(estimator):
    link = object.__new__(estimator)._get_doc_link()
    module, name = re.fullmatch(rf"{DOCUMENTATION}/api/(.+)\.(\w+)\.html", link).groups()
    # The page is named after the public module that exports the class.
    assert getattr(import_module(module), name) is estimator


def test_the_link_stands_in_the_html():
    assert FamaMacBeth()._get_doc_link() in FamaMacBeth()._repr_html_()
    pipeline = make_pipeline(Winsorizer(), LinearRegression())
    html = pipeline._repr_html_()
    assert Winsorizer()._get_doc_link() in html
    assert LinearRegression()._get_doc_link() in html
    assert LinearRegression()._get_doc_link().startswith("https://scikit-learn.org/")


def test_before_the_fit_the_html_is_that_of_scikit_learn():
    for estimator in (FamaMacBeth(), FactorZScorer(clip=3.0), LinearFactorGMM()):
        expected = estimator_html_repr(estimator)
        assert _without_ids(estimator._repr_html_()) == _without_ids(expected)


@pytest.mark.parametrize("model", [FamaMacBeth(), TradedFactorModel(), LinearFactorGMM()], ids=str)
def test_a_fitted_model_shows_its_premia_below(model, wide):
    model.fit(*wide)
    head = _without_ids(estimator_html_repr(model))
    html = _without_ids(model._repr_html_())
    assert html.startswith(head)
    assert html[len(head) :] == model.summary().as_html()
    shown = re.findall(r"<th>(\w+)</th>\s*<td>\s*(-?[\d.]+)</td>", html[len(head) :])
    premia = {name: float(value) for name, value in shown if name in model.premia_.index}
    assert_allclose(pd.Series(premia)[model.premia_.index], model.premia_, atol=1e-6)
    assert _without_ids(model._repr_mimebundle_()["text/html"]) == html


def test_a_formula_shows_the_premia_of_its_regressor(panel):
    X, y = panel
    model = FormulaRegressor("y ~ x1", FamaMacBeth()).fit(X.assign(y=y))
    assert model._repr_html_().endswith(model.regressor_.summary().as_html())


def test_premia_without_errors_are_shown_all_the_same(panel):
    X, y = panel
    one = X.index.get_level_values("date") == X.index.get_level_values("date")[0]
    model = FamaMacBeth().fit(X[one].rename(columns={"x1": "<b>"}), y[one])
    with pytest.raises(ValueError, match="date"):
        model.summary()
    html = model._repr_html_()
    assert html.endswith(model.premia_.to_frame().to_html())
    assert "<b>" not in html.split("</script>")[-1]


def test_text_is_shown_where_html_is_not_wanted(panel):
    model = FamaMacBeth().fit(*panel)
    with config_context(display="text"):
        assert not hasattr(model, "_repr_html_")
        assert list(model._repr_mimebundle_()) == ["text/plain"]
    assert np.isfinite(model.premia_).all()

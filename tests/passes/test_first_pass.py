"""First passes are a contract: what a record says, and what is known of one without it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference_premia import random_two_pass
from sklearn.base import BaseEstimator

from skfactor import FactorBetas, FamaMacBeth
from skfactor._passes.first_pass import FirstPass, first_pass_of


class Same(FactorBetas):
    """Changes nothing."""


class Halved(FactorBetas):
    """Changes the betas of a fit."""

    def fit(self, X, y=None, dates=None, assets=None):
        super().fit(X, y, dates=dates, assets=assets)
        self.betas_ /= 2.0
        return self


class OnlyBetas(BaseEstimator):
    """Somebody else's first pass."""

    def fit(self, X, y):
        slopes = np.linalg.lstsq(X - X.mean(), y - y.mean(), rcond=None)[0]
        self.betas_ = pd.DataFrame(slopes.T, index=y.columns, columns=X.columns)
        return self


class WithResiduals(OnlyBetas):
    """The same, with residuals."""

    def fit(self, X, y):
        super().fit(X, y)
        self.residuals_ = y - y.mean() - (X - X.mean()) @ self.betas_.T
        return self


@pytest.fixture(scope="module")
def data():
    return random_two_pass(np.random.default_rng(0))


@pytest.mark.parametrize("weighting", ["ols", "wls", "gls"])
def test_a_subclass_that_changes_nothing_loses_nothing(data, weighting):
    own, plain = (
        FamaMacBeth(betas=betas, weighting=weighting).fit(*data)
        for betas in (Same(), FactorBetas())
    )
    assert own.inference().covariance == "krs"
    for kind in ("auto", "shanken", "gmm"):
        assert_frame_equal(own.inference(kind).cov, plain.inference(kind).cov)
    weights = pd.Series(1.0, own.betas_.index[:3])
    assert_frame_equal(own.portfolio_betas(weights), plain.portfolio_betas(weights))
    rolling = FamaMacBeth(betas=Same(24)).fit(*data)
    assert_frame_equal(rolling.lambdas_, FamaMacBeth(betas=FactorBetas(24)).fit(*data).lambdas_)


@pytest.mark.parametrize("betas", [Halved(), OnlyBetas()], ids=["changed", "foreign"])
def test_of_other_betas_the_summary_says_what_cannot_be_known(data, betas):
    model = FamaMacBeth(betas=betas).fit(*data)
    found = model.inference()
    assert found.covariance == "fama-macbeth"
    name = type(betas).__name__
    assert "krs is for betas of the whole sample" in found.notes[-1]
    assert f"these are those of {name}" in found.notes[-1]
    text = " ".join(str(model.summary()).split())
    assert "Whether a factor is useless was not tested" in text
    with pytest.raises(ValueError, match=f"'krs' is for betas .* those of {name}"):
        model.inference("krs")
    with pytest.raises(ValueError, match=f"portfolio_betas .* those of {name}"):
        model.portfolio_betas(pd.Series(1.0, model.betas_.index[:3]))


def test_betas_of_any_first_pass_reach_the_second(data):
    X, y = data
    model, plain = (FamaMacBeth(betas=betas).fit(X, y) for betas in (OnlyBetas(), FactorBetas()))
    assert_allclose(model.lambdas_, plain.lambdas_, rtol=1e-9)
    assert_allclose(model.pricing_errors_, plain.pricing_errors_, rtol=1e-9, atol=1e-12)
    weighted, own = (
        FamaMacBeth(betas=betas, weighting="wls").fit(X, y)
        for betas in (WithResiduals(), FactorBetas())
    )
    assert_allclose(weighted.lambdas_, own.lambdas_, rtol=1e-9)
    with pytest.raises(ValueError, match=r"weighting='wls' needs the residuals .* OnlyBetas"):
        FamaMacBeth(betas=OnlyBetas(), weighting="wls").fit(X, y)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda betas: betas.to_numpy(), "found a ndarray"),
        (lambda betas: betas.iloc[::-1], "found rows for"),
        (lambda betas: betas.T, "found rows for"),
    ],
)
def test_betas_of_other_assets_raise(data, change, found):
    class Other(OnlyBetas):
        def fit(self, X, y):
            super().fit(X, y)
            self.betas_ = change(self.betas_)
            return self

    with pytest.raises(ValueError, match=f"Other needs a DataFrame betas_ .* {found}"):
        FamaMacBeth(betas=Other()).fit(*data)


def test_later_changes_of_a_first_pass_do_not_reach_its_record(data):
    X, y = data
    fitted = FactorBetas().fit(X, y)
    record = first_pass_of(fitted, y.columns)
    assert isinstance(record, FirstPass)
    assert record is fitted.record_
    before, residuals = record.betas.to_numpy().copy(), record.residuals().to_numpy().copy()
    fitted.betas_ *= 0.0
    fitted.alphas_ *= 0.0
    assert_array_equal(record.betas, before)
    assert_array_equal(record.residuals(), residuals)

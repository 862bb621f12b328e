"""FactorRiskModel: a risk model of any factor model, at any date, for new assets too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from sklearn.covariance import LedoitWolf

from skfactor import (
    EWMCovariance,
    FactorBetas,
    FactorRiskModel,
    FundamentalFactorModel,
    InstrumentedPCA,
    ReturnPCA,
    SpecificRisk,
)
from skfactor.datasets import make_panel, make_two_pass

COVARIANCE = EWMCovariance(24, correlation_halflife=48)


@pytest.fixture(scope="module")
def market():
    X, y = make_panel(80, 60, 2, random_state=0, return_X_y=True)
    rng = np.random.default_rng(0)
    assets = X.index.unique("asset")
    industry = dict(zip(assets, np.resize(["Banks", "Oil", "Tech"], 60), strict=True))
    caps = pd.Series(rng.lognormal(size=len(X)), X.index)
    return X, y, industry, caps


@pytest.fixture(scope="module")
def fitted(market):
    X, y, industry, caps = market
    model = FactorRiskModel(covariance=COVARIANCE, specific=SpecificRisk(24, structural=True))
    return model.fit(X, y, groupby=industry, weights=caps)


def test_it_is_its_three_parts_together(market, fitted):
    X, y, industry, caps = market
    risk = fitted.risk_model()
    factors = FundamentalFactorModel().fit(X, y, industry, caps)
    assert_frame_equal(fitted.factor_returns_, factors.lambdas_)
    assert_frame_equal(
        risk.factor_covariance, COVARIANCE.fit(factors.lambdas_).covariance_, check_names=False
    )
    assert_allclose(fitted.specific_returns_.stack(), factors.residuals_)
    assert_allclose(risk.specific_variance, fitted.specific_.variance_)
    assert len(risk.unknown) == 0
    month = FactorRiskModel(
        covariance=EWMCovariance(24, correlation_halflife=48, horizon=3),
        specific=SpecificRisk(24, structural=True),
    )
    longer = month.fit(X, y, groupby=industry, weights=caps).risk_model()
    assert_allclose(longer.covariance(), 3.0 * risk.covariance())


def test_an_earlier_date_uses_nothing_later(market, fitted):
    X, y, industry, caps = market
    dates = X.index.unique("date")
    early = X.index.get_level_values("date") <= dates[59]
    model = FactorRiskModel(covariance=COVARIANCE, specific=SpecificRisk(24, structural=True))
    model.fit(X[early], y[early], groupby=industry, weights=caps[early])
    now = X.xs(dates[60], level="date")
    expected = model.risk_model(now)
    found = fitted.risk_model(now, date=dates[59])
    assert found.date == dates[59]
    assert_allclose(found.covariance(), expected.covariance())


def test_new_assets_have_risk_and_unknown_ones_are_named(market, fitted):
    X, _, industry, _ = market
    now = X.xs(X.index[-1][0], level="date").copy()
    now.loc["new"] = [0.5, -0.5]
    now.loc["dark"] = [np.nan, 0.0]
    groups = pd.Series({**industry, "new": "Oil", "dark": "Oil"}).loc[now.index].to_numpy()
    risk = fitted.risk_model(now, groups)
    assert list(risk.unknown) == ["dark"]
    assert 0.02 < risk.volatility(pd.Series({"new": 1.0})) < 1.0
    with pytest.raises(ValueError, match=r"risk of the assets \['dark'\] is not known"):
        risk.volatility(pd.Series({"dark": 1.0}))


def test_every_factor_model_gives_one():
    factors, returns = make_two_pass(n_periods=150, n_assets=30, random_state=0, return_X_y=True)
    options = {
        "covariance": EWMCovariance(36, lags=0, correlation_lags=0),
        "specific": SpecificRisk(36, lags=0),
    }
    for model, data in ((FactorBetas(), (factors, returns)), (ReturnPCA(3), (returns,))):
        risk = FactorRiskModel(model, **options).fit(*data).risk_model()
        weights = pd.Series(1.0 / 30, returns.columns)
        assert risk.volatility(weights) == pytest.approx((returns @ weights).std(), rel=0.4)
    X, y = make_panel(80, 60, 3, random_state=0, return_X_y=True)
    latent = FactorRiskModel(InstrumentedPCA(2), **options).fit(X, y)
    risk = latent.risk_model(X.xs(X.index[-1][0], level="date"))
    assert len(risk.unknown) == 0
    explained = (
        latent.model_.transform(X).to_numpy()
        * latent.factor_returns_.loc[X.index.get_level_values("date")].to_numpy()
    )
    assert_allclose(latent.specific_returns_.stack(), y - explained.sum(axis=1))
    with pytest.raises(ValueError, match="same exposures on all dates"):
        FactorRiskModel(FactorBetas(), **options).fit(factors, returns).risk_model(factors)


def test_any_covariance_estimator_serves(market):
    X, y, industry, caps = market
    model = FactorRiskModel(covariance=LedoitWolf(), specific=SpecificRisk(24)).fit(
        X, y, groupby=industry, weights=caps
    )
    expected = LedoitWolf().fit(model.factor_returns_).covariance_
    assert_allclose(model.risk_model().factor_covariance, expected)


def test_too_few_dates_are_told(market):
    X, y, industry, caps = market
    first = X.index.get_level_values("date") <= X.index.unique("date")[3]
    with pytest.raises(ValueError, match="needs more dates than factors"):
        FactorRiskModel().fit(X[first], y[first], groupby=industry, weights=caps[first])

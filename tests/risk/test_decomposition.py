"""Risk contributions against the covariance matrix, numerical derivatives and sample moments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from reference_premia import random_two_pass

from skfactor import FactorBetas, FamaMacBeth
from skfactor.datasets import load_french
from skfactor.exceptions import RankDeficientWarning
from skfactor.risk import RiskDecomposition, decompose_risk

WEIGHTS = pd.Series({"asset1": 0.7, "asset4": 0.5, "asset6": -0.2})


@pytest.fixture
def data():
    return random_two_pass(np.random.default_rng(0))


@pytest.fixture
def model(data):
    return FactorBetas().fit(*data)


def volatility(weights, model):
    covariance = model.covariance().loc[weights.index, weights.index]
    return float(np.sqrt(weights @ covariance @ weights))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_contributions_of_factors_and_of_assets_sum_to_the_volatility(missing):
    model = FactorBetas().fit(*random_two_pass(np.random.default_rng(1), missing=missing))
    risk = decompose_risk(WEIGHTS, model)
    assert risk.volatility == pytest.approx(volatility(WEIGHTS, model), rel=1e-14)
    for table in (risk.by_factor, risk.by_asset):
        assert table["contribution"].sum() == pytest.approx(risk.volatility, rel=1e-14)
        assert table["share"].sum() == pytest.approx(1.0, rel=1e-14)
    parts = risk.factor_volatility**2 + risk.specific_volatility**2
    assert parts == pytest.approx(risk.volatility**2, rel=1e-14)


def test_marginal_contributions_are_derivatives(model):
    risk = decompose_risk(WEIGHTS, model)
    for asset in WEIGHTS.index:
        step = pd.Series({asset: 1e-6}).reindex(WEIGHTS.index, fill_value=0.0)
        slope = (volatility(WEIGHTS + step, model) - volatility(WEIGHTS - step, model)) / 2e-6
        assert risk.by_asset.loc[asset, "marginal"] == pytest.approx(slope, rel=1e-7)
    exposures = WEIGHTS @ model.betas_.loc[WEIGHTS.index]
    factors = model.risk_model().factor_covariance
    specific = risk.specific_volatility**2
    for name in exposures.index:
        step = pd.Series({name: 1e-6}).reindex(exposures.index, fill_value=0.0)
        up, down = (
            np.sqrt(b @ factors @ b + specific) for b in (exposures + step, exposures - step)
        )
        slope = risk.by_factor.loc[name, "marginal"]
        assert slope == pytest.approx((up - down) / 2e-6, rel=1e-7)


def test_contributions_are_exposure_times_volatility_times_correlation(model):
    risk = decompose_risk(WEIGHTS, model)
    sigma = model.covariance().loc[WEIGHTS.index, WEIGHTS.index].to_numpy()
    w = WEIGHTS.to_numpy()
    assert_allclose(risk.by_asset["volatility"], np.sqrt(np.diag(sigma)))
    correlation = sigma @ w / np.sqrt(np.diag(sigma)) / risk.volatility
    assert_allclose(risk.by_asset["correlation"], correlation)
    factors = model.risk_model().factor_covariance
    line = risk.by_factor.iloc[1]
    assert line["volatility"] == pytest.approx(np.sqrt(factors.iloc[1, 1]))
    b = risk.by_factor["exposure"][:-1].to_numpy()
    covariance = float(factors.to_numpy()[1] @ b)
    assert line["correlation"] == pytest.approx(covariance / line["volatility"] / risk.volatility)
    for table, amount in ((risk.by_factor, "exposure"), (risk.by_asset, "weight")):
        assert_allclose(table["volatility"] * table["correlation"], table["marginal"])
        assert_allclose(table[amount] * table["marginal"], table["contribution"])


def test_active_risk_is_that_of_the_difference(model):
    benchmark = pd.Series({"asset6": 0.4, "asset1": 0.1, "asset2": 0.5})
    difference = pd.Series({"asset1": 0.6, "asset4": 0.5, "asset6": -0.6, "asset2": -0.5})
    active = decompose_risk(WEIGHTS, model, benchmark=benchmark)
    expected = decompose_risk(difference, model)
    assert active.volatility == pytest.approx(volatility(difference, model), rel=1e-13)
    assert_frame_equal(active.by_factor, expected.by_factor)
    assert_frame_equal(active.by_asset, expected.by_asset.loc[active.by_asset.index])
    with pytest.raises(ValueError, match="no risk to split"):
        decompose_risk(WEIGHTS, model, benchmark=WEIGHTS)
    with pytest.raises(TypeError, match="benchmark has to be a Series"):
        decompose_risk(WEIGHTS, model, benchmark=0.5)
    with pytest.raises(ValueError, match="not in the risk model"):
        decompose_risk(WEIGHTS, model, benchmark=pd.Series({"cash": 1.0}))


def test_groups_of_assets_and_of_factors_sum_to_the_volatility(model):
    sector = {"asset1": "oil", "asset4": "tech", "asset6": "oil"}
    risk = decompose_risk(WEIGHTS, model, by=sector)
    groups = risk.by_group
    assert list(groups.index) == ["oil", "tech"]
    assert_allclose(groups["weight"], [0.5, 0.5])
    by_asset = risk.by_asset["contribution"].groupby(sector).sum()
    assert_allclose(groups["contribution"], by_asset)
    oil = WEIGHTS.drop("asset4")
    assert groups.loc["oil", "volatility"] == pytest.approx(volatility(oil, model))
    names = risk.by_factor.index[:-1]
    labels = pd.Series(["market", *["style"] * (len(names) - 1)], names)
    groups = decompose_risk(WEIGHTS, model, by=labels).by_group
    assert list(groups.index) == ["market", "style", "specific"]
    shares = risk.by_factor["share"]
    assert_allclose(groups["share"], [shares.iloc[0], shares.iloc[1:-1].sum(), shares.iloc[-1]])
    assert_allclose(groups["volatility"] * groups["correlation"], groups["contribution"])
    alone = decompose_risk(pd.Series({"asset1": 1.0}), model, by=labels).by_group
    assert alone.loc["specific", "volatility"] ** 2 == pytest.approx(
        model.risk_model().specific_variance["asset1"]
    )
    with pytest.raises(ValueError, match=r"no label for the assets \['asset6'\]"):
        decompose_risk(WEIGHTS, model, by={"asset1": "a", "asset4": "b"})
    with pytest.raises(ValueError, match="no label for the factors"):
        decompose_risk(WEIGHTS, model, by=labels[:1])
    with pytest.raises(TypeError, match="by has to be a dict"):
        decompose_risk(WEIGHTS, model, by=["a", "b", "c"])
    with pytest.raises(ValueError, match="group of by= is called 'specific'"):
        decompose_risk(WEIGHTS, model, by=dict.fromkeys(names, "specific"))


def test_exposures_are_those_of_the_portfolio(data):
    model = FamaMacBeth().fit(*data)
    risk = decompose_risk(WEIGHTS, model)
    betas = model.portfolio_betas(WEIGHTS)["beta"]
    assert_allclose(risk.by_factor["exposure"].drop("specific"), betas, rtol=1e-13)
    assert risk.by_factor.loc["specific", "exposure"] == 1.0


def test_one_asset_has_its_sample_volatility(data, model):
    risk = decompose_risk(pd.Series({"asset4": 1.0}), model)
    assert risk.volatility == pytest.approx(data[1]["asset4"].std(), rel=1e-12)


def test_the_share_of_the_factors_of_one_asset_is_its_r_squared():
    french = load_french()
    returns = french[["NoDur", "BusEq"]].sub(french["RF"], axis=0)
    model = FactorBetas().fit(french[["MktRF", "SMB", "HML"]], returns)
    risk = decompose_risk(pd.Series({"BusEq": 1.0}), model)
    assert risk.by_factor["share"].iloc[:-1].sum() == pytest.approx(model.r2_["BusEq"], rel=1e-12)


def test_scale_order_and_zeros_of_weights_do_what_they_say(data):
    X, y = data
    with pytest.warns(RankDeficientWarning, match=r"betas of 1 of 8"):
        model = FactorBetas().fit(X, y.assign(asset7=np.nan))
    risk = decompose_risk(WEIGHTS, model)
    padded = WEIGHTS.reindex(model.betas_.index[:8], fill_value=0.0)  # asset7 has no betas
    again = decompose_risk(padded[::-1], model)
    assert_frame_equal(again.by_factor, risk.by_factor, rtol=1e-12)
    assert_frame_equal(again.by_asset.loc[WEIGHTS.index], risk.by_asset, rtol=1e-12)
    double = decompose_risk(2.0 * WEIGHTS, model)
    assert double.volatility == pytest.approx(2.0 * risk.volatility)
    assert_allclose(double.by_asset["marginal"], risk.by_asset["marginal"])


def test_the_result_is_frozen(model):
    risk = decompose_risk(WEIGHTS, model)
    assert isinstance(risk, RiskDecomposition)
    with pytest.raises(AttributeError):
        risk.volatility = 0.0


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (
            WEIGHTS.rename({"asset4": "IBM"}),
            ValueError,
            r"\['IBM'\] of the weights are not in",
        ),
        (WEIGHTS.replace(0.5, np.nan), ValueError, r"weights hold NaN; pass 0 for no position"),
        (WEIGHTS.to_dict(), TypeError, r"weights has to be a Series by asset; found dict"),
        (pd.Series({"asset7": 1.0}), ValueError, r"assets \['asset7'\] is not known: .* too few"),
        (WEIGHTS * 0.0, ValueError, r"no risk to split"),
        (pd.concat([WEIGHTS, WEIGHTS]), ValueError, r"of weights occur more than once"),
    ],
)
def test_weights_that_cannot_be_used_raise(data, weights, error, message):
    X, y = data
    with pytest.warns(RankDeficientWarning, match=r"betas of 1 of 8"):
        model = FactorBetas().fit(X, y.assign(asset7=np.nan))
    with pytest.raises(error, match=message):
        decompose_risk(weights, model)


def test_what_gives_no_risk_model_is_named(data):
    slopes = FamaMacBeth().fit(pd.DataFrame({"a": [0.0, 1.0, 3.0]}), [0.1, 0.2, 0.2], dates=0)
    with pytest.raises(TypeError, match=r"decompose_risk needs a RiskModel, .* found FamaMacBeth"):
        decompose_risk(WEIGHTS, slopes)
    with pytest.raises(ValueError, match=r"A factor is called 'specific'"):
        decompose_risk(
            WEIGHTS, FactorBetas().fit(data[0].set_axis(["a", "specific"], axis=1), data[1])
        )

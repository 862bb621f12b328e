"""The risk model against matrices of all pairs of assets, in any order of labels."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal
from reference_premia import random_two_pass
from sklearn.pipeline import make_pipeline

from skfactor import FactorBetas, FamaMacBeth
from skfactor._fitted import risk_model_of
from skfactor.portfolios import attribute, hedge
from skfactor.risk import RiskModel, decompose_risk


def random_parts(n_assets=6, n_factors=3, seed=0):
    rng = np.random.default_rng(seed)
    assets, factors = (
        [f"{x}{i}" for i in range(n)] for x, n in (("a", n_assets), ("f", n_factors))
    )
    root = rng.normal(size=(n_factors, n_factors))
    return {
        "exposures": pd.DataFrame(rng.normal(size=(n_assets, n_factors)), assets, factors),
        "factor_covariance": pd.DataFrame(root @ root.T, factors, factors),
        "specific_variance": pd.Series(rng.random(n_assets), assets),
    }


PARTS = random_parts()
WEIGHTS = pd.Series({"a4": 0.5, "a1": -0.2, "a5": 0.7})


# --- known values -------------------------------------------------------------------------------


def test_volatilities_are_those_of_the_covariance_matrix():
    model = RiskModel(**PARTS)
    x, f = PARTS["exposures"].to_numpy(), PARTS["factor_covariance"].to_numpy()
    matrix = x @ f @ x.T + np.diag(PARTS["specific_variance"])
    assert_allclose(model.covariance(), matrix, rtol=1e-13)
    assert (model.covariance() == model.covariance().T).all(axis=None)
    w = WEIGHTS.reindex(model.exposures.index, fill_value=0.0)
    assert model.volatility(WEIGHTS) == pytest.approx(np.sqrt(w @ matrix @ w), rel=1e-13)
    assert_allclose(model.portfolio_exposures(WEIGHTS), w @ x, rtol=1e-13)
    many = pd.DataFrame(np.random.default_rng(1).normal(size=(4, 6)), columns=w.index)
    expected = np.sqrt(np.einsum("pi,ij,pj->p", many, matrix, many))
    assert_series_equal(model.volatility(many), pd.Series(expected, name="volatility"))
    assert_frame_equal(model.portfolio_exposures(many), many @ PARTS["exposures"])


def test_a_root_of_the_factors_covariance_exists_where_there_is_no_inverse():
    parts = random_parts()
    parts["factor_covariance"].loc["f2"] = parts["factor_covariance"].loc["f0"]
    parts["factor_covariance"]["f2"] = parts["factor_covariance"]["f0"]
    root = RiskModel(**parts).sqrt_factors()
    assert_allclose(root @ root.T, parts["factor_covariance"], atol=1e-14)


def test_the_risk_model_of_betas_is_their_covariance():
    X, y = random_two_pass(np.random.default_rng(0), missing=0.2)
    for betas in (FactorBetas(), FactorBetas(30, min_periods=15), FactorBetas(halflife=12.0)):
        betas.fit(X, y)
        model = betas.risk_model()
        assert_frame_equal(model.covariance(), betas.covariance())
        last = len(betas.residuals_)
        explained = X[-last:].to_numpy() @ betas.betas_.T.to_numpy() + betas.alphas_.to_numpy()
        assert_allclose(model.specific_returns, y[-last:] - explained, rtol=1e-9, atol=1e-14)
        assert_frame_equal(model.factor_returns, X[-last:])
        assert model.date == X.index[-1]
    complete = FactorBetas().fit(X, y.fillna(0.01)).risk_model()
    assert_allclose(np.diag(complete.covariance()), y.fillna(0.01).var(), rtol=1e-12)


def test_order_of_labels_does_not_matter_and_parts_are_copied():
    parts = {name: part.copy() for name, part in PARTS.items()}
    model = RiskModel(**parts)
    f, d = parts["factor_covariance"], parts["specific_variance"]
    shuffled = RiskModel(parts["exposures"], f.iloc[::-1, [1, 0, 2]], d[::-1])
    assert_frame_equal(shuffled.covariance(), model.covariance())
    before = model.covariance()
    for part in parts.values():
        part.iloc[:] = 0.0
    assert_frame_equal(model.covariance(), before)
    with pytest.raises(AttributeError):
        model.date = 0


# --- what is not known --------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["exposures", "specific_variance"])
def test_an_asset_without_exposures_is_never_without_risk(part):
    parts = {name: each.copy() for name, each in PARTS.items()}
    parts[part].iloc[4] = np.nan
    model = RiskModel(**parts)
    assert list(model.unknown) == ["a4"]
    assert model.covariance()["a4"].drop("a0" if part == "exposures" else "a4").isna().all() == (
        part == "exposures"
    )
    assert np.isnan(model.covariance().loc["a4", "a4"])
    for ask in (
        model.volatility,
        model.portfolio_exposures,
        lambda weights: decompose_risk(weights, model),
    ):
        with pytest.raises(ValueError, match=r"risk of the assets \['a4'\] is not known"):
            ask(WEIGHTS)
    without = WEIGHTS.replace(0.5, 0.0)
    assert model.volatility(without) == RiskModel(**PARTS).volatility(without)
    risk = decompose_risk(without, model)
    assert risk.by_asset["contribution"].sum() == pytest.approx(risk.volatility)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"exposures": PARTS["exposures"].to_numpy()}, TypeError, r"exposures has to be a DataFr"),
        ({"specific_variance": PARTS["exposures"]}, TypeError, r"variance has to be a Series; fou"),
        ({"exposures": PARTS["exposures"] * np.inf}, ValueError, r"exposures holds 18 infinite"),
        (
            {"exposures": PARTS["exposures"].rename({"a1": "a0"})},
            ValueError,
            r"\['a0'\] of exposures occur more than once",
        ),
        (
            {"factor_covariance": PARTS["factor_covariance"].iloc[:2, :2]},
            ValueError,
            r"different factors: \['f2'\] are only among the exposures, \[\] only in factor_cov",
        ),
        (
            {"specific_variance": PARTS["specific_variance"].rename({"a1": "b1"})},
            ValueError,
            r"different assets: \['a1'\] are only among the exposures, \['b1'\] only in specific",
        ),
        (
            {"factor_covariance": PARTS["factor_covariance"] * np.nan},
            ValueError,
            r"factor_covariance holds NaN",
        ),
        (
            {"factor_covariance": PARTS["factor_covariance"] + np.triu(np.ones((3, 3)), 1)},
            ValueError,
            r"factor_covariance is not symmetric",
        ),
        (
            {"factor_covariance": PARTS["factor_covariance"] - 9.0 * np.eye(3)},
            ValueError,
            r"factor_covariance has negative variances",
        ),
        (
            {"factor_covariance": PARTS["factor_covariance"] * (1.5 - 0.5 * np.eye(3))},
            ValueError,
            r"factor_covariance has a negative eigenvalue, -",
        ),
        (
            {
                "specific_variance": -PARTS["specific_variance"][:1].reindex(
                    PARTS["exposures"].index
                )
            },
            ValueError,
            r"specific_variance is negative for the assets \['a0'\]",
        ),
        (
            {"factor_returns": PARTS["specific_variance"]},
            TypeError,
            r"factor_returns has to be",
        ),
        (
            {"specific_returns": PARTS["exposures"]},
            ValueError,
            r"specific_returns and expo",
        ),
    ],
)
def test_parts_that_do_not_fit_raise(changes, error, message):
    with pytest.raises(error, match=message):
        RiskModel(**(PARTS | changes))


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (
            {"a0": 1.0},
            TypeError,
            r"weights has to be a Series by asset, or a DataFrame .* found dict",
        ),
        (
            pd.Series({"IBM": 1.0}),
            ValueError,
            r"\['IBM'\] of the weights are not in the",
        ),
        (pd.Series({"a0": np.nan}), ValueError, r"weights hold NaN; pass 0"),
        (pd.Series([1.0, 1.0], ["a0", "a0"]), ValueError, r"\['a0'\] of weights occur more"),
    ],
)
def test_weights_that_cannot_be_used_raise(weights, error, message):
    with pytest.raises(error, match=message):
        RiskModel(**PARTS).volatility(weights)


# --- large ones ---------------------------------------------------------------------------------


def test_no_matrix_of_all_pairs_of_assets_is_formed():
    model = RiskModel(**random_parts(5_000, 20))
    weights = pd.Series(1.0 / 5_000, model.exposures.index)
    beside = model.exposures.memory_usage(index=False).sum()
    for ask in (model.volatility, lambda weights: decompose_risk(weights, model)):
        tracemalloc.start()
        ask(weights)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < beside + 5e6


# --- who takes one ------------------------------------------------------------------------------


def test_hedges_and_attributions_take_the_exposures_of_a_risk_model():
    X, y = random_two_pass(np.random.default_rng(0))
    betas = FactorBetas().fit(X, y)
    weights = pd.Series({"asset1": 0.7, "asset4": 0.5})
    moving = pd.DataFrame([weights] * len(y), y.index).mul(np.linspace(1, 2, len(y)), axis=0)
    for held, exposures in (
        (weights, weights @ betas.betas_.loc[weights.index]),
        (moving, moving @ betas.betas_.loc[weights.index]),
    ):
        model = betas.risk_model()
        found = hedge(X, y, weights=held, betas=model)
        assert_frame_equal(found.positions, hedge(X, y, weights=held, betas=exposures).positions)
        split = attribute(model, None, y[10:], weights=held[10:] if held is moving else held)
        portfolio = (y * held).sum(axis=1)
        known = exposures[10:] if held is moving else exposures
        expected = attribute(known, X[10:], portfolio[10:]).contributions
        assert_frame_equal(split.contributions, expected, rtol=1e-9, atol=1e-14)
        of_series = hedge(X, portfolio, weights=held, betas=model)
        assert_frame_equal(of_series.remaining, found.remaining, rtol=1e-6, atol=1e-12)
    with pytest.raises(TypeError, match=r"A RiskModel knows the exposures of assets: pass weigh"):
        hedge(X, y["asset1"], betas=model)
    with pytest.raises(ValueError, match=r"no factor_returns on 1 of the 2 dates of returns, the"):
        attribute(model, None, y.iloc[-2:].set_axis(y.index[-2:] + 1, axis=0), weights=weights)
    with pytest.raises(ValueError, match=r"RiskModel has no factor_returns"):
        attribute(RiskModel(**PARTS), None, y, weights=WEIGHTS)
    with pytest.raises(TypeError, match=r"betas has to be a first pass .* found int"):
        hedge(X, y["asset1"], betas=1)


def test_the_risk_model_of_a_model_is_that_of_its_first_pass():
    X, y = random_two_pass(np.random.default_rng(0))
    expected = FactorBetas().fit(X, y).covariance()
    stacked = y.stack().rename_axis(["date", "asset"])
    long = X.loc[stacked.index.get_level_values("date")].set_axis(stacked.index, axis=0)
    for model in (
        FamaMacBeth().fit(X, y),
        make_pipeline(FactorBetas(), FamaMacBeth()).fit(long, stacked),
    ):
        assert_frame_equal(risk_model_of(model, "f").covariance(), expected, check_names=False)

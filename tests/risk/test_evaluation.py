"""evaluate_risk: known values, later dates only, and portfolios by other means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor.risk import RiskModel, evaluate_risk

FACTORS = ["const", "oil", "tech", "size"]


def _world(n_dates=600, n_assets=40, seed=0):
    """A risk model and returns that follow it."""
    rng = np.random.default_rng(seed)
    assets = [f"A{i:02d}" for i in range(n_assets)]
    oil = np.arange(n_assets) % 2 == 0
    exposures = pd.DataFrame(
        np.column_stack([np.ones(n_assets), oil, ~oil, rng.normal(size=n_assets)]), assets, FACTORS
    )
    root = np.tril(rng.normal(size=(4, 4))) * 0.01
    specific = pd.Series(rng.uniform(0.5, 2.0, n_assets) * 1e-4, assets)
    days = pd.bdate_range("2020-01-01", periods=n_dates)
    f = pd.DataFrame(rng.normal(size=(n_dates, 4)) @ root.T, days, FACTORS)
    u = rng.normal(size=(n_dates, n_assets)) * np.sqrt(specific.to_numpy())
    returns = pd.DataFrame(f.to_numpy() @ exposures.to_numpy().T + u, days, assets)
    covariance = pd.DataFrame(root @ root.T, FACTORS, FACTORS)
    model = RiskModel(exposures, covariance, specific, factor_returns=f)
    return model, returns


def test_right_forecasts_of_normal_returns_have_the_expected_statistics():
    model, returns = _world(3000)
    found = evaluate_risk(returns, {returns.index[0]: model})
    assert list(found.table.index) == [
        "factors",
        "eigenfactors",
        "groups",
        "random",
        "minimum variance",
    ]
    assert (found.table["n_dates"] == 2999).all()
    assert_allclose(found.table["bias"], 1.0, atol=0.035)
    assert found.portfolios["inside"].mean() > 0.85
    expected = found.expected
    assert expected["mrad"] == pytest.approx(0.17001290809583305, abs=1e-9)
    assert expected["q"] == pytest.approx(2.270362845461478, abs=1e-12)
    assert_allclose(found.table["mrad"], expected["mrad"], atol=0.012)
    assert_allclose(found.table["q"], expected["q"], atol=0.05)
    wrong = RiskModel(model.exposures, model.factor_covariance * 4.0, model.specific_variance * 4.0)
    half = evaluate_risk(returns, {returns.index[0]: wrong})
    assert list(half.table.index) == ["groups", "random", "minimum variance"]
    assert_allclose(half.table["bias"], found.table["bias"][half.table.index] / 2.0)
    assert (half.table["qlike"] > found.table["qlike"][half.table.index]).all()


def test_portfolios_equal_those_of_the_whole_covariance_matrix():
    model, returns = _world(60)
    returns.iloc[30:, 3] = np.nan
    caps = pd.Series(np.arange(1.0, 41.0), returns.columns)
    found = evaluate_risk(returns, {returns.index[0]: model}, weights=caps)
    for t in (5, 45):
        here = returns.columns[returns.iloc[t].notna()]
        sigma = model.covariance().loc[here, here]
        r = returns.iloc[t][here]
        w = np.linalg.solve(sigma, np.ones(len(here)))
        w /= w.sum()
        row = found.standardized.loc[returns.index[t]]
        vol = found.volatilities.loc[returns.index[t]]
        assert_allclose(vol["minimum variance", "minimum variance"], np.sqrt(w @ sigma @ w))
        assert_allclose(row["minimum variance", "minimum variance"], w @ r / np.sqrt(w @ sigma @ w))
        oil = (caps * model.exposures["oil"])[here]
        oil = oil / oil.sum()
        assert_allclose(row["groups", "oil"], oil @ r / model.volatility(oil))
        values, vectors = np.linalg.eigh(model.factor_covariance)
        f = model.factor_returns.iloc[t].to_numpy()
        assert_allclose(np.abs(row["eigenfactors"]), np.abs(vectors.T @ f) / np.sqrt(values))
        assert_allclose(row["factors"], f / np.sqrt(np.diag(model.factor_covariance)))
    b = found.standardized["factors", "size"]
    line = found.portfolios.loc[("factors", "size")]
    assert line["bias"] == pytest.approx(b.std(ddof=1))
    assert line["q"] == pytest.approx((b**2 - np.log(b**2)).mean())
    assert line["upper"] == pytest.approx(1.0 + np.sqrt(2.0 / 59))
    assert_allclose(found.rolling_bias()["factors", "size"].iloc[11], b.iloc[:12].std())


def test_each_model_is_used_for_later_dates_only():
    model, returns = _world(100)
    wide = RiskModel(
        model.exposures, model.factor_covariance * 100.0, model.specific_variance * 100
    )
    dates = returns.index[[20, 59]]
    found = evaluate_risk(
        returns.sample(frac=1.0, random_state=0), {dates[1]: wide, dates[0]: model}
    )
    assert found.standardized.index[0] == returns.index[21]
    assert found.standardized.index.is_monotonic_increasing
    sigma = found.volatilities["groups", "oil"]
    assert_allclose(sigma.loc[: dates[1]], sigma.iloc[0])
    assert_allclose(sigma.iloc[39:], 10.0 * sigma.iloc[0])


def test_factor_returns_may_come_from_elsewhere():
    model, returns = _world(60)
    date = returns.index[20]
    early = RiskModel(
        model.exposures,
        model.factor_covariance,
        model.specific_variance,
        factor_returns=model.factor_returns[:date],
    )
    ended = evaluate_risk(returns, {date: early}, sets=["factors", "random"])
    assert ended.standardized["factors"].isna().all(axis=None)
    found = evaluate_risk(returns, {date: early}, factor_returns=model.factor_returns)
    whole = evaluate_risk(returns, {date: model})
    assert_allclose(found.standardized["eigenfactors"], whole.standardized["eigenfactors"])
    with pytest.raises(TypeError, match="factor_returns has to be a DataFrame"):
        evaluate_risk(returns, {date: early}, factor_returns=[0.0])


def test_unknown_assets_are_in_no_portfolio():
    model, returns = _world(100)
    exposures = model.exposures.copy()
    exposures.iloc[0] = np.nan
    partly = RiskModel(exposures, model.factor_covariance, model.specific_variance)
    found = evaluate_risk(returns, {returns.index[0]: partly}, sets=["groups"])
    alone = evaluate_risk(returns.iloc[:, 1:], {returns.index[0]: partly}, sets="groups")
    assert_allclose(found.standardized, alone.standardized)


def test_mistakes_are_told():
    model, returns = _world(30)
    start = returns.index[0]
    bare = RiskModel(
        model.exposures[["size"]],
        model.factor_covariance.loc[["size"], ["size"]],
        model.specific_variance,
    )
    for args, options, error, text in [
        ((returns.to_numpy(), {start: model}), {}, TypeError, "DataFrame by date"),
        ((returns, model), {}, TypeError, "dict from date"),
        ((returns, {}), {}, ValueError, "models is empty"),
        ((returns, {returns.index[-1]: model}), {}, ValueError, "No date of returns comes after"),
        ((returns, {start: model}), {"sets": ["best"]}, ValueError, "some of"),
        ((returns, {start: bare}), {"sets": ["groups"]}, ValueError, "exposures are 0 and 1"),
        ((returns, {start: bare}), {"sets": "factors"}, ValueError, "models with factor_returns"),
        (
            (returns, {start: model}),
            {"weights": pd.Series({"A00": 1.0})},
            ValueError,
            "missing or not",
        ),
        ((returns.add_suffix("x", axis=1), {start: model}), {}, ValueError, "no known asset"),
        ((returns, {start: model}), {"window": 1}, ValueError, "at least 2"),
    ]:
        with pytest.raises(error, match=text):
            evaluate_risk(*args, **options)

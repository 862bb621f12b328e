"""ShrinkageSDF on French portfolios, against its authors' programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skfactor import ReturnPCA, ShrinkageSDF
from skfactor.datasets import load_french

DATA = Path(__file__).parents[1] / "data"
AUTHORS = json.loads((DATA / "shrinkage_sdf.json").read_text(encoding="utf-8"))
french = load_french()
RETURNS = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
MARKET = french["MktRF"]


def test_coefficients_and_errors_are_those_of_the_authors():
    for k, kappa in enumerate(AUTHORS["kappa"]):
        model = ShrinkageSDF(kappa, market=MARKET).fit(RETURNS)
        assert_allclose(model.coef_[:3], AUTHORS["b_first3"][k], rtol=1e-9)
        assert_allclose(model.std_errors_[:3], AUTHORS["se_first3"][k], rtol=1e-9)
        assert model.penalty_ == pytest.approx(AUTHORS["penalty"][k], rel=1e-10)
        assert model.dof_ == pytest.approx(AUTHORS["dof"][k], rel=1e-9)
    path = model.coef_path(AUTHORS["kappa"])
    assert_allclose(path.iloc[:3].T, AUTHORS["b_first3"], rtol=1e-9)


def test_the_lasso_path_is_that_of_the_authors():
    path = np.array(AUTHORS["en_path"])
    for number in range(1, 19):
        model = ShrinkageSDF(AUTHORS["en_l2_kappa"], n_nonzero=number, market=MARKET).fit(RETURNS)
        assert_allclose(model.coef_, path[number], atol=1e-9)
    assert model.std_errors_.isna().all()
    few = ShrinkageSDF(0.3, n_nonzero=2, market=MARKET).fit(RETURNS).coef_path([0.1, 0.3, 1.0])
    assert (few.astype(bool).sum() == 2).all()


def test_the_market_may_be_a_column_or_a_series():
    series = ShrinkageSDF(market=MARKET).fit(RETURNS)
    column = ShrinkageSDF(market="MktRF").fit(RETURNS.assign(MktRF=MARKET))
    assert column.coef_.equals(series.coef_)
    frame = ShrinkageSDF(market=MARKET.to_frame().iloc[::-1]).fit(RETURNS)
    assert_allclose(frame.coef_, series.coef_)
    betas = np.cov(RETURNS.T, MARKET)[-1, :-1] / MARKET.var()
    assert_allclose(series.market_betas_, betas, rtol=1e-9)
    neutral = RETURNS - np.outer(MARKET, betas)
    neutral = neutral * (MARKET.std() / neutral.std())
    plain = ShrinkageSDF().fit(neutral)
    assert_allclose(plain.coef_, series.coef_, rtol=1e-8)
    assert_allclose(series.transform(RETURNS)["shrinkagesdf0"], neutral @ plain.coef_, rtol=1e-8)
    assert np.cov(series.sdf_, MARKET)[0, 1] == pytest.approx(0.0, abs=1e-12)


def test_the_sdf_prices_the_returns_that_it_says():
    model = ShrinkageSDF(0.5).fit(RETURNS)
    assert model.sdf_.mean() == pytest.approx(1.0)
    portfolio = model.transform(RETURNS)["shrinkagesdf0"]
    assert_allclose(model.sdf_, 1.0 - portfolio + portfolio.mean(), rtol=1e-12)
    # Covariances with the portfolio are expected returns, but for the shrinkage of the covariance.
    covariances = RETURNS.apply(lambda asset: np.cov(asset, portfolio)[0, 1])
    assert np.corrcoef(covariances, model.expected_returns_)[0, 1] > 0.999
    assert model.score(RETURNS) == pytest.approx(model.r2_)
    weak = ShrinkageSDF(0.01).fit(RETURNS)
    assert np.linalg.norm(weak.coef_) < 0.05 * np.linalg.norm(model.coef_)
    unshrunk = ShrinkageSDF(1e6).fit(RETURNS)
    assert_allclose(unshrunk.expected_returns_, RETURNS.mean(), rtol=1e-6)
    assert unshrunk.dof_ == pytest.approx(18.0)


def test_folds_learn_the_market_from_their_training_periods():
    kappas = AUTHORS["kappa"][:9]
    search = GridSearchCV(ShrinkageSDF(market=MARKET), {"kappa": kappas}, cv=KFold(3)).fit(RETURNS)
    assert search.best_params_["kappa"] == kappas[int(np.argmax(AUTHORS["oos_r2"][:9]))]
    # Close to the authors', and not the same: they take variances and betas of the whole sample.
    distance = search.cv_results_["mean_test_score"] - AUTHORS["oos_r2"][:9]
    assert 1e-3 < np.abs(distance).max() < 0.2
    train, test = RETURNS[:546], RETURNS[546:]
    alone = ShrinkageSDF(market=MARKET).fit(train)
    changed = RETURNS.copy()
    changed[546:] *= 3.0
    assert ShrinkageSDF(market=MARKET).fit(changed[:546]).coef_.equals(alone.coef_)
    scores = cross_val_score(
        ShrinkageSDF(market=MARKET), RETURNS, cv=[(range(546), range(546, 819))]
    )
    assert scores[0] == pytest.approx(alone.score(test))


def test_principal_components_come_before():
    pipe = make_pipeline(ReturnPCA(5), ShrinkageSDF(0.4)).set_output(transform="pandas")
    assert pipe.fit(RETURNS).transform(RETURNS).shape == (819, 1)
    assert list(pipe[-1].coef_.index) == [f"returnpca{i}" for i in range(5)]
    assert np.isfinite(pipe.score(RETURNS))


STACKED = RETURNS.stack().to_frame()


@pytest.mark.parametrize(
    ("options", "returns", "message"),
    [
        ({}, RETURNS.mask(RETURNS > 0.1), "X contains NaN in 18 columns.*ReturnPCA"),
        ({}, STACKED, r"returns\.unstack\(\)"),
        ({"market": "MktRF"}, RETURNS, "market='MktRF' is not the name of one of several columns"),
        ({"market": MARKET[:100]}, RETURNS, "of the 819 dates of X are not in market"),
        ({"market": MARKET}, RETURNS.to_numpy(), "looked up by date, and X has none"),
        ({"market": MARKET}, RETURNS.assign(m=2 * MARKET), r"\['m'\] of X are the market itself"),
        ({"market": 0 * MARKET}, RETURNS, "market do not vary"),
        ({"market": french}, RETURNS, "columns; pass one of them"),
        ({}, RETURNS - RETURNS, "average returns in X are all zero"),
        ({}, RETURNS[:1], "n_samples=1 period"),
        ({}, RETURNS.assign(S1V1="text"), "do not hold numbers"),
    ],
)
def test_mistakes_are_told(options, returns, message):
    with pytest.raises(ValueError, match=message):
        ShrinkageSDF(**options).fit(returns)


def test_kappas_of_a_path_are_positive():
    model = ShrinkageSDF().fit(RETURNS)
    for kappas in ([0.1, 0.0], [], "text"):
        with pytest.raises(ValueError, match="kappas"):
            model.coef_path(kappas)
    assert isinstance(model.coef_path(0.3), pd.DataFrame)

"""EWMCovariance: known forecasts, regimes, missing histories, likelihoods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy.stats import multivariate_normal
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from skfactor import EWMCovariance


def _returns(n_dates=300, n_factors=4, seed=0):
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=n_dates, name="date")
    root = np.tril(rng.normal(size=(n_factors, n_factors))) / 100.0
    return pd.DataFrame(
        rng.normal(size=(n_dates, n_factors)) @ root.T, days, list("abcdefgh"[:n_factors])
    )


def test_without_half_lives_and_lags_it_is_the_sample_covariance():
    returns = _returns()
    model = EWMCovariance(None, correlation_halflife=None, lags=0, correlation_lags=0).fit(returns)
    assert_allclose(model.covariance_, returns.cov(ddof=0), rtol=1e-12)
    assert_allclose(model.location_, returns.mean(), rtol=1e-9)
    month = EWMCovariance(None, correlation_halflife=None, lags=0, correlation_lags=0, horizon=21)
    assert_allclose(month.fit(returns).covariance_, 21 * model.covariance_)


def test_variances_and_correlations_have_their_own_half_lives():
    returns = _returns()
    model = EWMCovariance(20, correlation_halflife=60, lags=0, correlation_lags=0, center=False)
    found = model.fit(returns).covariance_
    short, long = (0.5 ** (np.arange(299.0, -1.0, -1.0) / h) for h in (20, 60))
    variance = (returns**2).mul(short, axis=0).sum() / short.sum()
    assert_allclose(np.diag(found), variance)
    slow = returns.T @ returns.mul(long, axis=0)
    scale = np.sqrt(np.diag(slow))
    deviations = np.sqrt(np.diag(found))
    assert_allclose(found / np.outer(deviations, deviations), slow / np.outer(scale, scale))


def test_order_of_rows_containers_and_dates_without_returns_do_not_matter():
    returns = _returns()
    expected = EWMCovariance().fit(returns).covariance_
    mixed = returns.sample(frac=1.0, random_state=0)
    mixed.loc[returns.index[-1] + pd.Timedelta(days=3)] = np.nan
    assert_frame_equal(EWMCovariance().fit(mixed).covariance_, expected)
    assert_allclose(EWMCovariance().fit(returns.to_numpy()).covariance_, expected)


def test_a_calm_and_a_wild_market_are_told_by_the_regime():
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(1500, 6))
    steady = EWMCovariance(regime_halflife=42).fit(returns)
    assert abs(steady.regime_multiplier_ - 1.0) < 0.06
    wild = returns.copy()
    wild[-60:] *= 3.0
    found = EWMCovariance(halflife=252, regime_halflife=21).fit(wild)
    assert found.regime_multiplier_ > 1.8
    plain = EWMCovariance(halflife=252).fit(wild)
    assert_allclose(found.covariance_, plain.covariance_ * found.regime_multiplier_**2)
    # serial covariances, which belong to the forecast, are not taken back by it
    moving = returns[1:] - 0.3 * returns[:-1]
    shrunk = EWMCovariance(regime_halflife=252, halflife=252).fit(moving)
    assert abs(shrunk.regime_multiplier_ - 1.0) < 0.06


def test_eigenfactors_are_adjusted_and_minimum_variance_portfolios_forecast_better():
    rng = np.random.default_rng(0)
    spectrum = np.linspace(1.0, 10.0, 30)
    ratio = {None: [], 1.0: []}
    for _ in range(25):
        returns = rng.normal(size=(100, 30)) * np.sqrt(spectrum)
        for scale, found in ratio.items():
            model = EWMCovariance(
                None,
                correlation_halflife=None,
                lags=0,
                correlation_lags=0,
                eigen_scale=scale,
                n_simulations=60,
                random_state=0,
            ).fit(returns)
            forecast = model.covariance_.to_numpy()
            w = np.linalg.solve(forecast, np.ones(30))
            found.append(np.sqrt((w**2 @ spectrum) / (w @ forecast @ w)))
    raw, adjusted = (np.mean(ratio[scale]) for scale in (None, 1.0))
    assert 1.3 < raw < 1.6
    assert adjusted < 1.3
    assert len(model.eigen_bias_) == 30
    again = model.fit(returns).eigen_bias_
    assert_allclose(again, model.fit(returns).eigen_bias_)  # a fixed seed


def test_short_histories_are_kept_and_the_covariance_stays_definite():
    returns = _returns(600, 5)
    gaps = returns.copy()
    gaps.iloc[:400, 0] = np.nan
    gaps.iloc[100:200, 3] = np.nan
    model = EWMCovariance(84, correlation_halflife=252).fit(gaps)
    assert np.linalg.eigvalsh(model.covariance_)[0] > 0.0
    full = EWMCovariance(84, correlation_halflife=252).fit(returns)
    assert_allclose(np.diag(model.covariance_), np.diag(full.covariance_), rtol=0.35)


def test_scores_are_gaussian_likelihoods_and_choose_half_lives():
    returns = _returns(400)
    model = EWMCovariance(60).fit(returns[:300])
    law = multivariate_normal(model.location_, model.covariance_)
    assert model.score(returns[300:]) == pytest.approx(law.logpdf(returns[300:]).mean())
    gaps = returns[300:].copy()
    gaps.iloc[::2, 1] = np.nan
    some = multivariate_normal(
        model.location_.drop("b"), model.covariance_.drop("b").drop("b", axis=1)
    )
    expected = (
        law.logpdf(gaps.iloc[1::2]).sum() + some.logpdf(gaps.iloc[::2].drop(columns="b")).sum()
    ) / 100
    assert model.score(gaps) == pytest.approx(expected)
    scale = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.05, 400)))
    search = GridSearchCV(EWMCovariance(), {"halflife": [5, 20, 2000]}, cv=TimeSeriesSplit(5))
    assert search.fit(returns.mul(scale, axis=0)).best_params_["halflife"] < 2000
    tied = returns.assign(e=-returns["a"])  # no inverse
    assert np.isfinite(EWMCovariance(60).fit(tied).score(tied))


def test_mistakes_are_told():
    returns = _returns(300)
    for bad, text in [
        (returns[:4], "needs more dates than factors; found n_samples=4"),
        (returns.assign(a=[0.1] + [np.nan] * 299), "fewer than two returns"),
        (returns.stack().to_frame(), "one row per date"),
    ]:
        with pytest.raises(ValueError, match=text):
            EWMCovariance().fit(bad)
    with pytest.raises(ValueError, match="Use a longer half-life"):
        EWMCovariance(correlation_halflife=1, eigen_scale=1.0).fit(returns)
    with pytest.raises(ValueError, match="only NaN"):
        EWMCovariance().fit(returns).score(returns * np.nan)

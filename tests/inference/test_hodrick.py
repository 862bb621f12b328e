"""Errors of overlapping returns from one-period returns: the sums written out, their size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth, FundamentalFactorModel, PooledRegression
from skfactor.frames import forward_returns

N = 12


def _panel(rng, n_dates):
    """A persistent characteristic that pays nothing, and returns that share its shocks."""
    x = np.empty((n_dates, N))
    x[0] = rng.normal(size=N)
    for t in range(1, n_dates):
        x[t] = 0.95 * x[t - 1] + 0.3 * rng.normal(size=N)
    shocks = 0.05 * rng.normal(size=(n_dates, 2))
    returns = 0.08 * rng.normal(size=(n_dates, N)) + shocks[:, :1]
    returns[1:] += shocks[1:, 1:] * x[:-1]
    dates = pd.period_range("1980-01", periods=n_dates, freq="M")
    index = pd.MultiIndex.from_product([dates, range(N)], names=["date", "asset"])
    return pd.DataFrame({"x": x.ravel()}, index), pd.Series(returns.ravel(), index)


def _wide(returns):
    return returns.unstack()  # noqa: PD010


def _fit(X, returns, horizon, **fitted):
    y = forward_returns(returns, horizon=horizon)
    kept = y.notna()
    weights = {name: w[kept] for name, w in fitted.items()}
    return FamaMacBeth().fit(X[kept], y[kept], **weights)


def _written_out(X, returns, weight, horizon, compounds):
    """Premia, and their covariance by sums over portfolios, dates and horizons."""
    table, dates = _wide(returns), returns.index.levels[0]
    slopes, earned = [], []
    for p in range(len(dates) - horizon):
        later = table.iloc[p + 1 : p + 1 + horizon]
        held = later.columns[later.notna().all()]
        if not len(held):
            continue
        x = np.column_stack([np.ones(len(held)), X.loc[dates[p]].loc[held]])
        w = np.diag(weight.loc[dates[p]].loc[held])
        portfolios = np.linalg.inv(x.T @ w @ x) @ x.T @ w
        grown = np.ones(len(held))
        parts = []
        for j in range(horizon):
            r = later[held].iloc[j].to_numpy()
            parts.append((p + 1 + j, portfolios @ (grown * r)))
            grown = grown * (1.0 + r) if compounds else grown
        earned += parts
        slopes.append(sum(part for _, part in parts))
    premia = np.mean(slopes, axis=0)
    series = np.zeros((len(dates), 2))
    for place, part in earned:
        series[place] += (part - premia / horizon) / len(slopes)
    t = len(slopes)
    return premia, series.T @ series * t / (t - 1)


def test_the_covariance_is_that_of_what_portfolios_earn_on_each_date():
    rng = np.random.default_rng(0)
    X, returns = _panel(rng, 40)
    returns = returns.mask(rng.random(len(returns)) < 0.02)
    weight = pd.Series(rng.uniform(1.0, 2.0, len(X)), X.index)
    one = pd.Series(1.0, X.index)
    for horizon, w in ((1, one), (4, one), (4, weight)):
        model = _fit(X, returns, horizon, **({} if w is one else {"sample_weight": w}))
        given = {"one_period": returns, "exposures": X} | ({} if w is one else {"sample_weight": w})
        found = model.inference(horizon=horizon, **given)
        premia, covariance = _written_out(X, returns, w, horizon, compounds=True)
        assert_allclose(found.premia, premia)
        assert_allclose(found.cov, covariance, rtol=1e-9)
        assert (found.covariance, found.detail) == ("hodrick", f"over {horizon} dates")
        assert found.df == found.n_dates - 1.0
    # Rows in any order, dates as stamps.
    order = rng.permutation(len(X))
    stamps = returns.iloc[order].swaplevel().reset_index()
    stamps["date"] = stamps["date"].dt.to_timestamp()
    shuffled = stamps.set_index(["asset", "date"])[0].dropna()
    again = model.inference(
        horizon=4, one_period=shuffled, exposures=X.iloc[order], sample_weight=weight.iloc[order]
    )
    assert_allclose(again.cov, found.cov, rtol=1e-9)
    # One date at a time nothing overlaps: the errors of Fama and MacBeth.
    model = _fit(X, returns, 1)
    found = model.inference("hodrick", horizon=1, one_period=returns, exposures=X)
    assert_allclose(found.cov, model.inference("fama-macbeth").cov, rtol=1e-9)


def test_returns_that_add_up_are_noticed():
    X, returns = _panel(np.random.default_rng(1), 30)
    table = _wide(returns)
    y = pd.Series(table.rolling(3).sum().shift(-3).to_numpy().ravel(), X.index)
    model = FamaMacBeth().fit(X[y.notna()], y.dropna())
    found = model.inference(horizon=3, one_period=returns.to_frame("r"), exposures=X)
    _, covariance = _written_out(X, returns, pd.Series(1.0, X.index), 3, compounds=False)
    assert_allclose(found.cov, covariance, rtol=1e-9)


@pytest.mark.slow
def test_it_holds_its_size_where_returns_overlap():
    rejected = {"hodrick": 0, "overlap": 0}
    for seed in range(60):
        X, returns = _panel(np.random.default_rng(seed), 72)
        model = _fit(X, returns, 12)
        one = model.inference(horizon=12, one_period=returns, exposures=X)
        none = model.inference("fama-macbeth")
        rejected["hodrick"] += one.p_values["x"] < 0.05
        rejected["overlap"] += none.p_values["x"] < 0.05
    assert rejected["hodrick"] <= 0.1 * 60
    assert rejected["overlap"] >= 0.4 * 60


def test_mistakes_are_told():
    X, returns = _panel(np.random.default_rng(2), 30)
    model, given = _fit(X, returns, 3), {"one_period": returns, "exposures": X}
    later = X.loc["1980-02":]
    for options, error, said in (
        ({"one_period": returns.shift(N)}, ValueError, "do not give the slopes of the fit"),
        ({"exposures": 2.0 * X}, ValueError, "do not give the slopes of the fit"),
        ({"horizon": 4}, ValueError, "the returns of the 4 dates after each row"),
        ({"sample_weight": pd.Series(np.arange(len(X)) + 1.0, X.index)}, ValueError, "same sample"),
        ({"one_period": _wide(returns)}, ValueError, "has 12 columns. Stack wide returns"),
        ({"one_period": returns.droplevel(1)}, ValueError, "has to be indexed by"),
        ({"one_period": returns.to_numpy()}, TypeError, "needs one_period=, the returns"),
        ({"exposures": None}, TypeError, "needs exposures=, the X of the fit"),
        ({"exposures": X.assign(z=1.0)}, ValueError, "has 2 columns, and the fit had 1"),
        ({"exposures": later}, ValueError, "1 of the 27 dates of the fit are not in exposures="),
        ({"kernel": "bartlett"}, ValueError, "not for covariance='hodrick'"),
        ({"horizon": None}, ValueError, "needs horizon="),
        ({"horizon": 2.5}, ValueError, "needs horizon="),
    ):
        with pytest.raises(error, match=said):
            model.inference(**{"horizon": 3, **given, **options})
    y = forward_returns(returns, horizon=3).dropna()
    for other, said in (
        (PooledRegression().fit(X.loc[y.index], y), "averages of slopes by date"),
        (FamaMacBeth().fit(_wide(returns)[[0]], _wide(returns)), "averages of slopes"),
        (
            FundamentalFactorModel().fit(X.loc[y.index], y, groupby={i: i % 2 for i in range(N)}),
            "the same slopes",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            other.inference(horizon=3, **given)

"""Covariances of panels: what by= takes, what averages of slopes have of it, and their size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth, PooledRegression
from skfactor.datasets import make_panel, make_two_pass


@pytest.fixture(scope="module")
def panel():
    return make_panel(n_dates=36, n_assets=25, n_features=2, random_state=0, return_X_y=True)


@pytest.fixture(scope="module")
def model(panel):
    return PooledRegression().fit(*panel)


def _years(dates):
    return dates.year


def test_labels_of_rows_dates_and_assets_say_the_same(panel, model):
    X, y = panel
    dates, assets = (X.index.get_level_values(name) for name in ("date", "asset"))
    industry = {asset: f"industry {i % 5}" for i, asset in enumerate(sorted(set(assets)))}
    industries = pd.Series(assets.map(industry), X.index, name="industry")
    ols = sm.OLS(y, sm.add_constant(X))
    for same, labels in (
        ([_years, dates.year.to_numpy(), list(dates.year)], dates.year),
        ([industry, industries, industries.to_numpy()], industries),
        (["asset"], assets),
    ):
        groups = {"groups": pd.factorize(labels)[0]}
        expected = ols.fit(cov_type="cluster", cov_kwds=groups).cov_params()
        for by in same:
            found = model.inference("cluster", by=by)
            assert_allclose(found.cov, expected, rtol=1e-8)
            assert found.df == len(set(labels)) - 1
    months = dates.month.to_numpy()
    both = np.column_stack([pd.factorize(x)[0] for x in (assets, months)])
    expected = ols.fit(cov_type="cluster", cov_kwds={"groups": both}).cov_params()
    for by in (("asset", lambda dates: dates.month), (assets, months), ("asset", months)):
        found = model.inference("cluster", by=by)
        assert_allclose(found.cov, expected, rtol=1e-7)
        assert found.df == 11.0
    assert np.linalg.eigvalsh(expected).min() > 0.0
    told = model.inference("cluster", by=(industries, "date"))
    assert told.detail == "by industry and date"
    assert "cluster by industry and date" in str(told)


def test_dates_of_averages_are_clustered_too(panel):
    averaged = FamaMacBeth().fit(*panel)
    plain = averaged.inference("fama-macbeth")
    by_date = averaged.inference("cluster")
    assert_allclose(by_date.cov, plain.cov, rtol=1e-12)
    assert by_date.df == plain.df == 35.0
    slopes = averaged.lambdas_
    sums = (slopes - slopes.mean()).groupby(slopes.index.year).sum()
    expected = sums.T @ sums / 36**2 * 3 / 2
    years = slopes.index.year.to_numpy()
    for by in (_years, years):
        found = averaged.inference("cluster", by=by)
        assert_allclose(found.cov, expected, rtol=1e-12)
        assert found.df == 2.0
    kernel = averaged.inference("driscoll-kraay", bandwidth=3)
    expected = averaged.inference("fama-macbeth", kernel="bartlett", bandwidth=3)
    assert_allclose(kernel.cov, expected.cov, rtol=1e-12)


def test_mistakes(panel, model):
    X, y = panel
    averaged = FamaMacBeth().fit(X, y)
    wide = FamaMacBeth().fit(*make_two_pass(random_state=0, return_X_y=True))
    labels = pd.Series("a", X.index)
    gap = labels.where(np.arange(len(X)) > 3)
    cases = [
        (model, "cluster", {"by": "nation"}, "by='nation' is unknown; it is 'date', 'asset'"),
        (model, "cluster", {"by": labels}, "makes one cluster of all rows"),
        (model, "cluster", {"by": gap}, "4 of 900 rows have no label"),
        (model, "cluster", {"by": gap[5:]}, r"has shape \(895,\); there has to be one label per"),
        (model, "cluster", {"by": gap.iloc[::-1]}, "different indexes"),
        (model, "cluster", {"by": {"nobody": 1}}, "25 of 25 assets have no label"),
        (model, "cluster", {"by": ("date", "asset", "date")}, "has 3 ways"),
        (model, "cluster", {"by": lambda _: [1]}, r"one label per used date, \(36,\)"),
        (model, "cluster", {"kernel": "bartlett"}, "two answers to one question.*driscoll"),
        (model, "hc1", {"kernel": "bartlett"}, "covariance='hc1' has no lags"),
        (model, "fama-macbeth", {}, "a pooled regression has none. Use 'cluster' or"),
        (model, "krs", {}, "Use 'cluster'"),
        (model, "nonrobust", {}, "ordinary errors of least squares are covariance='classical'"),
        (model, "white", {}, "White's errors are covariance='hc1'"),
        (averaged, "hc1", {}, "is for a pooled regression of all rows"),
        (averaged, "cluster", {"by": "asset"}, "clusters the rows of a pooled regression"),
        (averaged, "cluster", {"by": labels}, r"one label per date of the fit, \(36,\)"),
        (wide, "cluster", {}, "is for panels, whose exposures are given"),
        (wide, "driscoll-kraay", {}, "is for panels, whose exposures are given"),
    ]
    for which, covariance, options, message in cases:
        with pytest.raises(ValueError, match=message):
            which.inference(covariance, **options)
    with pytest.raises(TypeError, match=r"'hc1' has no option \['by'\]"):
        model.inference("hc1", by="date")
    one = X.index.get_level_values("date") == X.index[0][0]
    with pytest.raises(ValueError, match="by='date' makes one cluster"):
        PooledRegression().fit(X[one], y[one]).inference()
    exact = PooledRegression().fit(X[:3], y[:3])
    with pytest.raises(ValueError, match="leave no degree of freedom"):
        exact.inference("classical")
    with pytest.raises(ValueError, match="number of rows minus 3, and there are 3"):
        exact.inference("cluster", by="asset")


@pytest.mark.slow
def test_clusters_hold_their_size_where_rows_depend_on_each_other():
    # Effects of assets and of dates in the exposure and in the residual, as in Petersen (2009).
    rng, n_draws, rejected = np.random.default_rng(0), 400, {}
    n_dates, n_assets = 40, 40
    index = pd.MultiIndex.from_product([range(2000, 2000 + n_dates), range(n_assets)])
    index.names = ["year", "asset"]
    for _ in range(n_draws):
        x, u = (
            rng.standard_normal((n_dates, 1))
            + rng.standard_normal((1, n_assets))
            + rng.standard_normal((n_dates, n_assets))
            for _ in range(2)
        )
        model = PooledRegression().fit(pd.DataFrame({"x": x.ravel()}, index), u.ravel())
        for by in ("hc1", "date", "asset", ("asset", "date")):
            found = model.inference("hc1") if by == "hc1" else model.inference("cluster", by=by)
            rejected[by] = rejected.get(by, 0) + (found.p_values["x"] < 0.05)
    share = {by: count / n_draws for by, count in rejected.items()}
    assert share["hc1"] > 0.4
    assert min(share["date"], share["asset"]) > 0.12
    assert 0.03 < share[("asset", "date")] < 0.1

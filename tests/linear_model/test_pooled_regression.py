"""PooledRegression against R, statsmodels and linearmodels, and in parts."""

from __future__ import annotations

import pickle
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from linearmodels import PanelOLS
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_series_equal
from reference import random_panel
from reference_premia import petersen

from skfactor import FamaMacBeth, FormulaRegressor, PooledRegression, Winsorizer
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning
from skfactor.summary import premia_table


def _panel(seed=0, **shape):
    rng = np.random.default_rng(seed)
    data = random_panel(rng, **{"n_dates": 9, "n_assets": 30, "n_features": 3} | shape)
    y = (data["x2"] / 100.0 + 0.3 * data["x0"] - 0.01 * data["x1"]).rename("return")
    return data[["x0", "x1"]] + [2.0, -1.0], y


@pytest.fixture
def panel():
    return _panel(missing=0.1)


def _weights(index, seed=0):
    return pd.Series(np.random.default_rng(seed).uniform(0.1, 5.0, len(index)), index)


def _complete(X, y, w=None):
    """Rows of the regression: exposures, returns, weights."""
    known = X.notna().all(axis=1) & y.notna()
    return X[known], y[known], None if w is None else w[known]


def _levels(X):
    return (X.index.get_level_values(name) for name in ("date", "asset"))


# --- known values -------------------------------------------------------------------------------


def test_petersen_agrees_with_sandwich_of_r():
    # R: lm(y ~ x), vcovCL(type = "HC1") by firm and by year, vcovHC(type = "HC1"), vcov
    model = PooledRegression().fit(*petersen())
    assert_allclose(model.premia_, [0.0296797207345178, 1.0348334394617], rtol=1e-12)
    known = {
        "classical": ({}, [0.0283593162656653, 0.0285832877912833]),
        "hc1": ({}, [0.0283606722313887, 0.0283951614679422]),
        "asset": ({"by": "asset"}, [0.0670127036987728, 0.0505957258840296]),
        "firm": ({"by": "firm"}, [0.0670127036987728, 0.0505957258840296]),
        "date": ({"by": "date"}, [0.0233867211009489, 0.0333889134119265]),
    }
    for kind, (options, errors) in known.items():
        found = model.inference("cluster" if options else kind, **options)
        assert_allclose(found.std_errors, errors, rtol=1e-10, err_msg=kind)
    # what Petersen prints of both: .0651, .0536
    both = model.inference("cluster", by=("asset", "date"))
    assert_allclose(both.std_errors, [0.0651, 0.0536], atol=5e-5)
    assert both.df == 9.0
    assert model.inference("cluster", by="asset").df == 499.0


def test_one_table_shows_least_squares_clusters_and_fama_macbeth():
    X, y = petersen()
    pooled, averaged = PooledRegression().fit(X, y), FamaMacBeth().fit(X, y)
    columns = [
        pooled.inference("classical"),
        pooled.inference("cluster", by="asset"),
        pooled.inference("cluster", by=("asset", "date")),
        averaged,
    ]
    table = premia_table(columns, names=["OLS", "Firm", "Both", "FM"], statistic="se")
    assert list(table.loc[("x", "se")]) == ["(0.0286)", "(0.0506)", "(0.0536)", "(0.0333)"]
    kinds = ["classical", "cluster by asset", "cluster by asset and date", "fama-macbeth"]
    assert list(table.loc[("Standard errors", "")]) == kinds
    assert list(table.loc[("Rows", "")]) == ["5000", "5000", "5000", ""]
    with pytest.raises(ValueError, match=r"\['kernel'\] would have no effect"):
        premia_table(columns[:2], kernel="bartlett")


@pytest.mark.parametrize("seed", range(4))
def test_errors_agree_with_statsmodels(seed):
    X, y = _panel(seed, missing=0.1, date_first=bool(seed % 2))
    w = _weights(X.index, seed) if seed > 1 else None
    model = PooledRegression().fit(X, y, w)
    x, r, v = _complete(X, y, w)
    ols = sm.WLS(r, sm.add_constant(x), 1.0 if v is None else v)
    dates, assets = (pd.factorize(level)[0] for level in _levels(x))
    plain = ols.fit()
    assert_allclose(model.premia_, plain.params, rtol=1e-10)
    assert_allclose(model.r2_, plain.rsquared, rtol=1e-10)
    assert_allclose(model.inference("classical").cov, plain.cov_params(), rtol=1e-9)
    assert_allclose(model.inference("hc1").cov, ols.fit(cov_type="HC1").cov_params(), rtol=1e-9)
    raw = ols.fit(cov_type="HC0").cov_params()
    assert_allclose(model.inference("hc1", debiased=False).cov, raw, rtol=1e-9)
    codes = {"date": dates, "asset": assets, ("asset", "date"): np.column_stack([assets, dates])}
    for by, groups in codes.items():
        theirs = ols.fit(cov_type="cluster", cov_kwds={"groups": groups}).cov_params()
        values, vectors = np.linalg.eigh(theirs)
        negative = values.min() < 0.0  # of seeds 2 and 3, in two ways
        told = pytest.warns(UserWarning, match="1 of 3 eigenvalues are negative and were set to")
        with told if negative else nullcontext():
            found = model.inference("cluster", by=by)
        expected = vectors * np.maximum(values, 0.0) @ vectors.T
        assert_allclose(found.cov, expected, rtol=1e-8, atol=1e-10, err_msg=str(by))
        assert negative == (seed >= 2 and len(by) == 2)
    test, theirs = model.inference("classical").wald_test(), plain.f_test("x0 = 0, x1 = 0")
    assert_allclose(test.statistic, theirs.fvalue, rtol=1e-9)
    assert_allclose(test.p_value, theirs.pvalue, rtol=1e-7)


def test_driscoll_and_kraay_agree_with_linearmodels(panel):
    X, y = panel
    x, r, _ = _complete(X, y)
    their_x, their_y = (table.swaplevel() for table in (sm.add_constant(x), r))
    numbered = {date: i for i, date in enumerate(sorted(set(next(_levels(x)))))}
    for table in (their_x, their_y):
        table.index = table.index.set_levels([numbered[d] for d in table.index.levels[1]], level=1)
    theirs = PanelOLS(their_y, their_x).fit(
        cov_type="kernel", kernel="bartlett", bandwidth=3, debiased=False
    )
    model = PooledRegression().fit(X, y)
    found = model.inference("driscoll-kraay", bandwidth=3, debiased=False)
    assert_allclose(found.cov, theirs.cov, rtol=1e-9)
    assert (found.kernel, found.df) == ("bartlett", 8.0)
    by_date = model.inference("cluster", by="date").cov
    assert_allclose(model.inference("driscoll-kraay", bandwidth=0).cov, by_date, rtol=1e-12)
    assert model.inference("driscoll-kraay").bandwidth == np.floor(4.0 * (9 / 100) ** (2 / 9))


@pytest.mark.parametrize("weighted", [False, True])
def test_date_effects_are_dummies(panel, weighted):
    X, y = panel
    w = _weights(X.index) if weighted else None
    model = PooledRegression(date_effects=True).fit(X, y, w)
    x, r, v = _complete(X, y, w)
    dates, assets = _levels(x)
    dummies = pd.get_dummies(pd.Series(dates, x.index), dtype=float)
    ols = sm.WLS(r, x.join(dummies), 1.0 if v is None else v)
    plain, names = ols.fit(), ["x0", "x1"]
    assert_allclose(model.premia_, plain.params[names], rtol=1e-9)
    assert_allclose(model.date_effects_, plain.params[2:], rtol=1e-8)
    assert_array_equal(model.date_effects_.index, model.dates_)
    rows = np.ones(len(x)) if v is None else v
    assert_allclose(model.intercept_, np.average(dummies @ plain.params[2:], weights=rows))

    def theirs(**kind):
        return ols.fit(**kind).cov_params().loc[names, names]

    assert_allclose(model.inference("classical").cov, theirs(), rtol=1e-8)
    assert_allclose(model.inference("hc1").cov, theirs(cov_type="HC1"), rtol=1e-8)
    groups = {"groups": pd.factorize(assets)[0]}
    expected = theirs(cov_type="cluster", cov_kwds=groups)
    assert_allclose(model.inference("cluster", by="asset").cov, expected, rtol=1e-8)
    # Effects of dates are nested in clusters of dates, and are not counted there.
    groups = {"groups": pd.factorize(dates)[0]}
    n, k = len(x), 2
    expected = theirs(cov_type="cluster", cov_kwds=groups) * (n - k - 9) / (n - k - 1)
    assert_allclose(model.inference("cluster", by="date").cov, expected, rtol=1e-8)
    assert PooledRegression(date_effects=True, fit_intercept=False).fit(X, y).intercept_ == 0.0
    assert "(within)" in str(model.summary())


def test_without_an_intercept_it_is_least_squares_through_the_origin(panel):
    X, y = panel
    model = PooledRegression(fit_intercept=False).fit(X, y)
    x, r, _ = _complete(X, y)
    ols = sm.OLS(r, x)
    assert_allclose(model.premia_, ols.fit().params, rtol=1e-10)
    assert_allclose(model.r2_, ols.fit().rsquared, rtol=1e-10)
    assert_allclose(model.inference("hc1").cov, ols.fit(cov_type="HC1").cov_params(), rtol=1e-9)
    assert list(model.premia_.index) == ["x0", "x1"]


def test_factors_that_vary_over_dates_only_are_taken(panel):
    X, y = panel
    market = X.groupby("date")["x0"].transform("mean").rename("market")
    model = PooledRegression().fit(X.join(market), y)
    x, r, _ = _complete(X.join(market), y)
    assert_allclose(model.premia_, sm.OLS(r, sm.add_constant(x)).fit().params, rtol=1e-9)


def test_nearly_collinear_columns_keep_their_digits():
    X, y = _panel(3, missing=0.0)
    rng = np.random.default_rng(1)
    close = X.assign(x3=X["x0"] + 1e-7 * rng.standard_normal(len(X)))
    model = PooledRegression().fit(close, y)
    theirs = sm.OLS(y, sm.add_constant(close)).fit(cov_type="HC1")
    assert_allclose(model.premia_, theirs.params, rtol=1e-6)
    # Means of nearly equal columns, with slopes of opposite sign, cancel in that of the constant.
    assert_allclose(model.inference("hc1").std_errors[1:], theirs.bse[1:], rtol=1e-5)


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("effects", [False, True])
def test_parts_add_up_to_one_fit(panel, effects):
    X, y = panel
    w = _weights(X.index)
    whole = PooledRegression(date_effects=effects).fit(X, y, w)
    model, dates = PooledRegression(date_effects=effects), X.index.get_level_values("date")
    labels = sorted(set(dates))
    parts = [dates.isin(labels[4:6]), dates.isin(labels[:4]), dates.isin(labels[6:])]
    for part in parts:
        model.partial_fit(X[part], y[part], w[part])
    read = [PooledRegression(date_effects=effects).read_slopes(X[p], y[p], w[p]) for p in parts]
    summed = PooledRegression(date_effects=effects).fit_slopes(read[2] + (read[0] + read[1]))
    for other in (model, summed, pickle.loads(pickle.dumps(whole))):
        assert_series_equal(other.premia_, whole.premia_, rtol=1e-11)
        assert_allclose(other.intercept_, whole.intercept_, rtol=1e-10)
        assert_array_equal(other.dates_, whole.dates_)
        for kind in ({"by": "date"}, {"by": "asset"}, {"by": lambda d: d > labels[3]}):
            found, expected = (each.inference("cluster", **kind) for each in (other, whole))
            assert_allclose(found.cov, expected.cov, rtol=1e-9)
        with pytest.raises(ValueError, match=r"needs the rows of the fit.*pickled, or fitted in"):
            other.inference("hc1")
        with pytest.raises(ValueError, match=r"Clustering in two ways needs the rows"):
            other.inference(by=("asset", "date"))
        with pytest.raises(ValueError, match=r"one label per row needs the rows"):
            other.inference(by=np.arange(len(X)))


def test_order_of_rows_and_levels_does_not_matter(panel):
    X, y = panel
    expected = PooledRegression().fit(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    dates, assets = _levels(X)
    shuffled = PooledRegression().fit(X.iloc[order].swaplevel(), y.iloc[order].swaplevel())
    arrays = PooledRegression().fit(X.to_numpy(), y.to_numpy(), dates=dates)
    assert_allclose(shuffled.premia_, expected.premia_, rtol=1e-11)
    assert_allclose(arrays.premia_, expected.premia_, rtol=1e-12)
    for by in ("date", "asset", ("asset", "date")):
        found, told = (m.inference(by=by).cov for m in (shuffled, expected))
        assert_allclose(found, told, rtol=1e-9)
    assert_allclose(arrays.inference(by=assets).cov, expected.inference(by="asset").cov, rtol=1e-9)
    with pytest.raises(ValueError, match=r"by='asset' needs to know the asset of each row"):
        arrays.inference(by="asset")


def test_it_is_a_step_of_pipelines_and_a_model_of_formulas(panel):
    X, y = panel
    pipeline = (Winsorizer().fit_transform(X), y)
    data = X.assign(ret=y)
    formula = FormulaRegressor("ret ~ x0 + x1", PooledRegression()).fit(data)
    assert_allclose(formula.regressor_.premia_, PooledRegression().fit(X, y).premia_, rtol=1e-10)
    assert np.isfinite(PooledRegression().fit(*pipeline).score(*pipeline))
    assert "cluster by date" in PooledRegression().fit(X, y)._repr_html_()


# --- mistakes -----------------------------------------------------------------------------------


def test_mistakes_in_fit(panel):
    X, y = panel
    dates = X.index.get_level_values("date")
    year = pd.Series(pd.factorize(dates)[0], X.index, dtype=float)
    cases = [
        ({"date_effects": True}, X.assign(z=year), y, r"\['z'\] vary within no date"),
        ({}, X.assign(z=X["x0"] * 2.0), y, r"\['x0', 'z'\] are collinear"),
        ({}, X.assign(z=1.0), y, r"'z'.*constant"),
        ({}, X.assign(z=np.nan), y, r"No row has a return and all exposures"),
        ({}, X, pd.concat([y, y], axis=1), r"y has 2 columns.*Stack the returns"),
        ({"missing": "raise"}, X, y, r"X has missing values in"),
        ({"date_effects": 3}, X, y, r"'date_effects' parameter"),
        ({}, X[-2:], y[-2:], r"The 3 coefficients cannot be estimated: \d rows"),
    ]
    for parameters, x, target, message in cases:
        with pytest.raises(ValueError, match=message):
            PooledRegression(**parameters).fit(x, target)
    with pytest.warns(NoDatesWarning), pytest.raises(ValueError, match=r"date_effects=True needs"):
        PooledRegression(date_effects=True).fit(X.to_numpy(), y.to_numpy())
    part = dates == dates[0]
    model = PooledRegression().partial_fit(X[part], y[part])
    with pytest.raises(ValueError, match="dates were there before"):
        model.partial_fit(X[part], y[part])
    with pytest.raises(ValueError, match=r"different models"):
        model.set_params(date_effects=True).partial_fit(X[~part], y[~part])


def test_without_dates_errors_are_those_of_rows(panel):
    X, y = (table.to_numpy() for table in panel)
    with pytest.warns(NoDatesWarning):
        model = PooledRegression().fit(X, y)
    assert model.inference().covariance == "hc1"
    for options in ({"covariance": "cluster"}, {"by": "date"}):
        with pytest.raises(ValueError, match=r"by='date' needs dates, and the rows of fit had"):
            model.inference(**options)
    with pytest.raises(ValueError, match=r"driscoll-kraay' is for dates"):
        model.inference("driscoll-kraay")
    with pytest.warns(NoDatesWarning), pytest.warns(RankDeficientWarning, match="They are NaN"):
        model = PooledRegression().fit(X[:, [0, 0]], y)
    with pytest.raises(ValueError, match="could not be estimated, and have no errors"):
        model.inference()


def test_columns_that_are_constant_so_far_may_vary_later():
    X, y = _panel(5)
    dates = X.index.get_level_values("date")
    X = X.assign(late=(dates == dates.max()) * X["x0"])
    whole, model = PooledRegression().fit(X, y), PooledRegression()
    late = dates == dates.max()
    with pytest.warns(RankDeficientWarning, match="collinear"):
        model.partial_fit(X[~late], y[~late])
    model.partial_fit(X[late], y[late])
    assert_allclose(model.premia_, whole.premia_, rtol=1e-9)


def test_rows_that_were_changed_since_are_noticed(panel):
    X, y = panel
    values, returns = X.to_numpy().copy(), y.to_numpy().copy()
    model = PooledRegression().fit(values, returns, dates=X.index.get_level_values("date"))
    model.inference("hc1")
    values[np.isfinite(values)] *= -1.0
    with pytest.raises(ValueError, match="were changed in place since"):
        model.inference("hc1")

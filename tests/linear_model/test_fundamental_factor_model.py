"""FundamentalFactorModel: constraints, groups that come and go, and what risk needs of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn import config_context
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth, FundamentalFactorModel
from skfactor.datasets import iter_parquet, make_panel
from skfactor.exceptions import RankDeficientWarning
from skfactor.model_selection import walk_forward_predict

STYLES = ["x1", "x2"]


def _market(n_dates=24, n_assets=60, missing=0.0, seed=0):
    panel = make_panel(n_dates, n_assets, 2, missing=missing, random_state=seed)
    rng = np.random.default_rng(seed)
    assets = panel.data.index.unique("asset")
    labels = np.resize(["Banks", "Oil", "Tech"], len(assets))
    industry = pd.Series(labels, assets).loc[panel.data.index.get_level_values("asset")]
    industry = industry.set_axis(panel.data.index)
    caps = pd.Series(rng.lognormal(size=len(panel.target)), panel.data.index)
    return panel.data, panel.target, industry, caps


@pytest.fixture
def market():
    return _market(missing=0.05)


def _one_date(X, y, industry, caps, date, families=None):
    """Constrained least squares of a date by statsmodels, named."""
    rows = X.index.get_level_values("date") == date
    x, r, w = X[rows], y[rows], caps[rows]
    dummies = pd.get_dummies(industry[rows]).astype(float)
    z = pd.concat([pd.Series(1.0, x.index, name="const"), dummies, x], axis=1)
    share = (dummies.mul(w, axis=0)).sum() / w.sum()
    constraint = share.reindex(z.columns).fillna(0.0).to_numpy()[None]
    model = sm.GLM(r, z, var_weights=np.sqrt(w))
    return pd.Series(model.fit_constrained((constraint, np.zeros(1))).params, z.columns)


# --- known values -------------------------------------------------------------------------------


def test_factor_returns_equal_constrained_least_squares(market):
    X, y, industry, caps = market
    model = FundamentalFactorModel().fit(X, y, groupby=industry, weights=caps)
    assert list(model.lambdas_.columns) == ["const", "Banks", "Oil", "Tech", *STYLES]
    assert list(model.groups_) == ["Banks", "Oil", "Tech"]
    for date in model.dates_[[0, 11]]:
        expected = _one_date(X, y, industry, caps, date)
        assert_allclose(model.lambdas_.loc[date], expected[model.lambdas_.columns], atol=1e-15)
    explained = model.lambdas_.loc[X.index.get_level_values("date")].set_axis(X.index)
    fitted = explained["const"] + (explained[STYLES] * X).sum(axis=1)
    fitted += pd.Series([explained[g].iloc[i] for i, g in enumerate(industry)], X.index)
    assert_allclose(model.residuals_, y - fitted, atol=1e-15)


def test_without_groups_it_is_fama_macbeth(market):
    X, y, _, caps = market
    model = FundamentalFactorModel().fit(X, y, weights=caps)
    expected = FamaMacBeth().fit(X, y, sample_weight=np.sqrt(caps))
    assert_allclose(model.lambdas_, expected.lambdas_, atol=1e-15)
    assert_allclose(model.cross_sections_, expected.cross_sections_, rtol=1e-9)
    for given in ({}, {"kernel": "bartlett"}):
        found, known = model.inference(**given), expected.inference(**given)
        assert_allclose(found.cov, known.cov, rtol=1e-9)
    assert_allclose(model.predict(X), expected.predict(X))
    assert model.score(X, y) == pytest.approx(expected.score(X, y))
    assert_allclose(
        model.slope_portfolios(X, weights=caps),
        expected.slope_portfolios(X, sample_weight=np.sqrt(caps)),
        atol=1e-13,
    )


def test_portfolios_of_factors_earn_the_factor_returns(market):
    X, y, industry, caps = market
    model = FundamentalFactorModel().fit(X, y, groupby=industry, weights=caps)
    portfolios = model.slope_portfolios(X, groupby=industry, weights=caps)
    dates = X.index.get_level_values("date")
    assert_allclose(portfolios.mul(y, axis=0).groupby(dates).sum(), model.lambdas_, atol=1e-14)
    sums = portfolios.groupby(dates).sum()
    assert_allclose(sums, np.eye(6)[0] + np.zeros(sums.shape), atol=1e-13)
    on_styles = portfolios.mul(X["x1"], axis=0).groupby(dates).sum()
    assert_allclose(on_styles, np.eye(6)[4] + np.zeros(sums.shape), atol=1e-12)
    with pytest.raises(ValueError, match="those of no portfolio"):
        FundamentalFactorModel(robust="huber").fit(X, y).slope_portfolios(X)


def test_two_families_of_groups_each_have_a_mean_of_zero(market):
    X, y, industry, caps = market
    rng = np.random.default_rng(3)
    country = pd.Series(rng.choice(["US", "Japan", "Chile"], len(X), p=[0.6, 0.3, 0.1]), X.index)
    frame = pd.DataFrame({"industry": industry, "country": country})
    model = FundamentalFactorModel().fit(X, y, groupby=frame, weights=caps)
    assert list(model.groups_) == ["Banks", "Oil", "Tech", "Chile", "Japan", "US"]
    for labels in (industry, country):
        dates = caps.index.get_level_values("date")
        share = pd.crosstab(dates, labels, values=caps, aggfunc="sum")
        share = share.div(share.sum(axis=1), axis=0)
        mean = (share * model.lambdas_[share.columns]).sum(axis=1)
        assert mean.abs().max() < 1e-15
    # the same fit as with dummies that leave one of each family out
    dummies = pd.get_dummies(frame, drop_first=True, dtype=float)
    plain = FamaMacBeth().fit(X.join(dummies), y, sample_weight=np.sqrt(caps))
    assert_allclose(model.lambdas_[STYLES], plain.lambdas_[STYLES], atol=1e-14)
    assert_allclose(model.cross_sections_["adj_r2"], plain.cross_sections_["adj_r2"], rtol=1e-9)
    with pytest.raises(ValueError, match=r"labels \['Oil'\] are groups of several columns"):
        FundamentalFactorModel().fit(X, y, groupby=frame.replace("Chile", "Oil"))


def test_huber_resists_an_outlier_and_keeps_the_constraint(market):
    X, y, industry, caps = market
    wrong = y.copy()
    wrong.iloc[5] = 40.0
    plain, robust = (
        FundamentalFactorModel(robust=kind).fit(X, wrong, groupby=industry, weights=caps)
        for kind in (None, "huber")
    )
    clean = FundamentalFactorModel().fit(X, y, groupby=industry, weights=caps)
    date = X.index[5][0]
    far, near = (
        (each.lambdas_.loc[date] - clean.lambdas_.loc[date]).abs().max() for each in (plain, robust)
    )
    assert near < 0.05 < 0.5 < far
    assert "Huber" in str(robust.summary())


# --- groups, weights, missing values ------------------------------------------------------------


def test_groups_that_come_and_go_are_nan_and_not_zero():
    X, y, industry, caps = _market()
    dates = X.index.get_level_values("date")
    late = dates >= dates[0] + 12
    gone = ~late & (industry == "Tech")
    model = FundamentalFactorModel().fit(X[~gone], y[~gone], industry[~gone], caps[~gone])
    assert model.lambdas_["Tech"].isna().sum() == 12
    assert model.lambdas_.drop(columns="Tech").notna().all().all()
    first = _one_date(X[~gone], y[~gone], industry[~gone], caps[~gone], dates[0])
    assert_allclose(model.lambdas_.iloc[0].dropna(), first, atol=1e-15)
    assert model.premia_["Tech"] == pytest.approx(model.lambdas_["Tech"].mean())
    inference = model.inference()
    errors = model.lambdas_["Tech"].std() / np.sqrt(12)
    assert inference.std_errors["Tech"] == pytest.approx(errors)


def test_equal_capitalizations_without_weights_and_own_weights_of_the_regression(market):
    X, y, industry, caps = market
    equal = FundamentalFactorModel().fit(X, y, groupby=industry)
    ones = FundamentalFactorModel().fit(X, y, groupby=industry, weights=np.ones(len(X)))
    assert_frame_equal(equal.lambdas_, ones.lambdas_)
    own = FundamentalFactorModel().fit(
        X, y, groupby=industry, weights=caps, sample_weight=np.sqrt(caps)
    )
    default = FundamentalFactorModel().fit(X, y, groupby=industry, weights=caps)
    assert_frame_equal(own.lambdas_, default.lambdas_)


def test_rows_of_weight_zero_have_residuals_and_no_part():
    X, y, industry, caps = _market()
    left_out = np.arange(len(X)) % 7 == 0
    weight = np.where(left_out, 0.0, 1.0)
    model = FundamentalFactorModel().fit(X, y, industry, caps, sample_weight=weight)
    kept = FundamentalFactorModel().fit(
        X[~left_out],
        y[~left_out],
        industry[~left_out],
        caps[~left_out],
        sample_weight=weight[~left_out],
    )
    assert_allclose(model.lambdas_, kept.lambdas_, atol=1e-15)
    assert model.residuals_.notna().all()


def test_a_row_without_a_label_is_left_out_or_refused(market):
    X, y, industry, caps = market
    labels = industry.copy()
    labels.iloc[3] = np.nan
    model = FundamentalFactorModel().fit(X, y, labels, caps)
    kept = np.arange(len(X)) != 3
    expected = FundamentalFactorModel().fit(X[kept], y[kept], industry[kept], caps[kept])
    assert_frame_equal(model.lambdas_, expected.lambdas_)
    assert np.isnan(model.residuals_.iloc[3])
    with pytest.raises(ValueError, match="no label for 1 of"):
        FundamentalFactorModel(missing="raise").fit(X, y, labels, caps)


def test_residuals_of_tiny_groups_are_nan_and_counted():
    X, y, industry, caps = _market()
    alone = X.index.get_level_values("asset") == "A01"
    labels = industry.mask(alone, "Shipping")
    with pytest.warns(RankDeficientWarning, match=r"24 residuals are NaN.*'Shipping'"):
        model = FundamentalFactorModel().fit(X, y, labels, caps)
    assert model.residuals_[alone].isna().all()
    assert model.residuals_[~alone].notna().all()
    assert model.lambdas_["Shipping"].notna().all()
    one = FundamentalFactorModel(min_group_size=1).fit(X, y, labels, caps)
    assert one.residuals_[alone].abs().max() < 1e-15


def test_one_group_on_a_date_is_not_told_from_the_market():
    X, y, industry, caps = _market()
    first = X.index.get_level_values("date") == X.index[0][0]
    labels = industry.mask(first, "Oil")
    with pytest.warns(RankDeficientWarning, match="1 of 24 dates all assets are in one group"):
        model = FundamentalFactorModel().fit(X, y, labels, caps)
    assert model.lambdas_[["Banks", "Oil", "Tech"]].iloc[0].isna().all()
    alone = FamaMacBeth().fit(X[first], y[first], sample_weight=np.sqrt(caps[first]))
    assert_allclose(model.lambdas_.iloc[0][["const", *STYLES]], alone.lambdas_.iloc[0])
    for raising, given in (
        (FundamentalFactorModel(rank_deficient="raise"), labels),
        (FundamentalFactorModel(), industry.map(lambda _: "Oil")),
    ):
        with pytest.raises(ValueError, match="All assets are in one group"):
            raising.fit(X, y, given, caps)


def test_bad_capitalizations_are_one_clear_error(market):
    X, y, industry, caps = market
    for value, what in ((np.nan, "missing"), (0.0, "zero"), (-1.0, "negative"), (np.inf, "inf")):
        bad = caps.copy()
        bad.iloc[[2, 9]] = value
        with pytest.raises(ValueError, match=rf"not positive numbers in 2 rows.*2 {what}"):
            FundamentalFactorModel().fit(X, y, industry, bad)
        unknown = y.copy()
        unknown.iloc[[2, 9]] = np.nan  # rows without a return need no capitalization
        model = FundamentalFactorModel().fit(X, unknown, industry, bad)
        assert model.residuals_.isna().sum() == 2
    with pytest.raises(ValueError, match="does not hold numbers"):
        FundamentalFactorModel().fit(X, y, industry, ["big"] * len(X))
    with pytest.raises(ValueError, match="one weight per row"):
        FundamentalFactorModel().fit(X, y, industry, caps.to_numpy()[:5])


def test_thin_dates_and_bad_names_are_told():
    X, y, industry, caps = _market()
    thin = (X.index.get_level_values("date") == X.index[0][0]) & (np.arange(len(X)) % 20 > 0)
    with pytest.warns(RankDeficientWarning, match="1 with fewer than as many assets as coeff"):
        FundamentalFactorModel().fit(X[~thin], y[~thin], industry[~thin], caps[~thin])
    with pytest.raises(ValueError, match=r"labels \['x1'\] of groups are names of other factors"):
        FundamentalFactorModel().fit(X, y, industry.replace("Oil", "x1"))
    with pytest.raises(ValueError, match="takes panels"):
        FundamentalFactorModel().fit(X, np.zeros((len(X), 2)))
    constant = X.assign(x2=industry.map({"Banks": 1.0, "Oil": 2.0, "Tech": 3.0}))
    with pytest.raises(ValueError, match=r"24 with collinear .*'x2'.* constant"):
        FundamentalFactorModel().fit(constant, y, industry)


# --- prediction ---------------------------------------------------------------------------------


def test_predictions_take_groups_or_the_last_ones_of_fit(market):
    X, y, industry, caps = market
    moved = industry.copy()
    last = X.index.get_level_values("date").max()
    moved[(last, "A02")] = "Tech"
    model = FundamentalFactorModel().fit(X, y, moved, caps)
    premia = model.premia_
    expected = premia["const"] + X @ premia[STYLES]
    assert_allclose(model.predict(X, groupby=industry), expected + industry.map(premia))
    assert model.asset_groups_.loc["A02", "group"] == "Tech"
    now = X.xs(last, level="date")
    known = model.expected_returns(now)
    groups = moved.xs(last, level="date").map(premia)
    assert_series_equal(known, expected.xs(last, level="date") + groups, check_names=False)
    assert_allclose(model.predict(now), known)
    assert model.score(X, y, groupby=moved) == pytest.approx(
        1 - ((y - model.predict(X, moved)) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    )
    with pytest.raises(ValueError, match=r"assets \['new'\] had no group in fit"):
        model.predict(now.rename(index={"A01": "new"}))
    with pytest.raises(ValueError, match=r"groups \['Gold'\] were not there in fit"):
        model.predict(now, groupby=["Gold"] * len(now))
    with pytest.raises(ValueError, match="pass groupby="):
        model.predict(now.reset_index(drop=True))
    with pytest.raises(ValueError, match="fitted without groupby="):
        FundamentalFactorModel().fit(X, y).predict(X, groupby=industry)


def test_groups_and_weights_are_routed_through_pipelines_and_walks(market):
    X, y, industry, caps = market
    expected = FundamentalFactorModel().fit(
        FactorZScorer().fit_transform(X, weights=caps), y, industry, caps
    )
    with config_context(enable_metadata_routing=True):
        scorer = FactorZScorer().set_fit_request(groupby=False)
        scorer.set_transform_request(groupby=False)
        pipeline = make_pipeline(scorer, FundamentalFactorModel())
        pipeline.fit(X, y, groupby=industry, weights=caps)
        walked = walk_forward_predict(
            FundamentalFactorModel(), X, y, params={"groupby": industry, "weights": caps}
        )
    assert_allclose(pipeline[-1].lambdas_, expected.lambdas_, atol=1e-15)
    assert walked.notna().any()


# --- streaming ----------------------------------------------------------------------------------


def test_parts_are_the_whole_whatever_groups_they_have():
    X, y, industry, caps = _market()
    dates = X.index.get_level_values("date")
    late = dates >= dates[0] + 12
    labels = industry.where(late | (industry != "Banks"), "Oil")  # Banks come later
    whole = FundamentalFactorModel().fit(X, y, labels, caps)
    streamed, read = FundamentalFactorModel(), []
    for part in (late, ~late):
        data = (X[part], y[part], labels[part], caps[part])
        streamed.partial_fit(*data)
        read.append(FundamentalFactorModel().read_slopes(*data))
    joined = FundamentalFactorModel().fit_slopes(read[0] + read[1])
    for model in (streamed, joined):
        assert_frame_equal(model.lambdas_, whole.lambdas_)
        assert_frame_equal(model.asset_groups_, whole.asset_groups_)
        assert_allclose(model.predict(X), whole.predict(X))
        assert_allclose(model.inference().cov, whole.inference().cov)
    assert_allclose(
        streamed.risk_model(X.xs(dates[-1], level="date")).exposures, whole.risk_model().exposures
    )
    with pytest.raises(ValueError, match="Earlier calls had groups"):
        streamed.partial_fit(X, y)
    with pytest.raises(ValueError, match="had groupby= with the columns"):
        streamed.partial_fit(X, y, pd.DataFrame({"a": labels}))


def test_it_streams_from_parquet(tmp_path):
    X, y, industry, caps = _market()
    frame = X.assign(ret=y, industry=industry, cap=caps)
    frame.index = frame.index.set_levels(frame.index.levels[0].to_timestamp(), level="date")
    frame.to_parquet(tmp_path / "panel.parquet")
    model = FundamentalFactorModel()
    for chunk in iter_parquet(tmp_path / "panel.parquet", chunk_rows=300):
        model.partial_fit(chunk[STYLES], chunk["ret"], chunk["industry"], chunk["cap"])
    whole = FundamentalFactorModel().fit(X, y, industry, caps)
    assert_allclose(model.lambdas_, whole.lambdas_, atol=1e-15)


def test_order_of_rows_and_labels_do_not_matter(market):
    X, y, industry, caps = market
    expected = FundamentalFactorModel().fit(X, y, industry, caps)
    order = np.random.default_rng(0).permutation(len(X))
    mixed = FundamentalFactorModel().fit(*(each.iloc[order] for each in (X, y, industry, caps)))
    assert_frame_equal(mixed.lambdas_, expected.lambdas_)
    assert_frame_equal(mixed.asset_groups_, expected.asset_groups_)
    assert_series_equal(mixed.residuals_.loc[X.index], expected.residuals_)
    swapped = [each.swaplevel() for each in (X, y, industry, caps)]
    assert_frame_equal(FundamentalFactorModel().fit(*swapped).lambdas_, expected.lambdas_)
    coded = FundamentalFactorModel().fit(X, y, industry.astype("category").cat.codes, caps)
    assert_allclose(coded.lambdas_, expected.lambdas_)


# --- risk ---------------------------------------------------------------------------------------


def test_its_risk_model_names_what_it_does_not_know():
    X, y, industry, caps = _market()
    model = FundamentalFactorModel().fit(X, y, industry, caps)
    risk = model.risk_model()
    assert_allclose(risk.factor_covariance, model.lambdas_.cov(), rtol=1e-9)
    assert_allclose(
        risk.specific_variance, (model.residuals_**2).groupby(level="asset").mean(), rtol=1e-12
    )
    assert risk.date == X.index[-1][0]
    now = X.xs(risk.date, level="date")
    assert_allclose(risk.exposures[STYLES], now)
    new = now.iloc[:2].rename(index={"A01": "new"})
    one = model.risk_model(new, groupby=["Oil", "Tech"])
    assert list(one.unknown) == ["new"]
    assert one.exposures.loc["new", "Oil"] == 1.0
    with pytest.raises(ValueError, match="several dates"):
        model.risk_model(X)

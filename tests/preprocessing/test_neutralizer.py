"""FactorNeutralizer: known values, laws, and what raises."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import random_panel
from sklearn import config_context
from sklearn.pipeline import make_pipeline

from skfactor import FactorNeutralizer, FactorZScorer
from skfactor.exceptions import RankDeficientWarning

# Rows that are a sample without dates, which is meant.
undated = pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")

seeds = st.integers(0, 2**32 - 1)
law = settings(deadline=None, max_examples=25)


@pytest.fixture
def panel():
    return random_panel(np.random.default_rng(0), n_features=4)


def industries(panel, seed=0):
    return np.random.default_rng(seed).choice(["oil", "steel", "banks"], len(panel))


def by_formula(panel, against, groups=None, weights=None):
    """Residuals by one statsmodels formula per date and column; patsy leaves out missing rows."""
    data = panel.assign(group="all" if groups is None else groups)
    data["weight"] = 1.0 if weights is None else weights
    right = " + ".join(["C(group)" if groups is not None else "1", *against])
    expected = panel.copy()
    for _, rows in data.groupby(level="date"):
        for name in panel.columns.difference(against):
            complete = rows.dropna(subset=[name, *against])
            complete = complete.assign(group=complete["group"].astype(str))
            fit = smf.wls(f"{name} ~ {right}", complete, weights=complete["weight"]).fit()
            expected.loc[rows.index, name] = fit.resid.reindex(rows.index)
    return expected


# --- known values -------------------------------------------------------------------------------


@undated
def test_residuals_of_a_line_by_hand():
    # y on 1, 2, 3: slope 1, mean 3
    values = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [2.0, 3.0 + 4.0]])
    result = FactorNeutralizer(against=[0]).fit_transform(values)
    assert_allclose(result, [[1, -1], [2, -1], [3, -1], [2, 3]], atol=1e-14)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("against", [[], ["x1"], ["x3", "x0"]])
def test_residuals_equal_statsmodels_date_by_date(panel, grouped, weighted, against):
    groups = industries(panel) if grouped else None
    weights = np.random.default_rng(1).uniform(0.1, 5.0, len(panel)) if weighted else None
    neutralizer = FactorNeutralizer(against=against or None)
    result = neutralizer.fit_transform(panel, groupby=groups, weights=weights)
    expected = by_formula(panel, against, groups, weights)
    assert_allclose(result / panel.std(), expected / panel.std(), rtol=0, atol=1e-10)
    assert_frame_equal(result[against], panel[against], check_exact=True)


def test_without_an_intercept_residuals_equal_statsmodels(panel):
    neutralizer = FactorNeutralizer(against=["x1"], fit_intercept=False)
    result = neutralizer.fit_transform(panel)
    for _, rows in panel.groupby(level="date"):
        complete = rows[["x0", "x1"]].dropna()
        fit = sm.OLS(complete["x0"], complete["x1"]).fit()
        assert_allclose(result.loc[complete.index, "x0"], fit.resid, rtol=0, atol=1e-12)


def test_with_neither_columns_and_groups_are_demeaned(panel):
    expected = panel - panel.groupby(level="date").transform("mean")
    assert_allclose(FactorNeutralizer().fit_transform(panel), expected, atol=1e-12 * 1e3)
    groups = industries(panel)
    by = [panel.index.get_level_values("date"), groups]
    expected = panel - panel.groupby(by).transform("mean")
    result = FactorNeutralizer().fit_transform(panel, groupby=groups)
    assert_allclose(result, expected, atol=1e-12 * 1e3)


def test_a_residual_is_missing_where_the_value_or_any_of_against_is(panel):
    result = FactorNeutralizer(against=["x1", "x2"]).fit_transform(panel)
    missing = panel[["x1", "x2"]].isna().any(axis=1)
    assert missing.any()
    for name in ("x0", "x3"):
        assert_array_equal(result[name].isna(), panel[name].isna() | missing)


def test_an_asset_alone_in_its_industry_has_residual_zero(panel):
    groups = industries(panel)
    first = panel[["x0", "x1"]].notna().all(axis=1).to_numpy().argmax()
    groups[first] = "airlines"
    result = FactorNeutralizer(against=["x1"]).fit_transform(panel, groupby=groups)
    assert result["x0"].iloc[first] == 0.0


def test_a_column_in_the_span_is_zero_and_stays_zero_when_scaled(panel):
    complete = panel.dropna()
    complete = complete.assign(x3=1e4 + complete["x1"] / 3.0 - 0.1 * complete["x2"])
    neutralizer = FactorNeutralizer(against=["x1", "x2"])
    result = make_pipeline(neutralizer, FactorZScorer()).fit_transform(complete)
    assert_array_equal(result["x3"], 0.0)
    assert result["x0"].std() > 0.5


# --- laws ---------------------------------------------------------------------------------------


@law
@given(seed=seeds, weighted=st.booleans())
def test_residuals_are_orthogonal_to_against_and_industries_on_each_date(seed, weighted):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, n_features=4, missing=0.0)
    panel = (panel - panel.mean()) / panel.std()
    groups = industries(panel, seed)
    weights = rng.uniform(0.1, 2.0, len(panel)) if weighted else np.ones(len(panel))
    neutralizer = FactorNeutralizer(against=["x1", "x2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # thin dates
        result = neutralizer.fit_transform(panel, groupby=groups, weights=weights)
    regressors = pd.get_dummies(groups).astype(float).set_axis(panel.index)
    regressors[["x1", "x2"]] = panel[["x1", "x2"]]
    for residual in (result["x0"], result["x3"]):
        products = regressors.mul(residual * weights, axis=0).groupby(level="date").sum()
        assert_allclose(products, 0.0, atol=1e-10)


@law
@given(seed=seeds)
def test_what_is_neutral_stays_as_it_is(seed):
    panel = random_panel(np.random.default_rng(seed), n_features=3)
    neutralizer = FactorNeutralizer(against=["x1"])
    once = neutralizer.fit_transform(panel)
    assert_allclose(neutralizer.transform(once), once, rtol=0, atol=1e-11 * panel.std().max())


@law
@given(seed=seeds, scale=st.floats(0.01, 100.0), shift=st.floats(-50.0, 50.0))
def test_units_of_against_and_of_groups_do_not_matter(seed, scale, shift):
    panel = random_panel(np.random.default_rng(seed), n_features=3)
    other = panel.assign(x1=scale * panel["x1"] + shift)
    groups = np.random.default_rng(seed).integers(0, 3, len(panel))
    neutralizer = FactorNeutralizer(against=["x1"])
    result = neutralizer.fit_transform(panel, groupby=groups)
    renamed = pd.Categorical.from_codes(groups, ["c", "a", "b"])
    again = neutralizer.fit_transform(other, groupby=renamed)
    assert_allclose(again["x2"], result["x2"], rtol=0, atol=1e-9 * panel["x2"].std())


# --- small groups -------------------------------------------------------------------------------


def test_small_groups_have_the_residuals_of_their_date(panel):
    groups = np.where(np.random.default_rng(0).random(len(panel)) < 0.2, "few", "many")
    neutralizer = FactorNeutralizer(against=["x1"])
    own, whole = neutralizer.fit_transform(panel, groupby=groups), neutralizer.fit_transform(panel)
    by = [panel.index.get_level_values("date"), groups]
    count = panel.notna().groupby(by).transform("sum")
    result = FactorNeutralizer(against=["x1"], min_group_size=5).fit_transform(
        panel, groupby=groups
    )
    assert_allclose(result, own.where(count >= 5, whole), rtol=1e-12)
    assert (count < 5).any(axis=None)


def test_a_small_group_without_weight_has_the_residuals_of_its_date_and_no_warning(panel):
    groups, weights = industries(panel), np.ones(len(panel))
    weights[np.flatnonzero(groups == "oil")[0]] = 0.0
    groups[np.flatnonzero(groups == "oil")[0]] = "airlines"
    neutralizer = FactorNeutralizer(min_group_size=2)
    result = neutralizer.fit_transform(panel, groupby=groups, weights=weights)
    whole = FactorNeutralizer().fit_transform(panel, weights=weights)
    there = groups == "airlines"
    assert_allclose(result[there], whole[there], rtol=1e-12)
    assert_array_equal(result.isna(), panel.isna())


# --- without dates ------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize(("grouped", "least"), [(False, None), (True, None), (True, 12)])
def test_without_dates_what_fit_learned_is_applied(grouped, least):
    rng = np.random.default_rng(0)
    train, new = rng.normal(size=(2, 60, 3)) + np.arange(3)
    train[3, 0] = new[4, 1] = np.nan
    groups = np.repeat(list("cab"), [10, 20, 30]) if grouped else None
    model = FactorNeutralizer(against=[1], min_group_size=least).fit(train, groupby=groups)
    dummies = np.ones((60, 1)) if groups is None else groups[:, None] == list("abc")
    for k in (0, 2):
        fit = sm.OLS(train[:, k], np.column_stack([train[:, 1], dummies]), missing="drop").fit()
        left = new[:, k] - np.column_stack([new[:, 1], dummies]) @ fit.params
        if least:
            fit = sm.OLS(train[:, k], sm.add_constant(train[:, 1]), missing="drop").fit()
            whole = new[:, k] - sm.add_constant(new[:, 1]) @ fit.params
            left = np.where(groups == "c", whole, left)
        assert_allclose(model.transform(new, groupby=groups)[:, k], left, atol=1e-13)
    assert_array_equal(model.transform(new, groupby=groups)[:, 1], new[:, 1])
    shape = (3,) if groups is None else (3, 3)
    assert model.intercept_.shape == shape
    assert model.coef_.shape == (*shape, 1)
    assert (model.coef_[..., 1, :] == 0.0).all()


# --- what warns ---------------------------------------------------------------------------------


def test_collinear_and_thin_dates_are_counted_in_one_warning(panel):
    complete = random_panel(np.random.default_rng(0), n_features=3, missing=0.0).sort_index()
    dates = complete.index.get_level_values("date")
    days = dates.unique()
    collinear, few = dates == days[1], dates == days[2]
    complete.loc[collinear, "x2"] = 3.0 - 2.0 * complete.loc[collinear, "x1"]
    thin = np.flatnonzero(few)[2:]
    complete.iloc[thin, 0] = np.nan
    neutralizer = FactorNeutralizer(against=["x1", "x2"]).fit(complete)
    message = (
        r"columns \['x0'\] are NaN on 2 of 6 dates: 1 with fewer assets than coefficients; "
        r"1 with columns of against that are collinear"
    )
    with pytest.warns(RankDeficientWarning, match=message) as record:
        result = neutralizer.transform(complete)
    assert len(record) == 1
    assert record[0].filename == __file__
    assert_array_equal(result["x0"].isna(), collinear | few)
    assert_frame_equal(result[["x1", "x2"]], complete[["x1", "x2"]])


def test_dummies_of_all_groups_are_named_with_what_to_type(panel):
    X = panel.join(pd.get_dummies(pd.Series(industries(panel), panel.index), dtype=float))
    dummies = [name for name in X if name not in panel]
    named = re.escape(
        f"(drop one of {dummies}, or if they are dummies of all groups, set fit_inter"
    )
    with pytest.warns(RankDeficientWarning, match=named):
        lost = FactorNeutralizer(against=dummies).fit_transform(X)
    assert lost[panel.columns].isna().all(axis=None)
    with_groups = FactorNeutralizer().fit_transform(panel, groupby=industries(panel))
    for typed in ({"against": dummies[1:]}, {"against": dummies, "fit_intercept": False}):
        used = X.drop(columns=dummies[0]) if typed["against"] != dummies else X
        found = FactorNeutralizer(**typed).fit_transform(used)[panel.columns]
        assert_frame_equal(found, with_groups, atol=1e-12)
    singular = X.assign(same=2.0 * X["x0"])[["x0", "x1", "same"]]
    without = FactorNeutralizer(against=["x0", "same"], fit_intercept=False)
    with pytest.warns(RankDeficientWarning, match=r"\(drop one of \['x0', 'same'\]\)\.$"):
        without.fit_transform(singular)


def test_thinner_dates_than_asked_for_are_missing(panel):
    counts = panel["x0"].groupby(level="date").transform("count")
    fewest = int(counts.max())
    with pytest.warns(RankDeficientWarning, match=rf"or than min_assets={fewest}\."):
        result = FactorNeutralizer(min_assets=fewest).fit_transform(panel[["x0"]])
    assert_array_equal(result["x0"].isna(), panel["x0"].isna() | (counts < fewest))


def test_a_group_without_weight_is_missing_and_a_row_without_weight_is_not(panel):
    groups, weights = industries(panel), np.ones(len(panel))
    weights[groups == "oil"] = 0.0
    weights[np.flatnonzero(groups == "steel")[0]] = 0.0
    with pytest.warns(RankDeficientWarning, match="6 with a group all of whose weights are zero"):
        result = FactorNeutralizer().fit_transform(panel, groupby=groups, weights=weights)
    assert_array_equal(result.isna(), panel.isna() | (groups == "oil")[:, None])


@pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")  # which is meant
def test_a_sample_without_dates_that_cannot_be_fitted_warns():
    values = np.random.default_rng(0).normal(size=(20, 2)) * [1.0, 0.0]
    with pytest.warns(RankDeficientWarning, match=r"columns \[0\] are NaN on the sample") as record:
        model = FactorNeutralizer(against=[1]).fit(values)
    assert record[0].filename == __file__
    assert_array_equal(np.isnan(model.transform(values)), [[True, False]] * 20)


# --- what raises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"against": ["size"]}, r"against names \['size'\], which are not among \['x0', 'x1'"),
        ({"against": [1]}, r"against names \[1\], which are not among"),
        ({"against": ["x1", "x1"]}, r"against names a column more than once"),
        ({"against": ["x0", "x1", "x2", "x3"]}, r"so that none is left to neutralize"),
        ({"fit_intercept": False}, r"no against= there is nothing to neutralize against"),
        ({"against": "x1"}, r"'against' parameter of FactorNeutralizer must be"),
        ({"min_assets": 0}, r"'min_assets' parameter of FactorNeutralizer must be"),
    ],
)
def test_mistaken_parameters_raise(panel, parameters, message):
    with pytest.raises(ValueError, match=message):
        FactorNeutralizer(**parameters).fit(panel)


def test_positions_name_the_columns_of_an_array(panel):
    dates = panel.index.get_level_values("date")
    expected = FactorNeutralizer(against=["x2"]).fit_transform(panel)
    model = FactorNeutralizer(against=[2])
    assert_array_equal(model.fit_transform(panel.to_numpy(), dates=dates), expected)
    assert model.against_features_ == [2]
    with pytest.raises(
        ValueError, match=r"against names \[7\], which are not among \[0, 1, 2, 3\]"
    ):
        FactorNeutralizer(against=[7]).fit(panel.to_numpy(), dates=dates)


def test_groups_without_an_intercept_raise(panel):
    with pytest.raises(ValueError, match="dummies of groupby= add up to a constant"):
        FactorNeutralizer(against=["x1"], fit_intercept=False).fit(panel, groupby=industries(panel))


def test_groups_and_weights_are_routed(panel):
    groups, weights = industries(panel), np.random.default_rng(0).random(len(panel))
    expected = FactorNeutralizer(against=["x1"]).fit_transform(
        panel, groupby=groups, weights=weights
    )
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FactorNeutralizer(against=["x1"]))
        result = pipeline.fit_transform(panel, groupby=groups, weights=weights)
    assert_frame_equal(result, expected)

"""FactorRanker: known values, laws, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import random_panel, rank_by_date
from scipy.stats import norm, rankdata
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer

from skfactor import FactorRanker
from skfactor.exceptions import NoVariationWarning

# Rows that are a sample without dates, which is meant.
undated = pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")

NAN = np.nan
FORMULAS = {
    "uniform": lambda r, n: (2 * (r - 1) / (n - 1) - 1).where(n > 1, 0.0).where(r.notna()),
    "percent": lambda r, n: r / n,
    "normal": lambda r, n: r.sub(0.5).div(n).map(norm.ppf),
}
seeds = st.integers(0, 2**32 - 1)
law = settings(deadline=None, max_examples=25)


def column(*values):
    return np.array(values, dtype=float)[:, None]


def tied(panel, digits=0):
    """The panel with ties: x0 rounded, the others as they are."""
    return panel.assign(x0=panel["x0"].round(digits))


@pytest.fixture
def panel():
    return tied(random_panel(np.random.default_rng(0), n_features=3))


@pytest.fixture
def industry(panel):
    numbers = panel.index.get_level_values("asset").str[-1].astype(int)
    return np.array(["oil", "steel", "banks"])[numbers % 3]


# --- known values -------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("uniform", [1.0, -1.0, NAN, 0.0, 0.0]),
        ("percent", [1.0, 0.25, NAN, 0.625, 0.625]),
        ("normal", [norm.ppf(7 / 8), norm.ppf(1 / 8), NAN, 0.0, 0.0]),
    ],
)
def test_four_values_two_of_them_equal(output, expected):
    result = FactorRanker(output=output).fit_transform(column(9, -5, NAN, 2, 2))
    assert_allclose(result.ravel(), expected, rtol=1e-15, atol=1e-16)


@pytest.mark.parametrize(("output", "middle"), [("uniform", 0), ("percent", 0.5), ("normal", 0)])
def test_missing_values_get_the_score_in_the_middle(output, middle, panel):
    kept = FactorRanker(output=output).fit_transform(panel)
    filled = FactorRanker(output=output, missing="middle").fit_transform(panel)
    assert kept.isna().any(axis=None)
    assert_frame_equal(filled, kept.fillna(middle))


def test_a_column_that_is_missing_on_a_date_is_neutral_there_if_asked_for():
    index = pd.MultiIndex.from_product([[2001, 2002], list("ab")], names=["year", "asset"])
    X = pd.DataFrame({"u": [NAN, NAN, 1.0, 2.0]}, index=index)
    assert_array_equal(FactorRanker().fit_transform(X), column(NAN, NAN, -1, 1))
    assert_array_equal(FactorRanker(missing="middle").fit_transform(X), column(0, 0, -1, 1))


@pytest.mark.parametrize(("output", "score"), [("uniform", 0), ("percent", 1), ("normal", 0)])
def test_a_date_with_one_asset_has_one_score(output, score):
    X = pd.DataFrame(
        {"u": [7.0, 1.0, 3.0]},
        index=pd.MultiIndex.from_tuples(
            [(2001, "a"), (2002, "a"), (2002, "b")], names=["year", "asset"]
        ),
    )
    with pytest.warns(NoVariationWarning, match="1 of 2 dates have a single asset"):
        assert FactorRanker(output=output).fit_transform(X).iloc[0, 0] == score


@undated
@pytest.mark.parametrize("n", [1, 2, 7, 200])
def test_a_constant_column_scores_zero(n):
    assert_array_equal(FactorRanker().fit_transform(np.full((n, 1), 0.1)), np.zeros((n, 1)))


def test_an_indicator_is_its_deviation_from_the_mean():
    flag = np.random.default_rng(0).integers(0, 2, size=(50, 1)).astype(float)
    expected = (flag - flag.mean()) * 50 / 49
    dates = np.full(50, 2001)
    assert_allclose(FactorRanker().fit_transform(flag, dates=dates), expected, atol=1e-15)


@pytest.mark.parametrize("output", FORMULAS)
@law
@given(seed=seeds, digits=st.integers(-1, 3))
def test_panels_are_ranked_as_by_pandas(output, seed, digits):
    panel = tied(random_panel(np.random.default_rng(seed)), digits)
    rank, count = rank_by_date(panel)
    expected = pd.concat([FORMULAS[output](rank[c], count[c]) for c in panel], axis=1)
    result = FactorRanker(output=output).fit_transform(panel)
    assert_allclose(result, expected, rtol=1e-12, atol=1e-13)


def test_a_date_is_ranked_as_by_scipy(panel):
    result = FactorRanker(output="percent").fit_transform(panel)
    for _, rows in panel.groupby(level="date"):
        ranks = rankdata(rows, axis=0, nan_policy="omit")
        assert_array_equal(result.loc[rows.index], ranks / rows.notna().sum().to_numpy())


@pytest.mark.parametrize("output", FORMULAS)
def test_groups_are_ranked_as_by_pandas(panel, industry, output):
    rank, count = rank_by_date(panel, industry)
    expected = pd.concat([FORMULAS[output](rank[c], count[c]) for c in panel], axis=1)
    result = FactorRanker(output=output).fit_transform(panel, groupby=industry)
    assert_allclose(result, expected, rtol=1e-12, atol=1e-13)


def test_values_of_small_groups_are_ranked_among_the_whole_date(panel, industry):
    alone, within = rank_by_date(panel, industry)
    rank, count = rank_by_date(panel)
    large = within >= 5
    assert large.any(axis=None)
    assert not large.all(axis=None)
    expected = (alone / within).where(large, rank / count)
    ranker = FactorRanker(output="percent", min_group_size=5)
    assert_allclose(ranker.fit_transform(panel, groupby=industry), expected, rtol=1e-14)


@pytest.mark.parametrize(("n_dates", "n_assets"), [(400, 3), (2, 700)])
def test_many_small_and_few_large_dates_are_ranked_as_by_pandas(n_dates, n_assets):
    panel = tied(random_panel(np.random.default_rng(0), n_dates, n_assets))
    rank, count = rank_by_date(panel)
    assert_array_equal(FactorRanker(output="percent").fit_transform(panel), rank / count)


# --- laws ---------------------------------------------------------------------------------------


@law
@given(seed=seeds)
@pytest.mark.parametrize("output", FORMULAS)
def test_ranks_depend_on_the_order_of_values_only(output, seed):
    panel = random_panel(np.random.default_rng(seed), n_features=1)
    expected = FactorRanker(output=output).fit_transform(panel)
    assert_frame_equal(FactorRanker(output=output).fit_transform(np.arctan(panel / 9)), expected)


@law
@given(seed=seeds)
def test_uniform_scores_have_mean_zero_on_every_date(seed):
    panel = tied(random_panel(np.random.default_rng(seed)))
    scores = FactorRanker().fit_transform(panel)
    assert_allclose(scores.groupby(level="date").mean(), 0.0, atol=1e-14)


# --- without dates ------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize("output", FORMULAS)
def test_the_sample_of_fit_has_its_ranks_without_dates_too(output, panel):
    values = panel.to_numpy()
    expected = FactorRanker(output=output).fit_transform(values, dates=np.full(len(values), 2001))
    result = FactorRanker(output=output).fit_transform(values)
    assert_allclose(result, expected, rtol=1e-14, atol=1e-15)


@undated
def test_new_values_are_ranked_as_by_quantile_transformer():
    train, new = np.random.default_rng(0).normal(size=(2, 50, 2)) * 3.0
    theirs = QuantileTransformer(n_quantiles=50).fit(train).transform(new)
    assert_allclose(FactorRanker().fit(train).transform(new), 2 * theirs - 1, atol=1e-12)


@undated
def test_values_of_fit_can_be_looked_up():
    ranker = FactorRanker().fit(column(3, 1, 1, NAN))
    assert ranker.rank_tables_.shape == (1,)
    assert_array_equal(ranker.rank_tables_[0].values, [1.0, 3.0])
    assert_array_equal(ranker.rank_tables_[0].ranks, [1.5, 3.0])
    assert ranker.rank_tables_[0].count == 3


@undated
def test_groups_learned_without_dates_are_ranked_each_by_itself():
    group = np.array(["steel", "oil"] * 3)
    ranker = FactorRanker().fit(column(1, 10, 2, 20, 3, 30), groupby=group)
    result = ranker.transform(column(3, 3, 15), groupby=["steel", "oil", "oil"])
    assert_allclose(result, column(1, -1, -0.5))


@undated
def test_a_feature_without_values_in_fit_ranks_nothing():
    ranker = FactorRanker().fit(np.full((3, 1), NAN))
    assert_array_equal(ranker.transform(column(1, NAN)), column(NAN, NAN))
    middle = FactorRanker(missing="middle").fit(np.full((3, 1), NAN))
    assert_array_equal(middle.transform(column(1, NAN)), column(0, 0))


# --- inverse ------------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize("output", FORMULAS)
def test_the_inverse_gives_the_values_of_fit_and_those_between_back(output, panel, industry):
    values = panel.to_numpy()
    ranker = FactorRanker(output=output).fit(values, groupby=industry)
    back = ranker.inverse_transform(ranker.transform(values, groupby=industry), groupby=industry)
    assert_allclose(back, values, rtol=1e-11, atol=1e-12)
    plain = FactorRanker(output=output).fit(values)
    between = np.quantile(values[~np.isnan(values).any(axis=1)], [0.1234, 0.6], axis=0)
    assert_allclose(plain.inverse_transform(plain.transform(between)), between, rtol=1e-9)


@undated
def test_the_inverse_keeps_labels_and_ends_at_the_values_of_fit(panel):
    plain = panel.reset_index(drop=True)
    ranker = FactorRanker().fit(plain)
    result = ranker.inverse_transform(pd.DataFrame([[9.0] * 3, [-9.0] * 3], columns=plain.columns))
    assert_frame_equal(result, pd.DataFrame([plain.max(), plain.min()]))


@undated
def test_the_inverse_of_a_feature_without_values_is_missing():
    ranker = FactorRanker(missing="middle").fit(np.full((3, 1), NAN))
    assert_array_equal(ranker.inverse_transform(column(0.0)), column(NAN))


def test_ranks_of_dates_cannot_be_inverted(panel):
    ranker = FactorRanker().fit(panel)
    with pytest.raises(ValueError, match=r"fitted on rows with dates, and the statistics of a"):
        ranker.inverse_transform(panel)


def test_ties_are_ranked_in_five_ways_as_by_pandas():
    panel = random_panel(np.random.default_rng(1), n_dates=4, n_assets=150).round(1)
    for rows in (panel, panel.iloc[::-1], panel.sample(frac=0.3, random_state=0)):
        for ties in ("average", "min", "max", "dense", "first"):
            ranks = rows.groupby(level="date").rank(method=ties)
            highest = ranks.groupby(level="date").transform("max")
            count = highest if ties == "dense" else rows.groupby(level="date").transform("count")
            expected = {
                "percent": ranks / count,
                "uniform": 2.0 * (ranks - 1.0) / (count - 1.0) - 1.0,
                "normal": pd.DataFrame(norm.ppf((ranks - 0.5) / count), rows.index, rows.columns),
            }
            for output, scores in expected.items():
                found = FactorRanker(output=output, ties=ties).fit_transform(rows)
                assert_allclose(found, scores, rtol=1e-12, atol=1e-12, err_msg=f"{ties} {output}")
    sample = panel[["x0"]].to_numpy()
    for ties in ("min", "max", "dense"):
        ranker = FactorRanker(output="percent", ties=ties, date_level=None)
        expected = pd.Series(sample[:, 0]).rank(method=ties, pct=True)
        assert_allclose(ranker.fit_transform(sample)[:, 0], expected)


def test_ties_by_order_need_the_rows_among_which_values_are_ranked():
    panel = random_panel(np.random.default_rng(1), n_dates=2, n_assets=9)
    ranker = FactorRanker(ties="first")
    with pytest.raises(ValueError, match=r"ties='first' ranks equal values in the order"):
        ranker.fit_transform(panel, universe=np.ones(len(panel)))
    with pytest.raises(ValueError, match=r"ties='first'.*Choose another"):
        FactorRanker(ties="first", date_level=None).fit(panel.to_numpy())


# --- failures and routing -----------------------------------------------------------------------


def test_weights_raise(panel):
    with pytest.raises(ValueError, match="FactorRanker takes no weights: a rank counts assets"):
        FactorRanker().fit(panel, weights=np.ones(len(panel)))


def test_dates_and_groups_are_routed_while_weights_go_past(panel, industry):
    expected = FactorRanker().fit_transform(panel, groupby=industry)
    dates = panel.index.get_level_values("date")
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FunctionTransformer(np.asarray), FactorRanker())
        result = pipeline.fit_transform(panel, dates=dates, groupby=industry)
    assert_array_equal(result, expected)

"""FactorImputer: known values, laws, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import random_panel
from sklearn.impute import SimpleImputer

from skfactor import FactorImputer

# Rows that are a sample without dates, which is meant.
undated = pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")

NAN = np.nan
seeds = st.integers(0, 2**32 - 1)
law = settings(deadline=None, max_examples=25)


def column(*values):
    return np.array(values, dtype=float)[:, None]


def filled_by_pandas(panel, strategy, groups=None, least=1):
    """Filled from the (date, group), from the date where that has fewer values than ``least``."""
    date = panel.index.get_level_values("date")
    whole = panel.groupby(date).transform(strategy)
    if groups is None:
        return panel.fillna(whole)
    by_group = panel.groupby([date, groups])
    return panel.fillna(
        by_group.transform(strategy).where(by_group.transform("count") >= least, whole)
    )


@pytest.fixture
def panel():
    return random_panel(np.random.default_rng(0), missing=0.5)


@pytest.fixture
def industry(panel):
    numbers = panel.index.get_level_values("asset").str[-1].astype(int)
    return np.array(["oil", "steel", "banks", "food", "retail"])[numbers % 5]


# --- known values -------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize(("strategy", "value"), [("median", 2.0), ("mean", 5.0), ("constant", 0.0)])
def test_a_missing_value_among_four(strategy, value):
    result = FactorImputer(strategy=strategy).fit_transform(column(1, NAN, 15, 2, 2))
    assert_array_equal(result, column(1, value, 15, 2, 2))


@undated
def test_the_constant_can_be_chosen():
    imputer = FactorImputer(strategy="constant", fill_value=-1.5)
    assert_array_equal(imputer.fit_transform(column(NAN, 2, NAN)), column(-1.5, 2, -1.5))


@pytest.mark.parametrize("strategy", ["median", "mean"])
@law
@given(seed=seeds)
def test_panels_are_filled_as_by_pandas(strategy, seed):
    panel = random_panel(np.random.default_rng(seed), missing=0.4)
    result = FactorImputer(strategy=strategy).fit_transform(panel)
    assert_frame_equal(result, filled_by_pandas(panel, strategy), rtol=1e-12)


@pytest.mark.parametrize("strategy", ["median", "mean"])
@pytest.mark.parametrize("least", [1, 2, 4])
def test_groups_are_filled_as_by_pandas_and_small_ones_from_their_date(
    panel, industry, strategy, least
):
    imputer = FactorImputer(strategy=strategy, min_group_size=least)
    result = imputer.fit_transform(panel, groupby=industry)
    expected = filled_by_pandas(panel, strategy, industry, least)
    assert_frame_equal(result, expected, rtol=1e-12)
    assert not expected.equals(filled_by_pandas(panel, strategy))


def test_a_group_without_values_is_filled_from_its_date_unless_told_not_to(panel, industry):
    empty = panel.copy()
    empty[industry == "oil"] = NAN
    filled = FactorImputer().fit_transform(empty, groupby=industry)
    assert filled.notna().all(axis=None)
    kept = FactorImputer(min_group_size=None).fit_transform(empty, groupby=industry)
    assert kept[industry == "oil"].isna().all(axis=None)


@pytest.mark.parametrize("strategy", ["median", "mean"])
def test_a_column_without_values_on_a_date_stays_missing_there(strategy):
    index = pd.MultiIndex.from_product([[2001, 2002], list("ab")], names=["year", "asset"])
    X = pd.DataFrame({"u": [NAN, NAN, 1.0, NAN], "v": [1.0, 2.0, 3.0, NAN]}, index=index)
    result = FactorImputer(strategy=strategy).fit_transform(X, groupby=list("xyxy"))
    assert_array_equal(result, [[NAN, 1], [NAN, 2], [1, 3], [1, 3]])


def test_what_is_not_missing_stays_as_it_is(panel):
    result = FactorImputer().fit_transform(panel)
    assert_array_equal(result.where(panel.notna()), panel)


# --- without dates ------------------------------------------------------------------------------


@undated
@pytest.mark.parametrize("strategy", ["median", "mean", "constant"])
def test_statistics_learned_without_dates_are_those_of_simple_imputer(panel, strategy):
    train, new = panel.to_numpy()[:60], panel.to_numpy()[60:]
    ours, theirs = FactorImputer(strategy=strategy), SimpleImputer(strategy=strategy)
    assert_allclose(ours.fit(train).transform(new), theirs.fit(train).transform(new), rtol=1e-13)
    assert_allclose(ours.statistics_, theirs.statistics_.astype(float), rtol=1e-13)


@undated
def test_a_group_without_values_in_fit_is_filled_from_the_sample():
    group = ["steel", "oil", "steel", "oil"]
    imputer = FactorImputer(strategy="mean").fit(column(1, NAN, 2, NAN), groupby=group)
    assert list(imputer.groups_) == ["oil", "steel"]
    assert_array_equal(imputer.statistics_, column(1.5, 1.5))


# --- failures -----------------------------------------------------------------------------------


def test_a_fill_value_without_the_constant_strategy_raises(panel):
    with pytest.raises(ValueError, match=r"fill_value=0.5 is for strategy='constant'; found .*med"):
        FactorImputer(fill_value=0.5).fit(panel)


def test_weights_raise(panel):
    with pytest.raises(ValueError, match="FactorImputer takes no weights: a typical value counts"):
        FactorImputer().fit(panel, weights=np.ones(len(panel)))

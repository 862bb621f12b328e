"""Tests of many sets by their losses: against arch, their size on noise, and mistakes."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS, SPA
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth, TradedFactorModel
from skfactor.datasets import load_french, make_panel
from skfactor.model_selection import CombinatorialPurgedKFold, FactorSetSearchCV, WalkForwardSplit

CV = WalkForwardSplit(3)


@pytest.fixture(scope="module")
def panel():
    return make_panel(n_dates=60, n_assets=40, random_state=0, return_X_y=True)


@pytest.fixture(scope="module")
def search(panel):
    return FactorSetSearchCV(FamaMacBeth(), scoring="r2_zero", cv=CV).fit(*panel)


def losses_by_refitting(panel, sets, loss):
    X, y = panel
    table = {}
    for columns in sets:
        parts = []
        for train, test in CV.split(X, y):
            model = FamaMacBeth().fit(X.iloc[train][list(columns)], y.iloc[train])
            predicted = pd.Series(model.predict(X.iloc[test][list(columns)]), X.index[test])
            by_date = pd.DataFrame({"y": y.iloc[test], "p": predicted}).groupby(level="date")
            parts.append(by_date.apply(loss))
        table[columns] = pd.concat(parts).sort_index()
    return pd.DataFrame(table).to_numpy()


@pytest.mark.parametrize(
    ("scoring", "loss"),
    [
        ("r2_zero", lambda rows: ((rows["y"] - rows["p"]) ** 2).mean()),
        ("ic", lambda rows: -rows["y"].corr(rows["p"])),
    ],
)
def test_losses_are_those_of_refitting(panel, scoring, loss):
    X, y = panel
    search = FactorSetSearchCV(FamaMacBeth(), scoring=scoring, cv=CV).fit(X[["x1", "x2"]], y)
    losses, kept = search._losses()
    assert kept == [0, 1, 2]
    assert_allclose(losses, losses_by_refitting(panel, search.sets_, loss), rtol=1e-9)


def test_losses_of_the_wide_form_are_those_of_refitting():
    data = load_french()
    returns = data.filter(regex="^S[135][VM]").sub(data["RF"], axis=0)
    factors = data[["MktRF", "SMB"]]
    search = FactorSetSearchCV(TradedFactorModel(), cv=CV).fit(factors, returns)
    losses, _ = search._losses()
    expected, test_from = np.empty_like(losses), len(factors) - len(losses)
    for i, columns in enumerate(search.sets_):
        for train, test in CV.split(factors, returns):
            model = TradedFactorModel().fit(factors.iloc[train][list(columns)], returns.iloc[train])
            error = returns.iloc[test] - model.predict(factors.iloc[test][list(columns)])
            expected[test - test_from, i] = (error**2).mean(axis=1)
    assert_allclose(losses, expected, rtol=1e-9)


def test_a_date_tested_in_several_folds_counts_once(panel):
    search = FactorSetSearchCV(FamaMacBeth(), cv=CombinatorialPurgedKFold(4, 2), max_size=1)
    search.fit(*panel)
    with pytest.warns(UserWarning, match="trained on dates after those that they test"):
        losses, _ = search._losses()
    assert losses.shape == (60, 5)


def test_p_values_are_those_of_arch(search):
    losses, _ = search._losses()
    reference = search.results_.index.get_loc("x2")
    others = np.delete(losses, reference, axis=1)
    spa = SPA(losses[:, reference], others, block_size=3, reps=200, bootstrap="stationary", seed=1)
    spa.compute()
    test = search.superior_to("x2", n_draws=200, random_state=1)
    assert test.p_value == spa.pvalues["consistent"]
    assert (test.lower, test.upper) == (spa.pvalues["lower"], spa.pvalues["upper"])
    assert (test.n_sets, test.n_dates) == (30, 45)
    check = search.superior_to(["x2"], method="reality-check", n_draws=200, random_state=1)
    assert check.p_value == test.upper
    assert "none of 30 sets is better than x2" in str(check)
    found = search.model_confidence_set(0.25, n_draws=200, block_length=3, random_state=1)
    mcs = MCS(
        pd.DataFrame(losses), 0.25, 200, block_size=3, method="max", bootstrap="stationary", seed=1
    )
    mcs.compute()
    assert set(found.included) == {search.results_.index[i] for i in mcs.included}
    assert found.included[0] in found
    assert len(found) == len(found.included)
    assert found.p_values.is_monotonic_decreasing


def test_a_real_signal_is_superior_to_none():
    rng = np.random.default_rng(0)
    X, _ = make_panel(n_dates=60, n_assets=60, random_state=0, return_X_y=True)
    y = 0.05 * X["x3"] + 0.05 * rng.normal(size=len(X))
    search = FactorSetSearchCV(FamaMacBeth(), scoring="r2_zero", cv=CV).fit(X, y)
    assert search.superior_to("x1", random_state=0).p_value < 0.01
    assert search.superior_to(search.best_set_, random_state=0).p_value > 0.3
    assert "x1" not in search.model_confidence_set(0.05, n_draws=200, random_state=0)


@pytest.mark.slow
def test_on_noise_the_test_rejects_as_often_as_it_says():
    # Noise has no set that is better than the one of the first column.
    index = pd.MultiIndex.from_product([range(120), range(12)], names=["date", "asset"])
    search = FactorSetSearchCV(FamaMacBeth(), scoring="ic", refit=False, max_size=1)
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame(rng.normal(size=(len(index), 6)), index, list("abcdef"))
        search.fit(X, pd.Series(rng.normal(size=len(index)), index))
        test = search.superior_to("a", n_draws=200, block_length=1, random_state=seed)
        p_values.append(test.p_value)
    assert 0.03 <= np.mean(np.array(p_values) <= 0.05) <= 0.08
    assert 0.40 <= np.mean(np.array(p_values) <= 0.5) <= 0.60


def test_mistakes_are_told(search, monkeypatch):
    with pytest.raises(ValueError, match="method='best' is unknown"):
        search.superior_to("x1", method="best")
    with pytest.raises(ValueError, match="n_draws=0 has to be"):
        search.superior_to("x1", n_draws=0)
    with pytest.raises(ValueError, match="block_length=45 has to be"):
        search.superior_to("x1", block_length=45)
    with pytest.raises(ValueError, match="level=5 has to lie between 0 and 1"):
        search.model_confidence_set(5)
    monkeypatch.setitem(sys.modules, "arch", None)
    with pytest.raises(ImportError, match=r'superior_to needs arch.*pip install "skfactor\[search'):
        search.superior_to("x1")
    with pytest.raises(ImportError, match="model_confidence_set needs arch"):
        search.model_confidence_set()


def test_one_set_has_nothing_to_be_compared_with(panel):
    search = FactorSetSearchCV(FamaMacBeth(), candidates=[["x1"]], cv=CV).fit(*panel)
    with pytest.raises(ValueError, match="is the only set"):
        search.superior_to("x1")
    assert search.model_confidence_set().included == ["x1"]

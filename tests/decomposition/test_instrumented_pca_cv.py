"""InstrumentedPCACV: it finds how many factors there are, by fits to each fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal

from skfactor import InstrumentedPCA, InstrumentedPCACV
from skfactor.exceptions import NoDatesWarning
from skfactor.model_selection import WalkForwardSplit


def draw(seed, n_dates=60, n_assets=60, n_columns=5, n_latent=3):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(n_columns + 1, n_latent)))[0]
    z = rng.random((n_dates, n_assets, n_columns)) - 0.5
    full = np.concatenate([z, np.ones((n_dates, n_assets, 1))], axis=2)
    f = rng.normal(0.1, [1.5, 1.2, 1.0][:n_latent], (n_dates, n_latent))
    r = np.einsum("tnl,lk,tk->tn", full, turn, f) + 0.5 * rng.normal(size=(n_dates, n_assets))
    index = pd.MultiIndex.from_product([range(n_dates), range(n_assets)], names=["date", "asset"])
    columns = [f"z{i}" for i in range(n_columns)]
    return pd.DataFrame(z.reshape(-1, n_columns), index, columns), pd.Series(r.ravel(), index)


X, Y = draw(0)
DATES = X.index.get_level_values("date")


def test_it_finds_the_true_number_where_the_total_r2_of_the_same_assets_takes_the_most():
    for seed in range(2):
        x, y = draw(seed)
        model = InstrumentedPCACV(range(1, 6), random_state=0).fit(x, y)
        assert model.n_components_ == 3
        totals = [InstrumentedPCA(k).fit(x, y).total_r2(x, y, assets="all") for k in range(1, 6)]
        assert totals == sorted(totals)


def test_scores_are_those_of_fits_to_the_training_dates():
    model = InstrumentedPCACV([2, 4], cv=3, random_state=5).fit(X, Y)
    left, squares = np.zeros((3, 2)), np.zeros(3)
    for k, places in enumerate(np.array_split(np.arange(60), 3)):
        test = np.isin(DATES, places)
        for i, number in enumerate((2, 4)):
            fitted = InstrumentedPCA(number).fit(X[~test], Y[~test])
            r2 = fitted.total_r2(X[test], Y[test], random_state=5)
            assert model.cv_results_.loc[number, f"fold{k}"] == pytest.approx(r2, abs=1e-7)
            squares[k] = float(Y[test] @ Y[test])
            left[k, i] = (1 - r2) * squares[k]
    assert_allclose(model.cv_results_["r2"], 1 - left.sum(axis=0) / squares.sum(), atol=1e-7)
    best = InstrumentedPCA(model.n_components_).fit(X, Y)
    assert_allclose(model.gamma_, best.gamma_, atol=1e-10)
    assert_allclose(model.predict(X), best.predict(X), atol=1e-10)
    assert model.risk_model(X.loc[[59]]).exposures.shape == (60, model.n_components_)
    assert not hasattr(model, "partial_fit")


def test_predictive_scores_are_those_of_predictions():
    model = InstrumentedPCACV([1, 3], cv=WalkForwardSplit(2), scoring="predictive").fit(X, Y)
    for k, (train, test) in enumerate(WalkForwardSplit(2).split(X, Y)):
        fitted = InstrumentedPCA(3).fit(X.iloc[train], Y.iloc[train])
        rest = Y.iloc[test] - fitted.predict(X.iloc[test])
        r2 = 1 - (rest @ rest) / (Y.iloc[test] @ Y.iloc[test])
        assert model.cv_results_.loc[3, f"fold{k}"] == pytest.approx(r2, abs=1e-7)
    pairs = InstrumentedPCACV(
        [1, 3], cv=list(WalkForwardSplit(2).split(X, Y)), scoring="predictive"
    ).fit(X, Y)
    assert_frame_equal(pairs.cv_results_, model.cv_results_)


def test_alphas_observed_factors_and_order_of_rows_go_along():
    observed = pd.DataFrame({"oil": np.random.default_rng(0).normal(size=60)}, range(60))
    options = {"n_components": [1, 2], "cv": 3, "fit_alpha": True, "random_state": 0}
    model = InstrumentedPCACV(**options).fit(X, Y, factors=observed)
    order = np.random.default_rng(1).permutation(len(X))
    other = InstrumentedPCACV(**options).fit(X.iloc[order], Y.iloc[order], factors=observed)
    assert_frame_equal(other.cv_results_, model.cv_results_, rtol=1e-9)
    assert_allclose(other.gamma_observed_, model.gamma_observed_, atol=1e-9)
    fold = np.isin(DATES, range(20))
    fitted = InstrumentedPCA(2, fit_alpha=True).fit(X[~fold], Y[~fold], factors=observed)
    r2 = fitted.total_r2(X[fold], Y[fold])
    assert model.cv_results_.loc[2, "fold0"] == pytest.approx(r2, abs=1e-6)


def test_numbers_above_that_of_the_characteristics_are_left_out():
    model = InstrumentedPCACV(cv=3).fit(X[["z0", "z1"]], Y)
    assert list(model.cv_results_.index) == [1, 2, 3]
    assert list(InstrumentedPCACV(2, cv=3).fit(X, Y).cv_results_.index) == [2]


def test_one_cross_section_has_nothing_to_choose_by():
    with pytest.warns(NoDatesWarning):
        model = InstrumentedPCACV().fit(X.to_numpy(), Y.to_numpy())
    assert model.n_components_ == 1
    assert model.cv_results_ is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": [7, 8]}, "all more than the 6 characteristics"),
        ({"n_components": []}, "whole numbers from 1 on"),
        ({"n_components": [0, 1]}, "whole numbers from 1 on"),
        ({"cv": 61}, "61 folds need as many dates; found 60"),
        ({"cv": [(np.arange(100), np.arange(90, 200))]}, "1 dates are in the training and the"),
        ({"min_assets": 31}, "complete rows in each half"),
    ],
)
def test_mistakes_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        InstrumentedPCACV(**options).fit(X, Y)

"""Tests of InstrumentedPCA: statistics by hand, nulls that hold and that do not."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.exceptions import ConvergenceWarning

from skfactor import InstrumentedPCA

DATA = Path(__file__).parents[1] / "data"
ROWS = pd.read_csv(DATA / "ipca_panel.csv.gz", index_col=["date", "asset"])
X, Y = ROWS.drop(columns=["r", "z6"]), ROWS["r"]
AUTHORS = json.loads((DATA / "ipca_restricted.json").read_text(encoding="utf-8"))
DATES = X.index.get_level_values("date")
OBSERVED = pd.DataFrame(
    np.random.default_rng(3).normal(size=(60, 2)), range(1, 61), columns=["oil", "rate"]
)


@pytest.fixture(scope="module")
def model():
    return InstrumentedPCA(3).fit(X, Y)


def test_a_characteristic_is_tested_by_its_row(model):
    found = model.inference(n_draws=19, random_state=0).characteristic_tests(["z1"])
    row = AUTHORS["Gamma"][0]
    assert found.loc["z1", "statistic"] == pytest.approx(sum(x**2 for x in row), rel=1e-9)
    assert found.loc["z1", "p_value"] == 1 / 20


def test_a_characteristic_without_effect_is_told_from_others(model):
    noise = X.assign(z0=np.random.default_rng(0).uniform(-0.5, 0.5, len(X)))
    found = InstrumentedPCA(3).fit(noise, Y).inference(n_draws=19, random_state=0)
    table = found.characteristic_tests(["z0", "z2"])
    assert table.loc["z0", "p_value"] > 0.1
    assert table.loc["z2", "p_value"] == 1 / 20


def test_alphas_are_tested_alike_whether_they_were_fitted_or_not(model):
    plain = model.inference(n_draws=19, random_state=0).alpha_test()
    with_alphas = InstrumentedPCA(3, fit_alpha=True).fit(X, Y)
    other = with_alphas.inference(n_draws=19, random_state=0).alpha_test()
    statistic = float(with_alphas.gamma_alpha_ @ with_alphas.gamma_alpha_)
    assert plain.statistic == pytest.approx(statistic, rel=1e-6)
    assert other.statistic == pytest.approx(statistic, rel=1e-12)
    assert plain.p_value == other.p_value > 0.1
    assert plain.distribution == "wild bootstrap"
    assert "alphas are zero" in str(plain)
    gamma = model.gamma_.to_numpy()
    beside = np.linalg.svd(gamma, full_matrices=True)[0][:, 3]
    z = np.column_stack([X, np.ones(len(X))])
    real = InstrumentedPCA(3).fit(X, Y + 0.5 * z @ beside)
    assert real.inference(n_draws=19, random_state=0).alpha_test().p_value == 1 / 20


def test_observed_factors_are_tested_one_by_one():
    z = np.column_stack([X, np.ones(len(X))])
    moved = (
        Y
        + 0.5
        * (z @ np.array([1.0, -1.0, 0.5, 1.0, 0.2, 0.0]))
        * OBSERVED["oil"].loc[DATES].to_numpy()
    )
    model = InstrumentedPCA(2, fit_alpha=True).fit(X, moved, factors=OBSERVED)
    inference = model.inference(n_draws=19, random_state=0)
    table = inference.factor_tests()
    assert list(table.index) == ["oil", "rate"]
    assert table.loc["oil", "p_value"] == 1 / 20
    assert table.loc["rate", "p_value"] > 0.05
    column = model.gamma_observed_["rate"]
    assert table.loc["rate", "statistic"] == pytest.approx(float(column @ column))
    assert inference.alpha_test().p_value > 0.02


@pytest.mark.slow
def test_numbers_do_not_depend_on_how_many_processes_there_are(model):
    one = model.inference(n_draws=8, random_state=5)
    two = model.inference(n_draws=8, random_state=5, n_jobs=2)
    assert one.alpha_test() == two.alpha_test()
    assert one.alpha_test() == pickle.loads(pickle.dumps(one)).alpha_test()
    other = model.inference(n_draws=8, random_state=6)
    assert_frame_equal(one.characteristic_tests("z1"), two.characteristic_tests(["z1"]))
    assert one.seed != other.seed


def test_dates_that_were_left_out_are_left_out_here(model):
    thin = (DATES == 5) & (np.arange(len(X)) != np.flatnonzero(DATES == 5)[0])
    with pytest.warns(UserWarning, match="are left out"):
        short = InstrumentedPCA(3).fit(X[~thin], Y[~thin])
    rest = InstrumentedPCA(3).fit(X[DATES != 5], Y[DATES != 5])
    tests = [each.inference(n_draws=9, random_state=0).alpha_test() for each in (short, rest)]
    assert tests[0].statistic == pytest.approx(tests[1].statistic, rel=1e-6)
    assert tests[0].p_value == tests[1].p_value


def test_samples_that_do_not_converge_are_told(model):
    with pytest.warns(ConvergenceWarning, match="gradient"):
        hasty = InstrumentedPCA(3, max_iter=2).fit(X, Y)
    with pytest.warns(ConvergenceWarning, match=r"of 9 samples did not converge in 2 steps"):
        hasty.inference(n_draws=9, random_state=0).alpha_test()


def test_mistakes_are_told(model):
    inference = model.inference(n_draws=9, random_state=0)
    for call, message in (
        (lambda: model.inference("analytic"), "method='analytic' is unknown"),
        (lambda: model.inference(n_draws=0), "n_draws=0"),
        (lambda: inference.characteristic_tests(["z9"]), r"\['z9'\] are not among"),
        (lambda: inference.factor_tests(), "no observed factors"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    full = InstrumentedPCA(6).fit(X, Y).inference(n_draws=9)
    with pytest.raises(ValueError, match="Fit fewer components"):
        full.characteristic_tests()
    with pytest.warns(UserWarning, match="cross-section"):
        single = InstrumentedPCA().fit(X.to_numpy(), Y.to_numpy())
    with pytest.raises(ValueError, match="several dates"):
        single.inference()

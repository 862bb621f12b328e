"""What a registered kind of covariance declares, and what follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skfactor import FamaMacBeth
from skfactor.datasets import make_panel
from skfactor.inference import PremiaCovariance, _covariance, register_covariance


class _Declared(PremiaCovariance):
    """The slopes' variances on few degrees of freedom, with whatever kernel there is."""

    name = "declared"

    def compute(self, record, long_run, debiased):
        matrix, lags = long_run.covariance(record.slope_influence, record.positions)
        return matrix / len(record.lambdas), lags, 7.0


@pytest.fixture
def register(monkeypatch):
    monkeypatch.setattr(_covariance, "_KINDS", _covariance._KINDS.copy())

    def of(**declared):
        register_covariance(type("Kind", (_Declared,), declared)())

    return of


@pytest.fixture(scope="module")
def model():
    return FamaMacBeth().fit(*make_panel(n_dates=30, n_features=2, random_state=0, return_X_y=True))


def test_a_kind_has_the_kernel_that_it_declares_unless_another_is_asked_for(register, model):
    register(default_kernel="bartlett")
    found = model.inference("declared", bandwidth=3)
    assert (found.kernel, found.bandwidth) == ("bartlett", 3.0)
    expected = model.inference("fama-macbeth", kernel="bartlett", bandwidth=3, debiased=False)
    assert_allclose(found.cov, expected.cov, rtol=1e-12)
    assert model.inference("declared", kernel="parzen", bandwidth=3).kernel == "parzen"


@pytest.mark.parametrize("is_hotelling", [True, False])
def test_a_kind_says_whether_its_joint_tests_are_hotellings(register, model, is_hotelling):
    register(is_hotelling=is_hotelling)
    found = model.inference("declared")
    names = ["x1", "x2"]
    premia = found.premia[names].to_numpy()
    wald = premia @ np.linalg.solve(found.cov.loc[names, names], premia)
    free = 6.0 if is_hotelling else 7.0
    statistic = wald * free / (2 * 7.0)
    test = found.wald_test()
    assert_allclose(test.statistic, statistic)
    assert test.df == (2, free)
    assert_allclose(test.p_value, stats.f.sf(statistic, 2, free))


def test_a_kind_that_needs_no_variation_over_dates_is_asked_of_one_date(register):
    X, y = make_panel(n_dates=1, n_features=2, random_state=0, return_X_y=True)
    one = FamaMacBeth().fit(X, y)
    register()
    with pytest.raises(ValueError, match="premia rest on one date"):
        one.inference("declared")

    def known(self, record, long_run, debiased):
        return np.eye(3), 0.0, np.inf

    register(needs_dates=False, compute=known)
    assert_allclose(one.inference("declared").std_errors, 1.0)

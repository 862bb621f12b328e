"""Errors of two-pass premia with missing returns against numerical derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference_premia import jackknife, random_two_pass

from skfactor import FamaMacBeth
from skfactor._kernels import unbalanced_influence as module
from skfactor._kernels.unbalanced_influence import unbalanced_influence
from skfactor._passes.two_pass import TwoPass
from skfactor.inference._two_pass import (
    correctly_specified_influence,
    misspecification_robust_influence,
)

each_model = pytest.mark.parametrize("zero_beta", [True, False])


def unbalanced(n_periods=70):
    """Mispriced returns of assets that enter, leave and miss dates."""
    rng = np.random.default_rng(4)
    factors, returns = random_two_pass(rng, n_periods=n_periods, n_assets=10, missing=0.1)
    returns = returns.to_numpy() + 0.02 * rng.normal(size=10)
    returns[:20, 0] = returns[50:, 1] = np.nan
    return factors.to_numpy(), returns


def premia_by_loops(p, factors, returns, zero_beta):
    """Two-pass premia when date t has probability p_t, asset by asset and date by date."""
    betas = []
    for r in returns.T:
        seen = np.isfinite(r)
        w = p[seen] / p[seen].sum()
        f, r = factors[seen] - w @ factors[seen], r[seen] - w @ r[seen]
        betas.append(np.linalg.solve((f.T * w) @ f, (f.T * w) @ r))
    betas = np.array(betas)
    x = np.column_stack([np.ones(len(betas)), betas]) if zero_beta else betas
    slopes = [np.linalg.lstsq(x[np.isfinite(r)], r[np.isfinite(r)], rcond=None)[0] for r in returns]
    return p @ np.array(slopes)


def influence(model, factors, returns, misspecified):
    return unbalanced_influence(
        returns,
        factors,
        model.betas_.to_numpy(),
        model.lambdas_.to_numpy(),
        zero_beta=model.fit_intercept,
        misspecified=misspecified,
    )


@each_model
def test_influence_is_the_derivative_with_respect_to_the_dates_weights(zero_beta):
    factors, returns = unbalanced()
    model = FamaMacBeth(fit_intercept=zero_beta).fit(factors, returns)
    assert_allclose(
        model.premia_, premia_by_loops(np.full(70, 1 / 70), factors, returns, zero_beta), rtol=1e-10
    )
    expected = jackknife(premia_by_loops, 70, factors, returns, zero_beta)
    found = influence(model, factors, returns, misspecified=True)
    assert_allclose(found, expected, atol=1e-8)


@each_model
def test_on_complete_returns_it_is_the_influence_of_the_balanced_formulas(zero_beta):
    factors, returns = (frame.to_numpy() for frame in random_two_pass(np.random.default_rng(0)))
    model = FamaMacBeth(fit_intercept=zero_beta).fit(factors, returns)
    passes = TwoPass(returns, factors, "ols", zero_beta)
    robust = influence(model, factors, returns, misspecified=True)
    assert_allclose(robust, misspecification_robust_influence(passes), atol=1e-13)
    plain = influence(model, factors, returns, misspecified=False)
    assert_allclose(plain, correctly_specified_influence(passes), atol=1e-13)


def test_runs_of_assets_and_dates_and_products_one_by_one_give_the_same(monkeypatch):
    factors, returns = unbalanced()
    model = FamaMacBeth().fit(factors, returns)
    whole = influence(model, factors, returns, misspecified=True)
    monkeypatch.setattr(module, "_MOST_NUMBERS", 700)
    monkeypatch.setattr(module, "_APART_FROM", 0)
    assert_allclose(influence(model, factors, returns, misspecified=True), whole, atol=1e-14)


@pytest.mark.parametrize(("kind", "misspecified"), [("krs", True), ("gmm", False)])
def test_the_model_uses_it_where_returns_are_missing(kind, misspecified):
    factors, returns = unbalanced()
    model = FamaMacBeth().fit(factors, returns)
    series = influence(model, factors, returns, misspecified)
    expected = series.T @ series / 70 / (70 - 2 - 1)
    assert_allclose(model.inference(kind).cov, expected, rtol=1e-12)


def test_assets_without_betas_have_no_part_in_it():
    factors, returns = unbalanced()
    late = np.full((70, 1), np.nan)
    late[-2:] = 0.5
    with pytest.warns(UserWarning, match=r"betas of 1 of 11 assets are NaN"):
        model = FamaMacBeth().fit(factors, np.hstack([late, returns]))
    expected = FamaMacBeth().fit(factors, returns).inference("krs").cov
    assert_allclose(model.inference("krs").cov, expected, rtol=1e-12)

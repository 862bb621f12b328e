"""Sets of premia: against the test written out, against closed forms, and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_premia import random_two_pass
from scipy import stats

from skfactor.inference import identification_robust_set


def statistic(factors, returns, premia, target, zero_beta):
    """The test statistic as a Wald statistic of differences from the first asset."""
    f, r = np.asarray(factors, dtype=float), np.asarray(returns, dtype=float)
    f = f.reshape(len(f), -1)
    t, k = f.shape
    if zero_beta:
        r = r[:, 1:] - r[:, :1]
    x = np.column_stack([np.ones(t), f])
    coefficients = np.linalg.lstsq(x, r, rcond=None)[0]
    residuals, betas = r - x @ coefficients, coefficients[1:].T
    variance = np.cov(f.T, bias=True).reshape(k, k)
    covariance = np.cov(residuals.T, bias=True) * (1 + premia @ np.linalg.solve(variance, premia))
    if target == "ex ante":
        covariance += betas @ variance @ betas.T
    errors = r.mean(axis=0) - betas @ premia
    n = len(errors)
    return errors @ np.linalg.solve(covariance, errors) * (t - k - n) / n, (n, t - k - n)


@pytest.mark.parametrize("target", ["ex post", "ex ante"])
def test_statistics_and_ends_are_those_of_the_test(target):
    rng = np.random.default_rng(0)
    for k in (1, 2):
        factors, returns = random_two_pass(rng, 90, 7, k)
        for zero_beta in (True, False):
            found = identification_robust_set(
                factors, returns, target=target, fit_intercept=zero_beta
            )
            for premia in (np.zeros(k), rng.normal(size=k), 0.01 * rng.normal(size=k)):
                expected, df = statistic(factors, returns, premia, target, zero_beta)
                test = found.test(premia)
                assert_allclose(test.statistic, expected, rtol=1e-9)
                assert test.df == df
                assert_allclose(test.p_value, stats.f.sf(expected, *df), rtol=1e-8)
                assert_allclose(found.p_values(premia), test.p_value)
                assert (premia in found) == (test.p_value >= 0.05)
            assert found.is_bounded
            assert not found.is_empty
            # At an end of an interval the best premium of the other is just not rejected.
            for name, (low, high) in found.intervals.iterrows():
                place = found.names.index(name)
                for end, inward in ((low, 1e-4), (high, -1e-4)):
                    grid = np.full((40_001, k), end + inward * (high - low))
                    if k == 2:
                        other = found.intervals.loc[found.names[1 - place]].to_numpy()
                        grid[:, 1 - place] = np.linspace(*other, 40_001)
                    assert found.p_values(grid).max() > 0.05
                    grid[:, place] = end - inward * (high - low)
                    assert found.p_values(grid).max() < 0.05


def test_weak_factors_have_unbounded_sets_and_wrong_models_empty_ones():
    rng = np.random.default_rng(1)
    factors, returns = random_two_pass(rng, 120, 8, 1)
    useless = pd.Series(rng.normal(size=120), factors.index, name="useless")
    found = identification_robust_set(useless, returns)
    assert found.names == ["useless"]
    assert not found.is_bounded
    assert np.isinf(found.intervals.to_numpy()).any()
    assert "unbounded: the betas may not identify the premia" in str(found)
    both = identification_robust_set(factors.assign(useless=useless), returns)
    assert not both.is_bounded
    assert np.isinf(both.intervals.loc["useless"].to_numpy()).any()
    wrong = returns + np.where(np.arange(8) % 2, 0.03, -0.03)
    empty = identification_robust_set(factors, wrong)
    assert empty.is_empty
    assert empty.is_bounded
    assert 0.0 not in empty
    assert "empty: no premia price the assets" in str(empty)


def test_ends_of_one_factor_are_roots_of_a_quadratic():
    rng = np.random.default_rng(2)
    seen = set()
    for i in range(30):
        factor, noise = 0.04 * rng.normal(size=60), 0.03 * rng.normal(size=(60, 5))
        returns = 0.01 + np.outer(factor, 0.3 * (i % 3) * rng.normal(size=5)) + noise
        found = identification_robust_set(factor, returns, fit_intercept=False, level=0.8)
        n, nu = 5, 54
        x = np.column_stack([np.ones(60), factor])
        coefficients = np.linalg.lstsq(x, returns, rcond=None)[0]
        inverse = np.linalg.inv(np.cov((returns - x @ coefficients).T, bias=True))
        q, mu, b = stats.f.ppf(0.8, n, nu) * n / nu, returns.mean(axis=0), coefficients[1]
        curve = b @ inverse @ b - q / factor.var()
        roots = np.roots([curve, -2 * b @ inverse @ mu, mu @ inverse @ mu - q])
        ends = found.intervals.to_numpy()
        finite = np.sort(ends[np.isfinite(ends)])
        seen.add((len(ends), bool(np.isinf(ends).any())))
        if np.isreal(roots).all():
            assert_allclose(finite, np.sort(roots.real), rtol=1e-6, atol=1e-9)
        else:
            assert len(finite) == 0
    assert {(1, False), (2, True)} <= seen


def test_sets_cover_priced_and_useless_factors():
    rng = np.random.default_rng(3)
    betas, premium = rng.normal(1.0, 0.5, 8), 0.005
    hits = []
    for _ in range(300):
        factor = 0.045 * rng.normal(size=60)
        noise = 0.02 * rng.normal(size=(60, 8))
        row = []
        for b in (betas, np.ones(8)):
            returns = 0.003 + np.outer(factor + premium, b) + noise
            row.append(premium + factor.mean() in identification_robust_set(factor, returns))
            ante = identification_robust_set(factor, returns, target="ex ante")
            row.append(premium in ante)
        hits.append(row)
    assert (np.abs(np.mean(hits, axis=0) - 0.95) < 0.045).all()


def test_mistakes():
    factors, returns = random_two_pass(np.random.default_rng(0), 60, 6, 3)
    one = factors[["f0"]]
    for arguments, options, said in [
        ((factors, returns), {}, "for one or two factors; found 3"),
        ((one, returns.iloc[:, :2]), {}, "1 factors need more than 2 assets; found 2"),
        ((one, returns.assign(f0=one["f0"])), {}, "a factor that is a test asset too"),
        ((one, returns.assign(again=returns["asset0"])), {}, "residual covariance .* is singular"),
        ((one[:6], returns[:6]), {}, "more than 7 dates, found 6"),
        ((one, returns), {"target": "both"}, "neither 'ex post' nor 'ex ante'"),
        ((one, returns), {"level": 95}, "level=95"),
    ]:
        with pytest.raises(ValueError, match=said):
            identification_robust_set(*arguments, **options)
    with pytest.raises(ValueError, match=r"one number for each of \['f0'\]"):
        identification_robust_set(one, returns).test([0.1, 0.2])

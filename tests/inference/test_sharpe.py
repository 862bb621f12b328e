"""Comparison of Sharpe ratios: by numerical derivatives, as alphas, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference_premia import french_two_pass, jackknife
from scipy import stats

from skfactor.inference import compare_sharpe, grs_test
from skfactor.inference._grs import read_factor_sample
from skfactor.inference._sharpe import sharpe_influence

X, _ = french_two_pass()


def squared_sharpe(p, factors, _):
    mean = p @ factors
    centred = factors - mean
    return np.array([mean @ np.linalg.solve((centred * p[:, None]).T @ centred, mean)])


def test_influence_is_the_derivative_with_respect_to_the_dates_weights():
    factors = X[:90].to_numpy()
    ratio, influence = sharpe_influence(read_factor_sample(factors, factors[:, :1]))
    assert_allclose(ratio, squared_sharpe(np.full(90, 1 / 90), factors, None)[0])
    assert_allclose(influence, jackknife(squared_sharpe, 90, factors, factors)[:, 0], atol=1e-6)


def test_nested_models_are_compared_by_alphas():
    large, small = X, X[["MktRF", "HML"]]
    expected = grs_test(small, X[["SMB", "Mom"]], covariance="robust")
    for found in (compare_sharpe(small, large), compare_sharpe(large, small)):
        assert_allclose(found.statistic, expected.statistic, rtol=1e-10)
        assert (found.df, found.distribution) == (expected.df, "F")
    assert compare_sharpe(small, large, kernel="bartlett", bandwidth=3).distribution == "chi2"


def test_distinct_models_are_compared_by_the_difference():
    a, b = X[["MktRF", "HML"]], X[["MktRF", "Mom"]]
    found = compare_sharpe(a, b)
    t, even = len(X), np.full(len(X), 1 / len(X))
    series = [jackknife(squared_sharpe, t, each.to_numpy(), None)[:, 0] for each in (a, b)]
    ratios = [squared_sharpe(even, each.to_numpy(), None)[0] for each in (a, b)]
    difference = (t - 4) / t * (ratios[0] - ratios[1])
    error = np.sqrt(np.mean((series[0] - series[1]) ** 2) / t)
    assert_allclose(found.statistic, difference / error, rtol=1e-4)
    assert_allclose(found.p_value, 2 * stats.norm.sf(abs(found.statistic)))
    assert_allclose(compare_sharpe(b, a).statistic, -found.statistic)


def test_equal_models_are_rejected_as_often_as_they_should_be():
    rng, p_values = np.random.default_rng(0), []
    for _ in range(400):
        factors = np.array([0.01, 0.012, 0.012]) + 0.04 * rng.normal(size=(240, 3))
        p_values.append(compare_sharpe(factors[:, [0, 1]], factors[:, [0, 2]]).p_value)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.085


def test_mistakes():
    for a, b, said in [
        (X, X, "the same factors twice"),
        (X[["MktRF"]], X.assign(again=X["SMB"]), "second model are collinear"),
        (X.assign(again=X["SMB"]), X[["MktRF"]], "factors are collinear"),
        (X, X[:-1], "inconsistent numbers of samples"),
    ]:
        with pytest.raises(ValueError, match=said):
            compare_sharpe(a, b)

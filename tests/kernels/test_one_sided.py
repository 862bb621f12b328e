"""One-sided tests of several means: closed forms and the distribution drawn."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import minimize

from skfactor._kernels.one_sided import one_sided_test


def test_one_and_two_means_have_closed_forms():
    statistic, p_value = one_sided_test(np.array([-3.0]), np.array([[2.0]]))
    assert_allclose([statistic, p_value], [2.25, stats.norm.sf(1.5)], rtol=1e-12)
    assert_allclose(one_sided_test(np.array([1.0]), np.array([[2.0]])), [0.0, 1.0])
    for rho in (-0.8, 0.0, 0.6):
        root = np.linalg.cholesky([[1.0, rho], [rho, 1.0]])
        statistic, p_value = one_sided_test(np.array([-1.0, -1.3]), root)
        both = 0.25 + np.arcsin(rho) / (2.0 * np.pi)  # nonnegative, of the draws
        expected = 0.5 * stats.chi2.sf(statistic, 1) + (0.5 - both) * stats.chi2.sf(statistic, 2)
        assert_allclose(p_value, expected, atol=0.01)


def test_statistics_and_p_values_are_those_of_the_projection():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(3, 5))
    covariance = factor @ factor.T
    root, inverse = np.linalg.cholesky(covariance), np.linalg.inv(covariance)

    def distance(values):
        def of(mean):
            return (values - mean) @ inverse @ (values - mean)

        start = np.maximum(values, 0.0) + 0.1
        return minimize(of, start, bounds=[(0.0, None)] * 3, options={"ftol": 1e-14}).fun

    values = np.array([-2.0, 1.0, -1.5])
    statistic, p_value = one_sided_test(values, root)
    assert_allclose(statistic, distance(values), rtol=1e-5)
    drawn = [distance(draw) for draw in rng.normal(size=(300, 3)) @ root.T]
    assert_allclose(p_value, np.mean(np.array(drawn) >= statistic), atol=0.06)

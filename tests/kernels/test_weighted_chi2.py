"""Weighted sums of chi-squares: closed forms, Imhof's table and integral, simulation, laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import integrate, special, stats

from skfactor._kernels.weighted_chi2 import weighted_chi2_sf


def _by_imhofs_integral(x, weights):
    """Equation (3.2) of Imhof (1961), by adaptive quadrature."""
    w = np.asarray(weights)

    def integrand(u):
        angle = 0.5 * np.arctan(w * u).sum() - 0.5 * x * u
        return np.sin(angle) / (u * np.prod((1.0 + (w * u) ** 2) ** 0.25))

    area, _ = integrate.quad(integrand, 0.0, np.inf, limit=2000, epsabs=1e-10)
    return 0.5 + area / np.pi


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 10, 100, 1000])
@pytest.mark.parametrize("weight", [1.0, 3.7e-9])
def test_equal_weights_make_a_chi_square(n, weight):
    for tail in (1e-200, 1e-30, 1e-5, 0.05, 0.5, 0.95, 0.999):
        x = stats.chi2.isf(tail, n)
        expected = stats.chi2.sf(x, n)
        assert_allclose(weighted_chi2_sf(weight * x, [weight] * n), expected, rtol=1e-11)


@pytest.mark.parametrize(("x", "published"), [(0.1, 0.9458), (0.7, 0.5064), (2.0, 0.1240)])
def test_the_first_rows_of_imhofs_table(x, published):
    assert round(weighted_chi2_sf(x, [0.6, 0.3, 0.1]), 4) == published


def test_imhofs_own_integral_with_weights_of_both_signs():
    rng = np.random.default_rng(0)
    for _ in range(10):
        n = rng.integers(6, 12)
        weights = rng.normal(size=n) * 10.0 ** rng.uniform(-1.5, 0.0, size=n)
        x = rng.normal()
        assert_allclose(
            weighted_chi2_sf(x, weights), _by_imhofs_integral(x, weights), rtol=0.0, atol=1e-8
        )


@pytest.mark.parametrize(("a", "b"), [(1.0, 3.0), (2.0, 0.01), (5.0, 4.9)])
def test_two_positive_terms_against_their_density(a, b):
    # The density of a chi2 + b chi2 is a Bessel function; its integral is one over a half-line.
    mean, half = 0.25 * (1.0 / a + 1.0 / b), 0.25 * abs(1.0 / a - 1.0 / b)

    def density(q):
        return special.ive(0, half * q) * np.exp(-(mean - half) * q) / (2.0 * np.sqrt(a * b))

    for x in (0.5, 3.0, 20.0):
        below, _ = integrate.quad(density, 0.0, x, epsabs=1e-13, limit=500)
        assert_allclose(1.0 - weighted_chi2_sf(x, [a, b]), below, rtol=1e-9)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (1.0, 3.0), (7.0, 0.2)])
def test_a_difference_of_two_terms_is_positive_as_often_as_an_f_ratio_is_large(a, b):
    expected = stats.f.sf(b / a, 1, 1)
    assert_allclose(weighted_chi2_sf(0.0, [a, -b]), expected, rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (1.0, 1e-6), (1e-3, 5.0)])
def test_pairs_of_terms_are_a_sum_of_two_exponentials(a, b):
    for x in (1e-3, 1.0, 30.0):
        expected = (a * np.exp(-x / (2 * a)) - b * np.exp(-x / (2 * b))) / (a - b)
        assert_allclose(weighted_chi2_sf(x, [a, a, b, b]), expected, rtol=1e-11)


@pytest.mark.parametrize("weights", [[1.0, 0.5, 0.1, 0.02], [2.0, 1.0, -0.5, -3.0, 0.3]])
def test_simulation_counts_the_same_tail(weights):
    rng = np.random.default_rng(1)
    draws = rng.chisquare(1, size=(200_000, len(weights))) @ weights
    for x in np.quantile(draws, [0.1, 0.5, 0.9, 0.99]):
        share = np.mean(draws > x)
        error = np.sqrt(share * (1.0 - share) / len(draws))
        assert abs(weighted_chi2_sf(x, weights) - share) < 4.0 * error


# --- laws ---------------------------------------------------------------------------------------

_WEIGHTS = st.lists(
    st.floats(-10.0, 10.0).filter(lambda w: w == 0.0 or abs(w) > 1e-3), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=100)
@given(_WEIGHTS, st.floats(-30.0, 30.0), st.floats(1e-6, 1e6))
def test_tails_of_a_sum_and_its_negative_add_to_one_and_units_do_not_matter(weights, x, unit):
    tail = weighted_chi2_sf(x, weights)
    assert 0.0 <= tail <= 1.0
    if any(weights):
        assert_allclose(tail + weighted_chi2_sf(-x, [-w for w in weights]), 1.0, atol=1e-10)
        scaled = weighted_chi2_sf(unit * x, [unit * w for w in weights])
        assert_allclose(scaled, tail, rtol=1e-9, atol=1e-12)
    assert weighted_chi2_sf(x + 1.0, weights) <= tail + 1e-12
    assert weighted_chi2_sf(x, [*weights, 0.0]) == tail


@pytest.mark.parametrize(
    ("x", "weights", "expected"),
    [
        (-1.0, [1.0, 2.0], 1.0),
        (0.0, [1.0, 2.0], 1.0),
        (0.0, [-1.0], 0.0),
        (1.0, [-1.0, 0.0], 0.0),
        (-1.0, [0.0, 0.0], 1.0),
        (0.0, [0.0], 0.0),
        (1.0, [], 0.0),
        (1e9, [1.0, -1.0], 0.0),
        (-1e9, [1.0, -1.0], 1.0),
        (1e-300, [1.0], 1.0),
    ],
)
def test_beyond_the_range_of_the_sum_the_tail_is_all_or_nothing(x, weights, expected):
    assert weighted_chi2_sf(x, weights) == expected


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "weights"), [(np.nan, [1.0]), (np.inf, [1.0]), (1.0, [np.nan]), (1.0, [1.0, np.inf])]
)
def test_a_number_that_is_not_finite_raises(x, weights):
    with pytest.raises(ValueError, match="have to be finite numbers"):
        weighted_chi2_sf(x, weights)


def test_a_table_of_weights_raises():
    with pytest.raises(ValueError, match=r"shape \(2, 2\); they have to be one-dimensional"):
        weighted_chi2_sf(1.0, np.eye(2))

"""Thresholds of rounding: what rounding really leaves, measured, stays below them."""

from __future__ import annotations

import numpy as np

from skfactor._kernels import rounding


def test_equal_values_have_no_spread_but_rounding():
    rng = np.random.default_rng(0)
    for n in (2, 3, 17, 1_000, 100_000):
        value = rng.normal() * 10.0 ** rng.integers(-5, 6)
        repeated = np.full(n, value)
        spread = np.sqrt(np.mean((repeated - np.add.reduceat(repeated, [0]) / n) ** 2))
        assert spread <= rounding.ROUNDING_UNITS * rounding.EPSILON * abs(value)


def test_singular_correlations_have_no_pivot_but_rounding():
    rng = np.random.default_rng(0)
    for n in (3, 8, 30, 100):
        for _ in range(10):
            data = rng.normal(size=(500, n))
            data[:, -1] = data[:, :-1] @ rng.normal(size=n - 1)
            try:
                factor = np.linalg.cholesky(np.corrcoef(data.T))
            except np.linalg.LinAlgError:
                continue
            assert (np.diag(factor) ** 2).min() <= rounding.PIVOT_UNITS * n


def test_a_level_times_a_count_is_whole_where_it_should_be():
    for n in range(1, 2_000):
        for k in range(n + 1) if n < 100 else (0, 1, n // 3, n - 1, n):
            assert int((k / n + rounding.LEVEL_ROUNDING) * n) == k
            assert int((1.0 - (1.0 - k / n) + rounding.LEVEL_ROUNDING) * n) == k

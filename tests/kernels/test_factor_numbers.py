"""Criteria for the number of factors, term by term as they are defined."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.factor_numbers import (
    chosen_number,
    criteria,
    edge_number,
    left_over,
    penalized_eigenvalue_number,
    subsample_number,
)

T, N = 150, 80


def simulated():
    rng = np.random.default_rng(3)
    factors = rng.standard_normal((T, 4)) * [3.0, 1.5, 1.0, 0.8]
    loadings = rng.standard_normal((N, 4))
    x = factors @ loadings.T + 2.0 * rng.standard_normal((T, N))
    return x - x.mean(axis=0)


def eigenvalues(x):
    return np.linalg.svd(x, compute_uv=False) ** 2 / x.size


def test_criteria_are_their_formulas():
    x, most = simulated(), 6
    mu = eigenvalues(x)
    found = criteria(mu, T, N, most)
    v = np.array([np.linalg.norm(x) ** 2 / x.size - mu[:k].sum() for k in range(most + 3)])
    m = min(T, N)
    mock = np.concatenate([[v[0] / np.log(m)], mu])
    for k in range(most + 1):
        p = [(N + T) / (N * T) * np.log(N * T / (N + T)), (N + T) / (N * T) * np.log(m)]
        p.append(np.log(m) / m)
        for number in (1, 2, 3):
            assert found[f"ic{number}"][k] == pytest.approx(np.log(v[k]) + k * p[number - 1])
            assert found[f"pc{number}"][k] == pytest.approx(v[k] + k * v[most] * p[number - 1])
        bic = v[k] + k * v[most] * (N + T - k) * np.log(N * T) / (N * T)
        assert found["bic3"][k] == pytest.approx(bic)
        assert found["er"][k] == pytest.approx(mock[k] / mock[k + 1])
        before = v[0] + mock[0] if k == 0 else v[k - 1]
        growth = np.log(before / v[k]) / np.log(v[k] / v[k + 1])
        assert found["gr"][k] == pytest.approx(growth)
    assert {name: chosen_number(name, table) for name, table in found.items()} == dict.fromkeys(
        found, 4
    )


def test_what_is_left_keeps_its_digits():
    values = np.array([1.0, 1e-20, 1e-20])
    assert_allclose(left_over(values)[1:3], [2e-20, 1e-20], rtol=1e-12)


def test_other_rules_find_the_factors_of_a_simulation():
    x = simulated()
    mu = eigenvalues(x)
    assert edge_number(mu, 8) == 4
    assert edge_number(mu * 1e6, 8) == 4
    assert penalized_eigenvalue_number(mu, T, N, 8) == 4
    assert subsample_number(x / x.std(axis=0), 8, np.random.RandomState(0)) == 4
    noise = np.random.default_rng(0).normal(size=(T, N))
    assert edge_number(eigenvalues(noise), 8) == 0
    assert penalized_eigenvalue_number(eigenvalues(noise), T, N, 8) == 0

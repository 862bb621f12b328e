"""The numbers of the example against least squares by turns of the same simulated panel."""

from __future__ import annotations

import numpy as np
import pytest
from gallery import after, assert_tells, example, number_after, overlapping, table

T, N, K = 120, 100, 3


@pytest.fixture(scope="module")
def shown():
    return example("plot_instrumented_pca")


@pytest.fixture(scope="module")
def data():
    """Moments of each date of the panel of the page, and its true factors."""
    rng = np.random.default_rng(0)
    gamma = np.linalg.qr(rng.normal(size=(7, K)))[0]
    gamma[5] = 0.0
    factors = rng.normal([0.15, 0.05, 0.1], [1.0, 0.8, 0.6], (T, K))
    z = np.column_stack([rng.random((T * N, 6)) - 0.5, np.ones(T * N)])
    dates = np.repeat(np.arange(T), N)
    r = np.sum(z * (factors @ gamma.T)[dates], axis=1) + 0.7 * rng.normal(size=T * N)
    here = rng.random(T * N) < 0.8
    parts = [(z[here & (dates == t)], r[here & (dates == t)]) for t in range(T)]
    moments = np.array([a.T @ a for a, _ in parts])
    products = np.array([a.T @ b for a, b in parts])
    return moments, products, r[here] @ r[here], factors, gamma, z[here]


def by_turns(moments, products, n):
    """Normalized coefficients and factors, and what they explain."""
    b = np.linalg.svd(products.T, full_matrices=False)[0][:, :n]
    for _ in range(300):
        f = np.linalg.solve(b.T @ moments @ b, (products @ b)[..., None])[..., 0]
        gram = np.einsum("tlm,tj,tk->ljmk", moments, f, f).reshape(7 * n, 7 * n)
        b = np.linalg.solve(gram, (products.T @ f).ravel()).reshape(7, n)
    f = np.linalg.solve(b.T @ moments @ b, (products @ b)[..., None])[..., 0]
    u, s, vt = np.linalg.svd(f @ b.T, full_matrices=False)
    signs = np.sign(u[:, :n].mean(axis=0))
    return vt[:n].T * signs, u[:, :n] * s[:n] * signs, np.sum((f @ b.T) * products)


def test_explained_shares(shown, data):
    told = table(shown[0], "same assets", [str(k) for k in range(1, 7)])
    for k in (1, 3):
        explained = by_turns(*data[:2], k)[2]
        assert_tells(told.loc[str(k), 0], explained / data[2], 3)
    assert told[0].is_monotonic_increasing
    assert told[1].idxmax() == "3"
    assert "Chosen: 3 factors" in shown[0]
    assert len(shown[1][0].lines) == 3


def test_tests_tell_noise_and_momentum_apart(shown, data):
    gamma, _, _ = by_turns(*data[:2], K)
    told = table(shown[0], "p_value", ["momentum", "noise"])
    assert_tells(told[0], np.sum(gamma[[2, 5]] ** 2, axis=1), 4)
    assert told.loc["momentum", 1] == 0.01
    assert told.loc["noise", 1] > 0.1
    assert number_after(shown[0], "p-value = ") > 0.1


def test_factors_and_premia(shown, data):
    _, factors, _ = by_turns(*data[:2], K)
    true = data[3]
    centred = [np.linalg.qr(each - each.mean(axis=0))[0] for each in (factors, true)]
    correlations = np.linalg.svd(centred[0].T @ centred[1])[1]
    line = next(x for x in shown[0].splitlines() if x.startswith("Canonical"))
    assert_tells([float(x) for x in line.split("[")[1].rstrip("]").split()], correlations, 3)
    told = table(shown[0], "premium", [f"instrumentedpca{k}" for k in range(K)])
    assert_tells(told[0], factors.mean(axis=0), 3)
    assert_tells(told[1], factors.std(axis=0, ddof=1) / np.sqrt(T), 3)


def test_expected_returns(shown, data):
    gamma, factors, _ = by_turns(*data[:2], K)
    z, true = data[5], data[4] @ [0.15, 0.05, 0.1]
    correlation = np.corrcoef(z @ gamma @ factors.mean(axis=0), z @ true)[0, 1]
    assert_tells(number_after(shown[0], "true expected returns: "), correlation, 2)
    points = shown[1][1].collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], (factors @ gamma.T).ravel(), atol=1e-8)


def test_figures_are_legible(shown):
    assert len(shown[1]) == 2
    assert [overlapping([ax]) for ax in shown[1]] == [[]] * 2
    assert after(shown[0], "Correlation with") == []

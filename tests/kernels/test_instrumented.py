"""Instrumented components against loops over rows, finite differences and plain sweeps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.instrumented import (
    DateSums,
    Problem,
    date_sums,
    dependent_columns,
    explained_shares,
    normalized,
)
from skfactor._kernels.segments import segments_from_codes

T, N, L, K = 30, 25, 5, 2


def simulated(seed=0, n_given=1):
    """Rows with characteristics, returns, weights, dates, and factors that are given."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(T), N))
    z = rng.normal(size=(T * N, L))
    given = rng.normal(size=(T, n_given))
    h = np.hstack([rng.normal(0.3, 1.0, size=(T, K)), given])
    gamma = rng.normal(size=(L + 1, K + n_given))
    r = np.sum((np.column_stack([z, np.ones(len(z))]) @ gamma) * h[codes], axis=1)
    r += 2.0 * rng.normal(size=len(z))
    return z, r, rng.random(len(z)) + 0.5, codes, given


def sums_of(z, r, weights, codes):
    segments, _ = segments_from_codes(codes)
    return date_sums(z, r, weights, segments, add_constant=True, done=lambda _: None)


@pytest.mark.parametrize("weighted", [True, False])
def test_sums_are_those_of_the_complete_rows_of_each_date(weighted):
    z, r, w, codes, _ = simulated()
    z[3, 1], r[10], w[20] = np.nan, np.nan, 0.0
    w = w if weighted else None
    sums = sums_of(z, r, w, codes)
    full = np.column_stack([z, np.ones(len(z))])
    for t in range(T):
        keep = (codes == t) & np.isfinite(full.sum(axis=1) + r)
        keep &= True if w is None else w > 0.0
        x, y, v = full[keep], r[keep], np.ones(keep.sum()) if w is None else w[keep]
        assert sums.n_rows[t] == keep.sum()
        assert sums.weight[t] == pytest.approx(v.sum())
        assert_allclose(sums.moments[t], (x * v[:, None]).T @ x / v.sum(), rtol=1e-11, atol=1e-13)
        assert_allclose(sums.portfolios[t], x.T @ (v * y) / v.sum(), rtol=1e-11, atol=1e-12)
        assert sums.squares[t] == pytest.approx((v * y**2).sum())


def left_over(z, r, w, codes, coefficients, factors):
    full = np.column_stack([z, np.ones(len(z))])
    fitted = np.sum((full @ coefficients) * factors[codes], axis=1)
    return np.sum(w * (r - fitted) ** 2)


def test_what_is_explained_is_that_of_the_rows():
    z, r, w, codes, given = simulated()
    sums = sums_of(z, r, w, codes)
    problem = Problem(sums, given, K)
    point = problem.at(problem.start())
    factors = np.hstack([point.latent, given])
    rest = left_over(z, r, w, codes, point.coefficients, factors)
    assert sums.squares.sum() - point.value == pytest.approx(rest, rel=1e-11)
    share, _ = explained_shares(sums, point.coefficients, factors)
    assert share == pytest.approx(1.0 - rest / np.sum(w * r**2), rel=1e-10)


@pytest.mark.parametrize("n_given", [0, 2])
def test_the_solution_is_that_of_alternating_least_squares(n_given):
    z, r, w, codes, given = simulated(n_given=n_given)
    sums = sums_of(z, r, w, codes)
    problem = Problem(sums, given, K)
    found = problem.solve(problem.start(), 200, 1e-10)
    assert found.gradient < 1e-12
    assert found.n_iter < 20
    coefficients = problem.start()
    for _ in range(4000):
        h = np.hstack([problem.at(coefficients).latent, given])
        gram = sum(
            n * np.kron(m, np.outer(a, a))
            for n, m, a in zip(sums.weight, sums.moments, h, strict=True)
        )
        target = np.einsum("t,tl,tk->lk", sums.weight, sums.portfolios, h).ravel()
        new = np.linalg.solve(gram, target).reshape(L + 1, -1)
        new, _ = normalized(new, problem.at(new).latent, given)
        settled = np.abs(new - coefficients).max() < 1e-13
        coefficients = new
        if settled:
            break
    assert_allclose(found.coefficients, coefficients, atol=1e-9)


def test_sweeps_and_steps_never_explain_less():
    for seed in range(5):
        z, r, w, codes, given = simulated(seed)
        problem = Problem(sums_of(z, r, w, codes), given, K)
        start = np.random.default_rng(seed).normal(size=(L + 1, K + 1))
        values, point = [], problem.at(start)
        for _ in range(20):
            values.append(point.value)
            point = problem.at(problem.sweep(np.hstack([point.latent, given])))
        steps = [problem.solve(start, n, 1e-12).value for n in range(12)]
        for each in (values, steps):
            assert (np.diff(each) >= -1e-11 * each[-1]).all()


def test_newton_has_the_derivatives_of_what_is_explained():
    z, r, w, codes, given = simulated()
    problem = Problem(sums_of(z, r, w, codes), given, K)
    found = problem.solve(problem.start(), 200, 1e-11)
    rng, step = np.random.default_rng(1), 1e-4
    best = problem.at(found.coefficients).value
    for _ in range(5):
        move = rng.normal(size=found.coefficients.shape)
        values = [problem.at(found.coefficients + s * step * move).value for s in (-1, 1)]
        assert max(values) <= best * (1.0 + 1e-14)  # a maximum,
        slope = (values[1] - values[0]) / (2.0 * step)
        assert abs(slope) < 1e-5 * best  # where it does not rise.


def test_normalizing_changes_no_fitted_value():
    rng = np.random.default_rng(2)
    coefficients, latent, given = (rng.normal(size=size) for size in [(L, K + 1), (T, K), (T, 1)])
    new, factors = normalized(coefficients, latent, given)
    before = np.hstack([latent, given]) @ coefficients.T
    assert_allclose(np.hstack([factors, given]) @ new.T, before, rtol=1e-10, atol=1e-12)
    assert_allclose(new[:, :K].T @ new[:, :K], np.eye(K), atol=1e-12)
    assert_allclose(new[:, :K].T @ new[:, K:], 0.0, atol=1e-12)
    squares = factors.T @ factors
    assert_allclose(squares, np.diag(np.diag(squares)), atol=1e-10)
    assert squares[0, 0] > squares[1, 1]
    assert (factors.mean(axis=0) >= 0.0).all()


def test_dates_add_up_and_a_ridge_is_a_share_of_each_square():
    z, r, w, codes, _ = simulated()
    sums = sums_of(z, r, w, codes)
    first, rest = sums.take(np.arange(10)), sums.take(np.arange(T) >= 10)
    joined = first.join(rest)
    assert isinstance(joined, DateSums)
    assert len(joined) == T
    assert_allclose(joined.mean_moments, sums.mean_moments)
    added = sums.with_ridge(0.1).moments - sums.moments
    assert_allclose(
        added, np.tile(0.1 * np.diag(np.diag(sums.mean_moments)), (T, 1, 1)), atol=1e-12
    )
    assert sums.with_ridge(0.0) is sums


def test_dependent_columns_are_found_in_any_units():
    z = np.random.default_rng(0).normal(size=(100, 4)) * [1.0, 1e8, 1e-8, 1.0]
    assert dependent_columns(z.T @ z) == []
    z[:, 3] = z[:, 0] + 1e-8 * z[:, 1]
    assert dependent_columns(z.T @ z) == [0, 1, 3]
    z[:, 2] = 0.0
    assert dependent_columns(z.T @ z) == [2]

"""Components and regressions on what is observed, against loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.principal import (
    fill_by_complete_columns,
    fill_by_iteration,
    leading_directions,
    pairwise_moments,
    regress_observed,
    scores,
)


def with_gaps(shape, n_factors=2, share=0.2, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(shape[0], n_factors)) @ rng.normal(size=(n_factors, shape[1])) + 0.3
    x += noise * rng.normal(size=shape)
    return x, np.where(rng.random(shape) < share, np.nan, x)


@pytest.mark.parametrize("shape", [(30, 7), (7, 30), (9, 9)])
@pytest.mark.parametrize("all_values", [True, False])
def test_directions_are_the_eigenvectors_from_either_side(shape, all_values):
    x, _ = with_gaps(shape)
    values, vectors = leading_directions(x, 3, all_values=all_values)
    expected, basis = np.linalg.eigh(x.T @ x)
    n = min(shape) if all_values else 3
    assert_allclose(values, expected[::-1][:n], rtol=1e-9, atol=1e-11)
    assert_allclose(np.abs(np.sum(vectors * basis[:, ::-1][:, :3], axis=0)), 1.0, rtol=1e-9)


def test_directions_without_variation_are_zero_on_the_longer_side():
    x = np.outer(np.arange(1.0, 4.0), np.arange(1.0, 9.0))
    _, vectors = leading_directions(x, 2)
    assert_allclose(np.linalg.norm(vectors, axis=0), [1.0, 0.0], atol=1e-12)


def test_moments_scores_and_regressions_are_those_of_loops():
    _, x = with_gaps((40, 6))
    x[:, 4] = np.where(np.arange(40) < 20, x[:, 4], np.nan)
    x[:, 5] = np.where(np.arange(40) < 20, np.nan, x[:, 5])
    moments, without = pairwise_moments(x)
    assert without == 1
    assert moments[4, 5] == 0.0
    for i in range(6):
        for j in range(5):
            both = np.isfinite(x[:, i] * x[:, j])
            if both.any():
                assert moments[i, j] == pytest.approx(np.mean(x[both, i] * x[both, j]), rel=1e-12)

    loadings = np.random.default_rng(1).normal(size=(6, 2))
    x[3] = np.nan
    x[5, 1:] = np.nan
    found = scores(x, loadings)
    for row, slopes in zip(x, found, strict=True):
        there = np.isfinite(row)
        if there.sum() < 2:
            assert np.isnan(slopes).all()
        else:
            expected = np.linalg.lstsq(loadings[there], row[there], rcond=None)[0]
            assert_allclose(slopes, expected, rtol=1e-9)

    regressors = np.column_stack([np.ones(40), found])
    coefficients = regress_observed(x, regressors)
    for column, slopes in zip(x.T, coefficients.T, strict=True):
        there = np.isfinite(column) & np.isfinite(regressors).all(axis=1)
        expected = np.linalg.lstsq(regressors[there], column[there], rcond=None)[0]
        assert_allclose(slopes, expected, rtol=1e-8)


def test_what_cannot_be_regressed_is_nan():
    x = np.array([[1.0, 2.0, np.nan], [2.0, np.nan, np.nan], [4.0, np.nan, np.nan]])
    regressors = np.column_stack([np.ones(3), [1.0, 2.0, 4.0]])
    coefficients = regress_observed(x, regressors)
    assert_allclose(coefficients[:, 0], [0.0, 1.0], atol=1e-12)
    assert np.isnan(coefficients[:, 1:]).all()


@pytest.mark.parametrize("stretch", [-1.0, 0.0, 2.3])
def test_filled_cells_are_the_truth_where_there_is_no_noise(stretch):
    truth, x = with_gaps((40, 12), noise=0.0)
    center = stretch == -1.0
    n = 2 if center else 3  # a mean is a factor of its own
    filled, change = fill_by_iteration(
        x, n, stretch=stretch, center=center, max_iter=5000, tol=1e-12
    )
    assert change < 1e-12
    assert_allclose(filled, truth, atol=1e-8)
    x[:, :4] = truth[:, :4]
    assert_allclose(
        fill_by_complete_columns(x, n, stretch=stretch, center=center), truth, atol=1e-9
    )


def test_iterations_end_when_they_are_used_up():
    _, x = with_gaps((40, 12))
    _, change = fill_by_iteration(x, 2, stretch=0.0, center=False, max_iter=2, tol=1e-12)
    assert change > 1e-12

"""Regressors of one segment: centred to the last digits, and of full rank or not."""

import numpy as np
from numpy.testing import assert_allclose

from skfactor._kernels.regressors import full_rank_qr, weighted_regressors
from skfactor._kernels.rounding import EPSILON

X = np.random.default_rng(0).normal(size=(3, 20))
W = np.linspace(0.5, 2.0, 20)


def read(x, w=None, *, fit_intercept=True):
    root = np.ones(x.shape[1]) if w is None else np.sqrt(w)
    return weighted_regressors(x, w, root, fit_intercept=fit_intercept, resolution=EPSILON)


def test_they_are_centred_and_weighted():
    found = read(X, W)
    mean = (X * W).sum(axis=1) / W.sum()
    assert_allclose(found.mean, mean, rtol=1e-12)
    assert_allclose(found.columns, (X - mean[:, None]) * np.sqrt(W), atol=1e-14)
    assert_allclose(found.norm**2, ((X - mean[:, None]) ** 2 * W).sum(axis=1), rtol=1e-12)
    assert_allclose(read(X, W, fit_intercept=False).columns, X * np.sqrt(W), rtol=1e-15)


def test_a_level_is_taken_off_to_the_last_digits():
    level, spread = 2.0**30, np.round(X * 2.0**10) / 2.0**10  # sums of both are exact
    assert_allclose(read(spread + level).columns, read(spread).columns, atol=1e-12)


def test_rank_is_decided_by_what_rounding_leaves():
    def factors(x, **options):
        found = read(x, **options)
        return full_rank_qr(found.columns, found.norm, found.noise)

    q, r, condition = factors(X)
    centred = X - X.mean(axis=1, keepdims=True)
    scaled = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert_allclose(q @ r, scaled.T, atol=1e-14)
    assert_allclose(condition, np.linalg.cond(scaled.T), rtol=1e-12)
    for deficient in (
        np.vstack([X, X[0] - 3.0 * X[1]]),
        np.vstack([X, np.full(20, 0.1)]),
        np.vstack([X, X[0] + 1e-15 * W]),
    ):
        assert factors(deficient) is None
    # A constant is a regressor where there is no intercept, and digits that are left are enough.
    assert factors(np.vstack([X, np.full(20, 0.1)]), fit_intercept=False) is not None
    assert factors(np.vstack([X, X[0] + 1e-9 * W])) is not None
    # The same difference is rounding where the level is large.
    assert factors(np.vstack([X, X[0] + 1e-9 * W]) + 1e8) is None

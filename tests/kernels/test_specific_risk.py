"""Blending, structural volatilities and shrinkage, against the same by loops."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from skfactor._kernels.specific_risk import shrink_by_size, structural_volatilities, trust


def test_trust_rises_with_the_history_and_falls_with_wild_values():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(252, 4))
    values[:192, 1] = np.nan  # 60 values
    values[:132, 2] = np.nan  # 120
    values[::10, 3] *= 40.0
    found = trust(values, 60.0, 180.0)
    assert_allclose(found[:3], [1.0, 0.0, 0.5])
    low, high = np.quantile(values[:, 3], [0.25, 0.75])
    robust = (high - low) / 1.35
    cut = np.sqrt((np.clip(values[:, 3], -10 * robust, 10 * robust) ** 2).mean())
    assert_allclose(found[3], np.exp(1.0 - (cut - robust) / robust))


def test_structural_volatilities_follow_exposures_exactly_where_they_can():
    rng = np.random.default_rng(1)
    exposures = np.column_stack([np.ones(80), np.eye(4)[np.arange(80) % 4], rng.normal(size=80)])
    volatility = np.exp(exposures @ [0.0, -4.0, -3.5, -3.0, -2.5, 0.3])
    seen = volatility.copy()
    seen[:10] = np.nan
    trusted = np.where(np.arange(80) < 10, 0.0, 1.0)
    found = structural_volatilities(seen, trusted, exposures, rng.uniform(1.0, 9.0, 80))
    assert_allclose(found, volatility, rtol=1e-10)
    exposures[3, 5] = np.nan
    assert np.isnan(structural_volatilities(seen, trusted, exposures, np.ones(80))[3])
    assert np.isnan(structural_volatilities(seen, 0.0 * trusted, exposures, np.ones(80))).all()
    few = structural_volatilities(seen, trusted * (np.arange(80) < 14), exposures, np.ones(80))
    assert_allclose(few[0], seen[10:14].mean())


def test_shrinkage_moves_far_volatilities_more():
    rng = np.random.default_rng(2)
    sigma, size = rng.uniform(0.01, 0.05, 200), rng.lognormal(size=200)
    found = shrink_by_size(sigma, size, 0.1)
    order = np.argsort(size)
    for tenth in np.split(order, 10):
        mean = np.average(sigma[tenth], weights=size[tenth])
        distance = np.abs(sigma[tenth] - mean)
        share = 0.1 * distance / (np.sqrt((distance**2).mean()) + 0.1 * distance)
        assert_allclose(found[tenth], share * mean + (1 - share) * sigma[tenth])
    assert_allclose(shrink_by_size(sigma, None, 0.0), sigma)
    together = shrink_by_size(sigma, None, 0.1)
    assert (np.abs(together - sigma.mean()) < np.abs(sigma - sigma.mean())).all()
    gone = sigma.copy()
    gone[7] = np.nan
    assert np.isnan(shrink_by_size(gone, size, 0.1)).sum() == 1
    assert_allclose(shrink_by_size(np.full(30, 0.02), None, 0.1), 0.02)

"""Sums over what is observed, against NumPy's masked arrays and `nansum`."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels import masked_sums as module
from skfactor._kernels.masked_sums import masked_mean, masked_sums

SHAPE = (2 * module._LINES + 7, module._LINES + 5)  # several blocks in either direction


def draw(missing):
    rng = np.random.default_rng(5)
    targets = rng.normal(size=SHAPE)
    if missing == "a few":  # none in the lines that are looked at first
        targets[120:123, 50:60] = np.nan
    elif missing == "many":
        targets[rng.random(SHAPE) < 0.3] = np.nan
        targets[7] = np.nan
    return targets, rng.normal(size=(6, SHAPE[1])), rng.random(SHAPE[1]) + 0.5


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", ["none", "a few", "many"])
def test_sums_are_those_over_what_is_observed(missing, weighted, order):
    targets, terms, weights = draw(missing)
    observed = np.isfinite(targets)
    found = masked_sums(np.asarray(targets, order=order), terms, 4, weights if weighted else None)
    assert found[0].shape == (6, 1 if missing == "none" else len(targets))
    w = weights if weighted else np.ones(len(weights))
    assert_allclose(np.broadcast_to(found[0], (6, len(targets))), terms @ observed.T, atol=1e-12)
    for k in range(4):
        assert_allclose(found[1][k], np.nansum(terms[k] * targets, axis=1), atol=1e-12)
    assert_allclose(found[2], np.nansum(w * targets**2, axis=1), rtol=1e-13)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("missing", ["none", "a few", "many"])
def test_means_are_those_of_numpy(missing, order):
    targets, _, weights = draw(missing)
    filled = np.ma.masked_invalid(targets)
    targets = np.asarray(targets, order=order)
    expected = np.ma.average(filled, axis=1).filled(np.nan)
    assert_allclose(masked_mean(targets), expected, rtol=1e-12)
    expected = np.ma.average(filled, axis=1, weights=weights).filled(np.nan)
    assert_allclose(masked_mean(targets, weights), expected, rtol=1e-12)

"""Means, slopes and correlations by segment against SciPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import REGIMES, random_offsets
from scipy import stats

from skfactor._kernels import correlations as module
from skfactor._kernels.correlations import segment_pair_moments


def random_pairs(regime, level=0.0):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    x = rng.normal(size=offsets[-1])
    return x + level, 0.3 * x + rng.normal(size=offsets[-1]) - level, offsets


@pytest.fixture(params=["as it is", "one by one", "together"])
def way(request, monkeypatch):
    """Runs of any length are worked on one by one, or together, or as their length suggests."""
    if request.param != "as it is":
        monkeypatch.setattr(module, "_LONG_RUN", 0 if request.param == "one by one" else 10**9)


def runs(offsets):
    return [slice(start, stop) for start, stop in pairwise(offsets)]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("level", [0.0, 1e6])
@pytest.mark.parametrize("regime", REGIMES)
def test_correlation_and_slope_equal_those_of_scipy(regime, level):
    x, y, offsets = random_pairs(regime, level)
    moments = segment_pair_moments(x, y, offsets)
    assert_array_equal(moments.n_rows, np.diff(offsets))
    for s, rows in enumerate(runs(offsets)):
        assert_allclose(moments.mean_x[s], x[rows].mean(), rtol=1e-12, atol=1e-12)
        assert_allclose(moments.mean_y[s], y[rows].mean(), rtol=1e-12, atol=1e-12)
        if rows.stop - rows.start < 2:
            assert np.isnan(moments.correlation[s])
            assert np.isnan(moments.slope[s])
            continue
        fit = stats.linregress(x[rows], y[rows])
        tolerance = 1e-12 if level == 0.0 else 1e-6  # what is left of values of a million
        assert_allclose(moments.correlation[s], fit.rvalue, rtol=1e-8, atol=tolerance)
        assert_allclose(moments.slope[s], fit.slope, rtol=1e-8, atol=tolerance)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [3, 400])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_a_constant_has_no_correlation_even_where_its_mean_rounds(n, value):
    x, y = np.full(n, value), np.arange(float(n))
    offsets = np.array([0, n])
    assert np.isnan(segment_pair_moments(x, y, offsets).correlation).all()
    assert np.isnan(segment_pair_moments(y, x, offsets).correlation).all()
    assert np.isnan(segment_pair_moments(x, y, offsets).slope).all()
    assert_array_equal(segment_pair_moments(y, np.zeros(n), offsets).slope, 0.0)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_correlation_neither_underflows_nor_overflows(scale):
    x, y, offsets = random_pairs("long")
    expected = segment_pair_moments(x, y, offsets).correlation
    assert_allclose(segment_pair_moments(scale * x, scale * y, offsets).correlation, expected)

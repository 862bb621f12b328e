"""Missing values filled by segment against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from reference import REGIMES, random_offsets

from skfactor._kernels.fills import fill_segments
from skfactor._kernels.segments import Segments


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("regime", REGIMES)
def test_missing_values_get_the_number_of_their_own_segment(regime, dtype, ordered, in_place):
    rng = np.random.default_rng(0)
    offsets = random_offsets(rng, regime)
    values = rng.normal(size=(3, offsets[-1])).astype(dtype)
    values[:2][rng.random(values[:2].shape) < 0.3] = np.nan
    order = None if ordered else rng.permutation(offsets[-1])
    fill = rng.normal(size=(len(offsets) - 1, 3))
    fill[0, 0] = np.nan
    segment = np.repeat(np.arange(len(fill)), np.diff(offsets))
    at = np.empty_like(segment)
    at[np.arange(offsets[-1]) if ordered else order] = segment
    expected = np.where(np.isnan(values), fill[at].T.astype(dtype), values)
    out = values if in_place else np.empty_like(values)
    fill_segments(values, Segments(offsets, order), fill, out)
    assert out.dtype == dtype
    assert_array_equal(out, expected)

"""Segments as lines: what is read comes back, whatever the lengths."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from reference import LAYOUTS, REGIMES, random_offsets

from skfactor._kernels.lines import lines_of_segments


@pytest.mark.parametrize("regime", [*REGIMES, "equal"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_lines_hold_the_segments_and_are_written_to_their_rows(regime, layout):
    rng = np.random.default_rng(0)
    offsets = np.arange(0, 61, 5) if regime == "equal" else random_offsets(rng, regime)
    values = layout(rng.normal(size=(3, offsets[-1])))
    out = layout(np.zeros_like(values))
    seen = []
    for lines in lines_of_segments(offsets):
        cube = lines.read(values)
        for line, s in zip(cube, lines.which, strict=True):
            segment = values[:, offsets[s] : offsets[s + 1]]
            assert_array_equal(line[:, : segment.shape[1]], segment)
            assert np.isnan(line[:, segment.shape[1] :]).all()
        lines.write(-cube, out)
        seen.extend(lines.which)
    assert sorted(seen) == list(range(len(offsets) - 1))
    assert_array_equal(out, -values)


def test_lines_are_never_more_than_four_times_their_values():
    lengths = np.random.default_rng(0).geometric(0.002, size=500)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    found = list(lines_of_segments(offsets))
    assert 1 < len(found) < 16
    for lines in found:
        assert len(lines.which) * lines.longest <= 4 * lines.lengths.sum()

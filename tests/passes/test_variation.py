"""Which columns vary within dates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.cross_moments import segment_cross_moments
from skfactor._passes.variation import NOTHING_SEEN, Variation

EPS = float(np.finfo(np.float64).eps)
NAMES = ["varies", "factor", "ones"]


def _variation(values, n_rows=5):
    """Of values (dates * n_rows, 3)."""
    offsets = np.arange(0, len(values) + 1, n_rows)
    moments = segment_cross_moments(np.ascontiguousarray(values.T), np.zeros(len(values)), offsets)
    return Variation.within(moments, EPS)


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    factor = np.repeat(rng.normal(size=60), 5) + 1e6
    return np.column_stack([rng.normal(size=300), factor, np.ones(300)])


def test_columns_that_are_constant_within_dates_are_found(values):
    found = _variation(values)
    assert_array_equal(found.constant, [False, True, True])
    assert found.n_dates == 60
    assert_allclose(found.lowest[1:], [values[:, 1].min(), 1.0], rtol=1e-15)
    assert_allclose(found.highest[1:], [values[:, 1].max(), 1.0], rtol=1e-15)


def test_parts_add_up_to_the_whole(values):
    whole, parts = _variation(values), NOTHING_SEEN
    for rows in (slice(0, 5), slice(5, 200), slice(200, 300)):
        parts = parts + _variation(values[rows])
    assert parts.n_dates == whole.n_dates
    for name in ("constant", "lowest", "highest", "rounding"):
        assert_array_equal(getattr(parts, name)[1:], getattr(whole, name)[1:])


def test_a_column_that_varies_on_the_last_date_only_is_not_constant(values):
    values[-1, 2] = 2.0
    assert not _variation(values).constant[2]


def test_factor_returns_raise_and_constants_on_request(values):
    with pytest.raises(ValueError, match=r"columns \['factor'\] vary over dates but not within"):
        _variation(values).raise_if_constant(NAMES, constant_everywhere=True)
    values[:, 1] = values[0, 1]
    found = _variation(values)
    found.raise_if_constant(NAMES, constant_everywhere=False)
    with pytest.raises(ValueError, match=r"\['factor', 'ones'\] are constant everywhere"):
        found.raise_if_constant(NAMES, constant_everywhere=True)


@pytest.mark.parametrize(("n_dates", "n_rows"), [(1, 5), (60, 1)])
def test_one_date_or_single_rows_show_nothing(values, n_dates, n_rows):
    found = _variation(values[: n_dates * n_rows], n_rows)
    assert found.n_dates == (1 if n_rows > 1 else 0)
    found.raise_if_constant(NAMES, constant_everywhere=True)

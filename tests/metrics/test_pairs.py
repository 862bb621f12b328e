"""Pairs by date: what is kept, in which order, and how runs become dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfactor.metrics._pairs import read_pairs

NAN = np.nan


def read(y, p, **options):
    return read_pairs(y, p, metric="a metric", **{"dates": None, **options})


def test_incomplete_pairs_are_dropped_and_their_dates_kept():
    pairs = read([1.0, NAN, 3.0, 4.0], [1.0, 2.0, NAN, 4.0], dates=[2, 2, 1, 3])
    assert_array_equal(pairs.actual, [1.0, 4.0])
    assert_array_equal(pairs.offsets, [0, 1, 2])
    assert list(pairs.dates) == [1, 2, 3]
    assert_array_equal(pairs.run_dates, [1, 2])
    assert_array_equal(pairs.by_date(np.array([5.0, 6.0])), [NAN, 5.0, 6.0])


def test_groups_are_averaged_by_their_pairs_where_they_have_a_value():
    pairs = read(np.arange(6.0), np.arange(6.0), dates=[1] * 6, groupby=list("aabbbc"))
    assert list(pairs.groups) == ["a", "b", "c"]
    assert_allclose(pairs.by_date(np.array([1.0, 2.0, NAN])), [(2 * 1 + 3 * 2) / 5])


def test_a_row_of_zero_weight_is_no_pair():
    pairs = read([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], dates=[1, 1, 1], sample_weight=[1.0, 0.0, 2.0])
    assert_array_equal(pairs.actual, [1.0, 3.0])
    assert_array_equal(pairs.weights, [1.0, 2.0])


def test_the_index_of_dates_has_the_name_of_its_level():
    index = pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["month", "asset"])
    assert read(pd.Series(range(4), index=index), range(4)).dates.name == "month"
    assert read(range(4), range(4), dates=[1, 1, 2, 2]).dates.name == "date"


@pytest.mark.parametrize("labels", ["groupby", "sample_weight"])
def test_labels_in_another_order_raise(labels):
    index = pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["date", "asset"])
    y = pd.Series(range(4), index=index)
    with pytest.raises(ValueError, match="have different indexes"):
        read(y, y, **{labels: y[::-1]})


def test_weights_have_to_be_weights():
    with pytest.raises(ValueError, match="sample_weight holds NaN"):
        read(range(2), range(2), dates=[1, 1], sample_weight=[1.0, NAN])

"""Dates that splits train on, leave out and test."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit

from skfactor.plotting import SplitDisplay

INDEX = pd.MultiIndex.from_product(
    [pd.period_range("2020-01", periods=6, freq="M"), list("ab")], names=["date", "asset"]
)
X = pd.DataFrame({"x": np.arange(12.0)}, INDEX)


class Given:
    """A splitter that makes the splits of dates it is given."""

    def __init__(self, *splits):
        self.splits = splits

    def split(self, X, y=None, groups=None):
        codes = X.index.get_level_values("date").factorize(sort=True)[0]
        for train, test in self.splits:
            yield (np.flatnonzero(np.isin(codes, dates)) for dates in (train, test))


def test_only_dates_left_out_next_to_a_test_are_purged():
    splits = Given(([0, 1], [3, 4]), ([2, 5], [0]), ([0, 3], [5]))
    display = SplitDisplay.from_splitter(splits, X)
    assert_array_equal(
        display.roles,
        [
            [1, 1, 2, 3, 3, 0],  # a gap before the test; nothing comes after it
            [3, 2, 1, 0, 0, 1],  # a gap after the test; one between training dates
            [1, 0, 0, 1, 2, 3],
        ],
    )


def test_blocks_cover_the_dates_of_their_role():
    display = SplitDisplay.from_splitter(Given(([0, 1, 5], [2])), X)
    blocks = display.blocks_[0]
    assert sorted(blocks) == [1, 2, 3]
    starts = INDEX.get_level_values("date").unique().to_timestamp()
    days = (starts - pd.Timestamp(0)).days.to_numpy()
    edges = np.append(days, days[-1] + 31)  # a last month of the usual length
    spans = [
        (path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in blocks[1].get_paths()
    ]
    assert spans == [(edges[0], edges[2]), (edges[5], edges[6])]
    labels = [entry.get_text() for entry in display.ax_.get_legend().get_texts()]
    assert labels == ["train", "left out", "test"]


def test_splitters_of_rows_are_shown_to_split_dates():
    display = SplitDisplay.from_splitter(KFold(3, shuffle=True, random_state=0), X)
    assert (display.roles == 4).any()
    labels = [entry.get_text() for entry in display.ax_.get_legend().get_texts()]
    assert "in train and in test" in labels


def test_the_order_of_rows_does_not_matter():
    splits = Given(([0, 1], [3, 4]))
    shuffled = X.sample(frac=1.0, random_state=0).swaplevel()
    assert_array_equal(
        SplitDisplay.from_splitter(splits, shuffled).roles,
        SplitDisplay.from_splitter(splits, X).roles,
    )


def test_periods_rows_and_groups_supply_the_dates():
    split = TimeSeriesSplit(2, test_size=1)
    expected = [[1, 1, 3, 0], [1, 1, 1, 3]]
    numbers = np.zeros((4, 2))
    months = pd.period_range("2020-01", periods=4, freq="M")
    text = pd.DataFrame(numbers, index=["2020-01", "2020-02", "2020-03", "2020-04"])
    for data, y in (
        (numbers, None),
        (pd.DataFrame(numbers, months), None),
        (numbers, pd.DataFrame(numbers, months)),
        (text, text),
    ):
        assert_array_equal(SplitDisplay.from_splitter(split, data, y).roles, expected)
    dates = np.repeat([2001, 2002, 2003], 2)
    display = SplitDisplay.from_splitter(GroupKFold(3), np.zeros((6, 1)), groups=dates)
    assert list(display.dates) == [2001, 2002, 2003]
    assert_array_equal(np.sort(display.roles, axis=1), [[1, 1, 3]] * 3)
    given = SplitDisplay.from_splitter(KFold(3), np.zeros((6, 1)), dates=dates)
    assert_array_equal(given.roles, [[3, 1, 1], [1, 3, 1], [1, 1, 3]])


def test_a_splitter_without_splits_is_named():
    with pytest.raises(ValueError, match="makes no split"):
        SplitDisplay.from_splitter(Given(), X)

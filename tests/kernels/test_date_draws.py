"""Draws of dates: blocks of the right length, and the length that another program chooses."""

from __future__ import annotations

import numpy as np
from arch.bootstrap import optimal_block_length
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels.date_draws import best_block_length, count_dates, draw_dates


def test_blocks_follow_the_calendar_and_have_the_mean_length():
    for length in (1.0, 3.0, 12.5):
        places = draw_dates(60, length, 2_000, 0)
        assert places.shape == (2_000, 60)
        follows = np.diff(places, axis=1) % 60 == 1
        expected = 1 - 1 / length + 1 / length / 60
        assert_allclose(follows.mean(), expected, atol=0.006)
        # Every date is as likely as any other, in every place.
        assert_allclose(np.bincount(places.ravel()) / places.size, 1 / 60, rtol=0.08)
    assert_array_equal(draw_dates(60, 3.0, 9, 1), draw_dates(60, 3.0, 9, 1))


def test_counts_are_of_the_dates_of_each_draw():
    places = draw_dates(30, 4.0, 50, 0)
    expected = [[np.sum(row == date) for date in range(30)] for row in places]
    assert_array_equal(count_dates(places), expected)


def test_block_length_is_that_of_another_program():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        series = rng.normal(size=60 + 40 * seed)
        for t in range(1, len(series)):
            series[t] += 0.6 * series[t - 1]
        theirs = optimal_block_length(series)["stationary"].iloc[0]
        assert_allclose(best_block_length(series), theirs, rtol=1e-10)


def test_independent_dates_have_blocks_of_one():
    rng = np.random.default_rng(0)
    assert np.mean([best_block_length(rng.normal(size=120)) == 1.0 for _ in range(200)]) > 0.9
    assert best_block_length(np.ones(50)) == 1.0

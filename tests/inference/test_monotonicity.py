"""The test of a monotonic pattern: against its definition, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.date_draws import draw_dates
from skfactor.datasets import load_french
from skfactor.inference import monotonicity_test

VALUE = load_french()[["S1V1", "S1V3", "S1V5"]][:240]


def test_p_value_is_the_share_of_draws_with_a_larger_minimum():
    values = VALUE.to_numpy()
    places = draw_dates(240, 3.0, 99, 5)
    for all_pairs in (False, True):
        pairs = [(0, 1), (1, 2)] + [(0, 2)] * all_pairs

        def steps(sample, pairs=pairs):
            return np.array([sample[:, j].mean() - sample[:, i].mean() for i, j in pairs])

        own = steps(values)
        drawn = np.array([steps(values[rows]) - own for rows in places])
        for studentize in (False, True):
            scale = drawn.std(axis=0) if studentize else 1.0
            above = np.sum((drawn / scale).min(axis=1) >= (own / scale).min())
            found = monotonicity_test(
                VALUE,
                pairs="all" if all_pairs else "adjacent",
                studentize=studentize,
                n_draws=99,
                block_length=3.0,
                random_state=5,
            )
            assert_allclose(found.statistic, (own / scale).min(), rtol=1e-9)
            assert_allclose(found.p_value, (1 + above) / 100)


def test_a_falling_pattern_is_a_rising_one_in_reverse():
    falling = monotonicity_test(VALUE.iloc[:, ::-1], decreasing=True)
    assert_allclose(falling.statistic, monotonicity_test(VALUE).statistic)
    assert falling.p_value == monotonicity_test(VALUE).p_value
    assert "do not fall" in falling.null
    shuffled = VALUE.iloc[np.random.default_rng(0).permutation(240)]
    assert monotonicity_test(shuffled).p_value == monotonicity_test(VALUE).p_value


def test_flat_patterns_are_rarely_called_rising_and_rising_ones_often():
    rng, flat, rising = np.random.default_rng(0), 0, 0
    for _ in range(100):
        returns = 0.01 * rng.normal(size=(120, 1)) + 0.02 * rng.normal(size=(120, 5))
        flat += monotonicity_test(returns, n_draws=199).p_value < 0.05
        rising += monotonicity_test(returns + 0.006 * np.arange(5), n_draws=199).p_value < 0.05
    assert flat <= 11
    assert rising >= 60


def test_mistakes():
    for data, options, said in [
        (VALUE[["S1V1"]], {}, "compares portfolios, one column each; found one"),
        (VALUE[:10], {}, "draws dates, for which there have to be 20; found 10"),
        (VALUE.assign(again=VALUE["S1V5"]), {}, "differ by a constant"),
        (VALUE, {"pairs": "some"}, "neither 'adjacent' nor 'all'"),
        (VALUE, {"block_length": 100}, "from 1 to a third of the 240 dates"),
        (VALUE, {"block_length": 0}, "block_length=0 has to be"),
        (VALUE, {"n_draws": 5}, "n_draws=5"),
        (VALUE.shift(2), {}, "missing values in 2 of 240 rows"),
    ]:
        with pytest.raises(ValueError, match=said):
            monotonicity_test(data, **options)

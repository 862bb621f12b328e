"""Sums over windows against sums written out, window by window."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfactor._kernels import rolling as module
from skfactor._kernels.rolling import Window, window_sums


def draw(n_dates=47, n_series=11, n_factors=2, missing=0.2, seed=0):
    rng = np.random.default_rng(seed)
    returns = rng.normal(size=(n_dates, n_series))
    returns[rng.random(returns.shape) < missing] = np.nan
    return 3.0 + rng.normal(size=(n_factors, n_dates)), returns


def collect(factors, returns, window, **options):
    """Sums (n_sums, T, N) about zero, and whether there are any."""
    tables, found = None, np.zeros(returns.shape, dtype=bool)
    for each in window_sums(factors, returns, window, **options):
        if tables is None:
            tables = np.full((len(each.sums), *returns.shape), np.nan)
        tables[:, each.dates, each.series][:, each.wanted] = each.sums
        assert not found[each.dates, each.series].any()
        found[each.dates, each.series] = each.wanted
        assert_array_equal(each.level, 0.0)
    return tables, found


def sums_by_window(factors, returns, window):
    out = np.full((7, *returns.shape), np.nan)
    for t, i in np.ndindex(*returns.shape):
        rows = slice(max(t + 1 - window.length, 0), t + 1)
        seen = np.isfinite(returns[rows, i])
        if seen.sum() < window.min_rows or (window.only_observed and not seen[-1]):
            continue
        weights = np.ones(len(seen))
        if window.ages is not None:
            weights = 0.5 ** (window.ages[t] - window.ages[rows])
        x, y, w = factors[:, rows][:, seen], returns[rows, i][seen], weights[seen]
        pairs = [(w * x[a] * x[b]).sum() for a, b in ((0, 0), (1, 0), (1, 1))]
        out[:, t, i] = [*pairs, *((w * each * y).sum() for each in x), (w * y * y).sum(), w.sum()]
    return out


@pytest.mark.parametrize("ages", [None, np.cumsum(np.tile([0.1, 0.3, 0.05], 16))[:47]])
@pytest.mark.parametrize("length", [1, 2, 5, 20, 47])
@pytest.mark.parametrize("only_observed", [False, True])
def test_sums_are_those_of_every_window(length, ages, only_observed, monkeypatch):
    monkeypatch.setattr(module, "_SERIES", 4)
    monkeypatch.setattr(module, "_WINDOWS", 12)  # three dates at once
    factors, returns = draw()
    window = Window(length, min_rows=max(1, length // 3), ages=ages, only_observed=only_observed)
    found, wanted = collect(factors, returns, window, with_constant=False, squares=True)
    expected = sums_by_window(factors, returns, window)
    assert_array_equal(wanted, np.isfinite(expected[0]))
    assert_allclose(found, expected, rtol=1e-12)


def test_what_a_window_does_not_hold_leaves_no_trace():
    factors, returns = draw(missing=0.0)
    window = Window(6, min_rows=6)
    expected, _ = collect(factors, returns, window, with_constant=False, squares=True)
    factors[:, 20], returns[20] = 1e9, 1e9
    found, _ = collect(factors, returns, window, with_constant=False, squares=True)
    elsewhere = np.delete(np.arange(47), np.arange(20, 26))
    assert_array_equal(found[:, elsewhere], expected[:, elsewhere])


def test_a_missing_factor_takes_its_date_from_every_series():
    factors, returns = draw(missing=0.0)
    factors[1, 9] = np.nan
    window = Window(5, min_rows=4)
    for each in window_sums(factors, returns, window, with_constant=True):
        t, i = np.nonzero(each.wanted)
        holds = (t + each.dates.start >= 9) & (t + each.dates.start < 14)
        full = np.minimum(t + each.dates.start + 1, 5)
        assert_array_equal(each.n_rows, full - holds)
        assert_array_equal(each.sums[0], full - holds)
        assert i.max() == 10


def test_the_input_is_not_changed():
    factors, returns = draw()
    copies = factors.copy(), returns.copy()
    list(window_sums(factors, returns, Window(7, 2), with_constant=True, squares=True))
    assert_array_equal(factors, copies[0])
    assert_array_equal(returns, copies[1])

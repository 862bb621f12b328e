"""The record of a pooled regression."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import random_panel

from skfactor import PooledRegression
from skfactor._passes.pooled import PooledMoments


@pytest.fixture(scope="module")
def panel():
    data = random_panel(np.random.default_rng(0), n_dates=6, n_assets=12, n_features=3, missing=0.1)
    return data[["x0", "x1"]], data["x2"]


def test_pseudo_slopes_average_to_the_coefficients_and_vary_as_they_are_uncertain(panel):
    record = PooledRegression().fit(*panel).record_
    assert_allclose(record.lambdas.mean(axis=0), record.premia, rtol=1e-10)
    fit = record.pooled
    assert_allclose(record.slope_influence, 6 * fit.by_date, rtol=1e-8, atol=1e-12)
    # Sums by asset and by row are of the same scores.
    for influence in (fit.by_date, fit.by_asset, fit.by_row("test")):
        assert_allclose(influence.sum(axis=0), 0.0, atol=1e-12)
        assert influence.shape[1] == 3
    rows = fit.by_row("test")
    codes = fit.rows.date_codes
    summed = [np.bincount(codes, column) for column in rows.T]
    assert_allclose(np.transpose(summed), fit.by_date, rtol=1e-8, atol=1e-12)


def test_a_pickled_record_has_no_rows_and_is_no_larger_for_them(panel):
    fit = PooledRegression().fit(*panel).record_.pooled
    again = pickle.loads(pickle.dumps(fit))
    assert fit.rows is not None
    assert again.rows is None
    assert_allclose(again.by_asset, fit.by_asset)
    assert pickle.dumps(again) == pickle.dumps(pickle.loads(pickle.dumps(again)))


def test_moments_add_up_whoever_knows_assets(panel):
    X, y = panel
    dates = X.index.get_level_values("date")
    early = dates < dates.max()
    a = PooledRegression().read_slopes(X[early], y[early])
    b = PooledRegression().read_slopes(
        X[~early].to_numpy(), y[~early].to_numpy(), dates=dates[~early]
    )
    assert isinstance(a, PooledMoments)
    assert a.assets is not None
    assert (a + b).assets is None
    assert len((b + a).dates) == 6
    with pytest.raises(ValueError, match="dates were there before"):
        a + a
    with pytest.raises(ValueError, match="of different models"):
        a + PooledRegression(fit_intercept=False).read_slopes(X[~early], y[~early])

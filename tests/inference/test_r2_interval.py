"""The simulated interval of an R squared: what samples of true ones show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_premia import french_two_pass, random_two_pass

from skfactor import FactorBetas, FamaMacBeth
from skfactor.inference import cross_sectional_r2, r2_interval
from skfactor.inference._r2_interval import _accepted

X, Y = french_two_pass()


@pytest.mark.parametrize("weighting", ["ols", "wls", "gls"])
def test_the_interval_has_the_true_values_that_a_sample_may_be_of(weighting):
    model = FamaMacBeth(weighting=weighting).fit(X, Y)
    found = r2_interval(model, n_draws=199, level=0.9)
    assert_allclose(found.r2, cross_sectional_r2(model).r2)
    assert 0.0 <= found.lower < found.r2 < found.upper <= 1.0
    inside = (found.samples["lower"] <= found.r2) & (found.r2 <= found.samples["upper"])
    true = found.samples.index[inside]
    assert true[0] - 0.02 <= found.lower <= true[0]
    assert true[-1] <= found.upper <= true[-1] + 0.02
    wider = r2_interval(model, n_draws=199, level=0.99)
    assert wider.lower <= found.lower
    assert found.upper <= wider.upper
    assert "90% [" in str(found)


def test_long_samples_show_the_true_value():
    rng = np.random.default_rng(0)
    betas, index = rng.normal(1.0, 0.5, 10), pd.period_range("1000-01", periods=6_000, freq="M")
    x = np.column_stack([np.ones(10), betas])
    errors = rng.normal(size=10)
    errors -= x @ np.linalg.lstsq(x, errors, rcond=None)[0]
    spread = 0.01 * (betas - betas.mean())
    errors *= np.linalg.norm(spread) / np.linalg.norm(errors)  # a true R squared of one half
    factor = 0.04 * rng.normal(size=(6_000, 1))
    returns = 0.01 + spread + errors + factor * betas + 0.02 * rng.normal(size=(6_000, 10))
    model = FamaMacBeth().fit(pd.DataFrame(factor, index), pd.DataFrame(returns, index))
    found = r2_interval(model, n_draws=99)
    assert found.lower < 0.5 < found.upper
    assert found.upper - found.lower < 0.3
    middle = found.samples.mean(axis=1)
    assert_allclose(middle, middle.index, atol=0.06)


def test_what_useless_factors_explain_may_be_chance():
    # Average returns lie along the factors that drive returns, and so do betas on noise.
    rng = np.random.default_rng(3)
    loadings = rng.normal(size=(15, 2))
    found = []
    for _ in range(12):
        shocks = rng.normal(0.01, 0.04, (240, 2))
        returns = 0.01 + shocks @ loadings.T + 0.01 * rng.normal(size=(240, 15))
        model = FamaMacBeth().fit(pd.DataFrame({"noise": rng.normal(size=240)}), returns)
        found.append(r2_interval(model, n_draws=99))
    assert sum(each.lower == 0.0 for each in found) >= 10
    assert sum(each.useless == ("noise",) for each in found) >= 10
    assert max(each.r2 for each in found) > 0.7
    assert any("noise may be useless" in str(each) for each in found)
    # Beside a factor that matters, that one explains as much as it does alone.
    pair = pd.DataFrame({"matters": shocks[:, 0], "noise": rng.normal(size=240)})
    both = r2_interval(FamaMacBeth().fit(pair, returns), n_draws=99)
    assert both.useless == ("noise",)
    assert both.lower < r2_interval(FamaMacBeth().fit(pair[["matters"]], returns), n_draws=99).r2


def test_a_value_between_two_of_those_tried_has_an_interval():
    true = pd.Index([0.0, 0.5, 1.0])
    samples = pd.DataFrame({"lower": [0.0, 0.4, 0.8], "upper": [0.1, 0.5, 0.9]}, true)
    assert_allclose(_accepted(samples, 0.3), (0.25, 0.375))
    assert_allclose(_accepted(samples, 0.05), (0.0, 0.0625))
    assert np.isnan(_accepted(samples, 0.95)).all()


def test_mistakes():
    factors, returns = random_two_pass(np.random.default_rng(0), 60, 6, 2)
    for model, options, said in [
        (FamaMacBeth().fit(factors[:15], returns[:15]), {}, "r2_interval draws dates"),
        (FamaMacBeth().fit(factors, returns), {"level": 2}, "level=2"),
        (FamaMacBeth().fit(factors, returns.iloc[:, :3]), {}, "more assets than premia"),
        (FamaMacBeth(betas=FactorBetas(window=30)).fit(factors, returns), {}, "betas of the whole"),
    ]:
        with pytest.raises(ValueError, match=said):
            r2_interval(model, **options)


def test_twins_among_the_assets_are_no_obstacle():
    twins = Y.assign(twin=Y.iloc[:, 0])
    found = r2_interval(FamaMacBeth().fit(X[["MktRF"]], twins), n_draws=99)
    # The test inverts their covariance, which is singular up to rounding.
    assert set(found.useless) <= {"MktRF"}
    assert found.lower <= found.upper

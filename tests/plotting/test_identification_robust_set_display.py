"""Sets of premia drawn: curves and their spans, areas, unbounded and empty ones."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth
from skfactor.inference import identification_robust_set
from skfactor.plotting import IdentificationRobustSetDisplay


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    factors = rng.normal(0.01, 0.05, (120, 2))
    betas = rng.normal(1.0, 0.5, (8, 2))
    returns = (0.01 + factors) @ betas.T + rng.normal(0.0, 0.03, (120, 8))
    return pd.DataFrame(factors, columns=["f", "g"]), returns, rng.normal(size=120)


def test_the_span_of_one_factor_is_where_the_curve_is_above_the_level(data):
    factors, returns, _ = data
    betas = np.linalg.lstsq(factors - factors.mean(), returns, rcond=None)[0]
    returns = returns - (0.01 + factors[["g"]].to_numpy()) * betas[1]
    figure, ax = plt.subplots()
    display = IdentificationRobustSetDisplay.from_returns(
        factors["f"], returns, premia=0.01, level=0.9, ax=ax, target="ex ante", color="C3"
    )
    assert (display.ax_, display.figure_) == (ax, figure)
    assert display.line_.get_color() == "C3"
    at, p_values = display.line_.get_data()
    ((low, high),) = display.found.intervals.to_numpy()
    (span,) = display.spans_
    assert_allclose([span.get_x(), span.get_x() + span.get_width()], [low, high])
    assert_allclose(at[p_values >= 0.1][[0, -1]], [low, high], atol=2.0 * (at[1] - at[0]))
    assert ax.get_xlim()[0] < low
    assert display.point_.get_xdata() == [0.01]
    assert "90% set of the ex ante premia" in ax.get_title()


def test_the_area_of_two_factors_is_the_set(data):
    factors, returns, _ = data
    model = FamaMacBeth().fit(factors, returns)
    display = IdentificationRobustSetDisplay.from_returns(
        factors, returns, premia=model.premia_[1:]
    )
    found = display.found
    border = np.vstack([path.vertices for path in display.area_.get_paths()])
    assert_allclose(border.min(axis=0), found.intervals["lower"], rtol=0.02)
    assert_allclose(border.max(axis=0), found.intervals["upper"], rtol=0.02)
    assert (found.p_values(border) > 0.02).all()
    assert display.plot().area_ is not None


def test_unbounded_and_empty_sets_say_so(data):
    factors, returns, useless = data
    display = IdentificationRobustSetDisplay.from_returns(useless, returns)
    assert display.ax_.get_title().endswith(": unbounded")
    # A direction in which all premia of both are in the set.
    both = factors[["f"]].assign(useless=useless)
    found = identification_robust_set(both, returns, fit_intercept=False)
    assert not found.is_bounded
    assert np.isinf(found.intervals.groupby(level=0).agg({"lower": "min", "upper": "max"})).all(
        axis=None
    )
    assert np.isfinite(found.window).all(axis=None)
    IdentificationRobustSetDisplay(found).plot()
    shifted = returns + np.linspace(-0.1, 0.1, 8) ** 2 * 40.0
    for k in (1, 2):
        display = IdentificationRobustSetDisplay.from_returns(factors.iloc[:, :k], shifted)
        assert display.ax_.get_title().endswith(": empty")
        assert not display.spans_


def test_mistakes_are_told(data):
    factors, returns, _ = data
    found = identification_robust_set(factors, returns)
    model = FamaMacBeth().fit(factors, returns)
    for premia, said in ((0.01, "premia has shape"), (model.premia_[:2], r"premia has no \['g'\]")):
        with pytest.raises(ValueError, match=said):
            IdentificationRobustSetDisplay(found, premia).plot()
    with pytest.raises(ValueError, match=r"window has shape \(1, 2\)"):
        IdentificationRobustSetDisplay(found).plot(window=found.window[:1])

"""Betas as points, colours and paths."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from skfactor import FactorBetas, FamaMacBeth
from skfactor.plotting import BetasDisplay


def _rolling(n_assets, n_dates=30):
    index = pd.MultiIndex.from_product(
        [pd.period_range("2020-01", periods=n_dates, freq="M"), range(n_assets)],
        names=["date", "asset"],
    )
    values = np.random.default_rng(0).normal(size=(len(index), 2))
    values[: 2 * n_assets] = np.nan  # the warm-up
    return pd.DataFrame(values, index, columns=["f", "g"])


def _last(rolling):
    return rolling.groupby(level="asset").last()


def test_points_and_intervals_are_betas_and_their_errors(two_pass):
    display = BetasDisplay.from_estimator(two_pass, factors=["HML", "SMB"])
    assert len(display.ax_) == 2
    for factor, points in zip(["HML", "SMB"], display.points_, strict=True):
        betas = two_pass.betas_[factor].to_numpy()
        assert_allclose(points[0].get_xdata(), betas)
        assert_array_equal(points[0].get_ydata(), np.arange(18))
        half = 1.959963984540054 * two_pass.first_pass_.std_errors_[factor].to_numpy()
        ends = np.array([segment[:, 0] for segment in points[2][0].get_segments()])
        assert_allclose(ends, np.column_stack([betas - half, betas + half]))


def test_betas_of_a_pipeline_step_are_found(french):
    index = ["S1V1", "S1V5", "S5V1", "S5V5"]
    returns = french[index].loc["2010":].stack().rename_axis(["date", "asset"])
    dates = returns.index.get_level_values("date")
    X = french.loc[dates, ["MktRF"]].set_axis(returns.index, axis=0)
    pipeline = make_pipeline(FactorBetas(), FamaMacBeth()).fit(X, returns)
    display = BetasDisplay.from_estimator(pipeline)
    assert_allclose(display.points_[0][0].get_xdata(), pipeline[0].betas_["MktRF"])


def test_heatmap_holds_the_betas_and_is_white_at_zero(two_pass):
    display = BetasDisplay.from_estimator(two_pass, kind="heatmap", assets=["S5V5", "S1V1"])
    betas = two_pass.betas_.loc[["S5V5", "S1V1"]].to_numpy()
    assert_allclose(display.image_.get_array(), betas)
    assert_allclose(display.image_.get_clim(), np.array([-1.0, 1.0]) * np.abs(betas).max())
    assert_allclose([float(t.get_text()) for t in display.ax_.texts], betas.ravel(), atol=0.0051)


def test_missing_betas_leave_cells_and_points_empty():
    betas = pd.DataFrame({"f": [1.0, np.nan], "g": [np.nan, np.nan]}, index=["a", "b"])
    display = BetasDisplay(betas).plot(kind="heatmap")
    assert [t.get_text() for t in display.ax_.texts] == ["1.00", "", "", ""]
    assert display.image_.get_array().mask.tolist() == [[False, True], [True, True]]
    assert display.ax_.patch.get_hatch()  # what is seen through the empty cells
    BetasDisplay(betas).plot().figure_.draw_without_rendering()


def test_paths_of_few_assets_are_told_apart():
    rolling = _rolling(3)
    shuffled = rolling.sample(frac=1.0, random_state=0).swaplevel()
    for table in (rolling, shuffled):
        display = BetasDisplay(_last(rolling), rolling_betas=table).plot(kind="rolling")
        assert len(display.lines_) == 6
        assert display.medians_ == []
        expected = rolling["g"].xs(1, level="asset")
        assert_allclose(display.lines_[4].get_ydata(), expected)
        assert display.lines_[4].get_label() == "1"


def test_paths_of_many_assets_are_their_median_and_bands():
    rolling = _rolling(20)
    display = BetasDisplay(_last(rolling), rolling_betas=rolling).plot(
        kind="rolling", factors=["f"]
    )
    assert display.lines_ == []
    by_date = rolling["f"].groupby(level="date")
    assert_allclose(display.medians_[0].get_ydata(), by_date.median())
    assert len(display.bands_) == 2
    for band, levels in zip(display.bands_, [(0.05, 0.95), (0.25, 0.75)], strict=True):
        heights = band.get_paths()[0].vertices[:, 1]
        for level in levels:
            edge = by_date.quantile(level).dropna().to_numpy()
            assert np.isclose(heights[:, None], edge).any(axis=0).all()
    assert not isinstance(display.ax_, np.ndarray)


@pytest.mark.parametrize("n_assets", [1, 300])
def test_one_and_many_assets_are_drawn(n_assets):
    betas = pd.DataFrame({"f": np.linspace(-1.0, 1.0, n_assets)})
    for kind in ("points", "heatmap"):
        display = BetasDisplay(betas).plot(kind=kind)
        display.figure_.draw_without_rendering()
        assert display.figure_.get_figheight() <= 12.0
        plt.close(display.figure_)


def test_mistakes_are_named(two_pass):
    with pytest.raises(ValueError, match="kind='bars'"):
        BetasDisplay.from_estimator(two_pass, kind="bars")
    with pytest.raises(ValueError, match="no rolling betas"):
        BetasDisplay.from_estimator(two_pass, kind="rolling")
    with pytest.raises(ValueError, match=r"factors \['RMW'\] have no betas"):
        BetasDisplay.from_estimator(two_pass, factors=["RMW"])
    with pytest.raises(ValueError, match=r"assets \['X'\] have no betas"):
        BetasDisplay.from_estimator(two_pass, assets=["X"])

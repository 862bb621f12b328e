"""Evaluation of expected returns against statsmodels' loops, laws, and what raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from reference import random_panel
from scipy import stats
from sklearn.exceptions import UndefinedMetricWarning

from skfactor.metrics import evaluate_forecasts, ic, infer_mean, long_short_sharpe, r2_zero, rank_ic


def forecasts(seed=0, n_dates=24, n_assets=40, missing=0.1):
    """Expected returns, and realized ones of which they explain a part."""
    frame = random_panel(np.random.default_rng(seed), n_dates, n_assets, 2, missing)
    expected = 0.01 * (frame["x0"] - frame["x0"].mean())
    noise = frame["x1"] / frame["x1"].std()
    return expected, 0.002 + 0.8 * expected + 0.02 * noise


EXPECTED, REALIZED = forecasts()
PAIRS = pd.DataFrame({"x": EXPECTED, "y": REALIZED}).dropna()


@pytest.fixture(scope="module")
def evaluation():
    return evaluate_forecasts(REALIZED, EXPECTED, n_quantiles=5)


# --- known values -------------------------------------------------------------------------------


def test_slopes_are_those_of_a_regression_on_each_date(evaluation):
    rows = {}
    for date, pairs in PAIRS.groupby(level="date"):
        fit = sm.OLS(pairs["y"], sm.add_constant(pairs["x"])).fit()
        rows[date] = {
            "n_assets": len(pairs),
            "slope": fit.params["x"],
            "intercept": fit.params["const"],
            "r2": fit.rsquared,
            "ic": pairs["y"].corr(pairs["x"]),
            "rank_ic": pairs["y"].corr(pairs["x"], method="spearman"),
        }
    expected = pd.DataFrame(rows).T
    found = evaluation.by_date.drop(columns="spread").astype(float)
    assert_frame_equal(found, expected, check_names=False, check_freq=False, rtol=1e-9)
    test = stats.ttest_1samp(expected["slope"], 0.0)
    assert_allclose(evaluation.slope.t_value, test.statistic, rtol=1e-9)
    assert_allclose(evaluation.slope.p_value, test.pvalue, rtol=1e-9)
    calibrated = stats.ttest_1samp(expected["slope"], 1.0)
    assert_allclose(evaluation.t_value_of_one, calibrated.statistic, rtol=1e-9)
    assert_allclose(evaluation.average_r2, expected["r2"].mean(), rtol=1e-9)


def test_other_figures_are_those_of_the_metrics(evaluation):
    assert_allclose(evaluation.ic.mean, ic(REALIZED, EXPECTED), rtol=1e-12)
    assert_allclose(evaluation.rank_ic.mean, rank_ic(REALIZED, EXPECTED), rtol=1e-12)
    assert_allclose(evaluation.r2_zero, r2_zero(REALIZED, EXPECTED), rtol=1e-10)
    sharpe = long_short_sharpe(REALIZED, EXPECTED, n_quantiles=5)
    assert_allclose(evaluation.spread.information_ratio, sharpe, rtol=1e-12)
    demeaned = PAIRS - PAIRS.groupby(level="date").transform("mean")
    r2 = r2_zero(demeaned["y"], demeaned["x"])
    assert_allclose(evaluation.r2_demeaned, r2, rtol=1e-10)


def test_quantiles_have_expected_and_realized_returns(evaluation):
    number = PAIRS.groupby(level="date")["x"].transform(pd.qcut, 5, labels=False) + 1
    cells = PAIRS.groupby([PAIRS.index.get_level_values("date"), number.to_numpy()]).mean()
    means = cells.groupby(level=1).mean()
    table = evaluation.quantiles
    assert list(table.index) == [1, 2, 3, 4, 5, "spread"]
    assert_allclose(table["expected"].iloc[:5], means["x"], rtol=1e-10)
    assert_allclose(table["realized"].iloc[:5], means["y"], rtol=1e-10)
    assert_allclose(table.loc["spread", "expected"], means["x"][5] - means["x"][1], rtol=1e-10)
    assert_allclose(table.loc["spread", "t_value"], evaluation.spread.t_value, rtol=1e-12)


def test_decay_is_the_rank_ic_with_returns_of_later_dates(evaluation):
    x, y = (
        PAIRS_OF.pivot_table(values=0, index="date", columns="asset")
        for PAIRS_OF in (EXPECTED.rename(0).to_frame(), REALIZED.rename(0).to_frame())
    )
    for lag in range(1, 6):
        ics = [x.iloc[t].corr(y.iloc[t + lag], method="spearman") for t in range(len(x) - lag)]
        test = stats.ttest_1samp(ics, 0.0)
        row = evaluation.decay.loc[lag]
        assert_allclose(row["mean"], np.mean(ics), rtol=1e-10)
        assert_allclose(row["t_value"], test.statistic, rtol=1e-9)
        assert row["n_dates"] == len(ics)
    assert evaluation.decay.loc[0, "mean"] == evaluation.rank_ic.mean


def test_overlapping_horizons_have_lags_everywhere():
    found = evaluate_forecasts(REALIZED, EXPECTED, n_quantiles=5, horizon=4)
    for name in ("slope", "ic", "rank_ic", "spread"):
        expected = infer_mean(found.by_date[name], horizon=4)
        assert getattr(found, name) == expected
    assert found.quantiles.loc["spread", "std_error"] == found.spread.std_error
    assert found.slope.std_error != infer_mean(found.by_date["slope"]).std_error


# --- laws ---------------------------------------------------------------------------------------


def test_expectations_that_come_true_have_a_slope_of_one():
    found = evaluate_forecasts(REALIZED, REALIZED, n_quantiles=5)
    assert_allclose([found.slope.mean, found.ic.mean, found.r2_zero, found.r2_demeaned], 1.0)
    assert_allclose(found.intercept.mean, 0.0, atol=1e-12)


def test_expectations_twice_too_wide_have_half_the_slope(evaluation):
    found = evaluate_forecasts(REALIZED, 2.0 * EXPECTED, n_quantiles=5)
    assert_allclose(found.slope.mean, evaluation.slope.mean / 2.0, rtol=1e-10)
    assert_allclose(found.slope.t_value, evaluation.slope.t_value, rtol=1e-9)
    assert_allclose(found.spread.mean, evaluation.spread.mean, rtol=1e-10)


def test_order_of_rows_does_not_matter(evaluation):
    order = np.random.default_rng(0).permutation(len(EXPECTED))
    shuffled = [data.swaplevel().iloc[order] for data in (REALIZED, EXPECTED)]
    found = evaluate_forecasts(*shuffled, n_quantiles=5)
    assert_frame_equal(found.to_frame(), evaluation.to_frame(), rtol=1e-9)
    assert_frame_equal(found.decay, evaluation.decay, rtol=1e-9)


def test_arrays_with_dates_have_all_but_the_decay(evaluation):
    arrays = REALIZED.to_numpy(), EXPECTED.to_numpy()
    labels = {name + "s": EXPECTED.index.get_level_values(name) for name in ("date", "asset")}
    found = evaluate_forecasts(*arrays, n_quantiles=5, dates=labels["dates"])
    assert_frame_equal(found.to_frame(), evaluation.to_frame(), rtol=1e-12)
    assert list(found.decay.index) == [0]
    known = evaluate_forecasts(*arrays, n_quantiles=5, **labels)
    assert_frame_equal(known.decay, evaluation.decay)


def test_decay_goes_as_far_as_asked_or_as_the_sample():
    longer = evaluate_forecasts(REALIZED, EXPECTED, n_quantiles=5, max_lag=8)
    assert list(longer.decay.index) == list(range(9))
    assert list(evaluate_forecasts(REALIZED, EXPECTED, max_lag=0).decay.index) == [0]
    few = EXPECTED.index.get_level_values("date") <= EXPECTED.index.levels[0][3]
    short = evaluate_forecasts(REALIZED[few], EXPECTED[few], n_quantiles=5)
    assert list(short.decay.index) == [0, 1, 2]


# --- the result ---------------------------------------------------------------------------------


def test_summary_shows_the_figures_in_text_latex_and_html(evaluation):
    text = str(evaluation)
    assert f"{evaluation.slope.t_value:.3f}" in text
    assert f"{evaluation.r2_zero:.4f}" in text
    assert "24 of 24" in text
    assert "errors: no lags" in text
    latex = evaluation.summary().as_latex()
    assert latex.count(r"\begin{tabular}") == 4
    assert "<table" in evaluation._repr_html_()
    overlapping = evaluate_forecasts(REALIZED, EXPECTED, n_quantiles=5, horizon=3)
    assert "Newey-West with 2 lags" in str(overlapping)


def test_it_is_frozen(evaluation):
    with pytest.raises(AttributeError):
        evaluation.horizon = 2


# --- what warns and raises ----------------------------------------------------------------------


def test_constant_expectations_of_a_date_are_counted_once():
    constant = EXPECTED.where(EXPECTED.index.get_level_values("date") != "2020-01-31", 0.01)
    with pytest.warns(UndefinedMetricWarning, match="slope is undefined on 1 of 24") as caught:
        found = evaluate_forecasts(REALIZED, constant, n_quantiles=5)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert found.slope.n_dates == 23
    assert "23 of 24" in str(found)


@pytest.mark.parametrize("case", ["thin", "constant", "tied"])
def test_without_a_spread_the_rest_is_there(case):
    n_quantiles = 100 if case == "thin" else 5
    expected = EXPECTED
    if case == "constant":
        late = EXPECTED.index.get_level_values("date") > EXPECTED.index.levels[0][3]
        expected = EXPECTED.where(late, 0.01)
    elif case == "tied":  # four of five are at the top, which leaves no quantile above them
        rank = EXPECTED.groupby(level="date").rank(pct=True)
        expected = (rank > 0.2).astype(float).where(rank.notna())
    with pytest.warns(UndefinedMetricWarning) as caught:
        found = evaluate_forecasts(REALIZED, expected, n_quantiles=n_quantiles)
    texts = [str(warning.message) for warning in caught]
    if case == "constant":
        assert len(texts) == 1
        assert "slope is undefined on 4 of 24" in texts[0]
        assert found.spread.n_dates == 20
        return
    assert len(texts) == 1
    assert "some quantile is undefined on 24 of 24 dates" in texts[0]
    assert_allclose(found.ic.mean, ic(REALIZED, expected), rtol=1e-12)
    assert np.isnan(found.spread.mean)
    assert found.spread.n_dates == 0
    assert len(found.quantiles) == n_quantiles + 1
    assert "24 of 24" in str(found)
    assert "nan" in str(found)


def test_constant_outcomes_have_a_slope_and_no_correlation():
    constant = REALIZED * 0.0 + 0.01
    found = evaluate_forecasts(constant, EXPECTED, n_quantiles=5)
    assert_allclose(found.slope.mean, 0.0, atol=1e-12)
    assert np.isnan(found.ic.mean)
    assert str(found)


def test_forecasts_that_come_true_have_a_summary():
    found = evaluate_forecasts(REALIZED, REALIZED, n_quantiles=5, horizon=2)
    assert found.slope.std_error == 0.0
    assert np.isnan(found.t_value_of_one)
    assert "1.0000" in str(found)
    assert "<table" in found._repr_html_()


def test_an_empty_sample_raises():
    empty = EXPECTED.iloc[:0]
    with pytest.raises(ValueError, match="has no rows"):
        evaluate_forecasts(empty, empty)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_quantiles": 1000}, "into 1000 quantiles"),
        ({"n_quantiles": 1.5}, "n_quantiles=1.5 has to be"),
        ({"horizon": 0}, "horizon=0 has to be"),
        ({"horizon": 25}, "horizon=25 is longer than the sample of 24 dates"),
        ({"max_lag": -1}, "max_lag=-1 has to be"),
        ({"max_lag": 23}, "max_lag=23 leaves fewer than two dates of the 24"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_forecasts(REALIZED, EXPECTED, **{"n_quantiles": 5, **options})


def test_lags_without_assets_raise():
    dates = EXPECTED.index.get_level_values("date")
    with pytest.raises(ValueError, match="which row is which asset"):
        evaluate_forecasts(REALIZED.to_numpy(), EXPECTED.to_numpy(), dates=dates, max_lag=3)


def test_mistakes_raise():
    with pytest.raises(ValueError, match="there are no dates"):
        evaluate_forecasts(REALIZED.to_numpy(), EXPECTED.to_numpy())
    with pytest.raises(ValueError, match="have different indexes"):
        evaluate_forecasts(REALIZED, EXPECTED[::-1])
    one = EXPECTED.index.get_level_values("date") == "2020-01-31"
    with pytest.raises(ValueError, match="only 1 of 1 dates have a value"):
        evaluate_forecasts(REALIZED[one], EXPECTED[one], n_quantiles=5)
    with pytest.raises(ValueError, match="y_true has 3 columns"):
        evaluate_forecasts(np.ones((4, 3)), np.ones((4, 3)))

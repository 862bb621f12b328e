"""compare_forecasts: the tests of Diebold and Mariano by hand, common rows, mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from skfactor.datasets import make_panel
from skfactor.metrics import compare_forecasts, evaluate_forecasts
from skfactor.metrics._forecast_comparison import _diebold_mariano

X, Y = make_panel(n_dates=60, n_assets=40, n_features=3, random_state=0, return_X_y=True)
FORECASTS = {"one": 0.01 * X["x1"], "two": 0.01 * X["x2"], "none": 0.0 * X["x1"] + 1e-4 * X["x3"]}


def test_statistics_are_those_of_statsmodels_on_the_averages_of_dates():
    for lags in (0, 3, None):
        found = compare_forecasts(Y, FORECASTS, lags=lags)
        used = found.lags
        assert used == (3 if lags is None else lags)  # 4 * 0.6 ** (2 / 9) is 3.57
        for row, theirs in FORECASTS.items():
            for column, ours in FORECASTS.items():
                if row == column:
                    assert np.isnan(found.dm_statistics.loc[row, column])
                    continue
                loss = ((Y - theirs) ** 2 - (Y - ours) ** 2).groupby("date").mean()
                ols = sm.OLS(loss.to_numpy(), np.ones(len(loss)))
                fit = ols.fit(cov_type="HAC", cov_kwds={"maxlags": used, "use_correction": True})
                statistic = float(fit.tvalues[0])
                np.testing.assert_allclose(found.dm_statistics.loc[row, column], statistic)
        assert np.allclose(found.dm_statistics, -found.dm_statistics.T, equal_nan=True)
    far_off = compare_forecasts(Y, {"one": FORECASTS["one"], "far off": -0.05 * X["x1"]})
    assert far_off.dm_statistics.loc["far off", "one"] > 3.0
    assert far_off.dm_p_values.loc["far off", "one"] < 0.01


def test_figures_are_those_of_each_forecast_alone():
    found = compare_forecasts(Y, FORECASTS, horizon=3, n_quantiles=5)
    frame = found.to_frame()
    for name, forecast in FORECASTS.items():
        alone = evaluate_forecasts(Y, forecast, horizon=3, n_quantiles=5, max_lag=0)
        assert frame.loc[name, "r2_zero"] == alone.r2_zero
        assert frame.loc[name, "spread_t"] == alone.spread.t_value
        assert frame.loc[name, "slope_std_error"] == alone.slope.std_error
    shuffled = Y.sample(frac=1.0, random_state=0)
    others = {name: forecast[shuffled.index] for name, forecast in FORECASTS.items()}
    again = compare_forecasts(shuffled, others, horizon=3, n_quantiles=5)
    np.testing.assert_allclose(again.to_frame(), frame)
    np.testing.assert_allclose(again.dm_statistics, found.dm_statistics)
    arrays = {name: forecast.to_numpy() for name, forecast in FORECASTS.items()}
    dates = X.index.get_level_values("date")
    for given in (pd.DataFrame(FORECASTS), arrays):
        same = compare_forecasts(Y.to_numpy(), given, dates=dates, horizon=3, n_quantiles=5)
        np.testing.assert_allclose(same.to_frame(), frame)


def test_rows_without_one_of_the_forecasts_are_left_out_for_all_and_counted():
    late = FORECASTS["two"].copy()
    late.iloc[np.arange(0, 2400, 24)] = np.nan
    with pytest.warns(UserWarning, match=r"100 of 2400 rows have some.*\{'two': 100\}"):
        found = compare_forecasts(Y, {"one": FORECASTS["one"], "two": late}, n_quantiles=5)
    known = late.notna()
    expected = compare_forecasts(
        Y[known], {"one": FORECASTS["one"][known], "two": late[known]}, n_quantiles=5
    )
    np.testing.assert_allclose(found.to_frame(), expected.to_frame())
    assert found.n_rows == 2300
    np.testing.assert_allclose(found.dm_statistics, expected.dm_statistics)


def test_equal_forecasts_have_no_statistic_and_noise_seldom_a_large_one():
    same = compare_forecasts(Y, {"a": FORECASTS["one"], "b": FORECASTS["one"]}, n_quantiles=5)
    assert same.dm_statistics.isna().all(axis=None)
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(300, 2, 60)) ** 2
    tests = [_diebold_mariano(losses, np.arange(60), 3)[1][0, 1] for losses in draws]
    assert 2 <= np.sum(np.array(tests) < 0.05) <= 40  # 15 are expected, some more with few dates


def test_tables_say_what_is_better_than_what():
    found = compare_forecasts(Y, FORECASTS, n_quantiles=5)
    for text in (str(found), found.summary().as_latex(), found._repr_html_()):
        for part in ("Forecasts side by side", "Diebold-Mariano", "rank IC", "one", "two"):
            assert part in text
    assert "positive where the column is more accurate" in str(found).replace("\n", " ")


def test_mistakes_say_what_was_found():
    one, two = FORECASTS["one"], FORECASTS["two"]
    for forecasts, error, message in [
        ({"one": one}, ValueError, r"at least two forecasts; found \['one'\]"),
        ([one, two], TypeError, r"forecasts has to be a dict.*found list"),
        ({"one": one, "two": None}, ValueError, r"'two' is None"),
        ({"one": one, "two": two.iloc[:9]}, ValueError, r"y_true\.loc|y_true has 2400 rows"),
        ({"one": one, "two": two.iloc[::-1]}, ValueError, r"forecasts\['two'\]"),
        ({"one": one, "two": two * np.nan}, ValueError, r"\['two'\] hold no value"),
        ({"one": one, "two": two.replace(two.iloc[0], np.inf)}, ValueError, r"infinity"),
        ({"one": one.where(X["x1"] > 0), "two": two.where(X["x1"] < 0)}, ValueError, r"No row has"),
    ]:
        with pytest.raises(error, match=message):
            compare_forecasts(Y, forecasts, n_quantiles=5)
    with pytest.raises(ValueError, match=r"lags=-1"):
        compare_forecasts(Y, FORECASTS, lags=-1)
    with pytest.raises(ValueError, match=r"horizon=0"):
        compare_forecasts(Y, FORECASTS, horizon=0)

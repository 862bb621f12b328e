"""Records of slopes: they add up over dates, and a premium has dates of its own."""

from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal
from reference import random_panel
from reference_premia import long_run_by_pairs

from skfactor import FamaMacBeth, RidgeFamaMacBeth
from skfactor._passes.slopes import Slopes, premia_record
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference._covariance import infer


def _panel(seed=0, n_dates=24):
    rng = np.random.default_rng(seed)
    X = random_panel(rng, n_dates=n_dates, missing=0.0)
    return X, pd.Series(rng.normal(size=len(X)), X.index) + X["x1"]


def _slopes(table, has_const=False):
    table = pd.DataFrame(table)
    sections = pd.DataFrame(
        {"n_assets": 9, "r2": 0.5, "adj_r2": 0.4, "condition_number": 1.0}, index=table.index
    )
    n_factors = table.shape[1] - has_const
    return Slopes(
        table, sections, True, has_const, np.zeros(len(table), bool), np.zeros(n_factors, bool)
    )


@pytest.mark.parametrize("model", [FamaMacBeth(), RidgeFamaMacBeth(0.5)], ids=["ols", "ridge"])
def test_the_sum_of_parts_is_the_whole_in_any_order(model):
    X, y = _panel()
    dates = X.index.get_level_values("date")
    whole = model.fit(X, y)
    parts = [model.read_slopes(X[dates == date], y[dates == date]) for date in dates.unique()]
    for order in (parts, parts[::-1]):
        joined = type(model)(**model.get_params()).fit_slopes(reduce(add, order))
        assert_frame_equal(joined.lambdas_, whole.lambdas_, check_freq=False)
        assert_frame_equal(joined.cross_sections_, whole.cross_sections_, check_freq=False)
        assert_series_equal(joined.premia_, whole.premia_)
        assert_frame_equal(joined.inference().cov, whole.inference().cov)
        assert joined.feature_names_in_.tolist() == X.columns.tolist()


@pytest.mark.parametrize("names", [[3, 1], [("x", 1), ("x", 0)]], ids=["integers", "tuples"])
def test_the_order_of_columns_counts_after_a_fit_of_parts_too(names):
    X, y = _panel()
    X = X.iloc[:, :2].set_axis(names, axis=1)
    whole = FamaMacBeth().fit(X, y)
    joined = FamaMacBeth().fit_slopes(FamaMacBeth().read_slopes(X, y))
    assert set(vars(joined)) == set(vars(whole))
    assert_allclose(joined.predict(X), whole.predict(X))
    for model in (whole, joined):
        with pytest.raises(ValueError, match="of X are in the order"):
            model.predict(X.iloc[:, ::-1])
    arrays = FamaMacBeth().fit_slopes(FamaMacBeth().read_slopes(X.to_numpy(), y))
    assert arrays.column_labels_ is None


def test_reading_does_not_change_a_model():
    X, y = _panel()
    model = FamaMacBeth().fit(X, y)
    before = vars(model).copy()
    model.read_slopes(X[["x1"]], y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())


def test_what_does_not_add_up_raises():
    X, y = _panel()
    read = FamaMacBeth().read_slopes(X, y)
    with pytest.raises(ValueError, match="were there before"):
        read + read
    with pytest.raises(ValueError, match="of different models"):
        read + FamaMacBeth(fit_intercept=False).read_slopes(X, y)


def test_judgement_is_left_to_the_sum():
    X, y = _panel()
    X["constant"] = 1.0
    late = X.index.get_level_values("date") >= X.index.get_level_values("date").unique()[12]
    parts = [FamaMacBeth().read_slopes(X[which], y[which]) for which in (late, ~late)]
    with pytest.raises(ValueError, match=r"\['constant'\] are constant everywhere"):
        FamaMacBeth().fit_slopes(parts[0] + parts[1])


def _with_gaps():
    rng = np.random.default_rng(0)
    index = pd.period_range("2000-01", periods=60, freq="M", name="date")
    table = pd.DataFrame(rng.normal(size=(60, 4)), index, ["a", "b", "c", "d"])
    table.iloc[:20, 1] = np.nan  # there from the twentieth month on
    table.iloc[30:40, 2] = np.nan
    table.iloc[5] = np.nan
    return table


def test_a_premium_has_the_average_of_its_own_dates():
    table = _with_gaps()
    assert_allclose(premia_record(_slopes(table), None, None).premia, table.mean(), rtol=1e-13)
    weights = 0.5 ** (np.arange(60)[::-1] / 6.0)
    expected = [np.average(x.dropna(), weights=weights[x.notna()]) for _, x in table.items()]
    assert_allclose(premia_record(_slopes(table), None, 6.0).premia, expected, rtol=1e-12)


@pytest.mark.parametrize(("kernel", "lags"), [(None, None), ("bartlett", 3.0), ("parzen", 6.0)])
def test_errors_have_own_dates_and_covariances_common_ones(kernel, lags):
    table = _with_gaps()
    found = infer(premia_record(_slopes(table), None, None), kernel=kernel, bandwidth=lags)
    for i, first in enumerate(table):
        for second in list(table)[i:]:
            pair = table[[first, second]].dropna() if first != second else table[[first]].dropna()
            t, places = len(pair), np.flatnonzero(table.index.isin(pair.index))
            series = (pair - pair.mean()).to_numpy()
            expected = long_run_by_pairs(series, places, kernel or "bartlett", lags or 0.0)
            assert_allclose(found.cov.loc[first, second], expected[0, -1] / (t - 1), rtol=1e-9)
    assert found.df.to_dict() == {name: table[name].count() - 1.0 for name in table}
    # Each premium alone is what it is on its own dates.
    for name in table:
        alone = infer(
            premia_record(_slopes(table[[name]].dropna(how="all")), None, None),
            kernel=kernel,
            bandwidth=lags,
        )
        assert_allclose(found.p_values[name], alone.p_values.iloc[0], rtol=1e-9)
        assert_allclose(found.conf_int().loc[name], alone.conf_int().iloc[0], rtol=1e-9)


def test_a_joint_test_is_of_the_dates_common_to_what_it_tests():
    table = _with_gaps()
    found = infer(premia_record(_slopes(table), None, None))
    for names in (["a", "d"], ["a", "b"], ["b", "c"], list(table)):
        common = table[names].dropna()
        expected = infer(premia_record(_slopes(common), None, None)).wald_test(names)
        test = found.wald_test(names)
        assert_allclose([test.statistic, test.p_value], [expected.statistic, expected.p_value])
        assert test.df == expected.df
        assert f"over the {len(common)} dates" in test.null
    assert "their own dates" in str(found.summary())


def test_premia_without_a_date_in_common_cannot_be_tested_together():
    table = _with_gaps()[["a", "b"]]
    table.iloc[20:, 0] = np.nan
    found = infer(premia_record(_slopes(table), None, None))
    assert np.isnan(found.cov.loc["a", "b"])
    assert np.isfinite(found.std_errors).all()
    with pytest.raises(ValueError, match="have no date in common"):
        found.wald_test(["a", "b"])


def test_dates_without_any_slope_are_reported_and_partial_ones_are_not():
    table = _with_gaps()
    with (
        pytest.warns(RankDeficientWarning, match="29 of 60 dates drop columns"),
        pytest.warns(RankDeficientWarning, match="1 of 60 dates are NaN"),
    ):
        _slopes(table).report_failures(2, refuse=False, whole=True)


def test_dropped_columns_are_reported_where_each_date_has_some_slope():
    table = _with_gaps().drop(index=pd.Period("2000-06", "M"))
    with pytest.warns(RankDeficientWarning, match="29 of 59 dates drop columns"):
        _slopes(table).report_failures(2, refuse=False, whole=True)

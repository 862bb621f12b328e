"""forecast_importance: what the models of a walk-forward lose without a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skfactor import FactorRanker, FamaMacBeth
from skfactor.datasets import make_panel
from skfactor.exceptions import NoVariationWarning
from skfactor.metrics import r2_zero, rank_ic
from skfactor.model_selection import (
    WalkForwardSplit,
    forecast_importance,
    walk_forward_predict,
)

X, Y = make_panel(n_dates=24, n_assets=40, n_features=3, random_state=0, return_X_y=True)
Y = Y + 0.05 * X["x2"]
CV = WalkForwardSplit(3, test_size=4)


def walked(model, data=X, cv=CV, **options):
    return walk_forward_predict(model, data, Y, cv=cv, return_estimator=True, **options)


def test_models_are_those_that_predicted():
    expected, fits = walked(FamaMacBeth())
    pd.testing.assert_series_equal(expected, walk_forward_predict(FamaMacBeth(), X, Y, cv=CV))
    for fit in fits:
        alone = FamaMacBeth().fit(X.iloc[fit.train], Y.iloc[fit.train])
        np.testing.assert_allclose(fit.estimator.premia_, alone.premia_)
        rows = X.iloc[fit.test]
        np.testing.assert_allclose(fit.estimator.predict(rows), expected[rows.index])


def test_zeroing_is_worked_out_from_the_slopes():
    expected, fits = walked(FamaMacBeth())
    found = forecast_importance(fits, X, Y, method="zero")
    actual = Y[expected.index]
    for name in X:
        without = expected.copy()
        for fit in fits:
            rows = X.index[fit.test]
            without[rows] -= fit.estimator.premia_[name] * X.loc[rows, name]
        loss = r2_zero(actual, expected) - r2_zero(actual, without)
        np.testing.assert_allclose(found.loc[name, "importance"], loss)
    assert found.index[0] == "x2"
    np.testing.assert_allclose(found["share"].sum(), 1.0)
    assert found["std"].isna().all()


def test_permuting_stays_within_dates_and_takes_what_a_column_tells():
    _, fits = walked(FamaMacBeth())
    found = forecast_importance(fits, X, Y, scoring="rank_ic", n_repeats=5)
    assert found.index[0] == "x2"
    again = forecast_importance(fits, X, Y, scoring="rank_ic", n_repeats=5)
    pd.testing.assert_frame_equal(found, again)
    seen = []

    class Recorder(LinearRegression):
        def predict(self, X):
            seen.append(X)
            return super().predict(X)

    _, recorded = walked(Recorder())
    seen.clear()
    forecast_importance(recorded, X, Y, features=["x1"], n_repeats=2)
    test = np.concatenate([fit.test for fit in recorded])
    rows = pd.concat(seen[len(recorded) : 2 * len(recorded)])
    original = X.iloc[test]
    assert not rows["x1"].equals(original["x1"])
    assert rows[["x2", "x3"]].equals(original[["x2", "x3"]])
    by_date = (frame["x1"].groupby("date").apply(sorted) for frame in (rows, original))
    assert next(by_date).equals(next(by_date))


def test_a_permuted_column_loses_its_own_correlation_on_average():
    # Of a model of one column a permuted prediction is noise: its rank IC is zero on average.
    one = X[["x2"]]
    expected, fits = walked(FamaMacBeth(), one)
    found = forecast_importance(fits, one, Y, scoring="rank_ic", n_repeats=60)
    told = rank_ic(Y[expected.index], expected)
    error = found["std"].iloc[0] / np.sqrt(60)
    assert abs(found["importance"].iloc[0] - told) < 4.0 * error


def test_zero_is_neutral_where_the_pipeline_ranks():
    pipeline = make_pipeline(FactorRanker(), FamaMacBeth())
    _, fits = walked(pipeline, X + 100.0)
    found = forecast_importance(fits, X + 100.0, Y, method="zero")
    ranked = FactorRanker().fit_transform(X)
    _, plain = walked(FamaMacBeth(), ranked)
    expected = forecast_importance(plain, ranked, Y, method="zero")
    pd.testing.assert_frame_equal(found, expected)


def test_columns_that_are_the_same_for_all_assets_need_zeroing():
    macro = X.assign(rate=pd.factorize(X.index.get_level_values("date"))[0] / 10.0)
    _, fits = walked(LinearRegression(), macro)
    with pytest.warns(NoVariationWarning, match=r"\['rate'\] are the same.*method='zero'"):
        found = forecast_importance(fits, macro, Y)
    assert np.isnan(found.loc["rate", "importance"])
    assert np.isfinite(forecast_importance(fits, macro, Y, method="zero")["importance"]).all()


def test_mistakes_say_what_to_pass():
    _, fits = walked(FamaMacBeth())
    for arguments, options, error, message in [
        ((fits, X, Y), {"method": "shuffle"}, ValueError, r"one of \['permute', 'zero'\]"),
        ((fits, X, Y), {"scoring": "r2"}, ValueError, r"scoring='r2' has to be one of"),
        ((fits, X, Y), {"n_repeats": 0}, ValueError, r"n_repeats=0"),
        ((fits, X, Y), {"features": ["size"]}, ValueError, r"\['size'\], which are not among"),
        (([], X, Y), {}, ValueError, r"return_estimator=True"),
        (([FamaMacBeth()], X, Y), {}, ValueError, r"return_estimator=True"),
        ((fits, X.iloc[:50], Y.iloc[:50]), {}, ValueError, r"X has 50. Pass X and y as"),
        ((fits, X.to_numpy(), Y), {}, TypeError, r"X has to be a DataFrame"),
    ]:
        with pytest.raises(error, match=message):
            forecast_importance(*arguments, **options)

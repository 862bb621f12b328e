"""FactorInteractions: products, standardization by the past alone, names, mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skfactor import FactorImputer, FactorInteractions, FactorRanker
from skfactor.datasets import make_panel
from skfactor.exceptions import DegenerateScaleWarning, NoDatesWarning
from skfactor.model_selection import check_no_lookahead
from skfactor.preprocessing import constant_within_dates

CHARACTERISTICS, Y = make_panel(
    n_dates=30, n_assets=20, n_features=3, random_state=0, return_X_y=True
)
DATES = CHARACTERISTICS.index.get_level_values("date")
MACRO = pd.DataFrame(
    np.random.default_rng(1).normal(size=(30, 2)).cumsum(axis=0) + 5.0,
    DATES.unique(),
    ["rate", "spread"],
)
X = CHARACTERISTICS.join(MACRO, on="date")


def scores(min_periods=12):
    """By pandas: each date less the mean of those before, by their deviation."""
    mean = MACRO.expanding(min_periods).mean().shift(1)
    return (MACRO - mean) / MACRO.expanding(min_periods).std(ddof=0).shift(1)


def test_products_are_those_of_columns_and_of_macro_scores():
    found = FactorInteractions().fit_transform(X)
    by_row = scores().reindex(DATES).set_axis(X.index)
    expected = CHARACTERISTICS.copy()
    for macro in MACRO:
        for name in CHARACTERISTICS:
            expected[f"{name}*{macro}"] = CHARACTERISTICS[name] * by_row[macro]
    assert_frame_equal(found, expected)
    with_macro = FactorInteractions(keep_macro=True).fit_transform(X)
    assert_frame_equal(with_macro, expected.join(by_row))
    plain = FactorInteractions(standardize=False).fit_transform(X)
    assert_allclose(plain["x2*rate"], X["x2"] * X["rate"])


def test_rows_levels_and_containers_do_not_matter():
    transformer = FactorInteractions()
    expected = transformer.fit_transform(X)
    shuffled = X.sample(frac=1.0, random_state=0)
    assert_frame_equal(transformer.fit_transform(shuffled), expected.loc[shuffled.index])
    flipped = transformer.fit_transform(X.swaplevel())
    assert_array_equal(flipped, expected)
    named = FactorInteractions(macro=[3, 4])
    assert_array_equal(named.fit_transform(X.to_numpy(), dates=DATES), expected)
    frame = transformer.fit_transform(pl.from_pandas(X.reset_index(drop=True)), dates=DATES)
    assert frame.columns == list(expected.columns)
    narrow = transformer.fit_transform(X.astype("float32"))
    assert set(narrow.dtypes) == {np.dtype("float32")}
    assert_allclose(narrow, expected, rtol=1e-4, atol=1e-4)


def test_later_dates_are_standardized_by_those_of_fit_whatever_comes_with_them():
    early = MACRO.index[20] > DATES
    transformer = FactorInteractions().fit(X[early])
    assert_frame_equal(transformer.macro_history_, MACRO[:20], check_freq=False)
    mean, deviation = MACRO[:20].mean(), MACRO[:20].std(ddof=0)
    later = (MACRO[20:] - mean) / deviation
    whole = transformer.transform(X)
    expected = X.loc[~early, "x1"] * later["rate"].reindex(DATES[~early]).to_numpy()
    assert_allclose(whole.loc[~early, "x1*rate"], expected)
    assert_frame_equal(transformer.transform(X[early]), whole[early])
    one = MACRO.index[25] == DATES
    assert_frame_equal(transformer.transform(X[one]), whole[one])


def test_nothing_looks_ahead():
    pipeline = make_pipeline(
        FactorRanker(passthrough=constant_within_dates),
        FactorInteractions(min_periods=2),
        FactorImputer(strategy="constant"),
        LinearRegression(),
    )
    assert check_no_lookahead(pipeline, X, Y) == ()


def test_a_missing_month_is_left_out_and_its_products_are_missing():
    holes = X.copy()
    gap = MACRO.index[15] == DATES
    holes.loc[gap, "rate"] = np.nan
    found = FactorInteractions().fit_transform(holes)
    assert found.loc[gap, "x1*rate"].isna().all()
    known = MACRO["rate"].drop(MACRO.index[15])
    expected = (MACRO["rate"].iloc[20] - known[:19].mean()) / known[:19].std(ddof=0)
    at = MACRO.index[20] == DATES
    assert_allclose(found.loc[at, "x1*rate"], X.loc[at, "x1"] * expected)
    # A single asset without the value has that of the others.
    single = X.copy()
    single.iloc[np.flatnonzero(gap)[0], 3] = np.nan
    assert_frame_equal(
        FactorInteractions().fit_transform(single), FactorInteractions().fit_transform(X)
    )


def test_a_rate_that_never_changed_scores_zero_and_its_first_change_has_no_scale():
    pinned = X.copy()
    pinned["rate"] = np.where(MACRO.index[20] > DATES, 0.1, 0.2)
    with pytest.warns(DegenerateScaleWarning, match=r"On 1 of 30 dates the columns \['rate'\]"):
        found = FactorInteractions().fit_transform(pinned)["x1*rate"]
    assert (found[(MACRO.index[12] <= DATES) & (MACRO.index[20] > DATES)] == 0.0).all()
    assert found[MACRO.index[20] == DATES].isna().all()
    assert found[MACRO.index[20] < DATES].notna().all()


def test_names_out_and_a_pooled_model():
    transformer = FactorInteractions(macro=["rate"], keep_macro=True, min_periods=2)
    found = transformer.fit_transform(X.drop(columns="spread"))
    names = ["x1", "x2", "x3", "x1*rate", "x2*rate", "x3*rate", "rate"]
    assert list(transformer.get_feature_names_out()) == list(found.columns) == names
    assert transformer.macro_features_ == ["rate"]
    known = found.notna().all(axis=1)
    assert LinearRegression().fit(found[known], Y[known]).n_features_in_ == 7


def test_constant_columns_are_found_for_the_steps_before():
    assert constant_within_dates(X) == ["rate", "spread"]
    assert constant_within_dates(X.assign(sector="oil", one=1.0)) == ["rate", "spread"]
    ranked = FactorRanker(passthrough=constant_within_dates).fit_transform(X)
    assert_frame_equal(ranked[["rate", "spread"]], X[["rate", "spread"]])
    with pytest.raises(ValueError, match=r"DataFrame indexed by \(date, asset\)"):
        constant_within_dates(X.to_numpy())


def test_mistakes_say_what_was_found():
    wrong = X.copy()
    wrong.iloc[45, 3] += 1.0
    for data, options, message in [
        (CHARACTERISTICS, {}, r"No column has one value per date.*macro="),
        (X, {"macro": ["x1"]}, r"'x1' differs between the assets of a date, such as"),
        (wrong, {"macro": ["rate"]}, r"'rate' differs between the assets of a date"),
        (X, {"macro": ["cpi"]}, r"macro names \['cpi'\], which are not among"),
        (X[["rate", "spread"]], {}, r"All columns are macroeconomic variables"),
        (X, {"min_periods": 1}, r"'min_periods' parameter"),
    ]:
        with pytest.raises(ValueError, match=message):
            FactorInteractions(**options).fit(data)
    fitted = FactorInteractions().fit(X)
    with pytest.raises(ValueError, match=r"'rate' differs between the assets"):
        fitted.transform(wrong)
    with pytest.raises(ValueError, match=r"was fitted on rows with dates"):
        fitted.transform(X.reset_index(drop=True))
    periods = X.set_axis(X.index.set_levels(X.index.levels[0].astype(str), level=0))
    with pytest.raises(ValueError, match=r"The dates are .* here, and were"):
        fitted.transform(periods)


def test_without_dates_the_sample_is_standardized():
    values = X.to_numpy()
    with pytest.warns(NoDatesWarning):
        found = FactorInteractions(macro=[3]).fit_transform(values)
    rate = (values[:, 3] - values[:, 3].mean()) / values[:, 3].std()
    assert_allclose(found[:, 4], values[:, 0] * rate)

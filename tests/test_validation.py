"""What models keep of the data is theirs: later changes of it do not reach them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from reference_premia import random_two_pass

from skfactor import (
    BiasCorrectedFamaMacBeth,
    FactorBetas,
    FactorZScorer,
    FamaMacBeth,
    LinearFactorGMM,
    TradedFactorModel,
)
from skfactor._validation import (
    check_flag,
    check_lengths,
    is_one_of,
    named_metadata,
    raise_if_infinite,
)

MODELS = [
    FamaMacBeth(),
    FamaMacBeth(weighting="gls"),
    FamaMacBeth(betas=FactorBetas(window=20)),
    FactorBetas(),
    FactorBetas(window=20),
    TradedFactorModel(),
    BiasCorrectedFamaMacBeth(),
]


def _results(model):
    if isinstance(model, FactorBetas):
        return [model.residuals_, model.covariance()]
    return [model.inference().cov]


@pytest.mark.parametrize("container", [pd.DataFrame, np.array])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_changing_the_data_after_fit_changes_nothing(model, container):
    X, y = random_two_pass(np.random.default_rng(0))
    kept = model.fit(X, y.copy())
    expected = [np.array(result) for result in _results(kept)]
    factors, returns = container(X.copy()), container(y.copy())
    model.fit(factors, returns)
    for data in (factors, returns):
        if isinstance(data, pd.DataFrame):
            data.iloc[:] = 7.0
        else:
            data[:] = 7.0
    for result, before in zip(_results(model), expected, strict=True):
        assert_allclose(result, before, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("model", [FamaMacBeth(), FactorBetas(), TradedFactorModel()])
def test_what_has_no_columns_or_one_dimension_is_named(model):
    X, y = random_two_pass(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"y has no columns"):
        model.fit(X, y[[]])
    with pytest.raises(ValueError, match=r"X has no columns"):
        model.fit(X[[]], y)
    with pytest.raises(ValueError, match=r"X is a Series, .* pass X\.to_frame\(\)"):
        model.fit(X.iloc[:, 0], y)


@pytest.mark.parametrize(
    "estimator", [FamaMacBeth(), FactorBetas(), TradedFactorModel(), FactorZScorer()]
)
def test_a_lazy_frame_is_to_be_collected(estimator):
    X, y = random_two_pass(np.random.default_rng(0))
    lazy = pl.from_pandas(X).lazy()
    with pytest.raises(ValueError, match=r"X is a LazyFrame.*Pass X\.collect\(\)\.$"):
        estimator.fit(lazy, y.to_numpy())
    estimator.fit(lazy.collect(), y.to_numpy())


@pytest.mark.parametrize(("value", "message"), [("no", "'no'"), (1, "1"), (None, "None")])
def test_flags_are_true_or_false(value, message):
    for flag in (True, False, np.True_):
        check_flag(flag, "debiased")
    with pytest.raises(ValueError, match=f"debiased={message} has to be True or False"):
        check_flag(value, "debiased")


def test_values_whose_powers_are_not_finite_raise_whatever_their_container_and_type():
    X, y = random_two_pass(np.random.default_rng(0))
    for size in (1e79, 1e155, 1e300):
        for model in (FamaMacBeth(), FactorBetas(), TradedFactorModel(), LinearFactorGMM()):
            with pytest.raises(ValueError, match=r"X contains values as large as .*powers"):
                model.fit(X * size, y)
            with pytest.raises(ValueError, match=r"y contains values as large as .*powers"):
                model.fit(X.to_numpy(), y.to_numpy() * size)
        with pytest.raises(ValueError, match="Replace them by NaN, or divide"):
            FactorZScorer(date_level=None).fit(X * size)
    holed = (X * 1e80).mask(np.random.default_rng(0).random(X.shape) < 0.5)
    with pytest.raises(ValueError, match="as large as"):
        FactorZScorer(date_level=None).fit(holed)


def test_the_largest_float32_is_no_infinity():
    values = np.full((4, 2), np.float32(3e38))
    values[0, 0] = np.nan
    raise_if_infinite(values, ["a", "b"], "X")
    values[1, 1] = np.inf
    with pytest.raises(ValueError, match=r"infinity in \['b'\]"):
        raise_if_infinite(values, ["a", "b"], "X")


@pytest.mark.parametrize("model", [FamaMacBeth(), FactorBetas(), TradedFactorModel()])
def test_sparse_text_and_objects_are_named(model):
    X, y = random_two_pass(np.random.default_rng(0))
    with pytest.raises(ValueError, match="of y are sparse"):
        model.fit(X, y.astype(pd.SparseDtype(np.float64)))
    with pytest.raises(ValueError, match="X does not hold numbers: could not convert"):
        model.fit("foo", y)
    with pytest.raises(TypeError, match="X does not hold numbers: float"):
        model.fit([[{}]] * len(y), y)
    with pytest.raises(TypeError, match="y does not hold numbers: float"):
        model.fit(X, [object()] * len(y))


def test_text_in_polars_frames_is_named_with_what_to_type_there():
    X = pl.DataFrame({"x": np.arange(9.0), "up": [True, False, False] * 3})
    dates = np.repeat([202001, 202002, 202003], 3)
    for kind, values in ((pl.String, ["oil", "gas", "oil"]), (pl.Categorical, ["oil"] * 3)):
        named = X.with_columns(pl.Series("sector", values * 3, dtype=kind))
        advice = (
            r"columns \['sector'\] of X do not hold.*pass X.drop\(\['sector'\]\), and groupby="
            r"X\['sector'\] to .*pass X.to_dummies\(\['sector'\], drop_first=True\)\.$"
        )
        for fit in (FamaMacBeth().fit, FactorZScorer().fit):
            with pytest.raises(ValueError, match=advice):
                fit(named, np.arange(9.0), dates=dates)
        FactorZScorer().fit_transform(named.drop(["sector"]), dates=dates, groupby=named["sector"])
    numbers = X.with_columns(pl.Series("size", ["1", "2", "n/a"] * 3))
    with pytest.raises(ValueError, match=r"columns \['size'\] of X .* with polars' cast; or pass"):
        FactorZScorer().fit(numbers, dates=dates)


def test_rows_of_a_panel_and_a_time_series_are_of_different_number():
    index = pd.MultiIndex.from_product([range(202001, 202005), ["a", "b"]], names=["date", "asset"])
    X = pd.DataFrame({"x": np.arange(8.0)}, index)
    y = pd.Series(np.arange(3.0), pd.period_range("2020-01", periods=3, freq="M"))
    for left, right in ((X, y), (y.to_frame(), X["x"])):
        with pytest.raises(ValueError, match=r"Pass one row|restricts both"):
            check_lengths(left, right)


def test_lists_and_arrays_are_no_option():
    assert is_one_of("a", {"a", None})
    assert is_one_of(None, {"a", None})
    for value in (["a"], np.array(["a", "b"]), {}, 1, object()):
        assert not is_one_of(value, {"a", None})


def test_metadata_comes_by_name():
    assert named_metadata(None) == {}
    assert named_metadata({"a": 1}) == {"a": 1}
    with pytest.raises(TypeError, match="params has to be a dict"):
        named_metadata(1.0)

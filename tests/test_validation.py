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
    TradedFactorModel,
)
from skfactor._validation import check_flag

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

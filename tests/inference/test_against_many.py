"""One model against several: pairs, which of them are tested together, size and power."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference_premia import french_two_pass
from scipy import stats

from skfactor import FamaMacBeth
from skfactor.inference import compare_r2, compare_sharpe

X, Y = french_two_pass()


def _fit(*names, **how):
    return FamaMacBeth(**how).fit(X[list(names)], Y)


def test_pairs_are_those_of_two_models_and_nested_ones_are_not_tested_together():
    first = _fit("MktRF", "SMB", "HML")
    others = {
        "mom": _fit("MktRF", "Mom"),
        "capm": _fit("MktRF"),
        "carhart": _fit("MktRF", "SMB", "HML", "Mom"),
        "value": _fit("Mom", "HML"),
    }
    lags = {"kernel": "bartlett", "bandwidth": 3}
    found = compare_r2(first, others, **lags)
    for name, model in others.items():
        assert_allclose(found.pairs.loc[name, "p_value"], compare_r2(first, model, **lags).p_value)
    assert found.pairs["nested"].to_list() == ["", "smaller", "larger", ""]
    assert found.pairs["tested"].to_list() == [True, False, False, True]
    assert found.df == (2,)
    assert "carhart" in str(found)
    # Of one model it is the one-sided test of the difference, after the other stages.
    one, pair = compare_r2(first, [others["mom"]]), compare_r2(first, others["mom"])
    assert pair.statistic < 0.0
    earlier = pair.stages["p_value"].iloc[:2]
    assert_allclose(one.p_value, max(stats.norm.cdf(pair.statistic), *earlier), rtol=1e-9)
    assert one.pairs.index.to_list() == [1]
    # Nothing is left to test.
    none = compare_r2(first, {"capm": others["capm"]})
    assert np.isnan(none.p_value)


def test_ratios_of_several_models():
    mkt, others = X[["MktRF", "SMB"]], {"mom": X[["MktRF", "Mom"]], "all": X}
    found = compare_sharpe(mkt, others)
    for name, factors in others.items():
        assert_allclose(found.pairs.loc[name, "p_value"], compare_sharpe(mkt, factors).p_value)
    z = compare_sharpe(mkt, others["mom"]).statistic
    assert_allclose(found.p_value, stats.norm.cdf(z), rtol=1e-9)
    assert found.pairs["nested"].to_list() == ["", "larger"]


@pytest.mark.slow
def test_it_rejects_as_often_as_it_says_and_where_one_is_better():
    rng = np.random.default_rng(0)
    rejected = np.zeros(2)
    for _ in range(60):
        factors = rng.normal(0.3, 1.0, (240, 4))
        for i, better in enumerate((0.0, 0.4)):
            shifted = factors + np.array([0.0, 0.0, 0.0, better])
            found = compare_sharpe(shifted[:, :1], {k: shifted[:, [k]] for k in (1, 2, 3)})
            rejected[i] += found.p_value < 0.05
    assert rejected[0] <= 0.1 * 60
    assert rejected[1] >= 0.7 * 60


def test_mistakes_are_told():
    first = _fit("MktRF", "SMB")
    for others, said in (
        ([], "no models to compare"),
        ({"same": _fit("SMB", "MktRF")}, "the same factors twice"),
        ({"a": _fit("MktRF", "HML"), "b": _fit("HML", "MktRF")}, "explain the same"),
        ([_fit("MktRF", "HML", weighting="gls")], "same weighting"),
    ):
        with pytest.raises(ValueError, match=said):
            compare_r2(first, others)
    with pytest.raises(ValueError, match="no models to compare"):
        compare_sharpe(X[["MktRF"]], {})

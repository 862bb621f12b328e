"""Adjusted p-values: against their definitions, and what they count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skfactor.inference import PremiaInference

METHODS = ["bonferroni", "holm", "bh", "by"]


def inference(t, df=np.inf):
    names = ["const", *(f"f{k}" for k in range(1, len(t)))]
    premia = pd.Series(np.asarray(t, dtype=float), names, name="premium")
    return PremiaInference(premia, pd.DataFrame(np.eye(len(t)), names, names), df, "krs")


def rejected_one_by_one(p, method, level):
    """The procedures as their authors describe them: tests in order, one after the other."""
    m, order = len(p), np.argsort(p)
    rejected = np.zeros(m, dtype=bool)
    if method == "bonferroni":
        return p <= level / m
    if method == "holm":
        for step, which in enumerate(order):
            if p[which] > level / (m - step):
                break
            rejected[which] = True
        return rejected
    penalty = sum(1 / i for i in range(1, m + 1)) if method == "by" else 1.0
    for count in range(m, 0, -1):
        if p[order[count - 1]] <= level * count / (m * penalty):
            rejected[order[:count]] = True
            break
    return rejected


@pytest.mark.parametrize("method", METHODS)
def test_rejections_and_hurdles_are_those_of_the_procedure(method):
    rng = np.random.default_rng(0)
    for df in (np.inf, 20.0):
        for level in (0.01, 0.05, 0.2, 0.6):
            found = inference(rng.normal(0.0, 2.0, 12), df)
            p = found.p_values.to_numpy()[1:]
            adjusted = found.adjusted(method, significance=level)
            expected = rejected_one_by_one(p, method, level)
            assert (adjusted.rejected == expected).all()
            assert ((adjusted.t_values.abs() >= adjusted.hurdle_t) == expected).all()
            assert adjusted.tests == list(found.premia.index[1:])
    # Nothing is found, and what it would have taken.
    none = inference([0.0, 0.1, -0.2, 0.3, 0.1]).adjusted("holm")
    assert_allclose(none.hurdle_t, stats.norm.isf(0.05 / 4 / 2))


def test_estimates_without_p_value_stay_and_are_not_counted():
    found = inference([9.0, 2.5, np.nan, 2.1])
    adjusted = found.adjusted("bonferroni")
    assert list(adjusted.p_values.index) == ["f1", "f2", "f3"]
    assert_allclose(adjusted.p_values, [2 * found.p_values["f1"], np.nan, 2 * found.p_values["f3"]])
    assert adjusted.tests == ["f1", "f3"]
    assert not adjusted.rejected["f2"]
    assert "Adjusted over 2 tests: f1, f3; |t| from 2.241 on is significant at 5%" in str(adjusted)
    chosen = found.adjusted("bonferroni", ["const", "f3"])
    assert chosen.tests == ["const", "f3"]


def test_own_degrees_of_freedom_have_own_hurdles():
    t = [0.0, 3.0, 3.0]
    df = pd.Series([9.0, 5.0, 50.0], inference(t).premia.index)
    adjusted = inference(t, df).adjusted("bonferroni")
    assert_allclose(adjusted.hurdle_t, stats.t.isf(0.0125, [5.0, 50.0]))
    assert list(adjusted.rejected) == [False, True]
    assert "|t| from 2.311 to 3.163 on" in str(adjusted)


def test_mistakes():
    found = inference([0.0, 3.0, 1.0])
    for arguments, said in [
        (("fdr",), r"method='fdr' is unknown; it is one of \['bonferroni', 'holm', 'bh', 'by'\]"),
        (("romano-wolf",), r"inference\('bootstrap'\).adjusted\('romano-wolf'\)"),
        ((["holm"],), r"method=\['holm'\] is unknown"),
        (("holm", "size"), r"\['size'\] are unknown"),
    ]:
        with pytest.raises(ValueError, match=said):
            found.adjusted(*arguments)
    with pytest.raises(ValueError, match="has to lie between 0 and 1"):
        found.adjusted(significance=5)
    with pytest.raises(ValueError, match="None of the tests has a p-value"):
        inference([0.0, np.nan]).adjusted()

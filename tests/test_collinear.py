"""Collinear columns in words: each message names them and says what to type."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from reference_premia import characteristics, random_two_pass

from skfactor import FactorBetas, FamaMacBeth, LinearFactorGMM, TradedFactorModel
from skfactor._collinear import describe_collinear
from skfactor._kernels.collinear import find_collinear
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning
from skfactor.inference import grs_test

X, Y = characteristics()
SECTOR = pd.Series(np.resize(list("ABC"), len(X)), X.index, name="sector")
DUMMIES = pd.get_dummies(SECTOR, dtype=float)


def _describe(*columns, fit_intercept=True, **options):
    found = find_collinear(np.array(columns), fit_intercept=fit_intercept)
    return describe_collinear(found, [f"c{k}" for k in range(len(columns))], **options)


def test_each_kind_has_its_words():
    a, b = np.random.default_rng(0).standard_normal((2, 30))
    first, second = np.eye(2)[np.arange(30) % 2].T, np.eye(2)[np.arange(30) // 3 % 2].T
    drop = "combine to a constant, as the dummies of all groups do: drop one of them"
    assert _describe(*first) == f"['c0', 'c1'] {drop} or set fit_intercept=False"
    assert _describe(*first, intercept_is_optional=False) == f"['c0', 'c1'] {drop}"
    # Without the intercept one of two sets would still be too many.
    assert _describe(*first, *second) == f"['c0', 'c1'] {drop}; ['c2', 'c3'] {drop}"
    assert _describe(a, b, a - b) == "['c0', 'c1', 'c2'] are collinear: drop one of them"
    assert _describe(a, 2 * a, 3 * a) == "['c0', 'c1', 'c2'] are collinear: drop 2 of them"
    assert _describe(a, 0 * a + 1) == "['c1'] is constant, as the intercept is"
    assert _describe(a, 0 * a, 0 * a, fit_intercept=False) == "['c1', 'c2'] are zero"
    assert _describe(a, b) == ""
    assert describe_collinear(None, []) == ""


def test_of_many_columns_some_are_named():
    text = _describe(*np.eye(40)[np.arange(80) % 40].T)
    assert "'c11', ...]" in text
    assert "c12" not in text


def test_full_dummies_with_an_intercept_are_named():
    message = (
        r"on \S+ 00:00:00 \['A', 'B', 'C'\] combine to a constant, as the dummies of all groups "
        r"do: drop one of them or set fit_intercept=False"
    )
    full = X.join(DUMMIES)
    with pytest.raises(ValueError, match=message):
        FamaMacBeth().fit(full, Y)
    assert FamaMacBeth(fit_intercept=False).fit(full, Y).lambdas_.notna().all(axis=None)
    assert FamaMacBeth().fit(full.drop(columns="A"), Y).lambdas_.notna().all(axis=None)


def test_columns_that_are_collinear_on_some_dates_are_named_in_the_warning():
    dates = X.index.get_level_values("date")
    days = dates.unique().sort_values()
    name, other = X.columns[:2]
    bad = X.assign(**{other: X[other].where(~dates.isin(days[2:4]), 2.0 * X[name])})
    expected = rf"2 with collinear.*on {days[2]} \['{name}', '{other}'\] are collinear: drop one"
    with pytest.warns(RankDeficientWarning, match=expected):
        FamaMacBeth().fit(bad, Y)
    with pytest.raises(ValueError, match=expected):
        FamaMacBeth(rank_deficient="raise").fit(bad, Y)
    shuffled = bad.sample(frac=1.0, random_state=0)
    with pytest.warns(RankDeficientWarning, match=expected):
        FamaMacBeth().fit(shuffled, Y[shuffled.index])
    with pytest.warns(RankDeficientWarning, match=r"on \S+ \S+ \[0, 1\] are collinear"):
        FamaMacBeth().fit(bad.set_axis(range(X.shape[1]), axis=1), Y)
    dates_of = {"dates": dates}
    with pytest.warns(RankDeficientWarning, match=r"on \S+ \S+ \['x0', 'x1'\] are collinear"):
        FamaMacBeth().fit(bad.to_numpy(), Y.to_numpy(), **dates_of)
    with (
        pytest.warns(NoDatesWarning),
        pytest.warns(RankDeficientWarning, match=r"exposures \(\['x0"),
    ):
        FamaMacBeth().fit(bad[["x0", "x1"]].to_numpy() @ [[1.0, 1.0], [0.0, 0.0]], Y.to_numpy())


def test_parts_keep_what_was_collinear():
    dates = X.index.get_level_values("date")
    days = dates.unique().sort_values()
    bad = X.assign(x1=X["x1"].where(dates != days[6], 2.0 * X["x0"]))
    model = FamaMacBeth()
    parts = [model.read_slopes(bad[part], Y[part]) for part in (dates < days[4], dates >= days[4])]
    with pytest.warns(RankDeficientWarning, match=rf"on {days[6]} \['x0', 'x1'\] are collinear"):
        model.fit_slopes(parts[0] + parts[1])


def test_collinear_factors_are_named_by_every_model_of_them():
    F, R = random_two_pass(np.random.default_rng(0))
    both = F.assign(sum=F["f0"] + F["f1"])
    message = r"\['f0', 'f1', 'sum'\] are collinear: drop one of them"
    for model in (FactorBetas(), FamaMacBeth(), TradedFactorModel(), FactorBetas(window=12)):
        with pytest.raises(ValueError, match=message):
            model.fit(both, R)
    with pytest.raises(ValueError, match=message):
        LinearFactorGMM().fit(both[:59], R.iloc[:59, :4])
    with pytest.raises(ValueError, match=message):
        grs_test(both, R)
    with pytest.raises(ValueError, match=r"\['one'\] is constant, as the intercept is"):
        FactorBetas().fit(F.assign(one=0.1), R)


def test_alike_betas_are_named():
    F, _ = random_two_pass(np.random.default_rng(0))
    betas = np.arange(8.0)[:, None] * [1.0, 2.0] + [0.0, 1.0]
    R = pd.DataFrame(F.to_numpy() @ betas.T, F.index)
    message = r"\['f0', 'f1'\] combine to a constant.*drop one of them or set fit_intercept=False"
    with pytest.raises(ValueError, match=message):
        FamaMacBeth().fit(F, R)
    assert FamaMacBeth(fit_intercept=False).fit(F, R).premia_.notna().all()

"""n_factors on simulated and French returns, and what it refuses."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skfactor.datasets import load_french
from skfactor.decomposition import n_factors

french = load_french()
RETURNS = french.filter(regex="^S[135]").sub(french["RF"], axis=0)


# Rules that choose as many as they may warn.
@pytest.mark.filterwarnings("ignore:ic1, ic2, ic3, pc1, pc2, pc3 choose 8")
def test_rules_on_french_returns_are_those_of_a_second_program():
    # By a separate program, which agrees with the R package intrinsicFRP and statsmodels.
    found = n_factors(RETURNS, random_state=0)
    expected = dict.fromkeys(["ic1", "ic2", "ic3", "pc1", "pc2", "pc3"], 8)
    expected |= {"bic3": 4, "er": 1, "gr": 1, "ed": 4, "gx": 1}
    assert found.selected.drop("abc").to_dict() == expected
    assert list(found.selected.index)[-1] == "abc"
    assert_allclose(
        found.criteria["er"].iloc[:3],
        [0.43925539516367107, 12.551232912939296, 1.2323936600367194],
        rtol=1e-10,
    )
    assert_allclose(
        found.criteria["ic1"].iloc[[0, 8]], [-5.725078371517246, -7.892701219657436], rtol=1e-12
    )
    assert "choose 8, the largest" in found.notes[0]
    assert "er, gr, gx choose 1: the first factor, such as the market, has 79%" in str(found)
    assert found.eigenvalues.index[0] == 1
    assert len(found.eigenvalues) == 18
    assert found.selected.equals(
        n_factors(RETURNS.iloc[:, ::-1], random_state=0).selected
    ) or found.selected.drop("abc").equals(n_factors(RETURNS.iloc[:, ::-1]).selected.drop("abc"))


def test_the_largest_number_is_told():
    with pytest.warns(UserWarning, match=r"ic1, pc1 choose 4, the largest number considered"):
        n_factors(RETURNS, ["ic1", "pc1", "er"], max_factors=4)


def test_standardizing_and_demeaning_act():
    plain = n_factors(RETURNS, "BIC3")
    assert plain.selected.index.tolist() == ["bic3"]
    scaled = n_factors(RETURNS / RETURNS.std(ddof=0), "bic3")
    assert_allclose(
        n_factors(RETURNS, "bic3", standardize=True).criteria, scaled.criteria, rtol=1e-10
    )
    raw = n_factors(RETURNS, "bic3", demean=False)
    assert raw.eigenvalues.sum() == pytest.approx((RETURNS**2).mean().mean())
    assert plain.eigenvalues.sum() == pytest.approx(RETURNS.var(ddof=0).mean())


def test_the_scree_plot_shows_the_rules():
    mpl.use("agg")
    ax = n_factors(RETURNS, ["bic3", "er"]).plot()
    assert {text.get_text() for text in ax.texts} == {"bic3", "er"}
    assert len(ax.lines[0].get_xdata()) == 10
    assert n_factors(RETURNS, ["er"]).plot(ax=ax) is ax


@pytest.mark.parametrize(
    ("returns", "options", "message"),
    [
        (RETURNS.where(RETURNS < 0.2), {}, "missing values.*dropna"),
        (RETURNS, {"methods": "scree"}, r"methods=\['scree'\] has to be among \['ic1'"),
        (RETURNS, {"methods": []}, r"methods=\[\]"),
        (RETURNS, {"max_factors": 0}, "max_factors=0 has to be a whole number"),
        (RETURNS, {"max_factors": 14}, "needs 20 periods and 19 assets .*without 'ed'"),
        (RETURNS.iloc[:8], {"methods": "ic1"}, "needs 10 periods.*found 8 and 18"),
        (RETURNS["S1V1"], {}, r"shape \(819,\)"),
        (RETURNS.assign(S1V1=0.0), {"standardize": True}, "1 columns of returns are constant"),
        (RETURNS.assign(S1V1="a"), {}, "does not hold numbers"),
        (RETURNS, {"demean": "yes"}, "demean='yes' has to be True or False"),
        (pd.concat([RETURNS, RETURNS], axis=1), {}, "occur more than once"),
    ],
)
def test_mistakes_are_told(returns, options, message):
    with pytest.raises(ValueError, match=message):
        n_factors(returns, **options)


def test_a_seed_fixes_the_subsamples():
    noise = np.random.default_rng(0).normal(size=(60, 20)) + RETURNS.to_numpy()[:60, :1] * 20
    found = [n_factors(noise, "abc", random_state=7).selected["abc"] for _ in range(2)]
    assert found[0] == found[1]


def test_one_giant_factor_hides_the_others_until_it_is_taken_off():
    found = n_factors(RETURNS, "gx")
    assert found.selected["gx"] == 1
    assert "'ed' finds 4. To count those beside it" in found.notes[0]
    beside = n_factors(RETURNS.sub(RETURNS.mean(axis=1), axis=0), ["er", "gr", "gx", "ed"])
    assert (beside.selected == 3).all()
    assert beside.notes == ()
    assert n_factors(RETURNS, ["ed", "bic3"]).notes == ()
    assert n_factors(RETURNS.iloc[:, :5], "er", 2).notes == ()  # too few to tell

"""ShrinkageSDFCV against its authors' programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor import ShrinkageSDF, ShrinkageSDFCV
from skfactor.datasets import load_french

DATA = Path(__file__).parents[1] / "data"
AUTHORS = json.loads((DATA / "shrinkage_sdf.json").read_text(encoding="utf-8"))
french = load_french()
RETURNS = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
MARKET = french["MktRF"]


def test_cross_validation_is_that_of_the_authors():
    model = ShrinkageSDFCV(AUTHORS["kappa"], market=MARKET).fit(RETURNS)
    results = model.cv_results_
    assert_allclose(results["penalty"], AUTHORS["penalty"], rtol=1e-10)
    assert_allclose(results["r2_in"], AUTHORS["is_r2"], rtol=1e-9)
    assert_allclose(results["r2_out"], AUTHORS["oos_r2"], rtol=1e-9)
    assert_allclose(results["error"], AUTHORS["oos_se"], rtol=1e-9)
    assert model.kappa_ == AUTHORS["kappa"][int(np.argmax(AUTHORS["oos_r2"]))]
    single = ShrinkageSDF(model.kappa_, market=MARKET).fit(RETURNS)
    assert model.coef_.equals(single.coef_)
    assert model.score(RETURNS) == single.score(RETURNS)
    assert_allclose(model.coef_path([0.3, 1.0]), single.coef_path([0.3, 1.0]))


def test_numbers_of_coefficients_are_tried_too():
    model = ShrinkageSDFCV([0.2, 0.4], n_nonzero=[2, 9, 18], n_folds=4).fit(RETURNS)
    assert model.cv_results_[["kappa", "n_nonzero"]].to_numpy().tolist() == [
        [kappa, number] for kappa in (0.2, 0.4) for number in (2, 9, 18)
    ]
    dense = ShrinkageSDFCV([0.2, 0.4], n_folds=4).fit(RETURNS)
    assert_allclose(model.cv_results_["r2_out"][2::3], dense.cv_results_["r2_out"], rtol=1e-8)
    assert np.count_nonzero(model.coef_) == model.n_nonzero_
    assert dense.n_nonzero_ is None
    assert len(ShrinkageSDFCV().fit(RETURNS).cv_results_) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kappas": [0.1, -1.0]}, "above zero"),
        ({"n_nonzero": [0]}, "whole numbers, 1 or more"),
        ({"n_nonzero": []}, "whole numbers, 1 or more"),
        ({"n_folds": 500}, "two periods a fold"),
    ],
)
def test_mistakes_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        ShrinkageSDFCV(**options).fit(RETURNS)

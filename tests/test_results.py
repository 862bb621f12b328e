"""How results show themselves at a prompt and in a notebook."""

import importlib
import pkgutil
from dataclasses import is_dataclass

import numpy as np
import pandas as pd
import pytest

import skfactor
from skfactor import FactorBetas
from skfactor._results import Result, figure_text, p_value_is, p_value_text
from skfactor.datasets import load_french
from skfactor.metrics import infer_mean
from skfactor.portfolios import attribute, hedge, hold_portfolio
from skfactor.risk import decompose_risk

FACTORS = ["MktRF", "SMB", "HML"]
PUBLIC = {
    getattr(module, name)
    for found in pkgutil.iter_modules(skfactor.__path__)
    if not found.name.startswith("_")
    for module in [importlib.import_module(f"skfactor.{found.name}")]
    for name in getattr(module, "__all__", ())
}


def test_every_result_prints_itself_at_a_prompt():
    results = {each for each in PUBLIC if isinstance(each, type) and is_dataclass(each)}
    assert len(results) > 20
    assert {each.__name__ for each in results if each.__repr__ is not Result.__repr__} == set()


@pytest.fixture(scope="module")
def shown():
    french = load_french()
    factors, returns = french[FACTORS], french[["S1V1", "S5V5"]].sub(french["RF"], axis=0)
    model = FactorBetas().fit(factors, returns)
    held = french.loc["2016":, "NoDur":"Other"]
    return {
        "risk": decompose_risk(pd.Series({"S1V1": 1.0, "S5V5": -1.0}), model),
        "hedge": hedge(factors, returns["S1V1"]),
        "model": model.risk_model(),
        "attribution": attribute(model.betas_.loc["S1V1"], factors, returns["S1V1"]),
        "held": hold_portfolio(held * 0.0 + 1.0 / 12.0, held, costs=0.001),
    }


def test_tables_are_printed_with_the_numbers_of_their_frames(shown):
    lines = repr(shown["risk"]).splitlines()
    row = next(line for line in lines if line.startswith("HML")).split()
    expected = shown["risk"].by_factor.loc["HML"]
    np.testing.assert_allclose([float(cell) for cell in row[1:]], expected, atol=5.1e-5)
    for result in shown.values():
        page = result._repr_html_()
        assert page.count("<table") == page.count("</table>") >= 1
        assert len(repr(result).splitlines()) < 40


def test_of_long_tables_the_first_and_the_last_rows_are_shown(shown):
    text = repr(shown["attribution"])
    assert "1949-01" in text
    assert "2017-03" in text
    assert "1980-01" not in text


def test_what_is_left_of_a_hedge_is_zero_and_not_minus_zero(shown):
    assert "-0.0000 " not in repr(shown["hedge"]).partition("remain")[2]


def test_small_numbers_have_digits():
    assert (figure_text(0.0123456), figure_text(0.0), figure_text(1.2345678e-5)) == (
        "0.0123",
        "0.0000",
        "1.235e-05",
    )
    assert (p_value_text(0.0404), p_value_text(1e-9)) == ("0.0404", "<0.0001")
    assert (p_value_is(0.0404), p_value_is(1e-9)) == ("= 0.0404", "< 0.0001")
    assert (figure_text(np.nan), p_value_text(np.nan)) == ("nan", "nan")
    dm = pd.Series(np.random.default_rng(0).normal(1e-5, 1e-5, 100), name="dm")
    assert repr(infer_mean(dm)).startswith("dm: 1.081e-05 (9.67e-07), t(99) = 11.18, p-value < ")


def test_names_are_escaped_in_html():
    series = pd.Series(np.arange(5.0), name="<b>")
    assert "<b>" not in infer_mean(series)._repr_html_()
    model = FactorBetas().fit(
        *(load_french()[[name]].set_axis(["<b>"], axis=1) for name in ("MktRF", "SMB"))
    )
    assert "<b>" not in model.risk_model()._repr_html_()

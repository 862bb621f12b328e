"""Signs in formulas that would have no effect, and the names that formulas use."""

from __future__ import annotations

import pandas as pd
import pytest

from skfactor._formula_text import needed_names, parse_formula


@pytest.mark.parametrize(
    "formula",
    [
        "NoDur - RF + Chems - RF ~ MktRF",
        "ret - rf ~ beta",
        "ret ~ beta - rf",
        "beta + size - rf",
        "ret ~ a + b - a:b",
        "- rf + beta",
        "(a - rf) + (b - rf) ~ beta",
        "ret ~ size + (beta - rf)",
        "ret ~ size + (a + (beta - rf))",
    ],
)
def test_a_minus_that_removes_nothing_raises(formula):
    removed = "a:b" if ":" in formula else "RF" if "RF" in formula else "rf"
    with pytest.raises(ValueError, match=rf"removes '{removed}', .*I\(\.\.\. - {removed}\)"):
        parse_formula(formula, include_intercept=True)


@pytest.mark.parametrize(
    ("formula", "left"),
    [
        ("I(NoDur - RF) + I(Chems - RF) ~ MktRF", "I(NoDur - RF) + I(Chems - RF)"),
        ("ret ~ a*b - a:b", "ret"),
        ("ret ~ (a + b)**2 - a", "ret"),
        ("ret ~ a*b - b:a", "ret"),
        ("ret ~ a + b - (1)", "ret"),
        ("ret ~ a + b + c - (b + c)", "ret"),
        ("ret ~ (a + b - a)", "ret"),
        ("ret ~ I(1e-3 * a - b)", "ret"),
        ("ret ~ beta - 1", "ret"),
        ("ret ~ beta - 1 + size", "ret"),
        ("`a - b` ~ np.log(x - 1) + x[-1]", "a - b"),
        ("ret ~ C(x, contr.treatment('p - q')) + a - a", "ret"),
    ],
)
def test_other_minuses_are_what_they_are_in_formulas(formula, left):
    found, _ = parse_formula(formula, include_intercept=True)
    assert str(found) == left


@pytest.mark.parametrize("formula", ["ret ~ a - 2", "ret ~ a - 0.5*rf", "ret ~ a +"])
def test_what_cannot_be_read_is_one_error(formula):
    with pytest.raises(ValueError, match=r"cannot be read"):
        parse_formula(formula, include_intercept=True)


def test_a_dot_names_no_columns():
    with pytest.raises(ValueError, match=r"'\.' stands for no columns here"):
        parse_formula("a + b ~ .", include_intercept=True)


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("Q('Mkt-RF') + np.log(size)", {"Mkt-RF", "np", "size"}),
        ("`Mkt-RF` + I(`a b` - c)", {"Mkt-RF", "a b", "c"}),
        ("C(industry) + scale(beta)", {"industry", "beta"}),
    ],
)
def test_names_are_those_of_columns(formula, names):
    _, right = parse_formula(formula, include_intercept=False)
    columns = pd.Index(["Mkt-RF", "size", "a b", "c", "industry", "beta"])
    assert needed_names(right, columns) - {"np"} == names - {"np"}


@pytest.mark.parametrize(
    "formula",
    [
        "(a + b)**20",
        "((a + b)**3)^9",
        "a**(99)",
        "*".join("abcdefghijklmnopqrst"),
        "y ~ (a + b)**20",
    ],
)
def test_a_formula_that_would_take_hours_is_refused_at_once(formula):
    with pytest.raises(ValueError, match="more than 100000 products to write out"):
        parse_formula(formula, include_intercept=True)


def test_powers_of_values_are_no_products_of_names():
    assert parse_formula("I(a**20) + (a + b + c)**3", include_intercept=True)


def test_what_is_no_text_is_no_formula():
    with pytest.raises(ValueError, match="formula=5 has to be text"):
        parse_formula(5, include_intercept=True)

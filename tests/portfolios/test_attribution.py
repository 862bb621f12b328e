"""Attribution against compounding in exact fractions and Carino's formula written out."""

from __future__ import annotations

from fractions import Fraction
from math import log, prod

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal

from skfactor import FactorBetas
from skfactor.datasets import load_french
from skfactor.portfolios import Attribution, attribute

FACTORS = ["MktRF", "SMB", "HML"]


@pytest.fixture
def french():
    french = load_french().loc["1990":]
    return french["BusEq"] - french["RF"], french[FACTORS]


@pytest.fixture
def betas(french):
    returns, factors = french
    return FactorBetas().fit(factors, returns).betas_.iloc[0]


def test_the_specific_part_of_fitted_betas_is_alpha_and_residual(french, betas):
    returns, factors = french
    model = FactorBetas().fit(factors, returns)
    parts = attribute(betas, factors, returns).contributions
    assert_frame_equal(parts[FACTORS], factors * betas)
    expected = model.residuals_.iloc[:, 0] + model.alphas_.iloc[0]
    assert_allclose(parts["specific"], expected, atol=1e-15)


def test_contributions_add_up_on_each_date_and_over_time(french, betas):
    returns, factors = french
    split = attribute(betas, factors, returns)
    assert_series_equal(split.returns, returns)
    size = split.contributions.abs().sum(axis=1)
    assert ((split.contributions.sum(axis=1) - returns).abs() <= 1e-15 * size).all()
    compound, plain = split.linked(), split.linked("sum")
    exact = float(prod(1 + Fraction(r) for r in returns) - 1)
    exact_sum = float(sum(Fraction(r) for r in returns))
    assert compound.iloc[-1].sum() == pytest.approx(exact, rel=1e-13)
    assert plain.iloc[-1].sum() == pytest.approx(exact_sum, rel=1e-13)
    for linked, total in (
        (compound, np.expm1(np.log1p(returns).cumsum())),
        (plain, returns.cumsum()),
    ):
        size = linked.abs().sum(axis=1)
        assert ((linked.sum(axis=1) - total).abs() <= 1e-15 * size).all()


def test_linking_is_carinos_formula_at_every_date(french, betas):
    returns, factors = french
    split = attribute(betas, factors.iloc[:24], returns.iloc[:24])
    linked = split.linked()
    for end in (1, 2, 24):
        r = returns.iloc[:end]
        whole = prod(1.0 + r) - 1.0
        k = [log(1.0 + x) / x for x in r]
        weights = np.array(k) / (log(1.0 + whole) / whole)
        expected = weights @ split.contributions.iloc[:end].to_numpy()
        assert_allclose(linked.iloc[end - 1], expected, rtol=1e-9, atol=1e-13)


def test_first_dates_and_dates_without_a_return_are_plain():
    months = pd.period_range("2024-01", periods=3, freq="M")
    factors = pd.DataFrame({"f": [0.1, 0.05, -0.2]}, months)
    returns = pd.Series([0.0, 0.02, 0.0], months)
    linked = attribute(pd.Series({"f": 1.0}), factors, returns).linked()
    assert linked.iloc[0].tolist() == pytest.approx([0.1, -0.1])
    assert linked.sum(axis=1).tolist() == pytest.approx([0.0, 0.02, 0.02])
    assert np.isfinite(linked).all(axis=None)


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.floats(-0.5, 0.5)] * 3), min_size=1, max_size=20))
def test_any_returns_add_up(rows):
    index = pd.period_range("2000-01", periods=len(rows), freq="M")
    table = pd.DataFrame(rows, index, ["r", "f", "b"])
    split = attribute(table[["b"]].set_axis(["f"], axis=1), table[["f"]], table["r"])
    for linked, total in (
        (split.linked(), (1.0 + table["r"]).prod() - 1.0),
        (split.linked("sum"), table["r"].sum()),
    ):
        scale = 1.0 + linked.iloc[-1].abs().sum()
        assert abs(linked.iloc[-1].sum() - total) <= 1e-14 * scale


def test_exposures_may_change_from_date_to_date(french, betas):
    returns, factors = french
    moving = pd.DataFrame([betas] * len(returns), returns.index)
    moving.iloc[7:] *= 2.0
    parts = attribute(moving, factors, returns).contributions
    assert_frame_equal(parts[FACTORS].iloc[7:], (2.0 * factors * betas).iloc[7:])
    constant = attribute(betas, factors, returns).contributions
    assert_frame_equal(parts.iloc[:7], constant.iloc[:7])


def test_order_of_rows_and_factors_does_not_matter(french, betas):
    returns, factors = french
    expected = attribute(betas, factors, returns)
    order = np.random.default_rng(0).permutation(len(returns))
    found = attribute(betas[::-1], factors.iloc[order].assign(other=1.0), returns.iloc[order])
    assert_frame_equal(found.contributions[expected.contributions.columns], expected.contributions)
    assert_series_equal(found.returns, expected.returns)


def test_the_result_is_frozen(french, betas):
    split = attribute(betas, french[1], french[0])
    assert isinstance(split, Attribution)
    with pytest.raises(AttributeError):
        split.returns = None


MONTHS = pd.period_range("2024-01", periods=3, freq="M")
GOOD = {
    "returns": pd.Series([0.1, 0.0, 0.2], MONTHS),
    "exposures": pd.Series({"f": 1.0}),
    "factor_returns": pd.DataFrame({"f": [0.1, 0.2, 0.3]}, MONTHS),
}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"returns": [0.1, 0.0, 0.2]}, TypeError, r"returns has to be a Series of the portfolio"),
        ({"exposures": {"f": 1.0}}, TypeError, r"exposures has to be a Series by factor, a"),
        ({"factor_returns": GOOD["returns"]}, TypeError, r"factor returns have to be a DataFrame"),
        ({"exposures": pd.Series({"g": 1.0})}, ValueError, r"factors \['g'\] are not among"),
        ({"exposures": pd.Series([1.0, 1.0], ["f", "f"])}, ValueError, r"\['f'\] of exposures occ"),
        ({"exposures": pd.Series({"f": np.nan})}, ValueError, r"exposures has 1 missing values"),
        ({"returns": GOOD["returns"] * np.nan}, ValueError, r"returns has 3 missing values"),
        ({"returns": GOOD["returns"].iloc[:2]}, ValueError, r"returns has 2 rows, the factor"),
        ({"returns": GOOD["returns"].iloc[::-1]}, ValueError, r"have different indexes"),
        (
            {"exposures": GOOD["factor_returns"].iloc[:2]},
            ValueError,
            r"returns has 3 rows, exposures has 2",
        ),
        (
            {
                "exposures": pd.Series({"specific": 1.0}),
                "factor_returns": GOOD["factor_returns"].rename(columns={"f": "specific"}),
            },
            ValueError,
            r"A factor is called 'specific'",
        ),
    ],
)
def test_a_mistake_raises_and_says_what_to_do(changes, error, message):
    with pytest.raises(error, match=message):
        attribute(**(GOOD | changes))


def test_what_cannot_be_linked_raises():
    ruin = attribute(**(GOOD | {"returns": GOOD["returns"] - 1.0}))
    with pytest.raises(ValueError, match=r"A return of -1 cannot be compounded"):
        ruin.linked()
    assert ruin.linked("sum").iloc[-1].sum() == pytest.approx(-2.7)
    with pytest.raises(ValueError, match=r"linking='menchero' has to be 'carino' or 'sum'"):
        ruin.linked("menchero")


def test_risk_beside_returns_and_its_forecasts(french):
    """A portfolio of two assets through two risk models, each for the months after its own."""
    full = load_french().loc["1990":]
    returns = full[["NoDur", "BusEq"]].sub(full["RF"], axis=0)
    factors = french[1]
    cut = [returns.index[59], returns.index[179]]
    models = {date: FactorBetas().fit(factors[:date], returns[:date]).risk_model() for date in cut}
    later = slice(returns.index[60], None)
    weights = pd.DataFrame({"NoDur": 1.0, "BusEq": 0.0}, returns.index).loc[later]
    weights.iloc[::2] = [0.25, 0.75]
    benchmark = pd.Series({"NoDur": 0.5, "BusEq": 0.5})
    split = attribute(models, factors[later], returns[later], weights=weights, benchmark=benchmark)
    active = weights - benchmark
    assert_series_equal(split.returns, (active * returns[later]).sum(axis=1), check_names=False)
    for place, date in ((0, cut[0]), (-1, cut[1])):
        model, held = models[date], active.iloc[place]
        b = model.portfolio_exposures(held)
        assert_allclose(split.contributions.iloc[place][FACTORS], b * factors[later].iloc[place])
        forecast = split.forecasts.iloc[place]
        assert forecast.sum() == pytest.approx(model.volatility(held))
        common = b * (model.factor_covariance @ b) / model.volatility(held)
        assert_allclose(forecast[FACTORS], common)
    risk = split.risk()
    assert risk["contribution"].sum() == pytest.approx(split.returns.std())
    assert risk["share"].sum() == pytest.approx(1.0)
    assert risk["mean"].sum() == pytest.approx(split.returns.mean())
    assert_allclose(risk["volatility"] * risk["correlation"], risk["contribution"])
    assert_allclose(risk["forecast"], split.forecasts.mean())
    own = split.contributions["HML"]
    assert risk.loc["HML", "correlation"] == pytest.approx(own.corr(split.returns))
    assert "forecast" not in attribute(pd.Series(1.0, FACTORS), factors, french[0]).risk()
    with pytest.raises(ValueError, match="60 dates of returns have no model before them"):
        attribute(models, factors, returns, weights=benchmark)
    with pytest.raises(TypeError, match="benchmark= needs returns of assets"):
        attribute(models, factors[later], french[0][later], weights=weights, benchmark=benchmark)
    with pytest.raises(ValueError, match="nothing is there to split"):
        attribute(pd.Series(1.0, FACTORS), factors[:1], french[0][:1]).risk()


def test_factors_that_are_not_there_count_where_something_is_exposed_to_them(french):
    returns, factors = french
    factors = factors.assign(HML=np.nan)
    exposures = pd.Series({"MktRF": 1.0, "SMB": 0.5, "HML": 0.0})
    parts = attribute(exposures, factors, returns).contributions
    assert (parts["HML"] == 0.0).all()
    with pytest.raises(ValueError, match="factor_returns has"):
        attribute(exposures + 0.1, factors, returns)

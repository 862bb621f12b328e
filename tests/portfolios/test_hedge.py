"""Hedges against regressions by statsmodels and loops over windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from statsmodels.regression.rolling import RollingOLS

from skfactor import FactorBetas, FamaMacBeth
from skfactor.datasets import load_french
from skfactor.portfolios import Hedge, hedge

FACTORS = ["MktRF", "SMB", "HML", "Mom"]
DATA = load_french().loc["1980":]
# Factors, and excess returns of industries.
F, R = DATA[FACTORS], DATA.loc[:, "NoDur":"Other"].sub(DATA["RF"], axis=0)


@pytest.fixture
def french():
    return F, R


@pytest.fixture
def weights(french):
    return pd.Series({"BusEq": 1.5, "Utils": -0.8, "Money": 0.4})


def ols(returns, factors):
    return sm.OLS(returns, sm.add_constant(factors), missing="drop").fit()


def assert_table(table, fit, names=FACTORS):
    assert list(table.index) == list(names)
    assert_allclose(table["beta"], fit.params[names], rtol=1e-9, atol=1e-14)
    assert_allclose(table["std_error"], fit.bse[names], rtol=1e-10)
    assert_allclose(table["t_value"], fit.tvalues[names], rtol=1e-9, atol=1e-11)
    assert_allclose(table["p_value"], fit.pvalues[names], rtol=1e-8)


# --- in sample ----------------------------------------------------------------------------------


def test_a_full_hedge_leaves_no_beta_in_sample(french):
    factors, returns = french
    hedged = hedge(factors, returns["BusEq"])
    fit = ols(returns["BusEq"], factors)
    assert_table(hedged.betas, fit)
    assert_allclose(hedged.positions, np.tile(-fit.params[FACTORS], (len(factors), 1)), rtol=1e-10)
    assert_allclose(hedged.returns, fit.resid + fit.params["const"], atol=1e-14)
    assert ols(hedged.returns, factors).params[FACTORS].abs().max() < 1e-12
    assert hedged.remaining["beta"].abs().max() < 1e-12
    assert_allclose(hedged.remaining["std_error"], fit.bse[FACTORS], rtol=1e-10)


def test_what_is_compared_is_mean_volatility_and_fit_before_and_after(french):
    factors, returns = french
    hedged = hedge(factors, returns["BusEq"])
    fit = ols(returns["BusEq"], factors)
    expected = pd.DataFrame(
        {
            "mean": [returns["BusEq"].mean(), fit.params["const"]],
            "volatility": [returns["BusEq"].std(), fit.resid.std()],
            "r2": [fit.rsquared, 0.0],
        },
        index=["unhedged", "hedged"],
    )
    assert_frame_equal(hedged.comparison, expected, rtol=1e-10, atol=1e-14)


def test_chosen_exposures_reach_their_target_and_others_stay(french):
    factors, returns = french
    target = pd.Series({"HML": 0.5, "MktRF": 1.0})
    hedged = hedge(factors, returns["Money"], names=["MktRF", "HML"], target=target)
    before = ols(returns["Money"], factors).params
    after = ols(hedged.returns, factors).params
    assert_allclose(after[["MktRF", "HML"]], [1.0, 0.5], atol=1e-12)
    assert_allclose(after[["SMB", "Mom"]], before[["SMB", "Mom"]], atol=1e-12)
    assert list(hedged.positions.columns) == ["MktRF", "HML"]
    assert_table(hedged.remaining, ols(hedged.returns, factors))
    one = hedge(factors, returns["Money"], names="MktRF", target=1.0)
    assert ols(one.returns, factors).params["MktRF"] == pytest.approx(1.0, abs=1e-12)


def test_weights_of_assets_make_the_portfolio(french, weights):
    factors, returns = french
    hedged = hedge(factors, returns, weights=weights)
    portfolio = returns[weights.index] @ weights
    assert_allclose(hedged.unhedged, portfolio, rtol=1e-13)
    assert_table(hedged.betas, ols(portfolio, factors))
    model = FamaMacBeth().fit(factors, returns)
    assert_frame_equal(hedged.betas, model.portfolio_betas(weights), rtol=1e-9)
    assert hedged.remaining["beta"].abs().max() < 1e-12


def test_weights_may_change_from_date_to_date(french, weights):
    factors, returns = french
    moving = pd.DataFrame([weights] * len(returns), returns.index)
    moving.iloc[100:] *= 0.5
    hedged = hedge(factors, returns, weights=moving)
    portfolio = (returns[weights.index] * moving).sum(axis=1)
    assert_allclose(hedged.unhedged, portfolio, rtol=1e-12)
    assert_table(hedged.betas, ols(portfolio, factors))


def test_dates_without_a_return_of_a_held_asset_are_left_out(french, weights):
    factors, returns = french
    returns = returns.copy()
    returns.iloc[5, returns.columns.get_loc("BusEq")] = np.nan
    returns.iloc[9, returns.columns.get_loc("Hlth")] = np.nan  # not held
    hedged = hedge(factors, returns, weights=weights)
    assert hedged.returns.isna().to_numpy().nonzero()[0].tolist() == [5]
    portfolio = returns[weights.index].mul(weights).sum(axis=1, skipna=False)
    assert_table(hedged.betas, ols(portfolio, factors))
    assert hedged.remaining["beta"].abs().max() < 1e-12


def test_betas_say_how_exposures_are_estimated(french):
    factors, returns = french
    hedged = hedge(factors, returns["Money"], betas=FactorBetas(fit_intercept=False))
    fit = sm.OLS(returns["Money"], factors).fit()
    assert_table(hedged.betas, fit)
    assert hedged.remaining["beta"].abs().max() < 1e-12
    assert sm.OLS(hedged.returns, factors).fit().params.abs().max() < 1e-12


class LaterBetas(FactorBetas):
    """Betas of the first 100 dates, known from the 101st on."""

    def fit(self, X, y, dates=None, assets=None):
        return super().fit(X.iloc[:100], y.iloc[:100], dates, assets)

    def transform(self, X, dates=None, assets=None):
        betas = super().transform(X, dates, assets)
        betas.iloc[:100] = np.nan
        return betas


def test_exposures_are_those_that_the_first_pass_gives_to_each_date(french):
    factors, returns = french
    hedged = hedge(factors, returns["Money"], betas=LaterBetas())
    early = ols(returns["Money"].iloc[:100], factors.iloc[:100]).params[FACTORS]
    assert hedged.positions.iloc[:100].isna().all(axis=None)
    assert_allclose(hedged.positions.iloc[100:], np.tile(-early, (347, 1)), rtol=1e-10)
    known = slice(100, None)
    assert_table(hedged.betas, ols(returns["Money"].iloc[known], factors.iloc[known]))
    assert_table(hedged.remaining, ols(hedged.returns.iloc[known], factors.iloc[known]))


def test_rows_without_dates_are_hedged_as_they_come(french):
    factors, returns = (frame.reset_index(drop=True) for frame in french)
    hedged = hedge(factors, returns["Money"])
    assert_allclose(hedged.returns, hedge(F, R["Money"]).returns, rtol=1e-10, atol=1e-15)


def test_order_of_rows_and_of_weights_does_not_matter(french, weights):
    factors, returns = french
    expected = hedge(factors, returns, weights=weights)
    order = np.random.default_rng(0).permutation(len(returns))
    found = hedge(factors.iloc[order], returns.iloc[order], weights=weights[::-1])
    assert_series_equal(found.returns, expected.returns, rtol=1e-10, atol=1e-15)
    assert_frame_equal(found.remaining[["std_error"]], expected.remaining[["std_error"]])
    assert_index_equal(found.positions.index, returns.index)


# --- exposures that are known -------------------------------------------------------------------


def test_rolling_exposures_hedge_the_next_dates(french):
    factors, returns = french
    window, lag = 36, 1
    rolling = RollingOLS(returns["BusEq"], sm.add_constant(factors), window=window).fit().params
    hedged = hedge(factors, returns["BusEq"], betas=rolling.shift(lag))
    for t in (window, 100, len(factors) - 1):
        past = slice(t - window, t)
        fit = ols(returns["BusEq"].iloc[past], factors.iloc[past])
        assert_allclose(hedged.positions.iloc[t], -fit.params[FACTORS], rtol=1e-6)
        expected = returns["BusEq"].iloc[t] - fit.params[FACTORS] @ factors.iloc[t]
        assert hedged.returns.iloc[t] == pytest.approx(expected, rel=1e-6)
    assert hedged.returns.isna().to_numpy().nonzero()[0].tolist() == list(range(window))
    known = slice(window, None)
    assert_table(hedged.betas, ols(returns["BusEq"].iloc[known], factors.iloc[known]))
    assert_table(hedged.remaining, ols(hedged.returns.iloc[known], factors.iloc[known]))
    comparison = hedged.comparison
    assert comparison.loc["unhedged", "volatility"] == returns["BusEq"].iloc[known].std()
    assert comparison.loc["hedged", "volatility"] == hedged.returns.std()


def test_rolling_betas_are_those_known_the_month_before(french):
    factors, returns = french
    rolling = RollingOLS(returns["BusEq"], sm.add_constant(factors), window=36).fit().params
    hedged = hedge(factors, returns["BusEq"], betas=FactorBetas(window=36, lag=2))
    expected = hedge(factors, returns["BusEq"], betas=rolling.shift(2))
    assert_frame_equal(hedged.positions, expected.positions, check_freq=False, rtol=1e-8)
    assert_frame_equal(hedged.comparison, expected.comparison, rtol=1e-8)


def test_constant_exposures_are_used_as_they_are(french):
    factors, returns = french
    betas = pd.Series({"HML": 0.1, "MktRF": 1.0, "Mom": 0.0, "SMB": -0.2})
    hedged = hedge(factors, returns["Money"], betas=betas)
    assert_allclose(hedged.returns, returns["Money"] - factors @ betas[FACTORS], atol=1e-15)
    order = np.random.default_rng(0).permutation(len(returns))
    moving = pd.DataFrame([betas] * len(returns), returns.index).mul(
        np.arange(len(returns)), axis=0
    )
    one = hedge(factors, returns["Money"], betas=moving)
    two = hedge(factors.iloc[order], returns["Money"].iloc[order], betas=moving.iloc[order])
    assert_series_equal(two.returns, one.returns)


def test_the_result_is_frozen(french):
    factors, returns = french
    hedged = hedge(factors, returns["Money"])
    assert isinstance(hedged, Hedge)
    with pytest.raises(AttributeError):
        hedged.returns = None


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"factors": F.to_numpy()}, TypeError, r"factors has to be a DataFrame"),
        ({"returns": R}, TypeError, r"returns has to be a Series of .* weights= by"),
        ({"returns": R["Money"].to_numpy()}, TypeError, r"found ndarray and NoneTyp"),
        (
            {"weights": pd.Series({"Money": 1.0})},
            TypeError,
            r"found Series and Series",
        ),
        (
            {"returns": R, "weights": pd.Series({"IBM": 1.0})},
            ValueError,
            r"assets \['IBM'\] of the weights are not in returns",
        ),
        (
            {"returns": R, "weights": pd.Series({"Money": np.nan})},
            ValueError,
            r"weights holds NaN\. Pass 0 for no position",
        ),
        (
            {"returns": R, "weights": R.iloc[:3]},
            ValueError,
            r"returns has 447 rows, weights has 3",
        ),
        ({"returns": R["Money"].iloc[1:]}, ValueError, r"returns has 446 rows, the"),
        ({"returns": R["Money"].iloc[::-1]}, ValueError, r"different indexes: row 0"),
        ({"names": ["Size"]}, ValueError, r"factors \['Size'\] cannot be hedged; the"),
        ({"names": []}, ValueError, r"cannot be hedged"),
        (
            {"target": pd.Series({"HML": 0.0})},
            ValueError,
            r"target has factors \['HML'\], hedged are",
        ),
        ({"target": np.nan}, ValueError, r"target holds NaN or infinite"),
        (
            {"betas": pd.Series({"HML": 0.0})},
            ValueError,
            r"betas has no exposures to the factors \['MktRF', 'SMB', 'Mom'\]",
        ),
        ({"betas": F.iloc[:9]}, ValueError, r"returns has 447 rows, betas has 9"),
        ({"betas": F * np.nan}, ValueError, r"No date has a return, factor returns"),
        ({"returns": R["Money"] * np.inf}, ValueError, r"returns holds 447 infinite"),
    ],
)
def test_a_mistake_raises_and_says_what_to_do(changes, error, message):
    with pytest.raises(error, match=message):
        hedge(**({"returns": R["Money"], "factors": F} | changes))

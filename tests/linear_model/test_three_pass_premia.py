"""ThreePassPremia on French returns: its numbers by hand, its forms, and mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal

from skfactor import FamaMacBeth, ThreePassPremia
from skfactor.datasets import load_french
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference import PremiaCovariance, register_covariance
from skfactor.summary import premia_table

french = load_french()
RETURNS = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
FACTORS = french[["MktRF", "SMB", "HML", "Mom"]]


@pytest.fixture(scope="module")
def model():
    return ThreePassPremia(5).fit(FACTORS, RETURNS)


def test_numbers_are_those_of_the_three_regressions(model):
    r, g = RETURNS.to_numpy(), FACTORS.to_numpy()
    t = len(r)
    u, s, vt = np.linalg.svd(r - r.mean(axis=0), full_matrices=False)
    v, beta = np.sqrt(t) * u[:, :5], vt[:5].T * s[:5] / np.sqrt(t)
    gamma = np.linalg.lstsq(beta, r.mean(axis=0), rcond=None)[0]
    eta = (g - g.mean(axis=0)).T @ v / t
    assert_allclose(model.premia_, eta @ gamma, rtol=1e-10)
    w = g - g.mean(axis=0) - v @ eta.T
    h = v @ eta.T + w * (v @ gamma)[:, None]
    plain = model.inference(debiased=False)
    assert_allclose(plain.cov, h.T @ h / t**2, rtol=1e-10, atol=1e-18)
    assert_allclose(model.inference().cov, h.T @ h / t / (t - 6), rtol=1e-10, atol=1e-18)
    lagged = model.inference(kernel="bartlett", bandwidth=2, debiased=False)
    series = h.T @ h
    for lag in (1, 2):
        product = h[lag:].T @ h[:-lag]
        series = series + (1 - lag / 3) * (product + product.T)
    assert_allclose(lagged.cov, series / t**2, rtol=1e-10, atol=1e-18)
    assert_allclose(model.r2_, 1.0 - w.var(axis=0) / g.var(axis=0), rtol=1e-10)
    assert_allclose(model.expected_returns_, beta @ gamma, rtol=1e-10)
    assert_allclose(model.pricing_errors_, r.mean(axis=0) - beta @ gamma, atol=1e-14)
    q = w[:, :1] * v
    wald = t * eta[0] @ np.linalg.solve(q.T @ q / t, eta[0])
    strength = model.strength_test()
    assert strength.loc["MktRF", "statistic"] == pytest.approx(wald)
    assert (strength["df"] == 5).all()
    assert model.strength_test(kernel="bartlett").loc["MktRF", "statistic"] < 2.0 * wald


def test_portfolios_mimic_the_factors(model):
    returns = RETURNS @ model.mimicking_weights_
    assert_allclose(returns.mean(), model.premia_, rtol=1e-10)
    assert_allclose(model.lambdas_, returns, atol=1e-14)
    for name in FACTORS:
        correlation = np.corrcoef(returns[name], FACTORS[name])[0, 1]
        assert correlation**2 == pytest.approx(model.r2_[name])


def test_premia_do_not_depend_on_which_other_factors_are_observed(model):
    alone = ThreePassPremia(5).fit(FACTORS[["Mom"]], RETURNS)
    assert_allclose(alone.premia_, model.premia_[["Mom"]], rtol=1e-12)
    noise = np.random.default_rng(0).normal(size=(len(FACTORS), 1))
    found = ThreePassPremia(5).fit(noise, RETURNS.to_numpy())
    assert abs(found.inference().t_values["x0"]) < 2.0
    assert found.strength_test().loc["x0", "p_value"] > 0.05
    assert model.strength_test()["p_value"].max() < 1e-10


def test_the_zero_beta_rate_is_estimated_beside():
    model = ThreePassPremia(5, fit_intercept=True).fit(FACTORS, RETURNS)
    x = np.column_stack([np.ones(18), model.loadings_])
    expected = np.linalg.lstsq(x, RETURNS.mean(), rcond=None)[0]
    assert model.premia_["const"] == pytest.approx(expected[0])
    assert_allclose(model.factor_premia_, expected[1:], rtol=1e-9)
    assert list(model.inference().to_frame().index) == ["const", *FACTORS]
    assert model.inference().std_errors["const"] > 0.0
    assert_allclose(model.lambdas_.mean(), model.premia_, rtol=1e-9)
    assert model.score(FACTORS, RETURNS) > ThreePassPremia(5).fit(FACTORS, RETURNS).score(
        FACTORS, RETURNS
    )


def test_order_of_rows_columns_and_kind_of_data_do_not_matter(model):
    order = np.random.default_rng(0).permutation(len(RETURNS))
    other = ThreePassPremia(5).fit(FACTORS.iloc[order], RETURNS.iloc[order, ::-1])
    assert_allclose(other.premia_, model.premia_, rtol=1e-10)
    errors = {"kernel": "bartlett", "bandwidth": 6}
    assert_allclose(
        other.inference(**errors).cov, model.inference(**errors).cov, rtol=1e-8, atol=1e-18
    )
    arrays = ThreePassPremia(5).fit(FACTORS.to_numpy(), RETURNS.to_numpy())
    assert_allclose(arrays.premia_, model.premia_, rtol=1e-12)
    dated = ThreePassPremia(5).fit(FACTORS.to_numpy(), RETURNS.to_numpy(), dates=RETURNS.index)
    assert dated.dates_.equals(model.dates_)


def test_missing_returns_and_factors_use_what_there_is(model):
    rng = np.random.default_rng(0)
    factors, returns = FACTORS.copy(), RETURNS.mask(rng.random(RETURNS.shape) < 0.1)
    factors.iloc[:100, 3] = np.nan
    for missing in ("pairwise", "em"):
        found = ThreePassPremia(5, missing=missing).fit(factors, returns)
        inference = found.inference()
        assert_allclose(found.premia_, model.premia_, atol=0.5 * inference.std_errors.max())
        assert_allclose(inference.std_errors[:3], model.inference().std_errors[:3], rtol=0.2)
        assert "Returns are missing" in str(found.summary())
        assert found.cross_sections_["n_assets"].mean() < 17.0
    complete = ThreePassPremia(5, missing="em").fit(FACTORS, RETURNS)
    assert_allclose(complete.premia_, model.premia_, rtol=1e-10)
    assert "missing" not in str(complete.summary())
    # A later start of one factor does not touch the premia of others.
    late = ThreePassPremia(5, missing="em").fit(factors, RETURNS)
    assert_allclose(late.premia_[:3], model.premia_[:3], rtol=1e-10)
    assert late.inference().std_errors["Mom"] != model.inference().std_errors["Mom"]


def test_assets_with_too_few_returns_are_told():
    returns = RETURNS.copy()
    returns.iloc[4:, 2] = np.nan
    with pytest.warns(RankDeficientWarning, match="1 of 18 assets have too few returns for 5"):
        found = ThreePassPremia(5, missing="pairwise").fit(FACTORS, returns)
    assert np.isnan(found.expected_returns_.iloc[2])
    assert found.premia_.notna().all()


def test_supervised_components_of_all_assets_are_those_without_supervision(model):
    for n in (18, 0.999):
        found = ThreePassPremia(5, supervised=n).fit(FACTORS[["Mom"]], RETURNS)
        assert_allclose(found.premia_, model.premia_[["Mom"]], rtol=1e-9)
        assert_allclose(
            found.inference().std_errors, model.inference().std_errors[["Mom"]], rtol=1e-9
        )
    found = ThreePassPremia(5, supervised=9).fit(FACTORS[["Mom"]], RETURNS)
    half = ThreePassPremia(5, supervised=0.5).fit(FACTORS[["Mom"]], RETURNS)
    assert_series_equal(found.premia_, half.premia_)
    assert_allclose((RETURNS @ found.mimicking_weights_).mean(), found.premia_, rtol=1e-9)
    assert "biased towards zero" in str(found.summary()).replace("\n", " ")


def test_it_predicts_scores_and_is_shown_beside_others(model):
    assert_allclose(model.predict(FACTORS[:3]), np.tile(model.expected_returns_, (3, 1)))
    errors = model.pricing_errors_
    centred = RETURNS.mean() - RETURNS.mean().mean()
    assert model.score(FACTORS, RETURNS) == pytest.approx(
        1 - (errors**2).sum() / (centred**2).sum()
    )
    table = premia_table([model, FamaMacBeth().fit(FACTORS, RETURNS)])
    assert table.loc[("Standard errors", "")].tolist() == ["giglio-xiu", "krs"]
    text = str(model.summary(kernel="bartlett"))
    assert "wide, three-pass" in text
    assert "Latent factors:" in text
    assert_frame_equal(ThreePassPremia("ED").fit(FACTORS, RETURNS).eta_, _fit("ed").eta_)


def _fit(rule):
    return ThreePassPremia(rule).fit(FACTORS, RETURNS)


def test_its_errors_are_of_its_own_kind(model):
    for kind, message in (
        ("krs", "exposures are given"),
        ("fama-macbeth", "takes exposures or portfolios as known"),
    ):
        with pytest.raises(ValueError, match=message):
            model.inference(kind)
    with pytest.raises(ValueError, match="is for ThreePassPremia"):
        FamaMacBeth().fit(FACTORS, RETURNS).inference("giglio-xiu")


@pytest.mark.parametrize(
    ("options", "factors", "returns", "message"),
    [
        ({}, FACTORS.mask(FACTORS > 0.1), RETURNS, "X contains NaN in .* missing='pairwise'"),
        ({}, FACTORS, RETURNS.mask(RETURNS > 0.1), "y contains NaN in"),
        ({}, FACTORS.assign(one=1.0), RETURNS, r"\['one'\] of X do not vary"),
        ({"fit_intercept": True}, FACTORS.assign(const=RETURNS["S1V1"]), RETURNS, "'const'"),
        ({}, FACTORS, RETURNS["S1V1"], "time series of one asset"),
        ({"n_components": 12}, FACTORS[:13], RETURNS[:13], "at least 14 periods; found 13"),
        ({"supervised": 1}, RETURNS[["S1V1"]], RETURNS, "fewer than 3 latent .* left after"),
        ({"supervised": 9, "fit_intercept": True}, FACTORS, RETURNS, "does not go with fit_int"),
        (
            {"supervised": 9, "missing": "em"},
            FACTORS,
            RETURNS.mask(RETURNS > 0.1),
            "does not go with NaN",
        ),
        ({"missing": "project"}, FACTORS, RETURNS.mask(RETURNS > 0.1), "of which y has 0"),
        ({}, FACTORS, RETURNS.assign(S1V1="text"), "y does not hold numbers"),
        ({}, FACTORS, RETURNS.set_axis([*RETURNS.columns[:-1], "S1V1"], axis=1), "more than once"),
    ],
)
def test_mistakes_are_told(options, factors, returns, message):
    with pytest.raises(ValueError, match=message):
        ThreePassPremia(**{"n_components": 3, **options}).fit(factors, returns)


def test_panels_are_refused():
    stacked = RETURNS.stack()
    factors = FACTORS.loc[stacked.index.get_level_values(0)].set_axis(stacked.index)
    with pytest.raises(ValueError, match=r"returns\.unstack\(\)"):
        ThreePassPremia(3).fit(factors, stacked)


def test_registered_kinds_of_errors_get_the_record(model):
    class Doubled(PremiaCovariance):
        name = "doubled three passes"

        def compute(self, record, long_run, debiased):
            h = record.slope_influence
            return 4.0 * h.T @ h / len(h) ** 2, 0.0, np.inf

    register_covariance(Doubled())
    found = model.inference("doubled three passes").std_errors
    assert_allclose(found, 2.0 * model.inference(debiased=False).std_errors)


def test_the_default_tells_where_one_factor_hides_the_others():
    with pytest.warns(UserWarning, match="'gx' finds 1 factor.*'ed' finds 4"):
        assert ThreePassPremia().fit(FACTORS, RETURNS).n_components_ == 1

"""InstrumentedPCA against the authors' program, least squares by date, and in parts."""

from __future__ import annotations

import json
import pickle
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from skfactor import FactorRanker, FamaMacBeth, InstrumentedPCA
from skfactor.datasets import iter_parquet
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning
from skfactor.risk import decompose_risk

DATA = Path(__file__).parents[1] / "data"
ROWS = pd.read_csv(DATA / "ipca_panel.csv.gz", index_col=["date", "asset"])
X, Y = ROWS.drop(columns=["r", "z6"]), ROWS["r"]  # z6 is the constant
DATES = X.index.get_level_values("date")
AUTHORS = json.loads((DATA / "ipca_restricted.json").read_text(encoding="utf-8"))
OBSERVED = pd.DataFrame(
    np.random.default_rng(3).normal(size=(70, 2)), range(-5, 65), columns=["oil", "rate"]
)


@pytest.fixture(scope="module")
def full():
    """With alphas and observed factors."""
    return InstrumentedPCA(2, fit_alpha=True).fit(X, Y, factors=OBSERVED)


def fitted_values(model, x=X, observed=None):
    z = np.column_stack([x, np.ones(len(x))])
    places = model.dates_.get_indexer(x.index.get_level_values("date"))
    paths = model.factors_.to_numpy() @ model.gamma_.to_numpy().T + model.gamma_alpha_.to_numpy()
    if observed is not None:
        paths = paths + observed.loc[model.dates_].to_numpy() @ model.gamma_observed_.to_numpy().T
    return np.sum(z * paths[places], axis=1)


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("add_constant", [True, False])
def test_numbers_are_those_of_the_authors_program(add_constant):
    x = X if add_constant else ROWS.drop(columns="r")
    model = InstrumentedPCA(3, add_constant=add_constant).fit(x, Y)
    assert model.converged_
    assert_allclose(model.gamma_, np.array(AUTHORS["Gamma"]), atol=1e-9)
    assert_allclose(model.factors_.iloc[:3], np.array(AUTHORS["F_first3"]), atol=1e-9)
    assert_allclose(model.premia_, AUTHORS["mean_F"], atol=1e-10)
    assert_allclose((model.factors_**2).mean(), AUTHORS["second_moment"], rtol=1e-10)
    names = [["total", "total_x"], ["predictive", "predictive_x"]]
    assert_allclose(model.r2_, [[AUTHORS["r2"][n] for n in row] for row in names], rtol=1e-9)


def test_numbers_are_those_that_are_known_of_grunfeld_firms():
    data = sm.datasets.grunfeld.load_pandas().data.set_index(["year", "firm"])
    model = InstrumentedPCA(1, add_constant=False).fit(data[["value", "capital"]], data["invest"])
    assert_allclose(model.gamma_["instrumentedpca0"], [0.99166020, 0.12887994], atol=6e-9)
    assert model.r2_.loc["total", "assets"] == pytest.approx(0.90014511, abs=6e-9)
    rest = data["invest"] - model.predict(data[["value", "capital"]])
    predictive = 1.0 - (rest @ rest) / (data["invest"] @ data["invest"])
    assert model.r2_.loc["predictive", "assets"] == pytest.approx(predictive)
    # At the optimum; 0.82342340, which circulates, is that of programs that stop at the third
    # digit of the coefficients, which the total does not show.
    assert predictive == pytest.approx(0.82340290, abs=6e-9)


# By ipca 0.6.7 to a change of 1e-14: coefficients, factors of two dates, and coefficients of alphas
# of a second fit with them.
PEER = {
    "balanced": (
        [[0.7057211299482782, -0.4512395351918745], [-0.6540793940850802, -0.3283390321961273],
         [-0.013711287361946475, -0.7555036786264869], [0.27193718682206336, 0.34320628403072323]],
        [[-0.07803773198387566, 0.25069521970188113], [4.819361845458278, 0.8292893906714062]],
        [-0.021145256586935963, -0.020458686518026212, 0.024649857873461987, 0.007514775876292237],
    ),
    "unbalanced": (
        [[0.6996037966584365, -0.45665168293174263], [-0.6446180942235984, -0.2891717733241649],
         [-0.03142447535176222, -0.7623920714729511], [0.30665052201081183, 0.355819132907926]],
        [[-0.005972025076282692, 0.2510409058041199], [4.848974622898726, 0.7818609234300701]],
        [-0.012984708224682114, -0.03411387044522942, 0.0008813357505472975, -0.041039339929355274],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PEER)
def test_numbers_are_those_of_another_program(kind):
    rng = np.random.default_rng(26)
    index = pd.MultiIndex.from_product([range(40), range(20)], names=["date", "asset"])
    z, f = rng.random((800, 4)) - 0.5, rng.normal(0.2, 1.0, (40, 2))
    r = np.sum((z @ rng.normal(size=(4, 2))) * f[index.codes[0]], axis=1)
    r += 0.3 * rng.normal(size=800)
    kept = slice(None) if kind == "balanced" else np.arange(800) % 7 % 3 != 0
    x, y = pd.DataFrame(z, index)[kept], pd.Series(r, index)[kept]
    gamma, factors, alpha = PEER[kind]
    model = InstrumentedPCA(2, add_constant=False).fit(x, y)
    assert_allclose(model.gamma_, gamma, atol=1e-10)
    assert_allclose(model.factors_.iloc[:2], factors, atol=1e-10)
    found = InstrumentedPCA(2, add_constant=False, fit_alpha=True).fit(x, y).gamma_alpha_
    assert_allclose(found, alpha, atol=1e-10)


def test_alphas_and_observed_factors_are_those_of_regressions_by_turns(full):
    # Of factors on exposures, date by date, and of returns on all z times factors.
    z = [np.column_stack([each, np.ones(len(each))]) for _, each in X.groupby("date")]
    moments = np.array([each.T @ each for each in z])
    products = np.array([a.T @ b for a, (_, b) in zip(z, Y.groupby("date"), strict=True)])
    given = np.column_stack([np.ones(60), OBSERVED.loc[full.dates_]])
    both = np.hstack([np.eye(6)[:, :2], np.zeros((6, 3))])
    for _ in range(150):
        b, d = both[:, :2], both[:, 2:]
        rest = products - np.einsum("tlm,tm->tl", moments, given @ d.T)
        f = np.linalg.solve(b.T @ moments @ b, (rest @ b)[..., None])[..., 0]
        h = np.hstack([f, given])
        gram = np.einsum("tlm,tj,tk->ljmk", moments, h, h).reshape(30, 30)
        both = np.linalg.solve(gram, (products.T @ h).ravel()).reshape(6, 5)
    b, d = both[:, :2], both[:, 2:]
    shared = np.linalg.lstsq(b, d, rcond=None)[0]
    u, s, vt = np.linalg.svd((f + given @ shared.T) @ b.T, full_matrices=False)
    f, b, d = u[:, :2] * s[:2], vt[:2].T, d - b @ shared
    signs = np.sign(f.mean(axis=0))
    assert_allclose(full.gamma_, b * signs, atol=1e-9)
    assert_allclose(full.factors_, f * signs, atol=1e-9)
    assert_allclose(full.gamma_alpha_, d[:, 0], atol=1e-9)
    assert_allclose(full.gamma_observed_, d[:, 1:], atol=1e-9)


def test_r2_and_residuals_are_those_of_the_rows(full):
    rest = Y - fitted_values(full, observed=OBSERVED)
    assert full.r2_.loc["total", "assets"] == pytest.approx(1 - (rest**2).sum() / (Y**2).sum())
    by_asset = (rest**2).groupby(level="asset").agg(["mean", "size"])
    assert_allclose(full.specific_variances_, by_asset, rtol=1e-9)
    gammas = full.gamma_.to_numpy()
    assert_allclose(gammas.T @ full.gamma_alpha_.to_numpy(), 0.0, atol=1e-12)
    assert_allclose(gammas.T @ full.gamma_observed_.to_numpy(), 0.0, atol=1e-12)


def test_no_small_change_fits_better(full):
    # First-order conditions: no regression of the residuals on z times a factor is left.
    rest = (Y - fitted_values(full, observed=OBSERVED)).to_numpy()
    z = np.column_stack([X, np.ones(len(X))])
    places = full.dates_.get_indexer(DATES)
    h = np.column_stack([full.factors_, np.ones(60), OBSERVED.loc[full.dates_]])[places]
    slopes = (z * rest[:, None]).T @ h
    assert np.abs(slopes).max() < 1e-9 * np.abs((z * Y.to_numpy()[:, None]).T @ h).max()


def test_factors_are_slopes_of_returns_on_exposures():
    model = InstrumentedPCA(3).fit(X, Y)
    exposures = model.transform(X)
    assert isinstance(exposures, pd.DataFrame)
    slopes = FamaMacBeth(fit_intercept=False).fit(exposures, Y)
    assert_allclose(slopes.lambdas_, model.factors_, atol=1e-12)
    assert_allclose(slopes.premia_, model.premia_, atol=1e-13)
    portfolios = model.slope_portfolios(X)
    returns = portfolios.mul(Y, axis=0).groupby(level="date").sum()
    assert_allclose(returns, model.factors_, atol=1e-12)
    for date in (1, 60):
        ours, theirs = portfolios.loc[date].to_numpy(), exposures.loc[date].to_numpy()
        assert_allclose(ours.T @ theirs, np.eye(3), atol=1e-11)
    assert_allclose(model.predict(X), exposures @ model.premia_, atol=1e-13)


def test_as_many_factors_as_characteristics_are_least_squares_by_date():
    x, y = X[["z1", "z2"]], Y
    model = InstrumentedPCA(3).fit(x, y)
    slopes = FamaMacBeth().fit(x, y).lambdas_[["z1", "z2", "const"]]
    assert_allclose(model.factors_.to_numpy() @ model.gamma_.to_numpy().T, slopes, atol=1e-11)


def test_one_cross_section_is_least_squares():
    with pytest.warns(NoDatesWarning, match="one cross-section"):
        model = InstrumentedPCA().fit(X.to_numpy(), Y.to_numpy())
    z = np.column_stack([X, np.ones(len(X))])
    expected = z @ np.linalg.lstsq(z, Y, rcond=None)[0]
    assert_allclose(model.predict(X.to_numpy()), expected, atol=1e-12)
    assert not hasattr(model, "feature_names_in_")


# --- laws ---------------------------------------------------------------------------------------


def test_calls_of_partial_fit_are_one_fit(full):
    model = InstrumentedPCA(2, fit_alpha=True)
    for part in (DATES > 40, DATES < 20, (DATES >= 20) & (DATES <= 40)):
        model.partial_fit(X[part], Y[part], factors=OBSERVED)
    assert_allclose(model.gamma_, full.gamma_, atol=1e-9)
    assert_allclose(model.gamma_observed_, full.gamma_observed_, atol=1e-9)
    assert_frame_equal(model.factors_, full.factors_, atol=1e-9)
    assert model.premia_.index.equals(full.premia_.index)
    with pytest.raises(ValueError, match="partial_fit"):
        model.risk_model(X.loc[[60]])
    with pytest.raises(ValueError, match="1 of these 1 dates were there before"):
        model.partial_fit(X[DATES == 3], Y[DATES == 3], factors=OBSERVED)
    with pytest.raises(ValueError, match=r"had the factors \['oil', 'rate'\]"):
        model.partial_fit(X[DATES == 3].rename({3: 99}), Y[DATES == 3].rename({3: 99}))


def test_sums_of_parts_are_one_fit(full, tmp_path):
    model = InstrumentedPCA(2, fit_alpha=True)
    parts = [(X[part], Y[part]) for part in (DATES > 40, DATES < 20, (DATES >= 20) & (DATES <= 40))]
    read = [pickle.loads(pickle.dumps(model.read_sums(*part, factors=OBSERVED))) for part in parts]
    assert not hasattr(model, "n_features_in_")
    joined = model.fit_sums(read[0] + read[1] + read[2])
    assert_allclose(joined.gamma_, full.gamma_, atol=1e-10)
    assert_frame_equal(joined.factors_, full.factors_, atol=1e-10)
    assert_allclose(joined.predict(X), full.predict(X), atol=1e-12)
    with pytest.raises(ValueError, match="fit with rows"):
        joined.risk_model(X.loc[[60]])
    with pytest.raises(ValueError, match="20 of these 20 dates were there before"):
        read[0] + read[0]
    with pytest.raises(ValueError, match="of different models"):
        read[0] + model.read_sums(parts[1][0][["z1"]], parts[1][1], factors=OBSERVED)
    with pytest.raises(TypeError, match="read_sums"):
        model.fit_sums(X)
    with pytest.raises(ValueError, match="another add_constant"):
        InstrumentedPCA(add_constant=False).fit_sums(read[0])
    # From a file, some dates at a time.
    ROWS.drop(columns="z6").to_parquet(tmp_path / "panel.parquet")
    chunks = iter_parquet(tmp_path / "panel.parquet", chunk_rows=300)
    plain = InstrumentedPCA(3)
    sums = reduce(add, (plain.read_sums(chunk[X.columns], chunk["r"]) for chunk in chunks))
    assert_allclose(plain.fit_sums(sums).gamma_, np.array(AUTHORS["Gamma"]), atol=1e-9)


def test_rows_levels_and_labels_may_come_in_any_order(full):
    order = np.random.default_rng(0).permutation(len(X))
    x, y = X.iloc[order].swaplevel(), Y.iloc[order].swaplevel()
    other = InstrumentedPCA(2, fit_alpha=True).fit(x, y, factors=OBSERVED.iloc[::-1])
    assert_allclose(other.gamma_, full.gamma_, atol=1e-10)
    assert_allclose(other.transform(x), full.transform(X).iloc[order], atol=1e-10)


def test_linear_transformations_of_characteristics_change_no_fitted_value():
    model = InstrumentedPCA(2).fit(X, Y)
    turn = np.random.default_rng(1).normal(size=(5, 5))
    turned = pd.DataFrame(X.to_numpy() @ turn + 0.3, X.index, list("abcde"))
    other = InstrumentedPCA(2).fit(turned, Y)
    assert_allclose(fitted_values(other, turned), fitted_values(model), atol=1e-8)
    scaled = InstrumentedPCA(2).fit(X, 100.0 * Y)
    assert_allclose(scaled.factors_, 100.0 * model.factors_, rtol=1e-8, atol=1e-8)
    assert_allclose(scaled.gamma_, model.gamma_, atol=1e-10)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.booleans(), st.floats(0.001, 1000.0))
def test_what_holds_of_every_panel(seed, k, alphas, scale):
    rng = np.random.default_rng(seed)
    assets = rng.permutation(50)[:12].astype(str)
    index = pd.MultiIndex.from_product([range(15), assets], names=["date", "asset"])
    index = index[rng.random(180) < 0.9]
    x = pd.DataFrame(rng.normal(size=(len(index), 3)), index, list("abc"))
    y = pd.Series(rng.normal(size=len(index)) + x["a"] - 0.5 * x["b"], index)
    observed = pd.DataFrame({"oil": rng.normal(size=15)}, range(15))
    options = {"n_components": k, "fit_alpha": alphas, "max_iter": 1000, "tol": 1e-9}

    def fit(x, y):
        return InstrumentedPCA(**options).fit(x, y, factors=observed)

    model = fit(x, y)
    assume(model.r2_.loc["total", "assets"] < 1.0 - 1e-6)
    total = model.r2_.loc["total", "assets"]
    gamma = model.gamma_.to_numpy()
    assert_allclose(gamma.T @ gamma, np.eye(k), atol=1e-11)
    assert_allclose(gamma.T @ model.gamma_alpha_, 0.0, atol=1e-9)
    assert_allclose(gamma.T @ model.gamma_observed_, 0.0, atol=1e-9)
    products = (model.factors_.T @ model.factors_).to_numpy()
    assert_allclose(products, np.diag(np.diag(products)), atol=1e-9 * products.max())
    assert (model.factors_.mean() >= 0.0).all()
    # Optima may be several: the starts are the same but for rotations, and so are the ends.
    turned = pd.DataFrame(x.to_numpy() @ (np.eye(3) + 0.2 * rng.normal(size=(3, 3))), index)
    assert fit(turned, y).r2_.loc["total", "assets"] == pytest.approx(total, rel=1e-6)
    order = rng.permutation(len(x))
    names = dict(zip(assets, rng.permutation(assets), strict=True))
    other = fit(
        x.iloc[order].rename(names, level="asset").swaplevel(),
        scale * y.iloc[order].rename(names, level="asset").swaplevel(),
    )
    assert other.r2_.loc["total", "assets"] == pytest.approx(total, rel=1e-6)


def test_weights_are_repeated_rows_and_missing_rows_are_left_out():
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = InstrumentedPCA(2).fit(X, Y, sample_weight=weights)
    times = np.repeat(np.arange(len(X)), weights)
    index = pd.MultiIndex.from_arrays([DATES[times], np.arange(len(times))], names=ROWS.index.names)
    repeated = InstrumentedPCA(2).fit(X.iloc[times].set_axis(index), Y.iloc[times].set_axis(index))
    assert_allclose(weighted.gamma_, repeated.gamma_, atol=1e-9)
    x, y = X.copy(), Y.copy()
    x.iloc[::7, 1], y.iloc[::5] = np.nan, np.nan
    known = x.notna().all(axis=1) & y.notna()
    gappy, complete = InstrumentedPCA(2).fit(x, y), InstrumentedPCA(2).fit(x[known], y[known])
    assert_allclose(gappy.gamma_, complete.gamma_, atol=1e-10)
    assert np.isnan(gappy.predict(x)[::7]).all()


def test_factors_of_other_dates_need_no_fit(full):
    found = full.factor_returns(X.loc[50:], Y.loc[50:], factors=OBSERVED)
    assert_frame_equal(found, full.factors_.loc[50:], atol=1e-11)
    early = InstrumentedPCA(2).fit(X.loc[:40], Y.loc[:40])
    later = early.factor_returns(X.loc[41:], Y.loc[41:])
    slopes = FamaMacBeth(fit_intercept=False).fit(early.transform(X.loc[41:]), Y.loc[41:])
    assert_allclose(later, slopes.lambdas_, atol=1e-12)


def test_premia_may_be_of_the_last_dates():
    model = InstrumentedPCA(2, premia_window=12).fit(X, Y)
    assert_allclose(model.premia_, model.factors_.iloc[-12:].mean(), rtol=1e-10)
    weights = 0.5 ** (np.arange(59, -1, -1) / 6.0)
    model = InstrumentedPCA(2, premia_halflife=6).fit(X, Y)
    assert_allclose(model.premia_, weights @ model.factors_ / weights.sum(), rtol=1e-10)


def test_more_starts_are_never_worse_and_a_seed_fixes_them():
    rng = np.random.default_rng(9)
    scales = np.exp(0.8 * rng.normal(size=(61, 5)))
    moving = X * scales[DATES]
    with pytest.warns(UserWarning, match=r"scale of the characteristics .* moves over time"):
        one = InstrumentedPCA(3, max_iter=500, min_assets=1).fit(
            pd.concat([moving, moving.rename(index=lambda a: a + 1000, level="asset")]),
            pd.concat([Y, Y.rename(index=lambda a: a + 1000, level="asset")]),
        )
    several = [InstrumentedPCA(3, n_init=5, random_state=0, max_iter=500) for _ in range(2)]
    alone = InstrumentedPCA(3, max_iter=500).fit(moving, Y)
    found = [model.fit(moving, Y) for model in several]
    assert found[0].r2_.loc["total", "assets"] >= alone.r2_.loc["total", "assets"] - 1e-12
    assert found[0].gamma_.equals(found[1].gamma_)
    assert one.r2_.loc["total", "assets"] == pytest.approx(alone.r2_.loc["total", "assets"])


# --- with others --------------------------------------------------------------------------------


def test_the_risk_model_is_of_the_rows_of_one_date(full):
    last = X.loc[[60]]
    newcomer = last.index[0][1]
    rows = last.rename(index={newcomer: 999}, level="asset")
    with pytest.warns(UserWarning, match=r"1 assets have fewer than 12 .* median .*\[999\]"):
        risk = full.risk_model(rows)
    assert risk.date == 60
    exposures = full.transform(last)
    assert_allclose(risk.exposures, exposures)
    factors = full.factors_.join(OBSERVED)
    assert_allclose(risk.factor_covariance, factors.cov(), rtol=1e-10)
    known = full.specific_variances_
    median = known["variance"][known["n_dates"] >= 12].median()
    assert risk.specific_variance[999] == pytest.approx(median)
    others = risk.specific_variance.drop(999)
    assert_allclose(others, known["variance"].loc[others.index])
    weights = pd.Series(1.0 / len(exposures), risk.exposures.index)
    assert decompose_risk(weights, risk).volatility == pytest.approx(risk.volatility(weights))
    with pytest.raises(ValueError, match=r"model\.risk_model"):
        decompose_risk(weights, full)
    with pytest.raises(ValueError, match="several dates"):
        full.risk_model(X)


def test_pipelines_rank_predict_and_infer():
    pipe = make_pipeline(FactorRanker(), InstrumentedPCA(2)).fit(X, Y)
    later = X.loc[[60]].rename(index={60: 61}, level="date")
    assert np.isfinite(pipe.predict(later)).all()
    premia = make_pipeline(FactorRanker(), InstrumentedPCA(2), FamaMacBeth(fit_intercept=False))
    assert premia.fit(X, Y)[-1].inference().std_errors.notna().all()
    assert pickle.loads(pickle.dumps(pipe)).score(X, Y) == pipe.score(X, Y)
    model = pipe[-1]
    expected = model.expected_returns(X.loc[60][X.columns[::-1]])
    assert_allclose(expected, model.predict(X.loc[60]))
    assert expected.index.equals(X.loc[60].index)


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "x", "y", "factors", "message"),
    [
        ({"n_components": 7}, X, Y, None, "7 is more than the 6 characteristics"),
        ({}, ROWS.drop(columns="r"), Y, None, r"\['z6', 'const'\] are collinear"),
        ({}, X.assign(z5=X["z1"] - X["z2"]), Y, None, r"\['z1', 'z2', 'z5'\].*ridge"),
        ({}, X.rename(columns={"z1": "const"}), Y, None, "add_constant=False"),
        ({}, X, pd.concat([Y, Y], axis=1), None, "2 columns.*RiskPremiumPCA"),
        ({}, X * np.nan, Y, None, "No date has 1 complete rows"),
        ({"min_assets": 1000}, X, Y, None, "No date has 1000 complete rows"),
        ({"missing": "raise"}, X.mask(X > 0.49), Y, None, "missing values"),
        ({"n_components": 3}, X.loc[:2], Y.loc[:2], None, "3 latent factors need .* 2 have"),
        ({}, X, 0.0 * Y, None, "y is zero in all rows"),
        ({}, X, Y, OBSERVED.assign(gas=2.0 * OBSERVED["oil"]), r"\['oil', 'gas'\] are collinear"),
        (
            {"fit_alpha": True},
            X,
            Y,
            OBSERVED.assign(rate=0.1),
            r"\['alphas \(fit_alpha\)', 'rate'\] are collinear",
        ),
        ({}, X, Y, OBSERVED.loc[5:], r"4 of the 60 dates of X are not in factors"),
        ({}, X, Y, OBSERVED.mask(OBSERVED > 1.0), "factors has missing values"),
        ({}, X, Y, OBSERVED.set_axis(list("ab" * 35)), "'a' is free text"),
        ({}, X, Y, OBSERVED.to_numpy(), "factors is a ndarray"),
        ({}, X.assign(z1="text"), Y, None, "do not hold numbers"),
    ],
)
def test_mistakes_are_told(options, x, y, factors, message):
    with pytest.raises(ValueError, match=message):
        InstrumentedPCA(**options).fit(x, y, factors=factors)


def test_thin_dates_are_left_out_and_told():
    thin = (DATES == 5) & (np.arange(len(X)) != np.flatnonzero(DATES == 5)[0])
    with pytest.warns(RankDeficientWarning, match=r"1 of 60 dates have fewer than 3.*first: 5"):
        model = InstrumentedPCA(3).fit(X[~thin], Y[~thin])
    assert model.factors_.loc[5].isna().all()
    rest = InstrumentedPCA(3).fit(X[DATES != 5], Y[DATES != 5])
    assert_allclose(model.gamma_, rest.gamma_, atol=1e-10)
    assert_allclose(model.premia_, rest.premia_, atol=1e-10)


def test_a_ridge_makes_collinear_characteristics_estimable():
    doubled = X.assign(z7=X["z1"])
    model = InstrumentedPCA(2, ridge=1e-6).fit(doubled, Y)
    assert_allclose(model.gamma_.loc["z1"], model.gamma_.loc["z7"], atol=1e-6)
    single = InstrumentedPCA(2).fit(X, Y)
    assert_allclose(fitted_values(model, doubled), fitted_values(single), atol=1e-3)
    assert_allclose(model.factor_returns(doubled, Y), model.factors_, atol=1e-11)
    returns = model.slope_portfolios(doubled).mul(Y, axis=0).groupby(level="date").sum()
    assert_allclose(returns, model.factors_, atol=1e-10)


def test_too_few_steps_are_told():
    with pytest.warns(ConvergenceWarning, match=r"made 1 steps and the gradient is still"):
        model = InstrumentedPCA(3, max_iter=1).fit(X, Y)
    assert not model.converged_

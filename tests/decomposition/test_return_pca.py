"""ReturnPCA against scikit-learn's PCA, and with missing returns against other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from statsmodels.multivariate import pca

from skfactor import FamaMacBeth, ReturnPCA
from skfactor.datasets import load_french
from skfactor.exceptions import RankDeficientWarning
from skfactor.risk import decompose_risk

DATA = Path(__file__).parents[1] / "data"
french = load_french()
RETURNS = french.filter(regex="^S[135]").sub(french["RF"], axis=0)


def gappy_returns():
    """Eighty periods of 25 assets with three factors, a quarter missing."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 25)) + 0.5 * rng.normal(size=(80, 25))
    return pd.DataFrame(np.where(rng.random(x.shape) < 0.25, np.nan, x)), x


GAPPY, COMPLETE = gappy_returns()
FILLS = ["pairwise", "em", "project"]


def test_directions_are_those_of_scikit_learn_and_factors_keep_their_means():
    model, reference = ReturnPCA(4).fit(RETURNS), PCA(4, svd_solver="full").fit(RETURNS)
    signs = np.sign(np.sum(model.components_ * reference.components_, axis=1))
    assert_allclose(model.components_, signs[:, None] * reference.components_, atol=1e-10)
    assert_allclose(
        model.eigenvalues_[:4] * 18 * 819 / 818, reference.explained_variance_, rtol=1e-10
    )
    centred = model.factors_ - model.premia_
    assert_allclose(centred * np.sqrt(18) * signs, reference.transform(RETURNS), atol=1e-12)
    assert (model.premia_ >= 0.0).all()
    assert_allclose(
        model.inverse_transform(model.transform(RETURNS)),
        reference.inverse_transform(reference.transform(RETURNS)),
        atol=1e-12,
    )


def test_wide_and_tall_returns_agree():
    few = RETURNS.iloc[:12]
    _, _, directions = np.linalg.svd(few - few.mean(), full_matrices=False)
    model = ReturnPCA(3).fit(few)
    assert_allclose(np.abs(np.sum(model.components_ * directions[:3], axis=1)), 1.0, rtol=1e-10)


def test_pairwise_moments_are_those_of_a_loop_over_pairs_and_dates():
    model = ReturnPCA(3, center=False, missing="pairwise").fit(GAPPY)
    x = GAPPY.to_numpy()
    moments = np.empty((25, 25))
    for i in range(25):
        for j in range(25):
            moments[i, j] = np.nanmean(x[:, i] * x[:, j])
    values, vectors = np.linalg.eigh(moments)
    assert_allclose(model.eigenvalues_, values[::-1] / 25, rtol=1e-10, atol=1e-13)
    loadings = np.sqrt(25) * vectors[:, ::-1][:, :3]
    signs = np.sign(np.sum(loadings * model.loadings_.to_numpy(), axis=0))
    assert_allclose(model.loadings_, loadings * signs, atol=1e-10)
    for t in range(80):
        there = np.isfinite(x[t])
        expected = np.linalg.lstsq(loadings[there], x[t, there], rcond=None)[0]
        assert_allclose(model.factors_.iloc[t], expected * signs, rtol=1e-9)
    centred = ReturnPCA(3, missing="pairwise").fit(GAPPY)
    deviations = x - np.nanmean(x, axis=0)
    covariance = np.array(
        [[np.nanmean(deviations[:, i] * deviations[:, j]) for j in range(25)] for i in range(25)]
    )
    assert_allclose(
        centred.eigenvalues_[:3], np.linalg.eigvalsh(covariance)[::-1][:3] / 25, rtol=1e-10
    )


def test_components_of_pairs_are_the_stored_ones():
    x = np.loadtxt(DATA / "missing_panel.csv.gz", delimiter=",")
    model = ReturnPCA(3, center=False, missing="pairwise").fit(x)
    # By a separate program, checked by a loop over pairs and dates.
    values = [1.5858277158473069, 1.194554252891664, 0.712962686259036, 0.06148378156137571]
    assert_allclose(model.eigenvalues_[:4], values, rtol=1e-10)
    loadings = [
        [1.4110514210678005, -0.5174023404367428, -0.48242604665481614],
        [-0.747469267412223, -0.2505005404251116, 0.040470742053584086],
    ]
    assert_allclose(model.loadings_.iloc[:2], loadings, rtol=1e-9)
    factors = [
        [0.6097573570724711, 1.1022736416495083, -0.0741350237125564],
        [-1.5594060765218778, 1.9255675870578735, -0.916227111299611],
    ]
    assert_allclose(model.factors_.iloc[:2], factors, rtol=1e-9)


def test_filling_by_iteration_is_that_of_statsmodels():
    reference = pca.PCA(
        GAPPY,
        ncomp=3,
        standardize=False,
        demean=False,
        missing="fill-em",
        tol_em=1e-11,
        max_em_iter=5000,
    )
    model = ReturnPCA(3, center=False, missing="em").fit(GAPPY)
    directions = np.asarray(reference.eigenvecs)[:, :3]
    assert_allclose(np.linalg.svd(model.components_ @ directions, compute_uv=False), 1.0, atol=1e-8)


@pytest.mark.parametrize("missing", FILLS)
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_the_factors_are_found_although_returns_are_missing(missing, center, scale):
    x = GAPPY.copy()
    x.iloc[:, :6] = COMPLETE[:, :6]
    model = ReturnPCA(3, center=center, scale=scale, missing=missing).fit(x)
    whole = ReturnPCA(3, center=center, scale=scale).fit(COMPLETE)
    q, r = (np.linalg.qr(m.loadings_.to_numpy())[0] for m in (model, whole))
    assert np.linalg.svd(q.T @ r, compute_uv=False).min() > 0.98
    assert_frame_equal(model.transform(x), model.factors_)
    fitted = model.inverse_transform(model.factors_)
    lost = x.isna().to_numpy()
    error = np.sqrt(np.mean((fitted.to_numpy()[lost] - COMPLETE[lost]) ** 2))
    assert error < 0.75  # noise has 0.5, returns 1.8
    same = ReturnPCA(3, center=center, scale=scale, missing=missing).fit(COMPLETE)
    assert_allclose(same.loadings_, whole.loadings_, rtol=1e-9, atol=1e-12)


def test_rows_and_columns_may_come_in_any_order():
    model = ReturnPCA(3, missing="pairwise").fit(GAPPY)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(80), rng.permutation(25)
    other = ReturnPCA(3, missing="pairwise").fit(GAPPY.iloc[rows, columns])
    assert_allclose(other.loadings_, model.loadings_.iloc[columns], atol=1e-9)
    assert_allclose(other.factors_, model.factors_.iloc[rows], atol=1e-9)


def test_signs_do_not_hang_on_rounding_where_means_are_zero():
    x = RETURNS - RETURNS.mean()
    model = ReturnPCA(4).fit(x)
    turned = ReturnPCA(4).fit(x.iloc[::-1])
    assert_allclose(turned.loadings_, model.loadings_, atol=1e-9)


def test_the_risk_model_has_the_variances_of_the_returns():
    model = ReturnPCA(3).fit(RETURNS)
    risk = model.risk_model()
    assert_allclose(np.diag(risk.covariance()), RETURNS.var(), rtol=1e-10)
    assert risk.date == RETURNS.index[-1]
    weights = pd.Series(1 / 18, RETURNS.columns)
    found = decompose_risk(weights, model)
    assert found.volatility == pytest.approx(risk.volatility(weights))


def test_a_rule_chooses_the_number():
    model = ReturnPCA("bic3").fit(RETURNS)
    assert model.n_components_ == 4
    assert list(model.get_feature_names_out()) == [f"returnpca{i}" for i in range(4)]
    assert ReturnPCA("BIC3").fit(RETURNS).loadings_.equals(model.loadings_)
    with pytest.warns(UserWarning, match="'er' finds 1 factor. er chooses 1: the first factor"):
        assert ReturnPCA("er").fit(RETURNS).n_components_ == 1


def test_factors_price_the_assets_in_a_two_pass_model():
    factors = ReturnPCA(3).fit_transform(RETURNS)
    assert isinstance(factors, pd.DataFrame)
    assert factors.index.equals(RETURNS.index)
    model = FamaMacBeth(fit_intercept=False).fit(factors, RETURNS)
    assert model.score(factors, RETURNS) > 0.0
    assert make_pipeline(ReturnPCA(2)).fit(RETURNS.to_numpy()).transform(RETURNS.to_numpy()).shape


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        (ReturnPCA(2), GAPPY, r"NaN in \d+ cells of 25 columns. missing='pairwise'"),
        (ReturnPCA(2, missing="em"), RETURNS.assign(z=np.nan), r"\['z'\].*no return at all"),
        (ReturnPCA(2, missing="project"), GAPPY, "of which X has 0 and n_components=2"),
        (ReturnPCA(2), RETURNS.stack(), "is a Series"),
        (ReturnPCA(2), RETURNS.stack().to_frame("r"), "one return per row.*unstack"),
        (ReturnPCA(2), RETURNS.iloc[:1], "n_samples=1 period"),
        (ReturnPCA(2), RETURNS.assign(S1V1="x"), "do not hold numbers"),
        (ReturnPCA(2, scale=True), RETURNS.assign(S1V1=0.1), r"columns \['S1V1'\].*constant"),
        (ReturnPCA(2), np.outer(np.arange(9.0), np.ones(3)),
         "more factors than the returns have"),
        (ReturnPCA("ed"), RETURNS.iloc[:, :4], "needs more than 6 periods and 5 assets"),
        (ReturnPCA("kaiser"), RETURNS, "n_components"),
        (ReturnPCA(2), pd.concat([RETURNS, RETURNS.iloc[:1]]), "occurs more than once"),
    ],
)  # fmt: skip
def test_mistakes_are_told(model, x, message):
    with pytest.raises(ValueError, match=message):
        model.fit(x)


def test_other_assets_and_other_shapes_are_told():
    model = ReturnPCA(2).fit(RETURNS)
    with pytest.raises(ValueError, match="feature names"):
        model.transform(RETURNS.rename(columns={"S1V1": "S9V9"}))
    with pytest.raises(ValueError, match="one column for each of the 2 factors"):
        model.inverse_transform(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="NaN"):
        model.transform(RETURNS.where(RETURNS > -0.1))


def test_fewer_factors_than_asked_for_are_told():
    with pytest.warns(RankDeficientWarning, match="n_components=5 is more than 3 periods"):
        model = ReturnPCA().fit(RETURNS.iloc[:3])
    assert model.n_components_ == 2


def test_pairs_without_a_common_period_are_told():
    x = GAPPY.copy()
    x.iloc[:40, 0] = np.nan
    x.iloc[40:, 1] = np.nan
    with pytest.warns(UserWarning, match="1 pairs of assets have no period in common"):
        ReturnPCA(2, missing="pairwise").fit(x)

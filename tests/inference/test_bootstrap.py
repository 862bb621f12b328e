"""The bootstrap of two passes: against refitting, another program, and simulation."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import IIDBootstrap
from numpy.testing import assert_allclose, assert_array_equal
from reference_premia import characteristics, french_two_pass, random_two_pass

from skfactor import FactorBetas, FamaMacBeth
from skfactor.inference import cross_sectional_r2, price_of_covariance_risk, shanken_test

X, Y = french_two_pass()
X, Y = X[-120:], Y[-120:]


@pytest.fixture(scope="module")
def model():
    return FamaMacBeth().fit(X, Y)


@pytest.fixture(scope="module")
def found(model):
    return model.inference("bootstrap", n_draws=39, block_length=1)


@pytest.fixture(scope="module")
def refitted(found):
    """The model fitted to the rows of each draw."""
    return [refit(rows) for rows in found.places]


def refit(rows, factors=X):
    return FamaMacBeth().fit(factors.iloc[rows].set_axis(X.index), Y.iloc[rows].set_axis(Y.index))


def test_draws_are_fits_to_their_rows(model):
    for length in (1, 4.0):
        found = model.inference("bootstrap", n_draws=20, block_length=length)
        draws = found.draws
        for i in range(3):
            premia = refit(found.places[i]).premia_
            assert_allclose(draws.iloc[i], premia, rtol=1e-12, atol=1e-17)
            assert_array_equal(np.sort(found.places[i]), np.repeat(np.arange(120), found.counts[i]))
        assert_allclose(found.cov, np.cov(draws.T))
        assert_allclose(found.std_errors, draws.std())
        assert found.bandwidth == 0.0


def test_standard_errors_are_those_of_another_program(model):
    def premia(f, r):
        b = np.linalg.lstsq(np.column_stack([np.ones(len(f)), f]), r, rcond=None)[0][1:].T
        x = np.column_stack([np.ones(len(b)), b])
        return np.linalg.lstsq(x, r.mean(axis=0), rcond=None)[0]

    theirs = np.sqrt(np.diag(IIDBootstrap(X.to_numpy(), Y.to_numpy(), seed=0).cov(premia, 400)))
    ours = model.inference("bootstrap", n_draws=400, block_length=1).std_errors
    assert_allclose(ours, theirs, rtol=0.2)  # of 400 draws


def test_p_values_and_intervals_are_by_percentile_t(model, found, refitted):
    shanken = model.inference("shanken", debiased=False)
    assert_allclose(found.ratios, shanken.t_values, rtol=1e-10)
    ratios = []
    for each in refitted:
        drawn = each.inference("shanken", debiased=False)
        ratios.append((drawn.premia - model.premia_) / drawn.std_errors)
    ratios = np.abs(np.array(ratios))
    expected = (1 + (ratios >= np.abs(shanken.t_values.to_numpy())).sum(axis=0)) / 40
    assert_allclose(found.p_values, expected)
    half = np.quantile(ratios, 0.9, axis=0) * shanken.std_errors
    assert_allclose(found.conf_int(0.9)["upper"] - found.premia, half, rtol=1e-9)
    # Of one premium the joint test is its own.
    assert_allclose(found.wald_test("HML").p_value, found.p_values["HML"])
    assert found.wald_test().df == (4,)
    assert "percentile-t" in str(found.summary())


def test_romano_wolf_is_the_step_down_of_largest_ratios(found):
    adjusted = found.adjusted()
    names = ["MktRF", "SMB", "HML", "Mom"]
    inside = found.alphas().adjusted("romano-wolf", significance=0.2)
    for result, source in ((adjusted, found), (inside, found.alphas())):
        names = list(result.p_values.index)
        places = source.premia.index.get_indexer(names)
        t = source.ratios.abs().to_numpy()[places]
        draws = source.draws.to_numpy()[:, places] - source.premia.to_numpy()[places]
        ratios = np.abs(draws) / source._own_errors[1][:, places]
        left, last = list(range(len(names))), 0.0
        while left:
            best = max(left, key=lambda i: t[i])
            last = max(last, (1 + (ratios[:, left].max(axis=1) >= t[best]).sum()) / 40)
            assert_allclose(result.p_values.iloc[best], last)
            left.remove(best)
        assert ((result.t_values.abs() >= result.hurdle_t) >= result.rejected).all()
    # Never less than Holm's rule of the same p-values.
    assert (found.adjusted("holm").p_values >= adjusted.p_values - 1e-12).all()
    assert adjusted.tests == ["MktRF", "SMB", "HML", "Mom"]
    holm = found.alphas().adjusted("holm", significance=0.2)
    assert ((holm.t_values.abs() >= holm.hurdle_t) == holm.rejected).all()


def test_alphas_j_and_r2_are_those_of_the_model(model, found, refitted):
    alphas = found.alphas()
    assert_allclose(alphas.premia, model.pricing_errors_, rtol=1e-9)
    assert_allclose(alphas.draws.iloc[0], refitted[0].pricing_errors_, rtol=1e-8)
    test = found.j_test()
    assert_allclose(test.statistic, shanken_test(model, small_sample=False).statistic, rtol=1e-9)
    errors = model.pricing_errors_
    shifted = [
        FamaMacBeth().fit(X.iloc[rows].set_axis(X.index), (Y - errors).iloc[rows].set_axis(Y.index))
        for rows in found.places
    ]
    above = [shanken_test(m, small_sample=False).statistic >= test.statistic for m in shifted]
    assert_allclose(test.p_value, (1 + np.sum(above)) / 40)
    r2 = found.r2()
    assert_allclose(r2.r2, cross_sectional_r2(model).r2)
    assert_allclose(
        r2.std_error,
        np.std([cross_sectional_r2(each).r2 for each in refitted], ddof=1),
        rtol=1e-8,
    )
    assert 0.0 < r2.zero.p_value < 1.0


def test_two_models_are_compared_in_the_same_draws(found, refitted):
    factors = X[["MktRF", "SMB"]].assign(random=np.sin(np.arange(120.0)))
    other = FamaMacBeth().fit(factors, Y)
    test = found.compare_r2(other)
    a = np.array([cross_sectional_r2(each).r2 for each in refitted])
    b = np.array([cross_sectional_r2(refit(rows, factors)).r2 for rows in found.places])
    own = found.r2().r2 - cross_sectional_r2(other).r2
    assert_allclose(test.statistic, own, rtol=1e-9)
    assert_allclose(test.p_value, (1 + (np.abs(a - b - own) >= abs(own)).sum()) / 40)
    for wrong, said in [
        (FamaMacBeth().fit(X[["MktRF"]], Y), "among those of the other"),
        (FamaMacBeth().fit(X, Y.iloc[:, :10]), "same returns"),
        (FamaMacBeth(weighting="wls").fit(X, Y), "same weighting"),
    ]:
        with pytest.raises(ValueError, match=said):
            found.compare_r2(wrong)


def test_dependent_dates_are_drawn_in_blocks():
    rng = np.random.default_rng(0)
    factors, returns = random_two_pass(rng, 200, 8, 2)
    model = FamaMacBeth().fit(factors, returns)
    assert model.inference("bootstrap", n_draws=19).block_length == 1.0
    dependent = factors.copy()
    for t in range(1, 200):
        dependent.iloc[t] += 0.8 * dependent.iloc[t - 1]
    betas = model.betas_.to_numpy()
    returns = returns + (dependent.to_numpy() - factors.to_numpy()) @ betas.T
    model = FamaMacBeth().fit(dependent, returns)
    found = model.inference("bootstrap", n_draws=99)
    assert found.block_length > 3.0
    assert f"mean length {found.block_length:.3g}" in str(found)
    # The dates of a draw are in their order, which the errors with cosines need.
    assert (np.diff(found.places, axis=1) % 200 == 1).mean() > 0.6
    independent = model.inference("bootstrap", n_draws=99, block_length=1)
    wider = np.ptp(found.conf_int(), axis=1) / np.ptp(independent.conf_int(), axis=1)
    assert (wider[1:] > 1.3).all()


@pytest.mark.slow
def test_intervals_cover_and_tests_reject_as_often_as_they_say():
    rng = np.random.default_rng(1)
    betas = rng.normal(1.0, 0.5, (12, 2))
    premia, hits, rejected = np.array([0.006, 0.004]), [], []
    index = pd.period_range("2000-01", periods=100, freq="M")
    for i in range(200):
        scale = np.sqrt(3 / rng.chisquare(5, size=(100, 1)))
        factors = 0.045 * scale * rng.normal(size=(100, 2))
        noise = 0.02 * scale * rng.normal(size=(100, 12))
        returns = 0.003 + (premia + factors) @ betas.T + noise
        model = FamaMacBeth().fit(pd.DataFrame(factors, index), pd.DataFrame(returns, index))
        found = model.inference("bootstrap", n_draws=199, block_length=1, random_state=i)
        low, high = found.conf_int().to_numpy()[1:].T
        hits.append((low <= premia) & (premia <= high))
        rejected.append([found.j_test().p_value <= 0.05, *(found.alphas().p_values <= 0.05)])
    assert 0.9 < np.mean(hits) < 0.985
    assert np.mean([r[0] for r in rejected]) < 0.09
    assert np.mean([r[1:] for r in rejected]) < 0.09


def test_what_has_no_bootstrap_says_why(model):
    rolling = FamaMacBeth(betas=FactorBetas(window=60)).fit(X, Y)
    panel = FamaMacBeth().fit(*characteristics())
    gaps = FamaMacBeth().fit(X, Y.mask(np.random.default_rng(0).random(Y.shape) < 0.1))
    few = FamaMacBeth().fit(X[:10], Y[:10])
    for which, options, said in [
        (rolling, {}, "betas of the whole sample, with equal weights, and these are"),
        (panel, {}, "needs betas estimated by the model itself"),
        (gaps, {}, "is for complete returns"),
        (few, {}, "draws dates, for which there have to be 20; found 10"),
        (FamaMacBeth(weighting="gls").fit(X[:30], Y[:30]), {}, "needs 48 dates.*found 30"),
        (model, {"block_length": 0.5}, "block_length=0.5 has to be"),
        (model, {"n_draws": 1e3}, "n_draws=1000.0 has to be a whole number"),
        (model, {"random_state": None}, "random_state=None has to be a whole number"),
        (model, {"kernel": "bartlett"}, "blocks of dates keep the serial dependence"),
        (model, {"debiased": False}, "debiased=False has no effect"),
    ]:
        with pytest.raises(ValueError, match=said):
            which.inference("bootstrap", **options)
    with pytest.raises(
        TypeError, match=r"takes only \['n_draws', 'block_length', 'random_state'\]"
    ):
        model.inference("bootstrap", draws=100)
    with pytest.raises(ValueError, match="not known to hold for prices"):
        price_of_covariance_risk(model, "bootstrap")
    rare = X.assign(rare=(np.arange(120) == 5) * 1.0)
    with pytest.raises(ValueError, match=r"collinear.*varies on a few of them only"):
        FamaMacBeth().fit(rare, Y).inference("bootstrap")
    with pytest.raises(ValueError, match=r"j_test\(\) tests all of them together"):
        model.inference("bootstrap", n_draws=19).alphas().wald_test()


def test_results_are_pickled_without_what_they_can_make_again(found):
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again.p_values, found.p_values)
    assert again.block_length == 1.0


def test_assets_that_follow_from_others_have_no_joint_test():
    twins = Y.iloc[:, :5].assign(twin=Y.iloc[:, 0])
    among = Y.iloc[:, :5].join(X["MktRF"].rename("among"))
    for returns in (twins, among):
        drawn = FamaMacBeth().fit(X[["MktRF"]], returns).inference("bootstrap", n_draws=99)
        with pytest.raises(ValueError, match="combinations of others and of the factors"):
            drawn.j_test()

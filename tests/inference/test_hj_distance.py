"""The Hansen-Jagannathan distance against its definition, a jackknife and simulation."""

from __future__ import annotations

import dataclasses
from html import escape

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_premia import french_two_pass, long_run_by_pairs
from scipy import optimize, stats

from skfactor._kernels.weighted_chi2 import weighted_chi2_sf, weighted_f_sf
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference._hj_distance import hj_distance


@pytest.fixture(scope="module")
def french():
    factors, returns = french_two_pass()
    return factors[["MktRF", "HML"]], returns[["S1V1", "S1V5", "S3M1", "S5V1", "S5V5", "S5M5"]]


@pytest.fixture(scope="module")
def result(french):
    return hj_distance(*french)


def _draw(seed, n_periods=300, n_assets=6, n_factors=2, mispricing=0.0):
    """Returns whose means are betas times premia, but for a part that no betas explain."""
    rng = np.random.default_rng(seed)
    betas = np.random.default_rng(99).normal(1.0, 0.5, size=(n_assets, n_factors))
    basis = np.linalg.qr(betas, mode="complete")[0][:, n_factors:]
    means = betas @ np.full(n_factors, 0.1) + mispricing * basis.sum(axis=1)
    factors = rng.normal(size=(n_periods, n_factors))
    return factors, means + factors @ betas.T + rng.normal(size=(n_periods, n_assets))


def _weighted_moments(factors, returns, p):
    mean = p @ returns
    centred_r, centred_f = returns - mean, factors - p @ factors
    weighted = p[:, None] * centred_r
    return mean, weighted.T @ centred_r, weighted.T @ centred_f


def _squared_distance(factors, returns, p):
    mean, v, c = _weighted_moments(factors, returns, p)
    prices = np.linalg.solve(c.T @ np.linalg.solve(v, c), c.T @ np.linalg.solve(v, mean))
    errors = mean - c @ prices
    return errors @ np.linalg.solve(v, errors)


def _jackknife(factors, returns):
    """Derivative of the squared distance with respect to the weight of each period."""
    t = len(returns)
    equal, step = np.full(t, 1.0 / t), 1e-6
    return np.array(
        [
            (
                _squared_distance(factors, returns, equal + step * (row - equal))
                - _squared_distance(factors, returns, equal - step * (row - equal))
            )
            / (2.0 * step)
            for row in np.eye(t)
        ]
    )


# --- known values -------------------------------------------------------------------------------


def test_the_distance_is_the_least_over_all_discount_factors(french, result):
    factors, returns = (frame.to_numpy() for frame in french)
    mean, v, c = _weighted_moments(factors, returns, np.full(len(returns), 1.0 / len(returns)))

    def objective(prices):
        errors = mean - c @ prices
        return errors @ np.linalg.solve(v, errors)

    found = optimize.minimize(objective, [0.0, 0.0], method="Nelder-Mead", tol=1e-14)
    assert_allclose(result.squared_distance, found.fun, rtol=1e-9)
    assert result.distance == np.sqrt(result.squared_distance)


def test_the_distance_is_the_largest_pricing_error_of_a_portfolio(french, result):
    factors, returns = (frame.to_numpy() for frame in french)
    mean, v, c = _weighted_moments(factors, returns, np.full(len(returns), 1.0 / len(returns)))
    prices = np.linalg.solve(c.T @ np.linalg.solve(v, c), c.T @ np.linalg.solve(v, mean))
    weights = np.linalg.solve(v, mean - c @ prices)
    discount = 1.0 - (factors - factors.mean(axis=0)) @ prices
    portfolio = returns @ weights
    assert_allclose(abs(np.mean(portfolio * discount)) / portfolio.std(), result.distance)


@pytest.mark.parametrize(("kernel", "lags"), [(None, 0), ("bartlett", 3), ("parzen", 5)])
def test_the_error_is_the_long_run_variance_of_a_jackknife(french, kernel, lags):
    factors, returns = (frame.iloc[:150] for frame in french)
    influence = _jackknife(factors.to_numpy(), returns.to_numpy())
    assert_allclose(influence.mean(), 0.0, atol=1e-7)
    variance = long_run_by_pairs(influence[:, None], np.arange(150), kernel, lags)[0, 0] / 150
    bandwidth = None if kernel is None else lags
    ours = hj_distance(factors, returns, small_sample=False, kernel=kernel, bandwidth=bandwidth)
    assert_allclose(ours.std_error, np.sqrt(variance), rtol=1e-6)
    assert (ours.kernel, ours.bandwidth, ours.n_periods) == (kernel, lags, 150)


@pytest.mark.parametrize(("kernel", "lags"), [(None, 0), ("bartlett", 3)])
def test_the_weights_are_eigenvalues_as_jagannathan_and_wang_write_them(french, kernel, lags):
    factors, returns = (frame.to_numpy()[:150] for frame in french)
    mean, v, c = _weighted_moments(factors, returns, np.full(150, 1.0 / 150))
    values, vectors = np.linalg.eigh(v)
    root = vectors / np.sqrt(values) @ vectors.T
    projection = root @ c @ np.linalg.inv(c.T @ root @ root @ c) @ c.T @ root
    prices = np.linalg.inv(c.T @ root @ root @ c) @ c.T @ root @ root @ mean
    moments = (returns - mean) * (1.0 - (factors - factors.mean(axis=0)) @ prices)[:, None]
    s = long_run_by_pairs(moments + c @ prices, np.arange(150), kernel, lags)
    remaining = np.eye(6) - projection
    expected = np.sort(np.linalg.eigvalsh(remaining @ root @ s @ root @ remaining))[-4:]
    bandwidth = None if kernel is None else lags
    ours = hj_distance(factors, returns, small_sample=False, kernel=kernel, bandwidth=bandwidth)
    assert_allclose(np.sort(ours.weights), expected, rtol=1e-9)
    rng = np.random.default_rng(0)
    draws = rng.chisquare(1, size=(200_000, 4)) @ expected
    share = np.mean(draws > 150 * ours.squared_distance)
    assert abs(ours.p_value - share) < 4.0 * np.sqrt(share * (1.0 - share) / 200_000)


def test_intervals_are_normal_for_the_square_and_end_at_zero(result):
    for level in (0.9, 0.95):
        interval = result.conf_int(level)
        half = stats.norm.ppf((1.0 + level) / 2.0) * result.std_error
        square = np.maximum([result.squared_distance - half, result.squared_distance + half], 0.0)
        assert_allclose(interval.loc["squared_distance"], square)
        assert_allclose(interval.loc["distance"], np.sqrt(square))
    wide = dataclasses.replace(result, std_error=result.squared_distance)
    assert (wide.conf_int()["lower"] == 0.0).all()
    assert list(wide.conf_int().columns) == ["lower", "upper"]


def test_it_prints_what_it_tests(result):
    text = str(result)
    assert text.startswith(f"HJ distance = {result.distance:.4f}, 95% interval [")
    assert text.endswith("H0: the distance is zero, the factors price all assets")
    assert escape(text) in result._repr_html_()
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.distance = 0.0


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_correct_model_is_rejected_as_often_as_stated():
    p_values = np.array([hj_distance(*_draw(seed)).p_value for seed in range(300)])
    assert 0.025 < np.mean(p_values < 0.05) < 0.085
    assert 0.44 < np.mean(p_values < 0.5) < 0.58


@pytest.mark.slow
def test_the_interval_of_a_wrong_model_covers_the_distance():
    # V_R is B B' + I, so that portfolios orthogonal to B keep their mispricing: 4 of 0.25 each.
    population = 4 * 0.25**2
    covered = 0
    for seed in range(100):
        low, high = (
            hj_distance(*_draw(seed, 1500, mispricing=0.25)).conf_int().loc["squared_distance"]
        )
        covered += low < population < high
    assert 0.88 <= covered / 100 <= 0.99
    assert hj_distance(*_draw(0, mispricing=0.25)).p_value < 1e-4


def test_portfolios_and_units_of_factors_and_the_order_of_dates_do_not_matter(french, result):
    factors, returns = french
    rng = np.random.default_rng(3)
    order = rng.permutation(len(returns))
    mixed = hj_distance(
        (factors * [100.0, 1e-18]).iloc[order], (returns @ rng.normal(size=(6, 6))).iloc[order]
    )
    for name in ("distance", "std_error", "p_value"):
        assert_allclose(getattr(mixed, name), getattr(result, name), rtol=1e-7)
    options = {"kernel": "bartlett", "bandwidth": "newey-west", "small_sample": False}
    lags = hj_distance(*french, **options)
    shuffled = hj_distance(factors.iloc[order], returns.iloc[order], **options)
    assert_allclose(shuffled.std_error, lags.std_error, rtol=1e-9)
    assert lags.bandwidth == shuffled.bandwidth > 0.0


def test_with_equal_weights_the_form_for_small_samples_is_f(french, result):
    t, n, squared = result.n_periods, 6, result.squared_distance
    assert result.distribution == "weighted F"
    assert_allclose(
        weighted_f_sf(squared, np.full(4, 1.3), t - n),
        stats.f.sf(squared * (t - n) / (4 * 1.3), 4, t - n),
        rtol=1e-8,
    )
    assert_allclose(result.p_value, weighted_f_sf(squared, result.weights, t - n), rtol=1e-9)
    large = hj_distance(*french, small_sample=False)
    assert large.distribution == "weighted chi2"
    assert large.p_value == weighted_chi2_sf(t * squared, result.weights)


def test_the_law_of_a_ratio_of_chi_squares_is_that_of_draws():
    rng, weights = np.random.default_rng(0), [0.5, 1.0, 2.5]
    draws = (rng.chisquare(1, size=(200_000, 3)) @ weights) / rng.chisquare(12, size=200_000)
    for x in (0.2, 0.5, 1.0):
        assert_allclose(weighted_f_sf(x, weights, 12), np.mean(draws > x), atol=4e-3)


def test_drawn_distances_agree_with_the_weighted_law_and_say_what_they_are():
    factors, returns = _draw(3, n_periods=60)
    wild = hj_distance(factors, returns, small_sample="wild", n_draws=499)
    assert wild.distribution == "wild bootstrap"
    assert abs(wild.p_value - hj_distance(factors, returns).p_value) < 0.12
    with pytest.warns(SmallSampleWarning, match="hj_distance holds its size from 120 dates on"):
        hj_distance(factors, returns, small_sample="wild", n_draws=19, kernel="bartlett")
    with pytest.warns(SmallSampleWarning, match="asymptotic distribution of hj_distance"):
        hj_distance(factors, returns, kernel="bartlett")


@pytest.mark.slow
def test_short_samples_reject_a_correct_model_as_often_as_stated():
    p_values = [hj_distance(*_draw(seed, 60, n_assets=12)).p_value for seed in range(600)]
    assert 0.03 < np.mean(np.array(p_values) < 0.05) < 0.075


# --- failures -----------------------------------------------------------------------------------


def test_as_many_factors_as_assets_raise():
    factors, returns = _draw(0)
    with pytest.raises(ValueError, match="2 factors price 2 assets without error"):
        hj_distance(factors, returns[:, :2])
    with pytest.raises(ValueError, match="2 factors price 1 assets without error"):
        hj_distance(factors, returns[:, 0])


def test_too_few_periods_raise():
    factors, returns = _draw(0, n_periods=8)
    with pytest.raises(ValueError, match="needs more than 8 dates, found 8"):
        hj_distance(factors, returns)


def test_collinear_assets_raise():
    factors, returns = _draw(0)
    for extra in (returns[:, 0] + returns[:, 1], np.full(300, 0.01)):
        with pytest.raises(ValueError, match="covariance of the assets is singular"):
            hj_distance(factors, np.c_[returns, extra])


def test_a_factor_without_any_covariance_raises():
    factors, returns = _draw(0)
    design = np.c_[np.ones(300), factors, returns]
    noise = np.random.default_rng(1).normal(size=300)
    useless = noise - design @ np.linalg.lstsq(design, noise)[0]
    with pytest.raises(ValueError, match="covariances of assets and factors are collinear"):
        hj_distance(np.c_[factors, useless], returns)


def test_missing_values_unknown_kernels_and_levels_raise(result):
    factors, returns = _draw(0)
    with pytest.raises(ValueError, match="bandwidth=3 needs a kernel"):
        hj_distance(factors, returns, bandwidth=3)
    returns[0, 0] = np.nan
    with pytest.raises(ValueError, match="returns has missing values in 1 of 300 rows"):
        hj_distance(pd.DataFrame(factors), pd.DataFrame(returns))
    with pytest.raises(ValueError, match=r"level=95 has to lie between 0 and 1"):
        result.conf_int(95)


def test_prewhitening_is_of_the_assets_own_series_in_any_order():
    factors, returns = french_two_pass()
    returns = returns.iloc[:, :6]
    options = {"kernel": "bartlett", "bandwidth": 3, "small_sample": False}
    plain = hj_distance(factors, returns, **options)
    found = hj_distance(factors, returns, prewhiten=True, **options)
    assert found.distance == plain.distance
    assert_allclose([found.std_error, found.p_value], [plain.std_error, plain.p_value], rtol=0.5)
    assert found.p_value != plain.p_value
    again = hj_distance(factors, returns.iloc[:, ::-1], prewhiten=True, **options)
    assert_allclose(again.weights, found.weights, rtol=1e-7)
    assert_allclose(again.std_error, found.std_error, rtol=1e-7)

"""Simulated data follow the model that their docstrings state, with the truth that they report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skfactor.datasets import make_panel, make_two_pass

SEEDS = st.integers(0, 2**32 - 1)
law = settings(deadline=None, max_examples=30)
SHARES = st.floats(0.0, 0.95)


def slopes_by_lstsq(X, y):
    """One regression per date, with an intercept, by a loop."""
    slopes = {}
    for date, x in X.groupby(level="date"):
        design = np.column_stack([np.ones(len(x)), x])
        slopes[date] = np.linalg.lstsq(design, y.loc[[date]])[0]
    return pd.DataFrame(slopes, index=["const", *X.columns]).T


class TestPanel:
    @law
    @given(SEEDS)
    def test_without_noise_each_regression_returns_its_lambdas(self, seed):
        panel = make_panel(3, 12, 2, noise=0.0, random_state=seed)
        slopes = slopes_by_lstsq(panel.data, panel.target)
        np.testing.assert_allclose(slopes, panel.lambdas, rtol=1e-9, atol=1e-12)

    def test_lambdas_vary_around_the_premia_with_the_given_volatility(self):
        panel = make_panel(20_000, 1, 2, premia_volatility=0.03, random_state=0)
        np.testing.assert_allclose(panel.lambdas.mean(), panel.premia, atol=4 * 0.03 / 20_000**0.5)
        np.testing.assert_allclose(panel.lambdas.std(), 0.03, rtol=0.03)

    def test_constant_premia_are_the_lambdas_of_every_date(self):
        panel = make_panel(4, 2, 2, premia=[0.01, -0.02], premia_volatility=0.0, random_state=0)
        assert panel.premia.to_dict() == {"const": 0.005, "x1": 0.01, "x2": -0.02}
        np.testing.assert_allclose(panel.lambdas, np.tile([0.005, 0.01, -0.02], (4, 1)))

    def test_noise_is_the_deviation_of_each_assets_own_return(self):
        own = np.array([0.0, 0.1, 0.4])
        panel = make_panel(20_000, 3, 1, noise=own, random_state=0)
        lambdas = panel.lambdas.loc[panel.data.index.get_level_values("date")].to_numpy()
        explained = lambdas[:, 0] + lambdas[:, 1] * panel.data["x1"]
        deviations = (panel.target - explained).groupby(level="asset").std()
        np.testing.assert_allclose(deviations, own, rtol=0.03, atol=1e-12)

    def test_characteristics_are_standard_normal_on_the_first_and_on_the_last_date(self):
        X = make_panel(30, 20_000, 1, persistence=0.95, random_state=0).data
        x = X.to_numpy().reshape(30, 20_000)[[0, -1]]
        np.testing.assert_allclose(x.mean(axis=1), 0.0, atol=0.03)
        np.testing.assert_allclose(x.std(axis=1), 1.0, atol=0.03)

    @pytest.mark.parametrize("persistence", [0.0, 0.8])
    def test_persistence_is_the_autocorrelation(self, persistence):
        X, _ = make_panel(2, 20_000, 1, persistence=persistence, return_X_y=True, random_state=0)
        x = X.to_numpy().reshape(2, 20_000)
        assert np.corrcoef(x)[0, 1] == pytest.approx(persistence, abs=0.03)

    @law
    @given(SEEDS, SHARES)
    def test_missing_rows_are_an_exact_share_and_the_others_stay_the_same(self, seed, share):
        full, some = (make_panel(4, 6, 2, missing=m, random_state=seed) for m in (0.0, share))
        assert len(some.data) == 24 - round(24 * share)
        pd.testing.assert_frame_equal(some.data, full.data.loc[some.data.index])
        pd.testing.assert_series_equal(some.target, full.target.loc[some.data.index])
        pd.testing.assert_frame_equal(some.lambdas, full.lambdas)
        assert some.data.notna().all(axis=None)

    def test_rows_are_labelled_and_ordered_by_period_and_asset(self):
        panel = make_panel(3, 10, 1, freq="Q", start="1999Q4", random_state=0)
        dates = pd.period_range("1999Q4", periods=3, freq="Q", name="date")
        pd.testing.assert_index_equal(panel.lambdas.index, dates)
        assert panel.data.index.names == ["date", "asset"]
        assert panel.data.index.is_monotonic_increasing
        assert list(panel.data.loc["1999Q4"].index[[0, -1]]) == ["A01", "A10"]
        assert panel.target.name == "return"
        assert panel.feature_names == list(panel.data.columns) == ["x1"]

    def test_the_tuple_is_the_data_and_the_target(self):
        panel = make_panel(3, 4, 2, random_state=1)
        X, y = make_panel(3, 4, 2, random_state=1, return_X_y=True)
        pd.testing.assert_frame_equal(X, panel.data)
        pd.testing.assert_series_equal(y, panel.target)

    def test_another_seed_gives_other_data(self):
        one, other = (make_panel(3, 4, 2, random_state=seed).target for seed in (0, 1))
        assert not np.isclose(one, other).any()

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"n_dates": 0}, r"n_dates == 0, must be >= 1"),
            ({"n_features": 0}, r"n_features == 0, must be >= 1"),
            ({"premia": [0.1, 0.2]}, r"premia has to be one number or 3 .* shape \(2,\)"),
            ({"premia": [0.1, np.nan, 0.2]}, "premia has to be finite"),
            ({"zero_beta_rate": np.inf}, "zero_beta_rate has to be finite; found inf"),
            ({"premia_volatility": -0.1}, "premia_volatility is a standard .* found -0.1"),
            ({"noise": [0.1, 0.2]}, r"noise has to be one number or 5 .* shape \(2,\)"),
            ({"missing": 1.0}, "missing has to be at least 0 and below 1; found 1.0"),
            ({"missing": np.nan}, "missing has to be at least 0 and below 1; found nan"),
            ({"persistence": -0.1}, "persistence has to be at least 0 .* found -0.1"),
        ],
    )
    def test_a_wrong_parameter_is_named_with_what_was_found(self, parameters, message):
        valid = {"n_dates": 4, "n_assets": 5, "n_features": 3}
        with pytest.raises(ValueError, match=message):
            make_panel(**(valid | parameters))

    def test_a_number_of_assets_that_is_not_whole_is_a_type_error(self):
        with pytest.raises(TypeError, match="n_assets must be an instance of int"):
            make_panel(n_assets=10.0)


class TestTwoPass:
    def test_returns_are_expected_returns_plus_betas_times_factor_surprises(self):
        betas = [[1.0, 0.0], [0.5, 2.0]]
        market = make_two_pass(
            50,
            2,
            2,
            betas=betas,
            premia=[0.01, 0.02],
            zero_beta_rate=0.003,
            pricing_errors=[0.001, -0.001],
            noise=0.0,
            random_state=0,
        )
        expected = [0.003 + 0.01 + 0.001, 0.003 + 0.5 * 0.01 + 2.0 * 0.02 - 0.001]
        np.testing.assert_allclose(market.expected_returns, expected)
        surprises = market.data.to_numpy() - [0.01, 0.02]
        np.testing.assert_allclose(market.target, expected + surprises @ np.transpose(betas))

    def test_time_series_regressions_recover_the_betas(self):
        market = make_two_pass(400, 5, 2, noise=1e-6, random_state=0)
        design = np.column_stack([np.ones(400), market.data])
        betas = np.linalg.lstsq(design, market.target)[0][1:].T
        np.testing.assert_allclose(betas, market.betas, atol=1e-5)

    @law
    @given(SEEDS)
    def test_the_truth_fits_together(self, seed):
        market = make_two_pass(
            2, 7, 2, pricing_errors=0.002, zero_beta_rate=0.001, random_state=seed
        )
        fitted = market.premia["const"] + market.betas @ market.premia[["f1", "f2"]]
        np.testing.assert_allclose(market.expected_returns, fitted + market.pricing_errors)

    @law
    @given(SEEDS)
    def test_drawn_pricing_errors_leave_the_premia_the_least_squares_ones(self, seed):
        market = make_two_pass(2, 7, 2, pricing_errors=0.002, random_state=seed)
        design = np.column_stack([np.ones(7), market.betas])
        np.testing.assert_allclose(design.T @ market.pricing_errors, 0.0, atol=1e-14)
        assert market.pricing_errors.std(ddof=0) == pytest.approx(0.002)
        premia = np.linalg.lstsq(design, market.expected_returns)[0]
        np.testing.assert_allclose(premia, market.premia, atol=1e-9)

    @law
    @given(SEEDS)
    def test_pricing_errors_change_nothing_but_the_means(self, seed):
        right, wrong = (
            make_two_pass(3, 6, 2, pricing_errors=e, missing=0.2, random_state=seed)
            for e in (None, 0.01)
        )
        assert (right.pricing_errors == 0.0).all()
        pd.testing.assert_frame_equal(wrong.target - wrong.pricing_errors, right.target)
        pd.testing.assert_frame_equal(wrong.data, right.data)

    def test_factors_are_traded_unless_their_means_are_given(self):
        sizes = {"n_periods": 20_000, "n_assets": 1, "n_factors": 2, "random_state": 0}
        traded = make_two_pass(**sizes, premia=[0.02, 0.01])
        other = make_two_pass(**sizes, premia=[0.02, 0.01], factor_means=0.0)
        np.testing.assert_allclose(traded.data.mean(), [0.02, 0.01], atol=4 * 0.04 / 20_000**0.5)
        np.testing.assert_allclose(traded.data - other.data, np.tile([0.02, 0.01], (20_000, 1)))
        pd.testing.assert_series_equal(traded.expected_returns, other.expected_returns)

    def test_volatility_and_noise_are_standard_deviations(self):
        market = make_two_pass(
            20_000,
            2,
            2,
            betas=np.zeros((2, 2)),
            factor_volatility=[0.01, 0.05],
            noise=[0.02, 0.2],
            random_state=0,
        )
        np.testing.assert_allclose(market.data.std(), [0.01, 0.05], rtol=0.03)
        np.testing.assert_allclose(market.target.std(), [0.02, 0.2], rtol=0.03)

    @law
    @given(SEEDS, SHARES)
    def test_missing_returns_are_an_exact_share_and_the_others_stay_the_same(self, seed, share):
        full, some = (make_two_pass(5, 4, 2, missing=m, random_state=seed) for m in (0.0, share))
        gaps = some.target.isna()
        assert gaps.to_numpy().sum() == round(20 * share)
        pd.testing.assert_frame_equal(some.target, full.target.mask(gaps))
        pd.testing.assert_frame_equal(some.data, full.data)

    def test_a_frame_of_betas_names_assets_and_factors(self):
        betas = pd.DataFrame({"market": [1.0, 0.5], "size": [0.0, 1.0]}, index=["big", "small"])
        market = make_two_pass(3, 2, 2, betas=betas, random_state=0)
        pd.testing.assert_frame_equal(market.betas, betas)
        assert list(market.data) == market.feature_names == ["market", "size"]
        assert list(market.premia.index) == ["const", "market", "size"]
        for labels in (market.target.columns, market.pricing_errors.index):
            assert list(labels) == ["big", "small"]

    def test_what_is_given_is_copied(self):
        betas, errors = pd.DataFrame(np.ones((2, 1))), np.zeros(2)
        market = make_two_pass(3, 2, 1, betas=betas, pricing_errors=errors, random_state=0)
        market.betas.iloc[0, 0] = market.pricing_errors.iloc[0] = 9.0
        assert betas.iloc[0, 0] == 1.0
        assert errors[0] == 0.0

    def test_the_tuple_is_the_factors_and_the_returns_of_the_same_periods(self):
        X, y = make_two_pass(3, 4, 2, start="2001-05", return_X_y=True, random_state=0)
        months = pd.period_range("2001-05", periods=3, freq="M", name="date")
        pd.testing.assert_index_equal(X.index, months)
        pd.testing.assert_index_equal(y.index, months)
        pd.testing.assert_frame_equal(
            y, make_two_pass(3, 4, 2, start="2001-05", random_state=0).target
        )

    def test_another_seed_gives_other_data(self):
        one, other = (make_two_pass(3, 4, 2, random_state=seed).target for seed in (0, 1))
        assert not np.isclose(one, other).any()

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"n_periods": 0}, "n_periods == 0, must be >= 1"),
            ({"betas": np.ones((2, 5))}, r"here \(5, 2\); found \(2, 5\)"),
            ({"betas": np.full((5, 2), np.nan)}, "betas has to be finite"),
            ({"premia": [1.0, 2.0, 3.0]}, r"premia has to be one number or 2 .* shape \(3,\)"),
            ({"factor_means": [1.0]}, r"factor_means has to be .* shape \(1,\)"),
            ({"factor_volatility": [0.1, -0.1]}, "factor_volatility is a standard deviation"),
            ({"noise": np.inf}, "noise has to be finite"),
            ({"pricing_errors": -0.1}, "pricing_errors is a standard deviation"),
            ({"pricing_errors": [0.1]}, r"pricing_errors has to be .* shape \(1,\)"),
            ({"pricing_errors": 0.1, "n_assets": 3}, "need at least 4 assets; found n_assets=3"),
            ({"missing": -0.1}, "missing has to be at least 0 and below 1; found -0.1"),
        ],
    )
    def test_a_wrong_parameter_is_named_with_what_was_found(self, parameters, message):
        valid = {"n_periods": 4, "n_assets": 5, "n_factors": 2}
        with pytest.raises(ValueError, match=message):
            make_two_pass(**(valid | parameters))


@pytest.mark.parametrize("value", ["foo", None, [], object(), 1j])
def test_what_is_no_number_is_named(value):
    with pytest.raises(ValueError, match="missing has to be at least 0"):
        make_panel(missing=value)
    with pytest.raises(ValueError, match="noise has to"):
        make_panel(noise=value)


def test_sizes_and_dates_that_cannot_be_are_refused():
    for sizes in ({"n_dates": 10**30}, {"n_dates": 10**5, "n_assets": 10**5}):
        with pytest.raises(ValueError, match="ask for more than the"):
            make_panel(**sizes)
    for dates in ({"freq": "Mx"}, {"start": 1.5}, {"start": "x1"}, {"freq": object()}):
        with pytest.raises(ValueError, match="make no periods"):
            make_two_pass(**dates)

"""The regressions of each date: ill-conditioned, thin and collinear ones, and their average."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import qr_least_squares, random_panel

from skfactor import BiasCorrectedFamaMacBeth, FactorBetas, FamaMacBeth, RidgeFamaMacBeth
from skfactor._passes.cross_sections import regress_panel
from skfactor._passes.slopes import average_weights
from skfactor.exceptions import RankDeficientWarning


@pytest.fixture
def panel():
    data = random_panel(np.random.default_rng(0), n_features=3)
    return data[["x0", "x1"]], data["x2"].rename("return") / 100.0


def _balanced(n_dates, n_assets, n_features, seed=0):
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([range(n_dates), range(n_assets)], names=["date", "asset"])
    names = [f"x{k}" for k in range(n_features)]
    X = pd.DataFrame(rng.normal(size=(len(index), n_features)), index, names)
    return X, pd.Series(rng.normal(size=len(index)), index)


# --- ill-conditioned exposures ------------------------------------------------------------------


def _shifted(x):
    return x + 1e6


def _unlike_scales(x):
    return x * [1e-8, 1e8]


def _nearly_collinear(x):
    return x.assign(x1=0.999999 * x["x0"] + np.sqrt(1.0 - 0.999999**2) * x["x1"])


def _all_at_once(x):
    return _unlike_scales(_shifted(_nearly_collinear(x)))


@pytest.mark.parametrize(
    ("spoil", "fit_intercept"),
    [
        (_shifted, True),
        (_shifted, False),
        (_unlike_scales, True),
        (_unlike_scales, False),
        (_nearly_collinear, True),
        (_nearly_collinear, False),
        (_all_at_once, True),
    ],
)
def test_ill_conditioned_exposures_agree_with_a_centred_qr(spoil, fit_intercept):
    X, y = _balanced(4, 200, 2)
    X = spoil(X)
    model = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
    for date, slopes in model.lambdas_.iterrows():
        x, r = X.loc[date].to_numpy(), y.loc[date].to_numpy()
        expected = qr_least_squares(x, r, fit_intercept=fit_intercept)
        assert_allclose(slopes, expected, rtol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_features", [2, 3, 4, 17])
@pytest.mark.parametrize("distance", [1e-6, 1e-8, 1e-11, 1e-15])
# Of dates that are collinear, as some are to be.
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning")
def test_exposures_short_of_collinear_are_solved_or_reported(distance, n_features, fit_intercept):
    X, y = _balanced(8, 40, n_features)
    near = X["x0"].to_numpy()[:, None] + distance * X.to_numpy()
    X.loc[1:] = near[40:]  # the first date stays as it is
    y = y + 3.0 * X["x0"]
    model = FamaMacBeth(fit_intercept=fit_intercept).fit(X, y)
    solved = model.lambdas_.notna().all(axis=1)
    assert solved[0]
    if distance >= 1e-8:
        assert solved.all()
    if distance <= 1e-15:
        assert not solved[1:].any()
    for date in solved.index[solved]:
        x, slopes = X.loc[date].to_numpy(), model.lambdas_.loc[date].to_numpy()
        fitted = x @ slopes[-n_features:] + (slopes[0] if fit_intercept else 0.0)
        error = y.loc[date] - fitted
        # Residuals are orthogonal to the common column, and as small as R squared says, up to
        # the rounding of large slopes that cancel.
        rounding = 1e-14 * np.abs(slopes).max() * len(x)
        assert_allclose(error @ x[:, 0], 0.0, atol=rounding)
        total = y.loc[date] - (y.loc[date].mean() if fit_intercept else 0.0)
        r2 = 1.0 - (error @ error) / (total @ total)
        assert_allclose(model.cross_sections_.loc[date, "r2"], r2, atol=rounding)


@pytest.mark.parametrize("level", [7.0, 7.1, 1e-9, 1234567.89])
@pytest.mark.parametrize("others", [[], ["x1"], ["x1", "x2", "x3"]])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_date_on_which_a_column_is_constant_is_deficient_and_the_others_stay(
    level, others, dtype
):
    # A sum of equal numbers is not always a multiple of them: what is left is rounding.
    X, y = _balanced(6, 25, 4)
    X = X[["x0", *others]].astype(dtype)
    expected = FamaMacBeth().fit(X, y).lambdas_
    X.loc[5, "x0"] = dtype(level)
    with pytest.warns(RankDeficientWarning, match=r"1 of 6 dates .* constant exposures"):
        model = FamaMacBeth().fit(X, y)
    assert model.lambdas_.loc[5].isna().all()
    assert_allclose(model.lambdas_.loc[:4], expected.loc[:4], rtol=1e-9)


def test_exposures_equal_up_to_rounding_are_reported_and_never_solved(panel):
    X, y = panel
    X = X.assign(again=3.0 * X["x0"] - 7.0)
    with pytest.raises(ValueError, match=r"premia of 6 of 6 dates .* 6 with collinear"):
        FamaMacBeth().fit(X, y)


# --- thin, collinear and missing ----------------------------------------------------------------


def _spoil_two_dates(X, y):
    """A date with too few returns and one with collinear exposures."""
    dates = X.index.get_level_values("date")
    thin, collinear = sorted(dates.unique())[1:3]
    y = y.where((dates != thin) | (y.groupby(level="date").cumcount() < 2))
    X = X.assign(x1=np.where(dates == collinear, 2.0 * X["x0"], X["x1"]))
    return X, y, [thin, collinear]


def test_thin_and_collinear_dates_are_nan_and_counted_in_one_warning(panel):
    X, y, bad = _spoil_two_dates(*panel)
    message = r"of 2 of 6 dates are NaN: 1 with fewer than 3 assets .*; 1 with collinear .*\(first"
    with pytest.warns(RankDeficientWarning, match=message) as caught:
        model = FamaMacBeth().fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    failed = model.lambdas_.isna()
    assert_array_equal(failed.any(axis=1), failed.all(axis=1))
    assert list(model.dates_[failed.all(axis=1)]) == bad
    rest = ~X.index.get_level_values("date").isin(bad)
    expected = FamaMacBeth().fit(X[rest], y[rest])
    assert_allclose(model.premia_, expected.premia_, rtol=1e-12)
    assert model.cross_sections_.loc[bad, ["r2", "condition_number"]].isna().all(axis=None)
    assert "4 of 6" in str(model.summary())


def test_rank_deficient_raise_refuses_thin_and_collinear_dates(panel):
    X, y, _ = _spoil_two_dates(*panel)
    with pytest.raises(ValueError, match=r"2 of 6 dates cannot be estimated.*rank_deficient='nan'"):
        FamaMacBeth(rank_deficient="raise").fit(X, y)


def test_min_assets_makes_thinner_dates_nan(panel):
    X, y = panel
    counts = FamaMacBeth().fit(X, y).cross_sections_["n_assets"]
    fewest = int(counts.max())
    with pytest.warns(RankDeficientWarning, match=rf"fewer than {fewest} assets"):
        model = FamaMacBeth(min_assets=fewest).fit(X, y)
    assert_array_equal(model.lambdas_["const"].notna(), counts == fewest)


def test_a_date_with_as_many_assets_as_coefficients_is_solved_exactly():
    index = pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["date", "asset"])
    X = pd.DataFrame({"x": [0.0, 1.0, 1.0, 3.0]}, index)
    model = FamaMacBeth().fit(X, pd.Series([1.0, 3.0, 0.0, 1.0], index))
    assert_allclose(model.lambdas_, [[1.0, 2.0], [-0.5, 0.5]], atol=1e-15)
    assert_allclose(model.premia_, [0.25, 1.25])
    assert_allclose(model.cross_sections_["r2"], 1.0)
    assert model.cross_sections_["adj_r2"].isna().all()


def test_a_column_without_any_value_is_named(panel):
    X, y = panel
    with pytest.raises(ValueError, match=r"6 of 6 dates.*at most 0.*\['x1'\] have no value at all"):
        FamaMacBeth().fit(X.assign(x1=np.nan), y)


# Arrays are what is tried.
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning")
def test_arrays_without_dates_that_cannot_be_estimated_give_nan_and_a_warning():
    with pytest.warns(RankDeficientWarning, match=r"1 of 1 dates are NaN: 1 with fewer than 4"):
        model = FamaMacBeth().fit(np.eye(3), np.arange(3.0))
    assert model.premia_.isna().all()
    assert np.isnan(model.predict(np.eye(3))).all()
    with pytest.raises(ValueError, match=r"premia cannot be estimated: 1 with fewer than 4"):
        FamaMacBeth(rank_deficient="raise").fit(np.eye(3), np.arange(3.0))


# --- constant columns ---------------------------------------------------------------------------


def test_a_column_constant_within_every_date_is_taken_for_factor_returns(panel):
    X, y = panel
    market = X.index.get_level_values("date").day / 100.0
    for fit_intercept in (True, False):
        message = r"columns \['x1'\] vary over dates but not within any.*FactorBetas\(\) before"
        with pytest.raises(ValueError, match=message):
            FamaMacBeth(fit_intercept=fit_intercept).fit(X.assign(x1=market), y)


@pytest.mark.parametrize("level", [1.0, 0.1, -3e7, 0.0])
def test_a_column_constant_everywhere_needs_no_intercept_beside_it(panel, level):
    X, y = panel
    X = X.assign(ones=level)
    with pytest.raises(ValueError, match=r"\['ones'\] are constant everywhere.*fit_intercept=Fal"):
        FamaMacBeth().fit(X, y)
    if level == 0.0:
        with pytest.raises(ValueError, match="6 with collinear or constant exposures"):
            FamaMacBeth(fit_intercept=False).fit(X, y)
        return
    model = FamaMacBeth(fit_intercept=False).fit(X, y)
    expected = FamaMacBeth().fit(X[["x0", "x1"]], y).lambdas_
    assert_allclose(model.lambdas_["ones"] * level, expected["const"], rtol=1e-9)
    assert_allclose(model.lambdas_[["x0", "x1"]], expected[["x0", "x1"]], rtol=1e-9)


def test_a_column_constant_on_all_dates_but_one_leaves_that_one(panel):
    X, y = panel
    dates = X.index.get_level_values("date")
    X = X.assign(x1=X["x1"].where(dates == dates.min(), dates.day.astype(float)))
    with pytest.warns(RankDeficientWarning, match=r"5 of 6 dates are NaN: 5 with collinear"):
        model = FamaMacBeth().fit(X, y)
    assert model.lambdas_.notna().any(axis=1).sum() == 1


# --- the average over dates ---------------------------------------------------------------------

ALL = np.ones(6, dtype=bool)
SOME = np.array([True, False, True, True, False, True])
EVERY = np.arange(6)
GAPS = np.array([0, 1, 2, 6, 7, 8])


@pytest.mark.parametrize(
    ("positions", "estimated", "window", "halflife", "expected"),
    [
        (EVERY, ALL, None, None, [1, 1, 1, 1, 1, 1]),
        (EVERY, SOME, None, None, [1, 0, 1, 1, 0, 1]),
        (EVERY, ALL, 2, None, [0, 0, 0, 0, 1, 1]),
        (EVERY, SOME, 2, None, [0, 0, 0, 0, 0, 1]),
        (EVERY, SOME, 3, None, [0, 0, 0, 1, 0, 1]),
        (EVERY, ALL, 99, None, [1, 1, 1, 1, 1, 1]),
        (EVERY, ALL, None, 1.0, [1, 2, 4, 8, 16, 32]),
        (EVERY, SOME, None, 1.0, [1, 0, 4, 8, 0, 32]),
        (EVERY, ALL, None, 2.0, 2.0 ** (EVERY / 2.0)),
        (GAPS, ALL, None, 1.0, [1, 2, 4, 64, 128, 256]),
        (EVERY, ALL, 3, 1.0, [0, 0, 0, 1, 2, 4]),
    ],
)
def test_weights_of_dates_are_those_written_out(positions, estimated, window, halflife, expected):
    weights = average_weights(positions, estimated, window, halflife)
    assert_allclose(weights, np.divide(expected, np.sum(expected)), rtol=1e-14)


def test_a_window_without_an_estimated_date_raises(panel):
    assert np.isnan(average_weights(EVERY, ~EVERY.astype(bool), 1, None)).all()
    X, y = panel
    dates = X.index.get_level_values("date")
    with (
        pytest.warns(RankDeficientWarning),
        pytest.raises(ValueError, match=r"None of the last 1 dates .* longer premia_window"),
    ):
        FamaMacBeth(premia_window=1).fit(X, y.where(dates != dates.max()))


def test_premia_are_the_weighted_average_of_the_slopes(panel):
    slopes = FamaMacBeth().fit(*panel).lambdas_
    window = FamaMacBeth(premia_window=2).fit(*panel)
    assert_allclose(window.premia_, slopes.iloc[-2:].mean(), rtol=1e-12)
    weighted = FamaMacBeth(premia_halflife=1.5).fit(*panel)
    weights = 0.5 ** (np.arange(6)[::-1] / 1.5)
    assert_allclose(weighted.premia_, weights @ slopes / weights.sum(), rtol=1e-12)
    assert_allclose(weighted.lambdas_, slopes)


def test_halflives_are_measured_in_periods_where_dates_are_periods(panel):
    X, y = panel
    months = pd.PeriodIndex(
        ["2020-01", "2020-02", "2020-03", "2021-03", "2021-04", "2021-05"], freq="M"
    )
    stamps = np.sort(X.index.unique("date"))
    by_stamp = dict(zip(stamps, months, strict=True))
    dates = [by_stamp[date] for date in X.index.get_level_values("date").to_numpy()]
    model = FamaMacBeth(premia_halflife=3.0).fit(X.to_numpy(), y.to_numpy(), dates=dates)
    weights = 0.5 ** (np.array([16, 15, 14, 2, 1, 0]) / 3.0)
    assert_allclose(model.premia_, weights @ model.lambdas_ / weights.sum(), rtol=1e-12)
    by_rank = FamaMacBeth(premia_halflife=3.0).fit(X, y)
    assert not np.allclose(by_rank.premia_, model.premia_)


# --- memory -------------------------------------------------------------------------------------


def test_more_exposures_than_assets_on_any_date_are_refused_before_memory_is_taken():
    rng = np.random.default_rng(0)
    X, y = _balanced(8, 10, 1500)
    periods = pd.DataFrame(rng.normal(size=(400, 1500))).add_prefix("f")
    returns = pd.DataFrame(rng.normal(size=(400, 10)))
    for model, data, target in (
        (FamaMacBeth(), X, y),
        (RidgeFamaMacBeth(alpha=0.0), X, y),
        (FamaMacBeth(), periods, returns),
        (BiasCorrectedFamaMacBeth(), periods, returns),
    ):
        tracemalloc.start()
        with pytest.raises(ValueError, match="1500 exposures need at least 1501 assets"):
            model.fit(data, target)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 15e6  # one table of products has 18 MB a date
    with pytest.raises(ValueError, match="1500 factors need at least 1501 dates"):
        FactorBetas().fit(periods[:100], returns[:100])


@pytest.mark.parametrize("weighted", [False, True])
def test_dates_are_fitted_in_runs_that_fit_into_memory(monkeypatch, weighted):
    rng = np.random.default_rng(0)
    X, y = _balanced(20, 15, 3)
    rows = rng.permutation(len(X))
    X, y = X.iloc[rows], y.iloc[rows]
    weights = rng.random(len(X)) if weighted else None
    whole = FamaMacBeth().fit(X, y, sample_weight=weights)
    held = []

    def spy(columns, returns, weights, segments, **options):
        held.append(len(segments) * (len(columns) + 2) ** 2)
        return regress_panel(columns, returns, weights, segments, **options)

    monkeypatch.setattr("skfactor._passes.cross_sections._MOST_PRODUCTS", 100)
    monkeypatch.setattr("skfactor.linear_model._panel_fit.regress_panel", spy)
    parts = FamaMacBeth().fit(X, y, sample_weight=weights)
    assert max(held) <= 100
    assert len(held) == 5
    assert_frame_equal(parts.lambdas_, whole.lambdas_, rtol=1e-12)
    assert_frame_equal(parts.cross_sections_, whole.cross_sections_, rtol=1e-9)
    assert_frame_equal(parts.inference().cov, whole.inference().cov, rtol=1e-9)

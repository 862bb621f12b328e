"""How far apart two dates are is one rule: every function with a lag agrees with all others."""

from __future__ import annotations

import dataclasses
import inspect
import re
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.iolib.summary import Summary

import skfactor
from skfactor import (
    BiasCorrectedFamaMacBeth,
    FactorBetas,
    FamaMacBeth,
    FundamentalFactorModel,
    InstrumentedPCA,
    InstrumentedPCACV,
    LinearFactorGMM,
    PooledRegression,
    RidgeFamaMacBeth,
    ThreePassPremia,
    TradedFactorModel,
    frames,
    inference,
    metrics,
    model_selection,
    plotting,
    portfolios,
    risk,
    summary,
)
from skfactor._dates import calendar_positions
from skfactor.frames import forward_returns

# Older pandas has periods of business days, which newer ones deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*(PeriodDtype|BDay|BusinessDay)"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
]

T, N, K = 48, 8, 2
HAC = {"kernel": "bartlett", "bandwidth": 4}
AUTOMATIC = {"kernel": "bartlett", "bandwidth": "newey-west"}
WHITE = {"kernel": "quadratic-spectral", "bandwidth": "andrews", "prewhiten": True}

_RNG = np.random.default_rng(0)
# Serially correlated, so that lags matter.
FACTORS = np.cumsum(_RNG.normal(size=(T, K)), axis=0) * 0.01 + _RNG.normal(size=(T, K)) * 0.04
RETURNS = FACTORS @ _RNG.uniform(0.5, 1.5, size=(K, N)) + _RNG.normal(size=(T, N)) * 0.03
EXPOSURES = _RNG.normal(size=(T * N, K))
OUTCOMES = (EXPOSURES * np.repeat(FACTORS, N, axis=0)).sum(axis=1) + _RNG.normal(size=T * N) * 0.03
ASSETS = list("abcdefgh")


def _weekly_days():
    return pd.period_range("2000-01-07", periods=7 * T, freq="D")[::7]


# Dates that say of each other only which comes first.
RANKED = {
    "month ends": lambda: pd.date_range("2000-01-31", periods=T, freq="ME"),
    "minutes": lambda: pd.date_range("2000-01-07 09:30", periods=T, freq="min"),
    "integers": lambda: pd.Index(list(range(200001, 200001 + 2 * T, 2))),
    "text": lambda: pd.Index(pd.date_range("2000-01-07", periods=T).strftime("%Y-%m-%d")),
    "periods of days": lambda: pd.period_range("2000-01-07", periods=T, freq="D"),
    "periods of days, weekly": _weekly_days,
    "periods of business days": lambda: pd.period_range("2000-01-07", periods=T, freq="B"),
}
# Dates of which it is known how many lie between.
COUNTED = {
    freq: lambda freq=freq: pd.period_range("2000-01-07", periods=T, freq=freq)
    for freq in ("M", "W-FRI", "Q", "Y", "3M")
}


class Sample:
    """The same observations, whatever their dates are called."""

    def __init__(self, dates, kept):
        dates = dates.rename("date")[kept]
        rows = np.flatnonzero(np.repeat(kept, N))
        self.index = pd.MultiIndex.from_product([dates, ASSETS], names=["date", "asset"])
        self.factors = pd.DataFrame(FACTORS[kept], dates, ["f", "g"])
        self.returns = pd.DataFrame(RETURNS[kept], dates, ASSETS)
        self.X = pd.DataFrame(EXPOSURES[rows], self.index, ["f", "g"])
        self.y = pd.Series(OUTCOMES[rows], self.index)
        self.long = self.factors.loc[self.index.get_level_values(0)].set_axis(self.index)
        self.long_y = pd.Series(RETURNS[kept].ravel(), self.index)

    def panel(self, **parameters):
        return FamaMacBeth(**parameters).fit(self.X, self.y)

    def wide(self, **parameters):
        return FamaMacBeth(**parameters).fit(self.factors, self.returns)

    def in_parts(self, halflife):
        model = FamaMacBeth(premia_halflife=halflife)
        for rows in (slice(0, 30 * N), slice(30 * N, 36 * N), slice(36 * N, None)):
            model.partial_fit(self.X[rows], self.y[rows])
        return model.premia_

    def split(self, splitter):
        place = {date: i for i, date in enumerate(self.factors.index)}
        return [len(train) for train, _ in splitter.split(self.X)] + [
            place[self.index[test[0]][0]] for _, test in splitter.split(self.X)
        ]


def _equal(returns):
    return pd.Series(1.0, returns.columns)


def _fundamental(sample):
    return FundamentalFactorModel().fit(
        sample.X, sample.y, groupby=dict(zip(ASSETS, "ppppqqqq", strict=True))
    )


def _three_pass(sample):
    return ThreePassPremia(2).fit(sample.factors, sample.returns)


def _compared(sample, **how):
    forecasts = {name: sample.X[name] for name in ("f", "g")}
    return metrics.compare_forecasts(sample.y, forecasts, n_quantiles=2, **how).dm_p_values


def _premia(model, **how):
    found = model.inference(**how)
    return [*found.std_errors, found.bandwidth or 0.0]


def _intervals(sample):
    panel = Figure().add_subplot()
    display = plotting.QuantileReturnsDisplay.from_predictions(
        sample.y, sample.X["f"], n_quantiles=2, horizon=4, kind="mean", ax=panel
    )
    return display.intervals_[2][0].get_segments()


def _refused(call):
    """Whether returns over some dates are said to overlap with those of tests after 34 dates."""

    def use(sample):
        rows = np.arange(len(sample.X))
        try:
            call(sample.X, sample.y, cv=[(rows[: 34 * N], rows[34 * N :])], horizon=3)
        except ValueError as error:
            assert "overlap" in str(error)  # noqa: PT017  # of the cases that raise, not of all
            return 1.0
        return 0.0

    return use


# What it is called with, by its name and that of the parameter which counts dates.
USES = {
    ("FamaMacBeth.inference", "kernel"): [
        lambda s: _premia(s.panel(), **HAC),
        lambda s: _premia(s.panel(), **AUTOMATIC),
        lambda s: _premia(s.panel(), **WHITE),
        lambda s: _premia(s.wide(), **HAC),
        lambda s: _premia(s.wide(), covariance="shanken", **HAC),
        lambda s: _premia(s.wide(), covariance="gmm", **WHITE),
    ],
    ("FamaMacBeth", "premia_halflife"): [
        lambda s: s.panel(premia_halflife=3.0).premia_,
        lambda s: s.wide(premia_halflife=3.0).premia_,
        lambda s: s.in_parts(3.0),
    ],
    ("RidgeFamaMacBeth.inference", "kernel"): [
        lambda s: _premia(RidgeFamaMacBeth().fit(s.X, s.y), **HAC)
    ],
    ("RidgeFamaMacBeth", "premia_halflife"): [
        lambda s: RidgeFamaMacBeth(premia_halflife=3.0).fit(s.X, s.y).premia_
    ],
    ("PooledRegression.inference", "kernel"): [
        lambda s: _premia(PooledRegression().fit(s.X, s.y), covariance="driscoll-kraay", **HAC)
    ],
    ("FamaMacBeth.inference", "horizon"): [
        lambda s: _premia(s.panel(), horizon=2),
    ],
    ("RidgeFamaMacBeth.inference", "horizon"): [
        lambda s: _premia(RidgeFamaMacBeth().fit(s.X, s.y), horizon=2),
    ],
    ("BiasCorrectedFamaMacBeth.inference", "horizon"): [
        lambda s: _premia(
            BiasCorrectedFamaMacBeth().fit(s.factors, s.returns), horizon=2, kernel="hansen-hodrick"
        ),
        lambda s: _premia(BiasCorrectedFamaMacBeth().fit(s.factors, s.returns), horizon=2),
    ],
    ("PooledRegression.inference", "horizon"): [
        lambda s: _premia(PooledRegression().fit(s.X, s.y), covariance="driscoll-kraay", horizon=2)
    ],
    ("FactorBetas.standard_errors", "kernel"): [
        lambda s: FactorBetas().fit(s.factors, s.returns).standard_errors(**HAC)
    ],
    ("FamaMacBeth.portfolio_betas", "kernel"): [
        lambda s: s.wide().portfolio_betas(_equal(s.returns), "hc1", **HAC)
    ],
    ("BiasCorrectedFamaMacBeth.portfolio_betas", "kernel"): [
        lambda s: (
            BiasCorrectedFamaMacBeth()
            .fit(s.factors, s.returns)
            .portfolio_betas(_equal(s.returns), "hc1", **HAC)
        )
    ],
    ("infer_mean", "kernel"): [
        lambda s: metrics.infer_mean(s.factors["f"], horizon=5, kernel="ewc").std_error
    ],
    ("InstrumentedPCA", "premia_halflife"): [
        lambda s: InstrumentedPCA(premia_halflife=3.0).fit(s.X, s.y).premia_
    ],
    ("InstrumentedPCACV", "premia_halflife"): [
        lambda s: (
            InstrumentedPCACV((1,), cv=2, premia_halflife=3.0, random_state=0).fit(s.X, s.y).premia_
        )
    ],
    ("ThreePassPremia.inference", "kernel"): [lambda s: _premia(_three_pass(s), **HAC)],
    ("ThreePassPremia.strength_test", "kernel"): [lambda s: _three_pass(s).strength_test(**HAC)],
    ("FundamentalFactorModel.inference", "kernel"): [lambda s: _premia(_fundamental(s), **HAC)],
    ("FundamentalFactorModel.inference", "horizon"): [
        lambda s: _premia(_fundamental(s), horizon=2)
    ],
    ("EWMCovariance", "halflife"): [
        lambda s: risk.EWMCovariance(5.0, correlation_halflife=9.0).fit(s.factors).covariance_
    ],
    ("EWMCovariance", "lags"): [
        lambda s: risk.EWMCovariance(lags=2, correlation_lags=2).fit(s.factors).covariance_
    ],
    ("EWMCovariance", "horizon"): [
        lambda s: risk.EWMCovariance(lags=2, horizon=3).fit(s.factors).covariance_
    ],
    ("SpecificRisk", "halflife"): [lambda s: risk.SpecificRisk(5.0).fit(s.returns).variances_],
    ("SpecificRisk", "lags"): [lambda s: risk.SpecificRisk(lags=2).fit(s.returns).variances_],
    ("BiasCorrectedFamaMacBeth.inference", "kernel"): [
        lambda s: _premia(BiasCorrectedFamaMacBeth().fit(s.factors, s.returns), **HAC)
    ],
    ("BiasCorrectedFamaMacBeth", "premia_halflife"): [
        lambda s: BiasCorrectedFamaMacBeth(premia_halflife=3.0).fit(s.factors, s.returns).premia_
    ],
    ("FactorBetas", "lag"): [
        lambda s: FactorBetas(12, lag=3).fit(s.long, s.long_y).transform(s.long),
        lambda s: FactorBetas(12, lag=3).fit(s.long, s.long_y).transform(s.long.iloc[-N:]),
        lambda s: s.wide(betas=FactorBetas(12, lag=3)).lambdas_,
    ],
    ("FactorBetas", "halflife"): [
        lambda s: FactorBetas(halflife=5.0).fit(s.factors, s.returns).betas_,
        lambda s: FactorBetas(12, halflife=5.0).fit(s.factors, s.returns).betas_,
    ],
    ("TradedFactorModel.inference", "kernel"): [
        lambda s: _premia(TradedFactorModel().fit(s.factors, s.returns), **HAC),
        lambda s: _premia(TradedFactorModel().fit(s.factors, s.returns), **AUTOMATIC),
    ],
    ("TradedFactorModel.alpha_inference", "kernel"): [
        lambda s: TradedFactorModel().fit(s.factors, s.returns).alpha_inference(**HAC).std_errors
    ],
    ("TradedFactorModel.grs_test", "kernel"): [
        lambda s: (
            TradedFactorModel()
            .fit(s.factors, s.returns)
            .grs_test(covariance="robust", small_sample=False, **HAC)
            .statistic
        )
    ],
    ("TradedFactorModel.j_test", "kernel"): [
        lambda s: (
            TradedFactorModel()
            .fit(s.factors, s.returns)
            .j_test(small_sample=False, **HAC)
            .statistic
        )
    ],
    ("LinearFactorGMM", "kernel"): [
        lambda s: LinearFactorGMM(**HAC).fit(s.factors, s.returns).premia_
    ],
    ("grs_test", "kernel"): [
        lambda s: (
            inference.grs_test(
                s.factors, s.returns, covariance="robust", small_sample=False, **HAC
            ).statistic
        )
    ],
    ("rank_test", "kernel"): [
        lambda s: (
            inference.rank_test(s.factors, s.returns, method="kleibergen-paap", **HAC).statistic
        )
    ],
    ("hj_distance", "kernel"): [
        lambda s: inference.hj_distance(s.factors, s.returns, small_sample=False, **HAC).std_error
    ],
    ("j_test", "kernel"): [
        lambda s: inference.j_test(s.wide(), small_sample=False, **HAC).statistic
    ],
    ("cross_sectional_r2", "kernel"): [
        lambda s: inference.cross_sectional_r2(s.wide(), **HAC).std_error
    ],
    ("compare_sharpe", "kernel"): [
        lambda s: inference.compare_sharpe(s.factors, s.returns.iloc[:, :1], **HAC).statistic
    ],
    ("spanning_test", "kernel"): [
        lambda s: (
            inference.spanning_test(
                s.factors, s.returns.iloc[:, :2], small_sample=False, **HAC
            ).joint.statistic
        )
    ],
    ("compare_r2", "kernel"): [
        lambda s: (
            inference.compare_r2(
                FamaMacBeth().fit(s.factors[["f"]], s.returns), s.wide(), **HAC
            ).statistic
        )
    ],
    ("price_of_covariance_risk", "kernel"): [
        lambda s: inference.price_of_covariance_risk(s.wide(), **HAC).std_errors
    ],
    ("screen_factors", "kernel"): [
        lambda s: inference.screen_factors(s.wide(), **HAC).steps.select_dtypes("number")
    ],
    ("infer_mean", "horizon"): [lambda s: metrics.infer_mean(s.factors["f"], horizon=5).std_error],
    ("evaluate_forecasts", "horizon"): [
        lambda s: (
            metrics.evaluate_forecasts(s.y, s.X["f"], n_quantiles=2, horizon=4)
            .to_frame()
            .select_dtypes("number")
        )
    ],
    ("compare_forecasts", "horizon"): [lambda s: _compared(s, horizon=4)],
    ("compare_forecasts", "lags"): [lambda s: _compared(s, lags=4)],
    ("evaluate_forecasts", "max_lag"): [
        lambda s: metrics.evaluate_forecasts(s.y, s.X["f"], n_quantiles=2, max_lag=4).decay
    ],
    ("rank_autocorrelation_by_date", "lag"): [
        lambda s: metrics.rank_autocorrelation_by_date(s.X["f"], lag=4)
    ],
    ("rank_autocorrelation", "lag"): [lambda s: metrics.rank_autocorrelation(s.X["f"], lag=4)],
    ("quantile_turnover", "lag"): [
        lambda s: metrics.quantile_turnover(s.X["f"], n_quantiles=2, lag=4)
    ],
    ("quantile_turnover_by_date", "lag"): [
        lambda s: metrics.quantile_turnover_by_date(s.X["f"], n_quantiles=2, lag=4)
    ],
    ("forward_returns", "periods"): [
        lambda s: forward_returns(s.y, 3),
        lambda s: forward_returns(s.returns, 3),
    ],
    ("forward_returns", "horizon"): [
        lambda s: forward_returns(s.y, horizon=3),
        lambda s: forward_returns(s.returns, horizon=3),
    ],
    ("PortfolioSorter", "lag"): [lambda s: portfolios.PortfolioSorter(2, lag=3).fit_transform(s.X)],
    ("portfolio_returns", "lag"): [
        lambda s: portfolios.portfolio_returns((s.X["f"] > 0.0) + 1, s.y, lag=3)
    ],
    ("factor_returns", "lag"): [
        lambda s: portfolios.factor_returns(s.X, s.y, sorter=portfolios.PortfolioSorter(2), lag=3)
    ],
    ("fama_french_factors", "lag"): [
        lambda s: portfolios.fama_french_factors(
            s.X.assign(f=np.exp(s.X["f"])), s.y, {"HML": "g"}, size="f", lag=3
        )
    ],
    ("WalkForwardSplit", "purge"): [
        lambda s: s.split(model_selection.WalkForwardSplit(4, purge=3))
    ],
    ("PurgedKFold", "purge"): [lambda s: s.split(model_selection.PurgedKFold(4, purge=3))],
    ("PurgedKFold", "embargo"): [lambda s: s.split(model_selection.PurgedKFold(4, embargo=3))],
    ("CombinatorialPurgedKFold", "purge"): [
        lambda s: s.split(model_selection.CombinatorialPurgedKFold(4, 2, purge=3))
    ],
    ("CombinatorialPurgedKFold", "embargo"): [
        lambda s: s.split(model_selection.CombinatorialPurgedKFold(4, 2, embargo=3))
    ],
    ("walk_forward_predict", "horizon"): [
        _refused(partial(model_selection.walk_forward_predict, FamaMacBeth()))
    ],
    ("check_no_lookahead", "horizon"): [
        _refused(partial(model_selection.check_no_lookahead, FamaMacBeth()))
    ],
    ("compare_factor_sets", "horizon"): [
        _refused(partial(model_selection.compare_factor_sets, {"f": ["f"], "g": ["g"]}))
    ],
    ("premia_table", "kernel"): [lambda s: summary.premia_table([s.panel()], digits=9, **HAC)],
    ("full_summary", "kernel"): [lambda s: summary.full_summary(s.wide(), **HAC)],
    ("QuantileReturnsDisplay", "horizon"): [_intervals],
}
# Takes datetimes and Periods alone, and is compared over these in its own tests.
TIMES_ONLY = {("carry_forward", "lag")}
COUNTING = {
    *("kernel", "lag", "lags", "max_lag", "horizon", "purge", "embargo", "periods"),
    *("halflife", "premia_halflife"),
}


def _numbers(found):
    """Those that a use gives, also in text."""
    if isinstance(found, Summary | summary.PremiaTable):
        found = re.findall(r"-?[0-9]+\.[0-9]+", str(found))
    return np.asarray(found, dtype=np.float64).ravel()


@cache
def _sample(name, with_gap):
    kept = np.ones(T, dtype=bool)
    kept[[34, 35, 45]] = not with_gap
    return Sample({**RANKED, **COUNTED}[name](), kept)


def _run(use, name, *, with_gap=False):
    return _numbers(use(_sample(name, with_gap)))


EVERY_USE = pytest.mark.parametrize(
    "use",
    [
        pytest.param(use, id=f"{name}({counts}) {i}")
        for (name, counts), uses in USES.items()
        for i, use in enumerate(uses)
    ],
)


@EVERY_USE
def test_where_no_date_is_missing_it_does_not_matter_what_dates_are_called(use):
    expected = _run(use, "M")
    assert len(expected)
    for name in (*RANKED, *COUNTED):
        assert_allclose(_run(use, name), expected, rtol=1e-9, err_msg=name)


@EVERY_USE
def test_only_weeks_and_longer_periods_count_what_is_missing(use):
    ranked, counted = (_run(use, name, with_gap=True) for name in ("month ends", "M"))
    others = (
        (ranked, ("periods of days, weekly", "periods of business days")),
        (counted, ("W-FRI", "Q", "Y")),
    )
    for expected, kinds in others:
        for name in kinds:
            found = _run(use, name, with_gap=True)
            assert_allclose(found, expected, rtol=1e-9, err_msg=name)
    assert len(ranked) != len(counted) or not np.allclose(ranked, counted, equal_nan=True)


def test_all_parameters_that_count_dates_are_tried_above():
    modules = (skfactor, inference, metrics, model_selection, plotting, portfolios, summary, frames)
    public = {name: getattr(module, name) for module in modules for name in module.__all__}
    for name, owner in list(public.items()):
        if inspect.isclass(owner):
            methods = inspect.getmembers(owner, inspect.isfunction)
            public |= {f"{name}.{m}": method for m, method in methods if not m.startswith("_")}
    found = {
        (name, parameter)
        for name, owner in public.items()
        if callable(owner) and not dataclasses.is_dataclass(owner)
        for parameter in inspect.signature(owner).parameters
        if parameter in COUNTING and not name.startswith("PremiaTable.")  # methods of pandas
    }
    assert sorted(found - set(USES) - TIMES_ONLY) == []
    assert sorted(set(USES) - found) == []


def test_a_year_of_weekly_rows_on_days_keeps_its_kernel():
    index = pd.period_range("2000-01-07", periods=2100, freq="D")[::7].rename("date")
    values = np.random.default_rng(1).normal(size=300)
    series = pd.Series(np.convolve(values, np.ones(5), mode="same"), index)
    weeks = series.set_axis(index.asfreq("W-FRI"))
    assert_array_equal(calendar_positions(index), np.arange(300))
    plain, lagged = (metrics.infer_mean(series, horizon=h).std_error for h in (1, 7))
    assert lagged > 1.5 * plain
    assert lagged == metrics.infer_mean(weeks, horizon=7).std_error
    models = [TradedFactorModel().fit(s.to_frame("f"), s.to_frame("a")) for s in (series, weeks)]
    chosen = {model.inference(**AUTOMATIC).bandwidth for model in models}
    assert len(chosen) == 1
    assert chosen.pop() > 2.0

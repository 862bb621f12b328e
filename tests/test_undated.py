"""Rows without dates: who says so, what is found in X, and when nothing needs to be said."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import BaggingRegressor
from sklearn.feature_selection import RFE
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

import skfactor
from skfactor import (
    BiasCorrectedFamaMacBeth,
    FactorBetas,
    FactorInteractions,
    FactorRanker,
    FactorZScorer,
    FamaMacBeth,
    InstrumentedPCA,
    InstrumentedPCACV,
    LinearFactorGMM,
    RidgeFamaMacBeth,
    TradedFactorModel,
    portfolios,
)
from skfactor.datasets import make_panel
from skfactor.exceptions import NoDatesWarning
from skfactor.portfolios import PortfolioSorter

PUBLIC = [getattr(module, name) for module in (skfactor, portfolios) for name in module.__all__]
TRANSFORMERS = [
    each
    for each in PUBLIC
    if inspect.isclass(each) and hasattr(each, "transform") and hasattr(each(), "date_level")
    # Models, which need a target; and what needs a column of one value per date.
    if each not in {FactorBetas, InstrumentedPCA, InstrumentedPCACV, FactorInteractions}
]
PER_DATE = pytest.mark.parametrize("estimator", TRANSFORMERS, ids=lambda each: each.__name__)
UNDATED_FIT = "No dates were found: statistics are those of all rows together"


@pytest.fixture(scope="module")
def data():
    return make_panel(6, 12, 2, start="2020-01", return_X_y=True, random_state=0)


@pytest.fixture(name="X")
def features(data):
    return data[0]


@pytest.fixture(name="y")
def outcomes(data):
    return data[1]


@pytest.fixture
def table(X, y):
    """What pandas.read_csv gives."""
    months = X.index.get_level_values("date")
    permno = pd.factorize(X.index.get_level_values("asset"))[0] + 10_000
    labels = {"yyyymm": months.year * 100 + months.month, "permno": permno}
    return X.assign(**labels, ret=y).reset_index(drop=True)


def _labelled(X, labels, name=None):
    return X.set_axis(pd.Index(labels, name=name))


# --- transformers -------------------------------------------------------------------------------


def test_all_transformers_are_tried():
    assert {FactorZScorer, FactorRanker, PortfolioSorter} <= set(TRANSFORMERS)


@PER_DATE
@pytest.mark.parametrize(
    "container",
    [
        lambda X: X.to_numpy(),
        lambda X: X.reset_index(drop=True),
        lambda X: X.reset_index(drop=True).iloc[3:],
        lambda X: pl.from_pandas(X.reset_index(drop=True)),
        lambda X: X.iloc[:12].droplevel("date"),
    ],
    ids=["array", "RangeIndex", "slice", "polars", "one cross-section by ticker"],
)
def test_fit_warns_where_nothing_says_the_dates_and_transform_does_not(estimator, container, X):
    rows = container(X)
    with pytest.warns(NoDatesWarning, match=UNDATED_FIT) as found:
        fitted = estimator().fit(rows)
    assert len(found) == 1
    fitted.transform(rows)


@PER_DATE
def test_it_is_meant_for_time_series_several_targets_and_without_a_date_level(estimator, X):
    values = X.to_numpy()
    months = pd.period_range("2000-01", periods=len(values), freq="M")
    for index in (months, months.to_timestamp(), pd.Index(months.astype(str))):
        assert not estimator().fit(pd.DataFrame(values, index)).per_date_
    assert not estimator().fit(values, np.zeros((len(values), 3))).per_date_
    assert not estimator(date_level=None).fit(values).per_date_
    cut = X.droplevel("date")  # repeats tickers, which raises where it is not said to be meant
    assert not estimator(date_level=None).fit(cut).per_date_


@PER_DATE
def test_rows_with_dates_contradict_that_there_are_none(estimator, X, y):
    told = estimator(date_level=None)
    dates = X.index.get_level_values("date")
    for rows in (X, _labelled(X, dates)):
        with pytest.raises(ValueError, match="date_level=None says that the rows have no dates"):
            told.fit(rows)
    with pytest.raises(ValueError, match=r"date_level=None says .* dates= are passed"):
        told.fit(X.to_numpy(), dates=dates)
    with pytest.raises(ValueError, match=r"date_level=None says .* the level 'date'"):
        told.fit(X.to_numpy(), y)
    fitted = told.fit(X.reset_index(drop=True))
    with pytest.raises(ValueError, match="date_level=None says"):
        fitted.transform(X)


@PER_DATE
@pytest.mark.parametrize(
    "name", ["datadate", "caldt", "trade_date", "Date", "eom", "MthCalDt", "as_of_date", "dt"]
)
def test_known_names_are_those_of_dates(estimator, name, X):
    months = X.index.get_level_values("date")
    whole = months.year * 100 + months.month
    expected = estimator().fit_transform(X)
    for labels in (whole, whole.astype(str), whole.astype(str).astype("category")):
        assert_array_equal(estimator().fit_transform(_labelled(X, labels, name)), expected)


@PER_DATE
@pytest.mark.parametrize("form", ["%Y-%m", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"])
def test_repeated_text_with_separators_is_dates(estimator, form, X):
    text = X.index.get_level_values("date").to_timestamp().strftime(form)
    expected = estimator().fit_transform(X)
    assert_array_equal(estimator().fit_transform(_labelled(X, text)), expected)
    assert_array_equal(estimator().fit_transform(_labelled(X, text, "when")), expected)


@PER_DATE
def test_repeated_days_of_the_standard_library_are_dates(estimator, X):
    days = list(X.index.get_level_values("date").to_timestamp().date)
    assert_array_equal(
        estimator().fit_transform(_labelled(X, pd.Index(days, dtype=object))),
        estimator().fit_transform(X),
    )


@PER_DATE
@pytest.mark.parametrize(
    "labels",
    [["001690"] * 36 + ["202001"] * 36, ["AAPL"] * 72, ["7203", "9984"] * 36, ["20200131"] * 72],
    ids=["gvkey", "ticker", "Tokyo", "digits"],
)
def test_repeated_text_that_is_no_date_raises_and_names_dates(estimator, labels, X):
    for index in (pd.Index(labels), pd.Index(labels, name="gvkey"), pd.CategoricalIndex(labels)):
        with pytest.raises(ValueError, match=r"The index repeats .* not a date.* or pass dates="):
            estimator().fit(X.set_axis(index))


@PER_DATE
@pytest.mark.parametrize(("form", "days"), [("%Y%m", 1), ("%Y%m%d", 100)])
def test_unnamed_integers_warn_and_say_where_they_look_like_dates(estimator, form, days, X):
    months = X.index.get_level_values("date")
    labels = ((months.year * 100 + months.month) * days + (days > 1)).to_numpy()
    with pytest.warns(NoDatesWarning, match=rf"look like dates: .*rename_axis.*format='{form}'"):
        estimator().fit(_labelled(X, labels))
    with pytest.warns(NoDatesWarning, match=r"Index X or y by \(date, asset\)"):
        estimator().fit(_labelled(X, np.arange(len(X)) // 12))


@PER_DATE
def test_dates_of_y_beside_a_frame_that_has_no_index(estimator, X, y):
    frame = pl.from_pandas(X.reset_index(drop=True))
    with pytest.raises(ValueError, match=r"X, a DataFrame of polars.*Pass dates=y\.index"):
        estimator().fit(frame, y)
    result = estimator().fit_transform(frame, y, dates=y.index)
    assert_array_equal(result.to_numpy(), estimator().fit_transform(X))


# --- what scikit-learn's steps leave of an index --------------------------------------------------


@pytest.mark.parametrize(
    "around",
    [
        lambda pipeline: BaggingRegressor(pipeline, n_estimators=1, random_state=0),
        lambda pipeline: RFE(pipeline, importance_getter=lambda fitted: fitted[-1].coef_),
        lambda pipeline: make_pipeline(SimpleImputer(), pipeline),
    ],
    ids=["BaggingRegressor", "RFE", "SimpleImputer"],
)
def test_an_index_lost_on_the_way_is_reported(around, X, y):
    pipeline = make_pipeline(FactorZScorer(), LinearRegression())
    with pytest.warns(NoDatesWarning, match=UNDATED_FIT):
        around(pipeline).fit(X, y.to_numpy())


def test_an_index_lost_on_the_way_raises_where_y_has_it(X, y):
    pipeline = make_pipeline(SimpleImputer(), FactorZScorer(), LinearRegression())
    with pytest.raises(ValueError, match=r"dropped the index.*set_output"):
        pipeline.fit(X, y)


# --- models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [FamaMacBeth, RidgeFamaMacBeth])
def test_a_model_takes_one_cross_section_and_warns_unless_it_is_meant(model, X, y):
    rows, outcomes = X.to_numpy(), y.to_numpy()
    with pytest.warns(NoDatesWarning, match="all rows are taken as one cross-section"):
        warned = model().fit(rows, outcomes)
    told = model(date_level=None).fit(rows, outcomes)
    assert_array_equal(told.coef_, warned.coef_)
    with pytest.raises(ValueError, match="date_level=None says"):
        model(date_level=None).fit(X, y)
    with pytest.raises(ValueError, match="date_level=None says"):
        model(date_level=None).fit(rows, outcomes, dates=X.index.get_level_values("date"))


@pytest.mark.parametrize("model", [FamaMacBeth, BiasCorrectedFamaMacBeth, FactorBetas])
def test_periods_of_a_wide_form_are_no_dates_that_may_be_passed_and_denied(model):
    factors, returns = np.random.default_rng(0).normal(size=(2, 40, 5))
    with pytest.raises(ValueError, match="date_level=None says"):
        model(date_level=None).fit(factors[:, :1], returns, dates=range(40))


def test_a_model_raises_where_text_that_is_no_date_repeats(X, y):
    with pytest.raises(ValueError, match="The index repeats 'A01'"):
        FamaMacBeth().fit(X.droplevel("date"), y.to_numpy())


# --- dates and assets left among the columns ----------------------------------------------------

LEFT = r"columns 'yyyymm' and 'permno' of X .*X\.set_index\(\['yyyymm', 'permno'\]\)"
SETTLED = [FamaMacBeth, RidgeFamaMacBeth, TradedFactorModel, FactorBetas, *TRANSFORMERS]


@pytest.mark.parametrize("estimator", SETTLED, ids=lambda each: each.__name__)
def test_numbers_that_label_rows_are_named_with_the_index_to_set(estimator, table):
    features = table.drop(columns="ret")
    with pytest.warns(NoDatesWarning, match=LEFT) as found:
        estimator().fit(features, table["ret"])
    assert len(found) == 1
    with pytest.warns(
        NoDatesWarning, match=r"dates=X\['yyyymm'\] and X.drop\(\['yyyymm', 'permno'\]\)"
    ):
        estimator().fit(pl.from_pandas(features), table["ret"].to_numpy())


@pytest.mark.parametrize("estimator", SETTLED, ids=lambda each: each.__name__)
def test_what_the_message_writes_out_works(estimator, table):
    features = table.drop(columns="ret").set_index(["yyyymm", "permno"])
    if estimator in (FactorBetas, TradedFactorModel):
        features = features.groupby("yyyymm").transform("mean")
    estimator().fit(features, table["ret"])


@pytest.mark.parametrize("estimator", SETTLED, ids=lambda each: each.__name__)
def test_text_and_times_that_label_rows_are_named_in_the_error(estimator, table):
    stamps = pd.to_datetime(table["yyyymm"].astype(str), format="%Y%m")
    others = table[["x1", "x2"]]
    for labels, told in (
        ({"ticker": "A"}, r"'ticker' of X .*set_index\(\[<the dates>, 'ticker'\]\)"),
        ({"when": stamps}, r"'when' of X .*set_index\(\['when'\]\)"),
        ({"when": stamps, "ticker": "A"}, r"set_index\(\['when', 'ticker'\]\)"),
    ):
        frame = others.assign(**labels)
        with pytest.raises(ValueError, match=told):
            estimator().fit(frame, table["ret"])
        # polars makes numbers of times, so that there they are found as other numbers are.
        with pytest.raises((ValueError, NoDatesWarning), match=told):
            estimator().fit(pl.from_pandas(frame), table["ret"].to_numpy())


@pytest.mark.parametrize(
    "model",
    [FamaMacBeth, FactorBetas, TradedFactorModel, LinearFactorGMM, BiasCorrectedFamaMacBeth],
)
def test_months_left_among_factors_are_named(model):
    rng = np.random.default_rng(0)
    factors = pd.DataFrame(rng.normal(size=(60, 2)), columns=["mkt", "month"])
    returns = factors @ rng.normal(1.0, 0.5, size=(2, 8)) + rng.normal(size=(60, 8)) * 0.1
    told = r"'month' of X .*X\.set_index\(\['month'\]\)"
    with pytest.warns(NoDatesWarning, match=told) as found:
        model().fit(factors, returns)
    assert len(found) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoDatesWarning)
        model().fit(factors.rename(columns={"month": "smb"}), returns)
        dated = factors.set_axis(pd.period_range("2000-01", periods=60, freq="M"))
        model().fit(dated, returns.set_axis(dated.index))


def test_columns_of_a_panel_may_be_called_like_dates(X, y):
    model = FamaMacBeth().fit(X.set_axis(["month", "id"], axis=1), y)
    assert list(model.premia_.index) == ["const", "month", "id"]

"""What goes wrong in practice: each mistake gets one clear error, and leaves no trace.

A trace would be a changed input, or a model of an earlier fit that answers with a mixture of both.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from reference_premia import characteristics, random_two_pass, to_long
from sklearn.pipeline import make_pipeline

from skfactor import (
    FactorBetas,
    FactorImputer,
    FactorNeutralizer,
    FactorRanker,
    FactorSelector,
    FactorZScorer,
    FamaMacBeth,
    LinearFactorGMM,
    Winsorizer,
)
from skfactor.datasets import make_panel, make_two_pass
from skfactor.decomposition import InstrumentedPCA, n_factors
from skfactor.exceptions import RankDeficientWarning
from skfactor.frames import panel_from_long, repeat_factors, returns_from_prices
from skfactor.inference import grs_test, j_test, price_of_covariance_risk, rank_test
from skfactor.metrics import cross_sectional_r2_score, ic
from skfactor.model_selection import (
    check_no_lookahead,
    compare_factor_sets,
    forecast_importance,
    walk_forward_predict,
)
from skfactor.portfolios import factor_returns, hedge, slope_factors
from skfactor.risk import SpecificRisk
from skfactor.summary import premia_table

X, Y = characteristics()
DATES = X.index.get_level_values("date")
ASSETS = X.index.get_level_values("asset")
F, R = random_two_pass(np.random.default_rng(0))
LONG_F, LONG_R = to_long(F, R)


def _with(data, value, row=3, column=1):
    data = data.copy()
    if data.ndim == 1:
        data.iloc[row] = value
    else:
        data.iloc[row, column] = value
    return data


def _dated(data, dates):
    index = pd.MultiIndex.from_arrays([dates, ASSETS], names=["date", "asset"])
    return data.set_axis(index)


FREE_TEXT = DATES.strftime("%d %b %Y")
NO_DATE = DATES.where(np.arange(len(DATES)) != 3)
FEW = Y.where(Y.groupby(level="date").cumcount() < 3)
ONE_ASSET = ASSETS == "asset003"

PANEL = {
    "infinite exposure": (_with(X, np.inf), Y, r"X contains infinity in \['x1'\].*by NaN"),
    "infinite return": (X, _with(Y, -np.inf), r"y contains infinity.*replace such values by NaN"),
    "text column": (
        X.assign(x1="steel"),
        Y,
        r"columns \['x1'\] of X do not hold numbers.*pass X.drop\(columns=\['x1'\]\), and "
        r"groupby=X\['x1'\] to steps .* FactorNeutralizer.*get_dummies\(X, columns=\['x1'\], dr",
    ),
    "numbers as text": (
        X.assign(x1=X["x1"].map("{:,}%".format).where(X["x1"] < 0, "7")),
        Y,
        r"columns \['x1'\] of X do not hold numbers.*Convert numbers that are text with pandas.to",
    ),
    "text returns": (
        X,
        Y.astype(object).where(ONE_ASSET, "n/a"),
        r"y does not hold numbers.*'n/a'",
    ),
    "no rows": (X[:0], Y[:0], r"Found array with 0 sample\(s\)"),
    "no columns": (X[[]], Y, r"X has no columns"),
    "no returns": (X, Y * np.nan, r"y holds no value at all, only NaN"),
    "fewer returns": (X, Y[:-1], r"X has 258 rows and y has 257. Pass X.loc\[y.index\]"),
    "other assets": (
        X,
        Y.rename(index={"asset003": "B"}, level="asset"),
        r"X and y have different indexes: row \d+ is .*'asset003'\) in X and .*'B'\) in y",
    ),
    "shuffled returns": (X, Y.iloc[::-1], r"different indexes: row 0 .*y = y.loc\[X.index\]"),
    "swapped levels": (
        X,
        Y.swaplevel(),
        r"indexed by \['date', 'asset'\] and y by \['asset', 'date'\]. Pass y.swaplevel\(\)\.$",
    ),
    "swapped and sorted levels": (
        X,
        Y.swaplevel().sort_index(),
        r"Pass y.swaplevel\(\).loc\[X.index\]",
    ),
    "stamps that differ by asset": (
        _dated(X, DATES + pd.to_timedelta(np.arange(len(X)), unit="s")),
        _dated(Y, DATES + pd.to_timedelta(np.arange(len(X)), unit="s")),
        r"compares the assets of a date.*stamps that differ by asset have to be rounded",
    ),
    "factor returns as exposures": (
        X.assign(x1=DATES.day_of_year / 100.0),
        Y,
        r"columns \['x1'\] vary over dates but not within any.*FactorBetas\(\) before FamaMacBeth"
        r".*one column per asset",
    ),
    "constant": (X.assign(x1=0.1), Y, r"\['x1'\] are constant everywhere.*set fit_intercept=False"),
    "collinear": (
        X.assign(x1=0.1 * X["x0"] + 3.0),
        Y,
        r"8 of 8 dates cannot be estimated: 8 with collinear or constant.*Use fewer exposures",
    ),
    "fewer assets than exposures": (
        X,
        FEW,
        r"8 of 8 dates cannot be estimated: 8 with fewer than 4 assets .*\(at most 3\)",
    ),
    "empty column": (
        X.assign(x1=np.nan),
        Y,
        r"8 of 8 dates cannot be estimated.*The columns \['x1'\] have no value at all",
    ),
    "one asset": (X[ONE_ASSET], Y[ONE_ASSET], r"8 with fewer than 4 assets .*\(at most 1\)"),
    "free text dates": (
        _dated(X, FREE_TEXT),
        _dated(Y, FREE_TEXT),
        r"'02 Apr 2020' is free text.*pandas.to_datetime",
    ),
    "missing date": (
        _dated(X, NO_DATE),
        _dated(Y, NO_DATE),
        r"Some rows have no date in index level 'date'. Drop",
    ),
    "repeated rows": (
        pd.concat([X, X[:2]]),
        pd.concat([Y, Y[:2]]),
        r"2 \(date, asset\) pairs occur more than once.*X\[~X.index.duplicated\(\)\]",
    ),
    "unclear levels": (
        X.set_axis(pd.MultiIndex.from_arrays([np.arange(len(X)), ASSETS], names=["id", "asset"])),
        Y.to_numpy(),
        r"Cannot tell which index level holds the dates: levels \['id', 'asset'\].*date_level=",
    ),
    "third level": (
        pd.concat({"US": X}),
        Y.to_numpy(),
        r"carry two index levels, a date and an asset; found 3.*droplevel",
    ),
    "repeated columns": (pd.concat([X, X**2], axis=1), Y, r"'x0'.* of X occur more than once"),
    "name of the intercept": (
        X.rename(columns={"x1": "const"}),
        Y,
        r"column 'const', which is the name of the intercept. Rename the column",
    ),
}

ONLY = pd.DataFrame({name: R[name] * (1.0 if name == "asset2" else np.nan) for name in R})
EARLY = R.where((np.arange(60) < 2)[:, None] | (R.columns == "asset2")[None, :])

WIDE = {
    "infinite factor": (_with(F, np.inf), R, r"X contains infinity in \['f1'\]"),
    "infinite return": (F, _with(R, np.inf), r"y contains infinity in \['asset1'\]"),
    "text factor": (F.assign(f1="up"), R, r"columns \['f1'\] of X do not hold numbers"),
    "text returns": (F, R.assign(asset1="n/a"), r"y does not hold numbers.*'n/a'"),
    "no periods": (F[:0], R[:0], r"Found array with 0 sample\(s\)"),
    "no returns": (F, R * np.nan, r"y holds no value at all, only NaN"),
    "fewer periods": (F, R[1:], r"X has 60 rows and y has 59. Pass X.loc\[y.index\]"),
    "other periods": (
        F,
        R.set_axis(R.index + 1),
        r"different indexes: row 0 is 2000-01 in X and 2000-02 in y",
    ),
    "one wrong stamp": (
        F,
        R.set_axis(R.index.to_timestamp().where(np.arange(60) != 7, pd.Timestamp("2030-01-01"))),
        r"different indexes: row 7 is 2000-08 in X and 2030-01-01",
    ),
    "shuffled periods": (F, R.iloc[::-1], r"different indexes: row 0 is 2000-01 .* 2004-12"),
    "one usable column": (F, ONLY, r"Fewer than 2 columns of y hold any return.*several assets"),
    "one long column": (F, EARLY, r"Only 1 of the 8 columns of y have enough returns for betas"),
    "one column": (
        F,
        R[["asset1"]],
        r"time series of one asset.*FactorBetas.*one column per asset",
    ),
    "one series": (F, R["asset1"], r"time series of one asset.*FactorBetas.*one column per asset"),
    "empty factor": (F.assign(f1=np.nan), R, r"\['f1'\] have no value at all, only NaN. Drop them"),
    "collinear factors": (
        F.assign(f2=F["f0"] + F["f1"]),
        R,
        r"8 with constant or collinear factors.*\['f0', 'f1', 'f2'\] are collinear: drop one",
    ),
    "constant factor": (F.assign(f2=0.1), R, r"8 with constant or collinear factors"),
    "one period": (F[:1], R[:1], r"none of the 8 asset.*8 with fewer than 3 observations"),
    "repeated period": (
        F.set_axis(F.index[[0, 0, *range(2, 60)]]),
        R.to_numpy(),
        r"The date 2000-01 occurs more than once",
    ),
    "missing date": (
        F.set_axis(F.index.where(np.arange(60) != 3)),
        R.to_numpy(),
        r"Some dates are missing \(NaT or NaN\). Drop those rows",
    ),
    "free text dates": (
        F.set_axis(F.index.strftime("%b %Y").rename("date")),
        R.to_numpy(),
        r"'Jan 2000' is free text",
    ),
    "several returns of panel rows": (
        LONG_F,
        pd.concat({"one": LONG_R, "two": LONG_R}, axis=1),
        r"Rows are indexed by \['date', 'asset'\], but y has one column per asset",
    ),
    "repeated assets": (
        F,
        R.rename(columns={"asset2": "asset1"}),
        r"'asset1'.* of y occur more than once. Rename",
    ),
    "name of the intercept": (
        F.rename(columns={"f1": "const"}),
        R,
        r"column 'const', which is the name of the intercept. Rename the column",
    ),
}

TABLES = {"panel": (PANEL, X, Y), "wide": (WIDE, F, R)}
CASES = [(form, mistake) for form, (table, _, _) in TABLES.items() for mistake in table]


@pytest.fixture(params=CASES, ids=lambda case: ": ".join(case))
def mistake(request):
    form, name = request.param
    table, X_good, y_good = TABLES[form]
    return X_good, y_good, *table[name]


def _assert_same(left, right):
    if isinstance(left, pd.DataFrame):
        assert_frame_equal(left, right, check_exact=True)
    elif isinstance(left, pd.Series):
        assert_series_equal(left, right, check_exact=True)
    else:
        assert_array_equal(left, right)


def _answers(model, X_good, y_good):
    """What a fitted model can be asked, some of which it may refuse."""
    questions = {
        "predict": lambda: model.predict(X_good),
        "score": lambda: model.score(X_good, y_good),
        "premia": lambda: model.premia_.to_numpy(),
        "errors": lambda: model.inference().cov.to_numpy(),
        "expected returns": lambda: model.expected_returns(np.ones((2, len(X_good.columns)))),
        "betas": lambda: model.betas_.to_numpy(),
        "portfolio": lambda: model.portfolio_betas(pd.Series({"asset1": 1.0, "asset2": 0.5})),
        "slope portfolios": lambda: model.slope_portfolios(X_good),
    }
    found = {}
    for name, question in questions.items():
        with contextlib.suppress(ValueError, AttributeError):
            found[name] = np.asarray(question())
    return found


# Some mistakes are first told as a warning about single assets.
_ignore_thin = pytest.mark.filterwarnings(
    f"ignore::{RankDeficientWarning.__module__}.RankDeficientWarning"
)
# Arrays follow on frames, and scikit-learn warns of that first.
_ignore_names = pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")


@_ignore_thin
def test_a_mistake_gets_one_clear_error(mistake):
    _, _, X_bad, y_bad, message = mistake
    with pytest.raises(ValueError, match=message) as caught:
        FamaMacBeth().fit(X_bad, y_bad)
    assert len(str(caught.value)) < 600


@_ignore_thin
def test_a_mistake_leaves_the_input_as_it_was(mistake):
    _, _, X_bad, y_bad, _ = mistake
    before = X_bad.copy(), y_bad.copy()
    with contextlib.suppress(ValueError, RuntimeWarning):
        FamaMacBeth().fit(X_bad, y_bad)
    _assert_same(X_bad, before[0])
    _assert_same(y_bad, before[1])


@_ignore_thin
@_ignore_names
def test_a_mistake_does_not_mix_with_an_earlier_fit(mistake):
    X_good, y_good, X_bad, y_bad, _ = mistake
    model = FamaMacBeth().fit(X_good, y_good)
    before = _answers(model, X_good, y_good)
    assert {"predict", "score", "premia", "errors", "expected returns"} <= set(before)
    with contextlib.suppress(ValueError, RuntimeWarning):
        model.fit(X_bad, y_bad)
    for name, answer in _answers(model, X_good, y_good).items():
        assert_array_equal(answer, before[name], err_msg=name)


def _thin(returns):
    return returns.mask((np.arange(60) == 50)[:, None] & (np.arange(8) > 0)[None, :])


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ((F, R), (F, R["asset1"]), r"time series of one asset"),
        ((F, R), (2.0 * F, _thin(R)), r"1 of 60 dates cannot be estimated"),
        ((X, Y), (F, ONLY), r"Fewer than 2 columns of y"),
    ],
    ids=["wide then panel", "second pass fails", "panel then wide"],
)
@_ignore_names
def test_a_fit_that_fails_half_way_does_not_mix_with_an_earlier_one(good, bad, message):
    model = FamaMacBeth(rank_deficient="raise").fit(*good)
    before = _answers(model, *good)
    with pytest.raises(ValueError, match=message):
        model.fit(*bad)
    for name, answer in _answers(model, *good).items():
        assert_array_equal(answer, before[name], err_msg=name)


def test_a_panel_fit_keeps_nothing_of_an_earlier_wide_one():
    model = FamaMacBeth().fit(F, R).fit(X, Y)
    attributes = {name for name in vars(model) if name.endswith("_")}
    assert attributes == {name for name in vars(FamaMacBeth().fit(X, Y)) if name.endswith("_")}


def test_premia_of_an_earlier_fit_do_not_answer_for_the_columns_of_a_failed_one():
    model = FamaMacBeth().fit(X, Y)
    other = X.rename(columns={"x0": "size", "x1": "value", "x2": "momentum"})
    with pytest.raises(ValueError, match="y holds no value"):
        model.fit(other, Y * np.nan)
    with pytest.raises(ValueError, match=r"feature names|not fitted"):
        model.predict(other)


def test_one_date_has_premia_and_no_errors():
    there = DATES.isin(DATES[:1])
    model = FamaMacBeth().fit(X[there], Y[there])
    assert model.premia_.notna().all()
    with pytest.raises(ValueError, match=r"variation over dates.*one date. Fit on several dates"):
        model.inference()
    with pytest.raises(ValueError, match=r"variation over dates.*one date. Fit on several dates"):
        model.summary()


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dates": DATES[:-1]}, r"dates= has 257 values, X has 258 rows"),
        ({"dates": FREE_TEXT}, r"'02 Apr 2020' is free text"),
        ({"dates": NO_DATE}, r"Some rows have no date \(missing in dates=\). Drop"),
        ({"dates": DATES.strftime("%m/%d/%Y")}, r"'04/02/2020' is free text"),
        ({"dates": np.arange(len(X)) / 7.0}, r"Dates are no whole numbers, such as"),
        ({"dates": [["a"]] * len(X)}, r"one-dimensional; found shape \(258, 1\)"),
        (
            {"sample_weight": np.ones(3)},
            r"sample_weight has shape \(3,\).*one weight per row, \(258",
        ),
        ({"sample_weight": -np.ones(len(X))}, r"sample_weight holds NaN, infinite or negative"),
        ({"sample_weight": np.full(len(X), np.nan)}, r"sample_weight holds NaN, infinite or neg"),
        ({"sample_weight": np.zeros(len(X))}, r"All weights in sample_weight are zero"),
        ({"sample_weight": "cap"}, r"sample_weight does not hold numbers.*'cap'"),
    ],
)
def test_arguments_of_fit_that_do_not_fit_the_rows_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        FamaMacBeth().fit(X.to_numpy(), Y.to_numpy(), **arguments)


@pytest.mark.parametrize(
    ("estimator", "known"),
    [
        (FamaMacBeth(missing="zero"), r"'missing' parameter .* among {.*'drop'.*"),
        (FamaMacBeth(rank_deficient="pinv"), r"'rank_deficient' parameter .* among {.*'nan'"),
        (FamaMacBeth(premia_window=0), r"'premia_window' parameter .* int in the range \[1, inf\)"),
        (FamaMacBeth(premia_halflife=0.0), r"'premia_halflife' parameter .* range \(0.0, inf\)"),
        (FamaMacBeth(min_assets=2.5), r"'min_assets' parameter .* must be an int"),
        (FamaMacBeth(betas="ols"), r"'betas' parameter .* implementing 'fit'"),
        (FamaMacBeth(date_level="when"), r"'when' is not among the index levels \['date', 'asset'"),
        (FactorBetas(missing="zero"), r"'missing' parameter .* among {.*'drop'.*"),
        (FactorBetas(min_periods=0), r"'min_periods' parameter .* range \[1, inf\)"),
        (Winsorizer(rule="iqr"), r"'rule' parameter .* among {.*'quantile'"),
        (Winsorizer(lower=0.9, upper=0.1), r"0 <= lower <= upper <= 1; found lower=0.9, upper=0.1"),
        (Winsorizer(rule="mad"), r"lower < 0 < upper, such as lower=-3.*found lower=0.01"),
        (FactorZScorer(center="mode"), r"'center' parameter .* among {.*'mean'"),
        (
            FactorZScorer(indicators=["size"]),
            r"\['size'\], which are not among \['x0', 'x1', 'x2'\]",
        ),
    ],
)
def test_unknown_names_and_impossible_bounds_raise_and_say_what_is_possible(estimator, known):
    with pytest.raises(ValueError, match=known):
        estimator.fit(X, Y)


# --- transformers -------------------------------------------------------------------------------


@pytest.mark.parametrize("transformer", [Winsorizer(), FactorZScorer()])
@pytest.mark.parametrize(
    ("bad", "target", "message"),
    [
        (_with(X, np.inf), None, r"X contains infinity in \['x1'\]"),
        (X.assign(x1="steel"), None, r"columns \['x1'\] of X do not hold numbers"),
        (X[:0], None, r"Found array with 0 sample\(s\)"),
        (X.to_numpy(), Y, r"y is indexed by date but X \(ndarray\) is not.*set_output"),
        (_dated(X, FREE_TEXT), None, r"'02 Apr 2020' is free text"),
        (_dated(X, NO_DATE), None, r"Some rows have no date in index level 'date'"),
        (pd.concat([X, X[:1]]), None, r"1 \(date, asset\) pairs occur more than once"),
        (X[ONE_ASSET], None, r"each of the \d+ dates \(.*\) has one row. Pass all assets"),
        (
            _dated(X, DATES.to_numpy() + np.arange(len(X)).astype("timedelta64[s]")),
            None,
            r"each of the 258 dates .* has one row.*normalize\(\)",
        ),
    ],
)
@_ignore_names
def test_a_transformer_refuses_and_does_not_mix_with_an_earlier_fit(
    transformer, bad, target, message
):
    fitted = transformer.fit(X)
    before, copy = fitted.transform(X), bad.copy()
    with pytest.raises(ValueError, match=message):
        fitted.fit(bad, target)
    _assert_same(bad, copy)
    with contextlib.suppress(ValueError):
        assert_frame_equal(fitted.transform(X), before)


@pytest.mark.parametrize(
    "transformer",
    [Winsorizer(), FactorZScorer(), FactorRanker(), FactorImputer(), FactorNeutralizer()],
)
def test_one_asset_alone_is_not_compared_with_itself(transformer):
    if isinstance(transformer, FactorNeutralizer):
        transformer.set_params(against=["x0"])
    fitted = transformer.fit(X)
    with pytest.raises(ValueError, match=r"has one row. Pass all assets of each date together"):
        fitted.transform(X[ONE_ASSET])


def test_a_lost_index_raises_in_every_method_that_needs_it():
    for transformer in (Winsorizer(), FactorZScorer()):
        fitted = transformer.fit(X)
        with pytest.raises(ValueError, match=r"was fitted on rows with dates, but X has none"):
            fitted.transform(X.reset_index(drop=True))
    betas = FactorBetas().fit(LONG_F, LONG_R)
    with pytest.raises(ValueError, match=r"FactorBetas was fitted with assets, but .* none here"):
        betas.transform(LONG_F.reset_index(drop=True))
    with pytest.raises(ValueError, match=r"dates but no assets. Index X by \(date, asset\)"):
        FactorBetas().fit(LONG_F.droplevel("asset"), LONG_R.to_numpy())


def test_what_attacks_have_found_is_said_in_our_words():
    X, y = make_panel(n_dates=8, n_assets=12, n_features=3, random_state=0, return_X_y=True)
    factors, returns = make_two_pass(40, 6, 2, random_state=0, return_X_y=True)
    model = FamaMacBeth().fit(factors, returns)
    sparse = returns.astype(pd.SparseDtype(np.float64))
    sets, odd, missing = {"a": ["x1"]}, np.arange(3), object()
    walk = walk_forward_predict(FamaMacBeth(), X, y, return_estimator=True)
    risk = SpecificRisk(20).fit(returns)
    for call, message in [
        (lambda: slope_factors(X, y, model=FactorBetas()), "date by date; found FactorBetas"),
        (lambda: slope_factors(X, y, model=make_pipeline(FamaMacBeth())), "found Pipeline"),
        (lambda: slope_factors(X[:20], y), "inconsistent numbers of samples"),
        (lambda: n_factors(returns, methods=missing), "methods=.* has to be a name or a list"),
        (lambda: compare_factor_sets(sets, X, y, reference=np.array(1.0)), "not one of the sets"),
        (lambda: compare_factor_sets([["f1"]], factors, returns, traded=1e-9), "traded=1e-09 is"),
        (lambda: compare_factor_sets(sets, X, y, cv=odd), "cv holds .*, and a fold is a pair"),
        (lambda: walk_forward_predict(FamaMacBeth(), X, y, cv=["x1"]), "cv holds 'x1'"),
        (lambda: walk_forward_predict(FamaMacBeth(), X, y, n_jobs=odd), "n_jobs=array"),
        (
            lambda: returns_from_prices(1.0 + X["x1"].abs(), freq=missing),
            "freq=.* a frequency",
        ),
        (lambda: premia_table(1e300), "models has to be a list, and is a float"),
        (lambda: FactorNeutralizer(passthrough=np.array(1.0)).fit(X), "passthrough"),
        (lambda: cross_sectional_r2_score(sparse, returns), "are sparse"),
        (lambda: model.diagnostics(5e-324), "below the smallest p-value"),
        (lambda: make_two_pass(random_state=10**30), "random_state=1.* has to lie between 0 and"),
        (lambda: FactorSelector(np.ones((2, 2))).fit(X), "which are not among"),
        (lambda: make_two_pass(betas=missing), "betas does not hold numbers"),
        (lambda: factor_returns(X, y, low_minus_high=0), "low_minus_high=0 has to be a list"),
        (lambda: check_no_lookahead(model, factors, returns, random_state=odd), "a whole number"),
        (lambda: repeat_factors(factors, X.index, date_level=odd), "date_level=array"),
        (lambda: grs_test(factors, returns, prewhiten=odd), "prewhiten=array"),
        (lambda: rank_test(factors, returns, prewhiten=odd), "prewhiten=array"),
        (lambda: j_test(model, prewhiten=odd), "prewhiten=array"),
        (lambda: slope_factors(X, y, model=InstrumentedPCA()), "found InstrumentedPCA"),
        (lambda: ic(y, y, dates=np.full(len(y), np.inf)), "no whole numbers, such as inf"),
        (lambda: forecast_importance(walk[1], X, y, random_state=b""), "a whole number, or None"),
        (lambda: LinearFactorGMM().fit(factors, returns).summary(odd), "has one kind of cov"),
        (lambda: LinearFactorGMM().fit(factors, returns).inference(debiased=odd), "True or False"),
        (lambda: price_of_covariance_risk(model, odd), "unknown"),
        (lambda: model.inference(horizon=2, separate=odd), "separate=array"),
        (lambda: hedge(factors, returns["A1"], names=True), "cannot be hedged"),
        (lambda: hedge(factors, returns["A1"], target=odd), "a number, or a Series"),
        (lambda: InstrumentedPCA().fit(X, y).risk_model(X[:0]), "X has no rows"),
        (lambda: panel_from_long(X, asset=["x1"]), r"\['x1'\]"),
        (lambda: panel_from_long(X, date=odd), "array"),
        (lambda: FamaMacBeth().fit(X, y, dates={}), "A dict in dates is no date"),
        (lambda: ic(y, y, dates=pd.Series([[]] * len(y))), "dates has what is no label"),
        (lambda: risk.forecast(()), r"date=\(\) is no date like those of fit, such as 1970-01"),
        (lambda: risk.forecast(odd), r"date=array\(\[0, 1, 2\]\) is no date"),
        (lambda: risk.forecast(pd.NaT), "date=NaT is no date"),
        (lambda: risk.forecast(weights=np.ones(7)), r"\(7,\) are not one for each of the 6"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            call()

"""Every transformer of panels, in every way rows, groups and weights come, against slow loops."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference import MAD_TO_STD, random_panel
from scipy.stats import norm, rankdata
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skfactor import (
    FactorImputer,
    FactorNeutralizer,
    FactorRanker,
    FactorZScorer,
    FamaMacBeth,
    Trimmer,
    Winsorizer,
)
from skfactor._kernels import segments
from skfactor.exceptions import NoDatesWarning, NoVariationWarning
from skfactor.metrics import ic, ic_by_date, ic_by_group, icir, rank_ic
from skfactor.model_selection import PurgedKFold
from skfactor.portfolios import long_short, long_short_weights

# --- slow oracles: what becomes of x, given the values that are known and their weights ---------


Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def z_score(known: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    center = np.average(known, weights=weights)
    return (x - center) / known.std()


def mad_score(known: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    median = np.median(known)
    return (x - median) / (MAD_TO_STD * np.median(np.abs(known - median)))


def trim_quantiles(known: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.where(x == clip_quantiles(known, weights, x), x, np.nan)


def clip_quantiles(known: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.clip(x, *np.quantile(known, [0.2, 0.9]))


def clip_deviations(known: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    center, scale = known.mean(), known.std()
    return np.clip(x, center - scale, center + 0.5 * scale)


def normal_rank(known: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    order = np.argsort(known)
    ranks = np.interp(x, known[order], rankdata(known)[order])
    return norm.ppf((ranks - 0.5) / len(known))


def fill_mean(known: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), known.mean(), x)


def by_cell(score: Score) -> Callable[..., np.ndarray]:
    """An oracle that goes over the columns and groups of one date."""

    def oracle(
        x: np.ndarray, groups: np.ndarray, weights: np.ndarray, least: int | None
    ) -> np.ndarray:
        out = np.full(x.shape, np.nan)
        for k, group in product(range(x.shape[1]), np.unique(groups)):
            there = np.isfinite(x[:, k])
            rows = groups == group
            among = rows & there
            if least is not None and among.sum() < least:
                among = there
            out[rows, k] = score(x[among, k], weights[among], x[rows, k])
        return out

    return oracle


def residuals(
    x: np.ndarray, groups: np.ndarray, weights: np.ndarray, least: int | None
) -> np.ndarray:
    """Residuals on the first column and a dummy for each group, by lstsq."""
    out = x.copy()
    for k in range(1, x.shape[1]):
        complete = np.isfinite(x[:, [0, k]]).all(axis=1)
        out[:, k] = _residuals(x[:, 0], x[:, k], groups, weights, complete)
        if least is not None:
            whole = _residuals(x[:, 0], x[:, k], np.zeros(len(x)), weights, complete)
            for group in np.unique(groups):
                rows = groups == group
                if (rows & np.isfinite(x[:, k])).sum() < least:
                    out[rows, k] = whole[rows]
    return out


def _residuals(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, weights: np.ndarray, complete: np.ndarray
) -> np.ndarray:
    design = np.column_stack([x, groups[:, None] == np.unique(groups[complete])])
    root = np.sqrt(weights[complete])
    slopes = np.linalg.lstsq(design[complete] * root[:, None], y[complete] * root, rcond=None)[0]
    return np.where(complete, y - design @ slopes, np.nan)


CASES: dict[str, tuple[Any, Callable[..., np.ndarray]]] = {
    "z-score": (FactorZScorer(), by_cell(z_score)),
    "z-score by mad": (FactorZScorer(center="median", scale="mad"), by_cell(mad_score)),
    "winsorizer": (Winsorizer(0.2, 0.9), by_cell(clip_quantiles)),
    "winsorizer by std": (Winsorizer(-1, 0.5, rule="std"), by_cell(clip_deviations)),
    "trimmer": (Trimmer(0.2, 0.9), by_cell(trim_quantiles)),
    "ranker": (FactorRanker(output="normal"), by_cell(normal_rank)),
    "imputer": (FactorImputer(strategy="mean"), by_cell(fill_mean)),
    "neutralizer": (FactorNeutralizer(against=["x0"]), residuals),
}
ORDERS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "by date": lambda panel: panel.sort_index(),
    "by asset": lambda panel: panel.sort_index(level=["asset", "date"]),
    "shuffled": lambda panel: panel.sample(frac=1.0, random_state=0),
    "asset first": lambda panel: panel.swaplevel().sort_index(),
}


def dates_of(panel: pd.DataFrame) -> pd.Index:
    return panel.index.get_level_values("date")


FORMS: dict[str, Callable[[pd.DataFrame], tuple[Any, dict[str, Any]]]] = {
    "frame": lambda panel: (panel, {}),
    "columns": lambda panel: (np.asfortranarray(panel), {"dates": dates_of(panel)}),
    "rows": lambda panel: (np.ascontiguousarray(panel), {"dates": dates_of(panel)}),
}
# Whether rows are weighted, whether they are in groups, and the size of a group from which on it
# has statistics of its own.
WAYS = [
    (weighted, grouped, least)
    for weighted, grouped, least in product((False, True), (False, True), (None, 6))
    if grouped or least is None
]


@pytest.mark.parametrize("blocks", ["one block", "many blocks"])
@pytest.mark.parametrize("name", CASES)
def test_every_way_that_rows_groups_and_weights_come(name, blocks, monkeypatch):
    if blocks == "many blocks":
        for module in ("skfactor._base", "skfactor._kernels.segments"):
            monkeypatch.setattr(f"{module}.CHUNK", 100)
        assert len(list(segments.chunks(np.array([0, 30, 60, 90]), 3))) == 3
    transformer, oracle = CASES[name]
    panel = random_panel(np.random.default_rng(3), n_dates=5, n_assets=30, n_features=3)
    number = pd.factorize(panel.index.get_level_values("asset"), sort=True)[0]
    groups = pd.Series(np.array(["oil", "steel", "banks", "rail"])[number % 7 % 4], panel.index)
    weights = pd.Series(number % 5 * 0.5, panel.index)  # some are zero
    scale = panel.std().to_numpy()
    weightless = transformer._weightless is not None or name == "z-score by mad"
    for weighted, grouped, least in WAYS:
        expected = pd.concat(
            oracle_of_date(
                oracle,
                rows,
                groups[rows.index] if grouped else None,
                weights[rows.index] if weighted else None,
                least,
            )
            for _, rows in panel.groupby(level="date")
        )
        for order, form in product(ORDERS, FORMS):
            ordered = ORDERS[order](panel)
            index = ordered.index if order != "asset first" else ordered.index.swaplevel()
            X, given = FORMS[form](ordered)
            given |= {"groupby": groups[index].to_numpy()} if grouped else {}
            given |= {"weights": weights[index].to_numpy()} if weighted else {}
            ours = clone(transformer).set_params(min_group_size=least)
            if name == "neutralizer" and form != "frame":
                ours.set_params(against=[0])
            if weighted and weightless:
                with pytest.raises(ValueError, match=r"takes no weights|weights make a weighted"):
                    ours.fit_transform(X, **given)
                continue
            found = np.asarray(ours.fit_transform(X, **given))
            way = f"{order}, {form}, weighted {weighted}, grouped {grouped}, from {least}"
            assert_allclose(
                found / scale, expected.loc[index] / scale, rtol=0, atol=1e-12, err_msg=way
            )


def oracle_of_date(
    oracle: Callable[..., np.ndarray],
    rows: pd.DataFrame,
    groups: pd.Series | None,
    weights: pd.Series | None,
    least: int | None,
) -> pd.DataFrame:
    values = oracle(
        rows.to_numpy(),
        np.zeros(len(rows)) if groups is None else groups.to_numpy(),
        np.ones(len(rows)) if weights is None else weights.to_numpy(),
        least,
    )
    return pd.DataFrame(values, rows.index, rows.columns)


# --- groups by asset ----------------------------------------------------------------------------


def test_groups_are_taken_by_asset_and_refused_without_a_label_everywhere():
    X = random_panel(np.random.default_rng(4), n_dates=4, n_assets=20, missing=0.0)
    assets = X.index.get_level_values("asset")
    sector = {asset: ("oil", "steel")[int(asset[-1]) % 2] for asset in set(assets)}
    rows, x, y = assets.map(sector), X["x0"], X["x1"]
    functions = {
        **{
            name: lambda groupby, each=each: each.fit_transform(X, groupby=groupby)
            for name, (each, _) in CASES.items()
        },
        "long_short_weights": lambda groupby: long_short_weights(x, leg_size=2, groupby=groupby),
        "long_short": lambda groupby: long_short(x, y / 100.0, leg_size=2, groupby=groupby).weights,
        "ic_by_group": lambda groupby: ic_by_group(y, x, groupby=groupby),
        **{
            metric.__name__: lambda groupby, metric=metric: metric(y, x, groupby=groupby)
            for metric in (ic, rank_ic, icir, ic_by_date)
        },
    }
    for name, function in functions.items():
        expected = np.asarray(function(rows))
        for mapping in (sector, pd.Series(sector), pd.Series(sector, dtype="category")):
            assert_array_equal(np.asarray(function(mapping)), expected, err_msg=name)
        for missing in (dict.fromkeys(sector), [None] * len(X), pd.Series(np.nan, X.index)):
            with pytest.raises(ValueError, match="All labels in groupby= are missing"):
                function(missing)


def test_a_mapping_from_assets_is_routed_and_survives_cross_validation():
    rng = np.random.default_rng(5)
    X = random_panel(rng, n_dates=8, n_assets=16, missing=0.0)
    y = pd.Series(rng.normal(size=len(X)), X.index)
    assets = X.index.get_level_values("asset")
    sector = {asset: int(asset[-1]) % 2 for asset in set(assets)}
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            make_pipeline(FactorZScorer(), FamaMacBeth()),
            {"factorzscorer__clip": [None, 1.0]},
            cv=PurgedKFold(2),
        )
        by_asset = search.fit(X, y, groupby=sector).cv_results_["mean_test_score"]
        by_row = search.fit(X, y, groupby=assets.map(sector).to_numpy())
    assert_array_equal(by_asset, by_row.cv_results_["mean_test_score"])


# --- columns that stay as they are, and what does not vary --------------------------------------


def with_macro(n_dates=6, n_assets=20):
    """A panel of two characteristics and two columns that are the same for all assets of a date."""
    X = random_panel(np.random.default_rng(6), n_dates, n_assets, missing=0.05)
    dates = X.index.get_level_values("date")
    macro = pd.Series(np.linspace(-1.0, 2.0, n_dates), sorted(set(dates)))
    return X.assign(dp=macro[dates].to_numpy(), rate=(0.1 + macro[dates]).to_numpy())


@pytest.mark.parametrize("name", CASES)
def test_columns_pass_through_and_the_others_do_not_notice(name):
    X = with_macro()
    own = clone(CASES[name][0])
    alone = own.fit_transform(X[["x0", "x1"]])
    for passthrough in (["dp", "rate"], make_column_selector("dp|rate"), X.columns[[3, 2]]):
        ours = clone(own).set_params(passthrough=passthrough)
        found = ours.fit_transform(X)
        assert_frame_equal(found[["x0", "x1"]], alone, check_exact=True)
        assert_frame_equal(found[["dp", "rate"]], X[["dp", "rate"]], check_exact=True)
        assert list(ours.get_feature_names_out()) == list(X.columns)
        assert sorted(ours.passthrough_features_) == ["dp", "rate"]
    ours = clone(own).set_params(passthrough=["dp", "rate"])
    single = ours.fit_transform(X.astype(np.float32))
    assert set(single.dtypes) == {np.dtype(np.float32)}
    assert_frame_equal(single[["dp", "rate"]], X[["dp", "rate"]].astype(np.float32))
    dates = X.index.get_level_values("date").strftime("%Y-%m-%d").to_numpy()
    frame = clone(ours).fit_transform(pl.from_pandas(X.reset_index(drop=True)), dates=dates)
    assert isinstance(frame, pl.DataFrame)
    assert_allclose(frame.to_numpy(), ours.fit_transform(X))
    as_set = clone(ours).set_output(transform="polars").fit_transform(X)
    assert as_set.columns == list(X.columns)
    positions = clone(ours).set_params(passthrough=[2, 3])
    if name == "neutralizer":
        positions.set_params(against=[0])
    assert_allclose(positions.fit_transform(X.to_numpy(), dates=dates), ours.fit_transform(X))


@pytest.mark.parametrize("name", CASES)
def test_without_dates_statistics_of_columns_that_pass_are_neutral(name):
    X = with_macro().to_numpy()
    groups = np.arange(len(X)) % 3
    ours = clone(CASES[name][0]).set_params(passthrough=[0, 2])
    if name == "neutralizer":
        ours.set_params(against=[1])
    for labels in (None, groups):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoDatesWarning)  # arrays are meant
            found = ours.fit_transform(X, groupby=labels)
            without = ours.fit(X, groupby=labels)
        assert_array_equal(found[:, [0, 2]], X[:, [0, 2]])
        assert_array_equal(without.transform(X, groupby=labels), found)
        if hasattr(ours, "inverse_transform"):
            assert_allclose(ours.inverse_transform(found, groupby=labels), X, atol=1e-9)
        for stored in ours._statistic_names:
            shape = getattr(ours, stored).shape
            assert shape[: 2 if labels is not None else 1][-1] == X.shape[1]


@pytest.mark.parametrize("order", ORDERS)
def test_columns_that_vary_over_dates_only_are_named_in_one_warning(order):
    X = ORDERS[order](with_macro())
    warned = {"ranker", "z-score", "z-score by mad", "neutralizer"}
    for name, (transformer, _) in CASES.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clone(transformer).fit_transform(X)
        assert [each.category for each in caught] == [NoVariationWarning] * (name in warned), name
        for each in caught:
            assert "passthrough=['dp', 'rate']" in str(each.message)


def test_what_varies_within_a_date_or_nowhere_is_not_taken_for_a_macro_variable():
    X = with_macro()[["x0"]].assign(one=1.0, sparse=0.0, alone=np.nan)
    X.loc[X.index[0], "sparse"] = 1.0
    X.loc[~X.index.get_level_values("date").duplicated(), "alone"] = np.arange(6.0)
    FactorRanker().fit_transform(X)
    FactorRanker().fit_transform(with_macro(n_dates=1))
    late = with_macro(n_dates=60)
    late["dp"] = late["dp"].where(late.index.get_level_values("date") < "2025-01-01", late["x0"])
    with pytest.warns(NoVariationWarning, match=r"columns \['rate'\] vary over dates"):
        FactorRanker().fit_transform(late)


def test_a_date_with_a_single_asset_in_transform_is_counted_in_one_warning():
    X = random_panel(np.random.default_rng(7), n_dates=3, n_assets=8, missing=0.0)
    pipeline = make_pipeline(FactorRanker(), FamaMacBeth()).fit(X, X["x0"])
    one = X.iloc[[0]]
    with pytest.warns(NoVariationWarning, match=r"1 of 1 dates have a single asset"):
        pipeline.predict(one)
    last = X.index.get_level_values("date").max()
    some = pd.concat([X.drop(last, level="date"), X.xs(last, level="date", drop_level=False)[:1]])
    for transformer in (FactorRanker(), FactorZScorer(), FactorNeutralizer()):
        with pytest.warns(NoVariationWarning, match=r"1 of 3 dates have a single asset"):
            transformer.fit(X).transform(some)
        with pytest.raises(ValueError, match="has one row"):
            transformer.fit(X).transform(X[~X.index.get_level_values("date").duplicated()])
    for transformer in (Winsorizer(), FactorImputer(), FactorZScorer(center=None, scale=None)):
        transformer.fit(X).transform(some)


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (FactorRanker(passthrough=["vix"]), r"passthrough names \['vix'\], which are not among"),
        (FactorRanker(passthrough=["dp", "dp"]), "passthrough names a column more than once"),
        (FactorRanker(passthrough=["x0", "x1", "dp", "rate"]), "passthrough names all columns"),
        (
            FactorNeutralizer(against=["dp"], passthrough=["dp"]),
            "against and passthrough both",
        ),
        (FactorRanker(passthrough="dp"), "The 'passthrough' parameter of FactorRanker must be"),
    ],
)
def test_columns_that_cannot_pass_raise(transformer, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit(with_macro())


# --- universe -----------------------------------------------------------------------------------

OF_VALUES = {
    "z-score": z_score,
    "z-score by mad": mad_score,
    "winsorizer": clip_quantiles,
    "winsorizer by std": clip_deviations,
    "trimmer": trim_quantiles,
    "ranker": normal_rank,
    "imputer": fill_mean,
}


def test_the_value_set_of_two_assets_applied_to_four():
    index = pd.MultiIndex.from_product([["2024-01", "2024-02"], list("abcd")])
    X = pd.DataFrame({"x": [1.0, 2.0, 4.0, 10.0] * 2}, index.set_names(["date", "asset"]))
    for universe in ([True, True, False, False] * 2, [0.4, 0.6, 0.0, 0.0] * 2):
        scores = FactorZScorer(ddof=1).fit_transform(X, universe=universe)
        assert_allclose(scores["x"].round(3), [-0.707, 0.707, 3.536, 12.021] * 2)
        ranks = FactorRanker(output="percent").fit_transform(X, universe=universe)
        assert_array_equal(ranks["x"], [0.5, 1.0, 1.0, 1.0] * 2)
    narrow = FactorZScorer().fit_transform(X.astype("float32"), universe=[1, 1, 0, 1] * 2)
    assert narrow["x"].dtype == np.float32


@pytest.mark.parametrize("name", OF_VALUES)
def test_statistics_are_those_of_the_universe_and_all_rows_get_them(name):
    transformer, oracle = CASES[name][0], OF_VALUES[name]
    panel = random_panel(np.random.default_rng(3), n_dates=4, n_assets=30, n_features=2)
    number = pd.factorize(panel.index.get_level_values("asset"), sort=True)[0]
    universe = pd.Series(number % 3 > 0, panel.index)
    groups = pd.Series(number % 2, panel.index)
    for grouped, order in product((False, True), ("by date", "shuffled")):
        X = ORDERS[order](panel)
        expected = X.copy()
        by = ["date", groups[X.index].to_numpy()] if grouped else ["date"]
        for _, rows in X.groupby(by):
            for column in X:
                x = rows[column].to_numpy()
                known = rows.loc[universe[rows.index], column].dropna().to_numpy()
                expected.loc[rows.index, column] = oracle(known, np.ones(len(known)), x)
        given = {"groupby": groups[X.index].to_numpy()} if grouped else {}
        found = transformer.fit_transform(X, universe=universe[X.index], **given)
        assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        everyone = transformer.fit_transform(X, universe=np.ones(len(X)), **given)
        assert_allclose(everyone, transformer.fit_transform(X, **given), rtol=1e-9, atol=1e-12)


def test_residuals_of_all_rows_are_on_the_line_of_the_universe():
    panel = random_panel(np.random.default_rng(3), n_dates=3, n_assets=40, n_features=2).dropna()
    number = pd.factorize(panel.index.get_level_values("asset"), sort=True)[0]
    universe = pd.Series(number % 3 > 0, panel.index)
    found = FactorNeutralizer(against=["x0"]).fit_transform(panel, universe=universe)
    for _, rows in panel.groupby("date"):
        inside = rows[universe[rows.index]]
        slope, constant = np.polyfit(inside["x0"], inside["x1"], 1)
        expected = rows["x1"] - constant - slope * rows["x0"]
        assert_allclose(found.loc[rows.index, "x1"], expected, rtol=1e-9, atol=1e-10)


def test_without_dates_the_sample_is_the_universe():
    values = np.random.default_rng(0).normal(size=(40, 2))
    universe = np.arange(40) < 25
    for name in [*OF_VALUES, "neutralizer"]:
        transformer = clone(CASES[name][0]).set_params(date_level=None)
        if name == "neutralizer":
            transformer.set_params(against=[0])
        expected = clone(transformer).fit(values[:25]).transform(values)
        assert_allclose(transformer.fit_transform(values, universe=universe), expected)


def test_a_universe_that_is_empty_on_a_date_is_counted_and_gives_nan():
    panel = random_panel(np.random.default_rng(3), n_dates=3, n_assets=30, n_features=2).dropna()
    first = panel.index.get_level_values("date") == panel.index[0][0]
    for name, (transformer, _) in CASES.items():
        X, match = panel, r"In 2 case\(s\).*no value"
        if name == "neutralizer":
            match = r"In 1 case\(s\).*no value"
        if name == "imputer":
            X = panel.copy()
            X.iloc[np.flatnonzero(first)[0]] = np.nan
        with pytest.warns(UserWarning, match=match):
            found = transformer.fit_transform(X, universe=~first)
        changed = found[["x1"]] if name == "neutralizer" else found
        assert changed[first].isna().mean(axis=None) == (X[first].isna().mean(axis=None) or 1.0)
        assert changed[~first].notna().mean(axis=None) > 0.5


def test_a_column_that_is_constant_in_the_universe_alone_has_no_score():
    index = pd.MultiIndex.from_product([["2024-01"], list("abcd")], names=["date", "asset"])
    X = pd.DataFrame({"x": [1.0, 1.0, 4.0, 10.0]}, index)
    with pytest.warns(UserWarning, match=r"all of those in the universe: the scale is 0"):
        assert FactorZScorer().fit_transform(X, universe=[1, 1, 0, 0])["x"].isna().all()
    assert (FactorZScorer().fit_transform(X.iloc[:2], universe=[1, 0])["x"] == 0.0).all()


def test_the_universe_is_routed():
    X = random_panel(np.random.default_rng(3), n_dates=3, n_assets=30, n_features=2)
    universe = np.arange(len(X)) % 3 > 0
    expected = FactorZScorer().fit_transform(
        Winsorizer().fit_transform(X, universe=universe), universe=universe
    )
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(Winsorizer(), FactorZScorer())
        assert_frame_equal(pipeline.fit_transform(X, universe=universe), expected)


def test_a_universe_of_something_else_raises():
    X = random_panel(np.random.default_rng(3), n_dates=3, n_assets=10, n_features=2)
    n = len(X)
    for universe, message in [
        (np.zeros(n), r"universe is False for all rows"),
        (np.full(n, np.nan), r"something other than True and False or weights"),
        (np.full(n, "nyse"), r"something other than True and False or weights"),
        (-np.ones(n), r"negative numbers"),
        (np.ones(n - 1), r"universe"),
        (pd.Series(1.0, X.index[::-1]), r"universe"),
    ]:
        with pytest.raises(ValueError, match=message):
            FactorZScorer().fit_transform(X, universe=universe)

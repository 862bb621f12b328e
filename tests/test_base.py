"""Every transformer of panels, in every way rows, groups and weights come, against slow loops."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import MAD_TO_STD, random_panel
from scipy.stats import norm, rankdata
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skfactor import (
    FactorImputer,
    FactorNeutralizer,
    FactorRanker,
    FactorZScorer,
    FamaMacBeth,
    Winsorizer,
)
from skfactor._kernels import segments
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

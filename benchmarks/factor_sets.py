"""All sets of factors from moments, beside refitting each set in each fold.

`compare_factor_sets` with a score that needs rows, and scikit-learn's SequentialFeatureSelector,
refit; a few of their sets are timed, and the time of all is what those take. `large` runs the two
cases with millions of rows too.
"""

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.model_selection import cross_val_score
from timing import peak_bytes, print_machine, print_table, random_panel

from skfactor import FamaMacBeth, TradedFactorModel
from skfactor.metrics import r2_zero_scorer
from skfactor.model_selection import FactorSetSearchCV, PurgedKFold


def seconds(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Time on the clock, time of the processors, and what the call gives."""
    start, used = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - start, time.process_time() - used, result


def refit(X: pd.DataFrame, y: pd.Series, cv: Any, n_sets: int) -> float:
    """Processor seconds per set that refitting takes."""
    rng = np.random.default_rng(0)
    used = 0.0
    for _ in range(n_sets):
        chosen = list(rng.permutation(X.columns)[: X.shape[1] // 2])
        used += seconds(
            lambda own=chosen: cross_val_score(
                FamaMacBeth(), X[own], y, cv=cv, scoring=r2_zero_scorer
            )
        )[1]
    return used / n_sets


def all_sets_of_a_panel() -> None:
    X, y = random_panel(300, 500, 12)
    cv = list(PurgedKFold(5, purge=1).split(X, y))
    search = FactorSetSearchCV(FamaMacBeth(), scoring="r2_zero", cv=cv, refit=False)
    wall, used, fitted = seconds(lambda: search.fit(X, y))
    by_set = refit(X, y, cv, 12)
    forward = SequentialFeatureSelector(
        FamaMacBeth(), n_features_to_select=2, cv=cv, scoring=r2_zero_scorer
    )
    sequential = seconds(lambda: forward.fit(X, y))[1] / 23
    print_table(
        "300 dates x 500 assets x 12 columns, 5 purged folds: milliseconds of processor a set",
        [
            {"": "FactorSetSearchCV, all 4,095 sets", "ms": 1e3 * used / fitted.n_sets_},
            {"": "refitting", "ms": 1e3 * by_set},
            {"": "SequentialFeatureSelector", "ms": 1e3 * sequential},
            {"": "times faster than refitting", "ms": by_set * fitted.n_sets_ / used},
            {"": "all sets, seconds on the clock", "ms": wall},
        ],
    )
    memory = peak_bytes(lambda: search.fit(X, y))
    print_table("Peak memory of the search", [{"MB": memory / 2**20, "rows in MB": X.size / 2**17}])


def all_sets_of_a_wide_sample() -> None:
    rng = np.random.default_rng(0)
    factors = pd.DataFrame(0.005 + 0.04 * rng.normal(size=(819, 15))).add_prefix("f")
    returns = pd.DataFrame(
        factors.to_numpy() @ rng.normal(size=(15, 25)) + 0.05 * rng.normal(size=(819, 25))
    )
    rows = []
    for model in (FamaMacBeth(), TradedFactorModel()):
        search = FactorSetSearchCV(model, cv=10, refit=False)
        wall, used, fitted = seconds(lambda own=search: own.fit(factors, returns))
        name = type(model).__name__
        rows.append({"model": name, "sets": fitted.n_sets_, "seconds": wall, "processor": used})
    print_table("819 periods x 25 portfolios, all sets of 15 factors, 10 folds", rows)


def large_panels() -> None:
    X, y = random_panel(600, 3_000, 15)
    search = FactorSetSearchCV(FamaMacBeth(), scoring="r2_zero", refit=False)
    wall, used, fitted = seconds(lambda: search.fit(X, y))
    rows = [{"case": "600 x 3,000 x 15, all sets", "sets": fitted.n_sets_}]
    rows[0] |= {"seconds": wall, "processor": used}
    del X, y
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(300), range(4_667)], names=["date", "asset"])
    values = rng.standard_normal((200, len(index)), dtype=np.float32).T
    X = pd.DataFrame(values, index, [f"x{k}" for k in range(200)], copy=False)
    y = pd.Series(0.01 * values[:, :20].sum(axis=1) + rng.standard_normal(len(index)), index)
    search = FactorSetSearchCV(FamaMacBeth(), strategy="forward", max_size=20, refit=False)
    wall, used, moments = seconds(lambda: search.read_moments(X, y))
    rows.append({"case": "1.4 million rows x 200: moments", "seconds": wall, "processor": used})
    wall, used, fitted = seconds(lambda: search.fit_moments(moments))
    rows.append({"case": "... forward to 20 columns", "sets": fitted.n_sets_})
    rows[-1] |= {"seconds": wall, "processor": used}
    print_table("Large panels", rows)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print_machine("scikit-learn")
    all_sets_of_a_panel()
    all_sets_of_a_wide_sample()
    if "large" in sys.argv[1:]:
        large_panels()

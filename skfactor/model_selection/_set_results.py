"""Sets that a search has tried: what came of each, which is best, and the tables that show it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable

from skfactor._kernels.rounding import TIED
from skfactor._kernels.threads import Done
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor.model_selection._panel_sets import SetFits
from skfactor.model_selection._set_choices import Units
from skfactor.model_selection._set_engines import SetEngine

_BIAS = (
    "The best score of a search is biased upwards: it is the largest of {n_sets:,} scores. What "
    "the search is worth is the score of cross_val_score(search, X, y, cv=...), which searches "
    "again in every fold."
)
_EXTRA_COLUMNS = {
    "screening": ("score", "screening"),
    "sharpe2": ("sharpe2", "estimate"),
    "grs": ("grs", "statistic"),
    "grs_p_value": ("grs", "p_value"),
}


class TriedSets:
    """Sets that were tried, each once, and what came of them."""

    def __init__(self, engine: SetEngine) -> None:
        self._engine = engine
        self._members: list[BoolArray] = []
        self._fits: list[SetFits] = []
        self._known: dict[bytes, float] = {}

    def add(self, members: BoolArray, done: Done) -> Float64Array:
        """Mean scores (n_sets,) of sets, of which those that are new are fitted."""
        keys = [row.tobytes() for row in members]
        new = [i for i, key in enumerate(keys) if key not in self._known]
        if new:
            fits = self._engine.fit(members[new], done)
            self._members.append(members[new])
            self._fits.append(fits)
            for i, mean in zip(new, fits.scores.mean(axis=1), strict=True):
                self._known[keys[i]] = float(mean)
        return np.array([self._known[key] for key in keys])

    def members_and_fits(self, units: Units | None) -> tuple[BoolArray, SetFits]:
        """Sets (n_sets, K) in the order they were tried, those of an allowed size, and their fits.

        A greedy strategy also passes through sets that are too small to be chosen.
        """
        members, fits = np.concatenate(self._members), SetFits.joined(self._fits)
        if units is None:
            return members, fits
        allowed = units.allow(units.sizes_of_members(members))
        return members[allowed], fits.take(np.flatnonzero(allowed))


def ranked(means: Float64Array, sizes: IntArray) -> IntArray:
    """Sets from the best to the worst, of those that tie the smaller first; NaN comes last."""
    order = np.lexsort((sizes, -means))
    in_order = means[order]
    # Neighbours within rounding are one group, which is sorted by size.
    apart = ~(np.abs(np.diff(in_order)) <= TIED * np.maximum(1.0, np.abs(in_order[1:])))
    group = np.concatenate([[0], np.cumsum(apart)])
    found: IntArray = order[np.lexsort((sizes[order], group))]
    return found


def results_table(
    members: BoolArray,
    fits: SetFits,
    sizes: IntArray,
    labels: list[Hashable],
    names: Sequence[Hashable],
) -> pd.DataFrame:
    """One row per set, in the given order."""
    n_folds = fits.scores.shape[1]
    errors = np.full(len(members), np.nan)
    if n_folds > 1:
        errors = fits.scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
    premia = np.where(members, fits.premia[:, 1:], np.nan)
    columns: dict[tuple[str, Any], Any] = {
        ("set", "size"): sizes,
        ("set", "n_dates"): fits.n_dates,
        ("score", "mean"): fits.scores.mean(axis=1),
        ("score", "std_error"): errors,
        **{("score", f"split{f}"): column for f, column in enumerate(fits.scores.T)},
    }
    columns |= {_EXTRA_COLUMNS[name]: values for name, values in fits.extras.items()}
    columns |= {("premium", name): premia[:, k] for k, name in enumerate(names)}
    table = pd.DataFrame(columns, index=pd.Index(labels, tupleize_cols=False))
    table.columns = pd.MultiIndex.from_tuples(list(columns))
    return table


def choose(table: pd.DataFrame, rule: str) -> int:
    """Place of the chosen set in a table that begins with the best."""
    means = table["score", "mean"].to_numpy()
    error = table["score", "std_error"].iloc[0]
    if rule == "best" or not np.isfinite(error):
        return 0
    close = np.flatnonzero(means >= means[0] - error)
    return int(close[np.argmin(table["set", "size"].to_numpy()[close])])


def summary_of_search(table: pd.DataFrame, facts: Mapping[str, str], n_sets: int) -> Summary:
    """The sets of a table, below what is known of the search, with a note on its best score."""
    body = [
        [f"{int(size)}", f"{mean:.5g}", f"{error:.3g}"]
        for size, mean, error in zip(
            table["set", "size"], table["score", "mean"], table["score", "std_error"], strict=True
        )
    ]
    summary = Summary()
    summary.tables = [
        SimpleTable(
            [[value] for value in facts.values()], stubs=list(facts), title="Search of Factor Sets"
        ),
        SimpleTable(body, ["size", "score", "std err"], [str(label) for label in table.index]),
    ]
    summary.add_extra_txt([_BIAS.format(n_sets=n_sets)])
    return summary

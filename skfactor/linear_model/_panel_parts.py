"""A panel fitted in parts that know nothing of each other, and the one model made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import clone

from skfactor._dates import append_dates
from skfactor._passes.cross_sections import report_failures
from skfactor._typing import BoolArray, IntArray
from skfactor.linear_model._panel_fit import PanelRegression

Model = TypeVar("Model", bound=PanelRegression)


@dataclass(frozen=True)
class _Failures:
    """Which dates have no estimate, and why."""

    n_rows: IntArray
    thin: BoolArray
    deficient: BoolArray


def fit_part(model: Model, X: Any, y: Any, sample_weight: Any = None) -> Model:
    """Fit a clone of the model to some of the dates, for `join_parts`.

    What can only be said of all dates together is not said here: that a column is constant, or
    that dates cannot be estimated.
    """
    part: Model = clone(model)
    part._validate_params()
    values, target = part._validate(X, y, reset=True)
    part._two_pass = None
    part._fit_panel(
        values, target.reshape(-1), X, y, sample_weight, None, more_to_come=True, judge=False
    )
    return part


def join_parts(model: Model, parts: Sequence[Model]) -> Model:
    """Make a model, fitted to all dates at once, of clones that are fitted to some dates each.

    Raises and warns as one `fit` does, and raises if a date is in two parts.
    """
    joined: Model = clone(model)
    for name, value in vars(parts[0]).items():
        if name not in joined.get_params(deep=False) and name != "_warm_up":
            setattr(joined, name, value)
    dates = reduce(append_dates, (part.dates_ for part in parts))
    joined._variation = reduce(add, (part._variation for part in parts))
    joined._variation.raise_if_constant(joined._names, joined.fit_intercept)
    order = dates.argsort()
    tables = ([part.lambdas_ for part in parts], [part.cross_sections_ for part in parts])
    lambdas, cross_sections = (
        pd.concat(each, ignore_index=True).set_axis(dates).iloc[order] for each in tables
    )

    # What was the warm-up of its part is that of all dates if no other date comes before it.
    in_warm_up = np.concatenate([np.arange(len(p.dates_)) < p._warm_up for p in parts])[order]
    warm_up = int(np.append(in_warm_up, False).argmin())

    n_rows: IntArray = cross_sections["n_assets"].to_numpy()
    thin = n_rows < joined._fewest_assets()
    failed = np.isnan(lambdas.to_numpy()).any(axis=1)
    report_failures(
        _Failures(n_rows, thin, failed & ~thin),
        dates[order],
        min_assets=joined._fewest_assets(),
        refuse=joined.rank_deficient == "raise",
        values=None,
        names=joined._names,
        warm_up=warm_up,
    )
    joined._average_slopes([lambdas, cross_sections])
    return joined

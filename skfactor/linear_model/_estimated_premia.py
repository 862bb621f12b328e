"""What a fit leaves for the inference of its premia."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from skfactor._dates import calendar_positions, only_counts
from skfactor._typing import BoolArray, Float64Array
from skfactor.inference._covariance import PremiaSample
from skfactor.linear_model._two_pass_fit import TwoPassFit


@dataclass(frozen=True)
class EstimatedPremia:
    """Slopes and their average, as they were fitted.

    Later changes of the model's own tables and parameters do not reach these.
    """

    lambdas: pd.DataFrame  # (T, P) slopes of all dates, NaN where there is no estimate
    sections: pd.DataFrame  # of `date_tables`
    weights: Float64Array  # (T,) of each date in the average
    premia: pd.Series  # (P,)
    has_const: bool  # whether the first slope is the zero-beta rate
    alike: bool  # whether all dates with an estimate weigh the same, by the model's parameters
    settings: dict[str, str]  # what else a summary says of the fit

    def sample(self, two_pass: TwoPassFit | None) -> PremiaSample:
        """What errors are made from."""
        estimated = self.weights > 0.0
        used = slice(None) if estimated.all() else estimated  # without copies if it can be
        return PremiaSample(
            lambdas=self.lambdas.to_numpy()[used],
            weights=self.weights[used],
            positions=calendar_positions(self.lambdas.index)[used],
            is_const=np.arange(len(self.premia)) < self.has_const,
            factors=None if two_pass is None else two_pass.factors.to_numpy()[used],
            two_pass_influence=None if two_pass is None else two_pass.influence,
        )

    def describe(self, two_pass: TwoPassFit | None) -> Callable[[], dict[str, str]]:
        """What summaries say, worked out by them: it takes as long as the errors."""
        form, facts = "panel, exposures given", self.settings
        if two_pass is not None:
            form = "wide, two-pass"
            facts = {"Assets:": str(two_pass.returns.shape[1]), **facts}
        return partial(_describe, form, self.sections, self.weights > 0.0, self.has_const, facts)


def _describe(
    form: str, sections: pd.DataFrame, used: BoolArray, has_const: bool, facts: dict[str, str]
) -> dict[str, str]:
    dates, places = sections.index, np.flatnonzero(used)
    # A time of day that says nothing is left out.
    first, last = (str(dates[places[i]]).removesuffix(" 00:00:00") for i in (0, -1))
    mean = dict(zip(sections, sections.to_numpy()[used].mean(axis=0), strict=True))
    n_used, n_dates = len(places), len(dates)
    return {
        "Form:": form,
        "Dates used:": str(n_used) if n_used == n_dates else f"{n_used} of {n_dates}",
        "Span:": "" if only_counts(dates) else f"{first} to {last}",
        "Assets a date:": f"{mean['n_assets']:.1f}",
        "Average R2:": f"{mean['r2']:.4f}{'' if has_const else ' (uncentred)'}",
        **facts,
    }

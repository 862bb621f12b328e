"""What the wide form keeps of its two passes for the errors of the premia."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from skfactor._kernels.records import Record
from skfactor._passes.first_pass import collinear_factors
from skfactor._passes.two_pass import TwoPass
from skfactor._typing import Float64Array
from skfactor._validation import frozen
from skfactor.inference._diagnostics import note_on_factors
from skfactor.inference._two_pass import (
    correctly_specified_influence,
    misspecification_robust_influence,
)
from skfactor.inference._unbalanced import unbalanced_influence
from skfactor.linear_model._factor_betas import FactorBetas


@dataclass(frozen=True)
class TwoPassFit(Record):
    """First pass, factors (T, K), returns (T, N) of the assets with betas, and what became of them.

    Later changes of a model's own tables do not reach these.
    """

    first_pass: Any
    factors: pd.DataFrame
    returns: pd.DataFrame
    slopes: Float64Array  # (T, P)
    weighting: Any
    fit_intercept: bool

    def __post_init__(self) -> None:
        """Keep the first pass as it is now."""
        object.__setattr__(self, "first_pass", _frozen_first_pass(self.first_pass))

    def obstacle_to(self, covariance: str) -> str:
        """Why errors for estimated betas do not hold; empty if they do."""
        obstacle = self._obstacle_of_betas()
        if not obstacle and np.isnan(self.slopes).any():
            obstacle = "needs premia on every date, and some are missing. Drop those dates."
        if obstacle or self.is_complete:
            return obstacle
        if covariance == "shanken":
            return (
                "is for complete returns, and some are missing. Drop the assets or dates that miss "
                "some."
            )
        if self.weighting != "ols":
            return "is for an OLS second pass where returns are missing."
        return ""

    def note_on_factors(self) -> str:
        """One sentence if factors look useless or that cannot be tested; else empty."""
        return note_on_factors(self, self._obstacle_of_betas())

    def _obstacle_of_betas(self) -> str:
        kind = special_betas(self.first_pass)
        if kind:
            return (
                "is for betas of the whole sample, every date weighing alike, and these are "
                f"{kind}."
            )
        if not getattr(self.first_pass, "fit_intercept", False):
            return "is for betas estimated with an intercept in the first pass."
        if np.isnan(self.factors.to_numpy()).any():
            return "needs factors on every date, and some are missing. Drop those dates."
        return collinear_factors(self.first_pass)

    @cached_property
    def is_complete(self) -> bool:
        """Whether every asset has a return on every date."""
        return not np.isnan(self.returns.to_numpy()).any()

    @cached_property
    def betas(self) -> Float64Array:
        """Betas (N, K) of the whole sample, of the assets that have returns here."""
        betas, assets = self.first_pass.betas_, self.returns.columns
        used: Float64Array = (betas if len(betas) == len(assets) else betas.loc[assets]).to_numpy()
        return used

    @property
    def passes(self) -> TwoPass:
        """The two passes as matrices, for complete returns."""
        returns, factors = self.returns.to_numpy(), self.factors.to_numpy()
        return TwoPass(returns, factors, self.weighting, self.fit_intercept, self.betas)

    def influence(self, misspecified: bool, debiased: bool) -> Float64Array:
        """Influence (T, P) of each date on the average slopes, through slopes and betas.

        Kept, since errors with other kernels, summaries and diagnostics are made from it too.
        """
        kind = (misspecified, debiased)
        if kind not in self._influences:
            series = self._influence(misspecified, debiased)
            series.flags.writeable = False
            self._influences[kind] = series
        return self._influences[kind]

    @cached_property
    def _influences(self) -> dict[tuple[bool, bool], Float64Array]:
        return {}

    def _influence(self, misspecified: bool, debiased: bool) -> Float64Array:
        if not self.is_complete:
            return unbalanced_influence(
                self.returns.to_numpy(),
                self.factors.to_numpy(),
                self.betas,
                self.slopes,
                zero_beta=self.fit_intercept,
                misspecified=misspecified,
            )
        if misspecified:
            return misspecification_robust_influence(self.passes, debiased)
        return correctly_specified_influence(self.passes)


def _frozen_first_pass(first_pass: Any) -> Any:
    """A fitted first pass that later changes of the other, which is for users, do not reach."""
    twin = copy(first_pass)
    for name in ("betas_", "alphas_", "std_errors_"):
        if hasattr(twin, name):
            setattr(twin, name, frozen(getattr(twin, name)))
    return twin


class CorrectedTwoPassFit(TwoPassFit):
    """Two passes with a correction in between, for which errors of the betas are not derived."""

    def obstacle_to(self, covariance: str) -> str:
        return "is for least-squares slopes, and these are corrected for the errors of the betas."


def special_betas(first_pass: Any) -> str:
    """What betas are that are not least squares on the whole sample; empty if they are."""
    if type(first_pass) is not FactorBetas:  # of a subclass nothing is known but its fit
        return f"those of {type(first_pass).__name__}"
    if getattr(first_pass, "expanding", False):
        return "expanding (expanding=True)"
    for name, kind in (("window", "rolling"), ("halflife", "weighted"), ("shrinkage", "shrunk")):
        value = getattr(first_pass, name, None)
        if value is not None:
            return f"{kind} ({name}={value!r})"
    return ""

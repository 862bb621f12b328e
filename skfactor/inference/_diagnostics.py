"""What can be wrong with a two-pass model although its table looks fine: useless factors."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from skfactor._typing import Float64Array
from skfactor._validation import check_level
from skfactor.inference._premia import TestResult
from skfactor.inference._rank import rank_test
from skfactor.inference._two_pass import TwoPass, reason_of, two_pass_of


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Warning signs of a two-pass model.

    Attributes
    ----------
    rank : TestResult
        Test that the betas have less than full rank, so that the premia are not identified.
    beta_tests : DataFrame
        One row a factor: ``statistic``, ``p_value`` and ``df`` of the F test that the assets'
        betas on it are all equal (all zero without a zero-beta rate).
    t_values : DataFrame
        One row a premium: ``fama-macbeth`` and ``krs`` t-values.
    level : float
        Significance level of the warnings.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> FamaMacBeth().fit(factors, returns).diagnostics().warnings
    []
    """

    rank: TestResult
    beta_tests: pd.DataFrame
    t_values: pd.DataFrame
    level: float

    @property
    def useless(self) -> list[Any]:
        """Factors whose betas do not differ significantly between assets."""
        return list(self.beta_tests.index[self.beta_tests["p_value"] > self.level])

    @property
    def disagreements(self) -> list[Any]:
        """Premia that one kind of error calls significant and the other does not."""
        critical = stats.norm.ppf(1.0 - self.level / 2.0)
        significant = self.t_values.abs() > critical
        return list(significant.index[significant["fama-macbeth"] != significant["krs"]])

    @property
    def warnings(self) -> list[str]:
        """One sentence for each warning sign; empty if there is none."""
        found = []
        if self.useless:
            found.append(describe_useless(self.useless))
        if self.rank.p_value > self.level:
            found.append(
                "The betas may have less than full rank "
                f"(p-value {self.rank.p_value:.3f}): the premia may not be identified."
            )
        if self.disagreements:
            found.append(
                f"Fama-MacBeth and misspecification-robust errors disagree on whether the premia "
                f"of {self.disagreements} are significant."
            )
        return found

    def __str__(self) -> str:
        lines = [
            f"Rank of betas: {self.rank}",
            "",
            "Betas all equal or zero, by factor:",
            self.beta_tests.round(4).to_string(),
            "",
            "t-values:",
            self.t_values.round(3).to_string(),
            "",
            *(self.warnings or ["No warning signs."]),
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return "<pre>" + escape(str(self)) + "</pre>"


def describe_useless(names: list[Any]) -> str:
    """One sentence about factors that look useless."""
    return (
        f"The betas on {names} hardly differ between assets: the factor looks useless, and its "
        "premium is not identified."
    )


def note_on_factors(passes: TwoPass | str, names: list[Any], level: float = 0.05) -> str:
    """One sentence if factors look useless or that cannot be tested; else empty.

    ``passes`` may be why there are none for the test.
    """
    obstacle = passes if isinstance(passes, str) else _too_few_dates(passes)
    if isinstance(passes, str) or obstacle:
        return f"Whether a factor is useless was not tested: the test {obstacle}"
    tests = beta_tests(passes, names)
    useless = list(tests.index[tests["p_value"] > level])
    return describe_useless(useless) if useless else ""


def _too_few_dates(passes: TwoPass) -> str:
    """Why the betas of all assets cannot be tested together; empty if they can."""
    t, n = passes.returns.shape
    needed = n + passes.factors.shape[1] + 2
    if t >= needed:
        return ""
    return f"inverts the residuals' covariance of {n} assets and needs {needed} dates; found {t}."


def diagnose(model: Any, level: float) -> Diagnostics:
    """See `skfactor.FamaMacBeth.diagnostics`."""
    check_level(level)
    passes, _ = two_pass_of(model, "diagnostics")
    names = list(model.premia_.index[-passes.factors.shape[1] :])
    obstacle = _too_few_dates(passes) or model._obstacle_to("krs")
    if obstacle:
        raise ValueError(f"diagnostics {reason_of(obstacle)}")
    kinds = ("fama-macbeth", "krs")
    t_values = pd.DataFrame({kind: model.inference(kind).t_values for kind in kinds})
    rank = rank_test(passes.factors, passes.returns, zero_beta=passes.zero_beta)
    return Diagnostics(rank, beta_tests(passes, names), t_values, level)


def beta_tests(passes: TwoPass, names: list[Any]) -> pd.DataFrame:
    """F tests that all assets have the same beta on a factor, or zero, for each factor.

    Exact for normal residuals: Hotelling's statistic of one row of a multivariate regression.
    """
    betas, residuals = passes.betas, passes.residuals
    if passes.zero_beta:
        # Without differences between assets a beta is nothing that the zero-beta rate is not.
        betas, residuals = betas[1:] - betas[0], residuals[:, 1:] - residuals[:, :1]
    t, n = residuals.shape
    free = t - passes.factors.shape[1] - 1
    covariance = residuals.T @ residuals / free
    unscaled = np.diag(np.linalg.inv(passes.factor_covariance)) / t
    squares: Float64Array = np.einsum("nk,nk->k", betas, np.linalg.solve(covariance, betas))
    statistic = squares / unscaled * (free - n + 1) / (n * free)
    df = (n, free - n + 1)
    return pd.DataFrame(
        {"statistic": statistic, "p_value": stats.f.sf(statistic, *df), "df": [df] * len(names)},
        index=pd.Index(names, name="factor"),
    )

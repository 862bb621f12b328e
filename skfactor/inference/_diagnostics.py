"""What can be wrong with a two-pass model although its table looks fine: useless factors."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from skfactor._validation import check_level
from skfactor.inference._definite import quadratic_form
from skfactor.inference._premia import TestResult
from skfactor.inference._rank import rank_test
from skfactor.inference._two_pass import reason_of, two_pass_of

# Up to this share of its returns' sum of squares what is left of an asset is rounding.
_ROUNDING = 1e-24
_SINGULAR = (
    "The residuals' covariance is singular, so the betas of all assets cannot be tested together: "
    "some assets are combinations of others. Drop them."
)


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Warning signs of a two-pass model.

    Attributes
    ----------
    rank : TestResult or None
        Test that the betas have less than full rank, so that the premia are not identified; None
        where returns are missing.
    beta_tests : DataFrame
        One row a factor: ``statistic``, ``p_value`` and ``df`` of the F test that the assets'
        betas on it are all equal (all zero without a zero-beta rate); approximate where returns
        are missing.
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

    rank: TestResult | None
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
        if self.rank is not None and self.rank.p_value > self.level:
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
            f"Rank of betas: {self.rank or 'not tested, some returns are missing'}",
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


def note_on_factors(fit: Any, obstacle: str, level: float = 0.05) -> str:
    """One sentence if factors of a two-pass fit look useless or cannot be tested; else empty."""
    obstacle = obstacle or _too_few_dates(fit)
    if obstacle:
        return f"Whether a factor is useless was not tested: the test {obstacle}"
    try:
        tests = beta_tests(fit)
    except ValueError as error:
        return f"Whether a factor is useless was not tested. {error}"
    useless = list(tests.index[tests["p_value"] > level])
    return describe_useless(useless) if useless else ""


def _too_few_dates(fit: Any) -> str:
    """Why the betas of all assets cannot be tested together; empty if they can."""
    t, n = fit.returns.shape
    needed = n + fit.factors.shape[1] + 2
    if t >= needed:
        return ""
    return f"inverts the residuals' covariance of {n} assets and needs {needed} dates; found {t}."


def diagnose(model: Any, level: float) -> Diagnostics:
    """See `skfactor.FamaMacBeth.diagnostics`."""
    check_level(level)
    fit: Any = getattr(model, "_two_pass", None)
    if fit is None or fit.is_complete:
        two_pass_of(model, "diagnostics")  # raises if they cannot be had
    obstacle = _too_few_dates(fit) or model._obstacle_to("krs")
    if obstacle:
        raise ValueError(f"diagnostics {reason_of(obstacle)}")
    kinds = ("fama-macbeth", "krs")
    t_values = pd.DataFrame({kind: model.inference(kind).t_values for kind in kinds})
    rank = None
    if fit.is_complete:
        rank = rank_test(fit.factors, fit.returns, zero_beta=fit.fit_intercept)
    return Diagnostics(rank, beta_tests(fit), t_values, level)


def beta_tests(fit: Any) -> pd.DataFrame:
    """F tests that all assets have the same beta on a factor, or zero, for each factor.

    Hotelling's statistic of one row of a multivariate regression: exact for normal residuals and
    complete returns. Where returns are missing, the covariance of two betas is that of residuals
    on the dates that both assets have, in units of the betas' own standard errors.
    """
    first, assets = fit.first_pass, fit.returns.columns
    residuals = np.nan_to_num(first.residuals_[assets].to_numpy())
    squares = np.einsum("tn,tn->n", residuals, residuals)
    returns = np.nan_to_num(fit.returns.to_numpy())
    # An asset that is a combination of the factors has betas without errors: it tells nothing.
    own = squares > _ROUNDING * np.einsum("tn,tn->n", returns, returns)
    correlation = residuals[:, own].T @ residuals[:, own]
    correlation /= np.sqrt(squares[own] * squares[own, None])
    betas = first.betas_.loc[assets].to_numpy()[own]
    errors = first.std_errors_.loc[assets].to_numpy()[own]
    free, rows = len(residuals) - betas.shape[1] - 1, []
    for beta, error in zip(betas.T, errors.T, strict=True):
        covariance = correlation * error * error[:, None]
        if fit.fit_intercept:
            # Without differences between assets a beta is nothing that the zero-beta rate is not.
            beta = beta[1:] - beta[0]
            against = covariance[0]
            covariance = covariance - against - against[:, None] + against[0]
            covariance = covariance[1:, 1:]
        n = len(beta)
        distance = quadratic_form(beta, covariance, _SINGULAR)
        statistic, df = distance * (free - n + 1) / (n * free), (n, free - n + 1)
        rows.append((statistic, stats.f.sf(statistic, *df), df))
    index = pd.Index(fit.factors.columns, name="factor")
    return pd.DataFrame(rows, index=index, columns=["statistic", "p_value", "df"])

"""What can be wrong with a two-pass model although its table looks fine: useless factors."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from skfactor._definite import are_explained, quadratic_form
from skfactor._kernels.rounding import SAME_ESTIMATE
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor._validation import check_significance
from skfactor.inference._premia import TestResult
from skfactor.inference._rank import rank_test
from skfactor.inference._two_pass import two_pass_of

# Significance level of the line in summaries.
_LEVEL = 0.05
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
    significance : float
        Size of the tests behind the warnings.

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
    significance: float

    @property
    def useless(self) -> list[Any]:
        """Factors whose betas do not differ significantly between assets."""
        return list(self.beta_tests.index[self.beta_tests["p_value"] > self.significance])

    @property
    def disagreements(self) -> list[Any]:
        """Premia that one kind of error calls significant and the other does not."""
        critical = stats.norm.ppf(1.0 - self.significance / 2.0)
        significant = self.t_values.abs() > critical
        return list(significant.index[significant["fama-macbeth"] != significant["krs"]])

    @property
    def warnings(self) -> list[str]:
        """One sentence for each warning sign; empty if there is none."""
        found = []
        if self.useless:
            found.append(describe_useless(self.useless))
        if self.rank is not None and self.rank.p_value > self.significance:
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


def note_on_factors(fit: Any, obstacle: str) -> str:
    """One sentence if factors of a two-pass fit look useless or cannot be tested; else empty."""
    obstacle = obstacle or _too_few_dates(fit)
    if obstacle:
        return f"Whether a factor is useless was not tested: the test {obstacle}"
    try:
        tests = beta_tests(fit)
    except ValueError as error:
        return f"Whether a factor is useless was not tested. {error}"
    useless = list(tests.index[tests["p_value"] > _LEVEL])
    return describe_useless(useless) if useless else ""


def _too_few_dates(fit: Any) -> str:
    """Why the betas of all assets cannot be tested together; empty if they can."""
    t, n = fit.returns.shape
    needed = n + fit.factors.shape[1] + 2
    if t >= needed:
        return ""
    return f"inverts the residuals' covariance of {n} assets and needs {needed} dates; found {t}."


def diagnose(model: Any, significance: float) -> Diagnostics:
    """See `skfactor.FamaMacBeth.diagnostics`."""
    check_significance(significance)
    fit: Any = getattr(model, "_two_pass", None)
    if fit is None:
        two_pass_of(model, "diagnostics")  # says why there is none
    obstacle = _too_few_dates(fit) or model._obstacle_to("krs")
    if obstacle:
        raise ValueError(f"diagnostics {obstacle}")
    kinds = ("fama-macbeth", "krs")
    t_values = pd.DataFrame({kind: model.inference(kind).t_values for kind in kinds})
    rank = None
    if fit.is_complete:
        rank = rank_test(fit.factors, fit.returns, fit_intercept=fit.fit_intercept)
    return Diagnostics(rank, beta_tests(fit), t_values, significance)


def beta_tests(fit: Any) -> pd.DataFrame:
    """F tests that all assets have the same beta on a factor, or zero, for each factor of a fit.

    Hotelling's statistic of one row of a multivariate regression: exact for normal residuals and
    complete returns. Where returns are missing, the covariance of two betas is that of residuals
    on the dates that both assets have, in units of the betas' own standard errors, the number of
    dates is that of the shortest history, and assets of much shorter histories are left out.
    """
    first, assets = fit.first_pass, fit.returns.columns
    betas, errors = fit.betas, first.std_errors_.loc[assets].to_numpy()
    residuals = np.nan_to_num(first.residuals_[assets].to_numpy())
    returns = fit.returns.to_numpy()
    squares = np.einsum("tn,tn->n", residuals, residuals)
    exact = are_explained(squares, returns)  # their betas have no errors
    lengths = np.count_nonzero(~np.isnan(returns), axis=0)
    tested = _with_long_histories(lengths, betas.shape[1], ~exact)
    correlation = residuals[:, tested].T @ residuals[:, tested]
    correlation /= np.sqrt(squares[tested] * squares[tested, None])
    free = int(lengths[tested].min(initial=len(returns))) - betas.shape[1] - 1
    rows = []
    for beta, error in zip(betas.T, errors.T, strict=True):
        covariance = correlation * error[tested] * error[tested, None]
        rows.append(_test_beta(beta[exact], beta[tested], covariance, free, fit.fit_intercept))
    index = pd.Index(fit.factors.columns, name="factor")
    return pd.DataFrame(rows, index=index, columns=["statistic", "p_value", "df"])


def _with_long_histories(lengths: IntArray, n_factors: int, among: BoolArray) -> IntArray:
    """Places of the assets to be tested together: all, but for histories that leave little to all.

    The more assets, the shorter the shortest history, and the fewer degrees of freedom are left;
    the product of both is the largest. Raises ``ValueError`` if none are left.
    """
    order = np.flatnonzero(among)
    order = order[np.argsort(-lengths[order], kind="stable")]
    ranked = lengths[order]
    if not len(order) or ranked[0] == ranked[-1]:
        return np.sort(order)
    count = np.arange(1, len(order) + 1)
    left = ranked - n_factors - count - 1
    chosen = 1 + int((count * left)[1:].argmax())  # of one asset there is no difference
    if left[chosen] < 1:
        raise ValueError("The histories of the assets are too short to test their betas together.")
    return np.sort(order[: chosen + 1])


def _test_beta(
    exact: Float64Array,
    betas: Float64Array,
    covariance: Float64Array,
    free: int,
    zero_beta: bool,
) -> tuple[float, float, tuple[int, int]]:
    """Statistic, p-value and degrees of freedom of one factor's test.

    From betas without errors, and betas (n,) with their covariance (n, n).
    """
    n = len(betas)
    known = exact if zero_beta else np.append(0.0, exact)
    if len(known):
        if np.ptp(known) > SAME_ESTIMATE * np.abs(known).max():  # they differ for certain
            return np.inf, 0.0, (n, free - n + 1)
        betas = betas - known[0]
    elif n:
        # Without differences between assets a beta is nothing that the zero-beta rate is not.
        against, n = covariance[0], n - 1
        covariance = (covariance - against - against[:, None] + against[0])[1:, 1:]
        betas = betas[1:] - betas[0]
    df = (n, free - n + 1)
    if not n:
        return 0.0, 1.0, df
    statistic = quadratic_form(betas, covariance, _SINGULAR) * df[1] / (n * free)
    return statistic, float(stats.f.sf(statistic, *df)), df

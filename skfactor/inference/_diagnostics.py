"""What can be wrong with a two-pass model although its table looks fine: useless factors."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator

from skfactor._definite import are_explained, quadratic_form
from skfactor._kernels.rounding import SAME_ESTIMATE
from skfactor._kernels.wild_bootstrap import (
    BetaEquality,
    random_signs,
    share_as_large,
    wald_statistics,
)
from skfactor._passes.two_pass import TwoPassFit
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor._validation import check_significance
from skfactor.inference._covariance import infer, obstacle_to
from skfactor.inference._premia import TestResult
from skfactor.inference._rank import rank_test
from skfactor.inference._two_pass import two_pass_record_of

# Significance level of the line in summaries.
_LEVEL = 0.05
# Samples of the bootstrap: ten of them are as extreme as the level, up to a limit.
_DRAWS, _MOST_DRAWS = 199, 9_999
_SINGULAR = (
    "The residuals' covariance is singular, so the betas of all assets cannot be tested together: "
    "some assets are combinations of others. Drop them."
)


@dataclass(frozen=True, eq=False, repr=False)
class Diagnostics(Result):
    """Warning signs of a two-pass model.

    Attributes
    ----------
    rank : TestResult or None
        Test that the betas have less than full rank, so that the premia are not identified; None
        where returns are missing.
    beta_tests : DataFrame
        One row per factor: ``statistic``, ``p_value`` and ``df``, the number of restrictions, of
        the test that the assets' betas on it are all equal (all zero without a zero-beta rate). It
        is a Wald test robust to heteroskedasticity, with p-values by a wild bootstrap.
    t_values : DataFrame
        One row per premium: ``fama-macbeth`` and ``krs`` t-values.
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
    def useless(self) -> list[Hashable]:
        """Factors whose betas do not differ significantly between assets."""
        return list(self.beta_tests.index[self.beta_tests["p_value"] > self.significance])

    @property
    def disagreements(self) -> list[Hashable]:
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


def describe_useless(names: Sequence[Hashable]) -> str:
    """One sentence about factors that look useless."""
    return (
        f"The betas on {names} hardly differ between assets: the factor looks useless, and its "
        "premium is not identified."
    )


def note_on_factors(fit: TwoPassFit) -> str:
    """One sentence if factors of a two-pass fit look useless or cannot be tested; else empty."""
    obstacle = fit.obstacle_of_betas or _too_few_dates(fit)
    if obstacle:
        return f"Whether a factor is useless was not tested: the test {obstacle}"
    try:
        tests = beta_tests(fit)
    except ValueError as error:
        return f"Whether a factor is useless was not tested. {error}"
    useless = list(tests.index[tests["p_value"] > _LEVEL])
    return describe_useless(useless) if useless else ""


def may_be_useless(fit: TwoPassFit, significance: float = _LEVEL) -> BoolArray:
    """Factors (K,) whose betas do not differ significantly between assets; all if none is known."""
    unknown = np.ones(fit.factors.shape[1], dtype=bool)
    if fit.obstacle_of_betas or _too_few_dates(fit):
        return unknown
    try:
        return np.asarray(beta_tests(fit)["p_value"].to_numpy() > significance)
    except ValueError:  # assets are combinations of others
        return unknown


def _too_few_dates(fit: TwoPassFit) -> str:
    """Why the betas of all assets cannot be tested together; empty if they can."""
    t, n = fit.returns.shape
    needed = n + fit.factors.shape[1] + 2
    if t >= needed:
        return ""
    return f"inverts the residuals' covariance of {n} assets and needs {needed} dates; found {t}."


def diagnose(model: BaseEstimator, significance: float) -> Diagnostics:
    """See `skfactor.FamaMacBeth.diagnostics`."""
    check_significance(significance)
    if significance * _MOST_DRAWS < 0.99:
        raise ValueError(
            f"significance={significance!r} is below the smallest p-value of a bootstrap of "
            f"{_MOST_DRAWS} samples. Use 0.0001 or more."
        )
    n_draws = min(max(int(np.ceil(10.0 / significance)) - 1, _DRAWS), _MOST_DRAWS)
    record, fit = two_pass_record_of(model, "diagnostics")
    obstacle = _too_few_dates(fit) or obstacle_to("krs", record)
    if obstacle:
        raise ValueError(f"diagnostics {obstacle}")
    kinds = ("fama-macbeth", "krs")
    t_values = pd.DataFrame({kind: infer(record, kind).t_values for kind in kinds})
    rank = None
    if fit.is_complete:
        rank = rank_test(fit.factors, fit.returns, fit_intercept=fit.fit_intercept, n_draws=n_draws)
    return Diagnostics(rank, beta_tests(fit, n_draws), t_values, significance)


def beta_tests(fit: TwoPassFit, n_draws: int = _DRAWS) -> pd.DataFrame:
    """Tests that all assets have the same beta on a factor, or zero, for each factor of a fit.

    Wald statistics robust to heteroskedasticity, with p-values by a wild bootstrap: the residuals
    without the factor, times one random sign per date. Each asset has its own dates; those with
    much shorter histories than others are left out.
    """
    returns, factors = fit.returns.to_numpy(), fit.factors.to_numpy()
    observed, known = np.isfinite(returns.T), np.nan_to_num(returns.T)
    left = BetaEquality.of(factors, observed, 0, fit.fit_intercept).residuals(known)
    squares = np.einsum("nt,nt->n", left, left)
    exact = are_explained(squares, returns)  # their betas have no errors
    tested = _with_long_histories(observed.sum(axis=1), factors.shape[1], ~exact)
    signs = random_signs(n_draws, len(factors), 0)
    rows = []
    for k, beta in enumerate(fit.betas.T):
        values = beta[exact] if fit.fit_intercept else np.append(0.0, beta[exact])
        size = np.abs(values).max(initial=0.0)
        if len(values) and np.ptp(values) > SAME_ESTIMATE * size:  # they differ for certain
            rows.append((np.inf, 0.0, len(tested)))
            continue
        # Without differences between assets a beta is nothing that the zero-beta rate is not.
        test = BetaEquality.of(factors, observed[tested], k, differences=not len(values))
        compared = known[tested]
        if len(values):
            compared = compared - values[0] * np.where(observed[tested], factors[:, k], 0.0)
        rows.append(_test_betas(test, compared, signs))
    index = pd.Index(fit.factors.columns, name="factor")
    return pd.DataFrame(rows, index=index, columns=["statistic", "p_value", "df"])


def _test_betas(
    test: BetaEquality, returns: Float64Array, signs: Float64Array
) -> tuple[float, float, int]:
    """Statistic, p-value and number of restrictions from returns (N, T), 0 where missing."""
    df = len(returns) - test.differences
    if df < 1:
        return 0.0, 1.0, 0
    left = test.null_residuals(returns)

    def statistics(signs: Float64Array) -> Float64Array:
        return wald_statistics(*test.estimate(left, signs))

    betas, covariance = test.estimate(left, np.ones((1, signs.shape[1])))
    observed = quadratic_form(betas[0], covariance[0], _SINGULAR)
    try:
        share = share_as_large(statistics, observed, signs, len(returns))
    except np.linalg.LinAlgError as error:
        raise ValueError(_SINGULAR) from error
    return observed, share, df


def _with_long_histories(lengths: IntArray, n_factors: int, among: BoolArray) -> IntArray:
    """Places of the assets to be tested together: all but those with short histories.

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

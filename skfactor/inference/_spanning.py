"""Whether new assets widen the mean-variance frontier of those that one has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skfactor._definite import quadratic_form
from skfactor._kernels.wild_pricing import SpanningStatistics
from skfactor._results import Result
from skfactor._validation import is_one_of
from skfactor.inference._grs import FactorSample, check_residuals, read_factor_sample
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import TestResult, chi2_test
from skfactor.inference._small_sample import SmallSample, covariances_of_many


@dataclass(frozen=True, repr=False)
class SpanningTest(Result):
    """Tests that benchmark assets span new ones.

    Made by `spanning_test`.

    Attributes
    ----------
    joint : TestResult
        Test that all alphas are zero and the betas of each new asset add up to one.
    alphas : TestResult
        First step: the alphas are zero, so that the tangency portfolio is one of the benchmark.
    betas : TestResult
        Second step: the betas add up to one, given that the alphas are zero, so that the portfolio
        of least variance is one of the benchmark.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import spanning_test
    >>> french = load_french()
    >>> benchmark = french[["NoDur", "BusEq", "Utils"]]
    >>> print(spanning_test(benchmark, french[["Hlth", "Money"]]))
    wild bootstrap(4) = 22.0811, p-value = 0.0010
    H0: the alphas of the 2 new assets are zero, and their betas add up to one
    wild bootstrap(2) = 4.3134, p-value = 0.1140
    H0: the alphas of the 2 new assets are zero
    wild bootstrap(2) = 17.7677, p-value = 0.0010
    H0: their betas add up to one, given that alphas are zero
    """

    joint: TestResult
    alphas: TestResult
    betas: TestResult

    def __str__(self) -> str:
        return "\n".join(str(each) for each in (self.joint, self.alphas, self.betas))


def spanning_test(
    benchmark: ArrayLike,
    new: ArrayLike,
    *,
    covariance: str = "robust",
    small_sample: bool | str = "auto",
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    n_draws: int = 999,
    random_state: int = 0,
) -> SpanningTest:
    r"""Test of Huberman and Kandel (1987) that benchmark assets span new ones.

    In regressions of the new returns on those of the benchmark, alphas are zero and betas add up
    to one [1]_. The two steps say which of it fails: of few assets with small residuals the betas
    often do, which has little economic weight, while alphas have [2]_.

    Parameters
    ----------
    benchmark : array-like of shape (n_periods, n_benchmark)
        Returns of the benchmark assets: total returns, not excess returns, as all of the money is
        invested.
    new : array-like of shape (n_periods, n_assets)
        Total returns of the new assets.
    covariance : {"robust", "homoskedastic"}, default="robust"
        ``"robust"`` is the Wald statistic with the GMM covariance, robust to heteroskedasticity
        and, with a kernel, to serial correlation. ``"homoskedastic"`` is exactly F distributed with
        normal residuals of constant variance. Of returns with fat tails, whose residuals are large
        when the benchmark's returns are, it rejects a quarter of the true hypotheses about betas,
        however many dates there are.
    small_sample : {"auto", True, False, "wild"}, default="auto"
        For ``covariance="robust"`` only; the other is exact as it is. Without a kernel ``"auto"``,
        True and ``"wild"`` are a wild bootstrap: what the benchmark leaves of the returns under the
        hypothesis, times one random sign per date. False is the chi-square distribution, which
        rejects true hypotheses too often unless there are many dates for each new asset. With a
        kernel ``"wild"`` draws paths of a first-order autoregression of each asset, and ``"auto"``
        is False, and warns.
    kernel, bandwidth, prewhiten
        Long-run variance, as in `skfactor.FamaMacBeth.inference`; for ``"robust"`` only.
    n_draws, random_state
        As in `j_test`.

    Returns
    -------
    SpanningTest

    Raises
    ------
    ValueError
        If there are not more periods than assets, a value is missing or infinite, the rows differ,
        or returns or residuals are collinear, or the form is not there.

    Warns
    -----
    SmallSampleWarning
        If the distribution does not hold in a sample of this size.

    References
    ----------
    .. [1] Huberman, G. and S. Kandel (1987), "Mean-Variance Spanning", Journal of Finance 42(4),
       873-888. https://doi.org/10.1111/j.1540-6261.1987.tb03917.x
    .. [2] Kan, R. and G. Zhou (2012), "Tests of Mean-Variance Spanning", Annals of Economics and
       Finance 13(1), 139-187.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import spanning_test
    >>> french = load_french()
    >>> benchmark = french[["NoDur", "BusEq", "Utils"]]
    >>> spanning_test(benchmark, french["Hlth"], covariance="homoskedastic").joint.df
    (2, 815)
    """
    if not is_one_of(covariance, ("homoskedastic", "robust")):
        raise ValueError(f"covariance={covariance!r} is neither 'homoskedastic' nor 'robust'.")
    if covariance == "homoskedastic" and (kernel is not None or bandwidth is not None or prewhiten):
        raise ValueError("A kernel or bandwidth is for covariance='robust'; leave it out here.")
    if covariance == "homoskedastic" and small_sample != "auto":
        raise ValueError(
            f"small_sample={small_sample!r} is for covariance='robust': the homoskedastic tests "
            "are exact in samples of any size. Leave it out here."
        )
    form = SmallSample(small_sample, n_draws, random_state)
    long_run = LongRun(kernel, bandwidth, prewhiten)
    long_run.refuse_cosines("spanning_test")
    sample = read_factor_sample(benchmark, new)
    alphas, betas, residuals = sample.regress()
    check_residuals(sample, residuals)
    t, n, k = sample.shape
    first = f"the alphas of the {n} new assets are zero"
    second = "their betas add up to one"
    nulls = (f"{first}, and {second}", first, f"{second}, given that alphas are zero")
    if covariance == "robust":
        return SpanningTest(*_robust(sample, long_run, form, nulls))
    # Rows of Theta: alphas, and what betas miss of one.
    design = np.column_stack([np.ones(t), sample.factors])
    pick = np.vstack([np.eye(k + 1)[0], np.concatenate([[0.0], -np.ones(k)])])
    theta = np.vstack([alphas, 1.0 - betas.sum(axis=1)])
    left = residuals.T @ residuals
    gram = pick @ np.linalg.solve(design.T @ design, pick.T)
    with_alphas = left + np.outer(theta[0], theta[0]) / gram[0, 0]
    restricted = left + theta.T @ np.linalg.solve(gram, theta)
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (left, with_alphas, restricted)]
    if n == 1:
        joint = (np.expm1(logs[2] - logs[0]) * (t - k - 1) / 2.0, (2, t - k - 1))
    else:
        joint = (
            np.expm1((logs[2] - logs[0]) / 2.0) * (t - k - n) / n,
            (2 * n, 2 * (t - k - n)),
        )
    steps = [
        joint,
        (np.expm1(logs[1] - logs[0]) * (t - k - n) / n, (n, t - k - n)),
        (np.expm1(logs[2] - logs[1]) * (t - k - n + 1) / n, (n, t - k - n + 1)),
    ]
    tests = [
        TestResult(float(f), float(stats.f.sf(f, *df)), df, "F", null)
        for (f, df), null in zip(steps, nulls, strict=True)
    ]
    return SpanningTest(*tests)


def _robust(
    sample: FactorSample, long_run: LongRun, form: SmallSample, nulls: tuple[str, ...]
) -> list[TestResult]:
    """The tests by Wald statistics, which those of the steps add up to."""
    t, n, _ = sample.shape
    test = SpanningStatistics(sample.factors)
    over_last = sample.returns - sample.factors[:, -1:]
    estimates, influence = test.estimates(over_last), test.influence(over_last[None])[0]
    covariance, lags = long_run.covariance(influence, sample.positions)
    refusal = (
        "The covariance of alphas and betas is singular: dates are too few. Test fewer assets."
    )
    both = t * quadratic_form(estimates, covariance, refusal)
    alphas = t * quadratic_form(estimates[:n], covariance[:n, :n], refusal)
    observed, df = np.array([both, alphas, both - alphas]), (2 * n, n, n)
    chosen = form.choose("spanning_test", long_run, t, two_pass=False)
    if chosen == "asymptotic":
        return [chi2_test(*each) for each in zip(observed.tolist(), df, nulls, strict=True)]
    test = replace(test, covariances=covariances_of_many(long_run, lags, sample.positions))
    positions = None if long_run.kernel is None else sample.positions
    p_values, of_alphas = (
        form.p_values(
            test.statistics, observed, test.null_residuals(over_last, betas=betas), positions
        )
        for betas in (True, False)
    )
    p_values[1] = of_alphas[1]
    return [
        TestResult(float(w), float(p), (free,), "wild bootstrap", null)
        for w, p, free, null in zip(observed, p_values, df, nulls, strict=True)
    ]

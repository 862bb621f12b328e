"""Tests that a two-pass model prices its assets: all pricing errors are zero."""

from __future__ import annotations

from inspect import signature

import numpy as np
from sklearn.base import BaseEstimator

from skfactor._definite import are_explained, quadratic_form
from skfactor._kernels.wild_pricing import PricingErrorStatistics, unleveraged
from skfactor._passes.two_pass import TwoPass
from skfactor._validation import check_flag
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import TestResult, chi2_test, f_test
from skfactor.inference._small_sample import (
    SmallSample,
    cosine_test,
    covariances_of_many,
    warn_of_limits,
)
from skfactor.inference._two_pass import two_pass_of

# The name of the test, the number of dates, the number of assets.
_SINGULAR = (
    "{} inverts the covariance of the pricing errors, which is singular for these {} dates and {} "
    "assets: dates are too few, or some assets are combinations of others and of the factors. Test "
    "fewer assets."
)
_NULL = "all pricing errors are zero"


def j_test(
    model: BaseEstimator,
    *,
    small_sample: bool | str = "auto",
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    n_draws: int = 999,
    random_state: int = 0,
) -> TestResult:
    """Test that all pricing errors are zero, for any distribution of returns and factors.

    For two passes it is the generalized cross-sectional regression test of Kan, Robotti and Shanken
    [1]_ (2013): J is the pricing errors that the premia leave free, weighed by the inverse of their
    long-run variance, times T. Models with a test of their own have that one: the overidentifying
    restrictions of `skfactor.LinearFactorGMM`, the alphas of `skfactor.TradedFactorModel`.

    Parameters
    ----------
    model : FamaMacBeth, LinearFactorGMM or TradedFactorModel
        Fitted; FamaMacBeth in wide form on complete returns.
    small_sample : {"auto", True, False, "wild"}, default="auto"
        With P premia True is J (T - K - N + P) / (T (N - P)), distributed like F with (N - P,
        T - K - N + P) degrees of freedom; this holds for N up to T / 5 and premia' Vf^-1 premia up
        to 0.1, or 0.15 with 40 dates per asset, and warns beyond. ``"wild"`` is a bootstrap that
        holds everywhere: betas, premia and factors are kept, residuals get one random sign per
        date, and both passes are fitted again. With a kernel the signs are those of innovations of
        a first-order autoregression of each asset, which needs 120 dates and warns below. False is
        the asymptotic distribution, chi-square with N - P degrees of freedom: it rejects true
        models too often unless there are many dates for each asset. ``"auto"`` is True without a
        kernel; with a kernel it is False, and warns. Other models say which forms they have.
    kernel, bandwidth, prewhiten
        Long-run variance, as in `skfactor.FamaMacBeth.inference`. LinearFactorGMM chooses its own
        in `fit`.
    n_draws : int, default=999
        Samples of the wild bootstrap; the smallest p-value is 1 / (n_draws + 1).
    random_state : int, default=0
        Seed of the draws: the same data have the same p-value.

    Returns
    -------
    TestResult
        ``distribution`` is ``"F"``, ``"chi2"`` or ``"wild bootstrap"``.

    Raises
    ------
    ValueError
        If two passes are not fitted in wide form, average some dates only, miss data, have no asset
        to spare, or leave no residuals; if the pricing errors have a singular covariance; or if the
        model takes no kernel here, or does not have the form.

    Warns
    -----
    SmallSampleWarning
        If the distribution does not hold in a sample of this size.

    References
    ----------
    .. [1] Kan, R., C. Robotti and J. Shanken (2013), "Pricing Model Performance and the Two-Pass
       Cross-Sectional Regression Methodology", Journal of Finance 68(6), 2617-2649.
       https://doi.org/10.1111/jofi.12035

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.inference import j_test
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> j_test(FamaMacBeth().fit(factors, returns)).df
    (21, 576)
    """
    form = SmallSample(small_sample, n_draws, random_state)
    check_flag(prewhiten, "prewhiten")
    own = getattr(model, "j_test", None) if isinstance(model, BaseEstimator) else None
    if own is not None:
        given = {"kernel": kernel, "bandwidth": bandwidth, "prewhiten": prewhiten}
        given |= {"small_sample": small_sample, "n_draws": n_draws, "random_state": random_state}
        taken = signature(own).parameters
        if "kernel" not in taken and (kernel is not None or bandwidth is not None or prewhiten):
            raise ValueError(
                f"The long-run variance of {type(model).__name__} is chosen in fit: pass kernel= "
                "and bandwidth= to the model, not to j_test."
            )
        result: TestResult = own(**{name: given[name] for name in taken})
        return result
    record, passes = two_pass_of(model, "j_test")
    _check_residuals(passes, "j_test")
    long_run, beside = LongRun(kernel, bandwidth, prewhiten), passes.null_space
    errors = beside.T @ passes.pricing_errors
    variance, lags = long_run.covariance(passes.moments, record.positions, combine=beside)
    refusal = _SINGULAR.format("j_test", *passes.returns.shape)
    (t, n), k, free = passes.returns.shape, passes.factors.shape[1], len(errors)
    statistic = t * quadratic_form(errors, variance, refusal)
    chosen = form.choose("j_test", long_run, t, two_pass=True)
    if chosen == "asymptotic":
        return chi2_test(statistic, free, _NULL)
    if chosen == "cosines":
        return cosine_test(statistic, free, lags, _NULL)
    if chosen == "exact":
        warn_of_limits("j_test", t, n, passes.errors_in_variables)
        left = t - k - free
        scaled = statistic * left / (t * free)
        return f_test(scaled, free, left, _NULL)
    test = PricingErrorStatistics(
        passes.centred_factors,
        passes.weighting,
        passes.zero_beta,
        covariances_of_many(long_run, lags, record.positions),
    )
    p_value = form.p_value(
        test.statistics,
        statistic,
        unleveraged(passes.centred_factors, passes.residuals),
        None if kernel is None else record.positions,
        passes.exposures @ passes.premia + passes.centred_factors @ passes.betas.T,
    )
    return TestResult(statistic, p_value, (free,), "wild bootstrap", _NULL)


def shanken_test(model: BaseEstimator, *, small_sample: bool = True) -> TestResult:
    """Cross-sectional regression test of Shanken (1985) that all pricing errors are zero.

    For residuals that are independent of the factors and over time [1]_, with the adjustment for
    estimated betas.

    Parameters
    ----------
    model : FamaMacBeth
        Fitted in wide form on complete returns, with any weighting.
    small_sample : bool, default=True
        Whether to use the approximate F distribution; else chi-square.

    Returns
    -------
    TestResult

    Raises
    ------
    ValueError
        If the model is not fitted in wide form, averages some dates only, misses data, has no
        asset to spare or fewer dates than assets, or the pricing errors have a singular covariance.

    References
    ----------
    .. [1] Shanken, J. (1985), "Multivariate Tests of the Zero-Beta CAPM", Journal of Financial
       Economics 14(3), 327-348. https://doi.org/10.1016/0304-405X(85)90002-9

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.inference import shanken_test
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> shanken_test(FamaMacBeth().fit(factors, returns)).df
    (21, 576)
    """
    _, passes = two_pass_of(model, "shanken_test")
    t, n = passes.returns.shape
    if t <= n:
        raise ValueError(
            f"shanken_test inverts the residuals' covariance of {n} assets and needs more dates "
            f"than that; found {t}."
        )
    _check_residuals(passes, "shanken_test")
    errors = passes.null_space.T @ passes.pricing_errors
    projected = passes.residuals @ passes.null_space
    refusal = _SINGULAR.format("shanken_test", t, n)
    q_statistic = quadratic_form(errors, projected.T @ projected / t, refusal)
    q_statistic /= 1.0 + passes.errors_in_variables
    free = len(errors)
    if not small_sample:
        statistic = t * q_statistic
        return chi2_test(statistic, free, _NULL)
    # T - N + 1 with a zero-beta rate, T - N without.
    left = t - passes.factors.shape[1] - free
    statistic = q_statistic * left / free
    return f_test(statistic, free, left, _NULL)


def _check_residuals(passes: TwoPass, what: str) -> None:
    """Raise ``ValueError`` if the factors leave nothing but rounding of some asset's returns."""
    squares = len(passes.returns) * passes.residual_variances
    explained = int(np.count_nonzero(are_explained(squares, passes.returns)))
    if explained:
        raise ValueError(
            f"{what} weighs pricing errors by the residuals, and the factors explain the returns "
            f"of {explained} of the {len(squares)} assets up to rounding. Drop these assets, or "
            "the factors that are among them."
        )

"""How well a two-pass model explains average returns, with errors, and comparisons of models."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator

from skfactor._definite import quadratic_form
from skfactor._kernels.rounding import FACTORS_LEFT
from skfactor._kernels.weighted_chi2 import weighted_chi2_sf, weighted_f_sf
from skfactor._passes.slopes import PremiaRecord
from skfactor._passes.two_pass import TwoPass
from skfactor._results import Result, p_value_text
from skfactor._typing import Float64Array
from skfactor._validation import check_flag, check_level
from skfactor.inference._against_many import Pair, joint_test, named_models
from skfactor.inference._covariance_risk import CovarianceRisk, price_of_covariance_risk
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference, TestResult, chi2_test
from skfactor.inference._small_sample import check_small_sample
from skfactor.inference._two_pass import (
    influence_of_errors,
    misspecification_robust_influence,
    two_pass_of,
)


@dataclass(frozen=True, repr=False)
class CrossSectionalR2(Result):
    """Cross-sectional R squared of a two-pass model, with its tests.

    Attributes
    ----------
    r2 : float
        Share of the (weighted) variation of average returns that betas explain.
    std_error : float
        Standard error, for an R squared strictly between 0 and 1.
    zero : TestResult
        Test that it is 0: no factor is priced.
    one : TestResult
        Test that it is 1: the model is correctly specified.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.inference import cross_sectional_r2
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> fitted = cross_sectional_r2(FamaMacBeth().fit(factors, returns))
    >>> 0.0 < fitted.r2 < 1.0
    True
    """

    r2: float
    std_error: float
    zero: TestResult
    one: TestResult

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Interval from the normal distribution, cut to 0 and 1.

        Parameters
        ----------
        level : float, default=0.95
            Coverage, between 0 and 1.

        Returns
        -------
        DataFrame of shape (1, 2)
            Row ``"r2"``, columns ``"lower"`` and ``"upper"``.

        Raises
        ------
        ValueError
            If the level is not between 0 and 1.
        """
        check_level(level)
        half = stats.norm.ppf(0.5 + level / 2.0) * self.std_error
        ends = np.clip([self.r2 - half, self.r2 + half], 0.0, 1.0)
        return pd.DataFrame([ends], index=["r2"], columns=["lower", "upper"])

    def __str__(self) -> str:
        low, high = self.conf_int().loc["r2"]
        interval = f"95% [{low:.4f}, {high:.4f}]"
        return (
            f"Cross-sectional R2 = {self.r2:.4f} ({self.std_error:.4f}), {interval}"
            f"\np-value of R2 = 0: {p_value_text(self.zero.p_value)}, "
            f"of R2 = 1: {p_value_text(self.one.p_value)}"
        )


@dataclass(frozen=True, repr=False)
class ModelComparison(TestResult):
    """Test that two models that are not nested have the same R squared, in three stages.

    Made by `compare_r2`. The R squareds differ only if all stages reject, so that ``p_value`` is
    the largest of theirs; ``statistic`` is that of the last.

    Attributes
    ----------
    statistic, p_value, df, distribution, null
        As in `TestResult`.
    stages : DataFrame
        ``statistic`` and ``p_value`` of the test that both models have the same discount factor
        (chi-square), that both are correct (a weighted sum of chi-squares), and of the difference
        (normal).

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import compare_r2
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> value, momentum = (
    ...     FamaMacBeth().fit(french[["MktRF", name]], returns) for name in ("HML", "Mom")
    ... )
    >>> compare_r2(value, momentum).decided_by
    'difference'
    """

    stages: pd.DataFrame

    @property
    def decided_by(self) -> str:
        """The stage with the largest p-value, which is that of the whole."""
        return str(self.stages["p_value"].idxmax())

    def __str__(self) -> str:
        said = ", ".join(f"{name} {p_value_text(p)}" for name, p in self.stages["p_value"].items())
        return f"{super().__str__()}\nDecided by: {self.decided_by} (p-values: {said})"


_STAGES = ["same discount factor", "both correct", "difference"]


def cross_sectional_r2(
    model: BaseEstimator,
    *,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    debiased: bool = True,
    small_sample: bool | str = "auto",
) -> CrossSectionalR2:
    """Cross-sectional R squared of a two-pass model with its standard error and tests.

    By Kan, Robotti and Shanken [1]_ (2013): the variation is weighed like the second pass, around
    a constant with a zero-beta rate and around zero without.

    Parameters
    ----------
    model : FamaMacBeth
        Fitted in wide form on complete returns.
    kernel, bandwidth, prewhiten
        Long-run variance, as in `skfactor.FamaMacBeth.inference`.
    debiased : bool, default=True
        For GLS, make the inverse of the return covariance in the errors unbiased.
    small_sample : {"auto", True, False}, default="auto"
        Of the test that a GLS R squared is 1. True compares with a weighted sum of chi-squares over
        another one with T - K - N + P degrees of freedom, as the covariance of the returns is
        estimated; False with the sum alone, which rejects true models too often unless there are
        many dates for each asset. ``"auto"`` is True for GLS without a kernel, else False.

    Returns
    -------
    CrossSectionalR2

    Raises
    ------
    ValueError
        If the model is not fitted in wide form, misses data, or has no asset to spare, or there is
        no form for small samples.

    References
    ----------
    .. [1] Kan, R., C. Robotti and J. Shanken (2013), "Pricing Model Performance and the Two-Pass
       Cross-Sectional Regression Methodology", Journal of Finance 68(6), 2617-2649.
       https://doi.org/10.1111/jofi.12035

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import cross_sectional_r2
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> round(cross_sectional_r2(model).r2, 3)
    0.819
    """
    check_flag(debiased, "debiased")
    record, passes = two_pass_of(model, "cross_sectional_r2")
    long_run = LongRun(kernel, bandwidth, prewhiten)
    long_run.refuse_cosines("cross_sectional_r2")
    t = len(passes.returns)
    r2 = r2_of(passes)
    variance, _ = long_run.covariance(r2_influence(passes, debiased)[:, None], record.positions)
    _, total = _quadratic_forms(passes)
    errors, _ = long_run.covariance(passes.moments, record.positions, combine=passes.null_space)
    k, left = passes.factors.shape[1], (1.0 - r2) * total
    xi, n_free = np.linalg.eigvalsh(errors), len(errors)
    null = "the cross-sectional R2 is 1"
    if _estimates_weights(small_sample, passes, long_run):
        df = t - k - n_free
        one = TestResult(
            t * (1.0 - r2), weighted_f_sf(left, xi, df), (n_free, df), "weighted F", null
        )
    else:
        p_value = weighted_chi2_sf(t * left, xi)
        one = TestResult(t * (1.0 - r2), p_value, (n_free,), "weighted chi2", null)
    # Of the slopes if all premia are zero, so that errors of the betas do not matter.
    unpriced = passes.slopes - passes.premia + influence_of_errors(passes, debiased)
    slopes, _ = long_run.covariance(unpriced[:, -k:], record.positions)
    root = np.linalg.cholesky(np.linalg.inv(passes.bread[-k:, -k:]))
    zero = weighted_chi2_sf(t * r2 * total, np.linalg.eigvalsh(root.T @ slopes @ root))
    return CrossSectionalR2(
        r2,
        float(np.sqrt(variance[0, 0] / t)),
        TestResult(t * r2, zero, (k,), "weighted chi2", "the cross-sectional R2 is 0"),
        one,
    )


def _estimates_weights(small_sample: bool | str, passes: TwoPass, long_run: LongRun) -> bool:
    """Whether a test takes into account that the weights of the second pass are estimates."""
    form = check_small_sample(small_sample)
    if form == "wild":
        raise ValueError("small_sample='wild' is not for R squareds. It is 'auto', True or False.")
    available = passes.weighting == "gls" and long_run.kernel is None
    if small_sample is True and not available:
        raise ValueError(
            "small_sample=True is for weighting='gls' without a kernel: the other weights do not "
            "invert a covariance. Leave it out."
        )
    return bool(form) and available


def _benchmark_errors(passes: TwoPass) -> Float64Array:
    """Average returns that no factor explains e0 (N,): around their weighted mean, or zero."""
    if not passes.zero_beta:
        return passes.means
    one = passes.weigh(np.ones(len(passes.means)))
    around: Float64Array = passes.means - (one @ passes.means) / one.sum()
    return around


def _quadratic_forms(passes: TwoPass) -> tuple[float, float]:
    """Q = e'We and Q0 = e0'We0."""
    errors, benchmark = passes.pricing_errors, _benchmark_errors(passes)
    return float(errors @ passes.weigh(errors)), float(benchmark @ passes.weigh(benchmark))


def r2_of(passes: TwoPass) -> float:
    """Cross-sectional R squared, 1 - Q / Q0."""
    left, total = _quadratic_forms(passes)
    return 1.0 - left / total


def r2_influence(passes: TwoPass, debiased: bool = False) -> Float64Array:
    """Influence (T,) of each date on the cross-sectional R squared."""
    _, total = _quadratic_forms(passes)
    benchmark, errors = _benchmark_errors(passes), passes.pricing_errors
    scale = passes.small_sample_scale(debiased)
    u = passes.weighted_errors * scale
    v = passes.centred_returns @ passes.weigh(benchmark) * scale
    y, missed = 1.0 - passes.discount, 1.0 - r2_of(passes)
    influence = -2.0 * u * y + missed * 2.0 * v
    if passes.weighting == "gls":
        influence += u**2 - missed * v**2
    elif passes.weighting == "wls":
        shares = passes.residuals**2 / passes.residual_variances**2
        influence += shares @ errors**2 - missed * (shares @ benchmark**2)
    influence /= total
    # Quadratic terms average to what they estimate; taken off, the series has mean zero.
    centred: Float64Array = influence - influence.mean()
    return centred


def _are_spanned(columns: Float64Array, basis: Float64Array) -> bool:
    """Whether columns (T, n) are combinations of a basis (T, k), up to rounding."""
    q, _ = np.linalg.qr(basis)
    left = columns - q @ (q.T @ columns)
    return bool(((left**2).sum(axis=0) <= FACTORS_LEFT * (columns**2).sum(axis=0)).all())


def _test_nested(small: TwoPass, large: TwoPass, prices: PremiaInference) -> TestResult:
    """Wald test that the prices of the large model's factors are those of the small one's."""
    # Discount factors of the small model have prices mix' mu in the large one: restricted are those
    # in the directions that its mix does not see, as of the factors that it does not have.
    f, g = small.centred_factors, large.centred_factors
    unit = np.sqrt((g**2).sum(axis=0))  # of each factor, or those of small ones would be lost
    mix = np.linalg.lstsq(g / unit, f / np.sqrt((f**2).sum(axis=0)), rcond=None)[0]
    k, n_small = mix.shape
    q, _ = np.linalg.qr(mix, mode="complete")
    directions = q[:, n_small:]
    directions = directions * unit[:, None]
    price = directions.T @ prices.premia.to_numpy()[-k:]
    cov = directions.T @ prices.cov.to_numpy()[-k:, -k:] @ directions
    wald = quadratic_form(price, cov, "The prices of the additional factors have no covariance.")
    names = prices.premia.index[-k:]
    extra = [str(n) for n, g_k in zip(names, g.T, strict=True) if not _are_spanned(g_k[:, None], f)]
    free = k - n_small
    said = ", ".join(extra) if len(extra) == free else "what the larger model has beside the other"
    null = f"{said} {'adds' if free == 1 or len(extra) != free else 'add'} nothing to the R2"
    return chi2_test(wald, free, null)


def compare_r2(
    model_a: BaseEstimator,
    model_b: BaseEstimator | Mapping[Hashable, BaseEstimator] | Sequence[BaseEstimator],
    *,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    debiased: bool = True,
) -> TestResult:
    """Test that two two-pass models explain the same assets equally well, or one against several.

    If the factors of one are among those of the other, or combinations of them, the cross-sectional
    R squareds are equal exactly if the prices of covariance risk of the additional factors are
    zero, which a misspecification-robust Wald test tests. Otherwise there are three ways in which
    they can be equal, and all have to be rejected [1]_: both models have the same discount factor;
    both are correct; or both are wrong to the same degree, for which the difference is compared
    with the normal distribution. Where models are hard to tell apart, this rarely rejects.

    With several models the hypothesis is that none of them explains more than the first. The test
    is one-sided, for the worst case of models that are all as good [2]_. As it rejects too often in
    samples of 240 and 600 dates (14 and 11 percent of four models as good as each other), its
    p-value is at least Bonferroni's of the pairs, each in three stages (3 percent).

    Parameters
    ----------
    model_a, model_b : FamaMacBeth
        Fitted in wide form to the same complete returns, with the same weighting and zero-beta
        rate. The second may be several, a dictionary with their names or a list.
    kernel, bandwidth, prewhiten
        Long-run variance, as in `skfactor.FamaMacBeth.inference`.
    debiased : bool, default=True
        For GLS, make the inverse of the return covariance unbiased; for nested models also multiply
        the variance of the prices by T / (T - K - 1), as in `skfactor.FamaMacBeth.inference`.

    Returns
    -------
    TestResult or ModelComparison
        Chi-square for nested models; else a `ModelComparison` with a standard normal statistic,
        positive if the first model explains more. Of several models a `ManyComparisons`.

    Raises
    ------
    ValueError
        If the models are of other assets, dates, weighting or zero-beta rate, or are the same, or
        are nested and of WLS: there each weighs by its own residuals, and their R squareds may
        differ although the prices are zero.

    References
    ----------
    .. [1] Kan, R., C. Robotti and J. Shanken (2013), "Pricing Model Performance and the Two-Pass
       Cross-Sectional Regression Methodology", Journal of Finance 68(6), 2617-2649.
       https://doi.org/10.1111/jofi.12035
    .. [2] Wolak, F. A. (1989), "Testing Inequality Constraints in Linear Econometric Models",
       Journal of Econometrics 41(2), 205-235. https://doi.org/10.1016/0304-4076(89)90094-8

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import compare_r2
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> capm = FamaMacBeth().fit(french[["MktRF"]], returns)
    >>> carhart = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> compare_r2(capm, carhart).distribution
    'chi2'
    """
    check_flag(debiased, "debiased")
    long_run = LongRun(kernel, bandwidth, prewhiten)
    if not isinstance(model_b, Mapping | list | tuple):
        return _compare_pair(model_a, model_b, long_run, debiased)
    record, a = two_pass_of(model_a, "compare_r2")
    long_run.refuse_cosines("compare_r2")
    pairs: dict[Hashable, Pair] = {}
    for name, model in named_models(model_b, "compare_r2").items():
        found = _compare_pair(model_a, model, long_run, debiased)
        _, b = two_pass_of(model, "compare_r2")
        nested, influence, bound = "", None, 0.0
        if isinstance(found, ModelComparison):
            influence = r2_influence(a, debiased) - r2_influence(b, debiased)
            earlier = found.stages["p_value"].iloc[:-1].max()
            bound = float(max(stats.norm.cdf(found.statistic), earlier))
        else:
            nested = "larger" if b.factors.shape[1] > a.factors.shape[1] else "smaller"
        pairs[name] = Pair(r2_of(a) - r2_of(b), found.p_value, nested, influence, bound)
    null = "no model has a larger R2 than the first"
    return joint_test(pairs, record.positions, long_run, null)


def _compare_pair(
    model_a: BaseEstimator, model_b: BaseEstimator, long_run: LongRun, debiased: bool
) -> TestResult:
    """Test that two models have the same R squared."""
    (record, a), (_, b) = (two_pass_of(model, "compare_r2") for model in (model_a, model_b))
    if a.returns.shape != b.returns.shape or not np.array_equal(a.returns, b.returns):
        raise ValueError("compare_r2 needs models of the same returns; these differ.")
    if (a.weighting, a.zero_beta) != (b.weighting, b.zero_beta):
        raise ValueError("compare_r2 needs models with the same weighting and fit_intercept.")
    larger = b.factors.shape[1] >= a.factors.shape[1]
    small, large, of_large = (a, b, model_b) if larger else (b, a, model_a)
    if _are_spanned(small.centred_factors, large.centred_factors):
        if small.factors.shape == large.factors.shape:
            raise ValueError(
                "compare_r2 was given the same factors twice, or combinations of the same factors."
            )
        if a.weighting == "wls":
            raise ValueError(
                "compare_r2 of nested models needs one set of weights, and with weighting='wls' "
                "each model weighs assets by its own residuals. Use weighting='ols' or 'gls', or "
                "test the prices by price_of_covariance_risk."
            )
        prices = price_of_covariance_risk(
            of_large,
            "krs",
            kernel=long_run.kernel,
            bandwidth=long_run.bandwidth,
            prewhiten=long_run.prewhiten,
            debiased=debiased,
        )
        return _test_nested(small, large, prices)
    long_run.refuse_cosines("compare_r2")
    influence = r2_influence(a, debiased) - r2_influence(b, debiased)
    variance, _ = long_run.covariance(influence[:, None], record.positions)
    statistic = (r2_of(a) - r2_of(b)) / float(np.sqrt(variance[0, 0] / len(influence)))
    stages = pd.DataFrame(
        [
            _test_discount_factors(a, b, long_run, record, debiased),
            _test_both_correct(a, b, long_run, record),
            (statistic, float(2.0 * stats.norm.sf(abs(statistic)))),
        ],
        index=pd.Index(_STAGES, name="stage"),
        columns=["statistic", "p_value"],
    )
    p_value = float(stages["p_value"].max())
    return ModelComparison(statistic, p_value, (), "normal", "both models have the same R2", stages)


def _test_discount_factors(
    a: TwoPass, b: TwoPass, long_run: LongRun, record: PremiaRecord, debiased: bool
) -> tuple[float, float]:
    """Wald test that the factors that only one model has have no price, so that both are equal."""
    prices, series = [], []
    for one, other in ((a, b), (b, a)):
        passes = CovarianceRisk(one.returns, one.factors, one.weighting, one.zero_beta, one.betas)
        factors = one.centred_factors
        own = [not _are_spanned(f[:, None], other.centred_factors) for f in factors.T]
        prices.append(passes.factor_premia[own])
        influence = misspecification_robust_influence(passes, debiased)
        series.append(influence[:, -factors.shape[1] :][:, own])
    values, influence = np.concatenate(prices), np.concatenate(series, axis=1)
    covariance, _ = long_run.covariance(influence, record.positions)
    refusal = (
        "The prices of the factors that only one of the models has depend on each other, so that "
        "the models cannot be told apart. Drop factors that almost follow from others."
    )
    wald = quadratic_form(values, covariance / len(influence), refusal)
    return wald, float(stats.chi2.sf(wald, len(values)))


def _test_both_correct(
    a: TwoPass, b: TwoPass, long_run: LongRun, record: PremiaRecord
) -> tuple[float, float]:
    """Test of T times the difference of R squareds, if both are 1: a sum of chi-squares."""
    series = np.column_stack([each.moments @ each.null_space for each in (a, b)])
    covariance, _ = long_run.covariance(series, record.positions)
    totals = [_quadratic_forms(each)[1] for each in (a, b)]
    n_a = a.null_space.shape[1]
    signs = np.concatenate(
        [np.full(n_a, -1.0 / totals[0]), np.full(len(covariance) - n_a, 1.0 / totals[1])]
    )
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    weights = np.linalg.eigvalsh(root.T @ (signs[:, None] * root))
    statistic = len(series) * (r2_of(a) - r2_of(b))
    above = weighted_chi2_sf(statistic, weights)
    return statistic, float(min(2.0 * min(above, 1.0 - above), 1.0))

"""Prices of covariance risk: what average returns pay for covariance with a factor, not for beta.

A factor helps to price assets, given the others, if and only if its price of covariance risk is not
zero; its premium can be zero although it helps, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from skfactor._definite import cholesky_factor
from skfactor._passes.two_pass import TwoPass
from skfactor._typing import BoolArray, Float64Array
from skfactor._validation import check_flag, check_significance
from skfactor.inference._covariance import check_covariance
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference
from skfactor.inference._two_pass import two_pass_of


@dataclass(frozen=True)
class CovarianceRisk:
    """Second pass on covariances C = R'F / T in place of betas, with the same weights W."""

    passes: TwoPass

    @cached_property
    def exposures(self) -> Float64Array:
        """[1, C] or C (N, P)."""
        covariances = self.passes.betas @ self.passes.factor_covariance
        if not self.passes.zero_beta:
            return covariances
        return np.column_stack([np.ones(len(covariances)), covariances])

    @cached_property
    def bread(self) -> Float64Array:
        """(X'WX)^-1 (P, P)."""
        gram = self.exposures.T @ self.passes.weigh(self.exposures)
        return np.asarray(np.linalg.inv(gram), dtype=np.float64)

    @cached_property
    def projection(self) -> Float64Array:
        """(X'WX)^-1 X'W (P, N)."""
        return self.bread @ self.passes.weigh(self.exposures).T

    @cached_property
    def prices(self) -> Float64Array:
        """Zero-beta rate and prices of covariance risk (P,)."""
        return self.projection @ self.passes.means

    @cached_property
    def slopes(self) -> Float64Array:
        """Slopes of each date on the covariances (T, P)."""
        return self.passes.returns @ self.projection.T

    def influence(self, misspecified: bool, debiased: bool = False) -> Float64Array:
        """Influence (T, P) of each date through slopes and covariances, as for premia."""
        passes = self.passes
        k = passes.factors.shape[1]
        deviations = passes.centred_returns @ self.projection.T
        influence = deviations * (1.0 - passes.discount)[:, None]
        influence[:, -k:] += self.prices[-k:]
        if not misspecified:
            return influence
        u = passes.weighted_errors * passes.small_sample_scale(debiased)
        influence += (passes.centred_factors * u[:, None]) @ self.bread[-k:]
        if passes.weighting == "gls":
            influence -= deviations * u[:, None]
        elif passes.weighting == "wls":
            shares = passes.residuals**2 / passes.residual_variances * passes.pricing_errors
            influence -= shares @ self.projection.T
        return influence

    def shanken_covariance(self) -> tuple[Float64Array, Float64Array]:
        """Residual part (P, P), divisor T, and influence (T, P) of the factors alone."""
        passes = self.passes
        residual = passes.residuals @ self.projection.T
        k = passes.factors.shape[1]
        of_factors = np.zeros_like(residual)
        of_factors[:, -k:] = passes.scaled_factors * (1.0 - passes.discount)[:, None]
        of_factors[:, -k:] += self.prices[-k:]
        enlarged = (1.0 + passes.errors_in_variables) * (residual.T @ residual) / len(residual)
        return enlarged, of_factors


def price_of_covariance_risk(
    model: Any,
    covariance: str = "auto",
    *,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    debiased: bool = True,
) -> PremiaInference:
    """Prices of covariance risk of a two-pass model: the slopes of its stochastic discount factor.

    Average returns are regressed on covariances with the factors in place of betas, with the
    weights of the model's second pass.

    Parameters
    ----------
    model : FamaMacBeth
        Fitted in wide form on complete returns.
    covariance : {"auto", "fama-macbeth", "shanken", "gmm", "krs"}, default="auto"
        As in `skfactor.FamaMacBeth.inference`; auto is krs, which holds under misspecification
        [1]_ [2]_.
    kernel, bandwidth, prewhiten, debiased
        As in `skfactor.FamaMacBeth.inference`.

    Returns
    -------
    PremiaInference
        Prices in units of return over squared factor units.

    Raises
    ------
    ValueError
        If the model is not fitted in wide form, misses data, or a name is unknown.

    References
    ----------
    .. [1] Kan, R., C. Robotti and J. Shanken (2013), "Pricing Model Performance and the Two-Pass
       Cross-Sectional Regression Methodology", Journal of Finance 68(6), 2617-2649.
       https://doi.org/10.1111/jofi.12035
    .. [2] Gospodinov, N., R. Kan and C. Robotti (2014), "Misspecification-Robust Inference in
       Linear Asset-Pricing Models with Irrelevant Risk Factors", Review of Financial Studies
       27(7), 2139-2170. https://doi.org/10.1093/rfs/hht135

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.inference import price_of_covariance_risk
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> price_of_covariance_risk(FamaMacBeth().fit(factors, returns)).premia.index.tolist()
    ['const', 'f1', 'f2', 'f3']
    """
    passes, positions = two_pass_of(model, "price_of_covariance_risk")
    check_flag(debiased, "debiased")
    check_covariance(covariance)
    risk = CovarianceRisk(passes)
    long_run = LongRun(kernel, bandwidth, prewhiten)
    kind = "krs" if covariance == "auto" else covariance
    t, k = passes.factors.shape
    residual_part: Float64Array | float = 0.0
    if kind == "shanken":
        residual_part, influence = risk.shanken_covariance()
    elif kind == "fama-macbeth":
        influence = risk.slopes - risk.prices
    else:
        influence = risk.influence(kind == "krs", debiased)
    weights = np.ones(influence.shape[1])
    weights[:-k] = 0.0  # the zero-beta rate has no say in the choice of the lags
    cov, lags = long_run.covariance(influence, positions, weights)
    used = (1 if kind == "fama-macbeth" else k + 1) if debiased else 0
    cov = (cov + residual_part) / (t - used)
    labels = model._estimated.premia.index.view()
    return PremiaInference(
        premia=pd.Series(risk.prices, index=labels, name="price"),
        cov=pd.DataFrame(cov, index=labels, columns=labels),
        df=t - 1.0 if kind == "fama-macbeth" else np.inf,
        covariance=kind,
        kernel=kernel,
        bandwidth=lags,
        prewhitened=prewhiten,
        describe=model._estimated.describe(model._two_pass),
    )


@dataclass(frozen=True)
class FactorScreen:
    """Which factors survive sequential removal.

    Attributes
    ----------
    kept : list
        Names of the surviving factors.
    steps : DataFrame
        One row a round, one column a factor: squared t statistics, NaN once a factor is gone,
        and the ``"threshold"`` of the round.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import screen_factors
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> screen_factors(model).kept
    ['HML', 'Mom']
    """

    kept: list[Any]
    steps: pd.DataFrame


def screen_factors(
    model: Any,
    *,
    significance: float = 0.05,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
) -> FactorScreen:
    """Remove factors one by one until all that are left are priced (Gospodinov-Kan-Robotti, 2014).

    In each round the prices of covariance risk are estimated by GLS without the removed factors;
    the one with the smallest squared misspecification-robust t statistic, with T for divisor and
    no small-sample correction, goes if it is below the chi-square quantile of
    1 - significance / (factors left), which allows for their number. Useless factors are removed
    with a probability that tends to one [1]_.

    Parameters
    ----------
    model : FamaMacBeth
        Fitted in wide form on complete returns; the second pass is done again by GLS.
    significance : float, default=0.05
        Probability of keeping any factor if none is priced.
    kernel, bandwidth
        Long-run variance, as in `skfactor.FamaMacBeth.inference`.

    Returns
    -------
    FactorScreen

    Raises
    ------
    ValueError
        If the model is not fitted in wide form, misses data, or has too few dates for GLS.

    References
    ----------
    .. [1] Gospodinov, N., R. Kan and C. Robotti (2014), "Misspecification-Robust Inference in
       Linear Asset-Pricing Models with Irrelevant Risk Factors", Review of Financial Studies
       27(7), 2139-2170. https://doi.org/10.1093/rfs/hht135

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.inference import screen_factors
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> screen_factors(FamaMacBeth().fit(factors, returns)).kept
    ['f1']
    """
    check_significance(significance)
    passes, positions = two_pass_of(model, "screen_factors")
    t, n = passes.returns.shape
    if t <= n + passes.factors.shape[1] + 2:
        raise ValueError(
            f"screen_factors inverts the covariance of {n} assets and needs more dates; found {t}."
        )
    if cholesky_factor(passes.return_covariance) is None:
        raise ValueError(
            f"screen_factors inverts the covariance of {n} assets, which is singular: some assets "
            "are combinations of others. Drop them."
        )
    names = np.array(list(model._estimated.premia.index[-passes.factors.shape[1] :]), dtype=object)
    kept: BoolArray = np.ones(len(names), dtype=bool)
    long_run = LongRun(kernel, bandwidth)
    steps = []
    while kept.any():
        factors = passes.factors[:, kept]
        risk = CovarianceRisk(TwoPass(passes.returns, factors, "gls", passes.zero_beta))
        k = factors.shape[1]
        cov, _ = long_run.covariance(risk.influence(True)[:, -k:], positions)
        squared_t = risk.prices[-k:] ** 2 / (np.diag(cov) / t)
        threshold = float(stats.chi2.ppf(1.0 - significance / k, 1))
        step = dict.fromkeys(names, np.nan)
        step.update(zip(names[kept], squared_t, strict=True))
        steps.append({**step, "threshold": threshold})
        weakest = int(squared_t.argmin())
        if squared_t[weakest] >= threshold:
            break
        kept[np.flatnonzero(kept)[weakest]] = False
    return FactorScreen(list(names[kept]), pd.DataFrame(steps).rename_axis("round"))

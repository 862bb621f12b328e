"""Prices of covariance risk: what average returns pay for covariance with a factor, not for beta.

A factor helps to price assets, given the others, if and only if its price of covariance risk is not
zero; its premium can be zero although it helps, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator

from skfactor._definite import cholesky_factor
from skfactor._passes.slopes import PremiaRecord
from skfactor._passes.two_pass import TwoPass, TwoPassFit
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array
from skfactor._validation import check_significance, is_one_of
from skfactor.inference._covariance import covariance_kind, infer
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference
from skfactor.inference._two_pass import misspecification_robust_influence, two_pass_of


@dataclass(frozen=True)
class CovarianceRisk(TwoPass):
    """Second pass on covariances C = R'F / T in place of betas; its premia are prices.

    A covariance is Vf times the betas, so that prices are Vf^-1 times the premia, and that Vf is
    estimated is part of their influence.
    """

    @cached_property
    def exposures(self) -> Float64Array:
        """[1, C] or C (N, P)."""
        covariances = self.betas @ self.factor_covariance
        if not self.zero_beta:
            return covariances
        return np.column_stack([np.ones(len(covariances)), covariances])

    @property
    def exposure_factors(self) -> Float64Array:
        """Factors (T, K): their products with a return average to its covariances."""
        return self.centred_factors

    @property
    def unit_factors(self) -> Float64Array:
        """Vf^-1 (f_t - f) (T, K)."""
        return self.scaled_factors

    @property
    def factor_influence(self) -> Float64Array:
        """Influence (T, K) of each date through the mean and the covariance of the factors."""
        return self.scaled_factors * (1.0 - self.discount)[:, None] + self.factor_premia


class PricesFit(TwoPassFit):
    """Two passes of which the second is on covariances."""

    @cached_property
    def passes(self) -> CovarianceRisk:
        """The two passes as matrices."""
        plain = super().passes
        return CovarianceRisk(**{each.name: getattr(plain, each.name) for each in fields(plain)})


def record_of_prices(record: PremiaRecord, fit: TwoPassFit) -> PremiaRecord:
    """What a fit leaves for the inference of prices of covariance risk."""
    prices = PricesFit(
        fit.first, fit.factors, fit.returns, fit.weighting, fit.fit_intercept, fit.correction
    )
    passes, lambdas = prices.passes, record.slopes.lambdas
    slopes = pd.DataFrame(passes.slopes, lambdas.index, lambdas.columns)
    return replace(
        record,
        slopes=replace(record.slopes, lambdas=slopes),
        premia=pd.Series(passes.premia, record.premia.index, name="price"),
        two_pass=prices,
        note="",
    )


def price_of_covariance_risk(
    model: BaseEstimator,
    covariance: str = "auto",
    *,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    debiased: bool = True,
    **options: object,
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
    kernel, bandwidth, prewhiten, debiased, **options
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
    record, _ = two_pass_of(model, "price_of_covariance_risk")
    assert record.two_pass is not None
    if not is_one_of(covariance, ("auto",)) and not covariance_kind(covariance).holds_for_prices:
        raise ValueError(
            f"covariance={covariance!r} is for premia, and not known to hold for prices of "
            "covariance risk. Use 'krs'."
        )
    return infer(
        record_of_prices(record, record.two_pass),
        covariance,
        kernel=kernel,
        bandwidth=bandwidth,
        prewhiten=prewhiten,
        debiased=debiased,
        options=options,
    )


@dataclass(frozen=True, repr=False)
class FactorScreen(Result):
    """Which factors survive sequential removal.

    Attributes
    ----------
    kept : list
        Names of the surviving factors.
    steps : DataFrame
        One row per round, one column per factor: squared t statistics, NaN once a factor is gone,
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

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        n_factors = self.steps.shape[1] - 1
        yield f"Kept: {', '.join(map(str, self.kept)) or 'none'} (of {n_factors} factors)"
        yield "Squared t statistics by round; the smallest goes if it is below the threshold:"
        yield self.steps


def screen_factors(
    model: BaseEstimator,
    *,
    significance: float = 0.05,
    kernel: str | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
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
    kernel, bandwidth, prewhiten
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
    record, passes = two_pass_of(model, "screen_factors")
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
    names = np.array(list(record.premia.index[-passes.factors.shape[1] :]), dtype=object)
    kept: BoolArray = np.ones(len(names), dtype=bool)
    long_run = LongRun(kernel, bandwidth, prewhiten)
    long_run.refuse_cosines("screen_factors")
    steps = []
    while kept.any():
        factors = passes.factors[:, kept]
        risk = CovarianceRisk(passes.returns, factors, "gls", passes.zero_beta)
        k = factors.shape[1]
        influence = misspecification_robust_influence(risk)[:, -k:]
        cov, _ = long_run.covariance(influence, record.positions)
        squared_t = risk.factor_premia**2 / (np.diag(cov) / t)
        threshold = float(stats.chi2.ppf(1.0 - significance / k, 1))
        step = dict.fromkeys(names, np.nan)
        step.update(zip(names[kept], squared_t, strict=True))
        steps.append({**step, "threshold": threshold})
        weakest = int(squared_t.argmin())
        if squared_t[weakest] >= threshold:
            break
        kept[np.flatnonzero(kept)[weakest]] = False
    return FactorScreen(list(names[kept]), pd.DataFrame(steps).rename_axis("round"))

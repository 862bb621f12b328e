"""Interval of the cross-sectional R squared by simulation of what samples show of a true one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._kernels.drawn_two_pass import DrawnPasses, TwoPassSample
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array
from skfactor._validation import check_level
from skfactor.inference._bootstrap import TwoPassDraws, draw_two_passes
from skfactor.inference._diagnostics import may_be_useless
from skfactor.inference._two_pass import two_pass_of, two_pass_record_of

# True R squareds that are tried.
_POINTS = 51
# Share of the spread of averages that is not noise, at the least.
_LEAST_SPREAD = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class R2Interval(Result):
    """True R squareds of which a sample like this one is not unusual.

    Made by `r2_interval`.

    Attributes
    ----------
    r2 : float
        R squared of the sample.
    lower, upper : float
        Ends of the interval; NaN if samples of no true R squared look like this one.
    level : float
        Coverage.
    samples : DataFrame
        For each true R squared, the range of the R squareds of that share of the samples:
        ``lower`` and ``upper``.
    useless : tuple
        Factors that may be useless, so that the interval also has the R squareds of samples in
        which what they explain is chance.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import r2_interval
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> print(r2_interval(model))
    Cross-sectional R2 = 0.8186, 95% [0.7104, 0.9270] by simulation
    """

    r2: float
    lower: float
    upper: float
    level: float
    samples: pd.DataFrame
    useless: tuple[Hashable, ...] = ()

    def __str__(self) -> str:
        said = f"; {', '.join(map(str, self.useless))} may be useless" if self.useless else ""
        return (
            f"Cross-sectional R2 = {self.r2:.4f}, {100.0 * self.level:g}% "
            f"[{self.lower:.4f}, {self.upper:.4f}] by simulation{said}"
        )


def r2_interval(
    model: BaseEstimator,
    *,
    level: float = 0.95,
    n_draws: int = 999,
    block_length: float | None = 1.0,
    random_state: int = 0,
) -> R2Interval:
    """Confidence interval of the cross-sectional R squared, by simulation.

    A sample shows a large R squared although the true one is small if there are few assets for the
    factors, or returns have a strong factor structure. For each true R squared returns are given
    average returns that have it, with the betas of the sample and pricing errors at random; dates
    are drawn, and both passes run. The interval has the true R squareds for which that of the
    sample lies between the quantiles of the draws [1]_.

    Sample betas of a factor that is useless are noise along the factors that drive returns, and may
    explain much of their averages. Where the test of `skfactor.FamaMacBeth.diagnostics` cannot tell
    that the betas on some factors differ, the interval also has the true R squareds of populations
    in which they are all equal. In simulations of 120 and 600 months, 18 portfolios or 12
    industries, and factors that are priced, priced in part, useless, or both, 95% intervals covered
    the true R squared in 91.5 to 97.5 percent of the samples.

    Parameters
    ----------
    model : FamaMacBeth
        Fitted in wide form on complete returns.
    level : float, default=0.95
        Coverage, between 0 and 1.
    n_draws : int, default=999
        Draws of the dates.
    block_length : float or None, default=1
        Mean length of the blocks of dates; None chooses it, as in ``inference("bootstrap")``.
    random_state : int, default=0
        Seed of the draws: the same data have the same interval.

    Returns
    -------
    R2Interval

    Raises
    ------
    ValueError
        If the model is not fitted in wide form, misses data, or has too few dates or assets.

    References
    ----------
    .. [1] Lewellen, J., S. Nagel and J. Shanken (2010), "A Skeptical Appraisal of Asset Pricing
       Tests", Journal of Financial Economics 96(2), 175-194.
       https://doi.org/10.1016/j.jfineco.2009.09.001

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.inference import r2_interval
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> found = r2_interval(FamaMacBeth().fit(factors, returns), n_draws=199)
    >>> bool(found.lower <= found.upper)
    True
    """
    check_level(level)
    two_pass_of(model, "r2_interval")
    _, fit = two_pass_record_of(model, "r2_interval")
    drawn = draw_two_passes(fit, n_draws, block_length, random_state, "r2_interval")
    r2 = float(drawn.own.r2(drawn.own.means[:, :, None])[0, 0])
    tail = (1.0 - level) / 2.0
    useless = may_be_useless(fit)

    def samples_of(true: Float64Array, without: BoolArray | None = None) -> pd.DataFrame:
        populations = _Populations(drawn, np.random.default_rng(random_state + 1), true, without)
        width = drawn.sample.returns.shape[1] * len(true) * 4
        found = populations.draws.collect(populations.r2, width)
        low, high = np.quantile(found, [tail, 1.0 - tail], axis=0)
        return pd.DataFrame({"lower": low, "upper": high}, pd.Index(true, name="true_r2"))

    true = np.linspace(0.0, 1.0, _POINTS)
    samples = samples_of(true)
    ends = _accepted(samples, r2)
    if useless.any():
        # Without the other factors nothing is explained.
        beside = samples_of(true[:1] if useless.all() else true, useless)
        both = np.array([ends, _accepted(beside, r2)])
        if np.isfinite(both).any():
            ends = float(np.nanmin(both[:, 0])), float(np.nanmax(both[:, 1]))
        beside = beside.reindex(samples.index)
        samples["lower"] = np.fmin(samples["lower"], beside["lower"])
        samples["upper"] = np.fmax(samples["upper"], beside["upper"])
    names = tuple(fit.factors.columns[useless])
    return R2Interval(r2, *ends, float(level), samples, names)


def _accepted(samples: pd.DataFrame, r2: float) -> tuple[float, float]:
    """Smallest and largest true R squared of which a sample may show this one; else NaN."""
    true, low, high = samples.index.to_numpy(), *samples.to_numpy().T
    above, below = np.flatnonzero(high >= r2), np.flatnonzero(low <= r2)
    if not len(above) or not len(below):
        return np.nan, np.nan
    first, last = above[0], below[-1]
    # Between two points the quantiles are taken as straight lines.
    lower = true[0] if first == 0 else _crossing(true, high, first, r2)
    upper = true[-1] if last == len(true) - 1 else _crossing(true, low, last + 1, r2)
    return (float(lower), float(upper)) if lower <= upper else (np.nan, np.nan)


def _crossing(true: Float64Array, quantiles: Float64Array, i: int, r2: float) -> float:
    """Where a quantile passes a value between the points i - 1 and i."""
    share = (r2 - quantiles[i - 1]) / (quantiles[i] - quantiles[i - 1])
    return float(true[i - 1] + np.clip(share, 0.0, 1.0) * (true[i] - true[i - 1]))


class _Populations:
    """Average returns with given true R squareds, and what draws of the dates show of them.

    The betas of the population are those of the sample. ``without`` (K,) are factors whose betas
    are all equal in it, or zero without a zero-beta rate: what these explain in a sample is chance.
    """

    def __init__(
        self,
        drawn: TwoPassDraws,
        rng: np.random.Generator,
        true: Float64Array,
        without: BoolArray | None,
    ) -> None:
        self.rng, self.true = rng, true
        self.draws = drawn if without is None else _without(drawn, without)
        self.own = own = self.draws.own
        means = own.sample.mean_returns
        around = means
        if own.sample.zero_beta:
            one = own.weigh(np.ones((1, len(means), 1)))[0, :, 0]
            self.center = float((one @ means) / one.sum())
            around = means - self.center
        else:
            self.center = 0.0
        # Less what residuals add to the spread of averages, or samples would show too little noise.
        noise = np.trace(own.weigh(own.residual_covariance)[0]) / len(own.sample.returns)
        total = self._size(around[None])[0]
        self.total = max(total - noise, _LEAST_SPREAD * total)
        # Exposures that differ, and what projects average returns on them.
        kept = np.ones(own.exposures.shape[2], dtype=bool)
        if without is not None:
            kept[-len(without) :] = ~without
        self.x = own.exposures[0][:, kept]
        weighed = own.weigh(own.exposures)[0][:, kept]
        self.a = np.linalg.solve(self.x.T @ weighed, weighed.T) if kept.any() else weighed.T
        explained = self.x @ (self.a @ means) - self.center
        size = self._size(explained[None])[0]
        self.explained = explained / np.sqrt(size) if true.any() else np.zeros(len(means))
        # Of factors whose betas tell nothing the errors of the sample are as good as any. Of others
        # they are what the betas could not explain, which has less of their direction than chance.
        self.errors = None if without is None else means - self.x @ (self.a @ means)

    def _size(self, values: Float64Array) -> Float64Array:
        """Values' W values (D,) of values (D, N)."""
        weighed = self.own.weigh(values.T[None])[0].T
        size: Float64Array = np.einsum("dn,dn->d", values, weighed)
        return size

    def _errors(self, n_draws: int) -> Float64Array:
        """Pricing errors (D, N) that no premia explain: at random, or those of the sample."""
        own = self.own
        if self.errors is not None:
            return np.asarray(self.errors[None], dtype=np.float64)
        errors = self.rng.standard_normal((n_draws, len(self.x)))
        if own.sample.weighting == "gls":
            errors = errors @ np.linalg.cholesky(own.return_covariance[0]).T
        elif own.sample.weighting == "wls":
            errors = errors * np.sqrt(own.residual_variances[0])
        return np.asarray(errors - errors @ self.a.T @ self.x.T, dtype=np.float64)

    def r2(self, passes: DrawnPasses) -> Float64Array:
        """R squareds (D, M) of draws, for each true one (M,)."""
        errors = self._errors(len(passes.means))
        errors = errors / np.sqrt(self._size(errors))[:, None]
        scale = np.sqrt(self.total)
        means = (
            self.center
            + scale * np.sqrt(self.true) * self.explained[None, :, None]
            + scale * np.sqrt(1.0 - self.true) * errors[:, :, None]
        )
        off = passes.means - self.own.sample.mean_returns
        return passes.r2(means + off[:, :, None])


def _without(drawn: TwoPassDraws, which: BoolArray) -> TwoPassDraws:
    """The same draws of returns whose betas on some factors (K,) are all equal, or zero."""
    sample, betas = drawn.sample, drawn.own.betas[0]
    level = betas.mean(axis=0) if sample.zero_beta else 0.0
    excess = np.where(which, betas - level, 0.0)
    returns = sample.returns - sample.centred_factors @ excess.T
    changed = TwoPassSample(sample.factors, returns, sample.weighting, sample.zero_beta)
    return replace(drawn, sample=changed)

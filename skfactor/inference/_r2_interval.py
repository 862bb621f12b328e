"""Interval of the cross-sectional R squared by simulation of what samples show of a true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._kernels.drawn_two_pass import DrawnPasses
from skfactor._results import Result
from skfactor._typing import Float64Array
from skfactor._validation import check_level
from skfactor.inference._bootstrap import draw_two_passes
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

    def __str__(self) -> str:
        return (
            f"Cross-sectional R2 = {self.r2:.4f}, {100.0 * self.level:g}% "
            f"[{self.lower:.4f}, {self.upper:.4f}] by simulation"
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
    own, sample = drawn.own, drawn.sample
    r2 = float(own.r2(own.means[:, :, None])[0, 0])
    true = np.linspace(0.0, 1.0, _POINTS)
    populations = _Populations(own, np.random.default_rng(random_state + 1), true)
    found = drawn.collect(populations.r2, sample.returns.shape[1] * _POINTS * 4)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(found, [tail, 1.0 - tail], axis=0)
    samples = pd.DataFrame({"lower": low, "upper": high}, index=pd.Index(true, name="true_r2"))
    inside = (low <= r2) & (r2 <= high)
    lower = upper = np.nan
    if inside.any():
        first, last = np.flatnonzero(inside)[[0, -1]]
        # Between two points the quantiles are taken as straight lines.
        lower = true[0] if first == 0 else _crossing(true, high, first, r2)
        upper = true[-1] if last == _POINTS - 1 else _crossing(true, low, last + 1, r2)
    return R2Interval(r2, float(lower), float(upper), float(level), samples)


def _crossing(true: Float64Array, quantiles: Float64Array, i: int, r2: float) -> float:
    """Where a quantile passes a value between the points i - 1 and i."""
    share = (r2 - quantiles[i - 1]) / (quantiles[i] - quantiles[i - 1])
    return float(true[i - 1] + np.clip(share, 0.0, 1.0) * (true[i] - true[i - 1]))


class _Populations:
    """Average returns with given true R squareds, and what draws of the dates show of them."""

    def __init__(self, own: DrawnPasses, rng: np.random.Generator, true: Float64Array) -> None:
        self.own, self.rng, self.true = own, rng, true
        means, premia = own.sample.mean_returns, own.premia[0]
        fitted = own.exposures[0] @ premia
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
        explained = fitted - self.center
        self.explained = explained / np.sqrt(self._size(explained[None])[0])

    def _size(self, values: Float64Array) -> Float64Array:
        """Values' W values (D,) of values (D, N)."""
        weighed = self.own.weigh(values.T[None])[0].T
        size: Float64Array = np.einsum("dn,dn->d", values, weighed)
        return size

    def r2(self, passes: DrawnPasses) -> Float64Array:
        """R squareds (D, M) of draws, for each true one (M,)."""
        own = self.own
        # Pricing errors at random that no premia explain.
        errors = self.rng.standard_normal(passes.means.shape)
        if own.sample.weighting == "gls":
            errors = errors @ np.linalg.cholesky(own.return_covariance[0]).T
        elif own.sample.weighting == "wls":
            errors = errors * np.sqrt(own.residual_variances[0])
        errors -= errors @ own.projection[0].T @ own.exposures[0].T
        errors /= np.sqrt(self._size(errors))[:, None]
        scale = np.sqrt(self.total)
        means = (
            self.center
            + scale * np.sqrt(self.true) * self.explained[None, :, None]
            + scale * np.sqrt(1.0 - self.true) * errors[:, :, None]
        )
        off = passes.means - own.sample.mean_returns
        return passes.r2(means + off[:, :, None])

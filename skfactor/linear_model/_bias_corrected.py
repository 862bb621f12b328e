"""BiasCorrectedFamaMacBeth: premia from individual assets, freed of the errors in their betas."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from skfactor._fitting import fitting
from skfactor._kernels.corrected_betas import (
    beta_covariances,
    instrument_strength,
    instrumental_system,
    reduced_system,
)
from skfactor._limits import muted, single_blas_thread
from skfactor._passes.cross_sections import raise_if_too_few, regress_wide, weigh_assets
from skfactor._passes.first_pass import FirstPass
from skfactor._passes.slopes import Slopes
from skfactor._passes.time_series import WideData
from skfactor._passes.two_pass import TwoPassFit
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import BoolArray, Float64Array, RowLabels
from skfactor._validation import raise_if_empty
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning
from skfactor.linear_model._two_pass_model import TWO_PASS_CONSTRAINTS, TwoPassModel

_CORRECTED = "is for least-squares slopes, and these are corrected for the errors of the betas."
_INFLUENCE_NOTE = "Slopes and estimated betas add to the errors, as in a correctly specified model."
# Why an asset with betas of all periods is not part of a correction.
_LEFT_OUT = {
    "instrumental": "too few returns, or constant or collinear factors, in odd or in even periods",
    "litzenberger-ramaswamy": "no more returns than coefficients, so that betas have no errors",
}


class BiasCorrectedFamaMacBeth(TwoPassModel):
    r"""Premia of individual assets, corrected for the errors in their estimated betas.

    Betas of single stocks are noisy, and a regression on noisy betas pulls the premia towards
    zero: of one factor's premium it leaves the share of the betas' variance that is true,
    :math:`\sigma_\beta^2 / (\sigma_\beta^2 + \sigma_e^2)`. Two corrections are offered for the
    wide form, y with one column per asset. With :math:`X_t = [1, \hat\beta_i]` for the assets that
    have a return on date t and W their weights:

    - **instrumental** [1]_: betas are estimated from the odd and from the even periods (the first,
      third, ... and the second, fourth, ... date). Their errors are independent, so each is an
      instrument for the other. On an even date the betas of even periods explain and those of odd
      periods are the instruments, on an odd date the other way round, :math:`\lambda_t =
      (Z_t'WX_t)^{-1} Z_t'W R_t`. Dates with weak instruments are left out (trimmed).
    - **litzenberger-ramaswamy** [2]_ [3]_: the covariances :math:`V_i = s_i^2 (F_i'F_i)^{-1}` of
      the betas are taken off, :math:`\lambda_t = (X_t'WX_t - \sum_i w_i V_i)^{-1} X_t'W R_t`.
      Where too little is left the date falls back to uncorrected least squares.

    What is too little is a matter of the betas' reliability on the date: the share of their
    variation over the assets that is true, for the worst combination of the factors. It is the
    smallest eigenvalue of the corrected products relative to :math:`X_t'WX_t`, or of the symmetric
    part of :math:`Z_t'WX_t` relative to :math:`(X_t'WX_t + Z_t'WZ_t) / 2` (for one factor about the
    correlation of odd and even betas). It is 0 or less where they are not positive definite.

    Parameters
    ----------
    method : {"instrumental", "litzenberger-ramaswamy"}, default="instrumental"
        The correction.
    min_reliability : float, default=0.05
        Dates whose reliability is not above this number in [0, 1) are trimmed (instrumental) or
        fall back (litzenberger-ramaswamy); 0 asks for positive definite products only.
    betas : estimator or None, default=None
        First pass, over the full sample; None is `FactorBetas()`. ``"instrumental"`` fits it to
        the odd and the even periods too.
    fit_intercept : bool, default=True
        Whether to estimate the zero-beta rate, the column ``"const"``.
    weighting : {"ols", "wls"}, default="ols"
        Weights of the assets in the second pass: equal, or by the inverse of their first-pass
        residual variances.
    premia_window, premia_halflife, min_assets, missing, rank_deficient, date_level
        As in `FamaMacBeth`. With ``rank_deficient="raise"`` trimmed dates and fallbacks raise.

    Attributes
    ----------
    lambdas_ : DataFrame of shape (n_dates, n_premia)
        Corrected slopes of each date, in the units of the returns; NaN on trimmed dates.
    premia_ : Series of shape (n_premia,)
        Their average.
    reliability_ : Series of shape (n_dates,)
        Reliability of the betas on each date; NaN on dates with too few assets.
    trimmed_dates_, fallback_dates_ : Index
        Dates left out (instrumental) or not corrected (litzenberger-ramaswamy).
    instrument_strength_ : DataFrame of shape (n_factors, 3)
        Instrumental: ``correlation`` of each factor's odd and even betas over the assets, and the
        first-stage statistics ``f_odd`` and ``f_even``, F of the regression of its odd (even)
        betas on the even (odd) ones of all factors.
    odd_betas_, even_betas_ : DataFrame of shape (n_assets, n_factors)
        Instrumental: betas of the odd and of the even periods.
    betas_, first_pass_, expected_returns_, pricing_errors_, coef_, intercept_, cross_sections_
        As in `FamaMacBeth`; betas and what follows from them are of the whole sample. ``r2`` is
        that of the corrected slopes on the estimated betas, below that of least squares.

    Notes
    -----
    Errors of ``"instrumental"`` premia are those of Fama and MacBeth, from the variation of the
    corrected slopes over time. That of ``"litzenberger-ramaswamy"`` slopes is larger than their
    average's, since it holds the betas' noise times the factors: their errors come from the
    influence of each date through slopes and betas, :math:`A_t \hat\varepsilon_t (1 - w_t) + f_t -
    \bar f` with :math:`w_t = (f_t - \bar f)' V_f^{-1} \lambda` and the :math:`A_t` that makes the
    slopes of the returns. With ``premia_window``, ``premia_halflife``, missing factors or dates, or
    a first pass without intercept they are those of the slopes, too large. The kinds for
    least-squares slopes do not hold.

    References
    ----------
    .. [1] Jegadeesh, N., J. Noh, K. Pukthuanthong, R. Roll and J. Wang (2019), "Empirical Tests of
       Asset Pricing Models with Individual Assets: Resolving the Errors-in-Variables Bias in Risk
       Premium Estimation", Journal of Financial Economics 133(2), 273-298.
       https://doi.org/10.1016/j.jfineco.2019.02.010
    .. [2] Litzenberger, R. H. and K. Ramaswamy (1979), "The Effect of Personal Taxes and Dividends
       on Capital Asset Prices: Theory and Empirical Evidence", Journal of Financial Economics
       7(2), 163-195. https://doi.org/10.1016/0304-405X(79)90012-6
    .. [3] Chordia, T., A. Goyal and J. Shanken (2017), "Cross-Sectional Asset Pricing with
       Individual Stocks: Betas versus Characteristics". https://doi.org/10.2139/ssrn.2549578

    Examples
    --------
    Betas are noisy here; the factor's premium was 0.0105 in this sample:

    >>> from skfactor import BiasCorrectedFamaMacBeth, FamaMacBeth
    >>> from skfactor.datasets import make_two_pass
    >>> X, y = make_two_pass(240, 500, 1, premia=0.01, noise=0.2, random_state=1, return_X_y=True)
    >>> model = BiasCorrectedFamaMacBeth().fit(X, y)
    >>> [float(each.premia_["f1"].round(4)) for each in (FamaMacBeth().fit(X, y), model)]
    [0.0073, 0.0102]
    >>> model.instrument_strength_.round(2)
        correlation   f_odd  f_even
    f1         0.53  192.05  192.05
    """

    _fama_macbeth_note: ClassVar = "Slopes corrected for errors in the betas, date by date."
    _parameter_constraints: ClassVar = {
        **TWO_PASS_CONSTRAINTS,
        "method": [StrOptions({"instrumental", "litzenberger-ramaswamy"})],
        "min_reliability": [Interval(Real, 0, 1, closed="left")],
        "weighting": [StrOptions({"ols", "wls"})],
    }

    def __init__(
        self,
        *,
        method: str = "instrumental",
        min_reliability: float = 0.05,
        betas: BaseEstimator | None = None,
        fit_intercept: bool = True,
        weighting: str = "ols",
        premia_window: int | None = None,
        premia_halflife: float | None = None,
        min_assets: int | None = None,
        missing: str = "drop",
        rank_deficient: str = "nan",
        date_level: str | int | None = "auto",
    ) -> None:
        self.method = method
        self.min_reliability = min_reliability
        self.betas = betas
        self.fit_intercept = fit_intercept
        self.weighting = weighting
        self.premia_window = premia_window
        self.premia_halflife = premia_halflife
        self.min_assets = min_assets
        self.missing = missing
        self.rank_deficient = rank_deficient
        self.date_level = date_level

    @fitting(holds_estimators=True)
    def fit(self, X: ArrayLike, y: ArrayLike, dates: RowLabels | None = None) -> Self:
        """Estimate the premia.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_features)
            Factor returns of each period.
        y : array-like of shape (n_periods, n_assets)
            Returns of the assets, in decimals.
        dates : array-like of shape (n_periods,), optional
            Date of each row, if it is not in the index of X or y.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y has one column, a value is infinite or text, factors are collinear, betas are not
            of the whole sample, or no date can be estimated.

        Warns
        -----
        RankDeficientWarning
            If some dates could not be estimated or corrected, or assets are left out.
        """
        values, target = self._validate(X, y, reset=True)
        raise_if_empty(target)
        if target.ndim == 1 or target.shape[1] == 1:
            raise ValueError(
                "BiasCorrectedFamaMacBeth needs several assets, y with one column each: it "
                "corrects for the errors of the betas that it estimates itself, and in a panel the "
                "exposures are given, with errors that are unknown. Use FamaMacBeth for a panel."
            )
        factors = values.astype(np.float64)
        self._fit_wide(WideData.read(X, y, factors, target, self._names, dates, self.date_level))
        return self

    def _fit_wide(self, data: WideData) -> None:
        factors, returns = data.factors.to_numpy(), data.returns.to_numpy()
        assets, instrumental = data.returns.columns, self.method == "instrumental"
        raise_if_too_few(len(self._names), *data.returns.shape, self._fewest_assets())
        self.first_pass_, first = self._full_sample_pass(data.factors, data.returns)
        betas, const = first.betas.to_numpy(), self.fit_intercept
        reduce = single_blas_thread(reduced_system)
        instrument = single_blas_thread(instrumental_system)
        if instrumental:
            first_pass = muted(self._full_sample_pass, RankDeficientWarning)  # said once, below
            self.odd_betas_, self.even_betas_ = (
                first_pass(data.factors[half::2], data.returns[half::2])[1].betas for half in (0, 1)
            )
            halves = np.hstack([self.odd_betas_, self.even_betas_])
            used = np.isfinite(betas).all(axis=1) & np.isfinite(halves).all(axis=1)
        else:
            first.raise_if_collinear(self.method)
            left = first.residuals().to_numpy()
            errors = beta_covariances(betas, left, factors, first.fit_intercept)
            used = np.isfinite(errors).all(axis=(1, 2))
        lost = assets[np.isfinite(betas).all(axis=1) & ~used]
        if len(lost):
            found = f"{len(lost)} of {len(assets)} assets (first: {lost[0]}) are left out: "
            warn_user(f"{found}{_LEFT_OUT[self.method]}.", RankDeficientWarning)
        if np.count_nonzero(used) < 2:
            where = " in the odd and in the even periods" if instrumental else ""
            raise ValueError(
                f"Only {np.count_nonzero(used)} of the {len(assets)} columns of y have enough "
                f"returns{where} for betas with errors: a cross-section needs several assets."
            )
        known = returns[:, used]
        weights = weigh_assets(self.weighting, first, factors, used, known)
        if instrumental:
            strength = instrument_strength(halves[used], const)
            labels = ["correlation", "f_odd", "f_even"]
            self.instrument_strength_ = pd.DataFrame(strength, self._names, labels)
            system = instrument(halves[used], known, weights, const)
        else:
            system = reduce(betas[used], errors[used], known, weights, const)
        fewest = self._fewest_assets()
        fits = regress_wide(betas[used], known, weights, fit_intercept=const, min_assets=fewest)
        reliability = np.where(fits.solved, system.reliability(), np.nan)
        unreliable = fits.solved & ~(reliability > self.min_reliability)
        good = fits.solved & ~unreliable
        slopes = Slopes.of(
            system.solve(fits, good), self._labels(), data.dates, has_const=self.fit_intercept
        )
        self._judge(slopes)
        self.reliability_ = pd.Series(reliability, index=slopes.dates, name="reliability")
        self.trimmed_dates_ = slopes.dates[unreliable & instrumental]
        self.fallback_dates_ = slopes.dates[unreliable & (not instrumental)]
        if unreliable.any():
            self._report_unreliable(unreliable, good)
        if len(self.trimmed_dates_):
            slopes.lambdas.loc[unreliable] = np.nan
            slopes.sections.loc[unreliable, ["r2", "adj_r2"]] = np.nan
            self._raise_if_no_average(slopes)
        kept = data.returns.loc[:, used]
        fit = TwoPassFit(first, data.factors, kept, self.weighting, self.fit_intercept, _CORRECTED)
        self._finish_wide(slopes, fit, assets)
        if not instrumental and self._has_influence(first, factors, fits.solved):
            of_residuals = reduce(betas[used], errors[used], left[:, used], weights, const)
            influence = of_residuals.influence(factors, self.coef_, good, const)
            self.record_ = replace(self.record_, influence=influence, note=_INFLUENCE_NOTE)
        average = data.returns.mean()
        self.pricing_errors_ = (average - self.expected_returns_).rename("pricing_error")

    def _has_influence(self, first: FirstPass, factors: Float64Array, solved: BoolArray) -> bool:
        """Whether errors that know of the betas are derived for this fit."""
        alike = self.premia_window is None and self.premia_halflife is None
        return alike and first.fit_intercept and bool(solved.all() and np.isfinite(factors).all())

    def _full_sample_pass(
        self, factors: pd.DataFrame, returns: pd.DataFrame
    ) -> tuple[BaseEstimator, FirstPass]:
        fitted, first = self._first_pass(factors, returns)
        if first.special:
            raise ValueError(
                "The corrections are for betas of the whole sample, with equal weights, "
                f"and these are {first.special}."
            )
        return fitted, first

    def _report_unreliable(self, unreliable: BoolArray, estimated: BoolArray) -> None:
        """Say how many dates were trimmed or not corrected."""
        trim = self.method == "instrumental"
        first = self.reliability_.index[unreliable][0]
        found = (
            f"On {int(unreliable.sum())} of {len(unreliable)} dates the reliability of the betas "
            f"is not above {self.min_reliability:g} (first: {first})"
        )
        if self.rank_deficient == "raise" or (trim and not estimated.any()):
            raise ValueError(f"{found}. Use fewer factors, longer samples or a lower bound.")
        left = (
            "they are trimmed, and their premia are NaN"
            if trim
            else "their slopes are those of least squares, uncorrected"
        )
        warn_user(f"{found}: {left}.", RankDeficientWarning)

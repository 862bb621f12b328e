"""FactorBetas: the first pass, a time-series regression for each asset."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting
from skfactor._kernels.rolling import Window
from skfactor._panel import asset_labels
from skfactor._passes.first_pass import (
    FirstPass,
    covariance_parts,
    regress_series,
    report_failures,
)
from skfactor._passes.rolling_betas import (
    RollingBetas,
    RollingSample,
    RollingStatistics,
    fewest_periods,
    find_dated_rows,
    fit_rolling,
    halvings,
    look_up,
)
from skfactor._passes.time_series import (
    TimeSeries,
    raise_if_shared,
    read_time_series,
    series_of_frames,
)
from skfactor._risk_model import RiskModel, covariance_of_returns
from skfactor._sklearn import CallbackSupportMixin, Estimator, Interval, StrOptions
from skfactor._typing import Float64Array, RowLabels
from skfactor._validation import (
    feature_names,
    frozen,
    kept_frame,
    like_input,
    match_labels,
    raise_if_empty,
    raise_if_missing,
    remember_features,
    validate_features,
    validate_target,
)
from skfactor.inference._beta_errors import check_beta_errors, raise_if_special, standard_errors


class FactorBetas(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, Estimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Exposures of assets to factors, by one time-series regression per asset.

    .. math:: R_{it} = \alpha_i + \beta_i' f_t + \varepsilon_{it}

    It fits three forms of the same data: **wide**, X (n_periods, n_factors) and y (n_periods,
    n_assets); **long**, X the factor returns of each row's date and y one return per row, both
    indexed by (date, asset); and **one series**, y (n_periods,). In long form `transform` replaces
    factor returns by the betas of the row's asset, so that
    ``make_pipeline(FactorBetas(), FamaMacBeth())`` is the two-pass regression.

    With ``window`` or ``expanding`` there is an estimate for each date, from the dates up to it,
    and `transform` gives each row the betas that were known ``lag`` dates before it: honest
    exposures for the regressions of Fama and MacBeth (1973).

    Parameters
    ----------
    window : int or None, default=None
        Number of dates, up to its own, from which the betas of a date are estimated. None is the
        whole sample.
    expanding : bool, default=False
        Estimate betas for each date from all dates up to it; ``window`` has to be None.
    min_periods : int or None, default=None
        Fewest observations of an asset (in the window); with fewer it gets NaN. None is the whole
        window, as in pandas, and otherwise the number of coefficients, below which there is no
        estimate anyway.
    lag : int, default=1
        With ``window`` or ``expanding``: how many dates pass until an estimate is used. `transform`
        gives date t the last one dated t - lag or before. Other values than 1 need a window.
    fit_intercept : bool, default=True
        Whether to estimate the alphas.
    halflife : float or None, default=None
        Half-life, in dates, of exponential weights (in the window). None is equal weights.
    shrinkage : {"vasicek", "vasicek-net", "blume"} or None, default=None
        ``"vasicek"`` [2]_ shrinks each beta towards the mean over the assets (on the date), more so
        with a larger standard error: with mean m and variance v, divisor n - 1, of the betas on a
        factor, beta b of error s becomes (b / s^2 + m / v) / (1 / s^2 + 1 / v). That is the
        formula of textbooks. Measured betas vary more than true ones do, by their errors:
        ``"vasicek-net"`` subtracts the mean of s^2 from v, which shrinks more. ``"blume"`` [3]_ is
        2/3 b + 1/3, for betas on the market: it needs a single factor. Alphas follow; errors and
        R squared stay those of least squares.
    common_factors : bool, default=True
        Whether all assets have the same factors. False, in long form: the columns of X are returns
        of the row's own asset, such as its local market or its industry, and each asset is
        regressed on its own. What needs factors in common then raises: `covariance`, `risk_model`
        and errors other than the classical ones.
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out a missing return, and dates on which a factor is missing.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a (date, asset) index. None says that the rows have no
        dates; with dates it raises.

    Attributes
    ----------
    betas_ : DataFrame of shape (n_assets, n_factors)
        Exposures; in the units of returns over those of the factors. With ``window`` or
        ``expanding`` those of the last date, as all that follows without a date.
    rolling_betas_ : DataFrame of shape (n_periods * n_assets, n_factors)
        With ``window`` or ``expanding``: the estimate of each date, indexed by (date, asset). Every
        asset has a row on every date, date by date, NaN where it has no estimate: a factor is
        one block of memory, and all of one date lie together. `rolling_statistics` has the rest.
    alphas_ : Series of shape (n_assets,)
        Intercepts, 0 with ``fit_intercept=False``.
    std_errors_ : DataFrame of shape (n_assets, n_factors)
        Standard errors of the betas, for homoskedastic and serially uncorrelated residuals; with
        ``halflife`` too, where weights forget and do not say how residuals vary.
    df_ : Series of shape (n_assets,)
        Degrees of freedom of the t distribution of betas over their errors: observations less
        coefficients; with ``halflife`` (sum w)^2 / sum w^2, the effective number of observations,
        less coefficients. Where it is not positive, there is no t distribution.
    r2_ : Series of shape (n_assets,)
        R squared of each time-series regression (uncentred without an intercept).
    n_periods_ : Series of shape (n_assets,)
        Observations of each asset.
    residuals_ : DataFrame of shape (n_periods, n_assets)
        Residuals, one row per date (of the last window); NaN where the return is missing. Computed
        when asked for.
    n_features_in_ : int
        Number of factors.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    References
    ----------
    .. [1] Black, F., M. C. Jensen and M. Scholes (1972), "The Capital Asset Pricing Model: Some
       Empirical Tests", in M. C. Jensen (ed.), Studies in the Theory of Capital Markets, Praeger.
    .. [2] Vasicek, O. A. (1973), "A Note on Using Cross-Sectional Information in Bayesian
       Estimation of Security Betas", Journal of Finance 28(5), 1233-1239.
       https://doi.org/10.1111/j.1540-6261.1973.tb01452.x
    .. [3] Blume, M. E. (1975), "Betas and Their Regression Tendencies", Journal of Finance 30(3),
       785-795. https://doi.org/10.1111/j.1540-6261.1975.tb01850.x

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french[["NoDur", "BusEq"]].sub(french["RF"], axis=0)
    >>> FactorBetas().fit(french[["MktRF", "SMB", "HML"]], returns).betas_.round(2)
           MktRF   SMB   HML
    NoDur   0.80 -0.03  0.08
    BusEq   1.15  0.18 -0.54
    >>> rolling = FactorBetas(window=60).fit(french[["MktRF"]], returns)
    >>> rolling.rolling_betas_.loc["1999-12":"2000-01"].round(2)
                   MktRF
    date    asset
    1999-12 NoDur   0.75
            BusEq   1.43
    2000-01 NoDur   0.75
            BusEq   1.43
    """

    __metadata_request__fit: ClassVar = {"dates": True, "assets": True}
    __metadata_request__transform: ClassVar = {"dates": True, "assets": True}
    _parameter_constraints: ClassVar = {
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "expanding": ["boolean"],
        "min_periods": [Interval(Integral, 1, None, closed="left"), None],
        "lag": [Interval(Integral, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "common_factors": ["boolean"],
        "halflife": [Interval(Real, 0, None, closed="neither"), None],
        "shrinkage": [StrOptions({"vasicek", "vasicek-net", "blume"}), None],
        "missing": [StrOptions({"drop", "raise"})],
        "date_level": [str, int, None],
    }

    def __init__(
        self,
        window: int | None = None,
        *,
        expanding: bool = False,
        min_periods: int | None = None,
        lag: int = 1,
        fit_intercept: bool = True,
        halflife: float | None = None,
        shrinkage: str | None = None,
        common_factors: bool = True,
        missing: str = "drop",
        date_level: str | int | None = "auto",
    ) -> None:
        self.window = window
        self.expanding = expanding
        self.min_periods = min_periods
        self.lag = lag
        self.fit_intercept = fit_intercept
        self.halflife = halflife
        self.shrinkage = shrinkage
        self.common_factors = common_factors
        self.missing = missing
        self.date_level = date_level

    @fitting()
    def fit(
        self, X: Any, y: Any = None, dates: RowLabels | None = None, assets: RowLabels | None = None
    ) -> Self:
        """Estimate the exposures of every asset.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_factors)
            Factor returns of the row's date, with ``common_factors=False`` of its asset too.
        y : array-like of shape (n_rows,) or (n_rows, n_assets)
            Returns of one asset, of the row's asset (long), or of one asset per column (wide).
        dates, assets : array-like of shape (n_rows,), optional
            Date and asset of each row in long form, if they are not in the index of X or y.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X varies within a date and factors are common, dates or assets are unknown or occur
            twice, a value is infinite or text, or no asset has enough observations.

        Warns
        -----
        RankDeficientWarning
            If some assets have too few observations; their betas are NaN.
        """
        values = validate_features(self, X, reset=True)
        target = validate_target(self, X, y)
        raise_if_empty(target)
        if self.missing == "raise":
            raise_if_missing(values, target)
        series = read_time_series(
            X,
            y,
            values,
            target,
            feature_names(self, X),
            dates=dates,
            assets=assets,
            date_level=self.date_level,
            ordered=self._is_rolling or self.halflife is not None,
            common=self.common_factors,
        )
        return self._fit(series, y)

    @fitting()
    def _fit_wide(self, X: pd.DataFrame, y: pd.DataFrame) -> Self:
        """`fit` for a model that has validated these frames, ascending in time, and keeps them."""
        raise_if_shared(self.common_factors, "y has one column per asset")
        if self.missing == "raise":
            raise_if_missing(X.to_numpy(), y.to_numpy())
        remember_features(self, X)
        match_labels(self, X, reset=True)
        return self._fit(series_of_frames(X, y), None)

    @property
    def _is_rolling(self) -> bool:
        return self.window is not None or self.expanding

    def _fit(self, series: TimeSeries, y: Any) -> Self:
        """Fit to series that later changes of y must not reach."""
        fewest = fewest_periods(self, len(series.names))
        self.has_assets_ = series.has_assets
        rolling, halved = None, None
        if self._is_rolling or self.halflife is not None:
            series = series.by_date()
            halved = halvings(series.periods, self.halflife)
        whole = series
        if self._is_rolling:
            length = len(series.periods) if self.window is None else self.window
            window = Window(length, fewest, halved, only_observed=self.expanding)
            series = series.last(length)
            halved = None if halved is None else halved[-length:]
        weights = None if halved is None else np.exp2(halved - halved[-1])
        found = regress_series(
            series,
            weights,
            fit_intercept=self.fit_intercept,
            fewest=fewest,
            shrinkage=self.shrinkage,
        )
        periods, assets, names = series.periods, series.assets, series.names
        betas = found.betas
        if self._is_rolling:
            sample = RollingSample(whole.copy(), window, self.fit_intercept)
            self.rolling_betas_ = fit_rolling(sample, self.shrinkage)
            rolling = RollingBetas(sample, self.rolling_betas_, self.lag)
            betas = self.rolling_betas_.to_numpy()[-len(assets) :].copy()
        else:
            report_failures(found.fits, series, fewest)
        self.betas_ = pd.DataFrame(betas, index=assets, columns=names)
        self.alphas_ = pd.Series(found.alphas, index=assets, name="alpha")
        self.std_errors_ = pd.DataFrame(found.errors, index=assets, columns=names)
        self.df_ = pd.Series(found.free, index=assets, name="df")
        self.r2_ = pd.Series(found.fits.r2, index=assets, name="r2")
        self.n_periods_ = pd.Series(found.fits.n_rows, index=assets, name="n_periods")
        factors = residuals = None
        if series.is_common:
            factors = pd.DataFrame(series.factors, index=periods, columns=names, copy=False)
        else:
            left = series.returns - series.explained(betas) - found.alphas
            residuals = frozen(pd.DataFrame(left, index=periods, columns=assets))
        self.record_ = FirstPass(
            frozen(self.betas_),
            self._special(),
            self.fit_intercept,
            factors,
            kept_frame(series.returns, y, periods, assets),
            weights,
            self.alphas_.copy(),
            frozen(self.std_errors_),
            found.means,
            found.smallest_pivot,
            rolling,
            residuals,
        )
        return self

    def _special(self) -> str:
        """What the betas are that are not least squares of the whole sample; empty if they are."""
        if not self.common_factors:
            return "on factors of each asset's own (common_factors=False)"
        if self.expanding:
            return "expanding (expanding=True)"
        for name, kind in (
            ("window", "rolling"),
            ("halflife", "weighted"),
            ("shrinkage", "shrunk"),
        ):
            if (value := getattr(self, name)) is not None:
                return f"{kind} ({name}={value!r})"
        return ""

    @property
    def residuals_(self) -> pd.DataFrame:
        """Residuals (n_periods, n_assets), one row per date; NaN where the return is missing."""
        check_is_fitted(self)
        return self.record_.residuals()

    def rolling_statistics(self) -> RollingStatistics:
        """Alphas, standard errors, R squared and observations behind ``rolling_betas_``.

        They take as much memory as the betas, so they are estimated when asked for.

        Returns
        -------
        RollingStatistics
            ``alphas``, ``std_errors``, ``r2``, ``n_periods`` and ``df``, indexed by (date, asset);
            those of least squares, before any shrinkage.

        Raises
        ------
        ValueError
            If betas are of the whole sample, which has ``std_errors_`` and ``r2_``.
        """
        check_is_fitted(self)
        rolling = self.record_.rolling
        if rolling is None:
            raise ValueError(
                "There are no rolling betas: pass window= or expanding=True. Statistics of the "
                "whole sample are in alphas_, std_errors_, r2_ and n_periods_."
            )
        return rolling.sample.statistics()

    def transform(self, X: Any, dates: Any = None, assets: Any = None) -> Any:
        """Betas of each row's asset, in place of the factor returns.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_factors)
            Rows of a long panel, indexed by (date, asset); the values are not used.
        dates, assets : array-like of shape (n_rows,), optional
            Date and asset of each row, if they are not in the index of X.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_factors)
            Betas; NaN for an asset that `fit` never saw. After a fit to one series without an
            asset, its betas in every row. Rolling betas are those known ``lag`` dates before the
            row's date: NaN before there are any, and the last ones after the last date of `fit`.
            A distance is in periods for Periods of a week or longer, else it is a number of dates
            of `fit`, of which dates after them count as the next.

        Raises
        ------
        ValueError
            If the assets of the rows are unknown, or for rolling betas their dates.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        n_rows = len(values)
        which = {"dates": dates, "assets": assets, "date_level": self.date_level}
        panel, rolling = None, self.record_.rolling
        if rolling is None:
            labels = asset_labels(X, n_rows=n_rows, **which)
        else:
            panel = find_dated_rows(X, n_rows=n_rows, time_series=not self.has_assets_, **which)
            labels = panel.assets
        if (labels is not None) != self.has_assets_:
            had, has = ("assets", "none") if self.has_assets_ else ("one series", "assets")
            raise ValueError(
                f"FactorBetas was fitted with {had}, but the rows of X have {has} here. Index X by "
                '(date, asset) or pass assets=; set_output(transform="pandas") keeps indexes '
                "through a pipeline."
            )
        if labels is None:
            places = np.zeros(n_rows, dtype=np.intp)
        else:
            places = self.betas_.index.get_indexer(labels.labels)[labels.codes]
        if panel is None or rolling is None:
            betas = look_up(self.betas_, places)
        else:
            rows = rolling.rows_known(panel.dates, places)
            betas = look_up(self.rolling_betas_, rows)
        return like_input(self, X, betas.astype(values.dtype, copy=False))

    def fit_transform(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        dates: RowLabels | None = None,
        assets: RowLabels | None = None,
    ) -> Any:
        """Fit and transform the same rows; see `fit` and `transform` for the parameters."""
        fitted = self.fit(X, y, dates=dates, assets=assets)
        return fitted.transform(X, dates=dates, assets=assets)

    def standard_errors(
        self,
        covariance: str = "hc1",
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
    ) -> pd.DataFrame:
        """Errors of the betas that do not assume residuals of equal variance; without a new fit.

        Parameters
        ----------
        covariance : {"hc1", "classical"}, default="hc1"
            ``"hc1"``: residuals have a variance of their own on each date [1]_, times n / (n - k)
            for n observations and k coefficients. ``"classical"`` is ``std_errors_``.
        kernel : {None, "bartlett", "parzen", "quadratic-spectral", "hansen-hodrick"}, default=None
            With ``"hc1"``: residuals depend on those before [2]_, as in `FamaMacBeth.inference`.
        bandwidth : float, str or None, default=None
            Number of lags, or the name of a rule, as in `FamaMacBeth.inference`.

        Returns
        -------
        DataFrame of shape (n_assets, n_factors)
            NaN where there is no beta. ``df_`` has the degrees of freedom.

        Raises
        ------
        ValueError
            For rolling, weighted or shrunk betas, for ``common_factors=False``, or if options mean
            nothing.

        References
        ----------
        .. [1] White, H. (1980), "A Heteroskedasticity-Consistent Covariance Matrix Estimator and a
           Direct Test for Heteroskedasticity", Econometrica 48(4), 817-838.
           https://doi.org/10.2307/1912934
        .. [2] Newey, W. K. and K. D. West (1987), "A Simple, Positive Semi-Definite,
           Heteroskedasticity and Autocorrelation Consistent Covariance Matrix", Econometrica
           55(3), 703-708. https://doi.org/10.2307/1913610
        """
        check_is_fitted(self)
        long_run = check_beta_errors("standard_errors", covariance, kernel, bandwidth)
        if covariance == "classical":
            return self.std_errors_.copy()
        self._raise_if_own(f"standard_errors({covariance!r})")
        raise_if_special(self.record_, "standard_errors")
        return standard_errors(self.record_, long_run)

    def covariance(self) -> pd.DataFrame:
        """Covariance of returns that the factors imply, B Sigma_f B' + D.

        Sigma_f is the sample covariance of the factors and D the diagonal of the residuals'
        variances, both with divisor T - 1: with complete returns, an intercept and no shrinkage
        the diagonal is each asset's sample variance. With ``window`` all is of the last window;
        with ``halflife`` dates have their weights w, and the divisor is sum(w) - sum(w^2) / sum(w).

        Returns
        -------
        DataFrame of shape (n_assets, n_assets)
            In squared units of the returns, per period.
        """
        check_is_fitted(self)
        return covariance_of_returns(self.betas_, *self._covariance_parts(self.residuals_))

    def risk_model(self) -> RiskModel:
        """Betas, covariance of the factors and variances of residuals, for portfolios of assets.

        They are those of `covariance`, which has a matrix of all pairs of assets.

        Returns
        -------
        RiskModel
            With the returns of the factors, the residuals, and the last date of `fit`. Assets
            without betas are unknown in it.

        Raises
        ------
        ValueError
            With ``common_factors=False``.
        """
        check_is_fitted(self)
        record, residuals = self.record_, self.residuals_
        factors, specific = self._covariance_parts(residuals)
        names = self.betas_.columns
        return RiskModel(
            exposures=self.betas_,
            factor_covariance=pd.DataFrame(factors, names, names),
            specific_variance=pd.Series(specific, self.betas_.index),
            factor_returns=record.factors,
            specific_returns=residuals,
            date=residuals.index[-1:][0],  # a slice, as asked for one date pandas keeps its unit
        )

    def _raise_if_own(self, what: str) -> None:
        if self.record_.factors is None:
            raise ValueError(
                f"{what} needs factors that all assets have in common, and with "
                "common_factors=False each asset has its own. Fit on common factors for it; "
                "std_errors_ and residuals_ are there for both."
            )

    def _covariance_parts(self, residuals: pd.DataFrame) -> tuple[Float64Array, Float64Array]:
        self._raise_if_own("A risk model")
        assert self.record_.factors is not None
        return covariance_parts(self.record_.factors, residuals, self.record_.weights)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def fit_first_pass(
    first_pass: BaseEstimator, factors: pd.DataFrame, returns: pd.DataFrame
) -> BaseEstimator:
    """Fit a first pass to frames that are validated, ascending in time, and kept by the caller."""
    if getattr(type(first_pass), "fit", None) is FactorBetas.fit:
        return first_pass._fit_wide(factors, returns)
    return first_pass.fit(factors, returns)  # of which nothing is known
